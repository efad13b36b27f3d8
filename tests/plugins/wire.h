/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire.h - what the tests of connectors, attachments and filters share. */
#ifndef WIRE_H
#define WIRE_H

#include "jackfield/harness.h"
#include "jackfield/util.h"

/* Real time that anything may take before a test fails. */
#define WIRE_TIMEOUT_MS 20000u

/* The plugin under test: the program's first argument. */
void wire_init(int *argc, char ***argv);
/* An instance that is initialised and started. */
JfHarness *wire_start(const char *const *properties);
/* Expects init or start to fail so. */
void wire_start_fails(const char *const *properties, JfErrorCode code, const char *word);
/* Frees it, having checked that it kept the contract. */
void wire_stop(JfHarness *h);
guint64 wire_counter(JfHarness *h, const char *name);

/* A new directory, removed with all in it by wire_tmp_free. */
char *wire_tmp_new(void);
void wire_tmp_free(char *dir);

/* The frame with number `seq` of a sequence: `len` bytes that depend on both. */
void wire_frame_fill(guint8 *frame, guint32 len, guint32 seq);
gboolean wire_frame_is(const guint8 *frame, guint32 len, guint32 seq);
/* A length for frame `seq`, 18..65553, mostly short; the same for the same number. */
guint32 wire_frame_len(guint32 seq);
guint32 wire_random(guint64 *state);

/* Pushes frame `seq`; FALSE: refused. */
gboolean wire_push(JfHarness *h, guint port, guint32 len, guint32 seq);
/* Turns until a frame has come out at `port`, which must be frame `seq`. */
void wire_expect(JfHarness *h, guint port, guint32 len, guint32 seq);
/* Turns until the counter has reached `value`. */
void wire_wait_counter(JfHarness *h, const char *name, guint64 value);
void wire_wait_link(JfHarness *h, gboolean up);
void wire_wait_queued(JfHarness *h, guint port, guint frames);

/* A UDP port of 127.0.0.1 or a TCP one that was free a moment ago. */
guint wire_free_port(int type);

#endif
