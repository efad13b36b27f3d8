/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* harness-pci.c - the fake "jf.pci-host/1": guest memory and interrupts of a model. */
#include "internal.h"

#include <string.h>

static void
pci_dma_enter(JfInstance *inst)
{
	__atomic_fetch_add(&harness_of(inst)->dma_depth, 1, __ATOMIC_ACQUIRE);
}

static void
pci_dma_leave(JfInstance *inst)
{
	JfHarness *h = harness_of(inst);

	if (!__atomic_load_n(&h->dma_depth, __ATOMIC_RELAXED)) {
		harness_violate(h, "dma_leave without dma_enter");
		return;
	}
	__atomic_fetch_sub(&h->dma_depth, 1, __ATOMIC_RELEASE);
}

static JfDeviceMemory *
find_memory(JfHarness *h, guint64 address, gboolean write)
{
	for (guint i = 0; i < h->memory->len; i++) {
		JfDeviceMemory *memory = &g_array_index(h->memory, JfDeviceMemory, i);

		if (address >= memory->address && address - memory->address < memory->size)
			return write && !(memory->flags & JF_MEMORY_WRITE) ? NULL : memory;
	}
	return NULL;
}

static gpointer
pci_dma_map(JfInstance *inst, guint64 address, guint64 len, gboolean write)
{
	JfHarness *h = harness_of(inst);
	JfDeviceMemory *memory = find_memory(h, address, write);

	if (!__atomic_load_n(&h->dma_depth, __ATOMIC_RELAXED))
		harness_violate(h, "dma_map outside dma_enter and dma_leave");
	if (harness_fails(h, JF_HARNESS_DMA_MAP))
		return NULL;
	if (!memory || len > memory->size - (address - memory->address))
		return NULL;
	return (guint8 *)memory->base + (address - memory->address);
}

/* Walks the regions under address..+len; without `copy` only looks whether all is there. */
static gboolean
walk(JfHarness *h, guint64 address, guint8 *bytes, guint64 len, gboolean write, gboolean copy)
{
	while (len) {
		JfDeviceMemory *memory = find_memory(h, address, write);
		guint64 at, n;

		if (!memory)
			return FALSE;
		at = address - memory->address;
		n = MIN(len, memory->size - at);
		if (copy && write) {
			memcpy((guint8 *)memory->base + at, bytes, n);
			jf_dirty_log_mark(h->dirty_log.bits ? &h->dirty_log : NULL, address, n);
		}
		if (copy && !write)
			memcpy(bytes, (guint8 *)memory->base + at, n);
		address += n;
		bytes += n;
		len -= n;
	}
	return TRUE;
}

static gboolean
pci_dma_read(JfInstance *inst, guint64 address, gpointer dst, guint64 len)
{
	JfHarness *h = harness_of(inst);

	return !harness_fails(h, JF_HARNESS_DMA_READ) && walk(h, address, dst, len, FALSE, FALSE) &&
	       walk(h, address, dst, len, FALSE, TRUE);
}

static gboolean
pci_dma_write(JfInstance *inst, guint64 address, gconstpointer src, guint64 len)
{
	JfHarness *h = harness_of(inst);
	guint8 *bytes = (guint8 *)src;

	return !harness_fails(h, JF_HARNESS_DMA_WRITE) &&
	       walk(h, address, bytes, len, TRUE, FALSE) &&
	       walk(h, address, bytes, len, TRUE, TRUE);
}

static void
pci_set_irq(JfInstance *inst, gboolean level)
{
	JfHarness *h = harness_of(inst);

	g_mutex_lock(&h->lock);
	h->irqs += level && !h->irq;
	h->irq = level != FALSE;
	g_mutex_unlock(&h->lock);
}

static void
pci_msix_notify(JfInstance *inst, guint vector)
{
	JfHarness *h = harness_of(inst);
	const JfPci *pci = h->driver.query(inst, JF_PCI_IID);

	if (vector >= pci->info(inst)->msix_vectors) {
		harness_violate(h, "msix_notify of vector %u of %u", vector,
				pci->info(inst)->msix_vectors);
		return;
	}
	g_mutex_lock(&h->lock);
	if (h->msix_on)
		g_queue_push_tail(&h->msix, GUINT_TO_POINTER(vector + 1));
	g_mutex_unlock(&h->lock);
}

static const JfDeviceMemory *
pci_dma_regions(JfInstance *inst, guint *n)
{
	JfHarness *h = harness_of(inst);

	*n = 0;
	if (!__atomic_load_n(&h->dma_depth, __ATOMIC_RELAXED))
		harness_violate(h, "dma_regions outside dma_enter and dma_leave");
	if (harness_fails(h, JF_HARNESS_DMA_MAP) || h->memory->len == 0)
		return NULL;
	*n = h->memory->len;
	return &g_array_index(h->memory, JfDeviceMemory, 0);
}

static const JfDirtyLog *
pci_dma_log(JfInstance *inst)
{
	const JfHarness *h = harness_of(inst);

	return h->dirty_log.bits ? &h->dirty_log : NULL;
}

void
jf_harness_set_dirty_log(JfHarness *h, const JfDirtyLog *log)
{
	h->dirty_log = log ? *log : (JfDirtyLog){ 0 };
}

static gboolean
pci_msix_enabled(JfInstance *inst)
{
	JfHarness *h = harness_of(inst);
	gboolean on;

	g_mutex_lock(&h->lock);
	on = h->msix_on;
	g_mutex_unlock(&h->lock);
	return on;
}

guint8 *
jf_harness_add_memory(JfHarness *h, guint64 address, guint64 size, gboolean writable)
{
	JfDeviceMemory memory = { .struct_size = sizeof memory,
				  .flags = writable ? JF_MEMORY_WRITE : 0,
				  .address = address,
				  .size = size };
	guint at = 0;

	for (; at < h->memory->len; at++) {
		const JfDeviceMemory *other = &g_array_index(h->memory, JfDeviceMemory, at);

		if (other->address >= address + size)
			break;
		g_return_val_if_fail(address >= other->address + other->size, NULL);
	}
	memory.base = g_malloc0(size);
	g_array_insert_val(h->memory, at, memory);
	return memory.base;
}

void
jf_harness_remove_memory(JfHarness *h, guint64 address)
{
	for (guint i = 0; i < h->memory->len; i++)
		if (g_array_index(h->memory, JfDeviceMemory, i).address == address) {
			g_free(g_array_index(h->memory, JfDeviceMemory, i).base);
			g_array_remove_index(h->memory, i);
			return;
		}
}

void
jf_harness_set_msix(JfHarness *h, gboolean enabled)
{
	g_mutex_lock(&h->lock);
	h->msix_on = enabled;
	g_mutex_unlock(&h->lock);
}

gboolean
jf_harness_get_irq(JfHarness *h)
{
	gboolean irq;

	g_mutex_lock(&h->lock);
	irq = h->irq;
	g_mutex_unlock(&h->lock);
	return irq;
}

guint
jf_harness_get_irqs(JfHarness *h)
{
	guint n;

	g_mutex_lock(&h->lock);
	n = h->irqs;
	g_mutex_unlock(&h->lock);
	return n;
}

int
jf_harness_take_msix(JfHarness *h)
{
	gpointer vector;

	g_mutex_lock(&h->lock);
	vector = g_queue_pop_head(&h->msix);
	g_mutex_unlock(&h->lock);
	return (int)GPOINTER_TO_UINT(vector) - 1;
}

/* The model's registers if the access is one that the core would pass on. */
static const JfPci *
find_bar(JfHarness *h, guint bar, guint64 offset, guint size)
{
	const JfPci *pci = h->driver.query ? h->driver.query(&h->inst, JF_PCI_IID) : NULL;
	guint64 bar_size;

	if (!pci || !h->inited || bar >= JF_PCI_BARS)
		return NULL;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return NULL;
	bar_size = pci->info(&h->inst)->bars[bar].size;
	return size <= bar_size && offset <= bar_size - size ? pci : NULL;
}

guint64
jf_harness_bar_read(JfHarness *h, guint bar, guint64 offset, guint size)
{
	const JfPci *pci = find_bar(h, bar, offset, size);

	return pci ? pci->bar_read(&h->inst, bar, offset, size) : 0;
}

void
jf_harness_bar_write(JfHarness *h, guint bar, guint64 offset, guint size, guint64 value)
{
	const JfPci *pci = find_bar(h, bar, offset, size);

	if (pci)
		pci->bar_write(&h->inst, bar, offset, size, value);
}

const JfPciHost harness_pci_host = {
	.struct_size = sizeof(JfPciHost),
	.dma_enter = pci_dma_enter,
	.dma_leave = pci_dma_leave,
	.dma_map = pci_dma_map,
	.dma_read = pci_dma_read,
	.dma_write = pci_dma_write,
	.set_irq = pci_set_irq,
	.msix_notify = pci_msix_notify,
	.msix_enabled = pci_msix_enabled,
	.dma_regions = pci_dma_regions,
	.dma_log = pci_dma_log,
};
