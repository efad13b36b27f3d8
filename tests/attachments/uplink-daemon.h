/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink-daemon.h - the socket of a daemon that a test or a fuzz target plays, for programs that want
 * a card on its networks.
 */
#ifndef UPLINK_DAEMON_H
#define UPLINK_DAEMON_H

#include <jackfield/socket.h>

#include <sys/types.h>

/* Of each ring, as the program makes them. */
#define UPLINK_RING 256u

typedef struct UplinkDaemon {
	char *dir; /* its runtime directory */
	JfSocketFile file;
	int listener; /* -1: none */
	int fd;       /* the program's connection; -1: none */
} UplinkDaemon;

/* Listens in a new directory; nobody is connected. */
void uplink_daemon_init(UplinkDaemon *daemon);
void uplink_daemon_finish(UplinkDaemon *daemon);
/* FALSE: nobody wants to connect now. */
gboolean uplink_daemon_accept(UplinkDaemon *daemon);
void uplink_daemon_hang_up(UplinkDaemon *daemon);
/* Reads what is there, up to `len` bytes: how many, 0: the program hung up, -1: nothing now. The
 * descriptor that came along goes to *got_fd and is the caller's; -1: none did. */
gssize uplink_daemon_read(const UplinkDaemon *daemon, gpointer to, gsize len, int *got_fd);

#endif
