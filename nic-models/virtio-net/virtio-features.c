/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-features.c - feature bits: what is offered, what needs what, what follows for frames. */
#include "virtio-net.h"

#define GUEST_USO (VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6)
#define GUEST_TSO (VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)
#define HOST_TSO (VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6)

/* What is always there beside rings and frames. */
#define VN_FEATURES_CONTROL                                                                     \
	(VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | \
	 VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_CTRL_MAC_ADDR |     \
	 VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS | VIRTIO_F_RING_RESET | \
	 VIRTIO_NET_F_SPEED_DUPLEX)

/* 5.1.3.1: each bit needs one of the others. */
static const struct {
	guint64 bit, needs;
} dependencies[] = {
	{ VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_ECN, GUEST_TSO },
	{ VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_HOST_ECN, HOST_TSO },
	{ VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ },
	{ VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_VQ },
};

guint64
vn_features_lacking(guint64 features)
{
	for (guint i = 0; i < G_N_ELEMENTS(dependencies); i++) {
		if ((features & dependencies[i].bit) && !(features & dependencies[i].needs))
			return dependencies[i].bit;
	}
	return 0;
}

guint32
vn_features_offloads(guint64 features)
{
	guint32 offloads = 0;

	if (features & VIRTIO_NET_F_GUEST_CSUM)
		offloads |= JF_OFFLOAD_CSUM;
	if (features & VIRTIO_NET_F_GUEST_TSO4)
		offloads |= JF_OFFLOAD_TSO4;
	if (features & VIRTIO_NET_F_GUEST_TSO6)
		offloads |= JF_OFFLOAD_TSO6;
	if (features & VIRTIO_NET_F_GUEST_ECN)
		offloads |= JF_OFFLOAD_TSO_ECN;
	if (features & VIRTIO_NET_F_GUEST_UFO)
		offloads |= JF_OFFLOAD_UFO;
	/* One offload for both versions of IP: a driver that takes one of them takes neither. */
	if ((features & GUEST_USO) == GUEST_USO)
		offloads |= JF_OFFLOAD_USO;
	return offloads;
}

guint64
vn_features_configured(JfInstance *inst)
{
	guint64 features = VN_FEATURES_DATA | VN_FEATURES_CONTROL;

	if (!jf_property_bool(inst, "checksum"))
		features &= ~(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM);
	if (!jf_property_bool(inst, "segmentation"))
		features &= ~(GUEST_TSO | HOST_TSO | GUEST_USO | VIRTIO_NET_F_HOST_USO |
			      VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_HOST_ECN |
			      VIRTIO_NET_F_GUEST_UFO | VIRTIO_NET_F_HOST_UFO);
	if (!jf_property_bool(inst, "mergeable"))
		features &= ~VIRTIO_NET_F_MRG_RXBUF;
	if (!jf_property_bool(inst, "packed"))
		features &= ~VIRTIO_F_RING_PACKED;
	if (!jf_property_bool(inst, "in-order"))
		features &= ~VIRTIO_F_IN_ORDER;
	if (jf_property_int(inst, "queues") > 1)
		features |= VIRTIO_NET_F_MQ;
	if (jf_property_int(inst, "mtu") > 0)
		features |= VIRTIO_NET_F_MTU;
	for (guint64 bit; (bit = vn_features_lacking(features));)
		features &= ~bit;
	return features;
}

void
vn_features_set_guest(VirtioNet *net, guint64 guest)
{
	net->guest = guest;
	net->host->set_offloads(net->inst, 0, vn_features_offloads(guest));
}

void
vn_features_set(VirtioNet *net, guint64 features)
{
	net->features = features;
	vn_features_set_guest(net, features & VN_FEATURES_GUEST);
}
