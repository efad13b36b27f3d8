/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* msix.h - the MSI-X table and pending bits of one function. */
#ifndef JF_MSIX_H
#define JF_MSIX_H

#include "jackfield/pci.h"

typedef struct JfMsixEntry {
	guint64 address;
	guint32 data;
	guint32 control; /* bit 0: masked */
} JfMsixEntry;

/* FALSE: there is nobody to tell; the vector stays pending. */
typedef gboolean (*JfMsixSend)(gpointer data, guint vector, const JfMsixEntry *entry);

typedef struct JfMsix {
	guint n;
	gboolean enabled, masked; /* message control: enable, function mask */
	JfMsixEntry *table;
	guint64 *pending;
	JfMsixSend send;
	gpointer data;
} JfMsix;

/* The caller serialises all calls. `send` runs inside them. */
void jf_msix_init(JfMsix *msix, guint n, JfMsixSend send, gpointer data);
void jf_msix_finish(JfMsix *msix);
void jf_msix_reset(JfMsix *msix);
void jf_msix_set_control(JfMsix *msix, gboolean enabled, gboolean masked);
void jf_msix_notify(JfMsix *msix, guint vector);
/* Sends what is pending and may be sent. */
void jf_msix_retry(JfMsix *msix);
/* Byte offsets into the table or the pending bits; `size` 1, 2, 4 or 8. */
guint64 jf_msix_table_read(const JfMsix *msix, guint64 offset, guint size);
void jf_msix_table_write(JfMsix *msix, guint64 offset, guint size, guint64 value);
guint64 jf_msix_pending_read(const JfMsix *msix, guint64 offset, guint size);

/* Bytes of the table and of the pending bits. */
gsize jf_msix_table_size(const JfMsix *msix);
gsize jf_msix_pending_size(const JfMsix *msix);

#endif
