/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-tso.c - TCP and UDP segmentation. SDM 3.5.
 *
 * The packet is HDRLEN bytes of headers and up to PAYLEN bytes of payload, to be sent as frames of
 * MSS bytes, each with the headers brought up to date. Where the headers are what the network
 * understands too (TCP over IPv4 or IPv6, or UDP, with the checksums asked for), as many segments as
 * an IP datagram can hold go on as one frame with GSO; otherwise each is a frame of its own.
 */
#include "e1000.h"

#include <string.h>

#define HEADERS_MAX 255u
#define TCP_FIN_PSH 0x09u
#define TCP_CWR 0x80u
#define MSS_LEAST 8u /* for GSO; what is smaller is cut here */

typedef struct Tso {
	const E1000TxData *data;
	guint8 headers[HEADERS_MAX + 1];
	guint32 header_len, payload, mss;
	guint32 ipcss, ipcso, ipcse, tucss, tucso;
	gboolean is_ipv4, is_tcp, ip_sum, sum;
	guint8 gso_type;
} Tso;

/* Whether the context's offsets lie within the headers. */
static gboolean
offsets_fit(const Tso *t)
{
	guint32 ip = t->is_ipv4 ? 20 : 40, transport = t->is_tcp ? 20 : 8;

	if (t->ipcss < 14 || t->ipcss + ip > t->header_len ||
	    t->tucss + transport > t->header_len || t->tucss < t->ipcss)
		return FALSE;
	if (t->ip_sum && (t->ipcso + 2 > t->header_len || t->ipcse >= t->header_len))
		return FALSE;
	return !t->sum || (t->tucso >= t->tucss && t->tucso + 2 <= t->header_len);
}

static gboolean
parse(const E1000TxData *data, Tso *t)
{
	const guint32 *c = data->context;
	guint8 tucmd = (guint8)(c[2] >> 24);
	JfFrame view = e1000_tx_view(data);

	*t = (Tso){ .data = data,
		    .header_len = c[3] >> 8 & 0xff,
		    .mss = c[3] >> 16,
		    .ipcss = c[0] & 0xff,
		    .ipcso = c[0] >> 8 & 0xff,
		    .ipcse = c[0] >> 16,
		    .tucss = c[1] & 0xff,
		    .tucso = c[1] >> 8 & 0xff,
		    .is_ipv4 = (tucmd & TUCMD_IP) != 0,
		    .is_tcp = (tucmd & TUCMD_TCP) != 0,
		    .sum = (data->popts & TXD_POPTS_TXSM) != 0 };
	t->ip_sum = t->is_ipv4 && (data->popts & TXD_POPTS_IXSM);
	if (t->mss == 0 || data->len <= t->header_len || t->header_len + t->mss > E1000_TX_MAX ||
	    !offsets_fit(t))
		return FALSE;
	t->payload = MIN(c[2] & 0xfffff, data->len - t->header_len);
	return t->payload > 0 && jf_frame_copy(&view, 0, t->headers, t->header_len);
}

/* ---- Whether the network can do it ---- */

static gboolean
is_ethernet(const Tso *t)
{
	guint16 type = t->is_ipv4 ? 0x0800 : 0x86dd;
	const guint8 *h = t->headers;

	if (t->ipcss == 18 && jf_get_be16(h + 12) != 0x8100)
		return FALSE;
	return (t->ipcss == 14 || t->ipcss == 18) && jf_get_be16(h + t->ipcss - 2) == type;
}

static gboolean
is_network(const Tso *t)
{
	const guint8 *ip = t->headers + t->ipcss;
	guint8 protocol = t->is_tcp ? 6 : 17;

	if (!t->is_ipv4)
		return ip[0] >> 4 == 6 && ip[6] == protocol && t->tucss == t->ipcss + 40;
	return ip[0] >> 4 == 4 && ip[9] == protocol && (jf_get_be16(ip + 6) & 0x3fff) == 0 &&
	       t->tucss == t->ipcss + (ip[0] & 0xfu) * 4 && t->ip_sum &&
	       t->ipcso == t->ipcss + 10 && t->ipcse == t->tucss - 1;
}

static gboolean
is_transport(const Tso *t)
{
	const guint8 *h = t->headers + t->tucss;

	if (!t->is_tcp)
		return t->tucso == t->tucss + 6 && t->header_len == t->tucss + 8;
	return t->tucso == t->tucss + 16 && t->header_len == t->tucss + (h[12] >> 4) * 4u &&
	       !(h[13] & TCP_CWR);
}

static guint8
choose_gso(const Tso *t)
{
	if (!t->sum || t->mss < MSS_LEAST || !is_ethernet(t) || !is_network(t) || !is_transport(t))
		return JF_GSO_NONE;
	if (!t->is_tcp)
		return JF_GSO_UDP_L4;
	return t->is_ipv4 ? JF_GSO_TCPV4 : JF_GSO_TCPV6;
}

/* ---- Headers of one frame ---- */

static void
add16(guint8 *field, guint16 n)
{
	jf_put_be16(field, (guint16)(jf_get_be16(field) + n));
}

/* The guest's pseudo-header sum has no length yet: SDM 3.5. */
static void
add_length(guint8 *field, guint32 len)
{
	guint8 word[4];
	guint16 sum;

	jf_put_be32(word, len);
	sum = jf_csum_fold(jf_csum_add(jf_csum_add(0, field, 2), word, sizeof word));
	memcpy(field, &sum, sizeof sum);
}

/* Headers for payload done..done+n. */
static void
update(const Tso *t, guint8 *h, guint32 done, guint32 n)
{
	guint32 transport = t->header_len - t->tucss + n;
	guint16 csum;

	if (t->is_ipv4) {
		jf_put_be16(h + t->ipcss + 2, (guint16)(t->header_len - t->ipcss + n));
		add16(h + t->ipcss + 4, (guint16)(done / t->mss));
	} else {
		jf_put_be16(h + t->ipcss + 4, (guint16)(t->header_len - t->ipcss - 40 + n));
	}
	if (t->ip_sum && t->ipcse >= t->ipcss) {
		csum = (guint16)~jf_csum_fold(
			jf_csum_add(0, h + t->ipcss, t->ipcse + 1 - t->ipcss));
		memcpy(h + t->ipcso, &csum, sizeof csum);
	}
	if (t->is_tcp) {
		jf_put_be32(h + t->tucss + 4, jf_get_be32(h + t->tucss + 4) + done);
		if (done + n < t->payload)
			h[t->tucss + 13] &= (guint8)~TCP_FIN_PSH;
	} else {
		jf_put_be16(h + t->tucss + 4, (guint16)transport);
	}
	if (t->sum)
		add_length(h + t->tucso, transport);
}

static void
add_frame(E1000 *e, E1000TxBatch *b, const Tso *t, guint32 done, guint32 n)
{
	guint tag = e1000_tx_tag_len(e, t->data);
	guint32 from = t->header_len + done, wire = (n + t->mss - 1) / t->mss;
	JfFrame *frame;

	memcpy(b->heads[b->n_frames], t->headers, t->header_len);
	update(t, b->heads[b->n_frames], done, n);
	frame = e1000_tx_frame(e, b, t->data, t->header_len, from, from + n);
	if (t->sum) {
		frame->flags = JF_FRAME_NEEDS_CSUM;
		frame->csum_start = (guint16)(t->tucss + tag);
		frame->csum_offset = (guint16)(t->tucso - t->tucss);
	}
	if (wire > 1) {
		frame->gso_type = t->gso_type;
		frame->gso_size = (guint16)t->mss;
		frame->hdr_len = (guint16)(t->header_len + tag);
	}
	b->marks[b->n_frames - 1] =
		(E1000TxMark){ .done = done + n,
			       .wire = wire,
			       .octets = frame->len + E1000_FCS_LEN +
					 (wire - 1) * (t->header_len + tag + E1000_FCS_LEN) };
}

/* Payload of one frame at most: a segment, or as many as an IP datagram holds. */
static guint32
slice_len(const Tso *t, guint tag)
{
	guint32 datagram = G_MAXUINT16 - (t->header_len - t->ipcss);
	guint32 room = MIN(datagram, JF_FRAME_MAX_LEN - t->header_len - tag);

	return t->gso_type && room >= t->mss ? room / t->mss * t->mss : t->mss;
}

gboolean
e1000_tx_tso(E1000 *e, E1000TxBatch *b, const E1000TxData *data, guint32 done, gboolean *open)
{
	guint32 slice;
	Tso t;

	*open = FALSE;
	if (!parse(data, &t))
		return FALSE;
	t.gso_type = choose_gso(&t);
	slice = slice_len(&t, e1000_tx_tag_len(e, data));
	while (done < t.payload) {
		guint32 n = MIN(slice, t.payload - done);

		if (b->n_frames == JF_BATCH_MAX ||
		    E1000_TX_PIECES - b->n_pieces < JF_FRAME_MAX_IOV) {
			*open = TRUE;
			return TRUE;
		}
		add_frame(e, b, &t, done, n);
		done += n;
	}
	return TRUE;
}
