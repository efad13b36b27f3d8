/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio.h - "jf.virtio/1": the rings of a virtio-net model, driven by somebody other than its PCI
 * registers.
 *
 * A model answers its query with this. A connector whose protocol carries virtqueues themselves
 * (vhost-user) reaches it by "jf.device/1": it adds the guest's memory, asks query for the
 * interface, and makes every call inside call. The model moves frames between the rings and the
 * cable; the connector only tells it where rings are and when they were kicked.
 *
 * Queues are numbered as in virtio 1.2, 5.1.2: 2k receives into the guest for pair k, 2k + 1
 * transmits from it. The control queue is not among them: a front end keeps it to itself.
 */
#ifndef JACKFIELD_VIRTIO_H
#define JACKFIELD_VIRTIO_H

#include <glib.h>

#include "driver.h"

G_BEGIN_DECLS

#define JF_VIRTIO_IID "jf.virtio/1"

/* Most entries of a ring (virtio 1.2, 2.6 and 2.8). */
#define JF_VIRTIO_RING_MAX 32768u

/* A buffer as it is going to be used up. */
typedef struct JfVirtioUsed {
	guint16 id; /* the buffer's: of its first descriptor (split), as the driver gave it (packed) */
	guint16 count; /* entries of the ring that using it up passes: split 1, packed its descriptors,
			* in order also those of the buffers before it */
	guint32 len; /* bytes written into it */
} JfVirtioUsed;

/*
 * What a ring is about to do, in memory that outlives this process: whoever continues the ring after
 * a crash uses up the buffers in `used` that are not used up yet, and no frame is sent twice. The
 * model fills in `used` and then stores `state`, before the frames of a transmit batch leave and
 * before it writes the used descriptors of a packed receive ring; and stores `state` with n = 0 once
 * the batch is published.
 */
typedef struct JfVirtioMark {
	guint64 state; /* atomic: JfVirtioRing.avail | .used << 16, as before the batch | n << 32 */
	JfVirtioUsed used[64]; /* JF_BATCH_MAX */
} JfVirtioMark;

/* Where a ring lies and how far it is. Addresses are guest-physical, as memory was added. */
typedef struct JfVirtioRing {
	guint32 struct_size;
	guint32 queue;
	guint32 size;   /* entries, 1..JF_VIRTIO_RING_MAX; a power of two for a split ring */
	guint32 flags;  /* 0 */
	guint64 desc;   /* descriptor table, or the packed ring */
	guint64 driver; /* available ring, or the driver's event suppression */
	guint64 device; /* used ring, or the device's event suppression */
	/* The next entry to take, and the next one to use up. Split: free-running 16 bits. Packed:
	 * index in bits 0..14, wrap counter in bit 15. */
	guint16 avail, used;
	guint32 reserved;
	JfVirtioMark *mark; /* NULL: none; until ring_stop */
} JfVirtioRing;

/* How the model tells the connector. `data` is what take gave. */
typedef struct JfVirtioCallbacks {
	guint32 struct_size;
	guint32 reserved;
	/* Buffers of `queue` were used and the driver wants to know. At most once a batch. Any
	 * thread; must not call back. */
	void (*notify)(gpointer data, guint queue);
	/* `queue` broke a rule of virtio and is stopped. Any thread; must not call back. */
	void (*broken)(gpointer data, guint queue);
} JfVirtioCallbacks;

/* All on the model's worker, inside JfDeviceInterface.call. */
typedef struct JfVirtio {
	guint32 struct_size;
	guint32 reserved;
	/* Most queue pairs, 1..JF_VIRTIO_PAIRS_MAX. */
	guint (*pairs)(JfInstance *inst);
	/* What the model offers, bits of virtio 1.2, 5.1.3 and 6: all that concerns rings and
	 * frames, nothing that needs the control queue or a configuration space. */
	guint64 (*features)(JfInstance *inst);
	/* From now on the rings are the caller's; the PCI side is dead until release. Errors: BUSY. */
	gboolean (*take)(JfInstance *inst, const JfVirtioCallbacks *callbacks, gpointer data,
			 GError **error);
	/* Stops all rings, forgets features. Harmless when nothing was taken. */
	void (*release)(JfInstance *inst);
	/* Before the first ring_start. VALUE: a bit that is not offered, or without one that it needs. */
	gboolean (*set_features)(JfInstance *inst, guint64 features, GError **error);
	/* VALUE: bad size, or a part that is not in memory that was added; STATE: already started.
	 * A ring starts disabled unless it was enabled before. */
	gboolean (*ring_start)(JfInstance *inst, const JfVirtioRing *ring, GError **error);
	/* Nothing of the ring is touched afterwards. *ring (struct_size set by the caller) gets where
	 * it stood; FALSE: it was not started. */
	gboolean (*ring_stop)(JfInstance *inst, guint queue, JfVirtioRing *ring);
	/* A ring that is not enabled takes nothing: transmit waits, receive counts as full. */
	void (*ring_enable)(JfInstance *inst, guint queue, gboolean enable);
	/* The driver's notification. */
	void (*kick)(JfInstance *inst, guint queue);
} JfVirtio;

/* Most queue pairs of one card. */
#define JF_VIRTIO_PAIRS_MAX 16u

G_END_DECLS

#endif
