/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ostype.c - the table of guest OS types (data/ostypes.tsv). */
#include "ostype.h"

#include <gio/gio.h>

#include "jackfield/abi.h"
#include "jackfieldd-resources.h"
#include "nearest.h"
#include "text.h"

struct OsTypes {
	GPtrArray *rows; /* OsType */
};

static void
ostype_free(gpointer data)
{
	OsType *type = data;

	g_free(type->id);
	g_free(type->description);
	g_free(type->nic_type);
	g_free(type->family);
	g_free(type->family_description);
	g_free(type->subtype);
	g_free(type);
}

static void
ostypes_parse_line(OsTypes *types, const char *line)
{
	g_auto(GStrv) fields = g_strsplit(line, "\t", -1);
	OsType *type;
	gboolean arm;

	if (*line == '#' || g_strv_length(fields) != 6)
		return;
	type = g_new0(OsType, 1);
	type->id = g_strdup(fields[0]);
	type->description = g_strdup(fields[1]);
	type->family = g_strdup(fields[2]);
	type->family_description = g_strdup(fields[3]);
	type->subtype = g_strdup(fields[4]);
	type->nic_type = g_strdup(fields[5]);
	arm = g_str_has_suffix(type->id, "_arm64");
	type->architecture = arm ? "ARMv8" : "x86";
	type->is_64bit = arm || g_str_has_suffix(type->id, "_64");
	g_ptr_array_add(types->rows, type);
}

OsTypes *
ostypes_new(void)
{
	OsTypes *types = g_new0(OsTypes, 1);
	g_autoptr(GBytes) bytes = NULL;
	g_auto(GStrv) lines = NULL;
	guint i;

	types->rows = g_ptr_array_new_with_free_func(ostype_free);
	bytes = g_resource_lookup_data(jackfieldd_get_resource(), "/org/jackfield/ostypes.tsv",
				       G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
	g_assert(bytes);
	lines = g_strsplit(g_bytes_get_data(bytes, NULL), "\n", -1);
	for (i = 0; lines[i]; i++)
		ostypes_parse_line(types, lines[i]);
	return types;
}

void
ostypes_free(OsTypes *types)
{
	if (!types)
		return;
	g_ptr_array_unref(types->rows);
	g_free(types);
}

guint
ostypes_get_length(const OsTypes *types)
{
	return types->rows->len;
}

const OsType *
ostypes_get(const OsTypes *types, guint i)
{
	return g_ptr_array_index(types->rows, i);
}

const OsType *
ostypes_find(const OsTypes *types, const char *id, GError **error)
{
	g_autoptr(GPtrArray) ids = g_ptr_array_new();
	g_autofree char *shown = NULL;
	g_autofree char *hint = NULL;
	guint i;

	for (i = 0; i < types->rows->len; i++) {
		const OsType *type = ostypes_get(types, i);

		if (g_ascii_strcasecmp(type->id, id) == 0)
			return type;
		g_ptr_array_add(ids, type->id);
	}
	g_ptr_array_add(ids, NULL);
	shown = jf_text_show(id);
	hint = jf_nearest_hint(id, (const char *const *)ids->pdata);
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "Unknown guest OS type '%s'%s", shown,
		    hint);
	return NULL;
}
