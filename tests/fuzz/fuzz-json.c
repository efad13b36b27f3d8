/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-json.c - text that claims to be a document. What the guard lets through can be written and
 * read again, and is the same then, unless it holds a number that json-glib 1.6 cannot write
 * ("5e+17.0", "4e-50.0"): such a document is refused when it is saved. */
#include "document.h"
#include "fuzz.h"

#include <string.h>

#include "jackfield/abi.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) root = jf_document_parse((const char *)data, len, &error);
	g_autoptr(JsonNode) again = NULL;
	g_autofree char *text = NULL;

	if (!root) {
		g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
		return 0;
	}
	g_assert_no_error(error);
	g_assert_true(JSON_NODE_HOLDS_OBJECT(root));
	text = json_to_string(root, FALSE);
	if (strstr(text, "e+") || strstr(text, "e-"))
		return 0;
	again = jf_document_parse(text, strlen(text), &error);
	g_assert_no_error(error);
	g_assert_true(json_node_equal(root, again));
	return 0;
}
