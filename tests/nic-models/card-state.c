/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * card-state.c - a whole card saved in the middle of its work and loaded into a fresh one: model, PCI
 * function, and a driver that notices nothing. The card is a PCnet in internal loopback.
 */
#include <string.h>

#include "../unit/probe-model.h"
#include "jackfield/vmm.h"

#define RAM 0x100000u
#define RAM_LEN 0x20000u
#define RX_RING 0x0u /* bytes into RAM */
#define TX_RING 0x1000u
#define RX_BUFFERS 0x8000u
#define TX_BUFFERS 0x10000u
#define RING_LEN 4u
#define OWN 0x80u /* in the top byte of the second word */
#define STP_ENP 0x03u

typedef struct Guest {
	JfContext *context;
	JfWorker *worker;
	JfCard *card;
	JfDevice *device;
	guint8 ram[RAM_LEN];
	gboolean line;
	guint rx, tx;
} Guest;

static const char *plugin;

static void
on_irq(gpointer data, gboolean level)
{
	((Guest *)data)->line = level;
}

static const JfDeviceCallbacks callbacks = { .struct_size = sizeof callbacks, .set_irq = on_irq };

static void
turn(Guest *g)
{
	for (guint i = 0; i < 10; i++)
		jf_worker_dispatch(g->worker);
}

/* Made, not started; with the state of another one or NULL. */
static void
plug(Guest *g, GVariant *state)
{
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "web",
				.mac = { 8, 0, 0x27, 0, 0, 1 },
				.cable_connected = TRUE,
				.model = "Am79C973",
				.worker = g->worker };
	JfDeviceMemory memory = { .struct_size = sizeof memory,
				  .flags = JF_MEMORY_WRITE,
				  .address = RAM,
				  .size = RAM_LEN,
				  .base = g->ram };

	g->card = jf_card_new(g->context, &config, &error);
	g_assert_no_error(error);
	g->device = jf_card_get_device(g->card);
	if (state)
		jf_card_load(g->card, state, &error);
	g_assert_no_error(error);
	g->line = FALSE;
	g_assert_true(jf_device_add_memory(g->device, &memory, &error));
	jf_device_attach(g->device, &callbacks, g);
	g_assert_true(jf_card_start(g->card, &error));
	turn(g);
}

static guint16
csr(Guest *g, guint reg)
{
	jf_device_bar_write(g->device, 0, 0x12, 2, reg);
	return (guint16)jf_device_bar_read(g->device, 0, 0x10, 2);
}

static void
csr_set(Guest *g, guint reg, guint16 value)
{
	jf_device_bar_write(g->device, 0, 0x12, 2, reg);
	jf_device_bar_write(g->device, 0, 0x10, 2, value);
}

static void
descriptor_set(Guest *g, guint at, guint32 buffer, guint len, guint8 status)
{
	const guint32 words[4] = { GUINT32_TO_LE(buffer),
				   GUINT32_TO_LE((guint32)status << 24 | 0xf000u | (0x1000u - len)),
				   0, 0 };

	memcpy(g->ram + at, words, sizeof words);
}

static void
driver_start(Guest *g)
{
	static const struct {
		guint reg;
		guint16 value;
	} set_up[] = { { 58, 2 },
		       { 15, 0x8044 },
		       { 24, (guint16)(RAM + RX_RING) },
		       { 25, RAM >> 16 },
		       { 30, (guint16)(RAM + TX_RING) },
		       { 31, RAM >> 16 },
		       { 76, (guint16)-RING_LEN },
		       { 78, (guint16)-RING_LEN },
		       { 0, 0x42 } };

	jf_device_config_write(g->device, 4, 2, 5);
	for (guint i = 0; i < RING_LEN; i++)
		descriptor_set(g, RX_RING + 16 * i, RAM + RX_BUFFERS + 2048 * i, 2048, OWN);
	for (guint i = 0; i < G_N_ELEMENTS(set_up); i++)
		csr_set(g, set_up[i].reg, set_up[i].value);
	turn(g);
}

/* Queues frame `number`; told by TDMD only where `tell`. */
static void
driver_send(Guest *g, guint8 number, gboolean tell)
{
	memset(g->ram + TX_BUFFERS + 2048 * g->tx, number, 100);
	descriptor_set(g, TX_RING + 16 * g->tx, RAM + TX_BUFFERS + 2048 * g->tx, 100,
		       OWN | STP_ENP);
	g->tx = (g->tx + 1) % RING_LEN;
	if (tell)
		csr_set(g, 0, 0x48);
}

static void
driver_expect(Guest *g, guint8 number)
{
	const guint8 *data = g->ram + RX_BUFFERS + 2048 * g->rx;

	g_assert_cmphex(g->ram[RX_RING + 16 * g->rx + 7], ==, STP_ENP);
	for (guint i = 0; i < 100; i++)
		g_assert_cmpuint(data[i], ==, number);
	descriptor_set(g, RX_RING + 16 * g->rx, RAM + RX_BUFFERS + 2048 * g->rx, 2048, OWN);
	g->rx = (g->rx + 1) % RING_LEN;
}

static void
test_moved(void)
{
	g_autofree Guest *g = g_new0(Guest, 1);
	g_autoptr(GError) error = NULL;

	g->context = jf_context_new(NULL, NULL);
	g_assert_true(jf_context_load_plugin(g->context, plugin, &error));
	g_assert_true(jf_context_add_driver(g->context, &probe_null_driver, &error));
	g->worker = jf_worker_new_nested(g->context, &error);
	g_assert_no_error(error);
	plug(g, NULL);
	driver_start(g);
	for (guint8 i = 0; i < 10; i++) {
		g_autoptr(GVariant) state = NULL;

		driver_send(g, (guint8)(2 * i), TRUE);
		driver_send(g, (guint8)(2 * i + 1), FALSE);
		jf_card_stop(g->card);
		state = jf_card_save(g->card, &error);
		g_assert_no_error(error);
		jf_card_free(g->card);
		plug(g, state);
		g_assert_true(g->line);
		g_assert_cmphex(jf_device_config_read(g->device, 4, 2), ==, 5);
		g_assert_cmphex(jf_device_config_read(g->device, 6, 2), ==, 0x0288);
		g_assert_cmphex(csr(g, 0) & 0x0672, ==, 0x0672); /* RINT TINT IENA RXON TXON STRT */
		driver_expect(g, (guint8)(2 * i));
		driver_expect(g, (guint8)(2 * i + 1));
		csr_set(g, 0, 0x0640);
		g_assert_false(g->line);
	}
	jf_card_free(g->card);
	jf_worker_free(g->worker);
	jf_context_free(g->context);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(argc, >=, 2);
	plugin = argv[1];
	g_test_add_func("/card-state/moved", test_moved);
	return g_test_run();
}
