/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-hostile.c - clients of the vfio-user connector that break the protocol, share no memory or
 * take it away, and vanish at every point.
 */
#include "vfio-user-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/probe-model.h"

/* ---- Version ---- */

static void
test_no_version(Fixture *f, gconstpointer data)
{
	guint8 hello[4] = { 1, 0, 0, 0 };
	VuClient c;

	(void)data;
	vu_client_close(&f->c);
	vu_client_connect(&c, &f->host, 0);
	g_assert_cmpuint(vu_client_call(&c, VU_VERSION, hello, 3, NULL, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_call(&c, VU_VERSION, hello, 4, NULL, 0), ==, ENOTSUP);
	vu_client_send(&c, VU_GET_INFO, 0, hello, 4, NULL, 0);
	vu_client_expect_gone(&c);
}

/* ---- Registers ---- */

static guint32
access_error(Fixture *f, guint16 command, guint64 offset, guint32 region, guint32 count, gsize data)
{
	g_autofree guint8 *body = g_malloc0(16 + data);

	memcpy(body, &offset, 8);
	memcpy(body + 8, &region, 4);
	memcpy(body + 12, &count, 4);
	return vu_client_call(&f->c, command, body, 16 + data, NULL, 0);
}

static void
test_bad_regions(Fixture *f, gconstpointer data)
{
	guint64 refused;

	(void)data;
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0x1000, 0, 1, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0xffd, 0, 4, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, G_MAXUINT64, 0, 2, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0, 0, 0, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0, 0, G_MAXUINT32, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0, 3, 1, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0, 6, 1, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0, 9, 1, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0, G_MAXUINT32, 1, 0), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_WRITE, 0, 0, 5, 4), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_WRITE, 0, 0, G_MAXUINT32, 4), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_WRITE, 0xffe, 0, 4, 4), ==, EINVAL);
	g_assert_cmpuint(access_error(f, VU_REGION_WRITE, 254, VU_CONFIG, 4, 4), ==, EINVAL);
	refused = vu_host_counter(f->card, "requests-refused");
	g_assert_cmpuint(refused, ==, 13);
	g_assert_cmpuint(access_error(f, VU_REGION_WRITE, 0, 0, 0x1000, 0x1000), ==, 0);
	g_assert_cmpuint(access_error(f, VU_REGION_READ, 0, 4, 0x100000, 0), ==, 0);
}

/* ---- Guest memory ---- */

static void
test_bad_dma(Fixture *f, gconstpointer data)
{
	int two[2] = { f->memfd, f->memfd }, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	guint8 body[32] = { 32 };

	(void)data;
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0, MAP_RW, f->memfd, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1001, MAP_RW, f->memfd, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM + 1, 0x1000, MAP_RW, f->memfd, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, f->memfd, 1), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, 0, f->memfd, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, 4, f->memfd, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, RAM_LEN + 0x1000, MAP_RW, f->memfd, 0), ==,
			 EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, f->memfd, RAM_LEN), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 1ull << 63, MAP_RW, f->memfd, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, f->memfd, ~0xfffull), ==,
			 EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, ~0xfffull, 0x2000, MAP_RW, f->memfd, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, null, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, STDIN_FILENO, 0), !=, 0);
	g_assert_cmpuint(vu_client_call(&f->c, VU_DMA_MAP, body, 31, NULL, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_call(&f->c, VU_DMA_MAP, body, 32, two, 2), ==, EINVAL);
	g_assert_cmpuint(vu_client_call(&f->c, VU_DMA_UNMAP, body, 23, NULL, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, ~0xfffull, 0x1000, MAP_RW, f->memfd, 0), ==, 0);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x4000, MAP_RW, f->memfd, 0), ==, 0);
	g_assert_cmpuint(vu_client_map(&f->c, RAM + 0x3000, 0x2000, MAP_RW, f->memfd, 0), ==,
			 EEXIST);
	g_assert_cmpuint(vu_client_map(&f->c, RAM - 0x1000, 0x10000, MAP_RW, -1, 0), ==, EEXIST);
	close(null);
}

/* Nothing works until another client comes. */
static void
assert_refused(Fixture *f)
{
	guint32 info[4] = { 16 };

	g_assert_cmpuint(vu_client_call(&f->c, VU_GET_INFO, info, 16, NULL, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, f->memfd, 0), ==, EINVAL);
	vu_client_close(&f->c);
	vu_client_open(&f->c, &f->host, 0);
}

/* Nothing of the guest's memory is shared: refused, and the message says what to do. Single pieces
 * that are not are put up with. */
static void
test_unshared(Fixture *f, gconstpointer data)
{
	(void)data;
	g_assert_cmpuint(vu_client_map(&f->c, 0xf0000, 0x10000, 1, -1, 0), ==, 0);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, -1, 0), ==, EINVAL);
	g_assert_nonnull(strstr(f->host.log->str, "share=on"));
	assert_refused(f);
	g_assert_cmpuint(vu_client_map(&f->c, 0xf0000, 0x10000, 1, -1, 0), ==, 0);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, f->memfd, 0), ==, 0);
	g_assert_cmpuint(vu_client_map(&f->c, 0xfd000000, 0x1000000, MAP_RW, -1, 0), ==, 0);
	master(f);
	g_assert_false(dma(f, PROBE_WRITE, 0xfd000000, 8));
	g_assert_false(dma(f, PROBE_READ, 0xf0000, 8));
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(vu_client_unmap(&f->c, 0xfd000000, 0x1000000, 0), ==, 0);
	g_assert_cmpuint(vu_host_counter(f->card, "unshared-memory"), ==, 4);
}

/* A file that the client has mapped for itself alone. */
static void
test_private(Fixture *f, gconstpointer data)
{
	int fd = memfd_create("private", MFD_CLOEXEC);
	gpointer own;

	(void)data;
	g_assert_cmpint(ftruncate(fd, 0x1000), ==, 0);
	own = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, fd, 0), ==, EINVAL);
	g_assert_nonnull(strstr(f->host.log->str, "share=on"));
	munmap(own, 0x1000);
	close(fd);
	assert_refused(f);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x1000, MAP_RW, f->memfd, 0), ==, 0);
}

static void
test_memory_lost(Fixture *f, gconstpointer data)
{
	VuClient c;

	(void)data;
	g_assert_true(jf_guard_shared_memory(NULL));
	g_assert_cmpuint(vu_client_map(&f->c, RAM, RAM_LEN, MAP_RW, f->memfd, 0), ==, 0);
	master(f);
	g_assert_cmpint(ftruncate(f->memfd, 0), ==, 0);
	vu_client_post(&f->c, 0, PROBE_ADDRESS, 8, RAM);
	vu_client_post(&f->c, 0, PROBE_READ, 4, 8);
	vu_client_expect_gone(&f->c);
	g_assert_nonnull(strstr(f->host.log->str, "memory short"));
	g_assert_cmpint(ftruncate(f->memfd, RAM_LEN), ==, 0);
	vu_client_open(&c, &f->host, 0);
	g_assert_cmpuint(vu_client_map(&c, RAM, RAM_LEN, MAP_RW, f->memfd, 0), ==, 0);
	f->c = c;
	master(f);
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
	vu_host_turn(&f->host);
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
}

/* ---- Interrupts ---- */

static void
test_bad_irqs(Fixture *f, gconstpointer data)
{
	int pipes[2], many[20], event = eventfd(0, EFD_CLOEXEC);
	const guint32 body[5] = { 20, SET_EVENTFD, IRQ_MSIX, 0, 1 };
	VuClient *c = &f->c;

	(void)data;
	g_assert_cmpint(pipe2(pipes, O_CLOEXEC), ==, 0);
	for (guint i = 0; i < 20; i++)
		many[i] = event;
	/* Anything that could hold us up is no eventfd. */
	g_assert_cmpuint(vu_client_irqs(c, IRQ_INTX, SET_EVENTFD, 0, 1, pipes + 1, 1), ==, EBADF);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_INTX, SET_EVENTFD, 0, 1, &f->memfd, 1), ==, EBADF);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_INTX, SET_EVENTFD, 0, 2, many, 2), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_INTX, SET_EVENTFD, 1, 1, many, 1), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_MSIX, SET_EVENTFD, 3, 2, many, 2), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_MSIX, SET_EVENTFD, G_MAXUINT32, 2, many, 2), ==,
			 EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_MSIX, SET_EVENTFD, 0, 4, many, 3), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_MSIX, SET_EVENTFD, 0, 1, many, 16), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, 5, SET_EVENTFD, 0, 0, NULL, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, 1, SET_EVENTFD, 0, 1, many, 1), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_MSIX, 0, 0, 1, many, 1), ==, EINVAL);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_MSIX, MASK, 0, 1, NULL, 0), ==, ENOTSUP);
	g_assert_cmpuint(vu_client_irqs(c, IRQ_MSIX, 0x21, 0, 1, NULL, 0), ==, ENOTSUP);
	g_assert_cmpuint(vu_client_call(c, VU_SET_IRQS, body, 19, NULL, 0), ==, EINVAL);
	g_assert_cmphex(reg(f, 0, 4), ==, 0);
	/* More than we said we take. */
	vu_client_send(c, VU_SET_IRQS, 0, body, sizeof body, many, 20);
	vu_client_expect_gone(c);
	close(event);
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- Clients that come and go ---- */

/* A session as QEMU's, cut at every message and within it. Whoever comes next finds a card. */
static void
test_killed(Fixture *f, gconstpointer data)
{
	static const guint16 commands[] = { VU_VERSION,         VU_DMA_MAP,      VU_GET_INFO,
					    VU_GET_REGION_INFO, VU_GET_IRQ_INFO, VU_REGION_READ,
					    VU_SET_IRQS,        VU_REGION_WRITE, VU_RESET,
					    VU_DMA_UNMAP };
	guint8 message[16 + 64] = { 0 };
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)data;
	vu_client_close(&f->c);
	for (guint cut = 0; cut < 2 * G_N_ELEMENTS(commands); cut++) {
		VuClient c;

		vu_client_connect(&c, &f->host, 0);
		for (guint i = 0; i <= cut / 2; i++) {
			gsize len = i == cut / 2 && cut % 2 == 0 ? 20 : sizeof message;
			DmaMap map = { 32, MAP_RW, 0, RAM, RAM_LEN };

			memset(message + 16, 0, sizeof message - 16);
			message[2] = (guint8)commands[i];
			message[4] = sizeof message;
			if (commands[i] == VU_DMA_MAP)
				memcpy(message + 16, &map, sizeof map);
			g_assert_true(vu_client_send_raw(
				&c, message, len, commands[i] == VU_DMA_MAP ? &f->memfd : &fd,
				commands[i] == VU_DMA_MAP || commands[i] == VU_SET_IRQS));
			if (cut % 3 == 0)
				vu_host_turn(&f->host);
		}
		vu_client_close(&c);
		if (cut % 5 != 0)
			vu_host_turn(&f->host);
	}
	vu_client_open(&f->c, &f->host, 0);
	g_assert_cmphex(vu_client_read(&f->c, VU_CONFIG, 0, 2), ==, 0x1af4);
	g_assert_cmpuint(vu_host_counter(f->card, "clients-refused"), ==, 0);
	close(fd);
}

/* ---- Bad messages ---- */

static void
header_breaks(Fixture *f, VuClient *other, guint32 size, guint32 flags)
{
	guint32 header[4] = { VU_REGION_READ << 16, size, flags, 0 };
	VuClient c;

	vu_client_open(&c, &f->host, 0);
	g_assert_true(vu_client_send_raw(&c, header, sizeof header, NULL, 0));
	vu_client_expect_gone(&c);
	g_assert_cmphex(vu_client_read(other, VU_CONFIG, 0, 2), ==, 0x1af4);
}

/* Broken framing ends that connection, and another card does not notice. */
static void
test_framing(Fixture *f, gconstpointer data)
{
	JfCard *second = vu_host_card(&f->host, 1, NULL);
	VuClient other;

	(void)data;
	vu_client_close(&f->c);
	vu_client_open(&other, &f->host, 1);
	header_breaks(f, &other, 0, 0);
	header_breaks(f, &other, 15, 0);
	header_breaks(f, &other, G_MAXUINT32, 0);
	header_breaks(f, &other, 16 + 16 + 1024 * 1024 + 1, 0);
	header_breaks(f, &other, 16, 1); /* a reply to nothing */
	header_breaks(f, &other, 16, 2);
	vu_client_close(&other);
	jf_card_free(second);
}

/* Every command with every short body: an error, and the connection lives. */
static void
test_short(Fixture *f, gconstpointer data)
{
	guint8 zeros[64] = { 0 };

	(void)data;
	for (guint16 command = 0; command < 40; command++) {
		for (gsize len = 0; len < 33; len++) {
			if (command == VU_RESET || command == VU_VERSION)
				continue;
			vu_client_send(&f->c, command, 0, zeros, len, NULL, 0);
			vu_client_wait(&f->c, f->c.id, command, NULL, 0, NULL);
		}
	}
	g_assert_cmpuint(vu_client_call(&f->c, 6, zeros, 64, NULL, 0), ==, ENOTSUP);
	g_assert_cmpuint(vu_client_call(&f->c, 11, zeros, 64, NULL, 0), ==, ENOTSUP);
	g_assert_cmpuint(vu_client_call(&f->c, 14, zeros, 64, NULL, 0), ==, ENOTSUP);
	g_assert_cmpuint(vu_client_call(&f->c, 0xffff, zeros, 64, NULL, 0), ==, ENOTSUP);
	g_assert_cmphex(vu_client_read(&f->c, VU_CONFIG, 0, 2), ==, 0x1af4);
}

/* Bytes in ones and twos, and a largest message. */
static void
test_slow(Fixture *f, gconstpointer data)
{
	g_autofree guint8 *large = g_malloc0(16 + 16 + 1024 * 1024);
	guint8 message[32] = { 1, 0, VU_REGION_READ, 0, 32 };
	guint32 size = 16 + 16 + 1024 * 1024;
	guint32 value;

	(void)data;
	message[16 + 8] = VU_CONFIG;
	message[16 + 12] = 4;
	for (guint i = 0; i < sizeof message; i += 2) {
		g_assert_true(vu_client_send_raw(&f->c, message + i, 2, NULL, 0));
		vu_host_turn(&f->host);
	}
	g_assert_cmpuint(vu_client_wait(&f->c, 1, VU_REGION_READ, message, 20, NULL), ==, 0);
	memcpy(&value, message + 16, 4);
	g_assert_cmphex(value, ==, 0x10f01af4);
	large[2] = VU_REGION_WRITE;
	memcpy(large + 4, &size, 4);
	large[16 + 8] = 4;
	large[16 + 14] = 0x10;
	g_assert_true(vu_client_send_raw(&f->c, large, size, NULL, 0));
	g_assert_cmpuint(vu_client_wait(&f->c, 0, VU_REGION_WRITE, NULL, 0, NULL), ==, 0);
}

/* A client that asks and never reads is dropped before it costs much memory. */
static void
test_deaf(Fixture *f, gconstpointer data)
{
	guint32 message[8] = { VU_REGION_READ << 16, 32, 0, 0, 0, 0, 4, 0x100000 };
	gboolean sent = TRUE;
	guint n = 0;

	(void)data;
	for (; sent && n < 1000; n++) {
		sent = vu_client_send_raw(&f->c, message, sizeof message, NULL, 0);
		vu_host_turn(&f->host);
	}
	g_assert_cmpuint(n, <, 100);
	vu_client_close(&f->c);
	vu_client_open(&f->c, &f->host, 0);
}

int
main(int argc, char **argv)
{
	fixture_main(&argc, &argv);
	ADD("no-version", test_no_version);
	ADD("bad-regions", test_bad_regions);
	ADD("bad-dma", test_bad_dma);
	ADD("unshared", test_unshared);
	ADD("private", test_private);
	ADD("memory-lost", test_memory_lost);
	ADD("bad-irqs", test_bad_irqs);
	ADD("killed", test_killed);
	ADD("framing", test_framing);
	ADD("short", test_short);
	ADD("slow", test_slow);
	ADD("deaf", test_deaf);
	return g_test_run();
}
