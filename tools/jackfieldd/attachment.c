/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attachment.c - from a card's settings to drivers and their properties. */
#include "attachment.h"

#include <string.h>

#include "card-check.h"
#include "card-key.h"
#include "nearest.h"
#include "text.h"

static const struct {
	const char *nic;
	const char *alias;
	const char *driver; /* NULL: none, or another setting names it */
} nic_kinds[] = {
	{ "none", NULL, NULL },       { "null", NULL, "null" },
	{ "nat", NULL, "nat" },       { "bridged", "hostif", "bridged" },
	{ "intnet", NULL, "intnet" }, { "hostonly", NULL, "hostonly" },
	{ "generic", NULL, NULL },    { "natnetwork", NULL, "natnetwork" },
	{ "cloud", NULL, "cloud" },
};

const char *
attachment_nic_driver(const char *nic)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(nic_kinds); i++)
		if (strcmp(nic_kinds[i].nic, nic) == 0)
			return nic_kinds[i].driver;
	return NULL;
}

static void
attachment_set_unknown(const char *value, GError **error)
{
	const char *names[G_N_ELEMENTS(nic_kinds) + 1] = { NULL };
	g_autofree char *shown = jf_text_show(value);
	g_autofree char *all = NULL;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(nic_kinds); i++)
		names[i] = nic_kinds[i].nic;
	all = g_strjoinv(", ", (char **)names);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Unknown nic '%s'; it is one of %s", shown,
		    all);
}

char *
attachment_check_nic(const ConfigEnv *env, const char *value, GError **error)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(nic_kinds); i++) {
		const char *driver = nic_kinds[i].driver;

		if (g_ascii_strcasecmp(nic_kinds[i].nic, value) != 0 &&
		    (!nic_kinds[i].alias || g_ascii_strcasecmp(nic_kinds[i].alias, value) != 0))
			continue;
		if (!driver ||
		    jf_context_find_driver(env->context, JF_KIND_ATTACHMENT, driver, NULL))
			return g_strdup(nic_kinds[i].nic);
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "nic '%s' needs the attachment driver '%s', which is not installed",
			    nic_kinds[i].nic, driver);
		return NULL;
	}
	attachment_set_unknown(value, error);
	return NULL;
}

const char *
attachment_get_driver(const CardConfig *card)
{
	const char *driver = attachment_nic_driver(card_config_get(card, "nic"));
	const char *generic = card_config_get(card, "nic-generic-drv");

	if (driver)
		return driver;
	return *generic ? generic : NULL;
}

/* A property that is set by itself goes before what a list of them says. */
static gboolean
attachment_has_property(const char *name, gpointer data)
{
	g_autofree char *entry = g_strdup_printf("nic-property/nat/%s", name);

	return *card_config_get(data, entry) != '\0';
}

char **
attachment_list_properties(const CardConfig *card)
{
	const char *nic = card_config_get(card, "nic");
	const char *driver = attachment_get_driver(card);
	GPtrArray *strings = g_ptr_array_new();
	const CardKey *key;
	guint i;

	for (i = 0; (key = card_key_get(i)); i++) {
		const char *value = key->property ? card_config_get(card, key->name) : "";

		if (*value && strcmp(key->nic, nic) == 0)
			g_ptr_array_add(strings, g_strdup_printf("%s=%s", key->property, value));
	}
	if (g_strcmp0(driver, "nat") == 0)
		card_nat_settings_expand(card_config_get(card, "nat-settings"),
					 attachment_has_property, (gpointer)card, strings);
	if (driver)
		property_entries_add(card, "nic-property", driver, strings);
	g_ptr_array_add(strings, NULL);
	return (char **)g_ptr_array_free(strings, FALSE);
}

void
property_entries_add(const CardConfig *card, const char *key, const char *driver,
		     GPtrArray *strings)
{
	g_autofree char *prefix = g_strdup_printf("%s/%s", key, driver);
	g_autofree const char **names = NULL;
	guint i, n;

	names = card_config_list(card, prefix, &n);
	for (i = 0; i < n; i++) {
		g_autofree char *entry = g_strdup_printf("%s/%s", prefix, names[i]);

		g_ptr_array_add(strings,
				g_strdup_printf("%s=%s", names[i], card_config_get(card, entry)));
	}
}

gboolean
property_entry_set(const ConfigEnv *env, CardConfig *card, const char *key, guint32 kind,
		   const char *driver_id, const char *text, GError **error)
{
	const JfDriver *driver = jf_context_find_driver(env->context, kind, driver_id, error);
	const char *equals = strchr(text, '=');
	g_autofree char *lower = g_ascii_strdown(text, equals - text);
	g_autofree char *canonical = NULL;
	g_autofree char *entry = NULL;

	if (!driver)
		return FALSE;
	/* An empty value only removes; the key must be right all the same. */
	canonical = jf_driver_check_prop(driver, lower, equals[1] ? equals + 1 : "", error);
	if (!canonical)
		return FALSE;
	entry = g_strdup_printf("%s/%s/%s", key, driver->id, lower);
	card_config_set(card, entry, equals[1] ? canonical : NULL);
	return TRUE;
}

/* Whether an option of its own sets this property, so that there is one way to say it. */
static const CardKey *
attachment_find_option(const char *driver, const char *text)
{
	gsize len = strcspn(text, "=");
	const CardKey *key;
	guint i;

	for (i = 0; (key = card_key_get(i)); i++)
		if (key->property && g_strcmp0(attachment_nic_driver(key->nic), driver) == 0 &&
		    strlen(key->property) == len &&
		    g_ascii_strncasecmp(key->property, text, len) == 0)
			return key;
	return NULL;
}

static gboolean
attachment_set_property(CardConfig *card, const ConfigEnv *env, const char *text, GError **error)
{
	const char *driver = attachment_get_driver(card);
	const char *generic = card_config_get(card, "nic-generic-drv");
	const CardKey *option = driver ? attachment_find_option(driver, text) : NULL;
	g_autoptr(GError) local = NULL;

	if (!driver) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "nic-property '%s' has no driver to go to: set nic, or nic-generic-drv",
			    text);
		return FALSE;
	}
	if (option) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY, "Set '%s' of %s with the option '%s'",
			    option->property, driver, option->name);
		return FALSE;
	}
	if (property_entry_set(env, card, "nic-property", JF_KIND_ATTACHMENT, driver, text, &local))
		return TRUE;
	/* Scripts set a generic driver's properties before they switch the card to it. */
	if (*generic && strcmp(generic, driver) != 0 &&
	    property_entry_set(env, card, "nic-property", JF_KIND_ATTACHMENT, generic, text, NULL))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean
attachment_check(CardConfig *card, const ConfigEnv *env, GError **error)
{
	g_autofree const char **names = NULL;
	guint i, n;

	names = card_config_list(card, "pending", &n);
	for (i = 0; i < n; i++) {
		g_autofree char *entry = g_strconcat("pending/", names[i], NULL);
		g_autofree char *text = g_strdup(card_config_get(card, entry));

		card_config_set(card, entry, NULL);
		if (!attachment_set_property(card, env, text, error))
			return FALSE;
	}
	return TRUE;
}
