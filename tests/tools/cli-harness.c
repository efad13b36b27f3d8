/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-harness.c - the built jackfield with a daemon and directories of its own. */
#include "cli-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_US (20 * G_USEC_PER_SEC)
#define POLL_US 5000

/* ---- Directories ---- */

char *
home_path(const Home *home, const char *name)
{
	return g_build_filename(home->dir, name, NULL);
}

void
home_write(const Home *home, const char *name, const char *text, int mode)
{
	g_autofree char *path = home_path(home, name);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

char *
home_read(const Home *home, const char *name)
{
	g_autofree char *path = home_path(home, name);
	char *text = NULL;

	return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

void
home_init(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *runtime = NULL;
	g_autofree char *config = NULL;

	home->dir = g_dir_make_tmp("jackfield-XXXXXX", NULL);
	g_assert_nonnull(home->dir);
	runtime = home_path(home, "run");
	config = home_path(home, "home");
	home->env = g_get_environ();
	home->env = g_environ_setenv(home->env, "JACKFIELD_RUNTIME_DIR", runtime, TRUE);
	home->env = g_environ_setenv(home->env, "JACKFIELD_HOME", config, TRUE);
	/* Nobody's bus, nobody's plugins. */
	home->env = g_environ_unsetenv(home->env, "DBUS_SESSION_BUS_ADDRESS");
	home->env = g_environ_setenv(home->env, "XDG_RUNTIME_DIR", home->dir, TRUE);
	home->env = g_environ_setenv(home->env, "XDG_DATA_HOME", home->dir, TRUE);
	home->env = g_environ_setenv(home->env, "LC_ALL", "C.UTF-8", TRUE);
	home->env = g_environ_unsetenv(home->env, "JACKFIELD_PLUGIN_PATH");
}

/* The daemon holds its lock as long as it lives. */
static gboolean
daemon_is_gone(const Home *home)
{
	g_autofree char *path = home_path(home, "run/jackfieldd.lock");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	gboolean gone = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return gone;
}

static gint64
ask_daemon_pid(const Home *home)
{
	g_autofree char *socket = home_path(home, "run/jackfieldd.sock");
	g_autofree char *address = g_strconcat("unix:path=", socket, NULL);
	g_autoptr(GDBusConnection) bus = NULL;
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariant) value = NULL;

	bus = g_dbus_connection_new_for_address_sync(
		address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, NULL);
	if (!bus)
		return 0;
	reply = g_dbus_connection_call_sync(
		bus, NULL, "/org/jackfield/Manager", "org.freedesktop.DBus.Properties", "Get",
		g_variant_new("(ss)", "org.jackfield.Manager1", "ProcessId"), G_VARIANT_TYPE("(v)"),
		0, -1, NULL, NULL);
	if (!reply)
		return 0;
	g_variant_get(reply, "(v)", &value);
	return g_variant_get_uint32(value);
}

gint64
home_get_daemon(const Home *home)
{
	gint64 pid = ask_daemon_pid(home);

	g_assert_cmpint(pid, >, 1);
	return pid;
}

/* Connects and leaves at once, which takes a place in the queue all the same. */
static gboolean
queue_is_full(const Home *home)
{
	g_autofree char *path = home_path(home, "run/jackfieldd.sock");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	gboolean full;

	g_assert_cmpint(fd, >=, 0);
	g_strlcpy(address.sun_path, path, sizeof address.sun_path);
	full = connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno == EAGAIN;
	close(fd);
	return full;
}

void
home_wait_queue_full(const Home *home)
{
	gint64 deadline = g_get_monotonic_time() + DEADLINE_US;

	while (!queue_is_full(home)) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_usleep(POLL_US);
	}
}

void
home_kill_daemon(const Home *home, int signal)
{
	gint64 deadline = g_get_monotonic_time() + DEADLINE_US;
	gint64 pid = home_get_daemon(home);

	g_assert_cmpint(kill((pid_t)pid, signal), ==, 0);
	while (!daemon_is_gone(home)) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_usleep(POLL_US);
	}
}

static void
remove_tree(const char *path)
{
	g_autoptr(GDir) dir = NULL;
	const char *name;

	if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
		dir = g_dir_open(path, 0, NULL);
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *child = g_build_filename(path, name, NULL);

		remove_tree(child);
	}
	g_remove(path);
}

void
home_finish(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	if (!daemon_is_gone(home))
		home_kill_daemon(home, SIGTERM);
	remove_tree(home->dir);
	g_free(home->dir);
	g_strfreev(home->env);
}

/* ---- Commands ---- */

static char **
split_line(const Home *home, const char *line)
{
	g_auto(GStrv) parts = g_strsplit(line, "DIR", -1);
	g_autofree char *full = g_strjoinv(home->dir, parts);
	g_autofree char *command = g_strconcat(JACKFIELD, " ", full, NULL);
	char **argv = NULL;

	g_assert_true(g_shell_parse_argv(command, NULL, &argv, NULL));
	return argv;
}

void
cli(const Home *home, Result *result, const char *line)
{
	g_auto(GStrv) argv = split_line(home, line);
	g_autoptr(GError) error = NULL;
	int wait_status;

	g_spawn_sync(home->dir, argv, home->env, G_SPAWN_DEFAULT, NULL, NULL, &result->out,
		     &result->err, &wait_status, &error);
	g_assert_no_error(error);
	result->status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
						: 128 + WTERMSIG(wait_status);
}

void
result_clear(Result *result)
{
	g_free(result->out);
	g_free(result->err);
}

static gboolean
has_words(const char *text, const char *words)
{
	return !words || (*words ? strstr(text, words) != NULL : *text == '\0');
}

void
check(const Home *home, const char *line, int status, const char *out, const char *err)
{
	g_auto(Result) result = { 0 };

	cli(home, &result, line);
	if (result.status != status || !has_words(result.out, out) || !has_words(result.err, err))
		g_error("jackfield %s\ngives %d, not %d; standard output, which should have '%s':\n"
			"%s\nstandard error, which should have '%s':\n%s",
			line, result.status, status, out ? out : "(anything)", result.out,
			err ? err : "(anything)", result.err);
}

void
check_becomes(const Home *home, const char *line, const char *out)
{
	gint64 deadline = g_get_monotonic_time() + DEADLINE_US;

	for (;;) {
		g_auto(Result) result = { 0 };

		cli(home, &result, line);
		if (has_words(result.out, out))
			return;
		if (g_get_monotonic_time() > deadline)
			g_error("jackfield %s never has '%s' but:\n%s%s", line, out, result.out,
				result.err);
		g_usleep(POLL_US);
	}
}

void
check_file_becomes(const Home *home, const char *name, const char *words)
{
	gint64 deadline = g_get_monotonic_time() + DEADLINE_US;

	for (;;) {
		g_autofree char *text = home_read(home, name);

		if (has_words(text, words))
			return;
		if (g_get_monotonic_time() > deadline)
			g_error("%s never has '%s' but:\n%s", name, words, text);
		g_usleep(POLL_US);
	}
}

GSubprocess *
cli_start(const Home *home, const char *line)
{
	g_autoptr(GSubprocessLauncher) launcher = NULL;
	g_autofree char *err = home_path(home, "stderr");
	g_auto(GStrv) argv = split_line(home, line);
	g_autoptr(GError) error = NULL;
	GSubprocess *process;

	launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
	g_subprocess_launcher_set_stderr_file_path(launcher, err);
	g_subprocess_launcher_set_environ(launcher, home->env);
	g_subprocess_launcher_set_cwd(launcher, home->dir);
	process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
	g_assert_no_error(error);
	return process;
}

int
cli_wait(GSubprocess *process)
{
	g_assert_true(g_subprocess_wait(process, NULL, NULL));
	if (g_subprocess_get_if_signaled(process))
		return 128 + g_subprocess_get_term_sig(process);
	return g_subprocess_get_exit_status(process);
}
