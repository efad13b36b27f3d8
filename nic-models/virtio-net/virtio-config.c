/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-config.c - the device configuration (virtio 1.2, 5.1.4), and the line as it shows there. */
#include <string.h>

#include "virtio-net.h"

#define CONFIG_MAC 0u
#define CONFIG_STATUS 6u
#define CONFIG_MAX_PAIRS 8u
#define CONFIG_MTU 10u
#define CONFIG_SPEED 12u
#define CONFIG_DUPLEX 16u
#define CONFIG_LEN 17u

#define STATUS_LINK_UP 1u
#define STATUS_ANNOUNCE 2u
#define DUPLEX_FULL 1u

static void
put(guint8 *image, guint at, guint size, guint32 value)
{
	for (guint i = 0; i < size; i++)
		image[at + i] = (guint8)(value >> 8 * i);
}

static void
config_image(const VirtioNet *net, guint8 *image)
{
	memcpy(image + CONFIG_MAC, net->filter.mac, 6);
	put(image, CONFIG_STATUS, 2,
	    (net->link ? STATUS_LINK_UP : 0) | (net->announce ? STATUS_ANNOUNCE : 0));
	put(image, CONFIG_MAX_PAIRS, 2, net->pairs_max);
	put(image, CONFIG_MTU, 2, net->mtu);
	put(image, CONFIG_SPEED, 4, net->speed);
	put(image, CONFIG_DUPLEX, 1, DUPLEX_FULL);
}

guint64
vn_config_read(VirtioNet *net, guint at, guint size)
{
	guint8 image[CONFIG_LEN + 8] = { 0 };
	guint64 value = 0;

	if (at >= CONFIG_LEN)
		return 0;
	config_image(net, image);
	for (guint i = 0; i < size; i++)
		value |= (guint64)image[at + i] << 8 * i;
	return value;
}

/* A legacy driver without CTRL_MAC_ADDR sets its address here, by bytes (5.1.4). */
void
vn_config_write(VirtioNet *net, guint at, guint size, guint64 value)
{
	if (net->features & (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_MAC_ADDR))
		return;
	vn_rx_lock_all(net);
	for (guint i = 0; i < size && at + i < CONFIG_MAC + 6; i++)
		net->filter.mac[at + i] = (guint8)(value >> 8 * i);
	vn_rx_unlock_all(net);
}

/* Other stations may know this one elsewhere by now: the driver is asked to show itself. */
void
vn_link(JfInstance *inst, guint port, gboolean up)
{
	VirtioNet *net = inst->priv;

	(void)port;
	if (net->link == up)
		return;
	net->link = up;
	net->announce = up && (net->features & VIRTIO_NET_F_GUEST_ANNOUNCE);
	if (!net->taken && (net->features & VIRTIO_NET_F_STATUS))
		vn_transport_config_changed(net);
}
