/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-option.h - values of DHCP options as people write them (RFC 2132). */
#ifndef JACKFIELDD_DHCP_OPTION_H
#define JACKFIELDD_DHCP_OPTION_H

#include <glib.h>

/* The bytes of an option from its text: numbers, addresses with spaces between them, or plain text,
 * as the option has it. NULL with VALUE; UNSUPPORTED for one that has no text form here. */
GByteArray *dhcp_option_parse(guint code, const char *text, GError **error);
/* From hexadecimal digits, with colons between the bytes or without; at most 255 bytes. */
GByteArray *dhcp_option_parse_hex(guint code, const char *text, GError **error);
/* FALSE with VALUE for a code that the protocol itself uses, or that is none. */
gboolean dhcp_option_check_code(guint64 code, GError **error);

#endif
