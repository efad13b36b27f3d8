/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-probe.c - the DHCP service asks who has an address before it offers it. */
#include "dhcp-client.h"

#include <string.h>

#define MILLISECOND G_GUINT64_CONSTANT(1000000)
#define PORT JF_HARNESS_SWITCH(0)
#define FIRST 0xc0a83865u /* 192.168.56.101 */

typedef struct Fixture {
	JfHarness *h;
} Fixture;

static void
setup(Fixture *f, gconstpointer wait)
{
	f->h = wire_start((const char *[]){ "network=blue", "address=192.168.56.2/24",
					    "lower-ip=192.168.56.101", "upper-ip=192.168.56.140",
					    wait, NULL });
}

static void
teardown(Fixture *f, gconstpointer wait)
{
	(void)wait;
	wire_stop(f->h);
}

static void
turn(Fixture *f)
{
	while (jf_harness_poll(f->h, 0))
		continue;
}

static void
discover(Fixture *f, guint8 mac, gboolean rapid)
{
	const Ask message = { .type = JF_DHCP_DISCOVER, .mac = mac, .rapid = rapid };
	guint8 bytes[1514];

	g_assert_true(jf_harness_push_bytes(f->h, PORT, bytes, ask_build(&message, bytes)));
	turn(f);
}

/* The address that is asked for; nobody else's business. */
static void
expect_probe(Fixture *f, guint32 address)
{
	static const guint8 head[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0, 0xc0, 0xa8,
				       56,   2,    8,    6,    0,    1,    8,  0, 6,    4,
				       0,    1,    2,    0,    0xc0, 0xa8, 56, 2, 192,  168,
				       56,   2,    0,    0,    0,    0,    0,  0 };
	g_autoptr(JfHarnessFrame) frame = jf_harness_pull(f->h, PORT);

	g_assert_nonnull(frame);
	g_assert_cmpuint(frame->len, ==, 60);
	g_assert_cmpmem(frame->data, sizeof head, head, sizeof head);
	g_assert_cmphex(jf_get_be32(frame->data + 38), ==, address);
}

static void
expect(Fixture *f, guint8 type, guint8 mac, guint32 address)
{
	g_autoptr(JfHarnessFrame) frame = jf_harness_pull(f->h, PORT);
	Reply reply;

	g_assert_nonnull(frame);
	reply_read(&reply, frame);
	g_assert_cmpuint(reply.message.type, ==, type);
	g_assert_cmphex(jf_get_be32(reply.message.header.yiaddr), ==, address);
	g_assert_cmpuint(reply.message.header.chaddr[5], ==, mac);
}

static void
expect_nothing(Fixture *f)
{
	g_assert_cmpuint(jf_harness_get_queued(f->h, PORT), ==, 0);
}

static void
wait(Fixture *f, guint64 ms)
{
	jf_harness_crank(f->h, ms * MILLISECOND);
	turn(f);
}

/* 08:00:27:00:00:MAC says that it has the address. */
static void
claim(Fixture *f, guint8 mac, guint32 address)
{
	guint8 b[42] = { 2, 0, 0xc0, 0xa8, 56, 2, 8,    0,    0x27, 0, 0,    mac,  8,  6,
			 0, 1, 8,    0,    6,  4, 0,    2,    8,    0, 0x27, 0,    0,  mac,
			 0, 0, 0,    0,    2,  0, 0xc0, 0xa8, 56,   2, 0xc0, 0xa8, 56, 2 };

	jf_put_be32(b + 28, address);
	g_assert_true(jf_harness_push_bytes(f->h, PORT, b, sizeof b));
	turn(f);
}

static void
test_free(Fixture *f, gconstpointer data)
{
	(void)data;
	discover(f, 1, FALSE);
	expect_probe(f, FIRST);
	/* Asked again meanwhile. */
	discover(f, 1, FALSE);
	wait(f, 99);
	expect_nothing(f);
	wait(f, 1);
	expect(f, JF_DHCP_OFFER, 1, FIRST);
	expect_nothing(f);
	/* What is offered needs no second probe. */
	discover(f, 1, FALSE);
	expect(f, JF_DHCP_OFFER, 1, FIRST);
	/* Until the offer is over. */
	wait(f, 61000);
	discover(f, 1, FALSE);
	expect_probe(f, FIRST);
	g_assert_cmpuint(wire_counter(f->h, "discover"), ==, 4);
	g_assert_cmpuint(wire_counter(f->h, "conflict"), ==, 0);
}

/* Whoever has a lease is not doubted; whoever gave it back may have been followed by somebody. */
static void
test_known(Fixture *f, gconstpointer data)
{
	Ask message = { .type = JF_DHCP_REQUEST,
			.mac = 1,
			.wanted = "192.168.56.101",
			.server = "192.168.56.2" };

	(void)data;
	discover(f, 1, FALSE);
	expect_probe(f, FIRST);
	wait(f, 100);
	expect(f, JF_DHCP_OFFER, 1, FIRST);
	ask_expect(f->h, &message, JF_DHCP_ACK, "192.168.56.101");
	discover(f, 1, FALSE);
	expect(f, JF_DHCP_OFFER, 1, FIRST);
	message.type = JF_DHCP_RELEASE;
	message.ciaddr = "192.168.56.101";
	message.wanted = NULL;
	g_assert_cmpuint(ask_type(f->h, &message), ==, 0);
	discover(f, 1, FALSE);
	expect_probe(f, FIRST);
}

static void
test_conflict(Fixture *f, gconstpointer data)
{
	(void)data;
	discover(f, 1, FALSE);
	expect_probe(f, FIRST);
	claim(f, 9, FIRST + 7); /* nobody asked */
	expect_nothing(f);
	claim(f, 9, FIRST);
	expect_probe(f, FIRST + 1);
	/* The client has it already, and may. */
	claim(f, 1, FIRST + 1);
	expect(f, JF_DHCP_OFFER, 1, FIRST + 1);
	g_assert_cmpuint(wire_counter(f->h, "conflict"), ==, 1);
	/* Nobody is offered the first one for a while. */
	discover(f, 2, FALSE);
	expect_probe(f, FIRST + 2);
	wait(f, 100);
	expect(f, JF_DHCP_OFFER, 2, FIRST + 2);
	wait(f, 601000);
	discover(f, 3, FALSE);
	expect_probe(f, FIRST);
}

/* Somebody who says that everything is his is not asked for ever. */
static void
test_greedy(Fixture *f, gconstpointer data)
{
	guint i;

	(void)data;
	discover(f, 1, FALSE);
	for (i = 0; i < 8; i++) {
		expect_probe(f, FIRST + i);
		claim(f, 9, FIRST + i);
	}
	expect_nothing(f);
	g_assert_cmpuint(wire_counter(f->h, "probe"), ==, 8);
}

static void
test_rapid(Fixture *f, gconstpointer data)
{
	(void)data;
	discover(f, 1, TRUE);
	expect_probe(f, FIRST);
	wait(f, 100);
	expect(f, JF_DHCP_ACK, 1, FIRST);
}

/* Many at once, each with an address of his own; then stopped while they wait. */
static void
test_many(Fixture *f, gconstpointer data)
{
	(void)data;
	for (guint8 i = 0; i < 30; i++) {
		discover(f, i, FALSE);
		expect_probe(f, FIRST + i);
	}
	wait(f, 100);
	for (guint8 i = 0; i < 30; i++)
		expect(f, JF_DHCP_OFFER, i, FIRST + i);
	discover(f, 100, FALSE);
	expect_probe(f, FIRST + 30);
}

static void
test_off(Fixture *f, gconstpointer data)
{
	(void)data;
	discover(f, 1, FALSE);
	expect(f, JF_DHCP_OFFER, 1, FIRST);
}

#define ADD(path, wait, func) g_test_add("/dhcp/probe/" path, Fixture, wait, setup, func, teardown)

int
main(int argc, char **argv)
{
	wire_init(&argc, &argv);
	ADD("free", "probe=100", test_free);
	ADD("known", "probe=100", test_known);
	ADD("conflict", "probe=100", test_conflict);
	ADD("greedy", "probe=100", test_greedy);
	ADD("rapid", "probe=100", test_rapid);
	ADD("many", "probe=100", test_many);
	ADD("off", "probe=0", test_off);
	return g_test_run();
}
