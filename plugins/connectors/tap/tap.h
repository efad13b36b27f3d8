/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tap.h - the parts of the tap connector. */
#ifndef TAP_H
#define TAP_H

#include <jackfield/driver.h>
#include <linux/virtio_net.h>
#include <net/if.h>

/* What the driver takes at most; what the device takes follows at start. */
#define TAP_OFFLOADS                                                                \
	(JF_OFFLOAD_CSUM | JF_OFFLOAD_TSO4 | JF_OFFLOAD_TSO6 | JF_OFFLOAD_TSO_ECN | \
	 JF_OFFLOAD_UFO | JF_OFFLOAD_USO)
/* Bytes that frames from the device are read into; one piece of it for each, as long as it is. */
#define TAP_RX_SPACE ((gsize)256 << 10)
#define TAP_ADDRESSES 2u

/* An unset BOOL or INT: the device keeps what it has. */
#define TAP_KEEP (-1)

/*
 * What is to be opened and how it is to be set up: plain values, so that a child process can work
 * with nothing but its copy.
 */
typedef struct TapRequest {
	int netns, userns; /* namespaces to enter, -1: none */
	char ifname[IFNAMSIZ];
	gboolean vnet_hdr, persistent;
	gint64 send_buffer; /* bytes, TAP_KEEP */
	gint64 mtu;         /* TAP_KEEP */
	int up;             /* TAP_KEEP */
	gboolean mac_given;
	guint8 mac[6]; /* where not given: the card's, for a device that is new */
	guint n_addresses;
	JfCidr addresses[TAP_ADDRESSES];
} TapRequest;

typedef enum {
	TAP_STEP_DONE,
	TAP_STEP_NETNS,
	TAP_STEP_OPEN,
	TAP_STEP_ATTACH, /* TUNSETIFF */
	TAP_STEP_HEADER,
	TAP_STEP_SEND_BUFFER,
	TAP_STEP_PERSIST,
	TAP_STEP_MAC,
	TAP_STEP_MTU,
	TAP_STEP_ADDRESS,
	TAP_STEP_UP,
} TapStep;

/* What came of it. */
typedef struct TapReply {
	int fd;
	guint step; /* TapStep: the one that failed */
	int err;    /* its errno */
	char ifname[IFNAMSIZ];
	guint32 offloads; /* JF_OFFLOAD_*: what the device takes */
} TapReply;

/* Towards the device. input runs on any thread: all of this is under `lock`, which is never held
 * while the core is called, but for posts. */
typedef struct TapTx {
	GMutex lock;
	int fd;           /* -1: stopped */
	gboolean blocked; /* the device's send buffer is full */
	gboolean gone;    /* the device was deleted */
	gboolean posted;  /* the worker has been told so */
} TapTx;

/* From the device. Worker only. */
typedef struct TapRx {
	guint8 *buf;
	gsize end; /* bytes of it that are used */
	struct virtio_net_hdr heads[JF_BATCH_MAX];
	struct iovec pieces[JF_BATCH_MAX];
	guint n, at;     /* frames read, and the first that has not been passed on */
	gboolean paused; /* output was short: wait for resume */
	gboolean gone;   /* the device was deleted */
} TapRx;

typedef struct TapCounters {
	guint64 *down;   /* frames for a device that is down */
	guint64 *errors; /* frames that the kernel would not take */
	guint64 *bad;    /* frames from the device that are too short or too long */
} TapCounters;

typedef struct Tap {
	JfInstance *inst;
	int fd;
	gsize head_len; /* of the virtio_net_hdr in front of each frame, 0: none */
	char ifname[IFNAMSIZ];
	JfWatch *watch;
	guint32 events; /* of `watch` */
	TapRx rx;
	TapTx tx;
	TapCounters count;
} Tap;

/* tap-config.c: properties in, messages out */
/* FALSE: the properties do not go together. Needs no privilege. */
gboolean tap_config_check(JfInstance *inst, GError **error);
/* A request with nothing open. */
void tap_config_request(JfInstance *inst, TapRequest *request);
void tap_config_fail(JfInstance *inst, const TapRequest *request, const TapReply *reply,
		     GError **error);

/* tap-open.c */
/* Sets fd, head_len and ifname; returns the offloads that the device takes in *offloads. */
gboolean tap_open(Tap *tap, guint32 *offloads, GError **error);
void tap_close(Tap *tap);

/* tap-device.c: safe in a child of a process with threads, calls nothing but the kernel */
void tap_device_open(const TapRequest *request, TapReply *reply);
/* Whether `fd` is a tap device's; its flags (IFF_*) and name. */
gboolean tap_device_look(int fd, guint *flags, char *ifname);
/* Asks for frames with offloads or without. Returns what the device takes. */
guint32 tap_device_offload(int fd, gboolean on);

/* tap-rx.c */
gboolean tap_rx_start(Tap *tap, GError **error);
void tap_rx_stop(Tap *tap);
void tap_rx_run(Tap *tap);

/* tap-tx.c */
void tap_tx_init(TapTx *tx);
void tap_tx_finish(TapTx *tx);
void tap_tx_start(TapTx *tx, int fd);
void tap_tx_stop(TapTx *tx);
void tap_tx_look(TapTx *tx, gboolean *blocked, gboolean *gone);
/* The device has room again. */
void tap_tx_unblock(Tap *tap);
guint tap_tx_input(Tap *tap, const JfFrame *frames, guint n);

/* tap.c */
void tap_update(Tap *tap);

#endif
