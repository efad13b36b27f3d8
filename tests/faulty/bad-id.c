/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad-id.c - an id with a blank. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "bad id",
				 GOOD_BLURB, GOOD_CALLS };
PLUGIN("bad-id", driver)
