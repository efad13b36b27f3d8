/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-irq.c - causes, masks and the timers that hold interrupts back.
 *
 * INTA is high while a cause in ICR is enabled in IMS. It does not rise again within ITR of the last
 * time (units of 256 ns, SDM 13.4.18), nor inside the write that enables a cause: a guest that
 * does so at the end of its handler would be interrupted before it has left (Windows: for ever).
 *
 * Causes of received frames and of transmit descriptors with IDE wait for two timers each, one that
 * every event restarts and one that none does (RDTR and RADV, TIDV and TADV, units of 1.024 us). All
 * share one timer of the host's, and there are no deadlines while nothing waits.
 *
 * Timers belong to the worker, but frames come on any thread: those only note what falls due and,
 * where that is earlier than what the timer is set to, ask the worker to set it.
 */
#include "e1000.h"

#define ITR_NS 256u
#define DELAY_NS 1024u
#define IMS_HOLD_NS 100u

static guint64
due_first(const E1000 *e)
{
	guint64 first = 0;

	for (guint i = 0; i < E1000_DUES; i++)
		if (e->due[i] && (first == 0 || e->due[i] < first))
			first = e->due[i];
	return first;
}

void
e1000_timer_sync(E1000 *e)
{
	guint64 first = due_first(e);

	if (first == e->armed)
		return;
	e->armed = first;
	e->host->timer_arm(e->timer, first);
}

static void
timer_posted(JfInstance *inst, gpointer data)
{
	E1000 *e = inst->priv;

	(void)data;
	e1000_enter(e);
	e->timer_posted = FALSE;
	e1000_timer_sync(e);
	e1000_leave(e);
}

/* A timer that is set to an earlier time is left alone: when it fires, it is set to this one. */
void
e1000_due_set(E1000 *e, E1000Due which, guint64 when)
{
	e->due[which] = when;
	if (when == 0 || (e->armed && e->armed <= when) || e->timer_posted)
		return;
	if (e->on_worker) {
		e1000_timer_sync(e);
		return;
	}
	e->timer_posted = TRUE;
	e->host->post(e->inst, timer_posted, NULL);
}

/* ---- The line ---- */

static void
set_line(E1000 *e, gboolean level)
{
	if (e->line == level)
		return;
	e->line = level;
	if (level)
		jf_count(e->interrupts, 1);
	e->pci->set_irq(e->inst, level);
}

void
e1000_irq_update(E1000 *e)
{
	guint32 itr = e1000_get(e, E1000_ITR);
	guint64 now;

	if ((e1000_get(e, E1000_ICR) & e1000_get(e, E1000_IMS)) == 0) {
		e->due[E1000_DUE_IRQ] = 0;
		set_line(e, FALSE);
		return;
	}
	if (e->line)
		return;
	now = itr || e->irq_next ? e1000_now(e) : 0;
	if (now < e->irq_next) {
		e1000_due_set(e, E1000_DUE_IRQ, e->irq_next);
		return;
	}
	e->due[E1000_DUE_IRQ] = 0;
	e->irq_next = itr ? now + (guint64)itr * ITR_NS : 0;
	set_line(e, TRUE);
}

void
e1000_raise(E1000 *e, guint32 causes)
{
	e1000_put(e, E1000_ICR, e1000_get(e, E1000_ICR) | causes);
	e1000_irq_update(e);
}

/* ---- Delays ---- */

static guint64
delay_ns(const E1000 *e, guint32 offset)
{
	return (guint64)(e1000_get(e, offset) & TIMER_DELAY) * DELAY_NS;
}

static void
rx_expired(E1000 *e)
{
	e->rx_absolute = e->due[E1000_DUE_RX] = 0;
	e1000_raise(e, ICR_RXT0);
}

static void
tx_expired(E1000 *e)
{
	e->tx_absolute = e->due[E1000_DUE_TX] = 0;
	e1000_raise(e, ICR_TXDW);
}

/* Restarts the one timer, starts the other unless it runs; when the first of them expires. */
static guint64
delay_start(E1000 *e, guint32 packet, guint32 absolute, guint64 *runs)
{
	guint64 now = e1000_now(e), end = now + delay_ns(e, packet);

	if (*runs == 0 && delay_ns(e, absolute))
		*runs = now + delay_ns(e, absolute);
	return *runs ? MIN(end, *runs) : end;
}

void
e1000_rx_interrupt(E1000 *e)
{
	if (delay_ns(e, E1000_RDTR) == 0)
		rx_expired(e);
	else
		e1000_due_set(e, E1000_DUE_RX,
			      delay_start(e, E1000_RDTR, E1000_RADV, &e->rx_absolute));
}

void
e1000_tx_interrupt(E1000 *e)
{
	if (delay_ns(e, E1000_TIDV) == 0)
		tx_expired(e);
	else
		e1000_due_set(e, E1000_DUE_TX,
			      delay_start(e, E1000_TIDV, E1000_TADV, &e->tx_absolute));
}

void
e1000_timer_fired(JfInstance *inst, gpointer data)
{
	E1000 *e = inst->priv;
	guint64 now = e1000_now(e);

	(void)data;
	e1000_enter(e);
	e->armed = 0;
	if (e->due[E1000_DUE_LINK] && e->due[E1000_DUE_LINK] <= now) {
		e->due[E1000_DUE_LINK] = 0;
		e1000_phy_link_up(e);
	}
	if (e->due[E1000_DUE_RX] && e->due[E1000_DUE_RX] <= now)
		rx_expired(e);
	if (e->due[E1000_DUE_TX] && e->due[E1000_DUE_TX] <= now)
		tx_expired(e);
	if (e->due[E1000_DUE_IRQ] && e->due[E1000_DUE_IRQ] <= now)
		e1000_irq_update(e);
	e1000_timer_sync(e);
	e1000_leave(e);
}

/* ---- Registers ---- */

/* Reading clears, whatever IMS says (QNX reads with everything masked, in a loop). */
guint32
e1000_icr_read(E1000 *e, guint32 offset)
{
	guint32 value = e1000_get(e, offset);

	e1000_put(e, offset, 0);
	e1000_irq_update(e);
	return value;
}

void
e1000_icr_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, e1000_get(e, offset) & ~value);
	e1000_irq_update(e);
}

void
e1000_ics_write(E1000 *e, guint32 offset, guint32 value)
{
	(void)offset;
	e1000_raise(e, value & ICR_CAUSES);
}

void
e1000_ims_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, e1000_get(e, offset) | (value & ICR_CAUSES));
	if (!e->line && (e1000_get(e, E1000_ICR) & e1000_get(e, E1000_IMS)))
		e->irq_next = MAX(e->irq_next, e1000_now(e) + IMS_HOLD_NS);
	e1000_irq_update(e);
}

void
e1000_imc_write(E1000 *e, guint32 offset, guint32 value)
{
	(void)offset;
	e1000_put(e, E1000_IMS, e1000_get(e, E1000_IMS) & ~value);
	e1000_irq_update(e);
}

/* Write-only. */
guint32
e1000_imc_read(E1000 *e, guint32 offset)
{
	(void)e;
	(void)offset;
	return 0;
}

/* FPD: the delay ends now, if it runs. SDM 13.4.30. */
void
e1000_rdtr_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, value & TIMER_DELAY);
	if ((value & TIMER_FPD) && e->due[E1000_DUE_RX])
		rx_expired(e);
}

void
e1000_tidv_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, value & TIMER_DELAY);
	if ((value & TIMER_FPD) && e->due[E1000_DUE_TX])
		tx_expired(e);
}
