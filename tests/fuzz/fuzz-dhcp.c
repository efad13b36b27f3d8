/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-dhcp.c - frames to a DHCP service, whole ones and ones around a message, and time.
 *
 * Whatever comes in: what goes out is a good answer from the service's own address, an address that
 * is given out is in the range, and never two clients have one.
 */
#include "fuzz.h"

#include <string.h>

#include "jackfield/dhcp.h"
#include "jackfield/harness.h"
#include "jackfield/util.h"

#define PORT JF_HARNESS_SWITCH(0)
#define HEADERS 42u
#define LOWER 0xc0a83865u
#define UPPER 0xc0a8386cu
#define SECOND G_GUINT64_CONSTANT(1000000000)

/* Who was told that he has an address, and until when. */
typedef struct Lease {
	guint8 id[256];
	guint16 len;
	guint64 end;
} Lease;

typedef struct World {
	JfHarness *h;
	Lease leases[UPPER - LOWER + 1];
	guint8 frame[1514];
} World;

static gsize
client_get_id(const JfDhcpMessage *message, guint8 *id)
{
	guint16 len;
	const guint8 *given = jf_dhcp_get(message, JF_DHCP_OPT_CLIENT_ID, &len);

	if (given && len >= 2 && len <= 255) {
		id[0] = 1;
		memcpy(id + 1, given, len);
		return (gsize)len + 1;
	}
	id[0] = 0;
	memcpy(id + 1, message->header.chaddr, 6);
	return 7;
}

static void
check_ack(World *w, const JfDhcpMessage *message)
{
	guint32 address = jf_get_be32(message->header.yiaddr);
	const guint8 *time = jf_dhcp_get_fixed(message, JF_DHCP_OPT_LEASE_TIME, 4);
	guint64 now = jf_harness_now(w->h);
	guint8 id[256];
	gsize len = client_get_id(message, id);
	Lease *lease;

	if (address == 0)
		return;
	g_assert_nonnull(time);
	g_assert_cmpuint(address, >=, LOWER);
	g_assert_cmpuint(address, <=, UPPER);
	lease = &w->leases[address - LOWER];
	/* A client's id is known by it alone: another one only after the end of the lease. */
	if (lease->end > now)
		g_assert_cmpmem(lease->id, lease->len, id, len);
	for (guint i = 0; i < G_N_ELEMENTS(w->leases); i++)
		if (w->leases[i].len == len && memcmp(w->leases[i].id, id, len) == 0)
			w->leases[i].end = 0;
	memcpy(lease->id, id, len);
	lease->len = (guint16)len;
	lease->end = now + jf_get_be32(time) * SECOND;
}

static void
check_answers(World *w)
{
	JfHarnessFrame *frame;

	while ((frame = jf_harness_pull(w->h, PORT))) {
		g_autofree JfDhcpMessage *message = g_new(JfDhcpMessage, 1);

		if (jf_get_be16(frame->data + 12) == 0x0800) {
			g_assert_cmpuint(frame->len, >=, HEADERS + JF_DHCP_MIN_LEN);
			g_assert_true(jf_dhcp_parse(message, frame->data + HEADERS,
						    frame->len - HEADERS));
			if (message->type == JF_DHCP_ACK)
				check_ack(w, message);
		}
		jf_harness_frame_free(frame);
	}
}

static guint64
count_ends(const World *w)
{
	return jf_harness_get_counter(w->h, "release", NULL) +
	       jf_harness_get_counter(w->h, "decline", NULL);
}

/* A lease that may have ended early counts no more. */
static void
push(World *w, gsize len)
{
	guint64 ends = count_ends(w);

	jf_harness_push_bytes(w->h, PORT, w->frame, len);
	while (jf_harness_poll(w->h, 0))
		continue;
	for (guint i = 0; count_ends(w) != ends && i < G_N_ELEMENTS(w->leases); i++)
		w->leases[i].end = 0;
	check_answers(w);
}

/* Ethernet, IPv4 and UDP as they should be, around `len` bytes. */
static void
push_datagram(World *w, gsize len)
{
	guint8 *ip = w->frame + 14;
	guint16 sum;

	memset(w->frame, 0, HEADERS);
	memset(w->frame, 0xff, 6);
	w->frame[6] = 2;
	w->frame[12] = 8;
	ip[0] = 0x45;
	jf_put_be16(ip + 2, (guint16)(28 + len));
	ip[8] = 64;
	ip[9] = 17;
	memset(ip + 16, 0xff, 4);
	sum = (guint16)~jf_csum_fold(jf_csum_add(0, ip, 20));
	memcpy(ip + 10, &sum, sizeof sum);
	jf_put_be16(ip + 20, 68);
	jf_put_be16(ip + 22, 67);
	jf_put_be16(ip + 24, (guint16)(8 + len));
	push(w, HEADERS + len);
}

static void
add_address(JfDhcpBuilder *b, guint8 code, guint8 last)
{
	guint8 address[4] = { 192, 168, 56, last };

	if (last)
		jf_dhcp_builder_add(b, code, address, sizeof address);
}

/* A message with fields that meet others: few clients, few addresses. */
static void
push_message(World *w, FuzzInput *input)
{
	JfDhcpHeader header = { .op = 1, .htype = 1, .hlen = 6, .chaddr = { 2 } };
	guint8 flags = fuzz_byte(input), client = fuzz_byte(input);
	const guint8 *extra;
	JfDhcpBuilder b;
	gsize got;

	header.chaddr[5] = client & 7;
	header.flags = flags & 1 ? JF_DHCP_BROADCAST : 0;
	if (flags & 2)
		memcpy(header.ciaddr, (guint8[]){ 192, 168, 56, fuzz_byte(input) }, 4);
	if (flags & 4)
		memcpy(header.giaddr, (guint8[]){ 192, 168, 56, fuzz_byte(input) }, 4);
	jf_dhcp_builder_init(&b, w->frame + HEADERS, sizeof w->frame - HEADERS, &header, NULL,
			     NULL);
	jf_dhcp_builder_add_u8(&b, JF_DHCP_OPT_TYPE, fuzz_byte(input));
	if (client & 0x38)
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_CLIENT_ID, (guint8[]){ 0, client & 0x38 }, 2);
	if (flags & 8)
		add_address(&b, JF_DHCP_OPT_ADDRESS, fuzz_byte(input));
	if (flags & 16)
		add_address(&b, JF_DHCP_OPT_SERVER_ID, flags & 32 ? 2 : fuzz_byte(input));
	if (flags & 64)
		jf_dhcp_builder_add(&b, JF_DHCP_OPT_RAPID_COMMIT, NULL, 0);
	if (flags & 128) {
		guint8 code = fuzz_byte(input);

		extra = fuzz_bytes(input, fuzz_byte(input), &got);
		if (code != 0 && code != 255 && code != JF_DHCP_OPT_OVERLOAD &&
		    code != JF_DHCP_OPT_TYPE)
			jf_dhcp_builder_add(&b, code, extra, got);
	}
	push_datagram(w, jf_dhcp_builder_finish(&b));
}

static void
step(World *w, FuzzInput *input)
{
	guint8 op = fuzz_byte(input);
	gsize got;

	if (op % 8 == 0) {
		const guint8 *bytes = fuzz_bytes(input, fuzz_word(input) % 600, &got);

		if (got)
			memcpy(w->frame, bytes, got);
		push(w, got);
	} else if (op % 8 == 1) {
		const guint8 *bytes = fuzz_bytes(input, fuzz_word(input) % 600, &got);

		if (got)
			memcpy(w->frame + HEADERS, bytes, got);
		push_datagram(w, got);
	} else if (op % 8 == 2) {
		jf_harness_crank(w->h, (guint64)fuzz_byte(input) * 10 * SECOND);
	} else {
		push_message(w, input);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const properties[] = { "network=n",
						  "address=192.168.56.2/24",
						  "lower-ip=192.168.56.101",
						  "upper-ip=192.168.56.108",
						  "probe=0",
						  NULL };
	FuzzInput input = { data, len };
	World *w = g_new0(World, 1);

	w->h = jf_harness_new(jf_plugin_query()->drivers[0], properties, NULL);
	g_assert_true(jf_harness_init(w->h, NULL));
	g_assert_true(jf_harness_start(w->h, NULL));
	while (input.left)
		step(w, &input);
	g_assert_cmpstr(jf_harness_get_violation(w->h), ==, NULL);
	jf_harness_free(w->h);
	g_free(w);
	return 0;
}
