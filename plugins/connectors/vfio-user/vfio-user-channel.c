/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-channel.c - messages on a stream socket, with file descriptors.
 *
 * A client writes each message with one call. The kernel ends a read at the message that brought
 * descriptors, so these belong to the message that holds the last byte of that read; and since what
 * is here is handled before more is read, each read's descriptors find their message. Nothing here
 * blocks: replies that the socket does not take wait in a buffer of bounded size.
 */
#include "vfio-user.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536u

void
vu_channel_init(VuChannel *channel)
{
	*channel = (VuChannel){ .fd = -1 };
}

static void
fds_drop(VuFds *set)
{
	for (guint i = 0; i < set->n; i++)
		if (set->fds[i] >= 0)
			close(set->fds[i]);
	set->n = 0;
}

void
vu_channel_open(VuChannel *channel, int fd)
{
	*channel = (VuChannel){
		.fd = fd,
		.in = g_byte_array_new(),
		.out = g_byte_array_new(),
	};
}

void
vu_channel_close(VuChannel *channel)
{
	if (channel->fd < 0)
		return;
	fds_drop(&channel->sets[0]);
	fds_drop(&channel->sets[1]);
	close(channel->fd);
	g_byte_array_unref(channel->in);
	g_byte_array_unref(channel->out);
	vu_channel_init(channel);
}

void
vu_channel_finish(VuChannel *channel)
{
	vu_channel_close(channel);
}

/* Keeps the descriptors of one read. Two sets can wait: that of a message of which a read got only a
 * part, and that of the next one. FALSE: there were more of them than we said we take. */
static gboolean
fds_take(VuChannel *channel, struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		guint n = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		VuFds *set = &channel->sets[channel->sets[0].n > 0];

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n == 0)
			continue;
		fds_drop(set);
		memcpy(set->fds, CMSG_DATA(c), n * sizeof(int));
		set->n = n;
		set->at = channel->received - 1;
	}
	return !(header->msg_flags & MSG_CTRUNC);
}

gboolean
vu_channel_read(VuChannel *channel, const char **why)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MSG_MAX_FDS * sizeof(int))];
	} control;
	struct iovec piece;
	struct msghdr header = { .msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes };
	guint old;
	ssize_t got;

	*why = "it closed the socket";
	if (channel->in_start > 0)
		g_byte_array_remove_range(channel->in, 0, (guint)channel->in_start);
	channel->in_start = 0;
	old = channel->in->len;
	g_byte_array_set_size(channel->in, old + READ_SIZE);
	piece = (struct iovec){ channel->in->data + old, READ_SIZE };
	got = recvmsg(channel->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	g_byte_array_set_size(channel->in, old + (guint)MAX(got, 0));
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return FALSE;
	channel->received += (guint64)got;
	*why = "more descriptors than a message may have";
	return fds_take(channel, &header);
}

gboolean
vu_channel_is_hung_up(const VuChannel *channel)
{
	struct pollfd poll_fd = { .fd = channel->fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static guint32
get32(const guint8 *p)
{
	guint32 value;

	memcpy(&value, p, sizeof value);
	return GUINT32_FROM_LE(value);
}

static gsize
channel_have(const VuChannel *channel)
{
	return channel->in->len - channel->in_start;
}

/* Length of the message whose header is here. */
static guint32
channel_size(const VuChannel *channel)
{
	return get32(channel->in->data + channel->in_start + 4);
}

static gboolean
size_is_possible(guint32 size)
{
	return size >= MSG_HEADER && size <= MSG_MAX;
}

gboolean
vu_channel_has_message(const VuChannel *channel)
{
	gsize have = channel_have(channel);

	return have >= MSG_HEADER &&
	       (!size_is_possible(channel_size(channel)) || have >= channel_size(channel));
}

gboolean
vu_channel_next(VuChannel *channel, VuMessage *message, const char **bad)
{
	const guint8 *at;
	guint32 size;
	guint64 end;

	*bad = NULL;
	if (!vu_channel_has_message(channel))
		return FALSE;
	size = channel_size(channel);
	if (!size_is_possible(size)) {
		*bad = "a message of impossible length";
		return FALSE;
	}
	at = channel->in->data + channel->in_start;
	*message = (VuMessage){
		.id = (guint16)(at[0] | at[1] << 8),
		.command = (guint16)(at[2] | at[3] << 8),
		.flags = get32(at + 8),
		.body = at + MSG_HEADER,
		.len = size - MSG_HEADER,
	};
	channel->in_start += size;
	end = channel->received - channel_have(channel);
	if (channel->sets[0].n > 0 && channel->sets[0].at < end) {
		message->fds = channel->sets[0].fds;
		message->n_fds = channel->sets[0].n;
	}
	return TRUE;
}

void
vu_message_done(VuChannel *channel, VuMessage *message)
{
	if (message->n_fds == 0)
		return;
	fds_drop(&channel->sets[0]);
	channel->sets[0] = channel->sets[1];
	channel->sets[1].n = 0;
	message->n_fds = 0;
}

gboolean
vu_channel_is_blocked(const VuChannel *channel)
{
	return channel->fd >= 0 && channel->out_start < channel->out->len;
}

gboolean
vu_channel_flush(VuChannel *channel)
{
	while (vu_channel_is_blocked(channel)) {
		ssize_t sent = send(channel->fd, channel->out->data + channel->out_start,
				    channel->out->len - channel->out_start,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		channel->out_start += (gsize)sent;
	}
	g_byte_array_set_size(channel->out, 0);
	channel->out_start = 0;
	return TRUE;
}

static void
put16(guint8 *p, guint16 value)
{
	value = GUINT16_TO_LE(value);
	memcpy(p, &value, sizeof value);
}

static void
put32(guint8 *p, guint32 value)
{
	value = GUINT32_TO_LE(value);
	memcpy(p, &value, sizeof value);
}

/* What the socket does not take now waits. */
static gboolean
channel_send(VuChannel *channel, const struct iovec pieces[2])
{
	struct msghdr message = { .msg_iov = (struct iovec *)pieces, .msg_iovlen = 2 };
	gboolean blocked = vu_channel_is_blocked(channel);
	ssize_t sent = blocked ? 0 : sendmsg(channel->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	gsize skip = (gsize)MAX(sent, 0);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return FALSE;
	for (guint i = 0; i < 2; i++) {
		gsize done = MIN(skip, pieces[i].iov_len);

		if (done < pieces[i].iov_len)
			g_byte_array_append(channel->out, (guint8 *)pieces[i].iov_base + done,
					    (guint)(pieces[i].iov_len - done));
		skip -= done;
	}
	return TRUE;
}

gboolean
vu_channel_reply(VuChannel *channel, const VuMessage *to, guint32 error, gconstpointer body,
		 gsize len)
{
	guint8 header[MSG_HEADER];
	struct iovec pieces[2] = { { header, sizeof header }, { (gpointer)body, error ? 0 : len } };
	gsize all = pieces[0].iov_len + pieces[1].iov_len;

	if (to->flags & FLAG_NO_REPLY)
		return TRUE;
	if (channel->out->len - channel->out_start + all > OUT_MAX)
		return FALSE;
	put16(header, to->id);
	put16(header + 2, to->command);
	put32(header + 4, (guint32)all);
	put32(header + 8, FLAG_REPLY | (error ? FLAG_ERROR : 0));
	put32(header + 12, error);
	return channel_send(channel, pieces);
}
