/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-e1000.c - a guest that does anything with an 8254x: a stream of register accesses on both
 * BARs, writes to guest memory, descriptors, frames, time, cables, resets, saved states.
 *
 * Whatever happens: no memory is touched that is not the guest's, no contract broken, a state that
 * was saved is loaded as the same, and after a reset the card is quiet.
 */
#include "fuzz.h"

#include <string.h>

#include "../../nic-models/e1000/e1000-regs.h"
#include "jackfield/harness.h"

#define MEMORY 0x10000u
#define READ_ONLY 0x4000u
#define TX_RING 0x1000u
#define RX_RING 0x2000u
#define RING 64u
#define BUFFERS 0x4000u
#define FRAME_MAX 17000u

typedef struct Guest {
	JfHarness *h;
	guint8 *memory;
	guint tail;
	guint8 frame[FRAME_MAX];
} Guest;

static const guint32 interesting[] = {
	E1000_CTRL, E1000_EECD,  E1000_EERD,   E1000_CTRL_EXT, E1000_MDIC,  E1000_VET,
	E1000_ICR,  E1000_ITR,   E1000_ICS,    E1000_IMS,      E1000_IMC,   E1000_RCTL,
	E1000_TCTL, E1000_RDBAL, E1000_RDBAH,  E1000_RDLEN,    E1000_RDH,   E1000_RDT,
	E1000_RDTR, E1000_RADV,  E1000_RSRPD,  E1000_TDBAL,    E1000_TDBAH, E1000_TDLEN,
	E1000_TDH,  E1000_TDT,   E1000_TIDV,   E1000_TXDCTL,   E1000_TADV,  E1000_RXCSUM,
	E1000_MTA,  E1000_RA,    E1000_RA + 4, E1000_VFTA,
};

static guint32
fuzz_dword(FuzzInput *input)
{
	guint16 high = fuzz_word(input);

	return (guint32)high << 16 | fuzz_word(input);
}

static void
reg_write(Guest *g, guint32 reg, guint32 value)
{
	jf_harness_bar_write(g->h, 0, reg, 4, value);
}

/* As a driver leaves it, so that the stream need not find its way there. */
static void
program(Guest *g)
{
	reg_write(g, E1000_CTRL, CTRL_SLU | CTRL_VME);
	jf_harness_crank(g->h, 1000 * G_GUINT64_CONSTANT(1000000));
	for (guint i = 0; i < RING; i++) {
		guint32 address = GUINT32_TO_LE(BUFFERS + 0x100 * i);

		memcpy(g->memory + RX_RING + 16 * i, &address, sizeof address);
	}
	reg_write(g, E1000_TDBAL, TX_RING);
	reg_write(g, E1000_TDLEN, RING * 16);
	reg_write(g, E1000_RDBAL, RX_RING);
	reg_write(g, E1000_RDLEN, RING * 16);
	reg_write(g, E1000_RDT, RING - 1);
	reg_write(g, E1000_RCTL, RCTL_EN | RCTL_BAM | RCTL_UPE | RCTL_LPE);
	reg_write(g, E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	reg_write(g, E1000_TCTL, TCTL_EN | TCTL_PSP);
	reg_write(g, E1000_IMS, 0xffffffff);
}

static void
start(Guest *g)
{
	g_autoptr(GError) error = NULL;

	jf_harness_start(g->h, &error);
	g_assert_no_error(error);
}

static void
guest_new(Guest *g, guint chip)
{
	g_autoptr(GError) error = NULL;

	memset(g, 0, sizeof *g);
	g->h = jf_harness_new(jf_plugin_query()->drivers[chip % 3], NULL, &error);
	g_assert_no_error(error);
	g->memory = jf_harness_add_memory(g->h, 0, MEMORY, TRUE);
	jf_harness_add_memory(g->h, MEMORY, READ_ONLY, FALSE);
	jf_harness_set_capacity(g->h, 0, 200);
	jf_harness_init(g->h, &error);
	g_assert_no_error(error);
	start(g);
	program(g);
}

static void
write_memory(Guest *g, FuzzInput *input)
{
	guint at = fuzz_word(input);
	gsize len;
	const guint8 *bytes = fuzz_bytes(input, fuzz_byte(input), &len);

	memcpy(g->memory + at, bytes, MIN(len, MEMORY - at));
}

/* The next descriptor of the ring as it was programmed at first: raw, or roughly what it should be. */
static void
add_descriptor(Guest *g, FuzzInput *input, gboolean raw)
{
	guint8 *desc = g->memory + TX_RING + 16 * g->tail, bytes[16] = { 0 };
	guint64 address = fuzz_word(input);
	guint8 cmd = fuzz_byte(input), how = fuzz_byte(input);
	gsize len;
	const guint8 *data;

	if (raw) {
		data = fuzz_bytes(input, sizeof bytes, &len);
		memcpy(bytes, data, len);
	} else {
		address = GUINT64_TO_LE(how & 0x80 ? address << 20 : address);
		memcpy(bytes, &address, 8);
		data = fuzz_bytes(input, 8, &len);
		memcpy(bytes + 8, data, len);
		bytes[10] = (guint8)((bytes[10] & 0xf) | (how & 0x30)); /* DTYP */
		bytes[11] = cmd;
	}
	memcpy(desc, bytes, sizeof bytes);
	g->tail = (g->tail + 1) % RING;
}

static void
push_frame(Guest *g, FuzzInput *input)
{
	guint len = MAX(fuzz_word(input) % FRAME_MAX, 14);
	guint8 how = fuzz_byte(input);
	gsize got;
	const guint8 *bytes = fuzz_bytes(input, MIN(len, 80), &got);
	struct iovec piece = { g->frame, len };
	JfFrame frame = jf_frame_plain(&piece);

	memcpy(g->frame, bytes, got);
	if (how & 1) {
		frame.flags = JF_FRAME_NEEDS_CSUM;
		frame.csum_start = fuzz_byte(input);
		frame.csum_offset = how >> 4 & 0xe;
	} else if (how & 2) {
		frame.flags = JF_FRAME_CSUM_VALID;
	}
	jf_harness_set_pieces(g->h, 1 + (how >> 2 & 3) * 20);
	jf_harness_push(g->h, 0, &frame, 1);
}

static void
access_bar(Guest *g, FuzzInput *input)
{
	guint8 how = fuzz_byte(input);
	guint bar = how & 1 ? 2 : 0, size = 1u << (how >> 1 & 3);
	guint64 offset = bar ? fuzz_byte(input) % 8 : fuzz_word(input) << (how >> 4 & 1);

	if (how & 8)
		jf_harness_bar_write(g->h, bar, offset, size, fuzz_dword(input));
	else
		jf_harness_bar_read(g->h, bar, offset, size);
}

static void
save_and_load(Guest *g)
{
	g_autoptr(GVariant) before = NULL, after = NULL;
	g_autoptr(GError) error = NULL;

	jf_harness_stop(g->h);
	before = jf_harness_save(g->h, &error);
	g_assert_no_error(error);
	jf_harness_load_state(g->h, 1, before, &error);
	g_assert_no_error(error);
	after = jf_harness_save(g->h, &error);
	g_assert_no_error(error);
	g_assert_true(g_variant_equal(before, after));
	start(g);
}

static void
pull(Guest *g, guint n)
{
	JfHarnessFrame *out;

	while (n-- && (out = jf_harness_pull(g->h, 0))) {
		g_assert_true(jf_frame_is_sane(&out->frame));
		jf_harness_frame_free(out);
	}
}

static void
pci_reset(Guest *g)
{
	JfInstance *inst = jf_harness_get_instance(g->h);
	const JfPci *pci = inst->driver->query(inst, JF_PCI_IID);

	pci->reset(inst);
	g_assert_false(jf_harness_get_irq(g->h));
}

static void
step(Guest *g, FuzzInput *input)
{
	guint8 op = fuzz_byte(input);
	guint32 reg = interesting[(op >> 4) * 2 % G_N_ELEMENTS(interesting)];

	switch (op & 0xf) {
	case 0:
	case 1:
		reg = interesting[fuzz_byte(input) % G_N_ELEMENTS(interesting)];
		reg_write(g, reg, fuzz_dword(input));
		break;
	case 2:
		access_bar(g, input);
		break;
	case 3:
		write_memory(g, input);
		break;
	case 4:
	case 5:
		add_descriptor(g, input, op & 1);
		break;
	case 6:
		reg_write(g, E1000_TDT, g->tail);
		jf_harness_poll(g->h, 0);
		break;
	case 7:
	case 8:
		push_frame(g, input);
		break;
	case 9:
		jf_harness_crank(g->h, (guint64)fuzz_word(input) << (op >> 4));
		break;
	case 10:
		jf_harness_poll(g->h, 0);
		break;
	case 11:
		jf_harness_set_link(g->h, 0, op >> 4 & 1);
		break;
	case 12:
		jf_harness_set_capacity(g->h, 0, fuzz_byte(input));
		break;
	case 13:
		if (op >> 4 == 0)
			save_and_load(g);
		else if (op >> 4 == 1)
			pci_reset(g);
		else if (op >> 4 == 2)
			program(g);
		else
			jf_harness_break(g->h, JF_HARNESS_DMA_MAP + op % 3, op >> 4, 1);
		break;
	case 14:
		pull(g, 1 + (op >> 4) * 8);
		break;
	default:
		reg_write(g, E1000_RDT, (fuzz_byte(input)));
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	Guest g;

	guest_new(&g, fuzz_byte(&input));
	while (input.left)
		step(&g, &input);
	for (guint i = 0; i < 20; i++)
		jf_harness_poll(g.h, 0);
	pci_reset(&g);
	pull(&g, G_MAXUINT);
	for (guint i = 0; i < 20; i++)
		jf_harness_poll(g.h, 0);
	g_assert_cmpuint(jf_harness_get_queued(g.h, 0), ==, 0);
	jf_harness_stop(g.h);
	jf_harness_finish(g.h);
	g_assert_cmpstr(jf_harness_get_violation(g.h), ==, NULL);
	jf_harness_free(g.h);
	return 0;
}
