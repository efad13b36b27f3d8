/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-vmm.c - a virtual machine monitor in one file: a program that hosts network cards.
 *
 *	host-vmm [-b] [-d] FRAMES DRIVER[,KEY=VALUE...] [DRIVER[,KEY=VALUE...]]
 *
 * For each attachment it makes a machine with an 82540EM plugged into it, and plays the machine's
 * firmware and driver: configuration space, BAR, rings in guest memory, interrupts. One machine sends
 * FRAMES; two send them to each other and check what arrives. -b prints what one register access and
 * one transmitted frame cost. -d: networks are those of the user's jackfieldd.
 *	host-vmm 1000 intnet,network=lab intnet,network=lab
 *
 * Registers and descriptors: Intel 8254x Software Developer's Manual, 3.2.3, 3.3.3 and 13.
 */
#include <jackfield/vmm.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAM_ADDRESS 0x100000u
#define RAM_LEN 0x100000u
#define RING_LEN 64u
#define WINDOW 16u /* frames on their way */
#define BUFFER_LEN 2048u
#define RX_RING 0x0u /* bytes into guest memory */
#define TX_RING 0x1000u
#define RX_BUFFERS 0x10000u
#define TX_BUFFERS 0x40000u

enum { CTRL = 0x0000, STATUS = 0x0008, ICR = 0x00c0, IMS = 0x00d0, RCTL = 0x0100, TCTL = 0x0400 };
enum { RDBAL = 0x2800, RDLEN = 0x2808, RDT = 0x2818, RAL = 0x5400, RAH = 0x5404 };
enum { TDBAL = 0x3800, TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818 };
#define CTRL_SLU 0x40u
#define STATUS_LU 0x2u
#define ICR_RXT0 0x80u
#define RCTL_START 0x04008002u /* EN, BAM, SECRC: buffers of 2048 bytes, no FCS */
#define TCTL_START 0x0000000au /* EN, PSP */
#define TX_CMD 0x0bu           /* EOP, IFCS, RS */
#define DD 0x1u

/* Legacy descriptors; a receive one has its checksum where a transmit one has CSO and CMD. */
typedef struct Descriptor {
	guint64 address;
	guint16 len;
	guint8 cso, cmd, status, errors;
	guint16 special;
} Descriptor;

typedef struct Machine {
	JfCard *card;
	JfDevice *device;
	guint8 *ram, mac[6];
	gint interrupted; /* atomic */
	guint rx, tx;     /* next descriptors */
	guint received;
} Machine;

static JfWorker *worker;

static void
die(const char *what, const GError *error)
{
	fprintf(stderr, "host-vmm: %s%s%s\n", what, error ? ": " : "", error ? error->message : "");
	exit(EXIT_FAILURE);
}

static void
on_irq(gpointer data, gboolean level)
{
	if (level)
		g_atomic_int_set(&((Machine *)data)->interrupted, TRUE);
}

static const JfDeviceCallbacks callbacks = { .struct_size = sizeof callbacks, .set_irq = on_irq };

/* One turn of the VMM's loop. */
static void
run(int timeout_ms)
{
	struct pollfd ready = { .fd = jf_worker_get_fd(worker), .events = POLLIN };

	if (timeout_ms)
		poll(&ready, 1, timeout_ms);
	jf_worker_dispatch(worker);
}

static void
machine_plug(Machine *m, JfContext *context, guint number, const char *attachment)
{
	static const char *const model[] = { "link-up-delay=0", NULL };
	g_auto(GStrv) words = g_strsplit(attachment, ",", 0);
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "example",
				.mac = { 0x08, 0x00, 0x27, 0x00, 0x00, (guint8)(number + 1) },
				.cable_connected = TRUE,
				.model = "82540EM",
				.model_properties = model,
				.attachment = words[0],
				.attachment_properties = (const char *const *)words + 1,
				.worker = worker };
	JfDeviceMemory memory = { .struct_size = sizeof memory,
				  .flags = JF_MEMORY_WRITE,
				  .address = RAM_ADDRESS,
				  .size = RAM_LEN,
				  .base = m->ram };

	m->card = words[0] ? jf_card_new(context, &config, &error) : NULL;
	if (!m->card)
		die("cannot make the card", error);
	m->device = jf_card_get_device(m->card);
	jf_device_attach(m->device, &callbacks, m);
	if (!jf_device_add_memory(m->device, &memory, &error) || !jf_card_start(m->card, &error))
		die("cannot start the card", error);
}

/* Firmware: finds the card and gives its BAR an address. */
static void
machine_enumerate(Machine *m)
{
	guint32 id = jf_device_config_read(m->device, 0x00, 4);

	jf_device_config_write(m->device, 0x10, 4, G_MAXUINT32);
	if (id != 0x100e8086 || jf_device_config_read(m->device, 0x10, 4) != 0xfffe0000)
		die("this is no 82540EM", NULL);
	jf_device_config_write(m->device, 0x10, 4, 0xfeb80000);
	jf_device_config_write(m->device, 0x04, 2, 0x0006); /* memory, bus master */
}

static guint32
reg(Machine *m, guint at)
{
	return (guint32)jf_device_bar_read(m->device, 0, at, 4);
}

static void
reg_set(Machine *m, guint at, guint32 value)
{
	jf_device_bar_write(m->device, 0, at, 4, value);
}

static Descriptor *
descriptor(Machine *m, guint ring, guint i)
{
	return (Descriptor *)(m->ram + ring) + i;
}

static void
driver_start(Machine *m)
{
	const guint32 address[] = { reg(m, RAL), reg(m, RAH) };

	memcpy(m->mac, address, sizeof m->mac);
	reg_set(m, CTRL, CTRL_SLU);
	for (guint i = 0; i < RING_LEN; i++)
		descriptor(m, RX_RING, i)->address = RAM_ADDRESS + RX_BUFFERS + i * BUFFER_LEN;
	reg_set(m, RDBAL, RAM_ADDRESS + RX_RING);
	reg_set(m, RDLEN, RING_LEN * sizeof(Descriptor));
	reg_set(m, RDT, RING_LEN - 1);
	reg_set(m, TDBAL, RAM_ADDRESS + TX_RING);
	reg_set(m, TDLEN, RING_LEN * sizeof(Descriptor));
	reg_set(m, IMS, ICR_RXT0);
	reg_set(m, RCTL, RCTL_START);
	reg_set(m, TCTL, TCTL_START);
	for (guint i = 0; i < 50 && !(reg(m, STATUS) & STATUS_LU); i++)
		run(10); /* a card that is not attached stays without a link */
}

/* Frame `number` into `frame`; its length. */
static guint
frame_make(guint8 *frame, const guint8 *to, const guint8 *from, guint number)
{
	guint len = 60 + number * 37 % 1455;

	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	memcpy(frame + 12, "\x88\xb5", 2); /* IEEE 802, local experimental EtherType 1 */
	for (guint i = 14; i < len; i++)
		frame[i] = (guint8)(number + i);
	return len;
}

/* Hands `n` frames to the card, rings the doorbell once, and waits until they are out. */
static void
driver_send(Machine *m, const guint8 *to, guint number, guint n)
{
	for (guint i = 0; i < n; i++, m->tx = (m->tx + 1) % RING_LEN) {
		guint buffer = TX_BUFFERS + m->tx * BUFFER_LEN;
		guint len = frame_make(m->ram + buffer, to, m->mac, number + i);

		*descriptor(m, TX_RING, m->tx) = (Descriptor){ .address = RAM_ADDRESS + buffer,
							       .len = (guint16)len,
							       .cmd = TX_CMD };
	}
	reg_set(m, TDT, m->tx);
	while (reg(m, TDH) != m->tx)
		run(0);
}

/* What an interrupt handler does: looks why, takes frames, gives buffers back. */
static void
driver_interrupt(Machine *m, const guint8 *from)
{
	guint8 wanted[BUFFER_LEN];

	if (!g_atomic_int_compare_and_exchange(&m->interrupted, TRUE, FALSE) ||
	    !(reg(m, ICR) & ICR_RXT0))
		return;
	for (Descriptor *d; (d = descriptor(m, RX_RING, m->rx))->status & DD;) {
		guint len = frame_make(wanted, m->mac, from, m->received);

		if (d->len != len ||
		    memcmp(m->ram + RX_BUFFERS + m->rx * BUFFER_LEN, wanted, len) != 0)
			die("a frame arrived that was not sent, or one was lost", NULL);
		m->received++;
		d->status = 0;
		reg_set(m, RDT, m->rx);
		m->rx = (m->rx + 1) % RING_LEN;
	}
}

static void
exchange(Machine *machines, guint n, guint frames)
{
	gint64 end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

	for (guint sent = 0; sent < frames; sent += WINDOW) {
		for (guint i = 0; i < n; i++)
			driver_send(&machines[i], machines[n - 1 - i].mac, sent, WINDOW);
		while (n == 2 && (machines[0].received < sent + WINDOW ||
				  machines[1].received < sent + WINDOW)) {
			run(1);
			driver_interrupt(&machines[0], machines[1].mac);
			driver_interrupt(&machines[1], machines[0].mac);
			if (g_get_monotonic_time() > end)
				die("frames do not arrive", NULL);
		}
	}
}

static void
measure(Machine *m)
{
	const guint n = 1u << 20;
	gint64 start = g_get_monotonic_time();

	for (guint i = 0; i < n; i++)
		reg(m, STATUS);
	printf("register: %.1f ns\n", (double)(g_get_monotonic_time() - start) * 1000 / n);
	for (guint batch = 1; batch <= 32; batch *= 32) {
		start = g_get_monotonic_time();
		for (guint i = 0; i < n; i += batch)
			driver_send(m, m->mac, 0, batch);
		printf("frame, %u at a time: %.1f ns\n", batch,
		       (double)(g_get_monotonic_time() - start) * 1000 / n);
	}
}

int
main(int argc, char **argv)
{
	static guint8 ram[2][RAM_LEN] __attribute__((aligned(4096)));
	Machine machines[2] = { { .ram = ram[0] }, { .ram = ram[1] } };
	g_autoptr(GError) error = NULL;
	JfContext *context = jf_context_new(NULL, NULL);
	gboolean bench = FALSE, daemon = FALSE;
	guint n;

	for (int flag; (flag = getopt(argc, argv, "bd")) != -1;) {
		bench |= flag == 'b';
		daemon |= flag == 'd';
		optind = flag == '?' ? argc : optind; /* the usage, then */
	}
	n = (guint)MAX(argc - optind - 1, 0);
	if (n < 1 || n > 2)
		die("usage: host-vmm [-b] [-d] FRAMES DRIVER[,KEY=VALUE...] [DRIVER...]", NULL);
	jf_context_load_plugins(context);
	if ((daemon && !jf_context_use_daemon(context, NULL, &error)) ||
	    !(worker = jf_worker_new_nested(context, &error)))
		die("cannot begin", error);
	for (guint i = 0; i < n; i++) {
		machine_plug(&machines[i], context, i, argv[optind + 1 + (int)i]);
		machine_enumerate(&machines[i]);
		driver_start(&machines[i]);
	}
	exchange(machines, n, (guint)strtoul(argv[optind], NULL, 10));
	for (guint i = 0; i < n; i++) {
		printf("machine %u received %u frames\n", i + 1, machines[i].received);
		if (bench && i == 0)
			measure(&machines[i]);
		jf_card_free(machines[i].card);
	}
	jf_worker_free(worker);
	jf_context_free(context);
	return EXIT_SUCCESS;
}
