/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * networks.h - the networks that this user has defined, and what runs on them.
 *
 * NAT networks, DHCP servers and the extra data are one document, CONFIG/networks.json. A DHCP
 * server belongs to a network of its name, whatever kind that is; whether a NAT network has DHCP is
 * whether it has such a server and that is enabled.
 *
 * Services follow the cards: those of a network start before its first card does, and end after its
 * last. `start` and `stop` overrule that; what was started so is remembered by the next daemon.
 */
#ifndef JACKFIELDD_NETWORKS_H
#define JACKFIELDD_NETWORKS_H

#include "card-plan.h"
#include "daemon.h"
#include "dhcp-server.h"

/* Services not started yet. A document that cannot be read becomes a problem, and nothing can be
 * changed until it is mended. */
Networks *networks_new(Daemon *daemon);
void networks_free(Networks *networks);
/* Starts what was started by hand when the last daemon ended. What fails is logged. */
void networks_resume(Networks *networks);
/* No service runs that was started by hand. */
gboolean networks_is_idle(const Networks *networks);

/* ---- Cards ---- */

/* A card's being on a network. */
typedef struct NetworkUse NetworkUse;
/* A card with this plan is about to come onto its network; *use is NULL for a plan without one.
 * Errors: NOT_FOUND, and why a service does not start; the card is not counted then. */
gboolean networks_take(Networks *networks, const CardPlan *plan, NetworkUse **use, GError **error);
/* It has left. Frees `use`; NULL is allowed. */
void networks_give(Networks *networks, NetworkUse *use);
/* A machine is gone or has other addresses: DHCP servers that name it want to know. */
void networks_machines_changed(Networks *networks);
/* A service may have failed. */
void networks_poll(Networks *networks);

/* ---- NAT networks ---- */

/* By name; NULL: there is none. */
const NatNetwork *networks_get_nat(const Networks *networks, const char *name);
/* In order of names; free the array only. */
GPtrArray *networks_list_nat(const Networks *networks);
/* All changes or none; also "dhcp". Errors: BUSY (the name is taken; the network runs), KEY, VALUE,
 * NOT_FOUND. */
gboolean networks_create_nat(Networks *networks, const char *name, const NetworkChange *changes,
			     guint n, GError **error);
gboolean networks_modify_nat(Networks *networks, const char *name, const NetworkChange *changes,
			     guint n, GError **error);
gboolean networks_remove_nat(Networks *networks, const char *name, GError **error);
gboolean networks_start_nat(Networks *networks, const char *name, GError **error);
gboolean networks_stop_nat(Networks *networks, const char *name, GError **error);
gboolean networks_nat_runs(const Networks *networks, const char *name);

/* ---- DHCP servers ---- */

const DhcpServer *networks_get_dhcp(const Networks *networks, const char *network);
GPtrArray *networks_list_dhcp(const Networks *networks);
gboolean networks_create_dhcp(Networks *networks, const char *network, const NetworkChange *changes,
			      guint n, GError **error);
gboolean networks_modify_dhcp(Networks *networks, const char *network, const NetworkChange *changes,
			      guint n, GError **error);
gboolean networks_remove_dhcp(Networks *networks, const char *network, GError **error);
gboolean networks_start_dhcp(Networks *networks, const char *network, GError **error);
gboolean networks_restart_dhcp(Networks *networks, const char *network, GError **error);
gboolean networks_stop_dhcp(Networks *networks, const char *network, GError **error);
gboolean networks_dhcp_runs(const Networks *networks, const char *network);
/* Of the services that run on a network. */
void networks_list_counters(const Networks *networks, const char *network, JfCounterFunc func,
			    gpointer data);
/* With its addresses filled in where they follow from a NAT network; its strings and scopes are
 * those of the original. */
void networks_get_dhcp_addresses(const Networks *networks, const char *network, DhcpServer *all);

typedef struct DhcpLease {
	char *address, *mac, *state;
	guint64 issued, end; /* seconds since 1970; end 0: never */
} DhcpLease;
/* The newest lease of a MAC address. NULL with NOT_FOUND. */
DhcpLease *networks_find_lease(const Networks *networks, const char *network, const char *mac,
			       GError **error);
void dhcp_lease_free(DhcpLease *lease);

/* ---- Extra data ---- */

/* "NAT/NETWORK/SourceIp4" and 6; "" removes. Errors: UNSUPPORTED for any other key, VALUE. */
gboolean networks_set_extra(Networks *networks, const char *key, const char *value, GError **error);
/* NULL: not set. */
const char *networks_get_extra(const Networks *networks, const char *key);
GHashTable *networks_list_extra(const Networks *networks);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DhcpLease, dhcp_lease_free)

#endif
