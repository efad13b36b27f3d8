/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* services.c - "slirp": DHCP, ARP, router advertisements, TFTP; ping, and who is refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-tcp.h"

#define DHCP_LEN 548u

/* Options of a DHCP reply, by code. */
typedef struct Dhcp {
	gboolean seen;
	guint8 type;
	guint8 yiaddr[4], siaddr[4];
	char file[129];
	GBytes *options[256];
} Dhcp;

static void
dhcp_clear(Dhcp *dhcp)
{
	for (guint i = 0; i < 256; i++)
		g_clear_pointer(&dhcp->options[i], g_bytes_unref);
	memset(dhcp, 0, sizeof *dhcp);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Dhcp, dhcp_clear)

static void
dhcp_parse(Dhcp *dhcp, const guint8 *data, guint32 len)
{
	guint32 at = 240;

	g_assert_cmpuint(len, >, at);
	dhcp->seen = TRUE;
	memcpy(dhcp->yiaddr, data + 16, 4);
	memcpy(dhcp->siaddr, data + 20, 4);
	memcpy(dhcp->file, data + 108, 128);
	while (data[at] != 255) {
		g_assert_cmpuint(at + 2 + data[at + 1], <, len);
		if (data[at])
			dhcp->options[data[at]] = g_bytes_new(data + at + 2, data[at + 1]);
		at += data[at] ? 2u + data[at + 1] : 1u;
	}
	dhcp->type = *(const guint8 *)g_bytes_get_data(dhcp->options[53], NULL);
}

static void
dhcp_ask(NatGuest *g, Dhcp *dhcp, guint8 type, const guint8 *requested)
{
	guint8 message[DHCP_LEN] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 };
	guint8 own[4];
	guint32 at = 240;
	NatDatagram *reply = NULL;

	dhcp_clear(dhcp);
	memcpy(message + 28, g->mac, 6);
	jf_put_be32(message + 236, 0x63825363);
	memcpy(message + at, (const guint8[]){ 53, 1, type }, 3);
	at += 3;
	if (requested) {
		message[at] = 50;
		message[at + 1] = 4;
		memcpy(message + at + 2, requested, 4);
		at += 6;
	}
	/* What a client asks for, and what it may be told. */
	memcpy(message + at, "\x37\x08\x01\x03\x06\x0c\x0f\x1a\x42\x43\xff", 11);
	memcpy(own, g->ip4, 4);
	memset(g->ip4, 0, 4);
	nat_guest_send_udp(g, 4, (const guint8 *)"\xff\xff\xff\xff", 68, 67, message,
			   sizeof message);
	memcpy(g->ip4, own, 4);
	nat_guest_wait(g, (reply = nat_guest_take_udp(g, 68)) != NULL);
	dhcp_parse(dhcp, reply->data, reply->len);
	g_free(reply);
}

static void
assert_option(const Dhcp *dhcp, guint code, gconstpointer value, gsize len)
{
	gsize have;
	gconstpointer data;

	g_assert_nonnull(dhcp->options[code]);
	data = g_bytes_get_data(dhcp->options[code], &have);
	g_assert_cmpmem(data, have, value, len);
}

static void
assert_lease(const char *const *properties, guint slot, const char *network3, guint mask_bits)
{
	const JfCardInfo card = { .struct_size = sizeof card, .slot = slot, .machine = "web" };
	g_autoptr(NatGuest) g = nat_guest_new(properties, &card);
	g_auto(Dhcp) dhcp = { 0 };
	guint8 net[4], mask[4];

	g_assert_cmpint(inet_pton(AF_INET, network3, net), ==, 1);
	jf_put_be32(mask, G_MAXUINT32 << (32 - mask_bits));
	dhcp_ask(g, &dhcp, 1, NULL);
	g_assert_cmpuint(dhcp.type, ==, 2);
	net[3] = 15;
	g_assert_cmpmem(dhcp.yiaddr, 4, net, 4);
	dhcp_ask(g, &dhcp, 3, net);
	g_assert_cmpuint(dhcp.type, ==, 5);
	g_assert_cmpmem(dhcp.yiaddr, 4, net, 4);
	assert_option(&dhcp, 1, mask, 4);
	net[3] = 2;
	assert_option(&dhcp, 3, net, 4);
	assert_option(&dhcp, 54, net, 4);
	g_assert_cmpmem(dhcp.siaddr, 4, net, 4);
	net[3] = 3;
	assert_option(&dhcp, 6, net, 4);
	g_assert_null(dhcp.options[26]);
	g_assert_cmpstr(dhcp.file, ==, "");
}

static void
test_dhcp(void)
{
	const char *const own[] = { "network=192.168.56.0/24", NULL };
	const char *const wide[] = { "network=172.16.0.0/16", NULL };

	assert_lease(NULL, 0, "10.0.2.0", 24);
	assert_lease(NULL, 3, "10.0.5.0", 24);
	assert_lease(own, 0, "192.168.56.0", 24);
	assert_lease(wide, 7, "172.16.0.0", 16);
}

static void
test_dhcp_options(void)
{
	const char *const properties[] = { "mtu=1400", "hostname=guest-1", "next-server=10.0.2.99",
					   "boot-file=pxelinux.0", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	g_auto(Dhcp) dhcp = { 0 };

	dhcp_ask(g, &dhcp, 1, NULL);
	assert_option(&dhcp, 26, "\x05\x78", 2);
	assert_option(&dhcp, 12, "guest-1", 7);
	assert_option(&dhcp, 66, "10.0.2.99", 9);
	g_assert_cmpmem(dhcp.siaddr, 4, "\x0a\x00\x02\x63", 4);
	g_assert_cmpstr(dhcp.file, ==, "pxelinux.0");
}

static void
test_dhcp_off(void)
{
	const char *const properties[] = { "dhcp=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	guint8 message[DHCP_LEN] = { 1, 1, 6 };

	jf_put_be32(message + 236, 0x63825363);
	memcpy(message + 240, "\x35\x01\x01\xff", 4);
	nat_guest_send_udp(g, 4, (const guint8 *)"\xff\xff\xff\xff", 68, 67, message,
			   sizeof message);
	g_assert_cmpuint(jf_harness_get_queued(g->h, 0), ==, 0);
}

typedef struct Seen {
	guint arp_replies, adverts, echoes, unreachable;
	guint8 mac[6];
	guint32 prefix_at, mtu;
	guint8 prefix[16];
	guint32 echo_len;
} Seen;

static void
see_advert(Seen *seen, const guint8 *icmp, guint32 len)
{
	seen->adverts++;
	seen->mtu = 0;
	for (guint32 at = 16; at < len; at += icmp[at + 1] * 8u) {
		g_assert_cmpuint(icmp[at + 1], >, 0);
		if (icmp[at] == 3) {
			g_assert_cmpuint(icmp[at + 2], ==, 64);
			memcpy(seen->prefix, icmp + at + 16, 16);
		} else if (icmp[at] == 5) {
			seen->mtu = jf_get_be32(icmp + at + 4);
		}
	}
}

static void
see(NatGuest *g, const guint8 *frame, guint32 len, gpointer data)
{
	Seen *seen = data;

	(void)g;
	if (jf_get_be16(frame + 12) == 0x0806 && jf_get_be16(frame + 20) == 2) {
		seen->arp_replies++;
		memcpy(seen->mac, frame + 22, 6);
	} else if (jf_get_be16(frame + 12) == 0x86dd && frame[20] == IPPROTO_ICMPV6) {
		if (frame[54] == 134)
			see_advert(seen, frame + 54, len - 54);
		seen->echoes += frame[54] == 129;
		seen->unreachable += frame[54] == 1;
	} else if (jf_get_be16(frame + 12) == 0x0800 && frame[23] == IPPROTO_ICMP) {
		seen->unreachable += frame[34] == 3;
		seen->echoes += frame[34] == 0;
		if (frame[34] == 0)
			seen->echo_len = len - 34;
	}
}

static void
test_arp(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	Seen seen = { 0 };

	g->func = see;
	g->func_data = &seen;
	nat_guest_meet(g);
	nat_guest_wait(g, seen.arp_replies == 1);
	g_assert_cmpmem(seen.mac, 6, g->gateway_mac, 6);
}

static void
solicit(NatGuest *g)
{
	guint8 solicitation[8] = { 133 };
	guint8 frame[14 + 40 + sizeof solicitation];
	guint8 tail[8] = { 0, 0, 0, sizeof solicitation, 0, 0, 0, IPPROTO_ICMPV6 };
	guint8 link_local[16] = { 0xfe, 0x80 }, to[16] = { 0xff, 2 };
	guint16 sum;

	link_local[15] = 0x15;
	to[15] = 2;
	memcpy(frame, "\x33\x33\0\0\0\2", 6);
	memcpy(frame + 6, g->mac, 6);
	jf_put_be16(frame + 12, 0x86dd);
	memset(frame + 14, 0, 40);
	frame[14] = 0x60;
	frame[19] = sizeof solicitation;
	frame[20] = IPPROTO_ICMPV6;
	frame[21] = 255;
	memcpy(frame + 22, link_local, 16);
	memcpy(frame + 38, to, 16);
	sum = ~jf_csum_fold(jf_csum_add(jf_csum_add(jf_csum_add(0, frame + 22, 32), tail, 8),
					solicitation, sizeof solicitation));
	memcpy(solicitation + 2, &sum, 2);
	memcpy(frame + 54, solicitation, sizeof solicitation);
	nat_guest_send(g, frame, sizeof frame);
}

static void
assert_advert(const char *const *properties, const char *prefix, guint32 mtu)
{
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	Seen seen = { 0 };
	guint8 want[16];

	g->func = see;
	g->func_data = &seen;
	solicit(g);
	nat_guest_wait(g, seen.adverts >= 1);
	g_assert_cmpint(inet_pton(AF_INET6, prefix, want), ==, 1);
	g_assert_cmpmem(seen.prefix, 16, want, 16);
	/* libslirp does not know the option; it is added where it says something. */
	g_assert_cmpuint(seen.mtu, ==, g->is_slirp && mtu == 1500 ? 0 : mtu);
}

static void
test_router_advert(void)
{
	const char *const own[] = { "network=192.168.56.0/24", "mtu=1280", NULL };

	assert_advert(NULL, "fd17:625c:f037:2::", 1500);
	assert_advert(own, "fd17:625c:f037:a838::", 1280);
}

static void
test_router_advert_timer(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	Seen seen = { 0 };

	g->func = see;
	g->func_data = &seen;
	nat_guest_meet(g);
	for (guint i = 0; i < 700; i++)
		jf_harness_crank(g->h, G_GUINT64_CONSTANT(1000000000));
	nat_guest_turn(g);
	g_assert_cmpuint(seen.adverts, >, 0);
}

static void
test_ipv6_off(void)
{
	const char *const properties[] = { "ipv6=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);

	solicit(g);
	g_assert_cmpuint(jf_harness_get_queued(g->h, 0), ==, 0);
	g_assert_cmpuint(jf_harness_get_deadline(g->h), ==, 0);
}

/* ---- Ping, DNS, refusals ---- */

static void
send_echo(NatGuest *g, const guint8 *to, guint32 len)
{
	g_autofree guint8 *echo = g_malloc0(len);
	guint16 sum;

	echo[0] = 8;
	sum = ~jf_csum_fold(jf_csum_add(0, echo, len));
	memcpy(echo + 2, &sum, 2);
	nat_guest_send_ip(g, 4, to, IPPROTO_ICMP, echo, len);
}

static void
test_ping_gateway(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	Seen seen = { 0 };

	g->func = see;
	g->func_data = &seen;
	nat_guest_meet(g);
	send_echo(g, g->gateway4, 64);
	nat_guest_wait(g, seen.echoes == 1);
	g_assert_cmpuint(seen.echo_len, ==, 64);
	/* A jumbo request: its answer is longer than the MTU and comes in fragments. */
	send_echo(g, g->gateway4, 8008);
	nat_guest_wait(g, seen.echoes == 2);
	g_assert_cmpuint(seen.echo_len, ==, 8008);
	if (g->is_slirp)
		g_assert_cmpuint(jf_harness_get_counter(g->h, "fragments", NULL), ==, 6);
}

#define NOBODY 65534

/* Where this user may not ping, the guest's ping is counted and the reason said once. */
static void
ping_out_refused(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	g_autofree char *log = NULL;

	if (fd >= 0) {
		close(fd);
		g_test_skip("every user of this host may ping, and no test leaves it");
		return;
	}
	nat_guest_meet(g);
	send_echo(g, (const guint8 *)"\xc0\x00\x02\x01", 64);
	send_echo(g, (const guint8 *)"\xc0\x00\x02\x01", 64);
	g_assert_cmpuint(jf_harness_get_counter(g->h, "ping-refused", NULL), ==, 2);
	log = jf_harness_get_log(g->h);
	g_assert_nonnull(strstr(log, "ping_group_range"));
	g_assert_null(strstr(strstr(log, "ping_group_range") + 1, "ping_group_range"));
}

/* Root may always ping: for once, somebody else does. */
static void
test_ping_out(void)
{
	if (geteuid() == 0)
		g_assert_cmpint(seteuid(NOBODY), ==, 0);
	ping_out_refused();
	if (getuid() == 0)
		g_assert_cmpint(seteuid(0), ==, 0);
}

static void
test_ping_out_ipv6(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint8 to[16] = { 0x20, 1, 0x0d, 0xb8 }, echo[8] = { 128 }, ip[40] = { 0x60 };
	guint16 sum;
	g_autofree char *log = NULL;

	memcpy(ip + 8, g->ip6, 16);
	memcpy(ip + 24, to, 16);
	sum = ~jf_csum_fold(jf_csum_add(nat_guest_pseudo_sum(ip, IPPROTO_ICMPV6, sizeof echo), echo,
					sizeof echo));
	memcpy(echo + 2, &sum, 2);
	for (guint i = 0; i < 3; i++)
		nat_guest_send_ip(g, 6, to, IPPROTO_ICMPV6, echo, sizeof echo);
	g_assert_cmpuint(jf_harness_get_counter(g->h, "ping-refused", NULL), ==, 3);
	log = jf_harness_get_log(g->h);
	g_assert_nonnull(strstr(log, "ping_group_range"));
	g_assert_null(strstr(strstr(log, "ping_group_range") + 1, "ping_group_range"));
}

/* The host's loopback is behind the gateway's address and behind no other. */
static void
test_loopback_addresses(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	static const char *const v6[] = { "::1", "::", "::ffff:127.0.0.1" };
	guint8 to[16];
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);
	char byte;

	nat_guest_meet(g);
	nat_guest_send_udp(g, 4, (const guint8 *)"\x7f\0\0\1", 5000, port, (const guint8 *)"x", 1);
	nat_guest_send_udp(g, 4, (const guint8 *)"\0\0\0\0", 5000, port, (const guint8 *)"x", 1);
	for (guint i = 0; i < G_N_ELEMENTS(v6); i++) {
		g_assert_cmpint(inet_pton(AF_INET6, v6[i], to), ==, 1);
		nat_guest_send_udp(g, 6, to, 5000, port, (const guint8 *)"x", 1);
	}
	g_assert_cmpuint(jf_harness_get_counter(g->h, "refused", NULL) +
				 jf_harness_get_counter(g->h, "malformed", NULL),
			 ==, 5);
	g_assert_cmpint(recv(fd, &byte, 1, 0), ==, -1);
	g_assert_cmpint(errno, ==, EAGAIN);
	close(fd);
}

static void
test_localhost_off(void)
{
	const char *const properties[] = { "localhost-reachable=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	Seen seen = { 0 };
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);
	char byte;

	g->func = see;
	g->func_data = &seen;
	nat_guest_meet(g);
	nat_guest_send_udp(g, 4, g->gateway4, 5000, port, (const guint8 *)"x", 1);
	nat_guest_wait(g, seen.unreachable == 1);
	g_assert_cmpint(recv(fd, &byte, 1, 0), ==, -1);
	g_assert_cmpint(errno, ==, EAGAIN);
	close(fd);
}

static void
test_restricted(void)
{
	const char *const properties[] = { "restricted=on", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);
	char byte;

	nat_guest_meet(g);
	nat_guest_send_udp(g, 4, g->gateway4, 5000, port, (const guint8 *)"x", 1);
	nat_guest_turn(g);
	g_assert_cmpint(recv(fd, &byte, 1, 0), ==, -1);
	close(fd);
}

/* ---- TFTP ---- */

static void
test_tftp(void)
{
	g_autofree char *dir = g_dir_make_tmp("nat-XXXXXX", NULL);
	g_autofree char *root = g_build_filename(dir, "TFTP", NULL);
	g_autofree char *file = g_build_filename(root, "web.pxe", NULL);
	const JfCardInfo card = { .struct_size = sizeof card, .machine = "web", .config_dir = dir };
	static const guint8 request[] = "\0\1web.pxe\0octet";
	g_auto(Dhcp) dhcp = { 0 };

	g_assert_cmpint(g_mkdir(root, 0700), ==, 0);
	g_assert_true(g_file_set_contents(file, "boot me", 7, NULL));
	{
		g_autoptr(NatGuest) g = nat_guest_new(NULL, &card);
		g_autofree NatDatagram *reply = NULL;

		nat_guest_meet(g);
		dhcp_ask(g, &dhcp, 1, NULL);
		g_assert_cmpstr(dhcp.file, ==, "web.pxe");
		nat_guest_send_udp(g, 4, g->gateway4, 6000, 69, request, sizeof request);
		nat_guest_wait(g, (reply = nat_guest_take_udp(g, 6000)) != NULL);
		g_assert_cmpmem(reply->data, reply->len, "\0\3\0\1boot me", 11);
	}
	g_unlink(file);
	g_rmdir(root);
	g_rmdir(dir);
}

/* A machine's name may be longer than a boot file's may: the card starts all the same. */
static void
test_long_name(void)
{
	g_autofree char *dir = g_dir_make_tmp("nat-XXXXXX", NULL);
	g_autofree char *root = g_build_filename(dir, "TFTP", NULL);
	g_autofree char *name = g_strnfill(300, 'm');
	const JfCardInfo card = { .struct_size = sizeof card, .machine = name, .config_dir = dir };
	g_auto(Dhcp) dhcp = { 0 };

	g_assert_cmpint(g_mkdir(root, 0700), ==, 0);
	{
		g_autoptr(NatGuest) g = nat_guest_new(NULL, &card);

		nat_guest_meet(g);
		dhcp_ask(g, &dhcp, 1, NULL);
		g_assert_cmpuint(strlen(dhcp.file), ==, 127);
		g_assert_true(g_str_has_suffix(dhcp.file, "m.pxe"));
	}
	g_rmdir(root);
	g_rmdir(dir);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/dhcp", test_dhcp);
	g_test_add_func("/nat/dhcp/options", test_dhcp_options);
	g_test_add_func("/nat/dhcp/off", test_dhcp_off);
	g_test_add_func("/nat/arp", test_arp);
	g_test_add_func("/nat/router-advert", test_router_advert);
	g_test_add_func("/nat/router-advert/timer", test_router_advert_timer);
	g_test_add_func("/nat/ipv6-off", test_ipv6_off);
	g_test_add_func("/nat/ping/gateway", test_ping_gateway);
	g_test_add_func("/nat/ping/out", test_ping_out);
	g_test_add_func("/nat/ping/out-ipv6", test_ping_out_ipv6);
	g_test_add_func("/nat/loopback-addresses", test_loopback_addresses);
	g_test_add_func("/nat/localhost-off", test_localhost_off);
	g_test_add_func("/nat/restricted", test_restricted);
	g_test_add_func("/nat/tftp", test_tftp);
	g_test_add_func("/nat/tftp/long-name", test_long_name);
	return g_test_run();
}
