/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-prop-blurb.c - a property that nobody explains. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "number", .type = JF_PROP_INT },
	{ 0 },
};
PLUGIN_WITH_PROPS("no-prop-blurb", props)
