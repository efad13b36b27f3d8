/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp.h - DHCPv4 messages (RFC 2131) read from and written into bytes, for drivers that serve DHCP.
 *
 * Reading joins the parts of a long option (RFC 3396) and looks into the fields sname and file where
 * the option overload says so (RFC 2132, 9.3). Writing does the same the other way round and keeps
 * to the size that the client takes. Pure functions, any thread, no allocation.
 */
#ifndef JACKFIELD_DHCP_H
#define JACKFIELD_DHCP_H

#include <glib.h>

#include "abi.h"

G_BEGIN_DECLS

#define JF_DHCP_SERVER_PORT 67u
#define JF_DHCP_CLIENT_PORT 68u

#define JF_DHCP_HEADER_LEN 240u /* up to the first option: the magic cookie is in it */
#define JF_DHCP_MIN_LEN 300u    /* shorter messages are filled up (RFC 1542, 2.1) */
#define JF_DHCP_MAX_LEN 4096u   /* longer messages are not read */

/* JfDhcpHeader.op */
#define JF_DHCP_BOOTREQUEST 1u
#define JF_DHCP_BOOTREPLY 2u
/* JfDhcpHeader.flags */
#define JF_DHCP_BROADCAST 0x8000u

/* Values of option 53. */
#define JF_DHCP_DISCOVER 1u
#define JF_DHCP_OFFER 2u
#define JF_DHCP_REQUEST 3u
#define JF_DHCP_DECLINE 4u
#define JF_DHCP_ACK 5u
#define JF_DHCP_NAK 6u
#define JF_DHCP_RELEASE 7u
#define JF_DHCP_INFORM 8u

/* Options that a server handles itself. */
#define JF_DHCP_OPT_PAD 0u
#define JF_DHCP_OPT_MASK 1u
#define JF_DHCP_OPT_ROUTER 3u
#define JF_DHCP_OPT_DNS 6u
#define JF_DHCP_OPT_HOST_NAME 12u
#define JF_DHCP_OPT_DOMAIN 15u
#define JF_DHCP_OPT_ADDRESS 50u    /* requested IP address */
#define JF_DHCP_OPT_LEASE_TIME 51u /* seconds */
#define JF_DHCP_OPT_OVERLOAD 52u
#define JF_DHCP_OPT_TYPE 53u
#define JF_DHCP_OPT_SERVER_ID 54u
#define JF_DHCP_OPT_PARAMETERS 55u /* codes that the client asks for */
#define JF_DHCP_OPT_MESSAGE 56u    /* text of a DHCPNAK or DHCPDECLINE */
#define JF_DHCP_OPT_MAX_SIZE 57u   /* longest IP datagram that the client takes */
#define JF_DHCP_OPT_RENEWAL 58u    /* T1, seconds */
#define JF_DHCP_OPT_REBINDING 59u  /* T2, seconds */
#define JF_DHCP_OPT_VENDOR 60u     /* vendor class identifier */
#define JF_DHCP_OPT_CLIENT_ID 61u
#define JF_DHCP_OPT_TFTP_SERVER 66u
#define JF_DHCP_OPT_BOOT_FILE 67u
#define JF_DHCP_OPT_USER 77u /* user class */
#define JF_DHCP_OPT_RAPID_COMMIT 80u
#define JF_DHCP_OPT_RELAY 82u /* relay agent information (RFC 3046) */
#define JF_DHCP_OPT_END 255u

/* The fixed fields (RFC 2131, figure 1). Addresses in network order, numbers in the host's. */
typedef struct JfDhcpHeader {
	guint8 op;    /* JF_DHCP_BOOTREQUEST, JF_DHCP_BOOTREPLY */
	guint8 htype; /* 1: Ethernet */
	guint8 hlen;  /* bytes of chaddr, 0..16 */
	guint8 hops;
	guint32 xid;
	guint16 secs;
	guint16 flags; /* JF_DHCP_BROADCAST */
	guint8 ciaddr[4], yiaddr[4], siaddr[4], giaddr[4];
	guint8 chaddr[16];
} JfDhcpHeader;

/* A message that was read. Large: not for small stacks. */
typedef struct JfDhcpMessage {
	JfDhcpHeader header;
	guint8 type; /* option 53; 0: a BOOTP message */
	guint8 reserved[3];
	char sname[65], file[129]; /* ended by 0; empty where they hold options */
	guint8 reserved2[2];
	guint16 lens[256]; /* of each option in data, less one missing: see jf_dhcp_get */
	guint16 offsets[256];
	guint8 present[32]; /* bits by code, the least significant first */
	guint8 data[JF_DHCP_MAX_LEN];
} JfDhcpMessage;

/*
 * Reads the payload of a UDP datagram. FALSE: not a BOOTP or DHCP message, or one whose options run
 * over their field. A missing end option is forgiven.
 */
JF_EXPORT gboolean jf_dhcp_parse(JfDhcpMessage *message, gconstpointer data, gsize len);

/* The value of an option, all its parts joined, NULL: it is not there. It may be empty. */
static inline const guint8 *
jf_dhcp_get(const JfDhcpMessage *message, guint8 code, guint16 *len)
{
	if (!(message->present[code / 8] >> (code % 8) & 1)) {
		*len = 0;
		return NULL;
	}
	*len = message->lens[code];
	return message->data + message->offsets[code];
}

/* The same for one that is `len` bytes long in every good message; NULL where it is not. */
static inline const guint8 *
jf_dhcp_get_fixed(const JfDhcpMessage *message, guint8 code, guint16 len)
{
	guint16 found;
	const guint8 *value = jf_dhcp_get(message, code, &found);

	return found == len ? value : NULL;
}

/* A message that is being written. All fields are the library's own. */
typedef struct JfDhcpBuilder {
	guint8 *data;      /* the caller's */
	gsize len;         /* used so far */
	gsize size;        /* usable */
	guint8 used[2];    /* bytes of options in file and sname */
	guint8 overload;   /* value of option 52 so far */
	guint8 can_spread; /* bits as overload's: fields that are free for options */
	guint8 reserved[4];
} JfDhcpBuilder;

/*
 * Begins a message in `data`, which takes `size` bytes, at least JF_DHCP_MIN_LEN; the client's limit
 * where that is lower. `sname` and `file` may be NULL; a NULL field may come to hold options. They
 * are cut to 64 and 128 bytes.
 */
JF_EXPORT void jf_dhcp_builder_init(JfDhcpBuilder *builder, gpointer data, gsize size,
				    const JfDhcpHeader *header, const char *sname,
				    const char *file);
/* Appends an option, in parts where it is longer than 255 bytes. FALSE: there is no room, and it is
 * left out. `code` is neither pad, overload nor end. */
JF_EXPORT gboolean jf_dhcp_builder_add(JfDhcpBuilder *builder, guint8 code, gconstpointer value,
				       gsize len);
JF_EXPORT gboolean jf_dhcp_builder_add_u8(JfDhcpBuilder *builder, guint8 code, guint8 value);
JF_EXPORT gboolean jf_dhcp_builder_add_u32(JfDhcpBuilder *builder, guint8 code, guint32 value);
/* Ends it. Returns its length, at least JF_DHCP_MIN_LEN. */
JF_EXPORT gsize jf_dhcp_builder_finish(JfDhcpBuilder *builder);

G_END_DECLS

#endif
