/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink-fake.h - a program's card on a network of a daemon's, where the daemon is the test.
 *
 * The card is on a nested worker, so nothing happens in it but while the test waits.
 */
#ifndef UPLINK_FAKE_H
#define UPLINK_FAKE_H

#include <jackfield/vhost-user.h>
#include <jackfield/virtio-spec.h>
#include <jackfield/vmm.h>

#include "uplink-daemon.h"

#define TIMEOUT_US (20 * G_TIME_SPAN_SECOND)

typedef struct FakeRing {
	guint32 num, base, enabled;
	guint64 desc, avail, used; /* as told */
	int kick, call;
	guint16 done; /* how far we are */
} FakeRing;

/* The daemon, and the program with its card. */
typedef struct Fake {
	UplinkDaemon daemon;
	int got_fd; /* came with what was read; -1: none */
	guint8 *memory;
	VhRegionWire region;
	FakeRing rings[2];

	JfContext *context;
	JfWorker *worker;
	JfCard *card;
	JfInstance *near;
	gint room;         /* frames that the card takes; -1: all */
	GPtrArray *frames; /* GBytes that it took */
	JfFrame last;
	guint resumes;
	gboolean link;
	GString *log;
} Fake;

extern Fake fake;

/* The program's argument is the plugin of the network's attachment. */
void fixture_main(int *argc, char ***argv);
/* The daemon listens, and the card is started and has its link down. */
void start(void);
void finish(void);

/* A counter of the card's. */
guint64 count(const char *name);
/* Lets the card run once, after a millisecond at most. */
void turn(void);

#define WAIT(condition)                                                     \
	do {                                                                \
		gint64 until_ = g_get_monotonic_time() + TIMEOUT_US;        \
		while (!(condition)) {                                      \
			g_assert_cmpint(g_get_monotonic_time(), <, until_); \
			turn();                                             \
		}                                                           \
	} while (0)

/* ---- The daemon ---- */

/* Reads, while the card runs. */
void fake_read(gpointer to, gsize len);
void fake_write(gconstpointer data, gsize len);
/* The next message is `request` with `len` bytes of body. Returns its flags. */
guint32 fake_expect(guint32 request, gpointer body, guint32 len);
guint64 fake_expect_u64(guint32 request);
void fake_answer(guint32 request, guint64 value);
/* The descriptor that came along, now the caller's. */
int fake_take_fd(void);
/* Up to the program's request. */
void fake_accept(void);
/* Lets it in, up to its first questions. */
void fake_admit(void);
/* From the answers to these on, up to the last message, which waits for its answer. */
void fake_learn(void);
/* All of it, until the card's link is up. */
void fake_up(void);
void fake_hang_up(void);

/* ---- Rings, as the daemon sees them: 0 is to the card, 1 from it ---- */

VirtqDesc *ring_desc(guint index, guint i);
VirtqAvail *ring_avail(guint index);
VirtqUsed *ring_used(guint index);
/* Entries that the card made available and that are not used up. */
guint ring_waiting(guint index);
guint8 *ring_buffer(guint index, guint i);
void ring_call(guint index);
/* Uses entries up, with these bytes written into each; `lens` NULL: none. */
void ring_use(guint index, const guint32 *lens, guint n);
/* A frame of `len` bytes to the card, over as many buffers as it needs, of `each` bytes at most. */
void ring_put(const VirtioNetHdr *hdr, guint8 first, guint len, guint each);

/* `n` frames of `len` bytes from the card, numbered from `first` on. Returns how many were taken. */
guint send_frames(guint first, guint n, guint len);

#endif
