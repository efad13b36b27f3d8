/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink-link.c - the connection of an uplink: asking the daemon for a port, then vhost-user as its
 * front end.
 *
 *	AWAY - ASKING - FEATURES - RINGS - UP
 *
 * Nothing waits here: each state wants one answer, and anything else, silence included, leads back to
 * AWAY and a new attempt. Only the last request asks for an acknowledgement, for a back end that
 * refuses one before it ends the connection.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jackfield/socket.h"

#include "uplink-private.h"

#define RETRY_NS G_GUINT64_CONSTANT(500000000)
#define ANSWER_NS G_GUINT64_CONSTANT(5000000000)

/* What the daemon must have: frames go whole, and the rings are used in order. */
#define FEATURES_WANTED                                                                         \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MRG_RXBUF | \
	 VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |                  \
	 VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_HOST_UFO | VIRTIO_NET_F_HOST_USO |                \
	 VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |          \
	 VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_GUEST_UFO | VIRTIO_NET_F_GUEST_USO4 |            \
	 VIRTIO_NET_F_GUEST_USO6 | VH_F_PROTOCOL_FEATURES)

/* A message of ours; the longest is a memory table with one region. */
typedef struct Message {
	guint32 request, flags, len;
	guint8 body[40];
} Message;

G_STATIC_ASSERT(G_STRUCT_OFFSET(Message, body) == VH_HEADER);

/* An answer of 64 bits, as all that we ask for. */
typedef struct Answer {
	guint32 request, flags, len;
	guint8 value[8];
} Answer;

static void link_lost(Uplink *uplink, GLogLevelFlags level, const char *why);

/* ---- Sending messages ---- */

/* Small enough for a socket's empty buffer. FALSE: the daemon is no more. */
static gboolean
link_write(Uplink *uplink, gconstpointer data, gsize len, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (gpointer)data, len };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		header.msg_control = control.bytes;
		header.msg_controllen = sizeof control.bytes;
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	return sendmsg(uplink->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static gboolean
link_tell_flags(Uplink *uplink, guint32 request, guint32 flags, gconstpointer body, gsize len,
		int fd)
{
	Message message = { .request = request, .flags = VH_VERSION | flags, .len = (guint32)len };

	if (len > 0)
		memcpy(message.body, body, len);
	return link_write(uplink, &message, VH_HEADER + len, fd);
}

static gboolean
link_tell(Uplink *uplink, guint32 request, gconstpointer body, gsize len, int fd)
{
	return link_tell_flags(uplink, request, 0, body, len, fd);
}

static gboolean
link_tell_u64(Uplink *uplink, guint32 request, guint64 value, int fd)
{
	return link_tell(uplink, request, &value, sizeof value, fd);
}

static gboolean
link_tell_memory(Uplink *uplink)
{
	struct {
		VhTableHead head;
		VhRegionWire region;
	} table = {
		.head = { .n = 1 },
		.region = { .address = UPLINK_ADDRESS,
			    .size = uplink_rings_get_size(),
			    .user = (guint64)(guintptr)uplink->memory },
	};

	return link_tell(uplink, VH_SET_MEM_TABLE, &table, sizeof table, uplink->memory_fd);
}

static gboolean
link_tell_ring(Uplink *uplink, guint32 index, UplinkRing *ring)
{
	VhRingState size = { index, UPLINK_RING }, base = { index, 0 };
	VhRingAddress address = { .index = index,
				  .desc = (guint64)(guintptr)ring->desc,
				  .device = (guint64)(guintptr)ring->used,
				  .driver = (guint64)(guintptr)ring->avail };

	ring->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return ring->kick >= 0 && link_tell(uplink, VH_SET_VRING_NUM, &size, sizeof size, -1) &&
	       link_tell(uplink, VH_SET_VRING_BASE, &base, sizeof base, -1) &&
	       link_tell(uplink, VH_SET_VRING_ADDR, &address, sizeof address, -1) &&
	       link_tell_u64(uplink, VH_SET_VRING_CALL, index, uplink->event) &&
	       link_tell_u64(uplink, VH_SET_VRING_KICK, index, ring->kick);
}

static gboolean
link_tell_rings(Uplink *uplink)
{
	VhRingState rx = { 0, TRUE }, tx = { 1, TRUE };

	return link_tell_u64(uplink, VH_SET_PROTOCOL_FEATURES, VH_P_REPLY_ACK, -1) &&
	       link_tell_u64(uplink, VH_SET_FEATURES, FEATURES_WANTED, -1) &&
	       link_tell_memory(uplink) && link_tell_ring(uplink, 0, &uplink->rx) &&
	       link_tell_ring(uplink, 1, &uplink->tx) &&
	       link_tell(uplink, VH_SET_VRING_ENABLE, &rx, sizeof rx, -1) &&
	       link_tell_flags(uplink, VH_SET_VRING_ENABLE, VH_FLAG_NEED_REPLY, &tx, sizeof tx, -1);
}

/* ---- Coming and going ---- */

static void
link_arm(Uplink *uplink, guint64 ns)
{
	uplink->host->timer_arm(uplink->timer,
				uplink->host->now(uplink->inst, JF_CLOCK_MONOTONIC) + ns);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
link_close(Uplink *uplink)
{
	uplink->state = UPLINK_AWAY;
	uplink->have = 0;
	g_clear_pointer(&uplink->poller, uplink->host->poller_remove);
	g_clear_pointer(&uplink->watch, uplink->host->watch_remove);
	uplink_rings_free(uplink);
	close_fd(&uplink->fd);
	close_fd(&uplink->rx.kick);
	close_fd(&uplink->tx.kick);
}

/* Once for each trouble, not for each attempt. */
static void
link_say(Uplink *uplink, GLogLevelFlags level, const char *why)
{
	if (g_strcmp0(uplink->said, why) == 0)
		return;
	jf_log(uplink->inst, level, "network %s of the daemon at %s: %s; trying again",
	       uplink->request.network, uplinks_get_path(uplink->uplinks), why);
	g_free(uplink->said);
	uplink->said = g_strdup(why);
}

static void
link_lost(Uplink *uplink, GLogLevelFlags level, const char *why)
{
	gboolean was_up = uplink->state == UPLINK_UP;

	link_say(uplink, level, why);
	link_close(uplink);
	if (was_up && uplink->join.link)
		uplink->join.link(uplink->join.data, FALSE);
	/* Who waits for room now sees its frames dropped, instead of waiting for a daemon. */
	uplink_rings_reclaim(uplink);
	link_arm(uplink, RETRY_NS);
}

static guint
link_poll(JfInstance *inst, gpointer data)
{
	Uplink *uplink = data;
	const char *trouble;
	guint work;

	(void)inst;
	work = uplink_rings_receive(uplink);
	work += uplink_rings_reclaim(uplink);
	trouble = __atomic_load_n(&uplink->trouble, __ATOMIC_ACQUIRE);
	if (trouble) {
		jf_count(uplink->broken, 1);
		link_lost(uplink, G_LOG_LEVEL_WARNING, trouble);
		return 1;
	}
	if (work == 0)
		uplink_rings_arm(uplink);
	return work;
}

static void
link_up(Uplink *uplink)
{
	uplink->poller = uplink->host->poller_add(uplink->inst, link_poll, uplink);
	if (!uplink->poller) {
		link_lost(uplink, G_LOG_LEVEL_WARNING, "its rings cannot be polled");
		return;
	}
	uplink->state = UPLINK_UP;
	uplink->host->timer_arm(uplink->timer, 0);
	g_clear_pointer(&uplink->said, g_free);
	jf_count(uplink->connects, 1);
	jf_log(uplink->inst, G_LOG_LEVEL_INFO, "on network %s of the daemon at %s",
	       uplink->request.network, uplinks_get_path(uplink->uplinks));
	uplink_rings_open(uplink);
	if (uplink->join.link)
		uplink->join.link(uplink->join.data, TRUE);
}

/* ---- Answers; NULL or why the daemon is none ---- */

static const char *
answer_asking(Uplink *uplink)
{
	JfUplinkReply *reply = &uplink->in.reply;

	reply->message[sizeof reply->message - 1] = '\0';
	if (memcmp(reply->magic, JF_UPLINK_MAGIC, sizeof reply->magic) != 0)
		return "it is of another version";
	if (reply->refused)
		return g_utf8_validate(reply->message, -1, NULL) && *reply->message
			       ? reply->message
			       : "it refused, and gave no reason";
	if (!link_tell(uplink, VH_SET_OWNER, NULL, 0, -1) ||
	    !link_tell(uplink, VH_GET_FEATURES, NULL, 0, -1) ||
	    !link_tell(uplink, VH_GET_PROTOCOL_FEATURES, NULL, 0, -1))
		return "it does not read";
	uplink->state = UPLINK_FEATURES;
	return NULL;
}

static const char *
answer_read(const Answer *answer, guint32 request, guint64 *value)
{
	if (answer->request != request || answer->len != sizeof *value ||
	    (answer->flags & VH_FLAG_VERSION) != VH_VERSION || !(answer->flags & VH_FLAG_REPLY))
		return "it answered what nobody had asked";
	memcpy(value, answer->value, sizeof *value);
	return NULL;
}

static const char *
answer_features(Uplink *uplink)
{
	const Answer *answers = (const Answer *)uplink->in.bytes;
	guint64 features, protocol;
	const char *why = answer_read(&answers[0], VH_GET_FEATURES, &features);

	if (!why)
		why = answer_read(&answers[1], VH_GET_PROTOCOL_FEATURES, &protocol);
	if (why)
		return why;
	if (FEATURES_WANTED & ~features)
		return "its card lacks a feature that an uplink needs";
	if (!(protocol & VH_P_REPLY_ACK))
		return "its card does not acknowledge requests";
	if (!uplink_rings_new(uplink, NULL))
		return "there is no memory for rings";
	if (!link_tell_rings(uplink))
		return "there are no descriptors for rings, or it does not read";
	uplink->state = UPLINK_RINGS;
	return NULL;
}

static const char *
answer_rings(Uplink *uplink)
{
	guint64 refused;
	const char *why =
		answer_read((const Answer *)uplink->in.bytes, VH_SET_VRING_ENABLE, &refused);

	if (why)
		return why;
	if (refused)
		return "it refused the rings";
	link_up(uplink);
	return NULL;
}

static const struct {
	gsize len;
	const char *(*handle)(Uplink *uplink);
} answers[] = {
	[UPLINK_AWAY] = { 0, NULL },
	[UPLINK_ASKING] = { sizeof(JfUplinkReply), answer_asking },
	[UPLINK_FEATURES] = { 2 * sizeof(Answer), answer_features },
	[UPLINK_RINGS] = { sizeof(Answer), answer_rings },
	[UPLINK_UP] = { 1, NULL },
};

/* ---- Reading ---- */

/* Reads on. `state` does not change. NULL: as far as it goes. */
static const char *
link_read(Uplink *uplink, gsize len)
{
	struct iovec iov = { uplink->in.bytes + uplink->have, len - uplink->have };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(uplink->fd, &header, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0)
		return uplink->state == UPLINK_RINGS ? "it refused the rings"
						     : "it closed the connection";
	/* They are closed already: there was no room for any. */
	if (header.msg_flags & MSG_CTRUNC)
		return "it sent a descriptor";
	uplink->have += (guint)n;
	return NULL;
}

static void
link_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Uplink *uplink = data;
	gsize len = answers[uplink->state].len;
	const char *why = link_read(uplink, len);
	GLogLevelFlags level = why ? G_LOG_LEVEL_INFO : G_LOG_LEVEL_WARNING;

	(void)inst;
	(void)fd;
	(void)events;
	if (!why && uplink->have == len) {
		uplink->have = 0;
		why = answers[uplink->state].handle ? answers[uplink->state].handle(uplink)
						    : "it sent what nobody had asked for";
	}
	if (why) {
		g_autofree char *copy = g_strdup(why);

		link_lost(uplink, level, copy);
	}
}

/* ---- Connecting ---- */

static const char *
link_connect(Uplink *uplink)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	g_strlcpy(un.sun_path, uplinks_get_path(uplink->uplinks), sizeof un.sun_path);
	uplink->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (uplink->fd < 0 || connect(uplink->fd, (const struct sockaddr *)&un, sizeof un) != 0)
		return g_strerror(errno);
	if (!jf_socket_is_own(uplink->fd))
		return "it is another user's";
	uplink->request.promiscuous = (guint32)g_atomic_int_get(&uplink->policy);
	uplink->watch =
		uplink->host->watch_add(uplink->inst, uplink->fd, EPOLLIN, link_ready, uplink);
	if (!uplink->watch || !link_write(uplink, &uplink->request, sizeof uplink->request, -1))
		return "it does not read";
	uplink->state = UPLINK_ASKING;
	return NULL;
}

static void
link_try(Uplink *uplink)
{
	const char *why = link_connect(uplink);

	if (why)
		link_lost(uplink, G_LOG_LEVEL_INFO, why);
	else
		link_arm(uplink, ANSWER_NS);
}

static void
timer_due(JfInstance *inst, gpointer data)
{
	Uplink *uplink = data;

	(void)inst;
	if (uplink->state == UPLINK_AWAY)
		link_try(uplink);
	else if (uplink->state != UPLINK_UP)
		link_lost(uplink, G_LOG_LEVEL_WARNING, "it does not answer");
}

/* The rings are the poller's; a policy is told by coming again. */
static void
event_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Uplink *uplink = data;
	guint64 count;

	(void)inst;
	(void)events;
	if (read(fd, &count, sizeof count) < 0)
		return;
	if (uplink->state == UPLINK_AWAY ||
	    uplink->request.promiscuous == (guint32)g_atomic_int_get(&uplink->policy))
		return;
	link_lost(uplink, G_LOG_LEVEL_INFO, "it is to know the new promiscuous policy");
	link_try(uplink);
}

void
uplink_wake(Uplink *uplink)
{
	const guint64 one = 1;

	/* It can only fail by having been told 2^64 - 2 times already. */
	if (write(uplink->event, &one, sizeof one) < 0)
		return;
}

/* ---- Life ---- */

gboolean
uplink_link_start(Uplink *uplink, GError **error)
{
	const JfHost *host = uplink->host;

	uplink->timer = host->timer_add(uplink->inst, timer_due, uplink);
	if (uplink->event >= 0)
		uplink->event_watch =
			host->watch_add(uplink->inst, uplink->event, EPOLLIN, event_ready, uplink);
	if (!uplink->timer || !uplink->event_watch) {
		uplink_link_stop(uplink);
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "%s: no descriptor for an uplink to the daemon", uplink->inst->name);
		return FALSE;
	}
	if (uplink->join.link)
		uplink->join.link(uplink->join.data, FALSE);
	link_try(uplink);
	return TRUE;
}

void
uplink_link_stop(Uplink *uplink)
{
	link_close(uplink);
	g_clear_pointer(&uplink->event_watch, uplink->host->watch_remove);
	g_clear_pointer(&uplink->timer, uplink->host->timer_remove);
}
