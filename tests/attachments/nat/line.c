/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* line.c - a guest, a listener of the host's, and a connection between them. */
#include "line.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND G_GUINT64_CONSTANT(1000000000)

void
line_begin(Line *line, const char *const *properties)
{
	line->g = nat_guest_new(properties, NULL);
	line->fd = -1;
	line->listener = nat_host_listen(AF_INET, &line->port);
	nat_guest_meet(line->g);
	raw_init(&line->raw, line->g, line->port);
}

gboolean
line_accept(Line *line)
{
	line->fd = accept4(line->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return line->fd >= 0;
}

void
line_open(Line *line, const char *const *properties)
{
	line_begin(line, properties);
	raw_open(&line->raw);
	nat_guest_wait(line->g, line_accept(line));
}

void
line_finish(Line *line)
{
	if (line->fd >= 0)
		close(line->fd);
	close(line->listener);
	g_clear_pointer(&line->g, nat_guest_free);
}
void
line_pass(Line *line, guint seconds)
{
	guint step = MAX(1, seconds / 300);

	for (guint i = 0; i < seconds; i += step) {
		jf_harness_crank(line->g->h, step * SECOND);
		nat_guest_turn(line->g);
	}
}

void
line_turns(Line *line, guint n)
{
	for (guint i = 0; i < n; i++)
		nat_guest_turn(line->g);
}

gsize
line_host_send(Line *line, guint64 offset, gsize bytes)
{
	gsize done = 0;

	while (done < bytes) {
		guint8 data[65536];
		gsize n = MIN(sizeof data, bytes - done);
		gssize sent;

		nat_pattern_fill(data, n, offset + done);
		sent = send(line->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent <= 0)
			break;
		done += (gsize)sent;
	}
	return done;
}

void
line_host_receive(Line *line, gsize bytes)
{
	g_autofree guint8 *data = g_malloc(bytes);
	gsize got = 0;

	nat_guest_wait(line->g, ({
			       gssize n = recv(line->fd, data + got, bytes - got, 0);
			       got += n > 0 ? (gsize)n : 0;
			       got == bytes;
		       }));
	g_assert_true(nat_pattern_check(data, bytes, 0));
}

gboolean
line_host_is_reset(Line *line)
{
	char byte;

	return recv(line->fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}
