/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run-cards.c - the cards of the machine that `run` runs, as the daemon tells of them. */
#include "run-cards.h"

#include <string.h>
#include <unistd.h>

#include "message.h"

/* 0: not set. */
static guint
get_number(GVariant *settings, const char *name)
{
	const char *text = "";

	g_variant_lookup(settings, name, "&s", &text);
	return (guint)g_ascii_strtoull(text, NULL, 10);
}

/* As many as the model has, and the connector lets through. */
static guint
get_pairs(GVariant *settings)
{
	guint pairs = MAX(get_number(settings, "model-property/queues"), 1);
	guint most = get_number(settings, "connector-property/queues");

	return most ? MIN(pairs, most) : pairs;
}

static VmmCard *
make_card(const char *machine, GVariant *properties)
{
	g_autoptr(GVariant) settings = NULL;
	VmmCard *card = g_new0(VmmCard, 1);
	const char *text = "";

	settings = g_variant_lookup_value(properties, "Settings", G_VARIANT_TYPE("a{ss}"));
	g_variant_lookup(properties, "Slot", "u", &card->slot);
	g_variant_lookup(properties, "Link", "b", &card->link);
	g_variant_lookup(properties, "Connector", "s", &card->connector);
	g_variant_lookup(properties, "ConnectorAddress", "s", &card->address);
	if (settings && g_variant_lookup(settings, "mac-address", "&s", &text))
		card->mac = text_format_mac(text);
	if (settings) {
		card->boot_prio = get_number(settings, "nic-boot-prio");
		card->pairs = get_pairs(settings);
	}
	if (settings)
		g_variant_lookup(settings, "nic-type", "s", &card->nic_type);
	card->has_rom = settings &&
			g_variant_lookup(settings, "connector-property/rom", "&s", &text);
	card->path = cli_get_card_path(machine, card->slot);
	card->device = g_strdup_printf("jfcard%u", card->slot);
	if (g_strcmp0(card->connector, "dgram") == 0 && g_str_has_prefix(card->address, "/"))
		card->local = g_strconcat(card->address, ".vmm", NULL);
	return card;
}

static gboolean
is_enabled(GVariant *properties)
{
	gboolean enabled = FALSE;

	g_variant_lookup(properties, "Enabled", "b", &enabled);
	return enabled;
}

GPtrArray *
run_cards_list(Cli *cli, const char *machine, GError **error)
{
	g_autoptr(GVariant) all = cli_list_cards(cli, machine, error);
	GPtrArray *cards;
	GVariantIter iter;
	GVariant *child;

	if (!all)
		return NULL;
	cards = g_ptr_array_new_with_free_func(vmm_card_free);
	g_variant_iter_init(&iter, all);
	while ((child = g_variant_iter_next_value(&iter))) {
		if (is_enabled(child))
			g_ptr_array_add(cards, make_card(machine, child));
		g_variant_unref(child);
	}
	return cards;
}

GHashTable *
run_drivers_list(Cli *cli, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	GHashTable *drivers;
	const char *kind, *id;

	reply = cli_call_manager(cli, "ListDrivers", NULL, "(a(ssssss))", error);
	if (!reply)
		return NULL;
	drivers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_variant_get(reply, "(a(ssssss))", &iter);
	while (g_variant_iter_next(iter, "(&s&s&s&s&s&s)", &kind, &id, NULL, NULL, NULL, NULL))
		g_hash_table_add(drivers, g_strconcat(kind, "/", id, NULL));
	return drivers;
}

GVariant *
run_cards_build_start(const GPtrArray *cards)
{
	GVariantBuilder connectors;
	guint i;

	g_variant_builder_init(&connectors, G_VARIANT_TYPE("a{us}"));
	for (i = 0; i < cards->len; i++) {
		const VmmCard *card = cards->pdata[i];

		g_variant_builder_add(&connectors, "{us}", card->slot, card->connector);
	}
	return g_variant_new("(ba{us})", TRUE, &connectors);
}

void
run_cards_remove_locals(const GPtrArray *cards)
{
	guint i;

	for (i = 0; i < cards->len; i++) {
		const VmmCard *card = cards->pdata[i];

		if (card->local)
			unlink(card->local);
	}
}
