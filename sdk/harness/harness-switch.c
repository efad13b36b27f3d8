/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* harness-switch.c - the fake "jf.switch/1": each join is a line of its own to the test. */
#include "internal.h"

#include <string.h>

static gboolean
name_is_valid(const char *name)
{
	gsize len = strlen(name);

	if (len < 1 || len > 127 || !g_utf8_validate(name, -1, NULL))
		return FALSE;
	for (; *name; name = g_utf8_next_char(name))
		if (g_unichar_iscntrl(g_utf8_get_char(name)))
			return FALSE;
	return TRUE;
}

/* What is the driver's mistake, whatever its user wrote. */
static const char *
join_fault(const JfSwitchJoin *join)
{
	if (!join->struct_size)
		return "struct_size is 0";
	if (join->role > JF_PORT_SERVICE)
		return "no such role";
	if (join->promiscuous > JF_PROMISC_ALLOW_ALL)
		return "no such policy";
	if (join->flags & ~(JF_PORT_LOSSLESS | JF_PORT_WAITS_FOR_SERVICES))
		return "unknown flags";
	if (join->mac[0] & 1)
		return "a group address as its own";
	if (!join->deliver)
		return "no deliver";
	return join->flags && !join->resume ? "one that waits without resume" : NULL;
}

static JfSwitchPort *
switch_join(JfInstance *inst, const char *name, const JfSwitchJoin *join, GError **error)
{
	JfHarness *h = harness_of(inst);
	const char *fault = join_fault(join);
	JfSwitchPort *port;

	harness_check_thread(h, "join");
	if (harness_fails(h, JF_HARNESS_SWITCH_JOIN)) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "network '%s' is busy", name);
		return NULL;
	}
	if (fault)
		harness_violate(h, "join of network '%s': %s", name, fault);
	if (fault || !name_is_valid(name)) {
		g_set_error(error, JF_ERROR, fault ? JF_ERROR_PLUGIN : JF_ERROR_VALUE, "'%s': %s",
			    name, fault ? fault : "no valid name of a network");
		return NULL;
	}
	port = g_new0(JfSwitchPort, 1);
	port->h = h;
	port->network = g_strdup(name);
	memcpy(&port->join, join, MIN(join->struct_size, sizeof port->join));
	line_init(&port->line, JF_OFFLOAD_ALL);
	g_ptr_array_add(h->joins, port);
	return port;
}

static void
switch_leave(JfSwitchPort *port)
{
	if (!port)
		return;
	harness_check_thread(port->h, "leave");
	if (port->left)
		harness_violate(port->h, "leave of network '%s' for the second time",
				port->network);
	port->left = TRUE;
}

static guint
switch_send(JfSwitchPort *port, const JfFrame *frames, guint n)
{
	/* The far end passes for a service. */
	gboolean lossless = port->join.flags != 0;

	if (port->left) {
		harness_violate(port->h, "send into network '%s' after leave", port->network);
		return n;
	}
	if (!harness_fails(port->h, JF_HARNESS_SWITCH_SEND))
		return line_put(port->h, &port->line, frames, n, !lossless);
	if (!lossless) {
		line_drop(port->h, &port->line, n);
		return n;
	}
	g_mutex_lock(&port->h->lock);
	port->line.refused = TRUE;
	g_mutex_unlock(&port->h->lock);
	return 0;
}

static void
switch_room(JfSwitchPort *port)
{
	g_mutex_lock(&port->h->lock);
	port->line.resumes++;
	g_mutex_unlock(&port->h->lock);
}

static void
switch_set_promiscuous(JfSwitchPort *port, guint32 policy)
{
	if (policy > JF_PROMISC_ALLOW_ALL)
		harness_violate(port->h, "promiscuous policy %u", policy);
	port->join.promiscuous = policy;
}

guint
jf_harness_get_joins(JfHarness *h)
{
	return h->joins->len;
}

const JfSwitchJoin *
jf_harness_get_join(JfHarness *h, guint i, const char **network)
{
	JfSwitchPort *port = i < h->joins->len ? g_ptr_array_index(h->joins, i) : NULL;

	if (!port || port->left)
		return NULL;
	if (network)
		*network = port->network;
	return &port->join;
}

const JfSwitch harness_switch = {
	.struct_size = sizeof(JfSwitch),
	.join = switch_join,
	.leave = switch_leave,
	.send = switch_send,
	.room = switch_room,
	.set_promiscuous = switch_set_promiscuous,
};
