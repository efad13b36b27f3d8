/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* huge-priv.c - wants more than 16 MiB for an instance. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD,
				 .kind = JF_KIND_ATTACHMENT,
				 .priv_size = (16u << 20) + 1,
				 .id = "huge-priv",
				 GOOD_BLURB,
				 GOOD_CALLS };
PLUGIN("huge-priv", driver)
