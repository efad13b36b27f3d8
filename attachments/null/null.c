/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* null.c - the attachment that is none: the guest has a card with nothing plugged in. */
#include "jackfield/driver.h"

typedef struct Null {
	guint64 *dropped;
} Null;

static gboolean
null_init(JfInstance *inst, GError **error)
{
	Null *null = inst->priv;

	(void)error;
	null->dropped = inst->host->counter(inst, "dropped");
	return TRUE;
}

static void
null_finish(JfInstance *inst)
{
	(void)inst;
}

static gboolean
null_start(JfInstance *inst, GError **error)
{
	(void)error;
	inst->host->set_link(inst, 0, FALSE);
	return TRUE;
}

/* A guest that sends without a carrier. */
static guint
null_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Null *null = inst->priv;

	(void)port;
	(void)frames;
	jf_count(null->dropped, n);
	return n;
}

static const JfDriver null_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(Null),
	.id = "null",
	.blurb = "Not attached: the card is present, its line is down.",
	.init = null_init,
	.finish = null_finish,
	.start = null_start,
	.input = null_input,
};

static const JfDriver *const drivers[] = { &null_driver, NULL };

static const JfPlugin plugin = {
	JF_PLUGIN_HEAD,
	.name = "null",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "The attachment of a card that is attached to nothing.",
	.drivers = drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
