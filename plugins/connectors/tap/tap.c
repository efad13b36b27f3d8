/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap.c - connector to the host's own network stack: a tap device is the guest.
 *
 * What is sent through the interface comes in here as from a guest, and frames for the guest are
 * received by the interface. With it a network namespace or a container gets a card, and so does any
 * VMM that is happy with a bridge. Frames keep their offloads both ways by the virtio_net_hdr that
 * the kernel puts in front of them (tap-rx.c, tap-tx.c). The interface has a carrier while the far
 * end of the cable is up.
 */
#include "tap.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

static const JfPropSpec tap_props[] = {
	{ .name = "ifname",
	  .type = JF_PROP_STRING,
	  .max = IFNAMSIZ - 1,
	  .blurb = "Name of the device, made when it is not there; %d in it: the first free "
		   "number." },
	{ .name = "netns",
	  .type = JF_PROP_STRING,
	  .max = 4095,
	  .blurb = "Network namespace of the device: a name of ip netns, or a path such as "
		   "/proc/PID/ns/net." },
	{ .name = "fd",
	  .type = JF_PROP_INT,
	  .min = 0,
	  .max = G_MAXINT32,
	  .blurb = "Open tap device of the program that hosts the card, instead of a name." },
	{ .name = "vnet-hdr",
	  .type = JF_PROP_BOOL,
	  .def = "on",
	  .blurb = "Whether frames keep checksum and segmentation offloads." },
	{ .name = "persistent",
	  .type = JF_PROP_BOOL,
	  .blurb = "Whether the device stays when the card stops; off when unset." },
	{ .name = "send-buffer",
	  .type = JF_PROP_SIZE,
	  .min = 4096,
	  .max = G_MAXINT32,
	  .blurb = "Bytes that may wait in the host's queues before the card is told to wait; "
		   "no limit when unset." },
	{ .name = "mac",
	  .type = JF_PROP_MAC,
	  .blurb = "MAC address of the device; the card's for a new one when unset." },
	{ .name = "mtu",
	  .type = JF_PROP_INT,
	  .min = 68,
	  .max = 65521,
	  .blurb = "MTU of the device; left alone when unset." },
	{ .name = "up",
	  .type = JF_PROP_BOOL,
	  .blurb = "Whether the device is brought up; on for a new one when unset." },
	{ .name = "address",
	  .type = JF_PROP_CIDR,
	  .blurb = "IPv4 or IPv6 address that the device gets." },
	{ .name = "address6",
	  .type = JF_PROP_CIDR,
	  .blurb = "IPv6 address that the device gets as well." },
	{ .name = NULL },
};

static gboolean
tap_init(JfInstance *inst, GError **error)
{
	Tap *tap = inst->priv;
	const JfHost *host = inst->host;

	tap->inst = inst;
	tap->fd = -1;
	tap_tx_init(&tap->tx);
	tap->count.down = host->counter(inst, "device-down-drops");
	tap->count.errors = host->counter(inst, "tx-errors");
	tap->count.bad = host->counter(inst, "bad-length");
	return tap_config_check(inst, error);
}

static void
tap_finish(JfInstance *inst)
{
	Tap *tap = inst->priv;

	tap_tx_finish(&tap->tx);
}

static void
tap_lost(Tap *tap)
{
	g_autoptr(GError) error = g_error_new(JF_ERROR, JF_ERROR_NETWORK,
					      "tap device '%s' has been deleted", tap->ifname);

	/* The kernel would report it for ever. */
	tap->inst->host->watch_remove(tap->watch);
	tap->watch = NULL;
	tap->inst->host->fail(tap->inst, error);
}

/* What is waited for now. An fd that nothing is read from does not tell of its device's end. */
void
tap_update(Tap *tap)
{
	gboolean blocked, gone;
	guint32 events;

	if (!tap->watch)
		return;
	tap_tx_look(&tap->tx, &blocked, &gone);
	if (gone || tap->rx.gone) {
		tap_lost(tap);
		return;
	}
	events = (tap->rx.paused ? 0 : EPOLLIN) | (blocked ? EPOLLOUT : 0);
	if (events == tap->events)
		return;
	tap->events = events;
	tap->inst->host->watch_modify(tap->watch, events);
}

static void
tap_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Tap *tap = data;

	(void)inst;
	(void)fd;
	if (events & EPOLLOUT)
		tap_tx_unblock(tap);
	if (!tap->rx.paused)
		tap_rx_run(tap);
	tap->rx.gone |= (events & (EPOLLERR | EPOLLHUP)) != 0;
	tap_update(tap);
}

static void
tap_stop(JfInstance *inst)
{
	Tap *tap = inst->priv;

	tap_tx_stop(&tap->tx);
	if (tap->watch)
		inst->host->watch_remove(tap->watch);
	tap->watch = NULL;
	tap_rx_stop(tap);
	tap_close(tap);
}

static gboolean
tap_begin(Tap *tap, GError **error)
{
	JfInstance *inst = tap->inst;
	guint32 offloads;

	if (!tap_open(tap, &offloads, error) || !tap_rx_start(tap, error))
		return FALSE;
	tap->events = EPOLLIN;
	tap->watch = inst->host->watch_add(inst, tap->fd, EPOLLIN, tap_ready, tap);
	if (!tap->watch) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot watch the tap device");
		return FALSE;
	}
	inst->host->set_offloads(inst, 0, offloads);
	tap_tx_start(&tap->tx, tap->fd);
	return TRUE;
}

static gboolean
tap_start(JfInstance *inst, GError **error)
{
	Tap *tap = inst->priv;
	const char *wanted = jf_property_string(inst, "ifname");

	if (!tap_begin(tap, error)) {
		tap_stop(inst);
		return FALSE;
	}
	if (g_strcmp0(wanted, tap->ifname))
		jf_log(inst, G_LOG_LEVEL_MESSAGE, "the tap device is '%s'", tap->ifname);
	return TRUE;
}

static guint
tap_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)port;
	return tap_tx_input(inst->priv, frames, n);
}

static void
tap_resume(JfInstance *inst, guint port)
{
	Tap *tap = inst->priv;

	(void)port;
	if (!tap->rx.paused)
		return;
	tap_rx_run(tap);
	tap_update(tap);
}

/* Kernels before 5.0 have no TUNSETCARRIER: there the interface does not show the cable. */
static void
tap_link(JfInstance *inst, guint port, gboolean up)
{
	Tap *tap = inst->priv;
	int carrier = up != 0;

	(void)port;
	if (tap->fd >= 0)
		ioctl(tap->fd, TUNSETCARRIER, &carrier);
}

static const JfDriver tap_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(TAP_OFFLOADS),
	.priv_size = sizeof(Tap),
	.id = "tap",
	.blurb = "A tap device of the host as the guest: for namespaces, containers and bridges.",
	.props = tap_props,
	.init = tap_init,
	.finish = tap_finish,
	.start = tap_start,
	.stop = tap_stop,
	.input = tap_input,
	.resume = tap_resume,
	.link = tap_link,
};

static const JfDriver *const tap_drivers[] = { &tap_driver, NULL };

static const JfPlugin tap_plugin = {
	JF_PLUGIN_HEAD,
	.name = "tap",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Connector to a tap device.",
	.drivers = tap_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &tap_plugin;
}
