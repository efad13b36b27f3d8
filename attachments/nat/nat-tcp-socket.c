/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-tcp-socket.c - the host's side of a connection. */
#include "nat-tcp.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define PORT_TRIES 16u
/* struct sk_buff, struct skb_shared_info and the room for headers. */
#define BUFFER_COST 1280u

/*
 * Room in the send buffer, as the kernel accounts for it: each segment may become a buffer of its own
 * there, with BUFFER_COST beside the payload. When the socket does not count as writable, an event is
 * asked for: it comes when a third of the send buffer is free.
 */
guint32
nat_tcp_room(NatTcp *tcp)
{
	guint32 info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof info;
	guint32 size, queued, room;

	if (tcp->flow.fd < 0 || getsockopt(tcp->flow.fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return 0;
	size = info[SK_MEMINFO_SNDBUF];
	queued = info[SK_MEMINFO_WMEM_QUEUED];
	room = queued < size ? size - queued : 0;
	if (room < queued / 2)
		tcp->wants_room = TRUE;
	return (guint32)((guint64)room * tcp->mss / (tcp->mss + BUFFER_COST));
}

void
nat_tcp_reset_host(NatTcp *tcp)
{
	const struct linger linger = { .l_onoff = 1 };

	if (tcp->flow.fd >= 0)
		setsockopt(tcp->flow.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void
nat_tcp_abort(NatEngine *engine, NatTcp *tcp)
{
	if (tcp->flow.is_dead)
		return;
	if (tcp->state == NAT_TCP_CONNECTING)
		nat_tcp_send_flags(engine, tcp, 0, NAT_TCP_RST | NAT_TCP_ACK);
	else
		nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_RST | NAT_TCP_ACK);
	nat_tcp_reset_host(tcp);
	nat_engine_drop_flow(engine, &tcp->flow);
}

/* A refusal is a reset; a host that cannot be reached is told as a router would. */
static void
connect_failed(NatEngine *engine, NatTcp *tcp, int code)
{
	if (code == ENETUNREACH || code == EHOSTUNREACH || code == ETIMEDOUT || code == EACCES ||
	    code == EPERM || code == ENETDOWN || code == EHOSTDOWN) {
		nat_icmp_report_flow(engine, &tcp->flow, tcp->rcv_nxt - 1,
				     nat_unreach_from_errno(code));
		nat_engine_drop_flow(engine, &tcp->flow);
		return;
	}
	nat_tcp_abort(engine, tcp);
}

static gboolean
find_target(NatEngine *engine, const NatEndpoint *remote, NatEndpoint *target)
{
	const NatServiceEntry *redirect = nat_redirect_find(engine, &remote->address, remote->port);

	*target = *remote;
	if (redirect)
		return redirect->redirect(engine, target, redirect->data);
	return nat_map_out(engine, &remote->address, &target->address);
}

/* Probes of a path are made with small TTLs; the errors that they cause are wanted. */
static void
set_ttl(NatTcp *tcp, const NatPacket *syn, gboolean is_v4)
{
	int ttl = syn->ttl - 1;

	if (ttl >= 32)
		return;
	if (is_v4)
		setsockopt(tcp->flow.fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
	else
		setsockopt(tcp->flow.fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof ttl);
}

/* A redirect may lead to an address of the other family. */
static gboolean
set_family(NatEngine *engine, NatTcp *tcp, gboolean is_v4)
{
	int fd;

	if (nat_address_is_v4(&tcp->flow.remote.address) == is_v4)
		return TRUE;
	fd = nat_engine_socket(engine, is_v4, SOCK_STREAM, 0);
	if (fd < 0)
		return FALSE;
	close(tcp->flow.fd);
	tcp->flow.fd = fd;
	return TRUE;
}

void
nat_tcp_connect(NatEngine *engine, const NatPacket *syn, NatTcp *tcp, const NatEndpoint *remote)
{
	struct sockaddr_storage address;
	socklen_t len;
	NatEndpoint target;
	int one = 1;

	if (!find_target(engine, remote, &target)) {
		jf_count(engine->count.refused, 1);
		nat_tcp_abort(engine, tcp);
		return;
	}
	if (!set_family(engine, tcp, nat_address_is_v4(&target.address))) {
		nat_tcp_abort(engine, tcp);
		return;
	}
	set_ttl(tcp, syn, nat_address_is_v4(&target.address));
	/* The guest has collected small segments already, if it wanted to. */
	setsockopt(tcp->flow.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	len = nat_address_to_socket(&target.address, target.port, &address);
	if (!nat_engine_bind(engine, tcp->flow.fd, &tcp->flow, &target.address) ||
	    (connect(tcp->flow.fd, (struct sockaddr *)&address, len) < 0 && errno != EINPROGRESS) ||
	    !nat_engine_watch(engine, &tcp->flow, NAT_TCP_EVENTS)) {
		connect_failed(engine, tcp, errno);
		return;
	}
	nat_engine_log_flow(engine, &tcp->flow, "TCP", &target);
}

static void
connected(NatEngine *engine, NatTcp *tcp)
{
	tcp->state = NAT_TCP_SYN_RCVD;
	nat_tcp_send_syn(engine, tcp);
	nat_tcp_start_rto(engine, tcp);
	nat_tcp_arm(engine, tcp);
}

static int
socket_error(const NatTcp *tcp)
{
	int code = 0;
	socklen_t len = sizeof code;

	getsockopt(tcp->flow.fd, SOL_SOCKET, SO_ERROR, &code, &len);
	return code;
}

/* The byte stays where it is in the stream; the guest is told of it there. */
static void
take_urgent(NatTcp *tcp)
{
	int one = 1;

	setsockopt(tcp->flow.fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof one);
	tcp->host_urgent = TRUE;
}

void
nat_tcp_event(NatEngine *engine, NatTcp *tcp, guint32 events)
{
	int code = events & EPOLLERR ? socket_error(tcp) : 0;

	if (tcp->state == NAT_TCP_CONNECTING) {
		if (code)
			connect_failed(engine, tcp, code);
		else if (events & EPOLLOUT)
			connected(engine, tcp);
	} else if (code) {
		nat_tcp_abort(engine, tcp);
	}
	if (tcp->flow.is_dead)
		return;
	if (events & EPOLLPRI)
		take_urgent(tcp);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLPRI)) {
		tcp->readable = TRUE;
		tcp->hup = (events & (EPOLLRDHUP | EPOLLHUP)) && !tcp->host_fin;
		nat_engine_set_ready(engine, &tcp->flow);
	}
	if ((events & EPOLLOUT) && tcp->wants_room) {
		tcp->wants_room = FALSE;
		tcp->rewatched = tcp->knows_room = FALSE;
		if (tcp->reorder)
			nat_tcp_settle_order(engine, tcp);
		if (tcp->state == NAT_TCP_OPEN && !tcp->flow.is_dead)
			nat_tcp_owe_ack(engine, tcp);
	}
}

/* A remote end that the guest has no connection with yet: two peers of the host may look alike to
 * it. FALSE: none is free. */
static gboolean
find_free_remote(NatEngine *engine, const NatEndpoint *guest, NatEndpoint *remote)
{
	for (guint i = 0; i < PORT_TRIES; i++) {
		if (!nat_flow_find(&engine->flows, NAT_FLOW_TCP, guest, remote))
			return TRUE;
		remote->port = (guint16)g_random_int_range(1024, 65536);
	}
	return FALSE;
}

void
nat_tcp_accept(NatEngine *engine, int fd, const NatEndpoint *guest, NatEndpoint *remote)
{
	NatTcp *tcp;
	int one = 1;

	if (!find_free_remote(engine, guest, remote)) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	tcp = nat_tcp_new(engine, guest, remote, fd);
	tcp->state = NAT_TCP_SYN_SENT;
	tcp->is_forward = TRUE;
	tcp->mss = 536;
	if (!nat_engine_watch(engine, &tcp->flow, NAT_TCP_EVENTS)) {
		nat_engine_drop_flow(engine, &tcp->flow);
		return;
	}
	nat_tcp_send_syn(engine, tcp);
	nat_tcp_start_rto(engine, tcp);
	nat_tcp_arm(engine, tcp);
}
