/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad-prop-type.c - a type that there is not. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "number", .type = 99, .blurb = "A number." },
	{ 0 },
};
PLUGIN_WITH_PROPS("bad-prop-type", props)
