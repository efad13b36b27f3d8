/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-udp.c - datagrams.
 *
 * One socket for each address and port of a guest, whatever it talks to (RFC 4787: endpoint-independent
 * mapping and filtering), and one for each forwarded port. Datagrams of equal length to one place
 * leave as one train (UDP_SEGMENT), others of the same batch by one sendmmsg; trains that the kernel
 * has put together (UDP_GRO) go to the guest as one frame.
 */
#include "nat-engine.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define EVENTS EPOLLIN
#define IDLE (240 * NAT_SEC)
#define IDLE_DNS (20 * NAT_SEC)
#define DNS_PORT 53u
#define TRAIN_MAX 64u /* UDP_MAX_SEGMENTS */
#define TRAIN_BYTES_MAX 65000u
#define DATAGRAM_MAX 65507u

/* ---- Flows ---- */

static void
flow_touch(NatEngine *engine, NatUdpFlow *flow)
{
	nat_flow_arm(engine, &flow->flow, engine->now + (flow->is_lasting ? IDLE : IDLE_DNS));
}

NatUdpFlow *
nat_udp_flow_new(NatEngine *engine, guint8 kind, const NatEndpoint *guest,
		 const NatEndpoint *remote, int fd)
{
	NatUdpFlow *flow = g_new0(NatUdpFlow, 1);

	flow->flow.kind = kind;
	flow->flow.fd = fd;
	flow->flow.guest = *guest;
	flow->flow.remote = *remote;
	nat_engine_add_flow(engine, &flow->flow);
	flow_touch(engine, flow);
	return flow;
}

void
nat_udp_expired(NatEngine *engine, NatUdpFlow *flow)
{
	nat_engine_drop_flow(engine, &flow->flow);
}

/* Probes of a path have small TTLs; all else leaves with the system's own. */
void
nat_udp_set_ttl(NatUdpFlow *flow, guint8 ttl)
{
	gboolean v4 = nat_address_is_v4(&flow->flow.guest.address);
	int value;

	ttl = ttl < 32 ? ttl : 0;
	if (ttl == flow->ttl)
		return;
	flow->ttl = ttl;
	value = ttl ? ttl : -1;
	if (v4)
		setsockopt(flow->flow.fd, IPPROTO_IP, IP_TTL, &value, sizeof value);
	else
		setsockopt(flow->flow.fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, sizeof value);
}

static void
set_options(NatEngine *engine, int fd, gboolean v4)
{
	int one = 1;

	if (v4)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
	if (!engine->no_udp_gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one) < 0)
		engine->no_udp_gro = TRUE;
}

static NatUdpFlow *
flow_open(NatEngine *engine, const NatPacket *p, const NatEndpoint *guest, const NatEndpoint *to)
{
	static const NatEndpoint anywhere;
	NatUdpFlow *flow;
	int fd;

	if (!nat_engine_may_add_flow(engine))
		return NULL;
	fd = nat_engine_socket(engine, p->is_v4, SOCK_DGRAM, 0);
	if (fd < 0)
		return NULL;
	set_options(engine, fd, p->is_v4);
	nat_neighbour_learn(engine, &guest->address, p->head + 6);
	flow = nat_udp_flow_new(engine, NAT_FLOW_UDP, guest, &anywhere, fd);
	if (!nat_engine_bind(engine, fd, &flow->flow, NULL) ||
	    !nat_engine_watch(engine, &flow->flow, EVENTS)) {
		nat_engine_drop_flow(engine, &flow->flow);
		return NULL;
	}
	nat_engine_log_flow(engine, &flow->flow, "UDP", to);
	return flow;
}

/* ---- From the guest ---- */

static NatUdpMessage *
message_new(NatUdpRun *run, const struct sockaddr_storage *to)
{
	NatUdpMessage *m = &run->messages[run->n_messages++];

	m->to = *to;
	m->first_iov = run->n_iov;
	m->n_iov = m->bytes = 0;
	m->count = m->size = 0;
	m->is_closed = FALSE;
	return m;
}

static gboolean
message_takes(const NatEngine *engine, const NatUdpMessage *m, const struct sockaddr_storage *to,
	      socklen_t to_len, guint32 len)
{
	return !engine->no_udp_segment && !m->is_closed && m->count < TRAIN_MAX && len > 0 &&
	       len <= m->size && m->bytes + len <= TRAIN_BYTES_MAX &&
	       memcmp(&m->to, to, to_len) == 0;
}

/* `size`: of each datagram in the packet's `len` bytes. */
static void
run_add(NatEngine *engine, NatUdpFlow *flow, const NatPacket *p, const NatEndpoint *to, guint32 len,
	guint16 size)
{
	NatUdpRun *run = engine->udp_run;
	struct sockaddr_storage address;
	socklen_t to_len = nat_address_to_socket(&to->address, to->port, &address);
	NatUdpMessage *m;
	guint n;

	if (run->flow && (run->flow != flow || run->n_messages == NAT_RUN_MESSAGES ||
			  run->n_iov + JF_FRAME_MAX_IOV > NAT_RUN_IOV))
		nat_udp_flush(engine);
	run->flow = flow;
	m = run->n_messages ? &run->messages[run->n_messages - 1] : NULL;
	if (!m || size < len || !message_takes(engine, m, &address, to_len, len)) {
		m = message_new(run, &address);
		m->size = size;
	}
	n = len ? nat_packet_pieces(p, p->l4 + NAT_UDP_LEN, len, run->iov + run->n_iov) : 0;
	run->n_iov += n;
	m->n_iov += n;
	m->bytes += len;
	m->count += size && len > size ? (guint16)((len + size - 1) / size) : 1;
	m->is_closed = m->is_closed || m->bytes != (guint32)m->count * m->size;
}

static void
header_fill(NatUdpRun *run, guint i)
{
	NatUdpMessage *m = &run->messages[i];
	struct msghdr *h = &run->headers[i].msg_hdr;
	struct cmsghdr *c;

	*h = (struct msghdr){
		.msg_name = &m->to,
		.msg_namelen = m->to.ss_family == AF_INET ? sizeof(struct sockaddr_in)
							  : sizeof(struct sockaddr_in6),
		.msg_iov = run->iov + m->first_iov,
		.msg_iovlen = m->n_iov,
	};
	if (m->count <= 1)
		return;
	h->msg_control = &m->control;
	h->msg_controllen = sizeof m->control;
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof m->size);
	memcpy(CMSG_DATA(c), &m->size, sizeof m->size);
	h->msg_controllen = c->cmsg_len;
}

/* A train that the kernel or the way out does not take, datagram by datagram. */
static void
send_singly(NatEngine *engine, NatUdpRun *run, const NatUdpMessage *m)
{
	struct iovec part[JF_FRAME_MAX_IOV + 1];
	guint32 i = m->first_iov, last = m->first_iov + m->n_iov;
	gsize offset = 0;

	while (i < last) {
		struct msghdr h = run->headers[m - run->messages].msg_hdr;
		guint32 want = m->size, n = 0;

		while (want && i < last && n < G_N_ELEMENTS(part)) {
			gsize len = MIN(want, run->iov[i].iov_len - offset);

			part[n++] = (struct iovec){ (guint8 *)run->iov[i].iov_base + offset, len };
			want -= (guint32)len;
			offset += len;
			if (offset == run->iov[i].iov_len) {
				i++;
				offset = 0;
			}
		}
		h.msg_iov = part;
		h.msg_iovlen = n;
		h.msg_control = NULL;
		h.msg_controllen = 0;
		if (sendmsg(run->flow->flow.fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			jf_count(engine->count.udp_drops, 1);
	}
}

/* What became of message `i`, which failed; FALSE: try it once more. */
static gboolean
message_failed(NatEngine *engine, NatUdpRun *run, guint i, int code, gboolean again)
{
	const NatUdpMessage *m = &run->messages[i];

	if (m->count > 1 && (code == EINVAL || code == EMSGSIZE || code == EIO ||
			     code == EOPNOTSUPP || code == ENOPROTOOPT)) {
		send_singly(engine, run, m);
		return TRUE;
	}
	/* The error of an earlier datagram; its story is in the error queue. */
	if (!again && code != EAGAIN && code != ENOBUFS && code != EMSGSIZE)
		return FALSE;
	jf_count(engine->count.udp_drops, m->count);
	return TRUE;
}

void
nat_udp_flush(NatEngine *engine)
{
	NatUdpRun *run = engine->udp_run;
	guint n = run->n_messages, i = 0;
	gboolean again = FALSE;

	if (run->flow && !run->flow->flow.is_dead) {
		for (guint k = 0; k < n; k++)
			header_fill(run, k);
		while (i < n) {
			int sent = sendmmsg(run->flow->flow.fd, run->headers + i, n - i,
					    MSG_DONTWAIT | MSG_NOSIGNAL);

			if (sent > 0) {
				i += (guint)sent;
				again = FALSE;
			} else if (message_failed(engine, run, i, errno, again)) {
				i++;
				again = FALSE;
			} else {
				again = TRUE;
			}
		}
	}
	run->flow = NULL;
	run->n_messages = 0;
	run->n_iov = 0;
}

/* Where a datagram goes that no service took. FALSE: nowhere. */
static gboolean
find_target(NatEngine *engine, const NatPacket *p, NatEndpoint *to, gboolean *broadcast)
{
	*broadcast = nat_is_broadcast(engine, &p->dst);
	if (*broadcast) {
		to->address = nat_address_v4(G_MAXUINT32);
		return engine->config->forward_broadcast && !engine->config->restricted;
	}
	if (nat_address_is_multicast(&p->dst))
		return FALSE;
	if (nat_map_out(engine, &p->dst, &to->address))
		return TRUE;
	jf_count(engine->count.refused, 1);
	nat_icmp_error(engine, p,
		       nat_is_own(engine, &p->dst) ? NAT_UNREACH_PORT : NAT_UNREACH_PROHIBITED, 0);
	return FALSE;
}

static NatUdpFlow *
find_flow(NatEngine *engine, const NatEndpoint *guest, const NatEndpoint *remote)
{
	static const NatEndpoint anywhere;
	NatFlow *flow = NULL;

	if (engine->n_udp_forwards)
		flow = nat_flow_find(&engine->flows, NAT_FLOW_UDP, guest, remote);
	if (!flow)
		flow = nat_flow_find(&engine->flows, NAT_FLOW_UDP, guest, &anywhere);
	return (NatUdpFlow *)flow;
}

static void
set_broadcast(NatUdpFlow *flow)
{
	int one = 1;

	if (!flow->may_broadcast)
		setsockopt(flow->flow.fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
	flow->may_broadcast = TRUE;
}

static void
send_to_host(NatEngine *engine, const NatPacket *p, const NatEndpoint *guest,
	     const NatEndpoint *remote, guint32 len)
{
	NatEndpoint to = { .port = remote->port };
	NatUdpFlow *flow = find_flow(engine, guest, remote);
	gboolean broadcast = FALSE;
	guint16 size = p->frame->gso_type == JF_GSO_UDP_L4 ? p->frame->gso_size : 0;

	if (flow && flow->forward)
		to = flow->peer;
	else if (!find_target(engine, p, &to, &broadcast))
		return;
	if (!flow)
		flow = flow_open(engine, p, guest, &to);
	if (!flow) {
		jf_count(engine->count.udp_drops, 1);
		return;
	}
	memcpy(flow->flow.mac, p->head + 6, 6);
	flow->flow.has_mac = TRUE;
	flow->is_lasting |= remote->port != DNS_PORT;
	flow_touch(engine, flow);
	if (broadcast)
		set_broadcast(flow);
	if (!flow->forward && (p->ttl <= 32 || flow->ttl)) {
		nat_udp_flush(engine);
		nat_udp_set_ttl(flow, p->ttl - 1);
	}
	run_add(engine, flow, p, &to, len, size && size < len ? size : (guint16)len);
}

void
nat_udp_input(NatEngine *engine, const NatPacket *p)
{
	const guint8 *udp = p->head + p->l4;
	NatEndpoint guest = { p->src, jf_get_be16(udp) };
	NatEndpoint remote = { p->dst, jf_get_be16(udp + 2) };
	guint32 len = jf_get_be16(udp + 4);

	if (len < NAT_UDP_LEN || len > p->end - p->l4 ||
	    (p->frame->gso_type == JF_GSO_UDP_L4 && p->frame->gso_size == 0)) {
		jf_count(engine->count.malformed, 1);
		return;
	}
	if (nat_service_input(engine, p, guest.port, remote.port))
		return;
	if (remote.port == 0 || !nat_is_guest(engine, &p->src))
		return;
	send_to_host(engine, p, &guest, &remote, len - NAT_UDP_LEN);
}

/* ---- From the host ---- */

void
nat_udp_event(NatEngine *engine, NatUdpFlow *flow, guint32 events)
{
	if (events & EPOLLERR)
		nat_icmp_pass_errors(engine, &flow->flow);
	if (events & EPOLLIN)
		nat_engine_set_ready(engine, &flow->flow);
}

/* Size of the datagrams of a train, 0: a single one. */
static guint16
train_size(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		int size;

		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof size);
		return size > 0 && size <= G_MAXUINT16 ? (guint16)size : 0;
	}
	return 0;
}

static void
deliver(NatEngine *engine, NatUdpFlow *flow, const NatEndpoint *from, const guint8 *data,
	guint32 len, guint16 size)
{
	const guint8 *mac = flow->flow.mac;

	if (!flow->flow.has_mac)
		mac = nat_neighbour_find(engine, &flow->flow.guest.address);
	if (!mac) {
		jf_count(engine->count.unresolved, 1);
		return;
	}
	nat_output_udp(engine, mac, from, &flow->flow.guest, data, MIN(len, DATAGRAM_MAX), size);
}

typedef struct Batch {
	struct mmsghdr headers[NAT_PIECES];
	struct iovec iov[NAT_PIECES];
	struct sockaddr_storage from[NAT_PIECES];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control[NAT_PIECES];
} Batch;

static int
batch_receive(NatEngine *engine, Batch *b, int fd)
{
	for (guint i = 0; i < NAT_PIECES; i++) {
		b->iov[i] = (struct iovec){ engine->pieces + i * NAT_PIECE_MAX, NAT_PIECE_MAX };
		b->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &b->from[i],
			.msg_namelen = sizeof b->from[i],
			.msg_iov = &b->iov[i],
			.msg_iovlen = 1,
			.msg_control = &b->control[i],
			.msg_controllen = sizeof b->control[i],
		};
	}
	return recvmmsg(fd, b->headers, NAT_PIECES, MSG_DONTWAIT, NULL);
}

/* `find` says whose a datagram is, by where it comes from as the guest will see it; NULL: nobody's. */
static void
receive_all(NatEngine *engine, int fd, guint *budget,
	    NatUdpFlow *(*find)(NatEngine *engine, gpointer data, NatEndpoint *from), gpointer data,
	    NatFlow *again)
{
	Batch b;
	int n = 0;

	while (!engine->blocked && *budget) {
		n = batch_receive(engine, &b, fd);
		/* The error of an earlier datagram counts as a call. */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			n = batch_receive(engine, &b, fd);
		for (int i = 0; i < n; i++) {
			NatEndpoint from;
			NatUdpFlow *flow;

			if (!nat_address_from_socket(&b.from[i], &from.address, &from.port))
				continue;
			flow = find(engine, data, &from);
			if (flow)
				deliver(engine, flow, &from, b.iov[i].iov_base,
					b.headers[i].msg_len, train_size(&b.headers[i].msg_hdr));
		}
		nat_output_flush(engine);
		if (n < (int)NAT_PIECES)
			return;
		*budget -= MIN(*budget, NAT_PIECES);
	}
	nat_engine_set_ready(engine, again);
}

static NatUdpFlow *
find_own(NatEngine *engine, gpointer data, NatEndpoint *from)
{
	NatUdpFlow *flow = data;

	from->address = nat_map_in(engine, &from->address);
	flow_touch(engine, flow);
	return flow;
}

void
nat_udp_turn(NatEngine *engine, NatUdpFlow *flow, guint *budget)
{
	if (flow->flow.kind == NAT_FLOW_ECHO)
		nat_echo_turn(engine, flow, budget);
	else
		receive_all(engine, flow->flow.fd, budget, find_own, flow, &flow->flow);
}

/* ---- Forwarded ports ---- */

static NatUdpFlow *
find_forwarded(NatEngine *engine, gpointer data, NatEndpoint *from)
{
	NatForward *forward = data;
	NatEndpoint peer = *from, guest;
	NatUdpFlow *flow;

	from->address = nat_map_in(engine, &from->address);
	if (!nat_forward_find_guest(engine, forward, &guest))
		return NULL;
	flow = (NatUdpFlow *)nat_flow_find(&engine->flows, NAT_FLOW_UDP, &guest, from);
	if (!flow && nat_engine_may_add_flow(engine)) {
		flow = nat_udp_flow_new(engine, NAT_FLOW_UDP, &guest, from,
					nat_forward_get_fd(forward));
		flow->flow.shares_fd = TRUE;
		flow->forward = forward;
		flow->is_lasting = TRUE;
	}
	if (!flow)
		return NULL;
	flow->peer = peer;
	flow_touch(engine, flow);
	return flow;
}

void
nat_udp_turn_forward(NatEngine *engine, NatForward *forward, NatFlow *listener, guint *budget)
{
	receive_all(engine, listener->fd, budget, find_forwarded, forward, listener);
}

int
nat_udp_prepare_forward(NatEngine *engine, int fd, gboolean v4)
{
	set_options(engine, fd, v4);
	return fd;
}
