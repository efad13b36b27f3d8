/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-input.c - a driver with a port and no input. */
#include "plugin.h"

static const JfDriver driver = {
	JF_DRIVER_HEAD, .kind = JF_KIND_ATTACHMENT, .id = "no-input",
	GOOD_BLURB,     .init = good_init,          .finish = good_finish
};
PLUGIN("no-input", driver)
