/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad-kind.c - of a kind that there is not. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = 99, .id = "bad-kind", GOOD_BLURB,
				 GOOD_CALLS };
PLUGIN("bad-kind", driver)
