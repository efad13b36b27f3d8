/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* instance.c - a driver at work: its life from init to finish, its failure, its counters. */
#include "instance.h"

#include <string.h>

#include "cable.h"
#include "context.h"
#include "property.h"

typedef struct Counter {
	char *name;
	guint64 value; /* atomic */
} Counter;

/* What a control function wants done on the worker. */
typedef struct Request {
	JfInstanceFull *inst;
	const char *key, *value;
	const GError *failure;
	gboolean ok;
	GError *error;
} Request;

/* ---- On the worker: init and finish ---- */

/* An error that a driver forgot is still one for the caller. */
static gboolean
instance_check(JfInstanceFull *inst, const char *what, gboolean ok, GError **error)
{
	if (ok)
		g_clear_error(error);
	else if (!*error)
		g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN, "%s: %s failed and gave no reason",
			    inst->pub.name, what);
	return ok;
}

static void
instance_finish(JfInstanceFull *inst)
{
	jf_owner_enter(&inst->owner);
	inst->pub.driver->finish(&inst->pub);
	jf_owner_leave(&inst->owner);
	jf_uplinks_leave_all(inst->context->uplinks, &inst->pub);
	jf_worker_forget(inst->worker, &inst->owner);
	jf_networks_leave_all(inst->context->networks, &inst->pub);
	inst->is_ready = FALSE;
}

static gboolean
instance_init(JfInstanceFull *inst, GError **error)
{
	memset(inst->pub.priv, 0, inst->pub.driver->priv_size);
	for (guint i = 0; i < JF_PORTS_MAX; i++) {
		inst->ports[i].offloads = JF_DRIVER_GET_OFFLOADS(inst->pub.driver->flags);
		inst->ports[i].is_up = TRUE;
	}
	jf_owner_enter(&inst->owner);
	inst->is_ready = inst->pub.driver->init(&inst->pub, error);
	jf_owner_leave(&inst->owner);
	if (!instance_check(inst, "init", inst->is_ready, error))
		instance_finish(inst);
	return inst->is_ready;
}

static void
request_init(gpointer data)
{
	Request *request = data;

	request->ok = instance_init(request->inst, &request->error);
}

static void
request_finish(gpointer data)
{
	Request *request = data;
	JfInstanceFull *inst = request->inst;

	if (inst->is_ready)
		instance_finish(inst);
	jf_signal_finish(&inst->signal);
}

/* ---- On the worker: start, stop, failure ---- */

static GError *
instance_take_failure(JfInstanceFull *inst)
{
	GError *failure;

	pthread_mutex_lock(&inst->lock);
	failure = g_steal_pointer(&inst->failure);
	pthread_mutex_unlock(&inst->lock);
	return failure;
}

/* Takes `error`; NULL clears. */
static void
instance_show_error(JfInstanceFull *inst, GError *error)
{
	pthread_mutex_lock(&inst->lock);
	g_clear_error(&inst->error);
	inst->error = error;
	pthread_mutex_unlock(&inst->lock);
}

static void
instance_deactivate(JfInstanceFull *inst, gboolean failed)
{
	jf_cable_set_active(inst, FALSE, failed);
	if (!inst->is_started)
		return;
	inst->is_started = FALSE;
	if (inst->pub.driver->stop) {
		jf_owner_enter(&inst->owner);
		inst->pub.driver->stop(&inst->pub);
		jf_owner_leave(&inst->owner);
	}
	jf_worker_clear_poll_budget(inst->worker, &inst->owner);
}

static gboolean
instance_call_start(JfInstanceFull *inst, GError **error)
{
	gboolean ok;

	if (!inst->pub.driver->start)
		return TRUE;
	jf_owner_enter(&inst->owner);
	ok = inst->pub.driver->start(&inst->pub, error);
	jf_owner_leave(&inst->owner);
	if (!ok)
		jf_worker_clear_poll_budget(inst->worker, &inst->owner);
	return instance_check(inst, "start", ok, error);
}

/* A driver may also have called fail() by now, in init or in start. */
static void
request_start(gpointer data)
{
	Request *request = data;
	JfInstanceFull *inst = request->inst;
	g_autoptr(GError) failure = NULL;

	if (!inst->is_ready) {
		g_set_error(&request->error, JF_ERROR, JF_ERROR_STATE,
			    "%s could not be initialised again", inst->pub.name);
		return;
	}
	request->error = instance_take_failure(inst);
	if (request->error)
		return;
	for (guint i = 0; i < JF_PORTS_MAX; i++) {
		__atomic_store_n(&inst->ports[i].is_up, TRUE, __ATOMIC_SEQ_CST);
		inst->ports[i].told = -1;
	}
	inst->is_started = instance_call_start(inst, &request->error);
	failure = instance_take_failure(inst);
	if (!inst->is_started)
		return;
	request->ok = !failure;
	request->error = g_steal_pointer(&failure);
	if (request->ok)
		jf_cable_set_active(inst, TRUE, FALSE);
	else
		instance_deactivate(inst, FALSE);
}

static void
request_stop(gpointer data)
{
	Request *request = data;
	JfInstanceFull *inst = request->inst;
	g_autoptr(GError) failure = NULL;

	instance_deactivate(inst, FALSE);
	failure = instance_take_failure(inst);
	instance_show_error(inst, NULL);
}

static void
instance_fail(JfInstanceFull *inst, GError *failure)
{
	instance_show_error(inst, failure);
	instance_deactivate(inst, TRUE);
	if (inst->card)
		jf_context_emit_card_changed(inst->context, inst->card, JF_CARD_CHANGED_FAILED);
	if (inst->service)
		jf_context_emit_service_changed(inst->context, inst->service);
}

static void
request_fail(gpointer data)
{
	Request *request = data;

	instance_fail(request->inst, g_error_copy(request->failure));
}

static void
instance_resume(JfInstanceFull *inst, guint port)
{
	if (!inst->is_active || !inst->pub.driver->resume)
		return;
	jf_owner_enter(&inst->owner);
	inst->pub.driver->resume(&inst->pub, port);
	jf_owner_leave(&inst->owner);
}

static void
instance_room(JfInstanceFull *inst, guint port)
{
	jf_rmlock_read_lock(&inst->context->topology);
	if (inst->ports[port].in)
		jf_link_room(inst->ports[port].in);
	jf_rmlock_read_unlock(&inst->context->topology);
}

static void
instance_notify(JfSignal *signal, guint32 bits)
{
	JfInstanceFull *inst =
		(JfInstanceFull *)((char *)signal - offsetof(JfInstanceFull, signal));

	if ((bits & JF_INSTANCE_FAIL) && inst->is_started) {
		GError *failure = instance_take_failure(inst);

		if (failure)
			instance_fail(inst, failure);
	}
	for (guint i = 0; i < JF_PORTS_MAX; i++) {
		if (bits & JF_INSTANCE_DRAIN << i)
			jf_link_drain(&inst->ports[i].out);
		if (bits & JF_INSTANCE_ROOM << i)
			instance_room(inst, i);
		if (bits & JF_INSTANCE_RESUME << i)
			instance_resume(inst, i);
	}
}

/* ---- On the worker: properties ---- */

static gboolean
instance_change_live(JfInstanceFull *inst, const char *key, const char *value, GError **error)
{
	g_autofree char *old = g_strdup(jf_property_set_get(inst->properties, key)->text);
	gboolean ok;

	if (!jf_property_set_change(inst->properties, key, value, error))
		return FALSE;
	jf_owner_enter(&inst->owner);
	ok = !inst->pub.driver->changed || inst->pub.driver->changed(&inst->pub, key, error);
	jf_owner_leave(&inst->owner);
	if (!instance_check(inst, "changed", ok, error))
		jf_property_set_change(inst->properties, key, old, NULL);
	return ok;
}

/* With the old value again where the driver refuses the new one; should it refuse that too, the
 * instance cannot start any more. */
static gboolean
instance_change_stopped(JfInstanceFull *inst, const char *key, const char *value, GError **error)
{
	g_autofree char *old = g_strdup(jf_property_set_get(inst->properties, key)->text);
	g_autoptr(GError) again = NULL;

	if (!jf_property_set_change(inst->properties, key, value, error))
		return FALSE;
	if (inst->is_ready)
		instance_finish(inst);
	if (instance_init(inst, error))
		return TRUE;
	jf_property_set_change(inst->properties, key, old, NULL);
	instance_init(inst, &again);
	return FALSE;
}

static void
request_set_property(gpointer data)
{
	Request *request = data;
	JfInstanceFull *inst = request->inst;
	const JfPropSpec *spec =
		jf_driver_find_prop(inst->pub.driver, request->key, NULL, &request->error);

	if (!spec)
		return;
	if (!inst->is_started)
		request->ok =
			instance_change_stopped(inst, spec->name, request->value, &request->error);
	else if (spec->flags & JF_PROP_LIVE)
		request->ok =
			instance_change_live(inst, spec->name, request->value, &request->error);
	else
		g_set_error(&request->error, JF_ERROR, JF_ERROR_STATE,
			    "property '%s' of %s cannot change while it runs", spec->name,
			    inst->pub.driver->id);
}

/* ---- On the control thread ---- */

static gboolean
instance_request(JfInstanceFull *inst, void (*func)(gpointer data), Request *request,
		 GError **error)
{
	request->inst = inst;
	jf_worker_call(inst->worker, func, request);
	if (request->error)
		g_propagate_error(error, request->error);
	return request->ok;
}

static void
counter_free(gpointer data)
{
	Counter *counter = data;

	g_free(counter->name);
	g_free(counter);
}

static void
instance_release(JfInstanceFull *inst)
{
	for (guint i = 0; i < JF_PORTS_MAX; i++)
		jf_link_finish(&inst->ports[i].out);
	pthread_mutex_destroy(&inst->lock);
	g_clear_error(&inst->failure);
	g_clear_error(&inst->error);
	g_slist_free_full(inst->counters, counter_free);
	jf_property_set_free(inst->properties);
	g_free(inst->pub.priv);
	g_free((char *)inst->pub.name);
	g_free(inst);
}

static JfInstanceFull *
instance_alloc(const JfInstanceConfig *config)
{
	JfInstanceFull *inst = g_new0(JfInstanceFull, 1);

	inst->pub = (JfInstance){
		.struct_size = sizeof(JfInstance),
		.host = jf_host_get(),
		.driver = config->driver,
		.priv = g_malloc0(MAX(config->driver->priv_size, 1)),
		.name = g_strdup(config->name),
	};
	inst->context = config->context;
	inst->worker = config->worker;
	inst->card = config->card;
	inst->service = config->service;
	inst->cable = config->cable;
	inst->info = config->info;
	inst->properties = config->properties;
	inst->is_parallel = (config->driver->flags & JF_DRIVER_PARALLEL_INPUT) != 0;
	inst->owner.inst = &inst->pub;
	jf_signal_init(&inst->signal, inst->worker, instance_notify);
	pthread_mutex_init(&inst->lock, NULL);
	for (guint i = 0; i < JF_PORTS_MAX; i++)
		jf_link_init(&inst->ports[i].out, inst, i);
	return inst;
}

JfInstanceFull *
jf_instance_new(const JfInstanceConfig *config, GError **error)
{
	JfInstanceFull *inst = instance_alloc(config);
	Request request = { 0 };

	if (instance_request(inst, request_init, &request, error))
		return inst;
	jf_instance_free(inst);
	return NULL;
}

void
jf_instance_free(JfInstanceFull *inst)
{
	Request request = { 0 };

	if (!inst)
		return;
	jf_instance_stop(inst);
	instance_request(inst, request_finish, &request, NULL);
	instance_release(inst);
}

gboolean
jf_instance_start(JfInstanceFull *inst, GError **error)
{
	Request request = { 0 };

	return instance_request(inst, request_start, &request, error);
}

void
jf_instance_stop(JfInstanceFull *inst)
{
	Request request = { 0 };

	instance_request(inst, request_stop, &request, NULL);
}

void
jf_instance_set_failed(JfInstanceFull *inst, const GError *error)
{
	Request request = { .failure = error };

	instance_request(inst, request_fail, &request, NULL);
}

gboolean
jf_instance_set_property(JfInstanceFull *inst, const char *key, const char *value, GError **error)
{
	Request request = { .key = key, .value = value };

	return instance_request(inst, request_set_property, &request, error);
}

typedef struct Visit {
	JfInstanceFull *inst;
	void (*func)(JfInstance *inst, gpointer data);
	gpointer data;
} Visit;

static void
instance_visit(gpointer data)
{
	Visit *visit = data;
	JfOwner *owner = &visit->inst->owner;
	gboolean was_in_callback = owner->in_callback;

	owner->in_callback = TRUE;
	visit->func(&visit->inst->pub, visit->data);
	owner->in_callback = was_in_callback;
}

void
jf_instance_call(JfInstanceFull *inst, void (*func)(JfInstance *inst, gpointer data), gpointer data)
{
	Visit visit = { .inst = inst, .func = func, .data = data };

	jf_worker_call(inst->worker, instance_visit, &visit);
}

GError *
jf_instance_dup_error(JfInstanceFull *inst)
{
	GError *error;

	pthread_mutex_lock(&inst->lock);
	error = inst->error ? g_error_copy(inst->error) : NULL;
	pthread_mutex_unlock(&inst->lock);
	return error;
}

guint64 *
jf_instance_get_counter(JfInstanceFull *inst, const char *name)
{
	Counter *counter;

	for (GSList *l = inst->counters; l; l = l->next) {
		counter = l->data;
		if (strcmp(counter->name, name) == 0)
			return &counter->value;
	}
	counter = g_new0(Counter, 1);
	counter->name = g_strdup(name);
	inst->counters = g_slist_append(inst->counters, counter);
	return &counter->value;
}

void
jf_instance_list_counters(JfInstanceFull *inst, JfCounterFunc func, gpointer data)
{
	for (GSList *l = inst->counters; l; l = l->next) {
		Counter *counter = l->data;

		func(inst->pub.driver->id, counter->name,
		     __atomic_load_n(&counter->value, __ATOMIC_RELAXED), data);
	}
}

JfNetworks *
jf_instance_get_networks(JfInstance *inst)
{
	return jf_instance_full(inst)->context->networks;
}
