/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-ndp.c - neighbour discovery for IPv6 (RFC 4861). Router advertisements are a service. */
#include "nat-engine.h"

#define ROUTER_SOLICIT 133u
#define NEIGHBOUR_SOLICIT 135u
#define NEIGHBOUR_ADVERT 136u
#define OPTION_SOURCE 1u
#define OPTION_TARGET 2u
#define ADVERT_ROUTER 0x80000000u
#define ADVERT_SOLICITED 0x40000000u
#define ADVERT_OVERRIDE 0x20000000u
#define MESSAGE_MAX 240u

static const NatAddress all_nodes = { .b = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } };

void
nat_send_icmp6(NatEngine *engine, const guint8 *mac, const NatAddress *from, const NatAddress *to,
	       const guint8 *data, guint32 len)
{
	guint8 b[NAT_ETH_LEN + NAT_IPV6_LEN + 1240];
	guint8 group[6] = { 0x33, 0x33 };
	struct iovec piece = { b, 0 };
	JfFrame frame;
	guint32 at;
	guint16 sum;

	if (len < 4 || len > 1240)
		return;
	memcpy(group + 2, to->b + 12, 4); /* RFC 2464 7 */
	if (!mac)
		mac = nat_address_is_multicast(to) ? group : nat_neighbour_find(engine, to);
	if (!mac) {
		jf_count(engine->count.unresolved, 1);
		return;
	}
	at = nat_output_headers(engine, b, mac, from, to, IPPROTO_ICMPV6, 255, len);
	memcpy(b + at, data, len);
	memset(b + at + 2, 0, 2);
	sum = (guint16)~jf_csum_fold(
		jf_csum_add(nat_pseudo_sum(from, to, IPPROTO_ICMPV6, len), b + at, len));
	memcpy(b + at + 2, &sum, 2);
	piece.iov_len = at + len;
	frame = jf_frame_plain(&piece);
	nat_output_send(engine, &frame);
}

void
nat_ndp_ask(NatEngine *engine, const NatAddress *a)
{
	NatAddress group = { .b = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff } };
	guint8 m[32] = { NEIGHBOUR_SOLICIT };

	memcpy(group.b + 13, a->b + 13, 3); /* RFC 4291 2.7.1 */
	memcpy(m + 8, a->b, 16);
	m[24] = OPTION_SOURCE;
	m[25] = 1;
	memcpy(m + 26, engine->config->mac, 6);
	nat_send_icmp6(engine, NULL, &engine->config->link_local6, &group, m, sizeof m);
}

/* The link-layer address option of this type, NULL: none. FALSE: the options are malformed. */
static gboolean
find_option(const guint8 *m, guint32 len, guint32 at, guint8 type, const guint8 **mac)
{
	*mac = NULL;
	while (at < len) {
		guint32 size;

		if (len - at < 8)
			return FALSE;
		size = m[at + 1] * 8u;
		if (size == 0 || size > len - at)
			return FALSE;
		if (m[at] == type && !*mac)
			*mac = m + at + 2;
		at += size;
	}
	return TRUE;
}

static void
send_advert(NatEngine *engine, const NatPacket *p, const guint8 *mac, const NatAddress *target)
{
	gboolean nobody = p->src.q[0] == 0 && p->src.q[1] == 0;
	guint8 m[32] = { NEIGHBOUR_ADVERT };

	/* RFC 4861 7.2.4: the prober of an address hears it from everybody. */
	jf_put_be32(m + 4, ADVERT_ROUTER | ADVERT_OVERRIDE | (nobody ? 0 : ADVERT_SOLICITED));
	memcpy(m + 8, target->b, 16);
	m[24] = OPTION_TARGET;
	m[25] = 1;
	memcpy(m + 26, engine->config->mac, 6);
	nat_send_icmp6(engine, nobody ? NULL : mac, target, nobody ? &all_nodes : &p->src, m,
		       sizeof m);
}

static void
take_solicit(NatEngine *engine, const NatPacket *p, const guint8 *m, guint32 len)
{
	const guint8 *mac;
	NatAddress target;

	if (len < 24 || !find_option(m, len, 24, OPTION_SOURCE, &mac))
		return;
	memcpy(target.b, m + 8, 16);
	if (mac)
		nat_neighbour_learn(engine, &p->src, mac);
	if (nat_is_own(engine, &target))
		send_advert(engine, p, mac ? mac : p->head + 6, &target);
}

static void
take_advert(NatEngine *engine, const guint8 *m, guint32 len)
{
	const guint8 *mac;
	NatAddress target;

	if (len < 24 || !find_option(m, len, 24, OPTION_TARGET, &mac) || !mac)
		return;
	memcpy(target.b, m + 8, 16);
	nat_neighbour_learn(engine, &target, mac);
}

static void
take_router_solicit(NatEngine *engine, const NatPacket *p, const guint8 *m, guint32 len)
{
	const guint8 *mac;

	if (!find_option(m, len, 8, OPTION_SOURCE, &mac))
		return;
	if (mac)
		nat_neighbour_learn(engine, &p->src, mac);
	if (engine->solicit)
		engine->solicit(engine, &p->src, mac ? mac : p->head + 6, engine->solicit_data);
}

void
nat_ndp_input(NatEngine *engine, const NatPacket *p)
{
	guint8 m[MESSAGE_MAX];
	guint32 len = p->end - p->l4;

	/* RFC 4861 6.1.1, 7.1.1, 7.1.2: hop limit 255 says that it comes from this link. */
	if (p->ttl != 255 || len > sizeof m || !jf_frame_copy(p->frame, p->l4, m, len) || m[1] != 0)
		return;
	switch (m[0]) {
	case ROUTER_SOLICIT:
		take_router_solicit(engine, p, m, len);
		break;
	case NEIGHBOUR_SOLICIT:
		take_solicit(engine, p, m, len);
		break;
	case NEIGHBOUR_ADVERT:
		take_advert(engine, m, len);
		break;
	default:
		break;
	}
}
