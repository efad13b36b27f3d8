/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcnet-hostile.c - PCnet: drivers that mean harm, and memory that is not there. */
#include "pcnet-driver.h"

#include <string.h>

static void
test_init_nowhere(void)
{
	PcDriver d;

	for (guint style = 0; style <= 3; style += style ? 1 : 2) {
		pc_make(&d, "Am79C973");
		pc_bcr_set(&d, 20, (guint16)style);
		pc_csr_set(&d, 1, 0xfff0);
		pc_csr_set(&d, 2, 0xffff);
		pc_csr_set(&d, 0, PC_INIT | PC_STRT);
		g_assert_cmphex(pc_csr(&d, 0) & (PC_MERR | PC_IDON | 0x8000), ==, PC_MERR | 0x8000);
		pc_turn(&d);
		pc_close(&d);
	}
}

/* Rings and buffers outside of memory, at its edge, and across the end of the address space. */
static void
test_rings_nowhere(void)
{
	static const guint32 where[] = { 0, PC_RAM - 8, PC_RAM + PC_RAM_LEN - 8, 0xfffffff8,
					 0xffffffff };
	guint8 frame[60];

	for (guint i = 0; i < G_N_ELEMENTS(where); i++) {
		PcDriver d;

		pc_make(&d, "Am79C970A");
		pc_bcr_set(&d, 20, 2);
		pc_csr_set(&d, 15, 0x8000);
		pc_csr_set(&d, 24, (guint16)where[i]);
		pc_csr_set(&d, 25, (guint16)(where[i] >> 16));
		pc_csr_set(&d, 30, (guint16)where[i]);
		pc_csr_set(&d, 31, (guint16)(where[i] >> 16));
		pc_csr_set(&d, 76, 0xfff0);
		pc_csr_set(&d, 78, 0xfff0);
		pc_csr_set(&d, 0, PC_STRT);
		pc_turn(&d);
		g_assert_cmphex(pc_csr(&d, 0) & PC_MERR, ==, PC_MERR);
		g_assert_cmphex(pc_csr(&d, 0) & PC_TXON, ==, 0);
		pc_fill(&d, frame, sizeof frame, NULL, 1);
		jf_harness_push_bytes(d.h, 0, frame, sizeof frame);
		jf_harness_crank(d.h, 200 * 1000 * 1000);
		g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
		pc_close(&d);
	}
}

static void
test_buffers_nowhere(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_rx_set(&d, 0, PC_RAM + PC_RAM_LEN - 10, PC_OWN, 2048);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_cmphex(pc_csr(&d, 0) & (PC_MERR | PC_RINT), ==, PC_MERR);
	pc_csr_set(&d, 0, PC_MERR);
	/* A good frame before the bad one goes out all the same. */
	pc_queue(&d, frame, 60, 1, 0);
	pc_tx_set(&d, 1, 0xfffffff0, PC_OWN | PC_STP | PC_ENP, 1000);
	pc_demand(&d);
	pc_expect_out(&d, frame, 60);
	g_assert_cmphex(pc_csr(&d, 0) & (PC_MERR | PC_TXON), ==, PC_MERR);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	pc_close(&d);
}

/* One frame without an end in a ring full of it: comes back, and the chip lives. */
static void
test_endless(void)
{
	guint8 frame[60];
	PcDriver d;

	for (guint log2 = 0; log2 <= 9; log2++) {
		pc_open(&d, "Am79C970A", 2, 4, log2);
		for (guint i = 0; i < 1u << log2; i++)
			pc_tx_set(&d, i, PC_TX_BUFFERS, PC_OWN | (i ? 0 : PC_STP), 1);
		pc_demand(&d);
		for (guint i = 0; i < 1u << log2; i++)
			g_assert_cmphex(pc_tx_status(&d, i) & PC_OWN, ==, 0);
		g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
		pc_fill(&d, frame, sizeof frame, NULL, 1);
		pc_queue(&d, frame, 60, 1, 0);
		pc_demand(&d);
		pc_expect_out(&d, frame, 60);
		pc_close(&d);
	}
}

/* Rings that lie on each other, on their own buffers, and on the registers' own block. */
static void
test_overlapping(void)
{
	guint8 frame[600];
	PcDriver d;

	pc_make(&d, "Am79C970A");
	pc_bcr_set(&d, 20, 2);
	pc_csr_set(&d, 15, 0x8044);
	for (guint i = 24; i <= 30; i += 6) {
		pc_csr_set(&d, i, (guint16)PC_RX_RING);
		pc_csr_set(&d, i + 1, PC_RX_RING >> 16);
	}
	pc_csr_set(&d, 76, 0xfff8);
	pc_csr_set(&d, 78, 0xffff);
	for (guint i = 0; i < 8; i++)
		pc_rx_set(&d, i, PC_RX_RING, 0x8300, 100);
	pc_csr_set(&d, 0, PC_STRT | PC_IENA);
	for (guint i = 0; i < 100; i++) {
		pc_csr_set(&d, 0, PC_TDMD | PC_IENA);
		jf_harness_poll(d.h, 0);
		jf_harness_crank(d.h, 3 * 1000 * 1000);
	}
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	jf_harness_push_bytes(d.h, 0, frame, sizeof frame);
	pc_reset(&d);
	pc_run(&d);
	pc_expect_in(&d, frame, sizeof frame);
	pc_close(&d);
}

/* Counters that do not fit their ring, rings of 65536. */
static void
test_wild_counters(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	for (guint i = 0; i < 200; i++) {
		pc_csr_set(&d, 5, 1);
		pc_csr_set(&d, 76, (guint16)(i * 331));
		pc_csr_set(&d, 72, (guint16)(i * 977));
		pc_csr_set(&d, 78, (guint16)(i * 557));
		pc_csr_set(&d, 74, (guint16)(i * 1231));
		pc_csr_set(&d, 5, 0);
		for (guint k = 26; k < 36; k++)
			pc_csr(&d, k);
		jf_harness_push_bytes(d.h, 0, frame, sizeof frame);
		pc_csr_set(&d, 0, PC_TDMD);
		jf_harness_poll(d.h, 0);
	}
	pc_csr_set(&d, 0, PC_STOP);
	pc_run(&d);
	pc_expect_in(&d, frame, sizeof frame);
	pc_close(&d);
}

/* Reset and stop while frames wait on both sides. */
static void
test_reset_in_flight(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C973", 2, 1, 4);
	jf_harness_set_capacity(d.h, 0, 1);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	for (guint round = 0; round < 4; round++) {
		for (guint i = 0; i < 4; i++) {
			pc_queue(&d, frame, 60, 1, 0);
			jf_harness_push_bytes(d.h, 0, frame, 60);
		}
		pc_demand(&d);
		if (round % 2)
			pc_reset(&d);
		else
			pc_csr_set(&d, 0, PC_STOP);
		jf_harness_frame_free(jf_harness_pull(d.h, 0));
		pc_turn(&d);
		g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
		g_assert_false(jf_harness_get_irq(d.h));
		pc_run(&d);
		pc_expect_in(&d, frame, 60);
	}
	pc_close(&d);
}

/* Accesses of every width at every place. */
static void
test_accesses(void)
{
	static const guint sizes[] = { 1, 2, 4, 8 };
	PcDriver d;

	pc_make(&d, "Am79C973");
	for (guint round = 0; round < 2; round++) {
		for (guint s = 0; s < 4; s++)
			for (guint at = 0; at + sizes[s] <= 32; at++)
				for (guint bar = 0; bar < 2; bar++) {
					guint64 value = jf_harness_bar_read(d.h, bar, at, sizes[s]);

					g_assert_true(sizes[s] == 8 ||
						      value >> (8 * sizes[s]) == 0);
					jf_harness_bar_write(d.h, bar, at, sizes[s], value);
				}
		jf_harness_bar_write(d.h, 0, 0x10, 4, 0);
	}
	for (guint reg = 0; reg < 128; reg++) {
		pc_csr(&d, reg);
		pc_bcr(&d, reg);
		pc_csr_set(&d, reg, 0xffff);
		pc_bcr_set(&d, reg, 0xffff);
		pc_turn(&d);
	}
	pc_close(&d);
}

int
main(int argc, char **argv)
{
	pc_init(&argc, &argv);
	g_test_add_func("/pcnet/hostile/init-nowhere", test_init_nowhere);
	g_test_add_func("/pcnet/hostile/rings-nowhere", test_rings_nowhere);
	g_test_add_func("/pcnet/hostile/buffers-nowhere", test_buffers_nowhere);
	g_test_add_func("/pcnet/hostile/endless", test_endless);
	g_test_add_func("/pcnet/hostile/overlapping", test_overlapping);
	g_test_add_func("/pcnet/hostile/wild-counters", test_wild_counters);
	g_test_add_func("/pcnet/hostile/reset-in-flight", test_reset_in_flight);
	g_test_add_func("/pcnet/hostile/accesses", test_accesses);
	return g_test_run();
}
