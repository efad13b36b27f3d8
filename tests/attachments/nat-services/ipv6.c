/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ipv6.c - router advertisements and stateless DHCPv6 of the NAT engine. */
#include <unistd.h>

#include "fake.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define GUEST "fe80::a00:27ff:fe00:1"

typedef struct Fixture {
	NatConfig config;
	Fake *fake;
	char *path;
} Fixture;

static void
set_resolv(Fixture *f, const char *text)
{
	g_file_set_contents(f->path, text, -1, NULL);
}

static void
begin(Fixture *f)
{
	g_autoptr(GError) error = NULL;

	f->fake = fake_new(&f->config, &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *f, gconstpointer data)
{
	(void)data;
	fake_config_init(&f->config);
	close(g_file_open_tmp("resolv-XXXXXX", &f->path, NULL));
	f->config.resolv_conf = f->path;
	set_resolv(f, "nameserver 2001:db8::53\nsearch example.org\n");
	begin(f);
}

static void
teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	fake_free(f->fake);
	unlink(f->path);
	g_free(f->path);
}

static void
restart(Fixture *f)
{
	fake_free(f->fake);
	begin(f);
}

static FakeOut *
pull_advertisement(Fixture *f, gboolean to_all)
{
	FakeOut *out = fake_pull(f->fake);
	NatAddress all;

	g_assert_nonnull(out);
	g_assert_true(out->is_icmp6);
	g_assert_cmpuint(out->data[0], ==, 134);
	g_assert_true(nat_address_equal(&out->from.address, &f->config.link_local6));
	nat_address_parse("ff02::1", &all);
	g_assert_cmpint(nat_address_equal(&out->to.address, &all), ==, to_all);
	g_assert_cmpint(out->has_mac, ==, !to_all);
	return out;
}

/* An option's bytes behind type and length. */
static const guint8 *
find_option(const FakeOut *out, guint8 type, guint *len)
{
	for (guint at = 16; at < out->len; at += 8u * out->data[at + 1]) {
		g_assert_cmpuint(out->data[at + 1], >, 0);
		g_assert_cmpuint(at + 8u * out->data[at + 1], <=, out->len);
		if (out->data[at] != type)
			continue;
		*len = 8u * out->data[at + 1] - 2;
		return out->data + at + 2;
	}
	return NULL;
}

static void
check_ra(const FakeOut *out, guint8 type, const void *bytes, guint len)
{
	guint found = 0;
	const guint8 *value = find_option(out, type, &found);

	g_assert_nonnull(value);
	g_assert_cmpmem(value, found, bytes, len);
}

static void
test_advertisement(Fixture *f, gconstpointer data)
{
	g_autoptr(FakeOut) out = NULL;

	(void)data;
	fake_solicit(f->fake, 1, GUEST);
	out = pull_advertisement(f, FALSE);
	g_assert_cmpmem(out->mac, 6, "\x08\0\x27\0\0\1", 6);
	g_assert_cmpuint(out->data[4], ==, 64);
	g_assert_cmphex(out->data[5], ==, 0x40);
	g_assert_cmpuint(jf_get_be16(out->data + 6), ==, 1800);
	check_ra(out, 1, "\x52\x54\0\x12\x35\2", 6);
	check_ra(out, 5, "\0\0\0\0\5\xdc", 6);
	check_ra(out, 3,
		 "\x40\xc0\0\x27\x8d\0\0\x09\x3a\x80\0\0\0\0\xfd\x17\x62\x5c\xf0\x37\0\2"
		 "\0\0\0\0\0\0\0\0",
		 30);
	check_ra(out, 25, "\0\0\0\0\7\x08\xfd\x17\x62\x5c\xf0\x37\0\2\0\0\0\0\0\0\0\3", 22);
	check_ra(out, 31, "\0\0\0\0\7\x08\7example\3org\0\0\0\0", 22);
}

static void
test_settings(Fixture *f, gconstpointer data)
{
	g_autoptr(FakeOut) out = NULL;
	guint len;

	(void)data;
	f->config.ipv6_default = f->config.dhcp = f->config.dns_proxy = FALSE;
	f->config.dns_pass_domain = FALSE;
	f->config.mtu = 9000;
	restart(f);
	fake_solicit(f->fake, 1, GUEST);
	out = pull_advertisement(f, FALSE);
	g_assert_cmphex(out->data[5], ==, 0);
	g_assert_cmpuint(jf_get_be16(out->data + 6), ==, 0);
	check_ra(out, 5, "\0\0\0\0\x23\x28", 6);
	check_ra(out, 25, "\0\0\0\0\7\x08\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x53", 22);
	g_assert_null(find_option(out, 31, &len));
	g_assert_false(fake_push(f->fake, 1, GUEST, 546, "ff02::1:2", 547, "", 1));
	/* Without IPv6 there is nothing. */
	f->config.ipv6 = FALSE;
	restart(f);
	jf_harness_crank(fake_get_harness(f->fake), 1000 * SECOND);
	g_assert_null(fake_pull(f->fake));
}

/* The times at which all guests are told, in seconds. */
static void
test_times(Fixture *f, gconstpointer data)
{
	static const guint64 wanted[] = { 0, 16, 32, 632, 1232 };
	JfHarness *h = fake_get_harness(f->fake);
	guint64 start = jf_harness_now(h);
	guint n = 0;

	(void)data;
	jf_harness_poll(h, 0);
	for (guint i = 0; i <= 1300; i++) {
		FakeOut *out = fake_pull(f->fake);

		if (out) {
			g_assert_cmpuint((jf_harness_now(h) - start) / SECOND, ==, wanted[n++]);
			fake_out_free(out);
		}
		jf_harness_crank(h, SECOND);
	}
	g_assert_cmpuint(n, ==, G_N_ELEMENTS(wanted));
}

/* Guests without an address are answered by one advertisement to all in three seconds. */
static void
test_unspecified(Fixture *f, gconstpointer data)
{
	JfHarness *h = fake_get_harness(f->fake);

	(void)data;
	jf_harness_poll(h, 0);
	fake_out_free(pull_advertisement(f, TRUE));
	for (guint i = 0; i < 100; i++)
		fake_solicit(f->fake, 1, "::");
	jf_harness_crank(h, 2 * SECOND);
	g_assert_null(fake_pull(f->fake));
	jf_harness_crank(h, SECOND);
	fake_out_free(pull_advertisement(f, TRUE));
	g_assert_null(fake_pull(f->fake));
}

/* Other resolvers on the host: guests are told. */
static void
test_change(Fixture *f, gconstpointer data)
{
	JfHarness *h;
	FakeOut *out;

	(void)data;
	f->config.dns_proxy = FALSE;
	restart(f);
	h = fake_get_harness(f->fake);
	jf_harness_poll(h, 0);
	fake_out_free(pull_advertisement(f, TRUE));
	set_resolv(f, "nameserver 2001:db8::54\n");
	while (jf_harness_poll(h, 100) == 0)
		;
	jf_harness_crank(h, 3 * SECOND);
	out = pull_advertisement(f, TRUE);
	check_ra(out, 25, "\0\0\0\0\7\x08\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x54", 22);
	fake_out_free(out);
}

/* ---- DHCPv6 ---- */

#define CLIENT_ID "\0\1\0\x0e\0\1\0\1\1\2\3\4\x08\0\x27\0\0\1"
#define ORO "\0\6\0\6\0\x17\0\x18\0\x20"
#define SERVER_ID "\0\2\0\x0a\0\3\0\1\x52\x54\0\x12\x35\2"

static FakeOut *
ask(Fixture *f, const char *bytes, gsize len)
{
	FakeOut *out;

	g_assert_true(fake_push(f->fake, 1, GUEST, 546, "ff02::1:2", 547, bytes, len));
	out = fake_pull(f->fake);
	if (out && out->is_icmp6) {
		fake_out_free(out);
		out = fake_pull(f->fake);
	}
	return out;
}

#define ASK(text) ask(f, text, sizeof text - 1)

static void
test_information(Fixture *f, gconstpointer data)
{
	static const char wanted[] = "\7\xab\xcd\xef" SERVER_ID CLIENT_ID
				     "\0\x17\0\x10\xfd\x17\x62\x5c\xf0\x37\0\2\0\0\0\0\0\0\0\3"
				     "\0\x20\0\4\0\0\x0e\x10"
				     "\0\x18\0\x0d\7example\3org";
	g_autoptr(FakeOut) out = ASK("\x0b\xab\xcd\xef" CLIENT_ID ORO);
	g_autoptr(FakeOut) bare = NULL, ours = NULL;

	(void)data;
	g_assert_nonnull(out);
	g_assert_cmpmem(out->data, out->len, wanted, sizeof wanted);
	g_assert_cmpuint(out->to.port, ==, 546);
	g_assert_cmpuint(out->from.port, ==, 547);
	g_assert_true(nat_address_equal(&out->from.address, &f->config.link_local6));
	bare = ASK("\x0b\xab\xcd\xef");
	g_assert_cmpmem(bare->data, bare->len, "\7\xab\xcd\xef" SERVER_ID, 18);
	ours = ASK("\x0b\xab\xcd\xef" SERVER_ID);
	g_assert_nonnull(ours);
}

static void
test_discarded(Fixture *f, gconstpointer data)
{
	static const char whole[] = "\x0b\xab\xcd\xef" CLIENT_ID ORO;

	(void)data;
	/* SOLICIT, an address asked for, another server's. */
	g_assert_null(ASK("\1\xab\xcd\xef" CLIENT_ID ORO));
	g_assert_null(ASK("\x0b\xab\xcd\xef" CLIENT_ID "\0\3\0\x0c\0\0\0\1\0\0\0\0\0\0\0\0"));
	g_assert_null(ASK("\x0b\xab\xcd\xef\0\2\0\x0a\0\3\0\1\x52\x54\0\x12\x35\3"));
	for (gsize i = 0; i < sizeof whole - 1; i++) {
		g_autoptr(FakeOut) out = ask(f, whole, i);

		/* At the end of an option it is a message. */
		g_assert_cmpint(out != NULL, ==, i == 4 || i == 22);
	}
}

#define ADD(path, func) g_test_add(path, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/nat/ra/advertisement", test_advertisement);
	ADD("/nat/ra/settings", test_settings);
	ADD("/nat/ra/times", test_times);
	ADD("/nat/ra/unspecified", test_unspecified);
	ADD("/nat/ra/change", test_change);
	ADD("/nat/dhcp6/information", test_information);
	ADD("/nat/dhcp6/discarded", test_discarded);
	return g_test_run();
}
