/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-card.c - org.jackfield.Card1. */
#include <string.h>

#include "attachment.h"
#include "bus-object.h"
#include "card-key.h"
#include "jackfield-bus.h"
#include "machine.h"

static const CardConfig *
object_get_card(const BusObject *object)
{
	return &machine_get_config(object->machine)->cards[object->slot];
}

static CardRun *
object_get_run(const BusObject *object)
{
	return machine_get_run(object->machine, object->slot);
}

/* ---- Settings ---- */

/* What the attachment's driver does when nobody says anything. */
static const char *
option_get_default(JfContext *context, const CardKey *key)
{
	const JfDriver *driver = jf_context_find_driver(context, JF_KIND_ATTACHMENT,
							attachment_nic_driver(key->nic), NULL);
	const JfPropSpec *spec;
	guint i;

	for (i = 0; driver && (spec = jf_driver_get_prop(driver, i)); i++)
		if (g_ascii_strcasecmp(spec->name, key->property) == 0)
			return spec->def ? spec->def : "";
	return "";
}

static gboolean
property_is_secret(JfContext *context, const CardKey *key, const char *driver_id, const char *name)
{
	const JfDriver *driver = jf_context_find_driver(context, key->entry_kind, driver_id, NULL);
	const JfPropSpec *spec;
	guint i;

	for (i = 0; driver && (spec = jf_driver_get_prop(driver, i)); i++)
		if (g_ascii_strcasecmp(spec->name, name) == 0)
			return (spec->flags & JF_PROP_SECRET) != 0;
	return FALSE;
}

/* A trace that runs has a file, named or not. */
static void
settings_add_trace_file(GVariantBuilder *builder, const BusObject *object, const CardKey *key)
{
	const CardPlace place = machine_get_place(object->machine, object->slot);
	const CardConfig *card = object_get_card(object);
	g_autofree char *file = card_config_get_bool(card, "nic-trace")
					? card_plan_dup_trace_file(card, &place)
					: g_strdup(card_config_get(card, key->name));

	g_variant_builder_add(builder, "{ss}", key->name, file);
}

/* Entries "KEY/NAME"; of a map of drivers' properties those of `driver` only. */
static void
settings_add_map(GVariantBuilder *builder, const BusObject *object, const CardKey *key,
		 const char *driver)
{
	const CardConfig *card = object_get_card(object);
	g_autofree char *prefix = driver ? g_strdup_printf("%s/%s", key->name, driver)
					 : g_strdup(key->name);
	g_autofree const char **names = NULL;
	guint i, n;

	names = card_config_list(card, prefix, &n);
	for (i = 0; i < n; i++) {
		g_autofree char *entry = g_strdup_printf("%s/%s", prefix, names[i]);
		g_autofree char *shown = g_strdup_printf("%s/%s", key->name, names[i]);
		const char *value = card_config_get(card, entry);

		if (driver && property_is_secret(object->daemon->context, key, driver, names[i]))
			value = "(secret)";
		g_variant_builder_add(builder, "{ss}", shown, value);
	}
}

/* While the card runs, its connector is the one that was chosen. */
static const char *
settings_get_driver(const BusObject *object, const CardKey *key)
{
	const CardConfig *card = object_get_card(object);
	CardRun *run = object_get_run(object);

	if (key->entry_kind == JF_KIND_MODEL)
		return card_config_get(card, "nic-type");
	if (key->entry_kind != JF_KIND_CONNECTOR)
		return attachment_get_driver(card);
	return run ? card_run_get_plan(run)->connector : card_config_get(card, "connector");
}

static void
settings_add(GVariantBuilder *builder, const BusObject *object, const CardKey *key)
{
	const CardConfig *card = object_get_card(object);
	const char *value = card_config_get(card, key->name);

	if (strcmp(key->name, "nic-trace-file") == 0) {
		settings_add_trace_file(builder, object, key);
	} else if (key->type != CARD_KEY_MAP) {
		if (!*value && key->property)
			value = option_get_default(object->daemon->context, key);
		g_variant_builder_add(builder, "{ss}", key->name, value);
	} else if (!key->entry_kind) {
		settings_add_map(builder, object, key, NULL);
	} else if (settings_get_driver(object, key)) {
		settings_add_map(builder, object, key, settings_get_driver(object, key));
	}
}

static GVariant *
card_get_settings(const BusObject *object)
{
	GVariantBuilder builder;
	const CardKey *key;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
	for (i = 0; (key = card_key_get(i)); i++)
		settings_add(&builder, object, key);
	return g_variant_builder_end(&builder);
}

/* ---- Properties ---- */

static GVariant *
card_get_slot(const BusObject *object)
{
	return g_variant_new_uint32(object->slot + 1);
}

static GVariant *
card_get_enabled(const BusObject *object)
{
	return g_variant_new_boolean(card_config_is_enabled(object_get_card(object)));
}

static GVariant *
card_get_running(const BusObject *object)
{
	return g_variant_new_boolean(object_get_run(object) != NULL);
}

static GVariant *
card_get_link(const BusObject *object)
{
	CardRun *run = object_get_run(object);

	return g_variant_new_boolean(run && card_run_get_link(run));
}

static GVariant *
card_get_connector(const BusObject *object)
{
	CardRun *run = object_get_run(object);

	return g_variant_new_string(run ? card_run_get_plan(run)->connector
					: card_config_get(object_get_card(object), "connector"));
}

static GVariant *
card_get_connector_address(const BusObject *object)
{
	const CardPlace place = machine_get_place(object->machine, object->slot);
	const CardConfig *card = object_get_card(object);
	g_autofree char *address = NULL;

	if (card_config_is_enabled(card))
		address = card_plan_dup_address(card, &object->daemon->env, &place);

	return g_variant_new_string(address ? address : "");
}

static GVariant *
card_get_error(const BusObject *object)
{
	CardRun *run = object_get_run(object);
	const char *error = run ? card_run_get_error(run) : NULL;

	return g_variant_new_string(error ? error : "");
}

static const BusProperty card_properties[] = {
	{ "Slot", card_get_slot },
	{ "Enabled", card_get_enabled },
	{ "Settings", card_get_settings },
	{ "Running", card_get_running },
	{ "Link", card_get_link },
	{ "Connector", card_get_connector },
	{ "ConnectorAddress", card_get_connector_address },
	{ "Error", card_get_error },
	{ .name = NULL },
};

/* ---- Methods ---- */

static void
counter_add(const char *driver, const char *counter, guint64 value, gpointer data)
{
	g_variant_builder_add(data, "(sst)", driver, counter, value);
}

static GVariant *
flow_build(const JfCardFlow *flow)
{
	return g_variant_new("(ttt)", flow->frames, flow->bytes, flow->drops);
}

static GVariant *
card_call_get_stats(const BusCall *call, G_GNUC_UNUSED GError **error)
{
	CardRun *run = object_get_run(call->object);
	JfCardStats stats = { .struct_size = sizeof stats };
	GVariantBuilder counters;

	g_variant_builder_init(&counters, G_VARIANT_TYPE("a(sst)"));
	if (run) {
		jf_card_get_stats(card_run_get_card(run), &stats);
		jf_card_list_counters(card_run_get_card(run), counter_add, &counters);
	}
	return g_variant_new("(@(ttt)@(ttt)a(sst))", flow_build(&stats.tx), flow_build(&stats.rx),
			     &counters);
}

static const BusMethod card_methods[] = {
	{ "GetStats", card_call_get_stats },
	{ .name = NULL },
};

/* ---- Finding: UUID_N ---- */

static gboolean
card_find(BusObject *object, const char *node)
{
	const char *number = strrchr(node, '_');
	guint64 slot;

	if (!number ||
	    !g_ascii_string_to_unsigned(number + 1, 10, 1, MACHINE_CARDS_MAX, &slot, NULL))
		return FALSE;
	object->machine = bus_find_machine(object->daemon, node, number - node);
	object->slot = (guint)slot - 1;
	return object->machine && object->slot < machine_get_config(object->machine)->n_cards;
}

static char **
card_list(Daemon *daemon)
{
	GPtrArray *names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer uuid, machine;
	guint i;

	g_hash_table_iter_init(&iter, daemon->machines);
	while (g_hash_table_iter_next(&iter, &uuid, &machine)) {
		for (i = 0; i < machine_get_config(machine)->n_cards; i++) {
			char *name = g_strdup_printf("%s_%u", (char *)uuid, i + 1);

			g_ptr_array_add(names, g_strdelimit(name, "-", '_'));
		}
	}
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

const BusInterface bus_card_interface = {
	.subtree = "card",
	.get_info = bus_card1_interface_info,
	.methods = card_methods,
	.properties = card_properties,
	.find = card_find,
	.list = card_list,
};
