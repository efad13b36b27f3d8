/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-csum.c - what a receive descriptor says of IP, TCP and UDP checksums. SDM 3.2.9.
 *
 * Ethernet II and SNAP, with or without a tag; IPv4 with options; IPv6 without extension headers
 * (not on the 82543GC). Fragments have no transport checksum that could be looked at.
 */
#include "e1000.h"

#define ETH_IPV4 0x0800u
#define ETH_IPV6 0x86ddu
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u

/* A frame's network header. */
typedef struct Layers {
	const guint8 *head;
	guint32 head_len;
	guint32 l3, l4;
	guint32 l4_len;
	guint8 protocol;
	guint64 pseudo;
} Layers;

/* The type, behind one tag and SNAP; 0: neither. */
static guint16
find_l3(const E1000 *e, Layers *l)
{
	guint32 at = 12;
	guint16 type;

	if (jf_get_be16(l->head + at) == e1000_get(e, E1000_VET))
		at += E1000_TAG_LEN;
	if (l->head_len - at < 10)
		return 0;
	type = jf_get_be16(l->head + at);
	if (type <= 1500 && jf_get_be32(l->head + at + 2) == 0xaaaa0300 &&
	    jf_get_be16(l->head + at + 6) == 0) {
		at += 8;
		type = jf_get_be16(l->head + at);
	}
	l->l3 = at + 2;
	return type;
}

/* FALSE: no IPv4 header. A fragment has no protocol here. */
static gboolean
parse_ipv4(Layers *l, guint32 frame_len)
{
	const guint8 *ip = l->head + l->l3;
	guint32 header, total;

	if (l->head_len - l->l3 < 20 || ip[0] >> 4 != 4)
		return FALSE;
	header = (ip[0] & 0xfu) * 4;
	total = jf_get_be16(ip + 2);
	if (header < 20 || header > l->head_len - l->l3)
		return FALSE;
	if (total < header || total > frame_len - l->l3 || (jf_get_be16(ip + 6) & 0x3fff))
		return TRUE;
	l->protocol = ip[9];
	l->l4 = l->l3 + header;
	l->l4_len = total - header;
	l->pseudo = jf_csum_add(0, ip + 12, 8);
	return TRUE;
}

static gboolean
parse_ipv6(Layers *l, guint32 frame_len)
{
	const guint8 *ip = l->head + l->l3;
	guint32 len;

	if (l->head_len - l->l3 < 40 || ip[0] >> 4 != 6)
		return FALSE;
	len = jf_get_be16(ip + 4);
	if (len > frame_len - l->l3 - 40)
		return TRUE;
	l->protocol = ip[6];
	l->l4 = l->l3 + 40;
	l->l4_len = len;
	l->pseudo = jf_csum_add(0, ip + 8, 32);
	return TRUE;
}

static gboolean
transport_is_good(const Layers *l, const JfFrame *frame)
{
	guint8 tail[4] = { 0, l->protocol };

	jf_put_be16(tail + 2, (guint16)l->l4_len);
	return jf_csum_fold(jf_csum_frame(jf_csum_add(l->pseudo, tail, 4), frame, l->l4,
					  l->l4_len)) == 0xffff;
}

/* A datagram with checksum 0 has none. A sum that the sender left open is made on the way. */
static guint16
judge_transport(const Layers *l, const JfFrame *frame)
{
	gboolean is_udp = l->protocol == PROTOCOL_UDP;
	guint16 sum;

	if (l->protocol != PROTOCOL_TCP && !is_udp)
		return 0;
	if (l->l4_len < (is_udp ? 8u : 20u))
		return 0;
	if (frame->flags & (JF_FRAME_NEEDS_CSUM | JF_FRAME_CSUM_VALID))
		return RXD_TCPCS;
	if (is_udp && (!jf_frame_copy(frame, l->l4 + 6, &sum, sizeof sum) || sum == 0))
		return 0;
	return RXD_TCPCS | (transport_is_good(l, frame) ? 0 : RXD_TCPE);
}

guint16
e1000_rx_csum(const E1000 *e, const JfFrame *frame, const guint8 *head, guint32 head_len)
{
	guint32 rxcsum = e1000_get(e, E1000_RXCSUM);
	Layers l = { .head = head, .head_len = head_len };
	guint16 type, result = 0;

	if (!(rxcsum & (RXCSUM_IPOFLD | RXCSUM_TUOFLD)))
		return RXD_IXSM;
	type = find_l3(e, &l);
	if (type == ETH_IPV4 && parse_ipv4(&l, frame->len)) {
		const guint8 *ip = head + l.l3;

		if (rxcsum & RXCSUM_IPOFLD)
			result = RXD_IPCS;
		if (result && jf_csum_fold(jf_csum_add(0, ip, (ip[0] & 0xfu) * 4)) != 0xffff)
			result |= RXD_IPE;
	} else if (type != ETH_IPV6 || e->chip == E1000_82543GC || !parse_ipv6(&l, frame->len)) {
		return RXD_IXSM;
	}
	if (rxcsum & RXCSUM_TUOFLD)
		result |= judge_transport(&l, frame);
	return result;
}
