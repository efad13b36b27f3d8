/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-switch.c - a stream of joins, leaves, frames, time and full receivers on two networks.
 *
 * Whatever happens: a frame comes to a port of its own network at most once, never back to its
 * sender, and never to a port that has left; all frames count as taken unless the sender is
 * LOSSLESS.
 */
#include "fuzz.h"

#include <string.h>

#include "switch.h"

#define PORTS 12u
#define BATCH 8u

typedef struct Port {
	struct World *world;
	JfSwitchPort *port;
	guint network, room;
	guint32 flags;
	guint64 seen; /* bits: frames of the batch that came here */
} Port;

typedef struct World {
	JfInstance inst;
	JfNetworks *networks;
	Port ports[PORTS];
	Port *sender;
	guint64 now;
} World;

static guint64
host_now(JfInstance *inst, guint clock)
{
	(void)clock;
	return ((World *)inst->priv)->now;
}

static const JfHost host = { .struct_size = sizeof host, .now = host_now };

static guint
deliver(gpointer data, const JfFrame *frames, guint n)
{
	Port *port = data;
	guint taken = MIN(n, port->room);

	g_assert_nonnull(port->port);
	g_assert_true(port->world->sender != port);
	g_assert_cmpuint(port->world->sender->network, ==, port->network);
	for (guint i = 0; i < taken; i++) {
		guint8 number;

		g_assert_true(jf_frame_copy(&frames[i], 14, &number, 1));
		g_assert_cmpuint(number, <, BATCH);
		g_assert_false(port->seen >> number & 1);
		port->seen |= G_GUINT64_CONSTANT(1) << number;
	}
	port->room -= taken;
	return taken;
}

static void
resume(gpointer data)
{
	g_assert_nonnull(((Port *)data)->port);
}

static void
toggle(World *w, Port *port, guint how)
{
	const JfSwitch *sw = jf_switch_get_interface();
	JfSwitchJoin join = { .struct_size = sizeof join,
			      .role = how % 3,
			      .flags = how & 0x10   ? JF_PORT_LOSSLESS
				       : how & 0x80 ? JF_PORT_WAITS_FOR_SERVICES
						    : 0,
			      .promiscuous = (how >> 5) % 3,
			      .mac = { 2, 0, 0, 0, 0, (guint8)(port - w->ports) },
			      .deliver = deliver,
			      .resume = resume,
			      .data = port };
	g_autoptr(GError) error = NULL;
	JfSwitchPort *old = g_steal_pointer(&port->port);

	if (old) {
		sw->leave(old);
		return;
	}
	if (how & 8)
		memset(join.mac, 0, sizeof join.mac);
	port->network = how >> 2 & 1;
	port->flags = join.flags;
	port->port = jf_networks_join(w->networks, &w->inst, port->network ? "blue" : "red", &join,
				      &error);
	g_assert_no_error(error);
}

/* Addresses from a small set, so that they meet. */
static void
fill_mac(guint8 *mac, guint8 choice)
{
	static const guint8 first[] = { 2, 2, 2, 2, 2, 0xff, 3, 0 };

	memset(mac, choice % 8 == 5 ? 0xff : 0, 6);
	mac[0] = first[choice % 8];
	mac[5] = choice % 8 == 5 ? 0xff : choice / 8 % 16;
}

static void
send_batch(World *w, Port *from, FuzzInput *input)
{
	guint8 bytes[BATCH][60] = { { 0 } };
	struct iovec pieces[BATCH];
	JfFrame frames[BATCH];
	guint n = 1 + fuzz_byte(input) % BATCH, taken;

	for (guint i = 0; i < n; i++) {
		fill_mac(bytes[i], fuzz_byte(input));
		fill_mac(bytes[i] + 6, fuzz_byte(input));
		bytes[i][14] = (guint8)i;
		pieces[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
		frames[i] = jf_frame_plain(&pieces[i]);
	}
	for (guint i = 0; i < PORTS; i++)
		w->ports[i].seen = 0;
	w->sender = from;
	taken = jf_switch_get_interface()->send(from->port, frames, n);
	g_assert_cmpuint(taken, <=, n);
	if (!from->flags)
		g_assert_cmpuint(taken, ==, n);
	w->sender = NULL;
}

static void
step(World *w, FuzzInput *input)
{
	guint8 op = fuzz_byte(input);
	Port *port = &w->ports[fuzz_byte(input) % PORTS];
	guint8 how = fuzz_byte(input);

	if (op % 8 == 0 || !port->port) {
		toggle(w, port, how);
	} else if (op % 8 == 1) {
		w->now += (guint64)how * 2000000000u;
	} else if (op % 8 == 2) {
		port->room = how;
		jf_switch_get_interface()->room(port->port);
	} else if (op % 8 == 3) {
		jf_switch_get_interface()->set_promiscuous(port->port, how % 3);
	} else {
		send_batch(w, port, input);
	}
}

static void
check_network(const JfNetworkInfo *network, gpointer data)
{
	guint *members = data;

	g_assert_true(g_str_equal(network->name, "red") || g_str_equal(network->name, "blue"));
	*members += network->ports;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	World w = { .inst = { .struct_size = sizeof w.inst, .host = &host, .name = "fuzz" },
		    .networks = jf_networks_new(NULL, NULL) };
	guint members = 0, joined = 0;

	w.inst.priv = &w;
	for (guint i = 0; i < PORTS; i++)
		w.ports[i] = (Port){ .world = &w, .room = 8 };
	while (input.left)
		step(&w, &input);
	jf_networks_list(w.networks, check_network, &members);
	for (guint i = 0; i < PORTS; i++)
		joined += w.ports[i].port != NULL;
	g_assert_cmpuint(members, ==, joined);
	/* One half leaves, the other has to be led out. */
	for (guint i = 0; i < PORTS; i += 2)
		if (w.ports[i].port)
			toggle(&w, &w.ports[i], 0);
	jf_networks_leave_all(w.networks, &w.inst);
	jf_networks_free(w.networks);
	return 0;
}
