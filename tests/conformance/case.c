/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* case.c - instances of the driver under test, and what must not stay behind. */
#include "conformance.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUEST_MEMORY (1u << 17)

static guint
count_entries(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	guint n = 0;

	g_assert_nonnull(dir);
	while (g_dir_read_name(dir))
		n++;
	g_dir_close(dir);
	return n;
}

/* A port that is free for UDP and TCP on the loopback right now. */
static guint16
free_port(void)
{
	for (guint tries = 0; tries < 100; tries++) {
		struct sockaddr_in address = { .sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof address;
		int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		gboolean ok;

		g_assert_cmpint(udp, >=, 0);
		g_assert_cmpint(tcp, >=, 0);
		ok = bind(udp, (struct sockaddr *)&address, len) == 0 &&
		     getsockname(udp, (struct sockaddr *)&address, &len) == 0 &&
		     bind(tcp, (struct sockaddr *)&address, len) == 0;
		close(udp);
		close(tcp);
		if (ok)
			return ntohs(address.sin_port);
	}
	g_error("no free port on the loopback");
}

Case *
case_new(const Subject *subject)
{
	Case *c = g_new0(Case, 1);

	c->subject = subject;
	c->tmp = g_dir_make_tmp("jackfield-conformance-XXXXXX", NULL);
	g_assert_nonnull(c->tmp);
	for (guint i = 0; i < CASE_PORTS; i++)
		c->ports[i] = free_port();
	c->fds = count_entries("/proc/self/fd");
	c->threads = count_entries("/proc/self/task");
	return c;
}

static void
remove_tree(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *child = g_build_filename(path, name, NULL);

		if (g_file_test(child, G_FILE_TEST_IS_DIR) &&
		    !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
			remove_tree(child);
		else
			g_unlink(child);
	}
	g_clear_pointer(&dir, g_dir_close);
	g_rmdir(path);
}

/* A thread that was joined may be listed for a moment longer. */
static void
wait_for_threads(guint threads)
{
	gint64 end = g_get_monotonic_time() + DEADLINE_MS * 1000;

	while (count_entries("/proc/self/task") > threads && g_get_monotonic_time() < end)
		g_thread_yield();
	g_assert_cmpuint(count_entries("/proc/self/task"), <=, threads);
}

void
case_free(Case *c)
{
	wait_for_threads(c->threads);
	g_assert_cmpuint(count_entries("/proc/self/fd"), ==, c->fds);
	remove_tree(c->tmp);
	g_free(c->tmp);
	g_free(c);
}

static char *
expand(Case *c, const char *argument)
{
	GString *text = g_string_new(argument);

	g_string_replace(text, "@TMP@", c->tmp, 0);
	for (guint i = 0; i < CASE_PORTS; i++) {
		g_autofree char *word = g_strdup_printf("@PORT%u@", i + 1);
		g_autofree char *port = g_strdup_printf("%u", c->ports[i]);

		g_string_replace(text, word, port, 0);
	}
	return g_string_free(text, FALSE);
}

static gboolean
same_key(const char *a, const char *b)
{
	gsize len = strcspn(a, "=");

	return len == strcspn(b, "=") && g_ascii_strncasecmp(a, b, len) == 0;
}

char **
case_arguments(Case *c, gboolean peer, const char *more)
{
	const char *const *arguments = peer ? c->subject->peer_arguments : c->subject->arguments;
	GPtrArray *all = g_ptr_array_new();

	for (guint i = 0; arguments && arguments[i]; i++)
		if (!more || !same_key(arguments[i], more))
			g_ptr_array_add(all, expand(c, arguments[i]));
	if (more)
		g_ptr_array_add(all, g_strdup(more));
	g_ptr_array_add(all, NULL);
	return (char **)g_ptr_array_free(all, FALSE);
}

/* Small numbers, so that some of it looks like addresses and lengths. */
static void
fill_memory(guint8 *memory)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(3);

	for (gsize i = 0; i < GUEST_MEMORY; i++)
		memory[i] = g_rand_int(rand) % 3 ? 0 : (guint8)g_rand_int(rand);
}

JfHarness *
case_make(Case *c, gboolean peer)
{
	g_auto(GStrv) arguments = case_arguments(c, peer, NULL);
	JfCardInfo card = { .struct_size = sizeof card,
			    .slot = peer,
			    .mac = { 0x08, 0x00, 0x27, 0x00, 0x00, peer ? 2 : 1 },
			    .machine = peer ? "second" : "first",
			    .config_dir = c->tmp,
			    .runtime_dir = c->tmp };
	g_autoptr(GError) error = NULL;
	JfHarness *h = jf_harness_new(c->subject->driver, (const char *const *)arguments, &error);

	g_assert_no_error(error);
	jf_harness_set_card(h, &card);
	if (c->subject->driver->kind == JF_KIND_MODEL) {
		fill_memory(jf_harness_add_memory(h, 0, GUEST_MEMORY, TRUE));
		jf_harness_add_memory(h, GUEST_MEMORY, 1 << 16, FALSE);
	}
	return h;
}

JfHarness *
case_start(Case *c, gboolean peer)
{
	JfHarness *h = case_make(c, peer);
	g_autoptr(GError) error = NULL;

	jf_harness_init(h, &error);
	g_assert_no_error(error);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	return h;
}

void
check_clean(JfHarness *h)
{
	const char *violation = jf_harness_get_violation(h);

	if (violation)
		g_error("%s breaks the contract: %s", jf_harness_get_instance(h)->driver->id,
			violation);
}

void
case_end(JfHarness *h)
{
	jf_harness_finish(h);
	check_clean(h);
	jf_harness_free(h);
}

gboolean
error_is_proper(const GError *error)
{
	return error && error->domain == JF_ERROR && error->code >= 0 &&
	       error->code <= JF_ERROR_ABI && error->message && strlen(error->message) > 3;
}

void
add_case(const Subject *subject, const char *name, GTestDataFunc func)
{
	g_autofree char *path = g_strdup_printf("/%s/%s", subject->driver->id, name);

	g_test_add_data_func(path, subject, func);
}
