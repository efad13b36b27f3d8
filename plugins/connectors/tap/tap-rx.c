/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap-rx.c - frames from the device.
 *
 * A batch is read frame by frame into one buffer, each behind the last, and passed on from there:
 * short frames fill a batch, large ones do not leave the cache before they are passed on. What output
 * refuses stays there until resume; nothing is read meanwhile, the device's queue fills, and the
 * guest's stack sees a card that is busy.
 */
#include "tap.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* Longer than a frame can be, so that one that is too long is seen to be. */
#define RX_SLOT ((gsize)JF_FRAME_MAX_LEN + 1)
#define RX_ALIGN(len) (((len) + 63) & ~(gsize)63)
/* Batches before others on the worker get their turn. */
#define RX_TURNS 4u

gboolean
tap_rx_start(Tap *tap, GError **error)
{
	gpointer space = mmap(NULL, TAP_RX_SPACE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(&tap->rx, 0, sizeof tap->rx);
	if (space == MAP_FAILED) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "no memory for frames: %s",
			    g_strerror(errno));
		return FALSE;
	}
	tap->rx.buf = space;
	return TRUE;
}

void
tap_rx_stop(Tap *tap)
{
	if (tap->rx.buf)
		munmap(tap->rx.buf, TAP_RX_SPACE);
	memset(&tap->rx, 0, sizeof tap->rx);
}

static void
rx_frame(const Tap *tap, guint i, JfFrame *frame)
{
	const struct virtio_net_hdr *head = &tap->rx.heads[i];

	*frame = jf_frame_plain(&tap->rx.pieces[i]);
	if (!tap->head_len)
		return;
	frame->flags = head->flags & (JF_FRAME_NEEDS_CSUM | JF_FRAME_CSUM_VALID);
	frame->gso_type = head->gso_type;
	frame->gso_size = head->gso_size;
	frame->hdr_len = head->hdr_len;
	frame->csum_start = head->csum_start;
	frame->csum_offset = head->csum_offset;
}

/* Passes on what was read. FALSE: refused. */
static gboolean
rx_deliver(Tap *tap)
{
	TapRx *rx = &tap->rx;
	JfFrame frames[JF_BATCH_MAX];
	guint n = rx->n - rx->at;

	for (guint i = 0; i < n; i++)
		rx_frame(tap, rx->at + i, &frames[i]);
	if (n)
		rx->at += tap->inst->host->output(tap->inst, 0, frames, n);
	rx->paused = rx->at < rx->n;
	return !rx->paused;
}

typedef enum { RX_MORE, RX_DRAINED, RX_GONE } RxResult;

static RxResult
rx_read(Tap *tap)
{
	TapRx *rx = &tap->rx;
	struct iovec pieces[2] = { { &rx->heads[rx->n], tap->head_len },
				   { rx->buf + rx->end, RX_SLOT } };
	ssize_t got = readv(tap->fd, pieces, 2);
	gsize len;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? RX_DRAINED : RX_GONE;
	len = (gsize)got - MIN((gsize)got, tap->head_len);
	if (len < JF_FRAME_MIN_LEN || len > JF_FRAME_MAX_LEN) {
		jf_count(tap->count.bad, 1);
		return RX_MORE;
	}
	rx->pieces[rx->n++] = (struct iovec){ rx->buf + rx->end, len };
	rx->end += RX_ALIGN(len);
	return RX_MORE;
}

static RxResult
rx_receive(Tap *tap)
{
	TapRx *rx = &tap->rx;
	RxResult result = RX_MORE;

	rx->n = rx->at = 0;
	rx->end = 0;
	/* As often as a batch has places, also where a frame was too long for one. */
	for (guint i = 0; i < JF_BATCH_MAX && result == RX_MORE; i++) {
		if (TAP_RX_SPACE - rx->end < RX_SLOT)
			break;
		result = rx_read(tap);
	}
	return result;
}

void
tap_rx_run(Tap *tap)
{
	if (!rx_deliver(tap))
		return;
	for (guint turn = 0; turn < RX_TURNS; turn++) {
		RxResult result = rx_receive(tap);

		tap->rx.gone |= result == RX_GONE;
		if (!rx_deliver(tap) || result != RX_MORE)
			return;
	}
}
