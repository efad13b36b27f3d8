/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp.c - DHCPv4 messages read from and written into bytes. */
#include "jackfield/dhcp.h"

#include <string.h>

#include "jackfield/util.h"

/* RFC 2131, figure 1. */
#define AT_CIADDR 12u
#define AT_YIADDR 16u
#define AT_SIADDR 20u
#define AT_GIADDR 24u
#define AT_CHADDR 28u
#define AT_SNAME 44u
#define AT_FILE 108u
#define AT_COOKIE 236u
#define SNAME_LEN 64u
#define FILE_LEN 128u
#define COOKIE 0x63825363u
#define CHADDR_LEN 16u

/* Bits of option 52. */
#define OVERLOAD_FILE 1u
#define OVERLOAD_SNAME 2u

#define PART_MAX 255u
/* Kept free in the options field: overload with its value, and the end. */
#define TAIL_LEN 4u

/* ---- Reading ---- */

static void
read_header(JfDhcpHeader *header, const guint8 *data)
{
	header->op = data[0];
	header->htype = data[1];
	header->hlen = data[2];
	header->hops = data[3];
	header->xid = jf_get_be32(data + 4);
	header->secs = jf_get_be16(data + 8);
	header->flags = jf_get_be16(data + 10);
	memcpy(header->ciaddr, data + AT_CIADDR, 4);
	memcpy(header->yiaddr, data + AT_YIADDR, 4);
	memcpy(header->siaddr, data + AT_SIADDR, 4);
	memcpy(header->giaddr, data + AT_GIADDR, 4);
	memcpy(header->chaddr, data + AT_CHADDR, CHADDR_LEN);
}

/* Calls `func` for each option of a field. FALSE: one runs over the field's end. */
typedef void (*OptionFunc)(JfDhcpMessage *message, guint8 code, const guint8 *value, guint8 len);

static gboolean
walk_options(JfDhcpMessage *message, gconstpointer data, gsize len, OptionFunc func)
{
	JfReader reader = jf_reader(data, len);

	while (reader.left) {
		guint8 code = jf_reader_u8(&reader), part;
		const guint8 *value;

		if (code == JF_DHCP_OPT_END)
			break;
		if (code == JF_DHCP_OPT_PAD)
			continue;
		part = jf_reader_u8(&reader);
		value = jf_reader_bytes(&reader, part);
		if (reader.failed)
			return FALSE;
		func(message, code, value, part);
	}
	return TRUE;
}

static void
option_measure(JfDhcpMessage *message, guint8 code, const guint8 *value, guint8 len)
{
	(void)value;
	message->present[code / 8] |= (guint8)(1u << code % 8);
	message->lens[code] = (guint16)(message->lens[code] + len);
}

/* lens counts up again: to where the next part goes. */
static void
option_store(JfDhcpMessage *message, guint8 code, const guint8 *value, guint8 len)
{
	memcpy(message->data + message->offsets[code] + message->lens[code], value, len);
	message->lens[code] = (guint16)(message->lens[code] + len);
}

/* Parts come in the order options, file, sname (RFC 3396, 5). */
static gboolean
walk_fields(JfDhcpMessage *message, const guint8 *data, gsize len, guint8 overload, OptionFunc func)
{
	return walk_options(message, data + JF_DHCP_HEADER_LEN, len - JF_DHCP_HEADER_LEN, func) &&
	       (!(overload & OVERLOAD_FILE) ||
		walk_options(message, data + AT_FILE, FILE_LEN, func)) &&
	       (!(overload & OVERLOAD_SNAME) ||
		walk_options(message, data + AT_SNAME, SNAME_LEN, func));
}

static void
note_overload(JfDhcpMessage *message, guint8 code, const guint8 *value, guint8 len)
{
	if (code == JF_DHCP_OPT_OVERLOAD && len == 1)
		message->type = value[0];
}

/* The field's value, 0: none. Uses `type`, which is not known yet. */
static gboolean
find_overload(JfDhcpMessage *message, const guint8 *data, gsize len, guint8 *overload)
{
	gboolean ok = walk_options(message, data + JF_DHCP_HEADER_LEN, len - JF_DHCP_HEADER_LEN,
				   note_overload);

	*overload = message->type;
	message->type = 0;
	return ok && *overload <= (OVERLOAD_FILE | OVERLOAD_SNAME);
}

static void
place_options(JfDhcpMessage *message)
{
	guint offset = 0;

	for (guint code = 0; code < G_N_ELEMENTS(message->lens); code++) {
		message->offsets[code] = (guint16)offset;
		offset += message->lens[code];
		message->lens[code] = 0;
	}
}

static void
read_texts(JfDhcpMessage *message, const guint8 *data, guint8 overload)
{
	if (!(overload & OVERLOAD_FILE))
		memcpy(message->file, data + AT_FILE, FILE_LEN);
	if (!(overload & OVERLOAD_SNAME))
		memcpy(message->sname, data + AT_SNAME, SNAME_LEN);
}

gboolean
jf_dhcp_parse(JfDhcpMessage *message, gconstpointer bytes, gsize len)
{
	const guint8 *data = bytes, *type;
	guint8 overload;

	memset(message, 0, G_STRUCT_OFFSET(JfDhcpMessage, data));
	if (len < JF_DHCP_HEADER_LEN || len > JF_DHCP_MAX_LEN ||
	    jf_get_be32(data + AT_COOKIE) != COOKIE)
		return FALSE;
	read_header(&message->header, data);
	if (message->header.op < JF_DHCP_BOOTREQUEST || message->header.op > JF_DHCP_BOOTREPLY ||
	    message->header.hlen > CHADDR_LEN)
		return FALSE;
	if (!find_overload(message, data, len, &overload) ||
	    !walk_fields(message, data, len, overload, option_measure))
		return FALSE;
	place_options(message);
	walk_fields(message, data, len, overload, option_store);
	read_texts(message, data, overload);
	type = jf_dhcp_get_fixed(message, JF_DHCP_OPT_TYPE, 1);
	message->type = type ? *type : 0;
	return TRUE;
}

/* ---- Writing ---- */

static void
write_header(guint8 *data, const JfDhcpHeader *header)
{
	data[0] = header->op;
	data[1] = header->htype;
	data[2] = header->hlen;
	data[3] = header->hops;
	jf_put_be32(data + 4, header->xid);
	jf_put_be16(data + 8, header->secs);
	jf_put_be16(data + 10, header->flags);
	memcpy(data + AT_CIADDR, header->ciaddr, 4);
	memcpy(data + AT_YIADDR, header->yiaddr, 4);
	memcpy(data + AT_SIADDR, header->siaddr, 4);
	memcpy(data + AT_GIADDR, header->giaddr, 4);
	memcpy(data + AT_CHADDR, header->chaddr, CHADDR_LEN);
	jf_put_be32(data + AT_COOKIE, COOKIE);
}

void
jf_dhcp_builder_init(JfDhcpBuilder *builder, gpointer data, gsize size, const JfDhcpHeader *header,
		     const char *sname, const char *file)
{
	*builder = (JfDhcpBuilder){ .data = data, .len = JF_DHCP_HEADER_LEN, .size = size };
	memset(data, 0, size);
	write_header(data, header);
	if (file)
		memcpy(builder->data + AT_FILE, file, strnlen(file, FILE_LEN));
	else
		builder->can_spread |= OVERLOAD_FILE;
	if (sname)
		memcpy(builder->data + AT_SNAME, sname, strnlen(sname, SNAME_LEN));
	else
		builder->can_spread |= OVERLOAD_SNAME;
}

/* Bytes that are free in a field (0 options, 1 file, 2 sname), its end option left aside. */
static gsize
field_room(const JfDhcpBuilder *builder, guint field)
{
	gsize len = field == 1 ? FILE_LEN : SNAME_LEN;

	if (field == 0)
		return builder->size - builder->len > TAIL_LEN
			       ? builder->size - builder->len - TAIL_LEN
			       : 0;
	return builder->can_spread & field ? len - 1 - builder->used[field - 1] : 0;
}

static void
field_put(JfDhcpBuilder *builder, guint field, guint8 code, const guint8 *value, gsize len)
{
	guint8 *at = builder->data;

	if (field == 0) {
		at += builder->len;
		builder->len += 2 + len;
	} else {
		at += (field == 1 ? AT_FILE : AT_SNAME) + builder->used[field - 1];
		builder->used[field - 1] = (guint8)(builder->used[field - 1] + 2 + len);
		builder->overload |= (guint8)field;
	}
	at[0] = code;
	at[1] = (guint8)len;
	if (len)
		memcpy(at + 2, value, len);
}

/* How much of a value goes into one field, in as many parts as that takes. */
static gsize
field_capacity(const JfDhcpBuilder *builder, guint field)
{
	gsize room = field_room(builder, field);
	gsize rest = room % (2 + PART_MAX);

	return room / (2 + PART_MAX) * PART_MAX + (rest > 2 ? rest - 2 : 0);
}

static gsize
field_fill(JfDhcpBuilder *builder, guint field, guint8 code, const guint8 *value, gsize len)
{
	gsize done = 0;

	while (done < len && field_room(builder, field) > 2) {
		gsize part = MIN(MIN(len - done, PART_MAX), field_room(builder, field) - 2);

		field_put(builder, field, code, value + done, part);
		done += part;
	}
	return done;
}

/* Whole into the first field that takes it; else cut over all of them. */
gboolean
jf_dhcp_builder_add(JfDhcpBuilder *builder, guint8 code, gconstpointer value, gsize len)
{
	const guint8 *bytes = value;
	gsize all = 0;

	for (guint field = 0; field < 3; field++) {
		if (len <= PART_MAX && field_room(builder, field) >= 2 + len) {
			field_put(builder, field, code, bytes, len);
			return TRUE;
		}
		all += field_capacity(builder, field);
	}
	if (len == 0 || all < len)
		return FALSE;
	for (guint field = 0; field < 3 && len; field++) {
		gsize done = field_fill(builder, field, code, bytes, len);

		bytes += done;
		len -= done;
	}
	return TRUE;
}

gboolean
jf_dhcp_builder_add_u8(JfDhcpBuilder *builder, guint8 code, guint8 value)
{
	return jf_dhcp_builder_add(builder, code, &value, 1);
}

gboolean
jf_dhcp_builder_add_u32(JfDhcpBuilder *builder, guint8 code, guint32 value)
{
	guint8 bytes[4];

	jf_put_be32(bytes, value);
	return jf_dhcp_builder_add(builder, code, bytes, sizeof bytes);
}

gsize
jf_dhcp_builder_finish(JfDhcpBuilder *builder)
{
	guint8 *at = builder->data + builder->len;

	if (builder->overload) {
		*at++ = JF_DHCP_OPT_OVERLOAD;
		*at++ = 1;
		*at++ = builder->overload;
	}
	if (builder->overload & OVERLOAD_FILE)
		builder->data[AT_FILE + builder->used[0]] = JF_DHCP_OPT_END;
	if (builder->overload & OVERLOAD_SNAME)
		builder->data[AT_SNAME + builder->used[1]] = JF_DHCP_OPT_END;
	*at++ = JF_DHCP_OPT_END;
	builder->len = (gsize)(at - builder->data);
	return MAX(builder->len, JF_DHCP_MIN_LEN);
}
