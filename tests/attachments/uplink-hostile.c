/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uplink-hostile.c - a program's card on a network of a daemon's that does everything wrong. */
#include "uplink-fake.h"

#include <string.h>
#include <sys/socket.h>

#include "uplink-wire.h"

static void
expect_trouble(const char *text)
{
	WAIT(strstr(fake.log->str, text));
	g_assert_false(fake.link);
	g_assert_null(strstr(strstr(fake.log->str, text) + 1, text));
	finish();
}

static void
test_bad_reply(void)
{
	JfUplinkReply reply = { .magic = "JFUPLK9" };

	start();
	fake_accept();
	fake_write(&reply, sizeof reply);
	expect_trouble("of another version");

	reply = (JfUplinkReply){ .magic = JF_UPLINK_MAGIC, .refused = 1, .message = "no, never" };
	start();
	fake_accept();
	fake_write(&reply, sizeof reply);
	expect_trouble("no, never");

	memset(reply.message, 0xff, sizeof reply.message);
	start();
	fake_accept();
	fake_write(&reply, sizeof reply);
	expect_trouble("gave no reason");

	start();
	fake_accept();
	fake_write(&reply, 20);
	shutdown(fake.daemon.fd, SHUT_RDWR);
	expect_trouble("closed the connection");
}

static void
check_answers(guint32 request, guint32 flags, guint32 len, guint64 features, guint64 protocol,
	      const char *text)
{
	guint32 header[3] = { request, flags, len };

	start();
	fake_admit();
	fake_write(header, sizeof header);
	fake_write(&features, sizeof features);
	fake_answer(VH_GET_PROTOCOL_FEATURES, protocol);
	expect_trouble(text);
}

static void
test_bad_answer(void)
{
	const guint32 good = VH_VERSION | VH_FLAG_REPLY;

	check_answers(VH_GET_STATUS, good, 8, G_MAXUINT64, G_MAXUINT64, "nobody had asked");
	check_answers(VH_GET_FEATURES, VH_VERSION, 8, G_MAXUINT64, G_MAXUINT64, "nobody had asked");
	check_answers(VH_GET_FEATURES, VH_FLAG_REPLY, 8, G_MAXUINT64, G_MAXUINT64,
		      "nobody had asked");
	check_answers(VH_GET_FEATURES, good, 4, G_MAXUINT64, G_MAXUINT64, "nobody had asked");
	check_answers(VH_GET_FEATURES, good, G_MAXUINT32, G_MAXUINT64, G_MAXUINT64,
		      "nobody had asked");
	check_answers(VH_GET_FEATURES, good, 8, G_MAXUINT64 & ~VIRTIO_F_IN_ORDER, G_MAXUINT64,
		      "lacks a feature");
	check_answers(VH_GET_FEATURES, good, 8, G_MAXUINT64, 0, "does not acknowledge");
}

static void
test_bad_acknowledgement(void)
{
	for (guint64 refused = 1; refused <= 2; refused++) {
		start();
		fake_admit();
		fake_answer(VH_GET_FEATURES, G_MAXUINT64);
		fake_answer(VH_GET_PROTOCOL_FEATURES, G_MAXUINT64);
		fake_learn();
		if (refused == 1)
			fake_answer(VH_SET_VRING_ENABLE, refused);
		else
			shutdown(fake.daemon.fd, SHUT_RDWR);
		expect_trouble("refused the rings");
	}
}

static void
test_bad_message(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	start();
	fake_up();
	fake_write("x", 1);
	expect_trouble("nobody had asked for");

	start();
	fake_accept();
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fake.daemon.listener, sizeof(int));
	g_assert_cmpint(sendmsg(fake.daemon.fd, &header, MSG_NOSIGNAL), ==, 1);
	expect_trouble("sent a descriptor");
}

static void
expect_broken(const char *text)
{
	WAIT(!fake.link);
	g_assert_cmpuint(count("daemon-broken"), ==, 1);
	expect_trouble(text);
}

/* One used buffer that says it is `id`, with `len` bytes and a header of `n` buffers. */
static void
check_used(guint32 id, guint32 len, guint16 n, const char *text)
{
	VirtioNetHdr hdr = { .num_buffers = n };

	start();
	fake_up();
	memcpy(ring_buffer(0, 0), &hdr, sizeof hdr);
	ring_used(0)->ring[0] = (VirtqUsedElem){ id, len };
	vn_store16_release(&ring_used(0)->idx, 1);
	ring_call(0);
	expect_broken(text);
}

static void
test_bad_ring(void)
{
	check_used(1, 100, 1, "out of order");
	check_used(G_MAXUINT32, 100, 1, "out of order");
	check_used(0, 4033, 1, "past its end");
	check_used(0, G_MAXUINT32, 1, "past its end");
	check_used(0, 0, 1, "past its end");
	check_used(0, VIRTIO_NET_HDR_LEN, 1, "without a header");
	check_used(0, 3, 1, "without a header");
	check_used(0, 100, 0, "impossibly many buffers");
	check_used(0, 100, UPLINK_RING + 1, "impossibly many buffers");

	start();
	fake_up();
	vn_store16_release(&ring_used(0)->idx, UPLINK_RING + 1);
	ring_call(0);
	expect_broken("more buffers than there are");

	start();
	fake_up();
	g_assert_cmpuint(send_frames(0, 3, 60), ==, 3);
	vn_store16_release(&ring_used(1)->idx, 4);
	g_assert_cmpuint(send_frames(0, 1, 60), ==, 1);
	WAIT(!fake.link);
	g_assert_cmpuint(count("daemon-lost"), ==, 4);
	expect_broken("frames that were not sent");
}

/* A frame that is none is dropped, and the next one comes. */
static void
test_bad_frame(void)
{
	const VirtioNetHdr bad = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = 77,
				   .gso_size = 0,
				   .csum_start = 65535,
				   .csum_offset = 65535 };
	const VirtioNetHdr plain = { 0 };
	JfCardStats stats = { .struct_size = sizeof stats };

	start();
	fake_up();
	ring_put(&bad, 1, 100, 4032);
	ring_put(&plain, 2, 13, 4032);
	ring_put(&plain, 3, 100, 4032);
	WAIT(fake.frames->len == 1);
	jf_card_get_stats(fake.card, &stats);
	g_assert_cmpuint(stats.rx.drops, ==, 2);
	g_assert_true(fake.link);
	finish();
}

/* Anything in the memory that is the daemon's to write, while frames are sent. */
static void
test_garbage(void)
{
	for (guint seed = 0; seed < 60; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

		start();
		fake_up();
		for (guint i = 0; i < 40 && fake.link; i++) {
			guint index = g_rand_boolean(rand),
			      n = (guint)g_rand_int_range(rand, 1, 20);
			guint16 *idx = &ring_used(index)->idx;

			for (guint k = 0; k < n; k++) {
				VirtqUsedElem *elem = &ring_used(index)->ring[k + i];

				*elem = (VirtqUsedElem){ (k + i) % UPLINK_RING,
							 (guint32)g_rand_int_range(rand, 0, 4100) };
				ring_buffer(0, k + i)[10] = (guint8)g_rand_int_range(rand, 0, 4);
				ring_buffer(0, k + i)[g_rand_int_range(rand, 0, 12)] =
					(guint8)g_rand_int(rand);
			}
			vn_store16_release(idx, *idx + n);
			ring_call(index);
			send_frames(i, n, (guint)g_rand_int_range(rand, 60, 65000));
			turn();
		}
		finish();
	}
}

int
main(int argc, char **argv)
{
	fixture_main(&argc, &argv);
	g_test_add_func("/uplink/bad-reply", test_bad_reply);
	g_test_add_func("/uplink/bad-answer", test_bad_answer);
	g_test_add_func("/uplink/bad-acknowledgement", test_bad_acknowledgement);
	g_test_add_func("/uplink/bad-message", test_bad_message);
	g_test_add_func("/uplink/bad-ring", test_bad_ring);
	g_test_add_func("/uplink/bad-frame", test_bad_frame);
	g_test_add_func("/uplink/garbage", test_garbage);
	return g_test_run();
}
