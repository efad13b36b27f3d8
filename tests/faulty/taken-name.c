/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* taken-name.c - a-good's name with a driver of its own. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "taken-name",
				 GOOD_BLURB, GOOD_CALLS };
PLUGIN("a-good", driver)
