/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-front.c - a vhost-user front end for tests. */
#include "vhost-front.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Desc {
	guint64 address;
	guint32 len;
	guint16 flags, next;
} Desc;

typedef struct Avail {
	guint16 flags, idx, ring[FRONT_RING_SIZE];
} Avail;

typedef struct Used {
	guint16 flags, idx;
	struct {
		guint32 id, len;
	} ring[FRONT_RING_SIZE];
} Used;

void
front_init(Front *front, JfWorker *worker)
{
	*front = (Front){ .worker = worker, .fd = -1 };
	front->memfd = memfd_create("guest", MFD_CLOEXEC);
	g_assert_cmpint(ftruncate(front->memfd, FRONT_MEMORY), ==, 0);
	front->memory =
		mmap(NULL, FRONT_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, front->memfd, 0);
	g_assert_true(front->memory != MAP_FAILED);
	for (guint i = 0; i < 2; i++) {
		front->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		front->call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	front->features = FRONT_F_VERSION_1 | FRONT_F_PROTOCOL | FRONT_F_MRG_RXBUF;
	front->protocol = FRONT_P_ALL;
}

void
front_finish(Front *front)
{
	front_disconnect(front);
	munmap(front->memory, FRONT_MEMORY);
	close(front->memfd);
	for (guint i = 0; i < 2; i++) {
		close(front->kick[i]);
		close(front->call[i]);
	}
}

gboolean
front_connect(Front *front, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	g_strlcpy(un.sun_path, path, sizeof un.sun_path);
	front->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	front->gone = FALSE;
	if (connect(front->fd, (struct sockaddr *)&un, sizeof un) == 0)
		return TRUE;
	front_disconnect(front);
	return FALSE;
}

void
front_disconnect(Front *front)
{
	if (front->fd >= 0)
		close(front->fd);
	front->fd = -1;
}

void
front_settle(Front *front)
{
	struct pollfd ready = { .fd = jf_worker_get_fd(front->worker), .events = POLLIN };

	jf_worker_dispatch(front->worker);
	while (poll(&ready, 1, 0) > 0)
		jf_worker_dispatch(front->worker);
}

gboolean
front_send(Front *front, guint32 request, guint32 flags, gconstpointer body, guint32 len,
	   const int *fds, guint n_fds)
{
	guint32 header[3] = { request, flags, len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec pieces[2] = { { header, sizeof header }, { (gpointer)body, len } };
	struct msghdr out = { .msg_iov = pieces, .msg_iovlen = body ? 2 : 1 };

	if (n_fds) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
		out.msg_control = control.bytes;
		out.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	if (sendmsg(front->fd, &out, MSG_NOSIGNAL) < 0)
		front->gone = TRUE;
	return !front->gone;
}

/* Reads exactly so much. FALSE: the other end hung up. */
static gboolean
receive_part(Front *front, gpointer to, gsize len, int *fd)
{
	gint64 deadline = g_get_monotonic_time() + FRONT_TIMEOUT_US;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	gsize have = 0;

	while (have < len) {
		struct iovec piece = { (guint8 *)to + have, len - have };
		struct msghdr in = { .msg_iov = &piece,
				     .msg_iovlen = 1,
				     .msg_control = control.bytes,
				     .msg_controllen = sizeof control.bytes };
		ssize_t got = recvmsg(front->fd, &in, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&in) : NULL;

		if (c && fd)
			memcpy(fd, CMSG_DATA(c), sizeof *fd);
		if (got == 0 || (got < 0 && errno != EAGAIN)) {
			front->gone = TRUE;
			return FALSE;
		}
		have += (gsize)MAX(got, 0);
		jf_worker_dispatch(front->worker);
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
	}
	return TRUE;
}

gint
front_receive(Front *front, guint32 request, gpointer body, guint32 max, int *fd)
{
	guint32 header[3];

	if (!receive_part(front, header, sizeof header, fd))
		return -1;
	g_assert_cmpuint(header[0], ==, request);
	g_assert_cmpuint(header[1], ==, 0x5);
	g_assert_cmpuint(header[2], <=, max);
	return receive_part(front, body, header[2], fd) ? (gint)header[2] : -1;
}

gboolean
front_set_acked(Front *front, guint32 request, gconstpointer body, guint32 len, int fd)
{
	guint64 result = G_MAXUINT64;

	front_send(front, request, 0x9, body, len, &fd, fd >= 0);
	g_assert_cmpint(front_receive(front, request, &result, sizeof result, NULL), ==, 8);
	return result == 0;
}

void
front_set(Front *front, guint32 request, guint64 value)
{
	front_send(front, request, 0x1, &value, sizeof value, NULL, 0);
	front_settle(front);
}

guint64
front_get(Front *front, guint32 request)
{
	guint64 value = G_MAXUINT64;

	front_send(front, request, 0x1, NULL, 0, NULL, 0);
	front_receive(front, request, &value, sizeof value, NULL);
	return value;
}

static void
set_pair(Front *front, guint32 request, guint32 a, guint32 b)
{
	guint32 body[2] = { a, b };

	front_send(front, request, 0x1, body, sizeof body, NULL, 0);
	front_settle(front);
}

static void
set_fd(Front *front, guint32 request, guint64 queue, int fd)
{
	front_send(front, request, 0x1, &queue, sizeof queue, &fd, 1);
	front_settle(front);
}

static void
set_address(Front *front, guint32 queue)
{
	struct {
		guint32 index, flags;
		guint64 desc, used, avail, log;
	} body = { queue,
		   0,
		   FRONT_USER + FRONT_DESC(queue),
		   FRONT_USER + FRONT_USED(queue),
		   FRONT_USER + FRONT_AVAIL(queue),
		   0 };

	front_send(front, FRONT_SET_VRING_ADDR, 0x1, &body, sizeof body, NULL, 0);
	front_settle(front);
}

void
front_set_table(Front *front)
{
	struct {
		guint32 n, padding;
		guint64 address, size, user, offset;
	} body = { 1, 0, FRONT_ADDRESS, FRONT_MEMORY, FRONT_USER, 0 };

	front_send(front, FRONT_SET_MEM_TABLE, 0x1, &body, sizeof body, &front->memfd, 1);
	front_settle(front);
}

guint
front_set_up(Front *front, guint until)
{
	guint step = 0;

#define STEP(call)                   \
	do {                         \
		if (step++ == until) \
			return step; \
		call;                \
	} while (0)
	STEP(front_get(front, FRONT_GET_FEATURES));
	STEP(front_get(front, FRONT_GET_PROTOCOL_FEATURES));
	STEP(front_set(front, FRONT_SET_PROTOCOL_FEATURES, front->protocol));
	STEP(front_get(front, FRONT_GET_QUEUE_NUM));
	STEP(front_send(front, FRONT_SET_OWNER, 0x1, NULL, 0, NULL, 0));
	STEP(front_set(front, FRONT_SET_FEATURES, front->features));
	STEP(front_set_table(front));
	for (guint q = 0; q < 2; q++) {
		STEP(set_pair(front, FRONT_SET_VRING_NUM, q, FRONT_RING_SIZE));
		STEP(set_pair(front, FRONT_SET_VRING_BASE, q, front->used[q]));
		STEP(set_address(front, q));
		STEP(set_fd(front, FRONT_SET_VRING_CALL, q, front->call[q]));
		STEP(set_fd(front, FRONT_SET_VRING_KICK, q, front->kick[q]));
		STEP(set_pair(front, FRONT_SET_VRING_ENABLE, q, 1));
	}
#undef STEP
	return step;
}

void
front_add_ring(Front *front, guint queue, guint16 base)
{
	set_pair(front, FRONT_SET_VRING_BASE, queue, base);
	set_fd(front, FRONT_SET_VRING_KICK, queue, front->kick[queue]);
}

guint32
front_stop_ring(Front *front, guint queue)
{
	guint32 body[2] = { queue, 0 };

	front_send(front, FRONT_GET_VRING_BASE, 0x1, body, sizeof body, NULL, 0);
	g_assert_cmpint(front_receive(front, FRONT_GET_VRING_BASE, body, sizeof body, NULL), ==, 8);
	g_assert_cmpuint(body[0], ==, queue);
	return body[1];
}

static void
make_available(Front *front, guint queue, guint i, guint len, guint16 flags)
{
	Desc *desc = (Desc *)(front->memory + FRONT_DESC(queue));
	Avail *avail = (Avail *)(front->memory + FRONT_AVAIL(queue));

	desc[i] = (Desc){ FRONT_ADDRESS + FRONT_BUFFER(queue, i), len, flags, 0 };
	avail->ring[avail->idx % FRONT_RING_SIZE] = (guint16)i;
	__atomic_store_n(&avail->idx, (guint16)(avail->idx + 1), __ATOMIC_RELEASE);
}

void
front_transmit(Front *front, guint i, gconstpointer frame, guint len)
{
	guint8 *buffer = front->memory + FRONT_BUFFER(1, i);

	memset(buffer, 0, FRONT_HDR);
	memcpy(buffer + FRONT_HDR, frame, len);
	make_available(front, 1, i, FRONT_HDR + len, 0);
}

void
front_give(Front *front, guint first, guint n)
{
	for (guint i = first; i < first + n; i++)
		make_available(front, 0, i, 2048, 2);
}

void
front_rewind(Front *front, guint queue, guint16 index)
{
	Avail *avail = (Avail *)(front->memory + FRONT_AVAIL(queue));

	avail->idx = index;
}

void
front_kick(Front *front, guint queue)
{
	g_assert_cmpint(eventfd_write(front->kick[queue], 1), ==, 0);
	front_settle(front);
}

guint16
front_used_index(const Front *front, guint queue)
{
	const Used *used = (const Used *)(front->memory + FRONT_USED(queue));

	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

void
front_wait_used(Front *front, guint queue, guint16 index)
{
	gint64 deadline = g_get_monotonic_time() + FRONT_TIMEOUT_US;

	while (front_used_index(front, queue) != index) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		jf_worker_dispatch(front->worker);
	}
	front->used[queue] = index;
}

void
front_expect_gone(Front *front)
{
	gint64 deadline = g_get_monotonic_time() + FRONT_TIMEOUT_US;
	char byte;
	ssize_t n;

	while ((n = recv(front->fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		jf_worker_dispatch(front->worker);
	}
	g_assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	front_disconnect(front);
}
