/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * instance.h - a driver at work: its life, its host, its ports.
 *
 *	new (init) - start - stop - start - ... - stop - free (finish)
 *
 * The functions here are for the control thread; they run the driver's callbacks on the worker.
 * `active` is TRUE from after the driver's start to before its stop: only then does input run. It
 * changes with the topology lock written, so nobody is within input when stop is called.
 */
#ifndef JF_INSTANCE_H
#define JF_INSTANCE_H

#include <pthread.h>

#include "jackfield/card.h"
#include "jackfield/vmm.h"

#include "frame-link.h"
#include "switch.h"
#include "worker-private.h"

typedef struct JfCable JfCable;

#define JF_PORTS_MAX 2u

/* Bits of JfInstanceFull.signal; those of a port are shifted by its number. */
#define JF_INSTANCE_DRAIN 0x01u
#define JF_INSTANCE_RESUME 0x10u
#define JF_INSTANCE_ROOM 0x100u
#define JF_INSTANCE_FAIL 0x1000u

typedef struct JfPort {
	JfLink out;       /* to the port that this one faces */
	JfLink *in;       /* that ends here; NULL: not wired. Under the topology lock */
	guint32 offloads; /* atomic: what input takes now */
	gboolean is_up;   /* atomic: the driver's own end of the line */
	gint told;        /* what link() was told last, -1 nothing. On the worker */
} JfPort;

struct JfInstanceFull {
	JfInstance pub;
	JfContext *context;
	JfWorker *worker;
	JfCard *card;       /* NULL: none */
	JfService *service; /* NULL: none */
	JfCable *cable;     /* NULL: none; a member of its chain or about to be one */
	JfCardInfo info;
	JfPropertySet *properties;
	gboolean is_parallel;

	JfOwner owner;
	JfSignal signal;
	gboolean is_ready;   /* on the worker: finish is due */
	gboolean is_started; /* on the worker: stop is due */
	gboolean is_active;  /* changed on the worker, under the topology lock */
	gboolean is_failed;  /* as well */
	JfPort ports[JF_PORTS_MAX];

	pthread_mutex_t lock; /* for the rest */
	GError *failure;      /* what the driver told fail(), until the worker has stopped it */
	GError *error;        /* why it was stopped */
	GSList *counters;
};

typedef struct JfInstanceConfig {
	JfContext *context;
	JfWorker *worker;
	const JfDriver *driver;
	const char *name;
	JfPropertySet *properties; /* taken over, even by a failure */
	JfCard *card;              /* NULL: none */
	JfService *service;        /* NULL: none */
	JfCable *cable;            /* NULL: none */
	JfCardInfo info;           /* with a card */
} JfInstanceConfig;

/* Runs init. NULL with the driver's error. */
JfInstanceFull *jf_instance_new(const JfInstanceConfig *config, GError **error);
/* Stops it where needed, runs finish, removes what it left. NULL is allowed. */
void jf_instance_free(JfInstanceFull *inst);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JfInstanceFull, jf_instance_free)
gboolean jf_instance_start(JfInstanceFull *inst, GError **error);
/* Also makes a failed instance a stopped one. */
void jf_instance_stop(JfInstanceFull *inst);
/* Makes a stopped instance a failed one. */
void jf_instance_set_failed(JfInstanceFull *inst, const GError *error);
/* Changes a property, with the driver's consent where it is LIVE; else the instance, which must be
 * stopped, is initialised anew. Errors: KEY, VALUE, STATE, the driver's. */
gboolean jf_instance_set_property(JfInstanceFull *inst, const char *key, const char *value,
				  GError **error);
/* The driver's jf.forward/1. Errors: the driver's, UNSUPPORTED where it has none. */
gboolean jf_instance_add_forward(JfInstanceFull *inst, const JfForwardRule *rule, GError **error);
gboolean jf_instance_remove_forward(JfInstanceFull *inst, const char *name, GError **error);
/* Runs `func` as one of the driver's callbacks. For a nested worker this is cheap enough for each
 * access to a register, and needed: it keeps others from re-entering the driver, and notices the
 * timers that it arms. Also from within a callback of another instance of the worker. */
void jf_instance_call(JfInstanceFull *inst, void (*func)(JfInstance *inst, gpointer data),
		      gpointer data);
/* Why it failed while it ran: a copy, NULL if it did not. */
GError *jf_instance_dup_error(JfInstanceFull *inst);
/* The counter of that name, made where there is none yet. On the worker. */
guint64 *jf_instance_get_counter(JfInstanceFull *inst, const char *name);
void jf_instance_list_counters(JfInstanceFull *inst, JfCounterFunc func, gpointer data);

/* For the other parts of the core that serve an instance. [any] */
static inline JfInstanceFull *
jf_instance_full(JfInstance *inst)
{
	return (JfInstanceFull *)inst;
}

JfNetworks *jf_instance_get_networks(JfInstance *inst);
/* NULL: the instance is no service. */
const JfServiceInfo *jf_service_get_info(JfInstance *inst);
/* The device of the instance's card; NULL: no card, or one without a model. */
JfDevice *jf_instance_get_device(JfInstance *inst);

/* host.c */
const JfHost *jf_host_get(void);

#endif
