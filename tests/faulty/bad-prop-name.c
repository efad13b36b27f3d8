/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad-prop-name.c - a property name with a capital. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "sPort", .type = JF_PROP_INT, .blurb = "A port." },
	{ 0 },
};
PLUGIN_WITH_PROPS("bad-prop-name", props)
