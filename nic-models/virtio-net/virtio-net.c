/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-net.c - the virtio network card (virtio 1.2, 5.1): driver, properties, life.
 *
 * The rings are one part (virtio-ring, -queue, -notify, -tx, -rx, -steer) and who tells them where
 * they lie is another: either the registers of a PCI function, or a connector by jf.virtio/1. Only
 * one of the two at a time.
 */
#include "virtio-net.h"

#include <jackfield/state.h>
#include <string.h>

#define MTU_MIN 68u          /* RFC 791 */
#define SPEED_DEFAULT 10000u /* Mbit/s */

static const JfPropSpec props[] = {
	{
		.name = "queues",
		.type = JF_PROP_INT,
		.def = "1",
		.min = 1,
		.max = VN_PAIRS_MAX,
		.blurb = "Queue pairs that the guest may use, one for each of its processors at "
			 "best.",
	},
	{
		.name = "checksum",
		.type = JF_PROP_BOOL,
		.def = "on",
		.blurb = "Leave transport checksums to the far end of the way (CSUM, GUEST_CSUM).",
	},
	{
		.name = "segmentation",
		.type = JF_PROP_BOOL,
		.def = "on",
		.blurb = "Carry large frames whole (TSO, UFO, USO and their guest counterparts).",
	},
	{
		.name = "mergeable",
		.type = JF_PROP_BOOL,
		.def = "on",
		.blurb = "Let a received frame span several of the guest's buffers (MRG_RXBUF).",
	},
	{
		.name = "packed",
		.type = JF_PROP_BOOL,
		.def = "on",
		.blurb = "Offer packed rings beside split ones (RING_PACKED).",
	},
	{
		.name = "in-order",
		.type = JF_PROP_BOOL,
		.def = "on",
		.blurb = "Say that buffers are used in the order of the ring (IN_ORDER).",
	},
	{
		.name = "ring-size",
		.type = JF_PROP_INT,
		.def = "256",
		.min = 8,
		.max = JF_VIRTIO_RING_MAX,
		.blurb = "Most entries of a ring, a power of two; old drivers fail beyond 256 or "
			 "1024.",
	},
	{
		.name = "mtu",
		.type = JF_PROP_INT,
		.def = "0",
		.max = 65535,
		.blurb = "MTU that the guest's driver is told to use, 68 at least; 0 leaves it to "
			 "the guest.",
	},
	{
		.name = "speed",
		.type = JF_PROP_INT,
		.def = "0",
		.max = 1000000,
		.blurb = "Speed that the driver reports, in Mbit/s; 0 is the card's line speed or "
			 "10000.",
	},
	{ .name = NULL },
};

/* FALSE with an error: a combination or a value that the property table cannot express. */
static gboolean
net_configure(VirtioNet *net, const JfCardInfo *card, GError **error)
{
	guint ring_size = (guint)jf_property_int(net->inst, "ring-size");
	guint mtu = (guint)jf_property_int(net->inst, "mtu");

	if (ring_size & (ring_size - 1)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: ring-size %u is no power of two (8, 16, ... %u)", net->inst->name,
			    ring_size, JF_VIRTIO_RING_MAX);
		return FALSE;
	}
	if (mtu > 0 && mtu < MTU_MIN) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: mtu %u; valid are 0 (not said) and %u to 65535", net->inst->name,
			    mtu, MTU_MIN);
		return FALSE;
	}
	net->ring_size = (guint16)ring_size;
	net->mtu = (guint16)mtu;
	net->speed = (guint32)jf_property_int(net->inst, "speed");
	if (net->speed == 0)
		net->speed = card->line_speed ? card->line_speed / 1000 : SPEED_DEFAULT;
	net->pairs_max = (guint)jf_property_int(net->inst, "queues");
	net->offered = vn_features_configured(net->inst);
	memcpy(net->mac, card->mac, sizeof net->mac);
	return TRUE;
}

void
vn_net_reset(VirtioNet *net)
{
	for (guint i = 0; i < VN_DATA_QUEUES; i++) {
		vn_queue_stop(&net->queues[i], NULL);
		vn_queue_enable(&net->queues[i], FALSE);
	}
	vn_queue_stop(&net->ctrl, NULL);
	net->pairs = 1;
	vn_rx_lock_all(net);
	vn_features_set(net, 0);
	vn_filter_reset(&net->filter, net->mac, FALSE);
	vn_filter_update(&net->filter);
	vn_rx_unlock_all(net);
	vn_steer_update(net);
}

static gboolean
net_init(JfInstance *inst, GError **error)
{
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);
	VirtioNet *net = inst->priv;

	net->inst = inst;
	net->host = inst->host;
	net->pci = net->host->query(inst, JF_PCI_HOST_IID);
	if (!net->pci || !card) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: a model needs a host with guest memory", inst->name);
		return FALSE;
	}
	net->rx_too_long = net->host->counter(inst, "rx-too-long");
	net->rx_not_ready = net->host->counter(inst, "rx-not-ready");
	net->broken = net->host->counter(inst, "rings-broken");
	vn_queues_init(net);
	pthread_mutex_init(&net->isr_lock, NULL);
	if (!net_configure(net, card, error))
		return FALSE;
	vn_pci_init(net);
	vn_transport_init(net);
	return TRUE;
}

static void
net_finish(JfInstance *inst)
{
	VirtioNet *net = inst->priv;

	if (!net->ctrl.net)
		return;
	vn_queues_finish(net);
	pthread_mutex_destroy(&net->isr_lock);
	g_free(net->bounce);
}

/* Output has room again. */
static void
net_resume(JfInstance *inst, guint port)
{
	VirtioNet *net = inst->priv;

	(void)port;
	for (guint i = 1; i < VN_DATA_QUEUES; i += 2)
		g_atomic_int_set(&net->queues[i].refused, FALSE);
	vn_poll_wake(net);
}

static gboolean
net_start(JfInstance *inst, GError **error)
{
	VirtioNet *net = inst->priv;

	(void)error;
	net->running = TRUE;
	vn_poll_begin(net);
	net_resume(inst, 0);
	return TRUE;
}

static void
net_stop(JfInstance *inst)
{
	VirtioNet *net = inst->priv;

	net->running = FALSE;
	vn_poll_end(net);
}

static gconstpointer
net_query(JfInstance *inst, const char *iid)
{
	(void)inst;
	if (strcmp(iid, JF_PCI_IID) == 0)
		return &vn_pci;
	if (strcmp(iid, JF_STATE_IID) == 0)
		return &vn_state;
	if (strcmp(iid, JF_VIRTIO_IID) == 0)
		return &vn_interface;
	return NULL;
}

static const JfDriver virtio_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_MODEL,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(VirtioNet),
	.id = "virtio",
	.blurb = "Virtio network card: no chip to imitate, and the fastest way into a guest.",
	.props = props,
	.init = net_init,
	.finish = net_finish,
	.start = net_start,
	.stop = net_stop,
	.input = vn_input,
	.resume = net_resume,
	.link = vn_link,
	.query = net_query,
};

static const JfDriver *const drivers[] = { &virtio_driver, NULL };

const JfPlugin *
jf_plugin_query(void)
{
	static const JfPlugin plugin = {
		JF_PLUGIN_HEAD,
		.name = "virtio-net",
		.version = "1.0",
		.license = "LGPL-2.1-or-later",
		.blurb = "Virtio network card.",
		.drivers = drivers,
	};

	return &plugin;
}
