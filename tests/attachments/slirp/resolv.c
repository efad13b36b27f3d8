/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resolv.c - the host's domain and search list as "slirp" passes them on. */
#include "slirp-nat.h"

static void
assert_domains(const char *text, const char *want)
{
	g_auto(GStrv) domains = nat_resolv_parse(text);
	g_autofree char *joined = domains ? g_strjoinv(" ", domains) : NULL;

	g_assert_cmpstr(joined, ==, want);
}

static void
test_parse(void)
{
	assert_domains("", NULL);
	assert_domains("nameserver 127.0.0.53\noptions edns0\n", NULL);
	assert_domains("search example.org\n", "example.org");
	assert_domains("domain example.org", "example.org");
	assert_domains("search a.example  b.example\tc.example.\r\n",
		       "a.example b.example c.example");
	assert_domains("domain first\nsearch second third\n", "second third");
	assert_domains("#search no.example\nsearching no.example\n", NULL);
}

static void
test_hostile(void)
{
	g_autofree char *label = g_strnfill(64, 'a');
	g_autofree char *long_label = g_strdup_printf("search %s ok.example\n", label);
	g_autofree char *many = NULL;
	g_auto(GStrv) domains = NULL;
	GString *text = g_string_new("search");
	gsize bytes = 0;

	assert_domains(long_label, "ok.example");
	assert_domains("search . .. a..b .c ok.example", "ok.example");
	assert_domains("search a\001b \xff\xfe ok.example", "ok.example");
	for (guint i = 0; i < 1000; i++)
		g_string_append_printf(text, " host%u.example.org", i);
	many = g_string_free(text, FALSE);
	domains = nat_resolv_parse(many);
	g_assert_nonnull(domains);
	for (guint i = 0; domains[i]; i++)
		bytes += strlen(domains[i]) + 2;
	/* A DHCP reply has room for no more. */
	g_assert_cmpuint(bytes, <=, 100);
	g_assert_cmpuint(bytes, >, 70);
}

static void
test_missing(void)
{
	g_assert_null(nat_resolv_load("/nonexistent/resolv.conf"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/slirp-resolv/parse", test_parse);
	g_test_add_func("/slirp-resolv/hostile", test_hostile);
	g_test_add_func("/slirp-resolv/missing", test_missing);
	return g_test_run();
}
