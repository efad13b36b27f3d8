/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink-wire.h - what a program and jackfieldd say before a card of the program's is on a network of
 * the daemon's.
 *
 * The program connects to JF_UPLINK_SOCKET in the daemon's runtime directory (a stream socket that
 * only its user reaches) and sends one JfUplinkRequest. The daemon makes a card of model virtio with
 * that address on that network, answers with one JfUplinkReply and, unless it refused, is from then
 * on a vhost-user back end on this same connection. The card lasts as long as the connection.
 *
 * Both are in the host's byte order; texts end with a NUL.
 */
#ifndef JF_UPLINK_WIRE_H
#define JF_UPLINK_WIRE_H

#include <glib.h>

#define JF_UPLINK_SOCKET "networks.sock"
#define JF_UPLINK_MAGIC "JFUPLK1" /* another number for another form */

typedef struct JfUplinkRequest {
	char magic[8];
	guint32 promiscuous; /* JfPromiscuous */
	guint8 mac[6];
	guint8 reserved[2];
	char driver[32];   /* attachment that joins the network */
	char network[128]; /* its property "network" */
	char name[128];    /* of the card, for messages */
} JfUplinkRequest;

typedef struct JfUplinkReply {
	char magic[8];
	guint32 refused; /* 0: it may begin */
	char message[244];
} JfUplinkReply;

#endif
