/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-dns-stream.c - name service over TCP (RFC 7766) where names are answered here.
 *
 * The guest's connections end at a listening socket on the host's loopback, so that the engine sees
 * nothing but one more server of the host's. It is there only while there are mappings or the host's
 * library to ask; without them a connection goes to a resolver itself.
 *
 * One query at a time: the next is looked at once the answer to the one before has been written.
 * What is not answered here goes to the resolvers, by a connection of its own for each query, to one
 * after the other until one answers.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "nat-services.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define STREAMS_MAX 64u
#define IDLE_SECONDS 30u
#define TRY_SECONDS 4u
#define PREFIX_LEN 2u
#define QUERY_MAX 4096u
#define READ_MAX 4096u
#define BACKLOG 16

/* A connection to one resolver, for one query. */
typedef struct Upstream {
	int fd; /* -1: none */
	JfWatch *watch;
	guint server, tries_left;
	guint sent;      /* of the query */
	GByteArray *got; /* with the prefix */
} Upstream;

typedef struct Stream {
	GList link;
	NatDnsStreams *streams;
	guint64 id;
	int fd;
	JfWatch *watch;
	guint64 deadline;
	GByteArray *in;  /* not answered yet, from a prefix on */
	GByteArray *out; /* of one answer, with the prefix */
	guint sent;      /* of `out` */
	gboolean waits;  /* the first query of `in` is being answered */
	Upstream up;
} Stream;

struct NatDnsStreams {
	NatEngine *engine;
	NatDnsAskFunc ask;
	gpointer data;
	int fd;
	guint16 port;
	JfWatch *watch;
	JfTimer *timer;
	GQueue list; /* Stream, the oldest first */
	guint64 last_id;
	guint64 again; /* when guests may come again; 0: now */
	guint preferred;
};

static JfInstance *
instance_of(const NatDnsStreams *streams)
{
	return nat_engine_get_instance(streams->engine);
}

/* ---- One connection ---- */

static void
upstream_close(Stream *stream)
{
	JfInstance *inst = instance_of(stream->streams);

	if (stream->up.watch)
		inst->host->watch_remove(stream->up.watch);
	if (stream->up.fd >= 0)
		close(stream->up.fd);
	stream->up.watch = NULL;
	stream->up.fd = -1;
	stream->up.sent = 0;
	g_byte_array_set_size(stream->up.got, 0);
}

static void
stream_free(Stream *stream)
{
	upstream_close(stream);
	if (stream->watch)
		instance_of(stream->streams)->host->watch_remove(stream->watch);
	close(stream->fd);
	g_queue_unlink(&stream->streams->list, &stream->link);
	g_byte_array_unref(stream->up.got);
	g_byte_array_unref(stream->in);
	g_byte_array_unref(stream->out);
	g_free(stream);
}

static void
plan(NatDnsStreams *streams)
{
	guint64 first = streams->again;

	for (const GList *l = streams->list.head; l; l = l->next) {
		const Stream *stream = l->data;

		if (!first || stream->deadline < first)
			first = stream->deadline;
	}
	instance_of(streams)->host->timer_arm(streams->timer, first);
}

static void
set_deadline(Stream *stream, guint seconds)
{
	JfInstance *inst = instance_of(stream->streams);

	stream->deadline = inst->host->now(inst, JF_CLOCK_MONOTONIC) + seconds * SECOND;
	plan(stream->streams);
}

static void
stream_set_events(Stream *stream)
{
	guint32 events = stream->out->len ? EPOLLOUT : stream->waits ? 0 : EPOLLIN;

	instance_of(stream->streams)->host->watch_modify(stream->watch, events);
}

/* Of the first query, without the prefix; 0: it is not whole yet. */
static guint
query_len(const Stream *stream)
{
	guint len;

	if (stream->in->len < PREFIX_LEN)
		return 0;
	len = jf_get_be16(stream->in->data);
	return stream->in->len >= PREFIX_LEN + len ? len : 0;
}

/* FALSE: the guest is gone. */
static gboolean
stream_write(Stream *stream)
{
	gssize n = send(stream->fd, stream->out->data + stream->sent,
			stream->out->len - stream->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	stream->sent += (guint)n;
	if (stream->sent < stream->out->len)
		return TRUE;
	g_byte_array_set_size(stream->out, 0);
	stream->sent = 0;
	return TRUE;
}

static void
stream_put(Stream *stream, const guint8 *data, guint len)
{
	guint8 prefix[PREFIX_LEN];

	jf_put_be16(prefix, (guint16)len);
	g_byte_array_append(stream->out, prefix, sizeof prefix);
	g_byte_array_append(stream->out, data, len);
	g_byte_array_remove_range(stream->in, 0, PREFIX_LEN + query_len(stream));
	stream->waits = FALSE;
	upstream_close(stream);
	set_deadline(stream, IDLE_SECONDS);
}

/* ---- To the resolvers ---- */

static void upstream_ready(JfInstance *inst, int fd, guint32 events, gpointer data);
static void stream_go_on(Stream *stream);

static gboolean
upstream_open(Stream *stream)
{
	const NatResolvConf *conf = nat_resolv_get(stream->streams->engine);
	const NatResolver *server = &conf->servers[stream->up.server % conf->n_servers];
	JfInstance *inst = instance_of(stream->streams);

	stream->up.fd = nat_dns_connect(stream->streams->engine, server, SOCK_STREAM);
	if (stream->up.fd >= 0)
		stream->up.watch = inst->host->watch_add(inst, stream->up.fd, EPOLLOUT,
							 upstream_ready, stream);
	return stream->up.watch != NULL;
}

/* The next resolver; where none is left, the guest is told that. */
static void
upstream_try(Stream *stream)
{
	guint8 answer[NAT_DNS_HEADER_LEN] = { 0 };

	while (stream->up.tries_left) {
		upstream_close(stream);
		stream->up.tries_left--;
		stream->up.server++;
		if (!upstream_open(stream))
			continue;
		set_deadline(stream, TRY_SECONDS);
		return;
	}
	jf_count(nat_engine_get_service_counters(stream->streams->engine)->dns_failures, 1);
	memcpy(answer, stream->in->data + PREFIX_LEN, 4);
	jf_put_be16(answer + 2, (guint16)(jf_get_be16(answer + 2) | 0x8080u | NAT_DNS_SERVFAIL));
	stream_put(stream, answer, sizeof answer);
}

static void
upstream_begin(Stream *stream)
{
	guint n = nat_resolv_get(stream->streams->engine)->n_servers;

	stream->up.server = stream->streams->preferred + n - 1;
	stream->up.tries_left = n;
	upstream_try(stream);
}

/* FALSE: this resolver is no help. */
static gboolean
upstream_write(Stream *stream)
{
	guint len = PREFIX_LEN + query_len(stream);
	gssize n = send(stream->up.fd, stream->in->data + stream->up.sent, len - stream->up.sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	stream->up.sent += (guint)n;
	if (stream->up.sent == len)
		instance_of(stream->streams)->host->watch_modify(stream->up.watch, EPOLLIN);
	return TRUE;
}

static gboolean
upstream_read(Stream *stream)
{
	guint8 data[READ_MAX];
	gssize n = recv(stream->up.fd, data, sizeof data, MSG_DONTWAIT);
	GByteArray *got = stream->up.got;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return FALSE;
	g_byte_array_append(got, data, (guint)n);
	if (got->len < PREFIX_LEN || got->len < PREFIX_LEN + jf_get_be16(got->data))
		return TRUE;
	/* The answer to this query, and to no other. */
	if (jf_get_be16(got->data) < NAT_DNS_HEADER_LEN ||
	    memcmp(got->data + PREFIX_LEN, stream->in->data + PREFIX_LEN, 2) != 0)
		return FALSE;
	stream->streams->preferred = stream->up.server;
	g_byte_array_set_size(got, PREFIX_LEN + jf_get_be16(got->data));
	stream_put(stream, got->data + PREFIX_LEN, got->len - PREFIX_LEN);
	return TRUE;
}

static void
upstream_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Stream *stream = data;

	(void)inst;
	(void)fd;
	if (!((events & EPOLLIN) || stream->up.sent == PREFIX_LEN + query_len(stream)
		      ? upstream_read(stream)
		      : !(events & EPOLLERR) && upstream_write(stream)))
		upstream_try(stream);
	if (!stream->waits)
		stream_go_on(stream);
}

/* ---- Queries ---- */

/* TRUE: one more has been taken up. FALSE: there is none, or it is no query. */
static gboolean
stream_take(Stream *stream)
{
	NatDnsStreams *streams = stream->streams;
	const guint8 *query = stream->in->data + PREFIX_LEN;
	guint len = query_len(stream);
	NatDnsAsker asker = { .stream = stream->id };
	NatDnsQuestion question;
	NatDnsAnswer answer;

	if (len < NAT_DNS_HEADER_LEN)
		return FALSE;
	stream->waits = TRUE;
	jf_count(nat_engine_get_service_counters(streams->engine)->dns_queries, 1);
	if (!nat_dns_parse(&question, query, len)) {
		upstream_begin(stream);
		return TRUE;
	}
	question.answer_max = NAT_DNS_ANSWER_MAX;
	switch (streams->ask(streams->data, &asker, &question, query, &answer)) {
	case NAT_DNS_ANSWERED:
		stream_put(stream, answer.data, answer.len);
		break;
	case NAT_DNS_LATER:
		/* The library has its own time-outs. */
		set_deadline(stream, 2 * IDLE_SECONDS);
		break;
	default:
		upstream_begin(stream);
	}
	return TRUE;
}

/* Answers are written and queries taken up as far as that goes. Frees the stream of a guest that is
 * gone, or that does not speak this language. */
static void
stream_go_on(Stream *stream)
{
	for (;;) {
		if (stream->out->len && !stream_write(stream)) {
			stream_free(stream);
			return;
		}
		if (stream->out->len || stream->waits || !stream_take(stream))
			break;
	}
	stream_set_events(stream);
}

static void
stream_read(Stream *stream)
{
	guint8 data[PREFIX_LEN + QUERY_MAX];
	gssize n = recv(stream->fd, data, sizeof data - stream->in->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		g_byte_array_append(stream->in, data, (guint)n);
	/* A length that no query has will not become one. */
	if (n <= 0 || (stream->in->len >= PREFIX_LEN &&
		       (jf_get_be16(stream->in->data) > QUERY_MAX ||
			jf_get_be16(stream->in->data) < NAT_DNS_HEADER_LEN))) {
		stream_free(stream);
		return;
	}
	set_deadline(stream, IDLE_SECONDS);
	stream_go_on(stream);
}

static void
stream_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Stream *stream = data;
	NatDnsStreams *streams = stream->streams;

	(void)inst;
	(void)fd;
	if (events & EPOLLIN)
		stream_read(stream);
	else if (events & (EPOLLERR | EPOLLHUP))
		stream_free(stream);
	else
		stream_go_on(stream);
	plan(streams);
}

void
nat_dns_streams_answer(NatDnsStreams *streams, guint64 id, const guint8 *data, guint len)
{
	for (GList *l = streams->list.head; l; l = l->next) {
		Stream *stream = l->data;

		if (stream->id != id)
			continue;
		stream_put(stream, data, len);
		stream_go_on(stream);
		return;
	}
}

/* ---- All of them ---- */

static void
streams_due(JfInstance *inst, gpointer data)
{
	NatDnsStreams *streams = data;
	guint64 now = inst->host->now(inst, JF_CLOCK_MONOTONIC);
	GList *next;

	for (GList *l = streams->list.head; l; l = next) {
		Stream *stream = l->data;

		next = l->next;
		if (stream->deadline > now)
			continue;
		if (stream->up.fd < 0) {
			stream_free(stream);
			continue;
		}
		upstream_try(stream);
		if (!stream->waits)
			stream_go_on(stream);
	}
	if (streams->again && streams->again <= now) {
		streams->again = 0;
		inst->host->watch_modify(streams->watch, EPOLLIN);
	}
	plan(streams);
}

static void
streams_accept(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	NatDnsStreams *streams = data;
	int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	Stream *stream;

	(void)events;
	if (got < 0) {
		/* Whoever waits would wake this up at once. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			streams->again = inst->host->now(inst, JF_CLOCK_MONOTONIC) + SECOND;
			inst->host->watch_modify(streams->watch, 0);
			plan(streams);
		}
		return;
	}
	/* The oldest has had its time. */
	if (g_queue_get_length(&streams->list) >= STREAMS_MAX)
		stream_free(g_queue_peek_head(&streams->list));
	stream = g_new0(Stream, 1);
	stream->link.data = stream;
	stream->streams = streams;
	stream->id = ++streams->last_id;
	stream->fd = got;
	stream->up.fd = -1;
	stream->up.got = g_byte_array_new();
	stream->in = g_byte_array_new();
	stream->out = g_byte_array_new();
	g_queue_push_tail_link(&streams->list, &stream->link);
	stream->watch = inst->host->watch_add(inst, got, EPOLLIN, stream_ready, stream);
	if (stream->watch)
		set_deadline(stream, IDLE_SECONDS);
	else
		stream_free(stream);
}

static gboolean
streams_listen(NatDnsStreams *streams)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	JfInstance *inst = instance_of(streams);

	streams->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (streams->fd < 0 || bind(streams->fd, (struct sockaddr *)&address, len) ||
	    listen(streams->fd, BACKLOG) ||
	    getsockname(streams->fd, (struct sockaddr *)&address, &len))
		return FALSE;
	streams->port = ntohs(address.sin_port);
	streams->watch = inst->host->watch_add(inst, streams->fd, EPOLLIN, streams_accept, streams);
	return streams->watch != NULL;
}

NatDnsStreams *
nat_dns_streams_new(NatEngine *engine, NatDnsAskFunc ask, gpointer data, GError **error)
{
	NatDnsStreams *streams = g_new0(NatDnsStreams, 1);
	JfInstance *inst = nat_engine_get_instance(engine);

	streams->engine = engine;
	streams->ask = ask;
	streams->data = data;
	streams->timer = inst->host->timer_add(inst, streams_due, streams);
	if (streams_listen(streams))
		return streams;
	g_set_error(error, JF_ERROR, JF_ERROR_NETWORK,
		    "%s: name service over TCP cannot listen on 127.0.0.1: %s", inst->name,
		    g_strerror(errno));
	nat_dns_streams_free(streams);
	return NULL;
}

void
nat_dns_streams_free(NatDnsStreams *streams)
{
	Stream *stream;

	if (!streams)
		return;
	while ((stream = g_queue_peek_head(&streams->list)))
		stream_free(stream);
	if (streams->watch)
		instance_of(streams)->host->watch_remove(streams->watch);
	if (streams->fd >= 0)
		close(streams->fd);
	instance_of(streams)->host->timer_remove(streams->timer);
	g_free(streams);
}

guint16
nat_dns_streams_get_port(const NatDnsStreams *streams)
{
	return streams->port;
}
