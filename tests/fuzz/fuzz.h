/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz.h - what a fuzz target is made of.
 *
 * A target is one file with fuzz_one(). Linked with libFuzzer it looks for inputs that crash it or
 * break one of its assertions; linked with replay.c it is a test that runs its corpus.
 */
#ifndef JF_FUZZ_H
#define JF_FUZZ_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The input, used up from the front; zeros once it is at its end. */
typedef struct FuzzInput {
	const guint8 *data;
	gsize left;
} FuzzInput;

static inline guint8
fuzz_byte(FuzzInput *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->data++;
}

static inline guint16
fuzz_word(FuzzInput *input)
{
	guint8 high = fuzz_byte(input);

	return (guint16)(high << 8 | fuzz_byte(input));
}

/* Up to `len` bytes; *got of them. */
static inline const guint8 *
fuzz_bytes(FuzzInput *input, gsize len, gsize *got)
{
	const guint8 *here = input->data;

	*got = MIN(len, input->left);
	if (*got == 0)
		return here;
	input->data += *got;
	input->left -= *got;
	return here;
}

#endif
