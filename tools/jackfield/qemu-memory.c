/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu-memory.c - whether another process can see the memory of a QEMU with the user's arguments.
 *
 * A device that runs in our process needs the guest's memory shared. QEMU makes memory private
 * unless it is told otherwise by an -object memory-backend-... that -machine, -numa or a DIMM names.
 * Where the user named none, a shared one of the size that -m says can be added; where he named
 * private ones, that is for him to change.
 */
#include <string.h>

#include "qemu.h"

/* QEMU's own default, and the multiple that it rounds sizes up to. */
#define SIZE_DEFAULT (128ull << 20)
#define SIZE_STEP 8192.0

typedef struct Scan {
	GHashTable *objects; /* id of a memory backend, whether it is shared */
	GPtrArray *names;    /* ids that something names */
	gboolean has_main;   /* one of them is the machine's own memory */
	char *size;          /* as -m has it; NULL: no word about it */
	const char *why;
} Scan;

static char *
json_find(const char *text, const char *key)
{
	g_autofree char *pattern = g_strdup_printf("\"%s\"\\s*:\\s*\"?([^\",}\\s]*)", key);
	g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;

	return g_regex_match(regex, text, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

/* The value of `key` in "a,b=c" or in JSON; `first` is the key of a first word without one. The
 * last one counts. NULL: it is not there. */
static char *
option_find(const char *text, const char *key, const char *first)
{
	g_auto(GStrv) options = NULL;
	char *value = NULL;
	guint i;

	if (*text == '{')
		return json_find(text, key);
	options = qemu_split_options(text);
	for (i = 0; options[i]; i++) {
		const char *equals = strchr(options[i], '=');
		gsize len = strlen(key);

		if (i == 0 && !equals && g_strcmp0(first, key) == 0) {
			value = g_strdup(options[i]);
		} else if (equals && (gsize)(equals - options[i]) == len &&
			   strncmp(options[i], key, len) == 0) {
			g_free(value);
			value = g_strdup(equals + 1);
		}
	}
	return value;
}

static gboolean
is_on(const char *value)
{
	return strcmp(value, "on") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "y") == 0 ||
	       strcmp(value, "true") == 0;
}

static void
scan_object(Scan *scan, const char *text)
{
	g_autofree char *type = option_find(text, "qom-type", "qom-type");
	g_autofree char *share = option_find(text, "share", NULL);
	char *id = option_find(text, "id", NULL);
	gboolean shared;

	if (!id || !type || !g_str_has_prefix(type, "memory-backend-")) {
		g_free(id);
		return;
	}
	shared = share ? is_on(share)
		       : strcmp(type, "memory-backend-memfd") == 0 ||
				 strcmp(type, "memory-backend-shm") == 0;
	g_hash_table_insert(scan->objects, id, GINT_TO_POINTER(shared));
}

static void
scan_name(Scan *scan, const char *text, const char *key, gboolean is_main)
{
	char *name = option_find(text, key, NULL);

	if (!name)
		return;
	g_ptr_array_add(scan->names, name);
	scan->has_main |= is_main;
}

static void
scan_size(Scan *scan, const char *text)
{
	char *size = option_find(text, "size", "size");

	if (!size)
		return;
	g_free(scan->size);
	scan->size = size;
}

static void
scan_option(Scan *scan, const char *option, const char *text)
{
	if (strcmp(option, "object") == 0)
		scan_object(scan, text);
	else if (strcmp(option, "machine") == 0 || strcmp(option, "M") == 0)
		scan_name(scan, text, "memory-backend", TRUE);
	else if (strcmp(option, "numa") == 0)
		scan_name(scan, text, "memdev", TRUE);
	else if (strcmp(option, "device") == 0)
		scan_name(scan, text, "memdev", FALSE);
	else if (strcmp(option, "m") == 0)
		scan_size(scan, text);
	else if (strcmp(option, "mem-path") == 0)
		scan->why = "-mem-path makes the guest's memory private; use -object "
			    "memory-backend-file,id=ram,mem-path=...,size=...,share=on and "
			    "-machine memory-backend=ram instead";
	else if (strcmp(option, "readconfig") == 0)
		scan->why = "what -readconfig says of the guest's memory is not known here; give "
			    "-object memory-backend-memfd,id=ram,size=...,share=on and -machine "
			    "memory-backend=ram on the command line";
}

static void
scan_args(Scan *scan, char **args)
{
	for (; args[0] && args[1]; args++) {
		const char *option = args[0];

		if (*option != '-')
			continue;
		option += option[1] == '-' ? 2 : 1;
		scan_option(scan, option, args[1]);
	}
}

/* "1.5G"; a plain number is in MiB. 0: it makes no sense. */
static guint64
parse_size(const char *text)
{
	static const char suffixes[] = "BKMGTPE";
	const char *suffix;
	char *end;
	double size = g_ascii_strtod(text, &end);

	suffix = *end ? strchr(suffixes, g_ascii_toupper(*end)) : suffixes + 2;
	if (end == text || !suffix || (*end && end[1]) || !(size > 0))
		return 0;
	for (; suffix > suffixes; suffix--)
		size *= 1024;
	if (size > (double)(G_MAXINT64 / 2))
		return 0;
	return (guint64)((size + SIZE_STEP - 1) / SIZE_STEP) * (guint64)SIZE_STEP;
}

static void
memory_check_names(QemuMemory *memory, const Scan *scan)
{
	guint i;

	for (i = 0; i < scan->names->len && !memory->why; i++) {
		const char *name = scan->names->pdata[i];

		if (!g_hash_table_lookup(scan->objects, name))
			memory->why = g_strdup_printf(
				"the guest's memory '%s' is private; add share=on to its -object",
				name);
	}
}

void
qemu_memory_init(QemuMemory *memory, char **args)
{
	Scan scan = { 0 };

	*memory = (QemuMemory){ 0 };
	scan.objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	scan.names = g_ptr_array_new_with_free_func(g_free);
	scan_args(&scan, args);
	memory_check_names(memory, &scan);
	if (!scan.has_main && !memory->why) {
		memory->why = g_strdup(scan.why);
		memory->size = scan.size ? parse_size(scan.size) : SIZE_DEFAULT;
		if (memory->size == 0 && !memory->why)
			memory->why = g_strdup_printf("-m %s is no size of memory", scan.size);
	}
	g_hash_table_unref(scan.objects);
	g_ptr_array_unref(scan.names);
	g_free(scan.size);
}

void
qemu_memory_finish(QemuMemory *memory)
{
	g_clear_pointer(&memory->why, g_free);
}
