/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card.c - the life of a card: order, failures, line, attachments, filters, properties. */
#include <malloc.h>
#include <string.h>

#include "jackfield/vmm.h"
#include "probe.h"

#define SIDE 0
#define FAR 1
#define OTHER 2
#define PASS 3

typedef struct Fixture {
	JfContext *context;
	JfWorker *worker;
	JfCard *card;
	guint changed_link, changed_failed; /* atomic */
	GString *lines;
} Fixture;

static void
on_card_changed(JfCard *card, guint32 what, gpointer data)
{
	Fixture *f = data;

	(void)card;
	if (what & JF_CARD_CHANGED_LINK)
		__atomic_fetch_add(&f->changed_link, 1, __ATOMIC_SEQ_CST);
	if (what & JF_CARD_CHANGED_FAILED)
		__atomic_fetch_add(&f->changed_failed, 1, __ATOMIC_SEQ_CST);
}

static void
on_log(GLogLevelFlags level, const char *origin, const char *message, gpointer data)
{
	Fixture *f = data;

	g_assert_cmpuint(level, ==, G_LOG_LEVEL_INFO);
	g_string_append_printf(f->lines, "%s: %s\n", origin, message);
}

static const JfContextEvents events = {
	.struct_size = sizeof events,
	.card_changed = on_card_changed,
	.log = on_log,
};

static JfCardConfig
make_config(Fixture *f)
{
	return (JfCardConfig){
		.struct_size = sizeof(JfCardConfig),
		.machine = "web",
		.mac = { 8, 0, 0x27, 1, 2, 3 },
		.line_speed = 100000,
		.cable_connected = TRUE,
		.connector = "side",
		.connector_properties = probe_properties(SIDE),
		.attachment = "far",
		.attachment_properties = probe_properties(FAR),
		.worker = f->worker,
	};
}

static void
make_card(Fixture *f)
{
	g_autoptr(GError) error = NULL;
	JfCardConfig config = make_config(f);

	f->card = jf_card_new(f->context, &config, &error);
	g_assert_no_error(error);
}

static void
start_card(Fixture *f)
{
	g_autoptr(GError) error = NULL;

	make_card(f);
	jf_card_start(f->card, &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *f, gconstpointer threaded)
{
	g_autoptr(GError) error = NULL;

	probes_reset();
	f->lines = g_string_new(NULL);
	f->context = jf_context_new(&events, f);
	probes_add(f->context);
	f->worker = threaded ? jf_worker_new(f->context, &error)
			     : jf_worker_new_nested(f->context, &error);
	g_assert_no_error(error);
}

static void
teardown(Fixture *f, gconstpointer threaded)
{
	(void)threaded;
	jf_card_free(f->card);
	jf_worker_free(f->worker);
	jf_context_free(f->context);
	g_string_free(f->lines, TRUE);
	probes_check();
	for (guint i = 0; i < PROBES_MAX; i++)
		g_assert_null(probes[i].inst);
}

/* ---- Life ---- */

static void
test_order(Fixture *f, gconstpointer data)
{
	(void)data;
	make_card(f);
	probe_assert_life(&probes[FAR], "init");
	probe_assert_life(&probes[SIDE], "init");
	g_assert_false(jf_card_get_link(f->card));
	for (guint i = 0; i < 3; i++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(jf_card_start(f->card, &error));
		probe_assert_life(&probes[FAR], "start link0- link0+");
		probe_assert_life(&probes[SIDE], "start link0+");
		g_assert_true(jf_card_get_link(f->card));
		g_assert_false(jf_card_start(f->card, &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
		jf_card_stop(f->card);
		jf_card_stop(f->card);
		probe_assert_life(&probes[SIDE], "stop");
		probe_assert_life(&probes[FAR], "link0- stop");
		g_assert_false(jf_card_get_link(f->card));
	}
	g_assert_cmpuint(f->changed_link, ==, 6);
	g_clear_pointer(&f->card, jf_card_free);
	probe_assert_life(&probes[SIDE], "finish");
	probe_assert_life(&probes[FAR], "finish");
}

static void
test_free_running(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f);
	g_clear_pointer(&f->card, jf_card_free);
	probe_assert_life(&probes[SIDE], "init start link0+ stop finish");
	probe_assert_life(&probes[FAR], "init start link0- link0+ link0- stop finish");
}

static void
test_init_fails(Fixture *f, gconstpointer data)
{
	static const gint codes[] = { JF_ERROR_BUSY, JF_ERROR_PLUGIN };
	JfCardConfig config = make_config(f);

	(void)data;
	for (guint silent = 0; silent < 2; silent++) {
		g_autoptr(GError) error = NULL;

		probes[SIDE].fail_init = TRUE;
		probes[SIDE].silent = silent;
		g_assert_null(jf_card_new(f->context, &config, &error));
		g_assert_true(g_error_matches(error, JF_ERROR, codes[silent]));
		probe_assert_life(&probes[SIDE], "init finish");
		probe_assert_life(&probes[FAR], "init finish");
	}
	g_assert_null(jf_card_new(f->context, &config, NULL));
}

static void
test_start_fails(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	make_card(f);
	probes[SIDE].fail_start = TRUE;
	g_assert_false(jf_card_start(f->card, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	probe_assert_life(&probes[SIDE], "init start");
	probe_assert_life(&probes[FAR], "init start link0- stop");
	g_assert_false(jf_card_get_link(f->card));
	g_assert_null(jf_card_get_error(f->card));
	probes[SIDE].fail_start = FALSE;
	g_assert_true(jf_card_start(f->card, NULL));
	probe_assert_life(&probes[FAR], "start link0- link0+");
}

/* A driver that says TRUE and calls fail() all the same. */
static void
test_start_fails_later(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	make_card(f);
	probes[SIDE].fail_later = TRUE;
	g_assert_false(jf_card_start(f->card, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	probe_assert_life(&probes[SIDE], "init start stop");
	probe_assert_life(&probes[FAR], "init start link0- stop");
}

/* ---- Failure while it runs ---- */

static void
run_nested(Fixture *f)
{
	jf_worker_dispatch(f->worker);
}

static void
fail_probe(Probe *probe)
{
	g_autoptr(GError) error = g_error_new(JF_ERROR, JF_ERROR_NETWORK, "cable bitten through");

	probe->inst->host->fail(probe->inst, error);
}

static void
test_fail(Fixture *f, gconstpointer data)
{
	JfCardStats stats = { .struct_size = sizeof stats };

	(void)data;
	start_card(f);
	g_assert_null(jf_card_get_error(f->card));
	fail_probe(&probes[FAR]);
	fail_probe(&probes[FAR]);
	run_nested(f);
	PROBE_WAIT(__atomic_load_n(&f->changed_failed, __ATOMIC_SEQ_CST) == 1);
	g_assert_error(jf_card_get_error(f->card), JF_ERROR, JF_ERROR_NETWORK);
	g_assert_true(jf_card_get_error(f->card) == jf_card_get_error(f->card));
	probe_assert_life(&probes[FAR], "init start link0- link0+ stop");
	probe_assert_life(&probes[SIDE], "init start link0+ link0-");
	g_assert_false(jf_card_get_link(f->card));
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 5), ==, 5);
	jf_card_get_stats(f->card, &stats);
	g_assert_cmpuint(stats.tx.drops, ==, 5);
	g_assert_cmpuint(stats.tx.frames, ==, 0);
	jf_card_stop(f->card);
	g_assert_null(jf_card_get_error(f->card));
	probe_assert_life(&probes[FAR], "");
	probe_assert_life(&probes[SIDE], "stop");
	g_assert_true(jf_card_start(f->card, NULL));
	probe_assert_life(&probes[FAR], "start link0- link0+");
	g_assert_cmpuint(f->changed_failed, ==, 1);
}

/* ---- The line ---- */

static void
test_cable(Fixture *f, gconstpointer data)
{
	JfCardStats stats = { .struct_size = sizeof stats };

	(void)data;
	start_card(f);
	jf_card_set_cable(f->card, FALSE);
	probe_assert_life(&probes[SIDE], "init start link0+ link0-");
	probe_assert_life(&probes[FAR], "init start link0- link0+ link0-");
	g_assert_false(jf_card_get_link(f->card));
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 7), ==, 7);
	g_assert_cmpuint(probe_send(&probes[FAR], 0, 2, 1, 3), ==, 3);
	jf_card_set_cable(f->card, FALSE);
	jf_card_set_cable(f->card, TRUE);
	probe_assert_life(&probes[SIDE], "link0+");
	probe_assert_life(&probes[FAR], "link0+");
	jf_card_get_stats(f->card, &stats);
	g_assert_cmpuint(stats.tx.drops, ==, 7);
	g_assert_cmpuint(stats.rx.drops, ==, 3);
	g_assert_cmpuint(stats.tx.frames + stats.rx.frames, ==, 0);
	g_assert_cmpuint(f->changed_link, ==, 3);
}

static gboolean
life_is(Probe *probe, const char *life)
{
	gboolean equal;

	pthread_mutex_lock(&probe->lock);
	equal = strcmp(probe->life->str, life) == 0;
	pthread_mutex_unlock(&probe->lock);
	return equal;
}

/* Each end sees the other's own state, and not its own. */
static void
test_set_link(Fixture *f, gconstpointer data)
{
	Probe *far = &probes[FAR], *side = &probes[SIDE];

	(void)data;
	start_card(f);
	far->inst->host->set_link(far->inst, 0, FALSE);
	far->inst->host->set_link(far->inst, 0, FALSE);
	run_nested(f);
	PROBE_WAIT(life_is(side, "init start link0+ link0-"));
	g_assert_false(jf_card_get_link(f->card));
	side->inst->host->set_link(side->inst, 0, FALSE);
	run_nested(f);
	PROBE_WAIT(life_is(far, "init start link0- link0+ link0-"));
	far->inst->host->set_link(far->inst, 0, 5);
	run_nested(f);
	PROBE_WAIT(life_is(side, "init start link0+ link0- link0+"));
	g_assert_true(jf_card_get_link(f->card));
	side->inst->host->set_link(side->inst, 2, TRUE);
}

/* ---- Attachments ---- */

static void
test_attach_stopped(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	make_card(f);
	probes[OTHER].fail_init = TRUE;
	g_assert_false(jf_card_attach(f->card, "far-p", probe_properties(OTHER), &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	probe_assert_life(&probes[FAR], "init");
	probes[OTHER].fail_init = FALSE;
	g_assert_true(jf_card_attach(f->card, "FAR-P", probe_properties(OTHER), NULL));
	probe_assert_life(&probes[FAR], "finish");
	g_assert_true(jf_card_start(f->card, NULL));
	probe_assert_life(&probes[OTHER], "init finish init start link0- link0+");
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 4), ==, 4);
	g_assert_cmpuint(probes[OTHER].frames, ==, 4);
}

static void
test_attach_running(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f);
	g_assert_true(jf_card_attach(f->card, "far-p", probe_properties(OTHER), NULL));
	probe_assert_life(&probes[FAR], "init start link0- link0+ stop finish");
	probe_assert_life(&probes[OTHER], "init start link0+");
	probe_assert_life(&probes[SIDE], "init start link0+ link0- link0+");
	g_assert_true(jf_card_attach(f->card, NULL, probe_properties(FAR), NULL));
	probe_assert_life(&probes[FAR], "init start link0+");
	probe_assert_life(&probes[OTHER], "stop finish");
	g_assert_cmpuint(f->changed_link, ==, 5);
}

/* In each way that it can fail: the old one runs again. */
static void
test_attach_fails(Fixture *f, gconstpointer data)
{
	const char *none[] = { NULL }, *unknown[] = { "probe=2", "prope=3", NULL };
	Probe *other = &probes[OTHER];

	(void)data;
	start_card(f);
	probe_assert_life(&probes[FAR], "init start link0- link0+");
	g_assert_false(jf_card_attach(f->card, "fra", NULL, NULL));
	g_assert_false(jf_card_attach(f->card, "side", probe_properties(OTHER), NULL));
	g_assert_false(jf_card_attach(f->card, "far", none, NULL));
	g_assert_false(jf_card_attach(f->card, "far", unknown, NULL));
	probe_assert_life(&probes[FAR], "");
	for (guint way = 0; way < 3; way++) {
		g_autoptr(GError) error = NULL;

		other->fail_init = way == 0;
		other->fail_start = way == 1;
		other->fail_later = way == 2;
		g_assert_false(jf_card_attach(f->card, "far", probe_properties(OTHER), &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
		probe_assert_life(&probes[FAR], "stop start link0+");
		probe_assert_life(other, way == 0   ? "init finish"
					 : way == 1 ? "init start finish"
						    : "init start stop finish");
		g_assert_true(jf_card_get_link(f->card));
	}
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 4), ==, 4);
}

static void
test_attach_fails_twice(Fixture *f, gconstpointer data)
{
	const GError *shown;

	(void)data;
	start_card(f);
	probes[FAR].fail_start = probes[OTHER].fail_start = TRUE;
	g_assert_false(jf_card_attach(f->card, "far-p", probe_properties(OTHER), NULL));
	shown = jf_card_get_error(f->card);
	g_assert_error(shown, JF_ERROR, JF_ERROR_BUSY);
	g_assert_cmpuint(f->changed_failed, ==, 1);
	g_assert_false(jf_card_get_link(f->card));
	probes[OTHER].fail_start = FALSE;
	g_assert_true(jf_card_attach(f->card, "far-p", probe_properties(OTHER), NULL));
	g_assert_null(jf_card_get_error(f->card));
	g_assert_cmpstr(shown->message, ==, "start refused");
	g_assert_true(jf_card_get_link(f->card));
}

/* ---- Filters ---- */

static void
test_filter(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	start_card(f);
	g_assert_true(jf_card_add_filter(f->card, "pass", probe_properties(PASS), NULL));
	g_assert_false(jf_card_add_filter(f->card, "PASS", probe_properties(4), &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	g_clear_error(&error);
	probe_assert_life(&probes[SIDE], "init start link0+");
	probe_assert_life(&probes[FAR], "init start link0- link0+");
	probe_assert_life(&probes[PASS], "init start link1+ link0+");
	g_assert_cmpuint(f->changed_link, ==, 1);
	jf_card_set_cable(f->card, FALSE);
	probe_assert_life(&probes[PASS], "link1- link0-");
	jf_card_stop(f->card);
	jf_card_set_cable(f->card, TRUE);
	g_assert_true(jf_card_start(f->card, NULL));
	probe_assert_life(&probes[PASS], "stop start link1+ link0- link0+");
	g_assert_false(jf_card_remove_filter(f->card, "far", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(jf_card_remove_filter(f->card, "nothing", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_assert_nonnull(strstr(error->message, "far, pass, side"));
	g_assert_true(jf_card_remove_filter(f->card, "pass", NULL));
	probe_assert_life(&probes[PASS], "stop finish");
	g_assert_cmpuint(f->changed_link, ==, 3);
}

static void
test_filter_fails(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	start_card(f);
	probes[PASS].fail_start = TRUE;
	g_assert_false(jf_card_add_filter(f->card, "pass", probe_properties(PASS), &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	probe_assert_life(&probes[PASS], "init start finish");
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 4), ==, 4);
	run_nested(f);
	PROBE_WAIT(__atomic_load_n(&probes[FAR].frames, __ATOMIC_SEQ_CST) == 4);
	probes[PASS].fail_start = FALSE;
	g_assert_true(jf_card_add_filter(f->card, "pass", probe_properties(PASS), NULL));
	fail_probe(&probes[PASS]);
	run_nested(f);
	PROBE_WAIT(__atomic_load_n(&f->changed_failed, __ATOMIC_SEQ_CST) == 1);
	g_assert_false(jf_card_get_link(f->card));
	g_assert_true(jf_card_remove_filter(f->card, "pass", NULL));
	g_assert_true(jf_card_get_link(f->card));
	g_assert_null(jf_card_get_error(f->card));
}

/* ---- Properties, counters, log ---- */

static void
test_property(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	start_card(f);
	g_assert_true(jf_card_set_property(f->card, "far", "Mood", "merry", NULL));
	probe_assert_life(&probes[FAR], "init start link0- link0+ mood=merry");
	probes[FAR].fail_changed = TRUE;
	g_assert_false(jf_card_set_property(f->card, "far", "mood", "sad", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	g_clear_error(&error);
	probes[FAR].fail_changed = FALSE;
	g_assert_true(jf_card_set_property(f->card, "far", "mood", NULL, NULL));
	probe_assert_life(&probes[FAR], "mood=sad mood=calm");
	g_assert_false(jf_card_set_property(f->card, "far", "fixed", "x", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	g_clear_error(&error);
	g_assert_false(jf_card_set_property(f->card, "far", "moot", "x", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_KEY);
	g_clear_error(&error);
	g_assert_false(jf_card_set_property(f->card, "farr", "mood", "x", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
}

/* Stopped, an instance begins anew; where it cannot, it goes on as it was, or not at all. */
static void
test_property_stopped(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	make_card(f);
	g_assert_true(jf_card_set_property(f->card, "far", "fixed", "x", NULL));
	probe_assert_life(&probes[FAR], "init finish init");
	g_assert_false(jf_card_set_property(f->card, "far", "probe", "99", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	probe_assert_life(&probes[FAR], "");
	probes[FAR].fail_init = TRUE;
	g_assert_false(jf_card_set_property(f->card, "far", "fixed", "y", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	g_clear_error(&error);
	probe_assert_life(&probes[FAR], "finish init finish init finish");
	g_assert_false(jf_card_start(f->card, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	probes[FAR].fail_init = FALSE;
	g_assert_true(jf_card_set_property(f->card, "far", "fixed", "z", NULL));
	g_assert_true(jf_card_start(f->card, NULL));
	probe_assert_life(&probes[FAR], "init start link0- link0+");
}

static void
on_counter(const char *driver, const char *counter, guint64 value, gpointer data)
{
	g_string_append_printf(data, "%s.%s=%" G_GUINT64_FORMAT " ", driver, counter, value);
}

static void
test_counters(Fixture *f, gconstpointer data)
{
	g_autoptr(GString) text = g_string_new(NULL);
	Probe *far = &probes[FAR];

	(void)data;
	make_card(f);
	jf_card_list_counters(f->card, on_counter, text);
	g_assert_cmpstr(text->str, ==, "side.inits=1 far.inits=1 ");
	jf_card_set_property(f->card, "far", "fixed", "x", NULL);
	g_string_truncate(text, 0);
	jf_card_list_counters(f->card, on_counter, text);
	g_assert_cmpstr(text->str, ==, "side.inits=1 far.inits=2 ");
	jf_log(far->inst, G_LOG_LEVEL_INFO, "lease for %s\n\033[2J", "10.0.2.15");
	g_assert_cmpstr(f->lines->str, ==, "web/1/far: lease for 10.0.2.15??[2J\n");
}

static void
test_query(Fixture *f, gconstpointer data)
{
	const JfCardInfo *info;
	JfInstance *inst;

	(void)data;
	make_card(f);
	inst = probes[FAR].inst;
	info = inst->host->query(inst, JF_CARD_IID);
	g_assert_cmpuint(info->slot, ==, 0);
	g_assert_cmpstr(info->machine, ==, "web");
	g_assert_cmpuint(info->mac[5], ==, 3);
	g_assert_cmpuint(info->line_speed, ==, 100000);
	g_assert_nonnull(inst->host->query(inst, "jf.switch/1"));
	g_assert_null(inst->host->query(inst, "jf.nothing/1"));
	g_assert_null(jf_card_get_device(f->card));
	g_assert_false(jf_card_set_promiscuous(f->card, 3, NULL));
	g_assert_true(jf_card_set_promiscuous(f->card, JF_PROMISC_ALLOW_VMS, NULL));
	/* It holds for the next start of this attachment, and for the next attachment. */
	g_assert_cmpuint(info->promiscuous, ==, JF_PROMISC_ALLOW_VMS);
	g_assert_true(jf_card_attach(f->card, "far", probe_properties(OTHER), NULL));
	inst = probes[OTHER].inst;
	info = inst->host->query(inst, JF_CARD_IID);
	g_assert_cmpuint(info->promiscuous, ==, JF_PROMISC_ALLOW_VMS);
}

/* ---- What is refused ---- */

static void
assert_config(Fixture *f, const JfCardConfig *config, JfErrorCode code)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(jf_card_new(f->context, config, &error));
	g_assert_error(error, JF_ERROR, (gint)code);
}

static void
test_config(Fixture *f, gconstpointer data)
{
	JfCardConfig config = make_config(f);

	(void)data;
	config.machine = NULL;
	assert_config(f, &config, JF_ERROR_VALUE);
	config = make_config(f);
	config.worker = NULL;
	assert_config(f, &config, JF_ERROR_VALUE);
	config = make_config(f);
	config.connector = NULL;
	assert_config(f, &config, JF_ERROR_VALUE);
	config = make_config(f);
	config.mac[0] = 1;
	assert_config(f, &config, JF_ERROR_VALUE);
	config = make_config(f);
	config.promiscuous = 3;
	assert_config(f, &config, JF_ERROR_VALUE);
	config = make_config(f);
	config.connector = "far";
	assert_config(f, &config, JF_ERROR_NOT_FOUND);
	config = make_config(f);
	config.model = "82540EM";
	assert_config(f, &config, JF_ERROR_NOT_FOUND);
	config = make_config(f);
	config.attachment_properties = NULL;
	assert_config(f, &config, JF_ERROR_KEY);
}

static void
test_forward_and_state(Fixture *f, gconstpointer data)
{
	JfForwardRule rule = { .struct_size = sizeof rule, .name = "ssh" };
	g_autoptr(GVariant) state = NULL, wrong = g_variant_ref_sink(g_variant_new_int32(1));
	g_autoptr(GVariant) foreign =
		g_variant_ref_sink(g_variant_new_parsed("{'far': <(uint32 1, @a{sv} {})>}"));
	g_autoptr(GError) error = NULL;

	(void)data;
	make_card(f);
	g_assert_false(jf_card_add_forward(f->card, &rule, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED);
	g_clear_error(&error);
	g_assert_false(jf_card_remove_forward(f->card, "ssh", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED);
	g_clear_error(&error);
	state = jf_card_save(f->card, NULL);
	g_assert_cmpuint(g_variant_n_children(state), ==, 0);
	g_assert_true(jf_card_load(f->card, state, NULL));
	g_assert_false(jf_card_load(f->card, wrong, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_false(jf_card_load(f->card, foreign, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_true(jf_card_start(f->card, NULL));
	g_assert_null(jf_card_save(f->card, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
}

/* ---- Cost ---- */

/* What glibc's allocator counts; 0 where another one took its place. */
static gsize
heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void
test_idle_cost(Fixture *f, gconstpointer data)
{
	JfCardConfig config = make_config(f);
	JfCard *cards[100];
	gsize before = heap_in_use(), cost;

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(cards); i++) {
		cards[i] = jf_card_new(f->context, &config, NULL);
		g_assert_true(jf_card_start(cards[i], NULL));
	}
	cost = (heap_in_use() - before) / G_N_ELEMENTS(cards);
	g_test_message("an idle card takes %zu bytes", cost);
	g_assert_cmpuint(cost, <, 20000);
	for (guint i = 0; i < G_N_ELEMENTS(cards); i++)
		jf_card_free(cards[i]);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*func)(Fixture *f, gconstpointer data);
	} tests[] = {
		{ "order", test_order },
		{ "free-running", test_free_running },
		{ "init-fails", test_init_fails },
		{ "start-fails", test_start_fails },
		{ "start-fails-later", test_start_fails_later },
		{ "fail", test_fail },
		{ "cable", test_cable },
		{ "set-link", test_set_link },
		{ "attach-stopped", test_attach_stopped },
		{ "attach-running", test_attach_running },
		{ "attach-fails", test_attach_fails },
		{ "attach-fails-twice", test_attach_fails_twice },
		{ "filter", test_filter },
		{ "filter-fails", test_filter_fails },
		{ "property", test_property },
		{ "property-stopped", test_property_stopped },
		{ "counters", test_counters },
		{ "query", test_query },
		{ "config", test_config },
		{ "forward-and-state", test_forward_and_state },
		{ "idle-cost", test_idle_cost },
	};

	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *nested = g_strdup_printf("/card/%s/nested", tests[i].path);
		g_autofree char *threaded = g_strdup_printf("/card/%s/threaded", tests[i].path);

		g_test_add(nested, Fixture, NULL, setup, tests[i].func, teardown);
		g_test_add(threaded, Fixture, "threaded", setup, tests[i].func, teardown);
	}
	return g_test_run();
}
