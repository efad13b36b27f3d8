/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-options.c - the DHCP service: which options go to whom, ARP, limits, what it refuses. */
#include "dhcp-client.h"

#include <string.h>

#define SECOND G_GUINT64_CONSTANT(1000000000)

typedef struct Fixture {
	char *dir, *config;
	JfHarness *h;
} Fixture;

static void
configure(Fixture *f, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(g_file_set_contents(f->config, text, -1, NULL));
	if (f->h)
		jf_harness_set_property(f->h, "config", f->config, &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *f, gconstpointer data)
{
	g_autofree char *config = NULL;

	(void)data;
	f->dir = wire_tmp_new();
	f->config = g_build_filename(f->dir, "config", NULL);
	configure(f, "");
	config = g_strconcat("config=", f->config, NULL);
	f->h = wire_start((const char *[]){ "network=blue", "address=192.168.56.2/24",
					    "lower-ip=192.168.56.101", "upper-ip=192.168.56.199",
					    "probe=0", config, NULL });
}

static void
teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	wire_stop(f->h);
	g_free(f->config);
	wire_tmp_free(f->dir);
}

/* The codes of all options in the answer that the protocol does not need, "3 6 15". */
static void
assert_codes(Fixture *f, const Ask *message, const char *wanted)
{
	static const guint8 own[] = { 1, 51, 52, 53, 54, 58, 59, 61, 80, 82 };
	g_autoptr(GString) codes = g_string_new(NULL);
	Reply reply;
	guint16 len;

	ask(f->h, message, &reply);
	g_assert_true(reply.is_there);
	for (guint code = 1; code < 255; code++)
		if (!memchr(own, (int)code, sizeof own) &&
		    jf_dhcp_get(&reply.message, (guint8)code, &len))
			g_string_append_printf(codes, "%s%u", codes->len ? " " : "", code);
	g_assert_cmpstr(codes->str, ==, wanted);
}

/* ---- Which options ---- */

static void
test_selection(Fixture *f, gconstpointer data)
{
	Ask plain = { .type = JF_DHCP_DISCOVER, .mac = 1 };
	Ask asking = { .type = JF_DHCP_DISCOVER, .mac = 1, .parameters = "\017\003\052\001" };

	(void)data;
	configure(f, "[global]\noption-3=c0a83801\noption-6=08080808\noption-15=6578\n"
		     "option-43=0102\noption-252=78\n");
	/* No list: everything. A list: what is in it, as far as it is set. */
	assert_codes(f, &plain, "3 6 15 43 252");
	assert_codes(f, &asking, "3 15");
	configure(f, "[global]\noption-3=c0a83801\noption-6=08080808\noption-15=6578\n"
		     "option-43=0102\nforce=6;43;60\nsuppress=15\n");
	assert_codes(f, &plain, "3 6 43");
	assert_codes(f, &asking, "3 6 43");
}

static void
test_mask(Fixture *f, gconstpointer data)
{
	const guint8 mask[] = { 255, 255, 0, 0 };
	Reply reply;

	(void)data;
	/* Also where it is not asked for; nobody can do without. */
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .parameters = "\003" }, &reply);
	g_assert_cmphex(reply_get_u32(&reply, JF_DHCP_OPT_MASK), ==, 0xffffff00);
	configure(f, "[global]\noption-1=ffff0000\n");
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1 }, &reply);
	reply_assert_option(&reply, JF_DHCP_OPT_MASK, mask, 4);
}

static void
test_scopes(Fixture *f, gconstpointer data)
{
	Ask one = { .type = JF_DHCP_DISCOVER, .mac = 1, .vendor = "acme" };
	Ask two = { .type = JF_DHCP_DISCOVER, .mac = 2, .vendor = "acme" };
	Ask three = { .type = JF_DHCP_DISCOVER, .mac = 3 };
	Reply reply;

	(void)data;
	configure(f, "[global]\noption-15=676c6f62616c\noption-3=c0a83801\nsuppress=3\nforce=15\n"
		     "[group 1]\nincl-vendor=acme\noption-15=67726f7570\nforce=3\n"
		     "[group 2]\nincl-vendor=acme\noption-15=7365636f6e64\noption-26=05dc\n"
		     "[host 1]\nmac=080027000001\noption-15=686f7374\nsuppress=26\n");
	ask(f->h, &one, &reply);
	reply_assert_option(&reply, 15, "host", 4);
	reply_assert_no_option(&reply, 26);
	/* The group forces what the whole network suppresses. */
	reply_assert_option(&reply, 3, "\xc0\xa8\x38\x01", 4);
	ask(f->h, &two, &reply);
	reply_assert_option(&reply, 15, "group", 5);
	reply_assert_option(&reply, 26, "\x05\xdc", 2);
	ask(f->h, &three, &reply);
	reply_assert_option(&reply, 15, "global", 6);
	reply_assert_no_option(&reply, 3);
	three.parameters = "\003";
	assert_codes(f, &three, "15");
}

/* Option 15 is there where the group has the client. */
static gboolean
group_has(Fixture *f, const char *conditions, const Ask *message)
{
	g_autofree char *text = g_strdup_printf("[group 1]\noption-15=78\n%s", conditions);
	guint16 len;
	Reply reply;

	configure(f, text);
	ask(f->h, message, &reply);
	g_assert_true(reply.is_there);
	return jf_dhcp_get(&reply.message, 15, &len) != NULL;
}

static void
test_conditions(Fixture *f, gconstpointer data)
{
	Ask a = { .type = JF_DHCP_DISCOVER, .mac = 1, .vendor = "PXEClient:Arch:00007" };

	(void)data;
	g_assert_false(group_has(f, "", &a));
	g_assert_true(group_has(f, "incl-mac=08:00:27:00:00:01\n", &a));
	g_assert_false(group_has(f, "incl-mac=08:00:27:00:00:02\n", &a));
	g_assert_true(group_has(f, "incl-mac=08:00:27:00:00:02;08:00:27:00:00:01;\n", &a));
	g_assert_true(group_has(f, "incl-mac-wild=08:00:27:*\n", &a));
	g_assert_true(group_has(f, "incl-mac-wild=*:0?\n", &a));
	g_assert_false(group_has(f, "incl-mac-wild=52:*\n", &a));
	g_assert_false(group_has(f, "incl-vendor=PXEClient\n", &a));
	g_assert_true(group_has(f, "incl-vendor=PXEClient:Arch:00007\n", &a));
	g_assert_true(group_has(f, "incl-vendor-wild=PXE*\n", &a));
	g_assert_false(group_has(f, "incl-vendor-wild=pxe*\n", &a));
	g_assert_false(group_has(f, "incl-user=iPXE\n", &a));
	/* Exclude beats include, in either order. */
	g_assert_false(group_has(f, "incl-vendor-wild=PXE*\nexcl-mac=08:00:27:00:00:01\n", &a));
	g_assert_false(group_has(f, "excl-mac=08:00:27:00:00:01\nincl-vendor-wild=PXE*\n", &a));
	g_assert_true(group_has(f, "incl-vendor-wild=PXE*\nexcl-mac=08:00:27:00:00:02\n", &a));
	/* One that only excludes has the others. */
	g_assert_true(group_has(f, "excl-vendor=acme\n", &a));
	g_assert_false(group_has(f, "excl-vendor-wild=*Arch*\n", &a));
	a.user = "iPXE";
	g_assert_true(group_has(f, "incl-user=iPXE\n", &a));
	g_assert_true(group_has(f, "incl-user-wild=i*\n", &a));
	g_assert_false(group_has(f, "excl-user=iPXE\n", &a));
	/* As RFC 3004 packs them. */
	a.user = "\005first\006second";
	g_assert_true(group_has(f, "incl-user=second\n", &a));
	g_assert_true(group_has(f, "incl-user=first\n", &a));
	g_assert_false(group_has(f, "incl-user=third\n", &a));
}

/* ---- Sizes ---- */

static char *
make_long_option(guint code, guint len)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "option-%u=", code);
	for (guint i = 0; i < len; i++)
		g_string_append_printf(text, "%02x", i & 255);
	g_string_append_c(text, '\n');
	return g_string_free(text, FALSE);
}

static void
test_sizes(Fixture *f, gconstpointer data)
{
	g_autofree char *long_option = make_long_option(43, 400);
	g_autofree char *text = g_strconcat("[global]\n", long_option, NULL);
	guint8 wanted[400];
	Reply reply;

	(void)data;
	for (guint i = 0; i < sizeof wanted; i++)
		wanted[i] = (guint8)i;
	configure(f, text);
	/* 548 bytes hold it with overload only. */
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1 }, &reply);
	g_assert_cmpuint(reply.len, <=, 548);
	reply_assert_option(&reply, 43, wanted, sizeof wanted);
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .max_size = 1500 }, &reply);
	g_assert_cmpuint(reply.len, >, 548);
	reply_assert_option(&reply, 43, wanted, sizeof wanted);
	reply_assert_no_option(&reply, JF_DHCP_OPT_OVERLOAD);
	/* A client that says less than every client has to take, and one that says too much. */
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .max_size = 100 }, &reply);
	g_assert_cmpuint(reply.len, <=, 548);
	reply_assert_option(&reply, 43, wanted, sizeof wanted);
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .max_size = 65535 }, &reply);
	g_assert_cmpuint(reply.len, <=, 1472);
	/* What does not fit is left out, the rest is not. */
	g_free(long_option);
	long_option = make_long_option(43, 1600);
	g_free(text);
	text = g_strconcat("[global]\n", long_option, "option-15=78\n", NULL);
	configure(f, text);
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .max_size = 1500 }, &reply);
	reply_assert_no_option(&reply, 43);
	reply_assert_option(&reply, 15, "x", 1);
}

static void
test_boot(Fixture *f, gconstpointer data)
{
	Reply reply;

	(void)data;
	configure(f, "[global]\noption-66=3139322e3136382e35362e33\noption-67=626f6f74\n");
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .parameters = "\001" }, &reply);
	g_assert_cmpstr(reply.message.file, ==, "boot");
	g_assert_cmpstr(reply.message.sname, ==, "192.168.56.3");
	g_assert_cmphex(jf_get_be32(reply.message.header.siaddr), ==, 0xc0a83803);
	configure(f, "[global]\noption-66=7a\noption-67=626f6f74\nsuppress=67\n");
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1 }, &reply);
	g_assert_cmpstr(reply.message.file, ==, "");
	g_assert_cmphex(jf_get_be32(reply.message.header.siaddr), ==, 0);
}

/* ---- Changes, limits, refusals ---- */

static void
test_changes(Fixture *f, gconstpointer data)
{
	static const char *const bad[] = {
		"junk",
		"[other]\n",
		"[global]\nno-such=1\n",
		"[global]\noption-0=00\n",
		"[global]\noption-255=00\n",
		"[global]\noption-6=0\n",
		"[global]\noption-6=zz\n",
		"[global]\nforce=1;x\n",
		"[global]\nmin-lease-time=-1\n",
		"[global]\nmax-lease-time=4294967296\n",
		"[host 1]\nmac=1\n",
		"[host 1]\nfixed-address=1.2.3\n",
		"[group 1]\nincl-foo=x\n",
	};
	Ask message = { .type = JF_DHCP_DISCOVER, .mac = 1 };

	(void)data;
	configure(f, "[global]\noption-15=78\n");
	assert_codes(f, &message, "15");
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(g_file_set_contents(f->config, bad[i], -1, NULL));
		g_assert_false(jf_harness_set_property(f->h, "config", f->config, &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
		g_assert_nonnull(strstr(error->message, f->config));
		assert_codes(f, &message, "15");
	}
	g_assert_false(jf_harness_set_property(f->h, "config", "/no/such/file", NULL));
	configure(f, "[global]\noption-3=c0a83801\n");
	assert_codes(f, &message, "3");
}

static gsize
make_arp(guint8 *frame, guint8 target)
{
	static const guint8 arp[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8,   0,   0x27, 0, 0,
				      7,    8,    6,    0,    1,    8,    0,   6,   4,    0, 1,
				      8,    0,    0x27, 0,    0,    7,    192, 168, 56,   7, 0,
				      0,    0,    0,    0,    0,    192,  168, 56,  0 };

	memcpy(frame, arp, sizeof arp);
	frame[41] = target;
	return sizeof arp;
}

static void
test_arp(Fixture *f, gconstpointer data)
{
	static const guint8 wanted[] = { 8, 0,    0x27, 0,    0,    7,   2,   0,   0xc0, 0xa8, 0x38,
					 2, 8,    6,    0,    1,    8,   0,   6,   4,    0,    2,
					 2, 0,    0xc0, 0xa8, 0x38, 2,   192, 168, 56,   2,    8,
					 0, 0x27, 0,    0,    7,    192, 168, 56,  7 };
	guint port = JF_HARNESS_SWITCH(0);
	g_autoptr(JfHarnessFrame) frame = NULL;
	guint8 bytes[60];

	(void)data;
	jf_harness_push_bytes(f->h, port, bytes, make_arp(bytes, 3));
	jf_harness_poll(f->h, 0);
	g_assert_cmpuint(jf_harness_get_queued(f->h, port), ==, 0);
	jf_harness_push_bytes(f->h, port, bytes, make_arp(bytes, 2));
	jf_harness_poll(f->h, 0);
	frame = jf_harness_pull(f->h, port);
	g_assert_nonnull(frame);
	g_assert_cmpuint(frame->len, ==, 60);
	g_assert_cmpmem(frame->data, sizeof wanted, wanted, sizeof wanted);
	/* A reply is not asked to reply to. */
	make_arp(bytes, 2);
	bytes[21] = 2;
	jf_harness_push_bytes(f->h, port, bytes, 42);
	jf_harness_poll(f->h, 0);
	g_assert_cmpuint(jf_harness_get_queued(f->h, port), ==, 0);
}

/* One byte of a good message changed, cut or wrong: no answer. */
static void
test_malformed(Fixture *f, gconstpointer data)
{
	static const struct {
		guint at;
		guint8 value;
	} changes[] = {
		{ 12, 9 }, { 14, 0x65 }, { 14, 0x44 }, { 14, 0x4f }, { 17, 5 },  { 20, 0x20 },
		{ 23, 6 }, { 24, 0xaa }, { 36, 1 },    { 38, 7 },    { 42, 2 },  { 43, 6 },
		{ 44, 7 }, { 278, 0 },   { 282, 52 },  { 284, 9 },   { 284, 0 },
	};
	const Ask discover = { .type = JF_DHCP_DISCOVER, .mac = 1 };
	guint port = JF_HARNESS_SWITCH(0);
	guint8 frame[1514];
	gsize len = ask_build(&discover, frame);

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
		guint8 was = frame[changes[i].at];

		frame[changes[i].at] = changes[i].value;
		g_test_message("byte %u", changes[i].at);
		g_assert_true(jf_harness_push_bytes(f->h, port, frame, len));
		while (jf_harness_poll(f->h, 0))
			continue;
		g_assert_cmpuint(jf_harness_get_queued(f->h, port), ==, 0);
		frame[changes[i].at] = was;
	}
	for (gsize cut = 14; cut < len; cut += 7) {
		jf_harness_push_bytes(f->h, port, frame, cut);
		while (jf_harness_poll(f->h, 0))
			continue;
		g_assert_cmpuint(jf_harness_get_queued(f->h, port), ==, 0);
	}
	g_assert_cmpuint(ask_type(f->h, &discover), ==, JF_DHCP_OFFER);
}

/* A checksum that the sender left to its card is no wrong one. */
static void
test_checksums(Fixture *f, gconstpointer data)
{
	const Ask discover = { .type = JF_DHCP_DISCOVER, .mac = 1 };
	guint port = JF_HARNESS_SWITCH(0);
	guint8 bytes[1514];
	gsize len = ask_build(&discover, bytes);
	struct iovec piece = { bytes, len };
	JfFrame frame = jf_frame_plain(&piece);

	(void)data;
	bytes[40] = bytes[41] = 0x12;
	g_assert_cmpuint(jf_harness_push(f->h, port, &frame, 1), ==, 1);
	jf_harness_poll(f->h, 0);
	g_assert_cmpuint(jf_harness_get_queued(f->h, port), ==, 0);
	frame.flags = JF_FRAME_CSUM_VALID;
	g_assert_cmpuint(jf_harness_push(f->h, port, &frame, 1), ==, 1);
	jf_harness_poll(f->h, 0);
	g_assert_cmpuint(jf_harness_get_queued(f->h, port), ==, 1);
	jf_harness_frame_free(jf_harness_pull(f->h, port));
}

/* No guest keeps the service busy for ever, or takes all of its memory. */
static void
test_flood(Fixture *f, gconstpointer data)
{
	guint port = JF_HARNESS_SWITCH(0);
	Ask discover = { .type = JF_DHCP_DISCOVER };
	guint answers = 0, pushed = 0;

	(void)data;
	for (guint i = 0; i < 3000; i++) {
		guint8 frame[1514];
		gsize len;

		discover.mac = (guint8)i;
		len = ask_build(&discover, frame);
		g_assert_true(jf_harness_push_bytes(f->h, port, frame, len));
		if (++pushed % 300 == 0)
			jf_harness_poll(f->h, 0);
	}
	jf_harness_poll(f->h, 0);
	for (JfHarnessFrame *frame; (frame = jf_harness_pull(f->h, port)); answers++)
		jf_harness_frame_free(frame);
	/* 256 of each 300 found room, and 1024 were answered: of 256 clients, 99 addresses. */
	g_assert_cmpuint(wire_counter(f->h, "overrun"), ==, 10 * 44);
	g_assert_cmpuint(wire_counter(f->h, "discover"), ==, 1024);
	g_assert_cmpuint(wire_counter(f->h, "throttled"), ==, 10 * 256 - 1024);
	g_assert_cmpuint(answers + wire_counter(f->h, "exhausted"), ==, 1024);
	jf_harness_crank(f->h, SECOND);
	discover.mac = 1;
	g_assert_cmpuint(ask_type(f->h, &discover), ==, JF_DHCP_OFFER);
}

static void
test_refused(void)
{
	static const struct {
		const char *address, *lower, *upper, *word;
	} rows[] = {
		{ "address=10.0.0.1/31", "lower-ip=10.0.0.0", "upper-ip=10.0.0.1", "1 to 30" },
		{ "address=fd00::1/64", "lower-ip=10.0.0.0", "upper-ip=10.0.0.1", "IPv4" },
		{ "address=10.0.0.0/24", "lower-ip=10.0.0.2", "upper-ip=10.0.0.9", "own" },
		{ "address=10.0.0.255/24", "lower-ip=10.0.0.2", "upper-ip=10.0.0.9", "broadcast" },
		{ "address=10.0.0.1/24", "lower-ip=10.0.0.9", "upper-ip=10.0.0.8", "range" },
		{ "address=10.0.0.1/24", "lower-ip=10.0.0.0", "upper-ip=10.0.0.8", "range" },
		{ "address=10.0.0.1/24", "lower-ip=10.0.0.2", "upper-ip=10.0.0.255", "range" },
		{ "address=10.0.0.1/24", "lower-ip=10.0.1.2", "upper-ip=10.0.1.5", "range" },
	};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		wire_start_fails((const char *[]){ "network=blue", rows[i].address, rows[i].lower,
						   rows[i].upper, NULL },
				 JF_ERROR_VALUE, rows[i].word);
	wire_start_fails((const char *[]){ "network=blue", "address=10.0.0.1/24",
					   "lower-ip=10.0.0.2", "upper-ip=10.0.0.5",
					   "config=/no/such/file", NULL },
			 JF_ERROR_NOT_FOUND, "/no/such/file");
}

int
main(int argc, char **argv)
{
	wire_init(&argc, &argv);
#define ADD(path, func) g_test_add("/dhcp/" path, Fixture, NULL, setup, func, teardown)
	ADD("selection", test_selection);
	ADD("mask", test_mask);
	ADD("scopes", test_scopes);
	ADD("conditions", test_conditions);
	ADD("sizes", test_sizes);
	ADD("boot", test_boot);
	ADD("changes", test_changes);
	ADD("arp", test_arp);
	ADD("malformed", test_malformed);
	ADD("checksums", test_checksums);
	ADD("flood", test_flood);
	g_test_add_func("/dhcp/refused", test_refused);
	return g_test_run();
}
