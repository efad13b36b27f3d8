/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-license.c - says nothing of its license. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "x", GOOD_BLURB,
				 GOOD_CALLS };
static const JfDriver *const drivers[] = { &driver, NULL };
static const JfPlugin plugin = { JF_PLUGIN_HEAD, .name = "no-license", .version = "1",
				 .blurb = "For a test.", .drivers = drivers };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
