/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-flow.c - the table of flows, and their deadlines. */
#include "nat-engine.h"

#define BUCKETS_MIN 256u

/* The finisher of splitmix64. */
static guint64
mix(guint64 x)
{
	x = (x ^ x >> 30) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
	return x ^ x >> 31;
}

guint64
nat_hash_endpoints(guint64 seed, const NatEndpoint *a, const NatEndpoint *b)
{
	guint64 h = mix(seed ^ a->address.q[0]);

	h = mix(h ^ a->address.q[1]);
	h = mix(h ^ b->address.q[0]);
	h = mix(h ^ b->address.q[1]);
	return mix(h ^ ((guint64)a->port << 16 | b->port));
}

void
nat_flow_table_init(NatFlowTable *table)
{
	table->n_buckets = BUCKETS_MIN;
	table->n_flows = 0;
	table->buckets = g_new0(NatFlow *, BUCKETS_MIN);
	table->seed = (guint64)g_random_int() << 32 | g_random_int();
	table->heap = g_ptr_array_new();
}

void
nat_flow_table_finish(NatFlowTable *table)
{
	g_clear_pointer(&table->buckets, g_free);
	g_clear_pointer(&table->heap, g_ptr_array_unref);
}

static NatFlow **
table_bucket(NatFlowTable *table, guint8 kind, const NatEndpoint *guest, const NatEndpoint *remote)
{
	guint64 h = nat_hash_endpoints(table->seed + kind, guest, remote);

	return &table->buckets[h & (table->n_buckets - 1)];
}

static gboolean
endpoint_equal(const NatEndpoint *a, const NatEndpoint *b)
{
	return a->port == b->port && nat_address_equal(&a->address, &b->address);
}

NatFlow *
nat_flow_find(NatFlowTable *table, guint8 kind, const NatEndpoint *guest, const NatEndpoint *remote)
{
	NatFlow *flow = *table_bucket(table, kind, guest, remote);

	while (flow && !(flow->kind == kind && endpoint_equal(&flow->guest, guest) &&
			 endpoint_equal(&flow->remote, remote)))
		flow = flow->hash_next;
	return flow;
}

static void
table_resize(NatFlowTable *table, guint32 n_buckets)
{
	NatFlow **old = table->buckets;
	guint32 n_old = table->n_buckets;

	table->buckets = g_new0(NatFlow *, n_buckets);
	table->n_buckets = n_buckets;
	for (guint32 i = 0; i < n_old; i++) {
		while (old[i]) {
			NatFlow *flow = old[i];
			NatFlow **bucket =
				table_bucket(table, flow->kind, &flow->guest, &flow->remote);

			old[i] = flow->hash_next;
			flow->hash_next = *bucket;
			*bucket = flow;
		}
	}
	g_free(old);
}

void
nat_flow_insert(NatFlowTable *table, NatFlow *flow)
{
	NatFlow **bucket;

	if (table->n_flows >= table->n_buckets)
		table_resize(table, table->n_buckets * 2);
	bucket = table_bucket(table, flow->kind, &flow->guest, &flow->remote);
	flow->hash_next = *bucket;
	*bucket = flow;
	table->n_flows++;
}

void
nat_flow_withdraw(NatFlowTable *table, NatFlow *flow)
{
	NatFlow **link = table_bucket(table, flow->kind, &flow->guest, &flow->remote);

	while (*link != flow)
		link = &(*link)->hash_next;
	*link = flow->hash_next;
	table->n_flows--;
	if (table->n_buckets > BUCKETS_MIN && table->n_flows < table->n_buckets / 8)
		table_resize(table, table->n_buckets / 2);
}

/* ---- Deadlines: a binary heap ---- */

static NatFlow *
heap_get(GPtrArray *heap, guint i)
{
	return g_ptr_array_index(heap, i);
}

static void
heap_put(GPtrArray *heap, guint i, NatFlow *flow)
{
	g_ptr_array_index(heap, i) = flow;
	flow->heap_index = i;
}

static void
heap_sift_up(GPtrArray *heap, guint i, NatFlow *flow)
{
	while (i > 0 && heap_get(heap, (i - 1) / 2)->heap_deadline > flow->heap_deadline) {
		heap_put(heap, i, heap_get(heap, (i - 1) / 2));
		i = (i - 1) / 2;
	}
	heap_put(heap, i, flow);
}

static void
heap_sift_down(GPtrArray *heap, guint i, NatFlow *flow)
{
	for (guint child; (child = 2 * i + 1) < heap->len; i = child) {
		if (child + 1 < heap->len &&
		    heap_get(heap, child + 1)->heap_deadline < heap_get(heap, child)->heap_deadline)
			child++;
		if (flow->heap_deadline <= heap_get(heap, child)->heap_deadline)
			break;
		heap_put(heap, i, heap_get(heap, child));
	}
	heap_put(heap, i, flow);
}

static void
heap_remove(GPtrArray *heap, NatFlow *flow)
{
	guint i = flow->heap_index;
	NatFlow *last = g_ptr_array_steal_index_fast(heap, heap->len - 1);

	flow->heap_index = NAT_HEAP_NONE;
	if (last == flow)
		return;
	heap_sift_up(heap, i, last);
	heap_sift_down(heap, last->heap_index, last);
}

void
nat_flow_arm(NatEngine *engine, NatFlow *flow, guint64 deadline)
{
	GPtrArray *heap = engine->flows.heap;

	flow->deadline = deadline;
	if (deadline == 0) {
		if (flow->heap_index != NAT_HEAP_NONE)
			heap_remove(heap, flow);
		return;
	}
	if (flow->heap_index == NAT_HEAP_NONE) {
		flow->heap_deadline = deadline;
		g_ptr_array_add(heap, flow);
		heap_sift_up(heap, heap->len - 1, flow);
	} else if (deadline < flow->heap_deadline) {
		flow->heap_deadline = deadline;
		heap_sift_up(heap, flow->heap_index, flow);
	}
}

NatFlow *
nat_flow_pop_due(NatEngine *engine)
{
	GPtrArray *heap = engine->flows.heap;

	while (heap->len) {
		NatFlow *flow = heap_get(heap, 0);

		if (flow->heap_deadline > engine->now)
			return NULL;
		if (flow->deadline <= engine->now) {
			heap_remove(heap, flow);
			flow->deadline = 0;
			return flow;
		}
		flow->heap_deadline = flow->deadline;
		heap_sift_down(heap, 0, flow);
	}
	return NULL;
}
