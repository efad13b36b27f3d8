/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm.c - the command line of a virtual machine monitor with the arguments for our cards. */
#include "vmm.h"

#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "jackfield/abi.h"
#include "message.h"

void
vmm_card_free(gpointer data)
{
	VmmCard *card = data;

	g_free(card->path);
	g_free(card->device);
	g_free(card->nic_type);
	g_free(card->mac);
	g_free(card->connector);
	g_free(card->address);
	g_free(card->local);
	g_free(card);
}

gboolean
vmm_card_is_ours(const VmmCard *card)
{
	return strcmp(card->connector, "vfio-user") == 0;
}

gboolean
vmm_card_needs_memory(const VmmCard *card)
{
	return vmm_card_is_ours(card) || strcmp(card->connector, "vhost-user") == 0;
}

gboolean
vmm_card_is_wanted(const VmmCard *card)
{
	return card->address && *card->address;
}

gboolean
vmm_card_has_netdev(const VmmCard *card)
{
	return vmm_card_is_wanted(card) && !vmm_card_is_ours(card);
}

static gboolean
is_any_wanted(const GPtrArray *cards)
{
	guint i;

	for (i = 0; i < cards->len; i++) {
		if (vmm_card_is_wanted(cards->pdata[i]))
			return TRUE;
	}
	return FALSE;
}

/* ---- Which VMM ---- */

static gboolean
is_qemu(const char *word)
{
	g_autofree char *base = g_path_get_basename(word);

	return g_str_has_prefix(base, "qemu-system-") || strcmp(base, "qemu-kvm") == 0 ||
	       strcmp(base, "qemu") == 0 || strcmp(base, "kvm") == 0;
}

/* The program itself, or what a wrapper in front of it ("timeout 60 qemu-system-...") runs. */
static char **
find_qemu(char **args)
{
	for (; *args; args++) {
		if (is_qemu(*args))
			return args;
	}
	return NULL;
}

void
vmm_init(Vmm *vmm, VmmKind kind, char **args)
{
	char **qemu = find_qemu(args);

	*vmm = (Vmm){ .kind = kind, .args = args, .program = qemu ? *qemu : *args };
	vmm->fds = g_array_new(FALSE, FALSE, sizeof(int));
	if (kind == VMM_ANY)
		vmm->kind = qemu ? VMM_QEMU : VMM_OTHER;
	if (vmm->kind != VMM_QEMU)
		return;
	qemu_init(&vmm->qemu, vmm->program);
	qemu_memory_init(&vmm->memory, qemu ? qemu + 1 : args + 1);
}

void
vmm_finish(Vmm *vmm)
{
	for (guint i = 0; vmm->fds && i < vmm->fds->len; i++)
		close(g_array_index(vmm->fds, int, i));
	g_clear_pointer(&vmm->fds, g_array_unref);
	qemu_finish(&vmm->qemu);
	qemu_memory_finish(&vmm->memory);
}

/* ---- Placeholders ---- */

static const VmmCard *
find_card(const GPtrArray *cards, guint slot)
{
	guint i;

	for (i = 0; i < cards->len; i++) {
		const VmmCard *card = cards->pdata[i];

		if (card->slot == slot)
			return card;
	}
	return NULL;
}

static const char *
get_field(const VmmCard *card, const char *name)
{
	if (strcmp(name, "socket") == 0)
		return card->address;
	return strcmp(name, "mac") == 0 ? card->mac : card->nic_type;
}

/* More than any machine has. */
#define SLOTS 100u

typedef struct Expansion {
	const GPtrArray *cards;
	gboolean used[SLOTS]; /* by slot */
	GError *error;
} Expansion;

static gboolean
expand_one(const GMatchInfo *match, GString *text, gpointer data)
{
	Expansion *expansion = data;
	g_autofree char *whole = g_match_info_fetch(match, 0);
	g_autofree char *name = g_match_info_fetch(match, 1);
	g_autofree char *number = g_match_info_fetch(match, 2);
	guint slot = (guint)g_ascii_strtoull(number, NULL, 10);
	const VmmCard *card = find_card(expansion->cards, slot);

	if (!card) {
		usage_error(&expansion->error, "%s: the machine has no enabled card %u", whole,
			    slot);
		return TRUE;
	}
	if (strcmp(name, "socket") == 0 && !vmm_card_is_wanted(card)) {
		usage_error(&expansion->error, "%s: the connector '%s' of card %u has no socket",
			    whole, card->connector, slot);
		return TRUE;
	}
	expansion->used[slot % SLOTS] = TRUE;
	g_string_append(text, get_field(card, name));
	return FALSE;
}

static char **
expand_args(char **args, Expansion *expansion)
{
	g_autoptr(GRegex) regex = g_regex_new("\\{(socket|mac|type)([0-9]{1,2})\\}", 0, 0, NULL);
	GPtrArray *expanded = g_ptr_array_new();

	for (; *args && !expansion->error; args++)
		g_ptr_array_add(expanded, g_regex_replace_eval(regex, *args, -1, 0, 0, expand_one,
							       expansion, NULL));
	g_ptr_array_add(expanded, NULL);
	return (char **)g_ptr_array_free(expanded, FALSE);
}

/* ---- The whole ---- */

static gboolean
check_other(const char *program, const Expansion *expansion, GError **error)
{
	guint i;

	for (i = 0; i < SLOTS; i++) {
		if (expansion->used[i])
			return TRUE;
	}
	if (!is_any_wanted(expansion->cards))
		return TRUE;
	usage_error(error,
		    "'%s' is no virtual machine monitor that jackfield knows. Put {socket1} where "
		    "it takes the path of card 1's socket, {mac1} for its address and {type1} for "
		    "its type; or say --vmm qemu if it takes QEMU's arguments",
		    program);
	return FALSE;
}

static GPtrArray *
list_unused(const Expansion *expansion)
{
	GPtrArray *unused = g_ptr_array_new();
	guint i;

	for (i = 0; i < expansion->cards->len; i++) {
		VmmCard *card = expansion->cards->pdata[i];

		if (vmm_card_is_wanted(card) && !expansion->used[card->slot % SLOTS])
			g_ptr_array_add(unused, card);
	}
	return unused;
}

char **
vmm_make_args(Vmm *vmm, const GPtrArray *cards, int monitor, GPtrArray *notes, GError **error)
{
	Expansion expansion = { .cards = cards };
	g_auto(GStrv) expanded = expand_args(vmm->args, &expansion);
	g_autoptr(GPtrArray) unused = NULL;
	GPtrArray *made;
	guint i;

	if (expansion.error) {
		g_propagate_error(error, expansion.error);
		return NULL;
	}
	if (vmm->kind != VMM_QEMU)
		return check_other(vmm->program, &expansion, error) ? g_steal_pointer(&expanded)
								    : NULL;
	made = g_ptr_array_new_with_free_func(g_free);
	for (i = 0; expanded[i]; i++)
		g_ptr_array_add(made, g_strdup(expanded[i]));
	unused = list_unused(&expansion);
	if (!vmm_add_qemu(vmm, made, unused, monitor, notes, error)) {
		g_ptr_array_unref(made);
		return NULL;
	}
	g_ptr_array_set_free_func(made, NULL);
	g_ptr_array_add(made, NULL);
	return (char **)g_ptr_array_free(made, FALSE);
}
