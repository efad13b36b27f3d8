/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-state.c - save and load: every register under its own name, and the parts that have no
 * register. Delays that run are saved as running and end with the start that follows a load.
 */
#include "e1000.h"

#include <jackfield/state.h>
#include <stddef.h>
#include <string.h>

#define E1000_STATE_VERSION 1u
#define PENDING (1u << E1000_DUE_RX | 1u << E1000_DUE_TX | 1u << E1000_DUE_LINK)

/* `n` elements of 2 or 4 bytes at `offset` of E1000, none above `max`. */
typedef struct Field {
	const char *key;
	gsize offset;
	guint n, size;
	guint32 max;
} Field;

#define WORDS(key, member, n)                                   \
	{                                                       \
		key, offsetof(E1000, member), n, 4, G_MAXUINT32 \
	}
#define FLAG(key, member)                             \
	{                                             \
		key, offsetof(E1000, member), 1, 4, 1 \
	}

static const Field fields[] = {
	{ "EEPROM", offsetof(E1000, eeprom), E1000_EEPROM_WORDS, 2, G_MAXUINT16 },
	{ "PHY", offsetof(E1000, phy), E1000_PHY_REGS, 2, G_MAXUINT16 },
	WORDS("eeprom-serial", ee_shift, 4),
	WORDS("mdi-serial", mdi_shift, 3),
	WORDS("IOADDR", ioaddr, 1),
	{ "PMCSR", offsetof(E1000, power_state), 1, 4, 3 },
	WORDS("tx-context", tx_context, 8),
	WORDS("tx-done", tx_done, 1),
	FLAG("tx-skip", tx_skip),
	FLAG("link", link),
	FLAG("phy-link", phy_link),
	FLAG("phy-lost", phy_lost),
};

static Field
register_field(const E1000Reg *reg)
{
	return (Field){ .key = reg->name,
			.offset = offsetof(E1000, reg) + reg->offset,
			.n = reg->count,
			.size = 4,
			.max = G_MAXUINT32 };
}

/* ---- Save ---- */

static void
field_save(GVariantDict *dict, const E1000 *e, const Field *field)
{
	const GVariantType *type = field->size == 2 ? G_VARIANT_TYPE_UINT16 : G_VARIANT_TYPE_UINT32;

	g_variant_dict_insert_value(dict, field->key,
				    g_variant_new_fixed_array(type, (const char *)e + field->offset,
							      field->n, field->size));
}

static guint32
pending(const E1000 *e)
{
	guint32 bits = 0;

	for (guint i = 0; i < E1000_DUES; i++)
		if (e->due[i])
			bits |= 1u << i;
	return bits & PENDING;
}

static GVariant *
state_save(JfInstance *inst, GError **error)
{
	const E1000 *e = inst->priv;
	GVariantDict dict;

	(void)error;
	g_variant_dict_init(&dict, NULL);
	for (guint i = 0; i < e1000_n_regs; i++) {
		Field field = register_field(&e1000_regs[i]);

		field_save(&dict, e, &field);
	}
	for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
		field_save(&dict, e, &fields[i]);
	g_variant_dict_insert(&dict, "pending", "u", pending(e));
	return g_variant_dict_end(&dict);
}

/* ---- Load ---- */

static gboolean
refuse(GError **error, const char *key)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "e1000 state: '%s' is missing, unknown, of another type, or out of range", key);
	return FALSE;
}

static gboolean
field_load(GVariantDict *dict, E1000 *new, const Field *field, GError **error)
{
	const GVariantType *type = G_VARIANT_TYPE(field->size == 2 ? "aq" : "au");
	g_autoptr(GVariant) value = g_variant_dict_lookup_value(dict, field->key, type);
	gconstpointer data;
	guint32 first;
	gsize n;

	if (!value)
		return refuse(error, field->key);
	data = g_variant_get_fixed_array(value, &n, field->size);
	if (n != field->n)
		return refuse(error, field->key);
	memcpy((char *)new + field->offset, data, n * field->size);
	if (field->size == 2 || field->n > 1)
		return TRUE;
	memcpy(&first, data, sizeof first);
	return first <= field->max ? TRUE : refuse(error, field->key);
}

/* A register without a function for reading has no bits but those that can be written or that reset
 * sets. */
static gboolean
register_load(GVariantDict *dict, E1000 *new, const E1000Reg *reg, GError **error)
{
	Field field = register_field(reg);

	if (!field_load(dict, new, &field, error))
		return FALSE;
	for (guint i = 0; !reg->read && i < reg->count; i++)
		if (e1000_get(new, reg->offset + 4 * i) & ~(reg->writable | reg->reset))
			return refuse(error, reg->name);
	return TRUE;
}

static gboolean
all_load(GVariantDict *dict, E1000 *new, guint32 *due, GError **error)
{
	for (guint i = 0; i < e1000_n_regs; i++)
		if (!register_load(dict, new, &e1000_regs[i], error))
			return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
		if (!field_load(dict, new, &fields[i], error))
			return FALSE;
	if (!g_variant_dict_lookup(dict, "pending", "u", due) || (*due & ~PENDING))
		return refuse(error, "pending");
	return TRUE;
}

static gboolean
key_is_known(const char *key)
{
	for (guint i = 0; i < e1000_n_regs; i++)
		if (strcmp(key, e1000_regs[i].name) == 0)
			return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
		if (strcmp(key, fields[i].key) == 0)
			return TRUE;
	return strcmp(key, "pending") == 0;
}

/* Not the line of now: start tells that, and the guest sees the change. */
static void
apply(E1000 *e, const E1000 *new, guint32 due)
{
	memcpy(e->reg, new->reg, sizeof e->reg);
	for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
		memcpy((char *)e + fields[i].offset, (const char *)new + fields[i].offset,
		       (gsize)fields[i].n * fields[i].size);
	for (guint i = 0; i < E1000_DUES; i++)
		e->due[i] = due >> i & 1;
	e->irq_next = e->rx_absolute = e->tx_absolute = 0;
	e->cable = e->phy_link || e->due[E1000_DUE_LINK];
}

static gboolean
state_load(JfInstance *inst, guint32 version, GVariant *state, GError **error)
{
	g_autofree E1000 *new = g_new0(E1000, 1);
	E1000 *e = inst->priv;
	GVariantDict dict;
	GVariantIter iter;
	const char *key;
	gboolean parsed;
	guint32 due = 0;

	if (version != E1000_STATE_VERSION)
		return refuse(error, "version");
	g_variant_iter_init(&iter, state);
	while (g_variant_iter_next(&iter, "{&s*}", &key, NULL))
		if (!key_is_known(key))
			return refuse(error, key);
	g_variant_dict_init(&dict, state);
	parsed = all_load(&dict, new, &due, error);
	g_variant_dict_clear(&dict);
	if (!parsed)
		return FALSE;
	e1000_enter(e);
	apply(e, new, due);
	e1000_irq_update(e);
	e1000_rx_room(e);
	e1000_leave(e);
	e1000_transmit_soon(e);
	return TRUE;
}

const JfState e1000_state = {
	.struct_size = sizeof(JfState),
	.version = E1000_STATE_VERSION,
	.save = state_save,
	.load = state_load,
};
