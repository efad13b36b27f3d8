/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-eeprom.c - the 93C46 Microwire EEPROM of 64 words, by its serial lines in EECD and by EERD.
 *
 * On a rising clock with chip select high one bit is shifted in: a 1 to begin, two of operation code,
 * six of address, and 16 of data to write. Reading then shifts words out, one after the other.
 * Microchip 93C46B data sheet, 2; SDM chapter 5, 13.4.3, 13.4.4.
 */
#include "e1000.h"

#include <string.h>

#define WORD_ADDRESS 0u
#define WORD_CHECKSUM 0x3fu
#define CHECKSUM 0xbabau

#define COMMAND_BITS 9u
#define WRITE_BITS 25u

/* Contents beyond the address: the same whatever the chip. */
static const struct {
	guint8 word;
	guint16 value;
} contents[] = {
	{ 0x04, 0xffff }, { 0x0a, 0x4408 }, { 0x0b, 0x001e }, { 0x0c, 0x8086 },
	{ 0x0d, 0x100e }, { 0x0e, 0x8086 }, { 0x0f, 0x3040 }, { 0x21, 0x7061 },
	{ 0x22, 0x280c }, { 0x23, 0x00c8 }, { 0x24, 0x00c8 }, { 0x2f, 0x0602 },
};

/* The 64 words sum up to 0xBABA. */
void
e1000_eeprom_init(E1000 *e)
{
	guint16 sum = 0;

	memset(e->eeprom, 0, sizeof e->eeprom);
	for (guint i = 0; i < 3; i++)
		e->eeprom[WORD_ADDRESS + i] = (guint16)(e->mac[2 * i] | e->mac[2 * i + 1] << 8);
	for (guint i = 0; i < G_N_ELEMENTS(contents); i++)
		e->eeprom[contents[i].word] = contents[i].value;
	for (guint i = 0; i < WORD_CHECKSUM; i++)
		sum = (guint16)(sum + e->eeprom[i]);
	e->eeprom[WORD_CHECKSUM] = (guint16)(CHECKSUM - sum);
}

static void
deselect(E1000 *e)
{
	e->ee_shift = e->ee_bits = 0;
	e->ee_out = 0x80000000u; /* ready */
}

void
e1000_eeprom_reset(E1000 *e)
{
	e->ee_writable = 0;
	deselect(e);
}

/* Operation 00: the upper address bits say what. */
static void
command_other(E1000 *e, guint address)
{
	switch (address >> 4) {
	case 0:
		e->ee_writable = 0;
		break;
	case 2:
		if (e->ee_writable)
			memset(e->eeprom, 0xff, sizeof e->eeprom);
		break;
	case 3:
		e->ee_writable = 1;
		break;
	default:
		break;
	}
}

/* Start bit, operation and address are in. DO then shows a dummy 0 until the next clock. */
static void
command_begin(E1000 *e)
{
	guint address = e->ee_shift & (E1000_EEPROM_WORDS - 1);

	switch (e->ee_shift >> 6 & 3) {
	case 0:
		command_other(e, address);
		break;
	case 2:
		e->ee_out = e->eeprom[address] << 15;
		break;
	case 3:
		if (e->ee_writable)
			e->eeprom[address] = 0xffff;
		break;
	default:
		break;
	}
}

/* 16 bits of data behind WRITE or WRAL. */
static void
command_write(E1000 *e)
{
	guint16 command = (guint16)(e->ee_shift >> 16), data = (guint16)e->ee_shift;

	if (!e->ee_writable)
		return;
	if ((command >> 6 & 3) == 1)
		e->eeprom[command & (E1000_EEPROM_WORDS - 1)] = data;
	else if ((command >> 4 & 0xf) == 1)
		for (guint i = 0; i < E1000_EEPROM_WORDS; i++)
			e->eeprom[i] = data;
}

/* One more bit of a word that is read; behind its end comes the next word's first. */
static void
shift_out(E1000 *e)
{
	guint bits = e->ee_bits - COMMAND_BITS;

	e->ee_out <<= 1;
	if (bits > 1 && bits % 16 == 1) {
		guint address = (e->ee_shift + 1) & (E1000_EEPROM_WORDS - 1);

		e->ee_shift = (e->ee_shift & ~(E1000_EEPROM_WORDS - 1)) | address;
		e->ee_out = (guint32)e->eeprom[address] << 16;
		e->ee_bits = COMMAND_BITS + 1;
	}
}

static void
clock_rises(E1000 *e, guint bit)
{
	gboolean reading = e->ee_bits >= COMMAND_BITS && (e->ee_shift >> 6 & 7) == 6;

	if (e->ee_bits == 0 && !bit)
		return;
	if (e->ee_bits >= WRITE_BITS && !reading)
		return;
	e->ee_bits++;
	if (reading) {
		shift_out(e);
		return;
	}
	e->ee_shift = e->ee_shift << 1 | bit;
	if (e->ee_bits == COMMAND_BITS)
		command_begin(e);
	else if (e->ee_bits == WRITE_BITS)
		command_write(e);
}

/* The lines reach the EEPROM once the grant is given; an 82543GC needs none. */
static gboolean
is_granted(const E1000 *e, guint32 eecd)
{
	return e->chip == E1000_82543GC || (eecd & EECD_REQ) != 0;
}

guint32
e1000_eecd_read(E1000 *e, guint32 offset)
{
	guint32 value = e1000_get(e, offset) | EECD_PRES;

	if (value & EECD_REQ)
		value |= EECD_GNT;
	if (is_granted(e, value) && (e->ee_out & 0x80000000u))
		value |= EECD_DO;
	return value;
}

void
e1000_eecd_write(E1000 *e, guint32 offset, guint32 value)
{
	guint32 old = e1000_get(e, offset);

	e1000_put(e, offset, value);
	if (!is_granted(e, value))
		return;
	if (!(value & EECD_CS))
		deselect(e);
	else if ((value & EECD_SK) && !(old & EECD_SK))
		clock_rises(e, (value & EECD_DI) != 0);
}

void
e1000_eerd_write(E1000 *e, guint32 offset, guint32 value)
{
	guint address = value >> 8 & 0xff;
	guint16 data = address < E1000_EEPROM_WORDS ? e->eeprom[address] : 0xffff;

	if (value & EERD_START)
		value = (guint32)data << 16 | address << 8 | EERD_DONE;
	e1000_put(e, offset, value);
}
