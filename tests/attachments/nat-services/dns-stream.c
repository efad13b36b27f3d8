/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dns-stream.c - name service over TCP where names are answered here: the test is the engine's
 * connection, and plays two resolvers in a network namespace.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns-fixture.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define SERVER "10.0.2.3"

static void
setup(DnsFixture *f, gconstpointer data)
{
	static char *mappings[] = { (char *)"files.test=192.0.2.1",
				    (char *)"files.test=2001:db8::1", NULL };

	(void)data;
	dns_fixture_init(f, SOCK_STREAM);
	f->config.dns_mappings = mappings;
	f->config.dns_host_resolver = TRUE;
	dns_fixture_begin(f);
}

/* The engine's end of a guest's connection. */
static int
guest_connect(DnsFixture *f)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address;
	NatEndpoint where;
	socklen_t len;

	g_assert_true(fake_redirect(f->fake, SERVER, 53, &where));
	g_assert_true(nat_address_is_loopback(&where.address));
	len = nat_address_to_socket(&where.address, where.port, &address);
	g_assert_cmpint(connect(fd, (struct sockaddr *)&address, len), ==, 0);
	return fd;
}

/* A query with its prefix. */
static guint
make(guint8 *data, guint16 id, const char *name, guint16 type)
{
	guint len = (guint)dns_query_make(data + 2, id, name, type);

	jf_put_be16(data, (guint16)len);
	return len + 2;
}

static void
ask(int fd, guint16 id, const char *name, guint16 type)
{
	guint8 data[300];
	guint len = make(data, id, name, type);

	g_assert_cmpint(send(fd, data, len, MSG_NOSIGNAL), ==, len);
}

/* Exactly `len` bytes, the services running meanwhile. FALSE: the end came before. */
static gboolean
take(DnsFixture *f, int fd, guint8 *data, guint len)
{
	gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;

	while (len) {
		gssize n = recv(fd, data, len, MSG_DONTWAIT);

		g_assert_cmpint(g_get_monotonic_time(), <, end);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return FALSE;
		if (n > 0) {
			data += n;
			len -= (guint)n;
		} else {
			jf_harness_poll(fake_get_harness(f->fake), 10);
		}
	}
	return TRUE;
}

/* One message without its prefix. Returns its length, 0: the end. */
static guint
take_message(DnsFixture *f, int fd, guint8 *data)
{
	guint8 prefix[2];

	if (!take(f, fd, prefix, 2))
		return 0;
	g_assert_true(take(f, fd, data, jf_get_be16(prefix)));
	return jf_get_be16(prefix);
}

/* The answer's id, code and last bytes. */
static void
expect(DnsFixture *f, int fd, guint16 id, guint code, gconstpointer tail, guint tail_len)
{
	guint8 data[65536];
	guint len = take_message(f, fd, data);

	g_assert_cmpuint(len, >=, 12 + tail_len);
	g_assert_cmphex(jf_get_be16(data), ==, id);
	g_assert_cmphex(data[2] & 0x81, ==, 0x81);
	g_assert_cmphex(data[3] & 0x0f, ==, code);
	g_assert_cmpmem(data + len - tail_len, tail_len, tail, tail_len);
}

static int
resolver_accept(DnsFixture *f, guint i)
{
	gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
	int fd;

	while ((fd = accept(f->resolvers[i], NULL, NULL)) < 0) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		jf_harness_poll(fake_get_harness(f->fake), 10);
	}
	return fd;
}

static void
resolver_answer(int fd, guint16 id, guint code, guint len)
{
	g_autofree guint8 *data = g_malloc(len + 2);

	memset(data, 'x', len + 2);
	jf_put_be16(data, (guint16)len);
	jf_put_be16(data + 2, id);
	data[4] = 0x81;
	data[5] = (guint8)(0x80 | code);
	g_assert_cmpint(send(fd, data, len + 2, MSG_NOSIGNAL), ==, len + 2);
}

static void
test_mapped(DnsFixture *f, gconstpointer data)
{
	static const guint8 address6[] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	guint8 both[600];
	int fd = guest_connect(f);
	guint len;

	(void)data;
	ask(fd, 1, "files.test", NAT_DNS_A);
	expect(f, fd, 1, 0, "\xc0\x00\x02\x01", 4);
	/* Two at once, in odd pieces. */
	len = make(both, 2, "files.test", NAT_DNS_AAAA);
	len += make(both + len, 3, "FILES.test", NAT_DNS_A);
	for (guint i = 0; i < len; i++) {
		g_assert_cmpint(send(fd, both + i, 1, MSG_NOSIGNAL), ==, 1);
		jf_harness_poll(fake_get_harness(f->fake), 0);
	}
	/* It has no more to say, and gets its answers all the same. */
	shutdown(fd, SHUT_WR);
	expect(f, fd, 2, 0, address6, 16);
	expect(f, fd, 3, 0, "\xc0\x00\x02\x01", 4);
	g_assert_false(take(f, fd, both, 1));
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->dns_queries, ==, 3);
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->dns_failures, ==, 0);
	close(fd);
}

static void
test_host(DnsFixture *f, gconstpointer data)
{
	int fd = guest_connect(f), other = guest_connect(f);

	(void)data;
	ask(fd, 1, "localhost", NAT_DNS_A);
	ask(fd, 2, "files.test", NAT_DNS_A);
	expect(f, fd, 1, 0, "\x7f\x00\x00\x01", 4);
	expect(f, fd, 2, 0, "\xc0\x00\x02\x01", 4);
	/* Gone before the answer. */
	ask(other, 3, "localhost", NAT_DNS_A);
	jf_harness_poll(fake_get_harness(f->fake), 0);
	close(other);
	ask(fd, 4, "localhost", NAT_DNS_A);
	expect(f, fd, 4, 0, "\x7f\x00\x00\x01", 4);
	close(fd);
}

/* What is not ours goes to a resolver, and comes back whole. */
static void
test_resolver(DnsFixture *f, gconstpointer data)
{
	int fd = guest_connect(f), resolver;
	guint8 query[300], got[300];
	guint len = make(query, 7, "other.test", 16);

	(void)data;
	ask(fd, 7, "other.test", 16);
	ask(fd, 8, "files.test", NAT_DNS_A);
	resolver = resolver_accept(f, 0);
	g_assert_true(take(f, resolver, got, len));
	g_assert_cmpmem(got, len, query, len);
	resolver_answer(resolver, 7, 0, 60000);
	close(resolver);
	expect(f, fd, 7, 0, "xxxx", 4);
	expect(f, fd, 8, 0, "\xc0\x00\x02\x01", 4);
	close(fd);
}

/* The first one resets, is not there, says nothing, or answers something else. */
static void
test_next_resolver(DnsFixture *f, gconstpointer data)
{
	int fd = guest_connect(f), resolver;
	guint8 got[300];

	(void)data;
	for (guint i = 0; i < 4; i++) {
		guint16 id = (guint16)(100 + i);

		ask(fd, id, "other.test", 16);
		if (i == 3)
			dns_fixture_silence(f, 0);
		resolver = i < 3 ? resolver_accept(f, 0) : -1;
		if (i == 1) {
			g_assert_true(take(f, resolver, got, 28));
			resolver_answer(resolver, 1, 0, 100);
		} else if (i == 2) {
			jf_harness_crank(fake_get_harness(f->fake), 5 * SECOND);
		}
		if (i == 0) {
			close(resolver);
			resolver = -1;
		}
		close(resolver_accept(f, 1));
		/* That was the last. */
		expect(f, fd, id, NAT_DNS_SERVFAIL, NULL, 0);
		if (resolver >= 0)
			close(resolver);
	}
	/* Whoever answered is asked first. */
	ask(fd, 200, "other.test", 16);
	resolver = resolver_accept(f, 1);
	resolver_answer(resolver, 200, NAT_DNS_NXDOMAIN, 50);
	expect(f, fd, 200, NAT_DNS_NXDOMAIN, "x", 1);
	close(resolver);
	f->resolvers[0] = dns_resolver_new(SOCK_STREAM, 1);
	ask(fd, 201, "other.test", 16);
	resolver = resolver_accept(f, 1);
	resolver_answer(resolver, 201, 0, 50);
	expect(f, fd, 201, 0, "x", 1);
	close(resolver);
	/* Nobody is there: many queries at once. */
	dns_fixture_silence(f, 0);
	dns_fixture_silence(f, 1);
	for (guint16 i = 0; i < 100; i++)
		ask(fd, i, "a", 16);
	for (guint16 i = 0; i < 100; i++)
		expect(f, fd, i, NAT_DNS_SERVFAIL, NULL, 0);
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->dns_failures, ==, 104);
	close(fd);
}

static void
test_garbage(DnsFixture *f, gconstpointer data)
{
	static const guint8 lengths[][2] = { { 0, 0 }, { 0, 11 }, { 0x10, 1 }, { 0xff, 0xff } };
	guint8 byte;

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
		int fd = guest_connect(f);

		g_assert_cmpint(send(fd, lengths[i], 2, MSG_NOSIGNAL), ==, 2);
		g_assert_false(take(f, fd, &byte, 1));
		close(fd);
	}
}

/* Whoever says nothing is closed, and so is the oldest of too many. */
static void
test_limits(DnsFixture *f, gconstpointer data)
{
	int first = guest_connect(f), fds[64];
	guint8 byte;

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
		fds[i] = guest_connect(f);
		jf_harness_poll(fake_get_harness(f->fake), 0);
	}
	g_assert_false(take(f, first, &byte, 1));
	ask(fds[63], 1, "files.test", NAT_DNS_A);
	expect(f, fds[63], 1, 0, "\xc0\x00\x02\x01", 4);
	jf_harness_crank(fake_get_harness(f->fake), 31 * SECOND);
	for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
		g_assert_false(take(f, fds[i], &byte, 1));
		close(fds[i]);
	}
	close(first);
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
	if (!fake_enter_namespace()) {
		g_test_add_func("/nat/dns-stream/all", test_skipped);
		return g_test_run();
	}
	ADD("/nat/dns-stream/mapped", test_mapped);
	ADD("/nat/dns-stream/host", test_host);
	ADD("/nat/dns-stream/resolver", test_resolver);
	ADD("/nat/dns-stream/next-resolver", test_next_resolver);
	ADD("/nat/dns-stream/garbage", test_garbage);
	ADD("/nat/dns-stream/limits", test_limits);
	return g_test_run();
}
