/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfio-user-client.c - a small client of the vfio-user protocol, with a card to talk to. */
#include "vfio-user-client.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit/probe-model.h"

typedef struct Header {
	guint16 id, command;
	guint32 size, flags, error;
} Header;

/* ---- The cards ---- */

static void
on_log(GLogLevelFlags level, const char *origin, const char *message, gpointer data)
{
	VuHost *host = data;

	(void)level;
	g_string_append_printf(host->log, "%s: %s\n", origin, message);
}

static const JfContextEvents events = { .struct_size = sizeof events, .log = on_log };

void
vu_host_init(VuHost *host, const char *plugin)
{
	g_autoptr(GError) error = NULL;

	host->log = g_string_new(NULL);
	host->dir = g_dir_make_tmp("jackfield-test-XXXXXX", &error);
	g_assert_no_error(error);
	host->context = jf_context_new(&events, host);
	g_assert_true(jf_context_load_plugin(host->context, plugin, &error));
	g_assert_no_error(error);
	g_assert_true(jf_context_add_driver(host->context, &probe_null_driver, NULL));
	g_assert_true(jf_context_add_driver(host->context, &probe_model_driver, NULL));
	host->worker = jf_worker_new_nested(host->context, &error);
	g_assert_no_error(error);
}

void
vu_host_finish(VuHost *host)
{
	jf_worker_free(host->worker);
	jf_context_free(host->context);
	g_assert_cmpint(g_rmdir(host->dir), ==, 0);
	g_free(host->dir);
	g_string_free(host->log, TRUE);
}

char *
vu_host_path(const VuHost *host, guint slot)
{
	return g_strdup_printf("%s/%u.sock", host->dir, slot);
}

JfCard *
vu_host_card(VuHost *host, guint slot, const char *more)
{
	g_autofree char *path = vu_host_path(host, slot);
	g_autofree char *property = g_strconcat("path=", path, NULL);
	const char *properties[] = { property, more, NULL };
	g_autoptr(GError) error = NULL;
	JfCardConfig config = {
		.struct_size = sizeof config,
		.slot = slot,
		.machine = "web",
		.mac = { 8, 0, 0x27, 1, 2, 3 },
		.cable_connected = TRUE,
		.connector = "vfio-user",
		.connector_properties = properties,
		.model = "probe",
		.worker = host->worker,
	};
	JfCard *card = jf_card_new(host->context, &config, &error);

	g_assert_no_error(error);
	g_assert_true(jf_card_start(card, &error));
	return card;
}

void
vu_host_turn(VuHost *host)
{
	jf_worker_dispatch(host->worker);
}

typedef struct Wanted {
	const char *name;
	guint64 value;
} Wanted;

static void
on_counter(const char *driver, const char *counter, guint64 value, gpointer data)
{
	Wanted *wanted = data;

	if (strcmp(driver, "vfio-user") == 0 && strcmp(counter, wanted->name) == 0)
		wanted->value = value;
}

guint64
vu_host_counter(JfCard *card, const char *name)
{
	Wanted wanted = { .name = name };

	jf_card_list_counters(card, on_counter, &wanted);
	return wanted.value;
}

/* ---- Messages ---- */

void
vu_client_connect(VuClient *client, VuHost *host, guint slot)
{
	g_autofree char *path = vu_host_path(host, slot);
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	*client = (VuClient){ .host = host };
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_strlcpy(un.sun_path, path, sizeof un.sun_path);
	g_assert_cmpint(connect(client->fd, (struct sockaddr *)&un, sizeof un), ==, 0);
}

void
vu_client_close(VuClient *client)
{
	close(client->fd);
	client->fd = -1;
}

void
vu_client_open(VuClient *client, VuHost *host, guint slot)
{
	static const char hello[4 + sizeof "{\"capabilities\":{\"max_msg_fds\":16,"
					   "\"max_data_xfer_size\":1048576,"
					   "\"write_multiple\":true,\"pgsizes\":4096}}"] = { 0 };

	vu_client_connect(client, host, slot);
	g_assert_cmpuint(vu_client_call(client, VU_VERSION, hello, sizeof hello, NULL, 0), ==, 0);
}

gboolean
vu_client_send_raw(VuClient *client, gconstpointer data, gsize len, const int *fds, guint n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec piece = { (gpointer)data, len };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	gint64 end = g_get_monotonic_time() + VU_TIMEOUT_US;

	if (n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		*CMSG_FIRSTHDR(&message) =
			(struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, n_fds * sizeof(int));
	}
	while (piece.iov_len > 0) {
		ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN)
			return FALSE;
		if (sent > 0) {
			piece.iov_base = (char *)piece.iov_base + sent;
			piece.iov_len -= (gsize)sent;
			message.msg_controllen = 0;
		}
		if (piece.iov_len > 0)
			vu_host_turn(client->host);
		g_assert_cmpint(g_get_monotonic_time(), <, end);
	}
	return TRUE;
}

void
vu_client_send(VuClient *client, guint16 command, guint32 flags, gconstpointer body, gsize len,
	       const int *fds, guint n_fds)
{
	g_autofree guint8 *bytes = g_malloc(sizeof(Header) + len);
	Header header = { ++client->id, command, (guint32)(sizeof header + len), flags, 0 };

	memcpy(bytes, &header, sizeof header);
	if (len > 0)
		memcpy(bytes + sizeof header, body, len);
	g_assert_true(vu_client_send_raw(client, bytes, sizeof header + len, fds, n_fds));
}

static void
receive(VuClient *client, gpointer data, gsize len)
{
	gint64 end = g_get_monotonic_time() + VU_TIMEOUT_US;
	guint8 *to = data;

	while (len > 0) {
		ssize_t got = recv(client->fd, to, len, MSG_DONTWAIT);

		g_assert_cmpint(g_get_monotonic_time(), <, end);
		if (got < 0 && errno == EAGAIN) {
			vu_host_turn(client->host);
			continue;
		}
		g_assert_cmpint(got, >, 0);
		to += got;
		len -= (gsize)got;
	}
}

guint32
vu_client_wait(VuClient *client, guint16 id, guint16 command, gpointer body, gsize len, gsize *got)
{
	g_autofree guint8 *rest = NULL;
	Header header;
	gsize left;

	receive(client, &header, sizeof header);
	g_assert_cmpuint(header.id, ==, id);
	g_assert_cmpuint(header.command, ==, command);
	g_assert_cmphex(header.flags & 0x0f, ==, 1);
	g_assert_true((header.error != 0) == ((header.flags & 0x20) != 0));
	g_assert_cmpuint(header.size, >=, sizeof header);
	left = header.size - sizeof header;
	rest = g_malloc(left + 1);
	receive(client, rest, left);
	if (body)
		memcpy(body, rest, MIN(len, left));
	if (got)
		*got = left;
	return header.error;
}

guint32
vu_client_call(VuClient *client, guint16 command, gconstpointer body, gsize len, const int *fds,
	       guint n_fds)
{
	vu_client_send(client, command, 0, body, len, fds, n_fds);
	return vu_client_wait(client, client->id, command, NULL, 0, NULL);
}

void
vu_client_expect_gone(VuClient *client)
{
	gint64 end = g_get_monotonic_time() + VU_TIMEOUT_US;
	char bytes[4096];

	for (;;) {
		ssize_t got = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno == ECONNRESET))
			break;
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		vu_host_turn(client->host);
	}
	vu_client_close(client);
}

/* ---- Bodies ---- */

guint32
vu_client_map(VuClient *client, guint64 address, guint64 size, guint32 flags, int fd,
	      guint64 offset)
{
	struct {
		guint32 argsz, flags;
		guint64 offset, address, size;
	} body = { sizeof body, flags, offset, address, size };

	return vu_client_call(client, VU_DMA_MAP, &body, sizeof body, &fd, fd >= 0);
}

guint32
vu_client_unmap(VuClient *client, guint64 address, guint64 size, guint32 flags)
{
	struct {
		guint32 argsz, flags;
		guint64 address, size;
	} body = { sizeof body, flags, address, size };

	return vu_client_call(client, VU_DMA_UNMAP, &body, sizeof body, NULL, 0);
}

typedef struct Access {
	guint64 offset;
	guint32 region, count;
	guint64 value;
} Access;

guint64
vu_client_read(VuClient *client, guint32 region, guint64 offset, guint32 size)
{
	Access access = { offset, region, size, 0 };
	guint32 error;

	vu_client_send(client, VU_REGION_READ, 0, &access, 16, NULL, 0);
	error = vu_client_wait(client, client->id, VU_REGION_READ, &access, sizeof access, NULL);
	g_assert_cmpuint(error, ==, 0);
	g_assert_cmpuint(access.count, ==, size);
	return access.value;
}

guint32
vu_client_write(VuClient *client, guint32 region, guint64 offset, guint32 size, guint64 value)
{
	Access access = { offset, region, size, value };

	return vu_client_call(client, VU_REGION_WRITE, &access, 16 + size, NULL, 0);
}

void
vu_client_post(VuClient *client, guint32 region, guint64 offset, guint32 size, guint64 value)
{
	Access access = { offset, region, size, value };

	vu_client_send(client, VU_REGION_WRITE, VU_NO_REPLY, &access, 16 + size, NULL, 0);
}

guint32
vu_client_irqs(VuClient *client, guint32 index, guint32 flags, guint32 start, guint32 count,
	       const int *fds, guint n_fds)
{
	const guint32 body[5] = { sizeof body, flags, index, start, count };

	return vu_client_call(client, VU_SET_IRQS, body, sizeof body, fds, n_fds);
}
