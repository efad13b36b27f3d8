/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* changes.h - the options of modifyvm and the words of controlvm, as changes for the daemon. */
#ifndef JACKFIELD_CHANGES_H
#define JACKFIELD_CHANGES_H

#include <gio/gio.h>

/* Cards of the largest chipset. The daemon knows how many this machine has. */
#define CARDS_MAX 36

typedef struct Change {
	guint card; /* from 1; 0: the machine itself */
	char *key;  /* the daemon's: the long option without dashes and number */
	char *value;
} Change;

/* What follows the machine in modifyvm. NULL with a usage error. */
GPtrArray *changes_parse_options(char **args, GError **error);
/* What follows the machine in controlvm, except poweroff. NULL with a usage error. */
GPtrArray *changes_parse_control(char **args, GError **error);
/* Adds every word of controlvm, for card 1. Strings are the array's. */
void changes_list_controls(GPtrArray *words);
/* A floating a(uss). */
GVariant *changes_to_variant(const GPtrArray *changes);

#endif
