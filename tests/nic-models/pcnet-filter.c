/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcnet-filter.c - PCnet: which frames are taken, and loopback. */
#include "pcnet-driver.h"

#include <string.h>

#define PAM 0x0040u
#define LAFM 0x0020u
#define BAM 0x0010u

static const guint8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const guint8 stranger[6] = { 8, 0, 0x27, 9, 9, 9 };
static const guint8 all_hosts[6] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 };

/* The match bits of the status of a frame for `dst`, or -1: it was not taken. */
static int
push(PcDriver *d, const guint8 *dst)
{
	guint8 frame[60], data[2048];
	guint16 status;

	pc_fill(d, frame, sizeof frame, dst, 1);
	g_assert_true(jf_harness_push_bytes(d->h, 0, frame, sizeof frame));
	if (pc_take(d, data, &status) == 0)
		return -1;
	return status & (PAM | LAFM | BAM);
}

static void
open_mode(PcDriver *d, guint16 mode)
{
	pc_make(d, "Am79C970A");
	d->mode = mode;
	pc_run(d);
}

static void
test_addresses(void)
{
	PcDriver d;

	open_mode(&d, 0);
	g_assert_cmpint(push(&d, d.mac), ==, PAM);
	g_assert_cmpint(push(&d, broadcast), ==, BAM);
	g_assert_cmpint(push(&d, stranger), ==, -1);
	g_assert_cmpint(push(&d, all_hosts), ==, -1);
	pc_close(&d);
	open_mode(&d, 0x8000); /* PROM */
	g_assert_cmpint(push(&d, d.mac), ==, PAM);
	g_assert_cmpint(push(&d, stranger), ==, 0);
	g_assert_cmpint(push(&d, all_hosts), ==, 0);
	pc_close(&d);
	open_mode(&d, 0x6000); /* DRCVBC, DRCVPA */
	g_assert_cmpint(push(&d, d.mac), ==, -1);
	g_assert_cmpint(push(&d, broadcast), ==, -1);
	pc_close(&d);
}

/* CRC-32 of a group's address as drivers compute it, bit by bit; its upper six bits. */
static guint
hash_of(const guint8 *group)
{
	guint32 crc = 0xffffffffu;

	for (guint b = 0; b < 48; b++) {
		guint32 in = group[b / 8] >> (b % 8) & 1;

		crc = (crc >> 1) ^ ((crc ^ in) & 1 ? 0xedb88320u : 0);
	}
	return crc >> 26;
}

/* Each group is let through by its own bit and by no other. */
static void
test_hash(void)
{
	static const guint8 groups[][6] = { { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 },
					    { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 },
					    { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 },
					    { 0xab, 0x00, 0x00, 0x01, 0x00, 0x00 } };

	for (guint bit = 0; bit < 64; bit++) {
		PcDriver d;

		pc_make(&d, "Am79C970A");
		d.ladrf[bit / 8] = (guint8)(1u << bit % 8);
		pc_run(&d);
		for (guint i = 0; i < G_N_ELEMENTS(groups); i++)
			g_assert_cmpint(push(&d, groups[i]), ==,
					hash_of(groups[i]) == bit ? (int)LAFM : -1);
		pc_close(&d);
	}
}

/* All multicast: every bit. Not a stranger's unicast frame, though. */
static void
test_all_multicast(void)
{
	PcDriver d;

	pc_make(&d, "Am79C973");
	memset(d.ladrf, 0xff, 8);
	pc_run(&d);
	for (guint i = 0; i < 256; i++) {
		guint8 group[6] = { 1, (guint8)i, 3, 4, (guint8)(i * 7), 6 };

		g_assert_cmpint(push(&d, group), ==, LAFM);
	}
	g_assert_cmpint(push(&d, stranger), ==, -1);
	pc_close(&d);
}

/* Internal loopback stays inside, and the network outside. */
static void
test_internal_loopback(void)
{
	guint8 frame[200], data[2048];
	PcDriver d;

	open_mode(&d, 0x0044);
	jf_harness_set_link(d.h, 0, FALSE); /* needs no line */
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_queue(&d, frame, sizeof frame, 2, 0);
	pc_demand(&d);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, sizeof frame + 4);
	g_assert_cmpmem(data, sizeof frame, frame, sizeof frame);
	g_assert_cmphex(pc_csr(&d, 0) & (PC_RINT | PC_TINT), ==, PC_RINT | PC_TINT);
	jf_harness_set_link(d.h, 0, TRUE);
	g_assert_cmpint(push(&d, d.mac), ==, -1);
	/* The address filter works here, too. */
	pc_fill(&d, frame, sizeof frame, stranger, 1);
	pc_queue(&d, frame, sizeof frame, 1, 0);
	pc_demand(&d);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 0);
	pc_close(&d);
}

static void
test_external_loopback(void)
{
	guint8 frame[200], data[2048];
	PcDriver d;

	open_mode(&d, 0x0004);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_queue(&d, frame, sizeof frame, 1, 0);
	pc_demand(&d);
	pc_expect_out(&d, frame, sizeof frame);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, sizeof frame + 4);
	g_assert_cmpint(push(&d, d.mac), ==, PAM);
	/* Without a line there is no loop. */
	jf_harness_set_link(d.h, 0, FALSE);
	pc_queue(&d, frame, sizeof frame, 1, 0);
	pc_demand(&d);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 0);
	g_assert_cmphex(pc_tx_extra(&d, 1), ==, 0x08000000);
	pc_close(&d);
}

static void
test_forced_collision(void)
{
	guint8 frame[200], data[2048];
	PcDriver d;

	open_mode(&d, 0x0054);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_queue(&d, frame, sizeof frame, 1, 0);
	pc_demand(&d);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 0);
	g_assert_cmphex(pc_tx_status(&d, 0) & PC_ERR, ==, PC_ERR);
	g_assert_cmphex(pc_tx_extra(&d, 0), ==, 0x0400000f); /* RTRY */
	pc_close(&d);
}

/* Without automatic padding a short frame is a runt: counted, or taken with CSR124.RPA. */
static void
test_runts(void)
{
	guint8 frame[64], data[2048];
	PcDriver d;

	open_mode(&d, 0x0044);
	pc_csr_set(&d, 4, 0x0115); /* APAD_XMT off */
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	for (guint i = 0; i < 3; i++)
		pc_queue(&d, frame, 40, 1, 0);
	pc_demand(&d);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 0);
	pc_queue(&d, frame, 64, 1, 0);
	pc_demand(&d);
	g_assert_cmphex(pc_rx_extra(&d, 0), ==, 3u << 16 | 68);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 68);
	pc_queue(&d, frame, 64, 1, 0);
	pc_demand(&d);
	g_assert_cmphex(pc_rx_extra(&d, 1), ==, 68);
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 68);
	pc_csr_set(&d, 5, 1);
	pc_csr_set(&d, 124, 8);
	pc_csr_set(&d, 5, 0);
	pc_queue(&d, frame, 40, 1, 0);
	pc_demand(&d);
	g_assert_cmpuint(pc_take(&d, data, NULL), >, 0);
	pc_close(&d);
}

int
main(int argc, char **argv)
{
	pc_init(&argc, &argv);
	g_test_add_func("/pcnet/filter/addresses", test_addresses);
	g_test_add_func("/pcnet/filter/hash", test_hash);
	g_test_add_func("/pcnet/filter/all-multicast", test_all_multicast);
	g_test_add_func("/pcnet/filter/internal-loopback", test_internal_loopback);
	g_test_add_func("/pcnet/filter/external-loopback", test_external_loopback);
	g_test_add_func("/pcnet/filter/forced-collision", test_forced_collision);
	g_test_add_func("/pcnet/filter/runts", test_runts);
	return g_test_run();
}
