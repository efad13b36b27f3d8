/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp.c - the DHCP service: a port of a network's switch, with a server behind it.
 *
 * The switch delivers on any thread. What could be for the service is copied into a ring there; the
 * rest is let go at once. The worker answers, in order, through the same port. A ring that is full
 * loses the frame, as a busy server would, and counts it.
 *
 * Messages are handled at a bounded rate, so that no guest keeps the worker, or the disk, busy.
 */
#include "dhcp.h"

#include <string.h>

/* A network full of machines that start together. */
#define RING_SLOTS 256u
#define NANOSECONDS G_GUINT64_CONSTANT(1000000000)
/* Messages at once, and for each second. */
#define BUCKET_SIZE 1024u
#define BUCKET_RATE 256u
/* RFC 2131, figure 1. */
#define CHADDR_AT 28u

typedef struct Slot {
	guint16 len;
	guint8 has_checksum;
	guint8 bytes[FRAME_MAX];
} Slot;

typedef struct Dhcp {
	const JfSwitch *sw;
	JfSwitchPort *port; /* from start to stop */
	Server server;
	guint8 mac[6];
	guint16 ip_id;
	guint64 tokens, filled; /* the bucket and when it was filled, ns */
	guint64 *arp;
	Probes probes;

	GMutex lock;
	guint head, used; /* of the ring, under lock */
	Slot ring[RING_SLOTS];
} Dhcp;

static const JfPropSpec dhcp_props[] = {
	{
		.name = "network",
		.type = JF_PROP_STRING,
		.flags = JF_PROP_REQUIRED,
		.max = 127,
		.blurb = "Name of the network that is served.",
	},
	{
		.name = "address",
		.type = JF_PROP_CIDR,
		.flags = JF_PROP_REQUIRED,
		.blurb = "The service's own address and the network's prefix length.",
	},
	{
		.name = "lower-ip",
		.type = JF_PROP_IPV4,
		.flags = JF_PROP_REQUIRED,
		.blurb = "First address that is handed out.",
	},
	{
		.name = "upper-ip",
		.type = JF_PROP_IPV4,
		.flags = JF_PROP_REQUIRED,
		.blurb = "Last address that is handed out.",
	},
	{
		.name = "mac",
		.type = JF_PROP_MAC,
		.blurb = "The service's hardware address; unset, 02:00 and its IPv4 address.",
	},
	{
		.name = "config",
		.type = JF_PROP_PATH,
		.flags = JF_PROP_LIVE,
		.blurb = "Key file with options, lease times, groups and hosts; set again, it is "
			 "read "
			 "again.",
	},
	{
		.name = "leases",
		.type = JF_PROP_PATH,
		.blurb =
			"File that keeps the leases over restarts; unset, they are in memory only.",
	},
	{
		.name = "probe",
		.type = JF_PROP_INT,
		.def = "100",
		.max = 1000,
		.blurb = "Milliseconds to wait for an answer of whoever has an address that is to "
			 "be offered; 0: it is not asked for.",
	},
	{ .name = NULL },
};

/* ---- Properties ---- */

static guint32
property_address(JfInstance *inst, const char *name)
{
	return jf_get_be32(inst->host->property(inst, name)->v.ipv4);
}

static gboolean
dhcp_refuse(JfInstance *inst, const char *why, GError **error)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: %s", inst->name, why);
	return FALSE;
}

static gboolean
dhcp_check(JfInstance *inst, const JfCidr *cidr, guint32 lower, guint32 upper, GError **error)
{
	guint32 address, mask, first, last;

	if (cidr->family != 4 || cidr->prefix < 1 || cidr->prefix > 30)
		return dhcp_refuse(inst, "address is not IPv4 with a prefix length of 1 to 30",
				   error);
	address = jf_get_be32(cidr->address);
	mask = ~0u << (32 - cidr->prefix);
	first = (address & mask) + 1;
	last = (address | ~mask) - 1;
	if (address < first || address > last)
		return dhcp_refuse(inst, "address is the network's own or its broadcast address",
				   error);
	if (lower < first || upper > last || lower > upper)
		return dhcp_refuse(inst,
				   "lower-ip and upper-ip are not a range of the network's hosts",
				   error);
	return TRUE;
}

static gboolean
dhcp_read_config(JfInstance *inst, GError **error)
{
	Dhcp *dhcp = inst->priv;
	Config *config = config_new(jf_property_string(inst, "config"), error);

	if (!config)
		return FALSE;
	config_free(dhcp->server.config);
	dhcp->server.config = config;
	return TRUE;
}

static void
dhcp_set_mac(Dhcp *dhcp, const JfValue *mac)
{
	static const guint8 local[2] = { 2, 0 };

	if (mac->is_set) {
		memcpy(dhcp->mac, mac->v.mac, sizeof dhcp->mac);
		return;
	}
	memcpy(dhcp->mac, local, sizeof local);
	jf_put_be32(dhcp->mac + 2, dhcp->server.address);
}

static void
dhcp_add_counters(JfInstance *inst, Dhcp *dhcp)
{
	Counters *n = &dhcp->server.n;
	const struct {
		const char *name;
		guint64 **counter;
	} rows[] = {
		{ "discover", &n->discover },
		{ "request", &n->request },
		{ "decline", &n->decline },
		{ "release", &n->release },
		{ "inform", &n->inform },
		{ "offer", &n->offer },
		{ "ack", &n->ack },
		{ "nak", &n->nak },
		{ "arp", &dhcp->arp },
		{ "malformed", &n->malformed },
		{ "other-network", &n->not_for_us },
		{ "exhausted", &n->exhausted },
		{ "throttled", &n->throttled },
		{ "overrun", &n->overrun },
		{ "probe", &n->probe },
		{ "conflict", &n->conflict },
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		*rows[i].counter = inst->host->counter(inst, rows[i].name);
}

/* ---- Life ---- */

static gboolean
dhcp_init(JfInstance *inst, GError **error)
{
	Dhcp *dhcp = inst->priv;
	const JfCidr *cidr = &inst->host->property(inst, "address")->v.cidr;
	guint32 lower = property_address(inst, "lower-ip");
	guint32 upper = property_address(inst, "upper-ip");

	g_mutex_init(&dhcp->lock);
	dhcp_add_counters(inst, dhcp);
	dhcp->sw = inst->host->query(inst, JF_SWITCH_IID);
	if (!dhcp->sw) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: this host has no networks (" JF_SWITCH_IID ")", inst->name);
		return FALSE;
	}
	if (!dhcp_check(inst, cidr, lower, upper, error))
		return FALSE;
	dhcp->server.inst = inst;
	dhcp->server.address = jf_get_be32(cidr->address);
	dhcp->server.mask = ~0u << (32 - cidr->prefix);
	dhcp->server.leases = leases_new(lower, upper, dhcp->server.address);
	dhcp->server.path = g_strdup(jf_property_string(inst, "leases"));
	dhcp_set_mac(dhcp, inst->host->property(inst, "mac"));
	dhcp->probes.wait = (guint64)jf_property_int(inst, "probe") * (NANOSECONDS / 1000);
	dhcp->server.probes = dhcp->probes.wait != 0;
	return dhcp_read_config(inst, error);
}

static void
dhcp_finish(JfInstance *inst)
{
	Dhcp *dhcp = inst->priv;

	leases_free(dhcp->server.leases);
	config_free(dhcp->server.config);
	g_free(dhcp->server.path);
	g_mutex_clear(&dhcp->lock);
}

static guint dhcp_deliver(gpointer data, const JfFrame *frames, guint n);
static void dhcp_probes_due(JfInstance *inst, gpointer data);

/* A lease file that cannot be read is no reason to leave the network without addresses. */
static void
dhcp_load(JfInstance *inst, Server *server)
{
	g_autoptr(GError) error = NULL;

	g_hash_table_remove_all(server->leases->table);
	if (server->path && !leases_load(server->leases, server->path, server->mask, &error))
		jf_log(inst, G_LOG_LEVEL_WARNING, "beginning without leases: %s", error->message);
}

static gboolean
dhcp_start(JfInstance *inst, GError **error)
{
	Dhcp *dhcp = inst->priv;
	JfSwitchJoin join = {
		.struct_size = sizeof join,
		.role = JF_PORT_SERVICE,
		.deliver = dhcp_deliver,
		.data = inst,
	};

	dhcp_load(inst, &dhcp->server);
	dhcp->head = dhcp->used = 0;
	dhcp->tokens = BUCKET_SIZE;
	dhcp->filled = inst->host->now(inst, JF_CLOCK_MONOTONIC);
	memcpy(join.mac, dhcp->mac, sizeof join.mac);
	dhcp->port = dhcp->sw->join(inst, jf_property_string(inst, "network"), &join, error);
	if (!dhcp->port)
		return FALSE;
	dhcp->probes.timer = inst->host->timer_add(inst, dhcp_probes_due, NULL);
	return TRUE;
}

static void
dhcp_stop(JfInstance *inst)
{
	Dhcp *dhcp = inst->priv;

	dhcp->sw->leave(dhcp->port);
	dhcp->port = NULL;
	probes_clear(&dhcp->probes);
	inst->host->timer_remove(dhcp->probes.timer);
}

static gboolean
dhcp_changed(JfInstance *inst, const char *prop, GError **error)
{
	(void)prop;
	return dhcp_read_config(inst, error);
}

/* ---- On the worker ---- */

static void
dhcp_send(Dhcp *dhcp, guint8 *bytes, gsize len)
{
	struct iovec piece = { bytes, len };
	JfFrame frame = jf_frame_plain(&piece);

	dhcp->sw->send(dhcp->port, &frame, 1);
}

static gboolean
dhcp_take_token(JfInstance *inst, Dhcp *dhcp)
{
	guint64 now = inst->host->now(inst, JF_CLOCK_MONOTONIC);
	guint64 more = (now - dhcp->filled) / (NANOSECONDS / BUCKET_RATE);

	if (more) {
		dhcp->tokens = MIN(dhcp->tokens + more, BUCKET_SIZE);
		dhcp->filled += more * (NANOSECONDS / BUCKET_RATE);
	}
	if (!dhcp->tokens) {
		jf_count(dhcp->server.n.throttled, 1);
		return FALSE;
	}
	dhcp->tokens--;
	return TRUE;
}

/* A client's message. `tries`: how often it has been here. */
static void
dhcp_handle_message(JfInstance *inst, const Probe *message)
{
	Dhcp *dhcp = inst->priv;
	guint8 bytes[FRAME_MAX];
	Answer answer = { .frame = bytes, .is_again = message->tries > 0 };
	Probe next = *message;
	Packet packet;

	if (!frame_parse(&packet, message->bytes, message->len, message->has_checksum))
		return;
	server_handle(&dhcp->server, &packet, &answer);
	if (answer.probe) {
		next.address = answer.probe;
		next.tries++;
		if (!probes_add(&dhcp->probes, inst, &next))
			return;
		jf_count(dhcp->server.n.probe, 1);
		frame_build_arp(bytes, dhcp->server.address, dhcp->mac, answer.probe);
		dhcp_send(dhcp, bytes, ARP_FRAME_LEN);
	} else if (answer.len) {
		dhcp_send(dhcp, bytes,
			  frame_build(bytes, answer.len, &answer.to, dhcp->mac,
				      dhcp->server.address, dhcp->ip_id++));
	}
}

/* Somebody has the address; it may be the client itself, which then keeps it. */
static void
dhcp_end_probe(JfInstance *inst, guint32 address, const guint8 *mac)
{
	Dhcp *dhcp = inst->priv;
	g_autofree Probe *probe = probes_take(&dhcp->probes, address);

	if (!probe)
		return;
	probes_plan(&dhcp->probes, inst);
	server_end_probe(&dhcp->server, address, memcmp(probe->mac, mac, 6) != 0);
	dhcp_handle_message(inst, probe);
}

static void
dhcp_probes_due(JfInstance *inst, gpointer data)
{
	Dhcp *dhcp = inst->priv;
	guint64 now = inst->host->now(inst, JF_CLOCK_MONOTONIC);
	Probe *probe;

	(void)data;
	while ((probe = probes_take_due(&dhcp->probes, now))) {
		server_end_probe(&dhcp->server, probe->address, FALSE);
		dhcp_handle_message(inst, probe);
		g_free(probe);
	}
	probes_plan(&dhcp->probes, inst);
}

static void
dhcp_handle(JfInstance *inst, const Slot *slot)
{
	Dhcp *dhcp = inst->priv;
	guint8 bytes[ARP_FRAME_LEN], mac[6];
	Probe message = { .len = slot->len, .has_checksum = slot->has_checksum };
	guint32 address;
	Packet packet;

	if (frame_answer_arp(bytes, slot->bytes, slot->len, dhcp->server.address, dhcp->mac)) {
		jf_count(dhcp->arp, 1);
		dhcp_send(dhcp, bytes, ARP_FRAME_LEN);
	} else if (frame_parse_arp_reply(slot->bytes, slot->len, &address, mac)) {
		dhcp_end_probe(inst, address, mac);
	} else if (frame_parse(&packet, slot->bytes, slot->len, slot->has_checksum) &&
		   dhcp_take_token(inst, dhcp)) {
		if (packet.len < CHADDR_AT + sizeof message.mac)
			return;
		memcpy(message.mac, packet.data + CHADDR_AT, sizeof message.mac);
		memcpy(message.bytes, slot->bytes, slot->len);
		dhcp_handle_message(inst, &message);
	}
}

/* The oldest frame, NULL: none. It stays in its slot until ring_drop. */
static const Slot *
ring_peek(Dhcp *dhcp)
{
	const Slot *slot;

	g_mutex_lock(&dhcp->lock);
	slot = dhcp->used ? &dhcp->ring[dhcp->head] : NULL;
	g_mutex_unlock(&dhcp->lock);
	return slot;
}

static void
ring_drop(Dhcp *dhcp)
{
	g_mutex_lock(&dhcp->lock);
	dhcp->head = (dhcp->head + 1) % RING_SLOTS;
	dhcp->used--;
	g_mutex_unlock(&dhcp->lock);
}

static void
dhcp_run(JfInstance *inst, gpointer data)
{
	Dhcp *dhcp = inst->priv;
	const Slot *slot;

	(void)data;
	while (dhcp->port && (slot = ring_peek(dhcp))) {
		dhcp_handle(inst, slot);
		ring_drop(dhcp);
	}
}

/* ---- On any thread ---- */

static void
ring_put(Dhcp *dhcp, const JfFrame *frame)
{
	Slot *slot = &dhcp->ring[(dhcp->head + dhcp->used) % RING_SLOTS];

	if (dhcp->used == RING_SLOTS) {
		jf_count(dhcp->server.n.overrun, 1);
		return;
	}
	slot->len = (guint16)frame->len;
	slot->has_checksum = !(frame->flags & (JF_FRAME_NEEDS_CSUM | JF_FRAME_CSUM_VALID));
	jf_frame_copy(frame, 0, slot->bytes, frame->len);
	dhcp->used++;
}

static guint
dhcp_deliver(gpointer data, const JfFrame *frames, guint n)
{
	JfInstance *inst = data;
	Dhcp *dhcp = inst->priv;
	gboolean was_empty = FALSE, is_empty = TRUE;

	for (guint i = 0; i < n; i++) {
		if (!frame_is_wanted(&frames[i], dhcp->server.address))
			continue;
		g_mutex_lock(&dhcp->lock);
		was_empty |= dhcp->used == 0;
		ring_put(dhcp, &frames[i]);
		is_empty = FALSE;
		g_mutex_unlock(&dhcp->lock);
	}
	if (was_empty && !is_empty)
		inst->host->post(inst, dhcp_run, NULL);
	return n;
}

/* ---- Description ---- */

static const JfDriver dhcp_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_SERVICE,
	.priv_size = sizeof(Dhcp),
	.id = "dhcp",
	.blurb = "Hands out IPv4 addresses on a network.",
	.props = dhcp_props,
	.init = dhcp_init,
	.finish = dhcp_finish,
	.start = dhcp_start,
	.stop = dhcp_stop,
	.changed = dhcp_changed,
};

static const JfDriver *const drivers[] = { &dhcp_driver, NULL };

static const JfPlugin plugin = {
	JF_PLUGIN_HEAD,
	.name = "dhcp",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "A DHCP server for internal, host-only and NAT networks.",
	.drivers = drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin;
}
