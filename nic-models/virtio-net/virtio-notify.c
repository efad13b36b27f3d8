/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-notify.c - notifications both ways, and polling.
 *
 * While there is work, the worker looks at the transmit rings in each of its turns and drivers are
 * told not to notify (VN_BUSY). When there was none for a while, notifications are switched on
 * (VN_ARMED); the turn after that looks once more for what came in between; then the rings are left
 * alone until somebody notifies (VN_IDLE). A notification costs the driver more than many looks cost
 * us, so the while gets longer where a little more patience would have spared one, up to the
 * worker's budget, and shorter where nothing came for long.
 *
 * A receive ring that has no room asks for notifications in the same way: by the worker when it
 * arms, or, where it has armed already, by whoever finds the ring empty. Both write what the other
 * reads first, then look, so one of them sees it.
 */
#include "virtio-ring.h"

/* ns of patience: where it begins, and the least. */
#define PATIENCE_MIN 4000u
/* Budgets after which a notification comes late: to ask for one costs the driver about as much time
 * as is between two frames of a busy one. */
#define LONG 4u
/* Turns, whatever the clock says. */
#define QUIET_POLLS_MAX 1024u

/* Whether the ring goes on behind where it ended. */
static gboolean
ring_has_grown(const VnQueue *q, const VnRing *ring)
{
	if (q->packed)
		return vn_packed_is_available(vn_load16_acquire(&ring->packed[q->end].flags),
					      q->end_wrap);
	return vn_load16_acquire(&ring->avail->idx) != q->end;
}

static void
ring_set_notify(VnQueue *q, VnRing *ring, gboolean on)
{
	if (q->packed) {
		vn_store16(&ring->device->flags, on ? PVIRTQ_EVENT_ENABLE : PVIRTQ_EVENT_DISABLE);
	} else if (q->event_idx) {
		guint event = q->is_rx ? q->end : q->avail;

		/* An event that has passed comes again only after 65535 more entries. */
		vn_store16((guint16 *)&ring->used->ring[q->size], on ? event : q->avail - 1u);
	} else {
		vn_store16(&ring->used->flags, on ? 0 : VIRTQ_USED_F_NO_NOTIFY);
	}
	if (vn_unlikely(ring->log))
		vn_ring_log_event(q, ring);
	q->notify = on;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void
vn_queue_set_notify(VnQueue *q, gboolean on)
{
	VnRing ring;

	if (vn_ring_open(q, &ring))
		ring_set_notify(q, &ring, on);
}

gboolean
vn_rx_refuse(VnQueue *q, VnRing *ring, const VnCursor *end)
{
	q->end = end->at;
	q->end_wrap = end->wrap;
	g_atomic_int_set(&q->refused, TRUE);
	if (g_atomic_int_get(&q->net->poll_state) == VN_BUSY)
		return FALSE;
	ring_set_notify(q, ring, TRUE);
	return ring_has_grown(q, ring);
}

void
vn_queue_signal(VnQueue *q)
{
	VirtioNet *net = q->net;

	if (!net->taken)
		vn_transport_signal(q);
	else if (net->callbacks.notify)
		net->callbacks.notify(net->callback_data, q->index);
}

/* ---- On the worker ---- */

static void
woken(JfInstance *inst, gpointer data)
{
	VirtioNet *net = inst->priv;

	(void)data;
	net->woken = FALSE;
}

static void
patience_adapt(VirtioNet *net)
{
	guint64 budget = net->host->get_poll_budget(net->inst);
	guint64 armed = net->host->now(net->inst, JF_CLOCK_MONOTONIC) - net->armed_at;

	net->patience = armed <= LONG * budget ? 2 * net->patience : net->patience / 2;
	net->patience = MIN(MAX(net->patience, PATIENCE_MIN), budget);
}

/* The post makes the worker turn, which makes it poll. */
void
vn_poll_wake(VirtioNet *net)
{
	if (net->woken || !net->poller)
		return;
	if (net->poll_state != VN_BUSY)
		patience_adapt(net);
	net->woken = TRUE;
	net->quiet = 0;
	g_atomic_int_set(&net->poll_state, VN_BUSY);
	net->host->post(net->inst, woken, NULL);
}

void
vn_queue_kick(VnQueue *q)
{
	if (vn_queue_is_active(q))
		vn_poll_wake(q->net);
}

/* Looks at a receive queue that refused frames. TRUE: there is room again, and the host knows. */
static gboolean
rx_recheck(VnQueue *q)
{
	VirtioNet *net = q->net;
	gboolean room = FALSE;
	VnRing ring;

	if (!g_atomic_int_get(&q->refused))
		return FALSE;
	net->pci->dma_enter(net->inst);
	pthread_mutex_lock(&q->lock);
	if (vn_queue_is_active(q) && vn_ring_open(q, &ring) && ring_has_grown(q, &ring)) {
		g_atomic_int_set(&q->refused, FALSE);
		if (q->notify)
			ring_set_notify(q, &ring, FALSE);
		room = TRUE;
	}
	pthread_mutex_unlock(&q->lock);
	net->pci->dma_leave(net->inst);
	if (room)
		net->host->resume(net->inst, 0);
	return room;
}

static void
queue_arm(VnQueue *q)
{
	VirtioNet *net = q->net;

	/* A transmit queue that was refused waits for resume, a receive queue that was not for nothing. */
	if (!vn_queue_is_active(q) || q->is_rx != g_atomic_int_get(&q->refused))
		return;
	net->pci->dma_enter(net->inst);
	if (q->is_rx)
		pthread_mutex_lock(&q->lock);
	vn_queue_set_notify(q, TRUE);
	if (q->is_rx)
		pthread_mutex_unlock(&q->lock);
	net->pci->dma_leave(net->inst);
}

static void
poll_arm(VirtioNet *net)
{
	g_atomic_int_set(&net->poll_state, VN_ARMED);
	net->armed_at = net->host->now(net->inst, JF_CLOCK_MONOTONIC);
	for (guint i = 0; i < 2 * net->pairs_max; i++)
		queue_arm(&net->queues[i]);
}

static guint
poll_queues(VirtioNet *net)
{
	guint work = 0;

	for (guint i = 0; i < net->pairs_max; i++) {
		work += vn_tx_run(&net->queues[2 * i + 1]);
		work += rx_recheck(&net->queues[2 * i]);
	}
	return work;
}

/* A turn found nothing. Whether to look again before notifications are asked for. */
static gboolean
poll_again(VirtioNet *net)
{
	guint64 now = net->host->now(net->inst, JF_CLOCK_MONOTONIC);

	if (net->quiet++ == 0)
		net->quiet_since = now;
	return net->quiet < QUIET_POLLS_MAX && now - net->quiet_since < net->patience;
}

static guint
poll(JfInstance *inst, gpointer data)
{
	VirtioNet *net = inst->priv;
	guint work;

	(void)data;
	if (net->poll_state == VN_IDLE)
		return 0;
	work = poll_queues(net);
	if (work) {
		net->quiet = 0;
		g_atomic_int_set(&net->poll_state, VN_BUSY);
		return work;
	}
	if (net->poll_state == VN_ARMED) {
		g_atomic_int_set(&net->poll_state, VN_IDLE);
		return 0;
	}
	if (poll_again(net))
		return 1;
	poll_arm(net);
	return 0;
}

void
vn_poll_begin(VirtioNet *net)
{
	if (net->poller || !net->running || net->n_started == 0)
		return;
	net->poller = net->host->poller_add(net->inst, poll, NULL);
	vn_poll_wake(net);
}

void
vn_poll_end(VirtioNet *net)
{
	if (!net->poller)
		return;
	net->host->poller_remove(net->poller);
	net->poller = NULL;
}
