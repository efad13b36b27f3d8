/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store.h - the machines of this user: their documents, names and addresses. */
#ifndef JACKFIELDD_STORE_H
#define JACKFIELDD_STORE_H

#include "daemon.h"

/* Reads every document of CONFIG/machines. One that is broken becomes a problem and is left as it
 * is; the others load. */
void store_load(Daemon *daemon);
/* The document of a machine, g_free. */
char *store_get_path(const Daemon *daemon, const char *uuid);

/* By name or uuid. NULL with NOT_FOUND, near names in the message. */
Machine *store_find(Daemon *daemon, const char *name_or_uuid, GError **error);
/* In order of names; free the array only. */
GPtrArray *store_list(Daemon *daemon);
/* BUSY when a machine has that name. */
gboolean store_check_name(Daemon *daemon, const char *name, GError **error);
/* Takes `config` over and writes its document. BUSY when name or uuid is taken. */
Machine *store_add(Daemon *daemon, MachineConfig *config, GError **error);
/* Frees the machine. `keep`: its document is moved out of the way, `kept` says where (g_free).
 * STATE while it runs. */
gboolean store_remove(Daemon *daemon, Machine *machine, gboolean keep, char **kept, GError **error);
/* ConfigEnv.mac_taken; `data` is the daemon. */
gboolean store_is_mac_taken(const char *mac, gpointer data);

#endif
