/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run.c - run MACHINE -- VMM...: cards up, the virtual machine monitor with them, cards down.
 *
 * The machine is started bound to our connection, so that its cards also go when we are killed. While
 * the monitor runs, we tell it what happens to a card's line (a cable pulled, the far end down), as
 * far as it can be told: QEMU by its monitor protocol on a socket pair. When the machine is powered
 * off by somebody else the monitor is asked to quit, then terminated, then killed. When the daemon
 * ends, we start it again: it brings the cards up as they were, for a monitor that reconnects.
 */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "changes.h"
#include "cli.h"
#include "jackfield/abi.h"
#include "message.h"
#include "qmp.h"
#include "run-cards.h"

/* Between asking, terminating and killing. */
#define END_STEP_MS 5000u
/* Between attempts to have a daemon again. */
#define REJOIN_MS 500u

extern char **environ;

typedef struct Run {
	Cli *cli;
	const char *machine;   /* as the user wrote it */
	const char *connector; /* NULL: the machine's own, or the best */
	VmmKind kind;          /* as the user said */
	char **args;           /* the user's command line */
	Vmm vmm;

	char *path;       /* the machine's object */
	GVariant *start;  /* arguments of Start */
	GPtrArray *cards; /* VmmCard */
	GMainLoop *loop;
	Qmp *qmp; /* NULL: not QEMU */
	GPid pid;
	int status; /* as waitpid gives it */
	gboolean ended;
	gboolean finishing; /* we take the cards down ourselves */
	guint end_timer;
	gboolean terminated; /* SIGTERM was sent */
	guint rejoin_timer;
	gboolean alone; /* no daemon to be had */
} Run;

static void
run_clear(Run *run)
{
	g_clear_handle_id(&run->end_timer, g_source_remove);
	g_clear_handle_id(&run->rejoin_timer, g_source_remove);
	g_clear_pointer(&run->qmp, qmp_free);
	g_clear_pointer(&run->cards, g_ptr_array_unref);
	g_clear_pointer(&run->start, g_variant_unref);
	vmm_finish(&run->vmm);
	g_clear_pointer(&run->loop, g_main_loop_unref);
	g_free(run->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static void
note(const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	fprintf(stderr, "jackfield: %s\n", text);
}

/* ---- What the daemon tells ---- */

static void
on_card_changed(GDBusConnection *bus G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED,
		const char *path, const char *interface G_GNUC_UNUSED,
		const char *signal G_GNUC_UNUSED, GVariant *args, gpointer data)
{
	g_autoptr(GVariant) changed = NULL;
	Run *run = data;
	const char *why;
	guint i;

	g_variant_get(args, "(&s@a{sv}@as)", NULL, &changed, NULL);
	for (i = 0; run->cards && i < run->cards->len; i++) {
		VmmCard *card = run->cards->pdata[i];

		if (strcmp(card->path, path) != 0 || run->finishing)
			continue;
		if (g_variant_lookup(changed, "Link", "b", &card->link) && run->qmp &&
		    vmm_card_has_netdev(card))
			qmp_set_link(run->qmp, card->device, card->link);
		if (g_variant_lookup(changed, "Error", "&s", &why) && *why)
			note("NIC %u failed: %s", card->slot, why);
	}
}

static gboolean
on_end_step(gpointer data)
{
	Run *run = data;

	if (run->terminated) {
		note("the virtual machine monitor does not end: it is killed");
		kill(run->pid, SIGKILL);
		run->end_timer = 0;
		return G_SOURCE_REMOVE;
	}
	kill(run->pid, SIGTERM);
	run->terminated = TRUE;
	return G_SOURCE_CONTINUE;
}

static void
on_power_off(GDBusConnection *bus G_GNUC_UNUSED, const char *sender G_GNUC_UNUSED,
	     const char *path G_GNUC_UNUSED, const char *interface G_GNUC_UNUSED,
	     const char *signal G_GNUC_UNUSED, GVariant *args G_GNUC_UNUSED, gpointer data)
{
	Run *run = data;

	if (run->ended || run->finishing || run->end_timer || run->pid == 0)
		return;
	run->end_timer = g_timeout_add(END_STEP_MS, on_end_step, run);
	if (run->qmp)
		qmp_quit(run->qmp);
	else
		on_end_step(run);
}

static gboolean run_rejoin(gpointer data);

static void
on_bus_closed(GDBusConnection *bus G_GNUC_UNUSED, gboolean vanished G_GNUC_UNUSED,
	      GError *error G_GNUC_UNUSED, gpointer data)
{
	Run *run = data;

	if (run->finishing)
		return;
	note("jackfieldd has ended; it is started again");
	run->rejoin_timer = g_timeout_add(REJOIN_MS, run_rejoin, run);
}

static void
run_subscribe(Run *run)
{
	GDBusConnection *bus = run->cli->bus;

	/* Peer to peer: nothing is sent for this, and nothing comes twice. */
	g_dbus_connection_signal_subscribe(bus, NULL, "org.freedesktop.DBus.Properties",
					   "PropertiesChanged", NULL, CARD_INTERFACE,
					   G_DBUS_SIGNAL_FLAGS_NONE, on_card_changed, run, NULL);
	g_dbus_connection_signal_subscribe(bus, NULL, MACHINE_INTERFACE, "PowerOffRequested",
					   run->path, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_power_off,
					   run, NULL);
	g_signal_connect(bus, "closed", G_CALLBACK(on_bus_closed), run);
}

/* Closed or not, this connection tells us nothing any more. */
static void
run_leave(Run *run)
{
	if (run->cli->bus)
		g_signal_handlers_disconnect_by_data(run->cli->bus, run);
	cli_disconnect(run->cli);
}

static void
run_send_links(Run *run)
{
	guint i;

	for (i = 0; run->qmp && i < run->cards->len; i++) {
		const VmmCard *card = run->cards->pdata[i];

		if (vmm_card_has_netdev(card))
			qmp_set_link(run->qmp, card->device, card->link);
	}
}

/* The cards as they are now that the machine runs. */
static gboolean
run_look(Run *run, GError **error)
{
	GPtrArray *cards = run_cards_list(run->cli, run->path, error);

	if (!cards)
		return FALSE;
	g_clear_pointer(&run->cards, g_ptr_array_unref);
	run->cards = cards;
	return TRUE;
}

/* What a VMM connects to once and not again is gone with the daemon. */
static void
run_note_lost(Run *run)
{
	guint i;

	for (i = 0; i < run->cards->len; i++) {
		const VmmCard *card = run->cards->pdata[i];

		if (vmm_card_is_ours(card))
			note("NIC %u: QEMU does not connect again by %s: the card stays dead until "
			     "it is restarted",
			     card->slot, card->connector);
	}
}

/* The new daemon brings the machine up again by itself, unless its runtime directory was emptied. */
static gboolean
run_join(Run *run, GError **error)
{
	g_autoptr(GVariant) properties = NULL;
	g_autoptr(GVariant) reply = NULL;
	gboolean running = FALSE;

	properties = cli_get_properties(run->cli, run->path, MACHINE_INTERFACE, error);
	if (!properties)
		return FALSE;
	run_subscribe(run);
	g_variant_lookup(properties, "Running", "b", &running);
	if (!running)
		reply = cli_call(run->cli, run->path, MACHINE_INTERFACE, "Start", run->start, "()",
				 error);
	return (running || reply) && run_look(run, error);
}

static gboolean
run_rejoin(gpointer data)
{
	g_autoptr(GError) error = NULL;
	Run *run = data;

	run_leave(run);
	if (!run_join(run, &error)) {
		if (!run->alone)
			note("the cards are gone: %s", error->message);
		run->alone = TRUE;
		return G_SOURCE_CONTINUE;
	}
	run->alone = FALSE;
	run->rejoin_timer = 0;
	run_send_links(run);
	run_note_lost(run);
	return G_SOURCE_REMOVE;
}

/* ---- The monitor ---- */

static void
on_qmp_error(const char *command, const char *text, gpointer data G_GNUC_UNUSED)
{
	note("QEMU refuses %s: %s", command, text);
}

static void
on_child(GPid pid G_GNUC_UNUSED, int status, gpointer data)
{
	Run *run = data;

	run->status = status;
	run->ended = TRUE;
	g_main_loop_quit(run->loop);
}

/* A signal from the terminal has reached the monitor as well: both are in the foreground. */
static gboolean
on_signal(int fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
	struct signalfd_siginfo info;
	Run *run = data;

	if (read(fd, &info, sizeof info) == sizeof info && info.ssi_code != SI_KERNEL &&
	    !run->ended)
		kill(run->pid, (int)info.ssi_signo);
	return G_SOURCE_CONTINUE;
}

/* Our signals, which wait in the descriptor from now on. */
static int
open_signals(sigset_t *old)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, old);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static gboolean
run_spawn(Run *run, char **argv, int monitor, const sigset_t *mask, GError **error)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	/* On itself: this keeps it open in the child. */
	if (monitor >= 0)
		posix_spawn_file_actions_adddup2(&actions, monitor, monitor);
	for (guint i = 0; i < run->vmm.fds->len; i++) {
		int fd = g_array_index(run->vmm.fds, int, i);

		posix_spawn_file_actions_adddup2(&actions, fd, fd);
	}
	rc = posix_spawnp(&run->pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (rc != 0) {
		run->pid = 0;
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "Cannot run %s: %s", argv[0],
			    g_strerror(rc));
	}
	return rc == 0;
}

static gboolean
run_open_monitor(Run *run, int *theirs, GError **error)
{
	int pair[2];

	*theirs = -1;
	if (run->vmm.kind != VMM_QEMU)
		return TRUE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "Cannot make a socket pair: %s",
			    g_strerror(errno));
		return FALSE;
	}
	run->qmp = qmp_new(pair[0], on_qmp_error, run);
	*theirs = pair[1];
	return TRUE;
}

static void
print_notes(const GPtrArray *notes)
{
	guint i;

	for (i = 0; i < notes->len; i++)
		note("%s", (const char *)notes->pdata[i]);
}

static gboolean
run_vmm(Run *run, int signals, const sigset_t *mask, GError **error)
{
	g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) argv = NULL;
	gboolean spawned;
	int monitor;

	if (!run_open_monitor(run, &monitor, error))
		return FALSE;
	argv = vmm_make_args(&run->vmm, run->cards, monitor, notes, error);
	if (argv)
		print_notes(notes);
	run_cards_remove_locals(run->cards);
	spawned = argv && run_spawn(run, argv, monitor, mask, error);
	if (monitor >= 0)
		close(monitor);
	if (!spawned)
		return FALSE;
	run_send_links(run);
	g_child_watch_add(run->pid, on_child, run);
	g_unix_fd_add(signals, G_IO_IN, on_signal, run);
	g_main_loop_run(run->loop);
	return TRUE;
}

/* ---- The whole ---- */

/* Which connector each card gets, from what the VMM and the daemon have. */
static gboolean
run_choose(Run *run, GError **error)
{
	g_autoptr(GHashTable) drivers = run_drivers_list(run->cli, error);
	g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);

	if (!drivers || !run_look(run, error) ||
	    !vmm_choose(&run->vmm, run->cards, run->connector, drivers, notes, error))
		return FALSE;
	print_notes(notes);
	run->start = g_variant_ref_sink(run_cards_build_start(run->cards));
	return TRUE;
}

static gboolean
run_start(Run *run, GError **error)
{
	g_autoptr(GVariant) reply = NULL;

	run->path = cli_find_machine(run->cli, run->machine, error);
	if (!run->path || !run_choose(run, error))
		return FALSE;
	run_subscribe(run);
	reply = cli_call(run->cli, run->path, MACHINE_INTERFACE, "Start", run->start, "()", error);
	return reply && run_look(run, error);
}

/* The exit status is the monitor's; 128 and the signal's number where one ended it, as in a shell. */
static void
run_finish(Run *run)
{
	g_autoptr(GVariant) reply = NULL;

	run->finishing = TRUE;
	run_cards_remove_locals(run->cards);
	if (run->cli->bus && !g_dbus_connection_is_closed(run->cli->bus))
		reply = cli_call(run->cli, run->path, MACHINE_INTERFACE, "PowerOff", NULL, "()",
				 NULL);
	if (WIFEXITED(run->status))
		run->cli->status = WEXITSTATUS(run->status);
	else if (WIFSIGNALED(run->status))
		run->cli->status = 128 + WTERMSIG(run->status);
}

static gboolean
run_machine(Run *run, GError **error)
{
	sigset_t mask;
	int signals = open_signals(&mask);
	gboolean done;

	run->loop = g_main_loop_new(NULL, FALSE);
	done = run_start(run, error) && run_vmm(run, signals, &mask, error);
	if (done)
		run_finish(run);
	run->finishing = TRUE;
	run_leave(run);
	close(signals);
	return done;
}

static gboolean
parse_vmm(const char *word, VmmKind *kind, GError **error)
{
	static const char *const names[] = { "qemu", "other", NULL };

	if (g_strcmp0(word, "qemu") == 0)
		*kind = VMM_QEMU;
	else if (g_strcmp0(word, "other") == 0)
		*kind = VMM_OTHER;
	else if (word)
		usage_error_unknown(error, "value for --vmm:", word, names);
	else
		usage_error(error, "--vmm needs qemu or other");
	return *kind != VMM_ANY;
}

/* Up to and with "--". */
static gboolean
parse_args(Run *run, char **args, GError **error)
{
	static const char *const names[] = { "--connector", "--vmm", "--", NULL };

	for (; *args && strcmp(*args, "--") != 0; args++) {
		if (strcmp(*args, "--connector") == 0) {
			run->connector = *++args;
			if (!run->connector) {
				usage_error(error, "--connector needs the name of a driver");
				return FALSE;
			}
		} else if (strcmp(*args, "--vmm") == 0) {
			if (!parse_vmm(*++args, &run->kind, error))
				return FALSE;
		} else if ((*args)[0] == '-') {
			usage_error_unknown(error, "option", *args, names);
			return FALSE;
		} else if (run->machine) {
			usage_error(error, "Unexpected '%s': put -- in front of the program",
				    *args);
			return FALSE;
		} else {
			run->machine = *args;
		}
	}
	run->args = *args ? args + 1 : args;
	if (run->machine && *run->args)
		return TRUE;
	usage_error(error, "run needs a machine, -- and a program");
	return FALSE;
}

gboolean
verb_run(Cli *cli, char **args, GError **error)
{
	g_auto(Run) run = { .cli = cli };
	g_autofree char *program = NULL;

	if (!parse_args(&run, args, error))
		return FALSE;
	program = g_find_program_in_path(run.args[0]);
	if (!program) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "There is no program '%s'",
			    run.args[0]);
		return FALSE;
	}
	vmm_init(&run.vmm, run.kind, run.args);
	return run_machine(&run, error);
}
