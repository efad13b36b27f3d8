/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-track.c - going on where a process that died has left a ring.
 *
 * Buffers are used up in the order in which they came, a batch at a time, so all that can be open is
 * one batch. Its record (JfVirtioMark) lies in memory that the front end keeps for us. It is written
 * before a frame leaves; so after a crash these buffers count as done, whether or not their frames
 * still made it: none is sent twice. What of the batch the driver has been told already shows in
 * the ring itself:
 *
 *	- split: the used index, stored once for the batch, is still at the record's beginning, or at
 *	  its end
 *	- packed: a descriptor that is still available has not been used up
 *
 * A record counts from the start of the ring that it names until the front end stops that ring; so it
 * also says where a ring goes on that we have stopped. It is the front end's (INFLIGHT_SHMFD) or, for
 * one that keeps none, our own file (vhost-user-record.c), which counts only for the very memory that
 * the ring lay in. Who has set the ring up anew meanwhile shows in the ring: no entry of it was used
 * yet, or the buffers are not those of the record.
 *
 * Without a record a split ring goes on at its used index, and a packed one where the front end
 * says.
 */
#include "vhost-user.h"

#include <string.h>

#define DESC_AVAIL (1u << 7)
#define DESC_USED (1u << 15)
#define DESC_WRITE (1u << 1)
#define WRAP 0x8000u

typedef struct PackedDesc {
	guint64 address;
	guint32 len;
	guint16 id, flags;
} PackedDesc;

typedef struct AvailRing {
	guint16 flags, idx;
	guint16 ring[];
} AvailRing;

typedef struct UsedElem {
	guint32 id, len;
} UsedElem;

typedef struct UsedRing {
	guint16 flags, idx;
	UsedElem ring[];
} UsedRing;

gsize
vh_track_size(guint n_rings)
{
	G_STATIC_ASSERT(sizeof(VhTrack) == 640);
	return n_rings * sizeof(VhTrack);
}

static gpointer
ring_memory(const VhRing *ring, guint64 user, guint64 len)
{
	const VhRegion *region = vh_memory_find(ring->vh, user, len);

	return region ? region->base + (user - region->user) : NULL;
}

static VhTrack *
track_find(const VhRing *ring)
{
	const Vhost *vh = ring->vh;

	if (vh->inflight.data)
		return ring->index < vh->n_inflight ? (VhTrack *)vh->inflight.data + ring->index
						    : NULL;
	return vh->record.data ? (VhTrack *)vh->record.data + ring->index : NULL;
}

/* Of a record of our own: the memory is still the same. */
static gboolean
track_is_of_memory(const VhRing *ring)
{
	const VhRegion *region = vh_memory_find(ring->vh, ring->desc, 1);

	return ring->vh->inflight.data ||
	       (region && region->dev == ring->track->dev && region->ino == ring->track->ino);
}

/* The record, if it is this ring's. Its numbers are the front end's to forge: the copy is checked. */
static gboolean
track_read(const VhRing *ring, JfVirtioMark *mark, guint *n)
{
	const VhTrack *track = ring->track;

	if (!track || __atomic_load_n(&track->active, __ATOMIC_ACQUIRE) != 1 ||
	    track->size != ring->size || track->desc != ring->desc ||
	    track->driver != ring->driver || track->device != ring->device ||
	    track->features != ring->vh->features || !track_is_of_memory(ring))
		return FALSE;
	*mark = track->mark;
	*n = (guint)(mark->state >> 32) & G_MAXUINT16;
	return *n <= G_N_ELEMENTS(mark->used) && *n <= ring->size;
}

/* Whether the buffers of the record are the next ones that the driver made available. */
static gboolean
split_has(const VhRing *ring, guint16 at, const JfVirtioMark *mark, guint n)
{
	const AvailRing *avail = ring_memory(ring, ring->driver, 4 + 2ull * ring->size);

	if (!avail || (guint16)(__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) - at) < n)
		return FALSE;
	for (guint i = 0; i < n; i++) {
		if (avail->ring[(at + i) & (ring->size - 1)] != mark->used[i].id)
			return FALSE;
	}
	return TRUE;
}

static void
resume_split(VhRing *ring)
{
	UsedRing *used = ring_memory(ring, ring->device, 4 + 8ull * ring->size);
	JfVirtioMark mark;
	guint16 at;
	guint n;

	if (!used)
		return;
	at = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
	if (track_read(ring, &mark, &n) && n > 0 && at == (guint16)(mark.state >> 16) &&
	    split_has(ring, at, &mark, n)) {
		for (guint i = 0; i < n; i++) {
			UsedElem elem = { mark.used[i].id, mark.used[i].len };

			used->ring[at & (ring->size - 1)] = elem;
			at++;
		}
		__atomic_store_n(&used->idx, at, __ATOMIC_RELEASE);
	}
	ring->avail = ring->used = at;
}

static guint16
packed_step(guint16 at, guint count, guint size)
{
	guint index = (at & (WRAP - 1)) + count;

	return index < size ? (guint16)((at & WRAP) | index)
			    : (guint16)((~at & WRAP) | (index - size));
}

static void
packed_use(PackedDesc *desc, const JfVirtioUsed *used, gboolean wrap)
{
	guint16 flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);

	gboolean avail = (flags & DESC_AVAIL) != 0, is_used = (flags & DESC_USED) != 0;

	if (avail != wrap || is_used == wrap)
		return;
	desc->id = used->id;
	desc->len = used->len;
	flags = (guint16)((wrap ? DESC_AVAIL | DESC_USED : 0) | (used->len ? DESC_WRITE : 0));
	__atomic_store_n(&desc->flags, flags, __ATOMIC_RELEASE);
}

/* Not one entry has been used up. */
static gboolean
packed_is_new(const PackedDesc *desc, guint32 size)
{
	for (guint32 i = 0; i < size; i++) {
		if (__atomic_load_n(&desc[i].flags, __ATOMIC_RELAXED) & DESC_USED)
			return FALSE;
	}
	return TRUE;
}

/* Whether the ring may be where the record says. One that is new may have the same buffers in the same
 * places as the record of the ring before it. */
static gboolean
packed_has(const VhRing *ring, const PackedDesc *desc, guint16 at, guint n)
{
	guint16 index = at & (WRAP - 1), flags;

	if (index >= ring->size || packed_is_new(desc, ring->size))
		return FALSE;
	flags = __atomic_load_n(&desc[index].flags, __ATOMIC_ACQUIRE);
	return n == 0 || ((flags & DESC_AVAIL) != 0) == ((at & WRAP) != 0);
}

static void
resume_packed(VhRing *ring)
{
	PackedDesc *desc = ring_memory(ring, ring->desc, 16ull * ring->size);
	JfVirtioMark mark;
	guint16 at;
	guint n;

	if (!desc || !track_read(ring, &mark, &n))
		return;
	at = (guint16)(mark.state >> 16);
	if (!packed_has(ring, desc, at, n))
		return;
	for (guint i = 0; i < n && (at & (WRAP - 1)) < ring->size; i++) {
		packed_use(&desc[at & (WRAP - 1)], &mark.used[i], (at & WRAP) != 0);
		at = packed_step(at, MIN(mark.used[i].count, ring->size), ring->size);
	}
	ring->avail = ring->used = at;
}

void
vh_track_resume(VhRing *ring)
{
	ring->track = track_find(ring);
	if (ring->vh->features & VH_F_RING_PACKED)
		resume_packed(ring);
	else
		resume_split(ring);
}

static void
track_set_place(VhRing *ring)
{
	guint64 state = (guint64)ring->used << 16 | ring->avail;

	__atomic_store_n(&ring->track->mark.state, state, __ATOMIC_RELEASE);
}

void
vh_track_begin(VhRing *ring)
{
	const VhRegion *region = vh_memory_find(ring->vh, ring->desc, 1);
	VhTrack *track = ring->track;

	if (!track)
		return;
	__atomic_store_n(&track->active, 0, __ATOMIC_RELEASE);
	track->size = ring->size;
	track->desc = ring->desc;
	track->driver = ring->driver;
	track->device = ring->device;
	track->features = ring->vh->features;
	track->dev = region ? region->dev : 0;
	track->ino = region ? region->ino : 0;
	track_set_place(ring);
	__atomic_store_n(&track->active, 1, __ATOMIC_RELEASE);
}

void
vh_track_pause(VhRing *ring)
{
	if (ring->track)
		track_set_place(ring);
	ring->track = NULL;
}

void
vh_track_end(VhRing *ring)
{
	VhTrack *track = track_find(ring);

	if (track)
		__atomic_store_n(&track->active, 0, __ATOMIC_RELEASE);
	ring->track = NULL;
}
