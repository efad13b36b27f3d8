/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe.h - drivers that do as a test says and write down what happens to them.
 *
 * "side" is a connector, "far" and "null" are attachments, "pass" is a filter, "serve" is a
 * service that forwards ports; with "-p" their input is parallel; "far-gso" takes all offloads. The property "probe" of an instance
 * is the number of its Probe. Each notices when it is re-entered, or called on the wrong thread.
 */
#ifndef PROBE_H
#define PROBE_H

#include <pthread.h>

#include "jackfield/vmm.h"

#define PROBES_MAX 16
#define PROBE_SENDERS_MAX 16
#define PROBE_FRAME_LEN 64u

typedef struct Probe Probe;

struct Probe {
	/* What the test wants. */
	gboolean fail_init, fail_start, fail_changed;
	gboolean silent;     /* fails without an error */
	gboolean fail_later; /* calls fail() in start, which succeeds */
	gboolean pump;       /* a thread of its own sends from start to stop */
	guint32 sender;      /* number in the frames of the pump */
	gint room;           /* atomic: frames that input takes; -1: all */
	void (*on_input)(Probe *probe, guint port, const JfFrame *frames, guint n);

	/* What happened. */
	JfInstance *inst; /* NULL after finish */
	pthread_mutex_t lock;
	pthread_cond_t resumed;
	GString *life; /* under lock: "init start link0+ ..." */
	guint n_resumes;
	guint64 sent;                    /* by the pump */
	guint64 frames, bytes;           /* atomic: taken by input */
	guint32 last[PROBE_SENDERS_MAX]; /* atomic: number of each sender's last frame */
	gint wrong;                      /* atomic: promises broken */

	pthread_t home, thread;
	gint inside; /* atomic: callbacks on the stack */
	gboolean quit;
};

extern Probe probes[PROBES_MAX];

/* Everything as if nothing had happened, and all room. */
void probes_reset(void);
/* Fails the test where a promise was broken. */
void probes_check(void);
/* Adds the drivers. */
void probes_add(JfContext *context);
/* "probe=N", good until the next call for the same N. */
const char *const *probe_properties(guint probe);
/* Compares and clears what was written down. */
void probe_assert_life(Probe *probe, const char *life);

/* A frame of PROBE_FRAME_LEN bytes, number `number` of `sender`. */
void probe_fill(guint8 *bytes, guint32 sender, guint32 number);
/* Sends a batch of `n` from number `first` on; returns how many were taken. */
guint probe_send(Probe *probe, guint port, guint32 sender, guint32 first, guint n);

/* Waits for a condition that another thread brings about. */
#define PROBE_WAIT(condition)                                                     \
	do {                                                                      \
		gint64 until_ = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND; \
                                                                                  \
		while (!(condition)) {                                            \
			g_assert_cmpint(g_get_monotonic_time(), <, until_);       \
			g_usleep(200);                                            \
		}                                                                 \
	} while (0)

#endif
