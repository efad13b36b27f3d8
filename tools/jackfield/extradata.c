/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extradata.c - setextradata, getextradata. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "jackfield/abi.h"
#include "message.h"

/* Machines' extra data overrides a machine's inner workings in VirtualBox; ours has options. */
static gboolean
check_global(const char *who, GError **error)
{
	if (strcmp(who, "global") == 0)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "Extra data of machines means nothing here ('%s'); there is 'global', and "
		    "options of modifyvm",
		    who);
	return FALSE;
}

gboolean
verb_setextradata(Cli *cli, char **args, GError **error)
{
	g_autoptr(GVariant) reply = NULL;

	if (!args[0] || !args[1] || (args[2] && args[3])) {
		usage_error(error, "setextradata takes 'global', a key and a value; without a "
				   "value the key is removed");
		return FALSE;
	}
	if (!check_global(args[0], error))
		return FALSE;
	reply = cli_call_manager(cli, "SetExtraData",
				 g_variant_new("(ss)", args[1], args[2] ? args[2] : ""), "()",
				 error);
	return reply != NULL;
}

static void
print_all(GVariant *data)
{
	const char *key, *value;
	GVariantIter iter;

	g_variant_iter_init(&iter, data);
	while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
		printf("Key: %s, Value: %s\n", key, value);
}

gboolean
verb_getextradata(Cli *cli, char **args, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariant) data = NULL;
	const char *value;

	if (!args[0] || (args[1] && args[2])) {
		usage_error(error, "getextradata takes 'global' and a key, or 'enumerate'");
		return FALSE;
	}
	if (!check_global(args[0], error))
		return FALSE;
	reply = cli_call_manager(cli, "ListExtraData", NULL, "(a{ss})", error);
	if (!reply)
		return FALSE;
	data = g_variant_get_child_value(reply, 0);
	if (!args[1] || strcmp(args[1], "enumerate") == 0)
		print_all(data);
	else if (g_variant_lookup(data, args[1], "&s", &value))
		printf("Value: %s\n", value);
	else
		printf("No value set!\n");
	return TRUE;
}
