/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfio-user.c - the vfio-user connector against a client played by the test: all in good order. */
#include "vfio-user-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../unit/probe-model.h"

/* ---- Version ---- */

static void
test_version(Fixture *f, gconstpointer data)
{
	guint8 hello[200] = { 0 }, reply[200];
	VuClient c;
	gsize got;

	(void)data;
	g_assert_cmpuint(vu_client_call(&f->c, VU_VERSION, hello, sizeof hello, NULL, 0), ==,
			 EALREADY);
	vu_client_close(&f->c);
	/* The reply fits where the request was: QEMU has no more room. */
	for (gsize len = 4; len < sizeof hello; len += 7) {
		vu_client_connect(&c, &f->host, 0);
		vu_client_send(&c, VU_VERSION, 0, hello, len, NULL, 0);
		g_assert_cmpuint(vu_client_wait(&c, 1, VU_VERSION, reply, sizeof reply, &got), ==,
				 0);
		g_assert_cmpuint(got, <=, len);
		g_assert_true(got == 4 || reply[got - 1] == 0);
		g_assert_cmphex(reply[0] | reply[1] | reply[2] | reply[3], ==, 0);
		vu_client_close(&c);
	}
	g_assert_cmpuint(got, >, 60);
	g_assert_nonnull(strstr((char *)reply + 4, "\"max_data_xfer_size\":1048576"));
	g_assert_nonnull(strstr((char *)reply + 4, "\"write_multiple\":true"));
}

/* ---- What there is ---- */

static void
test_info(Fixture *f, gconstpointer data)
{
	static const guint64 sizes[9] = { 0x1000, 32, 0x1000, 0, 0x100000, 0, 0, 256, 0 };
	static const guint32 irqs[5][2] = { { 7, 1 }, { 8, 0 }, { 9, 4 }, { 9, 1 }, { 9, 1 } };
	guint32 info[8] = { 16 };

	(void)data;
	vu_client_send(&f->c, VU_GET_INFO, 0, info, 16, NULL, 0);
	g_assert_cmpuint(vu_client_wait(&f->c, f->c.id, VU_GET_INFO, info, 16, NULL), ==, 0);
	g_assert_cmpuint(info[1], ==, 3);
	g_assert_cmpuint(info[2], ==, 9);
	g_assert_cmpuint(info[3], ==, 5);
	for (guint i = 0; i < 9; i++) {
		guint32 region[8] = { 32, 0, i };
		guint64 size;

		vu_client_send(&f->c, VU_GET_REGION_INFO, 0, region, 32, NULL, 0);
		g_assert_cmpuint(vu_client_wait(&f->c, f->c.id, VU_GET_REGION_INFO, region, 32,
						NULL),
				 ==, 0);
		memcpy(&size, region + 4, 8);
		g_assert_cmpuint(size, ==, sizes[i]);
		g_assert_cmphex(region[1], ==, size ? 3 : 0);
		g_assert_cmpuint(region[0], ==, 32);
	}
	for (guint i = 0; i < 5; i++) {
		guint32 irq[4] = { 16, 0, i };

		vu_client_send(&f->c, VU_GET_IRQ_INFO, 0, irq, 16, NULL, 0);
		g_assert_cmpuint(vu_client_wait(&f->c, f->c.id, VU_GET_IRQ_INFO, irq, 16, NULL), ==,
				 0);
		g_assert_cmphex(irq[1], ==, irqs[i][0]);
		g_assert_cmpuint(irq[3], ==, irqs[i][1]);
	}
}

static void
test_rom(void)
{
	g_autofree guint8 *image = g_malloc0(3000);
	g_autofree char *name = NULL, *property = NULL;
	g_autoptr(GError) error = NULL;
	Fixture f = { 0 };
	guint32 region[8] = { 32, 0, 6 };
	int fd = g_file_open_tmp("rom-XXXXXX", &name, &error);

	g_assert_no_error(error);
	memcpy(image, "\x55\xaa\x06", 3);
	image[2999] = 0x42;
	g_assert_cmpint(write(fd, image, 3000), ==, 3000);
	close(fd);
	property = g_strconcat("rom=", name, NULL);
	fixture_init(&f, property);
	vu_client_send(&f.c, VU_GET_REGION_INFO, 0, region, 32, NULL, 0);
	g_assert_cmpuint(vu_client_wait(&f.c, f.c.id, VU_GET_REGION_INFO, region, 32, NULL), ==, 0);
	g_assert_cmphex(region[1], ==, 1);
	g_assert_cmpuint(region[4], ==, 4096);
	g_assert_cmphex(vu_client_read(&f.c, 6, 0, 2), ==, 0xaa55);
	g_assert_cmphex(vu_client_read(&f.c, 6, 2999, 2), ==, 0xff42);
	g_assert_cmpuint(vu_client_write(&f.c, 6, 0, 4, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_write(&f.c, VU_CONFIG, 0x30, 4, 0xfffff800), ==, 0);
	g_assert_cmphex(vu_client_read(&f.c, VU_CONFIG, 0x30, 4), ==, 0xfffff000);
	g_unlink(name);
	fixture_finish(&f, NULL);
}

static void
rom_refused(VuHost *host, const char *rom, int code)
{
	g_autofree char *property = g_strconcat("rom=", rom, NULL);
	const char *properties[] = { "path=/tmp/never.sock", property, NULL };
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "web",
				.connector = "vfio-user",
				.connector_properties = properties,
				.model = "probe",
				.worker = host->worker };

	g_assert_null(jf_card_new(host->context, &config, &error));
	g_assert_error(error, JF_ERROR, code);
	g_assert_nonnull(strstr(error->message, rom));
}

static void
test_bad_rom(void)
{
	VuHost host;

	vu_host_init(&host, plugin);
	rom_refused(&host, "/nonexistent/rom", JF_ERROR_NOT_FOUND);
	rom_refused(&host, plugin, JF_ERROR_VALUE);
	vu_host_finish(&host);
}

/* ---- Registers ---- */

static void
test_regions(Fixture *f, gconstpointer data)
{
	struct {
		guint64 offset;
		guint32 region, count;
		guint8 bytes[256];
	} all = { 0, VU_CONFIG, 256, { 0 } };

	(void)data;
	vu_client_send(&f->c, VU_REGION_READ, 0, &all, 16, NULL, 0);
	g_assert_cmpuint(vu_client_wait(&f->c, f->c.id, VU_REGION_READ, &all, sizeof all, NULL), ==,
			 0);
	g_assert_cmphex(all.bytes[0] | all.bytes[1] << 8, ==, 0x1af4);
	g_assert_cmphex(all.bytes[0x34], ==, PROBE_CAP);
	reg_set(f, 4, 0x11223344);
	g_assert_cmphex(reg(f, 4, 4), ==, 0x11223344);
	g_assert_cmphex(reg(f, 6, 2), ==, 0x1122);
	g_assert_cmphex(reg(f, 7, 1), ==, 0x11);
	g_assert_cmphex(vu_client_read(&f->c, 1, 4, 4), ==, 0x11223344);
	/* Posted: the next answer is the next question's. */
	vu_client_post(&f->c, 0, 0, 4, 1);
	vu_client_post(&f->c, 0, 0xfff, 4, 1); /* out of bounds, and nobody is told */
	vu_client_post(&f->c, 0, 4, 8, 0x99aabbccddeeff00);
	g_assert_cmphex(reg(f, 0, 8), ==, 0xddeeff0000000001);
	g_assert_cmphex(reg(f, 8, 4), ==, 0x99aabbcc);
}

static void
test_write_multi(Fixture *f, gconstpointer data)
{
	struct {
		guint64 count;
		struct {
			guint64 offset;
			guint32 region, count;
			guint64 value;
		} one[201];
	} multi = { 200, { { 0 } } };

	(void)data;
	for (guint i = 0; i < 201; i++) {
		multi.one[i].count = 1;
		multi.one[i].offset = i;
		multi.one[i].value = i;
	}
	g_assert_cmpuint(vu_client_call(&f->c, VU_WRITE_MULTI, &multi, 8 + 24 * 200, NULL, 0), ==,
			 0);
	g_assert_cmphex(reg(f, 196, 4), ==, 0xc7c6c5c4);
	vu_client_send(&f->c, VU_WRITE_MULTI, VU_NO_REPLY, &multi, 8 + 24 * 200, NULL, 0);
	g_assert_cmpuint(vu_client_call(&f->c, VU_WRITE_MULTI, &multi, 8 + 24 * 199, NULL, 0), ==,
			 EINVAL);
	multi.count = 201;
	g_assert_cmpuint(vu_client_call(&f->c, VU_WRITE_MULTI, &multi, sizeof multi, NULL, 0), ==,
			 EINVAL);
	multi.count = G_MAXUINT64 / 24 + 1;
	g_assert_cmpuint(vu_client_call(&f->c, VU_WRITE_MULTI, &multi, sizeof multi, NULL, 0), ==,
			 EINVAL);
	multi.count = 2;
	multi.one[1].count = 9;
	g_assert_cmpuint(vu_client_call(&f->c, VU_WRITE_MULTI, &multi, sizeof multi, NULL, 0), ==,
			 EINVAL);
	g_assert_cmpuint(vu_client_call(&f->c, VU_WRITE_MULTI, &multi, 7, NULL, 0), ==, EINVAL);
}

/* ---- Guest memory ---- */

static void
test_dma(Fixture *f, gconstpointer data)
{
	(void)data;
	master(f);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x8000, MAP_RW, f->memfd, 0x1000), ==, 0);
	g_assert_cmpuint(vu_client_map(&f->c, RAM + 0x8000, 0x1000, 1, f->memfd, 0), ==, 0);
	f->ram[0x1000 + 5] = 42;
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
	g_assert_true(dma(f, PROBE_WRITE, RAM + 0x7ff8, 8));
	g_assert_cmpuint(f->ram[0x8ffd], ==, 42);
	g_assert_false(dma(f, PROBE_WRITE, RAM + 0x8000, 8));
	g_assert_true(dma(f, PROBE_READ, RAM + 0x8000, 8));
	/* Exactly, by a wider range, and never a part. */
	g_assert_cmpuint(vu_client_unmap(&f->c, RAM, 0x1000, 0), ==, EINVAL);
	g_assert_cmpuint(vu_client_unmap(&f->c, RAM + 0x1000, 0x7000, 0), ==, EINVAL);
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(vu_client_unmap(&f->c, RAM, 0x8000, 0), ==, 0);
	g_assert_false(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(vu_client_unmap(&f->c, RAM, 0x100000, 0), ==, 0);
	g_assert_false(dma(f, PROBE_READ, RAM + 0x8000, 8));
	g_assert_cmpuint(vu_client_unmap(&f->c, RAM, 0x100000, 0), ==, 0);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, 0x8000, MAP_RW, f->memfd, 0), ==, 0);
	g_assert_cmpuint(vu_client_unmap(&f->c, 0, 0, 2), ==, 0); /* all */
	g_assert_false(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(vu_client_unmap(&f->c, 0, 0, 1), ==, ENOTSUP);
}

/* QEMU sends a storm of maps and unmaps and waits for the last reply only. Descriptors come with the
 * right one, however many other messages lie in between and however the socket cuts them. */
static void
test_pipelined(Fixture *f, gconstpointer data)
{
	guint16 first = (guint16)(f->c.id + 1), id = first;

	(void)data;
	for (guint i = 0; i < 16; i++) {
		DmaMap map = { sizeof map, MAP_RW, 0x1000 * i, 0x1000 * i, 0x1000 };

		f->ram[0x1000 * i] = (guint8)(i + 1);
		vu_client_send(&f->c, VU_DMA_MAP, 0, &map, sizeof map, &f->memfd, 1);
		for (guint k = 0; k < 1000 + i; k++)
			vu_client_post(&f->c, 0, 0, 1 + k % 3, k);
		vu_client_post(&f->c, 0, 0, 4, i);
	}
	for (guint i = 0; i < 16; i++, id = (guint16)(id + 1002 + i - 1))
		g_assert_cmpuint(vu_client_wait(&f->c, id, VU_DMA_MAP, NULL, 0, NULL), ==, 0);
	g_assert_cmphex(reg(f, 0, 4), ==, 15);
	master(f);
	for (guint i = 0; i < 16; i++) {
		g_assert_true(dma(f, PROBE_READ, 0x1000 * i, 4));
		g_assert_cmpuint(reg(f, PROBE_BUFFER, 1), ==, i + 1);
	}
}

/* ---- Interrupts ---- */

static gboolean
signalled(int fd)
{
	guint64 count;

	return read(fd, &count, sizeof count) == sizeof count;
}

/* As a level that does not fall is, some time after UNMASK. */
static gboolean
signalled_late(Fixture *f, int fd)
{
	gint64 end = g_get_monotonic_time() + VU_TIMEOUT_US;

	while (g_get_monotonic_time() < end) {
		vu_host_turn(&f->host);
		if (signalled(fd))
			return TRUE;
	}
	return FALSE;
}

/* UNMASK while the level stays, which said again is no reason to hurry. On a machine so slow that the
 * time is over before we look, once more. */
static void
unmask_held(Fixture *f, int fd)
{
	gboolean early;
	gint64 start;

	do {
		start = g_get_monotonic_time();
		g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, UNMASK, 0, 1, NULL, 0), ==, 0);
		reg_set(f, PROBE_IRQ, 1);
		early = signalled(fd);
	} while (g_get_monotonic_time() - start >= 300 && (early || signalled_late(f, fd)));
	g_assert_false(early);
}

/* UNMASK at the handler's first access: what it clears soon after does not interrupt it again. */
static void
test_intx_hold(Fixture *f, gconstpointer data)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)data;
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, SET_EVENTFD, 0, 1, &fd, 1), ==, 0);
	reg_set(f, PROBE_IRQ, 1);
	g_assert_true(signalled(fd));
	unmask_held(f, fd);
	reg_set(f, PROBE_IRQ, 0);
	while (signalled(fd))
		; /* of a slow machine */
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, UNMASK, 0, 1, NULL, 0), ==, 0);
	for (guint i = 0; i < 5; i++) {
		g_usleep(200);
		vu_host_turn(&f->host);
		g_assert_false(signalled(fd));
	}
	/* A new one is, before and after UNMASK. */
	reg_set(f, PROBE_IRQ, 1);
	g_assert_true(signalled(fd));
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, UNMASK, 0, 1, NULL, 0), ==, 0);
	reg_set(f, PROBE_IRQ, 0);
	reg_set(f, PROBE_IRQ, 1);
	g_assert_true(signalled(fd));
	reg_set(f, PROBE_IRQ, 0);
	reg_set(f, PROBE_IRQ, 1);
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, UNMASK, 0, 1, NULL, 0), ==, 0);
	g_assert_true(signalled(fd));
	/* And one that stays, in the end. */
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, UNMASK, 0, 1, NULL, 0), ==, 0);
	g_assert_true(signalled_late(f, fd));
	close(fd);
}

static void
test_intx(Fixture *f, gconstpointer data)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)data;
	reg_set(f, PROBE_IRQ, 1); /* before there is an eventfd */
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, SET_EVENTFD, 0, 1, &fd, 1), ==, 0);
	g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	g_assert_true(signalled(fd));
	reg_set(f, PROBE_IRQ, 0);
	reg_set(f, PROBE_IRQ, 1);
	g_assert_false(signalled(fd)); /* masked itself */
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, UNMASK, 0, 1, NULL, 0), ==, 0);
	g_assert_true(signalled_late(f, fd)); /* still high */
	reg_set(f, PROBE_IRQ, 0);
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, UNMASK, 0, 1, NULL, 0), ==, 0);
	g_assert_false(signalled(fd));
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, MASK, 0, 1, NULL, 0), ==, 0);
	reg_set(f, PROBE_IRQ, 1);
	g_assert_false(signalled(fd));
	/* Switched off and on again, as QEMU does around a reset. */
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, SET_OFF, 0, 0, NULL, 0), ==, 0);
	g_assert_false(signalled(fd));
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, SET_EVENTFD, 0, 1, &fd, 1), ==, 0);
	g_assert_true(signalled(fd));
	/* A level of the last client's is not the next one's. */
	vu_client_close(&f->c);
	vu_client_open(&f->c, &f->host, 0);
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, SET_EVENTFD, 0, 1, &fd, 1), ==, 0);
	g_assert_false(signalled(fd));
	close(fd);
}

static void
test_msix(Fixture *f, gconstpointer data)
{
	int fds[5];

	(void)data;
	for (guint i = 0; i < 5; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_INTX, SET_OFF, 0, 0, NULL, 0), ==, 0);
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_MSIX, SET_EVENTFD, 0, 4, fds, 4), ==, 0);
	reg_set(f, PROBE_MSIX, 1);
	g_assert_false(signalled(fds[1])); /* not enabled */
	g_assert_cmpuint(vu_client_write(&f->c, VU_CONFIG, 0x52, 2, 0x8000), ==, 0);
	for (guint i = 0; i < 4; i++)
		reg_set(f, PROBE_MSIX, i);
	for (guint i = 0; i < 4; i++)
		g_assert_true(signalled(fds[i]));
	/* One taken away: no descriptor stands for -1. */
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_MSIX, SET_EVENTFD, 2, 1, NULL, 0), ==, 0);
	reg_set(f, PROBE_MSIX, 2);
	g_assert_false(signalled(fds[2]));
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_MSIX, SET_EVENTFD, 2, 1, fds + 4, 1), ==, 0);
	reg_set(f, PROBE_MSIX, 2);
	g_assert_true(signalled(fds[4]));
	g_assert_cmpuint(vu_client_irqs(&f->c, IRQ_MSIX, SET_OFF, 0, 0, NULL, 0), ==, 0);
	reg_set(f, PROBE_MSIX, 1);
	g_assert_false(signalled(fds[1]));
	for (guint i = 0; i < 5; i++)
		close(fds[i]);
}

static void
test_reset(Fixture *f, gconstpointer data)
{
	guint resets = probe_model->resets;

	(void)data;
	reg_set(f, 0, 1);
	g_assert_cmpuint(vu_client_call(&f->c, VU_RESET, NULL, 0, NULL, 0), ==, 0);
	g_assert_cmpuint(probe_model->resets, ==, resets + 1);
	g_assert_cmphex(reg(f, 0, 4), ==, 0);
}

/* ---- Clients that come and go ---- */

static void
test_one_at_a_time(Fixture *f, gconstpointer data)
{
	VuClient second;

	(void)data;
	vu_client_connect(&second, &f->host, 0);
	vu_client_expect_gone(&second);
	g_assert_cmpuint(vu_host_counter(f->card, "clients-refused"), ==, 1);
	reg_set(f, 0, 7);
	master(f);
	g_assert_cmpuint(vu_client_map(&f->c, RAM, RAM_LEN, MAP_RW, f->memfd, 0), ==, 0);
	/* A VMM that was restarted: its end comes with the next one's beginning, and unread bytes. */
	vu_client_post(&f->c, 0, 0, 4, 9);
	vu_client_close(&f->c);
	vu_client_open(&f->c, &f->host, 0);
	g_assert_cmphex(reg(f, 0, 4), ==, 0);
	g_assert_cmphex(vu_client_read(&f->c, VU_CONFIG, 4, 2), ==, 0);
	master(f);
	g_assert_false(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(vu_host_counter(f->card, "clients"), ==, 2);
	jf_card_stop(f->card);
	vu_client_expect_gone(&f->c);
	g_assert_true(jf_card_start(f->card, NULL));
	vu_client_open(&f->c, &f->host, 0);
}

int
main(int argc, char **argv)
{
	fixture_main(&argc, &argv);
	ADD("version", test_version);
	ADD("info", test_info);
	g_test_add_func("/vfio-user/rom", test_rom);
	g_test_add_func("/vfio-user/bad-rom", test_bad_rom);
	ADD("regions", test_regions);
	ADD("write-multi", test_write_multi);
	ADD("dma", test_dma);
	ADD("pipelined", test_pipelined);
	ADD("intx", test_intx);
	ADD("intx-hold", test_intx_hold);
	ADD("msix", test_msix);
	ADD("reset", test_reset);
	ADD("one-at-a-time", test_one_at_a_time);
	return g_test_run();
}
