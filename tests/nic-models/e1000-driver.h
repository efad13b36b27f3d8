/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000-driver.h - what a guest's driver does with an 8254x, in the harness. */
#ifndef E1000_DRIVER_H
#define E1000_DRIVER_H

#include <jackfield/harness.h>
#include <jackfield/util.h>

#include "../../nic-models/e1000/e1000-regs.h"

/* Guest memory: rings, receive buffers, and room for what is sent. A second region lies behind a
 * gap, a third follows it at once. */
#define NIC_MEMORY 0x400000u
#define NIC_TX_RING 0x1000u
#define NIC_RX_RING 0x11000u
#define NIC_BUFFERS 0x100000u
#define NIC_DATA 0x300000u
#define NIC_BUFFER_STEP 0x4000u
#define NIC_NOWHERE 0x900000000ull
#define NIC_SPLIT 0x800000u /* where the second and the third region meet */
#define NIC_SPLIT_LEN 0x10000u

#define MS G_GUINT64_CONSTANT(1000000)
#define US G_GUINT64_CONSTANT(1000)

typedef struct Nic {
	JfHarness *h;
	guint8 *memory, *below, *above; /* `below` and `above` meet at NIC_SPLIT */
	guint tx_len, tx_tail, rx_len, rx_tail, rx_next;
	guint rx_size; /* bytes in a receive buffer */
} Nic;

typedef struct RxDesc {
	guint64 address;
	guint16 len, csum;
	guint8 status, errors;
	guint16 special;
} RxDesc;

extern const guint8 nic_mac[6];

/* The plugin's file, from the program's arguments. */
void nic_main(int *argc, char ***argv);
/* Started, nothing programmed. `model` NULL: 82540EM. */
Nic *nic_new_with(const char *model, const char *const *properties);
Nic *nic_new(const char *model);
/* Also: link up, rings of 64, RCTL and TCTL on, buffers of 2048 bytes given. */
Nic *nic_up(const char *model);
/* Checks that the contract was kept. */
void nic_free(Nic *nic);

guint32 nic_read(Nic *nic, guint32 reg);
void nic_write(Nic *nic, guint32 reg, guint32 value);
void nic_set(Nic *nic, guint32 reg, guint32 bits);
void nic_clear(Nic *nic, guint32 reg, guint32 bits);
guint16 nic_phy_read(Nic *nic, guint reg);
void nic_phy_write(Nic *nic, guint reg, guint16 value);
/* Everything that is posted or due now. */
void nic_run(Nic *nic);
/* SLU, and what autonegotiation takes. */
void nic_link_up(Nic *nic);

void nic_tx_ring(Nic *nic, guint len);
void nic_tx_desc(Nic *nic, guint64 address, guint32 lower, guint32 upper);
void nic_tx_legacy(Nic *nic, guint64 address, guint len, guint8 cmd);
/* `special` and popts are in `upper`. */
void nic_tx_data(Nic *nic, guint64 address, guint len, guint8 cmd, guint8 popts, guint16 special);
void nic_tx_kick(Nic *nic); /* moves TDT and runs */
gboolean nic_tx_is_done(Nic *nic, guint index);
/* Context: checksum offsets for plain Ethernet, IPv4 or IPv6 without options, TCP or UDP. */
typedef struct TxContext {
	gboolean ipv6, udp, tso;
	guint l3, hdrlen, paylen, mss;
} TxContext;
void nic_tx_context(Nic *nic, const TxContext *context);

/* A ring of `len` with buffers of `size`, all but one given. RCTL gets the size and EN. */
void nic_rx_ring(Nic *nic, guint len, guint size);
RxDesc nic_rx_desc(Nic *nic, guint index);
/* The next received packet: its bytes, last descriptor in *last. NULL: none. Gives buffers back. */
guint8 *nic_receive(Nic *nic, gsize *len, RxDesc *last);
gboolean nic_push(Nic *nic, gconstpointer data, gsize len);

/* Frames, g_free. TCP and UDP have the right checksums; 20 bytes of TCP header. */
typedef struct FrameKind {
	gboolean ipv6, udp, tagged;
	guint16 tag;
	const guint8 *dst; /* NULL: the card */
} FrameKind;
guint8 *frame_make(const FrameKind *kind, gsize payload, gsize *len);
/* Offset of the transport header. */
guint frame_l4(const FrameKind *kind);
/* As a driver leaves it to the chip: IP checksum 0, pseudo-header sum in place; for segmentation
 * without lengths. */
void frame_open(guint8 *frame, gsize len, const FrameKind *kind, gboolean tso);
/* Whether IP and transport checksums and lengths of a plain frame are right. */
gboolean frame_is_good(const guint8 *frame, gsize len);

#endif
