/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-nat-services.c - datagrams to the services of the NAT engine, a host's resolv.conf, and time.
 *
 * Each operation is one byte and what it needs. Whatever comes, no service answers with more than a
 * datagram holds, none leaves anything behind at its end, and none serves a file that is not in its
 * directory. The resolvers that are asked do not exist.
 */
#include "fuzz.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../attachments/nat-services/fake.h"

#define OPERATIONS 64u
#define DATAGRAM 1500u

static char *directory;

static void
clean(void)
{
	static const char *const names[] = { "boot", "text" };

	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(directory, names[i], NULL);

		unlink(path);
	}
	rmdir(directory);
	g_clear_pointer(&directory, g_free);
}

/* Files to be read. No file names a resolver (watching one takes the kernel 20 ms each time), and in a
 * network of our own, where that is allowed, nobody is at 127.0.0.1. */
static void
prepare(void)
{
	g_autofree char *boot = NULL, *text = NULL;

	if (directory)
		return;
	if (unshare(CLONE_NEWNET))
		unshare(CLONE_NEWUSER | CLONE_NEWNET);
	atexit(clean);
	directory = g_dir_make_tmp("fuzz-nat-XXXXXX", NULL);
	boot = g_build_filename(directory, "boot", NULL);
	text = g_build_filename(directory, "text", NULL);
	g_file_set_contents(boot, "0123456789abcdefghijklmnopqrstuvwxyz", 36, NULL);
	g_file_set_contents(text, "\n\r\n\r\ra\n", -1, NULL);
}

/* The port that the last transfer answered from. */
static guint16
take_answers(Fake *fake, guint16 tid)
{
	FakeOut *out;

	while ((out = fake_pull(fake))) {
		g_assert_true(out->is_icmp6 || out->len > 0);
		if (!out->is_icmp6 && out->from.port >= 32768) {
			tid = out->from.port;
			/* That is in no file of ours. */
			g_assert_null(out->len >= 5 ? memmem(out->data, out->len, "root:", 5)
						    : NULL);
		}
		fake_out_free(out);
	}
	return tid;
}

static void
push(Fake *fake, FuzzInput *input, const char *to, guint16 port)
{
	guint len = fuzz_word(input) % DATAGRAM;
	gboolean is_v6 = strchr(to, ':') != NULL;
	guint8 guest = fuzz_byte(input);
	const guint8 *data;
	gsize got;

	data = fuzz_bytes(input, len, &got);
	fake_push(fake, guest & 3, is_v6 ? "fe80::1" : "10.0.2.15", 1000 + (guest >> 6), to, port,
		  data, got);
}

static void
parse_resolv(FuzzInput *input)
{
	static NatResolvConf conf;
	const guint8 *data;
	char text[512];
	gsize got;

	data = fuzz_bytes(input, fuzz_byte(input), &got);
	memcpy(text, data, got);
	text[got] = '\0';
	nat_resolv_parse(&conf, text);
	g_assert_cmpuint(conf.n_servers, >, 0);
	for (guint i = 0; i < conf.n_domains; i++) {
		guint8 wire[NAT_DNS_NAME_MAX];

		g_assert_cmpuint(nat_dns_put_name(conf.domains[i], wire, sizeof wire), ==,
				 strlen(conf.domains[i]) + 2);
	}
}

static guint16
operate(Fake *fake, FuzzInput *input, guint16 tid)
{
	switch (fuzz_byte(input) % 10) {
	case 0:
		push(fake, input, "255.255.255.255", 67);
		break;
	case 1:
		push(fake, input, "10.0.2.2", 67);
		break;
	case 2:
		push(fake, input, "ff02::1:2", 547);
		break;
	case 3:
		push(fake, input, "10.0.2.3", 53);
		break;
	case 4:
		push(fake, input, "fd17:625c:f037:2::3", 53);
		break;
	case 5:
		push(fake, input, "10.0.2.2", 69);
		break;
	case 6:
		push(fake, input, fuzz_byte(input) & 1 ? "10.0.2.2" : "fd17:625c:f037:2::2", tid);
		break;
	case 7:
		fake_solicit(fake, 1, fuzz_byte(input) & 1 ? "::" : "fe80::1");
		break;
	case 8:
		parse_resolv(input);
		break;
	default:
		jf_harness_crank(fake_get_harness(fake), fuzz_byte(input) * 500000000ull);
	}
	return take_answers(fake, tid);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	char *mappings[] = { (char *)"*.test|a?b=10.0.2.2", NULL };
	guint16 tid = 40000;
	NatConfig config;
	Fake *fake;
	guint8 how = fuzz_byte(&input);

	prepare();
	fake_config_init(&config);
	config.tftp_prefix = directory;
	config.boot_file = how & 1 ? (char *)"a.pxe" : NULL;
	config.hostname = how & 2 ? (char *)"guest" : NULL;
	config.mtu = how & 4 ? 9000 : 1500;
	config.dns_mappings = how & 8 ? mappings : NULL;
	config.dns_proxy = (how & 16) != 0;
	config.n_leases = how & 32 ? 3 : 240;
	fake = fake_new(&config, NULL);
	g_assert_nonnull(fake);
	for (guint i = 0; i < OPERATIONS && input.left; i++)
		tid = operate(fake, &input, tid);
	fake_free(fake);
	return 0;
}
