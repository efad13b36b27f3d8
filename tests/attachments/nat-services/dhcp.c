/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp.c - DHCPv4 of the NAT engine: what each message of a client brings. */
#include <jackfield/dhcp.h>

#include "fake.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

typedef struct Fixture {
	NatConfig config;
	Fake *fake;
} Fixture;

/* What a client says; zeros are left out. */
typedef struct Say {
	guint8 guest, type;
	guint32 ciaddr, wanted, server;
	gboolean broadcast, rapid;
	const char *parameters, *id;
	guint16 max_size;
} Say;

static void
setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	fake_config_init(&f->config);
	f->fake = fake_new(&f->config, &error);
	g_assert_no_error(error);
	/* The router advertisement of the beginning. */
	jf_harness_poll(fake_get_harness(f->fake), 0);
	fake_out_free(fake_pull(f->fake));
}

static void
teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	fake_free(f->fake);
}

static void
restart(Fixture *f)
{
	g_autoptr(GError) error = NULL;

	fake_free(f->fake);
	f->fake = fake_new(&f->config, &error);
	g_assert_no_error(error);
	jf_harness_poll(fake_get_harness(f->fake), 0);
	fake_out_free(fake_pull(f->fake));
}

static gsize
make(const Say *say, guint8 *data)
{
	JfDhcpHeader header = { .op = JF_DHCP_BOOTREQUEST,
				.htype = 1,
				.hlen = 6,
				.xid = 0x12345678,
				.flags = say->broadcast ? JF_DHCP_BROADCAST : 0,
				.chaddr = { 8, 0, 0x27, 0, 0, say->guest } };
	JfDhcpBuilder b;

	jf_put_be32(header.ciaddr, say->ciaddr);
	jf_dhcp_builder_init(&b, data, 600, &header, NULL, NULL);
	if (say->type)
		jf_dhcp_builder_add_u8(&b, JF_DHCP_OPT_TYPE, say->type);
	if (say->wanted)
		jf_dhcp_builder_add_u32(&b, JF_DHCP_OPT_ADDRESS, say->wanted);
	if (say->server)
		jf_dhcp_builder_add_u32(&b, JF_DHCP_OPT_SERVER_ID, say->server);
	if (say->id)
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_CLIENT_ID, say->id, strlen(say->id));
	if (say->parameters)
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_PARAMETERS, say->parameters,
				    strlen(say->parameters));
	if (say->rapid)
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_RAPID_COMMIT, NULL, 0);
	if (say->max_size) {
		guint8 size[2];

		jf_put_be16(size, say->max_size);
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_MAX_SIZE, size, 2);
	}
	return jf_dhcp_builder_finish(&b);
}

static JfDhcpMessage answer;
static NatEndpoint answer_to;
static gboolean answer_has_mac;

/* Type and address of the answer, "silence" where there is none. */
static const char *
say(Fixture *f, const Say *what)
{
	static const char *const types[] = {
		"bootp", "1", "offer", "3", "4", "ack", "nak", "7", "8"
	};
	static char text[40];
	g_autoptr(FakeOut) out = NULL;
	guint8 data[1024];
	gsize len = make(what, data);

	g_assert_true(
		fake_push(f->fake, what->guest, "0.0.0.0", 68, "255.255.255.255", 67, data, len));
	out = fake_pull(f->fake);
	if (!out)
		return "silence";
	g_assert_null(fake_pull(f->fake));
	g_assert_true(jf_dhcp_parse(&answer, out->data, out->len));
	g_assert_cmpuint(answer.header.op, ==, JF_DHCP_BOOTREPLY);
	g_assert_cmpuint(answer.header.xid, ==, 0x12345678);
	g_assert_cmpuint(answer.header.chaddr[5], ==, what->guest);
	g_assert_true(nat_address_equal(&out->from.address, &f->config.gateway4));
	g_assert_cmpuint(out->from.port, ==, 67);
	answer_to = out->to;
	answer_has_mac = out->has_mac;
	g_snprintf(text, sizeof text, "%s %u", types[answer.type],
		   jf_get_be32(answer.header.yiaddr) & 0xff);
	return text;
}

#define SAY(...) say(f, &(Say){ __VA_ARGS__ })
#define expect(what, wanted) g_assert_cmpstr(what, ==, wanted)
#define HOST(n) (0x0a000200u + (n))

static void
check_option(guint8 code, const void *bytes, guint16 len)
{
	guint16 found;
	const guint8 *value = jf_dhcp_get(&answer, code, &found);

	g_assert_nonnull(value);
	g_assert_cmpmem(value, found, bytes, len);
}

static gboolean
has_option(guint8 code)
{
	guint16 len;

	return jf_dhcp_get(&answer, code, &len) != NULL;
}

static void
check_to(guint32 address, gboolean has_mac)
{
	g_assert_cmphex(nat_address_get_v4(&answer_to.address), ==, address);
	g_assert_cmpuint(answer_to.port, ==, 68);
	g_assert_cmpint(answer_has_mac, ==, has_mac);
}

static void
test_lease(Fixture *f, gconstpointer data)
{
	guint8 mac[6];

	(void)data;
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 15");
	check_to(HOST(15), TRUE);
	check_option(JF_DHCP_OPT_SERVER_ID, "\x0a\0\2\2", 4);
	check_option(JF_DHCP_OPT_MASK, "\xff\xff\xff\0", 4);
	check_option(JF_DHCP_OPT_ROUTER, "\x0a\0\2\2", 4);
	check_option(JF_DHCP_OPT_DNS, "\x0a\0\2\3", 4);
	check_option(JF_DHCP_OPT_LEASE_TIME, "\0\1\x51\x80", 4);
	check_option(JF_DHCP_OPT_RENEWAL, "\0\0\xa8\xc0", 4);
	check_option(28, "\x0a\0\2\xff", 4);
	g_assert_cmpmem(answer.header.siaddr, 4, "\x0a\0\2\2", 4);
	g_assert_false(has_option(26));
	g_assert_false(has_option(JF_DHCP_OPT_HOST_NAME));
	g_assert_false(has_option(JF_DHCP_OPT_DOMAIN));
	g_assert_cmpstr(answer.file, ==, "");
	expect(SAY(1, JF_DHCP_REQUEST, .wanted = HOST(15), .server = HOST(2), .broadcast = TRUE),
	       "ack 15");
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->dhcp_offers, ==, 1);
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->dhcp_acks, ==, 1);
	check_to(0xffffffff, FALSE);
	g_assert_cmphex(nat_address_get_v4(fake_get_learned(f->fake, mac)), ==, HOST(15));
	g_assert_cmpmem(mac, 6, "\x08\0\x27\0\0\1", 6);
	/* Renewing goes to the address that it has. */
	expect(SAY(1, JF_DHCP_REQUEST, .ciaddr = HOST(15)), "ack 15");
	check_to(HOST(15), TRUE);
}

static void
test_guests(Fixture *f, gconstpointer data)
{
	(void)data;
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 15");
	expect(SAY(2, JF_DHCP_DISCOVER), "offer 16");
	expect(SAY(2, JF_DHCP_REQUEST, .wanted = HOST(16), .server = HOST(2)), "ack 16");
	expect(SAY(1, JF_DHCP_REQUEST, .wanted = HOST(15), .server = HOST(2)), "ack 15");
	/* Another's, and not of the network. */
	expect(SAY(3, JF_DHCP_REQUEST, .wanted = HOST(15), .server = HOST(2)), "nak 0");
	check_to(0xffffffff, FALSE);
	g_assert_false(has_option(JF_DHCP_OPT_ROUTER));
	expect(SAY(3, JF_DHCP_REQUEST, .wanted = 0xc0a80105), "nak 0");
	expect(SAY(3, JF_DHCP_REQUEST, .ciaddr = HOST(15)), "nak 0");
	/* The one that it wants, where it is free. */
	expect(SAY(3, JF_DHCP_DISCOVER, .wanted = HOST(77)), "offer 77");
	expect(SAY(4, JF_DHCP_DISCOVER, .wanted = HOST(2)), "offer 17");
	/* The same hardware with another id is the same guest. */
	expect(SAY(1, JF_DHCP_DISCOVER, .id = "\1other"), "offer 15");
	check_option(JF_DHCP_OPT_CLIENT_ID, "\1other", 6);
	expect(SAY(9, JF_DHCP_DISCOVER, .id = "\1other"), "offer 18");
}

/* As after a restart of the host: nothing is known, and the client is believed. */
static void
test_reboot(Fixture *f, gconstpointer data)
{
	(void)data;
	expect(SAY(1, JF_DHCP_REQUEST, .wanted = HOST(40)), "ack 40");
	expect(SAY(2, JF_DHCP_REQUEST, .ciaddr = HOST(41)), "ack 41");
	expect(SAY(3, JF_DHCP_REQUEST, .wanted = HOST(41)), "nak 0");
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 40");
	/* Another server's client. */
	expect(SAY(5, JF_DHCP_REQUEST, .wanted = HOST(50), .server = HOST(9)), "silence");
	/* One client, one address. */
	expect(SAY(1, JF_DHCP_REQUEST, .wanted = HOST(60)), "ack 60");
	expect(SAY(7, JF_DHCP_REQUEST, .wanted = HOST(40)), "ack 40");
}

/* Router advertisements that came meanwhile. */
static void
drain(Fixture *f)
{
	FakeOut *out;

	while ((out = fake_pull(f->fake)))
		fake_out_free(out);
}

static void
test_release(Fixture *f, gconstpointer data)
{
	(void)data;
	expect(SAY(1, JF_DHCP_REQUEST, .wanted = HOST(15)), "ack 15");
	/* Not by somebody else. */
	expect(SAY(2, JF_DHCP_RELEASE, .ciaddr = HOST(15), .server = HOST(2)), "silence");
	expect(SAY(2, JF_DHCP_REQUEST, .wanted = HOST(15)), "nak 0");
	expect(SAY(1, JF_DHCP_RELEASE, .ciaddr = HOST(15), .server = HOST(2)), "silence");
	/* Remembered, but free for one who asks for it. */
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 15");
	expect(SAY(1, JF_DHCP_RELEASE, .ciaddr = HOST(15), .server = HOST(2)), "silence");
	jf_harness_crank(fake_get_harness(f->fake), 61 * SECOND);
	drain(f);
	expect(SAY(2, JF_DHCP_REQUEST, .wanted = HOST(15)), "ack 15");
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 16");
}

static void
test_decline(Fixture *f, gconstpointer data)
{
	(void)data;
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 15");
	expect(SAY(2, JF_DHCP_DECLINE, .wanted = HOST(15), .server = HOST(2)), "silence");
	expect(SAY(1, JF_DHCP_REQUEST, .wanted = HOST(15), .server = HOST(2)), "ack 15");
	expect(SAY(1, JF_DHCP_DECLINE, .wanted = HOST(15), .server = HOST(2)), "silence");
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 16");
	expect(SAY(2, JF_DHCP_REQUEST, .wanted = HOST(15)), "nak 0");
	jf_harness_crank(fake_get_harness(f->fake), 601 * SECOND);
	drain(f);
	expect(SAY(2, JF_DHCP_REQUEST, .wanted = HOST(15)), "ack 15");
}

static void
test_inform(Fixture *f, gconstpointer data)
{
	(void)data;
	expect(SAY(1, JF_DHCP_INFORM, .ciaddr = HOST(200)), "ack 0");
	check_to(HOST(200), TRUE);
	g_assert_false(has_option(JF_DHCP_OPT_LEASE_TIME));
	check_option(JF_DHCP_OPT_DNS, "\x0a\0\2\3", 4);
}

static void
test_rapid(Fixture *f, gconstpointer data)
{
	(void)data;
	expect(SAY(1, JF_DHCP_DISCOVER, .rapid = TRUE), "ack 15");
	g_assert_true(has_option(JF_DHCP_OPT_RAPID_COMMIT));
	expect(SAY(2, JF_DHCP_REQUEST, .wanted = HOST(15)), "nak 0");
}

static void
test_bootp(Fixture *f, gconstpointer data)
{
	(void)data;
	expect(SAY(1, 0), "bootp 15");
	g_assert_false(has_option(JF_DHCP_OPT_TYPE));
	g_assert_false(has_option(JF_DHCP_OPT_LEASE_TIME));
	check_option(JF_DHCP_OPT_ROUTER, "\x0a\0\2\2", 4);
}

/* Offers to clients that never come back make room, leases do not. */
static void
test_exhausted(Fixture *f, gconstpointer data)
{
	(void)data;
	f->config.n_leases = 4;
	restart(f);
	for (guint8 i = 1; i <= 4; i++)
		SAY(i, JF_DHCP_DISCOVER);
	expect(SAY(5, JF_DHCP_DISCOVER), "offer 15");
	for (guint8 i = 0; i < 4; i++)
		SAY((guint8)(10 + i), JF_DHCP_REQUEST, .wanted = HOST(15u + i));
	jf_harness_crank(fake_get_harness(f->fake), 61 * SECOND);
	drain(f);
	for (guint8 i = 0; i < 4; i++)
		SAY((guint8)(10 + i), JF_DHCP_REQUEST, .wanted = HOST(15u + i));
	expect(SAY(20, JF_DHCP_DISCOVER), "silence");
	/* Until they run out. */
	jf_harness_crank(fake_get_harness(f->fake), 86401 * SECOND);
	drain(f);
	expect(SAY(20, JF_DHCP_DISCOVER), "offer 15");
}

static void
test_settings(Fixture *f, gconstpointer data)
{
	(void)data;
	f->config.mtu = 65520;
	f->config.hostname = (char *)"guest";
	f->config.boot_file = (char *)"web.pxe";
	restart(f);
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 15");
	check_option(26, "\xff\xf0", 2);
	check_option(JF_DHCP_OPT_HOST_NAME, "guest", 5);
	g_assert_cmpstr(answer.file, ==, "web.pxe");
	g_assert_false(has_option(JF_DHCP_OPT_BOOT_FILE));
	expect(SAY(1, JF_DHCP_DISCOVER, .parameters = "\x42\x43"), "offer 15");
	check_option(JF_DHCP_OPT_TFTP_SERVER, "10.0.2.2", 8);
	check_option(JF_DHCP_OPT_BOOT_FILE, "web.pxe", 7);
	f->config.next_server = nat_address_v4(0xc0000207);
	restart(f);
	expect(SAY(1, JF_DHCP_DISCOVER, .parameters = "\x42\x43"), "offer 15");
	g_assert_cmpmem(answer.header.siaddr, 4, "\xc0\0\2\7", 4);
	check_option(JF_DHCP_OPT_TFTP_SERVER, "192.0.2.7", 9);
	f->config.dhcp = FALSE;
	restart(f);
	g_assert_false(fake_push(f->fake, 1, "0.0.0.0", 68, "255.255.255.255", 67, "", 1));
}

/* The host's own resolvers and domains, by what a file says. */
static void
test_host(Fixture *f, gconstpointer data)
{
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("resolv-XXXXXX", &path, NULL);

	(void)data;
	close(fd);
	g_file_set_contents(path,
			    "nameserver 127.0.0.53\nnameserver 192.0.2.53\n"
			    "nameserver 2001:db8::53\nnameserver 192.0.2.54\n"
			    "search Example.org sub.example.org bad..name .\n",
			    -1, NULL);
	f->config.resolv_conf = path;
	restart(f);
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 15");
	check_option(JF_DHCP_OPT_DNS, "\x0a\0\2\3", 4);
	check_option(JF_DHCP_OPT_DOMAIN, "example.org", 11);
	g_assert_false(has_option(119));
	expect(SAY(1, JF_DHCP_DISCOVER, .parameters = "\x77"), "offer 15");
	check_option(119, "\7example\3org\0\3sub\7example\3org", 13 + 17);
	f->config.dns_proxy = f->config.dns_pass_domain = FALSE;
	restart(f);
	expect(SAY(1, JF_DHCP_DISCOVER, .parameters = "\x77"), "offer 15");
	check_option(JF_DHCP_OPT_DNS, "\xc0\0\2\x35\xc0\0\2\x36", 8);
	g_assert_false(has_option(JF_DHCP_OPT_DOMAIN));
	g_assert_false(has_option(119));
	/* None but the guest's own loopback: never that. */
	g_file_set_contents(path, "nameserver 127.0.0.53\n", -1, NULL);
	restart(f);
	expect(SAY(1, JF_DHCP_DISCOVER), "offer 15");
	check_option(JF_DHCP_OPT_DNS, "\x0a\0\2\3", 4);
	unlink(path);
	f->config.resolv_conf = NULL;
}

static void
push(Fixture *f, const guint8 *data, gsize len)
{
	fake_push(f->fake, 1, "0.0.0.0", 68, "255.255.255.255", 67, data, len);
	fake_out_free(fake_pull(f->fake));
}

static void
test_hostile(Fixture *f, gconstpointer data)
{
	guint8 bytes[1024], changed[1024];
	Say what = { 1, JF_DHCP_REQUEST, .wanted = HOST(15), .server = HOST(2) };
	gsize len = make(&what, bytes);

	(void)data;
	for (gsize i = 0; i < len; i++)
		push(f, bytes, i);
	for (gsize i = 0; i < len; i++) {
		memcpy(changed, bytes, len);
		changed[i] ^= 0xff;
		push(f, changed, len);
	}
	/* A relay's, a group's hardware address, not Ethernet, an answer. */
	memcpy(changed, bytes, len);
	changed[24] = 10;
	g_assert_true(fake_push(f->fake, 1, "0.0.0.0", 68, "255.255.255.255", 67, changed, len));
	memcpy(changed, bytes, len);
	changed[28] |= 1;
	g_assert_true(fake_push(f->fake, 1, "0.0.0.0", 68, "255.255.255.255", 67, changed, len));
	memcpy(changed, bytes, len);
	changed[0] = 2;
	g_assert_true(fake_push(f->fake, 1, "0.0.0.0", 68, "255.255.255.255", 67, changed, len));
	g_assert_null(fake_pull(f->fake));
}

/* A client that takes little is not sent much. */
static void
test_size(Fixture *f, gconstpointer data)
{
	(void)data;
	f->config.boot_file = (char *)"a-name-that-takes-the-whole-field";
	restart(f);
	expect(SAY(1, JF_DHCP_DISCOVER, .max_size = 576, .parameters = "\x42\x43\x77"), "offer 15");
	expect(SAY(1, JF_DHCP_DISCOVER, .max_size = 10), "offer 15");
	expect(SAY(1, JF_DHCP_DISCOVER, .max_size = 65535), "offer 15");
}

#define ADD(path, func) g_test_add(path, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/nat/dhcp/lease", test_lease);
	ADD("/nat/dhcp/guests", test_guests);
	ADD("/nat/dhcp/reboot", test_reboot);
	ADD("/nat/dhcp/release", test_release);
	ADD("/nat/dhcp/decline", test_decline);
	ADD("/nat/dhcp/inform", test_inform);
	ADD("/nat/dhcp/rapid", test_rapid);
	ADD("/nat/dhcp/bootp", test_bootp);
	ADD("/nat/dhcp/exhausted", test_exhausted);
	ADD("/nat/dhcp/settings", test_settings);
	ADD("/nat/dhcp/host", test_host);
	ADD("/nat/dhcp/hostile", test_hostile);
	ADD("/nat/dhcp/size", test_size);
	return g_test_run();
}
