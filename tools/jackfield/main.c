/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - jackfield, the command line program: VBoxManage's grammar for the daemon. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "message.h"
#include "options.h"

static void
inspect_words(GPtrArray *words)
{
	g_ptr_array_add(words, g_strdup("--json"));
	g_ptr_array_add(words, g_strdup("--markdown"));
}

static void
createvm_words(GPtrArray *words)
{
	g_ptr_array_add(words, g_strdup("--name"));
	g_ptr_array_add(words, g_strdup("--ostype"));
	g_ptr_array_add(words, g_strdup("--uuid"));
	g_ptr_array_add(words, g_strdup("--register"));
}

static void
unregistervm_words(GPtrArray *words)
{
	g_ptr_array_add(words, g_strdup("--delete"));
}

static void
showvminfo_words(GPtrArray *words)
{
	g_ptr_array_add(words, g_strdup("--machinereadable"));
}

static void
stats_words(GPtrArray *words)
{
	g_ptr_array_add(words, g_strdup("--once"));
	g_ptr_array_add(words, g_strdup("--json"));
	g_ptr_array_add(words, g_strdup("--interval"));
}

static void
run_words(GPtrArray *words)
{
	g_ptr_array_add(words, g_strdup("--connector"));
	g_ptr_array_add(words, g_strdup("--vmm"));
	g_ptr_array_add(words, g_strdup("--"));
}

static void
help_words(GPtrArray *words)
{
	const Verb *verb;

	for (verb = verbs; verb->name; verb++)
		g_ptr_array_add(words, g_strdup(verb->name));
}

const Verb verbs[] = {
	{ "list",
	  "[-l|--long] [-s|--sorted] vms|runningvms|intnets|natnets|dhcpservers|bridgedifs|"
	  "ostypes",
	  "what there is", verb_list, list_words },
	{ "showvminfo", "MACHINE [--machinereadable]", "everything about a machine",
	  verb_showvminfo, showvminfo_words },
	{ "createvm", "--name NAME [--ostype TYPE] [--uuid UUID] [--register]", "a new machine",
	  verb_createvm, createvm_words },
	{ "unregistervm", "MACHINE [--delete]", "forget a machine", verb_unregistervm,
	  unregistervm_words },
	{ "modifyvm", "MACHINE OPTION VALUE...", "change a machine that does not run",
	  verb_modifyvm, modifyvm_words },
	{ "startvm", "MACHINE... [--type headless]", "bring a machine's cards up", verb_startvm,
	  NULL },
	{ "controlvm",
	  "MACHINE poweroff\n"
	  "MACHINE setlinkstateN on|off\n"
	  "MACHINE nicN null|nat [CIDR]|bridged INTERFACE|intnet NETWORK|hostonly INTERFACE|"
	  "generic DRIVER|natnetwork NETWORK\n"
	  "MACHINE nictraceN on|off\n"
	  "MACHINE nictracefileN FILE\n"
	  "MACHINE nicpropertyN NAME=VALUE\n"
	  "MACHINE nicpromiscN deny|allow-vms|allow-all\n"
	  "MACHINE natpfN RULE|delete NAME",
	  "change a machine while it runs", verb_controlvm, controlvm_words },
	{ "run", "MACHINE [--connector DRIVER] [--vmm qemu|other] -- PROGRAM [ARGUMENT...]",
	  "run a virtual machine monitor with a machine's cards", verb_run, run_words },
	{ "natnetwork",
	  "add --netname NAME --network CIDR [OPTION...]\n"
	  "modify --netname NAME OPTION...\n"
	  "remove|start|stop --netname NAME\n"
	  "list [PATTERN]",
	  "networks that machines share and leave by NAT", verb_natnetwork, natnetwork_words },
	{ "dhcpserver",
	  "add --network NAME|--interface INTERFACE --server-ip IP --netmask MASK --lower-ip IP "
	  "--upper-ip IP [OPTION...]\n"
	  "modify --network NAME|--interface INTERFACE OPTION...\n"
	  "remove|start|restart|stop --network NAME|--interface INTERFACE\n"
	  "findlease --network NAME|--interface INTERFACE --mac-address MAC",
	  "addresses for the machines of a network", verb_dhcpserver, dhcpserver_words },
	{ "setextradata", "global NAT/NETWORK/SourceIp4|SourceIp6 [ADDRESS]",
	  "the host's address that a NAT network sends from", verb_setextradata, NULL },
	{ "getextradata", "global KEY|enumerate", "what setextradata has set", verb_getextradata,
	  NULL },
	{ "drivers", "", "the drivers that plugins brought", verb_drivers, NULL },
	{ "inspect", "DRIVER [--json|--markdown]", "a driver's properties", verb_inspect,
	  inspect_words },
	{ "stats", "[--once] [--json] [--interval SECONDS] [MACHINE]",
	  "traffic of the cards that run", verb_stats, stats_words },
	{ "help", "[VERB] [--words]", "this text, or a verb's", verb_help, help_words },
	{ NULL, NULL, NULL, NULL, NULL },
};

/* ---- help ---- */

static const Verb *
find_verb(const char *name, GError **error)
{
	const char *names[G_N_ELEMENTS(verbs) + 1] = { NULL };
	guint i;

	for (i = 0; verbs[i].name; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
		names[i] = verbs[i].name;
	}
	usage_error_unknown(error, "verb", name, names);
	return NULL;
}

static void
print_usage(const Verb *verb)
{
	g_auto(GStrv) forms = g_strsplit(verb->usage, "\n", -1);
	guint i;

	for (i = 0; i == 0 || forms[i]; i++)
		printf("  jackfield %s %s\n", verb->name, forms[i] ? forms[i] : "");
}

static void
print_options(void)
{
	const Option *option;

	printf("\nOptions (N is the number of the card, from 1):\n");
	for (option = options; option->key; option++) {
		const char *n = option->machine ? "" : "N";

		printf("  --%s%s %s\n", option->key, n, option->value);
		if (option->old)
			printf("      also: --%s%s\n", option->old, n);
	}
}

static void
print_overview(void)
{
	const Verb *verb;

	printf("Usage: jackfield [--no-start] VERB [ARGUMENT...]\n\n");
	for (verb = verbs; verb->name; verb++)
		printf("  %-14s %s\n", verb->name, verb->blurb);
	printf("\n  --no-start     do not start the daemon where it does not run\n"
	       "  --version      print the version\n\n"
	       "'jackfield help VERB' tells more about a verb, jackfield(1) about all of them.\n");
}

static void
print_words(const Verb *verb)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	guint i;

	if (verb && verb->list_words)
		verb->list_words(words);
	else if (!verb)
		help_words(words);
	for (i = 0; i < words->len; i++)
		puts(words->pdata[i]);
}

static void
print_verb(const Verb *verb)
{
	printf("%s: %s\n\n", verb->name, verb->blurb);
	print_usage(verb);
	if (verb->run == verb_modifyvm)
		print_options();
}

gboolean
verb_help(Cli *cli G_GNUC_UNUSED, char **args, GError **error)
{
	const Verb *verb = NULL;
	gboolean words = FALSE;

	for (; *args; args++) {
		if (strcmp(*args, "--words") == 0) {
			words = TRUE;
		} else {
			verb = find_verb(*args, error);
			if (!verb)
				return FALSE;
		}
	}
	if (words)
		print_words(verb);
	else if (verb)
		print_verb(verb);
	else
		print_overview();
	return TRUE;
}

/* ---- main ---- */

static int
report(const Verb *verb, const GError *error)
{
	fflush(stdout);
	fprintf(stderr, "jackfield: error: %s\n", error->message);
	if (error->domain != CLI_ERROR)
		return 1;
	fprintf(stderr, "Try 'jackfield help%s%s'.\n", verb ? " " : "", verb ? verb->name : "");
	return 2;
}

/* Options in front of the verb. `*status` is -1 when there is a verb to run. */
static char **
parse_global(Cli *cli, char **args, int *status)
{
	for (; *args && (*args)[0] == '-'; args++) {
		if (strcmp(*args, "--no-start") == 0) {
			cli->no_start = TRUE;
		} else if (strcmp(*args, "--version") == 0 || strcmp(*args, "-V") == 0) {
			printf("jackfield %s\n", JF_VERSION);
			*status = 0;
		} else if (strcmp(*args, "--help") == 0 || strcmp(*args, "-h") == 0) {
			print_overview();
			*status = 0;
		} else {
			g_autoptr(GError) error = NULL;
			static const char *const names[] = { "--no-start", "--version", "--help",
							     NULL };

			usage_error_unknown(&error, "option", *args, names);
			*status = report(NULL, error);
		}
		if (*status >= 0)
			break;
	}
	return args;
}

/* "VERB --help" too. */
static gboolean
run_verb(Cli *cli, const Verb *verb, char **args, GError **error)
{
	if (args[0] && strcmp(args[0], "--help") == 0) {
		print_verb(verb);
		return TRUE;
	}
	return verb->run(cli, args, error);
}

static int
finish_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "jackfield: error: cannot write the output\n");
	return status ? status : 1;
}

int
main(int argc G_GNUC_UNUSED, char **argv)
{
	g_autoptr(GError) error = NULL;
	const Verb *verb;
	Cli cli = { .status = 0 };
	int status = -1;
	char **args;

	setlocale(LC_ALL, "");
	args = parse_global(&cli, argv + 1, &status);
	if (status >= 0)
		return finish_output(status);
	if (!*args) {
		print_overview();
		return 2;
	}
	verb = find_verb(*args, &error);
	if (verb && run_verb(&cli, verb, args + 1, &error))
		status = cli.status;
	else
		status = report(verb, error);
	cli_disconnect(&cli);
	return finish_output(status);
}
