/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-network.c - the attachment to a NAT network: what it joins as, whom a card waits for. */
#include <string.h>

#include "jackfield/harness.h"

#define PORT JF_HARNESS_SWITCH(0)

static const char *plugin_path;
static const guint8 router[6] = { 0x52, 0x54, 0, 0x12, 0x35, 0 };
static const guint8 guest[6] = { 8, 0, 0x27, 9, 9, 9 };

static JfHarness *
start(void)
{
	g_autoptr(GError) error = NULL;
	const JfDriver *driver = jf_harness_load(plugin_path, "natnetwork", &error);
	JfHarness *h;

	g_assert_no_error(error);
	h = jf_harness_new(driver, (const char *[]){ "network=lab", NULL }, &error);
	g_assert_no_error(error);
	jf_harness_init(h, &error);
	g_assert_no_error(error);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	return h;
}

static void
finish(JfHarness *h)
{
	jf_harness_stop(h);
	jf_harness_finish(h);
	g_assert_cmpuint(jf_harness_get_leftovers(h), ==, 0);
	g_assert_null(jf_harness_get_violation(h));
	jf_harness_free(h);
}

static gboolean
push(JfHarness *h, guint port, const guint8 *to)
{
	guint8 frame[60] = { 0 };

	memcpy(frame, to, 6);
	frame[6] = 2;
	return jf_harness_push_bytes(h, port, frame, sizeof frame);
}

static void
test_join(void)
{
	g_autoptr(GError) error = NULL;
	JfHarness *h = start();
	const char *network;
	const JfSwitchJoin *join = jf_harness_get_join(h, 0, &network);

	g_assert_cmpstr(network, ==, "lab");
	g_assert_cmpuint(join->role, ==, JF_PORT_CARD);
	g_assert_cmpuint(join->flags, ==, JF_PORT_WAITS_FOR_SERVICES);
	g_assert_null(jf_harness_new(jf_harness_load(plugin_path, NULL, NULL), NULL, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_KEY);
	finish(h);
}

static void
test_ways(void)
{
	JfHarness *h = start();

	g_assert_true(push(h, 0, guest));
	g_assert_cmpuint(jf_harness_get_queued(h, PORT), ==, 1);
	g_assert_true(push(h, PORT, guest));
	g_assert_cmpuint(jf_harness_get_queued(h, 0), ==, 1);
	/* The card is full: the network keeps the frame, and hears when there is room. */
	jf_harness_set_capacity(h, 0, 1);
	g_assert_false(push(h, PORT, guest));
	jf_harness_frame_free(jf_harness_pull(h, 0));
	jf_harness_poll(h, 0);
	g_assert_cmpuint(jf_harness_get_resumes(h, PORT), ==, 1);
	g_assert_true(push(h, PORT, guest));
	finish(h);
}

/* What the router has no room for stays with the card. */
static void
test_waits(void)
{
	JfHarness *h = start();

	jf_harness_set_capacity(h, PORT, 1);
	g_assert_true(push(h, 0, router));
	g_assert_false(push(h, 0, router));
	g_assert_cmpuint(jf_harness_get_resumes(h, 0), ==, 0);
	jf_harness_frame_free(jf_harness_pull(h, PORT));
	jf_harness_poll(h, 0);
	g_assert_cmpuint(jf_harness_get_resumes(h, 0), >=, 1);
	g_assert_true(push(h, 0, router));
	finish(h);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	plugin_path = argv[1];
	g_test_add_func("/natnetwork/join", test_join);
	g_test_add_func("/natnetwork/ways", test_ways);
	g_test_add_func("/natnetwork/waits", test_waits);
	return g_test_run();
}
