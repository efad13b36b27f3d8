/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device.c - the PCI function around a model.
 *
 * A VMM (or the connector that speaks for it) sees configuration space, BARs and interrupts; the
 * model sees register accesses that are its own, guest memory, and two ways to interrupt. What is
 * common to all PCI functions lives here: decoding of the configuration space, the MSI-X table,
 * the gate that the bus-master bit puts in front of DMA, the INTx line.
 *
 * Registers are only touched on the card's worker. Interrupts and DMA come from any thread: the
 * former under a lock, the latter under the memory map's.
 */
#include "device-private.h"

#include <string.h>

#define ROM_MIN 2048u /* PCI 3.0, 6.2.5.2 */
#define ROM_MAX (16u * 1024u * 1024u)

static gboolean
device_send_msix(gpointer data, guint vector, const JfMsixEntry *entry)
{
	JfDevice *device = data;

	if (!device->callbacks.msix_notify)
		return FALSE;
	device->callbacks.msix_notify(device->data, vector, entry->address, entry->data);
	return TRUE;
}

/* ---- Calls into the model ---- */

typedef struct DeviceCall {
	const JfPci *pci;
	const JfPciInfo *info;
	guint bar, size;
	guint64 offset, value;
	gboolean on;
} DeviceCall;

static void
call_info(JfInstance *inst, gpointer data)
{
	DeviceCall *call = data;

	call->info = call->pci->info(inst);
}

static void
call_reset(JfInstance *inst, gpointer data)
{
	DeviceCall *call = data;

	call->pci->reset(inst);
}

static void
call_bar_read(JfInstance *inst, gpointer data)
{
	DeviceCall *call = data;

	call->value = call->pci->bar_read(inst, call->bar, call->offset, call->size);
}

static void
call_bar_write(JfInstance *inst, gpointer data)
{
	DeviceCall *call = data;

	call->pci->bar_write(inst, call->bar, call->offset, call->size, call->value);
}

static void
call_config_read(JfInstance *inst, gpointer data)
{
	DeviceCall *call = data;

	call->value =
		call->pci->config_read(inst, (guint)call->offset, call->size, (guint32)call->value);
}

static void
call_config_write(JfInstance *inst, gpointer data)
{
	DeviceCall *call = data;

	call->pci->config_write(inst, (guint)call->offset, call->size, (guint32)call->value);
}

static void
call_bus_master(JfInstance *inst, gpointer data)
{
	DeviceCall *call = data;

	call->pci->bus_master(inst, call->on);
}

static void
device_call(JfDevice *device, void (*func)(JfInstance *inst, gpointer data), DeviceCall *call)
{
	call->pci = device->pci;
	jf_instance_call(device->model, func, call);
}

/* ---- The line ---- */

void
jf_device_update_line(JfDevice *device)
{
	gboolean line = device->level && !device->intx_off && !device->msix.enabled;

	if (line == device->line)
		return;
	device->line = line;
	if (device->callbacks.set_irq)
		device->callbacks.set_irq(device->data, line);
}

JfDevice *
jf_device_new(JfInstanceFull *model, GError **error)
{
	const JfDriver *driver = model->pub.driver;
	const JfPci *pci = driver->query ? driver->query(&model->pub, JF_PCI_IID) : NULL;
	DeviceCall call = { 0 };
	JfDevice *device;

	if (!pci || !pci->info || !pci->bar_read || !pci->bar_write || !pci->reset) {
		g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN, "model '%s' has no complete jf.pci/1",
			    driver->id);
		return NULL;
	}
	device = g_new0(JfDevice, 1);
	device->model = model;
	device->pci = pci;
	device_call(device, call_info, &call);
	device->info = call.info;
	if (!jf_pci_config_init(&device->config, device->info, error)) {
		g_free(device);
		return NULL;
	}
	g_mutex_init(&device->lock);
	jf_guest_memory_init(&device->memory,
			     jf_networks_get_domain(jf_instance_get_networks(&model->pub)));
	jf_msix_init(&device->msix, device->info->msix_vectors, device_send_msix, device);
	return device;
}

void
jf_device_free(JfDevice *device)
{
	if (!device)
		return;
	jf_guest_memory_finish(&device->memory);
	jf_msix_finish(&device->msix);
	g_mutex_clear(&device->lock);
	g_free(device->rom);
	g_free(device);
}

const JfPciInfo *
jf_device_get_info(JfDevice *device)
{
	return device->info;
}

void
jf_device_attach(JfDevice *device, const JfDeviceCallbacks *callbacks, gpointer data)
{
	g_mutex_lock(&device->lock);
	memcpy(&device->callbacks, callbacks, MIN(callbacks->struct_size, sizeof *callbacks));
	device->data = data;
	device->line = FALSE;
	jf_device_update_line(device);
	jf_msix_retry(&device->msix);
	g_mutex_unlock(&device->lock);
}

void
jf_device_detach(JfDevice *device)
{
	g_mutex_lock(&device->lock);
	device->callbacks = (JfDeviceCallbacks){ 0 };
	g_mutex_unlock(&device->lock);
	jf_device_reset(device);
	jf_guest_memory_set_log(&device->memory, NULL);
	jf_guest_memory_clear(&device->memory);
	__atomic_store_n(&device->memory_lost, FALSE, __ATOMIC_RELAXED);
}

gboolean
jf_device_add_memory(JfDevice *device, const JfDeviceMemory *memory, GError **error)
{
	return jf_guest_memory_add(&device->memory, memory, error);
}

gboolean
jf_device_remove_memory(JfDevice *device, guint64 address, guint64 size, GError **error)
{
	return jf_guest_memory_remove(&device->memory, address, size, error);
}

void
jf_device_set_dirty_log(JfDevice *device, const JfDirtyLog *log)
{
	jf_guest_memory_set_log(&device->memory, log);
}

/* ---- Configuration space ---- */

static gboolean
config_access_is_sane(guint offset, guint size)
{
	return (size == 1 || size == 2 || size == 4) && offset < JF_PCI_CONFIG_SIZE &&
	       size <= JF_PCI_CONFIG_SIZE - offset;
}

guint32
jf_device_config_read(JfDevice *device, guint offset, guint size)
{
	guint32 value;

	if (!config_access_is_sane(offset, size))
		return G_MAXUINT32;
	g_mutex_lock(&device->lock);
	if (device->level)
		device->config.bytes[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		device->config.bytes[PCI_STATUS] &= (guint8)~PCI_STATUS_INTERRUPT;
	value = jf_pci_config_read(&device->config, offset, size);
	g_mutex_unlock(&device->lock);
	if (device->pci->config_read && offset >= 0x40) {
		DeviceCall call = { .offset = offset, .size = size, .value = value };

		device_call(device, call_config_read, &call);
		value = (guint32)call.value;
	}
	return value;
}

void
jf_device_set_bus_master(JfDevice *device, gboolean on)
{
	DeviceCall call = { .on = on };

	if (g_atomic_int_get(&device->bus_master) == on)
		return;
	g_atomic_int_set(&device->bus_master, on);
	if (device->pci->bus_master)
		device_call(device, call_bus_master, &call);
}

void
jf_device_config_changed(JfDevice *device)
{
	guint32 command = jf_pci_config_read(&device->config, PCI_COMMAND, 2);

	g_mutex_lock(&device->lock);
	device->intx_off = (command & PCI_COMMAND_INTX_DISABLE) != 0;
	if (device->config.msix) {
		guint32 control = jf_pci_config_read(&device->config, device->config.msix + 2u, 2);

		jf_msix_set_control(&device->msix, (control & PCI_MSIX_ENABLE) != 0,
				    (control & PCI_MSIX_FUNCTION_MASK) != 0);
	}
	jf_device_update_line(device);
	g_mutex_unlock(&device->lock);
	jf_device_set_bus_master(device, (command & PCI_COMMAND_BUS_MASTER) != 0);
}

void
jf_device_config_write(JfDevice *device, guint offset, guint size, guint32 value)
{
	if (!config_access_is_sane(offset, size))
		return;
	jf_pci_config_write(&device->config, offset, size, value);
	jf_device_config_changed(device);
	if (device->pci->config_write && offset >= 0x40) {
		DeviceCall call = { .offset = offset, .size = size, .value = value };

		device_call(device, call_config_write, &call);
	}
}

/* ---- Expansion ROM ---- */

gboolean
jf_device_set_rom(JfDevice *device, gconstpointer data, gsize len, GError **error)
{
	const guint8 *bytes = data;
	gsize size = ROM_MIN;

	if (bytes && (len < 3 || len > ROM_MAX || bytes[0] != 0x55 || bytes[1] != 0xaa)) {
		g_set_error_literal(
			error, JF_ERROR, JF_ERROR_VALUE,
			"this is no expansion ROM (55 AA at its start, at most 16 MiB)");
		return FALSE;
	}
	while (size < len)
		size *= 2;
	g_free(device->rom);
	device->rom = bytes ? g_malloc(size) : NULL;
	device->rom_size = bytes ? size : 0;
	if (bytes) {
		memset(device->rom, 0xff, size);
		memcpy(device->rom, bytes, len);
	}
	jf_pci_config_set_rom(&device->config, (guint32)device->rom_size);
	return TRUE;
}

gconstpointer
jf_device_get_rom(JfDevice *device, gsize *size)
{
	*size = device->rom_size;
	return device->rom;
}

/* ---- BARs ---- */

static gboolean
bar_access_is_sane(const JfDevice *device, guint bar, guint64 offset, guint size)
{
	return (size == 1 || size == 2 || size == 4 || size == 8) && bar < JF_PCI_BARS &&
	       offset < device->info->bars[bar].size &&
	       size <= device->info->bars[bar].size - offset;
}

/* Whether an access belongs to an MSI-X structure of `len` bytes at `start`; its offset there. */
static gboolean
bar_is_msix(const JfDevice *device, guint bar, guint64 offset, guint64 start, guint64 len,
	    guint64 *inside)
{
	if (device->info->msix_vectors == 0 || bar != device->info->msix_bar || offset < start ||
	    offset - start >= len)
		return FALSE;
	*inside = offset - start;
	return TRUE;
}

static gboolean
bar_is_table(const JfDevice *device, guint bar, guint64 offset, guint64 *inside)
{
	return bar_is_msix(device, bar, offset, device->info->msix_table,
			   16ull * device->info->msix_vectors, inside);
}

static gboolean
bar_is_pending(const JfDevice *device, guint bar, guint64 offset, guint64 *inside)
{
	return bar_is_msix(device, bar, offset, device->info->msix_pba,
			   8ull * ((device->info->msix_vectors + 63u) / 64u), inside);
}

static guint64
low_bytes(guint64 value, guint size)
{
	return size >= 8 ? value : value & ((1ull << (8 * size)) - 1);
}

/* As a master abort where there is nothing: all ones. */
guint64
jf_device_bar_read(JfDevice *device, guint bar, guint64 offset, guint size)
{
	DeviceCall call = { .bar = bar, .offset = offset, .size = size };
	guint64 inside, value;

	if (!bar_access_is_sane(device, bar, offset, size))
		return low_bytes(G_MAXUINT64, size);
	if (bar_is_table(device, bar, offset, &inside)) {
		g_mutex_lock(&device->lock);
		value = jf_msix_table_read(&device->msix, inside, size);
		g_mutex_unlock(&device->lock);
		return value;
	}
	if (bar_is_pending(device, bar, offset, &inside)) {
		g_mutex_lock(&device->lock);
		value = jf_msix_pending_read(&device->msix, inside, size);
		g_mutex_unlock(&device->lock);
		return value;
	}
	device_call(device, call_bar_read, &call);
	return low_bytes(call.value, size);
}

void
jf_device_bar_write(JfDevice *device, guint bar, guint64 offset, guint size, guint64 value)
{
	DeviceCall call = { .bar = bar, .offset = offset, .size = size, .value = value };
	guint64 inside;

	if (!bar_access_is_sane(device, bar, offset, size))
		return;
	if (bar_is_table(device, bar, offset, &inside)) {
		g_mutex_lock(&device->lock);
		jf_msix_table_write(&device->msix, inside, size, value);
		g_mutex_unlock(&device->lock);
	} else if (!bar_is_pending(device, bar, offset, &inside)) {
		device_call(device, call_bar_write, &call);
	}
}

void
jf_device_reset(JfDevice *device)
{
	DeviceCall call = { 0 };

	jf_device_set_bus_master(device, FALSE);
	g_mutex_lock(&device->lock);
	jf_pci_config_reset(&device->config);
	jf_msix_reset(&device->msix);
	device->intx_off = FALSE;
	jf_device_update_line(device);
	g_mutex_unlock(&device->lock);
	device_call(device, call_reset, &call);
}

gconstpointer
jf_device_query(JfDevice *device, const char *iid)
{
	const JfDriver *driver = device->model->pub.driver;

	return driver->query ? driver->query(&device->model->pub, iid) : NULL;
}

void
jf_device_call(JfDevice *device, void (*func)(JfInstance *model, gpointer data), gpointer data)
{
	jf_instance_call(device->model, func, data);
}

const JfDeviceInterface *
jf_device_get_interface(void)
{
	static const JfDeviceInterface interface = {
		.struct_size = sizeof(JfDeviceInterface),
		.get = jf_instance_get_device,
		.info = jf_device_get_info,
		.attach = jf_device_attach,
		.detach = jf_device_detach,
		.add_memory = jf_device_add_memory,
		.remove_memory = jf_device_remove_memory,
		.config_read = jf_device_config_read,
		.config_write = jf_device_config_write,
		.bar_read = jf_device_bar_read,
		.bar_write = jf_device_bar_write,
		.reset = jf_device_reset,
		.query = jf_device_query,
		.call = jf_device_call,
		.set_bus_master = jf_device_set_bus_master,
		.set_dirty_log = jf_device_set_dirty_log,
		.set_rom = jf_device_set_rom,
		.get_rom = jf_device_get_rom,
	};

	return &interface;
}
