/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-icmp.c - echo, and errors in both directions (RFC 792, RFC 4443).
 *
 * Echo requests beyond the gateway leave by ping sockets (ICMP datagram sockets), one for each guest
 * address and identifier; the kernel puts in an identifier of its own. Errors that routers and hosts
 * on the way send about what left are in the sockets' error queues, with their type, code and sender,
 * and are passed on as they came, about the packet as the guest had sent it.
 */
#include "nat-engine.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#define ICMP_LEN 8u
#define ECHO_MAX 65507u
#define QUOTE_MAX 512u /* of the packet that an error is about */
#define ERRORS_MAX 64u /* read at once */

typedef struct Report {
	guint8 type, code;
	guint32 word; /* of the header: the MTU */
} Report;

static Report
report_from(NatUnreach what, gboolean v4, guint32 mtu)
{
	static const guint8 types[][2][2] = {
		[NAT_UNREACH_NET] = { { 3, 0 }, { 1, 0 } },
		[NAT_UNREACH_HOST] = { { 3, 1 }, { 1, 3 } },
		[NAT_UNREACH_PORT] = { { 3, 3 }, { 1, 4 } },
		[NAT_UNREACH_PROHIBITED] = { { 3, 13 }, { 1, 1 } },
		[NAT_UNREACH_TOO_BIG] = { { 3, 4 }, { 2, 0 } },
		[NAT_UNREACH_TTL] = { { 11, 0 }, { 3, 0 } },
		[NAT_UNREACH_REASSEMBLY] = { { 11, 1 }, { 3, 1 } },
	};
	const guint8 *t = types[what][v4 ? 0 : 1];

	return (Report){ t[0], t[1], what == NAT_UNREACH_TOO_BIG ? mtu : 0 };
}

NatUnreach
nat_unreach_from_errno(int code)
{
	switch (code) {
	case ENETUNREACH:
	case ENETDOWN:
		return NAT_UNREACH_NET;
	case ECONNREFUSED:
		return NAT_UNREACH_PORT;
	case EACCES:
	case EPERM:
		return NAT_UNREACH_PROHIBITED;
	case EMSGSIZE:
		return NAT_UNREACH_TOO_BIG;
	default:
		return NAT_UNREACH_HOST;
	}
}

/* `quote`: IP header and what follows, as the guest sent it. */
static void
send_report(NatEngine *engine, const guint8 *mac, const NatAddress *from, const NatAddress *to,
	    const Report *report, const guint8 *quote, guint32 len)
{
	gboolean v4 = nat_address_is_v4(to);
	guint8 b[ICMP_LEN + QUOTE_MAX] = { report->type, report->code };
	guint32 n = ICMP_LEN + MIN(len, QUOTE_MAX);
	guint16 sum;

	jf_put_be32(b + 4, report->word);
	memcpy(b + ICMP_LEN, quote, n - ICMP_LEN);
	sum = (guint16)~jf_csum_fold(
		jf_csum_add(v4 ? 0 : nat_pseudo_sum(from, to, IPPROTO_ICMPV6, n), b, n));
	memcpy(b + 2, &sum, 2);
	nat_output_ip(engine, mac, from, to, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, b, n);
}

static gboolean
is_icmp_error(const NatPacket *p)
{
	guint8 type = p->head[p->l4];

	if (p->protocol == IPPROTO_ICMP)
		return p->head_len <= p->l4 || (type != ICMP_ECHO && type != ICMP_ECHOREPLY);
	return p->protocol == IPPROTO_ICMPV6 && (p->head_len <= p->l4 || type < 128);
}

void
nat_icmp_error(NatEngine *engine, const NatPacket *p, NatUnreach what, guint32 mtu)
{
	const NatConfig *config = engine->config;
	Report report = report_from(what, p->is_v4, mtu);
	guint8 quote[QUOTE_MAX];
	guint32 len = MIN(p->end - p->l3, QUOTE_MAX);

	/* RFC 1122 3.2.2, RFC 4443 2.4 (e). */
	if (is_icmp_error(p) || !nat_is_guest(engine, &p->src) ||
	    nat_address_is_multicast(&p->dst) || nat_is_broadcast(engine, &p->dst) ||
	    (p->head[0] & 1) || !jf_frame_copy(p->frame, p->l3, quote, len))
		return;
	send_report(engine, p->head + 6, p->is_v4 ? &config->gateway4 : &config->gateway6, &p->src,
		    &report, quote, len);
}

/* An IP header and `l4_len` bytes of what the guest's flow sent to `remote`. */
static guint32
make_quote(NatEngine *engine, guint8 *b, const NatFlow *flow, const NatEndpoint *remote,
	   guint8 protocol, const guint8 *l4, guint32 l4_len)
{
	static const guint8 mac[6];
	guint32 at = nat_output_headers(engine, b, mac, &flow->guest.address, &remote->address,
					protocol, 64, l4_len);

	memcpy(b + at, l4, l4_len);
	memmove(b, b + NAT_ETH_LEN, at - NAT_ETH_LEN + l4_len);
	return at - NAT_ETH_LEN + l4_len;
}

static void
report_flow(NatEngine *engine, const NatFlow *flow, const NatEndpoint *remote,
	    const NatAddress *from, const Report *report, guint8 protocol, const guint8 l4[8])
{
	guint8 quote[NAT_ETH_LEN + NAT_IPV6_LEN + 8];
	guint32 len = make_quote(engine, quote, flow, remote, protocol, l4, 8);

	if (flow->has_mac)
		send_report(engine, flow->mac, from, &flow->guest.address, report, quote, len);
}

static const NatAddress *
gateway_of(NatEngine *engine, const NatFlow *flow)
{
	return nat_address_is_v4(&flow->guest.address) ? &engine->config->gateway4
						       : &engine->config->gateway6;
}

void
nat_icmp_report_flow(NatEngine *engine, const NatFlow *flow, guint32 seq, NatUnreach what)
{
	Report report = report_from(what, nat_address_is_v4(&flow->guest.address), 0);
	guint8 l4[8];

	jf_put_be16(l4, flow->guest.port);
	jf_put_be16(l4 + 2, flow->remote.port);
	jf_put_be32(l4 + 4, seq);
	report_flow(engine, flow, &flow->remote, gateway_of(engine, flow), &report, IPPROTO_TCP,
		    l4);
}

/* ---- Errors from the host ---- */

typedef struct QueuedError {
	struct sock_extended_err e;
	NatAddress offender;
	gboolean has_offender;
} QueuedError;

static gboolean
find_error(struct msghdr *h, QueuedError *error)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct sockaddr_storage offender = { 0 };
		gsize room = c->cmsg_len - CMSG_LEN(0);
		guint16 port;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		if (room < sizeof error->e)
			return FALSE;
		memcpy(&error->e, CMSG_DATA(c), sizeof error->e);
		memcpy(&offender, CMSG_DATA(c) + sizeof error->e,
		       MIN(room - sizeof error->e, sizeof(struct sockaddr_in6)));
		error->has_offender = nat_address_from_socket(&offender, &error->offender, &port);
		return TRUE;
	}
	return FALSE;
}

static void
pass_error(NatEngine *engine, NatFlow *flow, const NatEndpoint *remote, const QueuedError *error,
	   const guint8 *data, gsize len)
{
	gboolean v4 = nat_address_is_v4(&flow->guest.address);
	NatAddress from = *gateway_of(engine, flow);
	Report report =
		report_from(nat_unreach_from_errno((int)error->e.ee_errno), v4, error->e.ee_info);
	guint8 protocol = IPPROTO_UDP, l4[8] = { 0 };

	if (error->e.ee_origin == SO_EE_ORIGIN_ICMP || error->e.ee_origin == SO_EE_ORIGIN_ICMP6) {
		report.type = error->e.ee_type;
		report.code = error->e.ee_code;
		if (error->has_offender)
			from = nat_map_in(engine, &error->offender);
	} else if (error->e.ee_origin != SO_EE_ORIGIN_LOCAL) {
		return;
	}
	if (flow->kind == NAT_FLOW_ECHO) {
		protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		l4[0] = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
		jf_put_be16(l4 + 4, flow->guest.port);
		if (len >= ICMP_LEN)
			memcpy(l4 + 6, data + 6, 2);
	} else {
		jf_put_be16(l4, flow->guest.port);
		jf_put_be16(l4 + 2, remote->port);
		jf_put_be16(l4 + 4, (guint16)MIN(NAT_UDP_LEN + len, G_MAXUINT16));
	}
	report_flow(engine, flow, remote, &from, &report, protocol, l4);
}

void
nat_icmp_pass_errors(NatEngine *engine, NatFlow *flow)
{
	for (guint i = 0; i < ERRORS_MAX; i++) {
		struct sockaddr_storage to;
		union {
			char bytes[256];
			struct cmsghdr align;
		} control;
		guint8 data[64];
		struct iovec iov = { data, sizeof data };
		struct msghdr h = { .msg_name = &to,
				    .msg_namelen = sizeof to,
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &control,
				    .msg_controllen = sizeof control };
		QueuedError error = { .has_offender = FALSE };
		gssize n = recvmsg(flow->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
		NatEndpoint remote;

		if (n < 0)
			return;
		if (!find_error(&h, &error) ||
		    !nat_address_from_socket(&to, &remote.address, &remote.port))
			continue;
		remote.address = nat_map_in(engine, &remote.address);
		pass_error(engine, flow, &remote, &error, data, (gsize)n);
	}
}

/* ---- Echo ---- */

/* `m` is an echo message of `len` bytes; its checksum is filled in. */
static void
send_echo_reply(NatEngine *engine, const guint8 *mac, const NatAddress *from, const NatAddress *to,
		guint8 *m, guint32 len)
{
	gboolean v4 = nat_address_is_v4(to);
	guint64 sum = v4 ? 0 : nat_pseudo_sum(from, to, IPPROTO_ICMPV6, len);
	guint16 csum;

	m[0] = v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	m[1] = 0;
	memset(m + 2, 0, 2);
	csum = (guint16)~jf_csum_fold(jf_csum_add(sum, m, len));
	memcpy(m + 2, &csum, 2);
	nat_output_ip(engine, mac, from, to, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, m, len);
}

static void
refuse_ping(NatEngine *engine, const NatPacket *p)
{
	jf_count(engine->count.ping_refused, 1);
	nat_icmp_error(engine, p, NAT_UNREACH_HOST, 0);
	if (engine->told_ping)
		return;
	engine->told_ping = TRUE;
	jf_log(engine->inst, G_LOG_LEVEL_WARNING,
	       "the guest cannot ping beyond the gateway: net.ipv4.ping_group_range does not "
	       "include this user's group");
}

static NatUdpFlow *
echo_open(NatEngine *engine, const NatPacket *p, const NatEndpoint *guest)
{
	static const NatEndpoint anywhere;
	NatUdpFlow *flow;
	int one = 1, fd;

	if (!nat_engine_may_add_flow(engine))
		return NULL;
	fd = nat_engine_socket(engine, p->is_v4, SOCK_DGRAM,
			       p->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (fd < 0)
		return NULL;
	if (p->is_v4)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
	nat_neighbour_learn(engine, &p->src, p->head + 6);
	flow = nat_udp_flow_new(engine, NAT_FLOW_ECHO, guest, &anywhere, fd);
	if (nat_engine_bind(engine, fd, &flow->flow, NULL) &&
	    nat_engine_watch(engine, &flow->flow, EPOLLIN))
		return flow;
	nat_engine_drop_flow(engine, &flow->flow);
	return NULL;
}

static void
forward_echo(NatEngine *engine, const NatPacket *p, const NatAddress *host, guint8 *m, guint32 len)
{
	static const NatEndpoint anywhere;
	NatEndpoint guest = { p->src, jf_get_be16(m + 4) };
	NatUdpFlow *flow =
		(NatUdpFlow *)nat_flow_find(&engine->flows, NAT_FLOW_ECHO, &guest, &anywhere);
	struct sockaddr_storage to;
	socklen_t to_len = nat_address_to_socket(host, 0, &to);

	if (!flow)
		flow = echo_open(engine, p, &guest);
	if (!flow) {
		refuse_ping(engine, p);
		return;
	}
	memcpy(flow->flow.mac, p->head + 6, 6);
	flow->flow.has_mac = TRUE;
	nat_udp_set_ttl(flow, p->ttl - 1);
	nat_flow_arm(engine, &flow->flow, engine->now + 30 * NAT_SEC);
	if (sendto(flow->flow.fd, m, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
		   to_len) < 0 &&
	    errno != EAGAIN)
		nat_icmp_error(engine, p, nat_unreach_from_errno(errno), 0);
}

void
nat_icmp_input(NatEngine *engine, const NatPacket *p)
{
	guint8 type = p->head[p->l4], *m = engine->pieces;
	guint32 len = p->end - p->l4;
	NatAddress host;

	if (!p->is_v4 && type >= 133 && type <= 137) {
		nat_ndp_input(engine, p);
		return;
	}
	if (type != (p->is_v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST) || len > ECHO_MAX ||
	    !nat_is_guest(engine, &p->src) || !jf_frame_copy(p->frame, p->l4, m, len))
		return;
	if (nat_is_own(engine, &p->dst)) {
		send_echo_reply(engine, p->head + 6, &p->dst, &p->src, m, len);
	} else if (nat_map_out(engine, &p->dst, &host)) {
		forward_echo(engine, p, &host, m, len);
	} else {
		jf_count(engine->count.refused, 1);
		nat_icmp_error(engine, p, NAT_UNREACH_PROHIBITED, 0);
	}
}

void
nat_echo_event(NatEngine *engine, NatUdpFlow *flow, guint32 events)
{
	if (events & EPOLLERR)
		nat_icmp_pass_errors(engine, &flow->flow);
	if (events & EPOLLIN)
		nat_engine_set_ready(engine, &flow->flow);
}

void
nat_echo_turn(NatEngine *engine, NatUdpFlow *flow, guint *budget)
{
	guint8 *m = engine->pieces;

	while (!engine->blocked && *budget) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof from;
		gssize n = recvfrom(flow->flow.fd, m, NAT_PIECE_MAX, MSG_DONTWAIT,
				    (struct sockaddr *)&from, &from_len);
		NatAddress source;
		guint16 port;

		if (n < 0)
			return;
		if (n < (gssize)ICMP_LEN || n > ECHO_MAX ||
		    !nat_address_from_socket(&from, &source, &port))
			continue;
		source = nat_map_in(engine, &source);
		jf_put_be16(m + 4, flow->flow.guest.port);
		send_echo_reply(engine, flow->flow.mac, &source, &flow->flow.guest.address, m,
				(guint32)n);
		--*budget;
	}
	nat_engine_set_ready(engine, &flow->flow);
}
