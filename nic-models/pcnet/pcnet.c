/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcnet.c - the AMD PCnet family: Am79C970A (PCnet-PCI II) and Am79C973 (PCnet-FAST III).
 *
 * One chip with one receive and one transmit ring in guest memory. Everything happens on the
 * instance's worker: register accesses, frames from the network, and transmit runs, which are
 * posted so that a register write returns first. Left out: wake-up by magic packet or pattern,
 * expansion bus, bus mastering details (burst lengths, latency), collisions.
 */
#include "pcnet.h"

#include <jackfield/state.h>
#include <string.h>

void
pcnet_poll_within(Pcnet *p, guint64 ns)
{
	guint64 deadline = p->host->now(p->inst, JF_CLOCK_MONOTONIC) + ns;

	if (p->poll_at != 0 && p->poll_at <= deadline)
		return;
	p->poll_at = deadline;
	p->host->timer_arm(p->poll, deadline);
}

static void
poll_fired(JfInstance *inst, gpointer data)
{
	Pcnet *p = inst->priv;

	(void)data;
	p->poll_at = 0;
	p->tx_polled |= pcnet_transmit(p);
	pcnet_rx_poll(p);
}

static void
transmit_posted(JfInstance *inst, gpointer data)
{
	Pcnet *p = inst->priv;

	(void)data;
	p->tx_posted = FALSE;
	pcnet_transmit(p);
}

void
pcnet_transmit_soon(Pcnet *p)
{
	if (p->tx_posted)
		return;
	p->tx_posted = TRUE;
	p->host->post(p->inst, transmit_posted, NULL);
}

/* The timer stops at each expiry until the driver has cleared STINT, so that a short period cannot
 * keep the host busy. */
void
pcnet_soft_timer_arm(Pcnet *p)
{
	if (p->soft_ns && !(p->csr[7] & CSR7_STINT))
		p->host->timer_arm(p->soft, p->host->now(p->inst, JF_CLOCK_MONOTONIC) + p->soft_ns);
}

static void
soft_fired(JfInstance *inst, gpointer data)
{
	Pcnet *p = inst->priv;

	(void)data;
	p->csr[7] |= CSR7_STINT;
	pcnet_update_irq(p);
}

static void
tint_fired(JfInstance *inst, gpointer data)
{
	(void)data;
	pcnet_tint_flush(inst->priv);
}

static void
pcnet_set_info(Pcnet *p)
{
	p->info = (JfPciInfo){
		.struct_size = sizeof p->info,
		.vendor = 0x1022,
		.device = 0x2000,
		.subsystem_vendor = 0x1022,
		.subsystem = 0x2000,
		.revision = p->is_973 ? 0x40 : 0x16,
		.base_class = 0x02,
		.status = 0x0280,
		.min_gnt = 6,
		.max_lat = 0xff,
		.interrupt_pin = 1,
		.bars = {
			{ .size = PCNET_IO_SIZE, .flags = JF_BAR_IO },
			{ .size = PCNET_IO_SIZE },
		},
	};
}

static gboolean
pcnet_init(JfInstance *inst, GError **error)
{
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);
	Pcnet *p = inst->priv;

	p->inst = inst;
	p->host = inst->host;
	p->pci = p->host->query(inst, JF_PCI_HOST_IID);
	if (!p->pci || !card) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: a model needs a host with guest memory", inst->name);
		return FALSE;
	}
	p->is_973 = g_ascii_strcasecmp(inst->driver->id, "Am79C973") == 0;
	p->poll = p->host->timer_add(inst, poll_fired, NULL);
	p->soft = p->host->timer_add(inst, soft_fired, NULL);
	p->tint = p->host->timer_add(inst, tint_fired, NULL);
	p->jumbo = p->host->counter(inst, "jumbo-drops");
	p->no_carrier = p->host->counter(inst, "no-carrier-drops");
	p->dma_errors = p->host->counter(inst, "dma-errors");
	p->line_speed = card->line_speed;
	pcnet_set_info(p);
	pcnet_aprom_init(p, card->mac);
	pcnet_reset(p, TRUE);
	return TRUE;
}

static void
pcnet_finish(JfInstance *inst)
{
	(void)inst;
}

static gboolean
pcnet_start(JfInstance *inst, GError **error)
{
	(void)error;
	pcnet_transmit_soon(inst->priv);
	pcnet_soft_timer_arm(inst->priv);
	return TRUE;
}

static void
pcnet_stop(JfInstance *inst)
{
	Pcnet *p = inst->priv;

	pcnet_tint_flush(p);
	p->poll_at = 0;
	p->host->timer_arm(p->poll, 0);
	p->host->timer_arm(p->soft, 0);
}

static void
pcnet_resume(JfInstance *inst, guint port)
{
	(void)port;
	pcnet_transmit(inst->priv);
}

static void
pcnet_link(JfInstance *inst, guint port, gboolean up)
{
	Pcnet *p = inst->priv;

	(void)port;
	if (p->link == up)
		return;
	p->link = up;
	p->link_latched |= !up;
	pcnet_phy_link(p);
	/* The PHY is looked at by the chip itself: BCR32, APEP. */
	if (p->is_973 && (p->bcr[BCR_MIICAS] & BCR32_APEP)) {
		p->csr[7] |= CSR7_MAPINT;
		pcnet_update_irq(p);
	}
}

static const JfPciInfo *
pcnet_info(JfInstance *inst)
{
	const Pcnet *p = inst->priv;

	return &p->info;
}

static void
pcnet_pci_reset(JfInstance *inst)
{
	pcnet_reset(inst->priv, TRUE);
}

/* NeXTSTEP switches bus mastering off, says INIT, and then switches it on. */
static void
pcnet_bus_master(JfInstance *inst, gboolean on)
{
	Pcnet *p = inst->priv;

	if (!on || !p->init_waits)
		return;
	p->csr[0] &= (guint16)~CSR0_MERR;
	pcnet_csr_init(p);
}

static const JfPci pcnet_pci = {
	.struct_size = sizeof(JfPci),
	.info = pcnet_info,
	.bar_read = pcnet_bar_read,
	.bar_write = pcnet_bar_write,
	.reset = pcnet_pci_reset,
	.bus_master = pcnet_bus_master,
};

static gconstpointer
pcnet_query(JfInstance *inst, const char *iid)
{
	(void)inst;
	if (strcmp(iid, JF_PCI_IID) == 0)
		return &pcnet_pci;
	if (strcmp(iid, JF_STATE_IID) == 0)
		return &pcnet_state;
	return NULL;
}

#define PCNET_DRIVER                                                                           \
	JF_DRIVER_HEAD, .kind = JF_KIND_MODEL, .priv_size = sizeof(Pcnet), .init = pcnet_init, \
			.finish = pcnet_finish, .start = pcnet_start, .stop = pcnet_stop,      \
			.input = pcnet_input, .resume = pcnet_resume, .link = pcnet_link,      \
			.query = pcnet_query

static const JfDriver am79c970a = {
	PCNET_DRIVER,
	.id = "Am79C970A",
	.blurb = "AMD PCnet-PCI II, 10 Mbit/s Ethernet of the 1990s.",
};

static const JfDriver am79c973 = {
	PCNET_DRIVER,
	.id = "Am79C973",
	.blurb = "AMD PCnet-FAST III, 10/100 Mbit/s Ethernet known to nearly every guest.",
};

static const JfDriver *const drivers[] = { &am79c970a, &am79c973, NULL };

const JfPlugin *
jf_plugin_query(void)
{
	static const JfPlugin plugin = {
		JF_PLUGIN_HEAD,
		.name = "pcnet",
		.version = "1.0",
		.license = "LGPL-2.1-or-later",
		.blurb = "AMD PCnet network cards.",
		.drivers = drivers,
	};

	return &plugin;
}
