/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-interface.c - "jf.virtio/1": the rings driven by a connector. */
#include <string.h>

#include "virtio-net.h"

static guint
iface_pairs(JfInstance *inst)
{
	const VirtioNet *net = inst->priv;

	return net->pairs_max;
}

static guint64
iface_features(JfInstance *inst)
{
	const VirtioNet *net = inst->priv;

	return net->offered & VN_FEATURES_DATA;
}

static gboolean
iface_take(JfInstance *inst, const JfVirtioCallbacks *callbacks, gpointer data, GError **error)
{
	VirtioNet *net = inst->priv;

	if (net->taken) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "%s: the rings are taken already",
			    inst->name);
		return FALSE;
	}
	vn_transport_reset(net);
	vn_rx_lock_all(net);
	net->callbacks = (JfVirtioCallbacks){ 0 };
	memcpy(&net->callbacks, callbacks, MIN(callbacks->struct_size, sizeof net->callbacks));
	net->callback_data = data;
	g_atomic_int_set(&net->taken, TRUE);
	vn_rx_unlock_all(net);
	return TRUE;
}

static void
iface_release(JfInstance *inst)
{
	VirtioNet *net = inst->priv;

	if (!net->taken)
		return;
	vn_transport_reset(net);
	vn_rx_lock_all(net);
	g_atomic_int_set(&net->taken, FALSE);
	net->callbacks = (JfVirtioCallbacks){ 0 };
	vn_rx_unlock_all(net);
}

static gboolean
iface_set_features(JfInstance *inst, guint64 features, GError **error)
{
	VirtioNet *net = inst->priv;
	guint64 unknown = features & ~iface_features(inst);
	guint64 lacking = vn_features_lacking(features);

	if (unknown || lacking) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: feature bit %u is not offered or lacks one that it needs",
			    inst->name, (guint)g_bit_nth_lsf(unknown ? unknown : lacking, -1));
		return FALSE;
	}
	if (net->n_started) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "%s: features cannot change while rings are started", inst->name);
		return FALSE;
	}
	vn_rx_lock_all(net);
	vn_features_set(net, features);
	vn_rx_unlock_all(net);
	return TRUE;
}

static VnQueue *
find_queue(JfInstance *inst, guint queue)
{
	VirtioNet *net = inst->priv;

	return net->taken && queue < 2 * net->pairs_max ? &net->queues[queue] : NULL;
}

static gboolean
iface_ring_start(JfInstance *inst, const JfVirtioRing *ring, GError **error)
{
	JfVirtioRing own = { 0 };
	VnQueue *q;

	memcpy(&own, ring, MIN(ring->struct_size, sizeof own));
	q = find_queue(inst, own.queue);
	if (!q) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: there is no queue %u", inst->name,
			    own.queue);
		return FALSE;
	}
	return vn_queue_start(q, &own, error);
}

static gboolean
iface_ring_stop(JfInstance *inst, guint queue, JfVirtioRing *ring)
{
	VnQueue *q = find_queue(inst, queue);

	return q && vn_queue_stop(q, ring);
}

static void
iface_ring_enable(JfInstance *inst, guint queue, gboolean enable)
{
	VnQueue *q = find_queue(inst, queue);

	if (q)
		vn_queue_enable(q, enable);
}

static void
iface_kick(JfInstance *inst, guint queue)
{
	VnQueue *q = find_queue(inst, queue);

	if (q)
		vn_queue_kick(q);
}

const JfVirtio vn_interface = {
	.struct_size = sizeof(JfVirtio),
	.pairs = iface_pairs,
	.features = iface_features,
	.take = iface_take,
	.release = iface_release,
	.set_features = iface_set_features,
	.ring_start = iface_ring_start,
	.ring_stop = iface_ring_stop,
	.ring_enable = iface_ring_enable,
	.kick = iface_kick,
};
