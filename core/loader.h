/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* loader.h - plugin files: where they are, who may have written them, and how they open. */
#ifndef JF_LOADER_H
#define JF_LOADER_H

#include "jackfield/driver.h"

/* A directory of the search path. */
typedef struct JfLoaderDir {
	char *path;
	gboolean optional; /* need not be there */
} JfLoaderDir;

/* The search path of jf_context_load_plugins: JfLoaderDirs, first one first. */
GArray *jf_loader_search_path(void);

/* Full names of the "*.so" in `dir`, in byte order. NULL with PERMISSION or NOT_FOUND: the message
 * begins with the directory. */
GPtrArray *jf_loader_list_dir(const char *dir, GError **error);

/* The one absolute name of a file, without links. NULL with NOT_FOUND or PERMISSION. */
char *jf_loader_resolve(const char *path, GError **error);

/*
 * Opens the module `real` (from jf_loader_resolve) for good and asks it what it is. NULL with
 * PERMISSION, NOT_FOUND or PLUGIN; the message does not name the file.
 */
const JfPlugin *jf_loader_open(const char *real, GError **error);

#endif
