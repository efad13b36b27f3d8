/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-stride.c - a table whose rows have no size. */
#include "plugin.h"

static const JfPropSpec props[] = {
	{ .name = "number", .type = JF_PROP_INT, .blurb = "A number." },
	{ 0 },
};
static const JfDriver driver = { .struct_size = sizeof(JfDriver),
				 .kind = JF_KIND_ATTACHMENT,
				 .id = "no-stride",
				 .props = props,
				 GOOD_BLURB,
				 GOOD_CALLS };
PLUGIN("no-stride", driver)
