/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-network.c - org.jackfield.Network1. */
#include <string.h>

#include "bus-object.h"
#include "jackfield-bus.h"
#include "networks.h"

typedef struct Search {
	const char *node;    /* wanted by its name in a path, or */
	const char *network; /* by its own name */
	JfNetworkInfo info;
	char *name; /* found */
} Search;

static void
search_look(const JfNetworkInfo *network, gpointer data)
{
	Search *search = data;
	g_autofree char *node = g_dbus_escape_object_path(network->name);

	if (g_strcmp0(search->node, node) != 0 && g_strcmp0(search->network, network->name) != 0)
		return;
	search->info = *network;
	g_free(search->name);
	search->name = g_strdup(network->name);
}

static JfNetworkInfo
object_get_info(const BusObject *object)
{
	Search search = { .network = object->network };

	jf_context_list_networks(object->daemon->context, search_look, &search);
	g_free(search.name);
	return search.info;
}

static GVariant *
network_get_name(const BusObject *object)
{
	return g_variant_new_string(object->network);
}

static GVariant *
network_get_ports(const BusObject *object)
{
	return g_variant_new_uint32(object_get_info(object).ports);
}

static GVariant *
network_get_addresses(const BusObject *object)
{
	return g_variant_new_uint32(object_get_info(object).addresses);
}

static GVariant *
network_get_frames(const BusObject *object)
{
	return g_variant_new_uint64(object_get_info(object).frames);
}

static GVariant *
network_get_drops(const BusObject *object)
{
	return g_variant_new_uint64(object_get_info(object).drops);
}

static void
counter_add(const char *driver, const char *counter, guint64 value, gpointer data)
{
	g_variant_builder_add(data, "(sst)", driver, counter, value);
}

static GVariant *
network_call_get_service_counters(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	const BusObject *object = call->object;
	GVariantBuilder counters;

	g_variant_builder_init(&counters, G_VARIANT_TYPE("a(sst)"));
	networks_list_counters(object->daemon->networks, object->network, counter_add, &counters);
	return g_variant_new("(a(sst))", &counters);
}

static const BusMethod network_methods[] = {
	{ "GetServiceCounters", network_call_get_service_counters },
	{ .name = NULL },
};

static const BusProperty network_properties[] = {
	{ "Name", network_get_name },           { "Ports", network_get_ports },
	{ "Addresses", network_get_addresses }, { "Frames", network_get_frames },
	{ "Drops", network_get_drops },         { .name = NULL },
};

static gboolean
network_find(BusObject *object, const char *node)
{
	Search search = { .node = node };

	jf_context_list_networks(object->daemon->context, search_look, &search);
	object->network = search.name;
	return search.name != NULL;
}

static void
node_add(const JfNetworkInfo *network, gpointer data)
{
	g_ptr_array_add(data, g_dbus_escape_object_path(network->name));
}

static char **
network_list(Daemon *daemon)
{
	GPtrArray *names = g_ptr_array_new();

	jf_context_list_networks(daemon->context, node_add, names);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

const BusInterface bus_network_interface = {
	.subtree = "network",
	.get_info = bus_network1_interface_info,
	.methods = network_methods,
	.properties = network_properties,
	.find = network_find,
	.list = network_list,
};
