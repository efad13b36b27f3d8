/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-arp.c - address resolution for IPv4 (RFC 826). */
#include "nat-engine.h"

#define ARP_LEN 28u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u

static void
arp_send(NatEngine *engine, guint16 op, const guint8 *from_ip, const guint8 *to_mac,
	 const guint8 *to_ip)
{
	static const guint8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	guint8 b[NAT_ETH_LEN + ARP_LEN + 18] = { 0 }; /* the shortest Ethernet frame */
	struct iovec piece = { b, sizeof b };
	JfFrame frame = jf_frame_plain(&piece);
	guint8 *arp = b + NAT_ETH_LEN;

	memcpy(b, op == ARP_REQUEST ? broadcast : to_mac, 6);
	memcpy(b + 6, engine->config->mac, 6);
	jf_put_be16(b + 12, NAT_ETHERTYPE_ARP);
	jf_put_be16(arp, 1); /* Ethernet */
	jf_put_be16(arp + 2, NAT_ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	jf_put_be16(arp + 6, op);
	memcpy(arp + 8, engine->config->mac, 6);
	memcpy(arp + 14, from_ip, 4);
	if (op == ARP_REPLY)
		memcpy(arp + 18, to_mac, 6);
	memcpy(arp + 24, to_ip, 4);
	nat_output_send(engine, &frame);
}

void
nat_arp_ask(NatEngine *engine, const NatAddress *a)
{
	arp_send(engine, ARP_REQUEST, engine->config->gateway4.b + 12, NULL, a->b + 12);
}

void
nat_arp_input(NatEngine *engine, const JfFrame *frame)
{
	guint8 b[NAT_ETH_LEN + ARP_LEN];
	const guint8 *arp = b + NAT_ETH_LEN;
	NatAddress sender, target;

	if (!engine->config->ipv4)
		return;
	if (!jf_frame_copy(frame, 0, b, sizeof b) || jf_get_be16(arp) != 1 ||
	    jf_get_be16(arp + 2) != NAT_ETHERTYPE_IPV4 || arp[4] != 6 || arp[5] != 4) {
		jf_count(engine->count.malformed, 1);
		return;
	}
	sender = nat_address_v4(jf_get_be32(arp + 14));
	target = nat_address_v4(jf_get_be32(arp + 24));
	nat_neighbour_learn(engine, &sender, arp + 8);
	/* A guest that probes for an address of ours (RFC 5227) is answered, too. */
	if (jf_get_be16(arp + 6) == ARP_REQUEST && nat_is_own(engine, &target))
		arp_send(engine, ARP_REPLY, arp + 24, arp + 8, arp + 14);
}
