/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-run.c - a card of a running machine: a JfCard that follows its plan. */
#include "card-run.h"

#include <string.h>

#include "../common/paths.h"

struct CardRun {
	JfContext *context;
	JfCard *card;
	JfWorker *worker;
	CardPlan *plan; /* what the card does now */
	gboolean link;
	char *error; /* NULL: none */
};

/* ---- Trace ---- */

static gboolean
card_run_add_trace(CardRun *run, const CardPlan *plan, GError **error)
{
	g_autofree char *property = g_strconcat("file=", plan->trace_file, NULL);
	const char *properties[] = { property, NULL };

	if (plan->trace_dir && !paths_make_private(plan->trace_dir, error))
		return FALSE;
	return jf_card_add_filter(run->card, "capture", properties, error);
}

static gboolean
card_run_set_trace(CardRun *run, const CardPlan *from, const CardPlan *to, GError **error)
{
	if (g_strcmp0(from->trace_file, to->trace_file) == 0)
		return TRUE;
	if (from->trace_file && !jf_card_remove_filter(run->card, "capture", error))
		return FALSE;
	if (!to->trace_file || card_run_add_trace(run, to, error))
		return TRUE;
	if (from->trace_file)
		card_run_add_trace(run, from, NULL);
	return FALSE;
}

/* ---- Forwarding ---- */

static const Forward *
forwards_find(const GPtrArray *forwards, const Forward *wanted)
{
	g_autofree char *text = forward_format(wanted);
	guint i;

	for (i = 0; i < forwards->len; i++) {
		const Forward *forward = g_ptr_array_index(forwards, i);
		g_autofree char *other = forward_format(forward);

		if (strcmp(forward->name, wanted->name) == 0 && strcmp(other, text) == 0)
			return forward;
	}
	return NULL;
}

static void
card_run_remove_forwards(CardRun *run, const GPtrArray *forwards, const GPtrArray *keep)
{
	guint i;

	for (i = 0; i < forwards->len; i++) {
		const Forward *forward = g_ptr_array_index(forwards, i);

		if (!keep || !forwards_find(keep, forward))
			jf_card_remove_forward(run->card, forward->name, NULL);
	}
}

/* All rules that are not in `have`, or none. */
static gboolean
card_run_add_forwards(CardRun *run, const GPtrArray *forwards, const GPtrArray *have,
		      GError **error)
{
	guint i;

	for (i = 0; i < forwards->len; i++) {
		const Forward *forward = g_ptr_array_index(forwards, i);

		if (have && forwards_find(have, forward))
			continue;
		if (jf_card_add_forward(run->card, &forward->rule, error))
			continue;
		g_prefix_error(error, "Forwarding rule '%s': ", forward->name);
		while (i-- > 0) {
			forward = g_ptr_array_index(forwards, i);
			if (!have || !forwards_find(have, forward))
				jf_card_remove_forward(run->card, forward->name, NULL);
		}
		return FALSE;
	}
	return TRUE;
}

static gboolean
card_run_set_forwards(CardRun *run, const GPtrArray *from, const GPtrArray *to, GError **error)
{
	card_run_remove_forwards(run, from, to);
	if (card_run_add_forwards(run, to, from, error))
		return TRUE;
	card_run_add_forwards(run, from, to, NULL);
	return FALSE;
}

/* ---- Attachment ---- */

static gboolean
card_run_attach(CardRun *run, const CardPlan *plan, GError **error)
{
	return jf_card_attach(run->card, plan->attachment,
			      (const char *const *)plan->attachment_properties, error);
}

static gboolean
card_run_set_attachment(CardRun *run, const CardPlan *from, const CardPlan *to, GError **error)
{
	if (strcmp(from->attachment, to->attachment) == 0 &&
	    g_strv_equal((const char *const *)from->attachment_properties,
			 (const char *const *)to->attachment_properties))
		return card_run_set_forwards(run, from->forwards, to->forwards, error);
	/* A failed attach brings the old attachment back as a new instance: without its rules. */
	if (!card_run_attach(run, to, error)) {
		card_run_add_forwards(run, from->forwards, NULL, NULL);
		return FALSE;
	}
	if (card_run_add_forwards(run, to->forwards, NULL, error))
		return TRUE;
	if (card_run_attach(run, from, NULL))
		card_run_add_forwards(run, from->forwards, NULL, NULL);
	return FALSE;
}

/* ---- Life ---- */

static gboolean
card_run_start(CardRun *run, GError **error)
{
	if (run->plan->trace_file && !card_run_add_trace(run, run->plan, error))
		return FALSE;
	return card_run_add_forwards(run, run->plan->forwards, NULL, error) &&
	       jf_card_start(run->card, error);
}

static JfCard *
card_run_make(JfContext *context, JfWorker *worker, const CardPlace *place, const CardPlan *plan,
	      GError **error)
{
	JfCardConfig config = {
		.struct_size = sizeof config,
		.slot = place->slot,
		.machine = place->machine,
		.promiscuous = plan->promiscuous,
		.line_speed = plan->line_speed,
		.cable_connected = plan->cable_connected,
		.connector = plan->connector,
		.connector_properties = (const char *const *)plan->connector_properties,
		.model = plan->model,
		.model_properties = (const char *const *)plan->model_properties,
		.attachment = plan->attachment,
		.attachment_properties = (const char *const *)plan->attachment_properties,
		.config_dir = place->config_dir,
		.runtime_dir = place->runtime_dir,
		.worker = worker,
	};

	memcpy(config.mac, plan->mac, sizeof config.mac);
	return jf_card_new(context, &config, error);
}

CardRun *
card_run_new(JfContext *context, JfWorker *worker, const CardPlace *place, CardPlan **plan,
	     GError **error)
{
	CardRun *run = g_new0(CardRun, 1);

	run->context = context;
	run->worker = worker;
	run->plan = g_steal_pointer(plan);
	run->card = card_run_make(context, worker, place, run->plan, error);
	if (!run->card || !card_run_start(run, error)) {
		card_run_free(run);
		return NULL;
	}
	card_run_poll(run);
	return run;
}

void
card_run_free(CardRun *run)
{
	if (!run)
		return;
	jf_card_free(run->card);
	card_plan_free(run->plan);
	g_free(run->error);
	g_free(run);
}

gboolean
card_run_apply(CardRun *run, CardPlan **plan, GError **error)
{
	CardPlan *from = run->plan;
	CardPlan *to = *plan;

	if (!card_run_set_attachment(run, from, to, error))
		return FALSE;
	if (!card_run_set_trace(run, from, to, error)) {
		card_run_set_attachment(run, to, from, NULL);
		return FALSE;
	}
	if (from->promiscuous != to->promiscuous &&
	    !jf_card_set_promiscuous(run->card, to->promiscuous, error)) {
		card_run_set_trace(run, to, from, NULL);
		card_run_set_attachment(run, to, from, NULL);
		return FALSE;
	}
	if (from->cable_connected != to->cable_connected)
		jf_card_set_cable(run->card, to->cable_connected);
	card_plan_free(from);
	run->plan = g_steal_pointer(plan);
	return TRUE;
}

/* ---- What it says ---- */

gboolean
card_run_poll(CardRun *run)
{
	const GError *failed = jf_card_get_error(run->card);
	gboolean link = !failed && jf_card_get_link(run->card);
	const char *error = failed ? failed->message : NULL;

	if (link == run->link && g_strcmp0(error, run->error) == 0)
		return FALSE;
	run->link = link;
	g_free(run->error);
	run->error = g_strdup(error);
	return TRUE;
}

gboolean
card_run_get_link(CardRun *run)
{
	return run->link;
}

const char *
card_run_get_error(CardRun *run)
{
	return run->error;
}

JfCard *
card_run_get_card(CardRun *run)
{
	return run->card;
}

const CardPlan *
card_run_get_plan(CardRun *run)
{
	return run->plan;
}

JfWorker *
card_run_get_worker(CardRun *run)
{
	return run->worker;
}
