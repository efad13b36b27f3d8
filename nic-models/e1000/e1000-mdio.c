/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-mdio.c - the ways to the PHY's registers: MDIC, and on an 82543GC two software-defined pins
 * that drivers use as MDIO and MDC.
 *
 * On the pins a frame is clocked in on rising edges of MDC: a start of 01, two bits of operation,
 * five of PHY address, five of register, two of turnaround and 16 of data (IEEE 802.3 22.2.4.5). For
 * a read the driver turns MDIO round behind the register and has one more edge before the first bit.
 */
#include "e1000.h"

#define PHY_ADDRESS 1u
#define MDIC_KEEP (MDIC_I | MDIC_OP_READ | MDIC_OP_WRITE | 0x03ffffffu)

#define HEAD_BITS 14u
#define FRAME_BITS 32u
#define OP_WRITE 1u
#define OP_READ 2u

void
e1000_mdic_write(E1000 *e, guint32 offset, guint32 value)
{
	guint reg = value >> MDIC_REG_SHIFT & 0x1f, phy = value >> MDIC_PHY_SHIFT & 0x1f;

	value = (value & MDIC_KEEP) | MDIC_R;
	if (phy != PHY_ADDRESS)
		value |= MDIC_E;
	else if (value & MDIC_OP_READ)
		value = (value & 0xffff0000u) | e1000_phy_read(e, reg);
	else if (value & MDIC_OP_WRITE)
		e1000_phy_write(e, reg, (guint16)value);
	e1000_put(e, offset, value);
	if (value & MDIC_I)
		e1000_raise(e, ICR_MDAC);
}

/* Start, operation and addresses are in. The next edge is the turnaround; data begin behind it. */
static void
head_done(E1000 *e)
{
	guint op = e->mdi_shift >> 10 & 3, phy = e->mdi_shift >> 5 & 0x1f;

	if (op == OP_READ)
		e->mdi_out = (guint32)(phy == PHY_ADDRESS ? e1000_phy_read(e, e->mdi_shift & 0x1f)
							  : 0xffff)
			     << 14;
	else if (op != OP_WRITE)
		e->mdi_bits = 0;
}

static void
frame_done(E1000 *e)
{
	if ((e->mdi_shift >> 23 & 0x1f) == PHY_ADDRESS && (e->mdi_shift >> 28 & 3) == OP_WRITE)
		e1000_phy_write(e, e->mdi_shift >> 18 & 0x1f, (guint16)e->mdi_shift);
}

static void
clock_in(E1000 *e, guint bit)
{
	/* Ones lie between frames; a start is 0, then 1. */
	if ((e->mdi_bits == 0 && bit) || (e->mdi_bits == 1 && !bit)) {
		e->mdi_bits = !bit;
		return;
	}
	e->mdi_shift = e->mdi_shift << 1 | bit;
	if (++e->mdi_bits == HEAD_BITS)
		head_done(e);
	if (e->mdi_bits < FRAME_BITS)
		return;
	frame_done(e);
	e->mdi_bits = 0;
}

static void
clock_out(E1000 *e)
{
	if (e->mdi_bits < HEAD_BITS)
		return;
	e->mdi_out = e->mdi_out << 1 | 1;
	if (++e->mdi_bits >= FRAME_BITS)
		e->mdi_bits = 0;
}

void
e1000_mdi_clock(E1000 *e, guint32 old, guint32 value)
{
	if (!(value & CTRL_SWDPIN3) || (old & CTRL_SWDPIN3))
		return;
	if (value & CTRL_SWDPIO2)
		clock_in(e, (value & CTRL_SWDPIN2) != 0);
	else
		clock_out(e);
}
