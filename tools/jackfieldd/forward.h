/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forward.h - port-forwarding rules as people write them. */
#ifndef JACKFIELDD_FORWARD_H
#define JACKFIELDD_FORWARD_H

#include "jackfield/forward.h"

typedef struct Forward {
	JfForwardRule rule; /* points into the strings below */
	char *name;
	char *host_address;
	char *guest_address;
} Forward;

/* "[name],tcp|udp,[hostip],hostport,[guestip],guestport"; an empty name becomes
 * PROTOCOL_HOSTPORT_GUESTPORT. NULL with VALUE. */
Forward *forward_new(const char *text, GError **error);
void forward_free(Forward *forward);
/* The rule without its name: "tcp,,2222,,22". */
char *forward_format(const Forward *forward);
/* The same protocol, port and address on the host. */
gboolean forward_is_clash(const Forward *a, const Forward *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Forward, forward_free)

#endif
