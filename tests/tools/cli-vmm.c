/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-vmm.c - the VMM's arguments that `jackfield run` makes, and its talk with QEMU's monitor. */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "jackfield/abi.h"
#include "qmp.h"
#include "vmm.h"

#define DEADLINE_US (10 * G_USEC_PER_SEC)

/* ---- Arguments ---- */

typedef struct Fixture {
	char *dir, *qemu;
	GPtrArray *cards, *notes;
	GHashTable *drivers; /* the daemon's */
	const char *wanted;  /* --connector */
} Fixture;

/* A QEMU as far as it is asked: a version and a list of devices. */
static void
write_qemu(Fixture *fixture, const char *version, const char *devices)
{
	g_autofree char *script = g_strdup_printf("#!/bin/sh\n"
						  "case $1 in\n"
						  "-version) echo 'QEMU emulator version %s' ;;\n"
						  "-device) printf '%s' ;;\n"
						  "-L) printf '%s' ;;\n"
						  "esac\n",
						  version, devices, fixture->dir);

	g_assert_true(g_file_set_contents(fixture->qemu, script, -1, NULL));
	g_assert_cmpint(g_chmod(fixture->qemu, 0755), ==, 0);
}

#define ALL_DEVICES                                                                              \
	"name \"e1000\", bus PCI\\nname \"e1000-82545em\", bus PCI\\nname \"pcnet\", bus PCI\\n" \
	"name \"virtio-net-pci\", bus PCI\\n"

static void
fixture_init(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const drivers[] = { "connector/vhost-user", "connector/vfio-user",
					       "connector/stream",     "connector/dgram",
					       "model/82540EM",        "model/82543GC",
					       "model/82545EM",        "model/Am79C970A",
					       "model/Am79C973",       "model/virtio" };
	guint i;

	fixture->dir = g_dir_make_tmp("jackfield-vmm-XXXXXX", NULL);
	fixture->qemu = g_build_filename(fixture->dir, "qemu-system-test", NULL);
	fixture->cards = g_ptr_array_new_with_free_func(vmm_card_free);
	fixture->notes = g_ptr_array_new_with_free_func(g_free);
	fixture->drivers = g_hash_table_new(g_str_hash, g_str_equal);
	for (i = 0; i < G_N_ELEMENTS(drivers); i++)
		g_hash_table_add(fixture->drivers, (gpointer)drivers[i]);
	write_qemu(fixture, "7.2.22 (Debian)", ALL_DEVICES);
}

static void
fixture_finish(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_unlink(fixture->qemu);
	g_rmdir(fixture->dir);
	g_free(fixture->dir);
	g_free(fixture->qemu);
	g_ptr_array_unref(fixture->cards);
	g_ptr_array_unref(fixture->notes);
	g_hash_table_unref(fixture->drivers);
}

static VmmCard *
add_card(Fixture *fixture, guint slot, const char *nic_type, const char *connector)
{
	VmmCard *card = g_new0(VmmCard, 1);

	card->slot = slot;
	card->device = g_strdup_printf("jfcard%u", slot);
	card->nic_type = g_strdup(nic_type);
	card->mac = g_strdup_printf("08:00:27:00:00:%02u", slot);
	card->connector = g_strdup(connector);
	card->address = g_strdup_printf("/run/a,b-%u.sock", slot);
	if (strcmp(connector, "dgram") == 0)
		card->local = g_strconcat(card->address, ".vmm", NULL);
	g_ptr_array_add(fixture->cards, card);
	return card;
}

/* What `line` becomes; QEMU's path is QEMU. */
static char *
make_line(Fixture *fixture, VmmKind kind, const char *line, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(line, "QEMU", -1);
	g_autofree char *full = g_strjoinv(fixture->qemu, parts);
	g_auto(GStrv) args = g_strsplit(full, " ", -1);
	g_auto(GStrv) made = NULL;
	Vmm vmm;

	vmm_init(&vmm, kind, args);
	if (vmm_choose(&vmm, fixture->cards, fixture->wanted, fixture->drivers, fixture->notes,
		       error))
		made = vmm_make_args(&vmm, fixture->cards, 9, fixture->notes, error);
	vmm_finish(&vmm);
	return made ? g_strjoinv(" ", made) : NULL;
}

static void
check_line(Fixture *fixture, VmmKind kind, const char *line, const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *made = make_line(fixture, kind, line, &error);
	g_auto(GStrv) parts = g_strsplit(expected, "QEMU", -1);
	g_autofree char *wanted = g_strjoinv(fixture->qemu, parts);

	g_assert_no_error(error);
	g_assert_cmpstr(made, ==, wanted);
}

static void
check_refused(Fixture *fixture, VmmKind kind, const char *line, GQuark domain, int code,
	      const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *made = make_line(fixture, kind, line, &error);

	g_assert_null(made);
	g_assert_error(error, domain, code);
	if (!strstr(error->message, expected))
		g_error("'%s' lacks '%s'", error->message, expected);
}

#define MONITOR " -chardev socket,id=jackfield,fd=9 -qmp chardev:jackfield"
#define STREAM(n, device)                                                                     \
	" -netdev stream,id=jf" n ",server=off,addr.type=unix,addr.path=/run/a,,b-" n ".sock" \
	" -device " device ",id=jfcard" n ",netdev=jf" n ",mac=08:00:27:00:00:0" n

static void
test_qemu(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_card(fixture, 1, "82540EM", "stream");
	add_card(fixture, 2, "82545EM", "stream")->boot_prio = 2;
	add_card(fixture, 4, "Am79C970A", "stream");
	add_card(fixture, 5, "virtio", "stream");
	check_line(fixture, VMM_ANY, "QEMU -m 1G",
		   "QEMU -m 1G" MONITOR STREAM("1", "e1000")
			   STREAM("2", "e1000-82545em") ",bootindex=2" STREAM("4", "pcnet")
				   STREAM("5", "virtio-net-pci"));
	g_assert_cmpuint(fixture->notes->len, ==, 0);
}

/* ---- The choice ---- */

#define NEW_DEVICES ALL_DEVICES "name \"vfio-user-pci\", bus PCI\\n"
#define VFIO_USER(n, more)                                         \
	" -device {\"driver\":\"vfio-user-pci\",\"id\":\"jfcard" n \
	"\",\"socket\":{\"type\":\"unix\",\"path\":\"/run/a,b-" n ".sock\"}" more "}"
#define MEMORY(size)                                                                      \
	" -object memory-backend-memfd,id=jackfield-ram,size=" size ",share=on -machine " \
	"memory-backend=jackfield-ram"

/* Every model of ours goes by vfio-user where QEMU has it, with shared memory and QEMU's ROM. */
static void
test_best(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *rom = g_build_filename(fixture->dir, "efi-pcnet.rom", NULL);

	/* The device tells, not the number. */
	write_qemu(fixture, "7.2.99", NEW_DEVICES);
	g_assert_true(g_file_set_contents(rom, "", 0, NULL));
	add_card(fixture, 1, "82543GC", "auto");
	add_card(fixture, 2, "Am79C973", "auto")->boot_prio = 1;
	add_card(fixture, 3, "virtio", "stream");
	check_line(fixture, VMM_ANY, "QEMU -M q35 -m 1G",
		   "QEMU -M q35 -m 1G" MONITOR VFIO_USER("1", "")
			   VFIO_USER("2", ",\"bootindex\":1,\"romfile\":\"efi-pcnet.rom\"")
				   STREAM("3", "virtio-net-pci") MEMORY("1073741824"));
	g_assert_cmpuint(fixture->notes->len, ==, 0);
	g_unlink(rom);
	g_ptr_array_remove_index(fixture->cards, 2);
	check_line(fixture, VMM_ANY, "QEMU",
		   "QEMU" MONITOR VFIO_USER("1", "") VFIO_USER("2", ",\"bootindex\":1")
			   MEMORY("134217728") " -nic none");
	g_assert_cmpuint(fixture->notes->len, ==, 1);
	g_assert_nonnull(strstr(fixture->notes->pdata[0], "efi-pcnet.rom"));
}

#define VHOST_USER_N(n, reconnect, queues, more)                                \
	" -chardev socket,id=jfvhost" n ",path=/run/a,,b-" n ".sock," reconnect \
	" -netdev vhost-user,id=jf" n ",chardev=jfvhost" n queues               \
	" -device virtio-net-pci,id=jfcard" n ",netdev=jf" n ",mac=08:00:27:00:00:0" n more
#define VHOST_USER(n, reconnect, more) VHOST_USER_N(n, reconnect, "", more)

/* A virtio card goes by vhost-user with every QEMU whose memory can be shared. */
static void
test_vhost_user(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_card(fixture, 1, "virtio", "auto");
	check_line(fixture, VMM_ANY, "QEMU -m 1G",
		   "QEMU -m 1G" MONITOR VHOST_USER("1", "reconnect=1", ",vectors=0")
			   MEMORY("1073741824"));
	g_assert_cmpuint(fixture->notes->len, ==, 0);
	write_qemu(fixture, "11.1.3", NEW_DEVICES);
	check_line(fixture, VMM_ANY, "QEMU -m 1G",
		   "QEMU -m 1G" MONITOR VHOST_USER("1", "reconnect-ms=200", "")
			   MEMORY("1073741824"));
	((VmmCard *)fixture->cards->pdata[0])->pairs = 4;
	check_line(fixture, VMM_ANY, "QEMU -m 1G",
		   "QEMU -m 1G" MONITOR VHOST_USER_N("1", "reconnect-ms=200", ",queues=4",
						     ",mq=on,vectors=10") MEMORY("1073741824"));
	write_qemu(fixture, "7.2.22", ALL_DEVICES);
	check_line(fixture, VMM_ANY, "QEMU -m 1G",
		   "QEMU -m 1G" MONITOR VHOST_USER_N("1", "reconnect=1", ",queues=4",
						     ",mq=on,vectors=0") MEMORY("1073741824"));
	write_qemu(fixture, "11.1.3", NEW_DEVICES);
	fixture->wanted = "vhost-user";
	add_card(fixture, 2, "82540EM", "auto");
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED,
		      "NIC 2: no vhost-user: it is for virtio cards only");
}

/* What else than the best it is, is said; a chip that nobody has is an error that says what to do. */
static void
test_second_best(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VmmCard *card = add_card(fixture, 1, "82540EM", "auto");

	check_line(fixture, VMM_ANY, "QEMU", "QEMU" MONITOR STREAM("1", "e1000"));
	g_assert_cmpuint(fixture->notes->len, ==, 1);
	g_assert_cmpstr(fixture->notes->pdata[0], ==,
			"NIC 1: QEMU's own e1000, by stream: QEMU 7.2 has no vfio-user (10.1 and "
			"later have)");
	g_free(card->nic_type);
	card->nic_type = g_strdup("82543GC");
	g_free(card->connector);
	card->connector = g_strdup("auto");
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED,
		      "no way to bring its 82543GC to the guest: QEMU 7.2 has no vfio-user (10.1 "
		      "and later have); QEMU 7.2 has no 82543GC of its own. Change that, or set "
		      "another --nic-type1");
	fixture->wanted = "stream";
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED, "has no 82543GC");
	fixture->wanted = "vfio-user";
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED,
		      "no vfio-user: QEMU 7.2 has no vfio-user");
	write_qemu(fixture, "11.1.3", NEW_DEVICES);
	g_hash_table_remove(fixture->drivers, "model/82543GC");
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED,
		      "no plugin has the model 82543GC");
	/* Others than QEMU have what every VMM has. */
	fixture->wanted = NULL;
	g_free(card->connector);
	card->connector = g_strdup("auto");
	check_line(fixture, VMM_ANY, "vmm {socket1}", "vmm /run/a,b-1.sock");
	g_assert_cmpstr(card->connector, ==, "stream");
}

/* What the user's own arguments make of the guest's memory. */
static void
test_memory(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
#define MEMFD "-object memory-backend-memfd,id=m,size=1G"
	static const struct {
		const char *args;
		guint64 size;
		const char *why;
	} cases[] = {
		{ "", 128 << 20, NULL },
		{ "-m 256", 256 << 20, NULL },
		{ "-m 1.5G,slots=2,maxmem=4G", 1536ull << 20, NULL },
		{ "--m 64 -m size=100000B", 106496, NULL },
		{ "-m some", 0, "-m some is no size" },
		{ "-m 5Q", 0, "no size" },
		{ "-M pc,memory-backend=m " MEMFD, 0, NULL },
		{ MEMFD ",share=off -machine memory-backend=m", 0, "'m' is private; add share=on" },
		{ "-machine q35,memory-backend=ram", 0, "'ram' is private" },
		{ "-object memory-backend-ram,id=m,size=1G -numa node,memdev=m", 0, "'m'" },
		{ "-object memory-backend-ram,share=on,id=m,size=1G -numa node,memdev=m", 0, NULL },
		{ "-object memory-backend-file,mem-path=/a,,b,id=m,share=yes,size=1G -M "
		  "memory-backend=m",
		  0, NULL },
		{ "-object {\"qom-type\":\"memory-backend-ram\",\"id\":\"m\",\"share\":true} -M "
		  "memory-backend=m",
		  0, NULL },
		{ "-object {\"qom-type\":\"memory-backend-ram\",\"id\":\"m\"} -M memory-backend=m",
		  0, "'m'" },
		/* More memory in a slot, private. */
		{ "-object memory-backend-ram,id=d,size=1G -device pc-dimm,memdev=d", 0, "'d'" },
		{ "-object memory-backend-shm,id=d,size=1G -device pc-dimm,memdev=d -m 64",
		  64 << 20, NULL },
		{ "-mem-path /dev/hugepages", 0, "-mem-path" },
		{ "-readconfig x", 0, "-readconfig" },
		{ "-readconfig x -M memory-backend=m " MEMFD, 0, NULL },
	};
	guint i;

	(void)fixture;
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(GStrv) args = g_strsplit(cases[i].args, " ", -1);
		QemuMemory memory;

		qemu_memory_init(&memory, args);
		if (cases[i].why)
			g_assert_true(memory.why && strstr(memory.why, cases[i].why));
		else
			g_assert_cmpstr(memory.why, ==, NULL);
		if (!cases[i].why)
			g_assert_cmpuint(memory.size, ==, cases[i].size);
		qemu_memory_finish(&memory);
	}
}

/* Memory that cannot be shared: QEMU's own adapter where there is the same one. */
static void
test_private_memory(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VmmCard *card = add_card(fixture, 1, "Am79C970A", "auto");

	write_qemu(fixture, "11.1.3", NEW_DEVICES);
	check_line(fixture, VMM_ANY, "QEMU -mem-path /x",
		   "QEMU -mem-path /x" MONITOR
		   " -netdev stream,id=jf1,server=off,addr.type=unix,addr.path=/run/a,,b-1.sock,"
		   "reconnect-ms=200 -device pcnet,id=jfcard1,netdev=jf1,mac=08:00:27:00:00:01");
	g_assert_nonnull(strstr(fixture->notes->pdata[0], "-mem-path"));
	g_free(card->nic_type);
	card->nic_type = g_strdup("Am79C973");
	g_free(card->connector);
	card->connector = g_strdup("auto");
	check_refused(fixture, VMM_ANY, "QEMU -mem-path /x", JF_ERROR, JF_ERROR_UNSUPPORTED,
		      "share=on");
}

static void
test_wrapped(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_card(fixture, 1, "82540EM", "stream");
	check_line(fixture, VMM_ANY, "timeout 60 QEMU -S",
		   "timeout 60 QEMU -S" MONITOR STREAM("1", "e1000"));
	check_line(fixture, VMM_QEMU, "./my-launcher",
		   "./my-launcher" MONITOR STREAM("1", "e1000"));
}

static void
test_no_cards(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	check_line(fixture, VMM_ANY, "QEMU", "QEMU" MONITOR " -nic none");
	check_line(fixture, VMM_ANY, "true", "true");
}

/* A card whose guest is the host's own stack has nothing for the VMM. */
static void
test_tap(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VmmCard *card = add_card(fixture, 1, "82540EM", "tap");

	card->address[0] = '\0';
	check_line(fixture, VMM_ANY, "QEMU", "QEMU" MONITOR " -nic none");
	check_line(fixture, VMM_ANY, "true {mac1}", "true 08:00:27:00:00:01");
	check_line(fixture, VMM_ANY, "true", "true");
	check_refused(fixture, VMM_ANY, "true {socket1}", CLI_ERROR, CLI_ERROR_USAGE,
		      "the connector 'tap' of card 1 has no socket");
	add_card(fixture, 2, "virtio", "stream");
	check_line(fixture, VMM_ANY, "QEMU", "QEMU" MONITOR STREAM("2", "virtio-net-pci"));
}

static void
test_versions(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *version, *expected;
	} cases[] = {
		{ "7.2.22", ".sock -device" },
		{ "8.0.0", ".sock,reconnect=1 -device" },
		{ "9.1.2", ".sock,reconnect=1 -device" },
		{ "9.2.0", ".sock,reconnect-ms=200 -device" },
		{ "11.1.3", ".sock,reconnect-ms=200 -device" },
	};
	guint i;

	add_card(fixture, 1, "82540EM", "stream");
	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *made = NULL;

		write_qemu(fixture, cases[i].version, ALL_DEVICES);
		made = make_line(fixture, VMM_ANY, "QEMU", NULL);
		g_assert_nonnull(strstr(made, cases[i].expected));
	}
}

static void
test_dgram(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_card(fixture, 1, "virtio", "dgram");
	check_line(fixture, VMM_ANY, "QEMU",
		   "QEMU" MONITOR " -netdev dgram,id=jf1,local.type=unix,"
		   "local.path=/run/a,,b-1.sock.vmm,remote.type=unix,remote.path=/run/a,,b-1.sock"
		   " -device virtio-net-pci,id=jfcard1,netdev=jf1,mac=08:00:27:00:00:01");
}

static void
test_qemu_refuses(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VmmCard *card = add_card(fixture, 1, "virtio", "stream");

	write_qemu(fixture, "7.2.0", "name \"e1000\", bus PCI\\n");
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED,
		      "no device virtio-net-pci");
	g_free(card->nic_type);
	card->nic_type = g_strdup("NE2000");
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED, "has no NE2000");
	g_free(card->nic_type);
	card->nic_type = g_strdup("82540EM");
	g_free(card->connector);
	card->connector = g_strdup("tap");
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED, "connector 'tap'");
	g_free(card->address);
	card->address = g_strdup("127.0.0.1:5000");
	check_refused(fixture, VMM_ANY, "QEMU", JF_ERROR, JF_ERROR_UNSUPPORTED, "{socket1}");
}

static void
test_placeholders(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	add_card(fixture, 1, "82540EM", "stream");
	add_card(fixture, 2, "virtio", "stream");
	check_line(fixture, VMM_ANY, "vmm --net={socket1},{mac1} {type2} {other} {socketX} {}",
		   "vmm --net=/run/a,b-1.sock,08:00:27:00:00:01 virtio {other} {socketX} {}");
	/* To a QEMU nothing is added for a card that the user wired himself. */
	check_line(fixture, VMM_ANY, "QEMU -x {socket1}",
		   "QEMU -x /run/a,b-1.sock" MONITOR STREAM("2", "virtio-net-pci"));
	check_refused(fixture, VMM_ANY, "vmm {socket3}", CLI_ERROR, CLI_ERROR_USAGE,
		      "no enabled card 3");
	check_refused(fixture, VMM_ANY, "QEMU {mac9}", CLI_ERROR, CLI_ERROR_USAGE,
		      "no enabled card 9");
	check_refused(fixture, VMM_ANY, "vmm -m 5", CLI_ERROR, CLI_ERROR_USAGE, "{socket1}");
	check_refused(fixture, VMM_OTHER, "QEMU", CLI_ERROR, CLI_ERROR_USAGE, "--vmm qemu");
}

/* ---- The monitor ---- */

typedef struct Monitor {
	int fd; /* QEMU's end */
	Qmp *qmp;
	GString *got;
	char *failed; /* "COMMAND: TEXT" */
} Monitor;

static void
on_failed(const char *command, const char *text, gpointer data)
{
	Monitor *monitor = data;

	g_free(monitor->failed);
	monitor->failed = g_strdup_printf("%s: %s", command, text);
}

static void
monitor_init(Monitor *monitor)
{
	int pair[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			==, 0);
	monitor->fd = pair[1];
	monitor->qmp = qmp_new(pair[0], on_failed, monitor);
	monitor->got = g_string_new(NULL);
	monitor->failed = NULL;
}

static void
monitor_finish(Monitor *monitor)
{
	qmp_free(monitor->qmp);
	if (monitor->fd >= 0)
		close(monitor->fd);
	g_string_free(monitor->got, TRUE);
	g_free(monitor->failed);
}

static void
monitor_say(Monitor *monitor, const char *text)
{
	g_assert_cmpint(write(monitor->fd, text, strlen(text)), ==, (gssize)strlen(text));
}

static void
run_until(gboolean (*done)(Monitor *, const char *), Monitor *monitor, const char *wanted)
{
	gint64 deadline = g_get_monotonic_time() + DEADLINE_US;

	while (!done(monitor, wanted)) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		if (!g_main_context_iteration(NULL, FALSE))
			g_usleep(1000);
	}
}

static gboolean
has_got(Monitor *monitor, const char *wanted)
{
	char buffer[65536];
	ssize_t n = read(monitor->fd, buffer, sizeof buffer);

	if (n > 0)
		g_string_append_len(monitor->got, buffer, n);
	return g_str_has_suffix(monitor->got->str, wanted);
}

static gboolean
has_failed(Monitor *monitor, const char *wanted)
{
	return g_strcmp0(monitor->failed, wanted) == 0;
}

#define GREETING \
	"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n"
#define CAPABILITIES "{\"execute\":\"qmp_capabilities\"}\n"
#define SET_LINK(up) \
	"{\"execute\":\"set_link\",\"arguments\":{\"name\":\"jfcard1\",\"up\":" up "}}\n"

static void
test_qmp_order(void)
{
	Monitor monitor;

	monitor_init(&monitor);
	/* Nothing is said before the greeting, which may come in pieces. */
	qmp_set_link(monitor.qmp, "jfcard1", FALSE);
	monitor_say(&monitor, "{\"QMP\": {\"ver");
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_assert_false(has_got(&monitor, "}\n"));
	monitor_say(&monitor, "sion\": {}}}\r\n");
	run_until(has_got, &monitor, CAPABILITIES SET_LINK("false"));
	qmp_set_link(monitor.qmp, "jfcard1", TRUE);
	qmp_quit(monitor.qmp);
	run_until(has_got, &monitor, SET_LINK("true") "{\"execute\":\"quit\"}\n");
	monitor_finish(&monitor);
}

static void
test_qmp_errors(void)
{
	Monitor monitor;

	monitor_init(&monitor);
	monitor_say(&monitor, GREETING);
	qmp_set_link(monitor.qmp, "jfcard1", FALSE);
	run_until(has_got, &monitor, SET_LINK("false"));
	monitor_say(&monitor,
		    "{\"return\": {}}\r\n{\"timestamp\": {\"seconds\": 1}, \"event\": "
		    "\"RESUME\"}\r\n{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": "
		    "\"Device 'jfcard1' not found\"}}\r\n");
	run_until(has_failed, &monitor, "set_link: Device 'jfcard1' not found");
	/* An answer to nothing. */
	monitor_say(&monitor, "{\"error\": 1}\r\n");
	run_until(has_failed, &monitor, "?: \"error\": 1}\r");
	monitor_finish(&monitor);
}

/* One that never ends a line, one that takes nothing, one that goes. */
static void
test_qmp_hostile(void)
{
	g_autofree char *garbage = g_strnfill(65536, 'x');
	Monitor monitor;
	guint i;

	monitor_init(&monitor);
	for (i = 0; i < 64; i++) {
		if (write(monitor.fd, garbage, 65536) < 0 && errno == EPIPE)
			break;
		while (g_main_context_iteration(NULL, FALSE))
			;
	}
	g_assert_cmpuint(i, <, 64);
	qmp_set_link(monitor.qmp, "jfcard1", TRUE);
	monitor_finish(&monitor);

	monitor_init(&monitor);
	monitor_say(&monitor, GREETING);
	for (i = 0; i < 20000; i++)
		qmp_set_link(monitor.qmp, "jfcard1", i & 1);
	qmp_quit(monitor.qmp);
	run_until(has_got, &monitor, "{\"execute\":\"quit\"}\n");
	g_assert_cmpuint(monitor.got->len, >, 20000 * strlen(SET_LINK("true")));
	close(monitor.fd);
	monitor.fd = -1;
	while (g_main_context_iteration(NULL, FALSE))
		;
	qmp_quit(monitor.qmp);
	monitor_finish(&monitor);
}

#define ADD(path, func) g_test_add(path, Fixture, NULL, fixture_init, func, fixture_finish)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	signal(SIGPIPE, SIG_IGN);
	ADD("/cli/vmm/qemu", test_qemu);
	ADD("/cli/vmm/best", test_best);
	ADD("/cli/vmm/vhost-user", test_vhost_user);
	ADD("/cli/vmm/second-best", test_second_best);
	ADD("/cli/vmm/memory", test_memory);
	ADD("/cli/vmm/private-memory", test_private_memory);
	ADD("/cli/vmm/wrapped", test_wrapped);
	ADD("/cli/vmm/no-cards", test_no_cards);
	ADD("/cli/vmm/tap", test_tap);
	ADD("/cli/vmm/versions", test_versions);
	ADD("/cli/vmm/dgram", test_dgram);
	ADD("/cli/vmm/qemu-refuses", test_qemu_refuses);
	ADD("/cli/vmm/placeholders", test_placeholders);
	g_test_add_func("/cli/qmp/order", test_qmp_order);
	g_test_add_func("/cli/qmp/errors", test_qmp_errors);
	g_test_add_func("/cli/qmp/hostile", test_qmp_hostile);
	return g_test_run();
}
