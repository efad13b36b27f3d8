/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-ring.c - initialization block and descriptors in guest memory.
 *
 * Three layouts of a descriptor (data sheet, "Software Style"): 0 has four 16-bit words and 24-bit
 * addresses, whose upper byte comes from CSR2; 2 has four 32-bit words; 3 has the same words in
 * another order. Each is read once into a PcnetDescriptor and judged there.
 */
#include "pcnet.h"

#include <string.h>

static guint16
le16(const guint8 *p)
{
	return (guint16)(p[0] | p[1] << 8);
}

static guint32
le32(const guint8 *p)
{
	return le16(p) | (guint32)le16(p + 2) << 16;
}

static void
put_le16(guint8 *p, guint16 value)
{
	p[0] = (guint8)value;
	p[1] = (guint8)(value >> 8);
}

static void
put_le32(guint8 *p, guint32 value)
{
	put_le16(p, (guint16)value);
	put_le16(p + 2, (guint16)(value >> 16));
}

/* 16-bit structures have 24-bit addresses; bits 31:24 are those of IADR. */
static guint32
wide_address(const Pcnet *p, guint32 low24)
{
	return (low24 & 0xffffff) | (guint32)(p->csr[2] & 0xff00) << 16;
}

static guint32
structure_address(const Pcnet *p, guint low)
{
	guint32 address = pcnet_csr32(p, low);

	return pcnet_is_32bit(p) ? address : wide_address(p, address);
}

static void
bus_error(Pcnet *p)
{
	jf_count(p->dma_errors, 1);
}

static gboolean
memory_read(Pcnet *p, guint32 address, gpointer dst, guint len)
{
	if (p->pci->dma_read(p->inst, address, dst, len))
		return TRUE;
	bus_error(p);
	return FALSE;
}

static void
ring_set_up(Pcnet *p, guint32 receive, guint receive_log2, guint32 transmit, guint transmit_log2)
{
	guint receive_len = 1u << MIN(receive_log2, 9u),
	      transmit_len = 1u << MIN(transmit_log2, 9u);

	pcnet_csr32_set(p, 24, receive);
	pcnet_csr32_set(p, 30, transmit);
	p->csr[76] = p->csr[72] = (guint16)-receive_len;
	p->csr[78] = p->csr[74] = (guint16)-transmit_len;
	p->csr[6] = (guint16)(transmit_log2 << 12 | receive_log2 << 8);
}

static gboolean
init_block_16(Pcnet *p)
{
	guint8 block[24];
	guint32 receive, transmit;

	if (!memory_read(p, wide_address(p, pcnet_csr32(p, 1)), block, sizeof block))
		return FALSE;
	p->csr[15] = le16(block);
	for (guint i = 0; i < 3; i++)
		p->csr[12 + i] = le16(block + 2 + 2 * i);
	for (guint i = 0; i < 4; i++)
		p->csr[8 + i] = le16(block + 8 + 2 * i);
	receive = le32(block + 16);
	transmit = le32(block + 20);
	ring_set_up(p, wide_address(p, receive & ~7u), receive >> 29,
		    wide_address(p, transmit & ~7u), transmit >> 29);
	return TRUE;
}

static gboolean
init_block_32(Pcnet *p)
{
	guint8 block[28];

	if (!memory_read(p, pcnet_csr32(p, 1) & ~3u, block, sizeof block))
		return FALSE;
	p->csr[15] = le16(block);
	for (guint i = 0; i < 3; i++)
		p->csr[12 + i] = le16(block + 4 + 2 * i);
	for (guint i = 0; i < 4; i++)
		p->csr[8 + i] = le16(block + 12 + 2 * i);
	ring_set_up(p, le32(block + 20) & ~15u, block[2] >> 4, le32(block + 24) & ~15u,
		    block[3] >> 4);
	return TRUE;
}

gboolean
pcnet_init_block(Pcnet *p)
{
	return pcnet_is_32bit(p) ? init_block_32(p) : init_block_16(p);
}

static guint
ring_len(guint16 complement)
{
	guint len = (guint16)-complement;

	return len ? len : 0x10000;
}

guint
pcnet_rx_ring_len(const Pcnet *p)
{
	return ring_len(p->csr[76]);
}

guint
pcnet_tx_ring_len(const Pcnet *p)
{
	return ring_len(p->csr[78]);
}

static guint
descriptor_size(const Pcnet *p)
{
	return pcnet_is_32bit(p) ? 16 : 8;
}

/* Index of the descriptor `ahead` of the current one: the counter runs from -length to -1. */
static guint
ring_index(guint16 counter, guint16 complement, guint ahead)
{
	guint current = (guint16)(counter - complement);

	return (current + ahead) % ring_len(complement);
}

guint32
pcnet_rx_address(const Pcnet *p, guint ahead)
{
	return structure_address(p, 24) +
	       ring_index(p->csr[72], p->csr[76], ahead) * descriptor_size(p);
}

guint32
pcnet_tx_address(const Pcnet *p, guint ahead)
{
	return structure_address(p, 30) +
	       ring_index(p->csr[74], p->csr[78], ahead) * descriptor_size(p);
}

void
pcnet_rx_advance(Pcnet *p)
{
	p->csr[72]++;
	if (p->csr[72] == 0)
		p->csr[72] = p->csr[76];
}

void
pcnet_tx_advance(Pcnet *p)
{
	p->csr[74]++;
	if (p->csr[74] == 0)
		p->csr[74] = p->csr[78];
}

static gboolean
descriptor_load(Pcnet *p, guint32 address, PcnetDescriptor *d)
{
	guint style = p->bcr[BCR_SWS] & 0xff, size = descriptor_size(p);
	gconstpointer there = p->pci->dma_map(p->inst, address, size, FALSE);
	guint8 raw[16];

	d->address = address;
	if (there)
		memcpy(raw, there, size);
	else if (!memory_read(p, address, raw, size))
		return FALSE;
	if (!pcnet_is_32bit(p)) {
		d->buffer = wide_address(p, le32(raw));
		d->status = le16(raw + 2) & 0xff00;
		d->bcnt = le16(raw + 4) & 0x0fff;
		d->extra = le16(raw + 6);
		return TRUE;
	}
	d->buffer = le32(raw + (style == 3 ? 8 : 0));
	d->status = le16(raw + 6);
	d->bcnt = le16(raw + 4) & 0x0fff;
	d->extra = le32(raw + (style == 3 ? 0 : 8));
	return TRUE;
}

static gboolean
memory_write(Pcnet *p, guint32 address, const guint8 *src, guint len)
{
	if (p->pci->dma_write(p->inst, address, src, len))
		return TRUE;
	bus_error(p);
	return FALSE;
}

/* `extra` in the place and width of this style; then the status, whose top byte holds OWN. The
 * driver may look at the descriptor as soon as OWN is gone, so that comes last. */
static gboolean
descriptor_store(Pcnet *p, const PcnetDescriptor *d, gboolean transmit)
{
	guint8 raw[4];
	guint style = p->bcr[BCR_SWS] & 0xff;
	gboolean stored;

	if (!pcnet_is_32bit(p)) {
		put_le16(raw, (guint16)(transmit ? d->extra >> 16 : d->extra & 0x0fff));
		stored = memory_write(p, d->address + 6, raw, 2);
		raw[0] = (guint8)(d->status >> 8);
		__atomic_thread_fence(__ATOMIC_RELEASE);
		return memory_write(p, d->address + 3, raw, 1) && stored;
	}
	put_le32(raw, d->extra);
	stored = memory_write(p, d->address + (style == 3 ? 0 : 8), raw, 4);
	put_le16(raw, d->status);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return memory_write(p, d->address + 6, raw, 2) && stored;
}

gboolean
pcnet_rx_load(Pcnet *p, guint ahead, PcnetDescriptor *d)
{
	return descriptor_load(p, pcnet_rx_address(p, ahead), d);
}

gboolean
pcnet_tx_load(Pcnet *p, guint ahead, PcnetDescriptor *d)
{
	return descriptor_load(p, pcnet_tx_address(p, ahead), d);
}

gboolean
pcnet_rx_store(Pcnet *p, const PcnetDescriptor *d)
{
	return descriptor_store(p, d, FALSE);
}

gboolean
pcnet_tx_store(Pcnet *p, const PcnetDescriptor *d)
{
	return descriptor_store(p, d, TRUE);
}

guint32
pcnet_buffer_len(const PcnetDescriptor *d)
{
	return 0x1000u - d->bcnt;
}
