/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-dhcp.c - DHCPv4 for the guests of a NAT engine (RFC 2131).
 *
 * It is the only server of its network, so it may be sure of itself: a client that remembers an
 * address from before a restart gets it while it is free, and is told to begin anew (DHCPNAK) while
 * it is not. Leases live as long as the engine runs; a client that comes back finds its old address.
 * Clients are told apart by hardware address and not by option 61 (RFC 2131 4.2): a boot program and
 * the system that it boots choose different ids, and are one guest with one address, which port
 * forwards lead to.
 *
 * The table is as long as the pool. A guest that makes up clients can fill it with offers: they run
 * out after a minute, and the oldest makes room for a new one.
 *
 * Left out: relay agents (there is no network behind a guest's network), and BOOTP clients without a
 * message type get an address as if they had asked in DHCP.
 */
#include <jackfield/dhcp.h>

#include "nat-services.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define LEASE_SECONDS 86400u
#define OFFER_SECONDS 60u
#define DECLINE_SECONDS 600u
#define OPT_BROADCAST 28u
#define OPT_MTU 26u
#define OPT_SEARCH 119u /* RFC 3397 */
#define MTU_DEFAULT 1500u

typedef enum {
	LEASE_FREE, /* `mac` is who had it last */
	LEASE_OFFERED,
	LEASE_BOUND,
	LEASE_DECLINED,
} LeaseState;

typedef struct Lease {
	LeaseState state;
	guint64 end;   /* of the state, ns */
	guint64 used;  /* when it was last offered or given */
	guint8 mac[6]; /* all zero: nobody */
} Lease;

typedef struct Dhcp {
	NatEngine *engine;
	const NatConfig *config;
	Lease *leases; /* config->n_leases */
	JfDhcpMessage message;
} Dhcp;

typedef struct Request {
	const JfDhcpMessage *message;
	const NatDatagram *in;
	const guint8 *mac;
	guint32 ciaddr;
	guint32 wanted;    /* option 50, 0: none */
	guint32 server_id; /* option 54, 0: none */
} Request;

/* ---- Leases ---- */

static guint64
dhcp_now(const Dhcp *dhcp)
{
	JfInstance *inst = nat_engine_get_instance(dhcp->engine);

	return inst->host->now(inst, JF_CLOCK_MONOTONIC);
}

static guint32
lease_address(const Dhcp *dhcp, const Lease *lease)
{
	return dhcp->config->first_lease + (guint32)(lease - dhcp->leases);
}

/* NULL: not in the pool. */
static Lease *
lease_at(Dhcp *dhcp, guint32 address)
{
	NatAddress a = nat_address_v4(address);

	if (address - dhcp->config->first_lease >= dhcp->config->n_leases ||
	    nat_address_equal(&a, &dhcp->config->gateway4) ||
	    nat_address_equal(&a, &dhcp->config->name_server4))
		return NULL;
	return &dhcp->leases[address - dhcp->config->first_lease];
}

static gboolean
lease_is_of(const Lease *lease, const Request *request)
{
	return memcmp(lease->mac, request->mac, 6) == 0;
}

static gboolean
lease_is_new(const Lease *lease)
{
	static const guint8 nobody[6];

	return memcmp(lease->mac, nobody, 6) == 0;
}

static void
leases_expire(Dhcp *dhcp)
{
	guint64 now = dhcp_now(dhcp);

	for (guint32 i = 0; i < dhcp->config->n_leases; i++) {
		Lease *lease = &dhcp->leases[i];

		if (lease->state == LEASE_FREE || now < lease->end)
			continue;
		if (lease->state == LEASE_DECLINED)
			memset(lease->mac, 0, 6);
		lease->state = LEASE_FREE;
	}
}

static Lease *
lease_find(Dhcp *dhcp, const Request *request)
{
	for (guint32 i = 0; i < dhcp->config->n_leases; i++)
		if (lease_is_of(&dhcp->leases[i], request) &&
		    dhcp->leases[i].state != LEASE_DECLINED)
			return &dhcp->leases[i];
	return NULL;
}

/* How gladly an address is given to somebody new: one that nobody had, then the longest unused,
 * then an offer. 0: not at all. */
static guint
lease_rank(const Lease *lease)
{
	if (lease->state == LEASE_FREE)
		return lease_is_new(lease) ? 3 : 2;
	return lease->state == LEASE_OFFERED ? 1 : 0;
}

static Lease *
lease_choose(Dhcp *dhcp, const Request *request, guint32 wanted)
{
	Lease *best = lease_find(dhcp, request), *lease = lease_at(dhcp, wanted);

	if (best)
		return best;
	if (lease && lease_rank(lease) >= 2)
		return lease;
	for (guint32 i = 0; i < dhcp->config->n_leases; i++) {
		guint rank;

		lease = lease_at(dhcp, dhcp->config->first_lease + i);
		rank = lease ? lease_rank(lease) : 0;
		if (rank && (!best || rank > lease_rank(best) ||
			     (rank == lease_rank(best) && lease->used < best->used)))
			best = lease;
	}
	return best;
}

static void
lease_set(const Dhcp *dhcp, Lease *lease, const Request *request, LeaseState state, guint32 seconds)
{
	guint64 now = dhcp_now(dhcp);

	lease->state = state;
	memcpy(lease->mac, request->mac, 6);
	lease->used = now;
	lease->end = now + seconds * SECOND;
}

/* ---- Replies ---- */

static void
put_address(JfDhcpBuilder *builder, guint8 code, const NatAddress *address)
{
	jf_dhcp_builder_add(builder, code, address->b + 12, 4);
}

static void
put_dns(const Dhcp *dhcp, JfDhcpBuilder *builder)
{
	NatAddress list[NAT_RESOLVERS_MAX];
	guint8 bytes[4 * NAT_RESOLVERS_MAX];
	guint n;

	nat_resolv_list(dhcp->engine, FALSE, list, &n);
	for (guint i = 0; i < n; i++)
		memcpy(bytes + 4 * i, list[i].b + 12, 4);
	jf_dhcp_builder_add(builder, JF_DHCP_OPT_DNS, bytes, 4 * n);
}

static gboolean
is_asked_for(const JfDhcpMessage *message, guint8 code)
{
	guint16 len;
	const guint8 *list = jf_dhcp_get(message, JF_DHCP_OPT_PARAMETERS, &len);

	return list && memchr(list, code, len);
}

/* The domain is the first of the search list. Long lists only to those who ask for them. */
static void
put_domains(const Dhcp *dhcp, const JfDhcpMessage *message, JfDhcpBuilder *builder)
{
	const NatResolvConf *conf = nat_resolv_get(dhcp->engine);
	guint8 names[512];
	gsize len;

	if (!dhcp->config->dns_pass_domain || conf->n_domains == 0)
		return;
	jf_dhcp_builder_add(builder, JF_DHCP_OPT_DOMAIN, conf->domains[0],
			    strlen(conf->domains[0]));
	if (!is_asked_for(message, OPT_SEARCH))
		return;
	len = nat_resolv_put_domains(dhcp->engine, names, sizeof names);
	if (len)
		jf_dhcp_builder_add(builder, OPT_SEARCH, names, len);
}

/* Where a PXE client finds its server: the address in `siaddr`, and as text where it asks. */
static void
put_boot(const Dhcp *dhcp, const JfDhcpMessage *message, const JfDhcpHeader *header,
	 JfDhcpBuilder *builder)
{
	char server[INET_ADDRSTRLEN];

	if (!dhcp->config->boot_file)
		return;
	g_snprintf(server, sizeof server, "%u.%u.%u.%u", header->siaddr[0], header->siaddr[1],
		   header->siaddr[2], header->siaddr[3]);
	if (is_asked_for(message, JF_DHCP_OPT_TFTP_SERVER))
		jf_dhcp_builder_add(builder, JF_DHCP_OPT_TFTP_SERVER, server, strlen(server));
	if (is_asked_for(message, JF_DHCP_OPT_BOOT_FILE))
		jf_dhcp_builder_add(builder, JF_DHCP_OPT_BOOT_FILE, dhcp->config->boot_file,
				    strlen(dhcp->config->boot_file));
}

static void
put_network(const Dhcp *dhcp, const JfDhcpMessage *message, const JfDhcpHeader *header,
	    JfDhcpBuilder *builder)
{
	const NatConfig *config = dhcp->config;
	guint8 mtu[2];

	jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_MASK, config->netmask);
	put_address(builder, JF_DHCP_OPT_ROUTER, &config->gateway4);
	put_dns(dhcp, builder);
	jf_put_be16(mtu, config->mtu);
	if (config->mtu != MTU_DEFAULT)
		jf_dhcp_builder_add(builder, OPT_MTU, mtu, sizeof mtu);
	put_boot(dhcp, message, header, builder);
	if (config->hostname)
		jf_dhcp_builder_add(builder, JF_DHCP_OPT_HOST_NAME, config->hostname,
				    strlen(config->hostname));
	jf_dhcp_builder_add_u32(builder, OPT_BROADCAST, config->network | ~config->netmask);
	put_domains(dhcp, message, builder);
}

static void
put_times(JfDhcpBuilder *builder)
{
	jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_LEASE_TIME, LEASE_SECONDS);
	jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_RENEWAL, LEASE_SECONDS / 2);
	jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_REBINDING, LEASE_SECONDS / 8 * 7);
}

/* RFC 2131 4.1: where the answer goes. */
static void
reply_send(const Dhcp *dhcp, const JfDhcpHeader *header, guint8 type, const guint8 *data, gsize len)
{
	NatDatagram out = { .from = { dhcp->config->gateway4, JF_DHCP_SERVER_PORT },
			    .to.port = JF_DHCP_CLIENT_PORT,
			    .data = data,
			    .len = (guint32)len };
	guint32 to = G_MAXUINT32;

	if (type != JF_DHCP_NAK && jf_get_be32(header->ciaddr))
		to = jf_get_be32(header->ciaddr);
	else if (type != JF_DHCP_NAK && !(header->flags & JF_DHCP_BROADCAST))
		to = jf_get_be32(header->yiaddr);
	out.to.address = nat_address_v4(to);
	out.mac = to == G_MAXUINT32 ? NULL : header->chaddr;
	nat_send_udp(dhcp->engine, &out);
}

static void
reply_header(const Dhcp *dhcp, const Request *request, guint8 type, guint32 address,
	     JfDhcpHeader *header)
{
	const NatConfig *config = dhcp->config;
	static const NatAddress any;

	*header = request->message->header;
	header->op = JF_DHCP_BOOTREPLY;
	header->hops = 0;
	header->secs = 0;
	memset(header->siaddr, 0, 4);
	jf_put_be32(header->yiaddr, address);
	if (type == JF_DHCP_NAK) {
		memset(header->ciaddr, 0, 4);
		return;
	}
	memcpy(header->siaddr,
	       (nat_address_equal(&config->next_server, &any) ? config->gateway4.b
							      : config->next_server.b) +
		       12,
	       4);
}

static void
dhcp_count(const Dhcp *dhcp, guint8 type)
{
	const NatServiceCounters *n = nat_engine_get_service_counters(dhcp->engine);

	if (type == JF_DHCP_OFFER)
		jf_count(n->dhcp_offers, 1);
	else if (type == JF_DHCP_ACK)
		jf_count(n->dhcp_acks, 1);
	else if (type == JF_DHCP_NAK)
		jf_count(n->dhcp_naks, 1);
}

/* `type` 0: to a BOOTP client. */
static void
dhcp_reply(const Dhcp *dhcp, const Request *request, guint8 type, guint32 address, gboolean rapid)
{
	const JfDhcpMessage *message = request->message;
	const guint8 *limit = jf_dhcp_get_fixed(message, JF_DHCP_OPT_MAX_SIZE, 2);
	guint size = CLAMP(limit ? jf_get_be16(limit) : 576u, 576u, 1500u) - 28;
	gboolean is_good = type != JF_DHCP_NAK;
	JfDhcpBuilder builder;
	JfDhcpHeader header;
	guint8 data[1500];
	const guint8 *id;
	guint16 id_len;

	reply_header(dhcp, request, type, address, &header);
	jf_dhcp_builder_init(&builder, data, size, &header, NULL,
			     is_good ? dhcp->config->boot_file : NULL);
	if (type)
		jf_dhcp_builder_add_u8(&builder, JF_DHCP_OPT_TYPE, type);
	if (type)
		put_address(&builder, JF_DHCP_OPT_SERVER_ID, &dhcp->config->gateway4);
	id = jf_dhcp_get(message, JF_DHCP_OPT_CLIENT_ID, &id_len);
	if (id && type)
		jf_dhcp_builder_add(&builder, JF_DHCP_OPT_CLIENT_ID, id, id_len);
	if (type && is_good && address)
		put_times(&builder);
	if (rapid)
		jf_dhcp_builder_add(&builder, JF_DHCP_OPT_RAPID_COMMIT, NULL, 0);
	if (is_good)
		put_network(dhcp, message, &header, &builder);
	reply_send(dhcp, &header, type, data, jf_dhcp_builder_finish(&builder));
	dhcp_count(dhcp, type);
}

/* ---- Messages ---- */

static void
dhcp_bind(Dhcp *dhcp, const Request *request, Lease *lease, guint8 type, gboolean rapid)
{
	NatAddress address = nat_address_v4(lease_address(dhcp, lease));
	Lease *other = lease_find(dhcp, request);

	/* One client, one address. */
	if (other && other != lease)
		*other = (Lease){ .state = LEASE_FREE, .used = other->used };
	lease_set(dhcp, lease, request, LEASE_BOUND, LEASE_SECONDS);
	nat_neighbour_learn(dhcp->engine, &address, request->message->header.chaddr);
	dhcp_reply(dhcp, request, type, lease_address(dhcp, lease), rapid);
}

static void
dhcp_discover(Dhcp *dhcp, const Request *request)
{
	Lease *lease = lease_choose(dhcp, request, request->wanted);
	guint16 len;

	if (!lease)
		return;
	if (jf_dhcp_get(request->message, JF_DHCP_OPT_RAPID_COMMIT, &len)) {
		dhcp_bind(dhcp, request, lease, JF_DHCP_ACK, TRUE);
		return;
	}
	if (lease->state != LEASE_BOUND)
		lease_set(dhcp, lease, request, LEASE_OFFERED, OFFER_SECONDS);
	dhcp_reply(dhcp, request, JF_DHCP_OFFER, lease_address(dhcp, lease), FALSE);
}

/* Selecting, rebooting, renewing (RFC 2131 4.3.2): the address is free for this client, or it is
 * not. */
static void
dhcp_request(Dhcp *dhcp, const Request *request)
{
	guint32 address = request->ciaddr ? request->ciaddr : request->wanted;
	Lease *lease = lease_at(dhcp, address);

	if (request->server_id && request->server_id != nat_address_get_v4(&dhcp->config->gateway4))
		return;
	if (lease && (lease_is_of(lease, request) ? lease->state != LEASE_DECLINED
						  : lease->state == LEASE_FREE))
		dhcp_bind(dhcp, request, lease, JF_DHCP_ACK, FALSE);
	else
		dhcp_reply(dhcp, request, JF_DHCP_NAK, 0, FALSE);
}

/* Only from who has it: else one guest could use up the pool of all. */
static void
dhcp_decline(Dhcp *dhcp, const Request *request)
{
	Lease *lease = lease_at(dhcp, request->wanted);

	if (lease && lease->state != LEASE_FREE && lease_is_of(lease, request))
		lease_set(dhcp, lease, request, LEASE_DECLINED, DECLINE_SECONDS);
}

static void
dhcp_release(Dhcp *dhcp, const Request *request)
{
	Lease *lease = lease_at(dhcp, request->ciaddr);

	if (lease && lease->state == LEASE_BOUND && lease_is_of(lease, request))
		lease->state = LEASE_FREE;
}

static void
dhcp_bootp(Dhcp *dhcp, const Request *request)
{
	Lease *lease = lease_choose(dhcp, request, 0);

	if (lease)
		dhcp_bind(dhcp, request, lease, 0, FALSE);
}

static void
dhcp_handle(Dhcp *dhcp, const Request *request)
{
	leases_expire(dhcp);
	switch (request->message->type) {
	case 0:
		dhcp_bootp(dhcp, request);
		break;
	case JF_DHCP_DISCOVER:
		dhcp_discover(dhcp, request);
		break;
	case JF_DHCP_REQUEST:
		dhcp_request(dhcp, request);
		break;
	case JF_DHCP_DECLINE:
		dhcp_decline(dhcp, request);
		break;
	case JF_DHCP_RELEASE:
		dhcp_release(dhcp, request);
		break;
	case JF_DHCP_INFORM:
		if (request->ciaddr)
			dhcp_reply(dhcp, request, JF_DHCP_ACK, 0, FALSE);
		break;
	default:
		break;
	}
}

static guint32
option_address(const JfDhcpMessage *message, guint8 code)
{
	const guint8 *value = jf_dhcp_get_fixed(message, code, 4);

	return value ? jf_get_be32(value) : 0;
}

static void
dhcp_input(NatEngine *engine, const NatDatagram *in, gpointer data)
{
	static const guint8 none[6];
	Dhcp *dhcp = data;
	Request request = { .message = &dhcp->message, .in = in };
	const JfDhcpHeader *header = &dhcp->message.header;

	(void)engine;
	if (!nat_address_is_v4(&in->to.address) ||
	    !jf_dhcp_parse(&dhcp->message, in->data, in->len))
		return;
	if (header->op != JF_DHCP_BOOTREQUEST || header->htype != 1 || header->hlen != 6 ||
	    (header->chaddr[0] & 1) || memcmp(header->giaddr, none, 4) != 0)
		return;
	if (memcmp(header->chaddr, none, 6) == 0)
		return;
	request.mac = header->chaddr;
	request.ciaddr = jf_get_be32(header->ciaddr);
	request.wanted = option_address(&dhcp->message, JF_DHCP_OPT_ADDRESS);
	request.server_id = option_address(&dhcp->message, JF_DHCP_OPT_SERVER_ID);
	dhcp_handle(dhcp, &request);
}

/* ---- Life ---- */

static gboolean
dhcp_start(NatEngine *engine, gpointer *state, GError **error)
{
	const NatConfig *config = nat_engine_get_config(engine);
	static const NatAddress any;
	Dhcp *dhcp;

	(void)error;
	if (!config->dhcp || !config->ipv4 || config->other_dhcp)
		return TRUE;
	dhcp = g_new0(Dhcp, 1);
	dhcp->engine = engine;
	dhcp->config = config;
	dhcp->leases = g_new0(Lease, MAX(config->n_leases, 1u));
	nat_service_add(engine, &any, JF_DHCP_SERVER_PORT, dhcp_input, dhcp);
	*state = dhcp;
	return TRUE;
}

static void
dhcp_stop(NatEngine *engine, gpointer state)
{
	static const NatAddress any;
	Dhcp *dhcp = state;

	nat_service_remove(engine, &any, JF_DHCP_SERVER_PORT);
	g_free(dhcp->leases);
	g_free(dhcp);
}

const NatService nat_service_dhcp = {
	.name = "dhcp",
	.start = dhcp_start,
	.stop = dhcp_stop,
};
