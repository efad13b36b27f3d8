/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machines.c - machines and their settings over D-Bus: what is taken, what is refused and how. */
#include <string.h>

#include "bus-error.h"
#include "fixture.h"

static void
assert_setting(Fixture *fixture, const char *path, guint card, const char *key, const char *value)
{
	g_autofree char *got = fixture_get_setting(fixture, path, card, key);

	g_assert_cmpstr(got, ==, value);
}

static void
create_fails(Fixture *fixture, const char *name, const char *ostype, const char *uuid,
	     const char *chipset, JfErrorCode code, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = NULL;
	GVariantBuilder options;

	g_variant_builder_init(&options, G_VARIANT_TYPE("a{ss}"));
	if (chipset)
		g_variant_builder_add(&options, "{ss}", "chipset", chipset);
	reply = fixture_call(fixture, BUS_MANAGER_PATH, MANAGER, "CreateMachine",
			     g_variant_new("(sssa{ss})", name, ostype, uuid, &options), "(o)",
			     &error);
	g_assert_null(reply);
	g_assert_error(error, JF_ERROR, (int)code);
	g_assert_nonnull(strstr(error->message, text));
}

static void
test_create(void)
{
	g_autofree char *path = NULL;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	g_assert_false(*path == '\0');
	assert_setting(&f, path, 1, "nic-type", "82540EM");
	assert_setting(&f, path, 1, "nic", fixture_has_driver(&f, "nat") ? "nat" : "null");
	assert_setting(&f, path, 2, "nic", "none");
	create_fails(&f, "web", "", "", NULL, JF_ERROR_BUSY, "'web'");
	create_fails(&f, "", "", "", NULL, JF_ERROR_VALUE, "127 bytes");
	create_fails(&f, "a\tb", "", "", NULL, JF_ERROR_VALUE, "control");
	create_fails(&f, "x", "Debain_64", "", NULL, JF_ERROR_NOT_FOUND, "'Debian_64'");
	create_fails(&f, "x", "", "no-uuid", NULL, JF_ERROR_VALUE, "no-uuid");
	create_fails(&f, "x", "", "", "ich10", JF_ERROR_VALUE, "ich9 (36 cards)");
	fixture_finish(&f);
}

static void
test_find(void)
{
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) found = NULL;
	g_autoptr(GVariant) missing = NULL;
	const char *got;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "database");
	found = fixture_call(&f, BUS_MANAGER_PATH, MANAGER, "FindMachine",
			     g_variant_new("(s)", "database"), "(o)", NULL);
	g_variant_get(found, "(&o)", &got);
	g_assert_cmpstr(got, ==, path);
	missing = fixture_call(&f, BUS_MANAGER_PATH, MANAGER, "FindMachine",
			       g_variant_new("(s)", "databse"), "(o)", &error);
	g_assert_null(missing);
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_assert_nonnull(strstr(error->message, "'database'"));
	fixture_finish(&f);
}

/* What is refused, with its code and something that the message must have in it. */
static const struct {
	const char *changes;
	JfErrorCode code;
	const char *text;
} refused[] = {
	{ "1 nik=nat", JF_ERROR_KEY, "'nic'" },
	{ "1 nic=intenet", JF_ERROR_VALUE, "intnet" },
	{ "1 nic=cloud", JF_ERROR_UNSUPPORTED, "'cloud'" },
	{ "1 nic-type=82541", JF_ERROR_VALUE, "82540EM" },
	{ "1 nic-type=NE2000", JF_ERROR_UNSUPPORTED, "NE2000" },
	{ "1 mac-address=08002", JF_ERROR_VALUE, "12 hexadecimal" },
	{ "1 mac-address=010027000001", JF_ERROR_VALUE, "unicast" },
	{ "1 mac-address=000000000000", JF_ERROR_VALUE, "unicast" },
	{ "1 cable-connected=maybe", JF_ERROR_VALUE, "on or off" },
	{ "1 nic-boot-prio=5", JF_ERROR_VALUE, "0 to 4" },
	{ "1 nic-type=82540EM\n1 nic-speed=100000", JF_ERROR_UNSUPPORTED,
	  "Am79C970A and Am79C973" },
	{ "1 nic-speed=100000\n1 nic-type=virtio", JF_ERROR_UNSUPPORTED, "nic-type virtio" },
	{ "1 nic-type=Am79C973\n1 nic-speed=4294967296", JF_ERROR_VALUE, "4294967295" },
	{ "1 nic-type=Am79C973\n1 nic-speed=fast", JF_ERROR_VALUE, "'fast'" },
	{ "1 nic-promisc=allow", JF_ERROR_VALUE, "allow-all" },
	{ "1 nic-trace-file=here.pcapng", JF_ERROR_VALUE, "absolute" },
	{ "1 nic-generic-drv=UDPTunel", JF_ERROR_NOT_FOUND, "'UDPTunnel'" },
	{ "1 nic-property=sport", JF_ERROR_VALUE, "NAME=VALUE" },
	{ "1 nic-bandwidth-group=x", JF_ERROR_UNSUPPORTED, "nic-bandwidth-group" },
	{ "1 connector=steam", JF_ERROR_NOT_FOUND, "'stream'" },
	{ "1 connector=stream\n1 connector-property=paht=/x", JF_ERROR_KEY, "'path'" },
	{ "1 connector-property=path=/x", JF_ERROR_STATE, "connector first" },
	{ "1 nic-type=virtio\n1 model-property=quues=2", JF_ERROR_KEY, "'queues'" },
	{ "1 model-property=queues", JF_ERROR_VALUE, "NAME=VALUE" },
	{ "1 nic=generic\n1 nic-property=sport=4444", JF_ERROR_STATE, "nic-generic-drv" },
	{ "1 nic=generic\n1 nic-generic-drv=UDPTunnel\n1 nic-property=sprt=1", JF_ERROR_KEY,
	  "'sport'" },
	{ "1 nic=generic\n1 nic-generic-drv=UDPTunnel\n1 nic-property=sport=70000", JF_ERROR_VALUE,
	  "65535" },
	{ "1 nic=intnet\n1 nic-property=network=x", JF_ERROR_KEY, "'intnet'" },
	{ "9 nic=intnet", JF_ERROR_VALUE, "1 to 8" },
	{ "0 nam=x", JF_ERROR_KEY, "name, ostype and chipset" },
	{ "0 chipset=ich10", JF_ERROR_VALUE, "piix3" },
	{ "1 cable-connected=off\n2 nic=what", JF_ERROR_VALUE, "Card 2" },
};

static void
test_refused(void)
{
	g_autofree char *path = NULL;
	g_autofree char *before = NULL;
	g_autofree char *after = NULL;
	g_autoptr(GVariant) document = NULL;
	Fixture f;
	guint i;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	document = fixture_get(&f, path, MACHINE, "Document");
	g_assert_true(
		g_file_get_contents(g_variant_get_string(document, NULL), &before, NULL, NULL));
	for (i = 0; i < G_N_ELEMENTS(refused); i++)
		fixture_modify_fails(&f, path, "Modify", refused[i].changes, refused[i].code,
				     refused[i].text);
	g_assert_true(
		g_file_get_contents(g_variant_get_string(document, NULL), &after, NULL, NULL));
	g_assert_cmpstr(before, ==, after);
	fixture_finish(&f);
}

static void
test_settings(void)
{
	g_autofree char *path = NULL;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	/* In the order in which scripts write them: properties before their driver. */
	fixture_modify(&f, path,
		       "2 nic-property=sport=10001\n2 nic=generic\n2 nic-generic-drv=udptunnel\n"
		       "2 nic-property=dest=127.0.0.1\n2 mac-address=08:00:27:aa:bb:cc\n"
		       "2 cable-connected=OFF\n2 nic-promisc=allow-network\n2 nic-boot-prio=1");
	assert_setting(&f, path, 2, "nic-generic-drv", "UDPTunnel");
	assert_setting(&f, path, 2, "nic-property/sport", "10001");
	assert_setting(&f, path, 2, "nic-property/dest", "127.0.0.1");
	assert_setting(&f, path, 2, "mac-address", "080027AABBCC");
	assert_setting(&f, path, 2, "cable-connected", "off");
	assert_setting(&f, path, 2, "nic-promisc", "allow-vms");
	fixture_modify(&f, path, "2 nic-property=sport=\n0 name=www\n0 chipset=ich9\n36 nic=null");
	assert_setting(&f, path, 2, "nic-property/sport", NULL);
	assert_setting(&f, path, 36, "nic", "null");
	fixture_modify_fails(&f, path, "Modify", "0 chipset=piix3", JF_ERROR_VALUE, "card 36");
	/* All of it is there again after a restart. */
	g_assert_cmpint(fixture_stop(&f, 15), ==, 0);
	fixture_start(&f, NULL);
	g_assert_cmpuint(fixture_count_problems(&f), ==, 0);
	assert_setting(&f, path, 2, "nic-property/dest", "127.0.0.1");
	assert_setting(&f, path, 2, "nic-boot-prio", "1");
	assert_setting(&f, path, 2, "cable-connected", "off");
	assert_setting(&f, path, 36, "nic", "null");
	fixture_finish(&f);
}

static void
test_forwards(void)
{
	g_autofree char *path = NULL;
	Fixture f;

	fixture_init(&f);
	if (!fixture_has_driver(&f, "nat")) {
		g_test_skip("this build has no nat");
		fixture_finish(&f);
		return;
	}
	path = fixture_create(&f, "web");
	fixture_modify(&f, path,
		       "1 nat-pf=ssh,tcp,127.0.0.1,2222,,22\n1 nat-pf=,udp,,5353,10.0.2.15,53");
	assert_setting(&f, path, 1, "nat-pf/ssh", "tcp,127.0.0.1,2222,,22");
	assert_setting(&f, path, 1, "nat-pf/udp_5353_53", "udp,,5353,10.0.2.15,53");
	fixture_modify_fails(&f, path, "Modify", "1 nat-pf=ssh,tcp,,1,,1", JF_ERROR_STATE, "'ssh'");
	fixture_modify_fails(&f, path, "Modify", "1 nat-pf=b,tcp,127.0.0.1,2222,,80",
			     JF_ERROR_STATE, "'ssh'");
	fixture_modify_fails(&f, path, "Modify", "1 nat-pf=b,tcp,,0,,80", JF_ERROR_VALUE, "65535");
	fixture_modify_fails(&f, path, "Modify", "1 nat-pf=b,sctp,,1,,80", JF_ERROR_VALUE, "sctp");
	fixture_modify_fails(&f, path, "Modify", "1 nat-pf=b,tcp,1.2.3,1,,80", JF_ERROR_VALUE,
			     "1.2.3");
	fixture_modify_fails(&f, path, "Modify", "1 nat-pf=b,tcp,,1,80", JF_ERROR_VALUE,
			     "6 fields");
	fixture_modify_fails(&f, path, "Modify", "1 nat-pf=delete shs", JF_ERROR_NOT_FOUND, "ssh");
	g_assert_cmpint(fixture_stop(&f, 15), ==, 0);
	fixture_start(&f, NULL);
	fixture_modify(&f, path, "1 nat-pf=delete ssh");
	assert_setting(&f, path, 1, "nat-pf/ssh", NULL);
	assert_setting(&f, path, 1, "nat-pf/udp_5353_53", "udp,,5353,10.0.2.15,53");
	fixture_finish(&f);
}

static void
unregister(Fixture *f, const char *path, gboolean remove, const char **kept, GVariant **reply)
{
	g_autoptr(GError) error = NULL;

	*reply = fixture_call(f, path, MACHINE, "Unregister", g_variant_new("(b)", remove), "(s)",
			      &error);
	g_assert_no_error(error);
	g_variant_get(*reply, "(&s)", kept);
}

static void
test_unregister(void)
{
	g_autofree char *a = NULL;
	g_autofree char *b = NULL;
	g_autoptr(GVariant) reply_a = NULL;
	g_autoptr(GVariant) reply_b = NULL;
	g_autoptr(GVariant) gone = NULL;
	g_autoptr(GError) error = NULL;
	const char *kept;
	Fixture f;

	fixture_init(&f);
	a = fixture_create(&f, "a");
	b = fixture_create(&f, "b");
	unregister(&f, a, FALSE, &kept, &reply_a);
	g_assert_true(g_file_test(kept, G_FILE_TEST_IS_REGULAR));
	unregister(&f, b, TRUE, &kept, &reply_b);
	g_assert_cmpstr(kept, ==, "");
	gone = fixture_call(&f, b, MACHINE, "PowerOff", NULL, "()", &error);
	g_assert_null(gone);
	g_assert_nonnull(error);
	g_free(fixture_create(&f, "a"));
	fixture_finish(&f);
}

/* Arguments that are not what the interface says, and objects that are not there. */
static void
test_malformed(void)
{
	static const struct {
		const char *path, *interface, *method;
	} calls[] = {
		{ BUS_MANAGER_PATH, MANAGER, "ListMachines" },
		{ BUS_MANAGER_PATH, MANAGER, "NoSuchMethod" },
		{ BUS_MANAGER_PATH, MACHINE, "PowerOff" },
		{ "/org/jackfield/machine/x", MACHINE, "PowerOff" },
		{ "/org/jackfield/card/x_1", CARD, "GetStats" },
		{ "/org/jackfield/card/_", CARD, "GetStats" },
		{ "/org/jackfield/network/x", "org.jackfield.Network1", "X" },
		{ "/", MANAGER, "ListMachines" },
	};
	g_autofree char *path = NULL;
	Fixture f;
	guint i;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	for (i = 0; i < G_N_ELEMENTS(calls); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GVariant)
			reply = fixture_call(&f, calls[i].path, calls[i].interface, calls[i].method,
					     g_variant_new("(u)", 1), "*", &error);

		g_assert_null(reply);
		g_assert_nonnull(error);
	}
	g_assert_false(fixture_change(&f, "/org/jackfield/Manager", "Modify", "1 nic=nat", NULL));
	fixture_modify(&f, path, "1 nic=intnet");
	fixture_finish(&f);
}

typedef struct Seen {
	GMainLoop *loop;
	char *nic;
} Seen;

static void
on_changed(G_GNUC_UNUSED GDBusConnection *bus, G_GNUC_UNUSED const char *sender,
	   G_GNUC_UNUSED const char *path, G_GNUC_UNUSED const char *interface,
	   G_GNUC_UNUSED const char *signal, GVariant *args, gpointer data)
{
	g_autoptr(GVariant) changed = g_variant_get_child_value(args, 1);
	g_autoptr(GVariant) settings = g_variant_lookup_value(changed, "Settings", NULL);
	Seen *seen = data;

	if (settings)
		g_variant_lookup(settings, "nic", "s", &seen->nic);
	g_main_loop_quit(seen->loop);
}

static gboolean
on_deadline(G_GNUC_UNUSED gpointer data)
{
	g_error("no signal came");
	return G_SOURCE_REMOVE;
}

static void
test_signals(void)
{
	g_autofree char *path = NULL;
	g_autofree char *card = NULL;
	Seen seen = { 0 };
	guint deadline;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	card = fixture_get_card(path, 3);
	seen.loop = g_main_loop_new(NULL, FALSE);
	g_dbus_connection_signal_subscribe(f.bus, NULL, "org.freedesktop.DBus.Properties",
					   "PropertiesChanged", card, NULL,
					   G_DBUS_SIGNAL_FLAGS_NONE, on_changed, &seen, NULL);
	deadline = g_timeout_add_seconds(20, on_deadline, NULL);
	fixture_modify(&f, path, "3 nic=intnet");
	g_main_loop_run(seen.loop);
	g_source_remove(deadline);
	g_assert_cmpstr(seen.nic, ==, "intnet");
	g_free(seen.nic);
	g_main_loop_unref(seen.loop);
	fixture_finish(&f);
}

/* The schema of the documents knows every key that the daemon writes. */
static void
test_schema(void)
{
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariant) list = NULL;
	g_autofree char *schema = NULL;
	const char *key, *values;
	GVariantIter iter;
	gboolean live;
	Fixture f;

	g_assert_true(g_file_get_contents(SCHEMA, &schema, NULL, NULL));
	fixture_init(&f);
	reply = fixture_call(&f, BUS_MANAGER_PATH, MANAGER, "ListCardKeys", NULL, "(a(ssb))", NULL);
	list = g_variant_get_child_value(reply, 0);
	g_assert_cmpuint(g_variant_n_children(list), >, 10);
	g_variant_iter_init(&iter, list);
	while (g_variant_iter_next(&iter, "(&s&sb)", &key, &values, &live)) {
		g_autofree char *member = g_strdup_printf("\"%s\": {", key);

		if (!strstr(schema, member))
			g_error("%s is not in the schema", key);
	}
	fixture_finish(&f);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/machines/create", test_create);
	g_test_add_func("/machines/find", test_find);
	g_test_add_func("/machines/refused", test_refused);
	g_test_add_func("/machines/settings", test_settings);
	g_test_add_func("/machines/forwards", test_forwards);
	g_test_add_func("/machines/unregister", test_unregister);
	g_test_add_func("/machines/malformed", test_malformed);
	g_test_add_func("/machines/signals", test_signals);
	g_test_add_func("/machines/schema", test_schema);
	return g_test_run();
}
