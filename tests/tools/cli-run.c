/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-run.c - jackfield run: with programs that stand in for a VMM, and with a real QEMU. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "cli-harness.h"

/* Says that it is QEMU, talks like its monitor, writes down what it hears; "quit" ends it with 7. */
static const char fake_qemu[] =
	"#!/bin/bash\n"
	"case $1 in\n"
	"-version) echo 'QEMU emulator version 7.2.0'; exit ;;\n"
	"-L) exit ;;\n"
	"-device) [ \"$2\" = help ] && echo 'name \"e1000\", name \"pcnet\", name '\n"
	"	echo '\"virtio-net-pci\"' && exit ;;\n"
	"esac\n"
	"dir=$(dirname \"$0\")\n"
	"echo \"$*\" >\"$dir/args\"\n"
	"for arg; do case $arg in socket,id=jackfield,fd=*) fd=${arg##*=} ;; esac; done\n"
	"echo '{\"QMP\": {}}' >&$fd\n"
	"while read -r line <&$fd; do\n"
	"	echo \"$line\" >>\"$dir/heard\"\n"
	"	case $line in *quit*) [ -e \"$dir/deaf\" ] || exit 7 ;; esac\n"
	"	echo '{\"return\": {}}' >&$fd\n"
	"done\n";

#define LINK(card, up) "\"name\":\"jfcard" card "\",\"up\":" up "}"

static void
make_machine(Home *home)
{
	home_write(home, "qemu-system-fake", fake_qemu, 0755);
	check(home, "createvm --name m --ostype Debian_64", 0, NULL, "");
	check(home,
	      "modifyvm m --nic1 intnet --nic2 null --nic3 intnet --cableconnected3 off "
	      "--nictype1 virtio --macaddress1 080027a1b2c3",
	      0, "", "");
}

/* ---- QEMU's stand-in ---- */

static void
test_qemu(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSubprocess) run = NULL;
	g_autofree char *args = NULL;

	make_machine(home);
	run = cli_start(home, "run m -- DIR/qemu-system-fake -m 64");
	/* First what is so, then what changes. */
	check_file_becomes(home, "heard", LINK("1", "true"));
	check_file_becomes(home, "heard", LINK("2", "false"));
	check_file_becomes(home, "heard", LINK("3", "false"));
	args = home_read(home, "args");
	g_assert_true(g_str_has_prefix(args, "-m 64 -chardev socket,id=jackfield,fd="));
	g_assert_nonnull(strstr(args, "-device virtio-net-pci,id=jfcard1,netdev=jf1,"
				      "mac=08:00:27:a1:b2:c3"));
	check(home, "list runningvms", 0, "\"m\" {", "");
	check(home, "run m -- true", 1, "", "run");
	check(home, "controlvm m setlinkstate3 on", 0, "", "");
	check_file_becomes(home, "heard", LINK("3", "true"));
	check(home, "controlvm m setlinkstate1 off", 0, "", "");
	check_file_becomes(home, "heard", LINK("1", "false"));
	check(home, "controlvm m nic2 intnet other", 0, "", "");
	check_file_becomes(home, "heard", LINK("2", "true"));
	check(home, "controlvm m poweroff", 0, "", "");
	g_assert_cmpint(cli_wait(run), ==, 7);
	check_file_becomes(home, "heard", "{\"execute\":\"quit\"}");
	check(home, "list runningvms", 0, "", "");
}

/* The daemon is killed: another one is there at once, with the cards as they were. */
static void
test_rejoin(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSubprocess) run = NULL;
	g_autofree char *heard = home_path(home, "heard");

	make_machine(home);
	run = cli_start(home, "run m -- DIR/qemu-system-fake");
	check_file_becomes(home, "heard", LINK("3", "false"));
	home_kill_daemon(home, SIGKILL);
	g_assert_cmpint(g_unlink(heard), ==, 0);
	check_file_becomes(home, "heard", LINK("3", "false"));
	check_becomes(home, "--no-start list runningvms", "\"m\" {");
	check(home, "controlvm m setlinkstate3 on", 0, "", "");
	check_file_becomes(home, "heard", LINK("3", "true"));
	check(home, "controlvm m poweroff", 0, "", "");
	g_assert_cmpint(cli_wait(run), ==, 7);
	check(home, "list runningvms", 0, "", "");
}

/* As many queue pairs as the model has and the connector carries. */
static void
test_queues(Home *home, gconstpointer data G_GNUC_UNUSED)
{
#define MAC ",mac=08:00:27:a1:b2:c3"
#define VHOST(queues, more) \
	"chardev=jfvhost1" queues " -device virtio-net-pci,id=jfcard1,netdev=jf1" MAC more
	static const struct {
		const char *options, *args;
	} cases[] = {
		{ "--model-property1 queues=4", VHOST(",queues=4", ",mq=on,vectors=0") },
		{ "--connector1 vhost-user --connector-property1 queues=3",
		  VHOST(",queues=3", ",mq=on,vectors=0") },
		{ "--connector1 auto", VHOST(",queues=3", ",mq=on,vectors=0") },
		{ "--model-property1 queues=2", VHOST(",queues=2", ",mq=on,vectors=0") },
		{ "--model-property1 queues=", VHOST("", ",vectors=0") },
	};
	g_autofree char *args = home_path(home, "args");
	guint i;

	make_machine(home);
	check(home, "modifyvm m --model-property1 queues=17", 1, "", "16");
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *change = g_strdup_printf("modifyvm m %s", cases[i].options);
		g_autoptr(GSubprocess) run = NULL;

		check(home, change, 0, "", "");
		run = cli_start(home, "run m -- DIR/qemu-system-fake -m 64");
		check_file_becomes(home, "args", cases[i].args);
		check(home, "controlvm m poweroff", 0, "", "");
		g_assert_cmpint(cli_wait(run), ==, 7);
		g_assert_cmpint(g_unlink(args), ==, 0);
	}
}

static void
test_dgram(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSubprocess) run = NULL;

	make_machine(home);
	run = cli_start(home, "run m --connector dgram -- DIR/qemu-system-fake");
	check_file_becomes(home, "args", "-netdev dgram,id=jf1,local.type=unix,local.path=");
	check(home, "showvminfo m --machinereadable", 0, "connector1=\"dgram\"", "");
	check(home, "controlvm m poweroff", 0, "", "");
	g_assert_cmpint(cli_wait(run), ==, 7);
	/* For that run only. */
	check(home, "showvminfo m --machinereadable", 0, "connector1=\"auto\"", "");
	check(home, "run m --connector dgarm -- true {socket1}", 1, "", "'dgram'");
}

/* ---- Any program ---- */

static void
test_other(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	make_machine(home);
	check(home, "run m -- sh -c 'test -S {socket1} && test -S {socket3} && exit 3'", 3, NULL,
	      "");
	check(home, "run m -- sh -c 'echo {mac1} {type1}'", 0, "08:00:27:a1:b2:c3 virtio\n", "");
	check(home, "run m -- sh -c 'kill -KILL $$ {mac1}'", 137, "", "");
	check(home, "run m -- true", 2, "", "{socket1}");
	check(home, "run m -- true {socket4}", 2, "", "no enabled card 4");
	check(home, "run m -- false {socket1}", 1, "", "");
	/* Whatever went wrong, the cards are down. */
	check(home, "list runningvms", 0, "", "");
	check(home, "modifyvm m --nic1 none --nic2 none --nic3 none", 0, "", "");
	check(home, "run m -- sh -c 'exit 4'", 4, "", "");
}

/* One that writes down that it is there and waits; TERM and INT end it with 5 and 6. */
static GSubprocess *
start_waiting(Home *home, const char *name)
{
	g_autofree char *line = g_strdup_printf("run m -- bash DIR/wait.sh DIR/%s {socket1}", name);

	home_write(home, "wait.sh",
		   "trap 'exit 5' TERM; trap 'exit 6' INT; echo here >\"$1\"\n"
		   "while :; do sleep 0.02; done\n",
		   0644);
	return cli_start(home, line);
}

static void
test_signals(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	static const int signals[] = { SIGTERM, SIGINT };
	guint i;

	make_machine(home);
	for (i = 0; i < G_N_ELEMENTS(signals); i++) {
		g_autofree char *name = g_strdup_printf("ready%u", i);
		g_autoptr(GSubprocess) run = start_waiting(home, name);

		check_file_becomes(home, name, "here");
		g_subprocess_send_signal(run, signals[i]);
		g_assert_cmpint(cli_wait(run), ==, 5 + (int)i);
		check(home, "list runningvms", 0, "", "");
	}
}

static void
test_power_off(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSubprocess) run = NULL;

	make_machine(home);
	run = start_waiting(home, "ready");
	check_file_becomes(home, "ready", "here");
	check(home, "controlvm m poweroff", 0, "", "");
	g_assert_cmpint(cli_wait(run), ==, 5);
	check(home, "list runningvms", 0, "", "");
}

/* `run` itself is killed: the cards go all the same. */
static void
test_killed(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSubprocess) run = NULL;

	make_machine(home);
	/* It outlives `run`, but not the directory. */
	home_write(home, "until.sh",
		   "echo here >\"$1\"; while [ -e \"$1\" ]; do sleep 0.02; done\n", 0644);
	run = cli_start(home, "run m -- sh DIR/until.sh DIR/ready {socket1}");
	check_file_becomes(home, "ready", "here");
	g_subprocess_send_signal(run, SIGKILL);
	g_assert_cmpint(cli_wait(run), ==, 128 + SIGKILL);
	check_becomes(home, "list runningvms", "");
}

/* ---- Slow ---- */

/* One that neither quits nor terminates is killed, 10 s after it was asked. */
static void
test_stubborn(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSubprocess) run = NULL;

	make_machine(home);
	home_write(home, "deaf", "", 0644);
	home_write(home, "stubborn.sh", "trap '' TERM; . \"$0.qemu\"\n", 0755);
	home_write(home, "stubborn.sh.qemu", fake_qemu, 0755);
	run = cli_start(home, "run m --vmm qemu -- bash DIR/stubborn.sh -m 1");
	check_file_becomes(home, "heard", LINK("3", "false"));
	check(home, "controlvm m poweroff", 0, "", "");
	g_assert_cmpint(cli_wait(run), ==, 128 + SIGKILL);
}

static gboolean
have_qemu(void)
{
	g_autofree char *qemu = g_find_program_in_path("qemu-system-x86_64");

	if (!qemu)
		g_test_skip("there is no qemu-system-x86_64");
	return qemu != NULL;
}

/* A machine without cards, a QEMU without a machine. */
static void
test_real_none(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GSubprocess) run = NULL;

	if (!have_qemu())
		return;
	check(home, "createvm --name m --ostype Debian_64", 0, NULL, "");
	check(home, "modifyvm m --nic1 none", 0, "", "");
	run = cli_start(home, "run m -- qemu-system-x86_64 -M none -display none -monitor none "
			      "-pidfile DIR/pid");
	check_file_becomes(home, "pid", "\n");
	check(home, "list runningvms", 0, "\"m\" {", "");
	check(home, "controlvm m poweroff", 0, "", "");
	g_assert_cmpint(cli_wait(run), ==, 0);
}

/* QEMU takes every argument and every set_link: it would complain on standard error. */
static void
real_cards(Home *home, const char *connector)
{
	g_autofree char *line = NULL;
	g_autoptr(GSubprocess) run = NULL;
	g_autofree char *err = NULL;
	g_autofree char *said = NULL;

	check(home, "createvm --name m --ostype Debian_64", 0, NULL, "");
	check(home,
	      "modifyvm m --nic1 intnet --nictype1 virtio --nic2 intnet --nictype2 82540EM "
	      "--nic3 null --nictype3 82545EM --nic4 intnet --nictype4 Am79C970A "
	      "--cableconnected4 off --nicbootprio4 1",
	      0, "", "");
	line = g_strdup_printf("run m --connector %s -- sh -c 'exec \"$@\" 2>DIR/err' sh "
			       "qemu-system-x86_64 -accel tcg -M pc -m 64 -S -nodefaults -display "
			       "none -pidfile DIR/pid",
			       connector);
	run = cli_start(home, line);
	check_file_becomes(home, "pid", "\n");
	check(home, "controlvm m setlinkstate4 on", 0, "", "");
	check(home, "controlvm m setlinkstate1 off", 0, "", "");
	check(home, "controlvm m poweroff", 0, "", "");
	g_assert_cmpint(cli_wait(run), ==, 0);
	err = home_read(home, "err");
	g_assert_cmpstr(err, ==, "");
	said = home_read(home, "stderr");
	g_assert_cmpstr(said, ==, "");
}

static void
test_real_stream(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	if (have_qemu())
		real_cards(home, "stream");
}

static void
test_real_dgram(Home *home, gconstpointer data G_GNUC_UNUSED)
{
	if (have_qemu())
		real_cards(home, "dgram");
}

#define ADD(path, func) g_test_add(path, Home, NULL, home_init, func, home_finish)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (g_test_slow()) {
		ADD("/cli/run/stubborn", test_stubborn);
		ADD("/cli/run/qemu/none", test_real_none);
		ADD("/cli/run/qemu/stream", test_real_stream);
		ADD("/cli/run/qemu/dgram", test_real_dgram);
		return g_test_run();
	}
	ADD("/cli/run/fake-qemu", test_qemu);
	ADD("/cli/run/rejoin", test_rejoin);
	ADD("/cli/run/queues", test_queues);
	ADD("/cli/run/dgram", test_dgram);
	ADD("/cli/run/other", test_other);
	ADD("/cli/run/signals", test_signals);
	ADD("/cli/run/power-off", test_power_off);
	ADD("/cli/run/killed", test_killed);
	return g_test_run();
}
