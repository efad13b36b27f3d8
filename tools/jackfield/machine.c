/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine.c - createvm, unregistervm, modifyvm, startvm, controlvm. */
#include <stdio.h>
#include <string.h>

#include "changes.h"
#include "cli.h"
#include "jackfield/abi.h"
#include "message.h"
#include "options.h"

/* ---- createvm ---- */

typedef struct CreateArgs {
	const char *name, *ostype, *uuid;
} CreateArgs;

static gboolean
parse_create_option(CreateArgs *create, const char *option, char ***rest, GError **error)
{
	static const char *const names[] = { "--name",     "--ostype",     "--uuid",
					     "--register", "--basefolder", NULL };
	const char **target = NULL;

	if (strcmp(option, "--register") == 0)
		return TRUE;
	if (strcmp(option, "--basefolder") == 0) {
		g_set_error_literal(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
				    "--basefolder: the daemon keeps all machines in one directory; "
				    "set JACKFIELD_HOME to have another one");
		return FALSE;
	}
	if (strcmp(option, "--name") == 0)
		target = &create->name;
	else if (strcmp(option, "--ostype") == 0 || strcmp(option, "--os-type") == 0)
		target = &create->ostype;
	else if (strcmp(option, "--uuid") == 0)
		target = &create->uuid;
	if (!target) {
		usage_error_unknown(error, "option", option, names);
		return FALSE;
	}
	if (!**rest) {
		usage_error(error, "%s needs a value", option);
		return FALSE;
	}
	*target = *(*rest)++;
	return TRUE;
}

static gboolean
print_created(Cli *cli, const char *path, GError **error)
{
	g_autoptr(GVariant) properties = cli_get_properties(cli, path, MACHINE_INTERFACE, error);
	const char *name, *uuid, *document;

	if (!properties || !g_variant_lookup(properties, "Name", "&s", &name) ||
	    !g_variant_lookup(properties, "Uuid", "&s", &uuid) ||
	    !g_variant_lookup(properties, "Document", "&s", &document))
		return FALSE;
	printf("Virtual machine '%s' is created and registered.\nUUID: %s\nSettings file: '%s'\n",
	       name, uuid, document);
	return TRUE;
}

/* VBoxManage takes {uuid} too. */
static char *
strip_braces(const char *uuid)
{
	gsize len = strlen(uuid);

	if (len >= 2 && uuid[0] == '{' && uuid[len - 1] == '}')
		return g_strndup(uuid + 1, len - 2);
	return g_strdup(uuid);
}

gboolean
verb_createvm(Cli *cli, char **args, GError **error)
{
	CreateArgs create = { NULL, "", "" };
	g_autoptr(GVariant) reply = NULL;
	g_autofree char *uuid = NULL;
	const char *path;

	while (*args) {
		const char *option = *args++;

		if (!parse_create_option(&create, option, &args, error))
			return FALSE;
	}
	if (!create.name) {
		usage_error(error, "createvm needs --name");
		return FALSE;
	}
	uuid = strip_braces(create.uuid);
	reply = cli_call_manager(
		cli, "CreateMachine",
		g_variant_new("(sssa{ss})", create.name, create.ostype, uuid, NULL), "(o)", error);
	if (!reply)
		return FALSE;
	g_variant_get(reply, "(&o)", &path);
	return print_created(cli, path, error);
}

/* ---- unregistervm ---- */

gboolean
verb_unregistervm(Cli *cli, char **args, GError **error)
{
	static const char *const names[] = { "--delete", "--delete-all", NULL };
	g_autofree char *path = NULL;
	g_autoptr(GVariant) reply = NULL;
	const char *machine = *args++;
	gboolean remove = FALSE;
	const char *kept;

	if (!machine) {
		usage_error(error, "unregistervm needs the name of a machine");
		return FALSE;
	}
	for (; *args; args++) {
		if (!g_strv_contains(names, *args)) {
			usage_error_unknown(error, "option", *args, names);
			return FALSE;
		}
		remove = TRUE;
	}
	path = cli_find_machine(cli, machine, error);
	if (!path)
		return FALSE;
	reply = cli_call(cli, path, MACHINE_INTERFACE, "Unregister", g_variant_new("(b)", remove),
			 "(s)", error);
	if (!reply)
		return FALSE;
	g_variant_get(reply, "(&s)", &kept);
	if (*kept)
		printf("The settings of '%s' are kept in %s\n", machine, kept);
	return TRUE;
}

/* ---- modifyvm, controlvm ---- */

static gboolean
send_changes(Cli *cli, const char *machine, const char *method, const GPtrArray *changes,
	     GError **error)
{
	g_autofree char *path = cli_find_machine(cli, machine, error);
	g_autoptr(GVariant) reply = NULL;

	if (!path)
		return FALSE;
	reply = cli_call(cli, path, MACHINE_INTERFACE, method,
			 g_variant_new("(@a(uss))", changes_to_variant(changes)), "()", error);
	return reply != NULL;
}

gboolean
verb_modifyvm(Cli *cli, char **args, GError **error)
{
	g_autoptr(GPtrArray) changes = NULL;

	if (!args[0] || !args[1]) {
		usage_error(error, "modifyvm needs a machine and at least one option");
		return FALSE;
	}
	changes = changes_parse_options(args + 1, error);
	return changes && send_changes(cli, args[0], "Modify", changes, error);
}

void
modifyvm_words(GPtrArray *words)
{
	const Option *option;
	guint card;

	for (option = options; option->key; option++) {
		if (option->machine) {
			g_ptr_array_add(words, g_strconcat("--", option->key, NULL));
			continue;
		}
		for (card = 1; card <= 8; card++)
			g_ptr_array_add(words, g_strdup_printf("--%s%u", option->key, card));
	}
}

static gboolean
power_off(Cli *cli, const char *machine, GError **error)
{
	g_autofree char *path = cli_find_machine(cli, machine, error);
	g_autoptr(GVariant) reply = NULL;

	if (path)
		reply = cli_call(cli, path, MACHINE_INTERFACE, "PowerOff", NULL, "()", error);
	return reply != NULL;
}

gboolean
verb_controlvm(Cli *cli, char **args, GError **error)
{
	g_autoptr(GPtrArray) changes = NULL;

	if (!args[0] || !args[1]) {
		usage_error(error, "controlvm needs a machine and a command");
		return FALSE;
	}
	if (strcmp(args[1], "poweroff") == 0) {
		if (!args[2])
			return power_off(cli, args[0], error);
		usage_error(error, "Unexpected '%s' behind poweroff", args[2]);
		return FALSE;
	}
	changes = changes_parse_control(args + 1, error);
	return changes && send_changes(cli, args[0], "Control", changes, error);
}

void
controlvm_words(GPtrArray *words)
{
	changes_list_controls(words);
}

/* ---- startvm ---- */

static void
print_sockets(GVariant *cards)
{
	GVariantIter iter;
	GVariant *card;

	g_variant_iter_init(&iter, cards);
	while (g_variant_iter_loop(&iter, "@a{sv}", &card)) {
		const char *connector, *address;
		gboolean running;
		guint32 slot;

		if (g_variant_lookup(card, "Running", "b", &running) && running &&
		    g_variant_lookup(card, "ConnectorAddress", "&s", &address) && *address &&
		    g_variant_lookup(card, "Connector", "&s", &connector) &&
		    g_variant_lookup(card, "Slot", "u", &slot))
			printf("NIC %u: %s on %s\n", slot, connector, address);
	}
}

static gboolean
start_machine(Cli *cli, const char *machine, GError **error)
{
	g_autofree char *path = cli_find_machine(cli, machine, error);
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariant) cards = NULL;

	if (!path)
		return FALSE;
	reply = cli_call(cli, path, MACHINE_INTERFACE, "Start",
			 g_variant_new("(ba{us})", FALSE, NULL), "()", error);
	if (!reply)
		return FALSE;
	cards = cli_list_cards(cli, path, error);
	if (!cards)
		return FALSE;
	printf("The cards of machine \"%s\" have been successfully started.\n", machine);
	print_sockets(cards);
	return TRUE;
}

/* The monitor is the user's own, so that there is no window that we could open. */
static gboolean
check_start_type(const char *type, GError **error)
{
	if (type && strcmp(type, "headless") == 0)
		return TRUE;
	if (!type) {
		usage_error(error, "--type needs a value: headless");
		return FALSE;
	}
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "--type %s: startvm starts the cards only, which is headless; "
		    "'jackfield run' starts a virtual machine monitor with them",
		    type);
	return FALSE;
}

gboolean
verb_startvm(Cli *cli, char **args, GError **error)
{
	static const char *const names[] = { "--type", NULL };
	g_autoptr(GPtrArray) machines = g_ptr_array_new();
	guint i;

	for (; *args; args++) {
		if (strcmp(*args, "--type") == 0) {
			if (!check_start_type(*++args, error))
				return FALSE;
		} else if (g_str_has_prefix(*args, "--")) {
			usage_error_unknown(error, "option", *args, names);
			return FALSE;
		} else {
			g_ptr_array_add(machines, *args);
		}
	}
	if (machines->len == 0) {
		usage_error(error, "startvm needs the name of a machine");
		return FALSE;
	}
	for (i = 0; i < machines->len; i++) {
		if (!start_machine(cli, machines->pdata[i], error))
			return FALSE;
	}
	return TRUE;
}
