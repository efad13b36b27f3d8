/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-pci.c - the card as a transitional PCI function (virtio 1.2, 4.1): ids, BARs, capabilities.
 *
 * BAR 0 has the legacy interface, BAR 1 the MSI-X table, BAR 2 the modern interface. A firmware that
 * cannot map BAR 2 reaches it through the PCI_CFG capability, a window in configuration space.
 */
#include "virtio-net.h"

#define BAR_LEGACY 0u
#define BAR_MSIX 1u
#define BAR_MODERN 2u
#define LEGACY_SIZE 64u
#define MSIX_SIZE 4096u
#define MSIX_PBA 2048u

#define CAP_COMMON 1u
#define CAP_NOTIFY 2u
#define CAP_ISR 3u
#define CAP_DEVICE 4u
#define CAP_PCI_CFG 5u
#define CAP_LEN 16u
#define CAP_LEN_LONG 20u
#define CAP_AT_PCI_CFG 0x84u

#define LE32(x) (x) & 0xff, (x) >> 8 & 0xff, (x) >> 16 & 0xff, (x) >> 24 & 0xff
#define CAP(len, type, bar, offset, size) 9, 0, len, type, bar, 0, 0, 0, LE32(offset), LE32(size)

static const guint8 cap_common[CAP_LEN] = { CAP(CAP_LEN, CAP_COMMON, BAR_MODERN, VN_MODERN_COMMON,
						VN_PAGE) };
static const guint8 cap_isr[CAP_LEN] = { CAP(CAP_LEN, CAP_ISR, BAR_MODERN, VN_MODERN_ISR,
					     VN_PAGE) };
static const guint8 cap_device[CAP_LEN] = { CAP(CAP_LEN, CAP_DEVICE, BAR_MODERN, VN_MODERN_DEVICE,
						VN_PAGE) };
static const guint8 cap_notify[CAP_LEN_LONG] = {
	CAP(CAP_LEN_LONG, CAP_NOTIFY, BAR_MODERN, VN_MODERN_NOTIFY, VN_PAGE), LE32(VN_NOTIFY_STEP)
};
static const guint8 cap_pci_cfg[CAP_LEN_LONG] = { CAP(CAP_LEN_LONG, CAP_PCI_CFG, 0, 0, 0) };
/* Bar, offset, length, data. */
static const guint8 cap_pci_cfg_writable[CAP_LEN_LONG] = { 0,    0,    0,    0,    0xff, 0,    0,
							   0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
							   0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static const JfPciCap caps[] = {
	{ .offset = 0x40, .len = CAP_LEN, .data = cap_common },
	{ .offset = 0x50, .len = CAP_LEN, .data = cap_isr },
	{ .offset = 0x60, .len = CAP_LEN, .data = cap_device },
	{ .offset = 0x70, .len = CAP_LEN_LONG, .data = cap_notify },
	{ .offset = CAP_AT_PCI_CFG,
	  .len = CAP_LEN_LONG,
	  .data = cap_pci_cfg,
	  .writable = cap_pci_cfg_writable },
};

void
vn_pci_init(VirtioNet *net)
{
	net->info = (JfPciInfo){
		.struct_size = sizeof net->info,
		.vendor = 0x1af4,
		.device = 0x1000,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x0001,
		.base_class = 0x02,
		.interrupt_pin = 1,
		.msix_bar = BAR_MSIX,
		/* One for each queue, one for the configuration. */
		.msix_vectors = (guint16)(vn_transport_n_queues(net) + 1),
		.msix_table = 0,
		.msix_pba = MSIX_PBA,
		.n_caps = G_N_ELEMENTS(caps),
		.caps = caps,
		.bars = {
			[BAR_LEGACY] = { .size = LEGACY_SIZE, .flags = JF_BAR_IO },
			[BAR_MSIX] = { .size = MSIX_SIZE },
			[BAR_MODERN] = { .size = VN_MODERN_SIZE },
		},
	};
}

static const JfPciInfo *
pci_info(JfInstance *inst)
{
	VirtioNet *net = inst->priv;

	return &net->info;
}

static guint64
pci_bar_read(JfInstance *inst, guint bar, guint64 offset, guint size)
{
	VirtioNet *net = inst->priv;
	guint64 value = G_MAXUINT64;

	if (!net->taken && bar == BAR_LEGACY)
		value = vn_legacy_read(net, (guint)offset, size);
	else if (!net->taken && bar == BAR_MODERN)
		value = vn_modern_read(net, (guint)offset, size);
	return size < 8 ? value & ((G_GUINT64_CONSTANT(1) << 8 * size) - 1) : value;
}

static void
pci_bar_write(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value)
{
	VirtioNet *net = inst->priv;

	if (net->taken)
		return;
	if (bar == BAR_LEGACY)
		vn_legacy_write(net, (guint)offset, size, value);
	else if (bar == BAR_MODERN)
		vn_modern_write(net, (guint)offset, size, value);
}

/* ---- The window: 4.1.4.9 ---- */

static gboolean
window_is_valid(const VirtioNet *net)
{
	const VnPciWindow *window = &net->window;

	return (window->length == 1 || window->length == 2 || window->length == 4) &&
	       window->bar == BAR_MODERN && window->offset % window->length == 0 &&
	       window->offset < VN_MODERN_SIZE;
}

/* A data access begins at the data register; others are plain storage. */
static gboolean
is_window_data(const VirtioNet *net, guint offset)
{
	return offset == CAP_AT_PCI_CFG + CAP_LEN && !net->taken && window_is_valid(net);
}

static guint32
pci_config_read(JfInstance *inst, guint offset, guint size, guint32 stored)
{
	VirtioNet *net = inst->priv;

	if (!is_window_data(net, offset))
		return stored;
	return (guint32)pci_bar_read(inst, net->window.bar, net->window.offset,
				     MIN(size, net->window.length));
}

static void
window_byte(VnPciWindow *window, guint at, guint8 byte)
{
	if (at == 4)
		window->bar = byte;
	else if (at >= 8 && at < 12)
		window->offset = (window->offset & ~(0xffu << 8 * (at - 8))) |
				 (guint32)byte << 8 * (at - 8);
	else if (at >= 12 && at < 16)
		window->length = (window->length & ~(0xffu << 8 * (at - 12))) |
				 (guint32)byte << 8 * (at - 12);
}

static void
pci_config_write(JfInstance *inst, guint offset, guint size, guint32 value)
{
	VirtioNet *net = inst->priv;

	if (is_window_data(net, offset)) {
		pci_bar_write(inst, net->window.bar, net->window.offset,
			      MIN(size, net->window.length), value);
		return;
	}
	for (guint i = 0; i < size && offset + i < CAP_AT_PCI_CFG + CAP_LEN; i++) {
		if (offset + i >= CAP_AT_PCI_CFG)
			window_byte(&net->window, offset + i - CAP_AT_PCI_CFG,
				    (guint8)(value >> 8 * i));
	}
}

static void
pci_reset(JfInstance *inst)
{
	VirtioNet *net = inst->priv;

	net->window = (VnPciWindow){ 0 };
	vn_transport_reset(net);
}

/* Some drivers let the card go before they let it reach memory. */
static void
pci_bus_master(JfInstance *inst, gboolean on)
{
	VirtioNet *net = inst->priv;

	if (!on)
		return;
	net->host->resume(inst, 0);
	vn_poll_wake(net);
}

const JfPci vn_pci = {
	.struct_size = sizeof(JfPci),
	.info = pci_info,
	.bar_read = pci_bar_read,
	.bar_write = pci_bar_write,
	.reset = pci_reset,
	.config_read = pci_config_read,
	.config_write = pci_config_write,
	.bus_master = pci_bus_master,
};
