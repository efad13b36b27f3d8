/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ports.c - cards of other programs on the daemon's networks.
 *
 * A program that embeds libjackfield connects to a socket of its user's and says which network it
 * wants (uplink-wire.h). It gets a card of model virtio, whose connector is vhost-user over that same
 * connection; the card fails when the program goes, and then it is dropped here.
 */
#include "ports.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "card-run.h"
#include "jackfield/socket.h"
#include "networks.h"
#include "uplink-wire.h"

#define ASK_SECONDS 5u
#define RETRY_MS 500u
/* Who has not asked yet; what is more waits in the socket's queue. */
#define ASKERS_MAX 64u

typedef struct Asker {
	Ports *ports;
	int fd;
	guint source_id, timeout_id;
	gsize have;
	JfUplinkRequest request;
} Asker;

typedef struct Port {
	CardRun *run;
	JfWorker *worker;
	NetworkUse *use; /* NULL: the network has no services */
	char *name;
} Port;

struct Ports {
	Daemon *daemon;
	JfSocketFile file;
	int listener;
	guint source_id;
	GPtrArray *askers, *ports;
};

/* ---- A port ---- */

static void
port_free(Ports *ports, Port *port)
{
	card_run_free(port->run);
	networks_give(ports->daemon->networks, port->use);
	if (port->worker)
		workers_give(ports->daemon->workers, port->worker);
	g_free(port->name);
	g_free(port);
}

static char **
strv_of(char *string)
{
	char **strings = g_new0(char *, 2);

	strings[0] = string;
	return strings;
}

static CardPlan *
port_plan(const JfUplinkRequest *request, int fd)
{
	CardPlan *plan = g_new0(CardPlan, 1);

	memcpy(plan->mac, request->mac, sizeof plan->mac);
	plan->promiscuous = request->promiscuous;
	plan->cable_connected = TRUE;
	plan->attachment = g_strdup(request->driver);
	plan->attachment_properties = strv_of(g_strconcat("network=", request->network, NULL));
	plan->model = g_strdup("virtio");
	plan->connector = g_strdup("vhost-user");
	plan->connector_properties = strv_of(g_strdup_printf("fd=%d", fd));
	plan->forwards = g_ptr_array_new();
	return plan;
}

static gboolean
port_start(Ports *ports, Port *port, const JfUplinkRequest *request, int fd, GError **error)
{
	Daemon *daemon = ports->daemon;
	g_autoptr(CardPlan) plan = port_plan(request, fd);
	CardPlace place = { .machine = request->name,
			    .config_dir = daemon->config_dir,
			    .runtime_dir = daemon->runtime_dir,
			    .short_id = "port" };

	if (!networks_take(daemon->networks, plan, &port->use, error))
		return FALSE;
	port->worker = workers_take(daemon->workers, error);
	if (port->worker)
		port->run = card_run_new(daemon->context, port->worker, &place, &plan, error);
	return port->run != NULL;
}

static gboolean
text_is_whole(const char *text, gsize size)
{
	return *text && memchr(text, '\0', size) && g_utf8_validate(text, -1, NULL);
}

static gboolean
request_check(const JfUplinkRequest *request, GError **error)
{
	const char *bad = NULL;

	if (memcmp(request->magic, JF_UPLINK_MAGIC, sizeof request->magic) != 0)
		bad = "it is of another version than jackfieldd";
	else if (!text_is_whole(request->driver, sizeof request->driver) ||
		 !text_is_whole(request->network, sizeof request->network) ||
		 !text_is_whole(request->name, sizeof request->name))
		bad = "a text is empty, without its end, or no UTF-8";
	else if (request->promiscuous > JF_PROMISC_ALLOW_ALL || (request->mac[0] & 1))
		bad = "its policy or address is none";
	if (bad)
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "Request for a network: %s", bad);
	return !bad;
}

static gboolean
ports_add(Ports *ports, const JfUplinkRequest *request, int fd, GError **error)
{
	Port *port;

	if (!request_check(request, error))
		return FALSE;
	port = g_new0(Port, 1);
	port->name = g_strdup(request->name);
	if (!port_start(ports, port, request, fd, error)) {
		port_free(ports, port);
		return FALSE;
	}
	g_ptr_array_add(ports->ports, port);
	g_message("%s is on network %s", request->name, request->network);
	return TRUE;
}

void
ports_poll(Ports *ports)
{
	guint i;

	for (i = ports ? ports->ports->len : 0; i-- > 0;) {
		Port *port = g_ptr_array_index(ports->ports, i);

		card_run_poll(port->run);
		if (!card_run_get_error(port->run))
			continue;
		g_message("%s is off its network: %s", port->name, card_run_get_error(port->run));
		g_ptr_array_remove_index_fast(ports->ports, i);
		port_free(ports, port);
	}
}

gboolean
ports_is_idle(const Ports *ports)
{
	return ports->ports->len == 0 && ports->askers->len == 0;
}

/* ---- Who asks ---- */

static void
asker_free(gpointer data)
{
	Asker *asker = data;

	if (asker->source_id)
		g_source_remove(asker->source_id);
	g_source_remove(asker->timeout_id);
	close(asker->fd);
	g_free(asker);
}

static void
asker_answer(Asker *asker)
{
	JfUplinkReply reply = { .magic = JF_UPLINK_MAGIC };
	g_autoptr(GError) error = NULL;

	if (!ports_add(asker->ports, &asker->request, asker->fd, &error)) {
		g_message("Refused a card of another program: %s", error->message);
		reply.refused = TRUE;
		g_strlcpy(reply.message, error->message, sizeof reply.message);
	}
	/* Who does not read it goes, and is noticed like any other that went. */
	if (send(asker->fd, &reply, sizeof reply, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		g_message("%s: %s", asker->request.name, g_strerror(errno));
}

static gboolean
asker_ready(int fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
	Asker *asker = data;
	ssize_t n = recv(fd, (char *)&asker->request + asker->have,
			 sizeof asker->request - asker->have, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n > 0) {
		asker->have += (gsize)n;
		if (asker->have < sizeof asker->request)
			return G_SOURCE_CONTINUE;
		asker_answer(asker);
	}
	asker->source_id = 0;
	g_ptr_array_remove_fast(asker->ports->askers, asker);
	return G_SOURCE_REMOVE;
}

static gboolean
asker_late(gpointer data)
{
	Asker *asker = data;

	g_ptr_array_remove_fast(asker->ports->askers, asker);
	return G_SOURCE_CONTINUE;
}

/* ---- Listening ---- */

static void ports_listen(Ports *ports);

static gboolean
ports_listen_again(gpointer data)
{
	Ports *ports = data;

	ports->source_id = 0;
	ports_listen(ports);
	return G_SOURCE_REMOVE;
}

static gboolean
ports_ready(int listener, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
	Ports *ports = data;
	int fd = -1;

	errno = EMFILE;
	if (ports->askers->len < ASKERS_MAX)
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0 && jf_socket_is_own(fd)) {
		Asker *asker = g_new0(Asker, 1);

		asker->ports = ports;
		asker->fd = fd;
		asker->source_id = g_unix_fd_add(fd, G_IO_IN, asker_ready, asker);
		asker->timeout_id = g_timeout_add_seconds(ASK_SECONDS, asker_late, asker);
		g_ptr_array_add(ports->askers, asker);
		return G_SOURCE_CONTINUE;
	}
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
		return G_SOURCE_CONTINUE;
	/* Out of descriptors, say: it would be reported for ever. */
	ports->source_id = g_timeout_add(RETRY_MS, ports_listen_again, ports);
	return G_SOURCE_REMOVE;
}

static void
ports_listen(Ports *ports)
{
	ports->source_id = g_unix_fd_add(ports->listener, G_IO_IN, ports_ready, ports);
}

Ports *
ports_new(Daemon *daemon, GError **error)
{
	g_autofree char *path = g_build_filename(daemon->runtime_dir, JF_UPLINK_SOCKET, NULL);
	Ports *ports = g_new0(Ports, 1);

	ports->daemon = daemon;
	ports->listener = jf_socket_listen(path, SOCK_STREAM, &ports->file, error);
	if (ports->listener < 0) {
		g_free(ports);
		return NULL;
	}
	ports->askers = g_ptr_array_new_with_free_func(asker_free);
	ports->ports = g_ptr_array_new();
	ports_listen(ports);
	return ports;
}

void
ports_free(Ports *ports)
{
	guint i;

	if (!ports)
		return;
	g_source_remove(ports->source_id);
	jf_socket_unlink(&ports->file);
	close(ports->listener);
	g_ptr_array_unref(ports->askers);
	for (i = 0; i < ports->ports->len; i++)
		port_free(ports, g_ptr_array_index(ports->ports, i));
	g_ptr_array_unref(ports->ports);
	g_free(ports);
}
