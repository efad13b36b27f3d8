/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-table.c - every register, what reading and writing it does, and what resets leave in it.
 *
 * A register without functions of its own is storage under a mask. SDM chapters 13 and 14.
 */
#include "e1000.h"

static guint32
status_read(E1000 *e, guint32 offset)
{
	guint32 ctrl = e1000_get(e, E1000_CTRL), value = e->link ? STATUS_LU : 0;
	gboolean full;
	guint speed = e1000_phy_speed(e, &full);

	(void)offset;
	if (ctrl & CTRL_FRCSPD)
		speed = ctrl >> CTRL_SPEED_SHIFT & 3;
	if (ctrl & CTRL_FRCDPX)
		full = (ctrl & CTRL_FD) != 0;
	return value | speed << STATUS_SPEED_SHIFT | (full ? STATUS_FD : 0);
}

static void
ctrl_write(E1000 *e, guint32 offset, guint32 value)
{
	guint32 old = e1000_get(e, offset);

	if (value & CTRL_RST) {
		e1000_reset(e, FALSE);
		return;
	}
	e1000_put(e, offset, value & ~CTRL_PHY_RST);
	if (e->chip == E1000_82543GC)
		e1000_mdi_clock(e, old, value);
	else if (value & CTRL_PHY_RST)
		e1000_phy_reset(e);
	e1000_link_update(e);
}

/* An 82543GC reads the state of its MDIO line back. */
static guint32
ctrl_read(E1000 *e, guint32 offset)
{
	guint32 value = e1000_get(e, offset);

	if (e->chip == E1000_82543GC && !(value & CTRL_SWDPIO2))
		value = (value & ~CTRL_SWDPIN2) | (e->mdi_out >> 31 ? CTRL_SWDPIN2 : 0);
	return value;
}

static void
ctrl_ext_write(E1000 *e, guint32 offset, guint32 value)
{
	guint32 low = CTRL_EXT_SDP4_DIR, was = e1000_get(e, offset);

	e1000_put(e, offset, value & ~CTRL_EXT_EE_RST);
	if (e->chip == E1000_82543GC && (value & (low | CTRL_EXT_SDP4_DATA)) == low &&
	    (was & (low | CTRL_EXT_SDP4_DATA)) != low)
		e1000_phy_reset(e);
	if (value & CTRL_EXT_EE_RST)
		e1000_put(e, E1000_RA + 4, e1000_get(e, E1000_RA + 4) | RAH_AV);
}

static void
rx_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, value);
	e1000_rx_room(e);
}

static void
tx_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, value);
	if (e1000_get(e, E1000_TCTL) & TCTL_EN)
		e1000_transmit_soon(e);
}

/* The head is only written to begin a ring: nothing of an older packet is left. */
static void
tdh_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, value);
	e->tx_done = 0;
	e->tx_skip = FALSE;
}

/* What receiving does not take, transmitting has, of 64 KB. */
static guint32
pba_read(E1000 *e, guint32 offset)
{
	guint32 receive = e1000_get(e, offset);

	return receive | (64u - MIN(receive, 64u)) << 16;
}

static void
ra_write(E1000 *e, guint32 offset, guint32 value)
{
	e1000_put(e, offset, offset & 4 ? value & 0x8003ffff : value);
}

#define ALL 0xffffffffu
#define PLAIN(name, offset, mask, reset)                 \
	{                                                \
		name, offset, 1, mask, reset, NULL, NULL \
	}
#define ARRAY(name, offset, count, mask)                 \
	{                                                \
		name, offset, count, mask, 0, NULL, NULL \
	}
#define STAT(name, offset)                                   \
	{                                                    \
		name, offset, 1, 0, 0, e1000_stat_read, NULL \
	}

const E1000Reg e1000_regs[] = {
	{ "CTRL", E1000_CTRL, 1, ALL, 0x0a09, ctrl_read, ctrl_write },
	{ "STATUS", E1000_STATUS, 1, 0, 0, status_read, NULL },
	{ "EECD", E1000_EECD, 1, EECD_SK | EECD_CS | EECD_DI | EECD_REQ, 0, e1000_eecd_read,
	  e1000_eecd_write },
	{ "EERD", E1000_EERD, 1, ALL, 0, NULL, e1000_eerd_write },
	{ "CTRL_EXT", E1000_CTRL_EXT, 1, ALL, 0, NULL, ctrl_ext_write },
	{ "MDIC", E1000_MDIC, 1, ALL, 0, NULL, e1000_mdic_write },
	PLAIN("FCAL", 0x0028, ALL, 0),
	PLAIN("FCAH", 0x002c, 0xffff, 0),
	PLAIN("FCT", 0x0030, 0xffff, 0),
	PLAIN("VET", E1000_VET, 0xffff, 0x8100),
	{ "ICR", E1000_ICR, 1, ALL, 0, e1000_icr_read, e1000_icr_write },
	PLAIN("ITR", E1000_ITR, 0xffff, 0),
	{ "ICS", E1000_ICS, 1, ALL, 0, e1000_imc_read, e1000_ics_write },
	{ "IMS", E1000_IMS, 1, ALL, 0, NULL, e1000_ims_write },
	{ "IMC", E1000_IMC, 1, ALL, 0, e1000_imc_read, e1000_imc_write },
	{ "RCTL", E1000_RCTL, 1, 0x07dfb3fe, 0, NULL, rx_write },
	PLAIN("FCTTV", 0x0170, 0xffff, 0),
	PLAIN("TXCW", 0x0178, 0xc000ffff, 0),
	PLAIN("RXCW", 0x0180, 0, 0),
	{ "TCTL", E1000_TCTL, 1, 0x01fffffa, 0, NULL, tx_write },
	PLAIN("TIPG", 0x0410, 0x3fffffff, 0),
	PLAIN("TBT", 0x0448, ALL, 0),
	PLAIN("AIT", 0x0458, 0xffff, 0),
	PLAIN("LEDCTL", 0x0e00, 0xcfcfcfcf, 0x07068302),
	{ "PBA", E1000_PBA, 1, 0xffff, 48, pba_read, NULL },
	PLAIN("FCRTL", 0x2160, 0x8000fff8, 0),
	PLAIN("FCRTH", 0x2168, 0xfff8, 0),
	PLAIN("RDFH", 0x2410, 0x1fff, 0),
	PLAIN("RDFT", 0x2418, 0x1fff, 0),
	PLAIN("RDFHS", 0x2420, 0x1fff, 0),
	PLAIN("RDFTS", 0x2428, 0x1fff, 0),
	PLAIN("RDFPC", 0x2430, 0x1fff, 0),
	PLAIN("RDBAL", E1000_RDBAL, 0xfffffff0, 0),
	PLAIN("RDBAH", E1000_RDBAH, ALL, 0),
	{ "RDLEN", E1000_RDLEN, 1, 0x000fff80, 0, NULL, rx_write },
	{ "RDH", E1000_RDH, 1, 0xffff, 0, NULL, rx_write },
	{ "RDT", E1000_RDT, 1, 0xffff, 0, NULL, rx_write },
	{ "RDTR", E1000_RDTR, 1, TIMER_DELAY | TIMER_FPD, 0, NULL, e1000_rdtr_write },
	PLAIN("RXDCTL", 0x2828, 0x013f3f3f, 0x00010000),
	PLAIN("RADV", E1000_RADV, TIMER_DELAY, 0),
	PLAIN("RSRPD", E1000_RSRPD, 0xfff, 0),
	PLAIN("TXDMAC", 0x3000, 1, 0),
	PLAIN("TDFH", 0x3410, 0x1fff, 0),
	PLAIN("TDFT", 0x3418, 0x1fff, 0),
	PLAIN("TDFHS", 0x3420, 0x1fff, 0),
	PLAIN("TDFTS", 0x3428, 0x1fff, 0),
	PLAIN("TDFPC", 0x3430, 0x1fff, 0),
	PLAIN("TDBAL", E1000_TDBAL, 0xfffffff0, 0),
	PLAIN("TDBAH", E1000_TDBAH, ALL, 0),
	PLAIN("TDLEN", E1000_TDLEN, 0x000fff80, 0),
	{ "TDH", E1000_TDH, 1, 0xffff, 0, NULL, tdh_write },
	{ "TDT", E1000_TDT, 1, 0xffff, 0, NULL, tx_write },
	{ "TIDV", E1000_TIDV, 1, TIMER_DELAY | TIMER_FPD, 0, NULL, e1000_tidv_write },
	PLAIN("TXDCTL", E1000_TXDCTL, 0xff3f3f3f, 0),
	PLAIN("TADV", E1000_TADV, TIMER_DELAY, 0),
	PLAIN("TSPMT", 0x3830, ALL, 0x01000400),
	STAT("CRCERRS", 0x4000),
	STAT("ALGNERRC", 0x4004),
	STAT("SYMERRS", 0x4008),
	STAT("RXERRC", 0x400c),
	STAT("MPC", E1000_MPC),
	STAT("SCC", 0x4014),
	STAT("ECOL", 0x4018),
	STAT("MCC", 0x401c),
	STAT("LATECOL", 0x4020),
	STAT("COLC", 0x4028),
	STAT("DC", 0x4030),
	STAT("TNCRS", 0x4034),
	STAT("SEC", 0x4038),
	STAT("CEXTERR", 0x403c),
	STAT("RLEC", 0x4040),
	STAT("XONRXC", 0x4048),
	STAT("XONTXC", 0x404c),
	STAT("XOFFRXC", 0x4050),
	STAT("XOFFTXC", 0x4054),
	STAT("FCRUC", 0x4058),
	STAT("PRC64", E1000_PRC64),
	STAT("PRC127", 0x4060),
	STAT("PRC255", 0x4064),
	STAT("PRC511", 0x4068),
	STAT("PRC1023", 0x406c),
	STAT("PRC1522", 0x4070),
	STAT("GPRC", E1000_GPRC),
	STAT("BPRC", E1000_BPRC),
	STAT("MPRC", E1000_MPRC),
	STAT("GPTC", E1000_GPTC),
	STAT("GORCL", E1000_GORCL),
	STAT("GORCH", E1000_GORCL + 4),
	STAT("GOTCL", E1000_GOTCL),
	STAT("GOTCH", E1000_GOTCL + 4),
	STAT("RNBC", E1000_RNBC),
	STAT("RUC", 0x40a4),
	STAT("RFC", 0x40a8),
	STAT("ROC", E1000_ROC),
	STAT("RJC", 0x40b0),
	STAT("MGTPRC", 0x40b4),
	STAT("MGTPDC", 0x40b8),
	STAT("MGTPTC", 0x40bc),
	STAT("TORL", E1000_TORL),
	STAT("TORH", E1000_TORL + 4),
	STAT("TOTL", E1000_TOTL),
	STAT("TOTH", E1000_TOTL + 4),
	STAT("TPR", E1000_TPR),
	STAT("TPT", E1000_TPT),
	STAT("PTC64", E1000_PTC64),
	STAT("PTC127", 0x40dc),
	STAT("PTC255", 0x40e0),
	STAT("PTC511", 0x40e4),
	STAT("PTC1023", 0x40e8),
	STAT("PTC1522", 0x40ec),
	STAT("MPTC", E1000_MPTC),
	STAT("BPTC", E1000_BPTC),
	STAT("TSCTC", E1000_TSCTC),
	STAT("TSCTFC", E1000_TSCTFC),
	PLAIN("RXCSUM", E1000_RXCSUM, 0x7ff, 0),
	ARRAY("MTA", E1000_MTA, 128, ALL),
	{ "RA", E1000_RA, 32, ALL, 0, NULL, ra_write },
	ARRAY("VFTA", E1000_VFTA, 128, ALL),
	PLAIN("WUC", 0x5800, 0xf, 0),
	PLAIN("WUFC", 0x5808, 0xf80ff, 0),
	PLAIN("WUS", 0x5810, 0, 0),
	PLAIN("MANC", 0x5820, ALL, 0),
	PLAIN("IPAV", 0x5838, 0x1000f, 0),
	ARRAY("IP4AT", 0x5840, 8, ALL),
	ARRAY("IP6AT", 0x5880, 4, ALL),
	PLAIN("WUPL", 0x5900, 0, 0),
	ARRAY("WUPM", 0x5a00, 32, 0),
	ARRAY("FFLT", 0x5f00, 8, 0x7ff),
};

const guint e1000_n_regs = G_N_ELEMENTS(e1000_regs);
G_STATIC_ASSERT(G_N_ELEMENTS(e1000_regs) < 255);
