/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* other-major.c - of the next ABI major; nothing behind its head can be trusted. */
#include "plugin.h"

static const JfPlugin plugin = { .struct_size = 8, .abi_major = JF_ABI_MAJOR + 1 };

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
