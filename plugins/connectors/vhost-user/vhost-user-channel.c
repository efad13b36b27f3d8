/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-channel.c - messages on a stream socket, with file descriptors.
 *
 * A header is read alone and then its body, so descriptors that come with either belong to this
 * message and to no other. Nothing blocks. A front end waits for each reply, so the socket has room
 * for one: where it has not, the front end has given up reading.
 */
#include "vhost-user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void
vh_channel_init(VhChannel *channel)
{
	channel->fd = -1;
	channel->have = 0;
	channel->message.n_fds = 0;
	channel->message.reply_fd = -1;
}

void
vh_channel_open(VhChannel *channel, int fd)
{
	vh_channel_init(channel);
	channel->fd = fd;
}

void
vh_message_done(VhChannel *channel)
{
	VhMessage *message = &channel->message;

	for (guint i = 0; i < message->n_fds; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	message->n_fds = 0;
	message->reply_fd = -1;
	channel->have = 0;
}

void
vh_channel_close(VhChannel *channel)
{
	if (channel->fd < 0)
		return;
	vh_message_done(channel);
	close(channel->fd);
	channel->fd = -1;
}

/* FALSE: more than a message may have. */
static gboolean
fds_take(VhMessage *message, struct msghdr *header)
{
	gboolean fit = !(header->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		guint n = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (guint i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (message->n_fds < VH_FDS_MAX) {
				message->fds[message->n_fds++] = fd;
			} else {
				close(fd);
				fit = FALSE;
			}
		}
	}
	return fit;
}

/* Reads on until `len` bytes are at `to`, of which `have` are there. */
static VhRead
read_part(VhChannel *channel, guint8 *to, guint have, guint len, const char **why)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(VH_FDS_MAX * sizeof(int))];
	} control;
	struct iovec piece = { to + have, len - have };
	struct msghdr header = { .msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes };
	ssize_t got = recvmsg(channel->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? VH_EMPTY : VH_GONE;
	if (got == 0)
		return VH_GONE;
	channel->have += (guint)got;
	if (!fds_take(&channel->message, &header)) {
		*why = "more descriptors than a message may have";
		return VH_BAD;
	}
	return (gsize)got < len - have ? VH_EMPTY : VH_MESSAGE;
}

static guint32
get32(const guint8 *p)
{
	guint32 value;

	memcpy(&value, p, sizeof value);
	return value;
}

static gboolean
header_parse(VhChannel *channel, const char **why)
{
	VhMessage *message = &channel->message;

	message->request = get32(channel->header);
	message->flags = get32(channel->header + 4);
	message->len = get32(channel->header + 8);
	if ((message->flags & VH_FLAG_VERSION) != VH_VERSION)
		*why = "a message of another version";
	else if (message->flags & VH_FLAG_REPLY)
		*why = "a reply to nothing";
	else if (message->len > VH_BODY_MAX)
		*why = "a message of impossible length";
	else
		return TRUE;
	return FALSE;
}

VhRead
vh_channel_read(VhChannel *channel, const char **why)
{
	VhMessage *message = &channel->message;

	if (channel->have < VH_HEADER) {
		VhRead got = read_part(channel, channel->header, channel->have, VH_HEADER, why);

		if (got != VH_MESSAGE)
			return got;
		if (!header_parse(channel, why))
			return VH_BAD;
	}
	if (channel->have == VH_HEADER + message->len)
		return VH_MESSAGE;
	return read_part(channel, message->body, channel->have - VH_HEADER, message->len, why);
}

gboolean
vh_channel_reply(VhChannel *channel)
{
	const VhMessage *message = &channel->message;
	guint32 header[3] = { message->request, VH_VERSION | VH_FLAG_REPLY, message->len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec pieces[2] = { { header, sizeof header },
				   { (gpointer)message->body, message->len } };
	struct msghdr out = { .msg_iov = pieces, .msg_iovlen = 2 };

	if (message->reply_fd >= 0) {
		struct cmsghdr *c = &control.align;

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &message->reply_fd, sizeof(int));
		out.msg_control = control.bytes;
		out.msg_controllen = sizeof control.bytes;
	}
	return sendmsg(channel->fd, &out, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)(sizeof header + message->len);
}
