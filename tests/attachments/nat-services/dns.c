/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dns.c - the name server of the NAT engine, in a network namespace where the test may play two
 * resolvers at port 53.
 */
#include "dns-fixture.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define GUEST "10.0.2.15"
#define SERVER "10.0.2.3"

static void
setup(DnsFixture *f, gconstpointer data)
{
	(void)data;
	dns_fixture_init(f, SOCK_DGRAM);
	dns_fixture_begin(f);
}

static void
ask(DnsFixture *f, guint16 port, guint16 id, const char *name, guint16 type)
{
	guint8 data[300];
	gsize len = dns_query_make(data, id, name, type);

	g_assert_true(fake_push(f->fake, 1, GUEST, port, SERVER, 53, data, len));
}

/* What a resolver was asked. */
typedef struct Asked {
	guint8 data[4096];
	gssize len;
	struct sockaddr_in from;
} Asked;

static gboolean
resolver_read(DnsFixture *f, guint i, Asked *asked)
{
	socklen_t from_len = sizeof asked->from;

	asked->len = recvfrom(f->resolvers[i], asked->data, sizeof asked->data, MSG_DONTWAIT,
			      (struct sockaddr *)&asked->from, &from_len);
	return asked->len > 0;
}

/* Answers as asked, with a code and one byte more so that answers differ. */
static void
resolver_answer(DnsFixture *f, guint i, Asked *asked, guint code, guint8 mark)
{
	asked->data[2] |= 0x80;
	asked->data[3] = (guint8)code;
	asked->data[asked->len] = mark;
	g_assert_cmpint(sendto(f->resolvers[i], asked->data, (gsize)asked->len + 1, 0,
			       (struct sockaddr *)&asked->from, sizeof asked->from),
			>, 0);
}

static void
expect_answer(DnsFixture *f, guint16 port, guint16 id, guint code, int mark)
{
	g_autoptr(FakeOut) out = fake_wait(f->fake);

	g_assert_cmpuint(out->to.port, ==, port);
	g_assert_cmpuint(out->from.port, ==, 53);
	g_assert_true(nat_address_equal(&out->from.address, &f->config.name_server4));
	g_assert_cmphex(jf_get_be16(out->data), ==, id);
	g_assert_cmphex(out->data[2] & 0x80, ==, 0x80);
	g_assert_cmpuint(out->data[3] & 0xf, ==, code);
	if (mark >= 0)
		g_assert_cmpint(out->data[out->len - 1], ==, mark);
}

static void
crank(DnsFixture *f, guint seconds)
{
	jf_harness_crank(fake_get_harness(f->fake), seconds * SECOND);
}

static void
test_forward(DnsFixture *f, gconstpointer data)
{
	Asked asked;
	guint8 query[300];
	gsize len = dns_query_make(query, 0x1234, "example.org", 16);

	(void)data;
	ask(f, 4000, 0x1234, "example.org", 16);
	g_assert_true(resolver_read(f, 0, &asked));
	g_assert_cmpmem(asked.data + 2, (gsize)asked.len - 2, query + 2, len - 2);
	resolver_answer(f, 0, &asked, 0, 7);
	expect_answer(f, 4000, 0x1234, 0, 7);
	g_assert_false(resolver_read(f, 1, &asked));
	/* The second to answer is too late. */
	crank(f, 10);
	g_assert_null(fake_pull(f->fake));
}

/* Neither the port nor the id can be guessed from the last one. */
static void
test_random(DnsFixture *f, gconstpointer data)
{
	g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL),
			      ports = g_hash_table_new(NULL, NULL);

	(void)data;
	for (guint16 i = 0; i < 50; i++) {
		Asked asked;

		ask(f, 4000, i, "example.org", 1);
		g_assert_true(resolver_read(f, 0, &asked));
		g_hash_table_add(ids, GUINT_TO_POINTER(jf_get_be16(asked.data)));
		g_hash_table_add(ports, GUINT_TO_POINTER(asked.from.sin_port));
	}
	g_assert_cmpuint(g_hash_table_size(ids), >, 45);
	g_assert_cmpuint(g_hash_table_size(ports), >, 45);
}

static void
test_forged(DnsFixture *f, gconstpointer data)
{
	Asked asked, forged;

	(void)data;
	ask(f, 4000, 1, "example.org", 1);
	g_assert_true(resolver_read(f, 0, &asked));
	/* Another's address, id, question, a query, half a header. */
	forged = asked;
	resolver_answer(f, 1, &forged, 0, 1);
	forged = asked;
	forged.data[0] ^= 1;
	resolver_answer(f, 0, &forged, 0, 2);
	forged = asked;
	forged.data[14] ^= 1;
	resolver_answer(f, 0, &forged, 0, 3);
	sendto(f->resolvers[0], asked.data, (gsize)asked.len, 0, (struct sockaddr *)&asked.from,
	       sizeof asked.from);
	sendto(f->resolvers[0], asked.data, 6, 0, (struct sockaddr *)&asked.from,
	       sizeof asked.from);
	for (guint i = 0; i < 10; i++)
		jf_harness_poll(fake_get_harness(f->fake), 0);
	g_assert_null(fake_pull(f->fake));
	resolver_answer(f, 0, &asked, 0, 9);
	expect_answer(f, 4000, 1, 0, 9);
}

static void
test_timeout(DnsFixture *f, gconstpointer data)
{
	Asked first, second;

	(void)data;
	ask(f, 4000, 1, "example.org", 1);
	g_assert_true(resolver_read(f, 0, &first));
	g_assert_false(resolver_read(f, 1, &second));
	crank(f, 2);
	g_assert_true(resolver_read(f, 1, &second));
	resolver_answer(f, 1, &second, 0, 5);
	expect_answer(f, 4000, 1, 0, 5);
	/* It is asked first from now on, and the other one after it. */
	ask(f, 4000, 2, "example.org", 1);
	g_assert_true(resolver_read(f, 1, &second));
	g_assert_false(resolver_read(f, 0, &first));
	crank(f, 2);
	g_assert_true(resolver_read(f, 0, &first));
	crank(f, 2);
	expect_answer(f, 4000, 2, 2, -1);
}

static void
test_nobody(DnsFixture *f, gconstpointer data)
{
	Asked asked;

	(void)data;
	/* A port that is closed says so: no time passes. */
	dns_fixture_silence(f, 0);
	ask(f, 4000, 1, "example.org", 1);
	for (guint i = 0; i < 100 && !resolver_read(f, 1, &asked); i++)
		jf_harness_poll(fake_get_harness(f->fake), 10);
	resolver_answer(f, 1, &asked, 0, 5);
	expect_answer(f, 4000, 1, 0, 5);
	dns_fixture_silence(f, 1);
	ask(f, 4000, 2, "example.org", 1);
	expect_answer(f, 4000, 2, 2, -1);
	/* One that is alone is asked twice. */
	g_file_set_contents(f->path, "nameserver 127.0.0.9\n", -1, NULL);
	f->resolvers[0] = dns_resolver_new(SOCK_DGRAM, 9);
	jf_harness_poll(fake_get_harness(f->fake), 100);
	ask(f, 4000, 3, "example.org", 1);
	g_assert_true(resolver_read(f, 0, &asked));
	crank(f, 2);
	g_assert_true(resolver_read(f, 0, &asked));
	resolver_answer(f, 0, &asked, 3, 4);
	expect_answer(f, 4000, 3, 3, 4);
}

static void
test_no_help(DnsFixture *f, gconstpointer data)
{
	static const guint codes[] = { 2, 4, 5 };
	Asked asked;

	(void)data;
	for (guint16 i = 0; i < G_N_ELEMENTS(codes); i++) {
		ask(f, 4000, i, "example.org", 1);
		/* Whichever answered last. */
		if (!resolver_read(f, 0, &asked)) {
			g_assert_true(resolver_read(f, 1, &asked));
			resolver_answer(f, 1, &asked, codes[i], 1);
			for (guint n = 0; n < 100 && !resolver_read(f, 0, &asked); n++)
				jf_harness_poll(fake_get_harness(f->fake), 10);
			resolver_answer(f, 0, &asked, 0, 2);
		} else {
			resolver_answer(f, 0, &asked, codes[i], 1);
			for (guint n = 0; n < 100 && !resolver_read(f, 1, &asked); n++)
				jf_harness_poll(fake_get_harness(f->fake), 10);
			resolver_answer(f, 1, &asked, 0, 2);
		}
		expect_answer(f, 4000, i, 0, 2);
	}
	/* Where both say so, the guest learns it. */
	dns_fixture_silence(f, 1);
	g_file_set_contents(f->path, "nameserver 127.0.0.1\n", -1, NULL);
	jf_harness_poll(fake_get_harness(f->fake), 100);
	ask(f, 4000, 9, "example.org", 1);
	g_assert_true(resolver_read(f, 0, &asked));
	resolver_answer(f, 0, &asked, 5, 3);
	for (guint n = 0; n < 100 && !resolver_read(f, 0, &asked); n++)
		jf_harness_poll(fake_get_harness(f->fake), 10);
	crank(f, 2);
	expect_answer(f, 4000, 9, 5, 3);
}

static void
test_asked_again(DnsFixture *f, gconstpointer data)
{
	Asked asked;

	(void)data;
	ask(f, 4000, 1, "example.org", 1);
	g_assert_true(resolver_read(f, 0, &asked));
	ask(f, 4000, 1, "example.org", 1);
	g_assert_false(resolver_read(f, 0, &asked));
	g_assert_true(resolver_read(f, 1, &asked));
	ask(f, 4000, 1, "example.org", 1);
	g_assert_false(resolver_read(f, 0, &asked));
	g_assert_false(resolver_read(f, 1, &asked));
	/* From another port it is another query. */
	ask(f, 4001, 1, "example.org", 1);
	g_assert_true(resolver_read(f, 0, &asked));
}

static void
test_many(DnsFixture *f, gconstpointer data)
{
	guint failed = 0;
	FakeOut *out;

	(void)data;
	for (guint16 i = 0; i < 300; i++) {
		ask(f, 4000, i, "example.org", 1);
		while ((out = fake_pull(f->fake))) {
			/* The oldest. */
			g_assert_cmpuint(jf_get_be16(out->data), ==, failed++);
			fake_out_free(out);
		}
	}
	g_assert_cmpuint(failed, ==, 300 - 256);
}

static void
test_odd(DnsFixture *f, gconstpointer data)
{
	guint8 bytes[300];
	gsize len = dns_query_make(bytes, 1, "example.org", 1);
	Asked asked;

	(void)data;
	/* Too short, or an answer: nothing. */
	for (gsize i = 0; i < 12; i++)
		fake_push(f->fake, 1, GUEST, 4000, SERVER, 53, bytes, i);
	bytes[2] |= 0x80;
	fake_push(f->fake, 1, GUEST, 4000, SERVER, 53, bytes, len);
	g_assert_false(resolver_read(f, 0, &asked));
	/* What is not understood is somebody else's to answer: no question, two, an update, half a
	 * name, a name that points. */
	bytes[2] = 0;
	bytes[5] = 0;
	fake_push(f->fake, 1, GUEST, 4000, SERVER, 53, bytes, 12);
	g_assert_true(resolver_read(f, 0, &asked));
	resolver_answer(f, 0, &asked, 1, 6);
	expect_answer(f, 4000, 1, 1, 6);
	bytes[5] = 1;
	for (gsize i = 13; i < len; i++) {
		fake_push(f->fake, 1, GUEST, (guint16)(4000 + i), SERVER, 53, bytes, i);
		g_assert_true(resolver_read(f, 0, &asked));
	}
	bytes[12] = 0xc0;
	fake_push(f->fake, 1, GUEST, 5000, SERVER, 53, bytes, len);
	g_assert_true(resolver_read(f, 0, &asked));
	crank(f, 10);
}

static void
test_changes(DnsFixture *f, gconstpointer data)
{
	NatEndpoint where;
	Asked asked;

	(void)data;
	g_assert_true(fake_redirect(f->fake, SERVER, 53, &where));
	g_assert_cmphex(nat_address_get_v4(&where.address), ==, 0x7f000001);
	g_assert_cmpuint(where.port, ==, 53);
	g_file_set_contents(f->path, "nameserver 127.0.0.2\n", -1, NULL);
	jf_harness_poll(fake_get_harness(f->fake), 100);
	ask(f, 4000, 1, "example.org", 1);
	g_assert_true(resolver_read(f, 1, &asked));
	g_assert_true(fake_redirect(f->fake, SERVER, 53, &where));
	g_assert_cmphex(nat_address_get_v4(&where.address), ==, 0x7f000002);
	f->config.restricted = TRUE;
	fake_free(f->fake);
	dns_fixture_begin(f);
	g_assert_false(fake_push(f->fake, 1, GUEST, 4000, SERVER, 53, "", 1));
}

/* ---- Names answered here ---- */

/* The addresses of an answer as text, "nothing" for an empty one. */
static char *
answer_text(const FakeOut *out)
{
	GString *text = g_string_new(NULL);
	guint at = 12;

	g_assert_cmpuint(out->data[3] & 0xf, ==, 0);
	while (out->data[at])
		at += out->data[at] + 1u;
	at += 5;
	for (guint i = 0; i < jf_get_be16(out->data + 6); i++) {
		guint len = jf_get_be16(out->data + at + 10);
		char address[NAT_ADDRESS_TEXT_MAX];
		NatAddress a;

		g_assert_cmphex(jf_get_be16(out->data + at), ==, 0xc00c);
		if (len == 4)
			a = nat_address_v4(jf_get_be32(out->data + at + 12));
		else
			memcpy(a.b, out->data + at + 12, 16);
		nat_address_format(&a, address);
		g_string_append_printf(text, "%s%s", i ? " " : "", address);
		at += 12 + len;
	}
	g_assert_cmpuint(at, ==, out->len);
	return g_string_free(text, FALSE);
}

static void
check_name(DnsFixture *f, const char *name, guint16 type, const char *wanted)
{
	g_autoptr(FakeOut) out = NULL;
	g_autofree char *text = NULL;
	Asked asked;

	ask(f, 4000, 77, name, type);
	if (!wanted) {
		g_assert_true(resolver_read(f, 0, &asked));
		g_assert_null(fake_pull(f->fake));
		return;
	}
	out = fake_wait(f->fake);
	g_assert_cmphex(jf_get_be16(out->data), ==, 77);
	text = answer_text(out);
	g_assert_cmpstr(text, ==, wanted);
}

static void
test_mappings(DnsFixture *f, gconstpointer data)
{
	char *list[] = { (char *)"files.example=192.0.2.1", (char *)"files.example=2001:db8::1",
			 (char *)"*.Test|web?.local|one=127.0.0.1", NULL };

	(void)data;
	fake_free(f->fake);
	f->config.dns_mappings = list;
	dns_fixture_begin(f);
	check_name(f, "files.example", NAT_DNS_A, "192.0.2.1");
	check_name(f, "FILES.example", NAT_DNS_A, "192.0.2.1");
	check_name(f, "files.example", NAT_DNS_AAAA, "2001:db8::1");
	check_name(f, "a.b.test", NAT_DNS_A, "127.0.0.1");
	check_name(f, "web1.local", NAT_DNS_A, "127.0.0.1");
	check_name(f, "one", NAT_DNS_A, "127.0.0.1");
	check_name(f, "one", NAT_DNS_AAAA, "");
	check_name(f, "test", NAT_DNS_A, NULL);
	check_name(f, "web12.local", NAT_DNS_A, NULL);
	check_name(f, "files.example", 15, NULL);
}

static void
test_bad_mappings(DnsFixture *f, gconstpointer data)
{
	static const char *const bad[] = { "name",      "=192.0.2.1",  "name=",
					   "name=host", "|=192.0.2.1", "name=192.0.2.1.1" };

	(void)data;
	fake_free(f->fake);
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		char *list[] = { (char *)bad[i], NULL };
		g_autoptr(GError) error = NULL;

		f->config.dns_mappings = list;
		g_assert_null(fake_new(&f->config, &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
		g_assert_nonnull(strstr(error->message, bad[i]));
	}
	f->config.dns_mappings = NULL;
	dns_fixture_begin(f);
}

/* The library knows localhost without anybody's help. */
static void
test_host(DnsFixture *f, gconstpointer data)
{
	FakeOut *out;
	Asked asked;

	(void)data;
	fake_free(f->fake);
	f->config.dns_host_resolver = TRUE;
	dns_fixture_begin(f);
	check_name(f, "localhost", NAT_DNS_A, "127.0.0.1");
	ask(f, 4000, 5, "1.0.0.127.in-addr.arpa", NAT_DNS_PTR);
	out = fake_wait(f->fake);
	g_assert_cmpuint(jf_get_be16(out->data + 6), ==, 1);
	g_assert_cmpmem(out->data + out->len - 11, 11, "\x09localhost", 11);
	fake_out_free(out);
	/* What it does not look up goes to a resolver. */
	check_name(f, "localhost", 16, NULL);
	check_name(f, "2.1.in-addr.arpa", NAT_DNS_PTR, NULL);
	ask(f, 4000, 5, "odd name", NAT_DNS_A);
	while (resolver_read(f, 0, &asked))
		;
	g_assert_null(fake_pull(f->fake));
	/* Stopped while some are on their way. */
	for (guint16 i = 0; i < 100; i++)
		ask(f, 4000, i, "localhost", NAT_DNS_A);
}

static void
test_reverse(void)
{
	char text[NAT_ADDRESS_TEXT_MAX];
	NatAddress a;

	g_assert_true(nat_dns_parse_reverse("4.3.2.1.in-addr.arpa", &a));
	g_assert_cmphex(nat_address_get_v4(&a), ==, 0x01020304);
	g_assert_true(
		nat_dns_parse_reverse("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0."
				      "1.0.0.2.ip6.arpa",
				      &a));
	nat_address_format(&a, text);
	g_assert_cmpstr(text, ==, "2001:db8::1");
	g_assert_false(nat_dns_parse_reverse("4.3.2.256.in-addr.arpa", &a));
	g_assert_false(nat_dns_parse_reverse("5.4.3.2.1.in-addr.arpa", &a));
	g_assert_false(nat_dns_parse_reverse("-1.3.2.1.in-addr.arpa", &a));
	g_assert_false(nat_dns_parse_reverse("1.0.ip6.arpa", &a));
	g_assert_false(nat_dns_parse_reverse("in-addr.arpa", &a));
}

static void
test_skipped(void)
{
	g_test_skip("no right to make a network namespace");
}

#define ADD(path, func) g_test_add(path, DnsFixture, NULL, setup, func, dns_fixture_finish)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/dns/reverse", test_reverse);
	if (!fake_enter_namespace()) {
		g_test_add_func("/nat/dns/all", test_skipped);
		return g_test_run();
	}
	ADD("/nat/dns/forward", test_forward);
	ADD("/nat/dns/random", test_random);
	ADD("/nat/dns/forged", test_forged);
	ADD("/nat/dns/timeout", test_timeout);
	ADD("/nat/dns/nobody", test_nobody);
	ADD("/nat/dns/no-help", test_no_help);
	ADD("/nat/dns/asked-again", test_asked_again);
	ADD("/nat/dns/many", test_many);
	ADD("/nat/dns/odd", test_odd);
	ADD("/nat/dns/changes", test_changes);
	ADD("/nat/dns/mappings", test_mappings);
	ADD("/nat/dns/bad-mappings", test_bad_mappings);
	ADD("/nat/dns/host", test_host);
	return g_test_run();
}
