/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-neighbour.c - which guest has which address.
 *
 * Learnt from ARP, neighbour discovery, DHCP, and the first packet of each flow. Bounded: the entry
 * that was heard of longest ago gives way, which only costs a question when it is needed again.
 */
#include "nat-engine.h"

#define NEIGHBOURS_MAX 1024u
#define ASK_AGAIN NAT_SEC

typedef struct NatNeighbour {
	NatAddress address;
	guint8 mac[6];
	gboolean known;
	guint64 heard, asked;
	GList link; /* in `by_age` */
} NatNeighbour;

struct NatNeighbours {
	GHashTable *table; /* NatAddress of a NatNeighbour -> it */
	GQueue by_age;     /* the one heard of last is the tail */
};

static guint
address_hash(gconstpointer key)
{
	const NatAddress *a = key;

	return (guint)((a->q[0] ^ a->q[1]) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >> 32);
}

static gboolean
address_equal(gconstpointer a, gconstpointer b)
{
	return nat_address_equal(a, b);
}

NatNeighbours *
nat_neighbours_new(void)
{
	NatNeighbours *n = g_new0(NatNeighbours, 1);

	n->table = g_hash_table_new_full(address_hash, address_equal, NULL, g_free);
	return n;
}

void
nat_neighbours_free(NatNeighbours *n)
{
	if (!n)
		return;
	g_hash_table_unref(n->table);
	g_free(n);
}

void
nat_neighbours_clear(NatEngine *engine)
{
	g_hash_table_remove_all(engine->neighbours->table);
	g_queue_init(&engine->neighbours->by_age);
}

static NatNeighbour *
neighbour_get(NatEngine *engine, const NatAddress *a)
{
	NatNeighbours *n = engine->neighbours;
	NatNeighbour *neighbour = g_hash_table_lookup(n->table, a);

	if (neighbour)
		return neighbour;
	if (g_hash_table_size(n->table) >= NEIGHBOURS_MAX) {
		NatNeighbour *oldest = n->by_age.head->data;

		g_queue_unlink(&n->by_age, &oldest->link);
		g_hash_table_remove(n->table, &oldest->address);
	}
	neighbour = g_new0(NatNeighbour, 1);
	neighbour->address = *a;
	neighbour->link.data = neighbour;
	g_queue_push_tail_link(&n->by_age, &neighbour->link);
	g_hash_table_insert(n->table, &neighbour->address, neighbour);
	return neighbour;
}

void
nat_neighbour_learn(NatEngine *engine, const NatAddress *a, const guint8 mac[6])
{
	NatNeighbour *neighbour;

	/* No group address is anybody's own. */
	if (!nat_is_guest(engine, a) || (mac[0] & 1))
		return;
	neighbour = neighbour_get(engine, a);
	memcpy(neighbour->mac, mac, 6);
	neighbour->known = TRUE;
	neighbour->heard = engine->now;
	g_queue_unlink(&engine->neighbours->by_age, &neighbour->link);
	g_queue_push_tail_link(&engine->neighbours->by_age, &neighbour->link);
}

const guint8 *
nat_neighbour_peek(NatEngine *engine, const NatAddress *a)
{
	const NatNeighbour *neighbour = g_hash_table_lookup(engine->neighbours->table, a);

	return neighbour && neighbour->known ? neighbour->mac : NULL;
}

const guint8 *
nat_neighbour_find(NatEngine *engine, const NatAddress *a)
{
	NatNeighbour *neighbour;

	if (!nat_is_guest(engine, a))
		return NULL;
	neighbour = neighbour_get(engine, a);
	if (neighbour->known)
		return neighbour->mac;
	if (neighbour->asked == 0 || engine->now - neighbour->asked >= ASK_AGAIN) {
		neighbour->asked = engine->now;
		if (nat_address_is_v4(a))
			nat_arp_ask(engine, a);
		else
			nat_ndp_ask(engine, a);
	}
	return NULL;
}

/* The first lease if somebody has it, else the only one that there is. */
gboolean
nat_neighbour_default(NatEngine *engine, gboolean v4, NatAddress *a)
{
	NatAddress first = nat_address_v4(engine->config->first_lease);
	guint n = 0;

	*a = first;
	if (v4 && nat_neighbour_peek(engine, &first))
		return TRUE;
	for (GList *l = engine->neighbours->by_age.head; l; l = l->next) {
		const NatNeighbour *neighbour = l->data;

		if (!neighbour->known || nat_address_is_v4(&neighbour->address) != v4 ||
		    (!v4 && nat_address_is_link_local(&neighbour->address)))
			continue;
		*a = neighbour->address;
		n++;
	}
	/* A guest has several IPv6 addresses; the one heard of last is in use. */
	if (n == 1 || (n > 1 && !v4))
		return TRUE;
	*a = first;
	return v4;
}
