/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-modern.c - the modern interface: a memory BAR with one page for each structure (virtio 1.2,
 * 4.1.4). Linux maps at least a page of each.
 */
#include <string.h>

#include "virtio-net.h"

/* struct virtio_pci_common_cfg, 4.1.4.3 */
#define COMMON_DEVICE_FEATURE_SELECT 0u
#define COMMON_DEVICE_FEATURE 4u
#define COMMON_DRIVER_FEATURE_SELECT 8u
#define COMMON_DRIVER_FEATURE 12u
#define COMMON_CONFIG_MSIX_VECTOR 16u
#define COMMON_NUM_QUEUES 18u
#define COMMON_DEVICE_STATUS 20u
#define COMMON_CONFIG_GENERATION 21u
#define COMMON_QUEUE_SELECT 22u
#define COMMON_QUEUE_SIZE 24u
#define COMMON_QUEUE_MSIX_VECTOR 26u
#define COMMON_QUEUE_ENABLE 28u
#define COMMON_QUEUE_NOTIFY_OFF 30u
#define COMMON_QUEUE_DESC 32u
#define COMMON_QUEUE_DRIVER 40u
#define COMMON_QUEUE_DEVICE 48u
#define COMMON_QUEUE_NOTIF_CONFIG_DATA 56u
#define COMMON_QUEUE_RESET 58u
#define COMMON_LEN 60u

static void
put(guint8 *image, guint at, guint size, guint64 value)
{
	for (guint i = 0; i < size; i++)
		image[at + i] = (guint8)(value >> 8 * i);
}

/* The selected queue; NULL: there is none. */
static VnPciQueue *
selected(VirtioNet *net)
{
	if (net->queue_select >= vn_transport_n_queues(net) ||
	    !vn_transport_queue(net, net->queue_select))
		return NULL;
	return &net->regs[net->queue_select];
}

static guint32
feature_word(guint64 features, guint32 select)
{
	return select < 2 ? (guint32)(features >> 32 * select) : 0;
}

static void
common_image(VirtioNet *net, guint8 *image)
{
	const VnPciQueue *reg = selected(net);

	put(image, COMMON_DEVICE_FEATURE_SELECT, 4, net->device_feature_select);
	put(image, COMMON_DEVICE_FEATURE, 4,
	    feature_word(net->offered, net->device_feature_select));
	put(image, COMMON_DRIVER_FEATURE_SELECT, 4, net->driver_feature_select);
	put(image, COMMON_DRIVER_FEATURE, 4,
	    feature_word(net->driver_features, net->driver_feature_select));
	put(image, COMMON_CONFIG_MSIX_VECTOR, 2, net->config_vector);
	put(image, COMMON_NUM_QUEUES, 2, vn_transport_n_queues(net));
	put(image, COMMON_DEVICE_STATUS, 1, net->status);
	put(image, COMMON_CONFIG_GENERATION, 1, net->config_generation);
	put(image, COMMON_QUEUE_SELECT, 2, net->queue_select);
	if (!reg)
		return;
	put(image, COMMON_QUEUE_SIZE, 2, reg->size);
	put(image, COMMON_QUEUE_MSIX_VECTOR, 2, reg->vector);
	put(image, COMMON_QUEUE_ENABLE, 2, reg->enabled);
	put(image, COMMON_QUEUE_NOTIFY_OFF, 2, net->queue_select);
	put(image, COMMON_QUEUE_DESC, 8, reg->desc);
	put(image, COMMON_QUEUE_DRIVER, 8, reg->driver);
	put(image, COMMON_QUEUE_DEVICE, 8, reg->device);
	put(image, COMMON_QUEUE_NOTIF_CONFIG_DATA, 2, net->queue_select);
}

static guint64
common_read(VirtioNet *net, guint at, guint size)
{
	guint8 image[COMMON_LEN + 8] = { 0 };
	guint64 value = 0;

	if (at >= COMMON_LEN)
		return 0;
	common_image(net, image);
	for (guint i = 0; i < size; i++)
		value |= (guint64)image[at + i] << 8 * i;
	return value;
}

static void
driver_feature_write(VirtioNet *net, guint32 value)
{
	guint shift = 32 * net->driver_feature_select;

	if (net->driver_feature_select > 1 || (net->status & VIRTIO_STATUS_FEATURES_OK))
		return;
	net->driver_features &= ~((guint64)G_MAXUINT32 << shift);
	net->driver_features |= (guint64)value << shift;
}

/* 4.1.4.3.2: a split ring has a power of two. */
static void
queue_size_write(VirtioNet *net, VnPciQueue *reg, guint16 size)
{
	gboolean packed = (net->driver_features & VIRTIO_F_RING_PACKED) != 0;

	if (size > 0 && size <= net->ring_size && (packed || !(size & (size - 1))))
		reg->size = size;
}

/* An address is written whole or by halves. */
static void
address_write(guint64 *address, guint at, guint size, guint64 value)
{
	guint64 mask = size == 8 ? G_MAXUINT64 : (guint64)G_MAXUINT32 << 8 * (at & 4);

	if (size < 4 || (size == 8 && (at & 4)))
		return;
	*address = (*address & ~mask) | (value << 8 * (at & 4) & mask);
}

static void
queue_write(VirtioNet *net, VnPciQueue *reg, guint at, guint size, guint64 value)
{
	switch (at) {
	case COMMON_QUEUE_MSIX_VECTOR:
		vn_transport_set_vector(net, net->queue_select, (guint16)value);
		return;
	case COMMON_QUEUE_ENABLE:
		if (value == 1 && !reg->enabled)
			vn_transport_queue_enable(net, net->queue_select);
		return;
	case COMMON_QUEUE_RESET:
		if (value == 1 && (net->features & VIRTIO_F_RING_RESET))
			vn_transport_queue_reset(net, net->queue_select);
		return;
	default:
		break;
	}
	if (reg->enabled)
		return;
	switch (at & ~4u) {
	case COMMON_QUEUE_SIZE:
		if (at == COMMON_QUEUE_SIZE)
			queue_size_write(net, reg, (guint16)value);
		break;
	case COMMON_QUEUE_DESC:
		address_write(&reg->desc, at, size, value);
		break;
	case COMMON_QUEUE_DRIVER:
		address_write(&reg->driver, at, size, value);
		break;
	case COMMON_QUEUE_DEVICE:
		address_write(&reg->device, at, size, value);
		break;
	default:
		break;
	}
}

static void
common_write(VirtioNet *net, guint at, guint size, guint64 value)
{
	VnPciQueue *reg = selected(net);

	switch (at) {
	case COMMON_DEVICE_FEATURE_SELECT:
		net->device_feature_select = (guint32)value;
		break;
	case COMMON_DRIVER_FEATURE_SELECT:
		net->driver_feature_select = (guint32)value;
		break;
	case COMMON_DRIVER_FEATURE:
		driver_feature_write(net, (guint32)value);
		break;
	case COMMON_CONFIG_MSIX_VECTOR:
		vn_transport_set_config_vector(net, (guint16)value);
		break;
	case COMMON_DEVICE_STATUS:
		vn_transport_set_status(net, (guint8)value);
		break;
	case COMMON_QUEUE_SELECT:
		net->queue_select = (guint16)value;
		break;
	default:
		if (reg)
			queue_write(net, reg, at, size, value);
		break;
	}
}

guint64
vn_modern_read(VirtioNet *net, guint at, guint size)
{
	switch (at & ~(VN_PAGE - 1)) {
	case VN_MODERN_COMMON:
		return common_read(net, at - VN_MODERN_COMMON, size);
	case VN_MODERN_ISR:
		return at == VN_MODERN_ISR ? vn_transport_read_isr(net) : 0;
	case VN_MODERN_DEVICE:
		return vn_config_read(net, at - VN_MODERN_DEVICE, size);
	default:
		return 0;
	}
}

void
vn_modern_write(VirtioNet *net, guint at, guint size, guint64 value)
{
	switch (at & ~(VN_PAGE - 1)) {
	case VN_MODERN_COMMON:
		common_write(net, at - VN_MODERN_COMMON, size, value);
		break;
	case VN_MODERN_NOTIFY:
		vn_transport_notify(net, (at - VN_MODERN_NOTIFY) / VN_NOTIFY_STEP);
		break;
	default:
		break;
	}
}
