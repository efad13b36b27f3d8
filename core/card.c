/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card.c - one adapter of a machine: making, starting and rebuilding it. */
#include "card.h"

#include <string.h>

#include "context.h"
#include "device.h"

#define ATTACHMENT_DEFAULT "null"

/* ---- Instances ---- */

/* A driver of that kind with its properties, checked but not yet an instance. */
typedef struct Plan {
	const JfDriver *driver;
	JfPropertySet *properties;
} Plan;

static void
plan_finish(Plan *plan)
{
	jf_property_set_free(plan->properties);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_finish)

static gboolean
plan_init(Plan *plan, JfContext *context, guint32 kind, const char *id,
	  const char *const *properties, GError **error)
{
	plan->driver = jf_context_find_driver(context, kind, id, error);
	if (!plan->driver)
		return FALSE;
	plan->properties = jf_property_set_new(plan->driver, properties, error);
	return plan->properties != NULL;
}

static JfInstanceFull *
card_make(JfCard *card, Plan *plan, gboolean on_cable, GError **error)
{
	g_autofree char *name =
		g_strdup_printf("%s/%u/%s", card->machine, card->info.slot + 1, plan->driver->id);
	JfInstanceConfig config = {
		.context = card->context,
		.worker = card->worker,
		.driver = plan->driver,
		.name = name,
		.properties = g_steal_pointer(&plan->properties),
		.card = card,
		.cable = on_cable ? &card->cable : NULL,
		.info = card->info,
	};

	return jf_instance_new(&config, error);
}

static gboolean
card_add_instance(JfCard *card, JfInstanceFull **inst, guint32 kind, const char *id,
		  const char *const *properties, GError **error)
{
	g_auto(Plan) plan = { 0 };
	gboolean on_cable = kind != JF_KIND_CONNECTOR || !card->model;

	if (!plan_init(&plan, card->context, kind, id, properties, error))
		return FALSE;
	*inst = card_make(card, &plan, on_cable, error);
	return *inst != NULL;
}

GPtrArray *
jf_card_list_instances(JfCard *card)
{
	GPtrArray *list = g_ptr_array_new();

	if (card->attachment)
		g_ptr_array_add(list, card->attachment);
	for (guint i = card->filters->len; i-- > 0;)
		g_ptr_array_add(list, g_ptr_array_index(card->filters, i));
	if (card->model)
		g_ptr_array_add(list, card->model);
	if (card->connector)
		g_ptr_array_add(list, card->connector);
	return list;
}

JfInstanceFull *
jf_card_find_instance(JfCard *card, const char *driver, GError **error)
{
	g_autoptr(GPtrArray) list = jf_card_list_instances(card);
	g_autoptr(GString) there = g_string_new(NULL);

	for (guint i = 0; i < list->len; i++) {
		JfInstanceFull *inst = g_ptr_array_index(list, i);
		const char *id = inst->pub.driver->id;

		if (g_ascii_strcasecmp(id, driver) == 0)
			return inst;
		g_string_append_printf(there, "%s%s", there->len ? ", " : "", id);
	}
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
		    "card %u of '%s' has no driver '%s'; it has %s", card->info.slot + 1,
		    card->machine, driver, there->str);
	return NULL;
}

/* ---- Life ---- */

static gboolean
config_check(const JfCardConfig *config, GError **error)
{
	const char *wrong = NULL;

	if (!config->machine || !config->machine[0])
		wrong = "a card needs its machine's name";
	else if (!config->worker)
		wrong = "a card needs a worker";
	else if (!config->connector && !config->model)
		wrong = "a card needs a connector or a model";
	else if (config->mac[0] & 1)
		wrong = "a card's MAC address must not be a group address: the second digit is odd";
	else if (config->promiscuous > JF_PROMISC_ALLOW_ALL)
		wrong = "a card's promiscuous policy is 0 (deny), 1 (allow-vms) or 2 (allow-all)";
	if (wrong)
		g_set_error_literal(error, JF_ERROR, JF_ERROR_VALUE, wrong);
	return !wrong;
}

static JfCard *
card_alloc(JfContext *context, const JfCardConfig *config)
{
	JfCard *card = g_new0(JfCard, 1);

	card->context = context;
	card->worker = config->worker;
	card->machine = g_strdup(config->machine);
	card->config_dir = g_strdup(config->config_dir);
	card->runtime_dir = g_strdup(config->runtime_dir);
	card->info = (JfCardInfo){
		.struct_size = sizeof(JfCardInfo),
		.slot = config->slot,
		.promiscuous = config->promiscuous,
		.line_speed = config->line_speed,
		.machine = card->machine,
		.config_dir = card->config_dir,
		.runtime_dir = card->runtime_dir,
	};
	memcpy(card->info.mac, config->mac, sizeof card->info.mac);
	card->filters = g_ptr_array_new();
	card->errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
	jf_cable_init(&card->cable, context, card->worker, card);
	return card;
}

static gboolean
card_add_model(JfCard *card, const JfCardConfig *config, GError **error)
{
	if (!card_add_instance(card, &card->model, JF_KIND_MODEL, config->model,
			       config->model_properties, error))
		return FALSE;
	card->device = jf_device_new(card->model, error);
	return card->device != NULL;
}

static gboolean
card_add_instances(JfCard *card, const JfCardConfig *config, GError **error)
{
	const char *attachment = config->attachment ? config->attachment : ATTACHMENT_DEFAULT;

	if (!card_add_instance(card, &card->attachment, JF_KIND_ATTACHMENT, attachment,
			       config->attachment_properties, error))
		return FALSE;
	if (config->model && !card_add_model(card, config, error))
		return FALSE;
	return !config->connector ||
	       card_add_instance(card, &card->connector, JF_KIND_CONNECTOR, config->connector,
				 config->connector_properties, error);
}

JfCard *
jf_card_new(JfContext *context, const JfCardConfig *config, GError **error)
{
	JfCardConfig own = { 0 };
	JfCard *card;

	memcpy(&own, config, MIN(config->struct_size, sizeof own));
	if (!config_check(&own, error))
		return NULL;
	card = card_alloc(context, &own);
	if (!card_add_instances(card, &own, error)) {
		jf_card_free(card);
		return NULL;
	}
	jf_cable_insert(&card->cable, 0, card->model ? card->model : card->connector);
	jf_cable_insert(&card->cable, 1, card->attachment);
	jf_cable_set_connected(&card->cable, own.cable_connected);
	return card;
}

/* The reverse of making: whoever came last may use those before it. */
void
jf_card_free(JfCard *card)
{
	g_autoptr(GPtrArray) list = NULL;

	if (!card)
		return;
	jf_card_stop(card);
	list = jf_card_list_instances(card);
	for (guint i = list->len; i-- > 0;) {
		JfInstanceFull *inst = g_ptr_array_index(list, i);

		if (inst == card->model)
			g_clear_pointer(&card->device, jf_device_free);
		if (inst->cable)
			jf_cable_remove(&card->cable, inst);
		jf_instance_free(inst);
	}
	jf_cable_finish(&card->cable);
	g_ptr_array_unref(card->filters);
	g_ptr_array_unref(card->errors);
	g_free(card->machine);
	g_free(card->config_dir);
	g_free(card->runtime_dir);
	g_free(card);
}

JfDevice *
jf_card_get_device(JfCard *card)
{
	return card->device;
}

JfDevice *
jf_instance_get_device(JfInstance *inst)
{
	JfCard *card = jf_instance_full(inst)->card;

	return card ? card->device : NULL;
}

static void
card_stop_first(const GPtrArray *list, guint n)
{
	while (n-- > 0)
		jf_instance_stop(g_ptr_array_index(list, n));
}

gboolean
jf_card_start(JfCard *card, GError **error)
{
	g_autoptr(GPtrArray) list = jf_card_list_instances(card);

	if (card->is_running) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "card %u of '%s' is running already",
			    card->info.slot + 1, card->machine);
		return FALSE;
	}
	for (guint i = 0; i < list->len; i++) {
		if (jf_instance_start(g_ptr_array_index(list, i), error))
			continue;
		card_stop_first(list, i);
		jf_cable_discard(&card->cable);
		return FALSE;
	}
	card->is_running = TRUE;
	return TRUE;
}

void
jf_card_stop(JfCard *card)
{
	g_autoptr(GPtrArray) list = NULL;

	if (!card->is_running)
		return;
	list = jf_card_list_instances(card);
	card_stop_first(list, list->len);
	jf_cable_discard(&card->cable);
	g_ptr_array_set_size(card->errors, 0);
	card->is_running = FALSE;
}

/* ---- Another attachment ---- */

static gboolean
card_attach_stopped(JfCard *card, Plan *plan, GError **error)
{
	JfInstanceFull *old = card->attachment;
	JfInstanceFull *inst = card_make(card, plan, TRUE, error);

	if (!inst)
		return FALSE;
	jf_cable_remove(&card->cable, old);
	jf_cable_insert(&card->cable, card->cable.chain->len, inst);
	card->attachment = inst;
	jf_instance_free(old);
	return TRUE;
}

static void
card_restore_attachment(JfCard *card)
{
	g_autoptr(GError) error = NULL;

	jf_cable_insert(&card->cable, card->cable.chain->len, card->attachment);
	if (!jf_instance_start(card->attachment, &error))
		jf_instance_set_failed(card->attachment, error);
}

/* What the guest sends meanwhile waits. */
static gboolean
card_attach_running(JfCard *card, Plan *plan, GError **error)
{
	g_autoptr(JfInstanceFull) inst = NULL;

	jf_instance_stop(card->attachment);
	jf_cable_remove(&card->cable, card->attachment);
	inst = card_make(card, plan, TRUE, error);
	if (!inst) {
		card_restore_attachment(card);
		return FALSE;
	}
	jf_cable_insert(&card->cable, card->cable.chain->len, inst);
	if (!jf_instance_start(inst, error)) {
		jf_cable_remove(&card->cable, inst);
		card_restore_attachment(card);
		return FALSE;
	}
	jf_instance_free(card->attachment);
	card->attachment = g_steal_pointer(&inst);
	return TRUE;
}

gboolean
jf_card_attach(JfCard *card, const char *attachment, const char *const *properties, GError **error)
{
	g_auto(Plan) plan = { 0 };

	if (!plan_init(&plan, card->context, JF_KIND_ATTACHMENT,
		       attachment ? attachment : ATTACHMENT_DEFAULT, properties, error))
		return FALSE;
	if (card->is_running)
		return card_attach_running(card, &plan, error);
	return card_attach_stopped(card, &plan, error);
}

/* ---- Filters ---- */

/* A filter starts before it comes into the cable, so that nobody sees the line go down. */
gboolean
jf_card_add_filter(JfCard *card, const char *filter, const char *const *properties, GError **error)
{
	g_auto(Plan) plan = { 0 };
	g_autoptr(JfInstanceFull) inst = NULL;

	if (!plan_init(&plan, card->context, JF_KIND_FILTER, filter, properties, error))
		return FALSE;
	if (jf_card_find_instance(card, filter, NULL)) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "card %u of '%s' has filter '%s' already", card->info.slot + 1,
			    card->machine, plan.driver->id);
		return FALSE;
	}
	inst = card_make(card, &plan, TRUE, error);
	if (!inst || (card->is_running && !jf_instance_start(inst, error)))
		return FALSE;
	g_ptr_array_add(card->filters, inst);
	jf_cable_insert(&card->cable, card->cable.chain->len - 1, g_steal_pointer(&inst));
	return TRUE;
}

gboolean
jf_card_remove_filter(JfCard *card, const char *filter, GError **error)
{
	JfInstanceFull *inst = jf_card_find_instance(card, filter, error);

	if (!inst)
		return FALSE;
	if (!g_ptr_array_remove(card->filters, inst)) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "'%s' of card %u of '%s' is no filter", filter, card->info.slot + 1,
			    card->machine);
		return FALSE;
	}
	jf_cable_remove(&card->cable, inst);
	jf_instance_free(inst);
	return TRUE;
}

/* ---- The cable ---- */

void
jf_card_set_cable(JfCard *card, gboolean connected)
{
	jf_cable_set_connected(&card->cable, connected != 0);
}

gboolean
jf_card_get_link(JfCard *card)
{
	return jf_cable_get_link(&card->cable);
}

void
jf_card_get_stats(JfCard *card, JfCardStats *stats)
{
	JfCardStats own = { .struct_size = MIN(stats->struct_size, sizeof own) };

	jf_cable_get_stats(&card->cable, &own.tx, &own.rx);
	memcpy(stats, &own, own.struct_size);
}
