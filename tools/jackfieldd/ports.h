/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ports.h - cards of other programs on the daemon's networks. */
#ifndef JACKFIELDD_PORTS_H
#define JACKFIELDD_PORTS_H

#include "daemon.h"

/* Listens in the runtime directory. NULL with an error: PERMISSION, VALUE, BUSY, NETWORK. */
Ports *ports_new(Daemon *daemon, GError **error);
/* The programs are disconnected. NULL is allowed. */
void ports_free(Ports *ports);
/* Drops those whose program has gone. */
void ports_poll(Ports *ports);
gboolean ports_is_idle(const Ports *ports);

#endif
