/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-pci.c - the virtio card through its PCI registers: both interfaces, control queue, state. */
#include "virtio-card.h"

#include <string.h>

static const JfDriver *driver;

#define ALL (~0ull)
#define CONTROL (C_CTRL_VQ | C_CTRL_RX | C_STATUS | C_MAC)

static guint8
mode(VcCard *c, guint8 cmd, guint8 on)
{
	return vc_command(c, 0, cmd, &on, 1);
}

/* A frame to `dst`, optionally tagged. TRUE: the guest got it. */
static gboolean
reaches(VcCard *c, const guint8 *dst, int vlan)
{
	guint8 frame[64] = { 0 };
	guint before = c->received;

	memcpy(frame, dst, 6);
	frame[6] = 2;
	frame[12] = vlan >= 0 ? 0x81 : 0x08;
	frame[14] = (guint8)(vlan >> 8);
	frame[15] = (guint8)vlan;
	g_assert_true(jf_harness_push_bytes(c->h, 0, frame, sizeof frame));
	vc_turn(c);
	return c->received > before;
}

static const guint8 own[6] = { 0x08, 0, 0x27, 0, 0, 1 };
static const guint8 other[6] = { 0x08, 0, 0x27, 0, 0, 9 };
static const guint8 group[6] = { 0x33, 0x33, 0, 0, 0, 1 };
static const guint8 all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* ---- Discovery ---- */

static void
test_identity(void)
{
	VcCard c;
	const JfPciInfo *info;

	vc_init(&c, driver, NULL, VC_MODERN);
	info = c.pci->info(c.inst);
	g_assert_cmphex(info->vendor, ==, 0x1af4);
	g_assert_cmphex(info->device, ==, 0x1000);
	g_assert_cmphex(info->revision, ==, 0);
	g_assert_cmphex(info->subsystem_vendor, ==, 0x1af4);
	g_assert_cmphex(info->subsystem, ==, 1);
	g_assert_cmpuint(info->n_caps, ==, 5);
	g_assert_cmpuint(info->msix_vectors, ==, 4);
	for (guint i = 0; i < 6; i++)
		g_assert_cmphex(vc_config(&c, i, 1), ==, own[i]);
	vc_clear(&c);
}

static void
test_properties(void)
{
	static const char *const some[] = { "queues=4",   "mtu=9000",
					    "speed=2500", "ring-size=1024",
					    "packed=off", "checksum=off",
					    NULL };
	VcCard c;
	guint64 offered;

	vc_init(&c, driver, some, VC_MODERN);
	offered = vc_offered(&c);
	g_assert_cmphex(offered & (C_PACKED | C_CSUM | C_HOST_TSO4 | C_GUEST_TSO4), ==, 0);
	g_assert_cmphex(offered & (C_MQ | C_MTU), ==, C_MQ | C_MTU);
	g_assert_cmpuint(vc_config(&c, 8, 2), ==, 4);
	g_assert_cmpuint(vc_config(&c, 10, 2), ==, 9000);
	g_assert_cmpuint(vc_config(&c, 12, 4), ==, 2500);
	g_assert_cmpuint(vc_config(&c, 16, 1), ==, 1);
	g_assert_cmpuint(vc_common_read(&c, VC_QUEUE_SIZE, 2), ==, 1024);
	g_assert_cmpuint(vc_common_read(&c, VC_NUM_QUEUES, 2), ==, 9);
	vc_clear(&c);
}

static void
test_bad_properties(void)
{
	static const char *const bad[] = { "ring-size=100", "mtu=67" };

	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		const char *list[] = { bad[i], NULL };
		g_autoptr(GError) error = NULL;
		JfHarness *h = jf_harness_new(driver, list, &error);

		g_assert_no_error(error);
		g_assert_false(jf_harness_init(h, &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
		jf_harness_free(h);
	}
}

/* ---- Both interfaces carry frames ---- */

static void
exercise(VcCard *c)
{
	for (guint i = 0; i < 300; i++) {
		vc_send(c, 60 + i, i);
		vc_turn(c);
		g_assert_true(reaches(c, own, -1));
	}
}

typedef struct Transport {
	const char *name;
	VcInterface interface;
	guint64 features;
	gboolean msix;
} Transport;

static const Transport transports[] = {
	{ "modern-split", VC_MODERN, ALL & ~C_PACKED, TRUE },
	{ "modern-packed", VC_MODERN, ALL, TRUE },
	{ "modern-packed-out-of-order", VC_MODERN, ALL & ~C_IN_ORDER, TRUE },
	{ "modern-intx", VC_MODERN, ALL & ~C_PACKED & ~C_EVENT_IDX, FALSE },
	{ "modern-bare", VC_MODERN, C_VERSION_1, TRUE },
	{ "legacy", VC_LEGACY, ALL, FALSE },
	{ "legacy-msix", VC_LEGACY, ALL, TRUE },
	{ "legacy-bare", VC_LEGACY, 0, FALSE },
};

static void
test_frames(gconstpointer data)
{
	const Transport *t = data;
	VcCard c;

	vc_init(&c, driver, NULL, t->interface);
	vc_set_msix(&c, t->msix);
	vc_bring_up(&c, t->features);
	exercise(&c);
	/* Up again after a reset, with other features. */
	vc_reset(&c);
	g_assert_cmphex(vc_status(&c), ==, 0);
	vc_bring_up(&c, t->features & ~C_MRG_RXBUF & ~C_INDIRECT);
	exercise(&c);
	c.pci->reset(c.inst);
	g_assert_false(jf_harness_get_irq(c.h));
	g_assert_cmphex(vc_status(&c), ==, 0);
	vc_clear(&c);
}

static void
test_interrupts(gconstpointer data)
{
	const Transport *t = data;
	VcCard c;
	int vector;

	vc_init(&c, driver, NULL, t->interface);
	vc_set_msix(&c, t->msix);
	vc_bring_up(&c, t->features);
	vd_want_signal(&c.rings[1], TRUE);
	vc_send(&c, 60, 1);
	while (jf_harness_poll(c.h, 0))
		;
	if (t->msix) {
		vector = jf_harness_take_msix(c.h);
		g_assert_cmpint(vector, ==, 2);
		g_assert_false(jf_harness_get_irq(c.h));
	} else {
		g_assert_true(jf_harness_get_irq(c.h));
		g_assert_cmphex(vc_isr(&c), ==, 1);
		g_assert_false(jf_harness_get_irq(c.h));
		g_assert_cmphex(vc_isr(&c), ==, 0);
	}
	vc_turn(&c);
	/* A change of the line is one of the configuration, where the driver knows of it. */
	jf_harness_set_link(c.h, 0, FALSE);
	if (!(c.negotiated & C_STATUS)) {
		g_assert_false(jf_harness_get_irq(c.h));
	} else if (t->msix) {
		g_assert_cmpint(jf_harness_take_msix(c.h), ==, 0);
	} else {
		g_assert_cmphex(vc_isr(&c), ==, 2);
	}
	vc_clear(&c);
}

/* ---- Negotiation ---- */

static void
test_features(void)
{
	static const guint64 wrong[] = { C_VERSION_1 | C_GUEST_TSO4, C_VERSION_1 | C_HOST_TSO4,
					 C_VERSION_1 | C_CTRL_RX,    C_VERSION_1 | C_MQ,
					 C_VERSION_1 | (1ull << 63), C_CSUM,
					 C_VERSION_1 | (1ull << 57) };
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		gboolean ok = (wrong[i] >> 63) != 0; /* SPEED_DUPLEX needs nothing */

		vc_reset(&c);
		vc_set_status(&c, 3);
		vc_write_features(&c, wrong[i]);
		vc_set_status(&c, 11);
		g_assert_cmphex(vc_status(&c) & 8, ==, ok ? 8 : 0);
	}
	vc_reset(&c);
	vc_write_features(&c, C_VERSION_1 | C_CSUM | C_HOST_TSO4);
	vc_set_status(&c, 11);
	g_assert_cmphex(vc_status(&c), ==, 11);
	/* No longer then. */
	vc_write_features(&c, C_VERSION_1);
	g_assert_cmphex(vc_common_read(&c, 12, 4), !=, 0xffffffff);
	vc_clear(&c);
}

/* A legacy driver hears of no refusal: what lacks something is not used. */
static void
test_legacy_features(void)
{
	VcCard c;

	vc_init(&c, driver, NULL, VC_LEGACY);
	vc_bring_up(&c, C_GUEST_TSO4 | C_HOST_TSO4 | C_MRG_RXBUF);
	g_assert_cmphex(jf_harness_get_offloads(c.h, 0), ==, 0);
	exercise(&c);
	vc_reset(&c);
	vc_bring_up(&c, C_GUEST_CSUM | C_GUEST_TSO4 | C_MRG_RXBUF);
	g_assert_cmphex(jf_harness_get_offloads(c.h, 0), ==, JF_OFFLOAD_CSUM | JF_OFFLOAD_TSO4);
	vc_clear(&c);
}

/* FreeBSD up to 12.3: control commands before DRIVER_OK. */
static void
test_early_commands(void)
{
	VcCard c;

	vc_init(&c, driver, NULL, VC_LEGACY);
	vc_set_up(&c, CONTROL);
	g_assert_cmpuint(mode(&c, 0, 0), ==, 0);
	vc_set_status(&c, 7);
	vc_turn(&c);
	g_assert_false(reaches(&c, other, -1));
	g_assert_true(reaches(&c, own, -1));
	vc_clear(&c);
}

/* Before DRIVER_OK nothing moves; what was put in meanwhile goes then. */
static void
test_driver_ok(void)
{
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_set_up(&c, ALL);
	vc_send(&c, 60, 1);
	while (jf_harness_poll(c.h, 0))
		;
	g_assert_cmpuint(jf_harness_get_queued(c.h, 0), ==, 0);
	g_assert_false(reaches(&c, own, -1));
	vc_set_status(&c, 15);
	vc_turn(&c);
	g_assert_cmpuint(c.sent_back, ==, 1);
	vc_clear(&c);
}

/* The window in configuration space sees what the BAR has. */
static void
test_window(void)
{
	VcCard c;
	const guint at = 0x84;

	vc_init(&c, driver, NULL, VC_MODERN);
	g_assert_cmphex(c.pci->config_read(c.inst, at + 16, 4, 77), ==, 77);
	c.pci->config_write(c.inst, at + 4, 1, 2);
	c.pci->config_write(c.inst, at + 8, 4, 0x2000);
	c.pci->config_write(c.inst, at + 12, 4, 4);
	g_assert_cmphex(c.pci->config_read(c.inst, at + 16, 4, 0), ==, 0x00270008);
	c.pci->config_write(c.inst, at + 8, 4, 20);
	c.pci->config_write(c.inst, at + 12, 4, 1);
	c.pci->config_write(c.inst, at + 16, 1, 3);
	g_assert_cmphex(vc_status(&c), ==, 3);
	/* Past the end, another BAR, a length of 3: storage. */
	c.pci->config_write(c.inst, at + 8, 4, 0xfffffffc);
	g_assert_cmphex(c.pci->config_read(c.inst, at + 16, 4, 5), ==, 5);
	c.pci->config_write(c.inst, at + 8, 4, 0);
	c.pci->config_write(c.inst, at + 12, 4, 3);
	g_assert_cmphex(c.pci->config_read(c.inst, at + 16, 4, 5), ==, 5);
	vc_clear(&c);
}

/* ---- Control queue ---- */

static void
test_rx_modes(void)
{
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_bring_up(&c, ALL);
	g_assert_true(reaches(&c, other, -1));
	g_assert_cmpuint(mode(&c, 0, 0), ==, 0);
	g_assert_false(reaches(&c, other, -1));
	g_assert_false(reaches(&c, group, -1));
	g_assert_true(reaches(&c, own, -1));
	g_assert_true(reaches(&c, all, -1));
	g_assert_cmpuint(mode(&c, 1, 1), ==, 0);
	g_assert_true(reaches(&c, group, -1));
	g_assert_cmpuint(mode(&c, 3, 1), ==, 0);
	g_assert_false(reaches(&c, group, -1));
	g_assert_cmpuint(mode(&c, 2, 1), ==, 0);
	g_assert_true(reaches(&c, other, -1));
	g_assert_cmpuint(mode(&c, 4, 1), ==, 0);
	g_assert_false(reaches(&c, own, -1));
	g_assert_cmpuint(mode(&c, 5, 1), ==, 0);
	g_assert_false(reaches(&c, all, -1));
	g_assert_cmpuint(mode(&c, 0, 1), ==, 0);
	g_assert_true(reaches(&c, all, -1));
	g_assert_cmpuint(mode(&c, 6, 1), ==, 1);
	g_assert_cmpuint(vc_command(&c, 0, 0, "ab", 2), ==, 1);
	g_assert_cmpuint(vc_command(&c, 99, 0, "a", 1), ==, 1);
	vc_clear(&c);
}

static void
test_mac_table(void)
{
	guint8 table[8 + 6 * 200] = { 1 };
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_bring_up(&c, ALL);
	mode(&c, 0, 0);
	memcpy(table + 4, other, 6);
	table[10] = 1;
	memcpy(table + 14, group, 6);
	g_assert_cmpuint(vc_command(&c, 1, 0, table, 20), ==, 0);
	g_assert_true(reaches(&c, other, -1));
	g_assert_true(reaches(&c, group, -1));
	/* Short, long, and a count that lies, change nothing. */
	g_assert_cmpuint(vc_command(&c, 1, 0, table, 19), ==, 1);
	g_assert_cmpuint(vc_command(&c, 1, 0, table, 21), ==, 1);
	table[3] = 0xff;
	g_assert_cmpuint(vc_command(&c, 1, 0, table, 20), ==, 1);
	g_assert_true(reaches(&c, other, -1));
	/* More than there is room for: all of the kind. */
	memset(table, 0, sizeof table);
	table[4] = 200;
	g_assert_cmpuint(vc_command(&c, 1, 0, table, sizeof table), ==, 0);
	g_assert_false(reaches(&c, other, -1));
	g_assert_true(reaches(&c, group, -1));
	g_assert_cmpuint(vc_command(&c, 1, 1, other, 6), ==, 0);
	g_assert_true(reaches(&c, other, -1));
	g_assert_false(reaches(&c, own, -1));
	g_assert_cmphex(vc_config(&c, 5, 1), ==, 9);
	g_assert_cmpuint(vc_command(&c, 1, 1, other, 5), ==, 1);
	vc_clear(&c);
}

static void
test_vlans(void)
{
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_bring_up(&c, ALL);
	mode(&c, 0, 0);
	g_assert_false(reaches(&c, own, 100));
	g_assert_true(reaches(&c, own, -1));
	g_assert_cmpuint(vc_command(&c, 2, 0, "\x64\x00", 2), ==, 0);
	g_assert_true(reaches(&c, own, 100));
	g_assert_false(reaches(&c, own, 101));
	g_assert_cmpuint(vc_command(&c, 2, 1, "\x64\x00", 2), ==, 0);
	g_assert_false(reaches(&c, own, 100));
	g_assert_cmpuint(vc_command(&c, 2, 0, "\x00\x10", 2), ==, 1);
	vc_reset(&c);
	vc_bring_up(&c, ALL & ~C_CTRL_VLAN);
	mode(&c, 0, 0);
	g_assert_true(reaches(&c, own, 100));
	vc_clear(&c);
}

static void
test_guest_offloads(void)
{
	guint8 word[8] = { 2 };
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_bring_up(&c, ALL);
	g_assert_cmphex(jf_harness_get_offloads(c.h, 0), ==, JF_OFFLOAD_ALL);
	g_assert_cmpuint(vc_command(&c, 5, 0, word, 8), ==, 0);
	g_assert_cmphex(jf_harness_get_offloads(c.h, 0), ==, JF_OFFLOAD_CSUM);
	word[0] = 1;
	g_assert_cmpuint(vc_command(&c, 5, 0, word, 8), ==, 1);
	g_assert_cmpuint(vc_command(&c, 5, 0, word, 7), ==, 1);
	word[0] = 0x82;
	g_assert_cmpuint(vc_command(&c, 5, 0, word, 8), ==, 0);
	g_assert_cmphex(jf_harness_get_offloads(c.h, 0), ==, JF_OFFLOAD_CSUM | JF_OFFLOAD_TSO4);
	vc_clear(&c);
}

static void
test_link_and_announce(void)
{
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_bring_up(&c, ALL);
	g_assert_cmphex(vc_config(&c, 6, 2), ==, 1);
	jf_harness_set_link(c.h, 0, FALSE);
	g_assert_cmphex(vc_config(&c, 6, 2), ==, 0);
	jf_harness_set_link(c.h, 0, TRUE);
	g_assert_cmphex(vc_config(&c, 6, 2), ==, 3);
	g_assert_cmpuint(vc_command(&c, 3, 0, NULL, 0), ==, 0);
	g_assert_cmphex(vc_config(&c, 6, 2), ==, 1);
	g_assert_cmpuint(vc_command(&c, 3, 1, NULL, 0), ==, 1);
	vc_clear(&c);
}

/* A flow comes back on the pair that it was sent on. */
static void
test_pairs(void)
{
	static const char *const four[] = { "queues=4", NULL };
	guint8 frame[60] = { 0x08, 0, 0x27, 0, 0, 9, 0x08, 0, 0x27, 0, 0, 1, 0x08, 0, 0x45 };
	VcCard c;

	frame[23] = 17;
	frame[29] = 1;
	frame[33] = 2;
	vc_init(&c, driver, four, VC_MODERN);
	vc_bring_up(&c, ALL);
	g_assert_cmpuint(vc_command(&c, 4, 0, "\x05\x00", 2), ==, 1);
	g_assert_cmpuint(vc_command(&c, 4, 0, "\x00\x00", 2), ==, 1);
	g_assert_cmpuint(vc_command(&c, 4, 0, "\x04\x00", 2), ==, 0);
	for (guint port = 0; port < 64; port++) {
		guint pair = port % 4, before = c.received_on[pair];
		guint8 answer[60];

		frame[35] = (guint8)port;
		frame[37] = 53;
		vc_send_bytes(&c, pair, frame, sizeof frame);
		vc_turn(&c);
		memcpy(answer, frame, sizeof answer);
		memcpy(answer + 26, frame + 30, 4);
		memcpy(answer + 30, frame + 26, 4);
		memcpy(answer + 34, frame + 36, 2);
		memcpy(answer + 36, frame + 34, 2);
		g_assert_true(jf_harness_push_bytes(c.h, 0, answer, sizeof answer));
		vc_turn(&c);
		g_assert_cmpuint(c.received_on[pair], ==, before + 1);
	}
	/* Back to one: nothing is lost on the others. */
	g_assert_cmpuint(vc_command(&c, 4, 0, "\x01\x00", 2), ==, 0);
	for (guint i = 0; i < 20; i++) {
		frame[35] = (guint8)i;
		g_assert_true(jf_harness_push_bytes(c.h, 0, frame, sizeof frame));
		vc_turn(&c);
	}
	g_assert_cmpuint(c.received_on[0], ==, 16 + 20);
	vc_clear(&c);
}

static void
test_ring_reset(void)
{
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_bring_up(&c, ALL);
	exercise(&c);
	vc_ring_reset(&c, 1);
	exercise(&c);
	vc_clear(&c);
}

/* 2.1.2: the driver is told that its device needs a reset. */
static void
test_needs_reset(void)
{
	VdPiece nowhere = { 0x7000000000, 64 };
	VcCard c;

	vc_init(&c, driver, NULL, VC_MODERN);
	vc_set_msix(&c, TRUE);
	vc_bring_up(&c, ALL);
	g_assert_true(vd_add(&c.rings[1], &nowhere, 1, 0, FALSE, 0));
	vc_notify(&c, 1);
	while (jf_harness_poll(c.h, 0))
		;
	g_assert_cmphex(vc_status(&c), ==, 15 | 64);
	g_assert_cmpint(jf_harness_take_msix(c.h), ==, 0);
	vc_reset(&c);
	vc_bring_up(&c, ALL);
	g_assert_cmphex(vc_status(&c), ==, 15);
	exercise(&c);
	vc_clear(&c);
}

/* ---- State ---- */

static void
test_state(gconstpointer data)
{
	const Transport *t = data;
	g_autoptr(GVariant) saved = NULL;
	g_autoptr(GError) error = NULL;
	VcCard c;

	vc_init(&c, driver, NULL, t->interface);
	vc_set_msix(&c, t->msix);
	vc_bring_up(&c, t->features);
	exercise(&c);
	if (c.negotiated & C_CTRL_RX)
		mode(&c, 0, 0);
	vc_send(&c, 60, 1);
	jf_harness_stop(c.h);
	saved = jf_harness_save(c.h, &error);
	g_assert_no_error(error);
	/* Another instance goes on in the same memory. */
	vc_replace(&c, driver, NULL);
	jf_harness_load_state(c.h, 1, saved, &error);
	g_assert_no_error(error);
	jf_harness_start(c.h, &error);
	g_assert_no_error(error);
	vc_turn(&c);
	exercise(&c);
	if (c.negotiated & C_CTRL_RX)
		g_assert_false(reaches(&c, other, -1));
	vc_clear(&c);
}

static void
add(const char *name, GTestDataFunc test)
{
	for (guint i = 0; i < G_N_ELEMENTS(transports); i++) {
		g_autofree char *path = g_strdup_printf("/%s/%s", name, transports[i].name);

		g_test_add_data_func(path, &transports[i], test);
	}
}

int
main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	g_test_init(&argc, &argv, NULL);
	driver = jf_harness_load(argv[1], "virtio", &error);
	g_assert_no_error(error);
	g_test_add_func("/identity", test_identity);
	g_test_add_func("/properties", test_properties);
	g_test_add_func("/bad-properties", test_bad_properties);
	add("frames", test_frames);
	add("interrupts", test_interrupts);
	g_test_add_func("/features", test_features);
	g_test_add_func("/legacy-features", test_legacy_features);
	g_test_add_func("/early-commands", test_early_commands);
	g_test_add_func("/driver-ok", test_driver_ok);
	g_test_add_func("/window", test_window);
	g_test_add_func("/control/rx-modes", test_rx_modes);
	g_test_add_func("/control/mac-table", test_mac_table);
	g_test_add_func("/control/vlans", test_vlans);
	g_test_add_func("/control/guest-offloads", test_guest_offloads);
	g_test_add_func("/control/link-and-announce", test_link_and_announce);
	g_test_add_func("/control/pairs", test_pairs);
	g_test_add_func("/ring-reset", test_ring_reset);
	g_test_add_func("/needs-reset", test_needs_reset);
	add("state", test_state);
	return g_test_run();
}
