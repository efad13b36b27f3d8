/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-rx.c - reception: address filter, descriptors, FCS.
 *
 * A frame that finds no descriptor is left with the sender for MISS_DELAY, because a guest under
 * emulation is late more often than it is lost; after that it is missed as on the wire (CSR0.MISS,
 * CSR112). The chip is not told when the driver gives descriptors back, so it looks again: soon by
 * itself, and at every write to CSR0 or CSR3, with which drivers end the work on an interrupt.
 *
 * Solaris gives the chip so few buffers (128 of 128 bytes) that it always misses frames, and sets the
 * chip up anew after every CSR0.MISS; with a ring of less than MISS_LOUD bytes it is not told.
 */
#include "pcnet.h"

#include <string.h>
#include <zlib.h>

#define MISS_DELAY (100 * 1000 * 1000ull)
#define RETRY_DELAY (100 * 1000ull)
#define MISS_LOUD 32768u

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

/* Bytes that the descriptors from the current one on can take, up to `want`. */
static guint
room(Pcnet *p, guint want)
{
	guint len = pcnet_rx_ring_len(p), have = 0;
	PcnetDescriptor d;

	for (guint i = 0; i < len && have < want; i++) {
		if (!pcnet_rx_load(p, i, &d) || !(d.status & MD_OWN))
			break;
		have += pcnet_buffer_len(&d);
	}
	return have;
}

void
pcnet_rx_start(Pcnet *p)
{
	guint all = 0, len = MIN(pcnet_rx_ring_len(p), PCNET_RING_MAX);
	PcnetDescriptor d;

	p->pci->dma_enter(p->inst);
	for (guint i = 0; i < len && pcnet_rx_load(p, i, &d); i++)
		all += pcnet_buffer_len(&d);
	p->pci->dma_leave(p->inst);
	p->miss_quietly = all < MISS_LOUD;
	p->runts = 0;
}

static guint16
missed(Pcnet *p)
{
	if (++p->csr[112] == 0)
		p->csr[4] |= CSR4_MFCO;
	return p->miss_quietly ? 0 : CSR0_MISS;
}

/* Puts `len` bytes into descriptors. The last one of a frame that does not fit is marked BUFF. FALSE
 * after a bus error. */
static gboolean
deposit(Pcnet *p, const guint8 *data, guint len, guint16 how)
{
	guint16 first = MD_STP;
	guint done = 0;

	while (done < len) {
		PcnetDescriptor d, next;
		guint piece;

		if (!pcnet_rx_load(p, 0, &d))
			return FALSE;
		piece = MIN(pcnet_buffer_len(&d), len - done);
		if (!p->pci->dma_write(p->inst, d.buffer, data + done, piece))
			return FALSE;
		done += piece;
		pcnet_rx_advance(p);
		d.status = (guint16)((pcnet_is_32bit(p) ? 0 : d.status & 0xff) | first);
		d.extra = 0;
		first = 0;
		if (done == len) {
			d.status |= MD_ENP | how;
			d.extra = len | (guint32)p->runts << 16;
		} else if (!pcnet_rx_load(p, 0, &next) || !(next.status & MD_OWN)) {
			d.status |= MD_ERR | RMD_BUFF;
			done = len;
		}
		if (!pcnet_rx_store(p, &d))
			return FALSE;
	}
	p->runts = 0;
	return TRUE;
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

/* The frame as on the wire, padded and with its FCS, in `wire`; its length without FCS. */
static guint
make_wire(guint8 *wire, guint len)
{
	guint32 fcs;

	if (len < PCNET_FRAME_MIN) {
		memset(wire + len, 0, PCNET_FRAME_MIN - len);
		len = PCNET_FRAME_MIN;
	}
	fcs = GUINT32_TO_LE((guint32)crc32(0, wire, len));
	memcpy(wire + len, &fcs, sizeof fcs);
	return len;
}

/* Whether a frame that finds no room may be lost now; it waits first. */
static gboolean
has_waited(Pcnet *p)
{
	guint64 now = p->host->now(p->inst, JF_CLOCK_MONOTONIC);

	if (p->stalled == 0)
		p->stalled = now;
	return now - p->stalled >= MISS_DELAY;
}

/* One frame for this chip in `wire`. FALSE: no descriptor is free, and it can wait. */
static gboolean
receive(Pcnet *p, guint8 *wire, guint len, guint16 how, gboolean looped, guint16 *events)
{
	guint total, have;

	len = make_wire(wire, len);
	total = stripped_len(p, wire, len);
	have = room(p, total);
	if (have < total && !looped && !has_waited(p))
		return FALSE;
	if (have == 0) {
		*events |= missed(p);
		return TRUE;
	}
	p->stalled = 0;
	if (deposit(p, wire, total, how)) {
		*events |= CSR0_RINT;
	} else {
		jf_count(p->dma_errors, 1);
		*events |= CSR0_MERR;
	}
	return TRUE;
}

static gboolean
receive_is_on(const Pcnet *p)
{
	return (p->csr[0] & CSR0_RXON) && !(p->csr[5] & CSR5_SPND);
}

void
pcnet_loop_back(Pcnet *p, const guint8 *data, guint len, gboolean runt)
{
	guint8 wire[PCNET_FRAME_MAX + PCNET_CRC_LEN];
	guint16 events = 0, how;

	if (!receive_is_on(p) || len + PCNET_CRC_LEN > PCNET_FRAME_MAX ||
	    !address_match(p, data, &how))
		return;
	if (runt && !(p->csr[124] & CSR124_RPA)) {
		p->runts += p->runts < G_MAXUINT8;
		return;
	}
	memcpy(wire, data, len);
	receive(p, wire, len, how, TRUE, &events);
	pcnet_event(p, events);
}

/* FALSE: it can wait. */
static gboolean
input_one(Pcnet *p, const JfFrame *frame, guint16 *events)
{
	guint8 wire[PCNET_FRAME_MAX + PCNET_CRC_LEN], dst[6];
	guint16 how;

	if (frame->len + PCNET_CRC_LEN > PCNET_FRAME_MAX) {
		jf_count(p->jumbo, 1);
		return TRUE;
	}
	if (frame->len < JF_FRAME_MIN_LEN || !jf_frame_copy(frame, 0, dst, sizeof dst) ||
	    !address_match(p, dst, &how) || !jf_frame_copy(frame, 0, wire, frame->len))
		return TRUE;
	return receive(p, wire, frame->len, how, FALSE, events);
}

guint
pcnet_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	gboolean deaf, inside;
	Pcnet *p = inst->priv;
	guint16 events = 0;
	guint taken = 0;

	(void)port;
	inside = (p->csr[15] & MODE_LOOP) && (p->csr[15] & MODE_INTL);
	deaf = !receive_is_on(p) || inside;
	if (deaf)
		return n;
	p->pci->dma_enter(inst);
	while (taken < n && input_one(p, &frames[taken], &events))
		taken++;
	p->pci->dma_leave(inst);
	if (events)
		pcnet_event(p, events);
	if (taken < n)
		pcnet_poll_within(p, RETRY_DELAY);
	return taken;
}

void
pcnet_rx_forget(Pcnet *p)
{
	if (p->stalled == 0)
		return;
	p->stalled = 0;
	p->host->resume(p->inst, 0);
}

void
pcnet_rx_poll(Pcnet *p)
{
	PcnetDescriptor d;
	gboolean ready;

	if (p->stalled == 0)
		return;
	p->pci->dma_enter(p->inst);
	ready = !receive_is_on(p) || !pcnet_rx_load(p, 0, &d) || (d.status & MD_OWN);
	p->pci->dma_leave(p->inst);
	if (ready || has_waited(p))
		p->host->resume(p->inst, 0);
	else
		pcnet_poll_within(p, RETRY_DELAY);
}
