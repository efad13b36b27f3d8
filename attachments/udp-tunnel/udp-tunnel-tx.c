/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udp-tunnel-tx.c - frames to the far end.
 *
 * A batch leaves in one sendmmsg. Neighbours of one length are one message of it, a train that the
 * kernel cuts into datagrams as late as it can (UDP_SEGMENT). A train is refused where its frames do
 * not fit the path's MTU: the length is then remembered, and such frames go one by one, which lets
 * IP fragment them.
 */
#include "udp-tunnel.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

/* The kernel's own limits: UIO_MAXIOV of a message, an IP datagram less its headers, segments. */
#define TX_PIECES 1024u
#define TX_TRAIN_LEN 65487u
#define TX_TRAIN_FRAMES 64u
/* Reports of earlier datagrams' failures that one call puts up with. */
#define TX_REPORTS 4u

typedef struct TxBatch {
	guint n; /* messages */
	struct mmsghdr msgs[JF_BATCH_MAX];
	guint frames[JF_BATCH_MAX]; /* of each message */
	guint32 step;               /* frame length of the first message */
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(guint16))];
	} control[JF_BATCH_MAX];
	guint n_pieces;
	struct iovec pieces[TX_PIECES];
} TxBatch;

void
udp_tx_init(UdpTx *tx)
{
	g_mutex_init(&tx->lock);
	tx->fd = -1;
}

void
udp_tx_finish(UdpTx *tx)
{
	g_mutex_clear(&tx->lock);
}

void
udp_tx_start(UdpTx *tx, int fd)
{
	g_mutex_lock(&tx->lock);
	tx->fd = fd;
	g_mutex_unlock(&tx->lock);
}

void
udp_tx_stop(UdpTx *tx)
{
	g_mutex_lock(&tx->lock);
	tx->fd = -1;
	tx->blocked = FALSE;
	g_mutex_unlock(&tx->lock);
}

void
udp_tx_set_dest(UdpTx *tx, const struct sockaddr_storage *dest, socklen_t len)
{
	g_mutex_lock(&tx->lock);
	tx->dest = *dest;
	tx->dest_len = len;
	tx->train_limit = G_MAXUINT16;
	g_mutex_unlock(&tx->lock);
}

gboolean
udp_tx_is_blocked(UdpTx *tx)
{
	gboolean blocked;

	g_mutex_lock(&tx->lock);
	blocked = tx->blocked;
	g_mutex_unlock(&tx->lock);
	return blocked;
}

gboolean
udp_tx_unblock(UdpTx *tx)
{
	gboolean blocked;

	g_mutex_lock(&tx->lock);
	blocked = tx->blocked;
	tx->blocked = FALSE;
	g_mutex_unlock(&tx->lock);
	return blocked;
}

/* How many frames from the first on make one message. */
static guint
tx_count_train(const UdpTx *tx, const JfFrame *frames, guint n, guint pieces)
{
	guint32 step = frames[0].len, len = 0;
	guint count = 0;

	if (step > tx->train_limit)
		return 1;
	n = MIN(n, TX_TRAIN_FRAMES);
	while (count < n && frames[count].len <= step && len + frames[count].len <= TX_TRAIN_LEN &&
	       frames[count].n_iov <= pieces) {
		len += frames[count].len;
		pieces -= frames[count].n_iov;
		/* A shorter frame can only be the last. */
		if (frames[count++].len < step)
			break;
	}
	return MAX(count, 1);
}

static void
batch_set_train(TxBatch *batch, struct msghdr *msg, guint32 step)
{
	struct cmsghdr *c = &batch->control[batch->n].align;
	guint16 value = (guint16)step;

	msg->msg_control = c;
	msg->msg_controllen = sizeof batch->control[0].room;
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof value);
	memcpy(CMSG_DATA(c), &value, sizeof value);
}

static void
batch_add(UdpTx *tx, TxBatch *batch, const JfFrame *frames, guint count)
{
	struct msghdr *msg = &batch->msgs[batch->n].msg_hdr;
	struct iovec *first = &batch->pieces[batch->n_pieces];

	for (guint i = 0; i < count; i++) {
		memcpy(&batch->pieces[batch->n_pieces], frames[i].iov,
		       frames[i].n_iov * sizeof(struct iovec));
		batch->n_pieces += frames[i].n_iov;
	}
	*msg = (struct msghdr){ .msg_name = &tx->dest,
				.msg_namelen = tx->dest_len,
				.msg_iov = first,
				.msg_iovlen = (gsize)(&batch->pieces[batch->n_pieces] - first) };
	if (count > 1)
		batch_set_train(batch, msg, frames[0].len);
	batch->frames[batch->n++] = count;
}

/* As many of the frames as one sendmmsg takes. */
static void
batch_fill(UdpTx *tx, TxBatch *batch, const JfFrame *frames, guint n)
{
	batch->n = 0;
	batch->n_pieces = 0;
	batch->step = frames[0].len;
	for (guint i = 0; i < n && batch->n_pieces + frames[i].n_iov <= TX_PIECES;) {
		guint count = tx_count_train(tx, frames + i, n - i, TX_PIECES - batch->n_pieces);

		batch_add(tx, batch, frames + i, count);
		i += count;
	}
}

typedef enum {
	TX_FULL,   /* later, when the socket is writable */
	TX_AGAIN,  /* once more: the error was an earlier datagram's */
	TX_UNMAKE, /* the train cannot be sent as one */
	TX_LOST,
} TxVerdict;

static TxVerdict
tx_judge(int err, guint frames)
{
	switch (err) {
	case EAGAIN:
		return TX_FULL;
	case EINTR:
	case ECONNREFUSED:
		return TX_AGAIN;
	case EINVAL:
	case EMSGSIZE:
	case EIO:
	case EOPNOTSUPP:
		return frames > 1 ? TX_UNMAKE : TX_LOST;
	default:
		return TX_LOST;
	}
}

/* The batch's first message failed. Returns how many frames that settles. */
static guint
tx_fail(UdpTunnel *udp, const TxBatch *batch, int err, guint *reports)
{
	TxVerdict verdict = tx_judge(err, batch->frames[0]);

	if (err == ECONNREFUSED)
		jf_count(udp->count.refused, 1);
	if (verdict == TX_AGAIN && (*reports)++ < TX_REPORTS)
		return 0;
	if (verdict == TX_FULL)
		udp->tx.blocked = TRUE;
	if (verdict == TX_UNMAKE)
		udp->tx.train_limit = batch->step - 1;
	if (verdict == TX_FULL || verdict == TX_UNMAKE)
		return 0;
	jf_count(udp->count.tx_errors, batch->frames[0]);
	return batch->frames[0];
}

/* One sendmmsg. Returns how many frames that settles; 0 where it is worth another try. */
static guint
tx_send(UdpTunnel *udp, TxBatch *batch, guint *reports)
{
	int sent = sendmmsg(udp->tx.fd, batch->msgs, batch->n, MSG_DONTWAIT | MSG_NOSIGNAL);
	guint taken = 0;

	if (sent <= 0)
		return tx_fail(udp, batch, errno, reports);
	for (guint i = 0; i < (guint)sent; i++)
		taken += batch->frames[i];
	return taken;
}

static void
tx_blocked(JfInstance *inst, gpointer data)
{
	UdpTunnel *udp = data;

	(void)inst;
	g_mutex_lock(&udp->tx.lock);
	udp->tx.posted = FALSE;
	g_mutex_unlock(&udp->tx.lock);
	udp_update(udp);
}

guint
udp_tx_input(UdpTunnel *udp, const JfFrame *frames, guint n)
{
	UdpTx *tx = &udp->tx;
	gboolean post = FALSE;
	guint taken = 0, reports = 0;
	TxBatch batch;

	g_mutex_lock(&tx->lock);
	while (taken < n && tx->fd >= 0 && !tx->blocked) {
		batch_fill(tx, &batch, frames + taken, n - taken);
		taken += tx_send(udp, &batch, &reports);
	}
	if (tx->fd < 0)
		taken = n;
	else if (tx->blocked && !tx->posted)
		post = tx->posted = TRUE;
	g_mutex_unlock(&tx->lock);
	if (post)
		udp->inst->host->post(udp->inst, tx_blocked, udp);
	return taken;
}
