/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp-reassembly.c - the guest's IP fragments, put together (RFC 791 3.2, RFC 8200 4.5).
 *
 * libslirp can do that for IPv4, but a hostile guest can make it crash there or hold a packet buffer
 * of 64 KiB for each fragment; so it never sees one. Here a fixed number of datagrams can be on its
 * way; when one more begins, the oldest gives way. A datagram with overlapping fragments is dropped
 * (RFC 5722, also for IPv4). One that is not whole after 30 s is dropped when its place is needed,
 * or when a fragment comes that would belong to it.
 */
#include "slirp-reassembly.h"

#include <jackfield/util.h>

#define MAX_AGE_NS (30 * G_GUINT64_CONSTANT(1000000000))
#define PAYLOAD_MAX 65535u
#define FRAGMENT_HEADER_LEN 8u

typedef struct Piece {
	guint32 offset, len;
	gboolean more;
	const guint8 *data;
	guint32 id;
	guint8 protocol;
	guint32 header_len; /* Ethernet and IP, without a fragment header */
} Piece;

static gboolean
piece_parse(Piece *piece, const NatPacket *packet)
{
	const guint8 *ip = packet->data + packet->l3;
	const guint8 *extension = packet->data + packet->l4;
	guint16 field;

	piece->header_len = packet->l4;
	if (packet->version == 4) {
		field = jf_get_be16(ip + 6);
		piece->offset = (field & 0x1fffu) * 8;
		piece->more = (field & 0x2000u) != 0;
		piece->id = jf_get_be16(ip + 4);
		piece->protocol = packet->protocol;
		piece->data = extension;
		piece->len = packet->end - packet->l4;
	} else {
		if (packet->end - packet->l4 < FRAGMENT_HEADER_LEN)
			return FALSE;
		field = jf_get_be16(extension + 2);
		piece->offset = field & 0xfff8u;
		piece->more = field & 1;
		piece->id = jf_get_be32(extension + 4);
		piece->protocol = extension[0];
		piece->data = extension + FRAGMENT_HEADER_LEN;
		piece->len = packet->end - packet->l4 - FRAGMENT_HEADER_LEN;
	}
	return piece->len > 0 && (!piece->more || piece->len % 8 == 0) &&
	       piece->offset + piece->len <= PAYLOAD_MAX - (packet->l4 - packet->l3);
}

static void
slot_release(NatSlot *slot)
{
	slot->used = FALSE;
}

static gboolean
slot_matches(const NatSlot *slot, const NatPacket *packet, const Piece *piece)
{
	guint len = packet->version == 4 ? 8 : 32;

	return slot->used && slot->version == packet->version && slot->id == piece->id &&
	       slot->protocol == piece->protocol &&
	       memcmp(slot->addresses, packet->data + packet->l3 + (packet->version == 4 ? 12 : 8),
		      len) == 0;
}

static void
slot_begin(NatSlot *slot, const NatPacket *packet, const Piece *piece, guint64 now)
{
	slot->used = TRUE;
	slot->began = now;
	slot->version = packet->version;
	slot->protocol = piece->protocol;
	slot->id = piece->id;
	slot->header_len = 0;
	slot->total = 0;
	slot->received = 0;
	memset(slot->blocks, 0, sizeof slot->blocks);
	memcpy(slot->addresses, packet->data + packet->l3 + (packet->version == 4 ? 12 : 8),
	       packet->version == 4 ? 8 : 32);
	if (!slot->data)
		slot->data = g_malloc(NAT_REASSEMBLY_HEADER + PAYLOAD_MAX);
}

/* The datagram's slot, or one for a new datagram; *evicted tells that another was lost for it. */
static NatSlot *
find_slot(NatReassembly *reassembly, const NatPacket *packet, const Piece *piece, guint64 now,
	  gboolean *evicted)
{
	NatSlot *oldest = &reassembly->slots[0];

	for (guint i = 0; i < NAT_REASSEMBLY_SLOTS; i++) {
		NatSlot *slot = &reassembly->slots[i];

		if (slot->used && now - slot->began > MAX_AGE_NS)
			slot_release(slot);
		if (slot_matches(slot, packet, piece))
			return slot;
		if (oldest->used && (!slot->used || (gint32)(slot->order - oldest->order) < 0))
			oldest = slot;
	}
	*evicted = oldest->used;
	oldest->order = reassembly->order++;
	slot_begin(oldest, packet, piece, now);
	return oldest;
}

/* FALSE: some of these bytes are here already. */
static gboolean
mark_blocks(NatSlot *slot, const Piece *piece)
{
	guint32 last = (piece->offset + piece->len - 1) / 8;

	for (guint32 block = piece->offset / 8; block <= last; block++) {
		guint8 bit = (guint8)(1u << (block % 8));

		if (slot->blocks[block / 8] & bit)
			return FALSE;
		slot->blocks[block / 8] |= bit;
	}
	return TRUE;
}

static gboolean
slot_take(NatSlot *slot, const NatPacket *packet, const Piece *piece)
{
	guint32 end = piece->offset + piece->len;

	if (slot->total && (end > slot->total || !piece->more))
		return FALSE;
	if (!mark_blocks(slot, piece))
		return FALSE;
	if (!piece->more)
		slot->total = end;
	if (piece->offset == 0) {
		slot->header_len = piece->header_len;
		memcpy(slot->data + NAT_REASSEMBLY_HEADER - piece->header_len, packet->data,
		       piece->header_len);
	}
	memcpy(slot->data + NAT_REASSEMBLY_HEADER + piece->offset, piece->data, piece->len);
	slot->received += piece->len;
	/* Without overlaps, more bytes than the total mean a piece beyond the last one. */
	return !slot->total || slot->received <= slot->total;
}

static guint8 *
slot_finish(NatSlot *slot, guint32 *len)
{
	guint8 *frame = slot->data + NAT_REASSEMBLY_HEADER - slot->header_len;
	guint8 *ip = frame + NAT_ETH_LEN;
	guint32 ip_len = slot->header_len - NAT_ETH_LEN;

	if (slot->version == 4) {
		jf_put_be16(ip + 2, (guint16)(ip_len + slot->total));
		memset(ip + 6, 0, 2);
		nat_ipv4_fill_csum(ip, ip_len);
	} else {
		jf_put_be16(ip + 4, (guint16)slot->total);
		ip[6] = slot->protocol;
	}
	*len = slot->header_len + slot->total;
	slot_release(slot);
	return frame;
}

void
nat_reassembly_finish(NatReassembly *reassembly)
{
	for (guint i = 0; i < NAT_REASSEMBLY_SLOTS; i++) {
		slot_release(&reassembly->slots[i]);
		g_clear_pointer(&reassembly->slots[i].data, g_free);
	}
}

NatReassemblyResult
nat_reassembly_add(NatReassembly *reassembly, const NatPacket *fragment, guint64 now,
		   guint8 **frame, guint32 *len)
{
	gboolean evicted = FALSE;
	NatSlot *slot;
	Piece piece;

	if (!piece_parse(&piece, fragment))
		return NAT_REASSEMBLY_BROKEN;
	slot = find_slot(reassembly, fragment, &piece, now, &evicted);
	if (!slot_take(slot, fragment, &piece)) {
		slot_release(slot);
		return NAT_REASSEMBLY_BROKEN;
	}
	if (slot->header_len && slot->total && slot->received == slot->total) {
		*frame = slot_finish(slot, len);
		return NAT_REASSEMBLY_WHOLE;
	}
	return evicted ? NAT_REASSEMBLY_FULL : NAT_REASSEMBLY_WAITS;
}
