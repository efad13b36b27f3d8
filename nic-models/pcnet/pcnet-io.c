/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-io.c - what is behind the two BARs: address PROM, then data port, address port, reset and
 * bus data port, spaced by words or, once a 32-bit write to the data port has switched the chip to
 * DWIO, by double words. Data sheet, "I/O Resources".
 */
#include "pcnet.h"

#include <string.h>

#define IO_RDP 0x10u
#define WIO_RAP 0x12u
#define WIO_RESET 0x14u
#define WIO_BDP 0x16u
#define DWIO_RAP 0x14u
#define DWIO_RESET 0x18u
#define DWIO_BDP 0x1cu

void
pcnet_aprom_init(Pcnet *p, const guint8 mac[6])
{
	guint16 sum = 0;

	memset(p->aprom, 0, sizeof p->aprom);
	memcpy(p->aprom, mac, 6);
	p->aprom[9] = 0x11;
	p->aprom[14] = p->aprom[15] = 'W';
	for (guint i = 0; i < PCNET_APROM_SIZE; i++)
		sum = (guint16)(sum + p->aprom[i]);
	p->aprom[12] = (guint8)sum;
	p->aprom[13] = (guint8)(sum >> 8);
}

static guint64
aprom_read(const Pcnet *p, guint offset, guint size)
{
	guint64 value = 0;

	for (guint i = 0; i < size && offset + i < PCNET_APROM_SIZE; i++)
		value |= (guint64)p->aprom[offset + i] << (8 * i);
	return value;
}

static void
aprom_write(Pcnet *p, guint offset, guint size, guint64 value)
{
	if (!(p->bcr[BCR_MC] & BCR2_APROMWE))
		return;
	for (guint i = 0; i < size && offset + i < PCNET_APROM_SIZE; i++)
		p->aprom[offset + i] = (guint8)(value >> (8 * i));
}

static guint16
word_read(Pcnet *p, guint offset)
{
	switch (offset) {
	case IO_RDP:
		return pcnet_csr_read(p, p->rap);
	case WIO_RAP:
		return p->rap;
	case WIO_RESET:
		pcnet_reset(p, FALSE);
		return 0;
	case WIO_BDP:
		return pcnet_bcr_read(p, p->rap);
	default:
		return 0xffff;
	}
}

static guint32
dword_read(Pcnet *p, guint offset)
{
	switch (offset) {
	case IO_RDP:
		return pcnet_csr_read(p, p->rap);
	case DWIO_RAP:
		return p->rap;
	case DWIO_RESET:
		pcnet_reset(p, FALSE);
		return 0;
	case DWIO_BDP:
		return pcnet_bcr_read(p, p->rap);
	default:
		return G_MAXUINT32;
	}
}

/* In either mode, a byte or word access to a register gives that part of it. */
guint64
pcnet_bar_read(JfInstance *inst, guint bar, guint64 offset, guint size)
{
	Pcnet *p = inst->priv;
	guint at = (guint)offset, shift;
	guint64 value;

	(void)bar;
	if (at < PCNET_APROM_SIZE)
		return aprom_read(p, at, size);
	if (size == 8)
		return G_MAXUINT64;
	if (p->bcr[BCR_BSBC] & BCR18_DWIO) {
		shift = 8 * (at & 3);
		value = dword_read(p, at & ~3u) >> shift;
	} else if (size == 4) {
		/* A double word probe (FreeBSD) must not reset the chip by reading past RAP. */
		value = (at & 3) == 0 && at == IO_RDP
				? word_read(p, IO_RDP) | (guint32)word_read(p, WIO_RAP) << 16
				: G_MAXUINT32;
	} else {
		shift = 8 * (at & 1);
		value = (guint64)(word_read(p, at & ~1u) >> shift);
	}
	return size == 4 ? (guint32)value : value & ((1ull << (8 * size)) - 1);
}

static void
register_write(Pcnet *p, guint which, guint16 value)
{
	switch (which) {
	case 0:
		pcnet_csr_write(p, p->rap, value);
		break;
	case 1:
		p->rap = value & 0x7f;
		break;
	case 3:
		pcnet_bcr_write(p, p->rap, value);
		break;
	default:
		break; /* writing the reset register does nothing */
	}
}

void
pcnet_bar_write(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value)
{
	Pcnet *p = inst->priv;
	guint at = (guint)offset;

	(void)bar;
	if (at < PCNET_APROM_SIZE) {
		aprom_write(p, at, size, value);
	} else if (p->bcr[BCR_BSBC] & BCR18_DWIO) {
		if (size == 4 && (at & 3) == 0)
			register_write(p, (at - IO_RDP) / 4, (guint16)value);
	} else if (size == 4 && at == IO_RDP) {
		p->bcr[BCR_BSBC] |= BCR18_DWIO;
		register_write(p, 0, (guint16)value);
	} else if (size == 2 && (at & 1) == 0) {
		register_write(p, (at - IO_RDP) / 2, (guint16)value);
	} else if (size == 1 && at == WIO_RAP) {
		register_write(p, 1, (guint16)value);
	}
}
