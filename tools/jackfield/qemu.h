/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu.h - what a QEMU can do, and what the user's command line makes of its memory. */
#ifndef JACKFIELD_QEMU_H
#define JACKFIELD_QEMU_H

#include <glib.h>

typedef struct Qemu {
	char *devices; /* what "-device help" says; NULL: it could not be asked */
	char **dirs;   /* where it looks for firmware; NULL: not known */
	guint version; /* 7.2 is 702; 0: not known */
} Qemu;

/* Asks the program. */
void qemu_init(Qemu *qemu, const char *program);
void qemu_finish(Qemu *qemu);
/* TRUE also where it could not be asked. */
gboolean qemu_has_device(const Qemu *qemu, const char *device);
/* The path of a file of its firmware directories; NULL: it has none. The caller's. */
char *qemu_find_firmware(const Qemu *qemu, const char *file);
/* "QEMU 7.2", or "this QEMU"; the caller's. */
char *qemu_get_name(const Qemu *qemu);

/* The device of QEMU that is the same chip; NULL: it has none. */
const char *qemu_find_device(const char *nic_type);

/* The expansion ROM that QEMU gives such a card, and what its headers must say. */
typedef struct QemuRom {
	const char *file;
	guint16 vendor, device;
} QemuRom;

/* NULL: none. */
const QemuRom *qemu_find_rom(const char *nic_type);
/* The descriptor of a copy of the expansion ROM at `path` that is for this device of the vendor's.
 * -1: it is already, or there is no such ROM. */
int qemu_rom_open(const char *path, guint16 vendor, guint16 device);

typedef struct QemuMemory {
	guint64 size; /* bytes of a shared backend that is to be added; 0: the memory is shared */
	char *why;    /* not NULL: it is private, and cannot be shared by adding arguments */
} QemuMemory;

/* Whether another process can see the memory of a QEMU with these arguments. */
void qemu_memory_init(QemuMemory *memory, char **args);
void qemu_memory_finish(QemuMemory *memory);

/* Splits "a=b,c=d,,e" into "a=b" and "c=d,e"; g_strfreev. */
char **qemu_split_options(const char *text);
/* A comma in a value is written twice; the caller's. */
char *qemu_quote_value(const char *value);

#endif
