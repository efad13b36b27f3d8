/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest.h - a guest for the tests of "slirp" and "nat": the driver in a harness and, on its cable, just
 * enough of IPv4, IPv6, UDP and TCP to hold a conversation with it. The cable loses nothing, so this
 * TCP does not retransmit; it asserts whatever the real world would have to cope with.
 */
#ifndef GUEST_H
#define GUEST_H

#include <jackfield/harness.h>

#define NAT_GUEST_WAIT_MS 20000u

typedef struct NatGuest NatGuest;
typedef void (*NatGuestFunc)(NatGuest *g, const guint8 *frame, guint32 len, gpointer data);

typedef struct NatDatagram {
	guint8 from[16];
	guint16 from_port, to_port;
	guint fragments; /* that it came in, 1: whole */
	guint32 len;
	guint8 data[];
} NatDatagram;

typedef struct NatTcp {
	NatGuest *g;
	guint version;
	guint8 to[16];
	guint16 port, to_port;
	guint16 mss;      /* announced by us; 0: no option */
	guint16 peer_mss; /* announced to us; 0: no option */
	guint32 snd_una, snd_nxt, snd_wnd, rcv_nxt;
	gboolean established, reset, fin_sent, fin_received, ack_due;
	guint64 to_send, sent, received; /* bytes of the pattern */
	guint large;                     /* frames with segmentation to do that came in */
} NatTcp;

struct NatGuest {
	JfHarness *h;
	guint8 mac[6], gateway_mac[6];
	guint8 ip4[4], ip6[16], gateway4[4], gateway6[16];
	gboolean is_slirp; /* the driver, which does some things its own way */
	gboolean offload;  /* the card takes, and sends, large segments */
	guint16 mtu;
	gboolean odd_options; /* a NOP before the MSS in SYNs */
	gint64 real;
	gboolean frozen;  /* no time passes */
	guint32 longest;  /* plain frame so far */
	guint16 gso_size; /* of the large segment that is being taken in */
	GQueue datagrams;
	GPtrArray *tcps;
	NatTcp *listener;  /* takes the next SYN that comes in */
	NatGuestFunc func; /* sees every whole IP packet and ARP frame first */
	gpointer func_data;
	guint16 next_port, ip_id;
	guint8 *fragments; /* a datagram that is being put together */
	guint32 fragment_id;
	guint fragment_count;
	gsize fragment_bytes;
};

/* A started driver NAT_DRIVER of module NAT_PLUGIN; `card` may be NULL. The guest has its address already. */
NatGuest *nat_guest_new(const char *const *properties, const JfCardInfo *card);
/* As the above, in slices: init only, start expected to fail or to succeed later. */
NatGuest *nat_guest_new_stopped(const char *const *properties, const JfCardInfo *card);
/* Also asserts that the driver kept the contract and left nothing behind. */
void nat_guest_free(NatGuest *g);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NatGuest, nat_guest_free)

/* One turn: the driver runs, the clock follows the real one, frames are taken in. */
void nat_guest_turn(NatGuest *g);
/* Turns until `done`; fails the test after NAT_GUEST_WAIT_MS. */
#define nat_guest_wait(g, done)                                                       \
	G_STMT_START                                                                  \
	{                                                                             \
		gint64 wait_end_ = g_get_monotonic_time() + NAT_GUEST_WAIT_MS * 1000; \
		while (!(done)) {                                                     \
			g_assert_cmpint(g_get_monotonic_time(), <, wait_end_);        \
			nat_guest_turn(g);                                            \
		}                                                                     \
	}                                                                             \
	G_STMT_END

/* Says ARP and NDP what the guest's addresses are, and waits for the gateway's. */
void nat_guest_meet(NatGuest *g);
void nat_guest_send(NatGuest *g, const guint8 *frame, guint32 len);
/* IP packet of either version from the guest. */
void nat_guest_send_ip(NatGuest *g, guint version, const guint8 *to, guint8 protocol,
		       const guint8 *payload, guint32 len);
void nat_guest_send_udp(NatGuest *g, guint version, const guint8 *to, guint16 from_port,
			guint16 to_port, const guint8 *data, guint32 len);
/* The oldest datagram that came to this port, NULL: none (g_free). */
NatDatagram *nat_guest_take_udp(NatGuest *g, guint16 port);

/* Sends a SYN. The guest keeps it. */
NatTcp *nat_tcp_connect(NatGuest *g, guint version, const guint8 *to, guint16 to_port, guint16 mss);
/* Answers the next SYN that comes in for this port. */
NatTcp *nat_tcp_listen(NatGuest *g, guint16 port, guint16 mss);
/* Queues `bytes` more of the pattern. */
void nat_tcp_send(NatTcp *tcp, guint64 bytes);
void nat_tcp_close(NatTcp *tcp);

/* The pattern that both sides send and check: byte `offset` and on. */
void nat_pattern_fill(guint8 *data, gsize len, guint64 offset);
gboolean nat_pattern_check(const guint8 *data, gsize len, guint64 offset);

/* Sockets of the host, on its loopback, non-blocking; *port is what the kernel chose. */
int nat_host_listen(int family, guint16 *port);
int nat_host_udp(int family, guint16 *port);
int nat_host_connect(guint16 port);

#endif
