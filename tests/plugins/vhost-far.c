/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-far.c - the far ends of two cards' cables, for tests. */
#include "vhost-far.h"

#include <string.h>

Far *fars[2];

static gboolean
far_init(JfInstance *inst, GError **error)
{
	Far **far = inst->priv;

	(void)error;
	*far = fars[inst->host->property(inst, "number")->v.integer];
	(*far)->inst = inst;
	return TRUE;
}

static void
far_finish(JfInstance *inst)
{
	(void)inst;
}

static guint
far_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	static guint8 copy[JF_FRAME_MAX_LEN];
	Far *far = *(Far **)inst->priv;

	(void)port;
	for (guint i = 0; i < n; i++) {
		g_assert_true(jf_frame_copy(&frames[i], 0, copy, frames[i].len));
		if (far->n < FRAMES_MAX)
			memcpy(far->last[far->n++], copy, MIN(frames[i].len, 64));
	}
	far->arrived += n;
	if (far->on_input)
		far->on_input(far->data);
	return n;
}

static const JfPropSpec far_props[] = {
	{ .name = "number", .type = JF_PROP_INT, .def = "0", .max = 1, .blurb = "Which one." },
	{ .name = NULL },
};

const JfDriver far_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(Far *),
	.id = "test-far",
	.blurb = "The far end, for the test.",
	.props = far_props,
	.init = far_init,
	.finish = far_finish,
	.input = far_input,
};
