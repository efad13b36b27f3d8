/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-ip4.c - the IPv4 header of a packet from the guest (RFC 791 3.1). */
#include "nat-engine.h"

#define MORE_FRAGMENTS 0x2000u
#define DONT_FRAGMENT 0x4000u
#define OFFSET_BITS 0x1fffu

gboolean
nat_ip4_parse(NatPacket *p, guint32 there)
{
	const guint8 *ip = p->head + p->l3;
	guint32 header_len, total, field;

	if (p->head_len < p->l3 + NAT_IPV4_LEN || ip[0] >> 4 != 4)
		return FALSE;
	header_len = (ip[0] & 0x0fu) * 4u;
	total = jf_get_be16(ip + 2);
	/* Senders with segmentation in hardware may leave the length of a large frame out. */
	if (total == 0 && p->frame->gso_type != JF_GSO_NONE)
		total = there;
	if (header_len < NAT_IPV4_LEN || header_len > total || total > there ||
	    header_len > p->head_len - p->l3)
		return FALSE;
	if (!(p->frame->flags & (JF_FRAME_NEEDS_CSUM | JF_FRAME_CSUM_VALID)) &&
	    jf_csum_fold(jf_csum_add(0, ip, header_len)) != 0xffff)
		return FALSE;
	field = jf_get_be16(ip + 6);
	p->is_v4 = TRUE;
	p->l4 = p->l3 + header_len;
	p->end = p->l3 + total;
	p->protocol = ip[9];
	p->ttl = ip[8];
	p->tos = ip[1];
	p->src = nat_address_v4(jf_get_be32(ip + 12));
	p->dst = nat_address_v4(jf_get_be32(ip + 16));
	p->dont_fragment = (field & DONT_FRAGMENT) != 0;
	p->is_fragment = (field & (MORE_FRAGMENTS | OFFSET_BITS)) != 0;
	p->more_fragments = (field & MORE_FRAGMENTS) != 0;
	p->fragment_offset = (field & OFFSET_BITS) * 8u;
	p->fragment_id = jf_get_be16(ip + 4);
	return TRUE;
}
