/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-card.h - a small driver of the virtio card, through the registers of either interface. */
#ifndef TEST_VIRTIO_CARD_H
#define TEST_VIRTIO_CARD_H

#include <jackfield/harness.h>

#include "virtio-driver.h"

#define C_CSUM (1ull << 0)
#define C_GUEST_CSUM (1ull << 1)
#define C_MTU (1ull << 3)
#define C_MAC (1ull << 5)
#define C_GUEST_TSO4 (1ull << 7)
#define C_HOST_TSO4 (1ull << 11)
#define C_MRG_RXBUF (1ull << 15)
#define C_STATUS (1ull << 16)
#define C_CTRL_VQ (1ull << 17)
#define C_CTRL_RX (1ull << 18)
#define C_CTRL_VLAN (1ull << 19)
#define C_MQ (1ull << 22)
#define C_INDIRECT (1ull << 28)
#define C_EVENT_IDX (1ull << 29)
#define C_VERSION_1 (1ull << 32)
#define C_PACKED (1ull << 34)
#define C_IN_ORDER (1ull << 35)

#define VC_PAIRS_MAX 4u
#define VC_QUEUES_MAX (2u * VC_PAIRS_MAX + 1u)
#define VC_QUEUE_SIZE 24u
#define VC_NUM_QUEUES 18u

typedef enum {
	VC_MODERN,
	VC_LEGACY,
} VcInterface;

typedef struct VcCard {
	JfHarness *h;
	JfInstance *inst;
	const JfPci *pci;
	VcInterface interface;
	gboolean msix;
	guint8 *memory;
	gsize memory_size;
	VdMemory heap;
	guint64 negotiated;
	guint n_queues, ctrl;
	VdRing rings[VC_QUEUES_MAX];
	guint64 buffers, sends, commands; /* guest addresses */
	guint sent, sent_back, received, received_on[VC_PAIRS_MAX];
} VcCard;

/* Started, in reset. */
void vc_init(VcCard *c, const JfDriver *driver, const char *const *properties,
	     VcInterface interface);
void vc_clear(VcCard *c);
/* Another instance in place of the one that is there (stopped), initialised; the rings stay. */
void vc_replace(VcCard *c, const JfDriver *driver, const char *const *properties);

guint64 vc_common_read(VcCard *c, guint at, guint size);
void vc_common_write(VcCard *c, guint at, guint size, guint64 value);
guint32 vc_config(VcCard *c, guint at, guint size);
guint8 vc_status(VcCard *c);
void vc_set_status(VcCard *c, guint8 status);
guint8 vc_isr(VcCard *c);
guint64 vc_offered(VcCard *c);
void vc_write_features(VcCard *c, guint64 features);
void vc_set_msix(VcCard *c, gboolean on);
void vc_reset(VcCard *c);
void vc_notify(VcCard *c, guint queue);

/* Negotiates what of `features` is offered and sets all queues up, with buffers in the receive
 * queues; bring_up also says DRIVER_OK. */
void vc_set_up(VcCard *c, guint64 features);
void vc_bring_up(VcCard *c, guint64 features);
/* RING_RESET of one queue, and up again. */
void vc_ring_reset(VcCard *c, guint queue);

/* A control command; its acknowledgement. */
guint8 vc_command(VcCard *c, guint8 class, guint8 cmd, gconstpointer data, gsize len);
/* A frame of `len` bytes by `number` on pair 0, or given ones on any. */
void vc_send(VcCard *c, guint len, guint number);
void vc_send_bytes(VcCard *c, guint pair, gconstpointer bytes, guint len);
/* Turns until nothing happens, takes back what was used, counts and checks it, refills. */
void vc_turn(VcCard *c);

#endif
