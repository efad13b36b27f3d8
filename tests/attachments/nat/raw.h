/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw.h - a guest's end of one connection, segment by segment: what the test says is what is sent, so
 * that it can be late, lost, repeated or wrong. It sees all that comes for its port.
 */
#ifndef RAW_H
#define RAW_H

#include "guest-tcp.h"

#define RAW_FIN 0x01u
#define RAW_SYN 0x02u
#define RAW_RST 0x04u
#define RAW_PSH 0x08u
#define RAW_ACK 0x10u
#define RAW_URG 0x20u
#define RAW_KEPT_MAX 1000u
#define RAW_ISN 0xffffff00u /* the sequence number wraps early on */

typedef struct RawRange {
	guint32 from, to;
} RawRange;

typedef struct Raw {
	NatGuest *g;
	guint16 port, to_port;
	guint16 window;   /* as it goes into headers */
	int scale;        /* to announce; -1: no option */
	gboolean answers; /* acknowledges what comes in order, and each segment that does not */
	guint lose;       /* every so many data segments are lost; 0: none */
	guint lose_first; /* so many at the beginning of the stream are lost, what comes again too */
	gboolean sack;    /* says what it has, and asks to be told */
	guint32 snd_nxt, rcv_nxt;

	/* What came. */
	guint segments, data_segments, syn_acks, acks, probes, resets, icmp_errors, urgent;
	guint8 icmp_type, icmp_code;
	guint16 from_port; /* of the last segment */
	gboolean fin;
	guint64 received;              /* in order, with `answers` */
	guint32 irs, highest;          /* highest: end of the last data */
	guint32 last_ack, last_window; /* window: with its scale */
	int peer_scale;                /* -1: no option */
	gboolean peer_sack;
	guint n_blocks; /* of the last pure acknowledgement */
	RawRange blocks[4];
	guint64 bytes; /* of data, lost and repeated too */
	guint n_kept;  /* beyond rcv_nxt, the latest last, with `sack` */
	RawRange kept[RAW_KEPT_MAX];
} Raw;

/* To the gateway; sends nothing yet. */
void raw_init(Raw *raw, NatGuest *g, guint16 to_port);
void raw_send_at(Raw *raw, guint32 seq, guint8 flags, guint64 offset, guint32 bytes,
		 guint16 urgent);
/* The next segment in order. */
void raw_send(Raw *raw, guint8 flags, guint32 bytes);
/* SYN, and until the connection is open. */
void raw_open(Raw *raw);

#endif
