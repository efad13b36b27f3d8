/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attachment.h - from a card's settings to drivers and their properties. */
#ifndef JACKFIELDD_ATTACHMENT_H
#define JACKFIELDD_ATTACHMENT_H

#include <glib.h>

#include "machine-config.h"

/* Values of `nic` with their drivers; canonical spelling, or NULL with VALUE or, where its driver
 * is not installed, UNSUPPORTED. "none" and "generic" need no driver. */
char *attachment_check_nic(const ConfigEnv *env, const char *value, GError **error);
/* The driver that serves `nic`; NULL: there is none, or nic-generic-drv names it. */
const char *attachment_nic_driver(const char *nic);
/* Driver id of the card as it is set now; NULL: a generic card without nic-generic-drv. */
const char *attachment_get_driver(const CardConfig *card);
/* "key=value" strings for that driver: options of this kind of attachment and nic-property. */
char **attachment_list_properties(const CardConfig *card);

/* Sets a "KEY/DRIVER/NAME" entry from "name=value" after checking it by the driver's table; an
 * empty value removes it. */
gboolean property_entry_set(const ConfigEnv *env, CardConfig *card, const char *key, guint32 kind,
			    const char *driver, const char *text, GError **error);
/* The entries of a driver as "name=value" strings, g_strfreev. */
void property_entries_add(const CardConfig *card, const char *key, const char *driver,
			  GPtrArray *strings);

/* nic-property entries that were set before their driver was chosen find it now. */
gboolean attachment_check(CardConfig *card, const ConfigEnv *env, GError **error);

#endif
