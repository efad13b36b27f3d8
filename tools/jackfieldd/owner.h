/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner.h - the process for which a machine runs, told from a later one with the same number. */
#ifndef JACKFIELDD_OWNER_H
#define JACKFIELDD_OWNER_H

#include <glib.h>

typedef struct Owner {
	gint64 pid;     /* 0: nobody; the machine runs until it is powered off */
	guint64 start;  /* when it started, in clock ticks since boot */
	guint watch_id; /* GSource, 0: none */
	int fd;         /* pidfd of the watch */
} Owner;

/* The process `pid`. FALSE with STATE when it is gone. */
gboolean owner_init(Owner *owner, gint64 pid, GError **error);
/* The same process still runs. TRUE for nobody. */
gboolean owner_is_alive(const Owner *owner);
/* Calls `gone` from the main loop when it ends; that calls owner_finish and returns
 * G_SOURCE_REMOVE. FALSE with STATE when it has. */
gboolean owner_watch(Owner *owner, GSourceFunc gone, gpointer data, GError **error);
/* Ends the watch; nobody owns it then. */
void owner_finish(Owner *owner);

#endif
