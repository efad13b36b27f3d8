/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-memory.h - the guest's physical memory as a device may reach it. */
#ifndef JF_GUEST_MEMORY_H
#define JF_GUEST_MEMORY_H

#include "jackfield/pci.h"

#include "bus-guard.h"
#include "rmlock.h"

/* Most regions of one device: QEMU shows about 20 while firmware shuffles its shadow RAM. */
#define JF_GUEST_MEMORY_MAX 4096u

typedef struct JfGuestMemory {
	JfRmLock lock;
	GArray *regions;   /* JfDeviceMemory, by address, not overlapping */
	GPtrArray *guards; /* JfBusGuard, of each region; NULL: needs none */
	gint broken;       /* atomic: some of it was cut off by its owner and is zeros now */
	JfDirtyLog log;    /* bits NULL: none */
} JfGuestMemory;

/* `domain`: see rmlock.h. */
void jf_guest_memory_init(JfGuestMemory *memory, JfRmDomain *domain);
void jf_guest_memory_finish(JfGuestMemory *memory);

/* Control thread or worker. Errors: VALUE (empty, wraps, overlaps), BUSY (too many). */
gboolean jf_guest_memory_add(JfGuestMemory *memory, const JfDeviceMemory *region, GError **error);
/* NOT_FOUND unless it is exactly a region added before. Waits until nobody is between enter and
 * leave, then releases it. */
gboolean jf_guest_memory_remove(JfGuestMemory *memory, guint64 address, guint64 size,
				GError **error);
void jf_guest_memory_clear(JfGuestMemory *memory);

/* Whether a region was cut short by its owner since the last clear. Any thread. */
gboolean jf_guest_memory_is_broken(JfGuestMemory *memory);

/* NULL: none. Waits as remove does. */
void jf_guest_memory_set_log(JfGuestMemory *memory, const JfDirtyLog *log);

/* As in JfPciHost; any thread. */
void jf_guest_memory_enter(JfGuestMemory *memory);
void jf_guest_memory_leave(JfGuestMemory *memory);
gpointer jf_guest_memory_map(JfGuestMemory *memory, guint64 address, guint64 len, gboolean write);
const JfDeviceMemory *jf_guest_memory_regions(JfGuestMemory *memory, guint *n);
const JfDirtyLog *jf_guest_memory_get_log(JfGuestMemory *memory);
gboolean jf_guest_memory_read(JfGuestMemory *memory, guint64 address, gpointer dst, guint64 len);
gboolean jf_guest_memory_write(JfGuestMemory *memory, guint64 address, gconstpointer src,
			       guint64 len);

#endif
