/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* internal.h - the inside of the harness, shared by its files. */
#ifndef JF_HARNESS_INTERNAL_H
#define JF_HARNESS_INTERNAL_H

#include "jackfield/harness.h"
#include "jackfield/vmm.h"

#define HARNESS_MAX_PORTS 2u

/* One end of a line: a port of the driver's, or its port of a switch. */
typedef struct Line {
	GQueue out;     /* JfHarnessFrame: put out by the driver, not yet pulled */
	GQueue pending; /* JfHarnessFrame: segments that input refused */
	guint capacity;
	gboolean refused; /* output came back short: resume is owed once there is room */
	guint resumes;
	guint64 drops;
	gboolean far_up, own_up;
	guint32 offloads;
} Line;

struct JfSwitchPort {
	JfHarness *h;
	JfSwitchJoin join;
	char *network;
	gboolean left;
	Line line;
};

struct JfTimer {
	JfHarness *h;
	JfTimerFunc func;
	gpointer data;
	guint64 deadline;
};

struct JfWatch {
	JfHarness *h;
	int fd;
	JfWatchFunc func;
	gpointer data;
};

struct JfPoller {
	JfHarness *h;
	JfPollFunc func;
	gpointer data;
	gboolean gone;
};

typedef struct Post {
	JfPostFunc func;
	gpointer data;
} Post;

typedef struct Break {
	guint calls, after, times;
} Break;

struct JfHarness {
	JfInstance inst; /* first: a JfInstance of ours is its JfHarness */
	JfDriver driver;
	JfPropertySet *properties;
	char *name;
	GThread *thread;
	gboolean inited, in_init;
	gboolean started; /* atomic: written by the harness's own thread */
	guint ports, pieces;

	gboolean has_card;
	JfCardInfo card;
	JfServiceInfo service;
	char *card_strings[3];

	GMutex lock; /* guards what [any] services touch: lines, posts, counters, log, breaks, irq */
	Line lines[HARNESS_MAX_PORTS];
	GPtrArray *joins;     /* JfSwitchPort, also those that left */
	GHashTable *counters; /* name: guint64 * */
	GQueue posts;
	GString *log;
	GError *failure;
	char *violation;
	Break breaks[JF_HARNESS_SERVICES];

	guint64 now; /* atomic: written by the harness's own thread */
	int epoll;
	int wake; /* eventfd: a post from another thread ends a poll that waits */
	GPtrArray *timers, *watches, *pollers;

	GArray *memory;       /* JfDeviceMemory, by address */
	JfDirtyLog dirty_log; /* bits NULL: none */
	guint dma_depth;
	gboolean irq, msix_on;
	guint irqs;
	GQueue msix; /* vector + 1 as a pointer */
};

static inline JfHarness *
harness_of(JfInstance *inst)
{
	return (JfHarness *)inst;
}

extern const JfHost harness_host;
extern const JfSwitch harness_switch;
extern const JfPciHost harness_pci_host;

/* NULL: there is no such port. */
Line *line_find(JfHarness *h, guint port);
void line_init(Line *line, guint32 offloads);
void line_clear(Line *line);
/* Queues copies of the frames that fit, with `lossy` drops the others. Returns how many were taken. */
guint line_put(JfHarness *h, Line *line, const JfFrame *frames, guint n, gboolean lossy);
void line_drop(JfHarness *h, Line *line, guint n);
/* Calls what is owed a resume; returns how many were. */
guint harness_run_resumes(JfHarness *h);

/* Notes the first broken rule. */
void harness_violate(JfHarness *h, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Notes a call from another thread than the worker. */
void harness_check_thread(JfHarness *h, const char *service);
/* Counts a call; TRUE: this one is to fail. */
gboolean harness_fails(JfHarness *h, JfHarnessService service);
/* Removes what the driver left behind. */
void harness_clear_leftovers(JfHarness *h);

#endif
