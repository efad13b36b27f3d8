/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon.c - the connection to jackfieldd, which is started where it does not run yet.
 *
 * jackfieldd goes to the background by itself: the process that we start ends when the daemon answers,
 * this one or another that was faster, and says on standard error why it cannot.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus-error.h"
#include "config.h"
#include "jackfield/vmm.h"
#include "paths.h"

#define START_DEADLINE_US (15 * G_USEC_PER_SEC)
#define CONNECT_PAUSE_US 10000
#define LOG_TAIL_BYTES 600u
#define CALL_TIMEOUT_MS 60000

extern char **environ;

/* A daemon that is busy has more clients waiting than its queue holds: for a Unix socket that is an
 * error at once (connect(2)), and asking again is all there is. */
static GDBusConnection *
connect_to(const char *address, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + START_DEADLINE_US;

	for (;;) {
		g_autoptr(GError) why = NULL;
		GDBusConnection *bus = g_dbus_connection_new_for_address_sync(
			address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &why);

		if (bus)
			return bus;
		if (!g_error_matches(why, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) ||
		    g_get_monotonic_time() > deadline) {
			g_propagate_error(error, g_steal_pointer(&why));
			return NULL;
		}
		g_usleep(CONNECT_PAUSE_US);
	}
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

/* With nothing of ours open but the pipe, and no signal blocked. */
static gboolean
spawn_daemon(const char *program, int out, pid_t *pid, GError **error)
{
	char *argv[] = { (char *)program, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	rc = posix_spawn(pid, program, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (rc != 0)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "Cannot start %s: %s", program,
			    g_strerror(rc));
	return rc == 0;
}

/* What it says until it is ready or has ended, which both close the pipe. FALSE: too late. */
static gboolean
read_until_closed(int fd, GString *said)
{
	gint64 deadline = g_get_monotonic_time() + START_DEADLINE_US;
	char buffer[512];

	for (;;) {
		gint64 left = deadline - g_get_monotonic_time();
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (left <= 0)
			return FALSE;
		if (poll(&pollfd, 1, (int)(left / 1000) + 1) <= 0)
			continue;
		n = read(fd, buffer, sizeof buffer);
		if (n == 0)
			return TRUE;
		if (n > 0 && said->len < LOG_TAIL_BYTES)
			g_string_append_len(said, buffer, n);
	}
}

/* What goes wrong late is in the log only. */
static void
set_start_error(GError **error, const char *program, const char *log, const char *said)
{
	g_autofree char *text = NULL;
	const char *tail = said;
	gsize len = 0;

	if (!*said && g_file_get_contents(log, &text, &len, NULL))
		tail = len > LOG_TAIL_BYTES ? text + len - LOG_TAIL_BYTES : text;
	g_set_error(error, JF_ERROR, JF_ERROR_STATE, "%s does not start%s%s", program,
		    *tail ? ":\n" : "", tail);
	g_strchomp((*error)->message);
}

static gboolean
start_program(const char *dir, const char *program, GError **error)
{
	g_autofree char *log = g_build_filename(dir, "jackfieldd.log", NULL);
	g_autoptr(GString) said = g_string_new(NULL);
	gboolean in_time = FALSE;
	int status = 0;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "Cannot make a pipe: %s",
			    g_strerror(errno));
		return FALSE;
	}
	if (!spawn_daemon(program, fds[1], &pid, error)) {
		close(fds[0]);
		close(fds[1]);
		return FALSE;
	}
	close(fds[1]);
	in_time = read_until_closed(fds[0], said);
	close(fds[0]);
	if (in_time && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0)
		return TRUE;
	if (in_time)
		set_start_error(error, program, log, said->str);
	else
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "%s is not ready after %d seconds; its log is %s", program,
			    (int)(START_DEADLINE_US / G_USEC_PER_SEC), log);
	return FALSE;
}

static GDBusConnection *
start_daemon(const char *dir, const char *address, GError **error)
{
	g_autofree char *program = find_daemon(error);

	if (!program || !start_program(dir, program, error))
		return NULL;
	return connect_to(address, error);
}

/* ---- Talking to it ---- */

gboolean
cli_connect(Cli *cli, GError **error)
{
	g_autofree char *dir = jf_dup_runtime_dir();
	g_autofree char *address = paths_get_address(dir);
	g_autoptr(GError) why = NULL;

	if (cli->bus)
		return TRUE;
	bus_error_register();
	cli->bus = connect_to(address, &why);
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

/* What a value that was looked up points at is not sure to outlive it. */
const char *
cli_get_text(GVariant *dict, const char *key)
{
	g_autoptr(GVariant) value = g_variant_lookup_value(dict, key, G_VARIANT_TYPE_STRING);

	return value ? g_intern_string(g_variant_get_string(value, NULL)) : "";
}
