/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* probe-model.c - a model that does as its registers say. */
#include "probe-model.h"

#include <string.h>

#include "jackfield/state.h"

ProbeModel *probe_model;

static const guint8 cap_data[8] = { 0x09, 0, 8, 0xaa, 0, 0, 0, 0 };
static const guint8 cap_writable[8] = { 0xff, 0xff, 0, 0, 0x3c };
static const JfPciCap caps[] = {
	{ .offset = PROBE_CAP, .len = sizeof cap_data, .data = cap_data, .writable = cap_writable }
};

static const JfPciInfo info = {
	.struct_size = sizeof info,
	.vendor = 0x1af4,
	.device = 0x10f0,
	.subsystem_vendor = 0x1234,
	.subsystem = 0x5678,
	.revision = 3,
	.base_class = 2,
	.status = 0x0280,
	.min_gnt = 6,
	.max_lat = 0xff,
	.interrupt_pin = 1,
	.msix_bar = 2,
	.msix_vectors = PROBE_VECTORS,
	.msix_table = PROBE_TABLE,
	.msix_pba = PROBE_PBA,
	.n_caps = G_N_ELEMENTS(caps),
	.caps = caps,
	.bars = { { .size = 0x1000 },
		  { .size = 32, .flags = JF_BAR_IO },
		  { .size = 0x1000, .flags = JF_BAR_64 },
		  { 0 },
		  { .size = 0x100000, .flags = JF_BAR_PREFETCH } },
};

static gboolean
probe_init(JfInstance *inst, GError **error)
{
	ProbeModel *p = inst->priv;

	(void)error;
	p->inst = inst;
	p->pci = inst->host->query(inst, JF_PCI_HOST_IID);
	probe_model = p;
	return TRUE;
}

static void
probe_finish(JfInstance *inst)
{
	(void)inst;
	probe_model = NULL;
}

static guint
probe_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)inst;
	(void)port;
	(void)frames;
	return n;
}

static const JfPciInfo *
probe_info(JfInstance *inst)
{
	(void)inst;
	return &info;
}

static guint64
probe_bar_read(JfInstance *inst, guint bar, guint64 offset, guint size)
{
	ProbeModel *p = inst->priv;
	guint64 value = 0;

	if (bar > 1)
		return 0x1122334455667788u;
	memcpy(&value, p->bytes + offset, size);
	return value;
}

static guint64
get(const ProbeModel *p, guint at, guint size)
{
	guint64 value = 0;

	memcpy(&value, p->bytes + at, size);
	return value;
}

static void
probe_bar_write(JfInstance *inst, guint bar, guint64 offset, guint size, guint64 value)
{
	ProbeModel *p = inst->priv;
	guint64 address;
	guint len;

	if (bar > 1)
		return;
	memcpy(p->bytes + offset, &value, size);
	address = get(p, PROBE_ADDRESS, 8);
	len = MIN((guint)value, PROBE_BUFFER_LEN);
	if (bar == 0 && offset == PROBE_IRQ)
		p->pci->set_irq(inst, value != 0);
	else if (bar == 0 && offset == PROBE_MSIX)
		p->pci->msix_notify(inst, (guint)value);
	else if (bar == 0 && offset == PROBE_READ)
		p->bytes[PROBE_DONE] =
			(guint8)p->pci->dma_read(inst, address, p->bytes + PROBE_BUFFER, len);
	else if (bar == 0 && offset == PROBE_WRITE)
		p->bytes[PROBE_DONE] =
			(guint8)p->pci->dma_write(inst, address, p->bytes + PROBE_BUFFER, len);
}

static void
probe_reset(JfInstance *inst)
{
	ProbeModel *p = inst->priv;

	p->resets++;
	memset(p->bytes, 0, sizeof p->bytes);
	p->pci->set_irq(inst, FALSE);
}

static guint32
probe_config_read(JfInstance *inst, guint offset, guint size, guint32 stored)
{
	(void)inst;
	return offset == PROBE_CAP + 7 && size == 1 ? 0x77 : stored;
}

static void
probe_config_write(JfInstance *inst, guint offset, guint size, guint32 value)
{
	ProbeModel *p = inst->priv;

	(void)size;
	if (offset == PROBE_CAP + 4)
		p->config_written = value;
}

static void
probe_bus_master(JfInstance *inst, gboolean on)
{
	ProbeModel *p = inst->priv;

	p->bus_masters++;
	p->bus_master = on;
}

static GVariant *
probe_save(JfInstance *inst, GError **error)
{
	ProbeModel *p = inst->priv;
	GVariantDict dict;

	(void)error;
	g_variant_dict_init(&dict, NULL);
	g_variant_dict_insert_value(&dict, "bytes",
				    g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, p->bytes,
							      sizeof p->bytes, 1));
	return g_variant_dict_end(&dict);
}

static gboolean
probe_load(JfInstance *inst, guint32 version, GVariant *state, GError **error)
{
	g_autoptr(GVariant)
		bytes = g_variant_lookup_value(state, "bytes", G_VARIANT_TYPE_BYTESTRING);
	ProbeModel *p = inst->priv;
	gsize n = 0;
	gconstpointer data = bytes ? g_variant_get_fixed_array(bytes, &n, 1) : NULL;

	if (version != 1 || n != sizeof p->bytes) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "bad state");
		return FALSE;
	}
	memcpy(p->bytes, data, n);
	p->pci->set_irq(inst, p->bytes[PROBE_IRQ] != 0);
	return TRUE;
}

static const JfPci probe_pci = {
	.struct_size = sizeof probe_pci,
	.info = probe_info,
	.bar_read = probe_bar_read,
	.bar_write = probe_bar_write,
	.reset = probe_reset,
	.config_read = probe_config_read,
	.config_write = probe_config_write,
	.bus_master = probe_bus_master,
};

static const JfState probe_state = {
	.struct_size = sizeof probe_state,
	.version = 1,
	.save = probe_save,
	.load = probe_load,
};

static gconstpointer
probe_query(JfInstance *inst, const char *iid)
{
	(void)inst;
	if (strcmp(iid, JF_PCI_IID) == 0)
		return &probe_pci;
	return strcmp(iid, JF_STATE_IID) == 0 ? &probe_state : NULL;
}

const JfDriver probe_model_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_MODEL,
	.priv_size = sizeof(ProbeModel),
	.id = "probe",
	.blurb = "A model that does as its registers say.",
	.init = probe_init,
	.finish = probe_finish,
	.input = probe_input,
	.query = probe_query,
};

static gboolean
null_init(JfInstance *inst, GError **error)
{
	(void)inst;
	(void)error;
	return TRUE;
}

static void
null_finish(JfInstance *inst)
{
	(void)inst;
}

const JfDriver probe_null_driver = {
	JF_DRIVER_HEAD,    .kind = JF_KIND_ATTACHMENT, .id = "null",         .blurb = "Nothing.",
	.init = null_init, .finish = null_finish,      .input = probe_input,
};
