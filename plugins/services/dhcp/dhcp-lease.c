/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-lease.c - who has which address: the bindings.
 *
 * A binding keeps its client's id after the lease is over, so that a client that comes back gets
 * what it had, until another one needs the address. The table holds addresses with a history only,
 * and at most BINDINGS_MAX of them.
 */
#include "dhcp.h"

#include <string.h>

Leases *
leases_new(guint32 lower, guint32 upper, guint32 own)
{
	Leases *leases = g_new0(Leases, 1);

	leases->table = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	leases->lower = lower;
	leases->upper = upper;
	leases->own = own;
	return leases;
}

void
leases_free(Leases *leases)
{
	if (!leases)
		return;
	g_hash_table_unref(leases->table);
	g_free(leases);
}

gboolean
client_id_equal(const ClientId *a, const ClientId *b)
{
	return a->is_given == b->is_given && a->len == b->len &&
	       memcmp(a->bytes, b->bytes, a->len) == 0;
}

void
leases_expire(Leases *leases, guint64 now)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, leases->table);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		Binding *binding = value;

		if (binding->end > now)
			continue;
		if (binding->state == BINDING_ACKED)
			binding->state = BINDING_EXPIRED;
		else if (binding->state == BINDING_OFFERED || binding->state == BINDING_DECLINED)
			g_hash_table_iter_remove(&iter);
	}
}

/* A client that offers came to for several addresses has them in turn: what it holds counts. */
Binding *
leases_find_client(const Leases *leases, const ClientId *id)
{
	Binding *found = NULL;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, leases->table);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		Binding *binding = value;

		if (binding->state == BINDING_FREE || binding->state == BINDING_DECLINED ||
		    !client_id_equal(&binding->id, id))
			continue;
		if (!found || binding->state == BINDING_ACKED ||
		    (found->state != BINDING_ACKED && binding->issued > found->issued))
			found = binding;
	}
	return found;
}

Binding *
leases_find_address(const Leases *leases, guint32 address)
{
	return g_hash_table_lookup(leases->table, GUINT_TO_POINTER(address));
}

gboolean
leases_is_in_pool(const Leases *leases, guint32 address)
{
	return address >= leases->lower && address <= leases->upper && address != leases->own;
}

/* ---- Choosing ---- */

/* The one of these states that ended first; nobody's own address. */
static Binding *
find_oldest(const Leases *leases, const Config *config, const guint8 *mac, BindingState state)
{
	Binding *oldest = NULL;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, leases->table);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		Binding *binding = value;

		if (binding->state != state || !leases_is_in_pool(leases, binding->address) ||
		    config_is_reserved(config, binding->address, mac))
			continue;
		if (!oldest || binding->end < oldest->end ||
		    (binding->end == oldest->end && binding->address < oldest->address))
			oldest = binding;
	}
	return oldest;
}

/* Room for a new binding is made of what is free or only remembered. */
static gboolean
leases_make_room(Leases *leases)
{
	static const BindingState states[] = { BINDING_FREE, BINDING_RELEASED, BINDING_EXPIRED };
	GHashTableIter iter;
	gpointer value;

	if (g_hash_table_size(leases->table) < BINDINGS_MAX)
		return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
		g_hash_table_iter_init(&iter, leases->table);
		while (g_hash_table_iter_next(&iter, NULL, &value)) {
			if (((const Binding *)value)->state != states[i])
				continue;
			g_hash_table_iter_remove(&iter);
			return TRUE;
		}
	}
	return FALSE;
}

Binding *
leases_get(Leases *leases, guint32 address)
{
	Binding *binding = leases_find_address(leases, address);

	if (binding || !leases_make_room(leases))
		return binding;
	binding = g_new0(Binding, 1);
	binding->address = address;
	g_hash_table_insert(leases->table, GUINT_TO_POINTER(address), binding);
	return binding;
}

static Binding *
find_free(Leases *leases, const Config *config, const guint8 *mac)
{
	guint32 address = leases->lower;

	/* At most as many are taken as there are bindings and reserved addresses. */
	do {
		const Binding *binding = leases_find_address(leases, address);

		if ((!binding || binding->state == BINDING_FREE) && address != leases->own &&
		    !config_is_reserved(config, address, mac))
			return leases_get(leases, address);
	} while (address++ < leases->upper);
	return NULL;
}

/* Whether nobody but this client has it, or may come back for it. */
static gboolean
is_open(const Leases *leases, const Config *config, guint32 address, const ClientId *id,
	const guint8 *mac)
{
	const Binding *binding = leases_find_address(leases, address);

	if (!leases_is_in_pool(leases, address) || config_is_reserved(config, address, mac))
		return FALSE;
	if (!binding)
		return TRUE;
	if (binding->state == BINDING_OFFERED || binding->state == BINDING_ACKED)
		return client_id_equal(&binding->id, id);
	return binding->state != BINDING_DECLINED;
}

static gboolean
may_keep(const Leases *leases, const Config *config, const Binding *binding, const guint8 *mac,
	 guint32 fixed)
{
	if (fixed)
		return binding->address == fixed;
	return leases_is_in_pool(leases, binding->address) &&
	       !config_is_reserved(config, binding->address, mac);
}

Binding *
leases_choose(Leases *leases, const Config *config, const ClientId *id, const guint8 *mac,
	      guint32 fixed, guint32 wanted)
{
	Binding *binding = leases_find_client(leases, id);

	if (binding && may_keep(leases, config, binding, mac, fixed))
		return binding;
	if (fixed) {
		/* Whatever id it came with before: the address is this hardware's. One that somebody
		 * else has now, or that is in doubt, is not given twice. */
		binding = leases_find_address(leases, fixed);
		if (binding && binding->state == BINDING_DECLINED)
			return NULL;
		if (binding && memcmp(binding->mac, mac, sizeof binding->mac) != 0 &&
		    (binding->state == BINDING_ACKED || binding->state == BINDING_OFFERED))
			return NULL;
		return leases_get(leases, fixed);
	}
	if (wanted && is_open(leases, config, wanted, id, mac))
		return leases_get(leases, wanted);
	binding = find_free(leases, config, mac);
	if (!binding)
		binding = find_oldest(leases, config, mac, BINDING_RELEASED);
	if (!binding)
		binding = find_oldest(leases, config, mac, BINDING_EXPIRED);
	return binding;
}
