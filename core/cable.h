/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cable.h - the chain from a card's guest side through its filters to its attachment.
 *
 * All instances of a chain share the cable's worker. The first is a connector or a model, the last
 * an attachment. What an end is told of the line: up when the cable is in, and all that lies in that
 * direction is active and has not set its own end down.
 */
#ifndef JF_CABLE_H
#define JF_CABLE_H

#include "jackfield/vmm.h"

#include "instance.h"
#include "worker.h"

struct JfCable {
	JfContext *context;
	JfWorker *worker;
	JfCard *card;
	GPtrArray *chain;      /* JfInstanceFull, borrowed. Under the topology lock */
	gboolean is_connected; /* under the topology lock */
	gboolean shown;        /* atomic: the line as the guest was told of it */
	JfSignal signal;
	JfCardFlow tx;
	char apart[64]; /* the directions are counted on different threads */
	JfCardFlow rx;
};

void jf_cable_init(JfCable *cable, JfContext *context, JfWorker *worker, JfCard *card);
/* The chain must be empty. */
void jf_cable_finish(JfCable *cable);

/* Control thread. `inst` comes to stand at `index`; what is there already moves outwards. */
void jf_cable_insert(JfCable *cable, guint index, JfInstanceFull *inst);
/* Takes out a stopped instance. Frames that wait in it are delivered where that can be, else they
 * are drops. */
void jf_cable_remove(JfCable *cable, JfInstanceFull *inst);
void jf_cable_set_connected(JfCable *cable, gboolean connected);
/* Drops what waits anywhere. */
void jf_cable_discard(JfCable *cable);

/* On the worker. Marks a member of the chain, or an instance without a cable, as ready for input or
 * not; `failed` goes with FALSE. */
void jf_cable_set_active(JfInstanceFull *inst, gboolean active, gboolean failed);
/* On the worker, outside of callbacks. Tells everybody whose line has changed, and the program. */
void jf_cable_refresh(JfCable *cable);

/* [any] */
void jf_cable_signal_refresh(JfCable *cable);
gboolean jf_cable_get_link(JfCable *cable);
void jf_cable_get_stats(JfCable *cable, JfCardFlow *tx, JfCardFlow *rx);

#endif
