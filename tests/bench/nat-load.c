/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-load.c - datagrams and short connections for tests/bench/nat.
 *
 *	nat-load udp-tx ADDRESS PORT BYTES SECONDS	as many datagrams as go
 *	nat-load udp-rx ADDRESS PORT SECONDS		counts those that come
 *	nat-load serve ADDRESS PORT SECONDS		takes a byte, gives it back, ends the connection
 *	nat-load connect ADDRESS PORT SECONDS AT-ONCE	short connections, so many at once
 *	nat-load hold ADDRESS PORT SECONDS COUNT	opens COUNT connections and keeps them
 *
 * Each prints one line: a number per second (hold: how many are open).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64
#define EVENTS 256
#define BUFFER (4 << 20)

static double
now(void)
{
	return (double)g_get_monotonic_time() / 1e6;
}

static struct sockaddr_in
parse_address(const char *address, const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((guint16)atoi(port)) };

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
		g_error("'%s' is no IPv4 address", address);
	return in;
}

static int
udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	return fd;
}

static void
prepare(struct mmsghdr *m, struct iovec *iov, char *data, gsize bytes)
{
	memset(m, 0, BATCH * sizeof *m);
	for (guint i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data + i * bytes, bytes };
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
}

static void
udp_tx(const struct sockaddr_in *to, gsize bytes, double seconds)
{
	static char data[BATCH * 2048];
	struct mmsghdr m[BATCH];
	struct iovec iov[BATCH];
	int fd = udp_socket();
	double end = now() + seconds;
	guint64 sent = 0;

	prepare(m, iov, data, MIN(bytes, 2048));
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0)
		g_error("connect: %s", g_strerror(errno));
	while (now() < end) {
		int n = sendmmsg(fd, m, BATCH, 0);

		sent += n > 0 ? (guint64)n : 0;
	}
	printf("%.0f\n", (double)sent / seconds);
}

/* Ends a second after the last one came. */
static void
udp_rx(const struct sockaddr_in *at, double seconds)
{
	static char data[BATCH * 2048];
	struct mmsghdr m[BATCH];
	struct iovec iov[BATCH];
	int fd = udp_socket();
	double began = 0, last = 0, give_up = now() + seconds + 5;
	guint64 got = 0;

	prepare(m, iov, data, 2048);
	if (bind(fd, (const struct sockaddr *)at, sizeof *at) < 0)
		g_error("bind: %s", g_strerror(errno));
	while (now() < give_up && (!last || now() < last + 1)) {
		struct pollfd p = { fd, POLLIN, 0 };
		int n = poll(&p, 1, 100) > 0 ? recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL) : 0;

		if (n <= 0)
			continue;
		last = now();
		began = began ? began : last;
		got += (guint64)n;
	}
	printf("%.0f\n", last > began ? (double)got / (last - began) : 0);
}

static int
listen_at(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (const struct sockaddr *)at, sizeof *at) < 0 || listen(fd, 4096) < 0)
		g_error("bind: %s", g_strerror(errno));
	return fd;
}

static void
watch(int epoll, int fd, guint32 events, int op)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	epoll_ctl(epoll, op, fd, &event);
}

static void
answer(int fd)
{
	char byte;

	if (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) != 1)
		g_message("write: %s", g_strerror(errno));
	close(fd);
}

static void
serve(const struct sockaddr_in *at, double seconds)
{
	int epoll = epoll_create1(0), listener = listen_at(at), fd;
	struct epoll_event events[EVENTS];
	double end = now() + seconds;

	watch(epoll, listener, EPOLLIN, EPOLL_CTL_ADD);
	while (now() < end) {
		int n = epoll_wait(epoll, events, EVENTS, 100);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != listener) {
				answer(events[i].data.fd);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
				watch(epoll, fd, EPOLLIN, EPOLL_CTL_ADD);
		}
	}
}

static int
open_one(int epoll, const struct sockaddr_in *to)
{
	const struct linger linger = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	/* A reset in the end keeps the guest's ports free. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	watch(epoll, fd, EPOLLOUT, EPOLL_CTL_ADD);
	return fd;
}

/* 0: goes on; 1: done; -1: failed. */
static int
step(int epoll, const struct epoll_event *event)
{
	char byte = 1;

	if (event->events & EPOLLERR)
		return -1;
	if (event->events & EPOLLOUT) {
		if (write(event->data.fd, &byte, 1) != 1)
			return -1;
		watch(epoll, event->data.fd, EPOLLIN, EPOLL_CTL_MOD);
		return 0;
	}
	return read(event->data.fd, &byte, 1) == 1 ? 1 : -1;
}

static void
connect_many(const struct sockaddr_in *to, double seconds, guint at_once)
{
	int epoll = epoll_create1(0);
	struct epoll_event events[EVENTS];
	double end = now() + seconds;
	guint64 done = 0, failed = 0;
	guint open = 0;

	while (now() < end) {
		int n;

		while (open < at_once && open_one(epoll, to) >= 0)
			open++;
		n = epoll_wait(epoll, events, EVENTS, 100);
		for (int i = 0; i < n; i++) {
			int result = step(epoll, &events[i]);

			if (result == 0)
				continue;
			done += result > 0;
			failed += result < 0;
			close(events[i].data.fd);
			open--;
		}
	}
	printf("%.0f failed %" G_GUINT64_FORMAT "\n", (double)done / seconds, failed);
}

/* As many descriptors, or as many as may be. */
static void
raise_limit(guint count)
{
	struct rlimit limit = { count, count };

	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = MIN(count, limit.rlim_max);
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void
hold(const struct sockaddr_in *to, double seconds, guint count)
{
	g_autofree int *fds = g_new(int, count);
	guint open = 0;

	raise_limit(count + 64);
	for (guint i = 0; i < count; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		open += connect(fds[i], (const struct sockaddr *)to, sizeof *to) == 0;
	}
	printf("%u\n", open);
	fflush(stdout);
	g_usleep((gulong)(seconds * 1e6));
}

/* Accepts and keeps. */
static void
keep(const struct sockaddr_in *at, double seconds)
{
	int listener = listen_at(at);
	double end = now() + seconds;

	raise_limit(200000);
	while (now() < end) {
		struct pollfd p = { listener, POLLIN, 0 };

		poll(&p, 1, 100);
		while (accept4(listener, NULL, NULL, SOCK_NONBLOCK) >= 0)
			;
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address;
	const char *what = argc > 1 ? argv[1] : "";

	if (argc < 5)
		g_error("see the top of nat-load.c");
	address = parse_address(argv[2], argv[3]);
	if (g_str_equal(what, "udp-tx") && argc == 6)
		udp_tx(&address, (gsize)atoi(argv[4]), atof(argv[5]));
	else if (g_str_equal(what, "udp-rx"))
		udp_rx(&address, atof(argv[4]));
	else if (g_str_equal(what, "serve"))
		serve(&address, atof(argv[4]));
	else if (g_str_equal(what, "keep"))
		keep(&address, atof(argv[4]));
	else if (g_str_equal(what, "connect") && argc == 6)
		connect_many(&address, atof(argv[4]), (guint)atoi(argv[5]));
	else if (g_str_equal(what, "hold") && argc == 6)
		hold(&address, atof(argv[4]), (guint)atoi(argv[5]));
	else
		g_error("see the top of nat-load.c");
	return 0;
}
