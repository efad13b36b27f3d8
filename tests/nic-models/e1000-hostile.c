/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-hostile.c - guests that break every rule: nothing hangs, nothing is read that is not theirs. */
#include "e1000-driver.h"

#include <string.h>

#define SEND (TXD_EOP | TXD_IFCS | TXD_RS)

static guint
pull_all(Nic *nic)
{
	JfHarnessFrame *out;
	guint n = 0;

	for (; (out = jf_harness_pull(nic->h, 0)); n++)
		jf_harness_frame_free(out);
	return n;
}

static void
push(Nic *nic)
{
	guint8 frame[60] = { 0 };

	memcpy(frame, nic_mac, 6);
	jf_harness_push_bytes(nic->h, 0, frame, sizeof frame);
	nic_run(nic);
}

/* The card still works for whoever programs it anew. */
static void
assert_alive(Nic *nic)
{
	guint8 *got;
	gsize len;

	pull_all(nic);
	nic_set(nic, E1000_CTRL, CTRL_RST);
	nic_link_up(nic);
	nic_tx_ring(nic, 64);
	nic_rx_ring(nic, 64, 2048);
	nic_tx_legacy(nic, NIC_DATA, 60, SEND);
	nic_tx_kick(nic);
	g_assert_cmpuint(pull_all(nic), ==, 1);
	push(nic);
	got = nic_receive(nic, &len, NULL);
	g_assert_nonnull(got);
	g_free(got);
}

static void
test_ring_values(void)
{
	static const guint32 values[] = { 0, 1, 7, 8, 63, 64, 65, 0x7fff, 0xffff };
	static const guint32 lens[] = { 0, 128, 1024, 0xfff80 };
	Nic *nic = nic_up(NULL);

	for (guint l = 0; l < G_N_ELEMENTS(lens); l++)
		for (guint h = 0; h < G_N_ELEMENTS(values); h++)
			for (guint t = 0; t < G_N_ELEMENTS(values); t++) {
				nic_write(nic, E1000_TDLEN, lens[l]);
				nic_write(nic, E1000_RDLEN, lens[l]);
				nic_write(nic, E1000_TDH, values[h]);
				nic_write(nic, E1000_RDH, values[h]);
				nic_write(nic, E1000_RDT, values[t]);
				nic_write(nic, E1000_TDT, values[t]);
				nic_run(nic);
				push(nic);
				pull_all(nic);
			}
	assert_alive(nic);
	nic_free(nic);
}

/* Rings outside of memory, and in part: what is lost is counted, and nothing is asked again. */
static void
test_ring_nowhere(void)
{
	static const guint64 bases[] = { NIC_NOWHERE, NIC_MEMORY - 64, G_MAXUINT64 - 0xfff,
					 NIC_SPLIT - 128, NIC_SPLIT + NIC_SPLIT_LEN - 32 };
	Nic *nic = nic_up(NULL);

	for (guint i = 0; i < G_N_ELEMENTS(bases); i++) {
		nic_write(nic, E1000_TDT, 0);
		nic_write(nic, E1000_TDH, 0);
		nic_write(nic, E1000_TDBAL, (guint32)bases[i]);
		nic_write(nic, E1000_TDBAH, (guint32)(bases[i] >> 32));
		nic_write(nic, E1000_RDBAL, (guint32)bases[i]);
		nic_write(nic, E1000_RDBAH, (guint32)(bases[i] >> 32));
		nic_write(nic, E1000_TDT, 63);
		nic_run(nic);
		g_assert_cmpuint(jf_harness_poll(nic->h, 0), ==, 0);
		for (guint k = 0; k < 10; k++)
			push(nic);
	}
	g_assert_cmpuint(jf_harness_get_counter(nic->h, "dma-errors", NULL), >, 0);
	assert_alive(nic);
	nic_free(nic);
}

/* Buffers that are the rings, or each other. */
static void
test_onto_itself(void)
{
	Nic *nic = nic_up(NULL);

	nic_set(nic, E1000_RCTL, RCTL_LBM | RCTL_UPE | RCTL_MPE);
	for (guint i = 0; i < 63; i++)
		nic_tx_legacy(nic, i & 1 ? NIC_RX_RING : NIC_TX_RING, 1000, SEND);
	for (guint i = 0; i < 64; i++) {
		guint32 address = GUINT32_TO_LE(i & 1 ? NIC_TX_RING + 16 * i : NIC_RX_RING);

		memcpy(nic->memory + NIC_RX_RING + 16 * i, &address, 4);
	}
	nic_tx_kick(nic);
	nic_write(nic, E1000_RDT, 10);
	push(nic);
	assert_alive(nic);
	nic_free(nic);
}

/* A ring that is full of descriptors and has no end of a packet. */
static void
test_no_end(void)
{
	Nic *nic = nic_up(NULL);

	for (guint i = 0; i < 63; i++)
		nic_tx_legacy(nic, NIC_DATA, 100, TXD_RS);
	nic_tx_kick(nic);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 63);
	g_assert_true(nic_tx_is_done(nic, 62));
	nic_tx_legacy(nic, NIC_DATA, 100, 0); /* the same packet still */
	nic_tx_legacy(nic, NIC_DATA, 100, SEND);
	nic_tx_legacy(nic, NIC_DATA, 100, SEND);
	nic_tx_kick(nic);
	g_assert_cmpuint(pull_all(nic), ==, 1);
	g_assert_cmpuint(jf_harness_get_counter(nic->h, "bad-packets", NULL), ==, 1);
	assert_alive(nic);
	nic_free(nic);
}

static void
test_longest_packet(void)
{
	Nic *nic = nic_up(NULL);

	nic_tx_ring(nic, 4000);
	for (guint i = 0; i < 1100; i++)
		nic_tx_legacy(nic, NIC_DATA, 1, 0);
	nic_tx_legacy(nic, NIC_DATA, 1, SEND);
	for (guint i = 0; i < 1023; i++)
		nic_tx_legacy(nic, NIC_DATA, 2, 0);
	nic_tx_legacy(nic, NIC_DATA, 2, SEND);
	nic_tx_kick(nic);
	g_assert_cmpuint(pull_all(nic), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, nic->tx_tail);
	assert_alive(nic);
	nic_free(nic);
}

/* Endless work is done in short turns. */
static void
test_turns(void)
{
	const TxContext context = {
		.tso = TRUE, .l3 = 14, .hdrlen = 54, .paylen = 0xfffff, .mss = 1
	};
	Nic *nic = nic_up(NULL);

	nic_tx_context(nic, &context);
	nic_tx_data(nic, 0, 0xfffff, SEND | TXD_TSE, TXD_POPTS_TXSM, 0);
	nic_write(nic, E1000_TDT, nic->tx_tail);
	for (guint i = 0; i < 10; i++) {
		jf_harness_poll(nic->h, 0);
		g_assert_cmpuint(pull_all(nic), <=, 512); /* a turn is two runs at most */
	}
	/* Reset in the middle of it. */
	nic_set(nic, E1000_CTRL, CTRL_RST);
	nic_run(nic);
	g_assert_cmpuint(pull_all(nic), ==, 0);
	assert_alive(nic);
	nic_free(nic);
}

/* Races on purpose, as a guest does: the thread sanitizer is not to see this side of them. */
__attribute__((no_sanitize("thread"))) static gpointer
scribble(gpointer data)
{
	volatile guint8 *memory = ((Nic *)data)->memory;
	guint32 seed = 1;

	for (guint i = 0; i < 300000; i++) {
		guint at = (seed >> 8) % 1024;

		seed = seed * 1103515245u + 12345u;
		memory[NIC_TX_RING + at] = (guint8)seed;
		memory[NIC_RX_RING + at] = (guint8)seed;
	}
	return NULL;
}

/* Descriptors change while they are read. */
static void
test_changing(void)
{
	Nic *nic = nic_up(NULL);
	GThread *thread = g_thread_new("scribble", scribble, nic);

	for (guint i = 0; i < 300; i++) {
		nic_write(nic, E1000_TDT, (i * 17) % 64);
		nic_write(nic, E1000_RDT, (i * 13) % 64);
		for (guint k = 0; k < 5; k++)
			jf_harness_poll(nic->h, 0);
		push(nic);
		pull_all(nic);
	}
	g_thread_join(thread);
	assert_alive(nic);
	nic_free(nic);
}

/* Memory goes away while frames wait in the ring. */
static void
test_memory_gone(void)
{
	Nic *nic = nic_up(NULL);

	jf_harness_set_capacity(nic->h, 0, 0);
	nic_tx_legacy(nic, NIC_SPLIT - 30, 60, SEND);
	nic_tx_kick(nic);
	jf_harness_remove_memory(nic->h, NIC_SPLIT);
	jf_harness_set_capacity(nic->h, 0, 10);
	nic_run(nic);
	g_assert_cmpuint(pull_all(nic), ==, 0);
	assert_alive(nic);
	nic_free(nic);
}

/* Every service of the host that may fail does. */
static void
test_services(void)
{
	static const JfHarnessService services[] = { JF_HARNESS_DMA_MAP, JF_HARNESS_DMA_READ,
						     JF_HARNESS_DMA_WRITE, JF_HARNESS_OUTPUT };
	Nic *nic = nic_up(NULL);

	for (guint s = 0; s < G_N_ELEMENTS(services); s++)
		for (guint after = 0; after < 12; after++) {
			jf_harness_break(nic->h, services[s], after, 3);
			for (guint i = 0; i < 5; i++)
				nic_tx_legacy(nic, NIC_DATA, 200, SEND);
			nic_tx_kick(nic);
			push(nic);
			nic_run(nic);
			assert_alive(nic);
		}
	nic_free(nic);
}

int
main(int argc, char **argv)
{
	nic_main(&argc, &argv);
	g_test_add_func("/e1000/hostile/ring-values", test_ring_values);
	g_test_add_func("/e1000/hostile/ring-nowhere", test_ring_nowhere);
	g_test_add_func("/e1000/hostile/onto-itself", test_onto_itself);
	g_test_add_func("/e1000/hostile/no-end", test_no_end);
	g_test_add_func("/e1000/hostile/longest-packet", test_longest_packet);
	g_test_add_func("/e1000/hostile/turns", test_turns);
	g_test_add_func("/e1000/hostile/changing", test_changing);
	g_test_add_func("/e1000/hostile/memory-gone", test_memory_gone);
	g_test_add_func("/e1000/hostile/services", test_services);
	return g_test_run();
}
