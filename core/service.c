/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* service.c - a driver that belongs to no card: it answers on the network that it joins. */
#include <string.h>

#include "context.h"
#include "instance.h"

struct JfService {
	char *name, *config_dir, *runtime_dir;
	JfServiceInfo info;
	JfInstanceFull *inst;
	gboolean is_running;
	GError *error; /* what jf_service_get_error gave out */
};

static gboolean
config_check(const JfServiceConfig *config, GError **error)
{
	const char *wrong = NULL;

	if (!config->name || !config->name[0])
		wrong = "a service needs a name";
	else if (!config->driver)
		wrong = "a service needs a driver";
	else if (!config->worker)
		wrong = "a service needs a worker";
	if (wrong)
		g_set_error_literal(error, JF_ERROR, JF_ERROR_VALUE, wrong);
	return !wrong;
}

static gboolean
service_make(JfService *service, JfContext *context, const JfServiceConfig *config, GError **error)
{
	const JfDriver *driver =
		jf_context_find_driver(context, JF_KIND_SERVICE, config->driver, error);
	JfInstanceConfig instance = { .context = context, .worker = config->worker };
	g_autofree char *name = NULL;

	if (!driver)
		return FALSE;
	name = g_strdup_printf("%s/%s", config->name, driver->id);
	instance.driver = driver;
	instance.name = name;
	instance.service = service;
	instance.properties = jf_property_set_new(driver, config->properties, error);
	if (!instance.properties)
		return FALSE;
	service->inst = jf_instance_new(&instance, error);
	return service->inst != NULL;
}

JfService *
jf_service_new(JfContext *context, const JfServiceConfig *config, GError **error)
{
	JfServiceConfig own = { 0 };
	JfService *service;

	memcpy(&own, config, MIN(config->struct_size, sizeof own));
	if (!config_check(&own, error))
		return NULL;
	service = g_new0(JfService, 1);
	service->name = g_strdup(own.name);
	service->config_dir = g_strdup(own.config_dir);
	service->runtime_dir = g_strdup(own.runtime_dir);
	service->info = (JfServiceInfo){ .struct_size = sizeof(JfServiceInfo),
					 .name = service->name,
					 .config_dir = service->config_dir,
					 .runtime_dir = service->runtime_dir };
	if (service_make(service, context, &own, error))
		return service;
	jf_service_free(service);
	return NULL;
}

void
jf_service_free(JfService *service)
{
	if (!service)
		return;
	jf_instance_free(service->inst);
	g_clear_error(&service->error);
	g_free(service->name);
	g_free(service->config_dir);
	g_free(service->runtime_dir);
	g_free(service);
}

gboolean
jf_service_start(JfService *service, GError **error)
{
	if (service->is_running) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "%s is running already",
			    service->inst->pub.name);
		return FALSE;
	}
	service->is_running = jf_instance_start(service->inst, error);
	return service->is_running;
}

void
jf_service_stop(JfService *service)
{
	if (!service->is_running)
		return;
	jf_instance_stop(service->inst);
	g_clear_error(&service->error);
	service->is_running = FALSE;
}

const GError *
jf_service_get_error(JfService *service)
{
	g_clear_error(&service->error);
	service->error = jf_instance_dup_error(service->inst);
	return service->error;
}

gboolean
jf_service_set_property(JfService *service, const char *key, const char *value, GError **error)
{
	return jf_instance_set_property(service->inst, key, value, error);
}

gboolean
jf_service_add_forward(JfService *service, const JfForwardRule *rule, GError **error)
{
	return jf_instance_add_forward(service->inst, rule, error);
}

gboolean
jf_service_remove_forward(JfService *service, const char *name, GError **error)
{
	return jf_instance_remove_forward(service->inst, name, error);
}

void
jf_service_list_counters(JfService *service, JfCounterFunc func, gpointer data)
{
	jf_instance_list_counters(service->inst, func, data);
}

const JfServiceInfo *
jf_service_get_info(JfInstance *inst)
{
	const JfService *service = jf_instance_full(inst)->service;

	return service ? &service->info : NULL;
}
