/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* z-good.c - everything is right; loads after the others. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_FILTER, .id = "Z-Good", GOOD_BLURB,
				 GOOD_CALLS };
PLUGIN("z-good", driver)
