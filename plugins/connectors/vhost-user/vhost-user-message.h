/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-message.h - what the requests of the front end share, in several files.
 *
 * A handler gets a message that is as long, and has as many descriptors, as the table of requests
 * allows. FALSE: refused, `error` says why.
 */
#ifndef VHOST_USER_MESSAGE_H
#define VHOST_USER_MESSAGE_H

#include "vhost-user.h"

/* FALSE, with that error. */
gboolean vh_refuse(GError **error, const char *why);
/* The first eight bytes of the body. */
guint64 vh_body_u64(const VhMessage *m);

/* vhost-user-message-ring.c */
gboolean vh_set_vring_num(Vhost *vh, VhMessage *m, GError **error);
gboolean vh_set_vring_addr(Vhost *vh, VhMessage *m, GError **error);
gboolean vh_set_vring_base(Vhost *vh, VhMessage *m, GError **error);
gboolean vh_get_vring_base(Vhost *vh, VhMessage *m, GError **error);
gboolean vh_set_vring_kick(Vhost *vh, VhMessage *m, GError **error);
gboolean vh_set_vring_call(Vhost *vh, VhMessage *m, GError **error);
gboolean vh_set_vring_err(Vhost *vh, VhMessage *m, GError **error);
gboolean vh_set_vring_enable(Vhost *vh, VhMessage *m, GError **error);

#endif
