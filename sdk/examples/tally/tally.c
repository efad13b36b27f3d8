/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tally.c - example of a filter: passes every frame on and counts those of one Ethernet type.
 *
 * A filter holds no frame: what the far side refuses it refuses itself, and passes the resume of
 * the far side on to the side that waits. So it needs no queue, no lock and no thread, and input may
 * run on any thread (JF_DRIVER_PARALLEL_INPUT). Frames keep their offloads, as it looks at the
 * Ethernet header only.
 */
#include "jackfield/driver.h"
#include "jackfield/util.h"

typedef struct Tally {
	guint32 type; /* atomic: changes while input runs on another thread */
	guint64 *frames, *bytes;
} Tally;

static gboolean
tally_init(JfInstance *inst, GError **error)
{
	Tally *tally = inst->priv;

	(void)error;
	tally->type = (guint32)jf_property_int(inst, "ethertype");
	tally->frames = inst->host->counter(inst, "tally-frames");
	tally->bytes = inst->host->counter(inst, "tally-bytes");
	return TRUE;
}

/* Nothing to give back: the core frees priv and the counters. */
static void
tally_finish(JfInstance *inst)
{
	(void)inst;
}

static guint
tally_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Tally *tally = inst->priv;
	guint32 type = __atomic_load_n(&tally->type, __ATOMIC_RELAXED);
	guint taken = inst->host->output(inst, 1 - port, frames, n);
	guint64 matched = 0, bytes = 0;

	for (guint i = 0; i < taken; i++) {
		guint8 field[2];

		if (!jf_frame_copy(&frames[i], 12, field, sizeof field) ||
		    jf_get_be16(field) != type)
			continue;
		matched++;
		bytes += frames[i].len;
	}
	if (matched) {
		jf_count(tally->frames, matched);
		jf_count(tally->bytes, bytes);
	}
	return taken;
}

static void
tally_resume(JfInstance *inst, guint port)
{
	inst->host->resume(inst, 1 - port);
}

static gboolean
tally_changed(JfInstance *inst, const char *prop, GError **error)
{
	Tally *tally = inst->priv;

	(void)error;
	__atomic_store_n(&tally->type, (guint32)jf_property_int(inst, prop), __ATOMIC_RELAXED);
	return TRUE;
}

static const JfPropSpec tally_props[] = {
	{ .name = "ethertype",
	  .type = JF_PROP_INT,
	  .flags = JF_PROP_LIVE,
	  .def = "0x0806",
	  .min = 0x0600,
	  .max = 0xffff,
	  .blurb = "Frames of this Ethernet type are counted; 0x0806 is ARP." },
	{ .name = NULL },
};

static const JfDriver tally_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_FILTER,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(Tally),
	.id = "tally",
	.blurb = "Counts the frames of one Ethernet type that pass through the cable.",
	.props = tally_props,
	.init = tally_init,
	.finish = tally_finish,
	.input = tally_input,
	.resume = tally_resume,
	.changed = tally_changed,
};

static const JfDriver *const tally_drivers[] = { &tally_driver, NULL };

static const JfPlugin tally_plugin = {
	JF_PLUGIN_HEAD,
	.name = "tally",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Example of a filter.",
	.drivers = tally_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &tally_plugin;
}
