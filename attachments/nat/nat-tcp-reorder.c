/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tcp-reorder.c - segments of the guest's that came before their turn.
 *
 * They are kept where they will be in the stream: a byte's place in the buffer is its sequence number
 * modulo the buffer's size. Pages that nothing came for cost nothing. A connection has such a buffer
 * while it has a gap, and BUFFERS_MAX connections may have one at a time; what is not kept comes again.
 */
#include "nat-tcp.h"

#include <errno.h>
#include <sys/mman.h>

#define BUFFER_BYTES (2u << 20)
#define BUFFERS_MAX 16u

#define OPTION_NOP 1u
#define OPTION_SACK 5u
#define SACK_BLOCKS_MAX 4u

struct NatTcpReorder {
	guint8 *data;
	NatTcpRanges have;
	guint32 latest; /* begin of the last segment */
	gboolean has_fin;
	guint32 fin; /* its number */
};

static gboolean
reorder_new(NatEngine *engine, NatTcp *tcp)
{
	guint8 *data;

	if (engine->n_reorders >= BUFFERS_MAX)
		return FALSE;
	data = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		return FALSE;
	tcp->reorder = g_new0(NatTcpReorder, 1);
	tcp->reorder->data = data;
	engine->n_reorders++;
	return TRUE;
}

void
nat_tcp_reorder_clear(NatEngine *engine, NatTcp *tcp)
{
	if (!tcp->reorder)
		return;
	munmap(tcp->reorder->data, BUFFER_BYTES);
	g_clear_pointer(&tcp->reorder, g_free);
	engine->n_reorders--;
}

/* Where the bytes from `seq` on are: one piece, or two. */
static guint
pieces_at(const NatTcpReorder *r, guint32 seq, guint32 len, struct iovec iov[2])
{
	guint32 at = seq % BUFFER_BYTES, first = MIN(len, BUFFER_BYTES - at);

	iov[0] = (struct iovec){ r->data + at, first };
	iov[1] = (struct iovec){ r->data, len - first };
	return len > first ? 2 : 1;
}

void
nat_tcp_reorder_keep(NatEngine *engine, NatTcp *tcp, const NatPacket *p, guint32 data_at,
		     guint32 seq, guint32 len)
{
	guint32 edge = tcp->rcv_nxt + BUFFER_BYTES;
	struct iovec iov[2];

	/* No more than the guest was offered. */
	if (nat_seq_lt(tcp->rcv_edge, edge))
		edge = tcp->rcv_edge;
	if (!nat_seq_lt(seq, edge))
		return;
	len = MIN(len, edge - seq);
	if (len == 0 || (!tcp->reorder && !reorder_new(engine, tcp)) ||
	    !nat_tcp_ranges_add(&tcp->reorder->have, seq, seq + len))
		return;
	tcp->reorder->latest = seq;
	for (guint i = 0, n = pieces_at(tcp->reorder, seq, len, iov); i < n; i++) {
		jf_frame_copy(p->frame, data_at, iov[i].iov_base, (guint32)iov[i].iov_len);
		data_at += (guint32)iov[i].iov_len;
	}
}

void
nat_tcp_reorder_keep_fin(NatTcp *tcp, guint32 seq)
{
	if (!tcp->reorder)
		return;
	tcp->reorder->has_fin = TRUE;
	tcp->reorder->fin = seq;
}

/* FALSE: not all of it was taken. */
static gboolean
write_first(NatEngine *engine, NatTcp *tcp)
{
	NatTcpReorder *r = tcp->reorder;
	guint32 len = r->have.at[0].to - tcp->rcv_nxt;
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov };
	gssize n;

	msg.msg_iovlen = pieces_at(r, tcp->rcv_nxt, len, iov);
	tcp->knows_room = FALSE;
	n = sendmsg(tcp->flow.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM && errno != EINTR) {
		nat_tcp_abort(engine, tcp);
		return FALSE;
	}
	tcp->rcv_nxt += n > 0 ? (guint32)n : 0;
	return n == (gssize)len;
}

gboolean
nat_tcp_reorder_drain(NatEngine *engine, NatTcp *tcp)
{
	NatTcpReorder *r = tcp->reorder;
	gboolean ends;

	if (!r)
		return FALSE;
	nat_tcp_ranges_trim(&r->have, tcp->rcv_nxt);
	if (r->have.n && r->have.at[0].from == tcp->rcv_nxt) {
		/* The rest is here already: it waits for room. */
		tcp->wants_room |= !write_first(engine, tcp);
		if (tcp->flow.is_dead)
			return FALSE;
		nat_tcp_ranges_trim(&r->have, tcp->rcv_nxt);
		nat_tcp_owe_ack(engine, tcp);
	}
	ends = r->has_fin && r->fin == tcp->rcv_nxt;
	if (r->have.n == 0)
		nat_tcp_reorder_clear(engine, tcp);
	return ends;
}

static guint8 *
put_block(guint8 *at, const NatTcpRange *range)
{
	jf_put_be32(at, range->from);
	jf_put_be32(at + 4, range->to);
	return at + 8;
}

guint32
nat_tcp_reorder_put_sack(const NatTcp *tcp, guint8 *options)
{
	const NatTcpRanges *have = &tcp->reorder->have;
	guint8 *at = options + 4;
	guint32 first = 0;

	while (first < have->n && !(nat_seq_le(have->at[first].from, tcp->reorder->latest) &&
				    nat_seq_lt(tcp->reorder->latest, have->at[first].to)))
		first++;
	if (first < have->n)
		at = put_block(at, &have->at[first]);
	for (guint32 i = 0; i < have->n && at < options + 4 + 8 * SACK_BLOCKS_MAX; i++) {
		if (i != first)
			at = put_block(at, &have->at[i]);
	}
	options[0] = options[1] = OPTION_NOP;
	options[2] = OPTION_SACK;
	options[3] = (guint8)(at - options - 2);
	return (guint32)(at - options);
}
