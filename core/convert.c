/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * convert.c - frames made fit for a receiver that does not take all offloads.
 *
 * What comes out of jf_frame_segment is good for one call only, so that a batch needs a copy of it:
 * of the pieces that are not the sender's own (headers, a checksum), for payload stays where it is.
 * Each frame of the batch knows of which of the caller's frames it is a part, and which; so when
 * the receiver refuses one, it is known where to go on.
 */
#include "convert.h"

#include <string.h>

#define BATCH_MAX 32u
/* Room for the copied pieces: enough for any one segment (see SPILL_LEN in segment.c), and for a
 * batch with usual headers. */
#define BYTES_MAX 6144u
#define PIECES_MAX 192u

typedef struct Converter {
	const JfFrame *source;
	guint index;  /* of the source frame, among the caller's */
	guint32 part; /* of the source frame, the next one */
	guint32 skip;
	JfConvertFunc func;
	gpointer data;
	gboolean refused;
	guint refused_index;
	guint32 refused_part;

	guint n, n_pieces, n_bytes;
	guint index_of[BATCH_MAX];
	guint32 part_of[BATCH_MAX];
	JfFrame frames[BATCH_MAX];
	struct iovec pieces[PIECES_MAX];
	guint8 bytes[BYTES_MAX];
} Converter;

static gboolean
converter_flush(Converter *c)
{
	guint taken = c->n ? c->func(c->data, c->frames, c->n) : 0;

	if (taken < c->n) {
		c->refused = TRUE;
		c->refused_index = c->index_of[taken];
		c->refused_part = c->part_of[taken];
	}
	c->n = c->n_pieces = c->n_bytes = 0;
	return !c->refused;
}

static gboolean
piece_is_of(const struct iovec *piece, const JfFrame *frame)
{
	guintptr base = (guintptr)piece->iov_base;

	for (guint i = 0; i < frame->n_iov; i++) {
		guintptr start = (guintptr)frame->iov[i].iov_base;

		if (base >= start && base - start < frame->iov[i].iov_len)
			return TRUE;
	}
	return FALSE;
}

static guint
converter_count_foreign(const Converter *c, const JfFrame *frame)
{
	gsize bytes = 0;

	for (guint i = 0; i < frame->n_iov; i++) {
		if (!piece_is_of(&frame->iov[i], c->source))
			bytes += frame->iov[i].iov_len;
	}
	return (guint)bytes;
}

static void
converter_add(Converter *c, const JfFrame *frame)
{
	struct iovec *pieces = &c->pieces[c->n_pieces];

	memcpy(pieces, frame->iov, frame->n_iov * sizeof *pieces);
	for (guint i = 0; frame != c->source && i < frame->n_iov; i++) {
		if (piece_is_of(&pieces[i], c->source))
			continue;
		memcpy(c->bytes + c->n_bytes, pieces[i].iov_base, pieces[i].iov_len);
		pieces[i].iov_base = c->bytes + c->n_bytes;
		c->n_bytes += (guint)pieces[i].iov_len;
	}
	c->frames[c->n] = *frame;
	c->frames[c->n].iov = pieces;
	c->index_of[c->n] = c->index;
	c->part_of[c->n] = c->part;
	c->n_pieces += frame->n_iov;
	c->n++;
}

static gboolean
converter_take(const JfFrame *frame, gpointer data)
{
	Converter *c = data;
	guint foreign;

	if (c->part < c->skip) {
		c->part++;
		return TRUE;
	}
	foreign = frame == c->source ? 0 : converter_count_foreign(c, frame);
	if ((c->n == BATCH_MAX || frame->n_iov > PIECES_MAX - c->n_pieces ||
	     foreign > BYTES_MAX - c->n_bytes) &&
	    !converter_flush(c))
		return FALSE;
	converter_add(c, frame);
	c->part++;
	return TRUE;
}

/* Nothing before a bad frame may come back to the caller, for it would see the bad one again and
 * count it twice: so what waits goes out first. */
static gboolean
converter_convert(Converter *c, guint32 offloads, gboolean *bad)
{
	guint made = jf_frame_segment(c->source, offloads, converter_take, c);

	*bad = made == 0 && converter_flush(c);
	return !c->refused;
}

JfConversion
jf_convert(const JfFrame *frames, guint n, guint32 offloads, guint32 skip, JfConvertFunc func,
	   gpointer data)
{
	JfConversion result = { 0 };
	Converter c;
	guint i = 0;

	/* Not all of it: the buffers need no zeroes. */
	c.func = func;
	c.data = data;
	c.refused = FALSE;
	c.n = c.n_pieces = c.n_bytes = 0;
	for (gboolean more = TRUE; more && i < n; i++) {
		gboolean bad;

		c.source = &frames[i];
		c.index = i;
		c.part = 0;
		c.skip = i ? 0 : skip;
		more = converter_convert(&c, offloads, &bad);
		if (bad)
			result.bad |= G_GUINT64_CONSTANT(1) << i;
	}
	result.taken = n;
	if (c.refused || !converter_flush(&c)) {
		result.taken = c.refused_index;
		result.done = c.refused_part;
	}
	return result;
}
