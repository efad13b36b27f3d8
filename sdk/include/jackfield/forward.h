/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forward.h - "jf.forward/1": port-forwarding rules that change while the driver runs. */
#ifndef JACKFIELD_FORWARD_H
#define JACKFIELD_FORWARD_H

#include <glib.h>

#include "driver.h"

G_BEGIN_DECLS

#define JF_FORWARD_IID "jf.forward/1"

#define JF_FORWARD_TCP 6u
#define JF_FORWARD_UDP 17u

typedef struct JfForwardRule {
	guint32 struct_size;
	guint16 protocol;   /* JF_FORWARD_TCP or _UDP (IANA protocol numbers) */
	guint16 host_port;  /* 1..65535 */
	guint16 guest_port; /* 1..65535 */
	guint16 reserved[3];
	const char *name;          /* unique in the instance, 1..63 bytes */
	const char *host_address;  /* IPv4 or IPv6 text; NULL: every address */
	const char *guest_address; /* IPv4 or IPv6 text; NULL: the guest's first lease */
} JfForwardRule;

/* Both on the instance's worker, after init, before or after start. */
typedef struct JfForward {
	guint32 struct_size;
	guint32 reserved;
	/* Begins to forward at once when started, else at start, which fails if it cannot. Errors:
	 * BUSY (name or port taken), PERMISSION (privileged port), VALUE, UNSUPPORTED. */
	gboolean (*add)(JfInstance *inst, const JfForwardRule *rule, GError **error);
	/* Ends it; connections that came through it go on. Error: NOT_FOUND. */
	gboolean (*remove)(JfInstance *inst, const char *name, GError **error);
} JfForward;

G_END_DECLS

#endif
