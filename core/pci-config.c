/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-config.c - the configuration space of one PCI function.
 *
 * Four tables of 256 bytes: contents, contents after reset, bits that may be written, bits that
 * writing 1 clears. BAR sizing needs no code: the address bits below the size are not writable.
 */
#include "pci-config.h"

#include <string.h>

#define PCI_FIRST_CAP 0x40u
#define PCI_ROM_ENABLE 0x1u

static void
put(guint8 *table, guint offset, guint size, guint32 value)
{
	for (guint i = 0; i < size; i++)
		table[offset + i] = (guint8)(value >> (8 * i));
}

static gboolean
refuse(GError **error, const char *what, guint number)
{
	g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN, "jf.pci/1: %s %u", what, number);
	return FALSE;
}

static gboolean
config_add_bar(JfPciConfig *config, const JfPciInfo *info, guint i, GError **error)
{
	const JfPciBar *bar = &info->bars[i];
	gboolean io = (bar->flags & JF_BAR_IO) != 0, wide = (bar->flags & JF_BAR_64) != 0;
	guint64 mask = ~(bar->size - 1);
	guint offset = PCI_BAR0 + 4 * i;

	if (bar->size == 0)
		return TRUE;
	if ((bar->size & (bar->size - 1)) != 0 || bar->size < (io ? 4 : 16))
		return refuse(error, "size is not a power of two, or too small, of BAR", i);
	if (!wide && bar->size > 0x80000000u)
		return refuse(error, "size is over 2 GiB of 32-bit BAR", i);
	if (wide && (io || i + 1 == JF_PCI_BARS || info->bars[i + 1].size != 0))
		return refuse(error, "no room for the upper half of 64-bit BAR", i);
	put(config->writable, offset, 4, (guint32)mask & ~(io ? 3u : 15u));
	put(config->reset, offset, 4,
	    io ? 1u : (wide ? 4u : 0u) | (bar->flags & JF_BAR_PREFETCH ? 8u : 0u));
	if (wide)
		put(config->writable, offset + 4, 4, (guint32)(mask >> 32));
	return TRUE;
}

static gboolean
cap_fits(const guint8 *used, guint offset, guint len)
{
	if (offset < PCI_FIRST_CAP || (offset & 3) != 0 || offset + len > JF_PCI_CONFIG_SIZE)
		return FALSE;
	for (guint i = 0; i < len; i++)
		if (used[offset + i])
			return FALSE;
	return TRUE;
}

/* Puts a capability at the end of the list that ends at *link. */
static gboolean
config_add_cap(JfPciConfig *config, guint8 *used, guint8 *link, const JfPciCap *cap, guint number,
	       GError **error)
{
	guint offset = cap->offset ? cap->offset : PCI_FIRST_CAP;

	if (cap->len < 2 || cap->data == NULL)
		return refuse(error, "no contents of capability", number);
	while (cap->offset == 0 && offset < JF_PCI_CONFIG_SIZE && !cap_fits(used, offset, cap->len))
		offset += 4;
	if (!cap_fits(used, offset, cap->len))
		return refuse(error, "no room for capability", number);
	memset(used + offset, 1, cap->len);
	memcpy(config->reset + offset, cap->data, cap->len);
	if (cap->writable)
		memcpy(config->writable + offset, cap->writable, cap->len);
	config->reset[offset + 1] = 0;
	config->writable[offset] = config->writable[offset + 1] = 0;
	config->reset[*link] = (guint8)offset;
	*link = (guint8)(offset + 1);
	return TRUE;
}

static gboolean
config_add_msix(JfPciConfig *config, guint8 *used, guint8 *link, const JfPciInfo *info,
		GError **error)
{
	guint8 data[PCI_MSIX_CAP_LEN] = { PCI_CAP_ID_MSIX }, writable[PCI_MSIX_CAP_LEN] = { 0 };
	JfPciCap cap = { .len = PCI_MSIX_CAP_LEN, .data = data, .writable = writable };
	guint64 table_end = info->msix_table + 16ull * info->msix_vectors;
	guint64 pba_end = info->msix_pba + 8ull * ((info->msix_vectors + 63u) / 64u);

	if (info->msix_vectors > 2048)
		return refuse(error, "at most 2048 MSI-X vectors, not", info->msix_vectors);
	if (info->msix_bar >= JF_PCI_BARS || (info->bars[info->msix_bar].flags & JF_BAR_IO) ||
	    table_end > info->bars[info->msix_bar].size ||
	    pba_end > info->bars[info->msix_bar].size ||
	    ((info->msix_table | info->msix_pba) & 7) != 0 ||
	    (info->msix_table < pba_end && info->msix_pba < table_end))
		return refuse(error, "MSI-X table and PBA do not fit into BAR", info->msix_bar);
	put(data, 2, 2, info->msix_vectors - 1u);
	put(data, 4, 4, info->msix_table | info->msix_bar);
	put(data, 8, 4, info->msix_pba | info->msix_bar);
	put(writable, 2, 2, PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK);
	if (!config_add_cap(config, used, link, &cap, info->n_caps, error))
		return FALSE;
	config->msix = (guint8)(*link - 1);
	return TRUE;
}

static void
config_put_header(JfPciConfig *config, const JfPciInfo *info)
{
	gboolean caps = info->n_caps > 0 || info->msix_vectors > 0;

	put(config->reset, PCI_VENDOR_ID, 2, info->vendor);
	put(config->reset, PCI_DEVICE_ID, 2, info->device);
	put(config->reset, PCI_STATUS, 2, info->status | (caps ? PCI_STATUS_CAPABILITIES : 0));
	put(config->reset, PCI_REVISION_ID, 1, info->revision);
	put(config->reset, PCI_PROG_IF, 1, info->prog_if);
	put(config->reset, PCI_SUBCLASS, 1, info->subclass);
	put(config->reset, PCI_BASE_CLASS, 1, info->base_class);
	put(config->reset, PCI_SUBSYSTEM_VENDOR_ID, 2, info->subsystem_vendor);
	put(config->reset, PCI_SUBSYSTEM_ID, 2, info->subsystem);
	put(config->reset, PCI_INTERRUPT_PIN, 1, info->interrupt_pin);
	put(config->reset, PCI_MIN_GNT, 1, info->min_gnt);
	put(config->reset, PCI_MAX_LAT, 1, info->max_lat);
	put(config->writable, PCI_COMMAND, 2, 0x0547);
	put(config->clear, PCI_STATUS, 2, 0xf900);
	put(config->writable, PCI_CACHE_LINE_SIZE, 2, 0xffff);
	put(config->writable, PCI_INTERRUPT_LINE, 1, 0xff);
}

gboolean
jf_pci_config_init(JfPciConfig *config, const JfPciInfo *info, GError **error)
{
	guint8 used[JF_PCI_CONFIG_SIZE] = { 0 }, link = PCI_CAPABILITIES;

	memset(config, 0, sizeof *config);
	config_put_header(config, info);
	for (guint i = 0; i < JF_PCI_BARS; i++)
		if (!config_add_bar(config, info, i, error))
			return FALSE;
	for (guint i = 0; i < info->n_caps; i++)
		if (!config_add_cap(config, used, &link, &info->caps[i], i, error))
			return FALSE;
	if (info->msix_vectors > 0 && !config_add_msix(config, used, &link, info, error))
		return FALSE;
	jf_pci_config_reset(config);
	return TRUE;
}

void
jf_pci_config_reset(JfPciConfig *config)
{
	memcpy(config->bytes, config->reset, sizeof config->bytes);
}

void
jf_pci_config_set_rom(JfPciConfig *config, guint32 size)
{
	put(config->writable, PCI_ROM_BAR, 4, size ? (~(size - 1) | PCI_ROM_ENABLE) : 0);
	put(config->bytes, PCI_ROM_BAR, 4, 0);
}

gboolean
jf_pci_config_accepts(const JfPciConfig *config, const guint8 *bytes)
{
	for (guint i = 0; i < JF_PCI_CONFIG_SIZE; i++) {
		guint8 fixed = (guint8) ~(config->writable[i] | config->clear[i]);

		if (i == PCI_STATUS)
			fixed &= (guint8)~PCI_STATUS_INTERRUPT;
		if ((bytes[i] ^ config->reset[i]) & fixed)
			return FALSE;
	}
	return TRUE;
}

guint32
jf_pci_config_read(const JfPciConfig *config, guint offset, guint size)
{
	guint32 value = 0;

	for (guint i = 0; i < size; i++)
		value |= (guint32)config->bytes[offset + i] << (8 * i);
	return value;
}

void
jf_pci_config_write(JfPciConfig *config, guint offset, guint size, guint32 value)
{
	for (guint i = 0; i < size; i++) {
		guint8 byte = (guint8)(value >> (8 * i)), mask = config->writable[offset + i];
		guint8 *at = &config->bytes[offset + i];

		*at = (guint8)((*at & ~mask) | (byte & mask));
		*at &= (guint8) ~(byte & config->clear[offset + i]);
	}
}
