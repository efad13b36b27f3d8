/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-tcp.h - between the two files of the test guest. */
#ifndef GUEST_TCP_H
#define GUEST_TCP_H

#include "guest.h"

/* A TCP packet for the guest; `large`: with segmentation still to do. */
void nat_tcp_take(NatGuest *g, const guint8 *frame, guint32 len, gboolean large);
/* Sends what may be sent. */
void nat_tcp_turn(NatGuest *g);

/* Writes Ethernet and IP header; returns where the payload goes. */
guint32 nat_guest_put_ip(NatGuest *g, guint8 *frame, guint version, const guint8 *to,
			 guint8 protocol, guint32 len);
guint64 nat_guest_pseudo_sum(const guint8 *ip, guint8 protocol, guint32 len);

#endif
