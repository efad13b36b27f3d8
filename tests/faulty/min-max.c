/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* min-max.c - a range that holds nothing. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "number", .type = JF_PROP_INT, .min = 2, .max = 1, .blurb = "A number." },
	{ 0 },
};
PLUGIN_WITH_PROPS("min-max", props)
