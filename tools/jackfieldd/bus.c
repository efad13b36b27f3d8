/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus.c - the daemon on D-Bus: connections, and from messages to the tables of bus-object.h. */
#include "bus.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#include "../common/bus-error.h"
#include "../common/paths.h"
#include "bus-object.h"
#include "jackfield/abi.h"
#include "machine.h"

static const BusInterface *const subtrees[] = {
	&bus_machine_interface,
	&bus_card_interface,
	&bus_network_interface,
};

/* What the calls of a subtree get: GDBus names the subtree's path to some, the object's to others. */
typedef struct BusSubtree {
	Bus *bus;
	const BusInterface *interface;
} BusSubtree;

/* One connection, a client's or a message bus. */
typedef struct BusPeer {
	Bus *bus;
	GDBusConnection *connection;
	gboolean is_client;
	guint manager_id;
	guint subtree_ids[G_N_ELEMENTS(subtrees)];
	gulong closed_id;
} BusPeer;

struct Bus {
	Daemon *daemon;
	GDBusServer *server;
	GPtrArray *peers; /* BusPeer */
	BusSubtree subtrees[G_N_ELEMENTS(subtrees)];
	guint name_id; /* 0: no message bus */
	void (*changed)(gpointer data);
	gpointer data;
};

/* ---- From a message to an object ---- */

static gboolean
bus_find_object(Bus *bus, const char *path, const char *interface, BusObject *object)
{
	guint i;

	memset(object, 0, sizeof *object);
	object->daemon = bus->daemon;
	object->interface = &bus_manager_interface;
	if (strcmp(path, BUS_MANAGER_PATH) == 0)
		return strcmp(interface, bus_manager_interface.get_info()->name) == 0;
	for (i = 0; i < G_N_ELEMENTS(subtrees); i++) {
		g_autofree char *prefix = g_strdup_printf(BUS_ROOT "/%s/", subtrees[i]->subtree);

		object->interface = subtrees[i];
		if (g_str_has_prefix(path, prefix))
			return strcmp(interface, subtrees[i]->get_info()->name) == 0 &&
			       subtrees[i]->find(object, path + strlen(prefix));
	}
	return FALSE;
}

static void
bus_set_no_object(const char *path, GError **error)
{
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "There is no object %s", path);
}

static GVariant *
bus_object_call(const BusObject *object, const char *method, GVariant *args,
		GDBusConnection *connection, GError **error)
{
	const BusCall call = { object, args, connection };
	const BusMethod *row = object->interface->methods;

	/* GDBus has checked name and arguments by the interface's description. */
	while (row->name && strcmp(row->name, method) != 0)
		row++;
	g_return_val_if_fail(row->name, NULL);
	return row->call(&call, error);
}

static void
bus_method_called(GDBusConnection *connection, G_GNUC_UNUSED const char *sender, const char *path,
		  const char *interface, const char *method, GVariant *args,
		  GDBusMethodInvocation *invocation, gpointer data)
{
	Bus *bus = data;
	GError *error = NULL;
	GVariant *result = NULL;
	BusObject object;

	if (bus_find_object(bus, path, interface, &object))
		result = bus_object_call(&object, method, args, connection, &error);
	else
		bus_set_no_object(path, &error);
	g_free(object.network);
	if (error)
		g_dbus_method_invocation_take_error(invocation, error);
	else
		g_dbus_method_invocation_return_value(invocation, result);
}

static GVariant *
bus_property_asked(G_GNUC_UNUSED GDBusConnection *connection, G_GNUC_UNUSED const char *sender,
		   const char *path, const char *interface, const char *property, GError **error,
		   gpointer data)
{
	const BusProperty *row;
	GVariant *value = NULL;
	BusObject object;

	if (!bus_find_object(data, path, interface, &object)) {
		bus_set_no_object(path, error);
	} else {
		for (row = object.interface->properties; row->name; row++)
			if (strcmp(row->name, property) == 0)
				value = row->get(&object);
	}
	g_free(object.network);
	return value;
}

static const GDBusInterfaceVTable bus_vtable = {
	.method_call = bus_method_called,
	.get_property = bus_property_asked,
};

/* ---- Subtrees ---- */

static char **
bus_subtree_enumerate(G_GNUC_UNUSED GDBusConnection *connection, G_GNUC_UNUSED const char *sender,
		      G_GNUC_UNUSED const char *path, gpointer data)
{
	const BusSubtree *subtree = data;

	return subtree->interface->list(subtree->bus->daemon);
}

static GDBusInterfaceInfo **
bus_subtree_introspect(G_GNUC_UNUSED GDBusConnection *connection, G_GNUC_UNUSED const char *sender,
		       G_GNUC_UNUSED const char *path, const char *node, gpointer data)
{
	const BusSubtree *subtree = data;
	BusObject object = { .daemon = subtree->bus->daemon, .interface = subtree->interface };
	GDBusInterfaceInfo **infos;
	gboolean found = node && subtree->interface->find(&object, node);

	g_free(object.network);
	if (!found)
		return NULL;
	infos = g_new0(GDBusInterfaceInfo *, 2);
	infos[0] = g_dbus_interface_info_ref(subtree->interface->get_info());
	return infos;
}

static const GDBusInterfaceVTable *
bus_subtree_dispatch(G_GNUC_UNUSED GDBusConnection *connection, G_GNUC_UNUSED const char *sender,
		     G_GNUC_UNUSED const char *path, G_GNUC_UNUSED const char *interface,
		     G_GNUC_UNUSED const char *node, gpointer *out_data, gpointer data)
{
	const BusSubtree *subtree = data;

	/* Not the object: it may be gone when the call is made. */
	*out_data = subtree->bus;
	return &bus_vtable;
}

static const GDBusSubtreeVTable bus_subtree_vtable = {
	.enumerate = bus_subtree_enumerate,
	.introspect = bus_subtree_introspect,
	.dispatch = bus_subtree_dispatch,
};

/* ---- Peers ---- */

static void
bus_peer_free(gpointer data)
{
	BusPeer *peer = data;
	guint i;

	g_signal_handler_disconnect(peer->connection, peer->closed_id);
	if (peer->manager_id)
		g_dbus_connection_unregister_object(peer->connection, peer->manager_id);
	for (i = 0; i < G_N_ELEMENTS(subtrees); i++)
		if (peer->subtree_ids[i])
			g_dbus_connection_unregister_subtree(peer->connection,
							     peer->subtree_ids[i]);
	if (peer->is_client)
		g_dbus_connection_close(peer->connection, NULL, NULL, NULL);
	g_object_unref(peer->connection);
	g_free(peer);
}

static void
bus_clients_changed(Bus *bus)
{
	if (bus->changed)
		bus->changed(bus->data);
}

static void
bus_peer_closed(G_GNUC_UNUSED GDBusConnection *connection, G_GNUC_UNUSED gboolean vanished,
		G_GNUC_UNUSED GError *error, gpointer data)
{
	BusPeer *peer = data;
	Bus *bus = peer->bus;

	g_ptr_array_remove_fast(bus->peers, peer);
	bus_clients_changed(bus);
}

/* Puts all objects on a connection. The message bus has the names of some other program's objects
 * below the same root at worst, so a path that is taken is no reason to end. */
static void
bus_peer_new(Bus *bus, GDBusConnection *connection, gboolean is_client)
{
	BusPeer *peer = g_new0(BusPeer, 1);
	guint i;

	peer->bus = bus;
	peer->connection = g_object_ref(connection);
	peer->is_client = is_client;
	peer->closed_id = g_signal_connect(connection, "closed", G_CALLBACK(bus_peer_closed), peer);
	peer->manager_id = g_dbus_connection_register_object(connection, BUS_MANAGER_PATH,
							     bus_manager_interface.get_info(),
							     &bus_vtable, bus, NULL, NULL);
	for (i = 0; i < G_N_ELEMENTS(subtrees); i++) {
		g_autofree char *path = g_strdup_printf(BUS_ROOT "/%s", subtrees[i]->subtree);

		peer->subtree_ids[i] = g_dbus_connection_register_subtree(
			connection, path, &bus_subtree_vtable,
			G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, &bus->subtrees[i],
			NULL, NULL);
	}
	g_ptr_array_add(bus->peers, peer);
	bus_clients_changed(bus);
}

static gboolean
bus_client_came(G_GNUC_UNUSED GDBusServer *server, GDBusConnection *connection, gpointer data)
{
	bus_peer_new(data, connection, TRUE);
	return TRUE;
}

guint
bus_count_clients(const Bus *bus)
{
	guint i, n = 0;

	for (i = 0; i < bus->peers->len; i++)
		n += ((const BusPeer *)g_ptr_array_index(bus->peers, i))->is_client;
	return n;
}

void
bus_set_clients_changed(Bus *bus, void (*changed)(gpointer data), gpointer data)
{
	bus->changed = changed;
	bus->data = data;
}

/* ---- Life ---- */

/* The kernel says who is on the other side of a socket; nothing else counts here. */
static gboolean
bus_allow_mechanism(G_GNUC_UNUSED GDBusAuthObserver *observer, const char *mechanism,
		    G_GNUC_UNUSED gpointer data)
{
	return strcmp(mechanism, "EXTERNAL") == 0;
}

Bus *
bus_new(Daemon *daemon, GError **error)
{
	g_autofree char *socket = paths_get_socket(daemon->runtime_dir);
	g_autofree char *address = paths_get_address(daemon->runtime_dir);
	g_autofree char *guid = g_dbus_generate_guid();
	g_autoptr(GDBusAuthObserver) observer = g_dbus_auth_observer_new();
	GDBusServer *server;
	Bus *bus;
	guint i;

	g_signal_connect(observer, "allow-mechanism", G_CALLBACK(bus_allow_mechanism), NULL);
	g_unlink(socket);
	server = g_dbus_server_new_sync(address,
					G_DBUS_SERVER_FLAGS_AUTHENTICATION_REQUIRE_SAME_USER, guid,
					observer, NULL, error);
	if (!server)
		return NULL;
	bus = g_new0(Bus, 1);
	bus->daemon = daemon;
	for (i = 0; i < G_N_ELEMENTS(subtrees); i++)
		bus->subtrees[i] = (BusSubtree){ bus, subtrees[i] };
	bus->server = server;
	bus->peers = g_ptr_array_new_with_free_func(bus_peer_free);
	g_signal_connect(server, "new-connection", G_CALLBACK(bus_client_came), bus);
	g_dbus_server_start(server);
	return bus;
}

void
bus_free(Bus *bus)
{
	if (!bus)
		return;
	if (bus->name_id)
		g_bus_unown_name(bus->name_id);
	/* Also removes the socket. */
	g_dbus_server_stop(bus->server);
	g_object_unref(bus->server);
	bus->changed = NULL;
	g_ptr_array_unref(bus->peers);
	g_free(bus);
}

static void
bus_acquired(GDBusConnection *connection, G_GNUC_UNUSED const char *name, gpointer data)
{
	g_dbus_connection_set_exit_on_close(connection, FALSE);
	bus_peer_new(data, connection, FALSE);
}

static void
bus_name_lost(GDBusConnection *connection, const char *name, G_GNUC_UNUSED gpointer data)
{
	if (connection)
		g_message("The name %s on the message bus belongs to somebody else", name);
	else
		g_message("There is no message bus to be on");
}

void
bus_join(Bus *bus, GBusType type)
{
	bus->name_id = g_bus_own_name(type, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
				      bus_acquired, NULL, bus_name_lost, bus, NULL);
}

/* ---- Signals ---- */

void
bus_emit(Bus *bus, const char *path, const char *interface, const char *signal, GVariant *args)
{
	g_autoptr(GVariant) owned = args ? g_variant_ref_sink(args) : NULL;
	guint i;

	for (i = 0; bus && i < bus->peers->len; i++) {
		BusPeer *peer = g_ptr_array_index(bus->peers, i);

		g_dbus_connection_emit_signal(peer->connection, NULL, path, interface, signal,
					      owned, NULL);
	}
}

static void
bus_emit_changed(Bus *bus, const char *path, const BusObject *object)
{
	GVariant *args;

	if (bus->peers->len == 0)
		return;
	args = g_variant_new("(s@a{sv}as)", object->interface->get_info()->name,
			     bus_object_get_properties(object), NULL);
	bus_emit(bus, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", args);
}

static void
bus_emit_manager(Bus *bus, const char *signal, const char *uuid, const char *name)
{
	g_autofree char *path = bus_get_machine_path(uuid);

	bus_emit(bus, BUS_MANAGER_PATH, bus_manager_interface.get_info()->name, signal,
		 g_variant_new("(oss)", path, uuid, name));
}

void
bus_machine_added(Bus *bus, const Machine *machine)
{
	bus_emit_manager(bus, "MachineAdded", machine_get_config(machine)->uuid,
			 machine_get_name(machine));
}

void
bus_machine_removed(Bus *bus, const char *uuid, const char *name)
{
	bus_emit_manager(bus, "MachineRemoved", uuid, name);
}

void
bus_machine_changed(Bus *bus, Machine *machine)
{
	g_autofree char *path = bus_get_machine_path(machine_get_config(machine)->uuid);

	if (bus) {
		const BusObject object = { .interface = &bus_machine_interface,
					   .daemon = bus->daemon,
					   .machine = machine };

		bus_emit_changed(bus, path, &object);
	}
}

void
bus_card_changed(Bus *bus, Machine *machine, guint slot)
{
	g_autofree char *path = bus_get_card_path(machine_get_config(machine)->uuid, slot);

	if (bus) {
		const BusObject object = { .interface = &bus_card_interface,
					   .daemon = bus->daemon,
					   .machine = machine,
					   .slot = slot };

		bus_emit_changed(bus, path, &object);
	}
}

void
bus_power_off_requested(Bus *bus, Machine *machine)
{
	g_autofree char *path = bus_get_machine_path(machine_get_config(machine)->uuid);

	bus_emit(bus, path, bus_machine_interface.get_info()->name, "PowerOffRequested", NULL);
}

static void
bus_network_changed(const JfNetworkInfo *network, gpointer data)
{
	Bus *bus = data;
	g_autofree char *path = bus_get_network_path(network->name);
	GVariantBuilder builder;

	g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
	g_variant_builder_add(&builder, "{sv}", "Ports", g_variant_new_uint32(network->ports));
	g_variant_builder_add(&builder, "{sv}", "Addresses",
			      g_variant_new_uint32(network->addresses));
	bus_emit(bus, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
		 g_variant_new("(sa{sv}as)", bus_network_interface.get_info()->name, &builder,
			       NULL));
}

void
bus_networks_changed(Bus *bus)
{
	if (!bus || bus->peers->len == 0)
		return;
	bus_emit(bus, BUS_MANAGER_PATH, bus_manager_interface.get_info()->name, "NetworksChanged",
		 NULL);
	jf_context_list_networks(bus->daemon->context, bus_network_changed, bus);
}
