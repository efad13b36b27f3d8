/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interfaces.c - what a driver answers to query: state, forwarding, PCI. */
#include "conformance.h"

#include "jackfield/forward.h"

#include <string.h>

static gconstpointer
ask(JfHarness *h, const char *iid)
{
	JfInstance *inst = jf_harness_get_instance(h);

	return inst->driver->query ? inst->driver->query(inst, iid) : NULL;
}

static void
test_query(gconstpointer data)
{
	static const char *const iids[] = { JF_STATE_IID, JF_FORWARD_IID, JF_PCI_IID };
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);

	g_assert_null(ask(h, "jf.no-such-interface/1"));
	g_assert_null(ask(h, ""));
	for (guint i = 0; i < G_N_ELEMENTS(iids); i++)
		g_assert_true(ask(h, iids[i]) == ask(h, iids[i]));
	g_assert_true((ask(h, JF_PCI_IID) != NULL) == (c->subject->driver->kind == JF_KIND_MODEL));
	case_end(h);
}

/* A running instance that has seen something, stopped. */
static JfHarness *
make_used(Case *c)
{
	JfHarness *h = case_start(c, FALSE);

	exercise(h);
	jf_harness_stop(h);
	return h;
}

static GVariant *
save(JfHarness *h)
{
	g_autoptr(GError) error = NULL;
	GVariant *state = jf_harness_save(h, &error);

	g_assert_no_error(error);
	return state;
}

static void
assert_same_state(JfHarness *h, GVariant *wanted)
{
	g_autoptr(GVariant) state = save(h);
	g_autofree char *text = g_variant_print(state, TRUE);
	g_autofree char *wanted_text = g_variant_print(wanted, TRUE);

	g_assert_cmpstr(text, ==, wanted_text);
}

static void
test_save_load_save(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = make_used(c), *fresh;
	const JfState *state = ask(h, JF_STATE_IID);
	g_autoptr(GVariant) saved = state ? save(h) : NULL;
	g_autoptr(GError) error = NULL;

	if (!state) {
		case_end(h);
		return;
	}
	assert_same_state(h, saved);
	case_end(h);
	fresh = case_make(c, FALSE);
	jf_harness_init(fresh, &error);
	g_assert_no_error(error);
	jf_harness_load_state(fresh, state->version, saved, &error);
	g_assert_no_error(error);
	assert_same_state(fresh, saved);
	jf_harness_start(fresh, &error);
	g_assert_no_error(error);
	exercise(fresh);
	case_end(fresh);
}

/* `state` without `left_out`, with `value` under `key` (either may be NULL). */
static GVariant *
altered(GVariant *state, const char *left_out, const char *key, GVariant *value)
{
	g_autoptr(GVariantDict) dict = g_variant_dict_new(state);

	if (left_out)
		g_variant_dict_remove(dict, left_out);
	if (key)
		g_variant_dict_insert_value(dict, key, value);
	return g_variant_ref_sink(g_variant_dict_end(dict));
}

static void
check_load_refused(JfHarness *h, guint32 version, GVariant *hostile, GVariant *before)
{
	g_autoptr(GVariant) owned = hostile;
	g_autoptr(GError) error = NULL;

	if (jf_harness_load_state(h, version, owned, &error))
		g_error("a hostile state was taken: %s", g_variant_print(owned, TRUE));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	assert_same_state(h, before);
}

static void
test_hostile_state(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = make_used(c);
	const JfState *state = ask(h, JF_STATE_IID);
	g_autoptr(GVariant) good = state ? save(h) : NULL;
	GVariantIter iter;
	const char *key;
	GVariant *value;

	if (!state) {
		case_end(h);
		return;
	}
	check_load_refused(h, state->version + 1, g_variant_ref(good), good);
	check_load_refused(h, state->version,
			   altered(good, NULL, "NoSuchKey", g_variant_new_uint32(1)), good);
	g_variant_iter_init(&iter, good);
	while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
		check_load_refused(h, state->version, altered(good, key, NULL, NULL), good);
		check_load_refused(h, state->version,
				   altered(good, NULL, key, g_variant_new("(sd)", "x", 1.0)), good);
	}
	case_end(h);
}

static JfForwardRule
rule(guint16 protocol, guint16 host_port, const char *name)
{
	return (JfForwardRule){ .struct_size = sizeof(JfForwardRule),
				.protocol = protocol,
				.host_port = host_port,
				.guest_port = 80,
				.name = name,
				.host_address = "127.0.0.1" };
}

static void
check_rule_refused(JfHarness *h, const JfForward *forward, JfForwardRule bad, int code)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(forward->add(jf_harness_get_instance(h), &bad, &error));
	g_assert_error(error, JF_ERROR, code);
}

static void
check_bad_rules(JfHarness *h, const JfForward *forward, guint16 port)
{
	g_autofree char *long_name = g_strnfill(64, 'n');
	JfForwardRule bad = rule(JF_FORWARD_TCP, port, "address");

	bad.host_address = "not an address";
	check_rule_refused(h, forward, bad, JF_ERROR_VALUE);
	bad.host_address = NULL;
	bad.guest_address = "10.0.2.256";
	check_rule_refused(h, forward, bad, JF_ERROR_VALUE);
	check_rule_refused(h, forward, rule(99, port, "protocol"), JF_ERROR_VALUE);
	check_rule_refused(h, forward, rule(JF_FORWARD_TCP, 0, "port"), JF_ERROR_VALUE);
	check_rule_refused(h, forward, rule(JF_FORWARD_TCP, port, ""), JF_ERROR_VALUE);
	check_rule_refused(h, forward, rule(JF_FORWARD_TCP, port, long_name), JF_ERROR_VALUE);
}

static void
check_forward(JfHarness *h, const JfForward *forward, const guint16 ports[2])
{
	JfInstance *inst = jf_harness_get_instance(h);
	JfForwardRule tcp = rule(JF_FORWARD_TCP, ports[0], "tcp");
	JfForwardRule udp = rule(JF_FORWARD_UDP, ports[0], "udp");
	g_autoptr(GError) error = NULL;

	g_assert_true(forward->add(inst, &tcp, &error));
	g_assert_no_error(error);
	g_assert_true(forward->add(inst, &udp, &error));
	g_assert_no_error(error);
	check_rule_refused(h, forward, rule(JF_FORWARD_TCP, ports[1], "tcp"), JF_ERROR_BUSY);
	check_rule_refused(h, forward, rule(JF_FORWARD_TCP, ports[0], "other"), JF_ERROR_BUSY);
	check_bad_rules(h, forward, ports[1]);
	g_assert_false(forward->remove(inst, "no-such-rule", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_true(forward->remove(inst, "tcp", &error));
	g_assert_no_error(error);
	g_assert_true(forward->add(inst, &tcp, &error));
	g_assert_no_error(error);
	exercise(h);
	g_assert_true(forward->remove(inst, "udp", &error));
	g_assert_true(forward->remove(inst, "tcp", &error));
	g_assert_no_error(error);
}

static void
test_forward(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);
	const JfForward *forward = ask(h, JF_FORWARD_IID);

	if (forward)
		check_forward(h, forward, c->ports + CASE_PORTS - 2);
	case_end(h);
}

static gboolean
bar_is_valid(const JfPciBar *bar)
{
	guint64 least = bar->flags & JF_BAR_IO ? 4 : 16;

	return bar->size == 0 || (bar->size >= least && (bar->size & (bar->size - 1)) == 0);
}

/* What the core will build the configuration space from. */
static void
test_pci(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);
	const JfPci *pci = ask(h, JF_PCI_IID);
	const JfPciInfo *info = pci->info(jf_harness_get_instance(h));

	g_assert_true(info == pci->info(jf_harness_get_instance(h)));
	g_assert_cmphex(info->vendor, !=, 0xffff);
	g_assert_cmphex(info->vendor, !=, 0);
	g_assert_cmphex(info->base_class, ==, 2);
	g_assert_cmpuint(info->interrupt_pin, <=, 4);
	for (guint i = 0; i < JF_PCI_BARS; i++)
		g_assert_true(bar_is_valid(&info->bars[i]));
	for (guint i = 0; i < info->n_caps; i++)
		g_assert_nonnull(info->caps[i].data);
	if (info->msix_vectors)
		g_assert_cmpuint(info->msix_table + 16u * info->msix_vectors, <=,
				 info->bars[info->msix_bar].size);
	exercise(h);
	pci->reset(jf_harness_get_instance(h));
	g_assert_false(jf_harness_get_irq(h));
	exercise(h);
	case_end(h);
}

void
interfaces_add(const Subject *subject)
{
	add_case(subject, "interfaces/query", test_query);
	if (subject->driver->query) {
		add_case(subject, "interfaces/save-load-save", test_save_load_save);
		add_case(subject, "interfaces/hostile-state", test_hostile_state);
		add_case(subject, "interfaces/forward", test_forward);
	}
	if (subject->driver->kind == JF_KIND_MODEL)
		add_case(subject, "interfaces/pci", test_pci);
}
