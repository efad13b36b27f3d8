/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-control.c - what may be asked of a card's drivers: errors, properties, rules, state. */
#include <string.h>

#include "card.h"
#include "context.h"
#include "device.h"
#include "jackfield/state.h"

/* ---- Errors and counters ---- */

static GError *
card_dup_error(JfCard *card)
{
	g_autoptr(GPtrArray) list = jf_card_list_instances(card);

	for (guint i = 0; i < list->len; i++) {
		GError *error = jf_instance_dup_error(g_ptr_array_index(list, i));

		if (error)
			return error;
	}
	return NULL;
}

static gboolean
error_equal(const GError *a, const GError *b)
{
	return a->domain == b->domain && a->code == b->code && strcmp(a->message, b->message) == 0;
}

/* The caller may keep what it got until the card stops, even when the attachment that failed is
 * replaced and another fails. */
const GError *
jf_card_get_error(JfCard *card)
{
	g_autoptr(GError) error = card_dup_error(card);

	if (!error)
		return NULL;
	for (guint i = 0; i < card->errors->len; i++) {
		if (error_equal(g_ptr_array_index(card->errors, i), error))
			return g_ptr_array_index(card->errors, i);
	}
	g_ptr_array_add(card->errors, g_steal_pointer(&error));
	return g_ptr_array_index(card->errors, card->errors->len - 1);
}

void
jf_card_list_counters(JfCard *card, JfCounterFunc func, gpointer data)
{
	g_autoptr(GPtrArray) list = jf_card_list_instances(card);

	for (guint i = list->len; i-- > 0;)
		jf_instance_list_counters(g_ptr_array_index(list, i), func, data);
}

/* ---- Properties ---- */

/* A VMM holds on to a model's device, so it is not made anew. */
gboolean
jf_card_set_property(JfCard *card, const char *driver, const char *key, const char *value,
		     GError **error)
{
	JfInstanceFull *inst = jf_card_find_instance(card, driver, error);

	if (!inst)
		return FALSE;
	if (inst == card->model && !card->is_running) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "properties of model '%s' are fixed when card %u of '%s' is made",
			    inst->pub.driver->id, card->info.slot + 1, card->machine);
		return FALSE;
	}
	return jf_instance_set_property(inst, key, value, error);
}

gboolean
jf_card_set_promiscuous(JfCard *card, guint32 policy, GError **error)
{
	if (policy > JF_PROMISC_ALLOW_ALL) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "promiscuous policy %u is not 0 (deny), 1 (allow-vms) or 2 (allow-all)",
			    policy);
		return FALSE;
	}
	card->info.promiscuous = policy;
	jf_networks_set_promiscuous(card->context->networks, &card->attachment->pub, policy);
	jf_uplinks_set_promiscuous(card->context->uplinks, &card->attachment->pub, policy);
	return TRUE;
}

/* ---- Port forwarding ---- */

gboolean
jf_card_add_forward(JfCard *card, const JfForwardRule *rule, GError **error)
{
	return jf_instance_add_forward(card->attachment, rule, error);
}

gboolean
jf_card_remove_forward(JfCard *card, const char *name, GError **error)
{
	return jf_instance_remove_forward(card->attachment, name, error);
}

/* ---- State: a{sv} of driver id and (u version, a{sv} of the driver's) ---- */

typedef struct StateCall {
	const JfState *state;
	guint32 version;
	GVariant *value;
	gboolean ok;
	GError *error;
} StateCall;

static const JfState *
instance_get_state(JfInstanceFull *inst)
{
	const JfDriver *driver = inst->pub.driver;

	return driver->query ? driver->query(&inst->pub, JF_STATE_IID) : NULL;
}

static void
state_save(JfInstance *inst, gpointer data)
{
	StateCall *call = data;

	call->value = call->state->save(inst, &call->error);
	if (call->value)
		g_variant_ref_sink(call->value);
}

static void
state_load(JfInstance *inst, gpointer data)
{
	StateCall *call = data;

	call->ok = call->state->load(inst, call->version, call->value, &call->error);
}

static gboolean
card_check_stopped(JfCard *card, GError **error)
{
	if (card->is_running)
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "card %u of '%s' is running: stop it before its state moves",
			    card->info.slot + 1, card->machine);
	return !card->is_running;
}

static gboolean
instance_save(JfInstanceFull *inst, GVariantBuilder *builder, GError **error)
{
	StateCall call = { .state = instance_get_state(inst) };

	if (!call.state)
		return TRUE;
	jf_instance_call(inst, state_save, &call);
	if (!call.value) {
		g_propagate_prefixed_error(error, call.error, "%s: ", inst->pub.name);
		return FALSE;
	}
	g_variant_builder_add(builder, "{sv}", inst->pub.driver->id,
			      g_variant_new("(u@a{sv})", call.state->version, call.value));
	g_variant_unref(call.value);
	return TRUE;
}

GVariant *
jf_card_save(JfCard *card, GError **error)
{
	g_autoptr(GPtrArray) list = jf_card_list_instances(card);
	g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

	if (!card_check_stopped(card, error))
		return NULL;
	for (guint i = 0; i < list->len; i++) {
		if (!instance_save(g_ptr_array_index(list, i), &builder, error))
			return NULL;
	}
	if (card->device)
		g_variant_builder_add(&builder, "{sv}", JF_DEVICE_IID,
				      jf_device_save(card->device));
	return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static gboolean
instance_load(JfInstanceFull *inst, GVariant *entry, GError **error)
{
	g_autoptr(GVariant) value = NULL;
	StateCall call = { .state = instance_get_state(inst) };

	if (!call.state || !g_variant_is_of_type(entry, G_VARIANT_TYPE("(ua{sv})"))) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: this is not its state",
			    inst->pub.name);
		return FALSE;
	}
	g_variant_get(entry, "(u@a{sv})", &call.version, &value);
	if (call.version > call.state->version) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: state of version %u; this driver knows versions up to %u",
			    inst->pub.name, call.version, call.state->version);
		return FALSE;
	}
	call.value = value;
	jf_instance_call(inst, state_load, &call);
	if (call.error)
		g_propagate_prefixed_error(error, call.error, "%s: ", inst->pub.name);
	return call.ok;
}

static gboolean
card_load_instance(JfCard *card, const char *driver, GVariant *entry, GError **error)
{
	JfInstanceFull *inst = jf_card_find_instance(card, driver, NULL);

	if (inst)
		return instance_load(inst, entry, error);
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "state of driver '%s', which card %u of '%s' has not", driver,
		    card->info.slot + 1, card->machine);
	return FALSE;
}

typedef struct DeviceLoad {
	JfDevice *device;
	GVariant *entry;
	gboolean ok;
	GError *error;
} DeviceLoad;

static void
device_load(gpointer data)
{
	DeviceLoad *load = data;

	load->ok = jf_device_load(load->device, load->entry, &load->error);
}

/* A PCI function without its model's state, or the other way round, would be neither. */
static gboolean
card_load_device(JfCard *card, GVariant *state, GError **error)
{
	g_autoptr(GVariant)
		model = g_variant_lookup_value(state, card->model->pub.driver->id, NULL);
	g_autoptr(GVariant) entry = g_variant_lookup_value(state, JF_DEVICE_IID, NULL);
	DeviceLoad load = { .device = card->device, .entry = entry };

	if (!entry || (!model && instance_get_state(card->model))) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "no state of the model of card %u of '%s'", card->info.slot + 1,
			    card->machine);
		return FALSE;
	}
	jf_worker_call(card->worker, device_load, &load);
	if (load.error)
		g_propagate_error(error, load.error);
	return load.ok;
}

static gboolean
card_load_all(JfCard *card, GVariant *state, GError **error)
{
	GVariantIter iter;
	const char *driver;
	GVariant *entry;
	gboolean ok = TRUE;

	g_variant_iter_init(&iter, state);
	while (ok && g_variant_iter_next(&iter, "{&sv}", &driver, &entry)) {
		if (!card->device || strcmp(driver, JF_DEVICE_IID) != 0)
			ok = card_load_instance(card, driver, entry, error);
		g_variant_unref(entry);
	}
	return ok && (!card->device || card_load_device(card, state, error));
}

/* All or nothing: a driver leaves itself as it was, the core those before it. */
gboolean
jf_card_load(JfCard *card, GVariant *state, GError **error)
{
	g_autoptr(GVariant) normal = NULL, before = NULL;

	if (!card_check_stopped(card, error))
		return FALSE;
	if (!g_variant_is_of_type(state, G_VARIANT_TYPE_VARDICT)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "a card's state is of type a{sv}, not %s",
			    g_variant_get_type_string(state));
		return FALSE;
	}
	before = jf_card_save(card, error);
	if (!before)
		return FALSE;
	normal = g_variant_get_normal_form(state);
	if (card_load_all(card, normal, error))
		return TRUE;
	card_load_all(card, before, NULL);
	return FALSE;
}
