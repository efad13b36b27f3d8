/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registry.c - drivers of the program's own: added, listed, found, and what is said when not. */
#include "registry.h"

#include <string.h>

static gboolean
init(JfInstance *inst, GError **error)
{
	(void)inst;
	(void)error;
	return TRUE;
}

static void
finish(JfInstance *inst)
{
	(void)inst;
}

static guint
input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)inst;
	(void)port;
	(void)frames;
	return n;
}

#define DRIVER(name, what)                                                                      \
	{                                                                                       \
		JF_DRIVER_HEAD, .kind = what, .id = name, .blurb = "For a test.", .init = init, \
				.finish = finish, .input = input                                \
	}

static const JfDriver drivers[] = {
	DRIVER("tap", JF_KIND_CONNECTOR),      DRIVER("nat", JF_KIND_ATTACHMENT),
	DRIVER("Bridged", JF_KIND_ATTACHMENT), DRIVER("capture", JF_KIND_FILTER),
	DRIVER("intnet", JF_KIND_ATTACHMENT),
};

static JfRegistry *
registry_full(void)
{
	JfRegistry *registry = jf_registry_new();

	for (guint i = 0; i < G_N_ELEMENTS(drivers); i++)
		g_assert_true(jf_registry_add_driver(registry, &drivers[i], NULL));
	return registry;
}

static void
test_list(void)
{
	static const char *const order[] = { "tap", "capture", "Bridged", "intnet", "nat" };
	g_autoptr(JfRegistry) registry = registry_full();
	guint n;
	const JfDriverInfo *infos = jf_registry_list(registry, &n);

	g_assert_cmpuint(n, ==, G_N_ELEMENTS(order));
	for (guint i = 0; i < n; i++) {
		g_assert_cmpstr(infos[i].driver->id, ==, order[i]);
		g_assert_null(infos[i].plugin);
		g_assert_null(infos[i].path);
	}
}

/* A found driver stays where it is while others come. */
static void
test_find(void)
{
	g_autoptr(JfRegistry) registry = jf_registry_new();
	const JfDriver *nat;

	g_assert_true(jf_registry_add_driver(registry, &drivers[1], NULL));
	nat = jf_registry_find(registry, 0, "NAT", NULL);
	g_assert_nonnull(nat);
	g_assert_true(nat != &drivers[1]);
	g_assert_cmpstr(nat->id, ==, "nat");
	g_assert_true(jf_registry_add_driver(registry, &drivers[2], NULL));
	g_assert_true(jf_registry_find(registry, JF_KIND_ATTACHMENT, "nat", NULL) == nat);
}

static void
check_not_found(JfRegistry *registry, guint32 kind, const char *id, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(jf_registry_find(registry, kind, id, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, message);
	g_assert_null(jf_registry_find(registry, kind, id, NULL));
}

static void
test_not_found(void)
{
	g_autoptr(JfRegistry) registry = registry_full();

	check_not_found(registry, JF_KIND_ATTACHMENT, "bridge",
			"unknown attachment 'bridge'; did you mean 'Bridged'?");
	check_not_found(registry, 0, "captrue",
			"unknown driver 'captrue'; did you mean 'capture'?");
	check_not_found(registry, JF_KIND_ATTACHMENT, "captrue",
			"unknown attachment 'captrue'; there are: Bridged, intnet, nat");
	check_not_found(registry, JF_KIND_FILTER, "nat",
			"driver 'nat' is of kind attachment, not filter");
	check_not_found(registry, JF_KIND_MODEL, "e1000", "unknown model 'e1000'; none is loaded");
	check_not_found(registry, 0, "",
			"unknown driver ''; there are: tap, capture, Bridged, intnet, nat");
}

static void
check_refused(const JfDriver *driver, int code, const char *rule)
{
	g_autoptr(JfRegistry) registry = registry_full();
	g_autoptr(GError) error = NULL;
	guint n;

	g_assert_false(jf_registry_add_driver(registry, driver, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_nonnull(strstr(error->message, rule));
	g_assert_false(jf_registry_add_driver(registry, driver, NULL));
	jf_registry_list(registry, &n);
	g_assert_cmpuint(n, ==, G_N_ELEMENTS(drivers));
}

static void
test_refused(void)
{
	static const JfDriver taken = DRIVER("NaT", JF_KIND_SERVICE);
	static const JfDriver bad_id = DRIVER("-nat", JF_KIND_SERVICE);
	static const JfDriver bad_kind = DRIVER("x", 0);

	check_refused(&taken, JF_ERROR_BUSY, "driver id 'NaT' is taken by the program itself");
	check_refused(&bad_id, JF_ERROR_PLUGIN, "driver id '-nat' is not");
	check_refused(&bad_kind, JF_ERROR_PLUGIN, "its kind 0 is unknown");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/registry/list", test_list);
	g_test_add_func("/registry/find", test_find);
	g_test_add_func("/registry/not-found", test_not_found);
	g_test_add_func("/registry/refused", test_refused);
	return g_test_run();
}
