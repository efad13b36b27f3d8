/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.c - the stream connector against a VMM played by the test. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Fixture {
	char *dir, *path;
	JfHarness *h;
	int vmm;
} Fixture;

static int
vmm_connect(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(un.sun_path, path, sizeof un.sun_path);
	if (connect(fd, (struct sockaddr *)&un, sizeof un)) {
		close(fd);
		return -1;
	}
	return fd;
}

static JfHarness *
start_at(const char *path, const char *more)
{
	g_autofree char *property = g_strdup_printf("path=%s", path);

	return wire_start((const char *[]){ property, more, NULL });
}

static void
setup(Fixture *f, gconstpointer more)
{
	f->dir = wire_tmp_new();
	f->path = g_build_filename(f->dir, "vmm", NULL);
	f->h = start_at(f->path, more);
	f->vmm = vmm_connect(f->path);
	wire_wait_link(f->h, TRUE);
}

static void
teardown(Fixture *f, gconstpointer more)
{
	(void)more;
	if (f->vmm >= 0)
		close(f->vmm);
	wire_stop(f->h);
	g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
	g_free(f->path);
	wire_tmp_free(f->dir);
}

static void
vmm_write(JfHarness *h, int fd, gconstpointer data, gsize len)
{
	const guint8 *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			jf_harness_poll(h, 1);
			continue;
		}
		g_assert_cmpint(n, >, 0);
		p += n;
		len -= (gsize)n;
	}
}

static gsize
wire_put(guint8 *p, guint32 len, guint32 seq)
{
	jf_put_be32(p, len);
	wire_frame_fill(p + 4, len, seq);
	return 4 + len;
}

static void
vmm_send(JfHarness *h, int fd, guint32 len, guint32 seq)
{
	g_autofree guint8 *bytes = g_malloc(4 + len);

	vmm_write(h, fd, bytes, wire_put(bytes, len, seq));
}

static void
vmm_read(JfHarness *h, int fd, gpointer data, gsize len)
{
	gint64 deadline = g_get_monotonic_time() + WIRE_TIMEOUT_MS * 1000;
	guint8 *p = data;

	while (len) {
		ssize_t n = recv(fd, p, len, MSG_DONTWAIT);

		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		if (n < 0 && errno == EAGAIN) {
			jf_harness_poll(h, 1);
			continue;
		}
		g_assert_cmpint(n, >, 0);
		p += n;
		len -= (gsize)n;
	}
}

/* The next frame must be number `seq` of `len` bytes, padded. */
static void
vmm_expect(JfHarness *h, int fd, guint32 len, guint32 seq)
{
	guint32 wire = MAX(len, 60);
	g_autofree guint8 *bytes = g_malloc(4 + wire);

	vmm_read(h, fd, bytes, 4 + wire);
	g_assert_cmpuint(jf_get_be32(bytes), ==, wire);
	g_assert_true(wire_frame_is(bytes + 4, len, seq));
	for (guint32 i = len; i < wire; i++)
		g_assert_cmpuint(bytes[4 + i], ==, 0);
}

static void
vmm_expect_gone(JfHarness *h, int fd)
{
	gint64 deadline = g_get_monotonic_time() + WIRE_TIMEOUT_MS * 1000;
	char byte;
	ssize_t n;

	while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		jf_harness_poll(h, 1);
	}
	/* A reset where we had not been read to the end. */
	g_assert_true(n == 0 || errno == ECONNRESET);
}

static void
vmm_reconnect(Fixture *f)
{
	guint64 before = wire_counter(f->h, "vmm-connects");

	close(f->vmm);
	wire_wait_link(f->h, FALSE);
	f->vmm = vmm_connect(f->path);
	g_assert_cmpint(f->vmm, >=, 0);
	wire_wait_counter(f->h, "vmm-connects", before + 1);
	g_assert_true(jf_harness_get_link(f->h, 0));
}

static void
test_both_ways(Fixture *f, gconstpointer more)
{
	static const guint32 lens[] = { 14, 59, 60, 61, 256, 257, 1514, 9018, 65553 };

	(void)more;
	for (guint pieces = 1; pieces <= 64; pieces *= 8) {
		jf_harness_set_pieces(f->h, pieces);
		for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
			g_assert_true(wire_push(f->h, 0, lens[i], i));
			vmm_expect(f->h, f->vmm, lens[i], i);
			vmm_send(f->h, f->vmm, lens[i], i);
			wire_expect(f->h, 0, lens[i], i);
		}
	}
}

/* Two frames, cut in three at every pair of places. */
static void
test_cuts(Fixture *f, gconstpointer more)
{
	guint8 bytes[2 * 24];
	gsize len = wire_put(bytes, 20, 1);

	(void)more;
	len += wire_put(bytes + len, 18, 2);
	for (gsize a = 1; a < len; a++)
		for (gsize b = a; b < len; b++) {
			vmm_write(f->h, f->vmm, bytes, a);
			jf_harness_poll(f->h, 0);
			vmm_write(f->h, f->vmm, bytes + a, b - a);
			jf_harness_poll(f->h, 0);
			vmm_write(f->h, f->vmm, bytes + b, len - b);
			wire_expect(f->h, 0, 20, 1);
			wire_expect(f->h, 0, 18, 2);
		}
}

static void
test_bad_lengths(Fixture *f, gconstpointer more)
{
	static const guint32 bad[] = { 0, JF_FRAME_MAX_LEN + 1, 0x10000000, 0xffffffff };

	(void)more;
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		guint8 head[4];

		jf_put_be32(head, bad[i]);
		vmm_send(f->h, f->vmm, 100, i);
		vmm_write(f->h, f->vmm, head, sizeof head);
		wire_expect(f->h, 0, 100, i);
		vmm_expect_gone(f->h, f->vmm);
		g_assert_cmpuint(wire_counter(f->h, "bad-framing"), ==, i + 1);
		g_assert_false(jf_harness_get_link(f->h, 0));
		vmm_reconnect(f);
	}
	vmm_send(f->h, f->vmm, 100, 1);
	wire_expect(f->h, 0, 100, 1);
}

/* It is waited for, and its second half is welcome an hour later. */
static void
test_half_a_frame(Fixture *f, gconstpointer more)
{
	guint8 bytes[4 + 1000];
	gsize len = wire_put(bytes, 1000, 7);

	(void)more;
	vmm_write(f->h, f->vmm, bytes, 500);
	while (jf_harness_poll(f->h, 0))
		;
	jf_harness_crank(f->h, G_GUINT64_CONSTANT(3600000000000));
	while (jf_harness_poll(f->h, 0))
		;
	g_assert_true(jf_harness_get_link(f->h, 0));
	g_assert_true(wire_push(f->h, 0, 60, 1));
	vmm_expect(f->h, f->vmm, 60, 1);
	vmm_write(f->h, f->vmm, bytes + 500, len - 500);
	wire_expect(f->h, 0, 1000, 7);
}

static void
test_closed_mid_frame(Fixture *f, gconstpointer more)
{
	guint8 bytes[4 + 1000];

	(void)more;
	wire_put(bytes, 1000, 7);
	vmm_write(f->h, f->vmm, bytes, 500);
	vmm_reconnect(f);
	vmm_send(f->h, f->vmm, 60, 8);
	wire_expect(f->h, 0, 60, 8);
	g_assert_cmpuint(jf_harness_get_queued(f->h, 0), ==, 0);
}

static void
test_runts(Fixture *f, gconstpointer more)
{
	(void)more;
	for (guint32 len = 1; len <= 14; len++)
		vmm_send(f->h, f->vmm, len, len);
	wire_expect(f->h, 0, 14, 14);
	g_assert_cmpuint(wire_counter(f->h, "runts"), ==, 13);
	g_assert_cmpuint(jf_harness_get_drops(f->h, 0), ==, 0);
}

static void
test_one_vmm(Fixture *f, gconstpointer more)
{
	int second = vmm_connect(f->path);

	(void)more;
	vmm_expect_gone(f->h, second);
	close(second);
	g_assert_cmpuint(wire_counter(f->h, "vmm-refused"), ==, 1);
	vmm_send(f->h, f->vmm, 60, 1);
	wire_expect(f->h, 0, 60, 1);
	/* The next one may come before the end of the last has been seen. */
	close(f->vmm);
	f->vmm = vmm_connect(f->path);
	wire_wait_counter(f->h, "vmm-connects", 2);
	g_assert_true(wire_push(f->h, 0, 60, 2));
	vmm_expect(f->h, f->vmm, 60, 2);
	g_assert_cmpuint(wire_counter(f->h, "vmm-refused"), ==, 1);
}

static void
test_nobody(Fixture *f, gconstpointer more)
{
	(void)more;
	close(f->vmm);
	f->vmm = -1;
	wire_wait_link(f->h, FALSE);
	for (guint i = 0; i < 1000; i++)
		g_assert_true(wire_push(f->h, 0, 60, i));
	g_assert_cmpuint(wire_counter(f->h, "no-vmm-drops"), ==, 1000);
	f->vmm = vmm_connect(f->path);
	wire_wait_link(f->h, TRUE);
	g_assert_true(wire_push(f->h, 0, 60, 1000));
	vmm_expect(f->h, f->vmm, 60, 1000);
}

/* Refused by the far end, frames wait in the socket, in order. */
static void
test_refused(Fixture *f, gconstpointer more)
{
	(void)more;
	jf_harness_set_capacity(f->h, 0, 3);
	for (guint32 i = 0; i < 120; i++)
		vmm_send(f->h, f->vmm, 18 + i, i);
	for (guint32 i = 0; i < 120; i++)
		wire_expect(f->h, 0, 18 + i, i);
}

/* What a VMM sent last is not lost when it goes while there is no room. */
static void
test_refused_and_gone(Fixture *f, gconstpointer more)
{
	(void)more;
	jf_harness_set_capacity(f->h, 0, 3);
	for (guint32 i = 0; i < 100; i++)
		vmm_send(f->h, f->vmm, 600, i);
	wire_wait_queued(f->h, 0, 3);
	close(f->vmm);
	f->vmm = -1;
	/* An end that cannot be dealt with yet must not keep the worker awake. */
	for (guint i = 0; i < 10; i++)
		jf_harness_poll(f->h, 0);
	g_assert_cmpuint(jf_harness_poll(f->h, 0), ==, 0);
	for (guint32 i = 0; i < 100; i++)
		wire_expect(f->h, 0, 600, i);
	wire_wait_link(f->h, FALSE);
}

/* 100,000 frames of all lengths to a VMM that reads in fits and starts from a small socket. */
static void
test_throttled_out(Fixture *f, gconstpointer more)
{
	const guint32 total = 100000;
	g_autofree guint8 *got = g_malloc(1 << 20);
	guint64 state = 1;
	gsize have = 0;
	guint32 pushed = 0, seen = 0;

	(void)more;
	while (seen < total) {
		gsize at = 0;
		ssize_t n;

		while (pushed < total && wire_push(f->h, 0, wire_frame_len(pushed), pushed))
			pushed++;
		jf_harness_poll(f->h, 0);
		n = recv(f->vmm, got + have, 1 + wire_random(&state) % 200000, MSG_DONTWAIT);
		g_assert_true(n > 0 || errno == EAGAIN);
		have += n > 0 ? (gsize)n : 0;
		while (have - at >= 4 && have - at - 4 >= jf_get_be32(got + at)) {
			guint32 len = wire_frame_len(seen);

			g_assert_cmpuint(jf_get_be32(got + at), ==, MAX(len, 60));
			g_assert_true(wire_frame_is(got + at + 4, len, seen++));
			at += 4 + jf_get_be32(got + at);
		}
		memmove(got, got + at, have - at);
		have -= at;
	}
	g_assert_cmpuint(have, ==, 0);
}

/* The same the other way, cut at random, with a far end that keeps refusing. */
static void
test_throttled_in(Fixture *f, gconstpointer more)
{
	const guint32 total = 100000;
	g_autofree guint8 *out = g_malloc(1 << 20);
	guint64 state = 2;
	gsize have = 0, sent = 0;
	guint32 made = 0, seen = 0;

	(void)more;
	while (seen < total) {
		g_autoptr(JfHarnessFrame) frame = NULL;
		gsize cut = 1 + wire_random(&state) % 90000;
		ssize_t n;

		while (made < total && have < 500000) {
			have += wire_put(out + have, wire_frame_len(made), made);
			made++;
		}
		n = send(f->vmm, out + sent, MIN(have - sent, cut), MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (gsize)n : 0;
		if (sent == have)
			have = sent = 0;
		jf_harness_set_capacity(f->h, 0, 1 + wire_random(&state) % 100);
		jf_harness_poll(f->h, 0);
		while (wire_random(&state) % 50 && (frame = jf_harness_pull(f->h, 0))) {
			g_assert_cmpuint(frame->len, ==, wire_frame_len(seen));
			g_assert_true(wire_frame_is(frame->data, frame->len, seen++));
			g_clear_pointer(&frame, jf_harness_frame_free);
		}
	}
}

/* Bytes that are framing only by chance: what a plain parser makes of them is what comes out. */
static void
fuzz_once(Fixture *f, guint64 *state)
{
	guint8 bytes[3000];
	gsize len = 0, at = 0, end = 0;
	gboolean bad = FALSE;

	while (len < sizeof bytes - 300) {
		guint32 body = wire_random(state) % 200;

		if (wire_random(state) % 40 == 0)
			body = wire_random(state) << (wire_random(state) % 2);
		jf_put_be32(bytes + len, body);
		len += 4;
		for (body = MIN(body, 250); body; body--)
			bytes[len++] = (guint8)wire_random(state);
	}
	for (gsize cut; at < len; at += cut) {
		cut = 1 + wire_random(state) % 400;
		cut = MIN(cut, len - at);
		if (send(f->vmm, bytes + at, cut, MSG_NOSIGNAL) < 0)
			break;
		jf_harness_poll(f->h, 0);
	}
	while (jf_harness_poll(f->h, 0))
		;
	while (len - end >= 4 && !bad) {
		guint32 body = jf_get_be32(bytes + end);
		g_autoptr(JfHarnessFrame) frame = NULL;

		bad = body == 0 || body > JF_FRAME_MAX_LEN;
		if (bad || len - end - 4 < body)
			break;
		if (body >= JF_FRAME_MIN_LEN) {
			frame = jf_harness_pull(f->h, 0);
			g_assert_nonnull(frame);
			g_assert_cmpmem(frame->data, frame->len, bytes + end + 4, body);
		}
		end += 4 + body;
	}
	g_assert_cmpuint(jf_harness_get_queued(f->h, 0), ==, 0);
	g_assert_cmpint(jf_harness_get_link(f->h, 0), ==, !bad);
	vmm_reconnect(f);
}

static void
test_fuzz(Fixture *f, gconstpointer more)
{
	guint64 state = 3;

	(void)more;
	for (guint i = 0; i < 500; i++)
		fuzz_once(f, &state);
}

/* ---- Frames from several threads, while VMMs come and go ---- */

#define SENDERS 3u
#define SENDER_FRAMES 20000u

typedef struct Sender {
	JfInstance *inst;
	guint32 id;
} Sender;

/* What the core does for a driver with PARALLEL_INPUT, but that it waits for resume. */
static gpointer
sender_run(gpointer data)
{
	Sender *sender = data;
	guint8 bytes[16][100];
	struct iovec pieces[16];
	JfFrame frames[16];
	guint32 seq = 0;

	while (seq < SENDER_FRAMES) {
		guint n = MIN(16, SENDER_FRAMES - seq), taken;

		for (guint i = 0; i < n; i++) {
			wire_frame_fill(bytes[i], sizeof bytes[i], sender->id << 24 | (seq + i));
			pieces[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
			frames[i] = jf_frame_plain(&pieces[i]);
		}
		taken = sender->inst->driver->input(sender->inst, 0, frames, n);
		seq += taken;
		if (!taken)
			g_thread_yield();
	}
	return NULL;
}

static void
threads_start(Fixture *f, Sender *senders, GThread **threads)
{
	for (guint32 i = 0; i < SENDERS; i++) {
		senders[i] = (Sender){ jf_harness_get_instance(f->h), i };
		threads[i] = g_thread_new("sender", sender_run, &senders[i]);
	}
}

static void
test_threads(Fixture *f, gconstpointer more)
{
	Sender senders[SENDERS];
	GThread *threads[SENDERS];
	guint32 next[SENDERS] = { 0 };

	(void)more;
	threads_start(f, senders, threads);
	for (guint i = 0; i < SENDERS * SENDER_FRAMES; i++) {
		guint8 bytes[104];
		guint32 seq;

		vmm_read(f->h, f->vmm, bytes, sizeof bytes);
		seq = jf_get_be32(bytes + 18);
		g_assert_cmpuint(seq >> 24, <, SENDERS);
		g_assert_cmpuint(seq & 0xffffff, ==, next[seq >> 24]++);
		g_assert_true(wire_frame_is(bytes + 4, 100, seq));
	}
	for (guint i = 0; i < SENDERS; i++)
		g_thread_join(threads[i]);
}

static gboolean
all_sent(JfHarness *h, gpointer data)
{
	(void)h;
	return g_atomic_int_get((int *)data) == (int)SENDERS;
}

static gpointer
sender_run_and_tell(gpointer data)
{
	gpointer *both = data;

	sender_run(both[0]);
	g_atomic_int_inc((int *)both[1]);
	return NULL;
}

/* VMMs that leave without reading: senders never hang. */
static void
test_threads_and_leavers(Fixture *f, gconstpointer more)
{
	Sender senders[SENDERS];
	GThread *threads[SENDERS];
	gpointer both[SENDERS][2];
	int done = 0;

	(void)more;
	for (guint32 i = 0; i < SENDERS; i++) {
		senders[i] = (Sender){ jf_harness_get_instance(f->h), i };
		both[i][0] = &senders[i];
		both[i][1] = &done;
		threads[i] = g_thread_new("sender", sender_run_and_tell, both[i]);
	}
	for (guint i = 0; i < 50; i++) {
		guint8 bytes[5000];

		if (recv(f->vmm, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
			jf_harness_poll(f->h, 0);
		vmm_reconnect(f);
	}
	close(f->vmm);
	f->vmm = -1;
	g_assert_true(jf_harness_poll_until(f->h, all_sent, &done, WIRE_TIMEOUT_MS));
	for (guint i = 0; i < SENDERS; i++)
		g_thread_join(threads[i]);
}

/* ---- Addresses ---- */

static void
test_two_instances(Fixture *f, gconstpointer more)
{
	g_autofree char *path = g_build_filename(f->dir, "other", NULL);
	JfHarness *other = start_at(path, NULL);
	int vmm = vmm_connect(path);

	(void)more;
	wire_wait_link(other, TRUE);
	vmm_send(other, vmm, 60, 1);
	vmm_send(f->h, f->vmm, 61, 2);
	wire_expect(other, 0, 60, 1);
	wire_expect(f->h, 0, 61, 2);
	close(vmm);
	wire_wait_link(other, FALSE);
	g_assert_true(jf_harness_get_link(f->h, 0));
	g_assert_cmpuint(wire_counter(f->h, "vmm-connects"), ==, 1);
	wire_stop(other);
}

static void
test_restart(Fixture *f, gconstpointer more)
{
	g_autoptr(GError) error = NULL;

	(void)more;
	for (guint i = 0; i < 5; i++) {
		jf_harness_stop(f->h);
		vmm_expect_gone(f->h, f->vmm);
		close(f->vmm);
		g_assert_cmpint(vmm_connect(f->path), <, 0);
		g_assert_true(jf_harness_start(f->h, &error));
		f->vmm = vmm_connect(f->path);
		wire_wait_link(f->h, TRUE);
	}
}

static void
test_socket_file(Fixture *f, gconstpointer more)
{
	g_autofree char *property = g_strdup_printf("path=%s", f->path);
	g_autofree char *file = g_build_filename(f->dir, "file", NULL);
	g_autofree char *nowhere = g_strdup_printf("path=%s/none/vmm", f->dir);
	g_autofree char *of_file = g_strdup_printf("path=%s", file);
	struct stat st;
	int fd;

	(void)more;
	g_assert_cmpint(stat(f->path, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
	wire_start_fails((const char *[]){ property, NULL }, JF_ERROR_BUSY, f->path);
	wire_start_fails((const char *[]){ nowhere, NULL }, JF_ERROR_NOT_FOUND, "none/vmm");
	/* To find that out it came as a visitor, who is no reason to leave the VMM. */
	wire_wait_counter(f->h, "vmm-refused", 1);
	vmm_send(f->h, f->vmm, 60, 1);
	wire_expect(f->h, 0, 60, 1);
	g_assert_true(g_file_set_contents(file, "mine", 4, NULL));
	wire_start_fails((const char *[]){ of_file, NULL }, JF_ERROR_BUSY, file);
	g_assert_true(g_file_test(file, G_FILE_TEST_IS_REGULAR));
	/* One that was left behind by a crash. */
	g_remove(file);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		g_strlcpy(un.sun_path, file, sizeof un.sun_path);
		g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof un), ==, 0);
	}
	close(fd);
	wire_stop(start_at(file, NULL));
	g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

static void
test_properties(void)
{
	g_autofree char *name = g_strnfill(108, 'x');
	g_autofree char *path = g_strdup_printf("path=/%s", name);

	wire_start_fails((const char *[]){ NULL }, JF_ERROR_KEY, "path");
	wire_start_fails((const char *[]){ "host=127.0.0.1", NULL }, JF_ERROR_KEY, "port");
	wire_start_fails((const char *[]){ "path=/x", "port=1", NULL }, JF_ERROR_KEY, "path");
	wire_start_fails((const char *[]){ "path=/x", "reconnect=50", NULL }, JF_ERROR_KEY,
			 "mode=connect");
	wire_start_fails((const char *[]){ "host=example.org", "port=1", NULL }, JF_ERROR_VALUE,
			 "example.org");
	wire_start_fails((const char *[]){ path, NULL }, JF_ERROR_VALUE, "107");
}

/* A process of another user, where this one may become one. */
static void
test_other_user(Fixture *f, gconstpointer more)
{
	int status;
	pid_t pid;

	(void)more;
	if (geteuid()) {
		g_test_skip("only root can be somebody else");
		return;
	}
	close(f->vmm);
	f->vmm = -1;
	wire_wait_link(f->h, FALSE);
	g_assert_cmpint(chmod(f->path, 0666), ==, 0);
	g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
	pid = fork();
	if (!pid) {
		char byte;
		int fd = setuid(65534) ? -1 : vmm_connect(f->path);

		_exit(fd >= 0 && recv(fd, &byte, 1, 0) <= 0 ? 0 : 1);
	}
	wire_wait_counter(f->h, "vmm-refused", 1);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(status, ==, 0);
	g_assert_cmpuint(wire_counter(f->h, "vmm-connects"), ==, 1);
	g_assert_false(jf_harness_get_link(f->h, 0));
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(un.sun_path, path, sizeof un.sun_path);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof un), ==, 0);
	g_assert_cmpint(listen(fd, 4), ==, 0);
	return fd;
}

static void
test_connect(void)
{
	char *dir = wire_tmp_new();
	g_autofree char *path = g_build_filename(dir, "vmm", NULL);
	g_autofree char *property = g_strdup_printf("path=%s", path);
	JfHarness *h =
		wire_start((const char *[]){ property, "mode=connect", "reconnect=200", NULL });
	int listener, vmm;

	/* Nobody there yet. */
	jf_harness_crank(h, G_GUINT64_CONSTANT(1000000000));
	g_assert_false(jf_harness_get_link(h, 0));
	listener = listen_at(path);
	for (guint i = 0; i < 3; i++) {
		jf_harness_crank(h, 200000000);
		wire_wait_link(h, TRUE);
		vmm = accept(listener, NULL, NULL);
		vmm_send(h, vmm, 60, i);
		wire_expect(h, 0, 60, i);
		g_assert_true(wire_push(h, 0, 60, i));
		vmm_expect(h, vmm, 60, i);
		close(vmm);
		wire_wait_link(h, FALSE);
	}
	g_assert_cmpuint(wire_counter(h, "vmm-connects"), ==, 3);
	wire_stop(h);
	close(listener);
	wire_tmp_free(dir);
}

static void
test_tcp(void)
{
	guint port = wire_free_port(SOCK_STREAM);
	g_autofree char *property = g_strdup_printf("port=%u", port);
	JfHarness *h = wire_start((const char *[]){ property, NULL });
	JfHarness *client = wire_start((const char *[]){ property, "mode=connect", NULL });

	while (!jf_harness_get_link(h, 0) || !jf_harness_get_link(client, 0)) {
		jf_harness_poll(h, 1);
		jf_harness_poll(client, 1);
	}
	for (guint32 i = 0; i < 100; i++) {
		guint32 len = MAX(60, wire_frame_len(i));

		g_assert_true(wire_push(client, 0, len, i));
		wire_expect(h, 0, len, i);
		g_assert_true(wire_push(h, 0, len, i));
		wire_expect(client, 0, len, i);
	}
	wire_start_fails((const char *[]){ property, NULL }, JF_ERROR_BUSY, property + 5);
	wire_stop(client);
	wire_wait_link(h, FALSE);
	wire_stop(h);
}

#define ADD(name, more, func) g_test_add("/stream/" name, Fixture, more, setup, func, teardown)

int
main(int argc, char **argv)
{
	wire_init(&argc, &argv);
	ADD("both-ways", NULL, test_both_ways);
	ADD("cuts", NULL, test_cuts);
	ADD("bad-lengths", NULL, test_bad_lengths);
	ADD("half-a-frame", NULL, test_half_a_frame);
	ADD("closed-mid-frame", NULL, test_closed_mid_frame);
	ADD("runts", NULL, test_runts);
	ADD("one-vmm", NULL, test_one_vmm);
	ADD("nobody", NULL, test_nobody);
	ADD("refused", NULL, test_refused);
	ADD("refused-and-gone", NULL, test_refused_and_gone);
	ADD("throttled-out", "send-buffer=4096", test_throttled_out);
	ADD("throttled-in", NULL, test_throttled_in);
	ADD("fuzz", NULL, test_fuzz);
	ADD("threads", "send-buffer=16K", test_threads);
	ADD("threads-and-leavers", "send-buffer=16K", test_threads_and_leavers);
	ADD("two-instances", NULL, test_two_instances);
	ADD("restart", NULL, test_restart);
	ADD("socket-file", NULL, test_socket_file);
	ADD("other-user", NULL, test_other_user);
	g_test_add_func("/stream/properties", test_properties);
	g_test_add_func("/stream/connect", test_connect);
	g_test_add_func("/stream/tcp", test_tcp);
	return g_test_run();
}
