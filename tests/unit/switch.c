/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* switch.c - the learning switch: who gets which frame, who waits, who may come and go. */
#include "switch-fixture.h"

/* ---- Where frames go ---- */

static void
test_learn(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);

	send_one(&p[0], MAC(1), MAC(0), 1); /* nobody knows 1 yet, and nobody may look */
	assert_got(&p[1], 0, 0);
	assert_got(&p[2], 0, 0);
	send_one(&p[1], MAC(0), MAC(1), 2);
	assert_got(&p[0], 1, 2);
	assert_got(&p[2], 0, 0);
	send_one(&p[0], MAC(1), MAC(0), 3);
	assert_got(&p[1], 1, 3);
	assert_got(&p[2], 0, 0);
	g_assert_cmpuint(get_info(networks).addresses, ==, 2);
	g_assert_cmpuint(get_info(networks).frames, ==, 3);
	g_assert_cmpuint(get_info(networks).drops, ==, 0);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

static void
test_move(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);

	send_one(&p[1], BROADCAST, MAC(1), 1);
	send_one(&p[0], MAC(1), MAC(0), 2);
	assert_got(&p[1], 1, 2);
	send_one(&p[2], BROADCAST, MAC(1), 3);
	assert_got(&p[1], 1, 3);
	assert_got(&p[2], 1, 1);
	send_one(&p[0], MAC(1), MAC(0), 4);
	assert_got(&p[1], 0, 0);
	assert_got(&p[2], 1, 4);
	g_assert_cmpuint(get_info(networks).addresses, ==, 2);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

static void
test_age(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 2);

	send_one(&p[1], BROADCAST, MAC(1), 1);
	clock_ns += 300ull * SECOND;
	send_one(&p[0], MAC(1), MAC(0), 2);
	assert_got(&p[1], 1, 2);
	clock_ns += SECOND;
	send_one(&p[0], MAC(1), MAC(0), 3);
	assert_got(&p[1], 0, 0);
	g_assert_cmpuint(get_info(networks).addresses, ==, 1);
	peers_leave(p, 2);
	jf_networks_free(networks);
}

/* Who left is forgotten, though another gets its place. */
static void
test_forget(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);

	send_one(&p[1], BROADCAST, MAC(1), 1);
	peer_leave(&p[1]);
	peer_join(&p[1], networks, JF_PORT_CARD, JF_PROMISC_DENY, 0, 0);
	send_one(&p[0], MAC(1), MAC(0), 2);
	assert_got(&p[1], 0, 0);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

/* A bridge behind a port: its addresses are all there, and what stays behind it comes to nobody. */
static void
test_bridge(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);

	for (guint i = 10; i < 20; i++)
		send_one(&p[1], BROADCAST, MAC(i), i);
	assert_got(&p[0], 10, 19);
	assert_got(&p[2], 10, 19);
	for (guint i = 10; i < 20; i++)
		send_one(&p[0], MAC(i), MAC(0), i);
	assert_got(&p[1], 10, 19);
	assert_got(&p[2], 0, 0);
	send_one(&p[1], MAC(11), MAC(10), 30);
	for (guint i = 0; i < 3; i++)
		assert_got(&p[i], 0, 0);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

static void
test_group(void)
{
	const guint64 groups[] = { BROADCAST, 0x01005e000001u, 0x333300000001u, 0x0180c2000000u };
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 4);

	for (guint i = 0; i < G_N_ELEMENTS(groups); i++) {
		send_one(&p[0], groups[i], MAC(0), i);
		assert_got(&p[0], 0, 0);
		for (guint k = 1; k < 4; k++)
			assert_got(&p[k], 1, i);
	}
	/* A group never sends: neither learned nor forwarded, but counted. */
	send_one(&p[0], BROADCAST, groups[1], 9);
	for (guint k = 0; k < 4; k++)
		assert_got(&p[k], 0, 0);
	g_assert_cmpuint(get_info(networks).addresses, ==, 1);
	g_assert_cmpuint(get_info(networks).drops, ==, 1);
	peers_leave(p, 4);
	jf_networks_free(networks);
}

/* One batch for everybody: each gets what is for it, in order, and nothing comes back. */
static void
test_batch(void)
{
	const guint64 pairs[][2] = {
		{ MAC(1), MAC(0) }, { MAC(1), MAC(0) }, { MAC(2), MAC(0) }, { BROADCAST, MAC(0) },
		{ MAC(1), MAC(0) }, { MAC(9), MAC(0) }, { MAC(0), MAC(0) }, { MAC(2), BROADCAST },
		{ MAC(2), MAC(0) }, { MAC(2), MAC(0) },
	};
	const guint32 first[] = { 0, 1, 3, 4 }, second[] = { 2, 3, 8, 9 };
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);

	send_one(&p[1], BROADCAST, MAC(1), 0);
	send_one(&p[2], BROADCAST, MAC(2), 0);
	for (guint i = 0; i < 3; i++)
		g_array_set_size(p[i].got, 0);
	g_assert_cmpuint(send_pairs(&p[0], pairs, G_N_ELEMENTS(pairs), 0), ==, 10);
	g_assert_cmpmem(p[1].got->data, p[1].got->len * 4, first, sizeof first);
	g_assert_cmpmem(p[2].got->data, p[2].got->len * 4, second, sizeof second);
	assert_got(&p[0], 0, 0);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

/* Addresses in pieces of any length, the first one empty. */
static void
test_pieces(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);
	guint8 bytes[FRAME_LEN];

	send_one(&p[1], BROADCAST, MAC(1), 0);
	g_array_set_size(p[2].got, 0);
	for (guint cut = 0; cut < 16; cut++) {
		struct iovec pieces[] = { { bytes, 0 }, { bytes, cut }, { bytes + cut, 60 - cut } };
		JfFrame frame = { .iov = pieces + cut % 2, .n_iov = 3 - cut % 2, .len = FRAME_LEN };

		fill_frame(bytes, MAC(1), MAC(20 + cut), cut);
		g_assert_cmpuint(jf_switch_get_interface()->send(p[0].port, &frame, 1), ==, 1);
		assert_got(&p[1], 1, cut);
		assert_got(&p[2], 0, 0);
	}
	g_assert_cmpuint(get_info(networks).addresses, ==, 17);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

/* ---- Policies ---- */

static gboolean
expect_copy(guint policy, guint from, guint to)
{
	if (policy == JF_PROMISC_ALLOW_ALL)
		return TRUE;
	return policy == JF_PROMISC_ALLOW_VMS && from == JF_PORT_CARD && to == JF_PORT_CARD;
}

static void
check_policy(guint policy, guint from, guint to)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer sender, receiver, watcher;

	peer_join(&sender, networks, from, JF_PROMISC_DENY, MAC(0), 0);
	peer_join(&receiver, networks, to, JF_PROMISC_DENY, MAC(1), 0);
	peer_join(&watcher, networks, JF_PORT_CARD, policy, MAC(2), 0);
	/* Not learned, but its own. */
	send_one(&sender, MAC(1), MAC(0), 1);
	assert_got(&receiver, 1, 1);
	assert_got(&watcher, expect_copy(policy, from, to), 1);
	/* Learned. */
	send_one(&receiver, MAC(0), MAC(1), 2);
	assert_got(&sender, 1, 2);
	assert_got(&watcher, expect_copy(policy, to, from), 2);
	/* For the watcher itself, once. */
	send_one(&sender, MAC(2), MAC(0), 3);
	assert_got(&watcher, 1, 3);
	assert_got(&receiver, 0, 0);
	/* Nobody's: only for those who may see what is perhaps behind them. */
	send_one(&sender, MAC(7), MAC(0), 4);
	assert_got(&receiver, 0, 0);
	assert_got(&watcher, expect_copy(policy, from, JF_PORT_CARD), 4);
	/* Everybody's, once. */
	send_one(&sender, BROADCAST, MAC(0), 5);
	assert_got(&receiver, 1, 5);
	assert_got(&watcher, 1, 5);
	/* What it sends itself does not come back. */
	send_one(&watcher, MAC(7), MAC(2), 6);
	assert_got(&watcher, 0, 0);
	/* What stays behind the sender's port is heard by who hears all. */
	send_one(&sender, MAC(0), MAC(0), 7);
	assert_got(&receiver, 0, 0);
	assert_got(&watcher, expect_copy(policy, from, from), 7);
	peer_leave(&sender);
	peer_leave(&receiver);
	peer_leave(&watcher);
	jf_networks_free(networks);
}

static void
test_promiscuous(void)
{
	for (guint policy = JF_PROMISC_DENY; policy <= JF_PROMISC_ALLOW_ALL; policy++) {
		for (guint from = JF_PORT_CARD; from <= JF_PORT_SERVICE; from++) {
			for (guint to = JF_PORT_CARD; to <= JF_PORT_SERVICE; to++)
				check_policy(policy, from, to);
		}
	}
}

static void
test_promiscuous_live(void)
{
	const guint policies[] = { JF_PROMISC_ALLOW_ALL, JF_PROMISC_DENY,      JF_PROMISC_DENY,
				   JF_PROMISC_ALLOW_VMS, JF_PROMISC_ALLOW_ALL, 77,
				   JF_PROMISC_ALLOW_VMS };
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);

	send_one(&p[1], MAC(0), MAC(1), 0);
	for (guint i = 0; i < G_N_ELEMENTS(policies); i++) {
		jf_switch_get_interface()->set_promiscuous(p[2].port, policies[i]);
		send_one(&p[0], MAC(1), MAC(0), i);
		assert_got(&p[1], 1, i);
		assert_got(&p[2], expect_copy(policies[i], JF_PORT_CARD, JF_PORT_CARD), i);
	}
	/* The place of one who saw all is taken by one who may not. */
	peer_leave(&p[2]);
	peer_join(&p[2], networks, JF_PORT_CARD, JF_PROMISC_DENY, 0, 0);
	send_one(&p[0], MAC(1), MAC(0), 0);
	assert_got(&p[2], 0, 0);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

/* ---- Full receivers ---- */

static void
test_slow(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 4);

	for (guint i = 1; i < 4; i++)
		send_one(&p[i], BROADCAST, MAC(i), i);
	for (guint i = 0; i < 4; i++)
		g_array_set_size(p[i].got, 0);
	p[1].room = 2;
	for (guint i = 0; i < 10; i++) {
		send_one(&p[0], BROADCAST, MAC(0), i);
		send_one(&p[0], MAC(1), MAC(0), i);
		send_one(&p[0], MAC(2), MAC(0), i);
	}
	assert_got(&p[1], 2, 0);
	assert_got(&p[2], 20, 9);
	assert_got(&p[3], 10, 9);
	g_assert_cmpuint(get_info(networks).drops, ==, 18);
	g_assert_cmpuint(p[1].lost, ==, 18);
	g_assert_cmpuint(p[2].lost, ==, 0);
	/* The count stays with the network when the port has gone. */
	for (guint i = 1; i < 4; i++)
		peer_leave(&p[i]);
	g_assert_cmpuint(get_info(networks).drops, ==, 18);
	g_assert_cmpuint(get_info(networks).frames, ==, 33);
	peer_leave(&p[0]);
	g_free(p);
	jf_networks_free(networks);
}

static void
test_lossless(void)
{
	const guint64 pairs[][2] = {
		{ MAC(1), MAC(0) }, { MAC(1), MAC(0) }, { MAC(1), MAC(0) }, { MAC(2), MAC(0) }
	};
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	const JfSwitch *sw = jf_switch_get_interface();
	Peer from, to, other, watcher;

	peer_join(&from, networks, JF_PORT_SERVICE, JF_PROMISC_DENY, MAC(0), JF_PORT_LOSSLESS);
	peer_join(&to, networks, JF_PORT_CARD, JF_PROMISC_DENY, MAC(1), 0);
	peer_join(&other, networks, JF_PORT_CARD, JF_PROMISC_DENY, MAC(2), 0);
	peer_join(&watcher, networks, JF_PORT_CARD, JF_PROMISC_ALLOW_ALL, MAC(3), 0);
	to.room = 1;
	g_assert_cmpuint(send_pairs(&from, pairs, 4, 0), ==, 1);
	assert_got(&to, 1, 0);
	assert_got(&watcher, 1, 0); /* a copy of what was taken, not of what will come again */
	sw->room(other.port);
	g_assert_cmpuint(from.resumes, ==, 0);
	to.room = G_MAXUINT;
	sw->room(to.port);
	sw->room(to.port);
	g_assert_cmpuint(from.resumes, ==, 1);
	g_assert_cmpuint(send_pairs(&from, pairs + 1, 3, 1), ==, 3);
	assert_got(&to, 2, 2);
	assert_got(&other, 1, 3);
	assert_got(&watcher, 3, 3);
	g_assert_cmpuint(get_info(networks).drops, ==, 0);
	/* Waiting for two: room at either is enough. */
	to.room = other.room = 0;
	g_assert_cmpuint(send_pairs(&from, pairs, 1, 0), ==, 0);
	g_assert_cmpuint(send_pairs(&from, pairs + 3, 1, 0), ==, 0);
	sw->room(to.port);
	g_assert_cmpuint(from.resumes, ==, 2);
	/* Group frames wait for nobody. */
	send_one(&from, BROADCAST, MAC(0), 9);
	g_assert_cmpuint(get_info(networks).drops, ==, 2);
	/* Who waits for one that leaves has waited long enough. */
	g_assert_cmpuint(send_pairs(&from, pairs, 1, 0), ==, 0);
	peer_leave(&to);
	g_assert_cmpuint(from.resumes, ==, 3);
	g_assert_cmpuint(send_pairs(&from, pairs + 3, 1, 0), ==, 0);
	peer_leave(&from);
	sw->room(other.port);
	peer_leave(&other);
	peer_leave(&watcher);
	jf_networks_free(networks);
}

/* A card that waits for services, and for nobody else. */
static void
test_waits_for_services(void)
{
	const guint64 to_service[][2] = { { MAC(1), MAC(0) } },
		      to_card[][2] = { { MAC(2), MAC(0) } };
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	const JfSwitch *sw = jf_switch_get_interface();
	Peer from, service, card;

	peer_join(&from, networks, JF_PORT_CARD, JF_PROMISC_DENY, MAC(0),
		  JF_PORT_WAITS_FOR_SERVICES);
	peer_join(&service, networks, JF_PORT_SERVICE, JF_PROMISC_DENY, MAC(1), 0);
	peer_join(&card, networks, JF_PORT_CARD, JF_PROMISC_DENY, MAC(2), 0);
	service.room = card.room = 0;
	g_assert_cmpuint(send_pairs(&from, to_card, 1, 0), ==, 1);
	g_assert_cmpuint(get_info(networks).drops, ==, 1);
	g_assert_cmpuint(send_pairs(&from, to_service, 1, 0), ==, 0);
	g_assert_cmpuint(get_info(networks).drops, ==, 1);
	card.room = G_MAXUINT;
	sw->room(card.port);
	g_assert_cmpuint(from.resumes, ==, 0);
	service.room = G_MAXUINT;
	sw->room(service.port);
	g_assert_cmpuint(from.resumes, ==, 1);
	g_assert_cmpuint(send_pairs(&from, to_service, 1, 1), ==, 1);
	assert_got(&service, 1, 1);
	peer_leave(&from);
	peer_leave(&service);
	peer_leave(&card);
	jf_networks_free(networks);
}

/* ---- Many ---- */

static void
test_thousand(void)
{
	const guint n = 1000;
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, n);

	g_assert_cmpuint(get_info(networks).ports, ==, n);
	for (guint i = 0; i < n; i++)
		send_one(&p[i], BROADCAST, MAC(i), i);
	for (guint i = 0; i < n; i++)
		assert_got(&p[i], n - 1, i == n - 1 ? n - 2 : n - 1);
	for (guint i = 0; i < n; i++) {
		for (guint k = 1; k <= 16; k++)
			send_one(&p[i], MAC((i + k) % n), MAC(i), k);
	}
	for (guint i = 0; i < n; i++)
		g_assert_cmpuint(p[i].got->len, ==, 16);
	g_assert_cmpuint(get_info(networks).addresses, ==, n);
	g_assert_cmpuint(get_info(networks).frames, ==, 17 * n);
	/* In another order than they came. */
	for (guint i = 0; i < n; i++)
		peer_leave(&p[i * 7 % n]);
	g_free(p);
	g_assert_cmpuint(get_info(networks).ports, ==, 0);
	jf_networks_free(networks);
}

static void
test_flood(void)
{
	JfNetworks *networks = jf_networks_new(NULL, NULL);
	Peer *p = peers_join(networks, 3);
	guint64 pairs[JF_BATCH_MAX][2];

	send_one(&p[1], BROADCAST, MAC(1), 1);
	send_one(&p[2], BROADCAST, MAC(2), 1);
	for (guint i = 0; i < 1000000; i += JF_BATCH_MAX) {
		for (guint k = 0; k < JF_BATCH_MAX; k++) {
			pairs[k][0] = MAC(0x99);
			pairs[k][1] = 0x020000000000u + i + k;
		}
		send_pairs(&p[0], (const guint64(*)[2])pairs, JF_BATCH_MAX, i);
	}
	g_assert_cmpuint(get_info(networks).addresses, <=, 16384);
	/* The neighbours did not notice. */
	g_array_set_size(p[2].got, 0);
	send_one(&p[1], MAC(2), MAC(1), 5);
	assert_got(&p[2], 1, 5);
	peers_leave(p, 3);
	jf_networks_free(networks);
}

/* ---- Networks ---- */

static JfSwitchPort *
join_named(JfNetworks *networks, JfInstance *inst, Peer *peer, const char *name, GError **error)
{
	JfSwitchJoin join = { .struct_size = sizeof join, .deliver = peer_deliver, .data = peer };

	return jf_networks_join(networks, inst, name, &join, error);
}

static void
test_names(void)
{
	g_autofree char *longest = g_strnfill(127, 'x'), *too_long = g_strnfill(128, 'x');
	const char *good[] = { "intnet", "Intnet", " ", "n\xc3\xa4tz", longest };
	const char *bad[] = { "", too_long, "a\nb", "\x7f", "\xff", "\xc2\x85" };
	JfNetworks *networks = jf_networks_new(NULL, NULL);

	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		JfSwitchPort *port = join_named(networks, &fake_inst, NULL, good[i], NULL);

		g_assert_nonnull(port);
		jf_switch_get_interface()->leave(port);
	}
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(join_named(networks, &fake_inst, NULL, bad[i], &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
		g_assert_nonnull(strstr(error->message, "1 to 127 bytes"));
	}
	jf_switch_get_interface()->leave(NULL);
	jf_networks_free(networks);
}

static void
test_bad_join(void)
{
	const JfSwitchJoin bad[] = {
		{ .struct_size = sizeof(JfSwitchJoin) },
		{ .struct_size = sizeof(JfSwitchJoin), .deliver = peer_deliver, .role = 3 },
		{ .struct_size = sizeof(JfSwitchJoin), .deliver = peer_deliver, .promiscuous = 3 },
		{ .struct_size = sizeof(JfSwitchJoin), .deliver = peer_deliver, .flags = 2 },
		{ .struct_size = sizeof(JfSwitchJoin), .deliver = peer_deliver, .flags = 1 },
		{ .struct_size = sizeof(JfSwitchJoin), .deliver = peer_deliver, .mac = { 1 } },
		{ .struct_size = 8, .deliver = peer_deliver },
	};
	JfNetworks *networks = jf_networks_new(NULL, NULL);

	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(jf_networks_join(networks, &fake_inst, "lan", &bad[i], &error));
		g_assert_error(error, JF_ERROR, JF_ERROR_PLUGIN);
		g_assert_true(g_str_has_prefix(error->message, "test: JfSwitchJoin: "));
	}
	g_assert_cmpuint(get_info(networks).ports, ==, 0);
	jf_networks_free(networks);
}

static void
append_name(const JfNetworkInfo *info, gpointer data)
{
	g_string_append_printf(data, "%s:%u ", info->name, info->ports);
}

static void
count_change(gpointer data)
{
	++*(guint *)data;
}

/* Networks are apart, exist while somebody is there, and are told about. */
static void
test_networks(void)
{
	guint changes = 0;
	JfNetworks *networks = jf_networks_new(count_change, &changes);
	JfInstance left_behind = fake_inst;
	g_autoptr(GString) names = g_string_new(NULL);
	Peer heard = { .got = g_array_new(FALSE, FALSE, 4), .room = G_MAXUINT };
	Peer a = { .port = join_named(networks, &fake_inst, &a, "lan", NULL) };
	JfSwitchPort *b = join_named(networks, &left_behind, &heard, "wan", NULL);

	g_assert_nonnull(join_named(networks, &left_behind, &heard, "Lan", NULL));
	g_assert_nonnull(join_named(networks, &left_behind, &heard, "wan", NULL));
	g_assert_cmpuint(changes, ==, 4);
	send_one(&a, BROADCAST, MAC(0), 1);
	g_assert_cmpuint(heard.got->len, ==, 0);
	jf_networks_list(networks, append_name, names);
	g_assert_cmpstr(names->str, ==, "Lan:1 lan:1 wan:2 ");
	g_assert_nonnull(b);
	jf_networks_leave_all(networks, &left_behind);
	g_string_truncate(names, 0);
	jf_networks_list(networks, append_name, names);
	g_assert_cmpstr(names->str, ==, "lan:1 ");
	jf_switch_get_interface()->leave(a.port);
	g_assert_cmpuint(changes, ==, 8);
	g_array_unref(heard.got);
	jf_networks_free(networks);
	jf_networks_free(NULL);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/switch/learn", test_learn);
	g_test_add_func("/switch/move", test_move);
	g_test_add_func("/switch/age", test_age);
	g_test_add_func("/switch/forget", test_forget);
	g_test_add_func("/switch/bridge", test_bridge);
	g_test_add_func("/switch/group", test_group);
	g_test_add_func("/switch/batch", test_batch);
	g_test_add_func("/switch/pieces", test_pieces);
	g_test_add_func("/switch/promiscuous", test_promiscuous);
	g_test_add_func("/switch/promiscuous-live", test_promiscuous_live);
	g_test_add_func("/switch/slow", test_slow);
	g_test_add_func("/switch/lossless", test_lossless);
	g_test_add_func("/switch/waits-for-services", test_waits_for_services);
	g_test_add_func("/switch/thousand", test_thousand);
	g_test_add_func("/switch/flood", test_flood);
	g_test_add_func("/switch/names", test_names);
	g_test_add_func("/switch/bad-join", test_bad_join);
	g_test_add_func("/switch/networks", test_networks);
	return g_test_run();
}
