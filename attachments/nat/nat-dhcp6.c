/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-dhcp6.c - stateless DHCPv6 (RFC 8415 18.3.6): name servers and search list for guests whose
 * addresses come by router advertisements.
 *
 * Only INFORMATION-REQUEST is answered. Router advertisements do not tell guests to ask for addresses
 * here (no M flag), and one that does all the same is not answered, as by other stateless servers.
 */
#include "nat-services.h"

#define SERVER_PORT 547u
#define CLIENT_PORT 546u

#define MSG_REPLY 7u
#define MSG_INFORMATION_REQUEST 11u

#define OPT_CLIENT_ID 1u
#define OPT_SERVER_ID 2u
#define OPT_IA_NA 3u
#define OPT_IA_TA 4u
#define OPT_ORO 6u
#define OPT_DNS 23u /* RFC 3646 */
#define OPT_DOMAINS 24u
#define OPT_IA_PD 25u
#define OPT_REFRESH 32u
#define REFRESH_SECONDS 3600u

#define DUID_MAX 130u /* RFC 8415 11.1 */
#define DUID_LL 3u
#define SERVER_DUID_LEN 10u
#define REPLY_MAX 1232u /* in 1280 bytes with its headers */

typedef struct Message {
	guint8 type;
	guint8 transaction[3];
	const guint8 *client_id;
	guint16 client_id_len;
	const guint8 *oro;
	guint16 oro_len;
} Message;

static void
make_duid(const NatConfig *config, guint8 duid[SERVER_DUID_LEN])
{
	jf_put_be16(duid, DUID_LL);
	jf_put_be16(duid + 2, 1); /* Ethernet */
	memcpy(duid + 4, config->mac, 6);
}

/* FALSE: the message must be discarded (RFC 8415 16.12). */
static gboolean
message_take(Message *message, const NatConfig *config, guint16 code, const guint8 *value,
	     guint16 len)
{
	guint8 duid[SERVER_DUID_LEN];

	switch (code) {
	case OPT_CLIENT_ID:
		if (len > DUID_MAX)
			return FALSE;
		message->client_id = value;
		message->client_id_len = len;
		return TRUE;
	case OPT_SERVER_ID:
		make_duid(config, duid);
		return len == sizeof duid && memcmp(value, duid, len) == 0;
	case OPT_ORO:
		message->oro = value;
		message->oro_len = len;
		return TRUE;
	default:
		return code != OPT_IA_NA && code != OPT_IA_TA && code != OPT_IA_PD;
	}
}

static gboolean
message_parse(Message *message, const NatConfig *config, const guint8 *data, gsize len)
{
	JfReader reader = jf_reader(data, len);
	const guint8 *transaction;

	memset(message, 0, sizeof *message);
	message->type = jf_reader_u8(&reader);
	transaction = jf_reader_bytes(&reader, 3);
	if (!transaction || message->type != MSG_INFORMATION_REQUEST)
		return FALSE;
	memcpy(message->transaction, transaction, 3);
	while (reader.left) {
		guint16 code = jf_reader_be16(&reader), option_len = jf_reader_be16(&reader);
		const guint8 *value = jf_reader_bytes(&reader, option_len);

		if (!value || !message_take(message, config, code, value, option_len))
			return FALSE;
	}
	return TRUE;
}

static gboolean
is_asked_for(const Message *message, guint16 code)
{
	for (guint i = 0; i + 2 <= message->oro_len; i += 2)
		if (jf_get_be16(message->oro + i) == code)
			return TRUE;
	return FALSE;
}

typedef struct Reply {
	guint8 data[REPLY_MAX];
	gsize len;
} Reply;

static void
reply_add(Reply *reply, guint16 code, gconstpointer value, gsize len)
{
	if (sizeof reply->data - reply->len < 4 + len)
		return;
	jf_put_be16(reply->data + reply->len, code);
	jf_put_be16(reply->data + reply->len + 2, (guint16)len);
	memcpy(reply->data + reply->len + 4, value, len);
	reply->len += 4 + len;
}

static void
reply_add_dns(Reply *reply, NatEngine *engine)
{
	NatAddress list[NAT_RESOLVERS_MAX];
	guint n;

	nat_resolv_list(engine, TRUE, list, &n);
	reply_add(reply, OPT_DNS, list, n * sizeof *list);
}

static void
reply_fill(Reply *reply, NatEngine *engine, const Message *message)
{
	guint8 duid[SERVER_DUID_LEN], refresh[4], domains[512];
	gsize len;

	reply->data[0] = MSG_REPLY;
	memcpy(reply->data + 1, message->transaction, 3);
	reply->len = 4;
	make_duid(nat_engine_get_config(engine), duid);
	reply_add(reply, OPT_SERVER_ID, duid, sizeof duid);
	if (message->client_id)
		reply_add(reply, OPT_CLIENT_ID, message->client_id, message->client_id_len);
	if (is_asked_for(message, OPT_DNS))
		reply_add_dns(reply, engine);
	if (is_asked_for(message, OPT_REFRESH)) {
		jf_put_be32(refresh, REFRESH_SECONDS);
		reply_add(reply, OPT_REFRESH, refresh, sizeof refresh);
	}
	if (!is_asked_for(message, OPT_DOMAINS))
		return;
	len = nat_resolv_put_domains(engine, domains, sizeof domains);
	if (len)
		reply_add(reply, OPT_DOMAINS, domains, len);
}

static void
dhcp6_input(NatEngine *engine, const NatDatagram *in, gpointer data)
{
	const NatConfig *config = nat_engine_get_config(engine);
	Message message;
	Reply reply;

	(void)data;
	if (nat_address_is_v4(&in->to.address) ||
	    !message_parse(&message, config, in->data, in->len))
		return;
	reply_fill(&reply, engine, &message);
	nat_send_udp(engine, &(NatDatagram){ .from = { config->link_local6, SERVER_PORT },
					     .to = { in->from.address, CLIENT_PORT },
					     .mac = in->mac,
					     .data = reply.data,
					     .len = (guint32)reply.len });
}

static gboolean
dhcp6_start(NatEngine *engine, gpointer *state, GError **error)
{
	const NatConfig *config = nat_engine_get_config(engine);
	static const NatAddress any;

	(void)error;
	if (!config->dhcp || !config->ipv6)
		return TRUE;
	nat_service_add(engine, &any, SERVER_PORT, dhcp6_input, NULL);
	*state = engine;
	return TRUE;
}

static void
dhcp6_stop(NatEngine *engine, gpointer state)
{
	static const NatAddress any;

	(void)state;
	nat_service_remove(engine, &any, SERVER_PORT);
}

const NatService nat_service_dhcp6 = {
	.name = "dhcp6",
	.start = dhcp6_start,
	.stop = dhcp6_stop,
};
