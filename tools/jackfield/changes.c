/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * changes.c - the options of modifyvm and the words of controlvm, as changes for the daemon.
 *
 * Only the grammar is here: spellings, card numbers, how many words an option takes, and that
 * controlvm wants keywords to the letter. Whether a value makes sense is the daemon's to say, which
 * checks it for every client.
 */
#include "changes.h"

#include <string.h>

#include "message.h"
#include "options.h"

static void
change_free(gpointer data)
{
	Change *change = data;

	g_free(change->key);
	g_free(change->value);
	g_free(change);
}

static void
changes_add(GPtrArray *changes, guint card, const char *key, const char *value)
{
	Change *change = g_new0(Change, 1);

	change->card = card;
	change->key = g_strdup(key);
	change->value = g_strdup(value);
	g_ptr_array_add(changes, change);
}

GVariant *
changes_to_variant(const GPtrArray *changes)
{
	GVariantBuilder builder;
	guint i;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(uss)"));
	for (i = 0; i < changes->len; i++) {
		const Change *change = changes->pdata[i];

		g_variant_builder_add(&builder, "(uss)", change->card, change->key, change->value);
	}
	return g_variant_builder_end(&builder);
}

/* "nic-type12" is "nic-type" and 12; -1 without a number, 0 for one that no card can have. */
static char *
split_number(const char *word, int *number)
{
	gsize stem = strlen(word);
	const char *digits;

	while (stem > 0 && g_ascii_isdigit(word[stem - 1]))
		stem--;
	digits = word + stem;
	if (!*digits)
		*number = -1;
	else if (strlen(digits) > 2 || *digits == '0')
		*number = 0;
	else
		*number = (int)g_ascii_strtoull(digits, NULL, 10);
	return g_strndup(word, stem);
}

static gboolean
check_number(const char *what, const char *stem, int number, GError **error)
{
	if (number >= 1 && number <= CARDS_MAX)
		return TRUE;
	if (number < 0)
		usage_error(error, "%s needs the number of the card, as in %s1", what, stem);
	else
		usage_error(error, "%s: cards have the numbers 1 to %d", what, CARDS_MAX);
	return FALSE;
}

/* ---- Values ---- */

/* Adds one value of an option. `*rest` are the words behind it; delete NAME takes one of them. */
static gboolean
add_value(GPtrArray *changes, guint card, const Option *option, const char *what, const char *value,
	  char ***rest, GError **error)
{
	g_autofree char *made = NULL;

	if (option->kind == OPTION_FILE && *value) {
		/* The daemon has another working directory. */
		value = made = g_canonicalize_filename(value, NULL);
	} else if (option->kind == OPTION_PAIR && (*value == '=' || !strchr(value, '='))) {
		usage_error(error, "%s takes NAME=VALUE, not '%s'", what, value);
		return FALSE;
	} else if (option->kind == OPTION_RULE && g_ascii_strcasecmp(value, "delete") == 0) {
		if (!**rest) {
			usage_error(error, "%s delete needs the name of a rule", what);
			return FALSE;
		}
		value = made = g_strconcat("delete ", *(*rest)++, NULL);
	}
	changes_add(changes, card, option->key, value);
	return TRUE;
}

/* ---- modifyvm ---- */

static void
unknown_option(const char *word, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *stem = NULL;
	const Option *option;
	int number;

	stem = split_number(word, &number);
	for (option = options; option->key; option++) {
		char suffix[4] = "";

		if (!option->machine)
			g_snprintf(suffix, sizeof suffix, "%d", number > 0 ? number : 1);
		g_ptr_array_add(names, g_strconcat("--", option->key, suffix, NULL));
		if (option->old)
			g_ptr_array_add(names, g_strconcat("--", option->old, suffix, NULL));
	}
	g_ptr_array_add(names, NULL);
	usage_error_unknown(error, "option", word, (const char *const *)names->pdata);
}

/* One option: `word` without its value. */
static const Option *
parse_option(const char *word, int *number, GError **error)
{
	g_autofree char *stem = NULL;
	const Option *option;

	if (!g_str_has_prefix(word, "--")) {
		usage_error(error, "Expected an option such as --nic1, not '%s'", word);
		return NULL;
	}
	stem = split_number(word, number);
	option = option_find(stem + 2);
	if (!option || (option->machine && *number >= 0)) {
		unknown_option(word, error);
		return NULL;
	}
	if (option->machine)
		*number = 0;
	else if (!check_number(word, stem, *number, error))
		return NULL;
	return option;
}

GPtrArray *
changes_parse_options(char **args, GError **error)
{
	g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func(change_free);

	while (*args) {
		const char *arg = *args++;
		/* VBoxManage takes --option VALUE, --option=VALUE and --option:VALUE. */
		g_autofree char *word = g_strndup(arg, strcspn(arg, "=:"));
		const char *value = arg + strlen(word);
		const Option *option;
		int number;

		option = parse_option(word, &number, error);
		if (!option)
			return NULL;
		if (*value) {
			value++;
		} else if (!*args) {
			usage_error(error, "%s needs a value: %s", word, option->value);
			return NULL;
		} else {
			value = *args++;
		}
		if (!add_value(changes, (guint)number, option, word, value, &args, error))
			return NULL;
	}
	return g_steal_pointer(&changes);
}

/* ---- controlvm ---- */

/* What an attachment takes behind its name when it changes while the machine runs. */
static const struct {
	const char *said, *meant;
	const char *key; /* of the word behind it; NULL: none */
	gboolean optional;
} attachments[] = {
	{ "null", "null", NULL, FALSE },
	{ "nat", "nat", "nat-net", TRUE },
	{ "bridged", "bridged", "bridge-adapter", FALSE },
	{ "hostif", "bridged", "bridge-adapter", FALSE },
	{ "intnet", "intnet", "intnet", FALSE },
	{ "hostonly", "hostonly", "host-only-adapter", FALSE },
	{ "generic", "generic", "nic-generic-drv", FALSE },
	{ "natnetwork", "natnetwork", "nat-network", FALSE },
};

static const struct {
	const char *word, *key;
} controls[] = {
	{ "setlinkstate", "cable-connected" },
	{ "nic", "nic" },
	{ "nictrace", "nic-trace" },
	{ "nictracefile", "nic-trace-file" },
	{ "nicproperty", "nic-property" },
	{ "nicpromisc", "nic-promisc" },
	{ "natpf", "nat-pf" },
};

void
changes_list_controls(GPtrArray *words)
{
	guint i;

	g_ptr_array_add(words, g_strdup("poweroff"));
	for (i = 0; i < G_N_ELEMENTS(controls); i++)
		g_ptr_array_add(words, g_strconcat(controls[i].word, "1", NULL));
}

static void
unknown_attachment(const char *what, const char *value, GError **error)
{
	const char *names[G_N_ELEMENTS(attachments) + 1] = { NULL };
	g_autofree char *subject = g_strdup_printf("attachment for %s:", what);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(attachments); i++)
		names[i] = attachments[i].said;
	usage_error_unknown(error, subject, value, names);
}

static gboolean
add_attachment(GPtrArray *changes, guint card, const char *what, const char *value, char ***rest,
	       GError **error)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(attachments); i++) {
		if (strcmp(attachments[i].said, value) == 0)
			break;
	}
	if (i == G_N_ELEMENTS(attachments)) {
		unknown_attachment(what, value, error);
		return FALSE;
	}
	if (attachments[i].key && !**rest && !attachments[i].optional) {
		usage_error(error, "%s %s needs a name behind it (%s)", what, value,
			    option_get(attachments[i].key)->value);
		return FALSE;
	}
	if (attachments[i].key && **rest)
		changes_add(changes, card, attachments[i].key, *(*rest)++);
	changes_add(changes, card, "nic", attachments[i].meant);
	return TRUE;
}

static void
unknown_control(const char *word, GError **error)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

	changes_list_controls(words);
	g_ptr_array_add(words, NULL);
	usage_error_unknown(error, "command", word, (const char *const *)words->pdata);
}

static const char *
find_control(const char *stem)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(controls); i++) {
		if (strcmp(controls[i].word, stem) == 0)
			return controls[i].key;
	}
	return NULL;
}

static gboolean
add_control(GPtrArray *changes, guint card, const char *key, const char *what, char ***args,
	    GError **error)
{
	const char *value = *(*args)++;
	const Option *option = option_get(key);
	g_autofree char *subject = NULL;

	if (strcmp(key, "nic") == 0)
		return add_attachment(changes, card, what, value, args, error);
	if (option->exact && !g_strv_contains(option->exact, value)) {
		subject = g_strdup_printf("value for %s:", what);
		usage_error_unknown(error, subject, value, option->exact);
		return FALSE;
	}
	return add_value(changes, card, option, what, value, args, error);
}

GPtrArray *
changes_parse_control(char **args, GError **error)
{
	g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func(change_free);
	const char *what = *args++;
	g_autofree char *stem = NULL;
	const char *key;
	int number;

	stem = split_number(what, &number);
	key = find_control(stem);
	if (!key) {
		unknown_control(what, error);
		return NULL;
	}
	if (!check_number(what, stem, number, error))
		return NULL;
	if (!*args) {
		usage_error(error, "%s needs a value: %s", what, option_get(key)->value);
		return NULL;
	}
	if (!add_control(changes, (guint)number, key, what, &args, error))
		return NULL;
	if (*args) {
		usage_error(error, "Unexpected '%s' behind %s", *args, what);
		return NULL;
	}
	return g_steal_pointer(&changes);
}
