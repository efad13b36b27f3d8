/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream-rx.c - frames from the VMM.
 *
 * recv fills the buffer, output gets frames that point into it. What output refuses stays at
 * `start` until resume, and nothing is received meanwhile: the socket fills and the VMM waits. The
 * buffer is address space at first; how much of it is used follows the load, and once the load is
 * over the pages go back.
 */
#include "stream.h"

#include <errno.h>
#include <jackfield/util.h>
#include <string.h>
#include <sys/mman.h>

#define RX_WINDOW_MIN ((gsize)16 << 10)
#define RX_WINDOW_MAX ((gsize)256 << 10)
/* A whole window after all but the last byte of the longest frame, with as much room again so that
 * unfinished frames are seldom moved. */
#define RX_SPACE ((gsize)512 << 10)
/* Receive calls before others on the worker get their turn. */
#define RX_TURNS 4u
/* Whole pages of any size up to this one. */
#define RX_ROUND_UP(len) (((len) + 0xffff) & ~(gsize)0xffff)
#define RX_LOOK_NS G_GUINT64_CONSTANT(1000000000)

gboolean
stream_rx_start(Stream *stream)
{
	StreamRx *rx = &stream->rx;
	gpointer space = mmap(NULL, RX_SPACE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(rx, 0, sizeof *rx);
	rx->window = RX_WINDOW_MIN;
	if (space == MAP_FAILED)
		return FALSE;
	rx->buf = space;
	return TRUE;
}

void
stream_rx_stop(Stream *stream)
{
	StreamRx *rx = &stream->rx;

	if (rx->buf)
		munmap(rx->buf, RX_SPACE);
	if (rx->look_armed)
		stream->inst->host->timer_arm(stream->look, 0);
	memset(rx, 0, sizeof *rx);
}

static void
rx_compact(StreamRx *rx)
{
	memmove(rx->buf, rx->buf + rx->start, rx->end - rx->start);
	rx->end -= rx->start;
	rx->start = 0;
}

/* A second after a burst: whether the large window is still wanted. */
void
stream_rx_look(Stream *stream)
{
	StreamRx *rx = &stream->rx;
	const JfHost *host = stream->inst->host;
	gsize keep;

	if (!rx->buf)
		return;
	if (rx->bytes > 4 * RX_WINDOW_MAX) {
		rx->bytes = 0;
		host->timer_arm(stream->look,
				host->now(stream->inst, JF_CLOCK_MONOTONIC) + RX_LOOK_NS);
		return;
	}
	rx->look_armed = FALSE;
	rx->window = RX_WINDOW_MIN;
	rx_compact(rx);
	keep = MAX(RX_WINDOW_MIN, RX_ROUND_UP(rx->end));
	madvise(rx->buf + keep, RX_SPACE - keep, MADV_DONTNEED);
}

static void
rx_grow(Stream *stream)
{
	StreamRx *rx = &stream->rx;
	const JfHost *host = stream->inst->host;

	rx->window = MIN(2 * rx->window, RX_WINDOW_MAX);
	if (rx->look_armed)
		return;
	rx->look_armed = TRUE;
	rx->bytes = 0;
	host->timer_arm(stream->look, host->now(stream->inst, JF_CLOCK_MONOTONIC) + RX_LOOK_NS);
}

typedef struct RxBatch {
	JfFrame frames[JF_BATCH_MAX];
	struct iovec pieces[JF_BATCH_MAX];
	guint n;
	gsize next;    /* offset after the last frame of the batch */
	guint32 wrong; /* a length that ends the connection */
	gboolean is_wrong;
} RxBatch;

/* Whole frames from `start` on, as many as fit. */
static void
rx_parse(Stream *stream, RxBatch *batch)
{
	const StreamRx *rx = &stream->rx;
	gsize at = rx->start;

	batch->n = 0;
	batch->is_wrong = FALSE;
	while (batch->n < JF_BATCH_MAX && rx->end - at >= STREAM_HEAD_LEN) {
		guint32 len = jf_get_be32(rx->buf + at);

		if (len == 0 || len > JF_FRAME_MAX_LEN) {
			batch->is_wrong = TRUE;
			batch->wrong = len;
			break;
		}
		if (rx->end - at - STREAM_HEAD_LEN < len)
			break;
		if (len < JF_FRAME_MIN_LEN) {
			jf_count(stream->count.runts, 1);
		} else {
			struct iovec *piece = &batch->pieces[batch->n];

			piece->iov_base = rx->buf + at + STREAM_HEAD_LEN;
			piece->iov_len = len;
			batch->frames[batch->n++] = jf_frame_plain(piece);
		}
		at += STREAM_HEAD_LEN + len;
	}
	batch->next = at;
}

static void
rx_fail(Stream *stream, guint32 len)
{
	char why[64];

	g_snprintf(why, sizeof why, "it sent a frame length of %u", len);
	jf_count(stream->count.bad, 1);
	stream_link_lost(stream, why);
}

/* Passes on every whole frame. FALSE: refused, or disconnected. */
static gboolean
rx_deliver(Stream *stream)
{
	StreamRx *rx = &stream->rx;
	JfInstance *inst = stream->inst;
	RxBatch batch;

	do {
		guint taken;

		rx_parse(stream, &batch);
		taken = batch.n ? inst->host->output(inst, 0, batch.frames, batch.n) : 0;
		if (taken < batch.n) {
			const guint8 *refused = batch.pieces[taken].iov_base;

			rx->start = (gsize)(refused - rx->buf) - STREAM_HEAD_LEN;
			rx->paused = TRUE;
			return FALSE;
		}
		rx->start = batch.next;
		if (batch.is_wrong) {
			rx_fail(stream, batch.wrong);
			return FALSE;
		}
	} while (batch.n == JF_BATCH_MAX);
	return TRUE;
}

static void
rx_make_room(StreamRx *rx)
{
	if (rx->start == rx->end) {
		rx->start = rx->end = 0;
	} else if (RX_SPACE - rx->end < rx->window) {
		rx_compact(rx);
	}
}

typedef enum { RX_MORE, RX_DRAINED, RX_OVER } RxResult;

static RxResult
rx_receive(Stream *stream)
{
	StreamRx *rx = &stream->rx;
	gsize wanted = rx->window;
	ssize_t got;

	rx_make_room(rx);
	got = recv(stream->fd, rx->buf + rx->end, wanted, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return RX_DRAINED;
	if (got <= 0) {
		stream_link_lost(stream, got ? g_strerror(errno) : "it closed the connection");
		return RX_OVER;
	}
	rx->end += (gsize)got;
	rx->bytes += (guint64)got;
	if ((gsize)got < wanted)
		return RX_DRAINED;
	if (wanted < RX_WINDOW_MAX)
		rx_grow(stream);
	return RX_MORE;
}

void
stream_rx_run(Stream *stream)
{
	if (!stream->rx.buf)
		return;
	if (!rx_deliver(stream))
		return;
	for (guint turn = 0; turn < RX_TURNS; turn++) {
		RxResult result = rx_receive(stream);

		if (result == RX_OVER || !rx_deliver(stream) || result == RX_DRAINED)
			return;
	}
}
