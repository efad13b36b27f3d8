/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* context.c - what all cards of a program share: plugins, networks, the topology lock. */
#include "context.h"

#include <string.h>

static void
context_networks_changed(gpointer data)
{
	JfContext *context = data;

	if (context->events.networks_changed)
		context->events.networks_changed(context->data);
}

JfContext *
jf_context_new(const JfContextEvents *events, gpointer data)
{
	JfContext *context = g_new0(JfContext, 1);

	if (events)
		memcpy(&context->events, events, MIN(events->struct_size, sizeof *events));
	context->data = data;
	context->registry = jf_registry_new();
	context->networks = jf_networks_new(context_networks_changed, context);
	jf_rmlock_init(&context->topology, jf_networks_get_domain(context->networks));
	return context;
}

void
jf_context_free(JfContext *context)
{
	if (!context)
		return;
	jf_rmlock_finish(&context->topology);
	jf_uplinks_free(context->uplinks);
	jf_networks_free(context->networks);
	jf_registry_free(context->registry);
	g_free(context);
}

void
jf_context_emit_card_changed(JfContext *context, JfCard *card, guint32 what)
{
	if (context->events.card_changed)
		context->events.card_changed(card, what, context->data);
}

void
jf_context_emit_service_changed(JfContext *context, JfService *service)
{
	if (context->events.service_changed)
		context->events.service_changed(service, context->data);
}

gboolean
jf_context_use_daemon(JfContext *context, const char *runtime_dir, GError **error)
{
	g_autofree char *own = runtime_dir ? NULL : jf_dup_runtime_dir();

	if (context->uplinks) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "the context has a daemon already");
		return FALSE;
	}
	context->uplinks = jf_uplinks_new(runtime_dir ? runtime_dir : own, error);
	return context->uplinks != NULL;
}

/* ---- Plugins ---- */

void
jf_context_load_plugins(JfContext *context)
{
	jf_registry_load_search_path(context->registry);
}

gboolean
jf_context_load_plugin(JfContext *context, const char *path, GError **error)
{
	return jf_registry_load_path(context->registry, path, error);
}

gboolean
jf_context_add_driver(JfContext *context, const JfDriver *driver, GError **error)
{
	return jf_registry_add_driver(context->registry, driver, error);
}

const JfPluginProblem *
jf_context_list_problems(JfContext *context, guint *n)
{
	return jf_registry_list_problems(context->registry, n);
}

const JfDriverInfo *
jf_context_list_drivers(JfContext *context, guint *n)
{
	return jf_registry_list(context->registry, n);
}

const JfDriver *
jf_context_find_driver(JfContext *context, guint32 kind, const char *id, GError **error)
{
	return jf_registry_find(context->registry, kind, id, error);
}

void
jf_context_list_networks(JfContext *context, JfNetworkFunc func, gpointer data)
{
	jf_networks_list(context->networks, func, data);
}
