/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device-private.h - what device.c and its parts share. */
#ifndef JF_DEVICE_PRIVATE_H
#define JF_DEVICE_PRIVATE_H

#include "device.h"
#include "guest-memory.h"
#include "jackfield/vmm.h"
#include "msix.h"
#include "pci-config.h"

struct JfDevice {
	JfInstanceFull *model;
	const JfPci *pci;
	const JfPciInfo *info;
	JfPciConfig config;
	JfGuestMemory memory;
	gint bus_master;  /* atomic */
	gint memory_lost; /* atomic: the VMM was told */
	guint8 *rom;      /* padded; NULL: none */
	gsize rom_size;

	GMutex lock; /* what follows */
	JfMsix msix;
	gboolean level;    /* what the model drives */
	gboolean intx_off; /* command register */
	gboolean line;     /* what the VMM was told */
	JfDeviceCallbacks callbacks;
	gpointer data;
};

/* Tells the VMM when the line, as the function drives it now, has changed. Locked. */
void jf_device_update_line(JfDevice *device);
/* What the command register and the MSI-X control now say takes effect. */
void jf_device_config_changed(JfDevice *device);

#endif
