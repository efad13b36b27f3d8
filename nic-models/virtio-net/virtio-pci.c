/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-pci.c - the PCI function of the card. */
#include "virtio-net.h"

static const JfPciInfo info = {
	.struct_size = sizeof(JfPciInfo),
	.vendor = 0x1af4,
	.device = 0x1000,
	.subsystem_vendor = 0x1af4,
	.subsystem = 1,
	.base_class = 2,
	.interrupt_pin = 1,
};

static const JfPciInfo *
pci_info(JfInstance *inst)
{
	(void)inst;
	return &info;
}

static guint64
pci_bar_read(JfInstance *inst, guint bar, guint64 offset, guint size)
{
	(void)inst;
	(void)bar;
	(void)offset;
	(void)size;
	return G_MAXUINT64;
}

static void
pci_bar_write(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value)
{
	(void)inst;
	(void)bar;
	(void)offset;
	(void)size;
	(void)value;
}

static void
pci_reset(JfInstance *inst)
{
	VirtioNet *net = inst->priv;

	if (!net->taken)
		vn_net_reset(net);
}

const JfPci vn_pci = {
	.struct_size = sizeof(JfPci),
	.info = pci_info,
	.bar_read = pci_bar_read,
	.bar_write = pci_bar_write,
	.reset = pci_reset,
};
