/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp.h - the parts of the DHCP service and what they share.
 *
 * Addresses are numbers in the host's order, times are seconds since 1970.
 */
#ifndef DHCP_SERVICE_H
#define DHCP_SERVICE_H

#include "jackfield/dhcp.h"
#include "jackfield/driver.h"
#include "jackfield/switch.h"
#include "jackfield/util.h"

#define CLIENT_ID_MAX 255u
#define BINDINGS_MAX 4096u
#define FRAME_MAX 1514u

/* ---- dhcp-config.c: what is handed out to whom ---- */

typedef enum {
	CONDITION_MAC,
	CONDITION_VENDOR, /* option 60 */
	CONDITION_USER,   /* option 77 */
} ConditionType;

typedef struct Condition {
	ConditionType type;
	gboolean exclude;
	GPatternSpec *pattern; /* NULL: `text` to the letter */
	char *text;
} Condition;

typedef struct Scope {
	GArray *conditions;                       /* Condition; a group's */
	guint8 mac[6];                            /* a host's */
	guint32 min_time, default_time, max_time; /* 0: not said */
	guint32 fixed;                            /* a host's address; 0: none */
	GBytes *options[256];                     /* NULL: not set */
	guint8 forced[32], suppressed[32];        /* bits by code */
} Scope;

typedef struct Config {
	Scope *global;
	GPtrArray *groups, *hosts; /* Scope, in order */
	GArray *reserved;          /* guint32: not given to anybody */
} Config;

/* `path` NULL: an empty one. Errors: NOT_FOUND, VALUE; the message names the file. */
Config *config_new(const char *path, GError **error);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)
/* Scopes that apply to a client, the most special one first. */
GPtrArray *config_match(const Config *config, const guint8 *mac, const JfDhcpMessage *message);
/* The first scope's answer; seconds. */
guint32 scopes_get_time(const GPtrArray *scopes, const JfDhcpMessage *message);
guint32 scopes_get_fixed(const GPtrArray *scopes);
/* NULL: none of them sets it. */
GBytes *scopes_get_option(const GPtrArray *scopes, guint code);

typedef enum {
	WISH_NONE,
	WISH_FORCE,
	WISH_SUPPRESS,
} Wish;
Wish scopes_get_wish(const GPtrArray *scopes, guint code);
/* Whether another host than `mac` has this address for itself, or it is nobody's. */
gboolean config_is_reserved(const Config *config, guint32 address, const guint8 *mac);

/* ---- dhcp-lease.c: who has which address ---- */

typedef enum {
	BINDING_FREE,     /* an address without a history, or one whose history is forgotten */
	BINDING_OFFERED,  /* until `end` */
	BINDING_ACKED,    /* until `end` */
	BINDING_RELEASED, /* by its client, whom it still remembers */
	BINDING_EXPIRED,  /* likewise */
	BINDING_DECLINED, /* somebody else uses it: not given out until `end` */
} BindingState;

/* Option 61, or hardware type and address where there is none. */
typedef struct ClientId {
	gboolean is_given; /* option 61 */
	guint8 len;
	guint8 bytes[CLIENT_ID_MAX];
} ClientId;

typedef struct Binding {
	guint32 address;
	BindingState state;
	ClientId id;
	guint8 mac[6];
	guint64 issued, end; /* end G_MAXUINT64: never */
	gboolean is_probed;  /* while it is offered: nobody answered for it */
} Binding;

typedef struct Leases {
	GHashTable *table; /* address: Binding */
	guint32 lower, upper;
	guint32 own; /* the service's address: not in the pool though between the two */
} Leases;

Leases *leases_new(guint32 lower, guint32 upper, guint32 own);
void leases_free(Leases *leases);
/* Puts what is over behind it. */
void leases_expire(Leases *leases, guint64 now);
Binding *leases_find_client(const Leases *leases, const ClientId *id);
Binding *leases_find_address(const Leases *leases, guint32 address);
/* The binding of an address, made where there is none; NULL: the table is full. */
Binding *leases_get(Leases *leases, guint32 address);
/* An address for a client: its own of before, `fixed`, `wanted`, or any. 0 is none, NULL: no address
 * is to be had. */
Binding *leases_choose(Leases *leases, const Config *config, const ClientId *id, const guint8 *mac,
		       guint32 fixed, guint32 wanted);
gboolean leases_is_in_pool(const Leases *leases, guint32 address);
gboolean client_id_equal(const ClientId *a, const ClientId *b);

/* ---- dhcp-store.c: bindings on disk ---- */

/* Only leases on the network are read. A file that is not there is empty. FALSE with VALUE: it is no
 * lease file. */
gboolean leases_load(Leases *leases, const char *path, guint32 mask, GError **error);
/* Replaces the file at once; PERMISSION, STATE. */
gboolean leases_save(const Leases *leases, const char *path, GError **error);

/* ---- dhcp-frame.c: Ethernet, ARP, IPv4, UDP ---- */

typedef struct Packet {
	guint8 source_mac[6];
	guint32 source, destination;
	const guint8 *data; /* of the datagram */
	gsize len;
} Packet;

/* Whether the service wants this frame at all. */
gboolean frame_is_wanted(const JfFrame *frame, guint32 address);
/* A UDP datagram to the server's port. */
gboolean frame_parse(Packet *packet, const guint8 *frame, gsize len, gboolean has_checksum);
/* Makes the answer to an ARP request for `address` in `reply`; FALSE: it is none. */
#define ARP_FRAME_LEN 60u
gboolean frame_answer_arp(guint8 *reply, const guint8 *frame, gsize len, guint32 address,
			  const guint8 *mac);
/* Puts headers in front of a datagram that begins at FRAME_HEADERS. Returns the frame's length. */
#define FRAME_HEADERS 42u
typedef struct Route {
	guint8 mac[6];
	guint32 address;
	guint16 port;
} Route;
/* Asks everybody who has `wanted`; ARP_FRAME_LEN bytes. */
void frame_build_arp(guint8 *frame, guint32 address, const guint8 *mac, guint32 wanted);
/* An answer to that. */
gboolean frame_parse_arp_reply(const guint8 *frame, gsize len, guint32 *address, guint8 mac[6]);
gsize frame_build(guint8 *frame, gsize len, const Route *to, const guint8 *mac, guint32 address,
		  guint16 id);

/* ---- dhcp-server.c: the protocol ---- */

typedef struct Counters {
	guint64 *discover, *request, *decline, *release, *inform;
	guint64 *offer, *ack, *nak;
	guint64 *malformed, *not_for_us, *exhausted, *throttled, *overrun;
	guint64 *probe, *conflict;
} Counters;

typedef struct Server {
	JfInstance *inst;
	guint32 address, mask;
	Leases *leases;
	Config *config;
	char *path; /* of the lease file; NULL: none */
	Counters n;
	gboolean is_broken; /* the lease file cannot be written: said once */
	gboolean probes;    /* an address is asked for before it is offered */
} Server;

/* Where and as what an answer goes: FRAME_HEADERS + JF_DHCP_MAX_LEN bytes. */
typedef struct Answer {
	guint8 *frame;
	gsize len; /* of the datagram; 0: no answer */
	Route to;
	guint32 probe;     /* the address to ask for before the message is handled again; 0: none */
	gboolean is_again; /* in: the message has been here before */
} Answer;

void server_handle(Server *server, const Packet *packet, Answer *answer);
/* What became of a probe: somebody has the address, or nobody said so. */
void server_end_probe(Server *server, guint32 address, gboolean conflict);

/* ---- dhcp-probe.c: messages that wait for it ---- */

typedef struct Probe {
	GList link;
	guint32 address;
	guint64 due;
	guint tries;
	gboolean has_checksum;
	guint8 mac[6]; /* the client's: it may have the address already */
	guint len;
	guint8 bytes[FRAME_MAX];
} Probe;

typedef struct Probes {
	GQueue queue; /* Probe, by `due` */
	guint64 wait; /* ns; 0: no probes */
	JfTimer *timer;
} Probes;

/* FALSE: it is asked for already, too many wait, or the message has had its tries. */
gboolean probes_add(Probes *probes, JfInstance *inst, const Probe *probe);
/* The next one that is over, or the one of this address; NULL: none (g_free). */
Probe *probes_take_due(Probes *probes, guint64 now);
Probe *probes_take(Probes *probes, guint32 address);
/* Arms the timer anew. */
void probes_plan(Probes *probes, JfInstance *inst);
void probes_clear(Probes *probes);

/* ---- dhcp-reply.c: what is in an answer ---- */

/* A client's message with all that follows from it. */
typedef struct Request {
	const Packet *packet;
	JfDhcpMessage message;
	ClientId id;
	guint8 mac[6];
	GPtrArray *scopes;
	guint32 ciaddr, giaddr;
	guint32 wanted;    /* option 50; 0: none */
	guint32 server_id; /* option 54; 0: none */
} Request;

/* `binding` NULL: an answer to DHCPINFORM. `rapid`: with option 80. */
void reply_build(const Server *server, const Request *request, guint8 type, const Binding *binding,
		 gboolean rapid, Answer *answer);
void reply_build_nak(const Server *server, const Request *request, const char *why, Answer *answer);

#endif
