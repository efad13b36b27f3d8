/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* older-minor.c - built when JfDriver still ended with input: what is behind must not be read. */
#include "plugin.h"

/* As many bytes as an older header had, and then something that is no callback. */
typedef struct OlderDriver {
	guint32 struct_size, prop_stride, kind, flags, priv_size, reserved;
	const char *id, *blurb;
	const JfPropSpec *props;
	gboolean (*init)(JfInstance *, GError **);
	void (*finish)(JfInstance *);
	gboolean (*start)(JfInstance *, GError **);
	void (*stop)(JfInstance *);
	guint (*input)(JfInstance *, guint, const JfFrame *, guint);
} OlderDriver;

static const struct {
	OlderDriver driver;
	guint64 other_data[8];
} image = {
	.driver = { .struct_size = sizeof(OlderDriver),
		    .prop_stride = sizeof(JfPropSpec),
		    .kind = JF_KIND_ATTACHMENT,
		    .id = "older-minor",
		    GOOD_BLURB,
		    GOOD_CALLS },
	.other_data = { 1, 2, 3, 4, 5, 6, 7, 8 },
};
static const JfDriver *const drivers[] = { (const JfDriver *)(gconstpointer)&image.driver, NULL };
static const JfPlugin plugin = { JF_PLUGIN_HEAD, .name = "older-minor", GOOD_PLUGIN_TEXTS,
				 .drivers = drivers };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
