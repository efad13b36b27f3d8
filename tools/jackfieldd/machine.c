/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine.c - a registered machine: its configuration and, while it runs, its cards. */
#include "machine.h"

#include <string.h>

#include "bus.h"
#include "card-key.h"
#include "document.h"
#include "machine-document.h"
#include "networks.h"
#include "running.h"
#include "store.h"
#include "text.h"

struct Machine {
	Daemon *daemon;
	MachineConfig *config;
	char *document;
	char *short_id;
	gboolean running;
	RunningInfo info; /* while it runs */
	CardRun *cards[MACHINE_CARDS_MAX];
	NetworkUse *uses[MACHINE_CARDS_MAX]; /* NULL: on no network */
};

Machine *
machine_new(Daemon *daemon, MachineConfig *config, const char *short_id)
{
	Machine *machine = g_new0(Machine, 1);

	machine->daemon = daemon;
	machine->config = config;
	machine->document = store_get_path(daemon, config->uuid);
	machine->short_id = g_strdup(short_id);
	return machine;
}

static void
machine_stop_cards(Machine *machine)
{
	guint i;

	owner_finish(&machine->info.owner);
	running_info_clear(&machine->info);
	for (i = 0; i < MACHINE_CARDS_MAX; i++) {
		JfWorker *worker;

		if (!machine->cards[i])
			continue;
		worker = card_run_get_worker(machine->cards[i]);
		g_clear_pointer(&machine->cards[i], card_run_free);
		workers_give(machine->daemon->workers, worker);
		networks_give(machine->daemon->networks, g_steal_pointer(&machine->uses[i]));
	}
	machine->running = FALSE;
}

void
machine_free(Machine *machine)
{
	if (!machine)
		return;
	machine_stop_cards(machine);
	machine_config_free(machine->config);
	g_free(machine->document);
	g_free(machine->short_id);
	g_free(machine);
}

const MachineConfig *
machine_get_config(const Machine *machine)
{
	return machine->config;
}

const char *
machine_get_name(const Machine *machine)
{
	return machine->config->name;
}

const char *
machine_get_document(const Machine *machine)
{
	return machine->document;
}

gboolean
machine_is_running(const Machine *machine)
{
	return machine->running;
}

CardRun *
machine_get_run(const Machine *machine, guint slot)
{
	return machine->cards[slot];
}

CardPlace
machine_get_place(const Machine *machine, guint slot)
{
	CardPlace place = {
		.machine = machine->config->name,
		.config_dir = machine->daemon->config_dir,
		.runtime_dir = machine->daemon->runtime_dir,
		.short_id = machine->short_id,
		.slot = slot,
		.connector = machine->info.connectors[slot],
	};

	return place;
}

/* ---- Configuration ---- */

static gboolean
config_save(const Machine *machine, const MachineConfig *config, GError **error)
{
	g_autoptr(JsonNode) root = machine_document_build(config);

	return jf_document_save(machine->document, root, error);
}

gboolean
machine_save(Machine *machine, GError **error)
{
	return config_save(machine, machine->config, error);
}

/* The configuration with the changes in it, checked; nothing is saved. */
static MachineConfig *
machine_try_changes(Machine *machine, const ConfigChange *changes, guint n, GError **error)
{
	g_autoptr(MachineConfig) config = machine_config_copy(machine->config);
	const ConfigEnv *env = &machine->daemon->env;
	guint i;

	for (i = 0; i < n; i++)
		if (!machine_config_change(config, env, &changes[i], error))
			return NULL;
	if (!machine_config_check(config, env, error))
		return NULL;
	if (strcmp(config->name, machine->config->name) != 0 &&
	    !store_check_name(machine->daemon, config->name, error))
		return NULL;
	return g_steal_pointer(&config);
}

/* Takes the new configuration over and says what is different. */
static void
machine_set_config(Machine *machine, MachineConfig *config)
{
	g_autoptr(MachineConfig) old = g_steal_pointer(&machine->config);
	guint i;

	machine->config = config;
	if (strcmp(old->name, config->name) != 0 || strcmp(old->ostype, config->ostype) != 0 ||
	    strcmp(old->chipset, config->chipset) != 0)
		bus_machine_changed(machine->daemon->bus, machine);
	for (i = 0; i < config->n_cards; i++)
		if (!card_config_is_equal(&old->cards[i], &config->cards[i]))
			bus_card_changed(machine->daemon->bus, machine, i);
	networks_machines_changed(machine->daemon->networks);
}

gboolean
machine_modify(Machine *machine, const ConfigChange *changes, guint n, GError **error)
{
	g_autoptr(MachineConfig) config = NULL;

	if (machine->running) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "Machine '%s' runs: power it off first, or use controlvm",
			    machine->config->name);
		return FALSE;
	}
	config = machine_try_changes(machine, changes, n, error);
	if (!config || !config_save(machine, config, error))
		return FALSE;
	machine_set_config(machine, g_steal_pointer(&config));
	return TRUE;
}

/* ---- Changes while it runs ---- */

static gboolean
control_check(const Machine *machine, const ConfigChange *change, GError **error)
{
	const CardKey *key = card_key_find(change->key, error);

	if (!key)
		return FALSE;
	if (change->card < 1 || change->card > machine->config->n_cards) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "There is no card %u: with chipset %s, cards are 1 to %u", change->card,
			    machine->config->chipset, machine->config->n_cards);
		return FALSE;
	}
	if (!(key->flags & CARD_KEY_LIVE)) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "'%s' cannot change while machine '%s' runs", key->name,
			    machine->config->name);
		return FALSE;
	}
	if (!machine->cards[change->card - 1]) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "Card %u of machine '%s' is disabled",
			    change->card, machine->config->name);
		return FALSE;
	}
	if (strcmp(key->name, "nic") == 0 && g_ascii_strcasecmp(change->value, "none") == 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "Card %u cannot be taken out while machine '%s' runs; nic 'null' "
			    "unplugs it",
			    change->card, machine->config->name);
		return FALSE;
	}
	return TRUE;
}

/* The new network's services start before the card comes, the old one's end after it has left. */
static gboolean
card_move(Machine *machine, guint slot, CardPlan **plan, GError **error)
{
	Networks *networks = machine->daemon->networks;
	NetworkUse *use;

	if (!networks_take(networks, *plan, &use, error))
		return FALSE;
	if (!card_run_apply(machine->cards[slot], plan, error)) {
		networks_give(networks, use);
		return FALSE;
	}
	networks_give(networks, machine->uses[slot]);
	machine->uses[slot] = use;
	return TRUE;
}

static gboolean
card_follow(Machine *machine, guint slot, const MachineConfig *config, GError **error)
{
	const CardPlace place = machine_get_place(machine, slot);
	g_autoptr(CardPlan)
		plan = card_plan_new(&config->cards[slot], &machine->daemon->env, &place, error);

	if (plan && card_move(machine, slot, &plan, error))
		return TRUE;
	g_prefix_error(error, "Card %u: ", slot + 1);
	return FALSE;
}

/* Makes the cards below `end` follow `config` where it is another than `from`. */
static gboolean
cards_follow(Machine *machine, const MachineConfig *from, const MachineConfig *config, guint end,
	     guint *failed, GError **error)
{
	for (*failed = 0; *failed < end; (*failed)++) {
		if (!machine->cards[*failed] ||
		    card_config_is_equal(&from->cards[*failed], &config->cards[*failed]))
			continue;
		if (!card_follow(machine, *failed, config, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
machine_control(Machine *machine, const ConfigChange *changes, guint n, GError **error)
{
	g_autoptr(MachineConfig) config = NULL;
	guint i, failed, ignored;

	if (!machine->running) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "Machine '%s' does not run",
			    machine->config->name);
		return FALSE;
	}
	for (i = 0; i < n; i++)
		if (!control_check(machine, &changes[i], error))
			return FALSE;
	config = machine_try_changes(machine, changes, n, error);
	if (!config)
		return FALSE;
	if (!cards_follow(machine, machine->config, config, config->n_cards, &failed, error) ||
	    !config_save(machine, config, error)) {
		cards_follow(machine, config, machine->config, failed, &ignored, NULL);
		return FALSE;
	}
	machine_set_config(machine, g_steal_pointer(&config));
	machine_poll(machine);
	return TRUE;
}

/* ---- Running ---- */

static gboolean
machine_start_card(Machine *machine, guint slot, GError **error)
{
	Daemon *daemon = machine->daemon;
	const CardPlace place = machine_get_place(machine, slot);
	g_autoptr(CardPlan)
		plan = card_plan_new(&machine->config->cards[slot], &daemon->env, &place, error);
	JfWorker *worker = plan ? workers_take(daemon->workers, error) : NULL;

	if (!worker)
		return FALSE;
	if (networks_take(daemon->networks, plan, &machine->uses[slot], error))
		machine->cards[slot] = card_run_new(daemon->context, worker, &place, &plan, error);
	if (machine->cards[slot])
		return TRUE;
	networks_give(daemon->networks, g_steal_pointer(&machine->uses[slot]));
	workers_give(daemon->workers, worker);
	return FALSE;
}

static gboolean
machine_start_cards(Machine *machine, GError **error)
{
	guint i;

	for (i = 0; i < machine->config->n_cards; i++) {
		if (!card_config_is_enabled(&machine->config->cards[i]) ||
		    machine_start_card(machine, i, error))
			continue;
		g_prefix_error(error, "Machine '%s', card %u: ", machine->config->name, i + 1);
		return FALSE;
	}
	return TRUE;
}

static void
machine_say_running(Machine *machine)
{
	guint i;

	bus_machine_changed(machine->daemon->bus, machine);
	for (i = 0; i < machine->config->n_cards; i++)
		if (card_config_is_enabled(&machine->config->cards[i]))
			bus_card_changed(machine->daemon->bus, machine, i);
}

static gboolean
machine_owner_ended(gpointer data)
{
	Machine *machine = data;

	g_message("Machine %s: process %" G_GINT64_FORMAT " ended, power off",
		  machine->config->name, machine->info.owner.pid);
	machine_power_off(machine, NULL);
	return G_SOURCE_REMOVE;
}

/* The copy is the machine's until its cards stop. */
static gboolean
machine_set_info(Machine *machine, const RunningInfo *info, GError **error)
{
	guint i;

	machine->info.owner = info->owner;
	for (i = 0; i < MACHINE_CARDS_MAX; i++) {
		if (info->connectors[i] && (i >= machine->config->n_cards ||
					    !card_config_is_enabled(&machine->config->cards[i]))) {
			g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
				    "Machine '%s' has no enabled card %u for connector '%s'",
				    machine->config->name, i + 1, info->connectors[i]);
			return FALSE;
		}
		machine->info.connectors[i] = g_strdup(info->connectors[i]);
	}
	return TRUE;
}

gboolean
machine_start(Machine *machine, const RunningInfo *info, GError **error)
{
	Daemon *daemon = machine->daemon;

	if (machine->running) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "Machine '%s' runs already",
			    machine->config->name);
		return FALSE;
	}
	if (!machine_set_info(machine, info, error) || !machine_start_cards(machine, error) ||
	    !owner_watch(&machine->info.owner, machine_owner_ended, machine, error) ||
	    !running_add(daemon->runtime_dir, machine->config->uuid, &machine->info, error)) {
		machine_stop_cards(machine);
		return FALSE;
	}
	machine->running = TRUE;
	machine_say_running(machine);
	return TRUE;
}

gboolean
machine_power_off(Machine *machine, GError **error)
{
	if (!machine->running) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "Machine '%s' does not run",
			    machine->config->name);
		return FALSE;
	}
	bus_power_off_requested(machine->daemon->bus, machine);
	running_remove(machine->daemon->runtime_dir, machine->config->uuid);
	machine_stop_cards(machine);
	machine_say_running(machine);
	return TRUE;
}

void
machine_poll(Machine *machine)
{
	guint i;

	for (i = 0; machine->running && i < MACHINE_CARDS_MAX; i++)
		if (machine->cards[i] && card_run_poll(machine->cards[i]))
			bus_card_changed(machine->daemon->bus, machine, i);
}
