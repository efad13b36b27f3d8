/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* udp-tunnel-socket.c - the tunnel's addresses and its socket. */
#include "udp-tunnel.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#define UDP_RECEIVE_BUFFER (4 << 20)
#define UDP_SEND_BUFFER (1 << 20)

/* Numeric only: a name look-up would block the worker. `family` AF_UNSPEC takes either. */
static gboolean
udp_resolve(const char *key, const char *text, gint64 port, int family,
	    struct sockaddr_storage *address, socklen_t *len, GError **error)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_family = family,
					.ai_socktype = SOCK_DGRAM };
	const char *wanted = family == AF_INET ? "an IPv4 address like dest's"
			     : family == AF_INET6
				     ? "an IPv6 address like dest's"
				     : "an IPv4 or IPv6 address (names are not looked up)";
	struct addrinfo *found = NULL;
	char service[8];

	g_snprintf(service, sizeof service, "%u", (guint)port);
	if (!text || getaddrinfo(text, service, &hints, &found)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s '%s' is not %s", key,
			    text ? text : "", wanted);
		return FALSE;
	}
	memset(address, 0, sizeof *address);
	memcpy(address, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return TRUE;
}

gboolean
udp_socket_get_dest(JfInstance *inst, struct sockaddr_storage *dest, socklen_t *len, GError **error)
{
	return udp_resolve("dest", jf_property_string(inst, "dest"), jf_property_int(inst, "dport"),
			   AF_UNSPEC, dest, len, error);
}

static void
udp_set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof value);
}

/* Each of these makes the tunnel better and none is needed, so that failures are let pass. */
static void
udp_set_options(int fd, int family)
{
	udp_set_option(fd, SOL_SOCKET, SO_RCVBUF, UDP_RECEIVE_BUFFER);
	udp_set_option(fd, SOL_SOCKET, SO_SNDBUF, UDP_SEND_BUFFER);
	udp_set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	udp_set_option(fd, SOL_UDP, UDP_GRO, 1);
	/* A guest's full-size frame does not fit into a datagram of the same MTU: fragment it. */
	if (family == AF_INET)
		udp_set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	else
		udp_set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static void
udp_bind_fail(guint port, const char *at, int err, GError **error)
{
	switch (err) {
	case EADDRINUSE:
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
			    "sport: UDP port %u is taken by another program or card", port);
		break;
	case EACCES:
	case EPERM:
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "sport: UDP port %u needs the privilege CAP_NET_BIND_SERVICE, or a "
			    "lower net.ipv4.ip_unprivileged_port_start",
			    port);
		break;
	case EADDRNOTAVAIL:
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "bind: this host has no address '%s'",
			    at ? at : "");
		break;
	default:
		g_set_error(error, JF_ERROR, JF_ERROR_NETWORK, "cannot bind UDP port %u: %s", port,
			    g_strerror(err));
	}
}

static gboolean
udp_bind(JfInstance *inst, int fd, int family, GError **error)
{
	const char *at = jf_property_string(inst, "bind");
	gint64 port = jf_property_int(inst, "sport");
	struct sockaddr_storage address;
	socklen_t len;

	if (!udp_resolve("bind",
			 at                  ? at
			 : family == AF_INET ? "0.0.0.0"
					     : "::",
			 port, family, &address, &len, error))
		return FALSE;
	if (family == AF_INET6)
		udp_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!bind(fd, (const struct sockaddr *)&address, len))
		return TRUE;
	udp_bind_fail((guint)port, at, errno, error);
	return FALSE;
}

int
udp_socket_open(JfInstance *inst, const struct sockaddr_storage *dest, GError **error)
{
	int fd = socket(dest->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_NETWORK, "cannot make a UDP socket: %s",
			    g_strerror(errno));
		return -1;
	}
	udp_set_options(fd, dest->ss_family);
	if (udp_bind(inst, fd, dest->ss_family, error))
		return fd;
	close(fd);
	return -1;
}
