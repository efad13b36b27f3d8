/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-queue.c - the life of a virtqueue: start, stop, enable, broken.
 *
 * A queue takes buffers in the order of the ring and gives each batch back before it lets go of the
 * queue, so between batches nothing is in flight, and a queue can be stopped and started at any
 * index without a frame lost or doubled.
 */
#include <string.h>

#include "virtio-ring.h"

void
vn_queues_init(VirtioNet *net)
{
	for (guint i = 0; i < VN_DATA_QUEUES; i++) {
		VnQueue *q = &net->queues[i];

		q->net = net;
		q->index = (guint16)i;
		q->is_rx = i % 2 == 0;
		pthread_mutex_init(&q->lock, NULL);
	}
	net->ctrl.net = net;
	net->ctrl.index = VN_DATA_QUEUES;
}

void
vn_queues_finish(VirtioNet *net)
{
	for (guint i = 0; i < VN_DATA_QUEUES; i++) {
		if (net->queues[i].net)
			pthread_mutex_destroy(&net->queues[i].lock);
	}
}

/* Whoever changes a queue is on the worker, where the transmit queues run: they need no lock. */
static void
queue_lock(VnQueue *q)
{
	q->net->pci->dma_enter(q->net->inst);
	if (q->is_rx)
		pthread_mutex_lock(&q->lock);
}

static void
queue_unlock(VnQueue *q)
{
	if (q->is_rx)
		pthread_mutex_unlock(&q->lock);
	q->net->pci->dma_leave(q->net->inst);
}

void
vn_rx_lock_all(VirtioNet *net)
{
	net->pci->dma_enter(net->inst);
	for (guint i = 0; i < VN_DATA_QUEUES; i += 2)
		pthread_mutex_lock(&net->queues[i].lock);
}

void
vn_rx_unlock_all(VirtioNet *net)
{
	for (guint i = VN_DATA_QUEUES; i > 0; i -= 2)
		pthread_mutex_unlock(&net->queues[i - 2].lock);
	net->pci->dma_leave(net->inst);
}

/* Where a ring may begin. */
static gboolean
place_is_valid(const JfVirtioRing *at, gboolean packed)
{
	if (at->size < 1 || at->size > JF_VIRTIO_RING_MAX)
		return FALSE;
	if (packed)
		return (at->avail & 0x7fff) < at->size && (at->used & 0x7fff) < at->size;
	return (at->size & (at->size - 1)) == 0;
}

/* The queue as it is going to be, not started. */
static gboolean
queue_set_up(VnQueue *q, const JfVirtioRing *at)
{
	guint64 features = q->net->features;
	gboolean packed = (features & VIRTIO_F_RING_PACKED) != 0;

	if (!place_is_valid(at, packed))
		return FALSE;
	q->packed = packed;
	q->event_idx = (features & VIRTIO_F_EVENT_IDX) != 0;
	q->in_order = (features & VIRTIO_F_IN_ORDER) != 0;
	q->indirect = (features & VIRTIO_F_INDIRECT_DESC) != 0;
	q->hdr_len = features & (VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF)
			     ? VIRTIO_NET_HDR_LEN
			     : VIRTIO_NET_HDR_LEN_OLD;
	q->size = at->size;
	q->desc = at->desc;
	q->driver = at->driver;
	q->device = at->device;
	/* The entries of a split receive ring stay until all are given back at once: nothing to note. */
	q->mark = q->is_rx && !packed ? NULL : at->mark;
	q->avail = packed ? at->avail & 0x7fff : at->avail;
	q->used = packed ? at->used & 0x7fff : at->used;
	q->avail_wrap = at->avail >> 15;
	q->used_wrap = at->used >> 15;
	q->end = q->avail;
	q->end_wrap = q->avail_wrap;
	q->broken = FALSE;
	q->notify = FALSE;
	q->refused = FALSE;
	return TRUE;
}

static gboolean
queue_check_memory(VnQueue *q, GError **error)
{
	VnRing ring;

	if (vn_ring_open(q, &ring))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "queue %u: ring at 0x%" G_GINT64_MODIFIER "x, 0x%" G_GINT64_MODIFIER
		    "x, 0x%" G_GINT64_MODIFIER "x is not in memory, or not aligned",
		    q->index, q->desc, q->driver, q->device);
	return FALSE;
}

static void
queue_is_started(VnQueue *q)
{
	if (q->net->n_started++ == 0)
		vn_poll_begin(q->net);
	if (q->enabled)
		vn_queue_enable(q, TRUE);
}

gboolean
vn_queue_start(VnQueue *q, const JfVirtioRing *at, GError **error)
{
	gboolean ok, placed;

	if (q->started) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "queue %u is started already",
			    q->index);
		return FALSE;
	}
	queue_lock(q);
	placed = queue_set_up(q, at);
	ok = placed && queue_check_memory(q, error);
	if (ok) {
		q->started = TRUE;
		vn_queue_set_notify(q, FALSE);
	}
	queue_unlock(q);
	if (!placed)
		g_set_error(
			error, JF_ERROR, JF_ERROR_VALUE,
			"queue %u: size %u or index %u/%u; valid are 1 to %u entries, powers of "
			"two for a split ring, and in a packed one an index within",
			q->index, at->size, at->avail, at->used, JF_VIRTIO_RING_MAX);
	if (ok)
		queue_is_started(q);
	return ok;
}

gboolean
vn_queue_resume(VnQueue *q, const JfVirtioRing *at)
{
	gboolean ok;

	queue_lock(q);
	ok = queue_set_up(q, at);
	if (ok) {
		q->started = TRUE;
		vn_queue_set_notify(q, q == &q->net->ctrl);
	}
	queue_unlock(q);
	if (ok)
		queue_is_started(q);
	return ok;
}

gboolean
vn_queue_stop(VnQueue *q, JfVirtioRing *at)
{
	if (!q->started)
		return FALSE;
	queue_lock(q);
	q->started = FALSE;
	queue_unlock(q);
	if (--q->net->n_started == 0)
		vn_poll_end(q->net);
	if (q->is_rx)
		vn_steer_update(q->net);
	if (at) {
		JfVirtioRing own = {
			.struct_size = MIN(at->struct_size, sizeof own),
			.queue = q->index,
			.size = q->size,
			.desc = q->desc,
			.driver = q->driver,
			.device = q->device,
			.avail = vn_queue_avail(q),
			.used = vn_queue_used(q),
			.mark = q->mark,
		};

		memcpy(at, &own, own.struct_size);
	}
	return TRUE;
}

void
vn_queue_enable(VnQueue *q, gboolean enable)
{
	VirtioNet *net = q->net;

	queue_lock(q);
	q->enabled = enable;
	g_atomic_int_set(&q->refused, FALSE);
	queue_unlock(q);
	if (q->is_rx)
		vn_steer_update(net);
	if (!enable || !q->started)
		return;
	/* What was refused meanwhile, and what both sides had no way to tell. */
	if (q->is_rx)
		net->host->resume(net->inst, 0);
	if (net->taken)
		vn_queue_signal(q);
	vn_poll_wake(net);
}

void
vn_queue_break(VnQueue *q)
{
	VirtioNet *net = q->net;

	if (q->broken)
		return;
	q->broken = TRUE;
	jf_count(net->broken, 1);
	if (net->taken && net->callbacks.broken)
		net->callbacks.broken(net->callback_data, q->index);
	if (!net->taken)
		vn_transport_broken(q);
}
