/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* switch.h - the networks of a context and the learning switch in each: "jf.switch/1". */
#ifndef JF_CORE_SWITCH_H
#define JF_CORE_SWITCH_H

#include <string.h>

#include "jackfield/switch.h"
#include "jackfield/vmm.h"

#include "rmlock.h"

/* All networks of a context, by name. */
typedef struct JfNetworks JfNetworks;

/* `changed` (may be NULL) is called on any thread, with no lock held, when a network came to be or
 * ended, or somebody joined or left. */
JfNetworks *jf_networks_new(void (*changed)(gpointer data), gpointer data);
/* Everybody must have left. NULL is allowed. */
void jf_networks_free(JfNetworks *networks);

/* JfSwitch.join for an instance whose networks these are. */
JfSwitchPort *jf_networks_join(JfNetworks *networks, JfInstance *inst, const char *name,
			       const JfSwitchJoin *join, GError **error);
/* Takes away the ports that an instance left behind. After its finish. */
void jf_networks_leave_all(JfNetworks *networks, JfInstance *inst);

/* A new JfPromiscuous policy for the ports that an instance has for its card. */
void jf_networks_set_promiscuous(JfNetworks *networks, JfInstance *inst, guint32 policy);
/* Of all locks of this context: see rmlock.h. */
JfRmDomain *jf_networks_get_domain(JfNetworks *networks);

/* Each network, in byte order of the names. Frames go on moving meanwhile. */
void jf_networks_list(JfNetworks *networks, JfNetworkFunc func, gpointer data);

/* What host->query answers to JF_SWITCH_IID. Its join finds the networks of an instance by
 * jf_instance_get_networks. */
const JfSwitch *jf_switch_get_interface(void);

#endif
