/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* same-choice.c - an enum whose choices differ in case only. */
#include "plugin.h"

static const char *const modes[] = { "fast", "Fast", NULL };

static const JfPropSpec props[] = {
	{ .name = "mode", .type = JF_PROP_ENUM, .choices = modes, .blurb = "A mode." },
	{ 0 },
};
PLUGIN_WITH_PROPS("same-choice", props)
