/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* value.c - one property's text, type by type: what is taken, what it becomes, what is refused. */
#include "value.h"

#include <string.h>

#include "text.h"

/* What a type takes, and in which spelling it comes back; NULL: refused. */
typedef struct Row {
	const char *text, *canonical;
	gint64 integer;
} Row;

static void
check_row(const JfPropSpec *spec, const Row *row)
{
	JfValue value = { .type = spec->type }, again = { .type = spec->type };
	gboolean ok = jf_value_parse(spec, row->text, &value);

	g_autofree char *shown = jf_text_show(row->text);

	g_test_message("%s '%s'", jf_prop_type_name(spec->type), shown);
	g_assert_cmpint(ok, ==, row->canonical != NULL);
	if (!ok) {
		g_assert_false(value.is_set);
		g_assert_null(value.text);
		return;
	}
	g_assert_true(value.is_set);
	g_assert_cmpuint(value.type, ==, spec->type);
	g_assert_cmpstr(value.text, ==, row->canonical);
	/* The canonical spelling is itself a spelling of the same value. */
	g_assert_true(jf_value_parse(spec, value.text, &again));
	g_assert_cmpstr(again.text, ==, value.text);
	if (spec->type <= JF_PROP_RATE || spec->type == JF_PROP_ENUM) {
		g_assert_cmpint(value.v.integer, ==, row->integer);
		g_assert_cmpint(again.v.integer, ==, row->integer);
	}
	jf_value_clear(&value);
	jf_value_clear(&again);
}

static void
check_rows(const JfPropSpec *spec, const Row *rows, guint n)
{
	const Row empty = { "", NULL, 0 };

	check_row(spec, &empty);
	for (guint i = 0; i < n; i++)
		check_row(spec, &rows[i]);
}

#define CHECK(spec, rows) check_rows(&(spec), rows, G_N_ELEMENTS(rows))

static void
test_bool(void)
{
	static const JfPropSpec spec = { .name = "b", .type = JF_PROP_BOOL };
	static const Row rows[] = {
		{ "on", "on", 1 },  { "OFF", "off", 0 }, { "true", "on", 1 }, { "False", "off", 0 },
		{ "yes", "on", 1 }, { "no", "off", 0 },  { "1", "on", 1 },    { "0", "off", 0 },
		{ "2", NULL, 0 },   { "on ", NULL, 0 },  { "o", NULL, 0 },    { "ja", NULL, 0 },
	};

	CHECK(spec, rows);
}

static void
test_int(void)
{
	static const JfPropSpec any = { .name = "i", .type = JF_PROP_INT };
	static const JfPropSpec port = { .name = "i", .type = JF_PROP_INT, .min = 1, .max = 65535 };
	static const JfPropSpec below = { .name = "i", .type = JF_PROP_INT, .min = -5, .max = 0 };
	static const Row any_rows[] = {
		{ "0", "0", 0 },
		{ "-0", "0", 0 },
		{ "007", "7", 7 },
		{ "0x10", "16", 16 },
		{ "0XfF", "255", 255 },
		{ "-0x10", "-16", -16 },
		{ "9223372036854775807", "9223372036854775807", G_MAXINT64 },
		{ "9223372036854775808", NULL, 0 },
		{ "-9223372036854775808", "-9223372036854775808", G_MININT64 },
		{ "-9223372036854775809", NULL, 0 },
		{ "0xffffffffffffffff", NULL, 0 },
		{ "99999999999999999999999999999999", NULL, 0 },
		{ "0x", NULL, 0 },
		{ "-", NULL, 0 },
		{ "--1", NULL, 0 },
		{ "+1", NULL, 0 },
		{ " 1", NULL, 0 },
		{ "1 ", NULL, 0 },
		{ "1.0", NULL, 0 },
		{ "1e3", NULL, 0 },
		{ "ff", NULL, 0 },
		{ "1K", NULL, 0 },
	};
	static const Row port_rows[] = {
		{ "1", "1", 1 },      { "65535", "65535", 65535 }, { "0", NULL, 0 },
		{ "65536", NULL, 0 }, { "-1", NULL, 0 },
	};
	static const Row below_rows[] = {
		{ "-5", "-5", -5 }, { "0", "0", 0 }, { "-6", NULL, 0 }, { "1", NULL, 0 }
	};

	CHECK(any, any_rows);
	CHECK(port, port_rows);
	CHECK(below, below_rows);
}

static void
test_size(void)
{
	static const JfPropSpec any = { .name = "s", .type = JF_PROP_SIZE };
	static const JfPropSpec mtu = {
		.name = "s", .type = JF_PROP_SIZE, .min = 68, .max = 65535
	};
	static const Row any_rows[] = {
		{ "0", "0", 0 },
		{ "1500", "1500", 1500 },
		{ "1024", "1K", 1024 },
		{ "64K", "64K", 65536 },
		{ "2M", "2M", 2 << 20 },
		{ "1024M", "1G", 1 << 30 },
		{ "3T", "3T", G_GINT64_CONSTANT(3) << 40 },
		{ "9223372036854775807", "9223372036854775807", G_MAXINT64 },
		{ "9223372036854775808", NULL, 0 },
		{ "8388608T", NULL, 0 },
		{ "64k", NULL, 0 },
		{ "64KB", NULL, 0 },
		{ "K", NULL, 0 },
		{ "-1", NULL, 0 },
		{ "0x10", NULL, 0 },
		{ "1.5M", NULL, 0 },
		{ "1 M", NULL, 0 },
	};
	static const Row mtu_rows[] = { { "68", "68", 68 }, { "67", NULL, 0 }, { "64K", NULL, 0 } };

	CHECK(any, any_rows);
	CHECK(mtu, mtu_rows);
}

static void
test_rate(void)
{
	static const JfPropSpec any = { .name = "r", .type = JF_PROP_RATE };
	static const JfPropSpec most = { .name = "r", .type = JF_PROP_RATE, .max = 1000 };
	static const Row rows[] = {
		{ "0", "0", 0 },
		{ "0k", "0", 0 },
		{ "20", "20M", 20 << 20 },
		{ "20M", "20M", 20 << 20 },
		{ "512K", "512K", 512 << 10 },
		{ "1024", "1G", 1 << 30 },
		{ "1k", "1k", 125 },
		{ "100m", "100m", 12500000 },
		{ "1g", "1g", 125000000 },
		{ "1000m", "1g", 125000000 },
		{ "8796093022207", "8796093022207M", G_GINT64_CONSTANT(8796093022207) << 20 },
		{ "8796093022208", NULL, 0 },
		{ "99999999999999999999k", NULL, 0 },
		{ "-1", NULL, 0 },
		{ "1T", NULL, 0 },
		{ "1kk", NULL, 0 },
		{ "k", NULL, 0 },
		{ "20 ", NULL, 0 },
	};
	g_autofree char *expects = jf_value_expects(&most);

	CHECK(any, rows);
	g_assert_nonnull(strstr(expects, "from 0 to 8k"));
}

static void
test_string(void)
{
	static const JfPropSpec any = { .name = "s", .type = JF_PROP_STRING };
	static const JfPropSpec four = { .name = "s", .type = JF_PROP_STRING, .max = 4 };
	g_autofree char *most = g_strnfill(255, 'x'), *more = g_strnfill(256, 'x');
	const Row rows[] = {
		{ "a b=c", "a b=c", 0 }, { "\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac", 0 },
		{ most, most, 0 },       { more, NULL, 0 },
		{ "a\nb", NULL, 0 },     { "a\x7f", NULL, 0 },
		{ "\xc2\x85", NULL, 0 }, { "\xff", NULL, 0 },
		{ "\xc3", NULL, 0 },     { "\xed\xa0\x80", NULL, 0 },
	};
	static const Row four_rows[] = { { "abcd", "abcd", 0 },
					 { "abcde", NULL, 0 },
					 { "\xc3\xa4\xc3\xa4", "\xc3\xa4\xc3\xa4", 0 },
					 { "\xc3\xa4\xc3\xa4x", NULL, 0 } };

	CHECK(any, rows);
	CHECK(four, four_rows);
}

static void
test_enum(void)
{
	static const char *const choices[] = { "Deny", "allow-vms", NULL };
	static const JfPropSpec spec = { .name = "e", .type = JF_PROP_ENUM, .choices = choices };
	static const Row rows[] = { { "deny", "Deny", 0 },
				    { "ALLOW-VMS", "allow-vms", 1 },
				    { "allow", NULL, 0 },
				    { "0", NULL, 0 } };
	g_autofree char *expects = jf_value_expects(&spec);

	CHECK(spec, rows);
	g_assert_cmpstr(expects, ==, "one of Deny, allow-vms");
}

static void
test_mac(void)
{
	static const JfPropSpec spec = { .name = "m", .type = JF_PROP_MAC };
	static const Row rows[] = {
		{ "080027A1b2C3", "080027a1b2c3", 0 },
		{ "08:00:27:a1:b2:c3", "080027a1b2c3", 0 },
		{ "08-00-27-a1-b2-c3", "080027a1b2c3", 0 },
		{ "08:00:27-a1-b2-c3", NULL, 0 },
		{ "0800:27a1:b2c3", NULL, 0 },
		{ "080027a1b2c", NULL, 0 },
		{ "080027a1b2c3d", NULL, 0 },
		{ "08:00:27:a1:b2:c3:", NULL, 0 },
		{ "08:00:27:a1:b2", NULL, 0 },
		{ ":08:00:27:a1:b2:c3", NULL, 0 },
		{ "080027a1b2g3", NULL, 0 },
		{ "8:0:27:a1:b2:c3", NULL, 0 },
		{ "0", NULL, 0 },
	};
	guint8 mac[6] = { 1, 2, 3, 4, 5, 6 };
	static const guint8 before[6] = { 1, 2, 3, 4, 5, 6 };
	static const guint8 after[6] = { 0x08, 0, 0x27, 0xa1, 0xb2, 0xc3 };

	CHECK(spec, rows);
	g_assert_false(jf_mac_parse("080027a1b2cx", mac));
	g_assert_cmpmem(mac, 6, before, 6);
	g_assert_true(jf_mac_parse("08-00-27-A1-B2-C3", mac));
	g_assert_cmpmem(mac, 6, after, 6);
}

static void
test_addresses(void)
{
	static const JfPropSpec v4 = { .name = "a", .type = JF_PROP_IPV4 };
	static const JfPropSpec v6 = { .name = "a", .type = JF_PROP_IPV6 };
	static const Row v4_rows[] = {
		{ "10.0.2.15", "10.0.2.15", 0 }, { "255.255.255.255", "255.255.255.255", 0 },
		{ "10.0.2", NULL, 0 },           { "10.0.2.256", NULL, 0 },
		{ "10.0.2.15 ", NULL, 0 },       { "::1", NULL, 0 },
		{ "localhost", NULL, 0 },
	};
	static const Row v6_rows[] = {
		{ "FD17:625C::0002", "fd17:625c::2", 0 },
		{ "::", "::", 0 },
		{ "::ffff:1.2.3.4", "::ffff:1.2.3.4", 0 },
		{ "1::2::3", NULL, 0 },
		{ "fe80::1%eth0", NULL, 0 },
		{ "[::1]", NULL, 0 },
		{ "10.0.2.15", NULL, 0 },
	};
	static const guint8 ten[4] = { 10, 0, 2, 15 };
	JfValue value = { .type = JF_PROP_IPV4 };

	CHECK(v4, v4_rows);
	CHECK(v6, v6_rows);
	g_assert_true(jf_value_parse(&v4, "10.0.2.15", &value));
	g_assert_cmpmem(value.v.ipv4, 4, ten, 4);
	jf_value_clear(&value);
}

static void
test_cidr(void)
{
	static const JfPropSpec spec = { .name = "c", .type = JF_PROP_CIDR };
	static const Row rows[] = {
		{ "10.0.2.0/24", "10.0.2.0/24", 0 },
		{ "10.0.2.1/32", "10.0.2.1/32", 0 },
		{ "0.0.0.0/0", "0.0.0.0/0", 0 },
		{ "FD17::/64", "fd17::/64", 0 },
		{ "::/128", "::/128", 0 },
		{ "10.0.2.0/33", NULL, 0 },
		{ "::/129", NULL, 0 },
		{ "10.0.2.0", NULL, 0 },
		{ "10.0.2.0/", NULL, 0 },
		{ "/24", NULL, 0 },
		{ "10.0.2.0/024", NULL, 0 },
		{ "10.0.2.0/2x", NULL, 0 },
		{ "10.0.2.0/-1", NULL, 0 },
		{ "10.0.2.0/24/1", NULL, 0 },
		{ "10.0.2.0/255.255.255.0", NULL, 0 },
	};
	JfValue value = { .type = JF_PROP_CIDR };

	CHECK(spec, rows);
	g_assert_true(jf_value_parse(&spec, "fd17::/64", &value));
	g_assert_cmpuint(value.v.cidr.family, ==, 6);
	g_assert_cmpuint(value.v.cidr.prefix, ==, 64);
	g_assert_cmphex(value.v.cidr.address[0], ==, 0xfd);
	jf_value_clear(&value);
}

static void
test_path(void)
{
	static const JfPropSpec spec = { .name = "p", .type = JF_PROP_PATH };
	g_autofree char *most = g_strnfill(4095, '/'), *more = g_strnfill(4096, '/');
	const Row rows[] = {
		{ "/tmp/a b", "/tmp/a b", 0 },
		{ "/", "/", 0 },
		{ "tmp", NULL, 0 },
		{ "./x", NULL, 0 },
		{ "/a\nb", NULL, 0 },
		{ "/\xff", NULL, 0 },
		{ most, most, 0 },
		{ more, NULL, 0 },
	};

	CHECK(spec, rows);
}

static void
test_list(void)
{
	static const JfPropSpec any = { .name = "l", .type = JF_PROP_LIST };
	static const JfPropSpec two = { .name = "l", .type = JF_PROP_LIST, .max = 2 };
	g_autofree char *commas = g_strnfill(100000, ','), *item = g_strnfill(256, 'x');
	const Row rows[] = {
		{ "a", "a", 0 },     { "a,b c,d", "a,b c,d", 0 }, { ",", NULL, 0 },
		{ "a,,b", NULL, 0 }, { "a,", NULL, 0 },           { ",a", NULL, 0 },
		{ "a\n", NULL, 0 },  { item, NULL, 0 },           { commas, NULL, 0 },
	};
	static const Row two_rows[] = { { "a,b", "a,b", 0 }, { "a,b,c", NULL, 0 } };
	JfValue value = { .type = JF_PROP_LIST };

	CHECK(any, rows);
	CHECK(two, two_rows);
	g_assert_true(jf_value_parse(&any, "one,two", &value));
	g_assert_cmpstr(value.v.list[0], ==, "one");
	g_assert_cmpstr(value.v.list[1], ==, "two");
	g_assert_null(value.v.list[2]);
	jf_value_clear(&value);
}

/* A value that does not parse leaves what was there. */
static void
test_keeps(void)
{
	static const JfPropSpec spec = { .name = "l", .type = JF_PROP_LIST };
	JfValue value = { .type = JF_PROP_LIST };

	g_assert_true(jf_value_parse(&spec, "a,b", &value));
	g_assert_false(jf_value_parse(&spec, "a,,b", &value));
	g_assert_cmpstr(value.text, ==, "a,b");
	g_assert_true(jf_value_parse(&spec, "c", &value));
	g_assert_cmpstr(value.v.list[0], ==, "c");
	jf_value_clear(&value);
	g_assert_cmpuint(value.type, ==, JF_PROP_LIST);
	g_assert_false(value.is_set);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/value/bool", test_bool);
	g_test_add_func("/value/int", test_int);
	g_test_add_func("/value/size", test_size);
	g_test_add_func("/value/rate", test_rate);
	g_test_add_func("/value/string", test_string);
	g_test_add_func("/value/enum", test_enum);
	g_test_add_func("/value/mac", test_mac);
	g_test_add_func("/value/addresses", test_addresses);
	g_test_add_func("/value/cidr", test_cidr);
	g_test_add_func("/value/path", test_path);
	g_test_add_func("/value/list", test_list);
	g_test_add_func("/value/keeps", test_keeps);
	return g_test_run();
}
