/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-network.c - the attachment to a NAT network: a port of its switch on one side, the cable on
 * the other, and nothing kept in between. Engine and DHCP are other members of the same network.
 *
 * A frame goes through on the thread that it came on, without a copy: the card's into send, the
 * network's into output. What the card has no room for stays with the switch, which drops it or lets
 * its sender wait; when the card has room again, the switch is told. What the router has no room for
 * stays with the card.
 */
#include <string.h>

#include "jackfield/driver.h"
#include "jackfield/switch.h"

typedef struct NatNet {
	const JfSwitch *sw;
	JfSwitchPort *port; /* from start to stop */
	guint64 *lost;
} NatNet;

static const JfPropSpec natnet_props[] = {
	{
		.name = "network",
		.type = JF_PROP_STRING,
		.flags = JF_PROP_REQUIRED,
		.max = 127,
		.blurb = "Name of the NAT network, as it was defined.",
	},
	{ .name = NULL },
};

static gboolean
natnet_init(JfInstance *inst, GError **error)
{
	NatNet *natnet = inst->priv;

	natnet->lost = inst->host->counter(inst, "receiver-full");
	natnet->sw = inst->host->query(inst, JF_SWITCH_IID);
	if (natnet->sw)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "%s: this host has no networks (" JF_SWITCH_IID ")", inst->name);
	return FALSE;
}

static void
natnet_finish(JfInstance *inst)
{
	(void)inst;
}

/* From the network, on any thread. */
static guint
natnet_deliver(gpointer data, const JfFrame *frames, guint n)
{
	JfInstance *inst = data;

	return inst->host->output(inst, 0, frames, n);
}

/* The router has room again. */
static void
natnet_room(gpointer data)
{
	JfInstance *inst = data;

	inst->host->resume(inst, 0);
}

/* A network of a daemon's may be away. */
static void
natnet_link(gpointer data, gboolean up)
{
	JfInstance *inst = data;

	inst->host->set_link(inst, 0, up);
}

static gboolean
natnet_start(JfInstance *inst, GError **error)
{
	NatNet *natnet = inst->priv;
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);
	JfSwitchJoin join = {
		.struct_size = sizeof join,
		.role = JF_PORT_CARD,
		.flags = JF_PORT_WAITS_FOR_SERVICES,
		.promiscuous = card ? card->promiscuous : JF_PROMISC_DENY,
		.deliver = natnet_deliver,
		.resume = natnet_room,
		.data = inst,
		.link = natnet_link,
		.lost = natnet->lost,
	};

	if (card)
		memcpy(join.mac, card->mac, sizeof join.mac);
	natnet->port = natnet->sw->join(inst, jf_property_string(inst, "network"), &join, error);
	return natnet->port != NULL;
}

static void
natnet_stop(JfInstance *inst)
{
	NatNet *natnet = inst->priv;

	natnet->sw->leave(natnet->port);
	natnet->port = NULL;
}

/* From the card, on any thread. */
static guint
natnet_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	const NatNet *natnet = inst->priv;

	(void)port;
	return natnet->sw->send(natnet->port, frames, n);
}

static void
natnet_resume(JfInstance *inst, guint port)
{
	const NatNet *natnet = inst->priv;

	(void)port;
	if (natnet->port)
		natnet->sw->room(natnet->port);
}

static const JfDriver natnet_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(NatNet),
	.id = "natnetwork",
	.blurb = "NAT network: a switch that machines share, with a way out through the host.",
	.props = natnet_props,
	.init = natnet_init,
	.finish = natnet_finish,
	.start = natnet_start,
	.stop = natnet_stop,
	.input = natnet_input,
	.resume = natnet_resume,
};

static const JfDriver *const drivers[] = { &natnet_driver, NULL };

static const JfPlugin plugin = {
	JF_PLUGIN_HEAD,
	.name = "nat-network",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "NAT networks: machines see each other, and reach out through the host.",
	.drivers = drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
