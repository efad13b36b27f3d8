/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-virtio.c - a guest that does anything to the virtio card: registers, rings in its memory, control
 * commands, frames from outside, resets and saved states in between; or a connector that drives the
 * rings itself.
 *
 * The input is a list of operations, a byte and its arguments each. Buffers may lie over the rings
 * themselves, so that descriptors change while a batch is under way.
 */
#include "fuzz.h"

#include <string.h>

#include "jackfield/harness.h"
#include "jackfield/virtio.h"

#define MEMORY_AT 0x10000u
#define MEMORY_SIZE 0x10000u
#define MORE_AT 0x20000u /* right behind */
#define MORE_SIZE 0x1000u
#define OPERATIONS_MAX 400u

typedef struct Card {
	JfHarness *h;
	JfInstance *inst;
	const JfPci *pci;
	const JfVirtio *virtio;
	guint8 *memory, *more;
} Card;

static void
card_memory(Card *c)
{
	c->memory = jf_harness_add_memory(c->h, MEMORY_AT, MEMORY_SIZE, TRUE);
	c->more = jf_harness_add_memory(c->h, MORE_AT, MORE_SIZE, FALSE);
}

static void
card_init(Card *c, const char *const *properties)
{
	g_autoptr(GError) error = NULL;

	c->h = jf_harness_new(jf_plugin_query()->drivers[0], properties, &error);
	g_assert_no_error(error);
	jf_harness_init(c->h, &error);
	g_assert_no_error(error);
	c->inst = jf_harness_get_instance(c->h);
	c->pci = c->inst->driver->query(c->inst, JF_PCI_IID);
	c->virtio = c->inst->driver->query(c->inst, JF_VIRTIO_IID);
	card_memory(c);
	jf_harness_start(c->h, &error);
	g_assert_no_error(error);
}

/* Mostly in memory, on a round number. */
static guint64
address(FuzzInput *in)
{
	guint16 word = fuzz_word(in);

	switch (word & 15) {
	case 15:
		return (guint64)word << 48 | word;
	case 14:
		return MEMORY_AT + word;
	default:
		return MEMORY_AT + (word >> 4) * 16u;
	}
}

/* ---- Operations ---- */

static void
bar_access(Card *c, FuzzInput *in, gboolean write)
{
	static const guint sizes[] = { 1, 2, 4, 8 };
	guint8 what = fuzz_byte(in);
	guint bar = what & 1 ? 2 : 0, size = sizes[what >> 1 & 3];
	guint64 offset = bar ? (guint64)(what >> 3 & 3) * 0x1000 + fuzz_byte(in) : fuzz_byte(in);

	if (write)
		jf_harness_bar_write(c->h, bar, offset, size,
				     (guint64)fuzz_word(in) << 16 | fuzz_word(in));
	else
		jf_harness_bar_read(c->h, bar, offset, size);
}

static void
common(Card *c, guint offset, guint size, guint64 value)
{
	jf_harness_bar_write(c->h, 2, offset, size, value);
}

/* As a driver does it, up to DRIVER_OK, so that not every input has to find the way. */
static void
bring_up(Card *c, FuzzInput *in)
{
	guint32 low = (guint32)fuzz_word(in) << 16 | fuzz_word(in);
	guint8 high = fuzz_byte(in), log2 = fuzz_byte(in) % 5;

	common(c, 20, 1, 0);
	common(c, 20, 1, 3);
	common(c, 8, 4, 0);
	common(c, 12, 4, low | 3 | 1u << 17);
	common(c, 8, 4, 1);
	common(c, 12, 4, 1 | (high & 0x0cu));
	common(c, 20, 1, 11);
	for (guint q = 0; q < 5; q++) {
		common(c, 22, 2, q);
		common(c, 24, 2, 1u << log2);
		common(c, 32, 8, MEMORY_AT + q * 0x400u);
		common(c, 40, 8, MEMORY_AT + q * 0x400u + 0x200);
		common(c, 48, 8, MEMORY_AT + q * 0x400u + 0x300);
		common(c, 28, 2, 1);
	}
	common(c, 20, 1, 15);
}

static void
bring_up_legacy(Card *c, FuzzInput *in)
{
	jf_harness_bar_write(c->h, 0, 18, 1, 0);
	jf_harness_bar_write(c->h, 0, 18, 1, 3);
	jf_harness_bar_write(c->h, 0, 4, 4, (guint32)fuzz_word(in) << 16 | fuzz_word(in));
	for (guint q = 0; q < 3; q++) {
		jf_harness_bar_write(c->h, 0, 14, 2, q);
		jf_harness_bar_write(c->h, 0, 8, 4, MEMORY_AT / 4096 + 2 * q);
	}
	jf_harness_bar_write(c->h, 0, 18, 1, 7);
}

static void
memory_put(Card *c, guint at, gconstpointer bytes, gsize len)
{
	if (c->memory && at < MEMORY_SIZE && len <= MEMORY_SIZE - at)
		memcpy(c->memory + at, bytes, len);
}

static void
memory_write(Card *c, FuzzInput *in)
{
	guint at = fuzz_word(in);
	gsize len;
	const guint8 *bytes = fuzz_bytes(in, fuzz_byte(in), &len);

	memory_put(c, at, bytes, len);
}

/* Entry `i` of queue `q`, split or packed as it comes. */
static void
descriptor(Card *c, FuzzInput *in)
{
	guint8 what = fuzz_byte(in);
	guint64 addr = address(in);
	guint32 len = fuzz_word(in);
	guint16 tail[2] = { fuzz_word(in), fuzz_word(in) };
	guint at = (what >> 4) % 5 * 0x400u + (what & 15) * 16u;

	if (len >= 0xff00)
		len = 1u << (len & 31);
	memory_put(c, at, &addr, 8);
	memory_put(c, at + 8, &len, 4);
	memory_put(c, at + 12, tail, 4);
}

/* Available ring of a split queue, or the event structure of a packed one. */
static void
publish(Card *c, FuzzInput *in)
{
	guint q = fuzz_byte(in) % 5;
	guint8 n = fuzz_byte(in);
	guint16 words[2] = { fuzz_byte(in), n };

	memory_put(c, q * 0x400u + 0x200, words, 4);
	for (guint i = 0; i < n % 20u; i++) {
		guint16 head = fuzz_byte(in) & 31;

		memory_put(c, q * 0x400u + 0x204 + 2 * i, &head, 2);
	}
}

static void
frame_in(Card *c, FuzzInput *in)
{
	guint32 len = fuzz_word(in);
	guint8 n = 1 + fuzz_byte(in) % JF_BATCH_MAX, flags = fuzz_byte(in);
	g_autofree guint8 *bytes = NULL;
	struct iovec piece;
	JfFrame frame, frames[JF_BATCH_MAX];

	if (flags & 0x80)
		len = len % 200;
	if (len > 4096 && n > 4)
		n = 4;
	bytes = g_malloc(MAX(len, 1));
	memset(bytes, len & 0xff, len);
	piece = (struct iovec){ bytes, len };
	frame = jf_frame_plain(&piece);
	frame.flags = flags & 3;
	frame.gso_type = flags >> 2 & 7;
	frame.gso_size = frame.gso_type ? 100 : 0;
	frame.csum_start = 34;
	frame.csum_offset = 16;
	jf_harness_set_pieces(c->h, 1 + (flags >> 5 & 3));
	for (guint i = 0; i < n; i++)
		frames[i] = frame;
	jf_harness_push(c->h, 0, frames, n);
}

/* The driver's view of what came out: nothing but sane frames. */
static void
turn(Card *c)
{
	JfHarnessFrame *out;

	for (guint i = 0; i < 40 && jf_harness_poll(c->h, 0); i++)
		;
	while ((out = jf_harness_pull(c->h, 0))) {
		g_assert_true(jf_frame_is_sane(&out->frame));
		jf_harness_frame_free(out);
	}
}

static void
window(Card *c, FuzzInput *in)
{
	guint offset = 0x40 + fuzz_byte(in) % 0x60u, size = 1u << fuzz_byte(in) % 3;

	if (fuzz_byte(in) & 1)
		c->pci->config_write(c->inst, offset, size, fuzz_word(in));
	else
		c->pci->config_read(c->inst, offset, size, 0);
}

/* Saved, and loaded again: still the same. */
static void
save_and_load(Card *c)
{
	g_autoptr(GVariant) first = NULL, second = NULL;
	g_autoptr(GError) error = NULL;

	jf_harness_stop(c->h);
	first = jf_harness_save(c->h, &error);
	g_assert_no_error(error);
	if (jf_harness_load_state(c->h, 1, first, &error)) {
		second = jf_harness_save(c->h, &error);
		g_assert_true(g_variant_equal(first, second));
	} else {
		g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
		g_clear_error(&error);
	}
	jf_harness_start(c->h, &error);
	g_assert_no_error(error);
}

static void
on_event(gpointer data, guint queue)
{
	(void)data;
	g_assert_cmpuint(queue, <, 4);
}

static void
take(Card *c, FuzzInput *in)
{
	static const JfVirtioCallbacks callbacks = { .struct_size = sizeof callbacks,
						     .notify = on_event,
						     .broken = on_event };
	guint64 features = (guint64)(fuzz_byte(in) & 0x0d) << 32 | (guint64)fuzz_word(in) << 16 |
			   fuzz_word(in);

	c->virtio->take(c->inst, &callbacks, NULL, NULL);
	c->virtio->set_features(c->inst, features & c->virtio->features(c->inst), NULL);
}

static void
ring(Card *c, FuzzInput *in)
{
	guint8 what = fuzz_byte(in);
	JfVirtioRing at = { .struct_size = sizeof at, .queue = what & 7 };

	switch (what >> 3 & 3) {
	case 0:
		at.size = fuzz_byte(in) & 1 ? 16 : fuzz_word(in);
		at.desc = address(in);
		at.driver = address(in);
		at.device = address(in);
		at.avail = fuzz_word(in);
		at.used = what & 0x80 ? at.avail : fuzz_word(in);
		c->virtio->ring_start(c->inst, &at, NULL);
		break;
	case 1:
		c->virtio->ring_stop(c->inst, at.queue, &at);
		break;
	case 2:
		c->virtio->ring_enable(c->inst, at.queue, what >> 7);
		break;
	default:
		c->virtio->kick(c->inst, at.queue);
		break;
	}
}

static void
memory_change(Card *c, FuzzInput *in)
{
	if (fuzz_byte(in) & 1 && c->memory) {
		jf_harness_remove_memory(c->h, MEMORY_AT);
		jf_harness_remove_memory(c->h, MORE_AT);
		c->memory = c->more = NULL;
	} else if (!c->memory) {
		card_memory(c);
	}
}

static void
operate(Card *c, FuzzInput *in)
{
	switch (fuzz_byte(in) % 20) {
	case 0:
		bring_up(c, in);
		break;
	case 1:
		bring_up_legacy(c, in);
		break;
	case 2:
		bar_access(c, in, TRUE);
		break;
	case 3:
		bar_access(c, in, FALSE);
		break;
	case 4:
		memory_write(c, in);
		break;
	case 5:
	case 6:
		descriptor(c, in);
		break;
	case 7:
		publish(c, in);
		break;
	case 8:
		jf_harness_bar_write(c->h, 2, 0x3000 + 4u * (fuzz_byte(in) % 6), 2, 0);
		break;
	case 9:
	case 10:
		frame_in(c, in);
		break;
	case 11:
		turn(c);
		break;
	case 12:
		jf_harness_set_capacity(c->h, 0, fuzz_byte(in));
		break;
	case 13:
		c->pci->reset(c->inst);
		break;
	case 14:
		jf_harness_set_link(c->h, 0, fuzz_byte(in) & 1);
		jf_harness_set_msix(c->h, fuzz_byte(in) & 1);
		break;
	case 15:
		window(c, in);
		break;
	case 16:
		save_and_load(c);
		break;
	case 17:
		take(c, in);
		break;
	case 18:
		ring(c, in);
		break;
	default:
		if (fuzz_byte(in) & 7)
			memory_change(c, in);
		else
			c->virtio->release(c->inst);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const two[] = { "queues=2", "ring-size=16", NULL };
	FuzzInput in = { data, len };
	Card c;

	card_init(&c, two);
	for (guint i = 0; i < OPERATIONS_MAX && in.left; i++)
		operate(&c, &in);
	turn(&c);
	g_assert_null(jf_harness_get_failure(c.h));
	g_assert_null(jf_harness_get_violation(c.h));
	c.virtio->release(c.inst);
	c.pci->reset(c.inst);
	g_assert_false(jf_harness_get_irq(c.h));
	jf_harness_free(c.h);
	return 0;
}
