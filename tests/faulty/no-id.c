/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-id.c - a driver without an id. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, GOOD_BLURB,
				 GOOD_CALLS };
PLUGIN("no-id", driver)
