/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon.h - everything that one jackfieldd has.
 *
 * One control thread (the main loop) makes all calls of vmm.h, reads and writes the documents and
 * serves D-Bus. Frames move on the workers only. What the workers have to say (a link changed, a
 * network came to be) sets a flag and wakes the control thread, which looks for itself.
 */
#ifndef JACKFIELDD_DAEMON_H
#define JACKFIELDD_DAEMON_H

#include <glib.h>

#include "jackfield/vmm.h"
#include "machine-config.h"
#include "ostype.h"
#include "workers.h"

typedef struct Bus Bus;
typedef struct Machine Machine;
typedef struct Networks Networks;
typedef struct Ports Ports;

/* A document that could not be read. */
typedef struct DocumentProblem {
	char *path;
	char *message;
} DocumentProblem;

typedef struct Daemon {
	char *config_dir;  /* absolute, ours */
	char *runtime_dir; /* absolute, ours */
	JfContext *context;
	OsTypes *ostypes;
	ConfigEnv env;
	Workers *workers;
	GHashTable *machines; /* uuid: Machine */
	Networks *networks;
	Ports *ports;        /* NULL: nobody listens yet */
	GPtrArray *problems; /* DocumentProblem */
	Bus *bus;            /* NULL: nobody listens yet */
	int cards_dirty;     /* atomic */
	int networks_dirty;  /* atomic */
	int services_dirty;  /* atomic */
} Daemon;

/* Loads the plugins and every machine; `workers` as in workers_new. Both directories exist. */
Daemon *daemon_new(const char *config_dir, const char *runtime_dir, guint workers);
/* Stops the cards. Machines that ran are remembered for the next daemon. */
void daemon_free(Daemon *daemon);
/* Starts the machines that ran when the last daemon ended, and the services that were started by
 * hand. What fails is logged. */
void daemon_resume_machines(Daemon *daemon);
/* No machine runs, no other program has a card here, and no service that was started by hand. */
gboolean daemon_is_idle(Daemon *daemon);
/* Lets cards of other programs onto the networks. */
gboolean daemon_listen(Daemon *daemon, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)

#endif
