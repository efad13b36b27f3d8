/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci.h - the PCI side of a model, in three interfaces:
 *
 * "jf.pci/1"       the model's answer to its driver's query: ids, BARs, register access
 * "jf.pci-host/1"  what the core does for a model: guest memory and interrupts
 * "jf.device/1"    what the core does for whoever plays the VMM: a connector, or a program through
 *                  vmm.h. Between them the core keeps the configuration space (type 0 header,
 *                  BAR sizing, capability list, MSI-X table), so that no model repeats it.
 *
 * Source: PCI Local Bus Specification 3.0, chapter 6.
 */
#ifndef JACKFIELD_PCI_H
#define JACKFIELD_PCI_H

#include <glib.h>

#include "driver.h"

G_BEGIN_DECLS

#define JF_PCI_IID "jf.pci/1"
#define JF_PCI_HOST_IID "jf.pci-host/1"
#define JF_DEVICE_IID "jf.device/1"

#define JF_PCI_BARS 6u
#define JF_PCI_CONFIG_SIZE 256u

/* JfPciBar.flags */
#define JF_BAR_IO 0x1u       /* I/O ports; else memory */
#define JF_BAR_64 0x2u       /* 64-bit memory: takes the next BAR's register as well */
#define JF_BAR_PREFETCH 0x4u /* prefetchable memory */

typedef struct JfPciBar {
	guint64 size; /* a power of two, 4.. for I/O, 16.. for memory; 0: no BAR */
	guint32 flags;
	guint32 reserved;
} JfPciBar;

/* A capability; the core lays out the list in table order and fills in the next pointers. */
typedef struct JfPciCap {
	guint8 offset; /* 0x40..0xfc, dword aligned; 0: wherever there is room */
	guint8 len;    /* bytes from its id on */
	guint8 reserved[6];
	const guint8 *data;     /* `len` bytes: id, next (ignored), contents after reset */
	const guint8 *writable; /* `len` bytes: bits that the guest may change; NULL: none */
} JfPciCap;

/* What a model is. Constant for the instance's life. */
typedef struct JfPciInfo {
	guint32 struct_size;
	guint16 vendor, device, subsystem_vendor, subsystem;
	guint8 revision, prog_if, subclass, base_class;
	guint16 status; /* initial bits of the status register beyond the capability list's */
	guint8 min_gnt, max_lat;
	guint8 interrupt_pin; /* 0 none, 1 INTA .. 4 INTD */
	guint8 msix_bar;      /* BAR of the MSI-X table and PBA, where msix_vectors > 0 */
	guint16 msix_vectors; /* 0: no MSI-X; the core makes the capability, table and PBA */
	guint32 msix_table, msix_pba; /* byte offsets in msix_bar, 8-aligned */
	guint32 n_caps;
	const JfPciCap *caps;
	JfPciBar bars[JF_PCI_BARS];
} JfPciInfo;

/* "jf.pci/1". All on the instance's worker. */
typedef struct JfPci {
	guint32 struct_size;
	guint32 reserved;
	/* After init. */
	const JfPciInfo *(*info)(JfInstance *inst);
	/* `size` is 1, 2, 4 or 8, offset + size within the BAR, any alignment. Reading returns the
	 * value in the low bits. The core serves the MSI-X table and PBA itself. */
	guint64 (*bar_read)(JfInstance *inst, guint bar, guint64 offset, guint size);
	void (*bar_write)(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value);
	/* RST# or function-level reset: everything as after power-on. */
	void (*reset)(JfInstance *inst);
	/* A configuration-space access to a capability of the model's, before the core's own copy is
	 * read or after it was written; NULL where plain storage is enough. `size` 1, 2 or 4. For
	 * config_read, `stored` is what the core has. */
	guint32 (*config_read)(JfInstance *inst, guint offset, guint size, guint32 stored);
	void (*config_write)(JfInstance *inst, guint offset, guint size, guint32 value);
	/* The command register's bus-master bit changed. NULL: does not care (DMA is refused by the
	 * core while it is off). */
	void (*bus_master)(JfInstance *inst, gboolean on);
} JfPci;

/* "jf.pci-host/1" */
typedef struct JfPciHost {
	guint32 struct_size;
	guint32 reserved;
	/*
	 * Guest memory. Between enter and leave the memory map stands still and pointers from map
	 * stay good (the memory behind them may change at any time: copy, then check). enter nests,
	 * also across instances; hold it for a batch, not longer. A lock that input takes is taken
	 * after enter, on every path: whoever changes the map waits for those within input, and
	 * enter (and dma_read and dma_write outside of it) waits for the change. [any thread]
	 */
	void (*dma_enter)(JfInstance *inst);
	void (*dma_leave)(JfInstance *inst);
	/* A pointer to `len` bytes at guest address `address` if they lie in one mapped region that
	 * allows it, else NULL. Between enter and leave. [any thread] */
	gpointer (*dma_map)(JfInstance *inst, guint64 address, guint64 len, gboolean write);
	/* Copies, also across regions. FALSE where any byte is not there: nothing was copied, the
	 * access counts as a master abort. [any thread] */
	gboolean (*dma_read)(JfInstance *inst, guint64 address, gpointer dst, guint64 len);
	gboolean (*dma_write)(JfInstance *inst, guint64 address, gconstpointer src, guint64 len);
	/* Drives INTx: a level. [any thread] */
	void (*set_irq)(JfInstance *inst, gboolean level);
	/* Sends MSI-X vector `vector` (pending while masked). Nothing happens while MSI-X is off.
	 * [any thread] */
	void (*msix_notify)(JfInstance *inst, guint vector);
	/* Whether the guest has switched MSI-X on. [any thread] */
	gboolean (*msix_enabled)(JfInstance *inst);
	/* The mapped regions by ascending address, *n of them, for a model that looks them up itself
	 * as fast as it can; none while the bus-master bit is off. Good between enter and leave.
	 * [any thread] */
	const struct JfDeviceMemory *(*dma_regions)(JfInstance *inst, guint *n);
	/* Where to mark what the device wrote through dma_map or dma_regions, NULL: nobody wants to
	 * know (the usual case). dma_write marks by itself. Good between enter and leave.
	 * [any thread] */
	const struct JfDirtyLog *(*dma_log)(JfInstance *inst);
} JfPciHost;

typedef struct JfDevice JfDevice;

/* JfDeviceMemory.flags */
#define JF_MEMORY_WRITE 0x1u /* the device may write */
/* A mapped file that somebody else may cut short. Where the program guards shared memory (see
 * jf_guard_shared_memory), that then reads as zeros and memory_lost is called. */
#define JF_MEMORY_FILE 0x2u

/* Asynchronous guest memory without a mapping is not offered: `base` is mapped in this process. */
typedef struct JfDeviceMemory {
	guint32 struct_size;
	guint32 flags;
	guint64 address; /* guest physical */
	guint64 size;
	gpointer base;
	/* Called once nobody can touch the region any more; may be NULL. */
	void (*release)(gpointer base, guint64 size, gpointer data);
	gpointer data;
} JfDeviceMemory;

/*
 * Which pages the device wrote since a VMM that migrates last looked: page n is bit n % 8 of byte
 * n / 8. The VMM clears bits meanwhile.
 */
typedef struct JfDirtyLog {
	guint8 *bits;
	guint64 n_bytes;
	guint32 page_shift; /* 12: pages of 4 KiB */
	guint32 reserved;
} JfDirtyLog;

/* Marks `len` bytes at guest address `address` after they were written; `log` may be NULL. */
static inline void
jf_dirty_log_mark(const JfDirtyLog *log, guint64 address, guint64 len)
{
	guint64 page, last;

	if (!log || len == 0)
		return;
	last = (address + (len - 1)) >> log->page_shift;
	for (page = address >> log->page_shift; page <= last && page / 8 < log->n_bytes; page++)
		__atomic_fetch_or(&log->bits[page / 8], (guint8)(1u << page % 8), __ATOMIC_RELEASE);
}

/* JfDeviceCallbacks.flags: the VMM keeps the MSI-X table and its masks; each vector is passed on while
 * MSI-X is enabled in the configuration space, with address and value 0. */
#define JF_DEVICE_VMM_MSIX 0x1u

/* How a device reaches its VMM. Called on any thread; must not call back into the device. */
typedef struct JfDeviceCallbacks {
	guint32 struct_size;
	guint32 flags; /* JF_DEVICE_* */
	void (*set_irq)(gpointer data, gboolean level);
	void (*msix_notify)(gpointer data, guint vector, guint64 address, guint32 value);
	/* Memory with JF_MEMORY_FILE is gone: the guest must be dropped. Once between attach and
	 * detach. May be NULL. */
	void (*memory_lost)(gpointer data);
} JfDeviceCallbacks;

/*
 * "jf.device/1": what a connector gets when its card has a model. The same functions are in vmm.h
 * for programs. All on the worker of the card unless marked.
 */
typedef struct JfDeviceInterface {
	guint32 struct_size;
	guint32 reserved;
	JfDevice *(*get)(JfInstance *inst); /* the card's device; NULL: the card has no model */
	const JfPciInfo *(*info)(JfDevice *device);
	void (*attach)(JfDevice *device, const JfDeviceCallbacks *callbacks, gpointer data);
	void (*detach)(JfDevice *device); /* drops callbacks and memory, resets the model */
	gboolean (*add_memory)(JfDevice *device, const JfDeviceMemory *memory, GError **error);
	/* Exactly a region added before. Blocks until nobody touches it. */
	gboolean (*remove_memory)(JfDevice *device, guint64 address, guint64 size, GError **error);
	guint32 (*config_read)(JfDevice *device, guint offset, guint size);
	void (*config_write)(JfDevice *device, guint offset, guint size, guint32 value);
	guint64 (*bar_read)(JfDevice *device, guint bar, guint64 offset, guint size);
	void (*bar_write)(JfDevice *device, guint bar, guint64 offset, guint size, guint64 value);
	void (*reset)(JfDevice *device);
	/* An interface of the model's driver, NULL where there is none: "jf.virtio/1". */
	gconstpointer (*query)(JfDevice *device, const char *iid);
	/* Runs func as a callback of the model's. */
	void (*call)(JfDevice *device, void (*func)(JfInstance *model, gpointer data),
		     gpointer data);
	/* DMA without configuration space: what the guest's bus-master bit would do. */
	void (*set_bus_master)(JfDevice *device, gboolean on);
	/* From now on what the device writes is marked in `log` (copied); NULL: no longer. Nobody
	 * touches the old one afterwards. detach ends it as well. */
	void (*set_dirty_log)(JfDevice *device, const JfDirtyLog *log);
	/* An expansion ROM for the guest's firmware: copied, and padded with 0xff to a power of two;
	 * NULL: none. Error VALUE: over 16 MiB, or it does not begin with 55 AA. */
	gboolean (*set_rom)(JfDevice *device, gconstpointer data, gsize len, GError **error);
	/* The ROM as its BAR shows it, *size bytes; NULL: none. Good until set_rom. */
	gconstpointer (*get_rom)(JfDevice *device, gsize *size);
} JfDeviceInterface;

G_END_DECLS

#endif
