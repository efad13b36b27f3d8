/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-config.c - what is handed out to whom, from a key file.
 *
 *	[global]
 *	option-6=08080808
 *	reserved=192.168.56.110
 *	[group 1]
 *	incl-vendor-wild=PXEClient*
 *	default-lease-time=120
 *	[host 1]
 *	mac=080027112233
 *	fixed-address=192.168.56.200
 *
 * Groups and hosts count in the order of the file. Values of options are hexadecimal: whoever writes
 * the file knows their formats.
 */
#include "dhcp.h"

#include <arpa/inet.h>
#include <string.h>

#define FILE_MAX (4u << 20)
#define MIN_TIME 300u
#define DEFAULT_TIME 600u
#define MAX_TIME 43200u

/* ---- Life ---- */

static void
condition_clear(gpointer data)
{
	Condition *condition = data;

	g_clear_pointer(&condition->pattern, g_pattern_spec_free);
	g_free(condition->text);
}

static Scope *
scope_new(void)
{
	Scope *scope = g_new0(Scope, 1);

	scope->conditions = g_array_new(FALSE, TRUE, sizeof(Condition));
	g_array_set_clear_func(scope->conditions, condition_clear);
	return scope;
}

static void
scope_free(gpointer data)
{
	Scope *scope = data;

	for (guint i = 0; i < G_N_ELEMENTS(scope->options); i++)
		g_clear_pointer(&scope->options[i], g_bytes_unref);
	g_array_unref(scope->conditions);
	g_free(scope);
}

void
config_free(Config *config)
{
	if (!config)
		return;
	scope_free(config->global);
	g_ptr_array_unref(config->groups);
	g_ptr_array_unref(config->hosts);
	g_array_unref(config->reserved);
	g_free(config);
}

static Config *
config_new_empty(void)
{
	Config *config = g_new0(Config, 1);

	config->global = scope_new();
	config->groups = g_ptr_array_new_with_free_func(scope_free);
	config->hosts = g_ptr_array_new_with_free_func(scope_free);
	config->reserved = g_array_new(FALSE, FALSE, sizeof(guint32));
	return config;
}

/* ---- Reading ---- */

static gboolean
scope_refuse(GError **error, const char *key, const char *value, const char *wanted)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s is '%.80s', not %s", key, value, wanted);
	return FALSE;
}

static gboolean
read_number(const char *key, const char *value, guint64 max, guint64 *number, GError **error)
{
	if (g_ascii_string_to_unsigned(value, 10, 0, max, number, NULL))
		return TRUE;
	return scope_refuse(error, key, value, "a number in range");
}

static GBytes *
read_hex(const char *value)
{
	gsize len = strlen(value);
	GByteArray *bytes = g_byte_array_new();

	for (gsize i = 0; len % 2 == 0 && i < len; i += 2) {
		gint high = g_ascii_xdigit_value(value[i]);
		gint low = g_ascii_xdigit_value(value[i + 1]);
		guint8 byte;

		if (high < 0 || low < 0)
			break;
		byte = (guint8)(high << 4 | low);
		g_byte_array_append(bytes, &byte, 1);
	}
	if (bytes->len * 2 == len)
		return g_byte_array_free_to_bytes(bytes);
	g_byte_array_unref(bytes);
	return NULL;
}

static gboolean
scope_read_option(Scope *scope, const char *key, const char *value, GError **error)
{
	GBytes *bytes;
	guint64 code;

	if (!read_number(key, key + strlen("option-"), 254, &code, error))
		return FALSE;
	bytes = read_hex(value);
	if (!bytes || code == 0) {
		g_clear_pointer(&bytes, g_bytes_unref);
		return scope_refuse(error, key, value, "hexadecimal digits of an option 1..254");
	}
	g_clear_pointer(&scope->options[code], g_bytes_unref);
	scope->options[code] = bytes;
	return TRUE;
}

static gboolean
read_codes(guint8 *bits, const char *key, const char *value, GError **error)
{
	g_auto(GStrv) codes = g_strsplit(value, ";", -1);

	for (char **code = codes; *code; code++) {
		guint64 number;

		if (!**code)
			continue;
		if (!read_number(key, *code, 254, &number, error))
			return FALSE;
		bits[number / 8] |= (guint8)(1u << number % 8);
	}
	return TRUE;
}

static gboolean
scope_add_condition(Scope *scope, const char *key, const char *text)
{
	static const char *const types[] = { "mac", "vendor", "user" };
	Condition condition = { .exclude = g_str_has_prefix(key, "excl-") };
	gboolean is_wild = g_str_has_suffix(key, "-wild");
	gsize len = strlen(key) - strlen("incl-") - (is_wild ? strlen("-wild") : 0);

	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strlen(types[i]) != len || strncmp(key + strlen("incl-"), types[i], len) != 0)
			continue;
		condition.type = i;
		condition.text = i == CONDITION_MAC ? g_ascii_strdown(text, -1) : g_strdup(text);
		condition.pattern = is_wild ? g_pattern_spec_new(condition.text) : NULL;
		g_array_append_val(scope->conditions, condition);
		return TRUE;
	}
	return FALSE;
}

static gboolean
scope_read_conditions(Scope *scope, GKeyFile *file, const char *section, const char *key,
		      GError **error)
{
	g_auto(GStrv) texts = g_key_file_get_string_list(file, section, key, NULL, error);

	for (char **text = texts; text && *text; text++)
		if (!scope_add_condition(scope, key, *text))
			return scope_refuse(error, key, *text, "a condition");
	return texts != NULL;
}

static gboolean
scope_read_time(guint32 *time, const char *key, const char *value, GError **error)
{
	guint64 number;

	if (!read_number(key, value, G_MAXUINT32, &number, error))
		return FALSE;
	*time = (guint32)number;
	return TRUE;
}

static gboolean
scope_read_address(Scope *scope, const char *key, const char *value, GError **error)
{
	guint8 bytes[4];

	if (inet_pton(AF_INET, value, bytes) != 1)
		return scope_refuse(error, key, value, "an IPv4 address");
	scope->fixed = jf_get_be32(bytes);
	return TRUE;
}

static gboolean
scope_read_key(Scope *scope, GKeyFile *file, const char *section, const char *key, GError **error)
{
	g_autofree char *value = g_key_file_get_string(file, section, key, error);

	if (!value)
		return FALSE;
	if (g_str_has_prefix(key, "option-"))
		return scope_read_option(scope, key, value, error);
	if (g_str_has_prefix(key, "incl-") || g_str_has_prefix(key, "excl-"))
		return scope_read_conditions(scope, file, section, key, error);
	if (strcmp(key, "force") == 0)
		return read_codes(scope->forced, key, value, error);
	if (strcmp(key, "suppress") == 0)
		return read_codes(scope->suppressed, key, value, error);
	if (strcmp(key, "min-lease-time") == 0)
		return scope_read_time(&scope->min_time, key, value, error);
	if (strcmp(key, "default-lease-time") == 0)
		return scope_read_time(&scope->default_time, key, value, error);
	if (strcmp(key, "max-lease-time") == 0)
		return scope_read_time(&scope->max_time, key, value, error);
	if (strcmp(key, "fixed-address") == 0)
		return scope_read_address(scope, key, value, error);
	if (strcmp(key, "mac") == 0)
		return jf_mac_parse(value, scope->mac) ||
		       scope_refuse(error, key, value, "a MAC address");
	return scope_refuse(error, "key", key, "one that this service knows");
}

/* Addresses in the range that are somebody else's. */
static gboolean
config_read_reserved(Config *config, const char *key, const char *value, GError **error)
{
	g_auto(GStrv) addresses = g_strsplit(value, ";", -1);

	for (char **address = addresses; *address; address++) {
		guint8 bytes[4];
		guint32 number;

		if (!**address)
			continue;
		if (inet_pton(AF_INET, *address, bytes) != 1)
			return scope_refuse(error, key, *address, "an IPv4 address");
		number = jf_get_be32(bytes);
		g_array_append_val(config->reserved, number);
	}
	return TRUE;
}

static gboolean
config_read_key(Config *config, Scope *scope, GKeyFile *file, const char *section, const char *key,
		GError **error)
{
	g_autofree char *value = NULL;

	if (scope != config->global || strcmp(key, "reserved") != 0)
		return scope_read_key(scope, file, section, key, error);
	value = g_key_file_get_string(file, section, key, error);
	return value && config_read_reserved(config, key, value, error);
}

static gboolean
config_read_section(Config *config, GKeyFile *file, const char *section, GError **error)
{
	g_auto(GStrv) keys = g_key_file_get_keys(file, section, NULL, NULL);
	Scope *scope = config->global;

	if (strcmp(section, "global") != 0) {
		scope = scope_new();
		g_ptr_array_add(g_str_has_prefix(section, "host ") ? config->hosts : config->groups,
				scope);
	}
	for (char **key = keys; *key; key++) {
		if (config_read_key(config, scope, file, section, *key, error))
			continue;
		g_prefix_error(error, "[%s] ", section);
		return FALSE;
	}
	return TRUE;
}

static gboolean
config_read(Config *config, const char *text, gsize len, GError **error)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_auto(GStrv) sections = NULL;

	if (len > FILE_MAX)
		return scope_refuse(error, "the file", "too long", "4 MiB at most");
	if (!g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, error))
		return FALSE;
	sections = g_key_file_get_groups(file, NULL);
	for (char **section = sections; *section; section++) {
		if (strcmp(*section, "global") != 0 && !g_str_has_prefix(*section, "group ") &&
		    !g_str_has_prefix(*section, "host "))
			return scope_refuse(error, "section", *section, "global, group or host");
		if (!config_read_section(config, file, *section, error))
			return FALSE;
	}
	return TRUE;
}

Config *
config_new(const char *path, GError **error)
{
	g_autoptr(Config) config = config_new_empty();
	g_autoptr(GError) local = NULL;
	g_autofree char *text = NULL;
	gsize len;

	if (!path)
		return g_steal_pointer(&config);
	if (!g_file_get_contents(path, &text, &len, &local)) {
		g_set_error_literal(error, JF_ERROR, JF_ERROR_NOT_FOUND, local->message);
		return NULL;
	}
	if (config_read(config, text, len, &local))
		return g_steal_pointer(&config);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: %s", path, local->message);
	return NULL;
}

/* ---- Who gets what ---- */

static gboolean
text_matches(const Condition *condition, const guint8 *data, gsize len)
{
	g_autofree char *text = g_strndup((const char *)data, len);

	if (condition->pattern)
		return g_pattern_spec_match_string(condition->pattern, text);
	return strcmp(condition->text, text) == 0;
}

/* The whole value, or one of the user classes that RFC 3004 packs into it. */
static gboolean
user_matches(const Condition *condition, const guint8 *data, gsize len)
{
	JfReader reader = jf_reader(data, len);

	if (text_matches(condition, data, len))
		return TRUE;
	while (reader.left && !reader.failed) {
		guint8 part = jf_reader_u8(&reader);
		const guint8 *text = jf_reader_bytes(&reader, part);

		if (text && part && text_matches(condition, text, part))
			return TRUE;
	}
	return FALSE;
}

static gboolean
condition_holds(const Condition *condition, const guint8 *mac, const JfDhcpMessage *message)
{
	char text[18];
	const guint8 *value;
	guint16 len;

	if (condition->type == CONDITION_MAC) {
		g_snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			   mac[2], mac[3], mac[4], mac[5]);
		return text_matches(condition, (const guint8 *)text, strlen(text));
	}
	value = jf_dhcp_get(
		message, condition->type == CONDITION_USER ? JF_DHCP_OPT_USER : JF_DHCP_OPT_VENDOR,
		&len);
	if (!value)
		return FALSE;
	return condition->type == CONDITION_USER ? user_matches(condition, value, len)
						 : text_matches(condition, value, len);
}

/* One that only excludes has all others in it; one without conditions has nobody. */
static gboolean
group_has(const Scope *group, const guint8 *mac, const JfDhcpMessage *message)
{
	gboolean includes = FALSE, is_in = FALSE;

	for (guint i = 0; i < group->conditions->len; i++) {
		const Condition *condition = &g_array_index(group->conditions, Condition, i);
		gboolean holds = condition_holds(condition, mac, message);

		if (holds && condition->exclude)
			return FALSE;
		includes |= !condition->exclude;
		is_in |= holds;
	}
	return is_in || (!includes && group->conditions->len > 0);
}

GPtrArray *
config_match(const Config *config, const guint8 *mac, const JfDhcpMessage *message)
{
	GPtrArray *scopes = g_ptr_array_new();

	for (guint i = 0; i < config->hosts->len; i++) {
		Scope *host = g_ptr_array_index(config->hosts, i);

		if (memcmp(host->mac, mac, sizeof host->mac) == 0)
			g_ptr_array_add(scopes, host);
	}
	for (guint i = 0; i < config->groups->len; i++)
		if (group_has(g_ptr_array_index(config->groups, i), mac, message))
			g_ptr_array_add(scopes, g_ptr_array_index(config->groups, i));
	g_ptr_array_add(scopes, config->global);
	return scopes;
}

static guint32
first_number(const GPtrArray *scopes, gsize offset, guint32 otherwise)
{
	for (guint i = 0; i < scopes->len; i++) {
		guint32 number = G_STRUCT_MEMBER(guint32, g_ptr_array_index(scopes, i), offset);

		if (number)
			return number;
	}
	return otherwise;
}

guint32
scopes_get_time(const GPtrArray *scopes, const JfDhcpMessage *message)
{
	guint32 min = first_number(scopes, G_STRUCT_OFFSET(Scope, min_time), 0);
	guint32 time = first_number(scopes, G_STRUCT_OFFSET(Scope, default_time), 0);
	guint32 max = first_number(scopes, G_STRUCT_OFFSET(Scope, max_time), 0);
	const guint8 *asked = jf_dhcp_get_fixed(message, JF_DHCP_OPT_LEASE_TIME, 4);

	/* One that is said alone moves the others' defaults, not the other way round. */
	if (!max)
		max = MAX(MAX_TIME, MAX(min, time));
	if (!min)
		min = MIN(MIN_TIME, time ? MIN(time, max) : max);
	if (!time)
		time = CLAMP(DEFAULT_TIME, min, MAX(min, max));
	if (asked && jf_get_be32(asked))
		time = jf_get_be32(asked);
	return MAX(MIN(time, max), min);
}

guint32
scopes_get_fixed(const GPtrArray *scopes)
{
	return first_number(scopes, G_STRUCT_OFFSET(Scope, fixed), 0);
}

GBytes *
scopes_get_option(const GPtrArray *scopes, guint code)
{
	for (guint i = 0; i < scopes->len; i++) {
		const Scope *scope = g_ptr_array_index(scopes, i);

		if (scope->options[code])
			return scope->options[code];
	}
	return NULL;
}

/* The most special scope that says anything decides. */
Wish
scopes_get_wish(const GPtrArray *scopes, guint code)
{
	for (guint i = 0; i < scopes->len; i++) {
		const Scope *scope = g_ptr_array_index(scopes, i);

		if (scope->suppressed[code / 8] >> code % 8 & 1)
			return WISH_SUPPRESS;
		if (scope->forced[code / 8] >> code % 8 & 1)
			return WISH_FORCE;
	}
	return WISH_NONE;
}

gboolean
config_is_reserved(const Config *config, guint32 address, const guint8 *mac)
{
	for (guint i = 0; i < config->reserved->len; i++)
		if (g_array_index(config->reserved, guint32, i) == address)
			return TRUE;
	for (guint i = 0; i < config->hosts->len; i++) {
		const Scope *host = g_ptr_array_index(config->hosts, i);

		if (host->fixed == address && memcmp(host->mac, mac, sizeof host->mac) != 0)
			return TRUE;
	}
	return FALSE;
}
