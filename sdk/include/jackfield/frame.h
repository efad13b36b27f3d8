/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame.h - an Ethernet frame on its way from one driver to the next. */
#ifndef JACKFIELD_FRAME_H
#define JACKFIELD_FRAME_H

#include <glib.h>
#include <sys/uio.h>

#include "abi.h"

G_BEGIN_DECLS

/* Most frames in one call of input or output. */
#define JF_BATCH_MAX 64u
/* Shortest frame that the core forwards: an Ethernet header. */
#define JF_FRAME_MIN_LEN 14u
/* Longest frame: Ethernet header, one 802.1Q tag, 65535 bytes of IP datagram. */
#define JF_FRAME_MAX_LEN 65553u
/* Most pieces of one frame. */
#define JF_FRAME_MAX_IOV 64u

/*
 * JfFrame.flags, with the meaning of struct virtio_net_hdr (virtio 1.2, 5.1.6).
 *
 * NEEDS_CSUM   the 16 bits at csum_start + csum_offset hold the folded pseudo-header sum; whoever
 *              first cannot pass the flag on adds the sum of the bytes from csum_start to the end.
 * CSUM_VALID   the sender vouches for the transport checksum; the receiver need not look.
 */
#define JF_FRAME_NEEDS_CSUM 0x01u
#define JF_FRAME_CSUM_VALID 0x02u

/* JfFrame.gso_type: the numbers of struct virtio_net_hdr. ECN may be or-ed to the TCP types. */
#define JF_GSO_NONE 0u
#define JF_GSO_TCPV4 1u
#define JF_GSO_UDP 3u /* IP fragmentation of one datagram (UFO) */
#define JF_GSO_TCPV6 4u
#define JF_GSO_UDP_L4 5u /* a train of datagrams (USO) */
#define JF_GSO_ECN 0x80u

/*
 * Borrowed for one call: nobody keeps the pointer, the pieces or the memory behind them.
 *
 * A GSO frame always carries NEEDS_CSUM (but for JF_GSO_UDP) and a csum_start that points at its
 * transport header. hdr_len is a hint from the sender and may be 0: never trust it as a bound.
 * The core has checked, before a driver's input sees the frame, that len is within
 * JF_FRAME_MIN_LEN..JF_FRAME_MAX_LEN, that the pieces sum to len, and that
 * csum_start + csum_offset + 2 <= len where NEEDS_CSUM is set.
 */
typedef struct JfFrame {
	const struct iovec *iov; /* Ethernet header first, no FCS; may point into guest memory */
	guint32 n_iov;           /* 1..JF_FRAME_MAX_IOV */
	guint32 len;             /* bytes in all pieces */
	guint8 flags;            /* JF_FRAME_* */
	guint8 gso_type;         /* JF_GSO_* */
	guint16 gso_size;        /* payload bytes per segment; 0 without GSO */
	guint16 hdr_len;         /* bytes up to the end of the transport header; a hint */
	guint16 csum_start;      /* bytes from the frame's start to where summing begins */
	guint16 csum_offset;     /* bytes from csum_start to the checksum field */
	guint16 reserved[3];     /* 0 */
} JfFrame;

/*
 * What an input can take beyond plain frames: in JfDriver.flags (JF_DRIVER_OFFLOADS) as the most
 * that the driver ever takes, and in JfHost.set_offloads as what it takes now.
 */
#define JF_OFFLOAD_CSUM 0x01u    /* NEEDS_CSUM */
#define JF_OFFLOAD_TSO4 0x02u    /* JF_GSO_TCPV4 */
#define JF_OFFLOAD_TSO6 0x04u    /* JF_GSO_TCPV6 */
#define JF_OFFLOAD_TSO_ECN 0x08u /* JF_GSO_ECN with either */
#define JF_OFFLOAD_UFO 0x10u     /* JF_GSO_UDP */
#define JF_OFFLOAD_USO 0x20u     /* JF_GSO_UDP_L4 */
#define JF_OFFLOAD_ALL 0x3fu

/* A plain frame in one piece. `piece` must live as long as the frame. Any thread. */
static inline JfFrame
jf_frame_plain(const struct iovec *piece)
{
	JfFrame frame = { piece, 1, (guint32)piece->iov_len, 0, 0, 0, 0, 0, 0, { 0, 0, 0 } };

	return frame;
}

/*
 * Checks the promises above that a frame's own fields can break (lengths, sums, GSO fields).
 * Returns FALSE for a frame that must be dropped. Any thread.
 */
JF_EXPORT gboolean jf_frame_is_sane(const JfFrame *frame);

/*
 * Copies `len` bytes from `offset` of the frame into `dst`. Returns FALSE, having copied nothing,
 * when the frame is shorter than offset + len. Any thread.
 */
JF_EXPORT gboolean jf_frame_copy(const JfFrame *frame, guint32 offset, gpointer dst, guint32 len);

/* The offload bits that this frame asks of a receiver (JF_OFFLOAD_*), 0 for a plain one. */
JF_EXPORT guint32 jf_frame_offloads(const JfFrame *frame);

/*
 * Called for each plain frame that jf_frame_segment makes, in order. `frame` is good for the call.
 * Returning FALSE ends the segmentation.
 */
typedef gboolean (*JfSegmentFunc)(const JfFrame *frame, gpointer data);

/*
 * Cuts `frame` into plain frames: TCP segments, UDP datagrams or IP fragments of gso_size payload
 * bytes each with headers adjusted and checksums filled in; a frame without GSO comes out once with
 * its checksum filled in. Payload is not copied: the segments point into the caller's pieces.
 * `offloads` names what the receiver can still take (with JF_OFFLOAD_CSUM, segments keep
 * NEEDS_CSUM).
 *
 * Returns the number of frames handed to `func`, or 0 where the headers are not what gso_type says
 * (drop and count it). Any thread; no allocation.
 * Sources: RFC 9293 3.1, RFC 768, RFC 791 3.2, RFC 8200 4.5, virtio 1.2 5.1.6.2.
 */
JF_EXPORT guint jf_frame_segment(const JfFrame *frame, guint32 offloads, JfSegmentFunc func,
				 gpointer data);

G_END_DECLS

#endif
