/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* socket.c - Unix sockets that only their owner can reach. */
#include "jackfield/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_BACKLOG 8

G_STATIC_ASSERT(sizeof(((struct sockaddr_un *)0)->sun_path) == sizeof(((JfSocketFile *)0)->path));

static JfErrorCode
socket_error_code(int err)
{
	switch (err) {
	case EADDRINUSE:
		return JF_ERROR_BUSY;
	case EACCES:
	case EPERM:
	case EROFS:
		return JF_ERROR_PERMISSION;
	case ENOENT:
	case ENOTDIR:
		return JF_ERROR_NOT_FOUND;
	default:
		return JF_ERROR_NETWORK;
	}
}

static gboolean
socket_fail(const char *path, int err, GError **error)
{
	g_set_error(error, JF_ERROR, socket_error_code(err), "cannot listen at %s: %s", path,
		    g_strerror(err));
	return FALSE;
}

static int
socket_new(int type)
{
	return socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* 0 or EPROTOTYPE: somebody listens there; else the errno that says why not. */
static int
socket_probe(const struct sockaddr_un *un, int type)
{
	int fd = socket_new(type), err = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)un, sizeof *un) && errno != EAGAIN)
		err = errno;
	close(fd);
	return err;
}

/* Makes way for the new file. */
static gboolean
socket_clear_path(const struct sockaddr_un *un, int type, GError **error)
{
	struct stat st;
	int err;

	if (lstat(un->sun_path, &st))
		return errno == ENOENT || socket_fail(un->sun_path, errno, error);
	if (!S_ISSOCK(st.st_mode)) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
			    "cannot listen at %s: there is a file that is no socket", un->sun_path);
		return FALSE;
	}
	err = socket_probe(un, type);
	if (err == 0 || err == EPROTOTYPE)
		err = EADDRINUSE;
	if (err != ECONNREFUSED)
		return socket_fail(un->sun_path, err, error);
	return !unlink(un->sun_path) || socket_fail(un->sun_path, errno, error);
}

static gboolean
socket_bind(int fd, const struct sockaddr_un *un, int type, JfSocketFile *file, GError **error)
{
	struct stat st;

	if (!socket_clear_path(un, type, error))
		return FALSE;
	fchmod(fd, 0600); /* the file that bind makes takes the socket's mode */
	if (bind(fd, (const struct sockaddr *)un, sizeof *un) ||
	    (type != SOCK_DGRAM && listen(fd, SOCKET_BACKLOG)))
		return socket_fail(un->sun_path, errno, error);
	if (lstat(un->sun_path, &st) == 0) {
		memcpy(file->path, un->sun_path, sizeof file->path);
		file->dev = st.st_dev;
		file->ino = st.st_ino;
	}
	return TRUE;
}

int
jf_socket_listen(const char *path, int type, JfSocketFile *file, GError **error)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	memset(file, 0, sizeof *file);
	if (strlen(path) >= sizeof un.sun_path) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "path '%s' has %" G_GSIZE_FORMAT " bytes; a socket's has at most %u",
			    path, strlen(path), (guint)sizeof un.sun_path - 1);
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path));
	fd = socket_new(type);
	if (fd < 0) {
		socket_fail(path, errno, error);
		return -1;
	}
	if (socket_bind(fd, &un, type, file, error))
		return fd;
	close(fd);
	return -1;
}

void
jf_socket_unlink(JfSocketFile *file)
{
	struct stat st;

	if (file->path[0] && lstat(file->path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		unlink(file->path);
	file->path[0] = '\0';
}

gboolean
jf_socket_is_own(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}
