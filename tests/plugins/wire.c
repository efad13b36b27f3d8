/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire.c - what the tests of connectors, attachments and filters share. */
#include "wire.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *plugin_path;

void
wire_init(int *argc, char ***argv)
{
	g_test_init(argc, argv, NULL);
	g_assert_cmpint(*argc, ==, 2);
	plugin_path = (*argv)[1];
}

static JfHarness *
wire_new(const char *const *properties)
{
	g_autoptr(GError) error = NULL;
	const JfDriver *driver = jf_harness_load(plugin_path, NULL, &error);
	JfHarness *h;

	g_assert_no_error(error);
	h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	return h;
}

JfHarness *
wire_start(const char *const *properties)
{
	g_autoptr(GError) error = NULL;
	JfHarness *h = wire_new(properties);

	jf_harness_init(h, &error);
	g_assert_no_error(error);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	return h;
}

void
wire_start_fails(const char *const *properties, JfErrorCode code, const char *word)
{
	g_autoptr(GError) error = NULL;
	JfHarness *h = wire_new(properties);

	if (jf_harness_init(h, &error))
		g_assert_false(jf_harness_start(h, &error));
	g_assert_error(error, JF_ERROR, (int)code);
	g_assert_nonnull(strstr(error->message, word));
	wire_stop(h);
}

void
wire_stop(JfHarness *h)
{
	jf_harness_stop(h);
	g_assert_cmpuint(jf_harness_get_leftovers(h), ==, 0);
	g_assert_cmpstr(jf_harness_get_violation(h), ==, NULL);
	jf_harness_free(h);
}

guint64
wire_counter(JfHarness *h, const char *name)
{
	gboolean found;
	guint64 value = jf_harness_get_counter(h, name, &found);

	g_assert_true(found);
	return value;
}

char *
wire_tmp_new(void)
{
	g_autoptr(GError) error = NULL;
	char *dir = g_dir_make_tmp("jackfield-XXXXXX", &error);

	g_assert_no_error(error);
	return dir;
}

void
wire_tmp_free(char *dir)
{
	g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(entries))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		g_remove(path);
	}
	g_assert_cmpint(g_rmdir(dir), ==, 0);
	g_free(dir);
}

guint32
wire_random(guint64 *state)
{
	*state = *state * G_GUINT64_CONSTANT(6364136223846793005) + 1442695040888963407;
	return (guint32)(*state >> 33);
}

void
wire_frame_fill(guint8 *frame, guint32 len, guint32 seq)
{
	guint32 word = seq * 2654435761u + len;

	for (guint32 i = 0; i < len; i++) {
		frame[i] = (guint8)(word >> 24);
		word = word * 1664525 + 1013904223;
	}
	/* Never a group address as the source. */
	if (len > 6)
		frame[6] &= 0xfe;
	if (len >= 18)
		jf_put_be32(frame + 14, seq);
}

gboolean
wire_frame_is(const guint8 *frame, guint32 len, guint32 seq)
{
	static guint8 wanted[JF_FRAME_MAX_LEN];

	wire_frame_fill(wanted, len, seq);
	return !memcmp(frame, wanted, len);
}

guint32
wire_frame_len(guint32 seq)
{
	guint64 state = seq;
	guint32 kind, any;

	wire_random(&state);
	kind = wire_random(&state) % 1000;
	any = wire_random(&state);
	if (kind < 3)
		return 18 + any % (JF_FRAME_MAX_LEN - 17);
	return 18 + any % (kind < 600 ? 100 : 1500);
}

gboolean
wire_push(JfHarness *h, guint port, guint32 len, guint32 seq)
{
	g_autofree guint8 *frame = g_malloc(len);

	wire_frame_fill(frame, len, seq);
	return jf_harness_push_bytes(h, port, frame, len);
}

typedef struct Wait {
	const char *name;
	guint64 value;
	guint port;
	gboolean up;
} Wait;

static gboolean
wait_queued(JfHarness *h, gpointer data)
{
	const Wait *wait = data;

	return jf_harness_get_queued(h, wait->port) >= wait->value;
}

static gboolean
wait_counter(JfHarness *h, gpointer data)
{
	const Wait *wait = data;

	return wire_counter(h, wait->name) >= wait->value;
}

static gboolean
wait_link(JfHarness *h, gpointer data)
{
	const Wait *wait = data;

	return jf_harness_get_link(h, 0) == wait->up;
}

void
wire_wait_queued(JfHarness *h, guint port, guint frames)
{
	Wait wait = { .port = port, .value = frames };

	g_assert_true(jf_harness_poll_until(h, wait_queued, &wait, WIRE_TIMEOUT_MS));
}

void
wire_wait_counter(JfHarness *h, const char *name, guint64 value)
{
	Wait wait = { .name = name, .value = value };

	g_assert_true(jf_harness_poll_until(h, wait_counter, &wait, WIRE_TIMEOUT_MS));
}

void
wire_wait_link(JfHarness *h, gboolean up)
{
	Wait wait = { .up = up };

	g_assert_true(jf_harness_poll_until(h, wait_link, &wait, WIRE_TIMEOUT_MS));
}

void
wire_expect(JfHarness *h, guint port, guint32 len, guint32 seq)
{
	g_autoptr(JfHarnessFrame) frame = NULL;

	wire_wait_queued(h, port, 1);
	frame = jf_harness_pull(h, port);
	g_assert_cmpuint(frame->len, ==, len);
	g_assert_true(wire_frame_is(frame->data, len, seq));
}

guint
wire_free_port(int type)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof any;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&any, len), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&any, &len), ==, 0);
	close(fd);
	return ntohs(any.sin_port);
}
