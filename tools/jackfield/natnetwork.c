/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* natnetwork.c - natnetwork add, modify, remove, start, stop, list; list natnets. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "message.h"
#include "words.h"

static const Word target_words[] = {
	{ "--netname", { "-t" }, 1, NULL },
	{ NULL, { NULL }, 0, NULL },
};

static const Word option_words[] = {
	{ "--netname", { "-t" }, 1, NULL },
	{ "--network", { "-n", "--ipv4-prefix" }, 1, "network" },
	{ "--enable", { "-e" }, 0, "enabled" },
	{ "--disable", { "-d" }, 0, "enabled" },
	{ "--dhcp", { "-h" }, 1, "dhcp" },
	{ "--ipv6", { "-6", "--ipv6-enable" }, 1, "ipv6" },
	{ "--ipv6-prefix", { NULL }, 1, "ipv6-prefix" },
	{ "--ipv6-default", { NULL }, 1, "ipv6-default" },
	{ "--port-forward-4", { "-p" }, 1, "port-forward-4" },
	{ "--port-forward-6", { "-P" }, 1, "port-forward-6" },
	{ "--loopback-4", { "-l" }, 1, "loopback-4" },
	{ "--loopback-6", { "-L" }, 1, "loopback-6" },
	{ NULL, { NULL }, 0, NULL },
};

/* ---- Options ---- */

typedef struct NatArgs {
	const char *name;
	GVariantBuilder changes; /* a(ss) */
	const char *enabled;     /* the option that said it */
	gboolean has_network;
} NatArgs;

static gboolean
is_list(const Word *word)
{
	return g_str_has_prefix(word->key, "port-forward") ||
	       g_str_has_prefix(word->key, "loopback");
}

/* Of an option that takes a list, "delete KEY" is one value in two words. */
static char *
take_change(const Word *word, const char *verb, char ***args, const char **attached, GError **error)
{
	const char *value = word_take_value(word, args, attached, error);
	const char *key;

	if (!value || !is_list(word) || g_ascii_strcasecmp(value, "delete") != 0)
		return g_strdup(value);
	if (strcmp(verb, "modify") != 0) {
		usage_error(error, "%s delete is for 'natnetwork modify'", word->name);
		return NULL;
	}
	key = word_take_value(word, args, attached, error);
	return key ? g_strconcat("delete ", key, NULL) : NULL;
}

static gboolean
parse_enabled(NatArgs *nat, const Word *word, GError **error)
{
	if (nat->enabled && strcmp(nat->enabled, word->name) != 0) {
		usage_error(error, "%s and %s exclude each other", nat->enabled, word->name);
		return FALSE;
	}
	nat->enabled = word->name;
	g_variant_builder_add(&nat->changes, "(ss)", "enabled",
			      strcmp(word->name, "--enable") == 0 ? "on" : "off");
	return TRUE;
}

static gboolean
parse_option(NatArgs *nat, const Word *table, const char *verb, char ***args, GError **error)
{
	const char *attached;
	const Word *word = word_take(table, args, &attached, error);
	g_autofree char *value = NULL;

	if (!word)
		return FALSE;
	if (!word->values)
		return parse_enabled(nat, word, error);
	if (!word->key) {
		nat->name = word_take_value(word, args, &attached, error);
		return nat->name != NULL;
	}
	value = take_change(word, verb, args, &attached, error);
	if (!value)
		return FALSE;
	nat->has_network |= strcmp(word->key, "network") == 0;
	g_variant_builder_add(&nat->changes, "(ss)", word->key, value);
	return TRUE;
}

static gboolean
parse_args(NatArgs *nat, const Word *table, const char *verb, char **args, GError **error)
{
	while (*args)
		if (!parse_option(nat, table, verb, &args, error))
			return FALSE;
	if (nat->name)
		return TRUE;
	usage_error(error, "natnetwork %s needs --netname", verb);
	return FALSE;
}

/* ---- Verbs ---- */

static gboolean
call_changes(Cli *cli, const char *verb, char **args, GError **error)
{
	gboolean is_add = strcmp(verb, "add") == 0;
	g_autoptr(GVariant) changes = NULL;
	g_autoptr(GVariant) reply = NULL;
	NatArgs nat = { NULL };
	gboolean ok;

	g_variant_builder_init(&nat.changes, G_VARIANT_TYPE("a(ss)"));
	ok = parse_args(&nat, option_words, verb, args, error);
	changes = g_variant_ref_sink(g_variant_builder_end(&nat.changes));
	if (!ok)
		return FALSE;
	if (is_add && !nat.has_network) {
		usage_error(error, "natnetwork add needs --network, as in 192.168.15.0/24");
		return FALSE;
	}
	reply = cli_call_manager(cli, is_add ? "CreateNatNetwork" : "ModifyNatNetwork",
				 g_variant_new("(s@a(ss))", nat.name, changes), "()", error);
	return reply != NULL;
}

static gboolean
call_name(Cli *cli, const char *verb, const char *method, char **args, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	NatArgs nat = { NULL };

	if (!parse_args(&nat, target_words, verb, args, error))
		return FALSE;
	reply = cli_call_manager(cli, method, g_variant_new("(s)", nat.name), "()", error);
	return reply != NULL;
}

/* ---- Lists ---- */

static const char *
yes_no(GVariant *net, const char *key)
{
	gboolean on = FALSE;

	g_variant_lookup(net, key, "b", &on);
	return on ? "Yes" : "No";
}

static void
print_fields(GVariant *net)
{
	printf("Name:         %s\nNetwork:      %s\nGateway:      %s\nDHCP Server:  %s\n"
	       "IPv6:         %s\nIPv6 Prefix:  %s\nIPv6 Default: %s\n",
	       cli_get_text(net, "Name"), cli_get_text(net, "Network"),
	       cli_get_text(net, "Gateway"), yes_no(net, "Dhcp"), yes_no(net, "Ipv6"),
	       cli_get_text(net, "Ipv6Prefix"), yes_no(net, "Ipv6Default"));
}

static void
print_list(GVariant *net, const char *key, const char *title)
{
	g_autofree const char **entries = NULL;
	guint i;

	if (!g_variant_lookup(net, key, "^a&s", &entries) || !entries[0])
		return;
	printf("%s\n", title);
	for (i = 0; entries[i]; i++)
		printf("        %s\n", entries[i]);
}

static void
print_details(GVariant *net)
{
	guint32 loopback6 = 0;

	printf("Enabled:      %s\n", yes_no(net, "Enabled"));
	print_list(net, "PortForward4", "Port-forwarding (ipv4)");
	print_list(net, "PortForward6", "Port-forwarding (ipv6)");
	print_list(net, "Loopback4", "loopback mappings (ipv4)");
	if (g_variant_lookup(net, "Loopback6", "u", &loopback6) && loopback6)
		printf("loopback mappings (ipv6)\n        ::1=%u\n", loopback6);
}

/* How many there are that match; -1: an error. */
static int
print_networks(Cli *cli, const char *pattern, gboolean detailed, GError **error)
{
	g_autoptr(GVariant)
		reply = cli_call_manager(cli, "ListNatNetworks", NULL, "(aa{sv})", error);
	g_autoptr(GVariant) list = reply ? g_variant_get_child_value(reply, 0) : NULL;
	int found = 0;
	gsize i;

	for (i = 0; list && i < g_variant_n_children(list); i++) {
		g_autoptr(GVariant) net = g_variant_get_child_value(list, i);

		if (pattern && !g_pattern_match_simple(pattern, cli_get_text(net, "Name")))
			continue;
		print_fields(net);
		if (detailed)
			print_details(net);
		putchar('\n');
		found++;
	}
	return list ? found : -1;
}

gboolean
natnetwork_print_all(Cli *cli, GError **error)
{
	return print_networks(cli, NULL, FALSE, error) >= 0;
}

static gboolean
list_networks(Cli *cli, char **args, GError **error)
{
	int found;

	if (args[0] && args[1]) {
		usage_error(error, "natnetwork list takes one pattern, not also '%s'", args[1]);
		return FALSE;
	}
	printf("NAT Networks:\n\n");
	found = print_networks(cli, args[0], TRUE, error);
	if (found >= 0)
		printf("%d %s found\n", found, found == 1 ? "network" : "networks");
	return found >= 0;
}

/* ---- The verb ---- */

void
natnetwork_words(GPtrArray *words)
{
	static const char *const verbs_of[] = {
		"add", "modify", "remove", "start", "stop", "list"
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(verbs_of); i++)
		g_ptr_array_add(words, g_strdup(verbs_of[i]));
	word_list(option_words, words);
}

gboolean
verb_natnetwork(Cli *cli, char **args, GError **error)
{
	static const char *const names[] = { "add",  "modify", "remove", "start",
					     "stop", "list",   NULL };
	const char *verb = args[0];

	if (!verb) {
		usage_error(error, "natnetwork what? add, modify, remove, start, stop or list");
		return FALSE;
	}
	args++;
	if (strcmp(verb, "add") == 0 || strcmp(verb, "modify") == 0)
		return call_changes(cli, verb, args, error);
	if (strcmp(verb, "remove") == 0)
		return call_name(cli, verb, "RemoveNatNetwork", args, error);
	if (strcmp(verb, "start") == 0)
		return call_name(cli, verb, "StartNatNetwork", args, error);
	if (strcmp(verb, "stop") == 0)
		return call_name(cli, verb, "StopNatNetwork", args, error);
	if (strcmp(verb, "list") == 0)
		return list_networks(cli, args, error);
	usage_error_unknown(error, "natnetwork verb", verb, names);
	return FALSE;
}
