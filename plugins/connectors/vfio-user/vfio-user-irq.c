/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-irq.c - interrupts, by the client's eventfds.
 *
 * INTx is a level on a line that an eventfd cannot show: signalled once, it counts as masked until
 * the client sends UNMASK, and is then signalled again if it is still high. QEMU sends it at the
 * guest's first access to a register after the interrupt, when the handler has not come to what it is
 * called for: a level that has been high ever since is given a moment to fall, or a chip whose causes
 * are not cleared by the first access (a PCnet) would interrupt its own handler at every access. MSI-X
 * table and masks are the client's own; a vector only has to be signalled.
 */
#include "vfio-user.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A few accesses long. */
#define INTX_HOLD_NS (300 * 1000ull)

typedef struct IrqSet {
	guint32 argsz, flags, index, start, count;
} IrqSet;

void
vu_irqs_init(VuIrqs *irqs, guint n_msix)
{
	g_mutex_init(&irqs->lock);
	irqs->n_msix = n_msix;
	irqs->msix = g_new(int, MAX(n_msix, 1));
	memset(irqs->msix, 0xff, n_msix * sizeof(int));
	irqs->intx = irqs->err = irqs->req = -1;
}

static void
eventfd_set(int *slot, int fd)
{
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

void
vu_irqs_reset(VuIrqs *irqs)
{
	g_mutex_lock(&irqs->lock);
	eventfd_set(&irqs->intx, -1);
	eventfd_set(&irqs->err, -1);
	eventfd_set(&irqs->req, -1);
	for (guint i = 0; i < irqs->n_msix; i++)
		eventfd_set(&irqs->msix[i], -1);
	irqs->masked = irqs->level = irqs->same = irqs->held = FALSE;
	g_mutex_unlock(&irqs->lock);
}

void
vu_irqs_finish(VuIrqs *irqs)
{
	if (!irqs->msix)
		return;
	vu_irqs_reset(irqs);
	g_clear_pointer(&irqs->msix, g_free);
	g_mutex_clear(&irqs->lock);
}

/* A full counter is as good as a signal. */
static void
eventfd_signal(int fd)
{
	const guint64 one = 1;
	ssize_t done = fd >= 0 ? write(fd, &one, sizeof one) : 0;

	(void)done;
}

static void
intx_update(VuIrqs *irqs)
{
	if (!irqs->level || irqs->masked || irqs->held || irqs->intx < 0)
		return;
	irqs->masked = irqs->same = TRUE;
	eventfd_signal(irqs->intx);
}

static void
irq_level(gpointer data, gboolean level)
{
	VuIrqs *irqs = &((VfioUser *)data)->irqs;

	g_mutex_lock(&irqs->lock);
	irqs->level = level;
	if (!level)
		irqs->same = irqs->held = FALSE;
	intx_update(irqs);
	g_mutex_unlock(&irqs->lock);
}

void
vu_irqs_release(JfInstance *inst, gpointer data)
{
	VuIrqs *irqs = &((VfioUser *)inst->priv)->irqs;

	(void)data;
	g_mutex_lock(&irqs->lock);
	irqs->held = FALSE;
	intx_update(irqs);
	g_mutex_unlock(&irqs->lock);
}

static void
irq_vector(gpointer data, guint vector, guint64 address, guint32 value)
{
	VuIrqs *irqs = &((VfioUser *)data)->irqs;

	(void)address;
	(void)value;
	g_mutex_lock(&irqs->lock);
	if (vector < irqs->n_msix)
		eventfd_signal(irqs->msix[vector]);
	g_mutex_unlock(&irqs->lock);
}

/* The guest's file was cut short: the client has to go, but not from here. */
static void
memory_lost(gpointer data)
{
	VfioUser *vu = data;

	__atomic_store_n(&vu->memory_lost, TRUE, __ATOMIC_RELEASE);
	vu->host->post(vu->inst, vu_memory_lost, NULL);
}

const JfDeviceCallbacks vu_callbacks = {
	.struct_size = sizeof(JfDeviceCallbacks),
	.flags = JF_DEVICE_VMM_MSIX,
	.set_irq = irq_level,
	.msix_notify = irq_vector,
	.memory_lost = memory_lost,
};

guint
vu_irq_count(const VfioUser *vu, guint index)
{
	switch (index) {
	case IRQ_INTX:
		return vu->info->interrupt_pin ? 1 : 0;
	case IRQ_MSIX:
		return vu->info->msix_vectors;
	case IRQ_ERR:
	case IRQ_REQ:
		return 1;
	default:
		return 0;
	}
}

/* It must not be able to hold us up: anything else than an eventfd is refused. */
static gboolean
eventfd_is_usable(int fd)
{
	static const char kind[] = "anon_inode:[eventfd]";
	char name[32], target[sizeof kind];
	int flags = fcntl(fd, F_GETFL);

	g_snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return readlink(name, target, sizeof target) == sizeof kind - 1 &&
	       memcmp(target, kind, sizeof kind - 1) == 0 && flags >= 0 &&
	       fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static int *
irq_slots(VuIrqs *irqs, guint index, guint *n)
{
	*n = index == IRQ_MSIX ? irqs->n_msix : 1;
	switch (index) {
	case IRQ_INTX:
		return &irqs->intx;
	case IRQ_MSIX:
		return irqs->msix;
	case IRQ_ERR:
		return &irqs->err;
	case IRQ_REQ:
		return &irqs->req;
	default:
		*n = 0;
		return NULL;
	}
}

/* Sets eventfds `start` and on; a count without descriptors takes them away, and a count of 0 takes
 * all of that index away. */
static guint32
irqs_trigger(VuIrqs *irqs, const IrqSet *set, VuMessage *message)
{
	guint n;
	int *slots = irq_slots(irqs, set->index, &n);

	if (set->count == 0 && set->start == 0) {
		for (guint i = 0; i < n; i++)
			eventfd_set(&slots[i], -1);
		if (set->index == IRQ_INTX)
			irqs->masked = FALSE;
		return 0;
	}
	if (!(set->flags & IRQ_DATA_EVENTFD))
		return ENOTSUP;
	if (message->n_fds != 0 && message->n_fds != set->count)
		return EINVAL;
	for (guint i = 0; i < message->n_fds; i++)
		if (!eventfd_is_usable(message->fds[i]))
			return EBADF;
	for (guint i = 0; i < set->count; i++) {
		eventfd_set(&slots[set->start + i], message->n_fds ? message->fds[i] : -1);
		if (message->n_fds)
			message->fds[i] = -1;
	}
	if (set->index == IRQ_INTX) {
		irqs->masked = irqs->held = FALSE;
		intx_update(irqs);
	}
	return 0;
}

static guint32
irqs_mask(VuIrqs *irqs, const IrqSet *set)
{
	if (set->index != IRQ_INTX || !(set->flags & IRQ_DATA_NONE))
		return ENOTSUP;
	irqs->masked = (set->flags & IRQ_ACTION_MASK) != 0;
	irqs->held = !irqs->masked && irqs->level && irqs->same;
	intx_update(irqs);
	return 0;
}

guint32
vu_irqs_set(VfioUser *vu, VuMessage *message)
{
	VuIrqs *irqs = &vu->irqs;
	gboolean held;
	guint32 result;
	IrqSet set;
	guint n;

	if (message->len < sizeof set)
		return EINVAL;
	memcpy(&set, message->body, sizeof set);
	g_mutex_lock(&irqs->lock);
	irq_slots(irqs, set.index, &n);
	if (set.index >= IRQS || set.start > n || set.count > n - set.start)
		result = EINVAL;
	else if (set.flags & IRQ_ACTION_TRIGGER)
		result = irqs_trigger(irqs, &set, message);
	else if (set.flags & (IRQ_ACTION_MASK | IRQ_ACTION_UNMASK))
		result = irqs_mask(irqs, &set);
	else
		result = EINVAL;
	held = irqs->held;
	g_mutex_unlock(&irqs->lock);
	if (held)
		vu->host->timer_arm(vu->hold,
				    vu->host->now(vu->inst, JF_CLOCK_MONOTONIC) + INTX_HOLD_NS);
	return result;
}
