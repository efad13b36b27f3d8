/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-filter.c - which frames the driver wants (virtio 1.2, 5.1.6.5). */
#include "virtio-filter.h"

#include <jackfield/util.h>
#include <string.h>

#define ETH_VLAN 0x8100u

void
vn_filter_reset(VnFilter *filter, const guint8 mac[6], gboolean vlans_active)
{
	*filter = (VnFilter){ .promisc = TRUE, .vlans_active = vlans_active };
	memcpy(filter->mac, mac, sizeof filter->mac);
}

void
vn_filter_update(VnFilter *filter)
{
	filter->active = !filter->promisc;
}

static gboolean
table_has(const VnMacTable *table, const guint8 *mac)
{
	if (table->overflow)
		return TRUE;
	for (guint i = 0; i < table->n; i++) {
		if (memcmp(table->macs[i], mac, 6) == 0)
			return TRUE;
	}
	return FALSE;
}

static gboolean
accepts_address(const VnFilter *filter, const guint8 *mac)
{
	static const guint8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (memcmp(mac, broadcast, 6) == 0)
		return !filter->nobcast;
	if (mac[0] & 1)
		return !filter->nomulti && (filter->allmulti || table_has(&filter->multicast, mac));
	return !filter->nouni && (filter->alluni || memcmp(mac, filter->mac, 6) == 0 ||
				  table_has(&filter->unicast, mac));
}

static gboolean
accepts_vlan(const VnFilter *filter, const guint8 *head)
{
	guint id;

	if (!filter->vlans_active || jf_get_be16(head + 12) != ETH_VLAN)
		return TRUE;
	id = jf_get_be16(head + 14) % VN_VLANS;
	return (filter->vlans[id / 32] >> id % 32 & 1) != 0;
}

gboolean
vn_filter_accepts(const VnFilter *filter, const JfFrame *frame)
{
	guint8 head[16] = { 0 };

	if (!jf_frame_copy(frame, 0, head, MIN(frame->len, sizeof head)))
		return FALSE;
	return accepts_vlan(filter, head) && accepts_address(filter, head);
}
