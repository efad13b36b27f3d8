/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream.c - connector to a VMM over a stream socket, in the framing of QEMU's -netdev stream.
 *
 * One VMM at a time. The line is up while one is connected (stream-link.c). Frames from the VMM
 * are passed on from the receive buffer itself, up to a batch in one call (stream-rx.c); frames
 * for it leave with one system call for a batch, on the thread that brought them (stream-tx.c).
 * The framing knows no carrier, no offloads and no addresses: the line's state never reaches the
 * VMM, and the core cuts large frames before they come here.
 */
#include "stream.h"

enum { MODE_LISTEN, MODE_CONNECT };

static const char *const stream_modes[] = { "listen", "connect", NULL };

static const JfPropSpec stream_props[] = {
	{ .name = "mode",
	  .type = JF_PROP_ENUM,
	  .def = "listen",
	  .choices = stream_modes,
	  .blurb = "Whether to wait for the VMM or to connect to it." },
	{ .name = "path",
	  .type = JF_PROP_PATH,
	  .blurb = "Unix socket to listen at or connect to; not together with host and port." },
	{ .name = "host",
	  .type = JF_PROP_STRING,
	  .blurb = "IPv4 or IPv6 address for TCP; 127.0.0.1 when only the port is given." },
	{ .name = "port",
	  .type = JF_PROP_INT,
	  .min = 1,
	  .max = 65535,
	  .blurb = "TCP port to listen at or connect to." },
	{ .name = "reconnect",
	  .type = JF_PROP_INT,
	  .min = 10,
	  .max = 3600000,
	  .blurb = "Milliseconds between attempts in mode connect; 1000 when unset." },
	{ .name = "send-buffer",
	  .type = JF_PROP_SIZE,
	  .min = 4096,
	  .max = 1 << 30,
	  .def = "1M",
	  .blurb = "Socket buffer towards the VMM; the kernel caps it at net.core.wmem_max." },
	{ .name = "receive-buffer",
	  .type = JF_PROP_SIZE,
	  .min = 4096,
	  .max = 1 << 30,
	  .blurb = "Socket buffer from the VMM, TCP only; unset leaves it to the kernel." },
	{ .name = NULL },
};

static gboolean
stream_init(JfInstance *inst, GError **error)
{
	Stream *stream = inst->priv;
	const JfHost *host = inst->host;

	stream->inst = inst;
	stream->fd = -1;
	stream->listener = -1;
	stream_tx_init(&stream->tx);
	stream->count.connects = host->counter(inst, "vmm-connects");
	stream->count.refused = host->counter(inst, "vmm-refused");
	stream->count.bad = host->counter(inst, "bad-framing");
	stream->count.runts = host->counter(inst, "runts");
	stream->count.unheard = host->counter(inst, "no-vmm-drops");
	return stream_address_init(&stream->address, inst, error);
}

static void
stream_finish(JfInstance *inst)
{
	Stream *stream = inst->priv;

	stream_address_finish(&stream->address);
	stream_tx_finish(&stream->tx);
}

static gboolean
stream_start(JfInstance *inst, GError **error)
{
	return stream_link_start(inst->priv, error);
}

static void
stream_stop(JfInstance *inst)
{
	stream_link_stop(inst->priv);
}

static guint
stream_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)port;
	return stream_tx_input(inst->priv, frames, n);
}

static void
stream_resume(JfInstance *inst, guint port)
{
	Stream *stream = inst->priv;

	(void)port;
	if (!stream->rx.paused)
		return;
	stream->rx.paused = FALSE;
	stream_rx_run(stream);
	stream_link_update(stream);
}

static const JfDriver stream_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_PARALLEL_INPUT,
	.priv_size = sizeof(Stream),
	.id = "stream",
	.blurb = "A VMM on a Unix or TCP stream socket, in the framing of QEMU's -netdev stream.",
	.props = stream_props,
	.init = stream_init,
	.finish = stream_finish,
	.start = stream_start,
	.stop = stream_stop,
	.input = stream_input,
	.resume = stream_resume,
};

static const JfDriver *const stream_drivers[] = { &stream_driver, NULL };

static const JfPlugin stream_plugin = {
	JF_PLUGIN_HEAD,
	.name = "stream",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Connector to a VMM over a stream socket.",
	.drivers = stream_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &stream_plugin;
}
