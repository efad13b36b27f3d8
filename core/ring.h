/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ring.h - copies of frames that wait for their receiver, in the order they came.
 *
 * The memory comes with the first frame and goes with jf_ring_finish. An empty ring starts again
 * at its beginning, so that a short queue touches few pages. Not for several threads at once, but
 * for one thing: what was peeked may be read while frames are pushed.
 */
#ifndef JF_RING_H
#define JF_RING_H

#include "jackfield/frame.h"

#define JF_RING_BYTES (1024u * 1024u)
#define JF_RING_FRAMES 256u

/* A frame in the ring, in one piece that follows. */
typedef struct JfRingEntry {
	guint32 size; /* of all, with the piece; 0: go on at the beginning */
	guint32 done; /* segments of it that the receiver has already */
	struct iovec piece;
	JfFrame frame;
} JfRingEntry;

typedef struct JfRing {
	guint8 *bytes;
	guint32 head, tail; /* offsets of the oldest entry and of the free space */
	guint32 n;
} JfRing;

/* FALSE: no room, or no memory. What is left of a frame (`done` segments were taken) may come on
 * top of JF_RING_FRAMES. */
gboolean jf_ring_push(JfRing *ring, const JfFrame *frame, guint32 done);
/* The oldest entries, up to `max`. They stay where they are until popped. */
guint jf_ring_peek(const JfRing *ring, JfRingEntry **entries, guint max);
/* Takes out the `n` oldest. */
void jf_ring_pop(JfRing *ring, guint n);
/* Empties it and gives the memory back. */
void jf_ring_finish(JfRing *ring);

#endif
