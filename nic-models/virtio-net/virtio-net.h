/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-net.h - state of the virtio network card.
 *
 * Threads. All but receiving is done on the instance's worker. Frames for the guest come on any
 * thread; each receive queue has a lock for them, taken inside dma_enter, and whoever changes
 * anything that they look at takes the locks too.
 */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include <jackfield/card.h>
#include <jackfield/driver.h>
#include <jackfield/pci.h>
#include <jackfield/virtio.h>
#include <pthread.h>

#include "virtio-spec.h"

#define VN_PAIRS_MAX JF_VIRTIO_PAIRS_MAX
#define VN_DATA_QUEUES (2u * VN_PAIRS_MAX)
/* Most descriptors of one chain, also in an indirect table: more than any driver uses. */
#define VN_CHAIN_MAX 1024u

struct VnCursor;
struct VnRing;
typedef struct VirtioNet VirtioNet;

/* A virtqueue. Queue 2k receives, 2k + 1 transmits. */
typedef struct VnQueue {
	VirtioNet *net;
	guint16 index;
	gboolean is_rx;

	/* Set by start. */
	gboolean started;
	gboolean packed, event_idx, in_order, indirect;
	guint8 hdr_len;
	guint32 size;
	guint64 desc, driver, device; /* guest addresses of the three parts */

	JfVirtioMark *mark; /* NULL: none */
	gboolean enabled;   /* may move frames */
	gboolean broken;    /* until the next start */

	/* The next entry to take, the next one to use. Split: free-running. */
	guint16 avail, used;
	gboolean avail_wrap, used_wrap; /* packed */
	gboolean notify;                /* the driver is asked to notify */
	gint refused;      /* atomic. Transmit: output has no room; receive: the ring has none */
	guint16 end;       /* receive: the entry that was not there when frames were refused */
	gboolean end_wrap; /* packed */
	guint region_hint; /* where in the memory table the last buffer was */

	pthread_mutex_t lock; /* of a receive queue, for all of the above */
} VnQueue;

typedef enum {
	VN_BUSY,  /* rings are polled; drivers need not notify */
	VN_ARMED, /* notifications are on; one more look is due */
	VN_IDLE,  /* waits for a notification */
} VnPollState;

struct VirtioNet {
	JfInstance *inst;
	const JfHost *host;
	const JfPciHost *pci;

	guint64 offered;  /* features of the card as configured */
	guint64 features; /* negotiated */
	guint pairs_max;
	gint n_rx;                     /* atomic: receive queues that are active... */
	guint8 rx_pairs[VN_PAIRS_MAX]; /* ...and whose they are */
	guint8 flows[256];             /* the pair that a flow was last sent on, by its hash */

	VnQueue queues[VN_DATA_QUEUES];
	guint n_started;

	gboolean running; /* between start and stop */
	JfPoller *poller;
	gint poll_state; /* VnPollState, atomic */
	guint quiet;     /* polls in a row that found nothing */
	gboolean woken;  /* a post is on its way */
	guint8 *bounce;  /* for a frame in more pieces than a JfFrame has */

	gboolean taken; /* by jf.virtio/1 */
	JfVirtioCallbacks callbacks;
	gpointer callback_data;

	guint64 *rx_too_long, *rx_not_ready, *broken;
};

/* virtio-queue.c */
void vn_queues_init(VirtioNet *net);
void vn_queues_finish(VirtioNet *net);
/* Checks and takes over where the ring lies; *at is borrowed. VALUE, STATE. */
gboolean vn_queue_start(VnQueue *q, const JfVirtioRing *at, GError **error);
/* FALSE: it was not started. */
gboolean vn_queue_stop(VnQueue *q, JfVirtioRing *at);
void vn_queue_enable(VnQueue *q, gboolean enable);
/* The driver did something that virtio forbids. With the lock of a receive queue held. */
void vn_queue_break(VnQueue *q);
/* Locks all receive queues, in dma_enter, so that nobody is within input. */
void vn_rx_lock_all(VirtioNet *net);
void vn_rx_unlock_all(VirtioNet *net);

/* virtio-features.c */
/* What concerns rings and frames. */
#define VN_FEATURES_DATA                                                                           \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 |                   \
	 VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_GUEST_UFO |               \
	 VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN |                 \
	 VIRTIO_NET_F_HOST_UFO | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_GUEST_USO4 |                \
	 VIRTIO_NET_F_GUEST_USO6 | VIRTIO_NET_F_HOST_USO | VIRTIO_F_ANY_LAYOUT |                   \
	 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | \
	 VIRTIO_F_IN_ORDER)
guint64 vn_features_configured(JfInstance *inst);
/* The first bit of `features` that lacks another one that it needs, 0: none. */
guint64 vn_features_lacking(guint64 features);
/* The JF_OFFLOAD_* that a driver takes which negotiated `features`. */
guint32 vn_features_offloads(guint64 features);
/* Also tells the host what input takes. */
void vn_features_set(VirtioNet *net, guint64 features);

/* virtio-tx.c: frames sent, 0: none waits or there is no room for them. */
guint vn_tx_run(VnQueue *q);

/* virtio-rx.c */
guint vn_input(JfInstance *inst, guint port, const JfFrame *frames, guint n);

/* virtio-notify.c */
/* Asks the driver to notify from now on, or no longer. With the lock of a receive queue held, in
 * dma_enter. */
void vn_queue_set_notify(VnQueue *q, gboolean on);
/* A receive ring, opened and locked, has too little room; its last buffer is before `end`. TRUE: there
 * is one more after all. */
gboolean vn_rx_refuse(VnQueue *q, struct VnRing *ring, const struct VnCursor *end);
/* Buffers of `q` were used: tells the driver. */
void vn_queue_signal(VnQueue *q);
/* The driver notified. */
void vn_queue_kick(VnQueue *q);
void vn_poll_begin(VirtioNet *net);
void vn_poll_end(VirtioNet *net);
/* The next turn of the worker looks at the rings. */
void vn_poll_wake(VirtioNet *net);

/* virtio-steer.c */
/* Frames of these flows were sent on `pair`. */
void vn_steer_learn(VirtioNet *net, const JfFrame *frames, guint n, guint pair);
/* The pair that a frame is received on. */
guint vn_steer(VirtioNet *net, const JfFrame *frame);
/* Receive queues became active, or no longer are. */
void vn_steer_update(VirtioNet *net);

/* virtio-net.c: everything stopped, nothing negotiated. */
void vn_net_reset(VirtioNet *net);

/* virtio-pci.c */
extern const JfPci vn_pci;

/* virtio-interface.c */
extern const JfVirtio vn_interface;

/* Where the queue stands, in the form of JfVirtioRing. */
static inline guint16
vn_queue_avail(const VnQueue *q)
{
	return (guint16)(q->avail | (q->packed && q->avail_wrap ? 0x8000u : 0));
}

static inline guint16
vn_queue_used(const VnQueue *q)
{
	return (guint16)(q->used | (q->packed && q->used_wrap ? 0x8000u : 0));
}

static inline gboolean
vn_queue_is_active(const VnQueue *q)
{
	return q->started && q->enabled && !q->broken;
}

#endif
