/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unresolved.c - needs a function that nobody has. */
#include "plugin.h"

guint jf_function_of_a_later_minor(void);

const JfPlugin *
jf_plugin_query(void)
{
	return GUINT_TO_POINTER(jf_function_of_a_later_minor());
}
