/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-rx.c - frames to the guest.
 *
 * A frame is copied once, from wherever it is into the driver's buffers. With MRG_RXBUF it takes as
 * many as it needs, else it must fit into one. The buffers of a batch are given back in one stroke.
 * Where the ring has too few, the frame stays with its sender; only one that would not fit into a
 * ring full of buffers is lost.
 */
#include "virtio-ring.h"

/* Buffers of one batch, and of one frame. */
#define USED_MAX 1024u
#define PIECES_MAX 1024u

typedef struct RxBatch {
	guint n_used;
	VnCursor cursor;
	VnCursor end; /* where the ring ended, after RX_NO_ROOM */
	VnUsed used[USED_MAX];
} RxBatch;

typedef enum {
	RX_TAKEN,   /* or lost, and counted */
	RX_NO_ROOM, /* later */
	RX_BROKEN,
} RxResult;

/* ---- Copying ---- */

static void
rx_header(const VnQueue *q, const JfFrame *frame, guint n_buffers, VirtioNetHdr *hdr)
{
	*hdr = (VirtioNetHdr){ .num_buffers = GUINT16_TO_LE((guint16)n_buffers) };
	if (!(frame->flags | frame->gso_type))
		return;
	if (frame->flags & JF_FRAME_NEEDS_CSUM) {
		hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->csum_start = GUINT16_TO_LE(frame->csum_start);
		hdr->csum_offset = GUINT16_TO_LE(frame->csum_offset);
	} else if (q->net->guest & VIRTIO_NET_F_GUEST_CSUM) {
		hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (frame->gso_type == JF_GSO_NONE)
		return;
	hdr->gso_type = frame->gso_type;
	hdr->gso_size = GUINT16_TO_LE(frame->gso_size);
	hdr->hdr_len = GUINT16_TO_LE(frame->hdr_len);
}

/* Where the next byte goes. */
typedef struct Sink {
	struct iovec *iov;
	gsize at;
} Sink;

static void
sink_put(Sink *sink, gconstpointer src, gsize len)
{
	const guint8 *from = src;

	while (len > 0) {
		gsize part = MIN(len, sink->iov->iov_len - sink->at);

		memcpy((guint8 *)sink->iov->iov_base + sink->at, from, part);
		from += part;
		len -= part;
		sink->at += part;
		if (sink->at == sink->iov->iov_len) {
			sink->iov++;
			sink->at = 0;
		}
	}
}

static void
rx_copy(const VnQueue *q, const JfFrame *frame, struct iovec *pieces, guint n_buffers)
{
	Sink sink = { .iov = pieces };
	VirtioNetHdr hdr;

	rx_header(q, frame, n_buffers, &hdr);
	sink_put(&sink, &hdr, q->hdr_len);
	for (guint i = 0; i < frame->n_iov; i++)
		sink_put(&sink, frame->iov[i].iov_base, frame->iov[i].iov_len);
}

/* ---- Buffers ---- */

/* How many bytes of the frame are in each of its buffers. */
static void
rx_account(VnUsed *used, guint n, guint64 total)
{
	for (guint i = 0; i < n; i++) {
		used[i].len = (guint32)MIN(used[i].len, total);
		total -= used[i].len;
	}
}

static RxResult
rx_lose(VnQueue *q)
{
	jf_count(q->net->rx_too_long, 1);
	return RX_TAKEN;
}

/* Gathers buffers until the frame fits. */
VN_INLINE RxResult
rx_gather(VnQueue *q, VnRing *ring, RxBatch *batch, guint64 need, struct iovec *pieces, guint *n,
	  const gboolean packed)
{
	const gboolean merge = (q->net->features & VIRTIO_NET_F_MRG_RXBUF) != 0;
	const guint most = q->mark ? VN_MARK_MAX : USED_MAX;
	guint first = batch->n_used, n_iov = 0, descs = 0;
	VnCursor cursor = batch->cursor;
	guint64 have = 0;

	*n = 0;
	while (have < need) {
		VnBuffer buffer;
		VnTake take;

		if (vn_unlikely(first + *n == most || n_iov == PIECES_MAX))
			return first > 0 ? RX_NO_ROOM : rx_lose(q);
		if (vn_unlikely(*n > 0 && !merge))
			return rx_lose(q);
		take = vn_take(q, ring, &cursor, &buffer, pieces + n_iov, PIECES_MAX - n_iov,
			       VN_WRITE, packed);
		if (take == VN_BAD)
			return RX_BROKEN;
		if (take == VN_NONE) {
			*n = 0;
			batch->end = cursor;
			return descs >= q->size ? rx_lose(q) : RX_NO_ROOM;
		}
		if (vn_unlikely(buffer.cut))
			return rx_lose(q);
		batch->used[first + *n] = (VnUsed){ .id = buffer.id,
						    .n_descs = buffer.n_descs,
						    .len = (guint32)MIN(buffer.len, G_MAXUINT32) };
		have += buffer.len;
		n_iov += buffer.n_iov;
		descs += buffer.n_descs;
		++*n;
	}
	batch->cursor = cursor;
	return RX_TAKEN;
}

/* ---- Batches ---- */

/* Nothing of the frames of a packed ring would be left to try again once their entries are gone; the
 * entries of a split one stay until all are given back at once. */
static void
rx_flush(VnQueue *q, VnRing *ring, RxBatch *batch)
{
	if (batch->n_used == 0)
		return;
	if (q->packed)
		vn_ring_intend(q, batch->used, batch->n_used, FALSE);
	if (vn_ring_use(q, ring, batch->used, batch->n_used, FALSE))
		vn_queue_signal(q);
	vn_ring_done(q);
	batch->n_used = 0;
}

VN_INLINE RxResult
rx_frame(VnQueue *q, VnRing *ring, RxBatch *batch, const JfFrame *frame, const gboolean packed)
{
	guint64 need = frame->len + (guint64)q->hdr_len;
	VnUsed *used = &batch->used[batch->n_used];
	struct iovec pieces[PIECES_MAX];
	guint n;
	RxResult result = rx_gather(q, ring, batch, need, pieces, &n, packed);

	if (result != RX_TAKEN || n == 0)
		return result;
	rx_account(used, n, need);
	rx_copy(q, frame, pieces, n);
	if (vn_unlikely(ring->log))
		vn_ring_log_pieces(ring, pieces, need);
	batch->n_used += n;
	return RX_TAKEN;
}

VN_INLINE guint
rx_frames(VnQueue *q, VnRing *ring, const JfFrame *frames, guint n, const gboolean packed)
{
	const VnFilter *filter = &q->net->filter;
	RxResult result = RX_TAKEN;
	RxBatch batch;
	guint i = 0;

	batch.n_used = 0;
	while (i < n && result == RX_TAKEN) {
		if (!vn_cursor_init(&batch.cursor, q, ring, packed)) {
			result = RX_BROKEN;
			break;
		}
		for (; i < n; i++) {
			if (vn_unlikely(filter->active) && !vn_filter_accepts(filter, &frames[i]))
				continue;
			result = rx_frame(q, ring, &batch, &frames[i], packed);
			if (result != RX_TAKEN)
				break;
		}
		if (result == RX_NO_ROOM && (batch.n_used > 0 || vn_rx_refuse(q, ring, &batch.end)))
			result = RX_TAKEN; /* once more from what the driver added meanwhile */
		rx_flush(q, ring, &batch);
	}
	if (result == RX_BROKEN)
		vn_queue_break(q);
	return i;
}

/* A queue that is broken loses what it is given: nothing would ever make room again. */
static guint
rx_batch(VnQueue *q, const JfFrame *frames, guint n)
{
	guint taken = 0;
	VnRing ring;

	pthread_mutex_lock(&q->lock);
	if (vn_queue_is_active(q) && vn_ring_open(q, &ring)) {
		taken = q->packed ? rx_frames(q, &ring, frames, n, TRUE)
				  : rx_frames(q, &ring, frames, n, FALSE);
		vn_ring_close(q, &ring);
	} else {
		g_atomic_int_set(&q->refused, TRUE);
	}
	if (vn_unlikely(q->broken)) {
		jf_count(q->net->rx_not_ready, n - taken);
		taken = n;
	}
	pthread_mutex_unlock(&q->lock);
	return taken;
}

/* Frames that go to the same queue as the first one. */
static guint
count_together(VirtioNet *net, const JfFrame *frames, guint n, guint *pair)
{
	guint i = 1;

	*pair = vn_steer(net, &frames[0]);
	while (i < n && vn_steer(net, &frames[i]) == *pair)
		i++;
	return i;
}

static guint
rx_steered(VirtioNet *net, const JfFrame *frames, guint n)
{
	guint done = 0;

	while (done < n) {
		guint pair, run = count_together(net, frames + done, n - done, &pair);
		guint taken = rx_batch(&net->queues[2 * pair], frames + done, run);

		done += taken;
		if (taken < run)
			break;
	}
	return done;
}

/* Nobody is there to receive. A connector wants its frames later, a guest that has not set its card
 * up loses them, as with any card. */
static guint
rx_nowhere(VirtioNet *net, guint n)
{
	if (net->taken)
		return 0;
	jf_count(net->rx_not_ready, n);
	return n;
}

guint
vn_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	VirtioNet *net = inst->priv;
	guint n_rx = (guint)g_atomic_int_get(&net->n_rx), taken;

	(void)port;
	net->pci->dma_enter(inst);
	if (vn_likely(n_rx == 1))
		taken = rx_batch(&net->queues[2 * net->rx_pairs[0]], frames, n);
	else if (n_rx == 0)
		taken = rx_nowhere(net, n);
	else
		taken = rx_steered(net, frames, n);
	net->pci->dma_leave(inst);
	return taken;
}
