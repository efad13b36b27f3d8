/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-forward.c - ports of the host that lead to a guest.
 *
 * A rule without a guest address finds the guest when somebody comes: whoever has the first lease,
 * else the only one that there is.
 */
#include "nat-tcp.h"

#include <errno.h>
#include <unistd.h>

#define BACKLOG 128
#define ACCEPTS_MAX 64u

/* A listening socket is a flow that is in no table. Its memory is the flow's own, so that an event
 * that is on its way when the rule goes finds it dead. */
typedef struct NatListener {
	NatFlow flow;
	NatForward *forward;
} NatListener;

struct NatForward {
	char *name;
	guint16 protocol;
	NatEndpoint host, guest;
	gboolean any_guest;
	NatListener *listener; /* NULL: stopped */
};

static void
forward_free(NatForward *forward)
{
	if (!forward)
		return;
	g_free(forward->name);
	g_free(forward);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NatForward, forward_free)

/* ---- Rules ---- */

G_GNUC_PRINTF(5, 6)
static gboolean
set_error(GError **error, NatEngine *engine, gint code, const char *name, const char *format, ...)
{
	va_list args;
	g_autofree char *reason = NULL;

	va_start(args, format);
	reason = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, JF_ERROR, code, "%s: port forward '%s': %s", engine->inst->name, name,
		    reason);
	return FALSE;
}

static gboolean
check_guest(NatEngine *engine, const JfForwardRule *rule, const NatForward *forward, GError **error)
{
	if (!nat_address_is_v4(&forward->guest.address) && !engine->config->ipv6)
		return set_error(error, engine, JF_ERROR_VALUE, rule->name,
				 "guest address '%s' needs the property ipv6=on",
				 rule->guest_address ? rule->guest_address : "::");
	if (!forward->any_guest && !nat_is_guest(engine, &forward->guest.address))
		return set_error(error, engine, JF_ERROR_VALUE, rule->name,
				 "guest address '%s' is not within the guest's network",
				 rule->guest_address);
	return TRUE;
}

static gboolean
parse_addresses(NatEngine *engine, const JfForwardRule *rule, NatForward *forward, GError **error)
{
	static const NatAddress any6;
	NatAddress any4 = nat_address_v4(0);
	gboolean v4;

	forward->host.address = any4;
	if (rule->host_address && !nat_address_parse(rule->host_address, &forward->host.address))
		return set_error(error, engine, JF_ERROR_VALUE, rule->name,
				 "'%s' is neither an IPv4 nor an IPv6 address", rule->host_address);
	v4 = nat_address_is_v4(&forward->host.address);
	forward->any_guest = !rule->guest_address;
	forward->guest.address = v4 ? any4 : any6;
	if (rule->guest_address && !nat_address_parse(rule->guest_address, &forward->guest.address))
		return set_error(error, engine, JF_ERROR_VALUE, rule->name,
				 "'%s' is neither an IPv4 nor an IPv6 address",
				 rule->guest_address);
	/* Every address of the host, for a guest that is named by an IPv6 address. */
	if (!rule->host_address && !nat_address_is_v4(&forward->guest.address))
		forward->host.address = any6;
	if (nat_address_is_v4(&forward->host.address) != nat_address_is_v4(&forward->guest.address))
		return set_error(
			error, engine, JF_ERROR_VALUE, rule->name,
			"host and guest address '%s' must be of one family, both IPv4 or both IPv6",
			rule->guest_address);
	return check_guest(engine, rule, forward, error);
}

static NatForward *
forward_new(NatEngine *engine, const JfForwardRule *rule, GError **error)
{
	g_autoptr(NatForward) forward = g_new0(NatForward, 1);
	const char *name = rule->name ? rule->name : "";

	if (!name[0] || strlen(name) > 63) {
		set_error(error, engine, JF_ERROR_VALUE, name, "a rule's name has 1..63 bytes");
		return NULL;
	}
	if (rule->protocol != JF_FORWARD_TCP && rule->protocol != JF_FORWARD_UDP) {
		set_error(error, engine, JF_ERROR_VALUE, name, "the protocol is tcp or udp");
		return NULL;
	}
	if (!rule->host_port || !rule->guest_port) {
		set_error(error, engine, JF_ERROR_VALUE, name, "ports are 1..65535");
		return NULL;
	}
	forward->name = g_strdup(name);
	forward->protocol = rule->protocol;
	forward->host.port = rule->host_port;
	forward->guest.port = rule->guest_port;
	if (!parse_addresses(engine, rule, forward, error))
		return NULL;
	return g_steal_pointer(&forward);
}

static gint
forward_find(NatEngine *engine, const char *name)
{
	for (guint i = 0; i < engine->forwards->len; i++) {
		const NatForward *forward = g_ptr_array_index(engine->forwards, i);

		if (g_str_equal(forward->name, name))
			return (gint)i;
	}
	return -1;
}

/* ---- Sockets ---- */

static gboolean
set_bind_error(NatEngine *engine, const NatForward *forward, int code, GError **error)
{
	char text[NAT_ADDRESS_TEXT_MAX];
	g_autofree char *what = NULL;

	nat_address_format(&forward->host.address, text);
	what = g_strdup_printf("%s port %u of %s",
			       forward->protocol == JF_FORWARD_UDP ? "UDP" : "TCP",
			       forward->host.port, text);
	switch (code) {
	case EADDRINUSE:
		return set_error(error, engine, JF_ERROR_BUSY, forward->name,
				 "%s is in use on this host", what);
	case EACCES:
	case EPERM:
		return set_error(error, engine, JF_ERROR_PERMISSION, forward->name,
				 "%s needs privileges: take a port from "
				 "/proc/sys/net/ipv4/ip_unprivileged_port_start on, or lower that",
				 what);
	case EADDRNOTAVAIL:
		return set_error(error, engine, JF_ERROR_VALUE, forward->name,
				 "%s: this host does not have that address", what);
	default:
		return set_error(error, engine, JF_ERROR_NETWORK, forward->name, "%s: %s", what,
				 g_strerror(code));
	}
}

static int
open_socket(NatEngine *engine, const NatForward *forward)
{
	gboolean v4 = nat_address_is_v4(&forward->host.address);
	gboolean udp = forward->protocol == JF_FORWARD_UDP;
	int fd = nat_engine_socket(engine, v4, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	struct sockaddr_storage address;
	socklen_t len = nat_address_to_socket(&forward->host.address, forward->host.port, &address);
	int one = 1, code;

	if (fd < 0)
		return -1;
	/* A rule that comes back must not wait for the connections of the one before. */
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	else
		nat_udp_prepare_forward(engine, fd, v4);
	if (!v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&address, len) == 0 && (udp || listen(fd, BACKLOG) == 0))
		return fd;
	code = errno;
	close(fd);
	errno = code;
	return -1;
}

static gboolean
forward_start(NatEngine *engine, NatForward *forward, GError **error)
{
	NatListener *listener;
	int fd = open_socket(engine, forward);

	if (fd < 0)
		return set_bind_error(engine, forward, errno, error);
	listener = g_new0(NatListener, 1);
	listener->flow.kind = NAT_FLOW_LISTENER;
	listener->flow.fd = fd;
	listener->flow.heap_index = NAT_HEAP_NONE;
	listener->forward = forward;
	forward->listener = listener;
	engine->n_udp_forwards += forward->protocol == JF_FORWARD_UDP;
	if (nat_engine_watch(engine, &listener->flow, EPOLLIN))
		return TRUE;
	return set_bind_error(engine, forward, errno, error);
}

/* A UDP flow's socket goes with the rule; a connection has its own. */
static void
drop_udp_flows(NatEngine *engine, const NatForward *forward)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new();

	for (guint i = 0; i < engine->flows.n_buckets; i++) {
		for (NatFlow *flow = engine->flows.buckets[i]; flow; flow = flow->hash_next) {
			if (flow->kind == NAT_FLOW_UDP && ((NatUdpFlow *)flow)->forward == forward)
				g_ptr_array_add(all, flow);
		}
	}
	for (guint i = 0; i < all->len; i++)
		nat_engine_drop_flow(engine, g_ptr_array_index(all, i));
}

static void
forward_stop(NatEngine *engine, NatForward *forward)
{
	if (!forward->listener)
		return;
	if (forward->protocol == JF_FORWARD_UDP) {
		drop_udp_flows(engine, forward);
		engine->n_udp_forwards--;
	}
	forward->listener->forward = NULL;
	nat_engine_drop_flow(engine, &forward->listener->flow);
	forward->listener = NULL;
}

gboolean
nat_forwards_start(NatEngine *engine, GError **error)
{
	for (guint i = 0; i < engine->forwards->len; i++) {
		if (!forward_start(engine, g_ptr_array_index(engine->forwards, i), error))
			return FALSE;
	}
	return TRUE;
}

void
nat_forwards_stop(NatEngine *engine)
{
	for (guint i = 0; i < engine->forwards->len; i++)
		forward_stop(engine, g_ptr_array_index(engine->forwards, i));
}

void
nat_forwards_free(NatEngine *engine)
{
	for (guint i = 0; i < engine->forwards->len; i++)
		forward_free(g_ptr_array_index(engine->forwards, i));
	g_ptr_array_set_size(engine->forwards, 0);
}

gboolean
nat_engine_add_forward(NatEngine *engine, const JfForwardRule *rule, GError **error)
{
	g_autoptr(NatForward) forward = forward_new(engine, rule, error);

	if (!forward)
		return FALSE;
	if (forward_find(engine, forward->name) >= 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
			    "%s: there is a port forward '%s' already", engine->inst->name,
			    forward->name);
		return FALSE;
	}
	if (engine->started && !forward_start(engine, forward, error)) {
		forward_stop(engine, forward);
		return FALSE;
	}
	g_ptr_array_add(engine->forwards, g_steal_pointer(&forward));
	return TRUE;
}

gboolean
nat_engine_remove_forward(NatEngine *engine, const char *name, GError **error)
{
	gint i = forward_find(engine, name);

	if (i < 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s: no port forward '%s'",
			    engine->inst->name, name);
		return FALSE;
	}
	forward_stop(engine, g_ptr_array_index(engine->forwards, (guint)i));
	forward_free(g_ptr_array_steal_index(engine->forwards, (guint)i));
	return TRUE;
}

/* ---- Somebody comes ---- */

gboolean
nat_forward_find_guest(NatEngine *engine, const NatForward *forward, NatEndpoint *guest)
{
	*guest = forward->guest;
	return !forward->any_guest ||
	       nat_neighbour_default(engine, nat_address_is_v4(&forward->guest.address),
				     &guest->address);
}

int
nat_forward_get_fd(const NatForward *forward)
{
	return forward->listener->flow.fd;
}

void
nat_forward_event(NatEngine *engine, NatFlow *listener, guint32 events)
{
	if (events & EPOLLERR)
		nat_forward_clear_errors(listener->fd);
	if (events & EPOLLIN)
		nat_engine_set_ready(engine, listener);
}

/* Errors of datagrams to the host's peers: whose they were is not told to the guest. */
void
nat_forward_clear_errors(int fd)
{
	char bytes[64];

	for (guint i = 0; i < ACCEPTS_MAX; i++) {
		if (recv(fd, bytes, sizeof bytes, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
	}
}

/* FALSE: nobody is waiting. */
static gboolean
accept_one(NatEngine *engine, const NatForward *forward, int listen_fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	int fd = accept4(listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	NatEndpoint guest, remote;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			jf_count(engine->count.socket_limit, 1);
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (!nat_address_from_socket(&from, &remote.address, &remote.port) ||
	    !nat_engine_may_add_flow(engine) || !nat_forward_find_guest(engine, forward, &guest)) {
		close(fd);
		return TRUE;
	}
	remote.address = nat_map_in(engine, &remote.address);
	nat_tcp_accept(engine, fd, &guest, &remote);
	return TRUE;
}

void
nat_forward_turn(NatEngine *engine, NatFlow *flow, guint *budget)
{
	NatListener *listener = (NatListener *)flow;
	NatForward *forward = listener->forward;

	if (forward->protocol == JF_FORWARD_UDP) {
		nat_udp_turn_forward(engine, forward, flow, budget);
		return;
	}
	for (guint i = 0; i < ACCEPTS_MAX; i++) {
		if (!accept_one(engine, forward, flow->fd))
			return;
	}
	nat_engine_set_ready(engine, flow);
}
