/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-address.c - addresses of both families in one form. */
#include <arpa/inet.h>

#include "nat.h"

void
nat_address_format(const NatAddress *a, char text[NAT_ADDRESS_TEXT_MAX])
{
	if (nat_address_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, text, NAT_ADDRESS_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->b, text, NAT_ADDRESS_TEXT_MAX);
}

gboolean
nat_address_parse(const char *text, NatAddress *a)
{
	guint32 v4;
	NatAddress v6;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*a = nat_address_v4(g_ntohl(v4));
		return TRUE;
	}
	/* An IPv4-mapped address would be an IPv4 address in disguise. */
	if (inet_pton(AF_INET6, text, v6.b) != 1 || nat_address_is_v4(&v6))
		return FALSE;
	*a = v6;
	return TRUE;
}

socklen_t
nat_address_to_socket(const NatAddress *a, guint16 port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	if (nat_address_is_v4(a)) {
		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = g_htons(port) };
		memcpy(&in->sin_addr, a->b + 12, 4);
		return sizeof *in;
	}
	*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = g_htons(port) };
	memcpy(&in6->sin6_addr, a->b, 16);
	return sizeof *in6;
}

gboolean
nat_address_from_socket(const struct sockaddr_storage *in, NatAddress *a, guint16 *port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)in;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)in;

	if (in->ss_family == AF_INET) {
		*a = nat_address_v4(g_ntohl(v4->sin_addr.s_addr));
		*port = g_ntohs(v4->sin_port);
		return TRUE;
	}
	if (in->ss_family != AF_INET6)
		return FALSE;
	memcpy(a->b, &v6->sin6_addr, 16);
	*port = g_ntohs(v6->sin6_port);
	return TRUE;
}

gboolean
nat_address_is_loopback(const NatAddress *a)
{
	if (nat_address_is_v4(a))
		return a->b[12] == 127;
	return a->q[0] == 0 && a->q[1] == GUINT64_TO_BE(G_GUINT64_CONSTANT(1));
}

gboolean
nat_address_is_multicast(const NatAddress *a)
{
	return nat_address_is_v4(a) ? a->b[12] >> 4 == 14 : a->b[0] == 0xff;
}

gboolean
nat_address_is_link_local(const NatAddress *a)
{
	if (nat_address_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && a->b[1] >> 6 == 2;
}
