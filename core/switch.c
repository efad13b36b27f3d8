/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * switch.c - the learning switch of a network.
 *
 * A sender's batch is forwarded on the sender's own thread, in runs of frames that go the same way.
 * The port table is read under a lock that readers share without touching each other's cache lines;
 * only join and leave write. Under it, deliver may lead into other drivers and other networks, and
 * back into send: reading nests. So nothing that holds it for reading may join or leave, and whoever
 * holds it for writing calls nobody.
 *
 * A sender that waits (JF_PORT_LOSSLESS, or for a service) leaves the id of the full port in its own `waits_for`. Room
 * at a port wakes whoever waits for it. No wake-up is lost: the sender announces itself and then
 * tries once more, the receiver makes room and then looks, and both touch `n_waiting` in between by
 * an atomic read-modify-write, which puts one of them behind the other.
 */
#include "network.h"

/* Ways for a frame that are no port's id. */
#define WAY_GROUP (JF_FDB_PORT_MAX + 1)
#define WAY_UNKNOWN (JF_FDB_PORT_MAX + 2)
#define WAY_INVALID (JF_FDB_PORT_MAX + 3)

/* ---- Forwarding; the network's lock is held for reading ---- */

static guint
find_own(const Network *net, guint64 mac)
{
	for (guint id = 1; mac && id < net->n_slots; id++) {
		if (net->own[id] == mac)
			return id;
	}
	return 0;
}

/* The two addresses of a frame, as its first 8 and the next 4 bytes, and its way. */
typedef struct Sight {
	guint64 first;
	guint32 rest;
	guint way; /* 0: not looked for yet */
} Sight;

/* Addresses are read once: the frame may lie in guest memory. Mostly they are in one piece. */
static gboolean
read_addresses(const JfFrame *frame, Sight *sight)
{
	guint8 copy[12];
	const guint8 *from = frame->iov[0].iov_base;

	if (frame->iov[0].iov_len < sizeof copy) {
		if (!jf_frame_copy(frame, 0, copy, sizeof copy))
			return FALSE;
		from = copy;
	}
	memcpy(&sight->first, from, sizeof sight->first);
	memcpy(&sight->rest, from + sizeof sight->first, sizeof sight->rest);
	return TRUE;
}

/* Learns where a frame with these addresses came from and says where it goes. */
static guint
resolve(Network *net, const JfSwitchPort *from, const Sight *sight, guint32 now)
{
	guint64 first = GUINT64_FROM_BE(sight->first), dst = first >> 16;
	guint64 src = (first & G_MAXUINT16) << 32 | GUINT32_FROM_BE(sight->rest);
	guint way;

	if (network_mac_is_group(src))
		return WAY_INVALID;
	jf_fdb_learn(net->fdb, src, from->id, now);
	if (network_mac_is_group(dst))
		return WAY_GROUP;
	way = jf_fdb_lookup(net->fdb, dst, now);
	if (!way)
		way = find_own(net, dst);
	return way ? way : WAY_UNKNOWN;
}

/* `last` is what was seen last: most of a batch is one conversation. */
static guint
find_way(Network *net, const JfSwitchPort *from, const JfFrame *frame, guint32 now, Sight *last)
{
	Sight sight;

	if (!read_addresses(frame, &sight))
		return WAY_INVALID;
	if (last->way && sight.first == last->first && sight.rest == last->rest)
		return last->way;
	sight.way = resolve(net, from, &sight, now);
	*last = sight;
	return sight.way;
}

static void
drop(JfSwitchPort *to, guint n)
{
	jf_count(&to->drops, n);
	if (to->join.lost)
		jf_count(to->join.lost, n);
}

static void
deliver_or_drop(JfSwitchPort *to, const JfFrame *frames, guint n)
{
	guint taken = to->join.deliver(to->join.data, frames, n);

	if (taken < n)
		drop(to, n - taken);
}

static void
flood(const Network *net, const JfSwitchPort *from, const JfFrame *frames, guint n)
{
	for (guint id = 1; id < net->n_slots; id++) {
		if (net->ports[id] && net->ports[id] != from)
			deliver_or_drop(net->ports[id], frames, n);
	}
}

/* Whether a port may see unicast that is not for it; `to` NULL: nobody knows whose it is. */
static gboolean
may_see(const JfSwitchPort *port, const JfSwitchPort *from, const JfSwitchPort *to)
{
	switch (__atomic_load_n(&port->policy, __ATOMIC_RELAXED)) {
	case JF_PROMISC_ALLOW_ALL:
		return TRUE;
	case JF_PROMISC_ALLOW_VMS:
		return from->join.role == JF_PORT_CARD && (!to || to->join.role == JF_PORT_CARD);
	default:
		return FALSE;
	}
}

static void
copy_to_promiscuous(Network *net, const JfSwitchPort *from, const JfSwitchPort *to,
		    const JfFrame *frames, guint n)
{
	if (n == 0 || __atomic_load_n(&net->n_promiscuous, __ATOMIC_RELAXED) == 0)
		return;
	for (guint base = 0; base < net->n_slots; base += NETWORK_SLOT_STEP) {
		guint64 bits = __atomic_load_n(&net->promiscuous[base / NETWORK_SLOT_STEP],
					       __ATOMIC_RELAXED);

		for (; bits; bits &= bits - 1) {
			JfSwitchPort *port = net->ports[base + (guint)__builtin_ctzll(bits)];

			if (port && port != from && port != to && may_see(port, from, to))
				deliver_or_drop(port, frames, n);
		}
	}
}

/* See the top of the file. A sender that waits already for another port waits for any. */
static void
announce_waiter(Network *net, JfSwitchPort *from, guint32 id)
{
	guint32 old;

	__atomic_fetch_add(&net->n_waiting, 1, __ATOMIC_SEQ_CST);
	old = __atomic_exchange_n(&from->waits_for, id, __ATOMIC_SEQ_CST);
	if (old && old != id) {
		guint32 expected = id;

		__atomic_compare_exchange_n(&from->waits_for, &expected, SWITCH_WAITS_ANY, FALSE,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	__atomic_fetch_sub(&net->n_waiting, old ? 1 : 0, __ATOMIC_SEQ_CST);
}

static gboolean
waits_for(const JfSwitchPort *from, const JfSwitchPort *to)
{
	return from->join.flags & JF_PORT_LOSSLESS ||
	       (from->join.flags & JF_PORT_WAITS_FOR_SERVICES && to->join.role == JF_PORT_SERVICE);
}

/* Unicast for a port that is known. Returns how many frames are done with. */
static guint
send_unicast(Network *net, JfSwitchPort *from, JfSwitchPort *to, const JfFrame *frames, guint n)
{
	guint taken = to->join.deliver(to->join.data, frames, n);

	if (taken < n && !waits_for(from, to)) {
		drop(to, n - taken);
		taken = n;
	} else if (taken < n) {
		announce_waiter(net, from, to->id);
		taken += to->join.deliver(to->join.data, frames + taken, n - taken);
	}
	return taken;
}

static guint
send_run(Network *net, JfSwitchPort *from, guint way, const JfFrame *frames, guint n)
{
	JfSwitchPort *to;

	switch (way) {
	case WAY_INVALID:
		jf_count(&from->drops, n);
		return n;
	case WAY_GROUP:
		flood(net, from, frames, n);
		return n;
	case WAY_UNKNOWN:
		copy_to_promiscuous(net, from, NULL, frames, n);
		return n;
	default:
		/* Behind the sender's own port it has arrived already. */
		to = net->ports[way];
		if (to && to != from)
			n = send_unicast(net, from, to, frames, n);
		copy_to_promiscuous(net, from, to, frames, n);
		return n;
	}
}

guint
switch_send(JfSwitchPort *port, const JfFrame *frames, guint n)
{
	Network *net = port->network;
	guint32 now = network_seconds(port);
	guint done = 0, way = 0, next;
	Sight last = { .way = 0 };

	jf_rmlock_read_lock(&net->lock);
	if (n)
		way = find_way(net, port, &frames[0], now, &last);
	while (done < n) {
		guint run = 1, taken;

		for (next = way; done + run < n; run++) {
			next = find_way(net, port, &frames[done + run], now, &last);
			if (next != way)
				break;
		}
		taken = send_run(net, port, way, frames + done, run);
		done += taken;
		if (taken < run)
			break;
		way = next;
	}
	jf_rmlock_read_unlock(&net->lock);
	jf_count(&port->frames, done);
	return done;
}

/* ---- Waiting senders ---- */

void
switch_wake_waiters(Network *net, guint32 id)
{
	if (__atomic_fetch_add(&net->n_waiting, 0, __ATOMIC_SEQ_CST) == 0)
		return;
	jf_rmlock_read_lock(&net->lock);
	for (guint i = 1; i < net->n_slots; i++) {
		JfSwitchPort *port = net->ports[i];
		guint32 waits = port ? __atomic_load_n(&port->waits_for, __ATOMIC_SEQ_CST) : 0;

		if (!waits || (waits != id && waits != SWITCH_WAITS_ANY) ||
		    !__atomic_compare_exchange_n(&port->waits_for, &waits, 0, FALSE,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		__atomic_fetch_sub(&net->n_waiting, 1, __ATOMIC_SEQ_CST);
		port->join.resume(port->join.data);
	}
	jf_rmlock_read_unlock(&net->lock);
}

void
switch_room(JfSwitchPort *port)
{
	switch_wake_waiters(port->network, port->id);
}

/* ---- Policies ---- */

void
switch_set_policy(Network *net, JfSwitchPort *port, guint32 policy)
{
	guint64 *word = &net->promiscuous[port->id / NETWORK_SLOT_STEP];
	guint64 bit = (guint64)1 << port->id % NETWORK_SLOT_STEP, old;

	pthread_mutex_lock(&net->policy_lock);
	__atomic_store_n(&port->policy, policy, __ATOMIC_RELAXED);
	if (policy == JF_PROMISC_DENY)
		old = __atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
	else
		old = __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
	if (policy == JF_PROMISC_DENY && (old & bit))
		__atomic_fetch_sub(&net->n_promiscuous, 1, __ATOMIC_RELAXED);
	if (policy != JF_PROMISC_DENY && !(old & bit))
		__atomic_fetch_add(&net->n_promiscuous, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&net->policy_lock);
}

/* A policy that this switch does not know shows a port as little as can be. */
void
switch_set_promiscuous(JfSwitchPort *port, guint32 policy)
{
	Network *net = port->network;

	jf_rmlock_read_lock(&net->lock);
	switch_set_policy(net, port, policy > JF_PROMISC_ALLOW_ALL ? JF_PROMISC_DENY : policy);
	jf_rmlock_read_unlock(&net->lock);
}
