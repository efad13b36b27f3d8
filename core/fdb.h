/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fdb.h - a switch's forwarding database: which port an address was last seen at. */
#ifndef JF_CORE_FDB_H
#define JF_CORE_FDB_H

#include <glib.h>

/* Addresses that fit, and seconds until one that was not seen again is forgotten. */
#define JF_FDB_ENTRIES 16384u
#define JF_FDB_AGE 300u
#define JF_FDB_PORT_MAX 65535u

typedef struct JfFdb JfFdb;

/* `seed` makes the buckets of an address unforeseeable. Never NULL. */
JfFdb *jf_fdb_new(guint64 seed);
void jf_fdb_free(JfFdb *fdb);

/*
 * `mac`: 48 bits, the first byte of the address on top. `now`: seconds of a monotonic clock. Ports
 * are 1..JF_FDB_PORT_MAX. Any thread, without a lock; what two threads learn at the same time about
 * one address may last either way.
 */
/* The port of an address, 0: not known. */
guint jf_fdb_lookup(const JfFdb *fdb, guint64 mac, guint32 now);
void jf_fdb_learn(JfFdb *fdb, guint64 mac, guint port, guint32 now);
/* Forgets what was learned at `port`. Nobody learns at that port meanwhile. */
void jf_fdb_forget(JfFdb *fdb, guint port);
/* Addresses known now. */
guint jf_fdb_count(const JfFdb *fdb, guint32 now);

#endif
