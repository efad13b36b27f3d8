/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-engine.h - what the engine's own files share; services see nat.h only.
 *
 * One engine, one worker, no locks. Its sockets are in an epoll set of its own, edge-triggered, which
 * the worker watches as one descriptor. What has to go on is in lists, never searched for:
 *
 *	ready      flows that may have something to read from the host or to say to the guest
 *	heap       flows by deadline; a deadline that moves back is not moved in the heap but found
 *	           to be early when it is due
 *	dead       flows whose memory waits for the end of the turn
 *
 * Output refused (`blocked`): nothing is read from the host, so nothing has to be kept but the few
 * frames of `queue` that cannot be made again.
 */
#ifndef NAT_ENGINE_H
#define NAT_ENGINE_H

#include <sys/epoll.h>

#include "nat.h"

#define NAT_ETH_LEN 14u
#define NAT_IPV4_LEN 20u
#define NAT_IPV6_LEN 40u
#define NAT_UDP_LEN 8u
#define NAT_TCP_LEN 20u
#define NAT_HEAD_MAX 256u /* headers of a frame that are looked at */

#define NAT_ETHERTYPE_IPV4 0x0800u
#define NAT_ETHERTYPE_ARP 0x0806u
#define NAT_ETHERTYPE_IPV6 0x86ddu

#define NAT_MSEC G_GUINT64_CONSTANT(1000000)
#define NAT_SEC (1000 * NAT_MSEC)

#define NAT_FLOWS_MAX 65536u
#define NAT_QUEUE_FRAMES 256u
#define NAT_QUEUE_BYTES (1024u * 1024u)
/* Payload of one large frame, and how many are read from a socket at once. */
#define NAT_PIECE_MAX 65536u
#define NAT_PIECES 4u
#define NAT_RUN_IOV 1024u /* UIO_MAXIOV */
#define NAT_RUN_MESSAGES 64u
/* Frames to the guest of one turn; then others on the worker have theirs. */
#define NAT_TURN_FRAMES 128u

typedef struct NatFlow NatFlow;
typedef struct NatForward NatForward;
typedef struct NatFragments NatFragments;
typedef struct NatNeighbours NatNeighbours;

/* ---- A packet from the guest ---- */

/* Offsets count from the frame's start. The headers were copied and checked. */
typedef struct NatPacket {
	const JfFrame *frame;
	NatAddress src, dst;
	guint32 head_len;        /* bytes in `head` */
	guint32 l3, l4, end;     /* IP header, transport header, end of the IP packet */
	guint32 fragment_offset; /* bytes; with `is_fragment` */
	guint32 fragment_id;
	guint32 fragment_next_at; /* IPv6: where the "next header" of the fragment header is kept */
	guint8 protocol, ttl, tos;
	gboolean is_v4, is_fragment, more_fragments, dont_fragment;
	gboolean is_copy; /* the frame is a buffer of the engine's, not the guest's */
	guint8 head[NAT_HEAD_MAX];
} NatPacket;

/* FALSE: not a whole, well-formed IP packet. */
gboolean nat_packet_parse(NatPacket *p, const JfFrame *frame);
/* Whether the transport checksum is right, or vouched for. `field`: its offset in the header. */
gboolean nat_packet_csum_ok(const NatPacket *p, guint32 field);
/* The bytes from `offset` to the packet's end as pieces; returns how many of `room` were used. The
 * caller has seen that they fit: a frame has at most JF_FRAME_MAX_IOV. */
guint nat_packet_pieces(const NatPacket *p, guint32 offset, guint32 len, struct iovec *iov);

/* ---- Flows ---- */

typedef enum {
	NAT_FLOW_TCP = 1,
	NAT_FLOW_UDP,
	NAT_FLOW_ECHO,
	NAT_FLOW_LISTENER, /* a forwarded port: not in the table */
} NatFlowKind;

struct NatFlow {
	NatFlow *hash_next;
	NatFlow *ready_next; /* also the list of the dead */
	guint64 deadline;    /* ns; 0: none */
	guint64 heap_deadline;
	guint32 heap_index; /* NAT_HEAP_NONE */
	int fd;             /* -1: none */
	guint8 kind;        /* NatFlowKind */
	gboolean is_ready : 1, is_dead : 1, has_mac : 1, shares_fd : 1;
	guint8 mac[6]; /* the guest's, as its last frame had it */
	NatEndpoint guest;
	NatEndpoint remote; /* as the guest sees it; all zero for UDP and echo of the guest's own */
};

#define NAT_HEAP_NONE G_MAXUINT32

typedef struct NatFlowTable {
	NatFlow **buckets;
	guint32 n_buckets, n_flows;
	guint64 seed;
	GPtrArray *heap;
} NatFlowTable;

void nat_flow_table_init(NatFlowTable *table);
void nat_flow_table_finish(NatFlowTable *table);
NatFlow *nat_flow_find(NatFlowTable *table, guint8 kind, const NatEndpoint *guest,
		       const NatEndpoint *remote);
void nat_flow_insert(NatFlowTable *table, NatFlow *flow);
void nat_flow_withdraw(NatFlowTable *table, NatFlow *flow);
/* Moves a flow's deadline; 0: none. */
void nat_flow_arm(NatEngine *engine, NatFlow *flow, guint64 deadline);
/* The next flow whose deadline has passed, disarmed; NULL: none. */
NatFlow *nat_flow_pop_due(NatEngine *engine);
guint64 nat_hash_endpoints(guint64 seed, const NatEndpoint *a, const NatEndpoint *b);

/* TCP, see nat-tcp.h; UDP and echo share this one. */
typedef struct NatUdpFlow {
	NatFlow flow;
	NatForward *forward;     /* came in through it; fd is its socket */
	NatEndpoint peer;        /* of the host's side, with `forward` */
	guint8 ttl;              /* set on the socket; 0: the system's own */
	gboolean is_lasting : 1; /* has been used for more than name service */
	gboolean may_broadcast : 1;
} NatUdpFlow;

/* ---- The engine ---- */

typedef struct NatQueued {
	JfFrame frame;
	struct iovec piece;
	guint8 data[];
} NatQueued;

/* A frame being made: headers of its own, payload elsewhere. */
typedef struct NatSlot {
	guint8 head[128]; /* IPv6, TCP and its options, and a little more */
	struct iovec iov[2];
} NatSlot;

typedef struct NatServiceEntry {
	NatAddress address;
	guint16 port;
	NatServiceFunc func;
	NatRedirectFunc redirect;
	gpointer data;
} NatServiceEntry;

/* In-order segments of one connection, not yet written to its socket. */
typedef struct NatTcpRun {
	struct NatTcp *tcp;
	guint32 n_iov, bytes;
	struct iovec iov[NAT_RUN_IOV];
} NatTcpRun;

/* Datagrams for one socket, not yet sent. */
typedef struct NatUdpMessage {
	struct sockaddr_storage to;
	guint32 first_iov, n_iov, bytes;
	guint16 size; /* of each datagram but the last */
	guint16 count;
	gboolean is_closed; /* the last one was shorter */
	union {
		char bytes[CMSG_SPACE(sizeof(guint16))];
		struct cmsghdr align;
	} control;
} NatUdpMessage;

typedef struct NatUdpRun {
	NatUdpFlow *flow;
	guint n_messages;
	guint32 n_iov;
	NatUdpMessage messages[NAT_RUN_MESSAGES];
	struct mmsghdr headers[NAT_RUN_MESSAGES];
	struct iovec iov[NAT_RUN_IOV];
} NatUdpRun;

typedef struct NatCounters {
	guint64 *malformed, *other_protocol, *other_destination, *refused, *foreign_source,
		*bad_csum;
	guint64 *ping_refused, *fragment_drops, *queue_drops, *socket_limit, *flow_limit;
	guint64 *retransmits, *udp_drops, *unresolved, *out_of_order, *flows;
} NatCounters;

struct NatEngine {
	JfInstance *inst;
	const NatConfig *config;
	const NatSide *side;
	NatCounters count;
	NatServiceCounters service_count;
	gboolean started, blocked, is_posted, in_turn;
	guint64 now; /* of this turn */

	int epoll;
	JfWatch *watch;
	JfTimer *timer;
	guint64 timer_deadline;

	NatFlowTable flows;
	NatFlow *ready, **ready_tail;
	NatFlow *dead;
	struct NatTcp *acks; /* connections that owe the guest an acknowledgement */

	NatNeighbours *neighbours;
	NatFragments *fragments;
	GArray *services;         /* NatServiceEntry */
	GPtrArray *service_state; /* by nat_services */
	NatSolicitFunc solicit;
	gpointer solicit_data;
	GPtrArray *forwards; /* NatForward */
	guint n_udp_forwards;

	/* Output. */
	guint n_slots;
	NatSlot slots[JF_BATCH_MAX];
	JfFrame frames[JF_BATCH_MAX];
	GQueue queue; /* NatQueued */
	gsize queued_bytes;
	guint16 ip_id;
	guint32 fragment_id;

	guint64 secret; /* of initial sequence numbers */
	gboolean told_ping, told_limit, no_udp_gro, no_udp_segment;
	guint64 log_second; /* of alias-mode log: lines of this second */
	guint log_lines;

	guint n_reorders; /* connections that keep segments out of order */

	NatTcpRun *tcp_run;
	NatUdpRun *udp_run;
	guint8 *pieces; /* NAT_PIECES of NAT_PIECE_MAX */
};

/* nat-engine.c */
/* The flow has something to do at the end of the turn. */
void nat_engine_set_ready(NatEngine *engine, NatFlow *flow);
/* Puts the socket into the epoll set. FALSE: no room. */
gboolean nat_engine_watch(NatEngine *engine, NatFlow *flow, guint32 events);
/* Asks again for what is ready now (EPOLL_CTL_MOD of an edge-triggered descriptor). */
void nat_engine_rewatch(NatEngine *engine, NatFlow *flow, guint32 events);
/* Room for one more flow? Counts and says so once where there is none. */
gboolean nat_engine_may_add_flow(NatEngine *engine);
void nat_engine_add_flow(NatEngine *engine, NatFlow *flow);
/* Out of table, heap and epoll set; its memory goes at the end of the turn. Closes fd. */
void nat_engine_drop_flow(NatEngine *engine, NatFlow *flow);
/* A socket of ours, with what the configuration says; -1: none, counted. */
int nat_engine_socket(NatEngine *engine, gboolean is_v4, int type, int protocol);
/* Binds to bind-ip, and with sameports to the guest's port where it is free. `to`: the host's address
 * that the socket is for, NULL: any of the guest's family. FALSE: errno. */
gboolean nat_engine_bind(NatEngine *engine, int fd, const NatFlow *flow, const NatAddress *to);
void nat_engine_log_flow(NatEngine *engine, const NatFlow *flow, const char *what,
			 const NatEndpoint *to);

/* Whether an address is one of the engine's own. */
gboolean nat_is_own(const NatEngine *engine, const NatAddress *a);
/* Whether a guest may have it: in the network, or in the prefix or link-local. */
gboolean nat_is_guest(const NatEngine *engine, const NatAddress *a);
gboolean nat_is_broadcast(const NatEngine *engine, const NatAddress *a);
/* Where on the host an address of the guest's view is. FALSE: nowhere that the guest may reach. */
gboolean nat_map_out(const NatEngine *engine, const NatAddress *guest_view, NatAddress *host);
/* How the guest sees an address of the host's. */
NatAddress nat_map_in(const NatEngine *engine, const NatAddress *host);

/* nat-output.c */
/* Frames that can be made again: returns how many were taken, and sets `blocked`. Sends what waits
 * in slots first. */
guint nat_output(NatEngine *engine, const JfFrame *frames, guint n);
/* A slot for a frame that waits for nat_output_flush; the caller fills in frame and slot. */
JfFrame *nat_output_slot(NatEngine *engine, NatSlot **slot);
/* Sends the slots; what is refused is kept in the queue. */
void nat_output_flush(NatEngine *engine);
/* A frame that is copied where it is refused. */
void nat_output_send(NatEngine *engine, const JfFrame *frame);
/* Sends the queue. FALSE: still blocked. */
gboolean nat_output_resume(NatEngine *engine);
void nat_output_clear(NatEngine *engine);
/* Ethernet and IP header for `len` bytes of payload; returns their length. A length of more than
 * 65535 in all is the caller's mistake. */
guint32 nat_output_headers(NatEngine *engine, guint8 *head, const guint8 mac[6],
			   const NatAddress *src, const NatAddress *dst, guint8 protocol,
			   guint8 ttl, guint32 len);
/* Sum of the pseudo-header of an upper-layer packet of `len` bytes. */
guint64 nat_pseudo_sum(const NatAddress *src, const NatAddress *dst, guint8 protocol, guint32 len);
/* A whole IP payload to a guest at `mac`; what is longer than the MTU leaves in fragments. Not for
 * TCP. Waits in no slot: `data` is free afterwards. */
void nat_output_ip(NatEngine *engine, const guint8 mac[6], const NatAddress *src,
		   const NatAddress *dst, guint8 protocol, const guint8 *data, guint32 len);
/* A datagram, or a train of datagrams of `size` bytes (0: one), to a guest at `mac`. */
void nat_output_udp(NatEngine *engine, const guint8 mac[6], const NatEndpoint *from,
		    const NatEndpoint *to, const guint8 *data, guint32 len, guint16 size);

/* nat-neighbour.c */
NatNeighbours *nat_neighbours_new(void);
void nat_neighbours_free(NatNeighbours *table);
void nat_neighbours_clear(NatEngine *engine);
/* The guest's MAC; NULL: not known, and asked for. */
const guint8 *nat_neighbour_find(NatEngine *engine, const NatAddress *a);
/* The same without a question. */
const guint8 *nat_neighbour_peek(NatEngine *engine, const NatAddress *a);
/* The guest that forwards without an address lead to. FALSE: there is none, or several. */
gboolean nat_neighbour_default(NatEngine *engine, gboolean v4, NatAddress *a);

/* nat-arp.c, nat-ndp.c */
void nat_arp_input(NatEngine *engine, const JfFrame *frame);
void nat_arp_ask(NatEngine *engine, const NatAddress *a);
void nat_ndp_input(NatEngine *engine, const NatPacket *p);
void nat_ndp_ask(NatEngine *engine, const NatAddress *a);

/* nat-ip4.c, nat-ip6.c: frames with their type; nat-ip.c: what both do next. */
gboolean nat_ip4_parse(NatPacket *p, guint32 there);
gboolean nat_ip6_parse(NatPacket *p, guint32 there);
void nat_ip_input(NatEngine *engine, const JfFrame *frame);
void nat_ip_dispatch(NatEngine *engine, const NatPacket *p);

/* nat-fragment.c */
NatFragments *nat_fragments_new(void);
void nat_fragments_free(NatFragments *fragments);
/* A fragment; calls nat_ip_dispatch with the whole datagram when it was the last one. */
void nat_fragment_input(NatEngine *engine, const NatPacket *p);

/* nat-service.c */
gboolean nat_service_input(NatEngine *engine, const NatPacket *p, guint16 from_port, guint16 port);
const NatServiceEntry *nat_redirect_find(NatEngine *engine, const NatAddress *address,
					 guint16 port);

/* nat-icmp.c */
void nat_icmp_input(NatEngine *engine, const NatPacket *p);
void nat_echo_event(NatEngine *engine, NatUdpFlow *flow, guint32 events);
/* ICMP errors by what they say; types and codes of either family. */
typedef enum {
	NAT_UNREACH_NET,
	NAT_UNREACH_HOST,
	NAT_UNREACH_PORT,
	NAT_UNREACH_PROHIBITED,
	NAT_UNREACH_TOO_BIG,
	NAT_UNREACH_TTL,
	NAT_UNREACH_REASSEMBLY,
} NatUnreach;
/* About a packet of the guest's, from the gateway. */
void nat_icmp_error(NatEngine *engine, const NatPacket *p, NatUnreach what, guint32 mtu);
NatUnreach nat_unreach_from_errno(int code);
/* About what a flow sent: its last TCP segment began at `seq`. */
void nat_icmp_report_flow(NatEngine *engine, const NatFlow *flow, guint32 seq, NatUnreach what);
/* Reads the socket's error queue and passes on what is there. */
void nat_icmp_pass_errors(NatEngine *engine, NatFlow *flow);

void nat_echo_turn(NatEngine *engine, NatUdpFlow *flow, guint *budget);

/* nat-udp.c */
void nat_udp_input(NatEngine *engine, const NatPacket *p);
void nat_udp_flush(NatEngine *engine);
void nat_udp_event(NatEngine *engine, NatUdpFlow *flow, guint32 events);
/* Reads the flow's socket as far as the guest takes it. */
void nat_udp_turn(NatEngine *engine, NatUdpFlow *flow, guint *budget);
void nat_udp_expired(NatEngine *engine, NatUdpFlow *flow);
/* A flow with a socket of its own; NULL: counted. */
NatUdpFlow *nat_udp_flow_new(NatEngine *engine, guint8 kind, const NatEndpoint *guest,
			     const NatEndpoint *remote, int fd);
void nat_udp_set_ttl(NatUdpFlow *flow, guint8 ttl);

/* nat-forward.c */
gboolean nat_forwards_start(NatEngine *engine, GError **error);
void nat_forwards_stop(NatEngine *engine);
void nat_forwards_free(NatEngine *engine);
void nat_forward_event(NatEngine *engine, NatFlow *listener, guint32 events);
void nat_forward_turn(NatEngine *engine, NatFlow *listener, guint *budget);
void nat_forward_clear_errors(int fd);
/* The guest that the rule leads to now. FALSE: there is none, or several. */
gboolean nat_forward_find_guest(NatEngine *engine, const NatForward *forward, NatEndpoint *guest);
int nat_forward_get_fd(const NatForward *forward);
/* nat-udp.c: a forwarded port's socket, with what it needs; and its datagrams. */
int nat_udp_prepare_forward(NatEngine *engine, int fd, gboolean v4);
void nat_udp_turn_forward(NatEngine *engine, NatForward *forward, NatFlow *listener, guint *budget);

#endif
