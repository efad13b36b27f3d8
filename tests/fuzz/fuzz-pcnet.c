/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-pcnet.c - a driver that does anything: registers, guest memory, frames, time, resets, and the
 * state of one chip loaded into the next. What comes out is always a frame, and the contract is kept.
 */
#include "fuzz.h"

#include <string.h>

#include "jackfield/harness.h"

#define RAM 0x100000u
#define RAM_LEN 0x8000u
#define MOST_OPS 600u
#define MOST_TURNS 2000u

static const JfHarnessService services[] = { JF_HARNESS_OUTPUT, JF_HARNESS_DMA_MAP,
					     JF_HARNESS_DMA_READ, JF_HARNESS_DMA_WRITE };

typedef struct Chip {
	JfHarness *h;
	guint8 *ram; /* NULL: taken away */
} Chip;

static JfHarness *
make_chip(const JfDriver *driver)
{
	JfHarness *h = jf_harness_new(driver, NULL, NULL);

	g_assert_true(jf_harness_init(h, NULL));
	return h;
}

static void
turn(Chip *chip)
{
	guint turns = 0;
	JfHarnessFrame *out;

	while (jf_harness_poll(chip->h, 0) > 0)
		g_assert_cmpuint(turns++, <, MOST_TURNS);
	while ((out = jf_harness_pull(chip->h, 0))) {
		g_assert_cmpuint(out->len, >=, 60);
		g_assert_cmpuint(out->len, <=, 1536);
		jf_harness_frame_free(out);
	}
}

static void
reg_write(Chip *chip, guint reg, guint16 value, gboolean bcr)
{
	jf_harness_bar_write(chip->h, 0, 0x12, 2, reg);
	jf_harness_bar_write(chip->h, 0, bcr ? 0x16 : 0x10, 2, value);
}

/* Rings of a plausible kind, so that it need not be found by luck. */
static void
set_up(Chip *chip, FuzzInput *input)
{
	guint rx = fuzz_byte(input) % 10, tx = fuzz_byte(input) % 10;

	reg_write(chip, 0, 4, FALSE);
	reg_write(chip, 20, fuzz_byte(input) % 4, TRUE);
	reg_write(chip, 15, fuzz_word(input), FALSE);
	reg_write(chip, 24, (guint16)(fuzz_byte(input) * 64), FALSE);
	reg_write(chip, 25, RAM >> 16, FALSE);
	reg_write(chip, 30, (guint16)(0x4000 + fuzz_byte(input) * 64), FALSE);
	reg_write(chip, 31, RAM >> 16, FALSE);
	reg_write(chip, 76, (guint16) - (1 << rx), FALSE);
	reg_write(chip, 78, (guint16) - (1 << tx), FALSE);
	reg_write(chip, 0, 0x42, FALSE);
}

/* Descriptors that are the chip's, one after the other. */
static void
give(Chip *chip, FuzzInput *input)
{
	guint at = fuzz_word(input) % RAM_LEN & ~7u, n = fuzz_byte(input) % 32;
	guint wide = fuzz_byte(input) % 3, size = wide ? 16 : 8;
	guint32 buffer = RAM + fuzz_word(input);
	guint8 status = fuzz_byte(input) | 0x80, len = fuzz_byte(input);

	if (!chip->ram)
		return;
	for (guint i = 0; i < n && at + size <= RAM_LEN; i++, at += size) {
		guint8 d[16] = { (guint8)buffer, (guint8)(buffer >> 8) };
		guint16 bcnt = (guint16) - (len * 8);

		d[2] = (guint8)(buffer >> 16);
		d[wide ? 7 : 3] = status;
		d[4] = (guint8)bcnt;
		d[5] = (guint8)(bcnt >> 8);
		if (wide == 2) {
			memmove(d + 8, d, 4);
			memset(d, 0, 4);
		}
		memcpy(chip->ram + at, d, size);
	}
}

static void
write_memory(Chip *chip, FuzzInput *input)
{
	guint at = fuzz_word(input) % RAM_LEN, len = fuzz_byte(input);
	gsize n;
	const guint8 *bytes = fuzz_bytes(input, MIN(len, RAM_LEN - at), &n);

	if (chip->ram && n > 0)
		memcpy(chip->ram + at, bytes, n);
}

static void
push(Chip *chip, FuzzInput *input)
{
	guint8 frame[2000] = { 8, 0, 0x27, 0, 0, 1 };
	guint len = 14 + fuzz_word(input) % (sizeof frame - 14), n = 1 + fuzz_byte(input) % 3;

	frame[0] ^= fuzz_byte(input);
	frame[13] = fuzz_byte(input);
	for (guint i = 0; i < n; i++)
		jf_harness_push_bytes(chip->h, 0, frame, len);
}

static void
save_and_load(Chip *chip)
{
	const JfDriver *driver = jf_harness_get_instance(chip->h)->driver;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) state = NULL;
	JfHarness *fresh;

	jf_harness_stop(chip->h);
	state = jf_harness_save(chip->h, &error);
	g_assert_no_error(error);
	fresh = make_chip(driver);
	if (chip->ram)
		memcpy(jf_harness_add_memory(fresh, RAM, RAM_LEN, TRUE), chip->ram, RAM_LEN);
	jf_harness_load_state(fresh, 1, state, &error);
	g_assert_no_error(error);
	g_assert_null(jf_harness_get_violation(chip->h));
	jf_harness_start(chip->h, NULL);
	jf_harness_start(fresh, NULL);
	turn(&(Chip){ .h = fresh });
	g_assert_null(jf_harness_get_violation(fresh));
	jf_harness_free(fresh);
}

static void
change_memory(Chip *chip)
{
	if (chip->ram)
		jf_harness_remove_memory(chip->h, RAM);
	chip->ram = chip->ram ? NULL : jf_harness_add_memory(chip->h, RAM, RAM_LEN, TRUE);
}

static void
step(Chip *chip, FuzzInput *input)
{
	guint op = fuzz_byte(input) % 18, size = 1u << (fuzz_byte(input) % 4);
	const JfPci *pci = jf_harness_get_instance(chip->h)->driver->query(
		jf_harness_get_instance(chip->h), JF_PCI_IID);

	switch (op) {
	case 0:
	case 1:
		jf_harness_bar_write(chip->h, op, fuzz_byte(input) % 32, size,
				     fuzz_word(input) | (guint64)fuzz_byte(input) << 32);
		break;
	case 2:
		jf_harness_bar_read(chip->h, 0, fuzz_byte(input) % 32, size);
		break;
	case 3:
	case 4:
		reg_write(chip, fuzz_byte(input) % 128, fuzz_word(input), op == 4);
		break;
	case 5:
		write_memory(chip, input);
		break;
	case 6:
	case 7:
		push(chip, input);
		break;
	case 8:
		jf_harness_crank(chip->h, fuzz_word(input) * 10000ull);
		break;
	case 9:
		turn(chip);
		break;
	case 10:
		jf_harness_set_link(chip->h, 0, fuzz_byte(input) & 1);
		break;
	case 11:
		jf_harness_set_capacity(chip->h, 0, fuzz_byte(input) % 8);
		break;
	case 12:
		pci->reset(jf_harness_get_instance(chip->h));
		break;
	case 13:
		set_up(chip, input);
		break;
	case 14:
	case 15:
		give(chip, input);
		reg_write(chip, 0, 0x48, FALSE);
		break;
	case 16:
		if (size == 1)
			save_and_load(chip);
		else if (size == 2)
			change_memory(chip);
		else
			pci->bus_master(jf_harness_get_instance(chip->h), size == 4);
		break;
	default:
		jf_harness_break(chip->h, services[fuzz_byte(input) % 4], fuzz_byte(input) % 16, 1);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	Chip chip = { .h = make_chip(jf_plugin_query()->drivers[fuzz_byte(&input) % 2]) };

	chip.ram = jf_harness_add_memory(chip.h, RAM, RAM_LEN, TRUE);
	jf_harness_add_memory(chip.h, RAM + RAM_LEN, 0x1000, FALSE);
	jf_harness_start(chip.h, NULL);
	for (guint i = 0; input.left > 0 && i < MOST_OPS; i++)
		step(&chip, &input);
	turn(&chip);
	g_assert_null(jf_harness_get_violation(chip.h));
	g_assert_null(jf_harness_get_failure(chip.h));
	jf_harness_free(chip.h);
	return 0;
}
