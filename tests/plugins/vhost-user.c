/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user.c - the vhost-user connector against a front end played by the test.
 *
 * The arguments are the plugins of the virtio model and of the connector. Two cards: what one front
 * end does wrong must not be seen by the other's.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost-front.h"
#include "worker-private.h"

#define STEPS 19u
#define FRAMES_MAX 256u

static const char *model_path, *connector_path;

/* ---- The far end of a card's cable ---- */

typedef struct Far {
	JfInstance *inst;
	guint n;
	guint8 last[FRAMES_MAX][64];
	void (*on_input)(gpointer data);
	gpointer data;
} Far;

static Far *fars[2];

static gboolean
far_init(JfInstance *inst, GError **error)
{
	Far **far = inst->priv;

	(void)error;
	*far = fars[inst->host->property(inst, "number")->v.integer];
	(*far)->inst = inst;
	return TRUE;
}

static void
far_finish(JfInstance *inst)
{
	(void)inst;
}

static guint
far_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Far *far = *(Far **)inst->priv;

	(void)port;
	for (guint i = 0; i < n && far->n < FRAMES_MAX; i++, far->n++)
		jf_frame_copy(&frames[i], 0, far->last[far->n], MIN(frames[i].len, 64));
	if (far->on_input)
		far->on_input(far->data);
	return n;
}

static const JfPropSpec far_props[] = {
	{ .name = "number", .type = JF_PROP_INT, .def = "0", .max = 1, .blurb = "Which one." },
	{ .name = NULL },
};

static const JfDriver far_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(Far *),
	.id = "test-far",
	.blurb = "The far end, for the test.",
	.props = far_props,
	.init = far_init,
	.finish = far_finish,
	.input = far_input,
};

/* ---- Two cards ---- */

typedef struct Fixture {
	char *dir;
	JfContext *context;
	JfWorker *worker;
	char *path[2];
	JfCard *card[2];
	Far far[2];
	Front front[2];
} Fixture;

static void
start_card(Fixture *f, guint i, const char *mode)
{
	g_autofree char *path = g_strdup_printf("path=%s", f->path[i]);
	g_autofree char *number = g_strdup_printf("number=%u", i);
	g_autofree char *machine = g_strdup_printf("test%u", i);
	g_autoptr(GError) error = NULL;
	JfCardConfig config = {
		.struct_size = sizeof config,
		.machine = machine,
		.mac = { 2, 0, 0, 0, 0, (guint8)i },
		.cable_connected = TRUE,
		.connector = "vhost-user",
		.connector_properties = (const char *[]){ path, mode, "reconnect=10", NULL },
		.model = "virtio",
		.model_properties = (const char *[]){ "queues=2", NULL },
		.attachment = "test-far",
		.attachment_properties = (const char *[]){ number, NULL },
		.worker = f->worker,
	};

	f->card[i] = jf_card_new(f->context, &config, &error);
	g_assert_no_error(error);
	jf_card_start(f->card[i], &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *f, gconstpointer mode)
{
	g_autoptr(GError) error = NULL;

	f->dir = g_dir_make_tmp("jackfield-vhost-XXXXXX", &error);
	g_assert_no_error(error);
	f->context = jf_context_new(NULL, NULL);
	f->worker = jf_worker_new_nested(f->context, &error);
	g_assert_no_error(error);
	jf_context_add_driver(f->context, &far_driver, &error);
	g_assert_no_error(error);
	jf_context_load_plugin(f->context, model_path, &error);
	g_assert_no_error(error);
	jf_context_load_plugin(f->context, connector_path, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < 2; i++) {
		fars[i] = &f->far[i];
		f->path[i] = g_strdup_printf("%s/%u", f->dir, i);
		start_card(f, i, mode ? mode : "mode=listen");
		front_init(&f->front[i], f->worker);
		if (mode)
			continue;
		g_assert_true(front_connect(&f->front[i], f->path[i]));
		g_assert_cmpuint(front_set_up(&f->front[i], G_MAXUINT), ==, STEPS);
	}
}

static void
teardown(Fixture *f, gconstpointer mode)
{
	(void)mode;
	for (guint i = 0; i < 2; i++) {
		jf_card_free(f->card[i]);
		front_finish(&f->front[i]);
		g_unlink(f->path[i]);
		g_free(f->path[i]);
	}
	jf_worker_free(f->worker);
	jf_context_free(f->context);
	g_assert_cmpint(g_rmdir(f->dir), ==, 0);
	g_free(f->dir);
}

typedef struct Find {
	const char *name;
	guint64 value;
} Find;

static void
find_counter(const char *driver, const char *counter, guint64 value, gpointer data)
{
	Find *find = data;

	(void)driver;
	if (strcmp(counter, find->name) == 0)
		find->value = value;
}

static guint64
counter(JfCard *card, const char *name)
{
	Find find = { name, 0 };

	jf_card_list_counters(card, find_counter, &find);
	return find.value;
}

static void
fill(guint8 *frame, guint8 number)
{
	memset(frame, number, 60);
	memset(frame, 2, 12);
}

/* Frames go through, both ways. */
static void
check_alive(Fixture *f, guint i)
{
	Front *front = &f->front[i];
	Far *far = &f->far[i];
	guint before = far->n = 0;
	guint8 frame[60];
	struct iovec piece = { frame, sizeof frame };
	JfFrame out = jf_frame_plain(&piece);
	guint16 tx = front->used[1], rx = front->used[0];

	fill(frame, 0x55);
	front_transmit(front, 0, frame, sizeof frame);
	front_kick(front, 1);
	front_wait_used(front, 1, (guint16)(tx + 1));
	g_assert_cmpuint(far->n, ==, before + 1);
	g_assert_cmpmem(far->last[before], 60, frame, 60);
	front_give(front, 0, 1);
	front_kick(front, 0);
	g_assert_cmpuint(far->inst->host->output(far->inst, 0, &out, 1), ==, 1);
	front_wait_used(front, 0, (guint16)(rx + 1));
	g_assert_cmpmem(front->memory + FRONT_BUFFER(0, 0) + FRONT_HDR, 60, frame, 60);
}

static void
reconnect(Fixture *f, guint i)
{
	Front *front = &f->front[i];

	front_disconnect(front);
	front_settle(front);
	g_assert_true(front_connect(front, f->path[i]));
	front_set_up(front, G_MAXUINT);
}

/* ---- In good order ---- */

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

/* ---- Going on after a crash ---- */

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

static void
test_crash(Fixture *f, gconstpointer data)
{
	Front *front = &f->front[0];
	Inflight inflight;
	int fd = get_record(front, &inflight);
	Crash crash = { front, NULL, g_malloc(FRONT_MEMORY), g_malloc(inflight.size),
			inflight.size };
	guint8 frame[60];

	(void)data;
	crash.record = mmap(NULL, crash.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	front_disconnect(front);
	front_settle(front);
	g_assert_true(front_connect(front, f->path[0]));
	front_set_up(front, 6);
	g_assert_true(front_set_acked(front, FRONT_SET_INFLIGHT_FD, &inflight, 20, fd));
	front_set_up(front, G_MAXUINT);
	check_alive(f, 0);
	f->far[0].on_input = crash_now;
	f->far[0].data = &crash;
	f->far[0].n = 0;
	for (guint8 i = 0; i < 3; i++) {
		fill(frame, i);
		front_transmit(front, i, frame, sizeof frame);
	}
	front_kick(front, 1);
	front_wait_used(front, 1, 4);
	g_assert_cmpuint(f->far[0].n, ==, 3);
	f->far[0].on_input = NULL;
	/* Back to the moment when the frames had left and the guest had not been told. */
	front_disconnect(front);
	front_settle(front);
	memcpy(front->memory, crash.memory_then, FRONT_MEMORY);
	memcpy(crash.record, crash.record_then, crash.size);
	g_assert_cmpuint(front_used_index(front, 1), ==, 1);
	front->used[1] = 1;
	g_assert_true(front_connect(front, f->path[0]));
	front_set_up(front, 6);
	g_assert_true(front_set_acked(front, FRONT_SET_INFLIGHT_FD, &inflight, 20, fd));
	front_set_up(front, G_MAXUINT);
	front_wait_used(front, 1, 4);
	g_assert_cmpuint(f->far[0].n, ==, 3);
	check_alive(f, 0);
	munmap(crash.record, crash.size);
	g_free(crash.memory_then);
	g_free(crash.record_then);
	close(fd);
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

/* ---- Everything wrong ---- */

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

int
main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(argc, ==, 3);
	model_path = argv[1];
	connector_path = argv[2];
	jf_guard_shared_memory(&error);
	g_assert_no_error(error);
#define ADD(name, func, mode) g_test_add("/vhost-user/" name, Fixture, mode, setup, func, teardown)
	ADD("answers", test_answers, NULL);
	ADD("stop-and-go", test_stop_and_go, NULL);
	ADD("slots", test_slots, NULL);
	ADD("network", test_network, NULL);
	ADD("poll", test_poll, NULL);
	ADD("enable", test_enable, NULL);
	ADD("log", test_log, NULL);
	ADD("crash", test_crash, NULL);
	ADD("lost-count", test_lost_count, NULL);
	ADD("malformed", test_malformed, NULL);
	ADD("flags", test_flags, NULL);
	ADD("killed", test_killed, NULL);
	ADD("bad-rings", test_bad_rings, NULL);
	ADD("broken", test_broken, NULL);
	ADD("cut-short", test_cut_short, NULL);
	ADD("second", test_second, NULL);
	ADD("connects", test_connects, "mode=connect");
#undef ADD
	return g_test_run();
}
