/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-networks.c - the methods of org.jackfield.Manager1 about networks that are defined. */
#include "bus-networks.h"

#include <string.h>

#include "machine.h"
#include "networks.h"

static Networks *
call_get_networks(const BusCall *call)
{
	return call->object->daemon->networks;
}

/* ---- Changes ---- */

/* a(ss) or a(sss); the strings are the call's. */
static NetworkChange *
changes_read(GVariant *list, guint *n)
{
	gboolean has_scope = g_variant_is_of_type(list, G_VARIANT_TYPE("a(sss)"));
	NetworkChange *changes;
	guint i;

	*n = (guint)g_variant_n_children(list);
	changes = g_new0(NetworkChange, *n + 1);
	for (i = 0; i < *n; i++) {
		changes[i].scope = "";
		if (has_scope)
			g_variant_get_child(list, i, "(&s&s&s)", &changes[i].scope, &changes[i].key,
					    &changes[i].value);
		else
			g_variant_get_child(list, i, "(&s&s)", &changes[i].key, &changes[i].value);
	}
	return changes;
}

typedef gboolean (*ChangesFunc)(Networks *networks, const char *name, const NetworkChange *changes,
				guint n, GError **error);
typedef gboolean (*NameFunc)(Networks *networks, const char *name, GError **error);

static GVariant *
call_with_changes(const BusCall *call, ChangesFunc func, GError **error)
{
	g_autoptr(GVariant) list = g_variant_get_child_value(call->args, 1);
	g_autofree NetworkChange *changes = NULL;
	const char *name;
	guint n;

	g_variant_get_child(call->args, 0, "&s", &name);
	changes = changes_read(list, &n);
	func(call_get_networks(call), name, changes, n, error);
	return NULL;
}

static GVariant *
call_with_name(const BusCall *call, NameFunc func, GError **error)
{
	const char *name;

	g_variant_get(call->args, "(&s)", &name);
	func(call_get_networks(call), name, error);
	return NULL;
}

GVariant *
bus_create_nat_network(const BusCall *call, GError **error)
{
	return call_with_changes(call, networks_create_nat, error);
}

GVariant *
bus_modify_nat_network(const BusCall *call, GError **error)
{
	return call_with_changes(call, networks_modify_nat, error);
}

GVariant *
bus_remove_nat_network(const BusCall *call, GError **error)
{
	return call_with_name(call, networks_remove_nat, error);
}

GVariant *
bus_start_nat_network(const BusCall *call, GError **error)
{
	return call_with_name(call, networks_start_nat, error);
}

GVariant *
bus_stop_nat_network(const BusCall *call, GError **error)
{
	return call_with_name(call, networks_stop_nat, error);
}

GVariant *
bus_create_dhcp_server(const BusCall *call, GError **error)
{
	return call_with_changes(call, networks_create_dhcp, error);
}

GVariant *
bus_modify_dhcp_server(const BusCall *call, GError **error)
{
	return call_with_changes(call, networks_modify_dhcp, error);
}

GVariant *
bus_remove_dhcp_server(const BusCall *call, GError **error)
{
	return call_with_name(call, networks_remove_dhcp, error);
}

GVariant *
bus_start_dhcp_server(const BusCall *call, GError **error)
{
	return call_with_name(call, networks_start_dhcp, error);
}

GVariant *
bus_restart_dhcp_server(const BusCall *call, GError **error)
{
	return call_with_name(call, networks_restart_dhcp, error);
}

GVariant *
bus_stop_dhcp_server(const BusCall *call, GError **error)
{
	return call_with_name(call, networks_stop_dhcp, error);
}

/* ---- NAT networks ---- */

static void
add_string(GVariantBuilder *builder, const char *key, const char *value)
{
	g_variant_builder_add(builder, "{sv}", key, g_variant_new_string(value));
}

static void
add_bool(GVariantBuilder *builder, const char *key, gboolean value)
{
	g_variant_builder_add(builder, "{sv}", key, g_variant_new_boolean(value));
}

static void
add_number(GVariantBuilder *builder, const char *key, guint32 value)
{
	g_variant_builder_add(builder, "{sv}", key, g_variant_new_uint32(value));
}

static void
add_address(GVariantBuilder *builder, const char *key, guint32 address)
{
	g_autofree char *text = address ? address_format(address) : g_strdup("");

	add_string(builder, key, text);
}

static void
add_forwards(GVariantBuilder *builder, const char *key, const GPtrArray *forwards)
{
	GVariantBuilder list;
	guint i;

	g_variant_builder_init(&list, G_VARIANT_TYPE("as"));
	for (i = 0; i < forwards->len; i++)
		g_variant_builder_add_value(&list, g_variant_new_take_string(nat_forward_format(
							   g_ptr_array_index(forwards, i))));
	g_variant_builder_add(builder, "{sv}", key, g_variant_builder_end(&list));
}

static void
add_loopbacks(GVariantBuilder *builder, const NatNetwork *net)
{
	GVariantBuilder list;
	guint i;

	g_variant_builder_init(&list, G_VARIANT_TYPE("as"));
	for (i = 0; i < net->loopbacks->len; i++)
		g_variant_builder_add_value(
			&list, g_variant_new_take_string(nat_loopback_format(
				       &g_array_index(net->loopbacks, NatLoopback, i))));
	g_variant_builder_add(builder, "{sv}", "Loopback4", g_variant_builder_end(&list));
	add_number(builder, "Loopback6", net->loopback6);
}

static void
add_nat(GVariantBuilder *builder, const Networks *networks, const NatNetwork *net)
{
	const DhcpServer *server = networks_get_dhcp(networks, net->name);
	g_autofree char *cidr = nat_network_dup_cidr(net);
	g_autofree char *prefix6 = nat_network_dup_prefix6(net);

	g_variant_builder_open(builder, G_VARIANT_TYPE_VARDICT);
	add_string(builder, "Name", net->name);
	add_string(builder, "Network", cidr);
	add_address(builder, "Gateway", nat_network_get_gateway(net));
	add_bool(builder, "Enabled", net->enabled);
	add_bool(builder, "Running", networks_nat_runs(networks, net->name));
	add_bool(builder, "Dhcp", server && server->enabled);
	add_bool(builder, "Ipv6", net->ipv6);
	add_string(builder, "Ipv6Prefix", prefix6);
	add_bool(builder, "Ipv6Default", net->ipv6_default);
	add_forwards(builder, "PortForward4", net->forwards[0]);
	add_forwards(builder, "PortForward6", net->forwards[1]);
	add_loopbacks(builder, net);
	g_variant_builder_close(builder);
}

GVariant *
bus_list_nat_networks(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	g_autoptr(GPtrArray) list = networks_list_nat(call_get_networks(call));
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
	for (i = 0; i < list->len; i++)
		add_nat(&builder, call_get_networks(call), g_ptr_array_index(list, i));
	return g_variant_new("(aa{sv})", &builder);
}

/* ---- DHCP servers ---- */

static void
add_options(GVariantBuilder *builder, const DhcpScope *scope)
{
	GVariantBuilder list;
	guint i;

	g_variant_builder_init(&list, G_VARIANT_TYPE("a(ybs)"));
	for (i = 0; i < scope->options->len; i++) {
		const DhcpOption *option = g_ptr_array_index(scope->options, i);

		g_variant_builder_add(&list, "(ybs)", option->code, option->is_hex, option->text);
	}
	g_variant_builder_add(builder, "{sv}", "Options", g_variant_builder_end(&list));
}

static void
add_codes(GVariantBuilder *builder, const char *key, const GArray *codes)
{
	g_variant_builder_add(builder, "{sv}", key,
			      g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, codes->data,
							codes->len, sizeof(guint8)));
}

static void
add_conditions(GVariantBuilder *builder, const DhcpScope *scope)
{
	GVariantBuilder list;
	guint i;

	g_variant_builder_init(&list, G_VARIANT_TYPE("a(ss)"));
	for (i = 0; i < scope->conditions->len; i++) {
		const DhcpCondition *condition = g_ptr_array_index(scope->conditions, i);

		g_variant_builder_add(&list, "(ss)", condition->key, condition->value);
	}
	g_variant_builder_add(builder, "{sv}", "Conditions", g_variant_builder_end(&list));
}

static void
add_machine(GVariantBuilder *builder, const Daemon *daemon, const DhcpScope *scope)
{
	g_autofree char *uuid = NULL;
	const Machine *machine;
	guint nic;

	if (!dhcp_scope_get_machine(scope, &uuid, &nic))
		return;
	machine = g_hash_table_lookup(daemon->machines, uuid);
	add_string(builder, "Machine", machine ? machine_get_name(machine) : "");
}

static void
add_scope(GVariantBuilder *builder, const Daemon *daemon, const DhcpScope *scope)
{
	g_variant_builder_open(builder, G_VARIANT_TYPE_VARDICT);
	add_string(builder, "Scope", scope->name);
	add_machine(builder, daemon, scope);
	add_number(builder, "MinLeaseTime", scope->times[0]);
	add_number(builder, "DefaultLeaseTime", scope->times[1]);
	add_number(builder, "MaxLeaseTime", scope->times[2]);
	add_address(builder, "FixedAddress", scope->fixed);
	add_options(builder, scope);
	add_codes(builder, "Forced", scope->forced);
	add_codes(builder, "Suppressed", scope->suppressed);
	add_conditions(builder, scope);
	g_variant_builder_close(builder);
}

static void
add_dhcp(GVariantBuilder *builder, const Daemon *daemon, const DhcpServer *server)
{
	GVariantBuilder scopes;
	DhcpServer all;
	guint i;

	networks_get_dhcp_addresses(daemon->networks, server->network, &all);
	g_variant_builder_init(&scopes, G_VARIANT_TYPE("aa{sv}"));
	for (i = 0; i < server->scopes->len; i++)
		add_scope(&scopes, daemon, g_ptr_array_index(server->scopes, i));
	g_variant_builder_open(builder, G_VARIANT_TYPE_VARDICT);
	add_string(builder, "Network", server->network);
	add_bool(builder, "Enabled", server->enabled);
	add_bool(builder, "Running", networks_dhcp_runs(daemon->networks, server->network));
	add_address(builder, "ServerIp", all.ip);
	add_address(builder, "Netmask", all.mask);
	add_address(builder, "LowerIp", all.lower);
	add_address(builder, "UpperIp", all.upper);
	g_variant_builder_add(builder, "{sv}", "Scopes", g_variant_builder_end(&scopes));
	g_variant_builder_close(builder);
}

GVariant *
bus_list_dhcp_servers(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	g_autoptr(GPtrArray) list = networks_list_dhcp(call_get_networks(call));
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
	for (i = 0; i < list->len; i++)
		add_dhcp(&builder, call->object->daemon, g_ptr_array_index(list, i));
	return g_variant_new("(aa{sv})", &builder);
}

GVariant *
bus_find_dhcp_lease(const BusCall *call, GError **error)
{
	g_autoptr(DhcpLease) lease = NULL;
	const char *network, *mac;

	g_variant_get(call->args, "(&s&s)", &network, &mac);
	lease = networks_find_lease(call_get_networks(call), network, mac, error);
	if (!lease)
		return NULL;
	return g_variant_new("(ssstt)", lease->address, lease->mac, lease->state, lease->issued,
			     lease->end);
}

/* ---- Extra data ---- */

GVariant *
bus_set_extra_data(const BusCall *call, GError **error)
{
	const char *key, *value;

	g_variant_get(call->args, "(&s&s)", &key, &value);
	networks_set_extra(call_get_networks(call), key, value, error);
	return NULL;
}

GVariant *
bus_list_extra_data(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	GVariantBuilder builder;
	GHashTableIter iter;
	gpointer key, value;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
	g_hash_table_iter_init(&iter, networks_list_extra(call_get_networks(call)));
	while (g_hash_table_iter_next(&iter, &key, &value))
		g_variant_builder_add(&builder, "{ss}", key, value);
	return g_variant_new("(a{ss})", &builder);
}
