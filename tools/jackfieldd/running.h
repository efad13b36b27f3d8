/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * running.h - which machines run, kept in the runtime directory.
 *
 * A machine that was started is brought up again by the next daemon, so that VMMs which reconnect
 * find their cards after a crash, an upgrade or a restart of the service. It is not after PowerOff,
 * after a boot of the host, or when the process for which it ran has ended meanwhile.
 */
#ifndef JACKFIELDD_RUNNING_H
#define JACKFIELDD_RUNNING_H

#include "machine-config.h"
#include "owner.h"

/* How a machine was started. */
typedef struct RunningInfo {
	Owner owner;
	char *connectors[MACHINE_CARDS_MAX]; /* by slot; NULL: as configured */
} RunningInfo;

void running_info_clear(RunningInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunningInfo, running_info_clear)

gboolean running_add(const char *runtime_dir, const char *uuid, const RunningInfo *info,
		     GError **error);
void running_remove(const char *runtime_dir, const char *uuid);
/* The machine ran when the last daemon ended, and should run on. */
gboolean running_find(const char *runtime_dir, const char *uuid, RunningInfo *info);
/* Forgets all machines but those that `keep` has as keys. */
void running_sweep(const char *runtime_dir, GHashTable *keep);

#endif
