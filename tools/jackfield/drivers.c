/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drivers.c - drivers, inspect: what plugins there are and what their properties mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "message.h"

#define DRIVERS_TYPE "(a(ssssss))"
#define PROPERTIES_TYPE "a(ssasssass)"

/* ---- drivers ---- */

static gboolean
warn_plugin_problems(Cli *cli, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	const char *file, *why;

	reply = cli_call_manager(cli, "ListPluginProblems", NULL, "(a(ss))", error);
	if (!reply)
		return FALSE;
	g_variant_get(reply, "(a(ss))", &iter);
	while (g_variant_iter_next(iter, "(&s&s)", &file, &why))
		fprintf(stderr, "jackfield: warning: %s: %s\n", file, why);
	return TRUE;
}

gboolean
verb_drivers(Cli *cli, char **args, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	const char *kind, *id, *blurb, *plugin, *version, *file;

	if (*args) {
		usage_error(error, "drivers takes no arguments, but there is '%s'", *args);
		return FALSE;
	}
	reply = cli_call_manager(cli, "ListDrivers", NULL, DRIVERS_TYPE, error);
	if (!reply)
		return FALSE;
	printf("%-11s %-14s %-14s %s\n", "KIND", "DRIVER", "PLUGIN", "WHAT IT IS");
	g_variant_get(reply, DRIVERS_TYPE, &iter);
	while (g_variant_iter_next(iter, "(&s&s&s&s&s&s)", &kind, &id, &blurb, &plugin, &version,
				   &file)) {
		g_autofree char *from =
			g_strdup_printf("%s%s%s", plugin, *version ? " " : "", version);

		printf("%-11s %-14s %-14s %s\n", kind, id, from, blurb);
	}
	return warn_plugin_problems(cli, error);
}

/* ---- inspect ---- */

typedef struct Property {
	const char *name, *type, *def, *range, *blurb;
	const char **flags, **choices;
} Property;

static void
property_clear(Property *property)
{
	g_free(property->flags);
	g_free(property->choices);
}

static gboolean
property_next(GVariantIter *iter, Property *property)
{
	return g_variant_iter_next(iter, "(&s&s^a&s&s&s^a&s&s)", &property->name, &property->type,
				   &property->flags, &property->def, &property->range,
				   &property->choices, &property->blurb);
}

/* "live, required; 1..65535" */
static char *
describe_values(const Property *property)
{
	if (property->choices[0])
		return g_strjoinv(", ", (char **)property->choices);
	return g_strdup(property->range);
}

static void
print_text(GVariantIter *iter)
{
	Property property;

	while (property_next(iter, &property)) {
		g_autofree char *values = describe_values(&property);
		g_autofree char *flags = g_strjoinv(", ", (char **)property.flags);

		printf("  %s (%s%s%s)\n      %s\n", property.name, property.type,
		       *flags ? ", " : "", flags, property.blurb);
		if (*values)
			printf("      Values: %s\n", values);
		if (*property.def)
			printf("      Default: %s\n", property.def);
		property_clear(&property);
	}
}

/* A bar would end the cell. */
static char *
quote_cell(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "|", -1);

	return g_strjoinv("\\|", parts);
}

static void
print_markdown(GVariantIter *iter)
{
	Property property;

	printf("| Property | Type | Default | Values | Meaning |\n|---|---|---|---|---|\n");
	while (property_next(iter, &property)) {
		g_autofree char *values = describe_values(&property);
		g_autofree char *flags = g_strjoinv(", ", (char **)property.flags);
		g_autofree char *values_cell = quote_cell(values);
		g_autofree char *def_cell = quote_cell(property.def);
		g_autofree char *blurb_cell = quote_cell(property.blurb);

		printf("| `%s` | %s%s%s | %s%s%s | %s | %s |\n", property.name, property.type,
		       *flags ? ", " : "", flags, *def_cell ? "`" : "", def_cell,
		       *def_cell ? "`" : "", values_cell, blurb_cell);
		property_clear(&property);
	}
}

/* ---- JSON schema ---- */

static gboolean
is_integer(const char *text)
{
	char *end;

	g_ascii_strtoll(text, &end, 10);
	return *text && !*end;
}

static void
append_member(GString *json, const char *name, const char *value)
{
	g_autofree char *quoted = text_quote_json(value);

	g_string_append_printf(json, ", \"%s\": %s", name, quoted);
}

static void
append_choices(GString *json, const Property *property)
{
	guint i;

	g_string_append(json, ", \"enum\": [");
	for (i = 0; property->choices[i]; i++) {
		g_autofree char *quoted = text_quote_json(property->choices[i]);

		g_string_append_printf(json, "%s%s", i ? ", " : "", quoted);
	}
	g_string_append_c(json, ']');
}

/* "1..65535" */
static void
append_range(GString *json, const char *range)
{
	g_auto(GStrv) ends = g_strsplit(range, "..", 2);

	if (g_strv_length(ends) != 2)
		return;
	if (is_integer(ends[0]))
		g_string_append_printf(json, ", \"minimum\": %s", ends[0]);
	if (is_integer(ends[1]))
		g_string_append_printf(json, ", \"maximum\": %s", ends[1]);
}

static void
append_default(GString *json, const Property *property)
{
	if (!*property->def)
		return;
	if (strcmp(property->type, "int") == 0 && is_integer(property->def))
		g_string_append_printf(json, ", \"default\": %s", property->def);
	else if (strcmp(property->type, "bool") == 0)
		g_string_append_printf(json, ", \"default\": %s",
				       strcmp(property->def, "on") == 0 ? "true" : "false");
	else
		append_member(json, "default", property->def);
}

/* SIZE and RATE are strings: they have suffixes. */
static void
append_property(GString *json, const Property *property)
{
	g_autofree char *name = text_quote_json(property->name);
	const char *const *flags = (const char *const *)property->flags;
	const char *type = strcmp(property->type, "int") == 0    ? "integer"
			   : strcmp(property->type, "bool") == 0 ? "boolean"
								 : "string";

	g_string_append_printf(json, "%s\n    %s: {\"type\": \"%s\"",
			       json->str[json->len - 1] == '{' ? "" : ",", name, type);
	if (strcmp(type, "string") == 0)
		append_member(json, "format", property->type);
	if (property->choices[0])
		append_choices(json, property);
	else if (strcmp(type, "integer") == 0)
		append_range(json, property->range);
	append_default(json, property);
	append_member(json, "description", property->blurb);
	if (g_strv_contains(flags, "live"))
		g_string_append(json, ", \"x-live\": true");
	if (g_strv_contains(flags, "secret"))
		g_string_append(json, ", \"writeOnly\": true");
	g_string_append_c(json, '}');
}

static void
print_json(const char *kind, const char *name, const char *blurb, GVariantIter *iter)
{
	g_autoptr(GString) json = g_string_new("{\n  ");
	g_autoptr(GString) required = g_string_new(NULL);
	g_autofree char *title = text_quote_json(name);
	Property property;

	g_string_append_printf(json,
			       "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\""
			       ",\n  \"title\": %s",
			       title);
	append_member(json, "description", blurb);
	append_member(json, "x-kind", kind);
	g_string_append(json, ",\n  \"type\": \"object\",\n  \"additionalProperties\": false,"
			      "\n  \"properties\": {");
	while (property_next(iter, &property)) {
		append_property(json, &property);
		if (g_strv_contains((const char *const *)property.flags, "required")) {
			g_autofree char *quoted = text_quote_json(property.name);

			g_string_append_printf(required, "%s%s", required->len ? ", " : "", quoted);
		}
		property_clear(&property);
	}
	g_string_append_printf(json, "\n  },\n  \"required\": [%s]\n}\n", required->str);
	fputs(json->str, stdout);
}

typedef enum {
	INSPECT_TEXT,
	INSPECT_JSON,
	INSPECT_MARKDOWN,
} InspectFormat;

static gboolean
inspect(Cli *cli, const char *id, InspectFormat format, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	const char *kind, *name, *blurb, *plugin, *path;

	reply = cli_call_manager(cli, "InspectDriver", g_variant_new("(s)", id),
				 "(sssss" PROPERTIES_TYPE ")", error);
	if (!reply)
		return FALSE;
	g_variant_get(reply, "(&s&s&s&s&s" PROPERTIES_TYPE ")", &kind, &name, &blurb, &plugin,
		      &path, &iter);
	if (format == INSPECT_JSON) {
		print_json(kind, name, blurb, iter);
	} else if (format == INSPECT_MARKDOWN) {
		print_markdown(iter);
	} else {
		printf("%s: %s\n  Kind:   %s\n  Plugin: %s\n  File:   %s\n\n", name, blurb, kind,
		       plugin, *path ? path : "-");
		printf(g_variant_iter_n_children(iter) ? "Properties:\n" : "No properties.\n");
		print_text(iter);
	}
	return TRUE;
}

gboolean
verb_inspect(Cli *cli, char **args, GError **error)
{
	static const char *const names[] = { "--json", "--markdown", NULL };
	InspectFormat format = INSPECT_TEXT;
	const char *id = NULL;

	for (; *args; args++) {
		if (strcmp(*args, "--json") == 0) {
			format = INSPECT_JSON;
		} else if (strcmp(*args, "--markdown") == 0) {
			format = INSPECT_MARKDOWN;
		} else if ((*args)[0] == '-') {
			usage_error_unknown(error, "option", *args, names);
			return FALSE;
		} else if (id) {
			usage_error(error, "Unexpected '%s': one driver at a time", *args);
			return FALSE;
		} else {
			id = *args;
		}
	}
	if (id)
		return inspect(cli, id, format, error);
	usage_error(error, "inspect needs the name of a driver");
	return FALSE;
}
