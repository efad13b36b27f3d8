/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* properties.c - a driver's table, the edges of each value, and values that change while it runs. */
#include "conformance.h"

#include <string.h>

static JfHarness *
try_new(Case *c, const char *more, GError **error)
{
	g_auto(GStrv) arguments = case_arguments(c, FALSE, more);

	return jf_harness_new(c->subject->driver, (const char *const *)arguments, error);
}

static void
check_refused(Case *c, const JfPropSpec *spec, const char *value, int code)
{
	g_autofree char *more = g_strdup_printf("%s=%s", spec->name, value);
	g_autoptr(GError) error = NULL;
	JfHarness *h = try_new(c, more, &error);

	if (h)
		g_error("%s takes %.80s", c->subject->driver->id, more);
	g_assert_error(error, JF_ERROR, code);
	g_assert_nonnull(strstr(error->message, spec->name));
}

/* A value that the table allows: the driver works with it, or says why not. */
static void
check_allowed(Case *c, const JfPropSpec *spec, const char *value)
{
	g_autofree char *more = g_strdup_printf("%s=%s", spec->name, value);
	g_autoptr(GError) error = NULL;
	JfHarness *h = try_new(c, more, &error);

	g_assert_no_error(error);
	if (!jf_harness_init(h, &error) || !jf_harness_start(h, &error))
		g_assert_true(error_is_proper(error));
	else
		exercise(h);
	case_end(h);
}

static void
test_unknown(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	g_autoptr(GError) error = NULL;

	g_assert_null(try_new(c, "no-such-property=1", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_KEY);
	g_assert_nonnull(strstr(error->message, "no-such-property"));
	g_assert_nonnull(strstr(error->message, c->subject->driver->id));
}

/* A property without its value: the default, nothing, or an error that names it if required. */
static void
test_empty(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	const JfPropSpec *spec;

	for (guint i = 0; (spec = jf_driver_get_prop(c->subject->driver, i)); i++)
		if (spec->flags & JF_PROP_REQUIRED)
			check_refused(c, spec, "", JF_ERROR_KEY);
		else
			check_allowed(c, spec, "");
}

static void
test_range(Case *c, const JfPropSpec *spec)
{
	g_autofree char *min = g_strdup_printf("%" G_GINT64_FORMAT, spec->min);
	g_autofree char *max = g_strdup_printf("%" G_GINT64_FORMAT, spec->max);
	/* What lies beyond the type's own limits is one digit more. */
	g_autofree char *below = spec->min > G_MININT64
					 ? g_strdup_printf("%" G_GINT64_FORMAT, spec->min - 1)
					 : g_strconcat(min, "0", NULL);
	g_autofree char *above = spec->max < G_MAXINT64
					 ? g_strdup_printf("%" G_GINT64_FORMAT, spec->max + 1)
					 : g_strconcat(max, "0", NULL);
	gboolean limited = spec->min || spec->max;

	/* A bare number of a rate is in MiB: its bytes are written with a suffix where they can. */
	if (spec->type == JF_PROP_RATE) {
		check_refused(c, spec, "-1", JF_ERROR_VALUE);
		check_allowed(c, spec, "1M");
	} else if (limited) {
		check_allowed(c, spec, min);
		check_allowed(c, spec, max);
		if (spec->min > G_MININT64)
			check_refused(c, spec, below, JF_ERROR_VALUE);
		if (spec->max < G_MAXINT64)
			check_refused(c, spec, above, JF_ERROR_VALUE);
	}
	check_refused(c, spec, "99999999999999999999", JF_ERROR_VALUE);
	check_refused(c, spec, "1 2", JF_ERROR_VALUE);
	check_refused(c, spec, "x", JF_ERROR_VALUE);
}

static void
test_long_text(Case *c, const JfPropSpec *spec, gsize most)
{
	g_autofree char *beyond = g_strnfill(most + 1, 'a');
	g_autofree char *huge = g_strnfill(1000000, 'a');

	if (spec->type == JF_PROP_PATH)
		beyond[0] = huge[0] = '/';
	check_refused(c, spec, beyond, JF_ERROR_VALUE);
	check_refused(c, spec, huge, JF_ERROR_VALUE);
	check_refused(c, spec, "/tmp/a\nb", JF_ERROR_VALUE);
	check_refused(c, spec, "/tmp/\xff", JF_ERROR_VALUE);
	if (spec->type == JF_PROP_STRING) {
		beyond[most] = '\0';
		check_allowed(c, spec, beyond);
	} else {
		check_refused(c, spec, "relative/name", JF_ERROR_VALUE);
	}
}

static void
test_choices(Case *c, const JfPropSpec *spec)
{
	for (guint i = 0; spec->choices[i]; i++) {
		g_autofree char *upper = g_ascii_strup(spec->choices[i], -1);

		check_allowed(c, spec, spec->choices[i]);
		check_allowed(c, spec, upper);
	}
	check_refused(c, spec, "no-such-choice", JF_ERROR_VALUE);
}

static void
test_long_list(Case *c, const JfPropSpec *spec)
{
	g_autoptr(GString) list = g_string_new("a");

	for (gint64 i = 0; i < (spec->max ? spec->max : 64); i++)
		g_string_append(list, ",a");
	check_refused(c, spec, list->str, JF_ERROR_VALUE);
}

static void
check_edges(Case *c, const JfPropSpec *spec)
{
	switch (spec->type) {
	case JF_PROP_BOOL:
		check_allowed(c, spec, "on");
		check_allowed(c, spec, "off");
		check_refused(c, spec, "maybe", JF_ERROR_VALUE);
		break;
	case JF_PROP_INT:
	case JF_PROP_SIZE:
	case JF_PROP_RATE:
		test_range(c, spec);
		break;
	case JF_PROP_STRING:
		test_long_text(c, spec, spec->max ? (gsize)spec->max : 255);
		break;
	case JF_PROP_PATH:
		test_long_text(c, spec, 4095);
		break;
	case JF_PROP_ENUM:
		test_choices(c, spec);
		break;
	case JF_PROP_MAC:
		check_allowed(c, spec, "08:00:27:ff:fe:fd");
		check_refused(c, spec, "08:00:27:ff:fe", JF_ERROR_VALUE);
		check_refused(c, spec, "08:00:27:ff:fe:fg", JF_ERROR_VALUE);
		break;
	case JF_PROP_IPV4:
		check_refused(c, spec, "10.0.2", JF_ERROR_VALUE);
		check_refused(c, spec, "10.0.2.256", JF_ERROR_VALUE);
		break;
	case JF_PROP_IPV6:
		check_refused(c, spec, "fd00::g", JF_ERROR_VALUE);
		check_refused(c, spec, "1::2::3", JF_ERROR_VALUE);
		break;
	case JF_PROP_CIDR:
		check_refused(c, spec, "10.0.2.0/33", JF_ERROR_VALUE);
		check_refused(c, spec, "fd00::/129", JF_ERROR_VALUE);
		check_refused(c, spec, "10.0.2.0", JF_ERROR_VALUE);
		break;
	case JF_PROP_LIST:
		test_long_list(c, spec);
		break;
	default:
		g_error("property '%s' has type %u", spec->name, spec->type);
	}
}

static void
test_edges(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	const JfPropSpec *spec;

	for (guint i = 0; (spec = jf_driver_get_prop(c->subject->driver, i)); i++)
		check_edges(c, spec);
}

/* Each row tells people what it is for, in a sentence. */
static void
test_blurbs(gconstpointer data)
{
	const Subject *subject = data;
	const JfPropSpec *spec;

	g_assert_cmpuint(strlen(subject->driver->blurb), >, 10);
	for (guint i = 0; (spec = jf_driver_get_prop(subject->driver, i)); i++) {
		g_assert_nonnull(spec->blurb);
		g_assert_cmpuint(strlen(spec->blurb), >, 10);
	}
}

static void
check_live(JfHarness *h, const JfPropSpec *spec, const char *value)
{
	g_autoptr(GError) error = NULL;

	if (!jf_harness_set_property(h, spec->name, value, &error))
		g_assert_true(error_is_proper(error));
	exercise(h);
}

static void
change_number(JfHarness *h, const JfPropSpec *spec)
{
	g_autofree char *min = g_strdup_printf("%" G_GINT64_FORMAT, spec->min);
	g_autofree char *max = g_strdup_printf("%" G_GINT64_FORMAT, spec->max);

	check_live(h, spec, min);
	check_live(h, spec, max);
}

static void
change_live(JfHarness *h, const JfPropSpec *spec)
{
	switch (spec->type) {
	case JF_PROP_BOOL:
		check_live(h, spec, "off");
		check_live(h, spec, "on");
		break;
	case JF_PROP_INT:
	case JF_PROP_SIZE:
		change_number(h, spec);
		break;
	case JF_PROP_RATE:
		check_live(h, spec, "1");
		check_live(h, spec, "8k");
		break;
	case JF_PROP_ENUM:
		for (guint i = 0; spec->choices[i]; i++)
			check_live(h, spec, spec->choices[i]);
		break;
	case JF_PROP_STRING:
	case JF_PROP_LIST:
		check_live(h, spec, "some-other-text");
		break;
	case JF_PROP_PATH:
		check_live(h, spec, "/nonexistent/file");
		break;
	default:
		break;
	}
	check_live(h, spec, spec->def);
}

static void
test_live(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);
	const JfPropSpec *spec;

	for (guint i = 0; (spec = jf_driver_get_prop(c->subject->driver, i)); i++)
		if (spec->flags & JF_PROP_LIVE)
			change_live(h, spec);
	case_end(h);
}

void
properties_add(const Subject *subject)
{
	add_case(subject, "properties/blurbs", test_blurbs);
	add_case(subject, "properties/unknown", test_unknown);
	add_case(subject, "properties/empty", test_empty);
	add_case(subject, "properties/edges", test_edges);
	add_case(subject, "properties/live", test_live);
}
