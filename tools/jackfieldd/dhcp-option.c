/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-option.c - values of DHCP options as people write them. */
#include "dhcp-option.h"

#include <arpa/inet.h>
#include <string.h>

#include "jackfield/abi.h"
#include "text.h"

#define VALUE_MAX 255u

typedef enum {
	FORMAT_NONE,
	FORMAT_BOOL,
	FORMAT_U8,
	FORMAT_U16,
	FORMAT_U32,
	FORMAT_S32,
	FORMAT_U16_LIST,
	FORMAT_ADDRESS,
	FORMAT_ADDRESSES,
	FORMAT_PAIRS, /* addresses two by two */
	FORMAT_TEXT,
} Format;

static const guint8 formats[] = {
	[1] = FORMAT_ADDRESS, /* subnet mask */
	[2] = FORMAT_S32,     /* time offset, seconds */
	[3] = FORMAT_ADDRESSES,  [4] = FORMAT_ADDRESSES,
	[5] = FORMAT_ADDRESSES,  [6] = FORMAT_ADDRESSES,
	[7] = FORMAT_ADDRESSES,  [8] = FORMAT_ADDRESSES,
	[9] = FORMAT_ADDRESSES,  [10] = FORMAT_ADDRESSES,
	[11] = FORMAT_ADDRESSES, [12] = FORMAT_TEXT,     /* host name */
	[13] = FORMAT_U16,                               /* boot file size */
	[14] = FORMAT_TEXT,                              /* merit dump file */
	[15] = FORMAT_TEXT,                              /* domain name */
	[16] = FORMAT_ADDRESS,   [17] = FORMAT_TEXT,     /* root path */
	[18] = FORMAT_TEXT,                              /* extensions path */
	[19] = FORMAT_BOOL,                              /* IP forwarding */
	[20] = FORMAT_BOOL,      [21] = FORMAT_PAIRS,    /* policy filters: address and mask */
	[22] = FORMAT_U16,       [23] = FORMAT_U8,       /* IP TTL */
	[24] = FORMAT_U32,       [25] = FORMAT_U16_LIST, /* path MTU plateau table */
	[26] = FORMAT_U16,                               /* interface MTU */
	[27] = FORMAT_BOOL,      [28] = FORMAT_ADDRESS,  /* broadcast address */
	[29] = FORMAT_BOOL,      [30] = FORMAT_BOOL,
	[31] = FORMAT_BOOL,      [32] = FORMAT_ADDRESS,
	[33] = FORMAT_PAIRS, /* static routes: destination and router */
	[34] = FORMAT_BOOL,      [35] = FORMAT_U32,
	[36] = FORMAT_BOOL,      [37] = FORMAT_U8, /* TCP TTL */
	[38] = FORMAT_U32,       [39] = FORMAT_BOOL,
	[40] = FORMAT_TEXT,                               /* NIS domain */
	[41] = FORMAT_ADDRESSES, [42] = FORMAT_ADDRESSES, /* NTP servers */
	[44] = FORMAT_ADDRESSES,                          /* NetBIOS name servers */
	[45] = FORMAT_ADDRESSES, [46] = FORMAT_U8,        /* NetBIOS node type */
	[48] = FORMAT_ADDRESSES, [49] = FORMAT_ADDRESSES,
	[60] = FORMAT_TEXT,                          /* vendor class, which PXE clients look for */
	[62] = FORMAT_TEXT,      [64] = FORMAT_TEXT, /* NIS+ domain */
	[65] = FORMAT_ADDRESSES, [66] = FORMAT_TEXT, /* TFTP server name */
	[67] = FORMAT_TEXT,                          /* boot file name */
	[68] = FORMAT_ADDRESSES, [69] = FORMAT_ADDRESSES,
	[70] = FORMAT_ADDRESSES, [71] = FORMAT_ADDRESSES,
	[72] = FORMAT_ADDRESSES, [73] = FORMAT_ADDRESSES,
	[74] = FORMAT_ADDRESSES, [75] = FORMAT_ADDRESSES,
	[76] = FORMAT_ADDRESSES,
};

static const char *const wanted[] = {
	[FORMAT_BOOL] = "on or off",
	[FORMAT_U8] = "a number from 0 to 255",
	[FORMAT_U16] = "a number from 0 to 65535",
	[FORMAT_U32] = "a number from 0 to 4294967295",
	[FORMAT_S32] = "a number from -2147483648 to 2147483647",
	[FORMAT_U16_LIST] = "numbers from 0 to 65535 with spaces between them",
	[FORMAT_ADDRESS] = "an IPv4 address",
	[FORMAT_ADDRESSES] = "IPv4 addresses with spaces between them",
	[FORMAT_PAIRS] = "an even number of IPv4 addresses with spaces between them",
	[FORMAT_TEXT] = "a text of 1 to 255 bytes",
};

/* ---- Pieces ---- */

static void
put_number(GByteArray *bytes, guint32 number, guint size)
{
	while (size-- > 0) {
		guint8 byte = (guint8)(number >> (8 * size));

		g_byte_array_append(bytes, &byte, 1);
	}
}

static gboolean
add_unsigned(GByteArray *bytes, const char *text, guint size)
{
	gboolean is_hex = g_ascii_strncasecmp(text, "0x", 2) == 0;
	guint64 max = G_MAXUINT32 >> (32 - 8 * size);
	guint64 number;

	if (!g_ascii_string_to_unsigned(is_hex ? text + 2 : text, is_hex ? 16 : 10, 0, max, &number,
					NULL))
		return FALSE;
	put_number(bytes, (guint32)number, size);
	return TRUE;
}

static gboolean
add_signed(GByteArray *bytes, const char *text)
{
	gint64 number;

	if (!g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXINT32, &number, NULL))
		return FALSE;
	put_number(bytes, (guint32)number, 4);
	return TRUE;
}

static gboolean
add_bool(GByteArray *bytes, const char *text)
{
	static const char *const yes[] = { "on", "yes", "true", "1", NULL };
	static const char *const no[] = { "off", "no", "false", "0", NULL };
	g_autofree char *lower = g_ascii_strdown(text, -1);
	gboolean on = g_strv_contains(yes, lower);

	put_number(bytes, on, 1);
	return on || g_strv_contains(no, lower);
}

static gboolean
add_address(GByteArray *bytes, const char *text)
{
	guint8 address[4];

	if (inet_pton(AF_INET, text, address) != 1)
		return FALSE;
	g_byte_array_append(bytes, address, sizeof address);
	return TRUE;
}

static gboolean
add_word(GByteArray *bytes, const char *word, Format format)
{
	switch (format) {
	case FORMAT_BOOL:
		return add_bool(bytes, word);
	case FORMAT_U8:
		return add_unsigned(bytes, word, 1);
	case FORMAT_U16:
	case FORMAT_U16_LIST:
		return add_unsigned(bytes, word, 2);
	case FORMAT_U32:
		return add_unsigned(bytes, word, 4);
	case FORMAT_S32:
		return add_signed(bytes, word);
	case FORMAT_ADDRESS:
	case FORMAT_ADDRESSES:
	case FORMAT_PAIRS:
		return add_address(bytes, word);
	default:
		return FALSE;
	}
}

/* Commas are as good as spaces: other servers' files have them. */
static gboolean
add_words(GByteArray *bytes, const char *text, Format format)
{
	g_auto(GStrv) words = g_strsplit_set(text, " ,\t", -1);
	gboolean is_list = format == FORMAT_U16_LIST || format == FORMAT_ADDRESSES ||
			   format == FORMAT_PAIRS;
	guint n = 0;
	char **word;

	for (word = words; *word; word++) {
		if (!**word)
			continue;
		if ((n++ && !is_list) || !add_word(bytes, *word, format))
			return FALSE;
	}
	return n > 0 && (format != FORMAT_PAIRS || n % 2 == 0);
}

/* ---- All of it ---- */

static gboolean
option_refuse(guint code, const char *text, const char *what, GError **error)
{
	g_autofree char *shown = jf_text_show(text);

	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "DHCP option %u: '%s' is not %s", code, shown,
		    what);
	return FALSE;
}

GByteArray *
dhcp_option_parse(guint code, const char *text, GError **error)
{
	Format format = code < G_N_ELEMENTS(formats) ? formats[code] : FORMAT_NONE;
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	gboolean ok;

	if (format == FORMAT_NONE) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "DHCP option %u has no text form here: give its bytes with "
			    "--set-opt-hex",
			    code);
		return NULL;
	}
	if (format == FORMAT_TEXT) {
		ok = jf_text_is_plain(text, VALUE_MAX);
		g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
	} else {
		ok = add_words(bytes, text, format) && bytes->len <= VALUE_MAX;
	}
	if (!ok && !option_refuse(code, text, wanted[format], error))
		return NULL;
	return g_steal_pointer(&bytes);
}

/* Colons stand between whole bytes; a byte beside one may have a single digit. */
static gboolean
add_hex(GByteArray *bytes, const char *text)
{
	while (*text) {
		gsize digits = 0;
		guint8 byte;

		while (g_ascii_isxdigit(text[digits]) && digits < 2)
			digits++;
		if (digits == 0 || (digits == 1 && text[1] != ':' && text[1]))
			return FALSE;
		if (digits == 1 && !text[1] && (bytes->len == 0 || text[-1] != ':'))
			return FALSE;
		byte = (guint8)g_ascii_xdigit_value(text[0]);
		if (digits == 2)
			byte = (guint8)(byte << 4 | g_ascii_xdigit_value(text[1]));
		g_byte_array_append(bytes, &byte, 1);
		text += digits;
		if (*text == ':' && !*++text)
			return FALSE;
	}
	return TRUE;
}

GByteArray *
dhcp_option_parse_hex(guint code, const char *text, GError **error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	if (strlen(text) <= 3 * VALUE_MAX && add_hex(bytes, text) && bytes->len <= VALUE_MAX)
		return g_steal_pointer(&bytes);
	option_refuse(code, text, "up to 255 bytes in hexadecimal digits, as in 0a:00:02:0f",
		      error);
	return NULL;
}

gboolean
dhcp_option_check_code(guint64 code, GError **error)
{
	const char *why = NULL;

	if (code == 51 || code == 58 || code == 59)
		why = "it follows from the lease time: see --default-lease-time";
	else if ((code >= 50 && code <= 57) || code == 61 || code == 80 || code == 82)
		why = "the protocol itself uses it";
	else if (code < 1 || code > 254)
		why = "options are 1 to 254";
	if (why)
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "DHCP option %" G_GUINT64_FORMAT " cannot be set: %s", code, why);
	return !why;
}
