/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver-copy.c - a plugin's descriptions checked by every rule of the contract and copied.
 *
 * What a plugin says of itself is checked once, here, so that the rest of the core can rely on it.
 * Sizes come first: nothing is read beyond what the plugin says is there.
 */
#include "driver-copy.h"

#include <string.h>

#include "text.h"
#include "value.h"

#define BLURB_MAX 1000u
#define NAME_MAX_BYTES 31u
#define PRIV_MAX (16u << 20)
#define PROPS_MAX 256u
#define CHOICES_MAX 256u
#define STRUCT_MAX 65536u
/* What the first release of the contract had; a shorter one never existed or lacks something
 * mandatory. */
#define DRIVER_MIN_SIZE (offsetof(JfDriver, finish) + sizeof(gpointer))
#define PROP_MIN_STRIDE (offsetof(JfPropSpec, blurb) + sizeof(gpointer))
#define PLUGIN_MIN_SIZE (offsetof(JfPlugin, drivers) + sizeof(gpointer))

static const char *const kind_names[] = {
	[JF_KIND_MODEL] = "model",     [JF_KIND_CONNECTOR] = "connector",
	[JF_KIND_FILTER] = "filter",   [JF_KIND_ATTACHMENT] = "attachment",
	[JF_KIND_SERVICE] = "service", [JF_KIND_PROVIDER] = "provider",
};

const char *
jf_kind_name(guint32 kind)
{
	return kind < G_N_ELEMENTS(kind_names) ? kind_names[kind] : NULL;
}

G_GNUC_PRINTF(2, 3)
static gboolean
broken(GError **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (error)
		*error = g_error_new_valist(JF_ERROR, JF_ERROR_PLUGIN, format, args);
	va_end(args);
	return FALSE;
}

/* `first` and `rest` are the characters allowed beside lower-case letters and digits. */
static gboolean
name_is_valid(const char *name, const char *first, const char *rest)
{
	gsize len = name ? strnlen(name, NAME_MAX_BYTES + 1) : 0;

	if (len == 0 || len > NAME_MAX_BYTES)
		return FALSE;
	for (gsize i = 0; i < len; i++)
		if (!g_ascii_islower(name[i]) && !strchr(i == 0 ? first : rest, name[i]))
			return FALSE;
	return TRUE;
}

#define DIGITS "0123456789"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static gboolean
choices_check(const JfPropSpec *spec, GError **error)
{
	guint n = 0;

	for (; spec->choices && spec->choices[n]; n++) {
		if (n == CHOICES_MAX)
			return broken(error, "more than %u choices, or no NULL ends them",
				      CHOICES_MAX);
		if (!jf_text_is_plain(spec->choices[n], BLURB_MAX))
			return broken(error, "choice %u is empty or not plain UTF-8", n);
		for (guint i = 0; i < n; i++)
			if (g_ascii_strcasecmp(spec->choices[i], spec->choices[n]) == 0)
				return broken(error, "choice '%s' is there twice",
					      spec->choices[n]);
	}
	return n > 0 || broken(error, "an enum needs choices");
}

static gboolean
limits_check(const JfPropSpec *spec, GError **error)
{
	static const gint64 int32_max = G_MAXINT32;

	if (spec->min > spec->max)
		return broken(error, "its min is greater than its max");
	switch (spec->type) {
	case JF_PROP_SIZE:
	case JF_PROP_RATE:
		return spec->min >= 0 || broken(error, "its min is negative");
	case JF_PROP_STRING:
	case JF_PROP_LIST:
		return (spec->max >= 0 && spec->max < int32_max) ||
		       broken(error, "its max is out of range");
	default:
		return TRUE;
	}
}

static gboolean
default_check(const JfPropSpec *spec, GError **error)
{
	JfValue value = { .type = spec->type };
	g_autofree char *shown = spec->def ? jf_text_show(spec->def) : NULL, *expects = NULL;

	if (!spec->def)
		return TRUE;
	if (spec->flags & JF_PROP_REQUIRED)
		return broken(error, "it is required and has a default");
	if (jf_value_parse(spec, spec->def, &value)) {
		jf_value_clear(&value);
		return TRUE;
	}
	expects = jf_value_expects(spec);
	return broken(error, "its default '%s' is not %s", shown, expects);
}

static gboolean
prop_check(const JfDriver *driver, const JfPropSpec *spec, GError **error)
{
	if (!name_is_valid(spec->name, "", DIGITS "-"))
		return broken(error, "its name is not [a-z][a-z0-9-]* of at most %u bytes",
			      NAME_MAX_BYTES);
	if (!jf_prop_type_name(spec->type))
		return broken(error, "its type %u is unknown", spec->type);
	if (!jf_text_is_plain(spec->blurb, BLURB_MAX))
		return broken(error, "its blurb is missing or not plain UTF-8");
	if ((spec->flags & JF_PROP_LIVE) && !driver->changed)
		return broken(error, "it is live, but the driver has no changed callback");
	if (spec->type == JF_PROP_ENUM && !choices_check(spec, error))
		return FALSE;
	return limits_check(spec, error) && default_check(spec, error);
}

/* The rows of `theirs` in this ABI's size, with the row that ends them. NULL with an error. */
static JfPropSpec *
props_copy(const JfDriver *theirs, GError **error)
{
	gsize stride = theirs->prop_stride, len = MIN(stride, sizeof(JfPropSpec));
	g_autoptr(GArray) rows = g_array_new(TRUE, TRUE, sizeof(JfPropSpec));

	if (stride < PROP_MIN_STRIDE || stride > STRUCT_MAX || stride % sizeof(gpointer) != 0) {
		broken(error, "prop_stride %u is no size of JfPropSpec: JF_DRIVER_HEAD missing?",
		       theirs->prop_stride);
		return NULL;
	}
	for (gsize i = 0;; i++) {
		const char *row = (const char *)theirs->props + i * stride;
		JfPropSpec copy = { 0 };

		memcpy(&copy, row, len);
		if (!copy.name)
			return (JfPropSpec *)(gpointer)g_array_free(g_steal_pointer(&rows), FALSE);
		if (i == PROPS_MAX) {
			broken(error,
			       "more than %u properties, or no row with a NULL name "
			       "ends them",
			       PROPS_MAX);
			return NULL;
		}
		g_array_append_val(rows, copy);
	}
}

static gboolean
props_check(const JfDriver *driver, GError **error)
{
	for (const JfPropSpec *spec = driver->props; spec && spec->name; spec++) {
		g_autofree char *shown = jf_text_show(spec->name);

		if (!prop_check(driver, spec, error)) {
			g_prefix_error(error, "property '%s': ", shown);
			return FALSE;
		}
		for (const JfPropSpec *other = driver->props; other < spec; other++)
			if (strcmp(other->name, spec->name) == 0)
				return broken(error, "property '%s' is there twice", shown);
	}
	return TRUE;
}

static gboolean
kind_has_port(guint32 kind)
{
	/* A connector has one only while it hosts no model. */
	return kind == JF_KIND_MODEL || kind == JF_KIND_FILTER || kind == JF_KIND_ATTACHMENT;
}

static gboolean
driver_check(const JfDriver *driver, GError **error)
{
	if (!jf_kind_name(driver->kind))
		return broken(error, "its kind %u is unknown", driver->kind);
	if (driver->priv_size > PRIV_MAX)
		return broken(error, "its priv_size %u is more than 16 MiB", driver->priv_size);
	if (!jf_text_is_plain(driver->blurb, BLURB_MAX))
		return broken(error, "its blurb is missing or not plain UTF-8");
	if (!driver->init || !driver->finish)
		return broken(error, "it has no %s callback", driver->init ? "finish" : "init");
	if (kind_has_port(driver->kind) && !driver->input)
		return broken(error, "it is a kind with a port and has no input callback");
	if (driver->kind == JF_KIND_MODEL && !driver->query)
		return broken(error, "it is a model and has no query callback for jf.pci/1");
	return props_check(driver, error);
}

/* Everything but the checks that can say whose fault it is. */
static JfDriver *
driver_copy(const JfDriver *theirs, GError **error)
{
	gsize size = theirs->struct_size;
	g_autoptr(JfDriver) copy = NULL;

	if (size < DRIVER_MIN_SIZE || size > STRUCT_MAX) {
		broken(error,
		       "a driver's struct_size %u is no size of JfDriver: "
		       "JF_DRIVER_HEAD missing?",
		       theirs->struct_size);
		return NULL;
	}
	copy = g_new0(JfDriver, 1);
	memcpy(copy, theirs, MIN(size, sizeof *copy));
	copy->struct_size = sizeof *copy;
	copy->props = NULL;
	if (!name_is_valid(copy->id, CAPITALS DIGITS, CAPITALS DIGITS "._-")) {
		g_autofree char *shown = jf_text_show(copy->id);

		broken(error,
		       "driver id '%s' is not [A-Za-z0-9][A-Za-z0-9._-]* of at most "
		       "%u bytes",
		       shown, NAME_MAX_BYTES);
		return NULL;
	}
	return g_steal_pointer(&copy);
}

JfDriver *
jf_driver_copy(const JfDriver *theirs, GError **error)
{
	g_autoptr(JfDriver) copy = driver_copy(theirs, error);

	if (!copy)
		return NULL;
	copy->props = theirs->props ? props_copy(theirs, error) : NULL;
	copy->prop_stride = sizeof(JfPropSpec);
	if ((theirs->props && !copy->props) || !driver_check(copy, error)) {
		g_prefix_error(error, "driver '%s': ", copy->id);
		return NULL;
	}
	return g_steal_pointer(&copy);
}

void
jf_driver_copy_free(JfDriver *copy)
{
	if (!copy)
		return;
	g_free((JfPropSpec *)copy->props);
	g_free(copy);
}

static gboolean
plugin_check(const JfPlugin *plugin, GError **error)
{
	if (!name_is_valid(plugin->name, DIGITS, DIGITS "-"))
		return broken(error,
			      "the plugin's name is not [a-z0-9][a-z0-9-]* of at most "
			      "%u bytes",
			      NAME_MAX_BYTES);
	if (!jf_text_is_plain(plugin->version, BLURB_MAX))
		return broken(error, "the plugin's version is missing or not plain UTF-8");
	if (!jf_text_is_plain(plugin->license, BLURB_MAX))
		return broken(error, "the plugin's license is missing or not plain UTF-8");
	if (!jf_text_is_plain(plugin->blurb, BLURB_MAX))
		return broken(error, "the plugin's blurb is missing or not plain UTF-8");
	if (!plugin->drivers || !plugin->drivers[0])
		return broken(error, "the plugin lists no drivers");
	return TRUE;
}

JfPlugin *
jf_plugin_copy(const JfPlugin *theirs, GError **error)
{
	g_autofree JfPlugin *copy = NULL;

	/* Another major may have any size: only the head is where it always was. */
	if (theirs->abi_major != JF_ABI_MAJOR) {
		g_set_error(error, JF_ERROR, JF_ERROR_ABI,
			    "the plugin is built for ABI %u, this library has ABI %u",
			    theirs->abi_major, JF_ABI_MAJOR);
		return NULL;
	}
	if (theirs->struct_size < PLUGIN_MIN_SIZE || theirs->struct_size > STRUCT_MAX) {
		broken(error,
		       "the plugin's struct_size %u is no size of JfPlugin: "
		       "JF_PLUGIN_HEAD missing?",
		       theirs->struct_size);
		return NULL;
	}
	copy = g_new0(JfPlugin, 1);
	memcpy(copy, theirs, MIN(theirs->struct_size, sizeof *copy));
	copy->struct_size = sizeof *copy;
	return plugin_check(copy, error) ? g_steal_pointer(&copy) : NULL;
}
