/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* paths.c - where the daemon and its clients keep and find things. */
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jackfield/abi.h"

static char *
path_from_environment(const char *variable)
{
	const char *value = g_getenv(variable);

	return value && *value ? g_canonicalize_filename(value, NULL) : NULL;
}

char *
paths_get_config_dir(void)
{
	char *dir = path_from_environment("JACKFIELD_HOME");

	return dir ? dir : g_build_filename(g_get_user_config_dir(), "jackfield", NULL);
}

gboolean
paths_make_private(const char *dir, GError **error)
{
	struct stat st;

	if (g_mkdir_with_parents(dir, 0700) != 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION, "Cannot create directory %s: %s",
			    dir, g_strerror(errno));
		return FALSE;
	}
	/* Not through a link: in /tmp somebody else could have put one there. */
	if (lstat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION, "%s is not a directory", dir);
		return FALSE;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "Directory %s (owner %u, mode %04o) must belong to user %u and be "
			    "writable for nobody else",
			    dir, (guint)st.st_uid, (guint)st.st_mode & 07777, (guint)geteuid());
		return FALSE;
	}
	return TRUE;
}

char *
paths_get_socket(const char *runtime_dir)
{
	return g_build_filename(runtime_dir, "jackfieldd.sock", NULL);
}

char *
paths_get_address(const char *runtime_dir)
{
	g_autofree char *socket = paths_get_socket(runtime_dir);
	g_autofree char *escaped = g_dbus_address_escape_value(socket);

	return g_strconcat("unix:path=", escaped, NULL);
}
