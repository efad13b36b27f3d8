/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-reassembly.h - the guest's IP fragments, put together. */
#ifndef NAT_REASSEMBLY_H
#define NAT_REASSEMBLY_H

#include <glib.h>

#include "slirp-packet.h"

#define NAT_REASSEMBLY_SLOTS 16u
/* Ethernet and IPv4 header with all options. */
#define NAT_REASSEMBLY_HEADER 74u

/* A datagram on its way. */
typedef struct NatSlot {
	gboolean used;
	guint64 began; /* ns */
	guint32 order; /* of beginning */
	guint8 version, protocol;
	guint32 id;
	guint8 addresses[32];
	guint32 header_len; /* of the frame, from the first fragment; 0: not here yet */
	guint32 total;      /* bytes of payload, from the last fragment; 0: not here yet */
	guint32 received;
	guint8 *data;            /* headers end and payload begins at NAT_REASSEMBLY_HEADER */
	guint8 blocks[8192 / 8]; /* which 8 bytes are here */
} NatSlot;

typedef struct NatReassembly {
	NatSlot slots[NAT_REASSEMBLY_SLOTS];
	guint32 order;
} NatReassembly;

typedef enum {
	NAT_REASSEMBLY_WAITS,
	NAT_REASSEMBLY_WHOLE,
	NAT_REASSEMBLY_BROKEN, /* overlapping, too long or cut wrongly: all of it is gone */
	NAT_REASSEMBLY_FULL,   /* taken in; the oldest datagram gave way to it */
} NatReassemblyResult;

void nat_reassembly_finish(NatReassembly *reassembly);
/* WHOLE: *frame has *len bytes, writable, good until the next call. */
NatReassemblyResult nat_reassembly_add(NatReassembly *reassembly, const NatPacket *fragment,
				       guint64 now, guint8 **frame, guint32 *len);

#endif
