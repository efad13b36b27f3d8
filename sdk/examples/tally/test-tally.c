/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-tally.c - example of a driver's test with the harness. */
#include "jackfield/harness.h"
#include "jackfield/vmm.h"

static const char *plugin_path;

static JfHarness *
start(const char *const *properties)
{
	g_autoptr(GError) error = NULL;
	const JfDriver *driver = jf_harness_load(plugin_path, "tally", &error);
	JfHarness *h;

	g_assert_no_error(error);
	h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	jf_harness_init(h, &error);
	g_assert_no_error(error);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	return h;
}

static void
send_arp(JfHarness *h)
{
	guint8 frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06 };

	g_assert_true(jf_harness_push_bytes(h, 0, frame, sizeof frame));
}

static void
test_counts(void)
{
	JfHarness *h = start(NULL);
	g_autoptr(JfHarnessFrame) out = NULL;

	send_arp(h);
	out = jf_harness_pull(h, 1);
	g_assert_nonnull(out);
	g_assert_cmpuint(out->len, ==, 60);
	g_assert_cmpuint(jf_harness_get_counter(h, "tally-frames", NULL), ==, 1);
	g_assert_cmpuint(jf_harness_get_counter(h, "tally-bytes", NULL), ==, 60);
	g_assert_null(jf_harness_get_violation(h));
	jf_harness_free(h);
}

static void
test_live(void)
{
	JfHarness *h = start((const char *[]){ "ethertype=0x0800", NULL });
	g_autoptr(GError) error = NULL;

	send_arp(h);
	g_assert_cmpuint(jf_harness_get_counter(h, "tally-frames", NULL), ==, 0);
	g_assert_true(jf_harness_set_property(h, "ethertype", "0x0806", &error));
	g_assert_no_error(error);
	send_arp(h);
	g_assert_cmpuint(jf_harness_get_counter(h, "tally-frames", NULL), ==, 1);
	g_assert_false(jf_harness_set_property(h, "ethertype", "0x05ff", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	jf_harness_free(h);
}

static void
test_refusal(void)
{
	JfHarness *h = start(NULL);
	guint8 frame[60] = { 0 };

	jf_harness_set_capacity(h, 1, 0);
	g_assert_false(jf_harness_push_bytes(h, 0, frame, sizeof frame));
	jf_harness_set_capacity(h, 1, 1);
	jf_harness_poll(h, 0);
	g_assert_cmpuint(jf_harness_get_resumes(h, 0), ==, 1);
	g_assert_true(jf_harness_push_bytes(h, 0, frame, sizeof frame));
	jf_harness_free(h);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	plugin_path = argv[1];
	g_test_add_func("/tally/counts", test_counts);
	g_test_add_func("/tally/live", test_live);
	g_test_add_func("/tally/refusal", test_refusal);
	return g_test_run();
}
