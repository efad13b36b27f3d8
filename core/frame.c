/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame.c - looking into a frame in pieces: promises, copies, checksums. */
#include "jackfield/frame.h"
#include "jackfield/util.h"

static gboolean
gso_is_sane(const JfFrame *frame)
{
	guint type = frame->gso_type & ~JF_GSO_ECN;

	switch (type) {
	case JF_GSO_NONE:
		return frame->gso_type == 0 && frame->gso_size == 0;
	case JF_GSO_UDP:
		return frame->gso_type == type && frame->gso_size > 0;
	case JF_GSO_UDP_L4:
		return frame->gso_type == type && frame->gso_size > 0 &&
		       (frame->flags & JF_FRAME_NEEDS_CSUM);
	case JF_GSO_TCPV4:
	case JF_GSO_TCPV6:
		return frame->gso_size > 0 && (frame->flags & JF_FRAME_NEEDS_CSUM);
	default:
		return FALSE;
	}
}

gboolean
jf_frame_is_sane(const JfFrame *frame)
{
	guint32 left = frame->len;

	if (left < JF_FRAME_MIN_LEN || left > JF_FRAME_MAX_LEN)
		return FALSE;
	if (frame->n_iov < 1 || frame->n_iov > JF_FRAME_MAX_IOV || !gso_is_sane(frame))
		return FALSE;
	if (frame->flags & ~(JF_FRAME_NEEDS_CSUM | JF_FRAME_CSUM_VALID))
		return FALSE;
	if ((frame->flags & JF_FRAME_NEEDS_CSUM) &&
	    (guint32)frame->csum_start + frame->csum_offset + 2 > left)
		return FALSE;
	for (guint i = 0; i < frame->n_iov; i++) {
		if (frame->iov[i].iov_len > left)
			return FALSE;
		left -= frame->iov[i].iov_len;
	}
	return left == 0;
}

gboolean
jf_frame_copy(const JfFrame *frame, guint32 offset, gpointer dst, guint32 len)
{
	guint8 *to = dst;

	if (offset > frame->len || len > frame->len - offset)
		return FALSE;
	for (const struct iovec *piece = frame->iov; len; piece++) {
		guint32 n;

		if (offset >= piece->iov_len) {
			offset -= piece->iov_len;
			continue;
		}
		n = MIN(len, piece->iov_len - offset);
		memcpy(to, (const guint8 *)piece->iov_base + offset, n);
		to += n;
		len -= n;
		offset = 0;
	}
	return TRUE;
}

guint32
jf_frame_offloads(const JfFrame *frame)
{
	guint32 bits = frame->flags & JF_FRAME_NEEDS_CSUM ? JF_OFFLOAD_CSUM : 0;

	if (frame->gso_type & JF_GSO_ECN)
		bits |= JF_OFFLOAD_TSO_ECN;
	switch (frame->gso_type & ~JF_GSO_ECN) {
	case JF_GSO_TCPV4:
		return bits | JF_OFFLOAD_TSO4;
	case JF_GSO_TCPV6:
		return bits | JF_OFFLOAD_TSO6;
	case JF_GSO_UDP:
		return bits | JF_OFFLOAD_UFO;
	case JF_GSO_UDP_L4:
		return bits | JF_OFFLOAD_USO;
	default:
		return bits;
	}
}

/*
 * One's complement addition may take words of any width and any byte order, as long as it is the
 * same for all (RFC 1071, 2): 32-bit halves in a 64-bit sum need no carry before 16 GiB.
 */
guint64
jf_csum_add(guint64 sum, gconstpointer data, gsize len)
{
	const guint8 *p = data;
	guint64 low = sum & G_MAXUINT32, high = sum >> 32, w[4];

	for (; len >= sizeof w; p += sizeof w, len -= sizeof w) {
		memcpy(w, p, sizeof w);
		low += (w[0] & G_MAXUINT32) + (w[1] & G_MAXUINT32) + (w[2] & G_MAXUINT32) +
		       (w[3] & G_MAXUINT32);
		high += (w[0] >> 32) + (w[1] >> 32) + (w[2] >> 32) + (w[3] >> 32);
	}
	while (len) {
		gsize n = MIN(len, sizeof w[0]);

		w[0] = 0;
		memcpy(w, p, n);
		low += w[0] & G_MAXUINT32;
		high += w[0] >> 32;
		p += n;
		len -= n;
	}
	return low + high;
}

guint16
jf_csum_fold(guint64 sum)
{
	sum = (sum & G_MAXUINT32) + (sum >> 32);
	sum = (sum & G_MAXUINT32) + (sum >> 32);
	sum = (sum & G_MAXUINT16) + (sum >> 16);
	sum = (sum & G_MAXUINT16) + (sum >> 16);
	return (guint16)sum;
}

guint64
jf_csum_frame(guint64 sum, const JfFrame *frame, guint32 offset, guint32 len)
{
	gboolean odd = FALSE;

	for (const struct iovec *piece = frame->iov; len; piece++) {
		const guint8 *p = piece->iov_base;
		guint32 n;

		if (offset >= piece->iov_len) {
			offset -= piece->iov_len;
			continue;
		}
		n = MIN(len, piece->iov_len - offset);
		/* From an odd offset on, bytes change sides: sum apart and swap (RFC 1071, 2B). */
		if (odd)
			sum += GUINT16_SWAP_LE_BE(jf_csum_fold(jf_csum_add(0, p + offset, n)));
		else
			sum = jf_csum_add(sum, p + offset, n);
		odd ^= n & 1;
		len -= n;
		offset = 0;
	}
	return sum;
}
