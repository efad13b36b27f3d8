/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-dns-mapping.c - names that the user gives addresses to: VirtualBox's HostResolverMappings.
 *
 * An entry is PATTERN=ADDRESS; in a pattern '?' stands for one character, '*' for any number, and
 * '|' stands between alternatives. The first entry of the address family that is asked for counts; a
 * name that is mapped in the other family only has no address in this one.
 */
#include "nat-services.h"

#define CLASS_IN 1u

typedef struct Mapping {
	GPatternSpec **patterns; /* NULL at the end */
	NatAddress address;
} Mapping;

struct NatDnsMappings {
	GArray *entries;
};

static void
mapping_clear(gpointer data)
{
	Mapping *mapping = data;

	for (guint i = 0; mapping->patterns[i]; i++)
		g_pattern_spec_free(mapping->patterns[i]);
	g_free(mapping->patterns);
}

static GPatternSpec **
patterns_new(const char *text)
{
	g_autofree char *lower = g_ascii_strdown(text, -1);
	g_auto(GStrv) parts = g_strsplit(lower, "|", -1);
	GPatternSpec **patterns = g_new0(GPatternSpec *, g_strv_length(parts) + 1);
	guint n = 0;

	for (guint i = 0; parts[i]; i++) {
		char *part = g_strstrip(parts[i]);
		gsize len = strlen(part);

		if (len > 1 && part[len - 1] == '.')
			part[len - 1] = '\0';
		if (*part)
			patterns[n++] = g_pattern_spec_new(part);
	}
	return patterns;
}

static gboolean
mappings_add(NatDnsMappings *mappings, const char *entry, GError **error)
{
	const char *equals = strrchr(entry, '=');
	g_autofree char *name = equals ? g_strndup(entry, (gsize)(equals - entry)) : NULL;
	Mapping mapping;

	if (!equals || !nat_address_parse(equals + 1, &mapping.address)) {
		g_set_error(
			error, JF_ERROR, JF_ERROR_VALUE,
			"dns-mappings: '%s' is not NAME=ADDRESS, like files.example=10.0.2.2 or "
			"*.test|*.local=127.0.0.1",
			entry);
		return FALSE;
	}
	mapping.patterns = patterns_new(name);
	g_array_append_val(mappings->entries, mapping);
	if (mapping.patterns[0])
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "dns-mappings: '%s' has no name", entry);
	return FALSE;
}

NatDnsMappings *
nat_dns_mappings_new(char **list, GError **error)
{
	NatDnsMappings *mappings = g_new0(NatDnsMappings, 1);

	mappings->entries = g_array_new(FALSE, FALSE, sizeof(Mapping));
	g_array_set_clear_func(mappings->entries, mapping_clear);
	for (guint i = 0; list && list[i]; i++) {
		if (mappings_add(mappings, list[i], error))
			continue;
		nat_dns_mappings_free(mappings);
		return NULL;
	}
	return mappings;
}

void
nat_dns_mappings_free(NatDnsMappings *mappings)
{
	if (!mappings)
		return;
	g_array_unref(mappings->entries);
	g_free(mappings);
}

static gboolean
mapping_matches(const Mapping *mapping, const char *name)
{
	for (guint i = 0; mapping->patterns[i]; i++)
		if (g_pattern_spec_match_string(mapping->patterns[i], name))
			return TRUE;
	return FALSE;
}

gboolean
nat_dns_mappings_answer(const NatDnsMappings *mappings, const NatDnsQuestion *question,
			const guint8 *query, NatDnsAnswer *answer)
{
	gboolean is_mapped = FALSE;

	if (!*question->name || question->klass != CLASS_IN ||
	    (question->type != NAT_DNS_A && question->type != NAT_DNS_AAAA))
		return FALSE;
	nat_dns_answer_init(answer, question, query, NAT_DNS_NOERROR);
	for (guint i = 0; i < mappings->entries->len; i++) {
		const Mapping *mapping = &g_array_index(mappings->entries, Mapping, i);

		if (!mapping_matches(mapping, question->name))
			continue;
		is_mapped = TRUE;
		if (nat_address_is_v4(&mapping->address) != (question->type == NAT_DNS_A))
			continue;
		nat_dns_answer_add_address(answer, &mapping->address);
		break;
	}
	return is_mapped;
}
