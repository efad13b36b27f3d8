/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-services.h - the services of the NAT engine, and what they share. */
#ifndef NAT_SERVICES_H
#define NAT_SERVICES_H

#include "nat.h"

extern const NatService nat_service_resolv; /* the first: others listen to it */
extern const NatService nat_service_dhcp;
extern const NatService nat_service_dhcp6;
extern const NatService nat_service_ra;
extern const NatService nat_service_dns;
extern const NatService nat_service_tftp;

/* ---- nat-resolv.c: the host's resolvers, as resolv.conf(5) has them now ---- */

#define NAT_RESOLVERS_MAX 8u
#define NAT_DOMAINS_MAX 16u
#define NAT_DOMAIN_MAX 253u

typedef struct NatResolver {
	NatAddress address;
	guint32 scope; /* interface of a link-local address; 0: none */
} NatResolver;

typedef struct NatResolvConf {
	NatResolver servers[NAT_RESOLVERS_MAX];
	guint n_servers; /* at least 1: this host, where the file names none */
	char domains[NAT_DOMAINS_MAX]
		    [NAT_DOMAIN_MAX + 1]; /* search list, lower case, no last dot */
	guint n_domains;
} NatResolvConf;

void nat_resolv_parse(NatResolvConf *conf, const char *text);

/* Never NULL while services run. Good until the next turn of the worker. */
const NatResolvConf *nat_resolv_get(NatEngine *engine);
typedef void (*NatResolvFunc)(NatEngine *engine, gpointer data);
/* Tells of changes, until `data`'s service stops: the same call with a NULL func ends it. */
void nat_resolv_listen(NatEngine *engine, NatResolvFunc func, gpointer data);

/* The name servers that guests are told, of one family; *n of them, at most NAT_RESOLVERS_MAX. */
void nat_resolv_list(NatEngine *engine, gboolean ipv6, NatAddress *list, guint *n);
/* The search list for guests as names of DNS messages (RFC 1035 3.1), whole names only. Returns its
 * length: 0 where none is to be told. */
gsize nat_resolv_put_domains(NatEngine *engine, guint8 *out, gsize size);

/* ---- nat-dns-message.c ---- */

#define NAT_DNS_HEADER_LEN 12u
#define NAT_DNS_A 1u
#define NAT_DNS_PTR 12u
#define NAT_DNS_AAAA 28u
#define NAT_DNS_NAME_MAX 255u

typedef enum {
	NAT_DNS_NOERROR = 0,
	NAT_DNS_FORMERR = 1,
	NAT_DNS_SERVFAIL = 2,
	NAT_DNS_NXDOMAIN = 3,
	NAT_DNS_NOTIMP = 4,
	NAT_DNS_REFUSED = 5,
} NatDnsCode;

/* The one question of a query. */
typedef struct NatDnsQuestion {
	guint16 id, flags;
	guint16 type, klass;
	guint16 len;                     /* bytes of it after the header */
	guint16 answer_max;              /* bytes that the answer may have */
	char name[NAT_DNS_NAME_MAX + 1]; /* lower case, no last dot; "" where it has odd bytes */
} NatDnsQuestion;

/* FALSE: no query, or one without exactly one whole question. The answer is to be a datagram. */
gboolean nat_dns_parse(NatDnsQuestion *question, const guint8 *data, gsize len);
/* The address that a name of in-addr.arpa or ip6.arpa stands for. */
gboolean nat_dns_parse_reverse(const char *name, NatAddress *address);

/* An answer being written. */
#define NAT_DNS_DATAGRAM_MAX 512u /* RFC 1035 4.2.1: what every client takes */
#define NAT_DNS_ANSWER_MAX 2048u
typedef struct NatDnsAnswer {
	guint8 data[NAT_DNS_ANSWER_MAX];
	guint len, max;
} NatDnsAnswer;

/* `query` has been parsed into `question`. */
void nat_dns_answer_init(NatDnsAnswer *answer, const NatDnsQuestion *question, const guint8 *query,
			 NatDnsCode code);
/* Records of the question's name; without room the answer says that it is cut. */
void nat_dns_answer_add_address(NatDnsAnswer *answer, const NatAddress *address);
void nat_dns_answer_add_name(NatDnsAnswer *answer, const char *name);
/* Writes a name of at most NAT_DOMAIN_MAX bytes. Returns its length, 0: no room, or no name. */
gsize nat_dns_put_name(const char *name, guint8 *out, gsize size);

/* ---- nat-dns-mapping.c: names that are answered before anybody is asked ---- */

typedef struct NatDnsMappings NatDnsMappings;
/* `list` NULL: none. VALUE: an entry is not NAME=ADDRESS or PATTERN|PATTERN=ADDRESS. */
NatDnsMappings *nat_dns_mappings_new(char **list, GError **error);
void nat_dns_mappings_free(NatDnsMappings *mappings);
/* TRUE: the name is mapped, and the answer has been made. */
gboolean nat_dns_mappings_answer(const NatDnsMappings *mappings, const NatDnsQuestion *question,
				 const guint8 *query, NatDnsAnswer *answer);

/* ---- nat-dns-host.c: names that the host's own library looks up ---- */

/* Whom an answer goes to. */
typedef struct NatDnsAsker {
	guint64 stream; /* of NatDnsStreams; 0: a datagram from here */
	NatEndpoint from, to;
	guint8 mac[6];
} NatDnsAsker;

typedef void (*NatDnsAnswerFunc)(gpointer data, const NatDnsAsker *asker, const guint8 *answer,
				 guint len);
typedef struct NatDnsHost NatDnsHost;
/* `func` gets the answers. NULL with an error: no threads, no descriptors. */
NatDnsHost *nat_dns_host_new(NatEngine *engine, NatDnsAnswerFunc func, gpointer data,
			     GError **error);
/* Does not wait for look-ups that are under way. */
void nat_dns_host_free(NatDnsHost *host);
/* FALSE: not of a kind that the library looks up, or too many are under way. */
gboolean nat_dns_host_ask(NatDnsHost *host, const NatDnsAsker *asker,
			  const NatDnsQuestion *question, const guint8 *query);

/* ---- nat-dns.c, for nat-dns-stream.c ---- */

/* A socket that is connected, or connecting, to a resolver from the right address; -1: errno. */
int nat_dns_connect(NatEngine *engine, const NatResolver *server, int type);

typedef enum {
	NAT_DNS_NOT_OURS, /* a resolver has to be asked */
	NAT_DNS_ANSWERED,
	NAT_DNS_LATER, /* nat_dns_streams_answer follows */
} NatDnsOutcome;
typedef NatDnsOutcome (*NatDnsAskFunc)(gpointer data, const NatDnsAsker *asker,
				       const NatDnsQuestion *question, const guint8 *query,
				       NatDnsAnswer *answer);

/* ---- nat-dns-stream.c: the same over TCP ---- */

typedef struct NatDnsStreams NatDnsStreams;
/* NETWORK: it cannot listen on the loopback. */
NatDnsStreams *nat_dns_streams_new(NatEngine *engine, NatDnsAskFunc ask, gpointer data,
				   GError **error);
void nat_dns_streams_free(NatDnsStreams *streams);
/* Where connections of guests are to go, at 127.0.0.1. */
guint16 nat_dns_streams_get_port(const NatDnsStreams *streams);
/* A stream that is gone by now gets nothing. */
void nat_dns_streams_answer(NatDnsStreams *streams, guint64 stream, const guint8 *data, guint len);

/* ---- nat-tftp-file.c ---- */

typedef struct NatTftpFile {
	int fd;
	gboolean netascii;
	guint64 size;
} NatTftpFile;

/* Where in a file a block begins. */
typedef struct NatTftpMark {
	guint64 offset;
	guint8 pending; /* netascii: the second byte of a pair that did not fit; 0xff: none */
} NatTftpMark;

/* Returns 0, or an errno. */
int nat_tftp_file_open(NatTftpFile *file, int directory, const char *name, gboolean netascii);
void nat_tftp_file_close(NatTftpFile *file);
/* The block at `mark`, which moves on. Returns its length, short at the end; -1: it cannot be read. */
gssize nat_tftp_file_read(const NatTftpFile *file, NatTftpMark *mark, guint8 *out, gsize size);

#endif
