/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-init.c - a driver without init. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "no-init",
				 GOOD_BLURB,     .finish = good_finish,      .input = good_input };
PLUGIN("no-init", driver)
