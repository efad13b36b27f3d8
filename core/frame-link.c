/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame-link.c - one hop of a frame's way: delivery, the ring, backpressure. */
#include "frame-link.h"

#include "context.h"
#include "convert.h"
#include "instance.h"

/* Frames that one job takes from the ring at most; then others on the worker have their turn. */
#define DRAIN_BATCHES_MAX 8u

void
jf_link_init(JfLink *link, JfInstanceFull *source, guint port)
{
	*link = (JfLink){ .source = source, .port = port };
	pthread_mutex_init(&link->lock, NULL);
}

void
jf_link_finish(JfLink *link)
{
	jf_ring_finish(&link->ring);
	pthread_mutex_destroy(&link->lock);
}

/* ---- Counting ---- */

static void
link_count_drops(JfLink *link, guint n)
{
	if (n && link->flow)
		jf_count(&link->flow->drops, n);
}

static void
link_count_through(JfLink *link, const JfFrame *frames, guint n, guint64 bad)
{
	guint64 bytes = 0;
	guint n_bad = 0;

	for (guint i = 0; i < n; i++) {
		if (bad >> i & 1)
			n_bad++;
		else
			bytes += frames[i].len;
	}
	link_count_drops(link, n_bad);
	if (!link->is_last || n == n_bad)
		return;
	jf_count(&link->flow->frames, n - n_bad);
	jf_count(&link->flow->bytes, bytes);
}

/* ---- Delivery ---- */

static guint
link_input(gpointer data, const JfFrame *frames, guint n)
{
	JfLink *link = data;
	JfInstanceFull *dest = link->dest;
	guint taken;

	if (dest->is_parallel) {
		taken = dest->pub.driver->input(&dest->pub, link->dest_port, frames, n);
	} else {
		jf_owner_enter(&dest->owner);
		taken = dest->pub.driver->input(&dest->pub, link->dest_port, frames, n);
		jf_owner_leave(&dest->owner);
	}
	return MIN(taken, n);
}

static gboolean
frames_ask_more(const JfFrame *frames, guint n, guint32 offloads)
{
	for (guint i = 0; i < n; i++) {
		if ((frames[i].flags | frames[i].gso_type) &&
		    (jf_frame_offloads(&frames[i]) & ~offloads))
			return TRUE;
	}
	return FALSE;
}

/* Counts, too. `skip` segments of the first frame were delivered before. */
static JfConversion
link_deliver(JfLink *link, const JfFrame *frames, guint n, guint32 skip)
{
	guint32 offloads =
		__atomic_load_n(&link->dest->ports[link->dest_port].offloads, __ATOMIC_RELAXED);
	JfConversion result = { 0 };

	if (skip || frames_ask_more(frames, n, offloads))
		result = jf_convert(frames, n, offloads, skip, link_input, link);
	else
		result.taken = link_input(link, frames, n);
	link_count_through(link, frames, result.taken, result.bad);
	return result;
}

/* ---- The ring ---- */

static void
link_signal_drain(JfLink *link)
{
	jf_signal_raise(&link->source->signal, JF_INSTANCE_DRAIN << link->port);
}

static void
link_signal_resume(JfLink *link)
{
	jf_signal_raise(&link->source->signal, JF_INSTANCE_RESUME << link->port);
}

/* With link->lock held. */
static gboolean
link_push(JfLink *link, const JfFrame *frame, guint32 done)
{
	if (!jf_ring_push(&link->ring, frame, done))
		return FALSE;
	__atomic_store_n(&link->n_waiting, link->ring.n, __ATOMIC_RELEASE);
	return TRUE;
}

static guint
link_enqueue(JfLink *link, const JfFrame *frames, guint n)
{
	gboolean stalled;
	guint taken = 0;

	pthread_mutex_lock(&link->lock);
	while (taken < n && link_push(link, &frames[taken], 0))
		taken++;
	/* No memory for a ring: nobody would ever call resume. */
	if (taken < n && link->ring.n == 0) {
		link_count_drops(link, n - taken);
		taken = n;
	}
	if (taken < n)
		link->refused = TRUE;
	stalled = link->stalled;
	pthread_mutex_unlock(&link->lock);
	if (!stalled)
		link_signal_drain(link);
	return taken;
}

/* A receiver that took some segments of a frame gets the others later. They are lost only where
 * other senders have filled the ring since. */
static void
link_enqueue_rest(JfLink *link, const JfFrame *frame, guint32 done)
{
	gboolean kept;

	pthread_mutex_lock(&link->lock);
	kept = link_push(link, frame, done);
	pthread_mutex_unlock(&link->lock);
	if (kept)
		link_signal_drain(link);
	else
		link_count_drops(link, 1);
}

/* The oldest frames, for the only thread that takes any out. Returns how many. */
static guint
link_peek(JfLink *link, JfFrame *frames, guint32 *done)
{
	JfRingEntry *entries[JF_BATCH_MAX];
	guint n;

	pthread_mutex_lock(&link->lock);
	n = jf_ring_peek(&link->ring, entries, JF_BATCH_MAX);
	/* Only the first can have been taken in part, unless senders met at a full receiver. */
	for (guint i = 1; i < n; i++) {
		if (entries[i]->done)
			n = i;
	}
	for (guint i = 0; i < n; i++)
		frames[i] = entries[i]->frame;
	*done = n ? entries[0]->done : 0;
	pthread_mutex_unlock(&link->lock);
	return n;
}

/* Takes out what was delivered. Returns TRUE when the sender should hear of the room. */
static gboolean
link_pop(JfLink *link, const JfConversion *result, gboolean stalled)
{
	JfRingEntry *first;
	gboolean resume;

	pthread_mutex_lock(&link->lock);
	jf_ring_pop(&link->ring, result->taken);
	if (jf_ring_peek(&link->ring, &first, 1))
		first->done = MAX(first->done, result->done);
	link->stalled = stalled;
	resume = link->refused && link->ring.n <= JF_RING_FRAMES / 2 &&
		 (link->ring.n == 0 || !stalled);
	if (resume)
		link->refused = FALSE;
	__atomic_store_n(&link->n_waiting, link->ring.n, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&link->lock);
	return resume;
}

/* Returns FALSE when there is nothing more to do for now. */
static gboolean
link_drain_batch(JfLink *link)
{
	JfFrame frames[JF_BATCH_MAX];
	guint32 done;
	guint n = link_peek(link, frames, &done);
	JfConversion result = { 0 };

	if (n)
		result = link_deliver(link, frames, n, done);
	if (link_pop(link, &result, result.taken < n))
		link_signal_resume(link);
	return n > 0 && result.taken == n;
}

void
jf_link_drain(JfLink *link)
{
	JfRmLock *topology = &link->source->context->topology;
	guint batches = 0;

	jf_rmlock_read_lock(topology);
	if (link->delivers) {
		while (batches < DRAIN_BATCHES_MAX && link_drain_batch(link))
			batches++;
		if (batches == DRAIN_BATCHES_MAX)
			link_signal_drain(link);
	}
	jf_rmlock_read_unlock(topology);
}

void
jf_link_room(JfLink *link)
{
	gboolean empty;

	pthread_mutex_lock(&link->lock);
	empty = link->ring.n == 0;
	link->refused = !empty;
	pthread_mutex_unlock(&link->lock);
	if (empty)
		link_signal_resume(link);
	else
		link_signal_drain(link);
}

void
jf_link_discard(JfLink *link)
{
	pthread_mutex_lock(&link->lock);
	link_count_drops(link, link->ring.n);
	jf_ring_finish(&link->ring);
	link->stalled = link->refused = FALSE;
	__atomic_store_n(&link->n_waiting, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&link->lock);
}

/* ---- Sending ---- */

static gboolean
link_is_straight(JfLink *link)
{
	JfInstanceFull *dest = link->dest;

	if (__atomic_load_n(&link->n_waiting, __ATOMIC_ACQUIRE) != 0)
		return FALSE;
	return dest->is_parallel ||
	       (jf_worker_is_current(dest->worker) && !dest->owner.in_callback);
}

/* Up to JF_BATCH_MAX sane frames. */
static guint
link_forward(JfLink *link, const JfFrame *frames, guint n)
{
	JfConversion result;

	if (link->mode == JF_LINK_DROP) {
		link_count_drops(link, n);
		return n;
	}
	if (!link_is_straight(link))
		return link_enqueue(link, frames, n);
	result = link_deliver(link, frames, n, 0);
	if (result.done)
		link_enqueue_rest(link, &frames[result.taken++], result.done);
	return result.taken;
}

/* Most frames are: plain, in one piece. */
static inline gboolean
frame_is_simple(const JfFrame *frame)
{
	return frame->n_iov == 1 && !(frame->flags | frame->gso_type | frame->gso_size) &&
	       frame->iov->iov_len == frame->len && frame->len >= JF_FRAME_MIN_LEN &&
	       frame->len <= JF_FRAME_MAX_LEN;
}

static guint
count_sane(const JfFrame *frames, guint n)
{
	guint i = 0;

	while (i < n && (frame_is_simple(&frames[i]) || jf_frame_is_sane(&frames[i])))
		i++;
	return i;
}

guint
jf_link_send(JfLink *link, const JfFrame *frames, guint n)
{
	guint sent = 0;

	if (link->mode == JF_LINK_SHUT)
		return 0;
	while (sent < n) {
		guint run = count_sane(frames + sent, MIN(n - sent, JF_BATCH_MAX));
		guint taken = run ? link_forward(link, frames + sent, run) : 1;

		if (!run)
			link_count_drops(link, 1);
		sent += taken;
		if (taken < run)
			break;
	}
	return sent;
}
