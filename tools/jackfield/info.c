/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info.c - showvminfo, for people and with the keys that scripts know from VBoxManage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "message.h"

/* One card while it is printed. */
typedef struct CardInfo {
	guint32 slot;
	gboolean enabled;
	GVariant *properties; /* a{sv} of Card1 */
	GVariant *settings;   /* a{ss} */
} CardInfo;

static const char *
setting(const CardInfo *card, const char *key)
{
	const char *value;

	return g_variant_lookup(card->settings, key, "&s", &value) ? value : "";
}

/* Where the attachment leads; a network without a name has VirtualBox's. */
static const char *
target(const CardInfo *card, const char *key)
{
	const char *value = setting(card, key);

	return !*value && strcmp(key, "intnet") == 0 ? "intnet" : value;
}

static const char *
property(const CardInfo *card, const char *name)
{
	const char *value;

	return g_variant_lookup(card->properties, name, "&s", &value) ? value : "";
}

/* The entries "PREFIX/NAME" of the settings. */
static gboolean
next_entry(GVariantIter *iter, const char *prefix, const char **name, const char **value)
{
	const char *key;

	while (g_variant_iter_next(iter, "{&s&s}", &key, value)) {
		gsize len = strlen(prefix);

		if (strncmp(key, prefix, len) == 0 && key[len] == '/') {
			*name = key + len + 1;
			return TRUE;
		}
	}
	return FALSE;
}

static void
print_numbered(const char *key, guint number, const char *value)
{
	g_autofree char *name = g_strdup_printf("%s%u", key, number);

	text_print_pair(name, value);
}

/* ---- What a card is plugged into ---- */

static const struct {
	const char *nic;
	const char *key;   /* the setting that says where to; NULL: none */
	const char *name;  /* its machine-readable key */
	const char *value; /* machine-readable nicN, where not `nic` */
	const char *title; /* for people */
} attachments[] = {
	{ "null", NULL, NULL, NULL, "none" },
	{ "nat", NULL, NULL, NULL, "NAT" },
	{ "bridged", "bridge-adapter", "bridgeadapter", NULL, "Bridged Interface" },
	{ "intnet", "intnet", "intnet", NULL, "Internal Network" },
	{ "hostonly", "host-only-adapter", "hostonlyadapter", NULL, "Host-only Interface" },
	{ "hostonlynet", "host-only-net", "hostonly-network", "hostonlynetwork",
	  "Host Only Network" },
	{ "generic", "nic-generic-drv", "generic", "Generic", "Generic" },
	{ "natnetwork", "nat-network", "nat-network", NULL, "NAT Network" },
	{ "cloud", "cloud-network", "cloud-network", "cloudnetwork", "Cloud Network" },
};

static guint
find_attachment(const char *nic)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(attachments); i++) {
		if (strcmp(attachments[i].nic, nic) == 0)
			break;
	}
	return i;
}

/* "Generic 'UDPTunnel' { dest='10.0.0.2', sport='10001' }" */
static char *
describe_attachment(const CardInfo *card)
{
	const char *nic = setting(card, "nic");
	guint i = find_attachment(nic);
	const char *name, *value;
	gboolean first = TRUE;
	GVariantIter iter;
	GString *text;

	if (i == G_N_ELEMENTS(attachments))
		return g_strdup(nic);
	text = g_string_new(attachments[i].title);
	if (attachments[i].key)
		g_string_append_printf(text, " '%s'", target(card, attachments[i].key));
	if (strcmp(nic, "generic") != 0)
		return g_string_free(text, FALSE);
	g_string_append(text, " { ");
	g_variant_iter_init(&iter, card->settings);
	for (; next_entry(&iter, "nic-property", &name, &value); first = FALSE)
		g_string_append_printf(text, "%s%s='%s'", first ? "" : ", ", name, value);
	g_string_append(text, " }");
	return g_string_free(text, FALSE);
}

/* MTU, socket buffers, TCP windows; 0 buffers are the default of 64 KiB. FALSE: not known. */
static gboolean
parse_nat_settings(const CardInfo *card, guint values[5])
{
	g_auto(GStrv) fields = g_strsplit(setting(card, "nat-settings"), ",", -1);
	guint i;

	if (g_strv_length(fields) != 5)
		return FALSE;
	for (i = 0; i < 5; i++) {
		values[i] = (guint)g_ascii_strtoull(fields[i], NULL, 10);
		if (i > 0 && values[i] == 0)
			values[i] = 64;
	}
	return TRUE;
}

/* ---- For scripts ---- */

static void
print_nat_pairs(const CardInfo *card)
{
	static const char *const names[] = { "mtu", "sockSnd", "sockRcv", "tcpWndSnd",
					     "tcpWndRcv" };
	const char *name, *rule;
	GVariantIter iter;
	guint values[5], i;

	for (i = 0; parse_nat_settings(card, values) && i < G_N_ELEMENTS(names); i++) {
		g_autofree char *text = g_strdup_printf("%u", values[i]);

		text_print_pair(names[i], text);
	}
	g_variant_iter_init(&iter, card->settings);
	for (i = 0; next_entry(&iter, "nat-pf", &name, &rule); i++) {
		g_autofree char *key = g_strdup_printf("Forwarding(%u)", i);
		g_autofree char *text = g_strconcat(name, ",", rule, NULL);

		text_print_pair(key, text);
	}
}

/* What VBoxManage has no word for. */
static void
print_own_pairs(const CardInfo *card)
{
	const char *name, *value;
	gboolean link = FALSE;
	GVariantIter iter;
	guint i;

	print_numbered("nicpromisc", card->slot, setting(card, "nic-promisc"));
	print_numbered("nictrace", card->slot, setting(card, "nic-trace"));
	print_numbered("nictracefile", card->slot, setting(card, "nic-trace-file"));
	print_numbered("nicbootprio", card->slot, setting(card, "nic-boot-prio"));
	g_variant_iter_init(&iter, card->settings);
	for (i = 0; next_entry(&iter, "nic-property", &name, &value); i++) {
		g_autofree char *key = g_strdup_printf("nicproperty%u(%u)", card->slot, i);
		g_autofree char *pair = g_strconcat(name, "=", value, NULL);

		text_print_pair(key, pair);
	}
	print_numbered("connector", card->slot, property(card, "Connector"));
	print_numbered("connectoraddress", card->slot, property(card, "ConnectorAddress"));
	g_variant_lookup(card->properties, "Link", "b", &link);
	print_numbered("link", card->slot, link ? "up" : "down");
	if (*property(card, "Error"))
		print_numbered("nicerror", card->slot, property(card, "Error"));
}

static void
print_card_pairs(const CardInfo *card)
{
	const char *nic = setting(card, "nic");
	guint i = find_attachment(nic);
	const char *net = setting(card, "nat-net");

	if (!card->enabled) {
		print_numbered("nic", card->slot, "none");
		return;
	}
	if (strcmp(nic, "nat") == 0)
		print_numbered("natnet", card->slot,
			       *net && strcmp(net, "default") != 0 ? net : "nat");
	if (i < G_N_ELEMENTS(attachments)) {
		if (attachments[i].key)
			print_numbered(attachments[i].name, card->slot,
				       target(card, attachments[i].key));
		if (attachments[i].value)
			nic = attachments[i].value;
	}
	print_numbered("macaddress", card->slot, setting(card, "mac-address"));
	print_numbered("cableconnected", card->slot, setting(card, "cable-connected"));
	print_numbered("nic", card->slot, nic);
	print_numbered("nictype", card->slot, setting(card, "nic-type"));
	print_numbered("nicspeed", card->slot, setting(card, "nic-speed"));
	if (strcmp(nic, "nat") == 0)
		print_nat_pairs(card);
	print_own_pairs(card);
}

/* ---- For people ---- */

static void
print_line(const char *title, const char *value)
{
	g_autofree char *head = g_strconcat(title, ":", NULL);

	printf("%-28s %s\n", head, value);
}

static void
print_nat_lines(const CardInfo *card)
{
	const char *name, *rule;
	GVariantIter iter;
	guint values[5], i;

	if (parse_nat_settings(card, values))
		printf("NIC %u Settings:  MTU: %u, Socket (send: %u, receive: %u), "
		       "TCP Window (send:%u, receive: %u)\n",
		       card->slot, values[0], values[1], values[2], values[3], values[4]);
	g_variant_iter_init(&iter, card->settings);
	for (i = 0; next_entry(&iter, "nat-pf", &name, &rule); i++) {
		g_auto(GStrv) field = g_strsplit(rule, ",", 5);

		if (g_strv_length(field) != 5)
			continue;
		printf("NIC %u Rule(%u):   name = %s, protocol = %s, host ip = %s, host port = %s, "
		       "guest ip = %s, guest port = %s\n",
		       card->slot, i, name, field[0], field[1], field[2], field[3], field[4]);
	}
}

static void
print_running_lines(const CardInfo *card)
{
	gboolean running = FALSE, link = FALSE;

	g_variant_lookup(card->properties, "Running", "b", &running);
	if (!running)
		return;
	g_variant_lookup(card->properties, "Link", "b", &link);
	printf("NIC %u Connector: %s, Address: %s, Link: %s\n", card->slot,
	       property(card, "Connector"), property(card, "ConnectorAddress"),
	       link ? "up" : "down");
	if (*property(card, "Error"))
		printf("NIC %u Error:     %s\n", card->slot, property(card, "Error"));
}

static void
print_card_lines(const CardInfo *card)
{
	g_autofree char *title = g_strdup_printf("NIC %u", card->slot);
	g_autofree char *attachment = NULL;
	g_autofree char *line = NULL;
	const char *file = setting(card, "nic-trace-file");
	const char *group = setting(card, "nic-bandwidth-group");

	if (!card->enabled) {
		print_line(title, "disabled");
		return;
	}
	attachment = describe_attachment(card);
	line = g_strdup_printf(
		"MAC: %s, Attachment: %s, Cable connected: %s, Trace: %s (file: %s), "
		"Type: %s, Reported speed: %u Mbps, Boot priority: %s, "
		"Promisc Policy: %s, Bandwidth group: %s",
		setting(card, "mac-address"), attachment, setting(card, "cable-connected"),
		setting(card, "nic-trace"), *file ? file : "none", setting(card, "nic-type"),
		(guint)(g_ascii_strtoull(setting(card, "nic-speed"), NULL, 10) / 1000),
		setting(card, "nic-boot-prio"), setting(card, "nic-promisc"),
		*group ? group : "none");
	print_line(title, line);
	if (strcmp(setting(card, "nic"), "nat") == 0)
		print_nat_lines(card);
	print_running_lines(card);
}

/* ---- The machine ---- */

static void
print_card(GVariant *properties, gboolean machine_readable)
{
	g_autoptr(GVariant) settings = NULL;
	CardInfo card = { .properties = properties };

	settings = g_variant_lookup_value(properties, "Settings", G_VARIANT_TYPE("a{ss}"));
	if (!settings || !g_variant_lookup(properties, "Slot", "u", &card.slot) ||
	    !g_variant_lookup(properties, "Enabled", "b", &card.enabled))
		return;
	card.settings = settings;
	if (machine_readable)
		print_card_pairs(&card);
	else
		print_card_lines(&card);
}

static const struct {
	const char *property, *title, *key; /* for people, for scripts */
} machine_lines[] = {
	{ "Name", "Name", "name" },          { "OsType", "Guest OS", "ostype" },
	{ "Uuid", "UUID", "UUID" },          { "Document", "Config file", "CfgFile" },
	{ "Chipset", "Chipset", "chipset" },
};

/* "Debian (64-bit)" for Debian_64, as VBoxManage prints it. The id where there is no such type. */
static char *
find_os_description(Cli *cli, const char *wanted)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	const char *id, *description;

	reply = cli_call_manager(cli, "ListOsTypes", NULL, "(a(sssssssb))", NULL);
	if (reply)
		g_variant_get(reply, "(a(sssssssb))", &iter);
	while (iter && g_variant_iter_next(iter, "(&s&s&s&s&s&s&sb)", &id, &description, NULL, NULL,
					   NULL, NULL, NULL, NULL)) {
		if (strcmp(id, wanted) == 0)
			return g_strdup(description);
	}
	return g_strdup(wanted);
}

static void
print_machine(Cli *cli, GVariant *properties, gboolean machine_readable)
{
	gboolean running = FALSE;
	const char *value;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(machine_lines); i++) {
		g_autofree char *description = NULL;

		if (!g_variant_lookup(properties, machine_lines[i].property, "&s", &value))
			continue;
		if (strcmp(machine_lines[i].property, "OsType") == 0)
			value = description = find_os_description(cli, value);
		if (machine_readable)
			text_print_pair(machine_lines[i].key, value);
		else
			print_line(machine_lines[i].title, value);
	}
	g_variant_lookup(properties, "Running", "b", &running);
	if (machine_readable)
		text_print_pair("VMState", running ? "running" : "poweroff");
	else
		print_line("State", running ? "running" : "powered off");
}

gboolean
machine_print(Cli *cli, const char *path, gboolean machine_readable, GError **error)
{
	g_autoptr(GVariant) properties = cli_get_properties(cli, path, MACHINE_INTERFACE, error);
	g_autoptr(GVariant) cards = properties ? cli_list_cards(cli, path, error) : NULL;
	GVariantIter iter;
	GVariant *card;

	if (!cards)
		return FALSE;
	print_machine(cli, properties, machine_readable);
	g_variant_iter_init(&iter, cards);
	while (g_variant_iter_loop(&iter, "@a{sv}", &card))
		print_card(card, machine_readable);
	return TRUE;
}

gboolean
verb_showvminfo(Cli *cli, char **args, GError **error)
{
	static const char *const names[] = { "--machinereadable", "--details", NULL };
	g_autofree char *path = NULL;
	gboolean machine_readable = FALSE;
	const char *machine = NULL;

	for (; *args; args++) {
		if (strcmp(*args, "--machinereadable") == 0) {
			machine_readable = TRUE;
		} else if (g_str_has_prefix(*args, "--") && strcmp(*args, "--details") != 0) {
			usage_error_unknown(error, "option", *args, names);
			return FALSE;
		} else if (!machine && (*args)[0] != '-') {
			machine = *args;
		} else if (machine && (*args)[0] != '-') {
			usage_error(error, "Unexpected '%s' behind machine '%s'", *args, machine);
			return FALSE;
		}
	}
	if (!machine) {
		usage_error(error, "showvminfo needs the name of a machine");
		return FALSE;
	}
	path = cli_find_machine(cli, machine, error);
	return path && machine_print(cli, path, machine_readable, error);
}
