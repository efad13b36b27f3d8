/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture.c - the capture filter: what passes, and what is in the file. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_NS 100000000u

typedef struct Fixture {
	char *dir, *path;
	JfHarness *h;
} Fixture;

static void
setup(Fixture *f, gconstpointer more)
{
	g_autofree char *property = NULL;

	f->dir = wire_tmp_new();
	f->path = g_build_filename(f->dir, "cable.pcapng", NULL);
	property = g_strdup_printf("file=%s", f->path);
	f->h = wire_start((const char *[]){ property, more, NULL });
}

static void
teardown(Fixture *f, gconstpointer more)
{
	(void)more;
	if (f->h)
		wire_stop(f->h);
	g_free(f->path);
	wire_tmp_free(f->dir);
}

static void
stop(Fixture *f)
{
	wire_stop(f->h);
	f->h = NULL;
}

/* Lets what is pending reach the file. */
static void
let_flush(JfHarness *h)
{
	jf_harness_poll(h, 0);
	jf_harness_crank(h, FLUSH_NS);
}

/* ---- A reader of our own: whole blocks only, all fields checked ---- */

typedef struct Packet {
	guint64 time;
	guint32 kept, len, direction;
	const guint8 *data;
} Packet;

typedef struct Capture {
	char *bytes;
	gsize len;
	char *name;
	guint32 snaplen;
	GArray *packets; /* Packet */
	gboolean ended;  /* has statistics */
	guint64 received, dropped;
} Capture;

static guint32
get32(const Capture *c, gsize at)
{
	guint32 value;

	g_assert_cmpuint(at + 4, <=, c->len);
	memcpy(&value, c->bytes + at, 4);
	return value;
}

/* Option `code` of the block from `at` to `end`: where its value is. */
static gsize
find_option(const Capture *c, gsize at, gsize end, guint16 code, guint16 *len)
{
	while (at + 4 <= end) {
		guint16 head[2];

		memcpy(head, c->bytes + at, 4);
		if (head[0] == code) {
			*len = head[1];
			return at + 4;
		}
		g_assert_cmpuint(head[0], !=, 0);
		at += 4 + (head[1] + 3u) / 4 * 4;
	}
	g_assert_not_reached();
}

static void
read_interface(Capture *c, gsize at, gsize end)
{
	guint16 len;
	gsize option = find_option(c, at + 16, end, 2, &len);

	g_assert_null(c->name);
	c->name = g_strndup(c->bytes + option, len);
	c->snaplen = get32(c, at + 12);
	g_assert_cmpuint(get32(c, at + 8), ==, 1);
	option = find_option(c, at + 16, end, 9, &len);
	g_assert_cmpint(c->bytes[option], ==, 9);
}

static void
read_packet(Capture *c, gsize at, gsize end)
{
	Packet packet = { .time = (guint64)get32(c, at + 12) << 32 | get32(c, at + 16),
			  .kept = get32(c, at + 20),
			  .len = get32(c, at + 24),
			  .data = (const guint8 *)c->bytes + at + 28 };
	gsize options = at + 28 + (packet.kept + 3) / 4 * 4;
	guint16 len;

	g_assert_nonnull(c->name);
	g_assert_cmpuint(options, <, end);
	packet.direction = get32(c, find_option(c, options, end, 2, &len));
	g_array_append_val(c->packets, packet);
}

static void
read_statistics(Capture *c, gsize at, gsize end)
{
	guint16 len;

	memcpy(&c->received, c->bytes + find_option(c, at + 20, end, 4, &len), 8);
	memcpy(&c->dropped, c->bytes + find_option(c, at + 20, end, 5, &len), 8);
	c->ended = TRUE;
}

static void
read_block(Capture *c, gsize at, gsize end)
{
	switch (get32(c, at)) {
	case 0x0a0d0d0a:
		g_assert_cmpuint(at, ==, 0);
		g_assert_cmphex(get32(c, at + 8), ==, 0x1a2b3c4d);
		break;
	case 1:
		read_interface(c, at, end);
		break;
	case 5:
		read_statistics(c, at, end);
		break;
	case 6:
		read_packet(c, at, end);
		break;
	default:
		g_assert_not_reached();
	}
}

static Capture *
capture_read(const char *path)
{
	Capture *c = g_new0(Capture, 1);

	c->packets = g_array_new(FALSE, FALSE, sizeof(Packet));
	g_assert_true(g_file_get_contents(path, &c->bytes, &c->len, NULL));
	for (gsize at = 0; at < c->len;) {
		guint32 len = get32(c, at + 4);

		g_assert_false(c->ended);
		g_assert_cmpuint(len % 4, ==, 0);
		g_assert_cmpuint(get32(c, at + len - 4), ==, len);
		read_block(c, at, at + len - 4);
		at += len;
	}
	g_assert_nonnull(c->name);
	return c;
}

static void
capture_free(Capture *c)
{
	g_array_unref(c->packets);
	g_free(c->name);
	g_free(c->bytes);
	g_free(c);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Capture, capture_free)

static void
expect_packet(const Capture *c, guint i, guint32 len, guint32 seq, guint32 direction)
{
	const Packet *packet = &g_array_index(c->packets, Packet, i);

	g_assert_cmpuint(i, <, c->packets->len);
	g_assert_cmpuint(packet->len, ==, len);
	g_assert_cmpuint(packet->kept, ==, len);
	g_assert_cmpuint(packet->direction, ==, direction);
	g_assert_true(wire_frame_is(packet->data, len, seq));
}

/* ---- tshark's opinion ---- */

/* What `tshark -r` prints for these fields; NULL where there is no tshark. */
static char *
tshark(const char *path, const char *filter, const char *field)
{
	g_autofree char *program = g_find_program_in_path("tshark");
	const char *argv[] = { "tshark",
			       "-r",
			       path,
			       "-o",
			       "tcp.check_checksum:TRUE",
			       "-o",
			       "ip.check_checksum:TRUE",
			       "-Y",
			       filter,
			       "-T",
			       "fields",
			       "-e",
			       field,
			       NULL };
	g_autoptr(GError) error = NULL;
	g_autofree char *err = NULL;
	char *out = NULL;
	int status = -1;

	if (!program)
		return NULL;
	g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
		     &status, &error);
	g_assert_no_error(error);
	if (status)
		g_test_message("tshark: %s", err);
	g_assert_cmpint(status, ==, 0);
	return out;
}

static guint
count_lines(const char *text)
{
	guint n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* ---- Tests ---- */

static void
test_both_ways(Fixture *f, gconstpointer more)
{
	static const guint32 lens[] = { 14, 15, 16, 17, 60, 1514, 65553 };
	guint64 received;

	(void)more;
	for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
		g_assert_true(wire_push(f->h, 0, lens[i], i));
		wire_expect(f->h, 1, lens[i], i);
		jf_harness_crank(f->h, 1000);
		g_assert_true(wire_push(f->h, 1, lens[i], 100 + i));
		wire_expect(f->h, 0, lens[i], 100 + i);
		jf_harness_crank(f->h, 1000);
	}
	received = 2 * G_N_ELEMENTS(lens);
	let_flush(f->h);
	g_assert_cmpuint(wire_counter(f->h, "recorded"), ==, received);
	stop(f);
	{
		g_autoptr(Capture) c = capture_read(f->path);
		g_autofree char *numbers = tshark(f->path, "frame", "frame.number");

		g_assert_cmpuint(c->packets->len, ==, received);
		for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
			expect_packet(c, 2 * i, lens[i], i, 2);
			expect_packet(c, 2 * i + 1, lens[i], 100 + i, 1);
		}
		for (guint i = 1; i < c->packets->len; i++)
			g_assert_cmpuint(g_array_index(c->packets, Packet, i).time, ==,
					 g_array_index(c->packets, Packet, i - 1).time + 1000);
		g_assert_true(c->ended);
		g_assert_cmpuint(c->received, ==, received);
		g_assert_cmpuint(c->dropped, ==, 0);
		if (numbers)
			g_assert_cmpuint(count_lines(numbers), ==, received);
	}
}

/* Readable at any moment, and never more than 100 ms behind. */
static void
test_while_written(Fixture *f, gconstpointer more)
{
	(void)more;
	for (guint32 i = 0; i < 300; i++) {
		guint32 len = wire_frame_len(i);
		g_autoptr(Capture) before = NULL;
		g_autoptr(Capture) after = NULL;

		g_assert_true(wire_push(f->h, 0, len, i));
		jf_harness_poll(f->h, 0);
		before = capture_read(f->path);
		g_assert_cmpuint(before->packets->len, <=, i + 1);
		let_flush(f->h);
		after = capture_read(f->path);
		g_assert_cmpuint(after->packets->len, ==, i + 1);
		expect_packet(after, i, len, i, 2);
	}
	/* Nothing to write, nothing to wake up for. */
	g_assert_cmpuint(jf_harness_get_deadline(f->h), ==, 0);
}

/* A busy cable does not wait for the timer. */
static void
test_busy(Fixture *f, gconstpointer more)
{
	g_autoptr(Capture) c = NULL;

	(void)more;
	for (guint32 i = 0; i < 1000; i++)
		g_assert_true(wire_push(f->h, 0, 1514, i));
	c = capture_read(f->path);
	g_assert_cmpuint(c->packets->len, >, 900);
	for (guint32 i = 0; i < c->packets->len; i++)
		expect_packet(c, i, 1514, i, 2);
}

/* A frame that is refused and comes again is recorded once. */
static void
test_refused(Fixture *f, gconstpointer more)
{
	guint32 pushed = 0, seen = 0;

	(void)more;
	jf_harness_set_capacity(f->h, 1, 3);
	while (seen < 50) {
		while (pushed < 50 && wire_push(f->h, 0, 60, pushed))
			pushed++;
		g_assert_cmpuint(pushed, <=, seen + 3);
		wire_expect(f->h, 1, 60, seen++);
		jf_harness_poll(f->h, 0);
		g_assert_cmpuint(jf_harness_get_resumes(f->h, 0), >=, pushed < 50);
	}
	stop(f);
	{
		g_autoptr(Capture) c = capture_read(f->path);

		g_assert_cmpuint(c->packets->len, ==, 50);
		for (guint i = 0; i < 50; i++)
			expect_packet(c, i, 60, i, 2);
	}
}

/* Ethernet, IPv4, TCP as a guest with TSO makes it: 5000 bytes in segments of 1448. */
static void
make_tso(guint8 *frame)
{
	static const guint8 head[54] = {
		2,    0,    0,    0,    0, 2, 2, 0, 0,  0, 0, 1, 0x08, 0x00, /* Ethernet */
		0x45, 0,    0,    0,    0, 1, 0, 0, 64, 6, 0, 0, 10,   0,    0,    1, 10, 0, 0, 2,
		0x30, 0x39, 0x00, 0x50, 0, 0, 0, 1, 0,  0, 0, 1, 0x50, 0x18, 0x20, 0, 0,  0, 0, 0,
	};
	guint64 sum;

	wire_frame_fill(frame, 5054, 1);
	memcpy(frame, head, sizeof head);
	jf_put_be16(frame + 16, 5040);
	/* As the stack leaves it: the pseudo header's sum. */
	sum = jf_csum_add(0, frame + 26, 8) + GUINT16_TO_BE(6) + GUINT16_TO_BE(5020);
	{
		guint16 folded = jf_csum_fold(sum);

		memcpy(frame + 50, &folded, 2);
	}
}

static void
test_segments(Fixture *f, gconstpointer more)
{
	guint8 bytes[5054];
	struct iovec piece = { bytes, sizeof bytes };
	JfFrame frame = jf_frame_plain(&piece);
	g_autoptr(JfHarnessFrame) out = NULL;

	(void)more;
	make_tso(bytes);
	frame.flags = JF_FRAME_NEEDS_CSUM;
	frame.gso_type = JF_GSO_TCPV4;
	frame.gso_size = 1448;
	frame.hdr_len = 54;
	frame.csum_start = 34;
	frame.csum_offset = 16;
	g_assert_cmpuint(jf_harness_get_offloads(f->h, 0), ==, JF_OFFLOAD_ALL);
	g_assert_cmpuint(jf_harness_push(f->h, 0, &frame, 1), ==, 1);
	/* Whole on the cable. */
	out = jf_harness_pull(f->h, 1);
	g_assert_cmpuint(out->len, ==, sizeof bytes);
	g_assert_cmpuint(out->frame.gso_size, ==, 1448);
	g_assert_cmpmem(out->data, out->len, bytes, sizeof bytes);
	stop(f);
	{
		g_autoptr(Capture) c = capture_read(f->path);
		g_autofree char *good = tshark(
			f->path, "tcp.checksum.status == 1 && ip.checksum.status == 1", "tcp.len");

		g_assert_cmpuint(c->packets->len, ==, 4);
		if (good)
			g_assert_cmpstr(good, ==, "1448\n1448\n1448\n656\n");
	}
}

static void
test_snaplen(Fixture *f, gconstpointer more)
{
	(void)more;
	g_assert_true(wire_push(f->h, 0, 1514, 1));
	g_assert_true(wire_push(f->h, 0, 60, 2));
	stop(f);
	{
		g_autoptr(Capture) c = capture_read(f->path);
		const Packet *packet = &g_array_index(c->packets, Packet, 0);
		guint8 whole[1514];

		wire_frame_fill(whole, 1514, 1);
		g_assert_cmpuint(c->snaplen, ==, 77);
		g_assert_cmpuint(packet->len, ==, 1514);
		g_assert_cmpmem(packet->data, packet->kept, whole, 77);
		expect_packet(c, 1, 60, 2, 2);
	}
}

static void
test_max_size(Fixture *f, gconstpointer more)
{
	(void)more;
	for (guint32 i = 0; i < 1000; i++) {
		g_assert_true(wire_push(f->h, 0, 1000, i));
		wire_expect(f->h, 1, 1000, i);
	}
	let_flush(f->h);
	g_assert_cmpuint(wire_counter(f->h, "recorded") + wire_counter(f->h, "not-recorded"), ==,
			 1000);
	stop(f);
	{
		g_autoptr(Capture) c = capture_read(f->path);

		g_assert_cmpuint(c->len, <=, 100 << 10);
		g_assert_cmpuint(c->len, >, 98 << 10);
		g_assert_true(c->ended);
		g_assert_cmpuint(c->received, ==, 1000);
		g_assert_cmpuint(c->dropped, ==, 1000 - c->packets->len);
	}
}

/* No room for a while: frames pass, whole blocks stay, recording goes on when there is room. */
static void
test_full_disk(Fixture *f, gconstpointer more)
{
	struct rlimit before, small;
	g_autofree char *log = NULL;
	guint recorded;

	(void)more;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = 10000;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
	for (guint32 i = 0; i < 300; i++) {
		g_assert_true(wire_push(f->h, 0, 500, i));
		wire_expect(f->h, 1, 500, i);
		if (i % 10 == 9)
			let_flush(f->h);
	}
	recorded = (guint)wire_counter(f->h, "recorded");
	g_assert_cmpuint(recorded, <, 20);
	g_assert_cmpuint(recorded + wire_counter(f->h, "not-recorded"), ==, 300);
	{
		g_autoptr(Capture) c = capture_read(f->path);

		g_assert_cmpuint(c->packets->len, ==, recorded);
	}
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
	g_assert_true(wire_push(f->h, 0, 500, 300));
	let_flush(f->h);
	log = jf_harness_get_log(f->h);
	/* Once said, and once taken back. */
	g_assert_cmpuint(count_lines(log), ==, 2);
	stop(f);
	{
		g_autoptr(Capture) c = capture_read(f->path);

		g_assert_cmpuint(c->packets->len, ==, recorded + 1);
		expect_packet(c, recorded, 500, 300, 2);
		g_assert_cmpuint(c->dropped, ==, 300 - recorded);
		g_assert_cmpuint(c->received, ==, 301);
	}
}

static void
test_file(Fixture *f, gconstpointer more)
{
	g_autofree char *same = g_strdup_printf("file=%s", f->path);
	g_autofree char *dir = g_strdup_printf("file=%s", f->dir);
	g_autofree char *nowhere = g_strdup_printf("file=%s/none/x", f->dir);
	g_autofree char *symlink_path = g_build_filename(f->dir, "symlink", NULL);
	g_autofree char *of_symlink = g_strdup_printf("file=%s", symlink_path);
	g_autofree char *fifo_path = g_build_filename(f->dir, "fifo", NULL);
	g_autofree char *of_fifo = g_strdup_printf("file=%s", fifo_path);
	g_autofree char *old_path = g_build_filename(f->dir, "old", NULL);
	g_autofree char *of_old = g_strdup_printf("file=%s", old_path);
	g_autofree char *long_old = g_strnfill(10000, 'x');
	struct stat st;
	JfHarness *h;

	(void)more;
	g_assert_cmpint(stat(f->path, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
	wire_start_fails((const char *[]){ same, NULL }, JF_ERROR_BUSY, f->path);
	capture_free(capture_read(f->path));
	wire_start_fails((const char *[]){ dir, NULL }, JF_ERROR_VALUE, f->dir);
	wire_start_fails((const char *[]){ nowhere, NULL }, JF_ERROR_NOT_FOUND, "none");
	g_assert_true(g_file_set_contents(old_path, long_old, -1, NULL));
	g_assert_cmpint(symlink(old_path, symlink_path), ==, 0);
	wire_start_fails((const char *[]){ of_symlink, NULL }, JF_ERROR_PERMISSION, "symlink");
	g_assert_cmpint(stat(old_path, &st), ==, 0);
	g_assert_cmpint(st.st_size, ==, 10000);
	g_assert_cmpint(mkfifo(fifo_path, 0600), ==, 0);
	wire_start_fails((const char *[]){ of_fifo, NULL }, JF_ERROR_VALUE, "fifo");
	wire_start_fails((const char *[]){ of_old, "max-size=50", NULL }, JF_ERROR_VALUE,
			 "max-size");
	h = wire_start((const char *[]){ of_old, NULL });
	wire_stop(h);
	capture_free(capture_read(old_path));
	if (!geteuid()) {
		g_assert_cmpint(chown(old_path, 65534, 65534), ==, 0);
		wire_start_fails((const char *[]){ of_old, NULL }, JF_ERROR_PERMISSION,
				 "another user");
		g_assert_cmpint(stat(old_path, &st), ==, 0);
		g_assert_cmpint(st.st_size, >, 0);
	}
}

static void
test_restart(Fixture *f, gconstpointer more)
{
	(void)more;
	for (guint i = 0; i < 5; i++) {
		g_autoptr(Capture) c = NULL;

		g_assert_true(wire_push(f->h, i % 2, 60, i));
		jf_harness_stop(f->h);
		c = capture_read(f->path);
		g_assert_cmpuint(c->packets->len, ==, 1);
		expect_packet(c, 0, 60, i, i % 2 ? 1 : 2);
		g_assert_true(jf_harness_start(f->h, NULL));
	}
	g_assert_cmpuint(wire_counter(f->h, "recorded"), ==, 5);
}

#define SENDER_FRAMES 20000u

static gpointer
sender_run(gpointer data)
{
	JfInstance *inst = data;
	guint8 bytes[100];
	struct iovec piece = { bytes, sizeof bytes };
	JfFrame frame = jf_frame_plain(&piece);

	for (guint32 i = 0; i < SENDER_FRAMES; i++) {
		wire_frame_fill(bytes, sizeof bytes, i);
		inst->driver->input(inst, 1, &frame, 1);
	}
	return NULL;
}

/* The other direction on a thread of its own. */
static void
test_threads(Fixture *f, gconstpointer more)
{
	GThread *thread = g_thread_new("sender", sender_run, jf_harness_get_instance(f->h));
	guint32 next[3] = { 0 };

	(void)more;
	for (guint32 i = 0; i < SENDER_FRAMES; i++) {
		g_assert_true(wire_push(f->h, 0, 100, i));
		if (i % 16 == 0)
			jf_harness_crank(f->h, 10000000);
	}
	g_thread_join(thread);
	stop(f);
	{
		g_autoptr(Capture) c = capture_read(f->path);

		g_assert_cmpuint(c->packets->len, ==, 2 * SENDER_FRAMES);
		for (guint i = 0; i < c->packets->len; i++) {
			guint32 direction = g_array_index(c->packets, Packet, i).direction;

			g_assert_cmpuint(direction, >=, 1);
			g_assert_cmpuint(direction, <=, 2);
			expect_packet(c, i, 100, next[direction]++, direction);
		}
	}
}

#define ADD(name, func, more) g_test_add("/capture/" name, Fixture, more, setup, func, teardown)

int
main(int argc, char **argv)
{
	wire_init(&argc, &argv);
	ADD("both-ways", test_both_ways, NULL);
	ADD("while-written", test_while_written, NULL);
	ADD("busy", test_busy, NULL);
	ADD("refused", test_refused, NULL);
	ADD("segments", test_segments, NULL);
	ADD("snaplen", test_snaplen, "snaplen=77");
	ADD("max-size", test_max_size, "max-size=100K");
	ADD("full-disk", test_full_disk, NULL);
	ADD("file", test_file, NULL);
	ADD("restart", test_restart, NULL);
	ADD("threads", test_threads, NULL);
	return g_test_run();
}
