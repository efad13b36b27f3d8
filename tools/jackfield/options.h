/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h - the options of modifyvm as a table, in both of VBoxManage's spellings. */
#ifndef JACKFIELD_OPTIONS_H
#define JACKFIELD_OPTIONS_H

#include <glib.h>

typedef enum {
	OPTION_TEXT, /* anything; the daemon checks it */
	OPTION_FILE, /* a file name; made absolute, "" stays */
	OPTION_PAIR, /* name=value */
	OPTION_RULE, /* a rule, or the two words: delete NAME */
} OptionKind;

typedef struct Option {
	const char *key; /* the daemon's key and the new spelling */
	const char *old; /* the old spelling; NULL: none */
	const char *alias;
	OptionKind kind;
	gboolean machine;         /* of the machine: no card number */
	const char *const *exact; /* what controlvm takes, case and all; NULL: as modifyvm */
	const char *value;        /* for the help text */
} Option;

extern const Option options[]; /* a NULL key ends it */

/* The row with this key. Aborts for a key that is in no row: those are ours. */
const Option *option_get(const char *key);
/* The row for a spelling without dashes and number, NULL for none. */
const Option *option_find(const char *spelling);

#endif
