/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-legacy.c - the legacy interface: I/O ports as before virtio 1.0 (virtio 1.2, 4.1.4.10 and
 * 2.7.2). The device configuration follows the registers, behind two more while MSI-X is enabled.
 */
#include "virtio-net.h"

#define LEGACY_DEVICE_FEATURES 0u
#define LEGACY_DRIVER_FEATURES 4u
#define LEGACY_QUEUE_ADDRESS 8u
#define LEGACY_QUEUE_SIZE 12u
#define LEGACY_QUEUE_SELECT 14u
#define LEGACY_QUEUE_NOTIFY 16u
#define LEGACY_DEVICE_STATUS 18u
#define LEGACY_ISR_STATUS 19u
#define LEGACY_CONFIG_MSIX_VECTOR 20u
#define LEGACY_QUEUE_MSIX_VECTOR 22u
#define LEGACY_LEN 20u
#define LEGACY_LEN_MSIX 24u
#define RING_ALIGN 4096u

static guint
legacy_len(VirtioNet *net)
{
	return net->pci->msix_enabled(net->inst) ? LEGACY_LEN_MSIX : LEGACY_LEN;
}

static VnPciQueue *
selected(VirtioNet *net)
{
	if (net->queue_select >= vn_transport_n_queues(net) ||
	    !vn_transport_queue(net, net->queue_select))
		return NULL;
	return &net->regs[net->queue_select];
}

guint64
vn_legacy_read(VirtioNet *net, guint at, guint size)
{
	const VnPciQueue *reg = selected(net);

	if (at >= legacy_len(net))
		return vn_config_read(net, at - legacy_len(net), size);
	switch (at) {
	case LEGACY_DEVICE_FEATURES:
		return (guint32)net->offered;
	case LEGACY_DRIVER_FEATURES:
		return (guint32)net->driver_features;
	case LEGACY_QUEUE_ADDRESS:
		return reg && reg->enabled ? reg->desc / RING_ALIGN : 0;
	case LEGACY_QUEUE_SIZE:
		return reg ? reg->size : 0;
	case LEGACY_QUEUE_SELECT:
		return net->queue_select;
	case LEGACY_DEVICE_STATUS:
		return net->status;
	case LEGACY_ISR_STATUS:
		return vn_transport_read_isr(net);
	case LEGACY_CONFIG_MSIX_VECTOR:
		return net->config_vector;
	case LEGACY_QUEUE_MSIX_VECTOR:
		return reg ? reg->vector : VIRTIO_MSI_NO_VECTOR;
	default:
		return 0;
	}
}

/* The three parts follow each other, the last on a page of its own. */
static void
queue_address_write(VirtioNet *net, VnPciQueue *reg, guint32 page)
{
	guint16 vector = reg->vector;

	vn_transport_queue_reset(net, net->queue_select);
	vn_transport_set_vector(net, net->queue_select, vector);
	if (page == 0)
		return;
	reg->desc = (guint64)page * RING_ALIGN;
	reg->driver = reg->desc + 16ull * reg->size;
	reg->device = (reg->driver + 6 + 2ull * reg->size + RING_ALIGN - 1) &
		      ~(guint64)(RING_ALIGN - 1);
	vn_transport_queue_enable(net, net->queue_select);
}

void
vn_legacy_write(VirtioNet *net, guint at, guint size, guint64 value)
{
	VnPciQueue *reg = selected(net);

	if (at >= legacy_len(net)) {
		vn_config_write(net, at - legacy_len(net), size, value);
		return;
	}
	switch (at) {
	case LEGACY_DRIVER_FEATURES:
		vn_transport_legacy_features(net, (guint32)value);
		break;
	case LEGACY_QUEUE_ADDRESS:
		if (reg)
			queue_address_write(net, reg, (guint32)value);
		break;
	case LEGACY_QUEUE_SELECT:
		net->queue_select = (guint16)value;
		break;
	case LEGACY_QUEUE_NOTIFY:
		vn_transport_notify(net, (guint16)value);
		break;
	case LEGACY_DEVICE_STATUS:
		vn_transport_set_status(net, (guint8)value);
		break;
	case LEGACY_CONFIG_MSIX_VECTOR:
		vn_transport_set_config_vector(net, (guint16)value);
		break;
	case LEGACY_QUEUE_MSIX_VECTOR:
		if (reg)
			vn_transport_set_vector(net, net->queue_select, (guint16)value);
		break;
	default:
		break;
	}
}
