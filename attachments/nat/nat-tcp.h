/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tcp.h - a connection between a guest and a socket of the host.
 *
 * Towards the guest, data stays in the host's socket until the guest has acknowledged it: it is read
 * with MSG_PEEK, and dropped there (MSG_TRUNC) when it was. From the guest, in-order data goes into
 * the host's socket at once, straight from the guest's frame, and the window that the guest is offered
 * is the room in that socket's buffer. So no byte of the stream is kept here but those that came
 * before their turn (nat-tcp-reorder.c).
 *
 *	CONNECTING  the guest's SYN came; the host's connect() is on its way; nothing was answered
 *	SYN_SENT    a SYN went to the guest, for a connection that a forwarded port accepted
 *	SYN_RCVD    our SYN-ACK is out
 *	OPEN        the handshake is done; the flags below say which halves have ended
 *	TIME_WAIT   both ended, ours first; the socket is closed
 */
#ifndef NAT_TCP_H
#define NAT_TCP_H

#include "nat-engine.h"

#define NAT_TCP_FIN 0x01u
#define NAT_TCP_SYN 0x02u
#define NAT_TCP_RST 0x04u
#define NAT_TCP_PSH 0x08u
#define NAT_TCP_ACK 0x10u
#define NAT_TCP_URG 0x20u

/* 65535 << 7 is 8 MiB: beyond the largest send buffer that Linux gives by itself (tcp_wmem). */
#define NAT_TCP_WINDOW_SCALE 7u

#define NAT_TCP_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)

typedef enum {
	NAT_TCP_CONNECTING = 1,
	NAT_TCP_SYN_SENT,
	NAT_TCP_SYN_RCVD,
	NAT_TCP_OPEN,
	NAT_TCP_TIME_WAIT,
} NatTcpState;

/* Parts of the sequence space, in order, with gaps between them. */
#define NAT_TCP_RANGES_MAX 128u
typedef struct NatTcpRange {
	guint32 from, to;
} NatTcpRange;

typedef struct NatTcpRanges {
	guint32 n;
	NatTcpRange at[NAT_TCP_RANGES_MAX];
} NatTcpRanges;

typedef struct NatTcpReorder NatTcpReorder;

typedef struct NatTcp {
	NatFlow flow;
	struct NatTcp *ack_next;

	guint8 state; /* NatTcpState */
	guint8 guest_scale, our_scale, dup_acks;
	guint8 tries;    /* timeouts since the guest acknowledged something */
	guint8 probes;   /* since it was heard of */
	guint8 persists; /* since its window let something through */
	guint16 mss;     /* the guest's: payload of a segment to it */

	/* Towards the guest (RFC 9293 3.3.1). snd_max: highest sent; snd_nxt goes back of it when a
	 * timeout sends again. */
	guint32 iss, snd_una, snd_nxt, snd_max, snd_wnd;
	guint32 recover;      /* RFC 6582: snd_max when the fast retransmission began */
	guint32 resent;       /* up to here holes were filled (HighRxt, RFC 6675 2) ... */
	guint32 resent_max;   /* ... when this was snd_max */
	NatTcpRanges *sacked; /* what the guest has beyond snd_una; NULL: nothing yet */
	guint32 peeked;       /* SO_PEEK_OFF of the socket now; without has_peek_off 0 */
	guint32 acked;        /* acknowledged by the guest, still in the socket */

	/* From the guest. rcv_edge: right edge of the window that it was told. */
	guint32 rcv_nxt, rcv_edge;
	NatTcpReorder *reorder; /* NULL: nothing came before its turn */

	/* RFC 6298, in ns. One segment is timed at a time. */
	guint64 rtt_start, rto_deadline;
	guint32 rtt_seq, srtt_us, rttvar_us;
	guint64 last_heard; /* from the guest */

	gboolean owes_ack : 1, in_acks : 1, readable : 1, has_peek_off : 1, no_peek_off : 1;
	gboolean host_fin : 1, fin_sent : 1, fin_acked : 1, guest_fin : 1; /* as the names say */
	gboolean is_forward : 1, recovering : 1, timing : 1, wants_room : 1, keep_alive : 1;
	gboolean knows_room : 1; /* nothing was written since the socket was asked */
	gboolean persisting : 1; /* rto_deadline is that of a window probe */
	gboolean rewatched : 1;  /* an event is to come when there is room */
	gboolean dropped : 1;    /* a write was short: the guest has to send again */
	gboolean hup : 1;        /* the stream from the host ends behind what is there */
	gboolean guest_first : 1, is_urgent : 1;
	gboolean host_urgent : 1; /* an urgent byte is among what is to be read */
	gboolean sack_ok : 1;
	gboolean resends : 1; /* holes wait to be filled */
} NatTcp;

static inline gboolean
nat_seq_lt(guint32 a, guint32 b)
{
	return (gint32)(a - b) < 0;
}

static inline gboolean
nat_seq_le(guint32 a, guint32 b)
{
	return (gint32)(a - b) <= 0;
}

/* nat-tcp.c: segments from the guest. */
void nat_tcp_input(NatEngine *engine, const NatPacket *p);
/* Writes the run to its socket. */
void nat_tcp_flush_run(NatEngine *engine);
/* Frees what hangs on it. */
void nat_tcp_clear(NatEngine *engine, NatTcp *tcp);
NatTcp *nat_tcp_new(NatEngine *engine, const NatEndpoint *guest, const NatEndpoint *remote, int fd);

/* What came before its turn, and the end of the stream, as far as it is their turn now. */
void nat_tcp_settle_order(NatEngine *engine, NatTcp *tcp);

/* nat-tcp-sack.c: what the guest has of what was sent to it (RFC 2018, RFC 6675). */
/* FALSE: it touches none of the ranges, and there is no room for one more. */
gboolean nat_tcp_ranges_add(NatTcpRanges *ranges, guint32 from, guint32 to);
void nat_tcp_ranges_trim(NatTcpRanges *ranges, guint32 below);
/* The blocks of a SACK option: `len` bytes behind its kind and length. TRUE: they say more than was
 * known. */
gboolean nat_tcp_take_sack(NatTcp *tcp, const guint8 *blocks, guint32 len);
/* Begins to fill holes when something is lost, or was lost again. Follows each acknowledgement. */
void nat_tcp_find_loss(NatTcp *tcp);
/* After a timeout: all that the guest does not have once more. FALSE: it told nothing. */
gboolean nat_tcp_fill_again(NatTcp *tcp);
/* The next part to send again; `frame` bytes at most where the guest told of no more than a loss.
 * FALSE: there is none. */
gboolean nat_tcp_find_hole(const NatTcp *tcp, guint32 frame, NatTcpRange *hole);
void nat_tcp_forget_sack(NatTcp *tcp);

/* nat-tcp-reorder.c: segments of the guest's that came before their turn. */
void nat_tcp_reorder_keep(NatEngine *engine, NatTcp *tcp, const NatPacket *p, guint32 data_at,
			  guint32 seq, guint32 len);
void nat_tcp_reorder_keep_fin(NatTcp *tcp, guint32 seq);
/* Writes what has become the next part of the stream. TRUE: its end is next. */
gboolean nat_tcp_reorder_drain(NatEngine *engine, NatTcp *tcp);
#define NAT_TCP_SACK_LEN 36u
/* SACK option with what is kept, the latest first; returns its length, NAT_TCP_SACK_LEN at most. */
guint32 nat_tcp_reorder_put_sack(const NatTcp *tcp, guint8 *options);
void nat_tcp_reorder_clear(NatEngine *engine, NatTcp *tcp);

/* nat-tcp-socket.c: the host's side. */
void nat_tcp_connect(NatEngine *engine, const NatPacket *syn, NatTcp *tcp,
		     const NatEndpoint *remote);
void nat_tcp_event(NatEngine *engine, NatTcp *tcp, guint32 events);
/* The host's peer sees a reset. */
void nat_tcp_reset_host(NatTcp *tcp);
/* Both sides see a reset. */
void nat_tcp_abort(NatEngine *engine, NatTcp *tcp);
/* A connection of a forwarded port. */
void nat_tcp_accept(NatEngine *engine, int fd, const NatEndpoint *guest, NatEndpoint *remote);
/* Room for data from the guest in the socket. */
guint32 nat_tcp_room(NatTcp *tcp);

/* nat-tcp-output.c: segments to the guest. */
void nat_tcp_owe_ack(NatEngine *engine, NatTcp *tcp);
void nat_tcp_flush_acks(NatEngine *engine);
void nat_tcp_send_syn(NatEngine *engine, NatTcp *tcp);
/* A segment without data: `flags` and, from `seq` on, nothing. */
void nat_tcp_send_flags(NatEngine *engine, NatTcp *tcp, guint32 seq, guint8 flags);
/* The answer to a segment of no connection (RFC 9293 3.10.7.1). */
void nat_tcp_refuse(NatEngine *engine, const NatPacket *p);
/* What the guest acknowledged goes; what it may get follows. */
void nat_tcp_turn(NatEngine *engine, NatTcp *tcp, guint *budget);

/* nat-tcp-timer.c */
void nat_tcp_expired(NatEngine *engine, NatTcp *tcp);
/* The flow's deadline from all that may be due. */
void nat_tcp_arm(NatEngine *engine, NatTcp *tcp);
void nat_tcp_start_rto(NatEngine *engine, NatTcp *tcp);
void nat_tcp_measure(NatEngine *engine, NatTcp *tcp);

#endif
