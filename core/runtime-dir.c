/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* runtime-dir.c - where a user's daemon is. */
#include <unistd.h>

#include "jackfield/vmm.h"

static char *
dir_from_environment(const char *variable)
{
	const char *value = g_getenv(variable);

	return value && *value ? g_canonicalize_filename(value, NULL) : NULL;
}

char *
jf_dup_runtime_dir(void)
{
	char *dir = dir_from_environment("JACKFIELD_RUNTIME_DIR");
	g_autofree char *xdg = dir_from_environment("XDG_RUNTIME_DIR");

	if (dir)
		return dir;
	if (xdg)
		return g_build_filename(xdg, "jackfield", NULL);
	return g_strdup_printf("/tmp/jackfield-%u", (guint)geteuid());
}
