/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fdb.c - the forwarding database: a hash table of buckets of eight, changed and read without locks.
 *
 * An entry is one 64-bit word, address above port, so that a reader sees both or neither. Its time
 * stamp lies apart and may for a moment belong to the word before or after; all that comes of it is
 * an entry that ages too early or too late. The table never grows: in a full bucket a newcomer takes
 * the place of the oldest entry, at first of its own port, so that a port which makes up addresses
 * pushes out its own and not its neighbours'.
 */
#include "fdb.h"

#define WAYS 8u /* a cache line of words */
#define BUCKETS (JF_FDB_ENTRIES / WAYS)
#define LINE 64u

struct JfFdb {
	guint64 (*words)[WAYS]; /* address << 16 | port; 0: free */
	guint32 (*stamps)[WAYS];
	gpointer block;
	guint64 seed;
};

JfFdb *
jf_fdb_new(guint64 seed)
{
	JfFdb *fdb = g_new0(JfFdb, 1);
	gsize words = BUCKETS * sizeof *fdb->words, stamps = BUCKETS * sizeof *fdb->stamps;

	/* Fresh zeroes cost memory only where they are used; aligning must not touch them. */
	fdb->block = g_malloc0(words + stamps + LINE);
	fdb->words = (gpointer)(((guintptr)fdb->block + LINE - 1) & ~(guintptr)(LINE - 1));
	fdb->stamps = (gpointer)(fdb->words + BUCKETS);
	fdb->seed = seed | 1;
	return fdb;
}

void
jf_fdb_free(JfFdb *fdb)
{
	if (!fdb)
		return;
	g_free(fdb->block);
	g_free(fdb);
}

/* Multiplicative hashing; the seed is odd. */
static guint
find_bucket(const JfFdb *fdb, guint64 mac)
{
	guint64 hash = (mac ^ mac >> 23) * 0x9e3779b97f4a7c15u;

	return (guint)((hash ^ hash >> 32) * fdb->seed >> 40) % BUCKETS;
}

static guint64
word_load(const guint64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static gboolean
word_swap(guint64 *word, guint64 from, guint64 to)
{
	return __atomic_compare_exchange_n(word, &from, to, FALSE, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

static guint32
stamp_load(const guint32 *stamp)
{
	return __atomic_load_n(stamp, __ATOMIC_RELAXED);
}

static void
stamp_store(guint32 *stamp, guint32 now)
{
	/* Most frames come within the same second: leave the line shared. */
	if (stamp_load(stamp) != now)
		__atomic_store_n(stamp, now, __ATOMIC_RELAXED);
}

/* Signed: another thread's stamp may be ahead of this one's clock. */
static gint32
age(const guint32 *stamp, guint32 now)
{
	return (gint32)(now - stamp_load(stamp));
}

guint
jf_fdb_lookup(const JfFdb *fdb, guint64 mac, guint32 now)
{
	guint bucket = find_bucket(fdb, mac);

	for (guint i = 0; i < WAYS; i++) {
		guint64 word = word_load(&fdb->words[bucket][i]);

		if (word >> 16 != mac || !word)
			continue;
		if (age(&fdb->stamps[bucket][i], now) > (gint32)JF_FDB_AGE)
			return 0;
		return word & G_MAXUINT16;
	}
	return 0;
}

/* Where a newcomer of `port` goes: a free or outlived place, else the port's own oldest entry, else
 * the oldest of all. */
static guint
choose_way(const JfFdb *fdb, guint bucket, guint port, guint32 now)
{
	gint64 best_rank = -1;
	guint best = 0;

	for (guint i = 0; i < WAYS; i++) {
		guint64 word = word_load(&fdb->words[bucket][i]);
		gint32 old = age(&fdb->stamps[bucket][i], now);
		gint64 rank = MAX(old, 0);

		if (!word || old > (gint32)JF_FDB_AGE)
			return i;
		if ((word & G_MAXUINT16) == port)
			rank += JF_FDB_AGE + 1;
		if (rank > best_rank) {
			best_rank = rank;
			best = i;
		}
	}
	return best;
}

/* Two threads may have put one address in two places: the first is the one that is found. */
static void
remove_double(JfFdb *fdb, guint bucket, guint64 mac)
{
	gboolean seen = FALSE;

	for (guint i = 0; i < WAYS; i++) {
		guint64 word = word_load(&fdb->words[bucket][i]);

		if (!word || word >> 16 != mac)
			continue;
		if (seen)
			word_swap(&fdb->words[bucket][i], word, 0);
		seen = TRUE;
	}
}

void
jf_fdb_learn(JfFdb *fdb, guint64 mac, guint port, guint32 now)
{
	guint bucket = find_bucket(fdb, mac), way;
	guint64 *words = fdb->words[bucket], wanted = mac << 16 | port, word;

	for (guint i = 0; i < WAYS; i++) {
		word = word_load(&words[i]);
		if (!word || word >> 16 != mac)
			continue;
		stamp_store(&fdb->stamps[bucket][i], now);
		if (word != wanted)
			word_swap(&words[i], word, wanted);
		return;
	}
	way = choose_way(fdb, bucket, port, now);
	word = word_load(&words[way]);
	stamp_store(&fdb->stamps[bucket][way], now);
	/* Somebody else may have taken the place: the next frame tries again. */
	if (word_swap(&words[way], word, wanted))
		remove_double(fdb, bucket, mac);
}

void
jf_fdb_forget(JfFdb *fdb, guint port)
{
	for (guint i = 0; i < JF_FDB_ENTRIES; i++) {
		guint64 *at = &fdb->words[i / WAYS][i % WAYS], word = word_load(at);

		if (word && (word & G_MAXUINT16) == port)
			word_swap(at, word, 0);
	}
}

guint
jf_fdb_count(const JfFdb *fdb, guint32 now)
{
	guint n = 0;

	for (guint i = 0; i < JF_FDB_ENTRIES; i++) {
		n += word_load(&fdb->words[i / WAYS][i % WAYS]) &&
		     age(&fdb->stamps[i / WAYS][i % WAYS], now) <= (gint32)JF_FDB_AGE;
	}
	return n;
}
