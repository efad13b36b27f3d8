/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm.c - the command line of a virtual machine monitor with the arguments for our cards. */
#include "vmm.h"

#include <stdio.h>
#include <string.h>

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

/* ---- Which VMM ---- */

static gboolean
is_qemu(const char *word)
{
	g_autofree char *base = g_path_get_basename(word);

	return g_str_has_prefix(base, "qemu-system-") || strcmp(base, "qemu-kvm") == 0 ||
	       strcmp(base, "qemu") == 0 || strcmp(base, "kvm") == 0;
}

/* The program itself, or what a wrapper in front of it ("timeout 60 qemu-system-...") runs. */
static const char *
find_qemu(char **args)
{
	for (; *args; args++) {
		if (is_qemu(*args))
			return *args;
	}
	return NULL;
}

VmmKind
vmm_detect(char **args)
{
	return find_qemu(args) ? VMM_QEMU : VMM_OTHER;
}

gboolean
vmm_card_is_wanted(const VmmCard *card)
{
	return card->address && *card->address;
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

/* ---- QEMU ---- */

/* QEMU's own adapters for VirtualBox's: what differs is said to the user. */
static const struct {
	const char *nic_type, *device, *note;
} qemu_devices[] = {
	{ "82540EM", "e1000", NULL },
	{ "82545EM", "e1000-82545em", NULL },
	{ "82543GC", "e1000", "QEMU has no 82543GC: it gets an 82540EM" },
	{ "Am79C970A", "pcnet", NULL },
	{ "Am79C973", "pcnet", "QEMU has no Am79C973: it gets an Am79C970A" },
	{ "virtio", "virtio-net-pci", NULL },
};

/* What a QEMU can do. */
typedef struct Qemu {
	char *devices; /* what "-device help" says; NULL: it could not be asked */
	guint version; /* 7.2 is 702; 0: not known */
} Qemu;

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

static void
qemu_init(Qemu *qemu, const char *program)
{
	g_autofree char *text = ask_qemu(program, "-version", NULL);
	const char *number = text ? strstr(text, "version ") : NULL;
	guint major = 0, minor = 0;

	qemu->devices = ask_qemu(program, "-device", "help");
	if (number && sscanf(number, "version %u.%u", &major, &minor) == 2)
		qemu->version = major * 100u + minor;
}

static void
qemu_finish(Qemu *qemu)
{
	g_free(qemu->devices);
}

static const char *
choose_device(const VmmCard *card, const char *devices, GPtrArray *notes, GError **error)
{
	g_autofree char *wanted = NULL;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(qemu_devices); i++) {
		if (strcmp(qemu_devices[i].nic_type, card->nic_type) == 0)
			break;
	}
	if (i == G_N_ELEMENTS(qemu_devices)) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "NIC %u: QEMU has nothing like a %s; set another --nic-type%u",
			    card->slot, card->nic_type, card->slot);
		return NULL;
	}
	wanted = g_strdup_printf("\"%s\"", qemu_devices[i].device);
	if (devices && *devices && !strstr(devices, wanted)) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "NIC %u: this QEMU has no device %s for a %s; set another --nic-type%u",
			    card->slot, qemu_devices[i].device, card->nic_type, card->slot);
		return NULL;
	}
	if (qemu_devices[i].note)
		g_ptr_array_add(notes,
				g_strdup_printf("NIC %u: %s", card->slot, qemu_devices[i].note));
	return qemu_devices[i].device;
}

/* A comma in a value is written twice. */
static char *
quote_value(const char *value)
{
	g_auto(GStrv) parts = g_strsplit(value, ",", -1);

	return g_strjoinv(",,", parts);
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
make_netdev(const VmmCard *card, const Qemu *qemu, GError **error)
{
	g_autofree char *path = quote_value(card->address);
	g_autofree char *local = card->local ? quote_value(card->local) : NULL;

	if (*card->address != '/') {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "NIC %u: its connector '%s' is at '%s', which is no Unix socket; give "
			    "QEMU the arguments yourself, with --vmm other and {socket%u}",
			    card->slot, card->connector, card->address, card->slot);
		return NULL;
	}
	if (strcmp(card->connector, "stream") == 0)
		return g_strdup_printf("stream,id=jf%u,server=off,addr.type=unix,addr.path=%s%s",
				       card->slot, path, get_reconnect(qemu->version));
	if (local)
		return g_strdup_printf("dgram,id=jf%u,local.type=unix,local.path=%s,"
				       "remote.type=unix,remote.path=%s",
				       card->slot, local, path);
	g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
		    "NIC %u: QEMU cannot use the connector '%s': it is stream or dgram", card->slot,
		    card->connector);
	return NULL;
}

static gboolean
add_qemu_card(GPtrArray *args, const VmmCard *card, const Qemu *qemu, GPtrArray *notes,
	      GError **error)
{
	const char *device = choose_device(card, qemu->devices, notes, error);
	g_autofree char *netdev = device ? make_netdev(card, qemu, error) : NULL;
	GString *text;

	if (!netdev)
		return FALSE;
	text = g_string_new(device);
	g_string_append_printf(text, ",id=%s,netdev=jf%u,mac=%s", card->device, card->slot,
			       card->mac);
	if (card->boot_prio > 0)
		g_string_append_printf(text, ",bootindex=%u", card->boot_prio);
	g_ptr_array_add(args, g_strdup("-netdev"));
	g_ptr_array_add(args, g_steal_pointer(&netdev));
	g_ptr_array_add(args, g_strdup("-device"));
	g_ptr_array_add(args, g_string_free(text, FALSE));
	return TRUE;
}

static gboolean
add_qemu_cards(GPtrArray *args, const char *program, const Expansion *expansion, GPtrArray *notes,
	       GError **error)
{
	gboolean added = TRUE;
	Qemu qemu = { NULL, 0 };
	guint i;

	qemu_init(&qemu, program);
	for (i = 0; added && i < expansion->cards->len; i++) {
		const VmmCard *card = expansion->cards->pdata[i];

		if (vmm_card_is_wanted(card) && !expansion->used[card->slot % SLOTS])
			added = add_qemu_card(args, card, &qemu, notes, error);
	}
	qemu_finish(&qemu);
	return added;
}

static gboolean
add_qemu(GPtrArray *args, const char *program, const Expansion *expansion, int monitor,
	 GPtrArray *notes, GError **error)
{
	g_ptr_array_add(args, g_strdup("-chardev"));
	g_ptr_array_add(args, g_strdup_printf("socket,id=jackfield,fd=%d", monitor));
	g_ptr_array_add(args, g_strdup("-qmp"));
	g_ptr_array_add(args, g_strdup("chardev:jackfield"));
	if (is_any_wanted(expansion->cards))
		return add_qemu_cards(args, program, expansion, notes, error);
	/* Without a word about networks QEMU would make a card of its own. */
	g_ptr_array_add(args, g_strdup("-nic"));
	g_ptr_array_add(args, g_strdup("none"));
	return TRUE;
}

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

char **
vmm_make_args(VmmKind kind, char **args, const GPtrArray *cards, int monitor, GPtrArray *notes,
	      GError **error)
{
	Expansion expansion = { .cards = cards };
	g_auto(GStrv) expanded = expand_args(args, &expansion);
	GPtrArray *made;
	const char *qemu = find_qemu(args);
	guint i;

	if (expansion.error) {
		g_propagate_error(error, expansion.error);
		return NULL;
	}
	if (kind != VMM_QEMU)
		return check_other(args[0], &expansion, error) ? g_steal_pointer(&expanded) : NULL;
	made = g_ptr_array_new_with_free_func(g_free);
	for (i = 0; expanded[i]; i++)
		g_ptr_array_add(made, g_strdup(expanded[i]));
	if (!add_qemu(made, qemu ? qemu : args[0], &expansion, monitor, notes, error)) {
		g_ptr_array_unref(made);
		return NULL;
	}
	g_ptr_array_set_free_func(made, NULL);
	g_ptr_array_add(made, NULL);
	return (char **)g_ptr_array_free(made, FALSE);
}
