/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network.c - the networks of a context: they begin with their first port and end with their last.
 *
 * Joining and leaving take the lock over all networks and then, for writing, the lock of one.
 */
#include "network.h"

#include "instance.h"

#define NAME_MAX_LEN 127u

/* ---- One network ---- */

static Network *
network_new(JfNetworks *networks, const char *name)
{
	Network *net = g_new0(Network, 1);

	net->networks = networks;
	net->name = g_strdup(name);
	g_atomic_ref_count_init(&net->refs);
	net->fdb = jf_fdb_new((guint64)g_random_int() << 32 | g_random_int());
	jf_rmlock_init(&net->lock, &networks->domain);
	pthread_mutex_init(&net->policy_lock, NULL);
	return net;
}

static void
network_release(Network *net)
{
	if (!g_atomic_ref_count_dec(&net->refs))
		return;
	jf_rmlock_finish(&net->lock);
	pthread_mutex_destroy(&net->policy_lock);
	jf_fdb_free(net->fdb);
	g_free(net->ports);
	g_free(net->own);
	g_free(net->promiscuous);
	g_free(net->name);
	g_free(net);
}

/* A free id, 0: all are taken. */
static guint
network_find_id(Network *net)
{
	guint old = net->n_slots;

	for (guint id = 1; id < old; id++) {
		if (!net->ports[id])
			return id;
	}
	if (old > JF_FDB_PORT_MAX)
		return 0;
	net->n_slots += NETWORK_SLOT_STEP;
	net->ports = g_renew(JfSwitchPort *, net->ports, net->n_slots);
	net->own = g_renew(guint64, net->own, net->n_slots);
	net->promiscuous = g_renew(guint64, net->promiscuous, net->n_slots / NETWORK_SLOT_STEP);
	for (guint id = old; id < net->n_slots; id++) {
		net->ports[id] = NULL;
		net->own[id] = 0;
	}
	net->promiscuous[old / NETWORK_SLOT_STEP] = 0;
	return MAX(old, 1);
}

static gboolean
network_add(Network *net, JfSwitchPort *port)
{
	jf_rmlock_write_lock(&net->lock);
	port->id = network_find_id(net);
	if (port->id) {
		port->network = net;
		net->ports[port->id] = port;
		net->own[port->id] = network_mac_value(port->join.mac);
		net->n_ports++;
		switch_set_policy(net, port, port->join.promiscuous);
	}
	jf_rmlock_write_unlock(&net->lock);
	return port->id != 0;
}

/* When this returns, nobody is in the port's deliver or resume, nor will be. */
static void
network_remove(Network *net, JfSwitchPort *port)
{
	jf_rmlock_write_lock(&net->lock);
	switch_set_policy(net, port, JF_PROMISC_DENY);
	if (port->waits_for)
		net->n_waiting--;
	jf_fdb_forget(net->fdb, port->id);
	net->ports[port->id] = NULL;
	net->own[port->id] = 0;
	net->n_ports--;
	net->past_frames += port->frames;
	net->past_drops += port->drops;
	jf_rmlock_write_unlock(&net->lock);
}

static void
network_describe(Network *net, JfNetworkInfo *info)
{
	guint32 now = 0;

	jf_rmlock_read_lock(&net->lock);
	*info = (JfNetworkInfo){ .name = net->name,
				 .ports = net->n_ports,
				 .frames = net->past_frames,
				 .drops = net->past_drops };
	for (guint id = 1; id < net->n_slots; id++) {
		const JfSwitchPort *port = net->ports[id];

		if (!port)
			continue;
		now = network_seconds(port);
		info->frames += __atomic_load_n(&port->frames, __ATOMIC_RELAXED);
		info->drops += __atomic_load_n(&port->drops, __ATOMIC_RELAXED);
	}
	info->addresses = jf_fdb_count(net->fdb, now);
	jf_rmlock_read_unlock(&net->lock);
}

/* A host's or a service's port sees what its driver asked for. */
static void
network_set_promiscuous(Network *net, const JfInstance *inst, guint32 policy)
{
	jf_rmlock_read_lock(&net->lock);
	for (guint id = 1; id < net->n_slots; id++) {
		JfSwitchPort *port = net->ports[id];

		if (port && port->inst == inst && port->join.role == JF_PORT_CARD)
			switch_set_policy(net, port, policy);
	}
	jf_rmlock_read_unlock(&net->lock);
}

/* ---- All networks ---- */

JfNetworks *
jf_networks_new(void (*changed)(gpointer data), gpointer data)
{
	JfNetworks *networks = g_new0(JfNetworks, 1);

	pthread_mutex_init(&networks->lock, NULL);
	jf_rm_domain_init(&networks->domain);
	networks->table = g_hash_table_new(g_str_hash, g_str_equal);
	networks->changed = changed;
	networks->data = data;
	return networks;
}

void
jf_networks_free(JfNetworks *networks)
{
	if (!networks)
		return;
	g_hash_table_unref(networks->table);
	pthread_mutex_destroy(&networks->lock);
	jf_rm_domain_finish(&networks->domain);
	g_free(networks);
}

JfRmDomain *
jf_networks_get_domain(JfNetworks *networks)
{
	return &networks->domain;
}

static void
notify_changed(JfNetworks *networks)
{
	if (networks->changed)
		networks->changed(networks->data);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(a, b);
}

void
jf_networks_list(JfNetworks *networks, JfNetworkFunc func, gpointer data)
{
	g_autoptr(GList) names = NULL;

	pthread_mutex_lock(&networks->lock);
	names = g_list_sort(g_hash_table_get_keys(networks->table), compare_names);
	for (GList *l = names; l; l = l->next) {
		JfNetworkInfo info;

		network_describe(g_hash_table_lookup(networks->table, l->data), &info);
		func(&info, data);
	}
	pthread_mutex_unlock(&networks->lock);
}

/* ---- Joining and leaving ---- */

static gboolean
check_name(const char *name, GError **error)
{
	gsize len = strlen(name);
	const char *bad = NULL;

	if (len < 1 || len > NAME_MAX_LEN)
		bad = "wrong length";
	else if (!g_utf8_validate(name, -1, NULL))
		bad = "not UTF-8";
	for (const char *p = name; !bad && *p; p = g_utf8_next_char(p)) {
		if (g_unichar_iscntrl(g_utf8_get_char(p)))
			bad = "a control character";
	}
	if (bad) {
		g_autofree char *shown = g_strescape(name, NULL);

		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "network name \"%.160s\": %s; valid are 1 to %u bytes of UTF-8 without "
			    "control characters",
			    shown, bad, NAME_MAX_LEN);
	}
	return !bad;
}

static gboolean
check_join(JfInstance *inst, const JfSwitchJoin *join, GError **error)
{
	const char *bad = NULL;

	if (join->role > JF_PORT_SERVICE)
		bad = "role is none of JfPortRole";
	else if (join->promiscuous > JF_PROMISC_ALLOW_ALL)
		bad = "promiscuous is none of JfPromiscuous";
	else if (join->flags & ~(JF_PORT_LOSSLESS | JF_PORT_WAITS_FOR_SERVICES))
		bad = "flags has bits that are none of JF_PORT_LOSSLESS and "
		      "JF_PORT_WAITS_FOR_SERVICES";
	else if (network_mac_is_group(network_mac_value(join->mac)))
		bad = "mac is a group address";
	else if (!join->deliver)
		bad = "deliver is missing";
	else if (join->flags && !join->resume)
		bad = "resume is missing though the port waits for room";
	if (bad)
		g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN, "%s: JfSwitchJoin: %s", inst->name,
			    bad);
	return !bad;
}

/* networks->lock is held. */
static gboolean
join_network(JfNetworks *networks, const char *name, JfSwitchPort *port, GError **error)
{
	Network *net = g_hash_table_lookup(networks->table, name);

	if (net) {
		g_atomic_ref_count_inc(&net->refs);
	} else {
		net = network_new(networks, name);
		g_hash_table_insert(networks->table, net->name, net);
	}
	if (network_add(net, port))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "network \"%s\" is full: %u ports have joined",
		    name, JF_FDB_PORT_MAX);
	network_release(net);
	return FALSE;
}

JfSwitchPort *
jf_networks_join(JfNetworks *networks, JfInstance *inst, const char *name, const JfSwitchJoin *join,
		 GError **error)
{
	JfSwitchPort *port;
	gboolean joined;

	if (!check_name(name, error))
		return NULL;
	port = g_new0(JfSwitchPort, 1);
	memcpy(&port->join, join, MIN(join->struct_size, sizeof port->join));
	port->inst = inst;
	pthread_mutex_lock(&networks->lock);
	joined = check_join(inst, &port->join, error) && join_network(networks, name, port, error);
	pthread_mutex_unlock(&networks->lock);
	if (!joined) {
		g_free(port);
		return NULL;
	}
	notify_changed(networks);
	return port;
}

static JfSwitchPort *
switch_join(JfInstance *inst, const char *name, const JfSwitchJoin *join, GError **error)
{
	return jf_networks_join(jf_instance_get_networks(inst), inst, name, join, error);
}

static void
switch_leave(JfSwitchPort *port)
{
	JfNetworks *networks;
	Network *net;

	if (!port)
		return;
	net = port->network;
	networks = net->networks;
	pthread_mutex_lock(&networks->lock);
	network_remove(net, port);
	if (net->n_ports == 0)
		g_hash_table_remove(networks->table, net->name);
	pthread_mutex_unlock(&networks->lock);
	/* Who waits for this port would wait for ever. */
	switch_wake_waiters(net, port->id);
	network_release(net);
	g_free(port);
	notify_changed(networks);
}

static JfSwitchPort *
find_port_of(JfNetworks *networks, const JfInstance *inst)
{
	JfSwitchPort *found = NULL;
	GHashTableIter iter;
	gpointer value;

	pthread_mutex_lock(&networks->lock);
	g_hash_table_iter_init(&iter, networks->table);
	while (!found && g_hash_table_iter_next(&iter, NULL, &value)) {
		const Network *net = value;

		for (guint id = 1; id < net->n_slots && !found; id++) {
			if (net->ports[id] && net->ports[id]->inst == inst)
				found = net->ports[id];
		}
	}
	pthread_mutex_unlock(&networks->lock);
	return found;
}

void
jf_networks_leave_all(JfNetworks *networks, JfInstance *inst)
{
	JfSwitchPort *port;

	while ((port = find_port_of(networks, inst)))
		switch_leave(port);
}

void
jf_networks_set_promiscuous(JfNetworks *networks, JfInstance *inst, guint32 policy)
{
	GHashTableIter iter;
	gpointer value;

	/* For its next start. */
	__atomic_store_n(&jf_instance_full(inst)->info.promiscuous, policy, __ATOMIC_RELAXED);
	pthread_mutex_lock(&networks->lock);
	g_hash_table_iter_init(&iter, networks->table);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		network_set_promiscuous(value, inst, policy);
	pthread_mutex_unlock(&networks->lock);
}

const JfSwitch *
jf_switch_get_interface(void)
{
	static const JfSwitch iface = {
		.struct_size = sizeof(JfSwitch),
		.join = switch_join,
		.leave = switch_leave,
		.send = switch_send,
		.room = switch_room,
		.set_promiscuous = switch_set_promiscuous,
	};

	return &iface;
}
