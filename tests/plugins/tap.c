/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap.c - the tap connector against the kernel, in a network namespace that the test makes.
 *
 * The far side of the device is played by a packet socket on the interface.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int control; /* for ioctls on interfaces */

typedef struct Fixture {
	JfHarness *h;
	int peer; /* packet socket on jf0 */
} Fixture;

/* ---- The kernel's side ---- */

static void
run(const char *format, ...)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *line = NULL;
	g_autofree char *output = NULL;
	va_list args;
	int status;

	va_start(args, format);
	line = g_strdup_vprintf(format, args);
	va_end(args);
	g_spawn_command_line_sync(line, NULL, &output, &status, &error);
	g_assert_no_error(error);
	if (!g_spawn_check_wait_status(status, NULL))
		g_error("%s: %s", line, output);
}

static int
peer_open(const char *ifname, gboolean with_header)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(ifname) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1, size = 8 << 20;

	g_assert_cmpint(fd, >=, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	/* Not what we send ourselves, and no copies of it on the way out. */
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
	if (with_header)
		g_assert_cmpint(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), ==, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&ll, sizeof ll), ==, 0);
	return fd;
}

static struct ifreq
interface_get(const char *name, unsigned long request)
{
	struct ifreq req = { .ifr_flags = 0 };

	g_strlcpy(req.ifr_name, name, IFNAMSIZ);
	g_assert_cmpint(ioctl(control, request, &req), ==, 0);
	return req;
}

static gboolean
interface_has_carrier(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ifreq req = { .ifr_data = (char *)&value };

	g_strlcpy(req.ifr_name, name, IFNAMSIZ);
	g_assert_cmpint(ioctl(control, SIOCETHTOOL, &req), ==, 0);
	return value.data != 0;
}

static gssize
peer_read(JfHarness *h, int fd, guint8 *data, gsize len)
{
	gint64 deadline = g_get_monotonic_time() + WIRE_TIMEOUT_MS * 1000;
	gssize got;

	while ((got = recv(fd, data, len, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		jf_harness_poll(h, 1);
	}
	g_assert_cmpint(got, >, 0);
	return got;
}

/* The kernel pads nothing: the next frame is exactly number `seq`. */
static void
peer_expect(JfHarness *h, int fd, guint32 len, guint32 seq)
{
	static guint8 data[JF_FRAME_MAX_LEN + 1];

	g_assert_cmpint(peer_read(h, fd, data, sizeof data), ==, len);
	g_assert_true(wire_frame_is(data, len, seq));
}

static void
peer_send(JfHarness *h, int fd, guint32 len, guint32 seq)
{
	static guint8 data[JF_FRAME_MAX_LEN];

	wire_frame_fill(data, len, seq);
	while (send(fd, data, len, 0) < 0) {
		/* The device's queue is as full as its sender's buffer. */
		g_assert_true(errno == ENOBUFS || errno == EAGAIN);
		jf_harness_poll(h, 1);
	}
}

/* IPv6 says hello on its own when an interface comes up. */
static void
set_ipv6(gboolean on)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	g_assert_cmpint(write(fd, on ? "0" : "1", 1), ==, 1);
	close(fd);
}

static void
setup(Fixture *f, gconstpointer more)
{
	f->h = wire_start((const char *[]){ "ifname=jf0", "mtu=65521", more, NULL });
	f->peer = peer_open("jf0", FALSE);
}

static void
teardown(Fixture *f, gconstpointer more)
{
	(void)more;
	close(f->peer);
	wire_stop(f->h);
	/* It was not persistent. */
	g_assert_cmpuint(if_nametoindex("jf0"), ==, 0);
}

/* ---- Frames ---- */

static void
test_both_ways(Fixture *f, gconstpointer more)
{
	static const guint32 lens[] = { 15, 59, 60, 61, 1514, 9018, 65535 };

	(void)more;
	for (guint pieces = 1; pieces <= JF_FRAME_MAX_IOV; pieces *= 8) {
		jf_harness_set_pieces(f->h, pieces);
		for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
			g_assert_true(wire_push(f->h, 0, lens[i], i));
			peer_expect(f->h, f->peer, lens[i], i);
			peer_send(f->h, f->peer, lens[i], i);
			wire_expect(f->h, 0, lens[i], i);
		}
	}
	g_assert_cmpuint(wire_counter(f->h, "tx-errors"), ==, 0);
	g_assert_cmpuint(wire_counter(f->h, "bad-length"), ==, 0);
}

/* Refused by the far end, frames wait in the device, in order. */
static void
test_refused(Fixture *f, gconstpointer more)
{
	(void)more;
	jf_harness_set_capacity(f->h, 0, 3);
	for (guint32 i = 0; i < 300; i++)
		peer_send(f->h, f->peer, 60 + i, i);
	for (guint32 i = 0; i < 300; i++)
		wire_expect(f->h, 0, 60 + i, i);
}

/* 500 frames take the worker's turn more than once. */
static void
test_bounded(Fixture *f, gconstpointer more)
{
	int second = peer_open("jf0", FALSE);

	(void)more;
	/* More than one socket may have on its way. */
	for (guint32 i = 0; i < 500; i++)
		peer_send(f->h, i < 250 ? f->peer : second, 60, i);
	close(second);
	g_assert_cmpuint(jf_harness_get_queued(f->h, 0), ==, 0);
	g_assert_cmpuint(jf_harness_poll(f->h, 0), >=, 2);
	for (guint32 i = 0; i < 500; i++)
		wire_expect(f->h, 0, 60, i);
}

static void
test_down(Fixture *f, gconstpointer more)
{
	(void)more;
	run("ip link set jf0 down");
	for (guint i = 0; i < 10; i++)
		g_assert_true(wire_push(f->h, 0, 60, i));
	g_assert_cmpuint(wire_counter(f->h, "device-down-drops"), ==, 10);
	run("ip link set jf0 up");
	g_assert_true(wire_push(f->h, 0, 60, 10));
	/* Having gone down is an error of the packet socket, told once. */
	recv(f->peer, &(char){ 0 }, 1, MSG_DONTWAIT);
	peer_expect(f->h, f->peer, 60, 10);
}

static void
test_carrier(Fixture *f, gconstpointer more)
{
	(void)more;
	g_assert_true(interface_has_carrier("jf0"));
	jf_harness_set_link(f->h, 0, FALSE);
	g_assert_false(interface_has_carrier("jf0"));
	jf_harness_set_link(f->h, 0, TRUE);
	g_assert_true(interface_has_carrier("jf0"));
}

static gboolean
has_failed(JfHarness *h, gpointer data)
{
	(void)data;
	return jf_harness_get_failure(h) != NULL;
}

static void
expect_deleted(JfHarness *h)
{
	g_assert_true(jf_harness_poll_until(h, has_failed, NULL, WIRE_TIMEOUT_MS));
	g_assert_nonnull(strstr(jf_harness_get_failure(h)->message, "'jf0' has been deleted"));
	g_assert_cmpuint(jf_harness_poll(h, 0), ==, 0);
	wire_stop(h);
}

static void
test_deleted(void)
{
	JfHarness *h = wire_start((const char *[]){ "ifname=jf0", NULL });

	run("ip link delete jf0");
	expect_deleted(h);
}

/* While frames from it wait for room, it shows in those for it, or once there is room. */
static void
test_deleted_paused(gconstpointer push)
{
	JfHarness *h = wire_start((const char *[]){ "ifname=jf0", NULL });
	int peer = peer_open("jf0", FALSE);

	jf_harness_set_capacity(h, 0, 1);
	for (guint i = 0; i < 10; i++)
		peer_send(h, peer, 60, i);
	wire_wait_queued(h, 0, 1);
	run("ip link delete jf0");
	if (push)
		g_assert_true(wire_push(h, 0, 60, 1));
	else
		for (guint i = 0; i < 10; i++)
			wire_expect(h, 0, 60, i);
	close(peer);
	expect_deleted(h);
}

/* 64 KiB in a send buffer of 16 KiB: what the host's queue holds back, the sender keeps. */
static void
test_send_buffer(void)
{
	JfHarness *h = wire_start((const char *[]){ "ifname=jf0", "send-buffer=16K", NULL });
	guint32 pushed = 0, seen = 0;
	guint refusals = 0;
	int peer;

	run("ip link add br0 type bridge");
	run("ip link add v0 type veth peer name v1");
	run("tc qdisc add dev v0 root tbf rate 40mbit burst 3000 limit 10000000");
	run("ip link set jf0 master br0");
	run("ip link set v0 master br0");
	run("ip link set br0 up");
	run("ip link set v0 up");
	run("ip link set v1 up");
	peer = peer_open("v1", FALSE);
	while (seen < 200) {
		guint8 data[2000];
		gssize got;

		while (pushed < 200 && wire_push(h, 0, 1400, pushed))
			pushed++;
		refusals += pushed < 200;
		jf_harness_poll(h, 1);
		while ((got = recv(peer, data, sizeof data, MSG_DONTWAIT)) == 1400)
			g_assert_true(wire_frame_is(data, 1400, seen++));
	}
	g_assert_cmpuint(refusals, >, 0);
	g_assert_cmpuint(jf_harness_get_resumes(h, 0), >, 0);
	close(peer);
	run("ip link delete br0");
	run("ip link delete v0");
	wire_stop(h);
}

/* ---- Offloads ---- */

typedef struct Segments {
	guint8 data[14 + 40 + 20 + 4000];
	guint32 len;
	JfFrame frame;
	struct iovec piece;
} Segments;

/* A TCP or UDP frame of 4000 bytes of payload in trains of 1000, checksum to be filled in. */
static void
segments_fill(Segments *s, guint8 gso_type)
{
	gboolean is_v6 = gso_type == JF_GSO_TCPV6, is_udp = gso_type == JF_GSO_UDP_L4;
	guint32 l3 = is_v6 ? 40 : 20, l4 = is_udp ? 8 : 20;
	guint8 *ip = s->data + 14, *transport = ip + l3;
	guint16 sum;
	guint64 pseudo;

	memset(s->data, 0, sizeof s->data);
	s->len = 14 + l3 + l4 + 4000;
	memcpy(s->data, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
	jf_put_be16(s->data + 12, is_v6 ? 0x86dd : 0x0800);
	if (is_v6) {
		ip[0] = 0x60;
		jf_put_be16(ip + 4, (guint16)(l4 + 4000));
		ip[6] = 6;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[39] = 1;
		pseudo = jf_csum_add(0, ip + 8, 32);
	} else {
		ip[0] = 0x45;
		jf_put_be16(ip + 2, (guint16)(l3 + l4 + 4000));
		ip[8] = 64;
		ip[9] = is_udp ? 17 : 6;
		memcpy(ip + 12, "\xc0\0\2\1\xc0\0\2\2", 8);
		sum = (guint16)~jf_csum_fold(jf_csum_add(0, ip, 20));
		memcpy(ip + 10, &sum, 2);
		pseudo = jf_csum_add(0, ip + 12, 8);
	}
	jf_put_be16(transport, 1000);
	jf_put_be16(transport + 2, 2000);
	if (is_udp) {
		jf_put_be16(transport + 4, (guint16)(l4 + 4000));
	} else {
		transport[12] = 0x50;
		transport[13] = 0x10;
	}
	for (guint i = 0; i < 4000; i++)
		transport[l4 + i] = (guint8)(i * 7);
	pseudo = jf_csum_add(pseudo, (guint8[]){ 0, is_udp ? 17 : 6 }, 2);
	jf_put_be16(&sum, (guint16)(l4 + 4000));
	sum = jf_csum_fold(jf_csum_add(pseudo, &sum, 2));
	memcpy(transport + (is_udp ? 6 : 16), &sum, 2);
	s->piece = (struct iovec){ s->data, s->len };
	s->frame = jf_frame_plain(&s->piece);
	s->frame.flags = JF_FRAME_NEEDS_CSUM;
	s->frame.gso_type = gso_type;
	s->frame.gso_size = 1000;
	s->frame.hdr_len = (guint16)(14 + l3 + l4);
	s->frame.csum_start = (guint16)(14 + l3);
	s->frame.csum_offset = is_udp ? 6 : 16;
	g_assert_true(jf_frame_is_sane(&s->frame));
}

static gboolean
takes(JfHarness *h, const Segments *s)
{
	guint32 wanted = jf_frame_offloads(&s->frame);

	return (jf_harness_get_offloads(h, 0) & wanted) == wanted;
}

static void
segments_to_device(JfHarness *h, int peer, const Segments *s)
{
	struct {
		struct virtio_net_hdr head;
		guint8 data[sizeof s->data];
	} got;

	g_assert_cmpuint(jf_harness_push(h, 0, &s->frame, 1), ==, 1);
	g_assert_cmpint(peer_read(h, peer, (guint8 *)&got, sizeof got), ==,
			sizeof got.head + s->len);
	g_assert_cmpmem(got.data, s->len, s->data, s->len);
	g_assert_cmpuint(got.head.gso_type, ==, s->frame.gso_type);
	g_assert_cmpuint(got.head.gso_size, ==, s->frame.gso_size);
	g_assert_cmpuint(got.head.flags, ==, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	g_assert_cmpuint(got.head.csum_start, ==, s->frame.csum_start);
}

static void
segments_from_device(JfHarness *h, int peer, const Segments *s)
{
	struct virtio_net_hdr head = { .flags = s->frame.flags,
				       .gso_type = s->frame.gso_type,
				       .hdr_len = s->frame.hdr_len,
				       .gso_size = s->frame.gso_size,
				       .csum_start = s->frame.csum_start,
				       .csum_offset = s->frame.csum_offset };
	const struct iovec pieces[] = { { &head, sizeof head }, s->piece };
	g_autoptr(JfHarnessFrame) out = NULL;

	g_assert_cmpint(writev(peer, pieces, 2), ==, sizeof head + s->len);
	wire_wait_queued(h, 0, 1);
	out = jf_harness_pull(h, 0);
	g_assert_cmpmem(out->data, out->len, s->data, s->len);
	g_assert_cmpuint(out->frame.gso_type, ==, s->frame.gso_type);
	g_assert_cmpuint(out->frame.gso_size, ==, s->frame.gso_size);
	g_assert_cmpuint(out->frame.flags, ==, JF_FRAME_NEEDS_CSUM);
	g_assert_cmpuint(out->frame.csum_start, ==, s->frame.csum_start);
	g_assert_cmpuint(out->frame.csum_offset, ==, s->frame.csum_offset);
}

static void
test_offloads(Fixture *f, gconstpointer more)
{
	static const guint8 types[] = { JF_GSO_TCPV4, JF_GSO_TCPV6, JF_GSO_UDP_L4 };
	int peer = peer_open("jf0", TRUE);
	static Segments s;

	(void)more;
	for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
		segments_fill(&s, types[i]);
		if (!takes(f->h, &s)) {
			/* Kernels before 6.2 know no trains of datagrams. */
			g_assert_cmpuint(types[i], ==, JF_GSO_UDP_L4);
			continue;
		}
		for (guint pieces = 1; pieces <= 16; pieces *= 4) {
			jf_harness_set_pieces(f->h, pieces);
			segments_to_device(f->h, peer, &s);
		}
		segments_from_device(f->h, peer, &s);
	}
	/* A hint beyond the frame is no reason to lose it. */
	segments_fill(&s, JF_GSO_TCPV4);
	s.frame.hdr_len = 65535;
	segments_to_device(f->h, peer, &s);
	close(peer);
}

/* Without the header there are none: the core would cut the frame. */
static void
test_no_offloads(Fixture *f, gconstpointer more)
{
	static Segments s;

	(void)more;
	g_assert_cmpuint(jf_harness_get_offloads(f->h, 0), ==, 0);
	segments_fill(&s, JF_GSO_TCPV4);
	g_assert_cmpuint(jf_harness_push(f->h, 0, &s.frame, 1), ==, 1);
	for (guint i = 0; i < 4; i++) {
		guint8 data[2000];

		g_assert_cmpint(peer_read(f->h, f->peer, data, sizeof data), ==, 14 + 40 + 1000);
		g_assert_cmpuint(jf_csum_fold(jf_csum_add(0, data + 14, 20)), ==, 0xffff);
	}
}

/* ---- The device ---- */

static void
test_set_up(void)
{
	struct ifreq req;
	JfHarness *h;

	set_ipv6(TRUE);
	h = wire_start((const char *[]){ "ifname=jf0", "mac=02:11:22:33:44:55", "mtu=9000",
					 "address=192.0.2.7/28", "address6=2001:db8::7/64", NULL });
	req = interface_get("jf0", SIOCGIFHWADDR);
	g_assert_cmpmem(req.ifr_hwaddr.sa_data, 6, "\x02\x11\x22\x33\x44\x55", 6);
	g_assert_cmpint(interface_get("jf0", SIOCGIFMTU).ifr_mtu, ==, 9000);
	g_assert_true(interface_get("jf0", SIOCGIFFLAGS).ifr_flags & IFF_UP);
	req = interface_get("jf0", SIOCGIFADDR);
	g_assert_cmpmem(&((struct sockaddr_in *)&req.ifr_addr)->sin_addr, 4, "\xc0\0\2\7", 4);
	req = interface_get("jf0", SIOCGIFNETMASK);
	g_assert_cmpmem(&((struct sockaddr_in *)&req.ifr_addr)->sin_addr, 4, "\xff\xff\xff\xf0", 4);
	run("sh -c 'ip -6 addr show dev jf0 | grep -q 2001:db8::7/64'");
	wire_stop(h);
	set_ipv6(FALSE);
}

/* A new device is the guest's: it has the card's address, and is up. */
static void
test_new_device(void)
{
	JfHarness *h = wire_start((const char *[]){ "ifname=jf%d", NULL });
	g_autofree char *log = jf_harness_get_log(h);
	struct ifreq req = interface_get("jf0", SIOCGIFHWADDR);

	g_assert_cmpmem(req.ifr_hwaddr.sa_data, 6, "\x08\0\x27\0\0\1", 6);
	g_assert_true(interface_get("jf0", SIOCGIFFLAGS).ifr_flags & IFF_UP);
	g_assert_nonnull(strstr(log, "'jf0'"));
	wire_stop(h);
	h = wire_start((const char *[]){ "ifname=jf0", "up=off", NULL });
	g_assert_false(interface_get("jf0", SIOCGIFFLAGS).ifr_flags & IFF_UP);
	wire_stop(h);
}

/* One that was there keeps what it has, also its life. */
static void
test_old_device(gconstpointer queues)
{
	JfHarness *h;

	run("ip tuntap add dev jf0 mode tap %s", queues ? "multi_queue" : "");
	run("ip link set jf0 address 02:99:99:99:99:99 mtu 1400");
	h = wire_start((const char *[]){ "ifname=jf0", NULL });
	g_assert_cmpmem(interface_get("jf0", SIOCGIFHWADDR).ifr_hwaddr.sa_data, 6,
			"\x02\x99\x99\x99\x99\x99", 6);
	g_assert_cmpint(interface_get("jf0", SIOCGIFMTU).ifr_mtu, ==, 1400);
	g_assert_false(interface_get("jf0", SIOCGIFFLAGS).ifr_flags & IFF_UP);
	/* Asked for what it has, it needs no right. */
	wire_stop(h);
	g_assert_cmpuint(if_nametoindex("jf0"), !=, 0);
	run("ip link delete jf0");
}

static void
test_persistent(void)
{
	wire_stop(wire_start((const char *[]){ "ifname=jf0", "persistent=on", NULL }));
	g_assert_cmpuint(if_nametoindex("jf0"), !=, 0);
	wire_stop(wire_start((const char *[]){ "ifname=jf0", NULL }));
	g_assert_cmpuint(if_nametoindex("jf0"), !=, 0);
	run("ip link delete jf0");
}

/* ---- A passed fd ---- */

static int
device_open(const char *name, int flags)
{
	struct ifreq req = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	g_strlcpy(req.ifr_name, name, IFNAMSIZ);
	g_assert_cmpint(ioctl(fd, TUNSETIFF, &req), ==, 0);
	return fd;
}

static void
test_fd(gconstpointer flags)
{
	gboolean header = (GPOINTER_TO_INT(flags) & IFF_VNET_HDR) != 0;
	int fd = device_open("jf0", GPOINTER_TO_INT(flags));
	g_autofree char *property = g_strdup_printf("fd=%d", fd);
	JfHarness *h;
	int peer;

	run("ip link set jf0 up");
	h = wire_start((const char *[]){ property, NULL });
	g_assert_cmpint(jf_harness_get_offloads(h, 0) != 0, ==, header);
	peer = peer_open("jf0", FALSE);
	for (guint i = 0; i < 10; i++) {
		peer_send(h, peer, 60 + i, i);
		wire_expect(h, 0, 60 + i, i);
		g_assert_true(wire_push(h, 0, 60 + i, i));
		peer_expect(h, peer, 60 + i, i);
	}
	close(peer);
	wire_stop(h);
	/* It is the program's still. */
	g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
	close(fd);
}

static void
test_fd_wrong(void)
{
	int tun = device_open("jf0", IFF_TUN | IFF_NO_PI);
	g_autofree char *is_tun = g_strdup_printf("fd=%d", tun);

	wire_start_fails((const char *[]){ "fd=1", NULL }, JF_ERROR_VALUE, "not a tap device");
	wire_start_fails((const char *[]){ "fd=100000", NULL }, JF_ERROR_VALUE, "Bad file");
	wire_start_fails((const char *[]){ is_tun, NULL }, JF_ERROR_VALUE, "not a tap device");
	wire_start_fails((const char *[]){ is_tun, "mtu=1500", NULL }, JF_ERROR_KEY, "mtu");
	wire_start_fails((const char *[]){ is_tun, "ifname=a", NULL }, JF_ERROR_KEY, "ifname");
	close(tun);
}

/* ---- Namespaces ---- */

typedef struct Child {
	pid_t pid;
	int line; /* a byte each way */
} Child;

/* Sends a datagram whenever it is told to. */
static void
child_run(int line, int flags)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	char byte;

	memcpy(&to.sin_addr, "\xc0\0\2\x09", 4);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(flags) || write(line, "", 1) != 1)
		_exit(1);
	while (read(line, &byte, 1) == 1)
		sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&to,
		       sizeof to);
	_exit(0);
}

/* A process in namespaces of its own. */
static Child
child_new(int flags)
{
	Child child;
	int line[2];
	char byte;

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line), ==, 0);
	child.pid = fork();
	if (!child.pid) {
		close(line[0]);
		child_run(line[1], flags);
	}
	close(line[1]);
	child.line = line[0];
	g_assert_cmpint(read(child.line, &byte, 1), ==, 1);
	return child;
}

static void
child_end(Child *child)
{
	close(child->line);
	waitpid(child->pid, NULL, 0);
}

/* Its stack asks for a neighbour: the ARP request comes out here, from this address. */
static void
expect_arp(JfHarness *h, const char *mac)
{
	guint16 type = 0;

	while (type != ETHERTYPE_ARP) {
		g_autoptr(JfHarnessFrame) frame = NULL;

		wire_wait_queued(h, 0, 1);
		frame = jf_harness_pull(h, 0);
		type = jf_get_be16(frame->data + 12);
		g_assert_cmpmem(frame->data + 6, 6, mac, 6);
	}
}

static void
test_netns(gconstpointer flags)
{
	Child child = child_new(GPOINTER_TO_INT(flags));
	g_autofree char *property = g_strdup_printf("netns=/proc/%d/ns/net", (int)child.pid);
	g_autofree char *dev = g_strdup_printf("/proc/%d/net/dev", (int)child.pid);
	g_autofree char *devices = NULL;
	struct stat before, after;
	JfHarness *h;

	g_assert_cmpint(stat("/proc/thread-self/ns/net", &before), ==, 0);
	h = wire_start((const char *[]){ "ifname=jf0", property, "mac=02:00:00:00:00:07",
					 "address=192.0.2.1/24", NULL });
	g_assert_cmpint(stat("/proc/thread-self/ns/net", &after), ==, 0);
	g_assert_cmpuint(before.st_ino, ==, after.st_ino);
	/* No child but ours is left, and nobody was told of one. */
	g_assert_cmpint(waitpid(-1, NULL, WNOHANG | __WALL), ==, 0);
	g_assert_cmpuint(if_nametoindex("jf0"), ==, 0);
	g_file_get_contents(dev, &devices, NULL, NULL);
	g_assert_nonnull(strstr(devices, "jf0:"));
	g_assert_cmpint(write(child.line, "", 1), ==, 1);
	expect_arp(h, "\2\0\0\0\0\7");
	wire_stop(h);
	child_end(&child);
}

static void
test_netns_wrong(void)
{
	wire_start_fails((const char *[]){ "ifname=jf0", "netns=no-such", NULL },
			 JF_ERROR_NOT_FOUND, "'no-such'");
	wire_start_fails((const char *[]){ "ifname=jf0", "netns=a/b", NULL }, JF_ERROR_NOT_FOUND,
			 "neither a name nor");
	wire_start_fails((const char *[]){ "ifname=jf0", "netns=/dev/null", NULL }, JF_ERROR_VALUE,
			 "not a network namespace");
	wire_start_fails((const char *[]){ "ifname=jf0", "netns=/proc/self/ns/uts", NULL },
			 JF_ERROR_VALUE, "not a network namespace");
}

/* ---- Refusals ---- */

/* Takes back, or gives, the effective capabilities of this thread. */
static void
set_privileged(gboolean on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	g_assert_cmpint(syscall(SYS_capget, &head, data), ==, 0);
	for (guint i = 0; i < 2; i++)
		data[i].effective = on ? data[i].permitted : 0;
	g_assert_cmpint(syscall(SYS_capset, &head, data), ==, 0);
}

static void
test_unprivileged(void)
{
	Child child = child_new(CLONE_NEWNET);
	g_autofree char *netns = g_strdup_printf("netns=/proc/%d/ns/net", (int)child.pid);
	JfHarness *h;

	run("ip tuntap add dev jf0 mode tap user 0");
	run("ip tuntap add dev jf1 mode tap user 12345");
	set_privileged(FALSE);
	wire_start_fails((const char *[]){ "ifname=jf2", NULL }, JF_ERROR_PERMISSION,
			 "CAP_NET_ADMIN");
	wire_start_fails((const char *[]){ "ifname=jf2", NULL }, JF_ERROR_PERMISSION,
			 "ip tuntap add dev jf2 mode tap user");
	wire_start_fails((const char *[]){ "ifname=jf1", NULL }, JF_ERROR_PERMISSION,
			 "another user's");
	wire_start_fails((const char *[]){ "ifname=jf0", "mtu=1400", NULL }, JF_ERROR_PERMISSION,
			 "cannot set the MTU of");
	wire_start_fails((const char *[]){ "ifname=jf0", netns, NULL }, JF_ERROR_PERMISSION,
			 "etwork namespace");
	/* Our own device, as it is. */
	h = wire_start((const char *[]){ "ifname=jf0", "mtu=1500", "up=off", NULL });
	wire_stop(h);
	set_privileged(TRUE);
	run("ip link delete jf0");
	run("ip link delete jf1");
	child_end(&child);
}

static void
test_wrong(void)
{
	JfHarness *h = wire_start((const char *[]){ "ifname=jf0", NULL });

	wire_start_fails((const char *[]){ "ifname=jf0", NULL }, JF_ERROR_BUSY, "another program");
	wire_start_fails((const char *[]){ "ifname=lo", NULL }, JF_ERROR_VALUE, "no tap device");
	wire_start_fails((const char *[]){ NULL }, JF_ERROR_KEY, "ifname");
	wire_start_fails((const char *[]){ "ifname=a b", NULL }, JF_ERROR_VALUE, "'a b'");
	wire_start_fails((const char *[]){ "ifname=..", NULL }, JF_ERROR_VALUE, "interface name");
	wire_start_fails((const char *[]){ "ifname=a%s", NULL }, JF_ERROR_VALUE, "interface name");
	wire_start_fails((const char *[]){ "ifname=a%d%d", NULL }, JF_ERROR_VALUE,
			 "interface name");
	wire_start_fails((const char *[]){ "ifname=jf1", "mac=01:00:00:00:00:01", NULL },
			 JF_ERROR_VALUE, "010000000001");
	wire_start_fails((const char *[]){ "ifname=jf1", "address6=192.0.2.1/24", NULL },
			 JF_ERROR_VALUE, "address6");
	/* Nothing is left of a device that could not be set up. */
	wire_start_fails((const char *[]){ "ifname=jf1", "address=ff02::1/64", NULL },
			 JF_ERROR_PERMISSION,
			 "address to tap device 'jf1': Permission denied; IPv6");
	g_assert_cmpuint(if_nametoindex("jf1"), ==, 0);
	wire_stop(h);
}

static gboolean
enter_namespace(void)
{
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return FALSE;
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return access("/dev/net/tun", R_OK | W_OK) == 0;
}

static void
test_skipped(void)
{
	g_test_skip("no right to make a network namespace, or no /dev/net/tun");
}

#define ADD(path, more, func) g_test_add(path, Fixture, more, setup, func, teardown)

static void
add_tests(void)
{
	ADD("/tap/both-ways", NULL, test_both_ways);
	ADD("/tap/both-ways-bare", "vnet-hdr=off", test_both_ways);
	ADD("/tap/refused", NULL, test_refused);
	ADD("/tap/bounded", NULL, test_bounded);
	ADD("/tap/down", NULL, test_down);
	ADD("/tap/carrier", NULL, test_carrier);
	ADD("/tap/offloads", NULL, test_offloads);
	ADD("/tap/no-offloads", "vnet-hdr=off", test_no_offloads);
	g_test_add_func("/tap/deleted", test_deleted);
	g_test_add_data_func("/tap/deleted-paused", NULL, test_deleted_paused);
	g_test_add_data_func("/tap/deleted-push", "push", test_deleted_paused);
	g_test_add_func("/tap/send-buffer", test_send_buffer);
	g_test_add_func("/tap/new-device", test_new_device);
	g_test_add_data_func("/tap/old-device", NULL, test_old_device);
	g_test_add_data_func("/tap/old-device-queues", "queues", test_old_device);
	g_test_add_func("/tap/persistent", test_persistent);
	g_test_add_data_func("/tap/fd", GINT_TO_POINTER(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR),
			     test_fd);
	g_test_add_data_func("/tap/fd-bare", GINT_TO_POINTER(IFF_TAP | IFF_NO_PI), test_fd);
	g_test_add_func("/tap/fd-wrong", test_fd_wrong);
	g_test_add_data_func("/tap/netns", GINT_TO_POINTER(CLONE_NEWNET), test_netns);
	g_test_add_data_func("/tap/netns-user", GINT_TO_POINTER(CLONE_NEWNET | CLONE_NEWUSER),
			     test_netns);
	g_test_add_func("/tap/netns-wrong", test_netns_wrong);
	g_test_add_func("/tap/unprivileged", test_unprivileged);
	g_test_add_func("/tap/wrong", test_wrong);
	g_test_add_func("/tap/set-up", test_set_up);
}

int
main(int argc, char **argv)
{
	wire_init(&argc, &argv);
	if (!enter_namespace()) {
		g_test_add_func("/tap", test_skipped);
		return g_test_run();
	}
	set_ipv6(FALSE);
	add_tests();
	return g_test_run();
}
