/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * passage.c - what goes in at one end comes out at the other: everything, once, in order, also when
 * the far end refuses now and then.
 *
 * Ends are the two ports of a filter, a card's port and the network that the driver joined, or the
 * ports of two instances that are connected to each other (--peer). After a refusal the sender
 * waits for resume before it tries again, so a driver that forgets to say it fails by the deadline.
 */
#include "conformance.h"

#include <string.h>

#define FRAMES 150u
#define ROUNDS 3u

typedef struct End {
	JfHarness *h;
	guint port;
} End;

typedef struct Passage {
	End from, to;
	JfHarness *others[2]; /* turned while it waits; may be equal */
	guint sent, got;
	gboolean waiting; /* for the resume after `resumes` */
	guint resumes;
	guint first; /* number of the first frame */
} Passage;

static gsize
length_of(guint32 number)
{
	static const gsize lengths[] = { 60, 61, 64, 590, 1514, 1000 };

	return lengths[number % G_N_ELEMENTS(lengths)];
}

static void
turn(Passage *p)
{
	for (guint i = 0; i < 2; i++) {
		jf_harness_poll(p->others[i], 0);
		jf_harness_crank(p->others[i], TURN_NS / 10);
	}
}

static void
send_some(Passage *p, guint most)
{
	JfFrame frames[JF_BATCH_MAX];
	struct iovec pieces[JF_BATCH_MAX];
	guint n = MIN(most, FRAMES - p->sent), taken;

	if (p->waiting && jf_harness_get_resumes(p->from.h, p->from.port) == p->resumes)
		return;
	for (guint i = 0; i < n; i++) {
		guint32 number = p->first + p->sent + i;

		pieces[i].iov_base = numbered_frame(number, length_of(number));
		pieces[i].iov_len = length_of(number);
		frames[i] = jf_frame_plain(&pieces[i]);
	}
	p->resumes = jf_harness_get_resumes(p->from.h, p->from.port);
	taken = jf_harness_push(p->from.h, p->from.port, frames, n);
	p->waiting = taken < n;
	p->sent += taken;
	for (guint i = 0; i < n; i++)
		g_free(pieces[i].iov_base);
}

static void
check_frame(Passage *p, const JfHarnessFrame *frame)
{
	guint32 number = p->first + p->got;
	g_autofree guint8 *wanted = numbered_frame(number, length_of(number));

	g_assert_cmpmem(frame->data, frame->len, wanted, length_of(number));
	g_assert_cmpuint(frame->frame.gso_type, ==, JF_GSO_NONE);
	p->got++;
}

static void
receive_some(Passage *p, guint most)
{
	JfHarnessFrame *frame;

	while (most-- && (frame = jf_harness_pull(p->to.h, p->to.port))) {
		check_frame(p, frame);
		jf_harness_frame_free(frame);
	}
}

/* `capacity` frames wait at the far end before it refuses, `slow` are fetched in each turn. */
static void
pass(Passage *p, guint capacity, guint slow)
{
	gint64 end = g_get_monotonic_time() + DEADLINE_MS * 1000;

	p->sent = p->got = 0;
	p->waiting = FALSE;
	jf_harness_set_capacity(p->to.h, p->to.port, capacity);
	while (p->got < FRAMES && g_get_monotonic_time() < end) {
		send_some(p, 1 + p->sent % JF_BATCH_MAX);
		turn(p);
		receive_some(p, slow);
	}
	if (p->got < FRAMES)
		g_error("%u frames sent, %u came out; the sender was%s told to wait", p->sent,
			p->got, p->waiting ? "" : " not");
	turn(p);
	g_assert_cmpuint(jf_harness_get_queued(p->to.h, p->to.port), ==, 0);
	jf_harness_set_capacity(p->to.h, p->to.port, G_MAXUINT);
}

static void
pass_rounds(Passage *p, gboolean may_refuse)
{
	for (guint i = 0; i < ROUNDS; i++) {
		p->first = i * 1000;
		jf_harness_set_pieces(p->from.h, 1 + i * 2);
		pass(p, G_MAXUINT, G_MAXUINT);
		if (!may_refuse)
			continue;
		p->first += 300;
		pass(p, 1 + i, 1);
		p->first += 300;
		pass(p, 64, 32);
	}
	check_clean(p->from.h);
	check_clean(p->to.h);
}

static void
pass_between(JfHarness *h, guint from, guint to, gboolean may_refuse)
{
	Passage p = { .from = { h, from }, .to = { h, to }, .others = { h, h } };

	pass_rounds(&p, may_refuse);
}

static void
test_filter(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);

	pass_between(h, 0, 1, TRUE);
	pass_between(h, 1, 0, TRUE);
	case_end(h);
}

/* Frames with offloads come out of a filter as they were. */
static void
test_filter_offloads(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);
	g_autofree guint8 *bytes = numbered_frame(1, 9000);
	struct iovec piece = { bytes, 9000 };
	JfFrame frame = jf_frame_plain(&piece);
	g_autoptr(JfHarnessFrame) out = NULL;

	bytes[12] = 0x08;
	bytes[13] = 0x00;
	bytes[14] = 0x45;
	bytes[23] = 6;
	bytes[46] = 0x50;
	frame.flags = JF_FRAME_NEEDS_CSUM;
	frame.gso_type = JF_GSO_TCPV4;
	frame.gso_size = 1000;
	frame.hdr_len = 54;
	frame.csum_start = 34;
	frame.csum_offset = 16;
	if (jf_frame_offloads(&frame) & ~jf_harness_get_offloads(h, 0)) {
		g_test_message("the filter takes no GSO frames: the core cuts them before it");
	} else {
		g_assert_cmpuint(jf_harness_push(h, 0, &frame, 1), ==, 1);
		for (guint i = 0; i < 100 && !out; i++) {
			jf_harness_poll(h, 0);
			out = jf_harness_pull(h, 1);
			jf_harness_crank(h, TURN_NS);
		}
		g_assert_nonnull(out);
		g_assert_cmpmem(out->data, out->len, bytes, 9000);
		g_assert_cmpuint(out->frame.gso_type, ==, frame.gso_type);
		g_assert_cmpuint(out->frame.gso_size, ==, frame.gso_size);
		g_assert_cmpuint(out->frame.csum_start, ==, frame.csum_start);
		g_assert_cmpuint(out->frame.csum_offset, ==, frame.csum_offset);
		g_assert_cmpuint(out->frame.flags, ==, frame.flags);
	}
	case_end(h);
}

/* A driver that is on one network and has a port is taken to join the two, unless it is a service
 * that answers by itself. */
static void
test_network(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);
	const JfSwitchJoin *join = jf_harness_get_join(h, 0, NULL);

	if (jf_harness_get_joins(h) != 1 || !join || join->role != JF_PORT_CARD) {
		g_test_message("not a driver that puts its card on a network");
	} else {
		pass_between(h, 0, JF_HARNESS_SWITCH(0), join->flags != 0);
		pass_between(h, JF_HARNESS_SWITCH(0), 0, TRUE);
	}
	case_end(h);
}

/* Sends probes both ways until they arrive: connecting takes its time. */
static void
connect_peers(JfHarness *a, JfHarness *b)
{
	gint64 end = g_get_monotonic_time() + DEADLINE_MS * 1000;
	g_autofree guint8 *probe = numbered_frame(0, 60);
	guint to_a = 0, to_b = 0;

	while ((!to_a || !to_b) && g_get_monotonic_time() < end) {
		jf_harness_push_bytes(a, 0, probe, 60);
		jf_harness_push_bytes(b, 0, probe, 60);
		for (guint i = 0; i < 4; i++) {
			jf_harness_poll(a, 1);
			jf_harness_poll(b, 1);
			jf_harness_crank(a, TURN_NS);
			jf_harness_crank(b, TURN_NS);
		}
		to_a += pull_all(a);
		to_b += pull_all(b);
	}
	g_assert_cmpuint(to_a, >, 0);
	g_assert_cmpuint(to_b, >, 0);
	while (jf_harness_poll(a, 20) + jf_harness_poll(b, 20))
		;
	pull_all(a);
	pull_all(b);
}

static void
test_peer(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *a = case_start(c, FALSE), *b = case_start(c, TRUE);
	Passage there = { .from = { a, 0 }, .to = { b, 0 }, .others = { a, b } };
	Passage back = { .from = { b, 0 }, .to = { a, 0 }, .others = { b, a } };

	connect_peers(a, b);
	pass_rounds(&there, TRUE);
	pass_rounds(&back, TRUE);
	case_end(a);
	case_end(b);
}

void
passage_add(const Subject *subject)
{
	if (subject->driver->kind == JF_KIND_FILTER) {
		add_case(subject, "passage/filter", test_filter);
		add_case(subject, "passage/filter-offloads", test_filter_offloads);
	} else if (subject->peer_arguments) {
		add_case(subject, "passage/peer", test_peer);
	} else {
		add_case(subject, "passage/network", test_network);
	}
}
