/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card.h - "jf.card/1" and "jf.service/1": what a driver may know of the card or service that it is. */
#ifndef JACKFIELD_CARD_H
#define JACKFIELD_CARD_H

#include <glib.h>

G_BEGIN_DECLS

#define JF_CARD_IID "jf.card/1"

typedef enum {
	JF_PROMISC_DENY = 0,      /* only what is meant for the card */
	JF_PROMISC_ALLOW_VMS = 1, /* also traffic between other cards, but not the host's */
	JF_PROMISC_ALLOW_ALL = 2, /* everything */
} JfPromiscuous;

/*
 * Answer of host->query(inst, JF_CARD_IID); NULL for an instance that belongs to no card. Constant
 * for the instance's life, all strings too, but for what is marked live.
 */
typedef struct JfCardInfo {
	guint32 struct_size;
	guint32 slot;  /* 0-based: card 1 of the command line is slot 0 */
	guint8 mac[6]; /* the card's address as configured, network order */
	guint8 reserved[2];
	guint32 promiscuous; /* JfPromiscuous, live: for join; the core tells the switch itself */
	guint32 line_speed;  /* kbit/s, 0: the model's own */
	const char *machine; /* the machine's name */
	const char *config_dir;  /* the user's configuration directory; NULL: none */
	const char *runtime_dir; /* where sockets go; NULL: none */
} JfCardInfo;

#define JF_SERVICE_IID "jf.service/1"

/* Answer of host->query(inst, JF_SERVICE_IID); NULL for an instance that belongs to a card. Constant
 * for the instance's life, all strings too. */
typedef struct JfServiceInfo {
	guint32 struct_size;
	guint32 reserved;
	const char *name;        /* the program's name for it */
	const char *config_dir;  /* the user's configuration directory; NULL: none */
	const char *runtime_dir; /* where sockets go; NULL: none */
} JfServiceInfo;

G_END_DECLS

#endif
