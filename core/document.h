/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* document.h - JSON documents on disk: read behind the guard, written whole or not at all. */
#ifndef JF_DOCUMENT_H
#define JF_DOCUMENT_H

#include <json-glib/json-glib.h>

/* The text of a document. NULL with VALUE where the guard refuses it. */
JsonNode *jf_document_parse(const char *text, gsize len, GError **error);

/* The object in the file `path`. NULL with NOT_FOUND, PERMISSION, VALUE (the guard's reasons) or
 * STATE (input or output failed); the message begins with the file's name. */
JsonNode *jf_document_load(const char *path, GError **error);

/*
 * Writes `root` to `path`, mode 0600: after a crash at any moment the file holds the old document
 * or the new one. What jf_document_load would refuse is not written (VALUE). Temporary files of
 * writers that died (".NAME.*.tmp" in the same directory) are removed on the way. Several processes
 * may save at once: the last one wins. Blocks for the disk.
 */
gboolean jf_document_save(const char *path, JsonNode *root, GError **error);

/* Removes the document and what dead writers left of it. NOT_FOUND where there is none. */
gboolean jf_document_remove(const char *path, GError **error);

#endif
