/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* switch-fixture.c - members of one network, for tests of the switch. */
#include "switch-fixture.h"

#include <string.h>

guint64 clock_ns;

static guint64
fake_now(JfInstance *inst, guint clock)
{
	(void)inst;
	(void)clock;
	return __atomic_load_n(&clock_ns, __ATOMIC_RELAXED);
}

static const JfHost fake_host = { .struct_size = sizeof(JfHost), .now = fake_now };
JfInstance fake_inst = { .struct_size = sizeof(JfInstance), .host = &fake_host, .name = "test" };

guint
peer_deliver(gpointer data, const JfFrame *frames, guint n)
{
	Peer *peer = data;
	guint taken = MIN(n, peer->room);

	for (guint i = 0; i < taken; i++) {
		guint32 tag;

		g_assert_true(jf_frame_is_sane(&frames[i]));
		g_assert_true(jf_frame_copy(&frames[i], TAG_AT, &tag, sizeof tag));
		g_array_append_val(peer->got, tag);
	}
	peer->room -= taken;
	return taken;
}

void
peer_resume(gpointer data)
{
	((Peer *)data)->resumes++;
}

void
mac_bytes(guint64 mac, guint8 *bytes)
{
	for (guint i = 0; i < 6; i++)
		bytes[i] = (guint8)(mac >> (40 - 8 * i));
}

void
peer_join(Peer *peer, JfNetworks *networks, guint role, guint policy, guint64 mac, guint flags)
{
	g_autoptr(GError) error = NULL;

	*peer = (Peer){ .got = g_array_new(FALSE, FALSE, sizeof(guint32)), .room = G_MAXUINT };
	peer->join = (JfSwitchJoin){ .struct_size = sizeof(JfSwitchJoin),
				     .role = role,
				     .flags = flags,
				     .promiscuous = policy,
				     .deliver = peer_deliver,
				     .resume = peer_resume,
				     .data = peer,
				     .lost = &peer->lost };
	mac_bytes(mac, peer->join.mac);
	peer->port = jf_networks_join(networks, &fake_inst, "lan", &peer->join, &error);
	g_assert_no_error(error);
}

Peer *
peers_join(JfNetworks *networks, guint n)
{
	Peer *peers = g_new(Peer, n);

	for (guint i = 0; i < n; i++)
		peer_join(&peers[i], networks, JF_PORT_CARD, JF_PROMISC_DENY, 0, 0);
	return peers;
}

void
peer_leave(Peer *peer)
{
	jf_switch_get_interface()->leave(peer->port);
	g_array_unref(peer->got);
}

void
peers_leave(Peer *peers, guint n)
{
	for (guint i = 0; i < n; i++)
		peer_leave(&peers[i]);
	g_free(peers);
}

void
fill_frame(guint8 *bytes, guint64 dst, guint64 src, guint32 tag)
{
	memset(bytes, 0, FRAME_LEN);
	mac_bytes(dst, bytes);
	mac_bytes(src, bytes + 6);
	memcpy(bytes + TAG_AT, &tag, sizeof tag);
}

guint
send_pairs(Peer *from, const guint64 (*pairs)[2], guint n, guint32 tag)
{
	g_autofree guint8 *bytes = g_malloc((gsize)n * FRAME_LEN);
	struct iovec pieces[JF_BATCH_MAX];
	JfFrame frames[JF_BATCH_MAX];

	for (guint i = 0; i < n; i++) {
		fill_frame(bytes + (gsize)i * FRAME_LEN, pairs[i][0], pairs[i][1], tag + i);
		pieces[i] = (struct iovec){ bytes + (gsize)i * FRAME_LEN, FRAME_LEN };
		frames[i] = jf_frame_plain(&pieces[i]);
	}
	return jf_switch_get_interface()->send(from->port, frames, n);
}

void
send_one(Peer *from, guint64 dst, guint64 src, guint32 tag)
{
	const guint64 pair[1][2] = { { dst, src } };

	g_assert_cmpuint(send_pairs(from, pair, 1, tag), ==, 1);
}

void
assert_got(Peer *peer, guint n, guint32 tag)
{
	g_assert_cmpuint(peer->got->len, ==, n);
	if (n)
		g_assert_cmpuint(g_array_index(peer->got, guint32, n - 1), ==, tag);
	g_array_set_size(peer->got, 0);
}

static void
keep_info(const JfNetworkInfo *info, gpointer data)
{
	JfNetworkInfo *kept = data;

	g_assert_cmpstr(info->name, ==, "lan");
	*kept = *info;
}

JfNetworkInfo
get_info(JfNetworks *networks)
{
	JfNetworkInfo info = { .ports = 0 };

	jf_networks_list(networks, keep_info, &info);
	return info;
}
