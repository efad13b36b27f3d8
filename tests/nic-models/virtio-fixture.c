/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-fixture.c - a virtio card in the harness, its rings driven by jf.virtio/1. */
#include "virtio-fixture.h"

static void
on_notify(gpointer data, guint queue)
{
	Fixture *f = data;

	f->signals[queue]++;
}

static void
on_broken(gpointer data, guint queue)
{
	Fixture *f = data;

	f->broken[queue]++;
}

void
fixture_init(Fixture *f, const JfDriver *driver, const char *const *properties, guint64 features)
{
	static const JfVirtioCallbacks callbacks = { .struct_size = sizeof callbacks,
						     .notify = on_notify,
						     .broken = on_broken };
	g_autoptr(GError) error = NULL;

	*f = (Fixture){ .features = features };
	f->h = jf_harness_new(driver, properties, &error);
	g_assert_no_error(error);
	jf_harness_init(f->h, &error);
	g_assert_no_error(error);
	jf_harness_start(f->h, &error);
	g_assert_no_error(error);
	f->inst = jf_harness_get_instance(f->h);
	f->virtio = f->inst->driver->query(f->inst, JF_VIRTIO_IID);
	f->memory = (VdMemory){ .address = FIX_MEMORY_AT, .size = FIX_MEMORY_SIZE };
	f->memory.base = jf_harness_add_memory(f->h, FIX_MEMORY_AT, FIX_MEMORY_SIZE, TRUE);
	f->virtio->take(f->inst, &callbacks, f, &error);
	g_assert_no_error(error);
	f->virtio->set_features(f->inst, features, &error);
	g_assert_no_error(error);
}

void
fixture_ring(Fixture *f, guint queue, guint size, guint16 index, gboolean wrap)
{
	VdRing *ring = &f->rings[queue];
	g_autoptr(GError) error = NULL;
	guint flags = (f->features & F_PACKED ? VD_PACKED : 0) |
		      (f->features & F_EVENT_IDX ? VD_EVENT_IDX : 0) |
		      (f->features & F_IN_ORDER ? VD_IN_ORDER : 0);
	JfVirtioRing at = { .struct_size = sizeof at, .queue = queue, .size = size };

	vd_ring_init(ring, &f->memory, size, flags, index, wrap);
	at.desc = ring->desc;
	at.driver = ring->driver;
	at.device = ring->device;
	at.avail = at.used = vd_start_index(ring);
	f->virtio->ring_start(f->inst, &at, &error);
	g_assert_no_error(error);
	f->virtio->ring_enable(f->inst, queue, TRUE);
}

void
fixture_kick(Fixture *f, guint queue)
{
	if (vd_needs_kick(&f->rings[queue]))
		f->virtio->kick(f->inst, queue);
}

void
fixture_run(Fixture *f)
{
	/* As a worker before it sleeps: two turns in a row without work. */
	for (guint quiet = 0; quiet < 2; quiet++) {
		while (jf_harness_poll(f->h, 0))
			quiet = 0;
	}
	g_assert_null(jf_harness_get_violation(f->h));
}

void
fixture_clear(Fixture *f)
{
	fixture_run(f);
	f->virtio->release(f->inst);
	jf_harness_free(f->h);
	for (guint i = 0; i < G_N_ELEMENTS(f->rings); i++)
		vd_ring_clear(&f->rings[i]);
}
