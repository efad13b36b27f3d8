/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet-tx.c - transmission.
 *
 * A frame is gathered from the descriptors between STP and ENP. Its last descriptor stays the
 * chip's until the frame is out, so a full network stops the ring and nothing is lost.
 */
#include "pcnet.h"

#include <string.h>

#define POLL_FIRST (2 * 1000 * 1000ull)
#define POLL_LAST (100 * 1000 * 1000ull)

void
pcnet_tx_abort(Pcnet *p)
{
	p->frame_len = 0;
	p->frame_open = p->frame_jumbo = FALSE;
}

static guint
current(const Pcnet *p)
{
	return (guint16)(p->csr[74] - p->csr[78]);
}

static void
advance(Pcnet *p)
{
	p->csr[74]++;
	if (p->csr[74] == 0)
		p->csr[74] = p->csr[78];
}

/* Adds a descriptor's buffer to the frame. FALSE after a bus error. */
static gboolean
gather(Pcnet *p, const PcnetDescriptor *d)
{
	guint len = pcnet_buffer_len(d);

	if (p->frame_jumbo || len > sizeof p->frame - p->frame_len) {
		p->frame_jumbo = TRUE;
		return TRUE;
	}
	if (!p->pci->dma_read(p->inst, d->buffer, p->frame + p->frame_len, len)) {
		jf_count(p->dma_errors, 1);
		return FALSE;
	}
	p->frame_len += len;
	return TRUE;
}

/* Length on the wire without FCS: a driver that makes its own FCS sends four bytes more. */
static guint
wire_len(Pcnet *p, const PcnetDescriptor *d)
{
	guint len = p->frame_len;
	gboolean own_fcs = (p->csr[15] & MODE_DXMTFCS) && !(d->status & TMD_ADD_FCS);

	if (own_fcs && len >= PCNET_CRC_LEN)
		len -= PCNET_CRC_LEN;
	if (len < PCNET_FRAME_MIN) {
		memset(p->frame + len, 0, PCNET_FRAME_MIN - len);
		len = PCNET_FRAME_MIN;
	}
	return len;
}

/* Sends the gathered frame. FALSE: the network has no room; try again at resume. */
static gboolean
send_frame(Pcnet *p, PcnetDescriptor *d)
{
	struct iovec piece = { p->frame, wire_len(p, d) };
	JfFrame frame = jf_frame_plain(&piece);
	gboolean loop = (p->csr[15] & MODE_LOOP) != 0;
	gboolean outside = !loop || !(p->csr[15] & MODE_INTL);

	if (p->frame_jumbo) {
		jf_count(p->jumbo, 1);
		return TRUE;
	}
	if (outside && !p->link) {
		jf_count(p->no_carrier, 1);
		d->status |= MD_ERR;
		d->extra |= TMD2_LCAR;
		p->csr[0] |= CSR0_CERR;
		return TRUE;
	}
	if (outside && p->host->output(p->inst, 0, &frame, 1) == 0)
		return FALSE;
	if (loop)
		pcnet_receive(p, p->frame, frame.len, TRUE);
	p->csr[4] |= CSR4_TXSTRT;
	return TRUE;
}

/* TINT comes after every frame unless the driver chose otherwise (CSR5). */
static gboolean
wants_interrupt(const Pcnet *p, const PcnetDescriptor *d)
{
	if (d->status & MD_ERR)
		return TRUE;
	if (p->csr[5] & CSR5_TOKINTD)
		return FALSE;
	return !(p->csr[5] & CSR5_LTINTEN) || (d->status & TMD_LTINT);
}

/* Handles one descriptor that is the chip's. FALSE: the ring stops here for now. */
static gboolean
transmit_one(Pcnet *p, PcnetDescriptor *d)
{
	gboolean last = (d->status & MD_ENP) != 0, interrupt = FALSE;

	d->extra = 0;
	if (d->status & MD_STP) {
		pcnet_tx_abort(p);
		p->frame_open = TRUE;
	}
	if (p->frame_open && !gather(p, d)) {
		pcnet_event(p, CSR0_MERR);
		p->csr[0] &= (guint16)~CSR0_TXON;
		return FALSE;
	}
	if (p->frame_open && last) {
		if (!send_frame(p, d)) {
			p->frame_len -= pcnet_buffer_len(d); /* gathered again at resume */
			return FALSE;
		}
		interrupt = wants_interrupt(p, d);
		pcnet_tx_abort(p);
	}
	d->status &= (guint16)~MD_OWN;
	advance(p);
	if (!pcnet_tx_store(p, d))
		pcnet_event(p, CSR0_MERR);
	else if (interrupt)
		pcnet_event(p, CSR0_TINT);
	return TRUE;
}

/* The chip looks at an idle ring by itself every 1.6 ms unless DPOLL; we begin with that and look
 * less often the longer nothing comes, since every driver of today asks by TDMD. */
static void
poll_again(Pcnet *p, gboolean found)
{
	if ((p->csr[4] & CSR4_DPOLL) || !(p->csr[0] & CSR0_TXON))
		return;
	p->poll_ns = found ? POLL_FIRST : MIN(MAX(p->poll_ns, POLL_FIRST) * 2, POLL_LAST);
	pcnet_poll_within(p, p->poll_ns);
}

void
pcnet_transmit(Pcnet *p)
{
	guint left = pcnet_tx_ring_len(p);
	gboolean found = FALSE;
	PcnetDescriptor d;

	p->csr[0] &= (guint16)~CSR0_TDMD;
	while ((p->csr[0] & CSR0_TXON) && !(p->csr[5] & CSR5_SPND)) {
		if (left-- == 0) {
			pcnet_transmit_soon(p);
			return;
		}
		if (!pcnet_tx_load(p, current(p), &d)) {
			pcnet_event(p, CSR0_MERR);
			p->csr[0] &= (guint16)~CSR0_TXON;
			return;
		}
		if (!(d.status & MD_OWN))
			break;
		if (!transmit_one(p, &d))
			return;
		found = TRUE;
	}
	poll_again(p, found);
}
