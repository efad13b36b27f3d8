/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frame.c - frames: checks, copies, checksums, and segmentation against a receiver that puts the
 * payload together again. Everything here that parses or sums does it its own plain way.
 */
#include "jackfield/frame.h"
#include "jackfield/util.h"

#include <string.h>

#define PAYLOAD_MAX 65000u

/* ---- A plain second opinion ---- */

static guint
plain_be16(const guint8 *p)
{
	return (guint)p[0] << 8 | p[1];
}

/* RFC 1071 byte by byte; what is returned is not inverted and in host order. */
static guint
plain_sum(guint sum, const guint8 *p, gsize len)
{
	for (gsize i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (guint)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static guint
plain_pseudo(const guint8 *ip, guint protocol, guint len)
{
	const guint8 tail[4] = { 0, (guint8)protocol, (guint8)(len >> 8), (guint8)len };
	guint sum = ip[0] >> 4 == 4 ? plain_sum(0, ip + 12, 8) : plain_sum(0, ip + 8, 32);

	return plain_sum(sum, tail, 4);
}

/* ---- Frames to cut ---- */

typedef struct Shape {
	guint gso_type;
	gboolean is_ipv6;
	guint n_vlan;
	guint options; /* bytes of IPv4 options or IPv6 extension headers; multiple of 8 */
	guint tcp_options;
	guint payload;
	guint gso_size;
	gboolean no_csum; /* UFO only: the sender summed it */
	guint pad;        /* bytes behind the datagram */
} Shape;

typedef struct Sample {
	JfFrame frame;
	GByteArray *bytes;
	guint l3, l4, hdr; /* offsets */
	struct iovec pieces[JF_FRAME_MAX_IOV];
} Sample;

static gboolean
is_tcp(guint gso_type)
{
	return (gso_type & ~JF_GSO_ECN) == JF_GSO_TCPV4 || (gso_type & ~JF_GSO_ECN) == JF_GSO_TCPV6;
}

static void
add_ethernet(GByteArray *b, const Shape *shape)
{
	const guint8 macs[12] = { 8, 0, 0x27, 1, 2, 3, 8, 0, 0x27, 4, 5, 6 };
	const guint8 tags[3][4] = { { 0x88, 0xa8, 0, 7 }, { 0x81, 0, 0x20, 9 }, { 0x81, 0, 0, 1 } };

	g_byte_array_append(b, macs, 12);
	for (guint i = 0; i < shape->n_vlan; i++)
		g_byte_array_append(b, tags[i + 3 - shape->n_vlan], 4);
	g_byte_array_append(b, shape->is_ipv6 ? (const guint8 *)"\x86\xdd" : (const guint8 *)"\x08",
			    2);
}

static void
add_ipv4(GByteArray *b, const Shape *shape, guint len)
{
	/* Record route (stays with the first fragment), security (goes into all), end. */
	guint8 options[40] = { 7, 7, 4, 1, 2, 3, 4, 130, 11, 9, 9, 9, 9, 9, 9, 9, 9, 9 };
	guint8 ip[20] = {
		0x45, 0, 0, 0, 0xff, 0xfe, 0x40, 0, 64, 0, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2
	};

	ip[0] = (guint8)(0x45 + shape->options / 4);
	ip[2] = (guint8)((len + 20 + shape->options) >> 8);
	ip[3] = (guint8)(len + 20 + shape->options);
	ip[9] = is_tcp(shape->gso_type) ? 6 : 17;
	g_byte_array_append(b, ip, 20);
	g_byte_array_append(b, options, shape->options);
}

/* Extension headers: hop-by-hop of 8 bytes, then destination options with the rest. */
static void
add_ipv6(GByteArray *b, const Shape *shape, guint len)
{
	guint8 ip[40] = { 0x60, 1, 2, 3, 0, 0, 0, 64, 0xfe, 0x80 }, ext[512] = { 0 };
	guint8 last = is_tcp(shape->gso_type) ? 6 : 17;

	ip[4] = (guint8)((len + shape->options) >> 8);
	ip[5] = (guint8)(len + shape->options);
	ip[6] = shape->options ? 0 : last;
	ip[23] = 1;
	ip[24] = 0xfd;
	ip[39] = 2;
	g_byte_array_append(b, ip, 40);
	if (!shape->options)
		return;
	ext[0] = shape->options > 8 ? 60 : last;
	ext[8] = last;
	ext[9] = (guint8)((shape->options - 8) / 8 - 1);
	g_byte_array_append(b, ext, shape->options);
}

static void
add_transport(GByteArray *b, const Shape *shape, guint len)
{
	/* Every flag is set, the sequence number is about to wrap. */
	guint8 tcp[60] = { 0x30, 0x39, 0, 80, 0xff, 0xff, 0xff, 0, 1, 2, 3, 4, 0x50, 0xff, 0x20 };
	guint8 udp[8] = { 0x30, 0x39, 0, 53, (guint8)(len >> 8), (guint8)len };

	if (!is_tcp(shape->gso_type)) {
		g_byte_array_append(b, udp, 8);
		return;
	}
	tcp[12] = (guint8)((5 + shape->tcp_options / 4) << 4);
	memset(tcp + 20, 1, shape->tcp_options);
	g_byte_array_append(b, tcp, 20 + shape->tcp_options);
}

/* What the sender leaves in the checksum field. */
static void
set_partial(Sample *s, const Shape *shape, guint len)
{
	guint at = s->l4 + (is_tcp(shape->gso_type) ? 16 : 6);
	guint8 *p = s->bytes->data;
	guint sum = plain_pseudo(p + s->l3, is_tcp(shape->gso_type) ? 6 : 17, len);

	if (shape->no_csum) {
		sum = plain_sum(sum, p + s->l4, len) ^ 0xffff;
	} else {
		s->frame.flags = JF_FRAME_NEEDS_CSUM;
		s->frame.csum_start = (guint16)s->l4;
		s->frame.csum_offset = (guint16)(at - s->l4);
	}
	p[at] = (guint8)(sum >> 8);
	p[at + 1] = (guint8)sum;
}

/* The bytes in `n` heap blocks of exactly their size. */
static void
split(Sample *s, guint n)
{
	const guint8 *from = s->bytes->data;
	gsize left = s->bytes->len;

	for (guint i = 0; i < n; i++) {
		gsize most = left / (n - i) * 2;
		gsize len = i + 1 == n ? left : (gsize)g_random_int_range(0, (gint)most + 1);

		len = MIN(len, left);
		s->pieces[i] = (struct iovec){ g_malloc(len), len };
		if (len)
			memcpy(s->pieces[i].iov_base, from, len);
		from += len;
		left -= len;
	}
	s->frame.iov = s->pieces;
	s->frame.n_iov = n;
	s->frame.len = s->bytes->len;
}

static void
sample_init(Sample *s, const Shape *shape, guint n_pieces)
{
	guint len = shape->payload + (is_tcp(shape->gso_type) ? 20 + shape->tcp_options : 8);

	*s = (Sample){ .bytes = g_byte_array_new() };
	add_ethernet(s->bytes, shape);
	s->l3 = s->bytes->len;
	if (shape->is_ipv6)
		add_ipv6(s->bytes, shape, len);
	else
		add_ipv4(s->bytes, shape, len);
	s->l4 = s->bytes->len;
	add_transport(s->bytes, shape, len);
	s->hdr = s->bytes->len;
	for (guint i = 0; i < shape->payload; i++) {
		guint8 byte = (guint8)(i * 7 + i / 251);

		g_byte_array_append(s->bytes, &byte, 1);
	}
	set_partial(s, shape, len);
	for (guint i = 0; i < shape->pad; i++)
		g_byte_array_append(s->bytes, (const guint8 *)"\xee", 1);
	s->frame.gso_type = (guint8)shape->gso_type;
	s->frame.gso_size = (guint16)shape->gso_size;
	split(s, n_pieces);
}

static void
sample_finish(Sample *s)
{
	for (guint i = 0; i < s->frame.n_iov; i++)
		g_free(s->pieces[i].iov_base);
	g_byte_array_unref(s->bytes);
}

/* ---- The receiver ---- */

typedef struct Receiver {
	const Sample *sample;
	const Shape *shape;
	guint32 offloads;
	guint n, stop_after;
	guint8 *payload; /* PAYLOAD_MAX + 100 */
	guint len, max_len;
	guint32 id;
	gboolean done;
} Receiver;

/* What a receiver with checksum offload would do for itself. */
static void
complete(const JfFrame *frame, guint8 *bytes)
{
	guint at = frame->csum_start + frame->csum_offset;
	guint sum = plain_sum(0, bytes + frame->csum_start, frame->len - frame->csum_start) ^
		    0xffff;

	bytes[at] = (guint8)(sum >> 8);
	bytes[at + 1] = (guint8)sum;
}

/* Checks the IP header; returns the bytes behind it by its length. */
static guint
check_ip(const guint8 *ip, guint there)
{
	if (ip[0] >> 4 == 6) {
		g_assert_cmpuint(plain_be16(ip + 4), ==, there - 40);
		return there - 40;
	}
	g_assert_cmpuint(plain_be16(ip + 2), ==, there);
	g_assert_cmpuint(plain_sum(0, ip, (ip[0] & 15u) * 4), ==, 0xffff);
	return there - (ip[0] & 15u) * 4;
}

static void
check_tcp(const Receiver *r, const guint8 *tcp, gboolean is_last)
{
	const guint8 *first = r->sample->bytes->data + r->sample->l4;
	guint flags = 0xff;

	if (!is_last)
		flags &= ~0x09u;
	if (r->n > 0)
		flags &= ~0x80u;
	g_assert_cmphex(tcp[13], ==, flags);
	g_assert_cmphex(jf_get_be32(tcp + 4), ==, jf_get_be32(first + 4) + r->len);
	g_assert_cmpmem(tcp, 4, first, 4);
	g_assert_cmpmem(tcp + 8, 5, first + 8, 5);
	g_assert_cmpmem(tcp + 20, r->sample->hdr - r->sample->l4 - 20, first + 20,
			r->sample->hdr - r->sample->l4 - 20);
}

static void
receive_segment(Receiver *r, const guint8 *bytes, guint len)
{
	const Sample *s = r->sample;
	const guint8 *ip = bytes + s->l3, *l4 = bytes + s->l4;
	guint protocol = is_tcp(r->shape->gso_type) ? 6 : 17, n = len - s->hdr;

	check_ip(ip, len - s->l3);
	if (!r->shape->is_ipv6)
		g_assert_cmpuint(plain_be16(ip + 4), ==, (0xfffe + r->n) & 0xffff);
	r->done = r->len + n == r->shape->payload;
	g_assert_cmpuint(n, ==, MIN(r->shape->gso_size, r->shape->payload - r->len));
	g_assert_cmpuint(plain_sum(plain_pseudo(ip, protocol, len - s->l4), l4, len - s->l4), ==,
			 0xffff);
	if (protocol == 6)
		check_tcp(r, l4, r->done);
	else
		g_assert_cmpuint(plain_be16(l4 + 4), ==, len - s->l4);
	memcpy(r->payload + r->len, bytes + s->hdr, n);
	r->len += n;
}

static void
check_fragment(Receiver *r, guint word, guint more_bit, guint n)
{
	gboolean more = (word & more_bit) != 0;

	g_assert_cmpuint(r->shape->is_ipv6 ? word & 0xfff8 : (word & 0x1fff) * 8, ==, r->len);
	g_assert_cmpint(r->done, ==, FALSE);
	if (more)
		g_assert_cmpuint(n, ==, r->shape->gso_size & ~7u);
	r->done = !more;
}

static void
check_ipv4_options(const Receiver *r, const guint8 *options)
{
	const guint8 *sent = r->sample->bytes->data + r->sample->l3 + 20;

	if (r->shape->options < 20)
		return;
	if (r->n == 0)
		g_assert_cmpmem(options, r->shape->options, sent, r->shape->options);
	else
		g_assert_cmpmem(options, 7, "\1\1\1\1\1\1\1", 7);
	g_assert_cmpmem(options + 7, r->shape->options - 7, sent + 7, r->shape->options - 7);
}

/* A fragment of UFO: what is behind its IP header belongs to the datagram. */
static void
receive_fragment(Receiver *r, const guint8 *bytes, guint len)
{
	const guint8 *ip = bytes + r->sample->l3;
	guint at = r->sample->l3 + (r->shape->is_ipv6 ? 40 : (ip[0] & 15u) * 4), n;

	check_ip(ip, len - r->sample->l3);
	if (!r->shape->is_ipv6) {
		n = len - at;
		g_assert_cmpuint(plain_be16(ip + 4), ==, 0xfffe);
		g_assert_cmpuint(plain_be16(ip + 6) & 0x4000, ==, 0);
		check_fragment(r, plain_be16(ip + 6), 0x2000, n);
		check_ipv4_options(r, ip + 20);
	} else {
		at += r->shape->options ? 8 : 0; /* the hop-by-hop header */
		if (r->shape->options)
			g_assert_cmpuint(ip[6], ==, 0);
		if (ip[r->shape->options ? 40 : 6] != 44) {
			n = len - at;
			r->done = TRUE; /* it was small enough */
		} else {
			g_assert_cmpuint(bytes[at], ==, r->shape->options > 8 ? 60 : 17);
			g_assert_cmpuint(bytes[at + 1], ==, 0);
			if (r->n == 0)
				r->id = jf_get_be32(bytes + at + 4);
			g_assert_cmpuint(jf_get_be32(bytes + at + 4), ==, r->id);
			n = len - at - 8;
			check_fragment(r, plain_be16(bytes + at + 2), 1, n);
			at += 8;
		}
	}
	memcpy(r->payload + r->len, bytes + at, n);
	r->len += n;
}

static gboolean
receive(const JfFrame *frame, gpointer data)
{
	Receiver *r = data;
	g_autofree guint8 *bytes = g_malloc(frame->len);

	g_assert_true(jf_frame_is_sane(frame));
	g_assert_cmpuint(frame->gso_type, ==, JF_GSO_NONE);
	g_assert_cmpuint(jf_frame_offloads(frame) & ~r->offloads, ==, 0);
	g_assert_true(jf_frame_copy(frame, 0, bytes, frame->len));
	g_assert_cmpmem(bytes, 12, r->sample->bytes->data, 12);
	if (frame->flags & JF_FRAME_NEEDS_CSUM)
		complete(frame, bytes);
	if (r->shape->gso_type == JF_GSO_UDP)
		receive_fragment(r, bytes, frame->len);
	else
		receive_segment(r, bytes, frame->len);
	r->n++;
	r->max_len = MAX(r->max_len, frame->len);
	return r->n != r->stop_after;
}

/* What came together is the datagram: its checksum holds and its payload is what was sent. */
static void
check_whole(const Receiver *r)
{
	const guint8 *ip = r->sample->bytes->data + r->sample->l3;
	guint ext = r->shape->is_ipv6 && r->shape->options ? r->shape->options - 8 : 0;
	guint head = r->shape->gso_type == JF_GSO_UDP ? ext + 8 : 0;

	g_assert_true(r->done);
	g_assert_cmpmem(r->payload + head, r->len - head, r->sample->bytes->data + r->sample->hdr,
			r->shape->payload);
	if (head)
		g_assert_cmpuint(plain_sum(plain_pseudo(ip, 17, r->len - ext), r->payload + ext,
					   r->len - ext),
				 ==, 0xffff);
}

static guint
check_shape(const Shape *shape, guint n_pieces, guint32 offloads)
{
	g_autofree guint8 *payload = g_malloc(PAYLOAD_MAX + 600);
	Receiver r = { .shape = shape, .offloads = offloads, .payload = payload };
	Sample s;
	guint n;

	sample_init(&s, shape, n_pieces);
	r.sample = &s;
	g_assert_true(jf_frame_is_sane(&s.frame));
	n = jf_frame_segment(&s.frame, offloads, receive, &r);
	g_assert_cmpuint(n, ==, r.n);
	g_assert_cmpuint(n, >, 0);
	check_whole(&r);
	sample_finish(&s);
	return n;
}

/* ---- Tests ---- */

static void
test_sane(void)
{
	static guint8 bytes[JF_FRAME_MAX_LEN + 1];
	struct iovec pieces[JF_FRAME_MAX_IOV + 1] = { { bytes, 14 } };
	const JfFrame good = jf_frame_plain(pieces);
	JfFrame f = good;

	g_assert_true(jf_frame_is_sane(&f));
	pieces[0].iov_len = 13;
	f = jf_frame_plain(pieces);
	g_assert_false(jf_frame_is_sane(&f));
	pieces[0].iov_len = JF_FRAME_MAX_LEN;
	f = jf_frame_plain(pieces);
	g_assert_true(jf_frame_is_sane(&f));
	pieces[0].iov_len = JF_FRAME_MAX_LEN + 1;
	f = jf_frame_plain(pieces);
	g_assert_false(jf_frame_is_sane(&f));
	/* Pieces that do not sum to len, one with a sum that overflows. */
	pieces[0].iov_len = 60;
	f = jf_frame_plain(pieces);
	f.len = 61;
	g_assert_false(jf_frame_is_sane(&f));
	f.len = 59;
	g_assert_false(jf_frame_is_sane(&f));
	f.len = 60;
	f.n_iov = 0;
	g_assert_false(jf_frame_is_sane(&f));
	f.n_iov = JF_FRAME_MAX_IOV;
	g_assert_true(jf_frame_is_sane(&f));
	f.n_iov = JF_FRAME_MAX_IOV + 1;
	g_assert_false(jf_frame_is_sane(&f));
	f.n_iov = 2;
	pieces[0].iov_len = G_MAXSIZE;
	pieces[1].iov_len = 61;
	g_assert_false(jf_frame_is_sane(&f));
}

static void
test_sane_offloads(void)
{
	guint8 bytes[60] = { 0 };
	struct iovec piece = { bytes, sizeof bytes };
	const JfFrame plain = jf_frame_plain(&piece);
	const guint8 types[] = { JF_GSO_TCPV4, JF_GSO_TCPV6, JF_GSO_UDP_L4 };
	JfFrame f = plain;

	f.flags = 4;
	g_assert_false(jf_frame_is_sane(&f));
	f.flags = JF_FRAME_NEEDS_CSUM;
	f.csum_start = 50;
	f.csum_offset = 8;
	g_assert_true(jf_frame_is_sane(&f));
	f.csum_offset = 9;
	g_assert_false(jf_frame_is_sane(&f));
	f.csum_start = f.csum_offset = G_MAXUINT16;
	g_assert_false(jf_frame_is_sane(&f));
	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		f = plain;
		f.gso_type = types[i];
		f.gso_size = 1000;
		g_assert_false(jf_frame_is_sane(&f));
		f.flags = JF_FRAME_NEEDS_CSUM;
		g_assert_true(jf_frame_is_sane(&f));
		f.gso_size = 0;
		g_assert_false(jf_frame_is_sane(&f));
	}
	for (guint type = 0; type < 256; type++) {
		f = plain;
		f.flags = JF_FRAME_NEEDS_CSUM;
		f.gso_type = (guint8)type;
		f.gso_size = type ? 1000 : 0;
		g_assert_cmpint(jf_frame_is_sane(&f), ==,
				type == 0 || type == 1 || type == 3 || type == 4 || type == 5 ||
					type == 0x81 || type == 0x84);
	}
}

static void
test_offloads(void)
{
	const guint32 bits[][2] = {
		{ JF_GSO_NONE, 0 },
		{ JF_GSO_TCPV4, JF_OFFLOAD_TSO4 },
		{ JF_GSO_TCPV6, JF_OFFLOAD_TSO6 },
		{ JF_GSO_TCPV4 | JF_GSO_ECN, JF_OFFLOAD_TSO4 | JF_OFFLOAD_TSO_ECN },
		{ JF_GSO_TCPV6 | JF_GSO_ECN, JF_OFFLOAD_TSO6 | JF_OFFLOAD_TSO_ECN },
		{ JF_GSO_UDP, JF_OFFLOAD_UFO },
		{ JF_GSO_UDP_L4, JF_OFFLOAD_USO },
	};

	for (guint i = 0; i < G_N_ELEMENTS(bits); i++) {
		JfFrame f = { .gso_type = (guint8)bits[i][0], .flags = JF_FRAME_CSUM_VALID };

		g_assert_cmphex(jf_frame_offloads(&f), ==, bits[i][1]);
		f.flags = JF_FRAME_NEEDS_CSUM;
		g_assert_cmphex(jf_frame_offloads(&f), ==, bits[i][1] | JF_OFFLOAD_CSUM);
	}
}

static void
test_copy_and_sum(void)
{
	for (guint round = 0; round < 3000; round++) {
		Sample s = { .bytes = g_byte_array_new() };
		guint len = (guint)g_random_int_range(14, 400), offset, n, sum;
		g_autofree guint8 *copy = NULL;

		for (guint i = 0; i < len; i++) {
			guint8 byte = (guint8)(round % 3 ? g_random_int() : round % 2 ? 0xff : 0);

			g_byte_array_append(s.bytes, &byte, 1);
		}
		split(&s, (guint)g_random_int_range(1, JF_FRAME_MAX_IOV + 1));
		offset = (guint)g_random_int_range(0, (gint)len + 1);
		n = (guint)g_random_int_range(0, (gint)(len - offset) + 1);
		copy = g_malloc(n);
		g_assert_true(jf_frame_copy(&s.frame, offset, copy, n));
		g_assert_cmpmem(copy, n, s.bytes->data + offset, n);
		g_assert_false(jf_frame_copy(&s.frame, offset, copy, len - offset + 1));
		g_assert_false(jf_frame_copy(&s.frame, G_MAXUINT32, copy, 2));
		sum = plain_sum(0x1234, copy, n);
		g_assert_cmphex(
			GUINT16_FROM_BE(jf_csum_fold(jf_csum_add(GUINT16_TO_BE(0x1234), copy, n))),
			==, sum);
		g_assert_cmphex(GUINT16_FROM_BE(jf_csum_fold(
					jf_csum_frame(GUINT16_TO_BE(0x1234), &s.frame, offset, n))),
				==, sum);
		sample_finish(&s);
	}
	g_assert_cmphex(jf_csum_fold(G_MAXUINT64), ==, 0xffff);
	g_assert_cmphex(jf_csum_fold(jf_csum_add(G_MAXUINT64, "\0", 1)), ==, 0xffff);
}

static const guint piece_counts[] = { 1, 2, 7, 63, 64 };

static void
test_tcp(void)
{
	const guint sizes[] = { 8, 536, 1448, 1460, 9000 };

	for (guint round = 0; round < 300; round++) {
		Shape shape = { .is_ipv6 = round & 1,
				.n_vlan = round / 2 % 4,
				.tcp_options = round / 8 % 11 * 4,
				.gso_size = sizes[round % 5] };

		shape.gso_type = (shape.is_ipv6 ? JF_GSO_TCPV6 : JF_GSO_TCPV4) |
				 (round % 7 ? 0 : JF_GSO_ECN);
		shape.options = shape.is_ipv6 ? round / 16 % 5 * 8 : round / 16 % 2 * 20;
		shape.payload = (guint)g_random_int_range(0, shape.gso_size > 8 ? 65000 : 4000);
		g_assert_cmpuint(check_shape(&shape, piece_counts[round % 5],
					     round % 3 ? 0 : JF_OFFLOAD_CSUM),
				 ==, MAX(1, (shape.payload + shape.gso_size - 1) / shape.gso_size));
	}
}

static void
test_uso(void)
{
	for (guint round = 0; round < 200; round++) {
		Shape shape = { .gso_type = JF_GSO_UDP_L4,
				.is_ipv6 = round & 1,
				.n_vlan = round / 2 % 4,
				.options = round / 8 % 2 * 16,
				.gso_size = 8 + round * 31,
				.payload = 1 + round * 320 };

		check_shape(&shape, piece_counts[round % 5], round % 3 ? 0 : JF_OFFLOAD_CSUM);
	}
}

static void
test_ufo(void)
{
	for (guint round = 0; round < 300; round++) {
		Shape shape = { .gso_type = JF_GSO_UDP,
				.is_ipv6 = round & 1,
				.n_vlan = round / 2 % 4,
				.no_csum = round % 5 == 4,
				.gso_size = 200 + round * 31,
				.payload = round * 210 };

		shape.options = shape.is_ipv6 ? round / 16 % 5 * 8 : round / 16 % 2 * 20;
		check_shape(&shape, piece_counts[round % 5], round % 3 ? 0 : JF_OFFLOAD_CSUM);
	}
}

/* Where the fragment header of an IPv6 frame without other headers and tags keeps its id. */
#define FRAGMENT_ID (14 + 40 + 4)

static gboolean
note_id(const JfFrame *frame, gpointer data)
{
	guint32 *id = data, own;

	g_assert_true(jf_frame_copy(frame, FRAGMENT_ID, &own, sizeof own));
	g_assert_true(*id == 0 || *id == own);
	*id = own;
	return TRUE;
}

/* A datagram cut a second time, after a refusal, has the same id; another one has another. */
static void
test_fragment_id(void)
{
	const Shape shape = {
		.gso_type = JF_GSO_UDP, .is_ipv6 = TRUE, .gso_size = 1000, .payload = 5000
	};
	guint32 id = 0, other = 0;
	Sample s;

	sample_init(&s, &shape, 3);
	g_assert_cmpuint(jf_frame_segment(&s.frame, 0, note_id, &id), >, 1);
	g_assert_cmpuint(jf_frame_segment(&s.frame, 0, note_id, &id), >, 1);
	((guint8 *)s.pieces[2].iov_base)[s.pieces[2].iov_len - 1] ^= 1;
	jf_frame_segment(&s.frame, 0, note_id, &other);
	g_assert_cmphex(id, !=, other);
	sample_finish(&s);
}

/* What is behind the datagram is no payload; a length of 0 means all. */
static void
test_lengths(void)
{
	const Shape longest = { .gso_type = JF_GSO_TCPV6,
				.is_ipv6 = TRUE,
				.options = 432,
				.gso_size = 500,
				.payload = 1234 };
	const Shape padded = {
		.gso_type = JF_GSO_TCPV4, .gso_size = 500, .payload = 1234, .pad = 9
	};
	Shape plain = padded;
	guint8 payload[2000];
	Receiver r = { .shape = &plain, .payload = payload };
	Sample s;

	check_shape(&longest, 3, 0);
	check_shape(&padded, 3, 0);
	plain.pad = 0;
	sample_init(&s, &plain, 1);
	r.sample = &s;
	jf_put_be16((guint8 *)s.pieces[0].iov_base + s.l3 + 2, 0);
	g_assert_cmpuint(jf_frame_segment(&s.frame, 0, receive, &r), ==, 3);
	check_whole(&r);
	sample_finish(&s);
}

static gboolean
take_same(const JfFrame *frame, gpointer data)
{
	g_assert_true(frame == data);
	return TRUE;
}

static void
test_as_it_is(void)
{
	const Shape shape = { .gso_type = JF_GSO_TCPV4 | JF_GSO_ECN,
			      .gso_size = 500,
			      .payload = 5000 };
	const guint32 enough = JF_OFFLOAD_CSUM | JF_OFFLOAD_TSO4 | JF_OFFLOAD_TSO_ECN;
	guint8 payload[6000];
	Receiver r = { .shape = &shape, .payload = payload, .stop_after = 4 };
	Sample s;

	sample_init(&s, &shape, 3);
	r.sample = &s;
	g_assert_cmpuint(jf_frame_segment(&s.frame, enough, take_same, &s.frame), ==, 1);
	/* All of it is needed; and who has had enough gets no more. */
	g_assert_cmpuint(jf_frame_segment(&s.frame, enough & ~JF_OFFLOAD_CSUM, receive, &r), ==, 4);
	r = (Receiver){
		.sample = &s, .shape = &shape, .payload = payload, .offloads = JF_OFFLOAD_CSUM
	};
	g_assert_cmpuint(jf_frame_segment(&s.frame, enough & ~JF_OFFLOAD_TSO_ECN, receive, &r), ==,
			 10);
	sample_finish(&s);
}

typedef struct Filled {
	guint8 bytes[2000];
	guint n;
} Filled;

static gboolean
take_filled(const JfFrame *frame, gpointer data)
{
	Filled *filled = data;

	g_assert_true(jf_frame_is_sane(frame));
	g_assert_cmpuint(jf_frame_offloads(frame), ==, 0);
	g_assert_true(jf_frame_copy(frame, 0, filled->bytes, frame->len));
	filled->n++;
	return TRUE;
}

/* One checksum anywhere in a frame of any number of pieces. */
static void
test_fill(void)
{
	for (guint round = 0; round < 2000; round++) {
		Sample s = { .bytes = g_byte_array_new() };
		guint len = (guint)g_random_int_range(16, 1500), at;
		Filled filled = { .n = 0 };
		guint8 expected[2000];

		for (guint i = 0; i < len; i++)
			g_byte_array_append(s.bytes, (const guint8[]){ (guint8)g_random_int() }, 1);
		split(&s, round % 2 ? 64 : (guint)g_random_int_range(1, 65));
		s.frame.flags = JF_FRAME_NEEDS_CSUM | JF_FRAME_CSUM_VALID;
		at = (guint)g_random_int_range(0, (gint)len - 1);
		s.frame.csum_start = (guint16)g_random_int_range(0, (gint)at + 1);
		s.frame.csum_offset = (guint16)(at - s.frame.csum_start);
		memcpy(expected, s.bytes->data, len);
		complete(&s.frame, expected);
		if (expected[at] == 0 && expected[at + 1] == 0)
			expected[at] = expected[at + 1] = 0xff;
		g_assert_cmpuint(jf_frame_segment(&s.frame, 0, take_filled, &filled), ==, 1);
		g_assert_cmpuint(filled.n, ==, 1);
		g_assert_cmpmem(filled.bytes, len, expected, len);
		sample_finish(&s);
	}
}

/* A UDP checksum of 0 is written as 0xffff. */
static void
test_fill_zero(void)
{
	guint8 bytes[60] = { 0 };
	struct iovec piece = { bytes, sizeof bytes };
	JfFrame frame = jf_frame_plain(&piece);
	Filled filled = { .n = 0 };

	frame.flags = JF_FRAME_NEEDS_CSUM;
	frame.csum_start = 34;
	frame.csum_offset = 6;
	jf_put_be16(bytes + 34, 0xffff);
	g_assert_cmpuint(jf_frame_segment(&frame, 0, take_filled, &filled), ==, 1);
	g_assert_cmphex(jf_get_be16(filled.bytes + 40), ==, 0xffff);
}

static gboolean
take_none(const JfFrame *frame, gpointer data)
{
	(void)frame;
	(void)data;
	g_assert_not_reached();
}

/* Headers that are not what gso_type says: one thing wrong at a time. */
static void
test_refused(void)
{
	const struct {
		Shape shape;
		guint at; /* from l3, or from l4 when 1000 more */
		guint8 value;
	} cases[] = {
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 }, 0, 0x65 }, /* version */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 },
		  0,
		  0x44 }, /* header length */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 }, 0, 0x46 }, /* csum_start */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 }, 2, 0xff }, /* too long */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 }, 6, 0x20 }, /* a fragment */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 }, 7, 1 },    /* a fragment */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 }, 9, 17 },   /* protocol */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 1000 }, 1012, 0x40 }, /* doff */
		{ { JF_GSO_TCPV4, .payload = 8, .gso_size = 1000 }, 1012, 0xf0 },    /* doff */
		{ { JF_GSO_TCPV4, .payload = 3000, .gso_size = 7 }, 0, 0x45 },       /* tiny */
		{ { JF_GSO_UDP, .payload = 3000, .gso_size = 7 }, 0, 0x45 },         /* tiny */
		{ { JF_GSO_UDP, .payload = 3000, .gso_size = 1000 }, 9, 6 },         /* protocol */
		{ { JF_GSO_UDP_L4, .payload = 3000, .gso_size = 1000 }, 9, 6 },      /* protocol */
		{ { JF_GSO_TCPV6, TRUE, .payload = 3000, .gso_size = 1000 },
		  0,
		  0x40 },                                                             /* version */
		{ { JF_GSO_TCPV6, TRUE, .payload = 3000, .gso_size = 1000 }, 6, 44 }, /* fragment */
		{ { JF_GSO_TCPV6, TRUE, .payload = 3000, .gso_size = 1000 },
		  6,
		  60 }, /* csum_start */
		{ { JF_GSO_TCPV6, TRUE, .payload = 3000, .gso_size = 1000 },
		  4,
		  0xff }, /* too long */
		{ { JF_GSO_TCPV6, TRUE, .options = 8, .payload = 900, .gso_size = 100 }, 41, 255 },
		{ { JF_GSO_TCPV4, TRUE, .payload = 3000, .gso_size = 1000 }, 0, 0x60 }, /* not v4 */
		{ { JF_GSO_TCPV6, .payload = 3000, .gso_size = 1000 }, 0, 0x45 },       /* not v6 */
		/* More headers than are looked at. */
		{ { JF_GSO_UDP_L4, TRUE, .options = 456, .payload = 900, .gso_size = 100 },
		  0,
		  0x60 },
		{ { JF_GSO_TCPV6, TRUE, .options = 440, .payload = 900, .gso_size = 100 },
		  0,
		  0x60 },
		{ { JF_GSO_TCPV6, TRUE, .options = 480, .payload = 900, .gso_size = 100 },
		  0,
		  0x60 },
		/* The first fragment has no room for the headers. */
		{ { JF_GSO_UDP, TRUE, .options = 88, .payload = 3000, .gso_size = 80 }, 0, 0x60 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		Sample s;
		guint8 *at;

		sample_init(&s, &cases[i].shape, 1);
		at = (guint8 *)s.pieces[0].iov_base;
		at += cases[i].at >= 1000 ? s.l4 + cases[i].at - 1000 : s.l3 + cases[i].at;
		*at = cases[i].value;
		g_assert_true(jf_frame_is_sane(&s.frame));
		g_test_message("case %u", i);
		g_assert_cmpuint(jf_frame_segment(&s.frame, 0, take_none, NULL), ==, 0);
		sample_finish(&s);
	}
}

static void
test_refused_vlan(void)
{
	const Shape shape = { .gso_type = JF_GSO_TCPV4, .gso_size = 500, .payload = 5000 };
	Sample s;
	guint8 *p;

	sample_init(&s, &shape, 1);
	p = s.pieces[0].iov_base;
	for (guint i = 12; i + 4 < s.frame.len; i += 4)
		jf_put_be16(p + i, 0x8100);
	g_assert_cmpuint(jf_frame_segment(&s.frame, 0, take_none, NULL), ==, 0);
	/* Not sane is not cut either. */
	s.frame.len++;
	g_assert_cmpuint(jf_frame_segment(&s.frame, 0, take_none, NULL), ==, 0);
	s.frame.len--;
	sample_finish(&s);
}

typedef struct Mutant {
	guint n;
	guint64 bytes;
} Mutant;

static gboolean
take_mutant(const JfFrame *frame, gpointer data)
{
	Mutant *mutant = data;
	g_autofree guint8 *bytes = g_malloc(frame->len);

	g_assert_true(jf_frame_is_sane(frame));
	g_assert_true(jf_frame_copy(frame, 0, bytes, frame->len));
	mutant->n++;
	mutant->bytes += frame->len;
	return TRUE;
}

static void
mutate(Sample *s)
{
	static const guint8 favourites[] = { 0,  1,  4,    5,    6,    17,   43,   44,
					     60, 81, 0x45, 0x46, 0x60, 0x7f, 0x80, 0xff };
	guint changes = (guint)g_random_int_range(0, 6), head = MIN(s->bytes->len, 140);

	for (guint i = 0; i < changes; i++) {
		guint at = (guint)g_random_int_range(12, (gint)head);

		s->bytes->data[at] = g_random_boolean() ? (guint8)g_random_int()
							: favourites[g_random_int_range(0, 16)];
	}
	if (g_random_int_range(0, 4) == 0)
		g_byte_array_set_size(s->bytes,
				      (guint)g_random_int_range(14, (gint)s->bytes->len + 1));
	if (g_random_int_range(0, 4) == 0)
		s->frame.csum_start = (guint16)g_random_int_range(0, 160);
	if (g_random_int_range(0, 6) == 0)
		s->frame.csum_offset = (guint16)g_random_int_range(0, 20);
	if (g_random_int_range(0, 4) == 0)
		s->frame.gso_size = (guint16)(g_random_int() >> g_random_int_range(0, 32));
	if (g_random_int_range(0, 8) == 0)
		s->frame.gso_type = (guint8)g_random_int_range(0, 6);
	if (g_random_int_range(0, 8) == 0)
		s->frame.flags = (guint8)g_random_int_range(0, 4);
	s->frame.hdr_len = (guint16)g_random_int();
}

static void
random_shape(Shape *shape)
{
	static const guint8 types[] = { JF_GSO_TCPV4, JF_GSO_TCPV6, JF_GSO_UDP, JF_GSO_UDP_L4 };

	*shape = (Shape){ .gso_type = types[g_random_int_range(0, 4)],
			  .n_vlan = (guint)g_random_int_range(0, 4),
			  .tcp_options = (guint)g_random_int_range(0, 11) * 4,
			  .payload = (guint)g_random_int_range(0, 600),
			  .gso_size = (guint)g_random_int_range(1, 400) };
	shape->is_ipv6 = shape->gso_type == JF_GSO_TCPV6 ||
			 (shape->gso_type != JF_GSO_TCPV4 && g_random_boolean());
	shape->options = (guint)g_random_int_range(0, shape->is_ipv6 ? 24 : 5) * 8;
}

/* Whatever the headers say: no byte outside the pieces is read, no frame that is not sane comes out,
 * and not much more than went in. */
static void
test_mutants(void)
{
	guint cut = 0;

	for (guint round = 0; round < 100000; round++) {
		Mutant mutant = { .n = 0 };
		Sample s, whole;
		Shape shape;
		guint n;

		random_shape(&shape);
		sample_init(&whole, &shape, 1);
		s = whole;
		mutate(&s);
		split(&s, (guint)g_random_int_range(1, 8));
		n = jf_frame_segment(&s.frame, g_random_int() & JF_OFFLOAD_ALL, take_mutant,
				     &mutant);
		g_assert_cmpuint(n, ==, mutant.n);
		g_assert_cmpuint(n, <=, s.frame.len / 8 + 1);
		cut += n > 1;
		for (guint i = 0; i < s.frame.n_iov; i++)
			g_free(s.pieces[i].iov_base);
		sample_finish(&whole);
	}
	/* Enough of them were still good to be cut. */
	g_assert_cmpuint(cut, >, 10000);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/frame/sane", test_sane);
	g_test_add_func("/frame/sane-offloads", test_sane_offloads);
	g_test_add_func("/frame/offloads", test_offloads);
	g_test_add_func("/frame/copy-and-sum", test_copy_and_sum);
	g_test_add_func("/frame/tcp", test_tcp);
	g_test_add_func("/frame/uso", test_uso);
	g_test_add_func("/frame/ufo", test_ufo);
	g_test_add_func("/frame/fragment-id", test_fragment_id);
	g_test_add_func("/frame/lengths", test_lengths);
	g_test_add_func("/frame/as-it-is", test_as_it_is);
	g_test_add_func("/frame/fill", test_fill);
	g_test_add_func("/frame/fill-zero", test_fill_zero);
	g_test_add_func("/frame/refused", test_refused);
	g_test_add_func("/frame/refused-vlan", test_refused_vlan);
	g_test_add_func("/frame/mutants", test_mutants);
	return g_test_run();
}
