/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* same-prop.c - two properties of one name. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "number", .type = JF_PROP_INT, .blurb = "A number." },
	{ .name = "number", .type = JF_PROP_INT, .blurb = "A number." },
	{ 0 },
};
PLUGIN_WITH_PROPS("same-prop", props)
