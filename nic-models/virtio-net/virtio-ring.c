/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-ring.c - rings: finding their memory, walking chains, giving buffers back. */
#include "virtio-ring.h"

/* ---- Memory ---- */

static const JfDeviceMemory no_memory;

const guint8 *
vn_map_find(VnMap *map, guint64 address, guint64 *len, gboolean write)
{
	guint low = 0, high = map->n;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const JfDeviceMemory *region = &map->regions[middle];

		if (address < region->address) {
			high = middle;
		} else if (address - region->address >= region->size) {
			low = middle + 1;
		} else {
			guint64 offset = address - region->address;

			if (write && !(region->flags & JF_MEMORY_WRITE))
				return NULL;
			map->last = region;
			*len = MIN(*len, region->size - offset);
			return (const guint8 *)region->base + offset;
		}
	}
	return NULL;
}

gpointer
vn_map_part(VnMap *map, guint64 address, guint64 len, guint align, gboolean write)
{
	guint64 together = len;
	guint8 *base = vn_map(map, address, &together, write);

	return base && together == len && ((guintptr)base & (align - 1)) == 0 ? base : NULL;
}

static void
map_init(VnMap *map, VnQueue *q)
{
	const VirtioNet *net = q->net;

	map->regions = net->pci->dma_regions(net->inst, &map->n);
	map->last = q->region_hint < map->n ? &map->regions[q->region_hint] : &no_memory;
}

gboolean
vn_ring_open(VnQueue *q, VnRing *ring)
{
	VnMap *map = &ring->map;

	map_init(map, q);
	ring->log = q->net->pci->dma_log ? q->net->pci->dma_log(q->net->inst) : NULL;
	if (q->packed) {
		ring->packed = vn_map_part(map, q->desc, 16ull * q->size, 8, TRUE);
		ring->driver = vn_map_part(map, q->driver, sizeof(PvirtqEvent), 4, FALSE);
		ring->device = vn_map_part(map, q->device, sizeof(PvirtqEvent), 4, TRUE);
	} else {
		ring->desc = vn_map_part(map, q->desc, 16ull * q->size, 8, FALSE);
		ring->avail = vn_map_part(map, q->driver, 6 + 2ull * q->size, 2, FALSE);
		ring->used = vn_map_part(map, q->device, 6 + 8ull * q->size, 4, TRUE);
	}
	return ring->desc && ring->avail && ring->used;
}

void
vn_ring_close(VnQueue *q, const VnRing *ring)
{
	if (ring->map.last != &no_memory)
		q->region_hint = (guint)(ring->map.last - ring->map.regions);
}

/* ---- Migration ---- */

void
vn_ring_log_pieces(const VnRing *ring, const struct iovec *iov, guint64 len)
{
	for (; len > 0; iov++) {
		guint64 part = MIN(len, iov->iov_len);

		for (guint i = 0; i < ring->map.n; i++) {
			const JfDeviceMemory *region = &ring->map.regions[i];
			guint64 offset = (guintptr)iov->iov_base - (guintptr)region->base;

			if (offset < region->size)
				jf_dirty_log_mark(ring->log, region->address + offset, part);
		}
		len -= part;
	}
}

void
vn_ring_log_event(const VnQueue *q, const VnRing *ring)
{
	if (q->packed)
		jf_dirty_log_mark(ring->log, q->device, sizeof(PvirtqEvent));
	else
		jf_dirty_log_mark(ring->log, q->device, 6 + 8ull * q->size);
}

static void
log_used(const VnQueue *q, const VnRing *ring, guint32 from, guint n)
{
	if (!q->packed)
		jf_dirty_log_mark(ring->log, q->device, 4);
	for (guint i = 0; i < n; i++) {
		if (q->packed)
			jf_dirty_log_mark(ring->log, q->desc + 16ull * ((from + i) % q->size), 16);
		else
			jf_dirty_log_mark(ring->log,
					  q->device + 4 + 8ull * ((from + i) & (q->size - 1)), 8);
	}
}

/* ---- Chains ---- */

/* A table of split descriptors somewhere in guest memory: 2.7.5.3. */
static const VirtqDesc *
indirect_table(VnMap *map, const VnDesc *d, guint *n)
{
	*n = d->len / sizeof(VirtqDesc);
	if (d->len % sizeof(VirtqDesc) || *n == 0 || *n > VN_CHAIN_MAX)
		return NULL;
	return vn_map_part(map, d->addr, d->len, 8, FALSE);
}

gboolean
vn_chain_walk(VnQueue *q, VnRing *ring, VnDesc d, VnBuffer *buffer, struct iovec *iov, guint max,
	      VnAccess access)
{
	const VirtqDesc *table = ring->desc;
	guint size = q->size, left = MIN(size, VN_CHAIN_MAX);

	for (;;) {
		if (d.flags & VIRTQ_DESC_F_INDIRECT) {
			if (!q->indirect || (d.flags & VIRTQ_DESC_F_NEXT) || table != ring->desc)
				return FALSE;
			table = indirect_table(&ring->map, &d, &size);
			if (!table)
				return FALSE;
			left = size;
			d = vn_desc_load(&table[0]);
			if (d.flags & VIRTQ_DESC_F_INDIRECT)
				return FALSE;
		}
		if (!vn_buffer_add_desc(buffer, &ring->map, iov, max, &d, access))
			return FALSE;
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			return TRUE;
		if (d.next >= size || --left == 0)
			return FALSE;
		buffer->n_descs += table == ring->desc;
		d = vn_desc_load(&table[d.next]);
	}
}

/* Entries of an indirect table in order; only WRITE means something in their flags (2.8.7). */
static gboolean
packed_walk_table(VnRing *ring, const VnDesc *d, VnBuffer *buffer, struct iovec *iov, guint max,
		  VnAccess access)
{
	guint n;
	const PvirtqDesc *table = (const PvirtqDesc *)indirect_table(&ring->map, d, &n);

	for (guint i = 0; table && i < n; i++) {
		VnDesc entry = { .addr = vn_load64(&table[i].addr),
				 .len = vn_load32(&table[i].len),
				 .flags = vn_load16(&table[i].flags) & VIRTQ_DESC_F_WRITE };

		if (!vn_buffer_add_desc(buffer, &ring->map, iov, max, &entry, access))
			return FALSE;
	}
	return table != NULL;
}

gboolean
vn_packed_walk(VnQueue *q, VnRing *ring, VnCursor *cursor, VnDesc d, VnBuffer *buffer,
	       struct iovec *iov, guint max, VnAccess access)
{
	guint left = MIN(q->size, VN_CHAIN_MAX);

	if (d.flags & VIRTQ_DESC_F_INDIRECT)
		return q->indirect && !(d.flags & VIRTQ_DESC_F_NEXT) &&
		       packed_walk_table(ring, &d, buffer, iov, max, access);
	for (;;) {
		const PvirtqDesc *entry;

		if ((d.flags & VIRTQ_DESC_F_INDIRECT) ||
		    !vn_buffer_add_desc(buffer, &ring->map, iov, max, &d, access))
			return FALSE;
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			return TRUE;
		if (--left == 0)
			return FALSE;
		vn_cursor_step(q, cursor);
		buffer->n_descs++;
		entry = &ring->packed[cursor->at];
		d.addr = vn_load64(&entry->addr);
		d.len = vn_load32(&entry->len);
		d.flags = vn_load16(&entry->flags);
		buffer->id = vn_load16(&entry->id); /* the last one's counts: 2.8.6 */
	}
}

/* ---- Used buffers ---- */

static gboolean
event_passed(guint16 event, guint16 new, guint16 old)
{
	return (guint16)(new - event - 1) < (guint16)(new - old);
}

/* Whether the driver asked to hear of the entries before `q->used`, from `old` on: 2.7.7. */
static gboolean
split_wants_signal(const VnQueue *q, const VnRing *ring, guint16 old)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx)
		return event_passed(vn_load16(&ring->avail->ring[q->size]), q->used, old);
	return !(vn_load16(&ring->avail->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT);
}

static gboolean
split_use(VnQueue *q, VnRing *ring, const VnUsed *used, guint n)
{
	guint16 old = q->used;
	guint mask = q->size - 1;

	for (guint i = 0; i < n; i++) {
		VirtqUsedElem *elem = &ring->used->ring[(old + i) & mask];

		vn_store32(&elem->id, used[i].id);
		vn_store32(&elem->len, used[i].len);
	}
	q->avail = (guint16)(q->avail + n);
	q->used = (guint16)(old + n);
	vn_store16_release(&ring->used->idx, q->used);
	if (vn_unlikely(ring->log))
		log_used(q, ring, old, n);
	return split_wants_signal(q, ring, old);
}

/* 2.8.14 */
static gboolean
packed_wants_signal(const VnQueue *q, const VnRing *ring, guint16 old, gboolean wrapped)
{
	guint16 off_wrap, event;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	switch (vn_load16_acquire(&ring->driver->flags)) {
	case PVIRTQ_EVENT_DISABLE:
		return FALSE;
	case PVIRTQ_EVENT_DESC:
		break;
	default:
		return TRUE;
	}
	off_wrap = vn_load16(&ring->driver->off_wrap);
	event = off_wrap & 0x7fff;
	if ((off_wrap >> 15) != q->used_wrap)
		event = (guint16)(event - q->size);
	if (wrapped)
		old = (guint16)(old - q->size);
	return event_passed(event, q->used, old);
}

static guint
packed_used_flags(const VnQueue *q, guint32 len)
{
	guint flags = len ? VIRTQ_DESC_F_WRITE : 0;

	return q->used_wrap ? flags | PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED : flags;
}

static void
packed_step(guint16 *at, gboolean *wrap, guint by, guint size)
{
	guint next = *at + by;

	while (next >= size) {
		next -= size;
		*wrap = !*wrap;
	}
	*at = (guint16)next;
}

/* The driver looks at the first entry first, so its flags come last. `one`: it names the last buffer,
 * and the others are passed over (2.8.9). */
static gboolean
packed_use(VnQueue *q, VnRing *ring, const VnUsed *used, guint n, gboolean one)
{
	guint16 old = q->used;
	gboolean old_wrap = q->used_wrap;
	PvirtqDesc *first = &ring->packed[old];
	guint first_flags = packed_used_flags(q, used[0].len), descs = 0;

	vn_store16(&first->id, used[one ? n - 1 : 0].id);
	vn_store32(&first->len, used[0].len);
	for (guint i = 0; i < n; i++) {
		PvirtqDesc *entry = &ring->packed[q->used];

		if (i > 0 && !one) {
			vn_store16(&entry->id, used[i].id);
			vn_store32(&entry->len, used[i].len);
			vn_store16_release(&entry->flags, packed_used_flags(q, used[i].len));
		}
		descs += used[i].n_descs;
		packed_step(&q->used, &q->used_wrap, used[i].n_descs, q->size);
	}
	packed_step(&q->avail, &q->avail_wrap, descs, q->size);
	vn_store16_release(&first->flags, first_flags);
	if (vn_unlikely(ring->log))
		log_used(q, ring, old, descs);
	return packed_wants_signal(q, ring, old, q->used_wrap != old_wrap);
}

static gboolean
uses_one(const VnQueue *q, gboolean read_only)
{
	return read_only && q->packed && q->in_order;
}

gboolean
vn_ring_use(VnQueue *q, VnRing *ring, const VnUsed *used, guint n, gboolean read_only)
{
	return q->packed ? packed_use(q, ring, used, n, uses_one(q, read_only))
			 : split_use(q, ring, used, n);
}

/* ---- Marks ---- */

static void
mark_store(VnQueue *q, guint n)
{
	guint64 at = vn_queue_avail(q) | (guint64)vn_queue_used(q) << 16;

	__atomic_store_n(&q->mark->state, at | (guint64)n << 32, __ATOMIC_RELEASE);
}

void
vn_ring_intend(VnQueue *q, const VnUsed *used, guint n, gboolean read_only)
{
	JfVirtioUsed *to;
	guint count = 0;

	if (!q->mark)
		return;
	to = q->mark->used;
	if (uses_one(q, read_only)) {
		for (guint i = 0; i < n; i++)
			count += used[i].n_descs;
		to[0] = (JfVirtioUsed){ .id = used[n - 1].id, .count = (guint16)count };
		mark_store(q, 1);
		return;
	}
	for (guint i = 0; i < n; i++)
		to[i] = (JfVirtioUsed){ .id = used[i].id,
					.count = q->packed ? used[i].n_descs : 1,
					.len = used[i].len };
	mark_store(q, n);
}

/* The compiler must not move what is published behind this. */
void
vn_ring_done(VnQueue *q)
{
	if (q->mark)
		mark_store(q, 0);
}
