/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* replay.c - runs a fuzz target over its corpus: each file whole, and cut short at many places. */
#include "fuzz.h"

#include <string.h>

#define CUTS 64u

/* In a block of exactly that size. */
static void
run_prefix(const char *bytes, gsize len)
{
	g_autofree guint8 *copy = g_memdup2(bytes, len);

	LLVMFuzzerTestOneInput(copy, len);
}

static void
test_file(gconstpointer path)
{
	g_autofree char *bytes = NULL;
	g_autoptr(GError) error = NULL;
	gsize len;

	g_file_get_contents(path, &bytes, &len, &error);
	g_assert_no_error(error);
	run_prefix(bytes, len);
	for (gsize i = 1; i <= CUTS; i++)
		run_prefix(bytes, len * (CUTS - i) / CUTS);
}

static int
compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
list_dir(const char *path)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
	const char *name;

	g_assert_no_error(error);
	while ((name = g_dir_read_name(dir)))
		g_ptr_array_add(names, g_build_filename(path, name, NULL));
	g_ptr_array_sort(names, compare);
	return names;
}

int
main(int argc, char **argv)
{
	g_autoptr(GPtrArray) files = NULL;

	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(argc, ==, 2);
	files = list_dir(argv[1]);
	g_assert_cmpuint(files->len, >, 0);
	for (guint i = 0; i < files->len; i++) {
		g_autofree char *name = g_path_get_basename(files->pdata[i]);
		g_autofree char *path = g_strdup_printf("/corpus/%s", name);

		g_test_add_data_func(path, files->pdata[i], test_file);
	}
	return g_test_run();
}
