/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture.h - a jackfieldd of the build with directories of its own, and calls to it. */
#ifndef JACKFIELD_TEST_FIXTURE_H
#define JACKFIELD_TEST_FIXTURE_H

#include <gio/gio.h>

#include "jackfield/abi.h"

#define MANAGER "org.jackfield.Manager1"
#define MACHINE "org.jackfield.Machine1"
#define CARD "org.jackfield.Card1"

typedef struct Fixture {
	char *dir; /* holds both of the next */
	char *config_dir;
	char *runtime_dir;
	GPid pid; /* 0: it does not run */
	GDBusConnection *bus;
} Fixture;

/* New directories and a running daemon. */
void fixture_init(Fixture *fixture);
/* Ends the daemon by SIGTERM, wants exit code 0, and removes the directories. */
void fixture_finish(Fixture *fixture);

/* Starts a daemon with these arguments more (NULL-terminated, may be NULL); does not wait. */
GPid fixture_spawn(Fixture *fixture, const char *const *arguments);
/* Waits for the process; its exit code, or minus the signal's number. */
int fixture_wait(GPid pid);
void fixture_start(Fixture *fixture, const char *const *arguments);
/* Sends the signal and waits; closes the connection. */
int fixture_stop(Fixture *fixture, int signal);
void fixture_connect(Fixture *fixture);

/* One call; `type` is the reply's. NULL with an error. */
GVariant *fixture_call(Fixture *fixture, const char *path, const char *interface,
		       const char *method, GVariant *args, const char *type, GError **error);
/* The path of a new machine, g_free; it must work. */
char *fixture_create(Fixture *fixture, const char *name);
/* Modify or Control with triples of numbers, keys and values: "1 nic=intnet\n1 intnet=foo". */
gboolean fixture_change(Fixture *fixture, const char *path, const char *method, const char *changes,
			GError **error);
/* The same; must work. */
void fixture_modify(Fixture *fixture, const char *path, const char *changes);
/* The same; must fail with `code` and a message that has `text` in it. */
void fixture_modify_fails(Fixture *fixture, const char *path, const char *method,
			  const char *changes, JfErrorCode code, const char *text);
/* Machine1.Start; must work. */
void fixture_power_on(Fixture *fixture, const char *path);
/* A property, floating no more. */
GVariant *fixture_get(Fixture *fixture, const char *path, const char *interface,
		      const char *property);
/* One setting of a card (from 1), g_free; NULL: it is not there. */
char *fixture_get_setting(Fixture *fixture, const char *path, guint card, const char *key);
/* The path of a machine's card, g_free. */
char *fixture_get_card(const char *machine, guint card);
gboolean fixture_has_driver(Fixture *fixture, const char *id);
/* How many documents could not be read. */
guint fixture_count_problems(Fixture *fixture);

#endif
