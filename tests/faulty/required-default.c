/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* required-default.c - required and yet defaulted. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "number",
	  .type = JF_PROP_INT,
	  .flags = JF_PROP_REQUIRED,
	  .def = "1",
	  .blurb = "A number." },
	{ 0 },
};
PLUGIN_WITH_PROPS("required-default", props)
