/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* services.c - each service of the host that may fail does so, at every call of it in turn. */
#include "conformance.h"

/* A driver that calls a service thousands of times has it fail at this many places of them. */
#define PLACES 24u

/* A life from init to finish in which the driver may give up, if it says why. */
static guint
live(Case *c, JfHarnessService service, guint after, guint times)
{
	JfHarness *h = case_make(c, FALSE);
	g_autoptr(GError) error = NULL;
	guint calls;

	jf_harness_break(h, service, after, times);
	if (jf_harness_init(h, &error) && jf_harness_start(h, &error)) {
		exercise(h);
		jf_harness_stop(h);
		if (jf_harness_start(h, &error))
			exercise(h);
	}
	if (error)
		g_assert_true(error_is_proper(error));
	if (jf_harness_get_failure(h))
		g_assert_true(error_is_proper(jf_harness_get_failure(h)));
	jf_harness_finish(h);
	calls = jf_harness_get_calls(h, service);
	case_end(h);
	return calls;
}

static void
test_service(const Subject *subject, JfHarnessService service)
{
	g_autoptr(Case) c = case_new(subject);
	guint calls = live(c, service, 0, 0);
	guint step = MAX(1, calls / PLACES);

	g_test_message("%u calls", calls);
	for (guint i = 0; i < calls; i += i < PLACES / 2 ? 1 : step) {
		live(c, service, i, 1);
		live(c, service, i, G_MAXUINT);
	}
}

static void
test_output(gconstpointer data)
{
	test_service(data, JF_HARNESS_OUTPUT);
}

static void
test_watch_add(gconstpointer data)
{
	test_service(data, JF_HARNESS_WATCH_ADD);
}

static void
test_query(gconstpointer data)
{
	test_service(data, JF_HARNESS_QUERY);
}

static void
test_switch_join(gconstpointer data)
{
	test_service(data, JF_HARNESS_SWITCH_JOIN);
}

static void
test_switch_send(gconstpointer data)
{
	test_service(data, JF_HARNESS_SWITCH_SEND);
}

static void
test_dma(gconstpointer data)
{
	test_service(data, JF_HARNESS_DMA_MAP);
	test_service(data, JF_HARNESS_DMA_READ);
	test_service(data, JF_HARNESS_DMA_WRITE);
}

/* An instance that belongs to no card. */
static void
test_no_card(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_make(c, FALSE);
	g_autoptr(GError) error = NULL;

	jf_harness_set_card(h, NULL);
	if (jf_harness_init(h, &error) && jf_harness_start(h, &error))
		exercise(h);
	else
		g_assert_true(error_is_proper(error));
	case_end(h);
}

void
services_add(const Subject *subject)
{
	add_case(subject, "services/output", test_output);
	add_case(subject, "services/watch-add", test_watch_add);
	add_case(subject, "services/query", test_query);
	add_case(subject, "services/switch-join", test_switch_join);
	add_case(subject, "services/switch-send", test_switch_send);
	add_case(subject, "services/no-card", test_no_card);
	if (subject->driver->kind == JF_KIND_MODEL)
		add_case(subject, "services/dma", test_dma);
}
