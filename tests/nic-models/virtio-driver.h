/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-driver.h - the driver's side of virtqueues, for tests, fuzz targets and benchmarks.
 *
 * A ring lies in a block of guest memory that the caller gives. Buffers are added one at a time and
 * come back by their token; with VD_IN_ORDER those that one used entry names come back one by one.
 * Nothing here trusts the device more than a careful driver does: what it writes is checked by
 * assertions.
 */
#ifndef TEST_VIRTIO_DRIVER_H
#define TEST_VIRTIO_DRIVER_H

#include <glib.h>

/* A block of guest memory, handed out from the front. */
typedef struct VdMemory {
	guint8 *base;
	guint64 address, size, used;
} VdMemory;

/* Guest address of `size` fresh bytes. */
guint64 vd_alloc(VdMemory *memory, guint64 size, guint64 align);
gpointer vd_pointer(const VdMemory *memory, guint64 address);

#define VD_PACKED 0x1u
#define VD_EVENT_IDX 0x2u
#define VD_IN_ORDER 0x4u

typedef struct VdPiece {
	guint64 address;
	guint32 len;
} VdPiece;

typedef struct VdRing {
	VdMemory *memory;
	guint size, flags;
	guint64 desc, driver, device;

	guint16 avail, used; /* split: free-running; packed: index */
	gboolean avail_wrap, used_wrap;
	guint16 kicked;                            /* `avail` at the last kick */
	guint n_free;                              /* entries of the ring */
	guint n_ids;                               /* in free_ids */
	guint16 *free_ids, *chain_len, *next_free; /* by id */
	guint *tokens;                             /* by id */
	guint16 *order; /* ids in the order of adding, a ring of `size` */
	guint order_head, n_out;
	gboolean in_batch; /* VD_IN_ORDER: buffers up to `batch_last` are used */
	guint16 batch_last;
	guint32 batch_len;
	guint64 spare_tables; /* a table of VD_INDIRECT_MAX descriptors for each id */
} VdRing;

#define VD_INDIRECT_MAX 16u

/* Allocates the parts and starts at `index` (split: any; packed: below `size`, wrap counters `wrap`). */
void vd_ring_init(VdRing *ring, VdMemory *memory, guint size, guint flags, guint16 index,
		  gboolean wrap);
void vd_ring_clear(VdRing *ring);
/* `n_out` pieces to read, then `n_in` to write. FALSE: the ring is full. */
gboolean vd_add(VdRing *ring, const VdPiece *pieces, guint n_out, guint n_in, gboolean indirect,
		guint token);
/* The next buffer that came back. */
gboolean vd_get(VdRing *ring, guint *token, guint32 *len);
/* Whether the device wants to hear of what was added since the last call. */
gboolean vd_needs_kick(VdRing *ring);
/* Asks for a notification at the next buffer used (or not). */
void vd_want_signal(VdRing *ring, gboolean on);
/* Where the device is to begin, in the form of JfVirtioRing. */
guint16 vd_start_index(const VdRing *ring);

#endif
