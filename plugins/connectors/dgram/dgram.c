/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dgram.c - connector to a VMM over datagrams, one bare frame in each, as QEMU's -netdev dgram.
 *
 * Unix sockets: frames go to `remote-path`, or to where the VMM's own came from last. The socket is
 * not connected, so that a VMM which comes back is simply there; the price is that nothing tells
 * when the VMM's queue has room again, and a timer has to ask (dgram-tx.c). UDP: one fixed
 * remote address, and the kernel drops what comes from others.
 */
#include "dgram.h"

#include <sys/epoll.h>

static const JfPropSpec dgram_props[] = {
	{ .name = "path",
	  .type = JF_PROP_PATH,
	  .blurb = "Unix socket of this end; not together with host and port." },
	{ .name = "remote-path",
	  .type = JF_PROP_PATH,
	  .blurb = "The VMM's Unix socket; unset answers where its frames come from." },
	{ .name = "host",
	  .type = JF_PROP_STRING,
	  .blurb = "IPv4 or IPv6 address of this end for UDP; 127.0.0.1 when only the port is "
		   "given." },
	{ .name = "port",
	  .type = JF_PROP_INT,
	  .min = 1,
	  .max = 65535,
	  .blurb = "UDP port of this end." },
	{ .name = "remote-host",
	  .type = JF_PROP_STRING,
	  .blurb = "IPv4 or IPv6 address of the VMM's UDP socket; 127.0.0.1 when unset." },
	{ .name = "remote-port",
	  .type = JF_PROP_INT,
	  .min = 1,
	  .max = 65535,
	  .blurb = "UDP port of the VMM's socket." },
	{ .name = NULL },
};

static gboolean
dgram_init(JfInstance *inst, GError **error)
{
	Dgram *dgram = inst->priv;

	dgram->inst = inst;
	dgram->fd = -1;
	dgram_tx_init(&dgram->tx);
	dgram->count.bad = inst->host->counter(inst, "bad-length");
	dgram->count.unheard = inst->host->counter(inst, "no-vmm-drops");
	dgram->count.errors = inst->host->counter(inst, "tx-errors");
	return dgram_socket_init(dgram, error);
}

static void
dgram_finish(JfInstance *inst)
{
	Dgram *dgram = inst->priv;

	dgram_tx_finish(&dgram->tx);
}

static void
dgram_update(Dgram *dgram)
{
	dgram->inst->host->watch_modify(dgram->watch, dgram->rx.paused ? 0 : EPOLLIN);
}

static void
dgram_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Dgram *dgram = data;

	(void)inst;
	(void)fd;
	(void)events;
	if (!dgram->rx.paused)
		dgram_rx_run(dgram);
	if (dgram->rx.paused)
		dgram_update(dgram);
}

static void
dgram_stop(JfInstance *inst)
{
	Dgram *dgram = inst->priv;
	const JfHost *host = inst->host;

	dgram_tx_stop(&dgram->tx);
	if (dgram->watch)
		host->watch_remove(dgram->watch);
	dgram->watch = NULL;
	if (dgram->retry)
		host->timer_remove(dgram->retry);
	if (dgram->look)
		host->timer_remove(dgram->look);
	dgram->retry = dgram->look = NULL;
	dgram_rx_stop(dgram);
	dgram_socket_close(dgram);
}

static gboolean
dgram_open(Dgram *dgram, GError **error)
{
	JfInstance *inst = dgram->inst;
	const JfHost *host = inst->host;

	if (!dgram_socket_open(dgram, error) || !dgram_rx_start(dgram, error))
		return FALSE;
	dgram->retry = host->timer_add(inst, dgram_tx_retry, dgram);
	dgram->look = host->timer_add(inst, dgram_rx_look, dgram);
	dgram->watch = host->watch_add(inst, dgram->fd, EPOLLIN, dgram_ready, dgram);
	if (dgram->watch)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot watch the dgram socket");
	return FALSE;
}

static gboolean
dgram_start(JfInstance *inst, GError **error)
{
	Dgram *dgram = inst->priv;

	if (!dgram_open(dgram, error)) {
		dgram_stop(inst);
		return FALSE;
	}
	dgram->heard = dgram->remote;
	dgram_tx_start(&dgram->tx, dgram->fd, &dgram->remote);
	return TRUE;
}

static guint
dgram_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)port;
	return dgram_tx_input(inst->priv, frames, n);
}

static void
dgram_resume(JfInstance *inst, guint port)
{
	Dgram *dgram = inst->priv;

	(void)port;
	if (!dgram->rx.paused)
		return;
	dgram->rx.paused = FALSE;
	dgram_rx_run(dgram);
	if (!dgram->rx.paused)
		dgram_update(dgram);
}

static const JfDriver dgram_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_PARALLEL_INPUT,
	.priv_size = sizeof(Dgram),
	.id = "dgram",
	.blurb = "A VMM on a Unix or UDP datagram socket, as QEMU's -netdev dgram.",
	.props = dgram_props,
	.init = dgram_init,
	.finish = dgram_finish,
	.start = dgram_start,
	.stop = dgram_stop,
	.input = dgram_input,
	.resume = dgram_resume,
};

static const JfDriver *const dgram_drivers[] = { &dgram_driver, NULL };

static const JfPlugin dgram_plugin = {
	JF_PLUGIN_HEAD,
	.name = "dgram",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Connector to a VMM over a datagram socket.",
	.drivers = dgram_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &dgram_plugin;
}
