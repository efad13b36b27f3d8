/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* msix.c - the MSI-X table and pending bits of one function (PCI 3.0, 6.8.2). */
#include "msix.h"

#include <string.h>

#define MSIX_VECTOR_MASKED 1u
#define MSIX_ENTRY_SIZE 16u

G_STATIC_ASSERT(sizeof(JfMsixEntry) == MSIX_ENTRY_SIZE);

void
jf_msix_init(JfMsix *msix, guint n, JfMsixSend send, gpointer data)
{
	*msix = (JfMsix){ .n = n, .send = send, .data = data };
	msix->table = g_new0(JfMsixEntry, n);
	msix->pending = g_new0(guint64, (n + 63) / 64);
	jf_msix_reset(msix);
}

void
jf_msix_finish(JfMsix *msix)
{
	g_clear_pointer(&msix->table, g_free);
	g_clear_pointer(&msix->pending, g_free);
}

void
jf_msix_reset(JfMsix *msix)
{
	msix->enabled = msix->masked = FALSE;
	for (guint i = 0; i < msix->n; i++) {
		msix->table[i] = (JfMsixEntry){ .control = MSIX_VECTOR_MASKED };
		msix->pending[i / 64] = 0;
	}
}

static void
msix_try(JfMsix *msix, guint vector)
{
	guint64 bit = 1ull << (vector % 64);

	if (!msix->enabled || msix->masked || (msix->table[vector].control & MSIX_VECTOR_MASKED) ||
	    !(msix->pending[vector / 64] & bit))
		return;
	if (msix->send(msix->data, vector, &msix->table[vector]))
		msix->pending[vector / 64] &= ~bit;
}

void
jf_msix_retry(JfMsix *msix)
{
	for (guint i = 0; i < msix->n; i++)
		msix_try(msix, i);
}

void
jf_msix_set_control(JfMsix *msix, gboolean enabled, gboolean masked)
{
	msix->enabled = enabled;
	msix->masked = masked;
	jf_msix_retry(msix);
}

void
jf_msix_notify(JfMsix *msix, guint vector)
{
	if (!msix->enabled || vector >= msix->n)
		return;
	msix->pending[vector / 64] |= 1ull << (vector % 64);
	msix_try(msix, vector);
}

gsize
jf_msix_table_size(const JfMsix *msix)
{
	return msix->n * (gsize)MSIX_ENTRY_SIZE;
}

gsize
jf_msix_pending_size(const JfMsix *msix)
{
	return (msix->n + 63) / 64 * sizeof(guint64);
}

/* Little-endian bytes at an offset of a table of `len` bytes; what lies beyond reads as 0. */
static guint64
bytes_read(gconstpointer table, guint64 len, guint64 offset, guint size)
{
	guint64 value = 0;

	for (guint i = 0; i < size && offset + i < len; i++)
		value |= (guint64)((const guint8 *)table)[offset + i] << (8 * i);
	return value;
}

guint64
jf_msix_table_read(const JfMsix *msix, guint64 offset, guint size)
{
	return bytes_read(msix->table, jf_msix_table_size(msix), offset, size);
}

void
jf_msix_table_write(JfMsix *msix, guint64 offset, guint size, guint64 value)
{
	guint64 len = jf_msix_table_size(msix);

	for (guint i = 0; i < size && offset + i < len; i++)
		((guint8 *)msix->table)[offset + i] = (guint8)(value >> (8 * i));
	for (guint64 at = offset; at < offset + size && at < len; at++)
		if (at == offset || at % MSIX_ENTRY_SIZE == 0)
			msix_try(msix, (guint)(at / MSIX_ENTRY_SIZE));
}

guint64
jf_msix_pending_read(const JfMsix *msix, guint64 offset, guint size)
{
	return bytes_read(msix->pending, jf_msix_pending_size(msix), offset, size);
}
