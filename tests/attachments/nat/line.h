/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* line.h - a guest, a listener of the host's, and a connection between them. */
#ifndef LINE_H
#define LINE_H

#include "raw.h"

typedef struct Line {
	NatGuest *g;
	Raw raw;
	guint16 port;
	int listener, fd; /* fd: the host's end, -1 until line_accept */
} Line;

/* Guest and listener; nothing was sent. */
void line_begin(Line *line, const char *const *properties);
gboolean line_accept(Line *line);
/* With a connection. */
void line_open(Line *line, const char *const *properties);
void line_finish(Line *line);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Line, line_finish)
/* Time passes, in not too many steps: in each the guest may answer. */
void line_pass(Line *line, guint seconds);
void line_turns(Line *line, guint n);
/* The pattern from `offset`, as much as the host's socket takes. */
gsize line_host_send(Line *line, guint64 offset, gsize bytes);
/* Reads the pattern until `bytes` of it have come. */
void line_host_receive(Line *line, gsize bytes);
gboolean line_host_is_reset(Line *line);

#endif
