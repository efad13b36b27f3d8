/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.h - texts from outside made fit for a message. */
#ifndef JF_TEXT_H
#define JF_TEXT_H

#include <glib.h>

/* `text` as one short line of UTF-8: bad bytes and control characters replaced, cut after 64
 * characters. NULL gives "(null)". g_free it. */
char *jf_text_show(const char *text);

/* UTF-8 without control characters, at most `max` bytes, neither empty nor NULL. */
gboolean jf_text_is_plain(const char *text, gsize max);

#endif
