/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * switch.h - "jf.switch/1": how a driver gets onto a named network.
 *
 * A network exists while somebody is on it. Its switch learns source addresses (several behind one
 * port), forgets them after 300 s, shows unicast for an address that it does not know to promiscuous
 * ports alone, and drops (counted at the receiver's port) what a receiver has no room for.
 */
#ifndef JACKFIELD_SWITCH_H
#define JACKFIELD_SWITCH_H

#include <glib.h>

#include "card.h"
#include "driver.h"

G_BEGIN_DECLS

#define JF_SWITCH_IID "jf.switch/1"

typedef struct JfSwitchPort JfSwitchPort;

typedef enum {
	JF_PORT_CARD = 0,    /* a machine's card */
	JF_PORT_HOST = 1,    /* the host or a host interface: hidden from JF_PROMISC_ALLOW_VMS */
	JF_PORT_SERVICE = 2, /* DHCP, NAT: like a host, but not an outside network */
} JfPortRole;

/* This sender is told to wait (send comes back short, then resume) instead of having unicast frames
 * dropped at a full receiver: for senders that can hold frames back, like a NAT engine. */
#define JF_PORT_LOSSLESS 0x1u
/* The same, but only where the full receiver is a JF_PORT_SERVICE: for cards, which could wait for
 * another machine for ever. */
#define JF_PORT_WAITS_FOR_SERVICES 0x2u

typedef struct JfSwitchJoin {
	guint32 struct_size;
	guint32 role;        /* JfPortRole */
	guint32 flags;       /* JF_PORT_LOSSLESS or JF_PORT_WAITS_FOR_SERVICES */
	guint32 promiscuous; /* JfPromiscuous */
	guint8 mac[6];       /* the port's own address; all zero: none */
	guint8 reserved[2];
	/* Frames for this port, on any thread, several at once. Returns how many were taken. It is
	 * called like a JF_DRIVER_PARALLEL_INPUT input, with the same rule on locks. */
	guint (*deliver)(gpointer data, const JfFrame *frames, guint n);
	/* Senders that wait: send, short before, has room again. Any thread. May be NULL without a
	 * flag: frames that a daemon's network has no room for are then lost. */
	void (*resume)(gpointer data);
	gpointer data;
	/* A counter of the driver's, from JfHost.counter: frames for this port that were lost because
	 * deliver had no room. NULL: none. */
	guint64 *lost;
	/* Whether frames get through: where the network is a daemon's (jf_context_use_daemon), FALSE
	 * while it is away. First within join. Anywhere else it is never called. On the worker. May be
	 * NULL. */
	void (*link)(gpointer data, gboolean up);
} JfSwitchJoin;

typedef struct JfSwitch {
	guint32 struct_size;
	guint32 reserved;
	/* Joins network `name` (1..127 bytes of UTF-8 without control characters; names compare
	 * exactly), creating it when it is not there. Not from input or deliver. */
	JfSwitchPort *(*join)(JfInstance *inst, const char *name, const JfSwitchJoin *join,
			      GError **error);
	/* Leaves. No deliver or resume runs afterwards. Not from input or deliver. NULL is allowed. */
	void (*leave)(JfSwitchPort *port);
	/* Frames from this port into the network. Returns how many were taken: all of them without
	 * a flag to wait or where resume is NULL; of this program's own networks also without a
	 * flag. [any thread] */
	guint (*send)(JfSwitchPort *port, const JfFrame *frames, guint n);
	/* deliver refused frames before and has room again. Not with a lock held that deliver
	 * takes. [any thread] */
	void (*room)(JfSwitchPort *port);
	/* A new JfPromiscuous policy. [any thread] */
	void (*set_promiscuous)(JfSwitchPort *port, guint32 policy);
} JfSwitch;

G_END_DECLS

#endif
