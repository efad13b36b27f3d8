/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * harness-frames.c - frames into the driver and out of it.
 *
 * A pushed frame is copied into heap blocks of exactly the length of its pieces, and these are freed
 * right after the call, so that a driver that keeps a borrowed frame is seen as well.
 */
#include "internal.h"

#include <string.h>

void
line_init(Line *line, guint32 offloads)
{
	*line = (Line){
		.capacity = G_MAXUINT, .far_up = TRUE, .own_up = TRUE, .offloads = offloads
	};
}

void
line_clear(Line *line)
{
	g_queue_clear_full(&line->out, (GDestroyNotify)jf_harness_frame_free);
	g_queue_clear_full(&line->pending, (GDestroyNotify)jf_harness_frame_free);
}

static JfSwitchPort *
port_find(JfHarness *h, guint port)
{
	guint i = port - JF_HARNESS_SWITCH(0);

	return port >= JF_HARNESS_SWITCH(0) && i < h->joins->len ? g_ptr_array_index(h->joins, i)
								 : NULL;
}

Line *
line_find(JfHarness *h, guint port)
{
	JfSwitchPort *joined = port_find(h, port);

	if (joined)
		return &joined->line;
	return port < h->ports ? &h->lines[port] : NULL;
}

JfHarnessFrame *
jf_harness_frame_new(const JfFrame *frame)
{
	JfHarnessFrame *copy = g_new0(JfHarnessFrame, 1);

	copy->len = frame->len;
	copy->data = g_malloc(frame->len);
	if (!jf_frame_copy(frame, 0, copy->data, frame->len))
		g_error("a frame's pieces are shorter than its length");
	copy->piece = (struct iovec){ copy->data, frame->len };
	copy->frame = *frame;
	copy->frame.iov = &copy->piece;
	copy->frame.n_iov = 1;
	return copy;
}

void
jf_harness_frame_free(JfHarnessFrame *frame)
{
	if (!frame)
		return;
	g_free(frame->data);
	g_free(frame);
}

/* Splits into pieces of uneven length: one byte, then growing, the rest last. */
static struct iovec *
copy_pieces(const JfFrame *frame, guint pieces, guint *n)
{
	struct iovec *iov = g_new0(struct iovec, pieces);
	guint32 at = 0;

	for (*n = 0; at < frame->len; (*n)++) {
		guint32 left = frame->len - at;
		guint32 len = *n + 1 == pieces ? left : MIN(left, 1 + *n * 7);

		iov[*n] = (struct iovec){ g_malloc(len), len };
		jf_frame_copy(frame, at, iov[*n].iov_base, len);
		at += len;
	}
	return iov;
}

static guint
call_input(JfHarness *h, guint port, const JfFrame *frames, guint n)
{
	JfSwitchPort *joined = port_find(h, port);
	guint taken;

	if (joined && joined->left)
		return n;
	if (joined)
		taken = joined->join.deliver(joined->join.data, frames, n);
	else
		taken = h->driver.input(&h->inst, port, frames, n);
	if (taken > n)
		harness_violate(h, "input at port %u took %u frames of %u", port, taken, n);
	return MIN(taken, n);
}

static guint
give(JfHarness *h, guint port, const JfFrame *frames, guint n)
{
	JfFrame copies[JF_BATCH_MAX];
	struct iovec *iovs[JF_BATCH_MAX];
	guint taken;

	for (guint i = 0; i < n; i++) {
		copies[i] = frames[i];
		iovs[i] = copy_pieces(&frames[i], h->pieces, &copies[i].n_iov);
		copies[i].iov = iovs[i];
	}
	taken = call_input(h, port, copies, n);
	for (guint i = 0; i < n; i++) {
		for (guint k = 0; k < copies[i].n_iov; k++)
			g_free(iovs[i][k].iov_base);
		g_free(iovs[i]);
	}
	return taken;
}

/* TRUE: nothing is pending any more. */
static gboolean
flush_pending(JfHarness *h, guint port, Line *line)
{
	JfHarnessFrame *frame;

	while ((frame = g_queue_peek_head(&line->pending))) {
		if (!give(h, port, &frame->frame, 1))
			return FALSE;
		jf_harness_frame_free(g_queue_pop_head(&line->pending));
	}
	return TRUE;
}

static gboolean
keep_segment(const JfFrame *frame, gpointer data)
{
	g_queue_push_tail(data, jf_harness_frame_new(frame));
	return TRUE;
}

static gboolean
fits(const JfFrame *frame, const Line *line)
{
	return jf_frame_is_sane(frame) && !(jf_frame_offloads(frame) & ~line->offloads);
}

/* A frame that does not go in as it is: dropped, or segmented. */
static void
push_odd(Line *line, const JfFrame *frame)
{
	if (!jf_frame_is_sane(frame) ||
	    !jf_frame_segment(frame, line->offloads, keep_segment, &line->pending))
		line->drops++;
}

guint
jf_harness_push(JfHarness *h, guint port, const JfFrame *frames, guint n)
{
	Line *line = line_find(h, port);
	guint done = 0;

	g_return_val_if_fail(line && (h->started || port >= JF_HARNESS_SWITCH(0)), 0);
	while (flush_pending(h, port, line) && done < n) {
		guint run = 0, taken;

		while (done + run < n && run < JF_BATCH_MAX && fits(&frames[done + run], line))
			run++;
		if (!run) {
			push_odd(line, &frames[done++]);
			continue;
		}
		taken = give(h, port, &frames[done], run);
		done += taken;
		if (taken < run)
			break;
	}
	return done;
}

gboolean
jf_harness_push_bytes(JfHarness *h, guint port, gconstpointer data, gsize len)
{
	struct iovec piece = { (gpointer)data, len };
	JfFrame frame = jf_frame_plain(&piece);

	return jf_harness_push(h, port, &frame, 1) == 1;
}

void
jf_harness_set_pieces(JfHarness *h, guint pieces)
{
	h->pieces = CLAMP(pieces, 1, JF_FRAME_MAX_IOV);
}

guint
line_put(JfHarness *h, Line *line, const JfFrame *frames, guint n, gboolean lossy)
{
	guint taken = 0;

	if (n > JF_BATCH_MAX)
		harness_violate(h, "%u frames in one batch, %u are the most", n, JF_BATCH_MAX);
	g_mutex_lock(&h->lock);
	for (; taken < n; taken++) {
		if (!jf_frame_is_sane(&frames[taken])) {
			line->drops++;
		} else if (line->out.length < line->capacity) {
			g_queue_push_tail(&line->out, jf_harness_frame_new(&frames[taken]));
		} else if (lossy) {
			line->drops++;
		} else {
			line->refused = TRUE;
			break;
		}
	}
	g_mutex_unlock(&h->lock);
	return taken;
}

void
line_drop(JfHarness *h, Line *line, guint n)
{
	g_mutex_lock(&h->lock);
	line->drops += n;
	g_mutex_unlock(&h->lock);
}

JfHarnessFrame *
jf_harness_pull(JfHarness *h, guint port)
{
	Line *line = line_find(h, port);
	JfHarnessFrame *frame;

	g_return_val_if_fail(line, NULL);
	g_mutex_lock(&h->lock);
	frame = g_queue_pop_head(&line->out);
	g_mutex_unlock(&h->lock);
	return frame;
}

guint
jf_harness_get_queued(JfHarness *h, guint port)
{
	Line *line = line_find(h, port);
	guint n;

	g_return_val_if_fail(line, 0);
	g_mutex_lock(&h->lock);
	n = line->out.length;
	g_mutex_unlock(&h->lock);
	return n;
}

void
jf_harness_set_capacity(JfHarness *h, guint port, guint frames)
{
	Line *line = line_find(h, port);

	g_return_if_fail(line);
	g_mutex_lock(&h->lock);
	line->capacity = frames;
	g_mutex_unlock(&h->lock);
}

/* Whether resume is due now; it is owed once a refusal. */
static gboolean
take_refused(JfHarness *h, Line *line)
{
	gboolean due;

	g_mutex_lock(&h->lock);
	due = line->refused && line->out.length < line->capacity;
	if (due)
		line->refused = FALSE;
	g_mutex_unlock(&h->lock);
	return due;
}

guint
harness_run_resumes(JfHarness *h)
{
	guint ran = 0;

	for (guint i = 0; i < h->ports; i++)
		if (h->started && take_refused(h, &h->lines[i]) && h->driver.resume) {
			h->driver.resume(&h->inst, i);
			ran++;
		}
	for (guint i = 0; i < h->joins->len; i++) {
		JfSwitchPort *port = g_ptr_array_index(h->joins, i);

		if (!port->left && take_refused(h, &port->line) && port->join.resume) {
			port->join.resume(port->join.data);
			ran++;
		}
	}
	return ran;
}

guint
jf_harness_get_resumes(JfHarness *h, guint port)
{
	Line *line = line_find(h, port);
	guint n;

	g_return_val_if_fail(line, 0);
	g_mutex_lock(&h->lock);
	n = line->resumes;
	g_mutex_unlock(&h->lock);
	return n;
}

guint64
jf_harness_get_drops(JfHarness *h, guint port)
{
	Line *line = line_find(h, port);
	guint64 n;

	g_return_val_if_fail(line, 0);
	g_mutex_lock(&h->lock);
	n = line->drops;
	g_mutex_unlock(&h->lock);
	return n;
}

guint32
jf_harness_get_offloads(JfHarness *h, guint port)
{
	Line *line = line_find(h, port);

	g_return_val_if_fail(line, 0);
	return line->offloads;
}

void
jf_harness_set_link(JfHarness *h, guint port, gboolean up)
{
	g_return_if_fail(port < h->ports);
	if (h->lines[port].far_up == up)
		return;
	h->lines[port].far_up = up;
	if (h->started && h->driver.link)
		h->driver.link(&h->inst, port, up);
}

gboolean
jf_harness_get_link(JfHarness *h, guint port)
{
	g_return_val_if_fail(port < h->ports, FALSE);
	return h->lines[port].own_up;
}
