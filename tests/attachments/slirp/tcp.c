/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tcp.c - "slirp": TCP in both directions with and without offload, port forwards. */
#include <arpa/inet.h>
#include <errno.h>
#include <jackfield/forward.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-tcp.h"

#define TRANSFER (16u * 1024u * 1024u)
#define CHUNK 65536u

/* The host's end of a transfer of the pattern. */
typedef struct Peer {
	int fd;
	guint64 sent, received;
	gboolean ended;
	guint8 *buffer;
} Peer;

static void
peer_clear(Peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	g_free(peer->buffer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Peer, peer_clear)

static gboolean
peer_accept(Peer *peer, int listener)
{
	peer->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (peer->fd >= 0 && !peer->buffer)
		peer->buffer = g_malloc(CHUNK);
	return peer->fd >= 0;
}

/* Sends up to `bytes` in all, takes in what there is. */
static void
peer_turn(Peer *peer, guint64 bytes)
{
	ssize_t n;

	while (peer->sent < bytes) {
		gsize len = MIN(CHUNK, bytes - peer->sent);

		nat_pattern_fill(peer->buffer, len, peer->sent);
		n = send(peer->fd, peer->buffer, len, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		peer->sent += (guint64)n;
	}
	while ((n = recv(peer->fd, peer->buffer, CHUNK, 0)) > 0) {
		g_assert_true(nat_pattern_check(peer->buffer, (gsize)n, peer->received));
		peer->received += (guint64)n;
	}
	peer->ended |= n == 0;
}

typedef struct Case {
	const char *name;
	guint version;
	gboolean offload;
	guint16 mss;
	guint capacity; /* of the cable; 0: no limit */
	gboolean odd_options;
} Case;

static void
report(const Case *c, const char *direction, gint64 began)
{
	double seconds = (double)(g_get_monotonic_time() - began) / 1e6;

	g_test_message("%s %s: %.0f MiB/s", c->name, direction, TRANSFER / seconds / (1024 * 1024));
}

static void
test_transfer(gconstpointer data)
{
	const Case *c = data;
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	g_auto(Peer) peer = { .fd = -1 };
	guint16 port;
	int family = c->version == 4 ? AF_INET : AF_INET6;
	int listener = nat_host_listen(family, &port);
	NatTcp *tcp;
	gint64 began;

	if (listener < 0) {
		g_test_skip("this host has no IPv6 loopback");
		return;
	}
	g->offload = c->offload;
	g->odd_options = c->odd_options;
	if (c->capacity)
		jf_harness_set_capacity(g->h, 0, c->capacity);
	nat_guest_meet(g);
	tcp = nat_tcp_connect(g, c->version, c->version == 4 ? g->gateway4 : g->gateway6, port,
			      c->mss);
	nat_guest_wait(g, tcp->established && peer_accept(&peer, listener));
	g_assert_cmpuint(tcp->peer_mss, ==, c->version == 4 ? 1460 : 1440);

	began = g_get_monotonic_time();
	nat_guest_wait(g, (peer_turn(&peer, TRANSFER), tcp->received == TRANSFER));
	report(c, "host to guest", began);
	g_assert_true(!c->offload || c->mss > 9000 || tcp->large > 0);

	began = g_get_monotonic_time();
	nat_tcp_send(tcp, TRANSFER);
	nat_guest_wait(g, (peer_turn(&peer, TRANSFER), peer.received == TRANSFER));
	report(c, "guest to host", began);

	nat_guest_wait(g, tcp->snd_una == tcp->snd_nxt);
	nat_tcp_close(tcp);
	nat_guest_wait(g, (peer_turn(&peer, TRANSFER), peer.ended));
	shutdown(peer.fd, SHUT_WR);
	nat_guest_wait(g, tcp->fin_received);
	g_assert_false(tcp->reset);
	g_assert_cmpuint(g->longest, <=, g->mtu + 14u);
	g_assert_cmpuint(jf_harness_get_counter(g->h, "queue-drops", NULL), ==, 0);
	g_assert_cmpuint(jf_harness_get_counter(g->h, "malformed", NULL), ==, 0);
	close(listener);
}

static const Case cases[] = {
	{ "ipv4-offload-1460", 4, TRUE, 1460, 0, FALSE },
	{ "ipv4-offload-536", 4, TRUE, 536, 0, FALSE },
	{ "ipv4-plain-1460", 4, FALSE, 1460, 0, FALSE },
	{ "ipv4-plain-536", 4, FALSE, 536, 0, FALSE },
	{ "ipv4-plain-unsaid", 4, FALSE, 0, 0, FALSE },
	{ "ipv6-offload-1440", 6, TRUE, 1440, 0, FALSE },
	{ "ipv6-plain-1220", 6, FALSE, 1220, 0, FALSE },
	{ "ipv4-offload-slow", 4, TRUE, 1460, 1, FALSE },
	{ "ipv4-offload-jumbo", 4, TRUE, 8960, 0, FALSE },
	{ "ipv4-plain-odd", 4, FALSE, 1000, 0, TRUE },
	{ "ipv4-offload-odd", 4, TRUE, 1000, 0, TRUE },
};

/* The guest's MTU is smaller than what its TCP believes. */
static void
test_small_mtu(void)
{
	const char *const properties[] = { "mtu=576", "ipv6=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	g_auto(Peer) peer = { .fd = -1 };
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);
	NatTcp *tcp;

	g->mtu = 576;
	nat_guest_meet(g);
	tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);
	nat_guest_wait(g, tcp->established && peer_accept(&peer, listener));
	g_assert_cmpuint(tcp->peer_mss, ==, 536);
	nat_guest_wait(g, (peer_turn(&peer, 1024 * 1024), tcp->received == 1024 * 1024));
	g_assert_cmpuint(g->longest, ==, 576 + 14);
	close(listener);
}

/* Many connections at once: each keeps its own MSS. */
static void
test_many(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	Peer peers[64];
	NatTcp *tcps[G_N_ELEMENTS(peers)];
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);

	nat_guest_meet(g);
	for (guint i = 0; i < G_N_ELEMENTS(peers); i++) {
		peers[i] = (Peer){ .fd = -1 };
		tcps[i] = nat_tcp_connect(g, 4, g->gateway4, port, (guint16)(400 + i * 16));
		nat_guest_wait(g, tcps[i]->established && peer_accept(&peers[i], listener));
	}
	for (guint i = 0; i < G_N_ELEMENTS(peers); i++)
		peer_turn(&peers[i], 100000);
	/* The guest asserts the length of each segment. */
	for (guint i = 0; i < G_N_ELEMENTS(peers); i++) {
		nat_guest_wait(g, (peer_turn(&peers[i], 100000), tcps[i]->received == 100000));
		peer_clear(&peers[i]);
	}
	close(listener);
}

static void
test_refused_port(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint16 port;
	int fd = nat_host_listen(AF_INET, &port);
	NatTcp *tcp;

	close(fd);
	nat_guest_meet(g);
	tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);
	nat_guest_wait(g, tcp->reset);
	g_assert_false(tcp->established);
}

static void
test_localhost_off(void)
{
	const char *const properties[] = { "localhost-reachable=off", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);
	NatTcp *tcp;

	nat_guest_meet(g);
	tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);
	for (guint i = 0; i < 50 && !tcp->reset; i++)
		nat_guest_turn(g);
	g_assert_false(tcp->established);
	g_assert_cmpint(accept(listener, NULL, NULL), ==, -1);
	g_assert_cmpint(errno, ==, EAGAIN);
	close(listener);
}

/* The host's end goes away with a reset while the guest sends: nothing dies of SIGPIPE. */
static void
test_peer_resets(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	const struct linger at_once = { .l_onoff = 1 };
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);

	nat_guest_meet(g);
	for (guint i = 0; i < 20; i++) {
		g_auto(Peer) peer = { .fd = -1 };
		NatTcp *tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);

		nat_guest_wait(g, tcp->established && peer_accept(&peer, listener));
		nat_tcp_send(tcp, 4000);
		nat_guest_turn(g);
		if (i % 2)
			setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		close(peer.fd);
		peer.fd = -1;
		nat_tcp_send(tcp, 1000000);
		nat_guest_wait(g, tcp->reset || tcp->fin_received);
	}
	close(listener);
}

/* The guest sends into a socket that its peer ended and then reset: what libslirp writes then
 * raises SIGPIPE, whose default is death. */
static void
test_broken_pipe(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	const struct linger at_once = { .l_onoff = 1 };
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);
	g_auto(Peer) peer = { .fd = -1 };
	NatTcp *tcp;
	sigset_t pending;

	signal(SIGPIPE, SIG_DFL);
	nat_guest_meet(g);
	tcp = nat_tcp_connect(g, 4, g->gateway4, port, 1460);
	nat_guest_wait(g, tcp->established && peer_accept(&peer, listener));
	shutdown(peer.fd, SHUT_WR);
	nat_guest_wait(g, tcp->fin_received);
	setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(peer.fd);
	peer.fd = -1;
	nat_tcp_send(tcp, 1000);
	nat_tcp_turn(g);
	sigpending(&pending);
	g_assert_false(sigismember(&pending, SIGPIPE));
	nat_guest_wait(g, tcp->reset);
	close(listener);
}

/* ---- Port forwards ---- */

static const JfForward *
forwards(NatGuest *g)
{
	JfInstance *inst = jf_harness_get_instance(g->h);

	return inst->driver->query(inst, JF_FORWARD_IID);
}

static JfForwardRule
rule_for(guint16 protocol, guint16 host_port, guint16 guest_port)
{
	return (JfForwardRule){ .struct_size = sizeof(JfForwardRule),
				.protocol = protocol,
				.host_port = host_port,
				.guest_port = guest_port,
				.name = "rule",
				.host_address = "127.0.0.1" };
}

/* A port that was free a moment ago. */
static guint16
free_port(int type)
{
	guint16 port;
	int fd = type == SOCK_STREAM ? nat_host_listen(AF_INET, &port)
				     : nat_host_udp(AF_INET, &port);

	close(fd);
	return port;
}

static void
add_rule(NatGuest *g, const JfForwardRule *rule)
{
	g_autoptr(GError) error = NULL;

	forwards(g)->add(jf_harness_get_instance(g->h), rule, &error);
	g_assert_no_error(error);
}

static void
assert_rule_refused(NatGuest *g, const JfForwardRule *rule, gint code, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(forwards(g)->add(jf_harness_get_instance(g->h), rule, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_nonnull(strstr(error->message, words));
}

static void
forward_tcp_transfer(NatGuest *g, guint16 port)
{
	g_auto(Peer) peer = { .fd = -1, .buffer = g_malloc(CHUNK) };
	NatTcp *tcp = nat_tcp_listen(g, 22, 1460);
	const guint64 bytes = 1024 * 1024;

	peer.fd = nat_host_connect(port);
	nat_guest_wait(g, tcp->established);
	g_assert_cmpmem(tcp->to, 4, g->gateway4, 4);
	nat_tcp_send(tcp, bytes);
	nat_guest_wait(g,
		       (peer_turn(&peer, bytes), tcp->received == bytes && peer.received == bytes));
	g_assert_true(!g->offload || tcp->large > 0);
}

static void
test_forward_tcp(void)
{
	g_autoptr(NatGuest) g = nat_guest_new_stopped(NULL, NULL);
	g_autoptr(GError) error = NULL;
	guint16 port = free_port(SOCK_STREAM);
	JfForwardRule rule = rule_for(JF_FORWARD_TCP, port, 22);
	int fd;

	/* Before start, and again after stop and start. */
	add_rule(g, &rule);
	for (guint i = 0; i < 2; i++) {
		jf_harness_start(g->h, &error);
		g_assert_no_error(error);
		g->real = g_get_monotonic_time();
		nat_guest_meet(g);
		g->offload = i == 1;
		forward_tcp_transfer(g, port);
		if (i == 0)
			jf_harness_stop(g->h);
		g_ptr_array_set_size(g->tcps, 0);
	}
	g_assert_true(forwards(g)->remove(jf_harness_get_instance(g->h), "rule", &error));
	g_assert_no_error(error);
	fd = nat_host_connect(port);
	g_assert_cmpint(recv(fd, &port, 1, 0), ==, -1);
	g_assert_cmpint(errno, ==, ECONNREFUSED);
	close(fd);
	g_assert_false(forwards(g)->remove(jf_harness_get_instance(g->h), "rule", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
}

/* Connections that came through a rule go on without it. */
static void
test_forward_remove(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint16 port = free_port(SOCK_STREAM);
	JfForwardRule rule = rule_for(JF_FORWARD_TCP, port, 80);
	g_auto(Peer) peer = { .fd = -1, .buffer = g_malloc(CHUNK) };
	NatTcp *tcp = nat_tcp_listen(g, 80, 1460);

	nat_guest_meet(g);
	add_rule(g, &rule);
	peer.fd = nat_host_connect(port);
	nat_guest_wait(g, tcp->established);
	g_assert_true(forwards(g)->remove(jf_harness_get_instance(g->h), "rule", NULL));
	nat_tcp_send(tcp, 100000);
	nat_guest_wait(g, (peer_turn(&peer, 100000),
			   tcp->received == 100000 && peer.received == 100000));
}

static void
test_forward_udp(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint16 port = free_port(SOCK_DGRAM), own;
	JfForwardRule rule = rule_for(JF_FORWARD_UDP, port, 53);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = nat_host_udp(AF_INET, &own);
	g_autofree NatDatagram *came = NULL;
	char reply[4];

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	nat_guest_meet(g);
	add_rule(g, &rule);
	g_assert_cmpint(sendto(fd, "ask", 3, 0, (struct sockaddr *)&to, sizeof to), ==, 3);
	nat_guest_wait(g, (came = nat_guest_take_udp(g, 53)) != NULL);
	g_assert_cmpmem(came->data, came->len, "ask", 3);
	nat_guest_send_udp(g, 4, came->from, 53, came->from_port, (const guint8 *)"told", 4);
	nat_guest_wait(g, recv(fd, reply, sizeof reply, 0) == 4);
	g_assert_cmpmem(reply, 4, "told", 4);
	close(fd);
}

static void
test_forward_busy(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	g_autoptr(NatGuest) other = nat_guest_new_stopped(NULL, NULL);
	g_autoptr(GError) error = NULL;
	guint16 port;
	int listener = nat_host_listen(AF_INET, &port);
	JfForwardRule rule = rule_for(JF_FORWARD_TCP, port, 22);

	assert_rule_refused(g, &rule, JF_ERROR_BUSY, "in use");
	/* The same at start. */
	add_rule(other, &rule);
	g_assert_false(jf_harness_start(other->h, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_BUSY);
	g_assert_cmpuint(jf_harness_get_leftovers(other->h), ==, 0);
	close(listener);
	g_clear_error(&error);
	jf_harness_start(other->h, &error);
	g_assert_no_error(error);
	/* Two machines, one port; also by UDP. */
	assert_rule_refused(g, &rule, JF_ERROR_BUSY, "in use");
	rule = rule_for(JF_FORWARD_UDP, free_port(SOCK_DGRAM), 53);
	add_rule(g, &rule);
	assert_rule_refused(other, &rule, JF_ERROR_BUSY, "already");
	rule.name = "second";
	assert_rule_refused(other, &rule, JF_ERROR_BUSY, "in use");
	rule.host_port = free_port(SOCK_DGRAM);
	rule.name = "rule";
	assert_rule_refused(g, &rule, JF_ERROR_BUSY, "already");
}

static void
test_forward_values(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	JfForwardRule rule = rule_for(JF_FORWARD_TCP, 0, 22);

	assert_rule_refused(g, &rule, JF_ERROR_VALUE, "1..65535");
	rule = rule_for(1, 8022, 22);
	assert_rule_refused(g, &rule, JF_ERROR_VALUE, "tcp or udp");
	rule = rule_for(JF_FORWARD_TCP, 8022, 22);
	rule.name = "";
	assert_rule_refused(g, &rule, JF_ERROR_VALUE, "1..63");
	rule.name = "rule";
	rule.host_address = "here";
	assert_rule_refused(g, &rule, JF_ERROR_VALUE, "'here'");
	rule.host_address = "192.0.2.1";
	assert_rule_refused(g, &rule, JF_ERROR_VALUE, "192.0.2.1");
	rule.host_address = "127.0.0.1";
	rule.guest_address = "10.0.3.15";
	assert_rule_refused(g, &rule, JF_ERROR_VALUE, "10.0.3.15");
	rule.guest_address = "fd17:625c:f037:2::15";
	assert_rule_refused(g, &rule, JF_ERROR_VALUE, "one family");
}

#define NOBODY 65534

static void
test_forward_privileged(void)
{
	g_autoptr(NatGuest) g = NULL;
	JfForwardRule rule = rule_for(JF_FORWARD_TCP, 1, 22);

	/* Root may bind every port: for once, somebody else asks. */
	if (geteuid() == 0)
		g_assert_cmpint(seteuid(NOBODY), ==, 0);
	g = nat_guest_new(NULL, NULL);
	assert_rule_refused(g, &rule, JF_ERROR_PERMISSION, "ip_unprivileged_port_start");
	if (getuid() == 0)
		g_assert_cmpint(seteuid(0), ==, 0);
}

static void
test_forward_ipv6(void)
{
	g_autoptr(NatGuest) g = nat_guest_new(NULL, NULL);
	guint16 port;
	int fd = nat_host_listen(AF_INET6, &port);
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	g_auto(Peer) peer = { .fd = -1, .buffer = g_malloc(CHUNK) };
	JfForwardRule rule;
	NatTcp *tcp;

	if (fd < 0) {
		g_test_skip("this host has no IPv6 loopback");
		return;
	}
	close(fd);
	rule = rule_for(JF_FORWARD_TCP, port, 22);
	rule.host_address = "::1";
	rule.guest_address = "fd17:625c:f037:2::15";
	nat_guest_meet(g);
	add_rule(g, &rule);
	tcp = nat_tcp_listen(g, 22, 1440);
	peer.fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	to.sin6_port = htons(port);
	connect(peer.fd, (struct sockaddr *)&to, sizeof to);
	nat_guest_wait(g, tcp->established);
	nat_tcp_send(tcp, 100000);
	nat_guest_wait(g, (peer_turn(&peer, 100000),
			   tcp->received == 100000 && peer.received == 100000));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/nat/tcp/%s", cases[i].name);

		g_test_add_data_func(path, &cases[i], test_transfer);
	}
	g_test_add_func("/nat/tcp/small-mtu", test_small_mtu);
	g_test_add_func("/nat/tcp/many", test_many);
	g_test_add_func("/nat/tcp/refused-port", test_refused_port);
	g_test_add_func("/nat/tcp/localhost-off", test_localhost_off);
	g_test_add_func("/nat/tcp/peer-resets", test_peer_resets);
	g_test_add_func("/nat/tcp/broken-pipe", test_broken_pipe);
	g_test_add_func("/nat/forward/tcp", test_forward_tcp);
	g_test_add_func("/nat/forward/remove", test_forward_remove);
	g_test_add_func("/nat/forward/udp", test_forward_udp);
	g_test_add_func("/nat/forward/ipv6", test_forward_ipv6);
	g_test_add_func("/nat/forward/busy", test_forward_busy);
	g_test_add_func("/nat/forward/values", test_forward_values);
	g_test_add_func("/nat/forward/privileged", test_forward_privileged);
	return g_test_run();
}
