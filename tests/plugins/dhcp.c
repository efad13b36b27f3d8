/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp.c - the DHCP service: every message in every state, options and scopes, the lease file. */
#include "dhcp-client.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define SERVER "192.168.56.2"

typedef struct Fixture {
	char *dir, *leases, *config;
	JfHarness *h;
} Fixture;

static void
start(Fixture *f, const char *upper)
{
	g_autofree char *leases = g_strconcat("leases=", f->leases, NULL);
	g_autofree char *config = g_strconcat("config=", f->config, NULL);
	g_autofree char *last = g_strconcat("upper-ip=192.168.56.", upper, NULL);

	f->h = wire_start((const char *[]){ "network=blue", "address=" SERVER "/24",
					    "lower-ip=192.168.56.101", last, leases, config,
					    "probe=0", NULL });
}

static void
restart(Fixture *f, const char *upper)
{
	wire_stop(f->h);
	start(f, upper);
}

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
setup(Fixture *f, gconstpointer upper)
{
	f->dir = wire_tmp_new();
	f->leases = g_build_filename(f->dir, "leases", NULL);
	f->config = g_build_filename(f->dir, "config", NULL);
	configure(f, "");
	start(f, upper);
}

static void
teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	wire_stop(f->h);
	g_free(f->leases);
	g_free(f->config);
	wire_tmp_free(f->dir);
}

static void
assert_lease(Fixture *f, guint8 mac, const char *id, const char *address)
{
	g_autofree char *got = ask_lease(f->h, mac, id);

	g_assert_cmpstr(got, ==, address);
}

static void
assert_file(Fixture *f, const char *address, const char *key, const char *value)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *found = NULL;

	g_assert_true(g_key_file_load_from_file(file, f->leases, G_KEY_FILE_NONE, NULL));
	found = g_key_file_get_string(file, address, key, NULL);
	g_assert_cmpstr(found, ==, value);
}

/* ---- Getting and keeping an address ---- */

static void
test_lease(Fixture *f, gconstpointer data)
{
	const guint8 mask[] = { 255, 255, 255, 0 }, server[] = { 192, 168, 56, 2 };
	Ask discover = { .type = JF_DHCP_DISCOVER, .mac = 1 };
	Reply reply;

	(void)data;
	ask(f->h, &discover, &reply);
	g_assert_true(reply.is_there);
	g_assert_cmpuint(reply.message.type, ==, JF_DHCP_OFFER);
	g_assert_cmpstr(reply_yiaddr(&reply), ==, "192.168.56.101");
	reply_assert_option(&reply, JF_DHCP_OPT_MASK, mask, 4);
	reply_assert_option(&reply, JF_DHCP_OPT_SERVER_ID, server, 4);
	g_assert_cmpuint(reply_get_u32(&reply, JF_DHCP_OPT_LEASE_TIME), ==, 600);
	g_assert_cmpuint(reply_get_u32(&reply, JF_DHCP_OPT_RENEWAL), ==, 300);
	g_assert_cmpuint(reply_get_u32(&reply, JF_DHCP_OPT_REBINDING), ==, 525);
	reply_assert_no_option(&reply, JF_DHCP_OPT_ROUTER);
	/* An offer is not on disk, a lease is. */
	g_assert_false(g_file_test(f->leases, G_FILE_TEST_EXISTS));
	assert_lease(f, 1, NULL, "192.168.56.101");
	assert_file(f, "192.168.56.101", "state", "acked");
	assert_file(f, "192.168.56.101", "mac", "080027000001");
	assert_file(f, "192.168.56.101", "id", NULL);
	assert_lease(f, 2, "x1", "192.168.56.102");
	assert_file(f, "192.168.56.102", "id", "7831");
	/* Back again: the same. */
	assert_lease(f, 1, NULL, "192.168.56.101");
}

/* RFC 2131, 4.1: to the address where the client can hear it, else to everybody. */
static void
test_destination(Fixture *f, gconstpointer data)
{
	const guint8 own[] = { 8, 0, 0x27, 0, 0, 1 }, all[] = { 255, 255, 255, 255, 255, 255 };
	Ask message = { .type = JF_DHCP_DISCOVER, .mac = 1 };
	Reply reply;

	(void)data;
	ask(f->h, &message, &reply);
	g_assert_cmpmem(reply.destination, 6, own, 6);
	g_assert_cmphex(reply.address, ==, 0xc0a83865);
	g_assert_cmpuint(reply.port, ==, JF_DHCP_CLIENT_PORT);
	message.broadcast = TRUE;
	ask(f->h, &message, &reply);
	g_assert_cmpmem(reply.destination, 6, all, 6);
	g_assert_cmphex(reply.address, ==, 0xffffffff);
	g_assert_cmphex(reply.message.header.flags, ==, JF_DHCP_BROADCAST);
	assert_lease(f, 1, NULL, "192.168.56.101");
	message = (Ask){
		.type = JF_DHCP_REQUEST, .mac = 1, .ciaddr = "192.168.56.101", .broadcast = TRUE
	};
	ask(f->h, &message, &reply);
	g_assert_cmpmem(reply.destination, 6, own, 6);
	g_assert_cmphex(reply.address, ==, 0xc0a83865);
	g_assert_cmpuint(reply.message.header.ciaddr[3], ==, 101);
}

static void
test_selecting(Fixture *f, gconstpointer data)
{
	Ask request = { .type = JF_DHCP_REQUEST, .mac = 1, .server = SERVER };
	Ask discover = { .type = JF_DHCP_DISCOVER, .mac = 1 };

	(void)data;
	ask_expect(f->h, &discover, JF_DHCP_OFFER, "192.168.56.101");
	/* Something else than was offered, but not free: no. */
	assert_lease(f, 2, NULL, "192.168.56.102");
	request.wanted = "192.168.56.102";
	ask_expect(f->h, &request, JF_DHCP_NAK, "0.0.0.0");
	/* Another server was taken: silence, and the address is free for the next. */
	request.wanted = "192.168.56.101";
	request.server = "192.168.56.3";
	g_assert_cmpuint(ask_type(f->h, &request), ==, 0);
	assert_lease(f, 3, NULL, "192.168.56.101");
	/* Never offered (a restart forgot), but free. */
	request.server = SERVER;
	request.wanted = "192.168.56.110";
	ask_expect(f->h, &request, JF_DHCP_ACK, "192.168.56.110");
	/* Neither this nor that of table 4. */
	request.ciaddr = "192.168.56.110";
	g_assert_cmpuint(ask_type(f->h, &request), ==, 0);
	request.ciaddr = NULL;
	request.wanted = NULL;
	g_assert_cmpuint(ask_type(f->h, &request), ==, 0);
}

static void
test_init_reboot(Fixture *f, gconstpointer data)
{
	Ask request = { .type = JF_DHCP_REQUEST, .mac = 1, .wanted = "192.168.56.101" };

	(void)data;
	/* Nothing is known of it. */
	g_assert_cmpuint(ask_type(f->h, &request), ==, 0);
	request.wanted = "10.0.0.1";
	ask_expect(f->h, &request, JF_DHCP_NAK, "0.0.0.0");
	assert_lease(f, 1, NULL, "192.168.56.101");
	request.wanted = "192.168.56.101";
	ask_expect(f->h, &request, JF_DHCP_ACK, "192.168.56.101");
	request.wanted = "192.168.56.102";
	ask_expect(f->h, &request, JF_DHCP_NAK, "0.0.0.0");
}

static void
test_renew(Fixture *f, gconstpointer data)
{
	Ask renew = { .type = JF_DHCP_REQUEST, .mac = 1, .ciaddr = "192.168.56.101" };

	(void)data;
	assert_lease(f, 1, NULL, "192.168.56.101");
	jf_harness_crank(f->h, 300 * SECOND);
	ask_expect(f->h, &renew, JF_DHCP_ACK, "192.168.56.101");
	/* 599 s after the renewal it is still its own, though the first lease would be over. */
	jf_harness_crank(f->h, 599 * SECOND);
	assert_lease(f, 2, NULL, "192.168.56.102");
	renew.mac = 2;
	ask_expect(f->h, &renew, JF_DHCP_NAK, "0.0.0.0");
	/* Not known here (the file was lost), and nobody's. */
	renew.mac = 3;
	renew.ciaddr = "192.168.56.120";
	ask_expect(f->h, &renew, JF_DHCP_ACK, "192.168.56.120");
	renew.ciaddr = "172.16.0.1";
	ask_expect(f->h, &renew, JF_DHCP_NAK, "0.0.0.0");
}

static void
test_release(Fixture *f, gconstpointer data)
{
	Ask release = {
		.type = JF_DHCP_RELEASE, .mac = 2, .ciaddr = "192.168.56.101", .server = SERVER
	};

	(void)data;
	assert_lease(f, 1, NULL, "192.168.56.101");
	/* Another's address. */
	g_assert_cmpuint(ask_type(f->h, &release), ==, 0);
	assert_file(f, "192.168.56.101", "state", "acked");
	release.mac = 1;
	release.server = "192.168.56.3";
	g_assert_cmpuint(ask_type(f->h, &release), ==, 0);
	assert_file(f, "192.168.56.101", "state", "acked");
	release.server = SERVER;
	g_assert_cmpuint(ask_type(f->h, &release), ==, 0);
	assert_file(f, "192.168.56.101", "state", "released");
	/* It is kept for its client as long as there are others. */
	assert_lease(f, 2, NULL, "192.168.56.102");
	assert_lease(f, 1, NULL, "192.168.56.101");
}

static void
test_decline(Fixture *f, gconstpointer data)
{
	Ask decline = {
		.type = JF_DHCP_DECLINE, .mac = 2, .wanted = "192.168.56.101", .server = SERVER
	};

	(void)data;
	assert_lease(f, 1, NULL, "192.168.56.101");
	/* A guest cannot decline what others have, or what nobody has. */
	ask_type(f->h, &decline);
	assert_file(f, "192.168.56.101", "state", "acked");
	decline.wanted = "192.168.56.102";
	ask_type(f->h, &decline);
	assert_lease(f, 3, NULL, "192.168.56.102");
	decline.mac = 1;
	decline.wanted = "192.168.56.101";
	g_assert_cmpuint(ask_type(f->h, &decline), ==, 0);
	assert_file(f, "192.168.56.101", "state", "declined");
	assert_lease(f, 1, NULL, "192.168.56.103");
	/* Not even for the asking, until some time has gone by. */
	ask_expect(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 4, .wanted = "192.168.56.101" },
		   JF_DHCP_OFFER, "192.168.56.104");
	jf_harness_crank(f->h, 601 * SECOND);
	assert_lease(f, 5, NULL, "192.168.56.101");
	g_assert_cmpuint(wire_counter(f->h, "decline"), ==, 3);
}

static void
test_inform(Fixture *f, gconstpointer data)
{
	Ask inform = {
		.type = JF_DHCP_INFORM, .mac = 1, .ciaddr = "192.168.56.7", .parameters = "\003"
	};
	const guint8 router[] = { 192, 168, 56, 1 };
	Reply reply;

	(void)data;
	configure(f, "[global]\noption-3=c0a83801\n");
	ask(f->h, &inform, &reply);
	g_assert_true(reply.is_there);
	g_assert_cmpuint(reply.message.type, ==, JF_DHCP_ACK);
	g_assert_cmpstr(reply_yiaddr(&reply), ==, "0.0.0.0");
	g_assert_cmphex(reply.address, ==, 0xc0a83807);
	reply_assert_option(&reply, JF_DHCP_OPT_ROUTER, router, 4);
	reply_assert_no_option(&reply, JF_DHCP_OPT_LEASE_TIME);
	reply_assert_no_option(&reply, JF_DHCP_OPT_RENEWAL);
	inform.ciaddr = "10.0.0.1";
	g_assert_cmpuint(ask_type(f->h, &inform), ==, 0);
	g_assert_false(g_file_test(f->leases, G_FILE_TEST_EXISTS));
}

static void
test_rapid_commit(Fixture *f, gconstpointer data)
{
	Ask discover = { .type = JF_DHCP_DISCOVER, .mac = 1, .rapid = TRUE };
	Reply reply;

	(void)data;
	ask(f->h, &discover, &reply);
	g_assert_cmpuint(reply.message.type, ==, JF_DHCP_ACK);
	reply_assert_option(&reply, JF_DHCP_OPT_RAPID_COMMIT, "", 0);
	assert_file(f, "192.168.56.101", "state", "acked");
	discover.rapid = FALSE;
	ask(f->h, &discover, &reply);
	g_assert_cmpuint(reply.message.type, ==, JF_DHCP_OFFER);
	reply_assert_no_option(&reply, JF_DHCP_OPT_RAPID_COMMIT);
}

static void
test_client_id(Fixture *f, gconstpointer data)
{
	/* RFC 4361: type 255, IAID, DUID. */
	const char *duid = "\377\001\002\003\004\001\001\001\001\001\001aaaaaa";
	Ask discover = { .type = JF_DHCP_DISCOVER, .mac = 1, .id = duid };
	Reply reply;

	(void)data;
	ask(f->h, &discover, &reply);
	/* RFC 6842: it comes back. */
	reply_assert_option(&reply, JF_DHCP_OPT_CLIENT_ID, duid, strlen(duid));
	assert_lease(f, 1, duid, "192.168.56.101");
	/* The same client on another card; another client on the same one. */
	assert_lease(f, 2, duid, "192.168.56.101");
	assert_lease(f, 1, "other", "192.168.56.102");
	assert_lease(f, 1, NULL, "192.168.56.103");
	ask(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1 }, &reply);
	reply_assert_no_option(&reply, JF_DHCP_OPT_CLIENT_ID);
	/* A NAK has it too. */
	ask(f->h, &(Ask){ .type = JF_DHCP_REQUEST, .mac = 1, .id = duid, .wanted = "10.1.1.1" },
	    &reply);
	g_assert_cmpuint(reply.message.type, ==, JF_DHCP_NAK);
	reply_assert_option(&reply, JF_DHCP_OPT_CLIENT_ID, duid, strlen(duid));
	reply_assert_no_option(&reply, JF_DHCP_OPT_MASK);
}

static void
test_relay(Fixture *f, gconstpointer data)
{
	const guint8 relay[] = { 8, 0, 0x27, 0, 0, 0xfe };
	Ask discover = {
		.type = JF_DHCP_DISCOVER, .mac = 1, .giaddr = "192.168.56.9", .relay = "\001\003abc"
	};
	Reply reply;

	(void)data;
	ask(f->h, &discover, &reply);
	g_assert_true(reply.is_there);
	g_assert_cmpmem(reply.destination, 6, relay, 6);
	g_assert_cmphex(reply.address, ==, 0xc0a83809);
	g_assert_cmpuint(reply.port, ==, JF_DHCP_SERVER_PORT);
	g_assert_cmpuint(reply.message.header.giaddr[3], ==, 9);
	reply_assert_option(&reply, JF_DHCP_OPT_RELAY, "\001\003abc", 5);
	discover.type = JF_DHCP_REQUEST;
	discover.wanted = "10.9.9.9";
	ask(f->h, &discover, &reply);
	g_assert_cmpuint(reply.message.type, ==, JF_DHCP_NAK);
	g_assert_cmphex(reply.address, ==, 0xc0a83809);
	g_assert_cmphex(reply.message.header.flags, ==, JF_DHCP_BROADCAST);
	/* A network that is not served here. */
	discover.type = JF_DHCP_DISCOVER;
	discover.giaddr = "192.168.57.9";
	g_assert_cmpuint(ask_type(f->h, &discover), ==, 0);
	g_assert_cmpuint(wire_counter(f->h, "other-network"), ==, 1);
}

/* ---- Which address ---- */

static void
test_choice(Fixture *f, gconstpointer data)
{
	Ask release = {
		.type = JF_DHCP_RELEASE, .mac = 2, .ciaddr = "192.168.56.102", .server = SERVER
	};

	(void)data;
	ask_expect(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 9, .wanted = "192.168.56.103" },
		   JF_DHCP_OFFER, "192.168.56.103");
	/* Not in the range, on no network of ours, the service's own. */
	for (guint i = 0; i < 3; i++) {
		static const char *const wanted[] = { "192.168.56.5", "10.0.0.1", SERVER };

		ask_expect(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .wanted = wanted[i] },
			   JF_DHCP_OFFER, "192.168.56.101");
	}
	assert_lease(f, 1, NULL, "192.168.56.101");
	assert_lease(f, 2, NULL, "192.168.56.102");
	/* All of 101..103 are taken. */
	assert_lease(f, 3, NULL, NULL);
	g_assert_cmpuint(wire_counter(f->h, "exhausted"), ==, 1);
	/* The offer ends; a free one comes before a released one. */
	ask_type(f->h, &release);
	jf_harness_crank(f->h, 61 * SECOND);
	assert_lease(f, 3, NULL, "192.168.56.103");
	assert_lease(f, 4, NULL, "192.168.56.102");
	assert_lease(f, 5, NULL, NULL);
	/* Expired: the one that ended first; 102 and 103 were bound later. */
	jf_harness_crank(f->h, 545 * SECOND);
	assert_lease(f, 5, NULL, "192.168.56.101");
	assert_lease(f, 6, NULL, NULL);
	/* Expired, but not yet given away. */
	jf_harness_crank(f->h, 60 * SECOND);
	assert_lease(f, 4, NULL, "192.168.56.102");
}

static void
test_fixed(Fixture *f, gconstpointer data)
{
	(void)data;
	assert_lease(f, 1, NULL, "192.168.56.101");
	configure(f, "[host 1]\nmac=080027000001\nfixed-address=192.168.56.50\n"
		     "[host 2]\nmac=080027000002\nfixed-address=192.168.56.102\n");
	/* What it had is not its own any more. */
	ask_expect(f->h, &(Ask){ .type = JF_DHCP_REQUEST, .mac = 1, .ciaddr = "192.168.56.101" },
		   JF_DHCP_NAK, "0.0.0.0");
	assert_lease(f, 1, NULL, "192.168.56.50");
	/* With another id as well, which takes the binding over. */
	assert_lease(f, 1, "grub", "192.168.56.50");
	assert_file(f, "192.168.56.50", "id", "67727562");
	assert_file(f, "192.168.56.101", "state", NULL);
	/* Reserved: nobody else gets it, not even for the asking. */
	assert_lease(f, 3, NULL, "192.168.56.101");
	ask_expect(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 4, .wanted = "192.168.56.102" },
		   JF_DHCP_OFFER, "192.168.56.103");
	assert_lease(f, 2, NULL, "192.168.56.102");
	/* At once on INIT-REBOOT: the address is written down for it. */
	restart(f, "103");
	ask_expect(f->h, &(Ask){ .type = JF_DHCP_REQUEST, .mac = 2, .wanted = "192.168.56.102" },
		   JF_DHCP_ACK, "192.168.56.102");
	/* Back to dynamic. */
	configure(f, "");
	assert_lease(f, 1, "grub", "192.168.56.103");
}

static void
test_reserved(Fixture *f, gconstpointer data)
{
	(void)data;
	configure(f, "[global]\nreserved=192.168.56.101;192.168.56.103\n");
	ask_expect(f->h, &(Ask){ .type = JF_DHCP_DISCOVER, .mac = 1, .wanted = "192.168.56.103" },
		   JF_DHCP_OFFER, "192.168.56.102");
	assert_lease(f, 1, NULL, "192.168.56.102");
	assert_lease(f, 2, NULL, NULL);
}

/* ---- Lease times ---- */

static guint32
ask_time(Fixture *f, guint8 mac, guint32 time)
{
	Ask discover = { .type = JF_DHCP_DISCOVER, .mac = mac, .time = time };
	Reply reply;

	ask(f->h, &discover, &reply);
	g_assert_true(reply.is_there);
	return reply_get_u32(&reply, JF_DHCP_OPT_LEASE_TIME);
}

static void
test_times(Fixture *f, gconstpointer data)
{
	(void)data;
	g_assert_cmpuint(ask_time(f, 1, 0), ==, 600);
	g_assert_cmpuint(ask_time(f, 1, 10), ==, 300);
	g_assert_cmpuint(ask_time(f, 1, 7200), ==, 7200);
	g_assert_cmpuint(ask_time(f, 1, 0xffffffff), ==, 43200);
	configure(f, "[global]\nmin-lease-time=100\ndefault-lease-time=200\nmax-lease-time=400\n"
		     "[group 1]\nincl-mac=08:00:27:00:00:02\ndefault-lease-time=150\n"
		     "[host 1]\nmac=080027000002\nmax-lease-time=4294967295\n");
	g_assert_cmpuint(ask_time(f, 1, 0), ==, 200);
	g_assert_cmpuint(ask_time(f, 1, 1), ==, 100);
	g_assert_cmpuint(ask_time(f, 1, 7200), ==, 400);
	g_assert_cmpuint(ask_time(f, 2, 0), ==, 150);
	g_assert_cmpuint(ask_time(f, 2, 0xffffffff), ==, 0xffffffff);
	configure(f, "[global]\nmax-lease-time=60\n");
	g_assert_cmpuint(ask_time(f, 1, 0), ==, 60);
	configure(f, "[global]\ndefault-lease-time=30\n");
	g_assert_cmpuint(ask_time(f, 1, 0), ==, 30);
	configure(f, "[global]\nmin-lease-time=90000\n");
	g_assert_cmpuint(ask_time(f, 1, 0), ==, 90000);
}

static void
test_forever(Fixture *f, gconstpointer data)
{
	(void)data;
	configure(f, "[global]\nmax-lease-time=4294967295\ndefault-lease-time=4294967295\n");
	assert_lease(f, 1, NULL, "192.168.56.101");
	assert_file(f, "192.168.56.101", "end", "0");
	jf_harness_crank(f->h, G_GUINT64_CONSTANT(1000000000) * SECOND);
	restart(f, "199");
	assert_lease(f, 2, NULL, "192.168.56.102");
}

/* ---- The lease file ---- */

static void
test_restart(Fixture *f, gconstpointer data)
{
	struct stat st;

	(void)data;
	assert_lease(f, 1, NULL, "192.168.56.101");
	assert_lease(f, 2, "two", "192.168.56.102");
	ask_type(f->h, &(Ask){ .type = JF_DHCP_RELEASE,
			       .mac = 2,
			       .id = "two",
			       .ciaddr = "192.168.56.102",
			       .server = SERVER });
	g_assert_cmpint(g_stat(f->leases, &st), ==, 0);
	g_assert_cmphex(st.st_mode & 0777, ==, 0600);
	restart(f, "199");
	assert_file(f, "192.168.56.102", "state", "released");
	assert_lease(f, 3, NULL, "192.168.56.103");
	assert_lease(f, 2, "two", "192.168.56.102");
	assert_lease(f, 1, NULL, "192.168.56.101");
}

static void
test_bad_file(Fixture *f, gconstpointer data)
{
	static const char *const texts[] = {
		"",
		"junk",
		"[192.168.56.101]\nstate=acked\n",
		"[192.168.56.101]\nstate=acked\nmac=x\n",
		"[999.1.1.1]\nstate=acked\nmac=080027000009\n",
		"[192.168.56.101]\nstate=bound\nmac=080027000009\nend=0\n",
		"[192.168.56.101]\nstate=acked\nmac=080027000009\nid=0g\nend=0\n",
		/* Over since long, and of another network. */
		"[192.168.56.101]\nstate=acked\nmac=080027000009\nend=1\n",
		"[10.0.0.1]\nstate=acked\nmac=080027000009\nend=0\n",
	};

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_assert_true(g_file_set_contents(f->leases, texts[i], -1, NULL));
		restart(f, "101");
		assert_lease(f, 1, NULL, "192.168.56.101");
		assert_file(f, "10.0.0.1", "state", NULL);
	}
}

/* Where the file cannot be written, clients are served, and people are told once. */
static void
test_unwritable(Fixture *f, gconstpointer data)
{
	g_autofree char *temporary = g_strconcat(f->leases, ".tmp", NULL);
	g_autofree char *log = NULL;

	(void)data;
	g_assert_cmpint(g_mkdir(temporary, 0700), ==, 0);
	assert_lease(f, 1, NULL, "192.168.56.101");
	assert_lease(f, 2, NULL, "192.168.56.102");
	log = jf_harness_get_log(f->h);
	g_assert_nonnull(strstr(log, "leases are not kept"));
	g_assert_null(strstr(strstr(log, "leases are not kept") + 1, "leases are not kept"));
	g_assert_cmpint(g_rmdir(temporary), ==, 0);
	assert_lease(f, 3, NULL, "192.168.56.103");
	assert_file(f, "192.168.56.101", "state", "acked");
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name, *upper;
		void (*func)(Fixture *f, gconstpointer data);
	} tests[] = {
		{ "lease", "199", test_lease },
		{ "destination", "199", test_destination },
		{ "selecting", "199", test_selecting },
		{ "init-reboot", "199", test_init_reboot },
		{ "renew", "199", test_renew },
		{ "release", "199", test_release },
		{ "decline", "199", test_decline },
		{ "inform", "199", test_inform },
		{ "rapid-commit", "199", test_rapid_commit },
		{ "client-id", "199", test_client_id },
		{ "relay", "199", test_relay },
		{ "choice", "103", test_choice },
		{ "fixed", "103", test_fixed },
		{ "reserved", "103", test_reserved },
		{ "times", "199", test_times },
		{ "forever", "199", test_forever },
		{ "restart", "199", test_restart },
		{ "bad-file", "101", test_bad_file },
		{ "unwritable", "199", test_unwritable },
	};

	wire_init(&argc, &argv);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strconcat("/dhcp/", tests[i].name, NULL);

		g_test_add(path, Fixture, tests[i].upper, setup, tests[i].func, teardown);
	}
	return g_test_run();
}
