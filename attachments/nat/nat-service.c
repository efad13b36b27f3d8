/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-service.c - datagrams between guests and what answers at the engine's own addresses. */
#include "nat-engine.h"

#define ENTRIES_MAX 128u
#define DATAGRAM_MAX 65507u

static gboolean
is_any(const NatAddress *a)
{
	return a->q[0] == 0 && a->q[1] == 0;
}

static NatServiceEntry *
entry_find(NatEngine *engine, const NatAddress *address, guint16 port, gboolean redirect)
{
	for (guint i = 0; i < engine->services->len; i++) {
		NatServiceEntry *e = &g_array_index(engine->services, NatServiceEntry, i);

		if (e->port == port && nat_address_equal(&e->address, address) &&
		    (e->redirect != NULL) == redirect)
			return e;
	}
	return NULL;
}

static gboolean
entry_add(NatEngine *engine, const NatServiceEntry *e)
{
	if (engine->services->len >= ENTRIES_MAX ||
	    entry_find(engine, &e->address, e->port, e->redirect != NULL))
		return FALSE;
	g_array_append_val(engine->services, *e);
	return TRUE;
}

gboolean
nat_service_add(NatEngine *engine, const NatAddress *address, guint16 port, NatServiceFunc func,
		gpointer data)
{
	NatServiceEntry e = { .address = *address, .port = port, .func = func, .data = data };

	return entry_add(engine, &e);
}

void
nat_service_remove(NatEngine *engine, const NatAddress *address, guint16 port)
{
	NatServiceEntry *e = entry_find(engine, address, port, FALSE);

	if (e)
		g_array_remove_index_fast(engine->services,
					  (guint)(e - (NatServiceEntry *)engine->services->data));
}

gboolean
nat_redirect_add(NatEngine *engine, const NatAddress *address, guint16 port, NatRedirectFunc func,
		 gpointer data)
{
	NatServiceEntry e = { .address = *address, .port = port, .redirect = func, .data = data };

	return entry_add(engine, &e);
}

const NatServiceEntry *
nat_redirect_find(NatEngine *engine, const NatAddress *address, guint16 port)
{
	return entry_find(engine, address, port, TRUE);
}

static void
service_call(NatEngine *engine, const NatPacket *p, const NatServiceEntry *e, guint16 from_port)
{
	guint8 small[2048];
	guint32 len = jf_get_be16(p->head + p->l4 + 4) - NAT_UDP_LEN; /* checked by the caller */
	g_autofree guint8 *large = len > sizeof small ? g_malloc(len) : NULL;
	guint8 *data = large ? large : small;
	NatServiceFunc func = e->func;
	gpointer func_data = e->data;
	NatDatagram in = {
		.from = { p->src, from_port },
		.to = { p->dst, e->port },
		.mac = p->head + 6,
		.data = data,
		.len = len,
	};

	if (jf_frame_copy(p->frame, p->l4 + NAT_UDP_LEN, data, len))
		func(engine, &in, func_data);
}

gboolean
nat_service_input(NatEngine *engine, const NatPacket *p, guint16 from_port, guint16 port)
{
	static const NatAddress any;
	const NatServiceEntry *e = entry_find(engine, &p->dst, port, FALSE);

	if (!e && (nat_is_own(engine, &p->dst) || nat_is_broadcast(engine, &p->dst) ||
		   nat_address_is_multicast(&p->dst)))
		e = entry_find(engine, &any, port, FALSE);
	if (!e)
		return FALSE;
	service_call(engine, p, e, from_port);
	return TRUE;
}

void
nat_send_udp(NatEngine *engine, const NatDatagram *out)
{
	static const guint8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const guint8 *mac = out->mac;

	if (out->len > DATAGRAM_MAX || is_any(&out->from.address))
		return;
	if (!mac)
		mac = nat_is_broadcast(engine, &out->to.address)
			      ? broadcast
			      : nat_neighbour_find(engine, &out->to.address);
	if (!mac) {
		jf_count(engine->count.unresolved, 1);
		return;
	}
	nat_output_udp(engine, mac, &out->from, &out->to, out->data, out->len, 0);
	nat_output_flush(engine);
}

gpointer
nat_service_get_state(NatEngine *engine, const NatService *service)
{
	for (guint i = 0; nat_services[i]; i++) {
		if (nat_services[i] == service && i < engine->service_state->len)
			return g_ptr_array_index(engine->service_state, i);
	}
	return NULL;
}

const NatServiceCounters *
nat_engine_get_service_counters(NatEngine *engine)
{
	return &engine->service_count;
}

void
nat_engine_set_solicit(NatEngine *engine, NatSolicitFunc func, gpointer data)
{
	engine->solicit = func;
	engine->solicit_data = data;
}
