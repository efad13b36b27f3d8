/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tcp.c - segments from the guest (RFC 9293 3.10.7).
 *
 * In-order data of consecutive frames of one connection is collected as pieces of the guest's own
 * frames (the run) and written by one system call. What does not fit the socket was not received: the
 * guest sends it again. Each segment out of order is answered at once, so that the guest's fast
 * retransmission begins.
 *
 * Left out: timestamps are not offered; options other than MSS, window scale and SACK are passed over.
 */
#include "nat-tcp.h"

#include <errno.h>

#define OPTION_END 0u
#define OPTION_NOP 1u
#define OPTION_MSS 2u
#define OPTION_SCALE 3u
#define OPTION_SACK_PERMITTED 4u
#define OPTION_SACK 5u
#define MSS_DEFAULT_IPV4 536u  /* RFC 9293 3.7.1 */
#define MSS_DEFAULT_IPV6 1220u /* the same */
#define MSS_MIN 64u
#define SCALE_MAX 14u /* RFC 7323 2.3 */

typedef struct Segment {
	const NatPacket *p;
	guint32 seq, ack, wnd; /* wnd as it is in the header */
	guint32 data_at, len;  /* offset in the frame, bytes */
	guint16 urgent;
	guint8 flags;
} Segment;

static gboolean
segment_parse(Segment *s, const NatPacket *p)
{
	const guint8 *tcp = p->head + p->l4;
	guint32 header_len = (tcp[12] >> 4) * 4u;

	if (header_len < NAT_TCP_LEN || header_len > p->end - p->l4 ||
	    header_len > p->head_len - p->l4)
		return FALSE;
	s->p = p;
	s->seq = jf_get_be32(tcp + 4);
	s->ack = jf_get_be32(tcp + 8);
	s->flags = tcp[13] & 0x3f;
	s->wnd = jf_get_be16(tcp + 14);
	s->urgent = jf_get_be16(tcp + 18);
	s->data_at = p->l4 + header_len;
	s->len = p->end - s->data_at;
	return TRUE;
}

/* What is behind kind and length of an option; `len`: all of it. NULL: it is not there. */
static const guint8 *
find_option(const Segment *s, guint8 kind, guint32 *len)
{
	const guint8 *b = s->p->head;
	guint32 at = s->p->l4 + NAT_TCP_LEN;

	while (at < s->data_at && b[at] != OPTION_END) {
		if (b[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (s->data_at - at < 2 || b[at + 1] < 2 || b[at + 1] > s->data_at - at)
			return NULL;
		*len = b[at + 1];
		if (b[at] == kind)
			return b + at + 2;
		at += *len;
	}
	return NULL;
}

/* The options of a SYN. */
static void
take_options(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	gboolean v4 = s->p->is_v4;
	guint32 mss = v4 ? MSS_DEFAULT_IPV4 : MSS_DEFAULT_IPV6, len;
	guint32 limit = engine->config->mtu - (v4 ? NAT_IPV4_LEN : NAT_IPV6_LEN) - NAT_TCP_LEN;
	const guint8 *option = find_option(s, OPTION_MSS, &len);

	if (option && len == 4)
		mss = jf_get_be16(option);
	tcp->mss = (guint16)CLAMP(mss, MSS_MIN, limit);
	option = find_option(s, OPTION_SCALE, &len);
	tcp->our_scale = tcp->guest_scale = 0;
	if (option && len == 3) {
		tcp->guest_scale = MIN(*option, SCALE_MAX);
		tcp->our_scale = NAT_TCP_WINDOW_SCALE;
	}
	option = find_option(s, OPTION_SACK_PERMITTED, &len);
	tcp->sack_ok = option && len == 2;
}

static void
note_source(NatEngine *engine, NatTcp *tcp, const NatPacket *p)
{
	memcpy(tcp->flow.mac, p->head + 6, 6);
	tcp->flow.has_mac = TRUE;
	tcp->last_heard = engine->now;
	tcp->probes = 0;
}

/* RFC 6528. */
static guint32
initial_sequence(NatEngine *engine, const NatFlow *flow)
{
	return (guint32)(nat_hash_endpoints(engine->secret, &flow->guest, &flow->remote) +
			 (engine->now >> 12));
}

NatTcp *
nat_tcp_new(NatEngine *engine, const NatEndpoint *guest, const NatEndpoint *remote, int fd)
{
	NatTcp *tcp = g_new0(NatTcp, 1);

	tcp->flow.kind = NAT_FLOW_TCP;
	tcp->flow.fd = fd;
	tcp->flow.guest = *guest;
	tcp->flow.remote = *remote;
	nat_engine_add_flow(engine, &tcp->flow);
	tcp->iss = initial_sequence(engine, &tcp->flow);
	tcp->snd_una = tcp->snd_nxt = tcp->snd_max = tcp->iss;
	tcp->last_heard = engine->now;
	return tcp;
}

void
nat_tcp_clear(NatEngine *engine, NatTcp *tcp)
{
	nat_tcp_reorder_clear(engine, tcp);
	nat_tcp_forget_sack(tcp);
}

/* ---- The run ---- */

void
nat_tcp_flush_run(NatEngine *engine)
{
	NatTcpRun *run = engine->tcp_run;
	NatTcp *tcp = run->tcp;
	struct msghdr msg = { .msg_iov = run->iov, .msg_iovlen = run->n_iov };
	ssize_t n;

	if (!tcp)
		return;
	run->tcp = NULL;
	if (tcp->flow.is_dead)
		return;
	tcp->knows_room = FALSE;
	do {
		n = sendmsg(tcp->flow.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
		nat_tcp_abort(engine, tcp);
		return;
	}
	tcp->rcv_nxt += n > 0 ? (guint32)n : 0;
	/* The window promised too much, so that it has to shrink; what is dropped here comes again. */
	if (n < (ssize_t)run->bytes) {
		tcp->wants_room = tcp->dropped = TRUE;
		tcp->rcv_edge = tcp->rcv_nxt;
	}
	nat_tcp_owe_ack(engine, tcp);
}

static void
run_add(NatEngine *engine, NatTcp *tcp, const Segment *s, guint32 skip)
{
	NatTcpRun *run = engine->tcp_run;

	if (run->tcp &&
	    (run->tcp != tcp || run->n_iov + JF_FRAME_MAX_IOV > NAT_RUN_IOV || s->p->is_copy))
		nat_tcp_flush_run(engine);
	if (tcp->flow.is_dead)
		return;
	if (!run->tcp) {
		run->tcp = tcp;
		run->n_iov = 0;
		run->bytes = 0;
	}
	run->n_iov +=
		nat_packet_pieces(s->p, s->data_at + skip, s->len - skip, run->iov + run->n_iov);
	run->bytes += s->len - skip;
	if (s->p->is_copy)
		nat_tcp_flush_run(engine);
}

/* What will be rcv_nxt when the run has been written. */
static guint32
expected(const NatEngine *engine, const NatTcp *tcp)
{
	return tcp->rcv_nxt + (engine->tcp_run->tcp == tcp ? engine->tcp_run->bytes : 0);
}

/* ---- An open connection ---- */

static void
take_ack(NatEngine *engine, NatTcp *tcp, guint32 ack)
{
	guint32 n = ack - tcp->snd_una;

	if (tcp->timing && nat_seq_lt(tcp->rtt_seq, ack))
		nat_tcp_measure(engine, tcp);
	tcp->snd_una = ack;
	if (nat_seq_lt(tcp->snd_nxt, ack))
		tcp->snd_nxt = ack;
	tcp->dup_acks = 0;
	tcp->tries = 0;
	/* The FIN took one number. It is the last one of all, so that it is snd_max that it ends at
	 * even while snd_nxt is back. */
	if (tcp->host_fin && ack == tcp->snd_max && tcp->fin_sent) {
		tcp->fin_acked = TRUE;
		n--;
	}
	tcp->acked += n;
	if (tcp->sacked)
		nat_tcp_ranges_trim(tcp->sacked, ack);
	if (tcp->recovering && nat_seq_le(tcp->recover, ack))
		tcp->recovering = tcp->resends = FALSE;
	/* One more hole (RFC 6582 3.2); where the guest tells what it has, that says more. */
	else if (tcp->recovering && !tcp->sack_ok)
		tcp->resends = TRUE;
	if (!tcp->sack_ok || nat_seq_lt(tcp->resent, ack))
		tcp->resent = ack;
	tcp->rto_deadline = 0;
	tcp->persisting = FALSE;
	if (tcp->snd_una != tcp->snd_max)
		nat_tcp_start_rto(engine, tcp);
}

static void
take_sack(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	guint32 len;
	const guint8 *blocks = NULL;

	if (tcp->sack_ok && s->data_at - s->p->l4 > NAT_TCP_LEN)
		blocks = find_option(s, OPTION_SACK, &len);
	if (!blocks || !nat_tcp_take_sack(tcp, blocks, len - 2))
		return;
	/* What fills a gap is on its way behind all that was sent before. */
	tcp->tries = 0;
	if (tcp->rto_deadline && tcp->snd_una != tcp->snd_max)
		nat_tcp_start_rto(engine, tcp);
}

/* FALSE: the segment goes no further. */
static gboolean
process_ack(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	guint32 wnd = s->wnd << tcp->guest_scale;

	if (!(s->flags & NAT_TCP_ACK))
		return FALSE;
	if (nat_seq_lt(tcp->snd_max, s->ack)) {
		nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
		return FALSE;
	}
	if (nat_seq_lt(s->ack, tcp->snd_una))
		return TRUE;
	if (s->ack != tcp->snd_una)
		take_ack(engine, tcp, s->ack);
	/* RFC 5681 2: nothing new, no data, the same window, and something is on its way. */
	else if (s->len == 0 && wnd == tcp->snd_wnd && !(s->flags & NAT_TCP_FIN) &&
		 tcp->snd_una != tcp->snd_max && tcp->dup_acks < G_MAXUINT8)
		tcp->dup_acks++;
	take_sack(engine, tcp, s);
	if (tcp->dup_acks || tcp->sacked)
		nat_tcp_find_loss(tcp);
	tcp->snd_wnd = wnd;
	nat_engine_set_ready(engine, &tcp->flow);
	return TRUE;
}

static void
take_urgent(NatTcp *tcp, const Segment *s, guint32 skip)
{
	/* The host's peer hears of it with the byte before the pointer (RFC 6093). */
	tcp->is_urgent = s->urgent > skip && s->urgent <= s->len;
}

/* Writes with MSG_OOB, so that the byte before the urgent pointer is marked. */
static void
write_urgent(NatEngine *engine, NatTcp *tcp, const Segment *s, guint32 skip)
{
	struct iovec iov[JF_FRAME_MAX_IOV];
	struct msghdr msg = { .msg_iov = iov };
	guint32 n = s->urgent - skip;
	ssize_t sent;

	nat_tcp_flush_run(engine);
	if (tcp->flow.is_dead)
		return;
	tcp->knows_room = FALSE;
	msg.msg_iovlen = nat_packet_pieces(s->p, s->data_at + skip, n, iov);
	sent = sendmsg(tcp->flow.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_OOB);
	if (sent > 0)
		tcp->rcv_nxt += (guint32)sent;
	nat_tcp_owe_ack(engine, tcp);
	if (sent == (ssize_t)n && s->len > s->urgent)
		run_add(engine, tcp, s, s->urgent);
}

static void
take_fin(NatEngine *engine, NatTcp *tcp, guint32 fin_seq)
{
	nat_tcp_flush_run(engine);
	if (tcp->flow.is_dead || tcp->guest_fin || tcp->rcv_nxt != fin_seq)
		return;
	tcp->guest_fin = TRUE;
	tcp->guest_first = !tcp->fin_sent;
	tcp->rcv_nxt++;
	shutdown(tcp->flow.fd, SHUT_WR);
	nat_tcp_owe_ack(engine, tcp);
	nat_engine_set_ready(engine, &tcp->flow);
}

void
nat_tcp_settle_order(NatEngine *engine, NatTcp *tcp)
{
	nat_tcp_flush_run(engine);
	if (!tcp->flow.is_dead && nat_tcp_reorder_drain(engine, tcp))
		take_fin(engine, tcp, tcp->rcv_nxt);
}

static void
out_of_order(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	jf_count(engine->count.out_of_order, 1);
	nat_tcp_flush_run(engine);
	if (tcp->flow.is_dead)
		return;
	if (!tcp->guest_fin && !(s->flags & NAT_TCP_URG)) {
		nat_tcp_reorder_keep(engine, tcp, s->p, s->data_at, s->seq, s->len);
		if (s->flags & NAT_TCP_FIN)
			nat_tcp_reorder_keep_fin(tcp, s->seq + s->len);
	}
	nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
}

static void
process_data(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	guint32 next = expected(engine, tcp), skip = 0;

	if (s->len == 0 && !(s->flags & NAT_TCP_FIN)) {
		/* A keep-alive or window probe from before the window. */
		if (nat_seq_lt(s->seq, tcp->rcv_nxt))
			nat_tcp_owe_ack(engine, tcp);
		return;
	}
	if (nat_seq_lt(next, s->seq) || tcp->guest_fin) {
		out_of_order(engine, tcp, s);
		return;
	}
	skip = next - s->seq;
	if (skip > s->len || (skip == s->len && !(s->flags & NAT_TCP_FIN))) {
		nat_tcp_owe_ack(engine, tcp);
		return;
	}
	if (s->flags & NAT_TCP_URG)
		take_urgent(tcp, s, skip);
	if (tcp->is_urgent)
		write_urgent(engine, tcp, s, skip);
	else if (skip < s->len)
		run_add(engine, tcp, s, skip);
	tcp->is_urgent = FALSE;
	if ((s->flags & NAT_TCP_FIN) && !tcp->flow.is_dead)
		take_fin(engine, tcp, s->seq + s->len);
	if (tcp->reorder)
		nat_tcp_settle_order(engine, tcp);
}

/* RFC 5961 3.2: exactly the next number, else the guest has to say it again. */
static void
process_reset(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	nat_tcp_flush_run(engine);
	if (tcp->flow.is_dead)
		return;
	if (s->seq == tcp->rcv_nxt) {
		nat_tcp_reset_host(tcp);
		nat_engine_drop_flow(engine, &tcp->flow);
	} else if (nat_seq_lt(tcp->rcv_nxt, s->seq) && nat_seq_le(s->seq, tcp->rcv_edge)) {
		nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
	}
}

static void
input_open(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	if (s->flags & NAT_TCP_RST) {
		process_reset(engine, tcp, s);
		return;
	}
	if (s->flags & NAT_TCP_SYN) {
		/* RFC 5961 4.2; also a SYN-ACK whose answer was lost. */
		nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
		return;
	}
	if (!process_ack(engine, tcp, s) || tcp->flow.is_dead)
		return;
	process_data(engine, tcp, s);
	if (!tcp->flow.is_dead)
		nat_tcp_arm(engine, tcp);
}

/* ---- The handshake ---- */

static void
become_open(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	tcp->state = NAT_TCP_OPEN;
	if (tcp->tries == 0)
		nat_tcp_measure(engine, tcp);
	tcp->snd_una = s->ack;
	tcp->tries = 0;
	tcp->rto_deadline = 0;
	tcp->snd_wnd = s->wnd << tcp->guest_scale;
	nat_tcp_arm(engine, tcp);
	nat_engine_set_ready(engine, &tcp->flow);
}

static void
input_syn_rcvd(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	if (s->flags & NAT_TCP_RST) {
		process_reset(engine, tcp, s);
	} else if ((s->flags & NAT_TCP_SYN) && s->seq == tcp->rcv_nxt - 1 &&
		   !(s->flags & NAT_TCP_ACK)) {
		nat_tcp_send_syn(engine, tcp);
	} else if ((s->flags & NAT_TCP_ACK) && s->ack != tcp->iss + 1) {
		nat_tcp_refuse(engine, s->p);
	} else if (s->flags & NAT_TCP_ACK) {
		become_open(engine, tcp, s);
		/* The guest's SYN-ACK of a simultaneous open has no more to say. */
		if (!(s->flags & NAT_TCP_SYN))
			input_open(engine, tcp, s);
	}
}

static void
input_syn_sent(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	gboolean acks_syn = (s->flags & NAT_TCP_ACK) && s->ack == tcp->iss + 1;

	if ((s->flags & NAT_TCP_ACK) && !acks_syn) {
		nat_tcp_refuse(engine, s->p);
		return;
	}
	if (s->flags & NAT_TCP_RST) {
		if (acks_syn) {
			nat_tcp_reset_host(tcp);
			nat_engine_drop_flow(engine, &tcp->flow);
		}
		return;
	}
	if (!(s->flags & NAT_TCP_SYN))
		return;
	tcp->rcv_nxt = tcp->rcv_edge = s->seq + 1;
	take_options(engine, tcp, s);
	if (acks_syn) {
		/* The window of a SYN is not scaled (RFC 7323 2.2). */
		become_open(engine, tcp, s);
		tcp->snd_wnd = s->wnd;
		nat_tcp_owe_ack(engine, tcp);
		return;
	}
	/* Simultaneous open (RFC 9293 3.5): the guest hears of its SYN with ours. */
	tcp->state = NAT_TCP_SYN_RCVD;
	nat_tcp_send_syn(engine, tcp);
}

static void
input_connecting(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	if (!(s->flags & NAT_TCP_RST) || s->seq != tcp->rcv_nxt)
		return;
	nat_tcp_reset_host(tcp);
	nat_engine_drop_flow(engine, &tcp->flow);
}

static void
begin(NatEngine *engine, const Segment *s, const NatEndpoint *guest, const NatEndpoint *remote)
{
	NatTcp *tcp;
	int fd;

	if (!nat_engine_may_add_flow(engine)) {
		nat_tcp_refuse(engine, s->p);
		return;
	}
	fd = nat_engine_socket(engine, s->p->is_v4, SOCK_STREAM, 0);
	if (fd < 0) {
		nat_tcp_refuse(engine, s->p);
		return;
	}
	nat_neighbour_learn(engine, &guest->address, s->p->head + 6);
	tcp = nat_tcp_new(engine, guest, remote, fd);
	tcp->state = NAT_TCP_CONNECTING;
	tcp->rcv_nxt = tcp->rcv_edge = s->seq + 1;
	tcp->snd_wnd = s->wnd;
	take_options(engine, tcp, s);
	note_source(engine, tcp, s->p);
	nat_tcp_connect(engine, s->p, tcp, remote);
}

static void
input_none(NatEngine *engine, const Segment *s, const NatEndpoint *guest, const NatEndpoint *remote)
{
	if (s->flags & NAT_TCP_RST)
		return;
	if ((s->flags & (NAT_TCP_SYN | NAT_TCP_ACK | NAT_TCP_FIN)) == NAT_TCP_SYN && guest->port &&
	    remote->port && !nat_address_is_multicast(&remote->address) &&
	    !nat_is_broadcast(engine, &remote->address))
		begin(engine, s, guest, remote);
	else
		nat_tcp_refuse(engine, s->p);
}

static void
input_time_wait(NatEngine *engine, NatTcp *tcp, const Segment *s)
{
	NatEndpoint guest = tcp->flow.guest, remote = tcp->flow.remote;

	if (s->flags & NAT_TCP_RST) {
		if (s->seq == tcp->rcv_nxt)
			nat_engine_drop_flow(engine, &tcp->flow);
	} else if ((s->flags & (NAT_TCP_SYN | NAT_TCP_ACK)) == NAT_TCP_SYN) {
		nat_engine_drop_flow(engine, &tcp->flow);
		input_none(engine, s, &guest, &remote);
	} else if (s->len || (s->flags & NAT_TCP_FIN)) {
		nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
	}
}

void
nat_tcp_input(NatEngine *engine, const NatPacket *p)
{
	NatEndpoint guest = { p->src, jf_get_be16(p->head + p->l4) };
	NatEndpoint remote = { p->dst, jf_get_be16(p->head + p->l4 + 2) };
	Segment s;
	NatTcp *tcp;

	if (!segment_parse(&s, p)) {
		jf_count(engine->count.malformed, 1);
		return;
	}
	tcp = (NatTcp *)nat_flow_find(&engine->flows, NAT_FLOW_TCP, &guest, &remote);
	if (!tcp) {
		input_none(engine, &s, &guest, &remote);
		return;
	}
	note_source(engine, tcp, p);
	switch (tcp->state) {
	case NAT_TCP_CONNECTING:
		input_connecting(engine, tcp, &s);
		break;
	case NAT_TCP_SYN_SENT:
		input_syn_sent(engine, tcp, &s);
		break;
	case NAT_TCP_SYN_RCVD:
		input_syn_rcvd(engine, tcp, &s);
		break;
	case NAT_TCP_OPEN:
		input_open(engine, tcp, &s);
		break;
	default:
		input_time_wait(engine, tcp, &s);
	}
}
