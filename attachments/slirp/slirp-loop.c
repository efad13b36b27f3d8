/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp-loop.c - libslirp's poll model on an epoll set.
 *
 * libslirp expects a loop that, before it sleeps, asks for every socket and the events wanted of it
 * (fill), and afterwards tells what came (poll). Here a round does both: it collects what is ready,
 * tells it, asks again, and brings an epoll set of ours up to date by the difference to the last
 * answer. The worker watches that one set, so a socket costs a system call only when what is wanted
 * of it changes. A round runs when the set is ready, after each batch of frames from the guest, and
 * when libslirp's own timeout is over.
 *
 * While frames wait for a guest that is slow, the set is not watched (paused): the data stays in the
 * host's sockets and their senders slow down.
 */
#include "slirp-nat.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS G_GUINT64_CONSTANT(1000000)
/* What libslirp answers when it waits for nothing but sockets. */
#define IDLE_TIMEOUT_MS 1000u
/* libslirp's clock stands still between rounds; older than that it would age new flows. */
#define STALE_NS (100 * NS_PER_MS)
#define EVENTS_MAX 64
/* libslirp listens with a backlog of one. */
#define LISTEN_BACKLOG 128

typedef struct NatTimer {
	JfNat *nat;
	JfTimer *timer;
	SlirpTimerId id;
	void *cookie;
} NatTimer;

void
nat_guard_enter(NatGuard *guard)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &guard->old);
}

void
nat_guard_leave(const NatGuard *guard)
{
	const struct timespec at_once = { 0 };
	sigset_t pipe;

	if (sigismember(&guard->old, SIGPIPE))
		return;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (sigtimedwait(&pipe, NULL, &at_once) == SIGPIPE)
		;
	pthread_sigmask(SIG_SETMASK, &guard->old, NULL);
}

static NatSocket *
loop_socket(JfNat *nat, int fd)
{
	if ((guint)fd >= nat->sockets->len)
		g_array_set_size(nat->sockets, (guint)fd + 1);
	return &g_array_index(nat->sockets, NatSocket, fd);
}

static guint32
events_to_epoll(guint8 events)
{
	return (events & SLIRP_POLL_IN ? EPOLLIN : 0) | (events & SLIRP_POLL_OUT ? EPOLLOUT : 0) |
	       (events & SLIRP_POLL_PRI ? EPOLLPRI : 0) | (events & SLIRP_POLL_ERR ? EPOLLERR : 0) |
	       (events & SLIRP_POLL_HUP ? EPOLLHUP : 0);
}

static guint8
events_from_epoll(guint32 events)
{
	return (guint8)((events & EPOLLIN ? SLIRP_POLL_IN : 0) |
			(events & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
			(events & EPOLLPRI ? SLIRP_POLL_PRI : 0) |
			(events & EPOLLERR ? SLIRP_POLL_ERR : 0) |
			(events & EPOLLHUP ? SLIRP_POLL_HUP : 0));
}

static void
socket_arm(JfNat *nat, NatSocket *sock, int fd, guint8 events)
{
	struct epoll_event event = { .events = events_to_epoll(events), .data.fd = fd };
	int op = sock->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int rc = epoll_ctl(nat->epoll, op, fd, &event);

	/* A number may have been closed and given out again without a word. */
	if (rc < 0 && errno == ENOENT)
		rc = epoll_ctl(nat->epoll, EPOLL_CTL_ADD, fd, &event);
	else if (rc < 0 && errno == EEXIST)
		rc = epoll_ctl(nat->epoll, EPOLL_CTL_MOD, fd, &event);
	if (rc < 0) {
		jf_count(nat->count_unwatched, 1);
		return;
	}
	sock->armed = events;
	if (!sock->listed)
		g_array_append_val(nat->armed, fd);
	sock->listed = TRUE;
}

static void
socket_disarm(JfNat *nat, NatSocket *sock, int fd)
{
	if (sock->armed)
		epoll_ctl(nat->epoll, EPOLL_CTL_DEL, fd, NULL);
	sock->armed = 0;
	sock->ready = 0;
}

/* libslirp's SlirpAddPollCb. The index that it keeps for us is the fd itself. */
static int
loop_want(int fd, int events, void *opaque)
{
	JfNat *nat = opaque;
	NatSocket *sock = loop_socket(nat, fd);

	sock->round = nat->round;
	if (!sock->known) {
		/* Only a forward's socket is never registered. On UDP this fails, rightly. */
		sock->known = TRUE;
		listen(fd, LISTEN_BACKLOG);
	}
	if (sock->armed != events)
		socket_arm(nat, sock, fd, (guint8)events);
	return fd;
}

/* libslirp's SlirpGetREventsCb. */
static int
loop_take_ready(int fd, void *opaque)
{
	NatSocket *sock = loop_socket(opaque, fd);
	guint8 ready = sock->ready;

	sock->ready = 0;
	return ready;
}

/* Takes out of the set what the last fill did not want. */
static void
loop_prune(JfNat *nat)
{
	guint i = 0;

	while (i < nat->armed->len) {
		int fd = g_array_index(nat->armed, int, i);
		NatSocket *sock = loop_socket(nat, fd);

		if (sock->armed && sock->round == nat->round) {
			i++;
			continue;
		}
		socket_disarm(nat, sock, fd);
		sock->listed = FALSE;
		g_array_remove_index_fast(nat->armed, i);
	}
}

static void
loop_collect(JfNat *nat)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	/* What is beyond the array is still ready in the next round. */
	n = epoll_wait(nat->epoll, events, EVENTS_MAX, 0);
	for (int i = 0; i < n; i++)
		loop_socket(nat, events[i].data.fd)->ready = events_from_epoll(events[i].events);
}

/* An early timer does no harm, a late one does: one that is armed for an earlier time stays. */
static void
loop_arm_timer(JfNat *nat, guint32 timeout_ms)
{
	guint64 deadline = nat->last_round + timeout_ms * NS_PER_MS;

	if (timeout_ms >= IDLE_TIMEOUT_MS || (nat->deadline && nat->deadline <= deadline))
		return;
	nat->deadline = deadline;
	nat->inst->host->timer_arm(nat->timer, deadline);
}

static void
loop_fill(JfNat *nat)
{
	guint32 timeout = G_MAXUINT32;

	nat->round++;
	slirp_pollfds_fill(nat->slirp, &timeout, loop_want, nat);
	loop_prune(nat);
	loop_arm_timer(nat, timeout);
}

void
nat_loop_round(JfNat *nat)
{
	if (g_queue_is_empty(&nat->queue))
		loop_collect(nat);
	nat->last_round = nat->inst->host->now(nat->inst, JF_CLOCK_MONOTONIC);
	slirp_pollfds_poll(nat->slirp, 0, loop_take_ready, nat);
	loop_fill(nat);
}

void
nat_loop_refresh(JfNat *nat)
{
	guint64 now = nat->inst->host->now(nat->inst, JF_CLOCK_MONOTONIC);

	if (now - nat->last_round >= STALE_NS)
		nat_loop_round(nat);
}

void
nat_loop_set_paused(JfNat *nat, gboolean paused)
{
	nat->inst->host->watch_modify(nat->watch, paused ? 0 : EPOLLIN);
}

static void
loop_guarded_round(JfNat *nat)
{
	NatGuard guard;

	nat_guard_enter(&guard);
	nat_loop_round(nat);
	nat_guard_leave(&guard);
}

static void
loop_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	(void)inst;
	(void)fd;
	(void)events;
	loop_guarded_round(data);
}

static void
loop_timeout(JfInstance *inst, gpointer data)
{
	JfNat *nat = data;

	(void)inst;
	nat->deadline = 0;
	loop_guarded_round(nat);
}

/* ---- libslirp's callbacks ---- */

static ssize_t
slirp_send_packet_cb(const void *data, size_t len, void *opaque)
{
	nat_output_packet(opaque, data, len);
	return (ssize_t)len;
}

static void
slirp_guest_error_cb(const char *message, void *opaque)
{
	JfNat *nat = opaque;

	jf_count(nat->count_guest_errors, 1);
	if (nat->told_guest_error)
		return;
	nat->told_guest_error = TRUE;
	jf_log(nat->inst, G_LOG_LEVEL_MESSAGE, "%s (further ones are only counted)", message);
}

static int64_t
slirp_clock_cb(void *opaque)
{
	JfNat *nat = opaque;

	return (int64_t)nat->inst->host->now(nat->inst, JF_CLOCK_MONOTONIC);
}

static void
slirp_timer_fired(JfInstance *inst, gpointer data)
{
	NatTimer *timer = data;
	NatGuard guard;

	(void)inst;
	nat_guard_enter(&guard);
	slirp_handle_timer(timer->nat->slirp, timer->id, timer->cookie);
	nat_loop_round(timer->nat);
	nat_guard_leave(&guard);
}

static void *
slirp_timer_new_cb(SlirpTimerId id, void *cookie, void *opaque)
{
	JfNat *nat = opaque;
	NatTimer *timer = g_new0(NatTimer, 1);

	timer->nat = nat;
	timer->id = id;
	timer->cookie = cookie;
	timer->timer = nat->inst->host->timer_add(nat->inst, slirp_timer_fired, timer);
	return timer;
}

static void
slirp_timer_free_cb(void *data, void *opaque)
{
	NatTimer *timer = data;
	JfNat *nat = opaque;

	nat->inst->host->timer_remove(timer->timer);
	g_free(timer);
}

static void
slirp_timer_mod_cb(void *data, int64_t expire_ms, void *opaque)
{
	NatTimer *timer = data;
	JfNat *nat = opaque;

	nat->inst->host->timer_arm(timer->timer, (guint64)expire_ms * NS_PER_MS);
}

static void
socket_set_buffer(int fd, int option, guint32 bytes)
{
	int value = (int)bytes;

	if (bytes)
		setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

static void
slirp_register_cb(int fd, void *opaque)
{
	JfNat *nat = opaque;
	NatSocket *sock = loop_socket(nat, fd);

	sock->armed = 0;
	sock->ready = 0;
	sock->known = TRUE;
	socket_set_buffer(fd, SO_SNDBUF, nat->config.card.send_buffer);
	socket_set_buffer(fd, SO_RCVBUF, nat->config.card.receive_buffer);
}

static void
slirp_unregister_cb(int fd, void *opaque)
{
	JfNat *nat = opaque;
	NatSocket *sock;

	/* A connection that failed early has none. */
	if (fd < 0)
		return;
	sock = loop_socket(nat, fd);
	socket_disarm(nat, sock, fd);
	sock->known = FALSE;
}

/* A round follows each call into libslirp: there is nothing to wake. */
static void
slirp_notify_cb(void *opaque)
{
	(void)opaque;
}

static const SlirpCb slirp_callbacks = {
	.send_packet = slirp_send_packet_cb,
	.guest_error = slirp_guest_error_cb,
	.clock_get_ns = slirp_clock_cb,
	.timer_new_opaque = slirp_timer_new_cb,
	.timer_free = slirp_timer_free_cb,
	.timer_mod = slirp_timer_mod_cb,
	.register_poll_fd = slirp_register_cb,
	.unregister_poll_fd = slirp_unregister_cb,
	.notify = slirp_notify_cb,
};

const SlirpCb *
nat_loop_get_callbacks(void)
{
	return &slirp_callbacks;
}

gboolean
nat_loop_start(JfNat *nat, GError **error)
{
	const JfHost *host = nat->inst->host;

	nat->sockets = g_array_new(FALSE, TRUE, sizeof(NatSocket));
	nat->armed = g_array_new(FALSE, FALSE, sizeof(int));
	nat->timer = host->timer_add(nat->inst, loop_timeout, nat);
	nat->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (nat->epoll >= 0)
		nat->watch = host->watch_add(nat->inst, nat->epoll, EPOLLIN, loop_ready, nat);
	if (!nat->watch) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: this host gives no epoll set for the NAT's sockets",
			    nat->inst->name);
		return FALSE;
	}
	return TRUE;
}

void
nat_loop_stop(JfNat *nat)
{
	const JfHost *host = nat->inst->host;

	if (nat->watch)
		host->watch_remove(nat->watch);
	if (nat->epoll >= 0)
		close(nat->epoll);
	if (nat->timer)
		host->timer_remove(nat->timer);
	nat->watch = NULL;
	nat->timer = NULL;
	nat->epoll = -1;
	nat->deadline = 0;
	g_clear_pointer(&nat->sockets, g_array_unref);
	g_clear_pointer(&nat->armed, g_array_unref);
}
