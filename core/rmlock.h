/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rmlock.h - a lock for what is read by every batch of frames and changed by hand.
 *
 * Readers of different threads touch different cache lines, so they do not serialise each other; a
 * writer takes every line. Reading nests (glibc's rwlocks prefer readers), also around a sender's
 * whole path through other drivers. A reader must not become a writer.
 *
 * A frame's way takes several such locks for reading, one within the other and in any order (cable,
 * guest memory, network, another cable). Two things follow, and so the locks of a context share a
 * domain:
 *
 *	- two writers that each hold some lines of different locks could wait for each other's
 *	  readers for ever: a domain lets one writer in at a time
 *	- where frames never cease, a writer could wait for ever: while one waits, no way begins
 *	  anywhere in the domain. Ways that have begun go on, so a reader within a reader is let
 *	  through. How deep a thread is, is kept by the thread for each domain.
 */
#ifndef JF_RMLOCK_H
#define JF_RMLOCK_H

#include <glib.h>
#include <pthread.h>

#define JF_RMLOCK_LINES 8u

typedef struct JfRmDomain {
	pthread_mutex_t writers;
	gboolean waiting; /* atomic: a writer waits or writes */
	gboolean has_key; /* FALSE: the process has no more keys; readers are let through */
	pthread_key_t depth;
} JfRmDomain;

typedef struct JfRmLock {
	JfRmDomain *domain;
	union {
		pthread_rwlock_t lock;
		char apart[128]; /* two cache lines: no need to align the whole */
	} lines[JF_RMLOCK_LINES];
} JfRmLock;

static inline void
jf_rm_domain_init(JfRmDomain *domain)
{
	pthread_mutex_init(&domain->writers, NULL);
	domain->waiting = FALSE;
	domain->has_key = pthread_key_create(&domain->depth, NULL) == 0;
}

static inline void
jf_rm_domain_finish(JfRmDomain *domain)
{
	if (domain->has_key)
		pthread_key_delete(domain->depth);
	pthread_mutex_destroy(&domain->writers);
}

/* `domain` outlives the lock. */
static inline void
jf_rmlock_init(JfRmLock *rm, JfRmDomain *domain)
{
	rm->domain = domain;
	for (guint i = 0; i < JF_RMLOCK_LINES; i++)
		pthread_rwlock_init(&rm->lines[i].lock, NULL);
}

static inline void
jf_rmlock_finish(JfRmLock *rm)
{
	for (guint i = 0; i < JF_RMLOCK_LINES; i++)
		pthread_rwlock_destroy(&rm->lines[i].lock);
}

/* The line of this thread: thread descriptors are page-aligned and megabytes apart. */
static inline pthread_rwlock_t *
jf_rmlock_line(JfRmLock *rm)
{
	guintptr self = (guintptr)pthread_self();

	return &rm->lines[((self >> 12) ^ (self >> 23)) % JF_RMLOCK_LINES].lock;
}

static inline void
jf_rm_domain_enter(JfRmDomain *domain)
{
	gsize depth;

	if (!domain->has_key)
		return;
	depth = GPOINTER_TO_SIZE(pthread_getspecific(domain->depth));
	while (depth == 0 && __atomic_load_n(&domain->waiting, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&domain->writers);
		pthread_mutex_unlock(&domain->writers);
	}
	pthread_setspecific(domain->depth, GSIZE_TO_POINTER(depth + 1));
}

static inline void
jf_rm_domain_leave(JfRmDomain *domain)
{
	gsize depth;

	if (!domain->has_key)
		return;
	depth = GPOINTER_TO_SIZE(pthread_getspecific(domain->depth));
	pthread_setspecific(domain->depth, GSIZE_TO_POINTER(depth - 1));
}

static inline void
jf_rmlock_read_lock(JfRmLock *rm)
{
	jf_rm_domain_enter(rm->domain);
	pthread_rwlock_rdlock(jf_rmlock_line(rm));
}

static inline void
jf_rmlock_read_unlock(JfRmLock *rm)
{
	pthread_rwlock_unlock(jf_rmlock_line(rm));
	jf_rm_domain_leave(rm->domain);
}

static inline void
jf_rmlock_write_lock(JfRmLock *rm)
{
	pthread_mutex_lock(&rm->domain->writers);
	__atomic_store_n(&rm->domain->waiting, TRUE, __ATOMIC_RELAXED);
	for (guint i = 0; i < JF_RMLOCK_LINES; i++)
		pthread_rwlock_wrlock(&rm->lines[i].lock);
}

static inline void
jf_rmlock_write_unlock(JfRmLock *rm)
{
	for (guint i = JF_RMLOCK_LINES; i-- > 0;)
		pthread_rwlock_unlock(&rm->lines[i].lock);
	__atomic_store_n(&rm->domain->waiting, FALSE, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&rm->domain->writers);
}

#endif
