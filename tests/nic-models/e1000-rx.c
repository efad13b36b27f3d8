/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-rx.c - reception: filters, sizes, buffers, checksums, tags, backpressure, loopback. */
#include "e1000-driver.h"

#include <string.h>

static const guint8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const guint8 other[6] = { 0x08, 0x00, 0x27, 0x00, 0x00, 0x77 };
static const guint8 group[6] = { 0x01, 0x00, 0x5e, 0x12, 0x34, 0x56 };

static guint8 *
plain(const guint8 *dst, gsize len)
{
	guint8 *frame = g_malloc0(len);

	memcpy(frame, dst, 6);
	memcpy(frame + 6, "\x02\x00\x00\x00\x00\x09\x88\xb5", 8);
	for (gsize i = 14; i < len; i++)
		frame[i] = (guint8)(i * 3 + (i >> 8));
	return frame;
}

static guint32
crc_of(const guint8 *data, gsize len)
{
	guint32 crc = 0xffffffffu;

	for (gsize i = 0; i < len; i++) {
		crc ^= data[i];
		for (guint k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static gboolean
comes_in(Nic *nic, const guint8 *dst)
{
	g_autofree guint8 *frame = plain(dst, 60);
	g_autofree guint8 *got = NULL;
	gsize len;

	g_assert_true(nic_push(nic, frame, 60));
	got = nic_receive(nic, &len, NULL);
	return got != NULL;
}

/* ---- Descriptors and buffers ---- */

static void
check_passage(Nic *nic, gsize len)
{
	g_autofree guint8 *frame = plain(nic_mac, len), *got = NULL;
	gboolean fcs = !(nic_read(nic, E1000_RCTL) & RCTL_SECRC);
	gsize wanted = MAX(len, 60), n;
	guint32 crc;
	RxDesc d;

	g_assert_true(nic_push(nic, frame, len));
	got = nic_receive(nic, &n, &d);
	g_assert_nonnull(got);
	g_assert_cmpuint(n, ==, wanted + (fcs ? 4 : 0));
	g_assert_cmpmem(got, len, frame, len);
	for (gsize i = len; i < wanted; i++)
		g_assert_cmpuint(got[i], ==, 0);
	if (fcs) {
		memcpy(&crc, got + wanted, 4);
		g_assert_cmphex(GUINT32_FROM_LE(crc), ==, crc_of(got, wanted));
	}
	g_assert_cmphex(d.status, ==, RXD_DD | RXD_EOP | RXD_IXSM);
	g_assert_cmphex(d.errors, ==, 0);
	g_assert_cmphex(nic_read(nic, E1000_ICR) & ICR_RXT0, ==, ICR_RXT0);
}

static void
test_buffers(void)
{
	static const guint sizes[] = { 256, 512, 1024, 2048, 4096, 8192, 16384 };
	static const gsize lens[] = { 14,   59,   60,   61,   252,  253,  508,
				      1514, 2044, 2045, 4093, 9014, 16380 };
	Nic *nic = nic_up(NULL);

	for (guint strip = 0; strip < 2; strip++)
		for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
			nic_rx_ring(nic, 128, sizes[i]);
			nic_set(nic, E1000_RCTL, RCTL_LPE | (strip ? RCTL_SECRC : 0));
			for (guint k = 0; k < G_N_ELEMENTS(lens); k++)
				check_passage(nic, lens[k]);
		}
	nic_free(nic);
}

/* Frames in pieces, and buffers that lie across two regions. */
static void
test_pieces(void)
{
	Nic *nic = nic_up(NULL);

	jf_harness_set_pieces(nic->h, 64);
	check_passage(nic, 1514);
	memset(nic->below, 0, NIC_SPLIT_LEN);
	memset(nic->above, 0, NIC_SPLIT_LEN);
	for (guint i = 0; i < 64; i++) {
		guint32 address = GUINT32_TO_LE(NIC_SPLIT - 100);

		memcpy(nic->memory + NIC_RX_RING + 16 * i, &address, 4);
	}
	{
		g_autofree guint8 *frame = plain(nic_mac, 1000);

		g_assert_true(nic_push(nic, frame, 1000));
		g_assert_cmpmem(nic->below + NIC_SPLIT_LEN - 100, 100, frame, 100);
		g_assert_cmpmem(nic->above, 900, frame + 100, 900);
	}
	nic_free(nic);
}

static void
test_no_crc(void)
{
	const char *const properties[] = { "ethernet-crc=off", NULL };
	Nic *nic = nic_new_with("82545EM", properties);
	g_autofree guint8 *frame = plain(nic_mac, 60), *got = NULL, *again = NULL;
	g_autoptr(GError) error = NULL;
	guint32 crc = 0;
	gsize len;

	nic_link_up(nic);
	nic_rx_ring(nic, 8, 2048);
	nic_push(nic, frame, 60);
	got = nic_receive(nic, &len, NULL);
	g_assert_cmpuint(len, ==, 64);
	g_assert_cmpmem(got + 60, 4, &crc, 4);
	g_assert_true(jf_harness_set_property(nic->h, "ethernet-crc", "on", &error));
	nic_push(nic, frame, 60);
	again = nic_receive(nic, &len, NULL);
	crc = GUINT32_TO_LE(crc_of(frame, 60));
	g_assert_cmpmem(again + 60, 4, &crc, 4);
	nic_free(nic);
}

static void
check_size(Nic *nic, gsize len, gboolean tagged, gboolean wanted)
{
	g_autofree guint8 *frame = plain(nic_mac, len), *got = NULL;
	gsize n;

	if (tagged)
		jf_put_be16(frame + 12, 0x8100);
	g_assert_true(nic_push(nic, frame, len));
	got = nic_receive(nic, &n, NULL);
	g_assert_cmpint(got != NULL, ==, wanted);
}

static void
test_sizes(void)
{
	Nic *nic = nic_up(NULL);

	check_size(nic, 1514, FALSE, TRUE);
	check_size(nic, 1515, FALSE, FALSE);
	check_size(nic, 1518, TRUE, TRUE);
	check_size(nic, 1519, TRUE, FALSE);
	g_assert_cmpuint(nic_read(nic, E1000_ROC), ==, 2);
	nic_set(nic, E1000_RCTL, RCTL_SBP);
	check_size(nic, 1515, FALSE, TRUE);
	nic_clear(nic, E1000_RCTL, RCTL_SBP);
	nic_set(nic, E1000_RCTL, RCTL_LPE);
	check_size(nic, 1519, FALSE, TRUE);
	check_size(nic, 16380, FALSE, TRUE);
	check_size(nic, 16381, FALSE, FALSE);
	nic_free(nic);
}

/* ---- Filters ---- */

static void
test_addresses(void)
{
	Nic *nic = nic_up(NULL);

	g_assert_true(comes_in(nic, nic_mac));
	g_assert_false(comes_in(nic, other));
	g_assert_false(comes_in(nic, group));
	g_assert_true(comes_in(nic, broadcast));
	nic_clear(nic, E1000_RCTL, RCTL_BAM);
	g_assert_false(comes_in(nic, broadcast));
	nic_write(nic, E1000_RA + 8 * 15, 0x00270008);
	nic_write(nic, E1000_RA + 8 * 15 + 4, 0x7700);
	g_assert_false(comes_in(nic, other)); /* not valid yet */
	nic_write(nic, E1000_RA + 8 * 15 + 4, 0x7700 | RAH_AV);
	g_assert_true(comes_in(nic, other));
	nic_write(nic, E1000_RA + 8 * 15, 0x00000002); /* the sender's */
	nic_write(nic, E1000_RA + 8 * 15 + 4, 0x0900 | RAH_AV | 1u << RAH_AS_SHIFT);
	g_assert_true(comes_in(nic, other));
	nic_write(nic, E1000_RA + 8 * 15 + 4, 0);
	g_assert_false(comes_in(nic, other));
	nic_free(nic);
}

static void
test_promiscuous(void)
{
	Nic *nic = nic_up(NULL);
	g_autofree guint8 *frame = plain(other, 60), *got = NULL;
	RxDesc d;
	gsize len;

	nic_set(nic, E1000_RCTL, RCTL_UPE);
	g_assert_false(comes_in(nic, group));
	nic_push(nic, frame, 60);
	got = nic_receive(nic, &len, &d);
	g_assert_nonnull(got);
	g_assert_true(d.status & RXD_PIF);
	nic_clear(nic, E1000_RCTL, RCTL_UPE);
	nic_set(nic, E1000_RCTL, RCTL_MPE);
	g_assert_true(comes_in(nic, group));
	g_assert_false(comes_in(nic, other));
	nic_clear(nic, E1000_RCTL, RCTL_BAM);
	g_assert_true(comes_in(nic, broadcast));
	nic_free(nic);
}

/* Bits 47:36, 46:35, 45:34 and 43:32 of the address, for MO 0 to 3. */
static void
test_multicast(void)
{
	static const guint16 bits[] = { 0x563, 0xac6, 0x58d, 0x634 };
	Nic *nic = nic_up(NULL);

	for (guint mo = 0; mo < 4; mo++) {
		guint32 reg = E1000_MTA + 4 * (bits[mo] >> 5);

		nic_clear(nic, E1000_RCTL, 3u << RCTL_MO_SHIFT);
		nic_set(nic, E1000_RCTL, mo << RCTL_MO_SHIFT);
		g_assert_false(comes_in(nic, group));
		nic_write(nic, reg, 1u << (bits[mo] & 31));
		g_assert_true(comes_in(nic, group));
		g_assert_false(comes_in(nic, other));
		nic_write(nic, reg, 0);
	}
	nic_free(nic);
}

/* Pause frames are the MAC's own unless it is told to pass them on. */
static void
test_pause(void)
{
	static const guint8 to[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x01 };
	Nic *nic = nic_up(NULL);
	g_autofree guint8 *frame = plain(to, 60), *got = NULL;
	gsize len;

	jf_put_be16(frame + 12, 0x8808);
	nic_set(nic, E1000_RCTL, RCTL_MPE);
	nic_push(nic, frame, 60);
	g_assert_null(nic_receive(nic, &len, NULL));
	nic_set(nic, E1000_RCTL, RCTL_PMCF);
	nic_push(nic, frame, 60);
	got = nic_receive(nic, &len, NULL);
	g_assert_nonnull(got);
	nic_set(nic, E1000_RCTL, RCTL_DPF);
	nic_push(nic, frame, 60);
	g_assert_null(nic_receive(nic, &len, NULL));
	nic_free(nic);
}

/* ---- Tags ---- */

static gboolean
tagged_comes_in(Nic *nic, guint16 tag, RxDesc *d, gsize *len)
{
	const FrameKind kind = { .udp = TRUE, .tagged = TRUE, .tag = tag };
	gsize n;
	g_autofree guint8 *frame = frame_make(&kind, 200, &n);
	g_autofree guint8 *got = NULL;

	g_assert_true(nic_push(nic, frame, n));
	got = nic_receive(nic, len, d);
	if (got && (d->status & RXD_VP)) {
		g_assert_cmpmem(got, 12, frame, 12);
		g_assert_cmpmem(got + 12, n - 16, frame + 16, n - 16);
		g_assert_cmphex(d->special, ==, tag);
	} else if (got) {
		g_assert_cmpmem(got, n, frame, n);
		g_assert_cmphex(d->special, ==, 0);
	}
	return got != NULL;
}

static void
test_vlan_strip(void)
{
	Nic *nic = nic_up(NULL);
	gsize len;
	RxDesc d;

	g_assert_true(tagged_comes_in(nic, 0x6005, &d, &len));
	g_assert_false(d.status & RXD_VP);
	g_assert_cmpuint(len, ==, 246 + 4);
	nic_set(nic, E1000_CTRL, CTRL_VME);
	g_assert_true(tagged_comes_in(nic, 0x6005, &d, &len));
	g_assert_true(d.status & RXD_VP);
	g_assert_cmpuint(len, ==, 242 + 4);
	nic_write(nic, E1000_VET, 0x88a8);
	g_assert_true(tagged_comes_in(nic, 0x6005, &d, &len));
	g_assert_false(d.status & RXD_VP);
	nic_free(nic);
}

/* What is too short without its tag is padded again; the FCS is that of what is stored. */
static void
test_vlan_short(void)
{
	Nic *nic = nic_up(NULL);
	g_autofree guint8 *frame = plain(nic_mac, 60), *got = NULL;
	guint32 crc;
	gsize len;
	RxDesc d;

	jf_put_be16(frame + 12, 0x8100);
	nic_set(nic, E1000_CTRL, CTRL_VME);
	nic_push(nic, frame, 60);
	got = nic_receive(nic, &len, &d);
	g_assert_cmpuint(len, ==, 64);
	crc = GUINT32_TO_LE(crc_of(got, 60));
	g_assert_cmpmem(got + 60, 4, &crc, 4);
	nic_free(nic);
}

static void
test_vlan_filter(void)
{
	Nic *nic = nic_up(NULL);
	gsize len;
	RxDesc d;

	nic_set(nic, E1000_RCTL, RCTL_VFE);
	g_assert_true(comes_in(nic, nic_mac)); /* frames without a tag are not looked at */
	g_assert_false(tagged_comes_in(nic, 100, &d, &len));
	nic_write(nic, E1000_VFTA + 4 * (100 / 32), 1u << 100 % 32);
	g_assert_true(tagged_comes_in(nic, 100, &d, &len));
	g_assert_true(tagged_comes_in(nic, 0xe000 | 100, &d, &len));
	g_assert_false(tagged_comes_in(nic, 101, &d, &len));
	nic_write(nic, E1000_VFTA + 4 * 127, 0x80000000u);
	g_assert_true(tagged_comes_in(nic, 4095, &d, &len));
	nic_set(nic, E1000_RCTL, RCTL_CFIEN);
	g_assert_true(tagged_comes_in(nic, 100, &d, &len));
	g_assert_false(tagged_comes_in(nic, 0x1000 | 100, &d, &len));
	nic_set(nic, E1000_RCTL, RCTL_CFI);
	g_assert_false(tagged_comes_in(nic, 100, &d, &len));
	g_assert_true(tagged_comes_in(nic, 0x1000 | 100, &d, &len));
	nic_clear(nic, E1000_RCTL, RCTL_VFE);
	g_assert_true(tagged_comes_in(nic, 101, &d, &len));
	nic_free(nic);
}

/* ---- Checksums ---- */

static RxDesc
judge(Nic *nic, const guint8 *frame, gsize len)
{
	g_autofree guint8 *got = NULL;
	RxDesc d;
	gsize n;

	g_assert_true(nic_push(nic, frame, len));
	got = nic_receive(nic, &n, &d);
	g_assert_nonnull(got);
	return d;
}

static void
check_judgement(Nic *nic, const FrameKind *kind)
{
	gsize len;
	g_autofree guint8 *frame = frame_make(kind, 99, &len);
	guint l4 = frame_l4(kind);
	guint8 ip = kind->ipv6 ? 0 : RXD_IPCS;
	RxDesc d = judge(nic, frame, len);

	g_assert_cmphex(d.status, ==, RXD_DD | RXD_EOP | RXD_TCPCS | ip);
	g_assert_cmphex(d.errors, ==, 0);
	frame[len - 1] ^= 1;
	d = judge(nic, frame, len);
	g_assert_cmphex(d.status, ==, RXD_DD | RXD_EOP | RXD_TCPCS | ip);
	g_assert_cmphex(d.errors, ==, RXD_TCPE >> 8);
	if (kind->ipv6)
		return;
	frame[len - 1] ^= 1;
	frame[l4 - 20 + 8]--; /* TTL */
	d = judge(nic, frame, len);
	g_assert_cmphex(d.errors, ==, RXD_IPE >> 8);
	frame[l4 - 20 + 6] = 0x20; /* more fragments: no transport checksum to look at */
	d = judge(nic, frame, len);
	g_assert_cmphex(d.status, ==, RXD_DD | RXD_EOP | RXD_IPCS);
}

static void
test_csum(void)
{
	Nic *nic = nic_up(NULL);
	const FrameKind udp = { .udp = TRUE };
	gsize len;
	g_autofree guint8 *frame = frame_make(&udp, 50, &len);
	RxDesc d;

	nic_write(nic, E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	for (guint i = 0; i < 8; i++) {
		const FrameKind kind = { .ipv6 = i & 1, .udp = i >> 1 & 1, .tagged = i >> 2 & 1 };

		check_judgement(nic, &kind);
	}
	memset(frame + 40, 0, 2);
	d = judge(nic, frame, len); /* a datagram without a checksum */
	g_assert_cmphex(d.status, ==, RXD_DD | RXD_EOP | RXD_IPCS);
	nic_write(nic, E1000_RXCSUM, RXCSUM_TUOFLD);
	frame[len - 1] ^= 1;
	memset(frame + 40, 1, 2);
	d = judge(nic, frame, len);
	g_assert_cmphex(d.status, ==, RXD_DD | RXD_EOP | RXD_TCPCS);
	g_assert_cmphex(d.errors, ==, RXD_TCPE >> 8);
	jf_put_be16(frame + 12, 0x0806);
	d = judge(nic, frame, len);
	g_assert_cmphex(d.status, ==, RXD_DD | RXD_EOP | RXD_IXSM);
	nic_free(nic);
}

/* A checksum that the sender left open is right in the guest's memory, with or without a tag that
 * is stripped, and in pieces of any length. */
static void
check_open(Nic *nic, const FrameKind *kind, guint pieces)
{
	gsize len, n;
	g_autofree guint8 *frame = frame_make(kind, 500, &len), *wanted = frame_make(kind, 500, &n);
	guint l4 = frame_l4(kind), cut = kind->tagged ? 4 : 0;
	g_autofree guint8 *got = NULL;
	struct iovec piece = { frame, len };
	JfFrame open = jf_frame_plain(&piece);
	guint16 ip_sum;
	RxDesc d;

	memcpy(&ip_sum, frame + l4 - 10, 2);
	frame_open(frame, len, kind, FALSE);
	if (!kind->ipv6)
		memcpy(frame + l4 - 10, &ip_sum, 2);
	open.flags = JF_FRAME_NEEDS_CSUM;
	open.csum_start = (guint16)l4;
	open.csum_offset = kind->udp ? 6 : 16;
	jf_harness_set_pieces(nic->h, pieces);
	g_assert_cmpuint(jf_harness_push(nic->h, 0, &open, 1), ==, 1);
	got = nic_receive(nic, &n, &d);
	g_assert_nonnull(got);
	g_assert_cmpmem(got + 12, len - 12 - cut, wanted + 12 + cut, len - 12 - cut);
	g_assert_true(d.status & RXD_TCPCS);
	g_assert_cmphex(d.errors, ==, 0);
}

static void
test_csum_open(void)
{
	Nic *nic = nic_up(NULL);

	nic_set(nic, E1000_CTRL, CTRL_VME);
	nic_write(nic, E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	g_assert_cmphex(jf_harness_get_offloads(nic->h, 0), ==, JF_OFFLOAD_CSUM);
	for (guint i = 0; i < 24; i++) {
		const FrameKind kind = { .ipv6 = i & 1, .udp = i >> 1 & 1, .tagged = i >> 2 & 1 };

		check_open(nic, &kind, (guint[]){ 1, 5, 64 }[i / 8]);
	}
	nic_free(nic);
}

/* An IPv6 packet is none of an 82543GC's business. */
static void
test_csum_82543gc(void)
{
	const FrameKind kind = { .ipv6 = TRUE };
	Nic *nic = nic_up("82543GC");
	gsize len;
	g_autofree guint8 *frame = frame_make(&kind, 50, &len);

	nic_write(nic, E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	g_assert_cmphex(judge(nic, frame, len).status, ==, RXD_DD | RXD_EOP | RXD_IXSM);
	nic_free(nic);
}

static guint16
sum_of(const guint8 *data, gsize len)
{
	guint32 sum = 0;

	for (gsize i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (guint32)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (guint16)sum;
}

/* The packet checksum, over what is stored from PCSS on. */
static void
test_packet_csum(void)
{
	Nic *nic = nic_up(NULL);
	g_autofree guint8 *frame = plain(nic_mac, 101), *got = NULL;
	RxDesc d;
	gsize len;

	nic_write(nic, E1000_RXCSUM, 14);
	nic_push(nic, frame, 101);
	got = nic_receive(nic, &len, &d);
	g_assert_cmphex(d.csum, ==, sum_of(got + 14, len - 14));
	nic_set(nic, E1000_RCTL, RCTL_SECRC);
	g_assert_cmphex(judge(nic, frame, 101).csum, ==, sum_of(frame + 14, 101 - 14));
	nic_write(nic, E1000_RXCSUM, 0);
	g_assert_cmphex(judge(nic, frame, 101).csum, ==, sum_of(frame, 101));
	nic_free(nic);
}

/* ---- The ring ---- */

static void
push_numbered(Nic *nic, guint8 number, gboolean wanted)
{
	g_autofree guint8 *frame = plain(nic_mac, 60);

	frame[20] = number;
	g_assert_cmpint(nic_push(nic, frame, 60), ==, wanted);
}

static void
test_full(void)
{
	Nic *nic = nic_up(NULL);
	guint resumes;

	nic_rx_ring(nic, 8, 2048);
	for (guint i = 0; i < 7; i++)
		push_numbered(nic, (guint8)i, TRUE);
	push_numbered(nic, 7, FALSE);
	g_assert_cmpuint(nic_read(nic, E1000_RNBC), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_MPC), ==, 0);
	resumes = jf_harness_get_resumes(nic->h, 0);
	for (guint i = 0; i < 100; i++) {
		g_autofree guint8 *got = NULL;
		gsize len;

		got = nic_receive(nic, &len, NULL);
		g_assert_nonnull(got);
		g_assert_cmpuint(got[20], ==, i);
		if (i == 0)
			g_assert_cmpuint(jf_harness_get_resumes(nic->h, 0), ==, resumes + 1);
		push_numbered(nic, (guint8)(i + 7), TRUE);
	}
	nic_free(nic);
}

/* What could wait for ever is let go: turning the receiver off and a reset both ask for more. */
static void
test_full_let_go(void)
{
	Nic *nic = nic_up(NULL);
	guint resumes;

	nic_rx_ring(nic, 8, 2048);
	nic_write(nic, E1000_RDT, 0);
	push_numbered(nic, 0, FALSE);
	resumes = jf_harness_get_resumes(nic->h, 0);
	nic_clear(nic, E1000_RCTL, RCTL_EN);
	g_assert_cmpuint(jf_harness_get_resumes(nic->h, 0), ==, resumes + 1);
	push_numbered(nic, 0, TRUE);
	nic_set(nic, E1000_RCTL, RCTL_EN);
	push_numbered(nic, 0, FALSE);
	nic_set(nic, E1000_CTRL, CTRL_RST);
	g_assert_cmpuint(jf_harness_get_resumes(nic->h, 0), ==, resumes + 2);
	push_numbered(nic, 0, TRUE);
	nic_free(nic);
}

/* A ring that could never hold the frame, and rings that are none. */
static void
test_missed(void)
{
	Nic *nic = nic_up(NULL);
	g_autofree guint8 *frame = plain(nic_mac, 9000);

	nic_rx_ring(nic, 8, 256);
	nic_set(nic, E1000_RCTL, RCTL_LPE);
	g_assert_true(nic_push(nic, frame, 9000));
	nic_write(nic, E1000_RDT, 8);
	push_numbered(nic, 0, TRUE);
	nic_write(nic, E1000_RDT, 7);
	nic_write(nic, E1000_RDH, 0xffff);
	push_numbered(nic, 0, TRUE);
	nic_write(nic, E1000_RDH, 0);
	nic_write(nic, E1000_RDLEN, 0);
	push_numbered(nic, 0, TRUE);
	g_assert_cmpuint(nic_read(nic, E1000_MPC), ==, 4);
	g_assert_true(nic_read(nic, E1000_ICR) & ICR_RXO);
	g_assert_cmpuint(jf_harness_get_counter(nic->h, "missed-frames", NULL), ==, 4);
	nic_free(nic);
}

static void
test_threshold(void)
{
	Nic *nic = nic_up(NULL);

	for (guint rdmts = 0; rdmts < 3; rdmts++) {
		guint threshold = 64u >> (rdmts + 1);

		nic_rx_ring(nic, 64, 2048);
		nic_set(nic, E1000_RCTL, rdmts << RCTL_RDMTS_SHIFT);
		for (guint free = 63; free > 0; free--) {
			guint32 icr;

			push_numbered(nic, 0, TRUE);
			icr = nic_read(nic, E1000_ICR);
			g_assert_cmpint((icr & ICR_RXDMT0) != 0, ==, free - 1 == threshold);
		}
	}
	nic_free(nic);
}

static void
test_small_packets(void)
{
	Nic *nic = nic_up(NULL);

	push_numbered(nic, 0, TRUE);
	g_assert_false(nic_read(nic, E1000_ICR) & ICR_SRPD);
	nic_write(nic, E1000_RSRPD, 64);
	push_numbered(nic, 0, TRUE);
	g_assert_true(nic_read(nic, E1000_ICR) & ICR_SRPD);
	nic_write(nic, E1000_RSRPD, 63);
	push_numbered(nic, 0, TRUE);
	g_assert_false(nic_read(nic, E1000_ICR) & ICR_SRPD);
	nic_free(nic);
}

static void
test_stats(void)
{
	Nic *nic = nic_up(NULL);
	g_autofree guint8 *frame = plain(nic_mac, 1514);

	g_assert_true(comes_in(nic, broadcast));
	g_assert_false(comes_in(nic, other));
	nic_set(nic, E1000_RCTL, RCTL_MPE);
	g_assert_true(comes_in(nic, group));
	g_assert_true(nic_push(nic, frame, 1514));
	g_assert_cmpuint(nic_read(nic, E1000_GPRC), ==, 3);
	g_assert_cmpuint(nic_read(nic, E1000_GPRC), ==, 0);
	g_assert_cmpuint(nic_read(nic, E1000_TPR), ==, 4);
	g_assert_cmpuint(nic_read(nic, E1000_BPRC), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_MPRC), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_PRC64), ==, 2);
	g_assert_cmpuint(nic_read(nic, E1000_PRC64 + 20), ==, 1);
	g_assert_cmpuint(nic_read(nic, E1000_GORCL), ==, 64 + 64 + 1518);
	g_assert_cmpuint(nic_read(nic, E1000_GORCL + 4), ==, 0);
	g_assert_cmpuint(nic_read(nic, E1000_GORCL), ==, 0);
	g_assert_cmpuint(nic_read(nic, E1000_TORL), ==, 64 + 64 + 64 + 1518);
	nic_free(nic);
}

/* ---- Loopback ---- */

static void
check_loop(Nic *nic)
{
	const FrameKind kind = { 0 };
	gsize len, n;
	g_autofree guint8 *frame = frame_make(&kind, 600, &n), *got = NULL;

	memcpy(nic->memory + NIC_DATA, frame, n);
	nic_tx_legacy(nic, NIC_DATA, (guint)n, TXD_EOP | TXD_IFCS | TXD_RS);
	nic_tx_kick(nic);
	g_assert_cmpuint(jf_harness_get_queued(nic->h, 0), ==, 0);
	got = nic_receive(nic, &len, NULL);
	g_assert_nonnull(got);
	g_assert_cmpmem(got, len - 4, frame, n);
	g_assert_true(nic_push(nic, frame, n)); /* the wire is not heard */
	g_assert_null(nic_receive(nic, &len, NULL));
}

static void
test_loop(void)
{
	Nic *nic = nic_up(NULL);

	nic_set(nic, E1000_RCTL, RCTL_LBM);
	check_loop(nic);
	nic_clear(nic, E1000_RCTL, RCTL_LBM);
	nic_phy_write(nic, PHY_PCTRL, PCTRL_LOOPBACK | PCTRL_SPEED_MSB | PCTRL_DUPLEX);
	check_loop(nic);
	g_assert_true(nic_read(nic, E1000_STATUS) & STATUS_LU);
	nic_free(nic);
}

/* Segments come back one by one; what finds no room is missed and does not stop the ring. */
static void
test_loop_tso(void)
{
	const TxContext context = {
		.tso = TRUE, .l3 = 14, .hdrlen = 54, .paylen = 5000, .mss = 1000
	};
	const FrameKind kind = { 0 };
	Nic *nic = nic_up(NULL);
	gsize len;
	g_autofree guint8 *frame = frame_make(&kind, 5000, &len);

	nic_rx_ring(nic, 8, 2048);
	nic_set(nic, E1000_RCTL, RCTL_LBM);
	frame_open(frame, len, &kind, TRUE);
	memcpy(nic->memory + NIC_DATA, frame, len);
	for (guint round = 0; round < 2; round++) {
		nic_tx_context(nic, &context);
		nic_tx_data(nic, NIC_DATA, (guint)len, TXD_EOP | TXD_IFCS | TXD_TSE,
			    TXD_POPTS_IXSM | TXD_POPTS_TXSM, 0);
	}
	nic_tx_kick(nic);
	for (guint i = 0; i < 7; i++) {
		gsize n;
		g_autofree guint8 *got = nic_receive(nic, &n, NULL);

		g_assert_nonnull(got);
		g_assert_cmpuint(n, ==, 1054 + 4);
		g_assert_true(frame_is_good(got, n - 4));
	}
	g_assert_cmpuint(nic_read(nic, E1000_MPC), ==, 3);
	g_assert_cmpuint(nic_read(nic, E1000_TDH), ==, nic->tx_tail);
	nic_free(nic);
}

/* The frame goes out of the buffer that it comes back into. */
static void
test_loop_same_memory(void)
{
	Nic *nic = nic_up(NULL);
	gsize len;
	g_autofree guint8 *frame = plain(nic_mac, 300), *got = NULL;

	nic_set(nic, E1000_RCTL, RCTL_LBM);
	memcpy(nic->memory + NIC_BUFFERS, frame, 300);
	nic_tx_legacy(nic, NIC_BUFFERS, 300, TXD_EOP | TXD_IFCS | TXD_RS);
	nic_tx_kick(nic);
	got = nic_receive(nic, &len, NULL);
	g_assert_cmpmem(got, len - 4, frame, 300);
	nic_free(nic);
}

int
main(int argc, char **argv)
{
	nic_main(&argc, &argv);
	g_test_add_func("/e1000/rx/buffers", test_buffers);
	g_test_add_func("/e1000/rx/pieces", test_pieces);
	g_test_add_func("/e1000/rx/no-crc", test_no_crc);
	g_test_add_func("/e1000/rx/sizes", test_sizes);
	g_test_add_func("/e1000/rx/addresses", test_addresses);
	g_test_add_func("/e1000/rx/promiscuous", test_promiscuous);
	g_test_add_func("/e1000/rx/multicast", test_multicast);
	g_test_add_func("/e1000/rx/pause", test_pause);
	g_test_add_func("/e1000/rx/vlan-strip", test_vlan_strip);
	g_test_add_func("/e1000/rx/vlan-short", test_vlan_short);
	g_test_add_func("/e1000/rx/vlan-filter", test_vlan_filter);
	g_test_add_func("/e1000/rx/csum", test_csum);
	g_test_add_func("/e1000/rx/csum-open", test_csum_open);
	g_test_add_func("/e1000/rx/csum-82543gc", test_csum_82543gc);
	g_test_add_func("/e1000/rx/packet-csum", test_packet_csum);
	g_test_add_func("/e1000/rx/full", test_full);
	g_test_add_func("/e1000/rx/full-let-go", test_full_let_go);
	g_test_add_func("/e1000/rx/missed", test_missed);
	g_test_add_func("/e1000/rx/threshold", test_threshold);
	g_test_add_func("/e1000/rx/small-packets", test_small_packets);
	g_test_add_func("/e1000/rx/stats", test_stats);
	g_test_add_func("/e1000/rx/loop", test_loop);
	g_test_add_func("/e1000/rx/loop-tso", test_loop_tso);
	g_test_add_func("/e1000/rx/loop-same-memory", test_loop_same_memory);
	return g_test_run();
}
