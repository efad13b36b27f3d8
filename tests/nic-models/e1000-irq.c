/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-irq.c - causes, masks, and what holds interrupts back. */
#include "e1000-driver.h"

#include <string.h>

#define SEND (TXD_EOP | TXD_IFCS | TXD_RS)

static void
push(Nic *nic)
{
	guint8 frame[60] = { 0 };

	memcpy(frame, nic_mac, 6);
	g_assert_true(nic_push(nic, frame, sizeof frame));
}

static void
transmit(Nic *nic, guint8 cmd)
{
	nic_tx_legacy(nic, NIC_DATA, 60, cmd);
	nic_tx_kick(nic);
}

static gboolean
is_high(Nic *nic)
{
	return jf_harness_get_irq(nic->h);
}

static void
crank(Nic *nic, guint64 ns)
{
	jf_harness_crank(nic->h, ns);
	nic_run(nic);
}

static void
allow(Nic *nic, guint32 causes)
{
	nic_write(nic, E1000_IMS, causes);
	crank(nic, 1 * US);
}

static void
test_registers(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_ICS, 0xffffffff);
	g_assert_false(is_high(nic));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_CAUSES);
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, 0);
	allow(nic, ICR_RXT0 | ICR_LSC);
	g_assert_cmphex(nic_read(nic, E1000_IMS), ==, ICR_RXT0 | ICR_LSC);
	nic_write(nic, E1000_ICS, ICR_TXDW);
	g_assert_false(is_high(nic));
	nic_write(nic, E1000_ICS, ICR_LSC);
	g_assert_true(is_high(nic));
	nic_write(nic, E1000_ICR, ICR_LSC);
	g_assert_false(is_high(nic));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_TXDW);
	nic_write(nic, E1000_ICS, ICR_RXT0);
	g_assert_true(is_high(nic));
	nic_write(nic, E1000_IMC, ICR_RXT0);
	g_assert_false(is_high(nic));
	g_assert_cmphex(nic_read(nic, E1000_IMS), ==, ICR_LSC);
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_RXT0); /* cleared with all masked, too */
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, 0);
	g_assert_cmphex(nic_read(nic, E1000_IMC), ==, 0);
	g_assert_cmphex(nic_read(nic, E1000_ICS), ==, 0);
	nic_free(nic);
}

/* Enabling a cause that is there interrupts, but not within the write. */
static void
test_enable_later(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_ICS, ICR_RXT0);
	nic_write(nic, E1000_IMS, ICR_RXT0);
	g_assert_false(is_high(nic));
	crank(nic, 99);
	g_assert_false(is_high(nic));
	crank(nic, 1);
	g_assert_true(is_high(nic));
	nic_free(nic);
}

static void
test_receive(void)
{
	Nic *nic = nic_up(NULL);

	allow(nic, ICR_RXT0);
	push(nic);
	g_assert_true(is_high(nic));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_RXT0);
	g_assert_false(is_high(nic));
	g_assert_cmpuint(jf_harness_get_deadline(nic->h), ==, 0);
	nic_free(nic);
}

/* RDTR starts again with each frame, RADV does not. */
static void
test_receive_delay(void)
{
	Nic *nic = nic_up(NULL);

	allow(nic, ICR_RXT0);
	nic_write(nic, E1000_RDTR, 100);
	push(nic);
	crank(nic, 100 * 1024 - 1);
	g_assert_false(is_high(nic));
	push(nic);
	crank(nic, 100 * 1024 - 1);
	g_assert_false(is_high(nic));
	crank(nic, 1);
	g_assert_true(is_high(nic));
	nic_read(nic, E1000_ICR);
	nic_write(nic, E1000_RADV, 250);
	for (guint i = 0; i < 3; i++) {
		push(nic);
		crank(nic, 80 * 1024);
		g_assert_false(is_high(nic));
	}
	push(nic);
	crank(nic, 10 * 1024);
	g_assert_true(is_high(nic));
	nic_read(nic, E1000_ICR);
	crank(nic, 1000 * MS);
	g_assert_false(is_high(nic));
	g_assert_cmpuint(jf_harness_get_deadline(nic->h), ==, 0);
	nic_free(nic);
}

static void
test_flush(void)
{
	Nic *nic = nic_up(NULL);

	allow(nic, ICR_RXT0 | ICR_TXDW);
	nic_write(nic, E1000_RDTR, 100);
	push(nic);
	nic_write(nic, E1000_RDTR, 100 | TIMER_FPD);
	g_assert_true(is_high(nic));
	g_assert_cmphex(nic_read(nic, E1000_RDTR), ==, 100);
	nic_read(nic, E1000_ICR);
	nic_write(nic, E1000_RDTR, 100 | TIMER_FPD); /* nothing waits */
	g_assert_false(is_high(nic));
	nic_write(nic, E1000_TIDV, 100);
	transmit(nic, SEND | TXD_IDE);
	g_assert_false(is_high(nic));
	nic_write(nic, E1000_TIDV, 100 | TIMER_FPD);
	g_assert_true(is_high(nic));
	nic_free(nic);
}

static void
test_transmit(void)
{
	Nic *nic = nic_up(NULL);

	allow(nic, ICR_TXDW);
	transmit(nic, TXD_EOP | TXD_IFCS);
	g_assert_false(is_high(nic));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_TXQE);
	transmit(nic, SEND);
	g_assert_true(is_high(nic));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_TXDW | ICR_TXQE);
	nic_free(nic);
}

/* IDE waits for TIDV, at most for TADV; a descriptor without it does not. */
static void
test_transmit_delay(void)
{
	Nic *nic = nic_up(NULL);

	allow(nic, ICR_TXDW);
	nic_write(nic, E1000_TIDV, 50);
	nic_write(nic, E1000_TADV, 120);
	transmit(nic, SEND | TXD_IDE);
	crank(nic, 40 * 1024);
	transmit(nic, SEND | TXD_IDE);
	crank(nic, 40 * 1024);
	transmit(nic, SEND | TXD_IDE);
	crank(nic, 40 * 1024 - 1);
	g_assert_false(is_high(nic));
	crank(nic, 1);
	g_assert_true(is_high(nic));
	nic_read(nic, E1000_ICR);
	transmit(nic, SEND | TXD_IDE);
	crank(nic, 50 * 1024 - 1);
	g_assert_false(is_high(nic));
	transmit(nic, SEND);
	g_assert_true(is_high(nic));
	nic_free(nic);
}

static void
test_low_threshold(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_TXDCTL, 2u << 25);
	jf_harness_set_capacity(nic->h, 0, 1);
	for (guint i = 0; i < 20; i++)
		nic_tx_legacy(nic, NIC_DATA, 60, SEND);
	nic_tx_kick(nic);
	for (guint left = 19; left > 0; left--) {
		g_assert_cmpint((nic_read(nic, E1000_ICR) & ICR_TXD_LOW) != 0, ==, left == 16);
		jf_harness_frame_free(jf_harness_pull(nic->h, 0));
		nic_run(nic);
	}
	nic_free(nic);
}

/* At most one interrupt within ITR, whatever their cause, and none is lost. */
static void
test_throttle(void)
{
	Nic *nic = nic_up(NULL);
	guint before;

	nic_write(nic, E1000_ITR, 1000); /* 256 us */
	allow(nic, ICR_RXT0 | ICR_TXDW);
	before = jf_harness_get_irqs(nic->h);
	for (guint i = 0; i < 1000; i++) {
		push(nic);
		if (i % 3 == 0)
			transmit(nic, SEND);
		if (is_high(nic)) {
			gsize len;
			guint8 *got;

			nic_read(nic, E1000_ICR);
			while ((got = nic_receive(nic, &len, NULL)))
				g_free(got);
		}
		while (jf_harness_get_queued(nic->h, 0))
			jf_harness_frame_free(jf_harness_pull(nic->h, 0));
		crank(nic, 10 * US);
	}
	g_assert_cmpuint(jf_harness_get_irqs(nic->h) - before, >=, 10000 / 256 - 1);
	g_assert_cmpuint(jf_harness_get_irqs(nic->h) - before, <=, 10000 / 256 + 1);
	push(nic);
	crank(nic, 256 * US);
	g_assert_true(is_high(nic));
	nic_read(nic, E1000_ICR);
	crank(nic, 1000 * MS);
	g_assert_cmpuint(jf_harness_get_deadline(nic->h), ==, 0);
	nic_free(nic);
}

/* A cause that is taken away while it waits does not interrupt. */
static void
test_throttle_taken_away(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_ITR, 1000);
	allow(nic, ICR_RXT0);
	push(nic);
	g_assert_true(is_high(nic));
	nic_read(nic, E1000_ICR);
	push(nic);
	g_assert_false(is_high(nic));
	nic_read(nic, E1000_ICR);
	crank(nic, 1000 * US);
	g_assert_false(is_high(nic));
	nic_free(nic);
}

/* An idle card has no timer, whatever is programmed. */
static void
test_idle(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_ITR, 100);
	nic_write(nic, E1000_RDTR, 10);
	nic_write(nic, E1000_RADV, 20);
	nic_write(nic, E1000_TIDV, 10);
	nic_write(nic, E1000_TADV, 20);
	allow(nic, ICR_CAUSES);
	push(nic);
	transmit(nic, SEND | TXD_IDE);
	crank(nic, 1 * MS);
	nic_read(nic, E1000_ICR);
	g_assert_cmpuint(jf_harness_get_deadline(nic->h), ==, 0);
	g_assert_cmpuint(jf_harness_poll(nic->h, 0), ==, 0);
	nic_free(nic);
}

static gpointer
push_many(gpointer data)
{
	JfHarness *h = data;
	JfInstance *inst = jf_harness_get_instance(h);
	guint8 bytes[60] = { 0 };
	struct iovec piece = { bytes, sizeof bytes };
	JfFrame frame = jf_frame_plain(&piece);

	memcpy(bytes, nic_mac, 6);
	for (guint i = 0; i < 20000; i++)
		inst->driver->input(inst, 0, &frame, 1);
	return NULL;
}

/* Frames from another thread while the guest transmits, acknowledges and gives buffers back. */
static void
test_threads(void)
{
	Nic *nic = nic_up(NULL);
	GThread *thread;
	guint got = 0;

	nic_write(nic, E1000_ITR, 10);
	nic_write(nic, E1000_RDTR, 1);
	nic_write(nic, E1000_IMS, ICR_CAUSES);
	thread = g_thread_new("push", push_many, nic->h);
	for (guint i = 0; i < 5000; i++) {
		RxDesc d = nic_rx_desc(nic, nic->rx_next);
		guint8 *frame;
		gsize len;

		nic_tx_legacy(nic, NIC_DATA, 60, SEND | TXD_IDE);
		nic_tx_kick(nic);
		while (jf_harness_get_queued(nic->h, 0))
			jf_harness_frame_free(jf_harness_pull(nic->h, 0));
		nic_read(nic, E1000_ICR);
		jf_harness_crank(nic->h, 1000);
		if (!(d.status & RXD_DD) || !(frame = nic_receive(nic, &len, NULL)))
			continue;
		g_assert_cmpuint(len, ==, 64);
		g_free(frame);
		got++;
	}
	g_thread_join(thread);
	nic_run(nic);
	crank(nic, 10 * MS);
	g_assert_cmpuint(got, >, 0);
	nic_free(nic);
}

int
main(int argc, char **argv)
{
	nic_main(&argc, &argv);
	g_test_add_func("/e1000/irq/registers", test_registers);
	g_test_add_func("/e1000/irq/enable-later", test_enable_later);
	g_test_add_func("/e1000/irq/receive", test_receive);
	g_test_add_func("/e1000/irq/receive-delay", test_receive_delay);
	g_test_add_func("/e1000/irq/flush", test_flush);
	g_test_add_func("/e1000/irq/transmit", test_transmit);
	g_test_add_func("/e1000/irq/transmit-delay", test_transmit_delay);
	g_test_add_func("/e1000/irq/low-threshold", test_low_threshold);
	g_test_add_func("/e1000/irq/throttle", test_throttle);
	g_test_add_func("/e1000/irq/throttle-taken-away", test_throttle_taken_away);
	g_test_add_func("/e1000/irq/idle", test_idle);
	g_test_add_func("/e1000/irq/threads", test_threads);
	return g_test_run();
}
