/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* edges.c - "nat": guests and hosts that are slow, silent, forgetful or hostile. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jackfield/forward.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "line.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)

static guint
count_fds(void)
{
	GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
	guint n = 0;

	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}

/* ---- Guests that are silent ---- */

static void
test_never_acks(void)
{
	g_auto(Line) line = { 0 };
	char byte;

	line_open(&line, NULL);
	line.raw.window = 500; /* << 7 */
	raw_send(&line.raw, RAW_ACK, 0);
	line_host_send(&line, 0, 1000000);
	nat_guest_wait(line.g, line.raw.highest - (line.raw.irs + 1) > 60000);
	line_turns(&line, 20);
	g_assert_cmpuint(line.raw.highest - (line.raw.irs + 1), <=, 500 << 7);
	line_pass(&line, 60);
	g_assert_cmpuint(jf_harness_get_counter(line.g->h, "retransmits", NULL), >=, 5);
	g_assert_cmpuint(jf_harness_get_counter(line.g->h, "retransmits", NULL), <=, 10);
	g_assert_cmpuint(line.raw.resets, ==, 0);
	line_pass(&line, 900);
	g_assert_cmpuint(line.raw.resets, ==, 1);
	g_assert_cmpint(recv(line.fd, &byte, 1, 0), ==, -1);
	g_assert_cmpint(errno, ==, ECONNRESET);
}

static void
test_syn_ack_lost(void)
{
	g_auto(Line) line = { 0 };

	line_begin(&line, NULL);
	raw_send(&line.raw, RAW_SYN, 0);
	nat_guest_wait(line.g, line.raw.syn_acks == 1);
	line_pass(&line, 1);
	g_assert_cmpuint(line.raw.syn_acks, ==, 2);
	/* The guest's SYN again is answered at once. */
	raw_send_at(&line.raw, RAW_ISN, RAW_SYN, 0, 0, 0);
	line_turns(&line, 1);
	g_assert_cmpuint(line.raw.syn_acks, ==, 3);
	g_assert_true(line_accept(&line));
	line_pass(&line, 200);
	g_assert_cmpuint(line.raw.syn_acks, <=, 9);
	g_assert_cmpuint(line.raw.resets, ==, 1);
	g_assert_true(line_host_is_reset(&line));
}

static void
test_zero_window_forever(void)
{
	g_auto(Line) line = { 0 };

	line_open(&line, NULL);
	line.raw.answers = TRUE;
	line.raw.window = 0;
	raw_send(&line.raw, RAW_ACK, 0);
	line_turns(&line, 5);
	line_host_send(&line, 0, 100000);
	line_pass(&line, 3600);
	g_assert_cmpuint(line.raw.received, ==, 0);
	g_assert_cmpuint(line.raw.probes, >=, 30);
	g_assert_cmpuint(line.raw.probes, <=, 120);
	g_assert_cmpuint(line.raw.resets, ==, 0);
	line.raw.window = 65535;
	raw_send(&line.raw, RAW_ACK, 0);
	nat_guest_wait(line.g, line.raw.received == 100000);
}

static void
test_idle(void)
{
	g_auto(Line) line = { 0 };

	line_open(&line, NULL);
	line.raw.answers = TRUE;
	line_turns(&line, 5);
	line_pass(&line, 3600);
	g_assert_cmpuint(line.raw.probes, ==, 0);
	/* An hour later the connection carries data still. */
	line_host_send(&line, 0, 1000);
	nat_guest_wait(line.g, line.raw.received == 1000);
	line_pass(&line, 5 * 3600);
	g_assert_cmpuint(line.raw.probes, ==, 2);
	/* The guest is gone. */
	line.raw.answers = FALSE;
	line_pass(&line, 3 * 3600);
	g_assert_cmpuint(line.raw.resets, ==, 1);
	g_assert_true(line_host_is_reset(&line));
}

/* ---- Sizes ---- */

static void
test_one_byte_segments(void)
{
	g_auto(Line) line = { 0 };
	int one = 1;

	line_open(&line, NULL);
	line.raw.answers = TRUE;
	setsockopt(line.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	for (guint i = 0; i < 2000; i++) {
		g_assert_cmpuint(line_host_send(&line, i, 1), ==, 1);
		if (i % 3 == 0)
			nat_guest_turn(line.g);
	}
	nat_guest_wait(line.g, line.raw.received == 2000);
	for (guint i = 0; i < 2000; i++)
		raw_send(&line.raw, RAW_ACK, 1);
	line_host_receive(&line, 2000);
}

/* ---- Windows ---- */

static void
test_window_scale(void)
{
	/* Unread data does not make the kernel enlarge a receive buffer by itself. */
	static const char *const properties[] = { "receive-buffer=4M", NULL };
	g_auto(Line) line = { 0 };
	gsize sent = 0;

	line_open(&line, properties);
	g_assert_cmpint(line.raw.peer_scale, ==, 7);
	raw_send(&line.raw, RAW_ACK, 100);
	line_turns(&line, 3);
	/* More than 64 KiB is offered, and used: nothing is acknowledged. */
	g_assert_cmpuint(line.raw.last_window, >, 65535);
	nat_guest_wait(line.g, ({
			       sent += line_host_send(&line, sent, 4000000 - sent);
			       line.raw.highest - line.raw.irs > 1000000;
		       }));
}

static void
test_no_window_scale(void)
{
	g_auto(Line) line = { 0 };

	line_begin(&line, NULL);
	line.raw.scale = -1;
	raw_open(&line.raw);
	nat_guest_wait(line.g, line_accept(&line));
	g_assert_cmpint(line.raw.peer_scale, ==, -1);
	line_host_send(&line, 0, 200000);
	nat_guest_wait(line.g, line.raw.highest - (line.raw.irs + 1) > 60000);
	line_turns(&line, 10);
	g_assert_cmpuint(line.raw.highest - (line.raw.irs + 1), <=, 65535);
}

/* The host does not read: the guest is told to stop before anything is lost, and told to go on. */
static void
slow_reader(const char *const *properties, gsize bytes)
{
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	g_autofree guint8 *data = g_malloc(65536);
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port), fd = -1;
	gsize got = 0;
	NatTcp *tcp;

	nat_guest_meet(g);
	tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);
	nat_guest_wait(g, tcp->established &&
				  (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	nat_tcp_send(tcp, bytes);
	for (guint i = 0; i < 100; i++)
		nat_guest_turn(g);
	g_assert_cmpuint(tcp->sent, <, bytes);
	g_test_message("sent %u", (guint)tcp->sent);
	/* This guest never sends anything twice. */
	nat_guest_wait(g, ({
			       gssize n = recv(fd, data, 1 + got % 65536, 0);
			       if (n > 0)
				       g_assert_true(nat_pattern_check(data, (gsize)n, got));
			       got += n > 0 ? (gsize)n : 0;
			       got == bytes;
		       }));
	g_assert_cmpuint(jf_harness_get_counter(g->h, "out-of-order", NULL), ==, 0);
	close(fd);
	close(listener);
}

static void
test_slow_reader(void)
{
	static const char *const small[] = { "send-buffer=8192", NULL };
	static const char *const window[] = { "receive-window=8192", NULL };

	slow_reader(NULL, 24000000);
	slow_reader(small, 12000000);
	slow_reader(window, 12000000);
}

static void
test_send_window(void)
{
	static const char *const properties[] = { "send-window=20000", NULL };
	g_auto(Line) line = { 0 };

	line_open(&line, properties);
	line_host_send(&line, 0, 200000);
	nat_guest_wait(line.g, line.raw.highest - (line.raw.irs + 1) > 18000);
	line_turns(&line, 10);
	g_assert_cmpuint(line.raw.highest - (line.raw.irs + 1), <=, 20000);
}

/* ---- Ends ---- */

static void
test_half_close(void)
{
	g_auto(Line) line = { 0 };
	char byte;

	line_open(&line, NULL);
	line.raw.answers = TRUE;
	raw_send(&line.raw, RAW_ACK, 1000);
	raw_send(&line.raw, RAW_FIN | RAW_ACK, 0);
	line_host_receive(&line, 1000);
	nat_guest_wait(line.g, recv(line.fd, &byte, 1, 0) == 0);
	/* The other half goes on. */
	line_host_send(&line, 0, 50000);
	nat_guest_wait(line.g, line.raw.received == 50000);
	close(line.fd);
	line.fd = -1;
	nat_guest_wait(line.g, line.raw.fin);
	g_assert_cmpuint(line.raw.resets, ==, 0);
	/* It is over, and nothing of it is kept. */
	line_turns(&line, 3);
	raw_send(&line.raw, RAW_ACK, 10);
	nat_guest_wait(line.g, line.raw.resets == 1);
}

static void
test_time_wait(void)
{
	g_auto(Line) line = { 0 };
	guint acks;

	line_open(&line, NULL);
	line.raw.answers = TRUE;
	shutdown(line.fd, SHUT_WR);
	nat_guest_wait(line.g, line.raw.fin);
	raw_send(&line.raw, RAW_ACK, 500);
	line_host_receive(&line, 500);
	raw_send(&line.raw, RAW_FIN | RAW_ACK, 0);
	line_turns(&line, 5);
	acks = line.raw.acks;
	raw_send_at(&line.raw, line.raw.snd_nxt - 1, RAW_FIN | RAW_ACK, 0, 0, 0);
	line_turns(&line, 2);
	g_assert_cmpuint(line.raw.acks, ==, acks + 1);
	g_assert_cmpuint(line.raw.resets, ==, 0);
	line_pass(&line, 5);
	raw_send_at(&line.raw, line.raw.snd_nxt - 1, RAW_FIN | RAW_ACK, 0, 0, 0);
	nat_guest_wait(line.g, line.raw.resets == 1);
}

static void
test_fin_lost(void)
{
	g_auto(Line) line = { 0 };

	line_open(&line, NULL);
	line_host_send(&line, 0, 100);
	shutdown(line.fd, SHUT_WR);
	line_turns(&line, 5);
	/* Nothing was acknowledged: all of it comes again. */
	line.raw.answers = TRUE;
	line_pass(&line, 2);
	nat_guest_wait(line.g, line.raw.fin);
	g_assert_cmpuint(line.raw.received, ==, 100);
}

static void
test_guest_resets(void)
{
	g_auto(Line) line = { 0 };
	guint acks;

	line_open(&line, NULL);
	raw_send(&line.raw, RAW_ACK, 1000);
	line_host_receive(&line, 1000);
	line_turns(&line, 2);
	acks = line.raw.acks;
	/* A guess is asked about, one from outside the window ignored (RFC 5961 3.2). */
	raw_send_at(&line.raw, line.raw.snd_nxt + 100, RAW_RST, 0, 0, 0);
	raw_send_at(&line.raw, line.raw.snd_nxt - 100, RAW_RST, 0, 0, 0);
	line_turns(&line, 2);
	g_assert_cmpuint(line.raw.acks, ==, acks + 1);
	g_assert_false(line_host_is_reset(&line));
	raw_send(&line.raw, RAW_RST, 0);
	nat_guest_wait(line.g, line_host_is_reset(&line));
}

/* What nobody answers is not answered to the guest either, until it gives up. */
static void
test_blackhole(void)
{
	g_auto(Line) line = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int full[8], n = 0, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	guint fds;

	/* A listener with no room: the kernel drops what comes. */
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g_assert_cmpint(bind(listener, (struct sockaddr *)&in, sizeof in), ==, 0);
	g_assert_cmpint(listen(listener, 0), ==, 0);
	line_begin(&line, NULL);
	g_assert_cmpint(getsockname(listener, (struct sockaddr *)&in, &(socklen_t){ sizeof in }),
			==, 0);
	line.raw.to_port = ntohs(in.sin_port);
	for (; n < 4; n++)
		full[n] = nat_host_connect(line.raw.to_port);
	fds = count_fds();
	raw_send(&line.raw, RAW_SYN, 0);
	line_turns(&line, 30);
	line_pass(&line, 10);
	raw_send_at(&line.raw, RAW_ISN, RAW_SYN, 0, 0, 0);
	line_turns(&line, 10);
	g_assert_cmpuint(line.raw.segments, ==, 0);
	g_assert_cmpuint(count_fds(), ==, fds + 1);
	raw_send(&line.raw, RAW_RST, 0);
	line_turns(&line, 2);
	g_assert_cmpuint(count_fds(), ==, fds);
	while (n)
		close(full[--n]);
	close(listener);
}

static void
test_stop_resets(void)
{
	g_auto(Line) line = { 0 };

	line_open(&line, NULL);
	line_turns(&line, 3);
	jf_harness_stop(line.g->h);
	g_assert_true(line_host_is_reset(&line));
}

static void
test_urgent(void)
{
	g_auto(Line) line = { 0 };
	char byte = 0, expected;

	line_open(&line, NULL);
	/* The urgent byte is the one before the pointer (RFC 6093). */
	raw_send_at(&line.raw, line.raw.snd_nxt, RAW_ACK | RAW_URG, 0, 1000, 500);
	line.raw.snd_nxt += 1000;
	nat_guest_wait(line.g, recv(line.fd, &byte, 1, MSG_OOB) == 1);
	nat_pattern_fill((guint8 *)&expected, 1, 499);
	g_assert_cmpint(byte, ==, expected);
	nat_guest_wait(line.g, line.raw.last_ack == line.raw.snd_nxt);
}

/* Urgent bytes of the host's come where they are in the stream, and nothing waits behind them. */
static void
test_urgent_from_host(void)
{
	g_auto(Line) line = { 0 };
	guint8 data[3000];

	line_open(&line, NULL);
	line.raw.answers = TRUE;
	nat_pattern_fill(data, sizeof data, 0);
	g_assert_cmpint(send(line.fd, data, 1000, MSG_OOB), ==, 1000);
	g_assert_cmpint(send(line.fd, data + 1000, 1000, 0), ==, 1000);
	nat_guest_wait(line.g, line.raw.received == 2000);
	g_assert_cmpuint(line.raw.urgent, >, 0);
	g_assert_cmpint(send(line.fd, data + 2000, 1, MSG_OOB), ==, 1);
	nat_guest_wait(line.g, line.raw.received == 2001);
	shutdown(line.fd, SHUT_WR);
	nat_guest_wait(line.g, line.raw.fin);
}

/* A forwarded port's SYN and the guest's own cross each other (RFC 9293 3.5, figure 7). */
static void
test_simultaneous_open(void)
{
	g_auto(Line) line = { 0 };
	g_autoptr(GError) error = NULL;
	guint16 port;
	int free_fd = nat_host_listen(AF_INET, &port);
	JfForwardRule rule = { .struct_size = sizeof rule,
			       .protocol = JF_FORWARD_TCP,
			       .host_port = port,
			       .name = "rule",
			       .host_address = "127.0.0.1" };
	JfInstance *inst;
	const JfForward *forward;

	close(free_fd);
	line_begin(&line, NULL);
	inst = jf_harness_get_instance(line.g->h);
	forward = inst->driver->query(inst, JF_FORWARD_IID);
	rule.guest_port = line.raw.port;
	g_assert_true(forward->add(inst, &rule, &error));
	line.fd = nat_host_connect(port);
	nat_guest_wait(line.g, line.raw.syn_acks == 1);
	g_assert_cmphex(line.raw.last_ack, ==, 0);
	line.raw.to_port = line.raw.from_port;
	raw_send(&line.raw, RAW_SYN, 0);
	nat_guest_wait(line.g, line.raw.syn_acks == 2);
	g_assert_cmphex(line.raw.last_ack, ==, RAW_ISN + 1);
	raw_send_at(&line.raw, RAW_ISN, RAW_SYN | RAW_ACK, 0, 0, 0);
	line.raw.answers = TRUE;
	raw_send(&line.raw, RAW_ACK, 1000);
	line_host_receive(&line, 1000);
	line_host_send(&line, 0, 5000);
	nat_guest_wait(line.g, line.raw.received == 5000);
	g_assert_cmpuint(line.raw.resets, ==, 0);
}

/* ---- Many ---- */

static void
test_many_short(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);
	guint fds = count_fds();

	nat_guest_meet(g);
	for (guint i = 0; i < 3000; i++) {
		NatTcp *tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);
		int fd = -1;

		nat_guest_wait(g, tcp->established &&
					  (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
		if (i % 2)
			nat_tcp_close(tcp);
		close(fd);
		nat_guest_wait(g, tcp->fin_received || tcp->reset);
		if (i % 2 == 0)
			nat_tcp_close(tcp);
		nat_guest_turn(g);
		g_ptr_array_set_size(g->tcps, 0);
	}
	nat_guest_turn(g);
	g_assert_cmpuint(count_fds(), ==, fds);
	close(listener);
}

static void
test_udp_expiry(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);
	guint fds = count_fds();

	nat_guest_meet(g);
	for (guint i = 0; i < 300; i++)
		nat_guest_send_udp(g, 4, g->gateway4, (guint16)(10000 + i), port,
				   (const guint8 *)"x", 1);
	g_assert_cmpuint(count_fds(), ==, fds + 300);
	jf_harness_crank(g->h, 200 * SECOND);
	nat_guest_send_udp(g, 4, g->gateway4, 10000, port, (const guint8 *)"x", 1);
	g_assert_cmpuint(count_fds(), ==, fds + 300);
	jf_harness_crank(g->h, 100 * SECOND);
	g_assert_cmpuint(count_fds(), ==, fds + 1);
	jf_harness_crank(g->h, 200 * SECOND);
	g_assert_cmpuint(count_fds(), ==, fds);
	close(fd);
}

/* ---- Paths ---- */

/* A probe that ends at the gateway is answered by it. */
static void
test_ttl(void)
{
	g_auto(Line) line = { 0 };
	guint8 frame[14 + 20 + 8 + 4] = { 0 };
	guint16 sum;
	guint32 at;

	line_begin(&line, NULL);
	at = nat_guest_put_ip(line.g, frame, 4, (const guint8 *)"\xc6\x33\x64\x01", IPPROTO_UDP,
			      12);
	frame[14 + 8] = 1;
	memset(frame + 24, 0, 2);
	sum = ~jf_csum_fold(jf_csum_add(0, frame + 14, 20));
	memcpy(frame + 24, &sum, 2);
	jf_put_be16(frame + at, 40000);
	jf_put_be16(frame + at + 2, 33434);
	jf_put_be16(frame + at + 4, 12);
	nat_guest_send(line.g, frame, sizeof frame);
	nat_guest_wait(line.g, line.raw.icmp_errors == 1);
	g_assert_cmpuint(line.raw.icmp_type, ==, 11);
}

/* A port of the host that nobody listens at says so. */
static void
test_port_unreachable(void)
{
	g_auto(Line) line = { 0 };
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);

	close(fd);
	line_begin(&line, NULL);
	nat_guest_send_udp(line.g, 4, line.g->gateway4, 5000, port, (const guint8 *)"x", 1);
	nat_guest_wait(line.g, line.raw.icmp_errors == 1);
	g_assert_cmpuint(line.raw.icmp_type, ==, 3);
	g_assert_cmpuint(line.raw.icmp_code, ==, 3);
}

static void
test_same_ports(void)
{
	static const char *const properties[] = { "alias-mode=sameports,log", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	g_autofree char *log = NULL;
	struct sockaddr_in from;
	socklen_t len = sizeof from;
	guint16 port, own;
	int fd = nat_host_udp(AF_INET, &port), free_fd = nat_host_udp(AF_INET, &own);
	char byte;

	close(free_fd);
	nat_guest_meet(g);
	nat_guest_send_udp(g, 4, g->gateway4, own, port, (const guint8 *)"x", 1);
	nat_guest_wait(g, recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) == 1);
	g_assert_cmpuint(ntohs(from.sin_port), ==, own);
	log = jf_harness_get_log(g->h);
	g_assert_nonnull(strstr(log, "UDP 10.0.2.15"));
	close(fd);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/edges/never-acks", test_never_acks);
	g_test_add_func("/nat/edges/syn-ack-lost", test_syn_ack_lost);
	g_test_add_func("/nat/edges/zero-window-forever", test_zero_window_forever);
	g_test_add_func("/nat/edges/idle", test_idle);
	g_test_add_func("/nat/edges/one-byte-segments", test_one_byte_segments);
	g_test_add_func("/nat/edges/window-scale", test_window_scale);
	g_test_add_func("/nat/edges/no-window-scale", test_no_window_scale);
	g_test_add_func("/nat/edges/slow-reader", test_slow_reader);
	g_test_add_func("/nat/edges/send-window", test_send_window);
	g_test_add_func("/nat/edges/half-close", test_half_close);
	g_test_add_func("/nat/edges/time-wait", test_time_wait);
	g_test_add_func("/nat/edges/fin-lost", test_fin_lost);
	g_test_add_func("/nat/edges/guest-resets", test_guest_resets);
	g_test_add_func("/nat/edges/blackhole", test_blackhole);
	g_test_add_func("/nat/edges/stop-resets", test_stop_resets);
	g_test_add_func("/nat/edges/urgent", test_urgent);
	g_test_add_func("/nat/edges/urgent-from-host", test_urgent_from_host);
	g_test_add_func("/nat/edges/simultaneous-open", test_simultaneous_open);
	g_test_add_func("/nat/edges/many-short", test_many_short);
	g_test_add_func("/nat/edges/udp-expiry", test_udp_expiry);
	g_test_add_func("/nat/edges/ttl", test_ttl);
	g_test_add_func("/nat/edges/port-unreachable", test_port_unreachable);
	g_test_add_func("/nat/edges/same-ports", test_same_ports);
	return g_test_run();
}
