/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker-service.c - what a worker does for instances: timers, watches, pollers, posts. */
#include "worker-private.h"

#define WATCH_EVENTS (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP)
#define SPARE_POSTS_MAX 64u

struct JfTimer {
	JfItem item;
	JfTimerNode node;
	JfWorker *worker;
	JfOwner *owner;
	JfTimerFunc func;
	gpointer data;
};

struct JfWatch {
	JfItem item;
	JfWorker *worker;
	JfOwner *owner; /* NULL: removed */
	int fd;
	guint32 events;
	JfWatchFunc func;
	gpointer data;
};

struct JfPoller {
	JfItem item;
	JfWorker *worker;
	JfOwner *owner; /* NULL: removed */
	JfPollFunc func;
	gpointer data;
};

struct JfBudget {
	JfItem item; /* in the worker's list */
	guint64 ns;
};

typedef struct Post {
	JfJob job;
	JfWorker *worker;
	JfOwner *owner;
	JfPostFunc func;
	gpointer data;
} Post;

static void
item_add(JfItem **head, JfItem *item)
{
	item->next = *head;
	item->link = head;
	if (item->next)
		item->next->link = &item->next;
	*head = item;
}

static void
item_remove(JfItem *item)
{
	*item->link = item->next;
	if (item->next)
		item->next->link = item->link;
}

/* ---- Timers ---- */

JfTimer *
jf_worker_add_timer(JfWorker *worker, JfOwner *owner, JfTimerFunc func, gpointer data)
{
	JfTimer *timer = g_new0(JfTimer, 1);

	timer->worker = worker;
	timer->owner = owner;
	timer->func = func;
	timer->data = data;
	jf_timer_node_init(&timer->node);
	item_add(&owner->timers, &timer->item);
	return timer;
}

void
jf_timer_arm(JfTimer *timer, guint64 deadline)
{
	jf_timer_heap_arm(&timer->worker->timers, &timer->node, deadline);
}

void
jf_timer_remove(JfTimer *timer)
{
	if (!timer)
		return;
	jf_timer_arm(timer, 0);
	item_remove(&timer->item);
	g_free(timer);
}

void
jf_worker_run_timers(JfWorker *worker)
{
	guint64 next = jf_timer_heap_get_next(&worker->timers);
	JfTimerNode *node;

	if (next == 0)
		return;
	jf_timer_heap_collect(&worker->timers, jf_worker_now());
	while ((node = jf_timer_heap_pop(&worker->timers))) {
		JfTimer *timer = (JfTimer *)((char *)node - offsetof(JfTimer, node));
		JfOwner *owner = timer->owner;

		jf_owner_enter(owner);
		timer->func(owner->inst, timer->data);
		jf_owner_leave(owner);
	}
}

/* ---- Watches ---- */

JfWatch *
jf_worker_add_watch(JfWorker *worker, JfOwner *owner, int fd, guint32 events, JfWatchFunc func,
		    gpointer data)
{
	JfWatch *watch = g_new0(JfWatch, 1);
	struct epoll_event event = { .events = events & WATCH_EVENTS, .data.ptr = watch };

	if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		g_free(watch);
		return NULL;
	}
	watch->worker = worker;
	watch->owner = owner;
	watch->fd = fd;
	watch->events = event.events;
	watch->func = func;
	watch->data = data;
	item_add(&owner->watches, &watch->item);
	return watch;
}

void
jf_watch_modify(JfWatch *watch, guint32 events)
{
	struct epoll_event event = { .events = events & WATCH_EVENTS, .data.ptr = watch };

	if (watch->events == event.events)
		return;
	watch->events = event.events;
	epoll_ctl(watch->worker->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void
jf_watch_remove(JfWatch *watch)
{
	struct epoll_event event = { 0 };

	if (!watch)
		return;
	epoll_ctl(watch->worker->epoll_fd, EPOLL_CTL_DEL, watch->fd, &event);
	item_remove(&watch->item);
	watch->owner = NULL;
	watch->item.next = watch->worker->watches_removed;
	watch->worker->watches_removed = &watch->item;
}

/* Callbacks earlier in the batch may have removed the watch or asked for less. */
guint
jf_worker_run_watch(JfWorker *worker, JfItem *item, guint32 events)
{
	JfWatch *watch = (JfWatch *)item;
	JfOwner *owner = watch->owner;

	(void)worker;
	events &= watch->events | EPOLLERR | EPOLLHUP;
	if (!owner || !events)
		return 0;
	jf_owner_enter(owner);
	watch->func(owner->inst, watch->fd, events, watch->data);
	jf_owner_leave(owner);
	return 1;
}

/* ---- Pollers ---- */

JfPoller *
jf_worker_add_poller(JfWorker *worker, JfOwner *owner, JfPollFunc func, gpointer data)
{
	JfPoller *poller = g_new0(JfPoller, 1);

	poller->worker = worker;
	poller->owner = owner;
	poller->func = func;
	poller->data = data;
	item_add(&owner->pollers, &poller->item);
	g_ptr_array_add(worker->pollers, poller);
	return poller;
}

void
jf_poller_remove(JfPoller *poller)
{
	if (!poller)
		return;
	item_remove(&poller->item);
	poller->owner = NULL;
	poller->worker->pollers_removed = TRUE;
}

guint
jf_worker_run_pollers(JfWorker *worker)
{
	guint work = 0;

	for (guint i = 0, n = worker->pollers->len; i < n; i++) {
		JfPoller *poller = g_ptr_array_index(worker->pollers, i);
		JfOwner *owner = poller->owner;

		if (!owner)
			continue;
		jf_owner_enter(owner);
		work += poller->func(owner->inst, poller->data);
		jf_owner_leave(owner);
	}
	return work;
}

void
jf_worker_sweep(JfWorker *worker)
{
	while (worker->watches_removed) {
		JfItem *item = worker->watches_removed;

		worker->watches_removed = item->next;
		g_free(item);
	}
	if (!worker->pollers_removed)
		return;
	worker->pollers_removed = FALSE;
	for (guint i = worker->pollers->len; i-- > 0;) {
		JfPoller *poller = g_ptr_array_index(worker->pollers, i);

		if (!poller->owner)
			g_free(g_ptr_array_remove_index(worker->pollers, i));
	}
}

/* ---- Poll budgets ---- */

static void
worker_sum_budgets(JfWorker *worker)
{
	worker->asked = 0;
	for (const JfItem *item = worker->budgets; item; item = item->next)
		worker->asked = MAX(worker->asked, ((const JfBudget *)item)->ns);
}

void
jf_worker_ask_poll_budget(JfWorker *worker, JfOwner *owner, guint64 ns)
{
	if (!owner->budget) {
		owner->budget = g_new0(JfBudget, 1);
		item_add(&worker->budgets, &owner->budget->item);
	}
	owner->budget->ns = MIN(ns, JF_POLL_BUDGET_MAX);
	worker_sum_budgets(worker);
}

void
jf_worker_clear_poll_budget(JfWorker *worker, JfOwner *owner)
{
	if (!owner->budget)
		return;
	item_remove(&owner->budget->item);
	g_clear_pointer(&owner->budget, g_free);
	worker_sum_budgets(worker);
}

/* ---- Posts ---- */

static Post *
post_take_spare(JfWorker *worker)
{
	JfJob *job;

	pthread_mutex_lock(&worker->lock);
	job = worker->spare_posts;
	if (job) {
		worker->spare_posts = job->next;
		worker->n_spare_posts--;
	}
	pthread_mutex_unlock(&worker->lock);
	return (Post *)job;
}

static void
post_free(Post *post)
{
	JfWorker *worker = post->worker;
	gboolean keep;

	pthread_mutex_lock(&worker->lock);
	keep = worker->n_spare_posts < SPARE_POSTS_MAX;
	if (keep) {
		post->job.next = worker->spare_posts;
		worker->spare_posts = &post->job;
		worker->n_spare_posts++;
	}
	pthread_mutex_unlock(&worker->lock);
	if (!keep)
		g_free(post);
}

static void
post_run(JfJob *job)
{
	Post *post = (Post *)job;
	Post copy = *post;

	post_free(post);
	jf_owner_enter(copy.owner);
	copy.func(copy.owner->inst, copy.data);
	jf_owner_leave(copy.owner);
}

void
jf_worker_post(JfWorker *worker, JfOwner *owner, JfPostFunc func, gpointer data)
{
	Post *post = post_take_spare(worker);

	if (!post)
		post = g_new(Post, 1);
	*post = (Post){ .job.owner = owner,
			.job.run = post_run,
			.worker = worker,
			.owner = owner,
			.func = func,
			.data = data };
	jf_worker_queue(worker, &post->job);
}

static JfJob *
worker_take_jobs_of(JfWorker *worker, const JfOwner *owner)
{
	JfJob **link = &worker->jobs, *taken = NULL;

	pthread_mutex_lock(&worker->lock);
	while (*link) {
		JfJob *job = *link;

		if (job->owner != owner) {
			link = &job->next;
			continue;
		}
		*link = job->next;
		job->next = taken;
		taken = job;
		__atomic_fetch_sub(&worker->n_jobs, 1, __ATOMIC_SEQ_CST);
	}
	worker->jobs_tail = link;
	pthread_mutex_unlock(&worker->lock);
	return taken;
}

void
jf_worker_forget(JfWorker *worker, JfOwner *owner)
{
	JfJob *job = worker_take_jobs_of(worker, owner);

	while (job) {
		JfJob *next = job->next;

		post_free((Post *)job);
		job = next;
	}
	while (owner->timers)
		jf_timer_remove((JfTimer *)owner->timers);
	while (owner->watches)
		jf_watch_remove((JfWatch *)owner->watches);
	while (owner->pollers)
		jf_poller_remove((JfPoller *)owner->pollers);
	jf_worker_clear_poll_budget(worker, owner);
}

void
jf_worker_free_posts(JfWorker *worker)
{
	while (worker->spare_posts) {
		JfJob *job = worker->spare_posts;

		worker->spare_posts = job->next;
		g_free(job);
	}
}
