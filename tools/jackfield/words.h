/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words.h - options of the verbs about networks: "--name value" and "--name=value". */
#ifndef JACKFIELD_WORDS_H
#define JACKFIELD_WORDS_H

#include <glib.h>

/* A row of a table of options; a NULL name ends it. */
typedef struct Word {
	const char *name;   /* with its dashes */
	const char *old[3]; /* other spellings */
	guint values;       /* how many words follow */
	const char *key;    /* the daemon's; NULL: the verb knows */
} Word;

/* The row of the word at **args, which is moved on. An attached value is left in *attached, NULL:
 * there is none. NULL with a usage error. */
const Word *word_take(const Word *table, char ***args, const char **attached, GError **error);
/* The next value of the option: the attached one, which is used up, or the next word. */
const char *word_take_value(const Word *word, char ***args, const char **attached, GError **error);
/* All spellings, for the shell's completion. */
void word_list(const Word *table, GPtrArray *words);

#endif
