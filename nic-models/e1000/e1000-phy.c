/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-phy.c - the M88E1000 PHY: autonegotiation, speed, and the link.
 *
 * The PHY has its link as soon as the cable is in and the time for negotiating has passed; a reset,
 * a restart and a pulled cable take it away at once. The MAC has it when the PHY has it and CTRL.SLU
 * asks for it; an 82543GC, whose PHY is a chip of its own, does not wait for SLU. Every change is
 * LSC. The far end can do all that we can: 10, 100 and 1000 Mbit/s, and pause.
 *
 * SDM chapter 8 (link), 13.4.7 (registers); IEEE 802.3 22.2.4 and 40.5.1.
 */
#include "e1000.h"

#include <string.h>

#define PSTATUS_ABLE 0x7949u /* 10/100 both ways, extended status, negotiation */
#define PSTATUS_COMPLETE 0x0020u
#define PSTATUS_LINK 0x0004u
#define PARTNER_ABLE 0x45e1u
#define ANE_COMPLETE 0x000fu
#define GSTATUS_OK 0x3c00u
#define PSSTAT_DUPLEX 0x2000u
#define PSSTAT_RESOLVED 0x0800u
#define PSSTAT_LINK 0x0400u
#define PSCON_CRS_ON_TX 0x0800u
#define PINTS_LINK 0x0400u
#define PINTS_COMPLETE 0x0800u

static const guint16 phy_reset_values[E1000_PHY_REGS] = {
	[PHY_PCTRL] = PCTRL_AUTONEG | PCTRL_DUPLEX | PCTRL_SPEED_MSB,
	[PHY_PID1] = 0x0141,
	[PHY_ANA] = 0x0de1,
	[PHY_GCON] = 0x0e00,
	[15] = 0x3000, /* extended status: 1000BASE-T */
	[PHY_PSCON] = 0x0068,
	[PHY_EPSCON] = 0x0d60,
};

/* The PHY beside an 82543GC is an older one. */
static guint16
epscon_reset(const E1000 *e)
{
	return e->chip == E1000_82543GC ? 0x0060 : phy_reset_values[PHY_EPSCON];
}

/* ---- What was agreed ---- */

static guint
speed_negotiated(const E1000 *e, gboolean *full)
{
	guint16 gigabit = e->phy[PHY_GCON] >> 8 & 3, able = e->phy[PHY_ANA] >> 5 & 0xf;

	if (gigabit) {
		*full = (gigabit & 2) != 0;
		return 2;
	}
	if (able >= 4) {
		*full = (able & 8) != 0;
		return 1;
	}
	*full = (able & 2) != 0;
	return 0;
}

guint
e1000_phy_speed(const E1000 *e, gboolean *full)
{
	guint16 control = e->phy[PHY_PCTRL];

	if (control & PCTRL_AUTONEG)
		return speed_negotiated(e, full);
	*full = (control & PCTRL_DUPLEX) != 0;
	if (control & PCTRL_SPEED_MSB)
		return 2;
	return control & PCTRL_SPEED_LSB ? 1 : 0;
}

gboolean
e1000_phy_is_loop(const E1000 *e)
{
	return (e->phy[PHY_PCTRL] & PCTRL_LOOPBACK) != 0;
}

/* ---- The link ---- */

void
e1000_link_update(E1000 *e)
{
	gboolean asked = e->chip == E1000_82543GC || (e1000_get(e, E1000_CTRL) & CTRL_SLU);
	gboolean up = asked && (e->phy_link || e1000_phy_is_loop(e));

	if (up == e->link)
		return;
	e->link = up;
	e1000_raise(e, ICR_LSC);
}

static void
link_lose(E1000 *e)
{
	e->due[E1000_DUE_LINK] = 0;
	if (e->phy_link)
		e->phy[PHY_PINTS] |= PINTS_LINK;
	e->phy_link = FALSE;
	e->phy_lost = TRUE;
	e1000_link_update(e);
}

/* Nothing in common to agree on, or nobody awake: no link. */
static gboolean
can_link(const E1000 *e)
{
	guint16 control = e->phy[PHY_PCTRL];

	if (!e->cable || (control & PCTRL_POWER_DOWN))
		return FALSE;
	return !(control & PCTRL_AUTONEG) || (e->phy[PHY_GCON] & 0x0300) != 0 ||
	       (e->phy[PHY_ANA] & 0x01e0) != 0;
}

static void
link_begin(E1000 *e)
{
	link_lose(e);
	if (can_link(e))
		e1000_due_set(e, E1000_DUE_LINK, e1000_now(e) + e->link_delay);
}

void
e1000_phy_link_up(E1000 *e)
{
	e->phy_link = TRUE;
	e->phy[PHY_PINTS] |= PINTS_LINK | PINTS_COMPLETE;
	e1000_link_update(e);
}

void
e1000_phy_set_cable(E1000 *e, gboolean up)
{
	if (e->cable == up)
		return;
	e->cable = up;
	link_begin(e);
}

void
e1000_phy_reset(E1000 *e)
{
	memcpy(e->phy, phy_reset_values, sizeof e->phy);
	e->phy[PHY_PID2] = e->chip == E1000_82543GC ? 0x0c50 : 0x0c24;
	e->phy[PHY_EPSCON] = epscon_reset(e);
	link_begin(e);
}

/* ---- Registers ---- */

static gboolean
is_negotiated(const E1000 *e)
{
	return e->phy_link && (e->phy[PHY_PCTRL] & PCTRL_AUTONEG);
}

/* The link bit stays 0 until it was read, if the link was lost meanwhile (802.3 clause 22, Link Status). */
static guint16
pstatus_read(E1000 *e)
{
	guint16 value = PSTATUS_ABLE;

	if (is_negotiated(e))
		value |= PSTATUS_COMPLETE;
	if (e->phy_link && !e->phy_lost)
		value |= PSTATUS_LINK;
	e->phy_lost = !e->phy_link;
	return value;
}

static guint16
psstat_read(const E1000 *e)
{
	gboolean full;
	guint speed = e1000_phy_speed(e, &full);
	guint16 value = (guint16)(speed << 14);

	if (full)
		value |= PSSTAT_DUPLEX;
	if (e->phy_link)
		value |= PSSTAT_RESOLVED | PSSTAT_LINK;
	return value;
}

guint16
e1000_phy_read(E1000 *e, guint reg)
{
	guint16 value = e->phy[reg];

	switch (reg) {
	case PHY_PSTATUS:
		return pstatus_read(e);
	case PHY_LPA:
		return is_negotiated(e) ? PARTNER_ABLE : 0;
	case PHY_ANE:
		return is_negotiated(e) ? ANE_COMPLETE : 0x0004;
	case PHY_GSTATUS:
		return is_negotiated(e) ? GSTATUS_OK : 0;
	case PHY_PSSTAT:
		return psstat_read(e);
	case PHY_PINTS:
		e->phy[reg] = 0;
		return value;
	default:
		return value;
	}
}

/* Software reset makes settings of speed and negotiation take effect, and keeps them; it forgets the
 * transmit clock and carrier sense. */
static void
pctrl_write(E1000 *e, guint16 value)
{
	guint16 keep = (guint16)(value & ~(PCTRL_RESET | PCTRL_RESTART));
	gboolean changed = ((keep ^ e->phy[PHY_PCTRL]) &
			    (PCTRL_AUTONEG | PCTRL_POWER_DOWN | PCTRL_LOOPBACK)) != 0;

	e->phy[PHY_PCTRL] = keep;
	if (value & PCTRL_RESET) {
		e->phy[PHY_EPSCON] = epscon_reset(e);
		e->phy[PHY_PSCON] &= (guint16)~PSCON_CRS_ON_TX;
	}
	if (changed || (value & (PCTRL_RESET | PCTRL_RESTART)))
		link_begin(e);
}

void
e1000_phy_write(E1000 *e, guint reg, guint16 value)
{
	switch (reg) {
	case PHY_PCTRL:
		pctrl_write(e, value);
		break;
	case PHY_PSTATUS:
	case PHY_PID1:
	case PHY_PID2:
	case PHY_LPA:
	case PHY_ANE:
	case 8: /* next page of the partner */
	case PHY_GSTATUS:
	case 15:
	case PHY_PSSTAT:
	case PHY_PINTS:
	case 21: /* receive errors */
		break;
	default:
		e->phy[reg] = value;
		break;
	}
}
