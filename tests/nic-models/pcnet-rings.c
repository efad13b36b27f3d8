/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcnet-rings.c - PCnet: frames through descriptors of every style and rings of every size. */
#include "pcnet-driver.h"

#include <string.h>

#include "jackfield/state.h"

/* More frames than the rings have descriptors, each way. */
static void
pass_frames(PcDriver *d, guint n)
{
	guint8 frame[1514];

	for (guint i = 0; i < n; i++) {
		guint len = 14 + (i * 97) % 1501;

		pc_fill(d, frame, len, NULL, i);
		pc_expect_in(d, frame, len);
		g_assert_true(pc_queue(d, frame, len, 1, 0));
		pc_demand(d);
		pc_expect_out(d, frame, len);
		g_assert_cmphex(pc_csr(d, 0) & (PC_RINT | PC_TINT), ==, PC_RINT | PC_TINT);
		pc_csr_set(d, 0, PC_IENA | PC_RINT | PC_TINT);
		g_assert_false(jf_harness_get_irq(d->h));
	}
}

static void
test_styles(void)
{
	static const guint styles[] = { 0, 2, 3 };

	for (guint s = 0; s < 3; s++) {
		guint most = styles[s] ? 9 : 7;

		for (guint log2 = 0; log2 <= most; log2++) {
			PcDriver d;

			/* A ring of one transmit and of at least two receive descriptors. */
			pc_open(&d, log2 % 2 ? "Am79C973" : "Am79C970A", styles[s], MAX(log2, 1),
				log2);
			pass_frames(&d, (2u << log2) + 3);
			pc_close(&d);
		}
	}
}

static void
test_by_csr(void)
{
	PcDriver d;

	for (guint style = 0; style <= 3; style += style ? 1 : 2) {
		pc_make(&d, "Am79C970A");
		d.style = style;
		if (style == 0) /* bits 31:24 of every address come from IADR */
			pc_csr_set(&d, 2, 0);
		pc_run_by_csr(&d);
		pass_frames(&d, 40);
		pc_close(&d);
	}
}

static void
test_dwio(void)
{
	PcDriver d;

	pc_make(&d, "Am79C973");
	jf_harness_bar_write(d.h, 0, 0x10, 4, 0);
	d.dwio = TRUE;
	pc_run(&d);
	pass_frames(&d, 40);
	pc_close(&d);
}

/* The registers show where the chip is. */
static void
test_pointers(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 2, 3);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	g_assert_cmphex(pc_csr(&d, 6), ==, 0x3200);
	g_assert_cmphex(pc_csr(&d, 76), ==, 0xfffc);
	g_assert_cmphex(pc_csr(&d, 78), ==, 0xfff8);
	g_assert_cmphex(pc_csr(&d, 28) | (guint32)pc_csr(&d, 29) << 16, ==, PC_RX_RING);
	pc_expect_in(&d, frame, sizeof frame);
	g_assert_cmphex(pc_csr(&d, 72), ==, 0xfffd);
	g_assert_cmphex(pc_csr(&d, 28) | (guint32)pc_csr(&d, 29) << 16, ==, PC_RX_RING + 16);
	g_assert_cmphex(pc_csr(&d, 26) | (guint32)pc_csr(&d, 27) << 16, ==, PC_RX_RING + 32);
	g_assert_cmphex(pc_csr(&d, 34) | (guint32)pc_csr(&d, 35) << 16, ==, PC_TX_RING);
	pc_close(&d);
}

/* Frames in many buffers, across the ring's end, in more pieces than are pointed at. */
static void
test_pieces(void)
{
	guint8 frame[1514];
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 6);
	for (guint pieces = 1; pieces <= 64; pieces++) {
		pc_fill(&d, frame, sizeof frame, NULL, pieces);
		g_assert_true(pc_queue(&d, frame, sizeof frame, pieces, 0));
		pc_demand(&d);
		pc_expect_out(&d, frame, sizeof frame);
		for (guint i = 0; i < 64; i++)
			g_assert_cmphex(pc_tx_status(&d, i) & (PC_OWN | PC_ERR), ==, 0);
	}
	pc_close(&d);
	/* Received the same way. */
	pc_make(&d, "Am79C970A");
	d.rx_buffer = 100;
	d.rx_log2 = 5;
	pc_run(&d);
	jf_harness_set_pieces(d.h, 7);
	for (guint i = 0; i < 30; i++) {
		pc_fill(&d, frame, sizeof frame, NULL, i);
		pc_expect_in(&d, frame, 60 + 50 * i);
	}
	pc_close(&d);
}

/* A chain that is not all there yet waits; one without a beginning is skipped. */
static void
test_chains(void)
{
	guint8 frame[200];
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	memcpy(d.ram + (PC_TX_BUFFERS - PC_RAM), frame, sizeof frame);
	pc_tx_set(&d, 0, PC_TX_BUFFERS, PC_OWN | PC_STP, 100);
	pc_demand(&d);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	g_assert_cmphex(pc_tx_status(&d, 0), ==, PC_OWN | PC_STP);
	pc_tx_set(&d, 1, PC_TX_BUFFERS + 100, PC_OWN | PC_ENP, 100);
	pc_demand(&d);
	pc_expect_out(&d, frame, sizeof frame);
	pc_tx_set(&d, 2, PC_TX_BUFFERS, PC_OWN, 100);
	pc_tx_set(&d, 3, PC_TX_BUFFERS, PC_OWN | PC_ENP, 100);
	pc_tx_set(&d, 4, PC_TX_BUFFERS, PC_OWN | PC_STP | PC_ENP, 200);
	pc_demand(&d);
	pc_expect_out(&d, frame, sizeof frame);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	g_assert_cmphex(pc_tx_status(&d, 2) | pc_tx_status(&d, 3), ==, PC_ENP);
	pc_close(&d);
}

/* Windows NT 4 gives away a descriptor of length 0: it comes back, and is used again. */
static void
test_empty_descriptor(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C970A", 0, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_tx_set(&d, 0, PC_TX_BUFFERS, PC_OWN | PC_STP | PC_ENP, 0x1000);
	pc_demand(&d);
	g_assert_cmphex(pc_tx_status(&d, 0) & PC_OWN, ==, 0);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, 0);
	g_assert_true(pc_queue(&d, frame, sizeof frame, 1, 0));
	pc_demand(&d);
	pc_expect_out(&d, frame, sizeof frame);
	pc_close(&d);
}

static void
test_jumbo(void)
{
	guint8 frame[4000];
	PcDriver d;

	pc_open(&d, "Am79C973", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, 1533));
	g_assert_cmphex(pc_csr(&d, 0) & (PC_RINT | PC_MISS), ==, 0);
	pc_expect_in(&d, frame, 1532);
	pc_queue(&d, frame, 1537, 1, 0);
	pc_queue(&d, frame, 4000, 2, 0);
	pc_queue(&d, frame, 1536, 1, 0);
	pc_demand(&d);
	pc_expect_out(&d, frame, 1536);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	for (guint i = 0; i < 4; i++)
		g_assert_cmphex(pc_tx_status(&d, i) & (PC_OWN | PC_ERR), ==, 0);
	g_assert_cmpuint(jf_harness_get_counter(d.h, "jumbo-drops", NULL), ==, 3);
	pc_close(&d);
}

/* A driver that makes its own FCS sends four bytes more, unless a frame asks otherwise. */
static void
test_own_fcs(void)
{
	guint8 frame[104];
	PcDriver d;

	pc_make(&d, "Am79C970A");
	d.mode = 0x0008;
	pc_run(&d);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_queue(&d, frame, 104, 1, 0);
	pc_queue(&d, frame, 103, 103 / 2, 0); /* the FCS in pieces of its own */
	pc_queue(&d, frame, 100, 1, 0x2000);  /* ADD_FCS */
	pc_demand(&d);
	pc_expect_out(&d, frame, 100);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 1);
	pc_expect_out(&d, frame, 100);
	pc_close(&d);
}

static void
test_pad_strip(void)
{
	guint8 frame[60] = { 0 }, data[2048];
	guint16 status;
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_csr_set(&d, 4, 0x0d15); /* ASTRP_RCV */
	memcpy(frame, d.mac, 6);
	frame[13] = 10; /* a length field */
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_cmpuint(pc_take(&d, data, &status), ==, 24);
	frame[12] = 8; /* a type */
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_cmpuint(pc_take(&d, data, &status), ==, 64);
	pc_close(&d);
}

/* One interrupt for a batch, either way. */
static void
test_batches(void)
{
	guint8 bytes[64][60];
	struct iovec pieces[64];
	JfFrame frames[64];
	guint16 status;
	PcDriver d;
	guint irqs;

	pc_open(&d, "Am79C970A", 2, 7, 7);
	for (guint i = 0; i < 64; i++) {
		pc_fill(&d, bytes[i], 60, NULL, i);
		pieces[i] = (struct iovec){ bytes[i], 60 };
		frames[i] = jf_frame_plain(&pieces[i]);
	}
	irqs = jf_harness_get_irqs(d.h);
	g_assert_cmpuint(jf_harness_push(d.h, 0, frames, 64), ==, 64);
	g_assert_cmpuint(jf_harness_get_irqs(d.h), ==, irqs + 1);
	for (guint i = 0; i < 64; i++) {
		guint8 data[2048];

		g_assert_cmpuint(pc_take(&d, data, &status), ==, 64);
		g_assert_cmpmem(data, 60, bytes[i], 60);
		g_assert_true(pc_queue(&d, bytes[i], 60, 1, 0));
	}
	pc_csr_set(&d, 0, PC_IENA | PC_RINT);
	irqs = jf_harness_get_irqs(d.h);
	pc_demand(&d);
	g_assert_cmpuint(jf_harness_get_irqs(d.h), ==, irqs + 1);
	g_assert_cmpuint(jf_harness_get_calls(d.h, JF_HARNESS_OUTPUT), ==, 1);
	for (guint i = 0; i < 64; i++)
		pc_expect_out(&d, bytes[i], 60);
	pc_close(&d);
}

/* TINT is set a little later, so that one tells of several frames; at once for a driver that looks, and
 * before half of its ring waits. */
static void
test_late_tint(void)
{
	guint8 frame[60];
	PcDriver d;
	guint irqs;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	irqs = jf_harness_get_irqs(d.h);
	for (guint i = 0; i < 3; i++) {
		pc_queue(&d, frame, 60, 1, 0);
		pc_demand(&d);
		g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, i + 1);
		g_assert_false(jf_harness_get_irq(d.h));
	}
	jf_harness_crank(d.h, 201 * 1000);
	g_assert_true(jf_harness_get_irq(d.h));
	g_assert_cmpuint(jf_harness_get_irqs(d.h), ==, irqs + 1);
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, PC_TINT);
	pc_csr_set(&d, 0, PC_TINT | PC_IENA);
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	g_assert_false(jf_harness_get_irq(d.h));
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, PC_TINT);
	pc_csr_set(&d, 0, PC_TINT | PC_IENA);
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	pc_expect_in(&d, frame, 60); /* with another event */
	g_assert_true(jf_harness_get_irq(d.h));
	pc_csr_set(&d, 0, PC_RINT | PC_IENA);
	g_assert_true(jf_harness_get_irq(d.h));
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, PC_TINT);
	pc_csr_set(&d, 0, PC_TINT | PC_IENA);
	for (guint i = 0; i < 8; i++) {
		g_assert_false(jf_harness_get_irq(d.h));
		pc_queue(&d, frame, 60, 1, 0);
		pc_demand(&d);
	}
	g_assert_true(jf_harness_get_irq(d.h));
	/* A chip that is stopped forgets it. */
	pc_csr(&d, 0);
	pc_csr_set(&d, 0, PC_TINT | PC_IENA);
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	pc_csr_set(&d, 0, PC_STOP);
	jf_harness_crank(d.h, 201 * 1000);
	g_assert_cmphex(pc_csr(&d, 0), ==, PC_STOP);
	pc_close(&d);
}

/* LTINT: an interrupt only after the frames that ask for one. TOKINTD: none after a good frame. */
static void
test_few_interrupts(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C973", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_csr_set(&d, 5, 0x4000);
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, 0);
	pc_queue(&d, frame, 60, 1, 0x1000);
	pc_demand(&d);
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, PC_TINT);
	pc_csr_set(&d, 0, PC_TINT | PC_IENA);
	pc_csr_set(&d, 5, 0x8000);
	pc_queue(&d, frame, 60, 1, 0x1000);
	pc_demand(&d);
	g_assert_cmphex(pc_csr(&d, 0) & PC_TINT, ==, 0);
	/* A frame that failed is told of all the same. */
	jf_harness_set_link(d.h, 0, FALSE);
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	g_assert_cmphex(pc_csr(&d, 0) & (PC_TINT | PC_CERR | 0x8000), ==,
			PC_TINT | PC_CERR | 0x8000);
	g_assert_cmphex(pc_tx_status(&d, 3) & (PC_OWN | PC_ERR), ==, PC_ERR);
	g_assert_cmphex(pc_tx_extra(&d, 3), ==, 0x08000000); /* LCAR */
	g_assert_cmpuint(jf_harness_get_counter(d.h, "no-carrier-drops", NULL), ==, 1);
	pc_close(&d);
}

/* A full network stops the ring where it is. */
static void
test_backpressure(void)
{
	guint8 frame[100];
	PcDriver d;

	pc_open(&d, "Am79C970A", 3, 4, 4);
	jf_harness_set_capacity(d.h, 0, 3);
	for (guint i = 0; i < 5; i++) {
		pc_fill(&d, frame, sizeof frame, NULL, i);
		pc_queue(&d, frame, sizeof frame, 3, 0);
	}
	pc_demand(&d);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 3);
	g_assert_cmphex(pc_tx_status(&d, 8) & PC_OWN, ==, 0);
	g_assert_cmphex(pc_tx_status(&d, 9) & PC_OWN, ==, PC_OWN);
	for (guint i = 0; i < 5; i++) {
		pc_fill(&d, frame, sizeof frame, NULL, i);
		pc_expect_out(&d, frame, sizeof frame);
		pc_turn(&d);
	}
	g_assert_cmphex(pc_tx_status(&d, 14) & PC_OWN, ==, 0);
	pc_close(&d);
}

/* Without a free descriptor a frame waits with its sender, for a while; then it is missed. */
static void
test_stall(void)
{
	guint8 frame[60], data[2048];
	guint resumes;
	PcDriver d;

	pc_make(&d, "Am79C970A");
	d.rx_log2 = 5;
	pc_run(&d);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	for (guint i = 0; i < 32; i++)
		g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_false(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_cmphex(pc_csr(&d, 0) & PC_MISS, ==, 0);
	resumes = jf_harness_get_resumes(d.h, 0);
	jf_harness_crank(d.h, 5 * 1000 * 1000);
	g_assert_cmpuint(jf_harness_get_resumes(d.h, 0), ==, resumes); /* nothing has changed */
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 64);
	jf_harness_crank(d.h, 600 * 1000);
	g_assert_cmpuint(jf_harness_get_resumes(d.h, 0), ==, resumes + 1);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_false(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 64);
	pc_csr_set(&d, 0, PC_IENA | PC_RINT); /* what drivers end with */
	g_assert_cmpuint(jf_harness_get_resumes(d.h, 0), ==, resumes + 2);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_false(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	jf_harness_crank(d.h, 101 * 1000 * 1000);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_cmphex(pc_csr(&d, 0) & PC_MISS, ==, PC_MISS);
	g_assert_cmpuint(pc_csr(&d, 112), ==, 2);
	pc_csr_set(&d, 112, 0);
	g_assert_cmpuint(pc_csr(&d, 112), ==, 0);
	/* A driver that stops the chip lets go of what waits. */
	g_assert_cmpuint(pc_take(&d, data, NULL), ==, 64);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_false(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	resumes = jf_harness_get_resumes(d.h, 0);
	pc_csr_set(&d, 0, PC_STOP);
	g_assert_cmpuint(jf_harness_get_resumes(d.h, 0), ==, resumes + 1);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	pc_close(&d);
}

/* A frame longer than all free buffers is cut, and says so; a Solaris ring misses in silence. */
static void
test_small_ring(void)
{
	guint8 frame[1000], data[2048];
	guint16 status;
	PcDriver d;

	pc_make(&d, "Am79C970A");
	d.rx_buffer = 128;
	d.rx_log2 = 2;
	pc_run(&d);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	g_assert_false(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	jf_harness_crank(d.h, 101 * 1000 * 1000);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, sizeof frame));
	g_assert_cmpuint(pc_take(&d, data, &status), ==, 512);
	g_assert_cmphex(status & (PC_ERR | PC_BUFF | PC_ENP), ==, PC_ERR | PC_BUFF);
	g_assert_cmpmem(data, 512, frame, 512);
	for (guint i = 0; i < 4; i++)
		g_assert_true(jf_harness_push_bytes(d.h, 0, frame, 100));
	g_assert_false(jf_harness_push_bytes(d.h, 0, frame, 100));
	jf_harness_crank(d.h, 101 * 1000 * 1000);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, 100));
	g_assert_cmpuint(pc_csr(&d, 112), ==, 1);
	g_assert_cmphex(pc_csr(&d, 0) & PC_MISS, ==, 0);
	pc_close(&d);
}

/* A driver that never asks is found by looking; one that asks costs nothing once it is idle. */
static void
test_polling(void)
{
	guint8 frame[60];
	guint calls;
	PcDriver d;

	pc_open(&d, "Am79C970A", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_queue(&d, frame, 60, 1, 0);
	jf_harness_crank(d.h, 101 * 1000 * 1000);
	pc_turn(&d);
	pc_expect_out(&d, frame, 60);
	for (guint i = 0; i < 20; i++) {
		jf_harness_crank(d.h, 500 * 1000 * 1000);
		pc_queue(&d, frame, 60, 1, 0);
		jf_harness_crank(d.h, 2 * 1000 * 1000);
		pc_turn(&d);
		pc_expect_out(&d, frame, 60);
	}
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	pc_expect_out(&d, frame, 60);
	jf_harness_crank(d.h, 2000 * 1000 * 1000ull);
	g_assert_cmpuint(jf_harness_get_deadline(d.h), ==, 0);
	/* DPOLL: not at all. */
	pc_csr_set(&d, 0, PC_STOP);
	pc_csr_set(&d, 4, 0x1915);
	pc_csr_set(&d, 0, PC_STRT | PC_IENA);
	pc_turn(&d);
	calls = jf_harness_get_calls(d.h, JF_HARNESS_DMA_MAP);
	jf_harness_crank(d.h, 1000 * 1000 * 1000);
	g_assert_cmpuint(jf_harness_get_calls(d.h, JF_HARNESS_DMA_MAP), ==, calls);
	pc_close(&d);
}

static void
test_suspend(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_open(&d, "Am79C973", 2, 4, 4);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_csr_set(&d, 5, 1);
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, 60));
	g_assert_cmphex(pc_csr(&d, 0) & (PC_RINT | PC_MISS), ==, 0);
	pc_csr_set(&d, 5, 0);
	pc_turn(&d);
	pc_expect_out(&d, frame, 60);
	pc_expect_in(&d, frame, 60);
	pc_close(&d);
}

/* DTX and DRX leave that half of the chip off. */
static void
test_half(void)
{
	guint8 frame[60];
	PcDriver d;

	pc_make(&d, "Am79C970A");
	d.mode = 0x0001;
	pc_run(&d);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	g_assert_cmphex(pc_csr(&d, 0) & (PC_RXON | PC_TXON), ==, PC_TXON);
	g_assert_true(jf_harness_push_bytes(d.h, 0, frame, 60));
	g_assert_cmphex(pc_rx_status(&d, 0), ==, PC_OWN);
	pc_csr_set(&d, 0, PC_STOP);
	d.mode = 0x0002;
	pc_run(&d);
	g_assert_cmphex(pc_csr(&d, 0) & (PC_RXON | PC_TXON), ==, PC_RXON);
	pc_queue(&d, frame, 60, 1, 0);
	pc_demand(&d);
	g_assert_cmpuint(jf_harness_get_queued(d.h, 0), ==, 0);
	pc_expect_in(&d, frame, 60);
	pc_close(&d);
}

/* Saved with frames in both rings, loaded into a fresh chip that has the same memory: the driver goes
 * on as if nothing had happened. */
static void
test_save_load(void)
{
	guint8 frame[300], other[300], data[2048];
	g_autoptr(GVariant) state = NULL, again = NULL;
	g_autoptr(GError) error = NULL;
	PcDriver d, fresh;

	pc_open(&d, "Am79C973", 2, 3, 3);
	pc_bcr_set(&d, 31, 1000);
	pc_csr_set(&d, 7, 0x0400);
	pass_frames(&d, 5);
	pc_fill(&d, frame, sizeof frame, NULL, 1);
	pc_fill(&d, other, sizeof other, NULL, 2);
	jf_harness_set_capacity(d.h, 0, 1);
	g_assert_true(pc_queue(&d, frame, sizeof frame, 1, 0));
	g_assert_true(pc_queue(&d, other, sizeof other, 2, 0));
	pc_demand(&d);
	g_assert_true(jf_harness_push_bytes(d.h, 0, other, sizeof other));
	pc_expect_out(&d, frame, sizeof frame);
	jf_harness_stop(d.h);
	state = jf_harness_save(d.h, &error);
	g_assert_no_error(error);
	fresh = d;
	fresh.h = jf_harness_new(jf_harness_get_instance(d.h)->driver, NULL, &error);
	fresh.ram = jf_harness_add_memory(fresh.h, PC_RAM, PC_RAM_LEN, TRUE);
	memcpy(fresh.ram, d.ram, PC_RAM_LEN);
	g_assert_true(jf_harness_init(fresh.h, &error));
	g_assert_true(jf_harness_load_state(fresh.h, 1, state, &error));
	g_assert_no_error(error);
	again = jf_harness_save(fresh.h, &error);
	g_assert_true(g_variant_equal(state, again));
	g_assert_true(jf_harness_get_irq(fresh.h));
	g_assert_true(jf_harness_start(fresh.h, &error));
	pc_turn(&fresh);
	pc_expect_out(&fresh, other, sizeof other);
	g_assert_cmpuint(pc_take(&fresh, data, NULL), ==, sizeof other + 4);
	g_assert_cmpmem(data, sizeof other, other, sizeof other);
	g_assert_cmphex(pc_csr(&fresh, 0) & (PC_RINT | PC_TINT), ==, PC_RINT | PC_TINT);
	pc_csr_set(&fresh, 0, PC_IENA | PC_RINT | PC_TINT);
	pass_frames(&fresh, 20);
	jf_harness_crank(fresh.h, 12800 * 1000);
	g_assert_cmphex(pc_csr(&fresh, 7) & 0x0800, ==, 0x0800); /* the timer runs, too */
	pc_close(&fresh);
	pc_close(&d);
}

int
main(int argc, char **argv)
{
	pc_init(&argc, &argv);
	g_test_add_func("/pcnet/rings/styles", test_styles);
	g_test_add_func("/pcnet/rings/by-csr", test_by_csr);
	g_test_add_func("/pcnet/rings/dwio", test_dwio);
	g_test_add_func("/pcnet/rings/pointers", test_pointers);
	g_test_add_func("/pcnet/rings/pieces", test_pieces);
	g_test_add_func("/pcnet/rings/chains", test_chains);
	g_test_add_func("/pcnet/rings/empty-descriptor", test_empty_descriptor);
	g_test_add_func("/pcnet/rings/jumbo", test_jumbo);
	g_test_add_func("/pcnet/rings/own-fcs", test_own_fcs);
	g_test_add_func("/pcnet/rings/pad-strip", test_pad_strip);
	g_test_add_func("/pcnet/rings/batches", test_batches);
	g_test_add_func("/pcnet/rings/late-tint", test_late_tint);
	g_test_add_func("/pcnet/rings/few-interrupts", test_few_interrupts);
	g_test_add_func("/pcnet/rings/backpressure", test_backpressure);
	g_test_add_func("/pcnet/rings/stall", test_stall);
	g_test_add_func("/pcnet/rings/small-ring", test_small_ring);
	g_test_add_func("/pcnet/rings/polling", test_polling);
	g_test_add_func("/pcnet/rings/suspend", test_suspend);
	g_test_add_func("/pcnet/rings/half", test_half);
	g_test_add_func("/pcnet/rings/save-load", test_save_load);
	return g_test_run();
}
