/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture.c - a jackfieldd of the build with directories of its own, and calls to it. */
#include "fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "bus-error.h"
#include "config.h"
#include "paths.h"

#define DEADLINE_US (20 * G_TIME_SPAN_SECOND)

/* In the child. A test that breaks down leaves no daemon behind, and nobody who keeps the test's
 * standard output open. */
static void
end_with_test(gpointer unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

GPid
fixture_spawn(Fixture *fixture, const char *const *arguments)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autoptr(GError) error = NULL;
	GPid pid;

	g_ptr_array_add(argv, (char *)JF_BUILD_ROOT "/tools/jackfieldd/jackfieldd");
	g_ptr_array_add(argv, (char *)"--foreground");
	g_ptr_array_add(argv, (char *)"--bus=none");
	g_ptr_array_add(argv, (char *)"--config-dir");
	g_ptr_array_add(argv, fixture->config_dir);
	g_ptr_array_add(argv, (char *)"--runtime-dir");
	g_ptr_array_add(argv, fixture->runtime_dir);
	for (; arguments && *arguments; arguments++)
		g_ptr_array_add(argv, (char *)*arguments);
	g_ptr_array_add(argv, NULL);
	g_spawn_async(NULL, (char **)argv->pdata, NULL,
		      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
			      G_SPAWN_STDERR_TO_DEV_NULL,
		      end_with_test, NULL, &pid, &error);
	g_assert_no_error(error);
	return pid;
}

int
fixture_wait(GPid pid)
{
	int status;

	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void
fixture_connect(Fixture *fixture)
{
	g_autofree char *address = paths_get_address(fixture->runtime_dir);
	const gint64 deadline = g_get_monotonic_time() + DEADLINE_US;

	while (!fixture->bus && g_get_monotonic_time() < deadline) {
		fixture->bus = g_dbus_connection_new_for_address_sync(
			address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, NULL);
		if (!fixture->bus)
			g_usleep(2000);
	}
	g_assert_nonnull(fixture->bus);
}

void
fixture_start(Fixture *fixture, const char *const *arguments)
{
	fixture->pid = fixture_spawn(fixture, arguments);
	fixture_connect(fixture);
}

int
fixture_stop(Fixture *fixture, int number)
{
	int status;

	kill(fixture->pid, number);
	status = fixture_wait(fixture->pid);
	fixture->pid = 0;
	g_clear_object(&fixture->bus);
	return status;
}

void
fixture_init(Fixture *fixture)
{
	memset(fixture, 0, sizeof *fixture);
	bus_error_register();
	fixture->dir = g_dir_make_tmp("jf-XXXXXX", NULL);
	fixture->config_dir = g_build_filename(fixture->dir, "config", NULL);
	fixture->runtime_dir = g_build_filename(fixture->dir, "run", NULL);
	fixture_start(fixture, NULL);
}

static void
remove_tree(const char *path)
{
	g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL
									: g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *child = g_build_filename(path, name, NULL);

		remove_tree(child);
	}
	g_remove(path);
}

void
fixture_finish(Fixture *fixture)
{
	if (fixture->pid)
		g_assert_cmpint(fixture_stop(fixture, SIGTERM), ==, 0);
	g_clear_object(&fixture->bus);
	remove_tree(fixture->dir);
	g_free(fixture->dir);
	g_free(fixture->config_dir);
	g_free(fixture->runtime_dir);
}

GVariant *
fixture_call(Fixture *fixture, const char *path, const char *interface, const char *method,
	     GVariant *args, const char *type, GError **error)
{
	GVariant *reply = g_dbus_connection_call_sync(fixture->bus, NULL, path, interface, method,
						      args, G_VARIANT_TYPE(type),
						      G_DBUS_CALL_FLAGS_NONE, 20000, NULL, error);

	if (!reply && error)
		g_dbus_error_strip_remote_error(*error);
	return reply;
}

char *
fixture_create(Fixture *fixture, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant)
		reply = fixture_call(fixture, BUS_MANAGER_PATH, MANAGER, "CreateMachine",
				     g_variant_new("(sssa{ss})", name, "Debian_64", "", NULL),
				     "(o)", &error);
	char *path;

	g_assert_no_error(error);
	g_variant_get(reply, "(o)", &path);
	return path;
}

gboolean
fixture_change(Fixture *fixture, const char *path, const char *method, const char *changes,
	       GError **error)
{
	g_auto(GStrv) lines = g_strsplit(changes, "\n", -1);
	g_autoptr(GVariant) reply = NULL;
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(uss)"));
	for (i = 0; lines[i]; i++) {
		char *key = strchr(lines[i], ' ');
		char *value = key ? strchr(key, '=') : NULL;

		g_assert_nonnull(value);
		*key++ = '\0';
		*value++ = '\0';
		g_variant_builder_add(&builder, "(uss)", (guint32)atoi(lines[i]), key, value);
	}
	reply = fixture_call(fixture, path, MACHINE, method, g_variant_new("(a(uss))", &builder),
			     "()", error);
	return reply != NULL;
}

void
fixture_modify(Fixture *fixture, const char *path, const char *changes)
{
	g_autoptr(GError) error = NULL;

	fixture_change(fixture, path, "Modify", changes, &error);
	g_assert_no_error(error);
}

void
fixture_modify_fails(Fixture *fixture, const char *path, const char *method, const char *changes,
		     JfErrorCode code, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(fixture_change(fixture, path, method, changes, &error));
	g_assert_error(error, JF_ERROR, (int)code);
	if (!strstr(error->message, text))
		g_error("'%s' is not in: %s", text, error->message);
}

void
fixture_power_on(Fixture *fixture, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant)
		reply = fixture_call(fixture, path, MACHINE, "Start",
				     g_variant_new("(ba{us})", FALSE, NULL), "()", &error);

	g_assert_no_error(error);
	g_assert_nonnull(reply);
}

GVariant *
fixture_get(Fixture *fixture, const char *path, const char *interface, const char *property)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant)
		reply = fixture_call(fixture, path, "org.freedesktop.DBus.Properties", "Get",
				     g_variant_new("(ss)", interface, property), "(v)", &error);
	GVariant *value;

	g_assert_no_error(error);
	g_variant_get(reply, "(v)", &value);
	return value;
}

char *
fixture_get_card(const char *machine, guint card)
{
	return g_strdup_printf("/org/jackfield/card/%s_%u", strrchr(machine, '/') + 1, card);
}

char *
fixture_get_setting(Fixture *fixture, const char *path, guint card, const char *key)
{
	g_autofree char *card_path = fixture_get_card(path, card);
	g_autoptr(GVariant) settings = fixture_get(fixture, card_path, CARD, "Settings");
	char *value = NULL;

	g_variant_lookup(settings, key, "s", &value);
	return value;
}

gboolean
fixture_has_driver(Fixture *fixture, const char *id)
{
	g_autoptr(GVariant)
		reply = fixture_call(fixture, BUS_MANAGER_PATH, MANAGER, "InspectDriver",
				     g_variant_new("(s)", id), "(sssssa(ssasssass))", NULL);

	return reply != NULL;
}

guint
fixture_count_problems(Fixture *fixture)
{
	g_autoptr(GVariant) reply = fixture_call(fixture, BUS_MANAGER_PATH, MANAGER,
						 "ListMachineProblems", NULL, "(a(ss))", NULL);
	g_autoptr(GVariant) list = g_variant_get_child_value(reply, 0);

	return (guint)g_variant_n_children(list);
}
