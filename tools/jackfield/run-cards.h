/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run-cards.h - the cards of the machine that `run` runs, as the daemon tells of them. */
#ifndef JACKFIELD_RUN_CARDS_H
#define JACKFIELD_RUN_CARDS_H

#include "cli.h"
#include "vmm.h"

/* VmmCard of each enabled card. `machine` is the object's path. */
GPtrArray *run_cards_list(Cli *cli, const char *machine, GError **error);
/* "connector/ID" and "model/ID" of every driver that the daemon has. */
GHashTable *run_drivers_list(Cli *cli, GError **error);
/* Arguments of Machine1.Start: bound to us, with the connector of each card; floating. */
GVariant *run_cards_build_start(const GPtrArray *cards);
/* A VMM that was killed leaves its datagram sockets behind, and cannot bind to them again. */
void run_cards_remove_locals(const GPtrArray *cards);

#endif
