/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resolv.c - the host's resolv.conf: read, and followed however it is replaced. */
#include <glib/gstdio.h>
#include <unistd.h>

#include "fake.h"

static NatResolvConf conf;

static void
check_server(guint i, const char *wanted)
{
	char text[NAT_ADDRESS_TEXT_MAX];

	g_assert_cmpuint(conf.n_servers, >, i);
	nat_address_format(&conf.servers[i].address, text);
	g_assert_cmpstr(text, ==, wanted);
}

static void
test_parse(void)
{
	nat_resolv_parse(&conf, "# nameserver 192.0.2.9\n"
				"nameserver\t192.0.2.1\r\n"
				"  nameserver 2001:db8::1 # comment\n"
				"nameserver fe80::1%lo\n"
				"nameserver 0.0.0.0\n"
				"nameserver not-an-address\n"
				"options timeout:1\n"
				"domain first.example\n"
				"search Second.Example. under_score.x\n");
	g_assert_cmpuint(conf.n_servers, ==, 4);
	check_server(0, "192.0.2.1");
	check_server(1, "2001:db8::1");
	check_server(2, "fe80::1");
	g_assert_cmpuint(conf.servers[2].scope, ==, 1);
	check_server(3, "127.0.0.1");
	g_assert_cmpuint(conf.n_domains, ==, 2);
	g_assert_cmpstr(conf.domains[0], ==, "second.example");
	g_assert_cmpstr(conf.domains[1], ==, "under_score.x");
}

static void
test_empty(void)
{
	static const char *const texts[] = { "", "\n\n", "nameserver", "search\n",
					     "search . .. a..b -\n" };

	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		nat_resolv_parse(&conf, texts[i]);
		g_assert_cmpuint(conf.n_servers, ==, 1);
		check_server(0, "127.0.0.1");
	}
}

static void
test_limits(void)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < 100; i++)
		g_string_append_printf(text, "nameserver 192.0.2.%u\n", i + 1);
	g_string_append(text, "search");
	for (guint i = 0; i < 100; i++)
		g_string_append_printf(text, " d%u.example", i);
	nat_resolv_parse(&conf, text->str);
	g_assert_cmpuint(conf.n_servers, ==, NAT_RESOLVERS_MAX);
	g_assert_cmpuint(conf.n_domains, ==, NAT_DOMAINS_MAX);
}

/* ---- Changes ---- */

typedef struct Fixture {
	NatConfig config;
	Fake *fake;
	char *dir, *other, *path, *target;
	guint told;
} Fixture;

static void
write_file(const char *path, const char *address)
{
	g_autofree char *text = g_strdup_printf("nameserver %s\n", address);
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static void
changed(NatEngine *engine, gpointer data)
{
	guint *told = data;

	(void)engine;
	(*told)++;
}

static void
setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	fake_config_init(&f->config);
	f->dir = g_dir_make_tmp("resolv-XXXXXX", NULL);
	f->other = g_dir_make_tmp("resolv-XXXXXX", NULL);
	f->path = g_build_filename(f->dir, "resolv.conf", NULL);
	f->target = g_build_filename(f->other, "stub.conf", NULL);
	write_file(f->target, "192.0.2.1");
	g_assert_cmpint(symlink(f->target, f->path), ==, 0);
	f->config.resolv_conf = f->path;
	f->fake = fake_new(&f->config, &error);
	g_assert_no_error(error);
	nat_resolv_listen(f->fake, changed, &f->told);
}

static void
teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	nat_resolv_listen(f->fake, NULL, &f->told);
	fake_free(f->fake);
	g_unlink(f->path);
	g_unlink(f->target);
	g_rmdir(f->dir);
	g_rmdir(f->other);
	g_free(f->dir);
	g_free(f->other);
	g_free(f->path);
	g_free(f->target);
}

typedef struct Wait {
	Fixture *f;
	NatAddress address;
} Wait;

static gboolean
is_now(JfHarness *h, gpointer data)
{
	const Wait *wait = data;

	(void)h;
	return nat_address_equal(&nat_resolv_get(wait->f->fake)->servers[0].address,
				 &wait->address);
}

static void
wait_for(Fixture *f, const char *address)
{
	Wait wait = { .f = f };
	guint told = f->told;

	nat_address_parse(address, &wait.address);
	g_assert_true(jf_harness_poll_until(fake_get_harness(f->fake), is_now, &wait, 10000));
	g_assert_cmpuint(f->told, >, told);
}

static void
test_changes(Fixture *f, gconstpointer data)
{
	g_autofree char *fresh = g_strconcat(f->target, ".new", NULL);
	guint told;

	(void)data;
	/* Written in place, replaced where the link leads, the link replaced by a file, the file by
	 * a link again, gone, and there again. */
	write_file(f->target, "192.0.2.2");
	wait_for(f, "192.0.2.2");
	write_file(fresh, "192.0.2.3");
	g_assert_cmpint(g_rename(fresh, f->target), ==, 0);
	wait_for(f, "192.0.2.3");
	write_file(f->target, "192.0.2.4");
	wait_for(f, "192.0.2.4");
	write_file(fresh, "192.0.2.5");
	g_assert_cmpint(g_rename(fresh, f->path), ==, 0);
	wait_for(f, "192.0.2.5");
	g_unlink(f->path);
	wait_for(f, "127.0.0.1");
	g_assert_cmpint(symlink(f->target, f->path), ==, 0);
	wait_for(f, "192.0.2.4");
	write_file(f->target, "192.0.2.6");
	wait_for(f, "192.0.2.6");
	/* The same again is no change. */
	told = f->told;
	write_file(f->target, "192.0.2.6");
	while (jf_harness_poll(fake_get_harness(f->fake), 20))
		;
	g_assert_cmpuint(f->told, ==, told);
}

/* Without watches it is read on use, once a second. */
static void
test_no_watch(Fixture *f, gconstpointer data)
{
	JfHarness *h = fake_get_harness(f->fake);
	NatConfig config = f->config;
	Fake *blind;

	(void)data;
	(void)h;
	config.resolv_conf = f->target;
	fake_break_watches(TRUE);
	blind = fake_new(&config, NULL);
	fake_break_watches(FALSE);
	g_assert_nonnull(blind);
	write_file(f->target, "192.0.2.7");
	g_assert_cmphex(nat_address_get_v4(&nat_resolv_get(blind)->servers[0].address), ==,
			0xc0000201);
	jf_harness_crank(fake_get_harness(blind), G_GUINT64_CONSTANT(1000000000));
	g_assert_cmphex(nat_address_get_v4(&nat_resolv_get(blind)->servers[0].address), ==,
			0xc0000207);
	fake_free(blind);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/resolv/parse", test_parse);
	g_test_add_func("/nat/resolv/empty", test_empty);
	g_test_add_func("/nat/resolv/limits", test_limits);
	g_test_add("/nat/resolv/changes", Fixture, NULL, setup, test_changes, teardown);
	g_test_add("/nat/resolv/no-watch", Fixture, NULL, setup, test_no_watch, teardown);
	return g_test_run();
}
