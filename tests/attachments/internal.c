/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* internal.c - the internal network's attachment: what it joins as, and frames both ways. */
#include <string.h>

#include "jackfield/harness.h"

static const char *plugin_path;
static const guint8 card_mac[6] = { 8, 0, 0x27, 1, 2, 3 };

static JfHarness *
start(const char *const *properties, guint32 promiscuous)
{
	JfCardInfo card = { .struct_size = sizeof card,
			    .promiscuous = promiscuous,
			    .machine = "web" };
	g_autoptr(GError) error = NULL;
	const JfDriver *driver = jf_harness_load(plugin_path, "INTNET", &error);
	JfHarness *h;

	g_assert_no_error(error);
	memcpy(card.mac, card_mac, sizeof card.mac);
	h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	jf_harness_set_card(h, &card);
	jf_harness_init(h, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(jf_harness_get_joins(h), ==, 0);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	return h;
}

static void
finish(JfHarness *h)
{
	jf_harness_stop(h);
	g_assert_null(jf_harness_get_join(h, 0, NULL));
	jf_harness_finish(h);
	g_assert_cmpuint(jf_harness_get_leftovers(h), ==, 0);
	g_assert_null(jf_harness_get_violation(h));
	jf_harness_free(h);
}

static void
test_join(void)
{
	JfHarness *h = start(NULL, JF_PROMISC_ALLOW_VMS);
	const JfSwitchJoin *join;
	const char *network;

	join = jf_harness_get_join(h, 0, &network);
	g_assert_cmpstr(network, ==, "intnet");
	g_assert_cmpuint(join->role, ==, JF_PORT_CARD);
	g_assert_cmpuint(join->flags, ==, 0);
	g_assert_cmpuint(join->promiscuous, ==, JF_PROMISC_ALLOW_VMS);
	g_assert_cmpmem(join->mac, 6, card_mac, 6);
	g_assert_true(jf_harness_get_link(h, 0));
	finish(h);
}

static void
test_properties(void)
{
	JfHarness *h = start((const char *[]){ "network=Back End", NULL }, JF_PROMISC_ALLOW_ALL);
	g_autofree char *long_name = g_strnfill(128, 'x');
	g_autofree char *setting = g_strconcat("network=", long_name, NULL);
	g_autoptr(GError) error = NULL;
	const JfSwitchJoin *join;
	const char *network;

	join = jf_harness_get_join(h, 0, &network);
	g_assert_cmpstr(network, ==, "Back End");
	g_assert_cmpuint(join->promiscuous, ==, JF_PROMISC_ALLOW_ALL);
	g_assert_null(jf_harness_new(jf_harness_load(plugin_path, NULL, NULL),
				     (const char *[]){ setting, NULL }, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	finish(h);
}

static void
test_frames(void)
{
	const guint port = JF_HARNESS_SWITCH(0);
	JfHarness *h = start(NULL, JF_PROMISC_DENY);
	guint8 bytes[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };
	g_autoptr(JfHarnessFrame) sent = NULL, received = NULL;

	g_assert_true(jf_harness_push_bytes(h, 0, bytes, sizeof bytes));
	sent = jf_harness_pull(h, port);
	g_assert_nonnull(sent);
	g_assert_cmpmem(sent->data, sent->len, bytes, sizeof bytes);
	g_assert_true(jf_harness_push_bytes(h, port, bytes, sizeof bytes));
	received = jf_harness_pull(h, 0);
	g_assert_nonnull(received);
	g_assert_cmpmem(received->data, received->len, bytes, sizeof bytes);
	g_assert_cmpuint(jf_harness_get_queued(h, 0), ==, 0);
	finish(h);
}

/* Offloads pass both ways untouched. */
static void
test_offloads(void)
{
	const guint port = JF_HARNESS_SWITCH(0);
	JfHarness *h = start(NULL, JF_PROMISC_DENY);
	guint8 bytes[3000] = { 0 };
	struct iovec piece = { bytes, sizeof bytes };
	JfFrame frame = jf_frame_plain(&piece);
	g_autoptr(JfHarnessFrame) sent = NULL, received = NULL;

	frame.flags = JF_FRAME_NEEDS_CSUM;
	frame.gso_type = JF_GSO_TCPV4 | JF_GSO_ECN;
	frame.gso_size = 1000;
	frame.csum_start = 34;
	frame.csum_offset = 16;
	g_assert_cmpuint(jf_harness_push(h, 0, &frame, 1), ==, 1);
	sent = jf_harness_pull(h, port);
	g_assert_nonnull(sent);
	g_assert_cmpuint(sent->frame.gso_size, ==, 1000);
	g_assert_cmpuint(jf_harness_push(h, port, &frame, 1), ==, 1);
	received = jf_harness_pull(h, 0);
	g_assert_nonnull(received);
	g_assert_cmpuint(received->frame.gso_size, ==, 1000);
	g_assert_cmphex(jf_frame_offloads(&received->frame), ==, jf_frame_offloads(&frame));
	finish(h);
}

/* A card that is full: the network keeps the frame, and hears when there is room. */
static void
test_room(void)
{
	const guint port = JF_HARNESS_SWITCH(0);
	JfHarness *h = start(NULL, JF_PROMISC_DENY);
	guint8 bytes[60] = { 0 };

	jf_harness_set_capacity(h, 0, 2);
	for (guint i = 0; i < 2; i++)
		g_assert_true(jf_harness_push_bytes(h, port, bytes, sizeof bytes));
	g_assert_false(jf_harness_push_bytes(h, port, bytes, sizeof bytes));
	g_assert_cmpuint(jf_harness_get_resumes(h, port), ==, 0);
	jf_harness_frame_free(jf_harness_pull(h, 0));
	while (jf_harness_poll(h, 0))
		;
	g_assert_cmpuint(jf_harness_get_resumes(h, port), ==, 1);
	g_assert_true(jf_harness_push_bytes(h, port, bytes, sizeof bytes));
	finish(h);
}

/* No network to join, no interface: errors, and a second try that works. */
static void
test_failures(void)
{
	const JfDriver *driver = jf_harness_load(plugin_path, NULL, NULL);
	g_autoptr(GError) error = NULL;
	JfHarness *h = jf_harness_new(driver, NULL, NULL);

	jf_harness_break(h, JF_HARNESS_QUERY, 0, 1);
	g_assert_false(jf_harness_init(h, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED);
	jf_harness_free(h);
	g_clear_error(&error);
	h = jf_harness_new(driver, NULL, NULL);
	jf_harness_set_card(h, NULL);
	g_assert_true(jf_harness_init(h, NULL));
	jf_harness_break(h, JF_HARNESS_SWITCH_JOIN, 0, 1);
	g_assert_false(jf_harness_start(h, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	g_assert_true(jf_harness_start(h, NULL));
	jf_harness_stop(h);
	g_assert_null(jf_harness_get_violation(h));
	jf_harness_free(h);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	plugin_path = argv[1];
	g_test_add_func("/internal/join", test_join);
	g_test_add_func("/internal/properties", test_properties);
	g_test_add_func("/internal/frames", test_frames);
	g_test_add_func("/internal/offloads", test_offloads);
	g_test_add_func("/internal/room", test_room);
	g_test_add_func("/internal/failures", test_failures);
	return g_test_run();
}
