/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* property.h - the typed property table of a driver and the values that the core parsed by it. */
#ifndef JACKFIELD_PROPERTY_H
#define JACKFIELD_PROPERTY_H

#include <glib.h>

#include "abi.h"

G_BEGIN_DECLS

/*
 * BOOL    on/off, true/false, yes/no, 1/0
 * INT     decimal or 0x hexadecimal, within min..max
 * SIZE    bytes; suffix K M G T are powers of 1024
 * RATE    bytes per second; bare number and suffix M are MiB, K is KiB, G is GiB; lower case k m g
 *         are decimal bits: 1000, 10^6, 10^9 bits per second; 0 is unlimited
 * STRING  UTF-8 without control characters, at most max bytes (255 when max is 0)
 * ENUM    one of choices, compared without case
 * MAC     12 hexadecimal digits, with or without : or - between the pairs
 * IPV4    dotted quad
 * IPV6    RFC 4291 text
 * CIDR    IPv4 or IPv6 address, slash, prefix length
 * PATH    absolute file name, at most 4095 bytes of UTF-8 without control characters
 * LIST    STRINGs with commas between them, at most max of them (64 when max is 0)
 */
typedef enum {
	JF_PROP_BOOL = 1,
	JF_PROP_INT,
	JF_PROP_SIZE,
	JF_PROP_RATE,
	JF_PROP_STRING,
	JF_PROP_ENUM,
	JF_PROP_MAC,
	JF_PROP_IPV4,
	JF_PROP_IPV6,
	JF_PROP_CIDR,
	JF_PROP_PATH,
	JF_PROP_LIST,
} JfPropType;

#define JF_PROP_REQUIRED 0x1u /* init is not reached without it; has no default */
#define JF_PROP_LIVE 0x2u     /* may change while running: the driver has `changed` */
#define JF_PROP_SECRET 0x4u   /* never printed, logged or listed */

/*
 * One row of a driver's constant table; a row with a NULL name ends it. The table travels with its
 * element size (JfDriver.prop_stride), so rows may grow at the end.
 */
typedef struct JfPropSpec {
	const char *name; /* [a-z][a-z0-9-]*, at most 31 bytes, unique without case */
	guint32 type;     /* JfPropType */
	guint32 flags;    /* JF_PROP_* */
	const char *def;  /* default as text, parsed like a user's value; NULL: unset */
	gint64 min, max;  /* INT, SIZE, RATE: inclusive; both 0: no limit beyond the type's */
	const char *const *choices; /* ENUM: NULL-terminated */
	const char *blurb;          /* one sentence for people */
} JfPropSpec;

typedef struct JfCidr {
	guint8 address[16]; /* network byte order; IPv4 in the first 4 bytes */
	guint8 family;      /* 4 or 6 */
	guint8 prefix;      /* 0..32 or 0..128 */
	guint8 reserved[6];
} JfCidr;

/* A parsed value. Owned by the core; see JfHost.property for how long it lives. */
typedef struct JfValue {
	guint32 type;     /* JfPropType */
	guint32 is_set;   /* FALSE: neither given nor defaulted; all else is then zero */
	const char *text; /* the value in its canonical spelling; NULL when unset */
	union {
		gint64 integer; /* BOOL 0/1, INT, SIZE bytes, RATE bytes/s, ENUM index of the choice */
		const char *string; /* STRING, PATH */
		guint8 mac[6];
		guint8 ipv4[4];  /* network byte order */
		guint8 ipv6[16]; /* network byte order */
		JfCidr cidr;
		const char *const *list; /* NULL-terminated */
	} v;
} JfValue;

/* MAC addresses as text: "080027a1b2c3". `text` takes at least 13 bytes. Any thread. */
JF_EXPORT void jf_mac_format(const guint8 mac[6], char *text);
/* Accepts what a MAC property accepts. Returns FALSE and leaves `mac` alone otherwise. */
JF_EXPORT gboolean jf_mac_parse(const char *text, guint8 mac[6]);

G_END_DECLS

#endif
