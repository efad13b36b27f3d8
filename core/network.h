/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network.h - inside a network: its ports, its table, and who may touch what. */
#ifndef JF_CORE_NETWORK_H
#define JF_CORE_NETWORK_H

#include "fdb.h"
#include "rmlock.h"
#include "switch.h"

/* Slots of a table are added by the word of its bitmap. */
#define NETWORK_SLOT_STEP 64u

typedef struct Network Network;

/* waits_for: several ports, so whichever has room. */
#define SWITCH_WAITS_ANY G_MAXUINT32

struct JfSwitchPort {
	/* Constant. */
	Network *network;
	JfInstance *inst;
	JfSwitchJoin join;
	guint id;
	/* Atomic. */
	guint32 policy;
	guint32 waits_for; /* a port's id, SWITCH_WAITS_ANY; 0: does not wait */
	char apart[64];    /* counters change with each batch, what is above is read by all */
	guint64 frames;    /* sent */
	guint64 drops;     /* for lack of room here, or sent with a group address as source */
};

struct Network {
	JfNetworks *networks;
	char *name;
	gatomicrefcount refs; /* one for each port */
	JfFdb *fdb;

	JfRmLock lock;        /* the table: */
	JfSwitchPort **ports; /* by id; [0] and free ones are NULL */
	guint64 *own;         /* the ports' own addresses by id, 0: none */
	guint64 *promiscuous; /* bits by id: not JF_PROMISC_DENY; atomic */
	guint n_slots, n_ports;
	guint64 past_frames, past_drops; /* of ports that left */

	pthread_mutex_t policy_lock; /* one policy change at a time */
	guint n_promiscuous;         /* atomic */
	guint n_waiting;             /* atomic: ports whose waits_for is not 0 */
};

struct JfNetworks {
	pthread_mutex_t lock; /* taken before a network's lock, and never by a sender */
	GHashTable *table;    /* name -> Network, not owned */
	JfRmDomain domain;    /* see rmlock.h */
	void (*changed)(gpointer data);
	gpointer data;
};

/* An address as a number, its first byte on top. */
static inline guint64
network_mac_value(const guint8 *mac)
{
	return (guint64)mac[0] << 40 | (guint64)mac[1] << 32 | (guint64)mac[2] << 24 |
	       (guint64)mac[3] << 16 | (guint64)mac[4] << 8 | mac[5];
}

static inline gboolean
network_mac_is_group(guint64 mac)
{
	return mac >> 40 & 1;
}

/* The clock of the forwarding database. */
static inline guint32
network_seconds(const JfSwitchPort *port)
{
	return (guint32)(port->inst->host->now(port->inst, JF_CLOCK_MONOTONIC) / 1000000000u);
}

/* switch.c: the data path. */

guint switch_send(JfSwitchPort *port, const JfFrame *frames, guint n);
void switch_room(JfSwitchPort *port);
void switch_set_promiscuous(JfSwitchPort *port, guint32 policy);
/* The table holds still: its lock is held, for writing or reading. */
void switch_set_policy(Network *net, JfSwitchPort *port, guint32 policy);
/* Tells everybody who waits for port `id` to try again. */
void switch_wake_waiters(Network *net, guint32 id);

#endif
