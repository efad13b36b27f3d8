/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli.h - the parts of the command line program and what they share. */
#ifndef JACKFIELD_CLI_H
#define JACKFIELD_CLI_H

#include <gio/gio.h>

#define MANAGER_INTERFACE "org.jackfield.Manager1"
#define MACHINE_INTERFACE "org.jackfield.Machine1"
#define CARD_INTERFACE "org.jackfield.Card1"
#define NETWORK_INTERFACE "org.jackfield.Network1"

/* The command line itself is wrong: exit status 2 instead of 1. */
#define CLI_ERROR (cli_error_quark())
typedef enum {
	CLI_ERROR_USAGE,
} CliErrorCode;
GQuark cli_error_quark(void);

typedef struct Cli {
	GDBusConnection *bus; /* NULL until the first call */
	gboolean no_start;    /* do not start a daemon */
	int status;           /* exit status of a verb that succeeded */
} Cli;

/* `args` is what follows the verb, NULL-terminated. */
typedef gboolean (*VerbFunc)(Cli *cli, char **args, GError **error);

typedef struct Verb {
	const char *name;
	const char *usage; /* what follows the verb, one form a line */
	const char *blurb;
	VerbFunc run;
	/* Adds what may follow the verb, for the shell's completion; NULL: nothing fixed. */
	void (*list_words)(GPtrArray *words);
} Verb;

/* Every verb; a NULL name ends the table. */
extern const Verb verbs[];

/* ---- daemon.c ---- */

/* Connects, and starts the daemon first where none answers and none is forbidden to. */
gboolean cli_connect(Cli *cli, GError **error);
void cli_disconnect(Cli *cli);
/* One call, connecting where needed. `type`: the reply's, as text. */
GVariant *cli_call(Cli *cli, const char *path, const char *interface, const char *method,
		   GVariant *args, const char *type, GError **error);
GVariant *cli_call_manager(Cli *cli, const char *method, GVariant *args, const char *type,
			   GError **error);
/* The object path of a machine by name or UUID; the caller's. */
char *cli_find_machine(Cli *cli, const char *name, GError **error);
/* All properties of an interface: a{sv}. */
GVariant *cli_get_properties(Cli *cli, const char *path, const char *interface, GError **error);
/* Every card of a machine: aa{sv}. */
GVariant *cli_list_cards(Cli *cli, const char *machine, GError **error);
/* The object path of card `slot` (from 1); the caller's. */
char *cli_get_card_path(const char *machine, guint slot);
/* A string of an a{sv}, "" where it is not there; good for ever. */
const char *cli_get_text(GVariant *dict, const char *key);

/* ---- verbs ---- */

gboolean verb_createvm(Cli *cli, char **args, GError **error);
gboolean verb_unregistervm(Cli *cli, char **args, GError **error);
gboolean verb_startvm(Cli *cli, char **args, GError **error);
gboolean verb_modifyvm(Cli *cli, char **args, GError **error);
gboolean verb_controlvm(Cli *cli, char **args, GError **error);
gboolean verb_showvminfo(Cli *cli, char **args, GError **error);
gboolean verb_list(Cli *cli, char **args, GError **error);
gboolean verb_drivers(Cli *cli, char **args, GError **error);
gboolean verb_inspect(Cli *cli, char **args, GError **error);
gboolean verb_stats(Cli *cli, char **args, GError **error);
gboolean verb_run(Cli *cli, char **args, GError **error);
gboolean verb_natnetwork(Cli *cli, char **args, GError **error);
gboolean verb_dhcpserver(Cli *cli, char **args, GError **error);
gboolean verb_setextradata(Cli *cli, char **args, GError **error);
gboolean verb_getextradata(Cli *cli, char **args, GError **error);
gboolean verb_help(Cli *cli, char **args, GError **error);

void list_words(GPtrArray *words);
void modifyvm_words(GPtrArray *words);
void controlvm_words(GPtrArray *words);
void natnetwork_words(GPtrArray *words);
void dhcpserver_words(GPtrArray *words);

/* showvminfo's text of one machine. */
gboolean machine_print(Cli *cli, const char *path, gboolean machine_readable, GError **error);
/* What list natnets and list dhcpservers print. */
gboolean natnetwork_print_all(Cli *cli, GError **error);
gboolean dhcpserver_print_all(Cli *cli, GError **error);
/* Prints the host's interfaces that a card could be bridged to. */
gboolean hostif_print_all(gboolean sorted, GError **error);

#endif
