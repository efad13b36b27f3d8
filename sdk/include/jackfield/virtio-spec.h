/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-spec.h - layouts and numbers of the Virtual I/O Device specification, version 1.2.
 *
 * All fields are little-endian: a ring of a legacy driver is in the guest's byte order, and only
 * little-endian guests are served. Fields that both sides see are read and written by the accessors
 * at the end, once each.
 */
#ifndef JACKFIELD_VIRTIO_SPEC_H
#define JACKFIELD_VIRTIO_SPEC_H

#include <glib.h>

/* Feature bits: 5.1.3 and 6. */
#define VN_BIT(n) (G_GUINT64_CONSTANT(1) << (n))
#define VIRTIO_NET_F_CSUM VN_BIT(0)
#define VIRTIO_NET_F_GUEST_CSUM VN_BIT(1)
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS VN_BIT(2)
#define VIRTIO_NET_F_MTU VN_BIT(3)
#define VIRTIO_NET_F_MAC VN_BIT(5)
#define VIRTIO_NET_F_GUEST_TSO4 VN_BIT(7)
#define VIRTIO_NET_F_GUEST_TSO6 VN_BIT(8)
#define VIRTIO_NET_F_GUEST_ECN VN_BIT(9)
#define VIRTIO_NET_F_GUEST_UFO VN_BIT(10)
#define VIRTIO_NET_F_HOST_TSO4 VN_BIT(11)
#define VIRTIO_NET_F_HOST_TSO6 VN_BIT(12)
#define VIRTIO_NET_F_HOST_ECN VN_BIT(13)
#define VIRTIO_NET_F_HOST_UFO VN_BIT(14)
#define VIRTIO_NET_F_MRG_RXBUF VN_BIT(15)
#define VIRTIO_NET_F_STATUS VN_BIT(16)
#define VIRTIO_NET_F_CTRL_VQ VN_BIT(17)
#define VIRTIO_NET_F_CTRL_RX VN_BIT(18)
#define VIRTIO_NET_F_CTRL_VLAN VN_BIT(19)
#define VIRTIO_NET_F_CTRL_RX_EXTRA VN_BIT(20)
#define VIRTIO_NET_F_GUEST_ANNOUNCE VN_BIT(21)
#define VIRTIO_NET_F_MQ VN_BIT(22)
#define VIRTIO_NET_F_CTRL_MAC_ADDR VN_BIT(23)
#define VIRTIO_F_ANY_LAYOUT VN_BIT(27)
#define VIRTIO_F_INDIRECT_DESC VN_BIT(28)
#define VIRTIO_F_EVENT_IDX VN_BIT(29)
#define VIRTIO_F_VERSION_1 VN_BIT(32)
#define VIRTIO_F_RING_PACKED VN_BIT(34)
#define VIRTIO_F_IN_ORDER VN_BIT(35)
#define VIRTIO_F_RING_RESET VN_BIT(40)
#define VIRTIO_NET_F_GUEST_USO4 VN_BIT(54)
#define VIRTIO_NET_F_GUEST_USO6 VN_BIT(55)
#define VIRTIO_NET_F_HOST_USO VN_BIT(56)
#define VIRTIO_NET_F_SPEED_DUPLEX VN_BIT(63)

/* Device status: 2.1 */
#define VIRTIO_STATUS_DRIVER_OK 4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u

/* 4.1.4.5, 4.1.5.1.2 */
#define VIRTIO_ISR_QUEUE 1u
#define VIRTIO_ISR_CONFIG 2u
#define VIRTIO_MSI_NO_VECTOR 0xffffu

/* 2.7.5 */
#define VIRTQ_DESC_F_NEXT 1u
#define VIRTQ_DESC_F_WRITE 2u
#define VIRTQ_DESC_F_INDIRECT 4u
/* 2.8.1 */
#define PVIRTQ_DESC_F_AVAIL 0x0080u
#define PVIRTQ_DESC_F_USED 0x8000u
/* 2.7.6, 2.7.8 */
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u
#define VIRTQ_USED_F_NO_NOTIFY 1u
/* 2.8.14 */
#define PVIRTQ_EVENT_ENABLE 0u
#define PVIRTQ_EVENT_DISABLE 1u
#define PVIRTQ_EVENT_DESC 2u

typedef struct VirtqDesc {
	guint64 addr;
	guint32 len;
	guint16 flags, next;
} VirtqDesc;

/* Flexible arrays, which C++ has by extension only. */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc99-extensions"
#endif
typedef struct VirtqAvail {
	guint16 flags, idx;
	__extension__ guint16 ring[]; /* size entries, then used_event */
} VirtqAvail;

typedef struct VirtqUsedElem {
	guint32 id, len;
} VirtqUsedElem;

typedef struct VirtqUsed {
	guint16 flags, idx;
	__extension__ VirtqUsedElem ring[]; /* size entries, then avail_event */
} VirtqUsed;
#ifdef __clang__
#pragma clang diagnostic pop
#endif

typedef struct PvirtqDesc {
	guint64 addr;
	guint32 len;
	guint16 id, flags;
} PvirtqDesc;

typedef struct PvirtqEvent {
	guint16 off_wrap, flags;
} PvirtqEvent;

/* 5.1.6 */
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1u
#define VIRTIO_NET_HDR_F_DATA_VALID 2u

typedef struct VirtioNetHdr {
	guint8 flags, gso_type;
	guint16 hdr_len, gso_size, csum_start, csum_offset;
	guint16 num_buffers;
} VirtioNetHdr;

/* Without num_buffers, as a legacy driver has it that did not take MRG_RXBUF (5.1.6.1). */
#define VIRTIO_NET_HDR_LEN_OLD 10u
#define VIRTIO_NET_HDR_LEN 12u

static inline guint16
vn_load16(const guint16 *p)
{
	return GUINT16_FROM_LE(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline guint32
vn_load32(const guint32 *p)
{
	return GUINT32_FROM_LE(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline guint64
vn_load64(const guint64 *p)
{
	return GUINT64_FROM_LE(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline guint16
vn_load16_acquire(const guint16 *p)
{
	return GUINT16_FROM_LE(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static inline void
vn_store16(guint16 *p, guint value)
{
	__atomic_store_n(p, GUINT16_TO_LE((guint16)value), __ATOMIC_RELAXED);
}

static inline void
vn_store32(guint32 *p, guint32 value)
{
	__atomic_store_n(p, GUINT32_TO_LE(value), __ATOMIC_RELAXED);
}

static inline void
vn_store16_release(guint16 *p, guint value)
{
	__atomic_store_n(p, GUINT16_TO_LE((guint16)value), __ATOMIC_RELEASE);
}

#endif
