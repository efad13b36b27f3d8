/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink-private.h - the parts of an uplink: its life, its connection, its rings.
 *
 * An uplink is a port on a network of a daemon's: a vhost-user front end, with rings and buffers in
 * memory that it shares with the daemon. Everything happens on the instance's worker, but for what is
 * marked [any] and for sending, which has a lock.
 */
#ifndef JF_CORE_UPLINK_PRIVATE_H
#define JF_CORE_UPLINK_PRIVATE_H

#include <jackfield/vhost-user.h>
#include <jackfield/virtio-spec.h>
#include <pthread.h>

#include "uplink-wire.h"
#include "uplink.h"

#define UPLINK_RING 256u          /* entries of either ring */
#define UPLINK_ADDRESS 0x1000000u /* "guest-physical" address of the memory */

typedef enum {
	UPLINK_AWAY,     /* the timer says when to try again */
	UPLINK_ASKING,   /* JfUplinkRequest is out */
	UPLINK_FEATURES, /* both GET_FEATURES are out */
	UPLINK_RINGS,    /* all is told, and the last message wants an acknowledgement */
	UPLINK_UP,
} UplinkState;

/* A split ring whose entries are used in order, so that entry, descriptor and buffer are one. */
typedef struct UplinkRing {
	VirtqDesc *desc;
	VirtqAvail *avail;
	VirtqUsed *used;
	guint16 next;  /* made available so far */
	guint16 done;  /* seen used so far */
	guint16 event; /* the daemon tells when it has used this one */
	int kick;      /* -1: none */
} UplinkRing;

typedef struct Uplink Uplink;

struct Uplink {
	JfUplinks *uplinks;
	Uplink *next; /* under the lock of `uplinks` */
	JfInstance *inst;
	const JfHost *host;
	JfSwitchJoin join;
	JfUplinkRequest request;
	guint64 *connects, *away, *lost, *broken;

	UplinkState state;
	int fd;
	int event; /* the daemon and others wake the worker by it */
	JfWatch *event_watch, *watch;
	JfTimer *timer;
	JfPoller *poller;
	char *said; /* the last trouble that was logged */
	guint have;
	union {
		guint8 bytes[256];
		JfUplinkReply reply;
		guint64 align;
	} in;

	int memory_fd; /* -1: none */
	guint8 *memory;
	UplinkRing rx;
	gint blocked;        /* atomic: deliver refused frames; they stay in the ring */
	const char *trouble; /* atomic: how the daemon broke a ring */
	gint policy;         /* atomic: JfPromiscuous that is wanted */

	pthread_mutex_t lock; /* of sending, for the rest */
	gboolean is_open;
	UplinkRing tx;
	guint32 head, tail;        /* of the bytes in use; all are free while nothing is out */
	guint32 ends[UPLINK_RING]; /* head after each entry */
	gint waiting;              /* atomic: a sender was refused, when the ring was at */
	guint16 refused_at;        /* tx.done */
};

/* uplink-ring.c */
/* New memory and rings. */
gboolean uplink_rings_new(Uplink *uplink, GError **error);
/* Harmless when there are none. Counts what was out. */
void uplink_rings_free(Uplink *uplink);
void uplink_rings_open(Uplink *uplink);
gsize uplink_rings_get_size(void);
guint uplink_rings_receive(Uplink *uplink);
/* Lets senders go on that wait. */
guint uplink_rings_reclaim(Uplink *uplink);
/* The daemon shall say when it has something. */
void uplink_rings_arm(Uplink *uplink);
guint uplink_rings_send(Uplink *uplink, const JfFrame *frames, guint n); /* [any] */

/* uplink-link.c */
gboolean uplink_link_start(Uplink *uplink, GError **error);
void uplink_link_stop(Uplink *uplink);
/* Wakes the worker. [any] */
void uplink_wake(Uplink *uplink);
const char *uplinks_get_path(const JfUplinks *uplinks);

#endif
