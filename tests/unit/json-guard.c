/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-guard.c - what the guard lets through to json-glib, and where it says no. */
#include "json-guard.h"

#include <pthread.h>
#include <string.h>

#include "document.h"
#include "jackfield/abi.h"
#include "text.h"

static void
check_good(const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) root = NULL;
	g_autofree char *shown = jf_text_show(text);

	g_test_message("%s", shown);
	g_assert_true(jf_json_guard(text, strlen(text), &error));
	g_assert_no_error(error);
	/* The parser behind agrees. */
	root = jf_document_parse(text, strlen(text), &error);
	g_assert_no_error(error);
	g_assert_true(JSON_NODE_HOLDS_OBJECT(root));
}

/* The text lies in a block of just its size: one byte too far is seen by the sanitizer. */
static void
check_bytes(const char *text, gsize len, const char *message)
{
	g_autofree char *exact = g_memdup2(text, len);
	g_autoptr(GError) error = NULL;
	g_autofree char *shown = jf_text_show(text);

	g_test_message("%s", shown);
	g_assert_false(jf_json_guard(exact, len, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_assert_cmpstr(error->message, ==, message);
	g_assert_false(jf_json_guard(exact, len, NULL));
}

static void
check_bad(const char *text, const char *message)
{
	check_bytes(text, strlen(text), message);
}

static void
test_good(void)
{
	check_good("{}");
	check_good(" \t\r\n{ } \n");
	check_good("{\"a\":1,\"b\":[],\"c\":{},\"d\":[{},[1,2]],\"\":null}");
	check_good("{\"a\":true,\"b\":false,\"c\":null}");
	check_good("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20ac\\ud83d\\ude00\x7f\xe2\x82\xac\"}");
	check_good("{\"a\":0,\"b\":-0,\"c\":1.5,\"d\":-1e5,\"e\":1E+5,\"f\":0.5e-3}");
	check_good("{\"a\":9223372036854775807,\"b\":-9223372036854775808}");
	check_good("{\"a\":{\"x\":1},\"b\":{\"x\":1},\"x\":{\"x\":{\"x\":1}},\"A\":1}");
}

static void
test_values(void)
{
	static const char text[] =
		"{\"a\":-9223372036854775808,\"b\":1e5,\"c\":\"\\ud83d\\ude00\"}";
	g_autoptr(JsonNode) root = jf_document_parse(text, strlen(text), NULL);
	JsonObject *object = json_node_get_object(root);

	g_assert_cmpint(json_object_get_int_member(object, "a"), ==, G_MININT64);
	g_assert_cmpfloat(json_object_get_double_member(object, "b"), ==, 1e5);
	g_assert_cmpstr(json_object_get_string_member(object, "c"), ==, "\xf0\x9f\x98\x80");
}

static void
test_structure(void)
{
	check_bad("", "line 1, column 1: the text ends too early");
	check_bad(" \n ", "line 2, column 2: the text ends too early");
	check_bad("[]", "line 1, column 1: the root is not an object");
	check_bad("1", "line 1, column 1: the root is not an object");
	check_bad("var x = {}", "line 1, column 1: the root is not an object");
	check_bad("\xef\xbb\xbf{}", "line 1, column 1: the root is not an object");
	check_bad("{}{}", "line 1, column 3: something follows the document");
	check_bad("{};", "line 1, column 3: something follows the document");
	check_bad("{} // x", "line 1, column 4: something follows the document");
	check_bad("{/**/}", "line 1, column 2: expected a name in quotes");
	check_bad("{a:1}", "line 1, column 2: expected a name in quotes");
	check_bad("{'a':1}", "line 1, column 2: expected a name in quotes");
	check_bad("{\"a\":1,}", "line 1, column 8: expected a name in quotes");
	check_bad("{,}", "line 1, column 2: expected a name in quotes");
	check_bad("{\"a\" 1}", "line 1, column 6: expected a colon");
	check_bad("{\"a\"}", "line 1, column 5: expected a colon");
	check_bad("{\"a\":}", "line 1, column 6: expected a value");
	check_bad("{\"a\":[1,]}", "line 1, column 9: expected a value");
	check_bad("{\"a\":[,1]}", "line 1, column 7: expected a value");
	check_bad("{\"a\":[1}}",
		  "line 1, column 8: expected a comma or the end of the object or array");
	check_bad("{\"a\":1\n \"b\":2}",
		  "line 2, column 2: expected a comma or the end of the object or array");
	check_bad("{\"a\":[", "line 1, column 7: the text ends too early");
	check_bad("{\"a\":tru", "line 1, column 6: expected a value");
	check_bad("{\"a\":True}", "line 1, column 6: expected a value");
	check_bad("{\"a\":nullx}",
		  "line 1, column 10: expected a comma or the end of the object or array");
	check_bad("{\"a\":NaN}", "line 1, column 6: expected a value");
	check_bad("{\"a\":Infinity}", "line 1, column 6: expected a value");
}

static void
test_numbers(void)
{
	g_autofree char *digits = g_strnfill(65, '1');
	g_autofree char *fraction = g_strdup_printf("{\"a\":0.%s}", digits);

	check_bad("{\"a\":9223372036854775808}", "line 1, column 6: an integer beyond 64 bits");
	check_bad("{\"a\":-9223372036854775809}", "line 1, column 6: an integer beyond 64 bits");
	check_bad("{\"a\":18446744073709551616}", "line 1, column 6: an integer beyond 64 bits");
	check_bad("{\"a\":1e400}", "line 1, column 6: a number that is too large");
	check_bad(fraction, "line 1, column 6: a number of more than 64 bytes");
	check_bad("{\"a\":01}", "line 1, column 6: not a number");
	check_bad("{\"a\":-}", "line 1, column 6: not a number");
	check_bad("{\"a\":-01}", "line 1, column 6: not a number");
	check_bad("{\"a\":1.}", "line 1, column 6: not a number");
	check_bad("{\"a\":1.e5}", "line 1, column 6: not a number");
	check_bad("{\"a\":1e}", "line 1, column 6: not a number");
	check_bad("{\"a\":1e+}", "line 1, column 6: not a number");
	check_bad("{\"a\":.5}", "line 1, column 6: expected a value");
	check_bad("{\"a\":+1}", "line 1, column 6: expected a value");
	check_bad("{\"a\":0x10}",
		  "line 1, column 7: expected a comma or the end of the object or array");
	check_bad("{\"a\":1", "line 1, column 7: the text ends too early");
}

static void
test_strings(void)
{
	check_bad("{\"a", "line 1, column 4: the text ends too early");
	check_bad("{\"a\\", "line 1, column 5: the text ends too early");
	check_bad("{\"a\\u12", "line 1, column 8: the text ends too early");
	check_bad("{\"a\\u12g4\":1}", "line 1, column 8: \\u needs four hexadecimal digits");
	check_bad("{\"a\\x\":1}", "line 1, column 5: no such escape");
	check_bad("{\"a\n\":1}", "line 1, column 4: a control character in a string");
	check_bad("{\"a\\u0000\":1}", "line 1, column 6: \\u0000 is not allowed");
	check_bad("{\"a\":\"\\ud83d\"}", "line 1, column 9: a lone surrogate");
	check_bad("{\"a\":\"\\ud83dx\"}", "line 1, column 9: a lone surrogate");
	check_bad("{\"a\":\"\\ud83d\\n\"}", "line 1, column 9: a lone surrogate");
	check_bad("{\"a\":\"\\ud83d\\u0041\"}", "line 1, column 9: a lone surrogate");
	check_bad("{\"a\":\"\\ude00\"}", "line 1, column 9: a lone surrogate");
	check_bad("{\"a\":\"\xff\"}", "line 1, column 7: not UTF-8, or a NUL byte");
	check_bad("{\"a\":\"\xc0\x80\"}", "line 1, column 7: not UTF-8, or a NUL byte");
	check_bad("{\"a\":\"\xed\xa0\x80\"}", "line 1, column 7: not UTF-8, or a NUL byte");
	check_bytes("{\"a\":\0 1}", 9, "line 1, column 6: not UTF-8, or a NUL byte");
	check_bytes("{}\0", 3, "line 1, column 3: not UTF-8, or a NUL byte");
}

static void
test_names(void)
{
	check_bad("{\"a\":1,\"a\":2}", "line 1, column 8: the name 'a' is there twice");
	check_bad("{\"a\":1,\"\\u0061\":2}", "line 1, column 8: the name 'a' is there twice");
	check_bad("{\"/\":1,\"\\/\":2}", "line 1, column 8: the name '/' is there twice");
	check_bad("{\"\":1,\"\":2}", "line 1, column 7: the name '' is there twice");
	check_bad("{\"\xf0\x9f\x98\x80\":1,\n\"\\ud83d\\ude00\":2}",
		  "line 2, column 1: the name '\xf0\x9f\x98\x80' is there twice");
	check_bad("{\"x\":{\"a\":1,\"b\":[{\"a\":1}],\"a\":2}}",
		  "line 1, column 27: the name 'a' is there twice");
	check_bad("{\"a\\n\":1,\"a\\n\":2}",
		  "line 1, column 10: the name 'a\xef\xbf\xbd' is there twice");
}

/* `inner` in so many arrays in the root object. */
static char *
nest(guint levels, const char *inner)
{
	g_autofree char *open = g_strnfill(levels, '['), *close = g_strnfill(levels, ']');

	return g_strconcat("{\"a\":", open, inner, close, "}", NULL);
}

static gpointer
run_deep(gpointer data)
{
	static const char *const units[] = { "[", "{\"a\":", "{\"a\":[", "[[{\"\":" };
	g_autofree char *deepest = nest(JF_JSON_MAX_DEPTH - 1, "1");
	g_autofree char *deeper = nest(JF_JSON_MAX_DEPTH, "1");
	g_autofree char *abyss = nest(100000, "");

	(void)data;
	check_good(deepest);
	check_bad(deeper, "line 1, column 37: nested deeper than 32 levels");
	check_bad(abyss, "line 1, column 37: nested deeper than 32 levels");
	for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
		GString *text = g_string_new("{\"a\":");

		for (guint n = 0; n < 100000; n++)
			g_string_append(text, units[i]);
		g_assert_false(jf_json_guard(text->str, text->len, NULL));
		g_string_free(text, TRUE);
	}
	return NULL;
}

/* On a stack that a recursion per level would not fit in. */
static void
test_depth(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	g_assert_cmpint(pthread_create(&thread, &attr, run_deep, NULL), ==, 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

static void
test_size(void)
{
	g_autofree char *blanks = g_strnfill(JF_JSON_MAX_BYTES - 1, ' ');
	g_autofree char *most = g_strconcat("{", blanks, NULL);
	g_autofree char *more = g_strconcat("{", blanks, "}", NULL);

	most[JF_JSON_MAX_BYTES - 1] = '}';
	check_good(most);
	check_bad(more, "more than 1048576 bytes");
}

static char *
members(guint n)
{
	GString *text = g_string_new("{");

	for (guint i = 0; i < n; i++)
		g_string_append_printf(text, "%s\"n%u\":0", i > 0 ? "," : "", i);
	return g_string_free(g_string_append_c(text, '}'), FALSE);
}

static void
test_members(void)
{
	g_autofree char *most = members(JF_JSON_MAX_MEMBERS);
	g_autofree char *more = members(JF_JSON_MAX_MEMBERS + 1);
	g_autoptr(GError) error = NULL;

	check_good(most);
	g_assert_false(jf_json_guard(more, strlen(more), &error));
	g_assert_nonnull(strstr(error->message, "more than 4096 members"));
}

/* Every beginning of a good text is refused, and no byte of it can be changed into a crash. */
static void
test_torn(void)
{
	static const char text[] = "{\"a\":[1,-2.5e3,\"\\ud83d\\ude00\\n\"],\"b\":{\"c\":null}}";
	const gsize len = sizeof text - 1;

	for (gsize n = 0; n < len; n++) {
		g_autofree char *part = g_memdup2(text, n);

		g_assert_false(jf_json_guard(part, n, NULL));
	}
	for (gsize at = 0; at < len; at++)
		for (guint byte = 0; byte < 256; byte++) {
			g_autofree char *copy = g_memdup2(text, len);

			copy[at] = (char)byte;
			if (jf_json_guard(copy, len, NULL)) {
				g_autoptr(JsonNode) root = jf_document_parse(copy, len, NULL);

				g_assert_nonnull(root);
			}
		}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/json-guard/good", test_good);
	g_test_add_func("/json-guard/values", test_values);
	g_test_add_func("/json-guard/structure", test_structure);
	g_test_add_func("/json-guard/numbers", test_numbers);
	g_test_add_func("/json-guard/strings", test_strings);
	g_test_add_func("/json-guard/names", test_names);
	g_test_add_func("/json-guard/depth", test_depth);
	g_test_add_func("/json-guard/size", test_size);
	g_test_add_func("/json-guard/members", test_members);
	g_test_add_func("/json-guard/torn", test_torn);
	return g_test_run();
}
