/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-private.h - a worker as its own sources see it. */
#ifndef JF_WORKER_PRIVATE_H
#define JF_WORKER_PRIVATE_H

#include "worker.h"

#include <pthread.h>
#include <sys/epoll.h>

#define JF_POLL_BUDGET_MAX G_GUINT64_CONSTANT(1000000000)

struct JfWorker {
	JfContext *context;
	gboolean threaded;
	pthread_t thread;
	guintptr current; /* atomic: pthread_self() of the thread that is in here; 0: none */
	gboolean quit;    /* atomic */

	int epoll_fd;
	int event_fd;      /* readable: somebody queued a job while the worker slept */
	int timer_fd;      /* one for all timers, so that it wakes a nested worker's loop too */
	guint64 timer_set; /* the deadline that timer_fd waits for; 0: none */
	JfTimerHeap timers;
	GPtrArray *pollers;
	gboolean pollers_removed;
	JfItem *watches_removed; /* freed at the end of the turn: the event batch may name them */

	pthread_mutex_t lock; /* of the queue */
	pthread_cond_t called;
	JfJob *jobs, **jobs_tail;
	guint n_jobs;      /* atomic for a look without the lock */
	gboolean is_woken; /* nested: event_fd is readable for what worker_leave left to do */
	gboolean asleep;   /* atomic: whoever queues a job has to write to event_fd */
	JfJob *spare_posts;
	guint n_spare_posts;

	gboolean polled; /* pollers found work in the last turn */
	guint blind;     /* turns since the last look at the file descriptors */

	guint64 poll_max; /* atomic, ns: where no owner asked for a budget */
	JfItem *budgets;  /* that owners asked for */
	guint64 asked;    /* the largest of them */
	guint64 poll;     /* ns to go on polling after the last work, at most the budget */
};

/* Most ns that it polls. */
static inline guint64
jf_worker_get_poll_budget(JfWorker *worker)
{
	return worker->budgets ? worker->asked
			       : __atomic_load_n(&worker->poll_max, __ATOMIC_RELAXED);
}

/* Runs what one event asks for, the timers that are due, all pollers. Each returns the work done. */
guint jf_worker_run_watch(JfWorker *worker, JfItem *item, guint32 events);
void jf_worker_run_timers(JfWorker *worker);
guint jf_worker_run_pollers(JfWorker *worker);
/* Frees what was removed while callbacks ran. */
void jf_worker_sweep(JfWorker *worker);
/* Frees the spare posts. */
void jf_worker_free_posts(JfWorker *worker);

static inline void
jf_owner_enter(JfOwner *owner)
{
	owner->in_callback = TRUE;
}

static inline void
jf_owner_leave(JfOwner *owner)
{
	owner->in_callback = FALSE;
}

#endif
