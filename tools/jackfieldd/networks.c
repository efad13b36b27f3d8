/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networks.c - the networks that this user has defined: adding, changing, removing, starting. */
#include "networks.h"

#include <gio/gio.h>
#include <string.h>

#include "../common/paths.h"
#include "bus.h"
#include "document.h"
#include "machine.h"
#include "nearest.h"
#include "networks-private.h"
#include "store.h"
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

/* Somebody may want to mend it: it is not written over. */
static gboolean
networks_check_writable(const Networks *networks, GError **error)
{
	if (!networks->problem)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_STATE,
		    "%s could not be read (%s): mend it or move it away, and restart jackfieldd",
		    networks->path, networks->problem);
	return FALSE;
}

static gboolean
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

static void
started_save(const Networks *networks)
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

static void
set_unknown(GHashTable *table, const char *what, const char *name, GError **error)
{
	g_autofree const char **names = (const char **)g_hash_table_get_keys_as_array(table, NULL);
	g_autofree char *shown = jf_text_show(name);
	g_autofree char *hint = jf_nearest_hint(name, names);

	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "There is no %s '%s'%s", what, shown,
		    hint);
}

static NatNetwork *
find_nat(Networks *networks, const char *name, GError **error)
{
	NatNetwork *net = g_hash_table_lookup(networks->config.nats, name);

	if (!net)
		set_unknown(networks->config.nats, "NAT network", name, error);
	return net;
}

static DhcpServer *
find_dhcp(Networks *networks, const char *network, GError **error)
{
	DhcpServer *server = g_hash_table_lookup(networks->config.dhcps, network);

	if (!server)
		set_unknown(networks->config.dhcps, "DHCP server for network", network, error);
	return server;
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

/* ---- Taking changes over ---- */

/* What the configuration was, for when the new one does not work. Takes what it is given. */
static void
put_nat(Networks *networks, const char *name, NatNetwork *net)
{
	g_hash_table_steal(networks->config.nats, name);
	if (net)
		g_hash_table_insert(networks->config.nats, net->name, net);
}

static void
put_dhcp(Networks *networks, const char *network, DhcpServer *server)
{
	g_hash_table_steal(networks->config.dhcps, network);
	if (server)
		g_hash_table_insert(networks->config.dhcps, server->network, server);
}

static void
networks_changed(Networks *networks)
{
	started_save(networks);
	bus_networks_changed(networks->daemon->bus);
}

/* The new definitions of one name; NULL: none. */
typedef struct Draft {
	NatNetwork *net;
	DhcpServer *server;
} Draft;

static void
draft_finish(Draft *draft)
{
	nat_network_free(draft->net);
	dhcp_server_free(draft->server);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Draft, draft_finish)

static Draft
draft_of(Networks *networks, const char *name)
{
	const NatNetwork *net = networks_get_nat(networks, name);
	const DhcpServer *server = networks_get_dhcp(networks, name);

	return (Draft){ net ? nat_network_copy(net) : NULL,
			server ? dhcp_server_copy(server) : NULL };
}

/* What runs follows what is new in `draft`. */
static gboolean
draft_run(Networks *networks, const char *name, const Draft *old, GError **error)
{
	const NatNetwork *net = networks_get_nat(networks, name);

	if (old->net && net && !network_run_set_forwards(networks, old->net, net, error))
		return FALSE;
	if (networks_follow(networks, name, error) &&
	    (!old->server || network_run_update_dhcp(networks, old->server, error)))
		return TRUE;
	if (old->net && net)
		network_run_set_forwards(networks, net, old->net, NULL);
	return FALSE;
}

/* Takes the draft over when it can be saved and what runs can follow it; all or nothing. */
static gboolean
draft_apply(Networks *networks, const char *name, Draft *draft, GError **error)
{
	g_auto(Draft) old = { g_hash_table_lookup(networks->config.nats, name),
			      g_hash_table_lookup(networks->config.dhcps, name) };
	const Draft made = *draft;

	put_nat(networks, name, g_steal_pointer(&draft->net));
	put_dhcp(networks, name, g_steal_pointer(&draft->server));
	if (draft_run(networks, name, &old, error)) {
		if (networks_save(networks, error)) {
			networks_changed(networks);
			return TRUE;
		}
	}
	put_nat(networks, name, g_steal_pointer(&old.net));
	put_dhcp(networks, name, g_steal_pointer(&old.server));
	draft_run(networks, name, &made, NULL);
	old = made;
	return FALSE;
}

/* ---- NAT networks ---- */

static gint
compare_changes(gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
	return nat_network_compare_changes(a, b);
}

/* "dhcp": the server of the network's name, made where there is none. */
static gboolean
draft_set_dhcp(Draft *draft, const NetworkChange *change, GError **error)
{
	gboolean on;

	if (!on_off_parse(change->key, change->value, &on, error))
		return FALSE;
	if (on && !draft->server)
		draft->server = dhcp_server_new(draft->net->name, error);
	if (draft->server)
		draft->server->enabled = on;
	return TRUE;
}

/* An address that another network left behind is of no use to guests: it follows from the network
 * again. */
static void
draft_fit_dhcp(Draft *draft, const NatNetwork *before)
{
	DhcpServer *server = draft->server;

	if (!server || (before && before->network == draft->net->network &&
			before->prefix == draft->net->prefix))
		return;
	if (!dhcp_server_check(server, draft->net, NULL))
		server->ip = server->mask = server->lower = server->upper = 0;
}

static gboolean
draft_check(const Draft *draft, GError **error)
{
	return (!draft->net || nat_network_check(draft->net, error)) &&
	       (!draft->server || !draft->server->enabled ||
		dhcp_server_check(draft->server, draft->net, error));
}

static gboolean
draft_change_nat(Draft *draft, const NatNetwork *before, const NetworkChange *changes, guint n,
		 GError **error)
{
	g_autofree NetworkChange *sorted = g_memdup2(changes, n * sizeof *changes);
	guint i;

	g_qsort_with_data(sorted, (gint)n, sizeof *sorted, compare_changes, NULL);
	for (i = 0; i < n; i++)
		if (!(strcmp(sorted[i].key, "dhcp") == 0
			      ? draft_set_dhcp(draft, &sorted[i], error)
			      : nat_network_change(draft->net, &sorted[i], error)))
			return FALSE;
	draft_fit_dhcp(draft, before);
	return draft_check(draft, error);
}

gboolean
networks_create_nat(Networks *networks, const char *name, const NetworkChange *changes, guint n,
		    GError **error)
{
	static const NetworkChange dhcp = { "", "dhcp", "on" };
	g_auto(Draft) draft = draft_of(networks, name);

	if (!networks_check_writable(networks, error))
		return FALSE;
	if (draft.net) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "There is a NAT network '%s' already",
			    name);
		return FALSE;
	}
	draft.net = nat_network_new(name, error);
	return draft.net && draft_set_dhcp(&draft, &dhcp, error) &&
	       draft_change_nat(&draft, NULL, changes, n, error) &&
	       draft_apply(networks, name, &draft, error);
}

static gboolean
check_not_busy(Networks *networks, const NatNetwork *net, const char *what, GError **error)
{
	if (!network_run_has_engine(networks, net->name))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
		    "NAT network '%s' runs, so %s: power its machines off, or 'natnetwork stop' it "
		    "first",
		    net->name, what);
	return FALSE;
}

gboolean
networks_modify_nat(Networks *networks, const char *name, const NetworkChange *changes, guint n,
		    GError **error)
{
	const NatNetwork *net = find_nat(networks, name, error);
	g_auto(Draft) draft = { NULL, NULL };
	g_autofree char *what = NULL;
	const char *fixed;

	if (!net || !networks_check_writable(networks, error))
		return FALSE;
	draft = draft_of(networks, name);
	if (!draft_change_nat(&draft, net, changes, n, error))
		return FALSE;
	fixed = nat_network_find_fixed(net, draft.net);
	what = fixed ? g_strdup_printf("its %s cannot change", fixed) : NULL;
	if (fixed && !check_not_busy(networks, net, what, error))
		return FALSE;
	return draft_apply(networks, name, &draft, error);
}

/* Its DHCP server stays, as VirtualBox has it, unless it has nothing without the network. */
gboolean
networks_remove_nat(Networks *networks, const char *name, GError **error)
{
	const NatNetwork *net = find_nat(networks, name, error);
	g_auto(Draft) draft = { NULL, NULL };

	if (!net || !networks_check_writable(networks, error) ||
	    !check_not_busy(networks, net, "it cannot be removed", error))
		return FALSE;
	draft = draft_of(networks, name);
	if (draft.server) {
		DhcpServer all;

		networks_get_dhcp_addresses(networks, name, &all);
		draft.server->ip = all.ip;
		draft.server->mask = all.mask;
		draft.server->lower = all.lower;
		draft.server->upper = all.upper;
	}
	g_clear_pointer(&draft.net, nat_network_free);
	if (draft.server && (!draft.server->ip || !draft.server->lower))
		g_clear_pointer(&draft.server, dhcp_server_free);
	return draft_apply(networks, name, &draft, error);
}

gboolean
networks_start_nat(Networks *networks, const char *name, GError **error)
{
	NatNetwork *net = find_nat(networks, name, error);
	gboolean was_started = net && net->started;

	if (!net)
		return FALSE;
	if (!net->enabled) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "NAT network '%s' is disabled: 'natnetwork modify --enable' it first",
			    name);
		return FALSE;
	}
	network_run_hold(networks, name, TRUE, TRUE, FALSE);
	net->started = TRUE;
	if (networks_follow(networks, name, error)) {
		networks_changed(networks);
		return TRUE;
	}
	net->started = was_started;
	networks_follow(networks, name, NULL);
	return FALSE;
}

gboolean
networks_stop_nat(Networks *networks, const char *name, GError **error)
{
	NatNetwork *net = find_nat(networks, name, error);

	if (!net)
		return FALSE;
	if (!network_run_has_engine(networks, name)) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "NAT network '%s' does not run", name);
		return FALSE;
	}
	net->started = FALSE;
	network_run_hold(networks, name, TRUE, TRUE, TRUE);
	networks_follow(networks, name, NULL);
	networks_changed(networks);
	return TRUE;
}

/* ---- DHCP servers ---- */

static char *
find_machine(const char *name, guint nic, GError **error, gpointer data)
{
	Networks *networks = data;
	const Machine *machine = store_find(networks->daemon, name, error);
	const MachineConfig *config = machine ? machine_get_config(machine) : NULL;

	if (!config)
		return NULL;
	if (nic <= config->n_cards)
		return g_strdup(config->uuid);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Machine '%s' has cards 1 to %u", config->name,
		    config->n_cards);
	return NULL;
}

static gboolean
draft_change_dhcp(Networks *networks, Draft *draft, const NetworkChange *changes, guint n,
		  GError **error)
{
	const DhcpEnv env = { find_machine, networks };
	guint i;

	for (i = 0; i < n; i++)
		if (!dhcp_server_change(draft->server, &env, &changes[i], error))
			return FALSE;
	return dhcp_server_check(draft->server, draft->net, error);
}

/* Of four addresses that follow from a NAT network one cannot change alone. */
static void
draft_fix_addresses(Networks *networks, Draft *draft, const NetworkChange *changes, guint n)
{
	static const char *const keys[] = { "server-ip", "netmask", "lower-ip", "upper-ip", NULL };
	DhcpServer all;
	guint i;

	for (i = 0; i < n; i++) {
		if (!g_strv_contains(keys, changes[i].key))
			continue;
		networks_get_dhcp_addresses(networks, draft->server->network, &all);
		draft->server->ip = all.ip;
		draft->server->mask = all.mask;
		draft->server->lower = all.lower;
		draft->server->upper = all.upper;
		return;
	}
}

gboolean
networks_create_dhcp(Networks *networks, const char *network, const NetworkChange *changes, guint n,
		     GError **error)
{
	g_auto(Draft) draft = draft_of(networks, network);

	if (!networks_check_writable(networks, error))
		return FALSE;
	if (draft.server) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
			    "Network '%s' has a DHCP server already", network);
		return FALSE;
	}
	draft.server = dhcp_server_new(network, error);
	return draft.server && draft_change_dhcp(networks, &draft, changes, n, error) &&
	       draft_apply(networks, network, &draft, error);
}

gboolean
networks_modify_dhcp(Networks *networks, const char *network, const NetworkChange *changes, guint n,
		     GError **error)
{
	g_auto(Draft) draft = { NULL, NULL };

	if (!find_dhcp(networks, network, error) || !networks_check_writable(networks, error))
		return FALSE;
	draft = draft_of(networks, network);
	draft_fix_addresses(networks, &draft, changes, n);
	return draft_change_dhcp(networks, &draft, changes, n, error) &&
	       draft_apply(networks, network, &draft, error);
}

gboolean
networks_remove_dhcp(Networks *networks, const char *network, GError **error)
{
	g_auto(Draft) draft = { NULL, NULL };

	if (!find_dhcp(networks, network, error) || !networks_check_writable(networks, error))
		return FALSE;
	draft = draft_of(networks, network);
	g_clear_pointer(&draft.server, dhcp_server_free);
	return draft_apply(networks, network, &draft, error);
}

gboolean
networks_start_dhcp(Networks *networks, const char *network, GError **error)
{
	DhcpServer *server = find_dhcp(networks, network, error);
	gboolean was_started = server && server->started;

	if (!server)
		return FALSE;
	if (!server->enabled) {
		g_set_error(
			error, JF_ERROR, JF_ERROR_STATE,
			"DHCP server of '%s' is disabled: 'dhcpserver modify --enable' it first",
			network);
		return FALSE;
	}
	network_run_hold(networks, network, FALSE, TRUE, FALSE);
	server->started = TRUE;
	if (networks_follow(networks, network, error)) {
		networks_changed(networks);
		return TRUE;
	}
	server->started = was_started;
	networks_follow(networks, network, NULL);
	return FALSE;
}

gboolean
networks_restart_dhcp(Networks *networks, const char *network, GError **error)
{
	if (!find_dhcp(networks, network, error))
		return FALSE;
	if (network_run_has_dhcp(networks, network))
		return network_run_restart_dhcp(networks, network, error);
	g_set_error(error, JF_ERROR, JF_ERROR_STATE, "DHCP server of '%s' does not run", network);
	return FALSE;
}

gboolean
networks_stop_dhcp(Networks *networks, const char *network, GError **error)
{
	DhcpServer *server = find_dhcp(networks, network, error);

	if (!server)
		return FALSE;
	if (!network_run_has_dhcp(networks, network)) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "DHCP server of '%s' does not run",
			    network);
		return FALSE;
	}
	server->started = FALSE;
	network_run_hold(networks, network, FALSE, TRUE, TRUE);
	networks_follow(networks, network, NULL);
	networks_changed(networks);
	return TRUE;
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
