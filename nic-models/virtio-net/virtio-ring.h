/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-ring.h - a ring opened for one batch: address translation, and buffers taken from it.
 *
 * Everything here is inlined twice, for split and for packed rings (`packed` is a constant at each
 * call). The guest may change its memory at any time, so each descriptor is read once and checked
 * as a copy. A chain has at most VN_CHAIN_MAX descriptors, so that none is endless.
 */
#ifndef VIRTIO_RING_H
#define VIRTIO_RING_H

#include <string.h>
#include <sys/uio.h>

#include "virtio-net.h"

#define VN_INLINE static inline __attribute__((always_inline))
#define vn_likely(x) __builtin_expect(!!(x), 1)
#define vn_unlikely(x) __builtin_expect(!!(x), 0)

/* The guest's memory table, good between dma_enter and dma_leave. */
typedef struct VnMap {
	const JfDeviceMemory *regions, *last; /* `last` is where the last address was found */
	guint n;
} VnMap;

/* The piece of memory at `address`, *len shortened to what lies together; NULL: none. */
const guint8 *vn_map_find(VnMap *map, guint64 address, guint64 *len, gboolean write);

VN_INLINE guint8 *
vn_map(VnMap *map, guint64 address, guint64 *len, gboolean write)
{
	const JfDeviceMemory *region = map->last;
	guint64 offset = address - region->address;

	if (vn_likely(offset < region->size && *len <= region->size - offset &&
		      (!write || (region->flags & JF_MEMORY_WRITE))))
		return (guint8 *)region->base + offset;
	return (guint8 *)vn_map_find(map, address, len, write);
}

/* A part of a ring: all of it in one region, and aligned for this host. */
gpointer vn_map_part(VnMap *map, guint64 address, guint64 len, guint align, gboolean write);

typedef struct VnRing {
	VnMap map;
	const JfDirtyLog *log; /* where to mark what is written; NULL: nobody migrates */
	union {
		const VirtqDesc *desc;
		PvirtqDesc *packed;
	};
	union {
		const VirtqAvail *avail;
		const PvirtqEvent *driver;
	};
	union {
		VirtqUsed *used;
		PvirtqEvent *device;
	};
} VnRing;

/* In dma_enter. FALSE: the memory is not there (any more, or yet). */
gboolean vn_ring_open(VnQueue *q, VnRing *ring);
void vn_ring_close(VnQueue *q, const VnRing *ring);

/* A place in the ring, ahead of the queue's own. */
typedef struct VnCursor {
	guint16 at;
	gboolean wrap; /* packed */
	guint left;    /* split: entries that the driver made available */
} VnCursor;

typedef struct VnBuffer {
	guint16 id;      /* the driver's name for it */
	guint16 n_descs; /* entries of the ring that it takes */
	guint n_iov;     /* pieces stored */
	guint n_out;     /* of these, ones that the device reads; they come first */
	guint64 len;     /* bytes in all pieces */
	gboolean cut;    /* there are more pieces than could be stored */
} VnBuffer;

typedef enum {
	VN_NONE = 0,
	VN_TAKEN = 1,
	VN_BAD = -1,
} VnTake;

/* Which way the pieces of a buffer may point. */
typedef enum {
	VN_READ = 1,  /* the device reads */
	VN_WRITE = 2, /* the device writes */
	VN_BOTH = 3,
} VnAccess;

/* Takes one piece of guest memory into the buffer; several, where the map is cut there. */
VN_INLINE gboolean
vn_buffer_add(VnBuffer *buffer, VnMap *map, struct iovec *iov, guint max, guint64 address,
	      guint32 len, gboolean write)
{
	guint64 left = len;

	while (left) {
		guint64 together = left;
		guint8 *base = vn_map(map, address, &together, write);

		if (vn_unlikely(!base))
			return FALSE;
		if (vn_likely(buffer->n_iov < max))
			iov[buffer->n_iov++] = (struct iovec){ base, together };
		else
			buffer->cut = TRUE;
		buffer->len += together;
		address += together;
		left -= together;
	}
	return TRUE;
}

/* A descriptor of either form; `next` is of a split one. */
typedef struct VnDesc {
	guint64 addr;
	guint32 len;
	guint16 flags, next;
} VnDesc;

VN_INLINE VnDesc
vn_desc_load(const VirtqDesc *d)
{
	return (VnDesc){ vn_load64(&d->addr), vn_load32(&d->len), vn_load16(&d->flags),
			 vn_load16(&d->next) };
}

VN_INLINE gboolean
vn_buffer_add_desc(VnBuffer *buffer, VnMap *map, struct iovec *iov, guint max, const VnDesc *d,
		   VnAccess access)
{
	gboolean write = (d->flags & VIRTQ_DESC_F_WRITE) != 0;

	if (vn_unlikely(!(access & (write ? VN_WRITE : VN_READ))))
		return FALSE;
	/* What the device reads comes first (2.7.4.2). */
	if (access == VN_BOTH && !write && buffer->n_out < buffer->n_iov)
		return FALSE;
	if (!vn_buffer_add(buffer, map, iov, max, d->addr, d->len, write))
		return FALSE;
	if (!write)
		buffer->n_out = buffer->n_iov;
	return TRUE;
}

/* The chain from `d` on, in a table of `size`; out of line, for most buffers are one descriptor. */
gboolean vn_chain_walk(VnQueue *q, VnRing *ring, VnDesc d, VnBuffer *buffer, struct iovec *iov,
		       guint max, VnAccess access);
/* The same in a packed ring, from the entry at `cursor` on, whose descriptor is `d`. */
gboolean vn_packed_walk(VnQueue *q, VnRing *ring, VnCursor *cursor, VnDesc d, VnBuffer *buffer,
			struct iovec *iov, guint max, VnAccess access);

/* FALSE: the driver claims more entries than there are. */
VN_INLINE gboolean
vn_cursor_init(VnCursor *cursor, const VnQueue *q, const VnRing *ring, const gboolean packed)
{
	*cursor = (VnCursor){ .at = q->avail, .wrap = q->avail_wrap };
	if (!packed)
		cursor->left = (guint16)(vn_load16_acquire(&ring->avail->idx) - q->avail);
	return cursor->left <= q->size;
}

/* Whether the entry of a packed ring at the cursor is the device's. */
VN_INLINE gboolean
vn_packed_is_available(guint16 flags, gboolean wrap)
{
	return (flags & (PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED)) ==
	       (wrap ? PVIRTQ_DESC_F_AVAIL : PVIRTQ_DESC_F_USED);
}

VN_INLINE void
vn_cursor_step(const VnQueue *q, VnCursor *cursor)
{
	if (vn_unlikely(++cursor->at >= q->size)) {
		cursor->at = 0;
		cursor->wrap = !cursor->wrap;
	}
}

VN_INLINE VnTake
vn_take_split(VnQueue *q, VnRing *ring, VnCursor *cursor, VnBuffer *buffer, struct iovec *iov,
	      guint max, VnAccess access)
{
	guint16 head;
	VnDesc d;

	if (cursor->left == 0)
		return VN_NONE;
	head = vn_load16(&ring->avail->ring[cursor->at & (q->size - 1)]);
	if (vn_unlikely(head >= q->size))
		return VN_BAD;
	*buffer = (VnBuffer){ .id = head, .n_descs = 1 };
	d = vn_desc_load(&ring->desc[head]);
	if (vn_likely(!(d.flags & (VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_INDIRECT)))) {
		if (vn_unlikely(!vn_buffer_add_desc(buffer, &ring->map, iov, max, &d, access)))
			return VN_BAD;
	} else if (!vn_chain_walk(q, ring, d, buffer, iov, max, access)) {
		return VN_BAD;
	}
	cursor->at++;
	cursor->left--;
	return VN_TAKEN;
}

VN_INLINE VnTake
vn_take_packed(VnQueue *q, VnRing *ring, VnCursor *cursor, VnBuffer *buffer, struct iovec *iov,
	       guint max, VnAccess access)
{
	const PvirtqDesc *entry = &ring->packed[cursor->at];
	VnDesc d = { .flags = vn_load16_acquire(&entry->flags) };

	if (!vn_packed_is_available(d.flags, cursor->wrap))
		return VN_NONE;
	d.addr = vn_load64(&entry->addr);
	d.len = vn_load32(&entry->len);
	*buffer = (VnBuffer){ .id = vn_load16(&entry->id), .n_descs = 1 };
	if (vn_likely(!(d.flags & (VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_INDIRECT)))) {
		if (vn_unlikely(!vn_buffer_add_desc(buffer, &ring->map, iov, max, &d, access)))
			return VN_BAD;
	} else if (!vn_packed_walk(q, ring, cursor, d, buffer, iov, max, access)) {
		return VN_BAD;
	}
	vn_cursor_step(q, cursor);
	return VN_TAKEN;
}

/* The next buffer that the driver made available. */
VN_INLINE VnTake
vn_take(VnQueue *q, VnRing *ring, VnCursor *cursor, VnBuffer *buffer, struct iovec *iov, guint max,
	VnAccess access, const gboolean packed)
{
	return packed ? vn_take_packed(q, ring, cursor, buffer, iov, max, access)
		      : vn_take_split(q, ring, cursor, buffer, iov, max, access);
}

/* A buffer that goes back to the driver, with `len` bytes written to it. */
typedef struct VnUsed {
	guint16 id, n_descs;
	guint32 len;
} VnUsed;

/* Most buffers of one call of vn_ring_use where a mark is kept. */
#define VN_MARK_MAX JF_BATCH_MAX

/* Notes in the queue's mark, if it has one, that vn_ring_use is to come for these, or that it came. */
void vn_ring_intend(VnQueue *q, const VnUsed *used, guint n, gboolean read_only);
void vn_ring_done(VnQueue *q);
/* Gives `n` buffers back in one stroke and goes on behind them. Returns whether the driver wants to
 * know. `read_only`: nothing was written to any. */
gboolean vn_ring_use(VnQueue *q, VnRing *ring, const VnUsed *used, guint n, gboolean read_only);

/* Marks the first `len` bytes of pieces of guest memory as written. */
void vn_ring_log_pieces(const VnRing *ring, const struct iovec *iov, guint64 len);
/* The same for the device's event suppression. */
void vn_ring_log_event(const VnQueue *q, const VnRing *ring);

#endif
