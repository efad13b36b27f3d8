/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli-rom.c - expansion ROMs that are labelled anew for the card that boots from them. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "qemu.h"

#define VENDOR 0x1af4
#define IMAGE 1024u
#define PCIR 0x40u

typedef struct Fixture {
	char *path;
	guint8 rom[2 * IMAGE]; /* for a BIOS, then for EFI */
} Fixture;

static guint8
add_up(const guint8 *data, gsize len)
{
	guint8 sum = 0;

	while (len > 0)
		sum += data[--len];
	return sum;
}

static void
make_image(guint8 *image, guint8 code, guint8 indicator, guint16 device)
{
	static const guint8 pcir[] = { 'P', 'C', 'I', 'R', VENDOR & 0xff, VENDOR >> 8 };

	memset(image, 0x5a, IMAGE);
	image[0] = 0x55;
	image[1] = 0xaa;
	image[0x18] = PCIR;
	image[0x19] = 0;
	memcpy(image + PCIR, pcir, sizeof pcir);
	image[PCIR + 6] = device & 0xff;
	image[PCIR + 7] = device >> 8;
	image[PCIR + 0x10] = IMAGE / 512;
	image[PCIR + 0x11] = 0;
	image[PCIR + 0x14] = code;
	image[PCIR + 0x15] = indicator;
	image[6] = 0;
	image[6] = (guint8)-add_up(image, IMAGE);
}

static void
fixture_init(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	close(g_file_open_tmp("jf-rom-XXXXXX", &fixture->path, &error));
	g_assert_no_error(error);
	make_image(fixture->rom, 0, 0, 0x1041);
	make_image(fixture->rom + IMAGE, 3, 0x80, 0x1041);
}

static void
fixture_finish(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_unlink(fixture->path);
	g_free(fixture->path);
}

static int
open_rom(Fixture *fixture, gsize len, guint16 device)
{
	g_assert_true(
		g_file_set_contents(fixture->path, (const char *)fixture->rom, (gssize)len, NULL));
	return qemu_rom_open(fixture->path, VENDOR, device);
}

/* Both images are for the new device, the sum holds, and nothing else has changed. */
static void
test_relabel(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = open_rom(fixture, sizeof fixture->rom, 0x1000);
	guint8 got[sizeof fixture->rom];

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(pread(fd, got, sizeof got, 0), ==, sizeof got);
	close(fd);
	g_assert_cmpuint(add_up(got, IMAGE), ==, 0);
	got[6] = fixture->rom[6];
	for (guint image = 0; image < 2; image++) {
		guint8 *field = got + image * IMAGE + PCIR + 6;

		g_assert_cmpuint(field[0] | field[1] << 8, ==, 0x1000);
		field[0] = 0x41;
	}
	g_assert_cmpmem(got, sizeof got, fixture->rom, sizeof fixture->rom);
}

/* A file that fits, one of another vendor's, and what is no ROM are left alone. */
static void
test_leave(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmpint(open_rom(fixture, sizeof fixture->rom, 0x1041), ==, -1);
	g_assert_cmpint(qemu_rom_open(fixture->path, 0x8086, 0x1000), ==, -1);
	g_assert_cmpint(qemu_rom_open("/nonexistent", VENDOR, 0x1000), ==, -1);
	for (gsize len = 0; len < PCIR + 0x18; len++)
		g_assert_cmpint(open_rom(fixture, len, 0x1000), ==, -1);
	fixture->rom[0x19] = 0xff;
	g_assert_cmpint(open_rom(fixture, sizeof fixture->rom, 0x1000), ==, -1);
}

/* What an image says of its length leads nowhere else. */
static void
test_lengths(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 lengths[] = { 0, 3, 4, 5, 0xff };

	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
		int fd;

		fixture->rom[PCIR + 0x10] = lengths[i];
		fd = open_rom(fixture, sizeof fixture->rom, 0x1000);
		g_assert_cmpint(fd, >=, 0);
		close(fd);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/cli/rom/relabel", Fixture, NULL, fixture_init, test_relabel, fixture_finish);
	g_test_add("/cli/rom/leave", Fixture, NULL, fixture_init, test_leave, fixture_finish);
	g_test_add("/cli/rom/lengths", Fixture, NULL, fixture_init, test_lengths, fixture_finish);
	return g_test_run();
}
