/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words.c - options of the verbs about networks. */
#include "words.h"

#include <string.h>

#include "message.h"

static gboolean
word_is(const Word *word, const char *text, gsize len)
{
	guint i;

	if (strlen(word->name) == len && strncmp(word->name, text, len) == 0)
		return TRUE;
	for (i = 0; i < G_N_ELEMENTS(word->old) && word->old[i]; i++)
		if (strlen(word->old[i]) == len && strncmp(word->old[i], text, len) == 0)
			return TRUE;
	return FALSE;
}

void
word_list(const Word *table, GPtrArray *words)
{
	for (; table->name; table++)
		g_ptr_array_add(words, g_strdup(table->name));
}

static void
set_unknown(const Word *table, const char *text, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

	word_list(table, names);
	g_ptr_array_add(names, NULL);
	usage_error_unknown(error, "option", text, (const char *const *)names->pdata);
}

const Word *
word_take(const Word *table, char ***args, const char **attached, GError **error)
{
	const char *text = *(*args)++;
	gsize len = strcspn(text, "=");
	const Word *word;

	*attached = text[len] ? text + len + 1 : NULL;
	for (word = table; word->name; word++) {
		if (!word_is(word, text, len))
			continue;
		if (word->values || !*attached)
			return word;
		usage_error(error, "%s takes no value", word->name);
		return NULL;
	}
	set_unknown(table, text, error);
	return NULL;
}

const char *
word_take_value(const Word *word, char ***args, const char **attached, GError **error)
{
	const char *value = *attached;

	*attached = NULL;
	if (value)
		return value;
	if (**args)
		return *(*args)++;
	if (word->values > 1)
		usage_error(error, "%s takes %u values", word->name, word->values);
	else
		usage_error(error, "%s needs a value", word->name);
	return NULL;
}
