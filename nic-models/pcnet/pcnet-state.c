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
	g_variant_dict_insert(&dict, "RPC", "y", p->runts);
	g_variant_dict_insert(&dict, "STVAL-runs", "b", p->soft_ns != 0);
	g_variant_dict_insert(&dict, "TINT-unseen", "b", p->tint_unseen);
	g_variant_dict_insert(&dict, "INIT-waits", "b", p->init_waits);
	g_variant_dict_insert(&dict, "MISS-quiet", "b", p->miss_quietly);
	g_variant_dict_insert(&dict, "link", "b", p->link);
	g_variant_dict_insert(&dict, "link-latched", "b", p->link_latched);
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
flag_load(GVariantDict *dict, const char *key, gboolean *dst, GError **error)
{
	return g_variant_dict_lookup(dict, key, "b", dst) || refuse(error, key);
}

static gboolean
flags_load(Pcnet *new, GVariantDict *dict, GError **error)
{
	gboolean runs;

	if (!flag_load(dict, "STVAL-runs", &runs, error) ||
	    !flag_load(dict, "TINT-unseen", &new->tint_unseen, error) ||
	    !flag_load(dict, "INIT-waits", &new->init_waits, error) ||
	    !flag_load(dict, "MISS-quiet", &new->miss_quietly, error) ||
	    !flag_load(dict, "link", &new->link, error) ||
	    !flag_load(dict, "link-latched", &new->link_latched, error))
		return FALSE;
	new->soft_ns = 0;
	if (runs)
		pcnet_soft_timer_set(new);
	return TRUE;
}

static gboolean
state_parse(Pcnet *new, GVariantDict *dict, GError **error)
{
	if (!words_load(dict, "CSR", new->csr, PCNET_CSRS, error) ||
	    !words_load(dict, "BCR", new->bcr, PCNET_BCRS, error) ||
	    !words_load(dict, "ANR", new->phy, PCNET_PHY_REGS, error))
		return FALSE;
	if (array_load(dict, "APROM", G_VARIANT_TYPE("ay"), new->aprom, 1, PCNET_APROM_SIZE,
		       PCNET_APROM_SIZE) < 0)
		return refuse(error, "APROM");
	if (!g_variant_dict_lookup(dict, "RAP", "q", &new->rap) || new->rap >= PCNET_CSRS)
		return refuse(error, "RAP");
	if (!g_variant_dict_lookup(dict, "RPC", "y", &new->runts))
		return refuse(error, "RPC");
	return flags_load(new, dict, error);
}

static gboolean
state_load(JfInstance *inst, guint32 version, GVariant *state, GError **error)
{
	static const char *const known[] = { "CSR",        "BCR",         "ANR",
					     "APROM",      "RAP",         "RPC",
					     "STVAL-runs", "TINT-unseen", "INIT-waits",
					     "MISS-quiet", "link",        "link-latched",
					     NULL };
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
	/* The line as it was, not as it is now: start tells that, and the guest sees the change. */
	new->stalled = new->poll_ns = new->tints = 0;
	*p = *new;
	pcnet_update_irq(p);
	return TRUE;
}

const JfState pcnet_state = {
	.struct_size = sizeof(JfState),
	.version = PCNET_STATE_VERSION,
	.save = state_save,
	.load = state_load,
};
