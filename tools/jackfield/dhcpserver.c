/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcpserver.c - dhcpserver add, modify, remove, start, restart, stop, findlease; list dhcpservers.
 *
 * Options are modal: --global, --group, --vm (with --nic) and --mac-address choose what those after
 * them are for. The daemon knows scopes by name; here they are only put together.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "jackfield/abi.h"
#include "message.h"
#include "words.h"

#define HOST_ONLY_PREFIX "HostInterfaceNetworking-"

static const Word target_words[] = {
	{ "--network", { "--netname" }, 1, NULL },
	{ "--interface", { "--ifname" }, 1, NULL },
	{ NULL, { NULL }, 0, NULL },
};

static const Word lease_words[] = {
	{ "--network", { "--netname" }, 1, NULL },
	{ "--interface", { "--ifname" }, 1, NULL },
	{ "--mac-address", { NULL }, 1, NULL },
	{ NULL, { NULL }, 0, NULL },
};

/* What add takes, and then what only modify does. */
static const Word option_words[] = {
	{ "--network", { "--netname" }, 1, NULL },
	{ "--interface", { "--ifname" }, 1, NULL },
	{ "--server-ip", { "--ip" }, 1, "server-ip" },
	{ "--netmask", { NULL }, 1, "netmask" },
	{ "--lower-ip", { "--lowerip" }, 1, "lower-ip" },
	{ "--upper-ip", { "--upperip" }, 1, "upper-ip" },
	{ "--enable", { NULL }, 0, "enabled" },
	{ "--disable", { NULL }, 0, "enabled" },
	{ "--global", { NULL }, 0, NULL },
	{ "--group", { NULL }, 1, NULL },
	{ "--vm", { NULL }, 1, NULL },
	{ "--nic", { NULL }, 1, NULL },
	{ "--mac-address", { NULL }, 1, NULL },
	{ "--set-opt", { NULL }, 2, "set-opt" },
	{ "--set-opt-hex", { NULL }, 2, "set-opt-hex" },
	{ "--force-opt", { NULL }, 1, "force-opt" },
	{ "--suppress-opt", { "--supress-opt" }, 1, "suppress-opt" },
	{ "--min-lease-time", { NULL }, 1, "min-lease-time" },
	{ "--default-lease-time", { NULL }, 1, "default-lease-time" },
	{ "--max-lease-time", { NULL }, 1, "max-lease-time" },
	{ "--fixed-address", { NULL }, 1, "fixed-address" },
	{ "--incl-mac", { NULL }, 1, "incl-mac" },
	{ "--excl-mac", { NULL }, 1, "excl-mac" },
	{ "--incl-mac-wild", { NULL }, 1, "incl-mac-wild" },
	{ "--excl-mac-wild", { NULL }, 1, "excl-mac-wild" },
	{ "--incl-vendor", { NULL }, 1, "incl-vendor" },
	{ "--excl-vendor", { NULL }, 1, "excl-vendor" },
	{ "--incl-vendor-wild", { NULL }, 1, "incl-vendor-wild" },
	{ "--excl-vendor-wild", { NULL }, 1, "excl-vendor-wild" },
	{ "--incl-user", { NULL }, 1, "incl-user" },
	{ "--excl-user", { NULL }, 1, "excl-user" },
	{ "--incl-user-wild", { NULL }, 1, "incl-user-wild" },
	{ "--excl-user-wild", { NULL }, 1, "excl-user-wild" },
	{ "--id", { NULL }, 1, NULL },
	{ "--value", { NULL }, 1, NULL },
	{ "--options", { "-o" }, 0, NULL },
#define MODIFY_WORDS "--del-opt"
	{ "--del-opt", { NULL }, 1, "del-opt" },
	{ "--unforce-opt", { NULL }, 1, "unforce-opt" },
	{ "--unsuppress-opt", { "--unsupress-opt" }, 1, "unsuppress-opt" },
	{ "--zap-options", { NULL }, 0, "zap-options" },
	{ "--remove-config", { NULL }, 0, NULL },
	{ "--del-incl-mac", { NULL }, 1, "del-incl-mac" },
	{ "--del-excl-mac", { NULL }, 1, "del-excl-mac" },
	{ "--del-incl-mac-wild", { NULL }, 1, "del-incl-mac-wild" },
	{ "--del-excl-mac-wild", { NULL }, 1, "del-excl-mac-wild" },
	{ "--del-incl-vendor", { NULL }, 1, "del-incl-vendor" },
	{ "--del-excl-vendor", { NULL }, 1, "del-excl-vendor" },
	{ "--del-incl-vendor-wild", { NULL }, 1, "del-incl-vendor-wild" },
	{ "--del-excl-vendor-wild", { NULL }, 1, "del-excl-vendor-wild" },
	{ "--del-incl-user", { NULL }, 1, "del-incl-user" },
	{ "--del-excl-user", { NULL }, 1, "del-excl-user" },
	{ "--del-incl-user-wild", { NULL }, 1, "del-incl-user-wild" },
	{ "--del-excl-user-wild", { NULL }, 1, "del-excl-user-wild" },
	{ "--zap-conditions", { NULL }, 0, "zap-conditions" },
	{ "--remove", { NULL }, 0, NULL },
	{ NULL, { NULL }, 0, NULL },
};

/* ---- Options ---- */

typedef struct DhcpArgs {
	gboolean is_add;
	char *network;
	const char *target;  /* the option that named it */
	const char *enabled; /* the option that said it */
	const char *mac;     /* of findlease */
	GVariantBuilder changes;
	char *scope;
	const char *vm;   /* the scope is of this machine; else NULL */
	gboolean is_new;  /* the scope was named, and nothing was said of it yet */
	const char *code; /* of the old --id */
} DhcpArgs;

static void
args_finish(DhcpArgs *dhcp)
{
	g_free(dhcp->network);
	g_free(dhcp->scope);
	g_variant_builder_clear(&dhcp->changes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DhcpArgs, args_finish)

static void
args_init(DhcpArgs *dhcp, const char *verb)
{
	memset(dhcp, 0, sizeof *dhcp);
	dhcp->is_add = strcmp(verb, "add") == 0;
	dhcp->scope = g_strdup("");
	g_variant_builder_init(&dhcp->changes, G_VARIANT_TYPE("a(sss)"));
}

static void
add_change(DhcpArgs *dhcp, const char *scope, const char *key, const char *value)
{
	g_variant_builder_add(&dhcp->changes, "(sss)", scope, key, value);
}

/* A scope is there from when it is named, even where nothing follows. */
static void
settle_scope(DhcpArgs *dhcp)
{
	if (dhcp->is_new)
		add_change(dhcp, dhcp->scope, "scope", "");
	dhcp->is_new = FALSE;
}

static void
set_scope(DhcpArgs *dhcp, char *scope, const char *vm)
{
	settle_scope(dhcp);
	g_free(dhcp->scope);
	dhcp->scope = scope;
	dhcp->vm = vm;
	dhcp->is_new = *scope != '\0';
}

static gboolean
set_target(DhcpArgs *dhcp, const Word *word, const char *value, GError **error)
{
	gboolean is_interface = strcmp(word->name, "--interface") == 0;

	if (dhcp->target) {
		usage_error(error, "One of --network and --interface, once: there is %s already",
			    dhcp->target);
		return FALSE;
	}
	dhcp->target = word->name;
	dhcp->network = g_strconcat(is_interface ? HOST_ONLY_PREFIX : "", value, NULL);
	return TRUE;
}

static gboolean
set_nic(DhcpArgs *dhcp, const char *value, GError **error)
{
	if (!dhcp->vm) {
		usage_error(error, "--nic belongs to a --vm before it");
		return FALSE;
	}
	g_free(dhcp->scope);
	dhcp->scope = g_strdup_printf("vm/%s/%s", dhcp->vm, value);
	dhcp->is_new = TRUE;
	return TRUE;
}

static gboolean
remove_config(DhcpArgs *dhcp, GError **error)
{
	if (!*dhcp->scope) {
		usage_error(error, "--remove-config needs a --group, --vm or --mac-address before "
				   "it; the global scope stays");
		return FALSE;
	}
	dhcp->is_new = FALSE;
	add_change(dhcp, dhcp->scope, "remove-config", "");
	set_scope(dhcp, g_strdup(""), NULL);
	return TRUE;
}

static gboolean
set_enabled(DhcpArgs *dhcp, const Word *word, GError **error)
{
	if (dhcp->enabled && strcmp(dhcp->enabled, word->name) != 0) {
		usage_error(error, "%s and %s exclude each other", dhcp->enabled, word->name);
		return FALSE;
	}
	dhcp->enabled = word->name;
	add_change(dhcp, "", "enabled", strcmp(word->name, "--enable") == 0 ? "on" : "off");
	return TRUE;
}

/* The ways of old: --id N with --value V, or with --remove. */
static gboolean
old_option(DhcpArgs *dhcp, const Word *word, const char *value, GError **error)
{
	g_autofree char *text = NULL;

	if (strcmp(word->name, "--id") == 0) {
		dhcp->code = value;
		return TRUE;
	}
	if (!dhcp->code) {
		usage_error(error, "%s needs --id before it", word->name);
		return FALSE;
	}
	text = value ? g_strdup_printf("%s %s", dhcp->code, value) : g_strdup(dhcp->code);
	settle_scope(dhcp);
	add_change(dhcp, dhcp->scope, value ? "set-opt" : "del-opt", text);
	dhcp->code = NULL;
	return TRUE;
}

/* An option without a key of the daemon's. */
static gboolean
own_option(DhcpArgs *dhcp, const Word *word, const char *value, GError **error)
{
	if (strcmp(word->name, "--network") == 0 || strcmp(word->name, "--interface") == 0)
		return set_target(dhcp, word, value, error);
	if (strcmp(word->name, "--global") == 0)
		set_scope(dhcp, g_strdup(""), NULL);
	else if (strcmp(word->name, "--group") == 0)
		set_scope(dhcp, g_strconcat("group/", value, NULL), NULL);
	else if (strcmp(word->name, "--vm") == 0)
		set_scope(dhcp, g_strdup_printf("vm/%s/1", value), value);
	else if (strcmp(word->name, "--mac-address") == 0)
		set_scope(dhcp, g_strconcat("mac/", value, NULL), NULL);
	else if (strcmp(word->name, "--nic") == 0)
		return set_nic(dhcp, value, error);
	else if (strcmp(word->name, "--remove-config") == 0)
		return remove_config(dhcp, error);
	/* --options used to introduce the two that follow; it says nothing by itself. */
	else if (strcmp(word->name, "--options") != 0)
		return old_option(dhcp, word, value, error);
	return TRUE;
}

static gboolean
is_for_modify(const Word *word)
{
	const Word *first = option_words;

	while (strcmp(first->name, MODIFY_WORDS) != 0)
		first++;
	return word >= first;
}

/* The four addresses are the server's, in whatever scope they are said. */
static gboolean
is_of_server(const Word *word)
{
	return strcmp(word->key, "server-ip") == 0 || strcmp(word->key, "netmask") == 0 ||
	       strcmp(word->key, "lower-ip") == 0 || strcmp(word->key, "upper-ip") == 0;
}

static gboolean
parse_option(DhcpArgs *dhcp, char ***args, GError **error)
{
	const char *attached, *value = NULL, *second;
	const Word *word = word_take(option_words, args, &attached, error);
	g_autofree char *text = NULL;

	if (!word)
		return FALSE;
	if (dhcp->is_add && is_for_modify(word)) {
		usage_error(error, "%s is for 'dhcpserver modify'", word->name);
		return FALSE;
	}
	if (word->values && !(value = word_take_value(word, args, &attached, error)))
		return FALSE;
	if (!word->key)
		return own_option(dhcp, word, value, error);
	if (strcmp(word->key, "enabled") == 0)
		return set_enabled(dhcp, word, error);
	if (word->values == 2) {
		second = word_take_value(word, args, &attached, error);
		if (!second)
			return FALSE;
		value = text = g_strdup_printf("%s %s", value, second);
	}
	settle_scope(dhcp);
	add_change(dhcp, is_of_server(word) ? "" : dhcp->scope, word->key, value ? value : "");
	return TRUE;
}

static gboolean
check_target(const DhcpArgs *dhcp, const char *verb, GError **error)
{
	if (dhcp->network && *dhcp->network)
		return TRUE;
	usage_error(error, "dhcpserver %s needs --network or --interface", verb);
	return FALSE;
}

/* ---- Verbs ---- */

static gboolean
call_changes(Cli *cli, const char *verb, char **args, GError **error)
{
	g_auto(DhcpArgs) dhcp = { 0 };
	g_autoptr(GVariant) reply = NULL;

	args_init(&dhcp, verb);
	while (*args)
		if (!parse_option(&dhcp, &args, error))
			return FALSE;
	settle_scope(&dhcp);
	if (!check_target(&dhcp, verb, error))
		return FALSE;
	reply = cli_call_manager(cli, dhcp.is_add ? "CreateDhcpServer" : "ModifyDhcpServer",
				 g_variant_new("(s@a(sss))", dhcp.network,
					       g_variant_builder_end(&dhcp.changes)),
				 "()", error);
	return reply != NULL;
}

static gboolean
parse_target(DhcpArgs *dhcp, const Word *table, const char *verb, char **args, GError **error)
{
	while (*args) {
		const char *attached, *value;
		const Word *word = word_take(table, &args, &attached, error);

		value = word ? word_take_value(word, &args, &attached, error) : NULL;
		if (!value)
			return FALSE;
		if (strcmp(word->name, "--mac-address") == 0)
			dhcp->mac = value;
		else if (!set_target(dhcp, word, value, error))
			return FALSE;
	}
	return check_target(dhcp, verb, error);
}

static gboolean
call_name(Cli *cli, const char *verb, const char *method, char **args, GError **error)
{
	g_auto(DhcpArgs) dhcp = { 0 };
	g_autoptr(GVariant) reply = NULL;

	args_init(&dhcp, verb);
	if (!parse_target(&dhcp, target_words, verb, args, error))
		return FALSE;
	reply = cli_call_manager(cli, method, g_variant_new("(s)", dhcp.network), "()", error);
	return reply != NULL;
}

static char *
format_time(guint64 seconds)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64)seconds);

	return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("never");
}

static void
print_lease(GVariant *reply)
{
	guint64 issued, end, now = (guint64)g_get_real_time() / G_USEC_PER_SEC;
	const char *address, *mac, *state;
	g_autofree char *mac_text = NULL;
	g_autofree char *issued_text = NULL;
	g_autofree char *end_text = NULL;

	g_variant_get(reply, "(&s&s&stt)", &address, &mac, &state, &issued, &end);
	mac_text = text_format_mac(mac);
	issued_text = format_time(issued);
	end_text = end ? format_time(end) : g_strdup("never");
	printf("IP Address:  %s\nMAC Address: %s\nState:       %s\n", address, mac_text, state);
	printf("Issued:      %s (%" G_GUINT64_FORMAT ")\nExpire:      %s (%" G_GUINT64_FORMAT ")\n",
	       issued_text, issued, end_text, end);
	if (end)
		printf("TTL:         %" G_GUINT64_FORMAT " sec, currently %" G_GUINT64_FORMAT
		       " sec left\n",
		       end > issued ? end - issued : 0, end > now ? end - now : 0);
}

static gboolean
find_lease(Cli *cli, char **args, GError **error)
{
	g_auto(DhcpArgs) dhcp = { 0 };
	g_autoptr(GVariant) reply = NULL;

	args_init(&dhcp, "findlease");
	if (!parse_target(&dhcp, lease_words, "findlease", args, error))
		return FALSE;
	if (!dhcp.mac) {
		usage_error(error, "dhcpserver findlease needs --mac-address");
		return FALSE;
	}
	reply = cli_call_manager(cli, "FindDhcpLease",
				 g_variant_new("(ss)", dhcp.network, dhcp.mac), "(ssstt)", error);
	if (!reply)
		return FALSE;
	print_lease(reply);
	return TRUE;
}

/* ---- The list ---- */

static void
print_time(GVariant *scope, const char *key, const char *title)
{
	guint32 time = 0;

	g_variant_lookup(scope, key, "u", &time);
	if (time)
		printf("    %-17s %u sec\n", title, time);
	else
		printf("    %-17s default\n", title);
}

static void
print_codes(GVariant *scope, const char *key, const char *title)
{
	g_autoptr(GVariant) codes = g_variant_lookup_value(scope, key, G_VARIANT_TYPE("ay"));
	gsize i, n = 0;
	const guint8 *code = codes ? g_variant_get_fixed_array(codes, &n, 1) : NULL;

	printf("    %s", title);
	for (i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", code[i]);
	printf("%s\n", n ? "" : "None");
}

static void
print_options(GVariant *scope)
{
	g_autoptr(GVariant)
		list = g_variant_lookup_value(scope, "Options", G_VARIANT_TYPE("a(ybs)"));
	GVariantIter iter;
	const char *value;
	gboolean is_hex;
	guint8 code;

	g_variant_iter_init(&iter, list);
	while (g_variant_iter_next(&iter, "(yb&s)", &code, &is_hex, &value))
		printf("    %5u/%s %s\n", code, is_hex ? "hex:   " : "legacy:", value);
}

/* The mask is always sent, so it is shown as if it were set. */
static void
print_mask(GVariant *server, GVariant *scope)
{
	g_autoptr(GVariant)
		list = g_variant_lookup_value(scope, "Options", G_VARIANT_TYPE("a(ybs)"));
	guint8 code = 0;

	if (g_variant_n_children(list))
		g_variant_get_child(list, 0, "(yb&s)", &code, NULL, NULL);
	if (code != 1)
		printf("    %5u/legacy: %s\n", 1u, cli_get_text(server, "Netmask"));
}

static void
print_scope(GVariant *scope)
{
	print_time(scope, "MinLeaseTime", "minLeaseTime:");
	print_time(scope, "DefaultLeaseTime", "defaultLeaseTime:");
	print_time(scope, "MaxLeaseTime", "maxLeaseTime:");
	print_codes(scope, "Forced", "Forced options:   ");
	print_codes(scope, "Suppressed", "Suppressed opts.: ");
}

static void
print_conditions(GVariant *scope)
{
	g_autoptr(GVariant)
		list = g_variant_lookup_value(scope, "Conditions", G_VARIANT_TYPE("a(ss)"));
	const char *key, *value;
	GVariantIter iter;

	printf("    Conditions:       %s\n", g_variant_n_children(list) ? "" : "None");
	g_variant_iter_init(&iter, list);
	while (g_variant_iter_next(&iter, "(&s&s)", &key, &value))
		printf("        %-17s %s\n", key, value);
}

/* Groups, or what is for one machine or address. TRUE: there was one. */
static gboolean
print_group(GVariant *scope, gboolean first)
{
	if (first)
		printf("Groups:\n");
	printf("    Group:            %s\n", cli_get_text(scope, "Scope") + strlen("group/"));
	print_scope(scope);
	print_options(scope);
	print_conditions(scope);
	return TRUE;
}

static gboolean
print_individual(GVariant *scope, gboolean first)
{
	const char *name = cli_get_text(scope, "Scope");
	g_autofree char *mac = NULL;

	if (first)
		printf("Individual Configs:\n");
	if (g_str_has_prefix(name, "vm/"))
		printf("    VM NIC:           %s %s (%.36s)\n", cli_get_text(scope, "Machine"),
		       strrchr(name, '/') + 1, name + strlen("vm/"));
	else
		printf("    MAC:              %s\n", mac = text_format_mac(name + strlen("mac/")));
	print_scope(scope);
	print_options(scope);
	if (*cli_get_text(scope, "FixedAddress"))
		printf("    Fixed Address:    %s\n", cli_get_text(scope, "FixedAddress"));
	else
		printf("    Fixed Address:    dynamic\n");
	return TRUE;
}

static void
print_server(GVariant *server)
{
	g_autoptr(GVariant)
		scopes = g_variant_lookup_value(server, "Scopes", G_VARIANT_TYPE("aa{sv}"));
	g_autoptr(GVariant) global = g_variant_get_child_value(scopes, 0);
	gboolean enabled = FALSE, groups = FALSE, individuals = FALSE;
	gsize i, n = g_variant_n_children(scopes);

	g_variant_lookup(server, "Enabled", "b", &enabled);
	printf("NetworkName:    %s\nDhcpd IP:       %s\nLowerIPAddress: %s\n"
	       "UpperIPAddress: %s\nNetworkMask:    %s\nEnabled:        %s\n",
	       cli_get_text(server, "Network"), cli_get_text(server, "ServerIp"),
	       cli_get_text(server, "LowerIp"), cli_get_text(server, "UpperIp"),
	       cli_get_text(server, "Netmask"), enabled ? "Yes" : "No");
	printf("Global Configuration:\n");
	print_scope(global);
	print_mask(server, global);
	print_options(global);
	for (i = 1; i < n; i++) {
		g_autoptr(GVariant) scope = g_variant_get_child_value(scopes, i);

		if (g_str_has_prefix(cli_get_text(scope, "Scope"), "group/"))
			groups = print_group(scope, !groups);
	}
	if (!groups)
		printf("Groups:               None\n");
	for (i = 1; i < n; i++) {
		g_autoptr(GVariant) scope = g_variant_get_child_value(scopes, i);

		if (!g_str_has_prefix(cli_get_text(scope, "Scope"), "group/"))
			individuals = print_individual(scope, !individuals);
	}
	if (!individuals)
		printf("Individual Configs:   None\n");
}

gboolean
dhcpserver_print_all(Cli *cli, GError **error)
{
	g_autoptr(GVariant)
		reply = cli_call_manager(cli, "ListDhcpServers", NULL, "(aa{sv})", error);
	g_autoptr(GVariant) list = reply ? g_variant_get_child_value(reply, 0) : NULL;
	gsize i;

	for (i = 0; list && i < g_variant_n_children(list); i++) {
		g_autoptr(GVariant) server = g_variant_get_child_value(list, i);

		print_server(server);
		putchar('\n');
	}
	return list != NULL;
}

/* ---- The verb ---- */

static const char *const verb_names[] = { "add",     "modify", "remove",    "start",
					  "restart", "stop",   "findlease", NULL };

void
dhcpserver_words(GPtrArray *words)
{
	guint i;

	for (i = 0; verb_names[i]; i++)
		g_ptr_array_add(words, g_strdup(verb_names[i]));
	word_list(option_words, words);
}

gboolean
verb_dhcpserver(Cli *cli, char **args, GError **error)
{
	const char *verb = args[0];

	if (!verb) {
		usage_error(error, "dhcpserver what? add, modify, remove, start, restart, stop or "
				   "findlease");
		return FALSE;
	}
	args++;
	if (strcmp(verb, "add") == 0 || strcmp(verb, "modify") == 0)
		return call_changes(cli, verb, args, error);
	if (strcmp(verb, "remove") == 0)
		return call_name(cli, verb, "RemoveDhcpServer", args, error);
	if (strcmp(verb, "start") == 0)
		return call_name(cli, verb, "StartDhcpServer", args, error);
	if (strcmp(verb, "restart") == 0)
		return call_name(cli, verb, "RestartDhcpServer", args, error);
	if (strcmp(verb, "stop") == 0)
		return call_name(cli, verb, "StopDhcpServer", args, error);
	if (strcmp(verb, "findlease") == 0)
		return find_lease(cli, args, error);
	usage_error_unknown(error, "dhcpserver verb", verb, verb_names);
	return FALSE;
}
