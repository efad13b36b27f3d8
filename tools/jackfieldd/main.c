/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - jackfieldd: options, signals, and when to end. */
#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/bus-error.h"
#include "../common/paths.h"
#include "bus.h"
#include "config.h"
#include "daemon.h"
#include "launch.h"

typedef struct Options {
	gboolean foreground, version;
	char *runtime_dir, *config_dir, *bus;
	int idle_exit, workers;
} Options;

typedef struct Program {
	Options options;
	GMainLoop *loop;
	Daemon *daemon;
	Bus *bus;
	guint idle_id; /* 0: not idle */
} Program;

/* ---- Options ---- */

static gboolean
options_check(const Options *options, GError **error)
{
	if (options->idle_exit < 0 || options->idle_exit > 86400)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--idle-exit is 0 (never) to 86400 seconds");
	else if (options->workers < 0 || options->workers > 64)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--workers is 0 (one a processor, at most 2) to 64");
	else if (strcmp(options->bus, "auto") != 0 && strcmp(options->bus, "session") != 0 &&
		 strcmp(options->bus, "system") != 0 && strcmp(options->bus, "none") != 0)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "--bus is auto, session, system or none");
	else
		return TRUE;
	return FALSE;
}

static gboolean
options_parse(Options *options, int *argc, char ***argv, GError **error)
{
	const GOptionEntry entries[] = {
		{ "foreground", 'f', 0, G_OPTION_ARG_NONE, &options->foreground,
		  "Stay in the foreground, log to standard error", NULL },
		{ "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->runtime_dir,
		  "Where sockets go ($JACKFIELD_RUNTIME_DIR)", "DIR" },
		{ "config-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->config_dir,
		  "Where machines are kept ($JACKFIELD_HOME)", "DIR" },
		{ "idle-exit", 0, 0, G_OPTION_ARG_INT, &options->idle_exit,
		  "End after so long without clients and running machines; 0: never", "SECONDS" },
		{ "workers", 0, 0, G_OPTION_ARG_INT, &options->workers,
		  "Threads that move frames; 0: one a processor, at most 2", "N" },
		{ "bus", 0, 0, G_OPTION_ARG_STRING, &options->bus,
		  "Message bus to be on as well: auto, session, system or none", "BUS" },
		{ "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version",
		  NULL },
		{ NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	char *dir;

	g_option_context_set_summary(context, "Hosts the network cards of virtual machines.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (*argc > 1) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "Unknown argument '%s'",
			    (*argv)[1]);
		return FALSE;
	}
	dir = options->runtime_dir;
	options->runtime_dir = dir ? g_canonicalize_filename(dir, NULL) : jf_dup_runtime_dir();
	g_free(dir);
	dir = options->config_dir;
	options->config_dir = dir ? g_canonicalize_filename(dir, NULL) : paths_get_config_dir();
	g_free(dir);
	if (!options->bus)
		options->bus = g_strdup("auto");
	return options_check(options, error);
}

static void
options_finish(Options *options)
{
	g_free(options->runtime_dir);
	g_free(options->config_dir);
	g_free(options->bus);
}

/* ---- When to end ---- */

static gboolean
program_signalled(gpointer data)
{
	Program *program = data;

	g_main_loop_quit(program->loop);
	return G_SOURCE_CONTINUE;
}

static gboolean
program_idle_ended(gpointer data)
{
	Program *program = data;

	/* A machine may run without any client. */
	if (!daemon_is_idle(program->daemon))
		return G_SOURCE_CONTINUE;
	g_message("Nobody needs this daemon; it ends");
	program->idle_id = 0;
	g_main_loop_quit(program->loop);
	return G_SOURCE_REMOVE;
}

/* Clients come and go: the time begins when the last one went. */
static void
program_clients_changed(gpointer data)
{
	Program *program = data;

	if (program->idle_id)
		g_source_remove(program->idle_id);
	program->idle_id = 0;
	if (program->options.idle_exit > 0 && bus_count_clients(program->bus) == 0)
		program->idle_id = g_timeout_add_seconds((guint)program->options.idle_exit,
							 program_idle_ended, program);
}

/* ---- Running ---- */

/* GDBus would start a bus of its own where there is none. */
static gboolean
session_bus_is_there(void)
{
	const char *address = g_getenv("DBUS_SESSION_BUS_ADDRESS");
	g_autofree char *path = g_build_filename(g_get_user_runtime_dir(), "bus", NULL);

	return (address && *address) || g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
program_join_bus(Program *program)
{
	const char *bus = program->options.bus;

	if (strcmp(bus, "system") == 0)
		bus_join(program->bus, G_BUS_TYPE_SYSTEM);
	else if (strcmp(bus, "session") == 0 ||
		 (strcmp(bus, "auto") == 0 && session_bus_is_there()))
		bus_join(program->bus, G_BUS_TYPE_SESSION);
}

static gboolean
program_start(Program *program, GError **error)
{
	const Options *options = &program->options;

	program->daemon =
		daemon_new(options->config_dir, options->runtime_dir, (guint)options->workers);
	program->bus = bus_new(program->daemon, error);
	if (!program->bus)
		return FALSE;
	program->daemon->bus = program->bus;
	daemon_resume_machines(program->daemon);
	if (!daemon_listen(program->daemon, error))
		return FALSE;
	bus_set_clients_changed(program->bus, program_clients_changed, program);
	program_clients_changed(program);
	program_join_bus(program);
	return TRUE;
}

static void
program_finish(Program *program)
{
	if (program->daemon)
		program->daemon->bus = NULL;
	bus_free(program->bus);
	if (program->idle_id)
		g_source_remove(program->idle_id);
	daemon_free(program->daemon);
}

static int
program_run(Program *program, int ready_fd)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	gboolean started;

	program->loop = loop;
	if (!jf_guard_shared_memory(&error)) {
		g_printerr("jackfieldd: %s\n", error->message);
		return EXIT_FAILURE;
	}
	g_unix_signal_add(SIGTERM, program_signalled, program);
	g_unix_signal_add(SIGINT, program_signalled, program);
	started = program_start(program, &error);
	if (started) {
		launch_report_ready(ready_fd);
		g_main_loop_run(loop);
	} else {
		g_printerr("jackfieldd: %s\n", error->message);
	}
	program_finish(program);
	return started ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Two clients may start a daemon at the same time: the second one finds it running, and is content
 * once that answers. */
static int
program_find_other(const Options *options, const GError *busy, int ready_fd)
{
	g_autofree char *socket = paths_get_socket(options->runtime_dir);

	if (g_error_matches(busy, JF_ERROR, JF_ERROR_BUSY) && launch_wait_socket(socket)) {
		launch_report_ready(ready_fd);
		return EXIT_SUCCESS;
	}
	g_printerr("jackfieldd: %s\n", busy->message);
	return EXIT_FAILURE;
}

static int
program_lock_and_run(Program *program, int ready_fd)
{
	const Options *options = &program->options;
	g_autoptr(GError) error = NULL;

	if (launch_lock(options->runtime_dir, &error) < 0)
		return program_find_other(options, error, ready_fd);
	/* Two daemons must not write the same documents. */
	if (launch_lock(options->config_dir, &error) < 0) {
		g_printerr("jackfieldd: %s\n", error->message);
		return EXIT_FAILURE;
	}
	if (!options->foreground) {
		g_autofree char *log =
			g_build_filename(options->runtime_dir, "jackfieldd.log", NULL);

		launch_redirect(log);
	}
	return program_run(program, ready_fd);
}

/* Small: a few hundred clients' threads must not each get an arena of their own, and freed memory
 * goes back. */
static void
limit_memory(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

/* Each flow of a guest is a descriptor; nothing here uses select(2), for which the lower limit is. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	Program program = { 0 };
	g_autoptr(GError) error = NULL;
	int ready_fd = -1;
	int status;

	limit_memory();
	raise_file_limit();
	umask(077);
	bus_error_register();
	if (!options_parse(&program.options, &argc, &argv, &error) ||
	    (!program.options.version &&
	     (!paths_make_private(program.options.runtime_dir, &error) ||
	      !paths_make_private(program.options.config_dir, &error)))) {
		g_printerr("jackfieldd: %s\n", error->message);
		return EXIT_FAILURE;
	}
	if (program.options.version) {
		g_print("jackfieldd %s\n", JF_VERSION);
		return EXIT_SUCCESS;
	}
	if (!program.options.foreground)
		ready_fd = launch_fork();
	signal(SIGPIPE, SIG_IGN);
	status = program_lock_and_run(&program, ready_fd);
	options_finish(&program.options);
	return status;
}
