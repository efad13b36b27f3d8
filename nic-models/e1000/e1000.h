/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* e1000.h - state of an Intel 8254x, and what its parts offer each other. */
#ifndef E1000_H
#define E1000_H

#include <jackfield/card.h>
#include <jackfield/driver.h>
#include <jackfield/pci.h>
#include <jackfield/util.h>

#include "e1000-regs.h"

#define E1000_MMIO_SIZE 0x20000u
#define E1000_IO_SIZE 8u
#define E1000_REG_SPACE 0x6000u /* what lies beyond has no registers */
#define E1000_EEPROM_WORDS 64u
#define E1000_PHY_REGS 32u
#define E1000_FCS_LEN 4u
#define E1000_TAG_LEN 4u
#define E1000_FRAME_MIN 60u /* without FCS */
#define E1000_RX_MAX 16384u /* with FCS */
#define E1000_TX_MAX 16288u /* the chip's transmit FIFO holds no longer packet */
#define E1000_ETH_MAX 1518u /* with FCS, without a tag; what RCTL.LPE lifts */
#define E1000_DESC_LEN 16u

#define E1000_TX_DESCS 1024u  /* most descriptors in one batch */
#define E1000_TX_PIECES 1024u /* pieces of all frames of a batch */
#define E1000_TX_PACKET_PIECES 60u
#define E1000_TX_HEAD 272u /* HDRLEN is 8 bits; a tag more */
#define E1000_TX_BOUNCE 66000u

typedef enum {
	E1000_82540EM,
	E1000_82543GC,
	E1000_82545EM,
} E1000Chip;

/* What falls due, all behind one timer of the host's. */
typedef enum {
	E1000_DUE_IRQ,  /* a held interrupt: ITR, or just after IMS was written */
	E1000_DUE_RX,   /* RDTR, RADV */
	E1000_DUE_TX,   /* TIDV, TADV */
	E1000_DUE_LINK, /* autonegotiation is done */
	E1000_DUES,
} E1000Due;

typedef struct E1000 E1000;

/* A register, or an array of equal ones. */
typedef struct E1000Reg {
	const char *name;
	guint32 offset, count;
	guint32 writable, reset;
	guint32 (*read)(E1000 *e, guint32 offset);
	void (*write)(E1000 *e, guint32 offset, guint32 value);
} E1000Reg;

/* A packet of the transmit ring in a batch, or context descriptors without one. */
typedef struct E1000TxPacket {
	guint descs, frames;   /* of the batch, up to its end */
	guint32 context[2][4]; /* as they are behind it */
	gboolean open;         /* more of its segments to come in the next batch */
	gboolean skip;         /* given up before its end */
	gboolean is_tso, is_bad;
} E1000TxPacket;

/* A frame of a batch. */
typedef struct E1000TxMark {
	guint32 done;         /* payload of its packet up to its end */
	guint32 wire, octets; /* frames that it is on the wire, and their octets with FCS */
} E1000TxMark;

/* A run over the transmit ring. Worker only, good between dma_enter and dma_leave. */
typedef struct E1000TxBatch {
	JfFrame frames[JF_BATCH_MAX];
	E1000TxMark marks[JF_BATCH_MAX];
	guint n_frames;
	E1000TxPacket packets[JF_BATCH_MAX];
	guint n_packets;
	guint8 cmd[E1000_TX_DESCS]; /* command byte of each descriptor */
	guint n_descs;
	struct iovec pieces[E1000_TX_PIECES];
	guint n_pieces;
	guint8 heads[JF_BATCH_MAX][E1000_TX_HEAD];
	guint8 bounce[E1000_TX_BOUNCE]; /* what does not lie in one piece of guest memory */
	guint bounced;
} E1000TxBatch;

struct E1000 {
	JfInstance *inst;
	const JfHost *host;
	const JfPciHost *pci;
	JfPciInfo info;
	E1000Chip chip;
	guint8 mac[6];
	guint64 link_delay; /* ns */

	/* Registers and all that receiving needs. Taken after dma_enter, never held in output. */
	GMutex lock;
	gboolean on_worker; /* whoever holds the lock is the worker */

	guint32 reg[E1000_REG_SPACE / 4];
	guint8 row[E1000_REG_SPACE / 4]; /* 1 + index into the register table; 0: no register */
	guint32 ioaddr;
	guint32 power_state; /* PMCSR */

	/* Interrupts. */
	gboolean line;
	guint64 irq_next;                 /* ns before which INTA stays low */
	guint64 rx_absolute, tx_absolute; /* ns; 0: RADV, TADV do not run */
	guint64 due[E1000_DUES];
	guint64 armed; /* what `timer` is set to */
	gboolean timer_posted;
	JfTimer *timer;

	/* Receive. */
	gboolean rx_stalled; /* frames were refused */
	gboolean ethernet_crc;

	/* Transmit; worker only. */
	gboolean tx_posted;
	gboolean tx_skip;         /* the rest of a packet that was given up */
	guint32 tx_done;          /* payload of the packet at TDH that is sent */
	guint32 tx_context[2][4]; /* context descriptors: [1] is the one for TSE */
	E1000TxBatch batch;

	/* EEPROM, its serial interface in the middle of something. */
	guint16 eeprom[E1000_EEPROM_WORDS];
	guint32 ee_shift, ee_bits, ee_out, ee_writable;

	/* PHY, its serial interface in the middle of something. */
	guint16 phy[E1000_PHY_REGS];
	gboolean cable;    /* what the host says */
	gboolean phy_link; /* the PHY's */
	gboolean phy_lost; /* and it was down since PSTATUS was read */
	gboolean link;     /* the MAC's: STATUS.LU */
	guint32 mdi_shift, mdi_bits, mdi_out;

	guint64 *interrupts, *dma_errors, *no_carrier, *missed, *tx_dropped, *rx_off;
};

static inline guint32
e1000_get(const E1000 *e, guint32 offset)
{
	return e->reg[offset / 4];
}

static inline void
e1000_put(E1000 *e, guint32 offset, guint32 value)
{
	e->reg[offset / 4] = value;
}

static inline guint64
e1000_now(const E1000 *e)
{
	return e->host->now(e->inst, JF_CLOCK_MONOTONIC);
}

/* e1000.c. The lock, taken by a callback that runs on the worker. */
void e1000_enter(E1000 *e);
void e1000_leave(E1000 *e);
/* A transmit run soon, but not inside the register write that asks for it. */
void e1000_transmit_soon(E1000 *e);

/* e1000-io.c, e1000-table.c */
extern const E1000Reg e1000_regs[];
extern const guint e1000_n_regs;
void e1000_regs_init(E1000 *e);
/* CTRL.RST, or all of it as after power-on. */
void e1000_reset(E1000 *e, gboolean power_on);
guint64 e1000_bar_read(JfInstance *inst, guint bar, guint64 offset, guint size);
void e1000_bar_write(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value);

/* e1000-irq.c, all with the lock. */
void e1000_raise(E1000 *e, guint32 causes);
void e1000_irq_update(E1000 *e);
void e1000_due_set(E1000 *e, E1000Due which, guint64 when);
/* Sets the host's timer to what falls due first. */
void e1000_timer_sync(E1000 *e);
void e1000_timer_fired(JfInstance *inst, gpointer data);
/* A frame came in, a descriptor went out with IDE: after the delays that the guest has set. */
void e1000_rx_interrupt(E1000 *e);
void e1000_tx_interrupt(E1000 *e);
guint32 e1000_icr_read(E1000 *e, guint32 offset);
void e1000_icr_write(E1000 *e, guint32 offset, guint32 value);
void e1000_ics_write(E1000 *e, guint32 offset, guint32 value);
void e1000_ims_write(E1000 *e, guint32 offset, guint32 value);
void e1000_imc_write(E1000 *e, guint32 offset, guint32 value);
guint32 e1000_imc_read(E1000 *e, guint32 offset);
void e1000_rdtr_write(E1000 *e, guint32 offset, guint32 value);
void e1000_tidv_write(E1000 *e, guint32 offset, guint32 value);

/* e1000-eeprom.c */
void e1000_eeprom_init(E1000 *e);
void e1000_eeprom_reset(E1000 *e);
guint32 e1000_eecd_read(E1000 *e, guint32 offset);
void e1000_eecd_write(E1000 *e, guint32 offset, guint32 value);
void e1000_eerd_write(E1000 *e, guint32 offset, guint32 value);

/* e1000-phy.c, with the lock. */
void e1000_phy_reset(E1000 *e);
void e1000_phy_set_cable(E1000 *e, gboolean up);
void e1000_phy_link_up(E1000 *e);
gboolean e1000_phy_is_loop(const E1000 *e);
/* STATUS.LU by the PHY and CTRL.SLU. */
void e1000_link_update(E1000 *e);
/* Speed as in STATUS.SPEED, and whether it is full duplex. */
guint e1000_phy_speed(const E1000 *e, gboolean *full);

/* e1000-mdio.c */
void e1000_mdic_write(E1000 *e, guint32 offset, guint32 value);
/* CTRL changes from `old` to `value`: the 82543GC's serial lines to its PHY. */
void e1000_mdi_clock(E1000 *e, guint32 old, guint32 value);
guint16 e1000_phy_read(E1000 *e, guint reg);
void e1000_phy_write(E1000 *e, guint reg, guint16 value);

/* e1000-crc.c: as zlib's crc32, and faster. Begin with 0. */
guint32 e1000_crc(guint32 crc, gconstpointer data, gsize len);

/* e1000-filter.c */
typedef struct E1000Match {
	gboolean inexact; /* RXD.PIF */
	gboolean tagged;  /* the type is VET */
} E1000Match;
/* Whether a frame that begins with these 18 bytes passes the address and VLAN filters. */
gboolean e1000_filter(const E1000 *e, const guint8 *head, E1000Match *match);

/* e1000-csum.c */
/* RXD status and errors for a frame whose first `head_len` bytes are at `head`. */
guint16 e1000_rx_csum(const E1000 *e, const JfFrame *frame, const guint8 *head, guint32 head_len);

/* e1000-rx.c */
guint e1000_input(JfInstance *inst, guint port, const JfFrame *frames, guint n);
/* One frame, with the lock and between dma_enter and dma_leave. FALSE: no room. */
gboolean e1000_receive(E1000 *e, const JfFrame *frame, gboolean looped);
/* The guest may have given descriptors back. */
void e1000_rx_room(E1000 *e);

/* e1000-tx.c */
void e1000_transmit(E1000 *e);
void e1000_tx_reset(E1000 *e);

/* e1000-packet.c: fills the batch with frames of the packets in `count` descriptors from `index` on,
 * in a ring of `len` at `base`. FALSE: the ring is not in guest memory. */
gboolean e1000_tx_fill(E1000 *e, E1000TxBatch *b, guint64 base, guint index, guint count,
		       guint len);

/* A packet as it lies in guest memory. */
typedef struct E1000TxData {
	struct iovec *iov;
	guint n_iov;
	guint32 len;
	guint8 first, last; /* command bytes of its first and last descriptor */
	gboolean extended;  /* data descriptors */
	guint8 popts;       /* of the first */
	guint8 css, cso;    /* legacy */
	guint16 special;    /* of the last */
	const guint32 *context;
} E1000TxData;

static inline JfFrame
e1000_tx_view(const E1000TxData *data)
{
	return (JfFrame){ .iov = data->iov, .n_iov = data->n_iov, .len = data->len };
}

/* e1000-frame.c. FALSE: it cannot be sent. */
gboolean e1000_tx_plain(E1000 *e, E1000TxBatch *b, const E1000TxData *data);
/* The batch's next frame: `head` bytes that are in its head buffer, then bytes from..to of the data,
 * with the tag that the packet asks for behind the addresses. */
JfFrame *e1000_tx_frame(E1000 *e, E1000TxBatch *b, const E1000TxData *data, guint head,
			guint32 from, guint32 to);
/* Bytes of tag that e1000_tx_frame adds. */
guint e1000_tx_tag_len(const E1000 *e, const E1000TxData *data);

/* e1000-tso.c: segments from payload `done` on, as many as there is room for; *open: not all. FALSE:
 * it cannot be sent. */
gboolean e1000_tx_tso(E1000 *e, E1000TxBatch *b, const E1000TxData *data, guint32 done,
		      gboolean *open);

/* e1000-stats.c, with the lock */
void e1000_stat_add(E1000 *e, guint32 offset, guint32 n);
void e1000_stat_received(E1000 *e, const guint8 *dst, guint32 len);
void e1000_stat_total_received(E1000 *e, guint32 len);
void e1000_stat_sent(E1000 *e, const JfFrame *frame, const E1000TxMark *mark);
guint32 e1000_stat_read(E1000 *e, guint32 offset);

/* e1000-state.c */
extern const struct JfState e1000_state;

#endif
