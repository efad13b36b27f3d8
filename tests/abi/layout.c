/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layout.c - whether the contract's structs and constants are what plugins were built with. */
#include <stddef.h>
#include <string.h>

#include "jackfield/abi.h"
#include "jackfield/card.h"
#include "jackfield/dhcp.h"
#include "jackfield/driver.h"
#include "jackfield/forward.h"
#include "jackfield/frame.h"
#include "jackfield/pci.h"
#include "jackfield/property.h"
#include "jackfield/socket.h"
#include "jackfield/state.h"
#include "jackfield/switch.h"
#include "jackfield/util.h"
#include "jackfield/virtio.h"
#include "jackfield/vmm.h"

/* One line of layout.h; `name` NULL is padding or, with `whole`, the struct itself. */
typedef struct Row {
	const char *type, *name;
	gsize offset, size;           /* as it is */
	gsize pinned_at, pinned_size; /* as it has to be */
	gboolean whole;
} Row;

#define FIELD(type, field, at, bytes) \
	{ #type, #field, offsetof(type, field), sizeof(((type *)NULL)->field), at, bytes, FALSE },
#define PAD(type, at, bytes) { #type, NULL, at, bytes, at, bytes, FALSE },
#define SIZE(type, bytes) { #type, NULL, 0, sizeof(type), 0, bytes, TRUE },
#define VALUE(constant, value)
static const Row rows[] = {
#include "layout.h"
};
#undef FIELD
#undef PAD
#undef SIZE
#undef VALUE

typedef struct Constant {
	const char *name;
	gint64 value, pinned;
} Constant;

#define FIELD(type, field, at, bytes)
#define PAD(type, at, bytes)
#define SIZE(type, bytes)
#define VALUE(constant, value) { #constant, (gint64)(constant), value },
static const Constant constants[] = {
#include "layout.h"
};

static void
test_fields(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("%s.%s", rows[i].type, rows[i].name ? rows[i].name : "");
		g_assert_cmpuint(rows[i].offset, ==, rows[i].pinned_at);
		g_assert_cmpuint(rows[i].size, ==, rows[i].pinned_size);
	}
}

/* The lines of a struct leave no byte out: a new field cannot hide between the others. */
static void
test_no_gaps(void)
{
	gsize end = 0;

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("%s.%s", rows[i].type, rows[i].name ? rows[i].name : "");
		if (rows[i].whole) {
			g_assert_cmpuint(end, ==, rows[i].size);
			end = 0;
		} else {
			g_assert_cmpuint(rows[i].offset, ==, end);
			end += rows[i].size;
		}
	}
	g_assert_cmpuint(end, ==, 0);
}

static void
test_constants(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(constants); i++) {
		g_test_message("%s", constants[i].name);
		g_assert_cmpint(constants[i].value, ==, constants[i].pinned);
	}
}

static gboolean
is_pinned(const char *type)
{
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		if (rows[i].whole && strcmp(rows[i].type, type) == 0)
			return TRUE;
	return FALSE;
}

static guint
check_header(const char *path)
{
	g_autoptr(GRegex)
		regex = g_regex_new("^(?:typedef )?struct (\\w+) \\{", G_REGEX_MULTILINE, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	g_autofree char *text = NULL;
	guint n = 0;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match);
	     g_match_info_next(match, NULL), n++) {
		g_autofree char *type = g_match_info_fetch(match, 1);

		g_test_message("%s in %s", type, path);
		g_assert_true(is_pinned(type));
	}
	return n;
}

/* Every struct of every header is here. */
static void
test_complete(void)
{
	static const char *const headers[] = { "abi.h",     "card.h",   "dhcp.h",   "driver.h",
					       "forward.h", "frame.h",  "pci.h",    "property.h",
					       "state.h",   "socket.h", "switch.h", "util.h",
					       "virtio.h",  "vmm.h" };
	guint n = 0, pinned = 0;

	for (guint i = 0; i < G_N_ELEMENTS(headers); i++) {
		g_autofree char *path = g_build_filename(HEADER_DIR, headers[i], NULL);

		n += check_header(path);
	}
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		pinned += rows[i].whole;
	g_assert_cmpuint(n, ==, pinned);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/abi/fields", test_fields);
	g_test_add_func("/abi/no-gaps", test_no_gaps);
	g_test_add_func("/abi/constants", test_constants);
	g_test_add_func("/abi/complete", test_complete);
	return g_test_run();
}
