/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* harness-clock.c - the turns of the worker that the harness plays: clock, posts, fds. */
#include "internal.h"

#include <sys/epoll.h>
#include <unistd.h>

/* A driver that arms a timer in the past from the timer itself would never let time go on. */
#define MOST_FIRINGS 1000000u
#define MOST_EVENTS 64u

static JfTimer *
earliest(JfHarness *h)
{
	JfTimer *best = NULL;

	for (guint i = 0; i < h->timers->len; i++) {
		JfTimer *timer = g_ptr_array_index(h->timers, i);

		if (timer->deadline && (!best || timer->deadline < best->deadline))
			best = timer;
	}
	return best;
}

static void
set_now(JfHarness *h, guint64 now)
{
	__atomic_store_n(&h->now, now, __ATOMIC_RELEASE);
}

static guint
advance(JfHarness *h, guint64 target)
{
	JfTimer *timer;
	guint fired = 0;

	while ((timer = earliest(h)) && timer->deadline <= target) {
		if (fired++ == MOST_FIRINGS) {
			harness_violate(h, "timers fire for ever: the clock cannot go on");
			break;
		}
		set_now(h, MAX(h->now, timer->deadline));
		timer->deadline = 0;
		timer->func(&h->inst, timer->data);
	}
	set_now(h, MAX(h->now, target));
	return fired;
}

void
jf_harness_crank(JfHarness *h, guint64 ns)
{
	advance(h, h->now + ns);
}

guint64
jf_harness_now(JfHarness *h)
{
	return __atomic_load_n(&h->now, __ATOMIC_ACQUIRE);
}

guint64
jf_harness_get_deadline(JfHarness *h)
{
	JfTimer *timer = earliest(h);

	return timer ? timer->deadline : 0;
}

/* Those that are there now: a post that posts again waits for the next turn. */
static guint
run_posts(JfHarness *h)
{
	GQueue posts;
	guint64 count;
	Post *post;
	guint ran = 0;

	g_mutex_lock(&h->lock);
	posts = h->posts;
	g_queue_init(&h->posts);
	if (read(h->wake, &count, sizeof count) < 0 && errno != EAGAIN)
		g_error("eventfd: %s", g_strerror(errno));
	g_mutex_unlock(&h->lock);
	while ((post = g_queue_pop_head(&posts))) {
		post->func(&h->inst, post->data);
		g_free(post);
		ran++;
	}
	return ran;
}

static guint
run_pollers(JfHarness *h)
{
	guint work = 0;

	for (guint i = 0; i < h->pollers->len; i++) {
		JfPoller *poller = g_ptr_array_index(h->pollers, i);

		if (!poller->gone)
			work += poller->func(&h->inst, poller->data);
	}
	for (guint i = h->pollers->len; i-- > 0;) {
		JfPoller *poller = g_ptr_array_index(h->pollers, i);

		if (poller->gone) {
			g_ptr_array_remove_index(h->pollers, i);
			g_free(poller);
		}
	}
	return work;
}

/* One event at a time, so that a callback may remove any watch. */
static guint
run_watches(JfHarness *h, int timeout_ms)
{
	struct epoll_event event;
	guint ran = 0;

	while (ran < MOST_EVENTS && epoll_wait(h->epoll, &event, 1, ran ? 0 : timeout_ms) == 1) {
		JfWatch *watch = event.data.ptr;

		if (!watch)
			return ran + run_posts(h);
		watch->func(&h->inst, watch->fd, event.events, watch->data);
		ran++;
	}
	return ran;
}

guint
jf_harness_poll(JfHarness *h, int timeout_ms)
{
	guint work = run_posts(h);

	work += advance(h, h->now);
	work += harness_run_resumes(h);
	work += run_pollers(h);
	return work + run_watches(h, work ? 0 : timeout_ms);
}

gboolean
jf_harness_poll_until(JfHarness *h, gboolean (*done)(JfHarness *h, gpointer data), gpointer data,
		      guint timeout_ms)
{
	gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

	while (!done(h, data)) {
		gint64 left = end - g_get_monotonic_time();

		if (left <= 0)
			return FALSE;
		jf_harness_poll(h, (int)MIN(left / 1000 + 1, 10));
	}
	return TRUE;
}
