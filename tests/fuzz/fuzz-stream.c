/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-stream.c - a VMM that sends anything down the socket of the stream connector.
 *
 * The same bytes are read by a second, simple decoder: what the connector puts out are the first
 * frames of those, whole and in order, however the bytes are cut and whenever the cable refuses.
 * A frame that is too short to be one may be missing.
 */
#include "fuzz.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jackfield/harness.h"
#include "jackfield/util.h"

#define MOST_TURNS 100000u

typedef struct Vmm {
	JfHarness *h;
	int fd;
	JfReader wanted; /* what the connector has yet to put out */
} Vmm;

static JfHarness *
start_connector(const char *path)
{
	g_autofree char *property = g_strconcat("path=", path, NULL);
	const char *properties[] = { property, NULL };
	g_autoptr(GError) error = NULL;
	JfHarness *h = jf_harness_new(jf_plugin_query()->drivers[0], properties, &error);

	g_assert_no_error(error);
	jf_harness_init(h, &error);
	g_assert_no_error(error);
	jf_harness_start(h, &error);
	g_assert_no_error(error);
	return h;
}

static int
connect_vmm(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	g_assert_cmpint(fd, >=, 0);
	g_strlcpy(address.sun_path, path, sizeof address.sun_path);
	g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
	return fd;
}

/* The next frame that a decoder by the book finds. FALSE: there is none, or the stream is broken. */
static gboolean
next_wanted(JfReader *reader, const guint8 **frame, guint32 *len)
{
	*len = jf_reader_be32(reader);
	if (reader->failed || *len == 0)
		return FALSE;
	*frame = jf_reader_bytes(reader, *len);
	return !reader->failed;
}

static void
check_frame(Vmm *vmm, const JfHarnessFrame *out)
{
	const guint8 *frame;
	guint32 len;

	do {
		g_assert_true(next_wanted(&vmm->wanted, &frame, &len));
	} while (len < JF_FRAME_MIN_LEN);
	g_assert_cmpmem(out->data, out->len, frame, len);
}

/* One turn; FALSE: nothing happened. */
static gboolean
turn(Vmm *vmm)
{
	gboolean busy = jf_harness_poll(vmm->h, 0) > 0;
	JfHarnessFrame *out;

	while ((out = jf_harness_pull(vmm->h, 0))) {
		check_frame(vmm, out);
		jf_harness_frame_free(out);
		busy = TRUE;
	}
	return busy;
}

static void
feed(Vmm *vmm, const guint8 *data, gsize len, gsize chunk)
{
	guint turns = 0;

	while (len && turns++ < MOST_TURNS) {
		gssize sent = send(vmm->fd, data, MIN(len, chunk), MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			break;
		data += MAX(sent, 0);
		len -= (gsize)MAX(sent, 0);
		turn(vmm);
	}
	while (turn(vmm) && turns++ < MOST_TURNS)
		;
	g_assert_cmpuint(turns, <, MOST_TURNS);
}

static void
run(const char *path, FuzzInput *input)
{
	guint capacity = fuzz_byte(input) % 8, chunk = 1 + fuzz_byte(input) * 16u;
	guint8 reply[60] = { 0xff };
	Vmm vmm = { .h = start_connector(path), .fd = connect_vmm(path) };

	vmm.wanted = jf_reader(input->data, input->left);
	turn(&vmm);
	if (capacity)
		jf_harness_set_capacity(vmm.h, 0, capacity);
	feed(&vmm, input->data, input->left, chunk);
	jf_harness_push_bytes(vmm.h, 0, reply, sizeof reply);
	shutdown(vmm.fd, SHUT_WR);
	for (guint i = 0; i < 100 && turn(&vmm); i++)
		;
	g_assert_null(jf_harness_get_failure(vmm.h));
	g_assert_null(jf_harness_get_violation(vmm.h));
	jf_harness_free(vmm.h);
	close(vmm.fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	g_autofree char *dir = g_dir_make_tmp("jackfield-fuzz-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "socket", NULL);
	FuzzInput input = { data, len };

	run(path, &input);
	g_unlink(path);
	g_rmdir(dir);
	return 0;
}
