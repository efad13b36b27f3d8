/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * card.h - one adapter of a machine: its instances and the cable between them.
 *
 * The cable begins at the model where there is one, else at the connector; a connector that hosts a
 * model is on no cable and reaches it as a device. Only the control thread changes a card.
 */
#ifndef JF_CARD_CORE_H
#define JF_CARD_CORE_H

#include "jackfield/vmm.h"

#include "cable.h"
#include "instance.h"

struct JfCard {
	JfContext *context;
	JfWorker *worker;
	char *machine, *config_dir, *runtime_dir;
	JfCardInfo info;           /* as the next instance will see it */
	JfInstanceFull *connector; /* NULL: none */
	JfInstanceFull *model;     /* NULL: none */
	JfInstanceFull *attachment;
	GPtrArray *filters; /* JfInstanceFull, from the guest outwards */
	JfCable cable;
	gboolean is_running;
	GPtrArray *errors; /* GError, that jf_card_get_error gave out; the last is the newest */
	JfDevice *device;  /* NULL: no model */
};

/* All instances in the order of starting. */
GPtrArray *jf_card_list_instances(JfCard *card);
/* NULL with NOT_FOUND, the drivers that are there in the message. */
JfInstanceFull *jf_card_find_instance(JfCard *card, const char *driver, GError **error);

#endif
