/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-client.c - a DHCP client for tests. */
#include "dhcp-client.h"

#include <arpa/inet.h>
#include <string.h>

#define SERVER 0xc0a83802u /* 192.168.56.2, as all tests have it */
#define HEADERS 42u

static void
put_address(guint8 *to, const char *text)
{
	if (text)
		g_assert_cmpint(inet_pton(AF_INET, text, to), ==, 1);
}

static void
add_text(JfDhcpBuilder *builder, guint8 code, const char *text)
{
	if (text)
		g_assert_true(jf_dhcp_builder_add(builder, code, text, strlen(text)));
}

static void
add_address(JfDhcpBuilder *builder, guint8 code, const char *text)
{
	guint8 bytes[4];

	put_address(bytes, text);
	if (text)
		g_assert_true(jf_dhcp_builder_add(builder, code, bytes, sizeof bytes));
}

static gsize
message_build(const Ask *ask, guint8 *data, gsize size)
{
	JfDhcpHeader header = { .op = JF_DHCP_BOOTREQUEST,
				.htype = 1,
				.hlen = 6,
				.xid = 0x12345678,
				.flags = ask->broadcast ? JF_DHCP_BROADCAST : 0,
				.chaddr = { 8, 0, 0x27, 0, 0, ask->mac } };
	guint8 max_size[2];
	JfDhcpBuilder b;

	put_address(header.ciaddr, ask->ciaddr);
	put_address(header.giaddr, ask->giaddr);
	jf_dhcp_builder_init(&b, data, size, &header, NULL, NULL);
	if (ask->type)
		jf_dhcp_builder_add_u8(&b, JF_DHCP_OPT_TYPE, ask->type);
	add_address(&b, JF_DHCP_OPT_ADDRESS, ask->wanted);
	add_address(&b, JF_DHCP_OPT_SERVER_ID, ask->server);
	add_text(&b, JF_DHCP_OPT_CLIENT_ID, ask->id);
	add_text(&b, JF_DHCP_OPT_VENDOR, ask->vendor);
	add_text(&b, JF_DHCP_OPT_USER, ask->user);
	add_text(&b, JF_DHCP_OPT_PARAMETERS, ask->parameters);
	add_text(&b, JF_DHCP_OPT_RELAY, ask->relay);
	add_text(&b, JF_DHCP_OPT_HOST_NAME, ask->raw);
	if (ask->time)
		jf_dhcp_builder_add_u32(&b, JF_DHCP_OPT_LEASE_TIME, ask->time);
	jf_put_be16(max_size, ask->max_size);
	if (ask->max_size)
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_MAX_SIZE, max_size, sizeof max_size);
	if (ask->rapid)
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_RAPID_COMMIT, NULL, 0);
	return jf_dhcp_builder_finish(&b);
}

gsize
ask_build(const Ask *ask, guint8 *frame)
{
	static const guint8 head[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8, 0, 0x27, 0,    0,
				       0,    8,    0,    0x45, 0,    0,    0, 0, 0,    0,    0,
				       64,   17,   0,    0,    0,    0,    0, 0, 0xff, 0xff, 0xff,
				       0xff, 0,    68,   0,    67,   0,    0, 0, 0 };
	gsize len = message_build(ask, frame + HEADERS, 1472);
	guint16 sum;

	memcpy(frame, head, sizeof head);
	frame[11] = ask->giaddr ? 0xfe : ask->mac;
	jf_put_be16(frame + 16, (guint16)(28 + len));
	jf_put_be16(frame + 38, (guint16)(8 + len));
	sum = (guint16)~jf_csum_fold(jf_csum_add(0, frame + 14, 20));
	memcpy(frame + 24, &sum, sizeof sum);
	return HEADERS + len;
}

/* Checksums are the far end's to check, so they are checked here. */
void
reply_read(Reply *reply, const JfHarnessFrame *frame)
{
	guint8 pseudo[12];
	guint len = frame->len - 34;

	g_assert_cmpuint(frame->len, >=, HEADERS + JF_DHCP_MIN_LEN);
	g_assert_cmphex(jf_get_be16(frame->data + 12), ==, 0x0800);
	g_assert_cmpuint(jf_csum_fold(jf_csum_add(0, frame->data + 14, 20)), ==, 0xffff);
	memcpy(pseudo, frame->data + 26, 8);
	jf_put_be16(pseudo + 8, 17);
	jf_put_be16(pseudo + 10, (guint16)len);
	g_assert_cmpuint(jf_csum_fold(jf_csum_add(jf_csum_add(0, pseudo, sizeof pseudo),
						  frame->data + 34, len)),
			 ==, 0xffff);
	g_assert_cmphex(jf_get_be32(frame->data + 26), ==, SERVER);
	g_assert_cmpuint(jf_get_be16(frame->data + 34), ==, JF_DHCP_SERVER_PORT);
	reply->is_there = TRUE;
	memcpy(reply->destination, frame->data, 6);
	reply->address = jf_get_be32(frame->data + 30);
	reply->port = jf_get_be16(frame->data + 36);
	reply->len = frame->len - HEADERS;
	g_assert_true(jf_dhcp_parse(&reply->message, frame->data + HEADERS, reply->len));
	g_assert_cmpuint(reply->message.header.op, ==, JF_DHCP_BOOTREPLY);
	g_assert_cmphex(reply->message.header.xid, ==, 0x12345678);
}

void
ask(JfHarness *h, const Ask *message, Reply *reply)
{
	guint port = JF_HARNESS_SWITCH(jf_harness_get_joins(h) - 1);
	g_autoptr(JfHarnessFrame) frame = NULL;
	guint8 bytes[1514];

	reply->is_there = FALSE;
	g_assert_true(jf_harness_push_bytes(h, port, bytes, ask_build(message, bytes)));
	while (jf_harness_poll(h, 0))
		continue;
	frame = jf_harness_pull(h, port);
	if (frame)
		reply_read(reply, frame);
	g_assert_cmpuint(jf_harness_get_queued(h, port), ==, 0);
}

guint
ask_type(JfHarness *h, const Ask *message)
{
	Reply reply;

	ask(h, message, &reply);
	return reply.is_there ? reply.message.type : 0;
}

void
ask_expect(JfHarness *h, const Ask *message, guint8 type, const char *yiaddr)
{
	Reply reply;

	ask(h, message, &reply);
	g_assert_true(reply.is_there);
	g_assert_cmpuint(reply.message.type, ==, type);
	g_assert_cmpstr(reply_yiaddr(&reply), ==, yiaddr);
}

char *
ask_lease(JfHarness *h, guint8 mac, const char *id)
{
	Ask message = { .type = JF_DHCP_DISCOVER, .mac = mac, .id = id };
	g_autofree char *address = NULL;
	Reply reply;

	ask(h, &message, &reply);
	if (!reply.is_there)
		return NULL;
	g_assert_cmpuint(reply.message.type, ==, JF_DHCP_OFFER);
	address = g_strdup(reply_yiaddr(&reply));
	message.type = JF_DHCP_REQUEST;
	message.wanted = address;
	message.server = "192.168.56.2";
	ask_expect(h, &message, JF_DHCP_ACK, address);
	return g_steal_pointer(&address);
}

const char *
reply_yiaddr(const Reply *reply)
{
	static char texts[4][INET_ADDRSTRLEN];
	static guint next;
	char *text = texts[next++ % G_N_ELEMENTS(texts)];

	inet_ntop(AF_INET, reply->message.header.yiaddr, text, INET_ADDRSTRLEN);
	return text;
}

void
reply_assert_option(const Reply *reply, guint8 code, gconstpointer value, gsize len)
{
	guint16 found;
	const guint8 *option = jf_dhcp_get(&reply->message, code, &found);

	g_test_message("option %u", code);
	g_assert_nonnull(option);
	g_assert_cmpmem(option, found, value, len);
}

void
reply_assert_no_option(const Reply *reply, guint8 code)
{
	guint16 found;

	g_test_message("option %u", code);
	g_assert_null(jf_dhcp_get(&reply->message, code, &found));
}

guint32
reply_get_u32(const Reply *reply, guint8 code)
{
	const guint8 *value = jf_dhcp_get_fixed(&reply->message, code, 4);

	g_assert_nonnull(value);
	return jf_get_be32(value);
}
