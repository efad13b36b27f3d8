/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* switch-fixture.h - members of one network, for tests of the switch. */
#ifndef JF_TESTS_SWITCH_FIXTURE_H
#define JF_TESTS_SWITCH_FIXTURE_H

#include "switch.h"

#define FRAME_LEN 60u
#define TAG_AT 14u
#define BROADCAST 0xffffffffffffu
#define MAC(i) (0x080027000000u + (guint64)(i))
#define SECOND 1000000000u

/* What the instance's host says; atomic. */
extern guint64 clock_ns;
extern JfInstance fake_inst;

/* A member of a network. What it gets is kept by tag, `room` frames at most. */
typedef struct Peer {
	JfSwitchPort *port;
	JfSwitchJoin join;
	GArray *got;
	guint room;
	guint resumes;
	guint64 lost;
} Peer;

guint peer_deliver(gpointer data, const JfFrame *frames, guint n);
void peer_resume(gpointer data);
void peer_join(Peer *peer, JfNetworks *networks, guint role, guint policy, guint64 mac,
	       guint flags);
void peer_leave(Peer *peer);
/* Plain members: cards without an address of their own, so that all has to be learned. */
Peer *peers_join(JfNetworks *networks, guint n);
void peers_leave(Peer *peers, guint n);

void mac_bytes(guint64 mac, guint8 *bytes);
void fill_frame(guint8 *bytes, guint64 dst, guint64 src, guint32 tag);
/* `n` frames with the tags from `tag` on; each with the address pair of its place. */
guint send_pairs(Peer *from, const guint64 (*pairs)[2], guint n, guint32 tag);
void send_one(Peer *from, guint64 dst, guint64 src, guint32 tag);
/* What came since the last look: `n` frames, the last with `tag`. */
void assert_got(Peer *peer, guint n, guint32 tag);
JfNetworkInfo get_info(JfNetworks *networks);

#endif
