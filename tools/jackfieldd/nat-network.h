/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-network.h - the definition of a NAT network: what `natnetwork` sets.
 *
 * Addresses of the network follow from it: the gateway is the first host, the DHCP service the next
 * one that no loopback mapping has, and what is left is handed out.
 */
#ifndef JACKFIELDD_NAT_NETWORK_H
#define JACKFIELDD_NAT_NETWORK_H

#include <glib.h>

#include "forward.h"

#define NETWORK_NAME_MAX 127u

/* A loopback address of the host that is reached at a host number of the network. */
typedef struct NatLoopback {
	guint32 address; /* 127.x.y.z */
	guint32 offset;
} NatLoopback;

typedef struct NatNetwork {
	char *name;
	gboolean enabled;
	guint32 network; /* host byte order */
	guint prefix;    /* 1..30; 0: not set yet */
	gboolean ipv6, ipv6_default;
	gboolean has_prefix6; /* else it follows from the network */
	guint8 prefix6[16];
	GPtrArray *forwards[2]; /* Forward: IPv4, IPv6 */
	GArray *loopbacks;      /* NatLoopback */
	guint32 loopback6;      /* host number of ::1; 0: none */
	gboolean started;       /* by `start`, not by a card */
} NatNetwork;

/* One change: network, enabled, ipv6, ipv6-prefix, ipv6-default, port-forward-4, port-forward-6,
 * loopback-4, loopback-6. "delete KEY" takes an entry out of one of the last four. */
typedef struct NetworkChange {
	const char *scope; /* of a DHCP server; else "" */
	const char *key, *value;
} NetworkChange;

/* Enabled, host loopback at .2 and ::2, no network yet. NULL with VALUE for a bad name. */
NatNetwork *nat_network_new(const char *name, GError **error);
NatNetwork *nat_network_copy(const NatNetwork *net);
void nat_network_free(NatNetwork *net);
/* Errors: KEY (near keys named), VALUE, BUSY (a rule or mapping is there), NOT_FOUND (to delete). */
gboolean nat_network_change(NatNetwork *net, const NetworkChange *change, GError **error);
/* Whether what was changed fits together: VALUE, STATE (something is missing). */
gboolean nat_network_check(const NatNetwork *net, GError **error);
/* The order in which changes of one call are made, whatever the caller's. */
int nat_network_compare_changes(const NetworkChange *a, const NetworkChange *b);
/* A difference that a running network cannot follow: the option's name, or NULL. */
const char *nat_network_find_fixed(const NatNetwork *from, const NatNetwork *to);

guint32 nat_network_get_mask(const NatNetwork *net);
guint32 nat_network_get_gateway(const NatNetwork *net);
/* The first host after `address` that is neither gateway nor loopback mapping; 0: none. */
guint32 nat_network_next_host(const NatNetwork *net, guint32 address);
void nat_network_get_prefix6(const NatNetwork *net, guint8 prefix[16]);
/* As text, g_free. */
char *nat_network_dup_cidr(const NatNetwork *net);
char *nat_network_dup_prefix6(const NatNetwork *net);
char *nat_loopback_format(const NatLoopback *loopback);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NatNetwork, nat_network_free)

/* nat-forward.c: "[name]:tcp|udp:[hostip]:hostport:[guestip]:guestport", where the brackets around
 * addresses are meant literally. NULL with VALUE. */
Forward *nat_forward_new(const char *text, gboolean ipv6, GError **error);
/* The same with its name, g_free. */
char *nat_forward_format(const Forward *forward);

/* network-text.c: values of options. */
char *address_format(guint32 address);
/* FALSE with VALUE, the message about `key`. */
gboolean address_parse(const char *key, const char *value, guint32 *address, GError **error);
gboolean on_off_parse(const char *key, const char *value, gboolean *on, GError **error);
gboolean number_parse(const char *key, const char *value, guint64 max, guint64 *number,
		      GError **error);
gboolean network_name_check(const char *name, GError **error);

#endif
