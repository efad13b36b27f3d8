/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* message.c - words for people: suggestions, lists, quoting. */
#include "message.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "nearest.h"

/* More names than this are no help in a message. */
#define NAMES_MAX 12

GQuark
cli_error_quark(void)
{
	return g_quark_from_static_string("jackfield-cli-error");
}

void
usage_error(GError **error, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list args;

	va_start(args, format);
	message = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error_literal(error, CLI_ERROR, CLI_ERROR_USAGE, message);
}

void
usage_error_unknown(GError **error, const char *what, const char *word, const char *const *names)
{
	g_autofree char *near = NULL;
	g_autofree char *all = NULL;

	near = jf_nearest_hint(word, names);
	if (*near) {
		usage_error(error, "Unknown %s '%s'%s", what, word, near);
		return;
	}
	if (g_strv_length((char **)names) > NAMES_MAX) {
		usage_error(error, "Unknown %s '%s'", what, word);
		return;
	}
	all = text_join_or(names);
	usage_error(error, "Unknown %s '%s': expected %s", what, word, all);
}

char *
text_join_or(const char *const *names)
{
	GString *text = g_string_new(NULL);
	guint i;

	for (i = 0; names[i]; i++) {
		if (i > 0)
			g_string_append(text, names[i + 1] ? ", " : " or ");
		g_string_append(text, names[i]);
	}
	return g_string_free(text, FALSE);
}

static void
print_escaped(const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

void
text_print_pair(const char *name, const char *value)
{
	gboolean quoted = strchr(name, '=') != NULL;

	if (quoted)
		putchar('"');
	print_escaped(name);
	fputs(quoted ? "\"=\"" : "=\"", stdout);
	print_escaped(value);
	fputs("\"\n", stdout);
}

char *
text_quote_json(const char *text)
{
	GString *json = g_string_new("\"");

	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			g_string_append_c(json, '\\');
		if ((guchar)*text < 0x20)
			g_string_append_printf(json, "\\u%04x", (guchar)*text);
		else
			g_string_append_c(json, *text);
	}
	g_string_append_c(json, '"');
	return g_string_free(json, FALSE);
}

char *
text_format_mac(const char *mac)
{
	GString *text;
	guint i;

	if (strlen(mac) != 12)
		return g_strdup(mac);
	text = g_string_new(NULL);
	for (i = 0; i < 12; i++) {
		if (i > 0 && i % 2 == 0)
			g_string_append_c(text, ':');
		g_string_append_c(text, g_ascii_tolower(mac[i]));
	}
	return g_string_free(text, FALSE);
}
