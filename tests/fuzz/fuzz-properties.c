/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-properties.c - "key=value" lines for a table with every type. A value that is taken has a
 * canonical text, and that text is taken and canonical again. */
#include "fuzz.h"

#include <string.h>

#include "jackfield/vmm.h"

static const char *const colours[] = { "red", "green", "blue", NULL };

static const JfPropSpec props[] = {
	{ .name = "bool", .type = JF_PROP_BOOL, .def = "on", .blurb = "b" },
	{ .name = "int", .type = JF_PROP_INT, .min = -5, .max = 70000, .blurb = "i" },
	{ .name = "free", .type = JF_PROP_INT, .blurb = "i" },
	{ .name = "size", .type = JF_PROP_SIZE, .min = 1, .max = 1 << 30, .blurb = "s" },
	{ .name = "rate", .type = JF_PROP_RATE, .blurb = "r" },
	{ .name = "string", .type = JF_PROP_STRING, .max = 20, .blurb = "s" },
	{ .name = "enum", .type = JF_PROP_ENUM, .choices = colours, .blurb = "e" },
	{ .name = "mac", .type = JF_PROP_MAC, .blurb = "m" },
	{ .name = "ipv4", .type = JF_PROP_IPV4, .blurb = "4" },
	{ .name = "ipv6", .type = JF_PROP_IPV6, .blurb = "6" },
	{ .name = "cidr", .type = JF_PROP_CIDR, .blurb = "c" },
	{ .name = "path", .type = JF_PROP_PATH, .blurb = "p" },
	{ .name = "list", .type = JF_PROP_LIST, .max = 4, .blurb = "l" },
	{ .name = NULL },
};

static gboolean
driver_init(JfInstance *inst, GError **error)
{
	(void)inst;
	(void)error;
	return TRUE;
}

static void
driver_finish(JfInstance *inst)
{
	(void)inst;
}

static const JfDriver driver = {
	JF_DRIVER_HEAD,      .kind = JF_KIND_PROVIDER, .id = "fuzz", .blurb = "b", .props = props,
	.init = driver_init, .finish = driver_finish,
};

static void
check_value(JfPropertySet *set, const JfPropSpec *spec)
{
	const JfValue *value = jf_property_set_get(set, spec->name);
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL, *again = NULL;

	g_assert_nonnull(value);
	g_assert_cmpuint(value->type, ==, spec->type);
	g_assert_true(!value->is_set == !value->text);
	if (!value->is_set)
		return;
	if (spec->type == JF_PROP_INT && spec->min != spec->max) {
		g_assert_cmpint(value->v.integer, >=, spec->min);
		g_assert_cmpint(value->v.integer, <=, spec->max);
	}
	text = g_strdup(value->text);
	again = jf_driver_check_prop(&driver, spec->name, text, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(text, ==, again);
}

static void
check_error(const GError *error)
{
	g_assert_nonnull(error);
	g_assert_true(error->domain == JF_ERROR);
	g_assert_true(error->code == JF_ERROR_KEY || error->code == JF_ERROR_VALUE);
	g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

/* Lines as the arguments of a new instance, then one by one as changes of a running one. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	g_autofree char *text = g_strndup(len ? (const char *)data : "", len);
	g_auto(GStrv) lines = g_strsplit(text, "\n", 64);
	GError *error = NULL;
	JfPropertySet *set = jf_property_set_new(&driver, (const char *const *)lines, &error);

	if (!set) {
		check_error(error);
		g_clear_error(&error);
		set = jf_property_set_new(&driver, NULL, NULL);
	}
	for (guint i = 0; lines[i]; i++) {
		char *equals = strchr(lines[i], '=');

		if (equals)
			*equals = '\0';
		if (!jf_property_set_change(set, lines[i], equals ? equals + 1 : NULL, &error))
			check_error(error);
		g_clear_error(&error);
	}
	for (guint i = 0; props[i].name; i++)
		check_value(set, &props[i]);
	jf_property_set_free(set);
	return 0;
}
