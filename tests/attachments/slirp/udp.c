/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* udp.c - "slirp": datagrams both ways, whole and in fragments. */
#include <jackfield/util.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

static void
udp_echo(NatGuest *g, guint version, guint32 len)
{
	guint16 port, own = g->next_port++;
	int family = version == 4 ? AF_INET : AF_INET6;
	int fd = nat_host_udp(family, &port);
	g_autofree guint8 *data = g_malloc(len + 1);
	g_autofree NatDatagram *back = NULL;
	struct sockaddr_storage from;
	socklen_t from_len = sizeof from;
	ssize_t got = -1;

	g_assert_cmpint(fd, >=, 0);
	nat_pattern_fill(data, len, 7);
	nat_guest_send_udp(g, version, version == 4 ? g->gateway4 : g->gateway6, own, port, data,
			   len);
	nat_guest_wait(g, (got = recvfrom(fd, data, len + 1, 0, (struct sockaddr *)&from,
					  &from_len)) >= 0);
	g_assert_cmpint(got, ==, len);
	g_assert_true(nat_pattern_check(data, len, 7));
	g_assert_cmpint(sendto(fd, data, len, 0, (struct sockaddr *)&from, from_len), ==, len);
	nat_guest_wait(g, (back = nat_guest_take_udp(g, own)) != NULL);
	g_assert_cmpuint(back->len, ==, len);
	g_assert_cmpuint(back->from_port, ==, port);
	g_assert_cmpmem(back->from, version == 4 ? 4 : 16, version == 4 ? g->gateway4 : g->gateway6,
			version == 4 ? 4 : 16);
	g_assert_true(nat_pattern_check(back->data, len, 7));
	if (len + (version == 4 ? 28 : 48) <= g->mtu)
		g_assert_cmpuint(back->fragments, ==, 1);
	else
		g_assert_cmpuint(back->fragments, ==,
				 (len + 8 + ((g->mtu - (version == 4 ? 20u : 48u)) & ~7u) - 1) /
					 ((g->mtu - (version == 4 ? 20u : 48u)) & ~7u));
	close(fd);
}

static gboolean
have_ipv6(void)
{
	guint16 port;
	int fd = nat_host_udp(AF_INET6, &port);

	if (fd < 0)
		return FALSE;
	close(fd);
	return TRUE;
}

static void
test_udp(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);

	nat_guest_meet(g);
	udp_echo(g, 4, 0);
	udp_echo(g, 4, 1);
	udp_echo(g, 4, 1472);
	udp_echo(g, 4, 1473);
	udp_echo(g, 4, 8192);
	if (!have_ipv6()) {
		g_test_skip("this host has no IPv6 loopback: only IPv4 was tested");
		return;
	}
	udp_echo(g, 6, 1);
	udp_echo(g, 6, 1452);
	udp_echo(g, 6, 8192);
}

static void
test_udp_small_mtu(void)
{
	const char *const properties[] = { "mtu=576", "ipv6=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);

	g->mtu = 576;
	nat_guest_meet(g);
	udp_echo(g, 4, 548);
	udp_echo(g, 4, 549);
	udp_echo(g, 4, 8192);
	udp_echo(g, 4, 60000);
}

/* libslirp cuts what is longer than 65521 bytes itself: its pieces are cut further. */
static void
test_udp_longest(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);
	g_autofree guint8 *data = g_malloc(65507);
	g_autofree NatDatagram *back = NULL;
	struct sockaddr_storage from;
	socklen_t len = sizeof from;

	nat_guest_meet(g);
	nat_guest_send_udp(g, 4, g->gateway4, 5000, port, (const guint8 *)"x", 1);
	nat_guest_wait(g, recvfrom(fd, data, 1, 0, (struct sockaddr *)&from, &len) == 1);
	nat_pattern_fill(data, 65507, 0);
	g_assert_cmpint(sendto(fd, data, 65507, 0, (struct sockaddr *)&from, len), ==, 65507);
	nat_guest_wait(g, (back = nat_guest_take_udp(g, 5000)) != NULL);
	g_assert_cmpuint(back->len, ==, 65507);
	g_assert_true(nat_pattern_check(back->data, 65507, 0));
	close(fd);
}

/* libslirp's clock is read in rounds only: a flow that begins after a long silence must not be
 * old at birth. */
static void
test_udp_after_silence(void)
{
	const char *const properties[] = { "ipv6=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);

	nat_guest_meet(g);
	udp_echo(g, 4, 10);
	jf_harness_crank(g->h, G_GUINT64_CONSTANT(3600000000000));
	udp_echo(g, 4, 10);
}

/* A guest that takes nothing: the host's data stays in the host's sockets and none is dropped. */
static void
test_udp_backlog(void)
{
	const char *const properties[] = { "ipv6=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	g_autofree NatDatagram *came = NULL;
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);
	char byte;

	nat_guest_meet(g);
	nat_guest_send_udp(g, 4, g->gateway4, 5000, port, (const guint8 *)"x", 1);
	nat_guest_wait(g, recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) == 1);
	jf_harness_set_capacity(g->h, 0, 1);
	for (guint i = 0; i < 400; i++) {
		g_assert_cmpint(sendto(fd, &i, sizeof i, 0, (struct sockaddr *)&from, len), ==,
				sizeof i);
		jf_harness_poll(g->h, 0);
	}
	g_assert_cmpuint(jf_harness_get_counter(g->h, "queue-drops", NULL), ==, 0);
	/* There is data to read, and nobody runs round it in circles. */
	g_assert_cmpuint(jf_harness_poll(g->h, 0), ==, 0);
	/* Those that the kernel kept come in order once the guest takes them. */
	for (guint i = 0; i < 100; i++) {
		nat_guest_wait(g, (came = nat_guest_take_udp(g, 5000)) != NULL);
		g_assert_cmpmem(came->data, came->len, &i, sizeof i);
		g_clear_pointer(&came, g_free);
	}
	g_assert_cmpuint(jf_harness_get_counter(g->h, "queue-drops", NULL), ==, 0);
	close(fd);
}

/* ---- Fragments from the guest ---- */

/* Piece `i` of a datagram of `total` bytes (UDP header and the pattern), `step` bytes each. */
static void
send_fragment(NatGuest *g, guint version, guint16 to_port, guint32 id, guint32 i, guint32 step,
	      guint32 total)
{
	g_autofree guint8 *udp = g_malloc0(total);
	g_autofree guint8 *frame = g_malloc0(14 + 40 + 8 + step);
	guint32 offset = i * step, len = MIN(step, total - offset), at = version == 4 ? 34 : 62;
	gboolean more = offset + len < total;
	guint8 *ip = frame + 14, tail[8] = { 0 };
	guint16 sum;

	memcpy(frame, g->gateway_mac, 6);
	memcpy(frame + 6, g->mac, 6);
	jf_put_be16(frame + 12, version == 4 ? 0x0800 : 0x86dd);
	if (version == 4) {
		ip[0] = 0x45;
		jf_put_be16(ip + 2, (guint16)(20 + len));
		jf_put_be16(ip + 4, (guint16)id);
		jf_put_be16(ip + 6, (guint16)((more ? 0x2000 : 0) | offset / 8));
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, g->ip4, 4);
		memcpy(ip + 16, g->gateway4, 4);
		sum = ~jf_csum_fold(jf_csum_add(0, ip, 20));
		memcpy(ip + 10, &sum, 2);
	} else {
		ip[0] = 0x60;
		jf_put_be16(ip + 4, (guint16)(8 + len));
		ip[6] = 44;
		ip[7] = 64;
		memcpy(ip + 8, g->ip6, 16);
		memcpy(ip + 24, g->gateway6, 16);
		ip[40] = IPPROTO_UDP;
		jf_put_be16(ip + 42, (guint16)(offset | (more ? 1 : 0)));
		jf_put_be32(ip + 44, id);
	}
	jf_put_be16(udp, 7000);
	jf_put_be16(udp + 2, to_port);
	jf_put_be16(udp + 4, (guint16)total);
	nat_pattern_fill(udp + 8, total - 8, 0);
	tail[2] = (guint8)(total >> 8);
	tail[3] = (guint8)total;
	tail[7] = IPPROTO_UDP;
	sum = ~jf_csum_fold(jf_csum_add(jf_csum_add(version == 4 ? jf_csum_add(0, ip + 12, 8)
								 : jf_csum_add(0, ip + 8, 32),
						    tail, 8),
					udp, total));
	memcpy(udp + 6, &sum, 2);
	memcpy(frame + at, udp + offset, len);
	nat_guest_send(g, frame, at + len);
}

static gboolean
host_receives(NatGuest *g, int fd, guint32 len)
{
	g_autofree guint8 *data = g_malloc(len + 1);
	ssize_t got = -1;

	for (guint i = 0; i < 20 && got < 0; i++) {
		nat_guest_turn(g);
		got = recv(fd, data, len + 1, 0);
	}
	if (got < 0)
		return FALSE;
	g_assert_cmpint(got, ==, len);
	g_assert_true(nat_pattern_check(data, len, 0));
	return TRUE;
}

static void
fragments_in(guint version)
{
	static const guint orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 2, 0, 1 } };
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	const char *overlaps = g->is_slirp ? "malformed" : "fragment-drops";
	guint16 port;
	int fd = nat_host_udp(version == 4 ? AF_INET : AF_INET6, &port);

	nat_guest_meet(g);
	for (guint i = 0; i < G_N_ELEMENTS(orders); i++) {
		for (guint j = 0; j < 3; j++)
			send_fragment(g, version, port, i, orders[i][j], 1400, 4008);
		g_assert_true(host_receives(g, fd, 4000));
	}
	/* The longest: as a datagram of 65507 bytes, and one fragment of another between. */
	for (guint j = 0; j < 45; j++) {
		send_fragment(g, version, port, 100, j, 1448, version == 4 ? 65008 : 65000);
		send_fragment(g, version, port, 101, 1, 1448, 4000);
		send_fragment(g, version, port, 101, 1, 1448, 4000);
	}
	g_assert_true(host_receives(g, fd, version == 4 ? 65000 : 64992));
	/* The one between overlapped itself each time. */
	g_assert_cmpuint(jf_harness_get_counter(g->h, overlaps, NULL), ==, 45);

	/* Overlapping: nothing of it arrives. */
	send_fragment(g, version, port, 200, 0, 1400, 4008);
	send_fragment(g, version, port, 200, 1, 800, 4008);
	send_fragment(g, version, port, 200, 1, 1400, 4008);
	send_fragment(g, version, port, 200, 2, 1400, 4008);
	if (g->is_slirp)
		g_assert_cmpuint(jf_harness_get_counter(g->h, overlaps, NULL), ==, 46);
	g_assert_false(host_receives(g, fd, 4000));

	/* More than there is room for: the oldest gave way, the newest is whole. */
	for (guint i = 0; i < 40; i++)
		send_fragment(g, version, port, 300 + i, 0, 1400, 2408);
	g_assert_cmpuint(jf_harness_get_counter(g->h, "fragment-drops", NULL), >=, 24);
	send_fragment(g, version, port, 300, 1, 1400, 2408);
	g_assert_false(host_receives(g, fd, 2400));
	send_fragment(g, version, port, 339, 1, 1400, 2408);
	g_assert_true(host_receives(g, fd, 2400));

	/* Older than 30 s: a later piece begins anew. */
	send_fragment(g, version, port, 400, 0, 1400, 2408);
	jf_harness_crank(g->h, G_GUINT64_CONSTANT(31000000000));
	nat_guest_turn(g);
	send_fragment(g, version, port, 400, 1, 1400, 2408);
	g_assert_false(host_receives(g, fd, 2400));
	close(fd);
}

static void
test_fragments_in_ipv4(void)
{
	fragments_in(4);
}

static void
test_fragments_in_ipv6(void)
{
	if (have_ipv6())
		fragments_in(6);
	else
		g_test_skip("this host has no IPv6 loopback");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/udp", test_udp);
	g_test_add_func("/nat/udp/small-mtu", test_udp_small_mtu);
	g_test_add_func("/nat/udp/longest", test_udp_longest);
	g_test_add_func("/nat/udp/after-silence", test_udp_after_silence);
	g_test_add_func("/nat/udp/backlog", test_udp_backlog);
	g_test_add_func("/nat/fragments-in/ipv4", test_fragments_in_ipv4);
	g_test_add_func("/nat/fragments-in/ipv6", test_fragments_in_ipv6);
	return g_test_run();
}
