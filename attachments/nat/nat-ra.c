/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-ra.c - router advertisements (RFC 4861 6.2, RFC 8106): the prefix, name servers, search list
 * and MTU of the guests' IPv6 network.
 *
 * A solicitation is answered at once, to the guest alone, or to all where it has no address yet;
 * those to all are at least three seconds apart. Besides, guests are told every now and then, soon
 * after the start, and when the host's resolvers change.
 */
#include "nat-services.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
/* RFC 4861 6.2.1 and 10. */
#define MAX_INTERVAL (600 * SECOND)
#define INITIAL_INTERVAL (16 * SECOND)
#define INITIAL_COUNT 3u
#define MIN_DELAY_BETWEEN (3 * SECOND)
#define ROUTER_LIFETIME 1800u
#define VALID_LIFETIME 2592000u
#define PREFERRED_LIFETIME 604800u
#define DNS_LIFETIME 1800u /* three times the interval (RFC 8106 5.1) */

#define TYPE_ADVERTISEMENT 134u
#define HOP_LIMIT 64u
#define FLAG_OTHER 0x40u /* more by DHCPv6 */
#define OPT_SOURCE 1u
#define OPT_PREFIX 3u
#define OPT_MTU 5u
#define OPT_RDNSS 25u
#define OPT_DNSSL 31u
#define PREFIX_ON_LINK 0x80u
#define PREFIX_AUTONOMOUS 0x40u
#define ADVERTISEMENT_MAX 1232u

typedef struct Ra {
	NatEngine *engine;
	JfTimer *timer;
	guint initial; /* advertisements of the beginning that are still to come */
	guint64 last;  /* to all; 0: none yet */
	guint64 next;
} Ra;

typedef struct Advertisement {
	guint8 data[ADVERTISEMENT_MAX];
	guint32 len;
} Advertisement;

/* `len` bytes, whole units of 8. */
static guint8 *
option_add(Advertisement *adv, guint8 type, gsize len)
{
	guint8 *option = adv->data + adv->len;

	memset(option, 0, len);
	option[0] = type;
	option[1] = (guint8)(len / 8);
	adv->len += (guint32)len;
	return option;
}

static void
add_prefix(Advertisement *adv, const NatConfig *config)
{
	guint8 *option = option_add(adv, OPT_PREFIX, 32);

	option[2] = 64;
	option[3] = PREFIX_ON_LINK | PREFIX_AUTONOMOUS;
	jf_put_be32(option + 4, VALID_LIFETIME);
	jf_put_be32(option + 8, PREFERRED_LIFETIME);
	memcpy(option + 16, config->prefix6, 8);
}

static void
add_dns(Advertisement *adv, NatEngine *engine)
{
	NatAddress list[NAT_RESOLVERS_MAX];
	guint8 domains[512], *option;
	gsize len;
	guint n;

	nat_resolv_list(engine, TRUE, list, &n);
	option = option_add(adv, OPT_RDNSS, 8 + n * sizeof *list);
	jf_put_be32(option + 4, DNS_LIFETIME);
	memcpy(option + 8, list, n * sizeof *list);
	len = nat_resolv_put_domains(engine, domains, sizeof domains);
	if (!len)
		return;
	option = option_add(adv, OPT_DNSSL, 8 + (len + 7) / 8 * 8);
	jf_put_be32(option + 4, DNS_LIFETIME);
	memcpy(option + 8, domains, len);
}

static void
adv_fill(Advertisement *adv, NatEngine *engine)
{
	const NatConfig *config = nat_engine_get_config(engine);

	memset(adv->data, 0, 16);
	adv->data[0] = TYPE_ADVERTISEMENT;
	adv->data[4] = HOP_LIMIT;
	adv->data[5] = config->dhcp ? FLAG_OTHER : 0;
	jf_put_be16(adv->data + 6, config->ipv6_default ? ROUTER_LIFETIME : 0);
	adv->len = 16;
	memcpy(option_add(adv, OPT_SOURCE, 8) + 2, config->mac, 6);
	jf_put_be32(option_add(adv, OPT_MTU, 8) + 4, config->mtu);
	add_prefix(adv, config);
	add_dns(adv, engine);
}

static void
ra_send(Ra *ra, const guint8 *mac, const NatAddress *to)
{
	static const NatAddress all_nodes = { .b = { 0xff, 2, [15] = 1 } };
	Advertisement adv;

	adv_fill(&adv, ra->engine);
	nat_send_icmp6(ra->engine, to ? mac : NULL, &nat_engine_get_config(ra->engine)->link_local6,
		       to ? to : &all_nodes, adv.data, adv.len);
}

static guint64
ra_now(const Ra *ra)
{
	JfInstance *inst = nat_engine_get_instance(ra->engine);

	return inst->host->now(inst, JF_CLOCK_MONOTONIC);
}

static void
ra_plan(Ra *ra, guint64 when)
{
	ra->next = when;
	nat_engine_get_instance(ra->engine)->host->timer_arm(ra->timer, when);
}

/* To all, as soon as may be. */
static void
ra_hurry(Ra *ra)
{
	guint64 now = ra_now(ra), when = ra->last ? MAX(now, ra->last + MIN_DELAY_BETWEEN) : now;

	if (when < ra->next)
		ra_plan(ra, when);
}

static void
ra_due(JfInstance *inst, gpointer data)
{
	Ra *ra = data;

	(void)inst;
	ra->last = ra_now(ra);
	if (ra->initial)
		ra->initial--;
	ra_plan(ra, ra->last + (ra->initial ? INITIAL_INTERVAL : MAX_INTERVAL));
	ra_send(ra, NULL, NULL);
}

static void
ra_solicited(NatEngine *engine, const NatAddress *from, const guint8 mac[6], gpointer data)
{
	static const NatAddress any;

	(void)engine;
	if (nat_address_equal(from, &any))
		ra_hurry(data);
	else
		ra_send(data, mac, from);
}

static void
ra_resolvers_changed(NatEngine *engine, gpointer data)
{
	(void)engine;
	ra_hurry(data);
}

static gboolean
ra_start(NatEngine *engine, gpointer *state, GError **error)
{
	JfInstance *inst = nat_engine_get_instance(engine);
	Ra *ra;

	(void)error;
	if (!nat_engine_get_config(engine)->ipv6)
		return TRUE;
	ra = g_new0(Ra, 1);
	ra->engine = engine;
	ra->initial = INITIAL_COUNT;
	ra->timer = inst->host->timer_add(inst, ra_due, ra);
	nat_engine_set_solicit(engine, ra_solicited, ra);
	nat_resolv_listen(engine, ra_resolvers_changed, ra);
	ra_plan(ra, ra_now(ra));
	*state = ra;
	return TRUE;
}

static void
ra_stop(NatEngine *engine, gpointer state)
{
	Ra *ra = state;

	nat_engine_set_solicit(engine, NULL, NULL);
	nat_resolv_listen(engine, NULL, ra);
	nat_engine_get_instance(engine)->host->timer_remove(ra->timer);
	g_free(ra);
}

const NatService nat_service_ra = {
	.name = "ra",
	.start = ra_start,
	.stop = ra_stop,
};
