/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* document.c - documents on disk: whole or not at all, whatever dies or lies around. */
#include "document.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jackfield/abi.h"
#include "json-guard.h"

#define KILLS 40u

typedef struct Fixture {
	char *dir, *path;
} Fixture;

static void
setup(Fixture *f, gconstpointer data)
{
	(void)data;
	f->dir = g_dir_make_tmp("jackfield-document-XXXXXX", NULL);
	g_assert_nonnull(f->dir);
	f->path = g_build_filename(f->dir, "web.json", NULL);
}

static guint
count_files(const char *dir)
{
	g_autoptr(GDir) open = g_dir_open(dir, 0, NULL);
	guint n = 0;

	while (g_dir_read_name(open))
		n++;
	return n;
}

static void
teardown(Fixture *f, gconstpointer data)
{
	g_autoptr(GDir) dir = g_dir_open(f->dir, 0, NULL);
	const char *name;

	(void)data;
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(f->dir, name, NULL);

		g_remove(path);
	}
	g_assert_cmpint(g_rmdir(f->dir), ==, 0);
	g_free(f->dir);
	g_free(f->path);
}

/* {"generation": n, "padding": "..."} */
static JsonNode *
make(gint64 generation, gsize padding)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	g_autofree char *text = g_strnfill(padding, 'x');

	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "generation");
	json_builder_add_int_value(builder, generation);
	json_builder_set_member_name(builder, "padding");
	json_builder_add_string_value(builder, text);
	json_builder_end_object(builder);
	return json_builder_get_root(builder);
}

static gboolean
save(const char *path, gint64 generation, gsize padding, GError **error)
{
	g_autoptr(JsonNode) root = make(generation, padding);

	return jf_document_save(path, root, error);
}

static void
check_saved(const char *path, gint64 generation)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(save(path, generation, 10, &error));
	g_assert_no_error(error);
}

static gint64
load(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) root = jf_document_load(path, &error);

	g_assert_no_error(error);
	return json_object_get_int_member(json_node_get_object(root), "generation");
}

static void
check_not_loaded(const char *path, int code, const char *why)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(jf_document_load(path, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_true(g_str_has_prefix(error->message, path));
	g_assert_nonnull(strstr(error->message, why));
}

static void
test_round(Fixture *f, gconstpointer data)
{
	struct stat st;

	(void)data;
	check_saved(f->path, 1);
	g_assert_cmpint(load(f->path), ==, 1);
	g_assert_cmpint(g_chmod(f->path, 0666), ==, 0);
	check_saved(f->path, 2);
	g_assert_cmpint(load(f->path), ==, 2);
	g_assert_cmpint(stat(f->path, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
	g_assert_cmpuint(count_files(f->dir), ==, 1);
}

/* Saving what was loaded gives the same bytes again, hostile texts included. */
static void
test_stable(Fixture *f, gconstpointer data)
{
	static const char text[] = "{\"a\":\"\\u001f\\u007f\\\"\\\\\\ud83d\\ude00\",\"b\":[1.5,-3,"
				   "true,null,{}],\"\\t\":{}}";
	g_autoptr(JsonNode) root = jf_document_parse(text, strlen(text), NULL);
	g_autoptr(JsonNode) again = NULL;
	g_autofree char *first = NULL, *second = NULL;

	(void)data;
	g_assert_true(jf_document_save(f->path, root, NULL));
	g_assert_true(g_file_get_contents(f->path, &first, NULL, NULL));
	again = jf_document_load(f->path, NULL);
	g_assert_true(json_node_equal(root, again));
	g_assert_true(jf_document_save(f->path, again, NULL));
	g_assert_true(g_file_get_contents(f->path, &second, NULL, NULL));
	g_assert_cmpstr(first, ==, second);
}

static void
test_not_loaded(Fixture *f, gconstpointer data)
{
	g_autofree char *under = g_build_filename(f->path, "x", NULL);

	(void)data;
	check_not_loaded(f->path, JF_ERROR_NOT_FOUND, "cannot open: No such file");
	check_not_loaded(f->dir, JF_ERROR_VALUE, "not a regular file");
	g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
	check_not_loaded(f->path, JF_ERROR_VALUE, "not a regular file");
	g_assert_cmpint(g_remove(f->path), ==, 0);
	g_assert_true(g_file_set_contents(f->path, "", 0, NULL));
	check_not_loaded(f->path, JF_ERROR_VALUE, "ends too early");
	check_not_loaded(under, JF_ERROR_NOT_FOUND, "cannot open");
	g_assert_true(g_file_set_contents(f->path, "{\"a\":1,\n\"a\":2}", -1, NULL));
	check_not_loaded(f->path, JF_ERROR_VALUE, "line 2, column 1: the name 'a' is there twice");
	/* A terabyte that is not there is not read. */
	g_assert_cmpint(truncate(f->path, G_GINT64_CONSTANT(1) << 40), ==, 0);
	check_not_loaded(f->path, JF_ERROR_VALUE, "more than 1048576 bytes");
}

static void
check_not_saved(const char *path, JsonNode *root, int code)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(jf_document_save(path, root, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_nonnull(strstr(error->message, path));
}

/* What could not be loaded again is not written, and the old document stays. */
static void
test_unfit(Fixture *f, gconstpointer data)
{
	g_autoptr(JsonNode) huge = make(2, JF_JSON_MAX_BYTES);
	g_autoptr(JsonNode) list = json_node_new(JSON_NODE_ARRAY);
	g_autoptr(JsonNode) nan_root = make(3, 1);

	(void)data;
	check_saved(f->path, 1);
	json_node_take_array(list, json_array_new());
	check_not_saved(f->path, huge, JF_ERROR_VALUE);
	check_not_saved(f->path, list, JF_ERROR_VALUE);
	json_object_set_double_member(json_node_get_object(nan_root), "generation", (double)NAN);
	check_not_saved(f->path, nan_root, JF_ERROR_VALUE);
	g_assert_cmpint(load(f->path), ==, 1);
	g_assert_cmpuint(count_files(f->dir), ==, 1);
}

/* The disk is full in the middle: the old document stays, and no litter. */
static void
test_no_room(Fixture *f, gconstpointer data)
{
	g_autoptr(JsonNode) root = make(2, 10000);
	struct rlimit old, limit;

	(void)data;
	check_saved(f->path, 1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit){ .rlim_cur = 4096, .rlim_max = old.rlim_max };
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	check_not_saved(f->path, root, JF_ERROR_STATE);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
	g_assert_cmpint(load(f->path), ==, 1);
	g_assert_cmpuint(count_files(f->dir), ==, 1);
}

static void
test_no_place(Fixture *f, gconstpointer data)
{
	g_autofree char *nowhere = g_build_filename(f->dir, "none", "x.json", NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) root = make(1, 1);

	(void)data;
	g_assert_false(jf_document_save(nowhere, root, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_assert_cmpint(g_mkdir(f->path, 0700), ==, 0);
	check_not_saved(f->path, root, JF_ERROR_STATE);
	g_assert_cmpuint(count_files(f->dir), ==, 1);
}

static char *
litter(const Fixture *f, const char *name)
{
	char *path = g_build_filename(f->dir, name, NULL);

	g_assert_true(g_file_set_contents(path, "half", -1, NULL));
	return path;
}

static gboolean
exists(const char *path)
{
	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
test_sweep(Fixture *f, gconstpointer data)
{
	g_autofree char *dead = litter(f, ".web.json.0a1b2c.tmp");
	g_autofree char *alive = litter(f, ".web.json.ffffff.tmp");
	g_autofree char *other = litter(f, ".web2.json.0a1b2c.tmp");
	g_autofree char *users = litter(f, ".web.json.my-own-notes.tmp");
	int fd = g_open(alive, O_RDONLY | O_CLOEXEC, 0);

	(void)data;
	g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
	check_saved(f->path, 1);
	g_assert_false(exists(dead));
	g_assert_true(exists(alive));
	g_assert_true(exists(other));
	g_assert_true(exists(users));
	close(fd);
	check_saved(f->path, 2);
	g_assert_false(exists(alive));
}

static void
test_remove(Fixture *f, gconstpointer data)
{
	g_autofree char *dead = litter(f, ".web.json.0a1b2c.tmp");
	g_autoptr(GError) error = NULL;

	(void)data;
	check_saved(f->path, 1);
	g_assert_true(jf_document_remove(f->path, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(count_files(f->dir), ==, 0);
	g_assert_false(exists(dead));
	g_assert_false(jf_document_remove(f->path, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
}

/* Saves generation after generation until it is killed. */
static void
run_writer(const char *path, gint64 generation)
{
	for (;; generation++)
		if (!save(path, generation, 30000, NULL))
			_exit(1);
}

static void
test_kill(Fixture *f, gconstpointer data)
{
	gint64 seen = 0;

	(void)data;
	check_saved(f->path, seen);
	for (guint i = 0; i < KILLS; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			run_writer(f->path, seen + 1);
		g_assert_cmpint(pid, >, 0);
		g_usleep(g_random_int() % 5000);
		g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
		g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		g_assert_cmpint(load(f->path), >=, seen);
		seen = load(f->path);
	}
	g_test_message("%" G_GINT64_FORMAT " saves survived %u kills", seen, KILLS);
	check_saved(f->path, seen + 1);
	g_assert_cmpuint(count_files(f->dir), ==, 1);
}

static gpointer
run_saver(gpointer data)
{
	for (gint64 i = 0; i < 50; i++)
		check_saved(data, i);
	return NULL;
}

static void
test_many(Fixture *f, gconstpointer data)
{
	GThread *threads[4];

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("saver", run_saver, f->path);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	g_assert_cmpint(load(f->path), ==, 49);
	g_assert_cmpuint(count_files(f->dir), ==, 1);
}

static void
add(const char *path, void (*func)(Fixture *, gconstpointer))
{
	g_test_add(path, Fixture, NULL, setup, func, teardown);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("/document/round", test_round);
	add("/document/stable", test_stable);
	add("/document/not-loaded", test_not_loaded);
	add("/document/unfit", test_unfit);
	add("/document/no-room", test_no_room);
	add("/document/no-place", test_no_place);
	add("/document/sweep", test_sweep);
	add("/document/remove", test_remove);
	add("/document/kill", test_kill);
	add("/document/many", test_many);
	return g_test_run();
}
