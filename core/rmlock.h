/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rmlock.h - a lock for what is read by every batch of frames and changed by hand.
 *
 * Readers of different threads touch different cache lines, so they do not serialise each other; a
 * writer takes every line. Reading nests (glibc's rwlocks prefer readers), also around a sender's
 * whole path through other drivers. A reader must not become a writer.
 *
 * A frame's way takes several such locks for reading, one within the other and in any order (cable,
 * guest memory, network, another cable). Two writers that each hold some lines of different locks
 * could then wait for each other's readers for ever. So the locks of a context share a mutex that
 * lets one writer in at a time: jf_networks_get_writers.
 */
#ifndef JF_RMLOCK_H
#define JF_RMLOCK_H

#include <glib.h>
#include <pthread.h>

#define JF_RMLOCK_LINES 8u

typedef struct JfRmLock {
	pthread_mutex_t *writers;
	union {
		pthread_rwlock_t lock;
		char apart[128]; /* two cache lines: no need to align the whole */
	} lines[JF_RMLOCK_LINES];
} JfRmLock;

/* `writers` outlives the lock. */
static inline void
jf_rmlock_init(JfRmLock *rm, pthread_mutex_t *writers)
{
	rm->writers = writers;
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
jf_rmlock_read_lock(JfRmLock *rm)
{
	pthread_rwlock_rdlock(jf_rmlock_line(rm));
}

static inline void
jf_rmlock_read_unlock(JfRmLock *rm)
{
	pthread_rwlock_unlock(jf_rmlock_line(rm));
}

static inline void
jf_rmlock_write_lock(JfRmLock *rm)
{
	pthread_mutex_lock(rm->writers);
	for (guint i = 0; i < JF_RMLOCK_LINES; i++)
		pthread_rwlock_wrlock(&rm->lines[i].lock);
}

static inline void
jf_rmlock_write_unlock(JfRmLock *rm)
{
	for (guint i = JF_RMLOCK_LINES; i-- > 0;)
		pthread_rwlock_unlock(&rm->lines[i].lock);
	pthread_mutex_unlock(rm->writers);
}

#endif
