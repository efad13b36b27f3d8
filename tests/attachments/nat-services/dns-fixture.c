/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dns-fixture.c - the NAT engine's name server, with two resolvers of the test's own at port 53. */
#include "dns-fixture.h"

#include <sys/socket.h>
#include <unistd.h>

int
dns_resolver_new(int type, guint host)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(53),
				  .sin_addr.s_addr = htonl(0x7f000000 + host) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	/* A connection of before may still end. */
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
	if (type == SOCK_STREAM)
		g_assert_cmpint(listen(fd, 5), ==, 0);
	return fd;
}

void
dns_fixture_init(DnsFixture *f, int type)
{
	fake_config_init(&f->config);
	f->config.ipv6 = FALSE;
	close(g_file_open_tmp("resolv-XXXXXX", &f->path, NULL));
	g_file_set_contents(f->path, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n", -1, NULL);
	f->config.resolv_conf = f->path;
	f->resolvers[0] = dns_resolver_new(type, 1);
	f->resolvers[1] = dns_resolver_new(type, 2);
}

void
dns_fixture_begin(DnsFixture *f)
{
	g_autoptr(GError) error = NULL;

	f->fake = fake_new(&f->config, &error);
	g_assert_no_error(error);
}

void
dns_fixture_silence(DnsFixture *f, guint i)
{
	if (f->resolvers[i] >= 0)
		close(f->resolvers[i]);
	f->resolvers[i] = -1;
}

void
dns_fixture_finish(DnsFixture *f, gconstpointer data)
{
	(void)data;
	fake_free(f->fake);
	dns_fixture_silence(f, 0);
	dns_fixture_silence(f, 1);
	unlink(f->path);
	g_free(f->path);
}

gsize
dns_query_make(guint8 *data, guint16 id, const char *name, guint16 type)
{
	gsize len;

	memset(data, 0, 12);
	jf_put_be16(data, id);
	data[2] = 1;
	data[5] = 1;
	len = 12 + nat_dns_put_name(name, data + 12, 256);
	jf_put_be16(data + len, type);
	jf_put_be16(data + len + 2, 1);
	return len + 4;
}
