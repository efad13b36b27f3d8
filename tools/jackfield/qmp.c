/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp.c - the part of QEMU's monitor protocol that `run` needs, over a socket pair.
 *
 * A conversation is lines of JSON: the monitor greets, qmp_capabilities opens it, then every command
 * has one answer, in order, among events. We look at a line's first member only: "return" or
 * "error" is the answer to the oldest command, whose name is wanted for the message. So that nothing
 * blocks, commands wait in `out` until the socket takes them.
 */
#include "qmp.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "message.h"

/* A line longer than this is not from a monitor. */
#define LINE_MAX_BYTES (1u << 20)

struct Qmp {
	int fd;        /* -1: ended */
	gboolean open; /* it has greeted */
	GString *in, *out;
	GQueue commands; /* names of those without an answer yet */
	guint in_watch, out_watch;
	QmpErrorFunc failed;
	gpointer data;
};

static void
qmp_end(Qmp *qmp)
{
	g_clear_handle_id(&qmp->in_watch, g_source_remove);
	g_clear_handle_id(&qmp->out_watch, g_source_remove);
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
}

/* TRUE while there is more to send. */
static gboolean
qmp_write(Qmp *qmp)
{
	while (qmp->out->len > 0) {
		ssize_t n =
			send(qmp->fd, qmp->out->str, qmp->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		g_string_erase(qmp->out, 0, n);
	}
	return FALSE;
}

static gboolean
qmp_on_writable(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
	Qmp *qmp = data;

	if (qmp_write(qmp))
		return G_SOURCE_CONTINUE;
	qmp->out_watch = 0;
	return G_SOURCE_REMOVE;
}

static void
qmp_flush(Qmp *qmp)
{
	if (qmp->fd < 0 || !qmp->open || qmp->out_watch || !qmp_write(qmp))
		return;
	qmp->out_watch = g_unix_fd_add(qmp->fd, G_IO_OUT, qmp_on_writable, qmp);
}

static void
qmp_send(Qmp *qmp, const char *name, const char *line)
{
	if (qmp->fd < 0)
		return;
	g_queue_push_tail(&qmp->commands, g_strdup(name));
	g_string_append(qmp->out, line);
	qmp_flush(qmp);
}

/* "desc": "..." of an error; its escapes stay as they are. */
static char *
find_description(const char *line)
{
	const char *start = strstr(line, "\"desc\"");
	const char *end;

	start = start ? strchr(start + 6, '"') : NULL;
	if (!start)
		return g_strdup(line);
	for (end = ++start; *end && *end != '"'; end++) {
		if (*end == '\\' && end[1])
			end++;
	}
	return g_strndup(start, end - start);
}

static void
qmp_handle_line(Qmp *qmp, const char *line)
{
	line += strspn(line, "{ \t");
	if (g_str_has_prefix(line, "\"QMP\"") && !qmp->open) {
		g_string_prepend(qmp->out, "{\"execute\":\"qmp_capabilities\"}\n");
		g_queue_push_head(&qmp->commands, g_strdup("qmp_capabilities"));
		qmp->open = TRUE;
		qmp_flush(qmp);
	} else if (g_str_has_prefix(line, "\"return\"")) {
		g_free(g_queue_pop_head(&qmp->commands));
	} else if (g_str_has_prefix(line, "\"error\"")) {
		g_autofree char *command = g_queue_pop_head(&qmp->commands);
		g_autofree char *text = find_description(line);

		qmp->failed(command ? command : "?", text, qmp->data);
	}
}

static void
qmp_handle_lines(Qmp *qmp)
{
	char *end;

	while ((end = memchr(qmp->in->str, '\n', qmp->in->len))) {
		*end = '\0';
		qmp_handle_line(qmp, qmp->in->str);
		g_string_erase(qmp->in, 0, end + 1 - qmp->in->str);
	}
}

static gboolean
qmp_on_readable(int fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
	Qmp *qmp = data;
	char buffer[4096];
	ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n > 0) {
		g_string_append_len(qmp->in, buffer, n);
		qmp_handle_lines(qmp);
		if (qmp->in->len <= LINE_MAX_BYTES)
			return G_SOURCE_CONTINUE;
	}
	qmp->in_watch = 0;
	qmp_end(qmp);
	return G_SOURCE_REMOVE;
}

Qmp *
qmp_new(int fd, QmpErrorFunc failed, gpointer data)
{
	Qmp *qmp = g_new0(Qmp, 1);

	qmp->fd = fd;
	qmp->in = g_string_new(NULL);
	qmp->out = g_string_new(NULL);
	qmp->failed = failed;
	qmp->data = data;
	g_queue_init(&qmp->commands);
	qmp->in_watch = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, qmp_on_readable, qmp);
	return qmp;
}

void
qmp_free(Qmp *qmp)
{
	if (!qmp)
		return;
	qmp_end(qmp);
	g_queue_clear_full(&qmp->commands, g_free);
	g_string_free(qmp->in, TRUE);
	g_string_free(qmp->out, TRUE);
	g_free(qmp);
}

void
qmp_set_link(Qmp *qmp, const char *device, gboolean up)
{
	g_autofree char *quoted = text_quote_json(device);
	g_autofree char *line = g_strdup_printf(
		"{\"execute\":\"set_link\",\"arguments\":{\"name\":%s,\"up\":%s}}\n", quoted,
		up ? "true" : "false");

	qmp_send(qmp, "set_link", line);
}

void
qmp_quit(Qmp *qmp)
{
	qmp_send(qmp, "quit", "{\"execute\":\"quit\"}\n");
}
