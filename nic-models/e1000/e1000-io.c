/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-io.c - the two BARs.
 *
 * Registers are double words. A narrower read gives its part of one; a narrower write is lost; a
 * 64-bit access is two. The I/O BAR is a window of one register: IOADDR and IODATA. SDM, "Register
 * Conventions" and "Memory and I/O Address Decoding".
 */
#include "e1000.h"

#define IODATA 4u

/* Older addresses of registers, which every 8254x still decodes (SDM, "Register Summary"). */
typedef struct Alias {
	guint32 old, len, offset;
} Alias;

static const Alias aliases[] = {
	{ 0x0004, 4, E1000_CTRL },     { 0x0040, 0x80, E1000_RA }, { 0x0108, 4, E1000_RDTR },
	{ 0x0110, 4, E1000_RDBAL },    { 0x0114, 4, E1000_RDBAH }, { 0x0118, 4, E1000_RDLEN },
	{ 0x0120, 4, E1000_RDH },      { 0x0128, 4, E1000_RDT },   { 0x0200, 0x200, E1000_MTA },
	{ 0x0420, 4, E1000_TDBAL },    { 0x0424, 4, E1000_TDBAH }, { 0x0428, 4, E1000_TDLEN },
	{ 0x0430, 4, E1000_TDH },      { 0x0438, 4, E1000_TDT },   { 0x0440, 4, E1000_TIDV },
	{ 0x0600, 0x200, E1000_VFTA },
};

/* For every register its row in the table, for every older address the register's. */
void
e1000_regs_init(E1000 *e)
{
	for (guint i = 0; i < e1000_n_regs; i++)
		for (guint k = 0; k < e1000_regs[i].count; k++)
			e->row[e1000_regs[i].offset / 4 + k] = (guint8)(i + 1);
}

static guint32
canonical(guint32 offset)
{
	if (offset >= 0x800)
		return offset;
	for (guint i = 0; i < G_N_ELEMENTS(aliases); i++)
		if (offset >= aliases[i].old && offset - aliases[i].old < aliases[i].len)
			return aliases[i].offset + (offset - aliases[i].old);
	return offset;
}

static const E1000Reg *
find(const E1000 *e, guint32 *offset)
{
	guint row = 0;

	*offset = canonical(*offset);
	if (*offset < E1000_REG_SPACE)
		row = e->row[*offset / 4];
	return row ? &e1000_regs[row - 1] : NULL;
}

static guint32
register_read(E1000 *e, guint32 offset)
{
	const E1000Reg *reg = find(e, &offset);

	if (!reg)
		return 0;
	return reg->read ? reg->read(e, offset) : e1000_get(e, offset);
}

static void
register_write(E1000 *e, guint32 offset, guint32 value)
{
	const E1000Reg *reg = find(e, &offset);

	if (!reg)
		return;
	value &= reg->writable;
	if (reg->write)
		reg->write(e, offset, value);
	else if (reg->writable)
		e1000_put(e, offset, value);
}

static guint32
io_read(E1000 *e, guint32 offset)
{
	if (offset < IODATA)
		return e->ioaddr;
	return e->ioaddr < E1000_MMIO_SIZE ? register_read(e, e->ioaddr & ~3u) : 0;
}

static void
io_write(E1000 *e, guint32 offset, guint32 value)
{
	if (offset < IODATA)
		e->ioaddr = value;
	else if (e->ioaddr < E1000_MMIO_SIZE)
		register_write(e, e->ioaddr & ~3u, value);
}

static guint32
dword_read(E1000 *e, guint bar, guint32 offset)
{
	return bar == 0 ? register_read(e, offset) : io_read(e, offset);
}

static void
dword_write(E1000 *e, guint bar, guint32 offset, guint32 value)
{
	if (bar == 0)
		register_write(e, offset, value);
	else
		io_write(e, offset, value);
}

guint64
e1000_bar_read(JfInstance *inst, guint bar, guint64 offset, guint size)
{
	E1000 *e = inst->priv;
	guint32 at = (guint32)offset & ~3u;
	guint64 value;

	e1000_enter(e);
	value = dword_read(e, bar, at);
	if (size == 8 && (offset & 3) == 0)
		value |= (guint64)dword_read(e, bar, at + 4) << 32;
	e1000_leave(e);
	value >>= 8 * (offset & 3);
	return size == 8 ? value : value & ((G_GUINT64_CONSTANT(1) << (8 * size)) - 1);
}

void
e1000_bar_write(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value)
{
	E1000 *e = inst->priv;

	if (size < 4 || (offset & 3) != 0)
		return;
	e1000_enter(e);
	dword_write(e, bar, (guint32)offset, (guint32)value);
	if (size == 8)
		dword_write(e, bar, (guint32)offset + 4, (guint32)(value >> 32));
	e1000_leave(e);
}
