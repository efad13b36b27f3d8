/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-ring.c - the rings of a front end: when each runs, and its eventfds.
 *
 * A ring runs from when its size, its addresses and a kick descriptor are there until GET_VRING_BASE
 * or a reset. The model moves the frames; here is only said where the ring is, when it was kicked
 * and, the other way, that buffers were used. Whenever the memory table changes, all rings pause.
 *
 * The front end's descriptors must be eventfds, so that reading or writing one cannot raise SIGPIPE
 * or wait for anybody.
 */
#include "vhost-user.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTFD_LINK "anon_inode:[eventfd]"

/* ---- Calls into the model ---- */

typedef struct RingCall {
	Vhost *vh;
	guint queue;
	gboolean on, ok;
	JfVirtioRing at;
	GError **error;
} RingCall;

static void
call_start(JfInstance *model, gpointer data)
{
	RingCall *call = data;

	call->ok = call->vh->virtio->ring_start(model, &call->at, call->error);
}

static void
call_stop(JfInstance *model, gpointer data)
{
	RingCall *call = data;

	call->ok = call->vh->virtio->ring_stop(model, call->queue, &call->at);
}

static void
call_enable(JfInstance *model, gpointer data)
{
	RingCall *call = data;

	call->vh->virtio->ring_enable(model, call->queue, call->on);
}

static void
call_kick(JfInstance *model, gpointer data)
{
	RingCall *call = data;

	call->vh->virtio->kick(model, call->queue);
}

static void
ring_kick(VhRing *ring)
{
	RingCall call = { .vh = ring->vh, .queue = ring->index };

	if (ring->started)
		vh_call(ring->vh, call_kick, &call);
}

static void
ring_enable(VhRing *ring, gboolean on)
{
	RingCall call = { .vh = ring->vh, .queue = ring->index, .on = on };

	vh_call(ring->vh, call_enable, &call);
}

/* ---- Descriptors ---- */

gboolean
vh_fd_is_eventfd(int fd)
{
	char name[32], link[sizeof EVENTFD_LINK];
	int flags = fcntl(fd, F_GETFL);
	ssize_t len;

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	len = readlink(name, link, sizeof link);
	return len == sizeof EVENTFD_LINK - 1 && memcmp(link, EVENTFD_LINK, (gsize)len) == 0 &&
	       flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void
fd_replace(int *slot, int fd)
{
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

static void
fd_signal(int fd)
{
	const guint64 one = 1;
	ssize_t done = fd >= 0 ? write(fd, &one, sizeof one) : 0;

	(void)done;
}

static void
kick_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	guint64 count;
	ssize_t got = read(fd, &count, sizeof count);

	(void)inst;
	(void)events;
	(void)got;
	ring_kick(data);
}

/* Rings that nobody kicks. The worker stays awake for them: that is what their front end asked for. */
static guint
poll_rings(JfInstance *inst, gpointer data)
{
	Vhost *vh = inst->priv;
	guint n = 0;

	(void)data;
	for (guint i = 0; i < vh->n_rings; i++) {
		VhRing *ring = &vh->rings[i];

		if (!ring->started || ring->watch)
			continue;
		ring_kick(ring);
		n++;
	}
	return n;
}

static void
poller_update(Vhost *vh)
{
	gboolean wanted = FALSE;

	for (guint i = 0; i < vh->n_rings; i++)
		wanted |= vh->rings[i].started && !vh->rings[i].watch;
	if (wanted && !vh->poller)
		vh->poller = vh->host->poller_add(vh->inst, poll_rings, NULL);
	else if (!wanted && vh->poller)
		vh->host->poller_remove(g_steal_pointer(&vh->poller));
}

static void
kick_close(VhRing *ring)
{
	if (ring->watch)
		ring->vh->host->watch_remove(g_steal_pointer(&ring->watch));
	fd_replace(&ring->kick, -1);
}

gboolean
vh_ring_set_kick(VhRing *ring, int fd, GError **error)
{
	kick_close(ring);
	ring->kick = fd;
	ring->kicked = TRUE;
	if (fd >= 0) {
		ring->watch =
			ring->vh->host->watch_add(ring->vh->inst, fd, EPOLLIN, kick_ready, ring);
		if (!ring->watch) {
			kick_close(ring);
			ring->kicked = FALSE;
			g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
				    "a kick descriptor cannot be watched");
			return FALSE;
		}
	}
	poller_update(ring->vh);
	return vh_ring_run(ring, error);
}

void
vh_ring_set_call(VhRing *ring, int fd)
{
	g_mutex_lock(&ring->lock);
	fd_replace(&ring->call, fd);
	/* What was used before the front end could be told. */
	if (ring->started)
		fd_signal(fd);
	g_mutex_unlock(&ring->lock);
}

void
vh_ring_set_err(VhRing *ring, int fd)
{
	fd_replace(&ring->err, fd);
}

/* ---- What the model says, on any thread ---- */

static void
ring_notify(gpointer data, guint queue)
{
	VhRing *ring = &((Vhost *)data)->rings[queue];

	g_mutex_lock(&ring->lock);
	fd_signal(ring->call);
	g_mutex_unlock(&ring->lock);
}

static void
broken_seen(JfInstance *inst, gpointer data)
{
	Vhost *vh = inst->priv;
	VhRing *ring = data;
	gboolean broken;

	g_mutex_lock(&ring->lock);
	broken = ring->broken;
	ring->broken = FALSE;
	g_mutex_unlock(&ring->lock);
	if (!broken)
		return;
	jf_count(vh->broken, 1);
	jf_log(inst, G_LOG_LEVEL_WARNING, "the guest at %s broke its ring %u: it is stopped",
	       vh->path, ring->index);
	vh->status |= VH_STATUS_NEEDS_RESET;
	fd_signal(ring->err);
}

static void
ring_broken(gpointer data, guint queue)
{
	Vhost *vh = data;
	VhRing *ring = &vh->rings[queue];

	g_mutex_lock(&ring->lock);
	ring->broken = TRUE;
	g_mutex_unlock(&ring->lock);
	vh->host->post(vh->inst, broken_seen, ring);
}

const JfVirtioCallbacks vh_ring_callbacks = {
	.struct_size = sizeof(JfVirtioCallbacks),
	.notify = ring_notify,
	.broken = ring_broken,
};

/* ---- Running ---- */

static gboolean
ring_part(const VhRing *ring, guint64 user, guint64 len, guint64 *address)
{
	const VhRegion *region = vh_memory_find(ring->vh, user, len);

	if (!region)
		return FALSE;
	*address = region->address + (user - region->user);
	return TRUE;
}

static gboolean
ring_translate(const VhRing *ring, JfVirtioRing *at, GError **error)
{
	gboolean packed = (ring->vh->features & VH_F_RING_PACKED) != 0;
	guint64 size = ring->size;

	if (ring_part(ring, ring->desc, 16 * size, &at->desc) &&
	    ring_part(ring, ring->driver, packed ? 4 : 4 + 2 * size, &at->driver) &&
	    ring_part(ring, ring->device, packed ? 4 : 4 + 8 * size, &at->device))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "ring %u lies outside of the memory",
		    ring->index);
	return FALSE;
}

gboolean
vh_ring_run(VhRing *ring, GError **error)
{
	Vhost *vh = ring->vh;
	RingCall call = { .vh = vh, .queue = ring->index, .error = error };

	if (ring->started || !ring->kicked || !ring->size || !ring->has_address)
		return TRUE;
	call.at = (JfVirtioRing){ .struct_size = sizeof call.at,
				  .queue = ring->index,
				  .size = ring->size };
	if (!ring_translate(ring, &call.at, error))
		return FALSE;
	vh_track_resume(ring);
	vh_track_begin(ring);
	call.at.avail = ring->avail;
	call.at.used = ring->used;
	call.at.mark = ring->track ? &ring->track->mark : NULL;
	vh_call(vh, call_start, &call);
	if (!call.ok) {
		vh_track_end(ring);
		return FALSE;
	}
	ring->started = TRUE;
	/* Without protocol features nobody will ever enable it. */
	ring_enable(ring, ring->enabled || !(vh->features & VH_F_PROTOCOL_FEATURES));
	poller_update(vh);
	ring_kick(ring);
	return TRUE;
}

void
vh_ring_pause(VhRing *ring)
{
	RingCall call = { .vh = ring->vh, .queue = ring->index };

	if (!ring->started)
		return;
	call.at.struct_size = sizeof call.at;
	vh_call(ring->vh, call_stop, &call);
	if (call.ok) {
		ring->avail = call.at.avail;
		ring->used = call.at.used;
	}
	vh_track_pause(ring);
	ring->started = FALSE;
}

void
vh_ring_stop(VhRing *ring)
{
	vh_ring_pause(ring);
	ring->kicked = FALSE;
	kick_close(ring);
	poller_update(ring->vh);
}

/* DPDK, when it has not noticed yet that we died, begins with stopping what it believes to run: that
 * is no word on where the ring goes on. */
void
vh_ring_end(VhRing *ring)
{
	gboolean known = ring->kicked;

	vh_ring_stop(ring);
	if (known)
		vh_track_end(ring);
}

gboolean
vh_ring_set_enabled(VhRing *ring, gboolean enabled, GError **error)
{
	ring->enabled = enabled;
	if (!vh_ring_run(ring, error))
		return FALSE;
	if (ring->started)
		ring_enable(ring, enabled);
	return TRUE;
}

void
vh_rings_pause(Vhost *vh)
{
	for (guint i = 0; i < vh->n_rings; i++)
		vh_ring_pause(&vh->rings[i]);
}

gboolean
vh_rings_run(Vhost *vh, GError **error)
{
	for (guint i = 0; i < vh->n_rings; i++)
		if (!vh_ring_run(&vh->rings[i], error))
			return FALSE;
	return TRUE;
}

/* ---- Life ---- */

void
vh_rings_init(Vhost *vh)
{
	vh->n_rings = 2 * vh->pairs;
	for (guint i = 0; i < VH_RINGS_MAX; i++) {
		VhRing *ring = &vh->rings[i];

		ring->vh = vh;
		ring->index = i;
		ring->kick = ring->call = ring->err = -1;
		g_mutex_init(&ring->lock);
	}
}

void
vh_rings_reset(Vhost *vh)
{
	for (guint i = 0; i < vh->n_rings; i++) {
		VhRing *ring = &vh->rings[i];

		vh_ring_stop(ring);
		vh_ring_set_call(ring, -1);
		vh_ring_set_err(ring, -1);
		ring->size = 0;
		ring->has_address = ring->enabled = FALSE;
		ring->avail = ring->used = 0;
	}
}

void
vh_rings_finish(Vhost *vh)
{
	for (guint i = 0; i < VH_RINGS_MAX; i++)
		g_mutex_clear(&vh->rings[i].lock);
}
