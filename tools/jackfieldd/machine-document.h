/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine-document.h - machines as JSON (data/schemas/machine.json). */
#ifndef JACKFIELDD_MACHINE_DOCUMENT_H
#define JACKFIELDD_MACHINE_DOCUMENT_H

#include <json-glib/json-glib.h>

#include "machine-config.h"

#define MACHINE_DOCUMENT_VERSION 1

/* Strict: every member must be known and right. A value whose driver is not installed is kept. */
MachineConfig *machine_document_parse(JsonNode *root, const ConfigEnv *env, GError **error);
JsonNode *machine_document_build(const MachineConfig *config);

#endif
