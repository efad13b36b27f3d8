/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-bcr.c - bus configuration registers, and the PHY behind BCR33/34.
 *
 * The PHY is at address 0 with the identity of an Am79C874; its link follows the cable. On the
 * Am79C970A there is no MII: BCR33/34 do not exist there.
 */
#include "pcnet.h"

#include <string.h>

/* IEEE 802.3, clause 22.2.4. */
#define PHY_BMCR 0u
#define PHY_BMSR 1u
#define PHY_ID1 2u
#define PHY_ID2 3u
#define PHY_ANAR 4u
#define PHY_ANLPAR 5u
#define PHY_ANER 6u
#define PHY_DIAGNOSTIC 18u
#define BMCR_RESET 0x8000u
#define BMCR_LOOPBACK 0x4000u
#define BMCR_SPEED 0x2000u
#define BMCR_ANE 0x1000u
#define BMCR_RESTART 0x0200u
#define BMCR_DUPLEX 0x0100u
#define BMSR_ABILITIES 0x7809u /* 100/10, both duplexes, autonegotiation, extended registers */
#define BMSR_ANDONE 0x0020u
#define BMSR_LINK 0x0004u
#define ANAR_RESET 0x01e1u     /* 100/10, both duplexes, 802.3; no flow control */
#define ANLPAR_PARTNER 0x45e1u /* acknowledges, flow control */
#define ANER_PARTNER 0x0001u
#define DIAGNOSTIC_100 0x0400u
#define DIAGNOSTIC_DUPLEX 0x0800u

static guint
bcr_last(const Pcnet *p)
{
	return p->is_973 ? 50 : 22;
}

void
pcnet_bcr_reset(Pcnet *p)
{
	memset(p->bcr, 0, sizeof p->bcr);
	p->bcr[0] = 0x0005;
	p->bcr[1] = 0x0005;
	p->bcr[BCR_MC] = 0x0002;
	p->bcr[4] = 0x00c0;
	p->bcr[5] = 0x0084;
	p->bcr[6] = 0x0088;
	p->bcr[7] = 0x0090;
	p->bcr[BCR_BSBC] = 0x9001;
	p->bcr[BCR_EECAS] = 0x0002;
	p->bcr[BCR_SWS] = BCR20_CSRPCNET;
	p->bcr[22] = 0xff06;
	if (!p->is_973)
		return;
	p->bcr[23] = p->info.subsystem_vendor;
	p->bcr[24] = p->info.subsystem;
	p->bcr[BCR_STVAL] = 0xffff;
	p->bcr[BCR_MIICAS] = BCR32_XPHYANE;
	p->bcr[35] = p->info.vendor;
	p->csr[58] = p->bcr[BCR_SWS];
}

/* Software style: 0 is 16 bits wide and LANCE-like, 2 and 3 are 32 bits wide. */
static void
bcr_set_style(Pcnet *p, guint16 value)
{
	guint16 sws = value & (BCR20_APERREN | 0x00ffu);

	if (!(p->csr[0] & CSR0_STOP) && !(p->csr[5] & CSR5_SPND))
		return;
	switch (value & 0xff) {
	case 0:
		sws |= BCR20_CSRPCNET;
		break;
	case 1: /* ILACC */
		sws |= BCR20_SSIZE32;
		break;
	case 2:
	case 3:
		sws |= BCR20_SSIZE32 | BCR20_CSRPCNET;
		break;
	default:
		sws = BCR20_CSRPCNET;
		break;
	}
	p->bcr[BCR_SWS] = p->csr[58] = sws;
}

void
pcnet_phy_reset(Pcnet *p)
{
	memset(p->phy, 0, sizeof p->phy);
	p->phy[PHY_BMCR] = BMCR_SPEED | BMCR_ANE | BMCR_DUPLEX;
	p->phy[PHY_ID1] = 0x0022;
	p->phy[PHY_ID2] = 0x561b;
	p->phy[PHY_ANAR] = ANAR_RESET;
	p->link_latched = FALSE;
	pcnet_phy_link(p);
}

void
pcnet_phy_link(Pcnet *p)
{
	p->phy[PHY_BMSR] = BMSR_ABILITIES;
	p->phy[PHY_ANLPAR] = p->phy[PHY_ANER] = p->phy[PHY_DIAGNOSTIC] = 0;
	if (!p->link)
		return;
	p->phy[PHY_BMSR] |= BMSR_LINK;
	if (!(p->phy[PHY_BMCR] & BMCR_ANE)) {
		p->phy[PHY_DIAGNOSTIC] = (p->phy[PHY_BMCR] & BMCR_SPEED ? DIAGNOSTIC_100 : 0) |
					 (p->phy[PHY_BMCR] & BMCR_DUPLEX ? DIAGNOSTIC_DUPLEX : 0);
		return;
	}
	p->phy[PHY_BMSR] |= BMSR_ANDONE;
	p->phy[PHY_ANLPAR] = ANLPAR_PARTNER;
	p->phy[PHY_ANER] = ANER_PARTNER;
	p->phy[PHY_DIAGNOSTIC] = DIAGNOSTIC_100 | DIAGNOSTIC_DUPLEX;
}

static void
phy_write(Pcnet *p, guint reg, guint16 value)
{
	if (reg == PHY_ANAR) {
		p->phy[PHY_ANAR] = (guint16)((value & 0x2fe0u) | 1);
	} else if (reg == PHY_BMCR && (value & BMCR_RESET)) {
		pcnet_phy_reset(p);
	} else if (reg == PHY_BMCR) {
		p->phy[PHY_BMCR] = value & 0x7d80u; /* restart clears itself at once */
		pcnet_phy_link(p);
	}
}

static gboolean
phy_is_addressed(const Pcnet *p)
{
	return (p->bcr[BCR_MIIADD] >> 5 & 0x1f) == 0;
}

/* A link that was down says so once, even if it is up again (802.3 clause 22, Link Status). */
static guint16
mii_read(Pcnet *p)
{
	guint reg = p->bcr[BCR_MIIADD] & 0x1f;
	guint16 value;

	if (!phy_is_addressed(p))
		return 0xffff;
	value = p->phy[reg];
	if (reg == PHY_BMSR && p->link_latched) {
		value &= (guint16)~BMSR_LINK;
		p->link_latched = FALSE;
	}
	return value;
}

/* The link LED's bit 15 mirrors what the LED shows; LNKSTE is bit 6. */
static guint16
led_read(const Pcnet *p, guint reg)
{
	guint16 value = p->bcr[reg] & 0x7fff;

	if (p->link && (value & 0x0040))
		value |= 0x8000;
	return value;
}

guint16
pcnet_bcr_read(Pcnet *p, guint reg)
{
	if (reg > bcr_last(p))
		return 0;
	if (reg >= BCR_LED0 && reg <= 7)
		return led_read(p, reg);
	if (p->is_973 && reg == BCR_MIIMDR)
		return mii_read(p);
	return p->bcr[reg];
}

void
pcnet_soft_timer_set(Pcnet *p)
{
	guint value = p->bcr[BCR_STVAL];

	p->soft_ns = 12800ull * (value ? value : 0x10000u); /* 12.8 us each */
}

static void
bcr973_write(Pcnet *p, guint reg, guint16 value)
{
	switch (reg) {
	case BCR_STVAL:
		p->bcr[reg] = value;
		pcnet_soft_timer_set(p);
		pcnet_soft_timer_arm(p);
		break;
	case BCR_MIICAS:
		if (value & BCR32_XPHYRST)
			pcnet_phy_reset(p);
		p->bcr[reg] = value & 0x7fff;
		break;
	case BCR_MIIADD:
		p->bcr[reg] = value & 0x03ff;
		break;
	case BCR_MIIMDR:
		if (phy_is_addressed(p))
			phy_write(p, p->bcr[BCR_MIIADD] & 0x1f, value);
		p->csr[7] |= CSR7_MCCINT;
		pcnet_update_irq(p);
		break;
	case 25:
	case 26:
	case 27:
	case 28:
	case 29:
	case 30:
		p->bcr[reg] = value;
		break;
	default:
		break;
	}
}

void
pcnet_bcr_write(Pcnet *p, guint reg, guint16 value)
{
	if (reg > bcr_last(p))
		return;
	switch (reg) {
	case BCR_SWS:
		bcr_set_style(p, value);
		return;
	case BCR_BSBC:
		p->bcr[reg] = (guint16)((p->bcr[reg] & BCR18_DWIO) | (value & ~BCR18_DWIO));
		return;
	case 0:
	case 1:
	case BCR_MC:
	case 4:
	case 5:
	case 6:
	case 7:
	case BCR_FDC:
	case 16:
	case 17:
	case BCR_EECAS:
	case 21:
	case 22:
		p->bcr[reg] = value;
		return;
	default:
		bcr973_write(p, reg, value);
		return;
	}
}
