/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine-config.h - a machine as its document has it: no bus, no sockets, nothing that runs. */
#ifndef JACKFIELDD_MACHINE_CONFIG_H
#define JACKFIELDD_MACHINE_CONFIG_H

#include <glib.h>

#include "jackfield/vmm.h"
#include "ostype.h"

#define MACHINE_CARDS_MAX 36u

/* What checking a value needs to know. */
typedef struct ConfigEnv {
	JfContext *context;
	const OsTypes *ostypes;
	/* Whether some machine has a card with this address ("080027A1B2C3"). */
	gboolean (*mac_taken)(const char *mac, gpointer data);
	gpointer data;
} ConfigEnv;

/* The values that were set; see card-key.h. */
typedef struct CardConfig {
	GHashTable *values; /* NULL: none */
} CardConfig;

typedef struct MachineConfig {
	char *uuid;    /* lower case, with hyphens */
	char *name;    /* 1..127 bytes, unique among the user's machines */
	char *ostype;  /* an id of the table */
	char *chipset; /* "piix3" or "ich9" */
	guint n_cards; /* of the chipset: 8 or 36 */
	CardConfig cards[MACHINE_CARDS_MAX];
} MachineConfig;

/* One change of Machine1.Modify. */
typedef struct ConfigChange {
	guint32 card; /* from 1; 0: the machine itself */
	const char *key;
	const char *value;
} ConfigChange;

/* A new machine: card 1 on nat (null where that is not installed), all others disabled. `uuid` "": a new one; `chipset` NULL: piix3.
 * Errors: VALUE, NOT_FOUND (OS type). */
MachineConfig *machine_config_new(const ConfigEnv *env, const char *name, const char *ostype,
				  const char *uuid, const char *chipset, GError **error);
/* A machine with nothing set but its uuid, for a document to fill in. */
MachineConfig *machine_config_new_empty(void);
MachineConfig *machine_config_copy(const MachineConfig *config);
void machine_config_free(MachineConfig *config);

/* Applies one change. Errors name card, key and value. The result is to be checked with
 * machine_config_check when all changes are in. */
gboolean machine_config_change(MachineConfig *config, const ConfigEnv *env,
			       const ConfigChange *change, GError **error);
/* What only the whole can tell: properties that need their driver. */
gboolean machine_config_check(MachineConfig *config, const ConfigEnv *env, GError **error);

/* The value set or the default; never NULL for a key of the table. */
const char *card_config_get(const CardConfig *card, const char *key);
gboolean card_config_get_bool(const CardConfig *card, const char *key);
/* `value` NULL or "": unset. */
void card_config_set(CardConfig *card, const char *key, const char *value);
/* nic is not "none". */
gboolean card_config_is_enabled(const CardConfig *card);
/* Names of the entries below "PREFIX/", sorted (g_free the array only). */
const char **card_config_list(const CardConfig *card, const char *prefix, guint *n);
gboolean card_config_is_equal(const CardConfig *a, const CardConfig *b);

/* A machine's name: 1..127 bytes of UTF-8 without control characters, and not a uuid. */
gboolean machine_name_check(const char *name, GError **error);
/* Accepts any spelling of a UUID that GLib does. */
gboolean machine_config_set_uuid(MachineConfig *config, const char *uuid, GError **error);
/* Sets chipset and n_cards. */
gboolean machine_config_set_chipset(MachineConfig *config, const char *chipset, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MachineConfig, machine_config_free)

#endif
