/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-dma.c - the guest's memory, mapped from the client's descriptors.
 *
 * Memory without a descriptor could only be reached by messages to a client that is itself waiting
 * for us. A guest none of whose memory has one is refused; single pieces without one are taken note
 * of and left unmapped, and DMA to them aborts.
 */
#include "vfio-user.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DMA_MAX_SIZE (1ull << 42) /* 4 TiB: more than any host has */
#define DMA_MAX_MAPS 4096u

typedef struct DmaMap {
	guint32 argsz, flags;
	guint64 offset, address, size;
} DmaMap;

typedef struct DmaUnmap {
	guint32 argsz, flags;
	guint64 address, size;
} DmaUnmap;

#define UNMAP_DIRTY_BITMAP 0x1u
#define UNMAP_ALL 0x2u

static void
memory_release(gpointer base, guint64 size, gpointer data)
{
	(void)data;
	munmap(base, size);
}

static guint32
fail(VfioUser *vu, guint32 err, const GError *error)
{
	jf_log(vu->inst, G_LOG_LEVEL_WARNING, "%s", error->message);
	return err;
}

/* One that is cut short later is the core's to notice (JF_MEMORY_FILE). */
static gboolean
file_is_long_enough(int fd, guint64 offset, guint64 size)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size >= 0 && offset <= (guint64)st.st_size &&
	       size <= (guint64)st.st_size - offset;
}

/* From now on every request is refused. QEMU, for one, does not mind a refused map: it would run on
 * with a card that is dead; and a connection that ends here it meets with a failed assertion. */
static guint32
refuse_unshared(VfioUser *vu)
{
	vu->is_unshared = TRUE;
	jf_log(vu->inst, G_LOG_LEVEL_WARNING,
	       "the VMM does not share the guest's memory: give its memory backend share=on "
	       "(-object memory-backend-memfd,id=mem,size=SIZE,share=on "
	       "-machine memory-backend=mem)");
	return EINVAL;
}

static guint32
map_fd(VfioUser *vu, const DmaMap *map, int fd)
{
	int prot = PROT_READ | (map->flags & MAP_WRITE ? PROT_WRITE : 0);
	g_autoptr(GError) error = NULL;
	JfDeviceMemory memory = {
		.struct_size = sizeof memory,
		.flags = JF_MEMORY_FILE | (map->flags & MAP_WRITE ? JF_MEMORY_WRITE : 0),
		.address = map->address,
		.size = map->size,
		.release = memory_release,
	};

	if (!file_is_long_enough(fd, map->offset, map->size))
		return EINVAL;
	if (!vu->has_ram && vu_memory_is_private(vu->channel.fd, fd))
		return refuse_unshared(vu);
	memory.base =
		mmap(NULL, map->size, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)map->offset);
	if (memory.base == MAP_FAILED)
		return (guint32)errno;
	if (vu->api->add_memory(vu->device, &memory, &error))
		return 0;
	munmap(memory.base, map->size);
	return fail(vu, EEXIST, error);
}

/* No RAM at all so far, and none with this: the guest's memory is not shared. Once there is some,
 * other memory may come without a descriptor: read-only shadows of firmware, and what a VMM keeps to
 * itself, like the frame buffer of a display adapter. Nobody does DMA there. */
static guint32
map_without_fd(VfioUser *vu, const DmaMap *map)
{
	jf_count(vu->no_memory_fd, 1);
	if (vu->has_ram || !(map->flags & MAP_WRITE))
		return 0;
	return refuse_unshared(vu);
}

static gboolean
map_overlaps(const VfioUser *vu, const DmaMap *map)
{
	for (guint i = 0; i < vu->maps->len; i++) {
		const VuRange *range = &g_array_index(vu->maps, VuRange, i);

		if (map->address - range->address < range->size ||
		    range->address - map->address < map->size)
			return TRUE;
	}
	return FALSE;
}

guint32
vu_dma_map(VfioUser *vu, VuMessage *message)
{
	VuRange range;
	guint32 error;
	DmaMap map;

	if (message->len < sizeof map || message->n_fds > 1)
		return EINVAL;
	memcpy(&map, message->body, sizeof map);
	if (map.size == 0 || map.size > DMA_MAX_SIZE || !(map.flags & (MAP_READ | MAP_WRITE)) ||
	    ((map.address | map.size | map.offset) & 4095) != 0 ||
	    map.size - 1 > G_MAXUINT64 - map.address)
		return EINVAL;
	if (map_overlaps(vu, &map))
		return EEXIST;
	if (vu->maps->len >= DMA_MAX_MAPS)
		return ENOSPC;
	error = message->n_fds ? map_fd(vu, &map, message->fds[0]) : map_without_fd(vu, &map);
	if (error)
		return error;
	range = (VuRange){ map.address, map.size, message->n_fds > 0 };
	vu->has_ram |= range.is_added;
	g_array_append_val(vu->maps, range);
	return 0;
}

/* What lies within the range goes; a map that it would cut stays, and is an error. */
guint32
vu_dma_unmap(VfioUser *vu, const VuMessage *message)
{
	guint32 error = 0;
	DmaUnmap unmap;

	if (message->len < sizeof unmap)
		return EINVAL;
	memcpy(&unmap, message->body, sizeof unmap);
	if (unmap.flags & UNMAP_DIRTY_BITMAP)
		return ENOTSUP;
	for (guint i = vu->maps->len; i-- > 0;) {
		VuRange range = g_array_index(vu->maps, VuRange, i);
		gboolean within = range.address >= unmap.address && range.size <= unmap.size &&
				  range.address - unmap.address <= unmap.size - range.size;

		if (within || (unmap.flags & UNMAP_ALL)) {
			if (range.is_added)
				vu->api->remove_memory(vu->device, range.address, range.size, NULL);
			g_array_remove_index_fast(vu->maps, i);
		} else if (range.address - unmap.address < unmap.size ||
			   unmap.address - range.address < range.size) {
			error = EINVAL;
		}
	}
	return error;
}

void
vu_dma_reset(VfioUser *vu)
{
	g_array_set_size(vu->maps, 0);
	vu->has_ram = vu->is_unshared = FALSE;
}
