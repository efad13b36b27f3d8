/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-check.c - the functions of the table in card-key.c. */
#include "card-check.h"

#include <string.h>

#include "attachment.h"
#include "forward.h"
#include "text.h"

typedef struct Choice {
	const char *name;
	const char *canonical; /* NULL: known, but not supported */
} Choice;

/* `choices` ends with a NULL name. */
static char *
check_choice(const CardKey *key, const Choice *choices, const char *value, GError **error)
{
	g_autofree char *shown = jf_text_show(value);

	for (; choices->name; choices++) {
		if (g_ascii_strcasecmp(choices->name, value) != 0)
			continue;
		if (choices->canonical)
			return g_strdup(choices->canonical);
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s '%s' is not supported by this version; it is %s", key->name,
			    choices->name, key->values);
		return NULL;
	}
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s '%s' is not %s", key->name, shown,
		    key->values);
	return NULL;
}

char *
card_check_bool(const CardKey *key, G_GNUC_UNUSED const ConfigEnv *env, const char *value,
		GError **error)
{
	static const Choice choices[] = {
		{ "on", "on" },     { "off", "off" }, { "true", "on" },
		{ "false", "off" }, { "yes", "on" },  { "no", "off" },
		{ "1", "on" },      { "0", "off" },   { .name = NULL },
	};

	return check_choice(key, choices, value, error);
}

char *
card_check_trace(const CardKey *key, const ConfigEnv *env, const char *value, GError **error)
{
	g_autofree char *canonical = card_check_bool(key, env, value, error);

	if (!canonical)
		return NULL;
	if (strcmp(canonical, "on") == 0 &&
	    !jf_context_find_driver(env->context, JF_KIND_FILTER, "capture", NULL)) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "nic-trace needs the filter driver 'capture', which is not installed");
		return NULL;
	}
	return g_steal_pointer(&canonical);
}

char *
card_check_path(const CardKey *key, G_GNUC_UNUSED const ConfigEnv *env, const char *value,
		GError **error)
{
	g_autofree char *shown = NULL;

	if (!*value || (*value == '/' && strlen(value) < 4096))
		return g_strdup(value);
	shown = jf_text_show(value);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "%s '%s' is not an absolute file name of at most 4095 bytes", key->name, shown);
	return NULL;
}

char *
card_check_nic_type(const CardKey *key, G_GNUC_UNUSED const ConfigEnv *env, const char *value,
		    GError **error)
{
	static const Choice choices[] = {
		{ "Am79C970A", "Am79C970A" }, { "Am79C973", "Am79C973" }, { "82540EM", "82540EM" },
		{ "82543GC", "82543GC" },     { "82545EM", "82545EM" },   { "virtio", "virtio" },
		{ .name = "Am79C960" },       { .name = "NE1000" },       { .name = "NE2000" },
		{ .name = "WD8003" },         { .name = "WD8013" },       { .name = "3C503" },
		{ .name = "3C501" },          { .name = NULL },
	};

	return check_choice(key, choices, value, error);
}

char *
card_check_promisc(const CardKey *key, G_GNUC_UNUSED const ConfigEnv *env, const char *value,
		   GError **error)
{
	static const Choice choices[] = {
		{ "deny", "deny" },
		{ "allow-vms", "allow-vms" },
		{ "allow-network", "allow-vms" },
		{ "allow-all", "allow-all" },
		{ .name = NULL },
	};

	return check_choice(key, choices, value, error);
}

/* VirtualBox's prefix and three random bytes. */
static char *
mac_generate(const ConfigEnv *env)
{
	char text[13];

	do {
		g_snprintf(text, sizeof text, "080027%06X", g_random_int() & 0xffffff);
	} while (env->mac_taken && env->mac_taken(text, env->data));
	return g_strdup(text);
}

char *
card_check_mac(const CardKey *key, const ConfigEnv *env, const char *value, GError **error)
{
	static const guint8 zero[6];
	g_autofree char *shown = NULL;
	guint8 mac[6];

	if (g_ascii_strcasecmp(value, "auto") == 0)
		return mac_generate(env);
	if (jf_mac_parse(value, mac) && !(mac[0] & 1) && memcmp(mac, zero, sizeof mac) != 0)
		return g_strdup_printf("%02X%02X%02X%02X%02X%02X", mac[0], mac[1], mac[2], mac[3],
				       mac[4], mac[5]);
	shown = jf_text_show(value);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "%s '%s' is not %s; the second digit is even (a unicast address)", key->name,
		    shown, key->values);
	return NULL;
}

static char *
check_number(const CardKey *key, const char *value, guint64 max, GError **error)
{
	g_autofree char *shown = NULL;
	guint64 number;

	if (g_ascii_string_to_unsigned(value, 10, 0, max, &number, NULL))
		return g_strdup_printf("%" G_GUINT64_FORMAT, number);
	shown = jf_text_show(value);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "%s '%s' is not a number from 0 to %" G_GUINT64_FORMAT, key->name, shown, max);
	return NULL;
}

char *
card_check_boot_prio(const CardKey *key, G_GNUC_UNUSED const ConfigEnv *env, const char *value,
		     GError **error)
{
	return check_number(key, value, 4, error);
}

char *
card_check_speed(const CardKey *key, G_GNUC_UNUSED const ConfigEnv *env, const char *value,
		 GError **error)
{
	return check_number(key, value, G_MAXUINT32, error);
}

gboolean
card_check_speed_type(const CardConfig *card, GError **error)
{
	static const char *const types[] = { "Am79C970A", "Am79C973", NULL };
	const char *speed = card_config_get(card, "nic-speed");
	const char *type = card_config_get(card, "nic-type");

	if (strcmp(speed, "0") == 0 || g_strv_contains(types, type))
		return TRUE;
	g_set_error(
		error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		"nic-speed '%s' is not supported with nic-type %s: Am79C970A and Am79C973 report "
		"a speed that is set, for others it is 0",
		speed, type);
	return FALSE;
}

static char *
check_driver(const ConfigEnv *env, guint32 kind, const char *value, GError **error)
{
	const JfDriver *driver;

	if (!*value)
		return g_strdup("");
	driver = jf_context_find_driver(env->context, kind, value, error);
	return driver ? g_strdup(driver->id) : NULL;
}

char *
card_check_generic_driver(G_GNUC_UNUSED const CardKey *key, const ConfigEnv *env, const char *value,
			  GError **error)
{
	return check_driver(env, JF_KIND_ATTACHMENT, value, error);
}

char *
card_check_connector(G_GNUC_UNUSED const CardKey *key, const ConfigEnv *env, const char *value,
		     GError **error)
{
	if (g_ascii_strcasecmp(value, "auto") == 0)
		return g_strdup("auto");
	return check_driver(env, JF_KIND_CONNECTOR, value, error);
}

char *
card_check_option(const CardKey *key, const ConfigEnv *env, const char *value, GError **error)
{
	const char *id = attachment_nic_driver(key->nic);
	const JfDriver *driver = jf_context_find_driver(env->context, JF_KIND_ATTACHMENT, id, NULL);
	const JfPropSpec *spec;
	char *canonical;
	guint i;

	if (!driver) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s needs the attachment driver '%s', which is not installed",
			    key->name, id);
		return NULL;
	}
	for (i = 0; (spec = jf_driver_get_prop(driver, i)); i++)
		if (g_ascii_strcasecmp(spec->name, key->property) == 0)
			break;
	if (!spec) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s is not supported: the attachment driver '%s' cannot do it",
			    key->name, id);
		return NULL;
	}
	if (!*value || strcmp(value, "none") == 0 || strcmp(value, "default") == 0)
		return g_strdup("");
	canonical = jf_driver_check_prop(driver, key->property, value, error);
	if (!canonical)
		g_prefix_error(error, "%s: ", key->name);
	return canonical;
}

/* In the order in which the option has them. */
static const char *const nat_settings[] = { "mtu", "send-buffer", "receive-buffer", "send-window",
					    "receive-window" };
#define NAT_SETTINGS_MIN_KB 8u
#define NAT_SETTINGS_MAX_KB 1024u

/* One number of the five; 0 is the default of each. */
static gboolean
check_nat_setting(const CardKey *key, const JfDriver *driver, guint i, const char *text,
		  GError **error)
{
	guint64 number;
	g_autofree char *canonical = NULL;

	if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT16, &number, NULL)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: '%s' is no number; it is %s",
			    key->name, text, key->values);
		return FALSE;
	}
	if (number == 0)
		return TRUE;
	if (i > 0 && (number < NAT_SETTINGS_MIN_KB || number > NAT_SETTINGS_MAX_KB)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: %s %s must be 0 (the default) or %u..%u KiB", key->name,
			    nat_settings[i], text, NAT_SETTINGS_MIN_KB, NAT_SETTINGS_MAX_KB);
		return FALSE;
	}
	if (i > 0)
		return TRUE;
	canonical = jf_driver_check_prop(driver, nat_settings[i], text, error);
	return canonical != NULL;
}

char *
card_check_nat_settings(const CardKey *key, const ConfigEnv *env, const char *value, GError **error)
{
	g_auto(GStrv) fields = g_strsplit(value, ",", -1);
	const JfDriver *driver =
		jf_context_find_driver(env->context, JF_KIND_ATTACHMENT, key->nic, error);
	gboolean set = FALSE;
	guint i;

	if (!driver)
		return NULL;
	if (!*value || strcmp(value, "default") == 0)
		return g_strdup("");
	if (g_strv_length(fields) != G_N_ELEMENTS(nat_settings)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s '%s' is not %s", key->name, value,
			    key->values);
		return NULL;
	}
	for (i = 0; i < G_N_ELEMENTS(nat_settings); i++) {
		g_strstrip(fields[i]);
		if (!check_nat_setting(key, driver, i, fields[i], error))
			return NULL;
		set |= g_ascii_strtoull(fields[i], NULL, 10) != 0;
	}
	return set ? g_strjoinv(",", fields) : g_strdup("");
}

void
card_nat_settings_expand(const char *value, gboolean (*skip)(const char *name, gpointer data),
			 gpointer data, GPtrArray *strings)
{
	g_auto(GStrv) fields = g_strsplit(value, ",", -1);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(nat_settings) && fields[i]; i++) {
		if (g_ascii_strtoull(fields[i], NULL, 10) == 0 || skip(nat_settings[i], data))
			continue;
		g_ptr_array_add(strings, g_strdup_printf("%s=%s%s", nat_settings[i], fields[i],
							 i > 0 ? "K" : ""));
	}
}

char *
card_check_alias_mode(const CardKey *key, const ConfigEnv *env, const char *value, GError **error)
{
	g_auto(GStrv) modes = g_strsplit(value, ",", -1);
	guint i;

	for (i = 0; modes[i]; i++) {
		g_strstrip(modes[i]);
		if (g_ascii_strcasecmp(modes[i], "proxyonly") == 0) {
			g_set_error(
				error, JF_ERROR, JF_ERROR_UNSUPPORTED,
				"%s 'proxyonly' is not supported: it would send the guest's own "
				"addresses into the host's network; use a bridged card",
				key->name);
			return NULL;
		}
		if (*modes[i] && g_ascii_strcasecmp(modes[i], "default") != 0 &&
		    g_ascii_strcasecmp(modes[i], "log") != 0 &&
		    g_ascii_strcasecmp(modes[i], "sameports") != 0) {
			g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s '%s' is not %s", key->name,
				    modes[i], key->values);
			return NULL;
		}
	}
	return card_check_option(key, env, value, error);
}

/* ---- What is more than one value ---- */

gboolean
card_set_nic(G_GNUC_UNUSED const CardKey *key, const ConfigEnv *env, MachineConfig *machine,
	     CardConfig *card, const char *value, GError **error)
{
	g_autofree char *canonical = attachment_check_nic(env, value, error);

	if (!canonical)
		return FALSE;
	card_config_set(card, "nic", strcmp(canonical, "none") == 0 ? NULL : canonical);
	if (!card_config_is_enabled(card))
		return TRUE;
	/* Both stay what they are from now on, whatever becomes of the machine's OS type. */
	if (!*card_config_get(card, "mac-address")) {
		g_autofree char *mac = mac_generate(env);

		card_config_set(card, "mac-address", mac);
	}
	if (!card->values || !g_hash_table_contains(card->values, "nic-type"))
		card_config_set(card, "nic-type",
				ostypes_find(env->ostypes, machine->ostype, NULL)->nic_type);
	return TRUE;
}

static gboolean
check_equals(const CardKey *key, const char *value, GError **error)
{
	g_autofree char *shown = NULL;
	const char *equals = strchr(value, '=');

	if (equals && equals != value && !memchr(value, '/', equals - value))
		return TRUE;
	shown = jf_text_show(value);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s '%s' is not %s", key->name, shown,
		    key->values);
	return FALSE;
}

/* Which driver it belongs to shows when all changes are in: see attachment_check. */
gboolean
card_set_property(const CardKey *key, G_GNUC_UNUSED const ConfigEnv *env,
		  G_GNUC_UNUSED MachineConfig *machine, CardConfig *card, const char *value,
		  GError **error)
{
	g_autofree char *name = NULL;
	g_autofree char *entry = NULL;

	if (!check_equals(key, value, error))
		return FALSE;
	name = g_ascii_strdown(value, strchr(value, '=') - value);
	entry = g_strconcat("pending/", name, NULL);
	card_config_set(card, entry, value);
	return TRUE;
}

gboolean
card_set_connector_property(const CardKey *key, const ConfigEnv *env,
			    G_GNUC_UNUSED MachineConfig *machine, CardConfig *card,
			    const char *value, GError **error)
{
	const char *driver = card_config_get(card, "connector");

	if (!check_equals(key, value, error))
		return FALSE;
	if (strcmp(driver, "auto") != 0)
		return property_entry_set(env, card, key->name, JF_KIND_CONNECTOR, driver, value,
					  error);
	g_set_error(error, JF_ERROR, JF_ERROR_STATE,
		    "%s is a driver's: set the card's connector first", key->name);
	return FALSE;
}

gboolean
card_set_model_property(const CardKey *key, const ConfigEnv *env,
			G_GNUC_UNUSED MachineConfig *machine, CardConfig *card, const char *value,
			GError **error)
{
	return check_equals(key, value, error) &&
	       property_entry_set(env, card, key->name, key->entry_kind,
				  card_config_get(card, "nic-type"), value, error);
}

static gboolean
forward_is_free(const CardConfig *card, const Forward *forward, GError **error)
{
	g_autofree const char **names = NULL;
	guint i, n;

	names = card_config_list(card, "nat-pf", &n);
	for (i = 0; i < n; i++) {
		g_autofree char *entry = g_strconcat("nat-pf/", names[i], NULL);
		g_autofree char *text =
			g_strconcat(names[i], ",", card_config_get(card, entry), NULL);
		g_autoptr(Forward) other = forward_new(text, NULL);

		if (strcmp(names[i], forward->name) == 0)
			g_set_error(error, JF_ERROR, JF_ERROR_STATE,
				    "There is a forwarding rule '%s' already", names[i]);
		else if (other && forward_is_clash(forward, other))
			g_set_error(error, JF_ERROR, JF_ERROR_STATE,
				    "Forwarding rule '%s' has the same host port as rule '%s'",
				    forward->name, names[i]);
		else
			continue;
		return FALSE;
	}
	return TRUE;
}

static gboolean
forward_delete(CardConfig *card, const char *name, GError **error)
{
	g_autofree char *entry = g_strconcat("nat-pf/", name, NULL);
	g_autofree const char **names = NULL;
	g_autofree char *shown = NULL;
	g_autofree char *all = NULL;
	guint n;

	if (*card_config_get(card, entry)) {
		card_config_set(card, entry, NULL);
		return TRUE;
	}
	names = card_config_list(card, "nat-pf", &n);
	shown = jf_text_show(name);
	all = g_strjoinv(", ", (char **)names);
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
		    "There is no forwarding rule '%s'; there are: %s", shown, n ? all : "none");
	return FALSE;
}

gboolean
card_set_forward(const CardKey *key, const ConfigEnv *env, G_GNUC_UNUSED MachineConfig *machine,
		 CardConfig *card, const char *value, GError **error)
{
	const char *driver = attachment_nic_driver(key->nic);
	g_autoptr(Forward) forward = NULL;
	g_autofree char *entry = NULL;
	g_autofree char *text = NULL;

	if (g_str_has_prefix(value, "delete "))
		return forward_delete(card, value + strlen("delete "), error);
	if (!jf_context_find_driver(env->context, JF_KIND_ATTACHMENT, driver, NULL)) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s needs the attachment driver '%s', which is not installed",
			    key->name, driver);
		return FALSE;
	}
	forward = forward_new(value, error);
	if (!forward || !forward_is_free(card, forward, error))
		return FALSE;
	entry = g_strconcat("nat-pf/", forward->name, NULL);
	text = forward_format(forward);
	card_config_set(card, entry, text);
	return TRUE;
}
