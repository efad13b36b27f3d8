/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-load.c - drivers of vhost-user cards, for benchmarks: many ports, one thread, split rings.
 *
 *	vhost-load bulk SECONDS LEN SOCKET SOCKET	frames from the first port to the second
 *	vhost-load pairs SECONDS LEN SOCKET SOCKET...	likewise, in pairs, each both ways
 *	vhost-load poll SECONDS LEN SOCKET SOCKET	round trips, never asleep
 *	vhost-load idle SECONDS LEN SOCKET SOCKET	round trips after 20 ms of quiet, asleep meanwhile
 *	vhost-load hold SECONDS LEN SOCKET...		nothing, for so long
 *	vhost-load memcpy SECONDS LEN			copies between as much memory as bulk uses
 *
 * bulk, pairs and memcpy print frames a second, poll and idle the median round trip in us. Port i has the
 * address 08:00:27:00:HH:LL, as the cards of bench-cards. What arrives is not read: that would cost
 * this side, not the card.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RING 64u
#define RINGS_LEN 0x10000u
#define HDR 12u
#define USER 0x7f0000000000ull
#define FEATURES ((1ull << 15) | (1ull << 30) | (1ull << 32)) /* MRG_RXBUF, protocol, VERSION_1 */
#define QUIET_US 20000

enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ENABLE = 18,
};

typedef struct Desc {
	guint64 address;
	guint32 len;
	guint16 flags, next;
} Desc;

typedef struct Avail {
	guint16 flags, idx, ring[RING];
} Avail;

typedef struct Used {
	guint16 flags, idx;
	struct {
		guint32 id, len;
	} ring[RING];
} Used;

typedef struct Ring {
	Desc *desc;
	Avail *avail;
	Used *used;
	guint16 seen; /* of used */
	int kick, call;
} Ring;

typedef struct Port {
	int fd;
	guint8 *memory;
	guint buffer; /* bytes of each */
	Ring rx, tx;
} Port;

static void
check(gboolean ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vhost-load: %s: %s\n", what, g_strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* ---- The protocol ---- */

static void
tell(const Port *port, guint32 request, gconstpointer body, guint32 len, int fd)
{
	guint32 header[3] = { request, 1, len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec pieces[2] = { { header, sizeof header }, { (gpointer)body, len } };
	struct msghdr out = { .msg_iov = pieces, .msg_iovlen = 2 };

	if (fd >= 0) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
		out.msg_control = control.bytes;
		out.msg_controllen = sizeof control.bytes;
	}
	check(sendmsg(port->fd, &out, 0) == (ssize_t)(sizeof header + len), "a message");
}

/* An answer means that all before it has been done. */
static void
ask_features(const Port *port)
{
	guint8 reply[20];

	tell(port, GET_FEATURES, NULL, 0, -1);
	check(recv(port->fd, reply, sizeof reply, MSG_WAITALL) == sizeof reply, "an answer");
}

static void
tell_ring(const Port *port, guint32 index, const Ring *ring)
{
	const guint32 size[2] = { index, RING }, base[2] = { index, 0 }, on[2] = { index, 1 };
	const guint64 number = index;
	guint64 address[5] = { index };

	address[1] = USER + (guint64)((guint8 *)ring->desc - port->memory);
	address[2] = USER + (guint64)((guint8 *)ring->used - port->memory);
	address[3] = USER + (guint64)((guint8 *)ring->avail - port->memory);
	tell(port, SET_VRING_NUM, size, sizeof size, -1);
	tell(port, SET_VRING_BASE, base, sizeof base, -1);
	tell(port, SET_VRING_ADDR, address, sizeof address, -1);
	tell(port, SET_VRING_KICK, &number, sizeof number, ring->kick);
	tell(port, SET_VRING_CALL, &number, sizeof number, ring->call);
	tell(port, SET_VRING_ENABLE, on, sizeof on, -1);
}

/* ---- Ports ---- */

static void
ring_init(Ring *ring, guint8 *at)
{
	*ring = (Ring){ .desc = (Desc *)at,
			.avail = (Avail *)(at + 0x4000),
			.used = (Used *)(at + 0x6000),
			.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	check(ring->kick >= 0 && ring->call >= 0, "an eventfd");
	ring->avail->flags = 1; /* no interrupts */
}

/* All buffers exist from the start: receive buffers are the driver's to fill again, transmit buffers
 * hold the frame that they are sent with. */
static void
ring_fill(Port *port, Ring *ring, guint first, guint16 flags, guint32 len)
{
	for (guint i = 0; i < RING; i++) {
		ring->desc[i] =
			(Desc){ RINGS_LEN + (guint64)(first + i) * port->buffer, len, flags, 0 };
		ring->avail->ring[i] = (guint16)i;
	}
}

static void
port_address(guint8 *mac, guint number)
{
	const guint8 address[6] = { 8, 0, 0x27, 0, (guint8)(number >> 8), (guint8)number };

	memcpy(mac, address, sizeof address);
}

static void
port_open(Port *port, const char *path, guint number, guint peer, guint len)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const guint64 features = FEATURES;
	guint64 table[5] = { 1 }, size;
	int memfd = memfd_create("vhost-load", MFD_CLOEXEC);

	*port = (Port){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
			.buffer = (len + HDR + 0xfff) & ~0xfffu };
	g_strlcpy(un.sun_path, path, sizeof un.sun_path);
	check(connect(port->fd, (struct sockaddr *)&un, sizeof un) == 0, path);
	size = RINGS_LEN + 2ull * RING * port->buffer;
	check(ftruncate(memfd, (off_t)size) == 0, "memory");
	port->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	check(port->memory != MAP_FAILED, "memory");
	ring_init(&port->rx, port->memory);
	ring_init(&port->tx, port->memory + RINGS_LEN / 2);
	ring_fill(port, &port->rx, 0, 2, port->buffer);
	ring_fill(port, &port->tx, RING, 0, HDR + len);
	for (guint i = RING; len && i < 2 * RING; i++) {
		guint8 *frame = port->memory + port->tx.desc[i - RING].address + HDR;

		port_address(frame, peer);
		port_address(frame + 6, number);
		frame[12] = 0x88; /* 88B5: local experiments */
		frame[13] = 0xb5;
	}
	__atomic_store_n(&port->rx.avail->idx, RING, __ATOMIC_RELEASE);
	table[2] = size;
	table[3] = USER;
	tell(port, SET_OWNER, NULL, 0, -1);
	tell(port, SET_FEATURES, &features, sizeof features, -1);
	tell(port, SET_MEM_TABLE, table, sizeof table, memfd);
	tell_ring(port, 0, &port->rx);
	tell_ring(port, 1, &port->tx);
	ask_features(port);
	close(memfd);
}

static void
ring_kick(Ring *ring)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED) & 1))
		eventfd_write(ring->kick, 1);
}

/* Buffers that came back; they are made available again in the order in which they came. */
static guint
ring_take(Ring *ring, gboolean give)
{
	guint16 used = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
	guint n = (guint16)(used - ring->seen);
	guint16 avail = ring->avail->idx;

	for (guint i = 0; give && i < n; i++, avail++)
		ring->avail->ring[avail % RING] =
			(guint16)ring->used->ring[(guint16)(ring->seen + i) % RING].id;
	ring->seen = used;
	if (n && give) {
		__atomic_store_n(&ring->avail->idx, avail, __ATOMIC_RELEASE);
		ring_kick(ring);
	}
	return n;
}

static void
send_some(Port *port, guint n)
{
	__atomic_store_n(&port->tx.avail->idx, (guint16)(port->tx.avail->idx + n),
			 __ATOMIC_RELEASE);
	ring_kick(&port->tx);
}

/* ---- What is measured ---- */

static guint64
turn(Port *ports, guint n)
{
	guint64 frames = 0;

	for (guint i = 0; i < n; i++) {
		frames += ring_take(&ports[i].rx, TRUE);
		ring_take(&ports[i].tx, TRUE);
	}
	return frames;
}

static void
measure_flow(Port *ports, guint n, gboolean both, double seconds)
{
	double end = now() + seconds, began = 0;
	guint64 frames = 0;

	for (guint i = 0; i < n; i += both ? 1 : 2)
		send_some(&ports[i], RING);
	for (gboolean warm = FALSE; now() < end; frames += turn(ports, n)) {
		if (!warm && now() > end - seconds * 0.8) {
			warm = TRUE;
			frames = 0;
			began = now();
		}
	}
	printf("%.0f\n", (double)frames / (now() - began));
}

/* Asleep: until the card calls. */
static void
wait_frame(Port *port, gboolean asleep)
{
	eventfd_t count;

	while (ring_take(&port->rx, TRUE) == 0) {
		struct pollfd ready = { .fd = port->rx.call, .events = POLLIN };

		if (asleep && poll(&ready, 1, 1000) > 0)
			eventfd_read(port->rx.call, &count);
	}
}

static int
compare(gconstpointer a, gconstpointer b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
measure_trips(Port *ports, gboolean asleep, double seconds)
{
	g_autoptr(GArray) trips = g_array_new(FALSE, FALSE, sizeof(double));
	double end = now() + seconds;

	for (guint i = 0; i < 2; i++)
		ports[i].rx.avail->flags = asleep ? 0 : 1;
	while (now() < end) {
		double began, took;

		if (asleep)
			usleep(QUIET_US);
		began = now();
		send_some(&ports[0], 1);
		wait_frame(&ports[1], asleep);
		send_some(&ports[1], 1);
		wait_frame(&ports[0], asleep);
		took = now() - began;
		g_array_append_val(trips, took);
		for (guint i = 0; i < 2; i++)
			ring_take(&ports[i].tx, FALSE);
	}
	g_array_sort(trips, compare);
	printf("%.2f\n", g_array_index(trips, double, trips->len / 2) * 1e6);
}

static void
measure_memcpy(guint len, double seconds)
{
	gsize buffer = (len + HDR + 0xfff) & ~0xfffu;
	guint8 *memory = mmap(NULL, 2 * RING * buffer, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double end = now() + seconds, began = 0;
	guint64 frames = 0;

	check(memory != MAP_FAILED, "memory");
	memset(memory, 1, 2 * RING * buffer);
	for (gboolean warm = FALSE; now() < end; frames += RING) {
		for (guint i = 0; i < RING; i++)
			memcpy(memory + i * buffer, memory + (RING + i) * buffer, len + HDR);
		if (!warm && now() > end - seconds * 0.8) {
			warm = TRUE;
			frames = 0;
			began = now();
		}
	}
	printf("%.0f\n", (double)frames / (now() - began));
}

int
main(int argc, char **argv)
{
	guint n = argc > 4 ? (guint)argc - 4 : 0, len;
	g_autofree Port *ports = g_new0(Port, n + 1);
	const char *what = argc > 3 ? argv[1] : "";
	double seconds;

	check(argc > 3, "usage: bulk|pairs|poll|idle|hold|memcpy SECONDS LEN SOCKET...");
	seconds = g_ascii_strtod(argv[2], NULL);
	len = (guint)CLAMP(g_ascii_strtoull(argv[3], NULL, 10), 14, 65536);
	for (guint i = 0; i < n; i++)
		port_open(&ports[i], argv[4 + i], i, i ^ 1, len);
	if (strcmp(what, "bulk") == 0 && n == 2)
		measure_flow(ports, n, FALSE, seconds);
	else if (strcmp(what, "pairs") == 0 && n > 0 && n % 2 == 0)
		measure_flow(ports, n, TRUE, seconds);
	else if ((strcmp(what, "poll") == 0 || strcmp(what, "idle") == 0) && n == 2)
		measure_trips(ports, *what == 'i', seconds);
	else if (strcmp(what, "memcpy") == 0)
		measure_memcpy(len, seconds);
	else if (strcmp(what, "hold") == 0)
		usleep((useconds_t)(seconds * 1e6));
	else
		return 1;
	return 0;
}
