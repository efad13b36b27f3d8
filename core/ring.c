/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ring.c - copies of frames that wait for their receiver. */
#include "ring.h"

#define ALIGN 16u

static JfRingEntry *
ring_get(const JfRing *ring, guint32 offset)
{
	return (JfRingEntry *)(ring->bytes + offset);
}

/* Free bytes at ring->tail, after going back to the beginning where that is needed and helps. An
 * offset is never so near the end that the mark does not fit. */
static guint32
ring_make_room(JfRing *ring, guint32 size)
{
	if (ring->n && ring->tail <= ring->head)
		return ring->head - ring->tail;
	if (JF_RING_BYTES - ring->tail < size + sizeof(JfRingEntry) && ring->head >= size) {
		ring_get(ring, ring->tail)->size = 0;
		ring->tail = 0;
		return ring->head;
	}
	return JF_RING_BYTES - ring->tail - (guint32)sizeof(JfRingEntry);
}

gboolean
jf_ring_push(JfRing *ring, const JfFrame *frame, guint32 done)
{
	guint32 size = ((guint32)sizeof(JfRingEntry) + frame->len + ALIGN - 1) & ~(ALIGN - 1);
	JfRingEntry *entry;

	if (!ring->bytes)
		ring->bytes = g_try_malloc(JF_RING_BYTES);
	if (!ring->bytes || (ring->n >= JF_RING_FRAMES && !done))
		return FALSE;
	if (ring_make_room(ring, size) < size)
		return FALSE;
	entry = ring_get(ring, ring->tail);
	*entry = (JfRingEntry){ .size = size,
				.done = done,
				.piece.iov_base = entry + 1,
				.piece.iov_len = frame->len,
				.frame = *frame };
	entry->frame.iov = &entry->piece;
	entry->frame.n_iov = 1;
	jf_frame_copy(frame, 0, entry + 1, frame->len);
	ring->tail += size;
	ring->n++;
	return TRUE;
}

guint
jf_ring_peek(const JfRing *ring, JfRingEntry **entries, guint max)
{
	guint32 offset = ring->head;
	guint n = MIN(max, ring->n);

	for (guint i = 0; i < n; i++) {
		entries[i] = ring_get(ring, offset);
		if (entries[i]->size == 0)
			entries[i] = ring_get(ring, 0);
		offset = (guint32)((guint8 *)entries[i] - ring->bytes) + entries[i]->size;
	}
	return n;
}

void
jf_ring_pop(JfRing *ring, guint n)
{
	for (; n > 0; n--) {
		if (ring_get(ring, ring->head)->size == 0)
			ring->head = 0;
		ring->head += ring_get(ring, ring->head)->size;
		ring->n--;
	}
	if (ring->n == 0)
		ring->head = ring->tail = 0;
}

void
jf_ring_finish(JfRing *ring)
{
	g_free(ring->bytes);
	*ring = (JfRing){ 0 };
}
