/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * l2gen.c - sends Ethernet frames into one end of a switch or tunnel and counts them at the other.
 *
 *	l2gen [-s BYTES] [-t SECONDS] [-w WINDOW] [-p PID] FROM TO
 *
 * FROM and TO are a VMM's end of a wire:
 *	stream:PATH        Unix stream socket, each frame behind its length (QEMU's -netdev stream)
 *	udp:PORT:PEER      UDP ports of 127.0.0.1, a frame in each datagram
 *	vde:DIR            a vde_switch
 *
 * Sender and receiver are processes of their own that share a page of counters. With -w no more
 * than WINDOW frames are on their way, so that the rate is one without loss; without, the sender
 * sends what it can. Prints: frames/s received, Gbit/s received, frames/s sent, and CPU ns per frame
 * of process PID.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_VDE
#include <libvdeplug.h>
#endif

#define BATCH 32
#define FRAME_MAX 65553
#define SPACE (1 << 20)
/* An EtherType for local experiments (IEEE 802): nobody else's frames are counted. */
#define ETHERTYPE_HI 0x88
#define ETHERTYPE_LO 0xb5
/* Without progress for so long, what is on its way counts as lost. */
#define STALL_NS 50000000ull

typedef struct Shared {
	_Alignas(64) _Atomic uint64_t sent, lost;
	_Alignas(64) _Atomic uint64_t received, bytes;
	_Alignas(64) atomic_int ready, stop;
} Shared;

typedef struct End End;
struct End {
	int fd;
	/* Sends up to `n` frames of `size` bytes that `frames` has one after the other. */
	int (*send)(End *end, uint8_t *frames, int size, int n);
	/* Returns how many frames came, and adds up their bytes; -1: the other end is gone. */
	int (*receive)(End *end, uint64_t *bytes);
	uint8_t *space;
	size_t have;
#ifdef HAVE_VDE
	VDECONN *vde;
#endif
};

static Shared *shared;

static void
die(const char *what)
{
	perror(what);
	_exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int
is_ours(const uint8_t *frame, size_t len)
{
	return len >= 14 && frame[12] == ETHERTYPE_HI && frame[13] == ETHERTYPE_LO;
}

/* ---- stream ---- */

static int
stream_send(End *end, uint8_t *frames, int size, int n)
{
	static uint8_t staged[BATCH * (4 + FRAME_MAX)];
	size_t len = (size_t)n * (4 + (size_t)size), at = 0;
	uint32_t head = htonl((uint32_t)size);

	for (int i = 0; i < n; i++) {
		memcpy(staged + (size_t)i * (4 + (size_t)size), &head, 4);
		memcpy(staged + (size_t)i * (4 + (size_t)size) + 4, frames, (size_t)size);
	}
	while (at < len) {
		ssize_t sent = send(end->fd, staged + at, len - at, 0);

		if (sent < 0)
			die("send");
		at += (size_t)sent;
	}
	return n;
}

static int
stream_receive(End *end, uint64_t *bytes)
{
	ssize_t got = recv(end->fd, end->space + end->have, SPACE - end->have, MSG_DONTWAIT);
	size_t at = 0;
	int n = 0;

	if (got <= 0)
		return got < 0 && errno == EAGAIN ? 0 : -1;
	end->have += (size_t)got;
	while (end->have - at >= 4) {
		uint32_t len;

		memcpy(&len, end->space + at, 4);
		len = ntohl(len);
		if (end->have - at - 4 < len)
			break;
		if (is_ours(end->space + at + 4, len)) {
			n++;
			*bytes += len;
		}
		at += 4 + len;
	}
	memmove(end->space, end->space + at, end->have - at);
	end->have -= at;
	return n;
}

static void
stream_open(End *end, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int size = 4 << 20;

	snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	end->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (connect(end->fd, (struct sockaddr *)&un, sizeof un))
		die(path);
	end->send = stream_send;
	end->receive = stream_receive;
}

/* ---- udp ---- */

static int
udp_send(End *end, uint8_t *frames, int size, int n)
{
	struct iovec piece = { frames, (size_t)size };
	struct mmsghdr msgs[BATCH] = { 0 };
	int sent;

	for (int i = 0; i < n; i++) {
		msgs[i].msg_hdr.msg_iov = &piece;
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(end->fd, msgs, (unsigned)n, 0);
	if (sent < 0 && errno != ECONNREFUSED && errno != ENOBUFS)
		die("sendmmsg");
	return sent < 0 ? 0 : sent;
}

static int
udp_receive(End *end, uint64_t *bytes)
{
	struct iovec pieces[BATCH];
	struct mmsghdr msgs[BATCH] = { 0 };
	int got, n = 0;

	for (int i = 0; i < BATCH; i++) {
		pieces[i] =
			(struct iovec){ end->space + (size_t)i * (SPACE / BATCH), SPACE / BATCH };
		msgs[i].msg_hdr.msg_iov = &pieces[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	got = recvmmsg(end->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++)
		if (is_ours(pieces[i].iov_base, msgs[i].msg_len)) {
			n++;
			*bytes += msgs[i].msg_len;
		}
	return n;
}

static void
udp_open(End *end, const char *ports)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned port, peer;
	int size = 4 << 20;

	if (sscanf(ports, "%u:%u", &port, &peer) != 2)
		die("udp:PORT:PEER");
	end->fd = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(end->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	in.sin_port = htons((uint16_t)port);
	if (bind(end->fd, (struct sockaddr *)&in, sizeof in))
		die("bind");
	in.sin_port = htons((uint16_t)peer);
	if (connect(end->fd, (struct sockaddr *)&in, sizeof in))
		die("connect");
	end->send = udp_send;
	end->receive = udp_receive;
}

/* ---- vde ---- */

#ifdef HAVE_VDE
static int
end_vde_send(End *end, uint8_t *frames, int size, int n)
{
	for (int i = 0; i < n; i++)
		if (vde_send(end->vde, frames, (size_t)size, 0) < 0)
			return i;
	return n;
}

static int
end_vde_receive(End *end, uint64_t *bytes)
{
	int n = 0;

	for (int i = 0; i < BATCH; i++) {
		ssize_t len = recv(end->fd, end->space, SPACE, MSG_DONTWAIT);

		if (len <= 0)
			break;
		if (is_ours(end->space, (size_t)len)) {
			n++;
			*bytes += (uint64_t)len;
		}
	}
	return n;
}

static void
end_vde_open(End *end, char *dir)
{
	int size = 4 << 20;

	end->vde = vde_open(dir, (char *)"l2gen", NULL);
	if (!end->vde)
		die(dir);
	end->fd = vde_datafd(end->vde);
	setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(end->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	end->send = end_vde_send;
	end->receive = end_vde_receive;
}
#endif

/* ---- The two processes ---- */

static End
end_open(char *spec)
{
	End end = { .space = calloc(1, SPACE) };

	if (!strncmp(spec, "stream:", 7))
		stream_open(&end, spec + 7);
	else if (!strncmp(spec, "udp:", 4))
		udp_open(&end, spec + 4);
#ifdef HAVE_VDE
	else if (!strncmp(spec, "vde:", 4))
		end_vde_open(&end, spec + 4);
#endif
	else
		die(spec);
	return end;
}

static void
frame_fill(uint8_t *frame, int to, int from)
{
	static const uint8_t head[14] = {
		2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, ETHERTYPE_HI, ETHERTYPE_LO
	};

	memcpy(frame, head, sizeof head);
	frame[5] = (uint8_t)to;
	frame[11] = (uint8_t)from;
}

static void
run_receiver(char *spec)
{
	static uint8_t frame[FRAME_MAX];
	End end = end_open(spec);
	struct pollfd wait = { .fd = end.fd, .events = POLLIN };
	uint64_t bytes = 0;

	/* So that a switch knows where we are. */
	frame_fill(frame, 1, 2);
	end.send(&end, frame, 60, 1);
	shared->ready++;
	while (!shared->stop) {
		int n = end.receive(&end, &bytes);

		if (n < 0)
			die("receiver");
		if (!n) {
			poll(&wait, 1, 20);
			continue;
		}
		shared->bytes = bytes;
		shared->received += (uint64_t)n;
	}
}

/* How many frames may go now; waits until it is at least one batch. */
static int
sender_wait(int window)
{
	uint64_t seen = shared->received, since = now_ns();

	for (;;) {
		uint64_t received = shared->received;
		int64_t room = window - (int64_t)(shared->sent - shared->lost - received);

		if (room >= BATCH || room >= window || shared->stop)
			return BATCH;
		if (received != seen) {
			seen = received;
			since = now_ns();
		} else if (now_ns() - since > STALL_NS) {
			shared->lost = shared->sent - received;
		}
		sched_yield();
	}
}

static void
run_sender(char *spec, int size, int window)
{
	static uint8_t frame[FRAME_MAX];
	End end = end_open(spec);

	frame_fill(frame, 2, 1);
	shared->ready++;
	while (!shared->stop) {
		int n = window ? sender_wait(window) : BATCH;
		int sent = end.send(&end, frame, size, window && window < n ? window : n);

		shared->sent += (uint64_t)(sent > 0 ? sent : 0);
		if (sent <= 0)
			sched_yield();
	}
}

/* User and system time of a process, in ns. */
static double
cpu_ns(int pid)
{
	unsigned long user, system;
	char path[64];
	FILE *file;
	int n;

	if (!pid)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		die(path);
	n = fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		   &system);
	fclose(file);
	return n == 2 ? (double)(user + system) * 1e9 / (double)sysconf(_SC_CLK_TCK) : 0;
}

static void
measure(double seconds, int pid)
{
	uint64_t sent = shared->sent, received = shared->received, bytes = shared->bytes;
	double cpu = cpu_ns(pid), took;
	uint64_t start = now_ns();

	usleep((useconds_t)(seconds * 1e6));
	sent = shared->sent - sent;
	received = shared->received - received;
	bytes = shared->bytes - bytes;
	took = (double)(now_ns() - start) / 1e9;
	cpu = cpu_ns(pid) - cpu;
	printf("%.0f %.3f %.0f %.0f\n", (double)received / took, (double)bytes * 8 / took / 1e9,
	       (double)sent / took, received ? cpu / (double)received : 0);
}

static pid_t
child_new(void (*run)(char *, int, int), char *spec, int size, int window)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	run(spec, size, window);
	_exit(0);
}

static void
run_receiver_child(char *spec, int size, int window)
{
	(void)size;
	(void)window;
	run_receiver(spec);
}

/* Waits for both children; FALSE where one of them ended instead. */
static int
wait_ready(int ready)
{
	for (int i = 0; i < 5000 && shared->ready < ready; i++) {
		if (waitpid(-1, NULL, WNOHANG) > 0)
			return 0;
		usleep(1000);
	}
	return shared->ready >= ready;
}

static int
run(char **ends, int size, int window, double seconds, int pid)
{
	pid_t children[2];
	int ok;

	children[0] = child_new(run_receiver_child, ends[1], size, window);
	ok = wait_ready(1);
	/* The announcement has to be there before the first frame. */
	usleep(100000);
	children[1] = child_new(run_sender, ends[0], size, window);
	if (ok && wait_ready(2)) {
		usleep(200000);
		measure(seconds, pid);
	} else {
		fprintf(stderr, "l2gen: an end failed\n");
		ok = 0;
	}
	shared->stop = 1;
	usleep(50000);
	for (int i = 0; i < 2; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	return ok ? 0 : 1;
}

int
main(int argc, char **argv)
{
	int option, size = 64, window = 0, pid = 0;
	double seconds = 1;

	while ((option = getopt(argc, argv, "s:t:w:p:")) > 0) {
		if (option == 's')
			size = atoi(optarg);
		else if (option == 't')
			seconds = atof(optarg);
		else if (option == 'w')
			window = atoi(optarg);
		else if (option == 'p')
			pid = atoi(optarg);
		else
			return 2;
	}
	if (argc - optind != 2 || size < 14 || size > FRAME_MAX || seconds <= 0) {
		fprintf(stderr, "usage: l2gen [-s BYTES] [-t SECONDS] [-w WINDOW] [-p PID] "
				"FROM TO\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		die("mmap");
	return run(argv + optind, size, window, seconds, pid);
}
