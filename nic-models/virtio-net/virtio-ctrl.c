/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-ctrl.c - the control queue (virtio 1.2, 5.1.6.5).
 *
 * A command is copied out of the guest's memory, carried out, and answered with one byte. It is run
 * when the driver notifies, whatever the device status says: drivers of FreeBSD up to 12.3 send
 * commands before DRIVER_OK.
 */
#include <string.h>

#include "virtio-ring.h"

#define CTRL_RX 0u
#define CTRL_MAC 1u
#define CTRL_VLAN 2u
#define CTRL_ANNOUNCE 3u
#define CTRL_MQ 4u
#define CTRL_GUEST_OFFLOADS 5u

#define RX_PROMISC 0u
#define RX_ALLMULTI 1u
#define RX_ALLUNI 2u
#define RX_NOMULTI 3u
#define RX_NOUNI 4u
#define RX_NOBCAST 5u
#define MAC_TABLE_SET 0u
#define MAC_ADDR_SET 1u
#define VLAN_ADD 0u
#define VLAN_DEL 1u
#define ANNOUNCE_ACK 0u
#define MQ_VQ_PAIRS_SET 0u
#define GUEST_OFFLOADS_SET 0u

#define ACK_OK 0u
#define ACK_ERR 1u

/* Class, command, and the longest argument: two tables of addresses. Longer tables are cut here and
 * seen as an overflow by their count. */
#define COMMAND_MAX (2u + 2u * (4u + 6u * 256u))
#define CTRL_PIECES 64u
/* Commands of one notification; a driver sends one and waits. */
#define COMMANDS_MAX 256u

typedef struct Command {
	guint8 class, cmd;
	const guint8 *data;
	gsize len;
} Command;

static guint32
get_le(const guint8 *p, guint n)
{
	guint32 value = 0;

	for (guint i = 0; i < n; i++)
		value |= (guint32)p[i] << 8 * i;
	return value;
}

/* ---- Commands; FALSE: refused ---- */

static gboolean
rx_mode(VirtioNet *net, const Command *c)
{
	VnFilter *filter = &net->filter;
	gboolean *const modes[] = { &filter->promisc, &filter->allmulti, &filter->alluni,
				    &filter->nomulti, &filter->nouni,    &filter->nobcast };

	if (c->len != 1 || c->cmd >= G_N_ELEMENTS(modes))
		return FALSE;
	if (!(net->features &
	      (c->cmd <= RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA)))
		return FALSE;
	*modes[c->cmd] = c->data[0] != 0;
	return TRUE;
}

/* One table: a count and as many addresses. What follows it is left in *data. */
static gboolean
parse_table(const guint8 **data, gsize *len, VnMacTable *table)
{
	guint32 n;

	if (*len < 4)
		return FALSE;
	n = get_le(*data, 4);
	*data += 4;
	*len -= 4;
	if (n > *len / 6)
		return FALSE;
	table->overflow = n > VN_MACS_MAX;
	table->n = MIN(n, VN_MACS_MAX);
	memcpy(table->macs, *data, 6 * (gsize)table->n);
	*data += 6 * (gsize)n;
	*len -= 6 * (gsize)n;
	return TRUE;
}

static gboolean
mac_table(VirtioNet *net, const Command *c)
{
	VnMacTable unicast = { 0 }, multicast = { 0 };
	const guint8 *data = c->data;
	gsize len = c->len;

	if (!(net->features & VIRTIO_NET_F_CTRL_RX) || !parse_table(&data, &len, &unicast) ||
	    !parse_table(&data, &len, &multicast) || len != 0)
		return FALSE;
	net->filter.unicast = unicast;
	net->filter.multicast = multicast;
	return TRUE;
}

static gboolean
mac_command(VirtioNet *net, const Command *c)
{
	if (c->cmd == MAC_TABLE_SET)
		return mac_table(net, c);
	if (c->cmd != MAC_ADDR_SET || c->len != 6 || !(net->features & VIRTIO_NET_F_CTRL_MAC_ADDR))
		return FALSE;
	memcpy(net->filter.mac, c->data, 6);
	return TRUE;
}

static gboolean
vlan_command(VirtioNet *net, const Command *c)
{
	guint32 id;

	if (c->cmd > VLAN_DEL || c->len != 2 || !(net->features & VIRTIO_NET_F_CTRL_VLAN))
		return FALSE;
	id = get_le(c->data, 2);
	if (id >= VN_VLANS)
		return FALSE;
	if (c->cmd == VLAN_ADD)
		net->filter.vlans[id / 32] |= 1u << id % 32;
	else
		net->filter.vlans[id / 32] &= ~(1u << id % 32);
	return TRUE;
}

static gboolean
announce_command(VirtioNet *net, const Command *c)
{
	if (c->cmd != ANNOUNCE_ACK || !(net->features & VIRTIO_NET_F_GUEST_ANNOUNCE))
		return FALSE;
	net->announce = FALSE;
	return TRUE;
}

static gboolean
mq_command(VirtioNet *net, const Command *c)
{
	guint32 pairs;

	if (c->cmd != MQ_VQ_PAIRS_SET || c->len != 2 || !(net->features & VIRTIO_NET_F_MQ))
		return FALSE;
	pairs = get_le(c->data, 2);
	if (pairs < 1 || pairs > net->pairs_max)
		return FALSE;
	vn_transport_set_pairs(net, pairs);
	return TRUE;
}

/* Offloads State Configuration: any of the offloads that were negotiated. */
static gboolean
offloads_command(VirtioNet *net, const Command *c)
{
	guint64 offloads;

	if (c->cmd != GUEST_OFFLOADS_SET || c->len != 8 ||
	    !(net->features & VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		return FALSE;
	offloads = get_le(c->data, 4) | (guint64)get_le(c->data + 4, 4) << 32;
	if (offloads & ~(net->features & VN_FEATURES_GUEST))
		return FALSE;
	vn_rx_lock_all(net);
	vn_features_set_guest(net, offloads);
	vn_rx_unlock_all(net);
	return TRUE;
}

static gboolean
is_filter_command(const Command *c)
{
	return c->class == CTRL_RX || c->class == CTRL_MAC || c->class == CTRL_VLAN;
}

static gboolean
filter_command(VirtioNet *net, const Command *c)
{
	gboolean ok;

	vn_rx_lock_all(net);
	ok = c->class == CTRL_RX    ? rx_mode(net, c)
	     : c->class == CTRL_MAC ? mac_command(net, c)
				    : vlan_command(net, c);
	vn_filter_update(&net->filter);
	vn_rx_unlock_all(net);
	return ok;
}

static gboolean
run_command(VirtioNet *net, const Command *c)
{
	if (is_filter_command(c))
		return filter_command(net, c);
	switch (c->class) {
	case CTRL_ANNOUNCE:
		return announce_command(net, c);
	case CTRL_MQ:
		return mq_command(net, c);
	case CTRL_GUEST_OFFLOADS:
		return offloads_command(net, c);
	default:
		return FALSE;
	}
}

/* ---- The queue ---- */

/* Copies what the driver wrote; the length may be cut. */
static gsize
gather(const struct iovec *iov, guint n, guint8 *to, gsize max)
{
	gsize done = 0;

	for (guint i = 0; i < n && done < max; i++) {
		gsize part = MIN(iov[i].iov_len, max - done);

		memcpy(to + done, iov[i].iov_base, part);
		done += part;
	}
	return done;
}

static VnTake
take_command(VnQueue *q, VnRing *ring, VnCursor *cursor)
{
	struct iovec pieces[CTRL_PIECES];
	guint8 bytes[COMMAND_MAX], ack = ACK_ERR;
	VnUsed used = { 0 };
	VnBuffer buffer;
	Command c;
	gsize len;
	VnTake take;

	take = vn_take(q, ring, cursor, &buffer, pieces, CTRL_PIECES, VN_BOTH, q->packed);
	if (take != VN_TAKEN)
		return take;
	len = gather(pieces, buffer.n_out, bytes, sizeof bytes);
	if (len < 2 || buffer.n_out == buffer.n_iov)
		return VN_BAD;
	c = (Command){ .class = bytes[0], .cmd = bytes[1], .data = bytes + 2, .len = len - 2 };
	if (!buffer.cut && run_command(q->net, &c))
		ack = ACK_OK;
	*(guint8 *)pieces[buffer.n_out].iov_base = ack;
	if (ring->log)
		vn_ring_log_pieces(ring, &pieces[buffer.n_out], 1);
	used = (VnUsed){ .id = buffer.id, .n_descs = buffer.n_descs, .len = 1 };
	if (vn_ring_use(q, ring, &used, 1, FALSE))
		vn_queue_signal(q);
	return VN_TAKEN;
}

void
vn_ctrl_run(VirtioNet *net)
{
	VnQueue *q = &net->ctrl;
	VnTake take = VN_TAKEN;
	VnCursor cursor;
	VnRing ring;

	if (!q->started || q->broken)
		return;
	net->pci->dma_enter(net->inst);
	if (vn_ring_open(q, &ring)) {
		for (guint i = 0; i < COMMANDS_MAX && take == VN_TAKEN; i++) {
			if (!vn_cursor_init(&cursor, q, &ring, q->packed))
				take = VN_BAD;
			else
				take = take_command(q, &ring, &cursor);
			/* With EVENT_IDX the driver is told each time how far we are. */
			if (take == VN_TAKEN)
				vn_queue_set_notify(q, TRUE);
		}
		vn_ring_close(q, &ring);
	}
	if (take == VN_BAD)
		vn_queue_break(q);
	net->pci->dma_leave(net->inst);
}
