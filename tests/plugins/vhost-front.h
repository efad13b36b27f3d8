/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-front.h - a vhost-user front end for tests: one guest's memory, with split rings in it.
 *
 * The cards that it talks to run on a nested worker of the same thread, so waiting for an answer is
 * dispatching that worker.
 */
#ifndef VHOST_FRONT_H
#define VHOST_FRONT_H

#include "jackfield/vmm.h"

#define FRONT_TIMEOUT_US (20 * G_TIME_SPAN_SECOND)
#define FRONT_RING_SIZE 16u
#define FRONT_MEMORY (1u << 20)
#define FRONT_ADDRESS 0x100000ull    /* guest physical */
#define FRONT_USER 0x7f0000000000ull /* as the front end says that it has it */
#define FRONT_HDR 12u
/* Queue q has its three parts and its buffers at fixed places. */
#define FRONT_DESC(q) (0x1000u * (4 * (q) + 1))
#define FRONT_AVAIL(q) (0x1000u * (4 * (q) + 2))
#define FRONT_USED(q) (0x1000u * (4 * (q) + 3))
#define FRONT_BUFFER(q, i) (0x20000u + 0x40000u * (q) + 0x1000u * (i))

enum {
	FRONT_GET_FEATURES = 1,
	FRONT_SET_FEATURES = 2,
	FRONT_SET_OWNER = 3,
	FRONT_RESET_OWNER = 4,
	FRONT_SET_MEM_TABLE = 5,
	FRONT_SET_LOG_BASE = 6,
	FRONT_SET_LOG_FD = 7,
	FRONT_SET_VRING_NUM = 8,
	FRONT_SET_VRING_ADDR = 9,
	FRONT_SET_VRING_BASE = 10,
	FRONT_GET_VRING_BASE = 11,
	FRONT_SET_VRING_KICK = 12,
	FRONT_SET_VRING_CALL = 13,
	FRONT_SET_VRING_ERR = 14,
	FRONT_GET_PROTOCOL_FEATURES = 15,
	FRONT_SET_PROTOCOL_FEATURES = 16,
	FRONT_GET_QUEUE_NUM = 17,
	FRONT_SET_VRING_ENABLE = 18,
	FRONT_SEND_RARP = 19,
	FRONT_NET_SET_MTU = 20,
	FRONT_GET_INFLIGHT_FD = 31,
	FRONT_SET_INFLIGHT_FD = 32,
	FRONT_RESET_DEVICE = 34,
	FRONT_GET_MAX_MEM_SLOTS = 36,
	FRONT_ADD_MEM_REG = 37,
	FRONT_REM_MEM_REG = 38,
	FRONT_SET_STATUS = 39,
	FRONT_GET_STATUS = 40,
};

#define FRONT_F_MRG_RXBUF (1ull << 15)
#define FRONT_F_LOG_ALL (1ull << 26)
#define FRONT_F_PROTOCOL (1ull << 30)
#define FRONT_F_VERSION_1 (1ull << 32)
#define FRONT_F_PACKED (1ull << 34)
#define FRONT_P_REPLY_ACK (1ull << 3)
#define FRONT_P_ALL 0x1b00full /* MQ LOG RARP ACK, INFLIGHT RESET SLOTS STATUS */

typedef struct Front {
	JfWorker *worker;
	int fd;
	int memfd;
	guint8 *memory;
	guint64 features, protocol;
	int kick[2], call[2];
	guint16 used[2]; /* buffers that were seen to be used */
	gboolean gone;   /* the other end hung up */
} Front;

/* A file of FRONT_MEMORY bytes; not connected. */
void front_init(Front *front, JfWorker *worker);
void front_finish(Front *front);
/* FALSE: nobody listens. */
gboolean front_connect(Front *front, const char *path);
void front_disconnect(Front *front);

/* Sends one message as it is. FALSE: the other end is gone. */
gboolean front_send(Front *front, guint32 request, guint32 flags, gconstpointer body, guint32 len,
		    const int *fds, guint n_fds);
/* Waits for a reply; returns its length, -1: the other end hung up. *fd (may be NULL) gets one. */
gint front_receive(Front *front, guint32 request, gpointer body, guint32 max, int *fd);
/* A request with a u64, and the answer to a request. */
void front_set(Front *front, guint32 request, guint64 value);
guint64 front_get(Front *front, guint32 request);
/* With an acknowledgement. TRUE: it was taken. */
gboolean front_set_acked(Front *front, guint32 request, gconstpointer body, guint32 len, int fd);

/* Everything up to rings that run. The steps are numbered from 0; stops before step `until`. Returns
 * how many there are. */
guint front_set_up(Front *front, guint until);
/* The memory table, once more. */
void front_set_table(Front *front);
void front_add_ring(Front *front, guint queue, guint16 base);
/* The place where the ring stopped. */
guint32 front_stop_ring(Front *front, guint queue);

/* Makes buffer `i` of queue 1 a frame. */
void front_transmit(Front *front, guint i, gconstpointer frame, guint len);
/* Gives n receive buffers of 2 KiB, from buffer `first` on. */
void front_give(Front *front, guint first, guint n);
/* Takes back what was made available from entry `index` on. */
void front_rewind(Front *front, guint queue, guint16 index);
void front_kick(Front *front, guint queue);
guint16 front_used_index(const Front *front, guint queue);
/* Waits until the queue's used index is `index`. */
void front_wait_used(Front *front, guint queue, guint16 index);
/* Dispatches until nothing happens any more. */
void front_settle(Front *front);
/* Waits for the other end to hang up. */
void front_expect_gone(Front *front);

#endif
