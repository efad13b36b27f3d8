/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-plan.c - what a card's settings mean in drivers and properties. */
#include "card-plan.h"

#include <string.h>
#include <sys/un.h>

#include "attachment.h"
#include "card-check.h"

static guint32
plan_promiscuous(const char *value)
{
	if (strcmp(value, "allow-all") == 0)
		return JF_PROMISC_ALLOW_ALL;
	return strcmp(value, "allow-vms") == 0 ? JF_PROMISC_ALLOW_VMS : JF_PROMISC_DENY;
}

char *
card_plan_dup_trace_file(const CardConfig *config, const CardPlace *place)
{
	const char *file = card_config_get(config, "nic-trace-file");
	g_autofree char *name = NULL;

	if (*file)
		return g_strdup(file);
	name = g_strdup_printf("%s-%u.pcapng", place->short_id, place->slot + 1);
	return g_build_filename(place->config_dir, "traces", name, NULL);
}

static void
plan_trace(CardPlan *plan, const CardConfig *config, const CardPlace *place)
{
	if (!card_config_get_bool(config, "nic-trace"))
		return;
	plan->trace_file = card_plan_dup_trace_file(config, place);
	if (!*card_config_get(config, "nic-trace-file"))
		plan->trace_dir = g_path_get_dirname(plan->trace_file);
}

static gboolean
plan_attachment(CardPlan *plan, const CardConfig *config, const ConfigEnv *env, GError **error)
{
	const char *id = attachment_get_driver(config);

	if (!id) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "nic is generic, but nic-generic-drv does not name a driver");
		return FALSE;
	}
	if (!jf_context_find_driver(env->context, JF_KIND_ATTACHMENT, id, error))
		return FALSE;
	plan->attachment = g_strdup(id);
	plan->attachment_properties = attachment_list_properties(config);
	return TRUE;
}

static const JfPropSpec *
driver_find_path(const JfDriver *driver)
{
	const JfPropSpec *spec;
	guint i;

	for (i = 0; (spec = jf_driver_get_prop(driver, i)); i++)
		if (strcmp(spec->name, "path") == 0 && spec->type == JF_PROP_PATH)
			return spec;
	return NULL;
}

static gboolean
plan_check_address(const char *address, GError **error)
{
	const gsize max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (strlen(address) <= max)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "Socket name %s is longer than %u bytes: use a shorter runtime directory",
		    address, (guint)max);
	return FALSE;
}

/* "auto" is for whoever starts the VMM to choose; nobody did, so it is what every QEMU has. */
static const char *
get_connector(const CardConfig *config, const CardPlace *place)
{
	const char *id = place->connector ? place->connector : card_config_get(config, "connector");

	return strcmp(id, "auto") == 0 ? "stream" : id;
}

/* A connector with a property "path" gets a socket in the runtime directory unless it was given
 * one. */
static char *
connector_dup_address(const JfDriver *driver, const CardConfig *config, const CardPlace *place)
{
	g_autofree char *entry = g_strdup_printf("connector-property/%s/path", driver->id);

	if (*card_config_get(config, entry))
		return g_strdup(card_config_get(config, entry));
	if (!driver_find_path(driver))
		return NULL;
	return g_strdup_printf("%s/%s-%u.sock", place->runtime_dir, place->short_id,
			       place->slot + 1);
}

char *
card_plan_dup_address(const CardConfig *config, const ConfigEnv *env, const CardPlace *place)
{
	const JfDriver *driver = jf_context_find_driver(env->context, JF_KIND_CONNECTOR,
							get_connector(config, place), NULL);

	return driver ? connector_dup_address(driver, config, place) : NULL;
}

static gboolean
plan_model(CardPlan *plan, const JfDriver *connector, const CardConfig *config,
	   const ConfigEnv *env, GError **error)
{
	const char *id = card_config_get(config, "nic-type");
	const JfDriver *model;
	GPtrArray *strings;

	if (!(connector->flags & JF_DRIVER_NEEDS_MODEL))
		return TRUE;
	model = jf_context_find_driver(env->context, JF_KIND_MODEL, id, error);
	if (!model) {
		g_prefix_error(error, "Connector %s needs a model: ", connector->id);
		return FALSE;
	}
	plan->model = g_strdup(id);
	strings = g_ptr_array_new();
	property_entries_add(config, "model-property", model->id, strings);
	g_ptr_array_add(strings, NULL);
	plan->model_properties = (char **)g_ptr_array_free(strings, FALSE);
	return TRUE;
}

static gboolean
plan_connector(CardPlan *plan, const CardConfig *config, const ConfigEnv *env,
	       const CardPlace *place, GError **error)
{
	const char *id = get_connector(config, place);
	const JfDriver *driver = jf_context_find_driver(env->context, JF_KIND_CONNECTOR, id, error);
	g_autofree char *entry = NULL;
	GPtrArray *strings;

	if (!driver || !plan_model(plan, driver, config, env, error))
		return FALSE;
	plan->connector = g_strdup(driver->id);
	plan->address = connector_dup_address(driver, config, place);
	strings = g_ptr_array_new();
	property_entries_add(config, "connector-property", driver->id, strings);
	entry = g_strdup_printf("connector-property/%s/path", driver->id);
	if (plan->address && !*card_config_get(config, entry))
		g_ptr_array_add(strings, g_strconcat("path=", plan->address, NULL));
	g_ptr_array_add(strings, NULL);
	plan->connector_properties = (char **)g_ptr_array_free(strings, FALSE);
	return !plan->address || plan_check_address(plan->address, error);
}

/* A speed that nobody would tell the guest is refused, not dropped. */
static gboolean
plan_line_speed(CardPlan *plan, const CardConfig *config, GError **error)
{
	const char *speed = card_config_get(config, "nic-speed");

	plan->line_speed = (guint32)g_ascii_strtoull(speed, NULL, 10);
	if (plan->line_speed == 0 || plan->model)
		return card_check_speed_type(config, error);
	g_set_error(
		error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		"nic-speed '%s' is not supported with connector %s: the VMM's own network adapter "
		"has a fixed speed; use a connector with a model (vfio-user), or nic-speed 0",
		speed, plan->connector);
	return FALSE;
}

static gboolean
plan_forwards(CardPlan *plan, const CardConfig *config, GError **error)
{
	g_autofree const char **names = NULL;
	guint i, n;

	plan->forwards = g_ptr_array_new_with_free_func((GDestroyNotify)forward_free);
	/* Rules are the NAT engine's; they wait while the card is plugged in elsewhere. */
	if (strcmp(card_config_get(config, "nic"), "nat") != 0)
		return TRUE;
	names = card_config_list(config, "nat-pf", &n);
	for (i = 0; i < n; i++) {
		g_autofree char *entry = g_strconcat("nat-pf/", names[i], NULL);
		g_autofree char *text =
			g_strconcat(names[i], ",", card_config_get(config, entry), NULL);
		Forward *forward = forward_new(text, error);

		if (!forward)
			return FALSE;
		g_ptr_array_add(plan->forwards, forward);
	}
	return TRUE;
}

CardPlan *
card_plan_new(const CardConfig *config, const ConfigEnv *env, const CardPlace *place,
	      GError **error)
{
	g_autoptr(CardPlan) plan = g_new0(CardPlan, 1);

	jf_mac_parse(card_config_get(config, "mac-address"), plan->mac);
	plan->promiscuous = plan_promiscuous(card_config_get(config, "nic-promisc"));
	plan->cable_connected = card_config_get_bool(config, "cable-connected");
	plan_trace(plan, config, place);
	if (plan_attachment(plan, config, env, error) &&
	    plan_connector(plan, config, env, place, error) &&
	    plan_line_speed(plan, config, error) && plan_forwards(plan, config, error))
		return g_steal_pointer(&plan);
	return NULL;
}

void
card_plan_free(CardPlan *plan)
{
	if (!plan)
		return;
	g_free(plan->attachment);
	g_strfreev(plan->attachment_properties);
	g_free(plan->model);
	g_strfreev(plan->model_properties);
	g_free(plan->connector);
	g_strfreev(plan->connector_properties);
	g_free(plan->address);
	g_free(plan->trace_file);
	g_free(plan->trace_dir);
	g_clear_pointer(&plan->forwards, g_ptr_array_unref);
	g_free(plan);
}
