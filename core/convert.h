/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* convert.h - frames made fit for a receiver that does not take all offloads. */
#ifndef JF_CONVERT_H
#define JF_CONVERT_H

#include "jackfield/frame.h"

/* The receiver: how many it took, the first ones. */
typedef guint (*JfConvertFunc)(gpointer data, const JfFrame *frames, guint n);

typedef struct JfConversion {
	guint taken;  /* frames of the caller's that are done with: passed on in full, or bad */
	guint32 done; /* segments taken of the frame after those */
	guint64 bad;  /* bit i: frame i is not what its headers say; nothing of it was passed on */
} JfConversion;

/*
 * Gives `n` sane frames, at most JF_BATCH_MAX, to a receiver that takes `offloads`. `skip` segments
 * of the first one are left out: the receiver has them. Stops where the receiver takes no more.
 * Cutting is repeated for a frame that was taken in parts, so its parts fit together only as far as
 * jf_frame_segment does the same twice.
 */
JfConversion jf_convert(const JfFrame *frames, guint n, guint32 offloads, guint32 skip,
			JfConvertFunc func, gpointer data);

#endif
