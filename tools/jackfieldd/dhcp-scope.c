/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-scope.c - what a DHCP server has for everybody, a group, a machine's card or an address. */
#include "dhcp-scope.h"

#include <string.h>

#include "dhcp-option.h"
#include "jackfield/property.h"
#include "nearest.h"
#include "text.h"

#define CONDITIONS_MAX 64u
#define CONDITION_LEN_MAX 255u

const char *const dhcp_time_keys[3] = { "min-lease-time", "default-lease-time", "max-lease-time" };

const char *const dhcp_condition_keys[] = {
	"incl-mac",    "incl-mac-wild",    "incl-vendor", "incl-vendor-wild",
	"incl-user",   "incl-user-wild",   "excl-mac",    "excl-mac-wild",
	"excl-vendor", "excl-vendor-wild", "excl-user",   "excl-user-wild",
	NULL,
};

/* ---- Life ---- */

static void
option_free(gpointer data)
{
	DhcpOption *option = data;

	g_free(option->text);
	g_byte_array_unref(option->bytes);
	g_free(option);
}

static void
condition_free(gpointer data)
{
	DhcpCondition *condition = data;

	g_free(condition->value);
	g_free(condition);
}

DhcpScope *
dhcp_scope_new(const char *name)
{
	DhcpScope *scope = g_new0(DhcpScope, 1);

	scope->name = g_strdup(name);
	scope->options = g_ptr_array_new_with_free_func(option_free);
	scope->forced = g_array_new(FALSE, FALSE, sizeof(guint8));
	scope->suppressed = g_array_new(FALSE, FALSE, sizeof(guint8));
	scope->conditions = g_ptr_array_new_with_free_func(condition_free);
	return scope;
}

void
dhcp_scope_free(gpointer data)
{
	DhcpScope *scope = data;

	g_ptr_array_unref(scope->options);
	g_array_unref(scope->forced);
	g_array_unref(scope->suppressed);
	g_ptr_array_unref(scope->conditions);
	g_free(scope->name);
	g_free(scope);
}

static gpointer
copy_option(gconstpointer source, gpointer data G_GNUC_UNUSED)
{
	const DhcpOption *option = source;
	DhcpOption *copy = g_new0(DhcpOption, 1);

	*copy = *option;
	copy->text = g_strdup(option->text);
	copy->bytes = g_byte_array_ref(option->bytes);
	return copy;
}

static gpointer
copy_condition(gconstpointer source, gpointer data G_GNUC_UNUSED)
{
	const DhcpCondition *condition = source;
	DhcpCondition *copy = g_new0(DhcpCondition, 1);

	copy->key = condition->key;
	copy->value = g_strdup(condition->value);
	return copy;
}

gpointer
dhcp_scope_copy(gconstpointer source, gpointer data G_GNUC_UNUSED)
{
	const DhcpScope *scope = source;
	DhcpScope *copy = dhcp_scope_new(scope->name);

	g_ptr_array_extend(copy->options, scope->options, copy_option, NULL);
	g_ptr_array_extend(copy->conditions, scope->conditions, copy_condition, NULL);
	g_array_append_vals(copy->forced, scope->forced->data, scope->forced->len);
	g_array_append_vals(copy->suppressed, scope->suppressed->data, scope->suppressed->len);
	memcpy(copy->times, scope->times, sizeof copy->times);
	copy->fixed = scope->fixed;
	return copy;
}

/* ---- Names ---- */

static gboolean
scope_refuse(const char *name, const char *why, GError **error)
{
	g_autofree char *shown = jf_text_show(name);

	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Scope '%s': %s", shown, why);
	return FALSE;
}

static char *
name_of_machine(const char *name, const DhcpEnv *env, GError **error)
{
	const char *slash = strrchr(name + 3, '/');
	g_autofree char *machine = g_strndup(name + 3, slash ? (gsize)(slash - name - 3) : 0);
	g_autofree char *uuid = NULL;
	guint64 nic;

	if (!slash || !g_ascii_string_to_unsigned(slash + 1, 10, 1, 64, &nic, NULL)) {
		scope_refuse(name, "cards have the numbers from 1", error);
		return NULL;
	}
	uuid = env->find_machine(machine, (guint)nic, error, env->data);
	return uuid ? g_strdup_printf("vm/%s/%u", uuid, (guint)nic) : NULL;
}

static char *
name_of_mac(const char *name, GError **error)
{
	guint8 mac[6];
	char text[13];

	if (!jf_mac_parse(name + 4, mac)) {
		scope_refuse(name, "not a MAC address", error);
		return NULL;
	}
	jf_mac_format(mac, text);
	return g_strconcat("mac/", text, NULL);
}

char *
dhcp_scope_dup_name(const char *name, const DhcpEnv *env, GError **error)
{
	if (!*name)
		return g_strdup(name);
	if (g_str_has_prefix(name, "group/") && jf_text_is_plain(name + 6, NETWORK_NAME_MAX))
		return g_strdup(name);
	if (g_str_has_prefix(name, "vm/"))
		return name_of_machine(name, env, error);
	if (g_str_has_prefix(name, "mac/"))
		return name_of_mac(name, error);
	scope_refuse(name, "not global, group/NAME, vm/MACHINE/NIC or mac/ADDRESS", error);
	return NULL;
}

gboolean
dhcp_scope_get_machine(const DhcpScope *scope, char **uuid, guint *nic)
{
	const char *slash = strrchr(scope->name, '/');

	if (!g_str_has_prefix(scope->name, "vm/"))
		return FALSE;
	*uuid = g_strndup(scope->name + 3, slash - scope->name - 3);
	*nic = (guint)g_ascii_strtoull(slash + 1, NULL, 10);
	return TRUE;
}

/* ---- Options ---- */

static gint
compare_options(gconstpointer a, gconstpointer b)
{
	return (*(const DhcpOption *const *)a)->code - (*(const DhcpOption *const *)b)->code;
}

static guint
options_find(const GPtrArray *options, guint code)
{
	guint i;

	for (i = 0; i < options->len; i++)
		if (((const DhcpOption *)g_ptr_array_index(options, i))->code == code)
			return i;
	return G_MAXUINT;
}

static gboolean
parse_code(const char *key, const char *text, guint64 *code, GError **error)
{
	return number_parse(key, text, 255, code, error) && dhcp_option_check_code(*code, error);
}

/* "CODE VALUE" */
static gboolean
scope_set_option(DhcpScope *scope, const char *key, const char *value, gboolean is_hex,
		 GError **error)
{
	const char *space = strchr(value, ' ');
	g_autofree char *number = g_strndup(value, space ? (gsize)(space - value) : strlen(value));
	const char *text = space ? space + 1 : "";
	GByteArray *bytes;
	DhcpOption *option;
	guint64 code;
	guint old;

	if (!parse_code(key, number, &code, error))
		return FALSE;
	bytes = is_hex ? dhcp_option_parse_hex((guint)code, text, error)
		       : dhcp_option_parse((guint)code, text, error);
	if (!bytes)
		return FALSE;
	old = options_find(scope->options, (guint)code);
	if (old != G_MAXUINT)
		g_ptr_array_remove_index(scope->options, old);
	option = g_new0(DhcpOption, 1);
	*option = (DhcpOption){ (guint8)code, is_hex, g_strdup(text), bytes };
	g_ptr_array_add(scope->options, option);
	g_ptr_array_sort(scope->options, compare_options);
	return TRUE;
}

static gboolean
set_opt(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	return scope_set_option(scope, key, value, FALSE, error);
}

static gboolean
set_opt_hex(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	return scope_set_option(scope, key, value, TRUE, error);
}

static gboolean
scope_not_found(const DhcpScope *scope, const char *what, const char *value, GError **error)
{
	g_autofree char *shown = jf_text_show(value);

	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "There is no %s '%s' in %s", what, shown,
		    *scope->name ? scope->name : "the global scope");
	return FALSE;
}

static gboolean
del_opt(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	guint64 code;
	guint i;

	if (!number_parse(key, value, 255, &code, error))
		return FALSE;
	i = options_find(scope->options, (guint)code);
	if (i == G_MAXUINT)
		return scope_not_found(scope, "DHCP option", value, error);
	g_ptr_array_remove_index(scope->options, i);
	return TRUE;
}

static guint
codes_find(const GArray *codes, guint64 code)
{
	guint i;

	for (i = 0; i < codes->len; i++)
		if (g_array_index(codes, guint8, i) == code)
			return i;
	return G_MAXUINT;
}

static gint
compare_codes(gconstpointer a, gconstpointer b)
{
	return *(const guint8 *)a - *(const guint8 *)b;
}

static gboolean
codes_add(GArray *codes, const char *key, const char *value, GError **error)
{
	guint64 number;
	guint8 code;

	if (!parse_code(key, value, &number, error))
		return FALSE;
	code = (guint8)number;
	if (codes_find(codes, code) == G_MAXUINT)
		g_array_append_val(codes, code);
	g_array_sort(codes, compare_codes);
	return TRUE;
}

static gboolean
codes_remove(const DhcpScope *scope, GArray *codes, const char *key, const char *value,
	     GError **error)
{
	guint64 code;
	guint i;

	if (!number_parse(key, value, 255, &code, error))
		return FALSE;
	i = codes_find(codes, code);
	if (i == G_MAXUINT)
		return scope_not_found(scope,
				       codes == scope->forced ? "forced DHCP option"
							      : "suppressed DHCP option",
				       value, error);
	g_array_remove_index(codes, i);
	return TRUE;
}

static gboolean
force_opt(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	return codes_add(scope->forced, key, value, error);
}

/* Without its mask no client knows its network, so that one is always sent. */
static gboolean
suppress_opt(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	if (strcmp(value, "1") != 0)
		return codes_add(scope->suppressed, key, value, error);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: the subnet mask (1) is always sent", key);
	return FALSE;
}

static gboolean
unforce_opt(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	return codes_remove(scope, scope->forced, key, value, error);
}

static gboolean
unsuppress_opt(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	return codes_remove(scope, scope->suppressed, key, value, error);
}

static gboolean
zap_options(DhcpScope *scope, const char *key G_GNUC_UNUSED, const char *value G_GNUC_UNUSED,
	    GError **error G_GNUC_UNUSED)
{
	g_ptr_array_set_size(scope->options, 0);
	g_array_set_size(scope->forced, 0);
	g_array_set_size(scope->suppressed, 0);
	return TRUE;
}

/* ---- Times, address, conditions ---- */

static gboolean
set_time(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	guint64 time;
	guint i = 0;

	if (!number_parse(key, value, G_MAXUINT32, &time, error))
		return FALSE;
	while (strcmp(dhcp_time_keys[i], key) != 0)
		i++;
	scope->times[i] = (guint32)time;
	return TRUE;
}

static gboolean
set_fixed(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	if (!g_str_has_prefix(scope->name, "vm/") && !g_str_has_prefix(scope->name, "mac/")) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s is for a machine or a MAC address: name it with --vm or "
			    "--mac-address first",
			    key);
		return FALSE;
	}
	scope->fixed = 0;
	return !*value || address_parse(key, value, &scope->fixed, error);
}

/* The table's own string, so that conditions need not free it. */
static const char *
find_condition_key(const char *key)
{
	guint i;

	for (i = 0; dhcp_condition_keys[i]; i++)
		if (strcmp(dhcp_condition_keys[i], key) == 0)
			return dhcp_condition_keys[i];
	return NULL;
}

static gboolean
is_group(const DhcpScope *scope, const char *key, GError **error)
{
	if (g_str_has_prefix(scope->name, "group/"))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "%s is a condition of a group: name it with --group first", key);
	return FALSE;
}

/* As the service compares it: 08:00:27:a1:b2:c3. */
static char *
condition_dup_value(const char *key, const char *value, GError **error)
{
	guint8 mac[6];

	if (!jf_text_is_plain(value, CONDITION_LEN_MAX)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s takes a text of 1 to 255 bytes without control characters", key);
		return NULL;
	}
	if (!g_str_has_suffix(key, "-mac"))
		return g_strdup(value);
	if (jf_mac_parse(value, mac))
		return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
				       mac[3], mac[4], mac[5]);
	scope_refuse(value, "not a MAC address", error);
	return NULL;
}

static guint
condition_find(const DhcpScope *scope, const char *key, const char *value)
{
	guint i;

	for (i = 0; i < scope->conditions->len; i++) {
		const DhcpCondition *condition = g_ptr_array_index(scope->conditions, i);

		if (strcmp(condition->key, key) == 0 && strcmp(condition->value, value) == 0)
			return i;
	}
	return G_MAXUINT;
}

static gboolean
add_condition(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	g_autofree char *text = condition_dup_value(key, value, error);
	DhcpCondition *condition;

	if (!text || !is_group(scope, key, error))
		return FALSE;
	if (condition_find(scope, key, text) != G_MAXUINT)
		return TRUE;
	if (scope->conditions->len >= CONDITIONS_MAX) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "A group has at most %u conditions",
			    CONDITIONS_MAX);
		return FALSE;
	}
	condition = g_new0(DhcpCondition, 1);
	condition->key = find_condition_key(key);
	condition->value = g_steal_pointer(&text);
	g_ptr_array_add(scope->conditions, condition);
	return TRUE;
}

/* `key` is "del-incl-mac" and so on. */
static gboolean
del_condition(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	g_autofree char *text = condition_dup_value(key + 4, value, error);
	guint i;

	if (!text || !is_group(scope, key, error))
		return FALSE;
	i = condition_find(scope, key + 4, text);
	if (i == G_MAXUINT)
		return scope_not_found(scope, key + 4, value, error);
	g_ptr_array_remove_index(scope->conditions, i);
	return TRUE;
}

static gboolean
zap_conditions(DhcpScope *scope, const char *key, const char *value G_GNUC_UNUSED, GError **error)
{
	if (!is_group(scope, key, error))
		return FALSE;
	g_ptr_array_set_size(scope->conditions, 0);
	return TRUE;
}

/* ---- The table ---- */

static const struct {
	const char *name;
	gboolean (*set)(DhcpScope *scope, const char *key, const char *value, GError **error);
} scope_keys[] = {
	{ "set-opt", set_opt },
	{ "set-opt-hex", set_opt_hex },
	{ "force-opt", force_opt },
	{ "suppress-opt", suppress_opt },
	{ "del-opt", del_opt },
	{ "unforce-opt", unforce_opt },
	{ "unsuppress-opt", unsuppress_opt },
	{ "zap-options", zap_options },
	{ "min-lease-time", set_time },
	{ "default-lease-time", set_time },
	{ "max-lease-time", set_time },
	{ "fixed-address", set_fixed },
	{ "zap-conditions", zap_conditions },
};

static void
key_refuse(const char *key, GError **error)
{
	const char *names[G_N_ELEMENTS(scope_keys) + 1] = { NULL };
	g_autofree char *shown = jf_text_show(key);
	g_autofree char *hint = NULL;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(scope_keys); i++)
		names[i] = scope_keys[i].name;
	hint = jf_nearest_hint(key, names);
	g_set_error(error, JF_ERROR, JF_ERROR_KEY, "Unknown option '%s' of a DHCP server%s", shown,
		    hint);
}

gboolean
dhcp_scope_change(DhcpScope *scope, const char *key, const char *value, GError **error)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(scope_keys); i++)
		if (strcmp(scope_keys[i].name, key) == 0)
			return scope_keys[i].set(scope, key, value, error);
	if (find_condition_key(key))
		return add_condition(scope, key, value, error);
	if (g_str_has_prefix(key, "del-") && find_condition_key(key + 4))
		return del_condition(scope, key, value, error);
	key_refuse(key, error);
	return FALSE;
}

gboolean
dhcp_scope_check(const DhcpScope *scope, GError **error)
{
	const guint32 *times = scope->times;

	if ((!times[0] || !times[2] || times[0] <= times[2]) &&
	    (!times[0] || !times[1] || times[0] <= times[1]) &&
	    (!times[1] || !times[2] || times[1] <= times[2]))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "Lease times of %s are not in order: min %u, default %u, max %u s",
		    *scope->name ? scope->name : "the global scope", times[0], times[1], times[2]);
	return FALSE;
}
