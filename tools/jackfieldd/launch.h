/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* launch.h - one daemon a directory, and how it goes to the background. */
#ifndef JACKFIELDD_LAUNCH_H
#define JACKFIELDD_LAUNCH_H

#include <glib.h>

/* Locks `dir` for the life of the process: an fd, kept open; -1 with BUSY (another daemon has it)
 * or PERMISSION. */
int launch_lock(const char *dir, GError **error);
/* Waits, at most 5 s, until somebody listens on `path`. */
gboolean launch_wait_socket(const char *path);

/* Goes to the background; returns in the child only, with what launch_report_ready takes. The parent
 * exits 0 when the child calls that, 1 when it ends without. Before any thread. */
int launch_fork(void);
/* Standard error goes to the file `log`, which begins anew. */
void launch_redirect(const char *log);
/* -1 is allowed. */
void launch_report_ready(int ready_fd);

#endif
