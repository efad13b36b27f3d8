/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-steer.c - which receive queue a frame goes to.
 *
 * With several queue pairs a flow comes back on the pair that the driver last sent it on (virtio 1.2,
 * 5.1.6.5.6): a small table remembers the pair by a hash that is the same in both directions. Wrong
 * guesses, by collision or by a racing update, cost nothing but locality.
 */
#include <jackfield/util.h>
#include <string.h>

#include "virtio-net.h"

#define HEAD_LEN 58u /* Ethernet, a tag, IPv6 addresses: as much as is looked at */
#define ETH_IPV4 0x0800u
#define ETH_IPV6 0x86ddu
#define ETH_VLAN 0x8100u

/* Addresses and ports, each xor-ed with its opposite. */
static guint32
hash_ipv4(const guint8 *ip, gsize left)
{
	guint32 hash;
	guint ihl = (ip[0] & 15u) * 4u;

	if (left < 20)
		return 0;
	hash = jf_get_be32(ip + 12) ^ jf_get_be32(ip + 16) ^ ip[9];
	/* Of a fragmented datagram only the first part has ports. */
	if ((ip[9] == 6 || ip[9] == 17) && !(jf_get_be16(ip + 6) & 0x3fff) && ihl >= 20 &&
	    left >= ihl + 4)
		hash ^= (guint32)(jf_get_be16(ip + ihl) ^ jf_get_be16(ip + ihl + 2)) << 8;
	return hash;
}

static guint32
hash_ipv6(const guint8 *ip, gsize left)
{
	guint32 hash = ip[6];

	if (left < 40)
		return 0;
	for (guint i = 8; i < 40; i += 4)
		hash ^= jf_get_be32(ip + i);
	if ((ip[6] == 6 || ip[6] == 17) && left >= 44)
		hash ^= (guint32)(jf_get_be16(ip + 40) ^ jf_get_be16(ip + 42)) << 8;
	return hash;
}

static guint
flow_slot(const JfFrame *frame)
{
	guint8 copy[HEAD_LEN];
	guint32 len = MIN(frame->len, HEAD_LEN), at = 12, hash = 0;
	guint16 type;

	if (!jf_frame_copy(frame, 0, copy, len) || len < JF_FRAME_MIN_LEN)
		return 0;
	type = jf_get_be16(copy + at);
	if (type == ETH_VLAN && len >= 18) {
		at += 4;
		type = jf_get_be16(copy + at);
	}
	at += 2;
	if (type == ETH_IPV4 && len > at)
		hash = hash_ipv4(copy + at, len - at);
	else if (type == ETH_IPV6 && len > at + 6)
		hash = hash_ipv6(copy + at, len - at);
	hash *= 0x9e3779b1u;
	return hash >> 24;
}

void
vn_steer_learn(VirtioNet *net, const JfFrame *frames, guint n, guint pair)
{
	for (guint i = 0; i < n; i++) {
		guint8 *flow = &net->flows[flow_slot(&frames[i])];

		if (__atomic_load_n(flow, __ATOMIC_RELAXED) != pair)
			__atomic_store_n(flow, (guint8)pair, __ATOMIC_RELAXED);
	}
}

guint
vn_steer(VirtioNet *net, const JfFrame *frame)
{
	guint slot = flow_slot(frame);
	guint pair = __atomic_load_n(&net->flows[slot], __ATOMIC_RELAXED);
	guint n = (guint)g_atomic_int_get(&net->n_rx);

	for (guint i = 0; i < n; i++) {
		if (vn_rx_pair(net, i) == pair)
			return pair;
	}
	return n ? vn_rx_pair(net, slot % n) : 0;
}

void
vn_steer_update(VirtioNet *net)
{
	guint n = 0;

	vn_rx_lock_all(net);
	for (guint i = 0; i < VN_PAIRS_MAX; i++) {
		if (vn_queue_is_active(&net->queues[2 * i]))
			__atomic_store_n(&net->rx_pairs[n++], (guint8)i, __ATOMIC_RELAXED);
	}
	g_atomic_int_set(&net->n_rx, (gint)n);
	vn_rx_unlock_all(net);
}
