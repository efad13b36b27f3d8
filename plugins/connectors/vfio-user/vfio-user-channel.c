/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-channel.c - messages on a stream socket, with file descriptors.
 *
 * A client writes each message with one call. The kernel ends a read at the message that brought
 * descriptors, so these belong to the message that holds the last byte of that read. Nothing here
 * blocks: replies that the socket does not take wait in a buffer of bounded size.
 */
#include "vfio-user.h"

#include <errno.h>
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
fds_drop(VuChannel *channel)
{
	for (guint i = 0; i < channel->n_fds; i++)
		if (channel->fds[i] >= 0)
			close(channel->fds[i]);
	channel->n_fds = 0;
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
	fds_drop(channel);
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

/* Keeps the descriptors of one read. A second set before the first was used up closes the first:
 * no client that waits for its replies does that. */
static void
fds_take(VuChannel *channel, struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		guint n = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n == 0)
			continue;
		fds_drop(channel);
		memcpy(channel->fds, CMSG_DATA(c), n * sizeof(int));
		channel->n_fds = n;
		channel->fds_at = channel->received - 1;
	}
}

VuRead
vu_channel_read(VuChannel *channel)
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

	if (channel->in_start > 0)
		g_byte_array_remove_range(channel->in, 0, (guint)channel->in_start);
	channel->in_start = 0;
	old = channel->in->len;
	g_byte_array_set_size(channel->in, old + READ_SIZE);
	piece = (struct iovec){ channel->in->data + old, READ_SIZE };
	got = recvmsg(channel->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	g_byte_array_set_size(channel->in, old + (guint)MAX(got, 0));
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? VU_EMPTY : VU_GONE;
	if (got == 0)
		return VU_GONE;
	channel->received += (guint64)got;
	fds_take(channel, &header);
	return (gsize)got == READ_SIZE ? VU_MORE : VU_EMPTY;
}

static guint32
get32(const guint8 *p)
{
	guint32 value;

	memcpy(&value, p, sizeof value);
	return GUINT32_FROM_LE(value);
}

gboolean
vu_channel_next(VuChannel *channel, VuMessage *message, const char **bad)
{
	gsize have = channel->in->len - channel->in_start;
	const guint8 *at = channel->in->data + channel->in_start;
	guint64 end;
	guint32 size;

	*bad = NULL;
	if (have < MSG_HEADER)
		return FALSE;
	size = get32(at + 4);
	if (size < MSG_HEADER || size > MSG_MAX) {
		*bad = "a message of impossible length";
		return FALSE;
	}
	if (have < size)
		return FALSE;
	*message = (VuMessage){
		.id = (guint16)(at[0] | at[1] << 8),
		.command = (guint16)(at[2] | at[3] << 8),
		.flags = get32(at + 8),
		.body = at + MSG_HEADER,
		.len = size - MSG_HEADER,
	};
	channel->in_start += size;
	end = channel->received - (channel->in->len - channel->in_start);
	if (channel->n_fds > 0 && channel->fds_at < end) {
		message->fds = channel->fds;
		message->n_fds = channel->n_fds;
	}
	return TRUE;
}

void
vu_message_done(VuChannel *channel, VuMessage *message)
{
	if (message->n_fds > 0)
		fds_drop(channel);
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

gboolean
vu_channel_reply(VuChannel *channel, const VuMessage *to, guint32 error, gconstpointer body,
		 gsize len)
{
	guint8 header[MSG_HEADER];

	if (to->flags & FLAG_NO_REPLY)
		return TRUE;
	if (channel->out->len - channel->out_start + MSG_HEADER + len > OUT_MAX)
		return FALSE;
	put16(header, to->id);
	put16(header + 2, to->command);
	put32(header + 4, (guint32)(MSG_HEADER + (error ? 0 : len)));
	put32(header + 8, FLAG_REPLY | (error ? FLAG_ERROR : 0));
	put32(header + 12, error);
	g_byte_array_append(channel->out, header, sizeof header);
	if (!error && len > 0)
		g_byte_array_append(channel->out, body, (guint)len);
	return vu_channel_flush(channel);
}
