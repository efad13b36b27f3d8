/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine-document.c - machines as JSON. */
#include "machine-document.h"

#include <string.h>

#include "attachment.h"
#include "card-key.h"
#include "forward.h"
#include "text.h"

/* ---- Writing ---- */

static JsonObject *
object_get_child(JsonObject *object, const char *name)
{
	JsonObject *child;

	if (json_object_has_member(object, name))
		return json_object_get_object_member(object, name);
	child = json_object_new();
	json_object_set_object_member(object, name, child);
	return child;
}

static void
map_write(JsonObject *object, const CardKey *key, const CardConfig *card)
{
	g_autofree const char **names = NULL;
	guint i, n;

	names = card_config_list(card, key->name, &n);
	for (i = 0; i < n; i++) {
		g_autofree char *entry = g_strdup_printf("%s/%s", key->name, names[i]);
		JsonObject *map = object_get_child(object, key->name);
		const char *name = names[i];
		const char *slash = key->entry_kind ? strchr(name, '/') : NULL;

		if (slash) {
			g_autofree char *driver = g_strndup(name, slash - name);

			map = object_get_child(map, driver);
			name = slash + 1;
		}
		json_object_set_string_member(map, name, card_config_get(card, entry));
	}
}

static void
card_write_key(JsonObject *object, const CardKey *key, const CardConfig *card)
{
	const char *value;

	if (key->type == CARD_KEY_MAP) {
		map_write(object, key, card);
		return;
	}
	if (!g_hash_table_contains(card->values, key->name))
		return;
	value = card_config_get(card, key->name);
	if (key->type == CARD_KEY_BOOL)
		json_object_set_boolean_member(object, key->name, strcmp(value, "on") == 0);
	else if (key->type == CARD_KEY_INT)
		json_object_set_int_member(object, key->name, g_ascii_strtoll(value, NULL, 10));
	else
		json_object_set_string_member(object, key->name, value);
}

JsonNode *
machine_document_build(const MachineConfig *config)
{
	JsonNode *root = json_node_new(JSON_NODE_OBJECT);
	JsonObject *object = json_object_new();
	JsonArray *cards = json_array_new();
	const CardKey *key;
	guint i, k;

	json_object_set_int_member(object, "version", MACHINE_DOCUMENT_VERSION);
	json_object_set_string_member(object, "uuid", config->uuid);
	json_object_set_string_member(object, "name", config->name);
	json_object_set_string_member(object, "ostype", config->ostype);
	json_object_set_string_member(object, "chipset", config->chipset);
	for (i = 0; i < config->n_cards; i++) {
		JsonObject *card;

		if (!config->cards[i].values)
			continue;
		card = json_object_new();
		json_object_set_int_member(card, "card", i + 1);
		for (k = 0; (key = card_key_get(k)); k++)
			card_write_key(card, key, &config->cards[i]);
		json_array_add_object_element(cards, card);
	}
	json_object_set_array_member(object, "cards", cards);
	json_node_take_object(root, object);
	return root;
}

/* ---- Reading ---- */

static gboolean
node_is(JsonNode *node, GType type)
{
	return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

/* A scalar as the text that the command line would give; NULL with VALUE. */
static char *
node_dup_text(JsonNode *node, guint32 type, const char *name, GError **error)
{
	static const char *const wanted[] = { "a string", "true or false", "a number" };

	if (type == CARD_KEY_TEXT && node_is(node, G_TYPE_STRING))
		return g_strdup(json_node_get_string(node));
	if (type == CARD_KEY_BOOL && node_is(node, G_TYPE_BOOLEAN))
		return g_strdup(json_node_get_boolean(node) ? "on" : "off");
	if (type == CARD_KEY_INT && node_is(node, G_TYPE_INT64))
		return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Member '%s' is not %s", name, wanted[type]);
	return NULL;
}

static JsonObject *
node_get_object(JsonNode *node, const char *name, GError **error)
{
	if (JSON_NODE_HOLDS_OBJECT(node))
		return json_node_get_object(node);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Member '%s' is not an object", name);
	return NULL;
}

/* The driver went away, the setting stays: it may come back. */
static gboolean
is_missing_driver(const GError *error)
{
	return g_error_matches(error, JF_ERROR, JF_ERROR_NOT_FOUND) ||
	       g_error_matches(error, JF_ERROR, JF_ERROR_UNSUPPORTED);
}

static gboolean
card_read_property(CardConfig *card, const ConfigEnv *env, const CardKey *key, const char *driver,
		   const char *name, const char *value, GError **error)
{
	g_autofree char *text = g_strdup_printf("%s=%s", name, value);
	g_autoptr(GError) local = NULL;

	if (property_entry_set(env, card, key->name, key->entry_kind, driver, text, &local))
		return TRUE;
	if (is_missing_driver(local)) {
		g_autofree char *entry = g_strdup_printf("%s/%s/%s", key->name, driver, name);

		card_config_set(card, entry, value);
		return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static gboolean
card_read_driver(CardConfig *card, const ConfigEnv *env, const CardKey *key, const char *driver,
		 JsonNode *node, GError **error)
{
	JsonObject *object = node_get_object(node, driver, error);
	JsonObjectIter iter;
	const char *name;
	JsonNode *value;

	if (!object)
		return FALSE;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &name, &value)) {
		g_autofree char *text = node_dup_text(value, CARD_KEY_TEXT, name, error);

		if (!text || !card_read_property(card, env, key, driver, name, text, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
card_read_forward(CardConfig *card, const CardKey *key, const char *name, JsonNode *node,
		  GError **error)
{
	g_autofree char *value = node_dup_text(node, CARD_KEY_TEXT, name, error);
	g_autoptr(Forward) forward = NULL;
	g_autofree char *entry = NULL;
	g_autofree char *text = NULL;

	if (!value)
		return FALSE;
	text = g_strdup_printf("%s,%s", name, value);
	forward = forward_new(text, error);
	if (!forward)
		return FALSE;
	entry = g_strdup_printf("%s/%s", key->name, forward->name);
	card_config_set(card, entry, value);
	return TRUE;
}

static gboolean
card_read_map(CardConfig *card, const ConfigEnv *env, const CardKey *key, JsonNode *node,
	      GError **error)
{
	JsonObject *object = node_get_object(node, key->name, error);
	JsonObjectIter iter;
	const char *name;
	JsonNode *value;

	if (!object)
		return FALSE;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &name, &value)) {
		if (key->entry_kind ? !card_read_driver(card, env, key, name, value, error)
				    : !card_read_forward(card, key, name, value, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
card_read_value(MachineConfig *config, guint slot, const ConfigEnv *env, const CardKey *key,
		JsonNode *node, GError **error)
{
	CardConfig *card = &config->cards[slot];
	g_autofree char *text = node_dup_text(node, key->type, key->name, error);
	const ConfigChange change = { slot + 1, key->name, text };
	g_autoptr(GError) local = NULL;

	if (!text)
		return FALSE;
	if (machine_config_change(config, env, &change, &local))
		return TRUE;
	if (is_missing_driver(local)) {
		card_config_set(card, key->name, text);
		return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static gboolean
card_read_member(MachineConfig *config, guint slot, const ConfigEnv *env, const char *name,
		 JsonNode *node, GError **error)
{
	const CardKey *key = card_key_find(name, error);

	if (!key)
		return FALSE;
	if (key->type == CARD_KEY_MAP)
		return card_read_map(&config->cards[slot], env, key, node, error);
	return card_read_value(config, slot, env, key, node, error);
}

static gboolean
card_read_slot(const MachineConfig *config, JsonObject *object, guint *slot, GError **error)
{
	JsonNode *node = json_object_get_member(object, "card");
	gint64 number = node && node_is(node, G_TYPE_INT64) ? json_node_get_int(node) : 0;

	if (number < 1 || number > config->n_cards) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "Member 'card' is not a number from 1 to %u", config->n_cards);
		return FALSE;
	}
	*slot = (guint)number - 1;
	if (!config->cards[*slot].values)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Card %u is there twice", *slot + 1);
	return FALSE;
}

static gboolean
card_read(MachineConfig *config, const ConfigEnv *env, JsonNode *node, GError **error)
{
	JsonObject *object = node_get_object(node, "cards", error);
	JsonObjectIter iter;
	const char *name;
	JsonNode *value;
	guint slot;

	if (!object || !card_read_slot(config, object, &slot, error))
		return FALSE;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &name, &value)) {
		/* nic comes last: it makes up what is not there. */
		if (strcmp(name, "card") == 0 || strcmp(name, "nic") == 0)
			continue;
		if (!card_read_member(config, slot, env, name, value, error))
			return FALSE;
	}
	value = json_object_get_member(object, "nic");
	return !value || card_read_member(config, slot, env, "nic", value, error);
}

static gboolean
machine_read_cards(MachineConfig *config, const ConfigEnv *env, JsonNode *node, GError **error)
{
	JsonArray *array;
	guint i;

	if (!JSON_NODE_HOLDS_ARRAY(node)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Member 'cards' is not an array");
		return FALSE;
	}
	array = json_node_get_array(node);
	for (i = 0; i < json_array_get_length(array); i++)
		if (!card_read(config, env, json_array_get_element(array, i), error))
			return FALSE;
	return TRUE;
}

static gboolean
machine_read_member(MachineConfig *config, const ConfigEnv *env, const char *name, JsonNode *node,
		    GError **error)
{
	g_autofree char *text = NULL;
	ConfigChange change = { 0, name, NULL };

	if (strcmp(name, "version") == 0 || strcmp(name, "chipset") == 0 ||
	    strcmp(name, "uuid") == 0)
		return TRUE;
	if (strcmp(name, "cards") == 0)
		return machine_read_cards(config, env, node, error);
	text = node_dup_text(node, CARD_KEY_TEXT, name, error);
	change.value = text;
	return text && machine_config_change(config, env, &change, error);
}

static char *
object_dup_string(JsonObject *object, const char *name, GError **error)
{
	JsonNode *node = json_object_get_member(object, name);

	if (node)
		return node_dup_text(node, CARD_KEY_TEXT, name, error);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Member '%s' is missing", name);
	return NULL;
}

static gboolean
check_version(JsonObject *object, GError **error)
{
	JsonNode *node = json_object_get_member(object, "version");

	if (!node || !node_is(node, G_TYPE_INT64)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "Member 'version' is missing or no number");
		return FALSE;
	}
	if (json_node_get_int(node) == MACHINE_DOCUMENT_VERSION)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "Document has version %" G_GINT64_FORMAT ", this program reads version %d",
		    json_node_get_int(node), MACHINE_DOCUMENT_VERSION);
	return FALSE;
}

/* What everything else hangs on: identity, and how many cards there can be. */
static gboolean
machine_read_head(MachineConfig *config, JsonObject *object, GError **error)
{
	g_autofree char *uuid = NULL;
	g_autofree char *name = NULL;
	g_autofree char *chipset = NULL;

	if (!check_version(object, error))
		return FALSE;
	uuid = object_dup_string(object, "uuid", error);
	name = uuid ? object_dup_string(object, "name", error) : NULL;
	chipset = name ? object_dup_string(object, "chipset", error) : NULL;
	return chipset && machine_config_set_uuid(config, uuid, error) &&
	       machine_config_set_chipset(config, chipset, error);
}

MachineConfig *
machine_document_parse(JsonNode *root, const ConfigEnv *env, GError **error)
{
	g_autoptr(MachineConfig) config = machine_config_new_empty();
	JsonObject *object = node_get_object(root, "(document)", error);
	JsonObjectIter iter;
	const char *name;
	JsonNode *node;

	if (!object || !machine_read_head(config, object, error))
		return NULL;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &name, &node))
		if (!machine_read_member(config, env, name, node, error))
			return NULL;
	return g_steal_pointer(&config);
}
