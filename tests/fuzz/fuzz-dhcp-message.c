/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-dhcp-message.c - bytes as a DHCP message; what was read is written again and read the same.
 */
#include "fuzz.h"

#include <string.h>

#include "jackfield/dhcp.h"

/* With room for all and no texts in the way, every option comes back. */
static void
check_again(const JfDhcpMessage *message)
{
	g_autofree guint8 *data = g_malloc(3 * JF_DHCP_MAX_LEN);
	g_autofree JfDhcpMessage *again = g_new(JfDhcpMessage, 1);
	JfDhcpBuilder builder;
	guint16 len, other;
	gsize total;

	jf_dhcp_builder_init(&builder, data, 3 * JF_DHCP_MAX_LEN, &message->header, NULL, NULL);
	for (guint code = 1; code < JF_DHCP_OPT_END; code++) {
		const guint8 *value = jf_dhcp_get(message, (guint8)code, &len);

		if (value && code != JF_DHCP_OPT_OVERLOAD)
			g_assert_true(jf_dhcp_builder_add(&builder, (guint8)code, value, len));
	}
	total = jf_dhcp_builder_finish(&builder);
	if (!jf_dhcp_parse(again, data, total)) {
		g_assert_cmpuint(total, >, JF_DHCP_MAX_LEN);
		return;
	}
	g_assert_cmpmem(&again->header, sizeof again->header, &message->header,
			sizeof message->header);
	g_assert_cmpuint(again->type, ==, message->type);
	for (guint code = 1; code < JF_DHCP_OPT_END; code++) {
		const guint8 *a = jf_dhcp_get(message, (guint8)code, &len);
		const guint8 *b = jf_dhcp_get(again, (guint8)code, &other);

		if (code == JF_DHCP_OPT_OVERLOAD)
			continue;
		g_assert_true((a != NULL) == (b != NULL));
		g_assert_cmpmem(a, len, b, other);
	}
}

/* Into as little room as the input's first byte says: it stays within. */
static void
check_small(const JfDhcpMessage *message, guint8 size_hint)
{
	gsize size = JF_DHCP_MIN_LEN + size_hint, total;
	g_autofree guint8 *data = g_malloc(size);
	g_autofree JfDhcpMessage *again = g_new(JfDhcpMessage, 1);
	JfDhcpBuilder builder;

	jf_dhcp_builder_init(&builder, data, size, &message->header,
			     message->sname[0] ? message->sname : NULL,
			     message->file[0] ? message->file : NULL);
	for (guint code = 1; code < JF_DHCP_OPT_END; code++) {
		guint16 len;
		const guint8 *value = jf_dhcp_get(message, (guint8)code, &len);

		if (value && code != JF_DHCP_OPT_OVERLOAD)
			jf_dhcp_builder_add(&builder, (guint8)code, value, len);
	}
	total = jf_dhcp_builder_finish(&builder);
	g_assert_cmpuint(total, <=, size);
	g_assert_true(jf_dhcp_parse(again, data, total));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	g_autofree JfDhcpMessage *message = g_new(JfDhcpMessage, 1);

	if (len == 0 || !jf_dhcp_parse(message, data + 1, len - 1))
		return 0;
	g_assert_cmpuint(strlen(message->sname), <=, 64);
	g_assert_cmpuint(strlen(message->file), <=, 128);
	check_again(message);
	check_small(message, data[0]);
	return 0;
}
