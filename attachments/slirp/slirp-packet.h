/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-packet.h - where the headers of an IP packet in an Ethernet frame are. */
#ifndef NAT_PACKET_H
#define NAT_PACKET_H

#include <glib.h>

#define NAT_ETHERTYPE_IPV4 0x0800u
#define NAT_ETHERTYPE_ARP 0x0806u
#define NAT_ETHERTYPE_IPV6 0x86ddu

#define NAT_ETH_LEN 14u
#define NAT_IPV6_LEN 40u
#define NAT_TCP_LEN 20u
#define NAT_UDP_LEN 8u

#define NAT_IPPROTO_ICMP 1u
#define NAT_IPPROTO_TCP 6u
#define NAT_IPPROTO_UDP 17u
#define NAT_IPPROTO_FRAGMENT 44u /* IPv6 extension header */
#define NAT_IPPROTO_ICMPV6 58u

#define NAT_TCP_FLAG_SYN 0x02u

/* Offsets count from the start of the frame; end <= the frame's length. */
typedef struct NatPacket {
	const guint8 *data;
	guint32 l3;      /* IP header */
	guint32 l4;      /* what follows it */
	guint32 payload; /* what follows the TCP or UDP header; l4 of any other protocol */
	guint32 end;     /* end of the IP packet: padding after it is not part of it */
	guint8 version;  /* 4 or 6 */
	guint8 protocol; /* of what is at l4 */
	gboolean
		fragment; /* l4 of IPv4 is a header in the first one only; of IPv6, a fragment header */
} NatPacket;

/* FALSE: not a whole, well-formed IP packet of version 4 or 6. */
gboolean nat_packet_parse(NatPacket *packet, const guint8 *data, guint32 len);

/* A TCP packet's flags; l4 has been checked by parse. */
static inline guint8
nat_packet_tcp_flags(const NatPacket *packet)
{
	return packet->data[packet->l4 + 13];
}

/* Offset of the value of a TCP packet's MSS option, 0 where it has none. */
guint32 nat_packet_find_mss(const NatPacket *packet);

/* Sum of the pseudo-header of an upper-layer packet of `len` bytes (RFC 9293 3.1, RFC 8200 8.1). */
guint64 nat_packet_pseudo_sum(const NatPacket *packet, guint32 len);

/* Offset of the checksum field of TCP, UDP or ICMPv6, 0 for any other. */
guint32 nat_packet_csum_field(const NatPacket *packet);

/* Computes the transport checksum and stores it; `data` is packet->data, writable. */
void nat_packet_fill_csum(const NatPacket *packet, guint8 *data);

/* Computes the IPv4 header checksum of the header at `ip` and stores it. */
void nat_ipv4_fill_csum(guint8 *ip, guint32 len);

#endif
