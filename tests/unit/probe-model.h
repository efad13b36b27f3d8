/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe-model.h - a model that does as its registers say, for tests of what is around a model.
 *
 * BAR 0, 4 KiB of memory: storage below PROBE_IRQ, then the registers below, then a buffer. BAR 1,
 * 32 bytes of I/O: the same first bytes. BAR 2, 64-bit: MSI-X. BAR 4: 1 MiB, prefetchable.
 */
#ifndef PROBE_MODEL_H
#define PROBE_MODEL_H

#include "jackfield/pci.h"

#define PROBE_IRQ 0x100u     /* level of INTx */
#define PROBE_MSIX 0x104u    /* sends that vector */
#define PROBE_ADDRESS 0x108u /* 8 bytes: guest memory */
#define PROBE_READ 0x110u    /* reads so many bytes into the buffer */
#define PROBE_WRITE 0x114u   /* writes so many bytes of the buffer */
#define PROBE_DONE 0x118u    /* whether that worked */
#define PROBE_BUFFER 0x200u
#define PROBE_BUFFER_LEN 0x200u
#define PROBE_VECTORS 4u
#define PROBE_TABLE 0x0u
#define PROBE_PBA 0x800u
#define PROBE_CAP 0x48u /* a capability: id 9, len 8, one byte that may be written */

typedef struct ProbeModel {
	JfInstance *inst;
	const JfPciHost *pci;
	guint8 bytes[0x1000];
	guint resets, bus_masters;
	gboolean bus_master;
	guint32 config_written;
} ProbeModel;

/* Driver "probe". */
extern const JfDriver probe_model_driver;
/* Attachment "null", for programs that load no plugin. */
extern const JfDriver probe_null_driver;
/* The instance made last; NULL: it is gone. */
extern ProbeModel *probe_model;

#endif
