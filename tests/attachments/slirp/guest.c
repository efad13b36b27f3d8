/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.c - a guest for the tests of "slirp": frames in and out of the harness, IP, UDP. */
#include "guest.h"

#include <arpa/inet.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "guest-tcp.h"

#define ETH_LEN 14u
#define PATTERN_LEN 65521u
#define FRAGMENT_ROOM 66000u

static NatGuest *
guest_new(const char *const *properties, const JfCardInfo *card)
{
	g_autoptr(GError) error = NULL;
	const JfDriver *driver =
		jf_harness_load(g_getenv("NAT_PLUGIN"), g_getenv("NAT_DRIVER"), &error);
	NatGuest *g = g_new0(NatGuest, 1);

	g_assert_no_error(error);
	g->h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	if (card)
		jf_harness_set_card(g->h, card);
	memcpy(g->mac, "\x08\x00\x27\x00\x00\x01", 6);
	g->is_slirp = g_str_equal(driver->id, "slirp");
	memcpy(g->gateway_mac,
	       g->is_slirp ? "\x52\x55\x0a\x00\x02\x02" : "\x52\x54\x00\x12\x35\x02", 6);
	memcpy(g->ip4, "\x0a\x00\x02\x0f", 4);
	memcpy(g->gateway4, "\x0a\x00\x02\x02", 4);
	inet_pton(AF_INET6, "fd17:625c:f037:2::15", g->ip6);
	inet_pton(AF_INET6, "fd17:625c:f037:2::2", g->gateway6);
	g->mtu = 1500;
	g->next_port = 40000;
	g->tcps = g_ptr_array_new_with_free_func(g_free);
	g->fragments = g_malloc0(FRAGMENT_ROOM);
	g_queue_init(&g->datagrams);
	return g;
}

NatGuest *
nat_guest_new_stopped(const char *const *properties, const JfCardInfo *card)
{
	NatGuest *g = guest_new(properties, card);
	g_autoptr(GError) error = NULL;

	jf_harness_init(g->h, &error);
	g_assert_no_error(error);
	return g;
}

NatGuest *
nat_guest_new(const char *const *properties, const JfCardInfo *card)
{
	NatGuest *g = nat_guest_new_stopped(properties, card);
	g_autoptr(GError) error = NULL;

	jf_harness_start(g->h, &error);
	g_assert_no_error(error);
	g->real = g_get_monotonic_time();
	return g;
}

void
nat_guest_free(NatGuest *g)
{
	NatDatagram *datagram;

	if (!g)
		return;
	jf_harness_stop(g->h);
	g_assert_cmpuint(jf_harness_get_leftovers(g->h), ==, 0);
	jf_harness_finish(g->h);
	g_assert_cmpstr(jf_harness_get_violation(g->h), ==, NULL);
	jf_harness_free(g->h);
	while ((datagram = g_queue_pop_head(&g->datagrams)))
		g_free(datagram);
	g_ptr_array_unref(g->tcps);
	g_free(g->listener);
	g_free(g->fragments);
	g_free(g);
}

void
nat_guest_send(NatGuest *g, const guint8 *frame, guint32 len)
{
	g_assert_true(jf_harness_push_bytes(g->h, 0, frame, len));
}

guint32
nat_guest_put_ip(NatGuest *g, guint8 *frame, guint version, const guint8 *to, guint8 protocol,
		 guint32 len)
{
	guint8 *ip = frame + ETH_LEN;
	guint16 sum;

	memcpy(frame, g->gateway_mac, 6);
	memcpy(frame + 6, g->mac, 6);
	jf_put_be16(frame + 12, version == 4 ? 0x0800 : 0x86dd);
	memset(ip, 0, version == 4 ? 20 : 40);
	if (version == 6) {
		ip[0] = 0x60;
		jf_put_be16(ip + 4, (guint16)len);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, g->ip6, 16);
		memcpy(ip + 24, to, 16);
		return ETH_LEN + 40;
	}
	ip[0] = 0x45;
	jf_put_be16(ip + 2, (guint16)(20 + len));
	jf_put_be16(ip + 4, ++g->ip_id);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, g->ip4, 4);
	memcpy(ip + 16, to, 4);
	sum = ~jf_csum_fold(jf_csum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
	return ETH_LEN + 20;
}

/* Sum of the pseudo-header; `ip` is an IP header of either version. */
guint64
nat_guest_pseudo_sum(const guint8 *ip, guint8 protocol, guint32 len)
{
	guint8 tail[8] = { 0 };

	jf_put_be32(tail, len);
	tail[7] = protocol;
	return ip[0] >> 4 == 4 ? jf_csum_add(jf_csum_add(0, ip + 12, 8), tail, 8)
			       : jf_csum_add(jf_csum_add(0, ip + 8, 32), tail, 8);
}

void
nat_guest_send_ip(NatGuest *g, guint version, const guint8 *to, guint8 protocol,
		  const guint8 *payload, guint32 len)
{
	g_autofree guint8 *frame = g_malloc(ETH_LEN + 40 + len);
	guint32 at = nat_guest_put_ip(g, frame, version, to, protocol, len);

	memcpy(frame + at, payload, len);
	nat_guest_send(g, frame, at + len);
}

void
nat_guest_send_udp(NatGuest *g, guint version, const guint8 *to, guint16 from_port, guint16 to_port,
		   const guint8 *data, guint32 len)
{
	g_autofree guint8 *frame = g_malloc0(ETH_LEN + 48 + len);
	guint32 at = nat_guest_put_ip(g, frame, version, to, IPPROTO_UDP, len + 8);
	guint8 *udp = frame + at;
	guint16 sum;

	jf_put_be16(udp, from_port);
	jf_put_be16(udp + 2, to_port);
	jf_put_be16(udp + 4, (guint16)(len + 8));
	memcpy(udp + 8, data, len);
	sum = ~jf_csum_fold(jf_csum_add(nat_guest_pseudo_sum(frame + ETH_LEN, IPPROTO_UDP, len + 8),
					udp, len + 8));
	sum = sum ? sum : 0xffff;
	memcpy(udp + 6, &sum, 2);
	nat_guest_send(g, frame, at + 8 + len);
}

NatDatagram *
nat_guest_take_udp(NatGuest *g, guint16 port)
{
	for (GList *l = g->datagrams.head; l; l = l->next) {
		NatDatagram *datagram = l->data;

		if (datagram->to_port != port)
			continue;
		g_queue_delete_link(&g->datagrams, l);
		return datagram;
	}
	return NULL;
}

/* ---- What comes in ---- */

static void
arp_reply(NatGuest *g, const guint8 *frame)
{
	guint8 reply[42] = { 0 };

	if (jf_get_be16(frame + 20) != 1 || memcmp(frame + 38, g->ip4, 4) != 0)
		return;
	memcpy(reply, frame + 6, 6);
	memcpy(reply + 6, g->mac, 6);
	jf_put_be16(reply + 12, 0x0806);
	memcpy(reply + 14, "\0\1\x08\0\6\4\0\2", 8);
	memcpy(reply + 22, g->mac, 6);
	memcpy(reply + 28, g->ip4, 4);
	memcpy(reply + 32, frame + 22, 10);
	nat_guest_send(g, reply, sizeof reply);
}

/* Neighbour solicitations for the guest's address (RFC 4861 7.2). */
static void
ndp_reply(NatGuest *g, const guint8 *icmp, const guint8 *from)
{
	guint8 reply[32] = { 136, 0, 0, 0, 0x60 };
	guint8 frame[ETH_LEN + 40 + sizeof reply];
	guint32 at;
	guint16 sum;

	if (icmp[0] != 135 || memcmp(icmp + 8, g->ip6, 16) != 0)
		return;
	memcpy(reply + 8, g->ip6, 16);
	reply[24] = 2;
	reply[25] = 1;
	memcpy(reply + 26, g->mac, 6);
	at = nat_guest_put_ip(g, frame, 6, from, IPPROTO_ICMPV6, sizeof reply);
	frame[ETH_LEN + 7] = 255;
	memcpy(frame + at, reply, sizeof reply);
	sum = ~jf_csum_fold(
		jf_csum_add(nat_guest_pseudo_sum(frame + ETH_LEN, IPPROTO_ICMPV6, sizeof reply),
			    reply, sizeof reply));
	memcpy(frame + at + 2, &sum, 2);
	nat_guest_send(g, frame, sizeof frame);
}

static void
take_udp(NatGuest *g, const guint8 *from, guint from_len, const guint8 *udp, guint32 len)
{
	NatDatagram *datagram;

	g_assert_cmpuint(len, >=, 8);
	g_assert_cmpuint(jf_get_be16(udp + 4), ==, len);
	datagram = g_malloc0(sizeof *datagram + len - 8);
	memcpy(datagram->from, from, from_len);
	datagram->from_port = jf_get_be16(udp);
	datagram->to_port = jf_get_be16(udp + 2);
	datagram->fragments = MAX(g->fragment_count, 1);
	datagram->len = len - 8;
	memcpy(datagram->data, udp + 8, len - 8);
	g_queue_push_tail(&g->datagrams, datagram);
}

/* A whole packet. `whole_csum`: its transport checksum is to be right. */
static void
take_ip(NatGuest *g, const guint8 *frame, guint32 len, gboolean whole_csum, gboolean large)
{
	const guint8 *ip = frame + ETH_LEN;
	gboolean v4 = ip[0] >> 4 == 4;
	guint32 l4 = ETH_LEN + (v4 ? 20 : 40);
	guint8 protocol = v4 ? ip[9] : ip[6];

	g_assert_cmpuint(len, ==, v4 ? ETH_LEN + jf_get_be16(ip + 2) : l4 + jf_get_be16(ip + 4));
	if (v4)
		g_assert_cmphex(jf_csum_fold(jf_csum_add(0, ip, 20)), ==, 0xffff);
	if (whole_csum && protocol != IPPROTO_ICMP &&
	    !(protocol == IPPROTO_UDP && jf_get_be16(frame + l4 + 6) == 0))
		g_assert_cmphex(
			jf_csum_fold(jf_csum_add(nat_guest_pseudo_sum(ip, protocol, len - l4),
						 frame + l4, len - l4)),
			==, 0xffff);
	if (g->func)
		g->func(g, frame, len, g->func_data);
	if (protocol == IPPROTO_UDP)
		take_udp(g, v4 ? ip + 12 : ip + 8, v4 ? 4 : 16, frame + l4, len - l4);
	else if (protocol == IPPROTO_TCP)
		nat_tcp_take(g, frame, len, large);
	else if (protocol == IPPROTO_ICMPV6)
		ndp_reply(g, frame + l4, ip + 8);
}

/* Fragments come in order and one datagram at a time: the driver sends them so. */
static void
take_fragment(NatGuest *g, const guint8 *frame, guint32 id, guint32 headers, guint32 data_at,
	      guint32 offset, gboolean more, guint32 len)
{
	guint8 *whole = g->fragments;
	guint32 bytes = len - data_at;

	if (offset == 0) {
		memcpy(whole, frame, headers);
		g->fragment_id = id;
		g->fragment_count = 0;
		g->fragment_bytes = 0;
	}
	g_assert_cmpuint(g->fragment_id, ==, id);
	g_assert_cmpuint(g->fragment_bytes, ==, offset);
	g_assert_cmpuint(headers + offset + bytes, <=, FRAGMENT_ROOM);
	g_assert_true(!more || bytes % 8 == 0);
	memcpy(whole + headers + offset, frame + data_at, bytes);
	g->fragment_bytes += bytes;
	g->fragment_count++;
	if (more)
		return;
	if (whole[ETH_LEN] >> 4 == 4) {
		guint16 sum;

		jf_put_be16(whole + ETH_LEN + 2, (guint16)(20 + g->fragment_bytes));
		memset(whole + ETH_LEN + 6, 0, 2);
		memset(whole + ETH_LEN + 10, 0, 2);
		sum = ~jf_csum_fold(jf_csum_add(0, whole + ETH_LEN, 20));
		memcpy(whole + ETH_LEN + 10, &sum, 2);
	} else {
		whole[ETH_LEN + 6] = frame[ETH_LEN + 40];
		jf_put_be16(whole + ETH_LEN + 4, (guint16)g->fragment_bytes);
	}
	take_ip(g, whole, headers + (guint32)g->fragment_bytes, TRUE, FALSE);
	g->fragment_count = 0;
}

static gboolean
take_plain(const JfFrame *f, gpointer data)
{
	NatGuest *g = data;
	g_autofree guint8 *frame = g_malloc(f->len);
	const guint8 *ip = frame + ETH_LEN;
	guint16 field;

	g_assert_true(jf_frame_copy(f, 0, frame, f->len));
	g_assert_cmpuint(f->len, <=, g->mtu + ETH_LEN);
	g->longest = MAX(g->longest, f->len);
	switch (jf_get_be16(frame + 12)) {
	case 0x0806:
		if (g->func)
			g->func(g, frame, f->len, g->func_data);
		arp_reply(g, frame);
		break;
	case 0x0800:
		field = jf_get_be16(ip + 6);
		g_assert_cmphex(jf_csum_fold(jf_csum_add(0, ip, 20)), ==, 0xffff);
		if (field & 0x3fff)
			take_fragment(g, frame, jf_get_be16(ip + 4), 34, 34, (field & 0x1fffu) * 8,
				      (field & 0x2000) != 0, f->len);
		else
			take_ip(g, frame, f->len, TRUE, FALSE);
		break;
	case 0x86dd:
		field = jf_get_be16(frame + 56);
		if (ip[6] == 44)
			take_fragment(g, frame, jf_get_be32(frame + 58), 54, 62, field & 0xfff8u,
				      field & 1, f->len);
		else
			take_ip(g, frame, f->len, TRUE, FALSE);
		break;
	default:
		g_assert_not_reached();
	}
	return TRUE;
}

static void
take_frame(NatGuest *g, const JfFrame *frame)
{
	g_autofree guint8 *copy = NULL;

	g_assert_true(jf_frame_is_sane(frame));
	if (!g->offload || frame->gso_type == JF_GSO_NONE) {
		g_assert_cmpuint(jf_frame_segment(frame, 0, take_plain, g), >, 0);
		return;
	}
	g->gso_size = frame->gso_size;
	copy = g_malloc(frame->len);
	g_assert_true(jf_frame_copy(frame, 0, copy, frame->len));
	take_ip(g, copy, frame->len, FALSE, TRUE);
}

void
nat_guest_turn(NatGuest *g)
{
	gint64 now;
	JfHarnessFrame *frame;

	jf_harness_poll(g->h, jf_harness_get_queued(g->h, 0) ? 0 : 1);
	now = g_get_monotonic_time();
	if (!g->frozen)
		jf_harness_crank(g->h, (guint64)(now - g->real) * 1000);
	g->real = now;
	while ((frame = jf_harness_pull(g->h, 0))) {
		take_frame(g, &frame->frame);
		jf_harness_frame_free(frame);
	}
	nat_tcp_turn(g);
}

void
nat_guest_meet(NatGuest *g)
{
	guint8 arp[42] = { 0 };
	guint8 advert[32] = { 136, 0, 0, 0, 0x60 };
	guint8 frame[ETH_LEN + 40 + sizeof advert];
	guint32 at;
	guint16 sum;

	memset(arp, 0xff, 6);
	memcpy(arp + 6, g->mac, 6);
	jf_put_be16(arp + 12, 0x0806);
	memcpy(arp + 14, "\0\1\x08\0\6\4\0\1", 8);
	memcpy(arp + 22, g->mac, 6);
	memcpy(arp + 28, g->ip4, 4);
	memcpy(arp + 38, g->gateway4, 4);
	nat_guest_send(g, arp, sizeof arp);

	memcpy(advert + 8, g->ip6, 16);
	advert[24] = 2;
	advert[25] = 1;
	memcpy(advert + 26, g->mac, 6);
	at = nat_guest_put_ip(g, frame, 6, g->gateway6, IPPROTO_ICMPV6, sizeof advert);
	frame[ETH_LEN + 7] = 255;
	memcpy(frame + at, advert, sizeof advert);
	sum = ~jf_csum_fold(
		jf_csum_add(nat_guest_pseudo_sum(frame + ETH_LEN, IPPROTO_ICMPV6, sizeof advert),
			    advert, sizeof advert));
	memcpy(frame + at + 2, &sum, 2);
	nat_guest_send(g, frame, sizeof frame);
	nat_guest_turn(g);
}

/* ---- Pattern and host sockets ---- */

/* Two periods, so that any PATTERN_LEN bytes of it are in one piece. */
static const guint8 *
pattern_table(void)
{
	static guint8 *table;

	if (g_once_init_enter(&table)) {
		guint8 *made = g_malloc(2 * PATTERN_LEN);

		for (guint32 i = 0; i < 2 * PATTERN_LEN; i++)
			made[i] = (guint8)((i % PATTERN_LEN * 2654435761u) >> 24);
		g_once_init_leave(&table, made);
	}
	return table;
}

void
nat_pattern_fill(guint8 *data, gsize len, guint64 offset)
{
	for (gsize at = 0; at < len; at += PATTERN_LEN)
		memcpy(data + at, pattern_table() + offset % PATTERN_LEN,
		       MIN(PATTERN_LEN, len - at));
}

gboolean
nat_pattern_check(const guint8 *data, gsize len, guint64 offset)
{
	for (gsize at = 0; at < len; at += PATTERN_LEN) {
		if (memcmp(data + at, pattern_table() + offset % PATTERN_LEN,
			   MIN(PATTERN_LEN, len - at)) != 0)
			return FALSE;
	}
	return TRUE;
}

static int
host_socket(int family, int type, guint16 *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	socklen_t len = family == AF_INET ? sizeof in : sizeof in6;
	struct sockaddr *address = family == AF_INET ? (void *)&in : (void *)&in6;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, address, len) < 0)
		return -1;
	g_assert_cmpint(getsockname(fd, address, &len), ==, 0);
	*port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
	return fd;
}

int
nat_host_listen(int family, guint16 *port)
{
	int fd = host_socket(family, SOCK_STREAM, port);

	if (fd >= 0)
		g_assert_cmpint(listen(fd, 8), ==, 0);
	return fd;
}

int
nat_host_udp(int family, guint16 *port)
{
	return host_socket(family, SOCK_DGRAM, port);
}

int
nat_host_connect(guint16 port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	connect(fd, (struct sockaddr *)&in, sizeof in);
	return fd;
}
