/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-regs.h - registers, descriptors and their bits.
 *
 * Names and numbers: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual (8254x), chapter 13, and 3.2 and 3.3 for descriptors. "SDM" from here on.
 */
#ifndef E1000_REGS_H
#define E1000_REGS_H

#define E1000_CTRL 0x0000u
#define E1000_CTRL_DUP 0x0004u
#define E1000_STATUS 0x0008u
#define E1000_EECD 0x0010u
#define E1000_EERD 0x0014u
#define E1000_CTRL_EXT 0x0018u
#define E1000_MDIC 0x0020u
#define E1000_VET 0x0038u
#define E1000_ICR 0x00c0u
#define E1000_ITR 0x00c4u
#define E1000_ICS 0x00c8u
#define E1000_IMS 0x00d0u
#define E1000_IMC 0x00d8u
#define E1000_RCTL 0x0100u
#define E1000_TCTL 0x0400u
#define E1000_PBA 0x1000u
#define E1000_RDBAL 0x2800u
#define E1000_RDBAH 0x2804u
#define E1000_RDLEN 0x2808u
#define E1000_RDH 0x2810u
#define E1000_RDT 0x2818u
#define E1000_RDTR 0x2820u
#define E1000_RADV 0x282cu
#define E1000_RSRPD 0x2c00u
#define E1000_TDBAL 0x3800u
#define E1000_TDBAH 0x3804u
#define E1000_TDLEN 0x3808u
#define E1000_TDH 0x3810u
#define E1000_TDT 0x3818u
#define E1000_TIDV 0x3820u
#define E1000_TXDCTL 0x3828u
#define E1000_TADV 0x382cu
#define E1000_RXCSUM 0x5000u
#define E1000_MTA 0x5200u
#define E1000_RA 0x5400u
#define E1000_VFTA 0x5600u

/* Statistics, 13.7. */
#define E1000_MPC 0x4010u
#define E1000_PRC64 0x405cu
#define E1000_GPRC 0x4074u
#define E1000_BPRC 0x4078u
#define E1000_MPRC 0x407cu
#define E1000_GPTC 0x4080u
#define E1000_GORCL 0x4088u
#define E1000_GOTCL 0x4090u
#define E1000_RNBC 0x40a0u
#define E1000_ROC 0x40acu
#define E1000_TORL 0x40c0u
#define E1000_TOTL 0x40c8u
#define E1000_TPR 0x40d0u
#define E1000_TPT 0x40d4u
#define E1000_PTC64 0x40d8u
#define E1000_MPTC 0x40f0u
#define E1000_BPTC 0x40f4u
#define E1000_TSCTC 0x40f8u
#define E1000_TSCTFC 0x40fcu
#define E1000_STATS_FIRST 0x4000u
#define E1000_STATS_LAST 0x40fcu

#define CTRL_FD 0x00000001u
#define CTRL_SLU 0x00000040u
#define CTRL_SPEED_SHIFT 8
#define CTRL_FRCSPD 0x00000800u
#define CTRL_FRCDPX 0x00001000u
#define CTRL_SWDPIN2 0x00100000u /* MDIO of an 82543GC */
#define CTRL_SWDPIN3 0x00200000u /* MDC */
#define CTRL_SWDPIO2 0x01000000u /* MDIO is an output */
#define CTRL_RST 0x04000000u
#define CTRL_VME 0x40000000u
#define CTRL_PHY_RST 0x80000000u

#define CTRL_EXT_SDP4_DATA 0x00000010u /* an 82543GC's PHY reset, low is active */
#define CTRL_EXT_SDP4_DIR 0x00000100u
#define CTRL_EXT_EE_RST 0x00002000u

#define STATUS_FD 0x00000001u
#define STATUS_LU 0x00000002u
#define STATUS_SPEED_SHIFT 6

#define EECD_SK 0x001u
#define EECD_CS 0x002u
#define EECD_DI 0x004u
#define EECD_DO 0x008u
#define EECD_REQ 0x040u
#define EECD_GNT 0x080u
#define EECD_PRES 0x100u

#define EERD_START 0x01u
#define EERD_DONE 0x10u

#define MDIC_REG_SHIFT 16
#define MDIC_PHY_SHIFT 21
#define MDIC_OP_WRITE 0x04000000u
#define MDIC_OP_READ 0x08000000u
#define MDIC_R 0x10000000u
#define MDIC_I 0x20000000u
#define MDIC_E 0x40000000u

#define ICR_TXDW 0x00000001u
#define ICR_TXQE 0x00000002u
#define ICR_LSC 0x00000004u
#define ICR_RXDMT0 0x00000010u
#define ICR_RXO 0x00000040u
#define ICR_RXT0 0x00000080u
#define ICR_MDAC 0x00000200u
#define ICR_TXD_LOW 0x00008000u
#define ICR_SRPD 0x00010000u
#define ICR_CAUSES 0x0001ffffu

#define RCTL_EN 0x00000002u
#define RCTL_SBP 0x00000004u
#define RCTL_UPE 0x00000008u
#define RCTL_MPE 0x00000010u
#define RCTL_LPE 0x00000020u
#define RCTL_LBM 0x000000c0u
#define RCTL_RDMTS_SHIFT 8
#define RCTL_MO_SHIFT 12
#define RCTL_BAM 0x00008000u
#define RCTL_BSIZE_SHIFT 16
#define RCTL_VFE 0x00040000u
#define RCTL_CFIEN 0x00080000u
#define RCTL_CFI 0x00100000u
#define RCTL_DPF 0x00400000u
#define RCTL_PMCF 0x00800000u
#define RCTL_BSEX 0x02000000u
#define RCTL_SECRC 0x04000000u

#define TCTL_EN 0x00000002u
#define TCTL_PSP 0x00000008u

#define TIMER_DELAY 0x0000ffffu /* RDTR, RADV, TIDV, TADV */
#define TIMER_FPD 0x80000000u   /* RDTR, TIDV: flush now */

#define RXCSUM_PCSS 0x000000ffu
#define RXCSUM_IPOFLD 0x00000100u
#define RXCSUM_TUOFLD 0x00000200u
#define RXCSUM_IPV6OFL 0x00000400u

#define RAH_AS_SHIFT 16
#define RAH_AV 0x80000000u

/* Receive descriptors: status in bits 7:0, errors in 15:8. */
#define RXD_DD 0x0001u
#define RXD_EOP 0x0002u
#define RXD_IXSM 0x0004u
#define RXD_VP 0x0008u
#define RXD_TCPCS 0x0020u
#define RXD_IPCS 0x0040u
#define RXD_PIF 0x0080u
#define RXD_TCPE 0x2000u
#define RXD_IPE 0x4000u
#define RXD_RXE 0x8000u

/* Transmit descriptors: the command byte, 3.3.3.1 and 3.3.7.1. */
#define TXD_EOP 0x01u
#define TXD_IFCS 0x02u
#define TXD_IC 0x04u  /* legacy */
#define TXD_TSE 0x04u /* context and data */
#define TXD_RS 0x08u
#define TXD_DEXT 0x20u
#define TXD_VLE 0x40u
#define TXD_IDE 0x80u
#define TXD_POPTS_IXSM 0x01u
#define TXD_POPTS_TXSM 0x02u
/* Command byte of a context descriptor. */
#define TUCMD_TCP 0x01u
#define TUCMD_IP 0x02u

/* PHY registers, SDM 13.4.7 and the M88E1000's own. */
#define PHY_PCTRL 0u
#define PHY_PSTATUS 1u
#define PHY_PID1 2u
#define PHY_PID2 3u
#define PHY_ANA 4u
#define PHY_LPA 5u
#define PHY_ANE 6u
#define PHY_GCON 9u
#define PHY_GSTATUS 10u
#define PHY_PSCON 16u
#define PHY_PSSTAT 17u
#define PHY_PINTS 19u
#define PHY_EPSCON 20u

#define PCTRL_SPEED_MSB 0x0040u
#define PCTRL_DUPLEX 0x0100u
#define PCTRL_RESTART 0x0200u
#define PCTRL_POWER_DOWN 0x0800u
#define PCTRL_AUTONEG 0x1000u
#define PCTRL_SPEED_LSB 0x2000u
#define PCTRL_LOOPBACK 0x4000u
#define PCTRL_RESET 0x8000u

#endif
