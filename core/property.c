/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* property.c - a driver's property table and the values that an instance has of it. */
#include "property.h"

#include <string.h>

#include "nearest.h"
#include "text.h"
#include "value.h"

struct JfPropertySet {
	const JfDriver *driver;
	guint n;
	JfValue *values; /* in the order of the table */
};

static const JfPropSpec *
prop_at(const JfDriver *driver, guint i)
{
	return (const JfPropSpec *)((const char *)driver->props + (gsize)i * driver->prop_stride);
}

static guint
prop_count(const JfDriver *driver)
{
	guint n = 0;

	while (driver->props && prop_at(driver, n)->name)
		n++;
	return n;
}

const JfPropSpec *
jf_driver_get_prop(const JfDriver *driver, guint i)
{
	return i < prop_count(driver) ? prop_at(driver, i) : NULL;
}

/* -1: there is none. */
static int
prop_index(const JfDriver *driver, const char *key)
{
	const JfPropSpec *spec;

	for (guint i = 0; driver->props && (spec = prop_at(driver, i))->name; i++)
		if (g_ascii_strcasecmp(spec->name, key) == 0)
			return (int)i;
	return -1;
}

static void
key_error(const JfDriver *driver, const char *key, GError **error)
{
	guint n = prop_count(driver);
	g_autofree const char **names = g_new0(const char *, n + 1);
	g_autofree char *shown = jf_text_show(key), *hint = NULL, *all = NULL;

	for (guint i = 0; i < n; i++)
		names[i] = prop_at(driver, i)->name;
	hint = jf_nearest_hint(key, names);
	all = g_strjoinv(", ", (char **)names);
	if (n == 0)
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "unknown property '%s' of %s, which has none", shown, driver->id);
	else if (*hint)
		g_set_error(error, JF_ERROR, JF_ERROR_KEY, "unknown property '%s' of %s%s", shown,
			    driver->id, hint);
	else
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "unknown property '%s' of %s; it has: %s", shown, driver->id, all);
}

const JfPropSpec *
jf_driver_find_prop(const JfDriver *driver, const char *key, guint *index, GError **error)
{
	int i = prop_index(driver, key);

	if (i < 0) {
		key_error(driver, key, error);
		return NULL;
	}
	if (index)
		*index = (guint)i;
	return prop_at(driver, (guint)i);
}

/* A secret's value does not get into messages, wrong or not. */
static void
value_error(const JfDriver *driver, const JfPropSpec *spec, const char *text, GError **error)
{
	g_autofree char *shown = jf_text_show(text), *expects = jf_value_expects(spec);

	if (spec->flags & JF_PROP_SECRET)
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "bad value for property '%s' of %s: expected %s", spec->name,
			    driver->id, expects);
	else
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "bad value '%s' for property '%s' of %s: expected %s", shown,
			    spec->name, driver->id, expects);
}

/* `text` NULL or "": the default, or unset where there is none. */
static gboolean
value_assign(const JfDriver *driver, const JfPropSpec *spec, const char *text, JfValue *value,
	     GError **error)
{
	if (!text || !*text)
		text = spec->def;
	if (!text && (spec->flags & JF_PROP_REQUIRED)) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY, "property '%s' of %s is required",
			    spec->name, driver->id);
		return FALSE;
	}
	if (!text) {
		jf_value_clear(value);
		return TRUE;
	}
	if (!jf_value_parse(spec, text, value)) {
		value_error(driver, spec, text, error);
		return FALSE;
	}
	return TRUE;
}

char *
jf_driver_check_prop(const JfDriver *driver, const char *key, const char *value, GError **error)
{
	const JfPropSpec *spec = jf_driver_find_prop(driver, key, NULL, error);
	JfValue parsed = { .type = spec ? spec->type : 0 };
	char *canonical;

	if (!spec)
		return NULL;
	if ((!value || !*value) && !(spec->flags & JF_PROP_REQUIRED))
		return g_strdup("");
	if (!value_assign(driver, spec, value, &parsed, error))
		return NULL;
	canonical = g_strdup(parsed.text);
	jf_value_clear(&parsed);
	return canonical;
}

/* One "key=value". `given` remembers which keys came before. */
static gboolean
set_take(JfPropertySet *set, const char *property, gboolean *given, GError **error)
{
	const char *equals = strchr(property, '=');
	g_autofree char *key = equals ? g_strndup(property, (gsize)(equals - property)) : NULL;
	g_autofree char *shown = jf_text_show(key ? key : property);
	const JfPropSpec *spec;
	guint i;

	if (!equals) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "property '%s' of %s is not of the form key=value", shown,
			    set->driver->id);
		return FALSE;
	}
	spec = jf_driver_find_prop(set->driver, key, &i, error);
	if (!spec)
		return FALSE;
	if (given[i]) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY, "property '%s' of %s is given twice",
			    spec->name, set->driver->id);
		return FALSE;
	}
	given[i] = TRUE;
	if (!equals[1])
		return TRUE;
	return value_assign(set->driver, spec, equals + 1, &set->values[i], error);
}

JfPropertySet *
jf_property_set_new(const JfDriver *driver, const char *const *properties, GError **error)
{
	g_autoptr(JfPropertySet) set = g_new0(JfPropertySet, 1);
	g_autofree gboolean *given = NULL;

	set->driver = driver;
	set->n = prop_count(driver);
	set->values = g_new0(JfValue, set->n);
	given = g_new0(gboolean, set->n);
	for (guint i = 0; i < set->n; i++)
		set->values[i].type = prop_at(driver, i)->type;
	for (; properties && *properties; properties++)
		if (!set_take(set, *properties, given, error))
			return NULL;
	for (guint i = 0; i < set->n; i++)
		if (!set->values[i].is_set &&
		    !value_assign(driver, prop_at(driver, i), NULL, &set->values[i], error))
			return NULL;
	return g_steal_pointer(&set);
}

void
jf_property_set_free(JfPropertySet *set)
{
	if (!set)
		return;
	for (guint i = 0; i < set->n; i++)
		jf_value_clear(&set->values[i]);
	g_free(set->values);
	g_free(set);
}

const JfValue *
jf_property_set_get(const JfPropertySet *set, const char *name)
{
	int i = prop_index(set->driver, name);

	return i < 0 ? NULL : &set->values[i];
}

gboolean
jf_property_set_change(JfPropertySet *set, const char *name, const char *value, GError **error)
{
	guint i;
	const JfPropSpec *spec = jf_driver_find_prop(set->driver, name, &i, error);

	return spec && value_assign(set->driver, spec, value, &set->values[i], error);
}
