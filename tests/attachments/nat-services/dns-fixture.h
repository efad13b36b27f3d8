/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dns-fixture.h - the NAT engine's name server, with two resolvers of the test's own at port 53. */
#ifndef NAT_DNS_FIXTURE_H
#define NAT_DNS_FIXTURE_H

#include "fake.h"

typedef struct DnsFixture {
	NatConfig config;
	Fake *fake;
	char *path;       /* resolv.conf */
	int resolvers[2]; /* at 127.0.0.1 and 127.0.0.2; -1: silent */
} DnsFixture;

/* A resolver's socket at 127.0.0.`host`: SOCK_DGRAM, or SOCK_STREAM that listens. */
int dns_resolver_new(int type, guint host);
/* Configuration and resolvers; the engine does not run yet. */
void dns_fixture_init(DnsFixture *f, int type);
/* The engine, as the configuration has it. */
void dns_fixture_begin(DnsFixture *f);
/* Resolver `i` is there no more. */
void dns_fixture_silence(DnsFixture *f, guint i);
/* For g_test_add. */
void dns_fixture_finish(DnsFixture *f, gconstpointer data);
/* A query for `name`, without the prefix that it has over TCP. Returns its length. */
gsize dns_query_make(guint8 *data, guint16 id, const char *name, guint16 type);

#endif
