/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-rx.c - reception: address filter, descriptors, FCS.
 *
 * A frame that finds no descriptor is left with the sender for MISS_DELAY, because a guest under
 * emulation is late more often than it is lost; after that it is missed as on the wire (CSR0.MISS,
 * CSR112). The chip is not told when the driver gives descriptors back, so it looks again.
 */
#include "pcnet.h"

#include <string.h>
#include <zlib.h>

#define MISS_DELAY (10 * 1000 * 1000ull)
#define RETRY_DELAY (500 * 1000ull)

/* The logical address filter takes the upper six bits of the CRC of the destination, bit-reversed
 * as it leaves the shift register. Data sheet, "Logical Address Filter". */
static gboolean
filter_match(const Pcnet *p, const guint8 *dst)
{
	guint32 crc = 0xffffffffu;
	guint bit;

	for (guint i = 0; i < 6; i++) {
		crc ^= dst[i];
		for (guint k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	bit = crc >> 26;
	return (p->csr[8 + bit / 16] >> (bit % 16) & 1) != 0;
}

static gboolean
physical_match(const Pcnet *p, const guint8 *dst)
{
	guint8 own[6];

	for (guint i = 0; i < 3; i++) {
		own[2 * i] = (guint8)p->csr[12 + i];
		own[2 * i + 1] = (guint8)(p->csr[12 + i] >> 8);
	}
	return memcmp(own, dst, 6) == 0;
}

/* Whether the chip takes a frame for `dst`, and the RMD bits that say why. */
static gboolean
address_match(const Pcnet *p, const guint8 *dst, guint16 *how)
{
	static const guint8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	guint16 mode = p->csr[15];

	*how = 0;
	if (memcmp(dst, broadcast, 6) == 0) {
		*how = RMD_BAM;
		return !(mode & MODE_DRCVBC) || (mode & MODE_PROM);
	}
	if (dst[0] & 1) {
		if (filter_match(p, dst))
			*how = RMD_LAFM;
	} else if (!(mode & MODE_DRCVPA) && physical_match(p, dst)) {
		*how = RMD_PAM;
	}
	return *how != 0 || (mode & MODE_PROM) != 0;
}

static guint
current(const Pcnet *p)
{
	return (guint16)(p->csr[72] - p->csr[76]);
}

static void
advance(Pcnet *p)
{
	p->csr[72]++;
	if (p->csr[72] == 0)
		p->csr[72] = p->csr[76];
}

/* Bytes that the descriptors from the current one on can take, up to `want`. */
static guint
room(Pcnet *p, guint want)
{
	guint len = pcnet_rx_ring_len(p), have = 0;
	PcnetDescriptor d;

	for (guint i = 0; i < len && have < want; i++) {
		if (!pcnet_rx_load(p, (current(p) + i) % len, &d) || !(d.status & MD_OWN))
			break;
		have += pcnet_buffer_len(&d);
	}
	return have;
}

static void
missed(Pcnet *p)
{
	if (++p->csr[112] == 0)
		p->csr[4] |= CSR4_MFCO;
	pcnet_event(p, CSR0_MISS);
}

/* Puts `len` bytes into descriptors. The last one of a frame that does not fit is marked BUFF. */
static gboolean
deposit(Pcnet *p, const guint8 *data, guint len, guint16 how)
{
	guint16 first = MD_STP;
	guint done = 0;

	while (done < len) {
		PcnetDescriptor d, next;
		guint piece;

		if (!pcnet_rx_load(p, current(p), &d))
			return FALSE;
		piece = MIN(pcnet_buffer_len(&d), len - done);
		if (!p->pci->dma_write(p->inst, d.buffer, data + done, piece))
			return FALSE;
		done += piece;
		advance(p);
		d.status = (guint16)((pcnet_is_32bit(p) ? 0 : d.status & 0xff) | first);
		d.extra = 0;
		first = 0;
		if (done == len) {
			d.status |= MD_ENP | how;
			d.extra = len;
		} else if (!pcnet_rx_load(p, current(p), &next) || !(next.status & MD_OWN)) {
			d.status |= MD_ERR | RMD_BUFF;
			done = len;
		}
		if (!pcnet_rx_store(p, &d))
			return FALSE;
	}
	return TRUE;
}

static void
bus_error(Pcnet *p)
{
	jf_count(p->dma_errors, 1);
	pcnet_event(p, CSR0_MERR);
}

/* Length that reaches the driver: the automatic strip takes padding and FCS off a frame whose
 * length field is below 46 (data sheet, "Automatic Pad Stripping"). */
static guint
stripped_len(const Pcnet *p, const guint8 *data, guint len)
{
	guint type = jf_get_be16(data + 12);

	if (!(p->csr[4] & CSR4_ASTRP_RCV) || type >= 46)
		return len + PCNET_CRC_LEN;
	return MIN(14 + type, len);
}

gboolean
pcnet_receive(Pcnet *p, const guint8 *data, guint len, gboolean looped)
{
	guint8 wire[PCNET_FRAME_MAX + PCNET_CRC_LEN];
	guint16 how;
	guint32 fcs;
	guint total, have;

	if (!(p->csr[0] & CSR0_RXON) || (p->csr[5] & CSR5_SPND))
		return TRUE;
	if (!looped && (p->csr[15] & MODE_LOOP) && (p->csr[15] & MODE_INTL))
		return TRUE;
	if (len + PCNET_CRC_LEN > PCNET_FRAME_MAX) {
		jf_count(p->jumbo, 1);
		return TRUE;
	}
	if (!address_match(p, data, &how))
		return TRUE;
	memcpy(wire, data, len);
	if (len < PCNET_FRAME_MIN) {
		memset(wire + len, 0, PCNET_FRAME_MIN - len);
		len = PCNET_FRAME_MIN;
	}
	fcs = GUINT32_TO_LE((guint32)crc32(0, wire, len));
	memcpy(wire + len, &fcs, sizeof fcs);
	total = stripped_len(p, wire, len);
	have = room(p, total);
	if (have < total) {
		guint64 now = p->host->now(p->inst, JF_CLOCK_MONOTONIC);

		if (!looped && (p->stalled == 0 || now - p->stalled < MISS_DELAY)) {
			p->stalled = p->stalled ? p->stalled : now;
			return FALSE;
		}
		if (have == 0) {
			missed(p);
			return TRUE;
		}
	}
	p->stalled = 0;
	if (!deposit(p, wire, total, how))
		bus_error(p);
	else
		pcnet_event(p, CSR0_RINT);
	return TRUE;
}

guint
pcnet_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Pcnet *p = inst->priv;
	guint8 data[PCNET_FRAME_MAX];

	(void)port;
	for (guint i = 0; i < n; i++) {
		if (frames[i].len < JF_FRAME_MIN_LEN)
			continue;
		if (frames[i].len > sizeof data) {
			jf_count(p->jumbo, 1);
			continue;
		}
		if (!jf_frame_copy(&frames[i], 0, data, frames[i].len))
			continue;
		if (!pcnet_receive(p, data, frames[i].len, FALSE)) {
			pcnet_poll_within(p, RETRY_DELAY);
			return i;
		}
	}
	return n;
}

void
pcnet_rx_poll(Pcnet *p)
{
	if (p->stalled == 0)
		return;
	p->host->resume(p->inst, 0);
	pcnet_poll_within(p, RETRY_DELAY);
}
