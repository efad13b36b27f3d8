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

#include "owner.h"

gboolean running_add(const char *runtime_dir, const char *uuid, const Owner *owner, GError **error);
void running_remove(const char *runtime_dir, const char *uuid);
/* The machine ran when the last daemon ended, and should run on. */
gboolean running_find(const char *runtime_dir, const char *uuid, Owner *owner);
/* Forgets all machines but those that `keep` has as keys. */
void running_sweep(const char *runtime_dir, GHashTable *keep);

#endif
