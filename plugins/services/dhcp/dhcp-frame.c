/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-frame.c - Ethernet, ARP (RFC 826), IPv4 and UDP around DHCP messages. */
#include "dhcp.h"

#include <string.h>

#define ETHERNET_LEN 14u
#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u
#define ARP_LEN 28u
#define IPV4_LEN 20u
#define UDP_LEN 8u
#define PROTOCOL_UDP 17u
#define TTL 64u

/* Looks at the first bytes only: this runs for everything that is flooded on the network. */
gboolean
frame_is_wanted(const JfFrame *frame, guint32 address)
{
	guint8 head[ETHERNET_LEN + ARP_LEN];

	if (frame->len > FRAME_MAX || frame->gso_type != JF_GSO_NONE ||
	    !jf_frame_copy(frame, 0, head, sizeof head))
		return FALSE;
	if (jf_get_be16(head + 12) == TYPE_ARP)
		return jf_get_be32(head + ETHERNET_LEN + 24) == address;
	return jf_get_be16(head + 12) == TYPE_IPV4 && head[ETHERNET_LEN] >> 4 == 4 &&
	       head[ETHERNET_LEN + 9] == PROTOCOL_UDP;
}

static gboolean
udp_parse(Packet *packet, const guint8 *udp, gsize len, gboolean has_checksum)
{
	guint8 pseudo[12];
	gsize total;

	if (len < UDP_LEN || jf_get_be16(udp + 2) != JF_DHCP_SERVER_PORT)
		return FALSE;
	total = jf_get_be16(udp + 4);
	if (total < UDP_LEN || total > len)
		return FALSE;
	jf_put_be32(pseudo, packet->source);
	jf_put_be32(pseudo + 4, packet->destination);
	jf_put_be16(pseudo + 8, PROTOCOL_UDP);
	jf_put_be16(pseudo + 10, (guint16)total);
	if (has_checksum && jf_get_be16(udp + 6) &&
	    jf_csum_fold(jf_csum_add(jf_csum_add(0, pseudo, sizeof pseudo), udp, total)) != 0xffff)
		return FALSE;
	packet->data = udp + UDP_LEN;
	packet->len = total - UDP_LEN;
	return TRUE;
}

/* A message in fragments is left out: clients' messages are shorter than any link's MTU. */
gboolean
frame_parse(Packet *packet, const guint8 *frame, gsize len, gboolean has_checksum)
{
	const guint8 *ip = frame + ETHERNET_LEN;
	gsize header, total;

	if (len < ETHERNET_LEN + IPV4_LEN || jf_get_be16(frame + 12) != TYPE_IPV4 ||
	    ip[0] >> 4 != 4)
		return FALSE;
	header = (ip[0] & 15u) * 4u;
	total = jf_get_be16(ip + 2);
	if (header < IPV4_LEN || total < header || total > len - ETHERNET_LEN ||
	    jf_get_be16(ip + 6) & 0x3fff || ip[9] != PROTOCOL_UDP ||
	    jf_csum_fold(jf_csum_add(0, ip, header)) != 0xffff)
		return FALSE;
	memcpy(packet->source_mac, frame + 6, 6);
	packet->source = jf_get_be32(ip + 12);
	packet->destination = jf_get_be32(ip + 16);
	return udp_parse(packet, ip + header, total - header, has_checksum);
}

gboolean
frame_answer_arp(guint8 *reply, const guint8 *frame, gsize len, guint32 address, const guint8 *mac)
{
	static const guint8 head[] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	const guint8 *arp = frame + ETHERNET_LEN;

	if (len < ETHERNET_LEN + ARP_LEN || jf_get_be16(frame + 12) != TYPE_ARP ||
	    memcmp(arp, head, sizeof head) != 0 || jf_get_be32(arp + 24) != address)
		return FALSE;
	memset(reply, 0, ARP_FRAME_LEN);
	memcpy(reply, frame + 6, 6);
	memcpy(reply + 6, mac, 6);
	jf_put_be16(reply + 12, TYPE_ARP);
	memcpy(reply + ETHERNET_LEN, head, sizeof head);
	reply[ETHERNET_LEN + 7] = 2;
	memcpy(reply + ETHERNET_LEN + 8, mac, 6);
	jf_put_be32(reply + ETHERNET_LEN + 14, address);
	memcpy(reply + ETHERNET_LEN + 18, arp + 8, 10);
	return TRUE;
}

void
frame_build_arp(guint8 *frame, guint32 address, const guint8 *mac, guint32 wanted)
{
	static const guint8 head[] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	guint8 *arp = frame + ETHERNET_LEN;

	memset(frame, 0, ARP_FRAME_LEN);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	jf_put_be16(frame + 12, TYPE_ARP);
	memcpy(arp, head, sizeof head);
	memcpy(arp + 8, mac, 6);
	jf_put_be32(arp + 14, address);
	jf_put_be32(arp + 24, wanted);
}

gboolean
frame_parse_arp_reply(const guint8 *frame, gsize len, guint32 *address, guint8 mac[6])
{
	static const guint8 head[] = { 0, 1, 8, 0, 6, 4, 0, 2 };
	const guint8 *arp = frame + ETHERNET_LEN;

	if (len < ETHERNET_LEN + ARP_LEN || jf_get_be16(frame + 12) != TYPE_ARP ||
	    memcmp(arp, head, sizeof head) != 0)
		return FALSE;
	memcpy(mac, arp + 8, 6);
	*address = jf_get_be32(arp + 14);
	return TRUE;
}

static void
ip_build(guint8 *ip, gsize len, guint32 source, guint32 destination, guint16 id)
{
	guint16 sum;

	memset(ip, 0, IPV4_LEN);
	ip[0] = 0x45;
	jf_put_be16(ip + 2, (guint16)(IPV4_LEN + len));
	jf_put_be16(ip + 4, id);
	ip[8] = TTL;
	ip[9] = PROTOCOL_UDP;
	jf_put_be32(ip + 12, source);
	jf_put_be32(ip + 16, destination);
	sum = (guint16)~jf_csum_fold(jf_csum_add(0, ip, IPV4_LEN));
	memcpy(ip + 10, &sum, sizeof sum);
}

static void
udp_build(guint8 *udp, gsize len, const guint8 *addresses, guint16 port)
{
	guint8 tail[4];
	guint16 sum;

	jf_put_be16(udp, JF_DHCP_SERVER_PORT);
	jf_put_be16(udp + 2, port);
	jf_put_be16(udp + 4, (guint16)len);
	jf_put_be16(udp + 6, 0);
	jf_put_be16(tail, PROTOCOL_UDP);
	jf_put_be16(tail + 2, (guint16)len);
	sum = (guint16)~jf_csum_fold(jf_csum_add(
		jf_csum_add(jf_csum_add(0, addresses, 8), tail, sizeof tail), udp, len));
	if (sum == 0)
		sum = 0xffff;
	memcpy(udp + 6, &sum, sizeof sum);
}

gsize
frame_build(guint8 *frame, gsize len, const Route *to, const guint8 *mac, guint32 address,
	    guint16 id)
{
	guint8 *ip = frame + ETHERNET_LEN;

	memcpy(frame, to->mac, 6);
	memcpy(frame + 6, mac, 6);
	jf_put_be16(frame + 12, TYPE_IPV4);
	ip_build(ip, UDP_LEN + len, address, to->address, id);
	udp_build(ip + IPV4_LEN, UDP_LEN + len, ip + 12, to->port);
	return FRAME_HEADERS + len;
}
