/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-run.c - what runs on the networks: NAT engines and DHCP services.
 *
 * There is one rule, in networks_follow: from the configuration, the number of cards and what was
 * asked for by hand follows what runs. Everything else changes one of the three and calls it.
 */
#include <string.h>

#include "../common/paths.h"
#include "bus.h"
#include "nearest.h"
#include "networks-private.h"
#include "text.h"

typedef struct ServiceRun {
	JfService *service; /* NULL: it does not run */
	JfWorker *worker;
	gboolean held; /* stopped by hand */
} ServiceRun;

struct NetworkRun {
	char *name;
	Workers *workers;
	guint cards, nat_cards; /* on the network; those of them by `natnetwork` */
	ServiceRun engine, dhcp;
};

struct NetworkUse {
	char *name;
	gboolean is_nat;
};

/* ---- One service ---- */

static void
service_run_stop(NetworkRun *run, ServiceRun *service)
{
	if (!service->service)
		return;
	g_clear_pointer(&service->service, jf_service_free);
	workers_give(run->workers, service->worker);
	service->worker = NULL;
}

/* Makes it, not yet started; `properties` ends with NULL. */
static gboolean
service_run_make(const Networks *networks, NetworkRun *run, ServiceRun *service, const char *driver,
		 const char *const *properties, GError **error)
{
	JfServiceConfig config = {
		.struct_size = sizeof config,
		.name = run->name,
		.driver = driver,
		.properties = properties,
		.config_dir = networks->daemon->config_dir,
		.runtime_dir = networks->daemon->runtime_dir,
	};

	service->worker = config.worker = workers_take(run->workers, error);
	if (!config.worker)
		return FALSE;
	service->service = jf_service_new(networks->daemon->context, &config, error);
	if (service->service)
		return TRUE;
	workers_give(run->workers, service->worker);
	service->worker = NULL;
	return FALSE;
}

static gboolean
service_run_start(NetworkRun *run, ServiceRun *service, GError **error)
{
	if (jf_service_start(service->service, error))
		return TRUE;
	service_run_stop(run, service);
	return FALSE;
}

/* ---- DHCP ---- */

static char *
property_address(const char *name, guint32 address)
{
	g_autofree char *text = address_format(address);

	return g_strdup_printf("%s=%s", name, text);
}

static char *
property_cidr(const char *name, guint32 address, guint32 mask)
{
	g_autofree char *text = address_format(address);
	guint prefix = 0;

	while (mask << prefix)
		prefix++;
	return g_strdup_printf("%s=%s/%u", name, text, prefix);
}

static gboolean
run_start_dhcp(const Networks *networks, NetworkRun *run, const DhcpServer *server, GError **error)
{
	g_autofree char *config = dhcp_files_get_config(networks, run->name);
	g_autofree char *leases = dhcp_files_get_leases(networks, run->name);
	g_autofree char *dir = g_path_get_dirname(leases);
	g_autoptr(GPtrArray) properties = g_ptr_array_new_with_free_func(g_free);
	DhcpServer all;

	if (!dhcp_server_check(server, networks_get_nat(networks, run->name), error) ||
	    !dhcp_files_write(networks, server, error) || !paths_make_private(dir, error))
		return FALSE;
	networks_get_dhcp_addresses(networks, run->name, &all);
	g_ptr_array_add(properties, g_strconcat("network=", run->name, NULL));
	g_ptr_array_add(properties, property_cidr("address", all.ip, all.mask));
	g_ptr_array_add(properties, property_address("lower-ip", all.lower));
	g_ptr_array_add(properties, property_address("upper-ip", all.upper));
	g_ptr_array_add(properties, g_strconcat("config=", config, NULL));
	g_ptr_array_add(properties, g_strconcat("leases=", leases, NULL));
	g_ptr_array_add(properties, NULL);
	return service_run_make(networks, run, &run->dhcp, "dhcp",
				(const char *const *)properties->pdata, error) &&
	       service_run_start(run, &run->dhcp, error);
}

/* ---- The engine ---- */

static void
add_source(const Networks *networks, const char *name, const char *key, const char *property,
	   GPtrArray *properties)
{
	g_autofree char *full = g_strdup_printf("NAT/%s/%s", name, key);
	const char *address = networks_get_extra(networks, full);

	if (address)
		g_ptr_array_add(properties, g_strdup_printf("%s=%s", property, address));
}

static void
add_loopbacks(const NatNetwork *net, GPtrArray *properties)
{
	g_autoptr(GString) text = g_string_new("loopback-4=");
	guint i;

	for (i = 0; i < net->loopbacks->len; i++) {
		const NatLoopback *loopback = &g_array_index(net->loopbacks, NatLoopback, i);
		g_autofree char *host = address_format(loopback->address);
		g_autofree char *guest = address_format(net->network + loopback->offset);

		g_string_append_printf(text, "%s%s=%s", i ? "," : "", guest, host);
	}
	if (net->loopbacks->len)
		g_ptr_array_add(properties, g_strdup(text->str));
}

static void
add_ipv6(const NatNetwork *net, GPtrArray *properties)
{
	g_autofree char *prefix = nat_network_dup_prefix6(net);

	g_ptr_array_add(properties, g_strdup(net->ipv6 ? "ipv6=on" : "ipv6=off"));
	g_ptr_array_add(properties, g_strconcat("ipv6-prefix=", prefix, NULL));
	g_ptr_array_add(properties,
			g_strdup(net->ipv6_default ? "ipv6-default=on" : "ipv6-default=off"));
	if (net->loopback6)
		g_ptr_array_add(properties, g_strdup_printf("loopback-6=%u", net->loopback6));
}

static gboolean
run_add_forwards(NetworkRun *run, const NatNetwork *net, GError **error)
{
	guint i, k;

	for (i = 0; i < G_N_ELEMENTS(net->forwards); i++)
		for (k = 0; k < net->forwards[i]->len; k++) {
			const Forward *forward = g_ptr_array_index(net->forwards[i], k);

			if (jf_service_add_forward(run->engine.service, &forward->rule, error))
				continue;
			g_prefix_error(error, "Rule '%s': ", forward->name);
			return FALSE;
		}
	return TRUE;
}

static gboolean
run_start_engine(const Networks *networks, NetworkRun *run, const NatNetwork *net, GError **error)
{
	g_autoptr(GPtrArray) properties = g_ptr_array_new_with_free_func(g_free);

	g_ptr_array_add(properties, g_strconcat("network=", run->name, NULL));
	g_ptr_array_add(properties, property_cidr("address", nat_network_get_gateway(net),
						  nat_network_get_mask(net)));
	add_ipv6(net, properties);
	add_loopbacks(net, properties);
	add_source(networks, run->name, "SourceIp4", "bind-ip", properties);
	add_source(networks, run->name, "SourceIp6", "bind-ip6", properties);
	g_ptr_array_add(properties, NULL);
	if (!service_run_make(networks, run, &run->engine, "nat-router",
			      (const char *const *)properties->pdata, error))
		return FALSE;
	if (run_add_forwards(run, net, error))
		return service_run_start(run, &run->engine, error);
	service_run_stop(run, &run->engine);
	return FALSE;
}

static const Forward *
forwards_find(const NatNetwork *net, const char *wanted)
{
	guint i, k;

	for (i = 0; i < G_N_ELEMENTS(net->forwards); i++)
		for (k = 0; k < net->forwards[i]->len; k++) {
			const Forward *forward = g_ptr_array_index(net->forwards[i], k);
			g_autofree char *text = nat_forward_format(forward);

			if (strcmp(text, wanted) == 0)
				return forward;
		}
	return NULL;
}

/* The rules of `these` that `others` has not. */
static GPtrArray *
forwards_less(const NatNetwork *these, const NatNetwork *others)
{
	GPtrArray *list = g_ptr_array_new();
	guint i, k;

	for (i = 0; i < G_N_ELEMENTS(these->forwards); i++)
		for (k = 0; k < these->forwards[i]->len; k++) {
			Forward *forward = g_ptr_array_index(these->forwards[i], k);
			g_autofree char *text = nat_forward_format(forward);

			if (!forwards_find(others, text))
				g_ptr_array_add(list, forward);
		}
	return list;
}

static gboolean
service_add_forwards(JfService *service, const GPtrArray *forwards, GError **error)
{
	guint i;

	for (i = 0; i < forwards->len; i++) {
		const Forward *forward = g_ptr_array_index(forwards, i);

		if (jf_service_add_forward(service, &forward->rule, error))
			continue;
		g_prefix_error(error, "Rule '%s': ", forward->name);
		while (i-- > 0)
			jf_service_remove_forward(
				service, ((const Forward *)g_ptr_array_index(forwards, i))->name,
				NULL);
		return FALSE;
	}
	return TRUE;
}

gboolean
network_run_set_forwards(Networks *networks, const NatNetwork *from, const NatNetwork *to,
			 GError **error)
{
	const NetworkRun *run = g_hash_table_lookup(networks->runs, from->name);
	JfService *service = run ? run->engine.service : NULL;
	g_autoptr(GPtrArray) gone = forwards_less(from, to);
	g_autoptr(GPtrArray) come = forwards_less(to, from);
	guint i;

	if (!service)
		return TRUE;
	for (i = 0; i < gone->len; i++)
		jf_service_remove_forward(
			service, ((const Forward *)g_ptr_array_index(gone, i))->name, NULL);
	if (service_add_forwards(service, come, error))
		return TRUE;
	service_add_forwards(service, gone, NULL);
	return FALSE;
}

/* ---- What runs ---- */

void
network_run_free(gpointer data)
{
	NetworkRun *run = data;

	service_run_stop(run, &run->dhcp);
	service_run_stop(run, &run->engine);
	g_free(run->name);
	g_free(run);
}

static NetworkRun *
run_get(Networks *networks, const char *name)
{
	NetworkRun *run = g_hash_table_lookup(networks->runs, name);

	if (run)
		return run;
	run = g_new0(NetworkRun, 1);
	run->name = g_strdup(name);
	run->workers = networks->daemon->workers;
	g_hash_table_insert(networks->runs, run->name, run);
	return run;
}

static gboolean
wants_engine(const NetworkRun *run, const NatNetwork *net)
{
	return net && net->enabled && !run->engine.held && (run->nat_cards || net->started);
}

static gboolean
wants_dhcp(const NetworkRun *run, const DhcpServer *server, const NatNetwork *net)
{
	return server && server->enabled && !run->dhcp.held &&
	       (run->cards || server->started || (net && net->enabled && net->started));
}

static gboolean
run_follow(Networks *networks, NetworkRun *run, GError **error)
{
	const NatNetwork *net = networks_get_nat(networks, run->name);
	const DhcpServer *server = networks_get_dhcp(networks, run->name);

	if (!run->cards)
		run->engine.held = run->dhcp.held = FALSE;
	if (!wants_dhcp(run, server, net))
		service_run_stop(run, &run->dhcp);
	if (!wants_engine(run, net))
		service_run_stop(run, &run->engine);
	else if (!run->engine.service && !run_start_engine(networks, run, net, error))
		return FALSE;
	if (wants_dhcp(run, server, net) && !run->dhcp.service &&
	    !run_start_dhcp(networks, run, server, error))
		return FALSE;
	return TRUE;
}

gboolean
networks_follow(Networks *networks, const char *name, GError **error)
{
	NetworkRun *run = run_get(networks, name);
	gboolean ok = run_follow(networks, run, error);

	if (!ok)
		g_prefix_error(error, "Network '%s': ", name);
	if (!run->cards && !run->engine.service && !run->dhcp.service)
		g_hash_table_remove(networks->runs, name);
	return ok;
}

gboolean
network_run_has_engine(const Networks *networks, const char *name)
{
	const NetworkRun *run = g_hash_table_lookup(networks->runs, name);

	return run && run->engine.service;
}

gboolean
network_run_has_dhcp(const Networks *networks, const char *name)
{
	const NetworkRun *run = g_hash_table_lookup(networks->runs, name);

	return run && run->dhcp.service;
}

void
network_run_list_counters(const Networks *networks, const char *name, JfCounterFunc func,
			  gpointer data)
{
	const NetworkRun *run = g_hash_table_lookup(networks->runs, name);

	if (run && run->engine.service)
		jf_service_list_counters(run->engine.service, func, data);
	if (run && run->dhcp.service)
		jf_service_list_counters(run->dhcp.service, func, data);
}

void
network_run_hold(Networks *networks, const char *name, gboolean engine, gboolean dhcp,
		 gboolean hold)
{
	NetworkRun *run = run_get(networks, name);

	if (engine)
		run->engine.held = hold;
	if (dhcp)
		run->dhcp.held = hold;
}

gboolean
network_run_restart_dhcp(Networks *networks, const char *name, GError **error)
{
	NetworkRun *run = run_get(networks, name);

	service_run_stop(run, &run->dhcp);
	return networks_follow(networks, name, error);
}

gboolean
network_run_update_dhcp(Networks *networks, const DhcpServer *from, GError **error)
{
	const DhcpServer *server = networks_get_dhcp(networks, from->network);
	NetworkRun *run = g_hash_table_lookup(networks->runs, from->network);
	g_autofree char *path = NULL;

	if (!run || !run->dhcp.service || !server)
		return TRUE;
	if (dhcp_server_needs_restart(from, server))
		return network_run_restart_dhcp(networks, from->network, error);
	path = dhcp_files_get_config(networks, from->network);
	return dhcp_files_write(networks, server, error) &&
	       jf_service_set_property(run->dhcp.service, "config", path, error);
}

/* ---- Cards ---- */

static const char *
plan_find_property(const CardPlan *plan, const char *name)
{
	gsize len = strlen(name);
	char **property;

	for (property = plan->attachment_properties; property && *property; property++)
		if (strncmp(*property, name, len) == 0 && (*property)[len] == '=')
			return *property + len + 1;
	return NULL;
}

/* The name of the network that the card is on; NULL: on none that has services. */
static char *
plan_dup_network(const CardPlan *plan)
{
	const char *name = plan_find_property(plan, "network");
	const char *interface = plan_find_property(plan, "interface");

	if (g_ascii_strcasecmp(plan->attachment, "intnet") == 0)
		return g_strdup(name ? name : "intnet");
	if (g_ascii_strcasecmp(plan->attachment, "natnetwork") == 0)
		return g_strdup(name);
	if (g_ascii_strcasecmp(plan->attachment, "hostonly") == 0 && interface)
		return g_strconcat("HostInterfaceNetworking-", interface, NULL);
	return NULL;
}

static gboolean
plan_is_nat(const CardPlan *plan)
{
	return g_ascii_strcasecmp(plan->attachment, "natnetwork") == 0;
}

static void
set_unknown_nat(const Networks *networks, const char *name, GError **error)
{
	g_autoptr(GPtrArray) list = networks_list_nat(networks);
	g_autofree char *hint = NULL;
	guint i;

	for (i = 0; i < list->len; i++)
		list->pdata[i] = ((NatNetwork *)list->pdata[i])->name;
	g_ptr_array_add(list, NULL);
	hint = jf_nearest_hint(name, (const char *const *)list->pdata);
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
		    "There is no NAT network '%s'%s; 'natnetwork add' makes one", name, hint);
}

static void
use_free(NetworkUse *use)
{
	g_free(use->name);
	g_free(use);
}

gboolean
networks_take(Networks *networks, const CardPlan *plan, NetworkUse **use, GError **error)
{
	g_autofree char *name = plan_dup_network(plan);
	NetworkRun *run;

	*use = NULL;
	if (!name)
		return TRUE;
	if (plan_is_nat(plan) && !networks_get_nat(networks, name)) {
		set_unknown_nat(networks, name, error);
		return FALSE;
	}
	run = run_get(networks, name);
	*use = g_new0(NetworkUse, 1);
	(*use)->is_nat = plan_is_nat(plan);
	(*use)->name = g_steal_pointer(&name);
	run->cards++;
	run->nat_cards += (*use)->is_nat;
	if (networks_follow(networks, (*use)->name, error))
		return TRUE;
	networks_give(networks, g_steal_pointer(use));
	return FALSE;
}

void
networks_give(Networks *networks, NetworkUse *use)
{
	NetworkRun *run = use ? g_hash_table_lookup(networks->runs, use->name) : NULL;
	g_autoptr(GError) error = NULL;

	if (!run)
		return;
	run->cards--;
	run->nat_cards -= use->is_nat;
	if (!networks_follow(networks, use->name, &error))
		g_warning("%s", error->message);
	use_free(use);
}

void
networks_machines_changed(Networks *networks)
{
	GHashTableIter iter;
	gpointer run;

	g_hash_table_iter_init(&iter, networks->runs);
	while (g_hash_table_iter_next(&iter, NULL, &run)) {
		const DhcpServer *server = networks_get_dhcp(networks, ((NetworkRun *)run)->name);
		g_autoptr(GError) error = NULL;

		if (server && !network_run_update_dhcp(networks, server, &error))
			g_warning("DHCP server of %s: %s", server->network, error->message);
	}
}

/* ---- Failures ---- */

static void
service_run_poll(NetworkRun *run, ServiceRun *service, const char *what)
{
	const GError *error = service->service ? jf_service_get_error(service->service) : NULL;

	if (!error)
		return;
	g_warning("%s of network %s has failed: %s", what, run->name, error->message);
	service_run_stop(run, service);
	service->held = TRUE;
}

void
networks_poll(Networks *networks)
{
	GHashTableIter iter;
	gpointer run;

	g_hash_table_iter_init(&iter, networks->runs);
	while (g_hash_table_iter_next(&iter, NULL, &run)) {
		service_run_poll(run, &((NetworkRun *)run)->engine, "NAT engine");
		service_run_poll(run, &((NetworkRun *)run)->dhcp, "DHCP server");
	}
}
