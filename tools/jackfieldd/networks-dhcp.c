/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networks-dhcp.c - DHCP servers: adding, changing, removing, starting. */
#include "machine.h"
#include "networks-private.h"
#include "store.h"

static DhcpServer *
find_dhcp(Networks *networks, const char *network, GError **error)
{
	DhcpServer *server = g_hash_table_lookup(networks->config.dhcps, network);

	if (!server)
		networks_set_unknown(networks->config.dhcps, "DHCP server for network", network,
				     error);
	return server;
}

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
