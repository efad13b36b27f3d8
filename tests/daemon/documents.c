/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* documents.c - broken machine documents, and a daemon that is killed while it writes them. */
#include <signal.h>
#include <string.h>

#include "fixture.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"
#define HEAD                                                                            \
	"\"version\":1,\"uuid\":\"" UUID "\",\"name\":\"broken\",\"ostype\":\"Other\"," \
	"\"chipset\":\"piix3\""

static const char *const broken[] = {
	"",
	"{",
	"[]",
	"{" HEAD,
	"{" HEAD ",\"name\":\"twice\"}",
	"{" HEAD ",\"nmae\":\"x\"}",
	"{\"version\":2,\"uuid\":\"" UUID "\",\"name\":\"x\",\"chipset\":\"piix3\"}",
	"{\"version\":1,\"name\":\"x\",\"chipset\":\"piix3\"}",
	"{\"version\":99999999999999999999,\"uuid\":\"" UUID "\",\"name\":\"x\"}",
	"{" HEAD ",\"cards\":{}}",
	"{" HEAD ",\"cards\":[1]}",
	"{" HEAD ",\"cards\":[{\"nic\":\"null\"}]}",
	"{" HEAD ",\"cards\":[{\"card\":9,\"nic\":\"null\"}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"nic\":\"nul\"}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"nic\":1}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"cable-connected\":\"on\"}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"mac-address\":\"0100\"}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"nic-boot-prio\":7}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"nic\":\"null\"},{\"card\":1,\"nic\":\"null\"}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"nat-pf\":{\"a\":\"tcp,,0,,22\"}}]}",
	"{" HEAD ",\"cards\":[{\"card\":1,\"nic-property\":{\"UDPTunnel\":{\"sprt\":\"1\"}}}]}",
	("{\"version\":1,\"uuid\":\"11234567-89ab-cdef-0123-456789abcdef\",\"name\":\"other\","
	 "\"ostype\":\"Other\",\"chipset\":\"piix3\"}"),
};

/* With this text as one document, the other machine loads and the text is left as it is. */
static void
assert_left_alone(Fixture *f, const char *text, gsize len, const char *good)
{
	g_autofree char *file = g_build_filename(f->config_dir, "machines", UUID ".json", NULL);
	g_autofree char *after = NULL;
	g_autoptr(GVariant) name = NULL;
	gsize after_len;

	g_assert_true(g_file_set_contents(file, text, (gssize)len, NULL));
	fixture_start(f, NULL);
	g_assert_cmpuint(fixture_count_problems(f), ==, 1);
	name = fixture_get(f, good, MACHINE, "Name");
	g_assert_cmpstr(g_variant_get_string(name, NULL), ==, "good");
	g_assert_true(g_file_get_contents(file, &after, &after_len, NULL));
	g_assert_cmpmem(text, len, after, after_len);
	g_assert_cmpint(fixture_stop(f, SIGTERM), ==, 0);
}

static void
test_broken(void)
{
	g_autofree char *good = NULL;
	Fixture f;
	guint i;

	fixture_init(&f);
	good = fixture_create(&f, "good");
	g_assert_cmpint(fixture_stop(&f, SIGTERM), ==, 0);
	for (i = 0; i < G_N_ELEMENTS(broken); i++)
		assert_left_alone(&f, broken[i], strlen(broken[i]), good);
	fixture_finish(&f);
}

static void
test_hostile(void)
{
	const gsize depth = 100000, size = 8 << 20;
	g_autofree char *good = NULL;
	g_autofree char *text = g_malloc(size);
	Fixture f;

	fixture_init(&f);
	good = fixture_create(&f, "good");
	g_assert_cmpint(fixture_stop(&f, SIGTERM), ==, 0);
	memset(text, '[', depth);
	assert_left_alone(&f, text, depth, good);
	memset(text, ' ', size);
	memcpy(text, "{" HEAD "}", strlen("{" HEAD "}"));
	assert_left_alone(&f, text, size, good);
	memset(text, 0xff, 100);
	assert_left_alone(&f, text, 100, good);
	fixture_finish(&f);
}

/* A document whose driver is not installed loads; it says so when the machine is to start. */
static void
test_missing_driver(void)
{
	static const char text[] =
		"{" HEAD ",\"cards\":[{\"card\":1,\"nic\":\"generic\",\"nic-generic-drv\":\"Gone\","
		"\"nic-property\":{\"Gone\":{\"x\":\"1\"}}}]}";
	static const char path[] = "/org/jackfield/machine/01234567_89ab_cdef_0123_456789abcdef";
	g_autofree char *file = NULL;
	g_autofree char *value = NULL;
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GError) error = NULL;
	Fixture f;

	fixture_init(&f);
	g_free(fixture_create(&f, "good"));
	g_assert_cmpint(fixture_stop(&f, SIGTERM), ==, 0);
	file = g_build_filename(f.config_dir, "machines", UUID ".json", NULL);
	g_assert_true(g_file_set_contents(file, text, -1, NULL));
	fixture_start(&f, NULL);
	g_assert_cmpuint(fixture_count_problems(&f), ==, 0);
	value = fixture_get_setting(&f, path, 1, "nic-property/x");
	g_assert_cmpstr(value, ==, "1");
	reply = fixture_call(&f, path, MACHINE, "Start", g_variant_new("(ba{us})", FALSE, NULL),
			     "()", &error);
	g_assert_null(reply);
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_assert_nonnull(strstr(error->message, "Gone"));
	fixture_finish(&f);
}

/* Killed at any moment of a modification, the daemon comes back with the old or the new value. */
static void
kill_rounds(guint rounds)
{
	g_autofree char *path = NULL;
	Fixture f;
	guint i;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "1 nic=intnet\n1 intnet=net-0");
	for (i = 1; i <= rounds; i++) {
		g_autofree char *old = g_strdup_printf("net-%u", i - 1);
		g_autofree char *new = g_strdup_printf("net-%u", i);
		g_autofree char *got = NULL;

		g_dbus_connection_call(f.bus, NULL, path, MACHINE, "Modify",
				       g_variant_new_parsed("([(uint32 1, 'intnet', %s)],)", new),
				       NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
		g_dbus_connection_flush_sync(f.bus, NULL, NULL);
		g_usleep(g_random_int_range(0, 6000));
		fixture_stop(&f, SIGKILL);
		fixture_start(&f, NULL);
		g_assert_cmpuint(fixture_count_problems(&f), ==, 0);
		got = fixture_get_setting(&f, path, 1, "intnet");
		g_assert_true(strcmp(got, old) == 0 || strcmp(got, new) == 0);
		if (strcmp(got, old) == 0) {
			g_autofree char *change = g_strdup_printf("1 intnet=%s", new);

			fixture_modify(&f, path, change);
		}
	}
	fixture_finish(&f);
}

static void
test_kill(void)
{
	kill_rounds(g_test_slow() ? 200 : 15);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/documents/broken", test_broken);
	g_test_add_func("/documents/hostile", test_hostile);
	g_test_add_func("/documents/missing-driver", test_missing_driver);
	g_test_add_func("/documents/kill", test_kill);
	return g_test_run();
}
