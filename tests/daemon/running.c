/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* running.c - machines that run: sockets, changes on the fly, restarts, owners, two daemons. */
#include <gio/gunixsocketaddress.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus-error.h"
#include "fixture.h"

static gboolean
is_running(Fixture *fixture, const char *path)
{
	g_autoptr(GVariant) value = fixture_get(fixture, path, MACHINE, "Running");

	return g_variant_get_boolean(value);
}

static void
assert_listens(Fixture *fixture, const char *path, guint card)
{
	g_autofree char *card_path = fixture_get_card(path, card);
	g_autoptr(GVariant) address = fixture_get(fixture, card_path, CARD, "ConnectorAddress");
	g_autoptr(GSocketAddress)
		where = g_unix_socket_address_new(g_variant_get_string(address, NULL));
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocketConnection) connection =
		g_socket_client_connect(client, G_SOCKET_CONNECTABLE(where), NULL, &error);

	g_assert_no_error(error);
	g_assert_nonnull(connection);
}

static gboolean
get_link(Fixture *fixture, const char *path, guint card)
{
	g_autofree char *card_path = fixture_get_card(path, card);
	g_autoptr(GVariant) link = fixture_get(fixture, card_path, CARD, "Link");

	return g_variant_get_boolean(link);
}

/* Names of the networks that exist, with commas, g_free. */
static char *
list_networks(Fixture *fixture)
{
	g_autoptr(GVariant) reply = fixture_call(fixture, BUS_MANAGER_PATH, MANAGER, "ListNetworks",
						 NULL, "(a(souutt))", NULL);
	g_autoptr(GVariant) list = g_variant_get_child_value(reply, 0);
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	GVariantIter iter;
	const char *name, *path;
	guint ports, addresses;
	guint64 frames, drops;

	g_variant_iter_init(&iter, list);
	while (g_variant_iter_next(&iter, "(&s&ouutt)", &name, &path, &ports, &addresses, &frames,
				   &drops))
		g_ptr_array_add(names, (char *)name);
	g_ptr_array_add(names, NULL);
	return g_strjoinv(",", (char **)names->pdata);
}

static void
assert_networks(Fixture *fixture, const char *wanted)
{
	g_autofree char *names = list_networks(fixture);

	g_assert_cmpstr(names, ==, wanted);
}

static void
power_off(Fixture *fixture, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant)
		reply = fixture_call(fixture, path, MACHINE, "PowerOff", NULL, "()", &error);

	g_assert_no_error(error);
	g_assert_nonnull(reply);
}

static void
test_start(void)
{
	g_autofree char *path = NULL;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "1 nic=intnet\n2 nic=intnet\n2 intnet=other");
	fixture_modify_fails(&f, path, "Control", "1 cable-connected=off", JF_ERROR_STATE,
			     "does not run");
	fixture_power_on(&f, path);
	g_assert_true(is_running(&f, path));
	assert_listens(&f, path, 1);
	assert_listens(&f, path, 2);
	assert_networks(&f, "intnet,other");
	fixture_modify_fails(&f, path, "Modify", "1 cable-connected=off", JF_ERROR_STATE, "runs");
	power_off(&f, path);
	g_assert_false(is_running(&f, path));
	assert_networks(&f, "");
	fixture_finish(&f);
}

static char *
get_connector(Fixture *f, const char *machine)
{
	g_autofree char *card = fixture_get_card(machine, 1);
	g_autoptr(GVariant) value = fixture_get(f, card, CARD, "Connector");

	return g_variant_dup_string(value, NULL);
}

static void
start_on(Fixture *f, const char *path, guint32 card, const char *connector, GError **error)
{
	g_autoptr(GVariant) reply = NULL;
	GVariantBuilder connectors;

	g_variant_builder_init(&connectors, G_VARIANT_TYPE("a{us}"));
	g_variant_builder_add(&connectors, "{us}", card, connector);
	reply = fixture_call(f, path, MACHINE, "Start",
			     g_variant_new("(ba{us})", FALSE, &connectors), "()", error);
}

/* The connector of one run: the setting stays, and the next daemon remembers. */
static void
test_connectors(void)
{
	static const char *const wanted[] = { "vfio-user", "dgram", "stream" };
	static const struct {
		guint32 card;
		const char *connector;
		JfErrorCode code;
	} wrong[] = {
		{ 2, "stream", JF_ERROR_VALUE },
		{ 0, "stream", JF_ERROR_VALUE },
		{ 37, "stream", JF_ERROR_VALUE },
		{ 1, "steam", JF_ERROR_NOT_FOUND },
	};
	g_autofree char *path = NULL;
	Fixture f;
	guint i;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "1 nic=intnet\n1 nic-type=Am79C970A");
	for (i = 0; i < G_N_ELEMENTS(wanted); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *now = NULL;
		g_autofree char *resumed = NULL;
		g_autofree char *later = NULL;

		start_on(&f, path, 1, wanted[i], &error);
		g_assert_no_error(error);
		now = get_connector(&f, path);
		g_assert_cmpstr(now, ==, wanted[i]);
		fixture_stop(&f, SIGKILL);
		fixture_start(&f, NULL);
		resumed = get_connector(&f, path);
		g_assert_cmpstr(resumed, ==, wanted[i]);
		power_off(&f, path);
		later = get_connector(&f, path);
		g_assert_cmpstr(later, ==, "auto");
	}
	for (i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;

		start_on(&f, path, wrong[i].card, wrong[i].connector, &error);
		g_assert_error(error, JF_ERROR, (int)wrong[i].code);
		g_assert_false(is_running(&f, path));
	}
	fixture_finish(&f);
}

static void
test_control(void)
{
	g_autofree char *path = NULL;
	g_autofree char *trace = NULL;
	g_autofree char *nic = NULL;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "1 nic=intnet\n1 intnet=a");
	fixture_power_on(&f, path);
	g_assert_true(get_link(&f, path, 1));
	g_assert_true(fixture_change(&f, path, "Control", "1 cable-connected=off", NULL));
	g_assert_false(get_link(&f, path, 1));
	g_assert_true(fixture_change(&f, path, "Control",
				     "1 cable-connected=on\n1 intnet=b\n1 nic-trace=on", NULL));
	g_assert_true(get_link(&f, path, 1));
	assert_networks(&f, "b");
	trace = fixture_get_setting(&f, path, 1, "nic-trace-file");
	g_assert_true(g_file_test(trace, G_FILE_TEST_IS_REGULAR));
	fixture_modify_fails(&f, path, "Control", "1 nic=none", JF_ERROR_STATE, "null");
	fixture_modify_fails(&f, path, "Control", "2 nic=null", JF_ERROR_STATE, "disabled");
	fixture_modify_fails(&f, path, "Control", "1 mac-address=auto", JF_ERROR_STATE, "mac-");
	fixture_modify_fails(&f, path, "Control", "9 nic=null", JF_ERROR_VALUE, "1 to 8");
	/* The second step fails, the first is taken back, in the card and in the document. */
	fixture_modify_fails(&f, path, "Control", "1 nic=generic\n1 nic-trace-file=/nowhere/x",
			     JF_ERROR_STATE, "nic-generic-drv");
	g_assert_false(fixture_change(&f, path, "Control",
				      "1 intnet=c\n1 nic-trace-file=/nowhere/x", NULL));
	assert_networks(&f, "b");
	nic = fixture_get_setting(&f, path, 1, "intnet");
	g_assert_cmpstr(nic, ==, "b");
	g_assert_true(get_link(&f, path, 1));
	fixture_finish(&f);
}

/* One card of two cannot start: none does, nothing is left. */
static void
test_start_fails(void)
{
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = NULL;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "1 nic=intnet\n2 nic=generic");
	reply = fixture_call(&f, path, MACHINE, "Start", g_variant_new("(ba{us})", FALSE, NULL),
			     "()", &error);
	g_assert_null(reply);
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	g_assert_nonnull(strstr(error->message, "card 2"));
	g_assert_false(is_running(&f, path));
	assert_networks(&f, "");
	fixture_modify(&f, path, "2 nic=null");
	fixture_power_on(&f, path);
	fixture_finish(&f);
}

/* What runs comes up again after a crash and after a clean stop, until it is powered off. */
static void
test_restart(void)
{
	g_autofree char *path = NULL;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "1 nic=intnet");
	fixture_power_on(&f, path);
	g_assert_cmpint(fixture_stop(&f, SIGKILL), ==, -SIGKILL);
	fixture_start(&f, NULL);
	g_assert_true(is_running(&f, path));
	assert_listens(&f, path, 1);
	g_assert_cmpint(fixture_stop(&f, SIGTERM), ==, 0);
	fixture_start(&f, NULL);
	g_assert_true(is_running(&f, path));
	assert_listens(&f, path, 1);
	power_off(&f, path);
	g_assert_cmpint(fixture_stop(&f, SIGTERM), ==, 0);
	fixture_start(&f, NULL);
	g_assert_false(is_running(&f, path));
	fixture_finish(&f);
}

/* This program again, as a client that starts a machine for itself and stays. */
#define BOUND "--bound"

static void G_GNUC_NORETURN
run_bound(char **argv)
{
	Fixture own = { .runtime_dir = argv[2] };
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = NULL;

	fixture_connect(&own);
	reply = fixture_call(&own, argv[3], MACHINE, "Start", g_variant_new("(ba{us})", TRUE, NULL),
			     "()", &error);
	g_assert_no_error(error);
	g_assert_cmpint(write(STDOUT_FILENO, "1", 1), ==, 1);
	for (;;)
		pause();
}

static pid_t
start_bound(Fixture *fixture, const char *path)
{
	const char *const argv[] = { "/proc/self/exe", BOUND, fixture->runtime_dir, path, NULL };
	g_autoptr(GError) error = NULL;
	GPid pid;
	char byte;
	int ready;

	g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
				 &pid, NULL, &ready, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(read(ready, &byte, 1), ==, 1);
	close(ready);
	return pid;
}

static void
end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
test_bound(void)
{
	const gint64 deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
	g_autofree char *path = NULL;
	Fixture f;
	pid_t pid;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	pid = start_bound(&f, path);
	g_assert_true(is_running(&f, path));
	/* The daemon may die meanwhile. */
	g_assert_cmpint(fixture_stop(&f, SIGKILL), ==, -SIGKILL);
	fixture_start(&f, NULL);
	g_assert_true(is_running(&f, path));
	end_process(pid);
	while (is_running(&f, path) && g_get_monotonic_time() < deadline)
		g_usleep(2000);
	g_assert_false(is_running(&f, path));
	pid = start_bound(&f, path);
	g_assert_cmpint(fixture_stop(&f, SIGKILL), ==, -SIGKILL);
	end_process(pid);
	fixture_start(&f, NULL);
	g_assert_false(is_running(&f, path));
	fixture_finish(&f);
}

/* Of two daemons in one directory the second is content; two that share documents are not. */
static void
test_one_daemon(void)
{
	g_autofree char *path = NULL;
	g_autofree char *elsewhere = NULL;
	Fixture f, other;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	g_assert_cmpint(fixture_wait(fixture_spawn(&f, NULL)), ==, 0);
	elsewhere = g_build_filename(f.dir, "run2", NULL);
	other = f;
	other.runtime_dir = elsewhere;
	g_assert_cmpint(fixture_wait(fixture_spawn(&other, NULL)), ==, 1);
	/* The first one is unhurt. */
	fixture_modify(&f, path, "1 nic=intnet");
	/* With documents of its own, a second one runs beside it. */
	fixture_init(&other);
	g_free(fixture_create(&other, "web"));
	fixture_finish(&other);
	fixture_finish(&f);
}

static void
test_race(void)
{
	Fixture f;
	GPid pids[4];
	guint i, round, ended = 0;

	fixture_init(&f);
	for (round = 0; round < 3; round++) {
		fixture_stop(&f, SIGKILL);
		for (i = 0; i < G_N_ELEMENTS(pids); i++)
			pids[i] = fixture_spawn(&f, NULL);
		fixture_connect(&f);
		/* All but one end by themselves, with success. */
		for (ended = 0; ended < G_N_ELEMENTS(pids) - 1; ended++) {
			int status;
			pid_t pid = waitpid(-1, &status, 0);

			g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
			for (i = 0; i < G_N_ELEMENTS(pids); i++)
				if (pids[i] == pid)
					pids[i] = 0;
		}
		for (i = 0; i < G_N_ELEMENTS(pids); i++)
			if (pids[i])
				f.pid = pids[i];
		g_assert_cmpuint(fixture_count_problems(&f), ==, 0);
	}
	fixture_finish(&f);
}

static void
test_idle_exit(void)
{
	static const char *const arguments[] = { "--idle-exit=1", NULL };
	g_autofree char *path = NULL;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	g_assert_cmpint(fixture_stop(&f, SIGTERM), ==, 0);
	fixture_start(&f, arguments);
	g_dbus_connection_close_sync(f.bus, NULL, NULL);
	g_clear_object(&f.bus);
	g_assert_cmpint(fixture_wait(f.pid), ==, 0);
	f.pid = 0;
	fixture_finish(&f);
}

/* Kilobytes of a daemon's memory. */
static guint64
get_rss(Fixture *fixture)
{
	g_autofree char *file = g_strdup_printf("/proc/%d/status", fixture->pid);
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
	return g_ascii_strtoull(strstr(text, "VmRSS:") + strlen("VmRSS:"), NULL, 10);
}

static void
test_memory(void)
{
	g_autofree char *path = NULL;
	guint64 idle, one, many;
	Fixture f;
	guint i;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "0 chipset=ich9\n1 nic=intnet");
	idle = get_rss(&f);
	fixture_power_on(&f, path);
	one = get_rss(&f);
	power_off(&f, path);
	for (i = 2; i <= 36; i++) {
		g_autofree char *change = g_strdup_printf("%u nic=intnet", i);

		fixture_modify(&f, path, change);
	}
	fixture_power_on(&f, path);
	many = get_rss(&f);
	g_test_message("idle %" G_GUINT64_FORMAT " kB, 1 card %" G_GUINT64_FORMAT
		       " kB, 36 cards %" G_GUINT64_FORMAT " kB",
		       idle, one, many);
	g_assert_cmpuint(idle, <, 12 * 1024);
	g_assert_cmpuint(many, <, one + 35 * 100);
	fixture_finish(&f);
}

/* Calls of every kind, refused and not, leave nothing behind. */
static void
call_often(Fixture *fixture, const char *path, guint rounds)
{
	guint i;

	for (i = 0; i < rounds; i++) {
		g_autoptr(GVariant) cards =
			fixture_call(fixture, path, MACHINE, "ListCards", NULL, "(aa{sv})", NULL);
		g_autoptr(GVariant)
			networks = fixture_call(fixture, BUS_MANAGER_PATH, MANAGER, "ListNetworks",
						NULL, "(a(souutt))", NULL);

		g_assert_nonnull(cards);
		g_assert_nonnull(networks);
		if (i % 10 == 0)
			g_assert_true(fixture_change(fixture, path, "Control",
						     i % 20 ? "1 intnet=a" : "1 intnet=b", NULL));
		fixture_modify_fails(fixture, path, "Control", "1 nic=wrong", JF_ERROR_VALUE,
				     "wrong");
		fixture_modify_fails(fixture, path, "Modify", "1 nic=null", JF_ERROR_STATE, "runs");
	}
}

static void
test_leaks(void)
{
	g_autofree char *path = NULL;
	guint64 before;
	Fixture f;

	fixture_init(&f);
	path = fixture_create(&f, "web");
	fixture_modify(&f, path, "1 nic=intnet");
	fixture_power_on(&f, path);
	call_often(&f, path, 100);
	before = get_rss(&f);
	/* 100 bytes a call would be 160 kB. */
	call_often(&f, path, 400);
	g_test_message("%" G_GUINT64_FORMAT " kB, then %" G_GUINT64_FORMAT " kB", before,
		       get_rss(&f));
	g_assert_cmpuint(get_rss(&f), <, before + 150);
	fixture_finish(&f);
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], BOUND) == 0)
		run_bound(argv);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/running/start", test_start);
	g_test_add_func("/running/connectors", test_connectors);
	g_test_add_func("/running/control", test_control);
	g_test_add_func("/running/start-fails", test_start_fails);
	g_test_add_func("/running/restart", test_restart);
	g_test_add_func("/running/bound", test_bound);
	g_test_add_func("/running/one-daemon", test_one_daemon);
	g_test_add_func("/running/race", test_race);
	g_test_add_func("/running/idle-exit", test_idle_exit);
	/* A sanitizer's own memory is no measure. */
	if (MEASURE_MEMORY) {
		g_test_add_func("/running/memory", test_memory);
		g_test_add_func("/running/leaks", test_leaks);
	}
	return g_test_run();
}
