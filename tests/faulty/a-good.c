/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* a-good.c - everything is right; loads before the others. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "a-good",
				 GOOD_BLURB, GOOD_CALLS };
PLUGIN("a-good", driver)
