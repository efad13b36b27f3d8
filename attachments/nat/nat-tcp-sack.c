/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tcp-sack.c - what the guest has of what was sent to it, and what has to be sent again.
 *
 * Loss is found as RFC 6675 has it: three acknowledgements that say the same, or more than two
 * segments beyond a gap that the guest says it has. Then every gap below what it has is filled once. No
 * frame overtakes another on a cable, so that a gap is lost anew when the guest has what was sent
 * after it had been filled. There is no congestion window: the guest's own bounds what is on its way.
 */
#include "nat-tcp.h"

#define DUP_ACKS 3u

gboolean
nat_tcp_ranges_add(NatTcpRanges *ranges, guint32 from, guint32 to)
{
	NatTcpRange *at = ranges->at;
	guint32 first = 0, next;

	while (first < ranges->n && nat_seq_lt(at[first].to, from))
		first++;
	for (next = first; next < ranges->n && nat_seq_le(at[next].from, to); next++) {
		from = nat_seq_lt(at[next].from, from) ? at[next].from : from;
		to = nat_seq_lt(to, at[next].to) ? at[next].to : to;
	}
	if (next == first && ranges->n == NAT_TCP_RANGES_MAX)
		return FALSE;
	memmove(at + first + 1, at + next, (ranges->n - next) * sizeof *at);
	ranges->n += 1 - (next - first);
	at[first] = (NatTcpRange){ from, to };
	return TRUE;
}

void
nat_tcp_ranges_trim(NatTcpRanges *ranges, guint32 below)
{
	NatTcpRange *at = ranges->at;
	guint32 gone = 0;

	while (gone < ranges->n && nat_seq_le(at[gone].to, below))
		gone++;
	ranges->n -= gone;
	memmove(at, at + gone, ranges->n * sizeof *at);
	if (ranges->n && nat_seq_lt(at[0].from, below))
		at[0].from = below;
}

static guint32
sacked_beyond(const NatTcpRanges *sacked, guint32 seq)
{
	guint32 bytes = 0;

	for (guint32 i = sacked ? sacked->n : 0; i-- > 0 && nat_seq_lt(seq, sacked->at[i].to);) {
		guint32 from = sacked->at[i].from;

		bytes += sacked->at[i].to - (nat_seq_lt(from, seq) ? seq : from);
	}
	return bytes;
}

gboolean
nat_tcp_take_sack(NatTcp *tcp, const guint8 *blocks, guint32 len)
{
	guint32 before = sacked_beyond(tcp->sacked, tcp->snd_una);

	for (; len >= 8; blocks += 8, len -= 8) {
		guint32 from = jf_get_be32(blocks), to = jf_get_be32(blocks + 4);

		/* Also what it says it got twice (RFC 2883). */
		if (nat_seq_lt(from, tcp->snd_una) || !nat_seq_lt(from, to) ||
		    nat_seq_lt(tcp->snd_max, to))
			continue;
		if (!tcp->sacked)
			tcp->sacked = g_new0(NatTcpRanges, 1);
		nat_tcp_ranges_add(tcp->sacked, from, to);
	}
	return sacked_beyond(tcp->sacked, tcp->snd_una) != before;
}

static void
begin_pass(NatTcp *tcp)
{
	if (!tcp->recovering)
		tcp->recover = tcp->snd_max;
	tcp->recovering = tcp->resends = TRUE;
	tcp->resent = tcp->snd_una;
	tcp->resent_max = tcp->snd_max;
}

gboolean
nat_tcp_fill_again(NatTcp *tcp)
{
	if (!tcp->sacked || tcp->sacked->n == 0 || tcp->snd_nxt != tcp->snd_max)
		return FALSE;
	begin_pass(tcp);
	return TRUE;
}

void
nat_tcp_find_loss(NatTcp *tcp)
{
	guint32 beyond = tcp->recovering ? tcp->resent_max : tcp->snd_una;
	guint32 bytes = sacked_beyond(tcp->sacked, beyond);
	gboolean alike;

	/* Without more word from the guest, three for each place where it waits: a part that was sent
	 * again may be lost again. */
	alike = tcp->dup_acks == DUP_ACKS && (!tcp->recovering || !tcp->sacked || !tcp->sacked->n);
	/* After a timeout all of it is sent again anyway. */
	if (tcp->snd_nxt != tcp->snd_max && !alike)
		return;
	if (bytes <= 2u * tcp->mss && !alike) {
		tcp->resends |= tcp->recovering && tcp->sacked && tcp->sacked->n;
		return;
	}
	begin_pass(tcp);
}

gboolean
nat_tcp_find_hole(const NatTcp *tcp, guint32 frame, NatTcpRange *hole)
{
	const NatTcpRanges *sacked = tcp->sacked;

	*hole = (NatTcpRange){ tcp->resent, tcp->snd_una + frame };
	if (!sacked || sacked->n == 0) {
		if (nat_seq_lt(tcp->snd_max, hole->to))
			hole->to = tcp->snd_max;
		return tcp->resent == tcp->snd_una && nat_seq_lt(hole->from, hole->to);
	}
	for (guint32 i = 0; i < sacked->n; i++) {
		if (nat_seq_lt(hole->from, sacked->at[i].from)) {
			hole->to = sacked->at[i].from;
			return TRUE;
		}
		if (nat_seq_lt(hole->from, sacked->at[i].to))
			hole->from = sacked->at[i].to;
	}
	return FALSE;
}

void
nat_tcp_forget_sack(NatTcp *tcp)
{
	g_clear_pointer(&tcp->sacked, g_free);
	tcp->recovering = tcp->resends = FALSE;
	tcp->dup_acks = 0;
}
