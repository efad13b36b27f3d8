/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-dns.c - the name server's address: a proxy to the host's resolvers of the moment.
 *
 * Each query has a socket of its own, connected to one resolver: its port and its id are both
 * random, answers from anywhere else do not reach us, and a resolver that is not there says so at
 * once. Without an answer after TRY_SECONDS, or with one that says that this resolver cannot help,
 * the next one is asked, each of them once and one alone twice. In the end the guest gets what there
 * is, or SERVFAIL. The resolver that answered last is the first to be asked.
 *
 * Names that are mapped are answered here; with dns-host-resolver, so are names that the host's
 * library can look up (nat-dns-host.c). All else goes through as it came. TCP goes straight to a
 * resolver, unless some names are answered here (nat-dns-stream.c).
 */
#include <errno.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "nat-services.h"

#define DNS_PORT 53u
#define SECOND G_GUINT64_CONSTANT(1000000000)
#define TRY_SECONDS 2u
#define QUERIES_MAX 256u
/* What a resolver may send. */
#define ANSWER_MAX 65535u
#define QUERY_MAX 4096u
#define RCODE_MASK 0x000fu
#define FLAG_QR 0x8000u
/* Receive calls on one socket in one turn: answers that are not ours may come first. */
#define RECEIVE_TURNS 4u

typedef struct Dns {
	NatEngine *engine;
	const NatConfig *config;
	GQueue queries; /* Query, by deadline */
	JfTimer *timer;
	NatDnsMappings *mappings;
	NatDnsHost *host;       /* NULL: off */
	NatDnsStreams *streams; /* NULL: no name is answered here */
	guint preferred;        /* index of the resolver that answered last */
	guint8 *buf;            /* ANSWER_MAX */
} Dns;

typedef struct Query {
	GList link;
	Dns *dns;
	NatDnsAsker asker;
	guint8 *data; /* with the id that the resolver sees */
	guint len;
	guint16 id;           /* the guest's */
	guint16 question_len; /* after the header; 0: not understood, not compared */
	int fd;               /* -1: none */
	JfWatch *watch;
	guint server, tries_left;
	guint64 deadline;
	guint8 *last; /* an answer that is no help, for want of a better one */
	guint last_len;
} Query;

static const JfHost *
dns_host(const Dns *dns)
{
	return nat_engine_get_instance(dns->engine)->host;
}

static guint64
dns_now(const Dns *dns)
{
	return dns_host(dns)->now(nat_engine_get_instance(dns->engine), JF_CLOCK_MONOTONIC);
}

static void
dns_send(const Dns *dns, const NatDnsAsker *asker, const guint8 *data, guint len)
{
	nat_send_udp(dns->engine, &(NatDatagram){ .from = asker->to,
						  .to = asker->from,
						  .mac = asker->mac,
						  .data = data,
						  .len = len });
}

/* ---- Queries ---- */

static void
query_close(Query *query)
{
	if (query->watch)
		dns_host(query->dns)->watch_remove(query->watch);
	if (query->fd >= 0)
		close(query->fd);
	query->watch = NULL;
	query->fd = -1;
}

static void
dns_plan(Dns *dns)
{
	const Query *first = g_queue_peek_head(&dns->queries);

	dns_host(dns)->timer_arm(dns->timer, first ? first->deadline : 0);
}

static void
query_free(Query *query)
{
	query_close(query);
	g_queue_unlink(&query->dns->queries, &query->link);
	g_free(query->last);
	g_free(query->data);
	g_free(query);
}

static void
query_answer(Query *query, guint8 *data, guint len)
{
	jf_put_be16(data, query->id);
	dns_send(query->dns, &query->asker, data, len);
	query_free(query);
}

/* The question comes back with a code, as a resolver would send it. */
static void
query_fail(Query *query)
{
	guint16 flags = jf_get_be16(query->data + 2);

	jf_count(nat_engine_get_service_counters(query->dns->engine)->dns_failures, 1);
	if (query->last) {
		query_answer(query, query->last, query->last_len);
		return;
	}
	jf_put_be16(query->data + 2,
		    (guint16)((flags & ~RCODE_MASK) | FLAG_QR | 0x80 | NAT_DNS_SERVFAIL));
	memset(query->data + 6, 0, 6);
	if (!query->question_len)
		jf_put_be16(query->data + 4, 0);
	query_answer(query, query->data, NAT_DNS_HEADER_LEN + query->question_len);
}

static gboolean
bind_own(const NatConfig *config, int fd, const NatAddress *to)
{
	static const NatAddress any;
	const NatAddress *own = nat_address_is_v4(to) ? &config->bind4 : &config->bind6;
	struct sockaddr_storage sockaddr;
	socklen_t len;

	if (nat_address_equal(own, &any) || nat_address_is_loopback(to))
		return TRUE;
	len = nat_address_to_socket(own, 0, &sockaddr);
	return !bind(fd, (struct sockaddr *)&sockaddr, len);
}

int
nat_dns_connect(NatEngine *engine, const NatResolver *server, int type)
{
	struct sockaddr_storage sockaddr;
	socklen_t len = nat_address_to_socket(&server->address, DNS_PORT, &sockaddr);
	int fd = socket(sockaddr.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (sockaddr.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&sockaddr)->sin6_scope_id = server->scope;
	if (bind_own(nat_engine_get_config(engine), fd, &server->address) &&
	    (connect(fd, (struct sockaddr *)&sockaddr, len) == 0 || errno == EINPROGRESS))
		return fd;
	close(fd);
	return -1;
}

static void query_ready(JfInstance *inst, int fd, guint32 events, gpointer data);

static gboolean
query_send(Query *query)
{
	const NatResolvConf *conf = nat_resolv_get(query->dns->engine);
	const NatResolver *server = &conf->servers[query->server % conf->n_servers];
	JfInstance *inst = nat_engine_get_instance(query->dns->engine);

	query->fd = nat_dns_connect(query->dns->engine, server, SOCK_DGRAM);
	if (query->fd < 0 || send(query->fd, query->data, query->len, MSG_NOSIGNAL) < 0)
		return FALSE;
	query->watch = inst->host->watch_add(inst, query->fd, EPOLLIN, query_ready, query);
	return query->watch != NULL;
}

/* Asks the next resolver; where none is left, that is the answer. */
static void
query_go_on(Query *query)
{
	Dns *dns = query->dns;

	while (query->tries_left) {
		query_close(query);
		query->tries_left--;
		query->server++;
		if (!query_send(query))
			continue;
		g_queue_unlink(&dns->queries, &query->link);
		query->deadline = dns_now(dns) + TRY_SECONDS * SECOND;
		g_queue_push_tail_link(&dns->queries, &query->link);
		return;
	}
	query_fail(query);
}

/* ---- Answers ---- */

static gboolean
answer_fits(const Query *query, const guint8 *data, gssize len)
{
	return len >= (gssize)NAT_DNS_HEADER_LEN + query->question_len &&
	       memcmp(data, query->data, 2) == 0 && (jf_get_be16(data + 2) & FLAG_QR) &&
	       (jf_get_be16(data + 4) == 0 ||
		memcmp(data + NAT_DNS_HEADER_LEN, query->data + NAT_DNS_HEADER_LEN,
		       query->question_len) == 0);
}

static void
query_take(Query *query, guint8 *data, guint len)
{
	guint code = jf_get_be16(data + 2) & RCODE_MASK;
	Dns *dns = query->dns;

	if ((code == NAT_DNS_SERVFAIL || code == NAT_DNS_NOTIMP || code == NAT_DNS_REFUSED) &&
	    query->tries_left) {
		g_free(query->last);
		query->last = g_memdup2(data, len);
		query->last_len = len;
		query_go_on(query);
		return;
	}
	dns->preferred = query->server;
	query_answer(query, data, len);
}

static void
query_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Query *query = data;
	Dns *dns = query->dns;

	(void)inst;
	(void)events;
	for (guint turn = 0; turn < RECEIVE_TURNS; turn++) {
		gssize got = recv(fd, dns->buf, ANSWER_MAX, 0);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got >= 0 && !answer_fits(query, dns->buf, got))
			continue;
		if (got < 0)
			query_go_on(query);
		else
			query_take(query, dns->buf, (guint)got);
		dns_plan(dns);
		return;
	}
}

static void
dns_due(JfInstance *inst, gpointer data)
{
	Dns *dns = data;
	guint64 now = dns_now(dns);
	Query *query;

	(void)inst;
	while ((query = g_queue_peek_head(&dns->queries)) && query->deadline <= now)
		query_go_on(query);
	dns_plan(dns);
}

/* ---- From the guest ---- */

/* A guest that asks again has waited long enough for this resolver. */
static Query *
dns_find(Dns *dns, const NatDatagram *in)
{
	for (GList *l = dns->queries.head; l; l = l->next) {
		Query *query = l->data;

		if (query->len == in->len && query->id == jf_get_be16(in->data) &&
		    query->asker.from.port == in->from.port &&
		    nat_address_equal(&query->asker.from.address, &in->from.address) &&
		    memcmp(query->data + 2, in->data + 2, in->len - 2) == 0)
			return query;
	}
	return NULL;
}

static void
dns_forward(Dns *dns, const NatDnsAsker *asker, const NatDatagram *in,
	    const NatDnsQuestion *question)
{
	guint n = nat_resolv_get(dns->engine)->n_servers;
	Query *query = dns_find(dns, in);
	guint16 id;

	if (query) {
		if (query->tries_left)
			query_go_on(query);
		return;
	}
	/* The oldest has had its time. */
	if (g_queue_get_length(&dns->queries) >= QUERIES_MAX)
		query_fail(g_queue_peek_head(&dns->queries));
	if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id)
		id = (guint16)g_random_int();
	query = g_new0(Query, 1);
	query->link.data = query;
	query->dns = dns;
	query->asker = *asker;
	query->fd = -1;
	query->id = jf_get_be16(in->data);
	query->len = in->len;
	query->data = g_memdup2(in->data, in->len);
	jf_put_be16(query->data, id);
	query->question_len = question ? question->len : 0;
	/* query_go_on begins with the next one. */
	query->server = dns->preferred + n - 1;
	query->tries_left = MAX(n, 2u);
	g_queue_push_tail_link(&dns->queries, &query->link);
	query_go_on(query);
}

static NatDnsOutcome
dns_ask(gpointer data, const NatDnsAsker *asker, const NatDnsQuestion *question,
	const guint8 *query, NatDnsAnswer *answer)
{
	Dns *dns = data;

	if (nat_dns_mappings_answer(dns->mappings, question, query, answer))
		return NAT_DNS_ANSWERED;
	if (dns->host && nat_dns_host_ask(dns->host, asker, question, query))
		return NAT_DNS_LATER;
	return NAT_DNS_NOT_OURS;
}

static void
dns_host_answered(gpointer data, const NatDnsAsker *asker, const guint8 *answer, guint len)
{
	Dns *dns = data;

	if (asker->stream)
		nat_dns_streams_answer(dns->streams, asker->stream, answer, len);
	else
		dns_send(dns, asker, answer, len);
}

static void
dns_input(NatEngine *engine, const NatDatagram *in, gpointer data)
{
	NatDnsAsker asker = { .from = in->from, .to = in->to };
	NatDnsQuestion question;
	NatDnsAnswer answer;
	Dns *dns = data;
	NatDnsOutcome outcome = NAT_DNS_NOT_OURS;
	gboolean is_plain;

	if (in->len < NAT_DNS_HEADER_LEN || in->len > QUERY_MAX ||
	    (jf_get_be16(in->data + 2) & FLAG_QR))
		return;
	jf_count(nat_engine_get_service_counters(engine)->dns_queries, 1);
	memcpy(asker.mac, in->mac, 6);
	is_plain = nat_dns_parse(&question, in->data, in->len);
	if (is_plain)
		outcome = dns_ask(dns, &asker, &question, in->data, &answer);
	if (outcome == NAT_DNS_ANSWERED)
		dns_send(dns, &asker, answer.data, answer.len);
	else if (outcome == NAT_DNS_NOT_OURS)
		dns_forward(dns, &asker, in, is_plain ? &question : NULL);
	dns_plan(dns);
}

static gboolean
dns_redirect(NatEngine *engine, NatEndpoint *to, gpointer data)
{
	const NatResolvConf *conf = nat_resolv_get(engine);
	const Dns *dns = data;

	if (dns->streams) {
		to->address = nat_address_v4(INADDR_LOOPBACK);
		to->port = nat_dns_streams_get_port(dns->streams);
		return TRUE;
	}
	to->address = conf->servers[dns->preferred % conf->n_servers].address;
	to->port = DNS_PORT;
	return TRUE;
}

/* ---- Life ---- */

static void
dns_changed(NatEngine *engine, gpointer data)
{
	Dns *dns = data;

	(void)engine;
	dns->preferred = 0;
}

static void
dns_stop(NatEngine *engine, gpointer state)
{
	const NatConfig *config = nat_engine_get_config(engine);
	Dns *dns = state;
	Query *query;

	nat_service_remove(engine, &config->name_server4, DNS_PORT);
	nat_service_remove(engine, &config->name_server6, DNS_PORT);
	nat_resolv_listen(engine, NULL, dns);
	while ((query = g_queue_peek_head(&dns->queries)))
		query_free(query);
	dns_host(dns)->timer_remove(dns->timer);
	nat_dns_host_free(dns->host);
	nat_dns_streams_free(dns->streams);
	nat_dns_mappings_free(dns->mappings);
	g_free(dns->buf);
	g_free(dns);
}

static void
dns_register(Dns *dns)
{
	const NatConfig *config = dns->config;

	if (config->ipv4) {
		nat_service_add(dns->engine, &config->name_server4, DNS_PORT, dns_input, dns);
		nat_redirect_add(dns->engine, &config->name_server4, DNS_PORT, dns_redirect, dns);
	}
	if (config->ipv6) {
		nat_service_add(dns->engine, &config->name_server6, DNS_PORT, dns_input, dns);
		nat_redirect_add(dns->engine, &config->name_server6, DNS_PORT, dns_redirect, dns);
	}
	nat_resolv_listen(dns->engine, dns_changed, dns);
}

static gboolean
dns_start(NatEngine *engine, gpointer *state, GError **error)
{
	JfInstance *inst = nat_engine_get_instance(engine);
	Dns *dns;

	/* A look-up would be a way out. */
	if (nat_engine_get_config(engine)->restricted)
		return TRUE;
	dns = *state = g_new0(Dns, 1);
	dns->engine = engine;
	dns->config = nat_engine_get_config(engine);
	dns->buf = g_malloc(ANSWER_MAX);
	dns->timer = inst->host->timer_add(inst, dns_due, dns);
	dns->mappings = nat_dns_mappings_new(dns->config->dns_mappings, error);
	if (!dns->mappings)
		return FALSE;
	if (dns->config->dns_host_resolver) {
		dns->host = nat_dns_host_new(engine, dns_host_answered, dns, error);
		if (!dns->host)
			return FALSE;
	}
	if (dns->host || dns->config->dns_mappings) {
		dns->streams = nat_dns_streams_new(engine, dns_ask, dns, error);
		if (!dns->streams)
			return FALSE;
	}
	dns_register(dns);
	return TRUE;
}

const NatService nat_service_dns = {
	.name = "dns",
	.start = dns_start,
	.stop = dns_stop,
};
