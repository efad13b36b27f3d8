/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-choose.c - the best connector for a card and a VMM.
 *
 * The table has them from the best to the last; each says why it cannot be used, if so. With all but
 * vfio-user and vhost-user the VMM's own adapter serves the guest, which must then be the same chip.
 */
#include <string.h>

#include "jackfield/abi.h"
#include "vmm.h"

#define STREAM "stream"

typedef struct Choice {
	const Vmm *vmm;
	GHashTable *drivers; /* "connector/ID", "model/ID" */
} Choice;

static gboolean
has_driver(const Choice *choice, const char *kind, const char *id)
{
	g_autofree char *key = g_strconcat(kind, "/", id, NULL);

	return g_hash_table_contains(choice->drivers, key);
}

/* Why a card cannot have the connector; "": it is not for such cards; NULL: it can. The caller's. */
typedef char *(*RefuseFunc)(const Choice *choice, const VmmCard *card);

static char *
refuse_vhost_user(const Choice *choice, const VmmCard *card)
{
	const Qemu *qemu = &choice->vmm->qemu;
	const char *device = qemu_find_device(card->nic_type);
	g_autofree char *name = qemu_get_name(qemu);

	if (strcmp(card->nic_type, "virtio") != 0)
		return g_strdup("");
	if (!has_driver(choice, "connector", "vhost-user"))
		return g_strdup("the plugin vhost-user is not installed");
	if (!has_driver(choice, "model", card->nic_type))
		return g_strdup_printf("no plugin has the model %s", card->nic_type);
	if (!qemu_has_device(qemu, device))
		return g_strdup_printf("%s has no %s", name, device);
	return g_strdup(choice->vmm->memory.why);
}

static char *
refuse_vfio_user(const Choice *choice, const VmmCard *card)
{
	const Qemu *qemu = &choice->vmm->qemu;
	g_autofree char *name = qemu_get_name(qemu);

	if (!has_driver(choice, "connector", "vfio-user"))
		return g_strdup("the plugin vfio-user is not installed");
	if (!has_driver(choice, "model", card->nic_type))
		return g_strdup_printf("no plugin has the model %s", card->nic_type);
	/* It came with 10.1. */
	if (!qemu_has_device(qemu, "vfio-user-pci") || (!qemu->devices && qemu->version < 1001))
		return g_strdup_printf("%s has no vfio-user (10.1 and later have)", name);
	return g_strdup(choice->vmm->memory.why);
}

static char *
refuse_stream(const Choice *choice, const VmmCard *card)
{
	const Qemu *qemu = &choice->vmm->qemu;
	const char *device = qemu_find_device(card->nic_type);
	g_autofree char *name = qemu_get_name(qemu);

	if (device && qemu_has_device(qemu, device))
		return NULL;
	return g_strdup_printf("%s has no %s of its own", name, card->nic_type);
}

static const struct {
	const char *connector;
	RefuseFunc refuse;
} connectors[] = {
	{ "vhost-user", refuse_vhost_user },
	{ "vfio-user", refuse_vfio_user },
	{ STREAM, refuse_stream },
};

/* The first that can be; why the others cannot is added to `reasons`. */
static const char *
choose_best(const Choice *choice, const VmmCard *card, GPtrArray *reasons)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(connectors); i++) {
		g_autofree char *why = connectors[i].refuse(choice, card);

		if (!why)
			return connectors[i].connector;
		if (*why)
			g_ptr_array_add(reasons, g_steal_pointer(&why));
	}
	return NULL;
}

/* The user puts the card's socket into the VMM's arguments himself. */
static gboolean
is_wired(const Vmm *vmm, const VmmCard *card)
{
	g_autofree char *word = g_strdup_printf("{socket%u}", card->slot);
	guint i;

	for (i = 0; vmm->args[i]; i++)
		if (strstr(vmm->args[i], word))
			return TRUE;
	return FALSE;
}

static void
set_connector(VmmCard *card, const char *connector)
{
	char *copy = g_strdup(connector);

	g_free(card->connector);
	card->connector = copy;
}

static gboolean
choose_auto(const Choice *choice, VmmCard *card, GPtrArray *notes, GError **error)
{
	g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *why = NULL;
	const char *best;

	if (choice->vmm->kind != VMM_QEMU || is_wired(choice->vmm, card)) {
		set_connector(card, STREAM);
		return TRUE;
	}
	best = choose_best(choice, card, reasons);
	g_ptr_array_add(reasons, NULL);
	why = g_strjoinv("; ", (char **)reasons->pdata);
	if (!best) {
		g_set_error(
			error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			"NIC %u: there is no way to bring its %s to the guest: %s. Change that, "
			"or set another --nic-type%u",
			card->slot, card->nic_type, why, card->slot);
		return FALSE;
	}
	if (*why)
		g_ptr_array_add(notes,
				g_strdup_printf("NIC %u: QEMU's own %s, by %s: %s", card->slot,
						qemu_find_device(card->nic_type), best, why));
	set_connector(card, best);
	return TRUE;
}

/* What the user named is not second-guessed, but where it cannot work he is told why. */
static gboolean
check_named(const Choice *choice, const VmmCard *card, GError **error)
{
	g_autofree char *why = NULL;

	if (choice->vmm->kind != VMM_QEMU || is_wired(choice->vmm, card) ||
	    !vmm_card_needs_memory(card))
		return TRUE;
	why = vmm_card_is_ours(card) ? refuse_vfio_user(choice, card)
				     : refuse_vhost_user(choice, card);
	if (!why)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "NIC %u: no %s: %s", card->slot,
		    card->connector, *why ? why : "it is for virtio cards only");
	return FALSE;
}

gboolean
vmm_choose(const Vmm *vmm, GPtrArray *cards, const char *wanted, GHashTable *drivers,
	   GPtrArray *notes, GError **error)
{
	const Choice choice = { vmm, drivers };
	guint i;

	for (i = 0; i < cards->len; i++) {
		VmmCard *card = cards->pdata[i];

		if (wanted)
			set_connector(card, wanted);
		if (strcmp(card->connector, "auto") == 0) {
			if (!choose_auto(&choice, card, notes, error))
				return FALSE;
		} else if (!check_named(&choice, card, error)) {
			return FALSE;
		}
	}
	return TRUE;
}
