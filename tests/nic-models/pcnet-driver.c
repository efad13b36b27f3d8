/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcnet-driver.c - the driver's side of a PCnet chip in the harness. */
#include "pcnet-driver.h"

#include <string.h>

#include "jackfield/util.h"

static const char *plugin;

void
pc_init(int *argc, char ***argv)
{
	g_test_init(argc, argv, NULL);
	g_assert_cmpint(*argc, >=, 2);
	plugin = (*argv)[1];
}

static void
put16(PcDriver *d, guint32 at, guint16 value)
{
	value = GUINT16_TO_LE(value);
	memcpy(d->ram + (at - PC_RAM), &value, 2);
}

static void
put32(PcDriver *d, guint32 at, guint32 value)
{
	value = GUINT32_TO_LE(value);
	memcpy(d->ram + (at - PC_RAM), &value, 4);
}

static guint16
get16(PcDriver *d, guint32 at)
{
	guint16 value;

	memcpy(&value, d->ram + (at - PC_RAM), 2);
	return GUINT16_FROM_LE(value);
}

static guint32
get32(PcDriver *d, guint32 at)
{
	return get16(d, at) | (guint32)get16(d, at + 2) << 16;
}

/* ---- Life ---- */

void
pc_make_card(PcDriver *d, const char *id, const JfCardInfo *card)
{
	g_autoptr(GError) error = NULL;
	const JfDriver *driver = jf_harness_load(plugin, id, &error);

	g_assert_no_error(error);
	*d = (PcDriver){ .h = jf_harness_new(driver, NULL, &error),
			 .style = 2,
			 .rx_log2 = 4,
			 .tx_log2 = 4,
			 .rx_buffer = PC_BUFFER,
			 .mac = { 8, 0, 0x27, 0, 0, 1 } };
	g_assert_no_error(error);
	if (card)
		jf_harness_set_card(d->h, card);
	d->ram = jf_harness_add_memory(d->h, PC_RAM, PC_RAM_LEN, TRUE);
	g_assert_true(jf_harness_init(d->h, &error));
	g_assert_true(jf_harness_start(d->h, &error));
	g_assert_no_error(error);
}

void
pc_make(PcDriver *d, const char *id)
{
	pc_make_card(d, id, NULL);
}

void
pc_turn(PcDriver *d)
{
	for (guint i = 0; i < 1000 && jf_harness_poll(d->h, 0) > 0; i++)
		;
}

static void
make_rings(PcDriver *d)
{
	d->rx = d->tx = d->tx_done = 0;
	for (guint i = 0; i < 1u << d->rx_log2; i++)
		pc_rx_set(d, i, PC_RX_BUFFERS + i * PC_BUFFER, PC_OWN, d->rx_buffer);
	for (guint i = 0; i < 1u << d->tx_log2; i++)
		pc_tx_set(d, i, 0, 0, 1);
}

static void
make_block(PcDriver *d)
{
	guint8 *at = d->ram + (PC_BLOCK - PC_RAM);
	gboolean wide = d->style != 0;

	put16(d, PC_BLOCK, d->mode);
	at[2] = (guint8)(d->rx_log2 << 4);
	at[3] = (guint8)(d->tx_log2 << 4);
	memcpy(at + (wide ? 4 : 2), d->mac, 6);
	memcpy(at + (wide ? 12 : 8), d->ladrf, 8);
	put32(d, PC_BLOCK + (wide ? 20 : 16), PC_RX_RING | (wide ? 0 : d->rx_log2 << 29));
	put32(d, PC_BLOCK + (wide ? 24 : 20), PC_TX_RING | (wide ? 0 : d->tx_log2 << 29));
}

void
pc_run(PcDriver *d)
{
	pc_bcr_set(d, 20, (guint16)d->style);
	make_rings(d);
	make_block(d);
	pc_csr_set(d, 1, (guint16)PC_BLOCK);
	pc_csr_set(d, 2, PC_BLOCK >> 16);
	pc_csr_set(d, 4, 0x0915);
	pc_csr_set(d, 0, PC_INIT);
	g_assert_cmphex(pc_csr(d, 0) & 0x0105, ==, PC_IDON | PC_INIT);
	pc_csr_set(d, 0, PC_IDON | PC_IENA | PC_STRT);
	pc_turn(d);
}

void
pc_run_by_csr(PcDriver *d)
{
	pc_bcr_set(d, 20, (guint16)d->style);
	make_rings(d);
	for (guint i = 0; i < 4; i++)
		pc_csr_set(d, 8 + i, (guint16)(d->ladrf[2 * i] | d->ladrf[2 * i + 1] << 8));
	for (guint i = 0; i < 3; i++)
		pc_csr_set(d, 12 + i, (guint16)(d->mac[2 * i] | d->mac[2 * i + 1] << 8));
	pc_csr_set(d, 15, d->mode);
	pc_csr_set(d, 24, (guint16)PC_RX_RING);
	pc_csr_set(d, 25, PC_RX_RING >> 16);
	pc_csr_set(d, 30, (guint16)PC_TX_RING);
	pc_csr_set(d, 31, PC_TX_RING >> 16);
	pc_csr_set(d, 76, (guint16) - (1 << d->rx_log2));
	pc_csr_set(d, 78, (guint16) - (1 << d->tx_log2));
	pc_csr_set(d, 0, PC_IENA | PC_STRT);
	pc_turn(d);
}

void
pc_open(PcDriver *d, const char *id, guint style, guint rx_log2, guint tx_log2)
{
	pc_make(d, id);
	d->style = style;
	d->rx_log2 = rx_log2;
	d->tx_log2 = tx_log2;
	pc_run(d);
}

void
pc_close(PcDriver *d)
{
	g_assert_null(jf_harness_get_violation(d->h));
	g_assert_null(jf_harness_get_failure(d->h));
	jf_harness_free(d->h);
}

/* ---- Registers ---- */

static guint16
reg_read(PcDriver *d, guint reg, guint offset)
{
	if (d->dwio) {
		jf_harness_bar_write(d->h, 0, 0x14, 4, reg);
		return (guint16)jf_harness_bar_read(d->h, 0, offset ? 0x1c : 0x10, 4);
	}
	jf_harness_bar_write(d->h, 0, 0x12, 2, reg);
	return (guint16)jf_harness_bar_read(d->h, 0, 0x10 + offset, 2);
}

static void
reg_write(PcDriver *d, guint reg, guint offset, guint16 value)
{
	if (d->dwio) {
		jf_harness_bar_write(d->h, 0, 0x14, 4, reg);
		jf_harness_bar_write(d->h, 0, offset ? 0x1c : 0x10, 4, value);
	} else {
		jf_harness_bar_write(d->h, 0, 0x12, 2, reg);
		jf_harness_bar_write(d->h, 0, 0x10 + offset, 2, value);
	}
}

guint16
pc_csr(PcDriver *d, guint reg)
{
	return reg_read(d, reg, 0);
}

void
pc_csr_set(PcDriver *d, guint reg, guint16 value)
{
	reg_write(d, reg, 0, value);
}

guint16
pc_bcr(PcDriver *d, guint reg)
{
	return reg_read(d, reg, 6);
}

void
pc_bcr_set(PcDriver *d, guint reg, guint16 value)
{
	reg_write(d, reg, 6, value);
}

void
pc_reset(PcDriver *d)
{
	jf_harness_bar_read(d->h, 0, d->dwio ? 0x18 : 0x14, d->dwio ? 4 : 2);
}

/* ---- Descriptors ---- */

static guint32
address_of(PcDriver *d, guint32 ring, guint i)
{
	return ring + i * (d->style ? 16 : 8);
}

static void
descriptor_set(PcDriver *d, guint32 at, guint32 buffer, guint16 status, guint len)
{
	guint16 bcnt = (guint16)(0xf000u | (0x1000u - len));

	if (d->style == 0) {
		put16(d, at, (guint16)buffer);
		put16(d, at + 4, bcnt);
		put16(d, at + 6, 0);
		put16(d, at + 2, (guint16)((status & 0xff00) | buffer >> 16));
		return;
	}
	put32(d, at + (d->style == 3 ? 8 : 0), buffer);
	put32(d, at + (d->style == 3 ? 0 : 8), 0);
	put16(d, at + 4, bcnt);
	put16(d, at + 6, status);
}

static guint16
status_of(PcDriver *d, guint32 at)
{
	return d->style == 0 ? get16(d, at + 2) & 0xff00 : get16(d, at + 6);
}

static guint32
extra_of(PcDriver *d, guint32 at)
{
	return d->style == 0 ? get16(d, at + 6) : get32(d, at + (d->style == 3 ? 0 : 8));
}

void
pc_rx_set(PcDriver *d, guint i, guint32 buffer, guint16 status, guint len)
{
	descriptor_set(d, address_of(d, PC_RX_RING, i), buffer, status, len);
}

void
pc_tx_set(PcDriver *d, guint i, guint32 buffer, guint16 status, guint len)
{
	descriptor_set(d, address_of(d, PC_TX_RING, i), buffer, status, len);
}

guint16
pc_rx_status(PcDriver *d, guint i)
{
	return status_of(d, address_of(d, PC_RX_RING, i));
}

guint16
pc_tx_status(PcDriver *d, guint i)
{
	return status_of(d, address_of(d, PC_TX_RING, i));
}

guint32
pc_rx_extra(PcDriver *d, guint i)
{
	return extra_of(d, address_of(d, PC_RX_RING, i));
}

guint32
pc_tx_extra(PcDriver *d, guint i)
{
	guint32 extra = extra_of(d, address_of(d, PC_TX_RING, i));

	return d->style == 0 ? extra << 16 : extra;
}

/* ---- Frames ---- */

gboolean
pc_queue(PcDriver *d, const guint8 *data, guint len, guint pieces, guint16 bits)
{
	guint ring = 1u << d->tx_log2, first = d->tx, done = 0;

	for (guint i = 0; i < pieces; i++)
		if (pieces > ring || (pc_tx_status(d, (first + i) % ring) & PC_OWN))
			return FALSE;
	for (guint i = 0; i < pieces; i++) {
		guint at = (first + i) % ring, n = i + 1 < pieces ? len / pieces : len - done;
		guint32 buffer = PC_TX_BUFFERS + at * PC_BUFFER;
		guint16 status = (guint16)((i ? PC_OWN : 0) | (i ? 0 : PC_STP) |
					   (i + 1 == pieces ? PC_ENP | bits : 0));

		memcpy(d->ram + (buffer - PC_RAM), data + done, n);
		done += n;
		pc_tx_set(d, at, buffer, status, n);
	}
	/* The first one last. */
	pc_tx_set(d, first, PC_TX_BUFFERS + first * PC_BUFFER,
		  (guint16)(pc_tx_status(d, first) | PC_OWN), pieces > 1 ? len / pieces : len);
	d->tx = (first + pieces) % ring;
	return TRUE;
}

void
pc_demand(PcDriver *d)
{
	pc_csr_set(d, 0, PC_IENA | PC_TDMD);
	pc_turn(d);
}

guint
pc_take(PcDriver *d, guint8 *data, guint16 *status)
{
	guint ring = 1u << d->rx_log2, done = 0;

	for (guint n = 0; n < ring; n++) {
		guint i = d->rx;
		guint16 now = pc_rx_status(d, i);
		guint len = now & PC_ENP ? (pc_rx_extra(d, i) & 0xfff) - done : d->rx_buffer;

		if (now & PC_OWN)
			return 0;
		g_assert_true(((now & PC_STP) != 0) == (done == 0));
		memcpy(data + done, d->ram + (PC_RX_BUFFERS + i * PC_BUFFER - PC_RAM), len);
		done += len;
		pc_rx_set(d, i, PC_RX_BUFFERS + i * PC_BUFFER, PC_OWN, d->rx_buffer);
		d->rx = (i + 1) % ring;
		if (status)
			*status = now;
		if (now & (PC_ENP | PC_ERR))
			return done;
	}
	g_assert_not_reached();
}

void
pc_fill(PcDriver *d, guint8 *frame, guint len, const guint8 *dst, guint seq)
{
	for (guint i = 0; i < len; i++)
		frame[i] = (guint8)(seq * 7 + i * 13 + i / 256);
	memcpy(frame, dst ? dst : d->mac, MIN(6, len));
	if (len > 12)
		frame[12] = 0x08; /* no length field */
}

static guint32
fcs_of(const guint8 *data, guint len)
{
	guint32 crc = 0xffffffffu;

	for (guint i = 0; i < len; i++) {
		crc ^= data[i];
		for (guint k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

void
pc_expect_out(PcDriver *d, const guint8 *frame, guint len)
{
	g_autoptr(JfHarnessFrame) out = jf_harness_pull(d->h, 0);

	g_assert_nonnull(out);
	g_assert_cmpuint(out->len, ==, MAX(len, 60));
	g_assert_cmpmem(out->data, len, frame, len);
	for (guint i = len; i < out->len; i++)
		g_assert_cmpuint(out->data[i], ==, 0);
}

void
pc_expect_in(PcDriver *d, const guint8 *frame, guint len)
{
	guint8 data[8192];
	guint full = MAX(len, 60);
	guint32 fcs;
	guint16 status;

	g_assert_true(jf_harness_push_bytes(d->h, 0, frame, len));
	g_assert_cmpuint(pc_take(d, data, &status), ==, full + 4);
	g_assert_cmpmem(data, len, frame, len);
	fcs = GUINT32_TO_LE(fcs_of(data, full));
	g_assert_cmpmem(data + full, 4, &fcs, 4);
	g_assert_false(status & PC_ERR);
}
