/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recovery.c - "nat": segments that are lost, late or repeated, and how soon it is over that. */
#include <errno.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "line.h"

#define FIRST (RAW_ISN + 1)
#define SEGMENT 1000u
#define STEP G_GUINT64_CONSTANT(25000000) /* ns; no two timeouts are in it */

static void
send_part(Line *line, guint32 offset, guint32 bytes, guint8 flags)
{
	raw_send_at(&line->raw, FIRST + offset, flags | RAW_ACK, offset, bytes, 0);
}

static void
assert_block(const Line *line, guint i, guint32 from, guint32 to)
{
	g_assert_cmpuint(i, <, line->raw.n_blocks);
	g_assert_cmpuint(line->raw.blocks[i].from - FIRST, ==, from);
	g_assert_cmpuint(line->raw.blocks[i].to - FIRST, ==, to);
}

/* ---- The guest's ---- */

static void
test_out_of_order(gconstpointer data)
{
	g_auto(Line) line = { 0 };
	guint acks;

	line_begin(&line, NULL);
	line.raw.sack = GPOINTER_TO_INT(data);
	raw_open(&line.raw);
	nat_guest_wait(line.g, line_accept(&line));
	line_turns(&line, 5);
	g_assert_cmpint(line.raw.peer_sack, ==, line.raw.sack);
	acks = line.raw.acks;
	for (guint i = 1; i <= 3; i++)
		send_part(&line, i * SEGMENT, SEGMENT, 0);
	line_turns(&line, 2);
	/* Enough of the same for the guest's fast retransmission. */
	g_assert_cmpuint(line.raw.acks - acks, ==, 3);
	g_assert_cmphex(line.raw.last_ack, ==, FIRST);
	g_assert_cmpuint(line.raw.n_blocks, ==, line.raw.sack ? 1 : 0);
	if (line.raw.sack)
		assert_block(&line, 0, SEGMENT, 4 * SEGMENT);
	send_part(&line, 0, SEGMENT, 0);
	line_turns(&line, 2);
	/* What came before is not asked for again. */
	g_assert_cmphex(line.raw.last_ack, ==, FIRST + 4 * SEGMENT);
	g_assert_cmpuint(line.raw.n_blocks, ==, 0);
	/* Overlapping and repeated. */
	send_part(&line, 3500, SEGMENT, 0);
	send_part(&line, 3200, 700, 0);
	send_part(&line, 4500, 500, 0);
	line_turns(&line, 2);
	g_assert_cmphex(line.raw.last_ack, ==, FIRST + 5 * SEGMENT);
	line_host_receive(&line, 5 * SEGMENT);
}

static void
test_gaps(void)
{
	g_auto(Line) line = { 0 };

	line_begin(&line, NULL);
	line.raw.sack = TRUE;
	raw_open(&line.raw);
	nat_guest_wait(line.g, line_accept(&line));
	/* Every other one, and more than there is memory for. */
	for (guint i = 1; i < 41; i += 2)
		send_part(&line, i * SEGMENT, SEGMENT, 0);
	line_turns(&line, 2);
	g_assert_cmpuint(line.raw.n_blocks, ==, 4);
	assert_block(&line, 0, 39 * SEGMENT, 40 * SEGMENT);
	assert_block(&line, 1, SEGMENT, 2 * SEGMENT);
	send_part(&line, 9500, 2000, 0);
	line_turns(&line, 2);
	assert_block(&line, 0, 9 * SEGMENT, 12 * SEGMENT);
	for (guint i = 40; i > 0; i -= 2)
		send_part(&line, (i - 2) * SEGMENT, SEGMENT, 0);
	line_turns(&line, 2);
	g_assert_cmphex(line.raw.last_ack, ==, FIRST + 40 * SEGMENT);
	line_host_receive(&line, 40 * SEGMENT);
}

static void
test_late_fin(void)
{
	g_auto(Line) line = { 0 };
	char byte;

	line_open(&line, NULL);
	send_part(&line, SEGMENT, SEGMENT, RAW_FIN);
	line_turns(&line, 2);
	g_assert_cmpint(recv(line.fd, &byte, 1, MSG_PEEK), ==, -1);
	send_part(&line, 0, SEGMENT, 0);
	line_turns(&line, 2);
	g_assert_cmphex(line.raw.last_ack, ==, FIRST + 2 * SEGMENT + 1);
	line_host_receive(&line, 2 * SEGMENT);
	nat_guest_wait(line.g, recv(line.fd, &byte, 1, 0) == 0);
}

/* What goes beyond the window that was offered is not kept. */
static void
test_beyond_window(void)
{
	static const char *const properties[] = { "receive-window=8192", NULL };
	g_auto(Line) line = { 0 };

	line_begin(&line, properties);
	line.raw.sack = TRUE;
	raw_open(&line.raw);
	nat_guest_wait(line.g, line_accept(&line));
	send_part(&line, 8000, SEGMENT, 0);
	send_part(&line, 9000, SEGMENT, 0);
	send_part(&line, 1u << 31, SEGMENT, 0);
	line_turns(&line, 2);
	g_assert_cmpuint(line.raw.n_blocks, ==, 1);
	assert_block(&line, 0, 8000, 8192);
	/* A gap that is never filled goes with its connection. */
	raw_send(&line.raw, RAW_RST, 0);
	nat_guest_wait(line.g, line_host_is_reset(&line));
}

/* The host reads nothing meanwhile: what came early waits for room and is not lost. */
static void
test_early_and_no_room(void)
{
	static const char *const properties[] = { "send-buffer=16384", NULL };
	g_auto(Line) line = { 0 };
	guint32 bytes = 0;

	line_open(&line, properties);
	line_turns(&line, 5);
	for (guint32 at = SEGMENT; at + SEGMENT <= line.raw.last_window; at += SEGMENT) {
		send_part(&line, at, SEGMENT, 0);
		bytes = at + SEGMENT;
	}
	g_assert_cmpuint(bytes, >, 2 * SEGMENT);
	send_part(&line, 0, SEGMENT, 0);
	line_host_receive(&line, bytes);
	nat_guest_wait(line.g, line.raw.last_ack == FIRST + bytes);
}

/* Pieces of any size in any order, many of them more than once. */
static void
test_shuffled(void)
{
	const guint32 bytes = 30000;
	g_auto(Line) line = { 0 };

	line_begin(&line, NULL);
	line.raw.sack = TRUE;
	raw_open(&line.raw);
	nat_guest_wait(line.g, line_accept(&line));
	for (guint i = 0; i < 500; i++) {
		guint32 at = (guint32)g_test_rand_int_range(0, (gint32)bytes);
		guint32 len = (guint32)g_test_rand_int_range(0, 1461);

		send_part(&line, at, MIN(len, bytes - at), 0);
	}
	line_turns(&line, 2);
	for (guint32 at = 0; at < bytes; at += SEGMENT)
		send_part(&line, at, SEGMENT, 0);
	line_host_receive(&line, bytes);
	nat_guest_wait(line.g, line.raw.last_ack == FIRST + bytes && line.raw.n_blocks == 0);
}

/* ---- The host's ---- */

static void
send_lossy(Line *line, gsize bytes)
{
	gsize sent = 0;

	line->raw.answers = TRUE;
	nat_guest_wait(line->g, ({
			       sent += line_host_send(line, sent, bytes - sent);
			       line->raw.received == bytes;
		       }));
}

static void
test_loss(gconstpointer data)
{
	g_auto(Line) line = { 0 };

	line_open(&line, NULL);
	line.raw.lose = GPOINTER_TO_UINT(data);
	send_lossy(&line, 3000000);
	g_assert_cmpuint(jf_harness_get_counter(line.g->h, "retransmits", NULL), >, 0);
	shutdown(line.fd, SHUT_WR);
	nat_guest_wait(line.g, line.raw.fin);
	g_assert_cmpuint(line.raw.resets, ==, 0);
}

static void
open_sack(Line *line)
{
	/* Room for what comes behind a gap. */
	static const char *const properties[] = { "receive-buffer=2M", NULL };

	line_begin(line, properties);
	line->raw.sack = TRUE;
	raw_open(&line->raw);
	nat_guest_wait(line->g, line_accept(line));
	line_turns(line, 3);
	g_assert_true(line->raw.peer_sack);
}

/* As send_lossy; time passes only when nothing else helps. */
static void
send_lossy_frozen(Line *line, gsize bytes)
{
	guint64 received = 0;
	gsize sent = 0;
	guint idle = 0;

	line->raw.answers = TRUE;
	line->g->frozen = TRUE;
	nat_guest_wait(line->g, ({
			       sent += line_host_send(line, sent, bytes - sent);
			       idle = line->raw.received == received ? idle + 1 : 0;
			       received = line->raw.received;
			       if (idle % 20 == 19)
				       jf_harness_crank(line->g->h, STEP);
			       received == bytes;
		       }));
}

/* Not much more comes again than was lost. */
static void
test_sack(void)
{
	const gsize bytes = 20000000;
	g_auto(Line) line = { 0 };
	guint64 lost, again;

	open_sack(&line);
	line.raw.lose = 37;
	send_lossy_frozen(&line, bytes);
	lost = line.raw.data_segments / 37;
	again = line.raw.bytes - bytes;
	g_test_message("%u of %u segments lost, %u bytes again", (guint)lost,
		       line.raw.data_segments, (guint)again);
	g_assert_cmpuint(lost, >, 100);
	g_assert_cmpuint(again, <=, lost * 1460 * 3 / 2);
}

/* The same part is lost three times; each time what comes behind it tells. */
static void
test_lost_again(void)
{
	const gsize step = 50000;
	g_auto(Line) line = { 0 };
	gsize sent = 0;

	open_sack(&line);
	line.raw.answers = TRUE;
	line.raw.lose_first = 3;
	line.g->frozen = TRUE;
	for (guint i = 0; i < 10; i++) {
		sent += line_host_send(&line, sent, step);
		line_turns(&line, 10);
	}
	nat_guest_wait(line.g, line.raw.received == sent);
	g_assert_cmpuint(line.raw.lose_first, ==, 0);
	g_assert_cmpuint(line.raw.bytes - sent, ==, 3 * 1460);
}

/* Ranges that cannot be are passed over. */
static void
test_sack_lies(void)
{
	g_auto(Line) line = { 0 };
	guint32 una;

	open_sack(&line);
	line.g->frozen = TRUE;
	line_host_send(&line, 0, 100000);
	nat_guest_wait(line.g, line.raw.highest - (line.raw.irs + 1) >= 60000);
	una = line.raw.rcv_nxt;
	line.raw.n_kept = 3;
	line.raw.kept[0] = (RawRange){ una + 1000, una + 500 };
	line.raw.kept[1] = (RawRange){ una - 5000, una + 5000 };
	line.raw.kept[2] = (RawRange){ una + 1000, una + 50000000 };
	raw_send(&line.raw, RAW_ACK, 0);
	line_turns(&line, 3);
	g_assert_cmpuint(jf_harness_get_counter(line.g->h, "retransmits", NULL), ==, 0);
	/* It had it, but has it no more (RFC 2018 8): a timeout brings all of it. */
	line.raw.n_kept = 1;
	line.raw.kept[0] = (RawRange){ una + 20000, una + 60000 };
	raw_send(&line.raw, RAW_ACK, 0);
	line_turns(&line, 3);
	g_assert_cmpuint(jf_harness_get_counter(line.g->h, "retransmits", NULL), ==, 1);
	line.raw.n_kept = 0;
	line.raw.answers = TRUE;
	line.g->frozen = FALSE;
	line_pass(&line, 2);
	nat_guest_wait(line.g, line.raw.received == 100000);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/nat/recovery/out-of-order", GINT_TO_POINTER(FALSE),
			     test_out_of_order);
	g_test_add_data_func("/nat/recovery/out-of-order-sack", GINT_TO_POINTER(TRUE),
			     test_out_of_order);
	g_test_add_func("/nat/recovery/gaps", test_gaps);
	g_test_add_func("/nat/recovery/late-fin", test_late_fin);
	g_test_add_func("/nat/recovery/beyond-window", test_beyond_window);
	g_test_add_func("/nat/recovery/early-and-no-room", test_early_and_no_room);
	g_test_add_func("/nat/recovery/shuffled", test_shuffled);
	g_test_add_data_func("/nat/recovery/loss-11", GUINT_TO_POINTER(11), test_loss);
	g_test_add_data_func("/nat/recovery/loss-100", GUINT_TO_POINTER(100), test_loss);
	g_test_add_func("/nat/recovery/sack", test_sack);
	g_test_add_func("/nat/recovery/lost-again", test_lost_again);
	g_test_add_func("/nat/recovery/sack-lies", test_sack_lies);
	return g_test_run();
}
