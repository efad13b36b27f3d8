/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mac.c - MAC addresses as text. */
#include "jackfield/property.h"

#include <string.h>

void
jf_mac_format(const guint8 mac[6], char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (guint i = 0; i < 6; i++) {
		text[2 * i] = digits[mac[i] >> 4];
		text[2 * i + 1] = digits[mac[i] & 15];
	}
	text[12] = '\0';
}

/* One kind of separator everywhere or none. */
gboolean
jf_mac_parse(const char *text, guint8 mac[6])
{
	guint8 parsed[6];
	char separator = 0;

	for (guint i = 0; i < 6; i++) {
		if (i == 1 && (*text == ':' || *text == '-'))
			separator = *text;
		if (i > 0 && separator && *text++ != separator)
			return FALSE;
		if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]))
			return FALSE;
		parsed[i] = (guint8)(g_ascii_xdigit_value(text[0]) << 4 |
				     g_ascii_xdigit_value(text[1]));
		text += 2;
	}
	if (*text)
		return FALSE;
	memcpy(mac, parsed, sizeof parsed);
	return TRUE;
}
