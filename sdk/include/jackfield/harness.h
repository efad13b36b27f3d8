/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * harness.h - a driver tested alone: a fake host for one instance.
 *
 * The harness plays core, cable, clock and far end for one instance of a driver. There is no worker
 * thread: the thread that made the harness is the instance's worker, and the driver runs only inside
 * the calls below. Time stands still unless it is cranked. Frames reach the driver in heap blocks of
 * exactly their size, so that the address sanitizer sees a read one byte too far.
 *
 *	JfHarness *h = jf_harness_new(driver, (const char *[]){ "rate=1M", NULL }, NULL);
 *	jf_harness_init(h, NULL);
 *	jf_harness_start(h, NULL);
 *	jf_harness_push_bytes(h, 0, frame, sizeof frame);
 *	g_autoptr(JfHarnessFrame) out = jf_harness_pull(h, 1);
 *	g_assert_null(jf_harness_get_violation(h));
 *	jf_harness_free(h);
 *
 * Link with libjackfield-harness.a and libjackfield. All calls on the harness's own thread; the
 * services that driver.h marks [any] may be used by a driver's threads meanwhile.
 */
#ifndef JACKFIELD_HARNESS_H
#define JACKFIELD_HARNESS_H

#include <glib.h>

#include "card.h"
#include "driver.h"
#include "pci.h"
#include "state.h"
#include "switch.h"

G_BEGIN_DECLS

typedef struct JfHarness JfHarness;

/* ---- Life ---- */

/* The driver `id` of the plugin file `path`, NULL with NOT_FOUND, PLUGIN or ABI. The module stays
 * loaded. `id` NULL: the first driver. */
const JfDriver *jf_harness_load(const char *path, const char *id, GError **error);

/* An instance of `driver`, which must outlive it; nothing of the driver has run yet. `properties` as
 * for jf_property_set_new, with its errors. */
JfHarness *jf_harness_new(const JfDriver *driver, const char *const *properties, GError **error);
/* Stops and finishes where needed. NULL is allowed. */
void jf_harness_free(JfHarness *h);

/* The driver's callbacks of the same names, in the order of driver.h. init that fails is followed by
 * finish here, as the core does it. start also tells the driver the link of each port. */
gboolean jf_harness_init(JfHarness *h, GError **error);
gboolean jf_harness_start(JfHarness *h, GError **error);
void jf_harness_stop(JfHarness *h);
void jf_harness_finish(JfHarness *h);

JfInstance *jf_harness_get_instance(JfHarness *h);
/* Ports of an instance of this kind: 0, 1 or 2. */
guint jf_harness_get_ports(JfHarness *h);

/* Before init: what "jf.card/1" says; copied, strings too. NULL: the instance belongs to no card.
 * Without this call: slot 0 of machine "harness", MAC 080027000001. A service belongs to no card: its
 * "jf.service/1" has the machine's name and the directories. */
void jf_harness_set_card(JfHarness *h, const JfCardInfo *card);

/* Sets a LIVE property as a user would: parses it, tells the driver, takes it back if the driver
 * refuses. Errors: KEY, VALUE, STATE (not LIVE and started). */
gboolean jf_harness_set_property(JfHarness *h, const char *name, const char *value, GError **error);

/* The driver's "jf.state/1"; stopped. save returns a full reference in normal form. UNSUPPORTED
 * where there is none. */
GVariant *jf_harness_save(JfHarness *h, GError **error);
gboolean jf_harness_load_state(JfHarness *h, guint32 version, GVariant *state, GError **error);

/* ---- Turning the handle ---- */

/* One turn of a worker: posts, due timers, resumes that are due, pollers, then what epoll has within
 * `timeout_ms` (-1: for ever, 0: at once; not waited for when there was other work). Returns how many
 * callbacks ran. */
guint jf_harness_poll(JfHarness *h, int timeout_ms);
/* Turns until `done` says so. FALSE: it did not within `timeout_ms` of real time. */
gboolean jf_harness_poll_until(JfHarness *h, gboolean (*done)(JfHarness *h, gpointer data),
			       gpointer data, guint timeout_ms);
/* Moves both clocks on by `ns`; timers fire in order, each at its own deadline. */
void jf_harness_crank(JfHarness *h, guint64 ns);
guint64 jf_harness_now(JfHarness *h);
/* The earliest armed deadline, 0: no timer is armed. */
guint64 jf_harness_get_deadline(JfHarness *h);

/* ---- Frames ---- */

/* Ports of the driver are 0 and 1. The i-th join of "jf.switch/1" since the harness was made is: */
#define JF_HARNESS_SWITCH(i) (16u + (i))

/* A frame that the driver put out. `data` is a heap block of exactly `len` bytes. */
typedef struct JfHarnessFrame {
	JfFrame frame; /* one piece: `data` */
	struct iovec piece;
	guint8 *data;
	guint32 len;
} JfHarnessFrame;

JfHarnessFrame *jf_harness_frame_new(const JfFrame *frame);
void jf_harness_frame_free(JfHarnessFrame *frame);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JfHarnessFrame, jf_harness_frame_free)

/*
 * Frames into the driver's `port`, started (or into the deliver of a switch port), as the core hands
 * them over: in batches, copied, one that is not sane dropped and counted as taken, one with an
 * offload that the port does not take now segmented. Returns how many were taken.
 */
guint jf_harness_push(JfHarness *h, guint port, const JfFrame *frames, guint n);
/* One plain frame. TRUE: taken. */
gboolean jf_harness_push_bytes(JfHarness *h, guint port, gconstpointer data, gsize len);
/* From now on each pushed frame comes in up to `pieces` pieces of uneven length, each a heap block
 * of its own; 1 at first, at most JF_FRAME_MAX_IOV. */
void jf_harness_set_pieces(JfHarness *h, guint pieces);

/* The oldest frame that the driver put out at `port`, NULL: none. */
JfHarnessFrame *jf_harness_pull(JfHarness *h, guint port);
/* Frames waiting to be pulled. */
guint jf_harness_get_queued(JfHarness *h, guint port);
/* Output at `port` refuses while this many frames wait; no limit at first. A driver that was refused
 * gets its resume in the first turn after there is room. A switch port without a flag to wait drops. */
void jf_harness_set_capacity(JfHarness *h, guint port, guint frames);

/* How often the driver said that input at `port` has room again (resume, or a switch port's room). */
guint jf_harness_get_resumes(JfHarness *h, guint port);
/* Frames lost at `port` in the harness: not sane, segmentation impossible, put out while stopped, a
 * full switch port. */
guint64 jf_harness_get_drops(JfHarness *h, guint port);
/* What input at `port` takes now (JF_OFFLOAD_*). */
guint32 jf_harness_get_offloads(JfHarness *h, guint port);

/* The far end's link at `port`, up at first; told to the driver when started and changed. */
void jf_harness_set_link(JfHarness *h, guint port, gboolean up);
/* What the driver says about its own end. */
gboolean jf_harness_get_link(JfHarness *h, guint port);

/* ---- What the driver said ---- */

/* A counter of the driver's by name; 0 for one that it does not have (and *found FALSE). */
guint64 jf_harness_get_counter(JfHarness *h, const char *name, gboolean *found);
/* The error of the first fail(), NULL: it did not. The harness leaves it to the test to stop. */
const GError *jf_harness_get_failure(JfHarness *h);
/* Everything logged so far, a line each: "LEVEL message" with LEVEL as GLib's number. */
char *jf_harness_get_log(JfHarness *h);
/* The first rule of the contract that the driver broke, as a sentence; NULL: none. */
const char *jf_harness_get_violation(JfHarness *h);
/* Timers, watches, pollers and switch ports that exist now. Allowed to be there after finish, but
 * tidy drivers have none. */
guint jf_harness_get_leftovers(JfHarness *h);

/* ---- Services that fail ---- */

/* The services that may fail by the contract, and how. */
typedef enum {
	JF_HARNESS_OUTPUT,      /* takes nothing; resume follows */
	JF_HARNESS_WATCH_ADD,   /* NULL */
	JF_HARNESS_QUERY,       /* NULL */
	JF_HARNESS_SWITCH_JOIN, /* NULL with BUSY */
	JF_HARNESS_SWITCH_SEND, /* takes nothing from a LOSSLESS port; drops another's */
	JF_HARNESS_DMA_MAP,     /* NULL */
	JF_HARNESS_DMA_READ,    /* FALSE */
	JF_HARNESS_DMA_WRITE,   /* FALSE */
	JF_HARNESS_SERVICES,
} JfHarnessService;

/* Lets `after` more calls through, then fails `times` calls. */
void jf_harness_break(JfHarness *h, JfHarnessService service, guint after, guint times);
/* Calls so far, failed ones too. */
guint jf_harness_get_calls(JfHarness *h, JfHarnessService service);

/* ---- Networks ("jf.switch/1") ---- */

/* Joins so far. */
guint jf_harness_get_joins(JfHarness *h);
/* What the driver joined with, NULL once it left; the name goes to *network (may be NULL). */
const JfSwitchJoin *jf_harness_get_join(JfHarness *h, guint i, const char **network);

/* ---- Models ("jf.pci-host/1") ---- */

/* Guest memory: a zeroed heap block of exactly `size` bytes. Regions must not overlap. */
guint8 *jf_harness_add_memory(JfHarness *h, guint64 address, guint64 size, gboolean writable);
void jf_harness_remove_memory(JfHarness *h, guint64 address);
/* Where writes are marked from now on (copied), NULL: nowhere. */
void jf_harness_set_dirty_log(JfHarness *h, const JfDirtyLog *log);
/* What msix_enabled says; FALSE at first. */
void jf_harness_set_msix(JfHarness *h, gboolean enabled);
gboolean jf_harness_get_irq(JfHarness *h);
/* How often INTx rose. */
guint jf_harness_get_irqs(JfHarness *h);
/* The oldest MSI-X vector notified and not yet taken, -1: none. */
int jf_harness_take_msix(JfHarness *h);

/* The model's registers; a size other than 1, 2, 4, 8 or an access outside the BAR returns 0. */
guint64 jf_harness_bar_read(JfHarness *h, guint bar, guint64 offset, guint size);
void jf_harness_bar_write(JfHarness *h, guint bar, guint64 offset, guint size, guint64 value);

G_END_DECLS

#endif
