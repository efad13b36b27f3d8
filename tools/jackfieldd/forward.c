/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forward.c - port-forwarding rules as people write them. */
#include "forward.h"

#include <gio/gio.h>
#include <string.h>

#include "text.h"

static gboolean
forward_parse_port(const char *text, const char *what, guint16 *port, GError **error)
{
	guint64 number;

	if (g_ascii_string_to_unsigned(text, 10, 1, 65535, &number, NULL)) {
		*port = (guint16)number;
		return TRUE;
	}
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s port '%s' is not 1 to 65535", what, text);
	return FALSE;
}

static gboolean
forward_parse_address(const char *text, const char *what, char **address, GError **error)
{
	g_autoptr(GInetAddress) parsed = NULL;

	if (!*text)
		return TRUE;
	parsed = g_inet_address_new_from_string(text);
	if (!parsed || g_inet_address_get_is_multicast(parsed)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s address '%s' is no IPv4 or IPv6 address of one host", what, text);
		return FALSE;
	}
	*address = g_inet_address_to_string(parsed);
	return TRUE;
}

static gboolean
forward_parse_protocol(const char *text, guint16 *protocol, GError **error)
{
	if (g_ascii_strcasecmp(text, "tcp") == 0)
		*protocol = JF_FORWARD_TCP;
	else if (g_ascii_strcasecmp(text, "udp") == 0)
		*protocol = JF_FORWARD_UDP;
	else
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "protocol '%s' is not tcp or udp",
			    text);
	return *protocol != 0;
}

static const char *
forward_get_protocol(const Forward *forward)
{
	return forward->rule.protocol == JF_FORWARD_TCP ? "tcp" : "udp";
}

static gboolean
forward_set_name(Forward *forward, const char *name, GError **error)
{
	if (!*name) {
		forward->name = g_strdup_printf("%s_%u_%u", forward_get_protocol(forward),
						forward->rule.host_port, forward->rule.guest_port);
		return TRUE;
	}
	if (!jf_text_is_plain(name, 63)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "a rule's name has 1 to 63 bytes of UTF-8 without control characters");
		return FALSE;
	}
	forward->name = g_strdup(name);
	return TRUE;
}

static gboolean
forward_parse(Forward *forward, char **fields, GError **error)
{
	JfForwardRule *rule = &forward->rule;

	return forward_parse_protocol(fields[1], &rule->protocol, error) &&
	       forward_parse_address(fields[2], "host", &forward->host_address, error) &&
	       forward_parse_port(fields[3], "host", &rule->host_port, error) &&
	       forward_parse_address(fields[4], "guest", &forward->guest_address, error) &&
	       forward_parse_port(fields[5], "guest", &rule->guest_port, error) &&
	       forward_set_name(forward, fields[0], error);
}

Forward *
forward_new(const char *text, GError **error)
{
	g_autoptr(Forward) forward = g_new0(Forward, 1);
	g_autofree char *shown = jf_text_show(text);
	g_auto(GStrv) fields = g_strsplit(text, ",", 8);

	if (g_strv_length(fields) != 6) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "Forwarding rule '%s' does not have the 6 fields [name],tcp|udp,"
			    "[hostip],hostport,[guestip],guestport",
			    shown);
		return NULL;
	}
	if (!forward_parse(forward, fields, error)) {
		g_prefix_error(error, "Forwarding rule '%s': ", shown);
		return NULL;
	}
	forward->rule.struct_size = sizeof(forward->rule);
	forward->rule.name = forward->name;
	forward->rule.host_address = forward->host_address;
	forward->rule.guest_address = forward->guest_address;
	return g_steal_pointer(&forward);
}

void
forward_free(Forward *forward)
{
	if (!forward)
		return;
	g_free(forward->name);
	g_free(forward->host_address);
	g_free(forward->guest_address);
	g_free(forward);
}

char *
forward_format(const Forward *forward)
{
	return g_strdup_printf("%s,%s,%u,%s,%u", forward_get_protocol(forward),
			       forward->host_address ? forward->host_address : "",
			       forward->rule.host_port,
			       forward->guest_address ? forward->guest_address : "",
			       forward->rule.guest_port);
}

gboolean
forward_is_clash(const Forward *a, const Forward *b)
{
	return a->rule.protocol == b->rule.protocol && a->rule.host_port == b->rule.host_port &&
	       g_strcmp0(a->host_address, b->host_address) == 0;
}
