/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine.h - a registered machine: its configuration and, while it runs, its cards. */
#ifndef JACKFIELDD_MACHINE_H
#define JACKFIELDD_MACHINE_H

#include "card-run.h"
#include "daemon.h"
#include "running.h"

/* Takes `config` over. `short_id` goes into file names. */
Machine *machine_new(Daemon *daemon, MachineConfig *config, const char *short_id);
/* Stops its cards, but remembers that it ran. */
void machine_free(Machine *machine);

const MachineConfig *machine_get_config(const Machine *machine);
const char *machine_get_name(const Machine *machine);
const char *machine_get_document(const Machine *machine);
gboolean machine_is_running(const Machine *machine);
/* NULL: the card does not run. */
CardRun *machine_get_run(const Machine *machine, guint slot);
/* Where the card's files are; the strings live as long as the machine's configuration. */
CardPlace machine_get_place(const Machine *machine, guint slot);

/* Writes the document. */
gboolean machine_save(Machine *machine, GError **error);
/* All changes or none; the document is written once. STATE while it runs. */
gboolean machine_modify(Machine *machine, const ConfigChange *changes, guint n, GError **error);
/* The same for a running machine and CARD_KEY_LIVE keys. */
gboolean machine_control(Machine *machine, const ConfigChange *changes, guint n, GError **error);

/* Brings up all enabled cards or none. `info` is copied: when its owner ends, the machine is
 * powered off. VALUE: a connector for a card that is not enabled. */
gboolean machine_start(Machine *machine, const RunningInfo *info, GError **error);
/* STATE when it does not run. */
gboolean machine_power_off(Machine *machine, GError **error);

/* Tells the bus about cards whose link or error changed. */
void machine_poll(Machine *machine);

#endif
