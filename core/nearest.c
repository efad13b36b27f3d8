/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nearest.c - the names that somebody may have meant: restricted Damerau-Levenshtein distance. */
#include "nearest.h"

#include <string.h>

#define NAME_MAX_BYTES 64u
#define DISTANCE_MAX 3u
/* A name that only lacks its end is as good as one slip. */
#define DISTANCE_PREFIX 1u
#define DISTANCE_FAR G_MAXUINT

static guint
min3(guint a, guint b, guint c)
{
	return MIN(a, MIN(b, c));
}

/* Rows i - 2, i - 1 and i of the table, in turn. Both names are at most NAME_MAX_BYTES long. */
static guint
distance(const char *a, gsize len_a, const char *b, gsize len_b)
{
	guint rows[3][NAME_MAX_BYTES + 1];

	for (guint j = 0; j <= len_b; j++)
		rows[0][j] = j;
	for (guint i = 1; i <= len_a; i++) {
		guint *row = rows[i % 3], *above = rows[(i + 2) % 3], *twice = rows[(i + 1) % 3];

		row[0] = i;
		for (guint j = 1; j <= len_b; j++) {
			char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) &&
			    y == g_ascii_tolower(a[i - 2]))
				row[j] = MIN(row[j], twice[j - 2] + 1);
		}
	}
	return rows[len_a % 3][len_b];
}

/* DISTANCE_FAR where nobody would have meant `candidate`. */
static guint
rank(const char *name, const char *candidate)
{
	gsize len_a = strnlen(name, NAME_MAX_BYTES + 1);
	gsize len_b = strnlen(candidate, NAME_MAX_BYTES + 1);
	guint limit = (guint)MIN(DISTANCE_MAX, MAX(len_a, len_b) / 2), d;

	if (len_a == 0 || len_a > NAME_MAX_BYTES || len_b > NAME_MAX_BYTES)
		return DISTANCE_FAR;
	d = distance(name, len_a, candidate, len_b);
	if (d > DISTANCE_PREFIX && g_ascii_strncasecmp(name, candidate, len_a) == 0)
		return DISTANCE_PREFIX;
	return d <= limit ? d : DISTANCE_FAR;
}

const char **
jf_nearest_find(const char *name, const char *const *candidates)
{
	const char **best = g_new0(const char *, JF_NEAREST_MAX + 1);
	guint ranks[JF_NEAREST_MAX], n = 0;

	for (; *candidates; candidates++) {
		guint r = rank(name, *candidates), at = n;

		while (at > 0 && ranks[at - 1] > r)
			at--;
		if (r == DISTANCE_FAR || at == JF_NEAREST_MAX)
			continue;
		n = MIN(n + 1, JF_NEAREST_MAX);
		memmove(&best[at + 1], &best[at], (n - at - 1) * sizeof best[0]);
		memmove(&ranks[at + 1], &ranks[at], (n - at - 1) * sizeof ranks[0]);
		best[at] = *candidates;
		ranks[at] = r;
	}
	return best;
}

char *
jf_nearest_hint(const char *name, const char *const *candidates)
{
	g_autofree const char **best = jf_nearest_find(name, candidates);
	GString *hint = g_string_new(NULL);

	for (guint i = 0; best[i]; i++)
		g_string_append_printf(hint, "%s'%s'", i == 0 ? "; did you mean " : ", ", best[i]);
	if (best[0])
		g_string_append_c(hint, '?');
	return g_string_free(hint, FALSE);
}
