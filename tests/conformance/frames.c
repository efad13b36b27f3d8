/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frames.c - frames of every length, with hostile contents, and with offloads.
 *
 * The harness hands a driver what the core would: a frame of 0, 1 or 13 bytes ends there, counted.
 * Behind that the driver must take, drop or refuse; it is the sanitizer that says how it went.
 */
#include "conformance.h"

#include "jackfield/util.h"

#include <string.h>

static const gsize lengths[] = {
	0, 1, 13, 14, 15, 33, 34, 41, 42, 59, 60, 1514, 1518, 9018, 65549
};
static const guint16 types[] = { 0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 0x88cc, 0x0001, 0xffff };

static void
settle(JfHarness *h)
{
	for (guint i = 0; i < 4; i++) {
		jf_harness_poll(h, 0);
		pull_all(h);
		jf_harness_crank(h, TURN_NS);
	}
	check_clean(h);
}

/* Ports at which frames come in: the driver's own, then those on networks. */
static guint
input_ports(JfHarness *h, guint ports[], guint most)
{
	guint n = 0;

	for (guint i = 0; i < jf_harness_get_ports(h) && n < most; i++)
		ports[n++] = i;
	for (guint i = 0; i < jf_harness_get_joins(h) && n < most; i++)
		if (jf_harness_get_join(h, i, NULL))
			ports[n++] = JF_HARNESS_SWITCH(i);
	return n;
}

static void
push_everywhere(JfHarness *h, const JfFrame *frame)
{
	guint ports[8], n = input_ports(h, ports, G_N_ELEMENTS(ports));

	for (guint i = 0; i < n; i++)
		jf_harness_push(h, ports[i], frame, 1);
	settle(h);
}

static void
push_length(JfHarness *h, gsize len, guint16 type, GRand *rand)
{
	g_autofree guint8 *data = g_malloc(MAX(len, 14));
	struct iovec piece = { data, len };
	JfFrame frame = jf_frame_plain(&piece);

	for (gsize i = 0; i < len; i++)
		data[i] = (guint8)g_rand_int(rand);
	data[0] &= 0xfe;
	data[6] &= 0xfe;
	jf_put_be16(data + 12, type);
	if (len > 14 && g_rand_boolean(rand))
		data[14] = type == 0x86dd ? 0x60 : 0x45;
	push_everywhere(h, &frame);
}

static void
test_lengths(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	JfHarness *h = case_start(c, FALSE);
	guint short_ones = 0;

	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
		short_ones += lengths[i] < JF_FRAME_MIN_LEN;
		for (guint k = 0; k < G_N_ELEMENTS(types); k++) {
			jf_harness_set_pieces(h, 1);
			push_length(h, lengths[i], types[k], rand);
			jf_harness_set_pieces(h, 2 + g_rand_int(rand) % 8);
			push_length(h, lengths[i], types[k], rand);
		}
	}
	for (guint i = 0; i < jf_harness_get_ports(h); i++)
		g_assert_cmpuint(jf_harness_get_drops(h, i), >=,
				 short_ones * 2 * G_N_ELEMENTS(types));
	case_end(h);
}

/* A batch as large as they come, of frames that all differ in length. */
static void
test_batches(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);
	guint ports[8], n = input_ports(h, ports, G_N_ELEMENTS(ports));
	JfFrame frames[JF_BATCH_MAX];
	struct iovec pieces[JF_BATCH_MAX];

	for (guint i = 0; i < JF_BATCH_MAX; i++) {
		pieces[i] = (struct iovec){ numbered_frame(i, 60 + 13 * i), 60 + 13 * i };
		frames[i] = jf_frame_plain(&pieces[i]);
	}
	for (guint i = 0; i < n; i++) {
		jf_harness_push(h, ports[i], frames, JF_BATCH_MAX);
		jf_harness_push(h, ports[i], frames, 0);
		settle(h);
	}
	for (guint i = 0; i < JF_BATCH_MAX; i++)
		g_free(pieces[i].iov_base);
	case_end(h);
}

/* A frame with offloads: headers that are right, and `payload` bytes. */
typedef struct Offload {
	guint32 bit;
	guint8 gso_type, protocol;
	guint16 type, csum_offset, l4_len;
} Offload;

static const Offload offloads[] = {
	{ JF_OFFLOAD_CSUM, JF_GSO_NONE, 6, 0x0800, 16, 20 },
	{ JF_OFFLOAD_TSO4, JF_GSO_TCPV4, 6, 0x0800, 16, 20 },
	{ JF_OFFLOAD_TSO6, JF_GSO_TCPV6, 6, 0x86dd, 16, 20 },
	{ JF_OFFLOAD_TSO4 | JF_OFFLOAD_TSO_ECN, JF_GSO_TCPV4 | JF_GSO_ECN, 6, 0x0800, 16, 20 },
	{ JF_OFFLOAD_UFO, JF_GSO_UDP, 17, 0x0800, 6, 8 },
	{ JF_OFFLOAD_USO, JF_GSO_UDP_L4, 17, 0x0800, 6, 8 },
};

static guint32
pseudo_sum(const guint8 *addresses, gsize len, guint8 protocol, guint16 l4_len)
{
	return jf_csum_add(0, addresses, len) + GUINT16_TO_BE(protocol) + GUINT16_TO_BE(l4_len);
}

static void
fill_ip(guint8 *ip, const Offload *offload, guint16 l4_len)
{
	if (offload->type == 0x86dd) {
		ip[0] = 0x60;
		jf_put_be16(ip + 4, l4_len);
		ip[6] = offload->protocol;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
	} else {
		ip[0] = 0x45;
		jf_put_be16(ip + 2, l4_len + 20);
		ip[8] = 64;
		ip[9] = offload->protocol;
		jf_put_be32(ip + 12, 0x0a00020f);
		jf_put_be32(ip + 16, 0x0a000202);
	}
}

static JfHarnessFrame *
offload_frame(const Offload *offload, guint payload)
{
	guint ip_len = offload->type == 0x86dd ? 40 : 20;
	guint l4 = 14 + ip_len, len = l4 + offload->l4_len + payload;
	g_autofree guint8 *data = numbered_frame(1, MAX(len, 60));
	struct iovec piece = { data, len };
	JfFrame frame = jf_frame_plain(&piece);
	guint16 l4_len = (guint16)(len - l4), sum;

	jf_put_be16(data + 12, offload->type);
	memset(data + 14, 0, ip_len + offload->l4_len);
	fill_ip(data + 14, offload, l4_len);
	jf_put_be16(data + l4, 40000);
	jf_put_be16(data + l4 + 2, 9);
	if (offload->protocol == 6)
		data[l4 + 12] = 0x50;
	else
		jf_put_be16(data + l4 + 4, l4_len);
	sum = jf_csum_fold(offload->type == 0x86dd
				   ? pseudo_sum(data + 22, 32, offload->protocol, l4_len)
				   : pseudo_sum(data + 26, 8, offload->protocol, l4_len));
	memcpy(data + l4 + offload->csum_offset, &sum, 2);
	frame.flags = JF_FRAME_NEEDS_CSUM;
	frame.gso_type = offload->gso_type;
	frame.gso_size = offload->gso_type ? 1448 : 0;
	frame.hdr_len = (guint16)(l4 + offload->l4_len);
	frame.csum_start = (guint16)l4;
	frame.csum_offset = offload->csum_offset;
	return jf_harness_frame_new(&frame);
}

static void
test_offloads(gconstpointer data)
{
	static const guint payloads[] = { 0, 1, 1447, 1448, 1449, 9000, 65000 };
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);

	for (guint i = 0; i < G_N_ELEMENTS(offloads); i++)
		for (guint k = 0; k < G_N_ELEMENTS(payloads); k++) {
			g_autoptr(JfHarnessFrame) frame = offload_frame(&offloads[i], payloads[k]);

			jf_harness_set_pieces(h, 1 + (i + k) % 5);
			push_everywhere(h, &frame->frame);
		}
	case_end(h);
}

/* Ways in which a frame's fields and its bytes can disagree. */
static void
spoil(JfHarnessFrame *f, guint how)
{
	switch (how) {
	case 0:
		f->frame.gso_size = 0;
		break;
	case 1:
		f->frame.gso_size = 1;
		break;
	case 2:
		f->frame.gso_size = 0xffff;
		break;
	case 3:
		f->frame.hdr_len = 0;
		break;
	case 4:
		f->frame.hdr_len = 0xffff;
		break;
	case 5:
		f->frame.csum_start = 0;
		break;
	case 6:
		f->frame.csum_start = (guint16)MIN(f->len, 0xffff);
		break;
	case 7:
		f->frame.csum_offset = 0xffff;
		break;
	case 8:
		f->frame.flags = 0;
		break;
	case 9:
		f->frame.gso_type = 2;
		break;
	case 10:
		f->data[14] |= 0x0f;
		break;
	case 11:
		f->data[f->frame.csum_start + 12] |= 0xf0;
		break;
	case 12:
		f->data[12] ^= 0xff;
		break;
	case 13:
		memset(f->data + 14, 0xff, MIN(f->len - 14, 60));
		break;
	case 14:
		f->frame.csum_start = (guint16)(f->len - 2 - f->frame.csum_offset);
		break;
	default:
		memset(f->data + 16, 0, 4);
		break;
	}
}

static void
test_broken_offloads(gconstpointer data)
{
	g_autoptr(Case) c = case_new(data);
	JfHarness *h = case_start(c, FALSE);

	for (guint i = 0; i < G_N_ELEMENTS(offloads); i++)
		for (guint how = 0; how < 16; how++) {
			g_autoptr(JfHarnessFrame) small = offload_frame(&offloads[i], 6);
			g_autoptr(JfHarnessFrame) large = offload_frame(&offloads[i], 4000);

			spoil(small, how);
			push_everywhere(h, &small->frame);
			spoil(large, how);
			push_everywhere(h, &large->frame);
		}
	case_end(h);
}

void
frames_add(const Subject *subject)
{
	add_case(subject, "frames/lengths", test_lengths);
	add_case(subject, "frames/batches", test_batches);
	add_case(subject, "frames/offloads", test_offloads);
	add_case(subject, "frames/broken-offloads", test_broken_offloads);
}
