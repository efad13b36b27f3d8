/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udp-tunnel.c - attachment: Ethernet over UDP, one bare frame per datagram.
 *
 * The wire has no header, no handshake and no authentication, so it is the same for VirtualBox's
 * UDPTunnel and for QEMU's -netdev dgram. What makes it fast stays on this host: runs of frames
 * of one size cross the kernel as one train in either direction (UDP_SEGMENT, UDP_GRO), and on the
 * wire they are ordinary datagrams.
 */
#include "udp-tunnel.h"

#include <sys/epoll.h>
#include <unistd.h>

static const JfPropSpec udp_props[] = {
	{ .name = "sport",
	  .type = JF_PROP_INT,
	  .def = "4444",
	  .min = 1,
	  .max = 65535,
	  .blurb = "UDP port of this end." },
	{ .name = "dport",
	  .type = JF_PROP_INT,
	  .flags = JF_PROP_LIVE,
	  .def = "4445",
	  .min = 1,
	  .max = 65535,
	  .blurb = "UDP port of the far end." },
	{ .name = "dest",
	  .type = JF_PROP_STRING,
	  .flags = JF_PROP_LIVE,
	  .def = "127.0.0.1",
	  .blurb = "IPv4 or IPv6 address of the far end." },
	{ .name = "bind",
	  .type = JF_PROP_STRING,
	  .blurb = "Address of this end; unset takes datagrams at every address of the host." },
	{ .name = NULL },
};

static gboolean
udp_set_dest(UdpTunnel *udp, GError **error)
{
	struct sockaddr_storage dest;
	socklen_t len;

	if (!udp_socket_get_dest(udp->inst, &dest, &len, error))
		return FALSE;
	if (udp->fd >= 0 && dest.ss_family != udp->tx.dest.ss_family) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "dest '%s' is of the other IP version than the running tunnel's; "
			    "stop the card to change that",
			    jf_property_string(udp->inst, "dest"));
		return FALSE;
	}
	udp_tx_set_dest(&udp->tx, &dest, len);
	return TRUE;
}

static gboolean
udp_init(JfInstance *inst, GError **error)
{
	UdpTunnel *udp = inst->priv;
	const JfHost *host = inst->host;

	udp->inst = inst;
	udp->fd = -1;
	udp_tx_init(&udp->tx);
	udp->count.tx_errors = host->counter(inst, "tx-errors");
	udp->count.refused = host->counter(inst, "tx-refused");
	udp->count.overflow = host->counter(inst, "rx-overflow");
	udp->count.runts = host->counter(inst, "runts");
	return udp_set_dest(udp, error);
}

static void
udp_finish(JfInstance *inst)
{
	UdpTunnel *udp = inst->priv;

	udp_tx_finish(&udp->tx);
}

void
udp_update(UdpTunnel *udp)
{
	guint32 events = udp->rx.paused ? 0 : EPOLLIN;

	if (!udp->watch)
		return;
	if (udp_tx_is_blocked(&udp->tx))
		events |= EPOLLOUT;
	if (events == udp->events)
		return;
	udp->events = events;
	udp->inst->host->watch_modify(udp->watch, events);
}

static void
udp_ready(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	UdpTunnel *udp = data;

	(void)fd;
	if ((events & EPOLLOUT) && udp_tx_unblock(&udp->tx))
		inst->host->resume(inst, 0);
	if (!udp->rx.paused)
		udp_rx_run(udp);
	udp_update(udp);
}

static void
udp_stop(JfInstance *inst)
{
	UdpTunnel *udp = inst->priv;

	udp_tx_stop(&udp->tx);
	if (udp->watch)
		inst->host->watch_remove(udp->watch);
	udp->watch = NULL;
	if (udp->look)
		inst->host->timer_remove(udp->look);
	udp->look = NULL;
	udp_rx_stop(udp);
	if (udp->fd >= 0)
		close(udp->fd);
	udp->fd = -1;
}

static gboolean
udp_open(UdpTunnel *udp, GError **error)
{
	JfInstance *inst = udp->inst;

	if (!udp_set_dest(udp, error))
		return FALSE;
	udp->fd = udp_socket_open(inst, &udp->tx.dest, error);
	if (udp->fd < 0 || !udp_rx_start(udp, error))
		return FALSE;
	udp->look = inst->host->timer_add(inst, udp_rx_look, udp);
	udp->events = EPOLLIN;
	udp->watch = inst->host->watch_add(inst, udp->fd, EPOLLIN, udp_ready, udp);
	if (udp->watch)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "cannot watch the socket of UDPTunnel");
	return FALSE;
}

static gboolean
udp_start(JfInstance *inst, GError **error)
{
	UdpTunnel *udp = inst->priv;

	if (!udp_open(udp, error)) {
		udp_stop(inst);
		return FALSE;
	}
	udp_tx_start(&udp->tx, udp->fd);
	return TRUE;
}

static guint
udp_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)port;
	return udp_tx_input(inst->priv, frames, n);
}

static void
udp_resume(JfInstance *inst, guint port)
{
	UdpTunnel *udp = inst->priv;

	(void)port;
	if (!udp->rx.paused)
		return;
	udp->rx.paused = FALSE;
	udp_rx_run(udp);
	udp_update(udp);
}

/* dest or dport. */
static gboolean
udp_changed(JfInstance *inst, const char *prop, GError **error)
{
	(void)prop;
	return udp_set_dest(inst->priv, error);
}

static const JfDriver udp_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT,
	.priv_size = sizeof(UdpTunnel),
	.id = "UDPTunnel",
	.blurb = "Ethernet frames as UDP datagrams to one far end.",
	.props = udp_props,
	.init = udp_init,
	.finish = udp_finish,
	.start = udp_start,
	.stop = udp_stop,
	.input = udp_input,
	.resume = udp_resume,
	.changed = udp_changed,
};

static const JfDriver *const udp_drivers[] = { &udp_driver, NULL };

static const JfPlugin udp_plugin = {
	JF_PLUGIN_HEAD,
	.name = "udp-tunnel",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Attachment to a UDP tunnel.",
	.drivers = udp_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &udp_plugin;
}
