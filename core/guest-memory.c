/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-memory.c - the guest's physical memory as a device may reach it.
 *
 * A sorted table of regions behind a read-mostly lock. Whoever moves frames holds the lock for
 * reading during a batch, so a pointer into a region stays good that long and a region that goes
 * away waits for the batch. What the memory holds may change under a reader at any time.
 */
#include "guest-memory.h"

#include <string.h>

void
jf_guest_memory_init(JfGuestMemory *memory, JfRmDomain *domain)
{
	jf_rmlock_init(&memory->lock, domain);
	memory->regions = g_array_new(FALSE, FALSE, sizeof(JfDeviceMemory));
	memory->guards = g_ptr_array_new();
	memory->broken = FALSE;
}

void
jf_guest_memory_finish(JfGuestMemory *memory)
{
	jf_guest_memory_clear(memory);
	g_array_free(memory->regions, TRUE);
	g_ptr_array_unref(memory->guards);
	jf_rmlock_finish(&memory->lock);
}

static JfDeviceMemory *
region_at(const JfGuestMemory *memory, guint i)
{
	return &g_array_index(memory->regions, JfDeviceMemory, i);
}

/* Index of the first region that ends behind `address`. */
static guint
region_search(const JfGuestMemory *memory, guint64 address)
{
	guint low = 0, high = memory->regions->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const JfDeviceMemory *region = region_at(memory, middle);

		if (address - region->address < region->size || address < region->address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static gboolean
region_check(const JfGuestMemory *memory, const JfDeviceMemory *region, guint at, GError **error)
{
	if (region->size == 0 || region->base == NULL ||
	    region->address + (region->size - 1) < region->address) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "memory region 0x%" G_GINT64_MODIFIER "x + 0x%" G_GINT64_MODIFIER
			    "x is empty or passes the end of the address space",
			    region->address, region->size);
		return FALSE;
	}
	if (at < memory->regions->len &&
	    region_at(memory, at)->address <= region->address + (region->size - 1)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "memory region 0x%" G_GINT64_MODIFIER "x + 0x%" G_GINT64_MODIFIER
			    "x overlaps one at 0x%" G_GINT64_MODIFIER "x",
			    region->address, region->size, region_at(memory, at)->address);
		return FALSE;
	}
	if (memory->regions->len >= JF_GUEST_MEMORY_MAX) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "more than %u memory regions",
			    JF_GUEST_MEMORY_MAX);
		return FALSE;
	}
	return TRUE;
}

gboolean
jf_guest_memory_add(JfGuestMemory *memory, const JfDeviceMemory *added, GError **error)
{
	JfDeviceMemory region = { 0 };
	JfBusGuard *guard = NULL;
	guint at;

	memcpy(&region, added, MIN(added->struct_size, sizeof region));
	region.struct_size = sizeof region;
	at = region_search(memory, region.address);
	if (!region_check(memory, &region, at, error))
		return FALSE;
	if (region.flags & JF_MEMORY_FILE)
		guard = jf_bus_guard_add(region.base, region.size, &memory->broken);
	jf_rmlock_write_lock(&memory->lock);
	g_array_insert_val(memory->regions, at, region);
	jf_rmlock_write_unlock(&memory->lock);
	g_ptr_array_insert(memory->guards, (int)at, guard);
	return TRUE;
}

static void
region_release(const JfDeviceMemory *region)
{
	if (region->release)
		region->release(region->base, region->size, region->data);
}

gboolean
jf_guest_memory_remove(JfGuestMemory *memory, guint64 address, guint64 size, GError **error)
{
	guint at = region_search(memory, address);
	JfDeviceMemory region;

	if (at >= memory->regions->len || region_at(memory, at)->address != address ||
	    region_at(memory, at)->size != size) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "no memory region 0x%" G_GINT64_MODIFIER "x + 0x%" G_GINT64_MODIFIER
			    "x was added",
			    address, size);
		return FALSE;
	}
	jf_rmlock_write_lock(&memory->lock);
	region = *region_at(memory, at);
	g_array_remove_index(memory->regions, at);
	jf_rmlock_write_unlock(&memory->lock);
	jf_bus_guard_remove(g_ptr_array_remove_index(memory->guards, at));
	region_release(&region);
	return TRUE;
}

void
jf_guest_memory_clear(JfGuestMemory *memory)
{
	g_autoptr(GArray) old = g_array_new(FALSE, FALSE, sizeof(JfDeviceMemory));

	jf_rmlock_write_lock(&memory->lock);
	g_array_append_vals(old, memory->regions->data, memory->regions->len);
	g_array_set_size(memory->regions, 0);
	jf_rmlock_write_unlock(&memory->lock);
	for (guint i = 0; i < old->len; i++) {
		jf_bus_guard_remove(g_ptr_array_index(memory->guards, i));
		region_release(&g_array_index(old, JfDeviceMemory, i));
	}
	g_ptr_array_set_size(memory->guards, 0);
	__atomic_store_n(&memory->broken, FALSE, __ATOMIC_RELAXED);
}

gboolean
jf_guest_memory_is_broken(JfGuestMemory *memory)
{
	return __atomic_load_n(&memory->broken, __ATOMIC_RELAXED);
}

void
jf_guest_memory_set_log(JfGuestMemory *memory, const JfDirtyLog *log)
{
	jf_rmlock_write_lock(&memory->lock);
	memory->log = log ? *log : (JfDirtyLog){ 0 };
	jf_rmlock_write_unlock(&memory->lock);
}

const JfDirtyLog *
jf_guest_memory_get_log(JfGuestMemory *memory)
{
	return memory->log.bits ? &memory->log : NULL;
}

void
jf_guest_memory_enter(JfGuestMemory *memory)
{
	jf_rmlock_read_lock(&memory->lock);
}

void
jf_guest_memory_leave(JfGuestMemory *memory)
{
	jf_rmlock_read_unlock(&memory->lock);
}

/* The memory at `address` and how much of it lies together, at most `len`; NULL: none. */
static guint8 *
memory_piece(const JfGuestMemory *memory, guint64 address, guint64 *len, gboolean write)
{
	guint at = region_search(memory, address);
	const JfDeviceMemory *region;
	guint64 offset;

	if (at >= memory->regions->len)
		return NULL;
	region = region_at(memory, at);
	if (address < region->address || (write && !(region->flags & JF_MEMORY_WRITE)))
		return NULL;
	offset = address - region->address;
	*len = MIN(*len, region->size - offset);
	return (guint8 *)region->base + offset;
}

gpointer
jf_guest_memory_map(JfGuestMemory *memory, guint64 address, guint64 len, gboolean write)
{
	guint64 together = len;
	guint8 *piece = memory_piece(memory, address, &together, write);

	return together == len ? piece : NULL;
}

const JfDeviceMemory *
jf_guest_memory_regions(JfGuestMemory *memory, guint *n)
{
	*n = memory->regions->len;
	return *n ? region_at(memory, 0) : NULL;
}

/* Whether all of it is there; the lock is held. */
static gboolean
memory_check(const JfGuestMemory *memory, guint64 address, guint64 len, gboolean write)
{
	while (len > 0) {
		guint64 together = len;

		if (!memory_piece(memory, address, &together, write))
			return FALSE;
		address += together;
		len -= together;
	}
	return TRUE;
}

gboolean
jf_guest_memory_read(JfGuestMemory *memory, guint64 address, gpointer dst, guint64 len)
{
	guint8 *to = dst;
	gboolean there;

	jf_guest_memory_enter(memory);
	there = memory_check(memory, address, len, FALSE);
	while (there && len > 0) {
		guint64 together = len;
		const guint8 *piece = memory_piece(memory, address, &together, FALSE);

		memcpy(to, piece, together);
		to += together;
		address += together;
		len -= together;
	}
	jf_guest_memory_leave(memory);
	return there;
}

gboolean
jf_guest_memory_write(JfGuestMemory *memory, guint64 address, gconstpointer src, guint64 len)
{
	const guint8 *from = src;
	gboolean there;

	jf_guest_memory_enter(memory);
	there = memory_check(memory, address, len, TRUE);
	while (there && len > 0) {
		guint64 together = len;
		guint8 *piece = memory_piece(memory, address, &together, TRUE);

		memcpy(piece, from, together);
		jf_dirty_log_mark(jf_guest_memory_get_log(memory), address, together);
		from += together;
		address += together;
		len -= together;
	}
	jf_guest_memory_leave(memory);
	return there;
}
