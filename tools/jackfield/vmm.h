/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm.h - the command line of a virtual machine monitor with the arguments for our cards. */
#ifndef JACKFIELD_VMM_CLI_H
#define JACKFIELD_VMM_CLI_H

#include <glib.h>

typedef enum {
	VMM_ANY, /* decided by the program's name */
	VMM_QEMU,
	VMM_OTHER, /* knows its cards by placeholders only */
} VmmKind;

/* A card that runs, as its VMM is to see it. */
typedef struct VmmCard {
	guint32 slot;
	char *path;     /* the daemon's object */
	char *device;   /* the VMM's name for it */
	char *nic_type; /* "82540EM" */
	char *mac;      /* with colons */
	char *connector, *address;
	char *local;     /* the VMM's own socket of a dgram connector; NULL: none */
	guint boot_prio; /* 0: last */
	gboolean link;
} VmmCard;

void vmm_card_free(gpointer card);
/* FALSE: its connector has no address, and nothing for the VMM to do (tap). */
gboolean vmm_card_is_wanted(const VmmCard *card);

/* VMM_QEMU or VMM_OTHER for a command line. */
VmmKind vmm_detect(char **args);
/*
 * The command line to run: {socketN}, {macN} and {typeN} replaced; for QEMU, arguments added for
 * all other cards and for the monitor on descriptor `monitor`. Notes for the user are added to
 * `notes`. Free it with g_strfreev. Errors: NOT_FOUND, UNSUPPORTED, usage.
 */
char **vmm_make_args(VmmKind kind, char **args, const GPtrArray *cards, int monitor,
		     GPtrArray *notes, GError **error);

#endif
