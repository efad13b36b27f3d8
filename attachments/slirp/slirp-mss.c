/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp-mss.c - the largest segment that the guest takes, by TCP connection.
 *
 * A set-associative table like a processor's cache: the connection's hash picks a set of four, 32
 * further bits of it are the tag, and the least recently used of the four gives way. Two connections
 * that agree in all 41 bits would share an entry; both stay within what the guest announced on one
 * of them, and that only matters to its efficiency.
 */
#include "slirp-mss.h"

#include <jackfield/util.h>

static guint64
mix(guint64 hash, const guint8 *data, guint len)
{
	for (guint i = 0; i + 2 <= len; i += 2) {
		hash = (hash ^ jf_get_be16(data + i)) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

/* `guest_at` and `far_at`: which address and port are the guest's. Source 0, destination 1. */
static guint64
connection_hash(const NatMss *table, const NatPacket *packet, guint guest, guint far)
{
	guint len = packet->version == 4 ? 4 : 16;
	const guint8 *addresses = packet->data + packet->l3 + (packet->version == 4 ? 12 : 8);
	const guint8 *ports = packet->data + packet->l4;
	guint64 hash = table->seed;

	hash = mix(hash, addresses + guest * len, len);
	hash = mix(hash, addresses + far * len, len);
	hash = mix(hash, ports + guest * 2, 2);
	return mix(hash, ports + far * 2, 2);
}

static NatMssEntry *
set_find(NatMssSet *set, guint32 tag)
{
	for (guint i = 0; i < NAT_MSS_WAYS; i++) {
		if (set->ways[i].tag == tag)
			return &set->ways[i];
	}
	return NULL;
}

static NatMssEntry *
set_oldest(NatMssSet *set)
{
	NatMssEntry *oldest = &set->ways[0];

	for (guint i = 0; i < NAT_MSS_WAYS; i++) {
		NatMssEntry *entry = &set->ways[i];

		if (entry->tag == 0)
			return entry;
		if ((guint16)(set->clock - entry->age) > (guint16)(set->clock - oldest->age))
			oldest = entry;
	}
	return oldest;
}

static NatMssSet *
table_set(NatMss *table, guint64 hash, guint32 *tag)
{
	*tag = (guint32)(hash >> 32);
	*tag = *tag ? *tag : 1;
	return &table->sets[hash % NAT_MSS_SETS];
}

void
nat_mss_init(NatMss *table)
{
	table->seed = (guint64)g_random_int() << 32 | g_random_int();
}

void
nat_mss_learn(NatMss *table, const NatPacket *syn, guint16 mss)
{
	guint32 tag;
	NatMssSet *set = table_set(table, connection_hash(table, syn, 0, 1), &tag);
	NatMssEntry *entry = set_find(set, tag);

	if (!entry)
		entry = set_oldest(set);
	*entry = (NatMssEntry){ .tag = tag, .mss = mss, .age = ++set->clock };
}

guint16
nat_mss_find(NatMss *table, const NatPacket *segment)
{
	guint32 tag;
	NatMssSet *set = table_set(table, connection_hash(table, segment, 1, 0), &tag);
	NatMssEntry *entry = set_find(set, tag);

	if (!entry)
		return 0;
	if (entry->age != set->clock)
		entry->age = ++set->clock;
	return entry->mss;
}
