/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dgram.h - the parts of the dgram connector. */
#ifndef DGRAM_H
#define DGRAM_H

#include <jackfield/driver.h>
#include <jackfield/socket.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Ethernet's shortest frame without FCS; some VMMs' cards drop what is shorter. */
#define DGRAM_PAD_LEN 60u
/* Datagrams of one receive call. */
#define DGRAM_RX_SLOTS 32u

typedef struct DgramName {
	struct sockaddr_storage sockaddr;
	socklen_t len; /* 0: unknown */
} DgramName;

/* Towards the VMM. input runs on any thread: all of this is under `lock`, which is never held
 * while the core is called, but for posts. */
typedef struct DgramTx {
	GMutex lock;
	int fd; /* -1: stopped */
	DgramName peer;
	gboolean blocked; /* the VMM's queue, or the socket, is full */
	gboolean posted;  /* the worker has been told so */
} DgramTx;

/* From the VMM. Worker only. */
typedef struct DgramRx {
	guint8 *buf; /* a slot of address space for each datagram, pages come by use */
	guint32 lens[DGRAM_RX_SLOTS];
	guint n, at;     /* datagrams in `buf`, and the first that has not been passed on */
	gboolean paused; /* output was short: wait for resume */
	guint64 bytes;   /* since the last look at the pages */
	gboolean look_armed;
} DgramRx;

typedef struct DgramCounters {
	guint64 *bad;     /* datagrams that are too short or too long for a frame */
	guint64 *unheard; /* frames for a VMM that was not there */
	guint64 *errors;  /* frames that the host would not send */
} DgramCounters;

typedef struct Dgram {
	JfInstance *inst;
	DgramName local, remote; /* from the properties, constant after init */
	int fd;
	JfWatch *watch;
	JfSocketFile socket_file;
	JfTimer *retry, *look;
	DgramName heard; /* whom the last datagram came from: the worker's copy of tx.peer */
	DgramRx rx;
	DgramTx tx;
	DgramCounters count;
} Dgram;

/* dgram-socket.c */
gboolean dgram_socket_init(Dgram *dgram, GError **error);
gboolean dgram_socket_open(Dgram *dgram, GError **error);
void dgram_socket_close(Dgram *dgram);
static inline gboolean
dgram_is_unix(const Dgram *dgram)
{
	return dgram->local.sockaddr.ss_family == AF_UNIX;
}

/* dgram-rx.c */
gboolean dgram_rx_start(Dgram *dgram, GError **error);
void dgram_rx_stop(Dgram *dgram);
void dgram_rx_run(Dgram *dgram);
void dgram_rx_look(JfInstance *inst, gpointer data);

/* dgram-tx.c */
void dgram_tx_init(DgramTx *tx);
void dgram_tx_finish(DgramTx *tx);
void dgram_tx_start(DgramTx *tx, int fd, const DgramName *peer);
void dgram_tx_stop(DgramTx *tx);
void dgram_tx_set_peer(DgramTx *tx, const DgramName *peer);
void dgram_tx_retry(JfInstance *inst, gpointer data);
guint dgram_tx_input(Dgram *dgram, const JfFrame *frames, guint n);

#endif
