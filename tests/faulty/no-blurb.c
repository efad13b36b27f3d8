/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-blurb.c - a driver that does not say what it is. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "no-blurb",
				 GOOD_CALLS };
PLUGIN("no-blurb", driver)
