/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-rx.c - frames to the guest.
 *
 * A frame is copied once, from wherever it is into the driver's buffers. With MRG_RXBUF it takes as
 * many as it needs, else it must fit into one. First the buffers of a batch are gathered, and fetched
 * into the cache; then the frames are copied, and all buffers are given back in one stroke. Where the
 * ring has too few, the frame stays with its sender; only one that would not fit into a ring full of
 * buffers is lost.
 */
#include "virtio-ring.h"

/* Buffers of one batch, and their pieces. */
#define USED_MAX 1024u
#define PIECES_MAX 1024u

/* A frame that has its buffers. */
typedef struct RxSlot {
	const JfFrame *frame;
	guint n_used, n_pieces;
} RxSlot;

typedef struct RxBatch {
	VnCursor cursor;
	VnCursor end; /* where the ring ended, after RX_NO_ROOM */
	guint n, n_used, n_pieces;
	RxSlot slots[JF_BATCH_MAX];
	VnUsed used[USED_MAX];
	struct iovec pieces[PIECES_MAX];
} RxBatch;

typedef enum {
	RX_TAKEN,   /* or lost, and counted */
	RX_NO_ROOM, /* later, or in the next batch */
	RX_BROKEN,
} RxResult;

/* ---- Copying ---- */

VN_INLINE void
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
	const struct iovec *iov;
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
rx_scatter(const VnQueue *q, const RxSlot *slot, const struct iovec *pieces)
{
	const JfFrame *frame = slot->frame;
	Sink sink = { .iov = pieces };
	VirtioNetHdr hdr;

	rx_header(q, frame, slot->n_used, &hdr);
	sink_put(&sink, &hdr, q->hdr_len);
	for (guint i = 0; i < frame->n_iov; i++)
		sink_put(&sink, frame->iov[i].iov_base, frame->iov[i].iov_len);
}

VN_INLINE void
rx_copy(const VnQueue *q, const RxSlot *slot, const struct iovec *pieces)
{
	const JfFrame *frame = slot->frame;
	guint8 *to = pieces[0].iov_base;
	VirtioNetHdr hdr;

	if (vn_unlikely(pieces[0].iov_len < frame->len + VIRTIO_NET_HDR_LEN)) {
		rx_scatter(q, slot, pieces);
		return;
	}
	/* The last two bytes of the longer header may be the first of the frame. */
	rx_header(q, frame, slot->n_used, &hdr);
	memcpy(to, &hdr, sizeof hdr);
	to += q->hdr_len;
	for (guint i = 0; i < frame->n_iov; i++) {
		memcpy(to, frame->iov[i].iov_base, frame->iov[i].iov_len);
		to += frame->iov[i].iov_len;
	}
}

/* ---- Buffers ---- */

/* How many bytes of the frame are in each of its buffers. */
VN_INLINE void
rx_account(VnUsed *used, guint n, guint64 total)
{
	for (guint i = 0; i < n; i++) {
		used[i].len = (guint32)MIN(used[i].len, total);
		total -= used[i].len;
	}
}

/* A frame that would not even fit alone is lost; another one waits for the next batch. */
static RxResult
rx_too_long(VnQueue *q, const RxBatch *batch)
{
	if (batch->n > 0)
		return RX_NO_ROOM;
	jf_count(q->net->rx_too_long, 1);
	return RX_TAKEN;
}

/* Gathers buffers until the frame fits. */
VN_INLINE RxResult
rx_gather(VnQueue *q, VnRing *ring, RxBatch *batch, const JfFrame *frame, const gboolean packed)
{
	const gboolean merge = (q->net->features & VIRTIO_NET_F_MRG_RXBUF) != 0;
	const guint most = q->mark ? VN_MARK_MAX : USED_MAX;
	const guint64 need = frame->len + (guint64)q->hdr_len;
	VnUsed *used = &batch->used[batch->n_used];
	guint n = 0, n_pieces = batch->n_pieces, descs = 0;
	VnCursor cursor = batch->cursor;
	guint64 have = 0;

	while (have < need) {
		struct iovec *iov = &batch->pieces[n_pieces];
		VnBuffer buffer;
		VnTake take;

		if (vn_unlikely(batch->n_used + n == most || n_pieces == PIECES_MAX ||
				(n > 0 && !merge)))
			return rx_too_long(q, batch);
		take = vn_take(q, ring, &cursor, &buffer, iov, PIECES_MAX - n_pieces, VN_WRITE,
			       packed);
		if (vn_unlikely(take == VN_BAD))
			return RX_BROKEN;
		if (take == VN_NONE) {
			batch->end = cursor;
			return descs >= q->size ? rx_too_long(q, batch) : RX_NO_ROOM;
		}
		if (vn_unlikely(buffer.cut))
			return rx_too_long(q, batch);
		if (vn_likely(buffer.n_iov > 0))
			__builtin_prefetch(iov->iov_base, 1);
		used[n++] = (VnUsed){ .id = buffer.id,
				      .n_descs = buffer.n_descs,
				      .len = (guint32)MIN(buffer.len, G_MAXUINT32) };
		have += buffer.len;
		n_pieces += buffer.n_iov;
		descs += buffer.n_descs;
	}
	rx_account(used, n, need);
	batch->slots[batch->n++] = (RxSlot){ frame, n, n_pieces - batch->n_pieces };
	batch->n_used += n;
	batch->n_pieces = n_pieces;
	batch->cursor = cursor;
	return RX_TAKEN;
}

/* ---- Batches ---- */

static void
rx_copy_all(VnQueue *q, VnRing *ring, const RxBatch *batch)
{
	const struct iovec *pieces = batch->pieces;

	for (guint i = 0; i < batch->n; i++) {
		const RxSlot *slot = &batch->slots[i];

		rx_copy(q, slot, pieces);
		if (vn_unlikely(ring->log))
			vn_ring_log_pieces(ring, pieces, slot->frame->len + (guint64)q->hdr_len);
		pieces += slot->n_pieces;
	}
}

static void
rx_flush(VnQueue *q, VnRing *ring, RxBatch *batch)
{
	if (batch->n == 0)
		return;
	rx_copy_all(q, ring, batch);
	vn_ring_intend(q, batch->used, batch->n_used, FALSE);
	if (vn_ring_use(q, ring, batch->used, batch->n_used, FALSE))
		vn_queue_signal(q);
	vn_ring_done(q);
}

/* One batch. Returns how many frames it took, or lost. */
VN_INLINE guint
rx_frames(VnQueue *q, VnRing *ring, RxBatch *batch, const JfFrame *frames, guint n,
	  RxResult *result, const gboolean packed)
{
	const VnFilter *filter = &q->net->filter;
	guint i = 0;

	n = MIN(n, JF_BATCH_MAX);
	batch->n = batch->n_used = batch->n_pieces = 0;
	*result = RX_BROKEN;
	if (!vn_cursor_init(&batch->cursor, q, ring, packed))
		return 0;
	*result = RX_TAKEN;
	for (; i < n; i++) {
		if (vn_unlikely(filter->active) && !vn_filter_accepts(filter, &frames[i]))
			continue;
		*result = rx_gather(q, ring, batch, &frames[i], packed);
		if (*result != RX_TAKEN)
			break;
	}
	rx_flush(q, ring, batch);
	return i;
}

/* As many batches as it takes: a driver may add buffers meanwhile. */
static guint
rx_all(VnQueue *q, VnRing *ring, const JfFrame *frames, guint n)
{
	RxResult result = RX_TAKEN;
	RxBatch batch;
	guint taken = 0;

	while (taken < n) {
		taken += q->packed ? rx_frames(q, ring, &batch, frames + taken, n - taken, &result,
					       TRUE)
				   : rx_frames(q, ring, &batch, frames + taken, n - taken, &result,
					       FALSE);
		if (result == RX_BROKEN)
			vn_queue_break(q);
		if (result == RX_BROKEN ||
		    (result == RX_NO_ROOM && batch.n == 0 && !vn_rx_refuse(q, ring, &batch.end)))
			break;
	}
	return taken;
}

/* A queue that is broken loses what it is given: nothing would ever make room again. */
static guint
rx_batch(VnQueue *q, const JfFrame *frames, guint n)
{
	guint taken = 0;
	VnRing ring;

	pthread_mutex_lock(&q->lock);
	if (vn_queue_is_active(q) && vn_ring_open(q, &ring)) {
		taken = rx_all(q, &ring, frames, n);
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
	if (g_atomic_int_get(&net->taken))
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
		taken = rx_batch(&net->queues[2 * vn_rx_pair(net, 0)], frames, n);
	else if (n_rx == 0)
		taken = rx_nowhere(net, n);
	else
		taken = rx_steered(net, frames, n);
	net->pci->dma_leave(inst);
	return taken;
}
