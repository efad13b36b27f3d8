/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* running.c - which machines run, kept in the runtime directory. */
#include "running.h"

#include <glib/gstdio.h>
#include <string.h>

#include "../common/paths.h"
#include "jackfield/abi.h"

#define GROUP "running"

static char *
running_get_dir(const char *runtime_dir)
{
	return g_build_filename(runtime_dir, "running", NULL);
}

static char *
boot_get_id(void)
{
	char *id = NULL;

	if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
		return g_strdup("");
	return g_strstrip(id);
}

void
running_info_clear(RunningInfo *info)
{
	guint i;

	for (i = 0; i < MACHINE_CARDS_MAX; i++)
		g_clear_pointer(&info->connectors[i], g_free);
}

static void
connectors_write(GKeyFile *file, const RunningInfo *info)
{
	guint i;

	for (i = 0; i < MACHINE_CARDS_MAX; i++) {
		g_autofree char *key = g_strdup_printf("connector%u", i + 1);

		if (info->connectors[i])
			g_key_file_set_string(file, GROUP, key, info->connectors[i]);
	}
}

static void
connectors_read(GKeyFile *file, RunningInfo *info)
{
	guint i;

	for (i = 0; i < MACHINE_CARDS_MAX; i++) {
		g_autofree char *key = g_strdup_printf("connector%u", i + 1);

		info->connectors[i] = g_key_file_get_string(file, GROUP, key, NULL);
	}
}

gboolean
running_add(const char *runtime_dir, const char *uuid, const RunningInfo *info, GError **error)
{
	g_autofree char *dir = running_get_dir(runtime_dir);
	g_autofree char *path = g_build_filename(dir, uuid, NULL);
	g_autofree char *boot = boot_get_id();
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autoptr(GError) local = NULL;

	if (!paths_make_private(dir, error))
		return FALSE;
	g_key_file_set_string(file, GROUP, "boot", boot);
	g_key_file_set_int64(file, GROUP, "owner", info->owner.pid);
	g_key_file_set_uint64(file, GROUP, "owner-start", info->owner.start);
	connectors_write(file, info);
	if (g_key_file_save_to_file(file, path, &local))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION, "%s", local->message);
	return FALSE;
}

void
running_remove(const char *runtime_dir, const char *uuid)
{
	g_autofree char *dir = running_get_dir(runtime_dir);
	g_autofree char *path = g_build_filename(dir, uuid, NULL);

	g_unlink(path);
}

gboolean
running_find(const char *runtime_dir, const char *uuid, RunningInfo *info)
{
	g_autofree char *dir = running_get_dir(runtime_dir);
	g_autofree char *path = g_build_filename(dir, uuid, NULL);
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *now = boot_get_id();
	g_autofree char *boot = NULL;

	memset(info, 0, sizeof *info);
	if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL))
		return FALSE;
	boot = g_key_file_get_string(file, GROUP, "boot", NULL);
	info->owner.pid = g_key_file_get_int64(file, GROUP, "owner", NULL);
	info->owner.start = g_key_file_get_uint64(file, GROUP, "owner-start", NULL);
	if (g_strcmp0(boot, now) == 0 && owner_is_alive(&info->owner)) {
		connectors_read(file, info);
		return TRUE;
	}
	g_unlink(path);
	return FALSE;
}

void
running_sweep(const char *runtime_dir, GHashTable *keep)
{
	g_autofree char *path = running_get_dir(runtime_dir);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)))
		if (!g_hash_table_contains(keep, name))
			running_remove(runtime_dir, name);
}
