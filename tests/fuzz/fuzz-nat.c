/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-nat.c - a guest that sends anything to the attachment nat, and a host that does anything.
 *
 * The input is a list of acts: frames as they are, frames with addresses and checksums put right so
 * that they get further, segments around where the connection really is, time, backpressure, and what
 * the host's end does. The process is in a network namespace with nothing but its loopback: whatever
 * the guest asks for, nothing leaves.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jackfield/harness.h"
#include "jackfield/util.h"

#define PORT 7u
#define GUEST_PORT 1024u
#define FRAME_MAX 70000u
#define ACTS_MAX 400u
#define PEERS 4u
#define MSEC G_GUINT64_CONSTANT(1000000)

typedef struct World {
	JfHarness *h;
	int listener, udp;
	int peers[PEERS];
	guint n_peers;
	guint32 snd_nxt, rcv_nxt; /* of the guest's connection */
	guint8 frame[FRAME_MAX];
} World;

static const guint8 engine_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x35, 0x02 };
static const guint8 guest_mac[6] = { 0x08, 0x00, 0x27, 0x00, 0x00, 0x01 };

/* Returns FALSE where no namespace may be made: then nothing is run at all. */
static gboolean
enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0)
		return FALSE;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		g_error("the loopback of a new namespace stays down: %s", g_strerror(errno));
	close(fd);
	return TRUE;
}

static int
host_socket(int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&in, sizeof in), ==, 0);
	if (type == SOCK_STREAM)
		g_assert_cmpint(listen(fd, 8), ==, 0);
	return fd;
}

static void
world_begin(World *w)
{
	g_autoptr(GError) error = NULL;

	w->listener = host_socket(SOCK_STREAM);
	w->udp = host_socket(SOCK_DGRAM);
	w->h = jf_harness_new(jf_plugin_query()->drivers[0], NULL, &error);
	g_assert_no_error(error);
	jf_harness_init(w->h, &error);
	g_assert_no_error(error);
	jf_harness_start(w->h, &error);
	g_assert_no_error(error);
}

static void
world_end(World *w)
{
	jf_harness_stop(w->h);
	g_assert_cmpuint(jf_harness_get_leftovers(w->h), ==, 0);
	jf_harness_finish(w->h);
	g_assert_cmpstr(jf_harness_get_violation(w->h), ==, NULL);
	jf_harness_free(w->h);
	while (w->n_peers)
		close(w->peers[--w->n_peers]);
	close(w->listener);
	close(w->udp);
}

/* ---- What comes back ---- */

static gboolean
count_segment(const JfFrame *frame, gpointer data)
{
	(void)data;
	g_assert_cmpuint(frame->len, <=, 1514);
	return TRUE;
}

static void
note_tcp(World *w, const JfHarnessFrame *frame)
{
	const guint8 *tcp = frame->data + 34;
	guint32 header_len, bytes;

	if (frame->len < 54 || jf_get_be16(frame->data + 12) != 0x0800 ||
	    frame->data[23] != IPPROTO_TCP)
		return;
	header_len = (tcp[12] >> 4) * 4u;
	bytes = frame->len - 34 - header_len;
	w->rcv_nxt = jf_get_be32(tcp + 4) + bytes + (tcp[13] & 3 ? 1 : 0);
}

static void
take_all(World *w)
{
	JfHarnessFrame *frame;

	while ((frame = jf_harness_pull(w->h, 0))) {
		g_assert_true(jf_frame_is_sane(&frame->frame));
		g_assert_cmpuint(jf_frame_segment(&frame->frame, 0, count_segment, NULL), >, 0);
		note_tcp(w, frame);
		jf_harness_frame_free(frame);
	}
}

/* ---- What the guest does ---- */

static void
push(World *w, guint32 len, guint8 flags, guint8 gso_type, guint16 gso_size, guint16 l4,
     guint16 csum_offset)
{
	struct iovec piece = { w->frame, len };
	JfFrame frame = jf_frame_plain(&piece);

	frame.flags = flags;
	frame.gso_type = gso_type;
	frame.gso_size = gso_size;
	frame.csum_start = l4;
	frame.csum_offset = csum_offset;
	if (len >= JF_FRAME_MIN_LEN && jf_frame_is_sane(&frame))
		jf_harness_push(w->h, 0, &frame, 1);
}

static void
push_raw(World *w, FuzzInput *input)
{
	gsize len;
	const guint8 *data = fuzz_bytes(input, fuzz_word(input) % 2048, &len);

	memcpy(w->frame, data, len);
	push(w, (guint32)len, 0, 0, 0, 0, 0);
}

/* Addresses and header checksum of version 4; the transport's checksum is vouched for. */
static void
repair(World *w, gsize len)
{
	guint8 *ip = w->frame + 14;
	guint32 header_len = (ip[0] & 15) * 4u;
	guint16 sum;

	memcpy(w->frame, engine_mac, 6);
	memcpy(w->frame + 6, guest_mac, 6);
	if (ip[0] >> 4 != 4 || header_len < 20 || 14 + header_len > len)
		return;
	memcpy(ip + 12, "\x0a\x00\x02\x0f", 4);
	memset(ip + 10, 0, 2);
	sum = (guint16)~jf_csum_fold(jf_csum_add(0, ip, header_len));
	memcpy(ip + 10, &sum, 2);
}

static void
push_repaired(World *w, FuzzInput *input)
{
	gsize len;
	const guint8 *data = fuzz_bytes(input, fuzz_word(input) % 2048, &len);

	memcpy(w->frame, data, len);
	if (len >= 34)
		repair(w, len);
	push(w, (guint32)len, JF_FRAME_CSUM_VALID, 0, 0, 0, 0);
}

static guint16
put_ip(World *w, guint8 protocol, guint32 len)
{
	guint8 *ip = w->frame + 14;

	memset(w->frame, 0, 34);
	jf_put_be16(w->frame + 12, 0x0800);
	ip[0] = 0x45;
	jf_put_be16(ip + 2, (guint16)(20 + len));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 16, "\x0a\x00\x02\x02", 4);
	repair(w, 34);
	return 34;
}

/* A segment near where the connection is. */
static void
push_segment(World *w, FuzzInput *input)
{
	guint8 flags = fuzz_byte(input) & 0x3f, options = fuzz_byte(input) % 11 * 4;
	gint8 seq_off = (gint8)fuzz_byte(input), ack_off = (gint8)fuzz_byte(input);
	guint16 window = fuzz_word(input);
	guint32 bytes = fuzz_word(input) % 60000u;
	guint16 l4 = put_ip(w, IPPROTO_TCP, 20 + options + bytes);
	guint8 *tcp = w->frame + l4;
	gsize got;
	const guint8 *data = fuzz_bytes(input, options, &got);

	memset(tcp, 0, 20 + options + bytes);
	jf_put_be16(tcp, (guint16)(GUEST_PORT + (fuzz_byte(input) & 1)));
	jf_put_be16(tcp + 2, PORT);
	jf_put_be32(tcp + 4, w->snd_nxt + (guint32)seq_off);
	jf_put_be32(tcp + 8, w->rcv_nxt + (guint32)ack_off);
	tcp[12] = (guint8)((20 + options) / 4 << 4);
	tcp[13] = flags;
	jf_put_be16(tcp + 14, window);
	jf_put_be16(tcp + 18, window);
	memcpy(tcp + 20, data, got);
	if (seq_off == 0)
		w->snd_nxt += bytes + (flags & 3 ? 1 : 0);
	if (bytes > 1460)
		push(w, l4 + 20u + options + bytes, JF_FRAME_NEEDS_CSUM, JF_GSO_TCPV4, 1460, l4,
		     16);
	else
		push(w, l4 + 20u + options + bytes, JF_FRAME_CSUM_VALID, 0, 0, 0, 0);
}

static void
push_datagrams(World *w, FuzzInput *input)
{
	guint32 bytes = fuzz_word(input) % 60000u, size = fuzz_word(input) % 2000u;
	guint16 l4 = put_ip(w, IPPROTO_UDP, 8 + bytes);
	guint8 *udp = w->frame + l4;

	memset(udp, 0, 8 + bytes);
	jf_put_be16(udp, GUEST_PORT);
	jf_put_be16(udp + 2, fuzz_byte(input) & 3 ? PORT : fuzz_word(input));
	jf_put_be16(udp + 4, (guint16)(8 + bytes));
	if (size)
		push(w, l4 + 8u + bytes, JF_FRAME_NEEDS_CSUM, JF_GSO_UDP_L4, (guint16)size, l4, 6);
	else
		push(w, l4 + 8u + bytes, JF_FRAME_CSUM_VALID, 0, 0, 0, 0);
}

/* ---- What the host does ---- */

static void
host_act(World *w, FuzzInput *input)
{
	static const guint8 zeros[65536];
	static guint8 bin[65536];
	guint8 what = fuzz_byte(input);
	guint32 bytes = fuzz_word(input);
	const struct linger linger = { .l_onoff = what & 0x80 };
	struct sockaddr_in from;
	socklen_t len = sizeof from;
	int fd;

	if (w->n_peers < PEERS && (fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		w->peers[w->n_peers++] = fd;
	if (recvfrom(w->udp, bin, sizeof bin, 0, (struct sockaddr *)&from, &len) > 0 && (what & 1))
		sendto(w->udp, zeros, bytes % 65508u, 0, (struct sockaddr *)&from, len);
	if (!w->n_peers)
		return;
	fd = w->peers[what % w->n_peers];
	if (what & 0x10)
		send(fd, zeros, bytes, MSG_NOSIGNAL | ((what & 0x08) ? MSG_OOB : 0));
	if ((what & 0x20) && recv(fd, bin, bytes, 0) < 0 && errno == EBADF)
		g_assert_not_reached();
	if (what & 0x40)
		shutdown(fd, SHUT_WR);
	if ((what & 0xc0) != 0xc0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(fd);
	w->peers[what % w->n_peers] = w->peers[w->n_peers - 1];
	w->n_peers--;
}

static void
act(World *w, FuzzInput *input)
{
	switch (fuzz_byte(input) & 7) {
	case 0:
		push_raw(w, input);
		break;
	case 1:
		push_repaired(w, input);
		break;
	case 2:
		push_segment(w, input);
		break;
	case 3:
		push_datagrams(w, input);
		break;
	case 4:
		jf_harness_crank(w->h, fuzz_word(input) * 10 * MSEC);
		break;
	case 5:
		host_act(w, input);
		break;
	case 6:
		jf_harness_set_capacity(w->h, 0, fuzz_byte(input) % 8);
		break;
	default:
		take_all(w);
	}
	jf_harness_poll(w->h, 0);
}

static void
fuzz_one(const guint8 *data, gsize len)
{
	static World w;
	FuzzInput input = { data, len };

	memset(&w, 0, G_STRUCT_OFFSET(World, frame));
	world_begin(&w);
	for (guint i = 0; i < ACTS_MAX && input.left; i++)
		act(&w, &input);
	take_all(&w);
	world_end(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int isolated = -1;

	if (isolated < 0)
		isolated = enter_namespace();
	if (isolated)
		fuzz_one(data, len);
	else if (g_test_initialized())
		g_test_skip("no network namespace may be made here");
	return 0;
}
