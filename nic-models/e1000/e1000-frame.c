/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-frame.c - a packet that is one frame: checksums, tag, padding. SDM 3.3.3, 3.3.7, chapter 9.
 *
 * A transport checksum that reaches to the end of the frame is left to whoever needs it, and the
 * frame goes on as it lies in guest memory. Everything else (IP header, a sum over a part) is made
 * here, in a copy of the bytes up to the field.
 */
#include "e1000.h"

#include <string.h>

/* Bytes start..end are summed (0: to the end of the frame), the result goes to `field`. */
typedef struct Sum {
	gboolean wanted;
	guint32 start, field, end;
} Sum;

static Sum
legacy_sum(const E1000TxData *data)
{
	return (Sum){ .wanted = (data->last & TXD_IC) != 0,
		      .start = data->css,
		      .field = data->cso };
}

/* `word`: one of the first two of a context descriptor. */
static Sum
context_sum(gboolean wanted, guint32 word)
{
	return (Sum){
		.wanted = wanted, .start = word & 0xff, .field = word >> 8 & 0xff, .end = word >> 16
	};
}

static gboolean
sum_fits(const Sum *sum, guint32 len)
{
	return sum->wanted && sum->start < len && sum->field + 2 <= len;
}

static gboolean
sum_can_wait(const Sum *sum, guint32 len)
{
	return sum->field >= sum->start && (sum->end == 0 || sum->end >= len - 1);
}

static void
sum_make(const Sum *sum, const E1000TxData *data, guint32 len, guint8 *head)
{
	guint32 end = sum->end == 0 || sum->end >= len ? len : sum->end + 1;
	JfFrame view = e1000_tx_view(data);
	guint16 csum;

	if (end <= sum->start)
		return;
	csum = (guint16)~jf_csum_fold(jf_csum_frame(0, &view, sum->start, end - sum->start));
	memcpy(head + sum->field, &csum, sizeof csum);
}

guint
e1000_tx_tag_len(const E1000 *e, const E1000TxData *data)
{
	gboolean is_tso = data->extended && (data->first & TXD_TSE);
	guint8 cmd = is_tso ? data->first | data->last : data->last;

	return (cmd & TXD_VLE) && (e1000_get(e, E1000_CTRL) & CTRL_VME) ? E1000_TAG_LEN : 0;
}

static void
add_range(E1000TxBatch *b, JfFrame *frame, const E1000TxData *data, guint32 from, guint32 to)
{
	guint32 start = 0;

	for (guint i = 0; i < data->n_iov && start < to; i++) {
		guint32 end = start + (guint32)data->iov[i].iov_len;
		guint32 first = MAX(from, start), last = MIN(to, end);

		if (first < last) {
			b->pieces[b->n_pieces++] =
				(struct iovec){ (guint8 *)data->iov[i].iov_base + (first - start),
						last - first };
			frame->n_iov++;
		}
		start = end;
	}
	frame->len += to - from;
}

static void
add_tag(E1000 *e, guint8 *head, guint len, guint16 tag)
{
	memmove(head + 12 + E1000_TAG_LEN, head + 12, len - 12);
	jf_put_be16(head + 12, (guint16)e1000_get(e, E1000_VET));
	jf_put_be16(head + 14, tag);
}

JfFrame *
e1000_tx_frame(E1000 *e, E1000TxBatch *b, const E1000TxData *data, guint head, guint32 from,
	       guint32 to)
{
	static const guint8 zeros[E1000_FRAME_MIN];
	guint tag = e1000_tx_tag_len(e, data);
	JfFrame *frame = &b->frames[b->n_frames];

	*frame = (JfFrame){ .iov = b->pieces + b->n_pieces };
	if (tag)
		add_tag(e, b->heads[b->n_frames], head, data->special);
	if (head) {
		b->pieces[b->n_pieces++] = (struct iovec){ b->heads[b->n_frames], head + tag };
		frame->n_iov = 1;
		frame->len = head + tag;
	}
	if (head == 0 && to == data->len) {
		frame->iov = data->iov;
		frame->n_iov = data->n_iov;
		frame->len = data->len;
	} else {
		add_range(b, frame, data, from, to);
	}
	if (frame->len < E1000_FRAME_MIN && (e1000_get(e, E1000_TCTL) & TCTL_PSP)) {
		guint pad = E1000_FRAME_MIN - frame->len;

		/* Pieces of the packet itself are the last that were taken, too. */
		b->pieces[b->n_pieces++] = (struct iovec){ (gpointer)zeros, pad };
		frame->n_iov++;
		frame->len += pad;
	}
	b->n_frames++;
	return frame;
}

/* Length without the FCS that a driver without IFCS has put at the end. Where the last four bytes
 * are no FCS they are sent, for drivers that forget the bit and work elsewhere. */
static guint32
frame_len(const E1000TxData *data)
{
	JfFrame view = e1000_tx_view(data);
	guint32 crc = 0, fcs, left = data->len;

	if ((data->last & TXD_IFCS) || data->len < JF_FRAME_MIN_LEN + E1000_FCS_LEN ||
	    data->len > E1000_TX_MAX || !jf_frame_copy(&view, left - E1000_FCS_LEN, &fcs, 4))
		return data->len;
	left -= E1000_FCS_LEN;
	for (guint i = 0; i < data->n_iov && left > 0; i++) {
		guint32 n = MIN(left, (guint32)data->iov[i].iov_len);

		crc = e1000_crc(crc, data->iov[i].iov_base, n);
		left -= n;
	}
	return data->len - (GUINT32_FROM_LE(fcs) == crc ? E1000_FCS_LEN : 0);
}

gboolean
e1000_tx_plain(E1000 *e, E1000TxBatch *b, const E1000TxData *data)
{
	guint32 len = frame_len(data);
	guint tag = e1000_tx_tag_len(e, data), head = tag ? 12 : 0;
	guint8 *bytes = b->heads[b->n_frames];
	Sum ip = context_sum(data->popts & TXD_POPTS_IXSM, data->context[0]);
	Sum sum = context_sum(data->popts & TXD_POPTS_TXSM, data->context[1]);
	JfFrame view = e1000_tx_view(data), *frame;

	if (len < JF_FRAME_MIN_LEN || len > E1000_TX_MAX)
		return FALSE;
	if (!data->extended) {
		ip.wanted = FALSE;
		sum = legacy_sum(data);
	}
	ip.wanted = sum_fits(&ip, len);
	sum.wanted = sum_fits(&sum, len);
	if (ip.wanted)
		head = MAX(head, ip.field + 2);
	if (sum.wanted && !sum_can_wait(&sum, len))
		head = MAX(head, sum.field + 2);
	if (!jf_frame_copy(&view, 0, bytes, head))
		return FALSE;
	if (ip.wanted)
		sum_make(&ip, data, len, bytes);
	if (sum.wanted && !sum_can_wait(&sum, len))
		sum_make(&sum, data, len, bytes);
	frame = e1000_tx_frame(e, b, data, head, head, len);
	if (sum.wanted && sum_can_wait(&sum, len)) {
		frame->flags = JF_FRAME_NEEDS_CSUM;
		frame->csum_start = (guint16)(sum.start + tag);
		frame->csum_offset = (guint16)(sum.field - sum.start);
	}
	b->marks[b->n_frames - 1] =
		(E1000TxMark){ .done = data->len, .wire = 1, .octets = frame->len + E1000_FCS_LEN };
	return TRUE;
}
