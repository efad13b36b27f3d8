/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake.h - an engine for the NAT engine's services alone: datagrams in, datagrams out, no frames. */
#ifndef NAT_FAKE_H
#define NAT_FAKE_H

#include <jackfield/harness.h>

#include "nat-services.h"

/* What a service sent. */
typedef struct FakeOut {
	gboolean is_icmp6;
	NatEndpoint from, to;
	gboolean has_mac;
	guint8 mac[6];
	guint8 *data;
	guint32 len;
} FakeOut;

void fake_out_free(FakeOut *out);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeOut, fake_out_free)

/* 10.0.2.0/24 and fd17:625c:f037:2::/64 with all services on and no file at resolv_conf. */
void fake_config_init(NatConfig *config);

typedef struct NatEngine Fake;
/* `config` must outlive it. NULL with an error: a service did not start. */
Fake *fake_new(const NatConfig *config, GError **error);
void fake_free(Fake *fake);
/* Whether the first watch that the next fake's services ask for is refused. */
void fake_break_watches(gboolean broken);
JfHarness *fake_get_harness(Fake *fake);

/* A datagram from the guest with this last byte of its MAC address; addresses as text. FALSE: no
 * service is there. */
gboolean fake_push(Fake *fake, guint8 guest, const char *from, guint16 from_port, const char *to,
		   guint16 port, gconstpointer data, gsize len);
void fake_solicit(Fake *fake, guint8 guest, const char *from);
/* The oldest, NULL: none. */
FakeOut *fake_pull(Fake *fake);
/* Turns until there is one; fails the test after ten seconds. */
FakeOut *fake_wait(Fake *fake);
guint fake_get_services(Fake *fake);
/* What was last learned about who has which address. */
const NatAddress *fake_get_learned(Fake *fake, guint8 mac[6]);
/* Where a TCP connection to this address would go. FALSE: nowhere. */
gboolean fake_redirect(Fake *fake, const char *to, guint16 port, NatEndpoint *where);
/* Into a network namespace of the test's own, with its loopback up. FALSE: not allowed to. */
gboolean fake_enter_namespace(void);

#endif
