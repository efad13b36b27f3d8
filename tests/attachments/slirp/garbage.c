/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* garbage.c - "slirp" and a hostile guest: mutated, truncated and random frames. */
#include <arpa/inet.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

#define ROUNDS_QUICK 20000u
#define ROUNDS_SLOW 100000u
#define FRAME_MAX 1600u

typedef struct Seed {
	guint32 len;
	guint8 data[FRAME_MAX];
} Seed;

/* One frame of each kind that libslirp has code for. Destinations are the gateway, on ports that
 * nobody listens on: whatever a mutation makes of it stays on this host's loopback, or is refused
 * by a kernel without a route. */
static void
make_seed(Seed *seed, guint8 version, guint8 protocol, guint16 to_port, guint32 payload)
{
	guint8 *ip = seed->data + 14, *l4;

	memset(seed, 0, sizeof *seed);
	memcpy(seed->data, "\x52\x55\x0a\x00\x02\x02\x08\x00\x27\x00\x00\x01", 12);
	jf_put_be16(seed->data + 12, version == 4 ? 0x0800 : 0x86dd);
	ip[0] = version == 4 ? 0x45 : 0x60;
	if (version == 4) {
		jf_put_be16(ip + 2, (guint16)(20 + payload));
		ip[8] = 64;
		ip[9] = protocol;
		memcpy(ip + 12, "\x0a\x00\x02\x0f\x0a\x00\x02\x02", 8);
		l4 = ip + 20;
	} else {
		jf_put_be16(ip + 4, (guint16)payload);
		ip[6] = protocol;
		ip[7] = 255;
		inet_pton(AF_INET6, "fd17:625c:f037:2::15", ip + 8);
		inet_pton(AF_INET6, "fd17:625c:f037:2::2", ip + 24);
		l4 = ip + 40;
	}
	jf_put_be16(l4, 1024);
	jf_put_be16(l4 + 2, to_port);
	if (protocol == IPPROTO_UDP)
		jf_put_be16(l4 + 4, (guint16)payload);
	if (protocol == IPPROTO_TCP) {
		l4[12] = 0x60;
		l4[13] = 0x02;
		memcpy(l4 + 20, "\x02\x04\x05\xb4", 4);
	}
	seed->len = (guint32)(l4 - seed->data) + payload;
}

static void
make_arp(Seed *seed)
{
	memset(seed, 0, sizeof *seed);
	memcpy(seed->data, "\xff\xff\xff\xff\xff\xff\x08\x00\x27\x00\x00\x01\x08\x06", 14);
	memcpy(seed->data + 14, "\0\1\x08\0\6\4\0\1\x08\x00\x27\x00\x00\x01\x0a\x00\x02\x0f", 18);
	memcpy(seed->data + 38, "\x0a\x00\x02\x02", 4);
	seed->len = 42;
}

/* Puts right what a mutation broke, mostly, so that it gets past the first check. */
static void
repair(GRand *rand, Seed *s)
{
	guint8 *ip = s->data + 14;
	guint32 l4, len;
	guint8 protocol, tail[8] = { 0 };
	guint16 sum;
	guint64 pseudo;

	if (s->len < 54 || g_rand_int_range(rand, 0, 8) == 0)
		return;
	if (ip[0] >> 4 == 4) {
		l4 = 14 + (ip[0] & 15) * 4u;
		if (l4 < 34 || l4 + 20 > s->len)
			return;
		memset(ip + 10, 0, 2);
		sum = ~jf_csum_fold(jf_csum_add(0, ip, l4 - 14));
		memcpy(ip + 10, &sum, 2);
		len = MIN(jf_get_be16(ip + 2), s->len - 14u);
		if (len < l4 - 14 + 8)
			return;
		len -= l4 - 14;
		protocol = ip[9];
		pseudo = jf_csum_add(0, ip + 12, 8);
	} else {
		l4 = 54;
		len = MIN(jf_get_be16(ip + 4), s->len - 54u);
		protocol = ip[6];
		pseudo = jf_csum_add(0, ip + 8, 32);
	}
	if (len < 20)
		return;
	jf_put_be32(tail, len);
	tail[7] = protocol;
	pseudo = protocol == IPPROTO_ICMP ? 0 : jf_csum_add(pseudo, tail, 8);
	l4 += protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 2;
	memset(s->data + l4, 0, 2);
	sum = ~jf_csum_fold(jf_csum_add(pseudo,
					s->data + l4 -
						(protocol == IPPROTO_TCP   ? 16
						 : protocol == IPPROTO_UDP ? 6
									   : 2),
					len));
	memcpy(s->data + l4, &sum, 2);
}

static void
mutate(GRand *rand, Seed *s)
{
	guint n = (guint)g_rand_int_range(rand, 0, 6);

	for (guint i = 0; i < n; i++) {
		guint32 at = (guint32)g_rand_int_range(rand, 12, (gint32)s->len);

		switch (g_rand_int_range(rand, 0, 4)) {
		case 0:
			s->data[at] ^= (guint8)(1u << g_rand_int_range(rand, 0, 8));
			break;
		case 1:
			s->data[at] = (guint8)g_rand_int(rand);
			break;
		case 2:
			s->data[at] = g_rand_boolean(rand) ? 0 : 0xff;
			break;
		default:
			s->len = (guint32)g_rand_int_range(rand, 14, (gint32)s->len + 1);
			s->len = MAX(s->len, 14);
			return;
		}
		if (s->len <= 14)
			return;
	}
}

/* Addresses of the real world stay out of it: a mutated destination would leave this host. */
static gboolean
is_local(const Seed *s)
{
	const guint8 *ip = s->data + 14;

	if (s->len < 34 || jf_get_be16(s->data + 12) == 0x0806)
		return TRUE;
	if (jf_get_be16(s->data + 12) == 0x0800)
		return memcmp(ip + 16, "\x0a\x00\x02\x02", 4) == 0 ||
		       memcmp(ip + 16, "\xff\xff\xff\xff", 4) == 0 || ip[16] == 0 || ip[16] == 127;
	return s->len < 54 || (ip[24] == 0xfd && ip[25] == 0x17) || ip[24] == 0 || ip[24] == 0xff ||
	       ip[24] == 0xfe;
}

static void
send_seed(NatGuest *g, GRand *rand, const Seed *s)
{
	struct iovec piece = { (void *)(guintptr)s->data, s->len };
	JfFrame frame = jf_frame_plain(&piece);

	if (g_rand_int_range(rand, 0, 8) == 0) {
		frame.flags = JF_FRAME_NEEDS_CSUM;
		frame.csum_start = (guint16)g_rand_int_range(rand, 0, (gint32)s->len + 2);
		frame.csum_offset = (guint16)g_rand_int_range(rand, 0, 20);
		frame.gso_type = (guint8)g_rand_int_range(rand, 0, 6);
		frame.gso_size = (guint16)g_rand_int_range(rand, 0, 2000);
	}
	g_assert_cmpuint(jf_harness_push(g->h, 0, &frame, 1), ==, 1);
}

static void
drain(NatGuest *g)
{
	JfHarnessFrame *frame;

	jf_harness_poll(g->h, 0);
	jf_harness_crank(g->h, G_GUINT64_CONSTANT(5000000));
	while ((frame = jf_harness_pull(g->h, 0))) {
		g_assert_true(jf_frame_is_sane(&frame->frame));
		jf_harness_frame_free(frame);
	}
}

static void
test_garbage(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	g_autoptr(GRand) rand = g_rand_new_with_seed(20250520);
	g_autofree Seed *seeds = g_new0(Seed, 16);
	g_autofree Seed *s = g_new0(Seed, 1);
	const guint rounds = g_test_slow() ? ROUNDS_SLOW : ROUNDS_QUICK;

	for (guint i = 0; i < 2; i++) {
		guint8 version = i ? 6 : 4;

		make_seed(&seeds[i * 8 + 0], version, IPPROTO_TCP, 1, 24);
		make_seed(&seeds[i * 8 + 1], version, IPPROTO_TCP, 1, 600);
		make_seed(&seeds[i * 8 + 2], version, IPPROTO_UDP, 1, 40);
		make_seed(&seeds[i * 8 + 3], version, IPPROTO_UDP, i ? 547 : 67, 300);
		make_seed(&seeds[i * 8 + 4], version, IPPROTO_UDP, 69, 80);
		make_seed(&seeds[i * 8 + 5], version, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0, 64);
		make_seed(&seeds[i * 8 + 6], version, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0, 24);
	}
	make_arp(&seeds[7]);
	make_seed(&seeds[15], 4, IPPROTO_UDP, 1, 1400);
	jf_put_be16(seeds[15].data + 20, 0x2000);
	seeds[5].data[34] = 8;
	seeds[13].data[54] = 128;
	seeds[14].data[54] = 135;

	nat_guest_meet(g);
	for (guint i = 0; i < rounds; i++) {
		*s = seeds[g_rand_int_range(rand, 0, 16)];
		mutate(rand, s);
		repair(rand, s);
		if (is_local(s))
			send_seed(g, rand, s);
		if (i % 16 == 0)
			drain(g);
	}
	drain(g);
	/* It is still of use. */
	nat_guest_free(g_steal_pointer(&g));
	g = nat_guest_new(NULL, NULL);
	nat_guest_meet(g);
}

/* Segments of live connections: the sequence numbers are right, mostly, and the rest is not. */
static void
mutate_connection(GRand *rand, const NatTcp *tcp, Seed *s)
{
	guint32 payload = (guint32)g_rand_int_range(rand, 0, 100) * 12;
	guint8 *header = s->data + 34;

	make_seed(s, 4, IPPROTO_TCP, tcp->to_port, 20 + payload);
	jf_put_be16(header, tcp->port);
	jf_put_be32(header + 4, tcp->snd_nxt + (guint32)g_rand_int_range(rand, -2000, 2000));
	jf_put_be32(header + 8, tcp->rcv_nxt + (guint32)g_rand_int_range(rand, -2000, 2000));
	if (g_rand_boolean(rand)) {
		jf_put_be32(header + 4, tcp->snd_nxt);
		jf_put_be32(header + 8, tcp->rcv_nxt);
	}
	header[12] = (guint8)(g_rand_int_range(rand, 0, 4) ? 0x50 : g_rand_int(rand));
	header[13] = (guint8)(g_rand_int_range(rand, 0, 3) ? 0x10 : g_rand_int(rand));
	jf_put_be16(header + 14, (guint16)g_rand_int(rand));
	jf_put_be16(header + 18, (guint16)g_rand_int(rand));
	if (g_rand_int_range(rand, 0, 4) == 0)
		mutate(rand, s);
}

static void
test_connections(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	g_autoptr(GRand) rand = g_rand_new_with_seed(42);
	g_autofree Seed *s = g_new0(Seed, 1);
	const guint connections = g_test_slow() ? 400 : 80;
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);
	guint opened = 0;
	char bytes[4096] = { 0 };

	nat_guest_meet(g);
	for (guint i = 0; i < connections; i++) {
		NatTcp *tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);
		int fd = -1;

		nat_guest_wait(g, tcp->reset ||
					  (tcp->established && (fd = accept4(listener, NULL, NULL,
									     SOCK_NONBLOCK)) >= 0));
		if (tcp->reset)
			continue;
		opened++;
		for (guint j = 0; j < 250; j++) {
			mutate_connection(rand, tcp, s);
			repair(rand, s);
			if (is_local(s))
				send_seed(g, rand, s);
			if (j % 8 == 0) {
				send(fd, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
				drain(g);
			}
		}
		close(fd);
		drain(g);
		/* A mutated segment may have been a SYN. */
		while ((fd = accept(listener, NULL, NULL)) >= 0)
			close(fd);
	}
	g_assert_cmpuint(opened, >, connections / 2);
	close(listener);
}

/* Frames of every length from a header's up, and the longest, whole and in pieces. */
static void
test_lengths(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	static const guint16 types[] = { 0x0800, 0x0806, 0x86dd, 0x8100, 0x88f8, 0 };
	g_autofree guint8 *frame = g_malloc0(JF_FRAME_MAX_LEN);

	jf_harness_set_pieces(g->h, 7);
	for (guint t = 0; t < G_N_ELEMENTS(types); t++) {
		jf_put_be16(frame + 12, types[t]);
		frame[14] = types[t] == 0x86dd ? 0x60 : 0x45;
		for (guint32 len = JF_FRAME_MIN_LEN; len < 128; len++)
			nat_guest_send(g, frame, len);
		nat_guest_send(g, frame, 1514);
		nat_guest_send(g, frame, 9018);
		nat_guest_send(g, frame, JF_FRAME_MAX_LEN);
	}
	drain(g);
	g_assert_cmpuint(jf_harness_get_counter(g->h, "malformed", NULL), >, 0);
	g_assert_cmpuint(jf_harness_get_counter(g->h, "other-protocol", NULL), >, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/garbage", test_garbage);
	g_test_add_func("/nat/garbage/connections", test_connections);
	g_test_add_func("/nat/lengths", test_lengths);
	return g_test_run();
}
