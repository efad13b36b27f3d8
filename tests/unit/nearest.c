/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nearest.c - the names that somebody may have meant. */
#include "nearest.h"

#include <string.h>

static const char *const udp_tunnel[] = { "sport", "dport", "dest", NULL };

static void
check(const char *name, const char *const *candidates, const char *hint)
{
	g_autofree char *got = jf_nearest_hint(name, candidates);

	g_assert_cmpstr(got, ==, hint);
}

static void
test_slips(void)
{
	static const char *const names[] = { "bridged", "hostonly", "intnet", NULL };

	check("prot", udp_tunnel, "; did you mean 'sport', 'dport'?");
	check("bridegd", names, "; did you mean 'bridged'?");
	check("bridge", names, "; did you mean 'bridged'?");
	check("HOSTONLYY", names, "; did you mean 'hostonly'?");
	check("hxstxnly", names, "; did you mean 'hostonly'?");
	check("hxxxxnly", names, "");
	check("Intnet", names, "; did you mean 'intnet'?");
}

static void
test_prefix(void)
{
	static const char *const names[] = { "natnetwork", "nat", "null", NULL };

	check("natn", names, "; did you mean 'natnetwork', 'nat'?");
	check("n", names, "; did you mean 'natnetwork', 'nat', 'null'?");
}

static void
test_best_three(void)
{
	static const char *const names[] = { "abcdxx",  "abcdex", "abxxxf", "abcdef",
					     "abcdeff", "zzzzzz", NULL };
	g_autofree const char **best = jf_nearest_find("abcdef", names);

	g_assert_cmpstr(best[0], ==, "abcdef");
	g_assert_cmpstr(best[1], ==, "abcdex");
	g_assert_cmpstr(best[2], ==, "abcdeff");
	g_assert_null(best[3]);
}

static void
test_far(void)
{
	static const char *const none[] = { NULL }, *const empty[] = { "", "x", NULL };
	g_autofree char *huge = g_strnfill(100000, 'a');
	const char *const same[] = { huge, NULL };

	check("nat", none, "");
	check("", udp_tunnel, "");
	check("y", empty, "");
	check("completely-else", udp_tunnel, "");
	check(huge, udp_tunnel, "");
	check(huge, same, "");
	check("\xff\xfe\x01", udp_tunnel, "");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nearest/slips", test_slips);
	g_test_add_func("/nearest/prefix", test_prefix);
	g_test_add_func("/nearest/best-three", test_best_three);
	g_test_add_func("/nearest/far", test_far);
	return g_test_run();
}
