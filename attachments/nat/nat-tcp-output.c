/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tcp-output.c - segments to the guest.
 *
 * Data is peeked from the host's socket, from where the last peek ended (SO_PEEK_OFF; where the
 * kernel has that for Unix sockets only, what was peeked before is read over into a bin), several
 * large frames at once. A frame that the guest does not take is forgotten: it is in the socket still.
 */
#include "nat-tcp.h"

#include <errno.h>
#include <unistd.h>

#define TTL 64u
#define CSUM_OFFSET 16u
#define BIN_IOV_MAX 512u
#define WINDOW_MAX 65535u
#define WINDOW_STEP 1024u
#define TIME_WAIT (2 * NAT_SEC)
#define SYN_OPTIONS_MAX 12u

/* Ethernet, IP and TCP header of a segment with `len` bytes of data and `options_len` of options,
 * which the caller has put, or will put, behind it. */
static guint32
put_headers(NatEngine *engine, NatTcp *tcp, guint8 *head, guint32 seq, guint8 flags, guint16 window,
	    guint32 options_len, guint32 len)
{
	const NatAddress *src = &tcp->flow.remote.address, *dst = &tcp->flow.guest.address;
	guint32 tcp_len = NAT_TCP_LEN + options_len;
	guint32 at = nat_output_headers(engine, head, tcp->flow.mac, src, dst, IPPROTO_TCP, TTL,
					tcp_len + len);
	guint16 sum = jf_csum_fold(nat_pseudo_sum(src, dst, IPPROTO_TCP, tcp_len + len));
	guint8 *b = head + at;

	jf_put_be16(b, tcp->flow.remote.port);
	jf_put_be16(b + 2, tcp->flow.guest.port);
	jf_put_be32(b + 4, seq);
	jf_put_be32(b + 8, flags & NAT_TCP_ACK ? tcp->rcv_nxt : 0);
	b[12] = (guint8)(tcp_len / 4 << 4);
	b[13] = flags;
	jf_put_be16(b + 14, window);
	memcpy(b + CSUM_OFFSET, &sum, 2);
	jf_put_be16(b + 18, 0);
	return at;
}

static void
set_frame(JfFrame *frame, guint32 at, guint32 tcp_len, guint32 len)
{
	frame->len = at + tcp_len + len;
	frame->flags = JF_FRAME_NEEDS_CSUM;
	frame->hdr_len = (guint16)(at + tcp_len);
	frame->csum_start = (guint16)at;
	frame->csum_offset = CSUM_OFFSET;
}

/* The window to offer, as it goes into a header. The right edge never moves back (RFC 9293 3.8.6);
 * too little room is none (silly windows, 3.8.6.2.2). The socket is asked only when something has
 * changed that is known of: a write, or its word that there is room. */
static guint16
offer_window(NatEngine *engine, NatTcp *tcp, guint8 scale)
{
	guint32 left = tcp->rcv_edge - tcp->rcv_nxt, room = left, units;
	guint32 limit = engine->config->receive_window;

	/* What the guest sent beyond the edge leaves nothing of it. */
	if (nat_seq_lt(tcp->rcv_edge, tcp->rcv_nxt))
		left = room = 0;
	if (!tcp->knows_room)
		room = nat_tcp_room(tcp);
	tcp->knows_room = TRUE;
	if (limit)
		room = MIN(room, limit);
	if (room < left || room - left < MIN(tcp->mss, WINDOW_STEP))
		room = left + (1u << scale) - 1;
	units = MIN(room >> scale, WINDOW_MAX);
	tcp->rcv_edge = tcp->rcv_nxt + (units << scale);
	return (guint16)units;
}

static gboolean
find_mac(NatEngine *engine, NatTcp *tcp)
{
	const guint8 *mac;

	if (tcp->flow.has_mac)
		return TRUE;
	mac = nat_neighbour_find(engine, &tcp->flow.guest.address);
	if (!mac)
		return FALSE;
	memcpy(tcp->flow.mac, mac, 6);
	tcp->flow.has_mac = TRUE;
	return TRUE;
}

void
nat_tcp_send_flags(NatEngine *engine, NatTcp *tcp, guint32 seq, guint8 flags)
{
	guint8 options[NAT_TCP_SACK_LEN];
	NatSlot *slot;
	JfFrame *frame;
	guint32 at, options_len = 0;
	guint16 window;

	if (!find_mac(engine, tcp))
		return;
	window = flags & NAT_TCP_RST || tcp->state == NAT_TCP_TIME_WAIT || tcp->guest_fin
			 ? 0
			 : offer_window(engine, tcp, tcp->our_scale);
	frame = nat_output_slot(engine, &slot);
	if (tcp->reorder && tcp->sack_ok)
		options_len = nat_tcp_reorder_put_sack(tcp, options);
	at = put_headers(engine, tcp, slot->head, seq, flags, window, options_len, 0);
	memcpy(slot->head + at + NAT_TCP_LEN, options, options_len);
	slot->iov[0] = (struct iovec){ slot->head, at + NAT_TCP_LEN + options_len };
	set_frame(frame, at, NAT_TCP_LEN + options_len, 0);
}

/* MSS, and what the guest offered too; all of it in a SYN of our own. */
static guint32
put_syn_options(NatEngine *engine, const NatTcp *tcp, gboolean all, guint8 *options)
{
	gboolean v4 = nat_address_is_v4(&tcp->flow.guest.address);
	guint32 headers = (v4 ? NAT_IPV4_LEN : NAT_IPV6_LEN) + NAT_TCP_LEN, len = 4;

	memcpy(options, "\2\4", 2);
	jf_put_be16(options + 2, (guint16)(engine->config->mtu - headers));
	if (all || tcp->our_scale) {
		memcpy(options + len, "\1\3\3", 3);
		options[len + 3] = NAT_TCP_WINDOW_SCALE;
		len += 4;
	}
	if (all || tcp->sack_ok) {
		memcpy(options + len, "\1\1\4\2", 4);
		len += 4;
	}
	return len;
}

/* SYN, or SYN and ACK in answer to the guest's. */
void
nat_tcp_send_syn(NatEngine *engine, NatTcp *tcp)
{
	gboolean answers = tcp->state == NAT_TCP_SYN_RCVD;
	guint8 flags = NAT_TCP_SYN | (answers ? NAT_TCP_ACK : 0);
	guint8 options[SYN_OPTIONS_MAX];
	guint32 options_len, at;
	JfFrame *frame;
	NatSlot *slot;

	tcp->snd_nxt = tcp->snd_max = tcp->iss + 1;
	tcp->rtt_start = engine->now;
	if (!find_mac(engine, tcp))
		return;
	options_len = put_syn_options(engine, tcp, !answers, options);
	frame = nat_output_slot(engine, &slot);
	at = put_headers(engine, tcp, slot->head, tcp->iss, flags,
			 answers ? offer_window(engine, tcp, 0) : WINDOW_MAX, options_len, 0);
	memcpy(slot->head + at + NAT_TCP_LEN, options, options_len);
	slot->iov[0] = (struct iovec){ slot->head, at + NAT_TCP_LEN + options_len };
	set_frame(frame, at, NAT_TCP_LEN + options_len, 0);
}

void
nat_tcp_refuse(NatEngine *engine, const NatPacket *p)
{
	const guint8 *tcp = p->head + p->l4;
	guint32 len = p->end - p->l4 - (tcp[12] >> 4) * 4u;
	NatTcp from_nowhere = {
		.flow = { .guest = { p->src, jf_get_be16(tcp) },
			  .remote = { p->dst, jf_get_be16(tcp + 2) },
			  .has_mac = TRUE },
	};

	if (tcp[13] & NAT_TCP_RST || !nat_is_guest(engine, &p->src) ||
	    nat_address_is_multicast(&p->dst) || nat_is_broadcast(engine, &p->dst))
		return;
	memcpy(from_nowhere.flow.mac, p->head + 6, 6);
	if (tcp[13] & NAT_TCP_ACK) {
		nat_tcp_send_flags(engine, &from_nowhere, jf_get_be32(tcp + 8), NAT_TCP_RST);
		return;
	}
	from_nowhere.rcv_nxt = jf_get_be32(tcp + 4) + len + (tcp[13] & NAT_TCP_SYN ? 1 : 0) +
			       (tcp[13] & NAT_TCP_FIN ? 1 : 0);
	nat_tcp_send_flags(engine, &from_nowhere, 0, NAT_TCP_RST | NAT_TCP_ACK);
}

/* ---- Acknowledgements, one for each connection and turn ---- */

void
nat_tcp_owe_ack(NatEngine *engine, NatTcp *tcp)
{
	tcp->owes_ack = TRUE;
	if (tcp->in_acks)
		return;
	tcp->in_acks = TRUE;
	tcp->ack_next = engine->acks;
	engine->acks = tcp;
}

/* After a short write the guest is told three times more where it has to go on: it retransmits at
 * once (RFC 5681 3.2) instead of after a timeout. */
static void
send_ack(NatEngine *engine, NatTcp *tcp)
{
	nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
	for (guint i = 0; i < 3 && tcp->dropped && tcp->rcv_edge != tcp->rcv_nxt; i++)
		nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
	tcp->dropped = tcp->dropped && tcp->rcv_edge == tcp->rcv_nxt;
	if (tcp->wants_room && !tcp->rewatched && tcp->flow.fd >= 0) {
		tcp->rewatched = TRUE;
		nat_engine_rewatch(engine, &tcp->flow, NAT_TCP_EVENTS);
	}
}

void
nat_tcp_flush_acks(NatEngine *engine)
{
	NatTcp **link = &engine->acks;

	while (*link) {
		NatTcp *tcp = *link;

		if (engine->blocked && !tcp->flow.is_dead) {
			link = &tcp->ack_next;
			continue;
		}
		*link = tcp->ack_next;
		tcp->in_acks = FALSE;
		if (tcp->owes_ack && !tcp->flow.is_dead)
			send_ack(engine, tcp);
		tcp->owes_ack = FALSE;
	}
}

/* ---- Data ---- */

/* Payload of one frame: whole segments, as many as an IP packet holds. */
static guint32
frame_payload(const NatTcp *tcp)
{
	guint32 headers =
		NAT_TCP_LEN + (nat_address_is_v4(&tcp->flow.guest.address) ? NAT_IPV4_LEN : 0);
	guint32 most = 65535u - headers;

	return most - most % tcp->mss;
}

/* Where the next peek begins. FALSE: the socket cannot do it. */
static gboolean
set_peek_offset(NatTcp *tcp, guint32 offset)
{
	int value = (int)offset;

	if (tcp->peeked == offset && (tcp->has_peek_off || offset == 0))
		return TRUE;
	if (tcp->no_peek_off ||
	    setsockopt(tcp->flow.fd, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof value) < 0) {
		tcp->no_peek_off = TRUE;
		return offset == 0;
	}
	tcp->has_peek_off = TRUE;
	tcp->peeked = offset;
	return TRUE;
}

/* Peeks up to `want` bytes from `offset` of what the socket holds into pieces of `chunk` bytes. As
 * recv: the number of bytes, 0 at the end of the stream, -1 with errno. */
static gssize
peek(NatEngine *engine, NatTcp *tcp, guint32 offset, guint32 want, guint32 chunk)
{
	struct iovec iov[BIN_IOV_MAX + NAT_PIECES];
	struct msghdr msg = { .msg_iov = iov };
	guint32 skip = set_peek_offset(tcp, offset) ? 0 : offset;
	guint8 *bin = engine->pieces + (NAT_PIECES - 1) * NAT_PIECE_MAX;
	gssize n;

	/* The last piece is the bin. */
	if (skip)
		want = MIN(want, chunk * (NAT_PIECES - 1));
	for (guint32 left = skip; left && msg.msg_iovlen < BIN_IOV_MAX;) {
		guint32 part = MIN(left, NAT_PIECE_MAX);

		iov[msg.msg_iovlen++] = (struct iovec){ bin, part };
		left -= part;
	}
	for (guint32 i = 0, left = want; left; i++) {
		guint32 part = MIN(left, chunk);

		iov[msg.msg_iovlen++] = (struct iovec){ engine->pieces + i * NAT_PIECE_MAX, part };
		left -= part;
	}
	do {
		n = recvmsg(tcp->flow.fd, &msg, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && tcp->has_peek_off)
		tcp->peeked += (guint32)n;
	if (n <= 0 || skip == 0)
		return n;
	if ((guint32)n > skip)
		return n - skip;
	if (tcp->host_fin || tcp->hup)
		return 0;
	errno = EAGAIN;
	return -1;
}

/* The urgent byte is the next one: the pointer is behind it (RFC 6093 3.1). */
static void
set_urgent(guint8 *head, guint32 l4, guint32 len)
{
	head[l4 + 13] |= NAT_TCP_URG;
	jf_put_be16(head + l4 + 18, (guint16)(len + 1));
}

/* Frames of what was peeked, from `seq` on; returns the number of bytes that were taken. `last`: flags
 * of the last one, PSH when no more is there now. */
static guint32
send_pieces(NatEngine *engine, NatTcp *tcp, guint32 seq, guint32 n, guint32 chunk, guint8 last)
{
	guint8 heads[NAT_PIECES][96];
	struct iovec iov[NAT_PIECES][2];
	JfFrame frames[NAT_PIECES];
	guint16 window = offer_window(engine, tcp, tcp->our_scale);
	guint count = 0, taken;
	gboolean v4 = nat_address_is_v4(&tcp->flow.guest.address);

	for (guint32 at = 0; at < n; at += chunk, count++) {
		guint32 len = MIN(chunk, n - at), l4;
		guint8 flags = NAT_TCP_ACK | (at + len == n ? last : 0);
		JfFrame *frame = &frames[count];

		*frame = (JfFrame){ .iov = iov[count], .n_iov = 2 };
		l4 = put_headers(engine, tcp, heads[count], seq + at, flags, window, 0, len);
		/* A peek ends in front of an urgent byte. */
		if (last && tcp->host_urgent && at + len == n && len < tcp->mss)
			set_urgent(heads[count], l4, len);
		iov[count][0] = (struct iovec){ heads[count], l4 + NAT_TCP_LEN };
		iov[count][1] = (struct iovec){ engine->pieces + count * NAT_PIECE_MAX, len };
		set_frame(frame, l4, NAT_TCP_LEN, len);
		if (len > tcp->mss) {
			frame->gso_type = v4 ? JF_GSO_TCPV4 : JF_GSO_TCPV6;
			frame->gso_size = tcp->mss;
		}
	}
	taken = nat_output(engine, frames, count);
	/* It acknowledged, too; but a socket without room is to be watched. */
	if (taken && !tcp->wants_room)
		tcp->owes_ack = FALSE;
	return MIN(taken * chunk, n);
}

static void
advance(NatEngine *engine, NatTcp *tcp, guint32 n)
{
	gboolean is_new = tcp->snd_nxt == tcp->snd_max;

	tcp->snd_nxt += n;
	if (nat_seq_lt(tcp->snd_max, tcp->snd_nxt))
		tcp->snd_max = tcp->snd_nxt;
	/* Karn: what was sent twice says nothing of the round trip. */
	if (is_new && !tcp->timing) {
		tcp->timing = TRUE;
		tcp->rtt_start = engine->now;
		tcp->rtt_seq = tcp->snd_nxt - 1;
	}
	if (!tcp->rto_deadline || tcp->persisting)
		nat_tcp_start_rto(engine, tcp);
	tcp->persisting = FALSE;
	tcp->persists = 0;
}

static void
send_fin(NatEngine *engine, NatTcp *tcp)
{
	tcp->host_fin = TRUE;
	tcp->readable = tcp->hup = FALSE;
	if (tcp->fin_sent && tcp->snd_nxt == tcp->snd_max)
		return;
	nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_FIN | NAT_TCP_ACK);
	tcp->owes_ack = FALSE;
	tcp->fin_sent = TRUE;
	advance(engine, tcp, 1);
}

static void
end_with_data(NatEngine *engine, NatTcp *tcp, guint32 n)
{
	tcp->host_fin = tcp->fin_sent = TRUE;
	tcp->readable = tcp->hup = FALSE;
	advance(engine, tcp, n + 1);
}

/* How much may be sent now. */
static guint32
send_room(NatEngine *engine, const NatTcp *tcp, guint32 chunk)
{
	guint32 wnd = tcp->snd_wnd, in_flight = tcp->snd_nxt - tcp->snd_una, room;

	if (engine->config->send_window)
		wnd = MIN(wnd, engine->config->send_window);
	/* After a timeout, one frame until the guest is heard of. */
	if (tcp->tries)
		wnd = MIN(wnd, chunk);
	if (in_flight >= wnd)
		return 0;
	room = wnd - in_flight;
	if (room >= tcp->mss)
		return room - room % tcp->mss;
	return in_flight ? 0 : room;
}

/* FALSE: nothing more to be done now. */
static gboolean
push_once(NatEngine *engine, NatTcp *tcp, guint *budget)
{
	guint32 chunk = frame_payload(tcp), offset = tcp->snd_nxt - tcp->snd_una, sent;
	guint32 want = send_room(engine, tcp, chunk);
	guint8 last = 0;
	gssize n;

	want = MIN(want, chunk * MIN(NAT_PIECES, *budget));
	if (want == 0 || (tcp->fin_sent && tcp->snd_nxt == tcp->snd_max))
		return FALSE;
	n = peek(engine, tcp, offset, want, chunk);
	if (n == 0) {
		send_fin(engine, tcp);
		return FALSE;
	}
	if (n < 0) {
		tcp->readable = tcp->host_urgent = FALSE;
		if (errno != EAGAIN)
			nat_tcp_abort(engine, tcp);
		return FALSE;
	}
	/* All that there is, and the host has said that no more comes: that is told with it. */
	if (n < (gssize)want)
		last = NAT_TCP_PSH | (tcp->hup && !tcp->host_urgent ? NAT_TCP_FIN : 0);
	sent = send_pieces(engine, tcp, tcp->snd_nxt, (guint32)n, chunk, last);
	if (sent == (guint32)n && (last & NAT_TCP_FIN)) {
		end_with_data(engine, tcp, sent);
		return FALSE;
	}
	*budget -= MIN(*budget, (sent + chunk - 1) / chunk);
	if (sent)
		advance(engine, tcp, sent);
	/* What came since the peek makes the socket ready anew. */
	if ((guint32)n < want && sent == (guint32)n)
		tcp->readable = tcp->hup || tcp->host_urgent;
	return sent == (guint32)n;
}

/* Drops from the socket what the guest has. FALSE: the connection is gone. */
static gboolean
discard_acked(NatEngine *engine, NatTcp *tcp)
{
	while (tcp->acked) {
		gssize n = recv(tcp->flow.fd, NULL, tcp->acked, MSG_TRUNC | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			nat_tcp_abort(engine, tcp);
			return FALSE;
		}
		tcp->acked -= (guint32)n;
		if (tcp->has_peek_off)
			tcp->peeked -= MIN(tcp->peeked, (guint32)n);
	}
	return TRUE;
}

/* Both have ended. Where the host was first, the guest's last FIN may come again (RFC 9293 3.6.1):
 * the socket goes, the memory of it stays a while. */
static gboolean
finish_if_done(NatEngine *engine, NatTcp *tcp)
{
	if (!tcp->fin_acked || !tcp->guest_fin)
		return FALSE;
	if (tcp->owes_ack)
		nat_tcp_send_flags(engine, tcp, tcp->snd_nxt, NAT_TCP_ACK);
	tcp->owes_ack = FALSE;
	if (tcp->guest_first) {
		nat_engine_drop_flow(engine, &tcp->flow);
		return TRUE;
	}
	close(tcp->flow.fd);
	tcp->flow.fd = -1;
	nat_tcp_clear(engine, tcp);
	tcp->state = NAT_TCP_TIME_WAIT;
	nat_flow_arm(engine, &tcp->flow, engine->now + TIME_WAIT);
	return TRUE;
}

/* Sends a part of a hole again. FALSE: nothing more of that can be done now. */
static gboolean
fill_hole(NatEngine *engine, NatTcp *tcp, guint *budget)
{
	guint32 chunk = frame_payload(tcp), end, sent;
	NatTcpRange hole;
	gssize n;

	if (!nat_tcp_find_hole(tcp, chunk, &hole))
		return FALSE;
	tcp->timing = FALSE;
	nat_tcp_start_rto(engine, tcp);
	end = tcp->snd_max - (tcp->fin_sent && !tcp->fin_acked ? 1 : 0);
	if (nat_seq_le(end, hole.from)) {
		nat_tcp_send_flags(engine, tcp, hole.from, NAT_TCP_FIN | NAT_TCP_ACK);
		tcp->resent = hole.from + 1;
		return FALSE;
	}
	if (nat_seq_lt(end, hole.to))
		hole.to = end;
	n = peek(engine, tcp, hole.from - tcp->snd_una,
		 MIN(hole.to - hole.from, chunk * MIN(NAT_PIECES, *budget)), chunk);
	if (n <= 0)
		return FALSE;
	sent = send_pieces(engine, tcp, hole.from, (guint32)n, chunk, 0);
	tcp->resent = hole.from + sent;
	tcp->resent_max = tcp->snd_max;
	jf_count(engine->count.retransmits, (sent + chunk - 1) / chunk);
	*budget -= MIN(*budget, (sent + chunk - 1) / chunk);
	/* What was refused follows when there is room. */
	return tcp->sack_ok || sent < (guint32)n;
}

void
nat_tcp_turn(NatEngine *engine, NatTcp *tcp, guint *budget)
{
	if (tcp->state != NAT_TCP_OPEN || !discard_acked(engine, tcp) ||
	    finish_if_done(engine, tcp))
		return;
	while (tcp->resends && !engine->blocked && *budget)
		tcp->resends = fill_hole(engine, tcp, budget);
	while (!engine->blocked && *budget && !tcp->flow.is_dead && find_mac(engine, tcp) &&
	       (tcp->readable || tcp->snd_nxt != tcp->snd_max)) {
		if (!push_once(engine, tcp, budget))
			break;
	}
	if (tcp->flow.is_dead)
		return;
	if (engine->blocked || (*budget == 0 && (tcp->readable || tcp->resends)))
		nat_engine_set_ready(engine, &tcp->flow);
	nat_tcp_arm(engine, tcp);
}
