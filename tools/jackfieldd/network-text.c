/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-text.c - values of the options of networks. */
#include <arpa/inet.h>
#include <string.h>

#include "nat-network.h"
#include "text.h"

char *
address_format(guint32 address)
{
	return g_strdup_printf("%u.%u.%u.%u", address >> 24, address >> 16 & 255,
			       address >> 8 & 255, address & 255);
}

static gboolean
value_refuse(const char *key, const char *value, const char *wanted, GError **error)
{
	g_autofree char *shown = jf_text_show(value);

	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s '%s' is not %s", key, shown, wanted);
	return FALSE;
}

gboolean
address_parse(const char *key, const char *value, guint32 *address, GError **error)
{
	struct in_addr parsed;

	if (inet_pton(AF_INET, value, &parsed) != 1)
		return value_refuse(key, value, "an IPv4 address", error);
	*address = ntohl(parsed.s_addr);
	return TRUE;
}

gboolean
on_off_parse(const char *key, const char *value, gboolean *on, GError **error)
{
	static const char *const yes[] = { "on", "yes", "true", "1", "enable", "enabled", NULL };
	static const char *const no[] = { "off", "no", "false", "0", "disable", "disabled", NULL };
	g_autofree char *lower = g_ascii_strdown(value, -1);

	*on = g_strv_contains(yes, lower);
	if (*on || g_strv_contains(no, lower))
		return TRUE;
	return value_refuse(key, value, "on or off", error);
}

gboolean
number_parse(const char *key, const char *value, guint64 max, guint64 *number, GError **error)
{
	g_autofree char *wanted = NULL;
	gboolean is_hex = g_ascii_strncasecmp(value, "0x", 2) == 0;

	if (g_ascii_string_to_unsigned(is_hex ? value + 2 : value, is_hex ? 16 : 10, 0, max, number,
				       NULL))
		return TRUE;
	wanted = g_strdup_printf("a number from 0 to %" G_GUINT64_FORMAT, max);
	return value_refuse(key, value, wanted, error);
}

gboolean
network_name_check(const char *name, GError **error)
{
	if (jf_text_is_plain(name, NETWORK_NAME_MAX))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "A network's name is 1 to %u bytes of UTF-8 without control characters",
		    NETWORK_NAME_MAX);
	return FALSE;
}
