/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nearest.h - the names that somebody may have meant. */
#ifndef JF_NEAREST_H
#define JF_NEAREST_H

#include <glib.h>

#define JF_NEAREST_MAX 3u

/*
 * The at most JF_NEAREST_MAX candidates nearest to `name`, best first, compared without case: those
 * that begin with it, or that are at most three slips away (a letter missing, added, wrong, or two
 * exchanged; fewer for short names). `candidates` is NULL-terminated; the strings of the result are
 * the candidates' own: g_free the array, never NULL.
 */
const char **jf_nearest_find(const char *name, const char *const *candidates);

/* The same as the end of a message: "; did you mean 'sport', 'dport'?", or "" where nothing is
 * near. g_free it. */
char *jf_nearest_hint(const char *name, const char *const *candidates);

#endif
