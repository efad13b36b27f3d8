/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fdb.c - the forwarding database: learning, moving, ageing, bounds, threads. */
#include "fdb.h"

#define MAC(i) (0x080027000000u + (guint64)(i))
#define SEED 42u

G_DEFINE_AUTOPTR_CLEANUP_FUNC(JfFdb, jf_fdb_free)

static void
test_learn(void)
{
	g_autoptr(JfFdb) fdb = jf_fdb_new(SEED);

	g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(1), 0), ==, 0);
	g_assert_cmpuint(jf_fdb_lookup(fdb, 0, 0), ==, 0);
	jf_fdb_learn(fdb, MAC(1), 7, 0);
	jf_fdb_learn(fdb, MAC(2), JF_FDB_PORT_MAX, 0);
	jf_fdb_learn(fdb, 0, 9, 0);
	g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(1), 0), ==, 7);
	g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(2), 0), ==, JF_FDB_PORT_MAX);
	g_assert_cmpuint(jf_fdb_lookup(fdb, 0, 0), ==, 9);
	g_assert_cmpuint(jf_fdb_count(fdb, 0), ==, 3);
	jf_fdb_learn(fdb, MAC(1), 8, 0);
	g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(1), 0), ==, 8);
	g_assert_cmpuint(jf_fdb_count(fdb, 0), ==, 3);
	jf_fdb_forget(fdb, 8);
	g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(1), 0), ==, 0);
	g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(2), 0), ==, JF_FDB_PORT_MAX);
}

/* The clock may wrap, and another thread's stamp may be a second ahead. */
static void
test_age(void)
{
	const guint32 starts[] = { 0, 1000, G_MAXUINT32 - 100 };

	for (guint i = 0; i < G_N_ELEMENTS(starts); i++) {
		g_autoptr(JfFdb) fdb = jf_fdb_new(SEED);
		guint32 now = starts[i];

		jf_fdb_learn(fdb, MAC(1), 1, now);
		jf_fdb_learn(fdb, MAC(2), 2, now);
		g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(1), now - 1), ==, 1);
		g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(1), now + JF_FDB_AGE), ==, 1);
		jf_fdb_learn(fdb, MAC(1), 1, now + JF_FDB_AGE);
		g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(2), now + JF_FDB_AGE + 1), ==, 0);
		g_assert_cmpuint(jf_fdb_lookup(fdb, MAC(1), now + 2 * JF_FDB_AGE), ==, 1);
		g_assert_cmpuint(jf_fdb_count(fdb, now + JF_FDB_AGE + 1), ==, 1);
	}
}

/* A port that makes up addresses pushes out its own, not those that its neighbours use. */
static void
test_flood(void)
{
	g_autoptr(JfFdb) fdb = jf_fdb_new(SEED);
	guint kept = 0, i;

	for (i = 1; i <= 1000; i++)
		jf_fdb_learn(fdb, MAC(i), i, 0);
	for (i = 0; i < 1000000; i++)
		jf_fdb_learn(fdb, 0x020000000000u + i, 2000, i / 10000);
	g_assert_cmpuint(jf_fdb_count(fdb, 100), <=, JF_FDB_ENTRIES);
	for (i = 1; i <= 1000; i++)
		kept += jf_fdb_lookup(fdb, MAC(i), 100) == i;
	g_assert_cmpuint(kept, ==, 1000);
	/* The flood is over, and newcomers find a place. */
	for (i = 2001; i <= 3000; i++)
		jf_fdb_learn(fdb, MAC(i), i, 101);
	for (i = 2001, kept = 0; i <= 3000; i++)
		kept += jf_fdb_lookup(fdb, MAC(i), 101) == i;
	g_assert_cmpuint(kept, >=, 990);
}

/* As many as a thousand nested bridges have, and next to none pushes out another. */
static void
test_spread(void)
{
	g_autoptr(JfFdb) fdb = jf_fdb_new(SEED);
	guint kept = 0;

	for (guint i = 0; i < 4096; i++)
		jf_fdb_learn(fdb, MAC(i), i + 1, 0);
	for (guint i = 0; i < 4096; i++)
		kept += jf_fdb_lookup(fdb, MAC(i), 0) == i + 1;
	g_assert_cmpuint(kept, >=, 4096 - 8);
}

typedef struct Learner {
	JfFdb *fdb;
	guint port;
	guint wrong;
} Learner;

/* Addresses of its own, and one that everybody fights for. */
static gpointer
learn_many(gpointer data)
{
	Learner *learner = data;

	for (guint i = 0; i < 50000; i++) {
		guint64 mac = MAC(learner->port * 1000 + i % 200);
		guint port;

		jf_fdb_learn(learner->fdb, mac, learner->port, i / 1000);
		jf_fdb_learn(learner->fdb, MAC(1), learner->port, i / 1000);
		port = jf_fdb_lookup(learner->fdb, mac, i / 1000);
		learner->wrong += port != 0 && port != learner->port;
		port = jf_fdb_lookup(learner->fdb, MAC(1), i / 1000);
		learner->wrong += port > 4;
	}
	return NULL;
}

static void
test_threads(void)
{
	g_autoptr(JfFdb) fdb = jf_fdb_new(SEED);
	GThread *threads[4];
	Learner learners[4];

	for (guint i = 0; i < 4; i++) {
		learners[i] = (Learner){ .fdb = fdb, .port = i + 1 };
		threads[i] = g_thread_new("learn", learn_many, &learners[i]);
	}
	for (guint i = 0; i < 4; i++) {
		g_thread_join(threads[i]);
		g_assert_cmpuint(learners[i].wrong, ==, 0);
	}
	g_assert_cmpuint(jf_fdb_count(fdb, 49), <=, 4 * 200 + 4);
	g_assert_cmpuint(jf_fdb_count(fdb, 49), >=, 4 * 200);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fdb/learn", test_learn);
	g_test_add_func("/fdb/age", test_age);
	g_test_add_func("/fdb/flood", test_flood);
	g_test_add_func("/fdb/spread", test_spread);
	g_test_add_func("/fdb/threads", test_threads);
	return g_test_run();
}
