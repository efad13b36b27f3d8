/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-dma.c - the guest's memory, mapped from the client's descriptors.
 *
 * Memory without a descriptor could only be reached by messages to a client that is itself waiting
 * for us; such a map is refused when the device would have to write there. Read-only pieces without
 * one are firmware shadows and ROMs: they are taken note of and left unmapped, DMA to them aborts.
 */
#include "vfio-user.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DMA_MAX_SIZE (1ull << 42) /* 4 TiB: more than any host has */

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

/* A file that is shorter than the map would end us with SIGBUS. */
static gboolean
file_is_long_enough(int fd, guint64 offset, guint64 size)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size >= 0 && offset <= (guint64)st.st_size &&
	       size <= (guint64)st.st_size - offset;
}

static guint32
map_fd(VfioUser *vu, const DmaMap *map, int fd)
{
	int prot = PROT_READ | (map->flags & MAP_WRITE ? PROT_WRITE : 0);
	g_autoptr(GError) error = NULL;
	JfDeviceMemory memory = {
		.struct_size = sizeof memory,
		.flags = map->flags & MAP_WRITE ? JF_MEMORY_WRITE : 0,
		.address = map->address,
		.size = map->size,
		.release = memory_release,
	};

	if (!file_is_long_enough(fd, map->offset, map->size))
		return EINVAL;
	memory.base =
		mmap(NULL, map->size, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)map->offset);
	if (memory.base == MAP_FAILED)
		return (guint32)errno;
	if (vu->api->add_memory(vu->device, &memory, &error))
		return 0;
	munmap(memory.base, map->size);
	return fail(vu, EEXIST, error);
}

static guint32
map_without_fd(VfioUser *vu, const DmaMap *map)
{
	if (!(map->flags & MAP_WRITE))
		return 0;
	jf_count(vu->no_memory_fd, 1);
	jf_log(vu->inst, G_LOG_LEVEL_WARNING,
	       "the VMM does not share the guest's memory: give its memory backend share=on "
	       "(-object memory-backend-memfd,id=mem,size=SIZE,share=on "
	       "-machine memory-backend=mem)");
	return EINVAL;
}

guint32
vu_dma_map(VfioUser *vu, VuMessage *message)
{
	DmaMap map;

	if (message->len < sizeof map || message->n_fds > 1)
		return EINVAL;
	memcpy(&map, message->body, sizeof map);
	if (map.size == 0 || map.size > DMA_MAX_SIZE || !(map.flags & (MAP_READ | MAP_WRITE)) ||
	    ((map.address | map.size | map.offset) & 4095) != 0)
		return EINVAL;
	return message->n_fds ? map_fd(vu, &map, message->fds[0]) : map_without_fd(vu, &map);
}

/* A range that was never mapped here may be one of the pieces without descriptor: no error. */
guint32
vu_dma_unmap(VfioUser *vu, const VuMessage *message)
{
	DmaUnmap unmap;

	if (message->len < sizeof unmap)
		return EINVAL;
	memcpy(&unmap, message->body, sizeof unmap);
	if (unmap.flags & (UNMAP_DIRTY_BITMAP | UNMAP_ALL))
		return ENOTSUP;
	vu->api->remove_memory(vu->device, unmap.address, unmap.size, NULL);
	return 0;
}
