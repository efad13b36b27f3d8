/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm.h - the command line of a virtual machine monitor with the arguments for our cards. */
#ifndef JACKFIELD_VMM_CLI_H
#define JACKFIELD_VMM_CLI_H

#include <glib.h>

#include "qemu.h"

typedef enum {
	VMM_ANY, /* decided by the program's name */
	VMM_QEMU,
	VMM_OTHER, /* knows its cards by placeholders only */
} VmmKind;

/* The program that runs the machine, and what it can do. */
typedef struct Vmm {
	VmmKind kind; /* QEMU or OTHER */
	char **args;  /* the user's command line; borrowed */
	const char *program;
	Qemu qemu;         /* of a QEMU */
	QemuMemory memory; /* of a QEMU */
	GArray *fds;       /* ints: what its arguments name as /dev/fd/N, ours to close */
} Vmm;

/* A card as its VMM is to see it. */
typedef struct VmmCard {
	guint32 slot;
	char *path;      /* the daemon's object */
	char *device;    /* the VMM's name for it */
	char *nic_type;  /* "82540EM" */
	char *mac;       /* with colons */
	char *connector; /* "auto" until vmm_choose */
	char *address;   /* while it runs */
	char *local;     /* the VMM's own socket of a dgram connector; NULL: none */
	guint boot_prio; /* 0: last */
	gboolean link;
	gboolean has_rom; /* the connector brings its expansion ROM */
	guint pairs;      /* queue pairs of our model that the connector carries; 0 is 1 */
} VmmCard;

void vmm_card_free(gpointer card);
/* FALSE: its connector has no address, and nothing for the VMM to do (tap). */
gboolean vmm_card_is_wanted(const VmmCard *card);

/* The VMM sees our own model: it has no network adapter of its own for the card. */
gboolean vmm_card_is_ours(const VmmCard *card);
/* It reaches into the guest's memory, which must be shared. */
gboolean vmm_card_needs_memory(const VmmCard *card);
/* It has one, and a monitor command for its line. */
gboolean vmm_card_has_netdev(const VmmCard *card);

/* `kind` VMM_ANY: by the program's name. Asks a QEMU what it can do. */
void vmm_init(Vmm *vmm, VmmKind kind, char **args);
void vmm_finish(Vmm *vmm);
/*
 * The connector of each card: `wanted` where it is not NULL, else its own where that is not "auto",
 * else the best that this VMM has. `drivers`: what the daemon has, as "connector/ID" and "model/ID".
 * Notes for the user are added to `notes`. UNSUPPORTED says what to do.
 */
gboolean vmm_choose(const Vmm *vmm, GPtrArray *cards, const char *wanted, GHashTable *drivers,
		    GPtrArray *notes, GError **error);
/*
 * The command line to run: {socketN}, {macN} and {typeN} replaced; for QEMU, arguments added for
 * all other cards and for the monitor on descriptor `monitor`; with vmm->fds, the program is to
 * inherit these. Notes for the user are added to `notes`. Free it with g_strfreev. Errors: NOT_FOUND, UNSUPPORTED, usage.
 */
char **vmm_make_args(Vmm *vmm, const GPtrArray *cards, int monitor, GPtrArray *notes,
		     GError **error);
/* vmm-qemu.c: what QEMU needs for `cards` (those that the user did not wire himself). */
gboolean vmm_add_qemu(Vmm *vmm, GPtrArray *args, const GPtrArray *cards, int monitor,
		      GPtrArray *notes, GError **error);

#endif
