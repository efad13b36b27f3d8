/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-tx.c - transmission: descriptors, checksums, segmentation, tags, backpressure. */
#include "e1000-driver.h"

#include <string.h>

#define SEND (TXD_EOP | TXD_IFCS | TXD_RS)

static JfHarnessFrame *
pull(Nic *nic)
{
	JfHarnessFrame *frame = jf_harness_pull(nic->h, 0);

	g_assert_nonnull(frame);
	return frame;
}

static void
assert_nothing(Nic *nic)
{
	g_assert_cmpuint(jf_harness_get_queued(nic->h, 0), ==, 0);
}

static guint8 *
put(Nic *nic, guint64 address, gconstpointer data, gsize len)
{
	return memcpy(nic->memory + address, data, len);
}

/* ---- Plain ---- */

static void
test_legacy(void)
{
	const FrameKind kind = { .udp = TRUE };
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) out = NULL;
	gsize len;
	g_autofree guint8 *frame = frame_make(&kind, 500, &len);

	put(nic, NIC_DATA, frame, len);
	nic_tx_legacy(nic, NIC_DATA, 100, TXD_IFCS);
	nic_tx_legacy(nic, NIC_DATA + 100, 0, TXD_IFCS);
	nic_tx_legacy(nic, NIC_DATA + 100, (guint)len - 100, SEND);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpmem(out->data, out->len, frame, len);
	g_assert_cmpuint(out->frame.flags, ==, 0);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 3);
	g_assert_false(nic_tx_is_done(nic, 0));
	g_assert_true(nic_tx_is_done(nic, 2));
	g_assert_cmphex(nic_read(nic, E1000_ICR), ==, ICR_TXDW | ICR_TXQE);
	nic_free(nic);
}

static void
test_padding(void)
{
	static const guint8 zeros[46];
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) out = NULL, bare = NULL;

	memset(nic->memory + NIC_DATA, 0x5a, 60);
	nic_tx_legacy(nic, NIC_DATA, 14, SEND);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->len, ==, 60);
	g_assert_cmpmem(out->data + 14, 46, zeros, 46);
	nic_clear(nic, E1000_TCTL, TCTL_PSP);
	nic_tx_legacy(nic, NIC_DATA, 20, SEND);
	nic_tx_kick(nic);
	bare = pull(nic);
	g_assert_cmpuint(bare->len, ==, 20);
	nic_free(nic);
}

/* A driver without IFCS puts an FCS there itself; what is none is data. */
static void
test_own_fcs(void)
{
	static const guint8 fcs_of_zeros[4] = { 0x08, 0x89, 0x12, 0x04 };
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) with = NULL, without = NULL;

	memset(nic->memory + NIC_DATA, 0, 64);
	put(nic, NIC_DATA + 60, fcs_of_zeros, 4);
	nic_tx_legacy(nic, NIC_DATA, 64, TXD_EOP);
	nic_tx_kick(nic);
	with = pull(nic);
	g_assert_cmpuint(with->len, ==, 60);
	nic->memory[NIC_DATA + 20] = 1;
	nic_tx_legacy(nic, NIC_DATA, 64, TXD_EOP);
	nic_tx_kick(nic);
	without = pull(nic);
	g_assert_cmpuint(without->len, ==, 64);
	nic_free(nic);
}

static gboolean
keep_frame(const JfFrame *frame, gpointer data)
{
	g_ptr_array_add(data, jf_harness_frame_new(frame));
	return TRUE;
}

/* Checks a frame as a receiver without any offload would get it. */
static void
assert_good(const JfHarnessFrame *out)
{
	g_autoptr(GPtrArray)
		plain = g_ptr_array_new_with_free_func((GDestroyNotify)jf_harness_frame_free);
	const JfHarnessFrame *first;

	g_assert_cmpuint(jf_frame_segment(&out->frame, 0, keep_frame, plain), ==, 1);
	first = plain->pdata[0];
	g_assert_true(frame_is_good(first->data, first->len));
}

static void
check_csum(Nic *nic, const FrameKind *kind, gboolean legacy)
{
	TxContext context = { .ipv6 = kind->ipv6, .udp = kind->udp, .l3 = kind->tagged ? 18 : 14 };
	gsize len;
	g_autofree guint8 *frame = frame_make(kind, 333, &len);
	guint l4 = frame_l4(kind), field = l4 + (kind->udp ? 6 : 16);
	g_autoptr(JfHarnessFrame) out = NULL;

	frame_open(frame, len, kind, FALSE);
	put(nic, NIC_DATA, frame, len);
	if (legacy) {
		guint16 sum = (guint16)~jf_csum_fold(jf_csum_add(0, frame + 14, 20));

		if (!kind->ipv6)
			memcpy(nic->memory + NIC_DATA + 24, &sum, 2);
		nic_tx_desc(nic, NIC_DATA,
			    (guint32)len | field << 16 | (guint32)(SEND | TXD_IC) << 24, l4 << 8);
	} else {
		nic_tx_context(nic, &context);
		nic_tx_data(nic, NIC_DATA, 200, TXD_IFCS,
			    TXD_POPTS_TXSM | (kind->ipv6 ? 0 : TXD_POPTS_IXSM), 0);
		nic_tx_data(nic, NIC_DATA + 200, (guint)len - 200, SEND, 0, 0);
	}
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->frame.flags, ==, JF_FRAME_NEEDS_CSUM);
	g_assert_cmpuint(out->frame.csum_start, ==, l4);
	g_assert_cmpuint(out->frame.csum_offset, ==, field - l4);
	assert_good(out);
	assert_nothing(nic);
}

static void
test_csum(void)
{
	Nic *nic = nic_up(NULL);

	for (guint i = 0; i < 8; i++) {
		const FrameKind kind = { .ipv6 = i & 1, .udp = i >> 1 & 1 };

		check_csum(nic, &kind, i >> 2);
	}
	check_csum(nic, &(FrameKind){ .tagged = TRUE, .tag = 5 }, FALSE);
	nic_free(nic);
}

/* TUCSE ends the sum before the end of the frame: made by the model. */
static void
test_csum_part(void)
{
	const FrameKind kind = { .udp = TRUE };
	Nic *nic = nic_up(NULL);
	gsize len;
	g_autofree guint8 *frame = frame_make(&kind, 100, &len);
	g_autoptr(JfHarnessFrame) out = NULL;

	frame_open(frame, len, &kind, FALSE);
	put(nic, NIC_DATA, frame, len);
	memset(nic->memory + NIC_DATA + len, 0xee, 20);
	nic_tx_desc(nic, 14 | 24 << 8 | 33 << 16 | (34ull | 40 << 8 | (len - 1) << 16) << 32,
		    (guint32)(TXD_DEXT | TUCMD_IP) << 24, 0);
	nic_tx_data(nic, NIC_DATA, (guint)len + 20, SEND, TXD_POPTS_TXSM | TXD_POPTS_IXSM, 0);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->frame.flags, ==, 0);
	g_assert_cmpuint(out->len, ==, len + 20);
	g_assert_true(frame_is_good(out->data, len));
	nic_free(nic);
}

/* Offsets beyond the frame are ignored. */
static void
test_csum_outside(void)
{
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) out = NULL;

	nic_tx_desc(nic, 200 | 210 << 8 | (220ull | 230 << 8) << 32,
		    (guint32)(TXD_DEXT | TUCMD_IP) << 24, 0);
	nic_tx_data(nic, NIC_DATA, 100, SEND, TXD_POPTS_TXSM | TXD_POPTS_IXSM, 0);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->len, ==, 100);
	g_assert_cmpuint(out->frame.flags, ==, 0);
	nic_free(nic);
}

/* ---- Tags ---- */

static void
send_tagged(Nic *nic, guint16 tag, guint8 vle)
{
	nic_tx_data(nic, NIC_DATA, 100, (guint8)(SEND | vle), 0, tag);
	nic_tx_kick(nic);
}

static void
test_vlan(void)
{
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) off = NULL, plain = NULL, tagged = NULL, other = NULL;

	for (guint i = 0; i < 100; i++)
		nic->memory[NIC_DATA + i] = (guint8)i;
	send_tagged(nic, 0x2007, TXD_VLE);
	off = pull(nic);
	g_assert_cmpuint(off->len, ==, 100); /* without VME there are no tags */
	nic_set(nic, E1000_CTRL, CTRL_VME);
	send_tagged(nic, 0x2007, 0);
	plain = pull(nic);
	g_assert_cmpuint(plain->len, ==, 100);
	send_tagged(nic, 0x2007, TXD_VLE);
	tagged = pull(nic);
	g_assert_cmpuint(tagged->len, ==, 104);
	g_assert_cmpmem(tagged->data, 12, nic->memory + NIC_DATA, 12);
	g_assert_cmpmem(tagged->data + 12, 4, "\x81\x00\x20\x07", 4);
	g_assert_cmpmem(tagged->data + 16, 88, nic->memory + NIC_DATA + 12, 88);
	nic_write(nic, E1000_VET, 0x88a8);
	nic_tx_desc(nic, NIC_DATA, 100 | (guint32)(SEND | TXD_VLE) << 24, 0x0005u << 16);
	nic_tx_kick(nic);
	other = pull(nic);
	g_assert_cmpmem(other->data + 12, 4, "\x88\xa8\x00\x05", 4);
	nic_free(nic);
}

/* ---- Segmentation ---- */

typedef struct TsoCase {
	FrameKind kind;
	guint payload, mss;
	guint8 gso;
	gboolean vle;
	guint pieces; /* bytes of payload in a descriptor, 0: all in one */
} TsoCase;

static void
queue_tso(Nic *nic, const TsoCase *c, guint8 **frame, gsize *len)
{
	guint l4 = frame_l4(&c->kind), head = l4 + (c->kind.udp ? 8 : 20);
	TxContext context = { .ipv6 = c->kind.ipv6,
			      .udp = c->kind.udp,
			      .tso = TRUE,
			      .l3 = c->kind.tagged ? 18 : 14,
			      .hdrlen = head,
			      .paylen = c->payload,
			      .mss = c->mss };
	guint8 cmd = (guint8)(TXD_IFCS | TXD_TSE | (c->vle ? TXD_VLE : 0));
	guint8 popts = TXD_POPTS_TXSM | (c->kind.ipv6 ? 0 : TXD_POPTS_IXSM);
	guint step = c->pieces ? c->pieces : c->payload;

	*frame = frame_make(&c->kind, c->payload, len);
	frame_open(*frame, *len, &c->kind, TRUE);
	put(nic, NIC_DATA, *frame, *len);
	nic_tx_context(nic, &context);
	nic_tx_data(nic, NIC_DATA, head, cmd, popts, 0x0009);
	for (guint done = 0; done < c->payload; done += step) {
		guint n = MIN(step, c->payload - done);
		guint8 last = done + n == c->payload ? TXD_EOP | TXD_RS : 0;

		nic_tx_data(nic, NIC_DATA + head + done, n, (guint8)(cmd | last), popts, 0x0009);
	}
}

/* Adds the payload of a segment to *at and checks its headers. */
static void
check_segment(const TsoCase *c, const JfHarnessFrame *segment, const guint8 *frame, guint *at)
{
	guint shift = c->vle ? 4 : 0, l4 = frame_l4(&c->kind) + shift;
	guint head = l4 + (c->kind.udp ? 8 : 20), n = MIN(c->mss, c->payload - *at);
	const guint8 *t = segment->data + l4;

	if (segment->len != 60)
		g_assert_cmpuint(segment->len, ==, head + n);
	g_assert_cmpuint(head + n, <=, segment->len);
	g_assert_true(frame_is_good(segment->data, segment->len));
	g_assert_cmpmem(segment->data + head, n, frame + head - shift + *at, n);
	if (!c->kind.udp) {
		g_assert_cmpuint(jf_get_be32(t + 4), ==, 100000 + *at);
		g_assert_cmphex(t[13], ==, *at + n == c->payload ? 0x19 : 0x10);
	}
	if (!c->kind.ipv6)
		g_assert_cmpuint(jf_get_be16(segment->data + l4 - 16), ==, 0x1234 + *at / c->mss);
	*at += n;
}

static void
check_tso(const TsoCase *c)
{
	g_autoptr(GPtrArray)
		segments = g_ptr_array_new_with_free_func((GDestroyNotify)jf_harness_frame_free);
	guint at = 0, wire = (c->payload + c->mss - 1) / c->mss;
	g_autofree guint8 *frame = NULL;
	JfHarnessFrame *out;
	Nic *nic = nic_up(NULL);
	gsize len;

	nic_tx_ring(nic, 256);
	if (c->vle)
		nic_set(nic, E1000_CTRL, CTRL_VME);
	queue_tso(nic, c, &frame, &len);
	nic_tx_kick(nic);
	while ((out = jf_harness_pull(nic->h, 0))) {
		guint in_it = (out->len + c->mss - 1) / c->mss;

		if (c->gso && in_it > 2) {
			g_assert_cmpuint(out->frame.gso_type, ==, c->gso);
			g_assert_cmpuint(out->frame.gso_size, ==, c->mss);
		}
		if (!c->gso)
			g_assert_cmpuint(out->frame.gso_type, ==, JF_GSO_NONE);
		g_assert_cmpuint(jf_frame_segment(&out->frame, 0, keep_frame, segments), >, 0);
		jf_harness_frame_free(out);
	}
	g_assert_cmpuint(segments->len, ==, wire);
	for (guint i = 0; i < wire; i++)
		check_segment(c, segments->pdata[i], frame, &at);
	g_assert_cmpuint(at, ==, c->payload);
	g_assert_true(nic_tx_is_done(nic, nic->tx_tail - 1));
	g_assert_cmpuint(nic_read(nic, E1000_TSCTC), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_GPTC), ==, wire);
	nic_free(nic);
}

static void
test_tso(void)
{
	static const TsoCase cases[] = {
		{ { 0 }, 20000, 1448, JF_GSO_TCPV4, FALSE, 4096 },
		{ { 0 }, 65000, 1448, JF_GSO_TCPV4, FALSE, 0 },
		{ { 0 }, 1448, 1448, JF_GSO_TCPV4, FALSE, 0 },
		{ { 0 }, 1449, 1448, JF_GSO_TCPV4, FALSE, 0 },
		{ { .ipv6 = TRUE }, 30000, 1428, JF_GSO_TCPV6, FALSE, 4096 },
		{ { .udp = TRUE }, 10000, 1000, JF_GSO_UDP_L4, FALSE, 3000 },
		{ { .ipv6 = TRUE, .udp = TRUE }, 10000, 1000, JF_GSO_UDP_L4, FALSE, 3000 },
		{ { .tagged = TRUE, .tag = 3 }, 20000, 1448, JF_GSO_TCPV4, FALSE, 0 },
		{ { 0 }, 20000, 1448, JF_GSO_TCPV4, TRUE, 0 },
		{ { 0 }, 40000, 8960, JF_GSO_TCPV4, FALSE, 4096 },
		{ { 0 }, 9000, 100, JF_GSO_TCPV4, FALSE, 100 }, /* more pieces than a frame has */
		{ { 0 }, 300, 4, JF_GSO_NONE, FALSE, 0 },       /* too small for GSO */
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
		check_tso(&cases[i]);
}

/* More than an IP datagram can hold: several frames with GSO, one numbering. */
static void
test_tso_huge(void)
{
	const TsoCase c = { { 0 }, 200000, 1448, JF_GSO_TCPV4, FALSE, 60000 };

	check_tso(&c);
}

/* The network takes a few segments at a time: none is lost, sent twice, or out of order. */
static void
test_tso_refused(void)
{
	const TsoCase c = { { 0 }, 4000, 6, JF_GSO_NONE, FALSE, 0 };
	g_autofree guint8 *frame = NULL;
	Nic *nic = nic_up(NULL);
	guint at = 0;
	gsize len;

	jf_harness_set_capacity(nic->h, 0, 5);
	queue_tso(nic, &c, &frame, &len);
	nic_tx_kick(nic);
	while (at < c.payload) {
		g_autoptr(JfHarnessFrame) out = pull(nic);
		g_autoptr(GPtrArray) plain =
			g_ptr_array_new_with_free_func((GDestroyNotify)jf_harness_frame_free);

		g_assert_cmpuint(jf_frame_segment(&out->frame, 0, keep_frame, plain), ==, 1);
		check_segment(&c, plain->pdata[0], frame, &at);
		if (at + c.mss * 6 < c.payload)
			g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 0);
		nic_run(nic);
	}
	assert_nothing(nic);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 3);
	nic_free(nic);
}

/* What the context says makes no sense: used up, counted, and the ring goes on. */
static void
test_tso_bad(void)
{
	static const TxContext contexts[] = {
		{ .tso = TRUE, .l3 = 14, .hdrlen = 54, .paylen = 1000, .mss = 0 },
		{ .tso = TRUE, .l3 = 14, .hdrlen = 255, .paylen = 1000, .mss = 100 },
		{ .tso = TRUE, .l3 = 14, .hdrlen = 30, .paylen = 1000, .mss = 100 },
		{ .tso = TRUE, .l3 = 14, .hdrlen = 54, .paylen = 0, .mss = 100 },
		{ .tso = TRUE, .l3 = 255, .hdrlen = 54, .paylen = 1000, .mss = 100 },
		{ .tso = TRUE, .l3 = 14, .hdrlen = 54, .paylen = 0xfffff, .mss = 0xffff },
	};
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) out = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(contexts); i++) {
		nic_tx_context(nic, &contexts[i]);
		nic_tx_data(nic, NIC_DATA, i == 1 ? 200 : 1000, SEND | TXD_TSE, TXD_POPTS_TXSM, 0);
	}
	nic_tx_legacy(nic, NIC_DATA, 60, SEND);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->len, ==, 60);
	assert_nothing(nic);
	g_assert_true(nic_tx_is_done(nic, 1));
	g_assert_cmpuint(jf_harness_get_counter(nic->h, "bad-packets", NULL), ==,
			 G_N_ELEMENTS(contexts));
	g_assert_cmpuint(nic_read(nic, E1000_TSCTFC), ==, G_N_ELEMENTS(contexts));
	nic_free(nic);
}

/* ---- The ring ---- */

static void
test_refused(void)
{
	Nic *nic = nic_up(NULL);

	jf_harness_set_capacity(nic->h, 0, 10);
	for (guint i = 0; i < 40; i++) {
		nic->memory[NIC_DATA + 100 * i + 20] = (guint8)i;
		nic_tx_legacy(nic, NIC_DATA + 100 * i, 100, SEND);
	}
	nic_tx_kick(nic);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 10);
	g_assert_true(nic_tx_is_done(nic, 9));
	g_assert_false(nic_tx_is_done(nic, 10));
	for (guint i = 0; i < 40; i++) {
		g_autoptr(JfHarnessFrame) out = pull(nic);

		g_assert_cmpuint(out->data[20], ==, i);
		nic_run(nic);
	}
	assert_nothing(nic);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 40);
	nic_free(nic);
}

/* The ring wraps; a packet lies across its end, its context in front. */
static void
test_wrap(void)
{
	Nic *nic = nic_up(NULL);

	nic_tx_ring(nic, 8);
	for (guint round = 0; round < 50; round++) {
		g_autoptr(JfHarnessFrame) out = NULL;

		nic_tx_data(nic, NIC_DATA, 30, TXD_IFCS, 0, 0);
		nic_tx_data(nic, NIC_DATA + 30, 30 + round, TXD_IFCS, 0, 0);
		nic_tx_data(nic, NIC_DATA + 60 + round, 40, SEND, 0, 0);
		nic_tx_kick(nic);
		out = pull(nic);
		g_assert_cmpuint(out->len, ==, 100 + round);
	}
	assert_nothing(nic);
	nic_free(nic);
}

/* A packet without its end waits; contexts alone do not. */
static void
test_unfinished(void)
{
	const TxContext context = { .l3 = 14 };
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) out = NULL;

	nic_tx_context(nic, &context);
	nic_tx_kick(nic);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 1);
	nic_tx_data(nic, NIC_DATA, 100, TXD_IFCS, 0, 0);
	nic_tx_kick(nic);
	assert_nothing(nic);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, 1);
	nic_tx_data(nic, NIC_DATA + 100, 50, SEND, 0, 0);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->len, ==, 150);
	nic_free(nic);
}

static void
test_enable(void)
{
	Nic *nic = nic_up(NULL);

	nic_write(nic, E1000_TCTL, 0);
	nic_tx_legacy(nic, NIC_DATA, 60, SEND);
	nic_tx_kick(nic);
	assert_nothing(nic);
	nic_write(nic, E1000_TCTL, TCTL_EN);
	nic_run(nic);
	g_assert_cmpuint(jf_harness_get_queued(nic->h, 0), ==, 1);
	nic_free(nic);
}

/* Many small packets and one of many descriptors in one go. */
static void
test_many(void)
{
	Nic *nic = nic_up(NULL);
	guint n = 0;
	JfHarnessFrame *out;

	nic_tx_ring(nic, 2048);
	for (guint i = 0; i < 1500; i++)
		nic_tx_legacy(nic, NIC_DATA + i, 60, TXD_EOP | TXD_IFCS);
	for (guint i = 0; i < 500; i++)
		nic_tx_legacy(nic, NIC_DATA + i, 3, i == 499 ? SEND : TXD_IFCS);
	nic_tx_kick(nic);
	for (; (out = jf_harness_pull(nic->h, 0)); n++) {
		g_assert_cmpuint(out->len, ==, n < 1500 ? 60 : 1500);
		jf_harness_frame_free(out);
	}
	g_assert_cmpuint(n, ==, 1501);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, nic->tx_tail);
	nic_free(nic);
}

/* A buffer across two regions is copied; one that is nowhere makes the packet a bad one. */
static void
test_memory(void)
{
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) out = NULL;

	memset(nic->below + NIC_SPLIT_LEN - 50, 0x11, 50);
	memset(nic->above, 0x22, 50);
	nic_tx_legacy(nic, NIC_SPLIT - 50, 100, SEND);
	nic_tx_legacy(nic, NIC_NOWHERE, 100, SEND);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->len, ==, 100);
	g_assert_cmphex(out->data[49], ==, 0x11);
	g_assert_cmphex(out->data[50], ==, 0x22);
	assert_nothing(nic);
	g_assert_true(nic_tx_is_done(nic, 1));
	g_assert_cmpuint(jf_harness_get_counter(nic->h, "bad-packets", NULL), ==, 1);
	nic_free(nic);
}

static void
test_sizes(void)
{
	Nic *nic = nic_up(NULL);
	g_autoptr(JfHarnessFrame) out = NULL;

	nic_tx_legacy(nic, NIC_DATA, 13, SEND);
	nic_tx_legacy(nic, NIC_DATA, 16289, SEND);
	nic_tx_legacy(nic, NIC_DATA, 16288, SEND);
	nic_tx_kick(nic);
	out = pull(nic);
	g_assert_cmpuint(out->len, ==, 16288);
	assert_nothing(nic);
	g_assert_cmpuint(jf_harness_get_counter(nic->h, "bad-packets", NULL), ==, 2);
	nic_free(nic);
}

static void
test_no_carrier(void)
{
	Nic *nic = nic_up(NULL);

	jf_harness_set_link(nic->h, 0, FALSE);
	nic_tx_legacy(nic, NIC_DATA, 60, SEND);
	nic_tx_kick(nic);
	assert_nothing(nic);
	g_assert_true(nic_tx_is_done(nic, 0));
	g_assert_cmpuint(jf_harness_get_counter(nic->h, "no-carrier-drops", NULL), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_GPTC), ==, 0);
	nic_free(nic);
}

static void
test_stats(void)
{
	static const guint8 broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	Nic *nic = nic_up(NULL);

	memcpy(nic->memory + NIC_DATA, broadcast, 6);
	nic->memory[NIC_DATA + 0x1000] = 1;
	nic_tx_legacy(nic, NIC_DATA, 60, SEND);
	nic_tx_legacy(nic, NIC_DATA + 0x1000, 61, SEND);
	nic_tx_legacy(nic, NIC_DATA + 0x2000, 1514, SEND);
	nic_tx_kick(nic);
	g_assert_cmpuint(nic_read(nic, E1000_GPTC), ==, 3);
	g_assert_cmpuint(nic_read(nic, E1000_GPTC), ==, 0);
	g_assert_cmpuint(nic_read(nic, E1000_TPT), ==, 3);
	g_assert_cmpuint(nic_read(nic, E1000_BPTC), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_MPTC), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_PTC64), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_PTC64 + 4), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_PTC64 + 20), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_GOTCL), ==, 60 + 61 + 1514 + 12);
	g_assert_cmpuint(nic_read(nic, E1000_GOTCL), ==, 60 + 61 + 1514 + 12);
	g_assert_cmpuint(nic_read(nic, E1000_GOTCL + 4), ==, 0);
	g_assert_cmpuint(nic_read(nic, E1000_GOTCL), ==, 0);
	nic_free(nic);
}

int
main(int argc, char **argv)
{
	nic_main(&argc, &argv);
	g_test_add_func("/e1000/tx/legacy", test_legacy);
	g_test_add_func("/e1000/tx/padding", test_padding);
	g_test_add_func("/e1000/tx/own-fcs", test_own_fcs);
	g_test_add_func("/e1000/tx/csum", test_csum);
	g_test_add_func("/e1000/tx/csum-part", test_csum_part);
	g_test_add_func("/e1000/tx/csum-outside", test_csum_outside);
	g_test_add_func("/e1000/tx/vlan", test_vlan);
	g_test_add_func("/e1000/tx/tso", test_tso);
	g_test_add_func("/e1000/tx/tso-huge", test_tso_huge);
	g_test_add_func("/e1000/tx/tso-refused", test_tso_refused);
	g_test_add_func("/e1000/tx/tso-bad", test_tso_bad);
	g_test_add_func("/e1000/tx/refused", test_refused);
	g_test_add_func("/e1000/tx/wrap", test_wrap);
	g_test_add_func("/e1000/tx/unfinished", test_unfinished);
	g_test_add_func("/e1000/tx/enable", test_enable);
	g_test_add_func("/e1000/tx/many", test_many);
	g_test_add_func("/e1000/tx/memory", test_memory);
	g_test_add_func("/e1000/tx/sizes", test_sizes);
	g_test_add_func("/e1000/tx/no-carrier", test_no_carrier);
	g_test_add_func("/e1000/tx/stats", test_stats);
	return g_test_run();
}
