/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker.c - the turns of a worker, its queue, and its sleep. */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "worker-private.h"

#define EVENTS_MAX 64
/* A nested worker gives the loop back to its program after this many turns. */
#define NESTED_TURNS_MAX 16
/* Virtual, of which an idle worker touches two pages. The deepest path is a frame that passes from
 * driver to driver, with some 10 KiB for each hop that has to segment. */
#define STACK_SIZE (512u * 1024u)
#define POLL_MAX_DEFAULT (50u * 1000u)
#define POLL_STEP 5000u
/* Turns with work for pollers that may pass between looks at the file descriptors: a look costs as
 * much as moving some ten frames. */
#define BLIND_TURNS_MAX 4u

guint64
jf_worker_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (guint64)now.tv_sec * G_GUINT64_CONSTANT(1000000000) + (guint64)now.tv_nsec;
}

gboolean
jf_worker_is_current(JfWorker *worker)
{
	return __atomic_load_n(&worker->current, __ATOMIC_RELAXED) == (guintptr)pthread_self();
}

JfContext *
jf_worker_get_context(JfWorker *worker)
{
	return worker->context;
}

/* ---- The queue ---- */

static void
worker_wake(JfWorker *worker)
{
	guint64 one = 1;

	if (!__atomic_exchange_n(&worker->asleep, FALSE, __ATOMIC_SEQ_CST))
		return;
	while (write(worker->event_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void
jf_worker_queue(JfWorker *worker, JfJob *job)
{
	pthread_mutex_lock(&worker->lock);
	job->next = NULL;
	*worker->jobs_tail = job;
	worker->jobs_tail = &job->next;
	__atomic_fetch_add(&worker->n_jobs, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&worker->lock);
	worker_wake(worker);
}

static JfJob *
worker_pop(JfWorker *worker)
{
	JfJob *job;

	pthread_mutex_lock(&worker->lock);
	job = worker->jobs;
	if (job) {
		worker->jobs = job->next;
		if (!job->next)
			worker->jobs_tail = &worker->jobs;
		__atomic_fetch_sub(&worker->n_jobs, 1, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&worker->lock);
	return job;
}

void
jf_worker_unqueue(JfWorker *worker, JfJob *job)
{
	JfJob **link = &worker->jobs;

	pthread_mutex_lock(&worker->lock);
	while (*link && *link != job)
		link = &(*link)->next;
	if (*link) {
		*link = job->next;
		if (!job->next)
			worker->jobs_tail = link;
		__atomic_fetch_sub(&worker->n_jobs, 1, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&worker->lock);
}

/* Only the jobs that wait now: one that queues itself again waits for the next turn. */
static guint
worker_run_jobs(JfWorker *worker)
{
	guint n = __atomic_load_n(&worker->n_jobs, __ATOMIC_SEQ_CST);

	for (guint i = 0; i < n; i++) {
		JfJob *job = worker_pop(worker);

		if (!job)
			break;
		job->run(job);
	}
	return n;
}

/* ---- Signals ---- */

static void
signal_run(JfJob *job)
{
	JfSignal *signal = (JfSignal *)job;

	signal->notify(signal, __atomic_exchange_n(&signal->bits, 0, __ATOMIC_ACQ_REL));
}

void
jf_signal_init(JfSignal *signal, JfWorker *worker, void (*notify)(JfSignal *signal, guint32 bits))
{
	*signal = (JfSignal){ .job.run = signal_run, .worker = worker, .notify = notify };
}

void
jf_signal_finish(JfSignal *signal)
{
	jf_worker_unqueue(signal->worker, &signal->job);
}

/* The job is taken from the queue before the bits are: whoever finds none queues it again. */
void
jf_signal_raise(JfSignal *signal, guint32 bits)
{
	if (__atomic_fetch_or(&signal->bits, bits, __ATOMIC_ACQ_REL) == 0)
		jf_worker_queue(signal->worker, &signal->job);
}

/* ---- Turns ---- */

static void
worker_clear_fd(int fd)
{
	guint64 count;

	while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
		;
}

static guint
worker_run_event(JfWorker *worker, const struct epoll_event *event)
{
	if (event->data.ptr == &worker->event_fd) {
		worker_clear_fd(worker->event_fd);
		worker->is_woken = FALSE;
		return 0;
	}
	if (event->data.ptr == &worker->timer_fd) {
		worker_clear_fd(worker->timer_fd);
		worker->timer_set = 0;
		return 0;
	}
	return jf_worker_run_watch(worker, event->data.ptr, event->events);
}

static guint
worker_run_events(JfWorker *worker, int timeout)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(worker->epoll_fd, events, EVENTS_MAX, timeout);
	guint work = 0;

	if (timeout)
		__atomic_store_n(&worker->asleep, FALSE, __ATOMIC_SEQ_CST);
	for (int i = 0; i < n; i++)
		work += worker_run_event(worker, &events[i]);
	return work;
}

/* Returns the work done; timers that fired are none, for nothing follows them soon. */
static guint
worker_turn(JfWorker *worker, int timeout)
{
	guint work = 0, polled;

	if (!worker->polled || ++worker->blind >= BLIND_TURNS_MAX) {
		work = worker_run_events(worker, timeout);
		worker->blind = 0;
	}
	jf_worker_run_timers(worker);
	work += worker_run_jobs(worker);
	polled = jf_worker_run_pollers(worker);
	worker->polled = polled > 0;
	jf_worker_sweep(worker);
	return work + polled;
}

/* timer_fd may go off too early (the deadline has moved on since), never too late. */
static void
worker_settle_timers(JfWorker *worker)
{
	guint64 next = jf_timer_heap_get_next(&worker->timers);
	struct itimerspec spec = {
		.it_value.tv_sec = (time_t)(next / 1000000000u),
		.it_value.tv_nsec = (long)(next % 1000000000u),
	};

	if (next == 0 || (worker->timer_set != 0 && worker->timer_set <= next))
		return;
	if (timerfd_settime(worker->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
		worker->timer_set = next;
}

static gboolean
worker_fall_asleep(JfWorker *worker)
{
	worker_settle_timers(worker);
	__atomic_store_n(&worker->asleep, TRUE, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&worker->n_jobs, __ATOMIC_SEQ_CST) == 0;
}

/* ---- A worker with a thread ---- */

/* Work that came soon after the worker had given up polling would have been caught by a little
 * more patience; work that came late makes patience a waste. */
static void
worker_adapt(JfWorker *worker, guint64 slept)
{
	guint64 max = jf_worker_get_poll_budget(worker);

	if (slept <= max)
		worker->poll = MIN(max, MAX(2 * worker->poll, POLL_STEP));
	else
		worker->poll = worker->poll / 2 < POLL_STEP ? 0 : worker->poll / 2;
}

/* When polling ends after work just done; 0: at once. */
static guint64
worker_get_patience(JfWorker *worker)
{
	guint64 poll = MIN(worker->poll, jf_worker_get_poll_budget(worker));

	return poll ? jf_worker_now() + poll : 0;
}

/* Returns the work done after waking up. */
static guint
worker_sleep(JfWorker *worker)
{
	guint64 since = jf_worker_now();
	guint work;

	if (!worker_fall_asleep(worker)) {
		__atomic_store_n(&worker->asleep, FALSE, __ATOMIC_SEQ_CST);
		return 0;
	}
	work = worker_turn(worker, -1);
	if (work)
		worker_adapt(worker, jf_worker_now() - since);
	return work;
}

static void *
worker_main(void *data)
{
	JfWorker *worker = data;
	guint64 until = 0;
	guint quiet = 0;

	__atomic_store_n(&worker->current, (guintptr)pthread_self(), __ATOMIC_RELAXED);
	while (!__atomic_load_n(&worker->quit, __ATOMIC_ACQUIRE)) {
		gboolean sleepy = quiet >= 2 && (until == 0 || jf_worker_now() >= until);

		if (sleepy ? worker_sleep(worker) : worker_turn(worker, 0)) {
			until = worker_get_patience(worker);
			quiet = 0;
		} else {
			quiet = sleepy ? 0 : quiet + 1;
		}
	}
	return NULL;
}

/* The program's signals are its own threads' business. */
static int
worker_start_thread(JfWorker *worker)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	err = pthread_create(&worker->thread, &attr, worker_main, worker);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(worker->thread, "jf-worker");
	return err;
}

/* ---- A nested worker ---- */

static void
worker_enter(JfWorker *worker)
{
	worker->polled = FALSE;
	__atomic_store_n(&worker->asleep, FALSE, __ATOMIC_SEQ_CST);
	__atomic_store_n(&worker->current, (guintptr)pthread_self(), __ATOMIC_RELAXED);
}

/* With `again`, or with jobs in the queue, the fd stays readable. */
static void
worker_leave(JfWorker *worker, gboolean again)
{
	jf_worker_sweep(worker);
	__atomic_store_n(&worker->current, 0, __ATOMIC_RELAXED);
	if ((worker_fall_asleep(worker) && !again) || worker->is_woken)
		return;
	worker->is_woken = TRUE;
	worker_wake(worker);
}

void
jf_worker_dispatch(JfWorker *worker)
{
	guint quiet = 0;

	if (worker->threaded || jf_worker_is_current(worker))
		return;
	worker_enter(worker);
	for (guint turns = 0; turns < NESTED_TURNS_MAX && quiet < 2; turns++)
		quiet = worker_turn(worker, 0) ? 0 : quiet + 1;
	worker_leave(worker, quiet < 2);
}

/* ---- Calls ---- */

typedef struct Call {
	JfJob job;
	JfWorker *worker;
	void (*func)(gpointer data);
	gpointer data;
	gboolean done;
} Call;

static void
call_run(JfJob *job)
{
	Call *call = (Call *)job;
	JfWorker *worker = call->worker;

	call->func(call->data);
	pthread_mutex_lock(&worker->lock);
	call->done = TRUE;
	pthread_cond_broadcast(&worker->called);
	pthread_mutex_unlock(&worker->lock);
}

void
jf_worker_call(JfWorker *worker, void (*func)(gpointer data), gpointer data)
{
	Call call = { .job.run = call_run, .worker = worker, .func = func, .data = data };

	if (jf_worker_is_current(worker)) {
		func(data);
	} else if (!worker->threaded) {
		worker_enter(worker);
		func(data);
		worker_leave(worker, FALSE);
	} else {
		jf_worker_queue(worker, &call.job);
		pthread_mutex_lock(&worker->lock);
		while (!call.done)
			pthread_cond_wait(&worker->called, &worker->lock);
		pthread_mutex_unlock(&worker->lock);
	}
}

/* ---- Life ---- */

static gboolean
worker_watch_own(JfWorker *worker, int *fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = fd };

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, *fd, &event) == 0;
}

static gboolean
worker_open(JfWorker *worker)
{
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return worker->epoll_fd >= 0 && worker->event_fd >= 0 && worker->timer_fd >= 0 &&
	       worker_watch_own(worker, &worker->event_fd) &&
	       worker_watch_own(worker, &worker->timer_fd);
}

static void
worker_close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static JfWorker *
worker_new(JfContext *context, gboolean threaded, GError **error)
{
	JfWorker *worker = g_new0(JfWorker, 1);
	int err = 0;

	worker->context = context;
	worker->poll_max = POLL_MAX_DEFAULT;
	worker->asleep = !threaded;
	worker->jobs_tail = &worker->jobs;
	worker->pollers = g_ptr_array_new();
	jf_timer_heap_init(&worker->timers);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->called, NULL);
	if (!worker_open(worker))
		err = errno;
	else if (threaded)
		err = worker_start_thread(worker);
	worker->threaded = threaded && !err;
	if (!err)
		return worker;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot make a worker: %s",
		    g_strerror(err));
	jf_worker_free(worker);
	return NULL;
}

JfWorker *
jf_worker_new(JfContext *context, GError **error)
{
	return worker_new(context, TRUE, error);
}

JfWorker *
jf_worker_new_nested(JfContext *context, GError **error)
{
	return worker_new(context, FALSE, error);
}

void
jf_worker_free(JfWorker *worker)
{
	if (!worker)
		return;
	if (worker->threaded) {
		__atomic_store_n(&worker->quit, TRUE, __ATOMIC_RELEASE);
		__atomic_store_n(&worker->asleep, TRUE, __ATOMIC_SEQ_CST);
		worker_wake(worker);
		pthread_join(worker->thread, NULL);
	}
	jf_worker_sweep(worker);
	jf_worker_free_posts(worker);
	jf_timer_heap_finish(&worker->timers);
	g_ptr_array_unref(worker->pollers);
	pthread_cond_destroy(&worker->called);
	pthread_mutex_destroy(&worker->lock);
	worker_close_fd(worker->timer_fd);
	worker_close_fd(worker->event_fd);
	worker_close_fd(worker->epoll_fd);
	g_free(worker);
}

int
jf_worker_get_fd(JfWorker *worker)
{
	return worker->epoll_fd;
}

void
jf_worker_set_poll_budget(JfWorker *worker, guint64 ns)
{
	__atomic_store_n(&worker->poll_max, MIN(ns, JF_POLL_BUDGET_MAX), __ATOMIC_RELAXED);
}
