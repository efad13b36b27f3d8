/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-dns-host.c - names looked up by the host's own library, with its files, mDNS and whatever
 * nsswitch.conf(5) says.
 *
 * The library blocks: look-ups run on a few threads, which make the whole answer and leave it in a
 * queue; an eventfd wakes the worker, which sends it. Queue and eventfd belong to all jobs together,
 * so that an engine that stops need not wait for them: what comes later goes to nobody.
 */
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "nat-services.h"

#define CLASS_IN 1u
#define THREADS 4
#define JOBS_MAX 256u
#define ADDRESSES_MAX 30u

typedef struct Shared {
	GAsyncQueue *done; /* Job */
	int event;
	int pending;
	int is_over; /* atomic: nobody waits for answers any more */
} Shared;

typedef struct Job {
	Shared *shared; /* a reference */
	NatDnsAsker asker;
	NatDnsQuestion question;
	guint8 query[NAT_DNS_HEADER_LEN + NAT_DNS_NAME_MAX + 4];
	NatDnsAnswer answer;
} Job;

struct NatDnsHost {
	NatEngine *engine;
	NatDnsAnswerFunc func;
	gpointer data;
	GThreadPool *pool;
	JfWatch *watch;
	Shared *shared;
};

/* ---- On a thread ---- */

static NatDnsCode
code_of(int result)
{
	switch (result) {
	case 0:
#ifdef EAI_NODATA
	case EAI_NODATA:
#endif
	case EAI_ADDRFAMILY:
		return NAT_DNS_NOERROR;
	case EAI_NONAME:
		return NAT_DNS_NXDOMAIN;
	default:
		return NAT_DNS_SERVFAIL;
	}
}

static void
job_add_addresses(Job *job, const struct addrinfo *found)
{
	guint n = 0;

	for (; found && n < ADDRESSES_MAX; found = found->ai_next, n++) {
		struct sockaddr_storage sockaddr = { .ss_family = AF_UNSPEC };
		NatAddress address;
		guint16 port;

		memcpy(&sockaddr, found->ai_addr, MIN(found->ai_addrlen, sizeof sockaddr));
		if (nat_address_from_socket(&sockaddr, &address, &port))
			nat_dns_answer_add_address(&job->answer, &address);
	}
}

/* A name that has addresses of the other family only exists, but the library may say that it does
 * not: that is asked for where it matters. */
static gboolean
name_exists(const char *name)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	if (getaddrinfo(name, NULL, &hints, &found))
		return FALSE;
	freeaddrinfo(found);
	return TRUE;
}

static void
job_look_up(Job *job)
{
	const NatDnsQuestion *question = &job->question;
	const struct addrinfo hints = {
		.ai_family = question->type == NAT_DNS_A ? AF_INET : AF_INET6,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found = NULL;
	NatDnsCode code = code_of(getaddrinfo(question->name, NULL, &hints, &found));

	if (code == NAT_DNS_NXDOMAIN && name_exists(question->name))
		code = NAT_DNS_NOERROR;
	nat_dns_answer_init(&job->answer, question, job->query, code);
	job_add_addresses(job, found);
	if (found)
		freeaddrinfo(found);
}

static void
job_look_back(Job *job)
{
	struct sockaddr_storage sockaddr;
	char name[NI_MAXHOST] = "";
	NatAddress address;
	socklen_t len;
	int result;

	nat_dns_parse_reverse(job->question.name, &address);
	len = nat_address_to_socket(&address, 0, &sockaddr);
	result = getnameinfo((struct sockaddr *)&sockaddr, len, name, sizeof name, NULL, 0,
			     NI_NAMEREQD);
	nat_dns_answer_init(&job->answer, &job->question, job->query, code_of(result));
	if (result == 0)
		nat_dns_answer_add_name(&job->answer, name);
}

static void
shared_clear(gpointer data)
{
	Shared *shared = data;

	g_async_queue_unref(shared->done);
	if (shared->event >= 0)
		close(shared->event);
}

static void
job_free(gpointer data)
{
	Job *job = data;

	g_free(job);
}

static void
job_drop(Job *job)
{
	g_atomic_rc_box_release_full(job->shared, shared_clear);
	job_free(job);
}

/* The job is the queue's before it is anybody's to free: the reference is kept here. */
static void
job_run(gpointer data, gpointer unused)
{
	const guint64 one = 1;
	Job *job = data;
	Shared *shared = job->shared;

	(void)unused;
	if (g_atomic_int_get(&shared->is_over)) {
		job_drop(job);
		return;
	}
	if (job->question.type == NAT_DNS_PTR)
		job_look_back(job);
	else
		job_look_up(job);
	g_async_queue_push(shared->done, job);
	/* Full only while the worker has a wake-up to come anyway. */
	if (write(shared->event, &one, sizeof one) < 0) {
	}
	g_atomic_rc_box_release_full(shared, shared_clear);
}

/* ---- On the worker ---- */

static void
host_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	NatDnsHost *host = data;
	guint64 count;
	Job *job;

	(void)inst;
	(void)events;
	if (read(fd, &count, sizeof count) < 0)
		return;
	while ((job = g_async_queue_try_pop(host->shared->done))) {
		host->shared->pending--;
		host->func(host->data, &job->asker, job->answer.data, job->answer.len);
		job_free(job);
	}
}

static gboolean
is_ours(const NatDnsQuestion *question)
{
	NatAddress address;

	if (!*question->name || question->klass != CLASS_IN)
		return FALSE;
	return question->type == NAT_DNS_A || question->type == NAT_DNS_AAAA ||
	       (question->type == NAT_DNS_PTR && nat_dns_parse_reverse(question->name, &address));
}

gboolean
nat_dns_host_ask(NatDnsHost *host, const NatDnsAsker *asker, const NatDnsQuestion *question,
		 const guint8 *query)
{
	Job *job;

	if (!is_ours(question) || host->shared->pending >= (int)JOBS_MAX)
		return FALSE;
	job = g_new0(Job, 1);
	job->shared = g_atomic_rc_box_acquire(host->shared);
	job->asker = *asker;
	job->question = *question;
	memcpy(job->query, query, NAT_DNS_HEADER_LEN + question->len);
	host->shared->pending++;
	g_thread_pool_push(host->pool, job, NULL);
	return TRUE;
}

static gboolean
host_init(NatDnsHost *host, GError **error)
{
	JfInstance *inst = nat_engine_get_instance(host->engine);
	g_autoptr(GError) why = NULL;

	host->pool = g_thread_pool_new(job_run, NULL, THREADS, FALSE, &why);
	if (host->shared->event >= 0)
		host->watch =
			inst->host->watch_add(inst, host->shared->event, EPOLLIN, host_ready, host);
	if (host->pool && host->watch)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_STATE, "%s: dns-host-resolver cannot start: %s",
		    inst->name, why ? why->message : "no descriptor is left");
	return FALSE;
}

NatDnsHost *
nat_dns_host_new(NatEngine *engine, NatDnsAnswerFunc func, gpointer data, GError **error)
{
	NatDnsHost *host = g_new0(NatDnsHost, 1);

	host->engine = engine;
	host->func = func;
	host->data = data;
	host->shared = g_atomic_rc_box_new0(Shared);
	host->shared->done = g_async_queue_new_full(job_free);
	host->shared->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (host_init(host, error))
		return host;
	nat_dns_host_free(host);
	return NULL;
}

void
nat_dns_host_free(NatDnsHost *host)
{
	if (!host)
		return;
	if (host->watch)
		nat_engine_get_instance(host->engine)->host->watch_remove(host->watch);
	g_atomic_int_set(&host->shared->is_over, TRUE);
	if (host->pool)
		g_thread_pool_free(host->pool, FALSE, FALSE);
	g_atomic_rc_box_release_full(host->shared, shared_clear);
	g_free(host);
}
