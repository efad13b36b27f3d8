/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-rx.c - reception: size, descriptors, FCS.
 *
 * A frame that finds too few descriptors stays with its sender until the guest moves RDT: the network
 * in front of us is the chip's receive FIFO. RNBC counts the waits. What no number of descriptors
 * could take is missed (MPC, RXO), as is what is looped back into a full ring.
 *
 * A frame becomes a list of pieces, the sender's own but for what changes on the way: a stripped tag,
 * a checksum that the sender left open, padding, FCS. It is copied once, into the guest's buffers.
 */
#include "e1000.h"

#include <string.h>

#define HEAD_LEN 128u
#define CHUNK 2048u

/* The frame as it goes to the guest. */
typedef struct Wire {
	struct iovec iov[JF_FRAME_MAX_IOV + 8];
	guint n, at; /* `at` and `offset`: what comes next */
	gsize offset;
	guint32 len;
	guint16 csum;
	guint8 pad[E1000_FRAME_MIN];
	guint32 fcs;
} Wire;

/* The ring as it stands for one frame. */
typedef struct Ring {
	guint64 base;
	guint len, head, free;
	guint32 buffer;
} Ring;

/* ---- The frame ---- */

static void
wire_add(Wire *w, gconstpointer data, gsize len)
{
	if (len == 0)
		return;
	w->iov[w->n++] = (struct iovec){ (gpointer)data, len };
	w->len += (guint32)len;
}

/* Bytes from..to of the frame. At most three ranges of one frame: each cut adds one piece. */
static void
wire_add_range(Wire *w, const JfFrame *frame, guint32 from, guint32 to)
{
	guint32 start = 0;

	for (guint i = 0; i < frame->n_iov && start < to; i++) {
		guint32 end = start + (guint32)frame->iov[i].iov_len;
		guint32 first = MAX(from, start), last = MIN(to, end);

		if (first < last)
			wire_add(w, (guint8 *)frame->iov[i].iov_base + (first - start),
				 last - first);
		start = end;
	}
}

/* RFC 768: a UDP checksum that comes out as 0 is sent as all ones. */
static guint16
make_csum(const JfFrame *frame)
{
	guint64 sum = jf_csum_frame(0, frame, frame->csum_start, frame->len - frame->csum_start);
	guint16 csum = (guint16)~jf_csum_fold(sum);

	return csum == 0 && frame->csum_offset == 6 ? 0xffff : csum;
}

static guint32
wire_crc(const Wire *w)
{
	guint32 crc = 0;

	for (guint i = 0; i < w->n; i++)
		crc = e1000_crc(crc, w->iov[i].iov_base, w->iov[i].iov_len);
	return GUINT32_TO_LE(crc);
}

static void
wire_build(const E1000 *e, Wire *w, const JfFrame *frame, gboolean strip)
{
	guint32 field = frame->len, behind = frame->len;

	w->n = w->at = 0;
	w->len = 0;
	w->offset = 0;
	if (frame->flags & JF_FRAME_NEEDS_CSUM) {
		field = (guint32)frame->csum_start + frame->csum_offset;
		behind = field + 2;
		w->csum = make_csum(frame);
	}
	if (strip) {
		wire_add_range(w, frame, 0, MIN(12, field));
		wire_add_range(w, frame, 12 + E1000_TAG_LEN, MAX(12 + E1000_TAG_LEN, field));
	} else {
		wire_add_range(w, frame, 0, field);
	}
	if (field < behind) {
		wire_add(w, &w->csum, 2);
		wire_add_range(w, frame, behind, frame->len);
	}
	if (w->len < E1000_FRAME_MIN) {
		memset(w->pad, 0, sizeof w->pad);
		wire_add(w, w->pad, E1000_FRAME_MIN - w->len);
	}
	if (e1000_get(e, E1000_RCTL) & RCTL_SECRC)
		return;
	w->fcs = e->ethernet_crc ? wire_crc(w) : 0;
	wire_add(w, &w->fcs, E1000_FCS_LEN);
}

static void
wire_take(Wire *w, guint8 *dst, gsize len)
{
	while (len > 0) {
		const struct iovec *piece = &w->iov[w->at];
		gsize n = MIN(len, piece->iov_len - w->offset);

		/* The guest may send a frame out of its own receive buffers. */
		memmove(dst, (guint8 *)piece->iov_base + w->offset, n);
		dst += n;
		len -= n;
		w->offset += n;
		if (w->offset == piece->iov_len) {
			w->at++;
			w->offset = 0;
		}
	}
}

/* SDM 3.2.3: one's complement sum from PCSS on, of what is stored. */
static guint16
packet_csum(const E1000 *e, const Wire *w)
{
	guint32 start = e1000_get(e, E1000_RXCSUM) & RXCSUM_PCSS;
	JfFrame stored = { .iov = w->iov, .n_iov = w->n, .len = w->len };

	if (start >= w->len)
		return 0;
	return GUINT16_FROM_BE(jf_csum_fold(jf_csum_frame(0, &stored, start, w->len - start)));
}

/* ---- The ring ---- */

static guint32
buffer_size(const E1000 *e)
{
	guint32 rctl = e1000_get(e, E1000_RCTL);
	guint32 size = 2048u >> (rctl >> RCTL_BSIZE_SHIFT & 3);

	return rctl & RCTL_BSEX && size < 2048 ? size * 16 : size;
}

/* FALSE: head or tail are not in the ring. */
static gboolean
ring_read(const E1000 *e, Ring *r)
{
	guint tail = e1000_get(e, E1000_RDT);

	r->base = (guint64)e1000_get(e, E1000_RDBAH) << 32 | e1000_get(e, E1000_RDBAL);
	r->len = e1000_get(e, E1000_RDLEN) / E1000_DESC_LEN;
	r->head = e1000_get(e, E1000_RDH);
	r->buffer = buffer_size(e);
	if (r->head >= r->len || tail >= r->len)
		return FALSE;
	r->free = tail >= r->head ? tail - r->head : r->len - r->head + tail;
	return TRUE;
}

static void
store_data(E1000 *e, Wire *w, guint64 address, guint32 len)
{
	guint8 *dst = e->pci->dma_map(e->inst, address, len, TRUE);
	guint8 chunk[CHUNK];

	if (dst) {
		wire_take(w, dst, len);
		jf_dirty_log_mark(e->pci->dma_log(e->inst), address, len);
		return;
	}
	for (guint32 done = 0; done < len;) {
		guint32 n = MIN(len - done, CHUNK);

		wire_take(w, chunk, n);
		if (!e->pci->dma_write(e->inst, address + done, chunk, n))
			jf_count(e->dma_errors, 1);
		done += n;
	}
}

/* The second half of a descriptor, in one store where that is possible: DD tells the driver that the
 * rest is there. `desc` is where it is mapped, or NULL. */
static void
store_status(E1000 *e, guint8 *desc, guint64 at, guint64 value)
{
	value = GUINT64_TO_LE(value);
	if (desc && ((gsize)desc & 7) == 0) {
		__atomic_store_n((guint64 *)(gpointer)(desc + 8), value, __ATOMIC_RELEASE);
		jf_dirty_log_mark(e->pci->dma_log(e->inst), at, E1000_DESC_LEN);
		return;
	}
	if (!e->pci->dma_write(e->inst, at + 8, &value, sizeof value))
		jf_count(e->dma_errors, 1);
}

static guint64
load_address(E1000 *e, const guint8 *desc, guint64 at)
{
	guint64 address = 0;

	if (desc)
		memcpy(&address, desc, sizeof address);
	else if (!e->pci->dma_read(e->inst, at, &address, sizeof address))
		jf_count(e->dma_errors, 1);
	return GUINT64_FROM_LE(address);
}

/* `status`: RXD bits of the last descriptor; `special`: the tag. */
static void
deposit(E1000 *e, Ring *r, Wire *w, guint16 status, guint16 special)
{
	guint64 last = (guint64)(status | RXD_DD | RXD_EOP) << 32 | (guint64)special << 48;
	guint64 csum = (guint64)packet_csum(e, w) << 16;
	guint32 left = w->len;

	while (left > 0) {
		guint64 at = r->base + (guint64)r->head * E1000_DESC_LEN;
		guint8 *desc = e->pci->dma_map(e->inst, at, E1000_DESC_LEN, TRUE);
		guint32 piece = MIN(left, r->buffer);

		store_data(e, w, load_address(e, desc, at), piece);
		left -= piece;
		store_status(e, desc, at, piece | csum | (left ? (guint64)RXD_DD << 32 : last));
		csum = 0; /* in the first descriptor, SDM 3.2.3 */
		r->head = r->head + 1 == r->len ? 0 : r->head + 1;
	}
	e1000_put(e, E1000_RDH, r->head);
}

/* ---- What becomes of a frame ---- */

static void
miss(E1000 *e)
{
	jf_count(e->missed, 1);
	e1000_stat_add(e, E1000_MPC, 1);
	e1000_raise(e, ICR_RXO);
}

/* With FCS. SDM 13.4.22, LPE and SBP. */
static gboolean
is_too_long(E1000 *e, guint32 len, gboolean tagged)
{
	guint32 rctl = e1000_get(e, E1000_RCTL);
	guint32 most = E1000_ETH_MAX + (tagged ? E1000_TAG_LEN : 0);

	if (rctl & RCTL_LPE)
		most = E1000_RX_MAX;
	if (len <= most)
		return FALSE;
	e1000_stat_add(e, E1000_ROC, 1);
	return len > E1000_RX_MAX || !(rctl & RCTL_SBP);
}

/* RXDMT0 when the descriptors become fewer than the threshold, SDM 13.4.22. */
static void
check_threshold(E1000 *e, const Ring *r, guint used)
{
	guint shift = (e1000_get(e, E1000_RCTL) >> RCTL_RDMTS_SHIFT & 3) + 1;
	guint threshold = shift > 3 ? 0 : r->len >> shift;

	if (r->free > threshold && r->free - used <= threshold)
		e1000_raise(e, ICR_RXDMT0);
}

static gboolean
is_listening(const E1000 *e, gboolean looped)
{
	gboolean loop = (e1000_get(e, E1000_RCTL) & RCTL_LBM) || e1000_phy_is_loop(e);

	return (e1000_get(e, E1000_RCTL) & RCTL_EN) && loop == looped && (looped || e->link);
}

/* Stores what passed the filters. FALSE: there is no room now. */
static gboolean
store(E1000 *e, Wire *w, guint16 status, guint16 special, gboolean looped)
{
	guint needed;
	Ring r;

	if (!ring_read(e, &r) || (needed = (w->len + r.buffer - 1) / r.buffer) >= r.len) {
		miss(e);
		return TRUE;
	}
	if (needed > r.free) {
		e1000_stat_add(e, E1000_RNBC, 1);
		if (!looped)
			return FALSE;
		miss(e);
		return TRUE;
	}
	deposit(e, &r, w, status, special);
	check_threshold(e, &r, needed);
	if (w->len <= e1000_get(e, E1000_RSRPD))
		e1000_raise(e, ICR_SRPD);
	return TRUE;
}

gboolean
e1000_receive(E1000 *e, const JfFrame *frame, gboolean looped)
{
	guint8 head[HEAD_LEN] = { 0 };
	guint32 len = MAX(frame->len, E1000_FRAME_MIN) + E1000_FCS_LEN;
	guint32 head_len = MIN(frame->len, HEAD_LEN);
	guint16 status, special = 0;
	gboolean strip, taken;
	E1000Match match;
	Wire w;

	if (!is_listening(e, looped)) {
		jf_count(e->rx_off, 1);
		return TRUE;
	}
	if (!jf_frame_copy(frame, 0, head, head_len))
		return TRUE;
	if (!e1000_filter(e, head, &match) || is_too_long(e, len, match.tagged)) {
		e1000_stat_total_received(e, len);
		return TRUE;
	}
	strip = match.tagged && (e1000_get(e, E1000_CTRL) & CTRL_VME) &&
		frame->len >= 14 + E1000_TAG_LEN;
	status = e1000_rx_csum(e, frame, head, head_len) | (match.inexact ? RXD_PIF : 0);
	if (strip) {
		status |= RXD_VP;
		special = jf_get_be16(head + 14);
	}
	wire_build(e, &w, frame, strip);
	taken = store(e, &w, status, special, looped);
	if (taken) {
		e1000_stat_total_received(e, len);
		e1000_stat_received(e, head, len);
	}
	return taken;
}

void
e1000_rx_room(E1000 *e)
{
	if (!e->rx_stalled)
		return;
	e->rx_stalled = FALSE;
	e->host->resume(e->inst, 0);
}

guint
e1000_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	E1000 *e = inst->priv;
	guint32 before;
	guint taken = 0;

	(void)port;
	e->pci->dma_enter(inst);
	g_mutex_lock(&e->lock);
	before = e1000_get(e, E1000_RDH);
	while (taken < n && e1000_receive(e, &frames[taken], FALSE))
		taken++;
	if (taken < n)
		e->rx_stalled = TRUE;
	if (e1000_get(e, E1000_RDH) != before)
		e1000_rx_interrupt(e);
	g_mutex_unlock(&e->lock);
	e->pci->dma_leave(inst);
	return taken;
}
