/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dgram-tx.c - frames for the VMM, a batch in one sendmmsg.
 *
 * A Unix datagram socket that is not connected is always said to be writable, also while the queue
 * of the one it sends to is full (the kernel's default is ten datagrams). So a refusal is followed
 * by another try after DGRAM_RETRY_NS.
 */
#include "dgram.h"

#include <errno.h>
#include <string.h>

#define DGRAM_RETRY_NS 50000u
/* Reports of earlier datagrams' failures that one call puts up with. */
#define TX_REPORTS 4u

typedef struct TxBatch {
	guint n;
	struct mmsghdr msgs[JF_BATCH_MAX];
	guint n_pieces;
	struct iovec pieces[1024];
} TxBatch;

static const guint8 tx_padding[DGRAM_PAD_LEN];

void
dgram_tx_init(DgramTx *tx)
{
	g_mutex_init(&tx->lock);
	tx->fd = -1;
}

void
dgram_tx_finish(DgramTx *tx)
{
	g_mutex_clear(&tx->lock);
}

void
dgram_tx_start(DgramTx *tx, int fd, const DgramName *peer)
{
	g_mutex_lock(&tx->lock);
	tx->fd = fd;
	tx->peer = *peer;
	g_mutex_unlock(&tx->lock);
}

void
dgram_tx_stop(DgramTx *tx)
{
	g_mutex_lock(&tx->lock);
	tx->fd = -1;
	tx->blocked = FALSE;
	g_mutex_unlock(&tx->lock);
}

void
dgram_tx_set_peer(DgramTx *tx, const DgramName *peer)
{
	g_mutex_lock(&tx->lock);
	tx->peer = *peer;
	g_mutex_unlock(&tx->lock);
}

void
dgram_tx_retry(JfInstance *inst, gpointer data)
{
	Dgram *dgram = data;
	gboolean owed;

	g_mutex_lock(&dgram->tx.lock);
	owed = dgram->tx.blocked;
	dgram->tx.blocked = FALSE;
	g_mutex_unlock(&dgram->tx.lock);
	if (owed)
		inst->host->resume(inst, 0);
}

static void
batch_add(const Dgram *dgram, TxBatch *batch, const JfFrame *frame)
{
	struct iovec *first = &batch->pieces[batch->n_pieces];
	struct msghdr *msg = &batch->msgs[batch->n++].msg_hdr;
	const DgramName *peer = &dgram->tx.peer;

	memcpy(first, frame->iov, frame->n_iov * sizeof *first);
	batch->n_pieces += frame->n_iov;
	if (frame->len < DGRAM_PAD_LEN)
		batch->pieces[batch->n_pieces++] =
			(struct iovec){ (gpointer)tx_padding, DGRAM_PAD_LEN - frame->len };
	*msg = (struct msghdr){ .msg_iov = first,
				.msg_iovlen = (gsize)(&batch->pieces[batch->n_pieces] - first) };
	/* UDP is connected. */
	if (dgram_is_unix(dgram)) {
		msg->msg_name = (gpointer)&peer->sockaddr;
		msg->msg_namelen = peer->len;
	}
}

/* As many of the frames as one sendmmsg takes. */
static void
batch_fill(const Dgram *dgram, TxBatch *batch, const JfFrame *frames, guint n)
{
	batch->n = 0;
	batch->n_pieces = 0;
	for (guint i = 0;
	     i < n && batch->n_pieces + frames[i].n_iov + 1 <= G_N_ELEMENTS(batch->pieces); i++)
		batch_add(dgram, batch, &frames[i]);
}

/* The first datagram of a batch failed. Returns how many frames that settles. */
static guint
tx_fail(Dgram *dgram, int err, guint *reports)
{
	switch (err) {
	case EAGAIN:
		dgram->tx.blocked = TRUE;
		return 0;
	case ECONNREFUSED:
		jf_count(dgram->count.unheard, 1);
		/* UDP says so of an earlier one: this one has not been sent. */
		return dgram_is_unix(dgram) || (*reports)++ >= TX_REPORTS;
	case ENOENT:
	case ENOTCONN:
		jf_count(dgram->count.unheard, 1);
		return 1;
	case EINTR:
		return 0;
	default:
		jf_count(dgram->count.errors, 1);
		return 1;
	}
}

static guint
tx_send(Dgram *dgram, const JfFrame *frames, guint n, guint *reports)
{
	TxBatch batch;
	int sent;

	batch_fill(dgram, &batch, frames, n);
	sent = sendmmsg(dgram->tx.fd, batch.msgs, batch.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent > 0 ? (guint)sent : tx_fail(dgram, errno, reports);
}

static void
tx_blocked(JfInstance *inst, gpointer data)
{
	Dgram *dgram = data;

	g_mutex_lock(&dgram->tx.lock);
	dgram->tx.posted = FALSE;
	g_mutex_unlock(&dgram->tx.lock);
	if (dgram->retry)
		inst->host->timer_arm(dgram->retry,
				      inst->host->now(inst, JF_CLOCK_MONOTONIC) + DGRAM_RETRY_NS);
}

guint
dgram_tx_input(Dgram *dgram, const JfFrame *frames, guint n)
{
	DgramTx *tx = &dgram->tx;
	gboolean post = FALSE;
	guint taken = 0, reports = 0;

	g_mutex_lock(&tx->lock);
	while (taken < n && tx->fd >= 0 && tx->peer.len && !tx->blocked)
		taken += tx_send(dgram, frames + taken, n - taken, &reports);
	if (tx->fd < 0 || !tx->peer.len) {
		jf_count(dgram->count.unheard, n - taken);
		taken = n;
	} else if (tx->blocked && !tx->posted) {
		post = tx->posted = TRUE;
	}
	g_mutex_unlock(&tx->lock);
	if (post)
		dgram->inst->host->post(dgram->inst, tx_blocked, dgram);
	return taken;
}
