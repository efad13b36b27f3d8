/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* endless-props.c - a table that does not end. */
#include "plugin.h"

#define ROW_1 { .name = "number", .type = JF_PROP_INT, .blurb = "A number." },
#define ROW_4 ROW_1 ROW_1 ROW_1 ROW_1
#define ROW_16 ROW_4 ROW_4 ROW_4 ROW_4
#define ROW_64 ROW_16 ROW_16 ROW_16 ROW_16

static const JfPropSpec props[] = { ROW_64 ROW_64 ROW_64 ROW_64 ROW_64 };
PLUGIN_WITH_PROPS("endless-props", props)
