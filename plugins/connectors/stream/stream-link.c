/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream-link.c - who is connected: listening, connecting, coming and going of the VMM.
 *
 * The listener stays open while a VMM is connected, so that a second one is told at once instead
 * of hanging. A VMM that has hung up while its last frames still wait for room is read to its end,
 * unless the next one is already there.
 */
#include "stream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LINK_RETRY_DEFAULT_MS 1000

static void link_connect(Stream *stream);

static void
link_drop(Stream *stream)
{
	gboolean owed;

	if (stream->fd < 0)
		return;
	owed = stream_tx_stop(&stream->tx);
	stream_rx_stop(stream);
	if (stream->watch)
		stream->inst->host->watch_remove(stream->watch);
	stream->watch = NULL;
	close(stream->fd);
	stream->fd = -1;
	stream->connecting = FALSE;
	if (owed)
		stream->inst->host->resume(stream->inst, 0);
}

static void
link_retry(Stream *stream)
{
	const JfHost *host = stream->inst->host;

	host->timer_arm(stream->retry,
			host->now(stream->inst, JF_CLOCK_MONOTONIC) + stream->retry_ns);
}

void
stream_link_lost(Stream *stream, const char *why)
{
	jf_log(stream->inst, G_LOG_LEVEL_INFO, "VMM at %s is gone: %s", stream->address.text, why);
	link_drop(stream);
	stream->inst->host->set_link(stream->inst, 0, FALSE);
	if (!stream->address.listen)
		link_retry(stream);
}

void
stream_link_update(Stream *stream)
{
	guint32 events = stream->rx.paused ? 0 : EPOLLIN;

	if (!stream->watch)
		return;
	if (stream->connecting || stream_tx_is_blocked(&stream->tx))
		events |= EPOLLOUT;
	if (events == stream->events)
		return;
	stream->events = events;
	stream->inst->host->watch_modify(stream->watch, events);
}

static gboolean
link_watch(Stream *stream, JfWatchFunc func, guint32 events)
{
	stream->events = events;
	stream->watch =
		stream->inst->host->watch_add(stream->inst, stream->fd, events, func, stream);
	return stream->watch != NULL;
}

static void
link_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Stream *stream = data;

	(void)fd;
	if ((events & EPOLLOUT) && stream_tx_flush(&stream->tx))
		inst->host->resume(inst, 0);
	if (!stream->rx.paused) {
		stream_rx_run(stream);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		/* Reported for as long as it is watched; what is left is read upon resume. */
		inst->host->watch_remove(stream->watch);
		stream->watch = NULL;
	}
	stream_link_update(stream);
}

/* `fd` is a connection in good order. */
static void
link_up(Stream *stream)
{
	if (!stream_rx_start(stream) || !stream_tx_start(&stream->tx, stream->fd)) {
		stream_link_lost(stream, "no memory for its frames");
		return;
	}
	stream->refusing = FALSE;
	stream->retry_logged = FALSE;
	jf_count(stream->count.connects, 1);
	jf_log(stream->inst, G_LOG_LEVEL_INFO, "VMM connected at %s", stream->address.text);
	stream->inst->host->set_link(stream->inst, 0, TRUE);
}

static gboolean
link_admit(Stream *stream, int fd)
{
	if (stream_address_admit(&stream->address, fd))
		return TRUE;
	jf_count(stream->count.refused, 1);
	jf_log(stream->inst, G_LOG_LEVEL_WARNING, "refused another user's process at %s",
	       stream->address.text);
	return FALSE;
}

/* Whether the VMM that we have is only there in name. */
static gboolean
link_is_over(Stream *stream)
{
	char byte;
	ssize_t got;

	if (stream->fd < 0 || !stream->watch)
		return TRUE;
	got = recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got == 0 || (got < 0 && errno != EAGAIN);
}

static void
link_refuse(Stream *stream, int fd)
{
	close(fd);
	jf_count(stream->count.refused, 1);
	if (stream->refusing)
		return;
	stream->refusing = TRUE;
	jf_log(stream->inst, G_LOG_LEVEL_WARNING,
	       "refused a second VMM at %s: one is connected already", stream->address.text);
}

static void
link_take(Stream *stream, int fd)
{
	if (stream->fd >= 0 && !link_is_over(stream)) {
		link_refuse(stream, fd);
		return;
	}
	if (!link_admit(stream, fd)) {
		close(fd);
		return;
	}
	if (stream->fd >= 0)
		stream_link_lost(stream, "another one has come");
	stream->fd = fd;
	if (link_watch(stream, link_ready, EPOLLIN)) {
		link_up(stream);
		return;
	}
	jf_log(stream->inst, G_LOG_LEVEL_WARNING, "cannot watch the VMM at %s",
	       stream->address.text);
	close(fd);
	stream->fd = -1;
}

static void
link_accept(JfInstance *inst, int listener, guint32 events, gpointer data)
{
	Stream *stream = data;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0) {
		link_take(stream, fd);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	/* The connection stays in the queue and would be reported for ever. */
	jf_log(inst, G_LOG_LEVEL_WARNING, "cannot accept the VMM at %s: %s", stream->address.text,
	       g_strerror(errno));
	inst->host->watch_modify(stream->listener_watch, 0);
	link_retry(stream);
}

static void
link_connect_failed(Stream *stream, int err)
{
	link_drop(stream);
	if (!stream->retry_logged)
		jf_log(stream->inst, G_LOG_LEVEL_INFO,
		       "no VMM at %s yet (%s); trying again every %u ms", stream->address.text,
		       g_strerror(err), (guint)(stream->retry_ns / 1000000));
	stream->retry_logged = TRUE;
	link_retry(stream);
}

static void
link_connected(Stream *stream)
{
	stream->connecting = FALSE;
	if (link_admit(stream, stream->fd)) {
		link_up(stream);
		stream_link_update(stream);
		return;
	}
	link_drop(stream);
	link_retry(stream);
}

static void
link_connect_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Stream *stream = data;
	int err = 0;
	socklen_t len = sizeof err;

	if (!stream->connecting) {
		link_ready(inst, fd, events, data);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) || err)
		link_connect_failed(stream, err ? err : errno);
	else
		link_connected(stream);
}

static void
link_connect(Stream *stream)
{
	stream->fd = stream_address_connect(&stream->address);
	if (stream->fd < 0) {
		link_connect_failed(stream, errno);
		return;
	}
	stream->connecting = TRUE;
	if (!link_watch(stream, link_connect_ready, EPOLLOUT))
		link_connect_failed(stream, EMFILE);
}

static void
link_retry_due(JfInstance *inst, gpointer data)
{
	Stream *stream = data;

	if (stream->listener_watch)
		inst->host->watch_modify(stream->listener_watch, EPOLLIN);
	else if (!stream->address.listen && stream->fd < 0)
		link_connect(stream);
}

static void
link_look_due(JfInstance *inst, gpointer data)
{
	(void)inst;
	stream_rx_look(data);
}

static gboolean
link_listen(Stream *stream, GError **error)
{
	stream->listener = stream_address_listen(&stream->address, &stream->socket_file, error);
	if (stream->listener < 0)
		return FALSE;
	stream->listener_watch = stream->inst->host->watch_add(stream->inst, stream->listener,
							       EPOLLIN, link_accept, stream);
	if (stream->listener_watch)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot watch the socket %s",
		    stream->address.text);
	return FALSE;
}

gboolean
stream_link_start(Stream *stream, GError **error)
{
	JfInstance *inst = stream->inst;
	const JfValue *reconnect = inst->host->property(inst, "reconnect");
	gint64 ms = reconnect->is_set ? reconnect->v.integer : LINK_RETRY_DEFAULT_MS;

	stream->retry_ns = (guint64)ms * 1000000;
	stream->retry_logged = FALSE;
	if (stream->address.listen && !link_listen(stream, error)) {
		stream_link_stop(stream);
		return FALSE;
	}
	stream->retry = inst->host->timer_add(inst, link_retry_due, stream);
	stream->look = inst->host->timer_add(inst, link_look_due, stream);
	inst->host->set_link(inst, 0, FALSE);
	if (!stream->address.listen)
		link_connect(stream);
	return TRUE;
}

void
stream_link_stop(Stream *stream)
{
	const JfHost *host = stream->inst->host;

	link_drop(stream);
	if (stream->listener_watch)
		host->watch_remove(stream->listener_watch);
	stream->listener_watch = NULL;
	if (stream->listener >= 0) {
		jf_socket_unlink(&stream->socket_file);
		close(stream->listener);
	}
	stream->listener = -1;
	if (stream->retry)
		host->timer_remove(stream->retry);
	if (stream->look)
		host->timer_remove(stream->look);
	stream->retry = stream->look = NULL;
}
