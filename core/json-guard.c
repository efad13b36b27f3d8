/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-guard.c - whether a text is JSON that json-glib can be trusted with.
 *
 * A scanner with a stack of its own: one entry for each open object or array, and what may come
 * next. It keeps nothing of the text but the names of the objects that are open, to find those that
 * come twice.
 */
#include "json-guard.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "jackfield/abi.h"
#include "text.h"

#define NUMBER_MAX_BYTES 64u

/* What may come next. */
typedef enum Expect {
	EXPECT_VALUE,
	EXPECT_ITEM_OR_END, /* just after [ */
	EXPECT_NAME,
	EXPECT_NAME_OR_END, /* just after { */
	EXPECT_COLON,
	EXPECT_COMMA_OR_END,
	EXPECT_NOTHING,
} Expect;

typedef struct Level {
	char close;        /* ] or } */
	GHashTable *names; /* of an object that has any, decoded */
} Level;

typedef struct Guard {
	const char *start, *p, *end;
	Expect expect;
	guint depth;
	Level levels[JF_JSON_MAX_DEPTH];
	GString *decoded; /* the string that was read last */
	GError **error;
} Guard;

/* ---- Errors ---- */

static gboolean
refuse(Guard *guard, const char *at, const char *why)
{
	guint line = 1, column = 1;

	for (const char *p = guard->start; p < at; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	g_set_error(guard->error, JF_ERROR, JF_ERROR_VALUE, "line %u, column %u: %s", line, column,
		    why);
	return FALSE;
}

static gboolean
refuse_here(Guard *guard, const char *why)
{
	return refuse(guard, guard->p, guard->p < guard->end ? why : "the text ends too early");
}

/* ---- Strings ---- */

/* Four hexadecimal digits. */
static gboolean
read_unit(Guard *guard, guint *unit)
{
	*unit = 0;
	for (guint i = 0; i < 4; i++, guard->p++) {
		if (guard->p == guard->end || !g_ascii_isxdigit(*guard->p))
			return refuse_here(guard, "\\u needs four hexadecimal digits");
		*unit = *unit << 4 | (guint)g_ascii_xdigit_value(*guard->p);
	}
	return TRUE;
}

/* What follows \u: a character, or the first of two surrogates and then the other. */
static gboolean
read_unicode(Guard *guard)
{
	const char *at = guard->p;
	guint high, low;

	if (!read_unit(guard, &high))
		return FALSE;
	if (high == 0)
		return refuse(guard, at, "\\u0000 is not allowed");
	if (high >= 0xdc00 && high <= 0xdfff)
		return refuse(guard, at, "a lone surrogate");
	if (high < 0xd800 || high > 0xdbff) {
		g_string_append_unichar(guard->decoded, high);
		return TRUE;
	}
	if (guard->end - guard->p < 2 || guard->p[0] != '\\' || guard->p[1] != 'u')
		return refuse(guard, at, "a lone surrogate");
	guard->p += 2;
	if (!read_unit(guard, &low))
		return FALSE;
	if (low < 0xdc00 || low > 0xdfff)
		return refuse(guard, at, "a lone surrogate");
	g_string_append_unichar(guard->decoded, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
	return TRUE;
}

/* What follows a backslash. */
static gboolean
read_escape(Guard *guard)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (guard->p == guard->end)
		return refuse_here(guard, "");
	if (*guard->p == 'u') {
		guard->p++;
		return read_unicode(guard);
	}
	found = strchr(from, *guard->p);
	if (!found)
		return refuse_here(guard, "no such escape");
	g_string_append_c(guard->decoded, to[found - from]);
	guard->p++;
	return TRUE;
}

/* From the opening quote to behind the closing one; decoded into guard->decoded. */
static gboolean
read_string(Guard *guard)
{
	g_string_truncate(guard->decoded, 0);
	for (guard->p++; guard->p < guard->end;) {
		char c = *guard->p++;

		if (c == '"')
			return TRUE;
		if ((guchar)c < 0x20)
			return refuse(guard, guard->p - 1, "a control character in a string");
		if (c != '\\')
			g_string_append_c(guard->decoded, c);
		else if (!read_escape(guard))
			return FALSE;
	}
	return refuse_here(guard, "");
}

/* ---- Numbers and words ---- */

static gsize
skip_digits(const char **p, const char *end)
{
	const char *from = *p;

	while (*p < end && g_ascii_isdigit(**p))
		++*p;
	return (gsize)(*p - from);
}

/* Where the number's grammar stops; NULL where it is none. */
static const char *
number_end(const char *p, const char *end, gboolean *integer)
{
	const char *from;

	p += p < end && *p == '-';
	from = p;
	*integer = TRUE;
	if (skip_digits(&p, end) == 0 || (*from == '0' && p - from > 1))
		return NULL;
	if (p < end && *p == '.') {
		*integer = FALSE;
		p++;
		if (skip_digits(&p, end) == 0)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		*integer = FALSE;
		p++;
		p += p < end && (*p == '+' || *p == '-');
		if (skip_digits(&p, end) == 0)
			return NULL;
	}
	return p;
}

static gboolean
read_number(Guard *guard)
{
	gboolean integer;
	const char *at = guard->p, *end = number_end(at, guard->end, &integer);
	char copy[NUMBER_MAX_BYTES + 1] = "";

	if (!end)
		return refuse(guard, at, "not a number");
	if ((gsize)(end - at) > NUMBER_MAX_BYTES)
		return refuse(guard, at, "a number of more than 64 bytes");
	memcpy(copy, at, (gsize)(end - at));
	errno = 0;
	if (integer && (g_ascii_strtoll(copy, NULL, 10), errno == ERANGE))
		return refuse(guard, at, "an integer beyond 64 bits");
	if (!integer && !isfinite(g_ascii_strtod(copy, NULL)))
		return refuse(guard, at, "a number that is too large");
	guard->p = end;
	return TRUE;
}

static gboolean
read_word(Guard *guard)
{
	static const char *const words[] = { "true", "false", "null" };

	for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
		gsize len = strlen(words[i]);

		if ((gsize)(guard->end - guard->p) < len || memcmp(guard->p, words[i], len) != 0)
			continue;
		guard->p += len;
		return TRUE;
	}
	return refuse_here(guard, "expected a value");
}

/* ---- Structure ---- */

static gboolean
level_open(Guard *guard, char close, Expect expect)
{
	if (guard->depth == JF_JSON_MAX_DEPTH)
		return refuse_here(guard, "nested deeper than 32 levels");
	guard->levels[guard->depth++] = (Level){ .close = close };
	guard->expect = expect;
	guard->p++;
	return TRUE;
}

static gboolean
level_close(Guard *guard)
{
	Level *level = &guard->levels[--guard->depth];

	g_clear_pointer(&level->names, g_hash_table_unref);
	guard->expect = guard->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
	guard->p++;
	return TRUE;
}

static gboolean
read_value(Guard *guard)
{
	char c = *guard->p;

	if (guard->depth == 0 && c != '{')
		return refuse_here(guard, "the root is not an object");
	guard->expect = EXPECT_COMMA_OR_END;
	if (c == '{')
		return level_open(guard, '}', EXPECT_NAME_OR_END);
	if (c == '[')
		return level_open(guard, ']', EXPECT_ITEM_OR_END);
	if (c == '"')
		return read_string(guard);
	if (c == '-' || g_ascii_isdigit(c))
		return read_number(guard);
	return read_word(guard);
}

static gboolean
read_name(Guard *guard)
{
	Level *level = &guard->levels[guard->depth - 1];
	const char *at = guard->p;

	if (*at != '"')
		return refuse_here(guard, "expected a name in quotes");
	if (!read_string(guard))
		return FALSE;
	if (!level->names)
		level->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (g_hash_table_size(level->names) == JF_JSON_MAX_MEMBERS)
		return refuse(guard, at, "an object of more than 4096 members");
	if (!g_hash_table_add(level->names, g_strdup(guard->decoded->str))) {
		g_autofree char *shown = jf_text_show(guard->decoded->str);
		g_autofree char *why = g_strdup_printf("the name '%s' is there twice", shown);

		return refuse(guard, at, why);
	}
	guard->expect = EXPECT_COLON;
	return TRUE;
}

static gboolean
read_comma(Guard *guard)
{
	if (*guard->p != ',')
		return refuse_here(guard, "expected a comma or the end of the object or array");
	guard->expect = guard->levels[guard->depth - 1].close == '}' ? EXPECT_NAME : EXPECT_VALUE;
	guard->p++;
	return TRUE;
}

static gboolean
read_colon(Guard *guard)
{
	if (*guard->p != ':')
		return refuse_here(guard, "expected a colon");
	guard->expect = EXPECT_VALUE;
	guard->p++;
	return TRUE;
}

static gboolean
may_close(const Guard *guard)
{
	return (guard->expect == EXPECT_NAME_OR_END || guard->expect == EXPECT_ITEM_OR_END ||
		guard->expect == EXPECT_COMMA_OR_END) &&
	       *guard->p == guard->levels[guard->depth - 1].close;
}

static gboolean
read_token(Guard *guard)
{
	if (may_close(guard))
		return level_close(guard);
	switch (guard->expect) {
	case EXPECT_VALUE:
	case EXPECT_ITEM_OR_END:
		return read_value(guard);
	case EXPECT_NAME:
	case EXPECT_NAME_OR_END:
		return read_name(guard);
	case EXPECT_COLON:
		return read_colon(guard);
	case EXPECT_COMMA_OR_END:
		return read_comma(guard);
	case EXPECT_NOTHING:
	default:
		return refuse_here(guard, "something follows the document");
	}
}

static gboolean
read_document(Guard *guard)
{
	for (;;) {
		while (guard->p < guard->end && *guard->p && strchr(" \t\n\r", *guard->p))
			guard->p++;
		if (guard->p == guard->end)
			return guard->expect == EXPECT_NOTHING || refuse_here(guard, "");
		if (!read_token(guard))
			return FALSE;
	}
}

gboolean
jf_json_guard(const char *text, gsize len, GError **error)
{
	Guard guard = { .error = error };
	const char *bad;
	gboolean ok;

	if (len > JF_JSON_MAX_BYTES) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "more than %u bytes",
			    JF_JSON_MAX_BYTES);
		return FALSE;
	}
	/* Nothing at all may come without a pointer. */
	guard.start = guard.p = len > 0 ? text : "";
	guard.end = guard.start + len;
	if (!g_utf8_validate_len(guard.start, len, &bad))
		return refuse(&guard, bad, "not UTF-8, or a NUL byte");
	guard.decoded = g_string_new(NULL);
	ok = read_document(&guard);
	while (guard.depth > 0)
		level_close(&guard);
	g_string_free(guard.decoded, TRUE);
	return ok;
}
