/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user.h - the vhost-user protocol as it travels: numbers and layouts, for either side of it.
 *
 * A message is a header of three 32-bit words (request, flags, bytes that follow) and a body, in the
 * host's byte order. Source: QEMU's docs/interop/vhost-user.
 */
#ifndef JACKFIELD_VHOST_USER_H
#define JACKFIELD_VHOST_USER_H

#include <glib.h>

G_BEGIN_DECLS

#define VH_HEADER 12u

#define VH_FLAG_VERSION 0x3u
#define VH_VERSION 0x1u
#define VH_FLAG_REPLY 0x4u
#define VH_FLAG_NEED_REPLY 0x8u

enum {
	VH_GET_FEATURES = 1,
	VH_SET_FEATURES = 2,
	VH_SET_OWNER = 3,
	VH_RESET_OWNER = 4,
	VH_SET_MEM_TABLE = 5,
	VH_SET_LOG_BASE = 6,
	VH_SET_LOG_FD = 7,
	VH_SET_VRING_NUM = 8,
	VH_SET_VRING_ADDR = 9,
	VH_SET_VRING_BASE = 10,
	VH_GET_VRING_BASE = 11,
	VH_SET_VRING_KICK = 12,
	VH_SET_VRING_CALL = 13,
	VH_SET_VRING_ERR = 14,
	VH_GET_PROTOCOL_FEATURES = 15,
	VH_SET_PROTOCOL_FEATURES = 16,
	VH_GET_QUEUE_NUM = 17,
	VH_SET_VRING_ENABLE = 18,
	VH_SEND_RARP = 19,
	VH_NET_SET_MTU = 20,
	VH_GET_INFLIGHT_FD = 31,
	VH_SET_INFLIGHT_FD = 32,
	VH_RESET_DEVICE = 34,
	VH_GET_MAX_MEM_SLOTS = 36,
	VH_ADD_MEM_REG = 37,
	VH_REM_MEM_REG = 38,
	VH_SET_STATUS = 39,
	VH_GET_STATUS = 40,
	VH_REQUESTS = 41,
};

/* Feature bits that are of the protocol, not of the card. */
#define VH_F_LOG_ALL (1ull << 26)
#define VH_F_PROTOCOL_FEATURES (1ull << 30)
#define VH_F_RING_PACKED (1ull << 34)

#define VH_P_MQ (1ull << 0)
#define VH_P_LOG_SHMFD (1ull << 1)
#define VH_P_RARP (1ull << 2)
#define VH_P_REPLY_ACK (1ull << 3)
#define VH_P_NET_MTU (1ull << 4)
#define VH_P_INFLIGHT_SHMFD (1ull << 12)
#define VH_P_RESET_DEVICE (1ull << 13)
#define VH_P_CONFIGURE_MEM_SLOTS (1ull << 15)
#define VH_P_STATUS (1ull << 16)

#define VH_STATUS_NEEDS_RESET 0x40u

#define VH_RING_INDEX 0xffu /* of the u64 that comes with a ring's descriptor */
#define VH_RING_NO_FD 0x100u

/* ---- Bodies; one that is not here is a 64-bit word ---- */

/* VH_SET_VRING_NUM, VH_SET_VRING_BASE, VH_GET_VRING_BASE */
typedef struct VhRingState {
	guint32 index, num;
} VhRingState;

/* VH_SET_VRING_ADDR: addresses are the front end's own. */
typedef struct VhRingAddress {
	guint32 index, flags;
	guint64 desc, device, driver, log;
} VhRingAddress;

/* VH_SET_MEM_TABLE: this, then a VhRegionWire and a descriptor for each region. */
typedef struct VhTableHead {
	guint32 n, padding;
} VhTableHead;

/* As memory regions travel: guest-physical address, bytes, the front end's own address, place in
 * the descriptor. */
typedef struct VhRegionWire {
	guint64 address, size, user, offset;
} VhRegionWire;

G_END_DECLS

#endif
