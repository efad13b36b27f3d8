/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-forward.c - "jf.forward/1": ports of the host that lead to the guest. */
#include "slirp-nat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

void
nat_forward_free(gpointer data)
{
	NatForward *forward = data;

	if (!forward)
		return;
	g_free(forward->name);
	g_free(forward);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NatForward, nat_forward_free)

static gboolean
is_udp(const NatForward *forward)
{
	return forward->protocol == JF_FORWARD_UDP;
}

static socklen_t
address_len(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
}

static guint16
address_port(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;

	/* At the same place in a sockaddr_in6. */
	return g_ntohs(in->sin_port);
}

/* `text` NULL: any address of `family`. FALSE: no address. */
static gboolean
address_parse(struct sockaddr_storage *address, const char *text, int family, guint16 port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof *address);
	in->sin_port = g_htons(port);
	address->ss_family = (sa_family_t)family;
	if (!text)
		return TRUE;
	address->ss_family = AF_INET;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		return TRUE;
	address->ss_family = AF_INET6;
	return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1;
}

static char *
forward_describe(const NatForward *forward)
{
	char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const struct sockaddr_in *)&forward->host;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&forward->host;

	if (forward->host.ss_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
	return g_strdup_printf("%s port %u of %s", is_udp(forward) ? "UDP" : "TCP",
			       address_port(&forward->host), text);
}

static gboolean
set_value_error(GError **error, JfNat *nat, const char *rule, const char *format, const char *value)
{
	g_autofree char *reason = g_strdup_printf(format, value);

	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: port forward '%s': %s", nat->inst->name,
		    rule, reason);
	return FALSE;
}

static gboolean
check_guest_address(JfNat *nat, const JfForwardRule *rule, const NatForward *forward,
		    GError **error)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&forward->guest;
	guint32 address = g_ntohl(in->sin_addr.s_addr);

	if (forward->guest.ss_family == AF_INET6 && !nat->config.card.ipv6)
		return set_value_error(error, nat, rule->name,
				       "guest address '%s' needs the property ipv6=on",
				       rule->guest_address ? rule->guest_address : "::");
	if (forward->guest.ss_family == AF_INET && rule->guest_address &&
	    (address & nat->config.card.netmask) != nat->config.card.network)
		return set_value_error(error, nat, rule->name,
				       "guest address '%s' is not within the guest's network",
				       rule->guest_address);
	return TRUE;
}

static gboolean
parse_addresses(JfNat *nat, const JfForwardRule *rule, NatForward *forward, GError **error)
{
	int family;

	if (!address_parse(&forward->host, rule->host_address, AF_INET, rule->host_port))
		return set_value_error(error, nat, rule->name,
				       "'%s' is neither an IPv4 nor an IPv6 address",
				       rule->host_address);
	family = forward->host.ss_family;
	if (!address_parse(&forward->guest, rule->guest_address, family, rule->guest_port))
		return set_value_error(error, nat, rule->name,
				       "'%s' is neither an IPv4 nor an IPv6 address",
				       rule->guest_address);
	/* Every address of the host, for a guest that is named by an IPv6 address. */
	if (!rule->host_address && forward->guest.ss_family == AF_INET6)
		address_parse(&forward->host, NULL, AF_INET6, rule->host_port);
	if (forward->host.ss_family != forward->guest.ss_family)
		return set_value_error(
			error, nat, rule->name,
			"host and guest address '%s' must be of one family, both IPv4 or both IPv6",
			rule->guest_address);
	return check_guest_address(nat, rule, forward, error);
}

static NatForward *
forward_new(JfNat *nat, const JfForwardRule *rule, GError **error)
{
	g_autoptr(NatForward) forward = g_new0(NatForward, 1);

	if (!rule->name || !rule->name[0] || strlen(rule->name) > 63) {
		set_value_error(error, nat, rule->name ? rule->name : "",
				"a rule's name has 1..63 bytes%s", "");
		return NULL;
	}
	if (rule->protocol != JF_FORWARD_TCP && rule->protocol != JF_FORWARD_UDP) {
		set_value_error(error, nat, rule->name, "the protocol is %s", "tcp or udp");
		return NULL;
	}
	if (!rule->host_port || !rule->guest_port) {
		set_value_error(error, nat, rule->name, "ports are %s", "1..65535");
		return NULL;
	}
	forward->name = g_strdup(rule->name);
	forward->protocol = rule->protocol;
	if (!parse_addresses(nat, rule, forward, error))
		return NULL;
	return g_steal_pointer(&forward);
}

static gboolean
set_bind_error(JfNat *nat, const NatForward *forward, int code, GError **error)
{
	g_autofree char *what = forward_describe(forward);
	const char *name = nat->inst->name;

	switch (code) {
	case EADDRINUSE:
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
			    "%s: port forward '%s': %s is in use on this host", name, forward->name,
			    what);
		break;
	case EACCES:
	case EPERM:
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "%s: port forward '%s': %s needs privileges: take a port from "
			    "/proc/sys/net/ipv4/ip_unprivileged_port_start on, or lower that",
			    name, forward->name, what);
		break;
	case EADDRNOTAVAIL:
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: port forward '%s': %s: this host does not have that address", name,
			    forward->name, what);
		break;
	default:
		g_set_error(error, JF_ERROR, JF_ERROR_NETWORK, "%s: port forward '%s': %s: %s",
			    name, forward->name, what, g_strerror(code));
	}
	return FALSE;
}

static int
forward_flags(const NatForward *forward)
{
	return (is_udp(forward) ? SLIRP_HOSTFWD_UDP : 0) |
	       (forward->host.ss_family == AF_INET6 ? SLIRP_HOSTFWD_V6ONLY : 0);
}

static gboolean
forward_bind(JfNat *nat, const NatForward *forward, GError **error)
{
	if (slirp_add_hostxfwd(nat->slirp, (const struct sockaddr *)&forward->host,
			       address_len(&forward->host),
			       (const struct sockaddr *)&forward->guest,
			       address_len(&forward->guest), forward_flags(forward)) < 0)
		return set_bind_error(nat, forward, errno, error);
	return TRUE;
}

static void
forward_round(JfNat *nat)
{
	NatGuard guard;

	nat_guard_enter(&guard);
	nat_loop_round(nat);
	nat_guard_leave(&guard);
}

gboolean
nat_forward_start(JfNat *nat, GError **error)
{
	for (guint i = 0; i < nat->forwards->len; i++) {
		if (!forward_bind(nat, nat->forwards->pdata[i], error))
			return FALSE;
	}
	return TRUE;
}

static gint
forward_find(JfNat *nat, const char *name)
{
	for (guint i = 0; i < nat->forwards->len; i++) {
		const NatForward *forward = nat->forwards->pdata[i];

		if (g_str_equal(forward->name, name))
			return (gint)i;
	}
	return -1;
}

static gboolean
forward_add(JfInstance *inst, const JfForwardRule *rule, GError **error)
{
	JfNat *nat = inst->priv;
	g_autoptr(NatForward) forward = forward_new(nat, rule, error);

	if (!forward)
		return FALSE;
	if (forward_find(nat, forward->name) >= 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
			    "%s: there is a port forward '%s' already", inst->name, forward->name);
		return FALSE;
	}
	if (nat->started) {
		if (!forward_bind(nat, forward, error))
			return FALSE;
		forward_round(nat);
	}
	g_ptr_array_add(nat->forwards, g_steal_pointer(&forward));
	return TRUE;
}

static gboolean
forward_remove(JfInstance *inst, const char *name, GError **error)
{
	JfNat *nat = inst->priv;
	gint i = forward_find(nat, name);
	const NatForward *forward;

	if (i < 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s: no port forward '%s'",
			    inst->name, name);
		return FALSE;
	}
	forward = nat->forwards->pdata[i];
	if (nat->started) {
		slirp_remove_hostxfwd(nat->slirp, (const struct sockaddr *)&forward->host,
				      address_len(&forward->host), forward_flags(forward));
		forward_round(nat);
	}
	g_ptr_array_remove_index(nat->forwards, (guint)i);
	return TRUE;
}

const JfForward nat_forward = {
	.struct_size = sizeof(JfForward),
	.add = forward_add,
	.remove = forward_remove,
};
