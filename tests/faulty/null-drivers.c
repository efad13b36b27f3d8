/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* null-drivers.c - has no list. */
#include "plugin.h"

static const JfPlugin plugin = { JF_PLUGIN_HEAD, .name = "null-drivers", GOOD_PLUGIN_TEXTS };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
