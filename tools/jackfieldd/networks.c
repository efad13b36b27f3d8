/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networks.c - the networks that this user has defined: document, lists, what was started. */
#include "networks.h"

#include <gio/gio.h>
#include <string.h>

#include "../common/paths.h"
#include "document.h"
#include "nearest.h"
#include "networks-private.h"
#include "text.h"

#define GROUP "started"

/* ---- The document ---- */

static gboolean
networks_read(Networks *networks, GError **error)
{
	g_autoptr(JsonNode) root = NULL;

	if (!g_file_test(networks->path, G_FILE_TEST_EXISTS))
		return TRUE;
	root = jf_document_load(networks->path, error);
	return root && networks_document_parse(root, &networks->config, error);
}

static void
networks_load(Networks *networks)
{
	g_autoptr(GError) error = NULL;
	DocumentProblem *problem;

	if (networks_read(networks, &error))
		return;
	g_warning("Networks document %s is left alone: %s", networks->path, error->message);
	networks_config_finish(&networks->config);
	networks_config_init(&networks->config);
	networks->problem = g_strdup(error->message);
	problem = g_new0(DocumentProblem, 1);
	problem->path = g_strdup(networks->path);
	problem->message = g_strdup(error->message);
	g_ptr_array_add(networks->daemon->problems, problem);
}

gboolean
networks_check_writable(const Networks *networks, GError **error)
{
	if (!networks->problem)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_STATE,
		    "%s could not be read (%s): mend it or move it away, and restart jackfieldd",
		    networks->path, networks->problem);
	return FALSE;
}

gboolean
networks_save(const Networks *networks, GError **error)
{
	g_autoptr(JsonNode) root = networks_document_build(&networks->config);

	return paths_make_private(networks->daemon->config_dir, error) &&
	       jf_document_save(networks->path, root, error);
}

/* ---- What was started by hand ---- */

static char *
started_get_path(const Networks *networks)
{
	return g_build_filename(networks->daemon->runtime_dir, "networks.started", NULL);
}

static char *
boot_get_id(void)
{
	char *id = NULL;

	if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
		return g_strdup("");
	return g_strstrip(id);
}

static void
started_add(GKeyFile *file, const char *key, GPtrArray *list, gsize offset)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	guint i;

	for (i = 0; i < list->len; i++)
		if (G_STRUCT_MEMBER(gboolean, list->pdata[i], offset))
			g_ptr_array_add(names, G_STRUCT_MEMBER(char *, list->pdata[i], 0));
	if (names->len)
		g_key_file_set_string_list(file, GROUP, key, (const char *const *)names->pdata,
					   names->len);
}

G_STATIC_ASSERT(G_STRUCT_OFFSET(NatNetwork, name) == 0);
G_STATIC_ASSERT(G_STRUCT_OFFSET(DhcpServer, network) == 0);

void
networks_save_started(const Networks *networks)
{
	g_autoptr(GPtrArray) nats = networks_list_nat(networks);
	g_autoptr(GPtrArray) dhcps = networks_list_dhcp(networks);
	g_autofree char *path = started_get_path(networks);
	g_autofree char *boot = boot_get_id();
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autoptr(GError) error = NULL;

	g_key_file_set_string(file, GROUP, "boot", boot);
	started_add(file, "nat", nats, G_STRUCT_OFFSET(NatNetwork, started));
	started_add(file, "dhcp", dhcps, G_STRUCT_OFFSET(DhcpServer, started));
	if (!g_key_file_save_to_file(file, path, &error))
		g_warning("%s: %s", path, error->message);
}

static void
started_resume(Networks *networks, const char *name)
{
	g_autoptr(GError) error = NULL;

	if (!networks_follow(networks, name, &error))
		g_warning("It does not come up again: %s", error->message);
}

void
networks_resume(Networks *networks)
{
	g_autofree char *path = started_get_path(networks);
	g_autofree char *now = boot_get_id();
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_auto(GStrv) nats = NULL;
	g_auto(GStrv) dhcps = NULL;
	g_autofree char *boot = NULL;
	char **name;

	if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL))
		return;
	boot = g_key_file_get_string(file, GROUP, "boot", NULL);
	if (g_strcmp0(boot, now) != 0)
		return;
	nats = g_key_file_get_string_list(file, GROUP, "nat", NULL, NULL);
	dhcps = g_key_file_get_string_list(file, GROUP, "dhcp", NULL, NULL);
	for (name = nats; name && *name; name++) {
		NatNetwork *net = g_hash_table_lookup(networks->config.nats, *name);

		if (net)
			net->started = TRUE;
		started_resume(networks, *name);
	}
	for (name = dhcps; name && *name; name++) {
		DhcpServer *server = g_hash_table_lookup(networks->config.dhcps, *name);

		if (server)
			server->started = TRUE;
		started_resume(networks, *name);
	}
}

gboolean
networks_is_idle(const Networks *networks)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, networks->config.nats);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (((const NatNetwork *)value)->started)
			return FALSE;
	g_hash_table_iter_init(&iter, networks->config.dhcps);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (((const DhcpServer *)value)->started)
			return FALSE;
	return TRUE;
}

/* ---- Life ---- */

Networks *
networks_new(Daemon *daemon)
{
	Networks *networks = g_new0(Networks, 1);

	networks->daemon = daemon;
	networks->path = g_build_filename(daemon->config_dir, "networks.json", NULL);
	networks->runs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, network_run_free);
	networks_config_init(&networks->config);
	networks_load(networks);
	return networks;
}

void
networks_free(Networks *networks)
{
	if (!networks)
		return;
	g_hash_table_unref(networks->runs);
	networks_config_finish(&networks->config);
	g_free(networks->path);
	g_free(networks->problem);
	g_free(networks);
}

/* ---- Lists ---- */

static int
compare_first_string(gconstpointer a, gconstpointer b)
{
	return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

static GPtrArray *
list_values(GHashTable *table)
{
	GPtrArray *list = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, table);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		g_ptr_array_add(list, value);
	g_ptr_array_sort(list, compare_first_string);
	return list;
}

const NatNetwork *
networks_get_nat(const Networks *networks, const char *name)
{
	return g_hash_table_lookup(networks->config.nats, name);
}

GPtrArray *
networks_list_nat(const Networks *networks)
{
	return list_values(networks->config.nats);
}

const DhcpServer *
networks_get_dhcp(const Networks *networks, const char *network)
{
	return g_hash_table_lookup(networks->config.dhcps, network);
}

GPtrArray *
networks_list_dhcp(const Networks *networks)
{
	return list_values(networks->config.dhcps);
}

void
networks_set_unknown(GHashTable *table, const char *what, const char *name, GError **error)
{
	g_autofree const char **names = (const char **)g_hash_table_get_keys_as_array(table, NULL);
	g_autofree char *shown = jf_text_show(name);
	g_autofree char *hint = jf_nearest_hint(name, names);

	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "There is no %s '%s'%s", what, shown,
		    hint);
}

gboolean
networks_nat_runs(const Networks *networks, const char *name)
{
	return network_run_has_engine(networks, name);
}

void
networks_list_counters(const Networks *networks, const char *network, JfCounterFunc func,
		       gpointer data)
{
	network_run_list_counters(networks, network, func, data);
}

gboolean
networks_dhcp_runs(const Networks *networks, const char *network)
{
	return network_run_has_dhcp(networks, network);
}

void
networks_get_dhcp_addresses(const Networks *networks, const char *network, DhcpServer *all)
{
	dhcp_server_get_addresses(networks_get_dhcp(networks, network),
				  networks_get_nat(networks, network), all, NULL);
}

/* ---- Extra data ---- */

gboolean
extra_check(const char *key, const char *value, GError **error)
{
	g_autoptr(GInetAddress) address = g_inet_address_new_from_string(value);
	gboolean is_4 = g_str_has_suffix(key, "/SourceIp4");
	g_autofree char *shown = jf_text_show(key);
	GSocketFamily family = is_4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6;

	if (!jf_text_is_plain(key, 255) || !g_str_has_prefix(key, "NAT/") ||
	    (!is_4 && !g_str_has_suffix(key, "/SourceIp6")) ||
	    strlen(key) <= strlen("NAT//SourceIp4")) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "Extra data '%s' means nothing here; NAT/NETWORK/SourceIp4 and "
			    "NAT/NETWORK/SourceIp6 do",
			    shown);
		return FALSE;
	}
	if (!*value || (address && g_inet_address_get_family(address) == family &&
			!g_inet_address_get_is_multicast(address)))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s is an %s address of this host, not '%s'",
		    shown, is_4 ? "IPv4" : "IPv6", value);
	return FALSE;
}

/* A running network keeps its source until it is started anew. */
gboolean
networks_set_extra(Networks *networks, const char *key, const char *value, GError **error)
{
	g_autofree char *old = g_strdup(g_hash_table_lookup(networks->config.extra, key));

	if (!networks_check_writable(networks, error) || !extra_check(key, value, error))
		return FALSE;
	if (*value)
		g_hash_table_insert(networks->config.extra, g_strdup(key), g_strdup(value));
	else
		g_hash_table_remove(networks->config.extra, key);
	if (networks_save(networks, error))
		return TRUE;
	g_hash_table_remove(networks->config.extra, key);
	if (old)
		g_hash_table_insert(networks->config.extra, g_strdup(key), g_steal_pointer(&old));
	return FALSE;
}

const char *
networks_get_extra(const Networks *networks, const char *key)
{
	return g_hash_table_lookup(networks->config.extra, key);
}

GHashTable *
networks_list_extra(const Networks *networks)
{
	return networks->config.extra;
}
