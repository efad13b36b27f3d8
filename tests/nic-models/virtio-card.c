/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-card.c - a small driver of the virtio card, through the registers of either interface. */
#include "virtio-card.h"

#include <string.h>

#define MEMORY_AT 0x100000u
#define MEMORY_SIZE (64u * 1024u * 1024u)
#define BUFFER 2048u
#define BUFFERS 32u /* of each queue */
#define MODERN 2u
#define DEVICE_AT 0x2000u
#define NOTIFY_AT 0x3000u

void
vc_init(VcCard *c, const JfDriver *driver, const char *const *properties, VcInterface interface)
{
	g_autoptr(GError) error = NULL;

	*c = (VcCard){ .interface = interface };
	vc_replace(c, driver, properties);
	jf_harness_start(c->h, &error);
	g_assert_no_error(error);
}

static void
clear_rings(VcCard *c)
{
	for (guint i = 0; i < VC_QUEUES_MAX; i++)
		vd_ring_clear(&c->rings[i]);
}

void
vc_clear(VcCard *c)
{
	g_assert_null(jf_harness_get_violation(c->h));
	jf_harness_free(c->h);
	clear_rings(c);
}

void
vc_replace(VcCard *c, const JfDriver *driver, const char *const *properties)
{
	g_autoptr(GError) error = NULL;
	JfHarness *old = c->h;
	guint8 *base;

	c->h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	jf_harness_init(c->h, &error);
	g_assert_no_error(error);
	c->inst = jf_harness_get_instance(c->h);
	c->pci = c->inst->driver->query(c->inst, JF_PCI_IID);
	base = jf_harness_add_memory(c->h, MEMORY_AT, MEMORY_SIZE, TRUE);
	if (old)
		memcpy(base, c->heap.base, c->heap.used);
	c->heap.base = base;
	c->heap.address = MEMORY_AT;
	c->heap.size = MEMORY_SIZE;
	jf_harness_set_msix(c->h, c->msix);
	jf_harness_free(old);
}

/* ---- Registers ---- */

guint64
vc_common_read(VcCard *c, guint at, guint size)
{
	return jf_harness_bar_read(c->h, MODERN, at, size);
}

void
vc_common_write(VcCard *c, guint at, guint size, guint64 value)
{
	jf_harness_bar_write(c->h, MODERN, at, size, value);
}

static guint64
io_read(VcCard *c, guint at, guint size)
{
	return jf_harness_bar_read(c->h, 0, at, size);
}

static void
io_write(VcCard *c, guint at, guint size, guint64 value)
{
	jf_harness_bar_write(c->h, 0, at, size, value);
}

guint32
vc_config(VcCard *c, guint at, guint size)
{
	if (c->interface == VC_LEGACY)
		return (guint32)io_read(c, (c->msix ? 24u : 20u) + at, size);
	return (guint32)jf_harness_bar_read(c->h, MODERN, DEVICE_AT + at, size);
}

guint8
vc_status(VcCard *c)
{
	return (guint8)(c->interface == VC_LEGACY ? io_read(c, 18, 1) : vc_common_read(c, 20, 1));
}

void
vc_set_status(VcCard *c, guint8 status)
{
	if (c->interface == VC_LEGACY)
		io_write(c, 18, 1, status);
	else
		vc_common_write(c, 20, 1, status);
}

guint8
vc_isr(VcCard *c)
{
	return (guint8)(c->interface == VC_LEGACY ? io_read(c, 19, 1)
						  : jf_harness_bar_read(c->h, MODERN, 0x1000, 1));
}

guint64
vc_offered(VcCard *c)
{
	guint64 features;

	if (c->interface == VC_LEGACY)
		return io_read(c, 0, 4);
	vc_common_write(c, 0, 4, 0);
	features = vc_common_read(c, 4, 4);
	vc_common_write(c, 0, 4, 1);
	return features | vc_common_read(c, 4, 4) << 32;
}

void
vc_write_features(VcCard *c, guint64 features)
{
	c->negotiated = features;
	if (c->interface == VC_LEGACY) {
		io_write(c, 4, 4, features);
		return;
	}
	vc_common_write(c, 8, 4, 0);
	vc_common_write(c, 12, 4, (guint32)features);
	vc_common_write(c, 8, 4, 1);
	vc_common_write(c, 12, 4, features >> 32);
}

void
vc_set_msix(VcCard *c, gboolean on)
{
	c->msix = on;
	jf_harness_set_msix(c->h, on);
}

void
vc_reset(VcCard *c)
{
	vc_set_status(c, 0);
	clear_rings(c);
	c->heap.used = 0;
	c->sent = c->sent_back = c->received = 0;
	memset(c->received_on, 0, sizeof c->received_on);
}

void
vc_notify(VcCard *c, guint queue)
{
	if (c->interface == VC_LEGACY)
		io_write(c, 16, 2, queue);
	else
		jf_harness_bar_write(c->h, MODERN, NOTIFY_AT + 4 * queue, 2, queue);
}

/* ---- Queues ---- */

static guint
ring_flags(const VcCard *c)
{
	return (c->negotiated & C_PACKED ? VD_PACKED : 0) |
	       (c->negotiated & C_EVENT_IDX ? VD_EVENT_IDX : 0) |
	       (c->negotiated & C_IN_ORDER ? VD_IN_ORDER : 0);
}

/* The parts of a legacy ring follow each other. */
static void
place_legacy(VcCard *c, VdRing *ring)
{
	guint64 at = vd_alloc(&c->heap,
			      16ull * ring->size + 6 + 2ull * ring->size + 4096 + 6 +
				      8ull * ring->size + 4096,
			      4096);

	ring->desc = at;
	ring->driver = at + 16ull * ring->size;
	ring->device = (ring->driver + 6 + 2ull * ring->size + 4095) & ~4095ull;
	memset(vd_pointer(&c->heap, at), 0, ring->device + 6 + 8ull * ring->size - at);
}

static void
queue_up(VcCard *c, guint queue)
{
	VdRing *ring = &c->rings[queue];
	guint vector = queue + 1;
	guint size;

	if (c->interface == VC_LEGACY) {
		io_write(c, 14, 2, queue);
		size = (guint)io_read(c, 12, 2);
		vd_ring_init(ring, &c->heap, size, ring_flags(c), 0, TRUE);
		place_legacy(c, ring);
		if (c->msix)
			io_write(c, 22, 2, vector);
		io_write(c, 8, 4, ring->desc / 4096);
		return;
	}
	vc_common_write(c, 22, 2, queue);
	size = (guint)vc_common_read(c, 24, 2);
	vd_ring_init(ring, &c->heap, size, ring_flags(c), 0, TRUE);
	vc_common_write(c, 24, 2, size);
	if (c->msix)
		vc_common_write(c, 26, 2, vector);
	vc_common_write(c, 32, 4, (guint32)ring->desc);
	vc_common_write(c, 36, 4, ring->desc >> 32);
	vc_common_write(c, 40, 8, ring->driver);
	vc_common_write(c, 48, 8, ring->device);
	vc_common_write(c, 28, 2, 1);
}

static void
refill(VcCard *c, guint pair, guint token)
{
	VdPiece piece = { c->buffers + (guint64)BUFFER * token, BUFFER };

	g_assert_true(vd_add(&c->rings[2 * pair], &piece, 0, 1, FALSE, token));
}

static guint
pairs_of(const VcCard *c)
{
	return c->ctrl / 2;
}

void
vc_set_up(VcCard *c, guint64 features)
{
	guint64 offered = vc_offered(c);

	vc_set_status(c, 3);
	features &= offered;
	c->ctrl = features & C_MQ ? 2 * vc_config(c, 8, 2) : 2;
	c->n_queues = features & C_CTRL_VQ ? c->ctrl + 1 : c->ctrl;
	vc_write_features(c, features);
	if (c->interface == VC_MODERN) {
		vc_set_status(c, 11);
		g_assert_cmphex(vc_status(c), ==, 11);
	}
	if (c->msix && c->interface == VC_LEGACY)
		io_write(c, 20, 2, 0);
	else if (c->msix)
		vc_common_write(c, 16, 2, 0);
	for (guint i = 0; i < c->n_queues; i++)
		queue_up(c, i);
	c->buffers = vd_alloc(&c->heap, BUFFER * BUFFERS * VC_PAIRS_MAX, 4096);
	c->sends = vd_alloc(&c->heap, BUFFER * BUFFERS * VC_PAIRS_MAX, 4096);
	c->commands = vd_alloc(&c->heap, 8192, 4096);
	for (guint pair = 0; pair < pairs_of(c); pair++) {
		for (guint i = 0; i < BUFFERS; i++)
			refill(c, pair, pair * BUFFERS + i);
	}
}

void
vc_bring_up(VcCard *c, guint64 features)
{
	vc_set_up(c, features);
	vc_set_status(c, c->interface == VC_MODERN ? 15 : 7);
	vc_turn(c);
}

void
vc_ring_reset(VcCard *c, guint queue)
{
	vc_common_write(c, 22, 2, queue);
	vc_common_write(c, 58, 2, 1);
	g_assert_cmpuint(vc_common_read(c, 58, 2), ==, 0);
	g_assert_cmpuint(vc_common_read(c, 28, 2), ==, 0);
	vd_ring_clear(&c->rings[queue]);
	queue_up(c, queue);
}

/* ---- Work ---- */

guint8
vc_command(VcCard *c, guint8 class, guint8 cmd, gconstpointer data, gsize len)
{
	guint8 *bytes = vd_pointer(&c->heap, c->commands);
	VdPiece pieces[3] = { { c->commands, 2 }, { c->commands + 2, (guint32)len } };
	guint n = len ? 2 : 1, token;
	guint32 written;

	bytes[0] = class;
	bytes[1] = cmd;
	if (len)
		memcpy(bytes + 2, data, len);
	bytes[2 + len] = 0x55;
	pieces[n] = (VdPiece){ c->commands + 2 + len, 1 };
	g_assert_true(vd_add(&c->rings[c->ctrl], pieces, n, 1, FALSE, 0));
	g_assert_true(vd_needs_kick(&c->rings[c->ctrl]));
	vc_notify(c, c->ctrl);
	g_assert_true(vd_get(&c->rings[c->ctrl], &token, &written));
	g_assert_cmpuint(written, ==, 1);
	return bytes[2 + len];
}

static guint
hdr_len(const VcCard *c)
{
	return c->negotiated & (C_VERSION_1 | C_MRG_RXBUF) ? 12 : 10;
}

void
vc_send_bytes(VcCard *c, guint pair, gconstpointer bytes, guint len)
{
	guint64 at = c->sends + (guint64)BUFFER * (c->sent % BUFFERS);
	VdPiece piece = { at, hdr_len(c) + len };
	VdRing *ring = &c->rings[2 * pair + 1];

	memset(vd_pointer(&c->heap, at), 0, hdr_len(c));
	memcpy((guint8 *)vd_pointer(&c->heap, at) + hdr_len(c), bytes, len);
	g_assert_true(vd_add(ring, &piece, 1, 0, FALSE, c->sent++));
	if (vd_needs_kick(ring))
		vc_notify(c, 2 * pair + 1);
}

static void
fill(guint8 *frame, guint len, guint number)
{
	for (guint i = 0; i < len; i++)
		frame[i] = (guint8)(number + i * 7);
}

void
vc_send(VcCard *c, guint len, guint number)
{
	g_autofree guint8 *frame = g_malloc(len);

	fill(frame, len, number);
	vc_send_bytes(c, 0, frame, len);
}

static void
check_out(VcCard *c)
{
	JfHarnessFrame *out;

	while ((out = jf_harness_pull(c->h, 0))) {
		const guint8 *bytes =
			vd_pointer(&c->heap, c->sends + (guint64)BUFFER * (c->sent_back % BUFFERS));

		g_assert_cmpmem(out->data, out->len, bytes + hdr_len(c), out->len);
		c->sent_back++;
		jf_harness_frame_free(out);
	}
}

void
vc_turn(VcCard *c)
{
	guint token;
	guint32 len;

	for (guint quiet = 0; quiet < 2; quiet++) {
		while (jf_harness_poll(c->h, 0))
			quiet = 0;
	}
	check_out(c);
	for (guint pair = 0; pair < pairs_of(c); pair++) {
		while (vd_get(&c->rings[2 * pair], &token, &len)) {
			g_assert_cmpuint(len, >, hdr_len(c));
			c->received++;
			c->received_on[pair]++;
			refill(c, pair, token);
		}
		if (vd_needs_kick(&c->rings[2 * pair]))
			vc_notify(c, 2 * pair);
		while (vd_get(&c->rings[2 * pair + 1], &token, &len))
			;
	}
	while (jf_harness_take_msix(c->h) >= 0)
		;
	if (!c->msix)
		vc_isr(c);
	g_assert_null(jf_harness_get_violation(c->h));
}
