/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * switch-send.c - what a frame costs in the switch alone: send to deliver, batches of 64 B frames
 * between two ports that know each other, with one sender and with two of separate pairs.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "switch.h"

#define FRAME_LEN 64u
#define FRAMES 20000000u
#define PAIRS_MAX 2u

typedef struct Pair {
	JfSwitchPort *from, *to;
	guint8 bytes[FRAME_LEN];
	guint64 got;
	char apart[64];
} Pair;

static guint64
read_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (guint64)ts.tv_sec * 1000000000u + (guint64)ts.tv_nsec;
}

static guint64
bench_now(JfInstance *inst, guint clock)
{
	(void)inst;
	(void)clock;
	return read_clock();
}

static guint
pair_deliver(gpointer data, const JfFrame *frames, guint n)
{
	Pair *pair = data;

	(void)frames;
	__atomic_fetch_add(&pair->got, n, __ATOMIC_RELAXED);
	return n;
}

static gpointer
pair_send(gpointer data)
{
	const JfSwitch *sw = jf_switch_get_interface();
	Pair *pair = data;
	struct iovec piece = { pair->bytes, FRAME_LEN };
	JfFrame frames[JF_BATCH_MAX];

	for (guint i = 0; i < JF_BATCH_MAX; i++)
		frames[i] = jf_frame_plain(&piece);
	for (guint sent = 0; sent < FRAMES; sent += JF_BATCH_MAX)
		sw->send(pair->from, frames, JF_BATCH_MAX);
	return NULL;
}

static void
run(JfNetworks *networks, JfInstance *inst, guint n_pairs)
{
	JfSwitchJoin join = { .struct_size = sizeof join, .deliver = pair_deliver };
	GThread *threads[PAIRS_MAX];
	Pair pairs[PAIRS_MAX] = { { .got = 0 } };
	guint64 began, ns, got = 0;

	for (guint i = 0; i < n_pairs; i++) {
		const guint8 macs[12] = { 2, 0, 0, 0, 1, (guint8)i, 2, 0, 0, 0, 2, (guint8)i };

		memcpy(pairs[i].bytes, macs, sizeof macs);
		join.data = &pairs[i];
		memcpy(join.mac, macs, 6);
		pairs[i].to = jf_networks_join(networks, inst, "bench", &join, NULL);
		memcpy(join.mac, macs + 6, 6);
		pairs[i].from = jf_networks_join(networks, inst, "bench", &join, NULL);
	}
	began = read_clock();
	for (guint i = 0; i < n_pairs; i++)
		threads[i] = g_thread_new("send", pair_send, &pairs[i]);
	for (guint i = 0; i < n_pairs; i++)
		g_thread_join(threads[i]);
	ns = read_clock() - began;
	for (guint i = 0; i < n_pairs; i++) {
		got += pairs[i].got;
		jf_switch_get_interface()->leave(pairs[i].from);
		jf_switch_get_interface()->leave(pairs[i].to);
	}
	printf("%u thread%s: %6.2f ns/frame, %6.1f Mframes/s\n", n_pairs, n_pairs > 1 ? "s" : " ",
	       (double)ns / (double)got, (double)got * 1e3 / (double)ns);
}

int
main(void)
{
	static const JfHost host = { .struct_size = sizeof(JfHost), .now = bench_now };
	JfInstance inst = { .struct_size = sizeof inst, .host = &host, .name = "bench" };
	JfNetworks *networks = jf_networks_new(NULL, NULL);

	for (guint n = 1; n <= PAIRS_MAX; n++)
		run(networks, &inst, n);
	jf_networks_free(networks);
	return 0;
}
