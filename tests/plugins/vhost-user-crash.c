/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-user-crash.c - the vhost-user connector goes on with rings that a crash has left. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vhost-fixture.h"

typedef struct Crash {
	Front *front;
	guint8 *record, *memory_then, *record_then;
	gsize size;
} Crash;

/* What a crash would leave behind at this moment. */
static void
crash_now(gpointer data)
{
	Crash *crash = data;

	memcpy(crash->memory_then, crash->front->memory, FRONT_MEMORY);
	memcpy(crash->record_then, crash->record, crash->size);
}

typedef struct Inflight {
	guint64 size, offset;
	guint16 queues, queue_size;
	guint32 padding;
} Inflight;

static int
get_record(Front *front, Inflight *inflight)
{
	int fd = -1;

	*inflight = (Inflight){ .queues = 2, .queue_size = FRONT_RING_SIZE };
	front_send(front, FRONT_GET_INFLIGHT_FD, 0x1, inflight, 20, NULL, 0);
	g_assert_cmpint(front_receive(front, FRONT_GET_INFLIGHT_FD, inflight, sizeof *inflight,
				      &fd),
			==, 20);
	g_assert_cmpint(fd, >=, 0);
	return fd;
}

/* Three frames leave, and what a crash at that moment would leave behind is in *crash. */
static void
crash_with_three(Fixture *f, Crash *crash)
{
	Front *front = crash->front;
	guint8 frame[60];

	f->far[0].on_input = crash_now;
	f->far[0].data = crash;
	f->far[0].n = 0;
	for (guint8 i = 0; i < 3; i++) {
		fill(frame, i);
		front_transmit(front, i, frame, sizeof frame);
	}
	front_kick(front, 1);
	front_wait_used(front, 1, 4);
	g_assert_cmpuint(f->far[0].n, ==, 3);
	f->far[0].on_input = NULL;
	f->far[0].n = 0;
	front_disconnect(front);
	front_settle(front);
}

/* Back to the moment when the frames had left and the guest had not been told. */
static void
crash_go_back(const Crash *crash)
{
	Front *front = crash->front;

	memcpy(front->memory, crash->memory_then, FRONT_MEMORY);
	memcpy(crash->record, crash->record_then, crash->size);
	g_assert_cmpuint(front_used_index(front, 1), ==, 1);
	front->used[0] = front->used[1] = 1;
}

static void
crash_finish(Crash *crash)
{
	munmap(crash->record, crash->size);
	g_free(crash->memory_then);
	g_free(crash->record_then);
}

static void
set_up_with_record(Fixture *f, const Inflight *inflight, int fd)
{
	Front *front = &f->front[0];

	g_assert_true(front_connect(front, f->path[0]));
	front_set_up(front, 6);
	g_assert_true(front_set_acked(front, FRONT_SET_INFLIGHT_FD, inflight, 20, fd));
	front_set_up(front, G_MAXUINT);
}

static void
test_crash(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];
	Inflight inflight;
	int fd = get_record(front, &inflight);
	Crash crash = { front, NULL, g_malloc(FRONT_MEMORY), g_malloc(inflight.size),
			inflight.size };

	(void)data;
	crash.record = mmap(NULL, crash.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	front_disconnect(front);
	front_settle(front);
	set_up_with_record(f, &inflight, fd);
	check_alive(f, 0);
	crash_with_three(f, &crash);
	crash_go_back(&crash);
	set_up_with_record(f, &inflight, fd);
	front_wait_used(front, 1, 4);
	g_assert_cmpuint(f->far[0].n, ==, 0);
	check_alive(f, 0);
	crash_finish(&crash);
	close(fd);
}

/* A front end that keeps no record: ours is beside the socket. */
static void
own_record_open(Fixture *f, Crash *crash)
{
	int fd = open(f->record[0], O_RDWR | O_CLOEXEC);
	struct stat st;

	g_assert_cmpint(fstat(fd, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
	*crash = (Crash){ .front = &f->front[0], .size = (gsize)st.st_size };
	crash->memory_then = g_malloc(FRONT_MEMORY);
	crash->record_then = g_malloc(crash->size);
	crash->record = mmap(NULL, crash->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	g_assert_true(crash->record != MAP_FAILED);
	close(fd);
}

/* Goes on from the crash, and begins with stopping rings that do not run, as DPDK may; `sent`: how
 * many frames leave (once more). */
static void
own_record_go_on(Fixture *f, const Crash *crash, guint sent)
{
	g_assert_true(front_connect(crash->front, f->path[0]));
	front_stop_ring(crash->front, 0);
	front_stop_ring(crash->front, 1);
	front_set_up(crash->front, G_MAXUINT);
	front_wait_used(crash->front, 1, 4);
	g_assert_cmpuint(f->far[0].n, ==, sent);
	front_settle(crash->front);
}

static void
test_own_record(Fixture *f, gconstpointer data)
{
	Crash crash;

	(void)data;
	own_record_open(f, &crash);
	check_alive(f, 0);
	crash_with_three(f, &crash);
	crash_go_back(&crash);
	own_record_go_on(f, &crash, 0);
	check_alive(f, 0);
	crash_finish(&crash);
}

/* The same rings in other memory are those of another guest, of which nothing was sent. */
static void
test_other_memory(Fixture *f, gconstpointer data)
{
	Crash crash;

	(void)data;
	own_record_open(f, &crash);
	check_alive(f, 0);
	crash_with_three(f, &crash);
	front_finish(crash.front);
	front_init(crash.front, f->worker);
	crash_go_back(&crash);
	own_record_go_on(f, &crash, 3);
	crash_finish(&crash);
}

/* Nor are other buffers in the same place those that were sent. */
static void
test_other_buffers(Fixture *f, gconstpointer data)
{
	Crash crash;
	guint8 frame[60];

	(void)data;
	own_record_open(f, &crash);
	check_alive(f, 0);
	crash_with_three(f, &crash);
	crash_go_back(&crash);
	front_rewind(crash.front, 1, 1);
	for (guint8 i = 0; i < 3; i++) {
		fill(frame, i);
		front_transmit(crash.front, 5 + i, frame, sizeof frame);
	}
	own_record_go_on(f, &crash, 3);
	crash_finish(&crash);
}

/* The file goes with the card, unless a front end may come back. */
static void
test_record_file(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	jf_card_stop(f->card[0]);
	g_assert_true(g_file_test(f->record[0], G_FILE_TEST_EXISTS));
	front_disconnect(&f->front[1]);
	front_settle(&f->front[1]);
	jf_card_stop(f->card[1]);
	g_assert_false(g_file_test(f->record[1], G_FILE_TEST_EXISTS));
	jf_card_start(f->card[0], &error);
	g_assert_no_error(error);
	reconnect(f, 0);
	front_stop_ring(&f->front[0], 0);
	front_stop_ring(&f->front[0], 1);
	jf_card_stop(f->card[0]);
	g_assert_false(g_file_test(f->record[0], G_FILE_TEST_EXISTS));
}

/* Without a record, and with a front end that has lost count. */
static void
test_lost_count(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];

	(void)data;
	for (guint i = 0; i < 20; i++) {
		guint16 tx = front->used[1], rx = front->used[0];

		check_alive(f, 0);
		front_disconnect(front);
		front_settle(front);
		g_assert_true(front_connect(front, f->path[0]));
		front->used[0] = front->used[1] = 0;
		front_set_up(front, G_MAXUINT);
		front->used[0] = (guint16)(rx + 1);
		front->used[1] = (guint16)(tx + 1);
	}
	check_alive(f, 0);
}

int
main(int argc, char **argv)
{
	fixture_main(&argc, &argv);
	ADD("crash", test_crash, NULL);
	ADD("own-record", test_own_record, NULL);
	ADD("other-memory", test_other_memory, NULL);
	ADD("other-buffers", test_other_buffers, NULL);
	ADD("record-file", test_record_file, NULL);
	ADD("lost-count", test_lost_count, NULL);
	return g_test_run();
}
