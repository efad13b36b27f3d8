/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* paths.h - where the daemon and its clients keep and find things. Strings are the caller's. */
#ifndef JACKFIELD_PATHS_H
#define JACKFIELD_PATHS_H

#include <glib.h>

/* $JACKFIELD_HOME, else $XDG_CONFIG_HOME/jackfield (~/.config/jackfield). Absolute. */
char *paths_get_config_dir(void);
/* Makes `dir` and its parents where missing (mode 0700), and makes sure that it is a directory of
 * this user that nobody else can write to. Error: PERMISSION. */
gboolean paths_make_private(const char *dir, GError **error);

/* The daemon's socket in a runtime directory. */
char *paths_get_socket(const char *runtime_dir);
/* The same as a D-Bus address. */
char *paths_get_address(const char *runtime_dir);

#endif
