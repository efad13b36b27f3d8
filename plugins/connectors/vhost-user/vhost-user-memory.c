/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-memory.c - the guest's memory, mapped from the front end's descriptors.
 *
 * A region has two addresses: the guest's physical one, which descriptors in rings use, and the one
 * where the front end has mapped it, which the addresses of the rings themselves are given in.
 */
#include "vhost-user.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAP_MAX_SIZE (1ull << 42) /* 4 TiB: more than any host has */

static gboolean
map_refuse(GError **error, const char *why)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "memory: %s", why);
	return FALSE;
}

/* A file of huge pages can only be mapped at a multiple of their size, which is its block size. */
gboolean
vh_map(VhMapping *mapping, int fd, guint64 offset, guint64 size, GError **error)
{
	guint64 block, before, len;
	struct stat st;
	gpointer base;

	if (fstat(fd, &st) != 0 || st.st_size < 0 || !S_ISREG(st.st_mode))
		return map_refuse(error, "its descriptor is no file");
	if (size == 0 || size > MAP_MAX_SIZE || offset > (guint64)st.st_size ||
	    size > (guint64)st.st_size - offset)
		return map_refuse(error, "its file is shorter than the region");
	block = MAX((guint64)st.st_blksize, 4096);
	before = offset % block;
	len = (before + size + block - 1) / block * block;
	base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		    (off_t)(offset - before));
	if (base == MAP_FAILED)
		return map_refuse(error, g_strerror(errno));
	*mapping = (VhMapping){ base, len, (guint8 *)base + before };
	return TRUE;
}

/* What the model's guard does not cover: nobody must be able to cut it short. */
gboolean
vh_map_sealed(VhMapping *mapping, int fd, guint64 offset, guint64 size, GError **error)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return map_refuse(error, "its file is not sealed against shrinking");
	return vh_map(mapping, fd, offset, size, error);
}

void
vh_unmap(VhMapping *mapping)
{
	if (mapping->base)
		munmap(mapping->base, mapping->len);
	*mapping = (VhMapping){ 0 };
}

static void
memory_release(gpointer base, guint64 size, gpointer data)
{
	VhMapping *mapping = data;

	(void)base;
	(void)size;
	vh_unmap(mapping);
	g_free(mapping);
}

static gboolean
ranges_overlap(guint64 a, guint64 b, guint64 a_size, guint64 b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

static gboolean
region_check(const Vhost *vh, const VhRegionWire *wire, GError **error)
{
	if (wire->size == 0 || wire->address + (wire->size - 1) < wire->address ||
	    wire->user + (wire->size - 1) < wire->user)
		return map_refuse(error, "a region is empty or passes the end of addresses");
	/* Rings must be aligned wherever they are looked at. */
	if ((wire->address | wire->user | wire->offset) & 15)
		return map_refuse(error, "a region is not aligned");
	if (vh->regions->len >= VH_REGIONS_MAX)
		return map_refuse(error, "too many regions");
	for (guint i = 0; i < vh->regions->len; i++) {
		const VhRegion *other = &g_array_index(vh->regions, VhRegion, i);

		if (ranges_overlap(wire->user, other->user, wire->size, other->size) ||
		    ranges_overlap(wire->address, other->address, wire->size, other->size))
			return map_refuse(error, "two regions overlap");
	}
	return TRUE;
}

/* QEMU 7.2 adds and removes each region once for each pair of rings. */
static gint
region_find(const Vhost *vh, const VhRegionWire *wire)
{
	for (guint i = 0; i < vh->regions->len; i++) {
		const VhRegion *region = &g_array_index(vh->regions, VhRegion, i);

		if (region->address == wire->address && region->size == wire->size &&
		    region->user == wire->user)
			return (gint)i;
	}
	return -1;
}

gboolean
vh_memory_add(Vhost *vh, const VhRegionWire *wire, int fd, GError **error)
{
	VhMapping mapping;
	JfDeviceMemory memory = {
		.struct_size = sizeof memory,
		.flags = JF_MEMORY_WRITE | JF_MEMORY_FILE,
		.address = wire->address,
		.size = wire->size,
		.release = memory_release,
	};
	VhRegion region = { wire->address, wire->size, wire->user, NULL, 0, 0 };
	struct stat st;

	if (region_find(vh, wire) >= 0)
		return TRUE;
	if (!region_check(vh, wire, error) ||
	    !vh_map(&mapping, fd, wire->offset, wire->size, error))
		return FALSE;
	if (fstat(fd, &st) == 0) {
		region.dev = st.st_dev;
		region.ino = st.st_ino;
	}
	region.base = memory.base = mapping.data;
	memory.data = g_memdup2(&mapping, sizeof mapping);
	if (!vh->api->add_memory(vh->device, &memory, error)) {
		memory_release(NULL, 0, memory.data);
		return FALSE;
	}
	g_array_append_val(vh->regions, region);
	return TRUE;
}

void
vh_memory_remove(Vhost *vh, const VhRegionWire *wire)
{
	gint i = region_find(vh, wire);

	if (i < 0)
		return;
	vh->api->remove_memory(vh->device, wire->address, wire->size, NULL);
	g_array_remove_index_fast(vh->regions, (guint)i);
}

void
vh_memory_clear(Vhost *vh)
{
	for (guint i = 0; i < vh->regions->len; i++) {
		const VhRegion *region = &g_array_index(vh->regions, VhRegion, i);

		vh->api->remove_memory(vh->device, region->address, region->size, NULL);
	}
	g_array_set_size(vh->regions, 0);
}

const VhRegion *
vh_memory_find(const Vhost *vh, guint64 user, guint64 len)
{
	for (guint i = 0; i < vh->regions->len; i++) {
		const VhRegion *region = &g_array_index(vh->regions, VhRegion, i);
		guint64 offset = user - region->user;

		if (user >= region->user && offset < region->size && len <= region->size - offset)
			return region;
	}
	return NULL;
}
