/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pci-config.c - descriptions of a PCI function that break a rule. */
#include "pci-config.h"

#include <string.h>

#include "jackfield/abi.h"

static const guint8 cap[16] = { 1 };

static JfPciInfo
good(void)
{
	return (JfPciInfo){
		.struct_size = sizeof(JfPciInfo),
		.vendor = 1,
		.msix_bar = 0,
		.msix_vectors = 16,
		.msix_table = 0,
		.msix_pba = 0x800,
		.bars = { { .size = 0x1000 } },
	};
}

static void
refused(const JfPciInfo *info, const char *word)
{
	g_autoptr(GError) error = NULL;
	JfPciConfig config;

	g_assert_false(jf_pci_config_init(&config, info, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_PLUGIN);
	g_assert_nonnull(strstr(error->message, word));
}

static void
bar_refused(JfPciBar bar, guint i, const char *word)
{
	JfPciInfo info = good();

	info.msix_vectors = 0;
	info.bars[i] = bar;
	refused(&info, word);
}

static void
test_bars(void)
{
	bar_refused((JfPciBar){ .size = 24 }, 1, "power of two");
	bar_refused((JfPciBar){ .size = 8 }, 1, "power of two");
	bar_refused((JfPciBar){ .size = 2, .flags = JF_BAR_IO }, 1, "power of two");
	bar_refused((JfPciBar){ .size = 1ull << 32 }, 1, "2 GiB");
	bar_refused((JfPciBar){ .size = 32, .flags = JF_BAR_64 }, 5, "upper half");
	bar_refused((JfPciBar){ .size = 32, .flags = JF_BAR_64 | JF_BAR_IO }, 1, "upper half");
}

static void
test_bar_over_bar(void)
{
	JfPciInfo info = good();

	info.bars[0].flags = JF_BAR_64;
	info.bars[1].size = 16;
	refused(&info, "upper half");
}

static void
test_msix(void)
{
	static const guint32 bad[][3] = { { 0, 0x1000, 16 }, { 0xf08, 0, 16 },   { 4, 0x800, 16 },
					  { 0, 0x804, 16 },  { 0, 0xf8, 16 },    { 0, 0, 1 },
					  { 0, 0x800, 129 }, { 0x800, 0x858, 6 } };

	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		JfPciInfo info = good();

		info.msix_table = bad[i][0];
		info.msix_pba = bad[i][1];
		info.msix_vectors = (guint16)bad[i][2];
		refused(&info, "do not fit");
	}
}

static void
test_msix_bar(void)
{
	JfPciInfo info = good();

	info.msix_bar = 6;
	refused(&info, "do not fit");
	info.msix_bar = 1;
	refused(&info, "do not fit");
	info = good();
	info.bars[0].flags = JF_BAR_IO;
	refused(&info, "do not fit");
	info = good();
	info.msix_vectors = 2049;
	refused(&info, "2048");
}

static void
caps_refused(JfPciCap first, JfPciCap second, const char *word)
{
	const JfPciCap caps[] = { first, second };
	JfPciInfo info = good();

	info.n_caps = 2;
	info.caps = caps;
	refused(&info, word);
}

static void
test_caps(void)
{
	static const JfPciCap fine = { .offset = 0x40, .len = 16, .data = cap };

	caps_refused(fine, (JfPciCap){ .len = 1, .data = cap }, "no contents");
	caps_refused(fine, (JfPciCap){ .len = 4 }, "no contents");
	caps_refused(fine, (JfPciCap){ .offset = 0x3c, .len = 4, .data = cap }, "no room");
	caps_refused(fine, (JfPciCap){ .offset = 0x62, .len = 4, .data = cap }, "no room");
	caps_refused(fine, (JfPciCap){ .offset = 0x4c, .len = 4, .data = cap }, "no room");
	caps_refused(fine, (JfPciCap){ .offset = 0xfc, .len = 8, .data = cap }, "no room");
}

/* Capabilities without a place of their own fill the gaps; the space can be used up to its end. */
static void
test_caps_fill(void)
{
	static const JfPciCap caps[] = { { .offset = 0x50, .len = 16, .data = cap },
					 { .len = 16, .data = cap },
					 { .len = 14, .data = cap } };
	JfPciInfo info = good();
	JfPciConfig config;

	info.n_caps = 3;
	info.caps = caps;
	g_assert_true(jf_pci_config_init(&config, &info, NULL));
	g_assert_cmphex(jf_pci_config_read(&config, 0x34, 1), ==, 0x50);
	g_assert_cmphex(jf_pci_config_read(&config, 0x51, 1), ==, 0x40);
	g_assert_cmphex(jf_pci_config_read(&config, 0x41, 1), ==, 0x60);
	g_assert_cmphex(jf_pci_config_read(&config, 0x61, 1), ==, 0x70);
	g_assert_cmphex(jf_pci_config_read(&config, 0x70, 2), ==, PCI_CAP_ID_MSIX);
	g_assert_cmphex(config.msix, ==, 0x70);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pci-config/bars", test_bars);
	g_test_add_func("/pci-config/bar-over-bar", test_bar_over_bar);
	g_test_add_func("/pci-config/msix", test_msix);
	g_test_add_func("/pci-config/msix-bar", test_msix_bar);
	g_test_add_func("/pci-config/capabilities", test_caps);
	g_test_add_func("/pci-config/capabilities-fill", test_caps_fill);
	return g_test_run();
}
