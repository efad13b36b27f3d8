/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-router.c - the engine as a service: the router of a network that many machines share.
 *
 * It is a port of the network's switch. The switch delivers on any thread, so frames are copied into
 * a ring and the worker takes them from there; when the ring is full the switch keeps the rest.
 *
 * The other way the engine waits for guests that have no room, as it does with a card of its own.
 * But here one guest must not hold up the others: one that took nothing for STUCK_NS is stuck, and
 * frames to it are dropped (TCP sends them again) until it takes one. After a second it is waited for
 * once more.
 */
#include <jackfield/switch.h>
#include <string.h>

#include "nat-card.h"
#include "nat.h"

#define RING_LEN (2u << 20)
#define ALIGN(len) (((len) + 15u) & ~15u)
#define STUCK_NS G_GUINT64_CONSTANT(20000000)
#define STUCK_AGAIN_NS G_GUINT64_CONSTANT(1000000000)
#define STUCK_MAX 32u
#define RUN_BATCHES 8u
#define HOST_GATEWAY 1u

static const guint8 router_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x35, 0x00 };

/* In front of each frame in the ring. `len` 0: the next one is at the ring's beginning. */
typedef struct Record {
	JfFrame frame;
	guint64 reserved[2];
} Record;

G_STATIC_ASSERT(sizeof(Record) % 16 == 0);

typedef struct Router {
	NatBind bind;
	NatConfig config;
	NatSide side;
	NatEngine *engine;
	const JfSwitch *sw;
	JfSwitchPort *port; /* from start to stop */

	/* To the guests. On the worker. */
	JfTimer *timer;
	guint64 blocked_since; /* 0: nobody is waited for */
	guint8 blocked_mac[6];
	guint8 stuck[STUCK_MAX][6];
	guint n_stuck;
	guint64 stuck_until;
	guint64 *stuck_drops;

	/* From the guests. */
	guint8 *ring; /* RING_LEN */
	GMutex lock;
	guint head, tail; /* first byte used, first byte free; equal: empty. Under lock */
	gboolean was_full, is_posted;
	guint64 *ring_full;
} Router;

static const JfPropSpec router_props[] = {
	{ .name = "network",
	  .type = JF_PROP_STRING,
	  .def = "NatNetwork",
	  .max = 127,
	  .blurb = "Name of the network that this is the router of." },
	{ .name = "address",
	  .type = JF_PROP_CIDR,
	  .def = "10.0.2.0/24",
	  .blurb =
		  "The network's IPv4 prefix; the router is its first host, prefix length 8..30." },
	{ .name = "mtu",
	  .type = JF_PROP_INT,
	  .def = "1500",
	  .min = 1280,
	  .max = 65520,
	  .blurb = "Longest IP packet to a guest." },
	{ .name = "ipv6", .type = JF_PROP_BOOL, .def = "off", .blurb = "The network has IPv6." },
	{ .name = "ipv6-prefix",
	  .type = JF_PROP_CIDR,
	  .blurb = "The network's /64; unset: fd17:625c:f037 and two octets of the IPv4 prefix." },
	{ .name = "ipv6-default",
	  .type = JF_PROP_BOOL,
	  .def = "off",
	  .blurb = "Router advertisements offer a default route." },
	{ .name = "loopback-4",
	  .type = JF_PROP_LIST,
	  .max = 16,
	  .blurb = "ADDRESS=LOOPBACK: an address of the network that leads to one of the host's "
		   "127.0.0.0/8." },
	{ .name = "loopback-6",
	  .type = JF_PROP_INT,
	  .max = G_MAXUINT32,
	  .blurb = "Host number of the prefix that leads to the host's ::1; unset or 0: none." },
	{ .name = "bind-ip",
	  .type = JF_PROP_IPV4,
	  .blurb = "The host's address that IPv4 flows come from." },
	{ .name = "bind-ip6",
	  .type = JF_PROP_IPV6,
	  .blurb = "The host's address that IPv6 flows come from." },
	{ .name = NULL },
};

/* ---- Configuration ---- */

static gboolean
refuse(JfInstance *inst, const char *property, const char *text, const char *wanted, GError **error)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: %s '%s' is not %s", inst->name, property,
		    text, wanted);
	return FALSE;
}

static gboolean
read_network(NatConfig *config, JfInstance *inst, GError **error)
{
	const JfValue *value = inst->host->property(inst, "address");
	const JfCidr *cidr = &value->v.cidr;
	guint32 first = cidr->address[0];

	if (cidr->family != 4 || cidr->prefix < 8 || cidr->prefix > 30 || first == 0 ||
	    first == 127 || first >= 224)
		return refuse(inst, "address", value->text,
			      "an IPv4 network of hosts with a prefix length of 8 to 30", error);
	config->netmask = G_MAXUINT32 << (32 - cidr->prefix);
	config->network = jf_get_be32(cidr->address) & config->netmask;
	return TRUE;
}

static gboolean
read_ipv6(NatConfig *config, JfInstance *inst, GError **error)
{
	static const guint8 prefix[6] = { 0xfd, 0x17, 0x62, 0x5c, 0xf0, 0x37 };
	const JfValue *value = inst->host->property(inst, "ipv6-prefix");
	const JfCidr *cidr = &value->v.cidr;

	config->ipv6 = jf_property_bool(inst, "ipv6");
	config->ipv6_default = jf_property_bool(inst, "ipv6-default");
	memcpy(config->prefix6, prefix, sizeof prefix);
	jf_put_be16(config->prefix6 + 6, (guint16)(config->network >> 8));
	if (!value->is_set)
		return TRUE;
	if (cidr->family != 6 || cidr->prefix != 64 || cidr->address[0] == 0xff)
		return refuse(inst, "ipv6-prefix", value->text, "a unicast /64", error);
	memcpy(config->prefix6, cidr->address, sizeof config->prefix6);
	return TRUE;
}

static gboolean
add_loopback(NatConfig *config, JfInstance *inst, const char *text, GError **error)
{
	g_auto(GStrv) pair = g_strsplit(text, "=", 2);
	NatLoopback *loopback = &config->loopbacks[config->n_loopbacks];
	guint32 guest;

	if (g_strv_length(pair) != 2 || config->n_loopbacks == NAT_LOOPBACKS_MAX ||
	    !nat_address_parse(pair[0], &loopback->guest) ||
	    !nat_address_parse(pair[1], &loopback->host) || !nat_address_is_v4(&loopback->guest) ||
	    !nat_address_is_loopback(&loopback->host))
		return refuse(inst, "loopback-4", text, "ADDRESS=LOOPBACK", error);
	guest = nat_address_get_v4(&loopback->guest);
	if ((guest & config->netmask) != config->network ||
	    guest == (config->network | HOST_GATEWAY) || guest == config->network ||
	    guest == (config->network | ~config->netmask))
		return refuse(inst, "loopback-4", text, "a free host of the network", error);
	config->n_loopbacks++;
	return TRUE;
}

static gboolean
read_loopbacks(NatConfig *config, JfInstance *inst, GError **error)
{
	const JfValue *list = inst->host->property(inst, "loopback-4");
	guint32 host = (guint32)jf_property_int(inst, "loopback-6");
	NatLoopback *loopback;

	for (guint i = 0; list->is_set && list->v.list[i]; i++)
		if (!add_loopback(config, inst, list->v.list[i], error))
			return FALSE;
	if (!host || !config->ipv6)
		return TRUE;
	if (host == HOST_GATEWAY || config->n_loopbacks == NAT_LOOPBACKS_MAX)
		return refuse(inst, "loopback-6", "1", "free: that is the router", error);
	loopback = &config->loopbacks[config->n_loopbacks++];
	memcpy(loopback->guest.b, config->prefix6, sizeof config->prefix6);
	jf_put_be32(loopback->guest.b + 12, host);
	return nat_address_parse("::1", &loopback->host);
}

/* As every NAT engine's: the directory where PXE looks. */
static void
read_tftp(NatConfig *config, JfInstance *inst)
{
	const JfServiceInfo *service = inst->host->query(inst, JF_SERVICE_IID);
	g_autofree char *dir = service && service->config_dir
				       ? g_build_filename(service->config_dir, "TFTP", NULL)
				       : NULL;

	if (dir && g_file_test(dir, G_FILE_TEST_IS_DIR))
		config->tftp_prefix = g_steal_pointer(&dir);
}

/* DHCPv4 is a service of its own on this network; what IPv6 needs comes from here. */
static gboolean
read_config(NatConfig *config, NatBind *own, JfInstance *inst, GError **error)
{
	memcpy(config->mac, router_mac, sizeof router_mac);
	config->ipv4 = config->dhcp = config->other_dhcp = TRUE;
	config->dns_pass_domain = config->dns_proxy = TRUE;
	config->mtu = (guint16)jf_property_int(inst, "mtu");
	if (!read_network(config, inst, error) || !read_ipv6(config, inst, error) ||
	    !read_loopbacks(config, inst, error) || !nat_bind_init(own, inst, error))
		return FALSE;
	nat_config_set_bind(config, own);
	read_tftp(config, inst);
	nat_config_set_hosts(config, HOST_GATEWAY, HOST_GATEWAY, HOST_GATEWAY + 1);
	return TRUE;
}

/* ---- To the guests ---- */

static guint
find_stuck(const Router *router, const guint8 *mac)
{
	guint i = 0;

	while (i < router->n_stuck && memcmp(router->stuck[i], mac, 6) != 0)
		i++;
	return i;
}

/* One frame. FALSE: it has to wait. */
static gboolean
send_one(Router *router, const JfFrame *frame)
{
	guint8 mac[6] = { 0 };
	guint stuck;

	if (router->sw->send(router->port, frame, 1)) {
		if (router->n_stuck && jf_frame_copy(frame, 0, mac, sizeof mac)) {
			stuck = find_stuck(router, mac);
			if (stuck < router->n_stuck)
				memcpy(router->stuck[stuck], router->stuck[--router->n_stuck], 6);
		}
		return TRUE;
	}
	jf_frame_copy(frame, 0, mac, sizeof mac);
	if (find_stuck(router, mac) == router->n_stuck) {
		memcpy(router->blocked_mac, mac, sizeof mac);
		return FALSE;
	}
	jf_count(router->stuck_drops, 1);
	return TRUE;
}

static void
wait_for_room(JfInstance *inst, Router *router)
{
	if (router->blocked_since)
		return;
	router->blocked_since = inst->host->now(inst, JF_CLOCK_MONOTONIC);
	inst->host->timer_arm(router->timer, router->blocked_since + STUCK_NS);
}

static guint
router_output(gpointer data, const JfFrame *frames, guint n)
{
	JfInstance *inst = data;
	Router *router = inst->priv;
	guint taken;

	if (!router->port)
		return n;
	if (router->n_stuck && inst->host->now(inst, JF_CLOCK_MONOTONIC) >= router->stuck_until)
		router->n_stuck = 0;
	taken = router->n_stuck ? 0 : router->sw->send(router->port, frames, n);
	while (taken < n && send_one(router, &frames[taken]))
		taken++;
	if (taken < n)
		wait_for_room(inst, router);
	return taken;
}

static void
router_go_on(JfInstance *inst, gpointer data)
{
	Router *router = inst->priv;

	(void)data;
	if (!router->port || !router->blocked_since)
		return;
	router->blocked_since = 0;
	inst->host->timer_arm(router->timer, 0);
	nat_engine_resume(router->engine);
}

/* Whoever it is has had its time. The oldest of too many is waited for again. */
static void
router_give_up(JfInstance *inst, gpointer data)
{
	Router *router = inst->priv;

	if (!router->blocked_since)
		return;
	if (router->n_stuck == STUCK_MAX)
		memmove(router->stuck[0], router->stuck[1],
			sizeof router->stuck[0] * --router->n_stuck);
	memcpy(router->stuck[router->n_stuck++], router->blocked_mac, 6);
	router->stuck_until = inst->host->now(inst, JF_CLOCK_MONOTONIC) + STUCK_AGAIN_NS;
	router_go_on(inst, data);
}

/* The switch has room again, on any thread. */
static void
router_room(gpointer data)
{
	JfInstance *inst = data;

	inst->host->post(inst, router_go_on, NULL);
}

/* ---- From the guests: the ring ---- */

/* Where a record of this length goes, or NULL. One byte stays free, so that full is not empty. */
static Record *
ring_reserve(Router *router, guint len)
{
	guint head = router->head, tail = router->tail;

	if (tail >= head) {
		if (len < RING_LEN - tail || (len == RING_LEN - tail && head > 0))
			return (Record *)(router->ring + tail);
		if (len >= head)
			return NULL;
		/* Whoever reads goes on at the beginning. */
		if (tail < RING_LEN)
			((Record *)(router->ring + tail))->frame.len = 0;
		router->tail = 0;
		return (Record *)router->ring;
	}
	return len < head - tail ? (Record *)(router->ring + tail) : NULL;
}

static gboolean
ring_put(Router *router, const JfFrame *frame)
{
	guint len = ALIGN((guint)sizeof(Record) + frame->len);
	Record *record = ring_reserve(router, len);

	if (!record)
		return FALSE;
	record->frame = *frame;
	jf_frame_copy(frame, 0, record + 1, frame->len);
	router->tail += len;
	if (router->tail == RING_LEN)
		router->tail = 0;
	return TRUE;
}

/* Up to a batch from the head on; the memory stays theirs until ring_release. */
static guint
ring_get(Router *router, JfFrame *frames, struct iovec *pieces, guint *end)
{
	guint head, tail, n = 0;

	g_mutex_lock(&router->lock);
	head = router->head;
	tail = router->tail;
	g_mutex_unlock(&router->lock);
	while (n < JF_BATCH_MAX && head != tail) {
		Record *record = (Record *)(router->ring + head);

		if (record->frame.len == 0) {
			head = 0;
			continue;
		}
		pieces[n] = (struct iovec){ record + 1, record->frame.len };
		frames[n] = record->frame;
		frames[n].iov = &pieces[n];
		frames[n++].n_iov = 1;
		head += ALIGN((guint)sizeof(Record) + record->frame.len);
		if (head == RING_LEN)
			head = 0;
	}
	*end = head;
	return n;
}

/* TRUE: somebody waits for room. */
static gboolean
ring_release(Router *router, guint end)
{
	gboolean was_full;

	g_mutex_lock(&router->lock);
	router->head = end;
	was_full = router->was_full;
	router->was_full = FALSE;
	g_mutex_unlock(&router->lock);
	return was_full;
}

/* Whether there is more to do; if not, the next frame posts. Others on the worker have their turn in
 * between. */
static gboolean
ring_is_pending(Router *router)
{
	gboolean pending;

	g_mutex_lock(&router->lock);
	router->is_posted = router->head != router->tail;
	pending = router->is_posted;
	g_mutex_unlock(&router->lock);
	return pending;
}

static void
router_run(JfInstance *inst, gpointer data)
{
	Router *router = inst->priv;
	struct iovec pieces[JF_BATCH_MAX];
	JfFrame frames[JF_BATCH_MAX];
	guint n, end;

	(void)data;
	for (guint i = 0; i < RUN_BATCHES && router->port; i++) {
		n = ring_get(router, frames, pieces, &end);
		nat_engine_input(router->engine, frames, n);
		if (ring_release(router, end))
			router->sw->room(router->port);
		if (n < JF_BATCH_MAX)
			break;
	}
	if (router->port && ring_is_pending(router))
		inst->host->post(inst, router_run, NULL);
}

static guint
router_deliver(gpointer data, const JfFrame *frames, guint n)
{
	JfInstance *inst = data;
	Router *router = inst->priv;
	gboolean post;
	guint taken = 0;

	g_mutex_lock(&router->lock);
	while (taken < n && ring_put(router, &frames[taken]))
		taken++;
	router->was_full |= taken < n;
	post = !router->is_posted && taken > 0;
	router->is_posted |= post;
	g_mutex_unlock(&router->lock);
	if (taken < n)
		jf_count(router->ring_full, n - taken);
	if (post)
		inst->host->post(inst, router_run, NULL);
	return taken;
}

/* ---- Life ---- */

static gboolean
router_init(JfInstance *inst, GError **error)
{
	Router *router = inst->priv;

	g_mutex_init(&router->lock);
	router->side = (NatSide){ .output = router_output, .data = inst };
	router->stuck_drops = inst->host->counter(inst, "stuck-guest");
	router->ring_full = inst->host->counter(inst, "input-full");
	router->sw = inst->host->query(inst, JF_SWITCH_IID);
	if (!router->sw) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: this host has no networks (" JF_SWITCH_IID ")", inst->name);
		return FALSE;
	}
	if (!read_config(&router->config, &router->bind, inst, error))
		return FALSE;
	router->ring = g_malloc(RING_LEN);
	router->timer = inst->host->timer_add(inst, router_give_up, NULL);
	router->engine = nat_engine_new(inst, &router->config, &router->side);
	return TRUE;
}

static void
router_finish(JfInstance *inst)
{
	Router *router = inst->priv;

	g_clear_pointer(&router->engine, nat_engine_free);
	if (router->timer)
		inst->host->timer_remove(router->timer);
	nat_config_finish(&router->config);
	g_free(router->ring);
	g_mutex_clear(&router->lock);
}

static gboolean
router_join(JfInstance *inst, Router *router, GError **error)
{
	JfSwitchJoin join = {
		.struct_size = sizeof join,
		.role = JF_PORT_SERVICE,
		.flags = JF_PORT_LOSSLESS,
		.deliver = router_deliver,
		.resume = router_room,
		.data = inst,
	};

	memcpy(join.mac, router->config.mac, sizeof join.mac);
	router->head = router->tail = 0;
	router->was_full = router->is_posted = FALSE;
	router->blocked_since = router->n_stuck = 0;
	router->port = router->sw->join(inst, jf_property_string(inst, "network"), &join, error);
	return router->port != NULL;
}

static gboolean
router_start(JfInstance *inst, GError **error)
{
	Router *router = inst->priv;

	if (!nat_bind_check_host(&router->bind, inst, error) || !router_join(inst, router, error))
		return FALSE;
	if (nat_engine_start(router->engine, error))
		return TRUE;
	router->sw->leave(router->port);
	router->port = NULL;
	return FALSE;
}

static void
router_stop(JfInstance *inst)
{
	Router *router = inst->priv;

	nat_engine_stop(router->engine);
	router->sw->leave(router->port);
	router->port = NULL;
	inst->host->timer_arm(router->timer, 0);
}

static gboolean
router_add_forward(JfInstance *inst, const JfForwardRule *rule, GError **error)
{
	return nat_engine_add_forward(((Router *)inst->priv)->engine, rule, error);
}

static gboolean
router_remove_forward(JfInstance *inst, const char *name, GError **error)
{
	return nat_engine_remove_forward(((Router *)inst->priv)->engine, name, error);
}

static gconstpointer
router_query(JfInstance *inst, const char *iid)
{
	static const JfForward forward = {
		.struct_size = sizeof(JfForward),
		.add = router_add_forward,
		.remove = router_remove_forward,
	};

	(void)inst;
	return g_str_equal(iid, JF_FORWARD_IID) ? &forward : NULL;
}

const JfDriver nat_router_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_SERVICE,
	.priv_size = sizeof(Router),
	.id = "nat-router",
	.blurb = "The router of a NAT network: its machines reach what the host reaches.",
	.props = router_props,
	.init = router_init,
	.finish = router_finish,
	.start = router_start,
	.stop = router_stop,
	.query = router_query,
};
