/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * internal.c - the attachment to an internal network: a port of its switch on one side, the cable on
 * the other, and nothing kept in between.
 *
 * A frame goes through on the thread that it came on, without a copy: the card's into send, the
 * network's into output. What the card has no room for stays with the switch, which drops it or lets
 * its sender wait; when the card has room again, the switch is told.
 */
#include <string.h>

#include "jackfield/driver.h"
#include "jackfield/switch.h"

typedef struct Internal {
	const JfSwitch *sw;
	JfSwitchPort *port; /* from start to stop */
	guint64 *lost;
} Internal;

static const JfPropSpec internal_props[] = {
	{
		.name = "network",
		.type = JF_PROP_STRING,
		.def = "intnet",
		.max = 127,
		.blurb = "Name of the network, exactly as the other members spell it.",
	},
	{ .name = NULL },
};

static gboolean
internal_init(JfInstance *inst, GError **error)
{
	Internal *internal = inst->priv;

	internal->lost = inst->host->counter(inst, "receiver-full");
	internal->sw = inst->host->query(inst, JF_SWITCH_IID);
	if (internal->sw)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "%s: this host has no networks (" JF_SWITCH_IID ")", inst->name);
	return FALSE;
}

static void
internal_finish(JfInstance *inst)
{
	(void)inst;
}

/* From the network, on any thread. */
static guint
internal_deliver(gpointer data, const JfFrame *frames, guint n)
{
	JfInstance *inst = data;

	return inst->host->output(inst, 0, frames, n);
}

/* There is room again on the way to it. */
static void
internal_room(gpointer data)
{
	JfInstance *inst = data;

	inst->host->resume(inst, 0);
}

/* A network of a daemon's may be away. */
static void
internal_link(gpointer data, gboolean up)
{
	JfInstance *inst = data;

	inst->host->set_link(inst, 0, up);
}

static gboolean
internal_start(JfInstance *inst, GError **error)
{
	Internal *internal = inst->priv;
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);
	JfSwitchJoin join = {
		.struct_size = sizeof join,
		.role = JF_PORT_CARD,
		.promiscuous = card ? card->promiscuous : JF_PROMISC_DENY,
		.deliver = internal_deliver,
		.resume = internal_room,
		.data = inst,
		.link = internal_link,
		.lost = internal->lost,
	};

	if (card)
		memcpy(join.mac, card->mac, sizeof join.mac);
	internal->port =
		internal->sw->join(inst, jf_property_string(inst, "network"), &join, error);
	return internal->port != NULL;
}

static void
internal_stop(JfInstance *inst)
{
	Internal *internal = inst->priv;

	internal->sw->leave(internal->port);
	internal->port = NULL;
}

/* From the card, on any thread. */
static guint
internal_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	const Internal *internal = inst->priv;

	(void)port;
	return internal->sw->send(internal->port, frames, n);
}

static void
internal_resume(JfInstance *inst, guint port)
{
	const Internal *internal = inst->priv;

	(void)port;
	if (internal->port)
		internal->sw->room(internal->port);
}

static const JfDriver internal_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(Internal),
	.id = "intnet",
	.blurb = "Internal network: a switch that cards of several machines share.",
	.props = internal_props,
	.init = internal_init,
	.finish = internal_finish,
	.start = internal_start,
	.stop = internal_stop,
	.input = internal_input,
	.resume = internal_resume,
};

static const JfDriver *const drivers[] = { &internal_driver, NULL };

static const JfPlugin plugin = {
	JF_PLUGIN_HEAD,
	.name = "internal",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Internal networks between machines, apart from the host.",
	.drivers = drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
