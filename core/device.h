/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.h - the PCI function around a model. */
#ifndef JF_DEVICE_H
#define JF_DEVICE_H

#include "jackfield/pci.h"

#include "instance.h"

/* For a model that was initialised. Error PLUGIN: its jf.pci/1 breaks a rule, which is named. */
JfDevice *jf_device_new(JfInstanceFull *model, GError **error);
void jf_device_free(JfDevice *device);

/* Answers to a model's query("jf.pci-host/1") and to a connector's query("jf.device/1"). */
const JfPciHost *jf_device_get_pci_host(void);
const JfDeviceInterface *jf_device_get_interface(void);

/* Configuration space and MSI-X as one entry of a card's state, on the worker while the card is
 * stopped. The entry's name is JF_DEVICE_IID, which no driver can have. Save returns a floating
 * reference. */
GVariant *jf_device_save(JfDevice *device);
/* After the model's own state. Error VALUE leaves the device as it was. */
gboolean jf_device_load(JfDevice *device, GVariant *entry, GError **error);

#endif
