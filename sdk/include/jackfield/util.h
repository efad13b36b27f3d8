/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util.h - pure helpers for driver authors: checked byte readers, Internet checksums. */
#ifndef JACKFIELD_UTIL_H
#define JACKFIELD_UTIL_H

#include <glib.h>
#include <string.h>

#include "frame.h"

G_BEGIN_DECLS

/*
 * A cursor over bytes from outside. Reading past the end gives 0 and marks the reader as failed for
 * good; check `failed` once at the end instead of every length on the way.
 */
typedef struct JfReader {
	const guint8 *data;
	gsize left;
	gboolean failed;
} JfReader;

static inline JfReader
jf_reader(gconstpointer data, gsize len)
{
	JfReader reader = { (const guint8 *)data, len, FALSE };

	return reader;
}

/* The next `len` bytes, or NULL (failed) where there are fewer. */
static inline const guint8 *
jf_reader_bytes(JfReader *reader, gsize len)
{
	const guint8 *here = reader->data;

	if (reader->failed || len > reader->left) {
		reader->failed = TRUE;
		return NULL;
	}
	reader->data += len;
	reader->left -= len;
	return here;
}

static inline guint8
jf_reader_u8(JfReader *reader)
{
	const guint8 *p = jf_reader_bytes(reader, 1);

	return p ? p[0] : 0;
}

static inline guint16
jf_reader_be16(JfReader *reader)
{
	const guint8 *p = jf_reader_bytes(reader, 2);

	return p ? (guint16)(p[0] << 8 | p[1]) : 0;
}

static inline guint32
jf_reader_be32(JfReader *reader)
{
	const guint8 *p = jf_reader_bytes(reader, 4);

	return p ? (guint32)p[0] << 24 | (guint32)p[1] << 16 | (guint32)p[2] << 8 | p[3] : 0;
}

static inline guint16
jf_get_be16(gconstpointer p)
{
	guint16 v;

	memcpy(&v, p, sizeof v);
	return GUINT16_FROM_BE(v);
}

static inline guint32
jf_get_be32(gconstpointer p)
{
	guint32 v;

	memcpy(&v, p, sizeof v);
	return GUINT32_FROM_BE(v);
}

static inline void
jf_put_be16(gpointer p, guint16 value)
{
	value = GUINT16_TO_BE(value);
	memcpy(p, &value, sizeof value);
}

static inline void
jf_put_be32(gpointer p, guint32 value)
{
	value = GUINT32_TO_BE(value);
	memcpy(p, &value, sizeof value);
}

/*
 * Internet checksum (RFC 1071). jf_csum_add adds bytes that begin at an even offset of the summed
 * data to a running sum; jf_csum_fold gives the 16-bit one's complement sum in network byte order
 * when stored by memcpy (not inverted); store its complement. Any thread.
 */
JF_EXPORT guint64 jf_csum_add(guint64 sum, gconstpointer data, gsize len);
JF_EXPORT guint16 jf_csum_fold(guint64 sum);
/* Sum over `len` bytes from `offset` of a frame in pieces of any length. The caller has checked
 * the bounds. */
JF_EXPORT guint64 jf_csum_frame(guint64 sum, const JfFrame *frame, guint32 offset, guint32 len);

G_END_DECLS

#endif
