/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink.c - a program's card on a network of a daemon's: what the daemon is told, frames both ways,
 * waiting, a daemon that comes and goes.
 */
#include "uplink-fake.h"

#include <string.h>
#include <unistd.h>

static void
test_send(void)
{
	guint8 bytes[64] = { 2 };
	struct iovec pieces[2] = { { bytes, 20 }, { bytes + 20, 44 } };
	JfFrame frame = { .iov = pieces,
			  .n_iov = 2,
			  .len = 64,
			  .flags = JF_FRAME_NEEDS_CSUM,
			  .gso_type = JF_GSO_TCPV4,
			  .gso_size = 10,
			  .hdr_len = 54,
			  .csum_start = 34,
			  .csum_offset = 16 };
	VirtioNetHdr hdr;
	guint64 kicks;

	start();
	fake_up();
	for (guint i = 6; i < sizeof bytes; i++)
		bytes[i] = (guint8)(2 * i);
	g_assert_cmpuint(fake.near->host->output(fake.near, 0, &frame, 1), ==, 1);
	g_assert_cmpuint(ring_waiting(1), ==, 1);
	g_assert_cmpint(read(fake.rings[1].kick, &kicks, sizeof kicks), ==, sizeof kicks);
	g_assert_cmpuint(ring_desc(1, 0)->len, ==, VIRTIO_NET_HDR_LEN + 64);
	memcpy(&hdr, ring_buffer(1, 0), sizeof hdr);
	g_assert_cmpuint(hdr.flags, ==, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	g_assert_cmpuint(hdr.gso_type, ==, JF_GSO_TCPV4);
	g_assert_cmpuint(hdr.gso_size, ==, 10);
	g_assert_cmpuint(hdr.csum_start, ==, 34);
	g_assert_cmpuint(hdr.csum_offset, ==, 16);
	g_assert_cmpmem(ring_buffer(1, 0) + VIRTIO_NET_HDR_LEN, 64, bytes, 64);
	/* Nobody asks to be kicked again: avail_event is behind. */
	g_assert_cmpuint(send_frames(0, 10, 60), ==, 10);
	g_assert_cmpint(read(fake.rings[1].kick, &kicks, sizeof kicks), ==, -1);
	g_assert_cmpuint(ring_waiting(1), ==, 11);
	finish();
}

static void
test_receive(void)
{
	const VirtioNetHdr plain = { 0 };
	const VirtioNetHdr gso = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = JF_GSO_TCPV6,
				   .hdr_len = 74,
				   .gso_size = 1000,
				   .csum_start = 54,
				   .csum_offset = 16 };
	guint n = 0;

	start();
	fake_up();
	g_assert_cmpuint(ring_waiting(0), ==, UPLINK_RING);
	/* Several times around the ring, in every number of buffers. */
	for (guint round = 0; round < 200; round++) {
		guint len = 60 + round * 300 % 60000, each = round % 3 ? 4032 : 2000;
		gconstpointer data;
		gsize size;

		ring_put(round % 2 ? &gso : &plain, (guint8)round, len, each);
		n++;
		WAIT(fake.frames->len == n);
		data = g_bytes_get_data(g_ptr_array_index(fake.frames, n - 1), &size);
		g_assert_cmpuint(size, ==, len);
		for (guint i = 7; i < len; i++)
			g_assert_cmpuint(((const guint8 *)data)[i], ==, (guint8)(round + i * 7));
		if (round % 2) {
			g_assert_cmpuint(fake.last.gso_type, ==, JF_GSO_TCPV6);
			g_assert_cmpuint(fake.last.gso_size, ==, 1000);
			g_assert_cmpuint(fake.last.csum_start, ==, 54);
			g_assert_cmpuint(fake.last.flags, ==, JF_FRAME_NEEDS_CSUM);
		}
		g_assert_cmpuint(ring_waiting(0), ==, UPLINK_RING);
	}
	finish();
}

/* The ring is full: the sender is told to wait, and then to go on. */
static void
check_waits(guint len, guint least)
{
	guint taken, more, sent = 0, seen = 0;

	start();
	fake_up();
	for (guint round = 0; round < 20; round++) {
		taken = send_frames(sent, 1000, len);
		g_assert_cmpuint(taken, <, 1000);
		if (round == 0)
			g_assert_cmpuint(taken, >=, least);
		sent += taken;
		more = ring_waiting(1);
		g_assert_cmpuint(more, >, 1);
		more = 1 + (more - 1) * (round % 3 + 1) / 3;
		for (guint i = 0; i < more; i++, seen++)
			g_assert_cmpuint(ring_buffer(1, fake.rings[1].done +
								i)[VIRTIO_NET_HDR_LEN + len - 1],
					 ==, (guint8)seen);
		fake.resumes = 0;
		ring_use(1, NULL, more);
		WAIT(fake.resumes > 0);
	}
	g_assert_cmpuint(sent - seen, ==, ring_waiting(1));
	g_assert_cmpuint(count("daemon-away"), ==, 0);
	finish();
}

static void
test_send_waits(void)
{
	check_waits(60, UPLINK_RING);
	check_waits(9000, 100);
	check_waits(65549, 15);
}

/* What the card refuses stays in the ring. */
static void
test_receive_waits(void)
{
	const VirtioNetHdr plain = { 0 };

	start();
	fake_up();
	fake.room = 3;
	for (guint i = 0; i < 8; i++)
		ring_put(&plain, (guint8)i, 100, 4032);
	WAIT(fake.frames->len == 3);
	for (guint i = 0; i < 5; i++)
		turn();
	g_assert_cmpuint(fake.frames->len, ==, 3);
	g_assert_cmpuint(ring_waiting(0), ==, UPLINK_RING - 5);
	fake.room = -1;
	fake.near->host->resume(fake.near, 0);
	WAIT(fake.frames->len == 8);
	for (guint i = 0; i < 8; i++)
		g_assert_cmpuint(((const guint8 *)g_bytes_get_data(
					 g_ptr_array_index(fake.frames, i), NULL))[7],
				 ==, (guint8)(i + 49));
	finish();
}

/* It goes with frames under way, and comes back: they are counted, and nothing old is sent. */
static void
test_comes_back(void)
{
	start();
	g_assert_cmpuint(send_frames(0, 7, 60), ==, 7);
	fake_up();
	g_assert_cmpuint(ring_waiting(1), ==, 0);
	g_assert_cmpuint(send_frames(0, 300, 60), ==, UPLINK_RING);
	ring_use(1, NULL, 6);
	fake.resumes = 0;
	fake_hang_up();
	WAIT(!fake.link);
	/* Who waited goes on, at nobody's expense. */
	WAIT(fake.resumes > 0);
	g_assert_cmpuint(send_frames(0, 9, 60), ==, 9);
	fake_up();
	g_assert_cmpuint(ring_waiting(1), ==, 0);
	g_assert_cmpuint(ring_waiting(0), ==, UPLINK_RING);
	g_assert_cmpuint(count("daemon-connects"), ==, 2);
	g_assert_cmpuint(count("daemon-broken"), ==, 0);
	g_assert_cmpuint(count("daemon-lost"), ==, UPLINK_RING - 6);
	finish();
}

/* ---- The functions ---- */

static void
test_use_daemon(void)
{
	g_autofree char *long_name = g_strnfill(100, 'x');
	g_autofree char *path = g_strconcat("/", long_name, NULL);
	JfContext *context = jf_context_new(NULL, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_false(jf_context_use_daemon(context, path, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_false(jf_context_use_daemon(context, "relative", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_true(jf_context_use_daemon(context, "/nowhere", &error));
	g_assert_false(jf_context_use_daemon(context, "/nowhere", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	jf_context_free(context);
}

/* No daemon: the card is there, with its link down, says why once, and is gone at once when told. */
static void
test_absent(void)
{
	start();
	close(fake.daemon.listener);
	fake.daemon.listener = -1;
	WAIT(strstr(fake.log->str, "Connection refused") ||
	     strstr(fake.log->str, "closed the connection"));
	g_assert_cmpuint(send_frames(0, 5, 60), ==, 5);
	finish();
}

int
main(int argc, char **argv)
{
	fixture_main(&argc, &argv);
	g_test_add_func("/uplink/send", test_send);
	g_test_add_func("/uplink/receive", test_receive);
	g_test_add_func("/uplink/send-waits", test_send_waits);
	g_test_add_func("/uplink/receive-waits", test_receive_waits);
	g_test_add_func("/uplink/comes-back", test_comes_back);
	g_test_add_func("/uplink/use-daemon", test_use_daemon);
	g_test_add_func("/uplink/absent", test_absent);
	return g_test_run();
}
