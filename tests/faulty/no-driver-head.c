/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-driver-head.c - forgot JF_DRIVER_HEAD. */
#include "plugin.h"

static const JfDriver driver = {
	.kind = JF_KIND_ATTACHMENT, .id = "no-driver-head", GOOD_BLURB, GOOD_CALLS
};
PLUGIN("no-driver-head", driver)
