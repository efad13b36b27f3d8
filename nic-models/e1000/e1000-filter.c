/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * e1000-filter.c - which frames come in: receive addresses, multicast hash, promiscuous modes,
 * broadcast, and the VLAN filter. SDM 3.2.1 and chapter 9.
 */
#include "e1000.h"

#include <string.h>

#define RA_ENTRIES 16u
#define TAG_CFI 0x1000u

/* An entry of the exact filter says whether it is meant for the destination or the source. */
static gboolean
exact_match(const E1000 *e, const guint8 *head)
{
	for (guint i = 0; i < RA_ENTRIES; i++) {
		guint32 low = e1000_get(e, E1000_RA + 8 * i);
		guint32 high = e1000_get(e, E1000_RA + 8 * i + 4);
		guint select = high >> RAH_AS_SHIFT & 3;
		guint8 address[6] = {
			(guint8)low,         (guint8)(low >> 8), (guint8)(low >> 16),
			(guint8)(low >> 24), (guint8)high,       (guint8)(high >> 8)
		};

		if ((high & RAH_AV) && select < 2 && memcmp(address, head + 6 * select, 6) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Twelve bits of the last two bytes; RCTL.MO says which. SDM 13.5.1. */
static gboolean
hash_match(const E1000 *e, const guint8 *dst)
{
	static const guint8 shifts[] = { 4, 3, 2, 0 };
	guint offset = e1000_get(e, E1000_RCTL) >> RCTL_MO_SHIFT & 3;
	guint bit = ((guint)dst[5] << 8 | dst[4]) >> shifts[offset] & 0xfff;

	return (e1000_get(e, E1000_MTA + 4 * (bit >> 5)) >> (bit & 31) & 1) != 0;
}

static gboolean
inexact_match(const E1000 *e, const guint8 *dst)
{
	guint32 rctl = e1000_get(e, E1000_RCTL);

	if (dst[0] & 1)
		return (rctl & RCTL_MPE) != 0 || hash_match(e, dst);
	return (rctl & RCTL_UPE) != 0;
}

static gboolean
address_match(const E1000 *e, const guint8 *head, E1000Match *match)
{
	static const guint8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if ((e1000_get(e, E1000_RCTL) & RCTL_BAM) && memcmp(head, broadcast, 6) == 0)
		return TRUE;
	if (exact_match(e, head))
		return TRUE;
	match->inexact = inexact_match(e, head);
	return match->inexact;
}

/* The identifier's bit in VFTA, and with CFIEN the CFI bit that RCTL wants. */
static gboolean
vlan_match(const E1000 *e, guint16 tag)
{
	guint32 rctl = e1000_get(e, E1000_RCTL);
	guint id = tag & 0xfff;

	if (!(rctl & RCTL_VFE))
		return TRUE;
	if ((rctl & RCTL_CFIEN) && ((tag & TAG_CFI) != 0) != ((rctl & RCTL_CFI) != 0))
		return FALSE;
	return (e1000_get(e, E1000_VFTA + 4 * (id >> 5)) >> (id & 31) & 1) != 0;
}

/* Pause frames are for the MAC itself, unless RCTL.PMCF wants to see them. SDM 13.4.22. */
static gboolean
is_pause(const guint8 *head)
{
	static const guint8 pause[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x01 };

	return memcmp(head, pause, 6) == 0 && jf_get_be16(head + 12) == 0x8808;
}

gboolean
e1000_filter(const E1000 *e, const guint8 *head, E1000Match *match)
{
	guint32 rctl = e1000_get(e, E1000_RCTL);

	match->inexact = FALSE;
	match->tagged = jf_get_be16(head + 12) == e1000_get(e, E1000_VET);
	if (is_pause(head) && ((rctl & RCTL_DPF) || !(rctl & RCTL_PMCF)))
		return FALSE;
	if (!address_match(e, head, match))
		return FALSE;
	return !match->tagged || vlan_match(e, jf_get_be16(head + 14));
}
