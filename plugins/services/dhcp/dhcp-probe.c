/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-probe.c - addresses that are asked for before they are offered (RFC 2131, 2.2 and 4.3.1).
 *
 * The client's frame waits here and is handled again when nobody has answered. Whoever answers keeps
 * the address, and the client gets another, which is asked for in its turn.
 */
#include "dhcp.h"

#define PROBES_MAX 256u
#define TRIES_MAX 8u

static Probe *
probes_find(const Probes *probes, guint32 address)
{
	for (GList *l = probes->queue.head; l; l = l->next) {
		Probe *probe = l->data;

		if (probe->address == address)
			return probe;
	}
	return NULL;
}

gboolean
probes_add(Probes *probes, JfInstance *inst, const Probe *probe)
{
	Probe *added;

	/* A client that has asked again has one that waits. */
	if (probes_find(probes, probe->address) ||
	    g_queue_get_length(&probes->queue) >= PROBES_MAX || probe->tries > TRIES_MAX)
		return FALSE;
	added = g_memdup2(probe, sizeof *probe);
	added->link = (GList){ .data = added };
	added->due = inst->host->now(inst, JF_CLOCK_MONOTONIC) + probes->wait;
	g_queue_push_tail_link(&probes->queue, &added->link);
	probes_plan(probes, inst);
	return TRUE;
}

static Probe *
probes_unlink(Probes *probes, Probe *probe)
{
	if (probe)
		g_queue_unlink(&probes->queue, &probe->link);
	return probe;
}

Probe *
probes_take_due(Probes *probes, guint64 now)
{
	Probe *probe = g_queue_peek_head(&probes->queue);

	return probes_unlink(probes, probe && probe->due <= now ? probe : NULL);
}

Probe *
probes_take(Probes *probes, guint32 address)
{
	return probes_unlink(probes, probes_find(probes, address));
}

void
probes_plan(Probes *probes, JfInstance *inst)
{
	const Probe *first = g_queue_peek_head(&probes->queue);

	inst->host->timer_arm(probes->timer, first ? first->due : 0);
}

void
probes_clear(Probes *probes)
{
	Probe *probe;

	while ((probe = g_queue_peek_head(&probes->queue)))
		g_free(probes_unlink(probes, probe));
}
