/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* udp-tunnel.c - the UDP tunnel against another one, and against a plain socket. */
#include "wire.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NET_TIMEOUT_US ((gint64)WIRE_TIMEOUT_MS * 1000)

static JfHarness *
tunnel(guint sport, guint dport, const char *more, const char *still_more)
{
	g_autofree char *source = g_strdup_printf("sport=%u", sport);
	g_autofree char *dest = g_strdup_printf("dport=%u", dport);

	return wire_start((const char *[]){ source, dest, more, still_more, NULL });
}

typedef struct Fixture {
	guint port_a, port_b;
	JfHarness *a, *b;
} Fixture;

static void
setup(Fixture *f, gconstpointer dest)
{
	f->port_a = wire_free_port(SOCK_DGRAM);
	f->port_b = wire_free_port(SOCK_DGRAM);
	f->a = tunnel(f->port_a, f->port_b, dest, NULL);
	f->b = tunnel(f->port_b, f->port_a, dest, NULL);
}

static void
teardown(Fixture *f, gconstpointer dest)
{
	(void)dest;
	wire_stop(f->a);
	wire_stop(f->b);
}

/* A plain UDP socket at `port` of 127.0.0.1 that talks to `peer`. */
static int
plain_socket(guint port, guint peer)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	in.sin_port = htons((guint16)port);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&in, sizeof in), ==, 0);
	in.sin_port = htons((guint16)peer);
	g_assert_cmpint(connect(fd, (struct sockaddr *)&in, sizeof in), ==, 0);
	return fd;
}

static void
plain_expect(int fd, guint32 len, guint32 seq)
{
	gint64 deadline = g_get_monotonic_time() + NET_TIMEOUT_US;
	guint8 bytes[65536];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
	g_assert_cmpint(n, ==, len);
	g_assert_true(wire_frame_is(bytes, len, seq));
}

typedef struct Batch {
	JfFrame frames[JF_BATCH_MAX];
	struct iovec pieces[JF_BATCH_MAX];
} Batch;

/* Frames `seq`... in one call; all must be taken. */
static void
push_batch(JfHarness *h, const guint32 *lens, guint n, guint32 seq)
{
	Batch batch;

	for (guint i = 0; i < n; i++) {
		batch.pieces[i] = (struct iovec){ g_malloc(lens[i]), lens[i] };
		wire_frame_fill(batch.pieces[i].iov_base, lens[i], seq + i);
		batch.frames[i] = jf_frame_plain(&batch.pieces[i]);
	}
	g_assert_cmpuint(jf_harness_push(h, 0, batch.frames, n), ==, n);
	for (guint i = 0; i < n; i++)
		g_free(batch.pieces[i].iov_base);
}

static void
test_both_ways(Fixture *f, gconstpointer dest)
{
	static const guint32 lens[] = { 14, 59, 60, 1514, 1518, 9018, 65487, 65507 };

	(void)dest;
	for (guint pieces = 1; pieces <= 64; pieces *= 8) {
		jf_harness_set_pieces(f->a, pieces);
		for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
			g_assert_true(wire_push(f->a, 0, lens[i], i));
			wire_expect(f->b, 0, lens[i], i);
			g_assert_true(wire_push(f->b, 0, lens[i], i));
			wire_expect(f->a, 0, lens[i], i);
		}
	}
}

/* Longer than a datagram: counted, and the next frames are none the worse. */
static void
test_too_long(Fixture *f, gconstpointer dest)
{
	static const guint32 lens[] = { 65553, 65508, 60 };

	(void)dest;
	push_batch(f->a, lens, 3, 0);
	wire_expect(f->b, 0, 60, 2);
	g_assert_cmpuint(wire_counter(f->a, "tx-errors"), ==, 2);
}

/* Batches of every mixture of lengths, so that trains of all kinds come up. */
static void
test_trains(Fixture *f, gconstpointer dest)
{
	guint64 state = 1;

	(void)dest;
	for (guint round = 0; round < 1000; round++) {
		guint32 lens[JF_BATCH_MAX];
		guint n = 1 + wire_random(&state) % JF_BATCH_MAX;
		guint kinds = 1 + wire_random(&state) % 4;

		for (guint i = 0; i < n; i++)
			lens[i] = 18 + 400 * (wire_random(&state) % kinds);
		push_batch(f->a, lens, n, round * JF_BATCH_MAX);
		for (guint i = 0; i < n; i++)
			wire_expect(f->b, 0, lens[i], round * JF_BATCH_MAX + i);
	}
}

/* On the wire a train is what it would be without one: a datagram for each frame. */
static void
test_plain_peer(void)
{
	static const guint32 lens[] = { 1514, 1514, 1514, 200, 60, 60, 60, 61, 14, 14 };
	guint ours = wire_free_port(SOCK_DGRAM), theirs = wire_free_port(SOCK_DGRAM);
	JfHarness *h = tunnel(ours, theirs, NULL, NULL);
	int fd = plain_socket(theirs, ours);
	guint8 bytes[1514];

	push_batch(h, lens, G_N_ELEMENTS(lens), 0);
	for (guint i = 0; i < G_N_ELEMENTS(lens); i++)
		plain_expect(fd, lens[i], i);
	for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
		wire_frame_fill(bytes, lens[i], i);
		g_assert_cmpint(send(fd, bytes, lens[i], 0), ==, lens[i]);
	}
	for (guint i = 0; i < G_N_ELEMENTS(lens); i++)
		wire_expect(h, 0, lens[i], i);
	close(fd);
	wire_stop(h);
}

static void
test_runts(void)
{
	guint ours = wire_free_port(SOCK_DGRAM), theirs = wire_free_port(SOCK_DGRAM);
	JfHarness *h = tunnel(ours, theirs, NULL, NULL);
	int fd = plain_socket(theirs, ours);
	guint8 bytes[14];

	wire_frame_fill(bytes, 14, 0);
	for (gsize len = 0; len <= 14; len++)
		g_assert_cmpint(send(fd, bytes, len, 0), ==, len);
	wire_expect(h, 0, 14, 0);
	g_assert_cmpuint(jf_harness_get_queued(h, 0), ==, 0);
	g_assert_cmpuint(wire_counter(h, "runts"), ==, 14);
	close(fd);
	wire_stop(h);
}

/* What the far end does not take waits, in order, in the middle of trains too. */
static void
test_refused(Fixture *f, gconstpointer dest)
{
	guint32 lens[JF_BATCH_MAX];
	guint64 state = 4;
	guint32 seen = 0;

	(void)dest;
	for (guint round = 0; round < 10; round++) {
		for (guint i = 0; i < JF_BATCH_MAX; i++)
			lens[i] = 100 + 7 * (round / 4);
		push_batch(f->a, lens, JF_BATCH_MAX, round * JF_BATCH_MAX);
	}
	while (seen < 10 * JF_BATCH_MAX) {
		jf_harness_set_capacity(f->b, 0, wire_random(&state) % 7);
		jf_harness_poll(f->b, 0);
		while (jf_harness_get_queued(f->b, 0)) {
			wire_expect(f->b, 0, 100 + 7 * (seen / (4 * JF_BATCH_MAX)), seen);
			seen++;
		}
	}
}

/* A far end that reads nothing: its kernel loses, and it can tell how much. */
static void
test_overflow(Fixture *f, gconstpointer dest)
{
	guint32 lens[JF_BATCH_MAX];
	guint32 sent = 0;
	guint64 got = 0;

	(void)dest;
	/* No two of a train: the kernel counts one of those as one. */
	for (guint i = 0; i < JF_BATCH_MAX; i++)
		lens[i] = 1400 + i;
	for (; sent < 20000; sent += JF_BATCH_MAX)
		push_batch(f->a, lens, JF_BATCH_MAX, sent);
	while (jf_harness_poll(f->b, 0))
		;
	/* The count travels with the datagrams that come after the loss. */
	g_assert_true(wire_push(f->a, 0, 60, 0));
	while (jf_harness_poll(f->b, 10))
		;
	got = jf_harness_get_queued(f->b, 0);
	g_assert_cmpuint(got, >, 1);
	g_assert_cmpuint(got, <, sent);
	g_assert_cmpuint(wire_counter(f->b, "rx-overflow"), ==, sent + 1 - got);
}

static void
test_live(void)
{
	guint ours = wire_free_port(SOCK_DGRAM), first = wire_free_port(SOCK_DGRAM),
	      second = wire_free_port(SOCK_DGRAM);
	JfHarness *h = tunnel(ours, first, NULL, NULL);
	int one = plain_socket(first, ours), two = plain_socket(second, ours);
	g_autofree char *port = g_strdup_printf("%u", second);
	g_autoptr(GError) error = NULL;

	g_assert_true(wire_push(h, 0, 60, 1));
	plain_expect(one, 60, 1);
	g_assert_true(jf_harness_set_property(h, "dport", port, &error));
	g_assert_true(wire_push(h, 0, 60, 2));
	plain_expect(two, 60, 2);
	g_assert_false(jf_harness_set_property(h, "dest", "::1", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_false(jf_harness_set_property(h, "dest", "somewhere", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_assert_true(wire_push(h, 0, 60, 3));
	plain_expect(two, 60, 3);
	g_clear_error(&error);
	g_assert_true(jf_harness_set_property(h, "dest", "127.0.0.2", &error));
	g_assert_true(wire_push(h, 0, 60, 4));
	g_assert_true(jf_harness_set_property(h, "dest", "127.0.0.1", &error));
	g_assert_true(wire_push(h, 0, 60, 5));
	plain_expect(two, 60, 5);
	close(one);
	close(two);
	wire_stop(h);
}

/* Bound where it says, and to every address unless it says. */
static void
test_bind(void)
{
	guint ours = wire_free_port(SOCK_DGRAM), theirs = wire_free_port(SOCK_DGRAM);
	JfHarness *h = tunnel(ours, theirs, "bind=127.0.0.2", NULL);
	JfHarness *there = tunnel(theirs, ours, "dest=127.0.0.2", NULL);

	g_assert_true(wire_push(there, 0, 60, 1));
	wire_expect(h, 0, 60, 1);
	wire_stop(there);
	there = tunnel(theirs, ours, "dest=127.0.0.1", NULL);
	g_assert_true(wire_push(there, 0, 60, 2));
	while (jf_harness_poll(h, 10))
		;
	g_assert_cmpuint(jf_harness_get_queued(h, 0), ==, 0);
	wire_stop(h);
	wire_stop(there);
}

static void
test_errors(void)
{
	guint port = wire_free_port(SOCK_DGRAM);
	g_autofree char *taken = g_strdup_printf("sport=%u", port);
	JfHarness *h = tunnel(port, port, NULL, NULL);

	wire_start_fails((const char *[]){ taken, NULL }, JF_ERROR_BUSY, taken + 6);
	wire_stop(h);
	wire_start_fails((const char *[]){ "dest=example.org", NULL }, JF_ERROR_VALUE,
			 "example.org");
	wire_start_fails((const char *[]){ taken, "bind=::1", NULL }, JF_ERROR_VALUE, "::1");
	wire_start_fails((const char *[]){ taken, "bind=192.0.2.1", NULL }, JF_ERROR_VALUE,
			 "192.0.2.1");
	/* Gone for the next one as soon as it is stopped. */
	wire_stop(tunnel(port, port, NULL, NULL));
}

/* Runs `func` in a network namespace of its own whose loopback has this MTU. */
static void
in_namespace(guint mtu, void (*func)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct ifreq lo = { .ifr_name = "lo" };
		int fd;

		if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(77);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		lo.ifr_mtu = (int)mtu;
		if (ioctl(fd, SIOCSIFMTU, &lo))
			_exit(77);
		lo.ifr_flags = IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &lo))
			_exit(77);
		close(fd);
		func();
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		g_test_skip("no right to make a network namespace");
	else
		g_assert_cmpint(status, ==, 0);
}

/* Full-size frames on a path of the same MTU: fragmented, no train; short ones in trains still. */
static void
run_mtu(void)
{
	guint32 lens[JF_BATCH_MAX];
	JfHarness *a = tunnel(4444, 4445, NULL, NULL), *b = tunnel(4445, 4444, NULL, NULL);

	for (guint round = 0; round < 20; round++) {
		for (guint i = 0; i < JF_BATCH_MAX; i++)
			lens[i] = round % 2 ? 1514 : i < 32 ? 1472 : 200;
		push_batch(a, lens, JF_BATCH_MAX, round * JF_BATCH_MAX);
		for (guint i = 0; i < JF_BATCH_MAX; i++)
			wire_expect(b, 0, lens[i], round * JF_BATCH_MAX + i);
	}
	g_assert_cmpuint(wire_counter(a, "tx-errors"), ==, 0);
	wire_stop(a);
	wire_stop(b);
}

static void
test_mtu(void)
{
	in_namespace(1500, run_mtu);
}

/* Nothing is on the other side: counted, never an end. */
static void
run_no_route(void)
{
	JfHarness *h = tunnel(4444, 4445, "dest=192.0.2.1", NULL);

	for (guint i = 0; i < 100; i++)
		g_assert_true(wire_push(h, 0, 60, i));
	g_assert_cmpuint(wire_counter(h, "tx-errors"), ==, 100);
	g_assert_null(jf_harness_get_failure(h));
	wire_stop(h);
}

static void
test_no_route(void)
{
	in_namespace(1500, run_no_route);
}

static void
run_privileged(void)
{
	if (seteuid(65534))
		_exit(77);
	wire_start_fails((const char *[]){ "sport=80", NULL }, JF_ERROR_PERMISSION, "80");
}

static void
test_privileged(void)
{
	if (geteuid()) {
		if (!g_file_test("/proc/sys/net/ipv4/ip_unprivileged_port_start",
				 G_FILE_TEST_EXISTS))
			return;
		wire_start_fails((const char *[]){ "sport=1", NULL }, JF_ERROR_PERMISSION, "1");
		return;
	}
	in_namespace(1500, run_privileged);
}

#define SENDERS 3u
#define SENDER_FRAMES 5000u

static gpointer
sender_run(gpointer data)
{
	JfInstance *inst = data;
	guint8 bytes[200];
	struct iovec piece = { bytes, sizeof bytes };
	JfFrame frames[8];

	wire_frame_fill(bytes, sizeof bytes, 1);
	for (guint i = 0; i < 8; i++)
		frames[i] = jf_frame_plain(&piece);
	for (guint i = 0; i < SENDER_FRAMES; i += 8)
		inst->driver->input(inst, 0, frames, 8);
	return NULL;
}

/* Senders on threads of their own while the destination changes and frames come in. */
static void
test_threads(Fixture *f, gconstpointer dest)
{
	GThread *threads[SENDERS];
	g_autofree char *port = g_strdup_printf("%u", f->port_b);

	(void)dest;
	for (guint i = 0; i < SENDERS; i++)
		threads[i] = g_thread_new("sender", sender_run, jf_harness_get_instance(f->a));
	for (guint i = 0; i < 200; i++) {
		g_assert_true(jf_harness_set_property(f->a, "dport", port, NULL));
		g_assert_true(wire_push(f->b, 0, 60, i));
		wire_expect(f->a, 0, 60, i);
		jf_harness_poll(f->b, 0);
	}
	for (guint i = 0; i < SENDERS; i++)
		g_thread_join(threads[i]);
	wire_wait_queued(f->b, 0, 1);
	wire_expect(f->b, 0, 200, 1);
}

static gboolean
have_ipv6(void)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	gboolean have = fd >= 0 && !bind(fd, (struct sockaddr *)&in, sizeof in);

	if (fd >= 0)
		close(fd);
	return have;
}

#define ADD(name, func, dest) g_test_add("/udp-tunnel/" name, Fixture, dest, setup, func, teardown)

int
main(int argc, char **argv)
{
	wire_init(&argc, &argv);
	ADD("both-ways", test_both_ways, NULL);
	if (have_ipv6())
		ADD("ipv6", test_both_ways, "dest=::1");
	ADD("too-long", test_too_long, NULL);
	ADD("trains", test_trains, NULL);
	ADD("refused", test_refused, NULL);
	ADD("overflow", test_overflow, NULL);
	ADD("threads", test_threads, NULL);
	g_test_add_func("/udp-tunnel/plain-peer", test_plain_peer);
	g_test_add_func("/udp-tunnel/runts", test_runts);
	g_test_add_func("/udp-tunnel/live", test_live);
	g_test_add_func("/udp-tunnel/bind", test_bind);
	g_test_add_func("/udp-tunnel/errors", test_errors);
	g_test_add_func("/udp-tunnel/mtu", test_mtu);
	g_test_add_func("/udp-tunnel/no-route", test_no_route);
	g_test_add_func("/udp-tunnel/privileged", test_privileged);
	return g_test_run();
}
