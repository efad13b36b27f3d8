/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* no-symbol.c - a module that is no plugin. */
#include <glib.h>

__attribute__((visibility("default"))) int jf_something_else(void);

int
jf_something_else(void)
{
	return 0;
}
