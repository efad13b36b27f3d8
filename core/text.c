/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.c - texts from outside made fit for a message. */
#include "text.h"

#include <string.h>

#define SHOW_CHARS 64u
#define SHOW_BYTES (SHOW_CHARS * 4u)

char *
jf_text_show(const char *text)
{
	g_autofree char *valid = NULL;
	GString *shown = g_string_new(NULL);
	guint n = 0;

	if (!text)
		return g_string_free(g_string_append(shown, "(null)"), FALSE);
	valid = g_utf8_make_valid(text, (gssize)strnlen(text, SHOW_BYTES));
	for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		if (n++ == SHOW_CHARS) {
			g_string_append(shown, "...");
			break;
		}
		g_string_append_unichar(shown, g_unichar_iscntrl(c) ? 0xfffd : c);
	}
	return g_string_free(shown, FALSE);
}

gboolean
jf_text_is_plain(const char *text, gsize max)
{
	gsize len = text ? strnlen(text, max + 1) : 0;

	if (len == 0 || len > max || !g_utf8_validate(text, (gssize)len, NULL))
		return FALSE;
	for (const char *p = text; *p; p = g_utf8_next_char(p))
		if (g_unichar_iscntrl(g_utf8_get_char(p)))
			return FALSE;
	return TRUE;
}
