/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-tx.c - transmission: runs over the ring.
 *
 * A run takes packets from the head of the ring as a batch of frames that point into guest memory,
 * and hands them on. Only what was taken is reported done; the rest stays in the ring, and the
 * network's resume begins the next run at the same place, which may be in the middle of a packet
 * that the model segments. A packet whose end is not yet in the ring stays there as well.
 *
 * After RUN_BATCHES batches the worker does something else first.
 */
#include "e1000.h"

#include <string.h>

#define RUN_BATCHES 4u
#define TXDCTL_LWTHRESH_SHIFT 25

typedef enum { RUN_IDLE, RUN_REFUSED, RUN_MORE } RunResult;

void
e1000_tx_reset(E1000 *e)
{
	e->tx_skip = FALSE;
	e->tx_done = 0;
	memset(e->tx_context, 0, sizeof e->tx_context);
}

/* ---- Where frames go ---- */

static gboolean
loop_segment(const JfFrame *frame, gpointer data)
{
	return e1000_receive(data, frame, TRUE);
}

/* SDM 13.4.22, LBM; PHY register 0. All are taken: what finds no room is missed. */
static guint
loop_back(E1000 *e, const E1000TxBatch *b)
{
	guint32 before;

	e1000_enter(e);
	before = e1000_get(e, E1000_RDH);
	for (guint i = 0; i < b->n_frames; i++)
		jf_frame_segment(&b->frames[i], JF_OFFLOAD_CSUM, loop_segment, e);
	if (e1000_get(e, E1000_RDH) != before)
		e1000_rx_interrupt(e);
	e1000_leave(e);
	return b->n_frames;
}

static guint
send_frames(E1000 *e, const E1000TxBatch *b)
{
	if (b->n_frames == 0)
		return 0;
	if ((e1000_get(e, E1000_RCTL) & RCTL_LBM) || e1000_phy_is_loop(e))
		return loop_back(e, b);
	if (!e->link) {
		jf_count(e->no_carrier, b->n_frames);
		return b->n_frames;
	}
	return e->host->output(e->inst, 0, b->frames, b->n_frames);
}

/* ---- What the guest hears of it ---- */

/* Marks descriptors done that ask for it. Returns which interrupts that makes. */
static guint
report_done(E1000 *e, const E1000TxBatch *b, guint64 base, guint len, guint n)
{
	guint head = e1000_get(e, E1000_TDH), causes = 0;
	const guint8 done = 1; /* TXD.STA.DD */

	for (guint i = 0; i < n; i++) {
		guint64 at = base + (guint64)((head + i) % len) * E1000_DESC_LEN + 12;

		if (!(b->cmd[i] & TXD_RS))
			continue;
		if (!e->pci->dma_write(e->inst, at, &done, 1))
			jf_count(e->dma_errors, 1);
		causes |= b->cmd[i] & TXD_IDE ? TXD_IDE : TXD_RS;
	}
	return causes;
}

static void
raise_done(E1000 *e, guint causes, guint left_before, guint left)
{
	guint low = (e1000_get(e, E1000_TXDCTL) >> TXDCTL_LWTHRESH_SHIFT) * 8;
	guint32 icr = left == 0 ? ICR_TXQE : 0;

	if (low && left <= low && left_before > low)
		icr |= ICR_TXD_LOW;
	if (causes & TXD_RS)
		icr |= ICR_TXDW;
	else if (causes)
		e1000_tx_interrupt(e);
	if (icr)
		e1000_raise(e, icr);
}

/* What came of the first `taken` frames. */
static guint
packets_done(const E1000TxBatch *b, guint taken)
{
	guint n = 0;

	while (n < b->n_packets && !b->packets[n].open && b->packets[n].frames <= taken)
		n++;
	return n;
}

static void
count_packets(E1000 *e, const E1000TxBatch *b, guint n, guint taken)
{
	for (guint i = 0; i < n; i++) {
		if (b->packets[i].is_bad)
			jf_count(e->tx_dropped, 1);
		if (b->packets[i].is_tso)
			e1000_stat_add(e, b->packets[i].is_bad ? E1000_TSCTFC : E1000_TSCTC, 1);
	}
	for (guint i = 0; e->link && i < taken; i++)
		e1000_stat_sent(e, &b->frames[i], &b->marks[i]);
}

/* With the lock. */
static void
complete(E1000 *e, const E1000TxBatch *b, guint64 base, guint len, guint count, guint taken)
{
	guint n = packets_done(b, taken), first = n ? b->packets[n - 1].frames : 0;
	guint descs = n ? b->packets[n - 1].descs : 0, causes;

	count_packets(e, b, n, taken);
	if (n) {
		memcpy(e->tx_context, b->packets[n - 1].context, sizeof e->tx_context);
		e->tx_skip = b->packets[n - 1].skip;
		e->tx_done = 0;
	}
	if (taken > first)
		e->tx_done = b->marks[taken - 1].done;
	if (descs == 0)
		return;
	causes = report_done(e, b, base, len, descs);
	e1000_put(e, E1000_TDH, (e1000_get(e, E1000_TDH) + descs) % len);
	raise_done(e, causes, count, count - descs);
}

/* ---- Runs ---- */

/* Descriptors that are ours; 0 also where head or tail are not in the ring. */
static guint
ring_count(const E1000 *e, guint len)
{
	guint head = e1000_get(e, E1000_TDH), tail = e1000_get(e, E1000_TDT);

	if (!(e1000_get(e, E1000_TCTL) & TCTL_EN) || head >= len || tail >= len)
		return 0;
	return tail >= head ? tail - head : len - head + tail;
}

static RunResult
run_batch(E1000 *e)
{
	guint64 base = (guint64)e1000_get(e, E1000_TDBAH) << 32 | e1000_get(e, E1000_TDBAL);
	guint len = e1000_get(e, E1000_TDLEN) / E1000_DESC_LEN, count = ring_count(e, len), taken;
	E1000TxBatch *b = &e->batch;
	RunResult result = RUN_MORE;

	if (count == 0)
		return RUN_IDLE;
	e->pci->dma_enter(e->inst);
	if (!e1000_tx_fill(e, b, base, e1000_get(e, E1000_TDH), count, len)) {
		jf_count(e->dma_errors, 1);
		result = RUN_IDLE;
	} else {
		taken = send_frames(e, b);
		e1000_enter(e);
		complete(e, b, base, len, count, taken);
		e1000_leave(e);
		if (taken < b->n_frames)
			result = RUN_REFUSED;
		else if (b->n_packets == 0)
			result = RUN_IDLE;
	}
	e->pci->dma_leave(e->inst);
	return result;
}

void
e1000_transmit(E1000 *e)
{
	for (guint i = 0; i < RUN_BATCHES; i++)
		if (run_batch(e) != RUN_MORE)
			return;
	e1000_transmit_soon(e);
}
