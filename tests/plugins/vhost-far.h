/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-far.h - the far ends of the cables of two cards with the vhost-user connector. */
#ifndef VHOST_FAR_H
#define VHOST_FAR_H

#include "jackfield/vmm.h"

#define FRAMES_MAX 256u

/* The far end of a card's cable. */
typedef struct Far {
	JfInstance *inst;
	guint64 arrived; /* frames */
	guint n;         /* of them in `last`; a test may set it back */
	guint8 last[FRAMES_MAX][64];
	void (*on_input)(gpointer data);
	gpointer data;
} Far;

/* Attachment "test-far", whose property "number" says which of `fars` it is. It looks at every byte,
 * so cards with one run on the thread of the test. */
extern const JfDriver far_driver;
extern Far *fars[2];

#endif
