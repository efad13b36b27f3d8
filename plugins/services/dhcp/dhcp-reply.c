/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-reply.c - what is in an answer and where it goes (RFC 2131, 4.1 and table 3).
 *
 * A client that names options (55) gets those of them that are set, in its order, then those that
 * are forced; one that names none gets all that are set. What is suppressed is never sent. Mask,
 * times and what the protocol itself needs always are.
 */
#include "dhcp.h"

#include <arpa/inet.h>
#include <string.h>

#define IP_AND_UDP_LEN 28u
#define MESSAGE_MIN 548u  /* 576 less IP and UDP: every client takes it */
#define MESSAGE_MAX 1472u /* what an Ethernet frame holds */
#define FOREVER 0xffffffffu
#define BROADCAST 0xffffffffu

/* ---- Where to ---- */

static gboolean
wants_broadcast(const Request *request)
{
	return (request->message.header.flags & JF_DHCP_BROADCAST) != 0;
}

/* The relay's address needs no ARP: it is where the request came from. */
static void
route_to_relay(const Request *request, Route *to)
{
	memcpy(to->mac, request->packet->source_mac, sizeof to->mac);
	to->address = request->giaddr;
	to->port = JF_DHCP_SERVER_PORT;
}

static void
route_broadcast(Route *to)
{
	memset(to->mac, 0xff, sizeof to->mac);
	to->address = BROADCAST;
	to->port = JF_DHCP_CLIENT_PORT;
}

static void
route_answer(const Request *request, guint32 yiaddr, Route *to)
{
	if (request->giaddr) {
		route_to_relay(request, to);
		return;
	}
	route_broadcast(to);
	if (request->ciaddr)
		to->address = request->ciaddr;
	else if (yiaddr && !wants_broadcast(request))
		to->address = yiaddr;
	if (to->address != BROADCAST)
		memcpy(to->mac, request->mac, sizeof to->mac);
}

/* ---- Options ---- */

static gsize
message_limit(const Request *request)
{
	const guint8 *asked = jf_dhcp_get_fixed(&request->message, JF_DHCP_OPT_MAX_SIZE, 2);
	gsize size = asked ? jf_get_be16(asked) : 0;

	return CLAMP(size, MESSAGE_MIN + IP_AND_UDP_LEN, MESSAGE_MAX + IP_AND_UDP_LEN) -
	       IP_AND_UDP_LEN;
}

static void
add_echoes(JfDhcpBuilder *builder, const Request *request)
{
	static const guint8 codes[] = { JF_DHCP_OPT_CLIENT_ID, JF_DHCP_OPT_RELAY };

	for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
		guint16 len;
		const guint8 *value = jf_dhcp_get(&request->message, codes[i], &len);

		if (value)
			jf_dhcp_builder_add(builder, codes[i], value, len);
	}
}

static void
add_times(JfDhcpBuilder *builder, const Request *request)
{
	guint32 time = scopes_get_time(request->scopes, &request->message);
	gboolean forever = time == FOREVER;

	jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_LEASE_TIME, time);
	jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_RENEWAL, forever ? time : time / 2);
	jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_REBINDING, forever ? time : time - time / 8);
}

static void
add_mask(JfDhcpBuilder *builder, const Server *server, const Request *request)
{
	GBytes *set = scopes_get_option(request->scopes, JF_DHCP_OPT_MASK);

	if (set)
		jf_dhcp_builder_add(builder, JF_DHCP_OPT_MASK, g_bytes_get_data(set, NULL),
				    g_bytes_get_size(set));
	else
		jf_dhcp_builder_add_u32(builder, JF_DHCP_OPT_MASK, server->mask);
}

/* Each at most once: `sent` has bits by code. */
static void
add_option(JfDhcpBuilder *builder, const Request *request, guint code, guint8 sent[32])
{
	GBytes *value = scopes_get_option(request->scopes, code);

	if (!value || sent[code / 8] >> code % 8 & 1 ||
	    scopes_get_wish(request->scopes, code) == WISH_SUPPRESS)
		return;
	sent[code / 8] |= (guint8)(1u << code % 8);
	jf_dhcp_builder_add(builder, (guint8)code, g_bytes_get_data(value, NULL),
			    g_bytes_get_size(value));
}

static void
add_set_options(JfDhcpBuilder *builder, const Request *request)
{
	guint8 sent[32] = { 1u << JF_DHCP_OPT_MASK };
	guint16 n;
	const guint8 *asked = jf_dhcp_get(&request->message, JF_DHCP_OPT_PARAMETERS, &n);

	for (guint i = 0; i < n; i++)
		add_option(builder, request, asked[i], sent);
	for (guint code = 1; code < JF_DHCP_OPT_END; code++)
		if (!asked || scopes_get_wish(request->scopes, code) == WISH_FORCE)
			add_option(builder, request, code, sent);
}

/* ---- Header ---- */

static void
header_init(JfDhcpHeader *header, const Request *request)
{
	*header = request->message.header;
	header->op = JF_DHCP_BOOTREPLY;
	header->hops = 0;
	header->secs = 0;
	memset(header->ciaddr, 0, sizeof header->ciaddr);
	memset(header->yiaddr, 0, sizeof header->yiaddr);
	memset(header->siaddr, 0, sizeof header->siaddr);
}

static char *
option_dup_text(const Request *request, guint code)
{
	GBytes *value = scopes_get_option(request->scopes, code);
	gsize len = value ? g_bytes_get_size(value) : 0;

	return value && scopes_get_wish(request->scopes, code) != WISH_SUPPRESS
		       ? g_strndup(g_bytes_get_data(value, NULL), len)
		       : NULL;
}

/* Boot ROMs look for the next server and the file in the header, whatever they ask for. */
static void
header_add_boot(JfDhcpHeader *header, const char *server, const char *file)
{
	guint8 address[4];

	if (file && server && inet_pton(AF_INET, server, address) == 1)
		memcpy(header->siaddr, address, sizeof address);
}

void
reply_build(const Server *server, const Request *request, guint8 type, const Binding *binding,
	    gboolean rapid, Answer *answer)
{
	g_autofree char *boot_server = option_dup_text(request, JF_DHCP_OPT_TFTP_SERVER);
	g_autofree char *boot_file = option_dup_text(request, JF_DHCP_OPT_BOOT_FILE);
	JfDhcpHeader header;
	JfDhcpBuilder builder;

	header_init(&header, request);
	header_add_boot(&header, boot_server, boot_file);
	if (binding)
		jf_put_be32(header.yiaddr, binding->address);
	if (type == JF_DHCP_ACK)
		jf_put_be32(header.ciaddr, request->ciaddr);
	jf_dhcp_builder_init(&builder, answer->frame + FRAME_HEADERS, message_limit(request),
			     &header, boot_file ? boot_server : NULL, boot_file);
	jf_dhcp_builder_add_u8(&builder, JF_DHCP_OPT_TYPE, type);
	jf_dhcp_builder_add_u32(&builder, JF_DHCP_OPT_SERVER_ID, server->address);
	if (binding)
		add_times(&builder, request);
	if (rapid)
		jf_dhcp_builder_add(&builder, JF_DHCP_OPT_RAPID_COMMIT, NULL, 0);
	add_echoes(&builder, request);
	add_mask(&builder, server, request);
	add_set_options(&builder, request);
	answer->len = jf_dhcp_builder_finish(&builder);
	route_answer(request, binding ? binding->address : 0, &answer->to);
}

/* To everybody, since the client's address is in doubt; through a relay with the broadcast bit set,
 * so that the relay does the same (RFC 2131, 4.3.2). */
void
reply_build_nak(const Server *server, const Request *request, const char *why, Answer *answer)
{
	JfDhcpHeader header;
	JfDhcpBuilder builder;

	header_init(&header, request);
	if (request->giaddr)
		header.flags |= JF_DHCP_BROADCAST;
	jf_dhcp_builder_init(&builder, answer->frame + FRAME_HEADERS, message_limit(request),
			     &header, NULL, NULL);
	jf_dhcp_builder_add_u8(&builder, JF_DHCP_OPT_TYPE, JF_DHCP_NAK);
	jf_dhcp_builder_add_u32(&builder, JF_DHCP_OPT_SERVER_ID, server->address);
	jf_dhcp_builder_add(&builder, JF_DHCP_OPT_MESSAGE, why, strlen(why));
	add_echoes(&builder, request);
	answer->len = jf_dhcp_builder_finish(&builder);
	if (request->giaddr)
		route_to_relay(request, &answer->to);
	else
		route_broadcast(&answer->to);
}
