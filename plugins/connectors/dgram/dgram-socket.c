/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dgram-socket.c - the dgram connector's addresses and its socket. */
#include "dgram.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define DGRAM_SOCKET_BUFFER (1 << 20)

static gboolean
name_set_path(DgramName *name, const char *key, const char *path, GError **error)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&name->sockaddr;
	gsize len = strlen(path);

	if (len >= sizeof un->sun_path) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s '%s' has %" G_GSIZE_FORMAT " bytes; a socket's has at most %u", key,
			    path, len, (guint)sizeof un->sun_path - 1);
		return FALSE;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	name->len = (socklen_t)sizeof *un;
	return TRUE;
}

/* Numeric addresses only: a name look-up would block the worker. */
static gboolean
name_set_udp(DgramName *name, const char *key, const char *host, gint64 port, GError **error)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_DGRAM };
	struct addrinfo *found = NULL;
	char service[8];

	g_snprintf(service, sizeof service, "%u", (guint)port);
	if (getaddrinfo(host, service, &hints, &found)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s '%s' is not an IPv4 or IPv6 address, like 127.0.0.1 or ::1", key,
			    host);
		return FALSE;
	}
	memcpy(&name->sockaddr, found->ai_addr, found->ai_addrlen);
	name->len = found->ai_addrlen;
	freeaddrinfo(found);
	return TRUE;
}

static gboolean
socket_init_unix(Dgram *dgram, const char *path, const char *remote, GError **error)
{
	if (!name_set_path(&dgram->local, "path", path, error))
		return FALSE;
	return !remote || name_set_path(&dgram->remote, "remote-path", remote, error);
}

static gboolean
socket_init_udp(Dgram *dgram, GError **error)
{
	const char *host = jf_property_string(dgram->inst, "host");
	const char *remote = jf_property_string(dgram->inst, "remote-host");

	if (!name_set_udp(&dgram->local, "host", host ? host : "127.0.0.1",
			  jf_property_int(dgram->inst, "port"), error) ||
	    !name_set_udp(&dgram->remote, "remote-host", remote ? remote : "127.0.0.1",
			  jf_property_int(dgram->inst, "remote-port"), error))
		return FALSE;
	if (dgram->local.sockaddr.ss_family == dgram->remote.sockaddr.ss_family)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "host and remote-host must both be IPv4 or both IPv6");
	return FALSE;
}

gboolean
dgram_socket_init(Dgram *dgram, GError **error)
{
	JfInstance *inst = dgram->inst;
	const char *path = jf_property_string(inst, "path");
	const char *remote = jf_property_string(inst, "remote-path");
	gboolean any_udp = jf_property_string(inst, "host") || jf_property_int(inst, "port") ||
			   jf_property_string(inst, "remote-host") ||
			   jf_property_int(inst, "remote-port");

	if (path && !any_udp)
		return socket_init_unix(dgram, path, remote, error);
	if (!path && !remote && jf_property_int(inst, "port") &&
	    jf_property_int(inst, "remote-port"))
		return socket_init_udp(dgram, error);
	g_set_error(error, JF_ERROR, JF_ERROR_KEY,
		    "dgram wants either path (and remote-path) for Unix sockets, or port and "
		    "remote-port (and host, remote-host) for UDP");
	return FALSE;
}

static gboolean
socket_fail(const Dgram *dgram, int err, GError **error)
{
	JfErrorCode code = err == EADDRINUSE               ? JF_ERROR_BUSY
			   : err == EACCES || err == EPERM ? JF_ERROR_PERMISSION
							   : JF_ERROR_NETWORK;

	g_set_error(error, JF_ERROR, code, "cannot use UDP port %u: %s",
		    (guint)jf_property_int(dgram->inst, "port"), g_strerror(err));
	return FALSE;
}

static gboolean
socket_open_udp(Dgram *dgram, GError **error)
{
	const struct sockaddr *local = (const struct sockaddr *)&dgram->local.sockaddr;
	const struct sockaddr *remote = (const struct sockaddr *)&dgram->remote.sockaddr;

	dgram->fd = socket(local->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return (dgram->fd >= 0 && !bind(dgram->fd, local, dgram->local.len) &&
		!connect(dgram->fd, remote, dgram->remote.len)) ||
	       socket_fail(dgram, errno, error);
}

static gboolean
socket_open_unix(Dgram *dgram, GError **error)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&dgram->local.sockaddr;

	dgram->fd = jf_socket_listen(un->sun_path, SOCK_DGRAM, &dgram->socket_file, error);
	return dgram->fd >= 0;
}

gboolean
dgram_socket_open(Dgram *dgram, GError **error)
{
	const int size = DGRAM_SOCKET_BUFFER;

	if (dgram_is_unix(dgram) ? !socket_open_unix(dgram, error) : !socket_open_udp(dgram, error))
		return FALSE;
	setsockopt(dgram->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(dgram->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	return TRUE;
}

void
dgram_socket_close(Dgram *dgram)
{
	if (dgram->fd < 0)
		return;
	jf_socket_unlink(&dgram->socket_file);
	close(dgram->fd);
	dgram->fd = -1;
}
