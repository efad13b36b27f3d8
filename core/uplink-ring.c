/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink-ring.c - frames between a card and the daemon, through rings in shared memory.
 *
 * Both rings are split rings with event index, used in order (virtio 1.2, 2.7). Receiving: each entry
 * is a buffer for good; a frame takes as many as it needs (MRG_RXBUF), and as they lie side by side it
 * is in one piece again. It goes to the card from there, and what the card refuses stays in the ring
 * until there is room. Sending: frames are copied one behind the other into a run of bytes that are
 * freed in the same order, one descriptor each. A sender that finds no room asks to be told when half
 * of the ring is done.
 *
 * The daemon is trusted with the frames and with nothing else: lengths, places and counts that it
 * writes are read once and checked, and one that cannot be ends the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uplink-private.h"

/* No multiple of 4096, so that the starts of buffers do not share one set of a cache. */
#define RX_BUFFER 4032u
#define TX_BYTES (1024u * 1024u)
#define LINE 64u

#define RING_MASK (UPLINK_RING - 1u)
#define AT_AVAIL (UPLINK_RING * (guint)sizeof(VirtqDesc))
#define AT_USED (AT_AVAIL + 1024u)
#define RING_BYTES (AT_USED + 3u * 1024u)
#define AT_TX (RING_BYTES)
#define AT_RX_BUFFERS (2u * RING_BYTES)
#define AT_TX_BYTES (AT_RX_BUFFERS + UPLINK_RING * RX_BUFFER)
#define MEMORY_SIZE (AT_TX_BYTES + TX_BYTES)

G_STATIC_ASSERT(sizeof(VirtqAvail) + (UPLINK_RING + 1) * 2 <= AT_USED - AT_AVAIL);
G_STATIC_ASSERT(sizeof(VirtqUsed) + UPLINK_RING * 8 + 2 <= RING_BYTES - AT_USED);
G_STATIC_ASSERT(MEMORY_SIZE % 4096 == 0);

gsize
uplink_rings_get_size(void)
{
	return MEMORY_SIZE;
}

/* ---- The beginning ---- */

static void
ring_init(Uplink *uplink, UplinkRing *ring, guint32 at)
{
	ring->desc = (VirtqDesc *)(uplink->memory + at);
	ring->avail = (VirtqAvail *)(uplink->memory + at + AT_AVAIL);
	ring->used = (VirtqUsed *)(uplink->memory + at + AT_USED);
	ring->next = ring->done = 0;
	for (guint i = 0; i < UPLINK_RING; i++)
		vn_store16(&ring->avail->ring[i], i);
	ring->event = G_MAXUINT16;
	vn_store16(&ring->avail->ring[UPLINK_RING], ring->event);
}

static void
rx_fill(Uplink *uplink)
{
	for (guint i = 0; i < UPLINK_RING; i++)
		uplink->rx.desc[i] = (VirtqDesc){
			.addr = GUINT64_TO_LE(UPLINK_ADDRESS + AT_RX_BUFFERS + i * RX_BUFFER),
			.len = GUINT32_TO_LE(RX_BUFFER),
			.flags = GUINT16_TO_LE(VIRTQ_DESC_F_WRITE),
		};
	uplink->rx.next = UPLINK_RING;
	vn_store16_release(&uplink->rx.avail->idx, UPLINK_RING);
}

/* New memory for each connection: whoever had the old one may still write to it. */
gboolean
uplink_rings_new(Uplink *uplink, GError **error)
{
	gpointer memory = MAP_FAILED;

	uplink->memory_fd = memfd_create("jackfield-uplink", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (uplink->memory_fd >= 0 && ftruncate(uplink->memory_fd, MEMORY_SIZE) == 0 &&
	    fcntl(uplink->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			      uplink->memory_fd, 0);
	if (memory == MAP_FAILED) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "no memory for rings: %s",
			    g_strerror(errno));
		return FALSE;
	}
	uplink->memory = memory;
	ring_init(uplink, &uplink->rx, 0);
	ring_init(uplink, &uplink->tx, AT_TX);
	rx_fill(uplink);
	uplink->head = uplink->tail = 0;
	g_atomic_int_set(&uplink->blocked, FALSE);
	__atomic_store_n(&uplink->trouble, NULL, __ATOMIC_RELAXED);
	return TRUE;
}

void
uplink_rings_open(Uplink *uplink)
{
	pthread_mutex_lock(&uplink->lock);
	uplink->is_open = TRUE;
	pthread_mutex_unlock(&uplink->lock);
}

/* ---- Both ways ---- */

static void
ring_broke(Uplink *uplink, const char *how)
{
	__atomic_store_n(&uplink->trouble, how, __ATOMIC_RELEASE);
	uplink_wake(uplink);
}

/* Makes everything up to `next` available and tells the daemon if it wants to know (2.7.10). */
static void
ring_publish(UplinkRing *ring, guint16 next)
{
	const guint64 one = 1;
	guint16 old = ring->next, event;

	if (next == old)
		return;
	ring->next = next;
	vn_store16_release(&ring->avail->idx, next);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = vn_load16((const guint16 *)&ring->used->ring[UPLINK_RING]);
	if ((guint16)(next - event - 1) < (guint16)(next - old) &&
	    write(ring->kick, &one, sizeof one) < 0 && errno != EAGAIN)
		return; /* the daemon went, and its connection says so */
}

/* The daemon tells when it has used entry `at`; of one that is behind, it does not tell. */
static void
ring_set_event(UplinkRing *ring, guint16 at)
{
	if (at == ring->event)
		return;
	ring->event = at;
	vn_store16(&ring->avail->ring[UPLINK_RING], at);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- Receiving ---- */

typedef struct RxBatch {
	guint n, n_pieces;
	JfFrame frames[JF_BATCH_MAX];
	guint16 ends[JF_BATCH_MAX]; /* of the ring, after each */
	struct iovec pieces[UPLINK_RING];
} RxBatch;

/* The bytes in the buffer of entry `at`, 0: impossible. */
static guint32
rx_length(Uplink *uplink, guint16 at)
{
	const VirtqUsedElem *elem = &uplink->rx.used->ring[at & RING_MASK];
	guint32 id = vn_load32(&elem->id), len = vn_load32(&elem->len);

	return id == (at & RING_MASK) && len <= RX_BUFFER ? len : 0;
}

static void
rx_add_piece(RxBatch *batch, JfFrame *frame, guint8 *base, guint32 len)
{
	struct iovec *last = frame->n_iov > 0 ? &batch->pieces[batch->n_pieces - 1] : NULL;

	frame->len += len;
	if (last && (guint8 *)last->iov_base + last->iov_len == base) {
		last->iov_len += len;
		return;
	}
	batch->pieces[batch->n_pieces++] = (struct iovec){ base, len };
	frame->n_iov++;
}

static void
rx_read_header(const guint8 *from, JfFrame *frame, guint *n_buffers)
{
	VirtioNetHdr hdr;

	memcpy(&hdr, from, sizeof hdr);
	*n_buffers = GUINT16_FROM_LE(hdr.num_buffers);
	if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		frame->flags = JF_FRAME_NEEDS_CSUM;
		frame->csum_start = GUINT16_FROM_LE(hdr.csum_start);
		frame->csum_offset = GUINT16_FROM_LE(hdr.csum_offset);
	} else if (hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		frame->flags = JF_FRAME_CSUM_VALID;
	}
	if (hdr.gso_type == JF_GSO_NONE)
		return;
	frame->gso_type = hdr.gso_type;
	frame->gso_size = GUINT16_FROM_LE(hdr.gso_size);
	frame->hdr_len = GUINT16_FROM_LE(hdr.hdr_len);
}

/* One frame from entry `at` on, where `left` are used. The buffers that it took, 0: not all of it is
 * there, or it is impossible (then *why). */
static guint
rx_take(Uplink *uplink, RxBatch *batch, guint16 at, guint left, const char **why)
{
	guint8 *buffers = uplink->memory + AT_RX_BUFFERS;
	JfFrame *frame = &batch->frames[batch->n];
	guint n_buffers = 1;

	memset(frame, 0, sizeof *frame);
	frame->iov = &batch->pieces[batch->n_pieces];
	for (guint i = 0; i < n_buffers; i++, at++) {
		guint8 *base = buffers + (gsize)(at & RING_MASK) * RX_BUFFER;
		guint32 len = rx_length(uplink, at);

		*why = "it used a buffer out of order, or says it wrote past its end";
		if (len == 0)
			return 0;
		if (i == 0) {
			*why = "it wrote a frame without a header";
			if (len <= VIRTIO_NET_HDR_LEN)
				return 0;
			rx_read_header(base, frame, &n_buffers);
			*why = "it wrote a frame of impossibly many buffers";
			if (n_buffers == 0 || n_buffers > UPLINK_RING)
				return 0;
			*why = NULL;
			if (n_buffers > left)
				return 0;
			base += VIRTIO_NET_HDR_LEN;
			len -= VIRTIO_NET_HDR_LEN;
		}
		rx_add_piece(batch, frame, base, len);
	}
	*why = NULL;
	batch->ends[batch->n++] = at;
	return n_buffers;
}

/* FALSE: the ring is broken. */
static gboolean
rx_gather(Uplink *uplink, RxBatch *batch)
{
	UplinkRing *ring = &uplink->rx;
	guint16 at = ring->done;
	guint left = (guint16)(vn_load16_acquire(&ring->used->idx) - at), n;
	const char *why = NULL;

	if (left > UPLINK_RING) {
		ring_broke(uplink, "it used more buffers than there are");
		return FALSE;
	}
	while (left > 0 && batch->n < JF_BATCH_MAX) {
		n = rx_take(uplink, batch, at, left, &why);
		if (why)
			ring_broke(uplink, why);
		if (n == 0)
			return !why;
		at = (guint16)(at + n);
		left -= n;
	}
	return TRUE;
}

/* What is refused is offered once more after saying so: room may have come in between. */
static guint
rx_deliver(Uplink *uplink, const RxBatch *batch)
{
	guint taken = uplink->join.deliver(uplink->join.data, batch->frames, batch->n);

	if (taken >= batch->n)
		return batch->n;
	g_atomic_int_set(&uplink->blocked, TRUE);
	taken += uplink->join.deliver(uplink->join.data, batch->frames + taken, batch->n - taken);
	if (taken == batch->n)
		g_atomic_int_set(&uplink->blocked, FALSE);
	return taken;
}

guint
uplink_rings_receive(Uplink *uplink)
{
	UplinkRing *ring = &uplink->rx;
	RxBatch batch;
	guint taken;

	if (g_atomic_int_get(&uplink->blocked) || !uplink->memory)
		return 0;
	batch.n = batch.n_pieces = 0;
	if (!rx_gather(uplink, &batch) || batch.n == 0)
		return 0;
	taken = rx_deliver(uplink, &batch);
	if (taken == 0)
		return 0;
	ring->done = batch.ends[taken - 1];
	ring_publish(ring, (guint16)(ring->done + UPLINK_RING));
	return taken;
}

void
uplink_rings_arm(Uplink *uplink)
{
	if (uplink->memory)
		ring_set_event(&uplink->rx, uplink->rx.done);
}

/* ---- Sending; the lock is held ---- */

/* FALSE: the ring is broken. */
static gboolean
tx_reclaim(Uplink *uplink)
{
	UplinkRing *ring = &uplink->tx;
	guint16 used = vn_load16_acquire(&ring->used->idx);

	if (used == ring->done)
		return TRUE;
	if ((guint16)(used - ring->done) > (guint16)(ring->next - ring->done)) {
		ring_broke(uplink, "it used frames that were not sent");
		return FALSE;
	}
	ring->done = used;
	uplink->tail = uplink->ends[(used - 1) & RING_MASK];
	return TRUE;
}

/* Finds `len` bytes together. FALSE: not now. `out`: entries in use. */
static gboolean
tx_allocate(Uplink *uplink, guint32 len, guint out, guint32 *at)
{
	if (out == 0)
		uplink->head = uplink->tail = 0;
	*at = uplink->head;
	if (out == 0 || uplink->head > uplink->tail) {
		if (len <= TX_BYTES - uplink->head)
			return TRUE;
		*at = 0;
	}
	/* Never all of it, for then head and tail would be the same as when all is free. */
	return len < uplink->tail - *at;
}

static void
tx_copy(guint8 *to, const JfFrame *frame)
{
	VirtioNetHdr hdr = { 0 };

	if (frame->flags & JF_FRAME_NEEDS_CSUM) {
		hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr.csum_start = GUINT16_TO_LE(frame->csum_start);
		hdr.csum_offset = GUINT16_TO_LE(frame->csum_offset);
	}
	if (frame->gso_type != JF_GSO_NONE) {
		hdr.gso_type = frame->gso_type;
		hdr.gso_size = GUINT16_TO_LE(frame->gso_size);
		hdr.hdr_len = GUINT16_TO_LE(frame->hdr_len);
	}
	memcpy(to, &hdr, VIRTIO_NET_HDR_LEN);
	to += VIRTIO_NET_HDR_LEN;
	for (guint i = 0; i < frame->n_iov; i++) {
		memcpy(to, frame->iov[i].iov_base, frame->iov[i].iov_len);
		to += frame->iov[i].iov_len;
	}
}

/* At entry `next`. FALSE: no room. */
static gboolean
tx_add(Uplink *uplink, guint16 next, const JfFrame *frame)
{
	guint out = (guint16)(next - uplink->tx.done);
	guint32 len = VIRTIO_NET_HDR_LEN + frame->len, room = (len + LINE - 1) & ~(LINE - 1);
	VirtqDesc *desc = &uplink->tx.desc[next & RING_MASK];
	guint32 at;

	if (out >= UPLINK_RING || !tx_allocate(uplink, room, out, &at))
		return FALSE;
	tx_copy(uplink->memory + AT_TX_BYTES + at, frame);
	*desc = (VirtqDesc){ .addr = GUINT64_TO_LE(UPLINK_ADDRESS + AT_TX_BYTES + at),
			     .len = GUINT32_TO_LE(len) };
	uplink->head = uplink->ends[next & RING_MASK] = at + room;
	return TRUE;
}

static guint
tx_add_all(Uplink *uplink, const JfFrame *frames, guint n)
{
	guint16 next = uplink->tx.next;
	guint taken = 0;

	while (taken < n && tx_add(uplink, next, &frames[taken])) {
		taken++;
		next++;
	}
	ring_publish(&uplink->tx, next);
	return taken;
}

/* See the top of the file. */
static void
tx_wait(Uplink *uplink)
{
	UplinkRing *ring = &uplink->tx;
	guint out = (guint16)(ring->next - ring->done);

	uplink->refused_at = ring->done;
	g_atomic_int_set(&uplink->waiting, TRUE);
	ring_set_event(ring, (guint16)(ring->done + (out - 1) / 2));
}

static guint
tx_send(Uplink *uplink, const JfFrame *frames, guint n)
{
	guint taken;

	if (!tx_reclaim(uplink)) {
		jf_count(uplink->lost, n);
		return n;
	}
	taken = tx_add_all(uplink, frames, n);
	if (taken < n) {
		tx_wait(uplink);
		if (tx_reclaim(uplink))
			taken += tx_add_all(uplink, frames + taken, n - taken);
	}
	return taken;
}

guint
uplink_rings_send(Uplink *uplink, const JfFrame *frames, guint n)
{
	guint taken = n;

	pthread_mutex_lock(&uplink->lock);
	if (uplink->is_open)
		taken = tx_send(uplink, frames, n);
	else
		jf_count(uplink->away, n);
	pthread_mutex_unlock(&uplink->lock);
	if (taken < n && !uplink->join.resume) {
		jf_count(uplink->away, n - taken);
		taken = n;
	}
	return taken;
}

guint
uplink_rings_reclaim(Uplink *uplink)
{
	gboolean room = TRUE;

	if (!g_atomic_int_get(&uplink->waiting))
		return 0;
	pthread_mutex_lock(&uplink->lock);
	if (uplink->is_open)
		room = tx_reclaim(uplink) && uplink->tx.done != uplink->refused_at;
	if (room)
		g_atomic_int_set(&uplink->waiting, FALSE);
	pthread_mutex_unlock(&uplink->lock);
	if (room && uplink->join.resume)
		uplink->join.resume(uplink->join.data);
	return room;
}

/* ---- The end ---- */

void
uplink_rings_free(Uplink *uplink)
{
	pthread_mutex_lock(&uplink->lock);
	if (uplink->is_open) {
		tx_reclaim(uplink);
		jf_count(uplink->lost, (guint16)(uplink->tx.next - uplink->tx.done));
	}
	uplink->is_open = FALSE;
	pthread_mutex_unlock(&uplink->lock);
	if (uplink->memory)
		munmap(uplink->memory, MEMORY_SIZE);
	if (uplink->memory_fd >= 0)
		close(uplink->memory_fd);
	uplink->memory = NULL;
	uplink->memory_fd = -1;
}
