/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-hostile.c - drivers that break the rules of virtio, and odd ones that do not. */
#include "virtio-fixture.h"

#include <string.h>

#define HDR 12u
#define RX 0u
#define TX 1u
#define SIZE 16u
#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u
#define NOWHERE 0x7000000000u
/* In the first 4 KiB after the rings. */
#define GOOD 1u
#define TABLE 2u

static const JfDriver *driver;

/* One entry of the ring or of an indirect table, in either form. */
typedef struct Raw {
	guint64 addr; /* GOOD, TABLE: there */
	guint32 len;
	guint16 flags, next;
} Raw;

typedef struct Attack {
	const char *name;
	guint64 without; /* features not negotiated */
	guint queue;
	gboolean split_only, packed_only;
	Raw ring[4], table[4];
	guint16 head;  /* split: what the available ring names */
	guint16 ahead; /* split: entries that are claimed, 0: one */
} Attack;

static const Attack attacks[] = {
	{ .name = "head-beyond", .queue = TX, .split_only = TRUE, .head = SIZE },
	{ .name = "head-far-beyond", .queue = RX, .split_only = TRUE, .head = 0xffff },
	{ .name = "too-many", .queue = TX, .split_only = TRUE, .ahead = SIZE + 1 },
	{ .name = "too-many-rx", .queue = RX, .split_only = TRUE, .ahead = 0x8000 },
	{ .name = "next-beyond",
	  .queue = TX,
	  .split_only = TRUE,
	  .ring = { { GOOD, 64, NEXT, SIZE } } },
	{ .name = "loop-itself",
	  .queue = TX,
	  .split_only = TRUE,
	  .ring = { { GOOD, 64, NEXT, 0 } } },
	{ .name = "loop-two",
	  .queue = TX,
	  .split_only = TRUE,
	  .ring = { { GOOD, 64, NEXT, 1 }, { GOOD, 64, NEXT, 0 } } },
	{ .name = "nowhere", .queue = TX, .ring = { { NOWHERE, 64, 0, 0 } } },
	{ .name = "nowhere-rx", .queue = RX, .ring = { { NOWHERE, 2048, WRITE, 0 } } },
	{ .name = "null", .queue = TX, .ring = { { 0, 64, 0, 0 } } },
	{ .name = "past-the-end",
	  .queue = TX,
	  .ring = { { FIX_MEMORY_AT + FIX_MEMORY_SIZE - 16, 17, 0, 0 } } },
	{ .name = "wraps", .queue = TX, .ring = { { G_MAXUINT64 - 8, 64, 0, 0 } } },
	{ .name = "huge", .queue = TX, .ring = { { GOOD, G_MAXUINT32, 0, 0 } } },
	{ .name = "write-in-tx", .queue = TX, .ring = { { GOOD, 64, WRITE, 0 } } },
	{ .name = "read-in-rx", .queue = RX, .ring = { { GOOD, 2048, 0, 0 } } },
	{ .name = "read-after-write",
	  .queue = RX,
	  .ring = { { GOOD, 2, WRITE | NEXT, 1 }, { GOOD, 2048, 0, 0 } } },
	{ .name = "indirect-not-negotiated",
	  .without = F_INDIRECT,
	  .queue = TX,
	  .ring = { { TABLE, 16, INDIRECT, 0 } },
	  .table = { { GOOD, 64, 0, 0 } } },
	{ .name = "indirect-and-next",
	  .queue = TX,
	  .ring = { { TABLE, 16, INDIRECT | NEXT, 1 }, { GOOD, 64, 0, 0 } },
	  .table = { { GOOD, 64, 0, 0 } } },
	{ .name = "indirect-empty", .queue = TX, .ring = { { TABLE, 0, INDIRECT, 0 } } },
	{ .name = "indirect-odd",
	  .queue = TX,
	  .ring = { { TABLE, 17, INDIRECT, 0 } },
	  .table = { { GOOD, 64, 0, 0 } } },
	{ .name = "indirect-long", .queue = TX, .ring = { { TABLE, 16 * 1025, INDIRECT, 0 } } },
	{ .name = "indirect-nowhere", .queue = TX, .ring = { { NOWHERE, 16, INDIRECT, 0 } } },
	{ .name = "indirect-unaligned",
	  .queue = TX,
	  .ring = { { FIX_MEMORY_AT + 3, 16, INDIRECT, 0 } } },
	{ .name = "indirect-nested",
	  .queue = TX,
	  .split_only = TRUE,
	  .ring = { { TABLE, 16, INDIRECT, 0 } },
	  .table = { { TABLE, 16, INDIRECT, 0 } } },
	{ .name = "indirect-loop",
	  .queue = TX,
	  .split_only = TRUE,
	  .ring = { { TABLE, 32, INDIRECT, 0 } },
	  .table = { { GOOD, 64, NEXT, 1 }, { GOOD, 64, NEXT, 0 } } },
	{ .name = "indirect-next-beyond",
	  .queue = TX,
	  .split_only = TRUE,
	  .ring = { { TABLE, 32, INDIRECT, 0 } },
	  .table = { { GOOD, 64, NEXT, 2 } } },
	{ .name = "indirect-in-chain",
	  .queue = TX,
	  .packed_only = TRUE,
	  .ring = { { GOOD, 64, NEXT, 0 }, { TABLE, 16, INDIRECT, 0 } } },
};

typedef struct Case {
	const Attack *attack;
	gboolean packed;
} Case;

static guint64
features_of(const Case *c)
{
	return (F_VERSION_1 | F_MRG_RXBUF | F_INDIRECT | (c->packed ? F_PACKED : 0)) &
	       ~c->attack->without;
}

static guint64
resolve(guint64 addr, guint64 good, guint64 table)
{
	return addr == GOOD ? good : addr == TABLE ? table : addr;
}

/* The same four words in both forms but for the last two: id and flags, flags and next. */
static void
put_entries(Fixture *f, guint64 at, const Raw *raw, gboolean packed, gboolean in_ring, guint64 good,
	    guint64 table)
{
	guint8 *to = vd_pointer(&f->memory, at);

	for (guint i = 0; i < 4; i++, to += 16) {
		guint64 addr = resolve(raw[i].addr, good, table);
		guint16 flags = raw[i].flags, tail[2] = { flags, raw[i].next };

		if (packed) {
			tail[0] = 0;
			tail[1] = (guint16)(flags | (in_ring ? 0x0080u : 0));
		}
		memcpy(to, &addr, 8);
		memcpy(to + 8, &raw[i].len, 4);
		memcpy(to + 12, tail, 4);
	}
}

static void
attack(Fixture *f, const Case *c)
{
	const Attack *a = c->attack;
	VdRing *ring = &f->rings[a->queue];
	guint64 good = vd_alloc(&f->memory, 4096, 16), table = vd_alloc(&f->memory, 4096, 16);

	put_entries(f, table, a->table, c->packed, FALSE, good, table);
	put_entries(f, ring->desc, a->ring, c->packed, TRUE, good, table);
	if (!c->packed) {
		guint16 *avail = vd_pointer(&f->memory, ring->driver);

		avail[2] = a->head;
		avail[1] = a->ahead ? a->ahead : 1;
	}
	f->virtio->kick(f->inst, a->queue);
}

/* The other queue still works. */
static void
check_transmit(Fixture *f)
{
	guint64 at = vd_alloc(&f->memory, 4096, 16);
	VdPiece piece = { at, HDR + 60 };
	g_autoptr(JfHarnessFrame) out = NULL;
	guint token;
	guint32 len;

	g_assert_true(vd_add(&f->rings[TX], &piece, 1, 0, FALSE, 9));
	f->virtio->kick(f->inst, TX);
	fixture_run(f);
	g_assert_true(vd_get(&f->rings[TX], &token, &len));
	out = jf_harness_pull(f->h, 0);
	g_assert_nonnull(out);
}

static void
test_attack(gconstpointer data)
{
	const Case *c = data;
	guint queue = c->attack->queue;
	guint8 frame[60] = { 0xff };
	Fixture f;

	fixture_init(&f, driver, NULL, features_of(c));
	fixture_ring(&f, RX, SIZE, 0, TRUE);
	fixture_ring(&f, TX, SIZE, 0, TRUE);
	attack(&f, c);
	fixture_run(&f);
	if (queue == RX)
		g_assert_true(jf_harness_push_bytes(f.h, 0, frame, sizeof frame));
	fixture_run(&f);
	g_assert_cmpuint(f.broken[queue], ==, 1);
	g_assert_cmpuint(jf_harness_get_queued(f.h, 0), ==, 0);
	f.virtio->kick(f.inst, queue);
	fixture_run(&f);
	g_assert_cmpuint(f.broken[queue], ==, 1);
	if (queue == RX)
		check_transmit(&f);
	/* The driver sets the ring up again. */
	g_assert_true(f.virtio->ring_stop(f.inst, queue, NULL));
	vd_ring_clear(&f.rings[queue]);
	fixture_ring(&f, queue, SIZE, 0, TRUE);
	check_transmit(&f);
	fixture_clear(&f);
}

/* ---- Odd, but allowed ---- */

typedef struct Odd {
	guint64 features;
} Odd;

static const Odd odds[] = { { F_VERSION_1 | F_INDIRECT | F_MRG_RXBUF },
			    { F_VERSION_1 | F_INDIRECT | F_MRG_RXBUF | F_PACKED } };

/* Buffers that are no frame are used up; the drop is the host's. */
static void
test_no_frames(gconstpointer data)
{
	static const guint lengths[] = { 0, 1, 11, 12, 13, HDR + 13, HDR + 65554, 200000 };
	const Odd *odd = data;
	guint64 at;
	guint token;
	guint32 len;
	Fixture f;

	fixture_init(&f, driver, NULL, odd->features);
	fixture_ring(&f, RX, SIZE, 0, TRUE);
	fixture_ring(&f, TX, SIZE, 0, TRUE);
	at = vd_alloc(&f.memory, 200000, 16);
	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
		VdPiece piece = { at, lengths[i] };

		g_assert_true(vd_add(&f.rings[TX], &piece, 1, 0, FALSE, i));
	}
	f.virtio->kick(f.inst, TX);
	fixture_run(&f);
	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
		g_assert_true(vd_get(&f.rings[TX], &token, &len));
		g_assert_cmpuint(token, ==, i);
	}
	g_assert_cmpuint(jf_harness_get_queued(f.h, 0), ==, 0);
	g_assert_cmpuint(jf_harness_get_drops(f.h, 0), ==, G_N_ELEMENTS(lengths));
	check_transmit(&f);
	fixture_clear(&f);
}

/* More pieces than a JfFrame has. */
static void
test_many_pieces(gconstpointer data)
{
	const Odd *odd = data;
	const guint n = 150;
	VdPiece pieces[150];
	g_autoptr(JfHarnessFrame) out = NULL;
	guint64 at;
	guint8 *bytes;
	guint32 len;
	guint token;
	Fixture f;

	fixture_init(&f, driver, NULL, odd->features);
	fixture_ring(&f, TX, 256, 0, TRUE);
	at = vd_alloc(&f.memory, 4096, 16);
	bytes = vd_pointer(&f.memory, at);
	for (guint i = 0; i < n; i++) {
		pieces[i] = (VdPiece){ at + 7 * i, 7 };
		memset(bytes + 7 * i, i * 7 < HDR ? 0 : (int)i, 7);
	}
	memset(bytes, 0, HDR);
	check_transmit(&f);
	g_assert_true(vd_add(&f.rings[TX], pieces, n, 0, FALSE, 1));
	g_assert_true(vd_add(&f.rings[TX], &(VdPiece){ at, HDR + 60 }, 1, 0, FALSE, 2));
	f.virtio->kick(f.inst, TX);
	fixture_run(&f);
	g_assert_true(vd_get(&f.rings[TX], &token, &len));
	g_assert_cmpuint(token, ==, 1);
	out = jf_harness_pull(f.h, 0);
	g_assert_nonnull(out);
	g_assert_cmpmem(out->data, out->len, bytes + HDR, 7 * n - HDR);
	g_assert_true(vd_get(&f.rings[TX], &token, &len));
	g_assert_cmpuint(token, ==, 2);
	fixture_clear(&f);
}

/* A buffer over two regions of memory that lie side by side for the guest alone. */
static void
test_across_regions(gconstpointer data)
{
	const Odd *odd = data;
	const guint64 edge = FIX_MEMORY_AT + FIX_MEMORY_SIZE, from = edge - HDR - 30;
	g_autoptr(JfHarnessFrame) out = NULL;
	guint8 frame[60], *second;
	guint32 len;
	guint token;
	Fixture f;

	fixture_init(&f, driver, NULL, odd->features);
	fixture_ring(&f, RX, SIZE, 0, TRUE);
	fixture_ring(&f, TX, SIZE, 0, TRUE);
	second = jf_harness_add_memory(f.h, edge, 4096, TRUE);
	g_assert_true(vd_add(&f.rings[RX], &(VdPiece){ from, 2048 }, 0, 1, FALSE, 1));
	for (guint i = 0; i < sizeof frame; i++)
		frame[i] = (guint8)(i * 3);
	g_assert_true(jf_harness_push_bytes(f.h, 0, frame, sizeof frame));
	g_assert_true(vd_get(&f.rings[RX], &token, &len));
	g_assert_cmpmem(f.memory.base + FIX_MEMORY_SIZE - 30, 30, frame, 30);
	g_assert_cmpmem(second, 30, frame + 30, 30);
	g_assert_true(vd_add(&f.rings[TX], &(VdPiece){ from, HDR + 60 }, 1, 0, FALSE, 1));
	memset(f.memory.base + FIX_MEMORY_SIZE - 30 - HDR, 0, HDR);
	f.virtio->kick(f.inst, TX);
	fixture_run(&f);
	out = jf_harness_pull(f.h, 0);
	g_assert_nonnull(out);
	g_assert_cmpmem(out->data, out->len, frame, sizeof frame);
	fixture_clear(&f);
}

static void
check_refused(Fixture *f, JfVirtioRing at, int code)
{
	g_autoptr(GError) error = NULL;

	at.struct_size = sizeof at;
	g_assert_false(f->virtio->ring_start(f->inst, &at, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_false(f->virtio->ring_stop(f->inst, 1, NULL));
}

static void
test_bad_rings(gconstpointer data)
{
	const Odd *odd = data;
	const guint64 good = FIX_MEMORY_AT, end = FIX_MEMORY_AT + FIX_MEMORY_SIZE;
	g_autoptr(GError) error = NULL;
	JfVirtioRing ring = { .queue = 1, .size = 16, .desc = good, .driver = good + 4096 };
	Fixture f;

	ring.device = good + 8192;
	fixture_init(&f, driver, NULL, odd->features);
	for (guint i = 0; i < 8; i++) {
		JfVirtioRing bad = ring;

		bad.size = (guint32[]){ 0, 32769, 65536, G_MAXUINT32, 16, 16, 16, 16 }[i];
		bad.desc = i == 4 ? 0x1000 : i == 5 ? end - 128 : i == 6 ? good + 1 : bad.desc;
		if (i == 7)
			bad.device = G_MAXUINT64 - 1;
		check_refused(&f, bad, JF_ERROR_VALUE);
	}
	ring.size = 3;
	if (!(odd->features & F_PACKED))
		check_refused(&f, ring, JF_ERROR_VALUE);
	ring.size = 16;
	ring.avail = 16;
	if (odd->features & F_PACKED)
		check_refused(&f, ring, JF_ERROR_VALUE);
	ring.avail = 0;
	ring.queue = 2;
	check_refused(&f, ring, JF_ERROR_VALUE);
	g_assert_false(f.virtio->set_features(f.inst, 1ull << 40, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_false(f.virtio->set_features(f.inst, F_VERSION_1 | F_HOST_TSO4, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	fixture_clear(&f);
}

/* Memory that goes away under a ring stops it without harm; it goes on where it is back. */
static void
test_memory_gone(gconstpointer data)
{
	const Odd *odd = data;
	guint8 frame[60] = { 0xff };
	Fixture f;

	fixture_init(&f, driver, NULL, odd->features);
	fixture_ring(&f, RX, SIZE, 0, TRUE);
	fixture_ring(&f, TX, SIZE, 0, TRUE);
	check_transmit(&f);
	jf_harness_remove_memory(f.h, FIX_MEMORY_AT);
	f.virtio->kick(f.inst, TX);
	f.virtio->kick(f.inst, RX);
	g_assert_false(jf_harness_push_bytes(f.h, 0, frame, sizeof frame));
	fixture_run(&f);
	g_assert_cmpuint(f.broken[TX] + f.broken[RX], ==, 0);
	f.virtio->ring_stop(f.inst, TX, NULL);
	f.virtio->ring_stop(f.inst, RX, NULL);
	fixture_clear(&f);
}

/* Before frames leave, the mark names their buffers; afterwards it is clear. Pages written are logged. */
static void
test_mark_and_log(gconstpointer data)
{
	const Odd *odd = data;
	g_autofree JfVirtioMark *mark = g_new0(JfVirtioMark, 1);
	g_autofree guint8 *bits = g_malloc0(8192);
	JfDirtyLog log = { .bits = bits, .n_bytes = 8192, .page_shift = 12 };
	JfVirtioRing stood = { .struct_size = sizeof stood };
	g_autoptr(GError) error = NULL;
	guint8 frame[60] = { 0xff };
	guint64 at;
	Fixture f;

	fixture_init(&f, driver, NULL, odd->features);
	fixture_ring(&f, RX, SIZE, 0, TRUE);
	fixture_ring(&f, TX, SIZE, 0, TRUE);
	g_assert_true(f.virtio->ring_stop(f.inst, TX, &stood));
	stood.mark = mark;
	f.virtio->ring_start(f.inst, &stood, &error);
	g_assert_no_error(error);
	check_transmit(&f);
	g_assert_cmpuint(mark->state >> 32, ==, 0);
	g_assert_cmpuint(mark->state & 0x7fff, ==, 1);
	g_assert_cmpuint(mark->state >> 16 & 0x7fff, ==, 1);
	g_assert_cmpuint(mark->used[0].count, ==, 1);
	at = vd_alloc(&f.memory, 8192, 4096);
	g_assert_true(vd_add(&f.rings[RX], &(VdPiece){ at + 4096 - 20, 2048 }, 0, 1, FALSE, 1));
	jf_harness_set_dirty_log(f.h, &log);
	g_assert_true(jf_harness_push_bytes(f.h, 0, frame, sizeof frame));
	g_assert_true(bits[(at >> 12) / 8] >> (at >> 12) % 8 & 1);
	at += 4096;
	g_assert_true(bits[(at >> 12) / 8] >> (at >> 12) % 8 & 1);
	at = odd->features & F_PACKED ? f.rings[RX].desc : f.rings[RX].device;
	g_assert_true(bits[(at >> 12) / 8] >> (at >> 12) % 8 & 1);
	jf_harness_set_dirty_log(f.h, NULL);
	fixture_clear(&f);
}

static void
add_attacks(void)
{
	static Case cases[2 * G_N_ELEMENTS(attacks)];

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		const Attack *a = &attacks[i / 2];
		g_autofree char *path = NULL;

		cases[i] = (Case){ a, i % 2 };
		if (cases[i].packed ? a->split_only : a->packed_only)
			continue;
		path = g_strdup_printf("/attack/%s/%s", a->name, i % 2 ? "packed" : "split");
		g_test_add_data_func(path, &cases[i], test_attack);
	}
}

static void
add_odd(const char *name, GTestDataFunc test)
{
	for (guint i = 0; i < G_N_ELEMENTS(odds); i++) {
		g_autofree char *path = g_strdup_printf("/%s/%s", name, i ? "packed" : "split");

		g_test_add_data_func(path, &odds[i], test);
	}
}

int
main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	g_test_init(&argc, &argv, NULL);
	driver = jf_harness_load(argv[1], "virtio", &error);
	g_assert_no_error(error);
	add_attacks();
	add_odd("no-frames", test_no_frames);
	add_odd("many-pieces", test_many_pieces);
	add_odd("across-regions", test_across_regions);
	add_odd("bad-rings", test_bad_rings);
	add_odd("memory-gone", test_memory_gone);
	add_odd("mark-and-log", test_mark_and_log);
	return g_test_run();
}
