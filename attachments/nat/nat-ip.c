/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-ip.c - a packet from the guest: may it pass, and to which protocol. */
#include "nat-tcp.h"

gboolean
nat_is_own(const NatEngine *engine, const NatAddress *a)
{
	const NatConfig *c = engine->config;

	if (nat_address_equal(a, &c->gateway4) || nat_address_equal(a, &c->name_server4))
		return TRUE;
	if (c->ipv6 &&
	    (nat_address_equal(a, &c->gateway6) || nat_address_equal(a, &c->name_server6) ||
	     nat_address_equal(a, &c->link_local6)))
		return TRUE;
	for (guint i = 0; i < c->n_loopbacks; i++) {
		if (nat_address_equal(a, &c->loopbacks[i].guest))
			return TRUE;
	}
	return FALSE;
}

gboolean
nat_is_broadcast(const NatEngine *engine, const NatAddress *a)
{
	guint32 v4 = nat_address_get_v4(a);

	return nat_address_is_v4(a) &&
	       (v4 == G_MAXUINT32 || v4 == (engine->config->network | ~engine->config->netmask));
}

static gboolean
in_network(const NatEngine *engine, const NatAddress *a)
{
	const NatConfig *c = engine->config;

	if (nat_address_is_v4(a))
		return (nat_address_get_v4(a) & c->netmask) == c->network;
	return c->ipv6 && memcmp(a->b, c->prefix6, sizeof c->prefix6) == 0;
}

gboolean
nat_is_guest(const NatEngine *engine, const NatAddress *a)
{
	if (nat_address_is_v4(a))
		return in_network(engine, a) && !nat_is_broadcast(engine, a) &&
		       nat_address_get_v4(a) != engine->config->network && !nat_is_own(engine, a);
	return engine->config->ipv6 && (in_network(engine, a) || nat_address_is_link_local(a)) &&
	       !nat_is_own(engine, a);
}

/* 0.0.0.0/8, 240.0.0.0/4 and :: are nobody's; the host's kernel takes the first for itself. */
static gboolean
is_nobody(const NatAddress *a)
{
	if (nat_address_is_v4(a))
		return a->b[12] == 0 || a->b[12] >= 240;
	return a->q[0] == 0 && a->q[1] == 0;
}

gboolean
nat_map_out(const NatEngine *engine, const NatAddress *guest_view, NatAddress *host)
{
	const NatConfig *c = engine->config;

	for (guint i = 0; i < c->n_loopbacks; i++) {
		if (nat_address_equal(guest_view, &c->loopbacks[i].guest)) {
			*host = c->loopbacks[i].host;
			return !c->restricted;
		}
	}
	*host = *guest_view;
	return !c->restricted && !in_network(engine, guest_view) && !is_nobody(guest_view) &&
	       !nat_address_is_loopback(guest_view) && !nat_address_is_multicast(guest_view) &&
	       !nat_address_is_link_local(guest_view) && !nat_is_own(engine, guest_view);
}

NatAddress
nat_map_in(const NatEngine *engine, const NatAddress *host)
{
	const NatConfig *c = engine->config;
	gboolean v4 = nat_address_is_v4(host);

	for (guint i = 0; i < c->n_loopbacks; i++) {
		if (nat_address_equal(host, &c->loopbacks[i].host))
			return c->loopbacks[i].guest;
	}
	/* Addresses that would not lead back: the guest would look for them elsewhere. */
	if (nat_address_is_loopback(host) || in_network(engine, host) ||
	    nat_address_is_link_local(host) || is_nobody(host))
		return v4 ? c->gateway4 : c->gateway6;
	return *host;
}

static gboolean
check_transport(NatEngine *engine, const NatPacket *p, guint32 header_len, guint32 field)
{
	if (p->end - p->l4 < header_len || p->head_len - p->l4 < header_len) {
		jf_count(engine->count.malformed, 1);
		return FALSE;
	}
	if (!nat_packet_csum_ok(p, field)) {
		jf_count(engine->count.bad_csum, 1);
		return FALSE;
	}
	return TRUE;
}

void
nat_ip_dispatch(NatEngine *engine, const NatPacket *p)
{
	switch (p->protocol) {
	case IPPROTO_TCP:
		if (check_transport(engine, p, NAT_TCP_LEN, 16))
			nat_tcp_input(engine, p);
		break;
	case IPPROTO_UDP:
		if (check_transport(engine, p, NAT_UDP_LEN, 6))
			nat_udp_input(engine, p);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((p->protocol == IPPROTO_ICMP) == p->is_v4 && check_transport(engine, p, 8, 2))
			nat_icmp_input(engine, p);
		break;
	default:
		jf_count(engine->count.other_protocol, 1);
	}
}

/* Router solicitations, duplicate address detection and DHCP come from nowhere. */
static gboolean
may_have_source(NatEngine *engine, const NatPacket *p)
{
	static const NatAddress any6;
	NatAddress any4 = nat_address_v4(0);

	return nat_is_guest(engine, &p->src) ||
	       (p->protocol == IPPROTO_UDP && nat_address_equal(&p->src, &any4)) ||
	       (p->protocol == IPPROTO_ICMPV6 && nat_address_equal(&p->src, &any6));
}

static gboolean
is_for_us(const NatEngine *engine, const NatPacket *p)
{
	return nat_is_own(engine, &p->dst) || nat_address_is_multicast(&p->dst) ||
	       nat_is_broadcast(engine, &p->dst);
}

void
nat_ip_input(NatEngine *engine, const JfFrame *frame)
{
	NatPacket p;

	if (!nat_packet_parse(&p, frame)) {
		jf_count(engine->count.malformed, 1);
		return;
	}
	if (p.is_v4 ? !engine->config->ipv4 : !engine->config->ipv6) {
		jf_count(engine->count.other_protocol, 1);
		return;
	}
	if (!may_have_source(engine, &p)) {
		jf_count(engine->count.foreign_source, 1);
		return;
	}
	if (p.ttl <= 1 && !is_for_us(engine, &p) && !p.is_fragment) {
		nat_icmp_error(engine, &p, NAT_UNREACH_TTL, 0);
		return;
	}
	if (p.is_fragment)
		nat_fragment_input(engine, &p);
	else
		nat_ip_dispatch(engine, &p);
}
