/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-csr.c - control and status registers, reset, interrupts.
 *
 * The chip is stopped (CSR0.STOP), then reads its initialization block (INIT) or is set up through
 * the registers, then runs (STRT). Most registers may be written only while it is stopped or
 * suspended (CSR5.SPND).
 */
#include "pcnet.h"

#include <string.h>

void
pcnet_update_irq(Pcnet *p)
{
	guint16 pending = p->csr[0] & CSR0_EVENTS & ~p->csr[3];

	pending |= p->csr[4] & (CSR4_MASKED_EVENTS & ~(p->csr[4] << 1));
	pending |= p->csr[4] & CSR4_UINT;
	pending |= p->csr[5] & CSR5_EVENTS & (p->csr[5] << 1);
	pending |= p->csr[7] & CSR7_EVENTS & (p->csr[7] << 1);
	if (pending)
		p->csr[0] |= CSR0_INTR;
	else
		p->csr[0] &= (guint16)~CSR0_INTR;
	p->pci->set_irq(p->inst, pending != 0 && (p->csr[0] & CSR0_IENA) != 0);
}

void
pcnet_event(Pcnet *p, guint16 csr0)
{
	if (p->tints > 0) {
		p->tints = 0;
		p->host->timer_arm(p->tint, 0);
		csr0 |= CSR0_TINT;
	}
	p->csr[0] |= csr0;
	if (csr0 & CSR0_TINT)
		p->tint_unseen = TRUE;
	pcnet_update_irq(p);
}

static void
csr_stop(Pcnet *p)
{
	p->csr[0] = CSR0_STOP;
	p->csr[4] &= (guint16)~CSR4_CLEARED;
	p->csr[5] &= (guint16) ~(CSR5_EVENTS | CSR5_SPND);
	p->csr[7] &= (guint16) ~(CSR7_EVENTS | CSR7_RDMD);
	p->tint_unseen = p->init_waits = FALSE;
	p->tints = 0;
	p->host->timer_arm(p->tint, 0);
	pcnet_rx_forget(p);
	pcnet_update_irq(p);
}

/* H_RESET (the RST# pin) also resets the bus configuration; S_RESET (a read of the reset register)
 * keeps it. Data sheet, "Reset". */
void
pcnet_reset(Pcnet *p, gboolean hard)
{
	guint16 sws = p->bcr[BCR_SWS], block[] = { p->csr[1], p->csr[2] };

	memset(p->csr, 0, sizeof p->csr);
	/* S_RESET leaves the init block's address alone (CSR1, CSR2): Linux sets it only once. */
	if (!hard)
		memcpy(&p->csr[1], block, sizeof block);
	p->csr[4] = 0x0115;
	for (guint i = 0; i < 3; i++) /* PADR, as read from the PROM */
		p->csr[12 + i] = (guint16)(p->aprom[2 * i] | p->aprom[2 * i + 1] << 8);
	p->csr[80] = 0x1410;
	p->csr[88] = p->is_973 ? 0x5003 : 0x1003;
	p->csr[89] = 0x0262;
	p->csr[94] = 0x0000;
	p->csr[100] = 0x0200;
	p->csr[103] = 0x0105;
	p->csr[125] = 0x603c;
	p->rap = 0;
	p->soft_ns = p->poll_at = p->poll_ns = 0;
	p->tx_demands = p->tx_polled = FALSE;
	p->runts = 0;
	if (hard) {
		pcnet_bcr_reset(p);
		pcnet_phy_reset(p);
	} else {
		p->bcr[BCR_BSBC] &= (guint16)~BCR18_DWIO;
		p->bcr[BCR_SWS] = sws;
	}
	p->csr[58] = p->bcr[BCR_SWS];
	p->host->timer_arm(p->poll, 0);
	p->host->timer_arm(p->soft, 0);
	csr_stop(p);
}

static void
csr_start(Pcnet *p)
{
	p->csr[0] &= (guint16)~CSR0_STOP;
	p->csr[0] |= CSR0_STRT;
	if (!(p->csr[15] & MODE_DTX))
		p->csr[0] |= CSR0_TXON;
	if (!(p->csr[15] & MODE_DRX))
		p->csr[0] |= CSR0_RXON;
	p->tx_demands = p->tx_polled = FALSE;
	p->poll_ns = 0;
	pcnet_rx_start(p);
	pcnet_transmit_soon(p);
}

void
pcnet_csr_init(Pcnet *p)
{
	gboolean done;

	p->csr[0] &= (guint16)~CSR0_STOP;
	p->csr[0] |= CSR0_INIT;
	p->pci->dma_enter(p->inst);
	done = pcnet_init_block(p);
	p->pci->dma_leave(p->inst);
	p->init_waits = !done;
	pcnet_event(p, done ? CSR0_IDON : CSR0_MERR);
}

static void
csr0_write(Pcnet *p, guint16 value)
{
	guint16 cleared = value & CSR0_CLEARED;

	/* Windows XP's driver sets TDMD and then clears a TINT that it has not seen yet, and would
	 * wait for it for ever. */
	if (p->tint_unseen)
		cleared &= (guint16)~CSR0_TINT;
	p->csr[0] &= (guint16)~cleared;
	if (value & CSR0_STOP) {
		csr_stop(p);
		return;
	}
	p->csr[0] = (guint16)((p->csr[0] & ~CSR0_IENA) | (value & CSR0_IENA));
	if ((value & CSR0_INIT) && !(p->csr[0] & CSR0_INIT))
		pcnet_csr_init(p);
	if ((value & CSR0_STRT) && !(p->csr[0] & CSR0_STRT))
		csr_start(p);
	if ((value & CSR0_TDMD) && (p->csr[0] & CSR0_TXON)) {
		p->csr[0] |= CSR0_TDMD;
		p->tx_demands = TRUE;
		pcnet_transmit_soon(p);
	}
	pcnet_update_irq(p);
	pcnet_rx_poll(p);
}

static void
csr4_write(Pcnet *p, guint16 value)
{
	p->csr[4] &= (guint16) ~(value & CSR4_CLEARED);
	p->csr[4] = (guint16)((p->csr[4] & CSR4_CLEARED) | (value & CSR4_WRITABLE));
	if (value & CSR4_UINTCMD)
		p->csr[4] |= CSR4_UINT;
	pcnet_update_irq(p);
}

static void
csr5_write(Pcnet *p, guint16 value)
{
	gboolean was_suspended = (p->csr[5] & CSR5_SPND) != 0;
	guint16 kept = (guint16)(p->csr[5] & CSR5_EVENTS & ~value);

	p->csr[5] = (guint16)(kept | (value & CSR5_WRITABLE));
	pcnet_update_irq(p);
	if (was_suspended && !(value & CSR5_SPND)) {
		pcnet_transmit_soon(p);
		pcnet_rx_poll(p);
	}
}

static void
csr7_write(Pcnet *p, guint16 value)
{
	guint16 kept = (guint16)(p->csr[7] & CSR7_EVENTS & ~value);

	if (!p->is_973)
		return;
	p->csr[7] = (guint16)(kept | (value & CSR7_WRITABLE));
	pcnet_update_irq(p);
	if (value & CSR7_STINT)
		pcnet_soft_timer_arm(p);
	if (value & CSR7_RDMD)
		pcnet_rx_poll(p);
}

/* Registers that hold what is written, while the chip is stopped or suspended. */
static gboolean
csr_is_storage(guint reg)
{
	return (reg >= 8 && reg <= 15) || (reg >= 18 && reg <= 49) || (reg >= 60 && reg <= 72) ||
	       reg == 74 || reg == 76 || reg == 78 || reg == 80 || reg == 82 || reg == 84 ||
	       reg == 85 || reg == 86 || reg == 100 || reg == 122 || reg == 124 || reg == 125;
}

static void
csr_store(Pcnet *p, guint reg, guint16 value)
{
	if (reg == 16 || reg == 17)
		reg -= 15; /* aliases of IADR */
	p->csr[reg] = value;
	if (reg == 76)
		p->csr[72] = value;
	else if (reg == 78)
		p->csr[74] = value;
}

void
pcnet_csr_write(Pcnet *p, guint reg, guint16 value)
{
	switch (reg) {
	case 0:
		csr0_write(p, value);
		return;
	case 3:
		p->csr[3] = value & CSR3_WRITABLE;
		pcnet_update_irq(p);
		pcnet_rx_poll(p);
		return;
	case 4:
		csr4_write(p, value);
		return;
	case 5:
		csr5_write(p, value);
		return;
	case 7:
		csr7_write(p, value);
		return;
	case 58:
		pcnet_bcr_write(p, BCR_SWS, value);
		return;
	case 112: /* missed frames, receive collisions: writing clears */
	case 114:
		p->csr[reg] = 0;
		return;
	default:
		break;
	}
	if (!(p->csr[0] & CSR0_STOP) && !(p->csr[5] & CSR5_SPND))
		return;
	if (reg == 1 || reg == 2 || reg == 16 || reg == 17 || csr_is_storage(reg))
		csr_store(p, reg, value);
}

/* The chip has scratch of its transmitter in CSR68 (data sheet, "XSTMP"). In a virtual machine the
 * configured speed is read there, as in VirtualBox: M * 10^E kbit/s, E in the upper 3 bits, M in the
 * lower 13, E as small as can be. */
static guint16
csr68_read(const Pcnet *p)
{
	guint32 mantissa = p->line_speed;
	guint exponent = 0;

	for (; mantissa > CSR68_MANTISSA; exponent++)
		mantissa /= 10;
	return (guint16)(exponent << CSR68_EXPONENT_SHIFT | mantissa);
}

guint16
pcnet_csr_read(Pcnet *p, guint reg)
{
	guint16 value;

	switch (reg) {
	case 0:
		pcnet_tint_flush(p);
		p->tint_unseen = FALSE;
		value = p->csr[0];
		if (value & (CSR0_BABL | CSR0_CERR | CSR0_MISS | CSR0_MERR))
			value |= CSR0_ERR;
		return value;
	case 16:
	case 17:
		return p->csr[reg - 15];
	case 26: /* next and current receive, next and current transmit descriptor */
	case 27:
		return (guint16)(pcnet_rx_address(p, 1) >> (reg == 27 ? 16 : 0));
	case 28:
	case 29:
		return (guint16)(pcnet_rx_address(p, 0) >> (reg == 29 ? 16 : 0));
	case 32:
	case 33:
		return (guint16)(pcnet_tx_address(p, 1) >> (reg == 33 ? 16 : 0));
	case 34:
	case 35:
		return (guint16)(pcnet_tx_address(p, 0) >> (reg == 35 ? 16 : 0));
	case 58:
		return pcnet_bcr_read(p, BCR_SWS);
	case 68:
		return csr68_read(p);
	default:
		return reg < PCNET_CSRS ? p->csr[reg] : 0;
	}
}
