/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner.c - the process for which a machine runs. */
#include "owner.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jackfield/abi.h"

/* Field 22 of proc(5)'s stat; the name in field 2 may hold anything, its ')' is the last one. */
static guint64
process_get_start(gint64 pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/stat", pid);
	g_autofree char *text = NULL;
	g_auto(GStrv) fields = NULL;
	const char *after;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	after = strrchr(text, ')');
	if (!after)
		return 0;
	fields = g_strsplit(after, " ", -1);
	return g_strv_length(fields) > 20 ? g_ascii_strtoull(fields[20], NULL, 10) : 0;
}

static gboolean
owner_set_gone(gint64 pid, GError **error)
{
	g_set_error(error, JF_ERROR, JF_ERROR_STATE,
		    "Process %" G_GINT64_FORMAT " is not there any more", pid);
	return FALSE;
}

gboolean
owner_init(Owner *owner, gint64 pid, GError **error)
{
	owner->pid = pid;
	owner->watch_id = 0;
	owner->start = process_get_start(pid);
	return owner->start ? TRUE : owner_set_gone(pid, error);
}

gboolean
owner_is_alive(const Owner *owner)
{
	return owner->pid == 0 || process_get_start(owner->pid) == owner->start;
}

typedef struct OwnerWatch {
	GSourceFunc gone;
	gpointer data;
} OwnerWatch;

static gboolean
owner_ended(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
	OwnerWatch *watch = data;

	/* Ends this source by owner_finish. */
	return watch->gone(watch->data);
}

gboolean
owner_watch(Owner *owner, GSourceFunc gone, gpointer data, GError **error)
{
	OwnerWatch *watch;
	int fd;

	if (owner->pid == 0)
		return TRUE;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)owner->pid, 0);
	if (fd < 0 || !owner_is_alive(owner)) {
		if (fd >= 0)
			close(fd);
		return owner_set_gone(owner->pid, error);
	}
	watch = g_new0(OwnerWatch, 1);
	watch->gone = gone;
	watch->data = data;
	owner->fd = fd;
	owner->watch_id =
		g_unix_fd_add_full(G_PRIORITY_DEFAULT, fd, G_IO_IN, owner_ended, watch, g_free);
	return TRUE;
}

void
owner_finish(Owner *owner)
{
	if (owner->watch_id) {
		g_source_remove(owner->watch_id);
		close(owner->fd);
	}
	memset(owner, 0, sizeof *owner);
}
