/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* init-fails.c - right as far as anybody can see before it runs. */
#include "plugin.h"

static gboolean
failing_init(JfInstance *inst, GError **error)
{
	(void)inst;
	g_set_error_literal(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "never works");
	return FALSE;
}

static const JfDriver driver = { JF_DRIVER_HEAD,       .kind = JF_KIND_ATTACHMENT,
				 .id = "init-fails",   GOOD_BLURB,
				 .init = failing_init, .finish = good_finish,
				 .input = good_input };
PLUGIN("init-fails", driver)
