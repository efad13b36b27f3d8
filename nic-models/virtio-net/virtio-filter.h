/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-filter.h - which frames the driver wants (virtio 1.2, 5.1.6.5). */
#ifndef VIRTIO_FILTER_H
#define VIRTIO_FILTER_H

#include <jackfield/frame.h>

#define VN_MACS_MAX 64u
#define VN_VLANS 4096u

typedef struct VnMacTable {
	guint32 n;
	gboolean overflow; /* the driver named more: any such address is for it */
	guint8 macs[VN_MACS_MAX][6];
} VnMacTable;

/* Read under a receive lock, changed under all of them. */
typedef struct VnFilter {
	gboolean active; /* FALSE: everything is wanted */
	gboolean promisc, allmulti, alluni, nomulti, nouni, nobcast;
	gboolean vlans_active;
	guint8 mac[6];
	VnMacTable unicast, multicast;
	guint32 vlans[VN_VLANS / 32];
} VnFilter;

/* As after reset: promiscuous until the driver says otherwise. */
void vn_filter_reset(VnFilter *filter, const guint8 mac[6], gboolean vlans_active);
/* Works out `active`. */
void vn_filter_update(VnFilter *filter);
gboolean vn_filter_accepts(const VnFilter *filter, const JfFrame *frame);

#endif
