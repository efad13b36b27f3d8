/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* value.c - one property's text parsed into its value, and written in its canonical spelling. */
#include "value.h"

#include <arpa/inet.h>
#include <string.h>

#include "text.h"

#define STRING_MAX 255u
#define PATH_MAX_BYTES 4095u
#define LIST_MAX 64u

/* A suffix of SIZE or RATE. The canonical spelling takes the first that divides the value. */
typedef struct Unit {
	char suffix; /* 0: the bare number */
	gint64 scale;
} Unit;

#define KIB G_GINT64_CONSTANT(1024)

static const Unit size_units[] = {
	{ 'T', KIB *KIB *KIB *KIB },
	{ 'G', KIB *KIB *KIB },
	{ 'M', KIB *KIB },
	{ 'K', KIB },
	{ 0, 1 },
};
/* Bits per second are decimal: 1 kbit/s is 125 bytes/s. A bare number means MiB. */
static const Unit rate_units[] = {
	{ 'G', KIB *KIB *KIB }, { 'M', KIB *KIB }, { 0, KIB *KIB }, { 'K', KIB },
	{ 'g', 125000000 },     { 'm', 125000 },   { 'k', 125 },
};

static const char *const type_names[] = {
	[JF_PROP_BOOL] = "bool", [JF_PROP_INT] = "int",       [JF_PROP_SIZE] = "size",
	[JF_PROP_RATE] = "rate", [JF_PROP_STRING] = "string", [JF_PROP_ENUM] = "enum",
	[JF_PROP_MAC] = "mac",   [JF_PROP_IPV4] = "ipv4",     [JF_PROP_IPV6] = "ipv6",
	[JF_PROP_CIDR] = "cidr", [JF_PROP_PATH] = "path",     [JF_PROP_LIST] = "list",
};

const char *
jf_prop_type_name(guint32 type)
{
	return type < G_N_ELEMENTS(type_names) ? type_names[type] : NULL;
}

/* Moves *text past the digits. FALSE for none or too many. */
static gboolean
digits_parse(const char **text, guint base, guint64 *number)
{
	const char *p = *text;
	guint64 sum = 0;

	for (; g_ascii_isxdigit(*p) && (guint)g_ascii_xdigit_value(*p) < base; p++)
		if (__builtin_mul_overflow(sum, (guint64)base, &sum) ||
		    __builtin_add_overflow(sum, (guint64)g_ascii_xdigit_value(*p), &sum))
			return FALSE;
	if (p == *text)
		return FALSE;
	*text = p;
	*number = sum;
	return TRUE;
}

static gboolean
in_range(const JfPropSpec *spec, gint64 number)
{
	if (spec->min == 0 && spec->max == 0)
		return TRUE;
	return number >= spec->min && number <= spec->max;
}

static gboolean
int_parse(const JfPropSpec *spec, const char *text, JfValue *value)
{
	gboolean negative = *text == '-';
	guint64 number;
	guint base = 10;

	text += negative;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		base = 16;
	}
	if (!digits_parse(&text, base, &number) || *text)
		return FALSE;
	if (number > (guint64)G_MAXINT64 + negative)
		return FALSE;
	value->v.integer = (gint64)(negative ? 0 - number : number);
	value->text = g_strdup_printf("%" G_GINT64_FORMAT, value->v.integer);
	return in_range(spec, value->v.integer);
}

static const Unit *
unit_find(const Unit *units, guint n, char suffix)
{
	for (guint i = 0; i < n; i++)
		if (units[i].suffix == suffix)
			return &units[i];
	return NULL;
}

/* NULL for a number that no unit divides. */
static char *
scaled_format(const Unit *units, guint n, gint64 number)
{
	if (number == 0)
		return g_strdup("0");
	for (guint i = 0; i < n; i++)
		if (number % units[i].scale == 0)
			return g_strdup_printf("%" G_GINT64_FORMAT "%.1s", number / units[i].scale,
					       &units[i].suffix);
	return NULL;
}

static gboolean
scaled_parse(const JfPropSpec *spec, const Unit *units, guint n, const char *text, JfValue *value)
{
	const Unit *unit;
	guint64 number;

	if (!digits_parse(&text, 10, &number) || number > G_MAXINT64)
		return FALSE;
	unit = unit_find(units, n, *text);
	if (!unit || (*text && text[1]))
		return FALSE;
	if (__builtin_mul_overflow((gint64)number, unit->scale, &value->v.integer))
		return FALSE;
	value->text = scaled_format(units, n, value->v.integer);
	return in_range(spec, value->v.integer);
}

static gboolean
bool_parse(const char *text, JfValue *value)
{
	static const char *const words[] = { "off", "on", "false", "true", "no", "yes", "0", "1" };

	for (guint i = 0; i < G_N_ELEMENTS(words); i++)
		if (g_ascii_strcasecmp(text, words[i]) == 0) {
			value->v.integer = i & 1;
			value->text = g_strdup(words[i & 1]);
			return TRUE;
		}
	return FALSE;
}

static gboolean
enum_parse(const JfPropSpec *spec, const char *text, JfValue *value)
{
	for (guint i = 0; spec->choices && spec->choices[i]; i++)
		if (g_ascii_strcasecmp(text, spec->choices[i]) == 0) {
			value->v.integer = i;
			value->text = g_strdup(spec->choices[i]);
			return TRUE;
		}
	return FALSE;
}

static gsize
string_max(const JfPropSpec *spec)
{
	return spec->max > 0 ? (gsize)spec->max : STRING_MAX;
}

static guint
list_max(const JfPropSpec *spec)
{
	return spec->max > 0 ? (guint)spec->max : LIST_MAX;
}

static gboolean
string_parse(const char *text, gsize max, JfValue *value)
{
	if (!jf_text_is_plain(text, max))
		return FALSE;
	value->text = g_strdup(text);
	value->v.string = value->text;
	return TRUE;
}

static gboolean
list_parse(const JfPropSpec *spec, const char *text, JfValue *value)
{
	guint max = list_max(spec);
	g_auto(GStrv) items = g_strsplit(text, ",", (int)max + 1);

	if (!items[0] || g_strv_length(items) > max)
		return FALSE;
	for (guint i = 0; items[i]; i++)
		if (!jf_text_is_plain(items[i], STRING_MAX))
			return FALSE;
	value->text = g_strdup(text);
	value->v.list = (const char *const *)g_steal_pointer(&items);
	return TRUE;
}

static gboolean
mac_parse(const char *text, JfValue *value)
{
	char canonical[13];

	if (!jf_mac_parse(text, value->v.mac))
		return FALSE;
	jf_mac_format(value->v.mac, canonical);
	value->text = g_strdup(canonical);
	return TRUE;
}

static gboolean
address_parse(int family, const char *text, guint8 *address, char **canonical)
{
	char buffer[INET6_ADDRSTRLEN];

	if (inet_pton(family, text, address) != 1)
		return FALSE;
	*canonical = g_strdup(inet_ntop(family, address, buffer, sizeof buffer));
	return TRUE;
}

static gboolean
cidr_parse(const char *text, JfValue *value)
{
	const char *slash = strchr(text, '/'), *end = slash ? slash + 1 : NULL;
	g_autofree char *address = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;
	g_autofree char *canonical = NULL;
	JfCidr *cidr = &value->v.cidr;
	int family = address && strchr(address, ':') ? AF_INET6 : AF_INET;
	guint64 prefix;

	if (!slash || !address_parse(family, address, cidr->address, &canonical))
		return FALSE;
	if ((end[0] == '0' && end[1]) || !digits_parse(&end, 10, &prefix) || *end)
		return FALSE;
	if (prefix > (family == AF_INET6 ? 128 : 32))
		return FALSE;
	cidr->family = family == AF_INET6 ? 6 : 4;
	cidr->prefix = (guint8)prefix;
	value->text = g_strdup_printf("%s/%u", canonical, cidr->prefix);
	return TRUE;
}

static gboolean
value_parse(const JfPropSpec *spec, const char *text, JfValue *value)
{
	switch (spec->type) {
	case JF_PROP_BOOL:
		return bool_parse(text, value);
	case JF_PROP_INT:
		return int_parse(spec, text, value);
	case JF_PROP_SIZE:
		return scaled_parse(spec, size_units, G_N_ELEMENTS(size_units), text, value);
	case JF_PROP_RATE:
		return scaled_parse(spec, rate_units, G_N_ELEMENTS(rate_units), text, value);
	case JF_PROP_STRING:
		return string_parse(text, string_max(spec), value);
	case JF_PROP_ENUM:
		return enum_parse(spec, text, value);
	case JF_PROP_MAC:
		return mac_parse(text, value);
	case JF_PROP_IPV4:
		return address_parse(AF_INET, text, value->v.ipv4, (char **)&value->text);
	case JF_PROP_IPV6:
		return address_parse(AF_INET6, text, value->v.ipv6, (char **)&value->text);
	case JF_PROP_CIDR:
		return cidr_parse(text, value);
	case JF_PROP_PATH:
		return *text == '/' && string_parse(text, PATH_MAX_BYTES, value);
	case JF_PROP_LIST:
		return list_parse(spec, text, value);
	default:
		return FALSE;
	}
}

gboolean
jf_value_parse(const JfPropSpec *spec, const char *text, JfValue *value)
{
	JfValue parsed = { .type = spec->type, .is_set = TRUE };

	if (!value_parse(spec, text, &parsed)) {
		jf_value_clear(&parsed);
		return FALSE;
	}
	jf_value_clear(value);
	*value = parsed;
	return TRUE;
}

void
jf_value_clear(JfValue *value)
{
	guint32 type = value->type;

	if (type == JF_PROP_LIST)
		g_strfreev((char **)value->v.list);
	g_free((char *)value->text);
	memset(value, 0, sizeof *value);
	value->type = type;
}

static char *
range_describe(const char *what, const char *min, const char *max)
{
	return g_strdup_printf("%s from %s to %s", what, min, max);
}

static char *
int_expects(const JfPropSpec *spec)
{
	g_autofree char *min = g_strdup_printf("%" G_GINT64_FORMAT, spec->min);
	g_autofree char *max = g_strdup_printf("%" G_GINT64_FORMAT, spec->max);

	if (spec->min == 0 && spec->max == 0)
		return g_strdup("a whole number, decimal or 0x hexadecimal");
	return range_describe("a number", min, max);
}

/* A limit that no unit divides is told in bytes. */
static char *
limit_format(const Unit *units, guint n, gint64 limit)
{
	char *scaled = scaled_format(units, n, limit);

	return scaled ? scaled : g_strdup_printf("%" G_GINT64_FORMAT " bytes/s", limit);
}

static char *
scaled_expects(const JfPropSpec *spec, const Unit *units, guint n, const char *what)
{
	g_autofree char *min = limit_format(units, n, spec->min);
	g_autofree char *max = limit_format(units, n, spec->max);

	if (spec->min == 0 && spec->max == 0)
		return g_strdup(what);
	return range_describe(what, min, max);
}

static char *
enum_expects(const JfPropSpec *spec)
{
	g_autofree char *choices = g_strjoinv(", ", (char **)spec->choices);

	return g_strdup_printf("one of %s", choices);
}

char *
jf_value_expects(const JfPropSpec *spec)
{
	switch (spec->type) {
	case JF_PROP_BOOL:
		return g_strdup("on or off");
	case JF_PROP_INT:
		return int_expects(spec);
	case JF_PROP_SIZE:
		return scaled_expects(spec, size_units, G_N_ELEMENTS(size_units),
				      "a number of bytes (suffix K, M, G or T)");
	case JF_PROP_RATE:
		return scaled_expects(
			spec, rate_units, G_N_ELEMENTS(rate_units),
			"a rate (K, M, G: 1024-based bytes/s; k, m, g: bits/s; bare: M)");
	case JF_PROP_STRING:
		return g_strdup_printf("1 to %" G_GSIZE_FORMAT
				       " bytes of UTF-8 without control characters",
				       string_max(spec));
	case JF_PROP_ENUM:
		return enum_expects(spec);
	case JF_PROP_MAC:
		return g_strdup("a MAC address like 080027a1b2c3 or 08:00:27:a1:b2:c3");
	case JF_PROP_IPV4:
		return g_strdup("an IPv4 address like 10.0.2.15");
	case JF_PROP_IPV6:
		return g_strdup("an IPv6 address like fd17:625c::2");
	case JF_PROP_CIDR:
		return g_strdup("an address and prefix length like 10.0.2.0/24 or fd17::/64");
	case JF_PROP_PATH:
		return g_strdup("an absolute file name of at most 4095 bytes of UTF-8");
	case JF_PROP_LIST:
		return g_strdup_printf(
			"1 to %u items with commas between them, each 1 to 255 bytes",
			list_max(spec));
	default:
		return g_strdup("nothing: unknown type");
	}
}
