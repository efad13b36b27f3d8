/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-tcp.c - the test guest's TCP: in order, no retransmission, a window of 65535. */
#include "guest-tcp.h"

#include <jackfield/util.h>
#include <netinet/in.h>
#include <string.h>

#define ETH_LEN 14u
#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define ACK 0x10u
#define LARGE_MAX 60000u
#define ISN 0xfffff000u /* the sequence number wraps early on */

/* `bytes` of the pattern from `offset`, behind a header with these flags. */
static void
tcp_send_segment(NatTcp *tcp, guint8 flags, guint64 offset, guint32 bytes)
{
	NatGuest *g = tcp->g;
	guint32 pad = g->odd_options ? 1 : 0;
	guint32 header_len = 20 + ((flags & SYN) && tcp->mss ? 4 + pad * 4 : 0);
	g_autofree guint8 *frame = g_malloc0(ETH_LEN + 40 + header_len + bytes);
	guint32 at =
		nat_guest_put_ip(g, frame, tcp->version, tcp->to, IPPROTO_TCP, header_len + bytes);
	guint8 *header = frame + at;
	gboolean large = bytes > tcp->peer_mss && tcp->peer_mss;
	guint64 pseudo = nat_guest_pseudo_sum(frame + ETH_LEN, IPPROTO_TCP, header_len + bytes);
	struct iovec piece = { frame, at + header_len + bytes };
	JfFrame f = jf_frame_plain(&piece);
	guint16 sum;

	jf_put_be16(header, tcp->port);
	jf_put_be16(header + 2, tcp->to_port);
	jf_put_be32(header + 4, tcp->snd_nxt);
	jf_put_be32(header + 8, flags & ACK ? tcp->rcv_nxt : 0);
	header[12] = (guint8)(header_len / 4 << 4);
	header[13] = flags;
	jf_put_be16(header + 14, 65535);
	if (header_len > 20) {
		header[20] = 1;
		header[20 + pad] = 2;
		header[21 + pad] = 4;
		jf_put_be16(header + 22 + pad, tcp->mss);
	}
	nat_pattern_fill(header + header_len, bytes, offset);
	if (g->offload) {
		sum = jf_csum_fold(pseudo);
		f.flags = JF_FRAME_NEEDS_CSUM;
		f.csum_start = (guint16)at;
		f.csum_offset = 16;
	} else {
		sum = ~jf_csum_fold(jf_csum_add(pseudo, header, header_len + bytes));
	}
	memcpy(header + 16, &sum, 2);
	if (large) {
		f.gso_type = tcp->version == 4 ? JF_GSO_TCPV4 : JF_GSO_TCPV6;
		f.gso_size = tcp->peer_mss;
		f.hdr_len = (guint16)(at + header_len);
	}
	g_assert_cmpuint(jf_harness_push(g->h, 0, &f, 1), ==, 1);
	tcp->snd_nxt += bytes + ((flags & (SYN | FIN)) ? 1 : 0);
	tcp->ack_due = FALSE;
}

static NatTcp *
tcp_new(NatGuest *g, guint16 port, guint16 mss)
{
	NatTcp *tcp = g_new0(NatTcp, 1);

	tcp->g = g;
	tcp->port = port;
	tcp->mss = mss;
	tcp->snd_una = tcp->snd_nxt = ISN;
	return tcp;
}

NatTcp *
nat_tcp_connect(NatGuest *g, guint version, const guint8 *to, guint16 to_port, guint16 mss)
{
	NatTcp *tcp = tcp_new(g, g->next_port++, mss);

	tcp->version = version;
	memcpy(tcp->to, to, version == 4 ? 4 : 16);
	tcp->to_port = to_port;
	g_ptr_array_add(g->tcps, tcp);
	tcp_send_segment(tcp, SYN, 0, 0);
	return tcp;
}

NatTcp *
nat_tcp_listen(NatGuest *g, guint16 port, guint16 mss)
{
	g_assert_null(g->listener);
	g->listener = tcp_new(g, port, mss);
	return g->listener;
}

void
nat_tcp_send(NatTcp *tcp, guint64 bytes)
{
	tcp->to_send += bytes;
}

void
nat_tcp_close(NatTcp *tcp)
{
	g_assert_cmpuint(tcp->sent, ==, tcp->to_send);
	tcp_send_segment(tcp, FIN | ACK, 0, 0);
	tcp->fin_sent = TRUE;
}

static void
tcp_push(NatTcp *tcp)
{
	NatGuest *g = tcp->g;
	guint32 segment = g->offload ? LARGE_MAX : tcp->peer_mss;

	while (tcp->established && !tcp->reset && tcp->sent < tcp->to_send) {
		guint32 in_flight = tcp->snd_nxt - tcp->snd_una;
		guint32 room = tcp->snd_wnd > in_flight ? tcp->snd_wnd - in_flight : 0;
		guint32 bytes = (guint32)MIN(MIN(segment, room), tcp->to_send - tcp->sent);

		/* No small segments for a window that is about to open. */
		if (bytes == 0 ||
		    (bytes < segment && in_flight > 0 && tcp->to_send - tcp->sent > bytes))
			return;
		tcp_send_segment(tcp, ACK, tcp->sent, bytes);
		tcp->sent += bytes;
	}
}

void
nat_tcp_turn(NatGuest *g)
{
	for (guint i = 0; i < g->tcps->len; i++) {
		NatTcp *tcp = g->tcps->pdata[i];

		tcp_push(tcp);
		if (tcp->ack_due)
			tcp_send_segment(tcp, ACK, 0, 0);
	}
}

static NatTcp *
tcp_find(NatGuest *g, const guint8 *from, guint version, const guint8 *header)
{
	for (guint i = 0; i < g->tcps->len; i++) {
		NatTcp *tcp = g->tcps->pdata[i];

		if (tcp->version == version && tcp->port == jf_get_be16(header + 2) &&
		    tcp->to_port == jf_get_be16(header) &&
		    memcmp(tcp->to, from, version == 4 ? 4 : 16) == 0)
			return tcp;
	}
	return NULL;
}

static NatTcp *
tcp_accept(NatGuest *g, const guint8 *from, guint version, const guint8 *header)
{
	NatTcp *tcp = g->listener;

	if (!tcp || header[13] != SYN || tcp->port != jf_get_be16(header + 2))
		return NULL;
	g->listener = NULL;
	tcp->version = version;
	memcpy(tcp->to, from, version == 4 ? 4 : 16);
	tcp->to_port = jf_get_be16(header);
	g_ptr_array_add(g->tcps, tcp);
	return tcp;
}

static void
tcp_take_syn(NatTcp *tcp, const guint8 *header)
{
	tcp->rcv_nxt = jf_get_be32(header + 4) + 1;
	if ((header[12] >> 4) > 5 && header[20] == 2)
		tcp->peer_mss = jf_get_be16(header + 22);
	if (header[13] & ACK) {
		/* An answer to somebody else's SYN: a hostile test forged one from this port. */
		tcp->reset = jf_get_be32(header + 8) != ISN + 1;
		if (tcp->reset)
			return;
		tcp->established = TRUE;
		tcp->ack_due = TRUE;
	} else {
		tcp_send_segment(tcp, SYN | ACK, 0, 0);
	}
}

static void
tcp_take_data(NatTcp *tcp, const guint8 *header, const guint8 *data, guint32 bytes)
{
	gboolean fin = (header[13] & FIN) != 0;

	if (bytes == 0 && !fin)
		return;
	tcp->ack_due = TRUE;
	/* A window probe or a timer that fired late says again what is here already. */
	if ((gint32)(jf_get_be32(header + 4) - tcp->rcv_nxt) < 0)
		return;
	g_assert_cmphex(jf_get_be32(header + 4), ==, tcp->rcv_nxt);
	g_assert_true(nat_pattern_check(data, bytes, tcp->received));
	tcp->received += bytes;
	tcp->rcv_nxt += bytes + fin;
	tcp->fin_received |= fin;
}

void
nat_tcp_take(NatGuest *g, const guint8 *frame, guint32 len, gboolean large)
{
	const guint8 *ip = frame + ETH_LEN;
	guint version = ip[0] >> 4;
	const guint8 *from = version == 4 ? ip + 12 : ip + 8;
	const guint8 *header = version == 4 ? ip + 20 : ip + 40;
	guint32 header_len = (header[12] >> 4) * 4u;
	guint32 bytes = len - (guint32)(header - frame) - header_len;
	NatTcp *tcp = tcp_find(g, from, version, header);

	if (!tcp)
		tcp = tcp_accept(g, from, version, header);
	if (!tcp)
		return;
	/* A segment, cut or to be cut, is never longer than what the guest announced. */
	if (bytes > 0)
		g_assert_cmpuint(large ? g->gso_size : bytes, <=, tcp->mss ? tcp->mss : 536);
	tcp->large += large;
	if (header[13] & RST) {
		tcp->reset = TRUE;
		return;
	}
	tcp->snd_wnd = jf_get_be16(header + 14);
	if (header[13] & SYN) {
		if (header[13] & ACK)
			tcp->snd_una = jf_get_be32(header + 8);
		tcp_take_syn(tcp, header);
		return;
	}
	tcp->established = TRUE;
	tcp->snd_una = jf_get_be32(header + 8);
	tcp_take_data(tcp, header, header + header_len, bytes);
}
