/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-ip6.c - the IPv6 header of a packet from the guest and what may be between it and the transport
 * header (RFC 8200 4): hop-by-hop and destination options and a used-up routing header are passed
 * over, a fragment header ends the walk.
 */
#include "nat-engine.h"

#define EXTENSIONS_MAX 8u

/* One extension header at p->l4; FALSE: it is none that may be passed over. */
static gboolean
pass_extension(NatPacket *p)
{
	const guint8 *ext = p->head + p->l4;
	guint32 len;

	if (p->head_len - p->l4 < 8 || p->end - p->l4 < 8)
		return FALSE;
	len = (ext[1] + 1u) * 8u;
	/* RFC 8200 4.4: with segments left it is for somebody else. */
	if (len > p->head_len - p->l4 || len > p->end - p->l4 ||
	    (p->protocol == IPPROTO_ROUTING && ext[3] != 0))
		return FALSE;
	p->fragment_next_at = p->l4;
	p->protocol = ext[0];
	p->l4 += len;
	return TRUE;
}

static gboolean
parse_fragment(NatPacket *p)
{
	const guint8 *ext = p->head + p->l4;
	guint16 field;

	if (p->head_len - p->l4 < 8 || p->end - p->l4 < 8)
		return FALSE;
	field = jf_get_be16(ext + 2);
	p->protocol = ext[0];
	p->fragment_offset = field & 0xfff8u;
	p->more_fragments = (field & 1) != 0;
	p->fragment_id = jf_get_be32(ext + 4);
	p->l4 += 8;
	/* RFC 6946: a datagram in one fragment is not put together with anything. */
	p->is_fragment = p->fragment_offset != 0 || p->more_fragments;
	return TRUE;
}

gboolean
nat_ip6_parse(NatPacket *p, guint32 there)
{
	const guint8 *ip = p->head + p->l3;
	guint32 len;

	if (p->head_len < p->l3 + NAT_IPV6_LEN || ip[0] >> 4 != 6)
		return FALSE;
	len = jf_get_be16(ip + 4);
	if (len == 0 && p->frame->gso_type != JF_GSO_NONE)
		len = there - NAT_IPV6_LEN;
	if (len > there - NAT_IPV6_LEN)
		return FALSE;
	p->is_v4 = FALSE;
	p->dont_fragment = TRUE;
	p->l4 = p->l3 + NAT_IPV6_LEN;
	p->end = p->l4 + len;
	p->protocol = ip[6];
	p->fragment_next_at = p->l3 + 6;
	p->ttl = ip[7];
	p->tos = (guint8)(jf_get_be16(ip) >> 4);
	memcpy(p->src.b, ip + 8, 16);
	memcpy(p->dst.b, ip + 24, 16);
	/* An IPv4-mapped address would be taken for an IPv4 address. */
	if (nat_address_is_v4(&p->src) || nat_address_is_v4(&p->dst))
		return FALSE;
	for (guint i = 0; i < EXTENSIONS_MAX; i++) {
		if (p->protocol == IPPROTO_FRAGMENT)
			return parse_fragment(p);
		if (p->protocol != IPPROTO_HOPOPTS && p->protocol != IPPROTO_DSTOPTS &&
		    p->protocol != IPPROTO_ROUTING)
			return TRUE;
		if (!pass_extension(p))
			return FALSE;
	}
	return FALSE;
}
