/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker.c - timers, watches, pollers, posts and the sleep of a worker. */
#include "worker.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "worker-private.h"

#define MS G_GUINT64_CONSTANT(1000000)

typedef struct Fixture {
	JfWorker *worker;
	JfInstance inst;
	JfOwner owner;
	GString *log;
} Fixture;

static void
setup(Fixture *f, gconstpointer threaded)
{
	g_autoptr(GError) error = NULL;

	f->worker = threaded ? jf_worker_new(NULL, &error) : jf_worker_new_nested(NULL, &error);
	g_assert_no_error(error);
	f->owner.inst = &f->inst;
	f->inst.priv = f;
	f->log = g_string_new(NULL);
}

static void
forget(gpointer data)
{
	Fixture *f = data;

	jf_worker_forget(f->worker, &f->owner);
}

static void
teardown(Fixture *f, gconstpointer threaded)
{
	(void)threaded;
	jf_worker_call(f->worker, forget, f);
	g_assert_null(f->owner.timers);
	g_assert_null(f->owner.watches);
	g_assert_null(f->owner.pollers);
	jf_worker_free(f->worker);
	g_string_free(f->log, TRUE);
}

static void
note(JfInstance *inst, gpointer data)
{
	Fixture *f = inst->priv;

	g_assert_true(f->owner.in_callback);
	g_assert_true(jf_worker_is_current(f->worker));
	g_string_append(f->log, data);
}

static JfTimer *
add_timer(Fixture *f, JfTimerFunc func, const char *word)
{
	return jf_worker_add_timer(f->worker, &f->owner, func, (gpointer)word);
}

static JfWatch *
add_watch(Fixture *f, int fd, guint32 events, JfWatchFunc func, const char *word)
{
	return jf_worker_add_watch(f->worker, &f->owner, fd, events, func, (gpointer)word);
}

static JfPoller *
add_poller(Fixture *f, JfPollFunc func, const char *word)
{
	return jf_worker_add_poller(f->worker, &f->owner, func, (gpointer)word);
}

static void
post_job(Fixture *f, JfPostFunc func, const char *word)
{
	jf_worker_post(f->worker, &f->owner, func, (gpointer)word);
}

/* As a program's loop does. FALSE: nothing came within `ms`. */
static gboolean
loop_once(Fixture *f, int ms)
{
	struct pollfd fd = { .fd = jf_worker_get_fd(f->worker), .events = POLLIN };

	if (poll(&fd, 1, ms) <= 0)
		return FALSE;
	jf_worker_dispatch(f->worker);
	return TRUE;
}

static void
loop_until(Fixture *f, const char *log)
{
	gint64 until = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

	while (strcmp(f->log->str, log) != 0) {
		g_assert_cmpint(g_get_monotonic_time(), <, until);
		loop_once(f, 100);
	}
}

/* ---- The heap ---- */

static void
test_heap(void)
{
	JfTimerNode nodes[500], *node;
	JfTimerHeap heap;
	guint n = 0;
	guint64 last = 0;

	jf_timer_heap_init(&heap);
	for (guint i = 0; i < 500; i++) {
		jf_timer_node_init(&nodes[i]);
		jf_timer_heap_arm(&heap, &nodes[i], 1 + (guint64)g_test_rand_int_range(0, 1000));
	}
	for (guint i = 0; i < 500; i += 3)
		jf_timer_heap_arm(&heap, &nodes[i], i % 2 ? 0 : 1001 + i);
	while (jf_timer_heap_get_next(&heap)) {
		guint64 next = jf_timer_heap_get_next(&heap);

		jf_timer_heap_collect(&heap, next);
		while ((node = jf_timer_heap_pop(&heap))) {
			g_assert_cmpuint(node->deadline, ==, next);
			g_assert_cmpuint(node->deadline, >=, last);
			last = node->deadline;
			n++;
		}
	}
	g_assert_cmpuint(n, ==, 500 - 83);
	jf_timer_heap_finish(&heap);
}

/* A due timer that is disarmed or armed again before its turn. */
static void
test_heap_due(void)
{
	JfTimerNode a, b, c;
	JfTimerHeap heap;

	jf_timer_heap_init(&heap);
	jf_timer_node_init(&a);
	jf_timer_node_init(&b);
	jf_timer_node_init(&c);
	jf_timer_heap_arm(&heap, &a, 1);
	jf_timer_heap_arm(&heap, &b, 2);
	jf_timer_heap_arm(&heap, &c, 3);
	jf_timer_heap_collect(&heap, 5);
	g_assert_cmpuint(jf_timer_heap_get_next(&heap), ==, 0);
	jf_timer_heap_arm(&heap, &b, 0);
	jf_timer_heap_arm(&heap, &a, 4);
	g_assert_true(jf_timer_heap_pop(&heap) == &c);
	g_assert_null(jf_timer_heap_pop(&heap));
	g_assert_cmpuint(jf_timer_heap_get_next(&heap), ==, 4);
	jf_timer_heap_finish(&heap);
}

/* ---- Timers ---- */

static void
test_timer_order(Fixture *f, gconstpointer data)
{
	guint64 now = jf_worker_now();

	(void)data;
	jf_timer_arm(add_timer(f, note, "c"), now + 20 * MS);
	jf_timer_arm(add_timer(f, note, "a"), 1);
	jf_timer_arm(add_timer(f, note, "b"), now + 10 * MS);
	add_timer(f, note, "never");
	g_assert_cmpstr(f->log->str, ==, "");
	jf_worker_dispatch(f->worker);
	g_assert_cmpstr(f->log->str, ==, "a");
	loop_until(f, "abc");
	g_assert_cmpuint(jf_worker_now(), >=, now + 20 * MS);
}

static JfTimer *again, *victim;

/* Always due: others must have their turn, and none of its calls is inside another. */
static void
on_again(JfInstance *inst, gpointer data)
{
	Fixture *f = inst->priv;

	note(inst, data);
	if (f->log->len < 6) {
		gsize len = f->log->len;

		jf_timer_arm(again, 1);
		g_assert_cmpuint(f->log->len, ==, len);
	}
}

static void
test_timer_again(Fixture *f, gconstpointer data)
{
	(void)data;
	again = add_timer(f, on_again, "x");
	jf_timer_arm(again, 1);
	jf_timer_arm(add_timer(f, note, "y"), 2);
	jf_worker_dispatch(f->worker);
	loop_until(f, "xyxxxx");
}

static void
on_remove(JfInstance *inst, gpointer data)
{
	note(inst, data);
	jf_timer_remove(victim);
	jf_timer_remove(again);
}

/* One that removes itself and another that is due as well. */
static void
test_timer_remove(Fixture *f, gconstpointer data)
{
	(void)data;
	again = add_timer(f, on_remove, "r");
	victim = add_timer(f, note, "v");
	jf_timer_arm(again, 1);
	jf_timer_arm(victim, 2);
	jf_timer_arm(add_timer(f, note, "e"), 3);
	jf_worker_dispatch(f->worker);
	loop_until(f, "re");
	g_assert_false(loop_once(f, 0));
}

/* The fd becomes readable for a timer that a call from outside the loop armed. */
static void
arm_soon(gpointer data)
{
	Fixture *f = data;

	jf_timer_arm(add_timer(f, note, "t"), jf_worker_now() + MS);
}

static void
test_timer_call(Fixture *f, gconstpointer data)
{
	(void)data;
	jf_worker_call(f->worker, arm_soon, f);
	loop_until(f, "t");
}

/* ---- Watches ---- */

static JfWatch *watches[3];
static int pipes[3][2];

static void
on_readable(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	char c;

	g_assert_cmpuint(events, ==, EPOLLIN);
	g_assert_cmpint(read(fd, &c, 1), ==, 1);
	note(inst, data);
}

static void
on_remove_all(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	(void)events;
	note(inst, data);
	for (guint i = 0; i < 3; i++) {
		jf_watch_remove(watches[i]);
		close(pipes[i][0]);
	}
	g_assert_cmpint(fd, >=, 0);
}

static void
add_pipes(Fixture *f, JfWatchFunc func)
{
	for (guint i = 0; i < 3; i++) {
		g_assert_cmpint(pipe2(pipes[i], O_CLOEXEC), ==, 0);
		watches[i] = add_watch(f, pipes[i][0], EPOLLIN, func, "w");
		g_assert_nonnull(watches[i]);
	}
}

static void
close_pipes(gboolean read_ends)
{
	for (guint i = 0; i < 3; i++) {
		close(pipes[i][1]);
		if (read_ends)
			close(pipes[i][0]);
	}
}

static void
test_watch(Fixture *f, gconstpointer data)
{
	(void)data;
	add_pipes(f, on_readable);
	jf_watch_modify(watches[1], 0);
	for (guint i = 0; i < 3; i++)
		g_assert_cmpint(write(pipes[i][1], "12", 2), ==, 2);
	loop_until(f, "wwww");
	g_assert_false(loop_once(f, 0));
	jf_watch_modify(watches[1], EPOLLIN);
	loop_until(f, "wwwwww");
	forget(f);
	close_pipes(TRUE);
}

/* All three are in one batch of events; the first removes all. */
static void
test_watch_remove(Fixture *f, gconstpointer data)
{
	(void)data;
	add_pipes(f, on_remove_all);
	for (guint i = 0; i < 3; i++)
		g_assert_cmpint(write(pipes[i][1], "1", 1), ==, 1);
	loop_until(f, "w");
	g_assert_false(loop_once(f, 0));
	g_assert_null(f->owner.watches);
	close_pipes(FALSE);
}

static void
on_hangup(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	(void)fd;
	g_assert_cmpuint(events, ==, EPOLLHUP);
	note(inst, data);
	jf_watch_remove(watches[0]);
}

static void
test_watch_hangup(Fixture *f, gconstpointer data)
{
	int fds[2];

	(void)data;
	g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
	watches[0] = add_watch(f, fds[0], 0, on_hangup, "h");
	close(fds[1]);
	loop_until(f, "h");
	close(fds[0]);
}

static void
test_watch_refused(Fixture *f, gconstpointer data)
{
	g_autofree char *name = NULL;
	int fd = g_file_open_tmp("jackfield-XXXXXX", &name, NULL);

	(void)data;
	g_assert_cmpint(fd, >=, 0);
	g_assert_null(add_watch(f, fd, EPOLLIN, on_readable, NULL));
	g_assert_null(add_watch(f, -1, EPOLLIN, on_readable, NULL));
	close(fd);
	g_unlink(name);
}

/* ---- Pollers ---- */

static JfPoller *poller;
static guint poll_work, poll_calls, poll_zeroes;

static guint
on_poll(JfInstance *inst, gpointer data)
{
	note(inst, data);
	poll_calls++;
	poll_zeroes = poll_work ? 0 : poll_zeroes + 1;
	return poll_work ? poll_work-- : 0;
}

static guint
on_poll_remove(JfInstance *inst, gpointer data)
{
	note(inst, data);
	jf_poller_remove(poller);
	return 1;
}

static void
test_poller(Fixture *f, gconstpointer data)
{
	(void)data;
	poll_work = 3;
	poll_calls = poll_zeroes = 0;
	poller = add_poller(f, on_poll, "p");
	jf_worker_dispatch(f->worker);
	g_assert_cmpuint(poll_calls, ==, 5);
	g_assert_cmpuint(poll_zeroes, ==, 2);
	jf_poller_remove(poller);
	poller = add_poller(f, on_poll_remove, "r");
	add_poller(f, on_poll, "p");
	jf_worker_dispatch(f->worker);
	g_assert_cmpstr(f->log->str, ==, "ppppprppp");
}

/* A poller that always finds work does not keep a nested worker for itself, nor is it forgotten. */
static void
test_poller_busy(Fixture *f, gconstpointer data)
{
	(void)data;
	poll_work = 100;
	poller = add_poller(f, on_poll, "p");
	jf_worker_dispatch(f->worker);
	g_assert_cmpuint(poll_work, >, 0);
	while (poll_work)
		g_assert_true(loop_once(f, 1000));
}

/* ---- Posts ---- */

static void
on_post_again(JfInstance *inst, gpointer data)
{
	Fixture *f = inst->priv;
	gsize len;

	note(inst, data);
	len = f->log->len;
	if (len < 4)
		post_job(f, on_post_again, "n");
	g_assert_cmpuint(f->log->len, ==, len);
}

static void
test_post(Fixture *f, gconstpointer data)
{
	(void)data;
	post_job(f, note, "1");
	post_job(f, on_post_again, "2");
	post_job(f, note, "3");
	g_assert_cmpstr(f->log->str, ==, "");
	loop_until(f, "123n");
	post_job(f, note, "gone");
	forget(f);
	post_job(f, note, "!");
	loop_until(f, "123n!");
	g_assert_false(loop_once(f, 0));
}

static gint posts_run;

static void
on_count(JfInstance *inst, gpointer data)
{
	(void)inst;
	(void)data;
	__atomic_fetch_add(&posts_run, 1, __ATOMIC_SEQ_CST);
}

static gpointer
post_many(gpointer data)
{
	Fixture *f = data;

	for (guint i = 0; i < 5000; i++)
		post_job(f, on_count, NULL);
	return NULL;
}

/* None is lost between two threads that post and a worker that falls asleep again and again. */
static void
test_post_threads(Fixture *f, gconstpointer data)
{
	GThread *a, *b;

	(void)data;
	posts_run = 0;
	jf_worker_set_poll_budget(f->worker, 0);
	a = g_thread_new("a", post_many, f);
	b = g_thread_new("b", post_many, f);
	while (__atomic_load_n(&posts_run, __ATOMIC_SEQ_CST) < 10000) {
		if (f->worker->threaded)
			g_usleep(100);
		else
			g_assert_true(loop_once(f, 10000));
	}
	g_thread_join(a);
	g_thread_join(b);
	g_assert_cmpint(posts_run, ==, 10000);
}

static void
on_signal(JfSignal *signal, guint32 bits)
{
	(void)signal;
	__atomic_fetch_or(&posts_run, (gint)bits, __ATOMIC_SEQ_CST);
}

static void
test_signal(Fixture *f, gconstpointer data)
{
	JfSignal signal;

	(void)data;
	posts_run = 0;
	jf_signal_init(&signal, f->worker, on_signal);
	jf_signal_raise(&signal, 1);
	jf_signal_raise(&signal, 4);
	g_assert_cmpint(posts_run, ==, 0);
	g_assert_true(loop_once(f, 1000));
	g_assert_cmpint(posts_run, ==, 5);
	jf_signal_raise(&signal, 8);
	jf_signal_finish(&signal);
	loop_once(f, 0);
	g_assert_cmpint(posts_run, ==, 5);
}

/* ---- Threads and sleep ---- */

static void
record_thread(gpointer data)
{
	*(pthread_t *)data = pthread_self();
}

static void
test_call(Fixture *f, gconstpointer threaded)
{
	pthread_t where = 0;

	for (guint i = 0; i < 1000; i++)
		jf_worker_call(f->worker, record_thread, &where);
	g_assert_cmpint(!pthread_equal(where, pthread_self()), ==, threaded != NULL);
	g_assert_false(jf_worker_is_current(f->worker));
}

static guint64
worker_cpu_time(Fixture *f)
{
	struct timespec spent;
	clockid_t clock;

	g_assert_cmpint(pthread_getcpuclockid(f->worker->thread, &clock), ==, 0);
	clock_gettime(clock, &spent);
	return (guint64)spent.tv_sec * 1000 * MS + (guint64)spent.tv_nsec;
}

static gboolean
is_asleep(Fixture *f)
{
	return __atomic_load_n(&f->worker->asleep, __ATOMIC_SEQ_CST);
}

static void
wait_asleep(Fixture *f)
{
	gint64 until = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

	while (!is_asleep(f)) {
		g_assert_cmpint(g_get_monotonic_time(), <, until);
		g_usleep(100);
	}
}

static void
call_add_poller(gpointer data)
{
	Fixture *f = data;

	poller = add_poller(f, on_poll, "p");
}

/* With a poller and a timer that is not due, an idle worker sleeps and stays asleep. */
static void
test_idle(Fixture *f, gconstpointer data)
{
	guint64 before;
	guint calls;

	(void)data;
	poll_work = poll_calls = poll_zeroes = 0;
	jf_worker_call(f->worker, call_add_poller, f);
	wait_asleep(f);
	g_assert_cmpuint(poll_zeroes, >=, 2);
	calls = poll_calls;
	before = worker_cpu_time(f);
	g_usleep(50000);
	g_assert_true(is_asleep(f));
	g_assert_cmpuint(poll_calls, ==, calls);
	g_assert_cmpuint(worker_cpu_time(f) - before, <, 2 * MS);
}

static guint64 patience;

static void
read_patience(gpointer data)
{
	Fixture *f = data;

	patience = f->worker->poll;
}

/* Work that comes soon makes a worker patient, within its budget; work that comes late does not. */
static void
test_adapt(Fixture *f, gconstpointer data)
{
	(void)data;
	patience = 0;
	jf_worker_set_poll_budget(f->worker, 20 * MS);
	for (guint i = 0; patience < 15 * MS; i++) {
		g_assert_cmpuint(i, <, 10000);
		wait_asleep(f);
		jf_worker_call(f->worker, read_patience, f);
	}
	g_assert_cmpuint(patience, <=, 20 * MS);
	jf_worker_set_poll_budget(f->worker, 0);
	for (guint i = 0; patience > 0; i++) {
		g_assert_cmpuint(i, <, 10000);
		wait_asleep(f);
		jf_worker_call(f->worker, read_patience, f);
	}
}

typedef struct Ask {
	Fixture *f;
	JfOwner *owner;
	gint64 ns; /* -1: no longer */
	guint64 budget;
} Ask;

static void
call_ask(gpointer data)
{
	Ask *ask = data;

	if (ask->ns < 0)
		jf_worker_clear_poll_budget(ask->f->worker, ask->owner);
	else
		jf_worker_ask_poll_budget(ask->f->worker, ask->owner, (guint64)ask->ns);
	ask->budget = jf_worker_get_poll_budget(ask->f->worker);
}

/* The largest that is asked for, the worker's own where none is. */
static void
test_budget(Fixture *f, gconstpointer data)
{
	JfOwner other = { .inst = &f->inst };
	const struct {
		JfOwner *owner;
		gint64 ns;
		guint64 budget;
	} steps[] = {
		{ &f->owner, -1, 3 * MS },        { &f->owner, 0, 0 },
		{ &other, 20 * MS, 20 * MS },     { &f->owner, 7 * MS, 20 * MS },
		{ &other, 5 * MS, 7 * MS },       { &f->owner, -1, 5 * MS },
		{ &f->owner, -1, 5 * MS },        { &other, 2000 * MS, 1000 * MS },
		{ &f->owner, 1 * MS, 1000 * MS }, { &other, -1, 1 * MS },
	};

	(void)data;
	jf_worker_set_poll_budget(f->worker, 3 * MS);
	for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
		Ask ask = { f, steps[i].owner, steps[i].ns, 0 };

		jf_worker_call(f->worker, call_ask, &ask);
		g_assert_cmpuint(ask.budget, ==, steps[i].budget);
	}
	jf_worker_call(f->worker, forget, f);
	g_assert_cmpuint(jf_worker_get_poll_budget(f->worker), ==, 3 * MS);
}

/* With a budget of an owner's the worker becomes as patient, and still sleeps when idle. */
static void
test_budget_idle(Fixture *f, gconstpointer data)
{
	Ask ask = { f, &f->owner, 20 * MS, 0 };
	guint64 before;

	(void)data;
	patience = 0;
	jf_worker_set_poll_budget(f->worker, 0);
	jf_worker_call(f->worker, call_ask, &ask);
	for (guint i = 0; patience < 15 * MS; i++) {
		g_assert_cmpuint(i, <, 10000);
		wait_asleep(f);
		jf_worker_call(f->worker, read_patience, f);
	}
	wait_asleep(f);
	before = worker_cpu_time(f);
	g_usleep(50000);
	g_assert_true(is_asleep(f));
	g_assert_cmpuint(worker_cpu_time(f) - before, <, 2 * MS);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*func)(Fixture *f, gconstpointer data);
		gboolean nested, threaded;
	} tests[] = {
		{ "timer/order", test_timer_order, TRUE, FALSE },
		{ "timer/again", test_timer_again, TRUE, FALSE },
		{ "timer/remove", test_timer_remove, TRUE, FALSE },
		{ "timer/call", test_timer_call, TRUE, FALSE },
		{ "watch/events", test_watch, TRUE, FALSE },
		{ "watch/remove", test_watch_remove, TRUE, FALSE },
		{ "watch/hangup", test_watch_hangup, TRUE, FALSE },
		{ "watch/refused", test_watch_refused, TRUE, FALSE },
		{ "poller/order", test_poller, TRUE, FALSE },
		{ "poller/busy", test_poller_busy, TRUE, FALSE },
		{ "post/order", test_post, TRUE, FALSE },
		{ "post/threads", test_post_threads, TRUE, TRUE },
		{ "signal", test_signal, TRUE, FALSE },
		{ "call", test_call, TRUE, TRUE },
		{ "idle", test_idle, FALSE, TRUE },
		{ "adapt", test_adapt, FALSE, TRUE },
		{ "budget", test_budget, TRUE, TRUE },
		{ "budget-idle", test_budget_idle, FALSE, TRUE },
	};

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/worker/heap/order", test_heap);
	g_test_add_func("/worker/heap/due", test_heap_due);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *nested = g_strdup_printf("/worker/%s/nested", tests[i].path);
		g_autofree char *threaded = g_strdup_printf("/worker/%s/threaded", tests[i].path);

		if (tests[i].nested)
			g_test_add(nested, Fixture, NULL, setup, tests[i].func, teardown);
		if (tests[i].threaded)
			g_test_add(threaded, Fixture, "threaded", setup, tests[i].func, teardown);
	}
	return g_test_run();
}
