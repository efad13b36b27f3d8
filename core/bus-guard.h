/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-guard.h - shared memory that its owner may cut short while we read it. */
#ifndef JF_BUS_GUARD_H
#define JF_BUS_GUARD_H

#include <glib.h>

typedef struct JfBusGuard JfBusGuard;

/* From now on a SIGBUS within `size` bytes at `base` puts zeros there and sets *broken (atomic).
 * NULL: the program has not asked for that (jf_guard_shared_memory). Any thread. */
JfBusGuard *jf_bus_guard_add(gpointer base, guint64 size, gint *broken);
/* Nobody touches the memory any more. NULL is allowed. */
void jf_bus_guard_remove(JfBusGuard *guard);

#endif
