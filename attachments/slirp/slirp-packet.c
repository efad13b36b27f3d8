/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-packet.c - finds the headers of an IP packet; checksums (RFC 791, 8200, 9293, 768). */
#include "slirp-packet.h"

#include <jackfield/util.h>

#define IPV4_MIN_LEN 20u
#define IPV4_FRAGMENT_BITS 0x3fffu /* more fragments, and the offset */
#define ICMP_MIN_LEN 8u

#define TCP_OPTION_END 0u
#define TCP_OPTION_NOP 1u
#define TCP_OPTION_MSS 2u

static gboolean
parse_ipv4(NatPacket *packet, guint32 left)
{
	const guint8 *ip = packet->data + packet->l3;
	guint32 header_len = (ip[0] & 0x0fu) * 4u;
	guint32 total = jf_get_be16(ip + 2);

	if (left < IPV4_MIN_LEN || header_len < IPV4_MIN_LEN || header_len > total || total > left)
		return FALSE;
	packet->l4 = packet->l3 + header_len;
	packet->end = packet->l3 + total;
	packet->protocol = ip[9];
	packet->fragment = (jf_get_be16(ip + 6) & IPV4_FRAGMENT_BITS) != 0;
	return TRUE;
}

static gboolean
parse_ipv6(NatPacket *packet, guint32 left)
{
	const guint8 *ip = packet->data + packet->l3;

	if (left < NAT_IPV6_LEN || jf_get_be16(ip + 4) > left - NAT_IPV6_LEN)
		return FALSE;
	packet->l4 = packet->l3 + NAT_IPV6_LEN;
	packet->end = packet->l4 + jf_get_be16(ip + 4);
	packet->protocol = ip[6];
	packet->fragment = packet->protocol == NAT_IPPROTO_FRAGMENT;
	return TRUE;
}

static gboolean
parse_tcp(NatPacket *packet)
{
	guint32 len = packet->end - packet->l4;
	guint32 header_len;

	if (len < NAT_TCP_LEN)
		return FALSE;
	header_len = (packet->data[packet->l4 + 12] >> 4) * 4u;
	packet->payload = packet->l4 + header_len;
	return header_len >= NAT_TCP_LEN && header_len <= len;
}

static gboolean
parse_transport(NatPacket *packet)
{
	guint32 len = packet->end - packet->l4;

	packet->payload = packet->l4;
	if (packet->fragment)
		return TRUE;
	switch (packet->protocol) {
	case NAT_IPPROTO_TCP:
		return parse_tcp(packet);
	case NAT_IPPROTO_UDP:
		packet->payload = packet->l4 + NAT_UDP_LEN;
		return len >= NAT_UDP_LEN && jf_get_be16(packet->data + packet->l4 + 4) <= len;
	case NAT_IPPROTO_ICMP:
	case NAT_IPPROTO_ICMPV6:
		return len >= ICMP_MIN_LEN;
	default:
		return TRUE;
	}
}

gboolean
nat_packet_parse(NatPacket *packet, const guint8 *data, guint32 len)
{
	guint32 left;
	gboolean ok;

	if (len < NAT_ETH_LEN + IPV4_MIN_LEN)
		return FALSE;
	left = len - NAT_ETH_LEN;
	packet->data = data;
	packet->l3 = NAT_ETH_LEN;
	packet->version = data[NAT_ETH_LEN] >> 4;
	switch (jf_get_be16(data + 12)) {
	case NAT_ETHERTYPE_IPV4:
		ok = packet->version == 4 && parse_ipv4(packet, left);
		break;
	case NAT_ETHERTYPE_IPV6:
		ok = packet->version == 6 && parse_ipv6(packet, left);
		break;
	default:
		ok = FALSE;
	}
	return ok && parse_transport(packet);
}

guint32
nat_packet_find_mss(const NatPacket *packet)
{
	guint32 at = packet->l4 + NAT_TCP_LEN;

	while (at < packet->payload && packet->data[at] != TCP_OPTION_END) {
		guint32 len;

		if (packet->data[at] == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (packet->payload - at < 2)
			return 0;
		len = packet->data[at + 1];
		if (len < 2 || len > packet->payload - at)
			return 0;
		if (packet->data[at] == TCP_OPTION_MSS && len == 4)
			return at + 2;
		at += len;
	}
	return 0;
}

guint64
nat_packet_pseudo_sum(const NatPacket *packet, guint32 len)
{
	const guint8 *ip = packet->data + packet->l3;
	guint8 tail[8] = { 0 };
	guint64 sum;

	if (packet->version == 4)
		sum = jf_csum_add(0, ip + 12, 8);
	else
		sum = jf_csum_add(0, ip + 8, 32);
	jf_put_be32(tail, len);
	tail[7] = packet->protocol;
	return jf_csum_add(sum, tail, sizeof tail);
}

guint32
nat_packet_csum_field(const NatPacket *packet)
{
	switch (packet->protocol) {
	case NAT_IPPROTO_TCP:
		return packet->l4 + 16;
	case NAT_IPPROTO_UDP:
		return packet->l4 + 6;
	case NAT_IPPROTO_ICMPV6:
		return packet->l4 + 2;
	default:
		return 0;
	}
}

void
nat_packet_fill_csum(const NatPacket *packet, guint8 *data)
{
	guint32 field = nat_packet_csum_field(packet);
	guint32 len = packet->end - packet->l4;
	guint16 sum;

	if (!field)
		return;
	memset(data + field, 0, 2);
	sum = ~jf_csum_fold(
		jf_csum_add(nat_packet_pseudo_sum(packet, len), data + packet->l4, len));
	/* RFC 768: a UDP checksum of zero says that there is none. */
	if (sum == 0 && packet->protocol == NAT_IPPROTO_UDP)
		sum = 0xffff;
	memcpy(data + field, &sum, sizeof sum);
}

void
nat_ipv4_fill_csum(guint8 *ip, guint32 len)
{
	guint16 sum;

	memset(ip + 10, 0, 2);
	sum = ~jf_csum_fold(jf_csum_add(0, ip, len));
	memcpy(ip + 10, &sum, sizeof sum);
}
