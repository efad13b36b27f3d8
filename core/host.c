/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.c - the services of jackfield/driver.h, as one constant table for all instances. */
#include <string.h>
#include <time.h>

#include "cable.h"
#include "context.h"
#include "device.h"
#include "instance.h"
#include "log.h"

/* ---- Data path ---- */

static guint
host_output(JfInstance *pub, guint port, const JfFrame *frames, guint n)
{
	JfInstanceFull *inst = jf_instance_full(pub);
	guint taken;

	if (port >= JF_PORTS_MAX)
		return 0;
	jf_rmlock_read_lock(&inst->context->topology);
	taken = jf_link_send(&inst->ports[port].out, frames, n);
	jf_rmlock_read_unlock(&inst->context->topology);
	return taken;
}

/* The driver may hold the lock of its receive side, for which somebody within input may be waiting:
 * so the topology lock is left for later. */
static void
host_resume(JfInstance *pub, guint port)
{
	if (port < JF_PORTS_MAX)
		jf_signal_raise(&jf_instance_full(pub)->signal, JF_INSTANCE_ROOM << port);
}

static void
host_set_link(JfInstance *pub, guint port, gboolean up)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	if (port >= JF_PORTS_MAX)
		return;
	if (__atomic_exchange_n(&inst->ports[port].is_up, up != 0, __ATOMIC_SEQ_CST) != (up != 0) &&
	    inst->cable)
		jf_cable_signal_refresh(inst->cable);
}

static void
host_set_offloads(JfInstance *pub, guint port, guint32 offloads)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	if (port >= JF_PORTS_MAX)
		return;
	offloads &= JF_DRIVER_GET_OFFLOADS(pub->driver->flags);
	__atomic_store_n(&inst->ports[port].offloads, offloads, __ATOMIC_RELAXED);
}

/* A name that breaks the rule gives a counter like another: it is of no harm. */
static guint64 *
host_counter(JfInstance *pub, const char *name)
{
	return jf_instance_get_counter(jf_instance_full(pub), name);
}

/* ---- Control ---- */

static void
host_fail(JfInstance *pub, const GError *error)
{
	JfInstanceFull *inst = jf_instance_full(pub);
	GError *copy = error ? g_error_copy(error)
			     : g_error_new(JF_ERROR, JF_ERROR_PLUGIN,
					   "%s failed and gave no reason", pub->name);

	pthread_mutex_lock(&inst->lock);
	if (!inst->failure)
		inst->failure = g_steal_pointer(&copy);
	pthread_mutex_unlock(&inst->lock);
	g_clear_error(&copy);
	jf_signal_raise(&inst->signal, JF_INSTANCE_FAIL);
}

static void
host_log(JfInstance *pub, GLogLevelFlags level, const char *message)
{
	jf_context_log(jf_instance_full(pub)->context, level, pub->name, message);
}

static const JfValue *
host_property(JfInstance *pub, const char *name)
{
	return jf_property_set_get(jf_instance_full(pub)->properties, name);
}

static guint64
host_now(JfInstance *pub, guint clock)
{
	struct timespec now;

	(void)pub;
	clock_gettime(clock == JF_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
	return (guint64)now.tv_sec * G_GUINT64_CONSTANT(1000000000) + (guint64)now.tv_nsec;
}

static JfTimer *
host_timer_add(JfInstance *pub, JfTimerFunc func, gpointer data)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	return jf_worker_add_timer(inst->worker, &inst->owner, func, data);
}

static JfWatch *
host_watch_add(JfInstance *pub, int fd, guint32 events, JfWatchFunc func, gpointer data)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	return jf_worker_add_watch(inst->worker, &inst->owner, fd, events, func, data);
}

static JfPoller *
host_poller_add(JfInstance *pub, JfPollFunc func, gpointer data)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	return jf_worker_add_poller(inst->worker, &inst->owner, func, data);
}

static void
host_post(JfInstance *pub, JfPostFunc func, gpointer data)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	jf_worker_post(inst->worker, &inst->owner, func, data);
}

static void
host_set_poll_budget(JfInstance *pub, guint64 ns)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	jf_worker_ask_poll_budget(inst->worker, &inst->owner, ns);
}

static guint64
host_get_poll_budget(JfInstance *pub)
{
	return jf_worker_get_poll_budget(jf_instance_full(pub)->worker);
}

static gconstpointer
host_query(JfInstance *pub, const char *iid)
{
	JfInstanceFull *inst = jf_instance_full(pub);

	if (strcmp(iid, JF_CARD_IID) == 0)
		return inst->card ? &inst->info : NULL;
	if (strcmp(iid, JF_SERVICE_IID) == 0)
		return jf_service_get_info(pub);
	if (strcmp(iid, JF_SWITCH_IID) == 0)
		return inst->context->uplinks ? jf_uplink_get_interface()
					      : jf_switch_get_interface();
	if (strcmp(iid, JF_PCI_HOST_IID) == 0)
		return pub->driver->kind == JF_KIND_MODEL && inst->card ? jf_device_get_pci_host()
									: NULL;
	if (strcmp(iid, JF_DEVICE_IID) == 0)
		return jf_instance_get_device(pub) ? jf_device_get_interface() : NULL;
	return NULL;
}

static const JfHost host = {
	.struct_size = sizeof(JfHost),
	.abi_minor = JF_ABI_MINOR,
	.output = host_output,
	.resume = host_resume,
	.set_link = host_set_link,
	.set_offloads = host_set_offloads,
	.counter = host_counter,
	.fail = host_fail,
	.log = host_log,
	.property = host_property,
	.now = host_now,
	.timer_add = host_timer_add,
	.timer_arm = jf_timer_arm,
	.timer_remove = jf_timer_remove,
	.watch_add = host_watch_add,
	.watch_modify = jf_watch_modify,
	.watch_remove = jf_watch_remove,
	.poller_add = host_poller_add,
	.poller_remove = jf_poller_remove,
	.post = host_post,
	.query = host_query,
	.set_poll_budget = host_set_poll_budget,
	.get_poll_budget = host_get_poll_budget,
};

const JfHost *
jf_host_get(void)
{
	return &host;
}
