/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-machine.c - org.jackfield.Machine1. */
#include <string.h>

#include "bus-object.h"
#include "bus.h"
#include "jackfield-bus.h"
#include "machine.h"
#include "store.h"

static const MachineConfig *
object_get_config(const BusObject *object)
{
	return machine_get_config(object->machine);
}

/* ---- Methods ---- */

/* The strings are the call's own. */
static GArray *
changes_read(const BusCall *call)
{
	g_autoptr(GVariant) list = g_variant_get_child_value(call->args, 0);
	GArray *changes = g_array_new(FALSE, FALSE, sizeof(ConfigChange));
	GVariantIter iter;
	ConfigChange change;

	g_variant_iter_init(&iter, list);
	while (g_variant_iter_next(&iter, "(u&s&s)", &change.card, &change.key, &change.value))
		g_array_append_val(changes, change);
	return changes;
}

static GVariant *
machine_call_modify(const BusCall *call, GError **error)
{
	g_autoptr(GArray) changes = changes_read(call);

	machine_modify(call->object->machine, (const ConfigChange *)changes->data, changes->len,
		       error);
	return NULL;
}

static GVariant *
machine_call_control(const BusCall *call, GError **error)
{
	g_autoptr(GArray) changes = changes_read(call);

	machine_control(call->object->machine, (const ConfigChange *)changes->data, changes->len,
			error);
	return NULL;
}

/* Only the socket's own connections have a process at the other end. */
static gboolean
caller_get_owner(const BusCall *call, Owner *owner, GError **error)
{
	GCredentials *credentials = g_dbus_connection_get_peer_credentials(call->connection);
	pid_t pid = credentials ? g_credentials_get_unix_pid(credentials, NULL) : -1;

	if (g_dbus_connection_get_unique_name(call->connection) || pid <= 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "A machine can be bound to a caller on the daemon's own socket only");
		return FALSE;
	}
	return owner_init(owner, pid, error);
}

static gboolean
connectors_read(GVariantIter *iter, RunningInfo *info, GError **error)
{
	const char *connector;
	guint32 card;

	while (g_variant_iter_next(iter, "{u&s}", &card, &connector)) {
		if (card < 1 || card > MACHINE_CARDS_MAX) {
			g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "There is no card %u", card);
			return FALSE;
		}
		g_free(info->connectors[card - 1]);
		info->connectors[card - 1] = g_strdup(connector);
	}
	return TRUE;
}

static GVariant *
machine_call_start(const BusCall *call, GError **error)
{
	g_auto(RunningInfo) info = { 0 };
	g_autoptr(GVariantIter) iter = NULL;
	gboolean bound;

	g_variant_get(call->args, "(ba{us})", &bound, &iter);
	if (connectors_read(iter, &info, error) &&
	    (!bound || caller_get_owner(call, &info.owner, error)))
		machine_start(call->object->machine, &info, error);
	return NULL;
}

static GVariant *
machine_call_power_off(const BusCall *call, GError **error)
{
	machine_power_off(call->object->machine, error);
	return NULL;
}

static GVariant *
machine_call_unregister(const BusCall *call, GError **error)
{
	const BusObject *object = call->object;
	g_autofree char *uuid = g_strdup(object_get_config(object)->uuid);
	g_autofree char *name = g_strdup(object_get_config(object)->name);
	g_autofree char *kept = NULL;
	gboolean remove;

	g_variant_get(call->args, "(b)", &remove);
	if (!store_remove(object->daemon, object->machine, !remove, &kept, error))
		return NULL;
	bus_machine_removed(object->daemon->bus, uuid, name);
	return g_variant_new("(s)", kept ? kept : "");
}

static GVariant *
machine_call_list_cards(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	BusObject card = *call->object;
	GVariantBuilder builder;

	card.interface = &bus_card_interface;
	g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
	for (card.slot = 0; card.slot < object_get_config(&card)->n_cards; card.slot++)
		g_variant_builder_add_value(&builder, bus_object_get_properties(&card));
	return g_variant_new("(aa{sv})", &builder);
}

static const BusMethod machine_methods[] = {
	{ "Modify", machine_call_modify },
	{ "Control", machine_call_control },
	{ "Start", machine_call_start },
	{ "PowerOff", machine_call_power_off },
	{ "Unregister", machine_call_unregister },
	{ "ListCards", machine_call_list_cards },
	{ .name = NULL },
};

/* ---- Properties ---- */

static GVariant *
machine_get_name_property(const BusObject *object)
{
	return g_variant_new_string(object_get_config(object)->name);
}

static GVariant *
machine_get_uuid(const BusObject *object)
{
	return g_variant_new_string(object_get_config(object)->uuid);
}

static GVariant *
machine_get_ostype(const BusObject *object)
{
	return g_variant_new_string(object_get_config(object)->ostype);
}

static GVariant *
machine_get_chipset(const BusObject *object)
{
	return g_variant_new_string(object_get_config(object)->chipset);
}

static GVariant *
machine_get_running(const BusObject *object)
{
	return g_variant_new_boolean(machine_is_running(object->machine));
}

static GVariant *
machine_get_document_property(const BusObject *object)
{
	return g_variant_new_string(machine_get_document(object->machine));
}

static GVariant *
machine_get_cards(const BusObject *object)
{
	const MachineConfig *config = object_get_config(object);
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
	for (i = 0; i < config->n_cards; i++) {
		g_autofree char *path = bus_get_card_path(config->uuid, i);

		g_variant_builder_add(&builder, "o", path);
	}
	return g_variant_builder_end(&builder);
}

static const BusProperty machine_properties[] = {
	{ "Name", machine_get_name_property }, { "Uuid", machine_get_uuid },
	{ "OsType", machine_get_ostype },      { "Chipset", machine_get_chipset },
	{ "Running", machine_get_running },    { "Document", machine_get_document_property },
	{ "Cards", machine_get_cards },        { .name = NULL },
};

/* ---- Finding ---- */

static gboolean
machine_find(BusObject *object, const char *node)
{
	object->machine = bus_find_machine(object->daemon, node, strlen(node));
	return object->machine != NULL;
}

static char **
machine_list(Daemon *daemon)
{
	GPtrArray *names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer uuid;

	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, &uuid, NULL))
		g_ptr_array_add(names, g_strdelimit(g_strdup(uuid), "-", '_'));
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

const BusInterface bus_machine_interface = {
	.subtree = "machine",
	.get_info = bus_machine1_interface_info,
	.methods = machine_methods,
	.properties = machine_properties,
	.find = machine_find,
	.list = machine_list,
};
