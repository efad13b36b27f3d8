/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-files.c - the files between the daemon and the DHCP service: options and leases. */
#include <string.h>

#include "../common/paths.h"
#include "dhcp-scope.h"
#include "machine.h"
#include "networks-private.h"
#include "text.h"

#define OPTION_ROUTER 3u
#define OPTION_DNS 6u
#define OPTION_DOMAIN 15u
#define OPTION_SEARCH 119u
#define RESOLV_CONF "/etc/resolv.conf"
#define LABEL_MAX 63u
#define DOMAIN_MAX 253u

/* ---- Names ---- */

static gboolean
is_plain_name(const char *name)
{
	gsize len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789-_");

	return len > 0 && len <= 64 && !name[len];
}

/* A network's name may have any character, so most go by their digest. */
static char *
name_for_file(const char *name)
{
	g_autofree char *digest = NULL;

	if (is_plain_name(name))
		return g_strdup(name);
	digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
	return g_strdup_printf("=%.32s", digest);
}

static char *
file_in(const char *dir, const char *network, const char *suffix)
{
	g_autofree char *name = name_for_file(network);
	g_autofree char *file = g_strconcat(name, suffix, NULL);

	return g_build_filename(dir, "dhcp", file, NULL);
}

char *
dhcp_files_get_config(const Networks *networks, const char *network)
{
	return file_in(networks->daemon->runtime_dir, network, ".conf");
}

char *
dhcp_files_get_leases(const Networks *networks, const char *network)
{
	return file_in(networks->daemon->config_dir, network, ".leases");
}

/* ---- What the service reads ---- */

static char *
format_hex(const guint8 *bytes, gsize len)
{
	GString *text = g_string_new(NULL);
	gsize i;

	for (i = 0; i < len; i++)
		g_string_append_printf(text, "%02x", bytes[i]);
	return g_string_free(text, FALSE);
}

static void
write_option(GKeyFile *file, const char *section, guint code, const guint8 *bytes, gsize len)
{
	g_autofree char *key = g_strdup_printf("option-%u", code);
	g_autofree char *hex = format_hex(bytes, len);

	g_key_file_set_string(file, section, key, hex);
}

static void
write_codes(GKeyFile *file, const char *section, const char *key, const GArray *codes)
{
	g_autoptr(GString) text = g_string_new(NULL);
	guint i;

	for (i = 0; i < codes->len; i++)
		g_string_append_printf(text, "%u;", g_array_index(codes, guint8, i));
	if (codes->len)
		g_key_file_set_string(file, section, key, text->str);
}

static void
write_times(GKeyFile *file, const char *section, const DhcpScope *scope)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(scope->times); i++)
		if (scope->times[i])
			g_key_file_set_uint64(file, section, dhcp_time_keys[i], scope->times[i]);
}

static void
write_conditions(GKeyFile *file, const char *section, const DhcpScope *scope)
{
	guint i, k;

	for (k = 0; dhcp_condition_keys[k]; k++) {
		g_autoptr(GPtrArray) values = g_ptr_array_new();

		for (i = 0; i < scope->conditions->len; i++) {
			const DhcpCondition *condition = g_ptr_array_index(scope->conditions, i);

			if (condition->key == dhcp_condition_keys[k])
				g_ptr_array_add(values, condition->value);
		}
		if (values->len)
			g_key_file_set_string_list(file, section, dhcp_condition_keys[k],
						   (const char *const *)values->pdata, values->len);
	}
}

static void
write_scope(GKeyFile *file, const char *section, const DhcpScope *scope)
{
	guint i;

	for (i = 0; i < scope->options->len; i++) {
		const DhcpOption *option = g_ptr_array_index(scope->options, i);

		write_option(file, section, option->code, option->bytes->data, option->bytes->len);
	}
	write_codes(file, section, "force", scope->forced);
	write_codes(file, section, "suppress", scope->suppressed);
	write_times(file, section, scope);
	write_conditions(file, section, scope);
	if (scope->fixed) {
		g_autofree char *address = address_format(scope->fixed);

		g_key_file_set_string(file, section, "fixed-address", address);
	}
}

/* The address that a machine's card has now; NULL: there is no such card any more. */
static char *
dup_mac(const Networks *networks, const DhcpScope *scope)
{
	g_autofree char *uuid = NULL;
	const MachineConfig *config;
	Machine *machine;
	guint nic;

	if (!dhcp_scope_get_machine(scope, &uuid, &nic))
		return g_strdup(scope->name + strlen("mac/"));
	machine = g_hash_table_lookup(networks->daemon->machines, uuid);
	config = machine ? machine_get_config(machine) : NULL;
	if (!config || nic > config->n_cards)
		return NULL;
	return g_strdup(card_config_get(&config->cards[nic - 1], "mac-address"));
}

static void
write_special(GKeyFile *file, const Networks *networks, const DhcpScope *scope, guint number)
{
	gboolean is_group = g_str_has_prefix(scope->name, "group/");
	g_autofree char *section = g_strdup_printf("%s %u", is_group ? "group" : "host", number);
	g_autofree char *mac = is_group ? NULL : dup_mac(networks, scope);

	if (!is_group && (!mac || !*mac))
		return;
	if (mac)
		g_key_file_set_string(file, section, "mac", mac);
	write_scope(file, section, scope);
	/* A group without conditions is one all the same: it has nobody. */
	if (!g_key_file_has_group(file, section))
		g_key_file_set_string(file, section, "force", "");
}

static void
write_reserved(GKeyFile *file, const NatNetwork *net)
{
	g_autoptr(GString) text = g_string_new(NULL);
	guint i;

	for (i = 0; i < net->loopbacks->len; i++) {
		g_autofree char *address = address_format(
			net->network + g_array_index(net->loopbacks, NatLoopback, i).offset);

		g_string_append_printf(text, "%s;", address);
	}
	if (text->len)
		g_key_file_set_string(file, "global", "reserved", text->str);
}

/* Appends a name as DNS messages have it (RFC 1035, 3.1). FALSE: it is no name. */
static gboolean
append_domain(GByteArray *bytes, const char *domain)
{
	guint before = bytes->len;
	gsize len = strlen(domain);
	guint8 count;

	if (len && domain[len - 1] == '.')
		len--;
	if (len == 0 || len > DOMAIN_MAX)
		return FALSE;
	for (gsize at = 0; at <= len;) {
		gsize label = MIN(strcspn(domain + at, "."), len - at);

		if (label == 0 || label > LABEL_MAX) {
			g_byte_array_set_size(bytes, before);
			return FALSE;
		}
		count = (guint8)label;
		g_byte_array_append(bytes, &count, 1);
		g_byte_array_append(bytes, (const guint8 *)domain + at, count);
		at += label + 1;
	}
	count = 0;
	g_byte_array_append(bytes, &count, 1);
	return TRUE;
}

/* The words of the last `search` or `domain` of resolv.conf(5); NULL: there is none. */
static char **
read_domains(void)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	char **words = NULL;

	if (!g_file_get_contents(RESOLV_CONF, &text, NULL, NULL))
		return NULL;
	lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_auto(GStrv) line = g_strsplit_set(g_strstrip(lines[i]), " \t", -1);

		if (g_strcmp0(line[0], "search") != 0 && g_strcmp0(line[0], "domain") != 0)
			continue;
		g_strfreev(words);
		words = g_strdupv(line + 1);
	}
	return words;
}

/* The host's domain and search list, as they are now. */
static void
write_domains(GKeyFile *file)
{
	g_auto(GStrv) words = read_domains();
	g_autoptr(GByteArray) search = g_byte_array_new();
	const char *first = NULL;

	for (guint i = 0; words && words[i]; i++)
		if (append_domain(search, words[i]) && !first)
			first = words[i];
	if (!first)
		return;
	write_option(file, "global", OPTION_DOMAIN, (const guint8 *)first, strlen(first));
	write_option(file, "global", OPTION_SEARCH, search->data, search->len);
}

/* The engine is the router, and answers for the host's name servers. */
static void
write_nat(GKeyFile *file, const NatNetwork *net)
{
	static const guint codes[] = { OPTION_ROUTER, OPTION_DNS };
	guint32 gateway = GUINT32_TO_BE(nat_network_get_gateway(net));
	guint i;

	for (i = 0; i < G_N_ELEMENTS(codes); i++)
		write_option(file, "global", codes[i], (const guint8 *)&gateway, sizeof gateway);
	write_domains(file);
	write_reserved(file, net);
}

gboolean
dhcp_files_write(const Networks *networks, const DhcpServer *server, GError **error)
{
	const NatNetwork *net = networks_get_nat(networks, server->network);
	g_autofree char *path = dhcp_files_get_config(networks, server->network);
	g_autofree char *dir = g_path_get_dirname(path);
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *text = NULL;
	gsize len;
	guint i;

	if (net)
		write_nat(file, net);
	write_scope(file, "global", g_ptr_array_index(server->scopes, 0));
	for (i = 1; i < server->scopes->len; i++)
		write_special(file, networks, g_ptr_array_index(server->scopes, i), i);
	text = g_key_file_to_data(file, &len, NULL);
	return paths_make_private(dir, error) &&
	       g_file_set_contents_full(path, text, (gssize)len, G_FILE_SET_CONTENTS_CONSISTENT,
					0600, error);
}

/* ---- Leases ---- */

void
dhcp_lease_free(DhcpLease *lease)
{
	if (!lease)
		return;
	g_free(lease->address);
	g_free(lease->mac);
	g_free(lease->state);
	g_free(lease);
}

static DhcpLease *
lease_read(GKeyFile *file, const char *section)
{
	DhcpLease *lease = g_new0(DhcpLease, 1);
	guint64 now = (guint64)g_get_real_time() / G_USEC_PER_SEC;

	lease->address = g_strdup(section);
	lease->mac = g_key_file_get_string(file, section, "mac", NULL);
	lease->state = g_key_file_get_string(file, section, "state", NULL);
	lease->issued = g_key_file_get_uint64(file, section, "issued", NULL);
	lease->end = g_key_file_get_uint64(file, section, "end", NULL);
	/* The service writes when clients speak; time goes by in between. */
	if (lease->end && lease->end <= now && g_strcmp0(lease->state, "acked") == 0) {
		g_free(lease->state);
		lease->state = g_strdup("expired");
	}
	return lease;
}

static DhcpLease *
lease_find(GKeyFile *file, const char *mac)
{
	g_auto(GStrv) sections = g_key_file_get_groups(file, NULL);
	DhcpLease *found = NULL;
	char **section;

	for (section = sections; *section; section++) {
		DhcpLease *lease = lease_read(file, *section);

		if (lease->mac && lease->state && strcmp(lease->mac, mac) == 0 &&
		    (!found || lease->issued > found->issued)) {
			dhcp_lease_free(found);
			found = g_steal_pointer(&lease);
		}
		dhcp_lease_free(lease);
	}
	return found;
}

DhcpLease *
networks_find_lease(const Networks *networks, const char *network, const char *text, GError **error)
{
	g_autofree char *path = dhcp_files_get_leases(networks, network);
	g_autofree char *shown = jf_text_show(text);
	g_autoptr(GKeyFile) file = g_key_file_new();
	DhcpLease *lease = NULL;
	char digits[13];
	guint8 mac[6];

	if (!jf_mac_parse(text, mac)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "'%s' is not a MAC address", shown);
		return NULL;
	}
	jf_mac_format(mac, digits);
	if (g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL))
		lease = lease_find(file, digits);
	if (!lease)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "MAC address %s has no lease on network '%s'", digits, network);
	return lease;
}
