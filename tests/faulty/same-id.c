/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* same-id.c - two drivers whose ids differ in case only. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "same-id",
				 GOOD_BLURB, GOOD_CALLS };
static const JfDriver second = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "Same-ID",
				 GOOD_BLURB, GOOD_CALLS };
static const JfDriver *const drivers[] = { &driver, &second, NULL };
static const JfPlugin plugin = { JF_PLUGIN_HEAD, .name = "same-id", GOOD_PLUGIN_TEXTS,
				 .drivers = drivers };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
