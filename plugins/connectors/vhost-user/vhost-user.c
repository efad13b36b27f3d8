/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user.c - connector to a VMM that speaks vhost-user: the rings of the guest's virtio card are
 * driven here, in its own memory.
 */
#include "vhost-user.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MODES_CONNECT 1

static const char *const vhost_modes[] = { "listen", "connect", NULL };

static const JfPropSpec vhost_props[] = {
	{ .name = "path",
	  .type = JF_PROP_PATH,
	  .blurb = "Unix socket to listen at or connect to." },
	{ .name = "fd",
	  .type = JF_PROP_INT,
	  .max = G_MAXINT,
	  .blurb =
		  "Descriptor of a connected Unix socket to the VMM, instead of path; when the VMM "
		  "goes, the card fails." },
	{ .name = "mode",
	  .type = JF_PROP_ENUM,
	  .def = "listen",
	  .choices = vhost_modes,
	  .blurb = "Whether to wait for the VMM or to connect to it." },
	{ .name = "reconnect",
	  .type = JF_PROP_INT,
	  .def = "1000",
	  .min = 10,
	  .max = 3600000,
	  .blurb = "Milliseconds between attempts in mode connect." },
	{ .name = "queues",
	  .type = JF_PROP_INT,
	  .min = 1,
	  .max = JF_VIRTIO_PAIRS_MAX,
	  .blurb = "Most queue pairs that the VMM may use; as many as the model has when unset." },
	{ .name = "mtu",
	  .type = JF_PROP_INT,
	  .def = "65535",
	  .min = 68,
	  .max = 65535,
	  .blurb = "Largest MTU that the VMM may give its card." },
	{ .name = "record",
	  .type = JF_PROP_PATH,
	  .blurb = "File that says what is on its way, so that nothing is sent twice after a "
		   "crash; when unset, path with .rings in mode listen, none in mode connect." },
	{ .name = "poll",
	  .type = JF_PROP_INT,
	  .flags = JF_PROP_LIVE,
	  .def = "50",
	  .max = 1000000,
	  .blurb = "Most microseconds that the card's worker polls after the last work; it sleeps "
		   "then." },
	{ .name = NULL },
};

void
vh_call(Vhost *vh, void (*func)(JfInstance *model, gpointer data), gpointer data)
{
	vh->api->call(vh->device, func, data);
}

static void
call_pairs(JfInstance *model, gpointer data)
{
	Vhost *vh = data;

	vh->pairs = vh->virtio->pairs(model);
	vh->offered = vh->virtio->features(model);
}

static gboolean
find_model(Vhost *vh, GError **error)
{
	vh->api = vh->host->query(vh->inst, JF_DEVICE_IID);
	vh->device = vh->api ? vh->api->get(vh->inst) : NULL;
	vh->virtio = vh->device ? vh->api->query(vh->device, JF_VIRTIO_IID) : NULL;
	if (vh->virtio)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "vhost-user needs a card whose model is virtio");
	return FALSE;
}

static void
count_init(Vhost *vh)
{
	vh->connects_count = vh->host->counter(vh->inst, "vmm-connects");
	vh->refused = vh->host->counter(vh->inst, "vmm-refused");
	vh->messages = vh->host->counter(vh->inst, "messages");
	vh->bad = vh->host->counter(vh->inst, "requests-refused");
	vh->broken = vh->host->counter(vh->inst, "rings-broken");
}

/* The connection is the program's own, which may close its descriptor. */
static gboolean
take_given(Vhost *vh, int fd, GError **error)
{
	socklen_t len = sizeof(int);
	int type = 0;

	vh->path = g_strdup_printf("descriptor %d", fd);
	vh->is_given = TRUE;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	    jf_socket_is_own(fd))
		vh->given = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (vh->given >= 0 && fcntl(vh->given, F_SETFL, O_NONBLOCK) == 0)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "fd: %d is no connected Unix stream socket to a process of this user", fd);
	return FALSE;
}

/* Where the front end is. */
static gboolean
find_place(Vhost *vh, GError **error)
{
	const JfValue *path = vh->host->property(vh->inst, "path");
	const JfValue *fd = vh->host->property(vh->inst, "fd");
	const JfValue *record = vh->host->property(vh->inst, "record");

	vh->connects = jf_property_int(vh->inst, "mode") == MODES_CONNECT;
	if (path->is_set == fd->is_set || (fd->is_set && vh->connects)) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "vhost-user needs 'path', or 'fd' and no 'mode=connect'");
		return FALSE;
	}
	if (record->is_set)
		vh->record_path = g_strdup(jf_property_string(vh->inst, "record"));
	if (fd->is_set)
		return take_given(vh, (int)fd->v.integer, error);
	vh->path = g_strdup(jf_property_string(vh->inst, "path"));
	if (!vh->record_path && !vh->connects)
		vh->record_path = g_strconcat(vh->path, ".rings", NULL);
	if (strlen(vh->path) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "path: %s is too long for a socket", vh->path);
	return FALSE;
}

static gboolean
vhost_init(JfInstance *inst, GError **error)
{
	Vhost *vh = inst->priv;
	const JfValue *queues = inst->host->property(inst, "queues");

	vh->inst = inst;
	vh->host = inst->host;
	vh->listener = vh->inflight_fd = vh->given = -1;
	vh_channel_init(&vh->channel);
	vh->regions = g_array_new(FALSE, FALSE, sizeof(VhRegion));
	vh_rings_init(vh);
	if (!find_model(vh, error))
		return FALSE;
	vh_call(vh, call_pairs, vh);
	if (queues->is_set)
		vh->pairs = MIN(vh->pairs, (guint)queues->v.integer);
	vh->n_rings = 2 * vh->pairs;
	vh->mtu = (guint)jf_property_int(inst, "mtu");
	vh->retry_ns = (guint64)jf_property_int(inst, "reconnect") * 1000 * 1000;
	count_init(vh);
	return find_place(vh, error);
}

static void
vhost_finish(JfInstance *inst)
{
	Vhost *vh = inst->priv;

	vh_rings_finish(vh);
	g_array_unref(vh->regions);
	if (vh->given >= 0)
		close(vh->given);
	g_free(vh->path);
	g_free(vh->record_path);
}

static void
set_poll_budget(JfInstance *inst)
{
	inst->host->set_poll_budget(inst, (guint64)jf_property_int(inst, "poll") * 1000);
}

static gboolean
vhost_start(JfInstance *inst, GError **error)
{
	set_poll_budget(inst);
	return vh_link_start(inst->priv, error);
}

static void
vhost_stop(JfInstance *inst)
{
	vh_link_stop(inst->priv);
}

static gboolean
vhost_changed(JfInstance *inst, const char *prop, GError **error)
{
	(void)error;
	if (strcmp(prop, "poll") == 0)
		set_poll_budget(inst);
	return TRUE;
}

static const JfDriver vhost_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_NEEDS_MODEL,
	.priv_size = sizeof(Vhost),
	.id = "vhost-user",
	.blurb = "A VMM that speaks vhost-user: the guest's virtio rings, without the VMM between.",
	.props = vhost_props,
	.init = vhost_init,
	.finish = vhost_finish,
	.start = vhost_start,
	.stop = vhost_stop,
	.changed = vhost_changed,
};

static const JfDriver *const vhost_drivers[] = { &vhost_driver, NULL };

const JfPlugin *
jf_plugin_query(void)
{
	static const JfPlugin plugin = {
		JF_PLUGIN_HEAD,
		.name = "vhost-user",
		.version = "1.0",
		.license = "LGPL-2.1-or-later",
		.blurb = "Connector to a VMM that speaks vhost-user.",
		.drivers = vhost_drivers,
	};

	return &plugin;
}
