/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap-tx.c - frames for the device: one writev each, from the pieces that the sender has them in.
 *
 * The kernel takes a frame all the way to its receiver's socket within the call. Where `send-buffer`
 * limits the bytes that wait in the host's queues, a full one refuses the frame and poll says when
 * there is room.
 */
#include "tap.h"

#include <errno.h>
#include <sys/uio.h>

void
tap_tx_init(TapTx *tx)
{
	g_mutex_init(&tx->lock);
	tx->fd = -1;
}

void
tap_tx_finish(TapTx *tx)
{
	g_mutex_clear(&tx->lock);
}

void
tap_tx_start(TapTx *tx, int fd)
{
	g_mutex_lock(&tx->lock);
	tx->fd = fd;
	tx->blocked = tx->gone = FALSE;
	g_mutex_unlock(&tx->lock);
}

void
tap_tx_stop(TapTx *tx)
{
	tap_tx_start(tx, -1);
}

void
tap_tx_look(TapTx *tx, gboolean *blocked, gboolean *gone)
{
	g_mutex_lock(&tx->lock);
	*blocked = tx->blocked;
	*gone = tx->gone;
	g_mutex_unlock(&tx->lock);
}

void
tap_tx_unblock(Tap *tap)
{
	gboolean was_blocked;

	g_mutex_lock(&tap->tx.lock);
	was_blocked = tap->tx.blocked;
	tap->tx.blocked = FALSE;
	g_mutex_unlock(&tap->tx.lock);
	if (was_blocked)
		tap->inst->host->resume(tap->inst, 0);
}

/* The kernel refuses a hint that is longer than the frame. */
static void
tx_head(const JfFrame *frame, struct virtio_net_hdr *head)
{
	*head = (struct virtio_net_hdr){ .flags = frame->flags,
					 .gso_type = frame->gso_type,
					 .hdr_len = (guint16)MIN(frame->hdr_len, frame->len),
					 .gso_size = frame->gso_size,
					 .csum_start = frame->csum_start,
					 .csum_offset = frame->csum_offset };
}

/* FALSE: the device is full. */
static gboolean
tx_write(Tap *tap, const JfFrame *frame)
{
	struct iovec pieces[1 + JF_FRAME_MAX_IOV];
	struct virtio_net_hdr head;
	guint n = 0;

	if (tap->head_len) {
		tx_head(frame, &head);
		pieces[n++] = (struct iovec){ &head, sizeof head };
	}
	for (guint i = 0; i < frame->n_iov; i++)
		pieces[n++] = frame->iov[i];
	if (writev(tap->tx.fd, pieces, (int)n) >= 0)
		return TRUE;
	if (errno == EAGAIN)
		return FALSE;
	tap->tx.gone |= errno == EBADFD;
	jf_count(errno == EIO ? tap->count.down : tap->count.errors, 1);
	return TRUE;
}

static void
tx_told(JfInstance *inst, gpointer data)
{
	Tap *tap = data;

	(void)inst;
	g_mutex_lock(&tap->tx.lock);
	tap->tx.posted = FALSE;
	g_mutex_unlock(&tap->tx.lock);
	tap_update(tap);
}

guint
tap_tx_input(Tap *tap, const JfFrame *frames, guint n)
{
	TapTx *tx = &tap->tx;
	gboolean post = FALSE;
	guint taken = 0;

	g_mutex_lock(&tx->lock);
	while (taken < n && tx->fd >= 0 && !tx->blocked) {
		if (tx_write(tap, &frames[taken]))
			taken++;
		else
			tx->blocked = TRUE;
	}
	if (tx->fd < 0) {
		jf_count(tap->count.down, n - taken);
		taken = n;
	} else if ((tx->blocked || tx->gone) && !tx->posted) {
		post = tx->posted = TRUE;
	}
	g_mutex_unlock(&tx->lock);
	if (post)
		tap->inst->host->post(tap->inst, tx_told, tap);
	return taken;
}
