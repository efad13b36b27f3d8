/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-dns-message.c - DNS queries read and small answers written (RFC 1035 4). */
#include <stdio.h>

#include "nat-services.h"

#define FLAG_QR 0x8000u
#define FLAG_TC 0x0200u
#define FLAG_RD 0x0100u
#define FLAG_RA 0x0080u
#define OPCODE_MASK 0x7800u
#define LABEL_MAX 63u
#define NAME_POINTER 0xc000u
#define CLASS_IN 1u
/* Seconds: the host's library does not tell how long an answer is good. */
#define ANSWER_TTL 30u

/* ---- Reading ---- */

/* Without a dot or anything else in a label that a host name does not have. */
static gboolean
label_is_plain(const guint8 *label, guint len)
{
	for (guint i = 0; i < len; i++)
		if (!g_ascii_isalnum(label[i]) && label[i] != '-' && label[i] != '_')
			return FALSE;
	return TRUE;
}

/* Compression has no place in a question: nothing is before it. */
static gboolean
read_name(JfReader *reader, char *name)
{
	guint at = 0, wire = 0, len;
	gboolean is_plain = TRUE;

	while ((len = jf_reader_u8(reader))) {
		const guint8 *label = jf_reader_bytes(reader, len);

		wire += 1 + len;
		if (!label || len > LABEL_MAX || wire + 1 > NAT_DNS_NAME_MAX)
			return FALSE;
		is_plain &= label_is_plain(label, len);
		if (at)
			name[at++] = '.';
		for (guint i = 0; i < len; i++)
			name[at++] = g_ascii_tolower(label[i]);
	}
	name[is_plain ? at : 0] = '\0';
	return !reader->failed;
}

gboolean
nat_dns_parse(NatDnsQuestion *question, const guint8 *data, gsize len)
{
	JfReader reader = jf_reader(data, len);
	guint16 n;

	question->id = jf_reader_be16(&reader);
	question->flags = jf_reader_be16(&reader);
	n = jf_reader_be16(&reader);
	jf_reader_bytes(&reader, 6);
	if (reader.failed || n != 1 || (question->flags & (FLAG_QR | OPCODE_MASK)) ||
	    !read_name(&reader, question->name))
		return FALSE;
	question->type = jf_reader_be16(&reader);
	question->klass = jf_reader_be16(&reader);
	question->len = (guint16)(len - reader.left - NAT_DNS_HEADER_LEN);
	question->answer_max = NAT_DNS_DATAGRAM_MAX;
	return !reader.failed;
}

static gboolean
parse_reverse4(const char *name, const char *end, NatAddress *address)
{
	guint a, b, c, d;
	int used = 0;

	if (sscanf(name, "%3u.%3u.%3u.%3u%n", &d, &c, &b, &a, &used) != 4 || name + used != end ||
	    a > 255 || b > 255 || c > 255 || d > 255)
		return FALSE;
	*address = nat_address_v4(a << 24 | b << 16 | c << 8 | d);
	return TRUE;
}

/* 32 digits with dots between them, the last one first (RFC 3596 2.5). */
static gboolean
parse_reverse6(const char *name, const char *end, NatAddress *address)
{
	if (end - name != 63)
		return FALSE;
	for (guint i = 0; i < 32; i++) {
		int digit = g_ascii_xdigit_value(name[2 * i]);
		guint8 *byte = &address->b[15 - i / 2];

		if (digit < 0 || (i < 31 && name[2 * i + 1] != '.'))
			return FALSE;
		*byte = (guint8)(i & 1 ? *byte | digit << 4 : digit);
	}
	return TRUE;
}

gboolean
nat_dns_parse_reverse(const char *name, NatAddress *address)
{
	if (g_str_has_suffix(name, ".in-addr.arpa"))
		return parse_reverse4(name, name + strlen(name) - strlen(".in-addr.arpa"), address);
	return g_str_has_suffix(name, ".ip6.arpa") &&
	       parse_reverse6(name, name + strlen(name) - strlen(".ip6.arpa"), address);
}

/* ---- Writing ---- */

gsize
nat_dns_put_name(const char *name, guint8 *out, gsize size)
{
	gsize len = strlen(name), at = 0;

	if (len == 0 || len > NAT_DOMAIN_MAX || size < len + 2)
		return 0;
	while (*name) {
		gsize label = strcspn(name, ".");

		if (label == 0 || label > LABEL_MAX)
			return 0;
		out[at++] = (guint8)label;
		memcpy(out + at, name, label);
		at += label;
		name += label + (name[label] == '.');
	}
	out[at++] = 0;
	return at;
}

void
nat_dns_answer_init(NatDnsAnswer *answer, const NatDnsQuestion *question, const guint8 *query,
		    NatDnsCode code)
{
	memset(answer->data, 0, NAT_DNS_HEADER_LEN);
	jf_put_be16(answer->data, question->id);
	jf_put_be16(answer->data + 2,
		    (guint16)(FLAG_QR | (question->flags & FLAG_RD) | FLAG_RA | code));
	jf_put_be16(answer->data + 4, 1);
	memcpy(answer->data + NAT_DNS_HEADER_LEN, query + NAT_DNS_HEADER_LEN, question->len);
	answer->len = NAT_DNS_HEADER_LEN + question->len;
	answer->max = question->answer_max;
}

static void
add_record(NatDnsAnswer *answer, guint16 type, const guint8 *data, gsize len)
{
	guint8 *record = answer->data + answer->len;

	if (answer->max - answer->len < 12 + len) {
		answer->data[2] |= FLAG_TC >> 8;
		return;
	}
	jf_put_be16(record, NAME_POINTER | NAT_DNS_HEADER_LEN);
	jf_put_be16(record + 2, type);
	jf_put_be16(record + 4, CLASS_IN);
	jf_put_be32(record + 6, ANSWER_TTL);
	jf_put_be16(record + 10, (guint16)len);
	memcpy(record + 12, data, len);
	answer->len += 12 + (guint)len;
	jf_put_be16(answer->data + 6, (guint16)(jf_get_be16(answer->data + 6) + 1));
}

void
nat_dns_answer_add_address(NatDnsAnswer *answer, const NatAddress *address)
{
	if (nat_address_is_v4(address))
		add_record(answer, NAT_DNS_A, address->b + 12, 4);
	else
		add_record(answer, NAT_DNS_AAAA, address->b, 16);
}

void
nat_dns_answer_add_name(NatDnsAnswer *answer, const char *name)
{
	guint8 wire[NAT_DNS_NAME_MAX];
	gsize len = nat_dns_put_name(name, wire, sizeof wire);

	if (len)
		add_record(answer, NAT_DNS_PTR, wire, len);
}
