/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-guard.h - whether a text is JSON that json-glib can be trusted with. */
#ifndef JF_JSON_GUARD_H
#define JF_JSON_GUARD_H

#include <glib.h>

#define JF_JSON_MAX_BYTES (1u << 20)
#define JF_JSON_MAX_DEPTH 32u
/* json-glib's tables hash names so that anybody can make them collide: a bound on the damage. */
#define JF_JSON_MAX_MEMBERS 4096u

/*
 * RFC 8259 to the letter, in UTF-8 without a byte order mark, and stricter: the root is an object;
 * no name twice in an object, however it is spelled; integers fit 64 bits with a sign, other
 * numbers are finite, each at most 64 bytes long; no \u0000 and no lone surrogates; the limits
 * above. FALSE with VALUE; the message says where and why. Does not recurse.
 */
gboolean jf_json_guard(const char *text, gsize len, GError **error);

#endif
