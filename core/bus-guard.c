/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus-guard.c - shared memory that its owner may cut short while we read it.
 *
 * The guest's memory is a file that the VMM owns. Once it is cut short, touching a page behind its
 * end raises SIGBUS, and no check beforehand can prevent that: the owner may cut it at any time. A
 * program that hosts other people's guests therefore asks for a handler, which puts anonymous zeros
 * in the whole region's place and leaves a mark by which that guest is dropped.
 *
 * The handler runs on any thread, also while another one adds or removes regions, and may take no
 * lock. Guards are never freed, only used again; each has a sequence number that is odd while it
 * changes. A region that somebody touches is not being removed, so the guard that matters is still.
 */
#include "bus-guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jackfield/vmm.h"

struct JfBusGuard {
	guint32 sequence; /* atomic */
	guintptr base, size;
	gint *broken;
	JfBusGuard *next; /* in the list of all, which only grows */
};

static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static JfBusGuard *guards; /* atomic */
static gboolean installed;
static struct sigaction before;

/* ---- In the handler ---- */

static gboolean
guard_covers(JfBusGuard *guard, guintptr address, JfBusGuard *copy)
{
	guint32 sequence = __atomic_load_n(&guard->sequence, __ATOMIC_ACQUIRE);

	copy->base = __atomic_load_n(&guard->base, __ATOMIC_RELAXED);
	copy->size = __atomic_load_n(&guard->size, __ATOMIC_RELAXED);
	copy->broken = __atomic_load_n(&guard->broken, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !(sequence & 1) && __atomic_load_n(&guard->sequence, __ATOMIC_RELAXED) == sequence &&
	       address - copy->base < copy->size;
}

/* Zeros in place of a region, on whole pages of that size. */
static gboolean
region_replace(const JfBusGuard *guard, guintptr page)
{
	guintptr start = guard->base & ~(page - 1);
	guintptr end = (guard->base + guard->size + page - 1) & ~(page - 1);

	return mmap((gpointer)start, end - start, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* A file of huge pages can only be replaced by whole ones; the kernel then says EINVAL. */
static gboolean
guard_break(const JfBusGuard *guard)
{
	static const guintptr pages[] = { 1u << 12, 1u << 16, 1u << 21, 1u << 30 };
	gboolean done = FALSE;

	for (guint i = 0; i < G_N_ELEMENTS(pages) && !done; i++) {
		done = region_replace(guard, pages[i]);
		if (!done && errno != EINVAL)
			return FALSE;
	}
	if (done)
		__atomic_store_n(guard->broken, TRUE, __ATOMIC_RELEASE);
	return done;
}

static gboolean
address_rescue(guintptr address)
{
	JfBusGuard *guard = __atomic_load_n(&guards, __ATOMIC_ACQUIRE), copy;

	for (; guard; guard = guard->next)
		if (guard_covers(guard, address, &copy))
			return guard_break(&copy);
	return FALSE;
}

/* What would have happened without us. */
static void
pass_on(int number, siginfo_t *info, gpointer context)
{
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(number, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(number);
	} else if (before.sa_handler == SIG_DFL || info->si_code > 0) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

static void
bus_error(int number, siginfo_t *info, gpointer context)
{
	int saved = errno;

	if (info->si_code != BUS_ADRERR || !address_rescue((guintptr)info->si_addr))
		pass_on(number, info, context);
	errno = saved;
}

/* ---- Outside of it ---- */

gboolean
jf_guard_shared_memory(GError **error)
{
	struct sigaction action = { .sa_sigaction = bus_error,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	gboolean done;

	pthread_mutex_lock(&guards_lock);
	done = installed || sigaction(SIGBUS, &action, &before) == 0;
	__atomic_store_n(&installed, done, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&guards_lock);
	if (!done)
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot handle SIGBUS: %s",
			    g_strerror(errno));
	return done;
}

static void
guard_set(JfBusGuard *guard, guintptr base, guintptr size, gint *broken)
{
	guint32 sequence = guard->sequence;

	__atomic_store_n(&guard->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&guard->base, base, __ATOMIC_RELAXED);
	__atomic_store_n(&guard->size, size, __ATOMIC_RELAXED);
	__atomic_store_n(&guard->broken, broken, __ATOMIC_RELAXED);
	__atomic_store_n(&guard->sequence, sequence + 2, __ATOMIC_RELEASE);
}

JfBusGuard *
jf_bus_guard_add(gpointer base, guint64 size, gint *broken)
{
	JfBusGuard *guard;

	if (!__atomic_load_n(&installed, __ATOMIC_ACQUIRE))
		return NULL;
	pthread_mutex_lock(&guards_lock);
	for (guard = guards; guard && guard->size > 0;)
		guard = guard->next;
	if (!guard) {
		guard = g_new0(JfBusGuard, 1);
		guard->next = guards;
		__atomic_store_n(&guards, guard, __ATOMIC_RELEASE);
	}
	guard_set(guard, (guintptr)base, (guintptr)size, broken);
	pthread_mutex_unlock(&guards_lock);
	return guard;
}

void
jf_bus_guard_remove(JfBusGuard *guard)
{
	if (!guard)
		return;
	pthread_mutex_lock(&guards_lock);
	guard_set(guard, 0, 0, NULL);
	pthread_mutex_unlock(&guards_lock);
}
