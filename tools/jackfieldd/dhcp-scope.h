/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-scope.h - inside a DHCP server's definition: its scopes. */
#ifndef JACKFIELDD_DHCP_SCOPE_H
#define JACKFIELDD_DHCP_SCOPE_H

#include "dhcp-server.h"

/* `name` is in its final form. */
DhcpScope *dhcp_scope_new(const char *name);
void dhcp_scope_free(gpointer scope);
gpointer dhcp_scope_copy(gconstpointer scope, gpointer data);
/* The final form of a name: machines by UUID, MAC addresses in digits. */
char *dhcp_scope_dup_name(const char *name, const DhcpEnv *env, GError **error);
gboolean dhcp_scope_change(DhcpScope *scope, const char *key, const char *value, GError **error);
gboolean dhcp_scope_check(const DhcpScope *scope, GError **error);

#endif
