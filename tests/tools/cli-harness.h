/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-harness.h - the built jackfield with a daemon and directories of its own. */
#ifndef JACKFIELD_CLI_HARNESS_H
#define JACKFIELD_CLI_HARNESS_H

#include <gio/gio.h>

typedef struct Home {
	char *dir; /* everything is below */
	char **env;
} Home;

/* For g_test_add. The daemon starts with the first command. */
void home_init(Home *home, gconstpointer data);
/* Ends the daemon, and waits until it has. */
void home_finish(Home *home, gconstpointer data);

char *home_path(const Home *home, const char *name);
void home_write(const Home *home, const char *name, const char *text, int mode);
/* What is in a file by now; "" where there is none. */
char *home_read(const Home *home, const char *name);
/* Its process. It must run. */
gint64 home_get_daemon(const Home *home);
/* Until the daemon's socket takes no more clients. */
void home_wait_queue_full(const Home *home);
/* Ends the daemon with a signal, and waits until it has. */
void home_kill_daemon(const Home *home, int signal);

/* Runs "jackfield LINE" with the shell's quoting. DIR in the line is the home's directory. */
typedef struct Result {
	int status;
	char *out, *err;
} Result;
void cli(const Home *home, Result *result, const char *line);
void result_clear(Result *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Result, result_clear)

/* Runs it and expects this status, these words on standard output and standard error (NULL: not
 * looked at; "": nothing there). */
void check(const Home *home, const char *line, int status, const char *out, const char *err);
/* The same until it comes true, with a deadline. */
void check_becomes(const Home *home, const char *line, const char *out);
/* Until a file holds these words. */
void check_file_becomes(const Home *home, const char *name, const char *words);

/* In the background. What it says on standard error is in the home's file "stderr". */
GSubprocess *cli_start(const Home *home, const char *line);
/* Waits for it; 128 and the number where a signal ended it. */
int cli_wait(GSubprocess *process);

#endif
