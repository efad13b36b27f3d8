/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tftp.c - TFTP of the NAT engine: a client that does what a boot program does, and worse. */
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define GUEST "10.0.2.15"
#define GATEWAY "10.0.2.2"

typedef struct Fixture {
	NatConfig config;
	Fake *fake;
	char *dir;
	guint8 *content; /* of the file "boot", 100,000 bytes */
} Fixture;

#define CONTENT_LEN 100000u

static void
put_file(const Fixture *f, const char *name, gconstpointer data, gssize len)
{
	g_autofree char *path = g_build_filename(f->dir, name, NULL);

	g_assert_true(g_file_set_contents(path, data, len, NULL));
}

static void
begin(Fixture *f)
{
	g_autoptr(GError) error = NULL;

	f->fake = fake_new(&f->config, &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *f, gconstpointer data)
{
	guint32 state = 1;

	(void)data;
	fake_config_init(&f->config);
	f->config.ipv6 = FALSE;
	f->dir = g_dir_make_tmp("tftp-XXXXXX", NULL);
	f->config.tftp_prefix = f->dir;
	f->content = g_malloc(CONTENT_LEN);
	for (guint i = 0; i < CONTENT_LEN; i++)
		f->content[i] = (guint8)((state = state * 1664525 + 1013904223) >> 24);
	put_file(f, "boot", f->content, CONTENT_LEN);
	begin(f);
}

static void
teardown(Fixture *f, gconstpointer data)
{
	g_autofree char *line = g_strdup_printf("rm -r %s", f->dir);

	(void)data;
	fake_free(f->fake);
	g_spawn_command_line_sync(line, NULL, NULL, NULL, NULL);
	g_free(f->dir);
	g_free(f->content);
}

static FakeOut *
request(Fixture *f, guint16 port, const char *text, gsize len)
{
	g_assert_true(fake_push(f->fake, 1, GUEST, port, GATEWAY, 69, text, len));
	return fake_pull(f->fake);
}

#define RRQ(text) request(f, 2000, "\0\1" text, sizeof text + 2)

static void
ack(Fixture *f, guint16 port, guint16 tid, guint16 block)
{
	guint8 data[4] = { 0, 4 };

	jf_put_be16(data + 2, block);
	fake_push(f->fake, 1, GUEST, port, GATEWAY, tid, data, 4);
}

static void
check_error(FakeOut *out, guint16 code)
{
	g_assert_nonnull(out);
	g_assert_cmpuint(jf_get_be16(out->data), ==, 5);
	g_assert_cmpuint(jf_get_be16(out->data + 2), ==, code);
	g_assert_cmpuint(out->data[out->len - 1], ==, 0);
	fake_out_free(out);
}

/* What was sent twice. */
static void
drain(Fixture *f)
{
	FakeOut *out;

	while ((out = fake_pull(f->fake)))
		fake_out_free(out);
}

static guint32
next_random(guint32 *state)
{
	return (*state = *state * 1664525 + 1013904223) >> 8;
}

/* Takes a whole file; `out` is the first packet. One packet of `lose` is lost, 0: none. */
static GByteArray *
take(Fixture *f, FakeOut *out, guint blksize, guint window, guint lose)
{
	GByteArray *all = g_byte_array_new();
	guint64 block = 0;
	guint32 state = lose;
	guint in_window = 0, silence = 0;
	guint16 tid = out->from.port;

	for (;;) {
		g_autoptr(FakeOut) packet = g_steal_pointer(&out);
		gboolean lost = packet && lose && next_random(&state) % lose == 0;
		guint16 op;

		if (!packet) {
			/* A window ends early where something was lost. */
			g_assert_cmpuint(silence++, <, 10);
			jf_harness_crank(fake_get_harness(f->fake), SECOND);
			out = fake_pull(f->fake);
			continue;
		}
		silence = 0;
		op = jf_get_be16(packet->data);
		if (lost) {
			;
		} else if (op == 6) {
			ack(f, 2000, tid, 0);
		} else {
			g_assert_cmpuint(op, ==, 3);
			if (jf_get_be16(packet->data + 2) == (guint16)(block + 1)) {
				block++;
				g_byte_array_append(all, packet->data + 4, packet->len - 4);
				if (++in_window == window || packet->len - 4 < blksize) {
					in_window = 0;
					ack(f, 2000, tid, (guint16)block);
				}
				if (packet->len - 4 < blksize) {
					drain(f);
					return all;
				}
			} else if (in_window) {
				/* RFC 7440: what is the last that came in order. */
				in_window = 0;
				ack(f, 2000, tid, (guint16)block);
			}
		}
		out = fake_pull(f->fake);
	}
}

static void
check_content(const Fixture *f, GByteArray *got)
{
	g_assert_cmpmem(got->data, got->len, f->content, CONTENT_LEN);
	g_byte_array_unref(got);
	g_assert_cmpuint(fake_get_services(f->fake), ==, 3);
}

static void
test_plain(Fixture *f, gconstpointer data)
{
	FakeOut *out = RRQ("boot\0octet");

	(void)data;
	g_assert_cmpuint(out->len, ==, 516);
	g_assert_cmpuint(out->from.port, >=, 32768);
	g_assert_cmpuint(out->to.port, ==, 2000);
	check_content(f, take(f, out, 512, 1, 0));
	check_content(f, take(f, RRQ("/boot\0OCTET"), 512, 1, 7));
	check_content(f, take(f, RRQ("\\boot\0octet"), 512, 1, 5));
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->tftp_transfers, ==, 3);
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->tftp_errors, ==, 0);
}

static void
test_options(Fixture *f, gconstpointer data)
{
	static const char oack[] =
		"\0\6blksize\0001468\0windowsize\00016\0timeout\0003\0tsize\000100000";
	FakeOut *out =
		RRQ("boot\0octet\0tsize\0000\0blksize\00065464\0windowsize\00016\0timeout\0003"
		    "\0unknown\0001");

	(void)data;
	g_assert_cmpmem(out->data, out->len, oack, sizeof oack);
	/* Before its block 0 is acknowledged nothing comes but itself again, in three seconds. */
	jf_harness_crank(fake_get_harness(f->fake), 2 * SECOND);
	g_assert_null(fake_pull(f->fake));
	jf_harness_crank(fake_get_harness(f->fake), SECOND);
	fake_out_free(fake_pull(f->fake));
	check_content(f, take(f, out, 1468, 16, 0));
}

static void
test_bad_options(Fixture *f, gconstpointer data)
{
	static const char *const texts[] = {
		"\0\1boot\0octet\0blksize\0007",     "\0\1boot\0octet\0blksize\000abc",
		"\0\1boot\0octet\0windowsize\0000",  "\0\1boot\0octet\0timeout\000256",
		"\0\1boot\0octet\0blksize\000-1024",
	};
	static const guint lens[] = { 22, 24, 25, 24, 27 };

	(void)data;
	/* As if they had not been there. */
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		FakeOut *out = request(f, 2000, texts[i], lens[i]);

		g_assert_cmpuint(jf_get_be16(out->data), ==, 3);
		fake_out_free(out);
	}
}

static void
test_windows(Fixture *f, gconstpointer data)
{
	(void)data;
	for (guint lose = 0; lose < 60; lose += 5 + lose / 4) {
		check_content(f, take(f, RRQ("boot\0octet\0blksize\0001024\0windowsize\0008"), 1024,
				      8, lose));
		check_content(f, take(f, RRQ("boot\0octet\0windowsize\00064"), 512, 64, lose));
	}
}

/* A length that blocks divide ends with an empty one; so does an empty file. */
static void
test_lengths(Fixture *f, gconstpointer data)
{
	static const guint lens[] = { 0, 1, 511, 512, 513, 1024 };

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
		GByteArray *got;

		put_file(f, "some", f->content, lens[i]);
		got = take(f, RRQ("some\0octet"), 512, 1, 0);
		g_assert_cmpmem(got->data, got->len, f->content, lens[i]);
		g_byte_array_unref(got);
	}
}

/* More blocks than numbers. */
static void
test_wrap(Fixture *f, gconstpointer data)
{
	g_autofree guint8 *large = g_malloc0(8 * 70000);
	GByteArray *got;

	(void)data;
	for (guint i = 0; i < 70000; i++)
		jf_put_be32(large + 8 * i, i);
	put_file(f, "large", large, 8 * 70000);
	got = take(f, RRQ("large\0octet\0blksize\0008\0windowsize\00033"), 8, 33, 1001);
	g_assert_cmpmem(got->data, got->len, large, 8 * 70000);
	g_byte_array_unref(got);
}

static void
test_netascii(Fixture *f, gconstpointer data)
{
	g_autoptr(GString) raw = g_string_new(NULL), wire = g_string_new(NULL);
	GByteArray *got;

	(void)data;
	/* So that pairs of bytes are cut at ends of blocks. */
	for (guint i = 0; i < 3000; i++) {
		static const char *const from[] = { "a", "\n", "\r", "\r\n" };
		static const char *const to[] = { "a", "\r\n", "\r?", "\r?\r\n" };
		guint which = (guint8)(f->content[i] >> 6);

		g_string_append(raw, from[which]);
		g_string_append(wire, to[which]);
	}
	for (gsize i = 0; i < wire->len; i++)
		if (wire->str[i] == '?')
			wire->str[i] = '\0';
	put_file(f, "text", raw->str, (gssize)raw->len);
	for (guint lose = 0; lose <= 5; lose += 5) {
		got = take(f, RRQ("text\0netascii\0tsize\0000\0windowsize\0004"), 512, 4, lose);
		g_assert_cmpmem(got->data, got->len, wire->str, wire->len);
		g_byte_array_unref(got);
	}
}

static void
test_refused(Fixture *f, gconstpointer data)
{
	g_autofree char *link = g_build_filename(f->dir, "link", NULL);
	g_autofree char *inside = g_build_filename(f->dir, "inside", NULL);
	g_autofree char *sub = g_build_filename(f->dir, "sub", NULL);
	g_autofree char *pipe = g_build_filename(f->dir, "pipe", NULL);
	FakeOut *out;

	(void)data;
	g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
	g_assert_cmpint(symlink("boot", inside), ==, 0);
	g_assert_cmpint(g_mkdir(sub, 0755), ==, 0);
	g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
	check_error(RRQ("none\0octet"), 1);
	g_assert_cmpuint(*nat_engine_get_service_counters(f->fake)->tftp_errors, ==, 1);
	check_error(RRQ("../secret\0octet"), 2);
	check_error(RRQ("..\\secret\0octet"), 2);
	check_error(RRQ("sub/../../etc/passwd\0octet"), 2);
	check_error(RRQ("/../../../../../../etc/passwd\0octet"), 2);
	check_error(RRQ("link\0octet"), 2);
	check_error(RRQ("sub\0octet"), 1);
	check_error(RRQ("pipe\0octet"), 1);
	check_error(RRQ(".\0octet"), 1);
	check_error(RRQ("boot\0mail"), 4);
	check_error(RRQ("\0octet"), 4);
	check_error(RRQ("boot"), 4);
	check_error(request(f, 2000, "\0\1boot\0octet", 12), 4);
	check_error(request(f, 2000, "\0\1", 2), 4);
	check_error(request(f, 2000, "\0\2boot\0octet", 13), 2);
	check_error(request(f, 2000, "\0\3\0\1", 4), 4);
	g_assert_null(request(f, 2000, "\0\5\0\1\0", 5));
	/* A link that stays inside is a file like any other, and a file of mode 0 is none (not to
	 * root). */
	out = RRQ("inside\0octet");
	g_assert_cmpuint(jf_get_be16(out->data), ==, 3);
	fake_out_free(out);
}

static void
test_retransmission(Fixture *f, gconstpointer data)
{
	FakeOut *out = RRQ("boot\0octet");
	guint16 tid = out->from.port;

	(void)data;
	/* Six times in all, then it is over. */
	for (guint i = 0; i < 5; i++) {
		FakeOut *again;

		jf_harness_crank(fake_get_harness(f->fake), SECOND);
		again = fake_pull(f->fake);
		g_assert_nonnull(again);
		g_assert_cmpmem(again->data, again->len, out->data, out->len);
		fake_out_free(again);
	}
	jf_harness_crank(fake_get_harness(f->fake), SECOND);
	g_assert_null(fake_pull(f->fake));
	g_assert_false(fake_push(f->fake, 1, GUEST, 2000, GATEWAY, tid, "\0\4\0\1", 4));
	fake_out_free(out);
}

/* An acknowledgement that comes twice brings no block twice. */
static void
test_doubled(Fixture *f, gconstpointer data)
{
	FakeOut *out = RRQ("boot\0octet");
	guint16 tid = out->from.port;

	(void)data;
	fake_out_free(out);
	ack(f, 2000, tid, 1);
	fake_out_free(fake_pull(f->fake));
	ack(f, 2000, tid, 1);
	g_assert_null(fake_pull(f->fake));
	/* Of a block that was not sent. */
	ack(f, 2000, tid, 3);
	ack(f, 2000, tid, 0x8000);
	g_assert_null(fake_pull(f->fake));
	ack(f, 2000, tid, 2);
	fake_out_free(fake_pull(f->fake));
}

static void
test_strangers(Fixture *f, gconstpointer data)
{
	FakeOut *out = RRQ("boot\0octet");
	guint16 tid = out->from.port;

	(void)data;
	fake_out_free(out);
	fake_push(f->fake, 2, "10.0.2.16", 2000, GATEWAY, tid, "\0\4\0\1", 4);
	check_error(fake_pull(f->fake), 5);
	fake_push(f->fake, 1, GUEST, 2001, GATEWAY, tid, "\0\4\0\1", 4);
	check_error(fake_pull(f->fake), 5);
	ack(f, 2000, tid, 1);
	out = fake_pull(f->fake);
	g_assert_cmpuint(jf_get_be16(out->data + 2), ==, 2);
	fake_out_free(out);
	/* The guest gives up; another gives up with nonsense. */
	fake_push(f->fake, 1, GUEST, 2000, GATEWAY, tid, "\0\5\0\0x\0", 6);
	g_assert_cmpuint(fake_get_services(f->fake), ==, 3);
	out = RRQ("boot\0octet");
	fake_push(f->fake, 1, GUEST, 2000, GATEWAY, out->from.port, "\0\1\0\0x\0", 6);
	check_error(fake_pull(f->fake), 0);
	g_assert_cmpuint(fake_get_services(f->fake), ==, 3);
	fake_out_free(out);
}

static void
test_many(Fixture *f, gconstpointer data)
{
	(void)data;
	for (guint16 i = 0; i < 32; i++)
		fake_out_free(request(f, (guint16)(3000 + i), "\0\1boot\0octet", 13));
	g_assert_cmpuint(fake_get_services(f->fake), ==, 3 + 32);
	check_error(RRQ("boot\0octet"), 0);
	/* Asked again from the same port, it is the same transfer. */
	fake_out_free(request(f, 3000, "\0\1boot\0octet", 13));
	g_assert_cmpuint(fake_get_services(f->fake), ==, 3 + 32);
}

/* A file that shrinks under the transfer ends it; one that is gone does not. */
static void
test_changes(Fixture *f, gconstpointer data)
{
	g_autofree char *path = g_build_filename(f->dir, "boot", NULL);
	FakeOut *out = RRQ("boot\0octet");
	guint16 tid = out->from.port;

	(void)data;
	fake_out_free(out);
	g_assert_cmpint(truncate(path, 600), ==, 0);
	ack(f, 2000, tid, 1);
	out = fake_pull(f->fake);
	g_assert_cmpuint(out->len, ==, 4 + 88);
	fake_out_free(out);
	g_unlink(path);
	ack(f, 2000, tid, 2);
	g_assert_cmpuint(fake_get_services(f->fake), ==, 3);
}

static void
test_off(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	fake_free(f->fake);
	f->config.tftp_prefix = (char *)"/nonexistent";
	g_assert_null(fake_new(&f->config, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	f->config.tftp_prefix = NULL;
	begin(f);
	g_assert_false(fake_push(f->fake, 1, GUEST, 2000, GATEWAY, 69, "", 1));
}

#define ADD(path, func) g_test_add(path, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/nat/tftp/plain", test_plain);
	ADD("/nat/tftp/options", test_options);
	ADD("/nat/tftp/bad-options", test_bad_options);
	ADD("/nat/tftp/windows", test_windows);
	ADD("/nat/tftp/lengths", test_lengths);
	ADD("/nat/tftp/wrap", test_wrap);
	ADD("/nat/tftp/netascii", test_netascii);
	ADD("/nat/tftp/refused", test_refused);
	ADD("/nat/tftp/retransmission", test_retransmission);
	ADD("/nat/tftp/doubled", test_doubled);
	ADD("/nat/tftp/strangers", test_strangers);
	ADD("/nat/tftp/many", test_many);
	ADD("/nat/tftp/changes", test_changes);
	ADD("/nat/tftp/off", test_off);
	return g_test_run();
}
