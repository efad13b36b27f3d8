/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-packet.c - packets out of transmit descriptors: SDM 3.3.
 *
 * A descriptor is read once. Its buffer becomes a piece of the packet where it is mapped as a whole;
 * else, or where a packet has more pieces than a frame may have, the bytes are copied to the batch's
 * bounce buffer. What makes no sense becomes a bad packet: it is used up and nothing is sent.
 */
#include "e1000.h"

#include <string.h>

#define LEN_MAX (0x100000u + 0x100u) /* PAYLEN is 20 bits, HDRLEN 8 */

typedef struct Descriptor {
	guint64 address;
	guint32 lower, upper;
} Descriptor;

typedef struct Gather {
	E1000TxData data;
	guint32 context[2][4];
	gboolean started, bad;
	gboolean full; /* the bounce buffer is, with other packets */
} Gather;

typedef enum { GATHER_PACKET, GATHER_OPEN, GATHER_CONTEXT } GatherResult;

static gboolean
load(E1000 *e, guint64 base, guint index, Descriptor *d)
{
	guint64 at = base + (guint64)index * E1000_DESC_LEN;
	const guint8 *raw = e->pci->dma_map(e->inst, at, E1000_DESC_LEN, FALSE);

	if (raw)
		memcpy(d, raw, sizeof *d);
	else if (!e->pci->dma_read(e->inst, at, d, sizeof *d))
		return FALSE;
	d->address = GUINT64_FROM_LE(d->address);
	d->lower = GUINT32_FROM_LE(d->lower);
	d->upper = GUINT32_FROM_LE(d->upper);
	return TRUE;
}

/* ---- Buffers ---- */

static guint8 *
bounce_take(E1000TxBatch *b, Gather *g, guint32 len)
{
	guint8 *here = b->bounce + b->bounced;

	if (len > E1000_TX_BOUNCE - b->bounced) {
		g->full = b->n_packets > 0;
		g->bad = TRUE;
		return NULL;
	}
	b->bounced += len;
	return here;
}

/* All pieces so far become one. Only what is not yet at the end of the bounce buffer moves. */
static gboolean
flatten(E1000TxBatch *b, Gather *g)
{
	struct iovec *iov = g->data.iov;
	guint first = (guint8 *)iov[0].iov_base + iov[0].iov_len == b->bounce + b->bounced;
	guint32 len = g->data.len - (first ? (guint32)iov[0].iov_len : 0);
	guint8 *dst = bounce_take(b, g, len);

	if (!dst)
		return FALSE;
	for (guint i = first; i < g->data.n_iov; i++) {
		memcpy(dst, iov[i].iov_base, iov[i].iov_len);
		dst += iov[i].iov_len;
	}
	iov[0] = (struct iovec){ b->bounce + b->bounced - g->data.len, g->data.len };
	g->data.n_iov = 1;
	return TRUE;
}

static void
add_buffer(E1000 *e, E1000TxBatch *b, Gather *g, guint64 address, guint32 len)
{
	guint8 *data;

	if (len == 0 || g->bad)
		return;
	if (len > LEN_MAX - g->data.len) {
		g->bad = TRUE;
		return;
	}
	if (g->data.n_iov == E1000_TX_PACKET_PIECES && !flatten(b, g))
		return;
	data = e->pci->dma_map(e->inst, address, len, FALSE);
	if (!data) {
		data = bounce_take(b, g, len);
		if (data && !e->pci->dma_read(e->inst, address, data, len)) {
			jf_count(e->dma_errors, 1);
			g->bad = TRUE;
		}
	}
	if (g->bad)
		return;
	g->data.iov[g->data.n_iov++] = (struct iovec){ data, len };
	g->data.len += len;
}

/* ---- Descriptors ---- */

/* Two contexts are kept, one for segmentation: SDM 3.3.6. */
static void
add_context(Gather *g, const Descriptor *d)
{
	guint32 *context = g->context[d->lower >> 24 & TXD_TSE ? 1 : 0];

	context[0] = (guint32)d->address;
	context[1] = (guint32)(d->address >> 32);
	context[2] = d->lower;
	context[3] = d->upper;
}

static void
add_data(E1000 *e, E1000TxBatch *b, Gather *g, const Descriptor *d, gboolean extended)
{
	E1000TxData *data = &g->data;

	if (!g->started) {
		g->started = TRUE;
		data->extended = extended;
		data->first = (guint8)(d->lower >> 24);
		data->popts = (guint8)(d->upper >> 8);
		data->css = (guint8)(d->upper >> 8);
		data->cso = (guint8)(d->lower >> 16);
	}
	data->last = (guint8)(d->lower >> 24);
	data->special = (guint16)(d->upper >> 16);
	if (!e->tx_skip || b->n_packets)
		add_buffer(e, b, g, d->address, d->lower & (extended ? 0xfffffu : 0xffffu));
}

/* Descriptors up to the end of a packet, at most `count`. Adds to b->cmd what it has read. */
static GatherResult
gather(E1000 *e, E1000TxBatch *b, Gather *g, guint64 base, guint index, guint count, guint len,
       gboolean *lost)
{
	Descriptor d;

	for (guint i = 0; i < count; i++) {
		guint8 cmd;
		gboolean extended;

		if (!load(e, base, (index + i) % len, &d)) {
			*lost = TRUE;
			break;
		}
		cmd = (guint8)(d.lower >> 24);
		extended = (cmd & TXD_DEXT) != 0;
		b->cmd[b->n_descs++] = cmd;
		if (extended && (d.lower >> 20 & 0xf) == 0) {
			add_context(g, &d);
			continue;
		}
		add_data(e, b, g, &d, extended);
		if (cmd & TXD_EOP)
			return GATHER_PACKET;
	}
	return g->started ? GATHER_OPEN : GATHER_CONTEXT;
}

/* ---- Packets ---- */

static void
make_frames(E1000 *e, E1000TxBatch *b, Gather *g, E1000TxPacket *packet)
{
	guint32 done = b->n_packets ? 0 : e->tx_done;

	packet->is_tso = g->data.extended && (g->data.first & TXD_TSE);
	g->data.context = g->context[packet->is_tso ? 1 : 0];
	packet->is_bad = g->bad;
	if (!packet->is_bad && packet->is_tso)
		packet->is_bad = !e1000_tx_tso(e, b, &g->data, done, &packet->open);
	else if (!packet->is_bad)
		packet->is_bad = !e1000_tx_plain(e, b, &g->data);
}

/* The next packet of the ring. FALSE: the batch ends before it. */
static gboolean
add_packet(E1000 *e, E1000TxBatch *b, guint64 base, guint index, guint count, guint len,
	   gboolean *lost)
{
	guint descs = b->n_descs, pieces = b->n_pieces, bounced = b->bounced;
	gboolean skipping = b->n_packets == 0 && e->tx_skip, hopeless;
	E1000TxPacket *packet = &b->packets[b->n_packets];
	guint most = MIN(count, E1000_TX_DESCS - descs);
	Gather g = { .data = { .iov = b->pieces + pieces } };
	GatherResult result;

	memcpy(g.context, b->n_packets ? packet[-1].context : e->tx_context, sizeof g.context);
	*packet = (E1000TxPacket){ 0 };
	result = gather(e, b, &g, base, index, most, len, lost);
	/* A packet that the ring cannot hold never comes to an end. */
	hopeless = !*lost && b->n_packets == 0 && (most < count || most == len - 1);
	if ((result == GATHER_OPEN && !hopeless && !skipping) || g.full || b->n_descs == descs) {
		b->n_descs = descs;
		b->bounced = bounced;
		return FALSE;
	}
	b->n_pieces += g.data.n_iov;
	packet->skip = result == GATHER_OPEN || (skipping && result == GATHER_CONTEXT);
	if (result == GATHER_PACKET && !skipping)
		make_frames(e, b, &g, packet);
	else
		packet->is_bad = packet->skip && !skipping;
	packet->descs = b->n_descs;
	packet->frames = b->n_frames;
	memcpy(packet->context, g.context, sizeof g.context);
	b->n_packets++;
	return TRUE;
}

static gboolean
has_room(const E1000TxBatch *b)
{
	return b->n_packets < JF_BATCH_MAX && b->n_frames < JF_BATCH_MAX &&
	       b->n_descs < E1000_TX_DESCS &&
	       E1000_TX_PIECES - b->n_pieces >= E1000_TX_PACKET_PIECES + JF_FRAME_MAX_IOV;
}

gboolean
e1000_tx_fill(E1000 *e, E1000TxBatch *b, guint64 base, guint index, guint count, guint len)
{
	gboolean lost = FALSE;

	b->n_frames = b->n_packets = b->n_descs = b->n_pieces = b->bounced = 0;
	while (b->n_descs < count && has_room(b) && !lost) {
		if (!add_packet(e, b, base, (index + b->n_descs) % len, count - b->n_descs, len,
				&lost))
			break;
		if (b->packets[b->n_packets - 1].open)
			break;
	}
	return b->n_packets > 0 || !lost;
}
