/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfio-user-fixture.c - a card with the vfio-user connector, for tests. */
#include "vfio-user-fixture.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../unit/probe-model.h"

const char *plugin;

void
fixture_main(int *argc, char ***argv)
{
	g_test_init(argc, argv, NULL);
	g_assert_cmpint(*argc, >=, 2);
	plugin = (*argv)[1];
}

void
fixture_init(Fixture *f, gconstpointer property)
{
	vu_host_init(&f->host, plugin);
	f->card = vu_host_card(&f->host, 0, property);
	f->memfd = memfd_create("ram", MFD_CLOEXEC);
	g_assert_cmpint(ftruncate(f->memfd, RAM_LEN), ==, 0);
	f->ram = mmap(NULL, RAM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	vu_client_open(&f->c, &f->host, 0);
}

void
fixture_finish(Fixture *f, gconstpointer property)
{
	(void)property;
	if (f->c.fd >= 0)
		vu_client_close(&f->c);
	jf_card_free(f->card);
	vu_host_finish(&f->host);
	munmap(f->ram, RAM_LEN);
	close(f->memfd);
}

guint64
reg(Fixture *f, guint offset, guint size)
{
	return vu_client_read(&f->c, 0, offset, size);
}

void
reg_set(Fixture *f, guint offset, guint64 value)
{
	guint size = offset == PROBE_ADDRESS ? 8 : 4;

	g_assert_cmpuint(vu_client_write(&f->c, 0, offset, size, value), ==, 0);
}

void
master(Fixture *f)
{
	g_assert_cmpuint(vu_client_write(&f->c, VU_CONFIG, 4, 2, 7), ==, 0);
}

gboolean
dma(Fixture *f, guint how, guint64 address, guint len)
{
	reg_set(f, PROBE_ADDRESS, address);
	reg_set(f, how, len);
	return reg(f, PROBE_DONE, 1) != 0;
}
