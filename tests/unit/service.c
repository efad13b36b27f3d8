/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* service.c - the life of a service: order, failures, properties, rules, what it may ask. */
#include <string.h>

#include "jackfield/switch.h"
#include "jackfield/vmm.h"
#include "probe.h"

#define SERVE 5

typedef struct Fixture {
	JfContext *context;
	JfWorker *worker;
	JfService *service;
	guint changed; /* atomic */
} Fixture;

static void
on_service_changed(JfService *service, gpointer data)
{
	Fixture *f = data;

	g_assert_nonnull(service);
	__atomic_fetch_add(&f->changed, 1, __ATOMIC_SEQ_CST);
}

static const JfContextEvents events = {
	.struct_size = sizeof events,
	.service_changed = on_service_changed,
};

static JfServiceConfig
make_config(Fixture *f)
{
	return (JfServiceConfig){
		.struct_size = sizeof(JfServiceConfig),
		.name = "blue",
		.driver = "serve",
		.properties = probe_properties(SERVE),
		.config_dir = "/etc/blue",
		.worker = f->worker,
	};
}

static void
make_service(Fixture *f)
{
	g_autoptr(GError) error = NULL;
	JfServiceConfig config = make_config(f);

	f->service = jf_service_new(f->context, &config, &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *f, gconstpointer threaded)
{
	g_autoptr(GError) error = NULL;

	probes_reset();
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
	jf_service_free(f->service);
	jf_worker_free(f->worker);
	jf_context_free(f->context);
	probes_check();
	for (guint i = 0; i < PROBES_MAX; i++)
		g_assert_null(probes[i].inst);
}

static void
test_life(Fixture *f, gconstpointer data)
{
	(void)data;
	make_service(f);
	probe_assert_life(&probes[SERVE], "init");
	for (guint i = 0; i < 3; i++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(jf_service_start(f->service, &error));
		g_assert_no_error(error);
		g_assert_false(jf_service_start(f->service, &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
		jf_service_stop(f->service);
		jf_service_stop(f->service);
		probe_assert_life(&probes[SERVE], "start stop");
	}
	g_assert_true(jf_service_start(f->service, NULL));
	g_clear_pointer(&f->service, jf_service_free);
	probe_assert_life(&probes[SERVE], "start stop finish");
	jf_service_free(NULL);
}

static void
test_info(Fixture *f, gconstpointer data)
{
	const JfServiceInfo *info;
	JfInstance *inst;

	(void)data;
	make_service(f);
	inst = probes[SERVE].inst;
	g_assert_cmpstr(inst->name, ==, "blue/serve");
	g_assert_null(inst->host->query(inst, JF_CARD_IID));
	g_assert_null(inst->host->query(inst, JF_DEVICE_IID));
	g_assert_nonnull(inst->host->query(inst, JF_SWITCH_IID));
	info = inst->host->query(inst, JF_SERVICE_IID);
	g_assert_cmpuint(info->struct_size, ==, sizeof *info);
	g_assert_cmpstr(info->name, ==, "blue");
	g_assert_cmpstr(info->config_dir, ==, "/etc/blue");
	g_assert_null(info->runtime_dir);
}

static void
check_config(Fixture *f, const JfServiceConfig *config, int code, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(jf_service_new(f->context, config, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_nonnull(strstr(error->message, words));
}

static void
test_config(Fixture *f, gconstpointer data)
{
	const JfServiceConfig good = make_config(f);
	JfServiceConfig bad = good;

	(void)data;
	bad.name = "";
	check_config(f, &bad, JF_ERROR_VALUE, "name");
	bad = good;
	bad.worker = NULL;
	check_config(f, &bad, JF_ERROR_VALUE, "worker");
	bad = good;
	bad.driver = NULL;
	check_config(f, &bad, JF_ERROR_VALUE, "driver");
	bad.driver = "sreve";
	check_config(f, &bad, JF_ERROR_NOT_FOUND, "sreve");
	/* A driver, but no service. */
	bad.driver = "far";
	check_config(f, &bad, JF_ERROR_NOT_FOUND, "far");
	bad = good;
	bad.properties = NULL;
	check_config(f, &bad, JF_ERROR_KEY, "probe");
	/* An older program's struct ends before the worker. */
	bad = good;
	bad.struct_size = G_STRUCT_OFFSET(JfServiceConfig, worker);
	check_config(f, &bad, JF_ERROR_VALUE, "worker");
	probes[SERVE].fail_init = TRUE;
	check_config(f, &good, JF_ERROR_BUSY, "init refused");
	probe_assert_life(&probes[SERVE], "init finish");
}

static gboolean
has_failed(Fixture *f, gboolean threaded)
{
	if (!threaded)
		jf_worker_dispatch(f->worker);
	return jf_service_get_error(f->service) != NULL;
}

static void
test_failures(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	make_service(f);
	probes[SERVE].fail_start = TRUE;
	g_assert_false(jf_service_start(f->service, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	g_clear_error(&error);
	probes[SERVE].fail_start = FALSE;
	g_assert_true(jf_service_start(f->service, &error));
	g_assert_null(jf_service_get_error(f->service));
	g_set_error_literal(&error, JF_ERROR, JF_ERROR_NETWORK, "the cellar is flooded");
	probes[SERVE].inst->host->fail(probes[SERVE].inst, error);
	PROBE_WAIT(has_failed(f, data != NULL));
	g_assert_cmpstr(jf_service_get_error(f->service)->message, ==, "the cellar is flooded");
	PROBE_WAIT(__atomic_load_n(&f->changed, __ATOMIC_SEQ_CST) == 1);
	jf_service_stop(f->service);
	g_assert_null(jf_service_get_error(f->service));
	probe_assert_life(&probes[SERVE], "init start start stop");
	g_assert_true(jf_service_start(f->service, NULL));
	jf_service_stop(f->service);
}

static void
test_properties(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	make_service(f);
	g_assert_true(jf_service_start(f->service, NULL));
	g_assert_true(jf_service_set_property(f->service, "mood", "wild", &error));
	g_assert_false(jf_service_set_property(f->service, "fixed", "not", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	g_clear_error(&error);
	g_assert_false(jf_service_set_property(f->service, "moot", "not", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_KEY);
	probe_assert_life(&probes[SERVE], "init start mood=wild");
	jf_service_stop(f->service);
	g_assert_true(jf_service_set_property(f->service, "fixed", "changed", NULL));
	probe_assert_life(&probes[SERVE], "stop finish init");
}

static void
count(const char *driver, const char *counter, guint64 value, gpointer data)
{
	g_string_append_printf(data, "%s %s %" G_GUINT64_FORMAT, driver, counter, value);
}

static void
test_forwards(Fixture *f, gconstpointer data)
{
	const JfForwardRule rule = { .struct_size = sizeof rule,
				     .protocol = JF_FORWARD_TCP,
				     .host_port = 2222,
				     .guest_port = 22,
				     .name = "ssh" };
	g_autoptr(GString) counters = g_string_new(NULL);
	g_autoptr(GError) error = NULL;

	(void)data;
	make_service(f);
	g_assert_true(jf_service_add_forward(f->service, &rule, &error));
	g_assert_true(jf_service_remove_forward(f->service, "ssh", &error));
	probe_assert_life(&probes[SERVE], "init +ssh:2222 -ssh");
	probes[SERVE].fail_changed = TRUE;
	g_assert_false(jf_service_add_forward(f->service, &rule, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	jf_service_list_counters(f->service, count, counters);
	g_assert_cmpstr(counters->str, ==, "serve inits 1");
}

static void
add(const char *name, void (*func)(Fixture *f, gconstpointer data))
{
	g_autofree char *nested = g_strdup_printf("/service/%s", name);
	g_autofree char *threaded = g_strdup_printf("/service/threaded/%s", name);

	g_test_add(nested, Fixture, NULL, setup, func, teardown);
	g_test_add(threaded, Fixture, GINT_TO_POINTER(TRUE), setup, func, teardown);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("life", test_life);
	add("info", test_info);
	add("config", test_config);
	add("failures", test_failures);
	add("properties", test_properties);
	add("forwards", test_forwards);
	return g_test_run();
}
