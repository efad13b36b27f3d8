/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp.c - DHCP messages: fields, options in parts and in other fields, limits, bad ones. */
#include <string.h>

#include "jackfield/dhcp.h"
#include "jackfield/util.h"

static const JfDhcpHeader request = {
	.op = JF_DHCP_BOOTREQUEST,
	.htype = 1,
	.hlen = 6,
	.hops = 3,
	.xid = 0x01020304,
	.secs = 0x0506,
	.flags = JF_DHCP_BROADCAST,
	.ciaddr = { 10, 0, 0, 1 },
	.yiaddr = { 10, 0, 0, 2 },
	.siaddr = { 10, 0, 0, 3 },
	.giaddr = { 10, 0, 0, 4 },
	.chaddr = { 8, 0, 0x27, 1, 2, 3 },
};

/* In a heap block of its size, so that a sanitizer sees a read past it. */
static gboolean
parse(JfDhcpMessage *message, const guint8 *data, gsize len)
{
	g_autofree guint8 *copy = g_memdup2(data, len);

	memset(message, 0xa5, sizeof *message);
	return jf_dhcp_parse(message, copy, len);
}

/* A message with these raw option bytes. */
static gboolean
parse_options(JfDhcpMessage *message, const guint8 *options, gsize len)
{
	guint8 data[1024];
	JfDhcpBuilder b;

	jf_dhcp_builder_init(&b, data, sizeof data, &request, NULL, NULL);
	memcpy(data + JF_DHCP_HEADER_LEN, options, len);
	return parse(message, data, JF_DHCP_HEADER_LEN + len);
}

static void
assert_option(const JfDhcpMessage *message, guint8 code, gconstpointer value, gsize len)
{
	guint16 found;
	const guint8 *option = jf_dhcp_get(message, code, &found);

	g_assert_nonnull(option);
	g_assert_cmpmem(option, found, value, len);
}

static void
test_header(void)
{
	guint8 data[JF_DHCP_MIN_LEN];
	JfDhcpMessage m;
	JfDhcpBuilder b;
	guint16 len;

	jf_dhcp_builder_init(&b, data, sizeof data, &request, "server", "boot");
	g_assert_true(jf_dhcp_builder_add_u8(&b, JF_DHCP_OPT_TYPE, JF_DHCP_DISCOVER));
	g_assert_true(jf_dhcp_builder_add_u32(&b, JF_DHCP_OPT_LEASE_TIME, 0xfffffffe));
	g_assert_true(jf_dhcp_builder_add(&b, JF_DHCP_OPT_RAPID_COMMIT, NULL, 0));
	g_assert_cmpuint(jf_dhcp_builder_finish(&b), ==, JF_DHCP_MIN_LEN);
	g_assert_true(parse(&m, data, sizeof data));
	g_assert_cmpmem(&m.header, sizeof m.header, &request, sizeof request);
	g_assert_cmpuint(m.type, ==, JF_DHCP_DISCOVER);
	g_assert_cmpstr(m.sname, ==, "server");
	g_assert_cmpstr(m.file, ==, "boot");
	assert_option(&m, JF_DHCP_OPT_LEASE_TIME, "\xff\xff\xff\xfe", 4);
	assert_option(&m, JF_DHCP_OPT_RAPID_COMMIT, "", 0);
	g_assert_null(jf_dhcp_get(&m, JF_DHCP_OPT_VENDOR, &len));
	g_assert_cmpuint(len, ==, 0);
	g_assert_nonnull(jf_dhcp_get_fixed(&m, JF_DHCP_OPT_LEASE_TIME, 4));
	g_assert_null(jf_dhcp_get_fixed(&m, JF_DHCP_OPT_LEASE_TIME, 3));
	g_assert_null(jf_dhcp_get_fixed(&m, JF_DHCP_OPT_VENDOR, 0));
}

/* As raw bytes, since writing and reading might agree on the same mistake. */
static void
test_wire(void)
{
	static const guint8 head[] = { 1, 1, 6, 3,  1, 2, 3, 4,  5, 6, 0x80, 0, 10, 0,    0, 1, 10,
				       0, 0, 2, 10, 0, 0, 3, 10, 0, 0, 4,    8, 0,  0x27, 1, 2, 3 };
	static const guint8 tail[] = { 99, 130, 83, 99, 53, 1, 1, 255, 0 };
	guint8 data[JF_DHCP_MIN_LEN];
	JfDhcpBuilder b;

	jf_dhcp_builder_init(&b, data, sizeof data, &request, "s", "f");
	jf_dhcp_builder_add_u8(&b, JF_DHCP_OPT_TYPE, JF_DHCP_DISCOVER);
	jf_dhcp_builder_finish(&b);
	g_assert_cmpmem(data, sizeof head, head, sizeof head);
	g_assert_cmpuint(data[44], ==, 's');
	g_assert_cmpuint(data[108], ==, 'f');
	g_assert_cmpmem(data + 236, sizeof tail, tail, sizeof tail);
}

/* RFC 3396: parts of one option, others between them. */
static void
test_parts(void)
{
	static const guint8 options[] = { 53, 1, 3,   12,  2,  'h', 'o', 0,  60, 1,  'v',
					  12, 2, 's', 't', 12, 0,   255, 12, 1,  '!' };
	JfDhcpMessage m;

	g_assert_true(parse_options(&m, options, sizeof options));
	g_assert_cmpuint(m.type, ==, JF_DHCP_REQUEST);
	assert_option(&m, 12, "host", 4);
	assert_option(&m, 60, "v", 1);
}

static void
test_overload_read(void)
{
	static const guint8 options[] = { 53, 1, 1, 52, 1, 3, 12, 1, 'a', 255 };
	guint8 data[JF_DHCP_MIN_LEN];
	JfDhcpMessage m;
	JfDhcpBuilder b;

	jf_dhcp_builder_init(&b, data, sizeof data, &request, "\014\001c\377", "\014\001b\377");
	memcpy(data + JF_DHCP_HEADER_LEN, options, sizeof options);
	g_assert_true(parse(&m, data, sizeof data));
	assert_option(&m, 12, "abc", 3);
	g_assert_cmpstr(m.sname, ==, "");
	g_assert_cmpstr(m.file, ==, "");
	/* Only the field that it names. */
	data[JF_DHCP_HEADER_LEN + 5] = 2;
	g_assert_true(parse(&m, data, sizeof data));
	assert_option(&m, 12, "ac", 2);
	g_assert_cmpstr(m.file, ==, "\014\001b\377");
	data[JF_DHCP_HEADER_LEN + 5] = 4;
	g_assert_false(parse(&m, data, sizeof data));
	/* An option that runs over the end of file. */
	data[JF_DHCP_HEADER_LEN + 5] = 1;
	data[108 + 1] = 127;
	g_assert_false(parse(&m, data, sizeof data));
	data[108 + 1] = 126;
	g_assert_true(parse(&m, data, sizeof data));
}

static void
test_bad(void)
{
	static const guint8 good[] = { 53, 1, 1, 255 };
	guint8 data[JF_DHCP_MAX_LEN + 1] = { 0 };
	JfDhcpMessage m;
	JfDhcpBuilder b;

	jf_dhcp_builder_init(&b, data, sizeof data, &request, NULL, NULL);
	memcpy(data + JF_DHCP_HEADER_LEN, good, sizeof good);
	g_assert_false(parse(&m, data, 0));
	for (gsize len = 1; len < JF_DHCP_HEADER_LEN; len++)
		g_assert_false(parse(&m, data, len));
	g_assert_true(parse(&m, data, JF_DHCP_HEADER_LEN));
	g_assert_cmpuint(m.type, ==, 0);
	g_assert_false(parse(&m, data, JF_DHCP_HEADER_LEN + 1));
	g_assert_false(parse(&m, data, JF_DHCP_HEADER_LEN + 2));
	g_assert_true(parse(&m, data, JF_DHCP_HEADER_LEN + 3));
	g_assert_true(parse(&m, data, JF_DHCP_MAX_LEN));
	g_assert_false(parse(&m, data, JF_DHCP_MAX_LEN + 1));
	data[2] = 17;
	g_assert_false(parse(&m, data, JF_DHCP_MIN_LEN));
	data[2] = 16;
	g_assert_true(parse(&m, data, JF_DHCP_MIN_LEN));
	data[0] = 3;
	g_assert_false(parse(&m, data, JF_DHCP_MIN_LEN));
	data[0] = 0;
	g_assert_false(parse(&m, data, JF_DHCP_MIN_LEN));
	data[0] = 2;
	data[236]++;
	g_assert_false(parse(&m, data, JF_DHCP_MIN_LEN));
}

/* Every length into every size: what add took is there, what it refused is not. */
static void
test_fits_or_not(void)
{
	guint8 value[2000];

	for (guint i = 0; i < sizeof value; i++)
		value[i] = (guint8)(i * 7);
	for (gsize size = JF_DHCP_MIN_LEN; size < 1500; size += 97) {
		for (gsize len = 0; len < sizeof value; len += 13) {
			g_autofree guint8 *data = g_malloc(size);
			JfDhcpMessage m;
			JfDhcpBuilder b;
			gboolean fits;
			gsize total;
			guint16 found;

			jf_dhcp_builder_init(&b, data, size, &request, NULL, NULL);
			g_assert_true(jf_dhcp_builder_add_u8(&b, JF_DHCP_OPT_TYPE, 5));
			fits = jf_dhcp_builder_add(&b, 43, value, len);
			g_assert_true(jf_dhcp_builder_add(&b, 90, NULL, 0) || !fits || len > 300);
			total = jf_dhcp_builder_finish(&b);
			g_assert_cmpuint(total, <=, size);
			g_assert_true(parse(&m, data, total));
			g_assert_cmpuint(m.type, ==, 5);
			if (fits)
				assert_option(&m, 43, value, len);
			else
				g_assert_null(jf_dhcp_get(&m, 43, &found));
			g_assert_true(fits || len > size - JF_DHCP_HEADER_LEN - 40);
		}
	}
}

/* With texts in sname and file there is no room but the options field. */
static void
test_no_spread(void)
{
	guint8 data[JF_DHCP_MIN_LEN], value[60] = { 0 };
	JfDhcpMessage m;
	JfDhcpBuilder b;

	jf_dhcp_builder_init(&b, data, sizeof data, &request, "", "");
	g_assert_false(jf_dhcp_builder_add(&b, 43, value, 55));
	g_assert_true(jf_dhcp_builder_add(&b, 43, value, 54));
	g_assert_false(jf_dhcp_builder_add(&b, 44, NULL, 0));
	g_assert_cmpuint(jf_dhcp_builder_finish(&b), ==, JF_DHCP_MIN_LEN);
	g_assert_true(parse(&m, data, sizeof data));
	assert_option(&m, 43, value, 54);
	jf_dhcp_builder_init(&b, data, sizeof data, &request, "", NULL);
	g_assert_true(jf_dhcp_builder_add(&b, 43, value, 60));
	g_assert_cmpuint(data[108], ==, 43);
	jf_dhcp_builder_finish(&b);
	g_assert_cmpuint(data[JF_DHCP_HEADER_LEN], ==, JF_DHCP_OPT_OVERLOAD);
	g_assert_cmpuint(data[JF_DHCP_HEADER_LEN + 2], ==, 1);
	g_assert_cmpuint(data[108 + 62], ==, JF_DHCP_OPT_END);
}

static void
test_long_texts(void)
{
	g_autofree char *text = g_strnfill(200, 'x');
	guint8 data[JF_DHCP_MIN_LEN];
	JfDhcpMessage m;
	JfDhcpBuilder b;

	jf_dhcp_builder_init(&b, data, sizeof data, &request, text, text);
	jf_dhcp_builder_finish(&b);
	g_assert_true(parse(&m, data, sizeof data));
	g_assert_cmpuint(strlen(m.sname), ==, 64);
	g_assert_cmpuint(strlen(m.file), ==, 128);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dhcp/header", test_header);
	g_test_add_func("/dhcp/wire", test_wire);
	g_test_add_func("/dhcp/parts", test_parts);
	g_test_add_func("/dhcp/overload", test_overload_read);
	g_test_add_func("/dhcp/bad", test_bad);
	g_test_add_func("/dhcp/fits-or-not", test_fits_or_not);
	g_test_add_func("/dhcp/no-spread", test_no_spread);
	g_test_add_func("/dhcp/long-texts", test_long_texts);
	return g_test_run();
}
