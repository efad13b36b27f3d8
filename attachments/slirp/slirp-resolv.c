/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-resolv.c - the host's domain and search list, from resolv.conf (resolv.conf(5)). */
#include "slirp-nat.h"

/* A DHCP reply of libslirp's has 312 bytes of options and the others need two thirds of them. */
#define DOMAIN_MAX 63u
#define SEARCH_BYTES_MAX 100u
#define LABEL_MAX 63u

/* Whether libslirp takes it: labels of 1..63 letters, digits, - and _ with dots between them. */
static gboolean
domain_is_valid(const char *name)
{
	guint label = 0;

	if (strlen(name) > DOMAIN_MAX)
		return FALSE;
	for (const char *c = name; *c; c++) {
		if (*c == '.' && label == 0)
			return FALSE;
		if (*c != '.' && !g_ascii_isalnum(*c) && *c != '-' && *c != '_')
			return FALSE;
		label = *c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return FALSE;
	}
	return label > 0;
}

static void
add_domains(GPtrArray *found, char **words)
{
	gsize bytes = 0;

	/* The last "domain" or "search" line wins. */
	g_ptr_array_set_size(found, 0);
	for (guint i = 0; words[i]; i++) {
		gsize len = strlen(words[i]);

		if (len > 1 && words[i][len - 1] == '.')
			words[i][--len] = '\0';
		if (!domain_is_valid(words[i]))
			continue;
		bytes += len + 2;
		if (bytes > SEARCH_BYTES_MAX)
			break;
		g_ptr_array_add(found, g_strdup(words[i]));
	}
}

char **
nat_resolv_parse(const char *text)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (guint i = 0; lines[i]; i++) {
		const char *line = lines[i];
		gsize key = strcspn(line, " \t");
		g_auto(GStrv) words = NULL;

		if (!(key == 6 && strncmp(line, "search", key) == 0) &&
		    !(key == 6 && strncmp(line, "domain", key) == 0))
			continue;
		words = g_strsplit_set(line + key, " \t\r", -1);
		add_domains(found, words);
	}
	if (found->len == 0)
		return NULL;
	g_ptr_array_add(found, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

char **
nat_resolv_load(const char *path)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	return nat_resolv_parse(text);
}
