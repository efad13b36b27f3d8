/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream-address.c - the stream connector's sockets: addresses, options, who may connect. */
#include "stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static gboolean
address_set_path(StreamAddress *address, const char *path, GError **error)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&address->sockaddr;
	gsize len = strlen(path);

	if (len >= sizeof un->sun_path) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "path '%s' has %" G_GSIZE_FORMAT " bytes; a socket's has at most %u",
			    path, len, (guint)sizeof un->sun_path - 1);
		return FALSE;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	address->len = (socklen_t)sizeof *un;
	address->path = un->sun_path;
	address->text = g_strdup(path);
	return TRUE;
}

/* Numeric addresses only: a name look-up would block the worker. */
static gboolean
address_set_tcp(StreamAddress *address, const char *host, guint port, GError **error)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char service[6];

	g_snprintf(service, sizeof service, "%u", port);
	if (getaddrinfo(host, service, &hints, &found)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "host '%s' is not an IPv4 or IPv6 address, like 127.0.0.1 or ::1",
			    host);
		return FALSE;
	}
	memcpy(&address->sockaddr, found->ai_addr, found->ai_addrlen);
	address->len = found->ai_addrlen;
	address->text =
		g_strdup_printf(strchr(host, ':') ? "TCP [%s]:%u" : "TCP %s:%u", host, port);
	freeaddrinfo(found);
	return TRUE;
}

gboolean
stream_address_init(StreamAddress *address, JfInstance *inst, GError **error)
{
	const char *path = jf_property_string(inst, "path");
	const char *host = jf_property_string(inst, "host");
	gint64 port = jf_property_int(inst, "port");

	address->listen = jf_property_int(inst, "mode") == 0;
	address->send_buffer = (gsize)jf_property_int(inst, "send-buffer");
	address->receive_buffer = (gsize)jf_property_int(inst, "receive-buffer");
	if (address->listen && inst->host->property(inst, "reconnect")->is_set) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY, "reconnect goes with mode=connect");
		return FALSE;
	}
	if (path ? host || port : !port) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "stream wants either path (a Unix socket) or port (and host) for TCP");
		return FALSE;
	}
	if (path)
		return address_set_path(address, path, error);
	return address_set_tcp(address, host ? host : "127.0.0.1", (guint)port, error);
}

void
stream_address_finish(StreamAddress *address)
{
	g_clear_pointer(&address->text, g_free);
}

static int
address_socket(const StreamAddress *address)
{
	return socket(address->sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int
stream_address_connect(const StreamAddress *address)
{
	int fd = address_socket(address);
	int saved;

	if (fd < 0)
		return -1;
	if (!connect(fd, (const struct sockaddr *)&address->sockaddr, address->len) ||
	    errno == EINPROGRESS)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
address_set_size(int fd, int option, gsize size)
{
	int value = (int)MIN(size, (gsize)G_MAXINT);

	if (size)
		setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

gboolean
stream_address_admit(const StreamAddress *address, int fd)
{
	const int on = 1;

	address_set_size(fd, SO_SNDBUF, address->send_buffer);
	address_set_size(fd, SO_RCVBUF, address->receive_buffer);
	if (!address->path) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		return TRUE;
	}
	return jf_socket_is_own(fd);
}

static JfErrorCode
address_error_code(int err)
{
	switch (err) {
	case EADDRINUSE:
		return JF_ERROR_BUSY;
	case EACCES:
	case EPERM:
		return JF_ERROR_PERMISSION;
	default:
		return JF_ERROR_NETWORK;
	}
}

static gboolean
address_fail(const StreamAddress *address, int err, GError **error)
{
	g_set_error(error, JF_ERROR, address_error_code(err), "cannot listen at %s: %s",
		    address->text, g_strerror(err));
	return FALSE;
}

static gboolean
address_bind_tcp(const StreamAddress *address, int fd, GError **error)
{
	const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	address_set_size(fd, SO_RCVBUF, address->receive_buffer);
	return (!bind(fd, (const struct sockaddr *)&address->sockaddr, address->len) &&
		!listen(fd, 8)) ||
	       address_fail(address, errno, error);
}

int
stream_address_listen(const StreamAddress *address, JfSocketFile *file, GError **error)
{
	int fd;

	if (address->path)
		return jf_socket_listen(address->path, SOCK_STREAM, file, error);
	fd = address_socket(address);
	if (fd < 0) {
		address_fail(address, errno, error);
		return -1;
	}
	if (address_bind_tcp(address, fd, error))
		return fd;
	close(fd);
	return -1;
}
