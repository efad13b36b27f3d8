/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp.h - the part of QEMU's monitor protocol that `run` needs, over a socket pair. */
#ifndef JACKFIELD_QMP_H
#define JACKFIELD_QMP_H

#include <glib.h>

typedef struct Qmp Qmp;

/* Called for each error that the monitor answers, with QEMU's words. */
typedef void (*QmpErrorFunc)(const char *command, const char *text, gpointer data);

/* Takes over `fd`, our end of the pair; works on the default main context. */
Qmp *qmp_new(int fd, QmpErrorFunc failed, gpointer data);
void qmp_free(Qmp *qmp);
/* Both are sent at once, or as soon as the monitor has greeted. After its end they do nothing. */
void qmp_set_link(Qmp *qmp, const char *device, gboolean up);
void qmp_quit(Qmp *qmp);

#endif
