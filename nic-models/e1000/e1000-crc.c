/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-crc.c - the frame check sequence, IEEE 802.3 clause 3.
 *
 * Most drivers do not have the FCS stripped and never look at it, so it has to cost little. On x86-64
 * with PCLMULQDQ, 64 bytes at a time are folded by multiplication without carries, as in Intel's
 * paper "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (2009), in bit-
 * reflected form; the 16 bytes that are left of it, and everything else, go through zlib.
 */
#include "e1000.h"

#include <string.h>
#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define FOLD_LEN 64u

/* x^n mod P, reflected and shifted by one, for n = 4 * 128 + 32, 4 * 128 - 32, 128 + 32, 128 - 32. */
#define FOLD_512_HIGH 0x0154442bd4ll
#define FOLD_512_LOW 0x01c6e41596ll
#define FOLD_128_HIGH 0x01751997d0ll
#define FOLD_128_LOW 0x00ccaa009ell

__attribute__((target("pclmul,sse4.1"))) static inline __m128i
fold(__m128i value, __m128i next, __m128i by)
{
	return _mm_xor_si128(next, _mm_xor_si128(_mm_clmulepi64_si128(value, by, 0x00),
						 _mm_clmulepi64_si128(value, by, 0x11)));
}

static inline __m128i
load(const guint8 *data)
{
	return _mm_loadu_si128((const __m128i *)(gconstpointer)data);
}

/* `len` is a multiple of FOLD_LEN, at least one. The folded 16 bytes have the CRC of all. */
__attribute__((target("pclmul,sse4.1"))) static guint32
crc_fold(guint32 crc, const guint8 *data, gsize len)
{
	const __m128i by_512 = _mm_set_epi64x(FOLD_512_LOW, FOLD_512_HIGH);
	const __m128i by_128 = _mm_set_epi64x(FOLD_128_LOW, FOLD_128_HIGH);
	__m128i a = load(data), b = load(data + 16), c = load(data + 32), d = load(data + 48);
	guint8 left[16];

	a = _mm_xor_si128(a, _mm_cvtsi32_si128((int)~crc));
	for (data += FOLD_LEN, len -= FOLD_LEN; len > 0; data += FOLD_LEN, len -= FOLD_LEN) {
		a = fold(a, load(data), by_512);
		b = fold(b, load(data + 16), by_512);
		c = fold(c, load(data + 32), by_512);
		d = fold(d, load(data + 48), by_512);
	}
	a = fold(fold(fold(a, b, by_128), c, by_128), d, by_128);
	_mm_storeu_si128((__m128i *)(gpointer)left, a);
	/* The start value is in already: begin with that which crc32() turns into 0. */
	return (guint32)crc32(0xffffffffu, left, sizeof left);
}

static gsize
crc_fast(guint32 *crc, const guint8 *data, gsize len)
{
	gsize whole = len - len % FOLD_LEN;

	if (whole == 0 || !__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1"))
		return 0;
	*crc = crc_fold(*crc, data, whole);
	return whole;
}
#else
static gsize
crc_fast(guint32 *crc, const guint8 *data, gsize len)
{
	(void)crc;
	(void)data;
	(void)len;
	return 0;
}
#endif

guint32
e1000_crc(guint32 crc, gconstpointer data, gsize len)
{
	const guint8 *bytes = data;
	gsize done = crc_fast(&crc, bytes, len);

	return (guint32)crc32(crc, bytes + done, (uInt)(len - done));
}
