/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-user-hostile.c - the vhost-user connector against a front end that does everything wrong. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost-fixture.h"

/* Each request with bodies and descriptors of each number. Those that happen to be right may do
 * what they do; the others end this connection, and the other card never notices. */
static void
test_malformed(Fixture *f, gconstpointer data)
{
	static const guint32 lens[] = { 0,  1,  7,  8,   12,  20,  24,
					39, 40, 41, 264, 512, 513, 0xffffffff };
	Front *front = &f->front[0];
	guint8 body[520];

	(void)data;
	for (guint32 request = 0; request < 50; request++) {
		for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
			int fds[9] = { front->memfd, front->kick[0], front->call[0],
				       front->memfd, front->memfd,   front->memfd,
				       front->memfd, front->memfd,   front->memfd };
			guint n_fds = (request + i) % 10;

			memset(body, (int)(i % 3 == 2 ? 0xff : i % 3), sizeof body);
			front_send(front, request, 0x1 | (i % 2 ? 0x8 : 0), body,
				   MIN(lens[i], sizeof body), fds, n_fds);
			if (lens[i] > sizeof body)
				front_send(front, request, 0x1, NULL, lens[i], fds, n_fds);
			front_settle(front);
			reconnect(f, 0);
		}
	}
	check_alive(f, 0);
	check_alive(f, 1);
	g_assert_cmpuint(counter(f->card[1], "requests-refused"), ==, 0);
}

static void
test_flags(Fixture *f, gconstpointer data)
{
	static const guint32 flags[] = { 0, 2, 3, 5, 0xd };
	Front *front = &f->front[0];

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(flags); i++) {
		front_send(front, FRONT_GET_FEATURES, flags[i], NULL, 0, NULL, 0);
		front_expect_gone(front);
		reconnect(f, 0);
	}
	check_alive(f, 0);
}

/* Killed after each step of setting up, with the next one half said. */
static void
test_killed(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];

	(void)data;
	for (guint step = 0; step <= STEPS; step++) {
		for (guint half = 0; half < 3; half++) {
			front_disconnect(front);
			front_settle(front);
			g_assert_true(front_connect(front, f->path[0]));
			front_set_up(front, step);
			if (half == 1)
				g_assert_cmpint(send(front->fd, "\2\0\0\0\1", 5, 0), ==, 5);
			if (half == 2)
				front_send(front, FRONT_SET_VRING_NUM, 1, NULL, 8, &front->memfd,
					   1);
		}
		check_alive(f, 1);
	}
	reconnect(f, 0);
	check_alive(f, 0);
}

static void
test_bad_rings(Fixture *f, gconstpointer data)
{
	static const guint64 places[] = { 0, FRONT_USER + FRONT_MEMORY - 16, G_MAXUINT64 - 15,
					  FRONT_USER + 8, FRONT_USER - 16 };
	Front *front = &f->front[0];

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
		struct {
			guint32 index, flags;
			guint64 at[3], log;
		} body = { 1, 0, { places[i], FRONT_USER + 0x800, FRONT_USER + 0xc00 }, 0 };

		g_assert_false(
			front_set_acked(front, FRONT_SET_VRING_ADDR, &body, sizeof body, -1));
		check_alive(f, 1);
		reconnect(f, 0);
	}
	for (guint32 size = 3; size < 100000; size = size * 7 - 1) {
		guint32 body[2] = { 1, size };

		front_stop_ring(front, 1);
		front_send(front, FRONT_SET_VRING_NUM, 1, body, sizeof body, NULL, 0);
		front_settle(front);
		front_kick(front, 1);
		reconnect(f, 0);
	}
	check_alive(f, 0);
}

/* The driver claims more than there is: its ring stops, it is told, and can begin anew. */
static void
test_broken(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];
	guint16 *avail = (guint16 *)(front->memory + FRONT_AVAIL(1));
	int err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	guint64 queue = 1;
	eventfd_t told;

	(void)data;
	front_send(front, FRONT_SET_VRING_ERR, 1, &queue, sizeof queue, &err, 1);
	avail[1] = 1000;
	front_kick(front, 1);
	front_settle(front);
	g_assert_cmpint(eventfd_read(err, &told), ==, 0);
	g_assert_cmpuint(counter(f->card[0], "rings-broken"), ==, 1);
	g_assert_cmpuint(front_get(front, FRONT_GET_STATUS) & 0x40, ==, 0x40);
	check_alive(f, 1);
	avail[1] = 0;
	reconnect(f, 0);
	check_alive(f, 0);
	close(err);
}

/* The file behind the guest's memory is cut short while rings run. */
static void
test_cut_short(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];
	guint8 frame[60];

	(void)data;
	fill(frame, 1);
	front_transmit(front, 0, frame, sizeof frame);
	g_assert_cmpint(ftruncate(front->memfd, 0), ==, 0);
	g_assert_cmpint(eventfd_write(front->kick[1], 1), ==, 0);
	front_expect_gone(front);
	check_alive(f, 1);
	g_assert_cmpint(ftruncate(front->memfd, FRONT_MEMORY), ==, 0);
	memset(front->used, 0, sizeof front->used);
	reconnect(f, 0);
	check_alive(f, 0);
}

static void
test_second(Fixture *f, gconstpointer data)
{
	Front second;

	(void)data;
	front_init(&second, f->worker);
	g_assert_true(front_connect(&second, f->path[0]));
	front_expect_gone(&second);
	front_finish(&second);
	g_assert_cmpuint(counter(f->card[0], "vmm-refused"), ==, 1);
	check_alive(f, 0);
}

int
main(int argc, char **argv)
{
	fixture_main(&argc, &argv);
	ADD("malformed", test_malformed, NULL);
	ADD("flags", test_flags, NULL);
	ADD("killed", test_killed, NULL);
	ADD("bad-rings", test_bad_rings, NULL);
	ADD("broken", test_broken, NULL);
	ADD("cut-short", test_cut_short, NULL);
	ADD("second", test_second, NULL);
	return g_test_run();
}
