/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cable.c - frames on their way: threads, order, backpressure, offloads, rewiring, counters. */
#include <string.h>

#include "convert.h"
#include "jackfield/util.h"
#include "jackfield/vmm.h"
#include "probe.h"
#include "ring.h"

#define SIDE 0
#define FAR 1
#define OTHER 2
#define PASS 3

typedef struct Fixture {
	JfContext *context;
	JfWorker *worker;
	JfCard *card;
} Fixture;

static void
setup(Fixture *f, gconstpointer threaded)
{
	g_autoptr(GError) error = NULL;

	probes_reset();
	f->context = jf_context_new(NULL, NULL);
	probes_add(f->context);
	f->worker = threaded ? jf_worker_new(f->context, &error)
			     : jf_worker_new_nested(f->context, &error);
	g_assert_no_error(error);
}

static void
teardown(Fixture *f, gconstpointer threaded)
{
	(void)threaded;
	jf_card_free(f->card);
	jf_worker_free(f->worker);
	jf_context_free(f->context);
	probes_check();
}

static JfCard *
make_card(JfContext *context, JfWorker *worker, const char *side, guint side_probe, const char *far,
	  guint far_probe)
{
	g_autoptr(GError) error = NULL;
	JfCardConfig config = {
		.struct_size = sizeof config,
		.machine = "web",
		.cable_connected = TRUE,
		.connector = side,
		.connector_properties = probe_properties(side_probe),
		.attachment = far,
		.attachment_properties = probe_properties(far_probe),
		.worker = worker,
	};
	JfCard *card = jf_card_new(context, &config, &error);

	g_assert_no_error(error);
	return card;
}

static void
start_card(Fixture *f, const char *side, const char *far)
{
	f->card = make_card(f->context, f->worker, side, SIDE, far, FAR);
	g_assert_true(jf_card_start(f->card, NULL));
	jf_worker_dispatch(f->worker);
}

static JfCardStats
get_stats(JfCard *card)
{
	JfCardStats stats = { .struct_size = sizeof stats };

	jf_card_get_stats(card, &stats);
	return stats;
}

static guint64
get_frames(const Probe *probe)
{
	return __atomic_load_n(&probe->frames, __ATOMIC_SEQ_CST);
}

static guint
get_resumes(Probe *probe)
{
	guint n;

	pthread_mutex_lock(&probe->lock);
	n = probe->n_resumes;
	pthread_mutex_unlock(&probe->lock);
	return n;
}

static void
give_room(Probe *probe, gint room)
{
	__atomic_store_n(&probe->room, room, __ATOMIC_SEQ_CST);
	probe->inst->host->resume(probe->inst, 0);
}

/* Waits for frames; a nested worker is driven meanwhile. */
static void
wait_frames(Fixture *f, const Probe *probe, guint64 frames)
{
	PROBE_WAIT((jf_worker_dispatch(f->worker), get_frames(probe) >= frames));
	g_assert_cmpuint(get_frames(probe), ==, frames);
}

/* ---- The ring ---- */

static void
fill_pattern(guint8 *bytes, guint32 len, guint32 number)
{
	for (guint32 i = 0; i < len; i++)
		bytes[i] = (guint8)(i * 7 + number);
}

static guint32
pattern_len(guint32 number)
{
	return number % 5 ? JF_FRAME_MIN_LEN + number * 37 % 1500
			  : JF_FRAME_MAX_LEN - number * 131 % 20000;
}

static guint
ring_fill(JfRing *ring, guint32 *number)
{
	static guint8 bytes[JF_FRAME_MAX_LEN];
	guint n = 0;

	for (;; n++, ++*number) {
		guint32 len = pattern_len(*number);
		struct iovec pieces[2] = { { bytes, len / 3 }, { bytes + len / 3, len - len / 3 } };
		JfFrame frame = { .iov = pieces, .n_iov = 2, .len = len };

		fill_pattern(bytes, len, *number);
		if (!jf_ring_push(ring, &frame, 0))
			return n;
	}
}

static void
ring_check(JfRing *ring, guint n, guint32 number)
{
	static guint8 bytes[JF_FRAME_MAX_LEN];
	JfRingEntry *entries[300];

	g_assert_cmpuint(jf_ring_peek(ring, entries, n), ==, n);
	for (guint i = 0; i < n; i++) {
		guint32 len = pattern_len(number + i);

		fill_pattern(bytes, len, number + i);
		g_assert_cmpmem(entries[i]->piece.iov_base, entries[i]->piece.iov_len, bytes, len);
	}
	jf_ring_pop(ring, n);
}

/* Frames of all lengths, round and round. */
static void
test_ring(void)
{
	JfRing ring = { 0 };
	guint32 pushed = 0, popped = 0;

	for (guint round = 0; round < 300; round++) {
		guint n;

		ring_fill(&ring, &pushed);
		n = (guint)g_test_rand_int_range(1, (gint32)ring.n + 1);
		ring_check(&ring, n, popped);
		popped += n;
		g_assert_cmpuint(ring.n, ==, pushed - popped);
	}
	ring_check(&ring, ring.n, popped);
	g_assert_cmpuint(ring.tail, ==, 0);
	jf_ring_finish(&ring);
}

static void
test_ring_count(void)
{
	guint8 bytes[64] = { 0 };
	struct iovec piece = { bytes, sizeof bytes };
	JfFrame frame = jf_frame_plain(&piece);
	JfRing ring = { 0 };

	for (guint i = 0; i < JF_RING_FRAMES; i++)
		g_assert_true(jf_ring_push(&ring, &frame, 0));
	g_assert_false(jf_ring_push(&ring, &frame, 0));
	g_assert_true(jf_ring_push(&ring, &frame, 1));
	jf_ring_finish(&ring);
}

/* ---- Threads ---- */

/* From a thread that is not the worker's: at once to a parallel receiver, by the worker to another. */
static void
test_foreign_thread(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f, "side", "far-p");
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 64), ==, 64);
	g_assert_cmpuint(get_frames(&probes[FAR]), ==, 64);
	g_assert_cmpuint(probe_send(&probes[FAR], 0, 2, 1, 64), ==, 64);
	wait_frames(f, &probes[SIDE], 64);
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, 64);
	g_assert_cmpuint(get_stats(f->card).tx.bytes, ==, 64 * PROBE_FRAME_LEN);
	g_assert_cmpuint(get_stats(f->card).rx.frames, ==, 64);
	g_assert_cmpuint(get_stats(f->card).rx.bytes, ==, 64 * PROBE_FRAME_LEN);
}

static void
send_in_callback(JfInstance *inst, gpointer data)
{
	Probe *probe = &probes[jf_property_int(inst, "probe")];

	(void)data;
	g_assert_cmpuint(probe_send(probe, 0, 1, 1, 10), ==, 10);
	g_assert_cmpuint(get_frames(&probes[FAR]), ==, 10);
}

/* On the worker, a receiver that is in no callback has the frames before output returns. */
static void
test_same_worker(Fixture *f, gconstpointer data)
{
	JfInstance *side;

	(void)data;
	start_card(f, "side", "far");
	side = probes[SIDE].inst;
	side->host->post(side, send_in_callback, NULL);
	wait_frames(f, &probes[FAR], 10);
}

/* Answers each frame within input; the sender, which is on the stack, gets it later. */
static void
answer(Probe *probe, guint port, const JfFrame *frames, guint n)
{
	g_assert_cmpuint(probe->inst->host->output(probe->inst, port, frames, n), ==, n);
	g_assert_cmpuint(get_frames(&probes[SIDE]), ==, 0);
}

static void
test_answer(Fixture *f, gconstpointer data)
{
	JfInstance *side;

	(void)data;
	start_card(f, "side", "far");
	probes[FAR].on_input = answer;
	side = probes[SIDE].inst;
	side->host->post(side, send_in_callback, NULL);
	wait_frames(f, &probes[SIDE], 10);
}

/* ---- Backpressure ---- */

static void
test_refuse(Fixture *f, gconstpointer data)
{
	Probe *side = &probes[SIDE], *far = &probes[FAR];
	guint resumes, sent = 0;

	(void)data;
	start_card(f, "side-p", "far-p");
	far->room = 10;
	PROBE_WAIT((jf_worker_dispatch(f->worker), get_resumes(side) == 1));
	for (guint i = 1; i <= 5; i++) {
		sent += probe_send(side, 0, 1, sent + 1, 20);
		g_assert_cmpuint(sent, ==, i * 10);
		g_assert_cmpuint(probe_send(side, 0, 1, sent + 1, 20), ==, 0);
		resumes = get_resumes(side);
		give_room(far, 10);
		PROBE_WAIT((jf_worker_dispatch(f->worker), get_resumes(side) == resumes + 1));
	}
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, 50);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 0);
}

/* The ring takes what a busy receiver does not, up to its limit; the sender hears once that there is
 * room, and not before the ring is half empty. */
static void
test_ring_full(Fixture *f, gconstpointer data)
{
	Probe *side = &probes[SIDE], *far = &probes[FAR];
	guint sent = 0, taken;

	(void)data;
	start_card(f, "side", "far");
	PROBE_WAIT((jf_worker_dispatch(f->worker), get_resumes(side) == 1));
	__atomic_store_n(&far->room, 0, __ATOMIC_SEQ_CST);
	do {
		taken = probe_send(side, 0, 1, sent + 1, 60);
		sent += taken;
	} while (taken == 60);
	g_assert_cmpuint(sent, ==, JF_RING_FRAMES);
	give_room(far, 100);
	wait_frames(f, far, 100);
	g_assert_cmpuint(get_resumes(side), ==, 1);
	g_assert_cmpuint(probe_send(side, 0, 1, sent + 1, 1), ==, 1);
	give_room(far, -1);
	wait_frames(f, far, sent + 1);
	PROBE_WAIT((jf_worker_dispatch(f->worker), get_resumes(side) == 2));
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, sent + 1);
}

/* ---- Bad frames, long batches ---- */

static void
test_malformed(Fixture *f, gconstpointer data)
{
	guint8 bytes[3][PROBE_FRAME_LEN];
	struct iovec pieces[3];
	JfFrame frames[7];
	JfInstance *side;

	(void)data;
	start_card(f, "side", "far-p");
	for (guint i = 0; i < 3; i++) {
		probe_fill(bytes[i], 1, i + 1);
		pieces[i] = (struct iovec){ bytes[i], PROBE_FRAME_LEN };
	}
	for (guint i = 0; i < 7; i++)
		frames[i] = jf_frame_plain(&pieces[i / 3]);
	frames[0].len = 13;
	frames[2].len = PROBE_FRAME_LEN + 1;
	frames[3].gso_type = JF_GSO_TCPV4;
	frames[5].n_iov = 0;
	frames[4] = jf_frame_plain(&pieces[1]);
	side = probes[SIDE].inst;
	g_assert_cmpuint(side->host->output(side, 0, frames, 7), ==, 7);
	g_assert_cmpuint(side->host->output(side, 1, frames, 7), ==, 0);
	g_assert_cmpuint(side->host->output(side, 7, frames, 7), ==, 0);
	g_assert_cmpuint(get_frames(&probes[FAR]), ==, 3);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 4);
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, 3);
}

static void
test_long_batch(Fixture *f, gconstpointer data)
{
	guint8 bytes[200][PROBE_FRAME_LEN];
	struct iovec pieces[200];
	JfFrame frames[200];
	JfInstance *side;

	(void)data;
	start_card(f, "side", "far-p");
	for (guint i = 0; i < 200; i++) {
		probe_fill(bytes[i], 1, i + 1);
		pieces[i] = (struct iovec){ bytes[i], PROBE_FRAME_LEN };
		frames[i] = jf_frame_plain(&pieces[i]);
	}
	side = probes[SIDE].inst;
	g_assert_cmpuint(side->host->output(side, 0, frames, 200), ==, 200);
	g_assert_cmpuint(get_frames(&probes[FAR]), ==, 200);
}

/* ---- Offloads ---- */

#define HEADERS 54u
#define PAYLOAD 9000u
#define MSS 1000u

static GByteArray *received;
static guint n_large;

static void
collect(Probe *probe, guint port, const JfFrame *frames, guint n)
{
	(void)probe;
	(void)port;
	for (guint i = 0; i < n; i++) {
		guint8 bytes[HEADERS + PAYLOAD];

		g_assert_true(jf_frame_is_sane(&frames[i]));
		g_assert_true(jf_frame_copy(&frames[i], 0, bytes, frames[i].len));
		g_byte_array_append(received, bytes + HEADERS, frames[i].len - HEADERS);
		n_large += frames[i].gso_type != JF_GSO_NONE;
	}
}

static void
tcp_fill(guint8 *bytes, guint8 seed)
{
	memset(bytes, 0, HEADERS + PAYLOAD);
	bytes[0] = 2;
	jf_put_be16(bytes + 12, 0x0800);
	bytes[14] = 0x45;
	jf_put_be16(bytes + 16, HEADERS - 14 + PAYLOAD);
	bytes[22] = 64;
	bytes[23] = 6;
	bytes[46] = 0x50;
	for (guint i = 0; i < PAYLOAD; i++)
		bytes[HEADERS + i] = (guint8)(seed + i * 13);
}

static JfFrame
tcp_frame(struct iovec *piece)
{
	JfFrame frame = jf_frame_plain(piece);

	frame.flags = JF_FRAME_NEEDS_CSUM;
	frame.gso_type = JF_GSO_TCPV4;
	frame.gso_size = MSS;
	frame.csum_start = 34;
	frame.csum_offset = 16;
	return frame;
}

/* Large frames to a receiver that takes `room` segments at a time, or whole ones. */
static void
send_large(Fixture *f, guint n, gint room)
{
	g_autoptr(GByteArray) sent = g_byte_array_new();
	g_autofree guint8 *bytes = g_malloc((HEADERS + PAYLOAD) * n);
	g_autofree struct iovec *pieces = g_new(struct iovec, n);
	g_autofree JfFrame *frames = g_new(JfFrame, n);
	Probe *side = &probes[SIDE], *far = &probes[FAR];
	guint taken = 0;

	for (guint i = 0; i < n; i++) {
		pieces[i] = (struct iovec){ bytes + (HEADERS + PAYLOAD) * i, HEADERS + PAYLOAD };
		tcp_fill(pieces[i].iov_base, (guint8)i);
		frames[i] = tcp_frame(&pieces[i]);
		g_byte_array_append(sent, (guint8 *)pieces[i].iov_base + HEADERS, PAYLOAD);
	}
	received = g_byte_array_new();
	n_large = 0;
	far->on_input = collect;
	__atomic_store_n(&far->room, room, __ATOMIC_SEQ_CST);
	PROBE_WAIT((taken += side->inst->host->output(side->inst, 0, frames + taken, n - taken),
		    give_room(far, room), jf_worker_dispatch(f->worker),
		    taken == n && get_stats(f->card).tx.frames == n));
	g_assert_cmpmem(received->data, received->len, sent->data, sent->len);
	g_assert_cmpuint(get_stats(f->card).tx.bytes, ==, n * (HEADERS + PAYLOAD));
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 0);
	g_byte_array_unref(received);
}

static void
test_gso_whole(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f, "side", "far-gso");
	send_large(f, 20, -1);
	g_assert_cmpuint(n_large, ==, 20);
	g_assert_cmpuint(get_frames(&probes[FAR]), ==, 20);
}

static void
test_gso_cut(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f, "side", "far-p");
	send_large(f, 20, -1);
	g_assert_cmpuint(n_large, ==, 0);
	g_assert_cmpuint(get_frames(&probes[FAR]), ==, 20 * PAYLOAD / MSS);
}

/* Whatever the receiver takes at a time, each segment comes once and in order. */
static void
test_gso_refused(Fixture *f, gconstpointer data)
{
	static const gint rooms[] = { 1, 2, 7, 9, 10, 33 };

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(rooms); i++) {
		start_card(f, "side", i % 2 ? "far-p" : "far");
		send_large(f, 20, rooms[i]);
		g_clear_pointer(&f->card, jf_card_free);
		g_assert_cmpuint(get_frames(&probes[FAR]), ==, 20 * PAYLOAD / MSS);
		probes[FAR].frames = 0;
	}
}

/* Offloads that were taken back count for what is on its way, too. */
static void
test_gso_taken_back(Fixture *f, gconstpointer data)
{
	Probe *far = &probes[FAR];

	(void)data;
	start_card(f, "side", "far-gso");
	far->inst->host->set_offloads(far->inst, 0, JF_OFFLOAD_CSUM);
	send_large(f, 5, 4);
	g_assert_cmpuint(n_large, ==, 0);
	far->inst->host->set_offloads(far->inst, 0, G_MAXUINT32);
	g_clear_pointer(&f->card, jf_card_free);
	start_card(f, "side", "far-gso");
	send_large(f, 5, -1);
	g_assert_cmpuint(n_large, ==, 5);
}

/* Headers that are not what gso_type says: dropped, and the others go on. */
static void
test_gso_bad(Fixture *f, gconstpointer data)
{
	guint8 bytes[HEADERS + PAYLOAD], bad[HEADERS + PAYLOAD];
	struct iovec pieces[2] = { { bytes, sizeof bytes }, { bad, sizeof bad } };
	JfFrame frames[3];
	Probe *side = &probes[SIDE];

	(void)data;
	start_card(f, "side", "far-p");
	tcp_fill(bytes, 1);
	tcp_fill(bad, 2);
	bad[23] = 17;
	frames[0] = frames[2] = tcp_frame(&pieces[0]);
	frames[1] = tcp_frame(&pieces[1]);
	g_assert_cmpuint(side->inst->host->output(side->inst, 0, frames, 3), ==, 3);
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, 2);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 1);
	g_assert_cmpuint(get_frames(&probes[FAR]), ==, 2 * PAYLOAD / MSS);
	/* Not counted again when a refused one before it comes a second time. */
	__atomic_store_n(&probes[FAR].room, 0, __ATOMIC_SEQ_CST);
	g_assert_cmpuint(side->inst->host->output(side->inst, 0, frames, 3), ==, 0);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 1);
}

/* ---- Rewiring with frames on their way ---- */

static void
fill_ring(Fixture *f, Probe *from, Probe *to, guint n)
{
	__atomic_store_n(&to->room, 0, __ATOMIC_SEQ_CST);
	g_assert_cmpuint(probe_send(from, 0, 1, 1, n), ==, n);
	jf_worker_dispatch(f->worker);
}

static void
test_pull(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f, "side", "far");
	fill_ring(f, &probes[SIDE], &probes[FAR], 40);
	jf_card_set_cable(f->card, FALSE);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 40);
	__atomic_store_n(&probes[FAR].room, -1, __ATOMIC_SEQ_CST);
	jf_card_set_cable(f->card, TRUE);
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 41, 1), ==, 1);
	wait_frames(f, &probes[FAR], 1);
}

/* What waits for the old attachment goes to the new one; what waits from it is not lost either. */
static void
test_swap(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f, "side", "far");
	fill_ring(f, &probes[SIDE], &probes[FAR], 40);
	__atomic_store_n(&probes[SIDE].room, 30, __ATOMIC_SEQ_CST);
	g_assert_cmpuint(probe_send(&probes[FAR], 0, 2, 1, 30), ==, 30);
	g_assert_true(jf_card_attach(f->card, "far-p", probe_properties(OTHER), NULL));
	wait_frames(f, &probes[OTHER], 40);
	g_assert_cmpuint(get_frames(&probes[SIDE]), ==, 30);
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, 40);
	g_assert_cmpuint(get_stats(f->card).rx.frames, ==, 30);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 0);
	__atomic_store_n(&probes[SIDE].room, 3, __ATOMIC_SEQ_CST);
	g_assert_cmpuint(probe_send(&probes[OTHER], 0, 3, 1, 10), ==, 10);
	g_assert_true(jf_card_attach(f->card, "far", probe_properties(FAR), NULL));
	g_assert_cmpuint(get_frames(&probes[SIDE]), ==, 33);
	g_assert_cmpuint(get_stats(f->card).rx.drops, ==, 7);
}

static void
test_filter(Fixture *f, gconstpointer data)
{
	(void)data;
	start_card(f, "side", "far");
	fill_ring(f, &probes[SIDE], &probes[FAR], 40);
	g_assert_true(jf_card_add_filter(f->card, "pass", probe_properties(PASS), NULL));
	give_room(&probes[FAR], 15);
	wait_frames(f, &probes[FAR], 15);
	__atomic_store_n(&probes[FAR].room, -1, __ATOMIC_SEQ_CST);
	g_assert_true(jf_card_remove_filter(f->card, "pass", NULL));
	wait_frames(f, &probes[FAR], 40);
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, 40);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 0);
}

/* Refusal and room pass through a filter. */
static void
test_filter_pressure(Fixture *f, gconstpointer data)
{
	Probe *side = &probes[SIDE], *far = &probes[FAR];
	guint sent = 0, resumes;

	(void)data;
	start_card(f, "side", "far-p");
	g_assert_true(jf_card_add_filter(f->card, "pass-p", probe_properties(PASS), NULL));
	__atomic_store_n(&far->room, 10, __ATOMIC_SEQ_CST);
	sent = probe_send(side, 0, 1, 1, 60);
	g_assert_cmpuint(sent, ==, 10);
	resumes = get_resumes(side);
	give_room(far, -1);
	PROBE_WAIT((jf_worker_dispatch(f->worker), get_resumes(side) > resumes));
	g_assert_cmpuint(probe_send(side, 0, 1, sent + 1, 60), ==, 60);
	g_assert_cmpuint(get_frames(far), ==, 70);
	g_assert_cmpuint(get_stats(f->card).tx.frames, ==, 70);
}

static void
test_stopped(Fixture *f, gconstpointer data)
{
	(void)data;
	f->card = make_card(f->context, f->worker, "side", SIDE, "far-p", FAR);
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 5), ==, 0);
	g_assert_true(jf_card_start(f->card, NULL));
	PROBE_WAIT((jf_worker_dispatch(f->worker), get_resumes(&probes[SIDE]) == 1));
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 1, 5), ==, 5);
	jf_card_stop(f->card);
	g_assert_cmpuint(probe_send(&probes[SIDE], 0, 1, 6, 5), ==, 0);
	g_assert_cmpuint(get_stats(f->card).tx.drops, ==, 0);
}

/* ---- Everything at once ---- */

#define CARDS 4u

typedef struct Stress {
	JfContext *context;
	JfWorker *workers[CARDS];
	JfCard *cards[CARDS];
	gboolean on_second[CARDS]; /* its attachment writes to the second probe */
	gboolean has_filter[CARDS], is_in[CARDS], is_running[CARDS];
	guint n_swaps;
} Stress;

/* Probes of card i: side i, far 4 + i and 8 + i in turn, filter 12 + i. */
static Probe *
stress_far(guint i, gboolean second)
{
	return &probes[(second ? 2 * CARDS : CARDS) + i];
}

static void
stress_swap(Stress *s, guint i)
{
	static const char *const kinds[] = { "far", "far-p", "far-gso" };
	const char *kind = kinds[g_test_rand_int_range(0, G_N_ELEMENTS(kinds))];
	guint next = (s->on_second[i] ? CARDS : 2 * CARDS) + i;
	gboolean fails = g_test_rand_int_range(0, 4) == 0;

	probes[next].fail_start = fails;
	g_assert_cmpint(jf_card_attach(s->cards[i], kind, probe_properties(next), NULL), ==,
			!fails || !s->is_running[i]);
	if (!fails || !s->is_running[i])
		s->on_second[i] = !s->on_second[i];
	probes[next].fail_start = FALSE;
	s->n_swaps++;
}

static void
stress_filter(Stress *s, guint i)
{
	const char *kind = i % 2 ? "pass" : "pass-p";

	if (s->has_filter[i])
		g_assert_true(jf_card_remove_filter(s->cards[i], kind, NULL));
	else
		g_assert_true(jf_card_add_filter(s->cards[i], kind, probe_properties(3 * CARDS + i),
						 NULL));
	s->has_filter[i] = !s->has_filter[i];
}

static void
stress_step(Stress *s)
{
	guint i = (guint)g_test_rand_int_range(0, CARDS);

	switch (g_test_rand_int_range(0, 8)) {
	case 0:
	case 1:
	case 2:
		stress_swap(s, i);
		break;
	case 3:
	case 4:
		stress_filter(s, i);
		break;
	case 5:
		s->is_in[i] = !s->is_in[i];
		jf_card_set_cable(s->cards[i], s->is_in[i]);
		break;
	case 6:
		if (s->is_running[i])
			jf_card_stop(s->cards[i]);
		else
			g_assert_true(jf_card_start(s->cards[i], NULL));
		s->is_running[i] = !s->is_running[i];
		break;
	default:
		g_usleep(1000);
	}
}

static void
stress_setup(Stress *s)
{
	probes_reset();
	s->context = jf_context_new(NULL, NULL);
	probes_add(s->context);
	for (guint i = 0; i < 3 * CARDS; i++) {
		probes[i].pump = TRUE;
		probes[i].sender = i;
	}
	for (guint i = 0; i < CARDS; i++) {
		s->workers[i] = jf_worker_new(s->context, NULL);
		s->cards[i] = make_card(s->context, s->workers[i], i < 2 ? "side" : "side-p", i,
					i % 2 ? "far" : "far-p", CARDS + i);
		s->is_in[i] = s->is_running[i] = TRUE;
		g_assert_true(jf_card_start(s->cards[i], NULL));
	}
}

/* Each frame that was taken came out at the other end or is one of the cable's drops. */
static void
stress_check(Stress *s, guint i)
{
	JfCardStats stats = get_stats(s->cards[i]);
	Probe *side = &probes[i], *first = stress_far(i, FALSE), *second = stress_far(i, TRUE);

	g_test_message("card %u: tx %" G_GUINT64_FORMAT " + %" G_GUINT64_FORMAT
		       " dropped, rx %" G_GUINT64_FORMAT " + %" G_GUINT64_FORMAT " dropped",
		       i, stats.tx.frames, stats.tx.drops, stats.rx.frames, stats.rx.drops);
	g_assert_cmpuint(stats.tx.frames, ==, first->frames + second->frames);
	g_assert_cmpuint(stats.tx.frames + stats.tx.drops, ==, side->sent);
	g_assert_cmpuint(stats.tx.bytes, ==, stats.tx.frames * PROBE_FRAME_LEN);
	g_assert_cmpuint(stats.rx.frames, ==, side->frames);
	g_assert_cmpuint(stats.rx.frames + stats.rx.drops, ==, first->sent + second->sent);
	g_assert_cmpuint(stats.rx.bytes, ==, stats.rx.frames * PROBE_FRAME_LEN);
	g_assert_cmpuint(stats.tx.frames, >, 0);
	g_assert_cmpuint(stats.rx.frames, >, 0);
}

static gboolean
stress_has_moved(Stress *s)
{
	for (guint i = 0; i < CARDS; i++) {
		JfCardStats stats = get_stats(s->cards[i]);

		if (!stats.tx.frames || !stats.rx.frames)
			return FALSE;
	}
	return TRUE;
}

static void
test_stress(void)
{
	gint64 until = g_get_monotonic_time() + (g_test_slow() ? 30 : 1) * G_TIME_SPAN_SECOND;
	Stress s = { 0 };

	stress_setup(&s);
	while (g_get_monotonic_time() < until || s.n_swaps < 20 || !stress_has_moved(&s))
		stress_step(&s);
	for (guint i = 0; i < CARDS; i++)
		jf_card_stop(s.cards[i]);
	for (guint i = 0; i < CARDS; i++)
		stress_check(&s, i);
	for (guint i = 0; i < CARDS; i++)
		jf_card_free(s.cards[i]);
	for (guint i = 0; i < CARDS; i++)
		jf_worker_free(s.workers[i]);
	jf_context_free(s.context);
	probes_check();
	g_test_message("%u swaps", s.n_swaps);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*func)(Fixture *f, gconstpointer data);
	} tests[] = {
		{ "foreign-thread", test_foreign_thread },
		{ "same-worker", test_same_worker },
		{ "answer", test_answer },
		{ "refuse", test_refuse },
		{ "ring-full", test_ring_full },
		{ "malformed", test_malformed },
		{ "long-batch", test_long_batch },
		{ "gso/whole", test_gso_whole },
		{ "gso/cut", test_gso_cut },
		{ "gso/refused", test_gso_refused },
		{ "gso/taken-back", test_gso_taken_back },
		{ "gso/bad", test_gso_bad },
		{ "pull", test_pull },
		{ "swap", test_swap },
		{ "filter", test_filter },
		{ "filter-pressure", test_filter_pressure },
		{ "stopped", test_stopped },
	};

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cable/ring/order", test_ring);
	g_test_add_func("/cable/ring/count", test_ring_count);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *nested = g_strdup_printf("/cable/%s/nested", tests[i].path);
		g_autofree char *threaded = g_strdup_printf("/cable/%s/threaded", tests[i].path);

		g_test_add(nested, Fixture, NULL, setup, tests[i].func, teardown);
		g_test_add(threaded, Fixture, "threaded", setup, tests[i].func, teardown);
	}
	g_test_add_func("/cable/stress", test_stress);
	return g_test_run();
}
