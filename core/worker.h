/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.h - a thread (or a part of somebody's loop) that runs the callbacks of instances.
 *
 * A worker runs in turns. Each looks at the file descriptors, then runs the timers that are due, the
 * jobs that were queued before the turn, and all pollers. A worker with a thread goes on turning for
 * a while after the last work and then sleeps; that while adapts itself to how soon work comes back.
 *
 * Pollers and sleep: before a worker sleeps, two turns in a row found nothing to do, so each poller
 * returned 0 twice. A driver whose peer must notify a sleeper therefore switches the notifications
 * on when its poller first finds nothing, and returns 0; what came in between is found by the second
 * call. It switches them off when it next finds work.
 *
 * Functions are for the worker's own thread unless marked [any].
 */
#ifndef JF_WORKER_H
#define JF_WORKER_H

#include "jackfield/vmm.h"

#include "timer.h"

/* Something that belongs to an owner, in one of its lists. */
typedef struct JfItem {
	struct JfItem *next;
	struct JfItem **link; /* what points here */
} JfItem;

typedef struct JfBudget JfBudget;

/* What a worker runs callbacks for: an instance. Only touched on the worker but for `inst`. */
typedef struct JfOwner {
	JfInstance *inst;
	gboolean in_callback; /* one of its callbacks is on the stack */
	JfItem *timers, *watches, *pollers;
	JfBudget *budget; /* NULL: it asked for none */
} JfOwner;

/* A job in a worker's queue. Jobs run in the order of queueing, one a time, at most once each. */
typedef struct JfJob {
	struct JfJob *next;
	const JfOwner *owner; /* NULL: nobody's; never forgotten */
	void (*run)(struct JfJob *job);
} JfJob;

/*
 * Something to be told on a worker, any number of times at once: bits collect until the worker
 * comes to them. Raising allocates nothing.
 */
typedef struct JfSignal {
	JfJob job;
	JfWorker *worker;
	guint32 bits;
	void (*notify)(struct JfSignal *signal, guint32 bits);
} JfSignal;

/* The caller is on the worker's thread, within a turn or a call. [any] */
gboolean jf_worker_is_current(JfWorker *worker);
JfContext *jf_worker_get_context(JfWorker *worker);
/* Runs `func` on the worker and waits for it; at once when on it already, or when it is nested (then
 * the caller is the control thread). [any, but no other worker] */
void jf_worker_call(JfWorker *worker, void (*func)(gpointer data), gpointer data);
/* [any] */
void jf_worker_queue(JfWorker *worker, JfJob *job);
/* Takes a job out again if it still waits. [any] */
void jf_worker_unqueue(JfWorker *worker, JfJob *job);

void jf_signal_init(JfSignal *signal, JfWorker *worker,
		    void (*notify)(JfSignal *signal, guint32 bits));
/* `notify` does not run afterwards. Nobody may raise it any more. */
void jf_signal_finish(JfSignal *signal);
/* [any] */
void jf_signal_raise(JfSignal *signal, guint32 bits);

/* The host services of jackfield/driver.h. */
JfTimer *jf_worker_add_timer(JfWorker *worker, JfOwner *owner, JfTimerFunc func, gpointer data);
void jf_timer_arm(JfTimer *timer, guint64 deadline);
void jf_timer_remove(JfTimer *timer);
JfWatch *jf_worker_add_watch(JfWorker *worker, JfOwner *owner, int fd, guint32 events,
			     JfWatchFunc func, gpointer data);
void jf_watch_modify(JfWatch *watch, guint32 events);
void jf_watch_remove(JfWatch *watch);
JfPoller *jf_worker_add_poller(JfWorker *worker, JfOwner *owner, JfPollFunc func, gpointer data);
void jf_poller_remove(JfPoller *poller);
/* [any] */
void jf_worker_post(JfWorker *worker, JfOwner *owner, JfPostFunc func, gpointer data);
/* The poll budget that `owner` asks for, until it is cleared. */
void jf_worker_ask_poll_budget(JfWorker *worker, JfOwner *owner, guint64 ns);
void jf_worker_clear_poll_budget(JfWorker *worker, JfOwner *owner);
/* Removes every timer, watch, poller and job of `owner`, and its poll budget. */
void jf_worker_forget(JfWorker *worker, JfOwner *owner);

/* Nanoseconds of CLOCK_MONOTONIC. [any] */
guint64 jf_worker_now(void);

#endif
