/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* live-deaf.c - a live property, and nobody to tell. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "number", .type = JF_PROP_INT, .flags = JF_PROP_LIVE, .blurb = "A number." },
	{ 0 },
};
PLUGIN_WITH_PROPS("live-deaf", props)
