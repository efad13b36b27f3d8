/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver.h - the contract between a driver and the program that loaded it.
 *
 * A plugin is a module that exports one function, jf_plugin_query(). It does nothing and returns
 * a constant description that lists constant drivers. A driver of any kind is the same struct;
 * what is special to a kind is an interface found by string (pci.h, forward.h, state.h, switch.h).
 *
 * Life of an instance, each call once, in this order, on the instance's worker:
 *
 *	init - start - [input, resume, link, changed, timers, watches]* - stop - start - ... -
 *	stop - finish
 *
 * finish also follows a failed init, with whatever init had set up. stop follows every start that
 * returned TRUE, before finish. Between stop and start no frame moves, but timers and watches that
 * the driver left armed still fire: a driver that does not want that disarms them in stop. After
 * finish the core removes what the driver left behind (timers, watches, pollers, switch ports).
 *
 * Threads. Every callback of an instance runs on its worker, one at a time, never re-entered: where
 * that would be broken the core queues a copy. With JF_DRIVER_PARALLEL_INPUT, input alone may also
 * run on any other thread and inside the instance's own output: it locks its receive side only, and
 * calls neither output nor anything that can reach output while it holds that lock.
 */
#ifndef JACKFIELD_DRIVER_H
#define JACKFIELD_DRIVER_H

#include <glib.h>

#include "abi.h"
#include "frame.h"
#include "property.h"

G_BEGIN_DECLS

typedef struct JfHost JfHost;
typedef struct JfDriver JfDriver;
typedef struct JfTimer JfTimer;
typedef struct JfWatch JfWatch;
typedef struct JfPoller JfPoller;

/*
 * An instance as its driver sees it. Allocated by the core, which keeps more behind it.
 */
typedef struct JfInstance {
	guint32 struct_size;
	guint32 reserved;
	const JfHost *host;     /* the host's services, good for the instance's whole life */
	const JfDriver *driver; /* the core's own copy of the driver's description */
	gpointer priv;          /* JfDriver.priv_size zeroed bytes, the driver's own */
	const char *name;       /* for messages: "web/1/nat" (machine, card, driver) */
} JfInstance;

/*
 * Kinds, and their ports:
 *
 * MODEL       emulated hardware: port 0 is the cable. Has "jf.pci/1".
 * CONNECTOR   how a VMM reaches a card: port 0 is the cable; a connector that hosts a model has no
 *             port and finds the card's device with "jf.device/1".
 * FILTER      sits in the cable: port 0 faces the card, port 1 the network. It passes on what comes
 *             in at one port by output at the other.
 * ATTACHMENT  the far end: port 0 is the cable.
 * SERVICE     answers on a network: no port; joins by "jf.switch/1".
 * PROVIDER    a cloud provider's control interface; no port.
 */
typedef enum {
	JF_KIND_MODEL = 1,
	JF_KIND_CONNECTOR,
	JF_KIND_FILTER,
	JF_KIND_ATTACHMENT,
	JF_KIND_SERVICE,
	JF_KIND_PROVIDER,
} JfKind;

/* JfDriver.flags */
#define JF_DRIVER_PARALLEL_INPUT 0x1u
/* A connector that drives the card's own model: its card has one. Without, the VMM has its own. */
#define JF_DRIVER_NEEDS_MODEL 0x2u
/* Offloads that input takes from the first frame on; set_offloads changes them later. */
#define JF_DRIVER_OFFLOADS(bits) ((guint32)(bits) << 8)
#define JF_DRIVER_GET_OFFLOADS(flags) (((flags) >> 8) & JF_OFFLOAD_ALL)

typedef void (*JfTimerFunc)(JfInstance *inst, gpointer data);
/* `events`: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP as epoll reported them. */
typedef void (*JfWatchFunc)(JfInstance *inst, int fd, guint32 events, gpointer data);
/* Returns how much work it found (frames, descriptors), 0 for none. */
typedef guint (*JfPollFunc)(JfInstance *inst, gpointer data);
typedef void (*JfPostFunc)(JfInstance *inst, gpointer data);

typedef enum {
	JF_CLOCK_MONOTONIC = 0, /* for deadlines */
	JF_CLOCK_REALTIME = 1,  /* since 1970-01-01 UTC */
} JfClock;

/*
 * What the host does for an instance. Calls marked [any] may come from any thread; all others only
 * from the instance's own callbacks on its worker. No call blocks.
 */
struct JfHost {
	guint32 struct_size;
	guint32 abi_minor;

	/* Data path. */

	/* Sends up to JF_BATCH_MAX frames out at `port`. Returns how many were taken: the first ones;
	 * the others stay with the caller, who gets resume(port) once there is room. A frame that
	 * breaks JfFrame's promises counts as taken and as a drop. [any], but see the rule on locks
	 * above. */
	guint (*output)(JfInstance *inst, guint port, const JfFrame *frames, guint n);
	/* Input at `port` refused frames before and has room again. [any] */
	void (*resume)(JfInstance *inst, guint port);
	/* The driver's own end of the line at `port` went up or down. Up at start. [any] */
	void (*set_link)(JfInstance *inst, guint port, gboolean up);
	/* What input at `port` takes from now on, within the driver's JF_DRIVER_OFFLOADS. [any] */
	void (*set_offloads)(JfInstance *inst, guint port, guint32 offloads);
	/* A counter of the driver's own, zero at first, listed with the card's statistics under
	 * `name` ([a-z][a-z0-9-]*); add to it with jf_count. The pointer lives as long as the
	 * instance, and one name gives one counter. Only in init. */
	guint64 *(*counter)(JfInstance *inst, const char *name);

	/* Control. */

	/* The instance cannot go on: it is stopped and its card shows `error` (borrowed). [any] */
	void (*fail)(JfInstance *inst, const GError *error);
	/* One line for people, without a newline. Never per frame. [any] */
	void (*log)(JfInstance *inst, GLogLevelFlags level, const char *message);
	/* The value of a property of the driver's own table, never NULL for a name in it. Good until
	 * the callback returns; a LIVE one may be another in the next callback. */
	const JfValue *(*property)(JfInstance *inst, const char *name);
	/* Nanoseconds of a JfClock. [any] */
	guint64 (*now)(JfInstance *inst, guint clock);

	/* Timers: one-shot, at a deadline in ns of JF_CLOCK_MONOTONIC. A deadline in the past fires
	 * at once, but never inside timer_arm. Arming again moves the deadline; 0 disarms. */
	JfTimer *(*timer_add)(JfInstance *inst, JfTimerFunc func, gpointer data);
	void (*timer_arm)(JfTimer *timer, guint64 deadline);
	void (*timer_remove)(JfTimer *timer);

	/* File descriptors, level-triggered. `events` 0 keeps the watch but reports nothing except
	 * EPOLLERR and EPOLLHUP. The fd stays the driver's: it removes the watch, then closes.
	 * watch_add returns NULL where the fd cannot be watched. */
	JfWatch *(*watch_add)(JfInstance *inst, int fd, guint32 events, JfWatchFunc func,
			      gpointer data);
	void (*watch_modify)(JfWatch *watch, guint32 events);
	void (*watch_remove)(JfWatch *watch);

	/* Pollers run in each turn of a worker that is awake. A driver that has to be told when to
	 * sleep (ring notifications) returns 0 from its poller until the worker sleeps. */
	JfPoller *(*poller_add)(JfInstance *inst, JfPollFunc func, gpointer data);
	void (*poller_remove)(JfPoller *poller);

	/* Calls func on the instance's worker, later, never inside post. Not after finish. [any] */
	void (*post)(JfInstance *inst, JfPostFunc func, gpointer data);

	/* An interface of the host for this instance, NULL where there is none: "jf.card/1",
	 * "jf.service/1", "jf.switch/1", "jf.pci-host/1", "jf.device/1". Good for the instance's life. */
	gconstpointer (*query)(JfInstance *inst, const char *iid);

	/* Most ns, 0..10^9, that the worker polls after its last work before it sleeps; it adapts
	 * itself below that. The largest of those that the worker's instances asked for holds, the
	 * worker's own where none did. From start to stop, which takes it back. */
	void (*set_poll_budget)(JfInstance *inst, guint64 ns);
	/* The budget that holds for the instance's worker, in ns: for a driver that decides itself how
	 * long its poller says that there is more. On the worker. */
	guint64 (*get_poll_budget)(JfInstance *inst);
};

/*
 * A driver. Constant, at file scope. Head and table are filled in by JF_DRIVER_HEAD.
 * Mandatory: id, blurb, init, finish; input for every kind that has a port. All else may be NULL.
 */
struct JfDriver {
	guint32 struct_size; /* JF_DRIVER_HEAD */
	guint32 prop_stride; /* JF_DRIVER_HEAD */
	guint32 kind;        /* JfKind */
	guint32 flags;       /* JF_DRIVER_* */
	guint32 priv_size;   /* bytes at JfInstance.priv, at most 16 MiB */
	guint32 reserved;
	const char *id;    /* [A-Za-z0-9][A-Za-z0-9._-]*, at most 31 bytes; unique without case */
	const char *blurb; /* one sentence for people */
	const JfPropSpec *props; /* NULL: none */

	gboolean (*init)(JfInstance *inst, GError **error);
	void (*finish)(JfInstance *inst);
	gboolean (*start)(JfInstance *inst, GError **error);
	void (*stop)(JfInstance *inst);
	/* Up to JF_BATCH_MAX frames came in at `port`. Returns how many were taken: the first ones.
	 * After a short count the driver calls host->resume(port) once it has room. Frames that the
	 * far end loses count as taken. No malloc, log, GError or system call per frame. */
	guint (*input)(JfInstance *inst, guint port, const JfFrame *frames, guint n);
	/* Output at `port`, short before, has room again. May come when nothing was refused. */
	void (*resume)(JfInstance *inst, guint port);
	/* The far end of the line at `port` went up or down; also told once after start. */
	void (*link)(JfInstance *inst, guint port, gboolean up);
	/* Property `prop` (JF_PROP_LIVE) has a new value. FALSE with an error takes it back. */
	gboolean (*changed)(JfInstance *inst, const char *prop, GError **error);
	/* An interface of the driver, NULL where there is none: "jf.pci/1", "jf.forward/1",
	 * "jf.state/1". [any thread; the same answer always] */
	gconstpointer (*query)(JfInstance *inst, const char *iid);
};

#define JF_DRIVER_HEAD .struct_size = sizeof(JfDriver), .prop_stride = sizeof(JfPropSpec)

/* The description that jf_plugin_query returns. */
typedef struct JfPlugin {
	guint32 struct_size;            /* JF_PLUGIN_HEAD */
	guint16 abi_major;              /* JF_PLUGIN_HEAD */
	guint16 abi_minor;              /* JF_PLUGIN_HEAD */
	const char *name;               /* [a-z0-9][a-z0-9-]*, at most 31 bytes: "udp-tunnel" */
	const char *version;            /* "1.0" */
	const char *license;            /* SPDX expression */
	const char *blurb;              /* one sentence for people */
	const JfDriver *const *drivers; /* NULL-terminated, at least one */
} JfPlugin;

#define JF_PLUGIN_HEAD \
	.struct_size = sizeof(JfPlugin), .abi_major = JF_ABI_MAJOR, .abi_minor = JF_ABI_MINOR

/* The one symbol of a plugin. Does nothing; returns a pointer to constant data. */
typedef const JfPlugin *(*JfPluginQueryFunc)(void);
JF_EXPORT const JfPlugin *jf_plugin_query(void);

/* Adds to a counter from JfHost.counter. Any thread. */
static inline void
jf_count(guint64 *counter, guint64 n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* Shorthands for a driver's callbacks; `name` must be in the driver's table with that type. */
static inline gint64
jf_property_int(JfInstance *inst, const char *name)
{
	return inst->host->property(inst, name)->v.integer;
}

static inline gboolean
jf_property_bool(JfInstance *inst, const char *name)
{
	return inst->host->property(inst, name)->v.integer != 0;
}

/* STRING or PATH; NULL when unset. */
static inline const char *
jf_property_string(JfInstance *inst, const char *name)
{
	return inst->host->property(inst, name)->v.string;
}

/* Formats a line for JfHost.log. Not per frame: it allocates. [any] */
JF_EXPORT void jf_log(JfInstance *inst, GLogLevelFlags level, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

G_END_DECLS

#endif
