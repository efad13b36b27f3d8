/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* workers.c - a few worker threads with cards spread evenly. */
#include "workers.h"

typedef struct Slot {
	JfWorker *worker; /* NULL until it is needed */
	guint cards;
} Slot;

struct Workers {
	JfContext *context;
	guint n;
	Slot slots[];
};

Workers *
workers_new(JfContext *context, guint n)
{
	Workers *workers;

	if (n == 0)
		n = MIN(g_get_num_processors(), 2u);
	workers = g_malloc0(sizeof *workers + n * sizeof(Slot));
	workers->context = context;
	workers->n = n;
	return workers;
}

void
workers_free(Workers *workers)
{
	guint i;

	if (!workers)
		return;
	for (i = 0; i < workers->n; i++)
		jf_worker_free(workers->slots[i].worker);
	g_free(workers);
}

JfWorker *
workers_take(Workers *workers, GError **error)
{
	Slot *best = &workers->slots[0];
	guint i;

	for (i = 1; i < workers->n; i++)
		if (workers->slots[i].cards < best->cards)
			best = &workers->slots[i];
	if (!best->worker)
		best->worker = jf_worker_new(workers->context, error);
	if (!best->worker)
		return NULL;
	best->cards++;
	return best->worker;
}

void
workers_give(Workers *workers, JfWorker *worker)
{
	guint i;

	for (i = 0; i < workers->n; i++)
		if (workers->slots[i].worker == worker)
			workers->slots[i].cards--;
}
