/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dgram.c - the dgram connector against a VMM played by the test. */
#include "wire.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Fixture {
	char *dir, *path, *vmm_path;
	JfHarness *h;
	int vmm;
} Fixture;

static void
un_set(struct sockaddr_un *un, const char *path)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	g_strlcpy(un->sun_path, path, sizeof un->sun_path);
}

/* A datagram socket bound at `path`, or at none, as QEMU's: it names its peer in each call. */
static int
vmm_open(const char *path)
{
	struct sockaddr_un un;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (path) {
		un_set(&un, path);
		g_unlink(path);
		g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof un), ==, 0);
	}
	return fd;
}

static void
setup(Fixture *f, gconstpointer fixed)
{
	g_autofree char *path = NULL, *remote = NULL;

	f->dir = wire_tmp_new();
	f->path = g_build_filename(f->dir, "ours", NULL);
	f->vmm_path = g_build_filename(f->dir, "vmm", NULL);
	path = g_strdup_printf("path=%s", f->path);
	remote = g_strdup_printf("remote-path=%s", f->vmm_path);
	f->h = wire_start((const char *[]){ path, fixed ? remote : NULL, NULL });
	f->vmm = vmm_open(f->vmm_path);
}

static void
teardown(Fixture *f, gconstpointer fixed)
{
	(void)fixed;
	close(f->vmm);
	wire_stop(f->h);
	g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
	g_free(f->path);
	g_free(f->vmm_path);
	wire_tmp_free(f->dir);
}

/* FALSE: our queue is full. */
static gboolean
vmm_try_send(Fixture *f, guint32 len, guint32 seq)
{
	g_autofree guint8 *bytes = g_malloc(MAX(len, 1));
	struct sockaddr_un un;
	ssize_t n;

	un_set(&un, f->path);
	wire_frame_fill(bytes, len, seq);
	n = sendto(f->vmm, bytes, len, MSG_DONTWAIT, (struct sockaddr *)&un, sizeof un);
	g_assert_true(n == (ssize_t)len || errno == EAGAIN);
	return n >= 0;
}

static void
vmm_send(Fixture *f, guint32 len, guint32 seq)
{
	g_assert_true(vmm_try_send(f, len, seq));
}

/* FALSE: nothing there. */
static gboolean
vmm_try_expect(int fd, guint32 len, guint32 seq)
{
	guint32 wire = MAX(len, 60);
	g_autofree guint8 *bytes = g_malloc(wire + 1);
	ssize_t n = recv(fd, bytes, wire + 1, MSG_DONTWAIT);

	if (n < 0) {
		g_assert_cmpint(errno, ==, EAGAIN);
		return FALSE;
	}
	g_assert_cmpint(n, ==, wire);
	g_assert_true(wire_frame_is(bytes, len, seq));
	for (guint32 i = len; i < wire; i++)
		g_assert_cmpuint(bytes[i], ==, 0);
	return TRUE;
}

static void
vmm_expect(Fixture *f, guint32 len, guint32 seq)
{
	gint64 deadline = g_get_monotonic_time() + WIRE_TIMEOUT_MS * 1000;

	while (!vmm_try_expect(f->vmm, len, seq)) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		jf_harness_poll(f->h, 1);
	}
}

static void
test_both_ways(Fixture *f, gconstpointer fixed)
{
	static const guint32 lens[] = { 14, 59, 60, 61, 1514, 9018, 65553 };

	(void)fixed;
	for (guint pieces = 1; pieces <= 64; pieces *= 8) {
		jf_harness_set_pieces(f->h, pieces);
		for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
			vmm_send(f, lens[i], i);
			wire_expect(f->h, 0, lens[i], i);
			g_assert_true(wire_push(f->h, 0, lens[i], i));
			vmm_expect(f, lens[i], i);
		}
	}
}

static void
test_not_there_and_back(Fixture *f, gconstpointer fixed)
{
	(void)fixed;
	close(f->vmm);
	g_unlink(f->vmm_path);
	for (guint i = 0; i < 100; i++)
		g_assert_true(wire_push(f->h, 0, 60, i));
	g_assert_cmpuint(wire_counter(f->h, "no-vmm-drops"), ==, 100);
	for (guint i = 0; i < 3; i++) {
		f->vmm = vmm_open(f->vmm_path);
		vmm_send(f, 60, i);
		wire_expect(f->h, 0, 60, i);
		g_assert_true(wire_push(f->h, 0, 60, i));
		vmm_expect(f, 60, i);
		close(f->vmm);
		g_assert_true(wire_push(f->h, 0, 60, i));
	}
	g_assert_cmpuint(wire_counter(f->h, "no-vmm-drops"), ==, 103);
	f->vmm = vmm_open(f->vmm_path);
	vmm_send(f, 60, 4);
	wire_expect(f->h, 0, 60, 4);
}

/* A VMM without an address of its own is heard; it cannot be answered. */
static void
test_nameless(Fixture *f, gconstpointer fixed)
{
	(void)fixed;
	close(f->vmm);
	f->vmm = vmm_open(NULL);
	vmm_send(f, 60, 1);
	wire_expect(f->h, 0, 60, 1);
	g_assert_true(wire_push(f->h, 0, 60, 1));
	g_assert_cmpuint(wire_counter(f->h, "no-vmm-drops"), ==, 1);
}

static void
test_bad_lengths(Fixture *f, gconstpointer fixed)
{
	(void)fixed;
	for (guint32 len = 0; len <= 14; len++) {
		vmm_send(f, len, len);
		jf_harness_poll(f->h, 0);
	}
	wire_expect(f->h, 0, 14, 14);
	vmm_send(f, JF_FRAME_MAX_LEN + 1, 0);
	jf_harness_poll(f->h, 0);
	vmm_send(f, 80000, 0);
	jf_harness_poll(f->h, 0);
	vmm_send(f, JF_FRAME_MAX_LEN, 1);
	wire_expect(f->h, 0, JF_FRAME_MAX_LEN, 1);
	g_assert_cmpuint(wire_counter(f->h, "bad-length"), ==, 14 + 2);
}

/* 20,000 frames each way through queues of a few datagrams, with both ends refusing at times. */
static void
test_throttled(Fixture *f, gconstpointer fixed)
{
	const guint32 total = 20000;
	guint32 out = 0, out_seen = 0, in = 0, in_seen = 0;
	guint64 state = 1;

	(void)fixed;
	while (out_seen < total || in_seen < total) {
		while (out < total && wire_push(f->h, 0, wire_frame_len(out), out))
			out++;
		while (in < total && vmm_try_send(f, wire_frame_len(in), in))
			in++;
		jf_harness_set_capacity(f->h, 0, wire_random(&state) % 20);
		jf_harness_crank(f->h, 50000);
		jf_harness_poll(f->h, 0);
		while (wire_random(&state) % 8 && out_seen < out &&
		       vmm_try_expect(f->vmm, wire_frame_len(out_seen), out_seen))
			out_seen++;
		while (jf_harness_get_queued(f->h, 0)) {
			wire_expect(f->h, 0, wire_frame_len(in_seen), in_seen);
			in_seen++;
		}
	}
}

static void
test_socket_file(Fixture *f, gconstpointer fixed)
{
	g_autofree char *property = g_strdup_printf("path=%s", f->path);
	g_autofree char *file = g_build_filename(f->dir, "file", NULL);
	g_autofree char *of_file = g_strdup_printf("path=%s", file);
	struct stat st;

	(void)fixed;
	g_assert_cmpint(stat(f->path, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
	wire_start_fails((const char *[]){ property, NULL }, JF_ERROR_BUSY, f->path);
	g_assert_true(g_file_set_contents(file, "mine", 4, NULL));
	wire_start_fails((const char *[]){ of_file, NULL }, JF_ERROR_BUSY, file);
	g_assert_true(g_file_test(file, G_FILE_TEST_IS_REGULAR));
	g_remove(file);
	/* One that was left behind by a crash. */
	close(vmm_open(file));
	wire_stop(wire_start((const char *[]){ of_file, NULL }));
	g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

static void
test_udp(void)
{
	guint a = wire_free_port(SOCK_DGRAM), b = wire_free_port(SOCK_DGRAM);
	g_autofree char *port_a = g_strdup_printf("port=%u", a);
	g_autofree char *port_b = g_strdup_printf("port=%u", b);
	g_autofree char *to_a = g_strdup_printf("remote-port=%u", a);
	g_autofree char *to_b = g_strdup_printf("remote-port=%u", b);
	JfHarness *one = wire_start((const char *[]){ port_a, to_b, NULL }), *two;

	/* Nobody there: a report comes back for each, and the next is sent all the same. */
	for (guint i = 0; i < 10; i++)
		g_assert_true(wire_push(one, 0, 60, i));
	g_assert_cmpuint(wire_counter(one, "no-vmm-drops"), >, 0);
	wire_start_fails((const char *[]){ port_a, to_b, NULL }, JF_ERROR_BUSY, port_a + 5);
	two = wire_start((const char *[]){ port_b, to_a, NULL });
	for (guint32 i = 0; i < 100; i++) {
		guint32 len = MIN(MAX(60, wire_frame_len(i)), 65507);

		g_assert_true(wire_push(one, 0, len, i));
		wire_expect(two, 0, len, i);
		g_assert_true(wire_push(two, 0, len, i));
		wire_expect(one, 0, len, i);
	}
	g_assert_true(wire_push(one, 0, JF_FRAME_MAX_LEN, 0));
	g_assert_cmpuint(wire_counter(one, "tx-errors"), ==, 1);
	wire_stop(one);
	wire_stop(two);
}

static void
test_properties(void)
{
	g_autofree char *name = g_strnfill(108, 'x');
	g_autofree char *path = g_strdup_printf("path=/%s", name);
	g_autofree char *remote = g_strdup_printf("remote-path=/%s", name);

	wire_start_fails((const char *[]){ NULL }, JF_ERROR_KEY, "remote-port");
	wire_start_fails((const char *[]){ "port=1", NULL }, JF_ERROR_KEY, "remote-port");
	wire_start_fails((const char *[]){ "path=/x", "port=1", NULL }, JF_ERROR_KEY, "path");
	wire_start_fails((const char *[]){ "port=1", "remote-port=2", "remote-path=/x", NULL },
			 JF_ERROR_KEY, "path");
	wire_start_fails((const char *[]){ "port=1", "remote-port=2", "remote-host=there", NULL },
			 JF_ERROR_VALUE, "there");
	wire_start_fails((const char *[]){ "port=1", "remote-port=2", "host=::1", NULL },
			 JF_ERROR_VALUE, "IPv6");
	wire_start_fails((const char *[]){ path, NULL }, JF_ERROR_VALUE, "107");
	wire_start_fails((const char *[]){ "path=/x", remote, NULL }, JF_ERROR_VALUE, "107");
}

#define ADD(name, func, fixed) g_test_add("/dgram/" name, Fixture, fixed, setup, func, teardown)

int
main(int argc, char **argv)
{
	wire_init(&argc, &argv);
	ADD("both-ways", test_both_ways, "fixed");
	ADD("both-ways-learned", test_both_ways, NULL);
	ADD("not-there-and-back", test_not_there_and_back, "fixed");
	ADD("not-there-and-back-learned", test_not_there_and_back, NULL);
	ADD("nameless", test_nameless, NULL);
	ADD("bad-lengths", test_bad_lengths, NULL);
	ADD("throttled", test_throttled, "fixed");
	ADD("socket-file", test_socket_file, NULL);
	g_test_add_func("/dgram/udp", test_udp);
	g_test_add_func("/dgram/properties", test_properties);
	return g_test_run();
}
