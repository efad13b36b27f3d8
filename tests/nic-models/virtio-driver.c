/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-driver.c - the driver's side of virtqueues (virtio 1.2, 2.7 and 2.8). */
#include "virtio-driver.h"

#include <string.h>

#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u
#define AVAIL 0x0080u
#define USED 0x8000u

typedef struct Desc {
	guint64 addr;
	guint32 len;
	guint16 flags, next;
} Desc;

typedef struct PackedDesc {
	guint64 addr;
	guint32 len;
	guint16 id, flags;
} PackedDesc;

guint64
vd_alloc(VdMemory *memory, guint64 size, guint64 align)
{
	guint64 at = (memory->used + align - 1) & ~(align - 1);

	g_assert_cmpuint(at + size, <=, memory->size);
	memory->used = at + size;
	return memory->address + at;
}

gpointer
vd_pointer(const VdMemory *memory, guint64 address)
{
	g_assert_cmpuint(address - memory->address, <, memory->size);
	return memory->base + (address - memory->address);
}

static gboolean
is_packed(const VdRing *ring)
{
	return (ring->flags & VD_PACKED) != 0;
}

static guint16 *
word(const VdRing *ring, guint64 address)
{
	return vd_pointer(ring->memory, address);
}

void
vd_ring_init(VdRing *ring, VdMemory *memory, guint size, guint flags, guint16 index, gboolean wrap)
{
	gboolean packed = (flags & VD_PACKED) != 0;

	*ring = (VdRing){
		.memory = memory, .size = size, .flags = flags, .n_free = size, .n_ids = size
	};
	ring->desc = vd_alloc(memory, 16ull * size, 16);
	ring->driver = vd_alloc(memory, packed ? 4 : 6 + 2ull * size, 4);
	ring->device = vd_alloc(memory, packed ? 4 : 6 + 8ull * size, 4);
	ring->spare_tables = vd_alloc(memory, 16ull * VD_INDIRECT_MAX * size, 16);
	ring->avail = ring->used = ring->kicked = index;
	ring->avail_wrap = ring->used_wrap = wrap;
	ring->chain_len = g_new0(guint16, size);
	ring->free_ids = g_new0(guint16, size);
	ring->next_free = g_new0(guint16, size);
	ring->order = g_new0(guint16, size);
	ring->tokens = g_new0(guint, size);
	for (guint i = 0; i < size; i++)
		ring->free_ids[i] = (guint16)(size - 1 - i);
	if (packed) {
		PackedDesc *desc = vd_pointer(memory, ring->desc);

		/* As if all entries so far had been used. */
		for (guint i = 0; i < size; i++) {
			gboolean was = i < index ? wrap : !wrap;

			desc[i].flags = was ? AVAIL | USED : 0;
		}
	} else {
		word(ring, ring->driver)[1] = index;
		word(ring, ring->device)[1] = index;
	}
}

void
vd_ring_clear(VdRing *ring)
{
	g_free(ring->chain_len);
	g_free(ring->free_ids);
	g_free(ring->next_free);
	g_free(ring->order);
	g_free(ring->tokens);
	*ring = (VdRing){ 0 };
}

guint16
vd_start_index(const VdRing *ring)
{
	if (!is_packed(ring))
		return ring->avail;
	return (guint16)(ring->avail | (ring->avail_wrap ? 0x8000u : 0));
}

static guint16
take_id(VdRing *ring)
{
	g_assert_cmpuint(ring->n_ids, >, 0);
	return ring->free_ids[--ring->n_ids];
}

static void
remember(VdRing *ring, guint16 id, guint n, guint token)
{
	ring->n_free -= n;
	ring->tokens[id] = token;
	ring->chain_len[id] = (guint16)n;
	ring->order[(ring->order_head + ring->n_out++) % ring->size] = id;
}

/* ---- Split ---- */

static guint16
piece_flags(guint i, guint n_out, guint n)
{
	return (guint16)((i >= n_out ? WRITE : 0) | (i + 1 < n ? NEXT : 0));
}

static void
split_publish(VdRing *ring, guint16 head)
{
	guint16 *avail = word(ring, ring->driver);

	avail[2 + ring->avail % ring->size] = head;
	ring->avail++;
	__atomic_store_n(&avail[1], ring->avail, __ATOMIC_RELEASE);
}

static void
split_add_indirect(VdRing *ring, const VdPiece *pieces, guint n_out, guint n, guint token)
{
	guint16 id = take_id(ring);
	guint64 at = ring->spare_tables + 16ull * VD_INDIRECT_MAX * id;
	Desc *table = vd_pointer(ring->memory, at), *desc = vd_pointer(ring->memory, ring->desc);

	for (guint i = 0; i < n; i++)
		table[i] = (Desc){ pieces[i].address, pieces[i].len, piece_flags(i, n_out, n),
				   (guint16)(i + 1) };
	desc[id] = (Desc){ at, 16 * n, INDIRECT, 0 };
	remember(ring, id, 1, token);
	split_publish(ring, id);
}

/* With IN_ORDER, descriptors are taken in the order of the table: 2.7.9. */
static void
split_add_direct(VdRing *ring, const VdPiece *pieces, guint n_out, guint n, guint token)
{
	Desc *desc = vd_pointer(ring->memory, ring->desc);
	guint16 head = take_id(ring), id = head;

	for (guint i = 0; i < n; i++) {
		guint16 next = i + 1 < n ? take_id(ring) : 0;

		desc[id] =
			(Desc){ pieces[i].address, pieces[i].len, piece_flags(i, n_out, n), next };
		ring->next_free[id] = next;
		id = next;
	}
	remember(ring, head, n, token);
	split_publish(ring, head);
}

static gboolean
split_next_used(VdRing *ring, guint16 *id, guint32 *len)
{
	const guint16 *used = word(ring, ring->device);
	const guint32 *elem;

	if (__atomic_load_n(&used[1], __ATOMIC_ACQUIRE) == ring->used)
		return FALSE;
	elem = (const guint32 *)(const void *)(used + 2) + 2 * (ring->used % ring->size);
	g_assert_cmpuint(elem[0], <, ring->size);
	*id = (guint16)elem[0];
	*len = elem[1];
	return TRUE;
}

/* ---- Packed ---- */

static void
packed_step(guint16 *at, gboolean *wrap, guint by, guint size)
{
	for (; by; by--) {
		if (++*at == size) {
			*at = 0;
			*wrap = !*wrap;
		}
	}
}

static guint16
packed_flags(const VdRing *ring, guint flags)
{
	return (guint16)(flags | (ring->avail_wrap ? AVAIL : USED));
}

static void
packed_add(VdRing *ring, const VdPiece *pieces, guint n_out, guint n, gboolean indirect,
	   guint token)
{
	PackedDesc *desc = vd_pointer(ring->memory, ring->desc), *first = &desc[ring->avail];
	guint16 id, first_flags = 0;
	guint entries = indirect ? 1 : n;

	/* In order, the id is the place. */
	id = ring->flags & VD_IN_ORDER ? ring->avail : take_id(ring);
	if (indirect) {
		guint64 at = ring->spare_tables + 16ull * VD_INDIRECT_MAX * id;
		PackedDesc *table = vd_pointer(ring->memory, at);

		for (guint i = 0; i < n; i++)
			table[i] = (PackedDesc){ pieces[i].address, pieces[i].len, 0,
						 i >= n_out ? WRITE : 0 };
		first->addr = at;
		first->len = 16 * n;
		first->id = id;
		first_flags = packed_flags(ring, INDIRECT);
		packed_step(&ring->avail, &ring->avail_wrap, 1, ring->size);
	}
	for (guint i = 0; !indirect && i < n; i++) {
		PackedDesc *entry = &desc[ring->avail];
		guint16 flags = packed_flags(ring, piece_flags(i, n_out, n));

		entry->addr = pieces[i].address;
		entry->len = pieces[i].len;
		entry->id = id;
		if (i == 0)
			first_flags = flags;
		else
			entry->flags = flags;
		packed_step(&ring->avail, &ring->avail_wrap, 1, ring->size);
	}
	remember(ring, id, entries, token);
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
}

static gboolean
packed_next_used(VdRing *ring, guint16 *id, guint32 *len)
{
	const PackedDesc *desc = vd_pointer(ring->memory, ring->desc);
	guint16 flags = __atomic_load_n(&desc[ring->used].flags, __ATOMIC_ACQUIRE);

	if (((flags & AVAIL) != 0) != ring->used_wrap || ((flags & USED) != 0) != ring->used_wrap)
		return FALSE;
	*id = desc[ring->used].id;
	*len = desc[ring->used].len;
	g_assert_cmpuint(*id, <, ring->size);
	return TRUE;
}

/* ---- Both ---- */

gboolean
vd_add(VdRing *ring, const VdPiece *pieces, guint n_out, guint n_in, gboolean indirect, guint token)
{
	guint n = n_out + n_in;

	g_assert_cmpuint(n, >, 0);
	if ((indirect ? 1 : n) > ring->n_free)
		return FALSE;
	if (is_packed(ring))
		packed_add(ring, pieces, n_out, n, indirect, token);
	else if (indirect)
		split_add_indirect(ring, pieces, n_out, n, token);
	else
		split_add_direct(ring, pieces, n_out, n, token);
	return TRUE;
}

/* Puts the descriptors of a buffer back and steps over it. */
static void
retire(VdRing *ring, guint16 id)
{
	guint n = ring->chain_len[id];

	g_assert_cmpuint(ring->n_out, >, 0);
	g_assert_cmpuint(n, >, 0);
	ring->chain_len[id] = 0;
	ring->order_head = (ring->order_head + 1) % ring->size;
	ring->n_out--;
	ring->n_free += n;
	if (is_packed(ring)) {
		packed_step(&ring->used, &ring->used_wrap, n, ring->size);
		if (!(ring->flags & VD_IN_ORDER))
			ring->free_ids[ring->n_ids++] = id;
		return;
	}
	ring->used++;
	for (guint i = 0; i < n; i++) {
		guint16 next = ring->next_free[id];

		ring->free_ids[ring->n_ids++] = id;
		id = next;
	}
}

/* A device that uses in order says only the last of a batch. */
static gboolean
get_in_order(VdRing *ring, guint16 *id, guint32 *len)
{
	if (!ring->in_batch) {
		if (!(is_packed(ring) ? packed_next_used(ring, &ring->batch_last, &ring->batch_len)
				      : split_next_used(ring, &ring->batch_last, &ring->batch_len)))
			return FALSE;
		ring->in_batch = TRUE;
	}
	*id = ring->order[ring->order_head];
	*len = *id == ring->batch_last ? ring->batch_len : 0;
	ring->in_batch = *id != ring->batch_last;
	return TRUE;
}

gboolean
vd_get(VdRing *ring, guint *token, guint32 *len)
{
	guint16 id;
	gboolean got;

	if (ring->flags & VD_IN_ORDER)
		got = get_in_order(ring, &id, len);
	else if (is_packed(ring))
		got = packed_next_used(ring, &id, len);
	else
		got = split_next_used(ring, &id, len);
	if (!got)
		return FALSE;
	*token = ring->tokens[id];
	retire(ring, id);
	return TRUE;
}

gboolean
vd_needs_kick(VdRing *ring)
{
	const guint16 *device = word(ring, ring->device);
	guint16 old = ring->kicked, new = ring->avail, event;

	ring->kicked = new;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (is_packed(ring))
		return __atomic_load_n(&device[1], __ATOMIC_RELAXED) != 1;
	if (!(ring->flags & VD_EVENT_IDX))
		return !(__atomic_load_n(&device[0], __ATOMIC_RELAXED) & 1);
	event = __atomic_load_n(&device[2 + 4 * ring->size], __ATOMIC_RELAXED);
	return (guint16)(new - event - 1) < (guint16)(new - old);
}

void
vd_want_signal(VdRing *ring, gboolean on)
{
	guint16 *driver = word(ring, ring->driver);

	if (is_packed(ring) && on && (ring->flags & VD_EVENT_IDX)) {
		driver[0] = (guint16)(ring->used | (ring->used_wrap ? 0x8000u : 0));
		driver[1] = 2;
	} else if (is_packed(ring)) {
		driver[1] = on ? 0 : 1;
	} else if (ring->flags & VD_EVENT_IDX) {
		driver[2 + ring->size] = (guint16)(on ? ring->used : ring->used - 1u);
	} else {
		driver[0] = on ? 0 : 1;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
