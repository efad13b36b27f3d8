/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cable.c - the chain from a card's guest side to its attachment: wiring and the line's state. */
#include "cable.h"

#include "context.h"

static JfInstanceFull *
cable_get(const JfCable *cable, guint index)
{
	return g_ptr_array_index(cable->chain, index);
}

/* The port of the `index`th member that faces the network, or the card. */
static JfPort *
cable_get_outer(const JfCable *cable, guint index)
{
	return &cable_get(cable, index)->ports[index ? 1 : 0];
}

static JfPort *
cable_get_inner(const JfCable *cable, guint index)
{
	return &cable_get(cable, index)->ports[0];
}

/* ---- Wiring, with the topology lock written ---- */

static JfLinkMode
link_choose_mode(const JfCable *cable, const JfInstanceFull *from, const JfInstanceFull *to)
{
	if (!from->is_active)
		return JF_LINK_SHUT;
	if (!cable->is_connected || to->is_failed)
		return JF_LINK_DROP;
	return to->is_active ? JF_LINK_OPEN : JF_LINK_SHUT;
}

static void
cable_wire(JfCable *cable, JfPort *from, JfPort *to, JfCardFlow *flow, gboolean is_last)
{
	JfLink *link = &from->out;
	JfInstanceFull *dest = to->out.source;

	link->dest = dest;
	link->dest_port = to->out.port;
	link->mode = link_choose_mode(cable, link->source, dest);
	link->delivers = cable->is_connected && dest->is_active;
	link->flow = flow;
	link->is_last = is_last;
	to->in = link;
	if (!cable->is_connected || dest->is_failed)
		jf_link_discard(link);
}

static void
port_unwire(JfPort *port)
{
	port->out.dest = NULL;
	port->out.mode = JF_LINK_SHUT;
	port->out.delivers = FALSE;
	port->in = NULL;
}

static void
cable_rewire(JfCable *cable)
{
	guint n = cable->chain->len;

	for (guint i = 0; i < n; i++) {
		for (guint port = 0; port < JF_PORTS_MAX; port++)
			port_unwire(&cable_get(cable, i)->ports[port]);
	}
	for (guint i = 0; i + 1 < n; i++) {
		JfPort *outer = cable_get_outer(cable, i);
		JfPort *inner = cable_get_inner(cable, i + 1);

		cable_wire(cable, outer, inner, &cable->tx, i + 2 == n);
		cable_wire(cable, inner, outer, &cable->rx, i == 0);
	}
}

/* ---- On the worker, the only thread that changes the chain or what its members are ---- */

/* Who was refused, or has frames that wait, looks again. */
static void
cable_resume_all(JfCable *cable)
{
	for (guint i = 0; i < cable->chain->len; i++) {
		JfInstanceFull *inst = cable_get(cable, i);

		for (guint port = 0; port < JF_PORTS_MAX; port++) {
			if (inst->ports[port].out.mode != JF_LINK_SHUT)
				jf_signal_raise(&inst->signal,
						(JF_INSTANCE_RESUME | JF_INSTANCE_DRAIN) << port);
		}
	}
}

static gboolean
port_is_up(const JfInstanceFull *inst, const JfPort *port)
{
	return inst->is_active && __atomic_load_n(&port->is_up, __ATOMIC_SEQ_CST);
}

/* The line as the `index`th member sees it, looking towards the network or towards the card. */
static gboolean
cable_look_out(const JfCable *cable, guint index)
{
	gboolean up = cable->is_connected && index + 1 < cable->chain->len;

	for (guint i = index + 1; up && i < cable->chain->len; i++)
		up = port_is_up(cable_get(cable, i), cable_get_inner(cable, i));
	return up;
}

static gboolean
cable_look_in(const JfCable *cable, guint index)
{
	gboolean up = cable->is_connected && index > 0;

	for (guint i = 0; up && i < index; i++)
		up = port_is_up(cable_get(cable, i), cable_get_outer(cable, i));
	return up;
}

static void
cable_tell(JfInstanceFull *inst, JfPort *port, gboolean up)
{
	if (!inst->is_active || port->told == up)
		return;
	port->told = up;
	if (!inst->pub.driver->link)
		return;
	jf_owner_enter(&inst->owner);
	inst->pub.driver->link(&inst->pub, port->out.port, up);
	jf_owner_leave(&inst->owner);
}

void
jf_cable_refresh(JfCable *cable)
{
	guint n = cable->chain->len;
	gboolean up = n && cable_look_out(cable, 0);

	for (guint i = 0; i < n; i++) {
		if (i + 1 < n)
			cable_tell(cable_get(cable, i), cable_get_outer(cable, i),
				   cable_look_out(cable, i));
		if (i > 0)
			cable_tell(cable_get(cable, i), cable_get_inner(cable, i),
				   cable_look_in(cable, i));
	}
	if (__atomic_exchange_n(&cable->shown, up, __ATOMIC_SEQ_CST) != up)
		jf_context_emit_card_changed(cable->context, cable->card, JF_CARD_CHANGED_LINK);
}

static void
cable_notify(JfSignal *signal, guint32 bits)
{
	(void)bits;
	jf_cable_refresh((JfCable *)((char *)signal - offsetof(JfCable, signal)));
}

void
jf_cable_set_active(JfInstanceFull *inst, gboolean active, gboolean failed)
{
	JfRmLock *topology = &inst->context->topology;

	if (inst->is_active == active && inst->is_failed == failed)
		return;
	jf_rmlock_write_lock(topology);
	inst->is_active = active;
	inst->is_failed = failed;
	if (inst->cable)
		cable_rewire(inst->cable);
	jf_rmlock_write_unlock(topology);
	if (!inst->cable)
		return;
	jf_cable_refresh(inst->cable);
	cable_resume_all(inst->cable);
}

/* ---- On the control thread ---- */

typedef struct Change {
	JfCable *cable;
	JfInstanceFull *inst;
	guint index;
	gboolean connected;
} Change;

static void
change_insert(gpointer data)
{
	Change *change = data;
	JfCable *cable = change->cable;

	jf_rmlock_write_lock(&cable->context->topology);
	g_ptr_array_insert(cable->chain, (gint)change->index, change->inst);
	cable_rewire(cable);
	jf_rmlock_write_unlock(&cable->context->topology);
	jf_cable_refresh(cable);
	cable_resume_all(cable);
}

/* First nobody gives it frames any more and it gives none; then what it gave before goes on its
 * way; then it is gone. The line's state is told to nobody until then. */
static void
change_remove(gpointer data)
{
	Change *change = data;
	JfCable *cable = change->cable;
	JfInstanceFull *inst = change->inst;

	jf_rmlock_write_lock(&cable->context->topology);
	inst->is_active = FALSE;
	cable_rewire(cable);
	jf_rmlock_write_unlock(&cable->context->topology);
	for (guint port = 0; port < JF_PORTS_MAX; port++)
		jf_link_drain(&inst->ports[port].out);
	jf_rmlock_write_lock(&cable->context->topology);
	for (guint port = 0; port < JF_PORTS_MAX; port++) {
		jf_link_discard(&inst->ports[port].out);
		port_unwire(&inst->ports[port]);
	}
	g_ptr_array_remove(cable->chain, inst);
	cable_rewire(cable);
	jf_rmlock_write_unlock(&cable->context->topology);
	jf_cable_refresh(cable);
	cable_resume_all(cable);
}

static void
change_connected(gpointer data)
{
	Change *change = data;
	JfCable *cable = change->cable;

	jf_rmlock_write_lock(&cable->context->topology);
	cable->is_connected = change->connected;
	cable_rewire(cable);
	jf_rmlock_write_unlock(&cable->context->topology);
	jf_cable_refresh(cable);
	cable_resume_all(cable);
}

static void
change_discard(gpointer data)
{
	Change *change = data;
	JfCable *cable = change->cable;

	jf_rmlock_write_lock(&cable->context->topology);
	for (guint i = 0; i < cable->chain->len; i++) {
		for (guint port = 0; port < JF_PORTS_MAX; port++)
			jf_link_discard(&cable_get(cable, i)->ports[port].out);
	}
	jf_rmlock_write_unlock(&cable->context->topology);
}

static void
cable_change(JfCable *cable, void (*func)(gpointer data), Change *change)
{
	change->cable = cable;
	jf_worker_call(cable->worker, func, change);
}

void
jf_cable_init(JfCable *cable, JfContext *context, JfWorker *worker, JfCard *card)
{
	*cable = (JfCable){ .context = context,
			    .worker = worker,
			    .card = card,
			    .chain = g_ptr_array_new(),
			    .is_connected = TRUE };
	jf_signal_init(&cable->signal, worker, cable_notify);
}

void
jf_cable_finish(JfCable *cable)
{
	if (!cable->chain)
		return;
	jf_signal_finish(&cable->signal);
	g_clear_pointer(&cable->chain, g_ptr_array_unref);
}

void
jf_cable_insert(JfCable *cable, guint index, JfInstanceFull *inst)
{
	Change change = { .inst = inst, .index = index };

	cable_change(cable, change_insert, &change);
}

void
jf_cable_remove(JfCable *cable, JfInstanceFull *inst)
{
	Change change = { .inst = inst };

	cable_change(cable, change_remove, &change);
}

void
jf_cable_set_connected(JfCable *cable, gboolean connected)
{
	Change change = { .connected = connected };

	cable_change(cable, change_connected, &change);
}

void
jf_cable_discard(JfCable *cable)
{
	Change change = { 0 };

	cable_change(cable, change_discard, &change);
}

void
jf_cable_signal_refresh(JfCable *cable)
{
	jf_signal_raise(&cable->signal, 1);
}

gboolean
jf_cable_get_link(JfCable *cable)
{
	return __atomic_load_n(&cable->shown, __ATOMIC_SEQ_CST);
}

static JfCardFlow
flow_read(const JfCardFlow *flow)
{
	return (JfCardFlow){
		.frames = __atomic_load_n(&flow->frames, __ATOMIC_RELAXED),
		.bytes = __atomic_load_n(&flow->bytes, __ATOMIC_RELAXED),
		.drops = __atomic_load_n(&flow->drops, __ATOMIC_RELAXED),
	};
}

void
jf_cable_get_stats(JfCable *cable, JfCardFlow *tx, JfCardFlow *rx)
{
	*tx = flow_read(&cable->tx);
	*rx = flow_read(&cable->rx);
}
