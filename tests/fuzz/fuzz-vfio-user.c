/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-vfio-user.c - a client of the vfio-user connector that sends any bytes, messages of any kind
 * with descriptors of any kind, memory that it cuts short, and comes and goes. Whatever it does, the
 * next client finds a device.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit/probe-model.h"
#include "jackfield/vmm.h"

#define RAM_LEN 0x8000u
#define MOST_OPS 200u
#define KINDS 4u

typedef struct Client {
	JfContext *context;
	JfWorker *worker;
	JfCard *card;
	int fd;
	int kinds[KINDS]; /* descriptors to send: memory, eventfd, pipe, file */
	guint16 id;
} Client;

static char path[108];

static void
make_path(void)
{
	g_autofree char *dir = g_dir_make_tmp("jackfield-fuzz-XXXXXX", NULL);

	g_snprintf(path, sizeof path, "%s/s", dir);
}

static void
make_card(Client *c)
{
	g_autofree char *property = g_strconcat("path=", path, NULL);
	const char *properties[] = { property, NULL };
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "fuzz",
				.cable_connected = TRUE,
				.connector = "vfio-user",
				.connector_properties = properties,
				.model = "probe" };

	c->context = jf_context_new(NULL, NULL);
	jf_context_add_driver(c->context, &probe_null_driver, NULL);
	jf_context_add_driver(c->context, &probe_model_driver, NULL);
	jf_context_add_driver(c->context, jf_plugin_query()->drivers[0], NULL);
	config.worker = c->worker = jf_worker_new_nested(c->context, NULL);
	c->card = jf_card_new(c->context, &config, &error);
	g_assert_no_error(error);
	g_assert_true(jf_card_start(c->card, NULL));
}

static void
client_connect(Client *c)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (c->fd >= 0)
		close(c->fd);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(un.sun_path, path, sizeof un.sun_path);
	/* The listener's backlog fills up while its worker is not given its turn. */
	while (connect(c->fd, (struct sockaddr *)&un, sizeof un) != 0) {
		g_assert_cmpint(errno, ==, EAGAIN);
		jf_worker_dispatch(c->worker);
	}
}

/* `fds`: two bits for each of up to n_fds. */
static void
client_send(Client *c, gconstpointer data, gsize len, guint n_fds, guint fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(20 * sizeof(int))];
	} control = { 0 };
	struct iovec piece = { (gpointer)data, len };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (n_fds > 0) {
		int *at;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		*CMSG_FIRSTHDR(&message) =
			(struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS };
		at = (int *)CMSG_DATA(CMSG_FIRSTHDR(&message));
		for (guint i = 0; i < n_fds; i++)
			at[i] = c->kinds[fds >> (2 * i % 8) & 3];
	}
	if (len > 0 && sendmsg(c->fd, &message, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		client_connect(c);
}

static void
client_message(Client *c, guint command, guint32 flags, gconstpointer body, gsize len, guint n_fds,
	       guint fds)
{
	guint8 bytes[16 + 512];
	guint32 size = (guint32)(16 + len);

	memset(bytes, 0, 16);
	memcpy(bytes, &(guint16){ ++c->id }, 2);
	bytes[2] = (guint8)command;
	memcpy(bytes + 4, &size, 4);
	memcpy(bytes + 8, &flags, 4);
	if (len > 0)
		memcpy(bytes + 16, body, len);
	client_send(c, bytes, 16 + len, n_fds, fds);
}

static void
client_map(Client *c, FuzzInput *input)
{
	struct {
		guint32 argsz, flags;
		guint64 offset, address, size;
	} map = { sizeof map, 1 + fuzz_byte(input) % 3, (fuzz_byte(input) % 8) * 4096ull,
		  fuzz_byte(input) * 4096ull, (1 + fuzz_byte(input) % 9) * 4096ull };

	client_message(c, 2, 0, &map, sizeof map, fuzz_byte(input) % 3, fuzz_byte(input));
}

/* A register of the model's, that it does DMA by among others. */
static void
client_register(Client *c, FuzzInput *input)
{
	static const guint16 registers[] = { PROBE_IRQ,   PROBE_MSIX,   PROBE_ADDRESS, PROBE_READ,
					     PROBE_WRITE, PROBE_BUFFER, 0x52,          4 };
	guint which = fuzz_byte(input) % 8;
	struct {
		guint64 offset;
		guint32 region, count;
		guint64 value;
	} access = { registers[which], which >= 6 ? 7 : 0,
		     which == 2   ? 8
		     : which >= 6 ? 2
				  : 4,
		     (guint64)fuzz_word(input) << (which == 2 ? 4 : 0) };

	client_message(c, 10, fuzz_byte(input) & 1 ? 0x10 : 0, &access, 16 + access.count, 0, 0);
}

static void
client_irqs(Client *c, FuzzInput *input)
{
	guint32 body[5] = { sizeof body, fuzz_byte(input), fuzz_byte(input) % 6,
			    fuzz_byte(input) % 6, fuzz_byte(input) % 6 };

	client_message(c, 8, 0, body, sizeof body, fuzz_byte(input) % 6, fuzz_byte(input));
}

static void
client_any(Client *c, FuzzInput *input)
{
	guint command = fuzz_byte(input) % 20;
	guint32 flags = fuzz_byte(input);
	gsize len = fuzz_byte(input) % 64, got;
	guint8 body[64] = { 0 };
	const guint8 *bytes = fuzz_bytes(input, len, &got);

	if (got > 0)
		memcpy(body, bytes, got);
	client_message(c, command, flags & 0x3f, body, len, fuzz_byte(input) % 20,
		       fuzz_byte(input));
}

static void
client_hello(Client *c)
{
	static const guint8 hello[100];

	client_message(c, 1, 0, hello, sizeof hello, 0, 0);
}

static void
client_read(Client *c)
{
	char bytes[65536];

	while (recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

static void
step(Client *c, FuzzInput *input)
{
	const guint8 *bytes;
	gsize n;

	switch (fuzz_byte(input) % 12) {
	case 0:
		bytes = fuzz_bytes(input, fuzz_byte(input), &n);
		client_send(c, bytes, n, 0, 0);
		break;
	case 1:
	case 2:
		client_any(c, input);
		break;
	case 3:
	case 4:
		client_map(c, input);
		break;
	case 5:
	case 6:
		client_register(c, input);
		break;
	case 7:
		client_irqs(c, input);
		break;
	case 8:
		client_read(c);
		break;
	case 9:
		if (fuzz_byte(input) % 4 == 0)
			client_connect(c);
		client_hello(c);
		break;
	case 10:
		g_assert_cmpint(ftruncate(c->kinds[0], fuzz_byte(input) % 10 * 4096), ==, 0);
		break;
	default:
		jf_worker_dispatch(c->worker);
		break;
	}
}

/* The card answers a client that behaves. */
static void
check_alive(Client *c)
{
	guint32 read[4] = { 0, 0, 7, 4 };
	guint8 reply[200];
	ssize_t got;

	client_connect(c);
	client_hello(c);
	client_message(c, 9, 0, read, sizeof read, 0, 0);
	for (guint i = 0; i < 10; i++)
		jf_worker_dispatch(c->worker);
	got = recv(c->fd, reply, sizeof reply, MSG_DONTWAIT);
	g_assert_cmpint(got, >=, 36);
	g_assert_cmphex(reply[got - 4] | reply[got - 3] << 8, ==, 0x1af4);
}

static void
open_kinds(Client *c)
{
	int pipes[2];

	c->kinds[0] = memfd_create("ram", MFD_CLOEXEC);
	g_assert_cmpint(ftruncate(c->kinds[0], RAM_LEN), ==, 0);
	c->kinds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g_assert_cmpint(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), ==, 0);
	close(pipes[0]);
	c->kinds[2] = pipes[1];
	c->kinds[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	Client c = { .fd = -1 };

	if (path[0] == '\0')
		make_path();
	g_assert_true(jf_guard_shared_memory(NULL));
	open_kinds(&c);
	make_card(&c);
	client_connect(&c);
	client_hello(&c);
	for (guint i = 0; input.left > 0 && i < MOST_OPS; i++)
		step(&c, &input);
	jf_worker_dispatch(c.worker);
	check_alive(&c);
	close(c.fd);
	jf_card_free(c.card);
	jf_worker_free(c.worker);
	jf_context_free(c.context);
	for (guint i = 0; i < KINDS; i++)
		close(c.kinds[i]);
	return 0;
}
