/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-mss.h - the largest segment that the guest takes, by TCP connection. */
#ifndef NAT_MSS_H
#define NAT_MSS_H

#include <glib.h>

#include "slirp-packet.h"

#define NAT_MSS_WAYS 4u
#define NAT_MSS_SETS 512u

typedef struct NatMssEntry {
	guint32 tag; /* of the connection; 0: free */
	guint16 mss;
	guint16 age; /* the set's clock when it was last used */
} NatMssEntry;

typedef struct NatMssSet {
	NatMssEntry ways[NAT_MSS_WAYS];
	guint16 clock;
} NatMssSet;

/* Of fixed size: a guest that opens more connections than fit gets the default for the oldest. */
typedef struct NatMss {
	guint64 seed;
	NatMssSet sets[NAT_MSS_SETS];
} NatMss;

void nat_mss_init(NatMss *table);
/* Learns from a SYN that came from the guest. */
void nat_mss_learn(NatMss *table, const NatPacket *syn, guint16 mss);
/* The MSS for a segment on its way to the guest, 0: not known. */
guint16 nat_mss_find(NatMss *table, const NatPacket *segment);

#endif
