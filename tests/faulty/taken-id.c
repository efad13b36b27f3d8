/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* taken-id.c - an id that a-good has, and one of its own. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "A-GOOD",
				 GOOD_BLURB, GOOD_CALLS };
static const JfDriver second = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "taken-id-own",
				 GOOD_BLURB, GOOD_CALLS };
static const JfDriver *const drivers[] = { &driver, &second, NULL };
static const JfPlugin plugin = { JF_PLUGIN_HEAD, .name = "taken-id", GOOD_PLUGIN_TEXTS,
				 .drivers = drivers };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
