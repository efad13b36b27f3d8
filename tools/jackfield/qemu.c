/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu.c - what a QEMU can do. */
#include "qemu.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *nic_type;
	const char *device; /* the same chip; NULL: QEMU has none */
	QemuRom rom;        /* iPXE with its driver, for BIOS and UEFI */
} qemu_chips[] = {
	{ "82540EM", "e1000", { "efi-e1000.rom", 0x8086, 0x100e } },
	{ "82545EM", "e1000-82545em", { "efi-e1000.rom", 0x8086, 0x100f } },
	{ "82543GC", NULL, { "efi-e1000.rom", 0x8086, 0x1004 } },
	{ "Am79C970A", "pcnet", { "efi-pcnet.rom", 0x1022, 0x2000 } },
	{ "Am79C973", NULL, { "efi-pcnet.rom", 0x1022, 0x2000 } },
	{ "virtio", "virtio-net-pci", { "efi-virtio.rom", 0x1af4, 0x1000 } },
};

static char *
ask_qemu(const char *program, const char *first, const char *second)
{
	const char *argv[] = { program, first, second, NULL };
	char *text = NULL;

	if (!g_spawn_sync(NULL, (char **)argv, NULL,
			  G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &text, NULL,
			  NULL, NULL))
		return NULL;
	return text;
}

void
qemu_init(Qemu *qemu, const char *program)
{
	g_autofree char *text = ask_qemu(program, "-version", NULL);
	const char *number = text ? strstr(text, "QEMU emulator version ") : NULL;
	g_autofree char *dirs = ask_qemu(program, "-L", "help");
	guint major = 0, minor = 0;

	qemu->version = 0;
	qemu->devices = ask_qemu(program, "-device", "help");
	qemu->dirs = dirs ? g_strsplit(dirs, "\n", -1) : NULL;
	if (number && sscanf(number, "QEMU emulator version %u.%u", &major, &minor) == 2)
		qemu->version = major * 100u + minor;
	/* A program around QEMU may answer nothing. */
	if (qemu->devices && !*qemu->devices)
		g_clear_pointer(&qemu->devices, g_free);
}

void
qemu_finish(Qemu *qemu)
{
	g_clear_pointer(&qemu->devices, g_free);
	g_clear_pointer(&qemu->dirs, g_strfreev);
}

gboolean
qemu_has_device(const Qemu *qemu, const char *device)
{
	g_autofree char *quoted = g_strdup_printf("\"%s\"", device);

	return !qemu->devices || strstr(qemu->devices, quoted) != NULL;
}

char *
qemu_find_firmware(const Qemu *qemu, const char *file)
{
	guint i;

	for (i = 0; qemu->dirs && qemu->dirs[i]; i++) {
		g_autofree char *path = g_build_filename(qemu->dirs[i], file, NULL);

		if (*qemu->dirs[i] == '/' && g_file_test(path, G_FILE_TEST_EXISTS))
			return g_steal_pointer(&path);
	}
	return NULL;
}

char *
qemu_get_name(const Qemu *qemu)
{
	if (qemu->version == 0)
		return g_strdup("this QEMU");
	return g_strdup_printf("QEMU %u.%u", qemu->version / 100u, qemu->version % 100u);
}

const char *
qemu_find_device(const char *nic_type)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(qemu_chips); i++)
		if (strcmp(qemu_chips[i].nic_type, nic_type) == 0)
			return qemu_chips[i].device;
	return NULL;
}

const QemuRom *
qemu_find_rom(const char *nic_type)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(qemu_chips); i++)
		if (strcmp(qemu_chips[i].nic_type, nic_type) == 0)
			return &qemu_chips[i].rom;
	return NULL;
}

char **
qemu_split_options(const char *text)
{
	GPtrArray *options = g_ptr_array_new();
	GString *option = g_string_new(NULL);

	for (; *text; text++) {
		if (*text != ',') {
			g_string_append_c(option, *text);
		} else if (text[1] == ',') {
			g_string_append_c(option, *text++);
		} else {
			g_ptr_array_add(options, g_string_free(option, FALSE));
			option = g_string_new(NULL);
		}
	}
	g_ptr_array_add(options, g_string_free(option, FALSE));
	g_ptr_array_add(options, NULL);
	return (char **)g_ptr_array_free(options, FALSE);
}

char *
qemu_quote_value(const char *value)
{
	g_auto(GStrv) parts = g_strsplit(value, ",", -1);

	return g_strjoinv(",,", parts);
}
