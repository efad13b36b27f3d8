/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus.h - the daemon on D-Bus: every connection sees the same objects.
 *
 * Clients connect to a socket in the runtime directory; where there is a message bus, the same
 * objects are on it too. Machines, cards and networks are not registered one by one: each
 * connection has one subtree a kind, and a path is looked up when it is called.
 *
 * What tells of changes accepts a NULL bus.
 */
#ifndef JACKFIELDD_BUS_H
#define JACKFIELDD_BUS_H

#include <gio/gio.h>

#include "daemon.h"

/* Listens on the daemon's socket; one that a dead daemon left there is replaced. */
Bus *bus_new(Daemon *daemon, GError **error);
void bus_free(Bus *bus);
/* Also the message bus of `type`; that it cannot be had is logged, nothing more. */
void bus_join(Bus *bus, GBusType type);
/* How many clients the socket has. */
guint bus_count_clients(const Bus *bus);
/* Called after a client came or went. */
void bus_set_clients_changed(Bus *bus, void (*changed)(gpointer data), gpointer data);

/* A signal from the object at `path`; `args` is floating. */
void bus_emit(Bus *bus, const char *path, const char *interface, const char *signal,
	      GVariant *args);
void bus_machine_added(Bus *bus, const Machine *machine);
void bus_machine_removed(Bus *bus, const char *uuid, const char *name);
void bus_machine_changed(Bus *bus, Machine *machine);
void bus_card_changed(Bus *bus, Machine *machine, guint slot);
void bus_networks_changed(Bus *bus);
void bus_power_off_requested(Bus *bus, Machine *machine);

#endif
