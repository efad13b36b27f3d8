/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * segment.c - jf_frame_segment: large frames into frames that any driver can take.
 *
 * The headers are copied once into `head` and checked there, since the frame may lie in memory that
 * a guest changes meanwhile. Every segment is then a patched copy of the headers plus pieces that
 * point at the payload where it lies.
 *
 * Two ways to cut (the third is to fill in one checksum and pass the frame on):
 *
 *	train      TCP and USO: each segment has all headers; sequence number, flags, lengths and
 *	           IPv4 id are adjusted, and the checksum, which starts from the sender's
 *	           pseudo-header sum with the length exchanged (so that a final destination in a
 *	           routing header or source route counts as the sender meant it)
 *	fragments  UFO: the datagram is completed first and then cut below UDP; a fragment is
 *	           gso_size bytes of IP payload, rounded down to a multiple of 8
 *
 * The length in the IP header bounds the payload. 0 stands for "all that is there", since senders
 * with segmentation in hardware leave it so.
 *
 * Left out: tunnels (virtio has no GSO type for them in the contract), AH, more than HEAD_MAX bytes
 * of headers, and segments of less than SIZE_MIN bytes, which would be an amplifier and no traffic.
 */
#include "jackfield/frame.h"
#include "jackfield/util.h"

#define HEAD_MAX 512u
#define SIZE_MIN 8u

#define ETH_IPV4 0x0800u
#define ETH_IPV6 0x86ddu
#define ETH_VLAN 0x8100u
#define ETH_QINQ 0x88a8u

#define IPV4_MF 0x2000u
#define IPV4_FRAGMENT 0x3fffu /* MF and the offset */
#define IPV6_LEN 40u
#define FRAGMENT_LEN 8u

#define NEXT_HOP_BY_HOP 0u
#define NEXT_TCP 6u
#define NEXT_UDP 17u
#define NEXT_ROUTING 43u
#define NEXT_FRAGMENT 44u
#define NEXT_DESTINATION 60u

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u
#define TCP_CSUM 16u
#define UDP_LEN 8u
#define UDP_CSUM 6u

/* A segment has its headers (or its checksum and what lies before and after) on top of the frame's
 * own pieces: at most two more than are allowed. Of so many, the two smallest neighbours have no
 * more than a 32nd of the frame between them. */
#define EXTRA_IOV 2u
#define SPILL_LEN (JF_FRAME_MAX_LEN / (JF_FRAME_MAX_IOV / 2) + 1)

typedef struct Cutter {
	const JfFrame *frame;
	JfSegmentFunc func;
	gpointer data;
	gboolean keep_csum; /* the receiver takes NEEDS_CSUM */
	guint count;

	guint8 head[HEAD_MAX]; /* the headers as they came, checked */
	guint32 head_len;      /* bytes that are there while parsing */
	gboolean is_ipv6;
	guint8 protocol;
	guint32 l3, l4;  /* offsets of the IP and transport headers */
	guint32 payload; /* offset behind the transport header */
	guint32 end;     /* offset behind the datagram */
	guint32 cut;     /* offset from where IP fragments */
	guint32 next_at; /* IPv6: offset of the "next header" that leads to `cut` */

	guint piece;  /* the next payload byte: its piece of the frame */
	gsize offset; /* and where in the piece */

	guint8 out[HEAD_MAX + FRAGMENT_LEN];
	struct iovec iov[JF_FRAME_MAX_IOV + EXTRA_IOV];
	guint n_iov;
	guint8 spill[EXTRA_IOV][SPILL_LEN];
} Cutter;

/* ---- Headers ---- */

static gboolean
parse_ethernet(Cutter *c, guint *ethertype)
{
	c->l3 = JF_FRAME_MIN_LEN;
	*ethertype = jf_get_be16(c->head + 12);
	while (*ethertype == ETH_VLAN || *ethertype == ETH_QINQ) {
		if (c->l3 + 4 > c->head_len)
			return FALSE;
		*ethertype = jf_get_be16(c->head + c->l3 + 2);
		c->l3 += 4;
	}
	return TRUE;
}

/* `said` bytes from `from` on are the datagram, by its IP header. */
static gboolean
set_end(Cutter *c, guint32 from, guint32 said)
{
	guint32 there = c->frame->len - from;

	if (said > there || (said == 0 && there > G_MAXUINT16))
		return FALSE;
	c->end = from + (said ? said : there);
	return TRUE;
}

static gboolean
parse_ipv4(Cutter *c)
{
	const guint8 *ip = c->head + c->l3;
	guint32 len;

	if (c->head_len - c->l3 < 20 || ip[0] >> 4 != 4)
		return FALSE;
	len = (ip[0] & 0xfu) * 4;
	if (len < 20 || len > c->head_len - c->l3 || jf_get_be16(ip + 6) & IPV4_FRAGMENT)
		return FALSE;
	c->protocol = ip[9];
	c->l4 = c->cut = c->l3 + len;
	return set_end(c, c->l3, jf_get_be16(ip + 2)) && c->end >= c->l4;
}

/* Fragments begin behind the routing header, else the hop-by-hop options (RFC 8200, 4.5). */
static gboolean
parse_ipv6(Cutter *c)
{
	const guint8 *ip = c->head + c->l3;

	if (c->head_len - c->l3 < IPV6_LEN || ip[0] >> 4 != 6)
		return FALSE;
	c->is_ipv6 = TRUE;
	c->next_at = c->l3 + 6;
	c->protocol = ip[6];
	c->l4 = c->cut = c->l3 + IPV6_LEN;
	if (!set_end(c, c->l4, jf_get_be16(ip + 4)))
		return FALSE;
	while (c->protocol == NEXT_HOP_BY_HOP || c->protocol == NEXT_ROUTING ||
	       c->protocol == NEXT_DESTINATION) {
		guint32 here = c->l4;

		if (c->head_len - here < 8)
			return FALSE;
		c->l4 += (c->head[here + 1] + 1u) * 8;
		if (c->l4 > c->head_len || c->l4 > c->end)
			return FALSE;
		if (c->protocol != NEXT_DESTINATION) {
			c->next_at = here;
			c->cut = c->l4;
		}
		c->protocol = c->head[here];
	}
	return TRUE;
}

/* The transport header must be there in full, and be what the sender wants summed. */
static gboolean
parse_transport(Cutter *c, guint8 protocol, guint32 csum_offset)
{
	guint32 len = UDP_LEN;

	if (c->protocol != protocol)
		return FALSE;
	if ((c->frame->flags & JF_FRAME_NEEDS_CSUM) &&
	    (c->frame->csum_start != c->l4 || c->frame->csum_offset != csum_offset))
		return FALSE;
	if (protocol == NEXT_TCP) {
		if (c->head_len - c->l4 < 20)
			return FALSE;
		len = (c->head[c->l4 + 12] >> 4) * 4u;
		if (len < 20)
			return FALSE;
	}
	if (len > c->head_len - c->l4 || len > c->end - c->l4)
		return FALSE;
	c->payload = c->l4 + len;
	return TRUE;
}

static gboolean
parse_headers(Cutter *c)
{
	guint type = c->frame->gso_type & ~JF_GSO_ECN, ethertype;
	gboolean is_tcp = type == JF_GSO_TCPV4 || type == JF_GSO_TCPV6;

	c->head_len = MIN(c->frame->len, HEAD_MAX);
	if (!jf_frame_copy(c->frame, 0, c->head, c->head_len) || !parse_ethernet(c, &ethertype))
		return FALSE;
	if (ethertype == ETH_IPV4 && type != JF_GSO_TCPV6) {
		if (!parse_ipv4(c))
			return FALSE;
	} else if (ethertype == ETH_IPV6 && type != JF_GSO_TCPV4) {
		if (!parse_ipv6(c))
			return FALSE;
	} else {
		return FALSE;
	}
	return parse_transport(c, is_tcp ? NEXT_TCP : NEXT_UDP, is_tcp ? TCP_CSUM : UDP_CSUM);
}

/* ---- Pieces ---- */

static void
add_piece(Cutter *c, gpointer base, gsize len)
{
	if (len)
		c->iov[c->n_iov++] = (struct iovec){ base, len };
}

static void
seek_payload(Cutter *c, guint32 offset)
{
	c->piece = 0;
	c->offset = offset;
	while (c->piece < c->frame->n_iov && c->offset >= c->frame->iov[c->piece].iov_len)
		c->offset -= c->frame->iov[c->piece++].iov_len;
}

/* The next `len` bytes of the frame, which has them, go behind what the segment has already. */
static void
add_payload(Cutter *c, guint32 len)
{
	while (len) {
		const struct iovec *piece = &c->frame->iov[c->piece];
		gsize n = MIN(len, piece->iov_len - c->offset);

		if (n)
			add_piece(c, (guint8 *)piece->iov_base + c->offset, n);
		len -= n;
		c->offset += n;
		if (c->offset == piece->iov_len) {
			c->piece++;
			c->offset = 0;
		}
	}
}

/* Frames with all the pieces that are allowed: joins the smallest neighbours. */
static void
join_pieces(Cutter *c)
{
	for (guint k = 0; c->n_iov > JF_FRAME_MAX_IOV; k++) {
		struct iovec *a = c->iov;

		for (guint i = 1; i + 1 < c->n_iov; i++) {
			if (c->iov[i].iov_len + c->iov[i + 1].iov_len < a[0].iov_len + a[1].iov_len)
				a = &c->iov[i];
		}
		memcpy(c->spill[k], a[0].iov_base, a[0].iov_len);
		memcpy(c->spill[k] + a[0].iov_len, a[1].iov_base, a[1].iov_len);
		a[0] = (struct iovec){ c->spill[k], a[0].iov_len + a[1].iov_len };
		c->n_iov--;
		memmove(a + 1, a + 2, (gsize)(c->iov + c->n_iov - (a + 1)) * sizeof *a);
	}
}

static gboolean
emit(Cutter *c, guint32 len, guint8 flags)
{
	JfFrame frame = { .iov = c->iov, .len = len, .flags = flags };

	join_pieces(c);
	frame.n_iov = c->n_iov;
	if (flags & JF_FRAME_NEEDS_CSUM) {
		frame.csum_start = c->frame->csum_start;
		frame.csum_offset = c->frame->csum_offset;
	}
	c->count++;
	return c->func(&frame, c->data);
}

/* ---- Checksums ---- */

/* The complement of a transport sum; 0 is written as its other spelling, since 0 in UDP means that
 * there is none (RFC 768). */
static guint16
csum_finish(guint64 sum)
{
	guint16 value = (guint16)~jf_csum_fold(sum);

	return value ? value : G_MAXUINT16;
}

static void
csum_ipv4(guint8 *ip)
{
	guint16 value = 0;

	memcpy(ip + 10, &value, 2);
	value = (guint16)~jf_csum_fold(jf_csum_add(0, ip, (ip[0] & 0xfu) * 4));
	memcpy(ip + 10, &value, 2);
}

/* The pseudo-header sum at `at` of a segment of `len` transport bytes, from that of the whole. */
static void
csum_relength(const Cutter *c, guint8 *at, guint32 len)
{
	guint16 value;

	memcpy(&value, at, 2);
	value = jf_csum_fold((guint64)value + GUINT16_TO_BE((guint16) ~(c->end - c->l4)) +
			     GUINT16_TO_BE((guint16)len));
	memcpy(at, &value, 2);
}

/* ---- Trains: TCP and USO ---- */

/* IP header of the `i`th segment, which has `len` bytes from there on. */
static void
patch_ip(Cutter *c, guint i, guint32 len)
{
	guint8 *ip = c->out + c->l3;

	if (c->is_ipv6) {
		jf_put_be16(ip + 4, (guint16)(len - IPV6_LEN));
		return;
	}
	jf_put_be16(ip + 2, (guint16)len);
	jf_put_be16(ip + 4, (guint16)(jf_get_be16(ip + 4) + i));
	csum_ipv4(ip);
}

/* PSH and FIN belong to the last byte, CWR to the first (RFC 3168, 6.1.2). */
static void
patch_tcp(guint8 *tcp, guint32 sent, gboolean is_last)
{
	jf_put_be32(tcp + 4, jf_get_be32(tcp + 4) + sent);
	if (!is_last)
		tcp[13] &= (guint8) ~(TCP_FIN | TCP_PSH);
	if (sent)
		tcp[13] &= (guint8)~TCP_CWR;
}

/* The headers are in `out`, `len` bytes of payload are to follow them. */
static gboolean
emit_segment(Cutter *c, guint32 len)
{
	guint8 flags = c->frame->flags;
	guint8 *csum = c->out + c->l4 + c->frame->csum_offset;
	guint16 value;

	c->n_iov = 0;
	add_piece(c, c->out, c->payload);
	add_payload(c, len);
	csum_relength(c, csum, c->payload - c->l4 + len);
	if (!c->keep_csum) {
		JfFrame sum = { .iov = c->iov, .n_iov = c->n_iov, .len = c->payload + len };

		value = csum_finish(jf_csum_frame(0, &sum, c->l4, sum.len - c->l4));
		memcpy(csum, &value, 2);
		flags &= (guint8)~JF_FRAME_NEEDS_CSUM;
	}
	return emit(c, c->payload + len, flags);
}

static void
cut_train(Cutter *c)
{
	guint32 total = c->end - c->payload, sent = 0, n;
	gboolean more;

	seek_payload(c, c->payload);
	do {
		n = MIN(c->frame->gso_size, total - sent);
		memcpy(c->out, c->head, c->payload);
		if (c->protocol == NEXT_TCP)
			patch_tcp(c->out + c->l4, sent, sent + n == total);
		else
			jf_put_be16(c->out + c->l4 + 4, (guint16)(UDP_LEN + n));
		patch_ip(c, c->count, c->payload - c->l3 + n);
		more = emit_segment(c, n);
		sent += n;
	} while (more && sent < total);
}

/* ---- Fragments: UFO ---- */

/* Options without the "copied" bit stay with the first fragment (RFC 791, 3.1): no-operations take
 * their place, so that all headers are of one length. */
static void
drop_options(guint8 *option, guint8 *end)
{
	while (option < end && option[0] != 0) {
		guint8 len = option[0] == 1 ? 1 : end - option > 1 ? option[1] : 0;

		if (option[0] != 1 && (len < 2 || len > end - option))
			return;
		if (!(option[0] & 0x80))
			memset(option, 1, len);
		option += len;
	}
}

static void
patch_ipv4_fragment(Cutter *c, guint32 sent, guint32 n, gboolean is_last)
{
	guint8 *ip = c->out + c->l3;

	jf_put_be16(ip + 2, (guint16)(c->cut - c->l3 + n));
	jf_put_be16(ip + 6, (guint16)(sent / 8 | (is_last ? 0 : IPV4_MF)));
	if (sent)
		drop_options(ip + 20, c->out + c->cut);
	csum_ipv4(ip);
}

static void
patch_ipv6_fragment(Cutter *c, guint32 id, guint32 sent, guint32 n, gboolean is_last)
{
	guint8 *fragment = c->out + c->cut;

	jf_put_be16(c->out + c->l3 + 4, (guint16)(c->cut - c->l3 - IPV6_LEN + FRAGMENT_LEN + n));
	fragment[0] = c->out[c->next_at];
	fragment[1] = 0;
	jf_put_be16(fragment + 2, (guint16)(sent | (is_last ? 0 : 1)));
	jf_put_be32(fragment + 4, id);
	c->out[c->next_at] = NEXT_FRAGMENT;
}

/* RFC 8200 wants an id that no other datagram of this pair of hosts has used recently, and nothing
 * remembers. So it is a hash of addresses and contents: equal datagrams share one, which harms
 * neither, and a datagram refused half-way goes on with the id that it began with. */
static guint32
fragment_id(const Cutter *c)
{
	guint64 words[32], x = 0;
	guint32 n;

	for (guint32 at = c->l3 + 8; at < c->end; at += n) {
		n = MIN((guint32)sizeof words, c->end - at);
		memset(words, 0, sizeof words);
		jf_frame_copy(c->frame, at, words, n);
		for (guint i = 0; i < (n + 7) / 8; i++) {
			x = (x ^ words[i]) * 0x9e3779b97f4a7c15u;
			x ^= x >> 32;
		}
	}
	return (guint32)x;
}

/* The checksum of the whole datagram goes into the copied UDP header. */
static void
complete_datagram(Cutter *c)
{
	guint64 sum;
	guint16 value;

	if (!(c->frame->flags & JF_FRAME_NEEDS_CSUM))
		return;
	sum = jf_csum_add(0, c->head + c->l4, UDP_LEN);
	value = csum_finish(jf_csum_frame(sum, c->frame, c->payload, c->end - c->payload));
	memcpy(c->head + c->l4 + UDP_CSUM, &value, 2);
}

/* `n` bytes of the datagram from `sent` on. The headers that the first one begins with are copied,
 * for they may have been patched. */
static gboolean
emit_fragment(Cutter *c, guint32 extra, guint32 sent, guint32 n)
{
	guint32 copied = sent ? 0 : c->payload - c->cut;

	memcpy(c->out + c->cut + extra, c->head + c->cut, copied);
	c->n_iov = 0;
	add_piece(c, c->out, c->cut + extra + copied);
	add_payload(c, n - copied);
	return emit(c, c->cut + extra + n, 0);
}

static void
cut_fragments(Cutter *c)
{
	guint32 size = c->frame->gso_size & ~7u, total = c->end - c->cut, sent = 0, n;
	guint32 extra = c->is_ipv6 && total > size ? FRAGMENT_LEN : 0, id;
	gboolean more;

	/* The first fragment has all the headers (RFC 7112), and none is longer than a frame. */
	if (size < c->payload - c->cut || c->cut + extra + MIN(size, total) > JF_FRAME_MAX_LEN)
		return;
	complete_datagram(c);
	id = fragment_id(c);
	seek_payload(c, c->payload);
	do {
		n = MIN(size, total - sent);
		memcpy(c->out, c->head, c->cut);
		if (!c->is_ipv6)
			patch_ipv4_fragment(c, sent, n, sent + n == total);
		else if (extra)
			patch_ipv6_fragment(c, id, sent, n, sent + n == total);
		more = emit_fragment(c, extra, sent, n);
		sent += n;
	} while (more && sent < total);
}

/* ---- One frame ---- */

/* Fills in the checksum of a frame without GSO: what is before it, it, what is behind it. */
static void
fill_csum(Cutter *c)
{
	const JfFrame *frame = c->frame;
	guint32 at = (guint32)frame->csum_start + frame->csum_offset;
	guint16 value = csum_finish(
		jf_csum_frame(0, frame, frame->csum_start, frame->len - frame->csum_start));

	memcpy(c->out, &value, 2);
	c->n_iov = 0;
	seek_payload(c, 0);
	add_payload(c, at);
	add_piece(c, c->out, 2);
	seek_payload(c, at + 2);
	add_payload(c, frame->len - at - 2);
	emit(c, frame->len, frame->flags & (guint8)~JF_FRAME_NEEDS_CSUM);
}

guint
jf_frame_segment(const JfFrame *frame, guint32 offloads, JfSegmentFunc func, gpointer data)
{
	Cutter c;

	if (!jf_frame_is_sane(frame))
		return 0;
	if (!(jf_frame_offloads(frame) & ~offloads)) {
		func(frame, data);
		return 1;
	}
	/* Not all of it: the buffers need no zeroes. */
	c.frame = frame;
	c.func = func;
	c.data = data;
	c.keep_csum = (offloads & JF_OFFLOAD_CSUM) != 0;
	c.count = 0;
	c.is_ipv6 = FALSE;
	if (frame->gso_type == JF_GSO_NONE)
		fill_csum(&c);
	else if (frame->gso_size < SIZE_MIN || !parse_headers(&c))
		return 0;
	else if (frame->gso_type == JF_GSO_UDP)
		cut_fragments(&c);
	else
		cut_train(&c);
	return c.count;
}
