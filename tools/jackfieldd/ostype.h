/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ostype.h - the table of guest OS types (data/ostypes.tsv). */
#ifndef JACKFIELDD_OSTYPE_H
#define JACKFIELDD_OSTYPE_H

#include <glib.h>

typedef struct OsType {
	char *id;
	char *description;
	char *nic_type; /* what a new card gets */
	char *family;
	char *family_description;
	char *subtype; /* "": the family has none */
	const char *architecture;
	gboolean is_64bit;
} OsType;

typedef struct OsTypes OsTypes;

/* The table that is part of the program. */
OsTypes *ostypes_new(void);
void ostypes_free(OsTypes *types);
guint ostypes_get_length(const OsTypes *types);
const OsType *ostypes_get(const OsTypes *types, guint i);
/* By id without case. NULL with NOT_FOUND, near ids in the message. */
const OsType *ostypes_find(const OsTypes *types, const char *id, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(OsTypes, ostypes_free)

#endif
