/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.c - the PCI function around a model, as a VMM sees it. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jackfield/vmm.h"
#include "probe-model.h"

#define RAM 0x100000u
#define RAM_LEN 0x4000u

typedef struct Fixture {
	JfContext *context;
	JfWorker *worker;
	JfCard *card;
	JfDevice *device;
	guint8 ram[RAM_LEN];

	gboolean line;
	guint lines; /* how often it changed */
	guint vectors;
	guint vector;
	guint64 address;
	guint32 value;
	guint lost, released;
} Fixture;

static void
on_irq(gpointer data, gboolean level)
{
	Fixture *f = data;

	f->line = level;
	f->lines++;
}

static void
on_msix(gpointer data, guint vector, guint64 address, guint32 value)
{
	Fixture *f = data;

	f->vectors++;
	f->vector = vector;
	f->address = address;
	f->value = value;
}

static void
on_lost(gpointer data)
{
	((Fixture *)data)->lost++;
}

static const JfDeviceCallbacks callbacks = {
	.struct_size = sizeof callbacks,
	.set_irq = on_irq,
	.msix_notify = on_msix,
	.memory_lost = on_lost,
};

static JfCard *
make_card(Fixture *f)
{
	g_autoptr(GError) error = NULL;
	JfCardConfig config = {
		.struct_size = sizeof config,
		.machine = "web",
		.mac = { 8, 0, 0x27, 1, 2, 3 },
		.cable_connected = TRUE,
		.model = "probe",
		.worker = f->worker,
	};
	JfCard *card = jf_card_new(f->context, &config, &error);

	g_assert_no_error(error);
	return card;
}

static void
setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	f->context = jf_context_new(NULL, NULL);
	g_assert_true(jf_context_add_driver(f->context, &probe_null_driver, &error));
	g_assert_true(jf_context_add_driver(f->context, &probe_model_driver, &error));
	g_assert_no_error(error);
	f->worker = jf_worker_new_nested(f->context, &error);
	f->card = make_card(f);
	f->device = jf_card_get_device(f->card);
	jf_device_attach(f->device, &callbacks, f);
}

static void
teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	jf_card_free(f->card);
	jf_worker_free(f->worker);
	jf_context_free(f->context);
}

static guint32
config(Fixture *f, guint offset, guint size)
{
	return jf_device_config_read(f->device, offset, size);
}

static void
config_set(Fixture *f, guint offset, guint size, guint32 value)
{
	jf_device_config_write(f->device, offset, size, value);
}

static void
reg_set(Fixture *f, guint offset, guint64 value)
{
	jf_device_bar_write(f->device, 0, offset, offset == PROBE_ADDRESS ? 8 : 4, value);
}

static void
add_ram(Fixture *f, guint64 address, guint8 *base, guint64 size, guint32 flags)
{
	g_autoptr(GError) error = NULL;
	JfDeviceMemory memory = { .struct_size = sizeof memory,
				  .flags = flags,
				  .address = address,
				  .size = size,
				  .base = base };

	jf_device_add_memory(f->device, &memory, &error);
	g_assert_no_error(error);
}

/* ---- Configuration space ---- */

static void
test_header(Fixture *f, gconstpointer data)
{
	(void)data;
	g_assert_cmphex(config(f, 0x00, 4), ==, 0x10f01af4);
	g_assert_cmphex(config(f, 0x06, 2), ==, 0x0290);
	g_assert_cmphex(config(f, 0x08, 4), ==, 0x02000003);
	g_assert_cmphex(config(f, 0x0e, 2), ==, 0); /* header type 0, no BIST */
	g_assert_cmphex(config(f, 0x2c, 4), ==, 0x56781234);
	g_assert_cmphex(config(f, 0x3c, 4), ==, 0xff060100);
	config_set(f, 0x00, 4, 0);
	config_set(f, 0x2c, 4, 0);
	config_set(f, 0x3c, 4, 0x0b);
	g_assert_cmphex(config(f, 0x00, 4), ==, 0x10f01af4);
	g_assert_cmphex(config(f, 0x2c, 4), ==, 0x56781234);
	g_assert_cmphex(config(f, 0x3c, 4), ==, 0xff06010b);
	/* Memory write and invalidate, VGA snoop and special cycles are not there. */
	config_set(f, 0x04, 4, 0xffffffff);
	g_assert_cmphex(config(f, 0x04, 2), ==, 0x0547);
	g_assert_cmphex(config(f, 0x06, 2), ==, 0x0290);
	config_set(f, 0x0c, 2, 0x4010);
	g_assert_cmphex(config(f, 0x0c, 2), ==, 0x4010);
	jf_device_reset(f->device);
	g_assert_cmphex(config(f, 0x04, 2), ==, 0);
	g_assert_cmphex(config(f, 0x0c, 2), ==, 0);
	g_assert_cmphex(config(f, 0x3c, 1), ==, 0);
}

static void
test_accesses(Fixture *f, gconstpointer data)
{
	(void)data;
	g_assert_cmphex(config(f, 0x01, 1), ==, 0x1a);
	g_assert_cmphex(config(f, 0x01, 2), ==, 0xf01a);
	g_assert_cmphex(config(f, 0xff, 1), ==, 0);
	g_assert_cmphex(config(f, 0xff, 2), ==, 0xffffffff);
	g_assert_cmphex(config(f, 0x100, 1), ==, 0xffffffff);
	g_assert_cmphex(config(f, 0, 3), ==, 0xffffffff);
	g_assert_cmphex(config(f, 0, 8), ==, 0xffffffff);
	config_set(f, 0xff, 2, 1);
	config_set(f, 0x100, 1, 1);
	config_set(f, 0xfffffffe, 4, 1);
	g_assert_cmphex(jf_device_bar_read(f->device, 0, 0xffc, 4), ==, 0);
	g_assert_cmphex(jf_device_bar_read(f->device, 0, 0xffd, 4), ==, 0xffffffff);
	g_assert_cmphex(jf_device_bar_read(f->device, 0, G_MAXUINT64, 1), ==, 0xff);
	g_assert_cmphex(jf_device_bar_read(f->device, 3, 0, 4), ==, 0xffffffff);
	g_assert_cmphex(jf_device_bar_read(f->device, 6, 0, 2), ==, 0xffff);
	g_assert_cmphex(jf_device_bar_read(f->device, 0, 0, 3), ==, 0xffffff);
	/* Whatever a model returns, the size decides. */
	g_assert_cmphex(jf_device_bar_read(f->device, 4, 0, 2), ==, 0x7788);
	g_assert_cmphex(jf_device_bar_read(f->device, 4, 0, 8), ==, 0x1122334455667788);
	jf_device_bar_write(f->device, 0, 0xfff, 8, G_MAXUINT64);
	jf_device_bar_write(f->device, 5, 0, 4, 1);
	g_assert_cmphex(jf_device_bar_read(f->device, 0, 0xff8, 8), ==, 0);
}

static void
test_bars(Fixture *f, gconstpointer data)
{
	static const guint32 sizing[] = { 0xfffff000, 0xffffffe1, 0xfffff004,
					  0xffffffff, 0xfff00008, 0 };
	static const guint32 placed[] = { 0xaaaaa000, 0xaaaaaaa1, 0xaaaaa004,
					  0xaaaaaaaa, 0xaaa00008, 0 };

	(void)data;
	for (guint i = 0; i < 6; i++) {
		config_set(f, 0x10 + 4 * i, 4, 0xffffffff);
		g_assert_cmphex(config(f, 0x10 + 4 * i, 4), ==, sizing[i]);
		config_set(f, 0x10 + 4 * i, 2, 0xaaaa);
		config_set(f, 0x12 + 4 * i, 2, 0xaaaa);
		g_assert_cmphex(config(f, 0x10 + 4 * i, 4), ==, placed[i]);
	}
	jf_device_reset(f->device);
	g_assert_cmphex(config(f, 0x14, 4), ==, 1);
	g_assert_cmphex(config(f, 0x18, 4), ==, 4);
}

static void
test_capabilities(Fixture *f, gconstpointer data)
{
	(void)data;
	g_assert_cmphex(config(f, 0x34, 1), ==, PROBE_CAP);
	g_assert_cmphex(config(f, PROBE_CAP, 2), ==, 0x5009);
	g_assert_cmphex(config(f, 0x50, 4), ==, 0x00030011);
	g_assert_cmphex(config(f, 0x54, 4), ==, PROBE_TABLE | 2);
	g_assert_cmphex(config(f, 0x58, 4), ==, PROBE_PBA | 2);
	/* Ids and pointers stay whatever the model declares. */
	config_set(f, PROBE_CAP, 4, 0xffffffff);
	g_assert_cmphex(config(f, PROBE_CAP, 4), ==, 0xaa085009);
	config_set(f, PROBE_CAP + 4, 1, 0xff);
	g_assert_cmphex(config(f, PROBE_CAP + 4, 1), ==, 0x3c);
	g_assert_cmphex(probe_model->config_written, ==, 0xff);
	g_assert_cmphex(config(f, PROBE_CAP + 7, 1), ==, 0x77);
	config_set(f, 0x52, 2, 0xffff);
	g_assert_cmphex(config(f, 0x52, 2), ==, 0xc003);
	config_set(f, 0x54, 4, 0xffffffff);
	g_assert_cmphex(config(f, 0x54, 4), ==, PROBE_TABLE | 2);
}

static void
test_rom(Fixture *f, gconstpointer data)
{
	static const guint8 good[2049] = { 0x55, 0xaa, 4 }, bad[8] = { 0xaa, 0x55 };
	g_autoptr(GError) error = NULL;
	const guint8 *rom;
	gsize size;

	(void)data;
	config_set(f, 0x30, 4, 0xffffffff);
	g_assert_cmphex(config(f, 0x30, 4), ==, 0);
	g_assert_null(jf_device_get_rom(f->device, &size));
	g_assert_false(jf_device_set_rom(f->device, bad, sizeof bad, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_false(jf_device_set_rom(f->device, good, 2, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_assert_true(jf_device_set_rom(f->device, good, sizeof good, NULL));
	rom = jf_device_get_rom(f->device, &size);
	g_assert_cmpuint(size, ==, 4096);
	g_assert_cmpmem(rom, sizeof good, good, sizeof good);
	g_assert_cmphex(rom[2049], ==, 0xff);
	g_assert_cmphex(rom[4095], ==, 0xff);
	config_set(f, 0x30, 4, 0xfffff800);
	g_assert_cmphex(config(f, 0x30, 4), ==, 0xfffff000);
	config_set(f, 0x30, 4, 0xfeb00001);
	g_assert_cmphex(config(f, 0x30, 4), ==, 0xfeb00001);
	jf_device_reset(f->device);
	g_assert_cmphex(config(f, 0x30, 4), ==, 0);
	g_assert_true(jf_device_set_rom(f->device, NULL, 0, NULL));
	config_set(f, 0x30, 4, 0xffffffff);
	g_assert_cmphex(config(f, 0x30, 4), ==, 0);
}

/* ---- Interrupts ---- */

static void
test_intx(Fixture *f, gconstpointer data)
{
	(void)data;
	reg_set(f, PROBE_IRQ, 1);
	g_assert_true(f->line);
	g_assert_cmphex(config(f, 0x06, 1), ==, 0x98);
	reg_set(f, PROBE_IRQ, 1);
	g_assert_cmpuint(f->lines, ==, 1);
	/* Disabled: the line falls, the status bit stays (PCI 3.0, 6.2.3). */
	config_set(f, 0x04, 2, 0x0400);
	g_assert_false(f->line);
	g_assert_cmphex(config(f, 0x06, 1), ==, 0x98);
	config_set(f, 0x04, 2, 0);
	g_assert_true(f->line);
	/* MSI-X silences it. */
	config_set(f, 0x52, 2, 0x8000);
	g_assert_false(f->line);
	config_set(f, 0x52, 2, 0);
	g_assert_true(f->line);
	reg_set(f, PROBE_IRQ, 0);
	g_assert_false(f->line);
	g_assert_cmphex(config(f, 0x06, 1), ==, 0x90);
	g_assert_cmpuint(f->lines, ==, 6);
}

static void
test_attach(Fixture *f, gconstpointer data)
{
	guint resets = probe_model->resets;

	(void)data;
	reg_set(f, PROBE_IRQ, 1);
	config_set(f, 0x04, 2, 7);
	jf_device_detach(f->device);
	g_assert_cmpuint(probe_model->resets, ==, resets + 1);
	g_assert_false(probe_model->bus_master);
	g_assert_cmpuint(f->lines, ==, 1); /* nobody is there to hear of the fall */
	reg_set(f, PROBE_IRQ, 1);
	f->line = FALSE;
	jf_device_attach(f->device, &callbacks, f);
	g_assert_true(f->line);
	jf_device_reset(f->device);
	g_assert_false(f->line);
}

static void
table_set(Fixture *f, guint vector, guint64 address, guint32 value, guint32 control)
{
	guint64 at = PROBE_TABLE + 16 * vector;

	jf_device_bar_write(f->device, 2, at, 8, address);
	jf_device_bar_write(f->device, 2, at + 8, 4, value);
	jf_device_bar_write(f->device, 2, at + 12, 4, control);
}

static guint64
pending(Fixture *f)
{
	return jf_device_bar_read(f->device, 2, PROBE_PBA, 8);
}

static void
test_msix(Fixture *f, gconstpointer data)
{
	(void)data;
	g_assert_cmphex(jf_device_bar_read(f->device, 2, PROBE_TABLE + 12, 4), ==, 1);
	table_set(f, 1, 0xfee00000, 0x4041, 0);
	table_set(f, 3, 0x1fee00000, 0x4043, 1);
	g_assert_cmphex(jf_device_bar_read(f->device, 2, 0x10, 8), ==, 0xfee00000);
	g_assert_cmphex(jf_device_bar_read(f->device, 2, 0x1a, 2), ==, 0);
	g_assert_cmphex(jf_device_bar_read(f->device, 2, 0x19, 1), ==, 0x40);
	reg_set(f, PROBE_MSIX, 1);
	g_assert_cmpuint(f->vectors, ==, 0); /* off: lost */
	g_assert_cmphex(pending(f), ==, 0);
	config_set(f, 0x52, 2, 0x8000);
	reg_set(f, PROBE_MSIX, 1);
	g_assert_cmpuint(f->vectors, ==, 1);
	g_assert_cmphex(f->address, ==, 0xfee00000);
	g_assert_cmphex(f->value, ==, 0x4041);
	/* A masked vector is pending, and once however often it is sent. */
	reg_set(f, PROBE_MSIX, 3);
	reg_set(f, PROBE_MSIX, 3);
	g_assert_cmpuint(f->vectors, ==, 1);
	g_assert_cmphex(pending(f), ==, 8);
	jf_device_bar_write(f->device, 2, PROBE_PBA, 8, 0xff); /* read-only */
	g_assert_cmphex(pending(f), ==, 8);
	/* One access may reach into the next entry. */
	jf_device_bar_write(f->device, 2, PROBE_TABLE + 0x2c, 8, 1 | 0xfee00000ull << 32);
	jf_device_bar_write(f->device, 2, PROBE_TABLE + 0x3c, 1, 0);
	g_assert_cmpuint(f->vectors, ==, 2);
	g_assert_cmphex(f->address, ==, 0x1fee00000);
	g_assert_cmphex(pending(f), ==, 0);
	/* The function mask holds back all of them. */
	config_set(f, 0x53, 1, 0xc0);
	reg_set(f, PROBE_MSIX, 1);
	reg_set(f, PROBE_MSIX, 3);
	reg_set(f, PROBE_MSIX, 4);
	reg_set(f, PROBE_MSIX, 0xffffffff);
	g_assert_cmpuint(f->vectors, ==, 2);
	g_assert_cmphex(pending(f), ==, 10);
	config_set(f, 0x53, 1, 0x80);
	g_assert_cmpuint(f->vectors, ==, 4);
	jf_device_reset(f->device);
	g_assert_cmphex(jf_device_bar_read(f->device, 2, PROBE_TABLE + 0x1c, 4), ==, 1);
	g_assert_cmphex(jf_device_bar_read(f->device, 2, PROBE_TABLE + 0x10, 4), ==, 0);
	reg_set(f, PROBE_MSIX, 1);
	g_assert_cmpuint(f->vectors, ==, 4);
}

static void
test_vmm_msix(Fixture *f, gconstpointer data)
{
	JfDeviceCallbacks own = callbacks;

	(void)data;
	own.flags = JF_DEVICE_VMM_MSIX;
	jf_device_attach(f->device, &own, f);
	reg_set(f, PROBE_MSIX, 2);
	g_assert_cmpuint(f->vectors, ==, 0);
	config_set(f, 0x52, 2, 0x8000);
	reg_set(f, PROBE_MSIX, 2); /* masked in our table, which is not the VMM's */
	reg_set(f, PROBE_MSIX, PROBE_VECTORS);
	g_assert_cmpuint(f->vectors, ==, 1);
	g_assert_cmpuint(f->vector, ==, 2);
}

/* ---- Guest memory ---- */

static gboolean
dma(Fixture *f, guint reg, guint64 address, guint len)
{
	reg_set(f, PROBE_ADDRESS, address);
	reg_set(f, reg, len);
	return probe_model->bytes[PROBE_DONE];
}

static void
test_bus_master(Fixture *f, gconstpointer data)
{
	(void)data;
	add_ram(f, RAM, f->ram, RAM_LEN, JF_MEMORY_WRITE);
	f->ram[5] = 42;
	g_assert_false(dma(f, PROBE_READ, RAM, 8));
	config_set(f, 0x04, 1, 4);
	config_set(f, 0x04, 1, 4);
	g_assert_cmpuint(probe_model->bus_masters, ==, 1);
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(probe_model->bytes[PROBE_BUFFER + 5], ==, 42);
	config_set(f, 0x04, 1, 0);
	g_assert_false(probe_model->bus_master);
	g_assert_false(dma(f, PROBE_WRITE, RAM, 8));
	jf_device_set_bus_master(f->device, TRUE);
	g_assert_true(dma(f, PROBE_WRITE, RAM + 8, 8));
	g_assert_cmpuint(f->ram[13], ==, 42);
	jf_device_reset(f->device);
	g_assert_false(dma(f, PROBE_READ, RAM, 8));
}

static void
add_bad(Fixture *f, guint64 address, guint64 size)
{
	g_autoptr(GError) error = NULL;
	JfDeviceMemory memory = {
		.struct_size = sizeof memory, .address = address, .size = size, .base = f->ram
	};

	g_assert_false(jf_device_add_memory(f->device, &memory, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
}

static void
test_regions(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	add_ram(f, RAM + 0x1000, f->ram + 0x2000, 0x1000, JF_MEMORY_WRITE);
	add_ram(f, RAM, f->ram, 0x1000, JF_MEMORY_WRITE);
	add_ram(f, RAM + 0x2000, f->ram + 0x3000, 0x1000, 0);
	add_ram(f, G_MAXUINT64 - 0xfff, f->ram + 0x1000, 0x1000, JF_MEMORY_WRITE);
	add_bad(f, RAM, 0x1000);
	add_bad(f, RAM - 1, 2);
	add_bad(f, RAM + 0x2fff, 1);
	add_bad(f, RAM - 0x1000, 0x100000);
	add_bad(f, 0, 0);
	add_bad(f, G_MAXUINT64, 2);
	config_set(f, 0x04, 1, 4);
	memset(probe_model->bytes + PROBE_BUFFER, 'x', 32);
	/* Across two regions that lie apart in this process. */
	g_assert_true(dma(f, PROBE_WRITE, RAM + 0xff0, 32));
	g_assert_cmpuint(f->ram[0xfff], ==, 'x');
	g_assert_cmpuint(f->ram[0x1000], ==, 0);
	g_assert_cmpuint(f->ram[0x200f], ==, 'x');
	/* Into one that is read-only: nothing of it is written. */
	g_assert_false(dma(f, PROBE_WRITE, RAM + 0x1ff0, 32));
	g_assert_cmpuint(f->ram[0x2ff0], ==, 0);
	g_assert_true(dma(f, PROBE_READ, RAM + 0x1ff0, 32));
	g_assert_false(dma(f, PROBE_READ, RAM + 0x2ff0, 32));
	g_assert_false(dma(f, PROBE_READ, RAM - 1, 2));
	g_assert_true(dma(f, PROBE_READ, G_MAXUINT64 - 15, 16));
	g_assert_false(dma(f, PROBE_READ, G_MAXUINT64 - 15, 17));
	g_assert_false(jf_device_remove_memory(f->device, RAM, 0x2000, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_NOT_FOUND);
	g_assert_true(jf_device_remove_memory(f->device, RAM, 0x1000, NULL));
	g_assert_false(dma(f, PROBE_READ, RAM, 1));
}

typedef struct Reader {
	gint inside, go; /* atomic */
	guint8 *at;
	GThread *thread;
} Reader;

static gpointer
reader_run(gpointer data)
{
	Reader *reader = data;
	ProbeModel *p = probe_model;

	p->pci->dma_enter(p->inst);
	reader->at = p->pci->dma_map(p->inst, RAM, 16, TRUE);
	g_atomic_int_set(&reader->inside, TRUE);
	while (!g_atomic_int_get(&reader->go))
		g_usleep(100);
	reader->at[0] = 7; /* a region that was released would fault here */
	g_atomic_int_set(&reader->inside, FALSE);
	p->pci->dma_leave(p->inst);
	return NULL;
}

static gpointer
let_go(gpointer data)
{
	g_usleep(20 * 1000);
	g_atomic_int_set(&((Reader *)data)->go, TRUE);
	return NULL;
}

static void
on_release(gpointer base, guint64 size, gpointer data)
{
	((Fixture *)data)->released++;
	munmap(base, size);
}

/* A region that somebody uses goes only once he has finished. */
static void
test_in_use(Fixture *f, gconstpointer data)
{
	guint8 *base =
		mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	JfDeviceMemory memory = { .struct_size = sizeof memory,
				  .flags = JF_MEMORY_WRITE,
				  .address = RAM,
				  .size = 0x1000,
				  .base = base,
				  .release = on_release,
				  .data = f };
	Reader reader = { 0 };
	GThread *timer;

	(void)data;
	g_assert_true(jf_device_add_memory(f->device, &memory, NULL));
	config_set(f, 0x04, 1, 4);
	reader.thread = g_thread_new("reader", reader_run, &reader);
	while (!g_atomic_int_get(&reader.inside))
		g_usleep(100);
	timer = g_thread_new("timer", let_go, &reader);
	g_assert_true(jf_device_remove_memory(f->device, RAM, 0x1000, NULL));
	g_assert_false(g_atomic_int_get(&reader.inside));
	g_assert_cmpuint(f->released, ==, 1);
	g_thread_join(reader.thread);
	g_thread_join(timer);
}

/* A file that its owner cuts short reads as zeros, and the guest is told of once. */
static void
test_lost(Fixture *f, gconstpointer data)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	guint8 *base;

	(void)data;
	g_assert_true(jf_guard_shared_memory(NULL));
	g_assert_true(jf_guard_shared_memory(NULL));
	g_assert_cmpint(ftruncate(fd, 0x4000), ==, 0);
	base = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(base, 'x', 0x4000);
	add_ram(f, RAM, base, 0x2000, JF_MEMORY_WRITE | JF_MEMORY_FILE);
	add_ram(f, RAM + 0x2000, base + 0x2000, 0x2000, JF_MEMORY_WRITE | JF_MEMORY_FILE);
	add_ram(f, RAM + 0x100000, f->ram, RAM_LEN, JF_MEMORY_WRITE);
	config_set(f, 0x04, 1, 4);
	g_assert_true(dma(f, PROBE_READ, RAM + 0x2000, 8));
	g_assert_cmpint(ftruncate(fd, 0x2000), ==, 0);
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(f->lost, ==, 0);
	g_assert_true(dma(f, PROBE_READ, RAM + 0x2000, 8));
	g_assert_cmpuint(probe_model->bytes[PROBE_BUFFER], ==, 0);
	g_assert_cmpuint(f->lost, ==, 1);
	g_assert_true(dma(f, PROBE_WRITE, RAM + 0x3000, 8));
	g_assert_cmpuint(f->lost, ==, 1);
	g_assert_cmpuint(base[0], ==, 'x');
	jf_device_detach(f->device);
	jf_device_attach(f->device, &callbacks, f);
	munmap(base, 0x4000);
	close(fd);
	add_ram(f, RAM, f->ram, RAM_LEN, JF_MEMORY_WRITE);
	config_set(f, 0x04, 1, 4);
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
	g_assert_cmpuint(f->lost, ==, 1);
}

/* A SIGBUS elsewhere still ends the process. */
static void
test_other_bus_error(void)
{
	int fd;
	volatile guint8 *base;

	if (g_test_subprocess()) {
		jf_guard_shared_memory(NULL);
		fd = memfd_create("other", MFD_CLOEXEC);
		base = mmap(NULL, 0x1000, PROT_READ, MAP_SHARED, fd, 0);
		g_assert_cmpuint(base[0], ==, 0);
		return;
	}
	g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
	g_test_trap_assert_failed();
}

/* ---- State ---- */

static GVariant *
save(JfCard *card)
{
	g_autoptr(GError) error = NULL;
	GVariant *state = jf_card_save(card, &error);

	g_assert_no_error(error);
	return state;
}

/* A fresh card in place of the old one, with nothing but its state. */
static void
replace_card(Fixture *f, GVariant *state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) again = NULL;

	jf_card_free(f->card);
	f->card = make_card(f);
	f->device = jf_card_get_device(f->card);
	f->line = FALSE;
	jf_card_load(f->card, state, &error);
	g_assert_no_error(error);
	again = save(f->card);
	g_assert_true(g_variant_equal(state, again));
}

static void
test_save_load(Fixture *f, gconstpointer data)
{
	g_autoptr(GVariant) state = NULL;

	(void)data;
	config_set(f, 0x10, 4, 0xfebf0000);
	config_set(f, 0x04, 2, 0x0007);
	config_set(f, 0x52, 2, 0xc000);
	table_set(f, 2, 0xfee01000, 0x42, 0);
	reg_set(f, PROBE_MSIX, 2);
	reg_set(f, PROBE_IRQ, 1);
	reg_set(f, 0, 0xdeadbeef);
	state = save(f->card);
	replace_card(f, state);
	g_assert_true(probe_model->bus_master);
	g_assert_cmphex(config(f, 0x10, 4), ==, 0xfebf0000);
	g_assert_cmphex(jf_device_bar_read(f->device, 0, 0, 4), ==, 0xdeadbeef);
	g_assert_cmphex(pending(f), ==, 4);
	add_ram(f, RAM, f->ram, RAM_LEN, JF_MEMORY_WRITE);
	jf_device_attach(f->device, &callbacks, f);
	g_assert_false(f->line);
	g_assert_cmpuint(f->vectors, ==, 0);
	config_set(f, 0x53, 1, 0x80);
	g_assert_cmpuint(f->vectors, ==, 1);
	g_assert_cmphex(f->address, ==, 0xfee01000);
	config_set(f, 0x53, 1, 0);
	g_assert_true(f->line);
	g_assert_true(dma(f, PROBE_READ, RAM, 8));
}

/* What was pending without a mask, and a line that was high, reach a VMM that comes later. */
static void
test_load_then_attach(Fixture *f, gconstpointer data)
{
	g_autoptr(GVariant) state = NULL;

	(void)data;
	jf_device_detach(f->device);
	config_set(f, 0x52, 2, 0x8000);
	table_set(f, 2, 0xfee01000, 0x42, 0);
	reg_set(f, PROBE_MSIX, 2);
	state = save(f->card);
	replace_card(f, state);
	g_assert_cmpuint(f->vectors, ==, 0);
	jf_device_attach(f->device, &callbacks, f);
	g_assert_cmpuint(f->vectors, ==, 1);
	g_assert_cmphex(pending(f), ==, 0);
}

static void
refuse_load(Fixture *f, const char *left_out, const char *key, GVariant *value)
{
	g_autoptr(GVariant) before = save(f->card), bad = NULL, after = NULL;
	g_autoptr(GVariantDict) dict = g_variant_dict_new(before);
	g_autoptr(GError) error = NULL;

	if (left_out)
		g_variant_dict_remove(dict, left_out);
	if (key)
		g_variant_dict_insert_value(dict, key, value);
	bad = g_variant_ref_sink(g_variant_dict_end(dict));
	g_assert_false(jf_card_load(f->card, bad, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	after = save(f->card);
	g_assert_true(g_variant_equal(before, after));
}

/* The device's own entry with one part changed. */
static GVariant *
altered(Fixture *f, const char *key, guint at, guint8 byte, guint len)
{
	g_autoptr(GVariant) state = save(f->card);
	g_autoptr(GVariant) entry = g_variant_lookup_value(state, JF_DEVICE_IID, NULL);
	g_autoptr(GVariant) parts = g_variant_get_child_value(entry, 1);
	g_autoptr(GVariantDict) dict = g_variant_dict_new(parts);
	g_autoptr(GVariant) part = g_variant_dict_lookup_value(dict, key, NULL);
	g_autofree guint8 *bytes = g_malloc0(MAX(len, 4096));

	if (part)
		memcpy(bytes, g_variant_get_data(part), g_variant_get_size(part));
	bytes[at] = byte;
	g_variant_dict_insert_value(dict, key,
				    g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, len, 1));
	return g_variant_new("(u@a{sv})", 1, g_variant_dict_end(dict));
}

static void
test_hostile_state(Fixture *f, gconstpointer data)
{
	(void)data;
	reg_set(f, 0, 0x11223344);
	config_set(f, 0x04, 1, 4);
	refuse_load(f, "probe", NULL, NULL);
	refuse_load(f, JF_DEVICE_IID, NULL, NULL);
	refuse_load(f, NULL, JF_DEVICE_IID, g_variant_new_uint32(1));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "configuration", 0, 0, 256));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "configuration", 0x34, 0xff, 256));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "configuration", 0x11, 0x08, 256));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "configuration", 0x30, 1, 256));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "configuration", 0x04, 0, 255));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "configuration", 0x04, 0, 257));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "msix-table", 0, 0, 63));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "msix-table", 0, 0, 4096));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "msix-pending", 0, 0, 0));
	refuse_load(f, NULL, JF_DEVICE_IID, altered(f, "unknown", 0, 0, 1));
}

#define ADD(name, test) g_test_add("/device/" name, Fixture, NULL, setup, test, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("header", test_header);
	ADD("accesses", test_accesses);
	ADD("bars", test_bars);
	ADD("capabilities", test_capabilities);
	ADD("rom", test_rom);
	ADD("intx", test_intx);
	ADD("attach", test_attach);
	ADD("msix", test_msix);
	ADD("vmm-msix", test_vmm_msix);
	ADD("bus-master", test_bus_master);
	ADD("regions", test_regions);
	ADD("in-use", test_in_use);
	ADD("lost", test_lost);
	g_test_add_func("/device/other-bus-error", test_other_bus_error);
	ADD("save-load", test_save_load);
	ADD("load-then-attach", test_load_then_attach);
	ADD("hostile-state", test_hostile_state);
	return g_test_run();
}
