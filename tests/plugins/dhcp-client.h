/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dhcp-client.h - a DHCP client for tests: messages out of options, answers taken apart. */
#ifndef DHCP_CLIENT_H
#define DHCP_CLIENT_H

#include "jackfield/dhcp.h"
#include "wire.h"

/* What a message has; fields that are 0 or NULL are left out. */
typedef struct Ask {
	guint8 type;
	guint8 mac; /* the last byte of 08:00:27:00:00:xx */
	const char *ciaddr, *giaddr;
	const char *wanted; /* option 50 */
	const char *server; /* option 54 */
	const char *id;     /* option 61 */
	const char *vendor, *user;
	const char *parameters; /* option 55, the codes as bytes */
	guint32 time;           /* option 51 */
	guint16 max_size;
	gboolean broadcast, rapid;
	const char *relay; /* option 82 */
	const char *raw;   /* option 12, for long values */
} Ask;

/* An answer; `message` is good until the next one. */
typedef struct Reply {
	gboolean is_there;
	guint8 destination[6];
	guint32 address; /* IPv4 destination */
	guint16 port;
	JfDhcpMessage message;
	gsize len; /* of the datagram */
} Reply;

/* The frame of a message. Returns its length. */
gsize ask_build(const Ask *ask, guint8 *frame);
/* Takes an answer's frame apart; a frame that is none fails the test. */
void reply_read(Reply *reply, const JfHarnessFrame *frame);
/* Sends it and takes the answer, if there is one; there must not be two. */
void ask(JfHarness *h, const Ask *ask, Reply *reply);
/* The type of the answer to it, 0: none. */
guint ask_type(JfHarness *h, const Ask *message);
/* Sends and expects this type and address. */
void ask_expect(JfHarness *h, const Ask *message, guint8 type, const char *yiaddr);
/* DISCOVER and REQUEST; the address that the client has then, g_free. */
char *ask_lease(JfHarness *h, guint8 mac, const char *id);

/* The address as text, good until the next four. */
const char *reply_yiaddr(const Reply *reply);
void reply_assert_option(const Reply *reply, guint8 code, gconstpointer value, gsize len);
void reply_assert_no_option(const Reply *reply, guint8 code);
guint32 reply_get_u32(const Reply *reply, guint8 code);

#endif
