/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio.c - what a frame costs between the rings of virtio cards.
 *
 *	bench-virtio VIRTIO.so INTERNAL.so [SECONDS]
 *
 * For split and packed rings and for short and long frames:
 *
 *	tx      a guest's ring into nowhere
 *	rx      frames from nowhere into a guest's ring
 *	switch  a guest's ring, through an internal network, into another guest's ring
 *
 * against plain memcpy of the same bytes. Each in two ways: "alone", guest and host by turns on one
 * thread, where only the host's part counts (by CPU time, so a busy machine does not matter much), and
 * "beside", the guest on a thread and the host on another, by the clock. The guest's side is as little
 * work as can be.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "jackfield/virtio.h"
#include "jackfield/vmm.h"

#define MEMORY_AT 0x100000u
#define MEMORY_SIZE (64u * 1024u * 1024u)
#define RING 256u
#define BUFFER 2048u
#define BUFFER_LARGE 65536u
#define HDR 12u
#define LARGE 60000u /* a frame that nobody cuts */
#define FEATURES \
	(1ull << 0 | 1ull << 1 | 1ull << 7 | 1ull << 11 | 1ull << 15 | 1ull << 28 | 1ull << 32)
#define PACKED (1ull << 34)
#define IN_ORDER (1ull << 35)
#define PUBLISH 32u

static guint
buffer_size(guint len)
{
	return len == LARGE ? BUFFER_LARGE : BUFFER;
}

static void
check(const GError *error)
{
	if (!error)
		return;
	fprintf(stderr, "bench-virtio: %s\n", error->message);
	exit(1);
}

/* ---- The guest ---- */

typedef struct Ring {
	gboolean packed, in_order, writes;
	guint8 *base;
	guint64 at; /* of the buffers */
	guint len, stride;
	guint16 avail, used; /* packed: positions, not wrapped */
	guint64 done;
} Ring;

typedef struct Packed {
	guint64 addr;
	guint32 len;
	guint16 id, flags;
} Packed;

typedef struct Guest {
	JfCard *card;
	JfDevice *device;
	const JfVirtio *virtio;
	guint8 *memory;
	Ring rings[2];
} Guest;

#define AT_DESC(q) ((q)*0x10000u)
#define AT_DRIVER(q) ((q)*0x10000u + 0x4000u)
#define AT_DEVICE(q) ((q)*0x10000u + 0x8000u)
#define AT_BUFFERS(q) (0x100000u + (q)*0x200000u)

static void
packed_put(Ring *ring)
{
	guint at = ring->avail % RING;
	gboolean wrap = !(ring->avail / RING & 1);
	Packed *desc = (Packed *)(gpointer)ring->base + at;

	desc->addr = ring->at + ring->stride * at;
	desc->len = ring->len;
	desc->id = (guint16)at;
	__atomic_store_n(&desc->flags,
			 (guint16)((ring->writes ? 2u : 0) | (wrap ? 0x0080u : 0x8000u)),
			 __ATOMIC_RELEASE);
	ring->avail++;
}

static void
ring_init(Ring *ring, guint8 *memory, guint queue, guint64 features, guint len)
{
	guint64(*desc)[2] = (gpointer)(memory + AT_DESC(queue));
	guint16 *avail = (gpointer)(memory + AT_DRIVER(queue));

	*ring = (Ring){ .packed = (features & PACKED) != 0,
			.in_order = (features & IN_ORDER) != 0,
			.writes = queue == 0,
			.base = memory + AT_DESC(queue),
			.at = MEMORY_AT + AT_BUFFERS(queue),
			.len = queue == 0 ? buffer_size(len) : HDR + len,
			.stride = buffer_size(len) };
	memset(memory + AT_DESC(queue), 0, 0x10000);
	for (guint i = 0; i < RING && !ring->packed; i++) {
		desc[i][0] = ring->at + ring->stride * i;
		desc[i][1] = ring->len | (ring->writes ? 2ull << 32 : 0);
		avail[2 + i] = (guint16)i;
	}
	(ring->packed ? avail + 1 : avail)[0] = 1; /* no interrupts */
}

/* Buffers that came back, of those that are out. */
static guint
ring_reap(Ring *ring)
{
	guint n = 0;

	if (!ring->packed) {
		const guint16 *used = (gpointer)(ring->base + 0x8000);

		n = (guint16)(__atomic_load_n(&used[1], __ATOMIC_ACQUIRE) - ring->used);
	} else {
		guint out = (guint16)(ring->avail - ring->used);

		while (n < out) {
			guint at = (guint16)(ring->used + n);
			gboolean wrap = !(at / RING & 1);
			const Packed *desc = (Packed *)(gpointer)ring->base + at % RING;
			guint16 flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);

			if ((flags & 0x8080) != (wrap ? 0x8080 : 0))
				break;
			/* In order, what the device only read is named by the last of a batch. */
			n += ring->in_order && !ring->writes ? (desc->id - at % RING) % RING + 1
							     : 1;
		}
	}
	ring->used = (guint16)(ring->used + n);
	ring->done += n;
	return n;
}

static void
ring_fill(Ring *ring, guint n)
{
	if (ring->packed) {
		while (n--)
			packed_put(ring);
		return;
	}
	ring->avail = (guint16)(ring->avail + n);
	__atomic_store_n((guint16 *)(gpointer)(ring->base + 0x4000) + 1, ring->avail,
			 __ATOMIC_RELEASE);
}

/* Takes back what is used and gives out as much, in steps. */
static void
ring_turn(Ring *ring, guint step)
{
	guint room;

	if (ring_reap(ring) == 0)
		sched_yield(); /* whom we wait for may have no processor */
	room = RING - (guint16)(ring->avail - ring->used);
	if (room >= step)
		ring_fill(ring, room / step * step);
}

typedef struct Setup {
	Guest *guest;
	guint64 features;
} Setup;

static void
ring_start(JfInstance *inst, const Guest *guest, guint queue, guint64 features)
{
	guint16 first = features & PACKED ? 0x8000 : 0;
	JfVirtioRing ring = { .struct_size = sizeof ring,
			      .queue = queue,
			      .size = RING,
			      .desc = MEMORY_AT + AT_DESC(queue),
			      .driver = MEMORY_AT + AT_DRIVER(queue),
			      .device = MEMORY_AT + AT_DEVICE(queue),
			      .avail = first,
			      .used = first };
	GError *error = NULL;

	guest->virtio->ring_start(inst, &ring, &error);
	check(error);
	guest->virtio->ring_enable(inst, queue, TRUE);
}

static void
set_up(JfInstance *inst, gpointer data)
{
	static const JfVirtioCallbacks callbacks = { .struct_size = sizeof callbacks };
	Setup *setup = data;
	GError *error = NULL;

	setup->guest->virtio->release(inst);
	setup->guest->virtio->take(inst, &callbacks, NULL, &error);
	check(error);
	setup->guest->virtio->set_features(inst, setup->features, &error);
	check(error);
	ring_start(inst, setup->guest, 0, setup->features);
	ring_start(inst, setup->guest, 1, setup->features);
}

static void
kick(JfInstance *inst, gpointer data)
{
	const Guest *guest = data;

	guest->virtio->kick(inst, 0);
	guest->virtio->kick(inst, 1);
}

/* Ethernet header of card `from` to card `to` in each transmit buffer. */
static void
guest_set_up(Guest *guest, guint64 features, guint len, guint8 from, guint8 to)
{
	/* TCP over IPv4 in segments of 1448. */
	static const guint8 large[10] = { 1, 1, 54, 0, 0xa8, 5, 34, 0, 16, 0 };
	const guint8 header[14] = { 8, 0, 0x27, 0, 0, to, 8, 0, 0x27, 0, 0, from, 8, 0 };
	Setup setup = { guest, features };

	for (guint q = 0; q < 2; q++)
		ring_init(&guest->rings[q], guest->memory, q, features, len);
	for (guint i = 0; i < RING; i++) {
		guint8 *buffer = guest->memory + AT_BUFFERS(1) + i * buffer_size(len);

		memset(buffer, 0, HDR + len);
		memcpy(buffer + HDR, header, sizeof header);
		if (len == LARGE)
			memcpy(buffer, large, sizeof large);
	}
	jf_device_call(guest->device, set_up, &setup);
}

/* ---- The other end: takes all, or sends all it can ---- */

typedef struct Far {
	guint64 *taken;
} Far;

static JfInstance *far_end;

static gboolean
far_init(JfInstance *inst, GError **error)
{
	(void)error;
	((Far *)inst->priv)->taken = inst->host->counter(inst, "taken");
	far_end = inst;
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
	(void)port;
	(void)frames;
	jf_count(((Far *)inst->priv)->taken, n);
	return n;
}

static const JfDriver far_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(Far),
	.id = "nowhere",
	.blurb = "Takes everything.",
	.init = far_init,
	.finish = far_finish,
	.input = far_input,
};

static guint
far_send(guint len)
{
	static guint8 bytes[BUFFER_LARGE] = { 8, 0, 0x27, 0, 0, 1, 8, 0, 0x27, 0, 0, 9, 8, 0 };
	struct iovec piece = { bytes, len };
	JfFrame frames[JF_BATCH_MAX];

	for (guint i = 0; i < JF_BATCH_MAX; i++) {
		frames[i] = jf_frame_plain(&piece);
		if (len != LARGE)
			continue;
		frames[i].flags = JF_FRAME_NEEDS_CSUM;
		frames[i].gso_type = JF_GSO_TCPV4;
		frames[i].gso_size = 1448;
		frames[i].hdr_len = 54;
		frames[i].csum_start = 34;
		frames[i].csum_offset = 16;
	}
	return far_end->host->output(far_end, 0, frames, JF_BATCH_MAX);
}

/* ---- Measuring ---- */

typedef struct Bench {
	JfContext *context;
	JfWorker *worker;
	gboolean alone;
	double seconds;
	guint64 features;
	guint len;
	Guest guests[2];
} Bench;

static double
clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
guest_start(Bench *b, guint i, const char *attachment)
{
	Guest *guest = &b->guests[i];
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = i ? "b" : "a",
				.mac = { 8, 0, 0x27, 0, 0, (guint8)(i + 1) },
				.cable_connected = TRUE,
				.model = "virtio",
				.attachment = attachment,
				.worker = b->worker };
	JfDeviceMemory memory = { .struct_size = sizeof memory,
				  .flags = JF_MEMORY_WRITE,
				  .address = MEMORY_AT,
				  .size = MEMORY_SIZE };
	GError *error = NULL;

	guest->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory.base = guest->memory;
	guest->card = jf_card_new(b->context, &config, &error);
	check(error);
	jf_card_start(guest->card, &error);
	check(error);
	guest->device = jf_card_get_device(guest->card);
	guest->virtio = jf_device_query(guest->device, JF_VIRTIO_IID);
	jf_device_add_memory(guest->device, &memory, &error);
	check(error);
	jf_device_set_bus_master(guest->device, TRUE);
	guest_set_up(guest, b->features, b->len, (guint8)(i + 1), (guint8)(2 - i));
}

static void
guest_stop(Guest *guest)
{
	if (!guest->card)
		return;
	jf_card_free(guest->card);
	munmap(guest->memory, MEMORY_SIZE);
	guest->card = NULL;
}

/* One turn of the host, timed by CPU. */
static double
host_turn(Bench *b, void (*work)(Bench *b))
{
	double start = clock_read(CLOCK_THREAD_CPUTIME_ID);

	work(b);
	return clock_read(CLOCK_THREAD_CPUTIME_ID) - start;
}

static void
work_dispatch(Bench *b)
{
	jf_worker_dispatch(b->worker);
}

static void
work_receive(Bench *b)
{
	while (far_send(b->len) == JF_BATCH_MAX)
		;
}

static void
report(const Bench *b, const char *what, guint64 frames, double seconds)
{
	printf("%-7s %-7s %-15s %5u B  %7.1f ns/frame  %6.2f Mpps  %6.2f GB/s\n", what,
	       b->alone ? "alone" : "beside",
	       b->features & IN_ORDER ? "packed-in-order"
	       : b->features & PACKED ? "packed"
				      : "split",
	       b->len, seconds * 1e9 / (double)frames, (double)frames / seconds / 1e6,
	       (double)frames * b->len / seconds / 1e9);
	fflush(stdout);
}

/* What is sent by guest 0, or received by the last one, counts. */
static void
measure_alone(Bench *b, const char *what, Ring *give, Ring *count, void (*work)(Bench *b))
{
	double end, spent = 0;
	guint64 before;

	for (guint i = 0; i < 20; i++) {
		ring_turn(give, PUBLISH);
		if (count != give)
			ring_turn(count, PUBLISH);
		jf_device_call(b->guests[0].device, kick, &b->guests[0]);
		work(b);
	}
	ring_reap(count);
	before = count->done;
	end = clock_read(CLOCK_MONOTONIC) + b->seconds;
	while (clock_read(CLOCK_MONOTONIC) < end) {
		ring_turn(give, PUBLISH);
		if (count != give)
			ring_turn(count, PUBLISH);
		jf_device_call(b->guests[0].device, kick, &b->guests[0]);
		spent += host_turn(b, work);
	}
	ring_reap(count);
	report(b, what, count->done - before, spent);
}

static gboolean stop_sending;

static gpointer
sender(gpointer data)
{
	const Bench *b = data;

	while (!__atomic_load_n(&stop_sending, __ATOMIC_RELAXED)) {
		if (far_send(b->len) == 0)
			sched_yield();
	}
	return NULL;
}

static void
measure_beside(Bench *b, const char *what, Ring *give, Ring *count)
{
	double start, now;
	guint64 before;

	jf_device_call(b->guests[0].device, kick, &b->guests[0]);
	start = now = clock_read(CLOCK_MONOTONIC);
	ring_reap(count);
	before = count->done;
	while (now < start + b->seconds) {
		for (guint i = 0; i < 200; i++) {
			ring_turn(give, PUBLISH);
			if (count != give)
				ring_turn(count, PUBLISH);
		}
		jf_device_call(b->guests[0].device, kick, &b->guests[0]);
		now = clock_read(CLOCK_MONOTONIC);
	}
	report(b, what, count->done - before, now - start);
}

static void
bench_one(Bench *b, const char *what)
{
	gboolean is_switch = strcmp(what, "switch") == 0, is_rx = strcmp(what, "rx") == 0;
	GThread *thread = NULL;
	Ring *give, *count;

	guest_start(b, 0, is_switch ? "intnet" : "nowhere");
	if (is_switch)
		guest_start(b, 1, "intnet");
	give = &b->guests[0].rings[is_rx ? 0 : 1];
	count = is_switch ? &b->guests[1].rings[0] : give;
	if (b->alone) {
		measure_alone(b, what, give, count, is_rx ? work_receive : work_dispatch);
	} else {
		stop_sending = FALSE;
		if (is_rx)
			thread = g_thread_new("sender", sender, b);
		measure_beside(b, what, give, count);
		__atomic_store_n(&stop_sending, TRUE, __ATOMIC_RELAXED);
		if (thread)
			g_thread_join(thread);
	}
	guest_stop(&b->guests[1]);
	guest_stop(&b->guests[0]);
}

/* What one processor can do at best: the same bytes from one guest's buffers to another's. */
static void
measure_memcpy(const Bench *b, guint len)
{
	const gsize stride = buffer_size(len);
	g_autofree guint8 *from = g_malloc0(RING * stride);
	g_autofree guint8 *to = g_malloc0(RING * stride);
	double start = clock_read(CLOCK_THREAD_CPUTIME_ID), now = start;
	guint64 n = 0;

	while (now < start + b->seconds / 2) {
		for (guint i = 0; i < RING; i++, n++)
			memcpy(to + stride * i + HDR, from + stride * i + HDR, len);
		now = clock_read(CLOCK_THREAD_CPUTIME_ID);
	}
	printf("%-7s %-7s %-15s %5u B  %7.1f ns/frame  %6.2f GB/s\n", "memcpy", "", "", len,
	       (now - start) * 1e9 / (double)n, (double)n * len / (now - start) / 1e9);
}

int
main(int argc, char **argv)
{
	static const guint64 kinds[] = { FEATURES, FEATURES | PACKED,
					 FEATURES | PACKED | IN_ORDER };
	static const char *const whats[] = { "tx", "rx", "switch" };
	static const guint lengths[] = { 64, 1514, LARGE };
	const char *only = g_getenv("BENCH_ONLY");
	Bench b = { .seconds = argc > 3 ? atof(argv[3]) : 1 };
	GError *error = NULL;

	b.context = jf_context_new(NULL, NULL);
	for (int i = 1; i < MIN(argc, 3); i++) {
		jf_context_load_plugin(b.context, argv[i], &error);
		check(error);
	}
	jf_context_add_driver(b.context, &far_driver, &error);
	check(error);
	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++)
		measure_memcpy(&b, lengths[i]);
	for (guint way = 0; way < 2; way++) {
		b.alone = way == 0;
		b.worker = b.alone ? jf_worker_new_nested(b.context, &error)
				   : jf_worker_new(b.context, &error);
		check(error);
		for (guint i = 0; i < 27; i++) {
			g_autofree char *name = NULL;

			b.features = kinds[i / 3 % 3];
			b.len = lengths[i % 3];
			name = g_strdup_printf("%s-%s-%u-%u", whats[i / 9],
					       b.alone ? "alone" : "beside", i / 3 % 3, b.len);
			if (!only || strstr(name, only))
				bench_one(&b, whats[i / 9]);
		}
		jf_worker_free(b.worker);
	}
	jf_context_free(b.context);
	return 0;
}
