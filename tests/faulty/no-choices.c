/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-choices.c - an enum of nothing. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "mode", .type = JF_PROP_ENUM, .blurb = "A mode." },
	{ 0 },
};
PLUGIN_WITH_PROPS("no-choices", props)
