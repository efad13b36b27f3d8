/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store.c - the machines of this user: their documents, names and addresses. */
#include "store.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "../common/paths.h"
#include "document.h"
#include "machine-document.h"
#include "machine.h"
#include "nearest.h"
#include "networks.h"
#include "text.h"

#define SHORT_ID 8 /* hexadecimal digits */

static char *
store_get_dir(const Daemon *daemon)
{
	return g_build_filename(daemon->config_dir, "machines", NULL);
}

char *
store_get_path(const Daemon *daemon, const char *uuid)
{
	g_autofree char *dir = store_get_dir(daemon);
	g_autofree char *name = g_strconcat(uuid, ".json", NULL);

	return g_build_filename(dir, name, NULL);
}

/* Socket names are short, so ids in them are cut where that is unique. */
static char *
store_make_short_id(Daemon *daemon, const char *uuid)
{
	GHashTableIter iter;
	gpointer other;

	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, &other, NULL))
		if (strncmp(other, uuid, SHORT_ID) == 0)
			return g_strdup(uuid);
	return g_strndup(uuid, SHORT_ID);
}

static Machine *
store_insert(Daemon *daemon, MachineConfig *config)
{
	g_autofree char *short_id = store_make_short_id(daemon, config->uuid);
	Machine *machine = machine_new(daemon, config, short_id);

	g_hash_table_insert(daemon->machines, g_strdup(config->uuid), machine);
	return machine;
}

/* ---- Loading ---- */

static MachineConfig *
store_read(Daemon *daemon, const char *path, GError **error)
{
	g_autoptr(JsonNode) root = jf_document_load(path, error);
	g_autoptr(MachineConfig) config = NULL;
	g_autofree char *expected = NULL;

	if (!root)
		return NULL;
	config = machine_document_parse(root, &daemon->env, error);
	if (!config)
		return NULL;
	expected = store_get_path(daemon, config->uuid);
	if (strcmp(expected, path) != 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "The file's name is not that of its machine, %s.json", config->uuid);
		return NULL;
	}
	if (!store_check_name(daemon, config->name, error))
		return NULL;
	return g_steal_pointer(&config);
}

static void
store_load_file(Daemon *daemon, const char *path)
{
	g_autoptr(GError) error = NULL;
	MachineConfig *config = store_read(daemon, path, &error);
	DocumentProblem *problem;

	if (config) {
		store_insert(daemon, config);
		return;
	}
	g_warning("Machine document %s is left alone: %s", path, error->message);
	problem = g_new0(DocumentProblem, 1);
	problem->path = g_strdup(path);
	problem->message = g_strdup(error->message);
	g_ptr_array_add(daemon->problems, problem);
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
store_load(Daemon *daemon)
{
	g_autofree char *path = store_get_dir(daemon);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
	const char *name;
	guint i;

	while (dir && (name = g_dir_read_name(dir)))
		if (g_str_has_suffix(name, ".json") && *name != '.')
			g_ptr_array_add(files, g_build_filename(path, name, NULL));
	g_ptr_array_sort(files, compare_strings);
	for (i = 0; i < files->len; i++)
		store_load_file(daemon, g_ptr_array_index(files, i));
}

/* ---- Looking up ---- */

static int
compare_machines(gconstpointer a, gconstpointer b)
{
	return strcmp(machine_get_name(*(Machine *const *)a),
		      machine_get_name(*(Machine *const *)b));
}

GPtrArray *
store_list(Daemon *daemon)
{
	GPtrArray *list = g_ptr_array_new();
	GHashTableIter iter;
	gpointer machine;

	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, NULL, &machine))
		g_ptr_array_add(list, machine);
	g_ptr_array_sort(list, compare_machines);
	return list;
}

static Machine *
store_find_name(Daemon *daemon, const char *name)
{
	GHashTableIter iter;
	gpointer machine;

	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, NULL, &machine))
		if (strcmp(machine_get_name(machine), name) == 0)
			return machine;
	return NULL;
}

static void
store_set_unknown(Daemon *daemon, const char *name, GError **error)
{
	g_autoptr(GPtrArray) machines = store_list(daemon);
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_autofree char *shown = jf_text_show(name);
	g_autofree char *hint = NULL;
	guint i;

	for (i = 0; i < machines->len; i++)
		g_ptr_array_add(names, (char *)machine_get_name(g_ptr_array_index(machines, i)));
	g_ptr_array_add(names, NULL);
	hint = jf_nearest_hint(name, (const char *const *)names->pdata);
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "There is no machine '%s'%s", shown, hint);
}

Machine *
store_find(Daemon *daemon, const char *name_or_uuid, GError **error)
{
	g_autofree char *lower = g_ascii_strdown(name_or_uuid, -1);
	Machine *machine = g_hash_table_lookup(daemon->machines, lower);

	if (!machine)
		machine = store_find_name(daemon, name_or_uuid);
	if (!machine)
		store_set_unknown(daemon, name_or_uuid, error);
	return machine;
}

gboolean
store_check_name(Daemon *daemon, const char *name, GError **error)
{
	const Machine *machine = store_find_name(daemon, name);

	if (!machine)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "There is a machine '%s' already (%s)", name,
		    machine_get_config(machine)->uuid);
	return FALSE;
}

gboolean
store_is_mac_taken(const char *mac, gpointer data)
{
	Daemon *daemon = data;
	GHashTableIter iter;
	gpointer machine;
	guint i;

	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, NULL, &machine)) {
		const MachineConfig *config = machine_get_config(machine);

		for (i = 0; i < config->n_cards; i++)
			if (strcmp(card_config_get(&config->cards[i], "mac-address"), mac) == 0)
				return TRUE;
	}
	return FALSE;
}

/* ---- Adding and removing ---- */

Machine *
store_add(Daemon *daemon, MachineConfig *config, GError **error)
{
	g_autoptr(MachineConfig) owned = config;
	g_autofree char *dir = store_get_dir(daemon);
	g_autofree char *path = store_get_path(daemon, config->uuid);
	Machine *machine;

	if (!store_check_name(daemon, config->name, error) || !paths_make_private(dir, error))
		return NULL;
	/* Also a document that could not be read: somebody may want to mend it. */
	if (g_file_test(path, G_FILE_TEST_EXISTS)) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "There is a document %s already", path);
		return NULL;
	}
	machine = store_insert(daemon, g_steal_pointer(&owned));
	if (machine_save(machine, error))
		return machine;
	g_hash_table_remove(daemon->machines, machine_get_config(machine)->uuid);
	return NULL;
}

static char *
store_move_away(Daemon *daemon, const Machine *machine, GError **error)
{
	g_autofree char *dir = g_build_filename(daemon->config_dir, "unregistered", NULL);
	g_autofree char *base = g_path_get_basename(machine_get_document(machine));
	g_autofree char *kept = g_build_filename(dir, base, NULL);

	if (!paths_make_private(dir, error))
		return NULL;
	if (g_rename(machine_get_document(machine), kept) == 0)
		return g_steal_pointer(&kept);
	g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION, "Cannot move %s to %s: %s",
		    machine_get_document(machine), kept, g_strerror(errno));
	return NULL;
}

gboolean
store_remove(Daemon *daemon, Machine *machine, gboolean keep, char **kept, GError **error)
{
	if (machine_is_running(machine)) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "Machine '%s' runs: power it off first", machine_get_name(machine));
		return FALSE;
	}
	*kept = NULL;
	if (keep) {
		*kept = store_move_away(daemon, machine, error);
		if (!*kept)
			return FALSE;
	} else if (!jf_document_remove(machine_get_document(machine), error)) {
		return FALSE;
	}
	g_hash_table_remove(daemon->machines, machine_get_config(machine)->uuid);
	networks_machines_changed(daemon->networks);
	return TRUE;
}
