/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream-tx.c - frames for the VMM.
 *
 * A batch leaves in one sendmsg. Short frames are first copied together with their lengths: one
 * long piece costs the kernel less than many short ones. A full socket takes a part of the batch:
 * whole frames that did not fit stay with the caller, the rest of a frame that has begun is kept in
 * `tail` and goes out first once the socket is writable.
 */
#include "stream.h"

#include <errno.h>
#include <jackfield/util.h>
#include <string.h>

/* Up to here copying a frame is cheaper than pieces of its own. */
#define TX_COPY_LEN 256u
/* IOV_MAX, the most that sendmsg takes; leaves room for the longest frame at any time. */
#define TX_PIECES 1024u
#define TX_TAIL_SPACE (STREAM_HEAD_LEN + JF_FRAME_MAX_LEN)

typedef struct TxBatch {
	guint n;                    /* frames */
	guint32 wire[JF_BATCH_MAX]; /* each one's bytes on the wire */
	gsize len;                  /* of all */
	guint n_pieces;
	struct iovec pieces[TX_PIECES];
	gsize n_staged;
	guint8 staged[JF_BATCH_MAX * (STREAM_HEAD_LEN + TX_COPY_LEN)];
} TxBatch;

void
stream_tx_init(StreamTx *tx)
{
	g_mutex_init(&tx->lock);
	tx->fd = -1;
}

void
stream_tx_finish(StreamTx *tx)
{
	g_mutex_clear(&tx->lock);
}

gboolean
stream_tx_start(StreamTx *tx, int fd)
{
	guint8 *tail = g_try_malloc(TX_TAIL_SPACE);

	if (!tail)
		return FALSE;
	g_mutex_lock(&tx->lock);
	tx->tail = tail;
	tx->fd = fd;
	g_mutex_unlock(&tx->lock);
	return TRUE;
}

/* Nothing more goes to this VMM. TRUE where frames had been refused. Under the lock. */
static gboolean
tx_close(StreamTx *tx)
{
	gboolean owed = tx->blocked;

	tx->fd = -1;
	tx->blocked = FALSE;
	tx->tail_start = tx->tail_end = 0;
	return owed;
}

gboolean
stream_tx_stop(StreamTx *tx)
{
	gboolean owed;

	g_mutex_lock(&tx->lock);
	owed = tx_close(tx);
	g_clear_pointer(&tx->tail, g_free);
	g_mutex_unlock(&tx->lock);
	return owed;
}

gboolean
stream_tx_is_blocked(StreamTx *tx)
{
	gboolean blocked;

	g_mutex_lock(&tx->lock);
	blocked = tx->blocked;
	g_mutex_unlock(&tx->lock);
	return blocked;
}

static gboolean
tx_error_is_full(int err)
{
	return err == EAGAIN || err == EINTR || err == ENOBUFS || err == ENOMEM;
}

gboolean
stream_tx_flush(StreamTx *tx)
{
	gboolean owed = FALSE;

	g_mutex_lock(&tx->lock);
	if (tx->blocked) {
		ssize_t sent = send(tx->fd, tx->tail + tx->tail_start,
				    tx->tail_end - tx->tail_start, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent >= 0)
			tx->tail_start += (guint32)sent;
		else if (!tx_error_is_full(errno))
			owed = tx_close(tx);
		if (tx->blocked && tx->tail_start == tx->tail_end) {
			tx->blocked = FALSE;
			owed = TRUE;
		}
	}
	g_mutex_unlock(&tx->lock);
	return owed;
}

static void
batch_add_piece(TxBatch *batch, gpointer base, gsize len)
{
	struct iovec *last = batch->n_pieces ? &batch->pieces[batch->n_pieces - 1] : NULL;

	if (last && (guint8 *)last->iov_base + last->iov_len == base)
		last->iov_len += len;
	else
		batch->pieces[batch->n_pieces++] = (struct iovec){ base, len };
}

static void
batch_add(TxBatch *batch, const JfFrame *frame)
{
	guint32 len = MAX(frame->len, STREAM_PAD_LEN);
	guint8 *head = batch->staged + batch->n_staged;

	jf_put_be32(head, len);
	if (len <= TX_COPY_LEN) {
		jf_frame_copy(frame, 0, head + STREAM_HEAD_LEN, frame->len);
		memset(head + STREAM_HEAD_LEN + frame->len, 0, len - frame->len);
		batch_add_piece(batch, head, STREAM_HEAD_LEN + len);
		batch->n_staged += STREAM_HEAD_LEN + len;
	} else {
		batch_add_piece(batch, head, STREAM_HEAD_LEN);
		batch->n_staged += STREAM_HEAD_LEN;
		for (guint i = 0; i < frame->n_iov; i++)
			batch_add_piece(batch, frame->iov[i].iov_base, frame->iov[i].iov_len);
	}
	batch->wire[batch->n++] = STREAM_HEAD_LEN + len;
	batch->len += STREAM_HEAD_LEN + len;
}

/* As many of the frames as one sendmsg takes. */
static void
batch_fill(TxBatch *batch, const JfFrame *frames, guint n)
{
	batch->n = 0;
	batch->len = 0;
	batch->n_pieces = 0;
	batch->n_staged = 0;
	for (guint i = 0; i < n && batch->n_pieces + frames[i].n_iov + 1 <= TX_PIECES; i++)
		batch_add(batch, &frames[i]);
}

/* Bytes `from` up to `to` of the batch. */
static void
batch_copy(const TxBatch *batch, guint8 *dst, gsize from, gsize to)
{
	gsize at = 0;

	for (guint i = 0; i < batch->n_pieces && at < to; i++) {
		const struct iovec *piece = &batch->pieces[i];
		gsize begin = MAX(at, from), end = MIN(at + piece->iov_len, to);

		if (begin < end) {
			memcpy(dst, (guint8 *)piece->iov_base + (begin - at), end - begin);
			dst += end - begin;
		}
		at += piece->iov_len;
	}
}

/* How many frames count as taken once `sent` bytes are; the last one's rest goes to the tail. */
static guint
tx_account(StreamTx *tx, const TxBatch *batch, gsize sent)
{
	gsize end = 0;
	guint n = 0;

	while (n < batch->n && end < sent)
		end += batch->wire[n++];
	batch_copy(batch, tx->tail, sent, end);
	tx->tail_start = 0;
	tx->tail_end = (guint32)(end - sent);
	tx->blocked = TRUE;
	return n;
}

/* How many frames were taken; none more go now where it is fewer than the batch has. */
static guint
tx_send(Stream *stream, const TxBatch *batch)
{
	StreamTx *tx = &stream->tx;
	const struct msghdr msg = { .msg_iov = (struct iovec *)batch->pieces,
				    .msg_iovlen = batch->n_pieces };
	ssize_t sent = sendmsg(tx->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && !tx_error_is_full(errno)) {
		tx_close(tx);
		return 0;
	}
	if (sent == (ssize_t)batch->len)
		return batch->n;
	return tx_account(tx, batch, sent < 0 ? 0 : (gsize)sent);
}

static void
tx_blocked(JfInstance *inst, gpointer data)
{
	Stream *stream = data;

	(void)inst;
	g_mutex_lock(&stream->tx.lock);
	stream->tx.posted = FALSE;
	g_mutex_unlock(&stream->tx.lock);
	stream_link_update(stream);
}

guint
stream_tx_input(Stream *stream, const JfFrame *frames, guint n)
{
	StreamTx *tx = &stream->tx;
	gboolean post = FALSE;
	TxBatch batch;
	guint taken = 0;

	g_mutex_lock(&tx->lock);
	while (taken < n && tx->fd >= 0 && !tx->blocked) {
		batch_fill(&batch, frames + taken, n - taken);
		taken += tx_send(stream, &batch);
	}
	if (tx->fd < 0) {
		jf_count(stream->count.unheard, n - taken);
		taken = n;
	} else if (tx->blocked && !tx->posted) {
		post = tx->posted = TRUE;
	}
	g_mutex_unlock(&tx->lock);
	if (post)
		stream->inst->host->post(stream->inst, tx_blocked, stream);
	return taken;
}
