/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-regs.c - registers, resets, EEPROM, PHY, link, I/O BAR, PCI, saved state. */
#include "e1000-driver.h"

#include <string.h>

static const char *const models[] = { "82540EM", "82543GC", "82545EM" };

/* ---- PCI and registers ---- */

static void
test_pci(void)
{
	static const struct {
		guint16 device, vendor, subsystem, phy;
	} wanted[] = { { 0x100e, 0x8086, 0x001e, 0x0c24 },
		       { 0x1004, 0x8086, 0x1004, 0x0c50 },
		       { 0x100f, 0x15ad, 0x0750, 0x0c24 } };

	for (guint i = 0; i < G_N_ELEMENTS(models); i++) {
		Nic *nic = nic_new(models[i]);
		JfInstance *inst = jf_harness_get_instance(nic->h);
		const JfPci *pci = inst->driver->query(inst, JF_PCI_IID);
		const JfPciInfo *info = pci->info(inst);

		g_assert_cmphex(info->vendor, ==, 0x8086);
		g_assert_cmphex(info->device, ==, wanted[i].device);
		g_assert_cmphex(info->subsystem_vendor, ==, wanted[i].vendor);
		g_assert_cmphex(info->subsystem, ==, wanted[i].subsystem);
		g_assert_cmpuint(info->bars[0].size, ==, 0x20000);
		g_assert_cmpuint(info->bars[1].size, ==, 0);
		g_assert_cmpuint(info->bars[2].size, ==, 8);
		g_assert_cmphex(nic_phy_read(nic, PHY_PID1), ==, 0x0141);
		g_assert_cmphex(nic_phy_read(nic, PHY_PID2), ==, wanted[i].phy);
		nic_free(nic);
	}
}

static void
test_reset_values(void)
{
	Nic *nic = nic_new(NULL);

	g_assert_cmphex(nic_read(nic, E1000_CTRL), ==, 0x0a09);
	g_assert_cmphex(nic_read(nic, E1000_STATUS), ==, 0x81);
	g_assert_cmphex(nic_read(nic, E1000_EECD), ==, 0x100);
	g_assert_cmphex(nic_read(nic, 0x3830), ==, 0x01000400);
	g_assert_cmphex(nic_read(nic, E1000_PBA), ==, 0x00100030);
	g_assert_cmphex(nic_read(nic, E1000_RA), ==, 0xaa270008);
	g_assert_cmphex(nic_read(nic, E1000_RA + 4), ==, 0x8000ccbb);
	g_assert_cmphex(nic_read(nic, E1000_RA + 12), ==, 0);
	nic_write(nic, E1000_PBA, 40);
	g_assert_cmphex(nic_read(nic, E1000_PBA), ==, 0x00180028);
	nic_free(nic);
}

/* Patterns as drivers' own register tests write them. */
static void
test_patterns(void)
{
	static const guint32 patterns[] = { 0x5a5a5a5a, 0xa5a5a5a5, 0, 0xffffffff };
	static const struct {
		guint32 reg, mask;
	} tests[] = { { 0x28, 0xffffffff },
		      { 0x2c, 0xffff },
		      { 0x30, 0xffff },
		      { E1000_VET, 0xffff },
		      { E1000_RDTR, 0xffff },
		      { E1000_RDBAH, 0xffffffff },
		      { E1000_RDLEN, 0xfff80 },
		      { E1000_RDH, 0xffff },
		      { E1000_RDT, 0xffff },
		      { 0x2168, 0xfff8 },
		      { 0x170, 0xffff },
		      { 0x410, 0x3fffffff },
		      { E1000_TDBAH, 0xffffffff },
		      { E1000_TDLEN, 0xfff80 },
		      { E1000_RDBAL, 0xfffffff0 },
		      { E1000_TDBAL, 0xfffffff0 },
		      { E1000_TIDV, 0xffff },
		      { E1000_RA, 0xffffffff },
		      { E1000_RA + 4, 0x8003ffff },
		      { E1000_RA + 124, 0x8003ffff },
		      { E1000_MTA, 0xffffffff },
		      { E1000_MTA + 508, 0xffffffff },
		      { E1000_VFTA + 508, 0xffffffff } };
	Nic *nic = nic_new(NULL);

	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		for (guint k = 0; k < G_N_ELEMENTS(patterns); k++) {
			nic_write(nic, tests[i].reg, patterns[k]);
			g_assert_cmphex(nic_read(nic, tests[i].reg), ==,
					patterns[k] & tests[i].mask);
		}
	nic_write(nic, E1000_STATUS, 0xffffffff);
	g_assert_cmphex(nic_read(nic, E1000_STATUS), ==, 0x81);
	nic_write(nic, E1000_RCTL, 0xffffffff);
	g_assert_cmphex(nic_read(nic, E1000_RCTL) & 0x06dfb3fe, ==, 0x06dfb3fe);
	nic_free(nic);
}

/* Narrow reads are parts of a double word, narrow writes are lost, wide accesses are two. */
static void
test_access_sizes(void)
{
	Nic *nic = nic_new(NULL);
	JfHarness *h = nic->h;

	nic_write(nic, E1000_RDBAH, 0x44332211);
	for (guint i = 0; i < 4; i++)
		g_assert_cmphex(jf_harness_bar_read(h, 0, E1000_RDBAH + i, 1), ==, 0x11 * (i + 1));
	g_assert_cmphex(jf_harness_bar_read(h, 0, E1000_RDBAH + 2, 2), ==, 0x4433);
	jf_harness_bar_write(h, 0, E1000_RDBAH, 1, 0xff);
	jf_harness_bar_write(h, 0, E1000_RDBAH, 2, 0xffff);
	jf_harness_bar_write(h, 0, E1000_RDBAH + 2, 4, 0xffffffff);
	g_assert_cmphex(nic_read(nic, E1000_RDBAH), ==, 0x44332211);
	jf_harness_bar_write(h, 0, E1000_RDBAL, 8, 0x0102030405060700);
	g_assert_cmphex(nic_read(nic, E1000_RDBAH), ==, 0x01020304);
	g_assert_cmphex(jf_harness_bar_read(h, 0, E1000_RDBAL, 8), ==, 0x0102030405060700);
	g_assert_cmphex(nic_read(nic, 0x1fffc), ==, 0);
	nic_write(nic, 0x1fffc, 1);
	g_assert_cmphex(nic_read(nic, 0x110), ==, 0x05060700); /* the older address of RDBAL */
	nic_write(nic, 0x438, 5);
	g_assert_cmphex(nic_read(nic, E1000_TDT), ==, 5);
	nic_free(nic);
}

static void
test_io(void)
{
	Nic *nic = nic_new(NULL);
	JfHarness *h = nic->h;

	jf_harness_bar_write(h, 2, 0, 4, E1000_RDBAL);
	g_assert_cmphex(jf_harness_bar_read(h, 2, 0, 4), ==, E1000_RDBAL);
	jf_harness_bar_write(h, 2, 4, 4, 0x12345670);
	g_assert_cmphex(jf_harness_bar_read(h, 2, 4, 4), ==, 0x12345670);
	g_assert_cmphex(nic_read(nic, E1000_RDBAL), ==, 0x12345670);
	g_assert_cmphex(jf_harness_bar_read(h, 2, 5, 1), ==, 0x56);
	jf_harness_bar_write(h, 2, 4, 2, 0);
	g_assert_cmphex(nic_read(nic, E1000_RDBAL), ==, 0x12345670);
	jf_harness_bar_write(h, 2, 0, 4, 0x20000 + E1000_RDBAL);
	jf_harness_bar_write(h, 2, 4, 4, 0);
	g_assert_cmphex(jf_harness_bar_read(h, 2, 4, 4), ==, 0);
	g_assert_cmphex(nic_read(nic, E1000_RDBAL), ==, 0x12345670);
	nic_free(nic);
}

static void
test_soft_reset(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_MTA, 1);
	nic_write(nic, E1000_RA, 0);
	nic_write(nic, E1000_ICS, ICR_RXT0);
	nic_write(nic, E1000_IMS, ICR_RXT0);
	jf_harness_crank(nic->h, 1 * US);
	g_assert_true(jf_harness_get_irq(nic->h));
	nic_set(nic, E1000_CTRL, CTRL_RST);
	g_assert_false(jf_harness_get_irq(nic->h));
	g_assert_cmphex(nic_read(nic, E1000_CTRL), ==, 0x0a09);
	g_assert_cmphex(nic_read(nic, E1000_IMS), ==, 0);
	g_assert_cmphex(nic_read(nic, E1000_RCTL), ==, 0);
	g_assert_cmphex(nic_read(nic, E1000_MTA), ==, 0);
	g_assert_cmphex(nic_read(nic, E1000_RA), ==, 0xaa270008);
	g_assert_false(nic_read(nic, E1000_STATUS) & STATUS_LU);
	nic_set(nic, E1000_CTRL, CTRL_SLU); /* the PHY has kept its link */
	g_assert_true(nic_read(nic, E1000_STATUS) & STATUS_LU);
	nic_free(nic);
}

/* ---- EEPROM ---- */

static guint
ee_clock(Nic *nic, guint32 base, guint bit)
{
	guint32 lines = base | EECD_CS | (bit ? EECD_DI : 0);

	nic_write(nic, E1000_EECD, lines);
	nic_write(nic, E1000_EECD, lines | EECD_SK);
	bit = (nic_read(nic, E1000_EECD) & EECD_DO) != 0;
	nic_write(nic, E1000_EECD, lines);
	return bit;
}

static void
ee_send(Nic *nic, guint32 base, guint32 value, guint bits)
{
	while (bits--)
		ee_clock(nic, base, value >> bits & 1);
}

static void
ee_end(Nic *nic, guint32 base)
{
	nic_write(nic, E1000_EECD, base);
}

static guint16
ee_word(Nic *nic, guint32 base)
{
	guint16 value = 0;

	for (guint i = 0; i < 16; i++)
		value = (guint16)(value << 1 | ee_clock(nic, base, 0));
	return value;
}

static guint16
ee_read(Nic *nic, guint32 base, guint word)
{
	guint16 value;

	ee_send(nic, base, 6u << 6 | word, 9);
	value = ee_word(nic, base);
	ee_end(nic, base);
	return value;
}

static void
test_eeprom(void)
{
	for (guint m = 0; m < G_N_ELEMENTS(models); m++) {
		Nic *nic = nic_new(models[m]);
		guint32 base = m == 1 ? 0 : EECD_REQ; /* the 82543GC asks for nothing */
		guint16 sum = 0;

		if (base) {
			g_assert_false(nic_read(nic, E1000_EECD) & EECD_GNT);
			nic_write(nic, E1000_EECD, base);
			g_assert_true(nic_read(nic, E1000_EECD) & EECD_GNT);
		}
		for (guint i = 0; i < 64; i++) {
			guint16 word = ee_read(nic, base, i);

			sum = (guint16)(sum + word);
			nic_write(nic, E1000_EERD, i << 8 | EERD_START);
			g_assert_cmphex(nic_read(nic, E1000_EERD), ==,
					(guint32)word << 16 | i << 8 | EERD_DONE);
		}
		g_assert_cmphex(sum, ==, 0xbaba);
		g_assert_cmphex(ee_read(nic, base, 0), ==, 0x0008);
		g_assert_cmphex(ee_read(nic, base, 2), ==, 0xccbb);
		g_assert_cmphex(ee_read(nic, base, 0x0a), ==, 0x4408);
		g_assert_cmphex(ee_read(nic, base, 0x0d), ==, 0x100e);
		nic_write(nic, E1000_EERD, 64 << 8 | EERD_START);
		g_assert_cmphex(nic_read(nic, E1000_EERD) >> 16, ==, 0xffff);
		nic_free(nic);
	}
}

/* Reading on from a word gives the next, and behind the last the first. */
static void
test_eeprom_sequence(void)
{
	Nic *nic = nic_new(NULL);

	ee_send(nic, EECD_REQ, 6u << 6 | 0x3e, 9);
	g_assert_cmphex(ee_word(nic, EECD_REQ), ==, 0);
	ee_word(nic, EECD_REQ);
	g_assert_cmphex(ee_word(nic, EECD_REQ), ==, 0x0008);
	g_assert_cmphex(ee_word(nic, EECD_REQ), ==, 0xaa27);
	nic_free(nic);
}

static void
ee_write(Nic *nic, guint word, guint16 value)
{
	ee_send(nic, EECD_REQ, 5u << 6 | word, 9);
	ee_send(nic, EECD_REQ, value, 16);
	ee_end(nic, EECD_REQ);
	nic_write(nic, E1000_EECD, EECD_REQ | EECD_CS);
	g_assert_true(nic_read(nic, E1000_EECD) & EECD_DO); /* ready */
	ee_end(nic, EECD_REQ);
}

static void
test_eeprom_write(void)
{
	Nic *nic = nic_new(NULL);

	ee_write(nic, 5, 0x1234);
	g_assert_cmphex(ee_read(nic, EECD_REQ, 5), ==, 0);
	ee_send(nic, EECD_REQ, 4u << 6 | 0x30, 9); /* EWEN */
	ee_end(nic, EECD_REQ);
	ee_write(nic, 5, 0x1234);
	g_assert_cmphex(ee_read(nic, EECD_REQ, 5), ==, 0x1234);
	ee_send(nic, EECD_REQ, 7u << 6 | 5, 9); /* ERASE */
	ee_end(nic, EECD_REQ);
	g_assert_cmphex(ee_read(nic, EECD_REQ, 5), ==, 0xffff);
	ee_send(nic, EECD_REQ, 4u << 6 | 0x10, 9); /* WRAL */
	ee_send(nic, EECD_REQ, 0xabcd, 16);
	ee_end(nic, EECD_REQ);
	g_assert_cmphex(ee_read(nic, EECD_REQ, 63), ==, 0xabcd);
	ee_send(nic, EECD_REQ, 4u << 6 | 0x20, 9); /* ERAL */
	ee_end(nic, EECD_REQ);
	g_assert_cmphex(ee_read(nic, EECD_REQ, 0), ==, 0xffff);
	ee_send(nic, EECD_REQ, 4u << 6, 9); /* EWDS */
	ee_end(nic, EECD_REQ);
	ee_write(nic, 5, 0);
	g_assert_cmphex(ee_read(nic, EECD_REQ, 5), ==, 0xffff);
	nic_free(nic);
}

/* Without the grant the lines lead nowhere. */
static void
test_eeprom_grant(void)
{
	Nic *nic = nic_new(NULL);

	g_assert_cmphex(ee_read(nic, 0, 0x0a), ==, 0);
	g_assert_cmphex(ee_read(nic, EECD_REQ, 0x0a), ==, 0x4408);
	nic_free(nic);
}

/* ---- PHY and link ---- */

static void
mdi_clock(Nic *nic, guint32 pins)
{
	guint32 ctrl = nic_read(nic, E1000_CTRL) & ~(CTRL_SWDPIN2 | CTRL_SWDPIO2);

	nic_write(nic, E1000_CTRL, ctrl | pins);
	nic_write(nic, E1000_CTRL, ctrl | pins | CTRL_SWDPIN3);
}

static void
mdi_fall(Nic *nic)
{
	nic_clear(nic, E1000_CTRL, CTRL_SWDPIN3);
}

static void
mdi_send(Nic *nic, guint32 value, guint bits)
{
	while (bits--) {
		mdi_clock(nic, CTRL_SWDPIO2 | (value >> bits & 1 ? CTRL_SWDPIN2 : 0));
		mdi_fall(nic);
	}
}

static guint16
mdi_read(Nic *nic, guint phy, guint reg)
{
	guint16 value = 0;

	mdi_send(nic, 0xffffffff, 32);
	mdi_send(nic, 1u << 12 | 2u << 10 | phy << 5 | reg, 14);
	mdi_clock(nic, 0);
	mdi_fall(nic);
	for (guint i = 0; i < 16; i++) {
		mdi_clock(nic, 0);
		value = (guint16)(value << 1 | (nic_read(nic, E1000_CTRL) & CTRL_SWDPIN2 ? 1 : 0));
		mdi_fall(nic);
	}
	mdi_clock(nic, 0);
	mdi_fall(nic);
	return value;
}

static void
test_mdio_pins(void)
{
	Nic *nic = nic_new("82543GC");

	for (guint i = 0; i < 2; i++) {
		g_assert_cmphex(mdi_read(nic, 1, PHY_PID1), ==, 0x0141);
		g_assert_cmphex(mdi_read(nic, 1, PHY_PID2), ==, 0x0c50);
		g_assert_cmphex(mdi_read(nic, 1, PHY_ANA), ==, 0x0de1);
	}
	g_assert_cmphex(mdi_read(nic, 2, PHY_PID1), ==, 0xffff);
	mdi_send(nic, 0xffffffff, 32);
	mdi_send(nic, 1u << 30 | 1u << 28 | 1u << 23 | PHY_ANA << 18 | 2u << 16 | 0x01e1, 32);
	g_assert_cmphex(mdi_read(nic, 1, PHY_ANA), ==, 0x01e1);
	mdi_send(nic, 1u << 30 | 1u << 28 | 2u << 23 | PHY_ANA << 18 | 2u << 16 | 0xffff, 32);
	g_assert_cmphex(mdi_read(nic, 1, PHY_ANA), ==, 0x01e1);
	/* SDP4 is the PHY's reset line. */
	nic_write(nic, E1000_CTRL_EXT, CTRL_EXT_SDP4_DIR);
	g_assert_cmphex(mdi_read(nic, 1, PHY_ANA), ==, 0x0de1);
	nic_free(nic);
}

static void
test_mdic(void)
{
	Nic *nic = nic_new(NULL);

	nic_phy_write(nic, PHY_PID1, 0x1111);
	g_assert_cmphex(nic_phy_read(nic, PHY_PID1), ==, 0x0141);
	nic_phy_write(nic, 29, 0x001f);
	g_assert_cmphex(nic_phy_read(nic, 29), ==, 0x001f);
	nic_write(nic, E1000_MDIC, MDIC_OP_READ | 3u << MDIC_PHY_SHIFT);
	g_assert_cmphex(nic_read(nic, E1000_MDIC) & (MDIC_R | MDIC_E), ==, MDIC_R | MDIC_E);
	nic_write(nic, E1000_IMS, ICR_MDAC);
	nic_write(nic, E1000_MDIC, MDIC_OP_READ | 1u << MDIC_PHY_SHIFT | MDIC_I);
	jf_harness_crank(nic->h, 1 * US);
	g_assert_true(jf_harness_get_irq(nic->h));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_MDAC);
	nic_free(nic);
}

static gboolean
has_link(Nic *nic)
{
	return (nic_read(nic, E1000_STATUS) & STATUS_LU) != 0;
}

static gboolean
phy_has_link(Nic *nic)
{
	nic_phy_read(nic, PHY_PSTATUS);
	return (nic_phy_read(nic, PHY_PSTATUS) & 0x0004) != 0;
}

static void
test_link(void)
{
	for (guint m = 0; m < G_N_ELEMENTS(models); m++) {
		Nic *nic = nic_new(models[m]);

		jf_harness_crank(nic->h, 999 * MS);
		g_assert_false(phy_has_link(nic));
		g_assert_cmphex(nic_phy_read(nic, PHY_LPA), ==, 0);
		jf_harness_crank(nic->h, 1 * MS);
		g_assert_true(phy_has_link(nic));
		g_assert_true(nic_phy_read(nic, PHY_PSTATUS) & 0x0020);
		g_assert_cmphex(nic_phy_read(nic, PHY_LPA), ==, 0x45e1);
		g_assert_cmphex(nic_phy_read(nic, PHY_PSSTAT) & 0xec00, ==, 0xac00);
		g_assert_cmpint(has_link(nic), ==, m == 1); /* an 82543GC does not wait for SLU */
		nic_set(nic, E1000_CTRL, CTRL_SLU);
		g_assert_true(has_link(nic));
		g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_LSC);
		g_assert_cmpuint(jf_harness_get_deadline(nic->h), ==, 0);
		nic_free(nic);
	}
}

static void
test_cable(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_IMS, ICR_LSC);
	phy_has_link(nic);
	jf_harness_set_link(nic->h, 0, FALSE);
	g_assert_true(jf_harness_get_irq(nic->h));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_LSC);
	g_assert_false(has_link(nic));
	g_assert_false(phy_has_link(nic));
	jf_harness_set_link(nic->h, 0, TRUE);
	jf_harness_crank(nic->h, 500 * MS);
	jf_harness_set_link(nic->h, 0, FALSE); /* in and out again */
	jf_harness_crank(nic->h, 5000 * MS);
	g_assert_false(has_link(nic));
	jf_harness_set_link(nic->h, 0, TRUE);
	jf_harness_crank(nic->h, 1000 * MS);
	g_assert_true(has_link(nic));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_LSC);
	/* The loss is seen once, even where the link is back. */
	g_assert_false(nic_phy_read(nic, PHY_PSTATUS) & 0x0004);
	g_assert_true(nic_phy_read(nic, PHY_PSTATUS) & 0x0004);
	nic_free(nic);
}

static void
test_delay(void)
{
	Nic *nic = nic_new_with(NULL, (const char *[]){ "link-up-delay=5000", NULL });

	nic_link_up(nic);
	jf_harness_crank(nic->h, 3999 * MS);
	g_assert_false(has_link(nic));
	jf_harness_crank(nic->h, 1 * MS);
	g_assert_true(has_link(nic));
	nic_free(nic);
}

/* Restart, reset and power of the PHY take the link away for a while. */
static void
test_phy_control(void)
{
	Nic *nic = nic_up(NULL);

	nic_phy_write(nic, PHY_PCTRL, PCTRL_AUTONEG | PCTRL_RESTART | PCTRL_DUPLEX);
	g_assert_false(has_link(nic));
	g_assert_false(nic_phy_read(nic, PHY_PCTRL) & PCTRL_RESTART);
	jf_harness_crank(nic->h, 1000 * MS);
	g_assert_true(has_link(nic));
	nic_phy_write(nic, PHY_PCTRL, nic_phy_read(nic, PHY_PCTRL) | PCTRL_POWER_DOWN);
	jf_harness_crank(nic->h, 10000 * MS);
	g_assert_false(has_link(nic));
	nic_phy_write(nic, PHY_PCTRL, nic_phy_read(nic, PHY_PCTRL) & ~PCTRL_POWER_DOWN);
	jf_harness_crank(nic->h, 1000 * MS);
	g_assert_true(has_link(nic));
	nic_phy_write(nic, PHY_ANA, 1);
	nic_set(nic, E1000_CTRL, CTRL_PHY_RST);
	g_assert_false(nic_read(nic, E1000_CTRL) & CTRL_PHY_RST);
	g_assert_cmphex(nic_phy_read(nic, PHY_ANA), ==, 0x0de1);
	g_assert_false(has_link(nic));
	jf_harness_crank(nic->h, 1000 * MS);
	g_assert_true(has_link(nic));
	nic_free(nic);
}

/* How Linux sets up loopback in the PHY beside an 82543GC, and what it then wants to read. */
static void
test_phy_loopback_set_up(void)
{
	Nic *nic = nic_up("82543GC");

	nic_phy_write(nic, PHY_EPSCON, 0x0170);
	nic_phy_write(nic, PHY_PCTRL, nic_phy_read(nic, PHY_PCTRL) | PCTRL_RESET);
	nic_phy_write(nic, PHY_EPSCON, nic_phy_read(nic, PHY_EPSCON) | 0x0070);
	nic_phy_write(nic, PHY_PSCON, nic_phy_read(nic, PHY_PSCON) | 0x0800);
	nic_phy_write(nic, PHY_PCTRL, PCTRL_RESET | PCTRL_DUPLEX);
	g_assert_false(nic_phy_read(nic, PHY_PSCON) & 0x0800);
	nic_phy_write(nic, PHY_EPSCON, nic_phy_read(nic, PHY_EPSCON) | 0x0070);
	nic_phy_write(nic, 29, 0x001a);
	nic_phy_write(nic, PHY_PCTRL, nic_phy_read(nic, PHY_PCTRL) | PCTRL_LOOPBACK);
	g_assert_cmphex(nic_phy_read(nic, PHY_PCTRL), ==, 0x4100);
	g_assert_cmphex(nic_phy_read(nic, PHY_EPSCON), ==, 0x0070);
	g_assert_cmphex(nic_phy_read(nic, 29), ==, 0x001a);
	g_assert_true(has_link(nic));
	nic_free(nic);
}

/* What is agreed on follows what is offered; what is forced is forced. */
static void
test_speed(void)
{
	static const struct {
		guint16 control, able, gigabit;
		guint32 status;
	} cases[] = {
		{ PCTRL_AUTONEG, 0x0de1, 0x0200, 0x81 },
		{ PCTRL_AUTONEG, 0x0de1, 0x0100, 0x80 },
		{ PCTRL_AUTONEG, 0x0de1, 0, 0x41 },
		{ PCTRL_AUTONEG, 0x00e1, 0, 0x40 },
		{ PCTRL_AUTONEG, 0x0061, 0, 0x01 },
		{ PCTRL_AUTONEG, 0x0021, 0, 0x00 },
		{ PCTRL_SPEED_LSB | PCTRL_DUPLEX, 1, 0, 0x41 },
		{ 0, 1, 0, 0x00 },
		{ PCTRL_SPEED_MSB, 1, 0, 0x80 },
	};
	Nic *nic = nic_up(NULL);

	nic_clear(nic, E1000_CTRL, CTRL_FRCSPD);
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		nic_phy_write(nic, PHY_ANA, cases[i].able);
		nic_phy_write(nic, PHY_GCON, cases[i].gigabit);
		nic_phy_write(nic, PHY_PCTRL, cases[i].control | PCTRL_RESTART);
		jf_harness_crank(nic->h, 1000 * MS);
		g_assert_cmphex(nic_read(nic, E1000_STATUS), ==, cases[i].status | STATUS_LU);
	}
	nic_write(nic, E1000_CTRL,
		  CTRL_SLU | CTRL_FRCSPD | CTRL_FRCDPX | CTRL_FD | 1u << CTRL_SPEED_SHIFT);
	g_assert_cmphex(nic_read(nic, E1000_STATUS), ==, 0x41 | STATUS_LU);
	nic_phy_write(nic, PHY_ANA, 0x0001); /* nothing in common */
	nic_phy_write(nic, PHY_GCON, 0);
	nic_phy_write(nic, PHY_PCTRL, PCTRL_AUTONEG | PCTRL_RESTART);
	jf_harness_crank(nic->h, 5000 * MS);
	g_assert_false(has_link(nic));
	nic_free(nic);
}

/* ---- State ---- */

static GVariant *
save(Nic *nic)
{
	g_autoptr(GError) error = NULL;
	GVariant *state = jf_harness_save(nic->h, &error);

	g_assert_no_error(error);
	return state;
}

/* In the middle of a packet that is segmented here, with a delay running. */
static void
test_state(void)
{
	const TxContext context = { .tso = TRUE, .l3 = 14, .hdrlen = 54, .paylen = 600, .mss = 6 };
	const FrameKind kind = { 0 };
	Nic *nic = nic_up(NULL), *other = nic_new(NULL);
	g_autoptr(GVariant) state = NULL, again = NULL;
	g_autoptr(GError) error = NULL;
	gsize len;
	g_autofree guint8 *frame = frame_make(&kind, 600, &len);
	guint before, behind = 0;

	frame_open(frame, len, &kind, TRUE);
	memcpy(nic->memory + NIC_DATA, frame, len);
	jf_harness_set_capacity(nic->h, 0, 30);
	nic_tx_context(nic, &context);
	nic_tx_data(nic, NIC_DATA, (guint)len, TXD_EOP | TXD_IFCS | TXD_TSE | TXD_RS | TXD_IDE,
		    TXD_POPTS_IXSM | TXD_POPTS_TXSM, 0);
	nic_write(nic, E1000_TIDV, 1000);
	nic_write(nic, E1000_IMS, ICR_TXDW);
	nic_tx_kick(nic);
	before = jf_harness_get_queued(nic->h, 0);
	g_assert_cmpuint(before, ==, 30);
	jf_harness_stop(nic->h);
	state = save(nic);
	jf_harness_stop(other->h);
	jf_harness_load_state(other->h, 1, state, &error);
	g_assert_no_error(error);
	again = save(other);
	g_assert_true(g_variant_equal(state, again));
	memcpy(other->memory, nic->memory, NIC_MEMORY);
	jf_harness_start(other->h, &error);
	g_assert_no_error(error);
	nic_run(other);
	for (JfHarnessFrame *out; (out = jf_harness_pull(other->h, 0)); behind++)
		jf_harness_frame_free(out);
	g_assert_cmpuint(before + behind, ==, 100);
	jf_harness_crank(other->h, 2 * MS);
	g_assert_true(jf_harness_get_irq(other->h));
	g_assert_true(has_link(other));
	nic_free(nic);
	nic_free(other);
}

int
main(int argc, char **argv)
{
	nic_main(&argc, &argv);
	g_test_add_func("/e1000/regs/pci", test_pci);
	g_test_add_func("/e1000/regs/reset-values", test_reset_values);
	g_test_add_func("/e1000/regs/patterns", test_patterns);
	g_test_add_func("/e1000/regs/access-sizes", test_access_sizes);
	g_test_add_func("/e1000/regs/io", test_io);
	g_test_add_func("/e1000/regs/soft-reset", test_soft_reset);
	g_test_add_func("/e1000/regs/eeprom", test_eeprom);
	g_test_add_func("/e1000/regs/eeprom-sequence", test_eeprom_sequence);
	g_test_add_func("/e1000/regs/eeprom-write", test_eeprom_write);
	g_test_add_func("/e1000/regs/eeprom-grant", test_eeprom_grant);
	g_test_add_func("/e1000/regs/mdio-pins", test_mdio_pins);
	g_test_add_func("/e1000/regs/mdic", test_mdic);
	g_test_add_func("/e1000/regs/link", test_link);
	g_test_add_func("/e1000/regs/cable", test_cable);
	g_test_add_func("/e1000/regs/delay", test_delay);
	g_test_add_func("/e1000/regs/phy-control", test_phy_control);
	g_test_add_func("/e1000/regs/phy-loopback-set-up", test_phy_loopback_set_up);
	g_test_add_func("/e1000/regs/speed", test_speed);
	g_test_add_func("/e1000/regs/state", test_state);
	return g_test_run();
}
