/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-query.c - a model without jf.pci/1. */
#include "plugin.h"

static const JfDriver driver = { JF_DRIVER_HEAD, .kind = JF_KIND_MODEL, .id = "no-query",
				 GOOD_BLURB, GOOD_CALLS };
PLUGIN("no-query", driver)
