/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* workers.h - a few worker threads, each made when it is first needed, with cards spread evenly. */
#ifndef JACKFIELDD_WORKERS_H
#define JACKFIELDD_WORKERS_H

#include "jackfield/vmm.h"

typedef struct Workers Workers;

/* `n` 0: one a processor, at most 2. */
Workers *workers_new(JfContext *context, guint n);
/* All must have been given back. */
void workers_free(Workers *workers);
/* The one with the fewest cards. */
JfWorker *workers_take(Workers *workers, GError **error);
void workers_give(Workers *workers, JfWorker *worker);

#endif
