/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-fixture.h - a virtio card in the harness, its rings driven by jf.virtio/1. */
#ifndef TEST_VIRTIO_FIXTURE_H
#define TEST_VIRTIO_FIXTURE_H

#include <jackfield/harness.h>
#include <jackfield/virtio.h>

#include "virtio-driver.h"

#define FIX_MEMORY_AT 0x100000u
#define FIX_MEMORY_SIZE (48u * 1024u * 1024u)

#define F_CSUM (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_GUEST_TSO4 (1ull << 7)
#define F_HOST_TSO4 (1ull << 11)
#define F_MRG_RXBUF (1ull << 15)
#define F_INDIRECT (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)
#define F_PACKED (1ull << 34)
#define F_IN_ORDER (1ull << 35)

typedef struct Fixture {
	JfHarness *h;
	JfInstance *inst;
	const JfVirtio *virtio;
	VdMemory memory;
	VdRing rings[4];
	guint64 features;
	guint signals[4], broken[4];
} Fixture;

/* `properties` as for jf_harness_new. The instance is started and its rings are taken. */
void fixture_init(Fixture *f, const JfDriver *driver, const char *const *properties,
		  guint64 features);
/* A ring of `size` entries that starts at `index`, enabled. */
void fixture_ring(Fixture *f, guint queue, guint size, guint16 index, gboolean wrap);
void fixture_kick(Fixture *f, guint queue);
/* Turns until nothing happens. */
void fixture_run(Fixture *f);
void fixture_clear(Fixture *f);

#endif
