/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-server.h - the definition of a network's DHCP server: what `dhcpserver` sets.
 *
 * Scopes are texts: "" is global, "group/NAME", "vm/UUID/NIC", "mac/080027A1B2C3". The server of a
 * NAT network may have no addresses of its own: they follow from the network then.
 */
#ifndef JACKFIELDD_DHCP_SERVER_H
#define JACKFIELDD_DHCP_SERVER_H

#include "nat-network.h"

typedef struct DhcpOption {
	guint8 code;
	gboolean is_hex;
	char *text; /* as it was given */
	GByteArray *bytes;
} DhcpOption;

typedef struct DhcpCondition {
	const char *key; /* "incl-mac", ..., of a table */
	char *value;
} DhcpCondition;

typedef struct DhcpScope {
	char *name;            /* as above */
	GPtrArray *options;    /* DhcpOption, by code */
	GArray *forced;        /* guint8, sorted */
	GArray *suppressed;    /* guint8, sorted */
	guint32 times[3];      /* min, default, max; 0: not said */
	guint32 fixed;         /* 0: none */
	GPtrArray *conditions; /* DhcpCondition; of a group */
} DhcpScope;

typedef struct DhcpServer {
	char *network;
	gboolean enabled;
	guint32 ip, mask, lower, upper; /* all 0: they follow from the NAT network */
	GPtrArray *scopes;              /* DhcpScope; the first is global */
	gboolean started;               /* by `start`, not by a card */
} DhcpServer;

/* Whoever knows the machines. `nic` from 1. */
typedef struct DhcpEnv {
	/* The UUID of a machine that has this card; NULL with an error. */
	char *(*find_machine)(const char *name_or_uuid, guint nic, GError **error, gpointer data);
	gpointer data;
} DhcpEnv;

DhcpServer *dhcp_server_new(const char *network, GError **error);
DhcpServer *dhcp_server_copy(const DhcpServer *server);
void dhcp_server_free(DhcpServer *server);
/* Keys: those of the command line without dashes. Errors: KEY, VALUE, NOT_FOUND. */
gboolean dhcp_server_change(DhcpServer *server, const DhcpEnv *env, const NetworkChange *change,
			    GError **error);
/* Whether it fits together, with the network's `net` where there is one. */
gboolean dhcp_server_check(const DhcpServer *server, const NatNetwork *net, GError **error);
/* Fills in the addresses that follow from the network; FALSE with VALUE: it is too small. */
gboolean dhcp_server_get_addresses(const DhcpServer *server, const NatNetwork *net,
				   DhcpServer *addresses, GError **error);
/* Whether the service must begin anew to follow this. */
gboolean dhcp_server_needs_restart(const DhcpServer *from, const DhcpServer *to);

/* The "vm/UUID/NIC" scope in parts; FALSE: another kind. */
gboolean dhcp_scope_get_machine(const DhcpScope *scope, char **uuid, guint *nic);
/* The value of a time, "min-lease-time", as the table has it. */
extern const char *const dhcp_time_keys[3];
/* "incl-mac" and so on, NULL at the end. */
extern const char *const dhcp_condition_keys[];

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DhcpServer, dhcp_server_free)

#endif
