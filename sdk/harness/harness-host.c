/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* harness-host.c - the fake host table. */
#include "internal.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* 2020-01-01 UTC less the monotonic clock's start: cranking moves both clocks. */
#define REALTIME_OFFSET (1577836800 * G_GUINT64_CONSTANT(1000000000))

static guint
host_output(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	JfHarness *h = harness_of(inst);
	Line *line = port < h->ports ? &h->lines[port] : NULL;

	if (!line) {
		harness_violate(h, "output at port %u, which a %s has not", port, h->driver.id);
		return n;
	}
	if (!__atomic_load_n(&h->started, __ATOMIC_ACQUIRE)) {
		line_drop(h, line, n);
		return n;
	}
	if (harness_fails(h, JF_HARNESS_OUTPUT)) {
		g_mutex_lock(&h->lock);
		line->refused = TRUE;
		g_mutex_unlock(&h->lock);
		return 0;
	}
	return line_put(h, line, frames, n, FALSE);
}

static void
host_resume(JfInstance *inst, guint port)
{
	JfHarness *h = harness_of(inst);

	if (port >= h->ports) {
		harness_violate(h, "resume at port %u, which a %s has not", port, h->driver.id);
		return;
	}
	g_mutex_lock(&h->lock);
	h->lines[port].resumes++;
	g_mutex_unlock(&h->lock);
}

static void
host_set_link(JfInstance *inst, guint port, gboolean up)
{
	JfHarness *h = harness_of(inst);

	if (port >= h->ports) {
		harness_violate(h, "set_link at port %u, which a %s has not", port, h->driver.id);
		return;
	}
	g_mutex_lock(&h->lock);
	h->lines[port].own_up = up != FALSE;
	g_mutex_unlock(&h->lock);
}

static void
host_set_offloads(JfInstance *inst, guint port, guint32 offloads)
{
	JfHarness *h = harness_of(inst);

	if (port >= h->ports) {
		harness_violate(h, "set_offloads at port %u, which a %s has not", port,
				h->driver.id);
		return;
	}
	if (offloads & ~JF_DRIVER_GET_OFFLOADS(h->driver.flags))
		harness_violate(h, "set_offloads 0x%x is beyond the driver's flags", offloads);
	g_mutex_lock(&h->lock);
	h->lines[port].offloads = offloads & JF_DRIVER_GET_OFFLOADS(h->driver.flags);
	g_mutex_unlock(&h->lock);
}

static gboolean
counter_name_is_valid(const char *name)
{
	if (!g_ascii_islower(name[0]))
		return FALSE;
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static guint64 *
host_counter(JfInstance *inst, const char *name)
{
	JfHarness *h = harness_of(inst);
	guint64 *counter;

	if (!h->in_init || g_thread_self() != h->thread)
		harness_violate(h, "counter '%s' asked for outside init", name);
	if (!counter_name_is_valid(name))
		harness_violate(h, "counter '%s' is no valid name", name);
	g_mutex_lock(&h->lock);
	counter = g_hash_table_lookup(h->counters, name);
	if (!counter) {
		counter = g_new0(guint64, 1);
		g_hash_table_insert(h->counters, g_strdup(name), counter);
	}
	g_mutex_unlock(&h->lock);
	return counter;
}

static void
host_fail(JfInstance *inst, const GError *error)
{
	JfHarness *h = harness_of(inst);

	if (!error) {
		harness_violate(h, "fail without an error");
		return;
	}
	g_mutex_lock(&h->lock);
	if (!h->failure)
		h->failure = g_error_copy(error);
	g_mutex_unlock(&h->lock);
}

static void
host_log(JfInstance *inst, GLogLevelFlags level, const char *message)
{
	JfHarness *h = harness_of(inst);

	if (strchr(message, '\n'))
		harness_violate(h, "a log line with a newline in it");
	g_mutex_lock(&h->lock);
	g_string_append_printf(h->log, "%d %s\n", level, message);
	g_mutex_unlock(&h->lock);
}

static const JfValue *
host_property(JfInstance *inst, const char *name)
{
	static const JfValue none;
	JfHarness *h = harness_of(inst);
	const JfValue *value = jf_property_set_get(h->properties, name);

	harness_check_thread(h, "property");
	if (value)
		return value;
	harness_violate(h, "property '%s' is not in the driver's table", name);
	return &none;
}

static guint64
host_now(JfInstance *inst, guint clock)
{
	JfHarness *h = harness_of(inst);

	return jf_harness_now(h) + (clock == JF_CLOCK_REALTIME ? REALTIME_OFFSET : 0);
}

static JfTimer *
host_timer_add(JfInstance *inst, JfTimerFunc func, gpointer data)
{
	JfHarness *h = harness_of(inst);
	JfTimer *timer = g_new0(JfTimer, 1);

	harness_check_thread(h, "timer_add");
	*timer = (JfTimer){ h, func, data, 0 };
	g_ptr_array_add(h->timers, timer);
	return timer;
}

static void
host_timer_arm(JfTimer *timer, guint64 deadline)
{
	harness_check_thread(timer->h, "timer_arm");
	timer->deadline = deadline;
}

static void
host_timer_remove(JfTimer *timer)
{
	harness_check_thread(timer->h, "timer_remove");
	g_ptr_array_remove(timer->h->timers, timer);
	g_free(timer);
}

static JfWatch *
host_watch_add(JfInstance *inst, int fd, guint32 events, JfWatchFunc func, gpointer data)
{
	JfHarness *h = harness_of(inst);
	struct epoll_event event = { .events = events };
	JfWatch *watch;

	harness_check_thread(h, "watch_add");
	if (harness_fails(h, JF_HARNESS_WATCH_ADD))
		return NULL;
	watch = g_new0(JfWatch, 1);
	*watch = (JfWatch){ h, fd, func, data };
	event.data.ptr = watch;
	if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		g_free(watch);
		return NULL;
	}
	g_ptr_array_add(h->watches, watch);
	return watch;
}

static void
host_watch_modify(JfWatch *watch, guint32 events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	harness_check_thread(watch->h, "watch_modify");
	if (epoll_ctl(watch->h->epoll, EPOLL_CTL_MOD, watch->fd, &event) < 0)
		harness_violate(watch->h, "watch_modify of fd %d: %s", watch->fd,
				g_strerror(errno));
}

static void
host_watch_remove(JfWatch *watch)
{
	harness_check_thread(watch->h, "watch_remove");
	if (epoll_ctl(watch->h->epoll, EPOLL_CTL_DEL, watch->fd, NULL) < 0)
		harness_violate(watch->h, "fd %d was closed before its watch was removed",
				watch->fd);
	g_ptr_array_remove(watch->h->watches, watch);
	g_free(watch);
}

static JfPoller *
host_poller_add(JfInstance *inst, JfPollFunc func, gpointer data)
{
	JfHarness *h = harness_of(inst);
	JfPoller *poller = g_new0(JfPoller, 1);

	harness_check_thread(h, "poller_add");
	*poller = (JfPoller){ h, func, data, FALSE };
	g_ptr_array_add(h->pollers, poller);
	return poller;
}

/* Freed at the end of the turn: this may be called while pollers run. */
static void
host_poller_remove(JfPoller *poller)
{
	harness_check_thread(poller->h, "poller_remove");
	poller->gone = TRUE;
}

static void
host_post(JfInstance *inst, JfPostFunc func, gpointer data)
{
	JfHarness *h = harness_of(inst);
	guint64 one = 1;
	Post *post;

	if (!h->inited) {
		harness_violate(h, "post before init or after finish");
		return;
	}
	post = g_new0(Post, 1);
	*post = (Post){ func, data };
	g_mutex_lock(&h->lock);
	g_queue_push_tail(&h->posts, post);
	if (write(h->wake, &one, sizeof one) < 0)
		g_error("eventfd: %s", g_strerror(errno));
	g_mutex_unlock(&h->lock);
}

static void
host_set_poll_budget(JfInstance *inst, guint64 ns)
{
	JfHarness *h = harness_of(inst);

	harness_check_thread(h, "set_poll_budget");
	if (!__atomic_load_n(&h->started, __ATOMIC_ACQUIRE))
		harness_violate(h, "set_poll_budget while stopped");
	if (ns > 1000 * 1000 * 1000)
		harness_violate(h, "set_poll_budget to more than 10^9 ns");
}

/* The clock stands still while it turns: nobody would ever lose patience. */
static guint64
host_get_poll_budget(JfInstance *inst)
{
	harness_check_thread(harness_of(inst), "get_poll_budget");
	return 0;
}

static gconstpointer
host_query(JfInstance *inst, const char *iid)
{
	JfHarness *h = harness_of(inst);

	if (harness_fails(h, JF_HARNESS_QUERY))
		return NULL;
	if (strcmp(iid, JF_CARD_IID) == 0)
		return h->has_card && h->driver.kind != JF_KIND_SERVICE ? &h->card : NULL;
	if (strcmp(iid, JF_SERVICE_IID) == 0)
		return h->driver.kind == JF_KIND_SERVICE ? &h->service : NULL;
	if (strcmp(iid, JF_SWITCH_IID) == 0)
		return &harness_switch;
	if (strcmp(iid, JF_PCI_HOST_IID) == 0 && h->driver.kind == JF_KIND_MODEL)
		return &harness_pci_host;
	return NULL;
}

guint
jf_harness_get_leftovers(JfHarness *h)
{
	guint n = h->timers->len + h->watches->len;

	for (guint i = 0; i < h->pollers->len; i++)
		n += !((JfPoller *)g_ptr_array_index(h->pollers, i))->gone;
	for (guint i = 0; i < h->joins->len; i++)
		n += !((JfSwitchPort *)g_ptr_array_index(h->joins, i))->left;
	return n;
}

void
harness_clear_leftovers(JfHarness *h)
{
	for (guint i = 0; i < h->watches->len; i++) {
		JfWatch *watch = g_ptr_array_index(h->watches, i);

		epoll_ctl(h->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
		g_free(watch);
	}
	g_ptr_array_set_size(h->watches, 0);
	g_ptr_array_foreach(h->timers, (GFunc)(void (*)(void))g_free, NULL);
	g_ptr_array_set_size(h->timers, 0);
	g_ptr_array_foreach(h->pollers, (GFunc)(void (*)(void))g_free, NULL);
	g_ptr_array_set_size(h->pollers, 0);
	for (guint i = 0; i < h->joins->len; i++)
		((JfSwitchPort *)g_ptr_array_index(h->joins, i))->left = TRUE;
	g_mutex_lock(&h->lock);
	g_queue_clear_full(&h->posts, g_free);
	g_mutex_unlock(&h->lock);
}

const JfHost harness_host = {
	.struct_size = sizeof(JfHost),
	.abi_minor = JF_ABI_MINOR,
	.output = host_output,
	.resume = host_resume,
	.set_link = host_set_link,
	.set_offloads = host_set_offloads,
	.counter = host_counter,
	.fail = host_fail,
	.log = host_log,
	.property = host_property,
	.now = host_now,
	.timer_add = host_timer_add,
	.timer_arm = host_timer_arm,
	.timer_remove = host_timer_remove,
	.watch_add = host_watch_add,
	.watch_modify = host_watch_modify,
	.watch_remove = host_watch_remove,
	.poller_add = host_poller_add,
	.poller_remove = host_poller_remove,
	.post = host_post,
	.query = host_query,
	.set_poll_budget = host_set_poll_budget,
	.get_poll_budget = host_get_poll_budget,
};
