/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list.c - list vms, runningvms, intnets, natnets, dhcpservers, bridgedifs, ostypes. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "jackfield/abi.h"
#include "message.h"

typedef struct ListFlags {
	gboolean detailed, sorted;
} ListFlags;

typedef gboolean (*ListFunc)(Cli *cli, const ListFlags *flags, GError **error);

/* Documents that cannot be read are no machines, but nobody should wonder where they are. */
static void
warn_problems(Cli *cli)
{
	g_autoptr(GVariant) reply = NULL;
	const char *file, *why;
	GVariantIter *iter;

	reply = cli_call_manager(cli, "ListMachineProblems", NULL, "(a(ss))", NULL);
	if (!reply)
		return;
	g_variant_get(reply, "(a(ss))", &iter);
	while (g_variant_iter_next(iter, "(&s&s)", &file, &why))
		fprintf(stderr, "jackfield: warning: %s: %s\n", file, why);
	g_variant_iter_free(iter);
}

static gboolean
print_machines(Cli *cli, const ListFlags *flags, gboolean all, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	const char *name, *uuid, *path;
	g_autoptr(GVariantIter) iter = NULL;
	gboolean running;

	/* They come in order of names: sorted or not is the same. */
	reply = cli_call_manager(cli, "ListMachines", NULL, "(a(ssob))", error);
	if (!reply)
		return FALSE;
	g_variant_get(reply, "(a(ssob))", &iter);
	while (g_variant_iter_next(iter, "(&s&s&ob)", &uuid, &name, &path, &running)) {
		if (!all && !running)
			continue;
		if (!flags->detailed)
			printf("\"%s\" {%s}\n", name, uuid);
		else if (!machine_print(cli, path, FALSE, error))
			return FALSE;
		else
			putchar('\n');
	}
	return TRUE;
}

static gboolean
list_vms(Cli *cli, const ListFlags *flags, GError **error)
{
	if (!print_machines(cli, flags, TRUE, error))
		return FALSE;
	warn_problems(cli);
	return TRUE;
}

static gboolean
list_running(Cli *cli, const ListFlags *flags, GError **error)
{
	return print_machines(cli, flags, FALSE, error);
}

static gboolean
list_intnets(Cli *cli, const ListFlags *flags, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	guint32 ports, addresses;
	guint64 frames, drops;
	const char *name;

	reply = cli_call_manager(cli, "ListNetworks", NULL, "(a(souutt))", error);
	if (!reply)
		return FALSE;
	g_variant_get(reply, "(a(souutt))", &iter);
	while (g_variant_iter_next(iter, "(&s&ouutt)", &name, NULL, &ports, &addresses, &frames,
				   &drops)) {
		printf("Name:        %s\n", name);
		if (!flags->detailed)
			continue;
		printf("Ports:       %u\nAddresses:   %u\n", ports, addresses);
		printf("Frames:      %" G_GUINT64_FORMAT "\nDrops:       %" G_GUINT64_FORMAT "\n\n",
		       frames, drops);
	}
	return TRUE;
}

static gboolean
list_bridgedifs(Cli *cli G_GNUC_UNUSED, const ListFlags *flags, GError **error)
{
	return hostif_print_all(flags->sorted, error);
}

static gboolean
list_natnets(Cli *cli, const ListFlags *flags G_GNUC_UNUSED, GError **error)
{
	return natnetwork_print_all(cli, error);
}

static gboolean
list_dhcpservers(Cli *cli, const ListFlags *flags G_GNUC_UNUSED, GError **error)
{
	return dhcpserver_print_all(cli, error);
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
	return g_utf8_collate(*(const char *const *)a, *(const char *const *)b);
}

typedef struct OsType {
	const char *id, *description, *nic, *family, *family_description, *subtype, *architecture;
	gboolean is_64bit;
} OsType;

static char *
ostype_format_short(const OsType *type)
{
	return g_strdup_printf("ID / Description: %s -- %s\n"
			       "Family:           %s%s%s (%s)\n"
			       "Architecture:     %s%s\n",
			       type->id, type->description, type->family,
			       *type->subtype ? " / " : "", type->subtype, type->family_description,
			       type->architecture, type->is_64bit ? " (64-bit)" : "");
}

/* The last line is ours. */
static char *
ostype_format_long(const OsType *type)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "ID:               %s\n", type->id);
	g_string_append_printf(text, "Description:      %s\n", type->description);
	g_string_append_printf(text, "Family ID:        %s\n", type->family);
	g_string_append_printf(text, "Family Desc:      %s\n", type->family_description);
	if (*type->subtype)
		g_string_append_printf(text, "OS Subtype:       %s\n", type->subtype);
	g_string_append_printf(text, "Architecture:     %s\n", type->architecture);
	g_string_append_printf(text, "64 bit:           %s\n", type->is_64bit ? "true" : "false");
	g_string_append_printf(text, "Default NIC:      %s\n", type->nic);
	return g_string_free(text, FALSE);
}

/* As VBoxManage 7.1 has them. */
static char *
ostype_format(GVariant *variant, gboolean detailed)
{
	OsType type;

	g_variant_get(variant, "(&s&s&s&s&s&s&sb)", &type.id, &type.description, &type.nic,
		      &type.family, &type.family_description, &type.subtype, &type.architecture,
		      &type.is_64bit);
	return detailed ? ostype_format_long(&type) : ostype_format_short(&type);
}

static gboolean
list_ostypes(Cli *cli, const ListFlags *flags, GError **error)
{
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariant) types = NULL;
	guint i;

	reply = cli_call_manager(cli, "ListOsTypes", NULL, "(a(sssssssb))", error);
	if (!reply)
		return FALSE;
	types = g_variant_get_child_value(reply, 0);
	for (i = 0; i < g_variant_n_children(types); i++) {
		g_autoptr(GVariant) type = g_variant_get_child_value(types, i);

		g_ptr_array_add(texts, ostype_format(type, flags->detailed));
	}
	if (flags->sorted)
		g_ptr_array_sort(texts, compare_texts);
	printf("Supported guest OS types:\n\n");
	for (i = 0; i < texts->len; i++)
		printf("%s\n", (const char *)texts->pdata[i]);
	return TRUE;
}

static const struct {
	const char *name;
	ListFunc print;
} lists[] = {
	{ "vms", list_vms },
	{ "runningvms", list_running },
	{ "intnets", list_intnets },
	{ "natnets", list_natnets },
	{ "natnetworks", list_natnets },
	{ "dhcpservers", list_dhcpservers },
	{ "bridgedifs", list_bridgedifs },
	{ "hostifs", list_bridgedifs },
	{ "ostypes", list_ostypes },
};

void
list_words(GPtrArray *words)
{
	guint i;

	g_ptr_array_add(words, g_strdup("--long"));
	g_ptr_array_add(words, g_strdup("--sorted"));
	for (i = 0; i < G_N_ELEMENTS(lists); i++)
		g_ptr_array_add(words, g_strdup(lists[i].name));
}

static ListFunc
find_list(const char *name, GError **error)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(lists); i++) {
		if (strcmp(lists[i].name, name) == 0)
			return lists[i].print;
	}
	list_words(words);
	g_ptr_array_add(words, NULL);
	usage_error_unknown(error, name[0] == '-' ? "option" : "list", name,
			    (const char *const *)words->pdata);
	return NULL;
}

gboolean
verb_list(Cli *cli, char **args, GError **error)
{
	ListFlags flags = { FALSE, FALSE };
	ListFunc print = NULL;

	for (; *args; args++) {
		if (strcmp(*args, "-l") == 0 || strcmp(*args, "--long") == 0) {
			flags.detailed = TRUE;
		} else if (strcmp(*args, "-s") == 0 || strcmp(*args, "--sorted") == 0) {
			flags.sorted = TRUE;
		} else if (print) {
			usage_error(error, "Unexpected '%s': one list at a time", *args);
			return FALSE;
		} else {
			print = find_list(*args, error);
			if (!print)
				return FALSE;
		}
	}
	if (print)
		return print(cli, &flags, error);
	usage_error(error,
		    "list what? vms, runningvms, intnets, natnets, dhcpservers, bridgedifs or "
		    "ostypes");
	return FALSE;
}
