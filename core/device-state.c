/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device-state.c - save and load of a PCI function's own part: configuration space and MSI-X.
 *
 * The level of INTx is the model's to tell when it loads. Lines and vectors reach the VMM once it
 * attaches.
 */
#include "device-private.h"

#include <string.h>

#define DEVICE_STATE_VERSION 1u

static GVariant *
bytes_save(gconstpointer bytes, gsize n)
{
	return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, n, 1);
}

GVariant *
jf_device_save(JfDevice *device)
{
	GVariantDict dict;

	g_variant_dict_init(&dict, NULL);
	g_mutex_lock(&device->lock);
	device->config.bytes[PCI_STATUS] &= (guint8)~PCI_STATUS_INTERRUPT;
	g_variant_dict_insert_value(&dict, "configuration",
				    bytes_save(device->config.bytes, JF_PCI_CONFIG_SIZE));
	g_variant_dict_insert_value(&dict, "msix-table",
				    bytes_save(device->msix.table,
					       jf_msix_table_size(&device->msix)));
	g_variant_dict_insert_value(&dict, "msix-pending",
				    bytes_save(device->msix.pending,
					       jf_msix_pending_size(&device->msix)));
	g_mutex_unlock(&device->lock);
	return g_variant_new("(u@a{sv})", DEVICE_STATE_VERSION, g_variant_dict_end(&dict));
}

static gboolean
refuse(GError **error, const char *what)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "state of the PCI function: %s", what);
	return FALSE;
}

/* A copy of the bytes under `key` if there are exactly `n`, else NULL. */
static guint8 *
bytes_find(GVariant *state, const char *key, gsize n)
{
	g_autoptr(GVariant) value = g_variant_lookup_value(state, key, G_VARIANT_TYPE_BYTESTRING);
	guint8 *copy = g_malloc(n + 1);
	gconstpointer bytes;
	gsize len;

	if (!value || g_variant_n_children(value) != n) {
		g_free(copy);
		return NULL;
	}
	bytes = g_variant_get_fixed_array(value, &len, 1);
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

static void
device_set(JfDevice *device, const guint8 *configuration, const guint8 *table,
	   const guint8 *pending)
{
	g_mutex_lock(&device->lock);
	memcpy(device->config.bytes, configuration, JF_PCI_CONFIG_SIZE);
	if (device->msix.n > 0) {
		memcpy(device->msix.table, table, jf_msix_table_size(&device->msix));
		memcpy(device->msix.pending, pending, jf_msix_pending_size(&device->msix));
	}
	g_mutex_unlock(&device->lock);
	jf_device_config_changed(device);
}

gboolean
jf_device_load(JfDevice *device, GVariant *entry, GError **error)
{
	g_autofree guint8 *configuration = NULL, *table = NULL, *pending = NULL;
	g_autoptr(GVariant) state = NULL;
	guint32 version;

	if (!g_variant_is_of_type(entry, G_VARIANT_TYPE("(ua{sv})")))
		return refuse(error, "this is not it");
	g_variant_get(entry, "(u@a{sv})", &version, &state);
	if (version != DEVICE_STATE_VERSION)
		return refuse(error, "of a version that is not known");
	configuration = bytes_find(state, "configuration", JF_PCI_CONFIG_SIZE);
	table = bytes_find(state, "msix-table", jf_msix_table_size(&device->msix));
	pending = bytes_find(state, "msix-pending", jf_msix_pending_size(&device->msix));
	if (!configuration || !table || !pending || g_variant_n_children(state) != 3)
		return refuse(error, "a part is missing, unknown or of another size");
	if (!jf_pci_config_accepts(&device->config, configuration))
		return refuse(error, "it is of another device");
	device_set(device, configuration, table, pending);
	return TRUE;
}
