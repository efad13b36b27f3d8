/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-qemu.c - QEMU's arguments for our cards. */
#include <string.h>

#include "jackfield/abi.h"
#include "message.h"
#include "vmm.h"

#define MEMORY_ID "jackfield-ram"

static void
add_pair(GPtrArray *args, const char *option, char *value)
{
	g_ptr_array_add(args, g_strdup(option));
	g_ptr_array_add(args, value);
}

/* ---- QEMU's own adapter, on a netdev ---- */

static const char *
choose_device(const VmmCard *card, const Qemu *qemu, GError **error)
{
	g_autofree char *name = qemu_get_name(qemu);
	const char *device = qemu_find_device(card->nic_type);

	if (!device) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "NIC %u: with connector %s the adapter is QEMU's own, and it has no "
			    "%s; use --connector vfio-user, or set another --nic-type%u",
			    card->slot, card->connector, card->nic_type, card->slot);
		return NULL;
	}
	if (qemu_has_device(qemu, device))
		return device;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "NIC %u: %s has no device %s for a %s; set another --nic-type%u", card->slot,
		    name, device, card->nic_type, card->slot);
	return NULL;
}

/* A VMM that does not reconnect loses its cards when the daemon is restarted. The option came with
 * 8.0 and has counted milliseconds since 9.2. */
static const char *
get_reconnect(guint version)
{
	if (version < 800)
		return "";
	return version < 902 ? ",reconnect=1" : ",reconnect-ms=200";
}

static char *
make_vhost_netdev(const VmmCard *card)
{
	GString *text = g_string_new(NULL);

	g_string_printf(text, "vhost-user,id=jf%u,chardev=jfvhost%u", card->slot, card->slot);
	if (card->pairs > 1)
		g_string_append_printf(text, ",queues=%u", card->pairs);
	return g_string_free(text, FALSE);
}

static char *
make_netdev(const VmmCard *card, const Qemu *qemu, GError **error)
{
	g_autofree char *path = qemu_quote_value(card->address);
	g_autofree char *local = card->local ? qemu_quote_value(card->local) : NULL;

	if (*card->address != '/') {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "NIC %u: its connector '%s' is at '%s', which is no Unix socket; give "
			    "QEMU the arguments yourself, with --vmm other and {socket%u}",
			    card->slot, card->connector, card->address, card->slot);
		return NULL;
	}
	if (strcmp(card->connector, "vhost-user") == 0)
		return make_vhost_netdev(card);
	if (strcmp(card->connector, "stream") == 0)
		return g_strdup_printf("stream,id=jf%u,server=off,addr.type=unix,addr.path=%s%s",
				       card->slot, path, get_reconnect(qemu->version));
	if (local)
		return g_strdup_printf("dgram,id=jf%u,local.type=unix,local.path=%s,"
				       "remote.type=unix,remote.path=%s",
				       card->slot, local, path);
	g_set_error(
		error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		"NIC %u: QEMU cannot use the connector '%s': it is vhost-user, vfio-user, stream "
		"or dgram",
		card->slot, card->connector);
	return NULL;
}

/* The connection that a vhost-user netdev runs over; it may come back in any version. */
static void
add_vhost_chardev(GPtrArray *args, const VmmCard *card, const Qemu *qemu)
{
	g_autofree char *path = qemu_quote_value(card->address);
	const char *reconnect = qemu->version < 902 ? "reconnect=1" : "reconnect-ms=200";

	add_pair(args, "-chardev",
		 g_strdup_printf("socket,id=jfvhost%u,path=%s,%s", card->slot, path, reconnect));
}

/* What the guest's driver is to find of several queue pairs: a vector for each queue, one for control
 * and one for the configuration. Before 8.0, MSI-X on such a card ends QEMU where it has no KVM. */
static void
add_vhost_queues(GString *device, const VmmCard *card, const Qemu *qemu)
{
	if (card->pairs > 1)
		g_string_append(device, ",mq=on");
	if (qemu->version < 800)
		g_string_append(device, ",vectors=0");
	else if (card->pairs > 1)
		g_string_append_printf(device, ",vectors=%u", 2 * card->pairs + 2);
}

static gboolean
add_netdev_card(GPtrArray *args, const VmmCard *card, const Qemu *qemu, GError **error)
{
	char *netdev = make_netdev(card, qemu, error);
	const char *device = netdev ? choose_device(card, qemu, error) : NULL;
	GString *text;

	if (!device) {
		g_free(netdev);
		return FALSE;
	}
	text = g_string_new(device);
	g_string_append_printf(text, ",id=%s,netdev=jf%u,mac=%s", card->device, card->slot,
			       card->mac);
	if (card->boot_prio > 0)
		g_string_append_printf(text, ",bootindex=%u", card->boot_prio);
	if (strcmp(card->connector, "vhost-user") == 0) {
		add_vhost_chardev(args, card, qemu);
		add_vhost_queues(text, card, qemu);
	}
	add_pair(args, "-netdev", netdev);
	add_pair(args, "-device", g_string_free(text, FALSE));
	return TRUE;
}

/* ---- Our model, by vfio-user ---- */

/* QEMU's own adapters have an expansion ROM to boot from; ours get the same one. */
static char *
choose_rom(Vmm *vmm, const VmmCard *card, GPtrArray *notes)
{
	const QemuRom *rom = card->has_rom ? NULL : qemu_find_rom(card->nic_type);
	g_autofree char *path = NULL;
	int fd;

	if (!rom)
		return NULL;
	path = qemu_find_firmware(&vmm->qemu, rom->file);
	if (path) {
		fd = qemu_rom_open(path, rom->vendor, rom->device);
		if (fd < 0)
			return g_strdup(rom->file);
		g_array_append_val(vmm->fds, fd);
		return g_strdup_printf("/dev/fd/%d", fd);
	}
	if (card->boot_prio > 0)
		g_ptr_array_add(notes, g_strdup_printf("NIC %u: QEMU has no file %s, so a BIOS "
						       "cannot boot from the card; it comes with "
						       "iPXE (Debian: ipxe-qemu)",
						       card->slot, rom->file));
	return NULL;
}

static void
add_vfio_user_card(Vmm *vmm, GPtrArray *args, const VmmCard *card, GPtrArray *notes)
{
	g_autofree char *path = text_quote_json(card->address);
	g_autofree char *rom = choose_rom(vmm, card, notes);
	GString *text = g_string_new("{\"driver\":\"vfio-user-pci\"");

	g_string_append_printf(text, ",\"id\":\"%s\",\"socket\":{\"type\":\"unix\",\"path\":%s}",
			       card->device, path);
	if (card->boot_prio > 0)
		g_string_append_printf(text, ",\"bootindex\":%u", card->boot_prio);
	if (rom)
		g_string_append_printf(text, ",\"romfile\":\"%s\"", rom);
	g_string_append_c(text, '}');
	add_pair(args, "-device", g_string_free(text, FALSE));
}

static void
add_memory(GPtrArray *args, const QemuMemory *memory)
{
	if (memory->size == 0)
		return;
	add_pair(args, "-object",
		 g_strdup_printf("memory-backend-memfd,id=" MEMORY_ID ",size=%" G_GUINT64_FORMAT
				 ",share=on",
				 memory->size));
	add_pair(args, "-machine", g_strdup("memory-backend=" MEMORY_ID));
}

/* ---- The whole ---- */

gboolean
vmm_add_qemu(Vmm *vmm, GPtrArray *args, const GPtrArray *cards, int monitor, GPtrArray *notes,
	     GError **error)
{
	gboolean has_netdev = FALSE, needs_memory = FALSE;
	guint i;

	add_pair(args, "-chardev", g_strdup_printf("socket,id=jackfield,fd=%d", monitor));
	add_pair(args, "-qmp", g_strdup("chardev:jackfield"));
	for (i = 0; i < cards->len; i++) {
		const VmmCard *card = cards->pdata[i];

		if (vmm_card_is_ours(card))
			add_vfio_user_card(vmm, args, card, notes);
		else if (!add_netdev_card(args, card, &vmm->qemu, error))
			return FALSE;
		needs_memory |= vmm_card_needs_memory(card);
		has_netdev |= !vmm_card_is_ours(card);
	}
	if (needs_memory)
		add_memory(args, &vmm->memory);
	/* Without a word about networks QEMU would make a card of its own. */
	if (!has_netdev)
		add_pair(args, "-nic", g_strdup("none"));
	return TRUE;
}
