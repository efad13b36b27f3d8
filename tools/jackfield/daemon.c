/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon.c - the connection to jackfieldd, which is started where it does not run yet.
 *
 * Whoever finds no daemon takes the lock jackfieldd.start in the runtime directory, looks again and
 * starts one: of many programs at once, one starts it and the others find it. A daemon started this
 * way writes its log to jackfieldd.log there.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus-error.h"
#include "config.h"
#include "jackfield/abi.h"
#include "paths.h"

#define START_DEADLINE_US (15 * G_USEC_PER_SEC)
#define LOG_TAIL_BYTES 600u
#define CALL_TIMEOUT_MS 60000

extern char **environ;

static GDBusConnection *
connect_once(const char *address, GError **error)
{
	return g_dbus_connection_new_for_address_sync(
		address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, error);
}

/* Nobody listens there: no socket, or one that was left behind. */
static gboolean
is_absent(const GError *error)
{
	return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
	       g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

/* ---- Starting it ---- */

static char *
find_daemon(GError **error)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = self ? g_path_get_dirname(self) : NULL;
	g_autofree char *beside = NULL;
	char *path;

	if (self && g_str_has_prefix(self, JF_BUILD_ROOT "/"))
		return g_strdup(JF_BUILD_ROOT "/tools/jackfieldd/jackfieldd");
	beside = dir ? g_build_filename(dir, "jackfieldd", NULL) : NULL;
	if (beside && access(beside, X_OK) == 0)
		return g_steal_pointer(&beside);
	path = g_find_program_in_path("jackfieldd");
	if (!path)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "jackfieldd is not running, and there is no jackfieldd to start in %s "
			    "or in PATH",
			    dir ? dir : "this program's directory");
	return path;
}

/* The same directories for the daemon, should it change its working directory. */
static char **
make_environment(void)
{
	g_autofree char *runtime = paths_get_runtime_dir();
	g_autofree char *config = paths_get_config_dir();
	char **env = g_get_environ();

	env = g_environ_setenv(env, "JACKFIELD_RUNTIME_DIR", runtime, TRUE);
	return g_environ_setenv(env, "JACKFIELD_HOME", config, TRUE);
}

/* In a session of its own, with nothing of ours open. */
static gboolean
spawn_daemon(const char *program, const char *log, pid_t *pid, GError **error)
{
	g_auto(GStrv) env = make_environment();
	char *argv[] = { (char *)program, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
					 0600);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	rc = posix_spawn(pid, program, &actions, &attr, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (rc != 0)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "Cannot start %s: %s", program,
			    g_strerror(rc));
	return rc == 0;
}

static void
set_start_error(GError **error, const char *program, const char *log, const char *what)
{
	g_autofree char *text = NULL;
	const char *tail;
	gsize len = 0;

	if (!g_file_get_contents(log, &text, &len, NULL) || len == 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "%s %s", program, what);
		return;
	}
	tail = len > LOG_TAIL_BYTES ? text + len - LOG_TAIL_BYTES : text;
	g_strchomp(text);
	g_set_error(error, JF_ERROR, JF_ERROR_STATE, "%s %s:\n%s", program, what, tail);
}

/* Until it answers, ends, or takes too long. */
static GDBusConnection *
wait_for_daemon(const char *address, pid_t pid, const char *program, const char *log,
		GError **error)
{
	gint64 deadline = g_get_monotonic_time() + START_DEADLINE_US;
	gulong pause = 2000;

	for (;;) {
		gboolean ended = waitpid(pid, NULL, WNOHANG) == pid;
		GDBusConnection *bus = connect_once(address, NULL);

		if (bus)
			return bus;
		if (ended || g_get_monotonic_time() > deadline) {
			set_start_error(error, program, log,
					ended ? "ended at once" : "does not answer");
			return NULL;
		}
		g_usleep(pause);
		pause = MIN(pause * 2, 50000);
	}
}

static int
lock_start(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, "jackfieldd.start", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION, "Cannot open %s: %s", path,
			    g_strerror(errno));
		return -1;
	}
	do
		rc = flock(fd, LOCK_EX);
	while (rc != 0 && errno == EINTR);
	return fd;
}

static GDBusConnection *
start_locked(const char *dir, const char *address, GError **error)
{
	g_autofree char *log = g_build_filename(dir, "jackfieldd.log", NULL);
	g_autofree char *program = NULL;
	g_autoptr(GError) absent = NULL;
	GDBusConnection *bus;
	pid_t pid;

	/* Somebody else may have started it while we waited for the lock. */
	bus = connect_once(address, &absent);
	if (bus)
		return bus;
	program = find_daemon(error);
	if (!program || !spawn_daemon(program, log, &pid, error))
		return NULL;
	return wait_for_daemon(address, pid, program, log, error);
}

static GDBusConnection *
start_daemon(const char *dir, const char *address, GError **error)
{
	GDBusConnection *bus;
	int lock;

	if (!paths_make_private(dir, error))
		return NULL;
	lock = lock_start(dir, error);
	if (lock < 0)
		return NULL;
	bus = start_locked(dir, address, error);
	close(lock);
	return bus;
}

/* ---- Talking to it ---- */

gboolean
cli_connect(Cli *cli, GError **error)
{
	g_autofree char *dir = paths_get_runtime_dir();
	g_autofree char *address = paths_get_address(dir);
	g_autoptr(GError) why = NULL;

	if (cli->bus)
		return TRUE;
	bus_error_register();
	cli->bus = connect_once(address, &why);
	if (!cli->bus && is_absent(why) && cli->no_start)
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "jackfieldd does not run in %s", dir);
	else if (!cli->bus && is_absent(why))
		cli->bus = start_daemon(dir, address, error);
	else if (!cli->bus)
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "Cannot talk to the jackfieldd in %s: %s", dir, why->message);
	return cli->bus != NULL;
}

void
cli_disconnect(Cli *cli)
{
	g_clear_object(&cli->bus);
}

/* What GDBus says is about its wire; say what it means for us. */
static void
improve_error(GError **error)
{
	if (!error || !*error)
		return;
	if (g_error_matches(*error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
	    g_error_matches(*error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE)) {
		g_dbus_error_strip_remote_error(*error);
		g_prefix_error(error, "The running jackfieldd is of another version than this "
				      "program (" JF_VERSION "): ");
	} else if (g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_CLOSED) ||
		   g_error_matches(*error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)) {
		g_clear_error(error);
		g_set_error_literal(error, JF_ERROR, JF_ERROR_STATE,
				    "jackfieldd ended before it answered");
	} else {
		g_dbus_error_strip_remote_error(*error);
	}
}

GVariant *
cli_call(Cli *cli, const char *path, const char *interface, const char *method, GVariant *args,
	 const char *type, GError **error)
{
	g_autoptr(GVariant) owned = args ? g_variant_ref_sink(args) : NULL;
	g_autoptr(GError) why = NULL;
	GVariant *reply;

	if (!cli_connect(cli, error))
		return NULL;
	reply = g_dbus_connection_call_sync(cli->bus, NULL, path, interface, method, owned,
					    G_VARIANT_TYPE(type), G_DBUS_CALL_FLAGS_NONE,
					    CALL_TIMEOUT_MS, NULL, &why);
	if (reply)
		return reply;
	improve_error(&why);
	g_propagate_error(error, g_steal_pointer(&why));
	return NULL;
}

GVariant *
cli_call_manager(Cli *cli, const char *method, GVariant *args, const char *type, GError **error)
{
	return cli_call(cli, BUS_MANAGER_PATH, MANAGER_INTERFACE, method, args, type, error);
}

char *
cli_find_machine(Cli *cli, const char *name, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	char *path;

	reply = cli_call_manager(cli, "FindMachine", g_variant_new("(s)", name), "(o)", error);
	if (!reply)
		return NULL;
	g_variant_get(reply, "(o)", &path);
	return path;
}

GVariant *
cli_get_properties(Cli *cli, const char *path, const char *interface, GError **error)
{
	g_autoptr(GVariant) reply = NULL;

	reply = cli_call(cli, path, "org.freedesktop.DBus.Properties", "GetAll",
			 g_variant_new("(s)", interface), "(a{sv})", error);
	return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

GVariant *
cli_list_cards(Cli *cli, const char *machine, GError **error)
{
	g_autoptr(GVariant) reply = NULL;

	reply = cli_call(cli, machine, MACHINE_INTERFACE, "ListCards", NULL, "(aa{sv})", error);
	return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

char *
cli_get_card_path(const char *machine, guint slot)
{
	g_autofree char *uuid = g_path_get_basename(machine);

	return g_strdup_printf("/org/jackfield/card/%s_%u", uuid, slot);
}
