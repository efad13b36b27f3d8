/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test.c - each faulty plugin is refused by file name and rule, while those beside it load.
 *
 * All plugins are copied into one directory of the test's own, with files that are no plugins at
 * all, and the directory is loaded as a user's would be.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "config.h"
#include "loader.h"
#include "plugin.h"
#include "property.h"
#include "registry.h"

typedef struct Fault {
	const char *file;
	int code;
	const char *rule; /* part of the message */
} Fault;

static const Fault faults[] = {
	{ "bad-default.so", JF_ERROR_PLUGIN,
	  "driver 'bad-default': property 'port': its default '0' is not a number from 1 to "
	  "65535" },
	{ "bad-id.so", JF_ERROR_PLUGIN, "driver id 'bad id' is not [A-Za-z0-9]" },
	{ "bad-kind.so", JF_ERROR_PLUGIN, "driver 'bad-kind': its kind 99 is unknown" },
	{ "bad-name.so", JF_ERROR_PLUGIN, "the plugin's name is not [a-z0-9]" },
	{ "bad-prop-name.so", JF_ERROR_PLUGIN, "property 'sPort': its name is not [a-z]" },
	{ "bad-prop-type.so", JF_ERROR_PLUGIN, "property 'number': its type 99 is unknown" },
	{ "dangling.so", JF_ERROR_NOT_FOUND, "No such file" },
	{ "directory.so", JF_ERROR_PLUGIN, "is not a regular file" },
	{ "empty.so", JF_ERROR_PLUGIN, "is not a whole ELF module" },
	{ "endless-props.so", JF_ERROR_PLUGIN, "more than 256 properties" },
	{ "fifo.so", JF_ERROR_PLUGIN, "is not a regular file" },
	{ "huge-priv.so", JF_ERROR_PLUGIN, "its priv_size 16777217 is more than 16 MiB" },
	{ "live-deaf.so", JF_ERROR_PLUGIN, "it is live, but the driver has no changed callback" },
	{ "long-id.so", JF_ERROR_PLUGIN, "of at most 31 bytes" },
	{ "min-max.so", JF_ERROR_PLUGIN, "its min is greater than its max" },
	{ "no-blurb.so", JF_ERROR_PLUGIN, "driver 'no-blurb': its blurb is missing" },
	{ "no-choices.so", JF_ERROR_PLUGIN, "an enum needs choices" },
	{ "no-driver-head.so", JF_ERROR_PLUGIN, "struct_size 0 is no size of JfDriver" },
	{ "no-drivers.so", JF_ERROR_PLUGIN, "the plugin lists no drivers" },
	{ "no-finish.so", JF_ERROR_PLUGIN, "it has no finish callback" },
	{ "no-head.so", JF_ERROR_PLUGIN, "struct_size 0 is no size of JfPlugin" },
	{ "no-id.so", JF_ERROR_PLUGIN, "driver id '(null)' is not [A-Za-z0-9]" },
	{ "no-init.so", JF_ERROR_PLUGIN, "it has no init callback" },
	{ "no-input.so", JF_ERROR_PLUGIN, "it is a kind with a port and has no input callback" },
	{ "no-license.so", JF_ERROR_PLUGIN, "license is missing" },
	{ "no-prop-blurb.so", JF_ERROR_PLUGIN, "property 'number': its blurb is missing" },
	{ "no-query.so", JF_ERROR_PLUGIN, "it is a model and has no query callback" },
	{ "no-stride.so", JF_ERROR_PLUGIN, "prop_stride 0 is no size of JfPropSpec" },
	{ "no-symbol.so", JF_ERROR_PLUGIN, "exports no jf_plugin_query()" },
	{ "null-drivers.so", JF_ERROR_PLUGIN, "the plugin lists no drivers" },
	{ "null-query.so", JF_ERROR_PLUGIN, "jf_plugin_query() returned NULL" },
	{ "other-major.so", JF_ERROR_ABI, "built for ABI 2, this library has ABI 1" },
	{ "required-default.so", JF_ERROR_PLUGIN, "it is required and has a default" },
	{ "same-choice.so", JF_ERROR_PLUGIN, "choice 'Fast' is there twice" },
	{ "same-id.so", JF_ERROR_PLUGIN, "driver id 'Same-ID' is there twice" },
	{ "same-prop.so", JF_ERROR_PLUGIN, "property 'number' is there twice" },
	{ "taken-id.so", JF_ERROR_BUSY, "driver id 'A-GOOD' is taken by " },
	{ "taken-name.so", JF_ERROR_BUSY, "plugin name 'a-good' is taken by " },
	{ "text.so", JF_ERROR_PLUGIN, "is not a whole ELF module" },
	{ "truncated-10.so", JF_ERROR_PLUGIN, "is not a whole ELF module" },
	{ "truncated-50.so", JF_ERROR_PLUGIN, "is not a whole ELF module" },
	{ "truncated-99.so", JF_ERROR_PLUGIN, "is not a whole ELF module" },
	{ "unresolved.so", JF_ERROR_PLUGIN, "jf_function_of_a_later_minor" },
	{ "writable.so", JF_ERROR_PERMISSION, "everybody may write to it" },
};

/* What loads from the same directory, by kind and id. */
static const char *const loaded[] = { "Z-Good",      "a-good",      "init-fails",
				      "newer-minor", "older-minor", "taken-id-own" };

/* ---- The directory ---- */

static char *
file_in(const char *dir, const char *name)
{
	return g_build_filename(dir, name, NULL);
}

static void
put(const char *dir, const char *name, const char *bytes, gsize len, int mode)
{
	g_autofree char *path = file_in(dir, name);

	g_assert_true(g_file_set_contents(path, bytes, (gssize)len, NULL));
	g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

/* Copies plugin `from` of the build as `to`, only the first `percent` of it. */
static void
put_plugin(const char *dir, const char *from, const char *to, guint percent, int mode)
{
	g_autofree char *path = file_in(FAULTY_DIR, from), *bytes = NULL;
	gsize len;

	g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
	put(dir, to, bytes, len * percent / 100, mode);
}

static char *
make_dir(void)
{
	char *dir = g_dir_make_tmp("jackfield-faulty-XXXXXX", NULL);

	g_assert_nonnull(dir);
	return dir;
}

static void
remove_dir(char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir))) {
		g_autofree char *file = file_in(path, name);

		g_remove(file);
	}
	g_assert_cmpint(g_rmdir(path), ==, 0);
	g_free(path);
}

/* All plugins of the build, and what else may lie in such a directory. */
static char *
make_zoo(void)
{
	g_autoptr(GDir) build = g_dir_open(FAULTY_DIR, 0, NULL);
	char *dir = make_dir();
	g_autofree char *dangling = file_in(dir, "dangling.so"), *fifo = file_in(dir, "fifo.so");
	g_autofree char *directory = file_in(dir, "directory.so");
	const char *name;

	while ((name = g_dir_read_name(build)))
		if (g_str_has_suffix(name, ".so"))
			put_plugin(dir, name, name, 100, 0644);
	put(dir, "text.so", "this is no plugin\n", 18, 0644);
	put(dir, "empty.so", "", 0, 0644);
	put(dir, "README", "not looked at\n", 14, 0644);
	put_plugin(dir, "z-good.so", "truncated-10.so", 10, 0644);
	put_plugin(dir, "z-good.so", "truncated-50.so", 50, 0644);
	put_plugin(dir, "z-good.so", "truncated-99.so", 99, 0644);
	put_plugin(dir, "z-good.so", "writable.so", 100, 0646);
	g_assert_cmpint(symlink("/nonexistent/plugin.so", dangling), ==, 0);
	g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	g_assert_cmpint(g_mkdir(directory, 0755), ==, 0);
	return dir;
}

/* ---- Checks ---- */

static void
check_error(const GError *error, const char *path, const Fault *fault)
{
	g_assert_cmpuint(error->domain, ==, JF_ERROR);
	g_assert_cmpint(error->code, ==, fault->code);
	g_assert_true(g_str_has_prefix(error->message, path));
	g_assert_nonnull(strstr(error->message, fault->rule));
}

static void
check_not_loaded(JfRegistry *registry, const char *dir, const Fault *fault)
{
	g_autofree char *path = file_in(dir, fault->file);
	g_autoptr(GError) error = NULL;

	g_assert_false(jf_registry_load_path(registry, path, &error));
	g_test_message("%s", error->message);
	check_error(error, path, fault);
}

static void
test_directory(void)
{
	g_autoptr(JfRegistry) registry = jf_registry_new();
	char *dir = make_zoo();
	const JfPluginProblem *problems;
	const JfDriverInfo *drivers;
	guint n;

	jf_registry_load_dir(registry, dir);
	problems = jf_registry_list_problems(registry, &n);
	for (guint i = 0; i < MIN(n, G_N_ELEMENTS(faults)); i++) {
		g_autofree char *path = file_in(dir, faults[i].file);

		g_test_message("%s", problems[i].error->message);
		g_assert_cmpstr(problems[i].path, ==, path);
		check_error(problems[i].error, path, &faults[i]);
	}
	g_assert_cmpuint(n, ==, G_N_ELEMENTS(faults));
	drivers = jf_registry_list(registry, &n);
	g_assert_cmpuint(n, ==, G_N_ELEMENTS(loaded));
	for (guint i = 0; i < n; i++)
		g_assert_nonnull(jf_registry_find(registry, 0, loaded[i], NULL));
	g_assert_cmpstr(drivers[0].driver->id, ==, "Z-Good");
	g_assert_cmpstr(drivers[0].plugin->name, ==, "z-good");
	remove_dir(dir);
}

/* One file by name: the same rules, nothing else happens to the registry. */
static void
test_each(void)
{
	g_autoptr(JfRegistry) registry = jf_registry_new();
	char *dir = make_zoo();
	g_autofree char *good = file_in(dir, "a-good.so");
	guint n;

	g_assert_true(jf_registry_load_path(registry, good, NULL));
	for (guint i = 0; i < G_N_ELEMENTS(faults); i++)
		check_not_loaded(registry, dir, &faults[i]);
	jf_registry_list(registry, &n);
	g_assert_cmpuint(n, ==, 1);
	jf_registry_list_problems(registry, &n);
	g_assert_cmpuint(n, ==, 0);
	remove_dir(dir);
}

static void
test_by_name(void)
{
	static const Fault again = { "a-good.so", JF_ERROR_BUSY, "is loaded already" };
	static const Fault suffix = { "plugin.la", JF_ERROR_PLUGIN, "name ends in .so" };
	static const Fault missing = { "missing.so", JF_ERROR_NOT_FOUND, "No such file" };
	g_autoptr(JfRegistry) registry = jf_registry_new();
	char *dir = make_dir();
	g_autofree char *good = file_in(dir, "a-good.so");

	put_plugin(dir, "a-good.so", "a-good.so", 100, 0644);
	put_plugin(dir, "a-good.so", "plugin.la", 100, 0644);
	g_assert_true(jf_registry_load_path(registry, good, NULL));
	check_not_loaded(registry, dir, &again);
	check_not_loaded(registry, dir, &suffix);
	check_not_loaded(registry, dir, &missing);
	remove_dir(dir);
}

static const JfDriver *
load_one(JfRegistry *registry, const char *file, const char *id)
{
	g_autofree char *path = file_in(FAULTY_DIR, file);
	g_autoptr(GError) error = NULL;

	g_assert_true(jf_registry_load_path(registry, path, &error));
	g_assert_no_error(error);
	return jf_registry_find(registry, JF_KIND_ATTACHMENT, id, NULL);
}

/* What an older plugin lacks is zero, whatever lies behind its struct. */
static void
test_older(void)
{
	g_autoptr(JfRegistry) registry = jf_registry_new();
	const JfDriver *driver = load_one(registry, "older-minor.so", "older-minor");

	g_assert_cmpuint(driver->struct_size, ==, sizeof *driver);
	g_assert_true(driver->input != NULL);
	g_assert_true(driver->resume == NULL);
	g_assert_true(driver->link == NULL);
	g_assert_true(driver->changed == NULL);
	g_assert_true(driver->query == NULL);
}

static void
test_newer(void)
{
	g_autoptr(JfRegistry) registry = jf_registry_new();
	const JfDriver *driver = load_one(registry, "newer-minor.so", "newer-minor");
	g_autoptr(JfPropertySet) set = jf_property_set_new(driver, NULL, NULL);

	g_assert_cmpuint(driver->struct_size, ==, sizeof *driver);
	g_assert_cmpuint(driver->prop_stride, ==, sizeof(JfPropSpec));
	g_assert_cmpstr(jf_driver_get_prop(driver, 1)->name, ==, "second");
	g_assert_null(jf_driver_get_prop(driver, 2));
	g_assert_cmpint(jf_property_set_get(set, "second")->v.integer, ==, 1);
}

static const JfDriver wire = { JF_DRIVER_HEAD, .kind = JF_KIND_CONNECTOR, .id = "wire", GOOD_BLURB,
			       GOOD_CALLS };

/* What only shows when it runs is the card's trouble, and the driver's own words are passed on. */
static void
test_init_fails(void)
{
	g_autofree char *path = file_in(FAULTY_DIR, "init-fails.so");
	g_autoptr(GError) error = NULL;
	JfContext *context = jf_context_new(NULL, NULL);
	JfWorker *worker = jf_worker_new_nested(context, NULL);
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "web",
				.connector = "wire",
				.attachment = "init-fails",
				.worker = worker };

	g_assert_true(jf_context_add_driver(context, &wire, NULL));
	g_assert_true(jf_context_load_plugin(context, path, NULL));
	g_assert_null(jf_card_new(context, &config, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "never works"));
	jf_worker_free(worker);
	jf_context_free(context);
}

/* ---- Owners and modes ---- */

static void
test_writable_dir(void)
{
	static const Fault fault = { "a-good.so", JF_ERROR_PERMISSION, "its directory" };
	g_autoptr(JfRegistry) registry = jf_registry_new();
	char *dir = make_dir();
	const JfPluginProblem *problems;
	guint n;

	put_plugin(dir, "a-good.so", "a-good.so", 100, 0644);
	g_assert_cmpint(g_chmod(dir, 0777), ==, 0);
	jf_registry_load_dir(registry, dir);
	problems = jf_registry_list_problems(registry, &n);
	g_assert_cmpuint(n, ==, 1);
	g_assert_cmpstr(problems[0].path, ==, dir);
	g_assert_error(problems[0].error, JF_ERROR, JF_ERROR_PERMISSION);
	g_assert_true(g_str_has_prefix(problems[0].error->message, dir));
	check_not_loaded(registry, dir, &fault);
	jf_registry_list(registry, &n);
	g_assert_cmpuint(n, ==, 0);
	remove_dir(dir);
}

/* A link in a good directory does not lend its mode to what it points to. */
static void
test_link(void)
{
	static const Fault file = { "link.so", JF_ERROR_PERMISSION, "everybody may write to it" };
	g_autoptr(JfRegistry) registry = jf_registry_new();
	char *good = make_dir(), *bad = make_dir();
	g_autofree char *link = file_in(good, "link.so"), *target = file_in(bad, "a-good.so");

	put_plugin(bad, "a-good.so", "a-good.so", 100, 0644);
	g_assert_cmpint(symlink(target, link), ==, 0);
	g_assert_cmpint(g_chmod(bad, 0777), ==, 0);
	check_not_loaded(registry, good, &file);
	g_assert_cmpint(g_chmod(bad, 0755), ==, 0);
	g_assert_cmpint(g_chmod(target, 0666), ==, 0);
	check_not_loaded(registry, good, &file);
	g_assert_cmpint(g_chmod(target, 0644), ==, 0);
	g_assert_true(jf_registry_load_path(registry, link, NULL));
	remove_dir(good);
	remove_dir(bad);
}

static void
test_owner(void)
{
	static const Fault owner = { "a-good.so", JF_ERROR_PERMISSION, "owned by uid 65534" };
	static const Fault group = { "a-good.so", JF_ERROR_PERMISSION, "group 65534 may write" };
	g_autoptr(JfRegistry) registry = jf_registry_new();
	char *dir = make_dir();
	g_autofree char *path = file_in(dir, "a-good.so");

	put_plugin(dir, "a-good.so", "a-good.so", 100, 0664);
	if (geteuid() != 0) {
		g_test_skip("only root can give a file away");
	} else {
		g_assert_cmpint(chown(path, 65534, 65534), ==, 0);
		check_not_loaded(registry, dir, &owner);
		g_assert_cmpint(chown(path, 0, 65534), ==, 0);
		g_assert_cmpint(g_chmod(path, 0664), ==, 0);
		check_not_loaded(registry, dir, &group);
		/* Root's own group is root. */
		g_assert_cmpint(chown(path, 0, 0), ==, 0);
		g_assert_true(jf_registry_load_path(registry, path, NULL));
	}
	remove_dir(dir);
}

/* ---- Search path ---- */

static char *data_home;

static void
check_dir(const GArray *dirs, guint i, const char *path)
{
	g_assert_cmpuint(i, <, dirs->len);
	g_assert_cmpstr(g_array_index(dirs, JfLoaderDir, i).path, ==, path);
}

static void
test_search_path(void)
{
	g_autofree char *user = g_build_filename(data_home, "jackfield", "plugins", NULL);
	g_auto(GStrv) build = g_strsplit(JF_BUILD_PLUGIN_PATH, ":", -1);
	g_autoptr(GArray) dirs = NULL;

	g_setenv("JACKFIELD_PLUGIN_PATH", "/one::relative:", TRUE);
	dirs = jf_loader_search_path();
	check_dir(dirs, 0, "/one");
	check_dir(dirs, 1, "relative");
	check_dir(dirs, 2, user);
	check_dir(dirs, 3, JF_SYSTEM_PLUGIN_DIR);
	/* The test runs from the build tree, and so do its plugins. */
	for (guint i = 0; i < g_strv_length(build); i++)
		check_dir(dirs, 4 + i, build[i]);
	g_unsetenv("JACKFIELD_PLUGIN_PATH");
}

/* What this program does when it is asked for "--search-path". */
static int
print_search_path(void)
{
	g_autoptr(GArray) dirs = jf_loader_search_path();

	for (guint i = 0; i < dirs->len; i++)
		g_print("%s\n", g_array_index(dirs, JfLoaderDir, i).path);
	return 0;
}

static void
become_nobody(G_GNUC_UNUSED gpointer data)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		_exit(126);
}

/* The environment of whoever runs a set-uid program chooses nothing. */
static void
test_set_uid(void)
{
	char *dir = make_dir();
	g_autofree char *program = file_in(dir, "set-uid"), *bytes = NULL, *out = NULL;
	char *argv[] = { program, (char *)"--search-path", NULL };
	char *env[] = { (char *)"JACKFIELD_PLUGIN_PATH=/one", (char *)"XDG_DATA_HOME=/two", NULL };
	struct statvfs fs;
	int status;
	gsize len;

	g_assert_cmpint(statvfs(dir, &fs), ==, 0);
	if (geteuid() != 0 || (fs.f_flag & ST_NOSUID)) {
		g_test_skip("only root, where files may be set-uid, can make one");
		remove_dir(dir);
		return;
	}
	g_assert_true(g_file_get_contents("/proc/self/exe", &bytes, &len, NULL));
	g_assert_true(g_file_set_contents(program, bytes, (gssize)len, NULL));
	g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
	for (guint set_uid = 0; set_uid < 2; set_uid++) {
		g_clear_pointer(&out, g_free);
		g_assert_cmpint(g_chmod(program, set_uid ? 04755 : 0755), ==, 0);
		g_assert_true(g_spawn_sync(NULL, argv, env, G_SPAWN_DEFAULT, become_nobody, NULL,
					   &out, NULL, &status, NULL));
		g_assert_true(g_spawn_check_wait_status(status, NULL));
		if (set_uid)
			g_assert_true(g_str_has_prefix(out, JF_SYSTEM_PLUGIN_DIR "\n"));
		else
			g_assert_true(g_str_has_prefix(out, "/one\n/two/jackfield/plugins\n"));
	}
	remove_dir(dir);
}

static void
check_problem(JfRegistry *registry, const char *path, int code, const char *part)
{
	const JfPluginProblem *problems;
	guint n;

	problems = jf_registry_list_problems(registry, &n);
	for (guint i = 0; i < n; i++)
		if (strcmp(problems[i].path, path) == 0) {
			g_assert_error(problems[i].error, JF_ERROR, code);
			g_assert_nonnull(strstr(problems[i].error->message, part));
			return;
		}
	g_assert_not_reached();
}

/* The environment's directory comes before the user's; the same one twice is no problem. */
static void
test_shadow(void)
{
	g_autoptr(JfRegistry) registry = jf_registry_new();
	g_autofree char *user = g_build_filename(data_home, "jackfield", "plugins", NULL);
	g_autofree char *shadowed = file_in(user, "a-good.so"), *list = NULL;
	char *dir = make_dir();
	g_autofree char *first = file_in(dir, "a-good.so");
	guint n;

	g_assert_cmpint(g_mkdir_with_parents(user, 0700), ==, 0);
	put_plugin(dir, "a-good.so", "a-good.so", 100, 0644);
	put_plugin(user, "a-good.so", "a-good.so", 100, 0644);
	list = g_strjoin(":", dir, dir, "relative", "/nonexistent/plugins", NULL);
	g_setenv("JACKFIELD_PLUGIN_PATH", list, TRUE);
	jf_registry_load_search_path(registry);
	g_unsetenv("JACKFIELD_PLUGIN_PATH");
	check_problem(registry, shadowed, JF_ERROR_BUSY, first);
	check_problem(registry, "relative", JF_ERROR_NOT_FOUND, "absolute");
	check_problem(registry, "/nonexistent/plugins", JF_ERROR_NOT_FOUND, "No such file");
	jf_registry_list_problems(registry, &n);
	g_assert_cmpuint(n, ==, 3);
	g_assert_cmpint(g_remove(shadowed), ==, 0);
	remove_dir(dir);
}

static void
remove_data_home(void)
{
	g_autofree char *plugins = g_build_filename(data_home, "jackfield", "plugins", NULL);
	g_autofree char *jackfield = g_build_filename(data_home, "jackfield", NULL);

	g_rmdir(plugins);
	g_rmdir(jackfield);
	g_assert_cmpint(g_rmdir(data_home), ==, 0);
	g_free(data_home);
}

int
main(int argc, char **argv)
{
	int status;

	if (argc == 2 && strcmp(argv[1], "--search-path") == 0)
		return print_search_path();
	g_test_init(&argc, &argv, NULL);
	/* GLib reads it once. */
	data_home = make_dir();
	g_setenv("XDG_DATA_HOME", data_home, TRUE);
	g_test_add_func("/faulty/directory", test_directory);
	g_test_add_func("/faulty/each", test_each);
	g_test_add_func("/faulty/by-name", test_by_name);
	g_test_add_func("/faulty/older", test_older);
	g_test_add_func("/faulty/newer", test_newer);
	g_test_add_func("/faulty/init-fails", test_init_fails);
	g_test_add_func("/faulty/writable-dir", test_writable_dir);
	g_test_add_func("/faulty/link", test_link);
	g_test_add_func("/faulty/owner", test_owner);
	g_test_add_func("/faulty/search-path", test_search_path);
	g_test_add_func("/faulty/set-uid", test_set_uid);
	g_test_add_func("/faulty/shadow", test_shadow);
	status = g_test_run();
	remove_data_home();
	return status;
}
