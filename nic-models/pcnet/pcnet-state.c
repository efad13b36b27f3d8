/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcnet-state.c - save and load. */
#include "pcnet.h"

#include <jackfield/state.h>
#include <string.h>

#define PCNET_STATE_VERSION 1u

static GVariant *
words_save(const guint16 *words, guint n)
{
	return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT16, words, n, sizeof *words);
}

static GVariant *
bytes_save(const guint8 *bytes, guint n)
{
	return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, n, sizeof *bytes);
}

static GVariant *
state_save(JfInstance *inst, GError **error)
{
	const Pcnet *p = inst->priv;
	GVariantDict dict;

	(void)error;
	g_variant_dict_init(&dict, NULL);
	g_variant_dict_insert_value(&dict, "CSR", words_save(p->csr, PCNET_CSRS));
	g_variant_dict_insert_value(&dict, "BCR", words_save(p->bcr, PCNET_BCRS));
	g_variant_dict_insert_value(&dict, "ANR", words_save(p->phy, PCNET_PHY_REGS));
	g_variant_dict_insert_value(&dict, "APROM", bytes_save(p->aprom, PCNET_APROM_SIZE));
	g_variant_dict_insert(&dict, "RAP", "q", p->rap);
	g_variant_dict_insert_value(&dict, "frame", bytes_save(p->frame, p->frame_len));
	g_variant_dict_insert(&dict, "frame-open", "b", p->frame_open);
	g_variant_dict_insert(&dict, "frame-jumbo", "b", p->frame_jumbo);
	return g_variant_dict_end(&dict);
}

static gboolean
refuse(GError **error, const char *key)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "pcnet state: '%s' is missing, of another type, or out of range", key);
	return FALSE;
}

/* A fixed array under `key` of min..max elements into `dst`; its length, or -1. */
static int
array_load(GVariantDict *dict, const char *key, const GVariantType *type, gpointer dst, gsize size,
	   gsize min, gsize max)
{
	g_autoptr(GVariant) value = g_variant_dict_lookup_value(dict, key, type);
	gconstpointer data;
	gsize n;

	if (!value)
		return -1;
	data = g_variant_get_fixed_array(value, &n, size);
	if (n < min || n > max)
		return -1;
	if (n > 0)
		memcpy(dst, data, n * size);
	return (int)n;
}

static gboolean
words_load(GVariantDict *dict, const char *key, guint16 *dst, guint n, GError **error)
{
	if (array_load(dict, key, G_VARIANT_TYPE("aq"), dst, sizeof *dst, n, n) < 0)
		return refuse(error, key);
	return TRUE;
}

static gboolean
state_parse(Pcnet *new, GVariantDict *dict, GError **error)
{
	gboolean open, jumbo;
	int len;

	if (!words_load(dict, "CSR", new->csr, PCNET_CSRS, error) ||
	    !words_load(dict, "BCR", new->bcr, PCNET_BCRS, error) ||
	    !words_load(dict, "ANR", new->phy, PCNET_PHY_REGS, error))
		return FALSE;
	if (array_load(dict, "APROM", G_VARIANT_TYPE("ay"), new->aprom, 1, PCNET_APROM_SIZE,
		       PCNET_APROM_SIZE) < 0)
		return refuse(error, "APROM");
	if (!g_variant_dict_lookup(dict, "RAP", "q", &new->rap) || new->rap >= PCNET_CSRS)
		return refuse(error, "RAP");
	len = array_load(dict, "frame", G_VARIANT_TYPE("ay"), new->frame, 1, 0, PCNET_FRAME_MAX);
	if (len < 0)
		return refuse(error, "frame");
	if (!g_variant_dict_lookup(dict, "frame-open", "b", &open))
		return refuse(error, "frame-open");
	if (!g_variant_dict_lookup(dict, "frame-jumbo", "b", &jumbo))
		return refuse(error, "frame-jumbo");
	new->frame_len = (guint)len;
	new->frame_open = open;
	new->frame_jumbo = jumbo;
	return TRUE;
}

static gboolean
state_load(JfInstance *inst, guint32 version, GVariant *state, GError **error)
{
	static const char *const known[] = { "CSR",   "BCR",        "ANR",         "APROM", "RAP",
					     "frame", "frame-open", "frame-jumbo", NULL };
	Pcnet *p = inst->priv;
	g_autofree Pcnet *new = g_memdup2(p, sizeof *p);
	GVariantDict dict;
	GVariantIter iter;
	const char *key;
	gboolean parsed;

	if (version != PCNET_STATE_VERSION)
		return refuse(error, "version");
	g_variant_iter_init(&iter, state);
	while (g_variant_iter_next(&iter, "{&s*}", &key, NULL))
		if (!g_strv_contains(known, key))
			return refuse(error, key);
	g_variant_dict_init(&dict, state);
	parsed = state_parse(new, &dict, error);
	g_variant_dict_clear(&dict);
	if (!parsed)
		return FALSE;
	new->stalled = 0;
	new->tint_unseen = FALSE;
	*p = *new;
	/* Not the line of now: start tells that, and the guest sees the change. */
	p->link = pcnet_phy_has_link(p);
	pcnet_update_irq(p);
	pcnet_transmit_soon(p);
	return TRUE;
}

const JfState pcnet_state = {
	.struct_size = sizeof(JfState),
	.version = PCNET_STATE_VERSION,
	.save = state_save,
	.load = state_load,
};
