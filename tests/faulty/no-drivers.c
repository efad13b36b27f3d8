/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-drivers.c - lists none. */
#include "plugin.h"

static const JfDriver *const drivers[] = { NULL };
static const JfPlugin plugin = { JF_PLUGIN_HEAD, .name = "no-drivers", GOOD_PLUGIN_TEXTS,
				 .drivers = drivers };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
