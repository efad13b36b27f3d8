/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user.c - connector to a VMM that speaks vfio-user: the card's model as a PCI device of the
 * VMM's machine.
 *
 * One client at a time. When it goes, its memory is unmapped, its eventfds are closed and the device
 * is reset, so the next client finds it as after power-on.
 */
#include "vfio-user.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 256u
#define ACCEPT_RETRY_NS (1000 * 1000 * 1000ull)

static const JfPropSpec vfio_user_props[] = {
	{ .name = "path",
	  .type = JF_PROP_PATH,
	  .flags = JF_PROP_REQUIRED,
	  .blurb = "Unix socket to listen at." },
	{ .name = "rom",
	  .type = JF_PROP_PATH,
	  .blurb = "File with an expansion ROM for the guest's firmware to boot from." },
	{ .name = NULL },
};

static gboolean
rom_load(VfioUser *vu, const char *path, GError **error)
{
	g_autofree char *data = NULL;
	g_autoptr(GError) why = NULL;
	gsize len;

	if (!path)
		return TRUE;
	if (!g_file_get_contents(path, &data, &len, &why)) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "rom: %s", why->message);
		return FALSE;
	}
	if (!vu->api->set_rom(vu->device, data, len, error)) {
		g_prefix_error(error, "rom %s: ", path);
		return FALSE;
	}
	vu->rom = vu->api->get_rom(vu->device, &vu->rom_size);
	return TRUE;
}

static gboolean
vfio_user_init(JfInstance *inst, GError **error)
{
	VfioUser *vu = inst->priv;

	vu->inst = inst;
	vu->host = inst->host;
	vu->listener = -1;
	vu_channel_init(&vu->channel);
	vu->api = vu->host->query(inst, JF_DEVICE_IID);
	vu->device = vu->api ? vu->api->get(inst) : NULL;
	if (!vu->device) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "vfio-user needs a card with a model");
		return FALSE;
	}
	vu->info = vu->api->info(vu->device);
	vu_irqs_init(&vu->irqs, vu->info->msix_vectors);
	vu->maps = g_array_new(FALSE, FALSE, sizeof(VuRange));
	vu->reply = g_byte_array_new();
	vu->path = g_strdup(jf_property_string(inst, "path"));
	vu->clients = vu->host->counter(inst, "clients");
	vu->refused = vu->host->counter(inst, "clients-refused");
	vu->messages = vu->host->counter(inst, "messages");
	vu->malformed = vu->host->counter(inst, "requests-refused");
	vu->no_memory_fd = vu->host->counter(inst, "unshared-memory");
	return rom_load(vu, jf_property_string(inst, "rom"), error);
}

static void
vfio_user_finish(JfInstance *inst)
{
	VfioUser *vu = inst->priv;

	vu_channel_finish(&vu->channel);
	vu_irqs_finish(&vu->irqs);
	g_clear_pointer(&vu->maps, g_array_unref);
	g_clear_pointer(&vu->reply, g_byte_array_unref);
	g_free(vu->path);
	if (vu->rom)
		vu->api->set_rom(vu->device, NULL, 0, NULL);
}

static void
client_gone(VfioUser *vu, const char *why)
{
	if (vu->channel.fd < 0)
		return;
	jf_log(vu->inst, G_LOG_LEVEL_INFO, "VMM at %s is gone: %s", vu->path, why);
	g_clear_pointer(&vu->watch, vu->host->watch_remove);
	vu_channel_close(&vu->channel);
	vu->api->detach(vu->device);
	vu_irqs_reset(&vu->irqs);
	vu_dma_reset(vu);
	__atomic_store_n(&vu->memory_lost, FALSE, __ATOMIC_RELEASE);
	vu->welcomed = FALSE;
}

void
vu_memory_lost(JfInstance *inst, gpointer data)
{
	VfioUser *vu = inst->priv;

	(void)data;
	if (vu->channel.fd < 0 || !__atomic_load_n(&vu->memory_lost, __ATOMIC_ACQUIRE))
		return;
	jf_log(inst, G_LOG_LEVEL_WARNING, "the VMM at %s has cut the guest's memory short",
	       vu->path);
	client_gone(vu, "the guest's memory is lost");
}

static void
client_watch(VfioUser *vu)
{
	guint32 events = EPOLLIN | (vu_channel_is_blocked(&vu->channel) ? EPOLLOUT : 0);

	if (vu->watch && events != vu->events)
		vu->host->watch_modify(vu->watch, events);
	vu->events = events;
}

/* Handles messages that are here, one turn's worth. */
static void
client_run(VfioUser *vu)
{
	const char *bad = NULL;
	VuMessage message;

	for (guint i = 0; i < MESSAGES_PER_TURN; i++) {
		gboolean kept;

		if (!vu_channel_next(&vu->channel, &message, &bad)) {
			if (bad)
				client_gone(vu, bad);
			return;
		}
		kept = vu_message_handle(vu, &message, &bad);
		vu_message_done(&vu->channel, &message);
		if (!kept) {
			client_gone(vu, bad);
			return;
		}
	}
	if (vu_channel_has_message(&vu->channel))
		vu->host->timer_arm(vu->again, 1);
}

static void
client_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	VfioUser *vu = inst->priv;
	const char *why = NULL;

	(void)fd;
	(void)data;
	if ((events & EPOLLOUT) && !vu_channel_flush(&vu->channel)) {
		client_gone(vu, "it closed the socket");
		return;
	}
	if (!vu_channel_has_message(&vu->channel) && !vu_channel_read(&vu->channel, &why))
		client_gone(vu, why);
	else
		client_run(vu);
	if (vu->channel.fd >= 0)
		client_watch(vu);
}

static void
again_due(JfInstance *inst, gpointer data)
{
	VfioUser *vu = inst->priv;

	(void)data;
	if (vu->listener_watch)
		vu->host->watch_modify(vu->listener_watch, EPOLLIN);
	if (vu->channel.fd < 0)
		return;
	client_run(vu);
	if (vu->channel.fd >= 0)
		client_watch(vu);
}

static void
client_refuse(VfioUser *vu, int fd, const char *why)
{
	close(fd);
	jf_count(vu->refused, 1);
	jf_log(vu->inst, G_LOG_LEVEL_WARNING, "refused a VMM at %s: %s", vu->path, why);
}

static void
client_take(VfioUser *vu, int fd)
{
	if (!jf_socket_is_own(fd)) {
		client_refuse(vu, fd, "it is another user's");
		return;
	}
	if (vu->channel.fd >= 0 && vu_channel_is_hung_up(&vu->channel))
		client_gone(vu, "it closed the socket");
	if (vu->channel.fd >= 0) {
		client_refuse(vu, fd, "another one is connected");
		return;
	}
	vu->watch = vu->host->watch_add(vu->inst, fd, EPOLLIN, client_ready, NULL);
	if (!vu->watch) {
		client_refuse(vu, fd, "its socket cannot be watched");
		return;
	}
	vu->events = EPOLLIN;
	vu_channel_open(&vu->channel, fd);
	jf_count(vu->clients, 1);
	jf_log(vu->inst, G_LOG_LEVEL_INFO, "VMM connected at %s", vu->path);
	vu->api->attach(vu->device, &vu_callbacks, vu);
}

static void
listener_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	VfioUser *vu = inst->priv;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	(void)data;
	if (client >= 0) {
		client_take(vu, client);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	jf_log(inst, G_LOG_LEVEL_WARNING, "cannot accept the VMM at %s: %s", vu->path,
	       g_strerror(errno));
	vu->host->watch_modify(vu->listener_watch, 0);
	vu->host->timer_arm(vu->again, vu->host->now(inst, JF_CLOCK_MONOTONIC) + ACCEPT_RETRY_NS);
}

static void
vfio_user_stop(JfInstance *inst)
{
	VfioUser *vu = inst->priv;

	client_gone(vu, "the card is stopped");
	g_clear_pointer(&vu->listener_watch, vu->host->watch_remove);
	g_clear_pointer(&vu->again, vu->host->timer_remove);
	g_clear_pointer(&vu->hold, vu->host->timer_remove);
	jf_socket_unlink(&vu->file);
	if (vu->listener >= 0)
		close(vu->listener);
	vu->listener = -1;
}

static gboolean
vfio_user_start(JfInstance *inst, GError **error)
{
	VfioUser *vu = inst->priv;

	vu->listener = jf_socket_listen(vu->path, SOCK_STREAM, &vu->file, error);
	if (vu->listener < 0)
		return FALSE;
	vu->again = vu->host->timer_add(inst, again_due, NULL);
	vu->hold = vu->host->timer_add(inst, vu_irqs_release, NULL);
	vu->listener_watch = vu->host->watch_add(inst, vu->listener, EPOLLIN, listener_ready, NULL);
	if (vu->listener_watch)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot watch the socket %s", vu->path);
	vfio_user_stop(inst);
	return FALSE;
}

static const JfDriver vfio_user_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_NEEDS_MODEL,
	.priv_size = sizeof(VfioUser),
	.id = "vfio-user",
	.blurb = "A VMM that speaks vfio-user (QEMU 10.1 and later): the model as its PCI device.",
	.props = vfio_user_props,
	.init = vfio_user_init,
	.finish = vfio_user_finish,
	.start = vfio_user_start,
	.stop = vfio_user_stop,
};

static const JfDriver *const vfio_user_drivers[] = { &vfio_user_driver, NULL };

const JfPlugin *
jf_plugin_query(void)
{
	static const JfPlugin plugin = {
		JF_PLUGIN_HEAD,
		.name = "vfio-user",
		.version = "1.0",
		.license = "LGPL-2.1-or-later",
		.blurb = "Connector to a VMM that speaks vfio-user.",
		.drivers = vfio_user_drivers,
	};

	return &plugin;
}
