/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rmlock.h - a lock for what is read by every batch of frames and changed by hand.
 *
 * A frame's way takes several such locks for reading, one within the other and in any order (cable,
 * guest memory, network, another cable), so the locks of a context share a domain, which does all
 * the work: a thread that reads under one lock of the domain reads under all of them, and a writer
 * waits until nobody reads anywhere. That costs a batch one lock, and the locks within it a count;
 * and two writers cannot wait for each other's readers.
 *
 * Readers of different threads touch different cache lines, so they do not serialise each other; a
 * writer takes every line. While one waits, no way begins: where frames never cease, it would wait
 * for ever. Reading nests; how deep a thread is, is kept by the thread for each domain. A reader,
 * under whatever lock of the domain, must not become a writer.
 */
#ifndef JF_RMLOCK_H
#define JF_RMLOCK_H

#include <glib.h>
#include <pthread.h>

#define JF_RMLOCK_LINES 8u

typedef struct JfRmDomain {
	pthread_mutex_t writers;
	gboolean waiting; /* atomic: a writer waits or writes */
	gboolean has_key; /* FALSE: the process has no more keys; each read takes the lock */
	pthread_key_t depth;
	union {
		pthread_rwlock_t lock;
		char apart[128]; /* two cache lines: no need to align the whole */
	} lines[JF_RMLOCK_LINES];
} JfRmDomain;

typedef struct JfRmLock {
	JfRmDomain *domain;
} JfRmLock;

static inline void
jf_rm_domain_init(JfRmDomain *domain)
{
	pthread_mutex_init(&domain->writers, NULL);
	domain->waiting = FALSE;
	domain->has_key = pthread_key_create(&domain->depth, NULL) == 0;
	for (guint i = 0; i < JF_RMLOCK_LINES; i++)
		pthread_rwlock_init(&domain->lines[i].lock, NULL);
}

static inline void
jf_rm_domain_finish(JfRmDomain *domain)
{
	for (guint i = 0; i < JF_RMLOCK_LINES; i++)
		pthread_rwlock_destroy(&domain->lines[i].lock);
	if (domain->has_key)
		pthread_key_delete(domain->depth);
	pthread_mutex_destroy(&domain->writers);
}

/* `domain` outlives the lock. */
static inline void
jf_rmlock_init(JfRmLock *rm, JfRmDomain *domain)
{
	rm->domain = domain;
}

static inline void
jf_rmlock_finish(JfRmLock *rm)
{
	rm->domain = NULL;
}

/* The line of this thread: thread descriptors are page-aligned and megabytes apart. */
static inline pthread_rwlock_t *
jf_rm_domain_line(JfRmDomain *domain)
{
	guintptr self = (guintptr)pthread_self();

	return &domain->lines[((self >> 12) ^ (self >> 23)) % JF_RMLOCK_LINES].lock;
}

static inline gsize
jf_rm_domain_get_depth(const JfRmDomain *domain)
{
	return domain->has_key ? GPOINTER_TO_SIZE(pthread_getspecific(domain->depth)) : 0;
}

static inline void
jf_rm_domain_set_depth(const JfRmDomain *domain, gsize depth)
{
	if (domain->has_key)
		pthread_setspecific(domain->depth, GSIZE_TO_POINTER(depth));
}

static inline void
jf_rmlock_read_lock(JfRmLock *rm)
{
	JfRmDomain *domain = rm->domain;
	gsize depth = jf_rm_domain_get_depth(domain);

	jf_rm_domain_set_depth(domain, depth + 1);
	if (depth > 0)
		return;
	while (domain->has_key && __atomic_load_n(&domain->waiting, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&domain->writers);
		pthread_mutex_unlock(&domain->writers);
	}
	pthread_rwlock_rdlock(jf_rm_domain_line(domain));
}

static inline void
jf_rmlock_read_unlock(JfRmLock *rm)
{
	JfRmDomain *domain = rm->domain;
	gsize depth = jf_rm_domain_get_depth(domain);

	if (depth <= 1)
		pthread_rwlock_unlock(jf_rm_domain_line(domain));
	jf_rm_domain_set_depth(domain, depth - 1);
}

static inline void
jf_rmlock_write_lock(JfRmLock *rm)
{
	JfRmDomain *domain = rm->domain;

	pthread_mutex_lock(&domain->writers);
	__atomic_store_n(&domain->waiting, TRUE, __ATOMIC_RELAXED);
	for (guint i = 0; i < JF_RMLOCK_LINES; i++)
		pthread_rwlock_wrlock(&domain->lines[i].lock);
}

static inline void
jf_rmlock_write_unlock(JfRmLock *rm)
{
	JfRmDomain *domain = rm->domain;

	for (guint i = JF_RMLOCK_LINES; i-- > 0;)
		pthread_rwlock_unlock(&domain->lines[i].lock);
	__atomic_store_n(&domain->waiting, FALSE, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&domain->writers);
}

#endif
