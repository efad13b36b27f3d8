/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-manager.c - org.jackfield.Manager1. */
#include <string.h>
#include <unistd.h>

#include "../common/bus-error.h"
#include "bus-networks.h"
#include "bus-object.h"
#include "bus.h"
#include "card-key.h"
#include "config.h"
#include "jackfield-bus.h"
#include "machine.h"
#include "nearest.h"
#include "store.h"
#include "text.h"
#include "value.h"

static const char *const kind_names[] = {
	[JF_KIND_MODEL] = "model",     [JF_KIND_CONNECTOR] = "connector",
	[JF_KIND_FILTER] = "filter",   [JF_KIND_ATTACHMENT] = "attachment",
	[JF_KIND_SERVICE] = "service", [JF_KIND_PROVIDER] = "provider",
};

static const char *
kind_get_name(guint32 kind)
{
	return kind < G_N_ELEMENTS(kind_names) && kind_names[kind] ? kind_names[kind] : "";
}

static const char *
text_or_empty(const char *text)
{
	return text ? text : "";
}

/* ---- Machines ---- */

static gboolean
options_read(GVariant *options, const char **chipset, GError **error)
{
	GVariantIter iter;
	const char *key, *value;

	g_variant_iter_init(&iter, options);
	while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
		g_autofree char *shown = NULL;

		if (strcmp(key, "chipset") == 0) {
			*chipset = value;
			continue;
		}
		shown = jf_text_show(key);
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "Unknown option '%s' of a new machine; there is chipset", shown);
		return FALSE;
	}
	return TRUE;
}

static GVariant *
manager_create_machine(const BusCall *call, GError **error)
{
	Daemon *daemon = call->object->daemon;
	g_autoptr(GVariant) options = NULL;
	const char *name, *ostype, *uuid, *chipset = NULL;
	g_autofree char *path = NULL;
	MachineConfig *config;
	Machine *machine;

	g_variant_get(call->args, "(&s&s&s@a{ss})", &name, &ostype, &uuid, &options);
	if (!options_read(options, &chipset, error))
		return NULL;
	config = machine_config_new(&daemon->env, name, ostype, uuid, chipset, error);
	machine = config ? store_add(daemon, config, error) : NULL;
	if (!machine)
		return NULL;
	bus_machine_added(daemon->bus, machine);
	path = bus_get_machine_path(machine_get_config(machine)->uuid);
	return g_variant_new("(o)", path);
}

static GVariant *
manager_find_machine(const BusCall *call, GError **error)
{
	g_autofree char *path = NULL;
	const Machine *machine;
	const char *name;

	g_variant_get(call->args, "(&s)", &name);
	machine = store_find(call->object->daemon, name, error);
	if (!machine)
		return NULL;
	path = bus_get_machine_path(machine_get_config(machine)->uuid);
	return g_variant_new("(o)", path);
}

static GVariant *
manager_list_machines(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	g_autoptr(GPtrArray) machines = store_list(call->object->daemon);
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ssob)"));
	for (i = 0; i < machines->len; i++) {
		const Machine *machine = g_ptr_array_index(machines, i);
		const MachineConfig *config = machine_get_config(machine);
		g_autofree char *path = bus_get_machine_path(config->uuid);

		g_variant_builder_add(&builder, "(ssob)", config->uuid, config->name, path,
				      machine_is_running(machine));
	}
	return g_variant_new("(a(ssob))", &builder);
}

static GVariant *
manager_list_machine_problems(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	const GPtrArray *problems = call->object->daemon->problems;
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ss)"));
	for (i = 0; i < problems->len; i++) {
		const DocumentProblem *problem = g_ptr_array_index(problems, i);

		g_variant_builder_add(&builder, "(ss)", problem->path, problem->message);
	}
	return g_variant_new("(a(ss))", &builder);
}

/* ---- Networks ---- */

static void
network_add(const JfNetworkInfo *network, gpointer data)
{
	g_autofree char *path = bus_get_network_path(network->name);

	g_variant_builder_add(data, "(souutt)", network->name, path, network->ports,
			      network->addresses, network->frames, network->drops);
}

static GVariant *
manager_list_networks(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	GVariantBuilder builder;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(souutt)"));
	jf_context_list_networks(call->object->daemon->context, network_add, &builder);
	return g_variant_new("(a(souutt))", &builder);
}

/* ---- Drivers ---- */

static GVariant *
manager_list_drivers(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	GVariantBuilder builder;
	const JfDriverInfo *infos;
	guint i, n;

	infos = jf_context_list_drivers(call->object->daemon->context, &n);
	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ssssss)"));
	for (i = 0; i < n; i++)
		g_variant_builder_add(&builder, "(ssssss)", kind_get_name(infos[i].driver->kind),
				      infos[i].driver->id, infos[i].driver->blurb,
				      infos[i].plugin ? infos[i].plugin->name : "",
				      infos[i].plugin ? infos[i].plugin->version : "",
				      text_or_empty(infos[i].path));
	return g_variant_new("(a(ssssss))", &builder);
}

static GVariant *
manager_list_plugin_problems(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	GVariantBuilder builder;
	const JfPluginProblem *problems;
	guint i, n;

	problems = jf_context_list_problems(call->object->daemon->context, &n);
	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ss)"));
	for (i = 0; i < n; i++)
		g_variant_builder_add(&builder, "(ss)", problems[i].path,
				      problems[i].error->message);
	return g_variant_new("(a(ss))", &builder);
}

static const JfDriverInfo *
find_driver_info(JfContext *context, const char *id, GError **error)
{
	const JfDriver *driver = jf_context_find_driver(context, 0, id, error);
	const JfDriverInfo *infos;
	guint i, n;

	infos = jf_context_list_drivers(context, &n);
	for (i = 0; driver && i < n; i++)
		if (infos[i].driver == driver)
			return &infos[i];
	return NULL;
}

static GVariant *
spec_get_flags(const JfPropSpec *spec)
{
	static const struct {
		guint32 flag;
		const char *name;
	} names[] = {
		{ JF_PROP_REQUIRED, "required" },
		{ JF_PROP_LIVE, "live" },
		{ JF_PROP_SECRET, "secret" },
	};
	const char *flags[G_N_ELEMENTS(names)];
	gsize i, n = 0;

	for (i = 0; i < G_N_ELEMENTS(names); i++)
		if (spec->flags & names[i].flag)
			flags[n++] = names[i].name;
	return g_variant_new_strv(flags, (gssize)n);
}

static GVariant *
spec_get_choices(const JfPropSpec *spec)
{
	return g_variant_new_strv(spec->choices, spec->choices ? -1 : 0);
}

static char *
spec_dup_range(const JfPropSpec *spec)
{
	if (spec->type != JF_PROP_INT && spec->type != JF_PROP_SIZE && spec->type != JF_PROP_RATE)
		return g_strdup("");
	if (spec->min == 0 && spec->max == 0)
		return g_strdup("");
	return g_strdup_printf("%" G_GINT64_FORMAT "..%" G_GINT64_FORMAT, spec->min, spec->max);
}

static GVariant *
driver_get_properties(const JfDriver *driver)
{
	GVariantBuilder builder;
	const JfPropSpec *spec;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ssasssass)"));
	for (i = 0; (spec = jf_driver_get_prop(driver, i)); i++) {
		g_autofree char *range = spec_dup_range(spec);

		g_variant_builder_add(&builder, "(ss@asss@ass)", spec->name,
				      text_or_empty(jf_prop_type_name(spec->type)),
				      spec_get_flags(spec), text_or_empty(spec->def), range,
				      spec_get_choices(spec), text_or_empty(spec->blurb));
	}
	return g_variant_builder_end(&builder);
}

static GVariant *
manager_inspect_driver(const BusCall *call, GError **error)
{
	const JfDriverInfo *info;
	const char *id;

	g_variant_get(call->args, "(&s)", &id);
	info = find_driver_info(call->object->daemon->context, id, error);
	if (!info)
		return NULL;
	return g_variant_new("(sssss@a(ssasssass))", kind_get_name(info->driver->kind),
			     info->driver->id, info->driver->blurb,
			     info->plugin ? info->plugin->name : "", text_or_empty(info->path),
			     driver_get_properties(info->driver));
}

/* ---- Tables ---- */

static GVariant *
manager_list_os_types(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	const OsTypes *types = call->object->daemon->ostypes;
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sssssssb)"));
	for (i = 0; i < ostypes_get_length(types); i++) {
		const OsType *type = ostypes_get(types, i);

		g_variant_builder_add(&builder, "(sssssssb)", type->id, type->description,
				      type->nic_type, type->family, type->family_description,
				      type->subtype, type->architecture, type->is_64bit);
	}
	return g_variant_new("(a(sssssssb))", &builder);
}

static GVariant *
manager_list_card_keys(G_GNUC_UNUSED const BusCall *call, G_GNUC_UNUSED GError **error)
{
	GVariantBuilder builder;
	const CardKey *key;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ssb)"));
	for (i = 0; (key = card_key_get(i)); i++)
		g_variant_builder_add(&builder, "(ssb)", key->name, key->values,
				      (key->flags & CARD_KEY_LIVE) != 0);
	return g_variant_new("(a(ssb))", &builder);
}

static const BusMethod manager_methods[] = {
	{ "CreateMachine", manager_create_machine },
	{ "FindMachine", manager_find_machine },
	{ "ListMachines", manager_list_machines },
	{ "ListMachineProblems", manager_list_machine_problems },
	{ "ListNetworks", manager_list_networks },
	{ "CreateNatNetwork", bus_create_nat_network },
	{ "ModifyNatNetwork", bus_modify_nat_network },
	{ "RemoveNatNetwork", bus_remove_nat_network },
	{ "StartNatNetwork", bus_start_nat_network },
	{ "StopNatNetwork", bus_stop_nat_network },
	{ "CreateDhcpServer", bus_create_dhcp_server },
	{ "ModifyDhcpServer", bus_modify_dhcp_server },
	{ "RemoveDhcpServer", bus_remove_dhcp_server },
	{ "StartDhcpServer", bus_start_dhcp_server },
	{ "RestartDhcpServer", bus_restart_dhcp_server },
	{ "StopDhcpServer", bus_stop_dhcp_server },
	{ "ListNatNetworks", bus_list_nat_networks },
	{ "ListDhcpServers", bus_list_dhcp_servers },
	{ "FindDhcpLease", bus_find_dhcp_lease },
	{ "SetExtraData", bus_set_extra_data },
	{ "ListExtraData", bus_list_extra_data },
	{ "ListDrivers", manager_list_drivers },
	{ "ListPluginProblems", manager_list_plugin_problems },
	{ "InspectDriver", manager_inspect_driver },
	{ "ListOsTypes", manager_list_os_types },
	{ "ListCardKeys", manager_list_card_keys },
	{ .name = NULL },
};

/* ---- Properties ---- */

static GVariant *
manager_get_version(G_GNUC_UNUSED const BusObject *object)
{
	return g_variant_new_string(JF_VERSION);
}

static GVariant *
manager_get_api_version(G_GNUC_UNUSED const BusObject *object)
{
	return g_variant_new_uint32(BUS_API_VERSION);
}

static GVariant *
manager_get_config_dir(const BusObject *object)
{
	return g_variant_new_string(object->daemon->config_dir);
}

static GVariant *
manager_get_runtime_dir(const BusObject *object)
{
	return g_variant_new_string(object->daemon->runtime_dir);
}

static GVariant *
manager_get_process_id(G_GNUC_UNUSED const BusObject *object)
{
	return g_variant_new_uint32((guint32)getpid());
}

static const BusProperty manager_properties[] = {
	{ "Version", manager_get_version },      { "ApiVersion", manager_get_api_version },
	{ "ConfigDir", manager_get_config_dir }, { "RuntimeDir", manager_get_runtime_dir },
	{ "ProcessId", manager_get_process_id }, { .name = NULL },
};

const BusInterface bus_manager_interface = {
	.get_info = bus_manager1_interface_info,
	.methods = manager_methods,
	.properties = manager_properties,
};
