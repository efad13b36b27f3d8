/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* properties.c - "slirp": what is refused before it starts, and the address that it binds to. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

static void
assert_refused(const char *property, gint code, const char *words)
{
	const char *const properties[] = { property, NULL };
	const JfDriver *driver =
		jf_harness_load(g_getenv("NAT_PLUGIN"), g_getenv("NAT_DRIVER"), NULL);
	g_autoptr(GError) error = NULL;
	JfHarness *h = jf_harness_new(driver, properties, &error);

	if (h && jf_harness_init(h, &error))
		jf_harness_start(h, &error);
	g_assert_error(error, JF_ERROR, code);
	g_assert_nonnull(strstr(error->message, words));
	jf_harness_free(h);
}

static void
test_properties(void)
{
	assert_refused("network=10.0.2.0/28", JF_ERROR_VALUE, "8..27");
	assert_refused("network=10.0.2.7/24", JF_ERROR_VALUE, "beyond its prefix");
	assert_refused("network=127.0.0.0/8", JF_ERROR_VALUE, "unicast");
	assert_refused("network=224.0.0.0/8", JF_ERROR_VALUE, "unicast");
	assert_refused("network=fd00::/24", JF_ERROR_VALUE, "IPv4");
	assert_refused("mtu=575", JF_ERROR_VALUE, "576");
	assert_refused("mtu=65521", JF_ERROR_VALUE, "65520");
	assert_refused("mtu=1279", JF_ERROR_VALUE, "ipv6=off");
	assert_refused("hostname=a b", JF_ERROR_VALUE, "a b");
	assert_refused("bind-ip=224.0.0.1", JF_ERROR_VALUE, "unicast");
	assert_refused("bind-ip=192.0.2.1", JF_ERROR_VALUE, "192.0.2.1");
	assert_refused("tftp-prefix=/nonexistent/tftp", JF_ERROR_NOT_FOUND, "/nonexistent/tftp");
	assert_refused("dnsproxy=on", JF_ERROR_KEY, "dnsproxy");
}

static void
test_bind_ip(void)
{
	const char *const properties[] = { "bind-ip=127.0.0.5", NULL };
	g_autoptr(NatGuest) g = nat_guest_new(properties, NULL);
	struct sockaddr_in from;
	socklen_t len = sizeof from;
	guint16 port;
	int fd = nat_host_udp(AF_INET, &port);
	char byte;

	nat_guest_meet(g);
	nat_guest_send_udp(g, 4, g->gateway4, 5000, port, (const guint8 *)"x", 1);
	nat_guest_wait(g, recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) == 1);
	g_assert_cmphex(ntohl(from.sin_addr.s_addr), ==, 0x7f000005);
	close(fd);
}

/* A worker that cannot watch: start says so and leaves nothing. */
static void
test_no_watch(void)
{
	g_autoptr(NatGuest) g = nat_guest_new_stopped(NULL, NULL);
	g_autoptr(GError) error = NULL;

	jf_harness_break(g->h, JF_HARNESS_WATCH_ADD, 0, 1);
	g_assert_false(jf_harness_start(g->h, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED);
	g_assert_cmpuint(jf_harness_get_leftovers(g->h), ==, 0);
	g_clear_error(&error);
	jf_harness_start(g->h, &error);
	g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nat/properties", test_properties);
	g_test_add_func("/nat/bind-ip", test_bind_ip);
	g_test_add_func("/nat/no-watch", test_no_watch);
	return g_test_run();
}
