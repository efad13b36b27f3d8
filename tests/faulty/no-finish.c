/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-finish.c - a driver without finish. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "no-finish",
				 GOOD_BLURB,     .init = good_init,          .input = good_input };
PLUGIN("no-finish", driver)
