/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-stats.c - statistics registers: they stop at their maximum and reading clears. SDM 13.7. */
#include "e1000.h"

static gboolean
is_pair(guint32 offset)
{
	return offset == E1000_GORCL || offset == E1000_GOTCL || offset == E1000_TORL ||
	       offset == E1000_TOTL;
}

void
e1000_stat_add(E1000 *e, guint32 offset, guint32 n)
{
	guint32 *low = &e->reg[offset / 4], *high = low + 1;

	if (n <= G_MAXUINT32 - *low) {
		*low += n;
	} else if (!is_pair(offset)) {
		*low = G_MAXUINT32;
	} else if (*high == G_MAXUINT32) {
		*low = G_MAXUINT32;
	} else {
		*low += n;
		++*high;
	}
}

/* Reading the upper half of a pair clears both; the lower half has to be read first. */
guint32
e1000_stat_read(E1000 *e, guint32 offset)
{
	guint32 value = e1000_get(e, offset);

	if (is_pair(offset))
		return value;
	e1000_put(e, offset, 0);
	if (is_pair(offset - 4))
		e1000_put(e, offset - 4, 0);
	return value;
}

/* The register of six that counts frames of `len` bytes with FCS. */
static guint32
size_class(guint32 first, guint32 len)
{
	static const guint32 tops[] = { 64, 127, 255, 511, 1023 };
	guint i = 0;

	while (i < G_N_ELEMENTS(tops) && len > tops[i])
		i++;
	return first + 4 * i;
}

static gboolean
is_broadcast(const guint8 *dst)
{
	return (dst[0] & dst[1] & dst[2] & dst[3] & dst[4] & dst[5]) == 0xff;
}

void
e1000_stat_total_received(E1000 *e, guint32 len)
{
	e1000_stat_add(e, E1000_TPR, 1);
	e1000_stat_add(e, E1000_TORL, len);
}

void
e1000_stat_received(E1000 *e, const guint8 *dst, guint32 len)
{
	e1000_stat_add(e, E1000_GPRC, 1);
	e1000_stat_add(e, E1000_GORCL, len);
	e1000_stat_add(e, size_class(E1000_PRC64, len), 1);
	if (is_broadcast(dst))
		e1000_stat_add(e, E1000_BPRC, 1);
	else if (dst[0] & 1)
		e1000_stat_add(e, E1000_MPRC, 1);
}

/* A JfFrame may be many frames on the wire: as long as the first, but for the last. */
void
e1000_stat_sent(E1000 *e, const JfFrame *frame, const E1000TxMark *mark)
{
	guint32 head = mark->wire > 1 ? frame->hdr_len + E1000_FCS_LEN : 0;
	guint32 full = head + frame->gso_size;
	guint32 last = mark->octets - (mark->wire - 1) * full;
	guint8 dst[6];

	if (!jf_frame_copy(frame, 0, dst, sizeof dst))
		return;
	e1000_stat_add(e, E1000_GPTC, mark->wire);
	e1000_stat_add(e, E1000_TPT, mark->wire);
	e1000_stat_add(e, E1000_GOTCL, mark->octets);
	e1000_stat_add(e, E1000_TOTL, mark->octets);
	if (mark->wire > 1)
		e1000_stat_add(e, size_class(E1000_PTC64, full), mark->wire - 1);
	e1000_stat_add(e, size_class(E1000_PTC64, last), 1);
	if (is_broadcast(dst))
		e1000_stat_add(e, E1000_BPTC, mark->wire);
	else if (dst[0] & 1)
		e1000_stat_add(e, E1000_MPTC, mark->wire);
}
