/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * registry.c - the drivers that a context knows.
 *
 * A plugin that breaks a rule is refused whole. One that is right but comes later than another of
 * the same name is shadowed: whole where the plugin's name is taken, else driver by driver.
 */
#include "registry.h"

#include <string.h>

#include "driver-copy.h"
#include "loader.h"
#include "nearest.h"
#include "text.h"

#define DRIVERS_MAX 256u

typedef struct Module {
	char *path;
	JfPlugin *plugin;
} Module;

struct JfRegistry {
	GPtrArray *modules; /* Module */
	GArray *drivers;    /* JfDriverInfo, by kind and id; owns the drivers */
	GArray *problems;   /* JfPluginProblem, owns path and error */
};

static void
module_free(gpointer data)
{
	Module *module = data;

	g_free(module->path);
	g_free(module->plugin);
	g_free(module);
}

static void
info_clear(gpointer data)
{
	JfDriverInfo *info = data;

	jf_driver_copy_free((JfDriver *)info->driver);
}

static void
problem_clear(gpointer data)
{
	JfPluginProblem *problem = data;

	g_free((char *)problem->path);
	g_error_free((GError *)problem->error);
}

JfRegistry *
jf_registry_new(void)
{
	JfRegistry *registry = g_new0(JfRegistry, 1);

	registry->modules = g_ptr_array_new_with_free_func(module_free);
	registry->drivers = g_array_new(TRUE, TRUE, sizeof(JfDriverInfo));
	g_array_set_clear_func(registry->drivers, info_clear);
	registry->problems = g_array_new(TRUE, TRUE, sizeof(JfPluginProblem));
	g_array_set_clear_func(registry->problems, problem_clear);
	return registry;
}

void
jf_registry_free(JfRegistry *registry)
{
	if (!registry)
		return;
	g_array_unref(registry->drivers);
	g_array_unref(registry->problems);
	g_ptr_array_unref(registry->modules);
	g_free(registry);
}

static void
problem_add(JfRegistry *registry, const char *path, GError *error)
{
	JfPluginProblem problem = { .path = g_strdup(path), .error = error };

	g_array_append_val(registry->problems, problem);
}

static const JfDriverInfo *
info_at(const JfRegistry *registry, guint i)
{
	return &g_array_index(registry->drivers, JfDriverInfo, i);
}

static const JfDriverInfo *
info_find(const JfRegistry *registry, const char *id)
{
	for (guint i = 0; i < registry->drivers->len; i++)
		if (g_ascii_strcasecmp(info_at(registry, i)->driver->id, id) == 0)
			return info_at(registry, i);
	return NULL;
}

static int
info_compare(gconstpointer a, gconstpointer b)
{
	const JfDriver *x = ((const JfDriverInfo *)a)->driver;
	const JfDriver *y = ((const JfDriverInfo *)b)->driver;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return g_ascii_strcasecmp(x->id, y->id);
}

static void
info_add(JfRegistry *registry, JfDriver *driver, const JfPlugin *plugin, const char *path)
{
	JfDriverInfo info = { .driver = driver, .plugin = plugin, .path = path };

	g_array_append_val(registry->drivers, info);
	g_array_sort(registry->drivers, info_compare);
}

static GError *
taken_error(const JfDriverInfo *other, const char *id)
{
	return g_error_new(JF_ERROR, JF_ERROR_BUSY, "driver id '%s' is taken by %s", id,
			   other->path ? other->path : "the program itself");
}

/* ---- One plugin ---- */

static gboolean
ids_are_unique(const GPtrArray *drivers, GError **error)
{
	for (guint i = 0; i < drivers->len; i++)
		for (guint j = 0; j < i; j++) {
			const JfDriver *a = drivers->pdata[i], *b = drivers->pdata[j];

			if (g_ascii_strcasecmp(a->id, b->id) != 0)
				continue;
			g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN,
				    "driver id '%s' is there twice", a->id);
			return FALSE;
		}
	return TRUE;
}

/* Copies of all drivers of a plugin. NULL with the first rule that one of them breaks. */
static GPtrArray *
drivers_copy(const JfPlugin *plugin, GError **error)
{
	g_autoptr(GPtrArray)
		copies = g_ptr_array_new_with_free_func((GDestroyNotify)jf_driver_copy_free);

	for (guint i = 0; plugin->drivers[i]; i++) {
		JfDriver *copy;

		if (i == DRIVERS_MAX) {
			g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN,
				    "more than %u drivers, or no NULL ends them", DRIVERS_MAX);
			return NULL;
		}
		copy = jf_driver_copy(plugin->drivers[i], error);
		if (!copy)
			return NULL;
		g_ptr_array_add(copies, copy);
	}
	return ids_are_unique(copies, error) ? g_steal_pointer(&copies) : NULL;
}

static gboolean
name_is_free(const JfRegistry *registry, const char *name, GError **error)
{
	for (guint i = 0; i < registry->modules->len; i++) {
		const Module *other = registry->modules->pdata[i];

		if (strcmp(other->plugin->name, name) != 0)
			continue;
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "plugin name '%s' is taken by %s", name,
			    other->path);
		return FALSE;
	}
	return TRUE;
}

static gboolean
is_loaded(const JfRegistry *registry, const char *real)
{
	for (guint i = 0; i < registry->modules->len; i++)
		if (strcmp(((const Module *)registry->modules->pdata[i])->path, real) == 0)
			return TRUE;
	return FALSE;
}

/* Without `shadow`, one id that is taken refuses the plugin. */
static gboolean
ids_are_free(const JfRegistry *registry, const GPtrArray *drivers, GError **error)
{
	for (guint i = 0; i < drivers->len; i++) {
		const JfDriver *driver = drivers->pdata[i];
		const JfDriverInfo *other = info_find(registry, driver->id);

		if (!other)
			continue;
		g_propagate_error(error, taken_error(other, driver->id));
		return FALSE;
	}
	return TRUE;
}

static void
driver_shadow(JfRegistry *registry, const char *path, const JfDriver *driver,
	      const JfDriverInfo *other)
{
	GError *error = taken_error(other, driver->id);

	g_prefix_error(&error, "%s: ", path);
	problem_add(registry, path, error);
}

static void
module_add(JfRegistry *registry, const char *path, JfPlugin *plugin, const GPtrArray *drivers)
{
	Module *module = g_new0(Module, 1);

	module->path = g_strdup(path);
	module->plugin = plugin;
	g_ptr_array_add(registry->modules, module);
	for (guint i = 0; i < drivers->len; i++) {
		JfDriver *driver = drivers->pdata[i];
		const JfDriverInfo *other = info_find(registry, driver->id);

		if (other) {
			driver_shadow(registry, path, driver, other);
			jf_driver_copy_free(driver);
		} else {
			info_add(registry, driver, plugin, module->path);
		}
	}
}

static gboolean
module_load(JfRegistry *registry, const char *real, gboolean shadow, GError **error)
{
	const JfPlugin *theirs = jf_loader_open(real, error);
	g_autofree JfPlugin *plugin = theirs ? jf_plugin_copy(theirs, error) : NULL;
	g_autoptr(GPtrArray) drivers = plugin ? drivers_copy(plugin, error) : NULL;

	if (!drivers || !name_is_free(registry, plugin->name, error))
		return FALSE;
	if (!shadow && !ids_are_free(registry, drivers, error))
		return FALSE;
	module_add(registry, real, g_steal_pointer(&plugin), drivers);
	/* The registry owns them now. */
	g_ptr_array_set_free_func(drivers, NULL);
	return TRUE;
}

gboolean
jf_registry_load_path(JfRegistry *registry, const char *path, GError **error)
{
	g_autofree char *real = jf_loader_resolve(path, error);

	if (real && is_loaded(registry, real))
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "is loaded already");
	else if (real && module_load(registry, real, FALSE, error))
		return TRUE;
	g_prefix_error(error, "%s: ", path);
	return FALSE;
}

/* ---- Directories ---- */

static void
load_found(JfRegistry *registry, const char *path)
{
	GError *error = NULL;
	g_autofree char *real = jf_loader_resolve(path, &error);

	/* The same directory by two names is no problem worth telling. */
	if (real && is_loaded(registry, real))
		return;
	if (real && module_load(registry, real, TRUE, &error))
		return;
	g_prefix_error(&error, "%s: ", path);
	problem_add(registry, path, error);
}

static void
load_dir(JfRegistry *registry, const char *dir, gboolean optional)
{
	GError *error = NULL;
	g_autoptr(GPtrArray) names = jf_loader_list_dir(dir, &error);

	for (guint i = 0; names && i < names->len; i++)
		load_found(registry, names->pdata[i]);
	if (names)
		return;
	if (optional && g_error_matches(error, JF_ERROR, JF_ERROR_NOT_FOUND))
		g_error_free(error);
	else
		problem_add(registry, dir, error);
}

void
jf_registry_load_dir(JfRegistry *registry, const char *dir)
{
	load_dir(registry, dir, FALSE);
}

void
jf_registry_load_search_path(JfRegistry *registry)
{
	g_autoptr(GArray) dirs = jf_loader_search_path();

	for (guint i = 0; i < dirs->len; i++) {
		const JfLoaderDir *dir = &g_array_index(dirs, JfLoaderDir, i);

		load_dir(registry, dir->path, dir->optional);
	}
}

/* ---- Drivers ---- */

gboolean
jf_registry_add_driver(JfRegistry *registry, const JfDriver *driver, GError **error)
{
	g_autoptr(JfDriver) copy = jf_driver_copy(driver, error);
	const JfDriverInfo *other = copy ? info_find(registry, copy->id) : NULL;

	if (other)
		g_propagate_error(error, taken_error(other, copy->id));
	if (!copy || other)
		return FALSE;
	info_add(registry, g_steal_pointer(&copy), NULL, NULL);
	return TRUE;
}

static gboolean
kind_fits(guint32 kind, const JfDriver *driver)
{
	return kind == 0 || driver->kind == kind;
}

static void
find_error(const JfRegistry *registry, guint32 kind, const char *id, GError **error)
{
	const char *what = jf_kind_name(kind) ? jf_kind_name(kind) : "driver";
	g_autofree const char **ids = g_new0(const char *, registry->drivers->len + 1);
	g_autofree char *shown = jf_text_show(id), *hint = NULL, *all = NULL;
	guint n = 0;

	for (guint i = 0; i < registry->drivers->len; i++)
		if (kind_fits(kind, info_at(registry, i)->driver))
			ids[n++] = info_at(registry, i)->driver->id;
	hint = jf_nearest_hint(id, ids);
	all = g_strjoinv(", ", (char **)ids);
	if (*hint || n == 0)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "unknown %s '%s'%s", what, shown,
			    *hint ? hint : "; none is loaded");
	else
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "unknown %s '%s'; there are: %s",
			    what, shown, all);
}

const JfDriver *
jf_registry_find(JfRegistry *registry, guint32 kind, const char *id, GError **error)
{
	const JfDriverInfo *info = info_find(registry, id);

	if (info && kind_fits(kind, info->driver))
		return info->driver;
	if (info)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "driver '%s' is of kind %s, not %s", info->driver->id,
			    jf_kind_name(info->driver->kind),
			    jf_kind_name(kind) ? jf_kind_name(kind) : "unknown");
	else
		find_error(registry, kind, id, error);
	return NULL;
}

const JfDriverInfo *
jf_registry_list(JfRegistry *registry, guint *n)
{
	*n = registry->drivers->len;
	return (const JfDriverInfo *)(gpointer)registry->drivers->data;
}

const JfPluginProblem *
jf_registry_list_problems(JfRegistry *registry, guint *n)
{
	*n = registry->problems->len;
	return (const JfPluginProblem *)(gpointer)registry->problems->data;
}
