/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-message-ring.c - what the front end asks for of one ring: its size and place, its
 * descriptors, on and off.
 */
#include "vhost-user-message.h"

#include <string.h>

static VhRing *
find_ring(Vhost *vh, guint64 index, GError **error)
{
	if (index < vh->n_rings)
		return &vh->rings[index];
	vh_refuse(error, "a ring that is not there");
	return NULL;
}

/* The ring that the state is of, which is the body. */
static VhRing *
find_ring_of_state(Vhost *vh, const VhMessage *m, VhRingState *state, GError **error)
{
	memcpy(state, m->body, sizeof *state);
	return find_ring(vh, state->index, error);
}

gboolean
vh_set_vring_num(Vhost *vh, VhMessage *m, GError **error)
{
	VhRingState state;
	VhRing *ring = find_ring_of_state(vh, m, &state, error);

	if (!ring)
		return FALSE;
	if (state.num == ring->size)
		return TRUE;
	if (ring->started || state.num == 0 || state.num > JF_VIRTIO_RING_MAX)
		return vh_refuse(error, "a ring of impossible size, or one that runs");
	ring->size = state.num;
	return vh_ring_run(ring, error);
}

gboolean
vh_set_vring_addr(Vhost *vh, VhMessage *m, GError **error)
{
	VhRingAddress address;
	VhRing *ring;

	memcpy(&address, m->body, sizeof address);
	ring = find_ring(vh, address.index, error);
	if (!ring)
		return FALSE;
	if ((address.desc & 15) || (address.driver & 1) || (address.device & 3))
		return vh_refuse(error, "a ring that is not aligned");
	if (ring->has_address && ring->desc == address.desc && ring->driver == address.driver &&
	    ring->device == address.device)
		return vh_ring_run(ring, error);
	vh_ring_pause(ring);
	ring->desc = address.desc;
	ring->driver = address.driver;
	ring->device = address.device;
	ring->has_address = TRUE;
	return vh_ring_run(ring, error);
}

/* Packed: both places, of which the one to use up is the same, for a ring stops with nothing open. */
gboolean
vh_set_vring_base(Vhost *vh, VhMessage *m, GError **error)
{
	VhRingState state;
	VhRing *ring = find_ring_of_state(vh, m, &state, error);

	if (!ring)
		return FALSE;
	if (ring->started)
		return vh_refuse(error, "a new place for a ring that runs");
	ring->avail = ring->used = (guint16)state.num;
	return TRUE;
}

gboolean
vh_get_vring_base(Vhost *vh, VhMessage *m, GError **error)
{
	VhRingState state;
	VhRing *ring = find_ring_of_state(vh, m, &state, error);

	if (!ring)
		return FALSE;
	vh_ring_end(ring);
	state.num = ring->avail;
	if (vh->features & VH_F_RING_PACKED)
		state.num |= (guint32)ring->used << 16;
	memcpy(m->body, &state, sizeof state);
	m->len = sizeof state;
	return TRUE;
}

/* The descriptor that came with a ring's number, now the caller's; -1: none. */
static gboolean
take_ring_fd(Vhost *vh, VhMessage *m, VhRing **ring, int *fd, GError **error)
{
	guint64 value = vh_body_u64(m);

	*ring = find_ring(vh, value & VH_RING_INDEX, error);
	*fd = -1;
	if (!*ring)
		return FALSE;
	if ((value & ~(guint64)(VH_RING_INDEX | VH_RING_NO_FD)) ||
	    m->n_fds != !(value & VH_RING_NO_FD))
		return vh_refuse(error, "a ring's descriptor that is missing, or one too many");
	if (m->n_fds == 0)
		return TRUE;
	if (!vh_fd_is_eventfd(m->fds[0]))
		return vh_refuse(error, "a ring's descriptor that is no eventfd");
	*fd = m->fds[0];
	m->fds[0] = -1;
	return TRUE;
}

gboolean
vh_set_vring_kick(Vhost *vh, VhMessage *m, GError **error)
{
	VhRing *ring;
	int fd;

	return take_ring_fd(vh, m, &ring, &fd, error) && vh_ring_set_kick(ring, fd, error);
}

static gboolean
set_ring_fd(Vhost *vh, VhMessage *m, void (*set)(VhRing *ring, int fd), GError **error)
{
	VhRing *ring;
	int fd;

	if (!take_ring_fd(vh, m, &ring, &fd, error))
		return FALSE;
	set(ring, fd);
	return TRUE;
}

gboolean
vh_set_vring_call(Vhost *vh, VhMessage *m, GError **error)
{
	return set_ring_fd(vh, m, vh_ring_set_call, error);
}

gboolean
vh_set_vring_err(Vhost *vh, VhMessage *m, GError **error)
{
	return set_ring_fd(vh, m, vh_ring_set_err, error);
}

gboolean
vh_set_vring_enable(Vhost *vh, VhMessage *m, GError **error)
{
	VhRingState state;
	VhRing *ring = find_ring_of_state(vh, m, &state, error);

	return ring && vh_ring_set_enabled(ring, state.num != 0, error);
}
