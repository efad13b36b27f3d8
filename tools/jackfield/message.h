/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* message.h - words for people: suggestions, lists, quoting. */
#ifndef JACKFIELD_MESSAGE_H
#define JACKFIELD_MESSAGE_H

#include <glib.h>

/* Sets a usage error. */
void usage_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Sets one about a word that is none of `names` (NULL-terminated): the near ones are named, or all
 * of them where none is near and they are few. `what` is like "verb 'lst'". */
void usage_error_unknown(GError **error, const char *what, const char *word,
			 const char *const *names);

/* "a, b or c"; the caller's. */
char *text_join_or(const char *const *names);
/* NAME="VALUE" with VBoxManage's escapes, and a newline. */
void text_print_pair(const char *name, const char *value);
/* A JSON string with its quotes; the caller's. */
char *text_quote_json(const char *text);
/* 080027A1B2C3 as 08:00:27:a1:b2:c3, anything else as it is; the caller's. */
char *text_format_mac(const char *mac);

#endif
