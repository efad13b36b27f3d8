/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-state.c - save and load. Frames are not part of it: between batches none is in flight. Rings
 * that a connector drives are its own to save.
 */
#include <jackfield/state.h>
#include <string.h>

#include "virtio-net.h"

#define VIRTIO_STATE_VERSION 1u

#define QUEUES_TYPE "a(qqbtttbqq)"
#define MODES 6u

/* All that is saved, checked before any of it counts. */
typedef struct Saved {
	guint64 driver_features, features, guest;
	guint32 device_feature_select, driver_feature_select, pairs, modes;
	guint16 queue_select, config_vector;
	guint8 status, generation, isr;
	gboolean announce, link;
	VnFilter filter;
	VnPciQueue regs[VN_QUEUES_MAX];
	gboolean started[VN_QUEUES_MAX];
	guint16 avail[VN_QUEUES_MAX], used[VN_QUEUES_MAX];
} Saved;

/* ---- Save ---- */

static guint32
modes_pack(const VnFilter *f)
{
	return (f->promisc ? 1u : 0) | (f->allmulti ? 2u : 0) | (f->alluni ? 4u : 0) |
	       (f->nomulti ? 8u : 0) | (f->nouni ? 16u : 0) | (f->nobcast ? 32u : 0);
}

static void
modes_unpack(VnFilter *f, guint32 modes)
{
	f->promisc = (modes & 1) != 0;
	f->allmulti = (modes & 2) != 0;
	f->alluni = (modes & 4) != 0;
	f->nomulti = (modes & 8) != 0;
	f->nouni = (modes & 16) != 0;
	f->nobcast = (modes & 32) != 0;
}

static GVariant *
bytes_save(gconstpointer bytes, gsize n)
{
	return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, n, 1);
}

static GVariant *
queues_save(VirtioNet *net)
{
	GVariantBuilder builder;

	g_variant_builder_init(&builder, G_VARIANT_TYPE(QUEUES_TYPE));
	for (guint i = 0; i < vn_transport_n_queues(net); i++) {
		const VnPciQueue *reg = &net->regs[i];
		const VnQueue *q = net->taken ? NULL : vn_transport_queue(net, i);
		gboolean started = q && q->started;

		g_variant_builder_add(&builder, "(qqbtttbqq)", reg->size, reg->vector, reg->enabled,
				      reg->desc, reg->driver, reg->device, started,
				      started ? vn_queue_avail(q) : 0,
				      started ? vn_queue_used(q) : 0);
	}
	return g_variant_builder_end(&builder);
}

static void
table_save(GVariantDict *dict, const char *key, const VnMacTable *table)
{
	g_variant_dict_insert_value(dict, key,
				    g_variant_new("(b@ay)", table->overflow,
						  bytes_save(table->macs, 6 * (gsize)table->n)));
}

static GVariant *
state_save(JfInstance *inst, GError **error)
{
	VirtioNet *net = inst->priv;
	const VnFilter *filter = &net->filter;
	GVariantDict dict;

	(void)error;
	g_variant_dict_init(&dict, NULL);
	g_variant_dict_insert(&dict, "device_status", "y", net->status);
	g_variant_dict_insert(&dict, "driver_feature", "t", net->driver_features);
	g_variant_dict_insert(&dict, "features", "t", net->taken ? 0 : net->features);
	g_variant_dict_insert(&dict, "guest_offloads", "t", net->taken ? 0 : net->guest);
	g_variant_dict_insert(&dict, "device_feature_select", "u", net->device_feature_select);
	g_variant_dict_insert(&dict, "driver_feature_select", "u", net->driver_feature_select);
	g_variant_dict_insert(&dict, "queue_select", "q", net->queue_select);
	g_variant_dict_insert(&dict, "config_msix_vector", "q", net->config_vector);
	g_variant_dict_insert(&dict, "config_generation", "y", net->config_generation);
	g_variant_dict_insert(&dict, "isr_status", "y", net->isr);
	g_variant_dict_insert(&dict, "virtqueue_pairs", "u", net->pairs);
	g_variant_dict_insert(&dict, "announce", "b", net->announce);
	g_variant_dict_insert(&dict, "link", "b", net->link);
	g_variant_dict_insert_value(&dict, "mac", bytes_save(filter->mac, 6));
	g_variant_dict_insert(&dict, "rx_modes", "u", modes_pack(filter));
	table_save(&dict, "unicast", &filter->unicast);
	table_save(&dict, "multicast", &filter->multicast);
	g_variant_dict_insert_value(&dict, "vlans",
				    bytes_save(filter->vlans, sizeof filter->vlans));
	g_variant_dict_insert_value(&dict, "queues", queues_save(net));
	return g_variant_dict_end(&dict);
}

/* ---- Load ---- */

static gboolean
refuse(GError **error, const char *key)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "virtio state: '%s' is missing, of another type, or out of range", key);
	return FALSE;
}

static gboolean
bytes_load(GVariantDict *dict, const char *key, gpointer dst, gsize n)
{
	g_autoptr(GVariant)
		value = g_variant_dict_lookup_value(dict, key, G_VARIANT_TYPE_BYTESTRING);
	gconstpointer bytes;
	gsize len;

	if (!value)
		return FALSE;
	bytes = g_variant_get_fixed_array(value, &len, 1);
	if (len != n)
		return FALSE;
	memcpy(dst, bytes, n);
	return TRUE;
}

static gboolean
table_load(GVariantDict *dict, const char *key, VnMacTable *table)
{
	g_autoptr(GVariant) value = g_variant_dict_lookup_value(dict, key, G_VARIANT_TYPE("(bay)"));
	g_autoptr(GVariant) macs = NULL;
	gconstpointer bytes;
	gsize len;

	if (!value)
		return FALSE;
	g_variant_get(value, "(b@ay)", &table->overflow, &macs);
	bytes = g_variant_get_fixed_array(macs, &len, 1);
	if (len % 6 || len > sizeof table->macs)
		return FALSE;
	table->n = (guint32)(len / 6);
	if (len > 0)
		memcpy(table->macs, bytes, len);
	return TRUE;
}

static gboolean
queue_is_valid(const VirtioNet *net, const Saved *new, guint i)
{
	const VnPciQueue *reg = &new->regs[i];
	gboolean packed = (new->features &VIRTIO_F_RING_PACKED) != 0;
	guint mask = packed ? 0x7fff : 0;

	return reg->size > 0 && reg->size <= net->ring_size &&
	       (packed || !(reg->size & (reg->size - 1))) &&
	       (reg->vector < net->info.msix_vectors || reg->vector == VIRTIO_MSI_NO_VECTOR) &&
	       (!new->started[i] || reg->enabled) && (new->avail[i] & mask) < MAX(reg->size, 1) &&
	       (new->used[i] & mask) < MAX(reg->size, 1);
}

static gboolean
queues_load(const VirtioNet *net, GVariantDict *dict, Saved *new)
{
	g_autoptr(GVariant)
		value = g_variant_dict_lookup_value(dict, "queues", G_VARIANT_TYPE(QUEUES_TYPE));
	guint n = vn_transport_n_queues(net);

	if (!value || g_variant_n_children(value) != n)
		return FALSE;
	for (guint i = 0; i < n; i++) {
		VnPciQueue *reg = &new->regs[i];

		g_variant_get_child(value, i, "(qqbtttbqq)", &reg->size, &reg->vector,
				    &reg->enabled, &reg->desc, &reg->driver, &reg->device,
				    &new->started[i], &new->avail[i], &new->used[i]);
		if (!queue_is_valid(net, new, i))
			return FALSE;
	}
	return TRUE;
}

static gboolean
numbers_load(GVariantDict *dict, Saved *new, const char **bad)
{
	const struct {
		const char *key, *type;
		gpointer to;
	} fields[] = {
		{ "device_status", "y", &new->status },
		{ "driver_feature", "t", &new->driver_features },
		{ "features", "t", &new->features },
		{ "guest_offloads", "t", &new->guest },
		{ "device_feature_select", "u", &new->device_feature_select },
		{ "driver_feature_select", "u", &new->driver_feature_select },
		{ "queue_select", "q", &new->queue_select },
		{ "config_msix_vector", "q", &new->config_vector },
		{ "config_generation", "y", &new->generation },
		{ "isr_status", "y", &new->isr },
		{ "virtqueue_pairs", "u", &new->pairs },
		{ "announce", "b", &new->announce },
		{ "link", "b", &new->link },
		{ "rx_modes", "u", &new->modes },
	};

	for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
		*bad = fields[i].key;
		if (!g_variant_dict_lookup(dict, fields[i].key, fields[i].type, fields[i].to))
			return FALSE;
	}
	return TRUE;
}

static gboolean
features_are_valid(const VirtioNet *net, const Saved *new)
{
	return !(new->features & ~net->offered) && !vn_features_lacking(new->features) &&
	       !(new->guest & ~(new->features &VN_FEATURES_GUEST));
}

static gboolean
state_parse(const VirtioNet *net, GVariantDict *dict, Saved *new, GError **error)
{
	const char *bad = NULL;

	if (!numbers_load(dict, new, &bad))
		return refuse(error, bad);
	if (!features_are_valid(net, new))
		return refuse(error, "features");
	if (new->config_vector >= net->info.msix_vectors &&new->config_vector !=
	    VIRTIO_MSI_NO_VECTOR)
		return refuse(error, "config_msix_vector");
	if (new->pairs < 1 || new->pairs > net->pairs_max)
		return refuse(error, "virtqueue_pairs");
	if (new->modes >> MODES)
		return refuse(error, "rx_modes");
	if (!bytes_load(dict, "mac", new->filter.mac, 6))
		return refuse(error, "mac");
	if (!table_load(dict, "unicast", &new->filter.unicast))
		return refuse(error, "unicast");
	if (!table_load(dict, "multicast", &new->filter.multicast))
		return refuse(error, "multicast");
	if (!bytes_load(dict, "vlans", new->filter.vlans, sizeof new->filter.vlans))
		return refuse(error, "vlans");
	if (!queues_load(net, dict, new))
		return refuse(error, "queues");
	return TRUE;
}

static void
state_apply(VirtioNet *net, Saved *new)
{
	vn_transport_reset(net);
	net->driver_features = new->driver_features;
	net->device_feature_select = new->device_feature_select;
	net->driver_feature_select = new->driver_feature_select;
	net->queue_select = new->queue_select;
	net->config_vector = new->config_vector;
	net->config_generation = new->generation;
	net->announce = new->announce;
	net->link = new->link;
	net->status = new->status;
	net->pairs = new->pairs;
	modes_unpack(&new->filter, new->modes);
	new->filter.vlans_active = (new->features &VIRTIO_NET_F_CTRL_VLAN) != 0;
	vn_filter_update(&new->filter);
	vn_rx_lock_all(net);
	vn_features_set(net, new->features);
	vn_features_set_guest(net, new->guest);
	net->filter = new->filter;
	vn_rx_unlock_all(net);
	memcpy(net->regs, new->regs, sizeof net->regs);
	for (guint i = 0; i < vn_transport_n_queues(net); i++)
		vn_transport_restore_queue(net, i, new->started[i], new->avail[i], new->used[i]);
	vn_transport_set_pairs(net, net->pairs);
	vn_transport_restore_isr(net, new->isr);
}

static gboolean
state_load(JfInstance *inst, guint32 version, GVariant *state, GError **error)
{
	static const char *const known[] = { "device_status",
					     "driver_feature",
					     "features",
					     "guest_offloads",
					     "device_feature_select",
					     "driver_feature_select",
					     "queue_select",
					     "config_msix_vector",
					     "config_generation",
					     "isr_status",
					     "virtqueue_pairs",
					     "announce",
					     "link",
					     "rx_modes",
					     "mac",
					     "unicast",
					     "multicast",
					     "vlans",
					     "queues",
					     NULL };
	VirtioNet *net = inst->priv;
	g_autofree Saved *new = g_new0(Saved, 1);
	GVariantDict dict;
	GVariantIter iter;
	const char *key;
	gboolean parsed;

	if (version != VIRTIO_STATE_VERSION)
		return refuse(error, "version");
	g_variant_iter_init(&iter, state);
	while (g_variant_iter_next(&iter, "{&s*}", &key, NULL)) {
		if (!g_strv_contains(known, key))
			return refuse(error, key);
	}
	g_variant_dict_init(&dict, state);
	parsed = state_parse(net, &dict, new, error);
	g_variant_dict_clear(&dict);
	if (parsed && net->taken) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "%s: its rings are driven by a connector", inst->name);
		return FALSE;
	}
	if (parsed)
		state_apply(net, new);
	return parsed;
}

const JfState vn_state = {
	.struct_size = sizeof(JfState),
	.version = VIRTIO_STATE_VERSION,
	.save = state_save,
	.load = state_load,
};
