/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-driver.c - what a guest's driver does with an 8254x, in the harness. */
#include "e1000-driver.h"

#include <string.h>

static const char *plugin;

const guint8 nic_mac[6] = { 0x08, 0x00, 0x27, 0xaa, 0xbb, 0xcc };

void
nic_main(int *argc, char ***argv)
{
	g_test_init(argc, argv, NULL);
	g_assert_cmpint(*argc, ==, 2);
	plugin = (*argv)[1];
}

Nic *
nic_new_with(const char *model, const char *const *properties)
{
	JfCardInfo card = { .struct_size = sizeof card, .machine = "test" };
	g_autoptr(GError) error = NULL;
	Nic *nic = g_new0(Nic, 1);
	const JfDriver *driver = jf_harness_load(plugin, model ? model : "82540EM", &error);

	g_assert_no_error(error);
	memcpy(card.mac, nic_mac, 6);
	nic->h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	jf_harness_set_card(nic->h, &card);
	nic->memory = jf_harness_add_memory(nic->h, 0, NIC_MEMORY, TRUE);
	nic->below = jf_harness_add_memory(nic->h, NIC_SPLIT - NIC_SPLIT_LEN, NIC_SPLIT_LEN, TRUE);
	nic->above = jf_harness_add_memory(nic->h, NIC_SPLIT, NIC_SPLIT_LEN, TRUE);
	jf_harness_init(nic->h, &error);
	g_assert_no_error(error);
	jf_harness_start(nic->h, &error);
	g_assert_no_error(error);
	return nic;
}

Nic *
nic_new(const char *model)
{
	return nic_new_with(model, NULL);
}

void
nic_run(Nic *nic)
{
	for (guint i = 0; i < 100 && jf_harness_poll(nic->h, 0); i++)
		;
}

void
nic_link_up(Nic *nic)
{
	nic_set(nic, E1000_CTRL, CTRL_SLU);
	jf_harness_crank(nic->h, 1000 * MS);
	nic_run(nic);
}

Nic *
nic_up(const char *model)
{
	Nic *nic = nic_new(model);

	nic_link_up(nic);
	nic_tx_ring(nic, 64);
	nic_rx_ring(nic, 64, 2048);
	nic_read(nic, E1000_ICR);
	return nic;
}

void
nic_free(Nic *nic)
{
	g_assert_cmpstr(jf_harness_get_violation(nic->h), ==, NULL);
	jf_harness_stop(nic->h);
	jf_harness_finish(nic->h);
	g_assert_cmpstr(jf_harness_get_violation(nic->h), ==, NULL);
	jf_harness_free(nic->h);
	g_free(nic);
}

guint32
nic_read(Nic *nic, guint32 reg)
{
	return (guint32)jf_harness_bar_read(nic->h, 0, reg, 4);
}

void
nic_write(Nic *nic, guint32 reg, guint32 value)
{
	jf_harness_bar_write(nic->h, 0, reg, 4, value);
}

void
nic_set(Nic *nic, guint32 reg, guint32 bits)
{
	nic_write(nic, reg, nic_read(nic, reg) | bits);
}

void
nic_clear(Nic *nic, guint32 reg, guint32 bits)
{
	nic_write(nic, reg, nic_read(nic, reg) & ~bits);
}

guint16
nic_phy_read(Nic *nic, guint reg)
{
	guint32 mdic;

	nic_write(nic, E1000_MDIC, MDIC_OP_READ | 1u << MDIC_PHY_SHIFT | reg << MDIC_REG_SHIFT);
	mdic = nic_read(nic, E1000_MDIC);
	g_assert_cmphex(mdic & (MDIC_R | MDIC_E), ==, MDIC_R);
	return (guint16)mdic;
}

void
nic_phy_write(Nic *nic, guint reg, guint16 value)
{
	nic_write(nic, E1000_MDIC,
		  MDIC_OP_WRITE | 1u << MDIC_PHY_SHIFT | reg << MDIC_REG_SHIFT | value);
	g_assert_cmphex(nic_read(nic, E1000_MDIC) & (MDIC_R | MDIC_E), ==, MDIC_R);
}

/* ---- Transmit ---- */

void
nic_tx_ring(Nic *nic, guint len)
{
	memset(nic->memory + NIC_TX_RING, 0, len * 16);
	nic->tx_len = len;
	nic->tx_tail = 0;
	nic_write(nic, E1000_TDBAL, NIC_TX_RING);
	nic_write(nic, E1000_TDBAH, 0);
	nic_write(nic, E1000_TDLEN, len * 16);
	nic_write(nic, E1000_TDH, 0);
	nic_write(nic, E1000_TDT, 0);
	nic_write(nic, E1000_TCTL, TCTL_EN | TCTL_PSP);
}

static void
put_le32(guint8 *p, guint32 value)
{
	value = GUINT32_TO_LE(value);
	memcpy(p, &value, sizeof value);
}

static guint32
get_le32(const guint8 *p)
{
	guint32 value;

	memcpy(&value, p, sizeof value);
	return GUINT32_FROM_LE(value);
}

void
nic_tx_desc(Nic *nic, guint64 address, guint32 lower, guint32 upper)
{
	guint8 *desc = nic->memory + NIC_TX_RING + 16 * nic->tx_tail;

	put_le32(desc, (guint32)address);
	put_le32(desc + 4, (guint32)(address >> 32));
	put_le32(desc + 8, lower);
	put_le32(desc + 12, upper);
	nic->tx_tail = (nic->tx_tail + 1) % nic->tx_len;
}

void
nic_tx_legacy(Nic *nic, guint64 address, guint len, guint8 cmd)
{
	nic_tx_desc(nic, address, len | (guint32)cmd << 24, 0);
}

void
nic_tx_data(Nic *nic, guint64 address, guint len, guint8 cmd, guint8 popts, guint16 special)
{
	nic_tx_desc(nic, address, len | 1u << 20 | (guint32)(cmd | TXD_DEXT) << 24,
		    (guint32)popts << 8 | (guint32)special << 16);
}

void
nic_tx_kick(Nic *nic)
{
	nic_write(nic, E1000_TDT, nic->tx_tail);
	nic_run(nic);
}

gboolean
nic_tx_is_done(Nic *nic, guint index)
{
	return (nic->memory[NIC_TX_RING + 16 * index + 12] & 1) != 0;
}

void
nic_tx_context(Nic *nic, const TxContext *c)
{
	guint l4 = c->l3 + (c->ipv6 ? 40 : 20);
	guint64 ip = c->l3 | (c->l3 + 10) << 8 | (c->ipv6 ? 0 : (l4 - 1) << 16);
	guint64 transport = l4 | (l4 + (c->udp ? 6 : 16)) << 8;
	guint32 tucmd = TXD_DEXT | (c->udp ? 0 : TUCMD_TCP) | (c->ipv6 ? 0 : TUCMD_IP) |
			(c->tso ? TXD_TSE : 0);

	nic_tx_desc(nic, ip | transport << 32, c->paylen | tucmd << 24,
		    c->hdrlen << 8 | c->mss << 16);
}

/* ---- Receive ---- */

void
nic_rx_ring(Nic *nic, guint len, guint size)
{
	static const guint sizes[] = { 2048, 1024, 512, 256 };
	guint32 rctl = RCTL_EN | RCTL_BAM;

	memset(nic->memory + NIC_RX_RING, 0, len * 16);
	for (guint i = 0; i < len; i++)
		put_le32(nic->memory + NIC_RX_RING + 16 * i, NIC_BUFFERS + NIC_BUFFER_STEP * i);
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		if (size == sizes[i])
			rctl |= i << RCTL_BSIZE_SHIFT;
		if (size > 2048 && size == sizes[i] * 16)
			rctl |= i << RCTL_BSIZE_SHIFT | RCTL_BSEX;
	}
	nic->rx_len = len;
	nic->rx_tail = len - 1;
	nic->rx_next = 0;
	nic->rx_size = size;
	nic_write(nic, E1000_RDBAL, NIC_RX_RING);
	nic_write(nic, E1000_RDBAH, 0);
	nic_write(nic, E1000_RDLEN, len * 16);
	nic_write(nic, E1000_RDH, 0);
	nic_write(nic, E1000_RDT, nic->rx_tail);
	nic_write(nic, E1000_RCTL, rctl);
}

RxDesc
nic_rx_desc(Nic *nic, guint index)
{
	const guint8 *raw = nic->memory + NIC_RX_RING + 16 * index;

	return (RxDesc){ .address = get_le32(raw) | (guint64)get_le32(raw + 4) << 32,
			 .len = (guint16)get_le32(raw + 8),
			 .csum = (guint16)(get_le32(raw + 8) >> 16),
			 .status = raw[12],
			 .errors = raw[13],
			 .special = (guint16)(raw[14] | raw[15] << 8) };
}

static void
give_back(Nic *nic)
{
	guint8 *raw = nic->memory + NIC_RX_RING + 16 * nic->rx_next;

	memset(raw + 8, 0, 8);
	nic->rx_next = (nic->rx_next + 1) % nic->rx_len;
	nic->rx_tail = (nic->rx_tail + 1) % nic->rx_len;
	nic_write(nic, E1000_RDT, nic->rx_tail);
}

guint8 *
nic_receive(Nic *nic, gsize *len, RxDesc *last)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	RxDesc d;

	do {
		d = nic_rx_desc(nic, nic->rx_next);
		if (!(d.status & RXD_DD)) {
			g_assert_cmpuint(bytes->len, ==, 0);
			return NULL;
		}
		g_assert_cmpuint(d.len, <=, nic->rx_size);
		g_assert_cmpuint(d.address + d.len, <=, NIC_MEMORY);
		g_byte_array_append(bytes, nic->memory + d.address, d.len);
		give_back(nic);
	} while (!(d.status & RXD_EOP));
	*len = bytes->len;
	if (last)
		*last = d;
	return g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

gboolean
nic_push(Nic *nic, gconstpointer data, gsize len)
{
	gboolean taken = jf_harness_push_bytes(nic->h, 0, data, len);

	nic_run(nic);
	return taken;
}

/* ---- Frames ---- */

guint
frame_l4(const FrameKind *kind)
{
	return 14 + (kind->tagged ? 4 : 0) + (kind->ipv6 ? 40 : 20);
}

static guint
header_len(const FrameKind *kind)
{
	return frame_l4(kind) + (kind->udp ? 8 : 20);
}

/* Pseudo-header sum with `len` bytes of transport. */
static guint64
pseudo_sum(const guint8 *ip, gboolean ipv6, guint8 protocol, guint len)
{
	guint8 tail[4] = { 0, protocol };

	jf_put_be16(tail + 2, (guint16)len);
	return jf_csum_add(jf_csum_add(0, ip + (ipv6 ? 8 : 12), ipv6 ? 32 : 8), tail, 4);
}

static void
put_sum(guint8 *field, guint16 sum)
{
	memcpy(field, &sum, sizeof sum);
}

static void
put_ip(guint8 *ip, const FrameKind *kind, guint l4_len)
{
	if (kind->ipv6) {
		ip[0] = 0x60;
		jf_put_be16(ip + 4, (guint16)l4_len);
		ip[6] = kind->udp ? 17 : 6;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
		return;
	}
	ip[0] = 0x45;
	jf_put_be16(ip + 2, (guint16)(20 + l4_len));
	jf_put_be16(ip + 4, 0x1234);
	ip[8] = 64;
	ip[9] = kind->udp ? 17 : 6;
	jf_put_be32(ip + 12, 0x0a000001);
	jf_put_be32(ip + 16, 0x0a000002);
	put_sum(ip + 10, (guint16)~jf_csum_fold(jf_csum_add(0, ip, 20)));
}

guint8 *
frame_make(const FrameKind *kind, gsize payload, gsize *len)
{
	guint head = header_len(kind), l4 = frame_l4(kind), l3 = kind->tagged ? 18 : 14;
	guint8 *f = g_malloc0(head + payload), *t = f + l4;
	guint l4_len = (guint)(head - l4 + payload);
	guint64 sum;

	*len = head + payload;
	memcpy(f, kind->dst ? kind->dst : nic_mac, 6);
	memcpy(f + 6, "\x02\x00\x00\x00\x00\x09", 6);
	if (kind->tagged) {
		jf_put_be16(f + 12, 0x8100);
		jf_put_be16(f + 14, kind->tag);
	}
	jf_put_be16(f + l3 - 2, kind->ipv6 ? 0x86dd : 0x0800);
	put_ip(f + l3, kind, l4_len);
	for (gsize i = 0; i < payload; i++)
		f[head + i] = (guint8)(i * 7 + (i >> 8));
	jf_put_be16(t, 1000);
	jf_put_be16(t + 2, 2000);
	if (kind->udp) {
		jf_put_be16(t + 4, (guint16)l4_len);
	} else {
		jf_put_be32(t + 4, 100000);
		t[12] = 0x50;
		t[13] = 0x19; /* ACK, PSH, FIN */
	}
	sum = jf_csum_add(pseudo_sum(f + l3, kind->ipv6, kind->udp ? 17 : 6, l4_len), t, l4_len);
	put_sum(t + (kind->udp ? 6 : 16), (guint16)~jf_csum_fold(sum));
	return f;
}

void
frame_open(guint8 *f, gsize len, const FrameKind *kind, gboolean tso)
{
	guint l3 = kind->tagged ? 18 : 14, l4 = frame_l4(kind);
	guint l4_len = tso ? 0 : (guint)(len - l4);

	if (!kind->ipv6)
		put_sum(f + l3 + 10, 0);
	if (tso)
		jf_put_be16(f + l3 + (kind->ipv6 ? 4 : 2), 0);
	put_sum(f + l4 + (kind->udp ? 6 : 16),
		jf_csum_fold(pseudo_sum(f + l3, kind->ipv6, kind->udp ? 17 : 6, l4_len)));
}

gboolean
frame_is_good(const guint8 *f, gsize len)
{
	guint l3 = jf_get_be16(f + 12) == 0x8100 ? 18 : 14, l4, l4_len;
	gboolean ipv6 = jf_get_be16(f + l3 - 2) == 0x86dd;
	const guint8 *ip = f + l3;
	guint8 protocol = ip[ipv6 ? 6 : 9];

	l4 = l3 + (ipv6 ? 40 : 20);
	l4_len = ipv6 ? jf_get_be16(ip + 4) : jf_get_be16(ip + 2) - 20u;
	if (l4 + l4_len > len || (l4 + l4_len < len && len > 60))
		return FALSE;
	if (!ipv6 && jf_csum_fold(jf_csum_add(0, ip, 20)) != 0xffff)
		return FALSE;
	if (protocol == 17 && jf_get_be16(f + l4 + 4) != l4_len)
		return FALSE;
	return jf_csum_fold(jf_csum_add(pseudo_sum(ip, ipv6, protocol, l4_len), f + l4, l4_len)) ==
	       0xffff;
}
