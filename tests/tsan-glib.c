/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tsan-glib.c - tells the thread sanitizer about GLib's locks.
 *
 * GLib's mutexes are futexes of its own in a library that is not instrumented, so that the
 * sanitizer would see races in whatever they guard. Preloaded, these wrappers say when a lock is
 * taken and given back. In a process without the sanitizer they only pass the call on.
 */
#include <dlfcn.h>
#include <glib.h>

void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

static void
acquired(gpointer lock)
{
	if (__tsan_acquire)
		__tsan_acquire(lock);
}

static void
releasing(gpointer lock)
{
	if (__tsan_release)
		__tsan_release(lock);
}

#define REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

void
g_mutex_lock(GMutex *mutex)
{
	REAL(g_mutex_lock)(mutex);
	acquired(mutex);
}

gboolean
g_mutex_trylock(GMutex *mutex)
{
	gboolean locked = REAL(g_mutex_trylock)(mutex);

	if (locked)
		acquired(mutex);
	return locked;
}

void
g_mutex_unlock(GMutex *mutex)
{
	releasing(mutex);
	REAL(g_mutex_unlock)(mutex);
}

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
	releasing(mutex);
	REAL(g_cond_wait)(cond, mutex);
	acquired(mutex);
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
	gboolean signalled;

	releasing(mutex);
	signalled = REAL(g_cond_wait_until)(cond, mutex, end_time);
	acquired(mutex);
	return signalled;
}

gboolean
g_atomic_ref_count_dec(gatomicrefcount *count)
{
	gboolean last;

	releasing(count);
	last = REAL(g_atomic_ref_count_dec)(count);
	acquired(count);
	return last;
}
