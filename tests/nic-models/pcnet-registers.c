/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcnet-registers.c - PCnet: identity, both ways of register access, resets, PHY, interrupts. */
#include "pcnet-driver.h"

#include <string.h>

static const JfPci *
pci_of(PcDriver *d)
{
	JfInstance *inst = jf_harness_get_instance(d->h);

	return inst->driver->query(inst, JF_PCI_IID);
}

static void
test_identity(void)
{
	static const struct {
		const char *id;
		guint8 revision;
		guint16 csr88;
	} chips[] = { { "Am79C970A", 0x16, 0x1003 }, { "Am79C973", 0x40, 0x5003 } };

	for (guint i = 0; i < G_N_ELEMENTS(chips); i++) {
		const JfPciInfo *info;
		PcDriver d;

		pc_make(&d, chips[i].id);
		info = pci_of(&d)->info(jf_harness_get_instance(d.h));
		g_assert_cmphex(info->vendor, ==, 0x1022);
		g_assert_cmphex(info->device, ==, 0x2000);
		g_assert_cmphex(info->revision, ==, chips[i].revision);
		g_assert_cmphex(info->status, ==, 0x0280);
		g_assert_cmphex(info->min_gnt, ==, 6);
		g_assert_cmphex(info->max_lat, ==, 0xff);
		g_assert_cmpuint(info->bars[0].size, ==, 32);
		g_assert_cmpuint(info->bars[0].flags, ==, JF_BAR_IO);
		g_assert_cmpuint(info->bars[1].size, ==, 32);
		g_assert_cmphex(pc_csr(&d, 88), ==, chips[i].csr88);
		g_assert_cmphex(pc_csr(&d, 89), ==, 0x0262);
		g_assert_cmphex(pc_csr(&d, 0), ==, PC_STOP);
		g_assert_cmphex(pc_csr(&d, 4), ==, 0x0115);
		g_assert_cmphex(pc_csr(&d, 80), ==, 0x1410);
		g_assert_cmphex(pc_bcr(&d, 2), ==, 0x0002);
		g_assert_cmphex(pc_bcr(&d, 18), ==, 0x9001);
		g_assert_cmphex(pc_bcr(&d, 22), ==, 0xff06);
		pc_close(&d);
	}
}

/* The configured speed is in CSR68 whatever the driver writes, before and after a reset. */
static void
test_line_speed(void)
{
	static const struct {
		guint32 kbits;
		guint16 csr68;
	} speeds[] = {
		{ 0, 0 },
		{ 8191, 0x1fff },
		{ 8192, 1 << 13 | 819 },
		{ 10000, 1 << 13 | 1000 },
		{ 100000, 2 << 13 | 1000 },
		{ 1000000, 3 << 13 | 1000 },
		{ G_MAXUINT32, 6 << 13 | 4294 },
	};

	for (guint i = 0; i < 2 * G_N_ELEMENTS(speeds); i++) {
		const JfCardInfo card = { .struct_size = sizeof card,
					  .mac = { 8, 0, 0x27, 0, 0, 1 },
					  .line_speed = speeds[i / 2].kbits,
					  .machine = "harness" };
		PcDriver d;

		pc_make_card(&d, i % 2 ? "Am79C973" : "Am79C970A", &card);
		g_assert_cmphex(pc_csr(&d, 68), ==, speeds[i / 2].csr68);
		pc_csr_set(&d, 68, 0x5555);
		g_assert_cmphex(pc_csr(&d, 68), ==, speeds[i / 2].csr68);
		pc_reset(&d);
		g_assert_cmphex(pc_csr(&d, 68), ==, speeds[i / 2].csr68);
		pc_close(&d);
	}
}

/* MAC address, hardware id, "WW", and the sum of it all. */
static void
test_aprom(void)
{
	guint16 sum = 0;
	PcDriver d;
	guint8 prom[16];

	pc_make(&d, "Am79C973");
	for (guint i = 0; i < 16; i++)
		prom[i] = (guint8)jf_harness_bar_read(d.h, i % 2, i, 1);
	g_assert_cmpmem(prom, 6, d.mac, 6);
	g_assert_cmphex(prom[9], ==, 0x11);
	g_assert_cmphex(prom[14], ==, 'W');
	g_assert_cmphex(prom[15], ==, 'W');
	for (guint i = 0; i < 16; i++)
		sum = (guint16)(sum + (i == 12 || i == 13 ? 0 : prom[i]));
	g_assert_cmphex(prom[12] | prom[13] << 8, ==, sum);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0, 4), ==,
			prom[0] | prom[1] << 8 | prom[2] << 16 | (guint32)prom[3] << 24);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 14, 2), ==, 0x5757);
	/* Writable only with BCR2.APROMWE. */
	jf_harness_bar_write(d.h, 0, 0, 1, 0x42);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0, 1), ==, 8);
	pc_bcr_set(&d, 2, 0x0102);
	jf_harness_bar_write(d.h, 0, 0, 1, 0x42);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0, 1), ==, 0x42);
	pc_close(&d);
}

static void
test_word_io(void)
{
	PcDriver d;

	pc_make(&d, "Am79C970A");
	/* A double word probe sees both registers and resets nothing. */
	jf_harness_bar_write(d.h, 0, 0x12, 2, 88);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x10, 4), ==, 0x00581003);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x14, 4), ==, 0xffffffff);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x12, 2), ==, 88);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x11, 1), ==, 0x10);
	jf_harness_bar_write(d.h, 0, 0x12, 1, 89);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x10, 2), ==, 0x0262);
	jf_harness_bar_write(d.h, 0, 0x12, 2, 0xffff); /* 7 bits */
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x12, 2), ==, 0x7f);
	/* Writing a double word to RDP switches. */
	jf_harness_bar_write(d.h, 1, 0x10, 4, 0);
	g_assert_cmphex(jf_harness_bar_read(d.h, 1, 0x14, 4), ==, 0x7f);
	d.dwio = TRUE;
	g_assert_cmphex(pc_csr(&d, 88), ==, 0x1003);
	g_assert_cmphex(pc_bcr(&d, 18), ==, 0x9081);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x12, 2), ==, 0); /* upper half of RDP */
	pc_bcr_set(&d, 18, 0x9001);                                   /* DWIO is read-only */
	g_assert_cmphex(pc_bcr(&d, 18), ==, 0x9081);
	g_assert_cmphex(jf_harness_bar_read(d.h, 0, 0x10, 8), ==, G_MAXUINT64);
	pc_reset(&d);
	d.dwio = FALSE;
	g_assert_cmphex(pc_bcr(&d, 18), ==, 0x9001);
	g_assert_cmphex(pc_csr(&d, 88), ==, 0x1003);
	pc_close(&d);
}

/* S_RESET keeps the bus configuration, H_RESET does not. */
static void
test_resets(void)
{
	PcDriver d;

	pc_open(&d, "Am79C973", 3, 4, 4);
	pc_csr_set(&d, 3, 0x5f00);
	pc_bcr_set(&d, 9, 1);
	pc_reset(&d);
	g_assert_cmphex(pc_csr(&d, 0), ==, PC_STOP);
	g_assert_cmphex(pc_csr(&d, 3), ==, 0);
	g_assert_cmphex(pc_csr(&d, 4), ==, 0x0115);
	g_assert_cmphex(pc_bcr(&d, 20), ==, 0x0303);
	g_assert_cmphex(pc_csr(&d, 58), ==, 0x0303);
	g_assert_cmphex(pc_bcr(&d, 9), ==, 1);
	pci_of(&d)->reset(jf_harness_get_instance(d.h));
	g_assert_cmphex(pc_bcr(&d, 20), ==, 0x0200);
	g_assert_cmphex(pc_bcr(&d, 9), ==, 0);
	g_assert_false(jf_harness_get_irq(d.h));
	pc_close(&d);
}

static void
test_styles(void)
{
	static const guint16 styles[][2] = { { 0, 0x0200 },     { 1, 0x0101 }, { 2, 0x0302 },
					     { 3, 0x0303 },     { 4, 0x0200 }, { 0xff, 0x0200 },
					     { 0x0402, 0x0702 } };
	PcDriver d;

	pc_make(&d, "Am79C970A");
	for (guint i = 0; i < G_N_ELEMENTS(styles); i++) {
		if (i % 2)
			pc_csr_set(&d, 58, styles[i][0]);
		else
			pc_bcr_set(&d, 20, styles[i][0]);
		g_assert_cmphex(pc_bcr(&d, 20), ==, styles[i][1]);
		g_assert_cmphex(pc_csr(&d, 58), ==, styles[i][1]);
	}
	pc_close(&d);
}

/* Most registers may be written only while the chip is stopped or suspended. */
static void
test_gate(void)
{
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_csr_set(&d, 8, 0x1234);
	pc_bcr_set(&d, 20, 0);
	g_assert_cmphex(pc_csr(&d, 8), ==, 0);
	g_assert_cmphex(pc_bcr(&d, 20), ==, 0x0302);
	pc_csr_set(&d, 5, 1); /* SPND */
	g_assert_cmphex(pc_csr(&d, 5) & 1, ==, 1);
	pc_csr_set(&d, 8, 0x1234);
	pc_csr_set(&d, 5, 0);
	g_assert_cmphex(pc_csr(&d, 8), ==, 0x1234);
	pc_csr_set(&d, 0, PC_STOP | PC_STRT | PC_INIT);
	g_assert_cmphex(pc_csr(&d, 0), ==, PC_STOP);
	pc_csr_set(&d, 9, 0x5678);
	g_assert_cmphex(pc_csr(&d, 9), ==, 0x5678);
	pc_csr_set(&d, 16, 0x1111);
	g_assert_cmphex(pc_csr(&d, 1), ==, 0x1111);
	pc_csr_set(&d, 88, 0);
	g_assert_cmphex(pc_csr(&d, 88), ==, 0x1003);
	pc_csr_set(&d, 127, 1);
	g_assert_cmphex(pc_csr(&d, 127), ==, 0);
	pc_close(&d);
}

static void
test_interrupts(void)
{
	PcDriver d;

	pc_make(&d, "Am79C970A");
	/* User interrupt, which nothing masks but IENA. */
	pc_csr_set(&d, 4, 0x0080);
	g_assert_cmphex(pc_csr(&d, 4) & 0x0040, ==, 0x0040);
	g_assert_cmphex(pc_csr(&d, 0) & 0x0080, ==, 0x0080);
	g_assert_false(jf_harness_get_irq(d.h));
	pc_run(&d);
	g_assert_true(jf_harness_get_irq(d.h));
	pc_csr_set(&d, 4, 0x0040);
	g_assert_false(jf_harness_get_irq(d.h));
	/* System interrupt by CSR5 needs its enable. */
	pc_csr_set(&d, 5, 0x0800);
	pc_csr_set(&d, 0, PC_IENA);
	g_assert_false(jf_harness_get_irq(d.h));
	pc_close(&d);
}

static void
test_masks(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_csr_set(&d, 3, 0x0400);
	jf_harness_push_bytes(d.h, 0, frame, sizeof frame);
	g_assert_false(jf_harness_get_irq(d.h));
	g_assert_cmphex(pc_csr(&d, 0) & (PC_RINT | 0x80), ==, PC_RINT);
	pc_csr_set(&d, 3, 0);
	g_assert_true(jf_harness_get_irq(d.h));
	pc_csr_set(&d, 0, 0); /* IENA off */
	g_assert_false(jf_harness_get_irq(d.h));
	g_assert_cmphex(pc_csr(&d, 0) & 0x80, ==, 0x80);
	pc_csr_set(&d, 0, PC_RINT | PC_IENA);
	g_assert_cmphex(pc_csr(&d, 0) & 0x80, ==, 0);
	/* TXSTRT of CSR4, once unmasked. */
	pc_csr_set(&d, 4, 0x0911);
	pc_csr_set(&d, 3, 0x0200);
	pc_queue(&d, frame, sizeof frame, 1, 0);
	pc_demand(&d);
	g_assert_true(jf_harness_get_irq(d.h));
	pc_csr_set(&d, 4, 0x0919);
	g_assert_false(jf_harness_get_irq(d.h));
	pc_close(&d);
}

/* Windows XP's driver clears a TINT that it has not seen yet. */
static void
test_unseen_tint(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_queue(&d, frame, sizeof frame, 1, 0);
	pc_demand(&d);
	pc_csr_set(&d, 0, PC_IENA | PC_TINT);
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, PC_TINT);
	pc_csr_set(&d, 0, PC_IENA | PC_TINT);
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, 0);
	pc_close(&d);
}

static guint16
phy(PcDriver *d, guint reg)
{
	pc_bcr_set(d, 33, (guint16)reg);
	return pc_bcr(d, 34);
}

static void
test_phy(void)
{
	PcDriver d;

	pc_make(&d, "Am79C973");
	g_assert_cmphex(phy(&d, 2), ==, 0x0022);
	g_assert_cmphex(phy(&d, 3), ==, 0x561b);
	g_assert_cmphex(phy(&d, 0), ==, 0x3100);
	g_assert_cmphex(phy(&d, 1), ==, 0x782d);
	g_assert_cmphex(phy(&d, 4), ==, 0x01e1);
	g_assert_cmphex(phy(&d, 5), ==, 0x45e1);
	g_assert_cmphex(phy(&d, 18), ==, 0x0c00);
	g_assert_cmphex(phy(&d, 1 << 5 | 2), ==, 0xffff); /* another address */
	/* Without autonegotiation the partner's abilities are not known. */
	phy(&d, 0);
	pc_bcr_set(&d, 34, 0x2000);
	g_assert_cmphex(phy(&d, 1), ==, 0x780d);
	g_assert_cmphex(phy(&d, 5), ==, 0);
	g_assert_cmphex(phy(&d, 18), ==, 0x0400);
	phy(&d, 0);
	pc_bcr_set(&d, 34, 0x1200); /* restart clears itself */
	g_assert_cmphex(phy(&d, 0), ==, 0x1000);
	g_assert_cmphex(phy(&d, 1), ==, 0x782d);
	phy(&d, 4);
	pc_bcr_set(&d, 34, 0x0061);
	g_assert_cmphex(phy(&d, 4), ==, 0x0061);
	phy(&d, 0);
	pc_bcr_set(&d, 34, 0x8000);
	g_assert_cmphex(phy(&d, 0), ==, 0x3100);
	g_assert_cmphex(phy(&d, 4), ==, 0x01e1);
	pc_close(&d);
	pc_make(&d, "Am79C970A"); /* has no MII */
	g_assert_cmphex(phy(&d, 2), ==, 0);
	pc_close(&d);
}

static void
test_link(void)
{
	PcDriver d;

	pc_make(&d, "Am79C973");
	g_assert_cmphex(pc_bcr(&d, 4), ==, 0x80c0); /* LEDOUT: link */
	jf_harness_set_link(d.h, 0, FALSE);
	jf_harness_set_link(d.h, 0, TRUE);
	g_assert_cmphex(phy(&d, 1) & 4, ==, 0); /* it was down meanwhile */
	g_assert_cmphex(phy(&d, 1) & 4, ==, 4);
	jf_harness_set_link(d.h, 0, FALSE);
	g_assert_cmphex(phy(&d, 1) & 0x24, ==, 0);
	g_assert_cmphex(phy(&d, 1) & 0x24, ==, 0);
	g_assert_cmphex(phy(&d, 5), ==, 0);
	g_assert_cmphex(pc_bcr(&d, 4), ==, 0x00c0);
	/* A driver may program another LED for the link. */
	pc_bcr_set(&d, 5, 0x0040);
	jf_harness_set_link(d.h, 0, TRUE);
	g_assert_cmphex(pc_bcr(&d, 5), ==, 0x8040);
	/* The chip looks at the PHY by itself. */
	pc_run(&d);
	pc_bcr_set(&d, 32, 0x0820);
	pc_csr_set(&d, 7, 0x0040);
	jf_harness_set_link(d.h, 0, FALSE);
	g_assert_true(jf_harness_get_irq(d.h));
	g_assert_cmphex(pc_csr(&d, 7), ==, 0x00c0);
	pc_csr_set(&d, 7, 0x00c0);
	g_assert_false(jf_harness_get_irq(d.h));
	pc_close(&d);
}

/* BCR31 in steps of 12.8 us; it waits for STINT to be cleared. */
static void
test_timer(void)
{
	PcDriver d;

	pc_open(&d, "Am79C973", 2, 4, 4);
	pc_csr_set(&d, 7, 0x0400);
	pc_bcr_set(&d, 31, 100);
	jf_harness_crank(d.h, 1279 * 1000);
	g_assert_false(jf_harness_get_irq(d.h));
	jf_harness_crank(d.h, 2 * 1000);
	g_assert_true(jf_harness_get_irq(d.h));
	g_assert_cmphex(pc_csr(&d, 7), ==, 0x0c00);
	pc_csr_set(&d, 7, 0x0c00);
	g_assert_false(jf_harness_get_irq(d.h));
	jf_harness_crank(d.h, 1280 * 1000);
	g_assert_true(jf_harness_get_irq(d.h));
	pc_reset(&d);
	jf_harness_crank(d.h, 10 * 1280 * 1000);
	g_assert_cmphex(pc_csr(&d, 7), ==, 0);
	pc_close(&d);
	pc_make(&d, "Am79C970A"); /* has none */
	pc_bcr_set(&d, 31, 100);
	g_assert_cmphex(pc_bcr(&d, 31), ==, 0);
	pc_csr_set(&d, 7, 0x0400);
	g_assert_cmphex(pc_csr(&d, 7), ==, 0);
	pc_close(&d);
}

/* NeXTSTEP says INIT while bus mastering is off. */
static void
test_late_bus_master(void)
{
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4); /* writes a good block */
	pc_csr_set(&d, 0, PC_STOP);
	pc_csr_set(&d, 1, (guint16)PC_BLOCK);
	pc_csr_set(&d, 2, PC_BLOCK >> 16);
	jf_harness_break(d.h, JF_HARNESS_DMA_READ, 0, 1);
	pc_csr_set(&d, 0, PC_INIT);
	g_assert_cmphex(pc_csr(&d, 0) & (PC_MERR | PC_IDON), ==, PC_MERR);
	pci_of(&d)->bus_master(jf_harness_get_instance(d.h), TRUE);
	g_assert_cmphex(pc_csr(&d, 0) & (PC_MERR | PC_IDON), ==, PC_IDON);
	pc_close(&d);
}

int
main(int argc, char **argv)
{
	pc_init(&argc, &argv);
	g_test_add_func("/pcnet/identity", test_identity);
	g_test_add_func("/pcnet/line-speed", test_line_speed);
	g_test_add_func("/pcnet/aprom", test_aprom);
	g_test_add_func("/pcnet/word-io", test_word_io);
	g_test_add_func("/pcnet/resets", test_resets);
	g_test_add_func("/pcnet/styles", test_styles);
	g_test_add_func("/pcnet/gate", test_gate);
	g_test_add_func("/pcnet/interrupts", test_interrupts);
	g_test_add_func("/pcnet/masks", test_masks);
	g_test_add_func("/pcnet/unseen-tint", test_unseen_tint);
	g_test_add_func("/pcnet/phy", test_phy);
	g_test_add_func("/pcnet/link", test_link);
	g_test_add_func("/pcnet/timer", test_timer);
	g_test_add_func("/pcnet/late-bus-master", test_late_bus_master);
	return g_test_run();
}
