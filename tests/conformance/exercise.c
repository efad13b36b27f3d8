/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exercise.c - a bit of everything, the same each time. */
#include "conformance.h"

#include <string.h>

guint8 *
numbered_frame(guint32 number, gsize len)
{
	static const guint8 head[14] = { 0x08, 0x00, 0x27, 0x00, 0x00, 0x01, 0x08,
					 0x00, 0x27, 0x00, 0x00, 0x09, 0x88, 0xb5 };
	guint8 *frame = g_malloc(len);

	g_assert_cmpuint(len, >=, 60);
	memcpy(frame, head, sizeof head);
	for (gsize i = 0; i < 4; i++)
		frame[14 + i] = (guint8)(number >> (24 - 8 * i));
	for (gsize i = 18; i < len; i++)
		frame[i] = (guint8)(number * 31 + i);
	return frame;
}

guint
pull_all(JfHarness *h)
{
	JfHarnessFrame *frame;
	guint n = 0;

	for (guint i = 0; i < jf_harness_get_ports(h); i++)
		for (; (frame = jf_harness_pull(h, i)); n++)
			jf_harness_frame_free(frame);
	for (guint i = 0; i < jf_harness_get_joins(h); i++)
		for (; (frame = jf_harness_pull(h, JF_HARNESS_SWITCH(i))); n++)
			jf_harness_frame_free(frame);
	return n;
}

static void
turn(JfHarness *h)
{
	jf_harness_poll(h, 0);
	pull_all(h);
	jf_harness_crank(h, TURN_NS);
}

static void
push_mix(JfHarness *h, guint port)
{
	static const gsize lens[] = { 60, 61, 590, 1514, 1518, 9018 };

	for (guint i = 0; i < 3 * G_N_ELEMENTS(lens); i++) {
		gsize len = lens[i % G_N_ELEMENTS(lens)];
		g_autofree guint8 *frame = numbered_frame(i, len);

		if (i % 3 == 1)
			memset(frame, 0xff, 6);
		jf_harness_set_pieces(h, 1 + i % 5);
		jf_harness_push_bytes(h, port, frame, len);
	}
	turn(h);
}

/* Registers of a model at random, from a fixed seed: mostly low ones and bits that start things. */
static void
poke(JfHarness *h)
{
	const JfDriver *driver = jf_harness_get_instance(h)->driver;
	const JfPci *pci = driver->query ? driver->query(jf_harness_get_instance(h), JF_PCI_IID)
					 : NULL;
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);

	for (guint i = 0; pci && i < 4000; i++) {
		guint bar = g_rand_int(rand) % JF_PCI_BARS;
		guint64 bar_size = pci->info(jf_harness_get_instance(h))->bars[bar].size;
		guint64 reach = i % 4 ? MIN(bar_size, 0x40) : bar_size;
		guint64 offset = reach ? g_rand_int(rand) % reach : 0;
		guint size = 1u << (g_rand_int(rand) % 4);
		guint32 value = g_rand_int(rand) & (i % 3 ? 0x43 : 0xfffff);

		if (i % 2)
			jf_harness_bar_write(h, bar, offset, size, value);
		else
			jf_harness_bar_read(h, bar, offset, size);
		if (i % 500 == 499)
			turn(h);
	}
}

void
exercise(JfHarness *h)
{
	for (guint i = 0; i < jf_harness_get_ports(h); i++) {
		push_mix(h, i);
		jf_harness_set_link(h, i, FALSE);
		push_mix(h, i);
		jf_harness_set_link(h, i, TRUE);
		turn(h);
	}
	for (guint i = 0; i < jf_harness_get_joins(h); i++)
		if (jf_harness_get_join(h, i, NULL))
			push_mix(h, JF_HARNESS_SWITCH(i));
	poke(h);
	for (guint i = 0; i < 10; i++)
		turn(h);
	jf_harness_crank(h, 3600 * G_GUINT64_CONSTANT(1000000000));
	turn(h);
	jf_harness_set_pieces(h, 1);
}
