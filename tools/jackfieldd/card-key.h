/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * card-key.h - what can be set on a card: the command line's long options without the number.
 *
 * Values are kept as canonical text under their key. Maps keep an entry under "KEY/NAME":
 * "nat-pf/ssh", "nic-property/UDPTunnel/sport", "connector-property/stream/path".
 */
#ifndef JACKFIELDD_CARD_KEY_H
#define JACKFIELDD_CARD_KEY_H

#include <glib.h>

#include "machine-config.h"

typedef enum {
	CARD_KEY_TEXT,
	CARD_KEY_BOOL, /* "on" or "off" */
	CARD_KEY_INT,
	CARD_KEY_MAP, /* several entries, set one at a time */
} CardKeyType;

#define CARD_KEY_LIVE 0x1u /* may change while the machine runs */
#define CARD_KEY_FAR 0x2u  /* chooses or shapes what the card is plugged into */

typedef struct CardKey CardKey;
struct CardKey {
	const char *name;
	guint32 type; /* CardKeyType */
	guint32 flags;
	const char *def;    /* "" where nothing is a fine value */
	const char *values; /* for people */
	/* Canonical text, "" to go back to the default, or NULL with an error. */
	char *(*check)(const CardKey *key, const ConfigEnv *env, const char *value, GError **error);
	/* An option of one kind of attachment is a property of its driver. */
	const char *nic, *property;
	/* CARD_KEY_MAP: entries are of drivers of this JfKind; 0: plain names. */
	guint32 entry_kind;
	/* Instead of check, where more than one value changes. */
	gboolean (*set)(const CardKey *key, const ConfigEnv *env, MachineConfig *machine,
			CardConfig *card, const char *value, GError **error);
};

/* Row `i`, NULL past the end. */
const CardKey *card_key_get(guint i);
/* NULL with KEY (near keys named), or with UNSUPPORTED for an option that VBoxManage has and this
 * program does not. */
const CardKey *card_key_find(const char *name, GError **error);

#endif
