/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* driver-copy.h - a plugin's descriptions checked by every rule of the contract and copied. */
#ifndef JF_DRIVER_COPY_H
#define JF_DRIVER_COPY_H

#include "jackfield/driver.h"

/*
 * A copy of `theirs` of this ABI's size, its property rows too; what an older plugin lacks is zero,
 * what a newer one has more is left out. Strings, choices and functions stay theirs. NULL with
 * PLUGIN and the rule that is broken; the message begins with the driver's id.
 */
JfDriver *jf_driver_copy(const JfDriver *theirs, GError **error);
void jf_driver_copy_free(JfDriver *copy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JfDriver, jf_driver_copy_free)

/* The same for a plugin's head; the list of drivers stays theirs. NULL with ABI or PLUGIN. g_free
 * it. */
JfPlugin *jf_plugin_copy(const JfPlugin *theirs, GError **error);

/* "attachment", "filter", ...; NULL for a number that is no JfKind. */
const char *jf_kind_name(guint32 kind);

#endif
