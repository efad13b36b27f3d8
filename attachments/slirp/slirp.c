/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp.c - the attachment "slirp": network address translation by libslirp.
 *
 * libslirp is the TCP/IP stack that the guest talks to; it turns the guest's flows into sockets of
 * this process. slirp-loop.c runs it, slirp-input.c and slirp-output.c are its two sides, slirp-config.c its
 * configuration, slirp-forward.c the ports of the host that lead to the guest.
 */
#include "slirp-nat.h"

#include <sys/socket.h>
#include <unistd.h>

static const JfPropSpec nat_props[] = {
	NAT_CARD_PROPS,
	{ 0 },
};

static void
nat_add_counters(JfNat *nat)
{
	JfInstance *inst = nat->inst;
	const JfHost *host = inst->host;

	nat->count_malformed = host->counter(inst, "malformed");
	nat->count_ignored = host->counter(inst, "other-protocol");
	nat->count_refused = host->counter(inst, "refused");
	nat->count_ping_refused = host->counter(inst, "ping-refused");
	nat->count_guest_errors = host->counter(inst, "guest-errors");
	nat->count_fragment_drops = host->counter(inst, "fragment-drops");
	nat->count_queue_drops = host->counter(inst, "queue-drops");
	nat->count_gso = host->counter(inst, "large-segments");
	nat->count_fragments = host->counter(inst, "fragments");
	nat->count_unwatched = host->counter(inst, "unwatched-sockets");
}

static gboolean
nat_init(JfInstance *inst, GError **error)
{
	JfNat *nat = inst->priv;

	nat->inst = inst;
	nat->epoll = -1;
	nat->forwards = g_ptr_array_new_with_free_func(nat_forward_free);
	g_queue_init(&nat->queue);
	nat_add_counters(nat);
	return nat_config_init(&nat->config, inst, error);
}

static void
nat_finish(JfInstance *inst)
{
	JfNat *nat = inst->priv;

	g_clear_pointer(&nat->forwards, g_ptr_array_unref);
	nat_card_finish(&nat->config.card);
}

static void
nat_stop(JfInstance *inst)
{
	JfNat *nat = inst->priv;

	nat->started = FALSE;
	g_clear_pointer(&nat->slirp, slirp_cleanup);
	nat_output_clear(nat);
	nat_reassembly_finish(&nat->reassembly);
	nat_loop_stop(nat);
}

/* libslirp pings by a socket of this kind, or else by a raw one. */
static gboolean
may_open_ping_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd < 0)
		fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0)
		return FALSE;
	close(fd);
	return TRUE;
}

static gboolean
nat_try_start(JfNat *nat, GError **error)
{
	NatGuard guard;

	if (!nat_card_check_host(&nat->config.card, nat->inst, error) ||
	    !nat_loop_start(nat, error))
		return FALSE;
	nat_mss_init(&nat->mss);
	nat->may_ping = may_open_ping_socket();
	nat->slirp = nat_config_make_slirp(&nat->config, nat, nat_loop_get_callbacks(), error);
	if (!nat->slirp || !nat_forward_start(nat, error))
		return FALSE;
	nat_guard_enter(&guard);
	nat_loop_round(nat);
	nat_guard_leave(&guard);
	return TRUE;
}

static gboolean
nat_start(JfInstance *inst, GError **error)
{
	JfNat *nat = inst->priv;

	nat->started = nat_try_start(nat, error);
	if (!nat->started)
		nat_stop(inst);
	return nat->started;
}

static gconstpointer
nat_query(JfInstance *inst, const char *iid)
{
	(void)inst;
	return g_str_equal(iid, JF_FORWARD_IID) ? &nat_forward : NULL;
}

static const JfDriver slirp_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_OFFLOADS(JF_OFFLOAD_CSUM | JF_OFFLOAD_TSO4 | JF_OFFLOAD_TSO6 |
				    JF_OFFLOAD_TSO_ECN | JF_OFFLOAD_UFO),
	.priv_size = sizeof(JfNat),
	.id = "slirp",
	.blurb = "Network address translation by libslirp: the guest reaches what the host reaches",
	.props = nat_props,
	.init = nat_init,
	.finish = nat_finish,
	.start = nat_start,
	.stop = nat_stop,
	.input = nat_input,
	.resume = nat_output_resume,
	.query = nat_query,
};

static const JfDriver *const slirp_drivers[] = { &slirp_driver, NULL };

static const JfPlugin slirp_plugin = {
	JF_PLUGIN_HEAD,
	.name = "slirp",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Network address translation by libslirp",
	.drivers = slirp_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &slirp_plugin;
}
