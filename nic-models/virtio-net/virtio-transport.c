/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-transport.c - what both PCI interfaces, legacy and modern, do: device status, features,
 * queues, interrupts, reset (virtio 1.2, 2.1, 3.1, 4.1).
 *
 * A modern driver sets its queues up and they start with DRIVER_OK; a legacy one starts a queue by
 * its address, and data moves from DRIVER_OK on. The control queue answers as soon as it is started.
 */
#include <string.h>

#include "virtio-net.h"

/* ---- Interrupts ---- */

static void
isr_raise(VirtioNet *net, guint8 bits)
{
	pthread_mutex_lock(&net->isr_lock);
	net->isr |= bits;
	net->pci->set_irq(net->inst, TRUE);
	pthread_mutex_unlock(&net->isr_lock);
}

guint8
vn_transport_read_isr(VirtioNet *net)
{
	guint8 isr;

	pthread_mutex_lock(&net->isr_lock);
	isr = net->isr;
	net->isr = 0;
	net->pci->set_irq(net->inst, FALSE);
	pthread_mutex_unlock(&net->isr_lock);
	return isr;
}

void
vn_transport_restore_isr(VirtioNet *net, guint8 isr)
{
	if (isr)
		isr_raise(net, isr);
}

static void
interrupt(VirtioNet *net, guint16 vector, guint8 isr)
{
	if (!net->pci->msix_enabled(net->inst))
		isr_raise(net, isr);
	else if (vector != VIRTIO_MSI_NO_VECTOR)
		net->pci->msix_notify(net->inst, vector);
}

void
vn_transport_signal(VnQueue *q)
{
	interrupt(q->net, vn_load16(&q->vector), VIRTIO_ISR_QUEUE);
}

void
vn_transport_config_changed(VirtioNet *net)
{
	net->config_generation++;
	if (net->status & VIRTIO_STATUS_DRIVER_OK)
		interrupt(net, net->config_vector, VIRTIO_ISR_CONFIG);
}

/* ---- A broken ring: 2.1.2; a legacy driver knows no such thing ---- */

static void
needs_reset(JfInstance *inst, gpointer data)
{
	VirtioNet *net = inst->priv;

	(void)data;
	if (net->taken || !(net->status & VIRTIO_STATUS_DRIVER_OK) || !net->any_broken ||
	    !(net->features & VIRTIO_F_VERSION_1))
		return;
	net->status |= VIRTIO_STATUS_NEEDS_RESET;
	vn_transport_config_changed(net);
}

void
vn_transport_broken(VnQueue *q)
{
	VirtioNet *net = q->net;

	if (!g_atomic_int_exchange(&net->any_broken, TRUE))
		net->host->post(net->inst, needs_reset, NULL);
}

/* ---- Queues ---- */

guint
vn_transport_ctrl_index(const VirtioNet *net)
{
	return net->driver_features & VIRTIO_NET_F_MQ ? 2 * net->pairs_max : 2;
}

guint
vn_transport_n_queues(const VirtioNet *net)
{
	return 2 * net->pairs_max + 1;
}

VnQueue *
vn_transport_queue(VirtioNet *net, guint index)
{
	if (index == vn_transport_ctrl_index(net))
		return &net->ctrl;
	return index < vn_transport_ctrl_index(net) ? &net->queues[index] : NULL;
}

static void
queue_start_at(VirtioNet *net, guint index, guint16 avail, guint16 used)
{
	VnQueue *q = vn_transport_queue(net, index);
	const VnPciQueue *reg = &net->regs[index];
	JfVirtioRing at = { .struct_size = sizeof at,
			    .queue = index,
			    .size = reg->size,
			    .desc = reg->desc,
			    .driver = reg->driver,
			    .device = reg->device,
			    .avail = avail,
			    .used = used };

	if (!q || q->started)
		return;
	vn_store16(&q->vector, reg->vector);
	/* What is wrong with it, if anything, shows when it is used. */
	if (!vn_queue_resume(q, &at))
		vn_transport_broken(q);
}

static void
queue_start(VirtioNet *net, guint index)
{
	guint16 first = net->features & VIRTIO_F_RING_PACKED ? 0x8000 : 0;

	queue_start_at(net, index, first, first);
}

void
vn_transport_restore_queue(VirtioNet *net, guint index, gboolean started, guint16 avail,
			   guint16 used)
{
	VnQueue *q = vn_transport_queue(net, index);

	if (started)
		queue_start_at(net, index, avail, used);
	if (q)
		vn_store16(&q->vector, net->regs[index].vector);
}

void
vn_transport_set_vector(VirtioNet *net, guint index, guint16 vector)
{
	VnQueue *q = vn_transport_queue(net, index);

	if (vector >= net->info.msix_vectors)
		vector = VIRTIO_MSI_NO_VECTOR;
	net->regs[index].vector = vector;
	if (q)
		vn_store16(&q->vector, vector);
}

void
vn_transport_set_config_vector(VirtioNet *net, guint16 vector)
{
	net->config_vector = vector < net->info.msix_vectors ? vector
							     : (guint16)VIRTIO_MSI_NO_VECTOR;
}

void
vn_transport_set_pairs(VirtioNet *net, guint pairs)
{
	gboolean on = (net->status & VIRTIO_STATUS_DRIVER_OK) != 0;

	net->pairs = pairs;
	for (guint i = 0; i < 2 * net->pairs_max; i++)
		vn_queue_enable(&net->queues[i], on && i < 2 * pairs);
}

void
vn_transport_queue_enable(VirtioNet *net, guint index)
{
	net->regs[index].enabled = TRUE;
	if (!(net->features & VIRTIO_F_VERSION_1) || (net->status & VIRTIO_STATUS_DRIVER_OK))
		queue_start(net, index);
}

void
vn_transport_queue_reset(VirtioNet *net, guint index)
{
	VnQueue *q = vn_transport_queue(net, index);

	if (q)
		vn_queue_stop(q, NULL);
	net->regs[index] = (VnPciQueue){ .size = net->ring_size, .vector = VIRTIO_MSI_NO_VECTOR };
	if (q)
		vn_store16(&q->vector, VIRTIO_MSI_NO_VECTOR);
}

void
vn_transport_notify(VirtioNet *net, guint index)
{
	VnQueue *q = vn_transport_queue(net, index);

	if (q == &net->ctrl)
		vn_ctrl_run(net);
	else if (q)
		vn_queue_kick(q);
}

/* ---- Status and features ---- */

/* Registers as after power-on. */
static void
registers_reset(VirtioNet *net)
{
	net->status = 0;
	net->driver_features = 0;
	net->device_feature_select = net->driver_feature_select = 0;
	net->queue_select = 0;
	net->config_vector = VIRTIO_MSI_NO_VECTOR;
	net->config_generation = 0;
	net->announce = FALSE;
	for (guint i = 0; i < VN_QUEUES_MAX; i++)
		net->regs[i] =
			(VnPciQueue){ .size = net->ring_size, .vector = VIRTIO_MSI_NO_VECTOR };
}

/* In init: there is no guest memory yet, and nobody else. */
void
vn_transport_init(VirtioNet *net)
{
	registers_reset(net);
	vn_features_set(net, 0);
	net->pairs = 1;
	vn_filter_reset(&net->filter, net->mac, FALSE);
}

void
vn_transport_reset(VirtioNet *net)
{
	net->status = 0;
	vn_net_reset(net);
	registers_reset(net);
	g_atomic_int_set(&net->any_broken, FALSE);
	vn_transport_read_isr(net);
}

/* What follows from the features, before any queue starts. */
static void
features_accept(VirtioNet *net, guint64 features)
{
	vn_rx_lock_all(net);
	vn_features_set(net, features);
	net->filter.vlans_active = (features & VIRTIO_NET_F_CTRL_VLAN) != 0;
	vn_rx_unlock_all(net);
}

/* 3.1.2: a legacy driver does not hear that its choice is refused, so what cannot be is left out. */
void
vn_transport_legacy_features(VirtioNet *net, guint32 bits)
{
	guint64 features = bits & net->offered, lacking;

	while ((lacking = vn_features_lacking(features)))
		features &= ~lacking;
	net->driver_features = features;
	features_accept(net, features);
}

static gboolean
features_are_right(const VirtioNet *net)
{
	guint64 features = net->driver_features;

	return (features & VIRTIO_F_VERSION_1) && !(features & ~net->offered) &&
	       !vn_features_lacking(features);
}

/* FEATURES_OK stays clear where the driver's choice is refused (3.1.1). */
static guint8
status_features(VirtioNet *net, guint8 status)
{
	if (!(status & ~net->status & VIRTIO_STATUS_FEATURES_OK))
		return status;
	if (!features_are_right(net))
		return status & (guint8)~VIRTIO_STATUS_FEATURES_OK;
	features_accept(net, net->driver_features);
	return status;
}

static void
driver_is_ok(VirtioNet *net)
{
	for (guint i = 0; i < vn_transport_n_queues(net); i++) {
		if (net->regs[i].enabled)
			queue_start(net, i);
	}
	vn_transport_set_pairs(net, net->pairs);
	vn_ctrl_run(net);
}

void
vn_transport_set_status(VirtioNet *net, guint8 status)
{
	guint8 old = net->status;

	if (status == 0) {
		vn_transport_reset(net);
		return;
	}
	status = status_features(net, status);
	net->status = status | (old & VIRTIO_STATUS_NEEDS_RESET);
	if (status & ~old & VIRTIO_STATUS_DRIVER_OK)
		driver_is_ok(net);
	else if (old & ~status & VIRTIO_STATUS_DRIVER_OK)
		vn_transport_set_pairs(net, net->pairs);
}
