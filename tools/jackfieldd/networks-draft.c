/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networks-draft.c - taking changes of one network over: saved, then followed by what runs. */
#include "bus.h"
#include "networks-private.h"

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

void
networks_changed(Networks *networks)
{
	networks_save_started(networks);
	bus_networks_changed(networks->daemon->bus);
}

void
draft_finish(Draft *draft)
{
	nat_network_free(draft->net);
	dhcp_server_free(draft->server);
}

Draft
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

gboolean
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
