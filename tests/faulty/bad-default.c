/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad-default.c - a default beyond its own range. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "port",
	  .type = JF_PROP_INT,
	  .def = "0",
	  .min = 1,
	  .max = 65535,
	  .blurb = "A port." },
	{ 0 },
};
PLUGIN_WITH_PROPS("bad-default", props)
