/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-packet.c - a frame from the guest as an IP packet: headers copied, then checked. */
#include "nat-engine.h"

gboolean
nat_packet_parse(NatPacket *p, const JfFrame *frame)
{
	guint32 there;

	p->frame = frame;
	p->head_len = MIN(frame->len, NAT_HEAD_MAX);
	p->l3 = NAT_ETH_LEN;
	p->is_fragment = p->is_copy = FALSE;
	if (!jf_frame_copy(frame, 0, p->head, p->head_len))
		return FALSE;
	there = frame->len - NAT_ETH_LEN;
	switch (jf_get_be16(p->head + 12)) {
	case NAT_ETHERTYPE_IPV4:
		return nat_ip4_parse(p, there);
	case NAT_ETHERTYPE_IPV6:
		return nat_ip6_parse(p, there);
	default:
		return FALSE;
	}
}

gboolean
nat_packet_csum_ok(const NatPacket *p, guint32 field)
{
	guint64 sum;
	guint32 len = p->end - p->l4;

	if (!p->is_copy && (p->frame->flags & (JF_FRAME_NEEDS_CSUM | JF_FRAME_CSUM_VALID)))
		return TRUE;
	/* RFC 768: no checksum. RFC 8200 8.1: not so in IPv6. */
	if (p->protocol == IPPROTO_UDP && p->is_v4 && jf_get_be16(p->head + p->l4 + field) == 0)
		return TRUE;
	sum = p->protocol == IPPROTO_ICMP ? 0 : nat_pseudo_sum(&p->src, &p->dst, p->protocol, len);
	return jf_csum_fold(jf_csum_frame(sum, p->frame, p->l4, len)) == 0xffff;
}

guint
nat_packet_pieces(const NatPacket *p, guint32 offset, guint32 len, struct iovec *iov)
{
	const struct iovec *piece = p->frame->iov;
	guint n = 0;

	while (offset >= piece->iov_len && len)
		offset -= (guint32)(piece++)->iov_len;
	while (len) {
		guint32 part = (guint32)MIN(piece->iov_len - offset, len);

		if (part)
			iov[n++] = (struct iovec){ (guint8 *)piece->iov_base + offset, part };
		len -= part;
		offset = 0;
		piece++;
	}
	return n;
}
