/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-user.c - the vhost-user connector against a front end that does all right. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost-fixture.h"
#include "worker-private.h"

static void
test_answers(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];
	guint64 features = front_get(front, FRONT_GET_FEATURES);

	(void)data;
	g_assert_cmphex(features & 0x5ull << 30, ==, 0x5ull << 30);
	g_assert_true(features & FRONT_F_LOG_ALL);
	g_assert_cmphex(front_get(front, FRONT_GET_PROTOCOL_FEATURES), ==, 0x1b01full);
	g_assert_cmpuint(front_get(front, FRONT_GET_QUEUE_NUM), ==, 2);
	g_assert_cmpuint(front_get(front, FRONT_GET_MAX_MEM_SLOTS), >=, 8);
	front_set(front, FRONT_SET_STATUS, 0xf);
	g_assert_cmpuint(front_get(front, FRONT_GET_STATUS), ==, 0xf);
	check_alive(f, 0);
	check_alive(f, 1);
}

/* Rings stop and go on at the same place; memory comes and goes meanwhile. */
static void
test_stop_and_go(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];

	(void)data;
	for (guint i = 0; i < 40; i++) {
		check_alive(f, 0);
		for (guint q = 0; q < 2; q++) {
			g_assert_cmpuint(front_stop_ring(front, q), ==, front->used[q]);
			front_add_ring(front, q, front->used[q]);
		}
		if (i % 4 == 0)
			front_set_table(front);
	}
	for (guint i = 0; i < 3; i++) {
		front_send(front, i ? FRONT_RESET_DEVICE : FRONT_RESET_OWNER, 0x1, NULL, 0, NULL,
			   0);
		front_set_up(front, G_MAXUINT);
		check_alive(f, 0);
	}
	front_set(front, FRONT_SET_STATUS, 0);
	g_assert_cmpuint(front_get(front, FRONT_GET_STATUS), ==, 0);
	front_set_up(front, G_MAXUINT);
	check_alive(f, 0);
}

static void
test_slots(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];
	guint64 body[5] = { 0, 0x40000000, 0x10000, 0x1000, 0x20000 };

	(void)data;
	g_assert_true(front_set_acked(front, FRONT_ADD_MEM_REG, body, sizeof body, front->memfd));
	check_alive(f, 0);
	/* Once for each pair of rings. */
	g_assert_true(front_set_acked(front, FRONT_ADD_MEM_REG, body, sizeof body, front->memfd));
	g_assert_true(front_set_acked(front, FRONT_REM_MEM_REG, body, sizeof body, -1));
	g_assert_true(front_set_acked(front, FRONT_REM_MEM_REG, body, sizeof body, -1));
	body[1] = FRONT_ADDRESS + 0x1000;
	g_assert_false(front_set_acked(front, FRONT_ADD_MEM_REG, body, sizeof body, front->memfd));
	body[1] = 0x40000000;
	body[3] = FRONT_USER - 0x1000;
	g_assert_false(front_set_acked(front, FRONT_ADD_MEM_REG, body, sizeof body, front->memfd));
	body[3] = G_MAXUINT64 - 0xfff;
	g_assert_false(front_set_acked(front, FRONT_ADD_MEM_REG, body, sizeof body, front->memfd));
	body[3] = 0x1000;
	body[4] = FRONT_MEMORY;
	g_assert_false(front_set_acked(front, FRONT_ADD_MEM_REG, body, sizeof body, front->memfd));
	check_alive(f, 0);
}

static void
test_network(Fixture *f, gconstpointer data)
{
	static const guint8 rarp[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,
				       9,    0x80, 0x35, 0,    1,    8,    0, 6, 4, 0, 3 };
	static const guint8 mac[8] = { 2, 0, 0, 0, 0, 9 };
	Front *front = &f->front[0];
	guint64 mtu = 1500;

	(void)data;
	g_assert_true(front_set_acked(front, FRONT_SEND_RARP, mac, sizeof mac, -1));
	g_assert_cmpuint(f->far[0].n, ==, 1);
	g_assert_cmpmem(f->far[0].last[0], sizeof rarp, rarp, sizeof rarp);
	g_assert_true(front_set_acked(front, FRONT_NET_SET_MTU, &mtu, sizeof mtu, -1));
	mtu = 67;
	g_assert_false(front_set_acked(front, FRONT_NET_SET_MTU, &mtu, sizeof mtu, -1));
	mtu = 65536;
	g_assert_false(front_set_acked(front, FRONT_NET_SET_MTU, &mtu, sizeof mtu, -1));
	check_alive(f, 0);
}

static void
check_budget(Fixture *f, gint64 us)
{
	guint64 own = f->worker->poll_max;

	g_assert_cmpuint(jf_worker_get_poll_budget(f->worker), ==,
			 us < 0 ? own : (guint64)us * 1000);
}

static void
set_poll(JfCard *card, const char *value, gboolean ok)
{
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(jf_card_set_property(card, "vhost-user", "poll", value, &error), ==, ok);
	if (!ok)
		g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
}

/* The worker polls as long as the most patient of its running cards wants. */
static void
test_poll(Fixture *f, gconstpointer data)
{
	(void)data;
	jf_worker_set_poll_budget(f->worker, 123);
	check_budget(f, 50);
	set_poll(f->card[0], "0", TRUE);
	check_budget(f, 50);
	set_poll(f->card[1], "0", TRUE);
	check_budget(f, 0);
	set_poll(f->card[0], "1000000", TRUE);
	check_budget(f, 1000000);
	set_poll(f->card[0], "1000001", FALSE);
	set_poll(f->card[1], "-1", FALSE);
	check_budget(f, 1000000);
	check_alive(f, 0);
	jf_card_stop(f->card[0]);
	check_budget(f, 0);
	jf_card_stop(f->card[1]);
	check_budget(f, -1);
	g_assert_true(jf_card_start(f->card[0], NULL));
	check_budget(f, 1000000);
}

/* A disabled transmit ring waits, and loses nothing. */
static void
test_enable(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];
	guint32 off[2] = { 1, 0 }, on[2] = { 1, 1 };
	guint8 frame[60];

	(void)data;
	fill(frame, 1);
	g_assert_true(front_set_acked(front, FRONT_SET_VRING_ENABLE, off, sizeof off, -1));
	front_transmit(front, 0, frame, sizeof frame);
	front_kick(front, 1);
	g_assert_cmpuint(f->far[0].n, ==, 0);
	g_assert_true(front_set_acked(front, FRONT_SET_VRING_ENABLE, on, sizeof on, -1));
	front_wait_used(front, 1, 1);
	g_assert_cmpuint(f->far[0].n, ==, 1);
}

/* ---- Log of written pages ---- */

static gboolean
log_has(const guint8 *log, guint offset)
{
	guint64 page = (FRONT_ADDRESS + offset) >> 12;

	return log[page / 8] >> page % 8 & 1;
}

static void
test_log(Fixture *f, gconstpointer data)
{
	const gsize size = 0x1000;
	Front *front = &f->front[0];
	int fd = memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	guint64 body[2] = { size, 0 };
	guint8 *log;

	(void)data;
	g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
	log = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* One that may be cut short is refused. */
	front_send(front, FRONT_SET_LOG_BASE, 0x1, body, sizeof body, &fd, 1);
	front_expect_gone(front);
	g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), ==, 0);
	reconnect(f, 0);
	front_send(front, FRONT_SET_LOG_BASE, 0x1, body, sizeof body, &fd, 1);
	g_assert_cmpint(front_receive(front, FRONT_SET_LOG_BASE, body, sizeof body, NULL), ==, 8);
	check_alive(f, 0);
	for (gsize i = 0; i < size; i++)
		g_assert_cmpuint(log[i], ==, 0);
	front_set(front, FRONT_SET_FEATURES, front->features | FRONT_F_LOG_ALL);
	check_alive(f, 0);
	g_assert_true(log_has(log, FRONT_BUFFER(0, 0)));
	g_assert_true(log_has(log, FRONT_USED(0)));
	g_assert_true(log_has(log, FRONT_USED(1)));
	g_assert_false(log_has(log, FRONT_BUFFER(1, 0)));
	g_assert_false(log_has(log, FRONT_BUFFER(0, 1)));
	front_set(front, FRONT_SET_FEATURES, front->features);
	memset(log, 0, size);
	check_alive(f, 0);
	g_assert_false(log_has(log, FRONT_USED(0)));
	munmap(log, size);
	close(fd);
}

/* ---- The front end listens ---- */

static int
front_listen(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	g_unlink(path);
	g_strlcpy(un.sun_path, path, sizeof un.sun_path);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof un), ==, 0);
	g_assert_cmpint(listen(fd, 1), ==, 0);
	return fd;
}

static void
test_connects(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];

	(void)data;
	for (guint i = 0; i < 5; i++) {
		int listener = front_listen(f->path[0]);
		gint64 deadline = g_get_monotonic_time() + FRONT_TIMEOUT_US;

		while ((front->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) <
		       0) {
			g_assert_cmpint(errno, ==, EAGAIN);
			g_assert_cmpint(g_get_monotonic_time(), <, deadline);
			jf_worker_dispatch(f->worker);
		}
		front_set_up(front, G_MAXUINT);
		check_alive(f, 0);
		close(listener);
		front_disconnect(front);
		front_settle(front);
	}
	g_assert_cmpuint(counter(f->card[0], "vmm-connects"), ==, 5);
}

/* A card over a connection that the test has made. NULL: refused with `code`. */
static JfCard *
given_card(Fixture *f, const char *const *properties, gint code)
{
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "given",
				.mac = { 2, 0, 0, 0, 0, 9 },
				.cable_connected = TRUE,
				.connector = "vhost-user",
				.connector_properties = properties,
				.model = "virtio",
				.attachment = "test-far",
				.attachment_properties = (const char *[]){ "number=0", NULL },
				.worker = f->worker };
	JfCard *card = jf_card_new(f->context, &config, &error);

	if (card)
		g_assert_no_error(error);
	else
		g_assert_error(error, JF_ERROR, code);
	return card;
}

/* It works once; when its VMM goes, the card has failed and says why. */
static void
test_given(Fixture *f, gconstpointer data)
{
	g_autofree char *given = NULL, *file = NULL;
	g_autoptr(GError) error = NULL;
	gint64 deadline = g_get_monotonic_time() + FRONT_TIMEOUT_US;
	int fds[2], other = memfd_create("no socket", MFD_CLOEXEC);
	JfCard *card;

	(void)data;
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	given = g_strdup_printf("fd=%d", fds[0]);
	file = g_strdup_printf("fd=%d", other);
	g_assert_null(given_card(f, NULL, JF_ERROR_KEY));
	g_assert_null(given_card(f, (const char *[]){ given, "path=/x", NULL }, JF_ERROR_KEY));
	g_assert_null(given_card(f, (const char *[]){ given, "mode=connect", NULL }, JF_ERROR_KEY));
	g_assert_null(given_card(f, (const char *[]){ file, NULL }, JF_ERROR_VALUE));
	card = given_card(f, (const char *[]){ given, NULL }, 0);
	close(fds[0]);
	close(other);
	g_assert_true(jf_card_start(card, NULL));
	g_assert_null(jf_card_get_error(card));
	close(fds[1]);
	while (!jf_card_get_error(card)) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		jf_worker_dispatch(f->worker);
	}
	g_assert_error(jf_card_get_error(card), JF_ERROR, JF_ERROR_NETWORK);
	jf_card_stop(card);
	g_assert_false(jf_card_start(card, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	jf_card_free(card);
}

int
main(int argc, char **argv)
{
	fixture_main(&argc, &argv);
	ADD("answers", test_answers, NULL);
	ADD("stop-and-go", test_stop_and_go, NULL);
	ADD("slots", test_slots, NULL);
	ADD("network", test_network, NULL);
	ADD("poll", test_poll, NULL);
	ADD("enable", test_enable, NULL);
	ADD("log", test_log, NULL);
	ADD("connects", test_connects, "mode=connect");
	ADD("given", test_given, "mode=connect");
	return g_test_run();
}
