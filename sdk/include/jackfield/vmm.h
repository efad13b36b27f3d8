/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm.h - libjackfield for the program that hosts cards: a daemon or a virtual machine monitor.
 *
 * A context holds the loaded plugins, the networks and the workers. A card joins one device side (a
 * connector, a model, or both) to one attachment through a cable with filters; a service answers on
 * a network without a card. The library never prints, exits, installs a signal handler or starts a
 * thread that was not asked for.
 *
 * Threads: the control functions below are called from one thread at a time per context (a VMM's
 * main loop). They run drivers' callbacks on the worker of the card and return when that is done;
 * never call them from a driver's callback or from an event function.
 */
#ifndef JACKFIELD_VMM_H
#define JACKFIELD_VMM_H

#include <glib.h>

#include "abi.h"
#include "card.h"
#include "driver.h"
#include "forward.h"
#include "pci.h"
#include "property.h"

G_BEGIN_DECLS

typedef struct JfContext JfContext;
typedef struct JfWorker JfWorker;
typedef struct JfCard JfCard;
typedef struct JfService JfService;

/* ---- Context ---- */

#define JF_CARD_CHANGED_LINK 0x1u   /* jf_card_get_link has a new answer */
#define JF_CARD_CHANGED_FAILED 0x2u /* jf_card_get_error has one */

/* What a context tells its program. Called on any thread; must not call jf_ functions: note it and
 * wake the control thread. All may be NULL. */
typedef struct JfContextEvents {
	guint32 struct_size;
	guint32 reserved;
	void (*card_changed)(JfCard *card, guint32 what, gpointer data);
	/* A network came to be or ended, or somebody joined or left. */
	void (*networks_changed)(gpointer data);
	/* One line from a driver or the core; `origin` is an instance's name or "jackfield". */
	void (*log)(GLogLevelFlags level, const char *origin, const char *message, gpointer data);
	/* jf_service_get_error has a new answer. */
	void (*service_changed)(JfService *service, gpointer data);
} JfContextEvents;

/* No plugin is loaded yet. `events` may be NULL. Never NULL. */
JF_EXPORT JfContext *jf_context_new(const JfContextEvents *events, gpointer data);
/* All cards and services must be gone. NULL is allowed. */
JF_EXPORT void jf_context_free(JfContext *context);

/*
 * From now on the cards' named networks (intnet, natnetwork, ...) are those of the jackfieldd in
 * `runtime_dir`, so that they meet the daemon's machines and the cards of other programs. NULL: this
 * user's own, in jf_dup_runtime_dir. Once, before the first card.
 *
 * The daemon is not started, and nothing waits for it: while it is away, its cards' link is down and
 * what they send is dropped and counted (counters daemon-away, daemon-lost); they come back by
 * themselves. Why they do not is in the log. jf_context_list_networks does not list its networks.
 * Errors: VALUE (no absolute name, or too long a one), STATE (done already).
 */
JF_EXPORT gboolean jf_context_use_daemon(JfContext *context, const char *runtime_dir,
					 GError **error);
/* Where this user's jackfieldd is: JACKFIELD_RUNTIME_DIR, else $XDG_RUNTIME_DIR/jackfield, else
 * /tmp/jackfield-UID. g_free. Any thread. */
JF_EXPORT char *jf_dup_runtime_dir(void);

/*
 * Loads every "*.so" plugin of the search path, first directory first, files in byte order of their
 * names; a driver id or plugin name already taken shadows the later one:
 *
 *	1. directories of JACKFIELD_PLUGIN_PATH (colon-separated absolute names), unless running
 *	   set-uid
 *	2. $XDG_DATA_HOME/jackfield/plugins, unless running set-uid
 *	3. the system directory, LIBDIR/jackfield/plugins
 *	4. the built-in directory: LIBDIR/jackfield/built-in, or the build tree when run from there
 *
 * A file or directory is refused when somebody other than root and the user owns it or others may
 * write to it; a group that has its owner's name and no other member is the owner. A refused file never stops the others: see jf_context_list_problems.
 */
JF_EXPORT void jf_context_load_plugins(JfContext *context);
/* Loads one file by name. Errors: PLUGIN, ABI, PERMISSION, NOT_FOUND, BUSY (name taken). */
JF_EXPORT gboolean jf_context_load_plugin(JfContext *context, const char *path, GError **error);
/* Adds a driver that the program itself contains; same checks, same errors. `driver` must live as
 * long as the context. */
JF_EXPORT gboolean jf_context_add_driver(JfContext *context, const JfDriver *driver,
					 GError **error);

typedef struct JfPluginProblem {
	const char *path;
	const GError *error;
} JfPluginProblem;
/* What load_plugins refused or shadowed. Owned by the context; *n entries. */
JF_EXPORT const JfPluginProblem *jf_context_list_problems(JfContext *context, guint *n);

typedef struct JfDriverInfo {
	const JfDriver *driver; /* the core's copy: every field of this ABI, absent ones zero */
	const JfPlugin *plugin; /* NULL: added by the program */
	const char *path;       /* NULL: added by the program */
} JfDriverInfo;
/* All drivers, by kind and then id. Owned by the context. */
JF_EXPORT const JfDriverInfo *jf_context_list_drivers(JfContext *context, guint *n);
/* `kind` 0 finds any. NULL with NOT_FOUND, near names in the message. */
JF_EXPORT const JfDriver *jf_context_find_driver(JfContext *context, guint32 kind, const char *id,
						 GError **error);

/* Row `i` of a driver's property table whatever its stride, NULL past the end. */
JF_EXPORT const JfPropSpec *jf_driver_get_prop(const JfDriver *driver, guint i);
/* Checks one "key", "value" against a driver's table. Returns the canonical text (g_free), or NULL
 * with KEY (near keys named) or VALUE (range or choices stated). */
JF_EXPORT char *jf_driver_check_prop(const JfDriver *driver, const char *key, const char *value,
				     GError **error);

/* The parsed properties of one instance. Not for several threads at once. */
typedef struct JfPropertySet JfPropertySet;

/* `properties`: NULL-terminated "key=value" strings, split at the first '=', an empty value unsets;
 * NULL: none. Defaults are filled in. NULL with KEY (unknown or twice), VALUE, or KEY for a missing
 * required one. `driver` must outlive the set. */
JF_EXPORT JfPropertySet *jf_property_set_new(const JfDriver *driver, const char *const *properties,
					     GError **error);
JF_EXPORT void jf_property_set_free(JfPropertySet *set);
/* Never NULL for a name in the driver's table, NULL for any other. Good until that property
 * changes. */
JF_EXPORT const JfValue *jf_property_set_get(const JfPropertySet *set, const char *name);
/* Whatever the property's flags. FALSE leaves the old value. `value` NULL or "": unset or default. */
JF_EXPORT gboolean jf_property_set_change(JfPropertySet *set, const char *name, const char *value,
					  GError **error);

/* ---- Workers ---- */

/* A worker with a thread of its own. NULL with an error. */
JF_EXPORT JfWorker *jf_worker_new(JfContext *context, GError **error);
/* A worker without a thread, for a program's own loop: watch jf_worker_get_fd for reading and call
 * jf_worker_dispatch when it is ready, always on the thread that makes the control calls. */
JF_EXPORT JfWorker *jf_worker_new_nested(JfContext *context, GError **error);
/* No card and no service may use it any more. NULL is allowed. */
JF_EXPORT void jf_worker_free(JfWorker *worker);
JF_EXPORT int jf_worker_get_fd(JfWorker *worker);
/* Runs what is ready and returns; never blocks. Nested workers only. */
JF_EXPORT void jf_worker_dispatch(JfWorker *worker);
/* Most ns that an awake worker polls before it sleeps, 0..10^9; it adapts itself below that.
 * What its started instances ask for (JfHost.set_poll_budget) goes before it. */
JF_EXPORT void jf_worker_set_poll_budget(JfWorker *worker, guint64 ns);

/* ---- Cards ---- */

/* `properties`: NULL-terminated "key=value" strings, split at the first '='; NULL: none. */
typedef struct JfCardConfig {
	guint32 struct_size;
	guint32 slot;        /* 0-based */
	const char *machine; /* machine's name, for messages and drivers */
	guint8 mac[6];
	guint8 reserved[2];
	guint32 promiscuous; /* JfPromiscuous */
	guint32 line_speed;  /* kbit/s, 0: the model's own */
	gboolean cable_connected;
	guint32 reserved2;
	const char *connector; /* driver id; NULL: the program itself drives the model */
	const char *const *connector_properties;
	const char *model; /* driver id; NULL: the VMM behind the connector has its own */
	const char *const *model_properties;
	const char *attachment; /* driver id; NULL: "null" */
	const char *const *attachment_properties;
	const char *config_dir;  /* may be NULL */
	const char *runtime_dir; /* may be NULL */
	JfWorker *worker;
} JfCardConfig;

/* Makes all instances (init), starts none. Errors as the drivers': NOT_FOUND, KEY, VALUE, ... */
JF_EXPORT JfCard *jf_card_new(JfContext *context, const JfCardConfig *config, GError **error);
/* Stops it first where needed. NULL is allowed. */
JF_EXPORT void jf_card_free(JfCard *card);
/* Starts attachment, filters, model, connector, in this order; FALSE leaves all stopped. */
JF_EXPORT gboolean jf_card_start(JfCard *card, GError **error);
JF_EXPORT void jf_card_stop(JfCard *card);

/* Pulls or puts back the cable. Frames sent into a pulled cable are dropped and counted. */
JF_EXPORT void jf_card_set_cable(JfCard *card, gboolean connected);
/* What the guest should see: cable in, and the attachment's own line up. */
JF_EXPORT gboolean jf_card_get_link(JfCard *card);
/* Why the card failed while it ran; NULL: it did not. Owned by the card, good until stop or free. */
JF_EXPORT const GError *jf_card_get_error(JfCard *card);

/* Another attachment, also while running: the old one is stopped first, and started again when the
 * new one fails. The guest sees the link go down and up. */
JF_EXPORT gboolean jf_card_attach(JfCard *card, const char *attachment,
				  const char *const *properties, GError **error);
/* Filters, from the guest outwards in the order of adding; at most one of each driver. */
JF_EXPORT gboolean jf_card_add_filter(JfCard *card, const char *filter,
				      const char *const *properties, GError **error);
JF_EXPORT gboolean jf_card_remove_filter(JfCard *card, const char *filter, GError **error);

/* Changes a LIVE property of the instance of `driver` in this card (its connector, model, filter or
 * attachment). Errors: NOT_FOUND, KEY, VALUE, STATE (not live and running). */
JF_EXPORT gboolean jf_card_set_property(JfCard *card, const char *driver, const char *key,
					const char *value, GError **error);
JF_EXPORT gboolean jf_card_set_promiscuous(JfCard *card, guint32 policy, GError **error);
/* The attachment's jf.forward/1; UNSUPPORTED where it has none. */
JF_EXPORT gboolean jf_card_add_forward(JfCard *card, const JfForwardRule *rule, GError **error);
JF_EXPORT gboolean jf_card_remove_forward(JfCard *card, const char *name, GError **error);

typedef struct JfCardFlow {
	guint64 frames, bytes; /* that went through */
	guint64 drops;         /* lost in the cable: pulled, malformed, no room */
} JfCardFlow;

typedef struct JfCardStats {
	guint32 struct_size;
	guint32 reserved;
	JfCardFlow tx; /* guest to network */
	JfCardFlow rx; /* network to guest */
} JfCardStats;

/* May be called while frames move. */
JF_EXPORT void jf_card_get_stats(JfCard *card, JfCardStats *stats);
/* The drivers' own counters: `func` gets driver id, counter name, value. */
typedef void (*JfCounterFunc)(const char *driver, const char *counter, guint64 value,
			      gpointer data);
JF_EXPORT void jf_card_list_counters(JfCard *card, JfCounterFunc func, gpointer data);

/* State of the card's instances that have jf.state/1, and of a model's PCI function
 * ("jf.device/1"); the card must be stopped. Save returns a full reference of type a{sv}: one entry
 * each. Load is all or nothing, and wants the model's entries. The guest's memory is the program's
 * to move: it adds that before it starts the loaded card. */
JF_EXPORT GVariant *jf_card_save(JfCard *card, GError **error);
JF_EXPORT gboolean jf_card_load(JfCard *card, GVariant *state, GError **error);

/* ---- The device of a card with a model (see pci.h; called on the card's worker: for a nested
 * worker, the control thread) ---- */

/* NULL: the card has no model. */
JF_EXPORT JfDevice *jf_card_get_device(JfCard *card);
JF_EXPORT const JfPciInfo *jf_device_get_info(JfDevice *device);
JF_EXPORT void jf_device_attach(JfDevice *device, const JfDeviceCallbacks *callbacks,
				gpointer data);
JF_EXPORT void jf_device_detach(JfDevice *device);
JF_EXPORT gboolean jf_device_add_memory(JfDevice *device, const JfDeviceMemory *memory,
					GError **error);
JF_EXPORT gboolean jf_device_remove_memory(JfDevice *device, guint64 address, guint64 size,
					   GError **error);
JF_EXPORT guint32 jf_device_config_read(JfDevice *device, guint offset, guint size);
JF_EXPORT void jf_device_config_write(JfDevice *device, guint offset, guint size, guint32 value);
JF_EXPORT guint64 jf_device_bar_read(JfDevice *device, guint bar, guint64 offset, guint size);
JF_EXPORT void jf_device_bar_write(JfDevice *device, guint bar, guint64 offset, guint size,
				   guint64 value);
JF_EXPORT void jf_device_reset(JfDevice *device);
JF_EXPORT gconstpointer jf_device_query(JfDevice *device, const char *iid);
JF_EXPORT void jf_device_call(JfDevice *device, void (*func)(JfInstance *model, gpointer data),
			      gpointer data);
JF_EXPORT void jf_device_set_bus_master(JfDevice *device, gboolean on);
JF_EXPORT void jf_device_set_dirty_log(JfDevice *device, const JfDirtyLog *log);
JF_EXPORT gboolean jf_device_set_rom(JfDevice *device, gconstpointer data, gsize len,
				     GError **error);
JF_EXPORT gconstpointer jf_device_get_rom(JfDevice *device, gsize *size);

/*
 * For a program that hosts guests of others, once, before its first card: installs a SIGBUS handler
 * for the process. Guest memory is a file of the VMM's, which may cut it short; touched then, it
 * reads as zeros and that guest is dropped, where otherwise the whole process would end. Any other
 * SIGBUS goes where it went before. Error UNSUPPORTED.
 */
JF_EXPORT gboolean jf_guard_shared_memory(GError **error);

/* ---- Services ---- */

/* A driver of kind SERVICE that belongs to no card: it answers on the network that its properties
 * name. `properties`: as a card's. */
typedef struct JfServiceConfig {
	guint32 struct_size;
	guint32 reserved;
	const char *name;   /* for messages and "jf.service/1": the network's, say */
	const char *driver; /* driver id */
	const char *const *properties;
	const char *config_dir;  /* may be NULL */
	const char *runtime_dir; /* may be NULL */
	JfWorker *worker;
} JfServiceConfig;

/* Makes the instance (init), does not start it. Errors: VALUE (no name, no worker), the driver's. */
JF_EXPORT JfService *jf_service_new(JfContext *context, const JfServiceConfig *config,
				    GError **error);
/* Stops it first where needed. NULL is allowed. */
JF_EXPORT void jf_service_free(JfService *service);
/* Errors: STATE (it runs already), the driver's. */
JF_EXPORT gboolean jf_service_start(JfService *service, GError **error);
JF_EXPORT void jf_service_stop(JfService *service);
/* Why it failed while it ran; NULL: it did not. Owned by the service, good until the next call of
 * this function, of stop or of free. */
JF_EXPORT const GError *jf_service_get_error(JfService *service);
/* A LIVE property at any time, another one while it is stopped. Errors: KEY, VALUE, STATE. */
JF_EXPORT gboolean jf_service_set_property(JfService *service, const char *key, const char *value,
					   GError **error);
/* The service's jf.forward/1; UNSUPPORTED where it has none. */
JF_EXPORT gboolean jf_service_add_forward(JfService *service, const JfForwardRule *rule,
					  GError **error);
JF_EXPORT gboolean jf_service_remove_forward(JfService *service, const char *name, GError **error);
JF_EXPORT void jf_service_list_counters(JfService *service, JfCounterFunc func, gpointer data);

/* ---- Networks ---- */

typedef struct JfNetworkInfo {
	const char *name;
	guint ports;     /* members now */
	guint addresses; /* MAC addresses in the table now */
	guint64 frames;  /* switched since the network came to be */
	guint64 drops;   /* receiver full */
} JfNetworkInfo;
typedef void (*JfNetworkFunc)(const JfNetworkInfo *network, gpointer data);
/* Each network that exists now, by name. `func` must not call jf_ functions. */
JF_EXPORT void jf_context_list_networks(JfContext *context, JfNetworkFunc func, gpointer data);

G_END_DECLS

#endif
