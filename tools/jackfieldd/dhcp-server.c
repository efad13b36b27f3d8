/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-server.c - the definition of a network's DHCP server. */
#include "dhcp-server.h"

#include <string.h>

#include "dhcp-scope.h"
#include "text.h"

#define SCOPES_MAX 1024u

/* ---- Life ---- */

DhcpServer *
dhcp_server_new(const char *network, GError **error)
{
	DhcpServer *server;

	if (!network_name_check(network, error))
		return NULL;
	server = g_new0(DhcpServer, 1);
	server->network = g_strdup(network);
	server->scopes = g_ptr_array_new_with_free_func(dhcp_scope_free);
	g_ptr_array_add(server->scopes, dhcp_scope_new(""));
	return server;
}

DhcpServer *
dhcp_server_copy(const DhcpServer *server)
{
	DhcpServer *copy = g_new0(DhcpServer, 1);

	*copy = *server;
	copy->network = g_strdup(server->network);
	copy->scopes = g_ptr_array_new_with_free_func(dhcp_scope_free);
	g_ptr_array_extend(copy->scopes, server->scopes, dhcp_scope_copy, NULL);
	return copy;
}

void
dhcp_server_free(DhcpServer *server)
{
	if (!server)
		return;
	g_ptr_array_unref(server->scopes);
	g_free(server->network);
	g_free(server);
}

/* ---- Changes ---- */

static guint
scopes_find(const GPtrArray *scopes, const char *name)
{
	guint i;

	for (i = 0; i < scopes->len; i++)
		if (strcmp(((const DhcpScope *)g_ptr_array_index(scopes, i))->name, name) == 0)
			return i;
	return G_MAXUINT;
}

static gboolean
remove_config(DhcpServer *server, const char *name, GError **error)
{
	guint i = scopes_find(server->scopes, name);

	if (i == 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "remove-config: the global scope stays; zap-options empties it");
		return FALSE;
	}
	if (i == G_MAXUINT) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "There is no %s to remove", name);
		return FALSE;
	}
	g_ptr_array_remove_index(server->scopes, i);
	return TRUE;
}

static gboolean
change_scope(DhcpServer *server, const DhcpEnv *env, const NetworkChange *change, GError **error)
{
	g_autofree char *name = dhcp_scope_dup_name(change->scope, env, error);
	guint i = name ? scopes_find(server->scopes, name) : G_MAXUINT;

	if (!name)
		return FALSE;
	if (strcmp(change->key, "remove-config") == 0)
		return remove_config(server, name, error);
	if (i == G_MAXUINT) {
		if (server->scopes->len >= SCOPES_MAX) {
			g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
				    "A DHCP server has at most %u scopes", SCOPES_MAX);
			return FALSE;
		}
		i = server->scopes->len;
		g_ptr_array_add(server->scopes, dhcp_scope_new(name));
	}
	/* To name a scope is to have it. */
	if (strcmp(change->key, "scope") == 0)
		return TRUE;
	return dhcp_scope_change(g_ptr_array_index(server->scopes, i), change->key, change->value,
				 error);
}

gboolean
dhcp_server_change(DhcpServer *server, const DhcpEnv *env, const NetworkChange *change,
		   GError **error)
{
	if (strcmp(change->key, "enabled") == 0)
		return on_off_parse(change->key, change->value, &server->enabled, error);
	if (strcmp(change->key, "server-ip") == 0)
		return address_parse(change->key, change->value, &server->ip, error);
	if (strcmp(change->key, "netmask") == 0)
		return address_parse(change->key, change->value, &server->mask, error);
	if (strcmp(change->key, "lower-ip") == 0)
		return address_parse(change->key, change->value, &server->lower, error);
	if (strcmp(change->key, "upper-ip") == 0)
		return address_parse(change->key, change->value, &server->upper, error);
	return change_scope(server, env, change, error);
}

/* ---- Whether it fits together ---- */

gboolean
dhcp_server_get_addresses(const DhcpServer *server, const NatNetwork *net, DhcpServer *addresses,
			  GError **error)
{
	guint32 broadcast;

	*addresses = *server;
	if (!net || server->ip || server->mask || server->lower || server->upper)
		return TRUE;
	broadcast = net->network | ~nat_network_get_mask(net);
	addresses->mask = nat_network_get_mask(net);
	addresses->ip = nat_network_next_host(net, nat_network_get_gateway(net));
	addresses->lower = addresses->ip ? nat_network_next_host(net, addresses->ip) : 0;
	addresses->upper = broadcast - 1;
	if (addresses->lower)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "NAT network '%s' is too small for a DHCP server: switch dhcp off, or choose a "
		    "prefix length of 28 or less",
		    net->name);
	return FALSE;
}

static gboolean
server_refuse(const DhcpServer *server, const char *key, guint32 address, const char *why,
	      GError **error)
{
	g_autofree char *text = address_format(address);

	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "DHCP server of '%s': %s %s %s",
		    server->network, key, text, why);
	return FALSE;
}

static gboolean
check_host(const DhcpServer *server, const char *key, guint32 address, GError **error)
{
	g_autofree char *why = NULL;
	g_autofree char *ip = address_format(server->ip);
	g_autofree char *mask = address_format(server->mask);
	guint32 network = server->ip & server->mask;

	if ((address & server->mask) == network && address != network &&
	    address != (network | ~server->mask))
		return TRUE;
	why = g_strdup_printf("is not a host of the network of %s with netmask %s", ip, mask);
	return server_refuse(server, key, address, why, error);
}

static gboolean
check_missing(const DhcpServer *server, GError **error)
{
	const char *missing = NULL;

	if (!server->ip)
		missing = "--server-ip";
	else if (!server->mask)
		missing = "--netmask";
	else if (!server->lower)
		missing = "--lower-ip";
	else if (!server->upper)
		missing = "--upper-ip";
	if (missing)
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "DHCP server of '%s' needs %s; its four addresses are --server-ip, "
			    "--netmask, --lower-ip and --upper-ip",
			    server->network, missing);
	return !missing;
}

static gboolean
check_addresses(const DhcpServer *server, GError **error)
{
	guint32 inverse = ~server->mask;

	if (!check_missing(server, error))
		return FALSE;
	if ((inverse & (inverse + 1)) != 0 || inverse < 3 || server->mask == 0)
		return server_refuse(server, "netmask", server->mask,
				     "is not one of 128.0.0.0 to 255.255.255.252", error);
	if (!check_host(server, "server-ip", server->ip, error) ||
	    !check_host(server, "lower-ip", server->lower, error) ||
	    !check_host(server, "upper-ip", server->upper, error))
		return FALSE;
	if (server->lower > server->upper)
		return server_refuse(server, "lower-ip", server->lower, "is above the upper-ip",
				     error);
	return TRUE;
}

/* The gateway of a NAT network is nobody else's. */
static gboolean
check_net(const DhcpServer *server, const NatNetwork *net, GError **error)
{
	if ((server->ip & nat_network_get_mask(net)) != net->network ||
	    server->mask != nat_network_get_mask(net)) {
		g_autofree char *cidr = nat_network_dup_cidr(net);
		g_autofree char *why = g_strdup_printf("is not on NAT network %s", cidr);

		return server_refuse(server, "server-ip", server->ip, why, error);
	}
	if (server->ip == nat_network_get_gateway(net))
		return server_refuse(server, "server-ip", server->ip, "is the network's gateway",
				     error);
	return TRUE;
}

static gboolean
check_fixed(const DhcpServer *server, guint at, GError **error)
{
	const DhcpScope *scope = g_ptr_array_index(server->scopes, at);
	guint i;

	if (!scope->fixed)
		return TRUE;
	if (!check_host(server, "fixed-address", scope->fixed, error))
		return FALSE;
	if (scope->fixed == server->ip)
		return server_refuse(server, "fixed-address", scope->fixed, "is the server's own",
				     error);
	for (i = 0; i < at; i++) {
		const DhcpScope *other = g_ptr_array_index(server->scopes, i);
		g_autofree char *why = NULL;

		if (other->fixed != scope->fixed)
			continue;
		why = g_strdup_printf("belongs to %s already", other->name);
		return server_refuse(server, "fixed-address", scope->fixed, why, error);
	}
	return TRUE;
}

gboolean
dhcp_server_check(const DhcpServer *server, const NatNetwork *net, GError **error)
{
	DhcpServer all;
	guint i;

	if (!dhcp_server_get_addresses(server, net, &all, error) || !check_addresses(&all, error) ||
	    (net && !check_net(&all, net, error)))
		return FALSE;
	for (i = 0; i < all.scopes->len; i++)
		if (!dhcp_scope_check(g_ptr_array_index(all.scopes, i), error) ||
		    !check_fixed(&all, i, error))
			return FALSE;
	return TRUE;
}

gboolean
dhcp_server_needs_restart(const DhcpServer *from, const DhcpServer *to)
{
	return from->ip != to->ip || from->mask != to->mask || from->lower != to->lower ||
	       from->upper != to->upper;
}
