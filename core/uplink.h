/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uplink.h - "jf.switch/1" for a program whose cards are on the networks of a daemon. */
#ifndef JF_CORE_UPLINK_H
#define JF_CORE_UPLINK_H

#include "jackfield/switch.h"

/* The uplinks of a context, all to one daemon. */
typedef struct JfUplinks JfUplinks;

/* Error VALUE: `runtime_dir` is too long a name. */
JfUplinks *jf_uplinks_new(const char *runtime_dir, GError **error);
/* All must have left. NULL is allowed. */
void jf_uplinks_free(JfUplinks *uplinks);

/* Takes away what an instance left behind. On its worker, before its timers and watches go. */
void jf_uplinks_leave_all(JfUplinks *uplinks, JfInstance *inst);
/* A new JfPromiscuous policy for an instance's uplinks. [any] */
void jf_uplinks_set_promiscuous(JfUplinks *uplinks, JfInstance *inst, guint32 policy);

/* What host->query answers to JF_SWITCH_IID in such a context. */
const JfSwitch *jf_uplink_get_interface(void);

#endif
