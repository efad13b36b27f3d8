/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-rings.c - the data path of the virtio card over both kinds of rings. */
#include "virtio-fixture.h"

#include <string.h>

#define BASE                                                                            \
	(F_VERSION_1 | F_MRG_RXBUF | F_INDIRECT | F_CSUM | F_GUEST_CSUM | F_HOST_TSO4 | \
	 F_GUEST_TSO4)
#define HDR 12u
#define RX 0u
#define TX 1u

static const JfDriver *driver;

typedef struct Variant {
	const char *name;
	guint64 features;
	guint size;
	guint16 index;
	gboolean wrap;
} Variant;

static const Variant variants[] = {
	{ "split", BASE, 256, 0, FALSE },
	{ "split-event", BASE | F_EVENT_IDX, 256, 65500, FALSE },
	{ "split-in-order", BASE | F_EVENT_IDX | F_IN_ORDER, 64, 65535, FALSE },
	{ "split-one", BASE, 1, 7, FALSE },
	{ "split-largest", BASE | F_EVENT_IDX, 32768, 32700, FALSE },
	{ "packed", BASE | F_PACKED, 256, 0, TRUE },
	{ "packed-event", BASE | F_PACKED | F_EVENT_IDX, 255, 250, FALSE },
	{ "packed-in-order", BASE | F_PACKED | F_EVENT_IDX | F_IN_ORDER, 100, 99, TRUE },
	{ "packed-largest", BASE | F_PACKED, 32768, 32767, FALSE },
};

static void
start(Fixture *f, const Variant *v)
{
	fixture_init(f, driver, NULL, v->features);
	fixture_ring(f, RX, v->size, v->index, v->wrap);
	fixture_ring(f, TX, v->size, v->index, v->wrap);
}

static void
fill(guint8 *frame, gsize len, guint number)
{
	for (gsize i = 0; i < len; i++)
		frame[i] = (guint8)(number * 7 + i * 13 + (i >> 8));
	for (gsize i = 0; i < MIN(4, len); i++)
		frame[i] = (guint8)(number >> 8 * i);
}

/* Frames live in slots of guest memory, one for each token. */
#define SLOT 4096u
#define SLOTS 512u

static guint64
slots(Fixture *f)
{
	return vd_alloc(&f->memory, (guint64)SLOT * SLOTS, 4096);
}

/* A frame of `len` bytes at `at` behind a header, cut into `pieces` (the header one of them where there
 * are two or more), and added. */
static gboolean
send_frame(Fixture *f, guint64 at, guint len, guint number, guint pieces, gboolean indirect,
	   guint token)
{
	guint8 *bytes = vd_pointer(&f->memory, at);
	VdPiece piece[16];
	guint done = HDR, n = 1;

	memset(bytes, 0, HDR);
	fill(bytes + HDR, len, number);
	piece[0] = (VdPiece){ at, pieces == 1 ? HDR + len : HDR };
	for (; n < pieces; n++) {
		guint part = n + 1 == pieces ? HDR + len - done : (len - 14) / pieces;

		piece[n] = (VdPiece){ at + done, part };
		done += part;
	}
	return vd_add(&f->rings[TX], piece, n, 0, indirect, token);
}

static void
expect_frame(Fixture *f, guint len, guint number)
{
	g_autoptr(JfHarnessFrame) out = jf_harness_pull(f->h, 0);
	g_autofree guint8 *wanted = g_malloc(len);

	g_assert_nonnull(out);
	fill(wanted, len, number);
	g_assert_cmpmem(out->data, out->len, wanted, len);
}

static guint
length_of(guint number)
{
	static const guint lengths[] = { 60, 14, 1514, 64, 590, 3000, 61 };

	return lengths[number % G_N_ELEMENTS(lengths)];
}

static void
test_transmit(gconstpointer data)
{
	const Variant *v = data;
	VdRing *ring;
	guint sent = 0, back = 0, token;
	guint64 at;
	guint32 len;
	Fixture f;

	start(&f, v);
	ring = &f.rings[TX];
	at = slots(&f);
	while (back < 2000) {
		while (sent < 2000 && sent - back < SLOTS &&
		       send_frame(&f, at + SLOT * (sent % SLOTS), length_of(sent), sent,
				  v->size == 1 ? 1 : 1 + sent % 4, v->size == 1 && sent % 2, sent))
			sent++;
		fixture_kick(&f, TX);
		fixture_run(&f);
		while (vd_get(ring, &token, &len)) {
			g_assert_cmpuint(token, ==, back);
			g_assert_cmpuint(len, ==, 0);
			expect_frame(&f, length_of(back), back);
			back++;
		}
		g_assert_cmpuint(back, ==, sent);
	}
	g_assert_cmpuint(jf_harness_get_queued(f.h, 0), ==, 0);
	g_assert_cmpuint(f.broken[TX], ==, 0);
	fixture_clear(&f);
}

/* The far end takes a few at a time; nothing is lost, doubled or out of order. */
static void
test_backpressure(gconstpointer data)
{
	const Variant *v = data;
	guint sent = 0, got = 0, back = 0, token;
	guint64 at;
	guint32 len;
	Fixture f;

	start(&f, v);
	at = slots(&f);
	jf_harness_set_capacity(f.h, 0, 5);
	for (guint turn = 0; got < 300; turn++) {
		g_assert_cmpuint(turn, <, 10000);
		while (sent < 300 && sent - back < SLOTS &&
		       send_frame(&f, at + SLOT * (sent % SLOTS), 100, sent, 1, FALSE, sent))
			sent++;
		fixture_kick(&f, TX);
		fixture_run(&f);
		while (vd_get(&f.rings[TX], &token, &len))
			g_assert_cmpuint(token, ==, back++);
		g_assert_cmpuint(back, <=, got + 5);
		for (guint i = 0; i <= turn % 3 && jf_harness_get_queued(f.h, 0); i++)
			expect_frame(&f, 100, got++);
	}
	fixture_run(&f);
	while (vd_get(&f.rings[TX], &token, &len))
		back++;
	g_assert_cmpuint(back, ==, 300);
	fixture_clear(&f);
}

/* Adds buffers of `len` bytes while there is room, up to `most`. */
static guint
add_buffers(Fixture *f, guint64 at, guint len, guint most, guint first)
{
	guint n = 0;

	while (n < most) {
		VdPiece piece = { at + SLOT * ((first + n) % SLOTS), len };

		if (!vd_add(&f->rings[RX], &piece, 0, 1, FALSE, first + n))
			break;
		n++;
	}
	return n;
}

/* Takes the buffers of one frame, gathers it and compares. Returns how many there were. */
static guint
receive_frame(Fixture *f, guint64 at, guint frame_len, guint number)
{
	g_autofree guint8 *wanted = g_malloc(frame_len), *got = g_malloc(frame_len + HDR);
	guint token, n_buffers = 1, done = 0;
	guint32 len;

	for (guint i = 0; i < n_buffers; i++) {
		const guint8 *bytes;

		g_assert_true(vd_get(&f->rings[RX], &token, &len));
		bytes = vd_pointer(&f->memory, at + SLOT * (token % SLOTS));
		if (i == 0)
			n_buffers = bytes[10] | (guint)bytes[11] << 8;
		g_assert_cmpuint(done + len, <=, frame_len + HDR);
		memcpy(got + done, bytes, len);
		done += len;
	}
	fill(wanted, frame_len, number);
	g_assert_cmpmem(got + HDR, done - HDR, wanted, frame_len);
	return n_buffers;
}

static guint
push_frame(Fixture *f, guint len, guint number)
{
	g_autofree guint8 *bytes = g_malloc(len);

	fill(bytes, len, number);
	return jf_harness_push_bytes(f->h, 0, bytes, len);
}

/* Frames of all lengths into buffers of 512 bytes; where they do not suffice, resume follows. */
static void
test_receive(gconstpointer data)
{
	const Variant *v = data;
	guint pushed = 0, got = 0, added = 0, back = 0;
	guint64 at;
	Fixture f;

	start(&f, v);
	at = slots(&f);
	added = add_buffers(&f, at, 512, SLOTS, 0);
	fixture_kick(&f, RX);
	while (got < 500) {
		guint resumes = jf_harness_get_resumes(f.h, 0), max = v->size == 1 ? 500 : 4000;

		while (pushed < 500 && push_frame(&f, MIN(length_of(pushed), max), pushed))
			pushed++;
		for (; got < pushed; got++)
			back += receive_frame(&f, at, MIN(length_of(got), max), got);
		fixture_run(&f);
		added += add_buffers(&f, at, 512, SLOTS - (added - back), added);
		fixture_kick(&f, RX);
		fixture_run(&f);
		if (pushed < 500)
			g_assert_cmpuint(jf_harness_get_resumes(f.h, 0), >, resumes);
	}
	g_assert_cmpuint(f.broken[RX], ==, 0);
	g_assert_cmpuint(jf_harness_get_counter(f.h, "rx-too-long", NULL), ==, 0);
	fixture_clear(&f);
}

/* Stopped and started at every index of the ring, frames in it or not: none is lost or doubled. */
static void
test_restart(gconstpointer data)
{
	const Variant *v = data;
	guint sent = 0, back = 0, token;
	JfVirtioRing stood = { .struct_size = sizeof stood };
	g_autoptr(GError) error = NULL;
	guint64 at;
	guint32 len;
	Fixture f;

	start(&f, v);
	at = slots(&f);
	for (guint turn = 0; turn < 300; turn++) {
		guint n = turn % 3;

		for (; n && send_frame(&f, at + SLOT * (sent % SLOTS), 60, sent, 1, FALSE, sent);
		     n--)
			sent++;
		g_assert_true(f.virtio->ring_stop(f.inst, TX, &stood));
		g_assert_false(f.virtio->ring_stop(f.inst, TX, &stood));
		fixture_run(&f);
		g_assert_cmpuint(jf_harness_get_queued(f.h, 0), ==, 0);
		f.virtio->ring_start(f.inst, &stood, &error);
		g_assert_no_error(error);
		if (v->size == 1 || turn % 2) {
			fixture_run(&f);
			while (vd_get(&f.rings[TX], &token, &len)) {
				expect_frame(&f, 60, back);
				g_assert_cmpuint(token, ==, back++);
			}
			g_assert_cmpuint(back, ==, sent);
		}
	}
	fixture_clear(&f);
}

/* With notifications wanted one comes for each batch, else none. */
static void
test_signals(gconstpointer data)
{
	const Variant *v = data;
	guint token, before;
	guint64 at;
	guint32 len;
	Fixture f;

	start(&f, v);
	at = slots(&f);
	for (guint i = 0; i < 1000; i++) {
		vd_want_signal(&f.rings[TX], i % 2);
		before = f.signals[TX];
		g_assert_true(send_frame(&f, at, 60, i, 1, FALSE, i));
		f.virtio->kick(f.inst, TX);
		fixture_run(&f);
		g_assert_cmpuint(f.signals[TX] - before, ==, i % 2);
		g_assert_true(vd_get(&f.rings[TX], &token, &len));
		expect_frame(&f, 60, i);
	}
	fixture_clear(&f);
}

/* An idle card is woken by a kick, and only then. */
static void
test_kicks(gconstpointer data)
{
	const Variant *v = data;
	guint64 at;
	guint token;
	guint32 len;
	Fixture f;

	start(&f, v);
	at = slots(&f);
	fixture_run(&f);
	for (guint i = 0; i < 100; i++) {
		g_assert_true(send_frame(&f, at, 60, i, 1, FALSE, i));
		g_assert_true(vd_needs_kick(&f.rings[TX]));
		g_assert_cmpuint(jf_harness_poll(f.h, 0), ==, 0);
		f.virtio->kick(f.inst, TX);
		jf_harness_poll(f.h, 0);
		g_assert_true(vd_get(&f.rings[TX], &token, &len));
		expect_frame(&f, 60, i);
		/* Still awake: it looks by itself. */
		g_assert_true(send_frame(&f, at, 60, i, 1, FALSE, i));
		if (!(v->features & F_EVENT_IDX) || (v->features & F_PACKED))
			g_assert_false(vd_needs_kick(&f.rings[TX]));
		jf_harness_poll(f.h, 0);
		g_assert_true(vd_get(&f.rings[TX], &token, &len));
		expect_frame(&f, 60, i);
		vd_needs_kick(&f.rings[TX]);
		fixture_run(&f);
	}
	fixture_clear(&f);
}

static void
test_offloads(gconstpointer data)
{
	const Variant *v = data;
	static const guint8 header[HDR] = { 1, 1, 66, 0, 0xe8, 3, 34, 0, 16, 0, 0, 0 };
	g_autoptr(JfHarnessFrame) out = NULL;
	guint64 at;
	guint8 *bytes;
	guint32 len;
	VdPiece piece;
	guint token;
	Fixture f;

	start(&f, v);
	at = slots(&f);
	bytes = vd_pointer(&f.memory, at);
	memcpy(bytes, header, HDR);
	fill(bytes + HDR, 3000, 1);
	piece = (VdPiece){ at, HDR + 3000 };
	g_assert_true(vd_add(&f.rings[TX], &piece, 1, 0, FALSE, 1));
	f.virtio->kick(f.inst, TX);
	fixture_run(&f);
	g_assert_true(vd_get(&f.rings[TX], &token, &len));
	out = jf_harness_pull(f.h, 0);
	g_assert_nonnull(out);
	g_assert_cmpuint(out->frame.flags, ==, JF_FRAME_NEEDS_CSUM);
	g_assert_cmpuint(out->frame.gso_type, ==, JF_GSO_TCPV4);
	g_assert_cmpuint(out->frame.gso_size, ==, 1000);
	g_assert_cmpuint(out->frame.hdr_len, ==, 66);
	g_assert_cmpuint(out->frame.csum_start, ==, 34);
	g_assert_cmpuint(out->frame.csum_offset, ==, 16);
	/* The same frame back into the guest carries the same header. */
	memset(bytes, 0, 4096);
	piece.len = 4096;
	g_assert_true(vd_add(&f.rings[RX], &piece, 0, 1, FALSE, 2));
	g_assert_cmpuint(jf_harness_push(f.h, 0, &out->frame, 1), ==, 1);
	g_assert_true(vd_get(&f.rings[RX], &token, &len));
	g_assert_cmpuint(len, ==, HDR + 3000);
	g_assert_cmpmem(bytes, 10, header, 10);
	g_assert_cmpuint(bytes[10], ==, 1);
	g_assert_cmpmem(bytes + HDR, 3000, out->data, out->len);
	fixture_clear(&f);
}

/* What can never fit is lost, and the buffers stay for what can. */
static void
test_too_long(gconstpointer data)
{
	const Variant *v = data;
	guint64 at;
	guint added;
	Fixture f;

	fixture_init(&f, driver, NULL, v->features & ~F_MRG_RXBUF);
	fixture_ring(&f, RX, v->size, v->index, v->wrap);
	at = slots(&f);
	added = add_buffers(&f, at, 512, 4, 0);
	g_assert_cmpuint(push_frame(&f, 501, 1), ==, 1);
	g_assert_cmpuint(push_frame(&f, 1514, 2), ==, 1);
	g_assert_cmpuint(jf_harness_get_counter(f.h, "rx-too-long", NULL), ==, 2);
	for (guint i = 0; i < added; i++) {
		g_assert_cmpuint(push_frame(&f, 500, i), ==, 1);
		g_assert_cmpuint(push_frame(&f, 3000, i), ==, i + 1 < added);
		g_assert_cmpuint(receive_frame(&f, at, 500, i), ==, 1);
	}
	fixture_clear(&f);
	/* Mergeable: all of a small ring is too little. */
	fixture_init(&f, driver, NULL, v->features);
	fixture_ring(&f, RX, v->size, v->index, v->wrap);
	at = slots(&f);
	added = add_buffers(&f, at, 64, MIN(v->size, SLOTS), 0);
	if (added < v->size || 64 * added > 60000) {
		g_test_message("the ring holds more than the largest frame");
	} else {
		g_assert_cmpuint(push_frame(&f, 64 * added - HDR + 1, 1), ==, 1);
		g_assert_cmpuint(jf_harness_get_counter(f.h, "rx-too-long", NULL), ==, 1);
		g_assert_cmpuint(push_frame(&f, 64 * added - HDR, 2), ==, 1);
		g_assert_cmpuint(receive_frame(&f, at, 64 * added - HDR, 2), ==, added);
	}
	fixture_clear(&f);
}

static void
add(const char *name, GTestDataFunc test)
{
	for (guint i = 0; i < G_N_ELEMENTS(variants); i++) {
		g_autofree char *path = g_strdup_printf("/%s/%s", name, variants[i].name);

		g_test_add_data_func(path, &variants[i], test);
	}
}

int
main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	g_test_init(&argc, &argv, NULL);
	driver = jf_harness_load(argv[1], "virtio", &error);
	g_assert_no_error(error);
	add("transmit", test_transmit);
	add("backpressure", test_backpressure);
	add("receive", test_receive);
	add("too-long", test_too_long);
	add("restart", test_restart);
	add("signals", test_signals);
	add("kicks", test_kicks);
	add("offloads", test_offloads);
	return g_test_run();
}
