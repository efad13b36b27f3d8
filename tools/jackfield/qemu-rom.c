/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu-rom.c - an expansion ROM for the very device that is to boot from it.
 *
 * A file of iPXE's drives a whole family of adapters and is labelled with one of them. Firmware runs a
 * ROM only where vendor and device of its PCI data structure are those of the function (PCI Firmware
 * Specification, PCI Expansion ROM). QEMU labels the ROMs of its own adapters anew; a file that it is
 * given by name it takes as it is, so we give it a copy.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qemu.h"

#define ROM_MAX (16u << 20)

/* Header of an image. The byte that makes up the sum is where iPXE has it. */
#define IMAGE_CHECKSUM 6u
#define IMAGE_PCIR 0x18u
#define IMAGE_HEADER 0x1au
#define IMAGE_UNIT 512u

/* PCI data structure. */
#define PCIR_VENDOR 4u
#define PCIR_DEVICE 6u
#define PCIR_LENGTH 0x10u
#define PCIR_CODE 0x14u
#define PCIR_INDICATOR 0x15u
#define PCIR_SIZE 0x18u
#define CODE_BIOS 0u
#define INDICATOR_LAST 0x80u

static guint
get16(const guint8 *p)
{
	return (guint)(p[0] | p[1] << 8);
}

/* The PCI data structure of the image, or NULL. */
static guint8 *
find_pcir(guint8 *image, gsize len)
{
	guint at;

	if (len < IMAGE_HEADER || image[0] != 0x55 || image[1] != 0xaa)
		return NULL;
	at = get16(image + IMAGE_PCIR);
	if (at > len || len - at < PCIR_SIZE || memcmp(image + at, "PCIR", 4) != 0)
		return NULL;
	return image + at;
}

/* The bytes of a BIOS image add up to 0. */
static void
set_device(guint8 *image, guint8 *pcir, guint16 device)
{
	guint8 *field = pcir + PCIR_DEVICE;
	guint8 low = device & 0xff, high = device >> 8;

	if (pcir[PCIR_CODE] == CODE_BIOS)
		image[IMAGE_CHECKSUM] += (guint8)(field[0] + field[1] - low - high);
	field[0] = low;
	field[1] = high;
}

/* Whether anything was changed. */
static gboolean
relabel(guint8 *rom, gsize len, guint16 vendor, guint16 device)
{
	gboolean changed = FALSE, last = FALSE;
	gsize at = 0, size;
	guint8 *pcir;

	while (!last && (pcir = find_pcir(rom + at, len - at))) {
		size = get16(pcir + PCIR_LENGTH) * (gsize)IMAGE_UNIT;
		last = size == 0 || size >= len - at || (pcir[PCIR_INDICATOR] & INDICATOR_LAST);
		if (get16(pcir + PCIR_VENDOR) == vendor && get16(pcir + PCIR_DEVICE) != device) {
			set_device(rom + at, pcir, device);
			changed = TRUE;
		}
		at += size;
	}
	return changed;
}

/* A file without a name. */
static int
make_file(const guint8 *data, gsize len)
{
	int fd = memfd_create("expansion-rom", MFD_CLOEXEC);
	gsize done = 0;
	ssize_t n = 1;

	while (fd >= 0 && done < len && n > 0) {
		n = write(fd, data + done, len - done);
		done += (gsize)MAX(n, 0);
	}
	if (fd >= 0 && done < len) {
		close(fd);
		return -1;
	}
	return fd;
}

int
qemu_rom_open(const char *path, guint16 vendor, guint16 device)
{
	g_autofree char *data = NULL;
	gsize len;

	if (!g_file_get_contents(path, &data, &len, NULL) || len > ROM_MAX ||
	    !relabel((guint8 *)data, len, vendor, device))
		return -1;
	return make_file((const guint8 *)data, len);
}
