/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* null-query.c - a query that answers nothing. */
#include "plugin.h"

const JfPlugin *
jf_plugin_query(void)
{
	return NULL;
}
