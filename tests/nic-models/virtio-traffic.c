/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-traffic.c - two virtio cards on an internal network, each on a worker of its own, and this
 * thread in the place of both guests: every frame arrives once and in order, whatever is done to the
 * rings and to the memory meanwhile.
 */
#include <jackfield/virtio.h>
#include <jackfield/vmm.h>
#include <string.h>
#include <sys/mman.h>

#include "virtio-driver.h"

#define MEMORY_AT 0x100000u
#define MEMORY_SIZE (16u * 1024u * 1024u)
#define FAR_AT 0x40000000u /* a second region, for buffers */
#define FAR_SIZE (1u * 1024u * 1024u)
#define HDR 12u
#define BUFFER 2048u
#define RING 256u
#define FEATURES (1ull << 15 | 1ull << 28 | 1ull << 29 | 1ull << 32)
#define PACKED (1ull << 34)
#define FRAMES 60000u
#define DEADLINE (60 * G_USEC_PER_SEC)

static const char *plugins[2];

typedef struct Guest {
	JfWorker *worker;
	JfCard *card;
	JfDevice *device;
	const JfVirtio *virtio;
	guint64 features;
	VdMemory memory;
	guint8 *far_memory;
	VdRing rings[2];
	guint64 buffers, sends;
	JfVirtioRing stood;
	gint signals; /* atomic */
} Guest;

typedef struct Pair {
	JfContext *context;
	Guest a, b;
	guint sent, back, received;
	guint lost; /* sequence numbers that were passed over */
} Pair;

static void
on_notify(gpointer data, guint queue)
{
	(void)queue;
	g_atomic_int_inc(&((Guest *)data)->signals);
}

static void
start_ring(JfInstance *inst, Guest *g, guint queue)
{
	VdRing *ring = &g->rings[queue];
	guint flags = VD_EVENT_IDX | (g->features & PACKED ? VD_PACKED : 0);
	JfVirtioRing at = { .struct_size = sizeof at, .queue = queue, .size = RING };
	g_autoptr(GError) error = NULL;

	vd_ring_init(ring, &g->memory, RING, flags, queue ? 200 : 0, TRUE);
	at.desc = ring->desc;
	at.driver = ring->driver;
	at.device = ring->device;
	at.avail = at.used = vd_start_index(ring);
	g->virtio->ring_start(inst, &at, &error);
	g_assert_no_error(error);
	g->virtio->ring_enable(inst, queue, TRUE);
}

static void
bring_up(JfInstance *inst, gpointer data)
{
	static const JfVirtioCallbacks callbacks = { .struct_size = sizeof callbacks,
						     .notify = on_notify };
	Guest *g = data;
	g_autoptr(GError) error = NULL;

	g->virtio->take(inst, &callbacks, g, &error);
	g_assert_no_error(error);
	g->virtio->set_features(inst, g->features, &error);
	g_assert_no_error(error);
	start_ring(inst, g, 0);
	start_ring(inst, g, 1);
}

static guint8 *
add_memory(Guest *g, guint64 address, guint64 size)
{
	JfDeviceMemory memory = { .struct_size = sizeof memory,
				  .flags = JF_MEMORY_WRITE,
				  .address = address,
				  .size = size };
	g_autoptr(GError) error = NULL;

	memory.base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	g_assert_true(memory.base != MAP_FAILED);
	jf_device_add_memory(g->device, &memory, &error);
	g_assert_no_error(error);
	return memory.base;
}

static void
guest_init(Guest *g, JfContext *context, guint i, guint64 features)
{
	g_autofree char *machine = g_strdup_printf("m%u", i);
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = machine,
				.mac = { 8, 0, 0x27, 0, 0, (guint8)i },
				.cable_connected = TRUE,
				.model = "virtio",
				.attachment = "intnet" };

	g->features = features;
	config.worker = g->worker = jf_worker_new(context, &error);
	g_assert_no_error(error);
	g->card = jf_card_new(context, &config, &error);
	g_assert_no_error(error);
	jf_card_start(g->card, &error);
	g_assert_no_error(error);
	g->device = jf_card_get_device(g->card);
	g->virtio = jf_device_query(g->device, JF_VIRTIO_IID);
	g->memory = (VdMemory){ .address = MEMORY_AT, .size = MEMORY_SIZE };
	g->memory.base = add_memory(g, MEMORY_AT, MEMORY_SIZE);
	g->far_memory = add_memory(g, FAR_AT, FAR_SIZE);
	jf_device_set_bus_master(g->device, TRUE);
	jf_device_call(g->device, bring_up, g);
	g->sends = vd_alloc(&g->memory, RING * BUFFER, 4096);
}

static void
guest_clear(Guest *g)
{
	jf_card_free(g->card);
	jf_worker_free(g->worker);
	munmap(g->memory.base, MEMORY_SIZE);
	if (g->far_memory)
		munmap(g->far_memory, FAR_SIZE);
	vd_ring_clear(&g->rings[0]);
	vd_ring_clear(&g->rings[1]);
}

static void
kick_rx(JfInstance *inst, gpointer data)
{
	((Guest *)data)->virtio->kick(inst, 0);
}

static void
kick_tx(JfInstance *inst, gpointer data)
{
	((Guest *)data)->virtio->kick(inst, 1);
}

static void
refill(Guest *g, guint token)
{
	VdPiece piece = { FAR_AT + (guint64)BUFFER * token, BUFFER };

	g_assert_true(vd_add(&g->rings[0], &piece, 0, 1, FALSE, token));
}

static void
pair_init(Pair *p, guint64 features)
{
	g_autoptr(GError) error = NULL;

	*p = (Pair){ .context = jf_context_new(NULL, NULL) };
	for (guint i = 0; i < 2; i++) {
		jf_context_load_plugin(p->context, plugins[i], &error);
		g_assert_no_error(error);
	}
	guest_init(&p->a, p->context, 1, features);
	guest_init(&p->b, p->context, 2, features);
	for (guint i = 0; i < RING; i++)
		refill(&p->b, i);
}

static void
pair_clear(Pair *p)
{
	guest_clear(&p->a);
	guest_clear(&p->b);
	jf_context_free(p->context);
}

static guint
length_of(guint number)
{
	return 60 + number * 37 % 1400;
}

static void
send_one(Pair *p)
{
	static const guint8 header[14] = { 8, 0, 0x27, 0, 0, 2, 8, 0, 0x27, 0, 0, 1, 0x88, 0xb5 };
	Guest *a = &p->a;
	guint slot = p->sent % RING;
	VdPiece piece = { a->sends + (guint64)BUFFER * slot, HDR + length_of(p->sent) };
	guint8 *bytes = vd_pointer(&a->memory, piece.address);

	memset(bytes, 0, HDR);
	memcpy(bytes + HDR, header, sizeof header);
	memcpy(bytes + HDR + 14, &p->sent, 4);
	memset(bytes + HDR + 18, (int)p->sent, length_of(p->sent) - 18);
	g_assert_true(vd_add(&a->rings[1], &piece, 1, 0, FALSE, p->sent));
	p->sent++;
}

/* `may_lose`: a receiver that is stopped loses frames, as behind any switch. */
static void
receive_one(Pair *p, guint token, guint32 len, gboolean may_lose)
{
	const guint8 *bytes = p->b.far_memory + (gsize)BUFFER * token;
	guint32 number;

	memcpy(&number, bytes + HDR + 14, 4);
	if (may_lose && number > p->received) {
		p->lost += number - p->received;
		p->received = number;
	}
	g_assert_cmpuint(number, ==, p->received);
	g_assert_cmpuint(len, ==, HDR + length_of(number));
	for (guint i = 18; i < length_of(number); i += 97)
		g_assert_cmpuint(bytes[HDR + i], ==, (guint8)number);
	p->received++;
}

/* One round of both guests. */
static void
turn(Pair *p, guint until, gboolean may_lose)
{
	gboolean all_back;
	guint token;
	guint32 len;

	/* No more under way than the receiver has buffers for. */
	while (p->sent < until && p->sent - p->received < RING && p->sent - p->back < RING)
		send_one(p);
	if (vd_needs_kick(&p->a.rings[1]))
		jf_device_call(p->a.device, kick_tx, &p->a);
	while (vd_get(&p->a.rings[1], &token, &len))
		g_assert_cmpuint(token, ==, p->back++);
	all_back = p->back == p->sent;
	while (vd_get(&p->b.rings[0], &token, &len)) {
		receive_one(p, token, len, may_lose);
		refill(&p->b, token);
	}
	/* A frame has arrived, or is lost, before its buffer comes back. */
	if (may_lose && all_back) {
		p->lost += p->sent - p->received;
		p->received = p->sent;
	}
	if (vd_needs_kick(&p->b.rings[0]))
		jf_device_call(p->b.device, kick_rx, &p->b);
}

typedef struct Disturbance {
	const char *name;
	guint64 features;
	gboolean may_lose;
	void (*disturb)(Pair *p);
} Disturbance;

static void
test_traffic(gconstpointer data)
{
	const Disturbance *d = data;
	gint64 end = g_get_monotonic_time() + DEADLINE;
	guint turns = 0;
	Pair p;

	pair_init(&p, d->features);
	while (p.received < FRAMES) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		turn(&p, FRAMES, d->may_lose);
		if (d->disturb && turns++ % 50 == 0)
			d->disturb(&p);
	}
	g_assert_cmpuint(p.received, ==, FRAMES);
	g_test_message("%u of %u lost", p.lost, FRAMES);
	pair_clear(&p);
}

static void
restart_queue(JfInstance *inst, Guest *g, guint queue)
{
	JfVirtioRing stood = { .struct_size = sizeof stood };
	g_autoptr(GError) error = NULL;

	g_assert_true(g->virtio->ring_stop(inst, queue, &stood));
	g->virtio->ring_start(inst, &stood, &error);
	g_assert_no_error(error);
}

static void
restart_rx(JfInstance *inst, gpointer data)
{
	restart_queue(inst, data, 0);
}

static void
restart_tx(JfInstance *inst, gpointer data)
{
	restart_queue(inst, data, 1);
}

static void
disturb_tx(Pair *p)
{
	jf_device_call(p->a.device, restart_tx, &p->a);
}

static void
disturb_rx(Pair *p)
{
	jf_device_call(p->b.device, restart_rx, &p->b);
}

/* The cards as a whole. */
static void
disturb_card(Pair *p)
{
	g_autoptr(GError) error = NULL;

	jf_card_stop(p->a.card);
	jf_card_start(p->a.card, &error);
	g_assert_no_error(error);
}

static void
stop_rx(JfInstance *inst, gpointer data)
{
	Guest *g = data;

	g->stood = (JfVirtioRing){ .struct_size = sizeof g->stood };
	g_assert_true(g->virtio->ring_stop(inst, 0, &g->stood));
}

static void
start_rx(JfInstance *inst, gpointer data)
{
	Guest *g = data;
	g_autoptr(GError) error = NULL;

	g->virtio->ring_start(inst, &g->stood, &error);
	g_assert_no_error(error);
}

/* As vhost-user does it: the ring stops, the memory table changes, the ring goes on. */
static void
disturb_memory(Pair *p)
{
	Guest *b = &p->b;
	JfDeviceMemory far_memory = { .struct_size = sizeof far_memory,
				      .flags = JF_MEMORY_WRITE,
				      .address = FAR_AT,
				      .size = FAR_SIZE,
				      .base = b->far_memory };
	g_autoptr(GError) error = NULL;

	jf_device_call(b->device, stop_rx, b);
	jf_device_remove_memory(b->device, FAR_AT, FAR_SIZE, &error);
	g_assert_no_error(error);
	jf_device_add_memory(b->device, &far_memory, &error);
	g_assert_no_error(error);
	jf_device_call(b->device, start_rx, b);
}

/* Memory that goes away under a running ring: nothing faults, the sender goes on. */
static void
test_memory_torn_away(gconstpointer data)
{
	const Disturbance *d = data;
	gint64 end = g_get_monotonic_time() + DEADLINE;
	g_autoptr(GError) error = NULL;
	guint token;
	guint32 len;
	Pair p;

	pair_init(&p, d->features);
	while (p.received < 5000) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		turn(&p, 10000, FALSE);
	}
	jf_device_remove_memory(p.b.device, FAR_AT, FAR_SIZE, &error);
	g_assert_no_error(error);
	munmap(p.b.far_memory, FAR_SIZE);
	p.b.far_memory = NULL;
	for (guint until = p.sent + 1000; p.back < until;) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		while (p.sent < until && p.sent - p.back < RING)
			send_one(&p);
		jf_device_call(p.a.device, kick_tx, &p.a);
		while (vd_get(&p.a.rings[1], &token, &len))
			p.back++;
	}
	pair_clear(&p);
}

static const Disturbance disturbances[] = {
	{ "quiet-split", FEATURES, FALSE, NULL },
	{ "quiet-packed", FEATURES | PACKED, FALSE, NULL },
	{ "tx-restarts-split", FEATURES, FALSE, disturb_tx },
	{ "tx-restarts-packed", FEATURES | PACKED, FALSE, disturb_tx },
	{ "rx-restarts-split", FEATURES, TRUE, disturb_rx },
	{ "rx-restarts-packed", FEATURES | PACKED, TRUE, disturb_rx },
	{ "card-restarts-split", FEATURES, TRUE, disturb_card },
	{ "card-restarts-packed", FEATURES | PACKED, TRUE, disturb_card },
	{ "memory-changes-split", FEATURES, TRUE, disturb_memory },
	{ "memory-changes-packed", FEATURES | PACKED, TRUE, disturb_memory },
};

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	plugins[0] = argv[1];
	plugins[1] = argv[2];
	for (guint i = 0; i < G_N_ELEMENTS(disturbances); i++) {
		g_autofree char *path = g_strdup_printf("/traffic/%s", disturbances[i].name);

		g_test_add_data_func(path, &disturbances[i], test_traffic);
	}
	g_test_add_data_func("/memory-torn-away/split", &disturbances[0], test_memory_torn_away);
	g_test_add_data_func("/memory-torn-away/packed", &disturbances[1], test_memory_torn_away);
	return g_test_run();
}
