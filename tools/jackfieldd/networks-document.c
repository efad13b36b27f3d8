/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networks-document.c - the networks as JSON: data/schemas/networks.json.
 *
 * Reading makes the same changes that the command line would, so there is one set of rules.
 */
#include <string.h>

#include "dhcp-scope.h"
#include "networks-private.h"
#include "text.h"

/* ---- Content ---- */

void
networks_config_init(NetworksConfig *config)
{
	config->nats = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
					     (GDestroyNotify)nat_network_free);
	config->dhcps = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
					      (GDestroyNotify)dhcp_server_free);
	config->extra = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void
networks_config_finish(NetworksConfig *config)
{
	g_clear_pointer(&config->nats, g_hash_table_unref);
	g_clear_pointer(&config->dhcps, g_hash_table_unref);
	g_clear_pointer(&config->extra, g_hash_table_unref);
}

/* The same document each time. */
static GList *
sorted_keys(GHashTable *table)
{
	return g_list_sort(g_hash_table_get_keys(table), (GCompareFunc)strcmp);
}

/* ---- Writing ---- */

static void
add_strings(JsonObject *object, const char *name, JsonArray *array)
{
	if (json_array_get_length(array))
		json_object_set_array_member(object, name, array);
	else
		json_array_unref(array);
}

static JsonArray *
build_forwards(const GPtrArray *forwards)
{
	JsonArray *array = json_array_new();
	guint i;

	for (i = 0; i < forwards->len; i++) {
		g_autofree char *text = nat_forward_format(g_ptr_array_index(forwards, i));

		json_array_add_string_element(array, text);
	}
	return array;
}

static JsonArray *
build_loopbacks(const GArray *loopbacks)
{
	JsonArray *array = json_array_new();
	guint i;

	for (i = 0; i < loopbacks->len; i++) {
		g_autofree char *text =
			nat_loopback_format(&g_array_index(loopbacks, NatLoopback, i));

		json_array_add_string_element(array, text);
	}
	return array;
}

static JsonObject *
build_nat(const NatNetwork *net)
{
	JsonObject *object = json_object_new();
	g_autofree char *cidr = nat_network_dup_cidr(net);

	json_object_set_string_member(object, "name", net->name);
	json_object_set_boolean_member(object, "enabled", net->enabled);
	json_object_set_string_member(object, "network", cidr);
	json_object_set_boolean_member(object, "ipv6", net->ipv6);
	json_object_set_boolean_member(object, "ipv6-default", net->ipv6_default);
	if (net->has_prefix6) {
		g_autofree char *prefix = nat_network_dup_prefix6(net);

		json_object_set_string_member(object, "ipv6-prefix", prefix);
	}
	add_strings(object, "port-forward-4", build_forwards(net->forwards[0]));
	add_strings(object, "port-forward-6", build_forwards(net->forwards[1]));
	add_strings(object, "loopback-4", build_loopbacks(net->loopbacks));
	json_object_set_int_member(object, "loopback-6", net->loopback6);
	return object;
}

static JsonArray *
build_options(const DhcpScope *scope)
{
	JsonArray *array = json_array_new();
	guint i;

	for (i = 0; i < scope->options->len; i++) {
		const DhcpOption *option = g_ptr_array_index(scope->options, i);
		JsonObject *object = json_object_new();

		json_object_set_int_member(object, "code", option->code);
		json_object_set_string_member(object, option->is_hex ? "hex" : "value",
					      option->text);
		json_array_add_object_element(array, object);
	}
	return array;
}

static JsonArray *
build_codes(const GArray *codes)
{
	JsonArray *array = json_array_new();
	guint i;

	for (i = 0; i < codes->len; i++)
		json_array_add_int_element(array, g_array_index(codes, guint8, i));
	return array;
}

static JsonArray *
build_conditions(const DhcpScope *scope)
{
	JsonArray *array = json_array_new();
	guint i;

	for (i = 0; i < scope->conditions->len; i++) {
		const DhcpCondition *condition = g_ptr_array_index(scope->conditions, i);
		JsonObject *object = json_object_new();

		json_object_set_string_member(object, condition->key, condition->value);
		json_array_add_object_element(array, object);
	}
	return array;
}

static void
set_address(JsonObject *object, const char *name, guint32 address)
{
	g_autofree char *text = address_format(address);

	if (address)
		json_object_set_string_member(object, name, text);
}

static JsonObject *
build_scope(const DhcpScope *scope)
{
	JsonObject *object = json_object_new();
	guint i;

	json_object_set_string_member(object, "scope", scope->name);
	add_strings(object, "options", build_options(scope));
	add_strings(object, "force-opt", build_codes(scope->forced));
	add_strings(object, "suppress-opt", build_codes(scope->suppressed));
	for (i = 0; i < G_N_ELEMENTS(scope->times); i++)
		if (scope->times[i])
			json_object_set_int_member(object, dhcp_time_keys[i], scope->times[i]);
	set_address(object, "fixed-address", scope->fixed);
	add_strings(object, "conditions", build_conditions(scope));
	return object;
}

static JsonObject *
build_dhcp(const DhcpServer *server)
{
	JsonObject *object = json_object_new();
	JsonArray *scopes = json_array_new();
	guint i;

	json_object_set_string_member(object, "network", server->network);
	json_object_set_boolean_member(object, "enabled", server->enabled);
	set_address(object, "server-ip", server->ip);
	set_address(object, "netmask", server->mask);
	set_address(object, "lower-ip", server->lower);
	set_address(object, "upper-ip", server->upper);
	for (i = 0; i < server->scopes->len; i++)
		json_array_add_object_element(scopes,
					      build_scope(g_ptr_array_index(server->scopes, i)));
	json_object_set_array_member(object, "scopes", scopes);
	return object;
}

JsonNode *
networks_document_build(const NetworksConfig *config)
{
	g_autoptr(GList) nats = sorted_keys(config->nats);
	g_autoptr(GList) dhcps = sorted_keys(config->dhcps);
	g_autoptr(GList) keys = sorted_keys(config->extra);
	JsonArray *nat_array = json_array_new(), *dhcp_array = json_array_new();
	JsonObject *root = json_object_new(), *extra = json_object_new();
	JsonNode *node = json_node_new(JSON_NODE_OBJECT);
	GList *l;

	for (l = nats; l; l = l->next)
		json_array_add_object_element(
			nat_array, build_nat(g_hash_table_lookup(config->nats, l->data)));
	for (l = dhcps; l; l = l->next)
		json_array_add_object_element(
			dhcp_array, build_dhcp(g_hash_table_lookup(config->dhcps, l->data)));
	for (l = keys; l; l = l->next)
		json_object_set_string_member(extra, l->data,
					      g_hash_table_lookup(config->extra, l->data));
	json_object_set_int_member(root, "version", NETWORKS_DOCUMENT_VERSION);
	json_object_set_array_member(root, "nat-networks", nat_array);
	json_object_set_array_member(root, "dhcp-servers", dhcp_array);
	json_object_set_object_member(root, "extra-data", extra);
	json_node_take_object(node, root);
	return node;
}

/* ---- Reading ---- */

static gboolean
refuse(const char *name, const char *wanted, GError **error)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Member '%s' is not %s", name, wanted);
	return FALSE;
}

/* A scalar as the command line would give it. */
static char *
node_dup_text(JsonNode *node, const char *name, GError **error)
{
	GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;

	if (type == G_TYPE_STRING)
		return g_strdup(json_node_get_string(node));
	if (type == G_TYPE_BOOLEAN)
		return g_strdup(json_node_get_boolean(node) ? "on" : "off");
	if (type == G_TYPE_INT64)
		return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
	refuse(name, "a text, a number, true or false", error);
	return NULL;
}

static JsonObject *
node_get_object(JsonNode *node, const char *name, GError **error)
{
	if (node && JSON_NODE_HOLDS_OBJECT(node))
		return json_node_get_object(node);
	refuse(name, "an object", error);
	return NULL;
}

static JsonArray *
node_get_array(JsonNode *node, const char *name, GError **error)
{
	if (JSON_NODE_HOLDS_ARRAY(node))
		return json_node_get_array(node);
	refuse(name, "an array", error);
	return NULL;
}

static char *
object_dup_name(JsonObject *object, const char *member, GError **error)
{
	JsonNode *node = json_object_get_member(object, member);

	if (node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
		return g_strdup(json_node_get_string(node));
	refuse(member, "there, or not a text", error);
	return NULL;
}

/* Calls `func` for the member, or for each element of an array. */
typedef gboolean (*ChangeFunc)(gpointer what, const char *scope, const char *key, const char *value,
			       GError **error);

static gboolean
change_member(gpointer what, const char *scope, const char *key, JsonNode *node, ChangeFunc func,
	      GError **error)
{
	JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
	guint i, n = array ? json_array_get_length(array) : 1;

	for (i = 0; i < n; i++) {
		JsonNode *element = array ? json_array_get_element(array, i) : node;
		g_autofree char *text = node_dup_text(element, key, error);

		if (!text || !func(what, scope, key, text, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
change_nat(gpointer what, const char *scope, const char *key, const char *value, GError **error)
{
	const NetworkChange change = { scope, key, value };

	/* 0 is how the document says "none", which is how it is. */
	if (strcmp(key, "loopback-6") == 0 && strcmp(value, "0") == 0)
		return TRUE;
	return nat_network_change(what, &change, error);
}

static gboolean
read_nat(NetworksConfig *config, JsonObject *object, GError **error)
{
	g_autofree char *name = object_dup_name(object, "name", error);
	g_autoptr(NatNetwork) net = name ? nat_network_new(name, error) : NULL;
	JsonObjectIter iter;
	const char *key;
	JsonNode *node;

	if (!net)
		return FALSE;
	g_array_set_size(net->loopbacks, 0);
	net->loopback6 = 0;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &key, &node))
		if (strcmp(key, "name") != 0 &&
		    !change_member(net, "", key, node, change_nat, error))
			return FALSE;
	if (!nat_network_check(net, error))
		return FALSE;
	if (g_hash_table_contains(config->nats, net->name))
		return refuse("name", "another one's", error);
	g_hash_table_insert(config->nats, net->name, net);
	net = NULL;
	return TRUE;
}

/* A machine of a document may be gone by now; the rest is good all the same. */
static char *
keep_machine(const char *name, guint nic G_GNUC_UNUSED, GError **error, gpointer data G_GNUC_UNUSED)
{
	if (g_uuid_string_is_valid(name))
		return g_strdup(name);
	refuse("scope", "vm/UUID/NIC", error);
	return NULL;
}

static gboolean
change_dhcp(gpointer what, const char *scope, const char *key, const char *value, GError **error)
{
	static const DhcpEnv env = { .find_machine = keep_machine };
	const NetworkChange change = { scope, key, value };

	return dhcp_server_change(what, &env, &change, error);
}

static gboolean
read_option(DhcpServer *server, const char *scope, JsonNode *node, GError **error)
{
	JsonObject *object = node_get_object(node, "options", error);
	gboolean is_hex = object && json_object_has_member(object, "hex");
	g_autofree char *value = object ? object_dup_name(object, is_hex ? "hex" : "value", error)
					: NULL;
	JsonNode *code = object ? json_object_get_member(object, "code") : NULL;
	g_autofree char *text = NULL;

	if (!value)
		return FALSE;
	if (!code || !JSON_NODE_HOLDS_VALUE(code) || json_node_get_value_type(code) != G_TYPE_INT64)
		return refuse("code", "there, or not a number", error);
	text = g_strdup_printf("%" G_GINT64_FORMAT " %s", json_node_get_int(code), value);
	return change_dhcp(server, scope, is_hex ? "set-opt-hex" : "set-opt", text, error);
}

static gboolean
read_condition(DhcpServer *server, const char *scope, JsonNode *node, GError **error)
{
	JsonObject *object = node_get_object(node, "conditions", error);
	JsonObjectIter iter;
	const char *key;
	JsonNode *value;

	if (!object)
		return FALSE;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &key, &value))
		if (!change_member(server, scope, key, value, change_dhcp, error))
			return FALSE;
	return TRUE;
}

static gboolean
read_elements(DhcpServer *server, const char *scope, const char *key, JsonNode *node,
	      gboolean (*read)(DhcpServer *server, const char *scope, JsonNode *node,
			       GError **error),
	      GError **error)
{
	JsonArray *array = node_get_array(node, key, error);
	guint i;

	for (i = 0; array && i < json_array_get_length(array); i++)
		if (!read(server, scope, json_array_get_element(array, i), error))
			return FALSE;
	return array != NULL;
}

static gboolean
read_scope(DhcpServer *server, const char *parent G_GNUC_UNUSED, JsonNode *node, GError **error)
{
	JsonObject *object = node_get_object(node, "scopes", error);
	g_autofree char *scope = object ? object_dup_name(object, "scope", error) : NULL;
	JsonObjectIter iter;
	const char *key;
	JsonNode *value;
	gboolean ok = scope && change_dhcp(server, scope, "scope", "", error);

	if (!ok)
		return FALSE;
	json_object_iter_init(&iter, object);
	while (ok && json_object_iter_next(&iter, &key, &value)) {
		if (strcmp(key, "options") == 0)
			ok = read_elements(server, scope, key, value, read_option, error);
		else if (strcmp(key, "conditions") == 0)
			ok = read_elements(server, scope, key, value, read_condition, error);
		else if (strcmp(key, "scope") != 0)
			ok = change_member(server, scope, key, value, change_dhcp, error);
	}
	return ok;
}

static gboolean
read_dhcp(NetworksConfig *config, JsonObject *object, GError **error)
{
	g_autofree char *name = object_dup_name(object, "network", error);
	g_autoptr(DhcpServer) server = name ? dhcp_server_new(name, error) : NULL;
	JsonObjectIter iter;
	const char *key;
	JsonNode *node;
	gboolean ok = server != NULL;

	if (!ok)
		return FALSE;
	json_object_iter_init(&iter, object);
	while (ok && json_object_iter_next(&iter, &key, &node)) {
		if (strcmp(key, "scopes") == 0)
			ok = read_elements(server, "", key, node, read_scope, error);
		else if (strcmp(key, "network") != 0)
			ok = change_member(server, "", key, node, change_dhcp, error);
	}
	if (!ok)
		return FALSE;
	if (g_hash_table_contains(config->dhcps, server->network))
		return refuse("network", "another one's", error);
	g_hash_table_insert(config->dhcps, server->network, server);
	server = NULL;
	return TRUE;
}

static gboolean
read_list(NetworksConfig *config, const char *name, JsonNode *node,
	  gboolean (*read)(NetworksConfig *config, JsonObject *object, GError **error),
	  GError **error)
{
	JsonArray *array = node_get_array(node, name, error);
	guint i;

	for (i = 0; array && i < json_array_get_length(array); i++) {
		JsonObject *object = node_get_object(json_array_get_element(array, i), name, error);

		if (!object || !read(config, object, error)) {
			g_prefix_error(error, "%s, number %u: ", name, i + 1);
			return FALSE;
		}
	}
	return array != NULL;
}

static gboolean
read_extra(NetworksConfig *config, JsonNode *node, GError **error)
{
	JsonObject *object = node_get_object(node, "extra-data", error);
	JsonObjectIter iter;
	const char *key;
	JsonNode *value;

	if (!object)
		return FALSE;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &key, &value)) {
		g_autofree char *text = node_dup_text(value, key, error);

		if (!text || !extra_check(key, text, error))
			return FALSE;
		g_hash_table_insert(config->extra, g_strdup(key), g_steal_pointer(&text));
	}
	return TRUE;
}

static gboolean
check_version(JsonObject *root, GError **error)
{
	JsonNode *node = json_object_get_member(root, "version");

	if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
		return refuse("version", "there, or not a number", error);
	if (json_node_get_int(node) == NETWORKS_DOCUMENT_VERSION)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "Document has version %" G_GINT64_FORMAT ", this program reads version %d",
		    json_node_get_int(node), NETWORKS_DOCUMENT_VERSION);
	return FALSE;
}

/* A server is checked with its network, which may come after it. */
static gboolean
check_servers(const NetworksConfig *config, GError **error)
{
	GHashTableIter iter;
	gpointer name, server;

	g_hash_table_iter_init(&iter, config->dhcps);
	while (g_hash_table_iter_next(&iter, &name, &server))
		if (((const DhcpServer *)server)->enabled &&
		    !dhcp_server_check(server, g_hash_table_lookup(config->nats, name), error))
			return FALSE;
	return TRUE;
}

gboolean
networks_document_parse(JsonNode *node, NetworksConfig *config, GError **error)
{
	JsonObject *root = node_get_object(node, "(document)", error);
	JsonObjectIter iter;
	const char *name;
	JsonNode *member;
	gboolean ok = root && check_version(root, error);

	if (!ok)
		return FALSE;
	json_object_iter_init(&iter, root);
	while (ok && json_object_iter_next(&iter, &name, &member)) {
		if (strcmp(name, "nat-networks") == 0)
			ok = read_list(config, name, member, read_nat, error);
		else if (strcmp(name, "dhcp-servers") == 0)
			ok = read_list(config, name, member, read_dhcp, error);
		else if (strcmp(name, "extra-data") == 0)
			ok = read_extra(config, member, error);
		else if (strcmp(name, "version") != 0)
			ok = refuse(name, "one that this program knows", error);
	}
	return ok && check_servers(config, error);
}
