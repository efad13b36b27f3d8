/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device-host.c - the PCI function as its model sees it: guest memory behind the bus-master gate, and
 * two ways to interrupt. */
#include "device-private.h"

static void
host_dma_enter(JfInstance *inst)
{
	jf_guest_memory_enter(&jf_instance_get_device(inst)->memory);
}

/* Somebody has just touched memory that is no more. */
static void
device_check_memory(JfDevice *device)
{
	if (G_LIKELY(!jf_guest_memory_is_broken(&device->memory)) ||
	    __atomic_exchange_n(&device->memory_lost, TRUE, __ATOMIC_RELAXED))
		return;
	g_mutex_lock(&device->lock);
	if (device->callbacks.memory_lost)
		device->callbacks.memory_lost(device->data);
	g_mutex_unlock(&device->lock);
}

static void
host_dma_leave(JfInstance *inst)
{
	JfDevice *device = jf_instance_get_device(inst);

	jf_guest_memory_leave(&device->memory);
	device_check_memory(device);
}

static gpointer
host_dma_map(JfInstance *inst, guint64 address, guint64 len, gboolean write)
{
	JfDevice *device = jf_instance_get_device(inst);

	if (!g_atomic_int_get(&device->bus_master))
		return NULL;
	return jf_guest_memory_map(&device->memory, address, len, write);
}

static gboolean
host_dma_read(JfInstance *inst, guint64 address, gpointer dst, guint64 len)
{
	JfDevice *device = jf_instance_get_device(inst);
	gboolean done = g_atomic_int_get(&device->bus_master) &&
			jf_guest_memory_read(&device->memory, address, dst, len);

	device_check_memory(device);
	return done;
}

static gboolean
host_dma_write(JfInstance *inst, guint64 address, gconstpointer src, guint64 len)
{
	JfDevice *device = jf_instance_get_device(inst);
	gboolean done = g_atomic_int_get(&device->bus_master) &&
			jf_guest_memory_write(&device->memory, address, src, len);

	device_check_memory(device);
	return done;
}

static const JfDeviceMemory *
host_dma_regions(JfInstance *inst, guint *n)
{
	JfDevice *device = jf_instance_get_device(inst);

	*n = 0;
	return g_atomic_int_get(&device->bus_master) ? jf_guest_memory_regions(&device->memory, n)
						     : NULL;
}

static const JfDirtyLog *
host_dma_log(JfInstance *inst)
{
	return jf_guest_memory_get_log(&jf_instance_get_device(inst)->memory);
}

static void
host_set_irq(JfInstance *inst, gboolean level)
{
	JfDevice *device = jf_instance_get_device(inst);

	if (!device)
		return; /* a model that resets itself in init */
	g_mutex_lock(&device->lock);
	device->level = level;
	jf_device_update_line(device);
	g_mutex_unlock(&device->lock);
}

static void
host_msix_notify(JfInstance *inst, guint vector)
{
	JfDevice *device = jf_instance_get_device(inst);

	if (!device)
		return;
	g_mutex_lock(&device->lock);
	if (!(device->callbacks.flags & JF_DEVICE_VMM_MSIX))
		jf_msix_notify(&device->msix, vector);
	else if (device->msix.enabled && vector < device->msix.n && device->callbacks.msix_notify)
		device->callbacks.msix_notify(device->data, vector, 0, 0);
	g_mutex_unlock(&device->lock);
}

static gboolean
host_msix_enabled(JfInstance *inst)
{
	JfDevice *device = jf_instance_get_device(inst);
	gboolean enabled;

	if (!device)
		return FALSE;
	g_mutex_lock(&device->lock);
	enabled = device->msix.enabled;
	g_mutex_unlock(&device->lock);
	return enabled;
}

const JfPciHost *
jf_device_get_pci_host(void)
{
	static const JfPciHost host = {
		.struct_size = sizeof(JfPciHost),
		.dma_enter = host_dma_enter,
		.dma_leave = host_dma_leave,
		.dma_map = host_dma_map,
		.dma_read = host_dma_read,
		.dma_write = host_dma_write,
		.set_irq = host_set_irq,
		.msix_notify = host_msix_notify,
		.msix_enabled = host_msix_enabled,
		.dma_regions = host_dma_regions,
		.dma_log = host_dma_log,
	};

	return &host;
}
