/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp-dhcp.c - what libslirp does not tell the guest by DHCP and router advertisements.
 *
 * libslirp works in packets of 64 KiB here and knows nothing of the guest's MTU, so an MTU other
 * than Ethernet's own is added to its messages on their way: DHCP option 26 (RFC 2132 5.1) and the
 * MTU option of a router advertisement (RFC 4861 4.6.4). The boot server goes into siaddr and
 * option 66 (RFC 2131 2, RFC 2132 9.4).
 */
#include "slirp-nat.h"

#include <arpa/inet.h>

#define DHCP_SERVER_PORT 67u
#define DHCP_CLIENT_PORT 68u
#define DHCP_SIADDR 20u
#define DHCP_COOKIE 236u
#define DHCP_OPTIONS 240u
#define DHCP_MAGIC 0x63825363u

#define DHCP_OPTION_PAD 0u
#define DHCP_OPTION_MTU 26u
#define DHCP_OPTION_TFTP_SERVER 66u
#define DHCP_OPTION_END 255u

#define ICMPV6_RA 134u
#define NDP_OPTION_MTU 5u
#define NDP_OPTION_MTU_LEN 8u

/* Offset of the END option between `at` and `end`, 0: none. */
static guint32
find_option_end(const guint8 *data, guint32 at, guint32 end)
{
	while (at < end && data[at] != DHCP_OPTION_END) {
		if (data[at] == DHCP_OPTION_PAD) {
			at++;
			continue;
		}
		if (end - at < 2 || data[at + 1] > end - at - 2)
			return 0;
		at += 2u + data[at + 1];
	}
	return at < end ? at : 0;
}

static guint32
put_option(guint8 *data, guint32 at, guint32 end, guint8 code, gconstpointer value, guint8 len)
{
	if (end - at < len + 3u)
		return at;
	data[at] = code;
	data[at + 1] = len;
	memcpy(data + at + 2, value, len);
	data[at + 2 + len] = DHCP_OPTION_END;
	return at + 2 + len;
}

static void
put_boot_server(const NatConfig *config, guint8 *data, guint32 message, guint32 *at, guint32 end)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr server = { .s_addr = g_htonl(config->card.next_server) };

	memcpy(data + message + DHCP_SIADDR, &server, sizeof server);
	inet_ntop(AF_INET, &server, text, sizeof text);
	*at = put_option(data, *at, end, DHCP_OPTION_TFTP_SERVER, text, (guint8)strlen(text));
}

guint32
nat_dhcp_edit(const NatConfig *config, guint8 *data, guint32 len)
{
	NatPacket packet;
	guint32 message, at;
	guint8 mtu[2];

	if (!nat_packet_parse(&packet, data, len) || packet.version != 4 || packet.fragment ||
	    packet.protocol != NAT_IPPROTO_UDP ||
	    jf_get_be16(data + packet.l4) != DHCP_SERVER_PORT ||
	    jf_get_be16(data + packet.l4 + 2) != DHCP_CLIENT_PORT)
		return len;
	message = packet.payload;
	if (packet.end - message < DHCP_OPTIONS ||
	    jf_get_be32(data + message + DHCP_COOKIE) != DHCP_MAGIC)
		return len;
	at = find_option_end(data, message + DHCP_OPTIONS, packet.end);
	if (!at)
		return len;
	if (config->card.next_server)
		put_boot_server(config, data, message, &at, packet.end);
	if (config->card.mtu != NAT_MTU_DEFAULT) {
		jf_put_be16(mtu, config->card.mtu);
		put_option(data, at, packet.end, DHCP_OPTION_MTU, mtu, sizeof mtu);
	}
	nat_packet_fill_csum(&packet, data);
	return len;
}

guint32
nat_ra_edit(const NatConfig *config, guint8 *data, guint32 len, guint32 room)
{
	NatPacket packet;
	guint8 *option;

	if (config->card.mtu == NAT_MTU_DEFAULT || !nat_packet_parse(&packet, data, len) ||
	    packet.protocol != NAT_IPPROTO_ICMPV6 || packet.version != 6 ||
	    data[packet.l4] != ICMPV6_RA || room - packet.end < NDP_OPTION_MTU_LEN)
		return len;
	option = data + packet.end;
	memset(option, 0, NDP_OPTION_MTU_LEN);
	option[0] = NDP_OPTION_MTU;
	option[1] = NDP_OPTION_MTU_LEN / 8u;
	jf_put_be32(option + 4, config->card.mtu);
	packet.end += NDP_OPTION_MTU_LEN;
	jf_put_be16(data + packet.l3 + 4, (guint16)(packet.end - packet.l4));
	nat_packet_fill_csum(&packet, data);
	return packet.end;
}
