/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* null.c - the attachment that is none. */
#include "jackfield/harness.h"

static const char *plugin_path;

static void
test_dark(void)
{
	const guint8 frame[60] = { 0xff };
	g_autoptr(GError) error = NULL;
	const JfDriver *driver = jf_harness_load(plugin_path, "null", &error);
	JfHarness *h = jf_harness_new(driver, NULL, &error);

	g_assert_no_error(error);
	g_assert_true(jf_harness_init(h, &error));
	for (guint round = 1; round <= 3; round++) {
		g_assert_true(jf_harness_start(h, &error));
		g_assert_false(jf_harness_get_link(h, 0));
		g_assert_true(jf_harness_push_bytes(h, 0, frame, sizeof frame));
		g_assert_cmpuint(jf_harness_get_counter(h, "dropped", NULL), ==, round);
		g_assert_cmpuint(jf_harness_get_queued(h, 0), ==, 0);
		jf_harness_stop(h);
	}
	g_assert_null(jf_harness_get_violation(h));
	jf_harness_free(h);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	plugin_path = argv[1];
	g_test_add_func("/null/dark", test_dark);
	return g_test_run();
}
