/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-fixture.h - two cards with the vhost-user connector, and a front end played by the test for
 * each; what one front end does wrong must not be seen by the other's.
 */
#ifndef VHOST_FIXTURE_H
#define VHOST_FIXTURE_H

#include "vhost-far.h"
#include "vhost-front.h"

#define STEPS 19u

typedef struct Fixture {
	char *dir;
	JfContext *context;
	JfWorker *worker;
	char *path[2], *record[2];
	JfCard *card[2];
	Far far[2];
	Front front[2];
} Fixture;

/* The program's arguments are the plugins of the virtio model and of the connector. */
void fixture_main(int *argc, char ***argv);
/* `mode` NULL: both front ends are connected, and their rings run. */
void fixture_init(Fixture *f, gconstpointer mode);
void fixture_finish(Fixture *f, gconstpointer mode);
#define ADD(name, func, mode) \
	g_test_add("/vhost-user/" name, Fixture, mode, fixture_init, func, fixture_finish)

guint64 counter(JfCard *card, const char *name);
/* A frame of 60 bytes. */
void fill(guint8 *frame, guint8 number);
/* Frames go through card `i`, both ways. */
void check_alive(Fixture *f, guint i);
void reconnect(Fixture *f, guint i);

#endif
