/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dgram-rx.c - frames from the VMM.
 *
 * One receive call takes up to DGRAM_RX_SLOTS datagrams, which are passed on from their slots. What
 * output refuses stays there until resume; nothing is received meanwhile and the VMM's sends wait.
 */
#include "dgram.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

/* Longer than a frame can be, so that one that is too long is seen to be. */
#define DGRAM_SLOT_LEN ((gsize)68 << 10)
#define DGRAM_SPACE (DGRAM_RX_SLOTS * DGRAM_SLOT_LEN)
/* Receive calls before others on the worker get their turn. */
#define DGRAM_RX_TURNS 4u
#define DGRAM_LOOK_NS G_GUINT64_CONSTANT(1000000000)
/* A second's bytes above which the pages are worth keeping. */
#define DGRAM_LOOK_BYTES (1u << 20)

typedef struct RxCall {
	struct mmsghdr msgs[DGRAM_RX_SLOTS];
	struct iovec pieces[DGRAM_RX_SLOTS];
	struct sockaddr_storage from[DGRAM_RX_SLOTS];
} RxCall;

gboolean
dgram_rx_start(Dgram *dgram, GError **error)
{
	gpointer space = mmap(NULL, DGRAM_SPACE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(&dgram->rx, 0, sizeof dgram->rx);
	if (space == MAP_FAILED) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "no memory for datagrams: %s",
			    g_strerror(errno));
		return FALSE;
	}
	dgram->rx.buf = space;
	return TRUE;
}

void
dgram_rx_stop(Dgram *dgram)
{
	if (dgram->rx.buf)
		munmap(dgram->rx.buf, DGRAM_SPACE);
	memset(&dgram->rx, 0, sizeof dgram->rx);
}

/* A second after a burst: gives the pages back once it is over. */
void
dgram_rx_look(JfInstance *inst, gpointer data)
{
	Dgram *dgram = data;
	DgramRx *rx = &dgram->rx;

	if (rx->bytes > DGRAM_LOOK_BYTES || rx->paused) {
		rx->bytes = 0;
		inst->host->timer_arm(dgram->look,
				      inst->host->now(inst, JF_CLOCK_MONOTONIC) + DGRAM_LOOK_NS);
		return;
	}
	rx->look_armed = FALSE;
	madvise(rx->buf, DGRAM_SPACE, MADV_DONTNEED);
}

static void
rx_note_burst(Dgram *dgram)
{
	const JfHost *host = dgram->inst->host;

	if (dgram->rx.look_armed)
		return;
	dgram->rx.look_armed = TRUE;
	dgram->rx.bytes = 0;
	host->timer_arm(dgram->look, host->now(dgram->inst, JF_CLOCK_MONOTONIC) + DGRAM_LOOK_NS);
}

static void
rx_call_init(RxCall *call, guint8 *buf)
{
	for (guint i = 0; i < DGRAM_RX_SLOTS; i++) {
		call->pieces[i] = (struct iovec){ buf + i * DGRAM_SLOT_LEN, DGRAM_SLOT_LEN };
		call->msgs[i].msg_hdr = (struct msghdr){ .msg_name = &call->from[i],
							 .msg_namelen = sizeof call->from[i],
							 .msg_iov = &call->pieces[i],
							 .msg_iovlen = 1 };
	}
}

/* Answers go where the VMM sends from, unless the properties say where. */
static void
rx_learn(Dgram *dgram, const struct msghdr *msg)
{
	const struct sockaddr_un *un = msg->msg_name;
	DgramName *heard = &dgram->heard;

	/* A sender without a name has no more than the family. */
	if (dgram->remote.len || msg->msg_namelen <= sizeof un->sun_family)
		return;
	if (heard->len == msg->msg_namelen && !memcmp(&heard->sockaddr, un, heard->len))
		return;
	memcpy(&heard->sockaddr, un, msg->msg_namelen);
	heard->len = msg->msg_namelen;
	dgram_tx_set_peer(&dgram->tx, heard);
}

/* How many datagrams came. */
static guint
rx_receive(Dgram *dgram)
{
	DgramRx *rx = &dgram->rx;
	RxCall call;
	int got;

	rx_call_init(&call, rx->buf);
	got = recvmmsg(dgram->fd, call.msgs, DGRAM_RX_SLOTS, MSG_DONTWAIT, NULL);
	if (got <= 0)
		return 0;
	rx->n = (guint)got;
	rx->at = 0;
	if (got > 1)
		rx_note_burst(dgram);
	for (guint i = 0; i < rx->n; i++) {
		rx->lens[i] = call.msgs[i].msg_len;
		rx->bytes += rx->lens[i];
	}
	rx_learn(dgram, &call.msgs[got - 1].msg_hdr);
	return rx->n;
}

typedef struct RxBatch {
	JfFrame frames[DGRAM_RX_SLOTS];
	struct iovec pieces[DGRAM_RX_SLOTS];
	guint slots[DGRAM_RX_SLOTS];
	guint n;
} RxBatch;

static void
rx_fill(Dgram *dgram, RxBatch *batch)
{
	const DgramRx *rx = &dgram->rx;

	batch->n = 0;
	for (guint i = rx->at; i < rx->n; i++) {
		struct iovec *piece = &batch->pieces[batch->n];

		if (rx->lens[i] < JF_FRAME_MIN_LEN || rx->lens[i] > JF_FRAME_MAX_LEN) {
			jf_count(dgram->count.bad, 1);
			continue;
		}
		*piece = (struct iovec){ rx->buf + i * DGRAM_SLOT_LEN, rx->lens[i] };
		batch->slots[batch->n] = i;
		batch->frames[batch->n++] = jf_frame_plain(piece);
	}
}

/* Passes on what was received. FALSE: refused. */
static gboolean
rx_deliver(Dgram *dgram)
{
	DgramRx *rx = &dgram->rx;
	RxBatch batch;
	guint taken = 0;

	rx_fill(dgram, &batch);
	if (batch.n)
		taken = dgram->inst->host->output(dgram->inst, 0, batch.frames, batch.n);
	if (taken == batch.n) {
		rx->at = rx->n;
		return TRUE;
	}
	rx->at = batch.slots[taken];
	rx->paused = TRUE;
	return FALSE;
}

void
dgram_rx_run(Dgram *dgram)
{
	if (!rx_deliver(dgram))
		return;
	for (guint turn = 0; turn < DGRAM_RX_TURNS; turn++) {
		guint got = rx_receive(dgram);

		if (!rx_deliver(dgram) || got < DGRAM_RX_SLOTS)
			return;
	}
}
