/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frame-link.h - one hop of a frame's way: from a port of an instance to the port that it faces.
 *
 * Frames go straight into the receiver's input where they may. Else they are copied into the link's
 * ring, and the receiver's worker takes them from there:
 *
 *	- the receiver is not parallel, and the sender is not on its worker or is within one of the
 *	  receiver's own callbacks;
 *	- the receiver took only some of the segments that a large frame was cut into;
 *	- there are frames in the ring already, for order is kept.
 *
 * A full ring is the same to the sender as a receiver that refuses. Frames in the ring were taken:
 * if they cannot be delivered any more they are drops of the cable.
 */
#ifndef JF_FRAME_LINK_H
#define JF_FRAME_LINK_H

#include <pthread.h>

#include "jackfield/vmm.h"

#include "ring.h"

typedef struct JfInstanceFull JfInstanceFull;

typedef enum {
	JF_LINK_SHUT = 0, /* one end is stopped, or there is none: refuses */
	JF_LINK_DROP,     /* the cable is pulled, or the receiver failed: drops */
	JF_LINK_OPEN,
} JfLinkMode;

typedef struct JfLink {
	JfInstanceFull *source;
	guint port; /* of the source */

	/* Under the context's topology lock. */
	JfInstanceFull *dest;
	guint dest_port;
	JfLinkMode mode;
	gboolean delivers; /* the ring may be emptied into dest */
	gboolean is_last;  /* the cable's last hop: what goes through is counted here */
	JfCardFlow *flow;  /* atomic counters of the direction */

	pthread_mutex_t lock; /* for the rest */
	JfRing ring;
	guint n_waiting;  /* atomic: frames in the ring */
	gboolean stalled; /* dest refused; it will say when it has room */
	gboolean refused; /* source was refused and waits for resume */
} JfLink;

void jf_link_init(JfLink *link, JfInstanceFull *source, guint port);
void jf_link_finish(JfLink *link);

/* Returns how many were taken. With the topology lock read. [any] */
guint jf_link_send(JfLink *link, const JfFrame *frames, guint n);
/* The receiver has room again. With the topology lock read. [any] */
void jf_link_room(JfLink *link);
/* Frames from the ring into the receiver, on its worker and outside of its callbacks. Takes the
 * topology lock itself. */
void jf_link_drain(JfLink *link);
/* Drops what is in the ring. With the topology lock written, or nobody else there. */
void jf_link_discard(JfLink *link);

#endif
