/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat.h - the NAT engine: what its owners, its services and its protocols share.
 *
 * Three rings around it:
 *
 *	owner      nat.c (the attachment of one card), or whoever else has frames: a NatSide to put
 *	           frames out, nat_engine_input and nat_engine_resume to bring them in
 *	engine     nat-engine.c and a file for each protocol: frames to sockets and back
 *	services   DHCP, router advertisements, DNS, TFTP: datagrams to the engine's own addresses
 *
 * All of it runs on the worker of one instance, `engine->inst`; services use that instance's host
 * for timers and watches. Nothing here takes a lock, and nothing blocks.
 *
 * Addresses are NatAddress everywhere: 16 bytes in network order, IPv4 mapped into IPv6
 * (RFC 4291 2.5.5.2), so that one comparison and one hash serve both.
 */
#ifndef NAT_H
#define NAT_H

#include <jackfield/card.h>
#include <jackfield/driver.h>
#include <jackfield/forward.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <sys/socket.h>

typedef struct NatEngine NatEngine;
typedef struct NatCard NatCard; /* nat-card.h */
typedef struct NatBind NatBind;

/* ---- Addresses ---- */

typedef struct NatAddress {
	union {
		guint8 b[16];
		guint32 w[4];
		guint64 q[2];
	};
} NatAddress;

typedef struct NatEndpoint {
	NatAddress address;
	guint16 port; /* host byte order */
} NatEndpoint;

static inline NatAddress
nat_address_v4(guint32 host_order)
{
	NatAddress a = { .b = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };

	jf_put_be32(a.b + 12, host_order);
	return a;
}

static inline gboolean
nat_address_is_v4(const NatAddress *a)
{
	return a->q[0] == 0 && a->w[2] == GUINT32_TO_BE(0xffffu);
}

/* Of an IPv4 address, host byte order. */
static inline guint32
nat_address_get_v4(const NatAddress *a)
{
	return jf_get_be32(a->b + 12);
}

static inline gboolean
nat_address_equal(const NatAddress *a, const NatAddress *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

/* nat-address.c */
#define NAT_ADDRESS_TEXT_MAX 46u
void nat_address_format(const NatAddress *a, char text[NAT_ADDRESS_TEXT_MAX]);
/* IPv4 or IPv6 text. */
gboolean nat_address_parse(const char *text, NatAddress *a);
/* Fills in a sockaddr of the address's own family; returns its length. */
socklen_t nat_address_to_socket(const NatAddress *a, guint16 port, struct sockaddr_storage *out);
/* FALSE: neither IPv4 nor IPv6. */
gboolean nat_address_from_socket(const struct sockaddr_storage *in, NatAddress *a, guint16 *port);
gboolean nat_address_is_loopback(const NatAddress *a);
gboolean nat_address_is_multicast(const NatAddress *a);
/* fe80::/10, 169.254/16 */
gboolean nat_address_is_link_local(const NatAddress *a);

/* ---- Configuration ---- */

#define NAT_LOOPBACKS_MAX 16u

/* An address of the guest's network that leads to a loopback address of the host. */
typedef struct NatLoopback {
	NatAddress guest, host;
} NatLoopback;

/* `alias-mode` */
#define NAT_ALIAS_LOG 0x1u
#define NAT_ALIAS_SAME_PORTS 0x2u

/* What the owner decided, checked. Constant while the engine runs. */
typedef struct NatConfig {
	guint32 network, netmask; /* IPv4, host byte order */
	guint8 prefix6[8];        /* the /64 */
	guint8 mac[6];            /* the engine's own */
	guint16 mtu;
	gboolean ipv4, ipv6;
	gboolean ipv6_default; /* router advertisements make this the default router */

	NatAddress gateway4, name_server4;
	NatAddress gateway6, name_server6, link_local6; /* 6: unspecified without ipv6 */
	guint32 first_lease; /* host byte order; port forwards without an address */
	guint32 n_leases;

	NatLoopback loopbacks[NAT_LOOPBACKS_MAX];
	guint n_loopbacks; /* the gateway's own are among them unless they are switched off */

	gboolean restricted, forward_broadcast;
	guint32 alias;                       /* NAT_ALIAS_* */
	NatAddress bind4, bind6;             /* unspecified: any */
	guint32 send_buffer, receive_buffer; /* SO_SNDBUF, SO_RCVBUF; 0: the system's own */
	guint32 send_window;    /* bytes on their way to the guest, each connection; 0: no limit */
	guint32 receive_window; /* most that the guest is offered; 0: no limit */

	/* Services. */
	gboolean dhcp; /* DHCPv4 and DHCPv6; router advertisements come with ipv6 */
	gboolean dns_pass_domain, dns_proxy, dns_host_resolver;
	char **dns_mappings;    /* "NAME=ADDRESS" or "PATTERN=ADDRESS"; NULL: none */
	char *hostname;         /* told to the guest; NULL: none */
	char *tftp_prefix;      /* an existing directory; NULL: no TFTP */
	char *boot_file;        /* NULL: none */
	NatAddress next_server; /* of DHCP; unspecified: the gateway */
	char *resolv_conf;      /* the host's resolvers; NULL: /etc/resolv.conf */
	gboolean other_dhcp;    /* somebody else on the network answers DHCPv4 */
} NatConfig;

/* nat-router.c: the engine as a service of a network. */
extern const JfDriver nat_router_driver;

/* nat-config.c: from the attachment's properties. */
gboolean nat_config_init(NatConfig *config, JfInstance *inst, const NatCard *card, GError **error);
/* Gateway, name server and link-local address by network and prefix6. */
void nat_config_set_hosts(NatConfig *config, guint gateway, guint name_server, guint first_lease);
void nat_config_set_bind(NatConfig *config, const NatBind *own);
void nat_config_finish(NatConfig *config);

/* ---- The owner's side ---- */

/* Where the engine's frames go. `output` takes up to JF_BATCH_MAX frames and returns how many it
 * took, the first ones; after a short count the owner calls nat_engine_resume once there is room. */
typedef struct NatSide {
	guint (*output)(gpointer data, const JfFrame *frames, guint n);
	gpointer data;
} NatSide;

/* What an owner's driver may declare: the engine takes everything whole. */
#define NAT_ENGINE_OFFLOADS JF_OFFLOAD_ALL

/* From the owner's init. The engine registers its counters and keeps the pointers to config and
 * side until nat_engine_free, which takes NULL. */
NatEngine *nat_engine_new(JfInstance *inst, const NatConfig *config, const NatSide *side);
void nat_engine_free(NatEngine *engine);
gboolean nat_engine_start(NatEngine *engine, GError **error);
/* Ends every flow (the host's peers see a reset) and forgets all guests. */
void nat_engine_stop(NatEngine *engine);
/* Frames from guests; takes all of them unless it is stopped. On the worker, never from `output`. */
guint nat_engine_input(NatEngine *engine, const JfFrame *frames, guint n);
void nat_engine_resume(NatEngine *engine);
/* nat-forward.c: the two functions of jf.forward/1. */
gboolean nat_engine_add_forward(NatEngine *engine, const JfForwardRule *rule, GError **error);
gboolean nat_engine_remove_forward(NatEngine *engine, const char *name, GError **error);

JfInstance *nat_engine_get_instance(NatEngine *engine);
const NatConfig *nat_engine_get_config(NatEngine *engine);

/* ---- For services ---- */

/* What services did. Add with jf_count. */
typedef struct NatServiceCounters {
	guint64 *dhcp_offers, *dhcp_acks, *dhcp_naks;
	guint64 *dns_queries, *dns_failures; /* failures: no resolver had an answer */
	guint64 *tftp_transfers, *tftp_errors;
} NatServiceCounters;
const NatServiceCounters *nat_engine_get_service_counters(NatEngine *engine);

/* A datagram between a guest and one of the engine's own addresses. */
typedef struct NatDatagram {
	NatEndpoint from, to;
	const guint8 *mac; /* 6 bytes: the guest's; NULL in a reply: as the neighbour table says */
	const guint8 *data;
	guint32 len; /* payload */
} NatDatagram;

typedef void (*NatServiceFunc)(NatEngine *engine, const NatDatagram *in, gpointer data);

/*
 * Datagrams to `port` of the engine's own `address` go to `func` from now on; where `address` is
 * unspecified (all zero), those to any own address, broadcast address or multicast group. `in` is
 * good for the call. FALSE: taken already. The table is small: services and TFTP transfers.
 */
gboolean nat_service_add(NatEngine *engine, const NatAddress *address, guint16 port,
			 NatServiceFunc func, gpointer data);
void nat_service_remove(NatEngine *engine, const NatAddress *address, guint16 port);
/* A datagram to a guest: `out->from` is an address of the engine's, up to 65507 bytes; what is longer
 * than the MTU leaves in IP fragments. An IPv4 `to` of 255.255.255.255 without `mac` is broadcast. */
void nat_send_udp(NatEngine *engine, const NatDatagram *out);
/* An ICMPv6 message with hop limit 255; its checksum is filled in. `mac` NULL: the neighbour table,
 * or the group's own address for multicast. At most 1240 bytes. */
void nat_send_icmp6(NatEngine *engine, const guint8 *mac, const NatAddress *from,
		    const NatAddress *to, const guint8 *data, guint32 len);
/* Says where a guest is, as DHCP knows it. */
void nat_neighbour_learn(NatEngine *engine, const NatAddress *address, const guint8 mac[6]);

/*
 * TCP to an own address and port that is no loopback mapping (DNS over TCP): a service says where on
 * the host the connection goes. FALSE: refused.
 */
typedef gboolean (*NatRedirectFunc)(NatEngine *engine, NatEndpoint *to, gpointer data);
gboolean nat_redirect_add(NatEngine *engine, const NatAddress *address, guint16 port,
			  NatRedirectFunc func, gpointer data);

/*
 * The services. `start` registers with nat_service_add and may refuse to start; `stop` also follows
 * a failed start, removes watches and timers, and may come twice. NULL state: not started.
 */
typedef struct NatService {
	const char *name;
	gboolean (*start)(NatEngine *engine, gpointer *state, GError **error);
	void (*stop)(NatEngine *engine, gpointer state); /* not called with a NULL state */
} NatService;

/* nat-services.c: every service, in the order in which they start; NULL at the end. */
extern const NatService *const nat_services[];
/* The state that the service's start left; NULL: not running. */
gpointer nat_service_get_state(NatEngine *engine, const NatService *service);

/* A router solicitation that passed RFC 4861 6.1.1; `from` may be unspecified. One function, set by
 * the service that answers; NULL: none. */
typedef void (*NatSolicitFunc)(NatEngine *engine, const NatAddress *from, const guint8 mac[6],
			       gpointer data);
void nat_engine_set_solicit(NatEngine *engine, NatSolicitFunc func, gpointer data);

#endif
