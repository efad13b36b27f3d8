/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-router.c - the NAT engine as the router of a network: what it joins as, its ring, guests that
 * do not take their frames. */
#include <string.h>

#include "jackfield/harness.h"
#include "jackfield/util.h"

#define MSEC G_GUINT64_CONSTANT(1000000)
#define PORT JF_HARNESS_SWITCH(0)

static const char *plugin;

static JfHarness *
make(const char *const *properties)
{
	g_autoptr(GError) error = NULL;
	const JfDriver *driver = jf_harness_load(plugin, "nat-router", &error);
	JfHarness *h;

	g_assert_no_error(error);
	h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	return h;
}

static JfHarness *
start(const char *const *properties)
{
	g_autoptr(GError) error = NULL;
	JfHarness *h = make(properties);

	jf_harness_init(h, &error);
	g_assert_no_error(error);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	return h;
}

static void
stop(JfHarness *h)
{
	jf_harness_stop(h);
	jf_harness_finish(h);
	g_assert_cmpuint(jf_harness_get_leftovers(h), ==, 0);
	g_assert_cmpstr(jf_harness_get_violation(h), ==, NULL);
	jf_harness_free(h);
}

static void
turn(JfHarness *h)
{
	while (jf_harness_poll(h, 0))
		continue;
}

static void
clear(JfHarness *h)
{
	JfHarnessFrame *frame;

	while ((frame = jf_harness_pull(h, PORT)))
		jf_harness_frame_free(frame);
}

/* An ARP request of guest 08:00:27:00:00:`guest` for 192.168.15.`target`. */
static void
push_arp(JfHarness *h, guint8 guest, guint8 target)
{
	guint8 frame[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8, 0, 0x27, 0, 0,    0,   8,  6,
			     0,    1,    8,    0,    6,    4,    0, 1, 8,    0, 0x27, 0,   0,  0,
			     192,  168,  15,   0,    0,    0,    0, 0, 0,    0, 192,  168, 15, 0 };

	frame[11] = frame[27] = frame[31] = guest;
	frame[41] = target;
	g_assert_true(jf_harness_push_bytes(h, PORT, frame, sizeof frame));
}

/* Whether the router answers, and with its own address. */
static gboolean
answers(JfHarness *h, guint8 target)
{
	static const guint8 mac[6] = { 0x52, 0x54, 0, 0x12, 0x35, 0 };
	g_autoptr(JfHarnessFrame) frame = NULL;

	push_arp(h, 9, target);
	turn(h);
	frame = jf_harness_pull(h, PORT);
	if (!frame)
		return FALSE;
	g_assert_cmpmem(frame->data + 6, 6, mac, 6);
	g_assert_cmpmem(frame->data + 22, 6, mac, 6);
	g_assert_cmpuint(frame->data[31], ==, target);
	return TRUE;
}

static void
test_join(void)
{
	JfHarness *h = start((const char *[]){ "network=lab", "address=192.168.15.0/24",
					       "loopback-4=192.168.15.2=127.0.0.1", NULL });
	const char *network;
	const JfSwitchJoin *join = jf_harness_get_join(h, 0, &network);

	g_assert_cmpstr(network, ==, "lab");
	g_assert_cmpuint(join->role, ==, JF_PORT_SERVICE);
	g_assert_cmpuint(join->flags, ==, JF_PORT_LOSSLESS);
	/* The gateway and the mapping; DHCP and the guests have the rest. */
	g_assert_true(answers(h, 1));
	g_assert_true(answers(h, 2));
	g_assert_false(answers(h, 3));
	g_assert_false(answers(h, 9));
	g_assert_false(answers(h, 254));
	/* Start and stop as often as one likes. */
	for (guint i = 1; i < 4; i++) {
		jf_harness_stop(h);
		g_assert_null(jf_harness_get_join(h, i - 1, NULL));
		g_assert_true(jf_harness_start(h, NULL));
		g_assert_nonnull(jf_harness_get_join(h, i, NULL));
	}
	stop(h);
}

/* DHCPv4 is another service's here. */
static void
test_no_dhcp(void)
{
	JfHarness *h = start((const char *[]){ "address=192.168.15.0/24", NULL });
	guint8 frame[42 + 300] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8,   0,   0x27, 0,   0,  9,
				   8,    0,    0x45, 0,    1,    0x48, 0,   0,   0,    0,   64, 17,
				   0,    0,    0,    0,    0,    0,    255, 255, 255,  255, 0,  68,
				   0,    67,   1,    0x34, 0,    0,    1,   1,   6,    0 };
	static const guint8 options[] = { 99, 130, 83, 99, 53, 1, 1, 255 };
	guint16 sum = (guint16)~jf_csum_fold(jf_csum_add(0, frame + 14, 20));

	memcpy(frame + 24, &sum, sizeof sum);
	memcpy(frame + 42 + 28, frame + 6, 6);
	memcpy(frame + 42 + 236, options, sizeof options);
	g_assert_true(jf_harness_push_bytes(h, PORT, frame, sizeof frame));
	turn(h);
	g_assert_cmpuint(jf_harness_get_queued(h, PORT), ==, 0);
	stop(h);
}

/* Large and small frames, many times around the ring; full, it refuses and says when there is room. */
static void
test_ring(void)
{
	JfHarness *h = start((const char *[]){ "address=192.168.15.0/24", NULL });
	g_autofree guint8 *large = g_malloc0(JF_FRAME_MAX_LEN);
	guint64 seen = 0;
	guint refused = 0;

	memset(large, 0xff, 6);
	memset(large + 6, 2, 6);
	large[12] = 0x88;
	for (guint i = 0; i < 2000; i++) {
		gsize len = i % 3 ? 14 + i * 31 % 1500 : JF_FRAME_MAX_LEN - i % 17;

		while (!jf_harness_push_bytes(h, PORT, large, len)) {
			guint resumes = jf_harness_get_resumes(h, PORT);

			refused++;
			turn(h);
			g_assert_cmpuint(jf_harness_get_resumes(h, PORT), ==, resumes + 1);
		}
	}
	g_assert_cmpuint(refused, >, 5);
	turn(h);
	seen = jf_harness_get_counter(h, "other-protocol", NULL);
	g_assert_cmpuint(seen, ==, 2000);
	g_assert_cmpuint(jf_harness_get_counter(h, "input-full", NULL), ==, refused);
	g_assert_true(answers(h, 1));
	stop(h);
}

/* A guest that takes nothing is waited for, but not for long. */
static void
test_stuck(void)
{
	JfHarness *h = start((const char *[]){ "address=192.168.15.0/24", NULL });

	jf_harness_set_capacity(h, PORT, 1);
	push_arp(h, 7, 1);
	push_arp(h, 7, 1);
	turn(h);
	/* One went out, the other waits: nothing is lost when there is room in time. */
	g_assert_cmpuint(jf_harness_get_queued(h, PORT), ==, 1);
	jf_harness_crank(h, 10 * MSEC);
	clear(h);
	turn(h);
	g_assert_cmpuint(jf_harness_get_queued(h, PORT), ==, 1);
	g_assert_cmpuint(jf_harness_get_counter(h, "stuck-guest", NULL), ==, 0);
	/* No room for 20 ms: its frames are dropped from now on. */
	push_arp(h, 7, 1);
	turn(h);
	jf_harness_crank(h, 21 * MSEC);
	turn(h);
	g_assert_cmpuint(jf_harness_get_counter(h, "stuck-guest", NULL), ==, 1);
	push_arp(h, 7, 1);
	turn(h);
	g_assert_cmpuint(jf_harness_get_counter(h, "stuck-guest", NULL), ==, 2);
	/* It takes one: all is well again. */
	clear(h);
	push_arp(h, 7, 1);
	turn(h);
	g_assert_cmpuint(jf_harness_get_queued(h, PORT), ==, 1);
	g_assert_cmpuint(jf_harness_get_counter(h, "stuck-guest", NULL), ==, 2);
	stop(h);
}

static void
test_refused(void)
{
	static const struct {
		const char *property, *word;
	} rows[] = {
		{ "address=10.0.0.0/31", "8 to 30" },
		{ "address=10.0.0.0/4", "8 to 30" },
		{ "address=127.0.0.0/24", "hosts" },
		{ "address=224.0.0.0/24", "hosts" },
		{ "address=fd00::/64", "IPv4" },
		{ "ipv6-prefix=fd00::/48", "/64" },
		{ "ipv6-prefix=ff02::/64", "/64" },
		{ "ipv6-prefix=10.0.0.0/24", "/64" },
		{ "loopback-4=10.0.2.2", "ADDRESS=LOOPBACK" },
		{ "loopback-4=10.0.2.2=10.0.0.1", "ADDRESS=LOOPBACK" },
		{ "loopback-4=10.0.3.2=127.0.0.1", "free host" },
		{ "loopback-4=10.0.2.1=127.0.0.1", "free host" },
		{ "loopback-4=10.0.2.0=127.0.0.1", "free host" },
		{ "loopback-4=10.0.2.255=127.0.0.1", "free host" },
		{ "bind-ip=192.0.2.1", "192.0.2.1" },
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		JfHarness *h = make((const char *[]){ rows[i].property, NULL });
		g_autoptr(GError) error = NULL;

		g_test_message("%s", rows[i].property);
		if (jf_harness_init(h, &error))
			g_assert_false(jf_harness_start(h, &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
		g_assert_nonnull(strstr(error->message, rows[i].word));
		jf_harness_free(h);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	plugin = argv[1];
	g_test_add_func("/nat-router/join", test_join);
	g_test_add_func("/nat-router/no-dhcp", test_no_dhcp);
	g_test_add_func("/nat-router/ring", test_ring);
	g_test_add_func("/nat-router/stuck", test_stuck);
	g_test_add_func("/nat-router/refused", test_refused);
	return g_test_run();
}
