/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-forward.c - port-forwarding rules of NAT networks: VBoxManage's other way to write them. */
#include <arpa/inet.h>
#include <string.h>

#include "nat-network.h"
#include "text.h"

#define NAME_MAX_LEN 63u

static gboolean
rule_refuse(const char *text, const char *why, GError **error)
{
	g_autofree char *shown = jf_text_show(text);

	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "Rule '%s': %s; a rule is "
		    "[NAME]:tcp|udp:[HOSTIP]:HOSTPORT:[GUESTIP]:GUESTPORT with brackets around the "
		    "addresses, as in ssh:tcp:[]:1022:[192.168.15.5]:22",
		    shown, why);
	return FALSE;
}

/* Up to the next colon, which is skipped, or to the end. */
static char *
take_field(const char **at)
{
	gsize len = strcspn(*at, ":");
	char *field = g_strndup(*at, len);

	*at += len + ((*at)[len] == ':');
	return field;
}

/* "[ADDRESS]:" or "[]:"; NULL: no brackets. */
static char *
take_address(const char **at)
{
	const char *end = **at == '[' ? strchr(*at, ']') : NULL;
	char *address;

	if (!end || end[1] != ':')
		return NULL;
	address = g_strndup(*at + 1, end - *at - 1);
	*at = end + 2;
	return address;
}

static guint16
parse_port(const char *text)
{
	guint64 port = 0;

	return g_ascii_string_to_unsigned(text, 10, 1, 65535, &port, NULL) ? (guint16)port : 0;
}

static gboolean
is_address(const char *text, gboolean ipv6)
{
	guint8 bytes[16];

	return inet_pton(ipv6 ? AF_INET6 : AF_INET, text, bytes) == 1;
}

static const char *
rule_read(Forward *forward, const char *text, gboolean ipv6)
{
	g_autofree char *protocol = NULL;
	g_autofree char *host_port = NULL;

	forward->name = take_field(&text);
	protocol = take_field(&text);
	if (g_ascii_strcasecmp(protocol, "tcp") == 0)
		forward->rule.protocol = JF_FORWARD_TCP;
	else if (g_ascii_strcasecmp(protocol, "udp") == 0)
		forward->rule.protocol = JF_FORWARD_UDP;
	else
		return "the protocol is neither tcp nor udp";
	forward->host_address = take_address(&text);
	if (!forward->host_address ||
	    (*forward->host_address && !is_address(forward->host_address, ipv6)))
		return ipv6 ? "the host address is no IPv6 address in brackets"
			    : "the host address is no IPv4 address in brackets";
	host_port = take_field(&text);
	forward->rule.host_port = parse_port(host_port);
	forward->guest_address = take_address(&text);
	if (!forward->guest_address || !is_address(forward->guest_address, ipv6))
		return ipv6 ? "the guest address is no IPv6 address in brackets"
			    : "the guest address is no IPv4 address in brackets";
	forward->rule.guest_port = parse_port(text);
	if (!forward->rule.host_port || !forward->rule.guest_port)
		return "a port is a number from 1 to 65535";
	return NULL;
}

static void
rule_name(Forward *forward)
{
	if (*forward->name)
		return;
	g_free(forward->name);
	forward->name = g_strdup_printf("%s_%u_%u",
					forward->rule.protocol == JF_FORWARD_TCP ? "tcp" : "udp",
					forward->rule.host_port, forward->rule.guest_port);
}

Forward *
nat_forward_new(const char *text, gboolean ipv6, GError **error)
{
	g_autoptr(Forward) forward = g_new0(Forward, 1);
	const char *wrong = rule_read(forward, text, ipv6);

	if (!wrong) {
		rule_name(forward);
		if (!jf_text_is_plain(forward->name, NAME_MAX_LEN))
			wrong = "its name is longer than 63 bytes, or has control characters";
	}
	if (wrong) {
		rule_refuse(text, wrong, error);
		return NULL;
	}
	if (!*forward->host_address)
		g_clear_pointer(&forward->host_address, g_free);
	forward->rule.struct_size = sizeof forward->rule;
	forward->rule.name = forward->name;
	forward->rule.host_address = forward->host_address;
	forward->rule.guest_address = forward->guest_address;
	return g_steal_pointer(&forward);
}

char *
nat_forward_format(const Forward *forward)
{
	const JfForwardRule *rule = &forward->rule;

	return g_strdup_printf("%s:%s:[%s]:%u:[%s]:%u", rule->name,
			       rule->protocol == JF_FORWARD_TCP ? "tcp" : "udp",
			       rule->host_address ? rule->host_address : "", rule->host_port,
			       rule->guest_address, rule->guest_port);
}
