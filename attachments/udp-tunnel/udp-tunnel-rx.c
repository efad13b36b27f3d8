/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udp-tunnel-rx.c - frames from the far end.
 *
 * One receive call takes up to UDP_RX_SLOTS datagrams; with UDP_GRO each may be a train of equal
 * frames that the kernel kept together. Frames are passed on from the slots themselves. What output
 * refuses stays there until resume; the socket fills meanwhile and then loses, which is counted.
 */
#include "udp-tunnel.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>

/* More than any datagram has, so that none is cut off. */
#define UDP_SLOT_LEN ((gsize)64 << 10)
#define UDP_SPACE (UDP_RX_SLOTS * UDP_SLOT_LEN)
/* Receive calls before others on the worker get their turn. */
#define UDP_RX_TURNS 4u
#define UDP_LOOK_NS G_GUINT64_CONSTANT(1000000000)
/* A second's bytes above which the pages are worth keeping. */
#define UDP_LOOK_BYTES (1u << 20)

typedef struct RxCall {
	struct mmsghdr msgs[UDP_RX_SLOTS];
	struct iovec pieces[UDP_RX_SLOTS];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(guint32))];
	} control[UDP_RX_SLOTS];
} RxCall;

gboolean
udp_rx_start(UdpTunnel *udp, GError **error)
{
	gpointer space = mmap(NULL, UDP_SPACE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(&udp->rx, 0, sizeof udp->rx);
	if (space == MAP_FAILED) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "no memory for datagrams: %s",
			    g_strerror(errno));
		return FALSE;
	}
	udp->rx.buf = space;
	return TRUE;
}

void
udp_rx_stop(UdpTunnel *udp)
{
	if (udp->rx.buf)
		munmap(udp->rx.buf, UDP_SPACE);
	memset(&udp->rx, 0, sizeof udp->rx);
}

/* A second after a burst: gives the pages back once it is over. */
void
udp_rx_look(JfInstance *inst, gpointer data)
{
	UdpTunnel *udp = data;
	UdpRx *rx = &udp->rx;

	if (rx->bytes > UDP_LOOK_BYTES || rx->paused) {
		rx->bytes = 0;
		inst->host->timer_arm(udp->look,
				      inst->host->now(inst, JF_CLOCK_MONOTONIC) + UDP_LOOK_NS);
		return;
	}
	rx->look_armed = FALSE;
	madvise(rx->buf, UDP_SPACE, MADV_DONTNEED);
}

static void
rx_note_burst(UdpTunnel *udp)
{
	const JfHost *host = udp->inst->host;

	if (udp->rx.look_armed)
		return;
	udp->rx.look_armed = TRUE;
	udp->rx.bytes = 0;
	host->timer_arm(udp->look, host->now(udp->inst, JF_CLOCK_MONOTONIC) + UDP_LOOK_NS);
}

static void
rx_call_init(RxCall *call, guint8 *buf)
{
	for (guint i = 0; i < UDP_RX_SLOTS; i++) {
		call->pieces[i] = (struct iovec){ buf + i * UDP_SLOT_LEN, UDP_SLOT_LEN };
		call->msgs[i].msg_hdr =
			(struct msghdr){ .msg_iov = &call->pieces[i],
					 .msg_iovlen = 1,
					 .msg_control = &call->control[i],
					 .msg_controllen = sizeof call->control[i].room };
	}
}

static void
rx_note_overflow(UdpTunnel *udp, guint32 total)
{
	jf_count(udp->count.overflow, (guint32)(total - udp->rx.overflow));
	udp->rx.overflow = total;
}

/* What the kernel says beside a datagram: the frame length in a train, and losses so far. */
static void
rx_read_control(UdpTunnel *udp, struct msghdr *msg, UdpTrain *train)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			int step;

			memcpy(&step, CMSG_DATA(c), sizeof step);
			if (step > 0)
				train->step = (guint32)step;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			guint32 total;

			memcpy(&total, CMSG_DATA(c), sizeof total);
			rx_note_overflow(udp, total);
		}
	}
}

/* How many datagrams came. */
static guint
rx_receive(UdpTunnel *udp)
{
	UdpRx *rx = &udp->rx;
	gsize bytes = 0;
	RxCall call;
	int got;

	rx_call_init(&call, rx->buf);
	got = recvmmsg(udp->fd, call.msgs, UDP_RX_SLOTS, MSG_DONTWAIT, NULL);
	if (got <= 0) {
		if (got < 0 && errno == ECONNREFUSED)
			jf_count(udp->count.refused, 1);
		return 0;
	}
	for (guint i = 0; i < (guint)got; i++) {
		UdpTrain *train = &rx->trains[i];

		train->len = train->step = call.msgs[i].msg_len;
		rx_read_control(udp, &call.msgs[i].msg_hdr, train);
		bytes += train->len;
	}
	rx->n = (guint)got;
	rx->at = 0;
	rx->offset = 0;
	if (got > 1 || bytes > 4096)
		rx_note_burst(udp);
	rx->bytes += bytes;
	return (guint)got;
}

/* A place among the received frames. */
typedef struct RxPlace {
	guint at;
	guint32 offset;
} RxPlace;

typedef struct RxBatch {
	JfFrame frames[JF_BATCH_MAX];
	struct iovec pieces[JF_BATCH_MAX];
	RxPlace places[JF_BATCH_MAX];
	guint n;
	RxPlace next;
} RxBatch;

static void
rx_batch_add(RxBatch *batch, guint8 *data, guint32 len)
{
	struct iovec *piece = &batch->pieces[batch->n];

	*piece = (struct iovec){ data, len };
	batch->places[batch->n] = batch->next;
	batch->frames[batch->n++] = jf_frame_plain(piece);
}

/* The frames from where passing on has come to, as many as fit. */
static void
rx_fill(UdpTunnel *udp, RxBatch *batch)
{
	const UdpRx *rx = &udp->rx;

	batch->n = 0;
	batch->next = (RxPlace){ rx->at, rx->offset };
	while (batch->next.at < rx->n && batch->n < JF_BATCH_MAX) {
		const UdpTrain *train = &rx->trains[batch->next.at];
		guint32 len = MIN(train->step, train->len - batch->next.offset);

		if (len < JF_FRAME_MIN_LEN)
			jf_count(udp->count.runts, 1);
		else
			rx_batch_add(batch,
				     rx->buf + batch->next.at * UDP_SLOT_LEN + batch->next.offset,
				     len);
		batch->next.offset += len;
		if (batch->next.offset >= train->len)
			batch->next = (RxPlace){ batch->next.at + 1, 0 };
	}
}

/* Passes on what was received. FALSE: refused. */
static gboolean
rx_deliver(UdpTunnel *udp)
{
	UdpRx *rx = &udp->rx;
	JfInstance *inst = udp->inst;
	RxBatch batch;

	while (rx->at < rx->n) {
		RxPlace place;
		guint taken;

		rx_fill(udp, &batch);
		taken = batch.n ? inst->host->output(inst, 0, batch.frames, batch.n) : 0;
		place = taken < batch.n ? batch.places[taken] : batch.next;
		rx->at = place.at;
		rx->offset = place.offset;
		if (taken < batch.n) {
			rx->paused = TRUE;
			return FALSE;
		}
	}
	return TRUE;
}

void
udp_rx_run(UdpTunnel *udp)
{
	if (!rx_deliver(udp))
		return;
	for (guint turn = 0; turn < UDP_RX_TURNS; turn++) {
		guint got = rx_receive(udp);

		if (!rx_deliver(udp) || got < UDP_RX_SLOTS)
			return;
	}
}
