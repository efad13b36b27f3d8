/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* switch-threads.c - the switch with many threads: none waits for another but where it must. */
#include "switch-fixture.h"

#include <pthread.h>
#include <time.h>

#define DEADLINE_S 30

/* ---- A sender that waits for its receiver ---- */

/* A sender and a receiver on threads of their own; a ring of 8 between them. The locks are POSIX's,
 * which the thread sanitizer knows. */
typedef struct Ring {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	JfSwitchPort *from, *to;
	guint32 tags[8];
	guint n;
	gboolean refused, resumed;
} Ring;

static struct timespec
ring_deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += DEADLINE_S;
	return ts;
}

static void
ring_wait(Ring *ring, const struct timespec *deadline)
{
	g_assert_cmpint(pthread_cond_timedwait(&ring->cond, &ring->lock, deadline), ==, 0);
}

static guint
ring_deliver(gpointer data, const JfFrame *frames, guint n)
{
	Ring *ring = data;
	guint taken = 0;

	pthread_mutex_lock(&ring->lock);
	for (; taken < n && ring->n < G_N_ELEMENTS(ring->tags); taken++)
		jf_frame_copy(&frames[taken], TAG_AT, &ring->tags[ring->n++], 4);
	ring->refused |= taken < n;
	pthread_cond_broadcast(&ring->cond);
	pthread_mutex_unlock(&ring->lock);
	return taken;
}

static void
ring_resume(gpointer data)
{
	Ring *ring = data;

	pthread_mutex_lock(&ring->lock);
	ring->resumed = TRUE;
	pthread_cond_broadcast(&ring->cond);
	pthread_mutex_unlock(&ring->lock);
}

static gpointer
ring_send(gpointer data)
{
	const struct timespec deadline = ring_deadline();
	guint64 pairs[16][2];
	Ring *ring = data;
	Peer peer = { .port = ring->from };

	for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
		pairs[i][0] = MAC(1);
		pairs[i][1] = MAC(0);
	}
	for (guint32 tag = 0; tag < 20000;) {
		guint sent = send_pairs(&peer, (const guint64(*)[2])pairs, tag % 16 + 1, tag);

		if (sent == tag % 16 + 1) {
			tag += sent;
			continue;
		}
		tag += sent;
		pthread_mutex_lock(&ring->lock);
		while (!ring->resumed)
			ring_wait(ring, &deadline);
		ring->resumed = FALSE;
		pthread_mutex_unlock(&ring->lock);
	}
	return NULL;
}

static void
test_lossless_threads(void)
{
	const struct timespec deadline = ring_deadline();
	JfSwitchJoin join = { .struct_size = sizeof join, .deliver = ring_deliver };
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	const JfSwitch *sw = jf_switch_get_interface();
	Ring ring = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	guint32 expected = 0;
	GThread *thread;

	join.data = &ring;
	mac_bytes(MAC(1), join.mac);
	ring.to = jf_networks_join(networks, &fake_inst, "lan", &join, NULL);
	mac_bytes(MAC(0), join.mac);
	join.flags = JF_PORT_LOSSLESS;
	join.resume = ring_resume;
	ring.from = jf_networks_join(networks, &fake_inst, "lan", &join, NULL);
	thread = g_thread_new("send", ring_send, &ring);
	while (expected < 20000) {
		gboolean refused;

		pthread_mutex_lock(&ring.lock);
		while (!ring.n)
			ring_wait(&ring, &deadline);
		for (guint i = 0; i < ring.n; i++)
			g_assert_cmpuint(ring.tags[i], ==, expected++);
		ring.n = 0;
		refused = ring.refused;
		ring.refused = FALSE;
		pthread_mutex_unlock(&ring.lock);
		if (refused)
			sw->room(ring.to);
	}
	g_thread_join(thread);
	g_assert_cmpuint(get_info(networks).drops, ==, 0);
	sw->leave(ring.from);
	sw->leave(ring.to);
	jf_networks_free(networks);
}

/* ---- Many senders, one that is slow ---- */

#define SENDERS 4u
#define EACH 20000u

/* A receiver that several threads deliver to. It gives back room for `room` frames at a time. */
typedef struct Sink {
	pthread_mutex_t lock;
	JfSwitchPort *port;
	guint room, most; /* frames that it takes until somebody makes room; 0: always */
	guint32 next[SENDERS];
	guint got;
	guint64 lost;
} Sink;

typedef struct Sender {
	JfSwitchPort *port;
	guint index;
} Sender;

/* Tags are sender and number: a sender's frames come in its order, and none twice. */
static void
sink_take(Sink *sink, const JfFrame *frame)
{
	guint32 tag;

	g_assert_true(jf_frame_copy(frame, TAG_AT, &tag, sizeof tag));
	g_assert_cmpuint(tag >> 24, <, SENDERS);
	g_assert_cmpuint(tag & 0xffffff, >=, sink->next[tag >> 24]);
	sink->next[tag >> 24] = (tag & 0xffffff) + 1;
	sink->got++;
}

static guint
sink_deliver(gpointer data, const JfFrame *frames, guint n)
{
	Sink *sink = data;
	guint taken = 0;

	pthread_mutex_lock(&sink->lock);
	for (; taken < n && (!sink->most || sink->room > 0); taken++) {
		sink_take(sink, &frames[taken]);
		sink->room--;
	}
	pthread_mutex_unlock(&sink->lock);
	return taken;
}

static void
sink_join(Sink *sink, JfNetworks *networks, guint64 mac, guint most)
{
	JfSwitchJoin join = { .struct_size = sizeof join,
			      .deliver = sink_deliver,
			      .data = sink,
			      .lost = &sink->lost };

	*sink = (Sink){ .lock = PTHREAD_MUTEX_INITIALIZER, .room = most, .most = most };
	mac_bytes(mac, join.mac);
	sink->port = jf_networks_join(networks, &fake_inst, "lan", &join, NULL);
	g_assert_nonnull(sink->port);
}

static guint
nothing_deliver(gpointer data, const JfFrame *frames, guint n)
{
	(void)data;
	(void)frames;
	return n;
}

/* By turns to both receivers, in batches of changing length. */
static gpointer
sender_send(gpointer data)
{
	Sender *sender = data;
	Peer peer = { .port = sender->port };
	guint64 pairs[32][2];

	for (guint i = 0; i < 32; i++) {
		pairs[i][0] = MAC(i % 2);
		pairs[i][1] = MAC(10 + sender->index);
	}
	for (guint32 sent = 0; sent < EACH;) {
		guint n = MIN(2 * (1 + sent % 16), EACH - sent);
		guint32 tag = sender->index << 24 | sent;

		g_assert_cmpuint(send_pairs(&peer, (const guint64(*)[2])pairs, n, tag), ==, n);
		sent += n;
	}
	return NULL;
}

static void
make_room(Sink *slow)
{
	pthread_mutex_lock(&slow->lock);
	slow->room = slow->most;
	pthread_mutex_unlock(&slow->lock);
	jf_switch_get_interface()->room(slow->port);
}

static void
test_many_senders(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	const JfSwitch *sw = jf_switch_get_interface();
	Sender senders[SENDERS];
	GThread *threads[SENDERS];
	Sink fast, slow;

	sink_join(&fast, networks, MAC(0), 0);
	sink_join(&slow, networks, MAC(1), 8);
	for (guint i = 0; i < SENDERS; i++) {
		JfSwitchJoin join = { .struct_size = sizeof join, .deliver = nothing_deliver };

		mac_bytes(MAC(10 + i), join.mac);
		senders[i] =
			(Sender){ jf_networks_join(networks, &fake_inst, "lan", &join, NULL), i };
		threads[i] = g_thread_new("send", sender_send, &senders[i]);
	}
	for (guint i = 0; i < 200; i++) {
		g_usleep(100);
		make_room(&slow);
	}
	for (guint i = 0; i < SENDERS; i++)
		g_thread_join(threads[i]);
	/* Nobody waited for the slow one, and what it had no room for was counted. */
	g_assert_cmpuint(fast.got, ==, SENDERS * EACH / 2);
	g_assert_cmpuint(fast.lost, ==, 0);
	g_assert_cmpuint(slow.got, >=, slow.most);
	g_assert_cmpuint(slow.lost, >, 0);
	g_assert_cmpuint(slow.got + slow.lost, ==, SENDERS * EACH / 2);
	g_assert_cmpuint(get_info(networks).drops, ==, slow.lost);
	for (guint i = 0; i < SENDERS; i++)
		sw->leave(senders[i].port);
	sw->leave(slow.port);
	sw->leave(fast.port);
	jf_networks_free(networks);
}

/* ---- Coming and going ---- */

typedef struct Talker {
	JfSwitchPort *port;
	guint index;
	guint got; /* atomic */
	gboolean *stop;
} Talker;

static guint
talker_deliver(gpointer data, const JfFrame *frames, guint n)
{
	Talker *talker = data;

	(void)frames;
	__atomic_fetch_add(&talker->got, n, __ATOMIC_RELAXED);
	return n % 16 == 5 ? n - 1 : n;
}

static void
talker_resume(gpointer data)
{
	__atomic_fetch_add(&((Talker *)data)->got, 0, __ATOMIC_RELAXED);
}

static void
talker_join(Talker *talker, JfNetworks *networks, guint index, gboolean *stop)
{
	JfSwitchJoin join = { .struct_size = sizeof join,
			      .flags = index % 2 ? JF_PORT_LOSSLESS : 0,
			      .promiscuous = index % 3,
			      .deliver = talker_deliver,
			      .resume = talker_resume,
			      .data = talker };

	*talker = (Talker){ .index = index, .stop = stop };
	mac_bytes(MAC(index), join.mac);
	talker->port = jf_networks_join(networks, &fake_inst, "lan", &join, NULL);
	g_assert_nonnull(talker->port);
}

static gpointer
talk(gpointer data)
{
	const JfSwitch *sw = jf_switch_get_interface();
	Talker *talker = data;
	Peer peer = { .port = talker->port };
	guint64 pairs[32][2];
	guint sent = 0;

	while (!__atomic_load_n(talker->stop, __ATOMIC_RELAXED)) {
		for (guint i = 0; i < 32; i++) {
			pairs[i][0] = i % 8 == 7 ? BROADCAST : MAC((sent + i / 3) % 8);
			pairs[i][1] = MAC(talker->index + (i % 11 == 10 ? 4 : 0));
		}
		sent += send_pairs(&peer, (const guint64(*)[2])pairs, 32, sent) + 1;
		sw->room(talker->port);
		sw->set_promiscuous(talker->port, sent % 3);
		__atomic_fetch_add(&clock_ns, SECOND / 100, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Members come and go, and are freed, while four others talk. */
static void
test_threads(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	gboolean stop = FALSE;
	Talker talkers[4];
	GThread *threads[4];

	for (guint i = 0; i < 4; i++)
		talker_join(&talkers[i], networks, i, &stop);
	for (guint i = 0; i < 4; i++)
		threads[i] = g_thread_new("talk", talk, &talkers[i]);
	for (guint i = 0; i < 500; i++) {
		Talker *guest = g_new(Talker, 1);

		talker_join(guest, networks, 4 + i % 4, &stop);
		g_assert_cmpuint(get_info(networks).ports, ==, 5);
		jf_switch_get_interface()->leave(guest->port);
		g_free(guest);
	}
	for (guint i = 0; i < 4; i++) {
		gint64 until = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

		while (__atomic_load_n(&talkers[i].got, __ATOMIC_RELAXED) == 0) {
			g_assert_cmpint(g_get_monotonic_time(), <, until);
			g_usleep(100);
		}
	}
	__atomic_store_n(&stop, TRUE, __ATOMIC_RELAXED);
	for (guint i = 0; i < 4; i++)
		g_thread_join(threads[i]);
	for (guint i = 0; i < 4; i++)
		jf_switch_get_interface()->leave(talkers[i].port);
	jf_networks_free(networks);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/switch/lossless-threads", test_lossless_threads);
	g_test_add_func("/switch/many-senders", test_many_senders);
	g_test_add_func("/switch/threads", test_threads);
	return g_test_run();
}
