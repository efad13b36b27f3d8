/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-share.c - whether a client shares the file that it sends us.
 *
 * QEMU also sends the descriptor of a file that it has mapped privately (memory-backend-file without
 * share=on): the guest then writes to pages that nobody else sees, and the card would look dead. The
 * kernel tells how a process has mapped a file; /proc/PID/maps, proc(5).
 */
#include "vfio-user.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Whether a line shows a mapping of that file; *shared then says how. */
static gboolean
line_is_of(const char *line, const struct stat *file, gboolean *shared)
{
	unsigned int major_number, minor_number;
	unsigned long inode;
	char kind;

	if (sscanf(line, "%*x-%*x %*c%*c%*c%c %*x %x:%x %lu", &kind, &major_number, &minor_number,
		   &inode) != 4)
		return FALSE;
	*shared = kind == 's';
	return inode == file->st_ino && major_number == major(file->st_dev) &&
	       minor_number == minor(file->st_dev);
}

gboolean
vu_memory_is_private(int client, int fd)
{
	gboolean found_private = FALSE, found_shared = FALSE, shared;
	struct ucred peer;
	socklen_t len = sizeof peer;
	char line[512], name[32];
	struct stat file;
	FILE *maps;

	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || fstat(fd, &file) < 0)
		return FALSE;
	g_snprintf(name, sizeof name, "/proc/%d/maps", (int)peer.pid);
	maps = fopen(name, "re");
	if (!maps)
		return FALSE;
	while (!found_shared && fgets(line, sizeof line, maps)) {
		if (!line_is_of(line, &file, &shared))
			continue;
		found_shared |= shared;
		found_private |= !shared;
	}
	fclose(maps);
	return found_private && !found_shared;
}
