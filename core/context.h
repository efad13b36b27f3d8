/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* context.h - what all cards of a program share. */
#ifndef JF_CONTEXT_H
#define JF_CONTEXT_H

#include "jackfield/vmm.h"

#include "registry.h"
#include "rmlock.h"
#include "switch.h"
#include "uplink.h"

struct JfContext {
	JfContextEvents events;
	gpointer data;
	JfRegistry *registry;
	JfNetworks *networks;
	JfUplinks *uplinks; /* NULL: cards are on networks of this program */
	/*
	 * Who is joined to whom. Read-locked along a frame's whole way; write-locked to rewire, and
	 * to be sure that no input of an instance that has just been unwired runs any more. Whoever
	 * takes it for writing is within no callback, and calls none until it is released.
	 */
	JfRmLock topology;
};

void jf_context_emit_card_changed(JfContext *context, JfCard *card, guint32 what);
void jf_context_emit_service_changed(JfContext *context, JfService *service);

#endif
