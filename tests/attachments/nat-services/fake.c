/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake.c - what the services know of an engine, without one. */
#include "fake.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NO_RESOLV_CONF "/nonexistent/resolv.conf"

typedef struct Entry {
	NatAddress address;
	guint16 port;
	NatServiceFunc func;
	NatRedirectFunc redirect;
	gpointer data;
} Entry;

struct NatEngine {
	JfHarness *h;
	const NatConfig *config;
	GArray *entries;
	GPtrArray *states;
	GQueue out;
	NatSolicitFunc solicit;
	gpointer solicit_data;
	NatServiceCounters count;
	guint64 counts[sizeof(NatServiceCounters) / sizeof(guint64 *)];
	NatAddress learned;
	guint8 learned_mac[6];
};

static gboolean break_watches;

static gboolean
fake_init(JfInstance *inst, GError **error)
{
	(void)inst;
	(void)error;
	return TRUE;
}

static void
fake_finish(JfInstance *inst)
{
	(void)inst;
}

static const JfDriver fake_driver = {
	JF_DRIVER_HEAD,    .kind = JF_KIND_SERVICE,
	.id = "fake",      .blurb = "Lends its host to the services.",
	.init = fake_init, .finish = fake_finish,
};

void
fake_out_free(FakeOut *out)
{
	if (!out)
		return;
	g_free(out->data);
	g_free(out);
}

static NatAddress
host6(guint last)
{
	NatAddress a = { .b = { 0xfd, 0x17, 0x62, 0x5c, 0xf0, 0x37, 0, 2 } };

	a.b[15] = (guint8)last;
	return a;
}

void
fake_config_init(NatConfig *config)
{
	*config = (NatConfig){ .network = 0x0a000200,
			       .netmask = 0xffffff00,
			       .mac = { 0x52, 0x54, 0, 0x12, 0x35, 2 },
			       .mtu = 1500,
			       .ipv4 = TRUE,
			       .ipv6 = TRUE,
			       .ipv6_default = TRUE,
			       .gateway4 = nat_address_v4(0x0a000202),
			       .name_server4 = nat_address_v4(0x0a000203),
			       .gateway6 = host6(2),
			       .name_server6 = host6(3),
			       .link_local6 = { .b = { 0xfe, 0x80, [15] = 2 } },
			       .first_lease = 0x0a00020f,
			       .n_leases = 240,
			       .dhcp = TRUE,
			       .dns_pass_domain = TRUE,
			       .dns_proxy = TRUE,
			       .resolv_conf = (char *)NO_RESOLV_CONF };
	memcpy(config->prefix6, config->gateway6.b, 8);
}

static gboolean
fake_start(Fake *fake, GError **error)
{
	for (guint i = 0; nat_services[i]; i++) {
		gpointer state = NULL;
		gboolean good = nat_services[i]->start(fake, &state, error);

		g_ptr_array_add(fake->states, state);
		if (!good)
			return FALSE;
	}
	return TRUE;
}

Fake *
fake_new(const NatConfig *config, GError **error)
{
	Fake *fake = g_new0(Fake, 1);

	fake->config = config;
	fake->count = (NatServiceCounters){
		&fake->counts[0], &fake->counts[1], &fake->counts[2], &fake->counts[3],
		&fake->counts[4], &fake->counts[5], &fake->counts[6],
	};
	fake->h = jf_harness_new(&fake_driver, NULL, NULL);
	g_assert_true(jf_harness_init(fake->h, NULL));
	g_assert_true(jf_harness_start(fake->h, NULL));
	if (break_watches)
		jf_harness_break(fake->h, JF_HARNESS_WATCH_ADD, 0, 1);
	fake->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
	fake->states = g_ptr_array_new();
	if (fake_start(fake, error))
		return fake;
	fake_free(fake);
	return NULL;
}

void
fake_free(Fake *fake)
{
	for (guint i = fake->states->len; i-- > 0;)
		if (fake->states->pdata[i])
			nat_services[i]->stop(fake, fake->states->pdata[i]);
	g_assert_cmpuint(fake_get_services(fake), ==, 0);
	jf_harness_stop(fake->h);
	g_assert_cmpuint(jf_harness_get_leftovers(fake->h), ==, 0);
	g_assert_cmpstr(jf_harness_get_violation(fake->h), ==, NULL);
	jf_harness_free(fake->h);
	g_queue_clear_full(&fake->out, (GDestroyNotify)fake_out_free);
	g_array_unref(fake->entries);
	g_ptr_array_unref(fake->states);
	g_free(fake);
}

void
fake_break_watches(gboolean broken)
{
	break_watches = broken;
}

JfHarness *
fake_get_harness(Fake *fake)
{
	return fake->h;
}

static const Entry *
fake_find(Fake *fake, const NatAddress *address, guint16 port, gboolean redirect)
{
	for (guint i = 0; i < fake->entries->len; i++) {
		const Entry *entry = &g_array_index(fake->entries, Entry, i);

		if (entry->port == port && nat_address_equal(&entry->address, address) &&
		    (entry->redirect != NULL) == redirect)
			return entry;
	}
	return NULL;
}

gboolean
fake_push(Fake *fake, guint8 guest, const char *from, guint16 from_port, const char *to,
	  guint16 port, gconstpointer data, gsize len)
{
	const guint8 mac[6] = { 8, 0, 0x27, 0, 0, guest };
	g_autofree guint8 *exact = g_memdup2(data, len);
	NatDatagram in = { .from.port = from_port,
			   .to.port = port,
			   .mac = mac,
			   .data = exact,
			   .len = (guint32)len };
	static const NatAddress any;
	const Entry *entry;

	g_assert_true(nat_address_parse(from, &in.from.address));
	g_assert_true(nat_address_parse(to, &in.to.address));
	entry = fake_find(fake, &in.to.address, port, FALSE);
	if (!entry)
		entry = fake_find(fake, &any, port, FALSE);
	if (!entry)
		return FALSE;
	entry->func(fake, &in, entry->data);
	return TRUE;
}

void
fake_solicit(Fake *fake, guint8 guest, const char *from)
{
	const guint8 mac[6] = { 8, 0, 0x27, 0, 0, guest };
	NatAddress address;

	g_assert_true(nat_address_parse(from, &address));
	fake->solicit(fake, &address, mac, fake->solicit_data);
}

FakeOut *
fake_pull(Fake *fake)
{
	return g_queue_pop_head(&fake->out);
}

static gboolean
has_out(JfHarness *h, gpointer data)
{
	Fake *fake = data;

	(void)h;
	return fake->out.length > 0;
}

FakeOut *
fake_wait(Fake *fake)
{
	g_assert_true(jf_harness_poll_until(fake->h, has_out, fake, 10000));
	return fake_pull(fake);
}

guint
fake_get_services(Fake *fake)
{
	guint n = 0;

	for (guint i = 0; i < fake->entries->len; i++)
		n += g_array_index(fake->entries, Entry, i).redirect == NULL;
	return n;
}

const NatAddress *
fake_get_learned(Fake *fake, guint8 mac[6])
{
	memcpy(mac, fake->learned_mac, 6);
	return &fake->learned;
}

gboolean
fake_redirect(Fake *fake, const char *to, guint16 port, NatEndpoint *where)
{
	const Entry *entry;
	NatAddress address;

	g_assert_true(nat_address_parse(to, &address));
	entry = fake_find(fake, &address, port, TRUE);
	return entry && entry->redirect(fake, where, entry->data);
}

gboolean
fake_enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return FALSE;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		return FALSE;
	close(fd);
	return TRUE;
}

/* ---- The engine, as the services see it ---- */

JfInstance *
nat_engine_get_instance(NatEngine *engine)
{
	return jf_harness_get_instance(engine->h);
}

const NatConfig *
nat_engine_get_config(NatEngine *engine)
{
	return engine->config;
}

gboolean
nat_service_add(NatEngine *engine, const NatAddress *address, guint16 port, NatServiceFunc func,
		gpointer data)
{
	Entry entry = { .address = *address, .port = port, .func = func, .data = data };

	if (fake_find(engine, address, port, FALSE))
		return FALSE;
	g_array_append_val(engine->entries, entry);
	return TRUE;
}

void
nat_service_remove(NatEngine *engine, const NatAddress *address, guint16 port)
{
	const Entry *entry = fake_find(engine, address, port, FALSE);

	if (entry)
		g_array_remove_index(engine->entries,
				     (guint)(entry - (const Entry *)engine->entries->data));
}

gboolean
nat_redirect_add(NatEngine *engine, const NatAddress *address, guint16 port, NatRedirectFunc func,
		 gpointer data)
{
	Entry entry = { .address = *address, .port = port, .redirect = func, .data = data };

	g_array_append_val(engine->entries, entry);
	return TRUE;
}

static void
put_out(NatEngine *engine, gboolean is_icmp6, const NatDatagram *datagram)
{
	FakeOut *out = g_new0(FakeOut, 1);

	out->is_icmp6 = is_icmp6;
	out->from = datagram->from;
	out->to = datagram->to;
	out->has_mac = datagram->mac != NULL;
	if (datagram->mac)
		memcpy(out->mac, datagram->mac, 6);
	out->data = g_memdup2(datagram->data, datagram->len);
	out->len = datagram->len;
	g_queue_push_tail(&engine->out, out);
}

void
nat_send_udp(NatEngine *engine, const NatDatagram *out)
{
	g_assert_cmpuint(out->len, <=, 65507);
	put_out(engine, FALSE, out);
}

void
nat_send_icmp6(NatEngine *engine, const guint8 *mac, const NatAddress *from, const NatAddress *to,
	       const guint8 *data, guint32 len)
{
	const NatDatagram out = {
		.from.address = *from, .to.address = *to, .mac = mac, .data = data, .len = len
	};

	g_assert_cmpuint(len, <=, 1240);
	put_out(engine, TRUE, &out);
}

void
nat_neighbour_learn(NatEngine *engine, const NatAddress *address, const guint8 mac[6])
{
	engine->learned = *address;
	memcpy(engine->learned_mac, mac, 6);
}

gpointer
nat_service_get_state(NatEngine *engine, const NatService *service)
{
	for (guint i = 0; nat_services[i] && i < engine->states->len; i++)
		if (nat_services[i] == service)
			return engine->states->pdata[i];
	return NULL;
}

const NatServiceCounters *
nat_engine_get_service_counters(NatEngine *engine)
{
	return &engine->count;
}

void
nat_engine_set_solicit(NatEngine *engine, NatSolicitFunc func, gpointer data)
{
	engine->solicit = func;
	engine->solicit_data = data;
}
