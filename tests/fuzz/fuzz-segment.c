/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-segment.c - frames with offloads whose fields and bytes are anybody's: the segments are sane
 * frames that ask for no more than the receiver offered, and there are not endlessly many. */
#include "fuzz.h"

#include <string.h>

#include "jackfield/frame.h"

typedef struct Seen {
	guint n;
	guint32 offloads;
} Seen;

static gboolean
see(const JfFrame *segment, gpointer data)
{
	Seen *seen = data;
	g_autofree guint8 *copy = NULL;

	g_assert_true(jf_frame_is_sane(segment));
	g_assert_cmphex(jf_frame_offloads(segment) & ~seen->offloads, ==, 0);
	copy = g_malloc(segment->len);
	g_assert_true(jf_frame_copy(segment, 0, copy, segment->len));
	seen->n++;
	return TRUE;
}

/* Cuts `len` bytes into pieces, each a heap block of its own size. */
static guint32
make_pieces(const guint8 *bytes, gsize len, guint n, struct iovec *pieces)
{
	gsize step = len / n, at = 0;

	for (guint i = 0; i < n; i++) {
		gsize size = i + 1 == n ? len - at : step;

		pieces[i] = (struct iovec){ g_memdup2(bytes + at, size), size };
		at += size;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	struct iovec pieces[JF_FRAME_MAX_IOV];
	JfFrame frame = { .iov = pieces };
	Seen seen = { 0, 0 };
	const guint8 *bytes;
	gsize got, repeat;
	guint n_pieces;
	g_autoptr(GByteArray) all = g_byte_array_new();

	frame.flags = fuzz_byte(&input);
	frame.gso_type = fuzz_byte(&input);
	frame.gso_size = fuzz_word(&input);
	frame.hdr_len = fuzz_word(&input);
	frame.csum_start = fuzz_word(&input);
	frame.csum_offset = fuzz_word(&input);
	seen.offloads = fuzz_byte(&input) & JF_OFFLOAD_ALL;
	n_pieces = 1 + fuzz_byte(&input) % JF_FRAME_MAX_IOV;
	repeat = fuzz_word(&input);
	bytes = fuzz_bytes(&input, JF_FRAME_MAX_LEN, &got);
	if (!got)
		return 0;
	g_byte_array_append(all, bytes, (guint)got);
	/* A long payload out of a short input. */
	while (all->len < repeat)
		g_byte_array_append(all, bytes + got - 1, 1);
	frame.n_iov = make_pieces(all->data, all->len, n_pieces, pieces);
	frame.len = all->len;
	if (jf_frame_is_sane(&frame))
		g_assert_cmpuint(jf_frame_segment(&frame, seen.offloads, see, &seen), ==, seen.n);
	g_assert_cmpuint(seen.n, <=, JF_FRAME_MAX_LEN);
	for (guint i = 0; i < n_pieces; i++)
		g_free(pieces[i].iov_base);
	return 0;
}
