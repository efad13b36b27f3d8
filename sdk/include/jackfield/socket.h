/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* socket.h - Unix sockets that only their owner can reach, for connectors. */
#ifndef JACKFIELD_SOCKET_H
#define JACKFIELD_SOCKET_H

#include <glib.h>
#include <sys/types.h>

#include "abi.h"

G_BEGIN_DECLS

/* A socket file that this process made. */
typedef struct JfSocketFile {
	char path[108]; /* as sockaddr_un.sun_path; "": none */
	dev_t dev;
	ino_t ino;
} JfSocketFile;

/*
 * Listens at `path`, type SOCK_STREAM or SOCK_SEQPACKET, or receives there, SOCK_DGRAM: non-blocking,
 * close-on-exec, mode 0600. A socket file that nobody listens at any more is replaced; any other file stays. Returns the fd, or
 * -1 with VALUE (too long a path), BUSY (somebody listens, or the file is no socket), PERMISSION,
 * NOT_FOUND (no such directory) or NETWORK. Does not block. Any thread.
 */
JF_EXPORT int jf_socket_listen(const char *path, int type, JfSocketFile *file, GError **error);
/* Removes the file if it is still the one that jf_socket_listen made. The fd stays open. */
JF_EXPORT void jf_socket_unlink(JfSocketFile *file);
/* Whether the other end of a connected Unix socket is a process of our own user. */
JF_EXPORT gboolean jf_socket_is_own(int fd);

G_END_DECLS

#endif
