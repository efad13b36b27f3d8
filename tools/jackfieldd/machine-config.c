/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine-config.c - a machine as its document has it, and changes to it. */
#include "machine-config.h"

#include <string.h>

#include "attachment.h"
#include "card-check.h"
#include "card-key.h"
#include "text.h"

static const struct {
	const char *name;
	guint cards;
} chipsets[] = {
	{ "piix3", 8 },
	{ "ich9", MACHINE_CARDS_MAX },
};

gboolean
machine_name_check(const char *name, GError **error)
{
	g_autofree char *shown = NULL;

	if (jf_text_is_plain(name, 127) && !g_uuid_string_is_valid(name))
		return TRUE;
	shown = jf_text_show(name);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "'%s' is no name for a machine: 1 to 127 bytes of UTF-8 without control "
		    "characters, and not a UUID",
		    shown);
	return FALSE;
}

/* ---- Cards ---- */

const char *
card_config_get(const CardConfig *card, const char *key)
{
	const char *value = card->values ? g_hash_table_lookup(card->values, key) : NULL;
	const CardKey *row;

	if (value)
		return value;
	row = card_key_find(key, NULL);
	return row ? row->def : "";
}

gboolean
card_config_get_bool(const CardConfig *card, const char *key)
{
	return strcmp(card_config_get(card, key), "on") == 0;
}

void
card_config_set(CardConfig *card, const char *key, const char *value)
{
	if (!card->values)
		card->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (value && *value)
		g_hash_table_insert(card->values, g_strdup(key), g_strdup(value));
	else
		g_hash_table_remove(card->values, key);
	if (g_hash_table_size(card->values) == 0)
		g_clear_pointer(&card->values, g_hash_table_unref);
}

gboolean
card_config_is_enabled(const CardConfig *card)
{
	return strcmp(card_config_get(card, "nic"), "none") != 0;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **
card_config_list(const CardConfig *card, const char *prefix, guint *n)
{
	g_autofree char *start = g_strconcat(prefix, "/", NULL);
	GPtrArray *names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key;

	if (card->values) {
		g_hash_table_iter_init(&iter, card->values);
		while (g_hash_table_iter_next(&iter, &key, NULL))
			if (g_str_has_prefix(key, start))
				g_ptr_array_add(names, (char *)key + strlen(start));
	}
	g_ptr_array_sort(names, compare_names);
	*n = names->len;
	g_ptr_array_add(names, NULL);
	return (const char **)g_ptr_array_free(names, FALSE);
}

gboolean
card_config_is_equal(const CardConfig *a, const CardConfig *b)
{
	GHashTableIter iter;
	gpointer key, value;

	if (!a->values || !b->values)
		return a->values == b->values;
	if (g_hash_table_size(a->values) != g_hash_table_size(b->values))
		return FALSE;
	g_hash_table_iter_init(&iter, a->values);
	while (g_hash_table_iter_next(&iter, &key, &value))
		if (g_strcmp0(value, g_hash_table_lookup(b->values, key)) != 0)
			return FALSE;
	return TRUE;
}

static void
card_config_copy(CardConfig *copy, const CardConfig *card)
{
	GHashTableIter iter;
	gpointer key, value;

	if (!card->values)
		return;
	g_hash_table_iter_init(&iter, card->values);
	while (g_hash_table_iter_next(&iter, &key, &value))
		card_config_set(copy, key, value);
}

/* ---- Life ---- */

MachineConfig *
machine_config_new_empty(void)
{
	MachineConfig *config = g_new0(MachineConfig, 1);

	config->uuid = g_uuid_string_random();
	config->name = g_strdup("");
	config->ostype = g_strdup("Other");
	config->chipset = g_strdup(chipsets[0].name);
	config->n_cards = chipsets[0].cards;
	return config;
}

gboolean
machine_config_set_uuid(MachineConfig *config, const char *uuid, GError **error)
{
	if (!g_uuid_string_is_valid(uuid)) {
		g_autofree char *shown = jf_text_show(uuid);

		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "'%s' is no UUID like '01234567-89ab-cdef-0123-456789abcdef'", shown);
		return FALSE;
	}
	g_free(config->uuid);
	config->uuid = g_ascii_strdown(uuid, -1);
	return TRUE;
}

gboolean
machine_config_set_chipset(MachineConfig *config, const char *chipset, GError **error)
{
	g_autofree char *shown = NULL;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(chipsets); i++) {
		if (g_ascii_strcasecmp(chipsets[i].name, chipset) != 0)
			continue;
		g_free(config->chipset);
		config->chipset = g_strdup(chipsets[i].name);
		config->n_cards = chipsets[i].cards;
		return TRUE;
	}
	shown = jf_text_show(chipset);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "Unknown chipset '%s'; it is piix3 (8 cards) or ich9 (36 cards)", shown);
	return FALSE;
}

static gboolean
machine_config_set_ostype(MachineConfig *config, const ConfigEnv *env, const char *id,
			  GError **error)
{
	const OsType *type = ostypes_find(env->ostypes, id, error);

	if (!type)
		return FALSE;
	g_free(config->ostype);
	config->ostype = g_strdup(type->id);
	return TRUE;
}

static gboolean
machine_config_set_name(MachineConfig *config, const char *name, GError **error)
{
	if (!machine_name_check(name, error))
		return FALSE;
	g_free(config->name);
	config->name = g_strdup(name);
	return TRUE;
}

MachineConfig *
machine_config_new(const ConfigEnv *env, const char *name, const char *ostype, const char *uuid,
		   const char *chipset, GError **error)
{
	g_autoptr(MachineConfig) config = machine_config_new_empty();
	const JfDriver *nat = jf_context_find_driver(env->context, JF_KIND_ATTACHMENT, "nat", NULL);
	const ConfigChange first_card = { 1, "nic", nat ? "nat" : "null" };

	if (!machine_config_set_name(config, name, error))
		return NULL;
	if (*ostype && !machine_config_set_ostype(config, env, ostype, error))
		return NULL;
	if (*uuid && !machine_config_set_uuid(config, uuid, error))
		return NULL;
	if (chipset && !machine_config_set_chipset(config, chipset, error))
		return NULL;
	if (!machine_config_change(config, env, &first_card, error))
		return NULL;
	return g_steal_pointer(&config);
}

MachineConfig *
machine_config_copy(const MachineConfig *config)
{
	MachineConfig *copy = g_new0(MachineConfig, 1);
	guint i;

	copy->uuid = g_strdup(config->uuid);
	copy->name = g_strdup(config->name);
	copy->ostype = g_strdup(config->ostype);
	copy->chipset = g_strdup(config->chipset);
	copy->n_cards = config->n_cards;
	for (i = 0; i < MACHINE_CARDS_MAX; i++)
		card_config_copy(&copy->cards[i], &config->cards[i]);
	return copy;
}

void
machine_config_free(MachineConfig *config)
{
	guint i;

	if (!config)
		return;
	for (i = 0; i < MACHINE_CARDS_MAX; i++)
		g_clear_pointer(&config->cards[i].values, g_hash_table_unref);
	g_free(config->uuid);
	g_free(config->name);
	g_free(config->ostype);
	g_free(config->chipset);
	g_free(config);
}

/* ---- Changes ---- */

static gboolean
machine_config_change_self(MachineConfig *config, const ConfigEnv *env, const char *key,
			   const char *value, GError **error)
{
	g_autofree char *shown = NULL;

	if (strcmp(key, "name") == 0)
		return machine_config_set_name(config, value, error);
	if (strcmp(key, "ostype") == 0)
		return machine_config_set_ostype(config, env, value, error);
	if (strcmp(key, "chipset") == 0)
		return machine_config_set_chipset(config, value, error);
	shown = jf_text_show(key);
	g_set_error(error, JF_ERROR, JF_ERROR_KEY,
		    "Unknown setting '%s' of a machine; there are name, ostype and chipset", shown);
	return FALSE;
}

static gboolean
machine_config_change_card(MachineConfig *config, const ConfigEnv *env, const ConfigChange *change,
			   GError **error)
{
	CardConfig *card = &config->cards[change->card - 1];
	const CardKey *key = card_key_find(change->key, error);
	g_autofree char *canonical = NULL;

	if (!key)
		return FALSE;
	if (key->set)
		return key->set(key, env, config, card, change->value, error);
	canonical = key->check(key, env, change->value, error);
	if (!canonical)
		return FALSE;
	card_config_set(card, key->name, canonical);
	return TRUE;
}

gboolean
machine_config_change(MachineConfig *config, const ConfigEnv *env, const ConfigChange *change,
		      GError **error)
{
	if (change->card == 0)
		return machine_config_change_self(config, env, change->key, change->value, error);
	if (change->card > config->n_cards) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "There is no card %u: with chipset %s, cards are 1 to %u", change->card,
			    config->chipset, config->n_cards);
		return FALSE;
	}
	if (machine_config_change_card(config, env, change, error))
		return TRUE;
	g_prefix_error(error, "Card %u: ", change->card);
	return FALSE;
}

gboolean
machine_config_check(MachineConfig *config, const ConfigEnv *env, GError **error)
{
	guint i;

	for (i = 0; i < MACHINE_CARDS_MAX; i++) {
		if (!config->cards[i].values)
			continue;
		if (i >= config->n_cards) {
			g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
				    "Chipset %s has %u cards, but card %u is configured",
				    config->chipset, config->n_cards, i + 1);
			return FALSE;
		}
		if (!attachment_check(&config->cards[i], env, error) ||
		    !card_check_speed_type(&config->cards[i], error)) {
			g_prefix_error(error, "Card %u: ", i + 1);
			return FALSE;
		}
	}
	return TRUE;
}
