/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pci-config.h - the configuration space of one PCI function (type 0 header). */
#ifndef JF_PCI_CONFIG_H
#define JF_PCI_CONFIG_H

#include "jackfield/pci.h"

/* Register offsets, PCI 3.0 6.1 and 6.2. */
#define PCI_VENDOR_ID 0x00
#define PCI_DEVICE_ID 0x02
#define PCI_COMMAND 0x04
#define PCI_STATUS 0x06
#define PCI_REVISION_ID 0x08
#define PCI_PROG_IF 0x09
#define PCI_SUBCLASS 0x0a
#define PCI_BASE_CLASS 0x0b
#define PCI_CACHE_LINE_SIZE 0x0c
#define PCI_LATENCY_TIMER 0x0d
#define PCI_BAR0 0x10
#define PCI_SUBSYSTEM_VENDOR_ID 0x2c
#define PCI_SUBSYSTEM_ID 0x2e
#define PCI_ROM_BAR 0x30
#define PCI_CAPABILITIES 0x34
#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN 0x3d
#define PCI_MIN_GNT 0x3e
#define PCI_MAX_LAT 0x3f

#define PCI_COMMAND_BUS_MASTER 0x0004u
#define PCI_COMMAND_INTX_DISABLE 0x0400u
#define PCI_STATUS_INTERRUPT 0x0008u
#define PCI_STATUS_CAPABILITIES 0x0010u

#define PCI_CAP_ID_MSIX 0x11
#define PCI_MSIX_CAP_LEN 12u
#define PCI_MSIX_ENABLE 0x8000u
#define PCI_MSIX_FUNCTION_MASK 0x4000u

typedef struct JfPciConfig {
	guint8 bytes[JF_PCI_CONFIG_SIZE];
	guint8 reset[JF_PCI_CONFIG_SIZE];    /* after RST# */
	guint8 writable[JF_PCI_CONFIG_SIZE]; /* bits that a write sets or clears */
	guint8 clear[JF_PCI_CONFIG_SIZE];    /* bits that writing 1 clears */
	guint8 msix;                         /* offset of the MSI-X capability, 0: none */
} JfPciConfig;

/* Lays the space out. Error PLUGIN: the description breaks a rule of pci.h, which is named. */
gboolean jf_pci_config_init(JfPciConfig *config, const JfPciInfo *info, GError **error);
void jf_pci_config_reset(JfPciConfig *config);
/* `size` of the expansion ROM: a power of two from 2 KiB on, 0: none, and its BAR reads as 0. */
void jf_pci_config_set_rom(JfPciConfig *config, guint32 size);
/* Whether `bytes`, JF_PCI_CONFIG_SIZE of them, differ only where a guest can change them. */
gboolean jf_pci_config_accepts(const JfPciConfig *config, const guint8 *bytes);

/* `size` 1, 2 or 4, offset + size <= 256. */
guint32 jf_pci_config_read(const JfPciConfig *config, guint offset, guint size);
void jf_pci_config_write(JfPciConfig *config, guint offset, guint size, guint32 value);

#endif
