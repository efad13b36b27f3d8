/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uplink-daemon.c - the socket of a daemon that a test plays. */
#include "uplink-daemon.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uplink-wire.h"

void
uplink_daemon_init(UplinkDaemon *daemon)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;

	daemon->fd = -1;
	daemon->dir = g_dir_make_tmp("jf-uplink-XXXXXX", &error);
	g_assert_no_error(error);
	path = g_build_filename(daemon->dir, JF_UPLINK_SOCKET, NULL);
	daemon->listener = jf_socket_listen(path, SOCK_STREAM, &daemon->file, &error);
	g_assert_no_error(error);
}

void
uplink_daemon_finish(UplinkDaemon *daemon)
{
	uplink_daemon_hang_up(daemon);
	jf_socket_unlink(&daemon->file);
	if (daemon->listener >= 0)
		close(daemon->listener);
	g_rmdir(daemon->dir);
	g_free(daemon->dir);
}

gboolean
uplink_daemon_accept(UplinkDaemon *daemon)
{
	daemon->fd = accept4(daemon->listener, NULL, NULL, SOCK_CLOEXEC);
	return daemon->fd >= 0;
}

void
uplink_daemon_hang_up(UplinkDaemon *daemon)
{
	if (daemon->fd >= 0)
		close(daemon->fd);
	daemon->fd = -1;
}

gssize
uplink_daemon_read(const UplinkDaemon *daemon, gpointer to, gsize len, int *got_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { to, len };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes };
	ssize_t n = recvmsg(daemon->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&header) : NULL;

	*got_fd = -1;
	if (c)
		memcpy(got_fd, CMSG_DATA(c), sizeof *got_fd);
	return n;
}
