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
#include <jackfield/virtio-spec.h>
#include <jackfield/virtio.h>
#include <pthread.h>

#include "virtio-filter.h"

#define VN_PAIRS_MAX JF_VIRTIO_PAIRS_MAX
#define VN_DATA_QUEUES (2u * VN_PAIRS_MAX)
#define VN_QUEUES_MAX (VN_DATA_QUEUES + 1u)
/* Most descriptors of one chain, also in an indirect table: more than any driver uses. */
#define VN_CHAIN_MAX 1024u

struct VnCursor;
struct VnRing;
typedef struct VirtioNet VirtioNet;

/* A virtqueue. Queue 2k receives, 2k + 1 transmits. */
typedef struct VnQueue {
	VirtioNet *net;
	guint16 index;
	guint16 vector; /* atomic, little-endian: its MSI-X vector */
	gboolean is_rx;

	/* Set by start. */
	gboolean started;
	gboolean packed, event_idx, in_order, indirect;
	guint8 hdr_len;
	guint32 size;
	guint64 desc, driver, device; /* guest addresses of the three parts */
	JfVirtioMark *mark;           /* NULL: none */

	gboolean enabled; /* may move frames */
	gboolean broken;  /* until the next start */
	gint refused;     /* atomic. Transmit: output has no room; receive: the ring has none */

	/* The worker looks at what is above, whoever delivers frames changes what is below. */
	guint8 apart[64];

	/* The next entry to take, the next one to use. Split: free-running. */
	guint16 avail, used;
	gboolean avail_wrap, used_wrap; /* packed */
	gboolean notify;                /* the driver is asked to notify */
	guint16 end;       /* receive: the entry that was not there when frames were refused */
	gboolean end_wrap; /* packed */
	guint region_hint; /* where in the memory table the last buffer was */

	pthread_mutex_t lock; /* of a receive queue, for all of the above */
	guint8 apart_too[64];
} VnQueue;

/* A queue as its registers say. */
typedef struct VnPciQueue {
	guint16 size, vector;
	gboolean enabled;
	guint64 desc, driver, device;
} VnPciQueue;

/* The registers of the PCI_CFG capability. */
typedef struct VnPciWindow {
	guint8 bar;
	guint32 offset, length;
} VnPciWindow;

typedef enum {
	VN_BUSY,  /* rings are polled; drivers need not notify */
	VN_ARMED, /* notifications are on; one more look is due */
	VN_IDLE,  /* waits for a notification */
} VnPollState;

struct VirtioNet {
	JfInstance *inst;
	const JfHost *host;
	const JfPciHost *pci;

	/* As configured. */
	guint64 offered;
	guint pairs_max;
	guint16 ring_size, mtu; /* mtu 0: not said */
	guint32 speed;          /* Mbit/s */
	guint8 mac[6];

	guint64 features; /* negotiated */
	guint64 guest;    /* of these, the offloads that the driver takes now */
	guint pairs;      /* in use */
	VnFilter filter;
	gboolean link;     /* the line as the host says */
	gboolean announce; /* the driver is asked to announce itself */

	gint n_rx;                     /* atomic: receive queues that are active... */
	guint8 rx_pairs[VN_PAIRS_MAX]; /* ...and whose they are; atomic */
	guint8 flows[256];             /* the pair that a flow was last sent on, by its hash */

	VnQueue queues[VN_DATA_QUEUES], ctrl;
	guint n_started;

	gboolean running; /* between start and stop */
	JfPoller *poller;
	gint poll_state;                         /* VnPollState, atomic */
	guint quiet;                             /* polls in a row that found nothing */
	guint64 quiet_since, armed_at, patience; /* ns of JF_CLOCK_MONOTONIC */
	gboolean woken;                          /* a post is on its way */
	guint8 *bounce;                          /* for a frame in more pieces than a JfFrame has */

	/* The PCI side. */
	JfPciInfo info;
	VnPciQueue regs[VN_QUEUES_MAX];
	VnPciWindow window;
	guint64 driver_features;
	guint32 device_feature_select, driver_feature_select;
	guint16 queue_select, config_vector;
	guint8 status, config_generation;
	guint8 isr; /* under isr_lock */
	pthread_mutex_t isr_lock;
	gint any_broken; /* atomic */

	gint taken; /* by jf.virtio/1; atomic */
	JfVirtioCallbacks callbacks;
	gpointer callback_data;

	guint64 *rx_too_long, *rx_not_ready, *broken;
};

/* virtio-queue.c */
void vn_queues_init(VirtioNet *net);
void vn_queues_finish(VirtioNet *net);
/* Checks and takes over where the ring lies; *at is borrowed. VALUE, STATE. */
gboolean vn_queue_start(VnQueue *q, const JfVirtioRing *at, GError **error);
/* The same without a look at the memory, which may come later. FALSE: size or index is wrong. */
gboolean vn_queue_resume(VnQueue *q, const JfVirtioRing *at);
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
#define VN_FEATURES_GUEST                                                              \
	(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | \
	 VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_GUEST_UFO | VIRTIO_NET_F_GUEST_USO4 |   \
	 VIRTIO_NET_F_GUEST_USO6)
guint64 vn_features_configured(JfInstance *inst);
/* The first bit of `features` that lacks another one that it needs, 0: none. */
guint64 vn_features_lacking(guint64 features);
/* The JF_OFFLOAD_* that a driver takes which negotiated `features`. */
guint32 vn_features_offloads(guint64 features);
/* Also tells the host what input takes. With all receive locks, but in init. */
void vn_features_set(VirtioNet *net, guint64 features);
/* Some of the negotiated VN_FEATURES_GUEST. */
void vn_features_set_guest(VirtioNet *net, guint64 guest);

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
void vn_pci_init(VirtioNet *net);

/* virtio-legacy.c, virtio-modern.c: the BARs. */
#define VN_PAGE 4096u
#define VN_MODERN_COMMON 0u
#define VN_MODERN_ISR (1u * VN_PAGE)
#define VN_MODERN_DEVICE (2u * VN_PAGE)
#define VN_MODERN_NOTIFY (3u * VN_PAGE)
#define VN_MODERN_SIZE (4u * VN_PAGE)
#define VN_NOTIFY_STEP 4u
guint64 vn_legacy_read(VirtioNet *net, guint at, guint size);
void vn_legacy_write(VirtioNet *net, guint at, guint size, guint64 value);
guint64 vn_modern_read(VirtioNet *net, guint at, guint size);
void vn_modern_write(VirtioNet *net, guint at, guint size, guint64 value);

/* virtio-config.c */
guint64 vn_config_read(VirtioNet *net, guint at, guint size);
void vn_config_write(VirtioNet *net, guint at, guint size, guint64 value);
void vn_link(JfInstance *inst, guint port, gboolean up);

/* virtio-transport.c */
void vn_transport_init(VirtioNet *net);
void vn_transport_reset(VirtioNet *net);
guint vn_transport_n_queues(const VirtioNet *net);
/* The control queue follows the last data queue: of all that there are with MQ, else of one pair. */
guint vn_transport_ctrl_index(const VirtioNet *net);
/* NULL: no queue has this number. */
VnQueue *vn_transport_queue(VirtioNet *net, guint index);
void vn_transport_queue_enable(VirtioNet *net, guint index);
void vn_transport_queue_reset(VirtioNet *net, guint index);
void vn_transport_set_vector(VirtioNet *net, guint index, guint16 vector);
void vn_transport_set_config_vector(VirtioNet *net, guint16 vector);
void vn_transport_set_pairs(VirtioNet *net, guint pairs);
void vn_transport_notify(VirtioNet *net, guint index);
void vn_transport_legacy_features(VirtioNet *net, guint32 bits);
void vn_transport_set_status(VirtioNet *net, guint8 status);
guint8 vn_transport_read_isr(VirtioNet *net);
void vn_transport_config_changed(VirtioNet *net);
/* [any thread] */
void vn_transport_signal(VnQueue *q);
void vn_transport_broken(VnQueue *q);
/* Registers and places as they were saved. */
void vn_transport_restore_queue(VirtioNet *net, guint index, gboolean started, guint16 avail,
				guint16 used);
void vn_transport_restore_isr(VirtioNet *net, guint8 isr);

/* virtio-ctrl.c: runs the commands that wait. */
void vn_ctrl_run(VirtioNet *net);

/* virtio-state.c */
extern const struct JfState vn_state;

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

static inline guint
vn_rx_pair(const VirtioNet *net, guint i)
{
	return __atomic_load_n(&net->rx_pairs[i], __ATOMIC_RELAXED);
}

static inline gboolean
vn_queue_is_active(const VnQueue *q)
{
	return q->started && q->enabled && !q->broken;
}

#endif
