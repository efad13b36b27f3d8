/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * registry.h - the drivers that a context knows. jf_context_* plugin functions of jackfield/vmm.h
 * are this, by other names. Not for several threads at once.
 */
#ifndef JF_REGISTRY_H
#define JF_REGISTRY_H

#include "jackfield/vmm.h"

typedef struct JfRegistry JfRegistry;

/* Never NULL. */
JfRegistry *jf_registry_new(void);
/* Modules stay in memory, the copies of their drivers do not. NULL is allowed. */
void jf_registry_free(JfRegistry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JfRegistry, jf_registry_free)

/* The whole search path of jf_context_load_plugins. */
void jf_registry_load_search_path(JfRegistry *registry);
/* Every "*.so" of one directory, in byte order. What is refused or shadowed becomes a problem. */
void jf_registry_load_dir(JfRegistry *registry, const char *dir);
/* One file. Errors: PLUGIN, ABI, PERMISSION, NOT_FOUND, BUSY. Leaves no problem behind. */
gboolean jf_registry_load_path(JfRegistry *registry, const char *path, GError **error);
/* A driver of the program's own; `driver` lives as long as the registry. */
gboolean jf_registry_add_driver(JfRegistry *registry, const JfDriver *driver, GError **error);

/* `kind` 0 finds any. NULL with NOT_FOUND, near names in the message. */
const JfDriver *jf_registry_find(JfRegistry *registry, guint32 kind, const char *id,
				 GError **error);
/* By kind, then id without case. Good until the next driver comes. */
const JfDriverInfo *jf_registry_list(JfRegistry *registry, guint *n);
/* In the order in which they were met. Good until the next problem comes. */
const JfPluginProblem *jf_registry_list_problems(JfRegistry *registry, guint *n);

#endif
