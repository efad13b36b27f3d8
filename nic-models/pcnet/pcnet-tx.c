/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-tx.c - transmission.
 *
 * A run takes whole frames from the ring, STP to ENP, and hands up to a batch of them to the cable
 * right out of guest memory. Descriptors go back to the driver once their frame is out, so a full
 * network stops the ring and nothing is lost, and nothing needs to be remembered between runs.
 *
 * The chip looks at an idle ring by itself about every 2 ms unless CSR4.DPOLL (data sheet, "Transmit
 * Descriptor Table Entry"). Drivers of today ask by TDMD instead, after every frame or at least when
 * the ring was idle, so for them a few looks after each run are enough and an idle card costs
 * nothing; a driver whose frames were found by looking is looked after at the chip's own pace.
 *
 * A frame takes no time here, but 121 us on a wire of 100 Mbit/s, and an interrupt costs the driver a
 * dozen accesses to registers. So TINT is set a little after the frame went: with the next other event,
 * when the driver looks at CSR0, or once half of the ring waits for it.
 */
#include "pcnet.h"

#include <string.h>

#define POLL_FIRST (2 * 1000 * 1000ull)
#define POLL_LAST (100 * 1000 * 1000ull)
#define TINT_DELAY (200 * 1000ull)
#define PIECES_MAX 16u /* of one frame; one in more pieces is sent from a copy */

static const guint8 zeros[PCNET_FRAME_MIN];

/* One frame of a batch. */
typedef struct TxFrame {
	guint descriptors; /* that it takes */
	guint16 last;      /* status of its last one */
	guint32 len;       /* with a driver's own FCS */
	guint32 error;     /* TMD2 bits to write back, 0: none */
	gboolean drop;     /* goes nowhere */
	guint n;
	struct iovec pieces[PIECES_MAX + 1]; /* room for padding */
} TxFrame;

typedef struct TxBatch {
	guint n, descriptors;
	gboolean is_broken; /* a bus error ended it */
	TxFrame tx[JF_BATCH_MAX];
	JfFrame frames[JF_BATCH_MAX];
	guint8 copy[PCNET_FRAME_MAX]; /* for one frame that lies in too many pieces */
	gboolean copy_used;
} TxBatch;

/* ---- Taking frames from the ring ---- */

/* Whether the frame must go through a copy of its own, which each batch has room for once. */
static gboolean
frame_copy(Pcnet *p, TxBatch *batch, guint ahead, TxFrame *tx)
{
	guint done = 0;

	if (batch->copy_used)
		return FALSE;
	for (guint i = 0; i < tx->descriptors; i++) {
		PcnetDescriptor d;
		guint len;

		batch->is_broken = !pcnet_tx_load(p, ahead + i, &d);
		if (batch->is_broken)
			return FALSE;
		len = MIN(pcnet_buffer_len(&d) & 0xfffu, tx->len - done);
		if (!p->pci->dma_read(p->inst, d.buffer, batch->copy + done, len)) {
			jf_count(p->dma_errors, 1);
			batch->is_broken = TRUE;
			return FALSE;
		}
		done += len;
	}
	batch->copy_used = TRUE;
	tx->len = done;
	tx->n = 1;
	tx->pieces[0] = (struct iovec){ batch->copy, done };
	return TRUE;
}

/* Adds a descriptor's buffer; one that cannot be pointed at marks the frame for copying (n beyond
 * PIECES_MAX). */
static void
frame_add(Pcnet *p, TxFrame *tx, const PcnetDescriptor *d)
{
	guint32 len = pcnet_buffer_len(d) & 0xfffu; /* a length of 0 is none */
	gpointer base;

	tx->descriptors++;
	tx->last = d->status;
	tx->drop |= len > PCNET_FRAME_MAX - tx->len;
	if (tx->drop || len == 0)
		return;
	tx->len += len;
	base = tx->n < PIECES_MAX ? p->pci->dma_map(p->inst, d->buffer, len, FALSE) : NULL;
	if (base)
		tx->pieces[tx->n++] = (struct iovec){ base, len };
	else
		tx->n = PIECES_MAX + 1;
}

/* Gathers the frame `ahead` of the current descriptor. FALSE: there is no whole one. */
static gboolean
frame_gather(Pcnet *p, TxBatch *batch, guint ahead, TxFrame *tx)
{
	guint ring = pcnet_tx_ring_len(p);
	PcnetDescriptor d;

	tx->descriptors = tx->len = tx->error = tx->n = 0;
	tx->drop = FALSE;
	while (ahead + tx->descriptors < ring) {
		if (!pcnet_tx_load(p, ahead + tx->descriptors, &d)) {
			batch->is_broken = TRUE;
			return FALSE;
		}
		if (!(d.status & MD_OWN))
			return FALSE;
		if (tx->descriptors == 0 && !(d.status & MD_STP)) {
			tx->drop = TRUE; /* skipped until a frame begins */
			tx->descriptors = 1;
			tx->last = d.status & (guint16)~MD_ENP;
			return TRUE;
		}
		frame_add(p, tx, &d);
		if (d.status & MD_ENP)
			return TRUE;
	}
	/* A ring full of one frame that has no end. */
	tx->drop = TRUE;
	return ahead == 0;
}

/* Takes off the FCS of a driver that makes its own, and pads. */
static void
frame_trim(const Pcnet *p, TxFrame *tx)
{
	gboolean own_fcs = (p->csr[15] & MODE_DXMTFCS) && !(tx->last & TMD_ADD_FCS);
	guint32 excess = own_fcs ? MIN(tx->len, PCNET_CRC_LEN) : 0;

	tx->len -= excess;
	while (excess > 0 && tx->n > 0) {
		struct iovec *piece = &tx->pieces[tx->n - 1];
		guint32 cut = MIN(excess, (guint32)piece->iov_len);

		piece->iov_len -= cut;
		excess -= cut;
		if (piece->iov_len == 0)
			tx->n--;
	}
	if (tx->len < PCNET_FRAME_MIN)
		tx->pieces[tx->n++] = (struct iovec){ (gpointer)zeros, PCNET_FRAME_MIN - tx->len };
}

/* What becomes of a whole frame. FALSE: it has to wait for the next batch. */
static gboolean
frame_judge(Pcnet *p, TxBatch *batch, TxFrame *tx)
{
	gboolean loop = (p->csr[15] & MODE_LOOP) != 0;
	gboolean inside = loop && (p->csr[15] & MODE_INTL);

	if (tx->drop) {
		if (tx->last & MD_ENP)
			jf_count(p->jumbo, 1);
		return TRUE;
	}
	if (tx->len == 0) {
		tx->drop = TRUE;
		tx->last &= (guint16)~MD_ENP; /* no frame, so no interrupt either */
		return TRUE;
	}
	if (tx->n > PIECES_MAX && !frame_copy(p, batch, batch->descriptors, tx))
		return FALSE;
	if (inside && (p->csr[15] & MODE_FCOLL)) {
		tx->drop = TRUE;
		tx->error = TMD2_RTRY | 15; /* all tries collided */
	} else if (!inside && !p->link) {
		jf_count(p->no_carrier, 1);
		tx->drop = TRUE;
		tx->error = TMD2_LCAR;
		p->csr[0] |= CSR0_CERR;
	}
	return TRUE;
}

static void
batch_gather(Pcnet *p, TxBatch *batch)
{
	batch->n = batch->descriptors = 0;
	batch->is_broken = batch->copy_used = FALSE;
	while (batch->n < JF_BATCH_MAX && !batch->is_broken) {
		TxFrame *tx = &batch->tx[batch->n];

		if (!frame_gather(p, batch, batch->descriptors, tx) || !frame_judge(p, batch, tx))
			break;
		batch->descriptors += tx->descriptors;
		batch->n++;
	}
}

/* ---- Sending them ---- */

/* Frames i and on up to the next that goes nowhere; how many of them. */
static guint
batch_stretch(const Pcnet *p, TxBatch *batch, guint i)
{
	guint n = 0;

	for (; i + n < batch->n && !batch->tx[i + n].drop; n++) {
		TxFrame *tx = &batch->tx[i + n];

		frame_trim(p, tx);
		batch->frames[i + n] = (JfFrame){ .iov = tx->pieces, .n_iov = tx->n };
		batch->frames[i + n].len = MAX(tx->len, PCNET_FRAME_MIN);
	}
	return n;
}

static void
frame_loop_back(Pcnet *p, const TxFrame *tx, const JfFrame *frame)
{
	gboolean runt = tx->len < PCNET_FRAME_MIN && !(p->csr[4] & CSR4_APAD_XMT);
	guint8 data[PCNET_FRAME_MAX + PCNET_FRAME_MIN];

	if (frame->len <= sizeof data && jf_frame_copy(frame, 0, data, frame->len))
		pcnet_loop_back(p, data, frame->len, runt);
}

/* TINT comes after every frame unless the driver chose otherwise (CSR5). */
static gboolean
wants_interrupt(const Pcnet *p, const TxFrame *tx)
{
	if ((p->csr[5] & CSR5_TOKINTD) || !(tx->last & MD_ENP))
		return FALSE;
	return !(p->csr[5] & CSR5_LTINTEN) || (tx->last & TMD_LTINT);
}

/* Gives the frame's descriptors back. FALSE after a bus error. */
static gboolean
frame_give_back(Pcnet *p, const TxFrame *tx)
{
	gboolean stored = TRUE;

	for (guint i = 0; i < tx->descriptors; i++) {
		PcnetDescriptor d;

		if (!pcnet_tx_load(p, 0, &d))
			return FALSE;
		d.status &= (guint16)~MD_OWN;
		d.extra = 0;
		if (tx->error && i + 1 == tx->descriptors) {
			d.status |= MD_ERR;
			d.extra = tx->error;
		}
		/* The driver of Windows NT 4 gives away a descriptor that it has nothing in, of
		 * length 0, and fills that same one next. */
		if (tx->descriptors > 1 || d.bcnt != 0)
			pcnet_tx_advance(p);
		stored &= pcnet_tx_store(p, &d);
	}
	return stored;
}

/* Counts the frames that want an interrupt in *tints. FALSE: the cable has no room. */
static gboolean
batch_send(Pcnet *p, TxBatch *batch, guint16 *events, guint *tints)
{
	gboolean loop = (p->csr[15] & MODE_LOOP) != 0, inside = loop && (p->csr[15] & MODE_INTL);
	guint i = 0;

	while (i < batch->n) {
		guint want = batch_stretch(p, batch, i), done = want;

		if (want > 0 && !inside)
			done = p->host->output(p->inst, 0, batch->frames + i, want);
		for (guint k = 0; k < (want ? done : 1); k++, i++) {
			const TxFrame *tx = &batch->tx[i];

			if (want > 0)
				p->csr[4] |= CSR4_TXSTRT;
			if (want > 0 && loop)
				frame_loop_back(p, tx, &batch->frames[i]);
			if (!frame_give_back(p, tx))
				*events |= CSR0_MERR;
			else if (tx->error)
				*events |= CSR0_TINT;
			else
				*tints += wants_interrupt(p, tx);
		}
		if (done < want)
			return FALSE;
	}
	return TRUE;
}

/* ---- Runs ---- */

void
pcnet_tint_flush(Pcnet *p)
{
	if (p->tints > 0)
		pcnet_event(p, 0);
}

static void
tint_soon(Pcnet *p, guint frames)
{
	if (frames == 0)
		return;
	if (p->tints == 0)
		p->host->timer_arm(p->tint, p->host->now(p->inst, JF_CLOCK_MONOTONIC) + TINT_DELAY);
	p->tints += frames;
	if (p->tints >= MIN(pcnet_tx_ring_len(p), PCNET_RING_MAX) / 2)
		pcnet_tint_flush(p);
}

static void
poll_again(Pcnet *p)
{
	if ((p->csr[4] & CSR4_DPOLL) || !(p->csr[0] & CSR0_TXON))
		return;
	if (p->tx_demands && p->poll_ns >= POLL_LAST)
		return;
	if (p->tx_polled && !p->tx_demands)
		p->poll_ns = POLL_FIRST;
	else
		p->poll_ns = MIN(MAX(p->poll_ns * 2, POLL_FIRST), POLL_LAST);
	pcnet_poll_within(p, p->poll_ns);
}

static gboolean
transmit_is_on(const Pcnet *p)
{
	return (p->csr[0] & CSR0_TXON) && !(p->csr[5] & CSR5_SPND);
}

gboolean
pcnet_transmit(Pcnet *p)
{
	guint16 events = 0;
	guint tints = 0;
	TxBatch batch;
	gboolean room;

	p->csr[0] &= (guint16)~CSR0_TDMD;
	if (!transmit_is_on(p))
		return FALSE;
	p->pci->dma_enter(p->inst);
	batch_gather(p, &batch);
	room = batch_send(p, &batch, &events, &tints);
	p->pci->dma_leave(p->inst);
	if (room && batch.is_broken) {
		events |= CSR0_MERR;
		p->csr[0] &= (guint16)~CSR0_TXON;
	}
	tint_soon(p, tints);
	if (events)
		pcnet_event(p, events);
	else if (batch.n > 0)
		pcnet_update_irq(p); /* TXSTRT */
	if (batch.n > 0)
		p->poll_ns = 0;
	if (room && batch.n > 0 && !batch.is_broken)
		pcnet_transmit_soon(p); /* others on the worker have their turn first */
	else if (room)
		poll_again(p);
	return batch.n > 0;
}
