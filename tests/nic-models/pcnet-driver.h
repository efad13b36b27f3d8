/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pcnet-driver.h - the driver's side of a PCnet chip in the harness. */
#ifndef PCNET_DRIVER_H
#define PCNET_DRIVER_H

#include "jackfield/harness.h"

/* Guest memory, below 16 MiB: 16-bit structures have 24-bit addresses. */
#define PC_RAM 0x400000u
#define PC_RAM_LEN 0x400000u
#define PC_BLOCK PC_RAM
#define PC_RX_RING (PC_RAM + 0x10000u)
#define PC_TX_RING (PC_RAM + 0x20000u)
#define PC_RX_BUFFERS (PC_RAM + 0x100000u)
#define PC_TX_BUFFERS (PC_RAM + 0x200000u)
#define PC_BUFFER 2048u

/* CSR0 */
#define PC_MERR 0x0800u
#define PC_MISS 0x1000u
#define PC_CERR 0x2000u
#define PC_RINT 0x0400u
#define PC_TINT 0x0200u
#define PC_IDON 0x0100u
#define PC_IENA 0x0040u
#define PC_RXON 0x0020u
#define PC_TXON 0x0010u
#define PC_TDMD 0x0008u
#define PC_STOP 0x0004u
#define PC_STRT 0x0002u
#define PC_INIT 0x0001u

/* Descriptor, upper half of the second word. */
#define PC_OWN 0x8000u
#define PC_ERR 0x4000u
#define PC_BUFF 0x0400u
#define PC_STP 0x0200u
#define PC_ENP 0x0100u

typedef struct PcDriver {
	JfHarness *h;
	guint8 *ram;
	guint style;            /* of BCR20: 0, 2, 3 */
	gboolean dwio;          /* accesses are 32 bits wide */
	guint rx_log2, tx_log2; /* of the rings */
	guint rx_buffer;        /* bytes of each receive buffer */
	guint rx, tx, tx_done;  /* next descriptors */
	guint16 mode;           /* CSR15 */
	guint8 mac[6];
	guint8 ladrf[8];
} PcDriver;

/* Sets the plugin: the program's first argument. */
void pc_init(int *argc, char ***argv);
/* A chip that runs with rings of these sizes. `id`: "Am79C970A" or "Am79C973". */
void pc_open(PcDriver *d, const char *id, guint style, guint rx_log2, guint tx_log2);
/* Only made and started; the fields above may be changed, then pc_run. */
void pc_make(PcDriver *d, const char *id);
/* The same on a card that is not the harness's own. */
void pc_make_card(PcDriver *d, const char *id, const JfCardInfo *card);
void pc_run(PcDriver *d);
/* The same by registers instead of the initialization block. */
void pc_run_by_csr(PcDriver *d);
/* Stops it, having checked that the contract was kept. */
void pc_close(PcDriver *d);
/* Lets posted work happen. */
void pc_turn(PcDriver *d);

guint16 pc_csr(PcDriver *d, guint reg);
void pc_csr_set(PcDriver *d, guint reg, guint16 value);
guint16 pc_bcr(PcDriver *d, guint reg);
void pc_bcr_set(PcDriver *d, guint reg, guint16 value);
void pc_reset(PcDriver *d);

/* Writes a descriptor whole: status is its upper half, bcnt its length as it is. */
void pc_rx_set(PcDriver *d, guint i, guint32 buffer, guint16 status, guint len);
void pc_tx_set(PcDriver *d, guint i, guint32 buffer, guint16 status, guint len);
guint16 pc_rx_status(PcDriver *d, guint i);
guint16 pc_tx_status(PcDriver *d, guint i);
/* RMD2 and TMD2 (16-bit: RMD3 and TMD3, errors in the upper half as in TMD2). */
guint32 pc_rx_extra(PcDriver *d, guint i);
guint32 pc_tx_extra(PcDriver *d, guint i);

/* Fills and gives away the next descriptors for a frame in `pieces` pieces, without TDMD; FALSE: the
 * ring is full. `bits`: more for the last one's status. */
gboolean pc_queue(PcDriver *d, const guint8 *data, guint len, guint pieces, guint16 bits);
void pc_demand(PcDriver *d);
/* The frame in the next receive descriptors, which are given back; its status goes to *status (may
 * be NULL). 0: none. With FCS. */
guint pc_take(PcDriver *d, guint8 *data, guint16 *status);

/* A frame for `dst` (NULL: this card) of `len` bytes that depend on `seq`. */
void pc_fill(PcDriver *d, guint8 *frame, guint len, const guint8 *dst, guint seq);
/* Expects the next frame that came out of the chip to be that one, padded. */
void pc_expect_out(PcDriver *d, const guint8 *frame, guint len);
/* Pushes it in and expects it in the ring. */
void pc_expect_in(PcDriver *d, const guint8 *frame, guint len);

#endif
