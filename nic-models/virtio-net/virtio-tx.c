/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-tx.c - frames from the guest.
 *
 * Up to JF_BATCH_MAX buffers of a ring become frames whose pieces are the guest's own memory. They
 * go out in one call; what was taken is given back in one stroke. What was not stays in the ring,
 * untouched, and is read anew after resume.
 *
 * A buffer that makes no frame (no header, offloads that were not negotiated, a bad length) becomes
 * a frame that breaks the promises of JfFrame: the host drops it, counts it, and calls it taken, so
 * every buffer is one frame and the count says where to go on.
 */
#include "virtio-ring.h"

/* What one call handles at most, so that others on the worker have their turn. */
#define BATCHES_MAX 4u
/* Pieces of a batch, of which one frame may have JF_FRAME_MAX_IOV, and its header one more. */
#define PIECES_MAX 320u
#define FRAME_PIECES_MAX (JF_FRAME_MAX_IOV + 1u)
/* Pieces of the largest frame that is still sent by way of a copy. */
#define BOUNCE_PIECES_MAX (VN_CHAIN_MAX + JF_FRAME_MAX_IOV)

typedef struct TxBatch {
	guint n, n_pieces;
	JfFrame frames[JF_BATCH_MAX];
	VnUsed used[JF_BATCH_MAX];
	VnBuffer buffers[JF_BATCH_MAX];
	struct iovec pieces[PIECES_MAX];
} TxBatch;

static guint64
gso_feature(guint8 type)
{
	switch (type) {
	case JF_GSO_TCPV4:
		return VIRTIO_NET_F_HOST_TSO4;
	case JF_GSO_TCPV6:
		return VIRTIO_NET_F_HOST_TSO6;
	case JF_GSO_UDP:
		return VIRTIO_NET_F_HOST_UFO;
	case JF_GSO_UDP_L4:
		return VIRTIO_NET_F_HOST_USO;
	default:
		return 0;
	}
}

/* FALSE: the driver asks for what it did not negotiate (5.1.6.2.1). */
static gboolean
tx_offloads(guint64 features, const VirtioNetHdr *hdr, JfFrame *frame)
{
	guint8 type = hdr->gso_type & ~JF_GSO_ECN;

	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!(features & VIRTIO_NET_F_CSUM))
			return FALSE;
		frame->flags = JF_FRAME_NEEDS_CSUM;
		frame->csum_start = GUINT16_FROM_LE(hdr->csum_start);
		frame->csum_offset = GUINT16_FROM_LE(hdr->csum_offset);
	}
	if (hdr->gso_type == JF_GSO_NONE)
		return TRUE;
	if (!(features & gso_feature(type)) ||
	    ((hdr->gso_type & JF_GSO_ECN) && !(features & VIRTIO_NET_F_HOST_ECN)))
		return FALSE;
	frame->gso_type = hdr->gso_type;
	frame->gso_size = GUINT16_FROM_LE(hdr->gso_size);
	frame->hdr_len = GUINT16_FROM_LE(hdr->hdr_len);
	return TRUE;
}

/* Moves `len` bytes from the front of the pieces to `dst`. FALSE: there are fewer. */
static gboolean
pieces_pull(struct iovec **iov, guint *n, gpointer dst, gsize len)
{
	guint8 *to = dst;

	while (*n > 0 && len > 0) {
		gsize part = MIN(len, (*iov)->iov_len);

		memcpy(to, (*iov)->iov_base, part);
		to += part;
		len -= part;
		(*iov)->iov_base = (guint8 *)(*iov)->iov_base + part;
		(*iov)->iov_len -= part;
		if ((*iov)->iov_len > 0)
			break;
		(*iov)++;
		(*n)--;
	}
	return len == 0;
}

VN_INLINE void
tx_frame(VnQueue *q, const VnBuffer *buffer, struct iovec *iov, JfFrame *frame)
{
	guint n = buffer->n_iov;
	gsize hdr_len = q->hdr_len;
	VirtioNetHdr hdr;

	if (vn_likely(n > 0 && iov->iov_len > hdr_len)) {
		memcpy(&hdr, iov->iov_base, VIRTIO_NET_HDR_LEN_OLD);
		iov->iov_base = (guint8 *)iov->iov_base + hdr_len;
		iov->iov_len -= hdr_len;
	} else if (!pieces_pull(&iov, &n, &hdr, hdr_len)) {
		*frame = (JfFrame){ 0 };
		return;
	}
	*frame = (JfFrame){ .iov = iov,
			    .n_iov = n,
			    .len = (guint32)MIN(buffer->len - hdr_len, G_MAXUINT32) };
	if (vn_unlikely(hdr.flags | hdr.gso_type) && !tx_offloads(q->net->features, &hdr, frame))
		*frame = (JfFrame){ 0 };
}

/* The header, and behind it what a switch looks at, are in the other processor's cache. */
VN_INLINE void
tx_prefetch(const VnQueue *q, const VnBuffer *buffer, const struct iovec *iov)
{
	if (vn_unlikely(buffer->n_iov == 0))
		return;
	__builtin_prefetch(iov[0].iov_base);
	if (buffer->n_iov > 1)
		__builtin_prefetch(iov[1].iov_base);
	else
		__builtin_prefetch((const guint8 *)iov[0].iov_base + q->hdr_len + 16);
}

/* Takes buffers into the batch. FALSE: the driver broke a rule, behind what is in the batch. */
VN_INLINE gboolean
tx_take(VnQueue *q, VnRing *ring, VnCursor *cursor, TxBatch *batch, const gboolean packed)
{
	batch->n = batch->n_pieces = 0;
	while (batch->n < JF_BATCH_MAX && batch->n_pieces + FRAME_PIECES_MAX <= PIECES_MAX) {
		struct iovec *iov = &batch->pieces[batch->n_pieces];
		VnBuffer *buffer = &batch->buffers[batch->n];
		VnCursor before = *cursor;
		VnTake take =
			vn_take(q, ring, cursor, buffer, iov, FRAME_PIECES_MAX, VN_READ, packed);

		if (take != VN_TAKEN)
			return take != VN_BAD;
		/* More pieces than a JfFrame has, and the header may not be one of its own. */
		if (vn_unlikely(buffer->n_iov > JF_FRAME_MAX_IOV || buffer->cut)) {
			*cursor = before;
			return TRUE;
		}
		tx_prefetch(q, buffer, iov);
		batch->n++;
		batch->n_pieces += buffer->n_iov;
	}
	return TRUE;
}

VN_INLINE gboolean
tx_collect(VnQueue *q, VnRing *ring, VnCursor *cursor, TxBatch *batch, const gboolean packed)
{
	gboolean sane = tx_take(q, ring, cursor, batch, packed);
	struct iovec *iov = batch->pieces;

	for (guint i = 0; i < batch->n; i++) {
		const VnBuffer *buffer = &batch->buffers[i];

		tx_frame(q, buffer, iov, &batch->frames[i]);
		batch->used[i] = (VnUsed){ .id = buffer->id, .n_descs = buffer->n_descs };
		iov += buffer->n_iov;
	}
	return sane;
}

/* The next buffer is in too many pieces: it goes alone, gathered in a copy. */
static gboolean
tx_collect_bounced(VnQueue *q, VnRing *ring, VnCursor *cursor, TxBatch *batch)
{
	struct iovec pieces[BOUNCE_PIECES_MAX];
	VirtioNet *net = q->net;
	guint8 *to;
	VnBuffer buffer;
	VnTake take =
		vn_take(q, ring, cursor, &buffer, pieces, BOUNCE_PIECES_MAX, VN_READ, q->packed);

	if (take != VN_TAKEN)
		return take != VN_BAD;
	if (!net->bounce)
		net->bounce = g_malloc(VIRTIO_NET_HDR_LEN + JF_FRAME_MAX_LEN);
	batch->n = 1;
	batch->used[0] = (VnUsed){ .id = buffer.id, .n_descs = buffer.n_descs };
	batch->frames[0] = (JfFrame){ 0 };
	if (buffer.cut || buffer.len > q->hdr_len + JF_FRAME_MAX_LEN)
		return TRUE;
	to = net->bounce;
	for (guint i = 0; i < buffer.n_iov; i++) {
		memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
		to += pieces[i].iov_len;
	}
	batch->pieces[0] = (struct iovec){ net->bounce, buffer.len };
	buffer.n_iov = 1;
	tx_frame(q, &buffer, &batch->pieces[0], &batch->frames[0]);
	return TRUE;
}

/* Returns how many went out; *more: the ring may have more for now. */
static guint
tx_batch(VnQueue *q, VnRing *ring, gboolean *more)
{
	VirtioNet *net = q->net;
	VnCursor cursor;
	TxBatch batch;
	gboolean sane;
	guint sent;

	sane = vn_cursor_init(&cursor, q, ring, q->packed);
	batch.n = 0;
	if (sane)
		sane = q->packed ? tx_collect(q, ring, &cursor, &batch, TRUE)
				 : tx_collect(q, ring, &cursor, &batch, FALSE);
	if (sane && batch.n == 0)
		sane = tx_collect_bounced(q, ring, &cursor, &batch);
	*more = sane && batch.n > 0;
	if (batch.n == 0) {
		if (!sane)
			vn_queue_break(q);
		return 0;
	}
	if (vn_unlikely(q->notify))
		vn_queue_set_notify(q, FALSE);
	vn_ring_intend(q, batch.used, batch.n, TRUE);
	sent = net->host->output(net->inst, 0, batch.frames, batch.n);
	if (g_atomic_int_get(&net->n_rx) > 1)
		vn_steer_learn(net, batch.frames, sent, q->index / 2u);
	if (vn_likely(sent > 0) && vn_ring_use(q, ring, batch.used, sent, TRUE))
		vn_queue_signal(q);
	vn_ring_done(q);
	if (vn_unlikely(sent < batch.n)) {
		g_atomic_int_set(&q->refused, TRUE);
		*more = FALSE;
	}
	return sent;
}

guint
vn_tx_run(VnQueue *q)
{
	VirtioNet *net = q->net;
	gboolean more = TRUE;
	guint sent = 0;
	VnRing ring;

	if (!vn_queue_is_active(q) || g_atomic_int_get(&q->refused))
		return 0;
	net->pci->dma_enter(net->inst);
	if (vn_ring_open(q, &ring)) {
		for (guint i = 0; i < BATCHES_MAX && more; i++)
			sent += tx_batch(q, &ring, &more);
		vn_ring_close(q, &ring);
	}
	net->pci->dma_leave(net->inst);
	return sent;
}
