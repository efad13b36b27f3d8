/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networks-nat.c - NAT networks: adding, changing, removing, starting. */
#include <string.h>

#include "networks-private.h"

static NatNetwork *
find_nat(Networks *networks, const char *name, GError **error)
{
	NatNetwork *net = g_hash_table_lookup(networks->config.nats, name);

	if (!net)
		networks_set_unknown(networks->config.nats, "NAT network", name, error);
	return net;
}

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
