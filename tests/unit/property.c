/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* property.c - a driver's table: sets of values, defaults, and what the errors say. */
#include "property.h"

#include <string.h>

static const char *const modes[] = { "fast", "safe", NULL };

static const JfPropSpec props[] = {
	{ .name = "sport", .type = JF_PROP_INT, .def = "7000", .min = 1, .max = 65535 },
	{ .name = "dport", .type = JF_PROP_INT, .min = 1, .max = 65535 },
	{ .name = "dest", .type = JF_PROP_STRING, .flags = JF_PROP_REQUIRED },
	{ .name = "mode", .type = JF_PROP_ENUM, .def = "safe", .choices = modes },
	{ .name = "key", .type = JF_PROP_MAC, .flags = JF_PROP_SECRET },
	{ 0 },
};
static const JfDriver driver = { JF_DRIVER_HEAD, .id = "Tunnel", .props = props };
static const JfDriver bare = { JF_DRIVER_HEAD, .id = "bare" };

/* A row as a later minor may have it. */
typedef struct LongRow {
	JfPropSpec row;
	gconstpointer more[2];
} LongRow;

static const LongRow long_rows[] = {
	{ .row = { .name = "first", .type = JF_PROP_BOOL, .def = "on" }, .more = { "x", "y" } },
	{ .row = { .name = "second", .type = JF_PROP_INT, .def = "2" }, .more = { "x", "y" } },
	{ .row = { 0 } },
};
static const JfDriver newer = { .struct_size = sizeof(JfDriver),
				.prop_stride = sizeof(LongRow),
				.id = "newer",
				.props = &long_rows[0].row };

static JfPropertySet *
set_new(const char *const *properties)
{
	g_autoptr(GError) error = NULL;
	JfPropertySet *set = jf_property_set_new(&driver, properties, &error);

	g_assert_no_error(error);
	g_assert_nonnull(set);
	return set;
}

static void
check_refused(const char *property, int code, const char *message)
{
	const char *const properties[] = { "dest=far", property, NULL };
	g_autoptr(GError) error = NULL;

	g_assert_null(jf_property_set_new(&driver, properties, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_cmpstr(error->message, ==, message);
}

static void
test_rows(void)
{
	g_assert_cmpstr(jf_driver_get_prop(&driver, 0)->name, ==, "sport");
	g_assert_cmpstr(jf_driver_get_prop(&driver, 4)->name, ==, "key");
	g_assert_null(jf_driver_get_prop(&driver, 5));
	g_assert_null(jf_driver_get_prop(&driver, G_MAXUINT));
	g_assert_null(jf_driver_get_prop(&bare, 0));
	g_assert_cmpstr(jf_driver_get_prop(&newer, 1)->name, ==, "second");
	g_assert_null(jf_driver_get_prop(&newer, 2));
}

static void
test_defaults(void)
{
	static const char *const properties[] = { "dest=a=b", "DPORT=0x10", "mode=", NULL };
	g_autoptr(JfPropertySet) set = set_new(properties);

	g_assert_cmpint(jf_property_set_get(set, "sport")->v.integer, ==, 7000);
	g_assert_cmpint(jf_property_set_get(set, "dport")->v.integer, ==, 16);
	g_assert_cmpstr(jf_property_set_get(set, "dest")->v.string, ==, "a=b");
	g_assert_cmpint(jf_property_set_get(set, "mode")->v.integer, ==, 1);
	g_assert_false(jf_property_set_get(set, "key")->is_set);
	g_assert_cmpuint(jf_property_set_get(set, "key")->type, ==, JF_PROP_MAC);
	g_assert_null(jf_property_set_get(set, "key")->text);
	g_assert_null(jf_property_set_get(set, "nothing"));
}

static void
test_no_table(void)
{
	static const char *const properties[] = { "a=b", NULL };
	g_autoptr(GError) error = NULL;
	g_autoptr(JfPropertySet) set = jf_property_set_new(&bare, NULL, &error);

	g_assert_no_error(error);
	g_assert_null(jf_property_set_get(set, "a"));
	g_assert_null(jf_property_set_new(&bare, properties, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_KEY);
	g_assert_cmpstr(error->message, ==, "unknown property 'a' of bare, which has none");
	jf_property_set_free(NULL);
}

static void
test_newer_rows(void)
{
	static const char *const properties[] = { "second=3", NULL };
	g_autoptr(GError) error = NULL;
	g_autoptr(JfPropertySet) set = jf_property_set_new(&newer, properties, &error);

	g_assert_no_error(error);
	g_assert_cmpint(jf_property_set_get(set, "first")->v.integer, ==, 1);
	g_assert_cmpint(jf_property_set_get(set, "second")->v.integer, ==, 3);
}

static void
test_refused(void)
{
	check_refused("prot=1", JF_ERROR_KEY,
		      "unknown property 'prot' of Tunnel; did you mean 'sport', 'dport'?");
	check_refused("zzz=1", JF_ERROR_KEY,
		      "unknown property 'zzz' of Tunnel; it has: sport, dport, dest, mode, key");
	check_refused("=1", JF_ERROR_KEY,
		      "unknown property '' of Tunnel; it has: sport, dport, dest, mode, key");
	check_refused("sport", JF_ERROR_KEY,
		      "property 'sport' of Tunnel is not of the form key=value");
	check_refused("", JF_ERROR_KEY, "property '' of Tunnel is not of the form key=value");
	check_refused("Dest=x", JF_ERROR_KEY, "property 'dest' of Tunnel is given twice");
	check_refused("dest=", JF_ERROR_KEY, "property 'dest' of Tunnel is given twice");
	check_refused("sport=0", JF_ERROR_VALUE,
		      "bad value '0' for property 'sport' of Tunnel: expected a number from 1 to "
		      "65535");
	check_refused(
		"mode=quick", JF_ERROR_VALUE,
		"bad value 'quick' for property 'mode' of Tunnel: expected one of fast, safe");
	check_refused(
		"sport=\x1b\xff", JF_ERROR_VALUE,
		"bad value '\xef\xbf\xbd\xef\xbf\xbd' for property 'sport' of Tunnel: expected "
		"a number from 1 to 65535");
}

static void
test_secret(void)
{
	static const char *const properties[] = { "dest=x", "key=swordfish", NULL };
	g_autoptr(GError) error = NULL;

	g_assert_null(jf_property_set_new(&driver, properties, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_assert_null(strstr(error->message, "swordfish"));
}

static void
test_required(void)
{
	static const char *const empty[] = { "dest=", NULL };
	g_autoptr(GError) error = NULL, again = NULL;

	g_assert_null(jf_property_set_new(&driver, NULL, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_KEY);
	g_assert_cmpstr(error->message, ==, "property 'dest' of Tunnel is required");
	g_assert_null(jf_property_set_new(&driver, empty, &again));
	g_assert_error(again, JF_ERROR, JF_ERROR_KEY);
}

static void
check_change(JfPropertySet *set, const char *key, const char *value, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(jf_property_set_change(set, key, value, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(jf_property_set_get(set, key)->text, ==, text);
}

static void
check_no_change(JfPropertySet *set, const char *key, const char *value, int code)
{
	g_autoptr(GError) error = NULL;
	const JfValue *held = jf_property_set_get(set, key);
	g_autofree char *before = g_strdup(held ? held->text : NULL);

	g_assert_false(jf_property_set_change(set, key, value, &error));
	g_assert_error(error, JF_ERROR, code);
	if (held)
		g_assert_cmpstr(jf_property_set_get(set, key)->text, ==, before);
}

static void
test_change(void)
{
	static const char *const properties[] = { "dest=x", "dport=9", NULL };
	g_autoptr(JfPropertySet) set = set_new(properties);

	check_change(set, "sport", "1", "1");
	check_change(set, "sport", "", "7000");
	check_change(set, "sport", NULL, "7000");
	check_change(set, "dport", "", NULL);
	check_change(set, "Dest", "y", "y");
	check_no_change(set, "dest", "", JF_ERROR_KEY);
	check_no_change(set, "sport", "70000", JF_ERROR_VALUE);
	check_no_change(set, "dest", "a\tb", JF_ERROR_VALUE);
	check_no_change(set, "nothing", "1", JF_ERROR_KEY);
}

static void
check_checked(const char *key, const char *value, const char *canonical, int code)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *got = jf_driver_check_prop(&driver, key, value, &error);

	g_assert_cmpstr(got, ==, canonical);
	if (canonical)
		g_assert_no_error(error);
	else
		g_assert_error(error, JF_ERROR, code);
}

static void
test_check(void)
{
	check_checked("sport", "0x10", "16", 0);
	check_checked("KEY", "08:00:27:00:00:01", "080027000001", 0);
	check_checked("mode", "FAST", "fast", 0);
	check_checked("mode", "", "", 0);
	check_checked("dest", "", NULL, JF_ERROR_KEY);
	check_checked("mode", "slow", NULL, JF_ERROR_VALUE);
	check_checked("nodes", "x", NULL, JF_ERROR_KEY);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/property/rows", test_rows);
	g_test_add_func("/property/defaults", test_defaults);
	g_test_add_func("/property/no-table", test_no_table);
	g_test_add_func("/property/newer-rows", test_newer_rows);
	g_test_add_func("/property/refused", test_refused);
	g_test_add_func("/property/secret", test_secret);
	g_test_add_func("/property/required", test_required);
	g_test_add_func("/property/change", test_change);
	g_test_add_func("/property/check", test_check);
	return g_test_run();
}
