/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad-name.c - a plugin name with a capital. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "x", GOOD_BLURB,
				 GOOD_CALLS };
static const JfDriver *const drivers[] = { &driver, NULL };
static const JfPlugin plugin = { JF_PLUGIN_HEAD, .name = "Bad-Name", GOOD_PLUGIN_TEXTS,
				 .drivers = drivers };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
