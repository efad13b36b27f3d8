/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-daemon.c - jackfield and a real daemon, end to end. */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli-harness.h"

/* ---- Starting ---- */

static void
test_start(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "--no-start list vms", 1, "", "does not run");
	check(home, "list vms", 0, "", "");
	check(home, "--no-start list vms", 0, "", "");
	/* A socket that a killed daemon left is not taken for one. */
	home_kill_daemon(home, SIGKILL);
	check(home, "--no-start list vms", 1, "", "does not run");
	check(home, "list vms", 0, "", "");
}

/* Of many at once, all have the same daemon. */
static void
test_race(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	GSubprocess *processes[8];
	guint i;

	for (i = 0; i < G_N_ELEMENTS(processes); i++) {
		g_autofree char *line = g_strdup_printf("createvm --name m%u", i);

		processes[i] = cli_start(home, line);
	}
	for (i = 0; i < G_N_ELEMENTS(processes); i++) {
		g_assert_cmpint(cli_wait(processes[i]), ==, 0);
		g_object_unref(processes[i]);
	}
	for (i = 0; i < G_N_ELEMENTS(processes); i++) {
		g_autofree char *words = g_strdup_printf("\"m%u\" {", i);

		check(home, "list vms", 0, words, "");
	}
}

/* More clients than the queue of a daemon's socket holds, while it cannot take any. */
static void
test_crowd(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	GSubprocess *processes[24];
	gint64 pid;
	guint i;

	check(home, "createvm --name a", 0, NULL, "");
	pid = home_get_daemon(home);
	g_assert_cmpint(kill((pid_t)pid, SIGSTOP), ==, 0);
	for (i = 0; i < G_N_ELEMENTS(processes); i++)
		processes[i] = cli_start(home, "list vms");
	home_wait_queue_full(home);
	g_assert_cmpint(kill((pid_t)pid, SIGCONT), ==, 0);
	for (i = 0; i < G_N_ELEMENTS(processes); i++) {
		g_assert_cmpint(cli_wait(processes[i]), ==, 0);
		g_object_unref(processes[i]);
	}
}

static void
test_start_fails(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *runtime = home_path(home, "run");

	g_assert_cmpint(g_mkdir(runtime, 0700), ==, 0);
	g_assert_cmpint(g_chmod(runtime, 0777), ==, 0);
	check(home, "list vms", 1, "", "writable for nobody else");
	g_assert_cmpint(g_chmod(runtime, 0700), ==, 0);
	check(home, "list vms", 0, "", "");
}

/* Other directories, another daemon that knows nothing of the first. */
static void
test_two(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	Home other;

	home_init(&other, NULL);
	check(home, "createvm --name mine", 0, "'mine' is created and registered.", "");
	check(&other, "list vms", 0, "", "");
	check(&other, "createvm --name mine", 0, "'mine' is created and registered.", "");
	check(&other, "startvm mine", 0, "NIC 1: stream on ", "");
	check(home, "list runningvms", 0, "", "");
	check(&other, "list runningvms", 0, "\"mine\" {", "");
	home_finish(&other, NULL);
	check(home, "list vms", 0, "\"mine\" {", "");
}

/* ---- Machines ---- */

#define UUID "01234567-89ab-4def-8123-456789abcdef"

static void
test_life(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "createvm --name a --ostype debian_64 --uuid {" UUID "} --register", 0,
	      "Virtual machine 'a' is created and registered.\nUUID: " UUID "\nSettings file: '",
	      "");
	check(home, "list vms", 0, "\"a\" {" UUID "}\n", "");
	check(home, "createvm --name a", 1, "", "'a'");
	check(home, "createvm --name b --uuid " UUID, 1, "", UUID);
	check(home, "createvm --name b --ostype Debain_64", 1, "", "'Debian_64'");
	check(home, "createvm --name b --basefolder /x", 1, "", "JACKFIELD_HOME");
	check(home, "showvminfo " UUID, 0, "Name:                        a\n", "");
	check(home, "showvminfo a", 0, "Guest OS:                    Debian (64-bit)\n", "");
	check(home, "list -l vms", 0, "NIC 8:                       disabled\n", "");
	check(home, "modifyvm a --name 'c \"q\\'", 0, "", "");
	check(home, "showvminfo " UUID " --machinereadable", 0, "name=\"c \\\"q\\\\\"\n", "");
	/* Everything is there after a restart, killed or not. */
	home_kill_daemon(home, SIGKILL);
	check(home, "list vms", 0, "\"c \"q\\\" {" UUID "}\n", "");
	check(home, "unregistervm " UUID, 0, "are kept in ", "");
	check(home, "list vms", 0, "", "");
	check(home, "createvm --name a --uuid " UUID, 0, "UUID: " UUID, "");
	check(home, "unregistervm a --delete", 0, "", "");
	check(home, "unregistervm a", 1, "", "There is no machine 'a'");
}

/* The reference chapter's own command lines, and what showvminfo makes of them. */
static void
test_modify(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const commands[] = {
		"modifyvm 'VM name' --nat-pf1 guestssh,tcp,,2222,,22",
		"modifyvm 'VM name' --natpf1 delete guestssh",
		"modifyvm 'VM name' --natpf1 guestssh,tcp,,2222,10.0.2.19,22",
		"modifyvm 'VM name' --natpf1 delete guestssh",
		"modifyvm 'VM name' --natpf1 guestssh,tcp,127.0.0.1,2222,,22",
		"modifyvm 'VM name' --nic2 intnet",
		"modifyvm 'VM name' --nic3 intnet --intnet3 'network name'",
		"modifyvm 'VM name' --nic4 generic",
		"modifyvm 'VM name' --nic-generic-driv4 udptunnel",
		"modifyvm 'VM name' --nic-property4 dest=10.0.0.2",
		"modifyvm 'VM name' --nic-property4 sport=10001",
		"modifyvm 'VM name' --nicproperty4 dport=10002",
		"modifyvm 'VM name' --nic5 NULL --cableconnected5 OFF --nictype5 VIRTIO",
		"modifyvm 'VM name' --macaddress5 020000a1b2c3 --nicpromisc5 allow-network",
		"modifyvm 'VM name' --nicbootprio5 4",
	};
	static const char *const lines[] = {
		"natnet1=\"nat\"\n",
		"nic1=\"nat\"\n",
		"Forwarding(0)=\"guestssh,tcp,127.0.0.1,2222,,22\"\n",
		"intnet2=\"intnet\"\n",
		"nic2=\"intnet\"\n",
		"intnet3=\"network name\"\n",
		"generic4=\"UDPTunnel\"\n",
		"nic4=\"Generic\"\n",
		"nicspeed4=\"0\"\n",
		"nicproperty4(0)=\"dest=10.0.0.2\"\n",
		"nicproperty4(1)=\"dport=10002\"\n",
		"nic5=\"null\"\n",
		"cableconnected5=\"off\"\n",
		"nictype5=\"virtio\"\n",
		"macaddress5=\"020000A1B2C3\"\n",
		"nicpromisc5=\"allow-vms\"\n",
		"nicbootprio5=\"4\"\n",
		"nic6=\"none\"\n",
		"VMState=\"poweroff\"\n",
	};
	guint i;

	check(home, "createvm --name 'VM name' --ostype Linux_64", 0, NULL, "");
	for (i = 0; i < G_N_ELEMENTS(commands); i++)
		check(home, commands[i], 0, "", "");
	for (i = 0; i < G_N_ELEMENTS(lines); i++)
		check(home, "showvminfo 'VM name' --machinereadable", 0, lines[i], "");
	check(home, "showvminfo 'VM name'", 0,
	      "Attachment: Generic 'UDPTunnel' { dest='10.0.0.2', dport='10002', sport='10001' }, "
	      "Cable connected: on, Trace: off (file: none), Type: ",
	      "");
	check(home, "showvminfo 'VM name'", 0,
	      "NIC 1 Rule(0):   name = guestssh, protocol = tcp, host ip = 127.0.0.1, "
	      "host port = 2222, guest ip = , guest port = 22\n",
	      "");
	check(home, "showvminfo 'VM name'", 0,
	      "NIC 5:                       MAC: 020000A1B2C3, Attachment: none, Cable connected: "
	      "off, ",
	      "");
}

/* Kept and shown for the adapters that report it, in either spelling; refused for all others and
 * where the adapter is the VMM's. */
static void
test_speed(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const wrong[] = { "82540EM", "82543GC", "82545EM", "virtio" };
	guint i;

	check(home, "createvm --name a --ostype DOS", 0, NULL, "");
	check(home, "modifyvm a --nic1 null --nicspeed1 100000", 0, "", "");
	check(home, "showvminfo a --machinereadable", 0, "nicspeed1=\"100000\"\n", "");
	check(home, "showvminfo a", 0, "Type: Am79C973, Reported speed: 100 Mbps, ", "");
	check(home, "modifyvm a --nic-type1 Am79C970A --nic-speed1 4294967295", 0, "", "");
	check(home, "showvminfo a", 0, "Type: Am79C970A, Reported speed: 4294967 Mbps, ", "");
	home_kill_daemon(home, SIGKILL);
	check(home, "showvminfo a", 0, "Type: Am79C970A, Reported speed: 4294967 Mbps, ", "");
	for (i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *line = g_strdup_printf("modifyvm a --nic-type1 %s", wrong[i]);

		check(home, line, 1, "", "Am79C970A and Am79C973 report a speed");
	}
	check(home, "modifyvm a --nic-speed1 10M", 1, "", "'10M'");
	check(home, "startvm a", 1, "", "connector stream");
	check(home, "modifyvm a --connector1 vfio-user", 0, "", "");
	check(home, "startvm a", 0, "NIC 1: vfio-user on ", "");
	check(home, "controlvm a poweroff", 0, "", "");
	check(home, "modifyvm a --nic-speed1 0 --nic-type1 virtio", 0, "", "");
	check(home, "showvminfo a", 0, "Type: virtio, Reported speed: 0 Mbps, ", "");
}

/* One of each family, of each architecture; short and long. */
static void
test_ostypes(Home *home, gconstpointer data G_GNUC_UNUSED)
{
#define SHORT(id, description, family, architecture)                                  \
	"ID / Description: " id " -- " description "\nFamily:           " family "\n" \
	"Architecture:     " architecture "\n\n"
#define LONG(id, description, family, subtype, architecture, wide)                               \
	"ID:               " id "\nDescription:      " description "\nFamily ID:        " family \
	"\n" subtype "Architecture:     " architecture "\n64 bit:           " wide               \
	"\nDefault NIC:      "
#define SUBTYPE(name) "OS Subtype:       " name "\n"
	static const char *const types[] = {
		SHORT("Windows10_64", "Windows 10 (64-bit)", "Windows (Microsoft Windows)",
		      "x86 (64-bit)"),
		SHORT("Debian12_arm64", "Debian 12 Bookworm (ARM 64-bit)", "Linux / Debian (Linux)",
		      "ARMv8 (64-bit)"),
		SHORT("Xubuntu", "Xubuntu (32-bit)", "Linux / Ubuntu (Linux)", "x86"),
		SHORT("NetBSD_64", "NetBSD (64-bit)", "BSD / NetBSD (BSD)", "x86 (64-bit)"),
		SHORT("Solaris11_64", "Oracle Solaris 11 (64-bit)", "Solaris (Solaris)",
		      "x86 (64-bit)"),
		SHORT("OS2Warp45", "OS/2 Warp 4.5", "OS2 (IBM OS/2)", "x86"),
		SHORT("MacOS1013_64", "macOS 10.13 High Sierra (64-bit)", "MacOS (Mac OS X)",
		      "x86 (64-bit)"),
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(types); i++)
		check(home, "list ostypes", 0, types[i], "");
	check(home, "list ostypes", 0,
	      "Supported guest OS types:\n\nID / Description: Other -- Other/Unknown\n", "");
	check(home, "list ostypes -s", 0,
	      "Supported guest OS types:\n\nID / Description: ArchLinux -- Arch Linux (32-bit)\n",
	      "");
	check(home, "list ostypes --long", 0,
	      "Supported guest OS types:\n\n" LONG("Other", "Other/Unknown",
						   "Other\nFamily Desc:      Other", "", "x86",
						   "false") "Am79C973\n\nID:               "
							    "Other_64\n",
	      "");
	check(home, "list ostypes --long", 0,
	      LONG("Debian12_arm64", "Debian 12 Bookworm (ARM 64-bit)",
		   "Linux\nFamily Desc:      Linux", SUBTYPE("Debian"), "ARMv8", "true"),
	      "");
}

/* Every row of the table is in the list, whole: a row that cannot be read would be missing. */
static void
test_ostype_rows(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *table = NULL;
	g_auto(GStrv) rows = NULL;
	g_auto(Result) result = { 0 };
	guint i, n = 0;

	g_assert_true(g_file_get_contents(OSTYPES, &table, NULL, NULL));
	cli(home, &result, "list --long ostypes");
	rows = g_strsplit(table, "\n", -1);
	for (i = 0; rows[i]; i++) {
		g_auto(GStrv) fields = g_strsplit(rows[i], "\t", -1);
		g_autofree char *head = NULL;

		if (!*rows[i] || *rows[i] == '#')
			continue;
		g_assert_cmpuint(g_strv_length(fields), ==, 6);
		head = g_strdup_printf("ID:               %s\nDescription:      %s\n", fields[0],
				       fields[1]);
		g_assert_nonnull(strstr(result.out, head));
		n++;
	}
	g_assert_cmpuint(n, >, 200);
}

/* All of a command line or nothing of it. */
static void
test_atomic(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "createvm --name a", 0, NULL, "");
	check(home, "modifyvm a --nic1 null --nic2 intnet --nic-promisc2 never", 1, "", "'never'");
	check(home, "showvminfo a --machinereadable", 0, "nic1=\"nat\"\n", "");
	check(home, "showvminfo a --machinereadable", 0, "nic2=\"none\"\n", "");
	check(home, "modifyvm a --nic-trace-file1 t.pcapng", 0, "", "");
	check(home, "showvminfo a --machinereadable", 0, "/t.pcapng\"\n", "");
}

static void
test_refusals(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *line;
		int status;
		const char *err;
	} cases[] = {
		{ "", 2, "" },
		{ "--frob", 2, "Unknown option '--frob'" },
		{ "lits vms", 2, "did you mean 'list'" },
		{ "list", 2, "list what?" },
		{ "list vmss", 2, "did you mean 'vms'" },
		{ "list vms intnets", 2, "Unexpected 'intnets'" },
		{ "list --lnog vms", 2, "did you mean '--long'" },
		{ "showvminfo", 2, "needs the name" },
		{ "showvminfo a b", 2, "Unexpected 'b'" },
		{ "showvminfo a --machinreadable", 2, "'--machinereadable'" },
		{ "showvminfo alpah", 1, "did you mean 'alpha'" },
		{ "createvm", 2, "--name" },
		{ "createvm --name", 2, "needs a value" },
		{ "createvm --name x --ostyp Linux", 2, "'--ostype'" },
		{ "createvm x", 2, "'x'" },
		{ "unregistervm", 2, "needs the name" },
		{ "unregistervm alpha --delet", 2, "'--delete'" },
		{ "modifyvm alpha", 2, "at least one option" },
		{ "modifyvm nobody --nic1 nat", 1, "There is no machine 'nobody'" },
		{ "modifyvm alpha --nic9 nat", 1, "1 to 8" },
		{ "modifyvm alpha --nic1 natt", 1, "'natt'" },
		{ "modifyvm alpha --nic-boot-prio1 5", 1, "0 to 4" },
		{ "modifyvm alpha --mac-address1 0100aabbccdd", 1, "0100aabbccdd" },
		{ "modifyvm alpha --nic1 generic --nic-generic-drv1 UDPTunel", 1, "'UDPTunnel'" },
		{ "modifyvm alpha --nic1 generic --nic-generic-drv1 UDPTunnel "
		  "--nic-property1 prot=1",
		  1, "'prot'" },
		{ "modifyvm alpha --nic1 generic --nic-generic-drv1 UDPTunnel "
		  "--nic-property1 sport=70000",
		  1, "65535" },
		{ "modifyvm alpha --natpf1 ssh,tcp,,0,,22", 1, "1 to 65535" },
		{ "modifyvm alpha --natpf1 delete nothing", 1, "'nothing'" },
		{ "startvm", 2, "needs the name" },
		{ "startvm alpha --type", 2, "headless" },
		{ "startvm alpha --type gui", 1, "headless" },
		{ "startvm --tpye gui", 2, "'--type'" },
		{ "controlvm alpha", 2, "a command" },
		{ "controlvm alpha poweroff now", 2, "Unexpected 'now'" },
		{ "controlvm alpha poweroff", 1, "does not run" },
		{ "controlvm alpha setlinkstate1 off", 1, "does not run" },
		{ "inspect", 2, "needs the name" },
		{ "inspect a b", 2, "Unexpected 'b'" },
		{ "inspect UDPTunel", 1, "did you mean 'UDPTunnel'" },
		{ "inspect --jsno UDPTunnel", 2, "'--json'" },
		{ "drivers x", 2, "'x'" },
		{ "stats --interval 0", 2, "0.1 to 3600" },
		{ "stats --interval", 2, "number of seconds" },
		{ "stats --once nobody", 1, "There is no machine 'nobody'" },
		{ "stats a b", 2, "Unexpected 'b'" },
		{ "help nothing", 2, "Unknown verb 'nothing'" },
		{ "run alpha", 2, "-- and a program" },
		{ "run alpha --", 2, "-- and a program" },
		{ "run alpha qemu", 2, "put -- in front" },
		{ "run alpha --vmm xen -- true", 2, "qemu or other" },
		{ "run alpha -- no-such-program", 1, "no-such-program" },
		{ "run nobody -- true", 1, "There is no machine 'nobody'" },
	};
	guint i;

	check(home, "createvm --name alpha", 0, NULL, "");
	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		check(home, cases[i].line, cases[i].status, NULL, cases[i].err);
}

/* ---- Running ---- */

static void
test_running(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "createvm --name a", 0, NULL, "");
	check(home, "modifyvm a --nic1 intnet --nic2 null", 0, "", "");
	check(home, "startvm a --type headless", 0, "NIC 1: stream on ", "");
	check(home, "startvm a", 1, "", "run");
	check(home, "modifyvm a --nic1 null", 1, "", "run");
	check(home, "list runningvms", 0, "\"a\" {", "");
	check(home, "list intnets", 0, "Name:        intnet\n", "");
	check(home, "list -l intnets", 0, "Ports:       1\n", "");
	check(home, "showvminfo a --machinereadable", 0, "link1=\"up\"\n", "");
	check(home, "showvminfo a --machinereadable", 0, "link2=\"down\"\n", "");
	check(home, "controlvm a setlinkstate1 off", 0, "", "");
	check_becomes(home, "showvminfo a --machinereadable", "link1=\"down\"\n");
	check(home, "controlvm a setlinkstate1 on", 0, "", "");
	check_becomes(home, "showvminfo a --machinereadable", "link1=\"up\"\n");
	check(home, "controlvm a nic2 intnet other", 0, "", "");
	check_becomes(home, "list intnets", "Name:        other\n");
	check(home, "controlvm a nictracefile1 DIR/t.pcapng", 0, "", "");
	check(home, "controlvm a nictrace1 on", 0, "", "");
	check_file_becomes(home, "t.pcapng", "\n");
	check(home, "controlvm a setlinkstate3 off", 1, "", "3");
	/* It runs on under the next daemon. */
	home_kill_daemon(home, SIGKILL);
	check(home, "list runningvms", 0, "\"a\" {", "");
	check(home, "controlvm a poweroff", 0, "", "");
	check(home, "list runningvms", 0, "", "");
	check(home, "list intnets", 0, "", "");
	check(home, "showvminfo a --machinereadable", 0, "nic2=\"intnet\"\n", "");
}

static JsonObject *
parse_json(JsonParser *parser, const char *text)
{
	g_autoptr(GError) error = NULL;

	json_parser_load_from_data(parser, text, -1, &error);
	g_assert_no_error(error);
	return json_node_get_object(json_parser_get_root(parser));
}

static void
test_stats(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_auto(Result) result = { 0 };
	JsonObject *card, *tx;
	JsonArray *cards;

	check(home, "stats --once", 0, "No card runs.\n", "");
	check(home, "createvm --name 'quote\"d'", 0, NULL, "");
	check(home, "modifyvm 'quote\"d' --nic1 intnet --nic3 null", 0, "", "");
	check(home, "startvm 'quote\"d'", 0, NULL, "");
	check(home, "stats --once 'quote\"d'", 0, "quote\"d            1 intnet     up ", "");
	cli(home, &result, "stats --once --json");
	cards = json_object_get_array_member(parse_json(parser, result.out), "cards");
	g_assert_cmpuint(json_array_get_length(cards), ==, 2);
	card = json_array_get_object_element(cards, 1);
	g_assert_cmpstr(json_object_get_string_member(card, "machine"), ==, "quote\"d");
	g_assert_cmpint(json_object_get_int_member(card, "card"), ==, 3);
	g_assert_false(json_object_get_boolean_member(card, "link"));
	tx = json_object_get_object_member(card, "tx");
	g_assert_cmpint(json_object_get_int_member(tx, "frames"), ==, 0);
	g_assert_true(
		json_object_has_member(json_object_get_object_member(card, "counters"), "stream"));
}

/* ---- Drivers ---- */

static void
test_drivers(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_auto(Result) result = { 0 };
	JsonObject *properties, *sport;

	check(home, "drivers", 0, "attachment  UDPTunnel ", "");
	check(home, "inspect udptunnel", 0, "UDPTunnel: ", "");
	check(home, "inspect UDPTunnel", 0, "  sport (int)\n", "");
	check(home, "inspect UDPTunnel --markdown", 0, "| `sport` | int | `4444` | 1..65535 | ",
	      "");
	cli(home, &result, "inspect UDPTunnel --json");
	properties = json_object_get_object_member(parse_json(parser, result.out), "properties");
	sport = json_object_get_object_member(properties, "sport");
	g_assert_cmpstr(json_object_get_string_member(sport, "type"), ==, "integer");
	g_assert_cmpint(json_object_get_int_member(sport, "default"), ==, 4444);
	g_assert_cmpint(json_object_get_int_member(sport, "maximum"), ==, 65535);
}

/* Every driver's schema is JSON. */
static void
test_schemas(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_auto(Result) drivers = { 0 };
	g_auto(GStrv) lines = NULL;
	guint i, n = 0;

	cli(home, &drivers, "drivers");
	lines = g_strsplit(drivers.out, "\n", -1);
	for (i = 1; lines[i] && *lines[i]; i++) {
		g_autoptr(JsonParser) parser = json_parser_new();
		g_auto(Result) result = { 0 };
		char id[32] = "";
		g_autofree char *line = NULL;

		g_assert_cmpint(sscanf(lines[i], "%*s %31s", id), ==, 1);
		line = g_strdup_printf("inspect --json %s", id);
		cli(home, &result, line);
		g_assert_cmpstr(json_object_get_string_member(parse_json(parser, result.out),
							      "title"),
				==, id);
		n++;
	}
	g_assert_cmpuint(n, >=, 6);
}

/* ---- The rest ---- */

/* What bash offers for the words of `line`, the last of which is being written. */
static void
check_completion(const Home *home, const char *words, const char *expected)
{
	g_autofree char *dir = g_path_get_dirname(JACKFIELD);
	g_autofree char *script = g_strdup_printf(
		"PATH=%s:$PATH; . %s; COMP_WORDS=(jackfield %s); COMP_CWORD=$((${#COMP_WORDS[@]} - "
		"1)); _jackfield; printf '[%%s]' \"${COMPREPLY[@]}\"",
		dir, COMPLETION, words);
	const char *argv[] = { "bash", "-c", script, NULL };
	g_autofree char *out = NULL;
	g_autoptr(GError) error = NULL;

	g_spawn_sync(NULL, (char **)argv, home->env, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL,
		     NULL, &error);
	g_assert_no_error(error);
	if (!strstr(out, expected))
		g_error("completion of '%s' gives '%s', not '%s'", words, out, expected);
}

static void
test_completion(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "createvm --name 'my vm'", 0, NULL, "");
	check_completion(home, "show", "[showvminfo]");
	check_completion(home, "startvm m", "[my\\ vm]");
	check_completion(home, "modifyvm vm --nic-generic-d", "[--nic-generic-drv1]");
	check_completion(home, "modifyvm vm --nic3 int", "[intnet]");
	check_completion(home, "controlvm vm setl", "[setlinkstate1]");
	check_completion(home, "controlvm vm setlinkstate1 o", "[on][off]");
	check_completion(home, "inspect UDP", "[UDPTunnel]");
	check_completion(home, "modifyvm vm --connector1 ta", "[tap]");
	check_completion(home, "modifyvm vm --connector1 tap --connector-property1 netn",
			 "[netns=]");
	check_completion(home, "modifyvm vm --nictype1 virtio --model-property1 queu", "[queues=]");
	check_completion(home, "list runn", "[runningvms]");
	check_completion(home, "modifyvm vm --ostype Debian_6", "[Debian_64]");
	/* Tab never starts a daemon. */
	home_kill_daemon(home, SIGTERM);
	check_completion(home, "startvm m", "[]");
	check(home, "--no-start list vms", 1, "", "does not run");
}

static void
test_help(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	check(home, "--version", 0, "jackfield ", "");
	check(home, "--help", 0, "controlvm", "");
	check(home, "help modifyvm", 0, "also: --nicgenericdrvN", "");
	check(home, "controlvm --help", 0, "natpfN RULE|delete NAME", "");
	check(home, "list bridgedifs", 0, NULL, "");
	/* None of this needs a daemon. */
	check(home, "--no-start list vms", 1, "", "does not run");
}

#define ADD(path, func) g_test_add(path, Home, NULL, home_init, func, home_finish)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/cli/start/on-demand", test_start);
	ADD("/cli/start/race", test_race);
	ADD("/cli/start/crowd", test_crowd);
	ADD("/cli/start/fails", test_start_fails);
	ADD("/cli/start/two", test_two);
	ADD("/cli/machine/life", test_life);
	ADD("/cli/machine/modify", test_modify);
	ADD("/cli/machine/speed", test_speed);
	ADD("/cli/ostypes/format", test_ostypes);
	ADD("/cli/ostypes/rows", test_ostype_rows);
	ADD("/cli/machine/atomic", test_atomic);
	ADD("/cli/machine/refusals", test_refusals);
	ADD("/cli/machine/running", test_running);
	ADD("/cli/stats", test_stats);
	ADD("/cli/drivers/inspect", test_drivers);
	ADD("/cli/drivers/schemas", test_schemas);
	ADD("/cli/completion", test_completion);
	ADD("/cli/help", test_help);
	return g_test_run();
}
