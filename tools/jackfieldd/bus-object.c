/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-object.c - object paths. */
#include "bus-object.h"

#include <string.h>

char *
bus_get_machine_path(const char *uuid)
{
	char *path = g_strconcat(BUS_ROOT "/machine/", uuid, NULL);

	g_strdelimit(path, "-", '_');
	return path;
}

char *
bus_get_card_path(const char *uuid, guint slot)
{
	char *path = g_strdup_printf(BUS_ROOT "/card/%s_%u", uuid, slot + 1);

	g_strdelimit(path, "-", '_');
	return path;
}

char *
bus_get_network_path(const char *name)
{
	g_autofree char *escaped = g_dbus_escape_object_path(name);

	return g_strconcat(BUS_ROOT "/network/", escaped, NULL);
}

Machine *
bus_find_machine(Daemon *daemon, const char *node, gsize len)
{
	g_autofree char *uuid = g_strndup(node, len);

	g_strdelimit(uuid, "_", '-');
	return g_hash_table_lookup(daemon->machines, uuid);
}

GVariant *
bus_object_get_properties(const BusObject *object)
{
	const BusProperty *property;
	GVariantBuilder builder;

	g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
	for (property = object->interface->properties; property->name; property++)
		g_variant_builder_add(&builder, "{sv}", property->name, property->get(object));
	return g_variant_builder_end(&builder);
}
