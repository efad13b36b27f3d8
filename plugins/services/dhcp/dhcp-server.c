/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-server.c - the protocol (RFC 2131, 4.3): what each message of a client does.
 *
 * A binding is on disk before its DHCPACK leaves. Offers are kept in memory only, for OFFER_SECONDS;
 * a client whose offer a restart has forgotten gets the address all the same while it is free.
 *
 * Clients are told apart by option 61, else by hardware address (RFC 2131, 4.2); the option comes
 * back in every answer (RFC 6842). Relay agents' messages are answered through the relay when its
 * address is on the network that is served here; option 82 comes back (RFC 3046). A client that is
 * already bound keeps its binding while it is offered again.
 */
#include "dhcp.h"

#include <string.h>

#define OFFER_SECONDS 60u
#define DECLINE_SECONDS 600u
#define NANOSECONDS G_GUINT64_CONSTANT(1000000000)
#define FOREVER 0xffffffffu

static guint64
server_now(const Server *server)
{
	return server->inst->host->now(server->inst, JF_CLOCK_REALTIME) / NANOSECONDS;
}

static gboolean
server_is_on_network(const Server *server, guint32 address)
{
	return (address & server->mask) == (server->address & server->mask);
}

/* ---- Bindings ---- */

static void
binding_set(Binding *binding, const Request *request, BindingState state, guint64 issued,
	    guint64 end)
{
	binding->id = request->id;
	memcpy(binding->mac, request->mac, sizeof binding->mac);
	binding->state = state;
	binding->issued = issued;
	binding->end = end;
}

static void
server_offer(const Server *server, const Request *request, Binding *binding)
{
	guint64 now = server_now(server);

	if (binding->state != BINDING_ACKED || !client_id_equal(&binding->id, &request->id))
		binding_set(binding, request, BINDING_OFFERED, now, now + OFFER_SECONDS);
}

/* An address that was given out is the client's to probe; one that is about to be is ours. */
static gboolean
server_wants_probe(const Server *server, const Binding *binding)
{
	if (!server->probes || binding->state == BINDING_ACKED)
		return FALSE;
	return binding->state != BINDING_OFFERED || !binding->is_probed;
}

/* What cannot be written now is in the next file that can. */
static void
server_save(Server *server)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = !server->path || leases_save(server->leases, server->path, &error);

	if (!ok && !server->is_broken)
		jf_log(server->inst, G_LOG_LEVEL_WARNING, "leases are not kept: %s",
		       error->message);
	server->is_broken = !ok;
}

/* Other addresses that the client had or was offered are free again: one client, one address. */
static void
server_drop_others(Server *server, const Binding *binding)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, server->leases->table);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const Binding *other = value;

		if (other != binding && other->state != BINDING_DECLINED &&
		    client_id_equal(&other->id, &binding->id))
			g_hash_table_iter_remove(&iter);
	}
}

static void
server_bind(Server *server, const Request *request, Binding *binding)
{
	guint32 time = scopes_get_time(request->scopes, &request->message);
	guint64 now = server_now(server);

	binding_set(binding, request, BINDING_ACKED, now,
		    time == FOREVER ? G_MAXUINT64 : now + time);
	server_drop_others(server, binding);
	server_save(server);
}

static Binding *
server_choose(Server *server, const Request *request, guint32 wanted)
{
	guint32 fixed = scopes_get_fixed(request->scopes);
	Binding *binding = leases_choose(server->leases, server->config, &request->id, request->mac,
					 fixed, wanted);

	if (!binding)
		jf_count(server->n.exhausted, 1);
	return binding;
}

/* ---- Messages ---- */

static void
server_ack(Server *server, const Request *request, Binding *binding, gboolean rapid, Answer *answer)
{
	server_bind(server, request, binding);
	reply_build(server, request, JF_DHCP_ACK, binding, rapid, answer);
	jf_count(server->n.ack, 1);
}

static void
server_refuse(Server *server, const Request *request, const char *why, Answer *answer)
{
	reply_build_nak(server, request, why, answer);
	jf_count(server->n.nak, 1);
}

static void
handle_discover(Server *server, const Request *request, Answer *answer)
{
	guint16 len;
	Binding *binding;

	if (!answer->is_again)
		jf_count(server->n.discover, 1);
	/* RFC 2131, table 5: a client that has an address does not discover. */
	if (request->ciaddr)
		return;
	binding = server_choose(server, request, request->wanted);
	if (!binding)
		return;
	if (server_wants_probe(server, binding)) {
		binding->is_probed = FALSE;
		server_offer(server, request, binding);
		answer->probe = binding->address;
		return;
	}
	if (jf_dhcp_get(&request->message, JF_DHCP_OPT_RAPID_COMMIT, &len)) {
		server_ack(server, request, binding, TRUE, answer);
		return;
	}
	server_offer(server, request, binding);
	reply_build(server, request, JF_DHCP_OFFER, binding, FALSE, answer);
	jf_count(server->n.offer, 1);
}

/* Its offer was one of several, and another server's was taken. */
static void
forget_offer(Server *server, const Request *request)
{
	const Binding *binding = leases_find_client(server->leases, &request->id);

	if (binding && binding->state == BINDING_OFFERED)
		g_hash_table_remove(server->leases->table, GUINT_TO_POINTER(binding->address));
}

static void
request_selecting(Server *server, const Request *request, Answer *answer)
{
	Binding *binding;

	if (request->server_id != server->address) {
		forget_offer(server, request);
		return;
	}
	binding = server_choose(server, request, request->wanted);
	if (binding && binding->address == request->wanted)
		server_ack(server, request, binding, FALSE, answer);
	else
		server_refuse(server, request, "address was not offered", answer);
}

/* An address that belongs to this client by now: its own, or the one that is set for it. */
static Binding *
find_own(const Server *server, const Request *request, guint32 address)
{
	guint32 fixed = scopes_get_fixed(request->scopes);
	Binding *binding = leases_find_client(server->leases, &request->id);

	if (fixed)
		return address == fixed ? leases_choose(server->leases, server->config,
							&request->id, request->mac, fixed, 0)
					: NULL;
	if (!binding || binding->address != address ||
	    !leases_is_in_pool(server->leases, address) ||
	    config_is_reserved(server->config, address, request->mac))
		return NULL;
	return binding;
}

/* RFC 2131, 4.3.2: no record of the client, no answer; a wrong network is refused in any case. */
static void
request_init_reboot(Server *server, const Request *request, Answer *answer)
{
	Binding *binding = find_own(server, request, request->wanted);

	if (binding)
		server_ack(server, request, binding, FALSE, answer);
	else if (!server_is_on_network(server, request->wanted))
		server_refuse(server, request, "wrong network", answer);
	else if (leases_find_client(server->leases, &request->id) ||
		 scopes_get_fixed(request->scopes))
		server_refuse(server, request, "address is not this client's", answer);
}

/* Renewing or rebinding. A lease that is not known here but could be goes on: ciaddr is trusted
 * (RFC 2131, 4.3.2), and nobody else has it. */
static void
request_renew(Server *server, const Request *request, Answer *answer)
{
	Binding *binding = find_own(server, request, request->ciaddr);

	if (!binding && server_is_on_network(server, request->ciaddr)) {
		binding = server_choose(server, request, request->ciaddr);
		if (binding && binding->address != request->ciaddr)
			binding = NULL;
	}
	if (binding)
		server_ack(server, request, binding, FALSE, answer);
	else
		server_refuse(server, request, "address is not this client's", answer);
}

/* RFC 2131, table 4. */
static void
handle_request(Server *server, const Request *request, Answer *answer)
{
	jf_count(server->n.request, 1);
	if (request->server_id && request->wanted && !request->ciaddr)
		request_selecting(server, request, answer);
	else if (!request->server_id && request->wanted && !request->ciaddr)
		request_init_reboot(server, request, answer);
	else if (!request->server_id && request->ciaddr)
		request_renew(server, request, answer);
	else if (request->server_id && request->server_id != server->address)
		forget_offer(server, request);
	else
		jf_count(server->n.malformed, 1);
}

/* Only a client that holds the address may say that it is taken, else one guest could use up the
 * pool of all. */
static void
handle_decline(Server *server, const Request *request)
{
	guint64 now = server_now(server);
	Binding *binding;

	jf_count(server->n.decline, 1);
	binding = leases_find_address(server->leases, request->wanted);
	if (request->server_id != server->address || !binding ||
	    (binding->state != BINDING_OFFERED && binding->state != BINDING_ACKED) ||
	    !client_id_equal(&binding->id, &request->id))
		return;
	binding_set(binding, request, BINDING_DECLINED, now, now + DECLINE_SECONDS);
	server_save(server);
	jf_log(server->inst, G_LOG_LEVEL_WARNING,
	       "a client found %u.%u.%u.%u in use by somebody else", binding->address >> 24,
	       binding->address >> 16 & 255, binding->address >> 8 & 255, binding->address & 255);
}

void
server_end_probe(Server *server, guint32 address, gboolean conflict)
{
	Binding *binding = leases_find_address(server->leases, address);

	if (!binding || binding->state != BINDING_OFFERED)
		return;
	binding->is_probed = TRUE;
	if (!conflict)
		return;
	binding->state = BINDING_DECLINED;
	binding->end = server_now(server) + DECLINE_SECONDS;
	jf_count(server->n.conflict, 1);
	jf_log(server->inst, G_LOG_LEVEL_WARNING,
	       "%u.%u.%u.%u is in use by somebody who has no lease for it", address >> 24,
	       address >> 16 & 255, address >> 8 & 255, address & 255);
}

static void
handle_release(Server *server, const Request *request)
{
	Binding *binding = leases_find_address(server->leases, request->ciaddr);

	jf_count(server->n.release, 1);
	if (request->server_id != server->address || !binding || binding->state != BINDING_ACKED ||
	    !client_id_equal(&binding->id, &request->id))
		return;
	binding->state = BINDING_RELEASED;
	binding->end = server_now(server);
	server_save(server);
}

static void
handle_inform(Server *server, const Request *request, Answer *answer)
{
	jf_count(server->n.inform, 1);
	if (!server_is_on_network(server, request->ciaddr))
		return;
	reply_build(server, request, JF_DHCP_ACK, NULL, FALSE, answer);
	jf_count(server->n.ack, 1);
}

/* ---- Reading ---- */

static guint32
option_address(const JfDhcpMessage *message, guint8 code)
{
	const guint8 *value = jf_dhcp_get_fixed(message, code, 4);

	return value ? jf_get_be32(value) : 0;
}

/* RFC 2132, 9.14: an id has two bytes at least; a shorter one is none. */
static void
read_client_id(Request *request)
{
	const JfDhcpMessage *message = &request->message;
	guint16 len;
	const guint8 *value = jf_dhcp_get(message, JF_DHCP_OPT_CLIENT_ID, &len);

	request->id.is_given = value && len >= 2 && len <= CLIENT_ID_MAX;
	if (request->id.is_given) {
		request->id.len = (guint8)len;
		memcpy(request->id.bytes, value, len);
	} else {
		request->id.len = 7;
		request->id.bytes[0] = message->header.htype;
		memcpy(request->id.bytes + 1, message->header.chaddr, 6);
	}
}

static gboolean
request_read(const Server *server, Request *request, const Packet *packet)
{
	const JfDhcpHeader *header = &request->message.header;

	if (!jf_dhcp_parse(&request->message, packet->data, packet->len) ||
	    header->op != JF_DHCP_BOOTREQUEST || header->htype != 1 || header->hlen != 6 ||
	    request->message.type == 0)
		return FALSE;
	request->packet = packet;
	memcpy(request->mac, header->chaddr, sizeof request->mac);
	read_client_id(request);
	request->ciaddr = jf_get_be32(header->ciaddr);
	request->giaddr = jf_get_be32(header->giaddr);
	request->wanted = option_address(&request->message, JF_DHCP_OPT_ADDRESS);
	request->server_id = option_address(&request->message, JF_DHCP_OPT_SERVER_ID);
	request->scopes = config_match(server->config, request->mac, &request->message);
	return TRUE;
}

static void
request_handle(Server *server, const Request *request, Answer *answer)
{
	switch (request->message.type) {
	case JF_DHCP_DISCOVER:
		handle_discover(server, request, answer);
		break;
	case JF_DHCP_REQUEST:
		handle_request(server, request, answer);
		break;
	case JF_DHCP_DECLINE:
		handle_decline(server, request);
		break;
	case JF_DHCP_RELEASE:
		handle_release(server, request);
		break;
	case JF_DHCP_INFORM:
		handle_inform(server, request, answer);
		break;
	default:
		jf_count(server->n.malformed, 1);
	}
}

void
server_handle(Server *server, const Packet *packet, Answer *answer)
{
	g_autofree Request *request = g_new0(Request, 1);

	answer->len = 0;
	answer->probe = 0;
	if (!request_read(server, request, packet)) {
		jf_count(server->n.malformed, 1);
		return;
	}
	leases_expire(server->leases, server_now(server));
	if (request->giaddr && !server_is_on_network(server, request->giaddr))
		jf_count(server->n.not_for_us, 1);
	else
		request_handle(server, request, answer);
	g_ptr_array_unref(request->scopes);
}
