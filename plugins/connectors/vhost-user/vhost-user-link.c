/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-link.c - who is connected: listening, connecting, coming and going of the front end.
 *
 * One front end at a time. When it goes, the rings stop where they are, its memory is unmapped and
 * its descriptors are closed; all that is kept is in its own hands.
 */
#include "vhost-user.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 64u

static void
link_retry(Vhost *vh, guint64 ns)
{
	vh->host->timer_arm(vh->retry, vh->host->now(vh->inst, JF_CLOCK_MONOTONIC) + ns);
}

/* ---- The device of a front end ---- */

typedef struct TakeCall {
	Vhost *vh;
	gboolean ok;
	GError *error;
} TakeCall;

static void
call_take(JfInstance *model, gpointer data)
{
	TakeCall *call = data;

	call->ok = call->vh->virtio->take(model, &vh_ring_callbacks, call->vh, &call->error);
}

static void
call_release(JfInstance *model, gpointer data)
{
	TakeCall *call = data;

	call->vh->virtio->release(model);
}

static void
memory_lost_seen(JfInstance *inst, gpointer data)
{
	Vhost *vh = inst->priv;

	(void)data;
	if (g_atomic_int_compare_and_exchange(&vh->memory_lost, TRUE, FALSE))
		vh_link_lost(vh, "it cut its memory short");
}

/* On any thread. */
static void
memory_lost(gpointer data)
{
	Vhost *vh = data;

	g_atomic_int_set(&vh->memory_lost, TRUE);
	vh->host->post(vh->inst, memory_lost_seen, NULL);
}

static gboolean
device_take(Vhost *vh)
{
	static const JfDeviceCallbacks callbacks = { .struct_size = sizeof callbacks,
						     .memory_lost = memory_lost };
	TakeCall call = { .vh = vh };

	vh_call(vh, call_take, &call);
	if (!call.ok) {
		jf_log(vh->inst, G_LOG_LEVEL_WARNING, "%s",
		       call.error ? call.error->message : "the model's rings cannot be had");
		g_clear_error(&call.error);
		return FALSE;
	}
	vh->api->attach(vh->device, &callbacks, vh);
	vh->api->set_bus_master(vh->device, TRUE);
	vh->features = vh->protocol = 0;
	vh->status = 0;
	vh->attached = TRUE;
	g_atomic_int_set(&vh->memory_lost, FALSE);
	return TRUE;
}

static void
device_release(Vhost *vh)
{
	TakeCall call = { .vh = vh };

	if (!vh->attached)
		return;
	vh->attached = FALSE;
	vh_rings_reset(vh);
	vh_call(vh, call_release, &call);
	vh->api->detach(vh->device);
	g_array_set_size(vh->regions, 0);
	vh_unmap(&vh->log);
	vh_unmap(&vh->inflight);
	vh->n_inflight = 0;
	if (vh->inflight_fd >= 0)
		close(vh->inflight_fd);
	vh->inflight_fd = -1;
}

/* ---- The connection ---- */

static void
link_drop(Vhost *vh)
{
	g_clear_pointer(&vh->watch, vh->host->watch_remove);
	device_release(vh);
	vh_channel_close(&vh->channel);
}

/* Nobody can come back over a connection that was given. */
static void
given_lost(Vhost *vh, const char *why)
{
	g_autoptr(GError) error =
		g_error_new(JF_ERROR, JF_ERROR_NETWORK, "The VMM at %s is gone: %s", vh->path, why);

	vh->host->fail(vh->inst, error);
}

void
vh_link_lost(Vhost *vh, const char *why)
{
	if (vh->channel.fd < 0)
		return;
	jf_log(vh->inst, G_LOG_LEVEL_INFO, "VMM at %s is gone: %s", vh->path, why);
	link_drop(vh);
	if (vh->is_given)
		given_lost(vh, why);
	else if (vh->connects)
		link_retry(vh, vh->retry_ns);
}

/* At most so many messages, then others on the worker have their turn. */
static void
link_run(Vhost *vh)
{
	for (guint i = 0; i < MESSAGES_PER_TURN && vh->channel.fd >= 0; i++) {
		g_autoptr(GError) error = NULL;
		const char *why = "it closed the socket";
		VhRead got = vh_channel_read(&vh->channel, &why);
		gboolean keep;

		if (got == VH_EMPTY)
			return;
		if (got != VH_MESSAGE) {
			vh_link_lost(vh, why);
			return;
		}
		keep = vh_message_handle(vh, &error);
		vh_message_done(&vh->channel);
		if (!keep)
			vh_link_lost(vh, error ? error->message : "it broke the protocol");
	}
}

static void
link_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	(void)fd;
	(void)events;
	(void)data;
	link_run(inst->priv);
}

static gboolean
link_watch(Vhost *vh, guint32 events, JfWatchFunc func)
{
	vh->watch = vh->host->watch_add(vh->inst, vh->channel.fd, events, func, NULL);
	return vh->watch != NULL;
}

/* ---- Listening ---- */

static void
link_refuse(Vhost *vh, int fd, const char *why)
{
	close(fd);
	jf_count(vh->refused, 1);
	jf_log(vh->inst, G_LOG_LEVEL_WARNING, "refused a VMM at %s: %s", vh->path, why);
}

/* Whether the front end that we have is only there in name. */
static gboolean
link_is_over(const Vhost *vh)
{
	char byte;
	ssize_t got = recv(vh->channel.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return got == 0 || (got < 0 && errno != EAGAIN);
}

static void
link_take(Vhost *vh, int fd)
{
	if (!jf_socket_is_own(fd)) {
		link_refuse(vh, fd, "it is another user's");
		return;
	}
	if (vh->channel.fd >= 0 && !link_is_over(vh)) {
		link_refuse(vh, fd, "another one is connected");
		return;
	}
	vh_link_lost(vh, "another one has come");
	if (!device_take(vh)) {
		link_refuse(vh, fd, "the card is in use");
		return;
	}
	vh_channel_open(&vh->channel, fd);
	if (!link_watch(vh, EPOLLIN, link_ready)) {
		vh_link_lost(vh, "its socket cannot be watched");
		return;
	}
	jf_count(vh->connects_count, 1);
	vh->retry_logged = FALSE;
	jf_log(vh->inst, G_LOG_LEVEL_INFO, "VMM connected at %s", vh->path);
}

static void
listener_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Vhost *vh = inst->priv;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	(void)data;
	if (client >= 0) {
		link_take(vh, client);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	/* The connection stays in the queue and would be reported for ever. */
	jf_log(inst, G_LOG_LEVEL_WARNING, "cannot accept the VMM at %s: %s", vh->path,
	       g_strerror(errno));
	vh->host->watch_modify(vh->listener_watch, 0);
	link_retry(vh, vh->retry_ns);
}

/* ---- Connecting ---- */

static void
link_connect_failed(Vhost *vh, int err)
{
	if (!vh->retry_logged)
		jf_log(vh->inst, G_LOG_LEVEL_INFO, "no VMM at %s yet (%s); trying again", vh->path,
		       g_strerror(err));
	vh->retry_logged = TRUE;
	link_retry(vh, vh->retry_ns);
}

static void
link_connect(Vhost *vh)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	g_strlcpy(un.sun_path, vh->path, sizeof un.sun_path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof un) == 0) {
		link_take(vh, fd);
		if (vh->channel.fd < 0)
			link_retry(vh, vh->retry_ns);
		return;
	}
	link_connect_failed(vh, errno);
	if (fd >= 0)
		close(fd);
}

static void
retry_due(JfInstance *inst, gpointer data)
{
	Vhost *vh = inst->priv;

	(void)data;
	if (vh->listener_watch)
		vh->host->watch_modify(vh->listener_watch, EPOLLIN);
	else if (vh->connects && vh->channel.fd < 0)
		link_connect(vh);
}

/* ---- Life ---- */

static gboolean
link_take_given(Vhost *vh, GError **error)
{
	int fd = vh->given;

	vh->given = -1;
	if (fd >= 0)
		link_take(vh, fd);
	if (vh->channel.fd >= 0)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_STATE, "The VMM at %s is gone", vh->path);
	return FALSE;
}

static gboolean
link_listen(Vhost *vh, GError **error)
{
	vh->listener = jf_socket_listen(vh->path, SOCK_STREAM, &vh->file, error);
	if (vh->listener < 0)
		return FALSE;
	vh->listener_watch =
		vh->host->watch_add(vh->inst, vh->listener, EPOLLIN, listener_ready, NULL);
	if (vh->listener_watch)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot watch the socket %s", vh->path);
	return FALSE;
}

gboolean
vh_link_start(Vhost *vh, GError **error)
{
	vh->retry = vh->host->timer_add(vh->inst, retry_due, NULL);
	vh_record_open(vh);
	if (vh->connects && !vh->is_given)
		link_connect(vh);
	else if (vh->is_given ? !link_take_given(vh, error) : !link_listen(vh, error))
		vh_link_stop(vh);
	return vh->retry != NULL;
}

void
vh_link_stop(Vhost *vh)
{
	gboolean connected = vh->channel.fd >= 0;

	if (connected)
		link_drop(vh);
	g_clear_pointer(&vh->listener_watch, vh->host->watch_remove);
	g_clear_pointer(&vh->retry, vh->host->timer_remove);
	vh_record_close(vh, connected);
	jf_socket_unlink(&vh->file);
	if (vh->listener >= 0)
		close(vh->listener);
	vh->listener = -1;
}
