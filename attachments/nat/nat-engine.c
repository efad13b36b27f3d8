/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-engine.c - the engine's life, and its turns.
 *
 * A turn is one call from outside: frames from guests, events of sockets, a deadline, room at the
 * output, a post. Each ends in engine_finish_turn: runs are written, flows that are ready get their
 * say within a budget, acknowledgements leave, the dead are buried. Flows that could not finish are
 * taken up in a turn of their own by a post.
 */
#include "nat-engine.h"

#include <errno.h>
#include <unistd.h>

#include "nat-tcp.h"

#define EVENTS_MAX 64
#define LOG_LINES_MAX 100u

/* ---- Turns ---- */

static void engine_finish_turn(NatEngine *engine);

static void
engine_begin_turn(NatEngine *engine)
{
	engine->in_turn = TRUE;
	engine->now = engine->inst->host->now(engine->inst, JF_CLOCK_MONOTONIC);
}

static void
flow_turn(NatEngine *engine, NatFlow *flow, guint *budget)
{
	switch (flow->kind) {
	case NAT_FLOW_TCP:
		nat_tcp_turn(engine, (NatTcp *)flow, budget);
		break;
	case NAT_FLOW_LISTENER:
		nat_forward_turn(engine, flow, budget);
		break;
	default:
		nat_udp_turn(engine, (NatUdpFlow *)flow, budget);
	}
}

/* One round: a flow that is not done puts itself at the end again. */
static void
run_ready(NatEngine *engine)
{
	guint budget = NAT_TURN_FRAMES;

	while (engine->ready && budget > 0 && !engine->blocked) {
		NatFlow *flow = engine->ready;

		engine->ready = flow->ready_next;
		if (!engine->ready)
			engine->ready_tail = &engine->ready;
		flow->is_ready = FALSE;
		if (flow->is_dead) {
			flow->ready_next = engine->dead;
			engine->dead = flow;
			continue;
		}
		flow_turn(engine, flow, &budget);
	}
}

static void
bury(NatEngine *engine)
{
	while (engine->dead) {
		NatFlow *flow = engine->dead;

		engine->dead = flow->ready_next;
		g_free(flow);
	}
}

static void
engine_posted(JfInstance *inst, gpointer data)
{
	NatEngine *engine = data;

	(void)inst;
	engine->is_posted = FALSE;
	if (!engine->started)
		return;
	engine_begin_turn(engine);
	engine_finish_turn(engine);
}

static void
settle_timer(NatEngine *engine)
{
	GPtrArray *heap = engine->flows.heap;
	guint64 next = heap->len ? ((NatFlow *)heap->pdata[0])->heap_deadline : 0;

	/* A timer that goes off too early only finds that there is nothing to do. */
	if (next == 0 || (engine->timer_deadline && engine->timer_deadline <= next))
		return;
	engine->timer_deadline = next;
	engine->inst->host->timer_arm(engine->timer, next);
}

static void
engine_finish_turn(NatEngine *engine)
{
	nat_tcp_flush_run(engine);
	nat_udp_flush(engine);
	run_ready(engine);
	nat_tcp_flush_acks(engine);
	nat_output_flush(engine);
	bury(engine);
	settle_timer(engine);
	if (engine->ready && !engine->blocked && !engine->is_posted) {
		engine->is_posted = TRUE;
		engine->inst->host->post(engine->inst, engine_posted, engine);
	}
	engine->in_turn = FALSE;
}

void
nat_engine_set_ready(NatEngine *engine, NatFlow *flow)
{
	if (flow->is_ready || flow->is_dead)
		return;
	flow->is_ready = TRUE;
	flow->ready_next = NULL;
	*engine->ready_tail = flow;
	engine->ready_tail = &flow->ready_next;
}

/* ---- Events ---- */

static void
flow_event(NatEngine *engine, NatFlow *flow, guint32 events)
{
	if (flow->is_dead)
		return;
	switch (flow->kind) {
	case NAT_FLOW_TCP:
		nat_tcp_event(engine, (NatTcp *)flow, events);
		break;
	case NAT_FLOW_UDP:
		nat_udp_event(engine, (NatUdpFlow *)flow, events);
		break;
	case NAT_FLOW_ECHO:
		nat_echo_event(engine, (NatUdpFlow *)flow, events);
		break;
	case NAT_FLOW_LISTENER:
		nat_forward_event(engine, flow, events);
		break;
	default:
		break;
	}
}

static void
engine_events(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	NatEngine *engine = data;
	struct epoll_event ready[EVENTS_MAX];
	int n;

	(void)inst;
	(void)events;
	engine_begin_turn(engine);
	n = epoll_wait(fd, ready, EVENTS_MAX, 0);
	for (int i = 0; i < n; i++)
		flow_event(engine, ready[i].data.ptr, ready[i].events);
	engine_finish_turn(engine);
}

static void
engine_timer(JfInstance *inst, gpointer data)
{
	NatEngine *engine = data;
	NatFlow *flow;

	(void)inst;
	engine->timer_deadline = 0;
	engine_begin_turn(engine);
	while ((flow = nat_flow_pop_due(engine))) {
		if (flow->kind == NAT_FLOW_TCP)
			nat_tcp_expired(engine, (NatTcp *)flow);
		else
			nat_udp_expired(engine, (NatUdpFlow *)flow);
	}
	engine_finish_turn(engine);
}

/* On a network of several guests, a switch also floods what is for others. */
static gboolean
is_to_us(const NatEngine *engine, const guint8 *mac)
{
	return (mac[0] & 1) || memcmp(mac, engine->config->mac, 6) == 0;
}

static void
input_frame(NatEngine *engine, const JfFrame *frame)
{
	guint8 head[NAT_ETH_LEN];

	if (!jf_frame_copy(frame, 0, head, sizeof head)) {
		jf_count(engine->count.malformed, 1);
		return;
	}
	if (!is_to_us(engine, head)) {
		jf_count(engine->count.other_destination, 1);
		return;
	}
	switch (jf_get_be16(head + 12)) {
	case NAT_ETHERTYPE_ARP:
		nat_arp_input(engine, frame);
		break;
	case NAT_ETHERTYPE_IPV4:
	case NAT_ETHERTYPE_IPV6:
		nat_ip_input(engine, frame);
		break;
	default:
		jf_count(engine->count.other_protocol, 1);
	}
}

guint
nat_engine_input(NatEngine *engine, const JfFrame *frames, guint n)
{
	if (!engine->started)
		return n;
	engine_begin_turn(engine);
	for (guint i = 0; i < n; i++)
		input_frame(engine, &frames[i]);
	engine_finish_turn(engine);
	return n;
}

void
nat_engine_resume(NatEngine *engine)
{
	if (!engine->started || engine->in_turn)
		return;
	engine_begin_turn(engine);
	if (nat_output_resume(engine))
		engine_finish_turn(engine);
	engine->in_turn = FALSE;
}

/* ---- Flows and sockets ---- */

gboolean
nat_engine_watch(NatEngine *engine, NatFlow *flow, guint32 events)
{
	struct epoll_event event = { .events = events | EPOLLET, .data.ptr = flow };

	if (epoll_ctl(engine->epoll, EPOLL_CTL_ADD, flow->fd, &event) == 0)
		return TRUE;
	jf_count(engine->count.socket_limit, 1);
	return FALSE;
}

void
nat_engine_rewatch(NatEngine *engine, NatFlow *flow, guint32 events)
{
	struct epoll_event event = { .events = events | EPOLLET, .data.ptr = flow };

	epoll_ctl(engine->epoll, EPOLL_CTL_MOD, flow->fd, &event);
}

static void
tell_limit(NatEngine *engine, const char *what)
{
	if (engine->told_limit)
		return;
	engine->told_limit = TRUE;
	jf_log(engine->inst, G_LOG_LEVEL_WARNING, "new flows of the guest are refused: %s", what);
}

gboolean
nat_engine_may_add_flow(NatEngine *engine)
{
	if (engine->flows.n_flows < NAT_FLOWS_MAX)
		return TRUE;
	jf_count(engine->count.flow_limit, 1);
	tell_limit(engine, "there are 65536 of them");
	return FALSE;
}

void
nat_engine_add_flow(NatEngine *engine, NatFlow *flow)
{
	flow->heap_index = NAT_HEAP_NONE;
	nat_flow_insert(&engine->flows, flow);
	jf_count(engine->count.flows, 1);
}

void
nat_engine_drop_flow(NatEngine *engine, NatFlow *flow)
{
	if (flow->is_dead)
		return;
	nat_flow_arm(engine, flow, 0);
	if (flow->kind != NAT_FLOW_LISTENER)
		nat_flow_withdraw(&engine->flows, flow);
	if (flow->fd >= 0 && !flow->shares_fd)
		close(flow->fd);
	flow->fd = -1;
	flow->is_dead = TRUE;
	if (flow->kind == NAT_FLOW_TCP)
		nat_tcp_clear(engine, (NatTcp *)flow);
	/* In the ready list it is found dead, and moved. */
	if (flow->is_ready)
		return;
	flow->ready_next = engine->dead;
	engine->dead = flow;
}

int
nat_engine_socket(NatEngine *engine, gboolean is_v4, int type, int protocol)
{
	const NatConfig *config = engine->config;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int size;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			jf_count(engine->count.socket_limit, 1);
			tell_limit(engine, "this process has no more sockets (RLIMIT_NOFILE)");
		}
		return -1;
	}
	size = (int)config->send_buffer;
	if (size)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	size = (int)config->receive_buffer;
	if (size)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	return fd;
}

gboolean
nat_engine_bind(NatEngine *engine, int fd, const NatFlow *flow, const NatAddress *to)
{
	static const NatAddress none6;
	const NatConfig *config = engine->config;
	gboolean v4 = nat_address_is_v4(to ? to : &flow->guest.address);
	const NatAddress *bind_to = v4 ? &config->bind4 : &config->bind6;
	gboolean any = bind_to->q[0] == 0 && bind_to->q[1] == 0;
	NatAddress none = v4 ? nat_address_v4(0) : none6;
	struct sockaddr_storage address;
	socklen_t len;

	/* The loopback cannot be reached from another address of the host's. */
	if (to && nat_address_is_loopback(to))
		any = TRUE;
	len = nat_address_to_socket(any ? &none : bind_to, flow->guest.port, &address);
	if ((config->alias & NAT_ALIAS_SAME_PORTS) && flow->guest.port &&
	    bind(fd, (struct sockaddr *)&address, len) == 0)
		return TRUE;
	if (any)
		return TRUE;
	len = nat_address_to_socket(bind_to, 0, &address);
	return bind(fd, (struct sockaddr *)&address, len) == 0;
}

void
nat_engine_log_flow(NatEngine *engine, const NatFlow *flow, const char *what, const NatEndpoint *to)
{
	char from_text[NAT_ADDRESS_TEXT_MAX], to_text[NAT_ADDRESS_TEXT_MAX];

	if (!(engine->config->alias & NAT_ALIAS_LOG))
		return;
	if (engine->now / NAT_SEC != engine->log_second) {
		engine->log_second = engine->now / NAT_SEC;
		engine->log_lines = 0;
	}
	if (engine->log_lines++ >= LOG_LINES_MAX)
		return;
	nat_address_format(&flow->guest.address, from_text);
	nat_address_format(&to->address, to_text);
	jf_log(engine->inst, G_LOG_LEVEL_INFO, "%s %s port %u to %s port %u", what, from_text,
	       flow->guest.port, to_text, to->port);
}

/* ---- Life ---- */

static void
add_counters(NatEngine *engine)
{
	JfInstance *inst = engine->inst;
	guint64 *(*counter)(JfInstance *, const char *) = inst->host->counter;

	engine->count = (NatCounters){
		.malformed = counter(inst, "malformed"),
		.other_protocol = counter(inst, "other-protocol"),
		.other_destination = counter(inst, "other-destination"),
		.refused = counter(inst, "refused"),
		.foreign_source = counter(inst, "foreign-source"),
		.bad_csum = counter(inst, "bad-checksum"),
		.ping_refused = counter(inst, "ping-refused"),
		.fragment_drops = counter(inst, "fragment-drops"),
		.queue_drops = counter(inst, "queue-drops"),
		.socket_limit = counter(inst, "socket-limit"),
		.flow_limit = counter(inst, "flow-limit"),
		.retransmits = counter(inst, "retransmits"),
		.udp_drops = counter(inst, "udp-drops"),
		.unresolved = counter(inst, "unresolved"),
		.out_of_order = counter(inst, "out-of-order"),
		.flows = counter(inst, "flows"),
	};
	engine->service_count = (NatServiceCounters){
		.dhcp_offers = counter(inst, "dhcp-offer"),
		.dhcp_acks = counter(inst, "dhcp-ack"),
		.dhcp_naks = counter(inst, "dhcp-nak"),
		.dns_queries = counter(inst, "dns-query"),
		.dns_failures = counter(inst, "dns-failure"),
		.tftp_transfers = counter(inst, "tftp-transfer"),
		.tftp_errors = counter(inst, "tftp-error"),
	};
}

NatEngine *
nat_engine_new(JfInstance *inst, const NatConfig *config, const NatSide *side)
{
	NatEngine *engine = g_new0(NatEngine, 1);

	engine->inst = inst;
	engine->config = config;
	engine->side = side;
	engine->epoll = -1;
	engine->neighbours = nat_neighbours_new();
	engine->fragments = nat_fragments_new();
	engine->services = g_array_new(FALSE, FALSE, sizeof(NatServiceEntry));
	engine->service_state = g_ptr_array_new();
	engine->forwards = g_ptr_array_new();
	g_queue_init(&engine->queue);
	add_counters(engine);
	return engine;
}

void
nat_engine_free(NatEngine *engine)
{
	if (!engine)
		return;
	nat_forwards_free(engine);
	g_ptr_array_unref(engine->forwards);
	g_ptr_array_unref(engine->service_state);
	g_array_unref(engine->services);
	nat_fragments_free(engine->fragments);
	nat_neighbours_free(engine->neighbours);
	g_free(engine);
}

static gboolean
open_epoll(NatEngine *engine, GError **error)
{
	const JfHost *host = engine->inst->host;

	engine->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (engine->epoll >= 0)
		engine->watch = host->watch_add(engine->inst, engine->epoll, EPOLLIN, engine_events,
						engine);
	engine->timer = host->timer_add(engine->inst, engine_timer, engine);
	engine->timer_deadline = 0;
	if (engine->watch)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "%s: cannot watch sockets: %s",
		    engine->inst->name, g_strerror(errno));
	return FALSE;
}

static gboolean
start_services(NatEngine *engine, GError **error)
{
	for (guint i = 0; nat_services[i]; i++) {
		gpointer state = NULL;
		gboolean ok = nat_services[i]->start(engine, &state, error);

		g_ptr_array_add(engine->service_state, state);
		if (!ok)
			return FALSE;
	}
	return TRUE;
}

static gboolean
engine_try_start(NatEngine *engine, GError **error)
{
	nat_flow_table_init(&engine->flows);
	engine->ready_tail = &engine->ready;
	engine->secret = (guint64)g_random_int() << 32 | g_random_int();
	engine->fragment_id = g_random_int();
	engine->now = engine->inst->host->now(engine->inst, JF_CLOCK_MONOTONIC);
	engine->tcp_run = g_new0(NatTcpRun, 1);
	engine->udp_run = g_new0(NatUdpRun, 1);
	/* Untouched pages of it cost nothing. */
	engine->pieces = g_malloc(NAT_PIECES * NAT_PIECE_MAX);
	return open_epoll(engine, error) && start_services(engine, error) &&
	       nat_forwards_start(engine, error);
}

gboolean
nat_engine_start(NatEngine *engine, GError **error)
{
	if (!engine_try_start(engine, error)) {
		nat_engine_stop(engine);
		return FALSE;
	}
	engine->started = TRUE;
	return TRUE;
}

static void
stop_services(NatEngine *engine)
{
	for (guint i = engine->service_state->len; i-- > 0;) {
		gpointer state = g_ptr_array_index(engine->service_state, i);

		if (state)
			nat_services[i]->stop(engine, state);
	}
	g_ptr_array_set_size(engine->service_state, 0);
	g_array_set_size(engine->services, 0);
	engine->solicit = NULL;
}

static void
drop_all_flows(NatEngine *engine)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new();

	for (guint i = 0; i < engine->flows.n_buckets; i++) {
		for (NatFlow *flow = engine->flows.buckets[i]; flow; flow = flow->hash_next)
			g_ptr_array_add(all, flow);
	}
	for (guint i = 0; i < all->len; i++) {
		NatFlow *flow = g_ptr_array_index(all, i);

		if (flow->kind == NAT_FLOW_TCP)
			nat_tcp_reset_host((NatTcp *)flow);
		nat_engine_drop_flow(engine, flow);
	}
	while (engine->ready) {
		NatFlow *flow = engine->ready;

		engine->ready = flow->ready_next;
		flow->ready_next = engine->dead;
		engine->dead = flow;
	}
	engine->ready_tail = &engine->ready;
	engine->acks = NULL;
	bury(engine);
}

void
nat_engine_stop(NatEngine *engine)
{
	const JfHost *host = engine->inst->host;

	if (!engine->pieces)
		return;
	engine->started = FALSE;
	stop_services(engine);
	nat_forwards_stop(engine);
	drop_all_flows(engine);
	nat_output_clear(engine);
	nat_flow_table_finish(&engine->flows);
	nat_neighbours_clear(engine);
	if (engine->watch)
		host->watch_remove(engine->watch);
	if (engine->timer)
		host->timer_remove(engine->timer);
	if (engine->epoll >= 0)
		close(engine->epoll);
	engine->watch = NULL;
	engine->timer = NULL;
	engine->epoll = -1;
	g_clear_pointer(&engine->tcp_run, g_free);
	g_clear_pointer(&engine->udp_run, g_free);
	g_clear_pointer(&engine->pieces, g_free);
}

JfInstance *
nat_engine_get_instance(NatEngine *engine)
{
	return engine->inst;
}

const NatConfig *
nat_engine_get_config(NatEngine *engine)
{
	return engine->config;
}
