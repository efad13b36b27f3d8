/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-head.c - forgot JF_PLUGIN_HEAD but for the major. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "x", GOOD_BLURB,
				 GOOD_CALLS };
static const JfDriver *const drivers[] = { &driver, NULL };
static const JfPlugin plugin = {
	.abi_major = JF_ABI_MAJOR, .name = "no-head", GOOD_PLUGIN_TEXTS, .drivers = drivers
};

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
