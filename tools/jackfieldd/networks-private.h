/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networks-private.h - what the parts of networks.h share. */
#ifndef JACKFIELDD_NETWORKS_PRIVATE_H
#define JACKFIELDD_NETWORKS_PRIVATE_H

#include <json-glib/json-glib.h>

#include "networks.h"

/* What the document holds. */
typedef struct NetworksConfig {
	GHashTable *nats;  /* name: NatNetwork */
	GHashTable *dhcps; /* network: DhcpServer */
	GHashTable *extra; /* key: value */
} NetworksConfig;

typedef struct NetworkRun NetworkRun;

struct Networks {
	Daemon *daemon;
	char *path;
	char *problem; /* why the document could not be read; NULL: it could */
	NetworksConfig config;
	GHashTable *runs; /* name: NetworkRun */
};

/* ---- networks.c ---- */

/* FALSE with STATE: the document could not be read. Somebody may want to mend it: it is not
 * written over. */
gboolean networks_check_writable(const Networks *networks, GError **error);
gboolean networks_save(const Networks *networks, GError **error);
/* What was started by hand, for the next daemon. What fails is logged. */
void networks_save_started(const Networks *networks);
/* NOT_FOUND with the nearest name of `table`. `what` is the kind of thing that was asked for. */
void networks_set_unknown(GHashTable *table, const char *what, const char *name, GError **error);

/* ---- networks-draft.c ---- */

/* The new definitions of one name; NULL: none. */
typedef struct Draft {
	NatNetwork *net;
	DhcpServer *server;
} Draft;

void draft_finish(Draft *draft);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Draft, draft_finish)
/* Copies of what the name has now. */
Draft draft_of(Networks *networks, const char *name);
/* Takes the draft over when it can be saved and what runs can follow it; all or nothing. */
gboolean draft_apply(Networks *networks, const char *name, Draft *draft, GError **error);
/* Says so to whoever listens, and keeps what was started. */
void networks_changed(Networks *networks);

/* ---- networks-document.c ---- */

#define NETWORKS_DOCUMENT_VERSION 1

void networks_config_init(NetworksConfig *config);
void networks_config_finish(NetworksConfig *config);
JsonNode *networks_document_build(const NetworksConfig *config);
/* FALSE with VALUE or UNSUPPORTED (version); config is to be finished in any case. */
gboolean networks_document_parse(JsonNode *root, NetworksConfig *config, GError **error);
/* Whether key and value are extra data that means something here. */
gboolean extra_check(const char *key, const char *value, GError **error);

/* ---- network-run.c: services ---- */

void network_run_free(gpointer run);
/* Starts and stops services as configuration and cards want it. FALSE: one did not start. */
gboolean networks_follow(Networks *networks, const char *name, GError **error);
gboolean network_run_has_engine(const Networks *networks, const char *name);
gboolean network_run_has_dhcp(const Networks *networks, const char *name);
void network_run_list_counters(const Networks *networks, const char *name, JfCounterFunc func,
			       gpointer data);
/* A service was stopped by hand, until the last card has left or it is started by hand. */
void network_run_hold(Networks *networks, const char *name, gboolean engine, gboolean dhcp,
		      gboolean hold);
/* Makes the rules of a running engine those of `to`; all or none. */
gboolean network_run_set_forwards(Networks *networks, const NatNetwork *from, const NatNetwork *to,
				  GError **error);
gboolean network_run_restart_dhcp(Networks *networks, const char *name, GError **error);
/* Options changed: the running service reads them again, or is begun anew. */
gboolean network_run_update_dhcp(Networks *networks, const DhcpServer *from, GError **error);

/* ---- dhcp-files.c ---- */

char *dhcp_files_get_config(const Networks *networks, const char *network);
char *dhcp_files_get_leases(const Networks *networks, const char *network);
/* Writes what the service reads. */
gboolean dhcp_files_write(const Networks *networks, const DhcpServer *server, GError **error);

#endif
