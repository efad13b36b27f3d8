/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon.c - everything that one jackfieldd has. */
#include "daemon.h"

#include "bus.h"
#include "machine.h"
#include "networks.h"
#include "ports.h"
#include "running.h"
#include "store.h"

/* ---- What the workers say ---- */

static gboolean
daemon_look(gpointer data)
{
	Daemon *daemon = data;
	GHashTableIter iter;
	gpointer machine;

	if (g_atomic_int_compare_and_exchange(&daemon->cards_dirty, 1, 0)) {
		g_hash_table_iter_init(&iter, daemon->machines);
		while (g_hash_table_iter_next(&iter, NULL, &machine))
			machine_poll(machine);
		ports_poll(daemon->ports);
	}
	if (g_atomic_int_compare_and_exchange(&daemon->services_dirty, 1, 0))
		networks_poll(daemon->networks);
	if (g_atomic_int_compare_and_exchange(&daemon->networks_dirty, 1, 0))
		bus_networks_changed(daemon->bus);
	return G_SOURCE_REMOVE;
}

static void
daemon_card_changed(G_GNUC_UNUSED JfCard *card, G_GNUC_UNUSED guint32 what, gpointer data)
{
	Daemon *daemon = data;

	if (g_atomic_int_compare_and_exchange(&daemon->cards_dirty, 0, 1))
		g_idle_add(daemon_look, daemon);
}

static void
daemon_networks_changed(gpointer data)
{
	Daemon *daemon = data;

	if (g_atomic_int_compare_and_exchange(&daemon->networks_dirty, 0, 1))
		g_idle_add(daemon_look, daemon);
}

static void
daemon_service_changed(G_GNUC_UNUSED JfService *service, gpointer data)
{
	Daemon *daemon = data;

	if (g_atomic_int_compare_and_exchange(&daemon->services_dirty, 0, 1))
		g_idle_add(daemon_look, daemon);
}

static void
daemon_log(GLogLevelFlags level, const char *origin, const char *message,
	   G_GNUC_UNUSED gpointer data)
{
	level &= G_LOG_LEVEL_MASK;
	/* GLib ends the program at an error; a plugin's is not a reason. */
	if (level & G_LOG_LEVEL_ERROR)
		level = G_LOG_LEVEL_CRITICAL;
	g_log_structured(G_LOG_DOMAIN, level, "JACKFIELD_ORIGIN", origin, "MESSAGE", "%s: %s",
			 origin, message);
}

/* ---- Life ---- */

static void
daemon_load_plugins(Daemon *daemon)
{
	const JfPluginProblem *problems;
	guint i, n;

	jf_context_load_plugins(daemon->context);
	problems = jf_context_list_problems(daemon->context, &n);
	for (i = 0; i < n; i++)
		g_message("Plugin %s: %s", problems[i].path, problems[i].error->message);
}

static void
problem_free(gpointer data)
{
	DocumentProblem *problem = data;

	g_free(problem->path);
	g_free(problem->message);
	g_free(problem);
}

Daemon *
daemon_new(const char *config_dir, const char *runtime_dir, guint workers)
{
	static const JfContextEvents events = {
		.struct_size = sizeof events,
		.card_changed = daemon_card_changed,
		.networks_changed = daemon_networks_changed,
		.log = daemon_log,
		.service_changed = daemon_service_changed,
	};
	Daemon *daemon = g_new0(Daemon, 1);

	daemon->config_dir = g_strdup(config_dir);
	daemon->runtime_dir = g_strdup(runtime_dir);
	daemon->context = jf_context_new(&events, daemon);
	daemon->ostypes = ostypes_new();
	daemon->env.context = daemon->context;
	daemon->env.ostypes = daemon->ostypes;
	daemon->env.mac_taken = store_is_mac_taken;
	daemon->env.data = daemon;
	daemon->workers = workers_new(daemon->context, workers);
	daemon->machines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
						 (GDestroyNotify)machine_free);
	daemon->problems = g_ptr_array_new_with_free_func(problem_free);
	daemon_load_plugins(daemon);
	store_load(daemon);
	daemon->networks = networks_new(daemon);
	return daemon;
}

void
daemon_free(Daemon *daemon)
{
	if (!daemon)
		return;
	ports_free(daemon->ports);
	g_hash_table_unref(daemon->machines);
	networks_free(daemon->networks);
	workers_free(daemon->workers);
	jf_context_free(daemon->context);
	/* Nobody is left to add another one. */
	while (g_idle_remove_by_data(daemon))
		;
	ostypes_free(daemon->ostypes);
	g_ptr_array_unref(daemon->problems);
	g_free(daemon->config_dir);
	g_free(daemon->runtime_dir);
	g_free(daemon);
}

void
daemon_resume_machines(Daemon *daemon)
{
	GHashTableIter iter;
	gpointer uuid, machine;

	networks_resume(daemon->networks);
	running_sweep(daemon->runtime_dir, daemon->machines);
	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, &uuid, &machine)) {
		g_autoptr(GError) error = NULL;
		g_auto(RunningInfo) info = { 0 };

		if (!running_find(daemon->runtime_dir, uuid, &info))
			continue;
		if (machine_start(machine, &info, &error))
			continue;
		g_warning("Machine %s does not come up again: %s", machine_get_name(machine),
			  error->message);
		running_remove(daemon->runtime_dir, uuid);
	}
}

gboolean
daemon_listen(Daemon *daemon, GError **error)
{
	daemon->ports = ports_new(daemon, error);
	return daemon->ports != NULL;
}

gboolean
daemon_is_idle(Daemon *daemon)
{
	GHashTableIter iter;
	gpointer machine;

	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, NULL, &machine))
		if (machine_is_running(machine))
			return FALSE;
	return networks_is_idle(daemon->networks) &&
	       (!daemon->ports || ports_is_idle(daemon->ports));
}
