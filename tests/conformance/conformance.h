/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conformance.h - what the parts of jackfield-conformance share.
 *
 * A subject is one driver with the "key=value" arguments that it was given on the command line. In
 * these, @TMP@ stands for a directory of the case's own and @PORT1@..@PORT9@ for UDP and TCP ports
 * of the loopback that were free a moment ago, the same ones in both instances of a case.
 */
#ifndef JF_CONFORMANCE_H
#define JF_CONFORMANCE_H

#include "jackfield/harness.h"
#include "jackfield/vmm.h"

#define CASE_PORTS 9u
#define DEADLINE_MS 10000u
#define TURN_NS G_GUINT64_CONSTANT(10000000)

typedef struct Subject {
	const JfDriver *driver;
	const char *const *arguments;      /* of the first instance */
	const char *const *peer_arguments; /* of the second, NULL: there is no peer */
} Subject;

/* What one case holds: the words behind @TMP@ and @PORTn@, and what there was before it. */
typedef struct Case {
	const Subject *subject;
	char *tmp;
	guint16 ports[CASE_PORTS];
	guint fds, threads;
} Case;

Case *case_new(const Subject *subject);
/* Also fails the test when file descriptors or threads stayed behind. */
void case_free(Case *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Case, case_free)

/* The arguments of the first instance, or of the peer, with one more ("key=value", replaces one of
 * that key; may be NULL). */
char **case_arguments(Case *c, gboolean peer, const char *more);

/* Not initialised. Fails the test where the arguments are not taken. */
JfHarness *case_make(Case *c, gboolean peer);
/* Initialised and started; fails the test where that fails. */
JfHarness *case_start(Case *c, gboolean peer);
/* Fails the test on a broken rule, and frees. */
void case_end(JfHarness *h);

void check_clean(JfHarness *h);
/* TRUE: `error` is set, of the domain JF_ERROR and says something. */
gboolean error_is_proper(const GError *error);

/* A plain frame with a number and a pattern in it; `len` bytes, at least 60. */
guint8 *numbered_frame(guint32 number, gsize len);

/* A bit of everything: frames in and out at every port, time, posts, registers. Nothing is expected
 * of it but that the driver survives and keeps the contract. */
void exercise(JfHarness *h);
/* Pulls and frees all that is queued, returns how many. */
guint pull_all(JfHarness *h);

void properties_add(const Subject *subject);
void life_add(const Subject *subject);
void frames_add(const Subject *subject);
void passage_add(const Subject *subject);
void services_add(const Subject *subject);
void interfaces_add(const Subject *subject);

/* Adds the case "/DRIVER/name". */
void add_case(const Subject *subject, const char *name, GTestDataFunc func);

#endif
