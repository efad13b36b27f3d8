/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet.h - registers and state of the PCnet family.
 *
 * Names and numbers: AMD Am79C970A data sheet (publication 19436), "Register Summary" and "User
 * Accessible Registers"; Am79C973/975 data sheet (publication 21510), the same chapters.
 */
#ifndef PCNET_H
#define PCNET_H

#include <jackfield/card.h>
#include <jackfield/driver.h>
#include <jackfield/pci.h>
#include <jackfield/util.h>

#define PCNET_CSRS 128u
#define PCNET_BCRS 51u
#define PCNET_PHY_REGS 32u
#define PCNET_IO_SIZE 32u
#define PCNET_APROM_SIZE 16u
#define PCNET_RING_MAX 512u
#define PCNET_CRC_LEN 4u
/* Frames beyond this never fit the chip's length counters as a driver uses them: a jumbo frame is
 * dropped without a trace in both directions. */
#define PCNET_FRAME_MAX 1536u
#define PCNET_FRAME_MIN 60u /* without FCS */

/* CSR0, controller status. */
#define CSR0_ERR 0x8000u
#define CSR0_BABL 0x4000u
#define CSR0_CERR 0x2000u
#define CSR0_MISS 0x1000u
#define CSR0_MERR 0x0800u
#define CSR0_RINT 0x0400u
#define CSR0_TINT 0x0200u
#define CSR0_IDON 0x0100u
#define CSR0_INTR 0x0080u
#define CSR0_IENA 0x0040u
#define CSR0_RXON 0x0020u
#define CSR0_TXON 0x0010u
#define CSR0_TDMD 0x0008u
#define CSR0_STOP 0x0004u
#define CSR0_STRT 0x0002u
#define CSR0_INIT 0x0001u
#define CSR0_EVENTS (CSR0_BABL | CSR0_MISS | CSR0_MERR | CSR0_RINT | CSR0_TINT | CSR0_IDON)
#define CSR0_CLEARED (CSR0_EVENTS | CSR0_CERR) /* by writing 1 */

/* CSR3, interrupt masks: the bits of CSR0_EVENTS at the same places. */
#define CSR3_WRITABLE 0x5f7cu
#define CSR3_DXMT2PD 0x0010u

/* CSR4, test and features. Each event has its mask one bit to the right. */
#define CSR4_DPOLL 0x1000u
#define CSR4_APAD_XMT 0x0800u
#define CSR4_ASTRP_RCV 0x0400u
#define CSR4_MFCO 0x0200u
#define CSR4_UINTCMD 0x0080u
#define CSR4_UINT 0x0040u
#define CSR4_RCVCCO 0x0020u
#define CSR4_TXSTRT 0x0008u
#define CSR4_JAB 0x0002u
#define CSR4_MASKED_EVENTS (CSR4_MFCO | CSR4_RCVCCO | CSR4_TXSTRT | CSR4_JAB)
#define CSR4_CLEARED (CSR4_MASKED_EVENTS | CSR4_UINT)
#define CSR4_WRITABLE 0xfd15u

/* CSR5, extended control and interrupt 1. Each event has its enable one bit to the right. */
#define CSR5_TOKINTD 0x8000u
#define CSR5_LTINTEN 0x4000u
#define CSR5_SINT 0x0800u
#define CSR5_SLPINT 0x0200u
#define CSR5_EXDINT 0x0080u
#define CSR5_MPINT 0x0010u
#define CSR5_SPND 0x0001u
#define CSR5_EVENTS (CSR5_SINT | CSR5_SLPINT | CSR5_EXDINT | CSR5_MPINT)
#define CSR5_WRITABLE 0xc56fu

/* CSR7 of the Am79C973, extended control and interrupt 2. As CSR5. */
#define CSR7_FASTSPNDE 0x8000u
#define CSR7_RDMD 0x2000u
#define CSR7_RXDPOLL 0x1000u
#define CSR7_STINT 0x0800u
#define CSR7_MREINT 0x0200u
#define CSR7_MAPINT 0x0080u
#define CSR7_MCCINT 0x0020u
#define CSR7_MCCIINT 0x0008u
#define CSR7_MIIPDTINT 0x0002u
#define CSR7_EVENTS \
	(CSR7_STINT | CSR7_MREINT | CSR7_MAPINT | CSR7_MCCINT | CSR7_MCCIINT | CSR7_MIIPDTINT)
#define CSR7_WRITABLE 0xd555u

/* CSR68, the configured speed: see csr68_read. */
#define CSR68_MANTISSA 0x1fffu
#define CSR68_EXPONENT_SHIFT 13u

/* CSR124, test. */
#define CSR124_RPA 0x0008u

/* CSR15, mode; also the first word of the initialization block. */
#define MODE_PROM 0x8000u
#define MODE_DRCVBC 0x4000u
#define MODE_DRCVPA 0x2000u
#define MODE_INTL 0x0040u
#define MODE_FCOLL 0x0010u
#define MODE_DXMTFCS 0x0008u
#define MODE_LOOP 0x0004u
#define MODE_DTX 0x0002u
#define MODE_DRX 0x0001u

/* Bus configuration registers. */
#define BCR_MC 2u
#define BCR_LED0 4u
#define BCR_FDC 9u
#define BCR_BSBC 18u
#define BCR_EECAS 19u
#define BCR_SWS 20u
#define BCR_STVAL 31u
#define BCR_MIICAS 32u
#define BCR_MIIADD 33u
#define BCR_MIIMDR 34u
#define BCR2_APROMWE 0x0100u
#define BCR18_DWIO 0x0080u
#define BCR20_APERREN 0x0400u
#define BCR20_CSRPCNET 0x0200u
#define BCR20_SSIZE32 0x0100u
#define BCR32_APEP 0x0800u
#define BCR32_DANAS 0x0080u
#define BCR32_XPHYRST 0x0040u
#define BCR32_XPHYANE 0x0020u

/* Upper half of the second descriptor word; the lower bits differ between RMD1 and TMD1. */
#define MD_OWN 0x8000u
#define MD_ERR 0x4000u
#define MD_STP 0x0200u
#define MD_ENP 0x0100u
#define RMD_FRAM 0x2000u
#define RMD_OFLO 0x1000u
#define RMD_CRC 0x0800u
#define RMD_BUFF 0x0400u
#define RMD_BPE 0x0080u
#define RMD_PAM 0x0040u
#define RMD_LAFM 0x0020u
#define RMD_BAM 0x0010u
#define TMD_ADD_FCS 0x2000u
#define TMD_LTINT 0x1000u
#define TMD_ONE 0x0800u
#define TMD_DEF 0x0400u
#define TMD_BPE 0x0080u
#define TMD2_BUFF 0x80000000u
#define TMD2_UFLO 0x40000000u
#define TMD2_LCAR 0x08000000u
#define TMD2_RTRY 0x04000000u

/* A descriptor of any software style, as one picture. */
typedef struct PcnetDescriptor {
	guint32 address; /* guest address of the descriptor itself */
	guint32 buffer;
	guint16 status; /* MD_*, RMD_* or TMD_* */
	guint16 bcnt;   /* two's complement of the buffer's length, low 12 bits */
	guint32 extra;  /* RMD2 or TMD2 */
} PcnetDescriptor;

typedef struct Pcnet {
	JfInstance *inst;
	const JfHost *host;
	const JfPciHost *pci;
	JfPciInfo info;
	gboolean is_973;
	guint32 line_speed; /* kbit/s as configured, 0: not set; CSR68 */

	guint16 csr[PCNET_CSRS];
	guint16 bcr[PCNET_BCRS];
	guint16 phy[PCNET_PHY_REGS];
	guint8 aprom[PCNET_APROM_SIZE];
	guint16 rap;

	gboolean link;         /* the cable as the host says */
	gboolean link_latched; /* BMSR has yet to show that it was down */
	guint tints;           /* frames sent that TINT has yet to tell of */
	JfTimer *tint;         /* when it does at the latest */
	gboolean tint_unseen;  /* TINT was set and CSR0 not read since */
	gboolean init_waits;   /* INIT found no memory: the bus-master bit may come later */
	gboolean miss_quietly; /* receive buffers of a Solaris guest, see pcnet-rx.c */
	guint8 runts;          /* RMD2.RPC: runts since the last frame was received */
	gboolean tx_posted;    /* a transmit run is on its way */
	gboolean tx_demands;   /* the driver asks by TDMD: no need to poll for ever */
	gboolean tx_polled;    /* polling has found frames of a driver that does not */
	guint64 stalled;       /* ns when receive first found no descriptor; 0: it has one */
	JfTimer *poll;         /* looks at the rings again */
	guint64 poll_at;       /* when, 0: not */
	guint64 poll_ns;       /* last time between two looks at an idle transmit ring */
	JfTimer *soft;         /* software timer, BCR31 */
	guint64 soft_ns;       /* its period, 0: never written */

	guint64 *jumbo, *no_carrier, *dma_errors;
} Pcnet;

/* pcnet-csr.c */
/* Reads the initialization block and reports how that went. */
void pcnet_csr_init(Pcnet *p);
void pcnet_reset(Pcnet *p, gboolean hard);
guint16 pcnet_csr_read(Pcnet *p, guint reg);
void pcnet_csr_write(Pcnet *p, guint reg, guint16 value);
void pcnet_update_irq(Pcnet *p);
void pcnet_event(Pcnet *p, guint16 csr0);

/* pcnet-bcr.c */
void pcnet_bcr_reset(Pcnet *p);
guint16 pcnet_bcr_read(Pcnet *p, guint reg);
void pcnet_bcr_write(Pcnet *p, guint reg, guint16 value);
void pcnet_phy_reset(Pcnet *p);
void pcnet_phy_link(Pcnet *p);
/* The software timer's period as BCR31 says. */
void pcnet_soft_timer_set(Pcnet *p);

/* pcnet-io.c */
void pcnet_aprom_init(Pcnet *p, const guint8 mac[6]);
guint64 pcnet_bar_read(JfInstance *inst, guint bar, guint64 offset, guint size);
void pcnet_bar_write(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value);

/* pcnet-ring.c */
gboolean pcnet_init_block(Pcnet *p);
guint pcnet_rx_ring_len(const Pcnet *p);
guint pcnet_tx_ring_len(const Pcnet *p);
/* Where the descriptor `ahead` of the current one lies. */
guint32 pcnet_rx_address(const Pcnet *p, guint ahead);
guint32 pcnet_tx_address(const Pcnet *p, guint ahead);
/* Loads the descriptor `ahead` of the current one; FALSE after a bus error. Between dma_enter and
 * dma_leave, as all below. */
gboolean pcnet_rx_load(Pcnet *p, guint ahead, PcnetDescriptor *d);
gboolean pcnet_tx_load(Pcnet *p, guint ahead, PcnetDescriptor *d);
/* Writes back what the chip changes, OWN last. */
gboolean pcnet_rx_store(Pcnet *p, const PcnetDescriptor *d);
gboolean pcnet_tx_store(Pcnet *p, const PcnetDescriptor *d);
/* Goes on by one descriptor. */
void pcnet_rx_advance(Pcnet *p);
void pcnet_tx_advance(Pcnet *p);
guint32 pcnet_buffer_len(const PcnetDescriptor *d);

/* pcnet-rx.c */
guint pcnet_input(JfInstance *inst, guint port, const JfFrame *frames, guint n);
/* A frame that the chip sent to itself; `runt`: shorter than any on the wire. */
void pcnet_loop_back(Pcnet *p, const guint8 *data, guint len, gboolean runt);
/* Measures the receive ring that the driver begins with. */
void pcnet_rx_start(Pcnet *p);
/* Reception has stopped: frames that wait for a descriptor are lost. */
void pcnet_rx_forget(Pcnet *p);
/* Looks for descriptors while frames wait for one. */
void pcnet_rx_poll(Pcnet *p);

/* pcnet-tx.c */
/* One batch. TRUE: there was something. */
gboolean pcnet_transmit(Pcnet *p);

/* Sets a TINT that is due; so does every pcnet_event. */
void pcnet_tint_flush(Pcnet *p);

/* pcnet-state.c */
extern const struct JfState pcnet_state;

/* pcnet.c: a transmit run soon, but not inside the register write that asks for it. */
void pcnet_transmit_soon(Pcnet *p);
void pcnet_soft_timer_arm(Pcnet *p);
/* Sees to it that the rings are looked at again within `ns`. */
void pcnet_poll_within(Pcnet *p, guint64 ns);

static inline guint32
pcnet_csr32(const Pcnet *p, guint low)
{
	return (guint32)p->csr[low + 1] << 16 | p->csr[low];
}

static inline void
pcnet_csr32_set(Pcnet *p, guint low, guint32 value)
{
	p->csr[low] = (guint16)value;
	p->csr[low + 1] = (guint16)(value >> 16);
}

static inline gboolean
pcnet_is_32bit(const Pcnet *p)
{
	return (p->bcr[BCR_SWS] & BCR20_SSIZE32) != 0;
}

#endif
