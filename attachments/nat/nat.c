/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat.c - the attachment "nat": the guest reaches what the host reaches, by a network of its own.
 *
 * The engine (nat-engine.c) does the work; this file is its owner for one card: properties in,
 * frames to and from the cable.
 */
#include "nat.h"
#include "nat-card.h"

typedef struct JfNat {
	NatCard card;
	NatConfig config;
	NatSide side;
	NatEngine *engine;
} JfNat;

static const JfPropSpec nat_props[] = {
	NAT_CARD_PROPS,
	{ .name = "send-window",
	  .type = JF_PROP_SIZE,
	  .def = "0",
	  .min = 0,
	  .max = 16 * 1024 * 1024,
	  .blurb = "Most bytes of a connection on their way to the guest; 0: what it takes" },
	{ .name = "receive-window",
	  .type = JF_PROP_SIZE,
	  .def = "0",
	  .min = 0,
	  .max = 8 * 1024 * 1024,
	  .blurb = "Most bytes of a connection that the guest may send ahead; 0: what the host's "
		   "socket takes" },
	{ .name = "alias-mode",
	  .type = JF_PROP_LIST,
	  .def = "default",
	  .blurb = "log: a line for each new flow; sameports: flows leave by the guest's own port "
		   "where it is free" },
	{ .name = "forward-broadcast",
	  .type = JF_PROP_BOOL,
	  .def = "off",
	  .blurb = "The guest's UDP broadcasts leave by the host's interfaces" },
	{ .name = "dns-proxy",
	  .type = JF_PROP_BOOL,
	  .def = "on",
	  .blurb = "The name server's address answers for the host's resolvers; off: the guest is "
		   "told their own addresses" },
	{ .name = "dns-host-resolver",
	  .type = JF_PROP_BOOL,
	  .def = "off",
	  .blurb = "Names are looked up by the host's own library and files" },
	{ .name = "dns-mappings",
	  .type = JF_PROP_LIST,
	  .blurb = "NAME=ADDRESS or PATTERN=ADDRESS, answered before any resolver is asked" },
	{ .name = "resolv-conf",
	  .type = JF_PROP_PATH,
	  .blurb = "File that names the host's resolvers and search list; unset: "
		   "/etc/resolv.conf" },
	{ 0 },
};

static guint
nat_output(gpointer data, const JfFrame *frames, guint n)
{
	JfInstance *inst = data;

	return inst->host->output(inst, 0, frames, n);
}

static gboolean
nat_init(JfInstance *inst, GError **error)
{
	JfNat *nat = inst->priv;

	nat->side = (NatSide){ .output = nat_output, .data = inst };
	if (!nat_card_init(&nat->card, inst, error) ||
	    !nat_config_init(&nat->config, inst, &nat->card, error))
		return FALSE;
	nat->engine = nat_engine_new(inst, &nat->config, &nat->side);
	return TRUE;
}

static void
nat_finish(JfInstance *inst)
{
	JfNat *nat = inst->priv;

	g_clear_pointer(&nat->engine, nat_engine_free);
	nat_config_finish(&nat->config);
	nat_card_finish(&nat->card);
}

static gboolean
nat_start(JfInstance *inst, GError **error)
{
	JfNat *nat = inst->priv;

	return nat_card_check_host(&nat->card, inst, error) && nat_engine_start(nat->engine, error);
}

static void
nat_stop(JfInstance *inst)
{
	JfNat *nat = inst->priv;

	nat_engine_stop(nat->engine);
}

static guint
nat_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	JfNat *nat = inst->priv;

	(void)port;
	return nat_engine_input(nat->engine, frames, n);
}

static void
nat_resume(JfInstance *inst, guint port)
{
	JfNat *nat = inst->priv;

	(void)port;
	nat_engine_resume(nat->engine);
}

static gboolean
nat_add_forward(JfInstance *inst, const JfForwardRule *rule, GError **error)
{
	JfNat *nat = inst->priv;

	return nat_engine_add_forward(nat->engine, rule, error);
}

static gboolean
nat_remove_forward(JfInstance *inst, const char *name, GError **error)
{
	JfNat *nat = inst->priv;

	return nat_engine_remove_forward(nat->engine, name, error);
}

static const JfForward nat_forward = {
	.struct_size = sizeof(JfForward),
	.add = nat_add_forward,
	.remove = nat_remove_forward,
};

static gconstpointer
nat_query(JfInstance *inst, const char *iid)
{
	(void)inst;
	return g_str_equal(iid, JF_FORWARD_IID) ? &nat_forward : NULL;
}

static const JfDriver nat_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_OFFLOADS(NAT_ENGINE_OFFLOADS),
	.priv_size = sizeof(JfNat),
	.id = "nat",
	.blurb = "Network address translation: the guest reaches what the host reaches",
	.props = nat_props,
	.init = nat_init,
	.finish = nat_finish,
	.start = nat_start,
	.stop = nat_stop,
	.input = nat_input,
	.resume = nat_resume,
	.query = nat_query,
};

static const JfDriver *const nat_drivers[] = { &nat_driver, &nat_router_driver, NULL };

static const JfPlugin nat_plugin = {
	JF_PLUGIN_HEAD,
	.name = "nat",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "The NAT attachment",
	.drivers = nat_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &nat_plugin;
}
