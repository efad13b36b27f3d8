/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* long-id.c - an id of 32 bytes. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT,
				 .id = "a2345678901234567890123456789012", GOOD_BLURB, GOOD_CALLS };
PLUGIN("long-id", driver)
